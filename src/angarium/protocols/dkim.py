"""DKIM signatures, RFC 6376 relaxed/relaxed, with RSA (RFC 8301) and Ed25519 (RFC 8463); signing only.

Rules:
- what a person sees is oversigned: each such field is named once more than it occurs, so that nobody on the
  way can add a second Subject and leave the signature whole (RFC 6376 §8.15);
- no `l=`: a signature over a part of the body lets the rest be written by others (§8.2);
- the same mail always gets the same signature: the time is the mail's, and both algorithms are deterministic.
"""

from __future__ import annotations

import binascii
import re
from base64 import b64decode, b64encode
from collections.abc import Collection, Iterable, Sequence
from hashlib import sha256

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_private_key

from angarium.core.clock import MICROS

OVERSIGNED = (
    "from",
    "to",
    "subject",
    "date",
    "message-id",
    "list-unsubscribe",
    "list-unsubscribe-post",
    "mime-version",
    "content-type",
    "content-transfer-encoding",
)
RSA_BITS = (1024, 4096)  # RFC 8301 §3.2: below it is not to be signed with, beyond it not all can verify
KEY_MAX = 8_000  # characters of a private key as text; one of 4096 bits has some 3,300
SELECTOR = re.compile(
    r"[A-Za-z0-9](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9])?(?:\.[A-Za-z0-9][A-Za-z0-9-]{0,62}){0,3}"
)
PEM = re.compile(r"-----BEGIN (?:RSA )?PRIVATE KEY-----(.*)-----END (?:RSA )?PRIVATE KEY-----", re.DOTALL)
FOLD = 72  # characters of base 64 on a line
BLANKS = re.compile(rb"[ \t]+")
BLANKS_AT_END = re.compile(rb"[ \t]+\r\n")
EMPTY_LINES_AT_END = re.compile(rb"(?:\r\n)+\Z")

Key = RSAPrivateKey | Ed25519PrivateKey


class KeyTrouble(ValueError):
    """A private key that cannot sign; its text never quotes the key."""


def private_key(text: str) -> Key:
    """A key as PEM (PKCS #8, or PKCS #1 of RSA), also where a form has taken its line ends away."""
    found = PEM.search(text) if len(text) <= KEY_MAX else None
    if found is None:
        raise KeyTrouble("is not an unencrypted private key in PEM")
    try:
        key = load_der_private_key(b64decode("".join(found[1].split()), validate=True), None)
    except (ValueError, TypeError, binascii.Error, UnsupportedAlgorithm):
        raise KeyTrouble("is damaged: it cannot be read") from None
    if isinstance(key, Ed25519PrivateKey):
        return key
    if not isinstance(key, RSAPrivateKey):
        raise KeyTrouble("is neither an RSA key nor an Ed25519 key")
    if not RSA_BITS[0] <= key.key_size <= RSA_BITS[1]:
        raise KeyTrouble(f"has {key.key_size} bits: take 2048")
    return key


class Signer:
    """One key under one name: `selector._domainkey.domain` in the DNS."""

    def __init__(self, domain: str, selector: str, key: Key) -> None:
        self.domain, self.selector = domain, selector
        self._key = key

    def record(self) -> tuple[str, str]:
        """The name and the text of the TXT record to publish, RFC 6376 §3.6.1 and RFC 8463 §4."""
        public = self._key.public_key()
        if isinstance(self._key, RSAPrivateKey):
            kind, data = "rsa", public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        else:
            kind, data = "ed25519", public.public_bytes(Encoding.Raw, PublicFormat.Raw)
        name = f"{self.selector}._domainkey.{self.domain}"
        return name, f"v=DKIM1; k={kind}; p={b64encode(data).decode()}"

    def signature(self, names: Sequence[str], fields: bytes, body_hash: str, at: int) -> bytes:
        """The DKIM-Signature field over canonical `fields`, folded, with its CRLF; `at` in microseconds."""
        rsa = isinstance(self._key, RSAPrivateKey)
        head = (
            f"DKIM-Signature: v=1; a={'rsa' if rsa else 'ed25519'}-sha256; c=relaxed/relaxed;\r\n"
            f" d={self.domain}; s={self.selector}; t={at // MICROS};\r\n"
            f" h={_folded_names(names)};\r\n bh={body_hash};\r\n b="
        ).encode("ascii")
        own = _canonical_field(head).removesuffix(b"\r\n")  # itself is signed without its end, §3.7
        words = b64encode(self._sign(fields + own)).decode()
        lines = [words[place : place + FOLD] for place in range(0, len(words), FOLD)]
        return head + "\r\n ".join(lines).encode("ascii") + b"\r\n"

    def _sign(self, data: bytes) -> bytes:
        if isinstance(self._key, RSAPrivateKey):
            return self._key.sign(data, PKCS1v15(), hashes.SHA256())
        return self._key.sign(sha256(data).digest())  # RFC 8463 §3: over the digest


def sign(
    mail: bytes, signers: Iterable[Signer], at: int, written_anew: Collection[str] = frozenset()
) -> bytes:
    """The mail with one signature before it for each signer; its lines end in CRLF. `at`: microseconds.

    `written_anew`: names of fields that the next host writes itself, so that they are not signed.
    """
    head, _, body = mail.partition(b"\r\n\r\n")
    names, fields = _signed_fields(head, written_anew)
    body_hash = b64encode(sha256(canonical_body(body)).digest()).decode()
    return b"".join([*(signer.signature(names, fields, body_hash, at) for signer in signers), mail])


def canonical_body(body: bytes) -> bytes:
    """The relaxed body, RFC 6376 §3.4.4."""
    if not body.endswith(b"\r\n"):
        body += b"\r\n"
    body = BLANKS_AT_END.sub(b"\r\n", BLANKS.sub(b" ", body))
    body = EMPTY_LINES_AT_END.sub(b"\r\n", body)
    return b"" if body == b"\r\n" else body


def _signed_fields(head: bytes, written_anew: Collection[str]) -> tuple[list[str], bytes]:
    """The names for `h=`, and those fields in canonical form: of several of a name the last first, §5.4.2."""
    found: dict[str, list[bytes]] = {}
    for field in re.split(rb"\r\n(?![ \t])", head):
        name = field.partition(b":")[0].strip().lower().decode("ascii", "replace")
        found.setdefault(name, []).insert(0, field)
    names, fields = [], []
    for name in (name for name in OVERSIGNED if name not in written_anew):
        occurring = found.get(name, [])
        names += [name] * (len(occurring) + 1)
        fields += [_canonical_field(field) for field in occurring]
    return names, b"".join(fields)


def _canonical_field(field: bytes) -> bytes:
    """The relaxed field, §3.4.2."""
    name, _, value = field.partition(b":")
    value = BLANKS.sub(b" ", value.replace(b"\r\n", b"")).strip(b" ")
    return name.strip().lower() + b":" + value + b"\r\n"


def _folded_names(names: Sequence[str]) -> str:
    lines = [""]
    for place, name in enumerate(names):
        word = name if place == len(names) - 1 else f"{name}:"
        if len(lines[-1]) + len(word) > FOLD:
            lines.append("")
        lines[-1] += word
    return "\r\n  ".join(lines)

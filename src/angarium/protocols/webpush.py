"""Web push: a subscription, the encryption of a message for it, and who sends it. Pure but for fresh keys.

Sources: RFC 8030 (the request), RFC 8188 and RFC 8291 (aes128gcm with the keys of a subscription), RFC 8292
(VAPID). A message is one record of at most 4096 octets, of which 3993 are the plain text (RFC 8291 §4).
"""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from urllib.parse import urlsplit

import msgspec
from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

PLAIN_MAX = 3_993  # octets
RECORD = 4_096
POINT, SALT, AUTH = 65, 16, 16  # octets: an uncompressed point of P-256, the two salts
ADDRESS_MAX = 2_048  # characters of a subscription as it is kept
CURVE = ec.SECP256R1()
HEAD = {"typ": "JWT", "alg": "ES256"}


class Keys(msgspec.Struct, frozen=True):
    """The keys of a browser, base64url."""

    p256dh: str
    auth: str


class Subscription(msgspec.Struct, frozen=True):
    """What a browser gives a site: where to post, and whom to encrypt for."""

    endpoint: str
    keys: Keys


def packed(octets: bytes) -> str:
    """Base64url without padding."""
    return urlsafe_b64encode(octets).decode().rstrip("=")


def unpacked(text: str) -> bytes:
    """The octets of base64url, padded or not; ValueError for anything else."""
    if not text.isascii():
        raise ValueError("not base64url")
    bare = text.rstrip("=").replace("+", "-").replace("/", "_")
    octets = urlsafe_b64decode(bare + "=" * (-len(bare) % 4))
    if packed(octets) != bare:
        raise ValueError("not base64url")
    return octets


def subscription(text: str) -> Subscription | None:
    """A subscription, its keys in their one form; None for what cannot be one."""
    try:
        told = msgspec.json.decode(text, type=Subscription)
        point, auth = unpacked(told.keys.p256dh), unpacked(told.keys.auth)
        where = urlsplit(told.endpoint)
        ec.EllipticCurvePublicKey.from_encoded_point(CURVE, point)
    except (ValueError, RecursionError):
        return None
    fits = where.scheme in ("https", "http") and where.hostname and "@" not in where.netloc
    if not fits or len(point) != POINT or len(auth) != AUTH:
        return None
    return Subscription(told.endpoint, Keys(packed(point), packed(auth)))


def kept(one: Subscription) -> str:
    """A subscription as an address: compact JSON, always the same."""
    return msgspec.json.encode(one).decode()


# ── encryption ───────────────────────────────────────────────────────────────────────────────────────


def private_key(text: str) -> ec.EllipticCurvePrivateKey:
    """A private key from the base64url of its 32 octets; ValueError otherwise."""
    octets = unpacked(text)
    if len(octets) != 32:
        raise ValueError("is not 32 octets in base64url")
    return ec.derive_private_key(int.from_bytes(octets, "big"), CURVE)


def public_octets(key: ec.EllipticCurvePrivateKey) -> bytes:
    """The public half as an uncompressed point."""
    return key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def encrypted(
    plain: bytes, one: Subscription, salt: bytes, own: ec.EllipticCurvePrivateKey | None = None
) -> bytes:
    """The body of a push message. `salt`: 16 fresh octets. `own`: a fresh key but in tests.

    ValueError for more than PLAIN_MAX octets.
    """
    if len(plain) > PLAIN_MAX:
        raise ValueError(f"{len(plain)} octets, at most {PLAIN_MAX}")
    own = own or ec.generate_private_key(CURVE)
    theirs = unpacked(one.keys.p256dh)
    shared = own.exchange(ec.ECDH(), ec.EllipticCurvePublicKey.from_encoded_point(CURVE, theirs))
    ours = public_octets(own)
    key, nonce = _derived(shared, unpacked(one.keys.auth), theirs, ours, salt)
    header = salt + RECORD.to_bytes(4, "big") + bytes([POINT]) + ours
    return header + AESGCM(key).encrypt(nonce, plain + b"\x02", None)


def decrypted(body: bytes, own: ec.EllipticCurvePrivateKey, auth: bytes) -> bytes | None:
    """What a browser makes of the body; None when it was not encrypted for it."""
    salt, size, ours = body[:SALT], body[SALT + 4 : SALT + 5], body[SALT + 5 : SALT + 5 + POINT]
    if size != bytes([POINT]):
        return None
    try:
        shared = own.exchange(ec.ECDH(), ec.EllipticCurvePublicKey.from_encoded_point(CURVE, ours))
        key, nonce = _derived(shared, auth, public_octets(own), ours, salt)
        plain = AESGCM(key).decrypt(nonce, body[SALT + 5 + POINT :], None)
    except (ValueError, InvalidTag):
        return None
    text, mark, padding = plain.rpartition(b"\x02")
    return text if mark and not padding.strip(b"\x00") else None


def _derived(shared: bytes, auth: bytes, theirs: bytes, ours: bytes, salt: bytes) -> tuple[bytes, bytes]:
    """The key and the nonce: RFC 8291 §3.4."""
    secret = _hkdf(auth, shared, b"WebPush: info\x00" + theirs + ours, 32)
    return (
        _hkdf(salt, secret, b"Content-Encoding: aes128gcm\x00", 16),
        _hkdf(salt, secret, b"Content-Encoding: nonce\x00", 12),
    )


def _hkdf(salt: bytes, secret: bytes, info: bytes, length: int) -> bytes:
    """RFC 5869 for at most one block."""
    extracted = hmac.digest(salt, secret, "sha256")
    return hmac.digest(extracted, info + b"\x01", "sha256")[:length]


# ── who sends ────────────────────────────────────────────────────────────────────────────────────────


def vapid(key: ec.EllipticCurvePrivateKey, endpoint: str, contact: str, expires_s: int) -> str:
    """The value of Authorization: RFC 8292 §3. `expires_s`: Unix time, at most a day ahead."""
    claims = {"aud": origin(endpoint), "exp": expires_s, "sub": contact}
    said = ".".join(packed(msgspec.json.encode(part)) for part in (HEAD, claims))
    r, s = decode_dss_signature(key.sign(said.encode(), ec.ECDSA(SHA256())))
    signature = packed(r.to_bytes(32, "big") + s.to_bytes(32, "big"))
    return f"vapid t={said}.{signature}, k={packed(public_octets(key))}"


def origin(endpoint: str) -> str:
    """The origin of an endpoint: scheme, host and port."""
    where = urlsplit(endpoint)
    return f"{where.scheme}://{where.netloc}"


def vouched(header: str, audience: str, now_s: float) -> str:
    """The public key that signed an Authorization, as base64url; "" when it does not hold."""
    fields = dict(
        part.strip().split("=", 1) for part in header.removeprefix("vapid ").split(",") if "=" in part
    )
    head, _, signature = fields.get("t", "").rpartition(".")
    try:
        made = unpacked(signature)
        numbers = encode_dss_signature(int.from_bytes(made[:32], "big"), int.from_bytes(made[32:], "big"))
        key = ec.EllipticCurvePublicKey.from_encoded_point(CURVE, unpacked(fields.get("k", "")))
        key.verify(numbers, head.encode(), ec.ECDSA(SHA256()))
        claims = msgspec.json.decode(unpacked(head.rpartition(".")[2]), type=dict[str, str | int])
    except (ValueError, InvalidSignature):
        return ""
    expires = claims.get("exp")
    in_time = isinstance(expires, int) and now_s < expires <= now_s + 86_400
    return fields["k"] if in_time and claims.get("aud") == audience else ""

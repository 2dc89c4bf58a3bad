"""dkimpy as the one who receives signed mail; the curve, for which it wants PyNaCl, is `cryptography`'s."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Mapping
from types import SimpleNamespace

import dkim
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey


class VerifyKey:
    """PyNaCl's class of that name, as far as dkimpy uses it."""

    def __init__(self, key: bytes, encoder: object) -> None:
        self._key = Ed25519PublicKey.from_public_bytes(b64decode(key))

    def verify(self, digest: bytes, signature: bytes) -> None:
        """Raises InvalidSignature."""
        self._key.verify(signature, digest)


dkim.nacl = SimpleNamespace(
    signing=SimpleNamespace(VerifyKey=VerifyKey),
    encoding=SimpleNamespace(Base64Encoder=None),
    exceptions=SimpleNamespace(BadSignatureError=InvalidSignature),
)


def verified(mail: bytes, records: Mapping[str, str], signatures: int = 2) -> list[bool]:
    """What dkimpy says of each signature of a mail, with these records in the DNS."""

    def published(name: bytes, timeout: int = 5) -> bytes:
        return records[name.decode().rstrip(".")].encode()

    def holds(number: int) -> bool:
        try:
            return bool(dkim.DKIM(mail).verify(idx=number, dnsfunc=published))
        except dkim.ValidationError:
            return False

    return [holds(number) for number in range(signatures)]

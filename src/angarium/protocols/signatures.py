"""Signatures of callbacks: HMAC-SHA256 over the raw bytes, compared in constant time."""

from __future__ import annotations

import hmac
from collections.abc import Iterable

HUB_PREFIX = "sha256="


def hmac_sha256(secret: str, body: bytes) -> str:
    """The signature as lower-case hex."""
    return hmac.new(secret.encode(), body, "sha256").hexdigest()


def genuine(signature: str, secrets: Iterable[str], body: bytes) -> bool:
    """Whether this is the signature that one of the secrets makes, to the byte: lower-case hex.

    Several secrets, so that one can be changed while callbacks signed with the other are on their way. An
    empty secret signs nothing. All are tried, so that the time taken does not tell which one fitted.
    """
    given = signature.encode(errors="replace")
    made = [hmac_sha256(secret, body).encode() for secret in secrets if secret]
    verdicts = [hmac.compare_digest(given, expected) for expected in made]
    return any(verdicts)


def hub_signature(secret: str, body: bytes) -> str:
    """The value of `X-Hub-Signature-256` as Meta sends it.

    Source: developers.facebook.com/docs/graph-api/webhooks/getting-started ("Validating payloads").
    """
    return HUB_PREFIX + hmac_sha256(secret, body)


def hub_genuine(header: str, secrets: Iterable[str], body: bytes) -> bool:
    """Whether `X-Hub-Signature-256` fits the body; a missing header or another algorithm does not."""
    if not header.startswith(HUB_PREFIX):
        return False
    return genuine(header.removeprefix(HUB_PREFIX), secrets, body)

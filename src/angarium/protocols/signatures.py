"""Signatures of callbacks: HMACs over what was posted, compared in constant time."""

from __future__ import annotations

import binascii
import hashlib
import hmac
from base64 import b64decode, b64encode, urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import msgspec

HUB_PREFIX = "sha256="


def hmac_sha256(secret: str, body: bytes) -> str:
    """The signature as lower-case hex."""
    return hmac.new(secret.encode(), body, "sha256").hexdigest()


def genuine(signature: str, secrets: Iterable[str], body: bytes) -> bool:
    """Whether this is the signature that one of the secrets makes, to the byte: lower-case hex.

    Several secrets, so that one can be changed while callbacks signed with the other are on their way. An
    empty secret signs nothing. All are tried, so that the time taken does not tell which one fitted.
    """
    return fits_one(signature, [hmac_sha256(secret, body) for secret in secrets if secret])


def fits_one(signature: str, made: Iterable[str]) -> bool:
    """Whether it is one of these; all are compared."""
    given = signature.encode(errors="replace")
    verdicts = [hmac.compare_digest(given, expected.encode()) for expected in made]
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


def twilio_signature(secret: str, url: str, form: bytes, digest: str = "sha1") -> str:
    """The value of `X-Twilio-Signature` of a form posted to a URL, which is signed with its query.

    Source: twilio.com/docs/usage/webhooks/webhooks-security, and twilio-python's request_validator: each
    field by its name, and of one that comes several times each value once.
    """
    fields = sorted(set(parse_qsl(form.decode(errors="replace"), keep_blank_values=True)))
    signed = url + "".join(name + value for name, value in fields)
    made = hmac.new(secret.encode(), signed.encode(errors="replace"), digest).digest()
    return b64encode(made).decode()


def twilio_genuine(
    signature: str, secrets: Iterable[str], url: str, form: bytes, digest: str = "sha1"
) -> bool:
    """Whether the signature fits the form and the URL, with or without a port: Twilio signs either."""
    if not url:
        return False
    parts = urlsplit(url)
    bare = parts.netloc.removesuffix(f":{parts.port}")
    port = parts.port or (443 if parts.scheme == "https" else 80)
    spelt = [parts._replace(netloc=netloc).geturl() for netloc in (bare, f"{bare}:{port}")]
    pairs = [(secret, each) for secret in secrets if secret for each in spelt]
    return fits_one(signature, [twilio_signature(*pair, form, digest) for pair in pairs])


def standard_signature(secret: str, name: str, at: str, body: bytes) -> str:
    """The value of `webhook-signature` of Standard Webhooks; `name` and `at` are its two other headers.

    Source: github.com/standard-webhooks/standard-webhooks, spec, "Signature scheme". The secret is base64
    after `whsec_`; binascii.Error for another.
    """
    key = b64decode(secret.removeprefix("whsec_"), validate=True)
    made = hmac.new(key, b".".join((name.encode(), at.encode(), body)), "sha256").digest()
    return "v1," + b64encode(made).decode()


def standard_genuine(headers: Mapping[str, str], secrets: Iterable[str], body: bytes) -> bool:
    """Whether one of the signatures in the header fits. Its age is not looked at: an event is heard once."""
    name, at = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not name or not at:
        return False
    made = [standard_signature(secret, name, at, body) for secret in secrets if secret]
    verdicts = [fits_one(given, made) for given in headers.get("webhook-signature", "").split()]
    return any(verdicts)


def sinch_signature(secret: str, body: bytes, nonce: str, at: str) -> str:
    """The value of `x-sinch-webhook-signature`; `nonce` and `at` are its two other headers.

    Source: sinch-sdk-python authentication_validation.py.
    """
    made = hmac.new(secret.encode(), b".".join((body, nonce.encode(), at.encode())), "sha256").digest()
    return b64encode(made).decode()


def jwt_signed(secret: str, claims: Mapping[str, Any]) -> str:
    """A JSON Web Token with these claims, signed with HS256 (RFC 7515, RFC 7518 §3.2)."""
    parts = [{"alg": "HS256", "typ": "JWT"}, dict(claims)]
    signed = ".".join(urlsafe_b64encode(msgspec.json.encode(part)).decode().rstrip("=") for part in parts)
    return f"{signed}.{_jwt_signature(secret, signed)}"


def jwt_claims(token: str, secrets: Iterable[str]) -> dict[str, Any] | None:
    """The claims of a token that one of the secrets signed with HS256, and no other algorithm; else None.

    Its times are not looked at: what a provider says twice is heard once.
    """
    head, _, rest = token.partition(".")
    body, _, signature = rest.partition(".")
    made = [_jwt_signature(secret, f"{head}.{body}") for secret in secrets if secret]
    if not fits_one(signature, made):
        return None
    told, claims = _jwt_part(head), _jwt_part(body)
    return claims if told is not None and told.get("alg") == "HS256" else None


def _jwt_signature(secret: str, signed: str) -> str:
    made = hmac.new(secret.encode(), signed.encode(errors="replace"), "sha256").digest()
    return urlsafe_b64encode(made).decode().rstrip("=")


def _jwt_part(part: str) -> dict[str, Any] | None:
    try:
        return msgspec.json.decode(urlsafe_b64decode(part + "=" * (-len(part) % 4)), type=dict[str, Any])
    except (ValueError, binascii.Error, RecursionError):
        return None


def gateway_signature(token: str, timestamp: str, body: bytes) -> str:
    """The value of `X-Request-Signature` as Telegram's Gateway makes it: over the time and the bytes.

    Source: core.telegram.org/gateway/api ("Checking report integrity").
    """
    key = hashlib.sha256(token.encode()).digest()
    return hmac.new(key, timestamp.encode(errors="replace") + b"\n" + body, "sha256").hexdigest()

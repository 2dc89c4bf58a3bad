"""What Amazon's SNS posts to an HTTP address: notifications and confirmations, and how they are signed.

Sources: docs.aws.amazon.com/sns/latest/dg ("Verifying the signatures of Amazon SNS messages", "Parsing Amazon
SNS message formats"); read in November 2026.
"""

from __future__ import annotations

import binascii
from base64 import b64decode
from urllib.parse import parse_qs, urlsplit

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.x509 import load_pem_x509_certificate

CERTIFICATE_MAX = 20_000  # bytes; Amazon's has some 2,300
# By SignatureVersion. SHA-1 is what topics are made with; their owner may set 2.
DIGESTS: dict[str, hashes.HashAlgorithm] = {
    "1": hashes.SHA1(),  # noqa: S303 - the provider's choice, over TLS
    "2": hashes.SHA256(),
}
NOTIFICATION, CONFIRMATION, FAREWELL = "Notification", "SubscriptionConfirmation", "UnsubscribeConfirmation"
SIGNED = {
    NOTIFICATION: ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"),
    CONFIRMATION: ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),
    FAREWELL: ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),
}


class Message(msgspec.Struct, frozen=True, rename="pascal"):
    """One POST of SNS. A subject that was not given is not signed."""

    type: str
    message: str
    message_id: str
    topic_arn: str
    timestamp: str
    signature: str
    signature_version: str
    signing_cert_url: str = msgspec.field(name="SigningCertURL")
    subject: str | None = None
    token: str | None = None
    subscribe_url: str | None = msgspec.field(name="SubscribeURL", default=None)


def signed_words(message: Message) -> str:
    """What a signature covers: names and values on lines of their own, in the order of the names."""
    values = {
        "Message": message.message,
        "MessageId": message.message_id,
        "Subject": message.subject,
        "SubscribeURL": message.subscribe_url,
        "Timestamp": message.timestamp,
        "Token": message.token,
        "TopicArn": message.topic_arn,
        "Type": message.type,
    }
    return "".join(
        f"{name}\n{values[name]}\n" for name in SIGNED.get(message.type, ()) if values[name] is not None
    )


def public_key(pem: bytes) -> RSAPublicKey | None:
    """The key in a certificate; None when it is none."""
    try:
        key = load_pem_x509_certificate(pem).public_key()
    except ValueError:
        return None
    return key if isinstance(key, RSAPublicKey) else None


def verified(message: Message, key: RSAPublicKey) -> bool:
    """Whether the message was signed with the key of that certificate."""
    digest, words = DIGESTS.get(message.signature_version), signed_words(message)
    if digest is None or not words:
        return False
    try:
        key.verify(
            b64decode(message.signature, validate=True), words.encode(errors="replace"), PKCS1v15(), digest
        )
    except (InvalidSignature, binascii.Error, ValueError):
        return False
    return True


def certificate_at(message: Message, base_url: str) -> bool:
    """Whether its certificate lies where SNS keeps them, `https://sns.<region>.amazonaws.com/….pem`."""
    url = message.signing_cert_url
    return url.startswith(f"{base_url}/") and url.endswith(".pem") and "?" not in url and "#" not in url


def confirms(message: Message, base_url: str) -> bool:
    """Whether to visit its SubscribeURL does just that: confirm a subscription to its topic, at SNS."""
    url = message.subscribe_url or ""
    asked = parse_qs(urlsplit(url).query) if url.startswith(f"{base_url}/?") else {}
    return asked.get("Action") == ["ConfirmSubscription"] and asked.get("TopicArn") == [message.topic_arn]

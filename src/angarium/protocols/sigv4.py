"""Requests to Amazon Web Services signed with Signature Version 4; what is asked and when, no I/O.

Source: docs.aws.amazon.com/IAM/latest/UserGuide ("Create a signed AWS API request"), held to AWS's own test
suite (awslabs/aws-c-auth, tests/aws-signing-test-suite/v4, Apache 2.0) and to botocore.

Paths are taken as they are written: without `..`, double slashes or percent signs, as those of our requests.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from urllib.parse import parse_qsl, quote, urlsplit

import msgspec

from angarium.core.clock import to_datetime

ALGORITHM = "AWS4-HMAC-SHA256"
UNRESERVED = "-_.~"


class Credentials(msgspec.Struct, frozen=True):
    """Who asks, and what for: a key is good for one service of one region."""

    access_key_id: str
    secret_access_key: str
    region: str
    service: str
    session_token: str = ""


def signed(
    credentials: Credentials, method: str, url: str, headers: Mapping[str, str], body: bytes, at: int
) -> dict[str, str]:
    """The headers with all that a signature adds; `at` in microseconds. Those given are signed too."""
    stamp = to_datetime(at).strftime("%Y%m%dT%H%M%SZ")
    added = {"Host": urlsplit(url).netloc, "X-Amz-Date": stamp}
    if credentials.session_token:
        added["X-Amz-Security-Token"] = credentials.session_token
    whole = {**headers, **added}
    names = ";".join(sorted(name.lower() for name in whole))
    made = signature(credentials, method, url, whole, body, stamp)
    who = f"{credentials.access_key_id}/{_scope(credentials, stamp)}"
    return {
        **whole,
        "Authorization": f"{ALGORITHM} Credential={who}, SignedHeaders={names}, Signature={made}",
    }


def signature(
    credentials: Credentials, method: str, url: str, headers: Mapping[str, str], body: bytes, stamp: str
) -> str:
    """The signature over a request with these headers, and no others; `stamp` is its X-Amz-Date."""
    digest = hashlib.sha256(_canonical(method, url, headers, body).encode()).hexdigest()
    words = "\n".join((ALGORITHM, stamp, _scope(credentials, stamp), digest))
    key = f"AWS4{credentials.secret_access_key}".encode()
    for part in _scope(credentials, stamp).split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    return hmac.digest(key, words.encode(), "sha256").hex()


def _scope(credentials: Credentials, stamp: str) -> str:
    return f"{stamp[:8]}/{credentials.region}/{credentials.service}/aws4_request"


def _canonical(method: str, url: str, headers: Mapping[str, str], body: bytes) -> str:
    parts = urlsplit(url)
    query = sorted(
        (quote(name, safe=UNRESERVED), quote(value, safe=UNRESERVED))
        for name, value in parse_qsl(parts.query, keep_blank_values=True)
    )
    fields = sorted((name.lower(), " ".join(value.split())) for name, value in headers.items())
    return "\n".join(
        (
            method,
            quote(parts.path or "/", safe="/" + UNRESERVED),
            "&".join(f"{name}={value}" for name, value in query),
            *(f"{name}:{value}" for name, value in fields),
            "",
            ";".join(name for name, _ in fields),
            hashlib.sha256(body).hexdigest(),
        )
    )

"""Requests to Amazon: signatures of AWS's own test suite.

From awslabs/aws-c-auth, tests/aws-signing-test-suite/v4 (Apache 2.0): what is asked, and the signature.
"""

from __future__ import annotations

from datetime import datetime

import pytest

from angarium.core.clock import from_datetime
from angarium.protocols.sigv4 import Credentials, signature, signed

KEY, SECRET = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
TOKEN = "6e86291e8372ff2a2260956d9b8aae1d763fbf315fa00fa31553b73ebf194267"
AT = from_datetime(datetime.fromisoformat("2015-08-30T12:36:00+00:00"))
HOST = "https://example.amazonaws.com"
PLAIN = "/-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
SUITE = [
    # name, method, path, more headers, body, signature
    ("get-vanilla", "GET", "/", {}, b"", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
    (
        "get-unreserved",
        "GET",
        PLAIN,
        {},
        b"",
        "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f",
    ),
    ("get-utf8", "GET", "/ሴ", {}, b"", "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85"),
    (
        "get-vanilla-query-order-key-case",
        "GET",
        "/?Param2=value2&Param1=value1",
        {},
        b"",
        "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
    ),
    (
        "get-header-value-trim",
        "GET",
        "/",
        {"My-Header1": " value1", "My-Header2": ' "a   b   c"'},
        b"",
        "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736",
    ),
    (
        "post-vanilla-query",
        "POST",
        "/?Param1=value1",
        {},
        b"",
        "28038455d6de14eafc1f9222cf5aa6f1a96197d7deb8263271d420d138af7f11",
    ),
    (
        "post-x-www-form-urlencoded",
        "POST",
        "/",
        {
            "Content-Type": "application/x-www-form-urlencoded",
            "Content-Length": "13",
            "x-amz-content-sha256": "9095672bbd1f56dfc5b65f3e153adc8731a4a654192329106275f4c7b24d0b6e",
        },
        b"Param1=value1",
        "d3875051da38690788ef43de4db0d8f280229d82040bfac253562e56c3f20e0b",
    ),
]


@pytest.mark.parametrize(
    ("method", "path", "more", "body", "made"), [one[1:] for one in SUITE], ids=[one[0] for one in SUITE]
)
def test_the_suite_of_amazon(method: str, path: str, more: dict[str, str], body: bytes, made: str) -> None:
    credentials = Credentials(KEY, SECRET, "us-east-1", "service")
    headers = signed(credentials, method, HOST + path, more, body, AT)
    names = ";".join(sorted(["host", "x-amz-date", *(name.lower() for name in more)]))
    assert headers["Authorization"] == (
        f"AWS4-HMAC-SHA256 Credential={KEY}/20150830/us-east-1/service/aws4_request, "
        f"SignedHeaders={names}, Signature={made}"
    )


def test_a_session_of_the_suite() -> None:
    """get-vanilla-with-session-token"""
    headers = signed(Credentials(KEY, SECRET, "us-east-1", "service", TOKEN), "GET", HOST + "/", {}, b"", AT)
    assert headers["X-Amz-Security-Token"] == TOKEN
    assert headers["Authorization"].endswith(
        "SignedHeaders=host;x-amz-date;x-amz-security-token, "
        "Signature=07ec1639c89043aa0e3e2de82b96708f198cceab042d4a97044c66dd9f74e7f8"
    )


def test_whoever_has_the_key_makes_it_again() -> None:
    credentials = Credentials(KEY, SECRET, "eu-west-1", "ses")
    asked = "POST", "http://127.0.0.1:8081/v2/email/outbound-emails"
    headers = signed(credentials, *asked, {"Content-Type": "application/json"}, b"{}", AT)
    sent = {name: value for name, value in headers.items() if name != "Authorization"}
    made = headers["Authorization"].rpartition("=")[2]
    assert signature(credentials, *asked, sent, b"{}", headers["X-Amz-Date"]) == made
    assert signature(credentials, *asked, sent, b"{ }", headers["X-Amz-Date"]) != made

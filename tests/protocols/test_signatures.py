"""Signatures of callbacks."""

from __future__ import annotations

import pytest

from angarium.protocols.signatures import genuine, hmac_sha256, hub_genuine, hub_signature

BODY = '{"text":"سلام"}'.encode()


def test_the_published_vector() -> None:
    """RFC 4231 §4.3, test case 2."""
    signature = hmac_sha256("Jefe", b"what do ya want for nothing?")
    assert signature == "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"


def test_a_signature_fits_its_bytes_and_its_secret_only() -> None:
    signature = hub_signature("secret", BODY)
    assert signature.startswith("sha256=")
    assert hub_genuine(signature, ["secret"], BODY)
    assert not hub_genuine(signature, ["other"], BODY)
    for place in range(len(BODY)):
        changed = BODY[:place] + bytes([BODY[place] ^ 1]) + BODY[place + 1 :]
        assert not hub_genuine(signature, ["secret"], changed)


def test_either_secret_fits_while_one_is_changed() -> None:
    for secret in ("old", "new"):
        assert genuine(hmac_sha256(secret, BODY), ["new", "old"], BODY)
    assert not genuine(hmac_sha256("older", BODY), ["new", "old"], BODY)


def test_an_empty_secret_signs_nothing() -> None:
    assert not genuine(hmac_sha256("", BODY), ["", ""], BODY)
    assert not genuine("", [], BODY)


@pytest.mark.parametrize(
    "header",
    [
        "",
        "sha256=",
        "sha1=" + hmac_sha256("secret", BODY),
        hmac_sha256("secret", BODY),
        hub_signature("secret", BODY)[:-1],
        hub_signature("secret", BODY) + "0",
        "sha256=" + "й" * 64,
        "sha256=\udcff",
        hub_signature("secret", BODY).upper(),
        "sha256=" + hmac_sha256("secret", BODY).upper(),
        "sha256= " + hmac_sha256("secret", BODY),
        hub_signature("secret", BODY) + " ",
    ],
)
def test_other_headers_do_not_fit(header: str) -> None:
    assert not hub_genuine(header, ["secret"], BODY)

"""DKIM: what we sign is verified by dkimpy, whatever the mail says; and nobody can change what is signed."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from angarium.protocols import dkim
from angarium.protocols.mime import Mail, MimeError, build
from support.dkim_peer import verified

AT = 1_700_000_000_000_000
RSA, ED25519 = generate_private_key(65_537, 2048), Ed25519PrivateKey.generate()
SIGNERS = (
    dkim.Signer("shop.example", "r1", RSA),
    dkim.Signer("shop.example", "e1", ED25519),
)
DNS = dict(signer.record() for signer in SIGNERS)

letters = st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), max_size=200)
bodies = st.text(st.sampled_from(" \t\r\naбш=.-") | st.characters(exclude_categories=["Cs"]), max_size=400)
wires = st.lists(st.sampled_from([b" ", b"\t", b"\r\n", b"word", b"\xff"]), max_size=30).map(b"".join)


def pem(key: Any, form: PrivateFormat = PrivateFormat.PKCS8) -> str:
    return key.private_bytes(Encoding.PEM, form, NoEncryption()).decode()


def written(**changes: Any) -> bytes:
    usual = {
        "message_id": "att_1@shop.example",
        "sender": "shop@shop.example",
        "recipient": "anna@example.org",
        "subject": "Order",
        "at": AT,
        "text": "Ready",
    }
    return build(Mail(**{**usual, **changes}))


@settings(max_examples=25, deadline=None)
@given(subject=letters, name=letters, text=bodies, html=bodies, folded=st.integers(0, 9))
def test_dkimpy_verifies_both_signatures(subject: str, name: str, text: str, html: str, folded: int) -> None:
    links = tuple(f"https://shop.example/{'u' * 90}/{number}" for number in range(folded))
    try:
        mail = written(
            subject=subject,
            sender_name=name,
            text=text or "x",
            html=html,
            list_unsubscribe=links,
            one_click=True,
        )
    except MimeError:
        return
    assert verified(dkim.sign(mail, SIGNERS, AT), DNS) == [True, True]


@settings(max_examples=25, deadline=None)
@given(value=wires, body=wires)
def test_blanks_and_empty_lines_are_seen_as_dkimpy_sees_them(value: bytes, body: bytes) -> None:
    subject = b"Subject:" + value.replace(b"\r\n", b"\r\n ") + b"\r\n"
    mail = b"From: a@shop.example\r\n" + subject + b"\r\n" + body + b"\r\n"  # as SMTP ends it
    assert verified(dkim.sign(mail, SIGNERS, AT), DNS) == [True, True]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"Subject: Order", b"Subject: Other"),
        (b"Subject: Order", b"Subject: Order\r\nSubject: Other"),
        (b"MIME-Version: 1.0", b"MIME-Version: 1.0\r\nList-Unsubscribe: <https://evil.example>"),
        (b"Ready", b"Ruined"),
        (b"Ready\r\n", b"Ready\r\nand more\r\n"),
    ],
)
def test_a_mail_that_was_changed_is_not_verified(old: bytes, new: bytes) -> None:
    mail = dkim.sign(written(), SIGNERS, AT)
    assert verified(mail, DNS) == [True, True]
    assert old in mail
    assert verified(mail.replace(old, new), DNS) == [False, False]


def test_the_same_mail_gets_the_same_signatures_in_short_lines() -> None:
    mail = dkim.sign(written(), SIGNERS, AT)
    assert mail == dkim.sign(written(), SIGNERS, AT)
    assert max(len(line) for line in mail.split(b"\r\n\r\n")[0].split(b"\r\n")) <= 78


@pytest.mark.parametrize(
    "text",
    [
        pem(RSA),
        pem(RSA, PrivateFormat.TraditionalOpenSSL),
        pem(ED25519),
        pem(RSA).replace("\n", " "),  # as a field of one line keeps it
        pem(ED25519).replace("\n", ""),
    ],
)
def test_keys_that_are_taken(text: str) -> None:
    assert dkim.Signer("shop.example", "r1", dkim.private_key(text)).record()[1] in DNS.values()


@pytest.mark.parametrize(
    ("text", "trouble"),
    [
        ("", "is not an unencrypted private key in PEM"),
        ("x" * 10_000, "is not an unencrypted private key in PEM"),
        (pem(RSA).replace("M", "Q"), "is damaged: it cannot be read"),
        (pem(ec.generate_private_key(ec.SECP256R1())), "is neither an RSA key nor an Ed25519 key"),
        (
            pem(ED25519).replace("-----BEGIN", "-----BEGIN ENCRYPTED"),
            "is not an unencrypted private key in PEM",
        ),
    ],
)
def test_keys_that_are_refused(text: str, trouble: str) -> None:
    with pytest.raises(dkim.KeyTrouble, match=f"^{trouble}$"):
        dkim.private_key(text)

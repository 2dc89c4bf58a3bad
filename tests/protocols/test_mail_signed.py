"""Mails that are signed, and the reports about them: from our line through aiosmtpd to dkimpy and back."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email import message_from_bytes
from email.message import Message
from email.mime.base import MIMEBase
from email.mime.message import MIMEMessage
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from email.policy import default
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from angarium.channels import kit
from angarium.channels.smtp import CHANNEL, profile
from angarium.core.ports import Accepted, Event, Profile, Raw, Receipt, Unreadable
from angarium.core.problems import Problem
from angarium.core.values import Content, Reason, ReceiptStatus
from angarium.protocols.smtp import Arrived, Door
from support.dkim_peer import verified
from support.mail_line import LIVE, REF, TOOLS, line, sent


def pem(key: Any) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


RSA, ED25519 = pem(generate_private_key(65_537, 2048)), pem(Ed25519PrivateKey.generate())
KEYS = {
    "dkim_selector": "r1",
    "dkim_key": RSA,
    "dkim_second_selector": "e1",
    "dkim_second_key": ED25519,
}
SECRET = {"bounce_domain": "bounces.example", "bounce_secret": "some long text"}
OFFER = Content(
    subject="پیشنهاد تازه برای شما " * 8,
    text="سلام\n\n. \nخوش آمدید  ",
    html="<p>سلام</p>",
    params={"unsubscribe_url": f"https://shop.example/u/{'t' * 120}"},
)


@asynccontextmanager
async def mailbox() -> AsyncIterator[tuple[int, list[Arrived]]]:
    """An aiosmtpd server for example.org: its port, and what it has taken."""
    taken: list[Arrived] = []

    async def record(mail: Arrived) -> None:
        taken.append(mail)

    door = Door("127.0.0.1", 0, {"example.org"}, record)
    await door.open()
    try:
        yield int(door.address().rpartition(":")[2]), taken
    finally:
        await door.close()


async def delivered(**settings: Any) -> tuple[Arrived, Any]:
    """What arrives of an offer, and what our line said of it."""
    async with mailbox() as (port, taken), line(port=port, **settings) as (connection, heard):
        outcome = await sent(connection, heard, content=OFFER)
    (mail,) = taken
    return mail, outcome


async def test_dkimpy_verifies_what_arrived_with_the_records_that_the_line_shows() -> None:
    mail, _ = await delivered(**KEYS)
    shown = await profile(TOOLS, kit.decode_settings(CHANNEL, {**LIVE, **KEYS}))
    assert isinstance(shown, Profile)
    assert set(shown.details) == {"r1._domainkey.shop.example", "e1._domainkey.shop.example"}

    assert verified(mail.mail, shown.details) == [True, True]
    message = message_from_bytes(mail.mail, policy=default)
    assert message["subject"] == OFFER.subject.rstrip() or message["subject"] == OFFER.subject
    assert message["list-unsubscribe"] == f"<{OFFER.params['unsubscribe_url']}>"
    assert message["list-unsubscribe-post"] == "List-Unsubscribe=One-Click"
    for signature in message.get_all("dkim-signature"):  # RFC 8058 §4: both fields are signed
        assert "list-unsubscribe:" in signature
        assert "list-unsubscribe-post:" in signature


def complaint(mail: Arrived) -> bytes:
    """An abuse report about a mail, RFC 5965, by Python's own email package."""
    fields = MIMEBase("message", "feedback-report")
    about = Message()
    about["Feedback-Type"], about["User-Agent"], about["Version"] = "abuse", "Loop/1.0", "1"
    about["Original-Mail-From"], about["Original-Rcpt-To"] = f"<{mail.mail_from}>", mail.rcpt_to[0]
    fields.set_payload([about])
    parts = [MIMEText("Someone called this spam."), fields, MIMEMessage(message_from_bytes(mail.mail))]
    whole = MIMEMultipart("report", report_type="feedback-report", _subparts=parts)
    whole["From"], whole["To"], whole["Subject"] = "fbl@example.org", "abuse@shop.example", "FW: offer"
    return whole.as_bytes()


def bounce(mail: Arrived, recipient: str = "anna@example.org") -> bytes:
    """A hard bounce of a mail, RFC 3464, by Python's own email package."""
    about, person = Message(), Message()
    about["Reporting-MTA"] = "dns; mx.example.org"
    person["Final-Recipient"], person["Action"], person["Status"] = f"rfc822; {recipient}", "failed", "5.1.1"
    fields = MIMEBase("message", "delivery-status")
    fields.set_payload([about, person])
    parts = [MIMEText("No such user."), fields, MIMEMessage(message_from_bytes(mail.mail))]
    return MIMEMultipart("report", report_type="delivery-status", _subparts=parts).as_bytes()


def parsed(body: bytes, rcpt_to: str = "") -> list[Event]:
    settings = kit.decode_settings(CHANNEL, {**LIVE, **SECRET})
    return CHANNEL.parse(settings, Raw(body, {"rcpt-to": rcpt_to, "mail-from": "<>"}))


@pytest.mark.parametrize(
    ("report", "code", "reason"),
    [(bounce, "5.1.1", Reason.BAD_ADDRESS), (complaint, "abuse", Reason.OPTED_OUT)],
)
async def test_reports_about_a_tagged_mail_come_home(report: Any, code: str, reason: Reason) -> None:
    mail, outcome = await delivered(**SECRET)
    assert isinstance(outcome, Accepted)
    assert mail.mail_from.startswith(f"b+{REF}-")
    (receipt,) = parsed(report(mail), mail.mail_from)
    assert isinstance(receipt, Receipt)
    assert (receipt.client_ref, (receipt.ref,)) == (REF, outcome.refs)
    assert (receipt.status, receipt.reason, receipt.code) == (ReceiptStatus.FAILED, reason, code)
    assert parsed(report(mail))[0] == receipt, "its Message-ID carries the tag too"


@pytest.mark.parametrize("report", [bounce, complaint])
async def test_a_stranger_who_guesses_the_name_of_an_attempt_bounces_nothing(report: Any) -> None:
    plain, _ = await delivered(bounce_domain="bounces.example")  # the names without their tags
    assert plain.mail_from == f"b+{REF}@bounces.example"
    guessed = f"b+{REF}-{'0' * 20}@bounces.example"
    for rcpt_to in (plain.mail_from, guessed, ""):
        (event,) = parsed(report(plain), rcpt_to)
        assert isinstance(event, Unreadable)
        assert event.detail == "a report that names no mail by its secret tag"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"dkim_key": RSA}, "dkim_selector"),
        ({"dkim_selector": "r1"}, "dkim_key"),
        ({"dkim_selector": "r 1", "dkim_key": RSA}, "dkim_selector"),
        ({"dkim_selector": "r1", "dkim_key": RSA[:-300]}, "dkim_key"),
        ({**KEYS, "dkim_second_selector": "r1"}, "dkim_second_selector"),
        ({**KEYS, "dkim_second_key": ""}, "dkim_second_key"),
        ({**KEYS, "dkim_domain": "shop example"}, "dkim_domain"),
    ],
)
def test_a_wrong_key_is_told_by_the_name_of_its_setting(changes: dict[str, str], field: str) -> None:
    with pytest.raises(Problem) as caught:
        kit.decode_settings(CHANNEL, {**LIVE, **changes})
    (found,) = caught.value.fields
    assert found.field == field
    assert "PRIVATE" not in str(found.value)

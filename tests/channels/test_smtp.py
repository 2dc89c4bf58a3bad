"""E-mail: its two tables, and a line that lives through its server's troubles."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from email import message_from_bytes
from email.policy import default
from typing import Any

import pytest

from angarium.channels import kit
from angarium.channels.mail_kit import CONTENT_MAX
from angarium.channels.smtp import CHANNEL, NOT_HANDED_OVER
from angarium.core.ports import (
    Accepted,
    Event,
    Inbound,
    Outcome,
    Raw,
    Receipt,
    Refused,
    Submission,
    Unknown,
    Unreadable,
    secret_fields,
)
from angarium.core.problems import Problem
from angarium.core.values import Button, Content, Reason, ReceiptStatus
from support.mail_line import LIVE, MESSAGE_ID, REF, line, sent, submission
from support.mail_peers import HANG_UP, SILENCE, scripted, until

# ── going out ────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class SendCase:
    """What the server says, and what comes out."""

    name: str
    outcome: Outcome
    answers: dict[str, str] = field(default_factory=dict)
    submission: Submission = field(default_factory=submission)

    def __str__(self) -> str:
        return self.name


def refused(reason: Reason, code: str, detail: str) -> Refused:
    return Refused(reason, code, detail)


SEND_CASES = [
    SendCase("250", Accepted((MESSAGE_ID,))),
    SendCase(
        "no such user",
        refused(Reason.BAD_ADDRESS, "5.1.1", "RCPT: 550 5.1.1 no such user"),
        {"RCPT": "550 5.1.1 no such user"},
    ),
    SendCase(
        "no such user, without an enhanced code",
        refused(Reason.BAD_ADDRESS, "550", "RCPT: 550 unknown"),
        {"RCPT": "550 unknown"},
    ),
    SendCase(
        "policy at RCPT is not a bad address",
        refused(Reason.REJECTED, "5.7.1", "RCPT: 550 5.7.1 no"),
        {"RCPT": "550 5.7.1 no"},
    ),
    SendCase(
        "mailbox full, for now",
        refused(Reason.TEMPORARY, "4.2.2", "RCPT: 452 4.2.2 full"),
        {"RCPT": "452 4.2.2 full"},
    ),
    SendCase(
        "mailbox full, for good",
        refused(Reason.UNREACHABLE, "5.2.2", "RCPT: 552 5.2.2 full"),
        {"RCPT": "552 5.2.2 full"},
    ),
    SendCase(
        "too many recipients is 552 and temporary (RFC 5321 §4.5.3.1.10)",
        refused(Reason.TEMPORARY, "552", "RCPT: 552 many"),
        {"RCPT": "552 many"},
    ),
    SendCase(
        "greylisted",
        refused(Reason.TEMPORARY, "4.7.1", "RCPT: 451 4.7.1 greylisted"),
        {"RCPT": "451 4.7.1 greylisted"},
    ),
    SendCase(
        "slow down",
        refused(Reason.THROTTLED, "4.7.28", "MAIL: 421 4.7.28 rate"),
        {"MAIL": "421 4.7.28 rate"},
    ),
    SendCase(
        "the sender may not",
        refused(Reason.SENDER_INVALID, "553", "MAIL: 553 not yours"),
        {"MAIL": "553 not yours"},
    ),
    SendCase(
        "no DMARC",
        refused(Reason.SENDER_INVALID, "5.7.26", "DATA: 550 5.7.26 unauthenticated"),
        {"dot": "550 5.7.26 unauthenticated"},
    ),
    SendCase(
        "content after the dot",
        refused(Reason.CONTENT_REJECTED, "5.6.0", "DATA: 554 5.6.0 spam"),
        {"dot": "554 5.6.0 spam"},
    ),
    SendCase(
        "no better word",
        refused(Reason.REJECTED, "554", "DATA: 554 no"),
        {"dot": "554 no"},
    ),
    SendCase(
        "too large",
        refused(Reason.TOO_LONG, "552", "DATA: 552 too large"),
        {"dot": "552 too large"},
    ),
    SendCase(
        "later, after the dot",
        refused(Reason.TEMPORARY, "451", "DATA: 451 later"),
        {"dot": "451 later"},
    ),
    SendCase(
        "not signed in",
        refused(Reason.AUTH, "5.7.0", "MAIL: 530 5.7.0 sign in"),
        {"MAIL": "530 5.7.0 sign in"},
    ),
    SendCase(
        "spoken wrongly",
        refused(Reason.CONFIG, "555", "MAIL: 555 what?"),
        {"MAIL": "555 what?"},
    ),
    SendCase(
        "lost before the dot",
        refused(Reason.TEMPORARY, "not_connected", "DATA: Unexpected EOF received"),
        {"DATA": HANG_UP},
    ),
    SendCase(
        "lost after the dot",
        Unknown("the mail was handed over: Unexpected EOF received"),
        {"dot": HANG_UP},
    ),
    SendCase(
        "nonsense after the dot",
        Unknown("the mail was handed over: (-1, 'Malformed SMTP response line: nonsense\\r\\n')"),
        {"dot": "nonsense"},
    ),
    SendCase(
        "an address that is none",
        Refused(Reason.BAD_ADDRESS, detail="recipient: is not an e-mail address"),
        submission=submission(address="anna"),
    ),
    SendCase(
        "an address that would break out",
        Refused(Reason.BAD_ADDRESS, detail="recipient: has characters before the @ that may not stand there"),
        submission=submission(address="anna>\r\nDATA\r\n@example.org"),
    ),
    SendCase(
        "a subject that would break out",
        Refused(
            Reason.UNSUPPORTED,
            detail="subject: has a line break, or more than 500 characters",
        ),
        submission=submission(content=Content(subject="x\r\nBcc: eve@example.org", text="x")),
    ),
    SendCase(
        "an unsubscribe link that would break out",
        Refused(
            Reason.UNSUPPORTED,
            detail="list_unsubscribe: is not an https: or mailto: link of visible ASCII",
        ),
        submission=submission(
            content=Content(subject="x", text="x", params={"unsubscribe_url": "https://a\r\nBcc: b"})
        ),
    ),
]


@pytest.mark.parametrize("case", SEND_CASES, ids=str)
async def test_sending(case: SendCase) -> None:
    async with scripted(**case.answers) as peer, line(port=peer.port) as (connection, heard):
        assert await sent(connection, heard, **_fields(case.submission)) == case.outcome
    assert len(peer.mails) <= 1


def _fields(one: Submission) -> dict[str, Any]:
    return {name: getattr(one, name) for name in one.__struct_fields__}


async def test_what_is_sent_and_to_whom() -> None:
    content = Content(
        subject="سفارش شما",
        text="سفارش شما ارسال شد",
        image_url="https://shop.example/1.png",
        buttons=(Button("پرداخت", "https://shop.example/pay?a=1&b=2"),),
        params={"unsubscribe_url": "https://shop.example/u/1"},
    )
    settings = {"sender_name": "فروشگاه", "bounce_domain": "bounces.example"}
    async with scripted() as peer, line(port=peer.port, **settings) as (connection, heard):
        assert await sent(connection, heard, content=content) == Accepted((MESSAGE_ID,))
    assert peer.said[1] == f"MAIL FROM:<b+{REF}@bounces.example> RET=HDRS ENVID={REF}"
    message = message_from_bytes(peer.mails[0], policy=default)
    assert (message["subject"], message["from"]) == ("سفارش شما", "فروشگاه <shop@shop.example>")
    assert message["message-id"] == f"<{MESSAGE_ID}>"
    assert message["list-unsubscribe"] == "<https://shop.example/u/1>"
    assert message["list-unsubscribe-post"] == "List-Unsubscribe=One-Click"
    plain, rich = (part.get_content().replace("\r\n", "\n") for part in message.iter_parts())
    assert plain == "سفارش شما ارسال شد\n\nپرداخت: https://shop.example/pay?a=1&b=2\n"
    assert '<img src="https://shop.example/1.png"' in rich
    assert 'href="https://shop.example/pay?a=1&amp;b=2"' in rich
    assert rich.index("سفارش شما ارسال شد") < rich.index("پرداخت") < rich.index("</body>")


async def test_a_retry_is_the_same_mail() -> None:
    async with scripted(dot=["451 later", "250 ok"]) as peer, line(port=peer.port) as (connection, heard):
        await sent(connection, heard, attempt_id=1)
        await sent(connection, heard, attempt_id=2)
    first, second = (message_from_bytes(mail)["Message-ID"] for mail in peer.mails)
    assert first == second == f"<{MESSAGE_ID}>"


async def test_without_a_bounce_domain_no_reports_are_asked_for() -> None:
    async with scripted() as peer, line(port=peer.port) as (connection, heard):
        await sent(connection, heard)
    assert peer.said[1:3] == ["MAIL FROM:<shop@shop.example>", "RCPT TO:<anna@example.org>"]


# ── the live line ────────────────────────────────────────────────────────────────────────────────────


async def test_a_window_of_mails_each_over_its_own_link() -> None:
    async with scripted(RCPT=SILENCE) as peer, line(window=3, port=peer.port) as (connection, heard):
        await until(connection.free)
        assert (connection.free(), heard.rooms) == (3, 1)
        connection.submit([submission(attempt_id=number) for number in range(3)])
        assert connection.free() == 0
        await until(lambda: peer.count("RCPT") == 3)
        assert connection.state() == "connected: 3 links, 3 mails under way"


async def test_the_line_comes_up_by_itself_and_goes_down_with_the_server() -> None:
    async with (
        scripted(greeting=["421 booting", "220 hello"]) as peer,
        line(port=peer.port) as (line_, heard),
    ):
        assert line_.free() == 0
        await until(lambda: "421 booting; retry in" in line_.state())
        await until(line_.free)
        assert await sent(line_, heard, attempt_id=1) == Accepted((MESSAGE_ID,))
        peer.answers = {"MAIL": [HANG_UP], "greeting": ["421 closing", "220 hello"]}
        outcome = await sent(line_, heard, attempt_id=2)
        assert isinstance(outcome, Refused)
        assert outcome.reason is Reason.TEMPORARY
        assert line_.free() == 0
        await until(lambda: "421 closing; retry in" in line_.state())
        peer.answers = {}
        assert await sent(line_, heard, attempt_id=3) == Accepted((MESSAGE_ID,))


async def test_a_server_that_takes_two_links_and_no_more_is_a_slow_one() -> None:
    answers = {"greeting": ["220 hello", "220 hello", "421 too many connections"], "RCPT": SILENCE}
    async with scripted(**answers) as peer, line(port=peer.port) as (connection, heard):
        await until(connection.free)
        connection.submit([submission(attempt_id=1), submission(attempt_id=2)])
        await until(lambda: peer.count("RCPT") == 2)
        outcome = await sent(connection, heard, attempt_id=3)
        assert outcome == Refused(Reason.THROTTLED, "421", "CONNECT: 421 too many connections")
        assert connection.free() == 2


@pytest.mark.parametrize(
    ("answers", "outcome"),
    [
        ({"RCPT": SILENCE}, NOT_HANDED_OVER),
        ({"dot": SILENCE}, Unknown("the mail was handed over: CancelledError")),
    ],
)
async def test_closing_ends_every_submission_and_says_how(answers: dict[str, str], outcome: Outcome) -> None:
    async with scripted(**answers) as peer, line(port=peer.port) as (connection, heard):
        await until(connection.free)
        connection.submit([submission(attempt_id=number) for number in range(4)])
        await until(lambda: peer.count("DATA" if "dot" in answers else "RCPT") == 4)
        await until(lambda: len(peer.mails) == 4 * ("dot" in answers))
        await connection.close(0.01)
        assert heard.outcomes == dict.fromkeys(range(4), outcome)
        assert (connection.free(), connection.state()) == (0, "closed")


async def test_closing_waits_for_answers_and_says_goodbye() -> None:
    async with scripted() as peer, line(port=peer.port) as (connection, heard):
        await until(connection.free)
        connection.submit([submission(attempt_id=number) for number in range(4)])
        await connection.close(5.0)
        assert heard.outcomes == dict.fromkeys(range(4), Accepted((MESSAGE_ID,)))
    assert peer.count("QUIT") == peer.links


async def test_closing_a_line_that_never_came_up() -> None:
    async with scripted(greeting=HANG_UP) as peer, line(port=peer.port) as (connection, _):
        await until(lambda: connection.state().startswith("connecting: CONNECT"))
        await connection.close(0)
        await connection.close(0)
        assert connection.state() == "closed"


async def test_a_listener_whose_port_is_taken_is_said_and_tried_again() -> None:
    taken = await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", 0)
    where = f"127.0.0.1:{taken.sockets[0].getsockname()[1]}"
    async with scripted() as peer, line(port=peer.port, bounce_listen=where) as (connection, _):
        await until(lambda: "in use" in connection.state())
        assert connection.free() == 0
        taken.close()
        await until(connection.free)
        assert connection.state().endswith(f"bounces on {where}")


# ── coming in ────────────────────────────────────────────────────────────────────────────────────────


def bounce(action: str, status: str, message_id: str = MESSAGE_ID.upper()) -> bytes:
    """A delivery report in short."""
    return (
        "Content-Type: multipart/report; report-type=delivery-status; boundary=x\r\n\r\n"
        "--x\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.example\r\n\r\n"
        f"Final-Recipient: rfc822; anna@example.org\r\nAction: {action}\r\nStatus: {status}\r\n\r\n"
        f"--x\r\nContent-Type: text/rfc822-headers\r\n\r\nMessage-ID: <{message_id}>\r\n\r\n--x--\r\n"
    ).encode()


def receipt(status: ReceiptStatus, code: str, reason: Reason | None = None, client_ref: str = REF) -> Receipt:
    return Receipt(
        status, ref=MESSAGE_ID, client_ref=client_ref, address="anna@example.org", reason=reason, code=code
    )


VERP = {"rcpt-to": f"b+{REF}@bounces.example", "mail-from": "<>"}
LETTER = (
    b"From: =?utf-8?B?2KLZhtin?= <Anna@Example.org>\r\nTo: shop@shop.example\r\nSubject: Re: Order\r\n"
    b"Message-ID: <m1@example.org>\r\nDate: Tue, 19 Nov 2024 07:06:40 +0000\r\n"
)
COMPLAINT = (
    b"Content-Type: multipart/report; report-type=feedback-report; boundary=x\r\n\r\n"
    b"--x\r\nContent-Type: message/feedback-report\r\n\r\nFeedback-Type: abuse\r\nVersion: 1\r\n"
    b"Original-Rcpt-To: anna@example.org\r\nOriginal-Mail-From: <b+"
    + REF.encode()
    + b"@bounces.example>\r\n\r\n"
    b"--x\r\nContent-Type: message/rfc822\r\n\r\nMessage-ID: <"
    + MESSAGE_ID.encode()
    + b">\r\n\r\nx\r\n--x--\r\n"
)
CALLBACK_CASES = [
    (
        "a hard bounce",
        Raw(bounce("failed", "5.1.1"), VERP),
        [receipt(ReceiptStatus.FAILED, "5.1.1", Reason.BAD_ADDRESS)],
    ),
    (
        "a bounce known by its Message-ID alone",
        Raw(bounce("failed", "5.1.1")),
        [receipt(ReceiptStatus.FAILED, "5.1.1", Reason.BAD_ADDRESS, client_ref="")],
    ),
    (
        "a delay is not final",
        Raw(bounce("delayed", "4.4.1"), VERP),
        [receipt(ReceiptStatus.ACCEPTED, "4.4.1")],
    ),
    ("success", Raw(bounce("delivered", "2.0.0"), VERP), [receipt(ReceiptStatus.DELIVERED, "2.0.0")]),
    ("relayed", Raw(bounce("relayed", "2.0.0"), VERP), [receipt(ReceiptStatus.SENT, "2.0.0")]),
    ("a complaint", Raw(COMPLAINT), [receipt(ReceiptStatus.FAILED, "abuse", Reason.OPTED_OUT)]),
    (
        "a person answers",
        Raw(LETTER + f"In-Reply-To: <{MESSAGE_ID}>\r\n\r\nThank you\0!\r\n".encode()),
        [
            Inbound(
                ref="m1@example.org",
                sender="anna@example.org",
                recipient="shop@shop.example",
                text="Thank you\ufffd!",
                at=1_732_000_000_000_000,
                context_ref=MESSAGE_ID,
            )
        ],
    ),
    (
        "a person writes out of the blue, and the subject is part of it",
        Raw(
            LETTER + b"\r\nWhere is it?\r\n",
            {"rcpt-to": "info@shop.example", "mail-from": "anna@example.org"},
        ),
        [
            Inbound(
                ref="m1@example.org",
                sender="anna@example.org",
                recipient="info@shop.example",
                text="Re: Order\n\nWhere is it?",
                at=1_732_000_000_000_000,
            )
        ],
    ),
    ("a machine answers", Raw(LETTER + b"Auto-Submitted: auto-replied\r\n\r\nI am away\r\n", VERP), []),
    (
        "a report that names nothing of ours",
        Raw(bounce("failed", "5.1.1", "")),
        [Unreadable("a report that names no mail of ours", bounce("failed", "5.1.1", "").decode())],
    ),
    (
        "a mail without a sender",
        Raw(b"Subject: x\r\n\r\nx\r\n"),
        [Unreadable("a mail without a sender", "Subject: x\r\n\r\nx\r\n")],
    ),
]


@pytest.mark.parametrize(("name", "raw", "events"), CALLBACK_CASES, ids=[case[0] for case in CALLBACK_CASES])
def test_parsing(name: str, raw: Raw, events: list[Event]) -> None:
    assert CHANNEL.parse(kit.decode_settings(CHANNEL, LIVE), raw) == events, name


def test_an_attachment_is_named_and_not_dropped() -> None:
    body = (
        LETTER + b"Content-Type: multipart/mixed; boundary=x\r\n\r\n"
        b"--x\r\n\r\nSee here\r\n--x\r\nContent-Type: image/png; name=a.png\r\n\r\nx\r\n--x--\r\n"
    )
    letter, lost = CHANNEL.parse(kit.decode_settings(CHANNEL, LIVE), Raw(body))
    assert isinstance(letter, Inbound)
    assert letter.text.endswith("See here\n\n[attachment: a.png (image/png)]"), "whoever answers is told"
    assert lost == Unreadable("attachment not taken over: a.png (image/png)", "")


def test_a_mail_without_an_id_has_one_made_of_its_bytes() -> None:
    body = b"From: anna@example.org\r\n\r\nHello\r\n"
    settings = kit.decode_settings(CHANNEL, LIVE)
    (first,), (again,), (other,) = (CHANNEL.parse(settings, Raw(b)) for b in (body, body, body + b"\r\n!"))
    assert isinstance(first, Inbound)
    assert isinstance(other, Inbound)
    assert first == again
    assert first.ref != other.ref
    assert len(first.ref) == 64


# ── content and settings ─────────────────────────────────────────────────────────────────────────────

LINTED = [
    (Content(subject="x", text="x"), set()),
    (Content(subject="x", html="<p>x</p>", image_url="https://shop.example/1.png"), set()),
    (Content(subject="x", text="x", params={"unsubscribe_url": "https://a"}), set()),
    (Content(subject="x", text="x", buttons=(Button("Call", "tel:+380441234567"),)), set()),
    (Content(text="x"), {"subject"}),
    (Content(subject=" ", text="x"), {"subject"}),
    (Content(subject="a\nb", text="x"), {"subject"}),
    (Content(subject="x" * 501, text="x"), {"subject"}),
    (Content(subject="x"), {"text"}),
    (Content(subject="x", text="x", template="order"), {"template"}),
    (Content(subject="x", text="x", params={"name": "Anna"}), {"template"}),
    (Content(subject="x", text="x", buttons=(Button("x", "javascript:alert(1)"),)), {"buttons"}),
    (Content(subject="x", text="x", buttons=(Button("x", "https://a"),) * 11), {"buttons"}),
    (Content(subject="x", text="x", image_url="data:image/png;base64,AAAA"), {"image_url"}),
    (Content(subject="x", text="x" * (CONTENT_MAX + 1)), {"html"}),
]


@pytest.mark.parametrize(("content", "fields"), LINTED)
def test_what_a_mail_cannot_carry_is_said(content: Content, fields: set[str]) -> None:
    found = CHANNEL.lint(kit.decode_settings(CHANNEL, LIVE), content)
    assert {finding.field for finding in found} == fields


def test_a_mail_is_measured_in_bytes() -> None:
    measure = CHANNEL.measure(kit.decode_settings(CHANNEL, LIVE), Content(text="سلام", html="<p>x</p>"))
    assert (measure.parts, measure.units, measure.units_left) == (1, 16, CONTENT_MAX - 16)


@pytest.mark.parametrize(
    ("field_", "value"),
    [
        ("sender_address", "shop"),
        ("sender_address", "shop@shop.example\r\nx"),
        ("bounce_domain", "bounces..example"),
        ("bounce_listen", "2525"),
        ("bounce_listen", "host:99999"),
        ("host", "mx..example"),
        ("port", 0),
        ("security", "maybe"),
    ],
)
def test_settings_that_cannot_work_are_refused_by_name(field_: str, value: object) -> None:
    with pytest.raises(Problem) as caught:
        kit.decode_settings(CHANNEL, {**LIVE, field_: value})
    assert [wrong.field for wrong in caught.value.fields] == [field_]


def test_a_password_is_a_secret_and_is_not_sent_in_clear() -> None:
    assert secret_fields(CHANNEL.settings) > {"password", "bounce_secret", "imap_password"}
    kit.decode_settings(CHANNEL, {**LIVE, "username": "shop"})
    with pytest.raises(Problem, match="in clear"):
        kit.decode_settings(CHANNEL, {**LIVE, "username": "shop", "host": "mx.example"})

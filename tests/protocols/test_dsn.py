"""What comes back by mail, in the shapes of the hosts that send it: reports, complaints, machines, people."""

from __future__ import annotations

import time
from contextlib import suppress
from textwrap import dedent

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from angarium.core.values import Reason, ReceiptStatus
from angarium.protocols import dsn
from angarium.protocols.dsn import AutoReply, Bounce, Complaint, Fate, Letter, MimeError, read

REF = "att_0123456789abc"
VERP = f"b+{REF}@bounces.mail.example"
MESSAGE_ID = f"{REF}@mail.example"
RETURNED = f"From: shop@mail.example\nTo: anna@example.org\nMessage-ID: <{MESSAGE_ID}>\nSubject: Order 1234"


def report(status_blocks: str, *, to: str = VERP, returned: str = RETURNED, returned_type: str = "") -> bytes:
    """A delivery report as Postfix lays it out."""
    return f"""Return-Path: <>
Date: Tue, 19 Nov 2024 07:06:40 +0000 (UTC)
From: MAILER-DAEMON@mx.example.net (Mail Delivery System)
Subject: Undelivered Mail Returned to Sender
To: {to}
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status;
\tboundary="4XsvVx2k3Tz.1731999999/mx.example.net"

This is a MIME-encapsulated message.

--4XsvVx2k3Tz.1731999999/mx.example.net
Content-Description: Notification
Content-Type: text/plain; charset=us-ascii

I'm sorry to have to inform you that your message could not be delivered.

--4XsvVx2k3Tz.1731999999/mx.example.net
Content-Description: Delivery report
Content-Type: message/delivery-status

{status_blocks}

--4XsvVx2k3Tz.1731999999/mx.example.net
Content-Description: Undelivered Message Headers
Content-Type: {returned_type or "text/rfc822-headers"}

{returned}

--4XsvVx2k3Tz.1731999999/mx.example.net--
""".replace("\n", "\r\n").encode()


def recipient(action: str, status: str, diagnostic: str = "", more: str = "") -> str:
    lines = ["Reporting-MTA: dns; mx.example.net", "", "Final-Recipient: rfc822; anna@example.org"]
    lines += [f"Action: {action}"] * bool(action) + [f"Status: {status}"] * bool(status)
    lines += [f"Diagnostic-Code: {diagnostic}"] * bool(diagnostic) + [more] * bool(more)
    return "\n".join(lines)


def only_fate(body: bytes, envelope_to: str = "", envelope_from: str = "") -> Fate:
    found = read(body, envelope_to, envelope_from)
    assert isinstance(found, Bounce)
    (fate,) = found.fates
    return fate


FAILED, ACCEPTED = ReceiptStatus.FAILED, ReceiptStatus.ACCEPTED
VERDICTS = [
    # action, status, diagnostic → status, reason, code
    ("failed", "5.1.1", "smtp; 550 5.1.1 No such user", FAILED, Reason.BAD_ADDRESS, "5.1.1"),
    ("failed", "5.1.2", "", FAILED, Reason.BAD_ADDRESS, "5.1.2"),
    ("failed", "5.1.10", "smtp; 556 5.1.10 null MX", FAILED, Reason.BAD_ADDRESS, "5.1.10"),
    ("failed", "5.2.1", "", FAILED, Reason.UNREACHABLE, "5.2.1"),
    ("failed", "5.2.2", "smtp; 552 5.2.2 Over quota", FAILED, Reason.UNREACHABLE, "5.2.2"),
    ("failed", "5.3.4", "", FAILED, Reason.TOO_LONG, "5.3.4"),
    ("failed", "5.4.4", "X-Postfix; Host not found", FAILED, Reason.BAD_ADDRESS, "5.4.4"),
    ("failed", "5.6.0", "", FAILED, Reason.CONTENT_REJECTED, "5.6.0"),
    ("failed", "5.7.1", "smtp; 554 5.7.1 Refused", FAILED, Reason.UNDELIVERED, "5.7.1"),
    ("failed", "5.7.26", "", FAILED, Reason.SENDER_INVALID, "5.7.26"),
    ("failed", "5.7.28", "", FAILED, Reason.UNDELIVERED, "5.7.28"),
    ("failed", "5.0.0", "smtp; 550-5.1.1 No such user here", FAILED, Reason.BAD_ADDRESS, "5.0.0"),
    ("failed", "5.0.0", "", FAILED, Reason.UNDELIVERED, "5.0.0"),
    ("failed", "4.4.7", "", FAILED, Reason.EXPIRED, "4.4.7"),
    ("failed", "4.4.1", "X-Postfix; connect to mx: timed out", FAILED, Reason.EXPIRED, "4.4.1"),
    ("failed", "", "smtp; 550 5.1.1 No such user", FAILED, Reason.BAD_ADDRESS, "5.1.1"),
    ("Failed (bad destination)", "5.1.1", "", FAILED, Reason.BAD_ADDRESS, "5.1.1"),
    ("error", "5.1.1", "", FAILED, Reason.BAD_ADDRESS, "5.1.1"),
    ("delayed", "4.4.1", "", ACCEPTED, None, "4.4.1"),
    ("delayed", "4.2.2", "", ACCEPTED, None, "4.2.2"),
    ("delivered", "2.0.0", "", ReceiptStatus.DELIVERED, None, "2.0.0"),
    ("relayed", "2.0.0", "", ReceiptStatus.SENT, None, "2.0.0"),
    ("expanded", "2.0.0", "", ReceiptStatus.SENT, None, "2.0.0"),
    ("", "5.1.1", "", FAILED, Reason.BAD_ADDRESS, "5.1.1"),
    ("", "4.2.2", "", ACCEPTED, None, "4.2.2"),
    ("dreamt", "2.0.0", "", ACCEPTED, None, "2.0.0"),
]


@pytest.mark.parametrize(("action", "status", "diagnostic", "verdict", "reason", "code"), VERDICTS)
def test_the_verdict_of_a_report(
    action: str, status: str, diagnostic: str, verdict: ReceiptStatus, reason: Reason | None, code: str
) -> None:
    fate = only_fate(report(recipient(action, status, diagnostic)))
    assert (fate.status, fate.reason, fate.code) == (verdict, reason, code)
    assert (fate.client_ref, fate.message_id, fate.recipient) == (REF, MESSAGE_ID, "anna@example.org")
    assert fate.at == 1_732_000_000_000_000


ENVELOPE_ID = f"Reporting-MTA: dns; mx.example.net\nOriginal-Envelope-Id: {REF}\n\n"
BARE = "Final-Recipient: rfc822; anna@example.org\nAction: failed\nStatus: 5.1.1"


@pytest.mark.parametrize(
    ("body", "envelope_to", "client_ref", "message_id"),
    [
        (report(BARE, to="x@mail.example"), VERP, REF, MESSAGE_ID),
        (report(BARE, to=f"<{VERP}>", returned="Subject: none"), "", REF, ""),
        (report(ENVELOPE_ID + BARE, to="x@mail.example", returned="Subject: none"), "", REF, ""),
        (report(BARE, to="x@mail.example"), "", "", MESSAGE_ID),
        (report(BARE, to="x@mail.example", returned_type="message/rfc822"), "", "", MESSAGE_ID),
        (report(BARE, to="x@mail.example", returned="Subject: none"), "", "", ""),
        (report(BARE, to="b+two words@mail.example", returned="Message-ID: none"), "", "", ""),
    ],
    ids=["envelope", "to field", "envelope id", "returned fields", "returned mail", "nothing", "nonsense"],
)
def test_how_our_attempt_is_found(body: bytes, envelope_to: str, client_ref: str, message_id: str) -> None:
    fate = only_fate(body, envelope_to)
    assert (fate.client_ref, fate.message_id) == (client_ref, message_id)


def test_a_report_of_several_recipients() -> None:
    blocks = (
        "Reporting-MTA: dns; mx.example.net\n\n"
        "Original-Recipient: rfc822;anna@example.org\nFinal-Recipient: rfc822; anna@store.example.org\n"
        "Action: failed\nStatus: 5.1.1\nLast-Attempt-Date: Tue, 19 Nov 2024 07:06:41 +0000\n\n"
        "Final-Recipient: rfc822; bob@example.org\nAction: delayed\nStatus: 4.4.1"
    )
    found = read(report(blocks))
    assert isinstance(found, Bounce)
    anna, bob = found.fates
    assert (anna.recipient, anna.status, anna.at) == ("anna@example.org", FAILED, 1_732_000_001_000_000)
    assert (bob.recipient, bob.status, bob.at) == ("bob@example.org", ACCEPTED, 1_732_000_000_000_000)


def test_a_report_of_ten_thousand_recipients_is_cut() -> None:
    found = read(report("Reporting-MTA: dns; x\n\n" + f"{BARE}\n\n" * 10_000))
    assert isinstance(found, Bounce)
    assert len(found.fates) == dsn.RECIPIENTS_MAX


def plain(head: str, body: str) -> bytes:
    return (dedent(head).strip() + "\n\n" + dedent(body).strip() + "\n").replace("\n", "\r\n").encode()


# In no standard form. qmail: https://cr.yp.to/proto/qsbmf.txt; Exim writes X-Failed-Recipients.
QMAIL = plain(
    f"""
    Return-Path: <>
    From: MAILER-DAEMON@mail.example.net
    To: {VERP}
    Subject: failure notice
    Date: Tue, 19 Nov 2024 07:06:40 +0000
    """,
    f"""
    Hi. This is the qmail-send program at mail.example.net.
    I'm afraid I wasn't able to deliver your message to the following addresses.
    This is a permanent error; I've given up. Sorry it didn't work out.

    <anna@example.org>:
    192.0.2.1 does not like recipient.
    Remote host said: 550 5.1.1 no such user
    Giving up on 192.0.2.1.

    --- Below this line is a copy of the message.

    Return-Path: <{VERP}>
    Message-ID: <{MESSAGE_ID}>
    Subject: Order 1234
    """,
)
EXIM = plain(
    f"""
    Return-Path: <>
    From: Mail Delivery System <Mailer-Daemon@mx.example.net>
    To: {VERP}
    X-Failed-Recipients: anna@example.org
    Auto-Submitted: auto-replied
    Subject: Mail delivery failed: returning message to sender
    Date: Tue, 19 Nov 2024 07:06:40 +0000
    """,
    """
    This message was created automatically by mail delivery software.

    A message that you sent could not be delivered to one or more of its
    recipients. This is a permanent error. The following address(es) failed:

      anna@example.org
        Unrouteable address
    """,
)


@pytest.mark.parametrize(
    ("body", "reason", "code", "message_id"),
    [(QMAIL, Reason.BAD_ADDRESS, "5.1.1", MESSAGE_ID), (EXIM, Reason.BAD_ADDRESS, "", "")],
    ids=["qmail", "exim"],
)
def test_bounces_in_no_standard_form(body: bytes, reason: Reason, code: str, message_id: str) -> None:
    fate = only_fate(body)
    assert (fate.status, fate.reason, fate.code) == (FAILED, reason, code)
    assert (fate.client_ref, fate.message_id, fate.recipient) == (REF, message_id, "anna@example.org")


def complaint(kind: str, mail_from: str = VERP) -> bytes:
    """After the example in RFC 5965, appendix B.2."""
    return f"""From: <abusedesk@example.com>
Date: Tue, 19 Nov 2024 07:06:40 +0000
Subject: FW: Earn money
To: <abuse@mail.example>
MIME-Version: 1.0
Content-Type: multipart/report; report-type=feedback-report;
     boundary="part1_13d.2e68ed54_boundary"

--part1_13d.2e68ed54_boundary
Content-Type: text/plain; charset="US-ASCII"

This is an email abuse report for an email message received from IP 192.0.2.1.

--part1_13d.2e68ed54_boundary
Content-Type: message/feedback-report

Feedback-Type: {kind}
User-Agent: SomeGenerator/1.0
Version: 1
Original-Mail-From: <{mail_from}>
Original-Rcpt-To: <anna@example.org>
Arrival-Date: Tue, 19 Nov 2024 07:00:00 +0000
Source-IP: 192.0.2.1

--part1_13d.2e68ed54_boundary
Content-Type: message/rfc822

Message-ID: <{MESSAGE_ID}>
Subject: Order 1234

Your order is on its way.
--part1_13d.2e68ed54_boundary--
""".encode()


@pytest.mark.parametrize(
    ("kind", "reason"),
    [("abuse", Reason.OPTED_OUT), ("Opt-Out", Reason.OPTED_OUT), ("virus", Reason.CONTENT_REJECTED)],
)
def test_a_complaint(kind: str, reason: Reason) -> None:
    found = read(complaint(kind))
    assert isinstance(found, Complaint)
    assert (found.fate.reason, found.fate.code) == (reason, kind.lower())
    assert (found.fate.client_ref, found.fate.message_id) == (REF, MESSAGE_ID)
    assert found.fate.recipient == "anna@example.org"


def test_a_complaint_that_hides_the_recipient_is_found_by_its_message_id() -> None:
    found = read(complaint("abuse", mail_from="redacted"))
    assert isinstance(found, Complaint)
    assert (found.fate.client_ref, found.fate.message_id) == ("", MESSAGE_ID)


@pytest.mark.parametrize("kind", ["not-spam", "dream"])
def test_other_feedback_is_loud(kind: str) -> None:
    with pytest.raises(MimeError, match="unknown type"):
        read(complaint(kind))


def letter(*fields: str) -> bytes:
    head = ["From: Anna <anna@example.org>", "To: shop@mail.example", "Subject: Re: Order", *fields]
    return "\r\n".join([*head, "", "Thank you!", ""]).encode()


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        (["Auto-Submitted: auto-replied"], "Auto-Submitted"),
        (["Auto-Submitted: auto-generated (vacation)"], "Auto-Submitted"),
        (["Precedence: bulk"], "Precedence"),
        (["X-Autoreply: yes"], "X-Autoreply"),
        (["List-Id: <news.example.org>"], "List-Id"),
        (["Content-Type: multipart/report; report-type=disposition-notification; boundary=x"], "disposition"),
    ],
)
def test_machines_are_not_answered(fields: list[str], why: str) -> None:
    found = read(letter(*fields))
    assert isinstance(found, AutoReply)
    assert found.why.startswith(why)


def test_a_person_s_answer() -> None:
    found = read(
        letter(
            "Message-ID: <CA+x@mail.example.org>",
            f"In-Reply-To: <{MESSAGE_ID}>",
            "References: <older@mail.example>",
            "Date: Tue, 19 Nov 2024 10:36:40 +0330",
            "Auto-Submitted: no",
        ),
        "shop@mail.example",
        "anna@example.org",
    )
    assert found == Letter(
        message_id="CA+x@mail.example.org",
        sender="anna@example.org",
        recipient="shop@mail.example",
        subject="Re: Order",
        text="Thank you!",
        in_reply_to=MESSAGE_ID,
        attachments=(),
        at=1_732_000_000_000_000,
    )


def test_the_last_reference_stands_in_for_in_reply_to() -> None:
    found = read(letter(f"References: <older@mail.example> <{MESSAGE_ID}>"))
    assert isinstance(found, Letter)
    assert found.in_reply_to == MESSAGE_ID


@pytest.mark.parametrize(
    "body",
    [
        letter("Delivered-To: " + VERP),
        b"Subject: x\r\n\r\n" + b"x" * 6_000_000,
        report("Reporting-MTA: dns; mx.example.net"),
    ],
    ids=["a letter to a bounce address", "too large", "a report of nobody"],
)
def test_what_cannot_be_read_is_said(body: bytes) -> None:
    with pytest.raises(MimeError):
        read(body)


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("5.1.1", Reason.BAD_ADDRESS),
        ("4.7.28", Reason.THROTTLED),
        ("5.7.999", Reason.REJECTED),
        ("", Reason.REJECTED),
    ],
)
def test_reasons_behind_enhanced_codes(code: str, reason: Reason) -> None:
    assert dsn.reason_of(code, Reason.REJECTED) is reason


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("550 5.1.1 no", "5.1.1"),
        ("from 192.0.2.1", ""),
        ("[5.1.1.1]", ""),
        ("smtp;550-5.7.26 x", "5.7.26"),
        ("", ""),
    ],
)
def test_enhanced_codes_are_found_and_addresses_are_not(text: str, code: str) -> None:
    assert dsn.enhanced_code(text) == code


SAMPLES = [report(recipient("failed", "5.1.1", "smtp; 550")), QMAIL, EXIM, complaint("abuse"), letter()]


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(SAMPLES),
    st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1), st.binary(max_size=40)), min_size=1, max_size=6),
)
def test_damaged_mail_raises_nothing_but_its_own_error(
    sample: bytes, cuts: list[tuple[float, float, bytes]]
) -> None:
    body = sample
    for at, size, put in cuts:
        start = int(at * len(body))
        body = body[:start] + put + body[start + int(size * 60) :]
    with suppress(MimeError):
        read(body, VERP, "<>")


HOSTILE_LINE = b"Message not delivered to the following addresses\n" + (b"a" * 190 + b"\n") * 400
BOUNDED = {
    "patterns of flufl": b"Return-Path: <>\r\n\r\n" + HOSTILE_LINE,
    "one long line": b"Return-Path: <>\r\n\r\nThis is a delivery failure notification message -- "
    + b"a" * 1_000_000,
    "at signs": b"Return-Path: <>\r\n\r\n" + b"a@" * 500_000,
    "a million blocks": report("a: b\n\n" * 500_000),
}


@pytest.mark.parametrize("name", BOUNDED)
def test_hostile_reports_take_bounded_time(name: str) -> None:
    started = time.process_time()
    with suppress(MimeError):
        read(BOUNDED[name])
    assert time.process_time() - started < 2

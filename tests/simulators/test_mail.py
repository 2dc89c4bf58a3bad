"""The simulated mail host, spoken to by Python's own smtplib, and by a live line of ours with its bounces."""

from __future__ import annotations

import asyncio
import smtplib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP, default

import pytest
from flufl.bounce import all_failures

from angarium.core.ports import Accepted, Inbound, Outcome, Receipt, Refused, Unknown
from angarium.core.values import Content, Reason, ReceiptStatus
from angarium.protocols import dsn
from angarium.protocols.smtp import Arrived, Door
from angarium.simulators.behaviour import Behaviour, Faults, Rule, Script
from angarium.simulators.mail import MailHost
from angarium.simulators.stage import Stage, Webhook
from support.mail_line import line, sent
from support.mail_peers import until

QUICK = Faults(receipt_delay_s=0.01)
SENDER = "b+att_1@bounces.example"


@asynccontextmanager
async def host(faults: Faults = QUICK, *rules: Rule) -> AsyncIterator[tuple[MailHost, Stage]]:
    stage = Stage(Script(rules=rules, faults={"*": faults}))
    face = MailHost(stage)
    await face.start()
    try:
        yield face, stage
    finally:
        await face.stop()


@asynccontextmanager
async def bounces(stage: Stage) -> AsyncIterator[list[Arrived]]:
    """A door where the host's reports arrive."""
    arrived: list[Arrived] = []

    async def record(mail: Arrived) -> None:
        arrived.append(mail)

    door = Door("127.0.0.1", 0, {"bounces.example", "shop.example"}, record)
    await door.open()
    stage.webhooks["smtp"] = Webhook(f"smtp://{door.address()}")
    try:
        yield arrived
    finally:
        await door.close()


def port_of(face: MailHost) -> int:
    return int(face.url().rpartition(":")[2])


def mail(recipient: str) -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"] = "فروشگاه <shop@shop.example>", recipient
    message["Subject"], message["Message-ID"] = "سفارش ۱۲۳۴", "<att_1@shop.example>"
    message.set_content("سفارش شما ارسال شد\n")
    message.add_alternative("<p>سفارش شما ارسال شد</p>\n", subtype="html")
    return message


def says(port: int, recipient: str, *, notify: str = "SUCCESS,FAILURE,DELAY") -> tuple[int, bytes]:
    """smtplib hands over one mail, asking for reports; the last answer, whatever it is."""
    with smtplib.SMTP("127.0.0.1", port, "peer.example", timeout=40) as client:
        client.ehlo()
        assert client.has_extn("dsn")
        code, words = client.mail(SENDER, ["RET=HDRS", "ENVID=att_1"])
        if code == 250:
            code, words = client.rcpt(recipient, [f"NOTIFY={notify}", f"ORCPT=rfc822;{recipient}"])
        if code == 250:
            code, words = client.data(mail(recipient).as_bytes(policy=SMTP))
        return code, words


async def test_a_mail_is_filed_as_a_person_would_read_it() -> None:
    async with host() as (face, _):
        code, words = await asyncio.to_thread(says, port_of(face), "anna.01@example.org")
        assert (code, words.startswith(b"2.0.0 ok: queued as")) == (250, True)
        (entry,) = face.ledger.entries
        await until(entry.seen)
    assert (entry.ref, entry.client_ref, entry.recipient) == (
        "att_1@shop.example",
        "att_1",
        "anna.01@example.org",
    )
    assert (entry.subject, entry.text) == ("سفارش ۱۲۳۴", "سفارش شما ارسال شد")
    assert (entry.html, entry.sender) == ("<p>سفارش شما ارسال شد</p>", "فروشگاه <shop@shop.example>")
    assert (entry.details["envelope_from"], entry.details["notify"]) == (SENDER, "DELAY,FAILURE,SUCCESS")


AT_ONCE = [
    ("anna.02@example.org", 550, b"5.1.1", "not_a_user"),
    ("anna.03@example.org", 554, b"5.7.1", "blocked"),
    ("anna.07@example.org", 451, b"4.7.0", "throttled"),
    ("anna.10@example.org", 554, b"5.6.0", "template_paused"),
]


@pytest.mark.parametrize(("recipient", "code", "enhanced", "refused"), AT_ONCE)
async def test_what_is_refused_in_the_session(
    recipient: str, code: int, enhanced: bytes, refused: str
) -> None:
    async with host() as (face, _):
        said, words = await asyncio.to_thread(says, port_of(face), recipient)
    assert (said, words[:5]) == (code, enhanced)
    assert (face.ledger.entries, dict(face.ledger.refused)) == ([], {refused: 1})


async def test_a_throttled_mail_is_taken_at_the_third_try() -> None:
    async with host() as (face, _):
        codes = [(await asyncio.to_thread(says, port_of(face), "anna.07@example.org"))[0] for _ in range(4)]
    assert codes == [451, 451, 250, 451]


REPORTED = [
    # last digits → (Action, Status) of each report, what the phone saw
    ("01", [("delivered", "2.0.0")], ["delivered"]),
    ("04", [("failed", "4.4.7")], ["expired"]),
    ("05", [("delayed", "4.4.1"), ("delivered", "2.0.0")], ["delivered"]),
    (
        "09",
        [("delivered", "2.0.0")] * 2 + [("delayed", "4.4.1")] * 2 + [("delivered", "2.0.0")] * 2,
        ["delivered"],
    ),
    ("12", [("failed", "5.0.0")], ["undelivered"]),
]


@pytest.mark.parametrize(("digits", "reports", "seen"), REPORTED)
async def test_what_is_reported_later(digits: str, reports: list[tuple[str, str]], seen: list[str]) -> None:
    recipient = f"anna.{digits}@example.org"
    async with host() as (face, stage), bounces(stage) as arrived:
        await asyncio.to_thread(says, port_of(face), recipient)
        await until(lambda: len(arrived) >= len(reports))
    assert {(each.mail_from, each.rcpt_to) for each in arrived} == {("<>", (SENDER,))}
    told = []
    for each in arrived:
        message = message_from_bytes(each.mail, policy=default)
        assert (message.get_content_type(), message.get_param("report-type")) == (
            "multipart/report",
            "delivery-status",
        )
        _, status, returned = message.iter_parts()
        about, person = status.iter_parts()
        assert about["Original-Envelope-Id"] == "att_1"
        assert person["Original-Recipient"] == f"rfc822;{recipient}"
        assert "Message-ID: <att_1@shop.example>" in returned.get_content()
        told.append((person["Action"], person["Status"]))
    assert told == reports
    (entry,) = face.ledger.entries
    assert [word for word, _ in entry.statuses] == seen


@pytest.mark.parametrize(
    ("digits", "notify"), [("06", "SUCCESS,FAILURE,DELAY"), ("01", "FAILURE"), ("12", "NEVER")]
)
async def test_who_did_not_ask_is_not_told(digits: str, notify: str) -> None:
    async with host() as (face, stage), bounces(stage) as arrived:
        await asyncio.to_thread(says, port_of(face), f"anna.{digits}@example.org", notify=notify)
        await asyncio.to_thread(says, port_of(face), "last.12@example.org")
        await until(lambda: arrived)
    assert all(b"last.12@example.org" in each.mail for each in arrived)


async def test_a_report_is_brought_until_it_is_taken() -> None:
    async with host() as (face, stage), bounces(stage) as arrived:
        where = stage.webhooks["smtp"]
        nobody = await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", 0)
        stage.webhooks["smtp"] = Webhook(f"smtp://127.0.0.1:{nobody.sockets[0].getsockname()[1]}")
        await asyncio.to_thread(says, port_of(face), "anna.12@example.org")
        (entry,) = face.ledger.entries
        await until(lambda: entry.statuses)
        assert arrived == []
        stage.webhooks["smtp"] = where
        await until(lambda: arrived)
        nobody.close()


@pytest.mark.parametrize(
    ("faults", "recipient"),
    [
        (QUICK, "anna.08@example.org"),
        (Faults(drop_every=1), "anna@example.org"),
        (Faults(silent_share=1), "anna@example.org"),
    ],
)
async def test_a_lost_answer_is_a_mail_taken(faults: Faults, recipient: str) -> None:
    async with host(faults) as (face, _):
        with pytest.raises(smtplib.SMTPServerDisconnected):
            await asyncio.to_thread(says, port_of(face), recipient)
    assert len(face.ledger.entries) == 1


async def test_a_host_goes_away_and_comes_back() -> None:
    async with host() as (face, stage):
        port = port_of(face)
        stage.script = Script(faults={"smtp": Faults(away=True)})
        await face.heed()
        with pytest.raises(ConnectionRefusedError):
            await asyncio.to_thread(says, port, "anna@example.org")
        stage.script = Script()
        await face.heed()
        assert (await asyncio.to_thread(says, port, "anna@example.org"))[0] == 250
        await until(lambda: face.waiting() == 0)
    assert len(face.ledger.entries) == 1


async def test_too_many_a_second_are_told_to_slow_down() -> None:
    async with host(Faults(throttle_per_s=2)) as (face, _):
        codes = [(await asyncio.to_thread(says, port_of(face), "anna@example.org"))[0] for _ in range(4)]
    assert codes == [250, 250, 451, 451]


async def test_a_rule_of_the_script_goes_before_the_digits() -> None:
    async with host(QUICK, Rule(Behaviour.NOT_A_USER, "smtp", "anna.01")) as (face, _):
        assert (await asyncio.to_thread(says, port_of(face), "anna.01@example.org"))[0] == 550


# ── with a line of ours ──────────────────────────────────────────────────────────────────────────────

OUTCOMES = {
    "01": (Accepted, [ReceiptStatus.DELIVERED]),
    "02": (Reason.BAD_ADDRESS, []),
    "03": (Reason.REJECTED, []),
    "04": (Accepted, [ReceiptStatus.FAILED]),
    "05": (Accepted, [ReceiptStatus.ACCEPTED, ReceiptStatus.DELIVERED]),
    "06": (Accepted, []),
    "07": (Reason.THROTTLED, []),
    "08": (Unknown, [ReceiptStatus.DELIVERED]),
    "10": (Reason.CONTENT_REJECTED, []),
    "12": (Accepted, [ReceiptStatus.FAILED]),
}


def kind(outcome: Outcome) -> object:
    return outcome.reason if isinstance(outcome, Refused) else type(outcome)


async def test_a_line_and_its_bounces() -> None:
    settings = {"bounce_domain": "bounces.example", "bounce_listen": "127.0.0.1:0"}
    async with host() as (face, stage), line(port=port_of(face), **settings) as (connection, heard):
        await until(connection.free)
        stage.webhooks["smtp"] = Webhook("smtp://" + connection.state().rpartition(" ")[2])
        heard.deaf_times = 1  # the first report is brought again
        for digits, (expected, _) in OUTCOMES.items():
            facts = {
                "attempt_id": int(digits),
                "client_ref": f"att_{digits}",
                "address": f"anna.{digits}@example.org",
            }
            assert kind(await sent(connection, heard, **facts)) == expected, digits
        for digits, (_, statuses) in OUTCOMES.items():
            await until(lambda d=digits, s=statuses: len(heard.statuses(f"att_{d}")) >= len(s))  # type: ignore[misc]
            assert heard.statuses(f"att_{digits}") == statuses, digits
    reasons = {
        event.client_ref: event.reason
        for event in heard.events
        if isinstance(event, Receipt) and event.reason
    }
    assert reasons == {"att_04": Reason.EXPIRED, "att_12": Reason.UNDELIVERED}


async def test_a_person_answers_the_last_mail_she_got() -> None:
    settings = {"bounce_domain": "bounces.example", "bounce_listen": "127.0.0.1:0"}
    async with host() as (face, stage), line(port=port_of(face), **settings) as (connection, heard):
        await until(connection.free)
        stage.webhooks["smtp"] = Webhook("smtp://" + connection.state().rpartition(" ")[2])
        outcome = await sent(
            connection, heard, address="anna.06@example.org", content=Content("سلام", "سفارش")
        )
        assert isinstance(outcome, Accepted)
        await face.send_inbound("anna.06@example.org", "shop@shop.example", "ممنون!")
        await until(lambda: heard.events)
    (answer,) = heard.events
    assert isinstance(answer, Inbound)
    assert (answer.sender, answer.text) == ("anna.06@example.org", "ممنون!")
    assert answer.context_ref == outcome.refs[0]


async def test_garbage_after_the_dot_is_unknown() -> None:
    faults = Faults(garbage_share=1)
    async with host(faults) as (face, _), line(port=port_of(face)) as (connection, heard):
        assert isinstance(await sent(connection, heard), Unknown)
    assert len(face.ledger.entries) == 1


async def test_python_and_flufl_read_the_reports_and_complaints_of_the_host() -> None:
    """What our host writes, by parsers that are not ours; and by the line, over SMTP, as any other's."""
    async with host() as (face, stage), bounces(stage) as arrived:
        assert (await asyncio.to_thread(says, port_of(face), "anna.12@example.org"))[0] == 250
        await until(lambda: len(arrived) == 1)
        await face.complain("anna.12@example.org", "abuse@shop.example")
    report, complaint = (message_from_bytes(one.mail, policy=default) for one in arrived)
    assert (report.get_content_type(), report.get_param("report-type")) == (
        "multipart/report",
        "delivery-status",
    )
    words, status, returned = report.iter_parts()
    about, person = status.get_payload()
    assert words.get_content_type() == "text/plain"
    assert about["original-envelope-id"] == "att_1"
    assert (person["final-recipient"], person["action"]) == ("rfc822; anna.12@example.org", "failed")
    assert (person["original-recipient"], person["status"]) == ("rfc822;anna.12@example.org", "5.0.0")
    assert "Message-ID: <att_1@shop.example>" in returned.get_content()
    delayed, failed = all_failures(message_from_bytes(arrived[0].mail))
    assert (delayed, failed) == (set(), {b"anna.12@example.org"})

    assert (complaint.get_content_type(), complaint.get_param("report-type")) == (
        "multipart/report",
        "feedback-report",
    )
    _, feedback, returned = complaint.iter_parts()
    (fields,) = feedback.get_payload()
    assert (fields["feedback-type"], fields["version"]) == ("abuse", "1")
    assert fields["original-rcpt-to"] == "<anna.12@example.org>"
    assert fields["original-mail-from"] == f"<{SENDER}>"
    assert "Message-ID: <att_1@shop.example>" in returned.get_content()
    bounce, spam = (dsn.read(one.mail, one.rcpt_to[0], one.mail_from) for one in arrived)
    assert isinstance(bounce, dsn.Bounce)
    assert isinstance(spam, dsn.Complaint)
    assert [fate.client_ref for fate in (*bounce.fates, spam.fate)] == ["att_1", "att_1"]
    assert (spam.fate.reason, spam.fate.message_id) == (Reason.OPTED_OUT, "att_1@shop.example")

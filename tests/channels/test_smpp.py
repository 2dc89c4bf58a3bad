"""SMS over SMPP: what is composed, what answers mean, and what operators send by themselves."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import msgspec
import pytest

from angarium.channels import smpp_kit
from angarium.channels.smpp import Composer, Settings, lint, logins, measure, parse, verdict
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
from angarium.core.values import Content, Reason, ReceiptStatus
from angarium.protocols import gsm
from angarium.protocols.smpp_numbers import Command, Status
from angarium.protocols.smpp_pdu import Frame, Message, MessageResp, decode, encode, pack
from angarium.protocols.smpp_text import read_piece
from support import smpp_line
from support.smpp_line import answer, delivered, settings_of, submission
from support.still import StillClock

STATUSES = smpp_kit.profiles()["standard"].reasons
SETTINGS = smpp_line.SETTINGS  # for the exam of every channel
LONG = "Your order has left the shop and comes tomorrow. " * 8  # 392 letters: three parts
PERSIAN = "سفارش شما ارسال شد"


def composed(settings: Settings, one: Submission, reference: int = 0x1234) -> list[Message]:
    """The messages of a submission, as the operator reads them."""
    bodies = Composer(settings, StillClock()).compose(one, reference)
    assert isinstance(bodies, list)
    messages = [decode(Frame(Command.SUBMIT_SM, 0, 1, pack(Command.SUBMIT_SM, 1, body))) for body in bodies]
    return [message for message in messages if isinstance(message, Message)]


# ── going out ────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class SendCase:
    """What a line makes of a submission: the fields named of its first message."""

    name: str
    expected: dict[str, Any]
    submission: Submission = field(default_factory=submission)
    settings: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.name


SEND_CASES = [
    SendCase(
        "the plainest",
        {
            "source_ton": 5,
            "source_npi": 0,
            "source": "Shop",
            "dest_ton": 1,
            "dest_npi": 1,
            "dest": "989120000001",
            "esm_class": 0,
            "validity": "",
            "registered_delivery": 1,
            "data_coding": 0,
            "short_message": b"Your order is ready",
            "tlvs": (),
        },
    ),
    SendCase(
        "a number sends",
        {"source": "989350000000", "source_ton": 1, "source_npi": 1},
        settings={"source": "+989350000000"},
    ),
    SendCase(
        "a short code sends",
        {"source": "30007", "source_ton": 6, "source_npi": 0},
        settings={"source": "30007"},
    ),
    SendCase(
        "the operator's own sender", {"source": "", "source_ton": 0, "source_npi": 0}, settings={"source": ""}
    ),
    SendCase(
        "kinds of number as the operator wants them",
        {"source_ton": 0, "source_npi": 0, "dest_ton": 2, "dest_npi": 8},
        settings={"source_ton": 0, "source_npi": 0, "dest_ton": 2, "dest_npi": 8},
    ),
    SendCase("ten minutes to live", {"validity": "000000001000000R"}, submission(ttl_s=600)),
    SendCase("two days to live", {"validity": "000002000000000R"}, submission(ttl_s=172_800)),
    SendCase("no time to live is a second", {"validity": "000000000001000R"}, submission(ttl_s=0)),
    SendCase("longer than the format", {"validity": "000028000000000R"}, submission(ttl_s=10**9)),
    SendCase(
        "Persian", {"data_coding": 8, "short_message": PERSIAN.encode("utf-16-be")}, submission(PERSIAN)
    ),
    SendCase("a euro", {"data_coding": 0, "short_message": b"\x1b\x65"}, submission("€")),
    SendCase(
        "Latin-1",
        {"data_coding": 0, "short_message": b"\xe7a va"},
        submission("ça va"),
        {"alphabet": "latin1"},
    ),
    SendCase("a coding of its own", {"data_coding": 0xF1}, settings={"data_coding": 0xF1}),
    SendCase("UCS-2 all the same", {"data_coding": 8}, submission(PERSIAN), {"data_coding": 0xF1}),
    SendCase("curly quotes", {"data_coding": 8}, submission("“ready”")),
    SendCase(
        "curly quotes made plain", {"short_message": b'"ready"'}, submission("“ready”"), {"smart": True}
    ),
    SendCase("headers join", {"esm_class": 0x40}, submission(LONG)),
    SendCase(
        "parameters join",
        {"esm_class": 0, "tlvs": ((0x20C, b"\x00\x34"), (0x20E, b"\x03"), (0x20F, b"\x01"))},
        submission(LONG),
        {"long_messages": "sar"},
    ),
    SendCase(
        "parameters of the account",
        {"tlvs": ((0x1400, b"1101"), (0x1401, b"2202"))},
        submission(content=Content(text="Hello", template="2202")),
        {"tlvs": {"1400": b"1101".hex()}, "template_tag": "1401"},
    ),
    SendCase("a service type", {"service_type": "CMT"}, settings={"service_type": "CMT"}),
    SendCase("no receipts", {"registered_delivery": 0}, settings={"registered_delivery": 0}),
]


@pytest.mark.parametrize("case", SEND_CASES, ids=str)
def test_a_submission_is_composed(case: SendCase) -> None:
    first = composed(settings_of(**case.settings), case.submission)[0]
    assert {name: getattr(first, name) for name in case.expected} == case.expected


@pytest.mark.parametrize(("way", "messages"), [("udh", 3), ("sar", 3), ("payload", 1)])
@pytest.mark.parametrize("bits", [8, 16])
def test_a_long_text_is_whole_at_the_operator(way: str, messages: int, bits: int) -> None:
    sent = composed(settings_of(long_messages=way, reference_bits=bits), submission(LONG))
    assert len(sent) == messages
    pieces = [read_piece(message, "gsm7") for message in sent]
    assert "".join(piece.text for piece in pieces) == LONG
    assert {piece.reference for piece in pieces} == {0 if messages == 1 else 0x34 if bits == 8 else 0x1234}


REFUSALS = [
    ("not a number", submission(address="anna@example.org"), {}, Reason.BAD_ADDRESS),
    ("too many digits", submission(address="+" + "9" * 21), {}, Reason.BAD_ADDRESS),
    ("nothing to say", submission(" \n"), {}, Reason.UNSUPPORTED),
    (
        "a picture",
        submission(content=Content(text="x", image_url="https://a.example/x.png")),
        {},
        Reason.UNSUPPORTED,
    ),
    ("a subject", submission(content=Content(text="x", subject="y")), {}, Reason.UNSUPPORTED),
    ("a template id", submission(content=Content(text="x", template="y")), {}, Reason.UNSUPPORTED),
    ("too many parts", submission(LONG), {"parts_max": 2}, Reason.TOO_LONG),
    ("too long for anybody", submission("x" * 40_000), {"parts_max": 255}, Reason.TOO_LONG),
]


@pytest.mark.parametrize(
    ("one", "settings", "reason"), [case[1:] for case in REFUSALS], ids=[c[0] for c in REFUSALS]
)
def test_what_cannot_be_carried_is_refused(one: Submission, settings: dict[str, Any], reason: Reason) -> None:
    refused = Composer(settings_of(**settings), StillClock()).compose(one, 1)
    assert isinstance(refused, Refused)
    assert refused.reason is reason
    assert refused.detail


TAKEN: list[tuple[str, Frame, dict[str, Any], Outcome]] = [
    ("plainly", answer(), {}, Accepted(("4f02",))),
    ("zeros and blanks", answer(body=b"00123 \0"), {}, Accepted(("123",))),
    ("in hexadecimal", answer(), {"receipt_id_base": "hex_to_dec"}, Accepted(("20226",))),
    ("without an id", answer(body=b"\0"), {}, Accepted(())),
    ("without a body", answer(body=b""), {}, Accepted(())),
]


@pytest.mark.parametrize(
    ("frame", "settings", "outcome"), [case[1:] for case in TAKEN], ids=[c[0] for c in TAKEN]
)
def test_a_message_was_taken(frame: Frame, settings: dict[str, Any], outcome: Outcome) -> None:
    assert verdict(settings_of(**settings), frame) == outcome


NOT_TAKEN = [
    (answer(0x0B, b""), {}, Reason.BAD_ADDRESS, "RINVDSTADR"),
    (answer(0x58), {}, Reason.THROTTLED, "RTHROTTLED"),
    (answer(0x14), {}, Reason.THROTTLED, "RMSGQFUL"),
    (answer(0x08), {}, Reason.TEMPORARY, "RSYSERR"),
    (answer(0xC0), {}, Reason.CONFIG, "RINVOPTPARSTREAM"),
    (answer(0x40B), {}, Reason.REJECTED, "0x0000040b"),
    (answer(0x40B), {"statuses": {"0x40b": "no_credit"}}, Reason.NO_CREDIT, "0x0000040b"),
    (answer(0x0B), {"statuses": {"B": "not_a_user"}}, Reason.NOT_A_USER, "RINVDSTADR"),
    (answer(0x02, b"", Command.GENERIC_NACK), {}, Reason.CONFIG, "RINVCMDLEN"),
]


@pytest.mark.parametrize(("frame", "settings", "reason", "code"), NOT_TAKEN)
def test_a_message_was_not_taken(frame: Frame, settings: dict[str, Any], reason: Reason, code: str) -> None:
    refused = verdict(settings_of(**settings), frame)
    assert isinstance(refused, Refused)
    assert (refused.reason, refused.code) == (reason, code)
    assert refused.detail.startswith("the operator says: ")


SAYS_NOTHING = [
    (answer(body=b"x" * 300), {}, "nothing certain: a message_id of 300 octets"),
    (answer(0, b"", Command.GENERIC_NACK), {}, "nothing certain: a nack without an error"),
    (answer(0x08), {"system_error": "unknown"}, "an error inside the message centre"),
]


@pytest.mark.parametrize(("frame", "settings", "why"), SAYS_NOTHING)
def test_an_answer_may_say_nothing(frame: Frame, settings: dict[str, Any], why: str) -> None:
    unknown = verdict(settings_of(**settings), frame)
    assert isinstance(unknown, Unknown)
    assert unknown.detail.endswith(why)


@pytest.mark.parametrize("status", sorted(STATUSES))
def test_every_status_of_the_table_is_a_refusal(status: int) -> None:
    refused = verdict(settings_of(), answer(status, b""))
    assert isinstance(refused, Refused)
    assert refused.reason is STATUSES[status]
    assert refused.code == Status(status).name


# ── coming in ────────────────────────────────────────────────────────────────────────────────────────


RECEIPT = b"id:00123 sub:001 dlvrd:001 submit date:2611231425 done date:2611231426 stat:%b err:%b text:"
DELIVRD = delivered(RECEIPT % (b"DELIVRD", b"000"), esm_class=4)
UNDELIV = delivered(RECEIPT % (b"UNDELIV", b"027"), esm_class=4)


@dataclass(frozen=True)
class CallbackCase:
    """A piece of the journal, and what it says."""

    name: str
    raw: Raw
    events: list[Event]
    settings: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.name


def heard(*pdus: bytes, **headers: str) -> Raw:
    """What came in one read of a bind."""
    return Raw(
        b"".join(pdus),
        {"bind": "1700000000000000"} | {name.replace("_", "-"): value for name, value in headers.items()},
    )


def told(code: str, reason: Reason | None = None, at: int | None = None) -> Receipt:
    """What a receipt of message 123 tells; without a reason it was delivered."""
    status = ReceiptStatus.FAILED if reason else ReceiptStatus.DELIVERED
    return Receipt(status, ref="123", address="+989120000001", reason=reason, code=code, at=at)


def ref_of(raw: Raw) -> str:
    """The reference of an inbound message; tests of their own say when two are the same."""
    [event] = parse(settings_of(), raw)
    assert isinstance(event, Inbound)
    return event.ref


HELLO = heard(delivered(b"Hello"))
SALAM = heard(delivered(PERSIAN.encode("utf-16-be"), data_coding=8))
SECOND = heard(delivered(b"\x05\x00\x03\x2a\x02\x02tomorrow", esm_class=0x40))
BY_SAR = heard(delivered(b"to", tlvs=((0x20C, b"\x01\x02"), (0x20E, b"\x02"), (0x20F, b"\x01"))))
DATA_SM = Message(source_ton=1, source="989120000001", dest="30007", tlvs=((0x424, b"Hi"),))
BY_DATA_SM = heard(pack(Command.DATA_SM, 3, encode(Command.DATA_SM, DATA_SM)))
LATE = {"client_ref": "att_0000000000007", "part": "2/3"}

CALLBACK_CASES = [
    CallbackCase("delivered", heard(DELIVRD), [told("DELIVRD")]),
    CallbackCase(
        "delivered, at the operator's time",
        heard(DELIVRD),
        [told("DELIVRD", at=1_795_431_360_000_000)],
        {"receipt_zone": "Asia/Tehran"},
    ),
    CallbackCase(
        "failed, with an error the line knows",
        heard(UNDELIV),
        [told("UNDELIV/27", Reason.UNREACHABLE)],
        {"receipt_errors": {"027": "unreachable"}},
    ),
    CallbackCase(
        "two of one read", heard(UNDELIV, DELIVRD), [told("UNDELIV/27", Reason.UNDELIVERED), told("DELIVRD")]
    ),
    CallbackCase(
        "an id in decimal of one in hexadecimal",
        heard(DELIVRD),
        [told("DELIVRD")],
        {"receipt_id_base": "hex_to_dec"},
    ),
    CallbackCase(
        "a word the line knows",
        heard(delivered(b"id:123 stat:GONE err:0", esm_class=4)),
        [told("GONE", Reason.BAD_ADDRESS)],
        {"receipt_words": {"gone": "bad_address"}},
    ),
    CallbackCase(
        "an unmarked receipt of an operator known for it",
        heard(delivered(b"id:123 stat:DELIVRD err:0")),
        [told("DELIVRD")],
        {"receipts_unmarked": True},
    ),
    CallbackCase("a person writes", HELLO, [Inbound(ref_of(HELLO), "+989120000001", "30007", "Hello")]),
    CallbackCase("in Persian", SALAM, [Inbound(ref_of(SALAM), "+989120000001", "30007", PERSIAN)]),
    CallbackCase(
        "the second of two parts",
        SECOND,
        [
            Inbound(
                ref_of(SECOND), "+989120000001", "30007", "tomorrow", part_ref=42, part_number=2, part_total=2
            )
        ],
    ),
    CallbackCase(
        "the first of two parts, by parameters",
        BY_SAR,
        [
            Inbound(
                ref_of(BY_SAR), "+989120000001", "30007", "to", part_ref=0x102, part_number=1, part_total=2
            )
        ],
    ),
    CallbackCase("by data_sm", BY_DATA_SM, [Inbound(ref_of(BY_DATA_SM), "+989120000001", "30007", "Hi")]),
    CallbackCase(
        "a late answer",
        heard(answer().data, **LATE),
        [Receipt(ReceiptStatus.ACCEPTED, ref="4f02", client_ref="att_0000000000007")],
    ),
    CallbackCase(
        "a late answer without an id",
        heard(answer(body=b"").data, **LATE),
        [Receipt(ReceiptStatus.ACCEPTED, client_ref="att_0000000000007")],
    ),
    CallbackCase(
        "a late refusal",
        heard(answer(0x0B, b"").data, **LATE),
        [
            Receipt(
                ReceiptStatus.FAILED,
                client_ref="att_0000000000007",
                reason=Reason.BAD_ADDRESS,
                code="RINVDSTADR",
            )
        ],
    ),
]


@pytest.mark.parametrize("case", CALLBACK_CASES, ids=str)
def test_what_an_operator_sends_is_understood(case: CallbackCase) -> None:
    assert parse(settings_of(**case.settings), case.raw) == case.events


NOT_UNDERSTOOD = [
    ("a word of no table", heard(delivered(b"id:1 stat:GONE err:0", esm_class=4)), "stat:GONE"),
    (
        "a receipt of nothing",
        heard(delivered(b"stat:DELIVRD", source="", esm_class=4)),
        "neither message nor recipient",
    ),
    ("binary", heard(delivered(b"\x01\x02", data_coding=4)), "data_coding 0x04 is binary"),
    ("an acknowledgement of another entity", heard(delivered(b"x", esm_class=8)), "esm_class 0x08"),
    ("a broken header", heard(delivered(b"\x09\x00", esm_class=0x40)), "user data header"),
    ("a message cut short", heard(pack(Command.DELIVER_SM, 1, b"\0\0\0")), "RINVSRCADR"),
    ("a command nobody asked for", heard(pack(Command.ALERT_NOTIFICATION, 1)), "alert_notification"),
    ("an answer that is no evidence", heard(answer().data), "unexpected submit_sm_resp"),
    ("evidence that says nothing", heard(answer(body=b"x" * 300).data, **LATE), "nothing certain"),
    ("half a PDU", heard(DELIVRD[:-1]), "no whole PDU"),
    ("no PDU", heard(b"<html>Bad gateway</html>"), "a PDU of"),
]


@pytest.mark.parametrize(
    ("raw", "why"), [case[1:] for case in NOT_UNDERSTOOD], ids=[c[0] for c in NOT_UNDERSTOOD]
)
def test_what_is_not_understood_is_kept(raw: Raw, why: str) -> None:
    [event] = parse(settings_of(), raw)
    assert isinstance(event, Unreadable)
    assert why in event.detail


def test_one_that_is_not_understood_does_not_hide_the_others() -> None:
    events = parse(settings_of(), heard(delivered(b"id:1 stat:GONE", esm_class=4), DELIVRD, b"\xff" * 16))
    assert [type(event) for event in events] == [Unreadable, Receipt, Unreadable]


def test_a_person_may_write_the_same_twice_and_an_operator_may_repeat() -> None:
    first = heard(delivered(b"1", sequence=9))
    again = heard(delivered(b"1", sequence=10))
    elsewhere = msgspec.structs.replace(first, headers={"bind": "1700000000000001"})
    repeated = Raw(again.body, {"origin": "1700000000000000.9"})
    assert len({ref_of(first), ref_of(again), ref_of(elsewhere)}) == 3
    assert ref_of(repeated) == ref_of(first)
    assert ref_of(heard(delivered(b"2", sequence=9))) != ref_of(first)


@pytest.mark.parametrize(
    ("source", "ton", "shown"),
    [
        ("989120000001", 1, "+989120000001"),
        ("989120000001", 0, "+989120000001"),
        ("9120000001", 2, "9120000001"),
        ("30007", 0, "30007"),
        ("Bank", 5, "Bank"),
        ("+98912", 1, "+98912"),
    ],
)
def test_an_address_is_written_as_ours(source: str, ton: int, shown: str) -> None:
    [event] = parse(settings_of(), heard(delivered(b"x", source=source, source_ton=ton)))
    assert isinstance(event, Inbound)
    assert event.sender == shown


# ── measuring, and settings ──────────────────────────────────────────────────────────────────────────


def test_a_text_is_measured_as_the_line_sends_it() -> None:
    long = measure(settings_of(), Content(text=LONG))
    assert (long.parts, long.units, long.encoding) == (3, len(LONG), "gsm7")
    assert measure(settings_of(), Content(text=PERSIAN)).encoding == "ucs2"
    assert measure(settings_of(alphabet="latin1"), Content(text="ça va")).encoding == "latin1"
    endless = measure(settings_of(), Content(text="x" * 40_000))
    assert endless.parts == -(-40_000 // gsm.PER_PART[8]["gsm7"])
    assert [problem.field for problem in lint(settings_of(), Content(text="x" * 40_000))] == ["text"]


def test_the_password_is_a_secret() -> None:
    assert secret_fields(Settings) == {"password"}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("source", "AngariumOfPersia"),
        ("source", "فروشگاه"),
        ("tlvs", {"1400": "no hex"}),
        ("tlvs", {"14": "00"}),
        ("template_tag", "DLT"),
        ("statuses", {"RFULL": "no_credit"}),
        ("statuses", {"0x40b": "no_such_reason"}),
        ("receipt_words", {"GONE": "gone"}),
        ("receipt_zone", "Tehran"),
        ("tls_ca", "a certificate"),
        ("data_coding", 256),
        ("long_messages", "letter"),
        ("port", 0),
    ],
)
def test_a_wrong_setting_is_named(name: str, value: object) -> None:
    with pytest.raises(Problem) as caught:
        settings_of(**{name: value})
    assert [wrong.field for wrong in caught.value.fields] == [name]


def test_a_pair_binds_twice_and_submits_on_the_transmitter() -> None:
    assert [login.bind_as for login in logins(settings_of(bind_mode="pair"), 10)] == [
        Command.BIND_TRANSMITTER,
        Command.BIND_RECEIVER,
    ]
    [login] = logins(settings_of(system_type="VMS"), 10)
    assert (login.bind_as, login.window, login.tls) == (Command.BIND_TRANSCEIVER, 10, None)
    assert (login.bind.system_id, login.bind.password, login.bind.system_type) == (
        "angarium",
        "secret",
        "VMS",
    )
    assert encode(Command.SUBMIT_SM_RESP, MessageResp("1")) == b"1\0"

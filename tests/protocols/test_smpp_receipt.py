"""Delivery receipts as operators really write them, and ids as they really differ."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from angarium.core.clock import from_datetime
from angarium.core.values import Reason, ReceiptStatus
from angarium.protocols import smpp_receipt
from angarium.protocols.smpp_numbers import ESM_INTERMEDIATE, ESM_RECEIPT, Tlv
from angarium.protocols.smpp_pdu import Frame, Message, decode
from angarium.protocols.smpp_receipt import (
    STATES,
    WORDS,
    Dialect,
    Report,
    Unread,
    fields,
    instant,
    is_receipt,
    normal_id,
    read_receipt,
    receipt_ref,
    response_ref,
)

PLAIN = Dialect()
ACCEPTED, SENT, DELIVERED, FAILED = (
    ReceiptStatus.ACCEPTED,
    ReceiptStatus.SENT,
    ReceiptStatus.DELIVERED,
    ReceiptStatus.FAILED,
)


def a_receipt(text: bytes = b"", *tlvs: tuple[int, bytes], esm_class: int = ESM_RECEIPT) -> Message:
    """A deliver_sm that carries a receipt."""
    return Message(source="989120000001", dest="Shop", esm_class=esm_class, short_message=text, tlvs=tlvs)


# Texts and parameters as tests of Jasmin, python-smpplib and operators' pages show them.
DIALECTS = [
    (
        "the standard's own",
        (
            b"id:1891273321 sub:001 dlvrd:001 submit date:1305050826 done date:1305050826 stat:DELIVRD "
            b"err:000 text:DLVRD TO MOBILE"
        ),
        (),
        ("1891273321", DELIVERED, None, "DELIVRD"),
    ),
    (
        "a capital Text and seconds in the dates",
        (
            b"id:a29f6845555647139e5c8f3b817f2c9a sub:001 dlvrd:001 submit date:141023215253 "
            b"done date:141023215259 stat:DELIVRD err:000 Text:HOLA"
        ),
        (),
        ("a29f6845555647139e5c8f3b817f2c9a", DELIVERED, None, "DELIVRD"),
    ),
    (
        "no sub, no dlvrd, no text, a UUID, a year of four digits",
        (
            b"id:c87c2273-7edb-4bc7-8d3a-7f57f21b625e submit date:201506201641 done date:201506201641 "
            b"stat:DELIVRD err:000"
        ),
        (),
        ("c87c2273-7edb-4bc7-8d3a-7f57f21b625e", DELIVERED, None, "DELIVRD"),
    ),
    (
        "numbers without their zeros",
        b"id:7 sub:1 dlvrd:0 submit date:1305050826 done date:1305050826 stat:UNDELIV err:0 text:",
        (),
        ("7", FAILED, Reason.UNDELIVERED, "UNDELIV"),
    ),
    (
        "only parameters",
        b"",
        ((0x1E, b"362d9701\0"), (0x427, b"\x02")),
        ("362d9701", DELIVERED, None, "DELIVRD"),
    ),
    (
        "a text of its own beside the parameters",
        b"362d9701 2",
        ((0x1E, b"362d9701"), (0x427, b"\x05")),
        ("362d9701", FAILED, Reason.UNDELIVERED, "UNDELIV"),
    ),
    (
        "the parameters win",
        b"id:5000 submit date:201506201641 done date:201506201641 stat:DELIVRD err:000",
        ((0x1E, b"6000\0"), (0x427, b"\x06")),
        ("6000", ACCEPTED, None, "ACCEPTD"),
    ),
    ("ended by NUL", b"id:9 stat:EXPIRED err:005\0", (), ("9", FAILED, Reason.EXPIRED, "EXPIRED/5")),
    (
        "bytes that are no UTF-8",
        b"id:9 sub:001 dlvrd:001 stat:DELIVRD err:000 text:\xcf\xf0\xe8\xe2\xe5\xf2\xff\xfe",
        (),
        ("9", DELIVERED, None, "DELIVRD"),
    ),
    ("UCS-2", "id:9 stat:REJECTD err:1".encode("utf-16-be"), (), ("9", FAILED, Reason.REJECTED, "REJECTD/1")),
    ("small letters", b"ID:AB Stat:delivrd Err:000", (), ("AB", DELIVERED, None, "DELIVRD")),
    (
        "underscores, commas",
        b"id:9, submit_date:1, done_date:2, stat:ENROUTE, err:0",
        (),
        ("9", SENT, None, "ENROUTE"),
    ),
    ("no id", b"stat:DELIVRD err:000 text:hello", (), ("", DELIVERED, None, "DELIVRD")),
    (
        "an error in letters",
        b"id:9 stat:UNDELIV err:0E1F",
        (),
        ("9", FAILED, Reason.UNDELIVERED, "UNDELIV/E1F"),
    ),
    (
        "the person's text plays receipt",
        b"id:9 stat:UNDELIV err:000 text:id:10 stat:DELIVRD",
        (),
        ("9", FAILED, Reason.UNDELIVERED, "UNDELIV"),
    ),
    ("on the blacklist", b"id:9 stat:BLIST err:000", (), ("9", FAILED, Reason.OPERATOR_BLACKLIST, "BLIST")),
]


@pytest.mark.parametrize(
    ("text", "tlvs", "expected"), [case[1:] for case in DIALECTS], ids=[c[0] for c in DIALECTS]
)
def test_a_dialect_is_understood(
    text: bytes,
    tlvs: tuple[tuple[int, bytes], ...],
    expected: tuple[str, ReceiptStatus, Reason | None, str],
) -> None:
    report = read_receipt(a_receipt(text, *tlvs), PLAIN)
    assert (report.message_id, report.status, report.reason, report.code) == expected


def test_a_captured_deliver_sm_with_its_text_in_message_payload() -> None:
    # tests/test_command.py of python-smpplib: the id of the text is the one of the parameter, in decimal
    data = (
        b"\x00\x00\x00\xcb\x00\x00\x00\x05\x00\x00\x00\x00\x00\x00\x00\x01\x00"
        b"\x01\x0131600000000\x00\x05\x00XXX YYYY\x00\x04\x00\x00\x00\x00\x00"
        b"\x00\x00\x00\x00\x00\x0e\x00\x01\x01\x00\x06\x00\x01\x01\x00\x1e\x00"
        b"\t1d305b4c\x00\x04'\x00\x01\x02\x04$\x00rid:0489708364 sub:001"
        b" dlvrd:001 submit date:1810151907 done date:1810151907 stat:DELIVRD"
        b" err:000 text:\x04\x1f\x04@\x048\x042\x045\x04B\x04&\x00\x01\x01"
    )
    message = decode(Frame(5, 0, 1, data))
    assert isinstance(message, Message)
    assert is_receipt(message, PLAIN)
    report = read_receipt(message, Dialect(zone=UTC))
    assert report.message_id == "1d305b4c"
    assert report.at == from_datetime(datetime(2018, 10, 15, 19, 7, tzinfo=UTC))
    assert receipt_ref("0489708364", "hex_to_dec") == response_ref("1d305b4c", "hex_to_dec")


@pytest.mark.parametrize("word", sorted(WORDS))
def test_every_word_of_the_table_is_read(word: str) -> None:
    report = read_receipt(a_receipt(f"id:1 stat:{word} err:000".encode()), PLAIN)
    assert (report.status, report.reason) == WORDS[word]
    assert (report.status is FAILED) == (report.reason is not None)


@pytest.mark.parametrize("state", sorted(STATES))
def test_every_message_state_is_the_word_it_stands_for(state: int) -> None:
    report = read_receipt(a_receipt(b"", (Tlv.MESSAGE_STATE, bytes((state,)))), PLAIN)
    assert (report.status, report.reason) == WORDS[STATES[state]]


UNREAD = [
    ("a word of no table", b"id:1 stat:GONE err:000", (), "no meaning is known for stat:GONE"),
    (
        "a state of no table",
        b"id:1 stat:DELIVRD",
        ((0x427, b"\x2a"),),
        "no meaning is known for message_state 42",
    ),
    ("no state", b"id:1 err:000", (), "says no state"),
    ("an empty state", b"id:1 stat: err:000", (), "says no state"),
    ("another format", b"00,0210021543,0210021500,,447887123456,10110200000000,we234", (), "says no state"),
    ("nothing", b"", (), "says no state"),
    ("a state only in the person's text", b"id:1 text:stat:DELIVRD", (), "says no state"),
]


@pytest.mark.parametrize(("text", "tlvs", "why"), [case[1:] for case in UNREAD], ids=[c[0] for c in UNREAD])
def test_what_is_not_understood_is_said_loudly(
    text: bytes, tlvs: tuple[tuple[int, bytes], ...], why: str
) -> None:
    with pytest.raises(Unread, match=why):
        read_receipt(a_receipt(text, *tlvs), PLAIN)


def test_a_line_brings_words_and_errors_of_its_own() -> None:
    dialect = Dialect(
        words={"GONE": (FAILED, Reason.BAD_ADDRESS), "UNKNOWN": (FAILED, Reason.UNDELIVERED)},
        errors={"27": Reason.UNREACHABLE},
    )
    gone = read_receipt(a_receipt(b"id:1 stat:GONE err:000"), dialect)
    assert gone == Report("1", FAILED, Reason.BAD_ADDRESS, "GONE", None)
    assert read_receipt(a_receipt(b"id:1 stat:UNKNOWN"), dialect).status is FAILED
    absent = read_receipt(a_receipt(b"id:1 stat:EXPIRED err:027"), dialect)
    assert absent.reason is Reason.UNREACHABLE
    delivered = read_receipt(a_receipt(b"id:1 stat:DELIVRD err:027"), dialect)
    assert delivered.reason is None


@pytest.mark.parametrize(
    ("network_error", "reason"),
    [
        (b"\x03\x00\x01", Reason.BAD_ADDRESS),
        (b"\x03\x00\x06", Reason.UNREACHABLE),
        (b"\x03\x00\x20", Reason.UNREACHABLE),
        (b"\x03\x00\x22", Reason.TEMPORARY),
        (b"\x03\x03\xe7", Reason.UNDELIVERED),  # no MAP error that we know
        (b"\x01\x00\x01", Reason.UNDELIVERED),  # ANSI-136, which counts differently
        (b"", Reason.UNDELIVERED),
    ],
)
def test_the_networks_error_says_why_more_exactly(network_error: bytes, reason: Reason) -> None:
    message = a_receipt(b"id:1 stat:UNDELIV err:000", (Tlv.NETWORK_ERROR_CODE, network_error))
    assert read_receipt(message, PLAIN).reason is reason
    expired = a_receipt(b"id:1 stat:EXPIRED err:000", (Tlv.NETWORK_ERROR_CODE, network_error))
    assert read_receipt(expired, PLAIN).reason is Reason.EXPIRED


@pytest.mark.parametrize(
    ("word", "status"),
    [(b"UNDELIV", ACCEPTED), (b"DELIVRD", DELIVERED), (b"ENROUTE", SENT), (b"EXPIRED", ACCEPTED)],
)
def test_an_intermediate_notification_never_fails_a_message(word: bytes, status: ReceiptStatus) -> None:
    report = read_receipt(a_receipt(b"id:1 stat:" + word, esm_class=ESM_INTERMEDIATE), PLAIN)
    assert (report.status, report.reason) == (status, None)


RECEIPT_TEXT = b"id:1 stat:DELIVRD err:000"


@pytest.mark.parametrize(
    ("message", "dialect", "expected"),
    [
        (a_receipt(RECEIPT_TEXT), PLAIN, True),
        (a_receipt(RECEIPT_TEXT, esm_class=ESM_RECEIPT | 0x40), PLAIN, True),
        (a_receipt(RECEIPT_TEXT, esm_class=ESM_INTERMEDIATE), PLAIN, True),
        (a_receipt(b"", (Tlv.RECEIPTED_MESSAGE_ID, b"1\0"), esm_class=0), PLAIN, True),
        (a_receipt(RECEIPT_TEXT, esm_class=0), PLAIN, False),  # anybody may write this to us
        (a_receipt(RECEIPT_TEXT, esm_class=0), Dialect(unmarked=True), True),
        (a_receipt(b"hello", esm_class=0), Dialect(unmarked=True), False),
        (a_receipt(RECEIPT_TEXT, esm_class=0x08), PLAIN, False),  # an acknowledgement by the other entity
    ],
)
def test_a_receipt_is_known_by_what_a_phone_cannot_send(
    message: Message, dialect: Dialect, expected: bool
) -> None:
    assert is_receipt(message, dialect) is expected


IDS = [
    # id_base, in the response, in the receipt
    ("same", "1891273321", "1891273321"),
    ("same", "0000123", "123"),
    ("same", "7FA3", "7fa3"),
    ("same", " 42 ", "42"),
    ("same", "4A38DC46-5125-4969-90BE-72104C340D5C", "4a38dc46-5125-4969-90be-72104c340d5c"),
    ("same", "0", "000"),
    ("hex_to_dec", "1D305B4C", "0489708364"),
    ("hex_to_dec", "0a", "10"),
    ("hex_to_dec", "10", "16"),
    ("dec_to_hex", "489708364", "1d305b4c"),
    ("dec_to_hex", "16", "0010"),
    ("hex_to_dec", "id-7", "ID-7"),  # no number of any base
]


@pytest.mark.parametrize(("id_base", "in_response", "in_receipt"), IDS)
def test_an_id_is_the_same_however_it_is_written(id_base: str, in_response: str, in_receipt: str) -> None:
    assert response_ref(in_response, id_base) == receipt_ref(in_receipt, id_base)


def test_different_ids_stay_different() -> None:
    assert response_ref("10", "hex_to_dec") != receipt_ref("10", "hex_to_dec")
    assert normal_id("100") != normal_id("1")
    assert normal_id("") == normal_id("  ") == ""
    assert normal_id("00") == "0"


@given(st.integers(0, 2**64), st.integers(0, 6), st.booleans())
def test_a_number_finds_its_receipt_in_either_base(number: int, zeros: int, upper: bool) -> None:
    hexadecimal = "0" * zeros + (f"{number:X}" if upper else f"{number:x}")
    decimal = "0" * (6 - zeros) + str(number)
    assert response_ref(hexadecimal, "hex_to_dec") == receipt_ref(decimal, "hex_to_dec")
    assert response_ref(decimal, "dec_to_hex") == receipt_ref(hexadecimal, "dec_to_hex")


TEHRAN = ZoneInfo("Asia/Tehran")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2611231425", datetime(2026, 11, 23, 14, 25, tzinfo=TEHRAN)),
        ("261123142559", datetime(2026, 11, 23, 14, 25, 59, tzinfo=TEHRAN)),
        ("202611231425", datetime(2026, 11, 23, 14, 25, tzinfo=TEHRAN)),
        ("20261123142559", datetime(2026, 11, 23, 14, 25, 59, tzinfo=TEHRAN)),
    ],
)
def test_a_date_is_read_in_the_operators_zone(text: str, expected: datetime) -> None:
    assert expected.utcoffset() == timedelta(hours=3, minutes=30)
    assert instant(text, TEHRAN) == from_datetime(expected)
    assert instant(text, None) is None


@pytest.mark.parametrize(
    "text", ["", "0000000000", "261399999999", "26112314", "2026-11-23", "٢٦١١٢٣١٤٢٥", "9" * 14]
)
def test_what_is_no_date_is_no_date(text: str) -> None:
    assert instant(text, UTC) is None


@given(
    st.binary(max_size=254),
    st.lists(st.tuples(st.sampled_from([0x1E, 0x427, 0x423, 0x424]), st.binary(max_size=9))),
)
def test_whatever_comes_is_read_or_unread(text: bytes, tlvs: list[tuple[int, bytes]]) -> None:
    message = a_receipt(text, *tlvs)
    try:
        report = read_receipt(message, Dialect(zone=UTC, unmarked=True))
    except Unread:
        return
    assert isinstance(report.status, ReceiptStatus)


def test_the_fields_of_a_text_are_found_once() -> None:
    assert fields("id:1 id:2 submit date:3 done date:4 stat:5 err:6 text:id:7 sub:8") == {
        "id": "1",
        "donedate": "4",
        "stat": "5",
        "err": "6",
    }


_WORDS = st.text(alphabet=st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=12)
_VALUES = st.text(alphabet=st.characters(blacklist_categories=("Cs",)), min_size=1, max_size=12)


@given(
    st.one_of(st.lists(_WORDS, min_size=7, max_size=7), st.lists(_VALUES, min_size=7, max_size=7)),
    st.sampled_from(["", " text:a:b id:9", " Text:", " TEXT:x"]),
)
def test_the_usual_form_is_read_as_any_other(values: list[str], rest: str) -> None:
    """Read in one go or field by field: the same."""
    heads = ("id", "sub", "dlvrd", "submit date", "done date", "stat", "err")
    text = " ".join(f"{head}:{value}" for head, value in zip(heads, values, strict=True)) + rest
    assert fields(text) == smpp_receipt._sought(text)

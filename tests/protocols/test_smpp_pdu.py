"""The SMPP codec: round trips, streams in any pieces, and everything that is not SMPP."""

from __future__ import annotations

import struct
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from angarium.protocols import smpp_pdu as pdu
from angarium.protocols.smpp_numbers import (
    DESCRIPTIONS,
    UNANSWERED,
    Command,
    Status,
    Tlv,
    command_name,
    status_description,
    status_name,
    tlv_name,
)
from angarium.protocols.smpp_pdu import Frame, Message, PduError, Splitter, decode, encode, pack

# SMPP 3.4 §3.2.2 prints this bind_transmitter to the octet.
BIND_OF_THE_STANDARD = bytes.fromhex(
    "0000002f000000020000000000000001534d50503354455354007365637265743038005355424d4954310000010100"
)

OCTETS = st.integers(0, 255)
TLVS = st.lists(st.tuples(st.integers(0, 0xFFFF), st.binary(max_size=300)), max_size=4).map(tuple)


def texts(size: int) -> st.SearchStrategy[str]:
    """C-octet strings: any octet but NUL, and room for the NUL."""
    return st.text(st.characters(min_codepoint=1, max_codepoint=255), max_size=size - 1)


MESSAGES = st.builds(
    Message,
    service_type=texts(6),
    source_ton=OCTETS,
    source_npi=OCTETS,
    source=texts(21),
    dest_ton=OCTETS,
    dest_npi=OCTETS,
    dest=texts(21),
    esm_class=OCTETS,
    protocol_id=OCTETS,
    priority=OCTETS,
    schedule=texts(17),
    validity=texts(17),
    registered_delivery=OCTETS,
    replace_if_present=OCTETS,
    data_coding=OCTETS,
    default_message_id=OCTETS,
    short_message=st.binary(max_size=254),
    tlvs=TLVS,
)
DATA_MESSAGES = st.builds(
    Message,
    service_type=texts(6),
    source_ton=OCTETS,
    source_npi=OCTETS,
    source=texts(65),
    dest_ton=OCTETS,
    dest_npi=OCTETS,
    dest=texts(65),
    esm_class=OCTETS,
    registered_delivery=OCTETS,
    data_coding=OCTETS,
    tlvs=TLVS,
)
BODIES: dict[Command, st.SearchStrategy[pdu.Body]] = {
    **dict.fromkeys(
        (Command.BIND_RECEIVER, Command.BIND_TRANSMITTER, Command.BIND_TRANSCEIVER),
        st.builds(
            pdu.Bind,
            system_id=texts(65),
            password=texts(65),
            system_type=texts(13),
            interface_version=OCTETS,
            addr_ton=OCTETS,
            addr_npi=OCTETS,
            address_range=texts(41),
        ),
    ),
    **dict.fromkeys(
        (Command.BIND_RECEIVER_RESP, Command.BIND_TRANSMITTER_RESP, Command.BIND_TRANSCEIVER_RESP),
        st.builds(pdu.BindResp, system_id=texts(65), tlvs=TLVS),
    ),
    **dict.fromkeys((Command.SUBMIT_SM, Command.DELIVER_SM), MESSAGES),
    **dict.fromkeys(
        (Command.SUBMIT_SM_RESP, Command.DELIVER_SM_RESP, Command.DATA_SM_RESP),
        st.builds(pdu.MessageResp, message_id=texts(65), tlvs=TLVS),
    ),
    Command.DATA_SM: DATA_MESSAGES,
    Command.QUERY_SM: st.builds(
        pdu.Query, message_id=texts(65), source_ton=OCTETS, source_npi=OCTETS, source=texts(21)
    ),
    Command.QUERY_SM_RESP: st.builds(
        pdu.QueryResp, message_id=texts(65), final_date=texts(17), message_state=OCTETS, error_code=OCTETS
    ),
    Command.CANCEL_SM: st.builds(
        pdu.Cancel,
        service_type=texts(6),
        message_id=texts(65),
        source_ton=OCTETS,
        source_npi=OCTETS,
        source=texts(21),
        dest_ton=OCTETS,
        dest_npi=OCTETS,
        dest=texts(21),
    ),
    **dict.fromkeys(sorted(pdu.BARE), st.none()),
}
REQUESTS_ONLY_NAMED = {Command.REPLACE_SM, Command.SUBMIT_MULTI} | UNANSWERED
PDUS = st.sampled_from(sorted(BODIES)).flatmap(
    lambda command: st.tuples(st.just(command), st.integers(0, 0xFFFFFFFF), BODIES[command])
)


def one(data: bytes) -> Frame:
    """The only frame in these bytes."""
    splitter = Splitter()
    [frame] = splitter.feed(data)
    assert splitter.pending == 0
    return frame


def refusal(frame: Frame) -> Status | None:
    """The status a frame is refused with, or None when it decodes; any other exception is a fault."""
    try:
        decode(frame)
    except PduError as error:
        return error.status
    return None


def framed(command: int, body: bytes, status: int = 0) -> Frame:
    """A frame of a body that need not be well."""
    return one(pack(command, 7, body, status))


def test_every_command_is_understood_or_named_as_not() -> None:
    named = {*REQUESTS_ONLY_NAMED, Command.REPLACE_SM_RESP, Command.SUBMIT_MULTI_RESP}
    assert set(BODIES) | named == set(Command)


@given(PDUS)
def test_what_is_encoded_decodes_to_the_same(made: tuple[Command, int, pdu.Body]) -> None:
    command, sequence, body = made
    frame = one(pack(command, sequence, encode(command, body)))
    assert (frame.command, frame.status, frame.sequence) == (command, 0, sequence)
    assert decode(frame) == body


def test_the_bind_that_the_standard_prints() -> None:
    body = pdu.Bind("SMPP3TEST", "secret08", "SUBMIT1", 0x00, 1, 1, "")
    assert pack(Command.BIND_TRANSMITTER, 1, encode(Command.BIND_TRANSMITTER, body)) == BIND_OF_THE_STANDARD
    assert decode(one(BIND_OF_THE_STANDARD)) == body


def test_a_submit_sm_lies_as_the_standard_says() -> None:
    message = Message(
        service_type="CMT",
        source_ton=5,
        source="Shop",
        dest_ton=1,
        dest_npi=1,
        dest="989120000001",
        esm_class=0x40,
        protocol_id=2,
        priority=3,
        schedule="260101120000000+",
        validity="000000001000000R",
        registered_delivery=1,
        replace_if_present=4,
        data_coding=8,
        default_message_id=9,
        short_message=b"\x00\xff",
        tlvs=((Tlv.USER_MESSAGE_REFERENCE, b"\x01\x02"), (0x1400, b"x")),
    )
    assert encode(Command.SUBMIT_SM, message) == (
        b"CMT\0\x05\x00Shop\0\x01\x01989120000001\0\x40\x02\x03260101120000000+\0"
        b"000000001000000R\0"
        b"\x01\x04\x08\x09\x02\x00\xff\x02\x04\x00\x02\x01\x02\x14\x00\x00\x01x"
    )


@given(st.lists(PDUS, max_size=5), st.lists(st.integers(1, 40), min_size=1))
@example([(Command.ENQUIRE_LINK, 1, None), (Command.UNBIND, 2, None)], [1])
def test_a_stream_may_come_in_any_pieces(made: list[tuple[Command, int, pdu.Body]], sizes: list[int]) -> None:
    whole = [pack(command, sequence, encode(command, body)) for command, sequence, body in made]
    stream = b"".join(whole)
    splitter = Splitter()
    found: list[bytes] = []
    at = turn = 0
    while at < len(stream):
        size = sizes[turn % len(sizes)]
        found += [frame.data for frame in splitter.feed(stream[at : at + size])]
        at, turn = at + size, turn + 1
    assert found == whole
    assert splitter.pending == 0


def test_a_large_frame_one_octet_at_a_time_is_no_work_for_ever() -> None:
    body = bytes(pdu.FRAME_MAX - pdu.HEADER_SIZE)
    stream = pack(Command.DATA_SM, 1, body)
    splitter = Splitter()
    frames = [frame for octet in stream for frame in splitter.feed(bytes((octet,)))]
    assert [len(frame.data) for frame in frames] == [pdu.FRAME_MAX]


@pytest.mark.parametrize("length", [0, 15, pdu.FRAME_MAX + 1, 0x80000000, 0xFFFFFFFF])
def test_a_length_no_frame_has_ends_the_stream_after_the_good_frames(length: int) -> None:
    good = pack(Command.ENQUIRE_LINK, 1)
    frames = Splitter().feed(good + struct.pack(">IIII", length, 4, 0, 2) + bytes(100))
    assert next(frames).data == good
    with pytest.raises(PduError, match=f"RINVCMDLEN: a PDU of {length} octets"):
        next(frames)


def test_html_is_not_smpp() -> None:
    with pytest.raises(PduError, match="RINVCMDLEN"):
        list(Splitter().feed(b"HTTP/1.1 400 Bad Request\r\n\r\n"))


WELL = encode(Command.SUBMIT_SM, Message(dest="1", short_message=b"text"))
MALFORMED = [
    ("no body", Command.SUBMIT_SM, b"", Status.RINVSERTYP),
    ("service_type too long", Command.SUBMIT_SM, b"123456\0", Status.RINVSERTYP),
    ("source without its end", Command.SUBMIT_SM, b"\0\x01\x01" + b"9" * 30, Status.RINVSRCADR),
    ("source too long", Command.SUBMIT_SM, b"\0\x01\x01" + b"9" * 21 + b"\0", Status.RINVSRCADR),
    ("dest too long", Command.SUBMIT_SM, b"\0\0\0\0\x01\x01" + b"9" * 21 + b"\0", Status.RINVDSTADR),
    ("schedule too long", Command.SUBMIT_SM, b"\0\0\0\0\0\0\0\0\0\0" + b"9" * 17 + b"\0", Status.RINVSCHED),
    (
        "validity too long",
        Command.SUBMIT_SM,
        b"\0\0\0\0\0\0\0\0\0\0\0" + b"9" * 17 + b"\0",
        Status.RINVEXPIRY,
    ),
    ("text cut short", Command.SUBMIT_SM, WELL[:-1], Status.RINVMSGLEN),
    ("fields cut short", Command.DELIVER_SM, WELL[:-7], Status.RINVCMDLEN),
    ("half a parameter", Command.SUBMIT_SM, WELL + b"\x04\x24\x00", Status.RINVOPTPARSTREAM),
    ("parameter too long", Command.SUBMIT_SM, WELL + b"\x04\x24\x00\x05abcd", Status.RINVOPTPARSTREAM),
    ("bind without password", Command.BIND_TRANSCEIVER, b"me\0", Status.RINVPASWD),
    ("bind of nothing but a name", Command.BIND_RECEIVER, b"me", Status.RINVSYSID),
    ("bind cut short", Command.BIND_RECEIVER, b"me\0you\0\0\x34", Status.RINVCMDLEN),
    ("query without id", Command.QUERY_SM, b"", Status.RINVMSGID),
    ("cancel cut short", Command.CANCEL_SM, b"\0id\0\0", Status.RINVCMDLEN),
    ("data_sm cut short", Command.DATA_SM, b"\0\0\0\0\0\0\0\0", Status.RINVCMDLEN),
    ("replace_sm", Command.REPLACE_SM, b"", Status.RINVCMDID),
    ("submit_multi", Command.SUBMIT_MULTI, b"", Status.RINVCMDID),
    ("no command at all", 0x7777, b"", Status.RINVCMDID),
]


@pytest.mark.parametrize(
    ("command", "body", "status"), [case[1:] for case in MALFORMED], ids=[c[0] for c in MALFORMED]
)
def test_a_malformed_request_names_the_status_to_answer(command: int, body: bytes, status: Status) -> None:
    with pytest.raises(PduError) as caught:
        decode(framed(command, body))
    assert caught.value.status is status


@given(
    st.one_of(st.sampled_from(sorted(BODIES)), st.integers(0, 0xFFFFFFFF)), st.binary(max_size=200), OCTETS
)
def test_whatever_comes_is_decoded_or_refused_with_a_status(command: int, body: bytes, status: int) -> None:
    assert refusal(framed(command, body, status)) is not Status.ROK


@given(MESSAGES, st.data())
def test_a_damaged_message_is_decoded_or_refused_with_a_status(message: Message, data: st.DataObject) -> None:
    body = bytearray(encode(Command.DELIVER_SM, message))
    for _ in range(data.draw(st.integers(1, 5))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(OCTETS)
    assert refusal(framed(Command.DELIVER_SM, bytes(body))) is not Status.ROK


def field_by_field(data: bytes) -> Message | Status:
    """A message as the standard lays it out, or the status of the first field that is wrong."""
    values: list[Any] = []
    at = pdu.HEADER_SIZE
    try:
        for field, octets in pdu._MESSAGE_FIELDS:
            text, at = pdu._text(data, at, field)
            values += [text, *data[at : at + octets]]
            at += octets
        end = at + data[at - 1]
        if end > len(data):
            return Status.RINVMSGLEN
        values[-1:] = [data[at:end], pdu._decode_tlvs(data, end)]
        return Message(*values)
    except PduError as error:
        return error.status
    except IndexError:
        return Status.RINVCMDLEN


@given(MESSAGES, st.lists(st.tuples(st.integers(0, 120), OCTETS), max_size=4), st.integers(0, 400))
def test_a_message_is_read_at_once_as_field_by_field(
    message: Message, spoilt: list[tuple[int, int]], size: int
) -> None:
    data = bytearray(encode(Command.DELIVER_SM, message)[:size])
    for place, octet in spoilt:
        data[place : place + 1] = bytes((octet,))
    whole = bytes(pdu.HEADER_SIZE) + bytes(data)
    read: Message | Status
    try:
        read = decode(Frame(Command.DELIVER_SM, 0, 1, whole))  # type: ignore[assignment]
    except PduError as error:
        read = error.status
    assert read == field_by_field(whole)


@given(st.binary(max_size=300))
def test_whatever_stream_comes_ends_in_frames_or_in_one_error(data: bytes) -> None:
    splitter = Splitter()
    taken = 0
    with suppress(PduError):
        for frame in splitter.feed(data):
            taken += len(frame.data)
        assert taken + splitter.pending == len(data)
    assert taken <= len(data)


LENIENT = [
    ("ended", b"id-1\0", "id-1"),
    ("not ended", b"id-1", "id-1"),
    ("no id", b"\0", ""),
    ("no body", b"", ""),
    ("rubbish behind", b"id-1\0\x04", "id-1"),
    ("a parameter behind", b"id-1\0\x00\x1d\x00\x03ok\0", "id-1"),
]


@pytest.mark.parametrize(("body", "message_id"), [case[1:] for case in LENIENT], ids=[c[0] for c in LENIENT])
def test_the_answer_to_a_message_that_went_out_is_read_however_it_looks(body: bytes, message_id: str) -> None:
    frame = framed(Command.SUBMIT_SM_RESP, body)
    assert pdu.decode_message_id(frame) == message_id
    decoded = decode(frame)
    assert isinstance(decoded, pdu.MessageResp)
    assert decoded.message_id == message_id


def test_an_id_longer_than_any_id_is_refused() -> None:
    with pytest.raises(PduError, match="a message_id of 65 octets"):
        pdu.decode_message_id(framed(Command.SUBMIT_SM_RESP, b"x" * 65 + b"\0"))


@pytest.mark.parametrize("command", [Command.BIND_TRANSCEIVER_RESP, Command.QUERY_SM_RESP])
def test_an_answer_that_carries_an_error_needs_no_body(command: Command) -> None:
    assert decode(framed(command, b"", Status.RSYSERR)) is None


NOT_SENT = [
    ("sender of 21", Message(source="9" * 21), Status.RINVSRCADR),
    ("recipient of 21", Message(dest="9" * 21), Status.RINVDSTADR),
    ("NUL in the sender", Message(source="a\0b"), Status.RINVSRCADR),
    ("service type of 6", Message(service_type="123456"), Status.RINVSERTYP),
    ("schedule of 17", Message(schedule="1" * 17), Status.RINVSCHED),
    ("validity of 17", Message(validity="1" * 17), Status.RINVEXPIRY),
    ("text of 255 octets", Message(short_message=bytes(255)), Status.RINVMSGLEN),
    ("a sender that is no Latin-1", Message(source="فروشگاه"), Status.RINVPARLEN),
]


@pytest.mark.parametrize(("message", "status"), [case[1:] for case in NOT_SENT], ids=[c[0] for c in NOT_SENT])
def test_what_does_not_fit_is_refused_and_never_cut_off(message: Message, status: Status) -> None:
    with pytest.raises(PduError) as caught:
        encode(Command.SUBMIT_SM, message)
    assert caught.value.status is status


def test_credentials_beyond_the_standard_are_carried() -> None:
    body = pdu.Bind("s" * 30, "p" * 30)  # the standard says 15 and 8
    assert decode(framed(Command.BIND_RECEIVER, encode(Command.BIND_RECEIVER, body))) == body


def test_optional_parameters_are_found_by_tag() -> None:
    tlvs = ((Tlv.MESSAGE_STATE, b"\x02"), (0x1400, b"110123"), (0x1400, b"second"))
    assert pdu.tlv(tlvs, 0x1400) == b"110123"
    assert pdu.tlv_number(tlvs, Tlv.MESSAGE_STATE) == 2
    assert pdu.tlv(tlvs, Tlv.MESSAGE_PAYLOAD) is None
    assert pdu.tlv_number(tlvs, Tlv.MESSAGE_PAYLOAD) is None
    assert pdu.tlv_number(((1, b""), (2, bytes(5))), 1) is None
    assert pdu.tlv_number(((1, b""), (2, bytes(5))), 2) is None  # no number is as long


def test_numbers_have_names() -> None:
    assert set(DESCRIPTIONS) == set(Status)
    assert status_name(0x58) == "RTHROTTLED"
    assert status_name(0x40B) == "0x0000040b"
    assert status_description(0x58) == "too many messages a second"
    assert status_description(0x40B) == "an error of this vendor's own"
    assert status_description(0x12345) == "a status no standard knows"
    assert command_name(0x80000004) == "submit_sm_resp"
    assert command_name(0x99) == "command 0x00000099"
    assert tlv_name(0x0424) == "message_payload"
    assert tlv_name(0x1401) == "0x1401"

"""SMPP 3.4 on the wire: bytes to frames to fields, and back.

Rules:
- A `Frame` is a whole PDU: its header as numbers, its bytes as they came. Fields are decoded when asked for.
- C-octet strings are read as Latin-1, so that whatever an operator sends survives to the byte.
- Lengths from outside are never trusted. A length below 16 or above 64 KiB ends the stream: after it nothing
  can be found again.
- Requests are read strictly, and PduError carries the status to answer. Responses are read leniently, since
  the message behind one has gone out whatever its answer looks like.
- Optional parameters are kept in order as (tag, value), known or not.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from typing import Any, NamedTuple, NoReturn

import msgspec

from angarium.protocols.smpp_numbers import RESPONSE, Command, Status, command_name, tlv_name

HEADER = struct.Struct(">IIII")  # command_length, command_id, command_status, sequence_number (§3.2)
HEADER_SIZE = HEADER.size
FRAME_MAX = 65_536  # far above what operators send; the longest message_payload is never used
TLV = struct.Struct(">HH")
SEQUENCE_MAX = 0x7FFFFFFF

Tlvs = tuple[tuple[int, bytes], ...]


class PduError(Exception):
    """What came is not SMPP as the standard has it; `status` is what to answer."""

    def __init__(self, status: Status, detail: str) -> None:
        super().__init__(f"{status.name}: {detail}")
        self.status = status
        self.detail = detail


class Frame(msgspec.Struct, frozen=True, gc=False):
    """One PDU; `data` is all of it, header included."""

    command: int
    status: int
    sequence: int
    data: bytes


class Bind(msgspec.Struct, frozen=True, gc=False):
    """bind_transmitter, bind_receiver, bind_transceiver (§4.1.1)."""

    system_id: str
    password: str
    system_type: str = ""
    interface_version: int = 0x34
    addr_ton: int = 0
    addr_npi: int = 0
    address_range: str = ""


class BindResp(msgspec.Struct, frozen=True, gc=False):
    """The answer to a bind (§4.1.2); `tlvs` may hold sc_interface_version."""

    system_id: str = ""
    tlvs: Tlvs = ()


class Message(msgspec.Struct, frozen=True, gc=False):
    """submit_sm and deliver_sm (§4.4.1, §4.6.1); of data_sm (§4.7.1) the fields it has."""

    service_type: str = ""
    source_ton: int = 0
    source_npi: int = 0
    source: str = ""
    dest_ton: int = 0
    dest_npi: int = 0
    dest: str = ""
    esm_class: int = 0
    protocol_id: int = 0
    priority: int = 0
    schedule: str = ""
    validity: str = ""
    registered_delivery: int = 0
    replace_if_present: int = 0
    data_coding: int = 0
    default_message_id: int = 0
    short_message: bytes = b""
    tlvs: Tlvs = ()


class MessageResp(msgspec.Struct, frozen=True, gc=False):
    """submit_sm_resp, deliver_sm_resp, data_sm_resp (§4.4.2, §4.6.2, §4.7.2)."""

    message_id: str = ""
    tlvs: Tlvs = ()


class Query(msgspec.Struct, frozen=True, gc=False):
    """query_sm (§4.8.1)."""

    message_id: str
    source_ton: int = 0
    source_npi: int = 0
    source: str = ""


class QueryResp(msgspec.Struct, frozen=True, gc=False):
    """query_sm_resp (§4.8.2)."""

    message_id: str = ""
    final_date: str = ""
    message_state: int = 0
    error_code: int = 0


class Cancel(msgspec.Struct, frozen=True, gc=False):
    """cancel_sm (§4.9.1)."""

    service_type: str = ""
    message_id: str = ""
    source_ton: int = 0
    source_npi: int = 0
    source: str = ""
    dest_ton: int = 0
    dest_npi: int = 0
    dest: str = ""


Body = Bind | BindResp | Message | MessageResp | Query | QueryResp | Cancel | None

# ── frames ───────────────────────────────────────────────────────────────────────────────────────────


def pack(command: int, sequence: int, body: bytes = b"", status: int = 0) -> bytes:
    """A whole PDU from its encoded body."""
    return HEADER.pack(HEADER_SIZE + len(body), command, status, sequence) + body


class Splitter:
    """Cuts a stream of bytes into frames; holds at most one frame that is not whole yet."""

    def __init__(self) -> None:
        self._rest = bytearray()
        self._wanted = HEADER_SIZE

    @property
    def pending(self) -> int:
        """How many octets of an unfinished frame are held."""
        return len(self._rest)

    def feed(self, data: bytes) -> Iterator[Frame]:
        """The frames that `data` completes; to be iterated to its end.

        Raises PduError(RINVCMDLEN) at a length no frame can have, after the good frames before it. Then the
        stream is lost: close the connection.
        """
        if self._rest:
            self._rest += data
            if len(self._rest) < self._wanted:
                return
            data = bytes(self._rest)
            self._rest.clear()
        self._wanted = HEADER_SIZE
        offset, end = 0, len(data)
        while end - offset >= HEADER_SIZE:
            length, command, status, sequence = HEADER.unpack_from(data, offset)
            if not HEADER_SIZE <= length <= FRAME_MAX:
                raise PduError(
                    Status.RINVCMDLEN, f"a PDU of {length} octets, not {HEADER_SIZE} to {FRAME_MAX}"
                )
            if offset + length > end:
                self._wanted = length
                break
            yield Frame(command, status, sequence, data[offset : offset + length])
            offset += length
        self._rest += data[offset:]


# ── layouts ──────────────────────────────────────────────────────────────────────────────────────────

OCTET = 0


class Field(NamedTuple):
    """An octet, or a C-octet string of up to `size` octets with the NUL that ends it."""

    name: str
    size: int = OCTET
    status: Status = Status.RINVPARLEN  # what to answer when it is wrong


class Layout(NamedTuple):
    """The fields of a body in their order."""

    body: type[Any]
    fields: tuple[Field, ...]
    has_tlvs: bool = False


SERVICE_TYPE = Field("service_type", 6, Status.RINVSERTYP)
SOURCE = Field("source", 21, Status.RINVSRCADR)
DEST = Field("dest", 21, Status.RINVDSTADR)
SCHEDULE = Field("schedule", 17, Status.RINVSCHED)
VALIDITY = Field("validity", 17, Status.RINVEXPIRY)
MESSAGE_ID = Field("message_id", 65, Status.RINVMSGID)
# The standard says 16 and 9, but operators hand out longer ones (Jasmin takes 30), and one cut off is wrong.
SYSTEM_ID = Field("system_id", 65, Status.RINVSYSID)
PASSWORD = Field("password", 65, Status.RINVPASWD)
SHORT_MESSAGE_MAX = 254

_SOURCE_FIELDS = (Field("source_ton"), Field("source_npi"), SOURCE)
_DEST_FIELDS = (Field("dest_ton"), Field("dest_npi"), DEST)
_BIND = Layout(
    Bind,
    (
        SYSTEM_ID,
        PASSWORD,
        Field("system_type", 13, Status.RINVSYSTYP),
        Field("interface_version"),
        Field("addr_ton"),
        Field("addr_npi"),
        Field("address_range", 41, Status.RBINDFAIL),
    ),
)
_BIND_RESP = Layout(BindResp, (SYSTEM_ID,), has_tlvs=True)
_MESSAGE_RESP = Layout(MessageResp, (MESSAGE_ID,), has_tlvs=True)
_DATA = Layout(
    Message,
    (
        SERVICE_TYPE,
        Field("source_ton"),
        Field("source_npi"),
        Field("source", 65, Status.RINVSRCADR),
        Field("dest_ton"),
        Field("dest_npi"),
        Field("dest", 65, Status.RINVDSTADR),
        Field("esm_class"),
        Field("registered_delivery"),
        Field("data_coding"),
    ),
    has_tlvs=True,
)
_QUERY_RESP = Layout(
    QueryResp,
    (
        MESSAGE_ID,
        Field("final_date", 17, Status.RQUERYFAIL),
        Field("message_state"),
        Field("error_code"),
    ),
)
_MESSAGES = frozenset({Command.SUBMIT_SM, Command.DELIVER_SM})
_MESSAGE_FIELDS = (SERVICE_TYPE, 2), (SOURCE, 2), (DEST, 3), (SCHEDULE, 0), (VALIDITY, 5)  # octets after each
# The same, read in one go; the last octet is the size of the text, which follows.
_MESSAGE = re.compile(
    rb"(?s)([^\0]{0,5})\0(..)([^\0]{0,20})\0(..)([^\0]{0,20})\0(...)([^\0]{0,16})\0([^\0]{0,16})\0(.....)"
)
LAYOUTS: dict[int, Layout] = {
    Command.BIND_RECEIVER: _BIND,
    Command.BIND_TRANSMITTER: _BIND,
    Command.BIND_TRANSCEIVER: _BIND,
    Command.BIND_RECEIVER_RESP: _BIND_RESP,
    Command.BIND_TRANSMITTER_RESP: _BIND_RESP,
    Command.BIND_TRANSCEIVER_RESP: _BIND_RESP,
    Command.SUBMIT_SM_RESP: _MESSAGE_RESP,
    Command.DELIVER_SM_RESP: _MESSAGE_RESP,
    Command.DATA_SM: _DATA,
    Command.DATA_SM_RESP: _MESSAGE_RESP,
    Command.QUERY_SM: Layout(Query, (MESSAGE_ID, *_SOURCE_FIELDS)),
    Command.QUERY_SM_RESP: _QUERY_RESP,
    Command.CANCEL_SM: Layout(Cancel, (SERVICE_TYPE, MESSAGE_ID, *_SOURCE_FIELDS, *_DEST_FIELDS)),
}
BARE = frozenset(  # commands that are a header and nothing else
    {
        Command.CANCEL_SM_RESP,
        Command.ENQUIRE_LINK,
        Command.ENQUIRE_LINK_RESP,
        Command.GENERIC_NACK,
        Command.UNBIND,
        Command.UNBIND_RESP,
    }
)

# ── bodies ───────────────────────────────────────────────────────────────────────────────────────────


def encode(command: int, body: Body) -> bytes:
    """The octets after the header. Raises PduError when a field cannot be sent."""
    if body is None:
        return b""
    if isinstance(body, Message) and command != Command.DATA_SM:
        return encode_message(body)
    return _encode_laid_out(LAYOUTS[command], body)


def decode(frame: Frame) -> Body:
    """The fields of a frame; None for commands without any, and for responses that carry an error.

    Raises PduError, with the status to answer, when they cannot be read or the command has no codec here.
    """
    try:
        return _decode(frame)
    except IndexError:
        name = command_name(frame.command)
        raise PduError(Status.RINVCMDLEN, f"{name} ends before its fields do") from None


def tlv(tlvs: Tlvs, tag: int) -> bytes | None:
    """The value of the first parameter of this tag."""
    for found, value in tlvs:
        if found == tag:
            return value
    return None


def tlv_number(tlvs: Tlvs, tag: int) -> int | None:
    """The value of the first parameter of this tag as a number of one to four octets; None for any other."""
    value = tlv(tlvs, tag)
    return int.from_bytes(value, "big") if value and len(value) <= 4 else None


def encode_message(message: Message) -> bytes:
    """submit_sm or deliver_sm. Raises PduError when a field cannot be sent.

    Its layout, unrolled: one format is twice as quick as joining encoded fields, and this is what a bind
    spends its time on.
    """
    _fits(message.service_type, SERVICE_TYPE)
    _fits(message.source, SOURCE)
    _fits(message.dest, DEST)
    _fits(message.schedule, SCHEDULE)
    _fits(message.validity, VALIDITY)
    size = len(message.short_message)
    if size > SHORT_MESSAGE_MAX:
        raise PduError(Status.RINVMSGLEN, f"short_message has {size} octets, not up to {SHORT_MESSAGE_MAX}")
    fixed = "%s\0%c%c%s\0%c%c%s\0%c%c%c%s\0%s\0%c%c%c%c%c" % (  # noqa: UP031 - an f-string is slower here
        message.service_type,
        message.source_ton,
        message.source_npi,
        message.source,
        message.dest_ton,
        message.dest_npi,
        message.dest,
        message.esm_class,
        message.protocol_id,
        message.priority,
        message.schedule,
        message.validity,
        message.registered_delivery,
        message.replace_if_present,
        message.data_coding,
        message.default_message_id,
        size,
    )
    encoded = _latin1(fixed) + message.short_message
    return encoded + _encode_tlvs(message.tlvs) if message.tlvs else encoded


def encode_message_id(message_id: str) -> bytes:
    """submit_sm_resp, deliver_sm_resp or data_sm_resp without parameters."""
    _fits(message_id, MESSAGE_ID)
    return _latin1(message_id) + b"\0"


def decode_message_id(frame: Frame) -> str:
    """The message id of a response, ended or not; "" when it has none. Raises PduError for an endless one."""
    message_id = frame.data[HEADER_SIZE:].partition(b"\0")[0]
    if len(message_id) >= MESSAGE_ID.size:
        raise PduError(Status.RINVMSGID, f"a message_id of {len(message_id)} octets")
    return message_id.decode("latin-1")


def _decode(frame: Frame) -> Body:
    command = frame.command
    if command in _MESSAGES:
        return _decode_message(frame.data)
    if command in (Command.SUBMIT_SM_RESP, Command.DELIVER_SM_RESP, Command.DATA_SM_RESP):
        return _decode_message_resp(frame)
    if command in BARE or (frame.status and command & RESPONSE):
        return None
    if command not in LAYOUTS:
        raise PduError(Status.RINVCMDID, f"{command_name(command)} is not understood")
    return _decode_laid_out(LAYOUTS[command], frame.data)


def _decode_message(data: bytes) -> Message:
    found = _MESSAGE.match(data, HEADER_SIZE)
    if found is None:
        _misfit(data)
    service_type, of_source, source, of_dest, dest, flags, schedule, validity, last = found.groups()
    start, end = found.end(), found.end() + last[4]
    if end > len(data):
        raise PduError(Status.RINVMSGLEN, f"{end - start} octets of text, but {len(data) - start} follow")
    return Message(
        service_type.decode("latin-1"),
        of_source[0],
        of_source[1],
        source.decode("latin-1"),
        of_dest[0],
        of_dest[1],
        dest.decode("latin-1"),
        flags[0],
        flags[1],
        flags[2],
        schedule.decode("latin-1"),
        validity.decode("latin-1"),
        last[0],
        last[1],
        last[2],
        last[3],
        data[start:end],
        _decode_tlvs(data, end) if end < len(data) else (),
    )


def _misfit(data: bytes) -> NoReturn:
    """Say which field of a message does not end, or that octets are missing behind them all."""
    at = HEADER_SIZE
    for field, octets in _MESSAGE_FIELDS:
        at = _text(data, at, field)[1] + octets
    raise IndexError


def _decode_message_resp(frame: Frame) -> MessageResp:
    end = frame.data.find(0, HEADER_SIZE)
    try:
        tlvs = _decode_tlvs(frame.data, end + 1) if end >= 0 else ()
    except PduError:  # the message has gone out, whatever stands behind its id
        tlvs = ()
    return MessageResp(decode_message_id(frame), tlvs)


def _encode_laid_out(layout: Layout, body: Any) -> bytes:
    pieces = []
    for field in layout.fields:
        value = getattr(body, field.name)
        if field.size == OCTET:
            pieces.append(chr(value))
        else:
            _fits(value, field)
            pieces.append(value + "\0")
    return _latin1("".join(pieces)) + (_encode_tlvs(body.tlvs) if layout.has_tlvs else b"")


def _decode_laid_out(layout: Layout, data: bytes) -> Body:
    values: dict[str, Any] = {}
    at = HEADER_SIZE
    for field in layout.fields:
        if field.size == OCTET:
            values[field.name] = data[at]
            at += 1
        else:
            values[field.name], at = _text(data, at, field)
    if layout.has_tlvs:
        values["tlvs"] = _decode_tlvs(data, at)
    decoded: Body = layout.body(**values)
    return decoded


# ── fields ───────────────────────────────────────────────────────────────────────────────────────────


def _fits(text: str, field: Field) -> None:
    if len(text) >= field.size or "\0" in text:
        shown = text[: field.size]
        raise PduError(field.status, f"{field.name} {shown!r} is not up to {field.size - 1} characters")


def _latin1(text: str) -> bytes:
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError as error:
        raise PduError(Status.RINVPARLEN, f"{text[error.start]!r} is no octet") from None


def _text(data: bytes, at: int, field: Field) -> tuple[str, int]:
    """A C-octet string and where the next field begins."""
    end = data.find(0, at, at + field.size)
    if end < 0:
        raise PduError(field.status, f"{field.name} does not end within {field.size} octets")
    return data[at:end].decode("latin-1"), end + 1


def _encode_tlvs(tlvs: Tlvs) -> bytes:
    return b"".join([TLV.pack(tag, len(value)) + value for tag, value in tlvs])


def _decode_tlvs(data: bytes, at: int) -> Tlvs:
    found = []
    while at < len(data):
        if at + TLV.size > len(data):
            raise PduError(Status.RINVOPTPARSTREAM, f"{len(data) - at} octets after the last parameter")
        tag, length = TLV.unpack_from(data, at)
        at += TLV.size + length
        if at > len(data):
            raise PduError(Status.RINVOPTPARSTREAM, f"{tlv_name(tag)} of {length} octets ends too soon")
        found.append((tag, data[at - length : at]))
    return tuple(found)

"""SMPP: the PDU codec, a session on either side, and what the channel reads in receipts and messages."""

from __future__ import annotations

import msgspec

from angarium.channels import kit, smpp
from angarium.core.ports import Raw
from angarium.protocols import smpp_pdu
from angarium.protocols.smpp_numbers import ESM_RECEIPT, Command, Status
from angarium.protocols.smpp_pdu import (
    FRAME_MAX,
    Bind,
    BindResp,
    Message,
    MessageResp,
    PduError,
    Splitter,
    pack,
)
from angarium.protocols.smpp_receipt import Dialect, Unread, fields, instant, read_receipt, receipt_ref
from angarium.protocols.smpp_session import Broken, Request, Role, Session, Violation
from fuzz.callbacks import check_events
from fuzz.harness import Target, simple
from fuzz.mutations import either, frames, lines, octets
from support.smpp_line import SETTINGS

RECEIPT = "id:{} sub:001 dlvrd:001 submit date:2611231030 done date:2611231031 stat:{} err:{} text:Hello"
WINDOW = 4


def _pdu(command: int, body: smpp_pdu.Body, sequence: int = 1, status: int = 0) -> bytes:
    return pack(command, sequence, smpp_pdu.encode(command, body), status)


def _receipt(word: str, *tlvs: tuple[int, bytes], error: str = "000", message_id: str = "1A2b") -> bytes:
    text = RECEIPT.format(message_id, word, error).encode()
    return _pdu(
        Command.DELIVER_SM,
        Message(source="989121234567", dest="1234", esm_class=ESM_RECEIPT, short_message=text, tlvs=tlvs),
    )


PEOPLE = [
    Message(source="989121234567", dest="1234", short_message=b"Hello"),
    Message(source="989121234567", dest="1234", data_coding=8, short_message="سلام".encode("utf-16-be")),
    Message(source="1", dest="2", esm_class=0x40, short_message=b"\x05\x00\x03\x07\x02\x01Hel"),
    Message(source="1", dest="2", esm_class=0x40, short_message=b"\x06\x08\x04\x00\x07\x02\x02lo"),
    Message(
        source="1", dest="2", tlvs=((0x020C, b"\0\7"), (0x020E, b"\2"), (0x020F, b"\1"), (0x0424, b"Hi"))
    ),
]
RECEIPTS = [
    *(_receipt(word, error="027") for word in ("DELIVRD", "UNDELIV", "EXPIRED", "ENROUTE", "STRANGE")),
    _receipt("", (0x001E, b"1A2b\0"), (0x0427, b"\2"), (0x0423, b"\3\0\x1b")),
]
DELIVERED = [_pdu(Command.DELIVER_SM, message) for message in PEOPLE] + RECEIPTS
STREAMS = [
    *DELIVERED,
    _pdu(Command.BIND_TRANSCEIVER, Bind("angarium", "secret")),
    _pdu(Command.BIND_TRANSCEIVER_RESP, BindResp("smsc", ((0x0210, b"\x34"),))),
    _pdu(Command.SUBMIT_SM, PEOPLE[0], 2),
    _pdu(Command.SUBMIT_SM_RESP, MessageResp("1A2b"), 2),
    _pdu(Command.DATA_SM, PEOPLE[4], 3),
    _pdu(Command.QUERY_SM, smpp_pdu.Query("1A2b", source="1234"), 4),
    _pdu(Command.CANCEL_SM, smpp_pdu.Cancel(message_id="1A2b", source="1", dest="2"), 5),
    pack(Command.ENQUIRE_LINK, 6) + pack(Command.UNBIND, 7) + pack(Command.GENERIC_NACK, 8, status=3),
    _pdu(Command.BIND_TRANSCEIVER_RESP, BindResp("smsc"), 1) + b"".join(DELIVERED[:3]),
]
WORDS = [
    b"stat:DELIVRD",
    b"id:",
    b"err:",
    b"done date:",
    b"\0",
    b"\x05\x00\x03",
    b"\x06\x08\x04",
    b"99999999",
]


def try_pdu(data: bytes) -> None:
    """Cut and decode; what can be read can be written, and says the same again."""
    splitter = Splitter()
    try:
        for frame in splitter.feed(data):
            _reread(frame)
    except PduError:
        return
    assert splitter.pending < FRAME_MAX


def _reread(frame: smpp_pdu.Frame) -> None:
    try:
        body = smpp_pdu.decode(frame)
        again = smpp_pdu.encode(frame.command, body)
    except PduError:
        return
    if body is not None:
        whole = pack(frame.command, frame.sequence, again, frame.status)
        assert smpp_pdu.decode(msgspec.structs.replace(frame, data=whole)) == body


def try_session(data: bytes) -> None:
    """A session on either side bears any stream, in pieces of any size, and stays within its bounds."""
    for role in Role:
        session = Session(role, window=WINDOW, response_timeout_s=10, enquire_link_s=30, now=0)
        piece = 1 + data[-1] if data else 1
        _ask(session, role)
        for at in range(0, len(data), piece):
            for event in session.receive_data(data[at : at + piece], at / 100):
                if isinstance(event, Request):
                    session.answer(event.frame)
                assert not isinstance(event, Violation) or event.status in (
                    Status.RALYBND,
                    Status.RINVBNDSTS,
                    Status.RINVCMDID,
                )
                assert not isinstance(event, Broken) or isinstance(event.error, PduError)
            session.expire(at / 100)
            assert session.waiting() <= WINDOW + 1
        assert len(session.data_to_send()) <= 64 * (1 + len(data))
        session.close()


def _ask(session: Session, role: Role) -> None:
    if role is Role.ESME:
        session.request(Command.BIND_TRANSCEIVER, b"\0" * 7, "bind", 0)


LINE = kit.decode_settings(smpp.CHANNEL, SETTINGS)
LOOSE = msgspec.structs.replace(
    LINE, receipts_unmarked=True, receipt_zone="Asia/Tehran", receipt_id_base="hex_to_dec"
)


def try_receipts(data: bytes) -> None:
    """Whatever an operator writes is events; the text alone, an answer or Unread."""
    for settings in (LINE, LOOSE):
        check_events(smpp.parse(settings, Raw(data)))
        check_events(smpp.parse(settings, Raw(data, {"client-ref": "att_1", "bind": "b"})))
    text = data.decode("latin-1")
    instant(fields(text).get("donedate", text), None)
    receipt_ref(text, "hex_to_dec")
    try:
        read_receipt(Message(short_message=data), Dialect(unmarked=True))
    except Unread:
        return


TARGETS = [
    Target("pdu", simple(try_pdu), STREAMS, WORDS, either(frames, frames, octets), in_tests=3_000),
    Target(
        "session", simple(try_session), STREAMS, WORDS, either(frames, octets), (20_000, 400), in_tests=600
    ),
    Target(
        "receipts",
        simple(try_receipts),
        [*DELIVERED, *(RECEIPT.format("1", word, "1").encode() for word in ("DELIVRD", "REJECTD"))],
        WORDS,
        either(frames, frames, octets, lines),
        in_tests=600,
    ),
]

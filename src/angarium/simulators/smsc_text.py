"""Texts as a message centre sees them: parts put together, times read, and what people write cut up."""

from __future__ import annotations

import calendar
from typing import NamedTuple

from angarium.protocols import gsm
from angarium.protocols.smpp_numbers import CODING_UCS2, ESM_UDHI, Status, Tlv
from angarium.protocols.smpp_pdu import Message, PduError, tlv, tlv_number
from angarium.protocols.smpp_text import PACKED

ENCODINGS = {0: "gsm7", 1: "ascii", 3: "latin1", 8: "ucs2"}
CODECS = {"ascii": "ascii", "latin1": "latin-1", "ucs2": "utf-16-be"}


class Piece(NamedTuple):
    """One part of a text, or all of it."""

    text: str
    encoding: str
    way: str = "single"  # "udh", "sar", "payload"
    reference: int = 0
    number: int = 1
    total: int = 1


def read_piece(message: Message, alphabet: str) -> Piece:
    """What a submit_sm carries. Raises PduError with the status to answer."""
    data, payload = message.short_message, tlv(message.tlvs, Tlv.MESSAGE_PAYLOAD)
    if data and payload:
        raise PduError(Status.ROPTPARNOTALLWD, "both short_message and message_payload")
    way, joined, fill_bits = ("payload" if payload is not None else "single"), (0, 1, 1), 0
    data = payload or data
    if message.esm_class & ESM_UDHI:
        fill_bits = -8 * (data[0] + 1) % 7 if data else 0
        joined, data = _by_header(data)
        way = "udh" if joined[2] > 1 else way
    elif (total := tlv_number(message.tlvs, Tlv.SAR_TOTAL_SEGMENTS)) is not None:
        reference = tlv_number(message.tlvs, Tlv.SAR_MSG_REF_NUM) or 0
        way, joined = "sar", (reference, tlv_number(message.tlvs, Tlv.SAR_SEGMENT_SEQNUM) or 0, total)
    if not 1 <= joined[1] <= joined[2]:
        raise PduError(Status.RINVESMCLASS, f"part {joined[1]} of {joined[2]}")
    encoding = ENCODINGS.get(message.data_coding, "binary")
    if encoding == "gsm7":
        encoding = alphabet
    return Piece(_text(data, encoding, fill_bits), encoding, way, *joined)


def seconds_of(validity: str, now: float) -> float:
    """A validity_period (SMPP 3.4 §7.1.1), absolute or relative, as seconds from now; 0 for none."""
    if len(validity) != 16 or not validity[:15].isdigit():
        return 0.0
    years, months, days, hours, minutes, seconds = (int(validity[at : at + 2]) for at in range(0, 12, 2))
    if validity[-1] == "R":
        return float(((years * 365 + months * 30 + days) * 24 + hours) * 3600 + minutes * 60 + seconds)
    at = calendar.timegm((2000 + years, months, days, hours, minutes, seconds))
    quarters = int(validity[13:15]) * (1 if validity[-1] == "+" else -1)
    return max(0.0, at - quarters * 900 - now)


def inbound_parts(sender: str, recipient: str, text: str, reference: int) -> list[Message]:
    """What a phone sends, as deliver_sm."""
    cut = gsm.segment(text)
    total = len(cut.parts)
    messages = []
    for number, part in enumerate(cut.parts, 1):
        data = gsm.encode_gsm7(part.text) if cut.encoding == "gsm7" else gsm.encode_ucs2(part.text)
        header = bytes((5, 0, 3, reference & 0xFF, total, number)) if total > 1 else b""
        messages.append(
            Message(
                source_ton=1,
                source_npi=1,
                source=sender.removeprefix("+"),
                dest=recipient.removeprefix("+"),
                esm_class=ESM_UDHI if header else 0,
                data_coding=0 if cut.encoding == "gsm7" else CODING_UCS2,
                short_message=header + data,
            )
        )
    return messages


def _by_header(data: bytes) -> tuple[tuple[int, int, int], bytes]:
    end = data[0] + 1 if data else 1
    if end > len(data):
        raise PduError(Status.RINVESMCLASS, "the user data header is longer than the message")
    match tuple(data[1:end]):
        case [0, 3, reference, total, number, *_]:
            return (reference, number, total), data[end:]
        case [8, 4, high, low, total, number, *_]:
            return (high << 8 | low, number, total), data[end:]
    return (0, 1, 1), data[end:]


def _text(data: bytes, encoding: str, fill_bits: int) -> str:
    if encoding == PACKED:
        data, encoding = gsm.unpack(data, fill_bits), "gsm7"
    if encoding == "gsm7":
        return gsm.decode_gsm7(data)
    return data.hex() if encoding == "binary" else data.decode(CODECS[encoding], "replace")

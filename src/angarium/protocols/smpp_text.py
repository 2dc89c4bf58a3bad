"""How a text travels in short messages: its coding, its parts, and what joins them.

Rules:
- data_coding 0 is whatever the message centre makes of it: the GSM alphabet, one septet to the octet or
  packed, Latin-1 or UCS-2. The line has to say which.
- The parts of a long text are joined by a user data header (3GPP TS 23.040 §9.2.3.24), by the sar_ parameters
  (SMPP 3.4 §5.3.2.22 to .24), or not cut at all: message_payload (§5.3.2.32) leaves that to the centre.
- What is received is read in each of the three ways, whatever the line sends.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

import msgspec

from angarium.protocols import gsm
from angarium.protocols.smpp_numbers import CODING_UCS2, ESM_UDHI, Tlv
from angarium.protocols.smpp_pdu import Message, tlv, tlv_number

Alphabet = Literal["gsm7", "gsm7_packed", "latin1", "ucs2"]
PACKED = "gsm7_packed"  # of gsm.Segments too: septets in 140 octets
Way = Literal["udh", "sar", "payload"]

HEADER_SIZES = {8: 6, 16: 7}  # octets, by the bits of the reference

# Information elements of a user data header (3GPP TS 23.040 §9.2.3.24).
CONCATENATED_8, CONCATENATED_16 = 0x00, 0x08
NATIONAL_SHIFTS = (0x24, 0x25)  # letters of a national language table, which is not ours

DEFAULT, BINARY = "default", "binary"
# data_coding (SMPP 3.4 §5.2.19) as Python's codecs; those that are missing no operator is known to send.
CODECS = {
    0x00: DEFAULT,
    0x01: "latin-1",  # IA5
    0x02: BINARY,
    0x03: "latin-1",
    0x04: BINARY,
    0x06: "iso8859-5",
    0x07: "iso8859-8",
    0x08: "utf-16-be",
    0x0A: "iso2022_jp",
    0x0E: "euc_kr",
}
# With a message class: bits 2 and 3 of the general group, bit 2 of the class group (3GPP TS 23.038 §4).
GENERAL_GROUP, CLASS_GROUP = 0x10, 0xF0
BY_GENERAL_BITS = {0: DEFAULT, 1: BINARY, 2: "utf-16-be"}


SEGMENTS_KEPT = 4_096  # texts


class TextError(Exception):
    """What was received is no text that can be shown; the message says why."""


class Octets(msgspec.Struct, frozen=True):
    """A received text, or one part of one, as it came."""

    data: bytes
    reference: int = 0
    number: int = 1
    total: int = 1
    fill_bits: int = 0  # between a header and the first septet, where septets are packed


class Piece(msgspec.Struct, frozen=True):
    """A received text, or one part of one."""

    text: str
    reference: int = 0
    number: int = 1
    total: int = 1


# ── sending ──────────────────────────────────────────────────────────────────────────────────────────


@lru_cache(maxsize=SEGMENTS_KEPT)  # one text is looked at, measured for each line, and sent
def cut(text: str, alphabet: Alphabet, reference_bits: int, smart: bool) -> gsm.Segments:
    """The text as it is cut, made plain before if `smart` and that helps. Raises gsm.TooLong."""
    return segments(gsm.smart(text) if smart else text, alphabet, reference_bits)


def segments(text: str, alphabet: Alphabet, reference_bits: int) -> gsm.Segments:
    """The text as it is cut where data_coding 0 is `alphabet`. Raises gsm.TooLong."""
    if alphabet == "ucs2":
        return gsm.segment(text, reference_bits=reference_bits, encoding="ucs2")
    if alphabet != "latin1":
        cut = gsm.segment(text, reference_bits=reference_bits)
        packed = alphabet == PACKED and cut.encoding == "gsm7"
        return msgspec.structs.replace(cut, encoding=PACKED) if packed else cut
    try:
        return gsm.segment(text, reference_bits=reference_bits, encoding="latin1")
    except gsm.NotEncodable:
        return gsm.segment(text, reference_bits=reference_bits, encoding="ucs2")


def short_messages(
    like: Message,
    cut: gsm.Segments,
    *,
    way: Way,
    reference: int,
    reference_bits: int,
    ucs2_coding: int = CODING_UCS2,
) -> list[Message]:
    """The messages that carry a text: `like` with coding, text and what joins the parts.

    `like.data_coding` is kept where the text is in the default alphabet; `reference` has `reference_bits`.
    """
    coding = coding_of(cut.encoding, like.data_coding, ucs2_coding)
    fill_bits = -8 * HEADER_SIZES[reference_bits] % 7 if way == "udh" and len(cut.parts) > 1 else 0
    texts = [octets(part.text, cut.encoding, fill_bits) for part in cut.parts]
    total = len(texts)
    if total == 1:
        return [msgspec.structs.replace(like, data_coding=coding, short_message=texts[0])]
    if way == "payload":
        whole = octets("".join(part.text for part in cut.parts), cut.encoding)
        payload = (Tlv.MESSAGE_PAYLOAD, whole)
        return [msgspec.structs.replace(like, data_coding=coding, tlvs=(*like.tlvs, payload))]
    if way == "sar":
        return [
            msgspec.structs.replace(
                like,
                data_coding=coding,
                short_message=text,
                tlvs=(*like.tlvs, *_sar(reference, total, number)),
            )
            for number, text in enumerate(texts, 1)
        ]
    return [
        msgspec.structs.replace(
            like,
            esm_class=like.esm_class | ESM_UDHI,
            data_coding=coding,
            short_message=_header(reference, reference_bits, total, number) + text,
        )
        for number, text in enumerate(texts, 1)
    ]


def coding_of(encoding: str, default: int, ucs2: int = CODING_UCS2) -> int:
    """The data_coding of a text; `default`: that of the default alphabet."""
    return ucs2 if encoding == "ucs2" else default


def octets(text: str, encoding: str, fill_bits: int = 0) -> bytes:
    """A text as the octets of a short message, in an encoding of gsm.Segments; packed after so many bits."""
    if encoding == PACKED:
        return gsm.pack(gsm.encode_gsm7(text), fill_bits)
    if encoding == "gsm7":
        return gsm.encode_gsm7(text)
    return gsm.encode_ucs2(text) if encoding == "ucs2" else text.encode("latin-1")


def _header(reference: int, reference_bits: int, total: int, number: int) -> bytes:
    if reference_bits == 16:
        return bytes((6, CONCATENATED_16, 4, reference >> 8, reference & 0xFF, total, number))
    return bytes((5, CONCATENATED_8, 3, reference, total, number))


def _sar(reference: int, total: int, number: int) -> tuple[tuple[int, bytes], ...]:
    return (
        (Tlv.SAR_MSG_REF_NUM, reference.to_bytes(2, "big")),
        (Tlv.SAR_TOTAL_SEGMENTS, bytes((total,))),
        (Tlv.SAR_SEGMENT_SEQNUM, bytes((number,))),
    )


# ── receiving ────────────────────────────────────────────────────────────────────────────────────────


def read_piece(message: Message, alphabet: Alphabet) -> Piece:
    """The text of a deliver_sm or data_sm, and which part of what it is. Raises TextError."""
    got = read_octets(message)
    text = decode_text(got.data, message.data_coding, alphabet, got.fill_bits)
    return Piece(text, got.reference, got.number, got.total)


def read_octets(message: Message) -> Octets:
    """What a message carries before it is read as text: a letter may be cut in two by the end of a part, so
    whoever puts parts together joins their octets. Raises TextError."""
    data = message.short_message or tlv(message.tlvs, Tlv.MESSAGE_PAYLOAD) or b""
    joined, fill_bits = _by_parameters(message), 0
    if message.esm_class & ESM_UDHI:
        fill_bits = -8 * (data[0] + 1) % 7 if data else 0
        header, data = _cut_header(data)
        joined = _by_header(header) or joined
    reference, number, total = joined or (0, 1, 1)
    if not 1 <= number <= total:
        raise TextError(f"part {number} of {total}")
    return Octets(data, reference, number, total, fill_bits)


def decode_text(data: bytes, coding: int, alphabet: Alphabet, fill_bits: int = 0) -> str:
    """Octets as text; what has no meaning becomes U+FFFD. Raises TextError for binary and unknown codings."""
    codec = codec_of(coding)
    if codec == DEFAULT and alphabet in ("gsm7", PACKED):
        return gsm.decode_gsm7(gsm.unpack(data, fill_bits) if alphabet == PACKED else data)
    if codec == DEFAULT:
        return data.decode("latin-1" if alphabet == "latin1" else "utf-16-be", "replace")
    if codec in (BINARY, ""):
        raise TextError(f"data_coding 0x{coding:02x} is {codec or 'not known'}")
    return data.decode(codec, "replace")


def codec_of(coding: int) -> str:
    """How a data_coding is read: DEFAULT, BINARY, a codec of Python, or "" when it is not known."""
    if coding & 0xF0 == GENERAL_GROUP:
        return BY_GENERAL_BITS.get(coding >> 2 & 3, "")
    if coding & 0xF0 == CLASS_GROUP:
        return BINARY if coding & 4 else DEFAULT
    return CODECS.get(coding, "")


def _by_parameters(message: Message) -> tuple[int, int, int] | None:
    total = tlv_number(message.tlvs, Tlv.SAR_TOTAL_SEGMENTS)
    if total is None:
        return None
    reference = tlv_number(message.tlvs, Tlv.SAR_MSG_REF_NUM) or 0
    return reference & 0xFFFF, tlv_number(message.tlvs, Tlv.SAR_SEGMENT_SEQNUM) or 0, total


def _cut_header(data: bytes) -> tuple[dict[int, bytes], bytes]:
    """The elements of a user data header, and the text after it."""
    if not data or data[0] + 1 > len(data):
        raise TextError("a user data header that is longer than the message")
    elements = {}
    at, end = 1, data[0] + 1
    while at < end:
        if at + 2 > end or at + 2 + data[at + 1] > end:
            raise TextError("a user data header that ends too soon")
        elements[data[at]] = data[at + 2 : at + 2 + data[at + 1]]
        at += 2 + data[at + 1]
    return elements, data[end:]


def _by_header(elements: dict[int, bytes]) -> tuple[int, int, int] | None:
    for shift in NATIONAL_SHIFTS:
        if shift in elements:
            raise TextError("a national language table, which is not known here")
    for element, size in ((CONCATENATED_8, 3), (CONCATENATED_16, 4)):
        value = elements.get(element)
        if value is not None and len(value) == size:
            return int.from_bytes(value[:-2], "big"), value[-1], value[-2]
    return None

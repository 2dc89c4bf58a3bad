"""Texts in short messages: each way of sending a long one is read back, and what is no text is said."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from angarium.protocols import gsm
from angarium.protocols.smpp_numbers import ESM_UDHI, Command, Tlv
from angarium.protocols.smpp_pdu import SHORT_MESSAGE_MAX, Frame, Message, decode, encode_message, pack, tlv
from angarium.protocols.smpp_text import (
    Alphabet,
    Piece,
    TextError,
    Way,
    decode_text,
    read_piece,
    segments,
    short_messages,
)

LATIN = "Your order 1234 has left the shop [€5]. "
PERSIAN = "سفارش شما ارسال شد \u200cممنون "
LIKE = Message(source="Shop", dest="989120000001", registered_delivery=1, tlvs=((0x1400, b"110"),))
TEXTS = st.one_of(
    st.text(min_size=1, max_size=600).map(lambda text: text.encode("utf-16", "replace").decode("utf-16")),
    st.text(alphabet=gsm.BASIC.replace("\x1b", "") + "^{}[]~|€\\", min_size=1, max_size=900),
)


def carried(
    text: str, way: Way, alphabet: Alphabet = "gsm7", reference_bits: int = 8, reference: int = 200
) -> list[Message]:
    """The messages of a text, after they went over the wire."""
    cut = segments(text, alphabet, reference_bits)
    sent = short_messages(LIKE, cut, way=way, reference=reference, reference_bits=reference_bits)
    received = []
    for message in sent:
        assert len(message.short_message) <= SHORT_MESSAGE_MAX
        decoded = decode(
            Frame(Command.DELIVER_SM, 0, 1, pack(Command.DELIVER_SM, 1, encode_message(message)))
        )
        assert isinstance(decoded, Message)
        received.append(decoded)
    return received


@given(
    TEXTS,
    st.sampled_from(("udh", "sar", "payload")),
    st.sampled_from(("gsm7", "latin1")),
    st.sampled_from((8, 16)),
)
def test_a_text_arrives_as_it_was_sent(text: str, way: Way, alphabet: Alphabet, reference_bits: int) -> None:
    pieces = [read_piece(message, alphabet) for message in carried(text, way, alphabet, reference_bits)]
    assert "".join(piece.text for piece in pieces) == text
    assert [piece.number for piece in pieces] == list(range(1, len(pieces) + 1))
    assert {piece.total for piece in pieces} == {len(pieces)}


@pytest.mark.parametrize(
    ("text", "alphabet", "coding"),
    [
        ("hello", "gsm7", 0),
        ("hello €", "gsm7", 0),
        ("çava", "gsm7", 8),  # c with a cedilla is not in GSM
        ("çava", "latin1", 0),
        ("hello €", "latin1", 8),
        (PERSIAN, "gsm7", 8),
    ],
)
def test_the_coding_follows_the_text_and_the_line(text: str, alphabet: Alphabet, coding: int) -> None:
    [message] = carried(text, "udh", alphabet)
    assert message.data_coding == coding
    assert (message.source, message.registered_delivery, message.tlvs) == ("Shop", 1, ((0x1400, b"110"),))


def test_the_parts_are_joined_by_an_eight_bit_header() -> None:
    first, second = carried(LATIN * 7, "udh")
    assert first.esm_class == second.esm_class == ESM_UDHI
    assert first.short_message[:6] == bytes((5, 0, 3, 200, 2, 1))
    assert second.short_message[:6] == bytes((5, 0, 3, 200, 2, 2))
    assert len(first.short_message) == 6 + 153


def test_the_parts_are_joined_by_a_sixteen_bit_header() -> None:
    first, _ = carried(PERSIAN * 5, "udh", reference_bits=16, reference=0x1234)
    assert first.short_message[:7] == bytes((6, 8, 4, 0x12, 0x34, 2, 1))
    assert read_piece(first, "gsm7").reference == 0x1234
    assert len(first.short_message) <= 140


def test_the_parts_are_joined_by_parameters() -> None:
    first, second = carried(LATIN * 7, "sar")
    assert first.esm_class == 0
    assert [tlv(message.tlvs, Tlv.SAR_SEGMENT_SEQNUM) for message in (first, second)] == [b"\x01", b"\x02"]
    assert tlv(first.tlvs, Tlv.SAR_MSG_REF_NUM) == b"\x00\xc8"
    assert tlv(first.tlvs, Tlv.SAR_TOTAL_SEGMENTS) == b"\x02"
    assert tlv(first.tlvs, 0x1400) == b"110"


def test_the_text_is_left_whole_for_the_centre_to_cut() -> None:
    [message] = carried(LATIN * 7, "payload")
    assert message.short_message == b""
    assert tlv(message.tlvs, Tlv.MESSAGE_PAYLOAD) == gsm.encode_gsm7(LATIN * 7)
    [short] = carried(LATIN, "payload")
    assert short.short_message == gsm.encode_gsm7(LATIN)
    assert tlv(short.tlvs, Tlv.MESSAGE_PAYLOAD) is None


def test_half_a_surrogate_pair_does_not_stop_a_text() -> None:
    [message] = carried("\ud83d سلام", "udh")
    assert read_piece(message, "gsm7").text == "\ufffd سلام"


CODINGS = [
    (0x00, "gsm7", b"\x00\x1b\x65", "@€"),
    (0x00, "latin1", b"caf\xe9", "café"),
    (0x01, "gsm7", b"plain", "plain"),
    (0x03, "gsm7", b"caf\xe9", "café"),
    (0x06, "gsm7", "Заказ".encode("iso8859-5"), "Заказ"),
    (0x07, "gsm7", "שלום".encode("iso8859-8"), "שלום"),
    (0x08, "gsm7", "سلام 😀".encode("utf-16-be"), "سلام 😀"),
    (0x08, "gsm7", b"\x06\x33\x06", "س\ufffd"),
    (0x0A, "gsm7", "注文".encode("iso2022_jp"), "注文"),
    (0x0E, "gsm7", "주문".encode("euc_kr"), "주문"),
    (0x10, "gsm7", b"\x00", "@"),
    (0x18, "gsm7", "س".encode("utf-16-be"), "س"),
    (0xF0, "gsm7", b"\x00", "@"),
    (0xF1, "latin1", b"\xe9", "é"),
]


@pytest.mark.parametrize(("coding", "alphabet", "data", "text"), CODINGS)
def test_a_coding_is_read(coding: int, alphabet: Alphabet, data: bytes, text: str) -> None:
    assert decode_text(data, coding, alphabet) == text


@pytest.mark.parametrize(
    ("coding", "why"),
    [
        (0x02, "binary"),
        (0x04, "binary"),
        (0x14, "binary"),
        (0xF5, "binary"),
        (0x05, "not known"),
        (0x99, "not known"),
    ],
)
def test_a_coding_that_is_no_text_is_said(coding: int, why: str) -> None:
    with pytest.raises(TextError, match=f"data_coding 0x{coding:02x} is {why}"):
        decode_text(b"\x01\x02", coding, "gsm7")


def heard(short_message: bytes, *tlvs: tuple[int, bytes], esm_class: int = ESM_UDHI) -> Message:
    """A deliver_sm of Latin-1."""
    return Message(esm_class=esm_class, data_coding=3, short_message=short_message, tlvs=tlvs)


PIECES = [
    (
        "with other elements around",
        heard(b"\x0b\x05\x02\x01\x02\x00\x03\x07\x03\x02\x70\x00hi"),
        Piece("hi", 7, 2, 3),
    ),
    ("an element of the wrong size", heard(b"\x04\x00\x02\x07\x03hi"), Piece("hi")),
    ("no join in the header", heard(b"\x04\x05\x02\x01\x02hi"), Piece("hi")),
    ("an empty header", heard(b"\x00hi"), Piece("hi")),
    ("eight bits", heard(b"\x05\x00\x03\x07\x03\x02hi"), Piece("hi", 7, 2, 3)),
    ("sixteen bits", heard(b"\x06\x08\x04\x01\x07\x03\x02hi"), Piece("hi", 0x107, 2, 3)),
    (
        "a header in message_payload",
        heard(b"", (Tlv.MESSAGE_PAYLOAD, b"\x05\x00\x03\x07\x03\x02hi")),
        Piece("hi", 7, 2, 3),
    ),
    (
        "parameters",
        heard(b"hi", (0x20C, b"\x01\x07"), (0x20E, b"\x03"), (0x20F, b"\x02"), esm_class=0),
        Piece("hi", 0x107, 2, 3),
    ),
    ("parameters without a total", heard(b"hi", (0x20C, b"\x01\x07"), esm_class=0), Piece("hi")),
]


@pytest.mark.parametrize(
    ("message", "piece"), [case[1:] for case in PIECES], ids=[case[0] for case in PIECES]
)
def test_a_part_says_what_it_is_part_of(message: Message, piece: Piece) -> None:
    assert read_piece(message, "gsm7") == piece


NO_TEXT = [
    ("a header longer than the message", heard(b"\x05\x00\x03"), "longer than the message"),
    ("no header at all", heard(b""), "longer than the message"),
    ("half an element", heard(b"\x01\x00hi"), "ends too soon"),
    ("an element beyond the header", heard(b"\x03\x00\x03\x01hi"), "ends too soon"),
    ("part 0", heard(b"\x05\x00\x03\x07\x03\x00hi"), "part 0 of 3"),
    ("part 4 of 3", heard(b"\x05\x00\x03\x07\x03\x04hi"), "part 4 of 3"),
    ("part 1 of 0", heard(b"\x05\x00\x03\x07\x00\x01hi"), "part 1 of 0"),
    ("no number among the parameters", heard(b"hi", (0x20E, b"\x03"), esm_class=0), "part 0 of 3"),
    ("Turkish letters", heard(b"\x03\x24\x01\x01hi"), "national language table"),
]


@pytest.mark.parametrize(
    ("message", "why"), [case[1:] for case in NO_TEXT], ids=[case[0] for case in NO_TEXT]
)
def test_what_cannot_be_put_together_is_said(message: Message, why: str) -> None:
    with pytest.raises(TextError, match=why):
        read_piece(message, "gsm7")


@given(st.binary(max_size=254), st.integers(0, 255), st.booleans(), st.binary(max_size=5))
def test_whatever_comes_is_a_piece_or_no_text(data: bytes, coding: int, udhi: bool, total: bytes) -> None:
    message = Message(
        esm_class=ESM_UDHI * udhi,
        data_coding=coding,
        short_message=data,
        tlvs=((Tlv.SAR_TOTAL_SEGMENTS, total),),
    )
    try:
        piece = read_piece(message, "gsm7")
    except TextError:
        return
    assert 1 <= piece.number <= piece.total


# ── packed septets ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("text", "fill_bits", "packed"),
    [
        ("hellohello", 0, "e8329bfd4697d9ec37"),  # the example that every description of TS 23.040 gives
        ("hello", 1, "d065 36fb0d"),  # after a header of six octets, one bit stays empty
        ("1234567", 0, "31d98c56b3dd1a"),  # seven bits are left over: a CR, which no phone shows
        ("", 0, ""),
    ],
)
def test_septets_are_packed_into_octets_and_out_again(text: str, fill_bits: int, packed: str) -> None:
    septets = gsm.encode_gsm7(text)
    assert gsm.pack(septets, fill_bits) == bytes.fromhex(packed)
    assert gsm.unpack(bytes.fromhex(packed), fill_bits) == septets


@pytest.mark.parametrize("length", range(24))
@pytest.mark.parametrize("fill_bits", [0, 1])
def test_texts_of_every_length_come_out_as_they_went_in(length: int, fill_bits: int) -> None:
    for end in ("x", "@"):
        septets = gsm.encode_gsm7("abcdefghijklmnopqrstuvwx"[:length] + end)
        assert gsm.unpack(gsm.pack(septets, fill_bits), fill_bits) == septets


def test_an_end_of_line_at_the_end_of_an_octet_is_doubled_and_never_lost() -> None:
    septets = gsm.encode_gsm7("1234567\r")
    assert gsm.unpack(gsm.pack(septets)) == septets + b"\r"

"""The GSM alphabet to the code, the sizes of parts, and what is never cut."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from angarium.protocols import gsm
from angarium.protocols.graphemes import is_boundary

FAMILY = (
    "\U0001f468\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466"  # 11 code units, one character to the eye
)

# 3GPP TS 23.038 §6.2.1, the rows of its table: what no other alphabet has at these codes.
BASIC_CODES = {
    0x00: "@",
    0x01: "£",
    0x02: "$",
    0x03: "¥",
    0x04: "è",
    0x05: "é",
    0x06: "ù",
    0x07: "ì",
    0x08: "ò",
    0x09: "Ç",
    0x0A: "\n",
    0x0B: "Ø",
    0x0C: "ø",
    0x0D: "\r",
    0x0E: "Å",
    0x0F: "å",
    0x10: "Δ",
    0x11: "_",
    0x12: "Φ",
    0x13: "Γ",
    0x14: "Λ",
    0x15: "Ω",
    0x16: "Π",
    0x17: "Ψ",
    0x18: "Σ",
    0x19: "Θ",
    0x1A: "Ξ",
    0x1C: "Æ",
    0x1D: "æ",
    0x1E: "ß",
    0x1F: "É",
    0x24: "¤",
    0x40: "¡",
    0x5B: "Ä",
    0x5C: "Ö",
    0x5D: "Ñ",
    0x5E: "Ü",
    0x5F: "§",
    0x60: "¿",
    0x7B: "ä",
    0x7C: "ö",
    0x7D: "ñ",
    0x7E: "ü",
    0x7F: "à",
}
EXTENSION_CODES = {
    "\f": 0x0A,
    "^": 0x14,
    "{": 0x28,
    "}": 0x29,
    "\\": 0x2F,
    "[": 0x3C,
    "~": 0x3D,
    "]": 0x3E,
    "|": 0x40,
    "€": 0x65,
}


def test_every_basic_code_is_where_the_standard_has_it() -> None:
    ascii_codes = {code: chr(code) for code in range(0x20, 0x7B) if code not in BASIC_CODES}
    table = BASIC_CODES | ascii_codes
    assert sorted([*table, 0x1B]) == list(range(128))
    for code, character in table.items():
        assert gsm.encode_gsm7(character) == bytes([code])
        assert gsm.decode_gsm7(bytes([code])) == character


def test_every_extension_is_an_escape_and_its_code() -> None:
    for character, code in EXTENSION_CODES.items():
        assert gsm.encode_gsm7(character) == bytes([0x1B, code])
        assert gsm.decode_gsm7(bytes([0x1B, code])) == character
        assert gsm.segment(character).units == 2


@pytest.mark.parametrize(
    "character", [*"`çêâïčŞığα", "Ж", "س", "中", "\u00a0", "\u200c", "\x1b", "\t", "\x00", "😀"]
)
def test_a_character_outside_the_alphabet_makes_it_ucs2(character: str) -> None:
    assert gsm.segment("abc" + character).encoding == "ucs2"
    with pytest.raises(gsm.NotEncodable) as caught:
        gsm.encode_gsm7("abc" + character)
    assert (caught.value.character, caught.value.position) == (character, 3)


# encoding asked for, character, reference bits, room alone, room in a part
SIZES = [
    ("auto", "a", 8, 160, 153),
    ("auto", "a", 16, 160, 152),
    ("auto", "€", 8, 80, 76),
    ("auto", "س", 8, 70, 67),
    ("auto", "س", 16, 70, 66),
    ("auto", "😀", 8, 35, 33),
    ("gsm7", "a", 8, 160, 153),
    ("ucs2", "a", 8, 70, 67),
    ("latin1", "ç", 8, 140, 134),
    ("latin1", "ç", 16, 140, 133),
    ("ascii", "a", 8, 140, 134),
]


@pytest.mark.parametrize(("encoding", "character", "bits", "single", "room"), SIZES)
def test_sizes(encoding: str, character: str, bits: int, single: int, room: int) -> None:
    def lengths(count: int) -> list[int]:
        cut = gsm.segment(character * count, reference_bits=bits, encoding=encoding)
        assert sum(part.units for part in cut.parts) == cut.units
        return [len(part.text) for part in cut.parts]

    assert lengths(single) == [single]
    assert lengths(single + 1) == [room, single + 1 - room]
    assert lengths(2 * room) == [room, room]
    assert lengths(2 * room + 1) == [room, room, 1]


UNITS_LEFT = [("", 160), ("a" * 160, 0), ("a" * 161, 145), ("a€", 157), ("س", 69), ("س" * 71, 63), ("😀", 68)]


@pytest.mark.parametrize(("text", "left"), UNITS_LEFT)
def test_units_left_in_the_last_part(text: str, left: int) -> None:
    assert gsm.segment(text).units_left == left


# What stands across the end of the first part, and must move into the second whole.
WHOLE = [
    ("an escape pair", "a" * 152, "€", "a" * 20),
    ("CR LF", "a" * 152, "\r\n", "a" * 20),
    ("a surrogate pair", "س" * 66, "😀", "س" * 20),
    ("a family", "س" * 60, FAMILY, "س" * 20),
    ("a flag", "س" * 66, "🇺🇦", "س" * 20),
    ("the second of two flags", "س" * 62 + "🇮🇷", "🇺🇦", "س" * 20),
    ("a skin tone", "س" * 65, "👍🏽", "س" * 20),
    ("a vowel mark", "س" * 66, "ب\u064e", "س" * 20),
    ("a Cyrillic letter with a breve", "ж" * 66, "и\u0306", "ж" * 20),
    ("a Hangul syllable in jamo", "س" * 66, "\u1112\u1161\u11ab", "س" * 20),
    ("an Indic conjunct", "س" * 66, "क\u094dष", "س" * 20),
    ("a Thai vowel", "س" * 66, "ก\u0e33", "س" * 20),
    ("a keycap", "س" * 66, "1\ufe0f\u20e3", "س" * 20),
    ("a word's joiner", "س" * 66, "ه\u200c", "س" * 20),
    ("an Arabic number sign", "س" * 66, "\u0600۱", "س" * 20),
]


@pytest.mark.parametrize(("what", "before", "whole", "after"), WHOLE)
def test_what_is_one_to_the_eye_moves_whole(what: str, before: str, whole: str, after: str) -> None:
    cut = gsm.segment(before + whole + after)
    assert [part.text for part in cut.parts] == [before, whole + after], what


def test_a_cluster_longer_than_a_part_is_cut_between_code_points() -> None:
    piled = "a" + "\u0301" * 100
    assert [part.text for part in gsm.segment("س" + piled).parts] == ["س", piled[:67], piled[67:]]


def test_padding_can_make_one_part_more() -> None:
    pairs = "a" * 152 + "€"
    cut = gsm.segment(pairs * 2)
    assert cut.units == 308
    assert [part.units for part in cut.parts] == [152, 153, 3]


@pytest.mark.parametrize(("character", "most"), [("a", 255 * 153), ("س", 255 * 67), ("€", 255 * 76)])
def test_more_than_255_parts_are_refused(character: str, most: int) -> None:
    assert len(gsm.segment(character * most).parts) == 255
    with pytest.raises(gsm.TooLong):
        gsm.segment(character * (most + 1))


@pytest.mark.parametrize(
    ("encoding", "text", "position"), [("latin1", "ab€", 2), ("ascii", "é", 0), ("gsm7", "aЖ", 1)]
)
def test_an_encoding_that_is_asked_for_must_fit(encoding: str, text: str, position: int) -> None:
    with pytest.raises(gsm.NotEncodable) as caught:
        gsm.segment(text, encoding=encoding)
    assert caught.value.position == position
    assert encoding in str(caught.value)


HOSTILE_GSM7 = [
    (b"\x80\xffa", "\ufffd\ufffda"),
    (b"a\x1b", "a\ufffd"),
    (b"\x1b\x1b", " "),
    (b"\x1bA", "A"),
    (b"\x1b\x9f", "\ufffd"),
    (b"\x1b\x1b\x1b\x65", " €"),
]


@pytest.mark.parametrize(("data", "text"), HOSTILE_GSM7)
def test_strange_octets_are_shown_not_raised(data: bytes, text: str) -> None:
    assert gsm.decode_gsm7(data) == text


@pytest.mark.parametrize(
    ("data", "text"), [(b"\xd8\x00\x00a", "\ufffda"), (b"\x00a\x00", "a\ufffd"), (b"\xd8=\xde\x00", "😀")]
)
def test_strange_code_units_are_shown_not_raised(data: bytes, text: str) -> None:
    assert gsm.decode_ucs2(data) == text


def test_half_a_pair_is_sent_as_the_replacement_character() -> None:
    assert gsm.encode_ucs2("a\ud83d") == b"\x00a\xff\xfd"
    assert gsm.segment("\ud83d").units == 1


SMART = [
    ("\u201cHello\u201d \u2013 it\u2019s\u00a0here\u2026", '"Hello" - it\'s here...'),
    ("cafe\u0301 №", "cafe\u0301 №"),  # № needs UCS-2 whatever is done
    ("cafe\u0301", "café"),
    ("«سلام» …", "«سلام» …"),  # stays UCS-2: its quotes are its own
    ("می\u200cشود", "می\u200cشود"),
    ("plain", "plain"),
    ("zero\u200bwidth\ufeff", "zerowidth"),
    ("О\u2019Коннор", "О\u2019Коннор"),
]


@pytest.mark.parametrize(("text", "plain"), SMART)
def test_smart_helps_only_where_it_makes_the_text_gsm(text: str, plain: str) -> None:
    assert gsm.smart(text) == plain


ANY_TEXT = st.text(
    st.sampled_from(
        [*"abcé€[]\r\n سЖ中\u200d\u200c\u0301\ufe0f", "👩", "🇮", "🏽", "\ud83d", "क", "\u094d", "가"]
    ),
    max_size=400,
)


@given(ANY_TEXT, st.sampled_from([8, 16]))
def test_parts_are_the_text_and_each_fits(text: str, bits: int) -> None:
    cut = gsm.segment(text, reference_bits=bits)
    assert "".join(part.text for part in cut.parts) == text
    room = gsm.SINGLE if len(cut.parts) == 1 else gsm.PER_PART[bits]
    encode = gsm.encode_gsm7 if cut.encoding == "gsm7" else gsm.encode_ucs2
    octets_per_unit = 1 if cut.encoding == "gsm7" else 2
    for part in cut.parts:
        assert len(encode(part.text)) == part.units * octets_per_unit
        assert part.units <= room[cut.encoding]
    assert cut.units_left == room[cut.encoding] - cut.parts[-1].units


@given(st.one_of(ANY_TEXT, st.text(st.sampled_from("aZ 0.\n"), max_size=400), st.text(max_size=20)))
def test_a_text_that_is_seen_to_be_plain_is_cut_as_any_other(text: str) -> None:
    assert gsm.segment(text) == gsm.segment(text, encoding=gsm.encoding_of(text))


@given(st.binary(max_size=300))
def test_no_octets_raise(data: bytes) -> None:
    assert len(gsm.decode_gsm7(data)) <= len(data)
    assert len(gsm.decode_ucs2(data)) <= len(data)


@given(st.text(st.sampled_from(sorted(set(gsm.BASIC) - {"\x1b"}) + list(EXTENSION_CODES)), max_size=200))
def test_gsm_there_and_back(text: str) -> None:
    assert gsm.decode_gsm7(gsm.encode_gsm7(text)) == text


BOUNDARIES = [  # cut where the bar is, and nowhere else
    "a|b",
    "\r\n|\n|\r|a",
    "e\u0301|e",
    FAMILY + "|" + FAMILY,
    "🇮🇷|🇺🇦|🇨",
    "👍🏽|👍",
    "❤\ufe0f|a",
    "a\u200d|👩",  # GB11 asks for a pictograph in front of the joiner
    "가\u11a8|나",
    "\u1100\u1161\u11a8|\u1100",
    "क\u094dष|क",
    "क\u094d\u200dष|क",
    "\u0600۱|۲",
    "\u200b|\u0301",  # GB4, GB5: nothing joins a control character
]


@pytest.mark.parametrize("marked", BOUNDARIES)
def test_grapheme_boundaries(marked: str) -> None:
    text = marked.replace("|", "")
    places = [place for place in range(1, len(text)) if is_boundary(text, place)]
    clusters = [text[start:end] for start, end in zip([0, *places], [*places, len(text)], strict=True)]
    assert "|".join(clusters) == marked

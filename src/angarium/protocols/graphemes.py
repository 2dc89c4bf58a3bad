"""Where a text may be cut without breaking what a reader sees as one character (UAX #29).

Rules: the extended grapheme cluster boundaries of Unicode Standard Annex #29, GB3 to GB13 with GB9c.
Properties that Python's `unicodedata` knows (marks, controls) are asked of it; the few it does not know
(Extended_Pictographic, Prepend, conjunct consonants …) are range tables here, from Unicode 15.1. A mark
added to Unicode after the running Python was built is taken for a letter of its own: the worst that can
happen is a cut in front of it.
"""

from __future__ import annotations

import unicodedata
from bisect import bisect_right
from enum import Enum, auto
from functools import lru_cache

CACHED_PROPERTIES = 4096


class Break(Enum):
    """Grapheme_Cluster_Break, as far as the rules tell characters apart."""

    OTHER = auto()
    CR = auto()
    LF = auto()
    CONTROL = auto()
    EXTEND = auto()
    ZWJ = auto()
    SPACING_MARK = auto()
    PREPEND = auto()
    REGIONAL_INDICATOR = auto()
    PICTOGRAPH = auto()
    L = auto()
    V = auto()
    T = auto()
    LV = auto()
    LVT = auto()


def _ranges(text: str) -> tuple[int, ...]:
    """`"00A9 2194-2199"` as a flat sorted list of bounds: first, past the last, first, past the last …"""
    bounds: list[int] = []
    for item in text.split():
        first, _, last = item.partition("-")
        bounds += (int(first, 16), int(last or first, 16) + 1)
    return tuple(bounds)


# emoji-data.txt, Extended_Pictographic
PICTOGRAPHS = _ranges(
    "00A9 00AE 203C 2049 2122 2139 2194-2199 21A9-21AA 231A-231B 2328 2388 23CF 23E9-23F3 23F8-23FA 24C2 "
    "25AA-25AB 25B6 25C0 25FB-25FE 2600-2605 2607-2612 2614-2685 2690-2705 2708-2712 2714 2716 271D 2721 "
    "2728 2733-2734 2744 2747 274C 274E 2753-2755 2757 2763-2767 2795-2797 27A1 27B0 27BF 2934-2935 "
    "2B05-2B07 2B1B-2B1C 2B50 2B55 3030 303D 3297 3299 1F000-1F0FF 1F10D-1F10F 1F12F 1F16C-1F171 "
    "1F17E-1F17F 1F18E 1F191-1F19A 1F1AD-1F1E5 1F201-1F20F 1F21A 1F22F 1F232-1F23A 1F23C-1F23F "
    "1F249-1F3FA 1F400-1F53D 1F546-1F64F 1F680-1F6FF 1F774-1F77F 1F7D5-1F7FF 1F80C-1F80F 1F848-1F84F "
    "1F85A-1F85F 1F888-1F88F 1F8AE-1F8FF 1F90C-1F93A 1F93C-1F945 1F947-1FAFF 1FC00-1FFFD"
)
# PropList.txt, Other_Grapheme_Extend, with the emoji modifiers (skin tones)
OTHER_EXTENDS = _ranges(
    "09BE 09D7 0B3E 0B57 0BBE 0BD7 0CC2 0CD5-0CD6 0D3E 0D57 0DCF 0DDF 1B35 200C 302E-302F FF9E-FF9F 1133E "
    "11357 114B0 114BD 115AF 11930 1D165 1D16E-1D172 1F3FB-1F3FF E0020-E007F"
)
# GraphemeBreakProperty.txt, Prepend
PREPENDS = _ranges(
    "0600-0605 06DD 070F 0890-0891 08E2 0D4E 110BD 110CD 111C2-111C3 1193F 11941 11A3A 11A84-11A89 11D46 "
    "11F02"
)
# UAX #29, table 2: General_Category=Mc, yet not SpacingMark
FREE_MARKS = _ranges(
    "102B-102C 1038 1062-1064 1067-106D 1083 1087-108C 108F 109A-109C 1A61 1A63-1A64 AA7B AA7D 11720-11721"
)
# DerivedCoreProperties.txt, Indic_Conjunct_Break=Consonant and =Linker
CONJUNCT_CONSONANTS = _ranges(
    "0915-0939 0958-095F 0978-097F 0995-09A8 09AA-09B0 09B2 09B6-09B9 09DC-09DD 09DF 09F0-09F1 0A95-0AA8 "
    "0AAA-0AB0 0AB2-0AB3 0AB5-0AB9 0AF9 0B15-0B28 0B2A-0B30 0B32-0B33 0B35-0B39 0B5C-0B5D 0B5F 0B71 "
    "0C15-0C28 0C2A-0C39 0C58-0C5A 0D15-0D3A"
)
CONJUNCT_LINKERS = frozenset("\u094d\u09cd\u0acd\u0b4d\u0c4d\u0d4d")

ZWJ = "\u200d"
HANGUL_SYLLABLES = range(0xAC00, 0xD7A4)
HANGUL_TRAILERS = 28  # syllables with one leading consonant and one vowel; the first has no trailer

OTHER = Break.OTHER
NOTHING_AROUND = frozenset({Break.CR, Break.LF, Break.CONTROL})  # GB4, GB5: always a boundary
NEVER_FIRST = frozenset({Break.EXTEND, Break.ZWJ, Break.SPACING_MARK})  # GB9, GB9a: never a boundary before
HANGUL_JOINS = {  # GB6, GB7, GB8
    Break.L: frozenset({Break.L, Break.V, Break.LV, Break.LVT}),
    Break.LV: frozenset({Break.V, Break.T}),
    Break.V: frozenset({Break.V, Break.T}),
    Break.LVT: frozenset({Break.T}),
    Break.T: frozenset({Break.T}),
}


def boundary_before(text: str, start: int, end: int) -> int:
    """The last place in (start, end] where the text may be cut; `end` when all of it is one cluster.

    `start` is taken for a boundary, so nothing in front of it is read: cost is bounded by the part.
    """
    for place in range(end, start, -1):
        if is_boundary(text, place, start):
            return place
    return end


def is_boundary(text: str, place: int, start: int = 0) -> bool:
    """Whether a cluster ends between `text[place - 1]` and `text[place]`; reads nothing before `start`."""
    if place in (start, len(text)):
        return True
    left, right = break_of(text[place - 1]), break_of(text[place])
    if left is OTHER and right is OTHER:
        return True  # GB999, and nearly every pair there is
    if left is Break.CR and right is Break.LF:
        return False  # GB3
    if left in NOTHING_AROUND or right in NOTHING_AROUND:
        return True
    if right in NEVER_FIRST or left is Break.PREPEND or right in HANGUL_JOINS.get(left, ()):
        return False
    if left is Break.ZWJ and right is Break.PICTOGRAPH:
        return not _pictograph_before(text, place - 1, start)
    if left is Break.REGIONAL_INDICATOR and right is Break.REGIONAL_INDICATOR:
        return _indicators_before(text, place, start) % 2 == 0
    if left in NEVER_FIRST and _within(CONJUNCT_CONSONANTS, text[place]):
        return not _conjunct_before(text, place, start)
    return True


@lru_cache(maxsize=CACHED_PROPERTIES)
def break_of(character: str) -> Break:
    """Grapheme_Cluster_Break of one character."""
    if character in "\r\n":
        return Break.CR if character == "\r" else Break.LF
    if character == ZWJ:
        return Break.ZWJ
    if _within(OTHER_EXTENDS, character):
        return Break.EXTEND
    if _within(PREPENDS, character):
        return Break.PREPEND
    if _within(PICTOGRAPHS, character):
        return Break.PICTOGRAPH
    if "\U0001f1e6" <= character <= "\U0001f1ff":
        return Break.REGIONAL_INDICATOR
    return _by_category(character) or _hangul(ord(character))


def _by_category(character: str) -> Break | None:
    category = unicodedata.category(character)
    if category in ("Mn", "Me"):
        return Break.EXTEND
    if category in ("Cc", "Cf", "Cs", "Zl", "Zp"):
        return Break.CONTROL
    if (category == "Mc" and not _within(FREE_MARKS, character)) or character in "\u0e33\u0eb3":
        return Break.SPACING_MARK
    return None


def _hangul(code: int) -> Break:
    if code in HANGUL_SYLLABLES:
        return Break.LVT if (code - HANGUL_SYLLABLES.start) % HANGUL_TRAILERS else Break.LV
    if 0x1100 <= code <= 0x115F or 0xA960 <= code <= 0xA97C:
        return Break.L
    if 0x1160 <= code <= 0x11A7 or 0xD7B0 <= code <= 0xD7C6:
        return Break.V
    if 0x11A8 <= code <= 0x11FF or 0xD7CB <= code <= 0xD7FB:
        return Break.T
    return Break.OTHER


def _within(ranges: tuple[int, ...], character: str) -> bool:
    return bisect_right(ranges, ord(character)) % 2 == 1


def _pictograph_before(text: str, place: int, start: int) -> bool:
    """GB11: a pictograph, then only extenders, end at `place`."""
    while place > start and break_of(text[place - 1]) is Break.EXTEND:
        place -= 1
    return place > start and break_of(text[place - 1]) is Break.PICTOGRAPH


def _indicators_before(text: str, place: int, start: int) -> int:
    """GB12, GB13: how many regional indicators end at `place`; two make a flag."""
    count = 0
    while place - count > start and break_of(text[place - count - 1]) is Break.REGIONAL_INDICATOR:
        count += 1
    return count


def _conjunct_before(text: str, place: int, start: int) -> bool:
    """GB9c: a consonant, then marks with at least one linker among them, end at `place`."""
    linked = False
    while place > start and break_of(text[place - 1]) in (Break.EXTEND, Break.ZWJ):
        linked = linked or text[place - 1] in CONJUNCT_LINKERS
        place -= 1
    return linked and place > start and _within(CONJUNCT_CONSONANTS, text[place - 1])

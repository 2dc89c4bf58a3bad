"""Templates that an operator registered ("patterns"), and whether a text fits one of them. Pure.

A pattern is words with places in between. Texts and patterns are compared as operators compare them, after
`normal`: every run of blanks is one blank; Arabic and Persian forms of a letter are one letter, digits of any
script are 0 to 9, marks that nobody sees are left out. Upper and lower case stay apart.

The matcher is written out instead of a regular expression, because patterns come from outside: it goes
through a text once for each place and keeps the set of positions at which the place may begin, so that its
work grows with places × length and never with their ways of being combined. A place holds at least one
character and neither begins nor ends with a blank.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from enum import StrEnum

import msgspec

TEXT_MAX = 2_000  # characters of a pattern, and of a text that is compared
PLACES_MAX = 40
LIMIT_MAX = 1_000

# ── normal form ──────────────────────────────────────────────────────────────────────────────────────

_LETTERS = {"ي": "ی", "ى": "ی", "ك": "ک"}
# Joiners, direction marks, the soft hyphen, the lengthening dash, and what is written above Arabic letters.
_UNSEEN = (
    *(0x00AD, 0x0640, 0x0670, 0x180E, 0xFEFF),
    *range(0x064B, 0x0660),
    *range(0x200B, 0x2010),
    *range(0x202A, 0x202F),
    *range(0x2060, 0x2065),
    *range(0x2066, 0x206A),
)
_DIGITS = {
    zero + digit: str(digit)
    for zero in (0x0660, 0x06F0, 0x0966, 0xFF10)  # Arabic, Persian, Devanagari, full width
    for digit in range(10)
}
_ONE = {ord(letter): same for letter, same in _LETTERS.items()} | dict.fromkeys(_UNSEEN, "") | _DIGITS
_FORMS = {  # letters as old fonts had them, one code for each shape: Unicode's Arabic Presentation Forms
    code: unicodedata.normalize("NFKC", chr(code)).translate(_ONE)
    for code in (*range(0xFB50, 0xFDFD), *range(0xFE70, 0xFEFD))
}
_TABLE = _FORMS | _ONE


def normal(text: str) -> str:
    """A text in the form in which it is compared; applying it again changes nothing."""
    return " ".join(_seen(text).split())


def _seen(text: str) -> str:
    """A text with one code for what looks the same."""
    if text.isascii():
        return text
    composed = unicodedata.normalize("NFC", text).translate(_TABLE)
    return unicodedata.normalize("NFC", composed)


# ── syntaxes and patterns ────────────────────────────────────────────────────────────────────────────


class Kind(StrEnum):
    """What may stand in a place."""

    ANY = "any"
    DIGITS = "digits"
    LETTERS_DIGITS = "letters_digits"  # and blanks
    URL = "url"


class Limit(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What may stand in a place: its kind, and at the most so many characters and words."""

    kind: Kind = Kind.ANY
    chars: int = 100
    words: int = 1
    words_least: int = 1
    chars_least: int = 1


class Syntax(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How an operator writes places."""

    key: str
    title: str
    place: str
    source: str
    as_of: str
    limit: Limit
    named: dict[str, Limit] = {}
    numbered: bool = False  # its places have no names of their own: the kind and a number tell them apart


class Place(msgspec.Struct, frozen=True):
    """A place of a pattern."""

    name: str
    limit: Limit


class Pattern(msgspec.Struct, frozen=True):
    """A pattern made ready: literal 0, place 0, literal 1, … ; one literal more than places."""

    id: int
    name: str
    external_id: str
    text: str  # as it was registered
    literals: tuple[str, ...]
    places: tuple[Place, ...]


class NoPattern(ValueError):
    """A text is no pattern; says why."""


def made(
    syntax: Syntax,
    text: str,
    limits: Mapping[str, Limit],
    pattern_id: int = 0,
    name: str = "",
    external_id: str = "",
) -> Pattern:
    """A pattern of its text; NoPattern says what is wrong."""
    if len(text) > TEXT_MAX:
        raise NoPattern(f"is longer than {TEXT_MAX} characters")
    literals: list[str] = []
    places: list[Place] = []
    end = 0
    for match in re.finditer(syntax.place, text):
        if match.start() == match.end():
            continue
        literals.append(text[end : match.start()])
        places.append(_place(syntax, match, limits, len(places)))
        end = match.end()
    literals.append(text[end:])
    if len(places) > PLACES_MAX:
        raise NoPattern(f"has more than {PLACES_MAX} places")
    unknown = limits.keys() - {place.name for place in places}
    if unknown:
        raise NoPattern(f"has no place {min(unknown)!r} to limit")
    if not any(character.isalnum() for literal in literals for character in normal(literal)):
        raise NoPattern("has no word of its own: every text would fit it")
    plain, apart = _apart(_literals(literals), places)
    return Pattern(pattern_id, name, external_id, text, plain, apart)


def _apart(literals: Sequence[str], places: Sequence[Place]) -> tuple[tuple[str, ...], tuple[Place, ...]]:
    """Places with nothing between them as one: how a longer value is registered where places are short."""
    plain, merged = [literals[0]], list(places[:1])
    for literal, place in zip(literals[1:], places[1:], strict=False):
        if literal:
            plain.append(literal)
            merged.append(place)
        else:
            merged[-1] = Place(f"{merged[-1].name}+{place.name}", _sum(merged[-1].limit, place.limit))
    return (*plain, *literals[-1:]) if places else (literals[0],), tuple(merged)


def _sum(one: Limit, other: Limit) -> Limit:
    return Limit(
        one.kind if one.kind is other.kind else Kind.ANY,
        one.chars + other.chars,
        one.words + other.words,
        max(one.words_least, other.words_least),
        one.chars_least + other.chars_least,
    )


def _place(syntax: Syntax, match: re.Match[str], limits: Mapping[str, Limit], number: int) -> Place:
    name = match["name"]
    limit = syntax.named.get(name, syntax.limit)
    parts = match.groupdict()
    if parts.get("most"):
        least, most = int(parts["least"]), int(parts["most"])
        if not 1 <= least <= most:
            raise NoPattern(f"says {match[0]!r}: from 1 upwards, the lesser number first")
        digits = limit.kind is Kind.DIGITS
        changed = {"chars_least": least, "chars": most} if digits else {"words_least": least, "words": most}
        limit = msgspec.structs.replace(limit, **changed)
    shown = f"{name}{number}" if syntax.numbered else name
    own = limits.get(shown, limit)
    if not (
        1 <= own.chars_least <= own.chars <= LIMIT_MAX and 1 <= own.words_least <= own.words <= LIMIT_MAX
    ):
        raise NoPattern(f"limits {shown!r} to what cannot be: from 1 to {LIMIT_MAX}, the least first")
    return Place(shown, own)


def _literals(parts: Sequence[str]) -> list[str]:
    """Literals in normal form; of blanks between a literal and a place one stays."""
    plain = [" ".join(f"x{_seen(part)}x".split())[1:-1] for part in parts]
    plain[0], plain[-1] = plain[0].lstrip(), plain[-1].rstrip()
    return plain


# ── matching ─────────────────────────────────────────────────────────────────────────────────────────


class Measured:
    """A text in normal form with what its places are measured by, counted once."""

    __slots__ = ("_runs", "_starts", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self._starts: list[int] | None = None
        self._runs: dict[Kind, list[int]] = {}

    def words(self, begin: int, end: int) -> int:
        """How many words the text has from one position to another."""
        if self._starts is None:
            counts, before = [0], " "
            for character in self.text:
                counts.append(counts[-1] + (before == " " != character))
                before = character
            self._starts = counts
        starts = self._starts
        inside = begin > 0 and self.text[begin] != " " and self.text[begin - 1] != " "
        return starts[end] - starts[begin] + inside

    def good_from(self, kind: Kind, end: int) -> int:
        """The first position from which all up to `end` is of a kind."""
        if kind is Kind.ANY:
            return 0
        runs = self._runs.get(kind)
        if runs is None:
            runs = [0]
            for position, character in enumerate(self.text):
                runs.append(runs[-1] if _is_of(kind, character) else position + 1)
            self._runs[kind] = runs
        return runs[end]


def _is_of(kind: Kind, character: str) -> bool:
    if kind is Kind.DIGITS:
        return "0" <= character <= "9"
    if kind is Kind.URL:
        return character != " "
    return character.isalnum() or character == " "


def fits(pattern: Pattern, measured: Measured) -> bool:
    """Whether a text fits a pattern from end to end."""
    text, literals, places = measured.text, pattern.literals, pattern.places
    if not places:
        return text == literals[0]
    first, last = len(literals[0]), len(text) - len(literals[-1])
    if first >= last or not text.startswith(literals[0]) or not text.endswith(literals[-1]):
        return False
    begins = [first] if text[first] != " " else []
    for place, following in zip(places[:-1], literals[1:-1], strict=True):
        if not begins:
            return False
        begins = _begins(measured, place.limit, begins, following, last)
    return bool(begins) and _ends(measured, places[-1].limit, begins, last)


def values(pattern: Pattern, text: str) -> dict[str, str]:
    """What stands in each place of a pattern that a text fits, in normal form and in order.

    Where blanks between places can be told apart in several ways, any of them makes the same text. Nothing
    when one name stands for two values: then no values make this text.
    """
    measured = Measured(normal(text))
    found: list[tuple[str, str]] = []
    begins = _all_begins(pattern, measured)
    end = len(measured.text) - len(pattern.literals[-1])
    for number in reversed(range(len(pattern.places))):
        place = pattern.places[number]
        begin = next(
            one for one in reversed(begins[number]) if one < end and _ends(measured, place.limit, [one], end)
        )
        found.append((place.name, measured.text[begin:end]))
        end = begin - len(pattern.literals[number])
    by_name = dict(reversed(found))
    return by_name if all(by_name[name] == value for name, value in found) else {}


def _all_begins(pattern: Pattern, measured: Measured) -> list[list[int]]:
    """Where each place may begin, the places before it taken into account."""
    last = len(measured.text) - len(pattern.literals[-1])
    begins = [[len(pattern.literals[0])]]
    for place, following in zip(pattern.places[:-1], pattern.literals[1:-1], strict=True):
        begins.append(_begins(measured, place.limit, begins[-1], following, last))
    return begins


def _begins(measured: Measured, limit: Limit, begins: list[int], literal: str, last: int) -> list[int]:
    """Where the next place may begin: behind each literal at which this one may end."""
    text, found, size = measured.text, [], len(literal)
    farthest = begins[-1] + limit.chars
    at = text.find(literal, begins[0] + limit.chars_least, last)
    while 0 <= at <= farthest:
        begin = at + size
        if begin < last and text[begin] != " " and _ends(measured, limit, begins, at):
            found.append(begin)
        at = text.find(literal, at + 1, last)
    return found


def _ends(measured: Measured, limit: Limit, begins: list[int], end: int) -> bool:
    """Whether a place that begins at one of these positions may end here.

    The later it begins, the fewer characters and words it has: the last position with enough of both decides.
    """
    if measured.text[end - 1] == " ":
        return False
    near = bisect_right(begins, end - limit.chars_least)
    enough = bisect_right(begins, -limit.words_least, hi=near, key=lambda begin: -measured.words(begin, end))
    if not enough:
        return False
    begin = begins[enough - 1]
    farthest = max(end - limit.chars, measured.good_from(limit.kind, end))
    return begin >= farthest and measured.words(begin, end) <= limit.words

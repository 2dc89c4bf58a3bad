"""Sentences that are said in English below the console: which of them a text is, and what fills its gaps.

What a caller can mend, what a lint finds, why the gate says no: it is worded in English where it is known,
and goes like that to the API, into logs and into the database. The console hears it again: it knows each
sentence by its shape, and says it in the language of who looks (`Voice.heard`). A room brings `said.toml`, in
which each sentence stands with its gaps, and below it what it is in each other language, with the same gaps:

    ["At most {most:number} bytes; send it in several requests."]
    ru = "Не больше {most} байт; отправьте несколькими запросами."

The kind of a gap says what may fill it:

    | kind   | what fills it                                                              |
    |--------|----------------------------------------------------------------------------|
    | none   | any text: it is quoted as it is, isolated from the sentence around it      |
    | number | digits, perhaps with commas between thousands; where the gap is called     |
    |        | `count`, a table of plural forms may follow                                |
    | money  | a number, and perhaps a currency                                           |
    | time   | RFC 3339; shown in the zone of the page                                    |
    | hour   | a time of day, such as 21:00                                               |
    | field  | the path of a field, such as addresses[0].value                            |
    | said   | others of these sentences, or it is not this one                           |
    | word   | others of these sentences, or else any text                                |
    | state  | what the words of some room call a state, or as `word`                     |
    | channel| the kind of a channel, which is called by its title; several, or as `word` |
    | other  | a name in words.*.toml that begins so: `{which:class}` is `class.<which>`; |
    |        | or several of these: "service or otp", "service, otp"                      |

Of several ways to hear a text the one counts that quotes the least of it. tests/house/test_said.py holds the
sentences of the code against the catalogue, both ways.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator
from datetime import datetime
from functools import cache, lru_cache
from importlib.resources import files
from typing import NamedTuple

from angarium.web.languages import Sentence

GAP = re.compile(r"\{(\w+)(?::(\w+))?\}")
TEXT = "text"  # the kind of a gap that names none
CHANNEL = "channel"
EXACTLY = {
    "number": re.compile(r"-?(?:\d{1,15}|\d{1,3}(?:,\d{3}){1,4})(?:\.\d{1,9})?"),
    "money": re.compile(r"-?\d{1,15}(?:\.\d{1,9})?(?: [A-Z]{3})?"),
    "hour": re.compile(r"\d{2}:\d{2}"),
    "field": re.compile(r"\w[\w.\[\]*@-]*"),
}
SEAM = re.compile(r"(?<=[.;:]) ")  # where two sentences may have been put together
SEAMS_MAX = 12
HEARD_MAX = 2_000  # characters: no sentence of ours is longer, whatever fills it
KEPT = 4_096  # texts of which it is kept what they are

Translations = dict[str, Sentence]  # by the code of a language


class Gap(NamedTuple):
    """A place in a sentence: its name, and the kind of what fills it."""

    name: str
    kind: str


class Known(NamedTuple):
    """A sentence of the catalogue: its English, what fills its gaps, and how much of that nobody knows."""

    key: str
    fillings: tuple[tuple[Gap, str | Said], ...]
    quoted: int


class Row(NamedTuple):
    """Sentences one after another, each but the last with the sign after it: "", ".", ";" or ":"."""

    parts: tuple[tuple[Known, str], ...]
    quoted: int


Said = Known | Row


class Shape:
    """A sentence as it is recognized: what is always there, and the gaps between."""

    __slots__ = ("gaps", "key", "literals")

    def __init__(self, key: str) -> None:
        pieces = GAP.split(key)  # words, name, kind, words, …
        self.key = key
        self.literals = tuple(pieces[::3])
        self.gaps = tuple(
            Gap(name, kind or TEXT) for name, kind in zip(pieces[1::3], pieces[2::3], strict=True)
        )

    def fillings(self, text: str) -> tuple[str, ...] | None:
        """What fills the gaps when the text is this sentence; None when it is not.

        Each gap ends where what follows it comes first, so that a hostile text costs one walk over it.
        """
        first, last = self.literals[0], self.literals[-1]
        if not text.startswith(first) or not text.endswith(last):
            return None
        found, at, end = [], len(first), len(text) - len(last)
        for literal in self.literals[1:-1]:
            place = text.find(literal, at + 1, end)
            if place < 0:
                return None
            found.append(text[at:place])
            at = place + len(literal)
        return (*found, text[at:end]) if at < end else None


class Catalogue:
    """Sentences by their shapes."""

    def __init__(self, said: dict[str, Translations]) -> None:
        self.said = said
        self._beginning: dict[str, list[Shape]] = {}  # those with gaps, by their first letter; "": by none
        for shape in map(Shape, said):
            if shape.gaps:
                self._beginning.setdefault(shape.literals[0][:1], []).append(shape)
        self.hear = lru_cache(maxsize=KEPT)(self._hear)

    def shapes(self, text: str) -> Iterator[tuple[Shape, tuple[str, ...]]]:
        """The sentences with gaps that a text may be by its letters, with what would fill them."""
        for begin in (text[:1], ""):
            for shape in self._beginning.get(begin, ()):
                fillings = shape.fillings(text)
                if fillings is not None:
                    yield shape, fillings

    def _hear(self, text: str) -> Said | None:
        """What a text is; None when it, or some of it, is none of ours."""
        if text in self.said and not GAP.search(text):
            return Known(text, (), 0)
        if not 1 < len(text) <= HEARD_MAX:
            return None
        ways: list[Said] = [*self._whole(text), *self._apart(text), *self._ended(text)]
        return min(ways, key=lambda way: way.quoted, default=None)

    def _whole(self, text: str) -> Iterator[Known]:
        """The sentences that it may be by itself."""
        for shape, fillings in self.shapes(text):
            filled = self._filled(shape, fillings)
            if filled is not None:
                yield filled

    def _filled(self, shape: Shape, fillings: tuple[str, ...]) -> Known | None:
        found: list[tuple[Gap, str | Said]] = []
        quoted = 0
        for gap, text in zip(shape.gaps, fillings, strict=True):
            if not fits(gap.kind, text):
                return None
            inner = self.hear(text) if gap.kind in ("said", "word", "state", CHANNEL) else None
            if inner is None and gap.kind == "said":
                return None
            quoted += inner.quoted if inner else _unknown(gap.kind, text)
            found.append((gap, inner or text))
        return Known(shape.key, tuple(found), quoted)

    def _apart(self, text: str) -> Iterator[Row]:
        """What it may be as several, one after another."""
        for seam in list(SEAM.finditer(text))[:SEAMS_MAX]:
            head, rest = text[: seam.start()], self.hear(text[seam.end() :])
            if rest is None:
                continue
            for bare, sign in ((head, ""), (head[:-1], head[-1])):
                first = min(self._alone(bare), key=lambda way: way.quoted, default=None)
                if first is not None:
                    others = rest.parts if isinstance(rest, Row) else ((rest, ""),)
                    yield Row(((first, sign), *others), first.quoted + rest.quoted)

    def _alone(self, text: str) -> Iterable[Known]:
        return (Known(text, (), 0),) if text in self.said else self._whole(text)

    def _ended(self, text: str) -> Iterator[Row]:
        """The last of several that were joined and ended together."""
        if text.endswith("."):
            for last in self._alone(text[:-1]):
                yield Row(((last, "."),), last.quoted)


def _unknown(kind: str, text: str) -> int:
    """How much of a filling is only quoted: words in a row may be a sentence that was not heard."""
    return len(text) if kind == "field" or (kind not in EXACTLY and " " in text) else 0


def fits(kind: str, text: str) -> bool:
    """Whether a text may fill a gap of a kind, as far as its letters say."""
    if kind == "time":
        return time_of(text) is not None
    return kind not in EXACTLY or EXACTLY[kind].fullmatch(text) is not None


def time_of(text: str) -> datetime | None:
    """An instant as machines write it; None when it is none."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return at if at.tzinfo else None


@cache
def rooms() -> tuple[str, ...]:
    """The rooms that bring sentences."""
    folders = (folder for folder in files("angarium").iterdir() if folder.is_dir())
    return tuple(sorted(folder.name for folder in folders if folder.joinpath("said.toml").is_file()))


def sentences_of(room: str) -> dict[str, Translations]:
    """The sentences of one room, by their English."""
    return tomllib.loads(files("angarium").joinpath(room, "said.toml").read_text(encoding="utf-8"))


@cache
def catalogue() -> Catalogue:
    """The sentences of all rooms."""
    return Catalogue(union(sentences_of(room) for room in rooms()))


def union(parts: Iterable[dict[str, Translations]]) -> dict[str, Translations]:
    """Several rooms' sentences as one; ValueError when two bring the same."""
    whole: dict[str, Translations] = {}
    for part in parts:
        if twice := whole.keys() & part.keys():
            raise ValueError(f"these sentences are in said.toml of two rooms: {sorted(twice)}")
        whole |= part
    return whole

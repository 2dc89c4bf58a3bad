"""Which words of a text promote: discounts, offers, calls to buy, urgency, gifts, greetings with a code.

A text is compared with lists of phrases (`phrases.py`). Each kind of phrases speaks for advertising, as a
price that is lowered or an invitation to come, or against it, as an amount that is due, an apology or a
receipt. How many points a kind counts stands in `wordlists/weights.toml`. What is found is marked, so
that a person sees why:

- of phrases that overlap the longest counts; what a workspace never takes for advertising, and what is
  neutral anywhere ("discount applied"), takes what it overlaps out of the count;
- what a link is made of counts neither way;
- of a kind two marks count in a sentence, not more;
- the score of a text is that of the run of sentences in it that promotes most, so that a receipt takes
  nothing from the offer that follows it;
- what speaks against takes no more than a bound, or whoever adds an order number could say anything.

From `likely` points on it is *likely* advertising, from `certain` on *certain*; both stand beside the
weights. A workspace's own phrase makes a text likely whatever stands beside it; two of them, or one in a
text that is likely anyway, make it certain.

Pure. What it is worth on texts that it was not tuned with is printed by `python -m bench --scenario
wording`; the weights are learned anew from those that it may be tuned with by `python -m bench.weights`.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache

import msgspec

from angarium.content.phrases import Lists, found, lists, own, table
from angarium.content.shapes import NOUGHTS, Shape, Shapes, parts
from angarium.content.tokens import Token, tokenise, unlinked

TEXT_MAX = 20_000  # characters that are looked at
COUNTED_MAX = 2  # marks of a kind in a sentence
RUN_MAX = 6  # sentences
SHAPES_KEPT = 8_192  # of texts; as many answers
KNOWN_KEPT = 64  # workspaces with words of their own
PARTS_KEPT, OWN_PARTS_KEPT = 4_096, 512  # parts of texts that are remembered

FIRST = {"never": 0, "own": 1, "neutral": 2}  # whose word counts before another's; all others come after
AFTER = 3
FIGURE_MIN = 3  # signs
BESIDE = frozenset({"service", "done", "warning"})  # say what a text is about; others may too

SENTENCE_END = re.compile(r"[.!?؟;؛…]+(?=\s|$)|[。!?;][”』】]?|\n+|】")
FIGURE = re.compile(r"\d+(?:[:٫./月]\d+)*")  # with what stands between its digits
DATE = r"[0-3]?\d/[01]?\d(?:/\d{2,4})?|\d{1,2}\.[01]\d\.\d{2,4}|[0-3]\d\.[01]\d|\d{1,2}月\d+"
FIGURES = (  # what it is, when it is more than a number; service messages are full of them
    ("time", re.compile(r"\d{1,2}[:٫]\d{2}(?:[:٫]\d{2})?")),
    ("date", re.compile(DATE)),
    ("number", re.compile(r"\d{5,}")),
)
SIGNS = frozenset({"time", "date", "number", "off", "shouting"})  # kinds of marks that are no phrases
NUMBERED = re.compile(r"[№#]\s?\d")
OFF = re.compile(r"(?<![\w,.])[-−–]\s?\d{1,2}\s?[%٪％]")  # −30 %, which has no word
SHOUTING = re.compile(r"[🎁🎉🔥💥🛍🎊💸🤑⚡]|[!！]{2,}")


class Mark(msgspec.Struct, frozen=True, gc=False):
    """Words that count: characters `start` to `end` of the text."""

    start: int
    end: int
    kind: str  # of the lists: "offer.strong", "cut"; or own, never, off, time, date, number, shouting
    points: int  # that it speaks for advertising, below zero against it
    entry: str  # of the list

    @property
    def said(self) -> str:
        """Its kind as people read it: "strong offer", "cut"."""
        return " ".join(reversed(self.kind.split(".")))


class Detection(msgspec.Struct, frozen=True):
    """What a text looks like."""

    score: int  # points
    marks: tuple[Mark, ...]
    has_signs: bool = False  # among the marks some that are no phrases

    @property
    def is_likely(self) -> bool:
        """Whether it is advertising rather than not."""
        return self.score >= WEIGHTS.likely

    @property
    def is_certain(self) -> bool:
        """Whether there is no doubt worth a person's time."""
        return self.score >= WEIGHTS.certain

    def speaking(self) -> tuple[Mark, ...]:
        """The marks that speak for it, in the order of the text."""
        return tuple(mark for mark in self.marks if mark.points > 0 or mark.kind == "own")

    def words(self, text: str) -> tuple[str, ...]:
        """The words that speak for it, strongest first, as they stand in the text."""
        some = sorted(self.speaking(), key=lambda mark: (mark.kind != "own", -mark.points, mark.start))
        return tuple(dict.fromkeys(text[mark.start : mark.end] for mark in some))


# rank, less the length, whether it is of the loud tables, start, end, kind, entry
Place = tuple[int, int, bool, int, int, str, str]


class Weights(msgspec.Struct, frozen=True):
    """What kinds of phrases count, and from where on a text is advertising; in points."""

    points: dict[str, int]  # by kind; below zero when it speaks against advertising
    likely: int
    certain: int
    against_max: int  # that what speaks against may take from a run of sentences


def weights() -> Weights:
    """Those of `wordlists/weights.toml`."""
    read = table("weights")
    for_ = {kind: int(points) for kind, points in read["for"].items()}
    against = {kind: -int(points) for kind, points in read["against"].items()}
    verdict = {name: int(points) for name, points in read["verdict"].items()}
    return Weights(for_ | against, verdict["likely"], verdict["certain"], verdict["against_max"])


WEIGHTS = weights()


class Known:
    """What texts are compared with, and their shapes; no workspace has those of another's words."""

    def __init__(self, also: tuple[str, ...], never: tuple[str, ...]) -> None:
        has_own = bool(also or never)
        self.lists = (lists(), own(also, never)) if has_own else (lists(),)
        self.shapes = Shapes(self.lists, OWN_PARTS_KEPT if has_own else PARTS_KEPT)


known = lru_cache(maxsize=KNOWN_KEPT)(Known)


def read_lists() -> None:
    """Read what texts are compared with where a workspace has no words of its own: a fifth of a second."""
    known((), ())


@lru_cache(maxsize=SHAPES_KEPT)
def _place(known: Known, shape: Shape) -> list[Detection]:
    """Where is kept what the first text of a shape looked like."""
    return []


def detect(text: str, also: Sequence[str] = (), never: Sequence[str] = ()) -> Detection:
    """What a text looks like. `also` are further phrases that promote for a workspace, `never` do not.

    Of texts of one shape (`shapes.py`) the first is looked at.
    """
    was_ascii, text = text.isascii(), unlinked(text[:TEXT_MAX])
    compared = known(tuple(also), tuple(never))
    split = parts(text, was_ascii)
    if split is None:
        return _detection(text, tokenise(text), compared.lists)
    place = _place(compared, compared.shapes.of(split))
    if not place:
        place.append(_detection(text, compared.shapes.tokens(split), compared.lists))
        return place[0]
    return _of(text, place[0])


def plainly(text: str, also: Sequence[str] = (), never: Sequence[str] = ()) -> Detection:
    """The same, with nothing remembered."""
    text = unlinked(text[:TEXT_MAX])
    return _detection(text, tokenise(text), Known(tuple(also), tuple(never)).lists)


def _of(text: str, found: Detection) -> Detection:
    """What was found in a text of the same shape; signs are told as they stand in this one."""
    if not found.has_signs:
        return found
    marks = [
        Mark(one.start, one.end, one.kind, one.points, text[one.start : one.end])
        if one.kind in SIGNS
        else one
        for one in found.marks
    ]
    return Detection(found.score, tuple(marks), True)


def _detection(text: str, tokens: Sequence[Token], compared: Sequence[Lists]) -> Detection:
    marks = _marks(text, tokens, compared)
    points = score(kinds(marks, _ends(text)), WEIGHTS)
    said = [mark.kind for mark in marks]
    if "own" in said:  # a workspace knows what it means
        sure = said.count("own") > 1 or points >= WEIGHTS.likely
        points = max(points, WEIGHTS.certain if sure else WEIGHTS.likely)
    return Detection(points, tuple(marks), not SIGNS.isdisjoint(said))


# ── marking ──────────────────────────────────────────────────────────────────────────────────────────


def marked(text: str) -> tuple[list[Mark], list[int]]:
    """What is found in a text by the lists that are shipped, in its order, and where its sentences end."""
    text = unlinked(text[:TEXT_MAX])
    return _marks(text, tokenise(text), (lists(),)), _ends(text)


def _ends(text: str) -> list[int]:
    return [match.end() for match in SENTENCE_END.finditer(text)]


def _marks(text: str, tokens: Sequence[Token], compared: Sequence[Lists]) -> list[Mark]:
    some = [
        (FIRST.get(one.kind, AFTER), start - end, "." in one.kind, start, end, one.kind, one.text)
        for listed in compared
        for start, end, one in found(tokens, listed)
    ]
    for start, end, kind in _signs(text):
        some.append((AFTER, start - end, False, start, end, kind, text[start:end]))
    return _apart(some, len(text))


def _signs(text: str) -> Iterator[tuple[int, int, str]]:
    """What says something without a word."""
    for match in FIGURE.finditer(text):
        figure = match[0]
        if len(figure) >= FIGURE_MIN:
            kind = next((kind for kind, form in FIGURES if form.fullmatch(figure)), None)
            if kind is not None and not (kind == "number" and figure[0] in NOUGHTS):
                yield *match.span(), kind
    if "№" in text or "#" in text:
        for match in NUMBERED.finditer(text):
            yield *match.span(), "number"
    if "%" in text or "٪" in text or "％" in text:
        for match in OFF.finditer(text):
            yield *match.span(), "off"
    if "!!" in text or not text.isascii():
        for match in SHOUTING.finditer(text):
            yield *match.span(), "shouting"


def _apart(some: list[Place], length: int) -> list[Mark]:
    """Of marks that overlap the one that counts, in the order of the text."""
    some.sort()  # a workspace's own, what is neutral anywhere, the longest, what says more
    taken = bytearray(length)  # 1 where a character counts already, or must not
    kept: dict[tuple[int, int, str], str] = {}
    for _, _, _, start, end, kind, entry in some:
        if kind not in BESIDE:
            if taken.find(1, start, end) >= 0:
                continue
            taken[start:end] = b"\1" * (end - start)
        kept.setdefault((start, end, kind), entry)
    points = WEIGHTS.points
    return [Mark(*place, points.get(place[2], 0), kept[place]) for place in sorted(kept)]


# ── weighing ─────────────────────────────────────────────────────────────────────────────────────────


Kinds = dict[str, int]  # how many marks of a kind count


def kinds(marks: Iterable[Mark], ends: Sequence[int]) -> list[Kinds]:
    """What counts in each sentence that has marks, in their order."""
    by_sentence: dict[int, Kinds] = {}
    for mark in marks:
        some = by_sentence.setdefault(bisect_right(ends, mark.start) if ends else 0, {})
        some[mark.kind] = min(COUNTED_MAX, some.get(mark.kind, 0) + 1)
    return list(by_sentence.values())


def score(counted: Sequence[Kinds], by: Weights) -> int:
    """The points of the run of sentences that promotes most."""
    return round(run(counted, by.points, by.against_max)[0])


def run(counted: Sequence[Kinds], points: Mapping[str, float], against_max: float) -> tuple[float, int, int]:
    """The points of the run of sentences that promotes most, and which it is: `counted[begin:end]`."""
    sums = [_sums(some, points) for some in counted]
    best, place = 0.0, (0, 0)
    for begin in range(len(sums)):
        for_ = against = 0.0
        for end in range(begin, min(len(sums), begin + RUN_MAX)):
            for_ += sums[end][0]
            against += sums[end][1]
            total = for_ + max(against, -against_max)
            if total > best:
                best, place = total, (begin, end + 1)
    return best, *place


def _sums(some: Kinds, points: Mapping[str, float]) -> tuple[float, float]:
    """What speaks for advertising, and against it."""
    for_ = against = 0.0
    for kind, number in some.items():
        value = points.get(kind, 0) * number
        if value > 0:
            for_ += value
        else:
            against += value
    return for_, against

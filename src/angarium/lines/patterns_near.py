"""The pattern that a text is nearest to, and what is different, word by word. Pure.

Asked only when no pattern fits. The distance is the least number of words that have to be put in, taken out
or exchanged for the text to fit (Levenshtein over words, in which a place takes as many words as it may).
Patterns are looked at in the order of a bound from below, so that most of them are never measured.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import msgspec

from angarium.lines.patterns_rules import Measured, Pattern, Place, fits, normal

WORDS_MAX = 200  # of a text that is compared; what follows is left out
MEASURED_MAX = 30  # patterns that are measured for one text, after the bound has put them in order


class Piece(msgspec.Struct, frozen=True, omit_defaults=True):
    """A stretch of a text against a pattern."""

    what: str  # same, place, missing, extra, changed
    pattern: str = ""  # the words of the pattern, or the name of the place
    text: str = ""  # the words of the text


class Near(msgspec.Struct, frozen=True):
    """The nearest pattern, and the difference."""

    pattern: Pattern
    edits: int
    pieces: tuple[Piece, ...]

    def told(self, mask: str = "") -> str:
        """The difference in words. With a mask, words of the text that hold a digit are not repeated."""
        return "; ".join(
            _sentence(piece, mask) for piece in self.pieces if piece.what not in ("same", "place")
        )


class Token(msgspec.Struct, frozen=True):
    """What stands between two blanks of a pattern: a word, or a word with places in it."""

    word: str  # as people read it
    pattern: Pattern | None  # None: a word and nothing else
    words_most: int


class Worded(msgspec.Struct, frozen=True):
    """A pattern as words, made ready once."""

    pattern: Pattern
    tokens: tuple[Token, ...]
    own: dict[str, int]  # its words without places, counted
    room: int  # words of a text that it can take
    weight: int  # tokens that are no place alone: what an edit is measured by


def nearest(patterns: Sequence[Worded], text: str) -> Near | None:
    """The pattern with the least edits for its own words, the first of several; None when there is none.

    For its own words: else a pattern of one word and a wide place would be the nearest one to everything.
    """
    words = normal(text).split(" ")[:WORDS_MAX]
    counted = Counter(words)
    order = sorted(
        (_bound(worded, words, counted) / worded.weight, number) for number, worded in enumerate(patterns)
    )
    best: tuple[float, int, int] | None = None
    ways: list[list[tuple[str, int]]] = []
    for bound, number in order[:MEASURED_MAX]:
        if best is not None and bound > best[0]:
            break
        edits, how = _distance(patterns[number].tokens, words)
        found = (edits / patterns[number].weight, edits, number)
        if best is None or found < best:
            best, ways = found, how
    if best is None:
        return None
    chosen = patterns[best[2]]
    return Near(chosen.pattern, best[1], _pieces(chosen.tokens, words, ways))


# ── a pattern as words ───────────────────────────────────────────────────────────────────────────────


def worded(pattern: Pattern) -> Worded:
    """A pattern as words."""
    parts: list[list[str | Place]] = [[]]
    for number, literal in enumerate(pattern.literals):
        for index, word in enumerate(literal.split(" ")):
            if index:
                parts.append([])
            if word:
                parts[-1].append(word)
        if number < len(pattern.places):
            parts[-1].append(pattern.places[number])
    tokens = tuple(_token(part) for part in parts if part)
    own = Counter(token.word for token in tokens if token.pattern is None)
    weight = sum(any(isinstance(one, str) for one in part) for part in parts)
    return Worded(pattern, tokens, dict(own), sum(token.words_most for token in tokens), max(weight, 1))


def _token(parts: Sequence[str | Place]) -> Token:
    shown = "".join(part if isinstance(part, str) else f"<{part.name}>" for part in parts)
    places = tuple(part for part in parts if isinstance(part, Place))
    if not places:
        return Token(shown, None, 1)
    literals = [""]
    for part in parts:
        if isinstance(part, str):
            literals[-1] += part
        else:
            literals.append("")
    own = Pattern(0, "", "", "", tuple(literals), places)
    return Token(shown, own, sum(place.limit.words for place in places))


def _bound(worded: Worded, words: Sequence[str], counted: Counter[str]) -> int:
    """No fewer edits than this: words of the pattern that the text has not, words that no place takes."""
    absent = sum([count - counted[word] for word, count in worded.own.items() if count > counted[word]])
    return max(absent, len(words) - worded.room, len(worded.tokens) - len(words))


# ── the distance ─────────────────────────────────────────────────────────────────────────────────────


def _distance(tokens: Sequence[Token], words: Sequence[str]) -> tuple[int, list[list[tuple[str, int]]]]:
    """The least edits, and for each prefix of both how they come about: what, how many words of the text."""
    before = list(range(len(words) + 1))
    ways = [[("extra", 1)] * (len(words) + 1)]
    for number, token in enumerate(tokens, 1):
        row, way = [number], [("missing", 0)]
        for end in range(1, len(words) + 1):
            best, how = before[end - 1] + 1, ("changed", 1)
            if before[end] + 1 < best:
                best, how = before[end] + 1, ("missing", 0)
            if row[end - 1] + 1 < best:
                best, how = row[end - 1] + 1, ("extra", 1)
            taken = _takes(token, words, end, before, best)
            if taken:
                best, how = before[end - taken], ("same" if token.pattern is None else "place", taken)
            row.append(best)
            way.append(how)
        before = row
        ways.append(way)
    return before[-1], ways


def _takes(token: Token, words: Sequence[str], end: int, before: Sequence[int], best: int) -> int:
    """How many words before `end` a token takes for nothing, where that is no worse than `best`; or 0."""
    if token.pattern is None:
        return 1 if token.word == words[end - 1] and before[end - 1] <= best else 0
    found = 0
    for count in range(1, min(token.words_most, end) + 1):
        if before[end - count] <= best and fits(token.pattern, Measured(" ".join(words[end - count : end]))):
            found, best = count, before[end - count] - 1
    return found


def _pieces(
    tokens: Sequence[Token], words: Sequence[str], ways: Sequence[Sequence[tuple[str, int]]]
) -> tuple[Piece, ...]:
    """The way back from both ends, what is alike in one piece."""
    found: list[Piece] = []
    number, end = len(tokens), len(words)
    while number or end:
        what, count = ways[number][end] if number else ("extra", 1)
        token = "" if what == "extra" else tokens[number - 1].word
        text = " ".join(words[end - count : end])
        found.append(Piece(what, "" if what == "same" else token, text))
        number, end = number - (what != "extra"), end - count
    merged: list[Piece] = []
    for piece in reversed(found):
        if merged and merged[-1].what == piece.what != "place":
            before = merged.pop()
            pattern, text = f"{before.pattern} {piece.pattern}".strip(), f"{before.text} {piece.text}".strip()
            piece = Piece(piece.what, pattern, text)  # noqa: PLW2901  the longer piece takes its place
        merged.append(piece)
    return tuple(merged)


def _sentence(piece: Piece, mask: str) -> str:
    text = " ".join(
        mask if mask and any(character.isdigit() for character in word) else word
        for word in piece.text.split(" ")
    )
    match piece.what:
        case "missing":
            return f"“{piece.pattern}” is missing"
        case "extra":
            return f"“{text}” is too much"
        case _:
            return f"“{text}” stands where “{piece.pattern}” is registered"

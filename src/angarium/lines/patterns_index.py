"""The patterns of a line for one class, made ready once: which one a text fits or is nearest to. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from angarium.lines.patterns_near import Near, Worded, nearest, worded
from angarium.lines.patterns_rules import TEXT_MAX, Measured, Pattern, fits, normal


class Index:
    """The patterns of a line and class, found by the words that a text begins or ends with."""

    def __init__(self, patterns: Iterable[Pattern]) -> None:
        self.patterns = tuple(patterns)
        self._whole: dict[str, Pattern] = {}
        self._ahead, self._behind = _Node(), _Node()
        self._worded: list[Worded] | None = None  # made when a text is refused for the first time
        for pattern in self.patterns:
            first, last = _words_ahead(pattern.literals[0]), _words_behind(pattern.literals[-1])
            if not pattern.places:
                self._whole.setdefault(pattern.literals[0], pattern)
            elif first or not last:
                self._ahead.put(first, pattern)
            else:
                self._behind.put(last, pattern)

    def nearest(self, text: str) -> Near | None:
        """The pattern that a text is nearest to, which fits none; None when there is no pattern."""
        if self._worded is None:
            self._worded = [worded(pattern) for pattern in self.patterns]
        return nearest(self._worded, text)

    def match(self, text: str) -> Pattern | None:
        """A pattern that a text fits: one without places first, then the one with the most words ahead."""
        if len(text) > TEXT_MAX:
            return None
        plain = normal(text)
        if plain in self._whole:
            return self._whole[plain]
        measured, words = Measured(plain), plain.split(" ")
        for node in (*self._ahead.along(words), *self._behind.along(words[::-1])):
            for pattern in node.patterns:
                if fits(pattern, measured):
                    return pattern
        return None


def _words_ahead(literal: str) -> list[str]:
    """The words that stand whole before the first place."""
    return literal.split(" ")[:-1] if literal else []


def _words_behind(literal: str) -> list[str]:
    """The words that stand whole behind the last place, the last one first."""
    return literal.split(" ")[:0:-1]


class _Node:
    """The patterns that have these words at their end and no more, and those that have more."""

    __slots__ = ("following", "patterns")

    def __init__(self) -> None:
        self.patterns: list[Pattern] = []
        self.following: dict[str, _Node] = {}

    def put(self, words: list[str], pattern: Pattern) -> None:
        node = self
        for word in words:
            node = node.following.setdefault(word, _Node())
        node.patterns.append(pattern)

    def along(self, words: list[str]) -> list[_Node]:
        """The nodes on the way of a text, the farthest first."""
        found, node = [self], self
        for word in words:
            following = node.following.get(word)
            if following is None:
                break
            node = following
            found.append(node)
        return found[::-1]

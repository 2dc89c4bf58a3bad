"""Chance from a seed: the same question gets the same answer, in any order and in any process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import TypeVar

T = TypeVar("T")


class Dice:
    """`Dice(7).roll("fate", 12)` is one number for ever."""

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def roll(self, *question: object) -> float:
        """A number in [0, 1)."""
        digest = blake2b(repr((self._seed, *question)).encode(), digest_size=8).digest()
        return (int.from_bytes(digest) >> 11) / (1 << 53)

    def below(self, count: int, *question: object) -> int:
        """A whole number in [0, count)."""
        return int(self.roll(*question) * count)

    def between(self, least: float, most: float, *question: object) -> float:
        """A number in [least, most)."""
        return least + (most - least) * self.roll(*question)

    def weighted(self, weights: Mapping[T, float], *question: object) -> T:
        """One of the keys, as often as its weight says."""
        left = self.roll(*question) * sum(weights.values())
        *items, last = weights
        for item in items:
            left -= weights[item]
            if left < 0:
                return item
        return last

    def shuffled(self, items: Sequence[T], *question: object) -> list[T]:
        """All of them in another order."""
        order = sorted(range(len(items)), key=lambda place: self.roll("shuffle", place, *question))
        return [items[place] for place in order]

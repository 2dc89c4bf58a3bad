"""Which row of a file named somebody before: millions of keys in eight bytes each.

A dictionary of three million keys takes 400 MB. Here a key is 40 bits of its hash, found at a place that
the other bits give, with a number that has its row beside it. That two keys are taken for one has a
chance of about one in a hundred thousand for a file of a million rows; then a row is said to be a double
of one that it is not.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence

import msgspec

FIRST_BITS = 16
BITS_MAX = 22
FULL = 0.8
VALUE_BITS = 24
VALUE = (1 << VALUE_BITS) - 1
MARK = ~VALUE & (1 << 64) - 1
NAMED = 1  # the last bit of a value: whether the person has an external id; the others are the row
ROWS_MAX = VALUE >> 1  # 8 million; a file with more is cut in two


class Person(msgspec.Struct, frozen=True):
    """Whom a row names: somebody that the row `row` named first. `others`: which of the addresses, by place,
    belong to somebody else, and the row that said so."""

    row: int
    others: tuple[tuple[int, int], ...] = ()


class Doubles:
    """Keys and the rows that named them first. There is room for `keys`; for more it is made as they come."""

    def __init__(self, keys: int = 0) -> None:
        self._tables: list[array[int]] = []
        self._room = 0
        self._bits = min(max(FIRST_BITS, int(keys / FULL).bit_length()), BITS_MAX)
        self._grow()

    def person(self, external_id: str | None, addresses: Sequence[str], row: int) -> Person:
        """Whom a row names, by the rule of `contacts/flows.py`: two external ids are two people, also with
        one phone; somebody without one is whoever has the address."""
        owners = [self.seen(key) for key in addresses]
        if external_id is None:
            first = next((owner >> 1 for owner in owners if owner), row)
        else:
            first = self.seen("= " + external_id) >> 1
            if not first:
                first = row
                if any(owners):
                    first = next((owner >> 1 for owner in owners if owner and not owner & NAMED), row)
                self.add("= " + external_id, first << 1 | NAMED)
        mark = first << 1 | (external_id is not None)
        if not any(owners):
            for key in addresses:
                self.add(key, mark)
            return Person(first)
        for key, owner in zip(addresses, owners, strict=True):
            if not owner:
                self.add(key, mark)
            elif owner >> 1 == first and owner != mark and mark & NAMED:  # now there is an id
                self.change(key, mark)
        others = [
            (at, owner >> 1)
            for at, owner in enumerate(owners)
            if owner and owner >> 1 != first and owner & NAMED
        ]
        return Person(first, tuple(others))

    def claim(self, keys: Iterable[int | None], row: int) -> bool:
        """Whether nobody has named any of these before: the hashes of an external id, None for none, and of
        addresses. Then this row has, as `person` has it; else, and when there are none, nothing is done."""
        first, *others = keys
        named = [full for full in (first, *others) if full is not None]
        for table in self._tables:
            mask = len(table) - 1
            for full in named:
                place = full & mask
                while slot := table[place]:
                    if not (slot ^ full) & MARK:
                        return False
                    place = (place + 1) & mask
        for full in named:
            self._put(full, row << 1 | (first is not None))
        return bool(named)

    def seen(self, key: str) -> int:
        """What was added for a key; 0 when nothing was."""
        full = hash(key)
        for table in self._tables:
            mask = len(table) - 1
            place = full & mask
            while slot := table[place]:
                if not (slot ^ full) & MARK:
                    return slot & VALUE
                place = (place + 1) & mask
        return 0

    def change(self, key: str, value: int) -> None:
        """Another number for a key that is here."""
        full = hash(key)
        mark = full & MARK
        for table in self._tables:
            mask = len(table) - 1
            place = full & mask
            while slot := table[place]:
                if slot & MARK == mark:
                    table[place] = mark | value
                    return
                place = (place + 1) & mask

    def add(self, key: str, value: int) -> None:
        """A key that is not here, and a number of at most 24 bits."""
        self._put(hash(key), value)

    def _put(self, full: int, value: int) -> None:
        if not self._room:
            self._grow()
        table = self._tables[-1]
        mask = len(table) - 1
        place = full & mask
        while table[place]:
            place = (place + 1) & mask
        table[place] = full & MARK | value
        self._room -= 1

    def _grow(self) -> None:
        """Another table beside those that are full: nothing is moved."""
        self._tables.append(array("Q", (0,)) * (1 << self._bits))
        self._room = int(FULL * (1 << self._bits))
        self._bits = min(self._bits + 2, BITS_MAX)

"""Many rows at once, a column at a time: each kind of column has its own quick way. Pure.

A row is plain when all that stands in it is as it should be. A column says which rows are not, and those are
read by `rows.py`, one by one, which says what is wrong with them or takes them as they are; so what a row
means is decided there, and here is only a shorter way to the same (`tests/rules/test_import_plain.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import msgspec

from angarium.contacts import rules
from angarium.contacts.comparable import encoded
from angarium.contacts.imports import cells
from angarium.contacts.imports.cells import BadCell
from angarium.contacts.imports.layout import CELLS_KEPT, Convert, Split
from angarium.contacts.imports.rows import (
    BETWEEN,
    BLOCK_DIGITS,
    PLACES_MAX,
    UNREADABLE,
    VARIABLES_MAX,
    Draft,
    Reader,
    undefused,
)
from angarium.contacts.newcomers import UNSAID, Part, People, Place, as_objects, part
from angarium.contacts.phones import matcher
from angarium.core.clock import is_zone
from angarium.core.values import Address, AddressKind

NOWHERE: Place = ("", "", "", True, True)  # of rows that are not plain
LENGTH_KEPT = 100  # characters of a cell that may come again
T = TypeVar("T")


class Sheet(msgspec.Struct, frozen=True, gc=False):
    """Rows as columns. What stands in the cells of a row that is odd is not to be used."""

    raws: list[str]
    people: People
    variables: list[str]
    keys: list[list[int | None]]  # hashes of what each row names
    odd: set[int]  # rows that are not plain

    def put(self, at: int, draft: Draft) -> None:
        """Put somebody into a row who was read by itself."""
        people = self.people
        self.raws[at], self.variables[at] = draft.raw, draft.variables
        people.external_ids[at], people.names[at] = draft.external_id, draft.name or ""
        people.places[at], people.tags[at] = draft.place, draft.tags or ()
        for name, parts in people.fields.items():
            value = draft.fields.get(name)
            parts[at] = UNSAID if value is None else (part(name, value), encoded(value))
        for _, values in people.addresses:
            values[at] = None
        slot = 0
        for kind, value, _ in draft.addresses:
            slots = enumerate(people.addresses[slot:], start=slot)
            slot = next((n for n, (own, _) in slots if own == kind), len(people.addresses))
            if slot == len(people.addresses):
                people.addresses.append((kind, [None] * len(self.raws)))
            people.addresses[slot][1][at] = value
            slot += 1


class Kept(dict[Any, T | None]):
    """What is made of cells, remembered: most stand in many rows. None: it is for `rows.py`."""

    def __init__(self, make: Callable[[Any], T | None]) -> None:
        self._make = make

    def __missing__(self, given: Any) -> T | None:
        found = self._make(given)
        if len(given) <= LENGTH_KEPT:
            if len(self) >= CELLS_KEPT:
                self.clear()
            self[given] = found
        return found

    def each(self, column: Sequence[Any], otherwise: T, odd: set[int]) -> list[T]:
        """Of each cell; of one that is for `rows.py` something else, and its row is odd."""
        found = list(map(self.__getitem__, column))
        if None not in found:
            return found  # type: ignore[return-value]  # as was just seen
        odd.update(at for at, one in enumerate(found) if one is None)
        return [otherwise if one is None else one for one in found]


class Plain:
    """Reads rows under the mapping of a reader."""

    def __init__(self, reader: Reader) -> None:
        self._reader, self._layout = reader, reader.layout
        layout = self._layout
        self._locales = Kept(_locale)
        self._tags = Kept(self._tagged)
        self._fields = _converted(layout.fields, rules.FIELDS_BYTES_MAX)
        self._variables = _converted(layout.variables, VARIABLES_MAX)
        self._places: dict[tuple[str, ...], Place] = {}
        columns = (layout.fields, layout.variables)
        self._twice = any(len({name for _, name, _ in some}) < len(some) for some in columns)
        self._never = [layout.shielded, *(at for at, _, _ in layout.refusals)]  # what else is kept of it

    def sheet(self, rows: Sequence[Sequence[str]]) -> Sheet:
        """Rows as columns."""
        width, count, odd = self._layout.width, len(rows), set[int]()
        if self._twice or not width or not rows:
            return self.blank(count)
        uneven = {at: row for at, row in enumerate(rows) if len(row) != width}
        if uneven:  # what is cut off of a row was empty, or the row is odd
            odd.update(at for at, row in uneven.items() if any(map(str.strip, row[width:])))
            rows = [[*row, *[""] * width][:width] if at in uneven else row for at, row in enumerate(rows)]
        columns = [list(map(str.strip, column)) for column in zip(*rows, strict=True)]
        raws = list(map(BETWEEN.join, zip(*columns, strict=True)))
        for at, row in uneven.items():
            raws[at] = BETWEEN.join(map(str.strip, row))
        whole = BETWEEN.join(("", *raws))
        if UNREADABLE in whole:
            odd.update(at for at, raw in enumerate(raws) if UNREADABLE in raw)
        if BETWEEN + "'" in whole:
            columns = [[undefused(cell) if cell[:1] == "'" else cell for cell in one] for one in columns]
        columns.append([""] * count)
        for at in self._never:
            odd.update(row for row, cell in enumerate(columns[at]) if cell)
        people = self._people(columns, odd)
        variables = _objects([found for _, found in self._parts(self._variables, columns, odd)], count)
        return Sheet(raws, people, variables, _keys(people), odd)

    def blank(self, count: int) -> Sheet:
        """So many rows of which none is plain: nothing stands in them yet."""
        names = {name: None for _, name, _ in self._layout.fields}
        addresses = [(str(kind), [None] * count) for _, kind, _ in self._layout.addresses]
        people = People(
            [None] * count,
            [""] * count,
            [NOWHERE] * count,
            [()] * count,
            {name: [UNSAID] * count for name in names},
            addresses,  # type: ignore[arg-type]  # a list that is to be filled
        )
        return Sheet([""] * count, people, [""] * count, [], set(range(count)))

    def _people(self, columns: Sequence[list[str]], odd: set[int]) -> People:
        layout = self._layout
        external_ids = columns[layout.external_id]
        _look(external_ids, rules.EXTERNAL_ID_MAX, odd)
        names = columns[layout.names[0]] if layout.names else columns[layout.nowhere]
        if len(layout.names) > 1:
            several = zip(*(columns[at] for at in layout.names), strict=True)
            names = [" ".join(filter(None, some)) for some in several]
        _look(names, rules.NAME_MAX, odd)
        addresses = [
            (str(kind), self._written(kind, split, columns[at], odd)) for at, kind, split in layout.addresses
        ]
        if len({kind for kind, _ in addresses}) < len(addresses):
            odd.update(_twins(addresses))
        tagged = list(zip(*(columns[at] for at, _ in layout.tags), strict=True)) or [()] * len(names)
        return People(
            [one or None for one in external_ids],
            list(names),
            self._placed(columns, addresses, odd),
            self._tags.each(tagged, (), odd),
            dict(self._parts(self._fields, columns, odd)),
            addresses,
        )

    def _parts(
        self, fields: Sequence[tuple[int, str, Kept[Part]]], columns: Sequence[list[str]], odd: set[int]
    ) -> list[tuple[str, list[Part]]]:
        return [(name, kept.each(columns[at], UNSAID, odd)) for at, name, kept in fields]

    def _tagged(self, texts: tuple[str, ...]) -> tuple[str, ...] | None:
        """The tags that these cells give, with those that everybody gets."""
        splits = zip(self._layout.tags, texts, strict=True)
        found = [tag for (_, split), text in splits if text for tag in split(text)]
        tags = tuple(dict.fromkeys((*found, *self._reader.add_tags)))
        fit = len(tags) <= rules.TAGS_MAX and all(rules.is_name(tag, rules.TAG_MAX) for tag in tags)
        return tags if fit else None

    def _written(self, kind: AddressKind, split: Split, column: list[str], odd: set[int]) -> list[str | None]:
        """Addresses in their kept form, at most one in each cell."""
        found: list[str | None]
        if kind is AddressKind.PHONE:
            found = [cell if matcher(cell[:4])(cell) else None for cell in column]
        elif kind is AddressKind.EMAIL and _are_mail(column):
            found = list(column)
        else:
            found = [None] * len(column)
        for at, one in enumerate(found):
            if one is None and column[at]:
                found[at] = self._one(kind, split, column[at])
                if found[at] is None:
                    odd.add(at)
        return found

    def _one(self, kind: AddressKind, split: Split, cell: str) -> str | None:
        """A cell that is one address; None when it is none, or several."""
        several = split(cell)
        if len(several) != 1:
            return None
        try:
            return rules.clean_address(kind, self._reader.address(kind, several[0]))
        except rules.BadAddress:
            return None

    def _placed(
        self, columns: Sequence[list[str]], addresses: list[tuple[str, list[str | None]]], odd: set[int]
    ) -> list[Place]:
        """Where everybody is: asked once for each block of numbers."""
        locales = self._locales.each(columns[self._layout.locale], "", odd)
        zones = columns[self._layout.time_zone]
        odd.update(at for at, zone in enumerate(zones) if zone and not is_zone(zone))
        phones = [values for kind, values in addresses if kind == AddressKind.PHONE]
        blocks = [[value and value[:-BLOCK_DIGITS] for value in values] for values in phones]
        keys = list(zip(locales, zones, *blocks, strict=True))
        found = [self._places.get(key, NOWHERE) for key in keys]
        for at in [at for at, place in enumerate(found) if place is NOWHERE and at not in odd]:
            own = [Address(AddressKind.PHONE, value) for values in phones if (value := values[at])]
            if len(self._places) >= PLACES_MAX:
                self._places.clear()
            found[at] = self._places[keys[at]] = self._reader.place(locales[at], zones[at], own)
        return found


def _converted(
    fields: Sequence[tuple[int, str, Convert]], bytes_max: int
) -> list[tuple[int, str, Kept[Part]]]:
    """What makes the parts of an object of each column; all of them are no more than so much."""

    def made(name: str, convert: Convert) -> Kept[Part]:
        def make(text: str) -> Part | None:
            try:
                value = convert(text) if text else None
            except BadCell:
                return None
            if value is None:
                return None if text else UNSAID
            found = part(name, value)
            return (found, encoded(value)) if len(found.encode()) < bytes_max // len(fields) - 1 else None

        return Kept(make)

    return [(at, name, made(name, convert)) for at, name, convert in fields]


def _objects(columns: Sequence[Sequence[Part]], count: int) -> list[str]:
    """The variables of each row; empty for none."""
    if not columns:
        return [""] * count
    return ["" if text == "{}" else text for text in as_objects(columns, count)]


def _look(column: Sequence[str], length_max: int, odd: set[int]) -> None:
    """Look for cells that are no name; mostly there is none, which all of them tell at once."""
    if "".join(column).isprintable() and max(map(len, column)) <= length_max:
        return
    odd.update(at for at, cell in enumerate(column) if cell and not rules.is_name(cell, length_max))


def _locale(text: str) -> str | None:
    found = cells.locale(text) if text else ""
    return found if not found or rules.is_locale(found) else None


def _are_mail(column: Sequence[str]) -> bool:
    """Whether every cell is a mail address in its kept form."""
    lines = "\n".join((*column, ""))
    if lines.count("\n") != len(column) or lines != lines.lower():
        return False
    return rules.EMAILS.fullmatch(lines) is not None


def _twins(addresses: Sequence[tuple[str, list[str | None]]]) -> list[int]:
    """Rows in which one address stands twice."""
    kinds = [kind for kind, _ in addresses]
    rows = enumerate(zip(*(values for _, values in addresses), strict=True))
    named = ((at, [one for one in zip(kinds, row, strict=True) if one[1]]) for at, row in rows)
    return [at for at, own in named if len(set(own)) < len(own)]


def _keys(people: People) -> list[list[int | None]]:
    """What `doubles.py` knows people by."""
    columns = [("=", people.external_ids), *people.addresses]
    return [
        [None if value is None else hash(f"{kind} {value}") for value in values] for kind, values in columns
    ]

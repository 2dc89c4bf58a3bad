"""Those who are new, as the cells of the rows that are written of them, a column each. Pure.

A file is read in a process of its own, and the rows are made there too. The server looks whether anybody is
there already, gives ids and the time, and writes: a column is decoded at once, and rows are put together of
columns without a step of Python for each.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import compress
from typing import Any, Self

import msgspec

from angarium.contacts.comparable import address_cell, fold_each, listed, usual
from angarium.contacts.likeness import BEGINS, as_sought, as_sought_each, last_begins, middle_begins

Cells = list[Any]
Place = tuple[str, str, str, bool, bool]  # country, locale, time zone, whether the last two are guesses
NONE = "[]"  # of scopes refused or granted
EXTERNAL_ID = "external_id"  # beside kinds of address
KEPT = 10_000  # tags and places: many have the same

_encode = msgspec.json.Encoder().encode


class Newcomers(msgspec.Struct, frozen=True, array_like=True):
    """Rows of several tables, each column a list with a cell for each newcomer."""

    contacts: tuple[Cells, ...]  # as `contact_cells` has them
    compared: tuple[Cells, ...]  # as `comparable.py: compared` has them
    told: Cells  # their addresses, as segments look at them
    values: dict[str, Cells]  # of each field, as segments compare it
    addressed: Cells  # how many addresses each has; which, comes before them (imports/blocks.py)

    def __len__(self) -> int:
        return len(self.told)

    def without(self, those: set[int]) -> Self:
        """All but those at these places."""
        stay = [at not in those for at in range(len(self))]
        return type(self)(
            tuple(list(compress(cells, stay)) for cells in self.contacts),
            tuple(list(compress(cells, stay)) for cells in self.compared),
            list(compress(self.told, stay)),
            {name: list(compress(cells, stay)) for name, cells in self.values.items()},
            list(compress(self.addressed, stay)),
        )


Part = tuple[str, str | None]  # a field as a part of its JSON, and its value as segments compare it
UNSAID: Part = ("", None)


class People(msgspec.Struct, frozen=True, gc=False):
    """People of whom no more is known than this, a column each with a cell for everybody."""

    external_ids: list[str | None]
    names: list[str]
    places: list[Place]
    tags: list[tuple[str, ...]]
    fields: dict[str, list[Part]]
    addresses: list[tuple[str, list[str | None]]]  # a kind comes as often as somebody has one of it

    def only(self, those: Sequence[int]) -> People:
        """Those at these places."""
        if len(those) == len(self.names):
            return self
        return People(
            at_each(self.external_ids, those),
            at_each(self.names, those),
            at_each(self.places, those),
            at_each(self.tags, those),
            {name: at_each(parts, those) for name, parts in self.fields.items()},
            [(kind, at_each(values, those)) for kind, values in self.addresses],
        )

    def newcomers(self) -> Newcomers | None:
        """What is written of them; None when there is nobody."""
        if not self.names:
            return None
        sought = as_sought_each(self.names)
        begins = [name[:BEGINS] for name in sought]
        middles, lasts = list(map(middle_begins, sought)), list(map(last_begins, sought))
        *placed, locales, zones, countries = map(list, zip(*map(_placed, self.places), strict=True))
        tags, compared_tags = map(list, zip(*map(_tagged, self.tags), strict=True))
        fields = as_objects(list(self.fields.values()), len(sought))
        names = [name or None for name in fold_each(self.names)]
        ids = [one or None for one in fold_each([one or "" for one in self.external_ids])]
        told, addressed = self._told()
        return Newcomers(
            (self.external_ids, self.names, sought, begins, middles, lasts, *placed, fields, tags),
            (ids, names, locales, zones, countries, compared_tags),
            told,
            {name: [value for _, value in parts] for name, parts in self.fields.items() if has_any(parts)},
            addressed,
        )

    def _told(self) -> tuple[Cells, Cells]:
        """Their addresses, as segments look at them, and how many each has."""
        told, addressed = [""] * len(self.names), [0] * len(self.names)
        for kind, values in self.addresses:
            begins = address_cell(kind, "")
            folded = fold_each([value or "" for value in values])
            told = [
                before + begins + cell if value else before
                for before, value, cell in zip(told, values, folded, strict=True)
            ]
            addressed = [
                count + 1 if value else count for count, value in zip(addressed, values, strict=True)
            ]
        return told, addressed

    def owned(self) -> Iterator[tuple[str, Cells, Cells, Cells]]:
        """External ids, and addresses of each kind: whose each is, and its place among theirs."""
        owners = [owner for owner, name in enumerate(self.external_ids) if name]
        yield EXTERNAL_ID, at_each(self.external_ids, owners), owners, [0] * len(owners)
        places = [0] * len(self.names)
        for kind, values in self.addresses:
            owners = [owner for owner, value in enumerate(values) if value]
            yield kind, at_each(values, owners), owners, at_each(places, owners)
            for owner in owners:
                places[owner] += 1


NOBODY = People([], [], [], [], {}, [])


def at_each(cells: Sequence[Any], those: Sequence[int]) -> Cells:
    """The cells at these places."""
    return [cells[at] for at in those]


def part(name: str, value: Any) -> str:
    """A field with its value as a part of an object of JSON."""
    return _encode({name: value})[1:-1].decode()


def has_any(parts: Sequence[Part]) -> bool:
    """Whether anybody has something there."""
    return any(text for text, _ in parts)


def as_objects(fields: Sequence[Sequence[Part]], count: int) -> list[str]:
    """The parts of each of so many as an object of JSON."""
    if not fields:
        return ["{}"] * count
    columns = [[text for text, _ in parts] for parts in fields]
    if all(map(all, columns)):
        return ["{" + text + "}" for text in map(",".join, zip(*columns, strict=True))]
    return ["{" + ",".join(filter(None, texts)) + "}" for texts in zip(*columns, strict=True)]


@lru_cache(KEPT)
def _placed(place: Place) -> tuple[Any, ...]:
    """A place as it stands in the contact, and its parts as segments compare them."""
    country, locale, time_zone, *guesses = place
    stands = locale, time_zone, *map(int, guesses), country
    return *stands, usual(locale) or None, usual(time_zone), usual(country) or None


@lru_cache(KEPT)
def _tagged(tags: tuple[str, ...]) -> tuple[str, str]:
    """Tags as they stand in the contact, and as segments compare them."""
    return _tags_cell(tags), listed(tags)


def contact_cells(
    external_id: str | None,
    name: str,
    locale: str,
    time_zone: str,
    locale_is_guess: int,
    time_zone_is_guess: int,
    country: str,
    fields: Mapping[str, Any],
    tags: tuple[str, ...],
) -> tuple[Any, ...]:
    """What stands in a row of `contact` between its key and the consents."""
    sought = as_sought(name)
    return (
        external_id,
        name,
        sought,
        sought[:BEGINS],
        middle_begins(sought),
        last_begins(sought),
        locale,
        time_zone,
        locale_is_guess,
        time_zone_is_guess,
        country,
        _encode(fields).decode(),
        _tags_cell(tags),
    )


@lru_cache(KEPT)
def _tags_cell(tags: tuple[str, ...]) -> str:
    return _encode(tags).decode()

"""Those who are new, as the cells of the rows that are written of them, a column each. Pure.

A file is read in a process of its own, and the rows are made there too. The server looks whether anybody is
there already, gives ids and the time, and writes: a column is decoded at once, and rows are put together of
columns without a step of Python for each.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import compress
from typing import Any, Self

import msgspec

from angarium.contacts.comparable import address_cell, compared, encoded
from angarium.contacts.likeness import BEGINS, as_sought

Cells = list[Any]
Place = tuple[str, str, str, bool, bool]  # country, locale, time zone, whether the last two are guesses
NONE = "[]"  # of scopes refused or granted

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


class Gathering:
    """Takes newcomers one by one."""

    def __init__(self) -> None:
        self._contacts: list[tuple[Any, ...]] = []
        self._compared: list[tuple[Any, ...]] = []
        self._told: Cells = []
        self._values: dict[str, Cells] = {}
        self._addressed: Cells = []

    def add(
        self,
        external_id: str | None,
        name: str,
        place: Place,
        fields: Mapping[str, Any],
        tags: tuple[str, ...],
        addresses: Sequence[tuple[str, str]],
    ) -> None:
        """Somebody of whom nothing but this is known; addresses as kind and value, no one's but theirs."""
        at = len(self._told)
        country, locale, time_zone, locale_is_guess, time_zone_is_guess = place
        guesses = int(locale_is_guess), int(time_zone_is_guess)
        self._contacts.append(
            contact_cells(external_id, name, locale, time_zone, *guesses, country, fields, tags)
        )
        self._compared.append(compared(external_id, name, locale, time_zone, country, tags))
        self._told.append("".join([address_cell(kind, value) for kind, value in addresses]))
        for field, value in fields.items():
            cells = self._values.get(field)
            if cells is None:
                cells = self._values[field] = []
            cells.extend([None] * (at - len(cells)))  # those before them who have nothing there
            cells.append(encoded(value))
        self._addressed.append(len(addresses))

    def gathered(self) -> Newcomers | None:
        """All of them, None when there are none."""
        if not self._told:
            return None
        for cells in self._values.values():
            cells.extend([None] * (len(self._told) - len(cells)))
        return Newcomers(
            tuple(map(list, zip(*self._contacts, strict=True))),
            tuple(map(list, zip(*self._compared, strict=True))),
            self._told,
            self._values,
            self._addressed,
        )


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
        locale,
        time_zone,
        locale_is_guess,
        time_zone_is_guess,
        country,
        _encode(fields).decode(),
        _tags_cell(tags),
    )


@lru_cache(10_000)  # many have the same
def _tags_cell(tags: tuple[str, ...]) -> str:
    return _encode(tags).decode()

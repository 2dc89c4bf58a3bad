"""Where everything stands in a row under a mapping, and what makes a value of each cell. Pure.

It is worked out once for a file; `rows.py` reads a row by it, `plain.py` many rows.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

from angarium.contacts import fields
from angarium.contacts.fields import FieldDefinition
from angarium.contacts.imports import cells
from angarium.contacts.imports.cells import BadCell
from angarium.contacts.imports.mapping import Column, Mapping, definition_of, position
from angarium.core.problems import FieldProblem
from angarium.core.values import AddressKind

CELLS_KEPT = 10_000  # of each field: dates and words come again and again

Split = Callable[[str], tuple[str, ...]]
Convert = Callable[[str], Any]


class Layout:
    """Places in a row, from 0. What is not mapped stands at `nowhere`, where a row has an empty cell."""

    def __init__(self, mapping: Mapping, heads: Sequence[str], defined: Sequence[FieldDefinition]) -> None:
        by_name = {one.name: one for one in defined}
        placed = [
            (place, one) for one in mapping.columns if (place := position(heads, one.column)) is not None
        ]
        self.single: dict[str, int] = {
            one.to: at for at, one in placed if one.to in ("external_id", "locale", "time_zone")
        }
        self.width = len(heads)
        self.nowhere = max(self.width, 1)  # behind the last
        self.external_id = self.single.get("external_id", self.nowhere)
        self.locale = self.single.get("locale", self.nowhere)
        self.time_zone = self.single.get("time_zone", self.nowhere)
        self.names = [at for at, one in placed if one.to == "name"]
        self.tags = [(at, splitter(one)) for at, one in placed if one.to == "tags"]
        self.fields = [
            (at, one.name, converter(one, by_name.get(one.name))) for at, one in placed if one.to == "field"
        ]
        self.variables = [
            (at, one.name, converter(one, definition_of(one))) for at, one in placed if one.to == "variable"
        ]
        self.addresses = [
            (at, AddressKind(one.kind), splitter(one)) for at, one in placed if one.to == "address"
        ]
        self.kinds = tuple({kind.value: None for _, kind, _ in self.addresses})
        self.refusals = [(at, one, splitter(one)) for at, one in placed if one.to in ("opted_out", "opt_out")]
        self.shielded = next((at for at, one in placed if one.to == "operator_blacklist"), self.nowhere)


def splitter(column: Column) -> Split:
    """What takes the values of a cell apart."""
    sign = column.split or (";" if column.to in ("tags", "opted_out") else "")
    if not sign:
        return lambda text: (text,)

    @lru_cache(CELLS_KEPT)
    def split(text: str) -> tuple[str, ...]:
        if sign not in text and '"' not in text:
            return (text,)
        parts = next(csv.reader([text], delimiter=sign)) if '"' in text else text.split(sign)
        return tuple([part for one in parts if (part := one.strip())])

    return split


def converter(column: Column, definition: FieldDefinition | None) -> Convert:
    """What makes the value of a field of a cell."""
    kind = definition.kind.value if definition else column.kind
    currency = (definition.currency if definition else "") or column.currency
    kinds: dict[str, Convert] = {
        "number": lambda text: cells.number(text, column.decimals),
        "money": lambda text: cells.money(text, currency, column.decimals),
        "date": lambda text: cells.day(text, column.order, column.calendar),
        "date_time": lambda text: cells.moment(text, column.order, column.calendar),
        "yes_no": cells.yes_no,
    }
    read = kinds.get(kind, str)

    def convert(text: str) -> Any:
        value = read(text)
        found = fields.clean(definition, value) if definition else value
        if isinstance(found, FieldProblem):
            raise BadCell(found.problem, found.remedy)
        return found

    return convert

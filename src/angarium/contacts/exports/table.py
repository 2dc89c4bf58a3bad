"""What a contact looks like in a row: the columns, their heads, and cells that come back as they were. Pure.

What is exported can be imported: every head is one that the import knows (`imports/columns.py`), and every
cell is written as the import reads it. Three things are told here because they are chosen:

1. A cell that begins with = + - @, a tab or a carriage return is taken for a formula by spreadsheets (OWASP,
   "CSV injection"). In text files an apostrophe goes before it, unless it is a plain number or a phone in
   E.164, which can do nothing. The import takes it away; one that stood there before gets another one.
2. A locale and a time zone that were guessed are left empty: else the import would take them for said.
3. Several values of a cell stand between semicolons; one that holds a semicolon or a quote is in quotes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec

from angarium.core import ids
from angarium.core.clock import iso
from angarium.core.problems import FieldProblem, shown
from angarium.core.values import AddressKind, amount_text

BETWEEN = ";"
FORMULA = re.compile(r"'*[=+\-@\t\r]")
HARMLESS = re.compile(r"[+-]?[0-9]+(?:\.[0-9]+)?")
QUOTED = re.compile(r'[;"\n\r]')
FIELD = "field:"  # before the name of a field that would be taken for something else
MICROS = 1_000_000
COLUMNS_MAX = 500

PLAIN = ("external_id", "name", "locale", "time_zone", "tags", "opted_out", "operator_blacklist")
OURS = ("id", "country", "created_at", "updated_at")
KINDS = tuple(kind.value for kind in AddressKind)
FIRST = ("external_id", "name", "phone", "email")
LAST = ("locale", "time_zone", "tags", "opted_out", "operator_blacklist")


class AddressTold(msgspec.Struct, frozen=True, array_like=True):
    """An address, as the writer is told of it."""

    kind: str
    value: str
    operator_blacklist: bool


class Told(msgspec.Struct, frozen=True, array_like=True):
    """A contact, as the writer is told of it."""

    id: int
    external_id: str | None
    name: str
    locale: str  # empty where it was guessed
    time_zone: str  # the same
    country: str
    fields: dict[str, Any]
    tags: tuple[str, ...]
    opted_out: tuple[str, ...]
    addresses: tuple[AddressTold, ...]
    created_at: int
    updated_at: int


Cell = str | int | float


def check(columns: Sequence[str]) -> tuple[FieldProblem, ...]:
    """What is wrong with the columns that somebody wants."""
    found = []
    if len(columns) > COLUMNS_MAX:
        found.append(FieldProblem("columns", "are too many", f"at most {COLUMNS_MAX}", str(len(columns))))
    remedy = "one of " + ", ".join((*PLAIN, *OURS)) + ", a kind of address, or field:NAME"
    for index, column in enumerate(columns[:COLUMNS_MAX]):
        known = column in (*PLAIN, *OURS, *KINDS) or (column.startswith(FIELD) and len(column) > len(FIELD))
        if not known:
            found.append(FieldProblem(f"columns[{index}]", "is not a column", remedy, shown(column)))
        elif column in columns[:index]:
            found.append(FieldProblem(f"columns[{index}]", "comes twice", "each once", shown(column)))
    return tuple(found)


def usual(fields: Iterable[str], kinds: Iterable[str]) -> tuple[str, ...]:
    """The columns when none is chosen: everything that an import takes."""
    more = [kind for kind in KINDS if kind in set(kinds) and kind not in FIRST]
    return (*FIRST, *more, *LAST, *(FIELD + name for name in sorted(fields)))


def heads(columns: Sequence[str]) -> list[str]:
    """The first row."""
    taken = {*PLAIN, *OURS, *KINDS}
    return [
        name if column.startswith(FIELD) and (name := column.removeprefix(FIELD)) not in taken else column
        for column in columns
    ]


def maker(columns: Sequence[str]) -> Callable[[Told], list[Cell]]:
    """What makes a row of a contact."""
    makers = [_cell(column) for column in columns]

    def make(told: Told) -> list[Cell]:
        return [one(told) for one in makers]

    return make


def _cell(column: str) -> Callable[[Told], Cell]:
    if column.startswith(FIELD):
        name = column.removeprefix(FIELD)
        return lambda told: value_of(told.fields.get(name))
    if column in KINDS:
        return lambda told: joined(one.value for one in told.addresses if one.kind == column)
    return CELLS[column]


CELLS: dict[str, Callable[[Told], Cell]] = {
    "external_id": lambda told: told.external_id or "",
    "name": lambda told: told.name,
    "locale": lambda told: told.locale,
    "time_zone": lambda told: told.time_zone,
    "tags": lambda told: joined(told.tags),
    "opted_out": lambda told: joined(told.opted_out),
    "operator_blacklist": lambda told: "yes" if any(a.operator_blacklist for a in told.addresses) else "",
    "id": lambda told: ids.show("contact", told.id),
    "country": lambda told: told.country,
    "created_at": lambda told: iso(told.created_at),
    "updated_at": lambda told: iso(told.updated_at),
}


def value_of(value: Any) -> Cell:
    """A field as a cell."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str | int | float):
        return value
    if (
        isinstance(value, dict)
        and value.keys() == {"micros", "currency"}
        and isinstance(value["micros"], int)
    ):
        return f"{amount_text(value['micros'])} {value['currency']}".strip()
    return msgspec.json.encode(value).decode()


def joined(values: Iterable[str]) -> str:
    """Several values in one cell."""
    return BETWEEN.join(
        ['"' + value.replace('"', '""') + '"' if QUOTED.search(value) else value for value in values]
    )


def defused(cell: Cell) -> str:
    """A cell of a text file that no spreadsheet takes for a formula."""
    text = cell if isinstance(cell, str) else repr(cell)
    return "'" + text if FORMULA.match(text) and not HARMLESS.fullmatch(text) else text


def literal(text: str) -> str:
    """A text of a workbook, which is no formula whatever it begins with; our own apostrophe is doubled."""
    return "'" + text if text[:1] == "'" and FORMULA.match(text) else text

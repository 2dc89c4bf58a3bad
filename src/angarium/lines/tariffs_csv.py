"""A price list as a CSV file: read it with an error for each cell that is wrong, and write it. Pure.

The first line names the columns; `price` must be there, the others may be. The delimiter is that of the
first line. Where it is not the comma, a comma in a number is its decimal point, as spreadsheets of many
countries write it.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

import msgspec

from angarium.core.problems import FieldProblem, shown
from angarium.core.values import MessageClass
from angarium.lines import tariffs
from angarium.lines.tariffs import ROWS_MAX, Row

COLUMNS = ("destination", "class", "unit", "session_h", "volume_from", "price", "minimum", "step")
NUMBERS = frozenset({"session_h", "volume_from"})
PRICES = frozenset({"price", "minimum", "step"})
CSV_MAX = 2_000_000  # characters
ERRORS_MAX = 100  # told at once
DELIMITERS = (",", ";", "\t")


def read(text: str) -> tuple[list[Row], list[FieldProblem]]:
    """The rows of a file, and what is wrong with it; a field is `line 13: price`, as an editor counts."""
    if len(text) > CSV_MAX:
        told = f"at most {CSV_MAX} characters"
        return [], [FieldProblem("csv", "is too long", told, f"{len(text)} characters")]
    head = text.lstrip("\ufeff").partition("\n")[0]
    delimiter = max(DELIMITERS, key=head.count)
    lines = csv.reader(io.StringIO(text.lstrip("\ufeff"), newline=""), delimiter=delimiter)
    try:
        names = [name.strip().lower() for name in next(lines, [])]
    except csv.Error as error:
        return [], [FieldProblem("line 1", str(error), "a line with the names of the columns")]
    wrong = _flaws_of_head(names)
    if wrong:
        return [], wrong
    return _read_lines(lines, names, comma=delimiter != ",")


def _flaws_of_head(names: Sequence[str]) -> list[FieldProblem]:
    known = ", ".join(COLUMNS)
    found = [
        FieldProblem("line 1", "has an unknown column", f"some of {known}", shown(name))
        for name in names
        if name not in COLUMNS
    ]
    if len(set(names)) != len(names):
        found.append(FieldProblem("line 1", "has a column twice", "each column once"))
    if "price" not in names:
        found.append(FieldProblem("line 1", "has no column price", f"the names of the columns: {known}"))
    return found[:ERRORS_MAX]


def _read_lines(
    lines: Iterable[list[str]], names: Sequence[str], *, comma: bool
) -> tuple[list[Row], list[FieldProblem]]:
    rows: list[Row] = []
    places: list[int] = []
    wrong: list[FieldProblem] = []
    place = 1
    try:
        for cells in lines:
            place += 1
            if not any(cell.strip() for cell in cells):
                continue
            if len(rows) >= ROWS_MAX:
                wrong.append(FieldProblem(f"line {place}", "is one too many", f"at most {ROWS_MAX} rows"))
                break
            row = _row(cells, names, place, comma, wrong)
            if row is not None:
                rows.append(row)
                places.append(place)
    except csv.Error as error:
        wrong.append(FieldProblem(f"line {place + 1}", str(error), "quote what has quotes or line breaks"))
    if not wrong:
        wrong = [
            msgspec.structs.replace(flaw, field=f"line {places[at]}: {flaw.field}" if places else flaw.field)
            for at, flaw in tariffs.check(rows)
        ]
    return rows, wrong[:ERRORS_MAX]


def _row(
    cells: Sequence[str], names: Sequence[str], place: int, comma: bool, wrong: list[FieldProblem]
) -> Row | None:
    if len(cells) > len(names):
        told = f"{len(names)} cells, as many as there are columns"
        wrong.append(FieldProblem(f"line {place}", "has more cells than columns", told))
        return None
    before, values = len(wrong), {}
    for name, cell in zip(names, cells, strict=False):
        text = cell.strip()
        if text == "":
            continue
        try:
            values[name] = _value(name, text, comma)
        except ValueError as error:
            wrong.append(FieldProblem(f"line {place}: {name}", "is not understood", str(error), shown(text)))
    if "price" not in values and len(wrong) == before:
        wrong.append(FieldProblem(f"line {place}: price", "is empty", "a decimal number such as 0.0385"))
    return msgspec.convert(values, Row) if len(wrong) == before else None


def _value(name: str, text: str, comma: bool) -> object:
    if name in NUMBERS:
        if not text.isascii() or not text.isdigit() or len(text) > 13:
            raise ValueError("a whole number")
        return int(text)
    if name in PRICES:
        return text.replace(",", ".") if comma else text
    if name == "class":
        if text not in list(MessageClass):
            raise ValueError("one of " + ", ".join(MessageClass) + ", or nothing for any")
        return text
    if name == "unit" and text not in ("part", "message", "session"):
        raise ValueError("part, message or session")
    return text


def write(rows: Iterable[Row]) -> str:
    """Rows as a file that `read` reads."""
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow(COLUMNS)
    for row in rows:
        writer.writerow(
            (
                row.destination,
                row.message_class.value if row.message_class else "",
                row.unit,
                row.session_h,
                row.volume_from,
                row.price,
                row.minimum,
                row.step,
            )
        )
    return buffer.getvalue()

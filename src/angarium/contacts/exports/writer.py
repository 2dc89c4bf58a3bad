"""The process that writes files: `python -m angarium.contacts.exports.writer`.

To write a million rows takes a minute of one core, which would be the server's. The job comes as one line of
JSON on stdin, then frames of contacts, each with its length before it, and a length of zero at the end. What
came of it is one line of JSON on stdout.
"""

from __future__ import annotations

import csv
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Literal, Protocol

import msgspec

from angarium.contacts.exports.table import Cell, Told, defused, heads, literal, maker
from angarium.core import ids

LENGTH_BYTES = 4
SHEET_ROWS_MAX = 1_048_576  # of a sheet of XLSX, its head too
CELL_MAX = 32_767  # characters of a cell there
NUMBER_EXACT_MAX = 10**15
ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1251", "cp1256", "gb18030")


class Job(msgspec.Struct, frozen=True):
    """What to write, and where."""

    path: str
    format: Literal["csv", "xlsx"]
    columns: tuple[str, ...]
    encoding: str = "utf-8-sig"
    delimiter: str = ","
    title: str = "Contacts"  # of the sheets of a workbook
    right_to_left: bool = False  # the sheets of a workbook begin at the right
    is_table: bool = False  # rows come as cells, under these heads; else as contacts


class Written(msgspec.Struct, frozen=True):
    """What came of it."""

    rows: int = 0
    sheets: int = 0
    problem: str = ""


NameOf = Callable[[int], str]  # what a row of a page is called, by its place


class Impossible(Exception):
    """A row that the file cannot hold, in words."""


class Sink(Protocol):
    """A file of one format."""

    sheets: int

    def rows(self, rows: Sequence[list[Cell]], name_of: NameOf) -> None:
        """Write rows; Impossible names the one that does not fit."""

    def close(self) -> None:
        """Write the end."""


class TextSink:
    """A CSV file."""

    sheets = 0

    def __init__(self, job: Job) -> None:
        self._encoding = job.encoding
        self._file = Path(job.path).open("w", encoding=job.encoding, newline="")  # noqa: SIM115  see `close`
        self._writer = csv.writer(self._file, delimiter=job.delimiter)
        self._writer.writerow(_heads(job))

    def rows(self, rows: Sequence[list[Cell]], name_of: NameOf) -> None:
        """Write rows."""
        try:
            self._writer.writerows([[defused(cell) for cell in row] for row in rows])
            self._file.flush()
        except UnicodeEncodeError as error:
            name = name_of(next(at for at, row in enumerate(rows) if not _fits(row, self._encoding)))
            sign = error.object[error.start]
            raise Impossible(f"{self._encoding} has no {sign!r}, as {name} has it; take utf-8") from None

    def close(self) -> None:
        """Write the end."""
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()


def _fits(row: Sequence[Cell], encoding: str) -> bool:
    try:
        "".join(map(str, row)).encode(encoding)
    except UnicodeEncodeError:
        return False
    return True


class WorkbookSink:
    """An XLSX file: a sheet for each million rows, a row in memory at a time."""

    def __init__(self, job: Job, sheet_rows_max: int = SHEET_ROWS_MAX) -> None:
        import xlsxwriter  # noqa: PLC0415  for workbooks alone

        # What it writes on the way is personal data too, and belongs on our shelf.
        folder = str(Path(job.path).parent)
        settings = {"constant_memory": True, "tmpdir": folder}
        self._book = xlsxwriter.Workbook(job.path, settings)
        self._heads = _heads(job)
        self._title = job.title
        self._right_to_left = job.right_to_left
        self._most = sheet_rows_max
        self.sheets = 0
        self._next_sheet()

    def _next_sheet(self) -> None:
        self.sheets += 1
        self._sheet: Any = self._book.add_worksheet(f"{self._title} {self.sheets}")
        if self._right_to_left:
            self._sheet.right_to_left()
        for at, head in enumerate(self._heads):
            self._sheet.write_string(0, at, head)
        self._row = 1

    def rows(self, rows: Sequence[list[Cell]], name_of: NameOf) -> None:
        """Write rows."""
        for place, row in enumerate(rows):
            if self._row == self._most:
                self._next_sheet()
            for at, cell in enumerate(row):
                if cell == "":
                    continue
                if isinstance(cell, str) or abs(cell) >= NUMBER_EXACT_MAX:
                    text = literal(str(cell))
                    if len(text) > CELL_MAX:
                        raise Impossible(f"a cell of {name_of(place)} is too long for a workbook; take csv")
                    self._sheet.write_string(self._row, at, text)
                else:
                    self._sheet.write_number(self._row, at, cell)
            self._row += 1

    def close(self) -> None:
        """Write the end."""
        self._book.close()


def _heads(job: Job) -> list[str]:
    return list(job.columns) if job.is_table else heads(job.columns)


def write(job: Job, frames: Iterator[bytes]) -> Written:
    """Write a file of the contacts that come, or of rows that are made already."""
    sink: Sink = TextSink(job) if job.format == "csv" else WorkbookSink(job)
    page_of = _rows_made if job.is_table else _rows_of_contacts(job)
    count = 0
    try:
        for frame in frames:
            rows, name_of = page_of(frame)
            sink.rows(rows, name_of)
            count += len(rows)
        sink.close()
    except Impossible as impossible:
        sink.close()  # it is thrown away, and what lies beside it with it
        return Written(count, sink.sheets, str(impossible))
    except OSError as error:
        return Written(count, sink.sheets, f"the file cannot be written: {error.strerror}")
    return Written(count, sink.sheets)


def _rows_of_contacts(job: Job) -> Callable[[bytes], tuple[list[list[Cell]], NameOf]]:
    make, decoder = maker(job.columns), msgspec.msgpack.Decoder(list[Told])

    def page_of(frame: bytes) -> tuple[list[list[Cell]], NameOf]:
        told = decoder.decode(frame)
        return [make(one) for one in told], lambda place: ids.show("contact", told[place].id)

    return page_of


def _rows_made(frame: bytes) -> tuple[list[list[Cell]], NameOf]:
    rows = msgspec.msgpack.decode(frame, type=list[list[Cell]])
    return rows, lambda place: str(rows[place][0])


def read_frames(source: BinaryIO) -> Iterator[bytes]:
    """The pages that come; EOFError when the server has gone."""
    while True:
        head = source.read(LENGTH_BYTES)
        if len(head) < LENGTH_BYTES:
            raise EOFError
        length = int.from_bytes(head, "big")
        if not length:
            return
        yield source.read(length)


if __name__ == "__main__":
    asked = msgspec.json.decode(sys.stdin.buffer.readline(), type=Job)
    try:
        done = write(asked, read_frames(sys.stdin.buffer))
    except EOFError:
        sys.exit(1)
    sys.stdout.buffer.write(msgspec.json.encode(done) + b"\n")

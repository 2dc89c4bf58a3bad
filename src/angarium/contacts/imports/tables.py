"""A file as rows of text cells, a row at a time. What it is, is told by its first bytes.

A workbook is a ZIP that may unfold to any size, so its parts are added up before a byte of it is
unpacked; and it is read in a process that may not take more memory than it is given
(`imports/worker.py`).
"""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from angarium.contacts.imports.cells import text_of
from angarium.contacts.imports.mapping import Reading

ZIP, OLE = b"PK\x03\x04", bytes.fromhex("d0cf11e0a1b11ae1")
NO_TABLES = {
    b"%PDF": "a PDF",
    b"\x89PNG": "a picture",
    b"\xff\xd8\xff": "a picture",
    b"\x1f\x8b": "packed by gzip",
}
UNFOLDED_MAX_BYTES = 256 << 20  # of a workbook that is read whole
CELL_MAX = 131_072  # characters; a cell that is longer has lost its closing quote


class Unreadable(Exception):
    """A file that is no table; what is wrong, and what to do."""

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(problem)
        self.problem = problem
        self.remedy = remedy


def format_of(path: Path) -> str:
    """`text` or `workbook`; Unreadable for what is neither."""
    with path.open("rb") as file:
        head = file.read(512)
    if not head.strip():
        raise Unreadable("is empty", "send a file with rows")
    for mark, what in NO_TABLES.items():
        if head.startswith(mark):
            raise Unreadable(f"is {what}", "save it as CSV or XLSX")
    return "workbook" if head.startswith((ZIP, OLE)) else "text"


# ── text ─────────────────────────────────────────────────────────────────────────────────────────────


class TextTable:
    """Rows of a CSV or TSV file."""

    def __init__(self, path: Path, reading: Reading) -> None:
        self._file = path.open("rb")
        encoding = "utf-8-sig" if reading.encoding == "utf-8" else reading.encoding
        self._text = io.TextIOWrapper(self._file, encoding, errors="replace", newline="")
        if encoding.startswith("utf-16") and self._text.read(1) != "\ufeff":
            self._text.seek(0)
        self._dialect = reading.dialect
        self.size = path.stat().st_size

    def __iter__(self) -> Iterator[list[str]]:
        csv.field_size_limit(CELL_MAX)
        reader = self._dialect.read(self._text)
        while True:
            try:
                yield from reader
                return
            except csv.Error as error:
                yield [f"\ufffd {error}"]

    @property
    def done_bytes(self) -> int:
        """How much of the file has been read."""
        return self._file.tell()

    def close(self) -> None:
        """Let go of the file."""
        self._text.close()

    rows_known = 0  # how many there are can only be told at the end


# ── workbooks ────────────────────────────────────────────────────────────────────────────────────────


class WorkbookTable:
    """Rows of a sheet."""

    def __init__(self, path: Path, sheet: str) -> None:
        self._book = open_workbook(path)
        self._sheet = _sheet_of(self._book, sheet or self._book.sheet_names[0])
        self.size = path.stat().st_size
        self.rows_known = self._sheet.total_height
        self.done_bytes = 0

    def __iter__(self) -> Iterator[list[str]]:
        margin = [""] * (self._sheet.start or (0, 0))[1]  # the rows above are there, what stands left is not
        for row in self._sheet.iter_rows():
            yield margin + [cell if type(cell) is str else text_of(cell) for cell in row]

    def close(self) -> None:
        """Let go of the file."""
        self._book.close()


Table = TextTable | WorkbookTable


def open_workbook(path: Path) -> Any:
    """The workbook; Unreadable when it is none, is locked, or would unfold to too much."""
    from python_calamine import CalamineError, PasswordError, load_workbook  # noqa: PLC0415  13 MB for workbooks alone

    check_unfolded(path)
    try:
        book = load_workbook(str(path))
    except PasswordError:
        raise Unreadable("is locked with a password", "save it without one") from None
    except (CalamineError, OSError, ValueError) as error:
        raise Unreadable(
            f"is no workbook that can be read: {str(error)[:200]}", "save it as XLSX again"
        ) from None
    if not book.sheet_names:
        raise Unreadable("has no sheet", "send a workbook with rows")
    return book


def _sheet_of(book: Any, name: str) -> Any:
    from python_calamine import CalamineError  # noqa: PLC0415  as above

    try:
        return book.get_sheet_by_name(name)
    except (CalamineError, ValueError) as error:
        raise Unreadable(f"has a sheet that cannot be read: {str(error)[:200]}", "save it again") from None


def check_unfolded(path: Path) -> None:
    """Unreadable when the parts of a workbook say that they unfold to more than is read."""
    with path.open("rb") as file:
        if file.read(4) != ZIP:
            return
    try:
        with zipfile.ZipFile(path) as parts:
            unfolded = sum(part.file_size for part in parts.infolist())
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        # the last is zipfile's own word for an archive of a newer version than it reads
        raise Unreadable(f"is damaged: {str(error)[:200]}", "save it again") from None
    if unfolded > UNFOLDED_MAX_BYTES:
        most = UNFOLDED_MAX_BYTES >> 20
        raise Unreadable(f"unfolds to {unfolded >> 20} MiB, more than {most}", "save it as CSV")


def opened(path: Path, reading: Reading) -> Table:
    """The rows of a file."""
    if reading.format == "workbook":
        return WorkbookTable(path, reading.sheet)
    return TextTable(path, reading)

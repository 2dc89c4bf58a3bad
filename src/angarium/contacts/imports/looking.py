"""A first look at a file: what it is, how it reads, what its columns may be. Runs in the worker."""

from __future__ import annotations

import codecs
import re
from contextlib import closing
from itertools import dropwhile, islice
from pathlib import Path

import msgspec

from angarium.contacts.imports import columns, sniffing
from angarium.contacts.imports.mapping import Look, Mapping, Reading, guessed, reading
from angarium.contacts.imports.sniffing import ROWS_SHOWN, SAMPLE_BYTES, Dialect
from angarium.contacts.imports.tables import Unreadable, format_of, open_workbook, opened

CHUNK_BYTES = 1 << 20
CELL_SHOWN_MAX = 200
BEYOND_ASCII = re.compile(rb"[^\n]*[\x80-\xff][^\n]*\n")
ROWS_LOOKED_AT = 100
CONTROL = re.compile("[\x00-\x08\x0e-\x1f]")


class Sample(msgspec.Struct, frozen=True):
    """The first rows in one encoding."""

    encoding: str
    score: float
    rows: tuple[tuple[str, ...], ...]


class Seen(msgspec.Struct, frozen=True):
    """All that a first look shows. `encodings`: the plausible ones, each with the rows as they read in it."""

    look: Look
    encodings: tuple[Sample, ...]
    guess: Mapping
    rows_estimated: int


def look_at(path: Path, said: Mapping | None = None) -> Seen:
    """Look at a file, as it was sniffed, or as it was said to be read. Unreadable when it is no table."""
    said = said or Mapping()
    if format_of(path) == "workbook":
        return _workbook(path, said)
    sample, utf_8 = sampled(path)
    guesses = (
        (sniffing.Guess(said.encoding, 1.0),) if said.encoding else sniffing.encodings(sample, utf_8=utf_8)
    )
    best = guesses[0].encoding
    text = _beginning(path, best)
    if len(CONTROL.findall(text)) * 20 > len(text):
        raise Unreadable("is no text", "save it as CSV or XLSX")
    form = sniffing.dialect(text)
    seen = Look("text", best, sniffing.certain(guesses), form, True, (), (), ())
    how = reading(seen, said)
    look = _with_rows(msgspec.structs.replace(seen, dialect=how.dialect), _first_rows(path, how), said)
    shown = tuple(
        Sample(one.encoding, one.score, _shown(_first_rows(path, _read_as(how, one.encoding)), look.above))
        for one in guesses
    )
    bytes_per_row = max(1, len(text.encode(best, "replace")) // max(1, text.count("\n")))
    return Seen(look, shown, guessed(look, said.country), path.stat().st_size // bytes_per_row)


def _workbook(path: Path, said: Mapping) -> Seen:
    with closing(open_workbook(path)) as book:
        sheets = tuple(str(name) for name in book.sheet_names)
    sheet = said.sheet if said.sheet in sheets else sheets[0]
    with closing(opened(path, Reading("workbook", "", Dialect(), True, sheet))) as table:
        rows = list(islice(table, ROWS_LOOKED_AT))
        total = table.rows_known
    look = _with_rows(Look("workbook", "", True, Dialect(), True, sheets, (), ()), rows, said)
    return Seen(look, (), guessed(look, said.country), total)


def _with_rows(seen: Look, file_rows: list[list[str]], said: Mapping) -> Look:
    above = columns.rows_above(file_rows) if said.above is None else said.above
    rows = _from_head(file_rows[above:])
    header = columns.is_head(rows[0], rows[1:]) if rows and said.header is None else bool(said.header)
    width = max(map(len, rows), default=0)
    heads = [cell.strip() for cell in rows[0]] if header and rows else []
    below = rows[1:] if header else rows
    return msgspec.structs.replace(
        seen,
        header=header,
        heads=tuple(heads + [""] * (width - len(heads))) if not header else tuple(heads),
        examples=tuple(tuple(cell[:CELL_SHOWN_MAX] for cell in row) for row in below),
        above=above,
    )


def _read_as(how: Reading, encoding: str) -> Reading:
    return msgspec.structs.replace(how, encoding=encoding)


def _shown(rows: list[list[str]], above: int) -> tuple[tuple[str, ...], ...]:
    shown = _from_head(rows[above:])[:ROWS_SHOWN]
    return tuple(tuple(cell[:CELL_SHOWN_MAX] for cell in row) for row in shown)


def _first_rows(path: Path, how: Reading) -> list[list[str]]:
    with closing(opened(path, how)) as table:
        return list(islice(table, ROWS_LOOKED_AT))


def _from_head(rows: list[list[str]]) -> list[list[str]]:
    """The rows from the first that holds anything."""
    return list(dropwhile(lambda row: not any(row), rows))


def _beginning(path: Path, encoding: str) -> str:
    with path.open("rb") as file:
        head = file.read(SAMPLE_BYTES)
    text = codecs.getincrementaldecoder(encoding)("replace").decode(head)
    return text.removeprefix("\ufeff")


def sampled(path: Path) -> tuple[bytes, bool]:
    """The beginning of a file with lines from all of it that are not ASCII; whether it all reads as UTF-8.

    A file may well begin with a thousand English names and then have a Persian one.
    """
    decoder = codecs.getincrementaldecoder("utf-8")("strict")
    pieces: list[bytes] = []
    taken, utf_8 = 0, True
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            if not pieces:
                pieces.append(chunk[: SAMPLE_BYTES // 4])
                if chunk.startswith(tuple(mark for mark, _ in sniffing.BOMS)) or b"\0" in pieces[0]:
                    return chunk[:SAMPLE_BYTES], False
                if pieces[0] != chunk:  # a line that was cut off would spoil the characters after it
                    pieces[0] = pieces[0].rpartition(b"\n")[0] + b"\n" if b"\n" in pieces[0] else pieces[0]
            if utf_8:
                utf_8 = _reads(decoder, chunk)
            if taken < SAMPLE_BYTES and not chunk.isascii():
                more = b"".join(islice((found[0] for found in BEYOND_ASCII.finditer(chunk)), 2_000))
                pieces.append(more[: SAMPLE_BYTES - taken])
                taken += len(pieces[-1])
    return b"".join(pieces), utf_8 and _reads(decoder, b"", final=True)


def _reads(decoder: codecs.IncrementalDecoder, chunk: bytes, *, final: bool = False) -> bool:
    try:
        decoder.decode(chunk, final)
    except UnicodeDecodeError:
        return False
    return True

"""The process that reads files: `python -m angarium.contacts.imports.worker`.

A file is read, and its rows are checked, beside the server: neither the time nor the memory that a
hostile file takes is the server's. The job comes as one line of JSON on stdin; what is found goes to
stdout in frames, each with its length before it. A pipe holds little, so the worker waits until the
server has taken what is there.
"""

from __future__ import annotations

import errno
import gc
import resource
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing
from itertools import repeat
from pathlib import Path
from typing import BinaryIO

import msgspec

from angarium.contacts.fields import FieldDefinition
from angarium.contacts.imports.blocks import Block, Outlet, Reserved
from angarium.contacts.imports.doubles import ROWS_MAX
from angarium.contacts.imports.looking import Seen, look_at
from angarium.contacts.imports.mapping import Mapping, Reading
from angarium.contacts.imports.plain import Plain, Sheet
from angarium.contacts.imports.rows import Draft, Failed, Read, Reader, Rest, Skipped
from angarium.contacts.imports.tables import Table, Unreadable, opened
from angarium.contacts.newcomers import NOBODY, Newcomers, People, at_each

MEMORY_MAX_BYTES = 2 << 30  # of addresses; a workbook that needs more is refused
# Some hundredths of a second of the database, for which a message waits. With twice as many rows it writes a
# tenth faster, and a message waits twice as long (measured by bench/contacts.py).
BATCH_ROWS = 1_000
EMPTY: list[str] = []  # a row
FULL = (errno.ENOSPC, errno.EDQUOT)  # no room for a block: it is tried again, as where the database has none
NO_ROOM = 75  # the status to end with then (sysexits.h: EX_TEMPFAIL)
BATCH_CHARACTERS = 4 << 20  # and no more than this of text, so that it fits in a frame
FRAME_MAX_BYTES = 64 << 20


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """What to do with a file: look at it, or read it."""

    path: str
    mapping: Mapping
    reading: Reading | None = None  # None: only look
    heads: tuple[str, ...] = ()
    fields: tuple[FieldDefinition, ...] = ()
    after_row: int = 0  # rows up to this one were taken before; they are read for what they name
    rows_expected: int = 0  # room is made for so many; more are no matter
    reserve: bool = False  # the addresses of newcomers come first, a block at a time (imports/blocks.py)


class Batch(msgspec.Struct, frozen=True, array_like=True, tag="batch"):
    """The next rows: all up to `until_row`, from the first of the file as 1."""

    until_row: int
    rows: int  # how many of them hold anything
    drafts: tuple[Draft, ...]  # but for those of newcomers
    failed: tuple[Failed, ...]
    skipped: int
    done_bytes: int
    rows_known: int
    newcomers_from: int  # how many newcomers of its block stand before those of this batch
    newcomers: Newcomers | None  # people whom no row named before, and of whom there is no more to be known
    newcomer_rest: msgspec.Raw  # with which they are drafts, for who turns out to be there: seldom unpacked
    newcomer_variables: tuple[str, ...]  # of their rows, for a list; empty: none has any

    def drafts_of_newcomers(self) -> list[Draft]:
        """What their rows say, in the same order."""
        if self.newcomers is None:
            return []
        return _rest.decode(self.newcomer_rest).drafts(self.newcomers, self.newcomer_variables)


class End(msgspec.Struct, frozen=True, array_like=True, tag="end"):
    """There are no more rows."""

    rows: int


class Found(msgspec.Struct, frozen=True, array_like=True, tag="found"):
    """What a look has shown."""

    seen: Seen


class Refusal(msgspec.Struct, frozen=True, array_like=True, tag="refusal"):
    """The file is no table."""

    problem: str
    remedy: str


_rest = msgspec.msgpack.Decoder(Rest)
_encode = msgspec.msgpack.Encoder().encode


Frame = Batch | Reserved | End | Found | Refusal


def frames(job: Job) -> Iterator[Frame | Block]:
    """What becomes of a job; batches are in blocks when it says so."""
    try:
        if job.reading is None:
            yield Found(look_at(Path(job.path), job.mapping))
        else:
            yield from batches(job, job.reading)
    except Unreadable as unreadable:
        yield Refusal(unreadable.problem, unreadable.remedy)
    except MemoryError:
        yield Refusal("needs more memory than it is given", "save it as CSV")


def batches(job: Job, reading: Reading) -> Iterator[Frame | Block]:
    """The rows after `after_row`."""
    with closing(opened(Path(job.path), reading)) as table:
        found = _batches(job, reading, table)
        if job.reserve:
            yield from _in_blocks(found, Path(job.path).parent)
        else:
            yield from (frame for frame, _ in found)


def _in_blocks(found: Iterator[tuple[Batch | End, People]], folder: Path) -> Iterator[End | Block]:
    block = Block(folder)
    try:
        for frame, newcomers in found:
            if isinstance(frame, End):
                yield block.close()
                yield frame
                return
            whole = msgspec.structs.replace(frame, newcomers_from=block.newcomers)
            block.add(frame.rows, _encode(whole), newcomers)
            if block.is_whole(frame.until_row):
                yield block.close()
                block = Block(folder)
    except Unreadable:
        yield block.close()  # what could be read is taken
        raise
    except OSError:
        block.forget()
        raise


def _batches(job: Job, reading: Reading, table: Table) -> Iterator[tuple[Batch | End, People]]:
    reader = Reader(job.mapping, job.heads, job.fields, min(job.rows_expected, ROWS_MAX))
    plain, row = Plain(reader), 0
    for before, rows, done_bytes in _sheaves(table, reading, job.after_row):
        row = before + len(rows)
        taken = Taken(reader, before, plain.sheet(rows), rows)
        if row > job.after_row:
            yield taken.batch(row, done_bytes, table.rows_known), taken.newcomers
    yield End(row), NOBODY


def _sheaves(table: Table, reading: Reading, after_row: int) -> Iterator[tuple[int, list[list[str]], int]]:
    """Rows that become a batch, with how many came before them, and how much of the file has been read then.
    Rows over the table and the one of heads are empty ones."""
    before, rows, characters, heads_due = 0, list[list[str]](), 0, reading.header
    for row, cells in enumerate(table, start=1):
        if row > ROWS_MAX:
            raise Unreadable(f"has more than {ROWS_MAX} rows", "cut it into several files")
        if row <= reading.above:
            rows.append(EMPTY)
            continue
        if heads_due:  # the first row that holds anything
            heads_due = not any(cells)
            rows.append(EMPTY)
            continue
        rows.append(cells)
        characters += sum(map(len, cells))
        if row % BATCH_ROWS == 0 or row == after_row or characters > BATCH_CHARACTERS:
            yield before, rows, table.done_bytes
            before, rows, characters = row, [], 0
    yield before, rows, table.size


class Taken:
    """Rows that are to go as one batch, read in their order: who comes first is new."""

    def __init__(self, reader: Reader, before: int, sheet: Sheet, rows: Sequence[Sequence[str]]) -> None:
        self._rows = self._skipped = 0
        self._drafts: list[Draft] = []
        self._failed: list[Failed] = []
        new: list[int] = []
        claim, odd, put = reader.doubles.claim, sheet.odd, sheet.put
        names = list(zip(*sheet.keys, strict=True)) or repeat(())
        for at, (cells, keys) in enumerate(zip(rows, names, strict=False)):
            row = before + at + 1
            if at not in odd and claim(keys, row):
                new.append(at)
            elif isinstance(found := reader.read(row, cells), Draft) and is_newcomer(found):
                put(at, found)
                new.append(at)
            else:
                self._add(found)
        self.newcomers = sheet.people.only(new)
        self._variables = tuple(at_each(sheet.variables, new))
        self._rest = Rest(
            [before + at + 1 for at in new],
            at_each(sheet.raws, new),
            self.newcomers.addresses,
            reader.unsaid,
        )

    def _add(self, found: Read | None) -> None:
        self._rows += found is not None
        self._skipped += isinstance(found, Skipped)
        if isinstance(found, Draft):
            self._drafts.append(found)
        elif isinstance(found, Failed):
            self._failed.append(found)

    def batch(self, until_row: int, done_bytes: int, rows_known: int) -> Batch:
        """All that was taken, but for the addresses of newcomers."""
        return Batch(
            until_row,
            self._rows + len(self._rest.rows),
            tuple(self._drafts),
            tuple(self._failed),
            self._skipped,
            done_bytes,
            rows_known,
            0,
            self.newcomers.newcomers(),
            msgspec.Raw(_encode(self._rest)),
            self._variables if any(self._variables) else (),
        )


def is_newcomer(draft: Draft) -> bool:
    """Whether a row tells of somebody whom no row named before, and nothing that other tables keep too."""
    return draft.alone and not draft.opted_out and not any(shielded for _, _, shielded in draft.addresses)


def main(source: BinaryIO, sink: BinaryIO) -> int:
    """Do the job that stands in the first line; the status to end with."""
    job = msgspec.json.decode(source.readline(), type=Job)
    try:
        with Outlet(sink) as outlet:
            for frame in frames(job):
                outlet.put(frame)
    except OSError as error:
        if error.errno not in FULL:
            raise
        return NO_ROOM
    return 0


if __name__ == "__main__":
    gc.disable()  # nothing here refers to itself in a circle, and to look for it is 3 % of the time
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_MAX_BYTES, MEMORY_MAX_BYTES))
    try:
        sys.exit(main(sys.stdin.buffer, sys.stdout.buffer))
    except BrokenPipeError:  # the server has gone, or wants no more
        sys.stderr.close()

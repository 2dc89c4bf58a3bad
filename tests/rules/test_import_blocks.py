"""A file in blocks: the addresses of newcomers come first, in the order of their index."""

from __future__ import annotations

import asyncio
import errno
import io
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from angarium.contacts.imports import blocks, process, worker
from angarium.contacts.imports.blocks import LENGTH_BYTES, Reserved
from angarium.contacts.imports.mapping import Mapping, Reading, reading
from angarium.contacts.imports.sniffing import Dialect
from angarium.contacts.imports.worker import Batch, End, Found, Frame, Job, Refusal
from angarium.contacts.newcomers import NOBODY
from angarium.core.problems import Problem

HEAD = "id,phone,email"
PEOPLE = [
    ("C5", "+989120000005", "e@example.com"),
    ("C1", "", "d@example.com"),
    ("C5", "+989120000009", ""),  # named before: no newcomer
    ("C3", "+989120000001;+989120000003", ""),
    ("", "+989120000002", "c@example.com"),
    ("C4", "", ""),
    ("C2", "+989120000004", "a@example.com"),
    ("C9", "1", ""),  # wrong
]


def frames(sent: bytes) -> Iterator[Frame]:
    """What the worker has sent."""
    source = io.BytesIO(sent)
    while head := source.read(LENGTH_BYTES):
        yield msgspec.msgpack.decode(source.read(int.from_bytes(head, "big")), type=Frame)


def sent(folder: Path, people: list[tuple[str, str, str]]) -> list[Frame]:
    """What a worker sends of a file, to be written."""
    file = folder / "people.csv"
    file.write_text("\n".join([HEAD, *map(",".join, people)]))
    (found,) = worker.frames(Job(path=str(file), mapping=Mapping()))
    assert isinstance(found, Found)
    look, guess = found.seen.look, found.seen.guess
    how = reading(look, guess)
    job = Job(path=str(file), mapping=guess, reading=how, heads=look.heads, reserve=True)
    sink = io.BytesIO()
    worker.main(io.BytesIO(msgspec.json.encode(job) + b"\n"), sink)
    return list(frames(sink.getvalue()))


def reserved(block: list[Frame]) -> list[tuple[str, str, int, int]]:
    """Kind, value, owner and place of each address, as they came."""
    return [
        (one.kind, *cells)
        for one in block
        if isinstance(one, Reserved)
        for cells in zip(one.values, one.owners, one.places, strict=True)
    ]


def newcomers(block: list[Frame]) -> list[tuple[int, list[tuple[int, str, str]]]]:
    """The place of each newcomer in its block, and what its row says of its addresses and external id."""
    return [
        (
            at,
            [
                *[(place, kind, value) for place, (kind, value, _) in enumerate(draft.addresses)],
                *([(0, "external_id", draft.external_id)] if draft.external_id else []),
            ],
        )
        for batch in block
        if isinstance(batch, Batch)
        for at, draft in enumerate(batch.drafts_of_newcomers(), start=batch.newcomers_from)
    ]


@pytest.mark.parametrize(("batch_rows", "block_rows"), [(1, 1), (2, 4), (3, 100), (100, 100)])
def test_addresses_come_first_and_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, batch_rows: int, block_rows: int
) -> None:
    monkeypatch.setattr(worker, "BATCH_ROWS", batch_rows)
    monkeypatch.setattr(blocks, "ROWS_MIN", block_rows)
    monkeypatch.setattr(blocks, "PIECE", 2)
    *found, end = sent(tmp_path, PEOPLE)
    assert isinstance(end, End)
    told: list[list[Frame]] = []
    for frame in found:
        if isinstance(frame, Reserved) and frame.begins:
            told.append([])
        told[-1].append(frame)
    for block in told:
        those, own = reserved(block), newcomers(block)
        assert those == sorted(those)
        assert [at for at, _ in own] == list(range(block[0].begins if isinstance(block[0], Reserved) else -1))
        theirs = [(kind, value, at, place) for at, all_of in own for place, kind, value in all_of]
        assert sorted(those) == sorted(theirs)
        first = next(at for at, one in enumerate(block) if isinstance(one, Batch))
        assert not any(isinstance(one, Reserved) for one in block[first:])
    assert sum(len(newcomers(block)) for block in told) == 6
    batches = [one for one in found if isinstance(one, Batch)]
    assert sum(one.rows for one in batches) == len(PEOPLE)
    assert batches[-1].until_row == len(PEOPLE) + 1


def test_what_can_be_read_comes_before_what_is_wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "BATCH_ROWS", 2)
    monkeypatch.setattr(worker, "ROWS_MAX", 4)
    *found, end = sent(tmp_path, PEOPLE)
    assert isinstance(end, Refusal)
    assert [len(newcomers(found)), len(reserved(found))] == [2, 5]


SIZES = [(0, 5_000), (20_000, 5_000), (40_000, 10_000), (200_000, 50_000), (10_000_000, 64_000)]


@pytest.mark.parametrize(("before", "rows"), SIZES)
def test_a_block_is_a_part_of_what_was_before_it(tmp_path: Path, before: int, rows: int) -> None:
    block = blocks.Block(tmp_path)
    block.add(rows - 1, b"", NOBODY)
    assert not block.is_whole(before)
    block.add(1, b"", NOBODY)
    assert block.is_whole(before)
    block.close().send(io.BytesIO())


def test_a_disk_without_room_for_a_block_is_no_fault_of_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who reads it ends with a status of its own, and whoever waits is told to come again."""

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(blocks.Block, "add", full)
    file = tmp_path / "people.csv"
    file.write_text(HEAD + "\n" + ",".join(PEOPLE[0]))
    job = Job(
        path=str(file), mapping=Mapping(), reading=Reading("text", "utf-8", Dialect(), True, ""), reserve=True
    )
    assert worker.main(io.BytesIO(msgspec.json.encode(job) + b"\n"), io.BytesIO()) == worker.NO_ROOM
    monkeypatch.setattr(process, "MODULE", "angarium.contacts.imports.cells")  # ends at once, with status 0
    monkeypatch.setattr(process, "NO_ROOM", 0)

    async def read() -> None:
        async with process.Worker(job) as reading_it:
            async for _ in reading_it.frames():
                pass

    with pytest.raises(Problem) as told:
        asyncio.run(read())
    assert told.value.status == 503


class Gone(io.BytesIO):
    """Nobody reads what is written."""

    def write(self, _: object) -> int:
        raise BrokenPipeError


def test_whoever_reads_a_file_ends_when_nobody_listens(tmp_path: Path) -> None:
    outlet = blocks.Outlet(Gone())

    def put_on_and_on() -> None:
        with outlet:
            while True:
                outlet.put(End(1))

    with pytest.raises(BrokenPipeError):
        put_on_and_on()

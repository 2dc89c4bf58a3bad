"""A connection to PostgreSQL that breaks at COMMIT: what was committed is done, the rest is done again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest

from angarium.core.problems import Problem
from angarium.storage.database import Transaction
from angarium.storage.marks import KEPT, Marks
from angarium.storage.postgres import PostgresDatabase
from support.cutter import Cutter
from support.databases import PostgresServer
from support.sample import ids, put
from support.still import START, StillClock

MARKER = b"INSERT INTO sample"


class Hurried(StillClock):
    """Whoever waits has waited."""

    async def sleep(self, seconds: float) -> None:
        self.advance(seconds)


class Cuttable:
    """A database behind a cutter, and another way to it."""

    def __init__(self, cutter: Cutter) -> None:
        self.cutter = cutter
        self.clock = Hurried()
        self.database = PostgresDatabase(cutter.spoken_url, self.clock)
        self.tries = 0

    async def put(self, number: int) -> int:
        """Insert one row, and count how often it was tried."""

        async def work(tx: Transaction) -> int:
            self.tries += 1
            await put(tx, number)
            return self.tries

        return await self.database.run(work)

    async def marks(self) -> list[tuple[int, int]]:
        """Numbers, and whether they were kept."""
        admin = await asyncpg.connect(self.cutter.behind)
        found = await admin.fetch("SELECT number, kept FROM commit_mark ORDER BY number")
        await admin.close()
        return [tuple(row) for row in found]


@pytest.fixture
async def cuttable(postgres_server: PostgresServer) -> AsyncIterator[Cuttable]:
    async with postgres_server.lent() as url:
        cutter = Cutter(url)
        await cutter.listen()
        made = Cuttable(cutter)
        await made.database.start()
        yield made
        await made.database.stop()
        await cutter.go_away()


async def test_what_was_committed_is_done(cuttable: Cuttable) -> None:
    cuttable.cutter.cut(MARKER, "after")
    assert await cuttable.put(1) == 1
    assert cuttable.cutter.was_cut
    assert await cuttable.database.read(ids) == [1]
    assert await cuttable.marks() == [(1, 1)]


async def test_what_was_not_committed_is_done_again(cuttable: Cuttable) -> None:
    cuttable.cutter.cut(MARKER, "before")
    assert await cuttable.put(1) == 2
    assert await cuttable.database.read(ids) == [1]
    assert await cuttable.marks() == [(1, 0), (2, 1)]


async def test_a_commit_that_comes_after_it_was_given_up_fails(cuttable: Cuttable) -> None:
    cuttable.cutter.cut(MARKER, "late")
    asked = asyncio.create_task(cuttable.put(1))
    while (1, 0) not in await cuttable.marks():  # noqa: ASYNC110  it happens on the server
        await asyncio.sleep(0.01)
    cuttable.cutter.let_through.set()
    assert await asked == 2
    assert b"pk_commit_mark" in cuttable.cutter.late
    assert await cuttable.database.read(ids) == [1]


async def test_that_it_is_not_known_is_told_while_nobody_can_be_asked(cuttable: Cuttable) -> None:
    cuttable.cutter.cut(MARKER, "after")
    cuttable.cutter.goes_away = True
    with pytest.raises(Problem, match="not known whether it was kept") as caught:
        await cuttable.put(1)
    assert (caught.value.status, cuttable.tries) == (503, 1)
    await cuttable.cutter.listen()
    assert await cuttable.database.read(ids) == [1]


async def test_what_changes_nothing_leaves_no_mark(cuttable: Cuttable) -> None:
    await cuttable.database.run(ids)
    assert await cuttable.marks() == []


async def test_marks_that_nobody_asks_for_are_let_go_of(cuttable: Cuttable) -> None:
    for number in range(KEPT + 1):
        await cuttable.put(number)
    assert [number for number, _ in await cuttable.marks()] == [KEPT, KEPT + 1]


def test_what_may_be_asked_for_stays() -> None:
    marks = Marks(7, StillClock(START))
    with marks.under_way() as first:
        for _ in range(KEPT - 2):
            with marks.under_way():
                pass
        with marks.under_way() as last:
            assert marks.commit(last).startswith(
                f"DELETE FROM commit_mark WHERE run = 7 AND number < {first} "
            )

"""What is SQLite's alone: the group commit, the file's settings, the database in memory."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import apsw
import pytest

from angarium.core.problems import Problem
from angarium.storage.database import Transaction
from angarium.storage.sqlite import SqliteDatabase, connect
from angarium.storage.sqlite_lanes import AWAITED_ELSEWHERE
from support.databases import create_schema
from support.sample import INSERT_WHOLE, ids, put


@pytest.fixture(params=["file", "memory"])
async def database(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[SqliteDatabase]:
    opened = SqliteDatabase(str(tmp_path / "angarium.db") if request.param == "file" else "")
    await opened.start()
    await create_schema(opened)
    yield opened
    await opened.stop()


@pytest.fixture
async def file(tmp_path: Path) -> AsyncIterator[SqliteDatabase]:
    opened = SqliteDatabase(str(tmp_path / "angarium.db"))
    await opened.start()
    await create_schema(opened)
    yield opened
    await opened.stop()


async def inner(database: SqliteDatabase) -> apsw.Connection:
    """The writer's own connection."""

    async def work(tx: Transaction) -> apsw.Connection:
        connection = tx._connection  # type: ignore[attr-defined]
        assert isinstance(connection, apsw.Connection)
        return connection

    return await database.run(work)


async def test_works_that_wait_are_one_commit(database: SqliteDatabase) -> None:
    commits: list[int] = []
    connection = await inner(database)
    connection.set_commit_hook(lambda: bool(commits.append(1)))
    await asyncio.gather(*(database.run(put, number) for number in range(200)))
    assert len(commits) < 50
    assert await database.read(ids) == list(range(200))


async def test_a_work_knows_whether_others_wait_for_it(file: SqliteDatabase) -> None:
    queued = threading.Event()

    async def alone(tx: Transaction) -> bool:
        return tx.awaited

    async def at_work_while_others_come(tx: Transaction) -> bool:
        assert queued.wait(60)
        return tx.awaited

    assert not await file.run(alone)
    first = asyncio.ensure_future(file.run(at_work_while_others_come))
    others = [asyncio.ensure_future(file.run(alone)) for _ in range(2)]
    await asyncio.wait([*others], timeout=0)  # a turn of the loop: they are queued
    queued.set()
    assert await first
    assert await asyncio.gather(*others) == [True, True]  # they share a commit


async def test_what_a_reader_sorts_goes_to_a_file_beside_the_database(file: SqliteDatabase) -> None:
    def open_files() -> list[str]:
        links = list(Path("/proc/self/fd").iterdir())
        return [str(link.readlink()) for link in links if link.is_symlink()]

    folder = Path((await inner(file)).db_filename("main")).parent
    reader = connect(str(folder / "angarium.db"), read_only=True)
    rows = reader.execute(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 150000)"
        " SELECT printf('%0200d', i % 1000), count(*) FROM n GROUP BY 1"
    )
    assert next(rows)[1] == 150
    sorted_in = [one for one in open_files() if one.startswith(str(folder)) and one.endswith("(deleted)")]
    reader.close(True)
    assert sorted_in
    assert not [one for one in folder.iterdir() if not one.name.startswith("angarium.db")]


async def test_when_the_commit_fails_every_work_of_the_group_has_failed(database: SqliteDatabase) -> None:
    connection = await inner(database)
    connection.set_commit_hook(lambda: True)  # SQLite turns the COMMIT into a ROLLBACK
    results = await asyncio.gather(*(database.run(put, n) for n in range(20)), return_exceptions=True)
    assert {type(result) for result in results} == {apsw.ConstraintError}
    connection.set_commit_hook(None)
    assert await database.read(ids) == []
    await database.run(put, 7)
    assert await database.read(ids) == [7]


async def test_a_work_that_awaits_something_else_is_told_so(database: SqliteDatabase) -> None:
    closed: list[bool] = []

    async def work(tx: Transaction) -> None:
        await put(tx, 1)
        try:
            await asyncio.sleep(0)
        finally:
            closed.append(True)

    with pytest.raises(RuntimeError, match=AWAITED_ELSEWHERE):
        await database.run(work)
    assert closed == [True]
    assert await database.read(ids) == []


async def test_a_full_disk_is_a_503_and_passes(database: SqliteDatabase) -> None:
    async def fill(tx: Transaction) -> None:
        await tx.insert(INSERT_WHOLE, [(1, n, "x" * 4000, n, n, None) for n in range(1_000)])

    connection = await inner(database)
    pages = connection.pragma("page_count")
    connection.pragma("max_page_count", pages + 20)
    results = await asyncio.gather(
        database.run(put, 2001), database.run(fill), database.run(put, 2002), return_exceptions=True
    )
    problem = results[1]
    assert isinstance(problem, Problem)
    assert problem.status == 503
    assert isinstance(problem.__cause__, apsw.FullError)
    connection.pragma("max_page_count", pages + 10_000)
    kept = [number for number, result in ((2001, results[0]), (2002, results[2])) if result is None]
    assert await database.read(ids) == kept
    await database.run(put, 3000)
    assert await database.read(ids) == [*kept, 3000]


async def test_a_file_keeps_what_it_committed(file: SqliteDatabase) -> None:
    connection = await inner(file)
    settings = {name: connection.pragma(name) for name in ("journal_mode", "synchronous", "mmap_size")}
    assert settings == {"journal_mode": "wal", "synchronous": 2, "mmap_size": 0}


async def test_only_the_writer_checkpoints(file: SqliteDatabase) -> None:
    reader = connect((await inner(file)).filename, read_only=True)
    assert reader.pragma("wal_autocheckpoint") == 0
    assert reader.pragma("query_only") == 1
    reader.close()


async def test_a_read_sees_one_snapshot_while_others_write(file: SqliteDatabase) -> None:
    looked, written = threading.Event(), threading.Event()

    async def work(tx: Transaction) -> tuple[list[int], list[int]]:
        before = await ids(tx)
        looked.set()
        assert written.wait(10)
        return before, await ids(tx)

    await file.run(put, 1)
    reading = asyncio.create_task(file.read(work))
    await asyncio.to_thread(looked.wait, 10)
    await file.run(put, 2)
    written.set()
    assert await reading == ([1], [1])
    assert await file.read(ids) == [1, 2]


async def test_memory_is_one_database_and_runs_in_the_order_of_the_calls() -> None:
    database = SqliteDatabase("")
    await database.start()
    await create_schema(database)
    order: list[int] = []

    async def work(tx: Transaction, number: int) -> None:
        await put(tx, number)
        order.append(number)

    await asyncio.gather(*(database.run(work, number) for number in range(50)))
    assert order == await database.read(ids) == list(range(50))
    assert threading.active_count() == 1 or "sqlite" not in {thread.name for thread in threading.enumerate()}
    await database.stop()


async def test_a_read_may_not_write_wherever_it_is(database: SqliteDatabase) -> None:
    with pytest.raises(apsw.ReadOnlyError):
        await database.read(put, 1)
    assert await database.read(ids) == []


def test_a_plan_is_made_once_whatever_is_bound_to_it() -> None:
    connection = connect("")
    connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, line INTEGER, state TEXT)")
    connection.execute("CREATE INDEX queued ON t (line, id) WHERE state = 'queued'")
    planned: list[object] = []
    connection.authorizer = lambda *asked: planned.append(asked) or apsw.SQLITE_OK  # asked while it plans
    counts = []
    for number in range(3):
        statement = "SELECT min(id) FROM t WHERE line = ?1 AND state = 'queued' LIMIT ?1"
        connection.execute(statement, (number,)).fetchall()
        counts.append(len(planned))
    assert 0 < counts[0] == counts[2]

"""What is PostgreSQL's alone: deadlocks, careless servers, lost connections."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import asyncpg
import pytest
from sqlalchemy import text

from angarium.core.clock import SystemClock
from angarium.core.problems import Problem
from angarium.storage import facts
from angarium.storage.bulk import Statement
from angarium.storage.database import Database, Transaction, Trouble, open_database
from angarium.storage.duty import Duty
from angarium.storage.postgres import split_url, translated, trouble_of
from support.databases import PostgresServer, postgres_of_its_own
from support.sample import SET_STATE, ids, put, states


@pytest.fixture
async def url(postgres_server: PostgresServer) -> str:
    return await postgres_server.database_with_schema()


@pytest.fixture
async def database(url: str) -> AsyncIterator[Database]:
    opened = open_database(url)
    await opened.start()
    yield opened
    await opened.stop()


@pytest.fixture(scope="module")
def own_server() -> Iterator[str]:
    """A server whose settings a test may change."""
    with postgres_of_its_own() as own:
        yield own.get_uri()


@asynccontextmanager
async def set_off(url: str, names: list[str]) -> AsyncIterator[None]:
    """Switch settings of a whole server off for a while."""
    admin = await asyncpg.connect(url)

    async def put(value: str) -> None:
        for name in names:
            await admin.execute(f"ALTER SYSTEM SET {name} = {value}")
        await admin.execute("SELECT pg_reload_conf()")
        for name in names:
            while await admin.fetchval("SELECT current_setting($1)", name) != value:
                pass  # the postmaster tells its children soon

    try:
        await put("off")
        yield
        await put("on")
    finally:
        await admin.close()


async def test_the_loser_of_a_deadlock_is_run_again(database: Database) -> None:
    locked = {1: asyncio.Event(), 2: asyncio.Event()}
    tries = []

    async def work(tx: Transaction, mine: int, other: int) -> None:
        tries.append(mine)
        await tx.update(SET_STATE, [(1, mine, f"by {mine}")])
        locked[mine].set()
        await locked[other].wait()
        await tx.update(SET_STATE, [(1, other, f"by {mine}")])

    await database.run(put, 1, 2)
    await asyncio.gather(database.run(work, 1, 2), database.run(work, 2, 1))
    assert len(tries) >= 3  # the loser may meet the other once more
    assert await database.read(states) in ({1: "by 1", 2: "by 1"}, {1: "by 2", 2: "by 2"})


async def test_a_work_that_never_gets_through_is_a_503(database: Database) -> None:
    tries = []

    async def work(_tx: Transaction) -> None:
        tries.append(1)
        raise asyncpg.SerializationError("again")

    with pytest.raises(Problem) as caught:
        await database.run(work)
    assert caught.value.status == 503
    assert len(tries) == 4


async def test_an_error_that_is_swallowed_is_not_taken_for_a_commit(database: Database) -> None:
    async def work(tx: Transaction) -> None:
        await put(tx, 1)
        try:
            await put(tx, 1)
        except asyncpg.UniqueViolationError:
            return

    with pytest.raises(RuntimeError, match="nothing was committed"):
        await database.run(work)
    assert await database.read(ids) == []


async def test_a_lost_connection_is_a_503_and_the_next_work_has_another(database: Database) -> None:
    async def work(tx: Transaction) -> None:
        await put(tx, 1)
        await tx.rows(Statement(text("SELECT pg_terminate_backend(pg_backend_pid())")))

    with pytest.raises(Problem) as caught:
        await database.run(work)
    assert caught.value.status == 503
    assert caught.value.__cause__ is not None
    await database.run(put, 2)
    assert await database.read(ids) == [2]


async def test_a_read_sees_one_snapshot_while_others_write(database: Database) -> None:
    looked, written = asyncio.Event(), asyncio.Event()

    async def work(tx: Transaction) -> tuple[list[int], list[int]]:
        before = await ids(tx)
        looked.set()
        await written.wait()
        return before, await ids(tx)

    reading = asyncio.create_task(database.read(work))
    await looked.wait()
    await database.run(put, 1)
    written.set()
    assert await reading == ([], [])


async def test_a_cancelled_work_leaves_its_connection_clean(database: Database) -> None:
    inside = asyncio.Event()

    async def work(tx: Transaction) -> None:
        await put(tx, 1)
        inside.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(database.run(work))
    await inside.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await database.run(put, 1)
    assert await database.read(ids) == [1]


async def test_a_wrong_type_is_the_callers_mistake(database: Database) -> None:
    async def work(tx: Transaction) -> None:
        await tx.update(SET_STATE, [(1, "one", "open")])

    with pytest.raises(asyncpg.DataError):
        await database.run(work)


@pytest.mark.parametrize("cache_size", [0, 100])
async def test_settings_in_the_url(url: str, cache_size: int) -> None:
    database = open_database(f"{url}&pool_max=2&statement_cache_size={cache_size}")
    await database.start()
    await asyncio.gather(*(database.run(put, number) for number in range(20)))
    assert await database.read(ids) == list(range(20))
    await database.stop()


@pytest.mark.parametrize(
    ("url", "dsn", "ours"),
    [
        ("postgresql://u:p@h:1/d", "postgresql://u:p@h:1/d", {}),
        ("postgresql://h/d?pool_max=3", "postgresql://h/d", {"pool_max": "3"}),
        (
            "postgresql://postgres:@/d?host=%2Ftmp%2Fx&statement_cache_size=0&sslmode=require",
            "postgresql://postgres:@/d?host=%2Ftmp%2Fx&sslmode=require",
            {"statement_cache_size": "0"},
        ),
    ],
)
def test_our_settings_are_taken_out_of_the_url(url: str, dsn: str, ours: dict[str, str]) -> None:
    assert split_url(url) == (dsn, ours)


@pytest.mark.parametrize("names", [["fsync"], ["full_page_writes"], ["fsync", "full_page_writes"]])
@pytest.mark.parts(2)
async def test_a_server_that_may_lose_commits_is_refused(names: list[str], own_server: str) -> None:
    async with set_off(own_server, names):
        with pytest.raises(Problem, match=f"{' and '.join(names)} to on in postgresql.conf") as caught:
            await open_database(own_server).start()
    assert caught.value.slug == "database-careless"
    opened = open_database(own_server)
    await opened.start()
    await opened.stop()


@pytest.mark.parametrize(("given", "kept"), [("off", "on"), ("remote_apply", "remote_apply")])
async def test_a_commit_is_kept_whatever_the_role_is_set_to(url: str, given: str, kept: str) -> None:
    connection = await asyncpg.connect(url)
    name = await connection.fetchval("SELECT current_database()")
    await connection.execute(f"ALTER DATABASE {name} SET synchronous_commit = {given}")
    await connection.close()
    opened = open_database(url)
    await opened.start()
    found = await opened.run(
        lambda tx: tx.row(Statement(text("SELECT current_setting('synchronous_commit')")))
    )
    await opened.stop()
    assert found == (kept,)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("/angarium_test", "/nosuch", "does not exist"),
        ("angarium_plain@", "nosuch@", "nosuch"),
        ("?", "?nosuch=1&", "nosuch"),
    ],
)
async def test_an_address_that_is_wrong_is_told(url: str, old: str, new: str, words: str) -> None:
    wrong = url.replace(old, new)
    for connect in (open_database(wrong).start, Duty(wrong, SystemClock()).take):
        with pytest.raises(Problem, match=words) as told:
            await connect()
        assert told.value.slug == "database-refused"
        assert "Mend the setting `database`" in told.value.detail


@pytest.mark.parametrize("option", ["pool_max=many", "statement_cache_size=-1", "pool_max="])
def test_a_number_in_the_address_that_is_none_is_told(option: str) -> None:
    with pytest.raises(Problem, match="is no whole number") as told:
        open_database(f"postgresql://angarium@/angarium?{option}")
    assert told.value.fields[0].field == "database"


def test_a_driver_that_was_cut_off_says_that_the_server_is_away() -> None:
    error = asyncpg.InternalClientError("cannot switch to state 15; another operation (2) is in progress")
    assert trouble_of(error) is Trouble.AWAY
    assert getattr(translated(error), "status", 0) == 503


# ── the databases of the tests ───────────────────────────────────────────────────────────────────────


async def test_a_database_is_lent_again_without_what_was_left_in_it(postgres_server: PostgresServer) -> None:
    async with postgres_server.lent() as first:
        left = await asyncpg.connect(first)
        await left.execute("INSERT INTO sample (workspace_id, id, state) VALUES (1, 1, 'open')")
        await left.execute("BEGIN; UPDATE sample SET state = 'held'")
    async with postgres_server.lent() as second:
        opened = open_database(second)
        await opened.start()
        assert (second, await opened.read(ids)) == (first, [])
        await opened.stop()
    left.terminate()
    async with postgres_server.lent() as third:
        planner = await asyncpg.connect(third)
        await planner.execute("INSERT INTO sample (workspace_id, id, state) VALUES (1, 1, 'open'); ANALYZE")
        await planner.close()
    async with postgres_server.lent() as fourth:
        assert fourth != third  # one of which the planner knows something


# ── what its planner knows ───────────────────────────────────────────────────────────────────────────

PUT = """
INSERT INTO sample (workspace_id, id, state, ratio)
SELECT 1, n, 'open', n FROM generate_series($1::int, $2::int) n
"""
COUNTED = """
SELECT reltuples::int, analyze_count::int FROM pg_class JOIN pg_stat_user_tables ON pg_class.oid = relid
WHERE pg_class.relname = 'sample'
"""


async def test_the_planner_is_told_of_what_has_grown(url: str, database: Database) -> None:
    own = await asyncpg.connect(url)

    async def after(first: int, last: int) -> tuple[int, int]:
        """How many rows it was told of, and how often, when those have come."""
        await own.execute(PUT, first, last)
        await own.execute("SELECT pg_stat_force_next_flush()")  # else a session tells within a minute
        await database.tell_planner()
        return tuple(await own.fetchrow(COUNTED))

    try:
        assert await after(1, 900) == (-1, 0)  # few: they may be read one by one
        assert await after(901, 3_000) == (3_000, 1)
        assert await after(3_001, 6_000) == (3_000, 1)
        assert await after(6_001, 8_000) == (8_000, 2)
        await database.tell_planner()
        assert tuple(await own.fetchrow(COUNTED)) == (8_000, 2)
    finally:
        await own.close()


@pytest.mark.parametrize("counted", [False, True])
async def test_facts_of_subjects_are_found_by_them(url: str, counted: bool) -> None:
    own = await asyncpg.connect(url)
    prepared = facts._earlier.on("postgresql")
    asked = {"workspace_id": 1, "subject_ids": [1, 2, 3], "kinds": ["message.sent"], "tx": 9, "seq": 9}
    try:
        await own.execute(
            "INSERT INTO fact (tx, workspace_id, kind, subject_id, at, body, common_id) "
            "SELECT n, 1, 'message.sent', n, 0, '', 0 FROM generate_series(1, 3000) n"
        )
        if counted:
            await own.execute("ANALYZE fact")
        plan = await own.fetch(f"EXPLAIN {prepared.text}", *prepared.bind(asked))
    finally:
        await own.close()
    assert "fact_subject" in "\n".join(row[0] for row in plan)

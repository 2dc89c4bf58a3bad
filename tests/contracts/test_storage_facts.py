"""The log of facts: nothing is skipped, nothing comes twice, on both databases."""

from __future__ import annotations

import asyncio
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import text

from angarium.storage import facts
from angarium.storage.bulk import Statement
from angarium.storage.database import Database, Transaction, open_database
from angarium.storage.facts import START, Fact, Position
from angarium.storage.sqlite import SqliteDatabase
from support.databases import PostgresServer, create_schema
from support.running import until

OLD = 30_000  # facts that were read


def fact(subject_id: int, kind: str = "message.sent", workspace_id: int = 1) -> Fact:
    return Fact(workspace_id, kind, subject_id, at=1_700_000_000_000_000, own='{"line":"سلام"}')


async def subjects_after(database: Database, position: Position) -> tuple[list[int], Position]:
    found, position = await database.read(facts.after, 1, position, 100)
    return [item.subject_id for item in found], position


async def test_facts_come_in_order_and_once(database: Database) -> None:
    await database.run(facts.append, [fact(1), fact(2), fact(3)])
    await database.run(facts.append, [fact(4), fact(5, workspace_id=2)])
    first, position = await database.read(facts.after, 1, START, 2)
    rest, position = await subjects_after(database, position)
    assert [item.subject_id for item in first] == [1, 2]
    assert rest == [3, 4]
    assert await subjects_after(database, position) == ([], position)
    await database.run(facts.append, [fact(6)])
    assert (await subjects_after(database, position))[0] == [6]


async def test_a_fact_comes_back_as_it_was_written(database: Database) -> None:
    written = Fact(1, "message.sent", 7, at=5, own=b'{"a":1}')
    await database.run(facts.append, [written])
    (found,), _ = await database.read(facts.after, 1, START, 10)
    assert found == Fact(1, "message.sent", 7, at=5, own='{"a":1}', seq=found.seq)
    assert found.seq > 0


ALIKE = [
    Fact(1, "message.sent", number, 5, f'{{"ref":"{number}"}}', b'{"a":1,"b":[]}') for number in range(9)
]


async def common(database: Database) -> list[tuple[Any, ...]]:
    """What is kept once: and how many facts hold to it."""
    asked = Statement(text("SELECT body, holders FROM fact_common ORDER BY id"))
    return [tuple(row) for row in await database.read(lambda tx: tx.rows(asked))]


async def test_what_many_say_alike_is_kept_once_and_read_with_each(database: Database) -> None:
    alone = Fact(1, "message.sent", 10, 5, "{}", '{"a":2}')
    await database.run(facts.append, [*ALIKE, alone, msgspec.structs.replace(ALIKE[0], workspace_id=2)])
    found, _ = await database.read(facts.after, 1, START, 100)
    assert [one.body for one in found] == [one.body for one in [*ALIKE, alone]]
    assert found[3].body == '{"ref":"3","a":1,"b":[]}'
    assert await common(database) == [('{"a":1,"b":[]}', len(ALIKE))]
    assert [one.body for one in await database.read(facts.of_subject, 1, 4)] == ['{"ref":"4","a":1,"b":[]}']
    early = await database.read(facts.earlier, 1, [2], ["message.sent"], facts.END)
    assert [one.body for one in early] == ['{"ref":"2","a":1,"b":[]}']


async def test_text_and_octets_say_the_same(database: Database) -> None:
    texts = [msgspec.structs.replace(one, common='{"a":1,"b":[]}', subject_id=70) for one in ALIKE]
    await database.run(facts.append, [*texts, *ALIKE])
    assert await common(database) == [('{"a":1,"b":[]}', 2 * len(ALIKE))]
    await database.run(facts.drop, 1, [70])
    assert [one.body for one in await database.read(facts.of_subject, 1, 5)] == [ALIKE[5].body]


async def test_what_is_kept_once_goes_with_the_last_that_says_it(database: Database) -> None:
    await database.run(facts.append, ALIKE)
    await database.run(facts.append, ALIKE[:4])
    assert await database.run(facts.drop, 1, [0, 1, 2, 77]) == 6
    assert await common(database) == [('{"a":1,"b":[]}', 6), ('{"a":1,"b":[]}', 1)]
    assert await database.run(facts.reduce, 1, [3, 4], frozenset({"a"})) == 3
    assert await common(database) == [('{"a":1,"b":[]}', 4)]
    assert [one.body for one in await database.read(facts.of_subject, 1, 3)] == ['{"a":1}', '{"a":1}']
    assert [one.body for one in await database.read(facts.of_subject, 1, 5)] == [ALIKE[5].body]
    assert await database.run(facts.reduce, 1, [3, 4], frozenset({"a"})) == 0  # nothing is let go of twice
    assert await database.run(facts.drop, 1, list(range(9))) == 7
    assert await common(database) == []


async def test_no_facts_are_no_write(database: Database) -> None:
    await database.run(facts.append, [])
    assert await subjects_after(database, START) == ([], START)


async def test_the_facts_of_a_work_that_failed_are_not_there(database: Database) -> None:
    async def work(tx: Transaction) -> None:
        await facts.append(tx, [fact(1)])
        raise LookupError

    await asyncio.gather(database.run(work), return_exceptions=True)
    await database.run(facts.append, [fact(2)])
    assert (await subjects_after(database, START))[0] == [2]


async def test_the_timeline_of_one_thing(database: Database) -> None:
    await database.run(facts.append, [fact(1, "a"), fact(2, "b"), fact(1, "c"), fact(1, "d", workspace_id=2)])
    assert [item.kind for item in await database.read(facts.of_subject, 1, 1)] == ["a", "c"]
    assert [item.kind for item in await database.read(facts.of_subject, 1, 1, limit=1)] == ["a"]


async def test_a_reader_goes_on_where_it_was(database: Database) -> None:
    async def read_one(tx: Transaction, reader: str) -> list[int]:
        position = await facts.position_of(tx, 1, reader)
        found, position = await facts.after(tx, 1, position, 1)
        await facts.save_position(tx, 1, reader, position)
        return [item.subject_id for item in found]

    await database.run(facts.append, [fact(1), fact(2)])
    assert [await database.run(read_one, "hooks") for _ in range(3)] == [[1], [2], []]
    assert await database.run(read_one, "inbox") == [1]


async def test_workspaces_with_news_are_those_with_facts_behind_the_cursor(database: Database) -> None:
    async def news(reader: str, *, seldom: bool = False) -> list[int]:
        return await database.read(facts.with_news, [1, 2, 3], reader, seldom=seldom)

    async def read_all(tx: Transaction, workspace_id: int) -> None:
        await facts.begin_at_end(tx, workspace_id, "hooks")

    assert await news("hooks") == [1, 2, 3]  # it has never read
    await database.run(facts.append, [fact(1), fact(2, workspace_id=2)])
    for workspace_id in (1, 2, 3):
        await database.run(read_all, workspace_id)
    assert await news("hooks") == []
    assert await news("inbox") == [1, 2, 3]  # another reader
    await database.run(facts.append, [fact(3, workspace_id=2), fact(4, "line.changed", workspace_id=3)])
    assert await news("hooks") == [2, 3]
    assert await news("hooks", seldom=True) == [3]
    await database.run(read_all, 2)
    assert await news("hooks") == [3]


def steps_of(database: SqliteDatabase) -> Counter[str]:
    """Counts, from now on, the steps that SQLite takes."""
    steps: Counter[str] = Counter()

    def count() -> bool:
        steps["taken"] += 1
        return False

    for connection in database._connections:
        connection.set_progress_handler(count, 1)
    return steps


@pytest.mark.sqlite
async def test_what_was_read_is_not_gone_through_for_news(tmp_path: Path) -> None:
    database = SqliteDatabase(str(tmp_path / "a.db"))
    await database.start()
    await create_schema(database)
    await database.run(facts.append, [fact(1, "line.changed") for _ in range(OLD)])
    await database.run(facts.begin_at_end, 1, "hooks")
    steps = steps_of(database)
    for seldom in (False, True):
        assert await database.read(facts.with_news, [1], "hooks", seldom=seldom) == []
    assert 0 < steps.total() < OLD // 3  # a connection that is new reads the schema as well
    await database.stop()


@pytest.mark.sqlite
@pytest.mark.parametrize("read", [facts.after, facts.seldom_after, facts.nouns_after])
async def test_what_was_read_is_not_gone_through_again(read: Any, tmp_path: Path) -> None:
    """Each look at a log of millions went through all of it, and nobody saw but by its time."""
    database = SqliteDatabase(str(tmp_path / "a.db"))
    await database.start()
    await create_schema(database)
    await database.run(facts.append, [fact(1, "line.changed") for _ in range(OLD)])
    end = await database.read(facts.end_of, 1)
    await database.run(facts.append, [fact(2, "line.changed")])
    steps = steps_of(database)
    found, position = await database.read(read, 1, end, 10)
    assert (len(found), position.seq) == (1, end.seq + 1)
    assert 0 < steps.total() < OLD // 3  # a connection that is new reads the schema as well
    await database.stop()


async def test_readers_of_one_name_take_turns(database: Database) -> None:
    async def read_one(tx: Transaction) -> list[int]:
        position = await facts.position_of(tx, 1, "hooks")
        found, position = await facts.after(tx, 1, position, 1)
        await facts.save_position(tx, 1, "hooks", position)
        return [item.subject_id for item in found]

    await database.run(facts.append, [fact(number) for number in range(10)])
    taken = await asyncio.gather(*(database.run(read_one) for _ in range(10)))
    assert sorted(number for numbers in taken for number in numbers) == list(range(10))


async def test_on_postgresql_a_slow_transaction_loses_no_facts(postgres_server: PostgresServer) -> None:
    database = open_database(await postgres_server.database_with_schema())
    await database.start()
    appended, go_on = asyncio.Event(), asyncio.Event()

    async def slow(tx: Transaction) -> None:
        await facts.append(tx, [fact(1)])
        appended.set()
        await go_on.wait()

    writing = asyncio.create_task(database.run(slow))
    await appended.wait()
    await database.run(facts.append, [fact(2)])  # a larger seq, committed first
    seen, position = await subjects_after(database, START)
    assert seen == [], "a reader passed a transaction that was still open"
    go_on.set()
    await writing
    assert (await subjects_after(database, position))[0] == [1, 2]
    await database.stop()


@pytest.mark.parametrize("first", [facts.drop, partial(facts.reduce, kept=frozenset())])
async def test_on_postgresql_two_who_let_go_of_the_same_facts_count_them_once(
    postgres_server: PostgresServer, first: Any
) -> None:
    database = open_database(await postgres_server.database_with_schema())
    await database.start()
    await database.run(facts.append, ALIKE)
    done, go_on = asyncio.Event(), asyncio.Event()

    async def slowly(tx: Transaction) -> None:
        await first(tx, 1, [0, 1])
        done.set()
        await go_on.wait()

    one = asyncio.create_task(database.run(slowly))
    await done.wait()
    other = asyncio.create_task(database.run(facts.reduce, 1, [0, 1], frozenset({"a"})))
    waits = Statement(text("SELECT 1 FROM pg_locks WHERE NOT granted"))
    await until(lambda: database.read(lambda tx: tx.rows(waits)))
    go_on.set()
    await asyncio.gather(one, other)
    assert await common(database) == [('{"a":1,"b":[]}', len(ALIKE) - 2)]
    assert [one.body for one in await database.read(facts.of_subject, 1, 5)] == [ALIKE[5].body]
    await database.stop()


async def test_a_dump_restored_into_a_young_cluster_is_read_on(postgres_server: PostgresServer) -> None:
    database = open_database(await postgres_server.database_with_schema())
    await database.start()

    async def restore(tx: Transaction) -> None:
        for table in ("fact", "fact_cursor"):
            await tx.execute(Statement(text(f"UPDATE {table} SET tx = tx + 1000000000")))

    async def read_on(tx: Transaction, limit: int) -> list[int]:
        position = await facts.position_of(tx, 1, "hooks")
        found, position = await facts.after(tx, 1, position, limit)
        await facts.save_position(tx, 1, "hooks", position)
        return [item.subject_id for item in found]

    for _ in range(2):
        for number in (1, 2, 3):
            await database.run(facts.append, [fact(number)])
        assert await database.run(facts.renumber_after_restore) == 0
        assert await database.run(read_on, 1) == [1]
        await database.run(restore)
        moved = await asyncio.gather(*(database.run(facts.renumber_after_restore) for _ in range(3)))
        assert sorted(moved)[:2] == [0, 0]
        assert max(moved) >= 3
        await database.run(facts.append, [fact(4)])
        assert await database.run(read_on, 10) == [2, 3, 4]
    everything, _ = await database.read(facts.after, 1, START, 100)
    assert [item.subject_id for item in everything] == [1, 2, 3, 4] * 2
    await database.stop()


async def test_a_log_that_was_not_restored_is_left_as_it_is(database: Database) -> None:
    assert await database.run(facts.renumber_after_restore) == 0
    await database.run(facts.append, [fact(1)])
    before = await database.read(facts.after, 1, START, 10)
    assert await database.run(facts.renumber_after_restore) == 0
    assert await database.read(facts.after, 1, START, 10) == before


async def test_under_many_writers_a_reader_misses_nothing(database: Database) -> None:
    seen: list[int] = []

    async def read_on() -> None:
        position = START
        while len(seen) < 200:
            found, position = await database.read(facts.after, 1, position, 7)
            seen.extend(item.subject_id for item in found)

    async def write(first: int) -> None:
        for number in range(first, first + 20):
            await database.run(facts.append, [fact(number)])

    async with asyncio.timeout(20):
        await asyncio.gather(read_on(), *(write(first) for first in range(0, 200, 20)))
    assert sorted(seen) == list(range(200))
    for first in range(0, 200, 20):
        own = [number for number in seen if first <= number < first + 20]
        assert own == sorted(own)

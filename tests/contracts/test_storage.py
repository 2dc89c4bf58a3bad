"""What both databases do alike."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from enum import StrEnum

import pytest
from sqlalchemy import bindparam, func, insert, literal, select, update

from angarium.core.problems import Problem
from angarium.storage import postgres, sqlite_lanes
from angarium.storage.bulk import BulkInsert, BulkUpdate, Statement, among
from angarium.storage.database import Conflict, Database, Row, Transaction, open_database
from support.sample import (
    ADD_ONE,
    CLOSE,
    COUNT,
    INSERT,
    INSERT_WHOLE,
    SET_STATE,
    here,
    ids,
    put,
    sample,
    states,
)


class State(StrEnum):
    OPEN = "open"
    ENDED = "it's"


async def rows(database: Database, statement: Statement, **values: object) -> list[tuple[object, ...]]:
    async def work(tx: Transaction) -> list[Row]:
        return await tx.rows(statement, **values)

    return [tuple(row) for row in await database.read(work)]


# ── transactions ─────────────────────────────────────────────────────────────────────────────────────


async def test_a_work_returns_its_result_and_a_read_sees_what_it_wrote(database: Database) -> None:
    async def work(tx: Transaction, first: int, *, second: int) -> int:
        await put(tx, first, second)
        return first + second

    assert await database.run(work, 1, second=2) == 3
    assert await database.read(ids) == [1, 2]


async def test_a_work_that_raises_leaves_nothing(database: Database) -> None:
    async def work(tx: Transaction) -> None:
        await put(tx, 1)
        raise LookupError("of its own")

    with pytest.raises(LookupError, match="of its own"):
        await database.run(work)
    assert await database.read(ids) == []


async def test_of_many_at_once_those_that_fail_fall_alone(database: Database) -> None:
    async def work(tx: Transaction, number: int) -> int:
        await put(tx, number)
        if number % 7 == 0:
            raise LookupError(str(number))
        if number % 7 == 1:
            await put(tx, number)
        return number

    results = await asyncio.gather(*(database.run(work, n) for n in range(70)), return_exceptions=True)
    good = [number for number in range(70) if number % 7 > 1]
    assert [type(result) for result in results[:3]] == [LookupError, Conflict, int]
    assert [result for result in results if isinstance(result, int)] == good
    assert await database.read(ids) == good


async def test_a_read_may_not_write(database: Database) -> None:
    with pytest.raises(Exception, match=r"read-?only"):
        await database.read(put, 1)
    await database.run(put, 2)
    assert await database.read(ids) == [2]


async def test_changes_from_many_sides_all_count(database: Database) -> None:
    async def begin(tx: Transaction) -> None:
        await tx.insert(INSERT_WHOLE, [(1, 1, "open", 0, None, None)])

    async def work(tx: Transaction) -> int:
        return await tx.execute(ADD_ONE, workspace_id=1)

    await database.run(begin)
    assert await asyncio.gather(*(database.run(work) for _ in range(50))) == [1] * 50
    assert await rows(database, Statement(select(sample.c.number).where(here)), workspace_id=1) == [(50,)]


async def test_one_conditional_update_wins(database: Database) -> None:
    async def close(tx: Transaction, winner: str) -> list[Row]:
        return await tx.update_returning(CLOSE, [(1, 1, winner), (1, 2, winner)])

    await database.run(put, 1, 2)
    results = await asyncio.gather(*(database.run(close, f"worker {n}") for n in range(20)))
    won = [(f"worker {n}", [tuple(row) for row in result]) for n, result in enumerate(results) if result]
    assert sum(len(keys) for _, keys in won) == 2
    after = await database.read(states)
    assert after == {key[1]: winner for winner, keys in won for key in keys}


async def test_who_holds_a_name_is_alone(database: Database) -> None:
    """Two that look first and write then, side by side: the second sees what the first has written."""

    async def look_and_put(tx: Transaction, number: int) -> list[int]:
        await tx.hold(7)
        seen = await ids(tx)
        await put(tx, number)
        return seen

    first, second = await asyncio.gather(database.run(look_and_put, 1), database.run(look_and_put, 2))
    assert sorted([first, second], key=len) == [[], [1] if not first else [2]]


async def test_whoever_is_cancelled_harms_nobody(database: Database) -> None:
    tasks = [asyncio.create_task(database.run(put, number)) for number in range(40)]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    await database.run(put, 99)
    there = await database.read(ids)
    assert 99 in there
    assert all(number in there for number, outcome in enumerate(outcomes) if outcome is None)


# ── refusals ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("others", [0, 2])
async def test_a_bulk_write_that_breaks_in_its_middle_leaves_nothing(database: Database, others: int) -> None:
    await database.run(put, 35)
    works = [database.run(put, *range(1, 41)), *(database.run(put, 100 + number) for number in range(others))]
    found = await asyncio.gather(*works, return_exceptions=True)
    assert [type(one) for one in found] == [Conflict, *[type(None)] * others]
    assert await database.read(ids) == [35, *range(100, 100 + others)]


@pytest.mark.parametrize(
    ("row", "constraint"),
    [
        ((1, 1, "shut", 9, 9.0, None), "pk_sample"),
        ((1, 2, "shut", 1, 9.0, None), "sample_number"),
        ((1, 2, "open", 9, 1.5, None), "sample_open"),
    ],
)
async def test_a_conflict_names_its_constraint(
    database: Database, row: tuple[object, ...], constraint: str
) -> None:
    async def work(tx: Transaction, row: tuple[object, ...]) -> None:
        await tx.insert(INSERT_WHOLE, [row])

    await database.run(work, (1, 1, "open", 1, 1.5, b""))
    with pytest.raises(Conflict) as caught:
        await database.run(work, row)
    assert caught.value.constraint == constraint


async def test_when_too_much_waits_one_is_told_to_come_back(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (sqlite_lanes, postgres):
        monkeypatch.setattr(module, "WAITING_MAX", 0)
    with pytest.raises(Problem) as caught:
        await database.run(put, 1)
    assert (caught.value.slug, caught.value.status, caught.value.retry_after_s) == (
        "storage-unavailable",
        503,
        5,
    )


async def test_a_closed_database_says_so(database: Database) -> None:
    last = asyncio.create_task(database.run(put, 1))
    await asyncio.sleep(0)
    await database.stop()
    await database.stop()
    await last
    with pytest.raises(Problem, match="closed"):
        await database.read(ids)
    await database.start()
    assert await database.read(ids) == [1]


async def test_a_database_that_is_not_there() -> None:
    for url in ("sqlite:////no/such/folder/x.db", "postgresql://nobody@localhost:1/nothing"):
        with pytest.raises(Problem) as caught:
            await open_database(url).start()
        assert caught.value.status == 503
    with pytest.raises(ValueError, match="mysql"):
        open_database("mysql://localhost")


# ── statements ───────────────────────────────────────────────────────────────────────────────────────


async def test_values_come_back_as_they_went(database: Database) -> None:
    given = [
        (1, -(2**63), "", -(2**31), 0.1, b""),
        (1, 0, "سلام 👩‍👩‍👧 'a' \"b\" %s :x $1 ?", None, None, None),
        (1, 2**63 - 1, "x" * 100_000, 2**31 - 1, -1e300, bytes(range(256))),
    ]

    async def work(tx: Transaction) -> None:
        await tx.insert(INSERT_WHOLE, given)

    await database.run(work)
    assert (
        await rows(database, Statement(select(sample).where(here).order_by(sample.c.id)), workspace_id=1)
        == given
    )


async def test_sums_are_integers_and_averages_are_floats(database: Database) -> None:
    await database.run(put, 1, 2, 2**40)
    counted = Statement(
        select(
            func.sum(sample.c.id), func.avg(sample.c.id) * 2, func.count(), func.sum(sample.c.ratio)
        ).where(here)
    )
    (found,) = await rows(database, counted, workspace_id=1)
    assert [type(value) for value in found] == [int, float, int, type(None)]
    assert found[0] == 2**40 + 3


async def test_a_literal_stays_in_the_text(database: Database) -> None:
    statement = Statement(
        select(sample.c.id)
        .where(here, sample.c.state.in_([State.OPEN, State.ENDED]), sample.c.state != "at:noon%")
        .order_by(sample.c.id)
        .limit(2)
    )
    await database.run(put, 1, state="it's")
    await database.run(put, 2, state="other")
    await database.run(put, 3, 4, state="open")
    assert await rows(database, statement, workspace_id=1) == [(1,), (3,)]
    for dialect in ("sqlite", "postgresql"):
        assert "IN ('open', 'it''s')" in statement.text(dialect)
        assert statement.on(dialect).asked == {"workspace_id"}


async def test_a_case_over_an_enum(database: Database) -> None:
    await database.run(put, 1)
    statement = Statement(
        update(sample).where(here, sample.c.id == bindparam("row_id")).values(state=literal(State.ENDED))
    )

    async def work(tx: Transaction) -> int:
        return await tx.execute(statement, workspace_id=1, row_id=1)

    assert await database.run(work) == 1
    assert await database.read(states) == {1: "it's"}


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [([], []), ([2, 9], [2]), (list(range(3, 5000)), [3]), ((1, 1, 2**62), [1])],
)
async def test_among(database: Database, numbers: list[int], expected: list[int]) -> None:
    inside = Statement(select(sample.c.id).where(here, among(sample.c.id, "ids")).order_by(sample.c.id))
    outside = Statement(select(sample.c.id).where(here, ~among(sample.c.id, "ids")).order_by(sample.c.id))
    await database.run(put, 1, 2, 3)
    assert [row[0] for row in await rows(database, inside, workspace_id=1, ids=numbers)] == expected
    others = sorted({1, 2, 3} - set(expected))
    assert [row[0] for row in await rows(database, outside, workspace_id=1, ids=numbers)] == others


async def test_among_texts(database: Database) -> None:
    found = Statement(select(sample.c.id).where(here, among(sample.c.state, "states")))
    await database.run(put, 1, state='quote " backslash \\ ناز 👍')
    assert await rows(database, found, workspace_id=1, states=['quote " backslash \\ ناز 👍']) == [(1,)]
    assert await rows(database, found, workspace_id=1, states=["quote"]) == []


async def test_row_is_the_first_or_none(database: Database) -> None:
    async def first(tx: Transaction) -> Row | None:
        return await tx.row(COUNT, workspace_id=5)

    async def nothing(tx: Transaction) -> Row | None:
        return await tx.row(Statement(select(sample.c.id).where(here)), workspace_id=5)

    row = await database.read(first)
    assert row is not None
    assert row[0] == 0
    assert await database.read(nothing) is None


@pytest.mark.parametrize("values", [{}, {"workspace_id": 1, "workspace": 1}, {"workspace": 1}])
async def test_a_name_too_few_or_too_many(database: Database, values: dict[str, int]) -> None:
    with pytest.raises(TypeError, match=r"missing .* unknown"):
        await rows(database, COUNT, **values)


def test_a_default_made_in_python_is_refused() -> None:
    from sqlalchemy import Column, Integer, MetaData, Table

    other = Table(
        "other", MetaData(), Column("id", Integer, primary_key=True), Column("n", Integer, default=5)
    )
    with pytest.raises(TypeError, match="give the value"):
        Statement(insert(other).values(id=1)).text("sqlite")


# ── many rows ────────────────────────────────────────────────────────────────────────────────────────


async def test_insert_leaves_out_what_is_there(database: Database) -> None:
    quiet = BulkInsert(sample, ("workspace_id", "id", "state"), conflict="nothing", returning=("id", "state"))

    async def work(tx: Transaction, state: str, *numbers: int) -> set[tuple[object, ...]]:
        return {tuple(row) for row in await tx.insert(quiet, [(1, n, state) for n in numbers])}

    assert await database.run(work, "a", 1, 2) == {(1, "a"), (2, "a")}
    assert await database.run(work, "b", 2, 3, 3) == {(3, "b")}
    assert await database.read(states) == {1: "a", 2: "a", 3: "b"}


async def test_insert_overwrites_what_is_there(database: Database) -> None:
    upsert = BulkInsert(
        sample,
        ("workspace_id", "id", "state", "number", "order"),
        conflict=("workspace_id", "id"),
        update=("state", "order"),
    )

    async def work(tx: Transaction, *given: tuple[object, ...]) -> None:
        await tx.insert(upsert, given)

    await database.run(work, (1, 1, "a", 1, b"1"), (1, 2, "a", 2, b"2"))
    await database.run(work, (1, 2, "b", 20, b"3"), (1, 3, "b", 30, b"4"))
    found = await rows(
        database,
        Statement(select(sample.c.state, sample.c.number, sample.c.order).where(here).order_by(sample.c.id)),
        workspace_id=1,
    )
    assert found == [("a", 1, b"1"), ("b", 2, b"3"), ("b", 30, b"4")]
    with pytest.raises(ValueError, match="twice"):
        await database.run(work, (1, 9, "a", 1, None), (1, 9, "b", 2, None))


async def test_update_counts_what_it_changed(database: Database) -> None:
    async def work(tx: Transaction, bulk: BulkUpdate, *numbers: int) -> int:
        return await tx.update(bulk, [(1, n, "shut") for n in numbers])

    await database.run(put, 1, 2, 3)
    assert await database.run(work, SET_STATE, 1, 8) == 1
    assert await database.run(work, CLOSE, 1, 2) == 1
    assert await database.read(states) == {1: "shut", 2: "shut", 3: "open"}
    with pytest.raises(ValueError, match="twice"):
        await database.run(work, CLOSE, 3, 3)


@pytest.mark.parametrize("count", [1, 31, 32, 33, 64, 100])
async def test_however_many_rows_there_are_each_is_written_once(database: Database, count: int) -> None:
    upsert = BulkInsert(
        sample, ("workspace_id", "id", "state", "number"), conflict=("workspace_id", "id"), add=("number",)
    )
    numbers = range(1, count + 1)

    async def work(tx: Transaction) -> tuple[int, int]:
        await tx.insert(upsert, [(1, n, "open", n) for n in numbers])
        await tx.insert(upsert, [(1, n, "open", 1000) for n in numbers])
        shut = await tx.update(CLOSE, [(1, n, "shut") for n in numbers if n % 2])
        return shut, await tx.update(SET_STATE, [(1, n, f"state {n}") for n in (*numbers, count + 1)])

    assert await database.run(work) == ((count + 1) // 2, count)
    assert await database.read(states) == {n: f"state {n}" for n in numbers}
    found = await rows(
        database, Statement(select(sample.c.number).where(here).order_by(sample.c.id)), workspace_id=1
    )
    assert found == [(n + 1000,) for n in numbers]


async def test_nothing_to_do_does_nothing(database: Database) -> None:
    async def work(tx: Transaction) -> tuple[object, ...]:
        return (
            await tx.insert(INSERT, []),
            await tx.update(SET_STATE, []),
            await tx.update_returning(SET_STATE, []),
        )

    assert await database.run(work) == ([], 0, [])


@pytest.mark.parametrize(
    "declare",
    [
        lambda: BulkInsert(sample, ("workspace_id", "colour")),
        lambda: BulkInsert(sample, ("workspace_id", "id"), conflict=("workspace_id", "id")),
        lambda: BulkInsert(sample, ("workspace_id", "id"), conflict="nothing", update=("state",)),
        lambda: BulkUpdate(sample, match=("id",), set=("colour",)),
    ],
)
def test_a_bulk_write_that_cannot_be_is_refused_when_declared(declare: object) -> None:
    assert callable(declare)
    with pytest.raises(ValueError, match=r"colour|together"):
        declare()


# ── durability ───────────────────────────────────────────────────────────────────────────────────────

COMMIT_UNTIL_KILLED = """
import asyncio, sys
from support.sample import put
from angarium.storage.database import open_database

async def worker(database, number):
    while True:
        await database.run(put, number, number + 1)
        sys.stdout.write(f"{number}\\n")
        sys.stdout.flush()
        number += 20

async def main():
    database = open_database(sys.argv[1])
    await database.start()
    await asyncio.gather(*(worker(database, first) for first in range(0, 20, 2)))

asyncio.run(main())
"""


async def test_what_was_acknowledged_survives_kill_9(database_url: str) -> None:
    process = subprocess.Popen(  # noqa: ASYNC220  nothing else runs on this loop
        [sys.executable, "-c", COMMIT_UNTIL_KILLED, database_url],
        stdout=subprocess.PIPE,
        env={"PYTHONPATH": "tests"},
        text=True,
    )
    assert process.stdout is not None
    acknowledged = [int(process.stdout.readline()) for _ in range(300)]
    process.send_signal(signal.SIGKILL)
    acknowledged += [int(line) for line in process.stdout.read().split("\n")[:-1]]
    process.stdout.close()
    process.wait()

    database = open_database(database_url)
    await database.start()
    there = set(await database.read(ids))
    await database.stop()
    assert there >= {half for number in acknowledged for half in (number, number + 1)}
    assert all((number ^ 1) in there for number in there), "a work was committed by half"

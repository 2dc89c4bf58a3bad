"""A server that has outgrown SQLite goes on where it was on PostgreSQL, as the operator's ledger tells."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Integer, LargeBinary, Table, Text

from angarium import keeping
from angarium.core.clock import MICROS, SystemChance, SystemClock, iso
from angarium.core.problems import Problem
from angarium.storage import instance, moving
from angarium.storage.bulk import BulkInsert
from angarium.storage.database import Transaction, open_database
from angarium.storage.facts import START, Fact, after, append
from angarium.storage.revise import load_tables
from angarium.storage.sqlite import connect
from support.databases import PostgresServer, bring_up, postgres_server
from support.process import Shop
from support.server import everything_in

load_tables()

__all__ = ["postgres_server"]

pytestmark = [pytest.mark.sqlite, pytest.mark.timeout(400)]


LATER_S = 12  # about what it takes to stop, move and start


def nothing(_table: str, _rows: int) -> None:
    """Nobody listens."""


async def rows_of(url: str) -> dict[str, list[Any]]:
    """Everything in a database that is moved, by table."""
    database = open_database(url)
    await database.start()
    try:
        found = await everything_in(database)
    finally:
        await database.stop()
    return {name: sorted(map(repr, rows)) for name, rows in found.items() if name not in moving.STAYS}


@pytest.mark.turns(2, 0)
async def test_a_server_goes_on_where_it_was(tmp_path: Path, postgres_server: PostgresServer) -> None:
    url = await postgres_server.empty_database()
    async with Shop(tmp_path) as served:
        await served.start_operator()
        await served.start()
        sent = [(await served.send(text=f"Sent {number}")).json["id"] for number in range(5)]
        await served.until(lambda: is_delivered(served, sent[-1]))
        told = await served.message(sent[0])
        later = iso(SystemClock().now() + LATER_S * MICROS)
        waiting = [(await served.send(text=f"Later {n}", send_at=later)).json["id"] for n in range(20)]
        with pytest.raises(Problem, match="Somebody else is here"):
            await keeping.move(served.settings, url, nothing)
        assert await served.stop() == 0

        before = await rows_of(served.database)
        status, said = await served.command("move", url)
        assert (status, "message: 25" in said) == (0, True), said
        assert not served.file.exists()
        assert await rows_of(url) == before
        for command in ("held", "doctor"):  # nobody begins anew where it was
            status, said = await served.command(command)
            assert (status, "There is no database at" in said) == (1, True), said
        assert not served.file.exists()

        served.database = url
        await served.start()
        assert await served.message(sent[0]) == told
        new = [(await served.send(text=f"New {number}")).json["id"] for number in range(5)]
        for message_id in (*waiting, *new):
            await served.until(partial(is_delivered, served, message_id))
        assert len(served.taken()) == len(set(served.taken())) == 30
        assert await served.stop() == 0
        with pytest.raises(Problem, match="A server has run on that database"):
            await move_from(tmp_path / "other.db", url)
        with pytest.raises(Problem, match="Everything has been moved there before"):
            await move_from(aside_in(tmp_path), url)  # as after a crash before it was put aside


def aside_in(folder: Path) -> Path:
    """The file that was put aside there."""
    (found,) = folder.glob("angarium.db.before-*[0-9Z]")
    return found


async def is_delivered(served: Shop, message_id: str) -> bool:
    return bool((await served.message(message_id))["state"] == "delivered")


async def move_from(file: Path, url: str, tell: moving.Tell = nothing) -> int:
    """Move a file, which is made when it is not there."""
    await bring_up(f"sqlite:///{file}")
    target = open_database(url)
    await target.start()
    try:
        return await moving.move(file, target, tell)
    finally:
        await target.stop()


def tables_of(file: Path) -> list[Table]:
    """The tables of a file that are moved."""
    connection = connect(str(file), read_only=True)
    try:
        return moving.tables(connection)
    finally:
        connection.close()


def row_of(table: Table, number: int) -> tuple[Any, ...]:
    """A row of a table like no other, with what the two databases keep in different ways."""
    kinds = [type(column.type) for column in table.columns]
    return tuple(
        f"{number}\x00 سلام 你好 {place}"
        if issubclass(kind, Text)
        else bytes([number, 0, 255])
        if issubclass(kind, LargeBinary)
        else number
        if issubclass(kind, Integer) and kind is Integer
        else (1 << 61) + 100 * number + place
        for place, kind in enumerate(kinds)
    )


@pytest.mark.turns(2, 0)
async def test_every_table_goes_as_it_is(tmp_path: Path, postgres_server: PostgresServer) -> None:
    file, url = tmp_path / "a.db", await postgres_server.empty_database()
    await bring_up(f"sqlite:///{file}")
    await bring_up(url)
    source = open_database(f"sqlite:///{file}")
    await source.start()

    there = tables_of(file)

    async def fill(tx: Transaction) -> None:
        for table in there:
            columns = tuple(column.name for column in table.columns)
            rows = [row_of(table, number) for number in range(1, 4)]
            await tx.insert(BulkInsert(table, columns), rows[:1] if table is instance.instance else rows)

    await source.run(fill)
    await source.stop()
    told = dict[str, int]()
    count = await move_from(file, url, told.__setitem__)
    assert count == sum(told.values()) == 3 * len(there) - 2
    there = await rows_of(url)
    for name, rows in (await rows_of(f"sqlite:///{file}")).items():
        assert there[name] == [row.replace("\\x00 ", "\ufffd ") for row in rows], name


@pytest.mark.turns(2, 0)
async def test_a_move_that_was_cut_off_begins_anew(
    tmp_path: Path, postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, url = tmp_path / "a.db", await postgres_server.empty_database()
    await bring_up(f"sqlite:///{file}")
    await bring_up(url)
    monkeypatch.setattr(moving, "ROWS", 2)
    source = open_database(f"sqlite:///{file}")
    await source.start()
    await source.run(append, [Fact(1, "message.sent", number, 5, "{}") for number in range(5)])
    await source.stop()

    def cut_off(table: str, _rows: int) -> None:
        raise LookupError(table)

    with pytest.raises(LookupError, match="fact"):
        await move_from(file, url, cut_off)
    assert await move_from(file, url) == 5
    target = open_database(url)
    await target.start()
    await target.run(append, [Fact(1, "message.sent", 5, 5, "{}")])
    found, _ = await target.read(after, 1, START, 100)
    assert [one.subject_id for one in found] == [0, 1, 2, 3, 4, 5]
    assert found[-1].seq == 6  # a number is given once
    await target.stop()


async def test_who_begins_a_server_there_meanwhile_is_told(
    tmp_path: Path, postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, url = tmp_path / "a.db", await postgres_server.empty_database()
    chance, number_on = SystemChance(), moving._number_on
    await bring_up(f"sqlite:///{file}")
    await bring_up(url)
    source = open_database(f"sqlite:///{file}")
    await source.start()
    await source.run(instance.introduce, chance, 5)
    await source.stop()

    async def begun(tx: Transaction, last: dict[tuple[str, str], int]) -> None:
        await number_on(tx, last)
        await instance.introduce(tx, chance, 6)

    monkeypatch.setattr(moving, "_number_on", begun)
    with pytest.raises(Problem) as refused:
        await move_from(file, url)
    assert refused.value.detail == moving.MEANWHILE

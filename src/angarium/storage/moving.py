"""Everything in a file of SQLite, put into a database of PostgreSQL that nobody has used.

1. The file is not touched, and nobody else has it open (`opening.held`).
2. What tells which database this is (`instance`) is written last. Until then no server begins on the other
   one, and whoever moves again begins anew there.
3. A fact of SQLite has no transaction's number (`facts.py`), so it comes before all that PostgreSQL numbers,
   and who has read until somewhere reads on from there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import apsw
from sqlalchemy import Table, Text, text

from angarium.core.problems import Problem
from angarium.storage import instance
from angarium.storage.bulk import BulkInsert, Statement
from angarium.storage.database import Conflict, Database, Transaction
from angarium.storage.schema import metadata
from angarium.storage.sqlite import connect

STAYS = {  # tables that are not moved: why
    "alembic_version": "the other database has its own",
    "migration": "the same",
    "commit_mark": "of processes that have ended",
    "server": "the same",
    "fabric_entry": "servers of SQLite are alone, and have no fabric in the database",
    "fabric_lease": "the same",
    "fabric_member": "the same",
    "fabric_told": "the same",
    "fabric_topic": "the same",
}
USED = "A server has run on that database. Make an empty one, and name it."
WHOLE = (  # it was cut off at the very end
    "Everything has been moved there before. Put the file of SQLite aside, so that nobody begins on it "
    "again, and name that database in the setting `database`."
)
MEANWHILE = (
    "A server has begun on that database while it was moved, and what that wrote is between what was moved. "
    "The file of SQLite is as it was. Make an empty database, name that, and begin a server when it is moved."
)
ROWS, BYTES = 2_000, 4 << 20  # in one statement, whichever is reached first
TELL_EVERY = 100_000  # rows
NUL, INSTEAD = "\x00", "\ufffd"  # PostgreSQL keeps no NUL in a text

Tell = Callable[[str, int], None]  # a table, and how many of its rows are there


async def move(path: Path, target: Database, tell: Tell) -> int:
    """Copy every row into tables that are there; how many. A Problem when somebody has used them."""
    source = connect(str(path), read_only=True)
    try:
        *others, own = tables(source)
        known = source.execute("SELECT id FROM instance").fetchall()
        await target.run(_begin_anew, [*others, own], str(known[0][0]) if known else "")
        total = sum([await _move_table(source, target, table, tell) for table in others])
        await target.run(_number_on, _last_numbers(source, others))
        for table in others:
            await target.run(_count, table)
        return total + await _move_table(source, target, own, tell)
    except Conflict as conflict:
        raise Problem("move", "It cannot be moved there", detail=MEANWHILE) from conflict
    finally:
        source.close()


def tables(source: apsw.Connection) -> list[Table]:
    """What is moved, the row about the database last."""
    there = {name for (name,) in source.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
    found = [one for one in metadata.sorted_tables if one.name in there - STAYS.keys()]
    return [*(one for one in found if one is not instance.instance), instance.instance]


async def _begin_anew(tx: Transaction, those: Sequence[Table], ours: str) -> None:
    """Take away what a move that was cut off has left."""
    found = await instance.known(tx)
    if found is not None:
        raise Problem("move", "It cannot be moved there", detail=WHOLE if found.id == ours else USED)
    await tx.execute(Statement(text(f"TRUNCATE {', '.join(one.name for one in those)}")))


async def _move_table(source: apsw.Connection, target: Database, table: Table, tell: Tell) -> int:
    columns = tuple(column.name for column in table.columns)
    bulk, count = BulkInsert(table, columns), 0
    for rows in _some_at_a_time(_rows(source, table)):
        await target.run(_insert, bulk, rows)
        if (count + len(rows)) // TELL_EVERY > count // TELL_EVERY:
            tell(table.name, count + len(rows))
        count += len(rows)
    if count:
        tell(table.name, count)
    return count


async def _insert(tx: Transaction, bulk: BulkInsert, rows: Sequence[tuple[Any, ...]]) -> None:
    await tx.insert(bulk, rows)


def _rows(source: apsw.Connection, table: Table) -> Iterator[tuple[Any, ...]]:
    """All rows as PostgreSQL can have them."""
    listed = ", ".join(f'"{column.name}"' for column in table.columns)
    texts = [place for place, column in enumerate(table.columns) if isinstance(column.type, Text)]
    for row in source.execute(f"SELECT {listed} FROM {table.name}"):  # noqa: S608  our own names
        if any(NUL in row[place] for place in texts if row[place]):
            yield tuple(cell.replace(NUL, INSTEAD) if isinstance(cell, str) else cell for cell in row)
        else:
            yield row


def _some_at_a_time(rows: Iterator[tuple[Any, ...]]) -> Iterator[list[tuple[Any, ...]]]:
    some: list[tuple[Any, ...]] = []
    size = 0
    for row in rows:
        some.append(row)
        size += sum(len(cell) for cell in row if isinstance(cell, str | bytes))
        if len(some) == ROWS or size >= BYTES:
            yield some
            some, size = [], 0
    if some:
        yield some


def _last_numbers(source: apsw.Connection, tables: Sequence[Table]) -> dict[tuple[str, str], int]:
    """The last number that was given in each column whose numbers the database gives, also of rows gone."""
    found = {}
    for table in tables:
        column = table.autoincrement_column
        if column is not None and column.autoincrement is True:
            numbers = f"SELECT max({column.name}) AS n FROM {table.name}"  # noqa: S608  our own names
            given = f"SELECT seq FROM sqlite_sequence WHERE name = '{table.name}'"  # noqa: S608  the same
            last = source.execute(f"SELECT max(n) FROM ({numbers} UNION ALL {given})")  # noqa: S608  the same
            found[table.name, column.name] = int(last.fetchall()[0][0] or 0)
    return found


async def _count(tx: Transaction, table: Table) -> None:
    """Tell the planner what is there, which it would not know for minutes (`postgres_planner.py`)."""
    await tx.execute(Statement(text(f"ANALYZE {table.name}")))


async def _number_on(tx: Transaction, last: dict[tuple[str, str], int]) -> None:
    for (table, column), number in last.items():
        sequence = f"pg_get_serial_sequence('{table}', '{column}')"
        await tx.row(Statement(text(f"SELECT setval({sequence}, {number + 1}, false)")))

"""The rows that a run left, written once more by nothing but the driver: what the database alone costs.

The same tables with all their indexes and the same pages; each commit takes the rows of so many messages and
is synced, as ours are. No row is changed after it was written, none is read, and nobody decides anything.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import apsw
import msgspec
import uvloop

from angarium.storage.sqlite import connect
from bench.talk import questions, say, told


class Rows(msgspec.Struct, frozen=True):
    """Where they are, and where they go."""

    written: str  # the database of a run that is over
    seed: str  # as it was before
    target: str  # a copy of that
    commits: int


class Wrote(msgspec.Struct, frozen=True):
    """What it took."""

    rows: dict[str, int]  # by table
    seconds: float
    cpu_s: float


def left(written: str, seed: str) -> dict[str, list[tuple[apsw.SQLiteValue, ...]]]:
    """The rows of each table that are in one database and not in the other, in the order of their keys."""
    found = {}
    connection = apsw.Connection(written)
    connection.execute("ATTACH ? AS before", (seed,))
    listed = "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table'"
    for (name,) in connection.execute(listed).fetchall():
        if str(name).startswith("sqlite_"):
            continue
        rows = connection.execute(
            f'SELECT * FROM main."{name}" EXCEPT SELECT * FROM before."{name}"'
        ).fetchall()
        if rows:
            found[str(name)] = rows
    connection.close()
    return found


def shares(count: int, parts: int) -> Iterator[slice]:
    """So many rows in so many parts, as even as can be."""
    for part in range(parts):
        yield slice(count * part // parts, count * (part + 1) // parts)


def write(given: Rows) -> Wrote:
    """Write everything, a part of each table in each commit."""
    rows = left(given.written, given.seed)
    statements = {
        name: f'INSERT OR REPLACE INTO "{name}" VALUES ({", ".join("?" * len(some[0]))})'
        for name, some in rows.items()
    }
    pieces = {name: list(shares(len(some), given.commits)) for name, some in rows.items()}
    connection = connect(given.target)
    began_at, cpu_s = time.monotonic(), time.process_time()
    for number in range(given.commits):
        connection.execute("BEGIN IMMEDIATE")
        for name, some in rows.items():
            connection.executemany(statements[name], some[pieces[name][number]])
        connection.execute("COMMIT")
    found = Wrote(
        {name: len(some) for name, some in rows.items()},
        time.monotonic() - began_at,
        time.process_time() - cpu_s,
    )
    connection.close()
    return found


async def main() -> None:
    """Write when told."""
    given = told(Rows)
    say({})
    async for _ in questions():
        say(write(given))


if __name__ == "__main__":
    uvloop.run(main())

"""What SQLite's planner is told of our tables: that they are large, whatever is in them.

Without statistics it takes a comparison with the first column of an index for one that leaves ten rows
(sqlite.org/src: sqlite3DefaultRowEst in build.c). All our keys begin with `workspace_id`, so a workspace's
million attempts look like ten, and are read one by one though an index stands beside them. ANALYZE would tell
of what is there today, which on the first day is nothing. So the planner is told the figures of a large
database, once: the plans of the first day are those of every day, and a test looks at them.
"""

from __future__ import annotations

from typing import Any

import apsw

ROWS = 1_000_000  # in a table
ROWS_PARTIAL = 10_000  # in an index of what is under way
# Different values of what has few. Of an event and a topic half of all contacts may have had something.
FEW = {"workspace_id": 5, "line_id": 2, "priority": 2, "kind": 5, "event": 5, "topic": 20}
MANY = 10_000  # of any other column


def tell_planner(connection: apsw.Connection) -> None:
    """Write the statistics of every table there is; nothing when they are written already."""
    wanted = statistics(connection)
    known = connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'sqlite_stat1'").fetchall()
    if not wanted or (known and set(connection.execute("SELECT tbl, idx, stat FROM sqlite_stat1")) == wanted):
        return
    with connection:
        if not known:  # only ANALYZE makes the table, and of an index without rows it writes nothing
            connection.execute("ANALYZE sqlite_schema")
        own = connection.execute("SELECT name FROM sqlite_schema WHERE name LIKE 'sqlite_stat%'").fetchall()
        for (name,) in own:
            connection.execute(f"DELETE FROM {name}")  # noqa: S608  SQLite's own names
        connection.executemany("INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES (?, ?, ?)", sorted(wanted))
    connection.execute("ANALYZE sqlite_schema")  # reads them


def statistics(connection: apsw.Connection) -> set[tuple[str, str, str]]:
    """Table, index and what is told of it, for every index there is."""

    def rows(query: str, *values: str) -> list[tuple[Any, ...]]:
        return connection.execute(query, values).fetchall()

    found = set()
    for table, without_rowid in rows("SELECT name, wr FROM pragma_table_list WHERE type = 'table'"):
        if table.startswith("sqlite_"):
            continue
        indexes = rows('SELECT name, "unique", origin, partial FROM pragma_index_list(?)', table)
        for index, unique, origin, partial in indexes:
            columns = [name for (name,) in rows("SELECT name FROM pragma_index_info(?)", index)]
            named = table if without_rowid and origin == "pk" else index
            found.add((table, named, _stat(columns, bool(unique), bool(partial))))
    return found


def _stat(columns: list[str], unique: bool, partial: bool) -> str:
    """Rows in the index, then rows for each value of its first column, of its first two, and so on."""
    left = [ROWS_PARTIAL if partial else ROWS]
    for column in columns:
        left.append(max(2, left[-1] // FEW.get(column, MANY)))
    if unique:
        left[-1] = 1
    return " ".join(str(number) for number in left)

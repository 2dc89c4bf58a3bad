"""SQLite reads by the index that serves, also of a workspace that is large: the plan of every statement."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apsw
import pytest

from angarium.assembly import assemble
from angarium.contacts import store as contacts
from angarium.storage.bulk import Statement
from angarium.storage.revise import load_tables
from angarium.storage.sqlite import SqliteDatabase, connect
from angarium.storage.sqlite_planner import statistics, tell_planner
from support.databases import create_schema

load_tables()
assert assemble  # and with it every room

LARGE = {"address", "attempt", "contact", "fact", "idempotency", "inbound", "journal", "message", "part"}
# One by one through everything that a workspace has, or that all have. Of a kind is half of everything.
THROUGH_ALL = re.compile(
    r"(?:SEARCH (\w+) USING (?:PRIMARY KEY|.*INDEX \w+) \(workspace_id=\?(?: AND kind=\?)?\)|SCAN (\w+))$"
)
FEW_ROWS = {"content_part", "member", "policy"}  # of which a workspace has tens
SMALL = {"journal_new", "attempt_queue", "attempt_unknown", "attempt_submitting", "message_held"}
ALL_WANTED = {
    "storage.facts",  # after a restore everything is looked at
    "messaging.store.held",
    "messaging.store.traces",  # so it is when a person is erased
    "messaging.store.uses",  # the newest ten thousand and no more
    "contacts.store.locales",
}
ONE_WANTED = {"contacts.store._one_of"}  # it ends with the first
SEARCH = re.compile(r"SEARCH (\w+) USING (?:COVERING )?(?:PRIMARY KEY|INDEX (\w+)) \(([^)<>]*)\)$")


@pytest.fixture
async def planned(tmp_path: Path) -> apsw.Connection:
    """An empty database of ours, as it is once it has been started."""
    path = str(tmp_path / "angarium.db")
    for _ in range(2):
        database = SqliteDatabase(path)
        await database.start()
        if not statistics(database._connections[-1]):
            await create_schema(database)
        await database.stop()
    return connect(path)


def statements() -> list[tuple[str, str, Statement]]:
    """Room, name and statement of every query that our modules declare."""
    modules = [(name, module) for name, module in sys.modules.items() if name.startswith("angarium.")]
    found = {
        id(value): (name.removeprefix("angarium."), given, value)
        for name, module in modules
        for given, several in vars(module).items()
        for value in _within(several)
        if "alembic_version" not in value.text("sqlite")
    }
    return list(found.values())


def _within(value: Any) -> Iterator[Statement]:
    """A statement, or those that stand together."""
    together = value.values() if isinstance(value, dict) else value
    several = together if isinstance(value, dict | list | tuple) else [value]
    return (one for one in several if isinstance(one, Statement))


def plan_of(connection: apsw.Connection, statement: Statement) -> list[str]:
    """The steps in which SQLite would do it."""
    prepared = statement.on("sqlite")
    values = ["[1]" if given in prepared.listed else 1 for given in prepared.names]
    return [row[3] for row in connection.execute("EXPLAIN QUERY PLAN " + prepared.text, values)]


def columns(connection: apsw.Connection, table: str, index: str | None) -> list[str]:
    """Of an index, or of the primary key."""
    if index is None:
        query = "SELECT name FROM pragma_index_list(?) WHERE origin = 'pk'"
        index = connection.execute(query, (table,)).fetchall()[0][0]
    return [name for (name,) in connection.execute("SELECT name FROM pragma_index_info(?)", (index,))]


async def test_no_statement_goes_through_all_that_a_workspace_has(planned: apsw.Connection) -> None:
    wrong, looked = [], 0
    for room, name, statement in statements():
        for step in plan_of(planned, statement):
            through = THROUGH_ALL.match(step)
            table = through and (through[1] or through[2])
            if table in LARGE and not any(index in step for index in SMALL) and room not in ALL_WANTED:
                wrong.append(f"{room}.{name}: {step}")
        looked += 1
    assert looked > 500
    assert [one for one in wrong if one.partition(":")[0] not in ONE_WANTED] == []


async def test_no_statement_leaves_out_columns_of_an_index_that_it_names(planned: apsw.Connection) -> None:
    """The messages of an event and a topic are those of everybody who was told of it."""
    wrong = set()
    for room, name, statement in statements():
        text = " ".join(statement.text("sqlite").split())
        for step in plan_of(planned, statement):
            search = SEARCH.match(step)
            if not search:
                continue
            table, index, used = search[1], search[2], search[3].count("=?")
            further = columns(planned, table, index)[used:]
            listed = further and re.search(
                rf"(?<!NOT \(){table}\.{further[0]} IN \(SELECT value FROM json_each", text
            )
            if listed and table not in FEW_ROWS:
                wrong.add(f"{room}.{name}: {step}, and not {further[0]}")
    assert wrong == set()


async def test_without_being_told_it_goes_through_all(planned: apsw.Connection) -> None:
    """What this is for; when it fails SQLite has learned, and the telling can go."""
    query = "EXPLAIN QUERY PLAN SELECT * FROM journal WHERE workspace_id = 1 AND state = 'new' ORDER BY id"
    told = planned.execute(query).fetchall()
    planned.execute("DELETE FROM sqlite_stat1")
    planned.execute("ANALYZE sqlite_schema")
    untold = planned.execute(query).fetchall()
    assert "journal_new" in told[0][3]
    assert "PRIMARY KEY" in untold[0][3]


async def test_it_is_told_once_and_again_when_an_index_is_new(planned: apsw.Connection) -> None:
    before = planned.total_changes()
    tell_planner(planned)
    assert planned.total_changes() == before
    planned.execute("CREATE INDEX attempt_new ON attempt (workspace_id, address)")
    tell_planner(planned)
    rows = planned.execute("SELECT stat FROM sqlite_stat1 WHERE idx = 'attempt_new'").fetchall()
    assert rows == [("1000000 200000 20",)]


async def test_who_is_blacklisted_is_looked_for_among_those_who_are(planned: apsw.Connection) -> None:
    """Each claim asks it of everybody, of whom mostly nobody is."""
    prepared = contacts._blacklisted.on("sqlite")
    plan = planned.execute("EXPLAIN QUERY PLAN " + prepared.text, ["1", "[1]"]).fetchall()
    assert "USING COVERING INDEX address_blacklisted (workspace_id=? AND contact_id=?)" in plan[0][3]

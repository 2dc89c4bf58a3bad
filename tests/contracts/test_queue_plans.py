"""What is open is found by its own index, however long the history, as SQLite plans it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import apsw
import pytest

from angarium.accounts.store import audit
from angarium.contacts.store import reachability, suppressions
from angarium.messaging.store import attempts, inbox, leftovers, tried, unknowns, waiting
from angarium.storage.bulk import Statement
from angarium.storage.sqlite import SqliteDatabase
from angarium.storage.sqlite_planner import tell_planner
from support.databases import create_schema

STATEMENTS: dict[str, Statement] = {
    "unanswered at an address": attempts._unanswered_at,
    "last to a contact": attempts._last_to,
    "left behind": leftovers._orphans,
    "callbacks left behind on a line": inbox._new_journal_of_line,
    "the last callback left behind": leftovers._newest_callback,
    "what was tried of messages": tried._tried,
    "what customers answered": tried._answered,
    "which messages have ended": tried._ended,
    "what is remembered against people": reachability._against,
    "what is remembered of strangers": reachability._forget_strangers,
    "unknown": unknowns._page,
    "unknown since": unknowns._silent_since,
    "how many unknown": unknowns._summary,
    "due on these lines": waiting._on_these_lines,
    "due on others": waiting._on_other_lines,
    "groups of the suppression list": suppressions._all_groups,
    "one group of the suppression list": suppressions._of_group,
    **{f"the audit log by {words}, {timed}": one for (words, timed), one in audit._pages.items() if words},
    "the audit log before a time": audit._last_before,
    "the audit log from a time": audit._first_from,
    **{f"waiting for {what}": statement for what, statement in waiting._PAGES.items()},
}
# By the key's first column alone, or up to an id: everything that a workspace ever had.
OF_THE_STATEMENT = {"SCAN CONSTANT ROW", "SCAN step"}  # rows that it makes itself
HISTORY = ("USING PRIMARY KEY (workspace_id=?)", "USING PRIMARY KEY (workspace_id=? AND id<?)", "SCAN ")


@pytest.fixture
async def connection() -> AsyncIterator[apsw.Connection]:
    """An empty database with the schema."""
    database = SqliteDatabase("")
    await database.start()
    await create_schema(database)
    tell_planner(database._connections[0])
    yield database._connections[0]
    await database.stop()


@pytest.mark.parametrize("name", STATEMENTS)
@pytest.mark.parts(2)
async def test_no_history_is_read_for_what_is_open(connection: apsw.Connection, name: str) -> None:
    text = STATEMENTS[name].text("sqlite")
    rows = connection.execute(f"EXPLAIN QUERY PLAN {text}", (0,) * text.count("?"))
    steps = [row[3] for row in rows if "json_each" not in row[3] and row[3] not in OF_THE_STATEMENT]
    assert steps
    assert [step for step in steps if any(way in step for way in HISTORY)] == []

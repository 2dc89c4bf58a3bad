"""A claim looks at what it takes and at nothing else, however much is queued: asked of both planners."""

from __future__ import annotations

from typing import Any

import asyncpg
import pytest
from sqlalchemy import text

from angarium.messaging.store import queue
from angarium.messaging.store.tables import attempt
from angarium.storage.bulk import Statement
from angarium.storage.database import Transaction, open_database
from angarium.storage.revise import load_tables
from angarium.storage.sqlite import SqliteDatabase

load_tables()

SERIES = {
    "sqlite": "(WITH RECURSIVE g(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM g LIMIT 20000) SELECT i FROM g)",
    "postgresql": "generate_series(1, 20000) AS g(i)",
}
OWN: dict[str, object] = {"id": "i", "message_id": "i", "due_at": "i", "planned_at": "i", "priority": 3}
OWN |= {"workspace_id": 1, "line_id": 7, "state": "'queued'", "class": "'promotional'"}
ASKED = {
    "workspace_ids": [1, 2],
    "workspace_id": 1,
    "line_id": 7,
    "now": 30_000,
    "limit": 500,
    "new_epoch": 1,
    "at": 30_000,
}
ASKED |= {"otp": 0, "transactional": 0, "service": 0, "promotional": 500}
STATEMENTS = {"waiting": queue._waiting, "claim": queue._claim, "next_due": queue._next_due}


async def campaign(tx: Transaction) -> None:
    """20,000 attempts of one workspace wait on one line."""
    names = [column.name for column in attempt.columns if not column.nullable]
    blank = {"content": "''"} | {c.name: "''" for c in attempt.columns if str(c.type) == "TEXT"}
    values = [str(OWN.get(name, blank.get(name, 0))) for name in names]
    rows = f"SELECT {', '.join(values)} FROM {SERIES[tx.dialect]}"
    await tx.execute(Statement(text(f"INSERT INTO attempt ({', '.join(names)}) {rows}")))
    await tx.execute(Statement(text("ANALYZE")))
    await tx.execute(
        Statement(
            text("INSERT INTO workspace VALUES (1, 'shop', 'EUR', 0, 'UTC'), (2, 'bank', 'EUR', 0, 'UTC')")
        )
    )


@pytest.mark.parametrize("name", STATEMENTS)
async def test_the_queue_is_read_by_its_index_in_its_order(database_url: str, name: str) -> None:
    database = open_database(database_url)
    await database.start()
    await database.run(campaign)
    plan = await _plan(database_url, database, STATEMENTS[name])
    await database.stop()
    steps = [step for step in plan if "attempt_queue" in step]
    assert len(steps) == 4, plan  # one for each lane
    assert not [step for step in plan if "Sort" in step or "TEMP B-TREE" in step], plan


async def _plan(url: str, database: Any, statement: Statement) -> list[str]:
    prepared = statement.on(database.dialect)
    values = prepared.bind({name: ASKED[name] for name in prepared.asked})
    if isinstance(database, SqliteDatabase):
        rows = database._connections[0].execute("EXPLAIN QUERY PLAN " + prepared.text, values)
        return [str(row[3]) for row in rows]
    connection = await asyncpg.connect(url)
    await connection.execute("SET plan_cache_mode = force_custom_plan")  # its choice: limits are what matters
    rows = await connection.fetch("EXPLAIN (COSTS OFF) " + prepared.text, *values)
    await connection.close()
    return [row[0] for row in rows]

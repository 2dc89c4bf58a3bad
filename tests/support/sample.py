"""A table for the tests of the storage room, and statements on it."""

from __future__ import annotations

from sqlalchemy import Column, Index, Table, bindparam, func, select, text, update

from angarium.storage.bulk import BulkInsert, BulkUpdate, Statement
from angarium.storage.database import Transaction
from angarium.storage.schema import Blob, Count, Id, Real, Words, metadata

sample = Table(
    "sample",
    metadata,
    Column("workspace_id", Id, primary_key=True),
    Column("id", Id, primary_key=True),
    Column("state", Words, nullable=False),
    Column("number", Count),
    Column("ratio", Real),
    Column("order", Blob),  # a reserved word, as a column's name may be
    Index("sample_number", "workspace_id", "number", unique=True),
    Index(
        "sample_open",
        "workspace_id",
        "ratio",
        unique=True,
        sqlite_where=text("state = 'open'"),
        postgresql_where=text("state = 'open'"),
    ),
    info={"only_in_tests": True},
)

here = sample.c.workspace_id == bindparam("workspace_id")
INSERT = BulkInsert(sample, ("workspace_id", "id", "state"))
INSERT_WHOLE = BulkInsert(sample, tuple(sample.columns.keys()))
SET_STATE = BulkUpdate(sample, match=("workspace_id", "id"), set=("state",))
CLOSE = BulkUpdate(sample, match=("workspace_id", "id"), set=("state",), where=sample.c.state == "open")
IDS = Statement(select(sample.c.id).where(here).order_by(sample.c.id))
STATES = Statement(select(sample.c.id, sample.c.state).where(here).order_by(sample.c.id))
COUNT = Statement(select(func.count()).where(here))
ADD_ONE = Statement(update(sample).where(here).values(number=sample.c.number + 1))


async def put(tx: Transaction, *ids: int, state: str = "open") -> None:
    """Insert rows of workspace 1."""
    await tx.insert(INSERT, [(1, number, state) for number in ids])


async def ids(tx: Transaction) -> list[int]:
    """The rows of workspace 1."""
    return [row[0] for row in await tx.rows(IDS, workspace_id=1)]


async def states(tx: Transaction) -> dict[int, str]:
    """The states of the rows of workspace 1."""
    return {row[0]: row[1] for row in await tx.rows(STATES, workspace_id=1)}

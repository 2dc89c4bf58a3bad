"""What was said to providers and answered by them, sealed; one function per query."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from sqlalchemy import Column, Index, PrimaryKeyConstraint, Table, bindparam, delete, select

from angarium.storage.bulk import BulkInsert, Statement, among
from angarium.storage.database import Transaction
from angarium.storage.schema import Blob, Id, metadata

exchange = Table(
    "exchange",
    metadata,
    Column("workspace_id", Id, nullable=False),
    Column("id", Id, nullable=False),
    Column("attempt_id", Id, nullable=False),
    Column("body", Blob, nullable=False),
    PrimaryKeyConstraint("workspace_id", "id"),
    Index("exchange_attempt", "workspace_id", "attempt_id"),
    sqlite_with_rowid=False,
)


class Row(msgspec.Struct, frozen=True):
    """One exchange of an attempt; `body` is sealed."""

    workspace_id: int
    id: int
    attempt_id: int
    body: bytes


_columns = [exchange.c[name] for name in Row.__struct_fields__]
_here = exchange.c.workspace_id == bindparam("workspace_id")
_insert = BulkInsert(exchange, Row.__struct_fields__)
_of_attempts = Statement(
    select(*_columns)
    .where(_here, among(exchange.c.attempt_id, "attempt_ids"))
    .order_by(exchange.c.id)
    .limit(bindparam("limit"))
)
_old = (
    select(exchange.c.id)
    .where(_here, exchange.c.id < bindparam("before_id"))
    .order_by(exchange.c.id)
    .limit(bindparam("limit"))
    .cte("old")
)
_forget = Statement(delete(exchange).where(_here, exchange.c.id.in_(select(_old.c.id))))


async def insert(tx: Transaction, rows: Sequence[Row]) -> None:
    """Write exchanges."""
    await tx.insert(_insert, [msgspec.structs.astuple(row) for row in rows])


async def of_attempts(
    tx: Transaction, workspace_id: int, attempt_ids: Sequence[int], limit: int
) -> list[Row]:
    """The first exchanges of some attempts, in their order."""
    found = await tx.rows(_of_attempts, workspace_id=workspace_id, attempt_ids=list(attempt_ids), limit=limit)
    return [Row(*row) for row in found]


async def forget(tx: Transaction, workspace_id: int, before_id: int, limit: int) -> int:
    """Drop exchanges older than an id; how many."""
    return await tx.execute(_forget, workspace_id=workspace_id, before_id=before_id, limit=limit)

"""What the ledger keeps of a log that has no other place: entries until they are done, then their ids."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import (
    Column,
    Index,
    PrimaryKeyConstraint,
    Table,
    bindparam,
    delete,
    func,
    select,
    text,
    update,
)

from angarium.core.clock import micros
from angarium.core.fabric import LOG_WINDOW_S, Backlog, Entry
from angarium.storage.bulk import BulkInsert, Statement, among
from angarium.storage.database import Transaction
from angarium.storage.schema import Blob, Instant, Words, metadata

# They wait for the ledger as a whole, so no workspace leads their key.
fabric_entry = Table(
    "fabric_entry",
    metadata,
    Column("log", Words, nullable=False),
    Column("id", Words, nullable=False),
    Column("place", Instant, nullable=False),  # in the log: when it came
    Column("body", Blob, nullable=False),  # empty once it is done
    Column("done_at", Instant),
    PrimaryKeyConstraint("log", "id"),
    Index(
        "fabric_entry_waiting",
        "log",
        "place",
        sqlite_where=text("done_at IS NULL"),
        postgresql_where=text("done_at IS NULL"),
    ),
    sqlite_with_rowid=False,
)

_append = BulkInsert(fabric_entry, ("log", "id", "place", "body"), conflict="nothing")
_waiting = Statement(
    select(fabric_entry.c.id, fabric_entry.c.body)
    .where(fabric_entry.c.log == bindparam("log"), fabric_entry.c.done_at.is_(None))
    .order_by(fabric_entry.c.place)
    .limit(bindparam("most"))
)
_backlog = Statement(
    select(func.count(), func.coalesce(func.sum(func.length(fabric_entry.c.body)), 0)).where(
        fabric_entry.c.log == bindparam("log"), fabric_entry.c.done_at.is_(None)
    )
)
_done = Statement(
    update(fabric_entry)
    .where(fabric_entry.c.log == bindparam("log"), among(fabric_entry.c.id, "ids"))
    .values(done_at=bindparam("now"), body=b"")
)
_forget = Statement(
    delete(fabric_entry).where(
        fabric_entry.c.log == bindparam("log"), fabric_entry.c.done_at < bindparam("before")
    )
)


async def append(tx: Transaction, rows: Sequence[tuple[str, str, int, bytes]]) -> None:
    """Append entries, as (log, id, place, body); those that are known are left out."""
    await tx.insert(_append, rows)


async def waiting(tx: Transaction, name: str, most: int) -> list[Entry]:
    """The oldest of a log that are not done."""
    return [Entry(*row) for row in await tx.rows(_waiting, log=name, most=most)]


async def backlog(tx: Transaction, name: str) -> Backlog:
    """How many of a log are not done, and their bytes."""
    row = await tx.row(_backlog, log=name)
    assert row is not None
    return Backlog(row[0], row[1])


async def settle(tx: Transaction, name: str, ids: Sequence[str], now: int) -> None:
    """They are done; what was done longer ago than ids are known again is forgotten."""
    await tx.execute(_done, log=name, ids=list(ids), now=now)
    await tx.execute(_forget, log=name, before=now - micros(LOG_WINDOW_S))

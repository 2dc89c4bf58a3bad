"""What has gone through, in half hours: a row for each class and channel, and for each currency billed."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Column, PrimaryKeyConstraint, Table, bindparam, delete, select

from angarium.messaging.traffic import Key, Traffic
from angarium.storage.bulk import BulkInsert, Statement
from angarium.storage.database import Transaction
from angarium.storage.schema import Count, Id, Micros, Words, metadata

COUNTS = Traffic.__struct_fields__[:-1]

traffic = Table(
    "traffic",
    metadata,
    Column("workspace_id", Id, nullable=False),
    Column("slot", Id, nullable=False),
    Column("class", Words, nullable=False),
    Column("channel", Words, nullable=False),
    Column("currency", Words, nullable=False),
    *(Column(name, Count, nullable=False) for name in COUNTS),
    Column("cost_micros", Micros, nullable=False),
    PrimaryKeyConstraint("workspace_id", "slot", "class", "channel", "currency"),
    sqlite_with_rowid=False,
)

_key = ("slot", "class", "channel", "currency")
_add = BulkInsert(
    traffic,
    ("workspace_id", *_key, *COUNTS, "cost_micros"),
    conflict=("workspace_id", *_key),
    add=(*COUNTS, "cost_micros"),
)
_here = traffic.c.workspace_id == bindparam("workspace_id")
_since = Statement(
    select(
        *(traffic.c[name] for name in _key), *(traffic.c[name] for name in Traffic.__struct_fields__)
    ).where(_here, traffic.c.slot >= bindparam("slot"))
)
_forget = Statement(delete(traffic).where(_here, traffic.c.slot < bindparam("slot")))


async def add(tx: Transaction, workspace_id: int, sums: Mapping[Key, Traffic]) -> None:
    """Add what has gone through just now."""
    rows = [
        (workspace_id, key.slot, key.message_class, key.channel, key.currency, *_cells(one))
        for key, one in sorted(sums.items())
    ]
    if rows:
        await tx.insert(_add, rows)


def _cells(one: Traffic) -> tuple[int, ...]:
    return tuple(getattr(one, name) for name in Traffic.__struct_fields__)


async def since(tx: Transaction, workspace_id: int, slot: int) -> dict[Key, Traffic]:
    """What has gone through since a half hour."""
    rows = await tx.rows(_since, workspace_id=workspace_id, slot=slot)
    return {Key(*row[:4]): Traffic(*row[4:]) for row in rows}


async def forget(tx: Transaction, workspace_id: int, before: int) -> int:
    """Drop what is older than a half hour; how many rows."""
    return await tx.execute(_forget, workspace_id=workspace_id, slot=before)

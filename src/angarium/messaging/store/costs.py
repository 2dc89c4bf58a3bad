"""What was billed, summed up: by month, line, class, destination and currency."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
from sqlalchemy import Column, PrimaryKeyConstraint, Table, bindparam, or_, select

from angarium.storage.bulk import BulkInsert, Statement
from angarium.storage.database import Transaction
from angarium.storage.schema import Id, Micros, Words, metadata

# Written by the transaction that bills, so that it is what the attempts cost, always.
cost = Table(
    "cost",
    metadata,
    Column("workspace_id", Id, nullable=False),  # whose messages they are
    Column("month", Words, nullable=False),
    Column("line_id", Id, nullable=False),
    Column("class", Words, nullable=False),
    Column("destination", Words, nullable=False),
    Column("currency", Words, nullable=False),
    Column("channel", Words, nullable=False),
    Column("messages", Id, nullable=False),
    Column("parts", Id, nullable=False),
    Column("cost_micros", Micros, nullable=False),
    PrimaryKeyConstraint("workspace_id", "month", "line_id", "class", "destination", "currency"),
    sqlite_with_rowid=False,
)


class Kind(msgspec.Struct, frozen=True, order=True):
    """What is summed up together. `destination`: that of the row that decided, else a country."""

    month: str
    line_id: int
    message_class: str
    destination: str
    currency: str
    channel: str


class Sum(msgspec.Struct):
    """What it has come to."""

    messages: int = 0
    parts: int = 0
    micros: int = 0


class Wanted(msgspec.Struct, frozen=True):
    """Which sums to look at; empty means any. Months are `2026-11`, both included."""

    month_from: str = ""
    month_until: str = "9999-12"
    line_id: int = 0
    message_class: str = ""
    channel: str = ""


_columns = ("month", "line_id", "class", "destination", "currency", "channel")
_add = BulkInsert(
    cost,
    ("workspace_id", *_columns, "messages", "parts", "cost_micros"),
    conflict=("workspace_id", "month", "line_id", "class", "destination", "currency"),
    add=("messages", "parts", "cost_micros"),
)
_wanted = (
    cost.c.workspace_id == bindparam("workspace_id"),
    cost.c.month >= bindparam("month_from"),
    cost.c.month <= bindparam("month_until"),
    or_(bindparam("line_id", type_=Id) == 0, cost.c.line_id == bindparam("line_id", type_=Id)),
    or_(bindparam("message_class") == "", cost.c["class"] == bindparam("message_class")),
    or_(bindparam("channel") == "", cost.c.channel == bindparam("channel")),
)
_sums = Statement(
    select(*(cost.c[name] for name in _columns), cost.c.messages, cost.c.parts, cost.c.cost_micros)
    .where(*_wanted)
    .order_by(cost.c.month, cost.c.line_id, cost.c["class"], cost.c.destination, cost.c.currency)
    .limit(bindparam("limit"))
)


async def add(tx: Transaction, workspace_id: int, sums: Mapping[Kind, Sum]) -> None:
    """Add what was billed just now."""
    rows = [
        (workspace_id, *msgspec.structs.astuple(kind), one.messages, one.parts, one.micros)
        for kind, one in sorted(sums.items())
    ]
    await tx.insert(_add, rows)


async def sums(tx: Transaction, workspace_id: int, wanted: Wanted, limit: int) -> Sequence[tuple[Kind, Sum]]:
    """What was billed, in the order of months."""
    given = msgspec.structs.asdict(wanted)
    rows = await tx.rows(_sums, workspace_id=workspace_id, limit=limit, **given)
    return [(Kind(*row[:6]), Sum(*row[6:])) for row in rows]

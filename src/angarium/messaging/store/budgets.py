"""What budgets have come to: one row for each budget and its day or month."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
from sqlalchemy import Column, PrimaryKeyConstraint, Table, bindparam, select

from angarium.storage.bulk import BulkInsert, BulkUpdate, Statement
from angarium.storage.database import Transaction
from angarium.storage.schema import Count, Instant, Micros, Words, metadata

NAMES_FROM = 1 << 61  # of what is held: above the ids of lines, below the log of deeds, which is held last

# reserved + spent + given_back = all that was ever planned under it, always.
budget = Table(
    "budget",
    metadata,
    Column("workspace_id", Instant, nullable=False),
    Column("counter", Words, nullable=False),  # its name, its currency and its day or month
    Column("until", Instant, nullable=False),
    Column("reserved_micros", Micros, nullable=False),
    Column("spent_micros", Micros, nullable=False),
    Column("given_back_micros", Micros, nullable=False),
    Column("told", Count, nullable=False),  # the highest per cent that was told of
    PrimaryKeyConstraint("workspace_id", "counter"),
    sqlite_with_rowid=False,
)


class Counter(msgspec.Struct):
    """What one budget has come to in one day or month."""

    counter: str
    until: int = 0
    reserved: int = 0
    spent: int = 0
    given_back: int = 0
    told: int = 0


class Move(msgspec.Struct):
    """What is added to a counter; less than nothing takes away."""

    until: int = 0
    reserved: int = 0
    spent: int = 0
    given_back: int = 0


_columns = ("counter", "until", "reserved_micros", "spent_micros", "given_back_micros", "told")
_add = BulkInsert(
    budget,
    ("workspace_id", *_columns),
    conflict=("workspace_id", "counter"),
    add=("reserved_micros", "spent_micros", "given_back_micros"),
)
_running = Statement(
    select(*(budget.c[name] for name in _columns))
    .where(budget.c.workspace_id == bindparam("workspace_id"), budget.c.until > bindparam("now"))
    .order_by(budget.c.counter)
)
_tell = BulkUpdate(budget, match=("workspace_id", "counter"), set=("told",))


async def hold(tx: Transaction, workspace_id: int) -> None:
    """Until the end of the transaction nobody else plans what this workspace spends."""
    await tx.hold(NAMES_FROM | workspace_id)


async def running(tx: Transaction, workspace_id: int, now: int) -> list[Counter]:
    """The counters of days and months that have not ended."""
    return [Counter(*row) for row in await tx.rows(_running, workspace_id=workspace_id, now=now)]


async def add(tx: Transaction, workspace_id: int, moves: Mapping[str, Move]) -> None:
    """Add to counters; those that are new begin with it."""
    rows = [
        (workspace_id, counter, one.until, one.reserved, one.spent, one.given_back, 0)
        for counter, one in sorted(moves.items())
    ]
    await tx.insert(_add, rows)


async def tell(tx: Transaction, workspace_id: int, told: Sequence[tuple[str, int]]) -> None:
    """Note up to which per cent counters have been told of."""
    await tx.update(_tell, [(workspace_id, counter, per_cent) for counter, per_cent in sorted(told)])

"""Attempts of which providers are asked what became of them: whose turn it is, and until when."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from sqlalchemy import and_, bindparam, delete, func, select

from angarium.messaging.states import AttemptState
from angarium.messaging.store.tables import attempt, inquiry
from angarium.storage.bulk import BulkInsert, BulkUpdate, Statement, among
from angarium.storage.database import Transaction


class Due(msgspec.Struct, frozen=True):
    """One whose turn it is: how often it was asked about, and how its attempt stands."""

    attempt_id: int
    asked: int
    until: int
    state: AttemptState
    address: str
    submitted_at: int


_begin = BulkInsert(
    inquiry,
    ("workspace_id", "attempt_id", "line_id", "asked", "ask_at", "until"),
    conflict=("workspace_id", "attempt_id"),
    update=("line_id", "asked", "ask_at", "until"),
)
_put_off = BulkUpdate(inquiry, match=("workspace_id", "attempt_id"), set=("asked", "ask_at"))
_here = inquiry.c.workspace_id == bindparam("workspace_id")
_on_line = and_(_here, inquiry.c.line_id == bindparam("line_id"))
_due = Statement(
    select(
        inquiry.c.attempt_id,
        inquiry.c.asked,
        inquiry.c.until,
        attempt.c.state,
        attempt.c.address,
        func.coalesce(attempt.c.submitted_at, attempt.c.planned_at),
    )
    .select_from(
        inquiry.join(
            attempt,
            and_(attempt.c.workspace_id == inquiry.c.workspace_id, attempt.c.id == inquiry.c.attempt_id),
        )
    )
    .where(_on_line, inquiry.c.ask_at <= bindparam("now"))
    .order_by(inquiry.c.ask_at, inquiry.c.attempt_id)
    .limit(bindparam("limit"))
)
_next = Statement(select(func.min(inquiry.c.ask_at)).where(_on_line))
_end = Statement(delete(inquiry).where(_here, among(inquiry.c.attempt_id, "attempt_ids")))


async def begin(
    tx: Transaction, workspace_id: int, line_id: int, attempts: Sequence[tuple[int, int, int]]
) -> None:
    """Ask about attempts from now on: (attempt, when first, until when); one that is there begins anew."""
    await tx.insert(_begin, [(workspace_id, one, line_id, 0, at, until) for one, at, until in attempts])


async def due(tx: Transaction, workspace_id: int, line_id: int, now: int, limit: int) -> list[Due]:
    """Whose turn it is on a line, longest due first."""
    rows = await tx.rows(_due, workspace_id=workspace_id, line_id=line_id, now=now, limit=limit)
    return [Due(row[0], row[1], row[2], AttemptState(row[3]), row[4], row[5]) for row in rows]


async def put_off(tx: Transaction, workspace_id: int, asked: Sequence[tuple[int, int, int]]) -> None:
    """When to ask next: (attempt, how often it was asked about, when)."""
    await tx.update(_put_off, [(workspace_id, *one) for one in asked])


async def end(tx: Transaction, workspace_id: int, attempt_ids: Sequence[int]) -> None:
    """Ask no more about these."""
    await tx.execute(_end, workspace_id=workspace_id, attempt_ids=list(attempt_ids))


async def next_due(tx: Transaction, workspace_id: int, line_id: int) -> int | None:
    """When the next turn on a line comes; None when there is none."""
    row = await tx.row(_next, workspace_id=workspace_id, line_id=line_id)
    return None if row is None else row[0]

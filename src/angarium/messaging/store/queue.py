"""The queue of a line: what is due in which lane, and the claim that writes the intent to submit.

It is no table: it is the attempts in state `queued`, found by the index `attempt_queue`, a lane at a time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import bindparam, func, select, union_all, update

from angarium.accounts.store import workspace
from angarium.core.values import PRIORITY, MessageClass
from angarium.messaging.lanes import LANES
from angarium.messaging.store.attempts import Attempt, read
from angarium.messaging.store.tables import attempt
from angarium.storage.bulk import BulkUpdate, Statement, among
from angarium.storage.database import Transaction

_here = attempt.c.workspace_id == bindparam("workspace_id")
# A lane at a time: so both databases find its rows by the index of the queue, in its order.
_queued = [
    (
        attempt.c.workspace_id == workspace.c.workspace_id,
        attempt.c.line_id == bindparam("line_id"),
        attempt.c.priority == PRIORITY[lane],
        attempt.c.state == "queued",
    )
    for lane in LANES
]
_waiting = Statement(
    select(
        workspace.c.workspace_id,
        *(
            select(func.count())
            .select_from(
                select(attempt.c.id)
                .where(*lane, attempt.c.due_at <= bindparam("now"))
                .order_by(attempt.c.due_at, attempt.c.id)  # else PostgreSQL reads the whole table
                .limit(bindparam("limit"))
                .correlate(workspace)
                .subquery()
            )
            .correlate(workspace)
            .scalar_subquery()
            for lane in _queued
        ),
    ).where(among(workspace.c.workspace_id, "workspace_ids"))
)
_due_in_lane = Statement(
    select(func.count()).select_from(
        select(attempt.c.id)
        .where(
            _here,
            among(attempt.c.line_id, "line_ids"),
            attempt.c.priority == bindparam("lane"),
            attempt.c.state == "queued",
            attempt.c.due_at <= bindparam("now"),
        )
        .limit(bindparam("limit"))
        .subquery()
    )
)
_put_back = BulkUpdate(
    attempt, match=("workspace_id", "id"), set=("state", "tries", "due_at", "detail", "submitted_at")
)
_not_submitted = Statement(
    update(attempt).where(_here, among(attempt.c.id, "attempt_ids")).values(submitted_at=None)
)
_next_due = Statement(
    select(
        *(
            select(attempt.c.due_at)
            .where(*lane)
            .order_by(attempt.c.due_at)
            .limit(1)
            .correlate(workspace)
            .scalar_subquery()
            for lane in _queued
        )
    )
    .select_from(workspace)
    .where(among(workspace.c.workspace_id, "workspace_ids"))
)
_due = [
    select(attempt.c.id)
    .where(
        _here,
        attempt.c.line_id == bindparam("line_id"),
        attempt.c.priority == PRIORITY[lane],
        attempt.c.state == "queued",
        attempt.c.due_at <= bindparam("now"),
    )
    .order_by(attempt.c.due_at, attempt.c.id)
    .limit(bindparam(lane.value))
    .with_for_update(skip_locked=True)
    .cte(f"due_{lane.value}")
    for lane in LANES
]
# The intent: committed before any byte leaves. The epoch says whose it is.
_claim = Statement(
    update(attempt)
    .where(_here, attempt.c.id.in_(union_all(*(select(lane.c.id) for lane in _due))))
    .values(
        state="submitting",
        epoch=bindparam("new_epoch"),
        submitted_at=bindparam("at"),
        tries=attempt.c.tries + 1,
    )
    .returning(*attempt.columns)
)
_claimed_at = Statement(
    select(*attempt.columns)
    .where(
        among(attempt.c.workspace_id, "workspace_ids"),
        attempt.c.line_id == bindparam("line_id"),
        attempt.c.state == "submitting",
        attempt.c.epoch == bindparam("epoch"),
        among(attempt.c.submitted_at, "instants"),
    )
    .order_by(attempt.c.priority, attempt.c.due_at, attempt.c.id)
)


async def waiting(
    tx: Transaction, workspace_ids: Sequence[int], line_id: int, now: int, limit: int
) -> dict[MessageClass, dict[int, int]]:
    """How many attempts are due on a line in each lane, by workspace, each counted up to `limit`."""
    rows = await tx.rows(_waiting, workspace_ids=list(workspace_ids), line_id=line_id, now=now, limit=limit)
    return {
        lane: {row[0]: row[place] for row in rows if row[place]} for place, lane in enumerate(LANES, start=1)
    }


async def due_in_lane(
    tx: Transaction, workspace_id: int, line_ids: Sequence[int], lane: int, now: int, limit: int
) -> int:
    """How many attempts of a workspace are due in one lane of some lines, counted up to `limit`."""
    asked = {"workspace_id": workspace_id, "line_ids": list(line_ids), "lane": lane, "now": now}
    row = await tx.row(_due_in_lane, **asked, limit=limit)
    return row[0] if row else 0


async def claim(
    tx: Transaction,
    workspace_id: int,
    line_id: int,
    epoch: int,
    now: int,
    quotas: Mapping[MessageClass, int],
    at: int,
) -> list[Attempt]:
    """Take due attempts of a workspace on a line, so many of each lane; write the intent to submit, and when:
    `at`."""
    limits = {lane.value: quotas.get(lane, 0) for lane in LANES}
    rows = await tx.rows(
        _claim, workspace_id=workspace_id, line_id=line_id, new_epoch=epoch, now=now, at=at, **limits
    )
    return [read(row) for row in rows]


async def put_back(tx: Transaction, back: Sequence[tuple[Attempt, int, str]]) -> None:
    """Take claims back of which nothing was handed over: they are as they were, but for when they are due,
    and why."""
    rows = [
        (one.workspace_id, one.id, "queued", one.tries - 1, due_at, why, _before(one))
        for one, due_at, why in back
    ]
    await tx.update(_put_back, rows)


async def not_submitted(tx: Transaction, workspace_id: int, attempts: Sequence[Attempt]) -> None:
    """Of claims that were stopped before anything was handed over, no first one was a submission."""
    first = [one.id for one in attempts if _before(one) is None]
    if first:
        await tx.execute(_not_submitted, workspace_id=workspace_id, attempt_ids=first)


def _before(claimed: Attempt) -> int | None:
    """When it was submitted before it was claimed, or at the latest."""
    return claimed.submitted_at if claimed.tries > 1 else None


async def oldest_due(tx: Transaction, workspace_ids: Sequence[int], line_id: int) -> dict[MessageClass, int]:
    """When the oldest queued attempt of a line is due, in each lane that has one."""
    found: dict[MessageClass, int] = {}
    for row in await tx.rows(_next_due, workspace_ids=list(workspace_ids), line_id=line_id):
        for lane, due_at in zip(LANES, row, strict=True):
            if due_at is not None:
                found[lane] = min(due_at, found.get(lane, due_at))
    return found


async def claimed_at(
    tx: Transaction, workspace_ids: Sequence[int], line_id: int, epoch: int, instants: Sequence[int]
) -> list[Attempt]:
    """Intents that one owner of a line wrote for these instants."""
    values = {"line_id": line_id, "epoch": epoch, "instants": list(instants)}
    return [read(row) for row in await tx.rows(_claimed_at, workspace_ids=list(workspace_ids), **values)]

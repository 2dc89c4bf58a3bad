"""Messages of a backup that was put back: found by an index that holds nothing else."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from sqlalchemy import and_, bindparam, case, func, literal_column, select, update

from angarium.core.values import Reason
from angarium.messaging.states import PAUSED
from angarium.messaging.store.tables import attempt, message
from angarium.storage.bulk import Statement
from angarium.storage.database import Transaction

# The word stands in the statement, so that the partial index is found.
is_held = and_(message.c.reason == literal_column("'restored'"), message.c.finished_at.is_(None))


class Share(msgspec.Struct, frozen=True):
    """How many of one class and state are held, and since when they wait."""

    message_class: str
    state: str
    messages: int
    oldest_at: int
    newest_at: int


_here = message.c.workspace_id == bindparam("workspace_id")
_hold = Statement(
    update(message)
    .where(_here, message.c.finished_at.is_(None))
    .values(reason=Reason.RESTORED.value, decide_at=message.c.expires_at)
)
# Not to be claimed before the deadline, at which a claim refuses it; nor by its campaign, which goes on.
_keep_back = Statement(
    update(attempt)
    .where(attempt.c.workspace_id == bindparam("workspace_id"), attempt.c.state == "queued")
    .values(
        due_at=attempt.c.expires_at, detail=case((attempt.c.detail == PAUSED, ""), else_=attempt.c.detail)
    )
)
_summary = Statement(
    select(
        message.c["class"],
        message.c.state,
        func.count(),
        func.min(message.c.created_at),
        func.max(message.c.created_at),
    )
    .where(_here, is_held)
    .group_by(message.c["class"], message.c.state)
    .order_by(message.c["class"], message.c.state)
)
_page = Statement(
    select(message.c.id)
    .where(
        _here,
        is_held,
        message.c.id > bindparam("after"),
        message.c.created_at >= bindparam("created_from"),
        message.c.created_at < bindparam("created_until"),
    )
    .order_by(message.c.id)
    .limit(bindparam("limit"))
)


async def hold(tx: Transaction, workspace_id: int) -> int:
    """Hold every message that has not ended; how many."""
    await tx.execute(_keep_back, workspace_id=workspace_id)
    return await tx.execute(_hold, workspace_id=workspace_id)


async def summary(tx: Transaction, workspace_id: int) -> list[Share]:
    """What is held."""
    return [Share(*row) for row in await tx.rows(_summary, workspace_id=workspace_id)]


async def page(
    tx: Transaction, workspace_id: int, created_from: int, created_until: int, after: int, limit: int
) -> Sequence[int]:
    """The ids of what is held and was made in this time, above an id."""
    rows = await tx.rows(
        _page,
        workspace_id=workspace_id,
        created_from=created_from,
        created_until=created_until,
        after=after,
        limit=limit,
    )
    return [row[0] for row in rows]

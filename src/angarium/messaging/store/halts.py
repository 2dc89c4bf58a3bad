"""Labels that are halted, and the messages that wait behind them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlalchemy import bindparam, delete, select, update

from angarium.messaging.states import PAUSED
from angarium.messaging.store.tables import attempt, halted_label, message
from angarium.storage.bulk import BulkInsert, Statement, among
from angarium.storage.database import Transaction

_here = halted_label.c.workspace_id == bindparam("workspace_id")
_insert = BulkInsert(halted_label, ("workspace_id", "label", "since"), conflict="nothing")
_remove = Statement(delete(halted_label).where(_here, halted_label.c.label == bindparam("label")))
_all = Statement(select(halted_label.c.label).where(_here))
_labels = Statement(
    select(message.c.id, message.c.label).where(
        message.c.workspace_id == bindparam("workspace_id"), among(message.c.id, "ids")
    )
)
_let_go = Statement(
    update(attempt)
    .where(
        attempt.c.workspace_id == bindparam("workspace_id"),
        among(attempt.c.line_id, "line_ids"),
        attempt.c.state == "queued",
        attempt.c.detail == PAUSED,
        attempt.c.message_id.in_(
            select(message.c.id).where(
                message.c.workspace_id == bindparam("workspace_id"),
                message.c.label == bindparam("label"),
                message.c.label != "",  # so the index of labels serves
            )
        ),
    )
    .values(due_at=bindparam("now"), detail="")
)
_running = Statement(
    select(message.c.id)
    .where(
        message.c.workspace_id == bindparam("workspace_id"),
        message.c.label == bindparam("label"),
        message.c.label != "",
        message.c.id > bindparam("after"),
        message.c.finished_at.is_(None),
    )
    .order_by(message.c.id)
    .limit(bindparam("limit"))
)


async def halted(tx: Transaction, workspace_id: int) -> frozenset[str]:
    """The labels of a workspace that are halted; mostly none."""
    return frozenset(row[0] for row in await tx.rows(_all, workspace_id=workspace_id))


async def add(tx: Transaction, workspace_id: int, label: str, now: int) -> None:
    """Halt a label; one that is halted stays so."""
    await tx.insert(_insert, [(workspace_id, label, now)])


async def remove(tx: Transaction, workspace_id: int, label: str) -> None:
    """A label is not halted any more."""
    await tx.execute(_remove, workspace_id=workspace_id, label=label)


async def labels(tx: Transaction, workspace_id: int, message_ids: Iterable[int]) -> dict[int, str]:
    """The labels of messages."""
    rows = await tx.rows(_labels, workspace_id=workspace_id, ids=sorted(set(message_ids)))
    return {row[0]: row[1] for row in rows}


async def let_go(tx: Transaction, workspace_id: int, label: str, line_ids: Sequence[int], now: int) -> int:
    """What was kept back of a label on these lines is due now; how many attempts."""
    asked = {"workspace_id": workspace_id, "label": label, "line_ids": list(line_ids), "now": now}
    return await tx.execute(_let_go, **asked)


async def running(tx: Transaction, workspace_id: int, label: str, after: int, limit: int) -> list[int]:
    """Ids of the messages of a label that have not ended, above an id."""
    asked = {"workspace_id": workspace_id, "label": label, "after": after, "limit": limit}
    return [row[0] for row in await tx.rows(_running, **asked)]

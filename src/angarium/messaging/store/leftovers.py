"""Intents of which nobody heard the end, found, or given up in the plainest way; callbacks left behind."""

from __future__ import annotations

from collections.abc import Collection

import msgspec
from sqlalchemy import and_, bindparam, or_, select, update

from angarium.core.ids import NODE_MAX, SEQUENCE_BITS
from angarium.messaging.store.attempts import Attempt, read
from angarium.messaging.store.inbox import KEPT, Entry, as_entry
from angarium.messaging.store.tables import attempt, journal, line_owner, message
from angarium.storage.bulk import BulkUpdate, Statement, among
from angarium.storage.database import Transaction

_submitting = (
    attempt.c.workspace_id == bindparam("workspace_id"),
    attempt.c.line_id == bindparam("line_id"),
    attempt.c.state == "submitting",
)
_other_shares = select(line_owner.c.epoch).where(
    line_owner.c.workspace_id == bindparam("owner_id"),
    line_owner.c.line_id == bindparam("line_id"),
    line_owner.c.share != bindparam("share"),
)
_orphans = Statement(
    select(attempt.c.id, attempt.c.message_id)
    .where(
        *_submitting,
        or_(
            and_(attempt.c.epoch < bindparam("before_epoch"), attempt.c.epoch.not_in(_other_shares)),
            attempt.c.submitted_at < bindparam("before"),
        ),
        attempt.c.id > bindparam("after_id"),
    )
    .order_by(attempt.c.id)
    .limit(bindparam("limit"))
)
_lines = Statement(
    select(attempt.c.line_id)
    .distinct()
    .where(attempt.c.workspace_id == bindparam("workspace_id"), attempt.c.state == "submitting")
)
_end_attempt = BulkUpdate(
    attempt,
    match=("workspace_id", "id"),
    set=("state", "reason", "detail", "accepted_at", "ended_at"),
)
_message_of = Statement(
    select(attempt.c.message_id).where(
        attempt.c.workspace_id == bindparam("workspace_id"), attempt.c.id == bindparam("attempt_id")
    )
)
_decide_again = BulkUpdate(message, match=("workspace_id", "id"), set=("decide_at",))
_end_message = Statement(
    update(message)
    .where(
        message.c.workspace_id == bindparam("workspace_id"),
        message.c.id == bindparam("message_id"),
        message.c.finished_at.is_(None),
    )
    .values(state="failed", reason=bindparam("because"), decide_at=None, finished_at=bindparam("now"))
)
_end_queued = Statement(
    update(attempt)
    .where(
        attempt.c.workspace_id == bindparam("workspace_id"),
        attempt.c.message_id == bindparam("message_id"),
        attempt.c.state == "queued",
    )
    .values(state="cancelled", reason=bindparam("because"), ended_at=bindparam("now"))
    .returning(*attempt.columns)
)


class Left(msgspec.Struct, frozen=True):
    """What is looked for: intents on a line, or a share of it, of owners `older_than` that one who own no
    other share now, or from before an instant."""

    owner_id: int  # whose line it is
    workspace_id: int  # whose messages
    line_id: int
    epoch: int  # our own
    older_than: int
    before: int = 0
    share: int = 0


_newest_callback = Statement(
    select(journal.c.id)
    .where(journal.c.workspace_id == bindparam("workspace_id"), journal.c.state == "new")
    .order_by(journal.c.id.desc())
    .limit(1)
)


_left_by_others = Statement(
    select(*KEPT)
    .where(
        journal.c.workspace_id == bindparam("workspace_id"),
        journal.c.state == "new",
        journal.c.id < bindparam("before_id"),
        ~among(journal.c.id.bitwise_rshift(SEQUENCE_BITS).bitwise_and(NODE_MAX), "nodes"),
    )
    .order_by(journal.c.id)
    .limit(bindparam("limit"))
)


async def newest_callback(tx: Transaction, workspace_id: int) -> int:
    """The last callback that was journalled and is not yet worked through; 0 when there is none."""
    row = await tx.row(_newest_callback, workspace_id=workspace_id)
    return 0 if row is None else row[0]


async def left_by_others(
    tx: Transaction, workspace_id: int, nodes: Collection[int], before_id: int, limit: int
) -> list[Entry]:
    """Callbacks older than an id that other servers than these have journalled and not worked through."""
    given = {"workspace_id": workspace_id, "before_id": before_id, "limit": limit}
    return [as_entry(row) for row in await tx.rows(_left_by_others, nodes=sorted(nodes), **given)]


async def orphans(tx: Transaction, left: Left, after_id: int, limit: int) -> list[tuple[int, int]]:
    """Such intents: (attempt, message), by attempt."""
    rows = await tx.rows(
        _orphans,
        owner_id=left.owner_id,
        workspace_id=left.workspace_id,
        line_id=left.line_id,
        share=left.share,
        before_epoch=left.older_than,
        before=left.before,
        after_id=after_id,
        limit=limit,
    )
    return [(row[0], row[1]) for row in rows]


async def lines(tx: Transaction, workspace_id: int) -> list[int]:
    """The lines with submissions under way, or left behind."""
    return [row[0] for row in await tx.rows(_lines, workspace_id=workspace_id)]


async def end_attempt(tx: Transaction, one: Attempt, now: int) -> None:
    """Write the end of an attempt and nothing else; its message is decided on anew."""
    row = (one.workspace_id, one.id, one.state.value, one.reason, one.detail, one.accepted_at, one.ended_at)
    await tx.update(_end_attempt, [row])
    await tx.update(_decide_again, [(one.workspace_id, one.message_id, now)])


async def forget(
    tx: Transaction, workspace_id: int, attempt_id: int, reason: str, detail: str, now: int
) -> None:
    """End an attempt as unknown; its message is decided on anew."""
    row = await tx.row(_message_of, workspace_id=workspace_id, attempt_id=attempt_id)
    await tx.update(_end_attempt, [(workspace_id, attempt_id, "unknown", reason, detail, None, now)])
    if row is not None:
        await tx.update(_decide_again, [(workspace_id, row[0], now)])


async def end_message(
    tx: Transaction, workspace_id: int, message_id: int, reason: str, now: int
) -> tuple[bool, list[Attempt]]:
    """End a message as failed, and take back what is queued of it: whether it ran, and those attempts."""
    ended = await tx.execute(
        _end_message, workspace_id=workspace_id, message_id=message_id, because=reason, now=now
    )
    values = {"workspace_id": workspace_id, "message_id": message_id, "because": reason, "now": now}
    return bool(ended), [read(row) for row in await tx.rows(_end_queued, **values)]

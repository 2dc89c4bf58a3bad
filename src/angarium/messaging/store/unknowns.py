"""Messages of which nobody knows whether they went out, found by the index of what is unanswered."""

from __future__ import annotations

import msgspec
from sqlalchemy import bindparam, func, or_, select

from angarium.messaging.store.messages import Message, read
from angarium.messaging.store.tables import attempt, message
from angarium.storage.bulk import Statement
from angarium.storage.database import Transaction

SOME = 10_000  # of a line that are counted

_columns = list(message.columns)
_silent = select(attempt.c.message_id).where(
    attempt.c.workspace_id == bindparam("workspace_id"),
    attempt.c.state == "unknown",
    or_(attempt.c.line_id == bindparam("line_id"), bindparam("line_id") == 0),
    attempt.c.ended_at <= bindparam("since_until"),
)
_undecided = (
    message.c.workspace_id == bindparam("workspace_id"),
    message.c.state == "unknown",
    message.c.reason != "left",
)
_page = Statement(
    select(*_columns)
    .where(*_undecided, message.c.id.in_(_silent), message.c.id > bindparam("after"))
    .where(or_(bindparam("message_class") == "", message.c["class"] == bindparam("message_class")))
    .order_by(message.c.id)
    .limit(bindparam("limit"))
)
_summary = Statement(
    select(
        attempt.c.line_id,
        attempt.c["class"],
        func.count(message.c.id.distinct()),
        func.count(message.c.id.distinct()).filter(message.c.finished_at.is_not(None)),
        func.min(attempt.c.ended_at),
    )
    .join(
        message, (message.c.workspace_id == attempt.c.workspace_id) & (message.c.id == attempt.c.message_id)
    )
    .where(attempt.c.workspace_id == bindparam("workspace_id"), attempt.c.state == "unknown")
    .where(*_undecided)
    .group_by(attempt.c.line_id, attempt.c["class"])
    .order_by(attempt.c.line_id, attempt.c["class"])
)

_silent_since = Statement(
    select(attempt.c.line_id, attempt.c.address, attempt.c.message_id)
    .where(
        attempt.c.workspace_id == bindparam("workspace_id"),
        attempt.c.state == "unknown",
        attempt.c.ended_at >= bindparam("since"),
    )
    .order_by(attempt.c.id.desc())
    .limit(bindparam("limit"))
)

_silent_lines = Statement(
    select(attempt.c.line_id)
    .where(attempt.c.workspace_id == bindparam("workspace_id"), attempt.c.state == "unknown")
    .distinct()
)
_some_for_a_person = (
    select(attempt.c.message_id)
    .join(
        message, (message.c.workspace_id == attempt.c.workspace_id) & (message.c.id == attempt.c.message_id)
    )
    .where(
        attempt.c.workspace_id == bindparam("workspace_id"),
        attempt.c.state == "unknown",
        attempt.c.line_id == bindparam("line_id"),
        attempt.c.ended_at >= bindparam("since"),
        *_undecided,
        message.c.finished_at.is_not(None),
    )
    .distinct()
    .limit(bindparam("limit"))
    .subquery()
)
_for_a_person = Statement(select(func.count()).select_from(_some_for_a_person))


class Wanted(msgspec.Struct, frozen=True):
    """Which of them; empty means any. `since_until`: unknown since then at the latest."""

    line_id: int = 0
    message_class: str = ""
    since_until: int = 1 << 62


class Share(msgspec.Struct, frozen=True):
    """How many of one line and one class there are, and how many of them nothing is done about by itself."""

    line_id: int
    message_class: str
    messages: int
    for_a_person: int
    since: int


async def page(tx: Transaction, workspace_id: int, wanted: Wanted, after: int, limit: int) -> list[Message]:
    """Those that fit, oldest first, above an id."""
    rows = await tx.rows(
        _page,
        workspace_id=workspace_id,
        line_id=wanted.line_id,
        since_until=wanted.since_until,
        message_class=wanted.message_class,
        after=after,
        limit=limit,
    )
    return [read(row) for row in rows]


async def summary(tx: Transaction, workspace_id: int) -> list[Share]:
    """How many there are, by line and class. One that is silent on two lines is counted on both."""
    return [Share(*row) for row in await tx.rows(_summary, workspace_id=workspace_id)]


class Silent(msgspec.Struct, frozen=True):
    """An attempt that was never answered, as far as a receipt to its address tells."""

    line_id: int
    address: str
    message_id: int


async def silent_since(tx: Transaction, workspace_id: int, since: int, limit: int) -> list[Silent]:
    """Attempts that have been unknown since then or later, the newest first."""
    rows = await tx.rows(_silent_since, workspace_id=workspace_id, since=since, limit=limit)
    return [Silent(*row) for row in rows]


async def silent_lines(tx: Transaction, workspace_id: int) -> list[int]:
    """The lines on which something was never answered."""
    return [row[0] for row in await tx.rows(_silent_lines, workspace_id=workspace_id)]


async def for_a_person(tx: Transaction, workspace_id: int, line_id: int, since: int) -> int:
    """How many of a line have been unknown since then or later, with nothing that follows by itself; counted
    up to `SOME`."""
    asked = {"workspace_id": workspace_id, "line_id": line_id, "since": since}
    row = await tx.row(_for_a_person, **asked, limit=SOME)
    return 0 if row is None else int(row[0])

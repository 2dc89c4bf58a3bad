"""Which messages wait for what, as far as rows say it; an index of what is open answers each question."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import and_, bindparam, exists, func, not_, or_, select, tuple_

from angarium.messaging.store.attempts import Attempt
from angarium.messaging.store.held import is_held
from angarium.messaging.store.messages import Filter, Message, filter_values, listed, newest, read
from angarium.messaging.store.review import is_held as for_review
from angarium.messaging.store.tables import attempt, message
from angarium.storage.bulk import Statement, among
from angarium.storage.database import Transaction

AHEAD_MAX = 10_000  # counted so far and no further

_attempts_here = attempt.c.workspace_id == bindparam("workspace_id")
_has_attempt = exists(
    select(1).where(_attempts_here, attempt.c.message_id == message.c.id).correlate(message)
)
_has_open = exists(
    select(1)
    .where(
        _attempts_here,
        attempt.c.message_id == message.c.id,
        attempt.c.state.in_(["queued", "submitting"]),
    )
    .correlate(message)
)
_queued = and_(_attempts_here, attempt.c.state == "queued")
_submitting = and_(_attempts_here, attempt.c.state == "submitting")
_silent = and_(_attempts_here, attempt.c.state == "unknown")
_later = and_(_queued, attempt.c.due_at > bindparam("now"))
_due = and_(_queued, attempt.c.due_at <= bindparam("now"))
_asked_again = or_(attempt.c.reason != "", attempt.c.detail != "")
_clocked = message.alias("clocked")


def _decided_after(when: Any) -> Any:
    """Those whose time to decide is later than that; the times of what has ended are not in the index."""
    here = _clocked.c.workspace_id == bindparam("workspace_id")
    return message.c.id.in_(select(_clocked.c.id).where(here, _clocked.c.decide_at > when))


_to_be_decided = _decided_after(0)


def _of_attempts(condition: Any) -> Any:
    return message.c.id.in_(select(attempt.c.message_id).where(condition))


def _page(condition: Any) -> Statement:
    fits = (or_(bindparam("label") == "", message.c.label == bindparam("label")),)
    whose = or_(message.c.contact_id == bindparam("contact_id"), bindparam("contact_id") == 0)
    by_what_is_open = (
        message.c.id + 0
    ).desc()  # not by the key: a planner would read all history in its order
    found = newest.order_by(None).order_by(by_what_is_open)
    return Statement(found.where(listed, *fits, whose, condition))


_PAGES = {
    "hour": _page(and_(_decided_after(bindparam("now")), message.c.state == "scheduled", not_(_has_attempt))),
    "hours": _page(_of_attempts(and_(_later, not_(_asked_again)))),
    "retry": _page(_of_attempts(and_(_later, _asked_again))),
    "answer": _page(_of_attempts(_submitting)),
    "evidence": _page(
        and_(
            _of_attempts(_silent),
            _to_be_decided,
            message.c.state == "unknown",
            not_(_has_open),
        )
    ),
    "receipt": _page(and_(_to_be_decided, message.c.state.in_(["sent", "delivered"]), not_(_has_open))),
    "release": _page(is_held),
    "review": _page(for_review),
    "person": _page(
        and_(
            _of_attempts(_silent),
            message.c.state == "unknown",
            message.c.reason != "left",
            message.c.finished_at.is_not(None),
        )
    ),
}
_on_these_lines = _page(_of_attempts(and_(_due, among(attempt.c.line_id, "line_ids"))))
_on_other_lines = _page(_of_attempts(and_(_due, not_(among(attempt.c.line_id, "line_ids")))))
_ahead = Statement(
    select(func.count()).select_from(
        select(attempt.c.id)
        .where(
            _due,
            attempt.c.line_id == bindparam("line_id"),
            tuple_(attempt.c.priority, attempt.c.due_at, attempt.c.id)
            < tuple_(bindparam("priority"), bindparam("due_at"), bindparam("attempt_id")),
        )
        .limit(bindparam("limit"))
        .subquery()
    )
)


async def page(
    tx: Transaction,
    workspace_id: int,
    wanted: Filter,
    what: str,
    line_ids: Sequence[int],
    now: int,
    before: int,
    limit: int,
) -> list[Message]:
    """The newest messages that fit and wait for `what`, below an id.

    What is due waits for the sake of its line: `turn`, `connection` and `rest` on `line_ids`; `switch` on any
    other than these.
    """
    values = filter_values(wanted, before, limit) | {
        "label": wanted.label,
        "contact_id": wanted.contact_id,
        "now": now,
    }
    if what not in _PAGES:
        statement = _on_other_lines if what == "switch" else _on_these_lines
        rows = await tx.rows(statement, workspace_id=workspace_id, line_ids=list(line_ids), **values)
    else:
        if what not in ("hour", "hours", "retry"):
            del values["now"]
        rows = await tx.rows(_PAGES[what], workspace_id=workspace_id, **values)
    return [read(row) for row in rows]


async def ahead(tx: Transaction, one: Attempt, now: int) -> int:
    """How many of its workspace are before a queued attempt on its line; AHEAD_MAX when they are more."""
    row = await tx.row(
        _ahead,
        workspace_id=one.workspace_id,
        line_id=one.line_id,
        now=now,
        priority=one.priority,
        due_at=one.due_at,
        attempt_id=one.id,
        limit=AHEAD_MAX,
    )
    return row[0] if row else 0

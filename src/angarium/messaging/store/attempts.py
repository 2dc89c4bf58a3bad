"""Attempts, and the references of their parts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from operator import itemgetter
from typing import Any, NamedTuple, Self

import msgspec
from sqlalchemy import ColumnElement, bindparam, case, exists, func, literal_column, select

from angarium.core import ids
from angarium.core.clock import MICROS, micros
from angarium.core.values import MessageClass
from angarium.messaging.states import AttemptState
from angarium.messaging.store.tables import attempt, message, part, past_step
from angarium.storage.bulk import BulkInsert, BulkUpdate, Statement, among
from angarium.storage.database import Row, Transaction
from angarium.storage.together import Together


class Attempt(msgspec.Struct, gc=False):
    """One try of one step on one line. `content` is JSON, sealed for an otp, empty once purged."""

    workspace_id: int
    id: int
    message_id: int
    contact_id: int
    step: int
    number: int
    line_id: int
    channel: str
    message_class: MessageClass
    priority: int
    address: str
    content: bytes
    parts: int
    price_micros: int
    cost_micros: int
    currency: str
    state: AttemptState
    reason: str
    code: str
    detail: str
    late: int
    tries: int
    epoch: int
    ttl_s: float | None
    due_at: int
    expires_at: int
    planned_at: int
    submitted_at: int | None = None
    accepted_at: int | None = None
    delivered_at: int | None = None
    read_at: int | None = None
    ended_at: int | None = None
    billed_at: int | None = None
    budgets: str = ""  # the counters that its price is reserved in, was spent of or given back to
    hours: str = ""  # those of its step, as JSON; empty: any


class Part(msgspec.Struct, gc=False):
    """One reference that a provider gave."""

    line_id: int
    ref: str
    attempt_id: int
    number: int
    total: int
    state: AttemptState


MARKED_MAX, MARKED_WITHIN_S = 100, 7 * 86_400.0  # of what a watermark speaks of
COLUMNS = tuple(attempt.columns.keys())
# A word of an enum is a str to both drivers; to look one up by its text is ten times quicker than to call it.
CLASSES = {one.value: one for one in MessageClass}
STATES = {one.value: one for one in AttemptState}
_columns = list(attempt.columns)
_here = attempt.c.workspace_id == bindparam("workspace_id")
_part_here = part.c.workspace_id == bindparam("workspace_id")
STANDING = (
    "parts",
    "cost_micros",
    "state",
    "reason",
    "code",
    "detail",
    "late",
    "accepted_at",
    "delivered_at",
    "read_at",
    "ended_at",
    "billed_at",
)
TURN = ("content", "tries", "due_at")  # what changes seldom, and is each one's own
_insert = BulkInsert(attempt, COLUMNS)
_update = BulkUpdate(attempt, match=("workspace_id", "id"), set=(*TURN, *STANDING))
_together = Together(attempt, STANDING)
_of_messages = Statement(
    select(*_columns)
    .where(_here, among(attempt.c.message_id, "message_ids"))
    .order_by(attempt.c.message_id, attempt.c.step, attempt.c.number)  # ids of two servers may cross
    .with_for_update()
)
_to_look_at = Statement(
    select(*_columns)
    .where(_here, among(attempt.c.message_id, "message_ids"))
    .order_by(attempt.c.message_id, attempt.c.step, attempt.c.number)  # ids of two servers may cross
)


def _at(state: str) -> Any:
    return select(
        attempt.c.workspace_id, attempt.c.id, attempt.c.message_id, attempt.c.address, attempt.c.state
    ).where(
        _here,
        attempt.c.line_id == bindparam("line_id"),
        attempt.c.state == state,
        among(attempt.c.address, "addresses"),
    )


_unanswered_at = Statement(_at("unknown").union_all(_at("submitting")))  # two indexes, one for each
_message_of = Statement(
    select(attempt.c.workspace_id, attempt.c.id, attempt.c.message_id).where(
        among(attempt.c.workspace_id, "workspace_ids"),
        attempt.c.line_id == bindparam("line_id"),
        among(attempt.c.id, "attempt_ids"),
    )
)
_insert_parts = BulkInsert(
    part,
    ("workspace_id", "line_id", "ref", "attempt_id", "number", "total", "state"),
    conflict=("workspace_id", "line_id", "ref"),
    update=("attempt_id", "number", "total", "state"),
)
_parts_by_ref = Statement(
    select(
        part.c.line_id,
        part.c.ref,
        part.c.attempt_id,
        part.c.number,
        part.c.total,
        part.c.state,
        attempt.c.message_id,
        part.c.workspace_id,
    )
    .join(attempt, (attempt.c.workspace_id == part.c.workspace_id) & (attempt.c.id == part.c.attempt_id))
    .where(
        among(part.c.workspace_id, "workspace_ids"),
        part.c.line_id == bindparam("line_id"),
        among(part.c.ref, "refs"),
    )
    .order_by(part.c.attempt_id)
)
_parts_of = Statement(
    select(part.c.line_id, part.c.ref, part.c.attempt_id, part.c.number, part.c.total, part.c.state)
    .where(_part_here, among(part.c.attempt_id, "attempt_ids"))
    .order_by(part.c.attempt_id, part.c.number)
)
_update_parts = BulkUpdate(part, match=("workspace_id", "line_id", "ref"), set=("state",))
_last_to = Statement(
    select(func.max(attempt.c.id))
    .join(
        message, (message.c.workspace_id == attempt.c.workspace_id) & (message.c.id == attempt.c.message_id)
    )
    .where(
        message.c.workspace_id == bindparam("workspace_id"),
        message.c.contact_id == bindparam("contact_id"),
        attempt.c.line_id == bindparam("line_id"),
        attempt.c.submitted_at.is_not(None),
    )
)
_sent_until = Statement(
    select(attempt.c.id)
    .join(
        message, (message.c.workspace_id == attempt.c.workspace_id) & (message.c.id == attempt.c.message_id)
    )
    .where(
        message.c.workspace_id == bindparam("workspace_id"),
        message.c.contact_id == bindparam("contact_id"),
        message.c.id > bindparam("since_id"),
        attempt.c.line_id == bindparam("line_id"),
        attempt.c.submitted_at <= bindparam("until"),
        among(attempt.c.state, "states"),
    )
    .order_by(attempt.c.id.desc())
    .limit(MARKED_MAX)
)
_any_line_ref = Statement(
    select(attempt.c.message_id)
    .join(part, (attempt.c.workspace_id == part.c.workspace_id) & (attempt.c.id == part.c.attempt_id))
    .where(_part_here, _here, among(part.c.line_id, "line_ids"), part.c.ref == bindparam("ref"))
    .order_by(attempt.c.id.desc())
    .limit(1)
)


_later = attempt.alias("later")
_fell_back = exists(
    select(1).where(
        _later.c.workspace_id == bindparam("workspace_id"),
        _later.c.message_id == attempt.c.message_id,
        _later.c.step > attempt.c.step,
        _later.c.submitted_at.is_not(None),  # one that was taken back in time is none
    )
)


def _happened(column: Any) -> Any:
    return func.sum(case((column.is_not(None), 1), else_=0))


PAST_STEP = tuple(past_step.columns.keys())
QUARTER = 900 * MICROS  # an hour begins with one in every zone: they are off UTC by so many of them
_quarter: ColumnElement[int] = literal_column(str(QUARTER))
_places = (attempt.c.step, attempt.c.channel, attempt.c.line_id)
_quarters = [(column - column % _quarter) for column in (attempt.c.delivered_at, attempt.c.read_at)]
_counts = (
    func.count(),
    _happened(attempt.c.accepted_at),
    _happened(attempt.c.delivered_at),
    _happened(attempt.c.read_at),
    func.sum(case((attempt.c.state.in_(["refused", "failed"]), 1), else_=0)),
    func.sum(case((attempt.c.state == "unknown", 1), else_=0)),
    func.sum(case((_fell_back, 1), else_=0)),
    func.sum(attempt.c.late),
    func.sum(attempt.c.parts),
    func.sum(attempt.c.cost_micros),
)
_went_out = (
    (message.c.workspace_id == attempt.c.workspace_id) & (message.c.id == attempt.c.message_id),
    (_here, message.c.label != "", attempt.c.submitted_at.is_not(None)),
)
# Of a million, to go through them is most of it: so all that is to be known of them is counted at once.
_by_step = Statement(
    select(*_quarters, *_places, *_counts)
    .join(message, _went_out[0])
    .where(*_went_out[1], message.c.label == bindparam("label"))
    .group_by(*_places, *_quarters)
    .order_by(*_places)
)
_past_by_step = Statement(
    select(
        func.nullif(past_step.c.delivered_in, 0),
        func.nullif(past_step.c.read_in, 0),
        *(past_step.c[name] for name in PAST_STEP[4:]),
    ).where(past_step.c.workspace_id == bindparam("workspace_id"), past_step.c.label == bindparam("label"))
)
_of_these_by_step = Statement(
    select(message.c.label, *(func.coalesce(one, 0) for one in _quarters), *_places, *_counts)
    .join(message, _went_out[0])
    .where(*_went_out[1], among(message.c.id, "message_ids"))
    .group_by(message.c.label, *_places, *_quarters)
)
_add_past = BulkInsert(past_step, PAST_STEP, conflict=PAST_STEP[:7], add=PAST_STEP[7:])


async def insert(tx: Transaction, attempts: Sequence[Attempt]) -> None:
    """Write newly planned attempts."""
    await insert_rows(tx, rows(attempts))


def rows(attempts: Iterable[Attempt]) -> list[tuple[Any, ...]]:
    """Newly planned attempts as the rows that are written of them."""
    return [msgspec.structs.astuple(one) for one in attempts]


async def insert_rows(tx: Transaction, rows_: Sequence[tuple[Any, ...]]) -> None:
    """Write the rows of newly planned attempts."""
    await tx.insert(_insert, rows_)


async def save(tx: Transaction, attempts: Iterable[Attempt]) -> None:
    """Write what has changed of attempts whose rows this transaction holds."""
    await tx.update(_update, [(one.workspace_id, one.id, *turn(one), *_standing(one)) for one in attempts])


async def save_standing(tx: Transaction, attempts: Iterable[Attempt]) -> None:
    """The same of attempts whose `turn` is as it was: most of a batch come to the same."""
    await save(tx, await _together.write(tx, attempts, _standing))


def turn(one: Attempt) -> tuple[bytes, int, int]:
    """What is each one's own: its words, how often it was tried, and when it is due."""
    return one.content, one.tries, one.due_at


def _standing(one: Attempt) -> tuple[Any, ...]:
    return (
        one.parts,
        one.cost_micros,
        one.state,
        one.reason,
        one.code,
        one.detail,
        one.late,
        one.accepted_at,
        one.delivered_at,
        one.read_at,
        one.ended_at,
        one.billed_at,
    )


async def hold(tx: Transaction, workspace_id: int, message_ids: Sequence[int]) -> list[Attempt]:
    """All attempts of messages, their rows held, in the order they were made."""
    if not message_ids:
        return []
    return [
        read(row)
        for row in await tx.rows(_of_messages, workspace_id=workspace_id, message_ids=list(message_ids))
    ]


async def of_messages(tx: Transaction, workspace_id: int, message_ids: Sequence[int]) -> list[Attempt]:
    """All attempts of messages, only to be looked at."""
    return [
        read(row)
        for row in await tx.rows(_to_look_at, workspace_id=workspace_id, message_ids=list(message_ids))
    ]


class Unanswered(msgspec.Struct, frozen=True):
    """An attempt that may have gone out, or is on its way."""

    workspace_id: int
    attempt_id: int
    message_id: int
    address: str
    state: AttemptState


async def unanswered_at(
    tx: Transaction, workspace_ids: Sequence[int], line_id: int, addresses: Sequence[str]
) -> list[Unanswered]:
    """Attempts on a line to these addresses of which there is no answer, or none yet.

    A workspace at a time: of several, SQLite would read all attempts there are.
    """
    given = {"line_id": line_id, "addresses": list(addresses)}
    return [
        Unanswered(row[0], row[1], row[2], row[3], AttemptState(row[4]))
        for workspace_id in workspace_ids
        for row in await tx.rows(_unanswered_at, workspace_id=workspace_id, **given)
    ]


async def messages_of(
    tx: Transaction, workspace_ids: Sequence[int], line_id: int, attempt_ids: Sequence[int]
) -> dict[int, tuple[int, int]]:
    """Id of an attempt on this line -> (workspace, message): no line speaks for another."""
    rows = await tx.rows(
        _message_of, workspace_ids=list(workspace_ids), line_id=line_id, attempt_ids=list(attempt_ids)
    )
    return {row[1]: (row[0], row[2]) for row in rows}


async def insert_parts(tx: Transaction, workspace_id: int, parts: Sequence[Part]) -> None:
    """Write references; one that a provider uses again belongs to the newest attempt."""
    await tx.insert(
        _insert_parts,
        [(workspace_id, p.line_id, p.ref, p.attempt_id, p.number, p.total, p.state) for p in parts],
    )


async def by_refs(
    tx: Transaction, workspace_ids: Sequence[int], line_id: int, refs: Sequence[str]
) -> dict[str, tuple[Part, int, int]]:
    """Reference -> (its part, message, workspace); one that was given twice is that of the newest attempt."""
    rows = await tx.rows(_parts_by_ref, workspace_ids=list(workspace_ids), line_id=line_id, refs=list(refs))
    return {row[1]: (_read_part(row), row[6], row[7]) for row in rows}


async def parts_of(tx: Transaction, workspace_id: int, attempt_ids: Sequence[int]) -> dict[int, list[Part]]:
    """The parts of attempts."""
    found: dict[int, list[Part]] = {}
    for row in await tx.rows(_parts_of, workspace_id=workspace_id, attempt_ids=list(attempt_ids)):
        found.setdefault(row[2], []).append(_read_part(row))
    return found


async def save_parts(tx: Transaction, workspace_id: int, parts: Sequence[Part]) -> None:
    """Write the states of parts."""
    await tx.update(_update_parts, [(workspace_id, p.line_id, p.ref, p.state) for p in parts])


async def message_with_ref(
    tx: Transaction, workspace_id: int, line_ids: Sequence[int], ref: str
) -> int | None:
    """The newest message that a provider calls so, on any of these lines."""
    row = await tx.row(_any_line_ref, workspace_id=workspace_id, line_ids=list(line_ids), ref=ref)
    return None if row is None else row[0]


async def last_to(tx: Transaction, workspace_id: int, line_id: int, contact_id: int) -> int:
    """The newest attempt to a contact that went out on a line; 0 when there is none."""
    row = await tx.row(_last_to, workspace_id=workspace_id, line_id=line_id, contact_id=contact_id)
    return row[0] or 0 if row else 0


async def sent_until(
    tx: Transaction,
    workspace_id: int,
    line_id: int,
    contact_id: int,
    until: int,
    states: Collection[AttemptState],
) -> list[int]:
    """Attempts in these states that went to a contact on a line until an instant: of the last week, and of
    these the newest hundred."""
    rows = await tx.rows(
        _sent_until,
        workspace_id=workspace_id,
        line_id=line_id,
        contact_id=contact_id,
        since_id=ids.earliest(until - micros(MARKED_WITHIN_S)),
        until=until,
        states=[state.value for state in states],
    )
    return [row[0] for row in rows]


class StepTotals(msgspec.Struct, frozen=True):
    """What one line did in one step for the messages of a label."""

    step: int
    channel: str
    line_id: int
    tried: int
    accepted: int
    delivered: int
    read: int
    failed: int
    unknown: int
    fell_back: int
    late: int
    parts: int
    cost_micros: int

    def with_(self, other: Self) -> Self:
        """Both together."""
        sums = {name: getattr(self, name) + getattr(other, name) for name in self.__struct_fields__[3:]}
        return msgspec.structs.replace(self, **sums)


class Course(NamedTuple):
    """What became of the attempts for the messages of a label: by step and line, and how much of it was
    delivered and how much read in each quarter of an hour, by its beginning."""

    steps: list[StepTotals]
    quarters: dict[int, tuple[int, int]]


async def course(tx: Transaction, workspace_id: int, label: str) -> Course:
    """All that was done for the messages of a label."""
    steps: dict[tuple[int, str, int], StepTotals] = {}
    delivered, read_ = Counter[int | None](), Counter[int | None]()
    asked = {"workspace_id": workspace_id, "label": label}
    rows = [*await tx.rows(_by_step, **asked), *await tx.rows(_past_by_step, **asked)]
    for of_delivery, of_reading, *counts in sorted(rows, key=itemgetter(2, 3, 4)):
        one = StepTotals(*counts)
        place = one.step, one.channel, one.line_id
        steps[place] = steps[place].with_(one) if place in steps else one
        delivered[of_delivery] += one.delivered
        read_[of_reading] += one.read
    when = sorted({at for at in (*delivered, *read_) if at is not None})
    return Course(list(steps.values()), {at: (delivered[at], read_[at]) for at in when})


async def sum_up(tx: Transaction, workspace_id: int, message_ids: Sequence[int]) -> None:
    """Count what was done for messages with a label that are let go of into what `course` tells of."""
    rows = await tx.rows(_of_these_by_step, workspace_id=workspace_id, message_ids=list(message_ids))
    await tx.insert(_add_past, [(workspace_id, *row) for row in rows])


def read(row: Row) -> Attempt:
    """A row as an attempt."""
    values = list(row)
    values[8], values[16] = CLASSES[row[8]], STATES[row[16]]
    return Attempt(*values)


def _read_part(row: Row) -> Part:
    return Part(row[0], row[1], row[2], row[3], row[4], STATES[row[5]])

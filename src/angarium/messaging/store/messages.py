"""Messages: written once, then changed only through `save` by whoever holds their rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from sqlalchemy import and_, bindparam, case, func, or_, select

from angarium.core.clock import micros
from angarium.core.ids import PREFIXES, earliest
from angarium.core.values import MessageClass, Reason
from angarium.messaging.cascade import Skip
from angarium.messaging.states import MessageState
from angarium.messaging.store.tables import message, past_share
from angarium.storage.bulk import BulkInsert, BulkUpdate, Statement, among
from angarium.storage.database import Row, Transaction
from angarium.storage.together import Together

# A backup that was put back, and wording that may promote: a person decides.
HELD = {Reason.RESTORED.value: "it is from a backup that was put back", Reason.REVIEW.value: "its wording"}


OF_CAMPAIGNS = f"{PREFIXES['campaign']}_"  # how the labels of campaigns begin, and no other
PAST_SHARE = tuple(past_share.columns.keys())
NOBODY_ID = 0  # the contact of a message whose person has been erased


class Message(msgspec.Struct, gc=False):
    """One intent to tell one contact one thing. `words` is JSON, sealed for an otp, empty once purged."""

    workspace_id: int
    id: int
    contact_id: int
    message_class: MessageClass
    state: MessageState
    reason: str
    label: str
    reference: str
    template_version_id: int
    cascade_version_id: int
    locale: str
    words: bytes
    skips: tuple[Skip, ...]
    cost_micros: int
    currency: str
    expires_at: int
    decide_at: int | None
    created_at: int
    finished_at: int | None
    to_address: str = ""  # "kind:value" when an address was named, which is then the only one of its kind

    @property
    def held(self) -> bool:
        """Whether nothing of it goes out before a person releases it."""
        return self.finished_at is None and self.reason in HELD


EVER = 1 << 62  # an instant that nobody lives to see


class Filter(msgspec.Struct, frozen=True):
    """Which messages to list; empty means any."""

    state: str = ""
    message_class: str = ""
    label: str = ""
    reference: str = ""
    contact_id: int = 0
    created_from: int = 0
    created_until: int = EVER


COLUMNS = tuple(message.columns.keys())
# A word of an enum is a str to both drivers; to look one up by its text is ten times quicker than to call it.
CLASSES = {one.value: one for one in MessageClass}
STATES = {one.value: one for one in MessageState}
_columns = list(message.columns)
LOOK_MAX = 20_000  # messages that a page looks through for those that fit
MINTED_WITHIN_S = 3_600.0  # of its creation; later where the clock was set back, or the ledger was waited for

_here = message.c.workspace_id == bindparam("workspace_id")
_insert = BulkInsert(message, COLUMNS)
STANDING = ("state", "reason", "skips", "cost_micros", "currency", "decide_at", "finished_at")
_update = BulkUpdate(message, match=("workspace_id", "id"), set=("words", *STANDING))
_together = Together(message, STANDING)
_locked = Statement(
    select(*_columns).where(_here, among(message.c.id, "ids")).order_by(message.c.id).with_for_update()
)
_by_ids = Statement(select(*_columns).where(_here, among(message.c.id, "ids")))
_versions = Statement(
    select(message.c.id, message.c.template_version_id).where(_here, among(message.c.id, "ids"))
)
_due = Statement(
    select(message.c.id)
    .where(_here, message.c.decide_at <= bindparam("now"))
    .order_by(message.c.decide_at, message.c.id)
    .limit(bindparam("limit"))
    .with_for_update(skip_locked=True)
)
_next_due = Statement(select(func.min(message.c.decide_at)).where(_here, message.c.decide_at.is_not(None)))


_running_of = Statement(
    select(message.c.id)
    .where(_here, among(message.c.contact_id, "contact_ids"), message.c.finished_at.is_(None))
    .order_by(message.c.id)
)


def _matches(column: Any, name: str) -> Any:
    return or_(bindparam(name) == "", column == bindparam(name))


listed = and_(
    _here,
    message.c.id < bindparam("before"),
    message.c.id >= bindparam("down_to"),
    message.c.created_at >= bindparam("created_from"),
    message.c.created_at < bindparam("created_until"),
    _matches(message.c.state, "state"),
    _matches(message.c["class"], "message_class"),
    _matches(message.c.reference, "reference"),
)
newest = select(*_columns).order_by(message.c.id.desc()).limit(bindparam("limit"))
_page = Statement(newest.where(listed))
_page_of_label = Statement(newest.where(listed, message.c.label == bindparam("label"), message.c.label != ""))
_page_of_contact = Statement(
    newest.where(listed, message.c.contact_id == bindparam("contact_id"), _matches(message.c.label, "label"))
)
_far = select(message.c.id).order_by(message.c.id.desc()).limit(1).offset(bindparam("many"))
_farthest = Statement(_far.where(_here, message.c.id < bindparam("before")))
_farthest_of_label = Statement(
    _far.where(
        _here,
        message.c.id < bindparam("before"),
        message.c.label == bindparam("label"),
        message.c.label != "",
    )
)
_made_since = Statement(
    select(func.count()).where(
        _here,
        message.c.label == bindparam("label"),
        message.c.label != "",
        message.c.id >= bindparam("from_id"),
    )
)
_remembered = message.c.skips.like('%"remembered":true%')
_skips_remembered = Statement(
    select(message.c.cascade_version_id, message.c.skips, func.count())
    .where(_here, message.c.label == bindparam("label"), message.c.label != "", _remembered)
    .group_by(message.c.cascade_version_id, message.c.skips)
)
_newest = (
    select(message.c.state)
    .where(
        _here,
        message.c.label == bindparam("label"),
        message.c.label != "",
        message.c.id >= bindparam("from_id"),
    )
    .order_by(message.c.id.desc())
    .limit(bindparam("limit"))
    .subquery()
)
_newest_states = Statement(select(_newest.c.state, func.count()).group_by(_newest.c.state))
_summary = Statement(
    select(
        message.c["class"],
        message.c.state,
        message.c.reason,
        message.c.currency,
        func.count(message.c.finished_at),
        func.count(),
        func.sum(message.c.cost_micros),
        func.sum(case((_remembered, 1), else_=0)),
    )
    .where(_here, message.c.label == bindparam("label"), message.c.label != "")
    .group_by(message.c["class"], message.c.state, message.c.reason, message.c.currency)
)


_past_summary = Statement(
    select(*(past_share.c[name] for name in PAST_SHARE[2:])).where(
        past_share.c.workspace_id == bindparam("workspace_id"), past_share.c.label == bindparam("label")
    )
)
_grouped = [message.c[name] for name in PAST_SHARE[1:6]]
_of_these = Statement(
    select(*_grouped, func.count(message.c.finished_at), func.count(), func.sum(message.c.cost_micros))
    .where(_here, among(message.c.id, "ids"), message.c.label != "")
    .group_by(*_grouped)
)
_add_past = BulkInsert(past_share, PAST_SHARE, conflict=PAST_SHARE[:6], add=PAST_SHARE[6:])
_past = Statement(
    select(message.c.id)
    .where(
        _here,
        message.c.id > bindparam("after"),
        message.c.id < bindparam("before"),
        message.c.finished_at.is_not(None),
        func.substr(message.c.label, 1, len(OF_CAMPAIGNS)) != OF_CAMPAIGNS,
    )
    .order_by(message.c.id)
    .limit(bindparam("limit"))
    .with_for_update(skip_locked=True)
)
_past_of = Statement(
    select(message.c.id)
    .where(
        _here,
        message.c.label == bindparam("label"),
        message.c.label != "",
        message.c.finished_at.is_not(None),
    )
    .order_by(message.c.id)
    .limit(bindparam("limit"))
    .with_for_update(skip_locked=True)
)


async def insert(tx: Transaction, messages: Sequence[Message]) -> None:
    """Write new messages."""
    await insert_rows(tx, rows(messages))


def rows(messages: Iterable[Message]) -> list[tuple[Any, ...]]:
    """New messages as the rows that are written of them."""
    return [_row(one) for one in messages]


async def insert_rows(tx: Transaction, rows_: Sequence[tuple[Any, ...]]) -> None:
    """Write the rows of new messages."""
    await tx.insert(_insert, rows_)


async def save(tx: Transaction, messages: Iterable[Message]) -> None:
    """Write what has changed of messages whose rows this transaction holds."""
    await tx.update(_update, [(one.workspace_id, one.id, one.words, *_standing(one)) for one in messages])


async def save_standing(tx: Transaction, messages: Iterable[Message]) -> None:
    """The same of messages whose words are as they were: most of a batch come to the same."""
    await save(tx, await _together.write(tx, messages, _standing))


def _standing(one: Message) -> tuple[Any, ...]:
    return (
        one.state,
        one.reason,
        _skips_text(one.skips),
        one.cost_micros,
        one.currency,
        one.decide_at,
        one.finished_at,
    )


async def hold(tx: Transaction, workspace_id: int, ids: Sequence[int]) -> list[Message]:
    """Messages with their rows held until the end of the transaction, in the order of their ids."""
    if not ids:
        return []
    return [read(row) for row in await tx.rows(_locked, workspace_id=workspace_id, ids=sorted(set(ids)))]


async def by_ids(tx: Transaction, workspace_id: int, ids: Sequence[int]) -> list[Message]:
    """Messages, only to be looked at."""
    return [read(row) for row in await tx.rows(_by_ids, workspace_id=workspace_id, ids=list(ids))]


async def template_versions(tx: Transaction, workspace_id: int, ids: Iterable[int]) -> dict[int, int]:
    """Of which version of a template messages are made; 0: of words of their own."""
    rows = await tx.rows(_versions, workspace_id=workspace_id, ids=list(ids))
    return {row[0]: row[1] for row in rows}


async def due(tx: Transaction, workspace_id: int, now: int, limit: int) -> list[int]:
    """Ids of messages whose time to decide has come, most overdue first."""
    return [row[0] for row in await tx.rows(_due, workspace_id=workspace_id, now=now, limit=limit)]


async def next_due(tx: Transaction, workspace_id: int) -> int | None:
    """When the next message wants a decision."""
    row = await tx.row(_next_due, workspace_id=workspace_id)
    return None if row is None else row[0]


async def running_of(tx: Transaction, workspace_id: int, contact_ids: Iterable[int]) -> list[int]:
    """Ids of the messages of contacts that have not ended."""
    rows = await tx.rows(_running_of, workspace_id=workspace_id, contact_ids=sorted(set(contact_ids)))
    return [row[0] for row in rows]


def filter_values(wanted: Filter, before: int, limit: int) -> dict[str, Any]:
    """What the conditions of `listed` and `newest` are filled with."""
    return {
        "before": _newest_of(wanted, before),
        "down_to": _oldest_of(wanted),
        "limit": limit,
        "state": wanted.state,
        "message_class": wanted.message_class,
        "reference": wanted.reference,
        "created_from": wanted.created_from,
        "created_until": wanted.created_until,
    }


def _newest_of(wanted: Filter, before: int) -> int:
    """Below which id there is what fits: ids are ordered by time, and no page goes through what is later."""
    if wanted.created_until >= EVER:
        return before
    return min(before, earliest(wanted.created_until + micros(MINTED_WITHIN_S)))


def _oldest_of(wanted: Filter) -> int:
    """From which id on: no message has one from before it was made."""
    return earliest(wanted.created_from)


async def farthest(tx: Transaction, workspace_id: int, wanted: Filter, before: int) -> int:
    """The id down to which a page looks, so that it comes at once where few fit; 0: it looks at all."""
    seldom = wanted.state or wanted.message_class or wanted.reference
    if not seldom or wanted.contact_id:
        return 0
    asked = {"workspace_id": workspace_id, "before": _newest_of(wanted, before), "many": LOOK_MAX - 1}
    if wanted.label:
        row = await tx.row(_farthest_of_label, label=wanted.label, **asked)
    else:
        row = await tx.row(_farthest, **asked)
    return 0 if row is None or row[0] <= _oldest_of(wanted) else int(row[0])


async def page(
    tx: Transaction, workspace_id: int, wanted: Filter, before: int, limit: int, down_to: int = 0
) -> list[Message]:
    """The newest messages that fit, below an id and not below another."""
    values = filter_values(wanted, before, limit) | {"down_to": max(down_to, _oldest_of(wanted))}
    if wanted.contact_id:
        values |= {"contact_id": wanted.contact_id, "label": wanted.label}
        rows = await tx.rows(_page_of_contact, workspace_id=workspace_id, **values)
    elif wanted.label:
        rows = await tx.rows(_page_of_label, workspace_id=workspace_id, label=wanted.label, **values)
    else:
        rows = await tx.rows(_page, workspace_id=workspace_id, **values)
    return [read(row) for row in rows]


class Share(msgspec.Struct, frozen=True):
    """How many messages of one label share class, state and reason."""

    message_class: str
    state: str
    reason: str
    currency: str
    finished: int
    total: int
    cost_micros: int
    remembered: int  # those of which a step was skipped for what is remembered


async def made_since(tx: Transaction, workspace_id: int, label: str, at: int) -> int:
    """How many messages of a label were made since an instant."""
    asked = {"workspace_id": workspace_id, "label": label, "from_id": earliest(at)}
    row = await tx.row(_made_since, **asked)
    return row[0] if row else 0


async def newest_states(
    tx: Transaction, workspace_id: int, label: str, since: int, limit: int
) -> list[tuple[str, int]]:
    """In which states the newest messages of a label are that were made since an instant."""
    asked = {"workspace_id": workspace_id, "label": label, "from_id": earliest(since), "limit": limit}
    return [(row[0], row[1]) for row in await tx.rows(_newest_states, **asked)]


async def summary(tx: Transaction, workspace_id: int, label: str) -> list[Share]:
    """Where the messages of a label stand."""
    asked = {"workspace_id": workspace_id, "label": label}
    there = [Share(*row) for row in await tx.rows(_summary, **asked)]
    return there + [Share(*(*row, 0)) for row in await tx.rows(_past_summary, **asked)]


async def sum_up(tx: Transaction, workspace_id: int, message_ids: Sequence[int]) -> None:
    """Count messages with a label that are let go of into what `summary` tells of."""
    rows = await tx.rows(_of_these, workspace_id=workspace_id, ids=list(message_ids))
    await tx.insert(_add_past, [(workspace_id, *row) for row in rows])


async def past(tx: Transaction, workspace_id: int, after: int, before: int, limit: int) -> list[int]:
    """Messages that have ended, between two ids, the oldest first; none of a campaign."""
    asked = {"workspace_id": workspace_id, "after": after, "before": before, "limit": limit}
    return [row[0] for row in await tx.rows(_past, **asked)]


async def past_of(tx: Transaction, workspace_id: int, label: str, limit: int) -> list[int]:
    """The first messages of a label that have ended."""
    asked = {"workspace_id": workspace_id, "label": label, "limit": limit}
    return [row[0] for row in await tx.rows(_past_of, **asked)]


async def skips_remembered(tx: Transaction, workspace_id: int, label: str) -> list[tuple[int, Skip, int]]:
    """What was skipped for what is remembered: the version of the cascade, the step, and how often."""
    rows = await tx.rows(_skips_remembered, workspace_id=workspace_id, label=label)
    return [
        (row[0], skip, row[2])
        for row in rows
        for skip in msgspec.json.decode(row[1], type=tuple[Skip, ...])
        if skip.remembered
    ]


def _row(one: Message) -> tuple[Any, ...]:
    return (
        one.workspace_id,
        one.id,
        one.contact_id,
        one.message_class,
        one.state,
        one.reason,
        one.label,
        one.reference,
        one.template_version_id,
        one.cascade_version_id,
        one.locale,
        one.words,
        _skips_text(one.skips),
        one.cost_micros,
        one.currency,
        one.expires_at,
        one.decide_at,
        one.created_at,
        one.finished_at,
        one.to_address,
    )


def read(row: Row) -> Message:
    """A row as a message."""
    return Message(
        row[0],
        row[1],
        row[2],
        CLASSES[row[3]],
        STATES[row[4]],
        row[5],
        row[6],
        row[7],
        row[8],
        row[9],
        row[10],
        row[11],
        msgspec.json.decode(row[12], type=tuple[Skip, ...]) if row[12] else (),
        *row[13:],
    )


def _skips_text(skips: tuple[Skip, ...]) -> str:
    return msgspec.json.encode(skips).decode() if skips else ""

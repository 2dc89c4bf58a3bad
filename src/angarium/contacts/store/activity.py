"""What has passed between us and each contact, summed up for segments.

The messages themselves stand in a room above, whose worker tells what happened (`tell`); here it is kept so
that a million contacts can be asked at once. Rules of the file:

1. What happened by class stands in the row that segments read anyway, `contact_index`: a column for each
   event. `contact_activity` has a row for each contact as well, and says the same by class and channel; from
   it the other is made. How a column is written: `contacts/activity.py`.
2. `contact_mention` sums up messages with a label or a template, in the order of these.
3. Everything here can be made anew from the log of facts.
4. Rows of contacts are written first, and hold whoever would delete them meanwhile: so nothing is left of
   one who has gone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence

import msgspec
from sqlalchemy import Column, Index, PrimaryKeyConstraint, Table, bindparam, delete, select

from angarium.contacts.activity import (
    ANY_CLASS,
    CLASSES,
    EVENTS,
    Done,
    Happened,
    Tally,
    Topic,
    as_bytes,
    counted,
    place_of,
    unpacked,
)
from angarium.contacts.store.index import contact_index
from angarium.storage.bulk import BulkInsert, BulkUpdate, Statement, among
from angarium.storage.database import Transaction
from angarium.storage.schema import Blob, Count, Id, Instant, Words, metadata

READER = "activity"  # who reads the log of facts to tell what is kept here
TOPICS_MAX = 10_000  # pairs of label and template of a workspace; of what comes later only the class is known


contact_activity = Table(
    "contact_activity",
    metadata,
    Column("workspace_id", Id, nullable=False),
    Column("contact_id", Id, nullable=False),
    *(Column(event.value, Blob) for event in EVENTS),
    PrimaryKeyConstraint("workspace_id", "contact_id"),
    sqlite_with_rowid=False,
)

contact_mention = Table(
    "contact_mention",
    metadata,
    Column("workspace_id", Id, nullable=False),
    Column("event", Count, nullable=False),
    Column("topic", Count, nullable=False),
    Column("contact_id", Id, nullable=False),
    Column("channel", Words, nullable=False),
    Column("times", Count, nullable=False),
    Column("last_at", Instant, nullable=False),
    Column("recent", Blob, nullable=False),
    PrimaryKeyConstraint("workspace_id", "event", "topic", "contact_id", "channel"),
    sqlite_with_rowid=False,
)

activity_topic = Table(
    "activity_topic",
    metadata,
    Column("workspace_id", Id, nullable=False),
    Column("topic", Count, nullable=False),
    Column("class", Count, nullable=False),
    Column("label", Words, nullable=False),
    Column("template_id", Id, nullable=False),
    PrimaryKeyConstraint("workspace_id", "topic"),
    Index("activity_topic_names", "workspace_id", "class", "label", "template_id", unique=True),
    sqlite_with_rowid=False,
)


Place = tuple[int, int, int, str]  # event, topic, contact, channel

_TALLY = ("times", "last_at", "recent")
_KEY = ("workspace_id", "contact_id")
_EVENTS = tuple(event.value for event in EVENTS)
COLUMN = {event: place for place, event in enumerate(EVENTS)}
_MENTION = ("workspace_id", "event", "topic", "contact_id", "channel")
_topic_here = activity_topic.c.workspace_id == bindparam("workspace_id")

_topics = Statement(
    select(
        activity_topic.c.topic,
        activity_topic.c["class"],
        activity_topic.c.label,
        activity_topic.c.template_id,
    ).where(_topic_here)
)
_give = BulkInsert(activity_topic, ("workspace_id", "topic", "class", "label", "template_id"))
_save_activity = BulkInsert(contact_activity, (*_KEY, *_EVENTS), conflict=_KEY, update=_EVENTS)
_save_index = BulkUpdate(contact_index, match=_KEY, set=_EVENTS)
_save_mentions = BulkInsert(contact_mention, (*_MENTION, *_TALLY), conflict=_MENTION, update=_TALLY)
_parts = [contact_activity.c[name] for name in _EVENTS]
_activity_of = Statement(
    select(*_parts).where(
        contact_activity.c.workspace_id == bindparam("workspace_id"),
        contact_activity.c.contact_id == bindparam("contact_id"),
    )
)
_activity_of_many = Statement(
    select(contact_activity.c.contact_id, *_parts).where(
        contact_activity.c.workspace_id == bindparam("workspace_id"),
        among(contact_activity.c.contact_id, "contact_ids"),
    )
)
_kept = Statement(
    select(contact_index.c.contact_id, *(contact_index.c[name] for name in _EVENTS), *_parts)
    .outerjoin(
        contact_activity,
        (contact_activity.c.workspace_id == contact_index.c.workspace_id)
        & (contact_activity.c.contact_id == contact_index.c.contact_id),
    )
    .where(
        contact_index.c.workspace_id == bindparam("workspace_id"),
        among(contact_index.c.contact_id, "contact_ids"),
    )
)
_mentioned = (
    contact_mention.c.workspace_id == bindparam("workspace_id"),
    among(contact_mention.c.event, "events"),
    among(contact_mention.c.topic, "topics"),
    among(contact_mention.c.contact_id, "contact_ids"),
)
_mentions_of = Statement(
    select(*(contact_mention.c[name] for name in (*_MENTION[1:], *_TALLY))).where(*_mentioned)
)
_drop_mentions = Statement(delete(contact_mention).where(*_mentioned))
_drop_activity = Statement(
    delete(contact_activity).where(
        contact_activity.c.workspace_id == bindparam("workspace_id"),
        among(contact_activity.c.contact_id, "contact_ids"),
    )
)
_everything = [
    Statement(delete(table).where(table.c.workspace_id == bindparam("workspace_id")))
    for table in (contact_activity, contact_mention, activity_topic)
]


# ── what happened ────────────────────────────────────────────────────────────────────────────────────


async def tell(tx: Transaction, workspace_id: int, happened: Sequence[Happened]) -> None:
    """Count what happened, each thing once: whoever tells it keeps its cursor in the same transaction.

    What happened to contacts who are not there is not counted.
    """
    there = await _count(tx, workspace_id, happened)
    here = [one for one in happened if one.contact_id in there]
    known = await _topics_for(
        tx, workspace_id, {one.topic for one in here if one.topic.label or one.topic.template_id}
    )
    by_topic: dict[Place, list[int]] = defaultdict(list)
    for one in here:
        if one.topic in known:
            by_topic[EVENTS[one.event], known[one.topic], one.contact_id, one.channel].append(one.at)
    await _mention(tx, workspace_id, by_topic)


async def _count(tx: Transaction, workspace_id: int, happened: Sequence[Happened]) -> set[int]:
    """Count by class, and by class and channel; the contacts who are there."""
    own: dict[int, list[Happened]] = defaultdict(list)
    for one in happened:
        own[one.contact_id].append(one)
    rows = await tx.rows(_kept, workspace_id=workspace_id, contact_ids=sorted(own)) if own else []
    indexed, kept = [], []
    for contact_id, *before in rows:
        whole, parts = before[: len(EVENTS)], before[len(EVENTS) :]
        for one in own[contact_id]:
            column, number, time = COLUMN[one.event], CLASSES[one.topic.message_class], as_bytes(one.at)
            whole[column] = _added(whole[column], number, "", time)
            parts[column] = _added(parts[column], number, one.channel, time)
        indexed.append((workspace_id, contact_id, *whole))
        kept.append((workspace_id, contact_id, *parts))
    there = {row[1] for row in indexed}
    if await tx.update(_save_index, indexed) < len(there):  # PostgreSQL: somebody has just been deleted
        there = {row[1] for row in await tx.update_returning(_save_index, indexed)}
    await tx.insert(_save_activity, [row for row in kept if row[1] in there])
    return there


def _added(kept: bytes | None, number: int, channel: str, time: bytes) -> bytes:
    own = counted(kept or b"", place_of(number, channel), time)
    return counted(own, place_of(ANY_CLASS, channel), time)


async def _mention(tx: Transaction, workspace_id: int, new: Mapping[Place, Sequence[int]]) -> None:
    if not new:
        return
    rows = await tx.rows(
        _mentions_of,
        workspace_id=workspace_id,
        events=sorted({place[0] for place in new}),
        topics=sorted({place[1] for place in new}),
        contact_ids=sorted({place[2] for place in new}),
    )
    tallies = {(row[0], row[1], row[2], row[3]): Tally(*row[4:]) for row in rows}
    for place, instants in new.items():
        tallies.setdefault(place, Tally()).add(instants)
    changed = [(workspace_id, *place, *msgspec.structs.astuple(tallies[place])) for place in new]
    await tx.insert(_save_mentions, changed)


async def topics(tx: Transaction, workspace_id: int) -> dict[Topic, int]:
    """The numbers of what messages of a workspace have been about."""
    classes = {number: one for one, number in CLASSES.items()}
    rows = await tx.rows(_topics, workspace_id=workspace_id)
    return {Topic(classes[row[1]], row[2], row[3]): row[0] for row in rows}


async def _topics_for(tx: Transaction, workspace_id: int, wanted: Collection[Topic]) -> dict[Topic, int]:
    """The numbers of these topics, given out as far as there is room."""
    if not wanted:
        return {}
    known = await topics(tx, workspace_id)
    missing = sorted((one for one in wanted if one not in known), key=_order)[
        : max(0, TOPICS_MAX - len(known))
    ]
    given = {one: number for number, one in enumerate(missing, start=len(known) + 1)}
    rows = [
        (workspace_id, number, CLASSES[one.message_class], one.label, one.template_id)
        for one, number in given.items()
    ]
    await tx.insert(_give, rows)
    return known | given


def _order(topic: Topic) -> tuple[int, str, int]:
    return CLASSES[topic.message_class], topic.label, topic.template_id


# ── of one contact ───────────────────────────────────────────────────────────────────────────────────


async def of_contact(tx: Transaction, workspace_id: int, contact_id: int) -> list[Done]:
    """Everything that is known of a contact."""
    row = await tx.row(_activity_of, workspace_id=workspace_id, contact_id=contact_id)
    classes = {number: one for one, number in CLASSES.items()}
    found = [
        Done(event, Topic(classes[number]), channel, tally)
        for event, kept in zip(EVENTS, row or [None] * len(EVENTS), strict=True)
        for (number, channel), tally in unpacked(kept).items()
    ]
    known = {number: topic for topic, number in (await topics(tx, workspace_id)).items()}
    events = {number: one for one, number in EVENTS.items()}
    asked = {"workspace_id": workspace_id, "events": list(events), "contact_ids": [contact_id]}
    mentions = await tx.rows(_mentions_of, **asked, topics=list(known))
    return found + [Done(events[row[0]], known[row[1]], row[3], Tally(*row[4:])) for row in mentions]


async def of_contacts(
    tx: Transaction, workspace_id: int, contact_ids: Sequence[int], about: Collection[int] = ()
) -> dict[int, list[Done]]:
    """What is known of contacts by class and channel, and of these topics, by their numbers."""
    found: dict[int, list[Done]] = {one: [] for one in contact_ids}
    classes = {number: one for one, number in CLASSES.items()}
    asked = {"workspace_id": workspace_id, "contact_ids": sorted(found)}
    for contact_id, *parts in await tx.rows(_activity_of_many, **asked) if found else []:
        found[contact_id] += [
            Done(event, Topic(classes[number]), channel, tally)
            for event, kept in zip(EVENTS, parts, strict=True)
            for (number, channel), tally in unpacked(kept).items()
        ]
    if about and found:
        events = {number: one for one, number in EVENTS.items()}
        known = {number: topic for topic, number in (await topics(tx, workspace_id)).items()}
        for row in await tx.rows(_mentions_of, **asked, events=list(events), topics=sorted(about)):
            found[row[2]].append(Done(events[row[0]], known[row[1]], row[3], Tally(*row[4:])))
    return found


async def forget(tx: Transaction, workspace_id: int, contact_ids: Sequence[int]) -> None:
    """Forget what happened to contacts, who are deleted or told of anew."""
    nothing = [(workspace_id, contact_id, *[None] * len(EVENTS)) for contact_id in contact_ids]
    await tx.update(_save_index, nothing)
    await tx.execute(_drop_activity, workspace_id=workspace_id, contact_ids=contact_ids)
    numbers = list((await topics(tx, workspace_id)).values())
    if numbers:
        await tx.execute(
            _drop_mentions,
            workspace_id=workspace_id,
            events=list(EVENTS.values()),
            topics=numbers,
            contact_ids=contact_ids,
        )


async def forget_all(tx: Transaction, workspace_id: int) -> None:
    """Forget everything, to be told it anew; what stands in the rows of contacts goes with these."""
    for statement in _everything:
        await tx.execute(statement, workspace_id=workspace_id)

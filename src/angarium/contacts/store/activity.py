"""What has passed between us and each contact, summed up for segments: events by class and channel.

The messages themselves stand in a room above, whose worker tells what happened (`tell`); here it is kept so
that a million contacts can be asked at once. Rules of the file:

1. `contact_activity` is in the order of contacts, so that it is read beside the contacts themselves.
   `contact_mention` says the same of messages with a label or a template, in the order of these.
2. Everything here can be made anew from the log of facts.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence

import msgspec
from sqlalchemy import Column, Index, PrimaryKeyConstraint, Table, bindparam, delete, select

from angarium.contacts.activity import CLASSES, EVENTS, Done, Happened, Tally, Topic
from angarium.storage.bulk import BulkInsert, Statement, among
from angarium.storage.database import Transaction
from angarium.storage.schema import Blob, Count, Id, Instant, Words, metadata

READER = "activity"  # who reads the log of facts to tell what is kept here
TOPICS_MAX = 10_000  # pairs of label and template of a workspace; of what comes later only the class is known


contact_activity = Table(
    "contact_activity",
    metadata,
    Column("workspace_id", Id, nullable=False),
    Column("event", Count, nullable=False),
    Column("contact_id", Id, nullable=False),
    Column("class", Count, nullable=False),
    Column("channel", Words, nullable=False),
    Column("times", Count, nullable=False),
    Column("last_at", Instant, nullable=False),
    Column("recent", Blob, nullable=False),
    PrimaryKeyConstraint("workspace_id", "event", "contact_id", "class", "channel"),
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


Place = tuple[int, int, int, str]  # event, contact, class, channel; or event, topic, contact, channel

_TALLY = ("times", "last_at", "recent")
_ACTIVITY = ("workspace_id", "event", "contact_id", "class", "channel")
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
_save_activity = BulkInsert(contact_activity, (*_ACTIVITY, *_TALLY), conflict=_ACTIVITY, update=_TALLY)
_save_mentions = BulkInsert(contact_mention, (*_MENTION, *_TALLY), conflict=_MENTION, update=_TALLY)


def _of_contacts(table: Table, key: tuple[str, ...]) -> Statement:
    columns = [table.c[name] for name in (*key[1:], *_TALLY)]
    return Statement(
        select(*columns).where(
            table.c.workspace_id == bindparam("workspace_id"),
            among(table.c.event, "events"),
            among(table.c.contact_id, "contact_ids"),
            *([among(table.c.topic, "topics")] if "topic" in key else []),
        )
    )


_activity_of = _of_contacts(contact_activity, _ACTIVITY)
_mentions_of = _of_contacts(contact_mention, _MENTION)
_drop_activity = Statement(
    delete(contact_activity).where(
        contact_activity.c.workspace_id == bindparam("workspace_id"),
        among(contact_activity.c.event, "events"),
        among(contact_activity.c.contact_id, "contact_ids"),
    )
)
_drop_mentions = Statement(
    delete(contact_mention).where(
        contact_mention.c.workspace_id == bindparam("workspace_id"),
        among(contact_mention.c.event, "events"),
        among(contact_mention.c.topic, "topics"),
        among(contact_mention.c.contact_id, "contact_ids"),
    )
)
_everything = [
    Statement(delete(table).where(table.c.workspace_id == bindparam("workspace_id")))
    for table in (contact_activity, contact_mention, activity_topic)
]


# ── what happened ────────────────────────────────────────────────────────────────────────────────────


async def tell(tx: Transaction, workspace_id: int, happened: Sequence[Happened]) -> None:
    """Count what happened, each thing once: whoever tells it keeps its cursor in the same transaction."""
    by_class: dict[Place, list[int]] = defaultdict(list)
    by_topic: dict[Place, list[int]] = defaultdict(list)
    named = {one.topic for one in happened if one.topic.label or one.topic.template_id}
    known = await _topics_for(tx, workspace_id, named)
    for one in happened:
        event, of_class = EVENTS[one.event], CLASSES[one.topic.message_class]
        by_class[event, one.contact_id, of_class, one.channel].append(one.at)
        if one.topic in known:
            by_topic[event, known[one.topic], one.contact_id, one.channel].append(one.at)
    await _count(tx, workspace_id, _activity_of, _save_activity, by_class, {})
    topics = sorted({place[1] for place in by_topic})
    await _count(tx, workspace_id, _mentions_of, _save_mentions, by_topic, {"topics": topics})


async def _count(
    tx: Transaction,
    workspace_id: int,
    there: Statement,
    save: BulkInsert,
    new: Mapping[Place, Sequence[int]],
    further: Mapping[str, list[int]],
) -> None:
    if not new:
        return
    contact_at = 2 if further else 1
    rows = await tx.rows(
        there,
        workspace_id=workspace_id,
        events=sorted({place[0] for place in new}),
        contact_ids=sorted({int(place[contact_at]) for place in new}),
        **further,
    )
    tallies = {(row[0], row[1], row[2], row[3]): Tally(*row[4:]) for row in rows}
    for place, instants in new.items():
        tallies.setdefault(place, Tally()).add(instants)
    changed = [(workspace_id, *place, *msgspec.structs.astuple(tallies[place])) for place in new]
    await tx.insert(save, changed)


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
    known = {number: topic for topic, number in (await topics(tx, workspace_id)).items()}
    events = {number: one for one, number in EVENTS.items()}
    classes = {number: one for one, number in CLASSES.items()}
    asked = {"workspace_id": workspace_id, "events": list(events), "contact_ids": [contact_id]}
    found = [
        Done(events[row[0]], Topic(classes[row[2]]), row[3], Tally(*row[4:]))
        for row in await tx.rows(_activity_of, **asked)
    ]
    mentions = await tx.rows(_mentions_of, **asked, topics=list(known))
    return found + [Done(events[row[0]], known[row[1]], row[3], Tally(*row[4:])) for row in mentions]


async def forget(tx: Transaction, workspace_id: int, contact_ids: Sequence[int]) -> None:
    """Forget what happened to contacts, who are deleted."""
    events = list(EVENTS.values())
    await tx.execute(_drop_activity, workspace_id=workspace_id, events=events, contact_ids=contact_ids)
    numbers = list((await topics(tx, workspace_id)).values())
    if numbers:
        await tx.execute(
            _drop_mentions, workspace_id=workspace_id, events=events, topics=numbers, contact_ids=contact_ids
        )


async def forget_all(tx: Transaction, workspace_id: int) -> None:
    """Forget everything, to be told it anew."""
    for statement in _everything:
        await tx.execute(statement, workspace_id=workspace_id)

"""Links that are counted: which of them stand in a message, and who followed them.

1. `link` has a row for each address of a message and is only ever inserted. All its keys grow with time, so
   that a million of them touch few pages: an address is written with each message and looked up nowhere,
   for an index of addresses would cost each insertion a page of its own.
2. `link_visit` has a row for each link and kind of visitor, from the first visit on. It outlives the link,
   because what was counted stays.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec
from sqlalchemy import (
    Column,
    Index,
    PrimaryKeyConstraint,
    Table,
    bindparam,
    case,
    delete,
    func,
    or_,
    select,
    text,
)

from angarium.core.ids import earliest
from angarium.messaging.links import PIXEL
from angarium.messaging.robots import Visitor
from angarium.messaging.store.messages import NOBODY_ID
from angarium.messaging.store.tables import attempt, message
from angarium.storage.bulk import BulkInsert, Statement, among
from angarium.storage.database import Transaction
from angarium.storage.schema import Count, Id, Instant, Words, metadata

LOOKED_AT = 1_000  # messages of a label, whether there are links in them
READ = 100  # of which the words are looked at, when their links have been let go of
FORGOTTEN = "forgotten"  # instead of an address that was sent to somebody who has been erased

link = Table(
    "link",
    metadata,
    Column("workspace_id", Id, nullable=False),
    Column("message_id", Id, nullable=False),
    Column("id", Id, nullable=False),
    Column("url", Words, nullable=False),
    PrimaryKeyConstraint("workspace_id", "message_id", "id"),
    Index("link_id", "id", unique=True),  # whoever follows it names no workspace
    sqlite_with_rowid=False,
)

link_visit = Table(
    "link_visit",
    metadata,
    Column("workspace_id", Id, nullable=False),
    Column("message_id", Id, nullable=False),
    Column("link_id", Id, nullable=False),
    Column("by", Words, nullable=False),
    Column("picture", Count, nullable=False),
    Column("class", Words, nullable=False),
    Column("label", Words, nullable=False),
    Column("url", Words, nullable=False),
    Column("times", Count, nullable=False),
    Column("first_at", Instant, nullable=False),
    Column("last_at", Instant, nullable=False),
    PrimaryKeyConstraint("workspace_id", "message_id", "link_id", "by"),
    Index("link_visit_class", "workspace_id", "first_at", "class"),
    sqlite_with_rowid=False,
)
Index(
    "link_visit_label",
    link_visit.c.workspace_id,
    link_visit.c.label,
    sqlite_where=text("label <> ''"),
    postgresql_where=text("label <> ''"),
)


class Link(msgspec.Struct, frozen=True):
    """A link of a message; its address is PIXEL where it is the picture of an opening."""

    workspace_id: int
    message_id: int
    id: int
    url: str


class Visits(msgspec.Struct, frozen=True):
    """How often a link was followed by one kind of visitor."""

    link: Link
    by: str
    message_class: str
    label: str
    times: int
    first_at: int
    last_at: int


class Tally(msgspec.Struct, frozen=True):
    """How often the links with one address, or the pictures, were visited by one kind of visitor."""

    url: str
    by: str
    people: int
    times: int
    first_at: int
    last_at: int


class ClassTally(msgspec.Struct, frozen=True):
    """The same of all links, or pictures, of a class, in how many messages."""

    message_class: str
    picture: int
    by: str
    messages: int
    times: int


class Visited(msgspec.Struct, frozen=True):
    """How many messages of a label people have opened, and of how many they have followed a link."""

    opened: int
    clicked: int


class Counted(msgspec.Struct, frozen=True):
    """Whether the openings, and the links, of any message of a label are counted."""

    opened: bool
    clicked: bool


class FirstVisits(msgspec.Struct):
    """When a person first opened a message, and first followed a link of it."""

    opened_at: int | None = None
    clicked_at: int | None = None


class Told(msgspec.Struct, frozen=True):
    """How often a link of a message was followed by one kind of visitor."""

    picture: int
    url: str
    by: str
    times: int
    first_at: int
    last_at: int


_KEY = ("workspace_id", "message_id", "link_id", "by")
_COLUMNS = (*_KEY, "picture", "class", "label", "url", "times", "first_at", "last_at")
_here = link.c.workspace_id == bindparam("workspace_id")
_visit_here = link_visit.c.workspace_id == bindparam("workspace_id")

_keep = BulkInsert(link, ("workspace_id", "message_id", "id", "url"))
_by_id = Statement(
    select(link.c.workspace_id, link.c.message_id, link.c.id, link.c.url).where(
        link.c.id == bindparam("link_id")
    )
)
_of_messages = Statement(
    select(link.c.message_id, link.c.url, link.c.id).where(_here, among(link.c.message_id, "message_ids"))
)
_first = BulkInsert(link_visit, _COLUMNS, conflict="nothing", returning=("message_id", "link_id", "by"))
_again = BulkInsert(link_visit, _COLUMNS, conflict=_KEY, update=("last_at",), add=("times",))
_told = Statement(
    select(
        link_visit.c.picture,
        link_visit.c.url,
        link_visit.c.by,
        link_visit.c.times,
        link_visit.c.first_at,
        link_visit.c.last_at,
    )
    .where(_visit_here, link_visit.c.message_id == bindparam("message_id"))
    .order_by(link_visit.c.url, link_visit.c.by)
)
_labelled = (_visit_here, link_visit.c.label == bindparam("label"), link_visit.c.label != "")
_passed = bindparam("passed", type_=Id)
_clicks = func.sum(case((link_visit.c.by == Visitor.PERSON, link_visit.c.times), else_=0))
_next_urls = (
    select(link_visit.c.url)
    .where(*_labelled, link_visit.c.picture == 0)
    .group_by(link_visit.c.url)
    .order_by(_clicks.desc(), link_visit.c.url)
    .limit(bindparam("limit"))
    .offset(_passed)
)
# whoever was erased is nobody, and was somebody
_person = case((message.c.contact_id == NOBODY_ID, -message.c.id), else_=message.c.contact_id)
_tallies = Statement(
    select(
        link_visit.c.url,
        link_visit.c.by,
        func.count(_person.distinct()),
        func.sum(link_visit.c.times),
        func.min(link_visit.c.first_at),
        func.max(link_visit.c.last_at),
    )
    .join(
        message,
        (message.c.workspace_id == bindparam("workspace_id")) & (message.c.id == link_visit.c.message_id),
    )
    .where(
        *_labelled,
        or_(
            (link_visit.c.picture == 1) & (_passed == 0),
            (link_visit.c.picture == 0) & link_visit.c.url.in_(_next_urls),
        ),
    )
    .group_by(link_visit.c.picture, link_visit.c.url, link_visit.c.by)
    .order_by(link_visit.c.url, link_visit.c.by)
)
_of_classes = Statement(
    select(
        link_visit.c["class"],
        link_visit.c.picture,
        link_visit.c.by,
        func.count(link_visit.c.message_id.distinct()),
        func.sum(link_visit.c.times),
    )
    .where(
        _visit_here, link_visit.c.first_at >= bindparam("since"), link_visit.c.first_at < bindparam("until")
    )
    .group_by(link_visit.c["class"], link_visit.c.picture, link_visit.c.by)
    .order_by(link_visit.c["class"], link_visit.c.picture, link_visit.c.by)
)
_by_people = link_visit.c.by == Visitor.PERSON
_visited = Statement(
    select(link_visit.c.picture, func.count(link_visit.c.message_id.distinct()))
    .where(*_labelled, _by_people)
    .group_by(link_visit.c.picture)
)
_of_label = (
    select(message.c.id)
    .where(
        message.c.workspace_id == bindparam("workspace_id"),
        message.c.label == bindparam("label"),
        message.c.label != "",
    )
    .order_by(message.c.id.desc())
)
_kinds_made = Statement(
    select(case((link.c.url == PIXEL, 1), else_=0))
    .where(_here, link.c.message_id.in_(_of_label.limit(LOOKED_AT)))
    .distinct()
)
_words_of_newest = Statement(
    select(attempt.c.message_id, attempt.c.content).where(
        attempt.c.workspace_id == bindparam("workspace_id"),
        attempt.c.message_id.in_(_of_label.where(message.c.id < bindparam("before_id")).limit(READ)),
    )
)
_first_by_people = Statement(
    select(link_visit.c.message_id, link_visit.c.picture, func.min(link_visit.c.first_at))
    .where(_visit_here, among(link_visit.c.message_id, "message_ids"), _by_people)
    .group_by(link_visit.c.message_id, link_visit.c.picture)
)
# Of messages that were asked for so long ago; one that waited for its hour had its links made later.
_is_old = (link.c.message_id < bindparam("before_id"), link.c.id < bindparam("before_id"))
_old = (
    select(link.c.id).where(_here, *_is_old).order_by(link.c.message_id, link.c.id).limit(bindparam("limit"))
)
_forget = Statement(delete(link).where(_here, *_is_old, link.c.id.in_(_old)))


# ── links ────────────────────────────────────────────────────────────────────────────────────────────


async def keep(tx: Transaction, links: Sequence[Link]) -> None:
    """Write the links of messages."""
    await tx.insert(_keep, [msgspec.structs.astuple(one) for one in links])


async def by_id(tx: Transaction, link_id: int) -> Link | None:
    """One link, of whatever workspace."""
    row = await tx.row(_by_id, link_id=link_id)
    return None if row is None else Link(*row)


async def of_messages(
    tx: Transaction, workspace_id: int, message_ids: Iterable[int]
) -> dict[int, dict[str, int]]:
    """The ids of the links that messages have already, by address."""
    found: dict[int, dict[str, int]] = {}
    rows = await tx.rows(_of_messages, workspace_id=workspace_id, message_ids=sorted(message_ids))
    for message_id, url, link_id in rows:
        found.setdefault(message_id, {})[url] = link_id
    return found


async def forget(tx: Transaction, workspace_id: int, before: int, limit: int) -> int:
    """Let go of links that were made before an instant; how many."""
    return await tx.execute(_forget, workspace_id=workspace_id, before_id=earliest(before), limit=limit)


# ── visits ───────────────────────────────────────────────────────────────────────────────────────────


async def count(tx: Transaction, visits: Sequence[Visits]) -> set[tuple[int, str]]:
    """Add visits, each link and visitor once; those (link, by) that had none before."""
    rows = {(one.link.message_id, one.link.id, one.by): _row(one) for one in visits}
    first = {(row[0], row[1], row[2]) for row in await tx.insert(_first, [rows[key] for key in sorted(rows)])}
    await tx.insert(_again, [rows[key] for key in sorted(rows.keys() - first)])
    return {(link_id, by) for _, link_id, by in first}


def _row(one: Visits) -> tuple[object, ...]:
    return (
        one.link.workspace_id,
        one.link.message_id,
        one.link.id,
        one.by,
        int(one.link.url == PIXEL),
        one.message_class,
        one.label,
        one.link.url,
        one.times,
        one.first_at,
        one.last_at,
    )


async def of_message(tx: Transaction, workspace_id: int, message_id: int) -> list[Told]:
    """Who followed the links of a message."""
    rows = await tx.rows(_told, workspace_id=workspace_id, message_id=message_id)
    return [Told(*row) for row in rows]


async def by_label(tx: Transaction, workspace_id: int, label: str, passed: int, limit: int) -> list[Tally]:
    """How the links of the messages of a label were followed, by address and visitor: those of the addresses
    that come next, the most clicked first. With the first come the pictures, whose address is PIXEL."""
    asked = {"workspace_id": workspace_id, "label": label, "passed": passed, "limit": limit}
    return [Tally(*row) for row in await tx.rows(_tallies, **asked)]


async def by_class(tx: Transaction, workspace_id: int, since: int, until: int) -> list[ClassTally]:
    """How links and pictures first visited in some time were, by class."""
    rows = await tx.rows(_of_classes, workspace_id=workspace_id, since=since, until=until)
    return [ClassTally(*row) for row in rows]


async def visited(tx: Transaction, workspace_id: int, label: str) -> Visited:
    """How many messages of a label were opened, and followed, by people."""
    counts = {bool(row[0]): row[1] for row in await tx.rows(_visited, workspace_id=workspace_id, label=label)}
    return Visited(counts.get(True, 0), counts.get(False, 0))


async def counted(tx: Transaction, workspace_id: int, label: str) -> Counted:
    """What can be known of the messages of a label, as long as their links are kept. By the newest of them:
    where there are no links in the words, a million messages would be looked through for one."""
    kinds = {row[0] for row in await tx.rows(_kinds_made, workspace_id=workspace_id, label=label)}
    return Counted(1 in kinds, 0 in kinds)


async def words_of_newest(
    tx: Transaction, workspace_id: int, label: str, before: int
) -> list[tuple[int, bytes]]:
    """What was sent with the newest messages of a label from before an instant, which are named."""
    asked = {"workspace_id": workspace_id, "label": label, "before_id": earliest(before)}
    return [(row[0], row[1]) for row in await tx.rows(_words_of_newest, **asked)]


async def first_by_people(
    tx: Transaction, workspace_id: int, message_ids: Sequence[int]
) -> dict[int, FirstVisits]:
    """When people first opened and followed messages; those that nobody did are left out."""
    found: dict[int, FirstVisits] = {}
    asked = {"workspace_id": workspace_id, "message_ids": message_ids}
    for message_id, picture, at in await tx.rows(_first_by_people, **asked):
        one = found.setdefault(message_id, FirstVisits())
        if picture:
            one.opened_at = at
        else:
            one.clicked_at = at
    return found

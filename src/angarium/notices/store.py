"""Tables of notices, and of what each person has read or does not want to be told.

A reader is a person, or an API key. What they have read is an id up to which all counts as read, and single
ones beyond it; a notice that calls again has a new id, and is unread again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec
from sqlalchemy import (
    Column,
    Index,
    PrimaryKeyConstraint,
    Table,
    and_,
    bindparam,
    delete,
    exists,
    func,
    literal_column,
    or_,
    select,
)

from angarium.notices.rules import KINDS, Notice, Weight
from angarium.storage.bulk import BulkInsert, Statement, among
from angarium.storage.database import Transaction
from angarium.storage.schema import Count, Id, Instant, Words, metadata

notice = Table(
    "notice",
    metadata,
    Column("workspace_id", Id, nullable=False),
    Column("kind", Words, nullable=False),
    Column("about", Words, nullable=False),
    Column("day", Count, nullable=False),
    Column("id", Id, nullable=False),
    Column("count", Count, nullable=False),
    Column("first_at", Instant, nullable=False),
    Column("at", Instant, nullable=False),
    Column("actor", Words, nullable=False),
    Column("recipient", Words, nullable=False),
    Column("says", Words, nullable=False),
    Column("settled_at", Instant),
    PrimaryKeyConstraint("workspace_id", "kind", "about", "day"),
    Index("notice_order", "workspace_id", "id", unique=True),
    Index("notice_about", "workspace_id", "about"),
    sqlite_with_rowid=False,
)

notice_reader = Table(
    "notice_reader",
    metadata,
    Column("workspace_id", Id, nullable=False),
    Column("reader_id", Id, nullable=False),
    Column("until_id", Id, nullable=False),  # all up to it counts as read
    PrimaryKeyConstraint("workspace_id", "reader_id"),
    sqlite_with_rowid=False,
)

notice_read = Table(
    "notice_read",
    metadata,
    Column("workspace_id", Id, nullable=False),
    Column("reader_id", Id, nullable=False),
    Column("id", Id, nullable=False),
    PrimaryKeyConstraint("workspace_id", "reader_id", "id"),
    sqlite_with_rowid=False,
)

notice_muted = Table(
    "notice_muted",
    metadata,
    Column("workspace_id", Id, nullable=False),
    Column("reader_id", Id, nullable=False),
    Column("kind", Words, nullable=False),
    PrimaryKeyConstraint("workspace_id", "reader_id", "kind"),
    sqlite_with_rowid=False,
)


class Reader(msgspec.Struct, frozen=True):
    """Who looks: the id under which what they read is kept, as whom they act, which kinds they are told."""

    id: int
    actor: str
    kinds: Sequence[str]


class Wanted(msgspec.Struct, frozen=True):
    """Which notices: all, the unread ones, or those that need a person."""

    only: str = ""  # "unread", "person"
    before: int = 1 << 62


class Shown(msgspec.Struct, frozen=True):
    """A notice as its reader sees it."""

    notice: Notice
    read: bool


FIELDS = Notice.__struct_fields__
PERSON = tuple(name for name, kind in KINDS.items() if kind.weight is Weight.PERSON)

_columns = [notice.c[name] for name in FIELDS]
_here = notice.c.workspace_id == bindparam("workspace_id")
_until = (
    select(notice_reader.c.until_id)
    .where(
        notice_reader.c.workspace_id == bindparam("workspace_id"),
        notice_reader.c.reader_id == bindparam("reader_id"),
    )
    .scalar_subquery()
)
_read_until = func.coalesce(_until, literal_column("0"))
_is_marked = exists().where(
    notice_read.c.workspace_id == notice.c.workspace_id,
    notice_read.c.reader_id == bindparam("reader_id"),
    notice_read.c.id == notice.c.id,
)
_for_them = and_(
    _here,
    among(notice.c.kind, "kinds"),
    notice.c.actor != bindparam("actor"),
    or_(notice.c.recipient == "", notice.c.recipient == bindparam("actor")),
)
_is_unread = and_(
    notice.c.id > _read_until, notice.c.id > bindparam("since"), notice.c.settled_at.is_(None), ~_is_marked
)
_is_wanted = ~exists().where(
    notice_muted.c.workspace_id == notice.c.workspace_id,
    notice_muted.c.reader_id == bindparam("reader_id"),
    notice_muted.c.kind == notice.c.kind,
)
_unread = Statement(
    select(func.count()).select_from(
        select(notice.c.id)
        .where(_for_them, _is_unread, _is_wanted)
        .order_by(notice.c.id.desc())
        .limit(bindparam("limit"))
        .subquery()
    )
)
_open = notice.c.settled_at.is_(None)
_pages = {
    only: Statement(
        select(*_columns, _is_marked, _read_until)
        .where(_for_them, notice.c.id < bindparam("before"), *conditions)
        .order_by(notice.c.id.desc())
        .limit(bindparam("limit"))
    )
    for only, conditions in (("", ()), ("unread", (_is_unread,)), ("person", (_open,)))
}
_about = Statement(
    select(*_columns).where(
        _here,
        among(notice.c.about, "abouts"),
        or_(notice.c.settled_at.is_(None), among(notice.c.day, "days")),
    )
)
_open_of = Statement(select(*_columns).where(_here, among(notice.c.kind, "kinds"), _open))
_save = BulkInsert(
    notice,
    ("workspace_id", *FIELDS),
    conflict=("workspace_id", "kind", "about", "day"),
    update=tuple(name for name in FIELDS if name not in ("kind", "about", "day")),
)
_move = BulkInsert(
    notice_reader,
    ("workspace_id", "reader_id", "until_id"),
    conflict=("workspace_id", "reader_id"),
    update=("until_id",),
)
_reader = Statement(
    select(notice_reader.c.until_id).where(
        notice_reader.c.workspace_id == bindparam("workspace_id"),
        notice_reader.c.reader_id == bindparam("reader_id"),
    )
)
_there = Statement(select(notice.c.id).where(_here, among(notice.c.id, "ids")))
_mark = BulkInsert(notice_read, ("workspace_id", "reader_id", "id"), conflict="nothing")
_unmark = Statement(
    delete(notice_read).where(
        notice_read.c.workspace_id == bindparam("workspace_id"),
        notice_read.c.reader_id == bindparam("reader_id"),
        notice_read.c.id <= bindparam("until_id"),
    )
)
_muted = Statement(
    select(notice_muted.c.kind)
    .where(
        notice_muted.c.workspace_id == bindparam("workspace_id"),
        notice_muted.c.reader_id == bindparam("reader_id"),
    )
    .order_by(notice_muted.c.kind)
)
_unmute = Statement(
    delete(notice_muted).where(
        notice_muted.c.workspace_id == bindparam("workspace_id"),
        notice_muted.c.reader_id == bindparam("reader_id"),
    )
)
_mute = BulkInsert(notice_muted, ("workspace_id", "reader_id", "kind"), conflict="nothing")
_forget = Statement(delete(notice).where(_here, notice.c.id < bindparam("before")))
_forget_read = Statement(
    delete(notice_read).where(
        notice_read.c.workspace_id == bindparam("workspace_id"), notice_read.c.id < bindparam("before")
    )
)


def _notice(row: Sequence[object]) -> Notice:
    found = dict(zip(FIELDS, row, strict=False))
    return Notice(**{**found, "says": msgspec.json.decode(str(found["says"]))})


# ── telling ──────────────────────────────────────────────────────────────────────────────────────────


async def about(
    tx: Transaction, workspace_id: int, abouts: Iterable[str], days: Iterable[int]
) -> list[Notice]:
    """What has been told about these things: on these days, and what is not settled."""
    rows = await tx.rows(_about, workspace_id=workspace_id, abouts=list(abouts), days=list(days))
    return [_notice(row) for row in rows]


async def open_of(tx: Transaction, workspace_id: int, kinds: Sequence[str]) -> list[Notice]:
    """What is not settled, of these kinds."""
    rows = await tx.rows(_open_of, workspace_id=workspace_id, kinds=list(kinds))
    return [_notice(row) for row in rows]


async def save(tx: Transaction, workspace_id: int, changed: Sequence[Notice]) -> None:
    """Write notices, over those of the same kind, thing and day."""
    rows = [(workspace_id, *(_cell(getattr(one, name)) for name in FIELDS)) for one in changed]
    if rows:
        await tx.insert(_save, rows)


def _cell(value: object) -> object:
    return msgspec.json.encode(value).decode() if isinstance(value, dict) else value


async def forget(tx: Transaction, workspace_id: int, before: int) -> int:
    """Delete notices below an id, and what is known of who read them; how many notices."""
    await tx.execute(_forget_read, workspace_id=workspace_id, before=before)
    return await tx.execute(_forget, workspace_id=workspace_id, before=before)


# ── reading ──────────────────────────────────────────────────────────────────────────────────────────


def _asked(workspace_id: int, reader: Reader) -> dict[str, object]:
    kinds = list(reader.kinds)
    return {"workspace_id": workspace_id, "reader_id": reader.id, "actor": reader.actor, "kinds": kinds}


async def unread(tx: Transaction, workspace_id: int, reader: Reader, since: int, most: int) -> int:
    """How many a reader has not read that are newer than an id; counted so far and no further."""
    row = await tx.row(_unread, **_asked(workspace_id, reader), since=since, limit=most)
    return 0 if row is None else int(row[0])


async def page(
    tx: Transaction, workspace_id: int, reader: Reader, wanted: Wanted, since: int, limit: int
) -> list[Shown]:
    """The newest ones below an id. What is older than `since` counts as read."""
    asked = _asked(workspace_id, reader) | {"before": wanted.before, "limit": limit}
    if wanted.only == "unread":
        asked["since"] = since
    rows = await tx.rows(_pages[wanted.only], **asked)
    found = []
    for row in rows:
        one, marked, until = _notice(row), row[-2], row[-1]
        found.append(Shown(one, bool(marked) or one.id <= max(until, since) or one.settled_at is not None))
    return found


async def read_until(tx: Transaction, workspace_id: int, reader_id: int, until: int) -> None:
    """All up to an id counts as read; never less than before."""
    row = await tx.row(_reader, workspace_id=workspace_id, reader_id=reader_id)
    if row is None or row[0] < until:
        await tx.insert(_move, [(workspace_id, reader_id, until)])
        await tx.execute(_unmark, workspace_id=workspace_id, reader_id=reader_id, until_id=until)


async def mark(tx: Transaction, workspace_id: int, reader_id: int, notice_ids: Sequence[int]) -> None:
    """These count as read; an id that no notice has is passed over."""
    there = await tx.rows(_there, workspace_id=workspace_id, ids=list(notice_ids))
    await tx.insert(_mark, [(workspace_id, reader_id, row[0]) for row in there])


async def muted(tx: Transaction, workspace_id: int, reader_id: int) -> list[str]:
    """The kinds that a reader does not want to be told of."""
    rows = await tx.rows(_muted, workspace_id=workspace_id, reader_id=reader_id)
    return [row[0] for row in rows]


async def mute(tx: Transaction, workspace_id: int, reader_id: int, kinds: Iterable[str]) -> None:
    """These kinds and no others are not wanted."""
    await tx.execute(_unmute, workspace_id=workspace_id, reader_id=reader_id)
    await tx.insert(_mute, [(workspace_id, reader_id, kind) for kind in sorted(set(kinds))])

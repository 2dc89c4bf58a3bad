"""Conversations of visitors: what waits for them or has come, what they said, and who they are.

Entries of one visitor are numbered without a gap in the order in which they are committed: the row of the
visitor is held while a number is given. So a browser that has seen a number has seen all below it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import msgspec
from sqlalchemy import (
    Column,
    Index,
    PrimaryKeyConstraint,
    Table,
    bindparam,
    delete,
    or_,
    select,
    text,
    update,
)

from angarium.protocols.web_chat import Words as Said
from angarium.storage.bulk import BulkInsert, Statement, among
from angarium.storage.database import Row, Transaction
from angarium.storage.schema import Count, Id, Instant, Words, metadata

AT_ONCE = 500  # entries that one mark speaks of

web_chat_visitor = Table(
    "web_chat_visitor",
    metadata,
    Column("workspace_id", Id, nullable=False),
    Column("line_id", Id, nullable=False),
    Column("address", Words, nullable=False),
    Column("last_number", Id, nullable=False),
    Column("seen_at", Instant, nullable=False),
    PrimaryKeyConstraint("workspace_id", "line_id", "address"),
    sqlite_with_rowid=False,
)

web_chat_entry = Table(
    "web_chat_entry",
    metadata,
    Column("workspace_id", Id, nullable=False),
    Column("line_id", Id, nullable=False),
    Column("address", Words, nullable=False),
    Column("number", Id, nullable=False),
    Column("ref", Words, nullable=False),
    Column("own", Count, nullable=False),  # 1: the visitor's
    Column("words", Words, nullable=False),
    Column("at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),  # 0: never, or it has come
    Column("delivered_at", Instant, nullable=False),  # 0: not yet
    Column("read_at", Instant, nullable=False),
    PrimaryKeyConstraint("workspace_id", "line_id", "address", "number"),
    Index("web_chat_entry_ref", "workspace_id", "line_id", "ref", unique=True),
    Index("web_chat_entry_at", "workspace_id", "line_id", "at"),
    Index(
        "web_chat_entry_expires",
        "workspace_id",
        "line_id",
        "expires_at",
        sqlite_where=text("expires_at > 0"),
        postgresql_where=text("expires_at > 0"),
    ),
    sqlite_with_rowid=False,
)


class Entry(msgspec.Struct, frozen=True, gc=False):
    """Something that was said, by us or by the visitor."""

    address: str
    number: int
    ref: str
    own: bool
    words: Said
    at: int
    expires_at: int = 0
    delivered_at: int = 0
    read_at: int = 0


_ENTRY = ("workspace_id", "line_id", *Entry.__struct_fields__)
_shown = [web_chat_entry.c[name] for name in Entry.__struct_fields__]
_here = (
    web_chat_entry.c.workspace_id == bindparam("workspace_id"),
    web_chat_entry.c.line_id == bindparam("line_id"),
)
_theirs = (*_here, web_chat_entry.c.address == bindparam("address"))
_there = or_(web_chat_entry.c.expires_at == 0, web_chat_entry.c.expires_at > bindparam("now"))
_number = BulkInsert(
    web_chat_visitor,
    ("workspace_id", "line_id", "address", "last_number", "seen_at"),
    conflict=("workspace_id", "line_id", "address"),
    add=("last_number",),
    returning=("line_id", "address", "last_number"),
)
_keep = BulkInsert(web_chat_entry, _ENTRY, conflict="nothing", returning=("line_id", "ref"))
_see = BulkInsert(
    web_chat_visitor,
    ("workspace_id", "line_id", "address", "last_number", "seen_at"),
    conflict=("workspace_id", "line_id", "address"),
    update=("seen_at",),
)
_known_refs = Statement(
    select(web_chat_entry.c.line_id, web_chat_entry.c.ref).where(
        web_chat_entry.c.workspace_id == bindparam("workspace_id"),
        among(web_chat_entry.c.line_id, "line_ids"),
        among(web_chat_entry.c.ref, "refs"),
    )
)
_after = Statement(
    select(*_shown)
    .where(*_theirs, web_chat_entry.c.number > bindparam("after"), _there)
    .order_by(web_chat_entry.c.number)
    .limit(bindparam("limit"))
)
_before = Statement(
    select(*_shown)
    .where(*_theirs, web_chat_entry.c.number < bindparam("before"), _there)
    .order_by(web_chat_entry.c.number.desc())
    .limit(bindparam("limit"))
)
_one = Statement(select(*_shown).where(*_theirs, web_chat_entry.c.number == bindparam("number"), _there))
_by_ref = Statement(select(*_shown).where(*_here, web_chat_entry.c.ref == bindparam("ref")))
_unmarked = Statement(
    select(*_shown)
    .where(
        *_theirs,
        web_chat_entry.c.own == 0,
        web_chat_entry.c.number <= bindparam("until"),
        or_(
            web_chat_entry.c.delivered_at == 0,
            (web_chat_entry.c.read_at == 0) & (web_chat_entry.c.number <= bindparam("read_until")),
        ),
        _there,
    )
    .order_by(web_chat_entry.c.number.desc())
    .limit(AT_ONCE)
)
_deliver = Statement(
    update(web_chat_entry)
    .where(*_here, web_chat_entry.c.delivered_at == 0, among(web_chat_entry.c.ref, "refs"))
    .values(delivered_at=bindparam("now"), expires_at=0)
)
_read = Statement(
    update(web_chat_entry)
    .where(*_here, web_chat_entry.c.read_at == 0, among(web_chat_entry.c.ref, "refs"))
    .values(read_at=bindparam("now"))
)
_expired = Statement(
    select(*_shown)
    .where(*_here, web_chat_entry.c.expires_at > 0, web_chat_entry.c.expires_at <= bindparam("now"))
    .order_by(web_chat_entry.c.expires_at)
    .limit(AT_ONCE)
)
_drop_expired = Statement(
    delete(web_chat_entry).where(
        *_here,
        web_chat_entry.c.expires_at > 0,
        web_chat_entry.c.expires_at <= bindparam("now"),
        among(web_chat_entry.c.ref, "refs"),
    )
)
_drop_old = Statement(delete(web_chat_entry).where(*_here, web_chat_entry.c.at < bindparam("before")))
_drop_unseen = Statement(
    delete(web_chat_visitor).where(
        web_chat_visitor.c.workspace_id == bindparam("workspace_id"),
        web_chat_visitor.c.line_id == bindparam("line_id"),
        web_chat_visitor.c.seen_at < bindparam("before"),
        ~select(web_chat_entry.c.number)
        .where(
            web_chat_entry.c.workspace_id == web_chat_visitor.c.workspace_id,
            web_chat_entry.c.line_id == web_chat_visitor.c.line_id,
            web_chat_entry.c.address == web_chat_visitor.c.address,
        )
        .exists(),
    )
)
_lines = Statement(
    select(web_chat_visitor.c.line_id)
    .where(web_chat_visitor.c.workspace_id == bindparam("workspace_id"))
    .distinct()
)
_drop_entries = Statement(delete(web_chat_entry).where(*_here))
_drop_visitors = Statement(
    delete(web_chat_visitor).where(
        web_chat_visitor.c.workspace_id == bindparam("workspace_id"),
        web_chat_visitor.c.line_id == bindparam("line_id"),
    )
)


async def keep(tx: Transaction, workspace_id: int, new: Sequence[tuple[int, Entry]], now: int) -> None:
    """Keep entries of lines, each with the next number of its visitor; what is there by its ref stays."""
    line_ids, refs = sorted({line_id for line_id, _ in new}), [one.ref for _, one in new]
    known = {
        (row[0], row[1])
        for row in await tx.rows(_known_refs, workspace_id=workspace_id, line_ids=line_ids, refs=refs)
    }
    theirs: dict[tuple[int, str], list[Entry]] = defaultdict(list)
    for line_id, one in new:
        if (line_id, one.ref) not in known:
            known.add((line_id, one.ref))
            theirs[line_id, one.address].append(one)
    visitors = sorted(theirs)  # in one order, so that no two transactions wait for one another
    rows = [(workspace_id, *visitor, len(theirs[visitor]), now) for visitor in visitors]
    last = {(row[0], row[1]): row[2] for row in await tx.insert(_number, rows)} if rows else {}
    await tx.insert(
        _keep,
        [
            (workspace_id, visitor[0], *_row(one, last[visitor] - len(ours) + place))
            for visitor, ours in theirs.items()
            for place, one in enumerate(ours, start=1)
        ],
    )


async def see(tx: Transaction, workspace_id: int, line_id: int, address: str, now: int) -> None:
    """A visitor opened the chat."""
    await tx.insert(_see, [(workspace_id, line_id, address, 0, now)])


async def after(
    tx: Transaction, workspace_id: int, line_id: int, address: str, number: int, limit: int, now: int
) -> list[Entry]:
    """The entries of a visitor behind a number, the oldest first."""
    asked = {"line_id": line_id, "address": address, "after": number, "limit": limit, "now": now}
    return [_entry(row) for row in await tx.rows(_after, workspace_id=workspace_id, **asked)]


async def before(
    tx: Transaction, workspace_id: int, line_id: int, address: str, number: int, limit: int, now: int
) -> list[Entry]:
    """The last entries of a visitor before a number, the oldest first."""
    asked = {"line_id": line_id, "address": address, "before": number, "limit": limit, "now": now}
    return [_entry(row) for row in await tx.rows(_before, workspace_id=workspace_id, **asked)][::-1]


async def one(
    tx: Transaction, workspace_id: int, line_id: int, address: str, number: int, now: int
) -> Entry | None:
    """One entry of a visitor."""
    asked = {"line_id": line_id, "address": address, "number": number, "now": now}
    row = await tx.row(_one, workspace_id=workspace_id, **asked)
    return None if row is None else _entry(row)


async def by_ref(tx: Transaction, workspace_id: int, line_id: int, ref: str) -> Entry | None:
    """The entry that is called so."""
    row = await tx.row(_by_ref, workspace_id=workspace_id, line_id=line_id, ref=ref)
    return None if row is None else _entry(row)


async def unmarked(
    tx: Transaction, workspace_id: int, line_id: int, address: str, delivered: int, read: int, now: int
) -> list[Entry]:
    """Of ours up to a number, those that are not marked as delivered; up to another, as read."""
    until = max(delivered, read)
    asked = {"line_id": line_id, "address": address, "until": until, "read_until": read, "now": now}
    return [_entry(row) for row in await tx.rows(_unmarked, workspace_id=workspace_id, **asked)]


async def mark(
    tx: Transaction, workspace_id: int, line_id: int, delivered: Sequence[str], read: Sequence[str], now: int
) -> None:
    """Mark entries by their refs."""
    for statement, refs in ((_deliver, delivered), (_read, read)):
        if refs:
            await tx.execute(statement, workspace_id=workspace_id, line_id=line_id, refs=list(refs), now=now)


async def expired(tx: Transaction, workspace_id: int, line_id: int, now: int) -> list[Entry]:
    """Entries that nobody came for in time."""
    rows = await tx.rows(_expired, workspace_id=workspace_id, line_id=line_id, now=now)
    return [_entry(row) for row in rows]


async def drop_expired(
    tx: Transaction, workspace_id: int, line_id: int, refs: Sequence[str], now: int
) -> None:
    """Let such entries go."""
    await tx.execute(_drop_expired, workspace_id=workspace_id, line_id=line_id, refs=list(refs), now=now)


async def tidy(tx: Transaction, workspace_id: int, line_id: int, entries: int, visitors: int) -> int:
    """Let entries go that are older than an instant, and visitors not seen since another who have none."""
    gone = await tx.execute(_drop_old, workspace_id=workspace_id, line_id=line_id, before=entries)
    await tx.execute(_drop_unseen, workspace_id=workspace_id, line_id=line_id, before=visitors)
    return gone


async def drop_strangers(tx: Transaction, workspace_id: int, known: set[int]) -> None:
    """Let the conversations of lines go that are no more."""
    for (line_id,) in await tx.rows(_lines, workspace_id=workspace_id):
        if line_id not in known:
            await tx.execute(_drop_entries, workspace_id=workspace_id, line_id=line_id)
            await tx.execute(_drop_visitors, workspace_id=workspace_id, line_id=line_id)


def _row(one: Entry, number: int) -> tuple[object, ...]:
    words = msgspec.json.encode(one.words).decode()
    times = (one.at, one.expires_at, one.delivered_at, one.read_at)
    return (one.address, number, one.ref, int(one.own), words, *times)


def _entry(row: Row) -> Entry:
    return Entry(row[0], row[1], row[2], bool(row[3]), msgspec.json.decode(row[4], type=Said), *row[5:9])

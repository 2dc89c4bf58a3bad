"""Tables of the audit log and of its seals, one function per query. Nothing here changes or deletes a row.

But for one thing: the details of a person who is erased go, and the hash of them stays.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import msgspec
from sqlalchemy import (
    Column,
    Index,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    bindparam,
    func,
    literal_column,
    select,
    update,
)

from angarium.core.clock import MICROS
from angarium.storage.bulk import BulkInsert, Statement, among
from angarium.storage.database import Row, Transaction
from angarium.storage.schema import Blob, Id, Instant, Words, metadata

audit = Table(
    "audit",
    metadata,
    Column("workspace_id", Id, nullable=False),
    Column("number", Id, nullable=False),
    Column("at", Instant, nullable=False),
    Column("actor", Words, nullable=False),
    Column("action", Words, nullable=False),
    Column("subject", Words, nullable=False),
    Column("details", Words),  # none once they are erased
    Column("salt", Blob),  # goes with them
    Column("details_hash", Blob, nullable=False),
    Column("hash", Blob, nullable=False),
    PrimaryKeyConstraint("workspace_id", "number"),
    Index("audit_at", "workspace_id", "at", "number"),
    Index("audit_actor", "workspace_id", "actor", "number"),
    Index("audit_action", "workspace_id", "action", "number"),
    Index("audit_actor_action", "workspace_id", "actor", "action", "number"),
    Index("audit_subject", "workspace_id", "subject", "number"),
    sqlite_with_rowid=False,
)

audit_seal = Table(
    "audit_seal",
    metadata,
    Column("workspace_id", Id, nullable=False),
    Column("number", Id, nullable=False),
    Column("seal", Words, nullable=False),
    PrimaryKeyConstraint("workspace_id", "number"),
    sqlite_with_rowid=False,
)

_FOREVER = 1 << 62
# A deed has its time before its number, and servers have clocks of their own: so far the two may disagree.
_DISORDER = 3_600 * MICROS
NOTHING = bytes(32)  # what stands before the first row


class Head(msgspec.Struct, frozen=True):
    """The newest row of a workspace; number 0 before there is one."""

    number: int
    hash: bytes


class Entry(msgspec.Struct, frozen=True):
    """One row as it is kept."""

    number: int
    at: int
    actor: str
    action: str
    subject: str
    details: str | None
    salt: bytes | None
    details_hash: bytes
    hash: bytes


class Wanted(msgspec.Struct, frozen=True):
    """Which rows; an empty word stands for any."""

    actor: str = ""
    action: str = ""
    subject: str = ""
    from_: int = 0
    until: int = _FOREVER


_here = audit.c.workspace_id == bindparam("workspace_id")
_columns = [audit.c[name] for name in Entry.__struct_fields__]
_newest = (
    select(audit.c.number, audit.c.hash).where(_here).order_by(audit.c.number.desc()).limit(1).subquery()
)
_head = select(select(_newest.c.number).scalar_subquery(), select(_newest.c.hash).scalar_subquery())
_head_and_salt = Statement(
    _head.add_columns(literal_column("randomblob(16)", LargeBinary())),
    postgresql=_head.add_columns(literal_column("uuid_send(gen_random_uuid())", LargeBinary())),
)
_just_head = Statement(_head)
_append = BulkInsert(audit, ("workspace_id", *Entry.__struct_fields__))
_WORDS = ("actor", "action", "subject")


def _page_by(words: Sequence[str], *, timed: bool) -> Statement:
    """The newest rows between two, by an index that has these words first. A subject is had by few rows:
    where it is asked for, its index is taken, and the other words are looked at."""
    found = [word for word in words if word == "subject" or "subject" not in words]
    looked_at = [word for word in words if word not in found]
    page = (
        select(*_columns)
        .where(
            _here,
            *(audit.c[word] == bindparam(word) for word in found),
            *(func.coalesce(audit.c[word], "") == bindparam(word) for word in looked_at),
            audit.c.number > bindparam("above"),
            audit.c.number < bindparam("before"),
        )
        .order_by(audit.c.number.desc())
        .limit(bindparam("limit"))
    )

    def within(at: Any) -> Any:
        return page.where(at >= bindparam("from_"), at < bindparam("until"))

    # SQLite is kept from going by the time and sorting; PostgreSQL knows how many rows that would be.
    return Statement(within(audit.c.at + 0), postgresql=within(audit.c.at)) if timed else Statement(page)


_last_before = Statement(
    select(audit.c.number)
    .where(_here, audit.c.at < bindparam("at"))
    .order_by(audit.c.at.desc(), audit.c.number.desc())
    .limit(1)
)
_first_from = Statement(
    select(audit.c.number)
    .where(_here, audit.c.at >= bindparam("at"))
    .order_by(audit.c.at, audit.c.number)
    .limit(1)
)
_pages = {
    (words, timed): _page_by(words, timed=timed)
    for some in range(4)
    for words in combinations(_WORDS, some)
    for timed in (False, True)
}
_after = Statement(
    select(*_columns)
    .where(_here, audit.c.number > bindparam("after"))
    .order_by(audit.c.number)
    .limit(bindparam("limit"))
)
_erase = Statement(
    update(audit)
    .where(_here, among(audit.c.subject, "subjects"), audit.c.details.is_not(None))
    .values(details=None, salt=None)
)

_seal_here = audit_seal.c.workspace_id == bindparam("workspace_id")
_add_seal = BulkInsert(audit_seal, ("workspace_id", "number", "seal"), conflict="nothing")
_last_sealed = Statement(select(func.coalesce(func.max(audit_seal.c.number), 0)).where(_seal_here))
_seals = Statement(
    select(audit_seal.c.number, audit_seal.c.seal)
    .where(_seal_here, audit_seal.c.number > bindparam("after"))
    .order_by(audit_seal.c.number)
    .limit(bindparam("limit"))
)


async def head_and_salt(tx: Transaction, workspace_id: int) -> tuple[Head, bytes]:
    """The newest row, and 16 bytes that nobody can guess."""
    row = await tx.row(_head_and_salt, workspace_id=workspace_id)
    assert row is not None
    return _head_of(row), bytes(row[2])


async def head(tx: Transaction, workspace_id: int) -> Head:
    """The newest row."""
    row = await tx.row(_just_head, workspace_id=workspace_id)
    assert row is not None
    return _head_of(row)


def _head_of(row: Row) -> Head:
    return Head(row[0] or 0, row[1] or NOTHING)


async def append(tx: Transaction, workspace_id: int, new: Entry) -> None:
    """Write a row; Conflict when its number is taken."""
    await tx.insert(_append, [(workspace_id, *msgspec.structs.astuple(new))])


async def page(tx: Transaction, workspace_id: int, wanted: Wanted, before: int, limit: int) -> list[Entry]:
    """The newest rows below a number that fit."""
    said: dict[str, Any] = {word: text for word in _WORDS if (text := getattr(wanted, word))}
    words, (above, below) = tuple(said), await _numbers(tx, workspace_id, wanted)
    timed = wanted.from_ > 0 or wanted.until < _FOREVER
    if timed:
        said |= {"from_": wanted.from_, "until": wanted.until}
    rows = await tx.rows(
        _pages[words, timed],
        workspace_id=workspace_id,
        above=above,
        before=min(before, below),
        limit=limit,
        **said,
    )
    return [Entry(*row) for row in rows]


async def _numbers(tx: Transaction, workspace_id: int, wanted: Wanted) -> tuple[int, int]:
    """Between which numbers all rows are that are of a time."""
    above, below = 0, _FOREVER
    if wanted.from_ > 0:
        row = await tx.row(_last_before, workspace_id=workspace_id, at=wanted.from_ - _DISORDER)
        above = 0 if row is None else row[0]
    if wanted.until < _FOREVER:
        row = await tx.row(_first_from, workspace_id=workspace_id, at=wanted.until + _DISORDER)
        below = _FOREVER if row is None else row[0]
    return above, below


async def after(tx: Transaction, workspace_id: int, number: int, limit: int) -> list[Entry]:
    """The rows above a number, the oldest first."""
    rows = await tx.rows(_after, workspace_id=workspace_id, after=number, limit=limit)
    return [Entry(*row) for row in rows]


async def erase(tx: Transaction, workspace_id: int, subjects: list[str]) -> int:
    """Take the details out of the rows about these; how many had some."""
    return await tx.execute(_erase, workspace_id=workspace_id, subjects=subjects)


async def add_seal(tx: Transaction, workspace_id: int, number: int, seal: str) -> None:
    """Keep the seal of a row; one that is there stays."""
    await tx.insert(_add_seal, [(workspace_id, number, seal)])


async def last_sealed(tx: Transaction, workspace_id: int) -> int:
    """The newest row that has a seal; 0 when none has."""
    row = await tx.row(_last_sealed, workspace_id=workspace_id)
    assert row is not None
    return int(row[0])


async def seals(tx: Transaction, workspace_id: int, after: int, limit: int) -> list[tuple[int, str]]:
    """The seals above a row, the oldest first."""
    rows = await tx.rows(_seals, workspace_id=workspace_id, after=after, limit=limit)
    return [(row[0], row[1]) for row in rows]

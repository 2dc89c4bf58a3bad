"""Tables of segments and their versions, one function per query. A version never changes once written."""

from __future__ import annotations

import msgspec
from sqlalchemy import Column, Index, PrimaryKeyConstraint, Table, bindparam, delete, select

from angarium.contacts.segments.rules import Rule
from angarium.storage.bulk import BulkInsert, Statement, among
from angarium.storage.database import Row, Transaction
from angarium.storage.schema import Count, Id, Instant, Words, metadata

segment = Table(
    "segment",
    metadata,
    Column("workspace_id", Id, nullable=False),
    Column("id", Id, nullable=False),
    Column("name", Words, nullable=False),
    Column("version", Count, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    PrimaryKeyConstraint("workspace_id", "id"),
    Index("segment_name", "workspace_id", "name", unique=True),
    sqlite_with_rowid=False,
)

segment_version = Table(
    "segment_version",
    metadata,
    Column("workspace_id", Id, nullable=False),
    Column("segment_id", Id, nullable=False),
    Column("version", Count, nullable=False),
    Column("rules", Words, nullable=False),
    Column("written_by", Words, nullable=False),
    Column("created_at", Instant, nullable=False),
    PrimaryKeyConstraint("workspace_id", "segment_id", "version"),
    sqlite_with_rowid=False,
)


class Segment(msgspec.Struct, frozen=True):
    """A segment in one of its versions."""

    id: int
    name: str
    version: int
    rules: Rule
    written_by: str
    created_at: int
    updated_at: int


_columns = [
    segment.c.id,
    segment.c.name,
    segment_version.c.version,
    segment_version.c.rules,
    segment_version.c.written_by,
    segment.c.created_at,
    segment_version.c.created_at,
]
_here = segment.c.workspace_id == bindparam("workspace_id")
_current = (
    select(*_columns)
    .join(
        segment_version,
        (segment_version.c.workspace_id == segment.c.workspace_id)
        & (segment_version.c.segment_id == segment.c.id),
    )
    .where(
        _here,
        segment_version.c.workspace_id == bindparam("workspace_id"),
        segment_version.c.version == segment.c.version,
    )
)
_save = BulkInsert(
    segment,
    ("workspace_id", "id", "name", "version", "created_at", "updated_at"),
    conflict=("workspace_id", "id"),
    update=("name", "version", "updated_at"),
)
_insert_version = BulkInsert(
    segment_version, ("workspace_id", "segment_id", "version", "rules", "written_by", "created_at")
)
_all = Statement(_current.order_by(segment.c.id))
_by_ids = Statement(_current.where(among(segment.c.id, "ids")))
_rules_of = Statement(
    select(segment_version.c.rules).where(
        segment_version.c.workspace_id == bindparam("workspace_id"),
        segment_version.c.segment_id == bindparam("id"),
        segment_version.c.version == bindparam("version"),
    )
)
_drop = Statement(delete(segment).where(_here, segment.c.id == bindparam("id")))


async def all_of(tx: Transaction, workspace_id: int) -> list[Segment]:
    """All segments of a workspace, oldest first."""
    return [_read(row) for row in await tx.rows(_all, workspace_id=workspace_id)]


async def by_id(tx: Transaction, workspace_id: int, segment_id: int) -> Segment | None:
    """A segment as it is now."""
    row = await tx.row(_by_ids, workspace_id=workspace_id, ids=[segment_id])
    return None if row is None else _read(row)


async def rules_of(tx: Transaction, workspace_id: int, segment_id: int, version: int) -> Rule | None:
    """The rules of a version, also of a segment that has been deleted since."""
    row = await tx.row(_rules_of, workspace_id=workspace_id, id=segment_id, version=version)
    return None if row is None else msgspec.json.decode(row[0], type=Rule)


async def save(tx: Transaction, workspace_id: int, one: Segment, *, new_version: bool) -> None:
    """Write a segment; Conflict when its name is taken."""
    row = (workspace_id, one.id, one.name, one.version, one.created_at, one.updated_at)
    await tx.insert(_save, [row])
    if new_version:
        rules = msgspec.json.encode(one.rules).decode()
        await tx.insert(
            _insert_version, [(workspace_id, one.id, one.version, rules, one.written_by, one.updated_at)]
        )


async def remove(tx: Transaction, workspace_id: int, segment_id: int) -> None:
    """Delete a segment; its versions stay, for what began with one goes on with it."""
    await tx.execute(_drop, workspace_id=workspace_id, id=segment_id)


def _read(row: Row) -> Segment:
    rules = msgspec.json.decode(row[3], type=Rule)
    return Segment(row[0], row[1], row[2], rules, row[4], row[5], row[6])

"""Templates that operators registered for lines, one function per query."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Any

import msgspec
from sqlalchemy import Column, Index, PrimaryKeyConstraint, Table, bindparam, delete, func, select

from angarium.core.values import MessageClass
from angarium.lines.patterns_rules import Limit
from angarium.storage.bulk import BulkInsert, Statement
from angarium.storage.database import Row, Transaction
from angarium.storage.schema import Count, Id, Instant, Words, metadata

pattern = Table(
    "pattern",
    metadata,
    Column("workspace_id", Id, nullable=False),
    Column("id", Id, nullable=False),
    Column("line_id", Id, nullable=False),
    Column("name", Words, nullable=False),
    Column("message_class", Words, nullable=False),
    Column("syntax", Words, nullable=False),
    Column("text", Words, nullable=False),
    Column("limits", Words, nullable=False),
    Column("external_id", Words, nullable=False),
    Column("state", Words, nullable=False),
    Column("reason", Words, nullable=False),
    Column("changed_by", Words, nullable=False),
    Column("version", Count, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    PrimaryKeyConstraint("workspace_id", "id"),
    Index("pattern_name", "workspace_id", "line_id", "name", unique=True),
    sqlite_with_rowid=False,
)

COLUMNS = tuple(pattern.columns.keys())


class PatternState(StrEnum):
    """What the operator has said of a pattern."""

    DRAFT = "draft"
    SUBMITTED = "submitted"
    APPROVED = "approved"
    REFUSED = "refused"
    EXPIRED = "expired"  # the operator took it back, or archived it


class Registered(msgspec.Struct, frozen=True):
    """A pattern as it is kept."""

    workspace_id: int
    id: int
    line_id: int
    name: str
    message_class: MessageClass
    syntax: str
    text: str
    limits: dict[str, Limit]
    external_id: str  # what the operator calls it
    state: PatternState
    reason: str
    changed_by: str  # who acts, as text
    version: int
    created_at: int
    updated_at: int


_columns = list(pattern.columns)
_here = pattern.c.workspace_id == bindparam("workspace_id")
_of_this_line = (_here, pattern.c.line_id == bindparam("line_id"))
_save = BulkInsert(
    pattern,
    COLUMNS,
    conflict=("workspace_id", "id"),
    update=tuple(name for name in COLUMNS if name not in ("workspace_id", "id", "created_at")),
)
_of_line = Statement(select(*_columns).where(*_of_this_line).order_by(pattern.c.id))
_approved = Statement(
    select(*_columns).where(*_of_this_line, pattern.c.state == PatternState.APPROVED).order_by(pattern.c.id)
)
_one = Statement(select(*_columns).where(_here, pattern.c.id == bindparam("id")))
_count = Statement(select(func.count()).select_from(pattern).where(*_of_this_line))
_drop = Statement(delete(pattern).where(_here, pattern.c.id == bindparam("id")))
_drop_of_line = Statement(delete(pattern).where(*_of_this_line))


async def save(tx: Transaction, some: Iterable[Registered]) -> None:
    """Write new patterns, or what they are now; Conflict when a name is taken on their line."""
    await tx.insert(_save, [_row(one) for one in some])


async def of_line(tx: Transaction, workspace_id: int, line_id: int) -> list[Registered]:
    """Those of a line, oldest first."""
    return [_read(row) for row in await tx.rows(_of_line, workspace_id=workspace_id, line_id=line_id)]


async def approved(tx: Transaction, workspace_id: int, line_id: int) -> list[Registered]:
    """Those of a line that count, oldest first."""
    return [_read(row) for row in await tx.rows(_approved, workspace_id=workspace_id, line_id=line_id)]


async def by_id(tx: Transaction, workspace_id: int, pattern_id: int) -> Registered | None:
    """One of them."""
    row = await tx.row(_one, workspace_id=workspace_id, id=pattern_id)
    return None if row is None else _read(row)


async def count(tx: Transaction, workspace_id: int, line_id: int) -> int:
    """How many a line has."""
    row = await tx.row(_count, workspace_id=workspace_id, line_id=line_id)
    return row[0] if row else 0


async def remove(tx: Transaction, workspace_id: int, pattern_id: int) -> None:
    """Delete one."""
    await tx.execute(_drop, workspace_id=workspace_id, id=pattern_id)


async def remove_of_line(tx: Transaction, workspace_id: int, line_id: int) -> None:
    """Delete those of a line."""
    await tx.execute(_drop_of_line, workspace_id=workspace_id, line_id=line_id)


def _row(one: Registered) -> tuple[Any, ...]:
    values: dict[str, Any] = {name: getattr(one, name) for name in COLUMNS}
    values["message_class"], values["state"] = one.message_class.value, one.state.value
    values["limits"] = msgspec.json.encode(one.limits).decode()
    return tuple(values[name] for name in COLUMNS)


def _read(row: Row) -> Registered:
    values: dict[str, Any] = dict(zip(COLUMNS, row, strict=True))
    values["message_class"] = MessageClass(values["message_class"])
    values["state"] = PatternState(values["state"])
    values["limits"] = msgspec.json.decode(values["limits"], type=dict[str, Limit])
    return Registered(**values)

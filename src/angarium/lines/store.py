"""The table of lines, one function per query. Secrets in `settings` are sealed before they get here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import Column, Index, PrimaryKeyConstraint, Table, bindparam, delete, select

from angarium.core.values import Hours, Json, MessageClass
from angarium.storage.bulk import BulkInsert, Statement
from angarium.storage.database import Row, Transaction
from angarium.storage.schema import Count, Id, Instant, Micros, Real, Words, metadata

line = Table(
    "line",
    metadata,
    Column("workspace_id", Id, nullable=False),
    Column("id", Id, nullable=False),
    Column("name", Words, nullable=False),
    Column("channel", Words, nullable=False),
    Column("settings", Words, nullable=False),
    Column("classes", Words, nullable=False),
    Column("registration", Words, nullable=False),
    Column("enabled", Count, nullable=False),
    Column("speed_per_s", Real, nullable=False),
    Column("window_max", Count, nullable=False),
    Column("hours", Words),
    Column("price_micros", Micros, nullable=False),
    Column("price_per", Words, nullable=False),
    Column("currency", Words, nullable=False),
    Column("callback_token", Words, nullable=False),
    Column("version", Count, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    PrimaryKeyConstraint("workspace_id", "id"),
    Index("line_name", "workspace_id", "name", unique=True),
    sqlite_with_rowid=False,
)

COLUMNS = tuple(line.columns.keys())


class Line(msgspec.Struct, frozen=True):
    """One configured connection on a channel."""

    workspace_id: int
    id: int
    name: str
    channel: str
    settings: Json  # secret values sealed
    classes: frozenset[MessageClass]
    registration: str  # draft, approved, refused; only an approved line sends
    enabled: bool
    speed_per_s: float  # submissions a second; 0: without limit
    window_max: int  # submissions without an answer at the same time
    hours: Hours | None
    price_micros: int
    price_per: str  # part or message
    currency: str
    callback_token: str
    version: int
    created_at: int
    updated_at: int

    @property
    def approved(self) -> bool:
        """Whether anything may leave on it."""
        return self.registration == "approved"

    @property
    def callback_path(self) -> str:
        """Where its provider posts to; the token is what keeps strangers out."""
        return f"/callbacks/{self.id:x}/{self.callback_token}"

    def price(self, parts: int) -> int:
        """What a message of so many parts costs, in micro-units of `currency`."""
        return self.price_micros * (parts if self.price_per == "part" else 1)


_columns = list(line.columns)
_here = line.c.workspace_id == bindparam("workspace_id")
_save = BulkInsert(
    line,
    COLUMNS,
    conflict=("workspace_id", "id"),
    update=tuple(
        name for name in COLUMNS if name not in ("workspace_id", "id", "created_at", "callback_token")
    ),
)
_all = Statement(select(*_columns).where(_here).order_by(line.c.id))
_one = Statement(select(*_columns).where(_here, line.c.id == bindparam("line_id")))
_named = Statement(select(*_columns).where(_here, line.c.name == bindparam("name")))
_drop = Statement(delete(line).where(_here, line.c.id == bindparam("line_id")))


async def save(tx: Transaction, one: Line) -> None:
    """Write a new line or a new version of one; Conflict when the name is taken."""
    await tx.insert(_save, [_row(one)])


async def all_of(tx: Transaction, workspace_id: int) -> list[Line]:
    """All lines of a workspace, oldest first."""
    return [_read(row) for row in await tx.rows(_all, workspace_id=workspace_id)]


async def by_id(tx: Transaction, workspace_id: int, line_id: int) -> Line | None:
    """One line."""
    row = await tx.row(_one, workspace_id=workspace_id, line_id=line_id)
    return None if row is None else _read(row)


async def by_name(tx: Transaction, workspace_id: int, name: str) -> Line | None:
    """One line."""
    row = await tx.row(_named, workspace_id=workspace_id, name=name)
    return None if row is None else _read(row)


async def remove(tx: Transaction, workspace_id: int, line_id: int) -> bool:
    """Delete a line; False when there is none."""
    return await tx.execute(_drop, workspace_id=workspace_id, line_id=line_id) > 0


def _row(one: Line) -> tuple[Any, ...]:
    values: dict[str, Any] = {name: getattr(one, name) for name in COLUMNS}
    values["settings"] = _text(one.settings)
    values["classes"] = " ".join(sorted(one.classes))
    values["enabled"] = int(one.enabled)
    values["hours"] = None if one.hours is None else _text(one.hours)
    return tuple(values[name] for name in COLUMNS)


def _read(row: Row) -> Line:
    values: dict[str, Any] = dict(zip(COLUMNS, row, strict=True))
    values["settings"] = msgspec.json.decode(values["settings"])
    values["classes"] = frozenset(MessageClass(word) for word in _words(values["classes"]))
    values["enabled"] = bool(values["enabled"])
    values["hours"] = None if values["hours"] is None else msgspec.json.decode(values["hours"], type=Hours)
    return Line(**values)


def _words(text: str) -> Sequence[str]:
    return text.split()


def _text(value: Any) -> str:
    return msgspec.json.encode(value).decode()

"""The table of exports: what is wanted, how far it has come, and how large the file is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import Column, Index, PrimaryKeyConstraint, Table, bindparam, delete, update

from angarium.contacts.store.jobs import Jobs
from angarium.storage.bulk import BulkInsert, Statement, among
from angarium.storage.database import Row, Transaction
from angarium.storage.schema import Id, Instant, Words, metadata

contact_export = Table(
    "contact_export",
    metadata,
    Column("workspace_id", Id, nullable=False),
    Column("id", Id, nullable=False),
    Column("state", Words, nullable=False),
    Column("reason", Words, nullable=False),
    Column("wanted", Words, nullable=False),
    Column("columns", Words, nullable=False),
    Column("actor", Words, nullable=False),
    Column("rows", Id, nullable=False),
    Column("sheets", Id, nullable=False),
    Column("size_bytes", Id, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    PrimaryKeyConstraint("workspace_id", "id"),
    Index("contact_export_state", "workspace_id", "state", "id"),
    sqlite_with_rowid=False,
)


class Export(msgspec.Struct, frozen=True, kw_only=True):
    """An export as it stands. `wanted` is JSON: see `exports/flows.py: Wanted`."""

    id: int
    state: str
    reason: str = ""
    wanted: str
    columns: tuple[str, ...] = ()  # those in the file, once it is begun
    actor: str
    rows: int = 0
    sheets: int = 0
    size_bytes: int = 0
    created_at: int
    updated_at: int


COLUMNS = ("workspace_id", *Export.__struct_fields__)
_shown = [contact_export.c[name] for name in Export.__struct_fields__]
_here = contact_export.c.workspace_id == bindparam("workspace_id")
_this = (_here, contact_export.c.id == bindparam("id"))

_insert = BulkInsert(contact_export, COLUMNS)
_progress = Statement(
    update(contact_export)
    .where(*_this, contact_export.c.state == "running")
    .values(rows=bindparam("rows"), columns=bindparam("columns"), updated_at=bindparam("now"))
)
_end = Statement(
    update(contact_export)
    .where(*_this, among(contact_export.c.state, "states"))
    .values(
        state=bindparam("state"),
        reason=bindparam("reason"),
        rows=bindparam("rows"),
        sheets=bindparam("sheets"),
        size_bytes=bindparam("size_bytes"),
        updated_at=bindparam("now"),
    )
)
_drop = Statement(delete(contact_export).where(*_this))


async def insert(tx: Transaction, workspace_id: int, one: Export) -> None:
    """Write a new export."""
    await tx.insert(_insert, [(workspace_id, *(_kept(getattr(one, name)) for name in COLUMNS[1:]))])


async def note_progress(
    tx: Transaction, workspace_id: int, export_id: int, columns: Sequence[str], rows: int, now: int
) -> bool:
    """Remember how many rows are written; False when it is not running any more."""
    changed = await tx.execute(
        _progress, workspace_id=workspace_id, id=export_id, columns=_kept(tuple(columns)), rows=rows, now=now
    )
    return changed > 0


async def end(
    tx: Transaction,
    workspace_id: int,
    export_id: int,
    states: Sequence[str],
    state: str,
    now: int,
    *,
    reason: str = "",
    rows: int = 0,
    sheets: int = 0,
    size_bytes: int = 0,
) -> bool:
    """From one of the states into its last one; False when it is in none of them."""
    changed = await tx.execute(
        _end,
        workspace_id=workspace_id,
        id=export_id,
        states=list(states),
        state=state,
        reason=reason,
        rows=rows,
        sheets=sheets,
        size_bytes=size_bytes,
        now=now,
    )
    return changed > 0


async def remove(tx: Transaction, workspace_id: int, export_id: int) -> None:
    """Delete an export."""
    await tx.execute(_drop, workspace_id=workspace_id, id=export_id)


def _kept(value: Any) -> Any:
    return value if isinstance(value, int | str) else msgspec.json.encode(value).decode()


def _read(row: Row) -> Export:
    values = dict(zip(Export.__struct_fields__, row, strict=True))
    values["columns"] = tuple(msgspec.json.decode(values["columns"]))
    return Export(**values)


jobs = Jobs(contact_export, _shown, _read)

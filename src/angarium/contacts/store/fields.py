"""The table of the fields that a workspace defines for its contacts."""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import Column, Index, PrimaryKeyConstraint, Table, bindparam, delete, select

from angarium.storage.bulk import BulkInsert, BulkUpdate, Statement
from angarium.storage.database import Transaction
from angarium.storage.schema import Id, Instant, Words, metadata

contact_field = Table(
    "contact_field",
    metadata,
    Column("workspace_id", Id, nullable=False),
    Column("id", Id, nullable=False),
    Column("name", Words, nullable=False),
    Column("kind", Words, nullable=False),
    Column("label", Words, nullable=False),
    Column("choices", Words, nullable=False),
    Column("currency", Words, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    PrimaryKeyConstraint("workspace_id", "id"),
    Index("contact_field_name", "workspace_id", "name", unique=True),
    sqlite_with_rowid=False,
)


class FieldRow(msgspec.Struct, frozen=True):
    """A defined field as it is kept."""

    id: int
    name: str
    kind: str
    label: str
    choices: tuple[str, ...]
    currency: str
    created_at: int
    updated_at: int


FIELD_COLUMNS = ("workspace_id", *FieldRow.__struct_fields__)
_every = Statement(
    select(*[contact_field.c[name] for name in FieldRow.__struct_fields__])
    .where(contact_field.c.workspace_id == bindparam("workspace_id"))
    .order_by(contact_field.c.id)
)
_insert = BulkInsert(contact_field, FIELD_COLUMNS)
_change = BulkUpdate(
    contact_field, match=("workspace_id", "id"), set=("label", "choices", "currency", "updated_at")
)
_drop = Statement(
    delete(contact_field).where(
        contact_field.c.workspace_id == bindparam("workspace_id"), contact_field.c.id == bindparam("id")
    )
)


async def every(tx: Transaction, workspace_id: int) -> list[FieldRow]:
    """The defined fields of a workspace, in the order in which they were made."""
    rows = await tx.rows(_every, workspace_id=workspace_id)
    return [_read(*row) for row in rows]


def _read(id_: int, name: str, kind: str, label: str, choices: str, *rest: Any) -> FieldRow:
    return FieldRow(id_, name, kind, label, tuple(msgspec.json.decode(choices)), *rest)


async def insert(tx: Transaction, workspace_id: int, one: FieldRow) -> None:
    """Write a new definition; a Conflict when there is one of this name."""
    row = (one.id, one.name, one.kind, one.label, msgspec.json.encode(one.choices).decode(), one.currency)
    await tx.insert(_insert, [(workspace_id, *row, one.created_at, one.updated_at)])


async def change(tx: Transaction, workspace_id: int, one: FieldRow) -> None:
    """Write what may change of a definition: label, choices, currency."""
    changed = (one.label, msgspec.json.encode(one.choices).decode(), one.currency, one.updated_at)
    await tx.update(_change, [(workspace_id, one.id, *changed)])


async def remove(tx: Transaction, workspace_id: int, field_id: int) -> bool:
    """Delete a definition; False when there was none."""
    return await tx.execute(_drop, workspace_id=workspace_id, id=field_id) > 0

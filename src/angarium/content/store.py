"""Tables of templates and their versions, one function per query. A version never changes once written."""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import Column, Index, PrimaryKeyConstraint, Table, bindparam, delete, func, insert, select

from angarium.content.rules import Variant
from angarium.storage.bulk import BulkInsert, Statement, among
from angarium.storage.database import Row, Transaction
from angarium.storage.schema import Count, Id, Instant, Words, metadata

template = Table(
    "template",
    metadata,
    Column("workspace_id", Id, nullable=False),
    Column("id", Id, nullable=False),
    Column("name", Words, nullable=False),
    Column("version_id", Id, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    PrimaryKeyConstraint("workspace_id", "id"),
    Index("template_name", "workspace_id", "name", unique=True),
    sqlite_with_rowid=False,
)

template_version = Table(
    "template_version",
    metadata,
    Column("workspace_id", Id, nullable=False),
    Column("id", Id, nullable=False),
    Column("template_id", Id, nullable=False),
    Column("number", Count, nullable=False),
    Column("state", Words, nullable=False),
    Column("variants", Words, nullable=False),
    Column("created_at", Instant, nullable=False),
    PrimaryKeyConstraint("workspace_id", "id"),
    Index("template_version_number", "workspace_id", "template_id", "number", unique=True),
    sqlite_with_rowid=False,
)


class PastVersion(msgspec.Struct, frozen=True):
    """What a template said from an instant on, until the next version."""

    number: int
    state: str
    variants: tuple[Variant, ...]
    created_at: int


class TemplateVersion(msgspec.Struct, frozen=True):
    """A template's wording at one moment."""

    template_id: int
    name: str
    version_id: int
    number: int
    state: str  # approved; drafts and review come with the approval of wording
    variants: tuple[Variant, ...]
    created_at: int
    updated_at: int


_columns = [
    template.c.id,
    template.c.name,
    template_version.c.id,
    template_version.c.number,
    template_version.c.state,
    template_version.c.variants,
    template.c.created_at,
    template.c.updated_at,
]
_here = template.c.workspace_id == bindparam("workspace_id")
_version_here = template_version.c.workspace_id == bindparam("workspace_id")
_current = (
    select(*_columns)
    .join(
        template_version,
        (template_version.c.workspace_id == template.c.workspace_id)
        & (template_version.c.id == template.c.version_id),
    )
    .where(_here, _version_here)
)
_save_template = BulkInsert(
    template,
    ("workspace_id", "id", "name", "version_id", "created_at", "updated_at"),
    conflict=("workspace_id", "id"),
    update=("name", "version_id", "updated_at"),
)
_insert_version = Statement(insert(template_version))
_all = Statement(_current.order_by(template.c.id))
_by_id = Statement(_current.where(template.c.id == bindparam("template_id")))
_by_names = Statement(_current.where(among(template.c.name, "names")))
_variants = Statement(
    select(template_version.c.id, template_version.c.variants).where(
        _version_here, among(template_version.c.id, "version_ids")
    )
)
_versions = Statement(
    select(
        template_version.c.number,
        template_version.c.state,
        template_version.c.variants,
        template_version.c.created_at,
    )
    .where(_version_here, template_version.c.template_id == bindparam("template_id"))
    .order_by(template_version.c.number)
)
_last_number = Statement(
    select(func.max(template_version.c.number)).where(
        _version_here, template_version.c.template_id == bindparam("template_id")
    )
)
_drop = Statement(delete(template).where(_here, template.c.id == bindparam("template_id")))


async def save(tx: Transaction, workspace_id: int, one: TemplateVersion) -> None:
    """Write a version and make it the template's current one; Conflict when the name is taken."""
    await tx.execute(
        _insert_version,
        workspace_id=workspace_id,
        id=one.version_id,
        template_id=one.template_id,
        number=one.number,
        state=one.state,
        variants=msgspec.json.encode(one.variants).decode(),
        created_at=one.updated_at,
    )
    row: tuple[Any, ...] = (
        workspace_id,
        one.template_id,
        one.name,
        one.version_id,
        one.created_at,
        one.updated_at,
    )
    await tx.insert(_save_template, [row])


async def all_of(tx: Transaction, workspace_id: int) -> list[TemplateVersion]:
    """All templates of a workspace in their current version."""
    return [_read(row) for row in await tx.rows(_all, workspace_id=workspace_id)]


async def by_id(tx: Transaction, workspace_id: int, template_id: int) -> TemplateVersion | None:
    """One template in its current version."""
    row = await tx.row(_by_id, workspace_id=workspace_id, template_id=template_id)
    return None if row is None else _read(row)


async def by_names(tx: Transaction, workspace_id: int, names: set[str]) -> dict[str, TemplateVersion]:
    """Templates in their current version, by name."""
    if not names:
        return {}
    rows = await tx.rows(_by_names, workspace_id=workspace_id, names=sorted(names))
    return {row[1]: _read(row) for row in rows}


async def variants(
    tx: Transaction, workspace_id: int, version_ids: set[int]
) -> dict[int, tuple[Variant, ...]]:
    """The wording of versions, current or not."""
    if not version_ids:
        return {}
    rows = await tx.rows(_variants, workspace_id=workspace_id, version_ids=sorted(version_ids))
    return {row[0]: _variants_of(row[1]) for row in rows}


async def versions(tx: Transaction, workspace_id: int, template_id: int) -> list[PastVersion]:
    """Every version of a template, the first one first."""
    rows = await tx.rows(_versions, workspace_id=workspace_id, template_id=template_id)
    return [PastVersion(row[0], row[1], _variants_of(row[2]), row[3]) for row in rows]


async def next_number(tx: Transaction, workspace_id: int, template_id: int) -> int:
    """The number of a template's next version."""
    row = await tx.row(_last_number, workspace_id=workspace_id, template_id=template_id)
    return 1 + ((row and row[0]) or 0)


async def remove(tx: Transaction, workspace_id: int, template_id: int) -> bool:
    """Delete a template; its versions stay, because messages name them."""
    return await tx.execute(_drop, workspace_id=workspace_id, template_id=template_id) > 0


def _read(row: Row) -> TemplateVersion:
    return TemplateVersion(
        template_id=row[0],
        name=row[1],
        version_id=row[2],
        number=row[3],
        state=row[4],
        variants=_variants_of(row[5]),
        created_at=row[6],
        updated_at=row[7],
    )


def _variants_of(text: str) -> tuple[Variant, ...]:
    return msgspec.json.decode(text, type=tuple[Variant, ...])

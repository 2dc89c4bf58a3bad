"""Queries of parts: layouts and partials, in versions that stay."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
from sqlalchemy import bindparam, delete, func, insert, select

from angarium.content.origins import Part
from angarium.content.store.tables import content_part
from angarium.storage.bulk import Statement, among
from angarium.storage.database import Row, Transaction


class Kept(msgspec.Struct, frozen=True):
    """A part with who wrote it, and when."""

    part: Part
    author: str
    created_at: int  # microseconds UTC


_part = content_part.c
_here = _part.workspace_id == bindparam("workspace_id")
_columns = (_part.name, _part.version, _part.source, _part.author, _part.created_at)
_newest = (
    select(_part.name, func.max(_part.version).label("version")).where(_here).group_by(_part.name).subquery()
)
_current = (
    select(*_columns)
    .join(_newest, (_part.name == _newest.c.name) & (_part.version == _newest.c.version))
    .where(_here)
    .order_by(_part.name)
)
_all = Statement(_current)
_named = Statement(_current.where(among(_part.name, "names")))
_versions = Statement(
    select(*_columns).where(_here, _part.name == bindparam("which")).order_by(_part.version)
)
_insert = Statement(insert(content_part))
_drop = Statement(delete(content_part).where(_here, _part.name == bindparam("which")))


async def all_of(tx: Transaction, workspace_id: int) -> list[Kept]:
    """Every part in its newest version."""
    return [_read(row) for row in await tx.rows(_all, workspace_id=workspace_id)]


async def named(tx: Transaction, workspace_id: int, names: Iterable[str]) -> dict[str, Part]:
    """The newest version of parts by their names."""
    wanted = list(names)
    rows = await tx.rows(_named, workspace_id=workspace_id, names=wanted) if wanted else []
    return {row[0]: _read(row).part for row in rows}


async def versions(tx: Transaction, workspace_id: int, name: str) -> list[Kept]:
    """Every version of a part, oldest first."""
    return [_read(row) for row in await tx.rows(_versions, workspace_id=workspace_id, which=name)]


async def add(tx: Transaction, workspace_id: int, one: Kept) -> None:
    """Write a version; Conflict when there is one of its number."""
    await tx.execute(
        _insert,
        workspace_id=workspace_id,
        name=one.part.name,
        version=one.part.version,
        source=one.part.source,
        author=one.author,
        created_at=one.created_at,
    )


async def remove(tx: Transaction, workspace_id: int, name: str) -> bool:
    """Delete a part with all its versions."""
    return await tx.execute(_drop, workspace_id=workspace_id, which=name) > 0


def _read(row: Row) -> Kept:
    name, version, source, author, created_at = row
    return Kept(Part(name, version, source), author, created_at)

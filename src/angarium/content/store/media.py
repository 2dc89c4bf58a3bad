"""Queries of media: what is known of each file; its bytes lie on a shelf."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
from sqlalchemy import bindparam, delete, func, insert, or_, select, update

from angarium.content.store.tables import content_media, content_part, template, template_version
from angarium.storage.bulk import Statement, among
from angarium.storage.database import Row, Transaction


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """A file of a workspace."""

    id: int
    name: str
    type: str  # its media type
    size_bytes: int
    sha256: str
    token: str
    actor: str  # who brought it
    created_at: int  # microseconds UTC
    deleted_at: int | None = None  # then it is nobody's any more, but for those who have its address already


class Place(msgspec.Struct, frozen=True):
    """Where a file is used: a version of a template or of a part."""

    name: str
    version: int
    state: str  # of the version of a template; "part" for a part


_media = content_media.c
_columns = [_media[name] for name in Kept.__struct_fields__]
_here = _media.workspace_id == bindparam("workspace_id")
_there = _media.deleted_at.is_(None)
_this = (_here, _media.id == bindparam("media_id"))

_insert = Statement(insert(content_media))
_by_id = Statement(select(*_columns).where(*_this))
_same = Statement(select(*_columns).where(_here, _there, _media.sha256 == bindparam("sha256")))
_named = Statement(select(*_columns).where(_here, _there, among(_media.id, "media_ids")))
_page = Statement(
    select(*_columns)
    .where(_here, _there, _media.id < bindparam("before"), _media.type.like(bindparam("types")))
    .order_by(_media.id.desc())
    .limit(bindparam("limit"))
)
_sums = Statement(select(func.count(), func.coalesce(func.sum(_media.size_bytes), 0)).where(_here))
_forsake = Statement(update(content_media).where(*_this, _there).values(deleted_at=bindparam("now")))
_drop = Statement(delete(content_media).where(*_this))
_forsaken = Statement(select(_media.id).where(_here, _media.deleted_at < bindparam("before")))
_older = Statement(
    select(_media.id)
    .where(_here, _there, _media.actor == bindparam("actor"), _media.created_at < bindparam("before"))
    .order_by(_media.id)
    .limit(bindparam("limit"))
)
_ids = Statement(select(_media.id).where(_here))

_version = template_version.c
_in_templates = Statement(
    select(template.c.name, _version.number, _version.state)
    .join(
        template, (template.c.workspace_id == _version.workspace_id) & (template.c.id == _version.template_id)
    )
    .where(
        _version.workspace_id == bindparam("workspace_id"),
        _version.state != "superseded",
        or_(_version.variants.like(bindparam("by_id")), _version.variants.like(bindparam("by_token"))),
    )
    .order_by(template.c.name, _version.number)
    .limit(bindparam("limit"))
)
_in_parts = Statement(
    select(content_part.c.name, func.max(content_part.c.version))
    .where(
        content_part.c.workspace_id == bindparam("workspace_id"),
        content_part.c.source.like(bindparam("by_token")),
    )
    .group_by(content_part.c.name)
    .order_by(content_part.c.name)
    .limit(bindparam("limit"))
)


async def add(tx: Transaction, workspace_id: int, one: Kept) -> None:
    """Write a new file; Conflict when the workspace has the same bytes."""
    await tx.execute(_insert, workspace_id=workspace_id, **msgspec.structs.asdict(one))


async def by_id(tx: Transaction, workspace_id: int, media_id: int) -> Kept | None:
    """One file, also when it was deleted and is still to be fetched."""
    row = await tx.row(_by_id, workspace_id=workspace_id, media_id=media_id)
    return None if row is None else _read(row)


async def same(tx: Transaction, workspace_id: int, sha256: str) -> Kept | None:
    """The file with these very bytes."""
    row = await tx.row(_same, workspace_id=workspace_id, sha256=sha256)
    return None if row is None else _read(row)


async def named(tx: Transaction, workspace_id: int, media_ids: Iterable[int]) -> dict[int, Kept]:
    """Files by their ids, without those that were deleted."""
    rows = await tx.rows(_named, workspace_id=workspace_id, media_ids=sorted(media_ids))
    return {row[0]: _read(row) for row in rows}


async def page(tx: Transaction, workspace_id: int, types: str, before: int, limit: int) -> list[Kept]:
    """Files whose media type begins so, the newest first, older than one of them."""
    rows = await tx.rows(_page, workspace_id=workspace_id, types=f"{types}%", before=before, limit=limit)
    return [_read(row) for row in rows]


async def sums(tx: Transaction, workspace_id: int) -> tuple[int, int]:
    """How many files there are, and their bytes."""
    row = await tx.row(_sums, workspace_id=workspace_id)
    return (0, 0) if row is None else (int(row[0]), int(row[1]))


async def forsake(tx: Transaction, workspace_id: int, media_id: int, now: int) -> bool:
    """Delete a file for those who do not have its address yet."""
    return await tx.execute(_forsake, workspace_id=workspace_id, media_id=media_id, now=now) > 0


async def remove(tx: Transaction, workspace_id: int, media_id: int) -> bool:
    """Delete the row of a file."""
    return await tx.execute(_drop, workspace_id=workspace_id, media_id=media_id) > 0


async def forsaken(tx: Transaction, workspace_id: int, before: int) -> list[int]:
    """Files that were deleted before an instant."""
    return [row[0] for row in await tx.rows(_forsaken, workspace_id=workspace_id, before=before)]


async def older(tx: Transaction, workspace_id: int, actor: str, before: int, limit: int) -> list[int]:
    """Files that somebody brought before an instant, the oldest first."""
    asked = {"actor": actor, "before": before, "limit": limit}
    return [row[0] for row in await tx.rows(_older, workspace_id=workspace_id, **asked)]


async def ids_of(tx: Transaction, workspace_id: int) -> list[int]:
    """Every file of a workspace, the deleted ones too."""
    return [row[0] for row in await tx.rows(_ids, workspace_id=workspace_id)]


async def uses(tx: Transaction, workspace_id: int, one: Kept, shown_id: str, limit: int) -> list[Place]:
    """Where a file is used: by its id in a wording, or by its address in words and parts."""
    by_token = {"workspace_id": workspace_id, "by_token": f"%{one.token}%", "limit": limit}
    found = await tx.rows(_in_templates, by_id=f'%"{shown_id}"%', **by_token)
    parts = await tx.rows(_in_parts, **by_token)
    return [*(Place(*row) for row in found), *(Place(name, version, "part") for name, version in parts)]


def _read(row: Row) -> Kept:
    return Kept(**dict(zip(Kept.__struct_fields__, row, strict=True)))

"""Cascades and their versions."""

from __future__ import annotations

import msgspec
from sqlalchemy import bindparam, delete, select

from angarium.core import kept
from angarium.messaging.cascade import Step
from angarium.messaging.store.tables import cascade, cascade_version
from angarium.storage.bulk import BulkInsert, Statement, among
from angarium.storage.database import Row, Transaction

INLINE = 0  # cascade_id of steps that were given with a message


class Cascade(msgspec.Struct, frozen=True):
    """A cascade in its current version."""

    id: int
    name: str
    version_id: int
    steps: tuple[Step, ...]
    created_at: int
    updated_at: int


_columns = [
    cascade.c.id,
    cascade.c.name,
    cascade_version.c.id,
    cascade_version.c.steps,
    cascade.c.created_at,
    cascade.c.updated_at,
]
_here = cascade.c.workspace_id == bindparam("workspace_id")
_version_here = cascade_version.c.workspace_id == bindparam("workspace_id")
_current = (
    select(*_columns)
    .join(
        cascade_version,
        (cascade_version.c.workspace_id == cascade.c.workspace_id)
        & (cascade_version.c.id == cascade.c.version_id),
    )
    .where(_here, _version_here)
)
_save = BulkInsert(
    cascade,
    ("workspace_id", "id", "name", "version_id", "created_at", "updated_at"),
    conflict=("workspace_id", "id"),
    update=("name", "version_id", "updated_at"),
)
_save_version = BulkInsert(
    cascade_version,
    ("workspace_id", "id", "cascade_id", "digest", "steps", "created_at"),
    conflict="nothing",
)
_all = Statement(_current.order_by(cascade.c.id))
_by_id = Statement(_current.where(cascade.c.id == bindparam("cascade_id")))
_by_names = Statement(_current.where(among(cascade.c.name, "names")))
_version_of = Statement(
    select(cascade_version.c.id).where(
        _version_here,
        cascade_version.c.cascade_id == bindparam("cascade_id"),
        cascade_version.c.digest == bindparam("digest"),
    )
)
_steps_of = Statement(
    select(cascade_version.c.id, cascade_version.c.steps).where(
        _version_here, among(cascade_version.c.id, "ids")
    )
)
_versions_of = Statement(
    select(cascade_version.c.id).where(_version_here, cascade_version.c.cascade_id == bindparam("cascade_id"))
)
_drop = Statement(delete(cascade).where(_here, cascade.c.id == bindparam("cascade_id")))


async def version_id(
    tx: Transaction,
    workspace_id: int,
    cascade_id: int,
    digest: str,
    steps: tuple[Step, ...],
    new_id: int,
    now: int,
) -> int:
    """The id of these steps; written under `new_id` when they are new."""
    text = msgspec.json.encode(steps).decode()
    await tx.insert(_save_version, [(workspace_id, new_id, cascade_id, digest, text, now)])
    found = await known_version(tx, workspace_id, cascade_id, digest)
    assert found is not None
    return found


async def known_version(tx: Transaction, workspace_id: int, cascade_id: int, digest: str) -> int | None:
    """The id of the steps with this digest; None when they have none yet."""
    row = await tx.row(_version_of, workspace_id=workspace_id, cascade_id=cascade_id, digest=digest)
    return None if row is None else row[0]


async def save(tx: Transaction, workspace_id: int, one: Cascade) -> None:
    """Write a cascade whose version is there; Conflict when the name is taken."""
    row = (workspace_id, one.id, one.name, one.version_id, one.created_at, one.updated_at)
    await tx.insert(_save, [row])


async def all_of(tx: Transaction, workspace_id: int) -> list[Cascade]:
    """All cascades of a workspace."""
    return [_read(row) for row in await tx.rows(_all, workspace_id=workspace_id)]


async def by_id(tx: Transaction, workspace_id: int, cascade_id: int) -> Cascade | None:
    """One cascade."""
    row = await tx.row(_by_id, workspace_id=workspace_id, cascade_id=cascade_id)
    return None if row is None else _read(row)


async def by_names(tx: Transaction, workspace_id: int, names: set[str]) -> dict[str, Cascade]:
    """Cascades by name."""
    if not names:
        return {}
    rows = await tx.rows(_by_names, workspace_id=workspace_id, names=sorted(names))
    return {row[1]: _read(row) for row in rows}


async def steps(tx: Transaction, workspace_id: int, version_ids: set[int]) -> dict[int, tuple[Step, ...]]:
    """The steps of versions."""
    if not version_ids:
        return {}
    rows = await tx.rows(_steps_of, workspace_id=workspace_id, ids=sorted(version_ids))
    return {row[0]: _steps(row[1]) for row in rows}


async def versions_of(tx: Transaction, workspace_id: int, cascade_id: int) -> list[int]:
    """The ids of all versions that a cascade has had."""
    rows = await tx.rows(_versions_of, workspace_id=workspace_id, cascade_id=cascade_id)
    return [row[0] for row in rows]


async def remove(tx: Transaction, workspace_id: int, cascade_id: int) -> bool:
    """Delete a cascade; its versions stay, because messages name them."""
    return await tx.execute(_drop, workspace_id=workspace_id, cascade_id=cascade_id) > 0


def _read(row: Row) -> Cascade:
    return Cascade(row[0], row[1], row[2], _steps(row[3]), row[4], row[5])


def _steps(text: str) -> tuple[Step, ...]:
    return kept.read(text, tuple[Step, ...])

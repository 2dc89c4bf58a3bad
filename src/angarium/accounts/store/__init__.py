"""Tables of workspaces and their API keys, one function per query."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import Column, Index, PrimaryKeyConstraint, Table, bindparam, func, insert, select, update

from angarium.accounts.reach import WHOLE, Reach, read, written
from angarium.storage.bulk import Statement, among
from angarium.storage.database import Row, Transaction
from angarium.storage.schema import Blob, Id, Instant, Words, metadata

workspace = Table(
    "workspace",
    metadata,
    Column("workspace_id", Id, nullable=False),
    Column("name", Words, nullable=False),
    Column("currency", Words, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("time_zone", Words, nullable=False),
    PrimaryKeyConstraint("workspace_id"),
    Index("workspace_name", "name", unique=True),
    sqlite_with_rowid=False,
)

api_key = Table(
    "api_key",
    metadata,
    Column("workspace_id", Id, nullable=False),
    Column("id", Id, nullable=False),
    Column("name", Words, nullable=False),
    Column("secret_hash", Blob, nullable=False),
    Column("scopes", Words, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant),
    Column("revoked_at", Instant),
    Column("last_used_at", Instant),
    Column("reach", Words),  # none: of every class and on every line
    Column("created_by", Words),
    PrimaryKeyConstraint("workspace_id", "id"),
    Index("api_key_secret_hash", "workspace_id", "secret_hash", unique=True),
    sqlite_with_rowid=False,
)


class Workspace(msgspec.Struct, frozen=True):
    """A tenant."""

    id: int
    name: str
    currency: str
    created_at: int
    time_zone: str = "UTC"  # IANA: where its days begin


class ApiKey(msgspec.Struct, frozen=True):
    """A key as it is kept: its secret only as a hash."""

    id: int
    name: str
    scopes: frozenset[str]
    created_at: int
    expires_at: int | None
    revoked_at: int | None
    last_used_at: int | None = None  # to some minutes: see flows.USE_NOTED_S
    reach: Reach = WHOLE
    created_by: str = ""  # key_…, per_…, cli


_workspace_columns = [
    workspace.c.workspace_id,
    workspace.c.name,
    workspace.c.currency,
    workspace.c.created_at,
    workspace.c.time_zone,
]
_key_columns = [
    api_key.c.id,
    api_key.c.name,
    api_key.c.scopes,
    api_key.c.created_at,
    api_key.c.expires_at,
    api_key.c.revoked_at,
    api_key.c.last_used_at,
    api_key.c.reach,
    api_key.c.created_by,
]
_key_here = api_key.c.workspace_id == bindparam("workspace_id")

_insert_workspace = Statement(insert(workspace))
_workspaces = Statement(select(*_workspace_columns).order_by(workspace.c.workspace_id))
_workspace = Statement(
    select(*_workspace_columns).where(workspace.c.workspace_id == bindparam("workspace_id"))
)
_time_zones = Statement(
    select(workspace.c.workspace_id, workspace.c.time_zone).where(
        among(workspace.c.workspace_id, "workspace_ids")
    )
)
_move = Statement(
    update(workspace)
    .where(workspace.c.workspace_id == bindparam("workspace_id"))
    .values(time_zone=bindparam("zone"))
)
_insert_key = Statement(insert(api_key))
_key_by_hash = Statement(
    select(*_key_columns).where(_key_here, api_key.c.secret_hash == bindparam("secret_hash"))
)
_keys = Statement(select(*_key_columns).where(_key_here).order_by(api_key.c.id))
_revoke = Statement(
    update(api_key)
    .where(_key_here, api_key.c.id == bindparam("key_id"), api_key.c.revoked_at.is_(None))
    .values(revoked_at=bindparam("now"))
)
_expire = Statement(
    update(api_key)
    .where(
        _key_here,
        api_key.c.id == bindparam("key_id"),
        api_key.c.revoked_at.is_(None),
        func.coalesce(api_key.c.expires_at, bindparam("at")) >= bindparam("at"),
    )
    .values(expires_at=bindparam("at"))
)
_key_by_id = Statement(select(*_key_columns).where(_key_here, api_key.c.id == bindparam("key_id")))
_note_use = Statement(
    update(api_key)
    .where(_key_here, api_key.c.id == bindparam("key_id"))
    .values(last_used_at=bindparam("now"))
)


async def add_workspace(tx: Transaction, new: Workspace) -> None:
    """Write a workspace; Conflict when the name is taken."""
    await tx.execute(
        _insert_workspace,
        workspace_id=new.id,
        name=new.name,
        currency=new.currency,
        created_at=new.created_at,
        time_zone=new.time_zone,
    )


async def workspace_of(tx: Transaction, workspace_id: int) -> Workspace | None:
    """One workspace."""
    row = await tx.row(_workspace, workspace_id=workspace_id)
    return None if row is None else Workspace(*row)


async def time_zones(tx: Transaction, workspace_ids: Sequence[int]) -> dict[int, str]:
    """Where workspaces are."""
    rows = await tx.rows(_time_zones, workspace_ids=list(workspace_ids))
    return {row[0]: row[1] for row in rows}


async def move(tx: Transaction, workspace_id: int, time_zone: str) -> None:
    """Let a workspace live in another zone."""
    await tx.execute(_move, workspace_id=workspace_id, zone=time_zone)


async def workspaces(tx: Transaction) -> list[Workspace]:
    """All workspaces. The one query that belongs to none of them."""
    async with tx.across_workspaces():
        return [Workspace(*row) for row in await tx.rows(_workspaces)]


async def add_key(tx: Transaction, workspace_id: int, new: ApiKey, secret_hash: bytes) -> None:
    """Write a key."""
    values: dict[str, Any] = {
        "id": new.id,
        "name": new.name,
        "secret_hash": secret_hash,
        "scopes": " ".join(sorted(new.scopes)),
        "created_at": new.created_at,
        "expires_at": new.expires_at,
        "revoked_at": new.revoked_at,
        "last_used_at": new.last_used_at,
        "reach": written(new.reach),
        "created_by": new.created_by,
    }
    await tx.execute(_insert_key, workspace_id=workspace_id, **values)


async def key_by_hash(tx: Transaction, workspace_id: int, secret_hash: bytes) -> ApiKey | None:
    """The key with this secret, live or not."""
    row = await tx.row(_key_by_hash, workspace_id=workspace_id, secret_hash=secret_hash)
    return None if row is None else _read_key(row)


async def keys(tx: Transaction, workspace_id: int) -> list[ApiKey]:
    """All keys of a workspace."""
    return [_read_key(row) for row in await tx.rows(_keys, workspace_id=workspace_id)]


async def revoke(tx: Transaction, workspace_id: int, key_id: int, now: int) -> bool:
    """Revoke a live key; False when there is none."""
    return await tx.execute(_revoke, workspace_id=workspace_id, key_id=key_id, now=now) > 0


async def key_by_id(tx: Transaction, workspace_id: int, key_id: int) -> ApiKey | None:
    """One key, live or not."""
    row = await tx.row(_key_by_id, workspace_id=workspace_id, key_id=key_id)
    return None if row is None else _read_key(row)


async def expire(tx: Transaction, workspace_id: int, key_id: int, at: int) -> None:
    """Let a live key end at an instant, unless it ends sooner."""
    await tx.execute(_expire, workspace_id=workspace_id, key_id=key_id, at=at)


async def note_use(tx: Transaction, workspace_id: int, key_id: int, now: int) -> None:
    """Write down that a key was used."""
    await tx.execute(_note_use, workspace_id=workspace_id, key_id=key_id, now=now)


def _read_key(row: Row) -> ApiKey:
    key = ApiKey(row[0], row[1], frozenset(row[2].split()), *row[3:7])
    return msgspec.structs.replace(key, reach=read(row[7]), created_by=row[8] or "")

"""The policies of a workspace: one document of each kind, in versions, each with who wrote it and when.

What a kind means is the business of the room whose rules read it (`messaging/policies.py` lists them all).
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
from sqlalchemy import Column, PrimaryKeyConstraint, Table, bindparam, func, insert, select

from angarium.storage.bulk import Statement, among
from angarium.storage.database import Row, Transaction
from angarium.storage.schema import Count, Id, Instant, Words, metadata

policy = Table(
    "policy",
    metadata,
    Column("workspace_id", Id, nullable=False),
    Column("kind", Words, nullable=False),
    Column("version", Count, nullable=False),
    Column("body", Words, nullable=False),
    Column("changed_by", Words, nullable=False),
    Column("changed_at", Instant, nullable=False),
    PrimaryKeyConstraint("workspace_id", "kind", "version"),
    sqlite_with_rowid=False,
)


class Policy(msgspec.Struct, frozen=True):
    """One version of a policy document."""

    workspace_id: int
    kind: str
    version: int  # from 1
    body: str  # JSON
    changed_by: str  # who, as `Caller.actor`
    changed_at: int  # microseconds UTC


_columns = list(policy.columns)
_newest = (
    select(policy.c.workspace_id, policy.c.kind, func.max(policy.c.version).label("version"))
    .where(among(policy.c.workspace_id, "workspace_ids"))
    .group_by(policy.c.workspace_id, policy.c.kind)
    .subquery()
)
_in_force = Statement(
    select(*_columns)
    .join(
        _newest,
        (policy.c.workspace_id == _newest.c.workspace_id)
        & (policy.c.kind == _newest.c.kind)
        & (policy.c.version == _newest.c.version),
    )
    .order_by(policy.c.workspace_id, policy.c.kind)
)
_history = Statement(
    select(*_columns)
    .where(policy.c.workspace_id == bindparam("workspace_id"), policy.c.kind == bindparam("kind"))
    .order_by(policy.c.version)
)
_insert = Statement(insert(policy))


async def in_force(tx: Transaction, workspace_ids: Iterable[int]) -> list[Policy]:
    """The newest version of every kind that these workspaces have written."""
    wanted = list(workspace_ids)
    return [_read(row) for row in await tx.rows(_in_force, workspace_ids=wanted)] if wanted else []


async def history(tx: Transaction, workspace_id: int, kind: str) -> list[Policy]:
    """Every version of one kind, oldest first."""
    return [_read(row) for row in await tx.rows(_history, workspace_id=workspace_id, kind=kind)]


async def write(tx: Transaction, new: Policy) -> None:
    """A new version; Conflict when another was written at the same time."""
    await tx.execute(_insert, **msgspec.structs.asdict(new))


def _read(row: Row) -> Policy:
    return Policy(*row)

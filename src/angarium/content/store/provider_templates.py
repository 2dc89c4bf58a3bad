"""Queries of what providers say of the templates that they keep."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
from sqlalchemy import bindparam, select

from angarium.content.store.tables import provider_template
from angarium.storage.bulk import BulkInsert, Statement, among
from angarium.storage.database import Transaction


class Told(msgspec.Struct, frozen=True):
    """What a provider said last of one thing about a template."""

    channel: str
    name: str
    language: str
    account: str
    about: str
    id: int
    line_id: int
    word: str
    status: str
    reason: str
    category: str
    external_id: str
    registrar: str
    said_at: int
    heard_at: int


COLUMNS = Told.__struct_fields__
_told = provider_template.c
_here = _told.workspace_id == bindparam("workspace_id")
_save = BulkInsert(
    provider_template, ("workspace_id", *COLUMNS), conflict=("workspace_id", *COLUMNS[:5]), update=COLUMNS[6:]
)
_named = Statement(
    select(*(_told[name] for name in COLUMNS))
    .where(_here, among(_told.name, "names"))
    .order_by(_told.channel, _told.name, _told.language, _told.account, _told.about)
)
_after = Statement(
    select(*(_told[name] for name in COLUMNS))
    .where(_here, _told.id > bindparam("after"))
    .order_by(_told.id)
    .limit(bindparam("limit"))
)


async def save(tx: Transaction, workspace_id: int, one: Told) -> None:
    """Write what is known of one thing now."""
    await tx.insert(_save, [(workspace_id, *msgspec.structs.astuple(one))])


async def named(tx: Transaction, workspace_id: int, names: Iterable[str]) -> list[Told]:
    """All that is known of templates of these names."""
    wanted = sorted(set(names))
    if not wanted:
        return []
    return [Told(*row) for row in await tx.rows(_named, workspace_id=workspace_id, names=wanted)]


async def after(tx: Transaction, workspace_id: int, last_id: int, limit: int) -> list[Told]:
    """What follows an id."""
    rows = await tx.rows(_after, workspace_id=workspace_id, after=last_id, limit=limit)
    return [Told(*row) for row in rows]

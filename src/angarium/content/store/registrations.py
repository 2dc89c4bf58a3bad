"""Queries of what providers say of wordings: registered, approved, paused."""

from __future__ import annotations

import msgspec
from sqlalchemy import bindparam, select

from angarium.content.store.tables import template_registration
from angarium.storage.bulk import BulkInsert, Statement
from angarium.storage.database import Transaction


class Registration(msgspec.Struct, frozen=True):
    """What a provider says of the words of one variant."""

    channel: str
    locale: str
    hash: str  # of the words
    registrar: str
    external_id: str
    category: str
    status: str
    reason: str
    actor: str
    at: int


COLUMNS = Registration.__struct_fields__
_registration = template_registration.c
_save = BulkInsert(
    template_registration,
    ("workspace_id", "template_id", *COLUMNS),
    conflict=("workspace_id", "template_id", "channel", "locale", "hash"),
    update=COLUMNS[3:],
)
_all = Statement(
    select(*(_registration[name] for name in COLUMNS))
    .where(
        _registration.workspace_id == bindparam("workspace_id"),
        _registration.template_id == bindparam("template_id"),
    )
    .order_by(_registration.channel, _registration.locale, _registration.at)
)


async def save(tx: Transaction, workspace_id: int, template_id: int, one: Registration) -> None:
    """Write what is known of a wording now."""
    await tx.insert(_save, [(workspace_id, template_id, *msgspec.structs.astuple(one))])


async def of_template(tx: Transaction, workspace_id: int, template_id: int) -> list[Registration]:
    """What is known of all wordings of a template, also of earlier ones."""
    rows = await tx.rows(_all, workspace_id=workspace_id, template_id=template_id)
    return [Registration(*row) for row in rows]

"""Queries of samples: named sets of values that a template is shown with."""

from __future__ import annotations

import msgspec
from sqlalchemy import bindparam, delete, select

from angarium.content.lint.subject import Sample
from angarium.content.store.tables import template_sample
from angarium.core.values import Json
from angarium.storage.bulk import BulkInsert, Statement
from angarium.storage.database import Transaction

_sample = template_sample.c
_mine = (_sample.workspace_id == bindparam("workspace_id"), _sample.template_id == bindparam("template_id"))
_save = BulkInsert(
    template_sample,
    ("workspace_id", "template_id", "name", "locale", "values", "updated_at"),
    conflict=("workspace_id", "template_id", "name"),
    update=("locale", "values", "updated_at"),
)
_all = Statement(select(_sample.name, _sample.locale, _sample["values"]).where(*_mine).order_by(_sample.name))
_drop = Statement(delete(template_sample).where(*_mine, _sample.name == bindparam("which")))


async def save(tx: Transaction, workspace_id: int, template_id: int, one: Sample, now: int) -> None:
    """Write a sample, in the place of the one of its name."""
    values = msgspec.json.encode(one.values).decode()
    await tx.insert(_save, [(workspace_id, template_id, one.name, one.locale, values, now)])


async def of_template(tx: Transaction, workspace_id: int, template_id: int) -> list[Sample]:
    """The samples of a template, by their names."""
    rows = await tx.rows(_all, workspace_id=workspace_id, template_id=template_id)
    return [Sample(row[0], row[1], msgspec.json.decode(row[2], type=Json)) for row in rows]


async def remove(tx: Transaction, workspace_id: int, template_id: int, name: str) -> bool:
    """Delete a sample."""
    return await tx.execute(_drop, workspace_id=workspace_id, template_id=template_id, which=name) > 0

"""Queries of what was done to versions: written once, read in order."""

from __future__ import annotations

import msgspec
from sqlalchemy import bindparam, insert, select

from angarium.content.lifecycle import Action, VersionState
from angarium.content.store.tables import template_step
from angarium.core import kept
from angarium.storage.bulk import Statement
from angarium.storage.database import Transaction


class Comment(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What somebody says of a place: a variant (from 0), a field, a text."""

    text: str
    variant: int | None = None
    field: str = ""


class Step(msgspec.Struct, frozen=True):
    """Something that was done to a version."""

    id: int
    template_id: int
    number: int  # of the version
    action: Action
    state: VersionState  # that it led to
    actor: str
    hash: str
    note: str
    comments: tuple[Comment, ...]
    at: int


_step = template_step.c
_columns = [_step[name] for name in Step.__struct_fields__]
_add = Statement(insert(template_step))
_of_template = Statement(
    select(*_columns)
    .where(_step.workspace_id == bindparam("workspace_id"), _step.template_id == bindparam("template_id"))
    .order_by(_step.id)
)


async def add(tx: Transaction, workspace_id: int, one: Step) -> None:
    """Write a step."""
    await tx.execute(
        _add,
        workspace_id=workspace_id,
        id=one.id,
        template_id=one.template_id,
        number=one.number,
        action=one.action.value,
        state=one.state.value,
        actor=one.actor,
        hash=one.hash,
        note=one.note,
        comments=msgspec.json.encode(one.comments).decode(),
        at=one.at,
    )


async def of_template(tx: Transaction, workspace_id: int, template_id: int) -> list[Step]:
    """Everything that was done to the versions of a template, in order."""
    rows = await tx.rows(_of_template, workspace_id=workspace_id, template_id=template_id)
    return [
        Step(
            id=row[0],
            template_id=row[1],
            number=row[2],
            action=Action(row[3]),
            state=VersionState(row[4]),
            actor=row[5],
            hash=row[6],
            note=row[7],
            comments=tuple(kept.read(row[8], list[Comment])),
            at=row[9],
        )
        for row in rows
    ]

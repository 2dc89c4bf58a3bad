"""Define the fields of contacts: look, create, change, delete."""

from __future__ import annotations

from angarium.accounts import audit
from angarium.contacts import fields
from angarium.contacts.fields import FieldDefinition
from angarium.contacts.store import fields as store
from angarium.contacts.store.fields import FieldRow
from angarium.core import ids
from angarium.core.problems import FieldProblem, Problem, all_invalid, not_found
from angarium.core.values import Json
from angarium.storage.database import Transaction
from angarium.storage.ground import Ground

DEFINITIONS_MAX = 200  # of one workspace: each is looked at for each contact that is written


async def every(ground: Ground, workspace_id: int) -> list[FieldRow]:
    """The defined fields of a workspace, oldest first."""
    return await ground.db.read(store.every, workspace_id)


async def get(ground: Ground, workspace_id: int, field_id: int) -> FieldRow:
    """One definition; a Problem when there is none."""
    return await ground.db.read(_found, workspace_id, field_id)


async def create(
    tx: Transaction, ground: Ground, workspace_id: int, given: FieldDefinition, actor: str = audit.CLI
) -> FieldRow:
    """Define a field. What contacts have under its name stays as it is until they are written again."""
    wrong = fields.check(given)
    if wrong:
        raise all_invalid("The field is not valid", wrong)
    known = await store.every(tx, workspace_id)
    if any(one.name == given.name for one in known):
        raise taken(given.name)
    if len(known) >= DEFINITIONS_MAX:
        detail = f"A workspace defines at most {DEFINITIONS_MAX} fields."
        raise Problem("invalid", "There are too many fields", detail=detail)
    now = ground.clock.now()
    made = FieldRow(
        ground.ids.mint(),
        given.name,
        given.kind.value,
        given.label,
        given.choices,
        given.currency,
        now,
        now,
    )
    await store.insert(tx, workspace_id, made)
    await audit.note(tx, workspace_id, actor, "field.created", ids.show("field", made.id), _told(made), now)
    return made


async def change(
    ground: Ground, workspace_id: int, field_id: int, given: FieldDefinition, actor: str = audit.CLI
) -> FieldRow:
    """Label, choices and currency as they are described now; name and kind stay what they are."""
    return await ground.db.run(_changed, workspace_id, field_id, given, actor, ground.clock.now())


async def _changed(
    tx: Transaction, workspace_id: int, field_id: int, given: FieldDefinition, actor: str, now: int
) -> FieldRow:
    before = await _found(tx, workspace_id, field_id)
    wrong = [*fields.check(given)]
    remedy = "delete the field and define another one"
    if given.name != before.name:
        wrong.append(FieldProblem("name", "cannot be changed", remedy, given.name))
    if given.kind.value != before.kind:
        wrong.append(FieldProblem("kind", "cannot be changed", remedy, given.kind.value))
    if wrong:
        raise all_invalid("The field is not valid", tuple(wrong))
    changed = FieldRow(
        before.id,
        before.name,
        before.kind,
        given.label,
        given.choices,
        given.currency,
        before.created_at,
        now,
    )
    await store.change(tx, workspace_id, changed)
    details = {"from": _told(before), "to": _told(changed)}
    await audit.note(tx, workspace_id, actor, "field.changed", ids.show("field", field_id), details, now)
    return changed


async def delete(ground: Ground, workspace_id: int, field_id: int, actor: str = audit.CLI) -> None:
    """Define it no more. What contacts have under its name stays, and may be anything from now on."""
    await ground.db.run(_deleted, workspace_id, field_id, actor, ground.clock.now())


async def _deleted(tx: Transaction, workspace_id: int, field_id: int, actor: str, now: int) -> None:
    before = await _found(tx, workspace_id, field_id)
    await store.remove(tx, workspace_id, field_id)
    subject = ids.show("field", field_id)
    await audit.note(tx, workspace_id, actor, "field.deleted", subject, _told(before), now)


def _told(one: FieldRow) -> Json:
    """A definition as the audit log tells of it."""
    return {"name": one.name, "kind": one.kind, "choices": list(one.choices), "currency": one.currency}


async def _found(tx: Transaction, workspace_id: int, field_id: int) -> FieldRow:
    for one in await store.every(tx, workspace_id):
        if one.id == field_id:
            return one
    raise not_found("field", ids.show("field", field_id))


def taken(name: str) -> Problem:
    """There is a field of this name."""
    wrong = FieldProblem("name", "there is a field of this name", "another name, or change that one", name)
    return all_invalid("The field is not valid", (wrong,))

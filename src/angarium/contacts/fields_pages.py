"""The HTML edge of the fields that a workspace defines for its contacts."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Annotated, Any

import msgspec

from angarium.accounts import edge
from angarium.accounts.edge import Call, Operation, Sent, ground_of, route
from angarium.accounts.pages import HtmlAnswer, form_of, problem_told, redirect, wrong_of
from angarium.contacts import fields_flows as flows
from angarium.contacts.fields import FieldDefinition, FieldKind
from angarium.contacts.store.fields import FieldRow
from angarium.core import ids
from angarium.core.decoding import Shape
from angarium.core.problems import Problem
from angarium.storage.database import Transaction

Text = Annotated[str, msgspec.Meta(max_length=300)]


class FieldsQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What has just been done."""

    done: Text = ""


QUERY = Shape(FieldsQuery)


@route("GET /contacts/fields", Operation(summary="Fields", scope="contacts:read", asks=QUERY, page=True))
async def list_fields(request: Call) -> Sent:
    """All that are defined, and the form of a new one."""
    return await _list_page(request, {})


async def _list_page(request: Call, typed: Mapping[str, str], problem: Problem | None = None) -> Sent:
    facts = {
        "every": await flows.every(ground_of(request), request.auth.workspace_id),
        "done": QUERY.read_query(request.scope["query_string"]).done,
        "shown_id": partial(ids.show, "field"),
        **_form_facts(typed, problem),
    }
    return HtmlAnswer("contacts/fields.html", facts, status=422 if problem else 200)


def _form_facts(typed: Mapping[str, str], problem: Problem | None) -> dict[str, Any]:
    return {
        "typed": typed,
        "field_kinds": [kind.value for kind in FieldKind],
        "problem": problem_told(problem),
        "wrong": wrong_of(problem),
    }


@route("POST /contacts/fields", Operation(summary="Define a field", scope="contacts:write", page=True))
async def create_field(request: Call) -> Sent:
    """One definition more; or the form again with what is wrong."""
    form, ground, caller = form_of(request), ground_of(request), request.auth

    async def work(tx: Transaction) -> FieldRow:
        return await flows.create(tx, ground, caller.workspace_id, described(form), caller.actor)

    try:
        await ground.db.run(work)
    except Problem as problem:
        return await _list_page(request, form, problem)
    return redirect("/contacts/fields?done=created")


@route("GET /contacts/fields/{field_id}", Operation(summary="A field", scope="contacts:write", page=True))
async def edit_field(request: Call) -> Sent:
    """The form of one: label, choices and currency."""
    one = await _found(request)
    choices = "\n".join(one.choices)
    typed = {
        "name": one.name,
        "kind": one.kind,
        "label": one.label,
        "choices": choices,
        "currency": one.currency,
    }
    return _edit_page(one, typed)


def _edit_page(one: FieldRow, typed: Mapping[str, str], problem: Problem | None = None) -> Sent:
    facts = {"one": one, "id": ids.show("field", one.id), **_form_facts(typed, problem)}
    return HtmlAnswer("contacts/field.html", facts, status=422 if problem else 200)


async def _found(request: Call) -> FieldRow:
    return await flows.get(ground_of(request), request.auth.workspace_id, edge.id_in_path(request, "field"))


@route(
    "POST /contacts/fields/{field_id}", Operation(summary="Change a field", scope="contacts:write", page=True)
)
async def change_field(request: Call) -> Sent:
    """The definition as it is described now; its name and kind stay."""
    one, form, caller = await _found(request), form_of(request), request.auth
    typed = {**form, "name": one.name, "kind": one.kind}
    try:
        await flows.change(ground_of(request), caller.workspace_id, one.id, described(typed), caller.actor)
    except Problem as problem:
        return _edit_page(one, typed, problem)
    return redirect("/contacts/fields?done=changed")


@route(
    "POST /contacts/fields/{field_id}/delete",
    Operation(summary="No field", scope="contacts:write", page=True),
)
async def delete_field(request: Call) -> Sent:
    """No definition any more; what contacts have there stays."""
    caller, field_id = request.auth, edge.id_in_path(request, "field")
    await flows.delete(ground_of(request), caller.workspace_id, field_id, caller.actor)
    return redirect("/contacts/fields?done=deleted")


def described(form: Mapping[str, str]) -> FieldDefinition:
    """The definition that a form describes: choices one a line; what the kind does not have is left out."""
    kind = form.get("kind", "")
    known = FieldKind(kind) if kind in set(FieldKind) else FieldKind.TEXT
    choices = (line.strip() for line in form.get("choices", "").splitlines())
    return FieldDefinition(
        form.get("name", "").strip(),
        known,
        form.get("label", "").strip(),
        tuple(one for one in choices if one) if known is FieldKind.CHOICE else (),
        form.get("currency", "").strip().upper() if known is FieldKind.MONEY else "",
    )


HANDLERS = (list_fields, create_field, edit_field, change_field, delete_field)

"""The JSON edge of the fields that a workspace defines for its contacts."""

from __future__ import annotations

import msgspec

from angarium.accounts import edge
from angarium.accounts.edge import Call, JsonAnswer, Operation, Page, PageQuery, route
from angarium.contacts import fields_flows as flows
from angarium.contacts.fields import FieldDefinition, FieldKind
from angarium.contacts.store.fields import FieldRow
from angarium.core import ids
from angarium.core.clock import iso
from angarium.core.decoding import Shape
from angarium.storage.database import Transaction


class FieldInput(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A field of contacts. `choices` go with a choice; `currency` with money that is in it alone."""

    name: str
    kind: FieldKind
    label: str = ""
    choices: tuple[str, ...] = ()
    currency: str = ""


class FieldShown(msgspec.Struct, frozen=True, kw_only=True):
    """A field of contacts."""

    id: str
    name: str
    kind: FieldKind
    label: str
    choices: tuple[str, ...]
    currency: str
    created_at: str
    updated_at: str


FIELD, QUERY = Shape(FieldInput), Shape(PageQuery)
EXAMPLE = FieldInput(name="bonus", kind=FieldKind.MONEY, label="Бонуси", currency="UAH")
SHOWN_EXAMPLE = FieldShown(
    id="fld_05a58xarj0000",
    name="bonus",
    kind=FieldKind.MONEY,
    label="Бонуси",
    choices=(),
    currency="UAH",
    created_at="2026-11-23T08:30:00.000Z",
    updated_at="2026-11-23T08:30:00.000Z",
)


@route(
    "GET /v1/contact-fields",
    Operation(
        summary="List the defined fields of contacts",
        scope="contacts:read",
        asks=QUERY,
        gives=Page[FieldShown],
        answer_example=Page([SHOWN_EXAMPLE]),
    ),
)
async def list_fields(request: Call) -> JsonAnswer:
    """In the order in which they were defined."""
    query = QUERY.read_query(request.scope["query_string"])
    every = await flows.every(edge.ground_of(request), request.auth.workspace_id)
    found, following = edge.piece(every, query, lambda one: one.id)
    return edge.answer(request, Page([shown(one) for one in found], following))


@route(
    "POST /v1/contact-fields",
    Operation(
        summary="Define a field of contacts",
        detail="From now on what is written there must be of its kind. What contacts have under this "
        "name stays as it is until they are written again.",
        scope="contacts:write",
        takes=FIELD,
        gives=FieldShown,
        status=201,
        once=True,
        example=EXAMPLE,
        answer_example=SHOWN_EXAMPLE,
    ),
)
async def create_field(request: Call) -> JsonAnswer:
    """One definition more."""
    body = await edge.read_body(request)
    given, ground, caller = FIELD.read(body), edge.ground_of(request), request.auth

    async def work(tx: Transaction) -> FieldShown:
        return shown(await flows.create(tx, ground, caller.workspace_id, _definition(given), caller.actor))

    return await edge.once(request, body, work, taken=flows.taken(given.name))


@route(
    "GET /v1/contact-fields/{field_id}",
    Operation(
        summary="Look at a defined field",
        scope="contacts:read",
        gives=FieldShown,
        problems=(404,),
        answer_example=SHOWN_EXAMPLE,
    ),
)
async def get_field(request: Call) -> JsonAnswer:
    """One definition."""
    field_id = edge.id_in_path(request, "field")
    return edge.answer(
        request, shown(await flows.get(edge.ground_of(request), request.auth.workspace_id, field_id))
    )


@route(
    "PUT /v1/contact-fields/{field_id}",
    Operation(
        summary="Change a defined field",
        detail="Label, choices and currency. Name and kind stay. Values that fit no more stay until they are "
        "written again.",
        scope="contacts:write",
        takes=FIELD,
        gives=FieldShown,
        problems=(404,),
        example=EXAMPLE,
        answer_example=SHOWN_EXAMPLE,
    ),
)
async def change_field(request: Call) -> JsonAnswer:
    """The definition as it is described now."""
    field_id = edge.id_in_path(request, "field")
    given = _definition(FIELD.read(await edge.read_body(request)))
    changed = await flows.change(
        edge.ground_of(request), request.auth.workspace_id, field_id, given, request.auth.actor
    )
    return edge.answer(request, shown(changed))


@route(
    "DELETE /v1/contact-fields/{field_id}",
    Operation(
        summary="Delete the definition of a field",
        detail="What contacts have there stays, and may be anything from now on.",
        scope="contacts:write",
        status=204,
        problems=(404,),
    ),
)
async def delete_field(request: Call) -> JsonAnswer:
    """No definition any more."""
    field_id = edge.id_in_path(request, "field")
    await flows.delete(edge.ground_of(request), request.auth.workspace_id, field_id, request.auth.actor)
    return edge.nothing(request)


def shown(one: FieldRow) -> FieldShown:
    """A definition for the outside."""
    return FieldShown(
        id=ids.show("field", one.id),
        name=one.name,
        kind=FieldKind(one.kind),
        label=one.label,
        choices=one.choices,
        currency=one.currency,
        created_at=iso(one.created_at),
        updated_at=iso(one.updated_at),
    )


def _definition(given: FieldInput) -> FieldDefinition:
    return FieldDefinition(given.name, given.kind, given.label, given.choices, given.currency)


HANDLERS = (list_fields, create_field, get_field, change_field, delete_field)

"""The JSON edge of what a person may ask for: everything that is kept of them, and that it goes."""

from __future__ import annotations

from typing import cast

import msgspec

from angarium.accounts import edge
from angarium.accounts.edge import Call, JsonAnswer, Operation, route
from angarium.core import ids
from angarium.messaging import dossier, erasing
from angarium.messaging.api import Desk
from angarium.messaging.erasing import Erasure


class ErasureShown(msgspec.Struct, frozen=True, kw_only=True):
    """What goes, or went, by table. Of so many messages count and cost stay, and say nothing of whom."""

    contact: str
    gone: dict[str, int]
    messages_that_stay_counted: int


EXAMPLE = ErasureShown(
    contact="con_05a58xarj0000",
    gone={"contact": 1, "address": 2, "message": 12, "attempt": 14, "inbound": 3},
    messages_that_stay_counted=12,
)


@route(
    "GET /v1/contacts/{contact_id}/erase",
    Operation(
        summary="Show what would go if a person were erased",
        scope="contacts:erase",
        gives=ErasureShown,
        problems=(404,),
        answer_example=EXAMPLE,
    ),
)
async def preview_erasure(request: Call) -> JsonAnswer:
    """Nothing is changed."""
    world, contact_id = _desk(request).world, edge.id_in_path(request, "contact")
    found = await world.ground.db.read(erasing.preview, request.auth.workspace_id, contact_id)
    return edge.answer(request, shown(found))


@route(
    "POST /v1/contacts/{contact_id}/erase",
    Operation(
        summary="Erase a person for good",
        detail="Every trace in every table goes: the contact and those that were merged into it, addresses, "
        "fields, words, what providers said. What is under way ends. It cannot be undone.",
        scope="contacts:erase",
        gives=ErasureShown,
        problems=(404,),
        answer_example=EXAMPLE,
    ),
)
async def erase_person(request: Call) -> JsonAnswer:
    """Nobody any more."""
    world, contact_id = _desk(request).world, edge.id_in_path(request, "contact")
    done = await erasing.erase(world, request.auth.workspace_id, contact_id, request.auth.actor)
    return edge.answer(request, shown(done))


@route(
    "GET /v1/contacts/{contact_id}/export",
    Operation(
        summary="Export everything that is kept of one person",
        detail="JSON, written as it is read: the contact, what it agreed to, every message with its attempts "
        "and timeline, everything it sent.",
        scope="contacts:erase",
        problems=(404,),
    ),
)
async def export_person(request: Call) -> edge.Streamed:
    """The dossier."""
    world, contact_id = _desk(request).world, edge.id_in_path(request, "contact")
    one = await dossier.of_contact(world, request.auth.workspace_id, contact_id)
    pieces = dossier.dossier(world, request.auth.workspace_id, one)
    return edge.Streamed(pieces, "application/json", f"{ids.show('contact', one.contact.id)}.json")


def shown(one: Erasure) -> ErasureShown:
    """An erasure for the outside."""
    return ErasureShown(
        contact=ids.show("contact", one.contact_id),
        gone=one.gone,
        messages_that_stay_counted=one.messages_that_stay_counted,
    )


def _desk(request: Call) -> Desk:
    return cast("Desk", request.scope["litestar_app"].state.messages)


HANDLERS = (preview_erasure, erase_person, export_person)

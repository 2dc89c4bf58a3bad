"""The JSON edge of parts: layouts and partials that templates share."""

from __future__ import annotations

from typing import Annotated

import msgspec

from angarium.accounts import edge
from angarium.accounts.edge import Call, JsonAnswer, Operation, Page, route
from angarium.content import parts
from angarium.content.parts import Use
from angarium.content.store import parts as store
from angarium.content.store.parts import Kept
from angarium.core.clock import iso
from angarium.core.decoding import Shape
from angarium.storage.database import Transaction


class PartInput(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a part says: Liquid, with MJML or HTML where it is for mail. A layout has `{{ content }}` once."""

    source: Annotated[str, msgspec.Meta(min_length=1, max_length=parts.SOURCE_MAX)]


class PartShown(msgspec.Struct, frozen=True, kw_only=True):
    """A part in one version."""

    name: str
    version: int
    source: str
    author: str
    created_at: str


class PartTold(PartShown, frozen=True, kw_only=True):
    """The newest version, and the templates that the part is in; those keep the version they were made of."""

    used_in: list[Use]


PART = Shape(PartInput)
EXAMPLE = PartInput("Shop, {{ city }}. To hear no more of us: {{ unsubscribe_url }}")
SHOWN_EXAMPLE = PartShown(
    name="footer",
    version=2,
    source=EXAMPLE.source,
    author="key_05a58xarj0000",
    created_at="2026-11-23T08:30:00.000Z",
)
TOLD_EXAMPLE = PartTold(**msgspec.structs.asdict(SHOWN_EXAMPLE), used_in=[Use("order-shipped", 3, 2)])


@route(
    "GET /v1/parts",
    Operation(
        summary="List the parts",
        detail="Layouts and partials that templates share, each in its newest version.",
        scope="setup:read",
        gives=Page[PartShown],
        answer_example=Page([SHOWN_EXAMPLE]),
    ),
)
async def list_parts(request: Call) -> JsonAnswer:
    """Every part."""
    found = await edge.ground_of(request).db.read(store.all_of, request.auth.workspace_id)
    return edge.answer(request, Page([_shown(one) for one in found]))


@route(
    "GET /v1/parts/{part}",
    Operation(
        summary="Look at a part",
        scope="setup:read",
        gives=PartTold,
        answer_example=TOLD_EXAMPLE,
        problems=(404,),
    ),
)
async def get_part(request: Call) -> JsonAnswer:
    """One, and where it is used."""
    name, workspace_id = edge.text_in_path(request, "part"), request.auth.workspace_id

    async def work(tx: Transaction) -> PartTold:
        found = (await parts.past(tx, workspace_id, name))[-1]
        used = await parts.uses(tx, workspace_id, name)
        return PartTold(**msgspec.structs.asdict(_shown(found)), used_in=used)

    return edge.answer(request, await edge.ground_of(request).db.read(work))


@route(
    "GET /v1/parts/{part}/versions",
    Operation(
        summary="List the versions of a part",
        detail="Oldest first.",
        scope="setup:read",
        gives=Page[PartShown],
        answer_example=Page([SHOWN_EXAMPLE]),
        problems=(404,),
    ),
)
async def list_part_versions(request: Call) -> JsonAnswer:
    """Its past."""
    name = edge.text_in_path(request, "part")
    found = await edge.ground_of(request).db.read(parts.past, request.auth.workspace_id, name)
    return edge.answer(request, Page([_shown(one) for one in found]))


@route(
    "PUT /v1/parts/{part}",
    Operation(
        summary="Write a part",
        detail="Its next version. It is in templates that are saved from now on; others keep what they say.",
        scope="templates:write",
        takes=PART,
        gives=PartShown,
        example=EXAMPLE,
        answer_example=SHOWN_EXAMPLE,
        problems=(404, 409),
    ),
)
async def put_part(request: Call) -> JsonAnswer:
    """A version of it."""
    name, given = edge.text_in_path(request, "part"), PART.read(await edge.read_body(request))
    ground, caller = edge.ground_of(request), request.auth
    new = await ground.db.run(
        parts.put, caller.workspace_id, name, given.source, caller.actor, ground.clock.now()
    )
    return edge.answer(request, _shown(new))


@route(
    "DELETE /v1/parts/{part}",
    Operation(
        summary="Delete a part",
        detail="Templates that have it in them keep what they say.",
        scope="templates:write",
        status=204,
        problems=(404,),
    ),
)
async def delete_part(request: Call) -> JsonAnswer:
    """All of its versions."""
    name, ground, caller = edge.text_in_path(request, "part"), edge.ground_of(request), request.auth
    await ground.db.run(parts.delete, caller.workspace_id, name, caller.actor, ground.clock.now())
    return edge.nothing(request)


def _shown(one: Kept) -> PartShown:
    return PartShown(
        name=one.part.name,
        version=one.part.version,
        source=one.part.source,
        author=one.author,
        created_at=iso(one.created_at),
    )


HANDLERS = (list_parts, get_part, list_part_versions, put_part, delete_part)

"""The JSON edge of cascades that are kept under a name."""

from __future__ import annotations

from typing import cast

import msgspec

from angarium.accounts import edge
from angarium.accounts.edge import Call, JsonAnswer, Operation, Page, route
from angarium.core import ids
from angarium.core.clock import iso
from angarium.core.decoding import Shape
from angarium.core.problems import FieldProblem
from angarium.core.values import Window
from angarium.messaging import cascade_uses, steps
from angarium.messaging import cascades as flows
from angarium.messaging.cascade import Step
from angarium.messaging.cascades import Advised, CascadeInput, Channels, Deletion
from angarium.storage.database import Transaction


class DeletionQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whether a cascade goes though systems have named it lately."""

    even_if_called: bool = False


CASCADE, DELETION = Shape(CascadeInput), Shape(DeletionQuery)


class CascadeShown(msgspec.Struct, frozen=True, kw_only=True):
    """A cascade, its steps as they are run."""

    id: str
    name: str
    steps: list[Step]
    digest: str  # the same for the same steps
    warnings: list[FieldProblem]  # where a message may come after its fallback
    created_at: str
    updated_at: str


EXAMPLE = CascadeInput(
    "vk-viber-sms",
    (
        Step(channel="vk_notify", success="read", wait_s=120.0),
        Step(
            channel="viber_business",
            wait_s=300.0,
            on={"blocked_by_user": "stop"},
            hours=Window("10:00", "20:00"),
        ),
        Step(line="sms-main", wait_s=86_400.0),
    ),
)
SHOWN_EXAMPLE = CascadeShown(
    id="cas_05a58xarj0000",
    name="vk-viber-sms",
    steps=[
        Step(channel="vk_notify", success="read", wait_s=120.0),
        Step(
            channel="viber_business",
            success="delivered",
            wait_s=300.0,
            on={"blocked_by_user": "stop"},
            hours=Window("10:00", "20:00"),
        ),
        Step(line="sms-main", success="delivered", wait_s=86_400.0),
    ],
    digest="6f9c6f1fd2d8b1b7c0f4d6a3e5b2c1a09f8e7d6c5b4a39281706f5e4d3c2b1a0",
    warnings=[],
    created_at="2026-11-23T08:30:00.000Z",
    updated_at="2026-11-23T08:30:00.000Z",
)
EXPLAINED = (
    "1 to 10 steps, each on a `channel` or a `line`. `success` is accepted, delivered or read; without it, "
    "delivered where the channel reports it, else accepted. `wait_s` runs from acceptance. `on` says what "
    "follows a reason: retry, line, next or stop. `hours` are those in which the step goes, by the contact's "
    "own clock. `warnings` are no errors."
)


@route(
    "GET /v1/cascades",
    Operation(
        summary="List the cascades",
        scope="setup:read",
        asks=edge.PAGE,
        gives=Page[CascadeShown],
        answer_example=Page([SHOWN_EXAMPLE]),
    ),
)
async def list_cascades(request: Call) -> JsonAnswer:
    """Every cascade, oldest first."""
    query = edge.PAGE.read_query(request.scope["query_string"])
    workspace_id = request.auth.workspace_id
    found = await flows.everything(edge.ground_of(request), _channels(request), workspace_id)
    cascades, following = edge.piece(found, query, lambda one: one.cascade.id)
    return edge.answer(request, Page([shown(one) for one in cascades], following))


@route(
    "POST /v1/cascades",
    Operation(
        summary="Create a cascade",
        detail=EXPLAINED,
        scope="setup:write",
        takes=CASCADE,
        gives=CascadeShown,
        status=201,
        once=True,
        example=EXAMPLE,
        answer_example=SHOWN_EXAMPLE,
    ),
)
async def create_cascade(request: Call) -> JsonAnswer:
    """A new cascade."""
    body = await edge.read_body(request)
    given, ground, channels = CASCADE.read(body), edge.ground_of(request), _channels(request)
    workspace_id, actor = request.auth.workspace_id, request.auth.actor

    async def work(tx: Transaction) -> CascadeShown:
        return shown(await flows.new_cascade(tx, ground, channels, workspace_id, given, actor))

    return await edge.once(request, body, work, taken=flows.taken(given.name))


@route(
    "GET /v1/cascades/{cascade_id}",
    Operation(
        summary="Look at a cascade",
        scope="setup:read",
        gives=CascadeShown,
        problems=(404,),
        answer_example=SHOWN_EXAMPLE,
    ),
)
async def get_cascade(request: Call) -> JsonAnswer:
    """One cascade."""
    cascade_id, workspace_id = edge.id_in_path(request, "cascade"), request.auth.workspace_id
    found = await flows.get(edge.ground_of(request), _channels(request), workspace_id, cascade_id)
    return edge.answer(request, shown(found))


@route(
    "PUT /v1/cascades/{cascade_id}",
    Operation(
        summary="Change a cascade",
        detail="Messages that are under way keep the steps they began with. " + EXPLAINED,
        scope="setup:write",
        takes=CASCADE,
        gives=CascadeShown,
        problems=(404,),
        example=EXAMPLE,
        answer_example=SHOWN_EXAMPLE,
    ),
)
async def change_cascade(request: Call) -> JsonAnswer:
    """The cascade as it is described now."""
    cascade_id, workspace_id = edge.id_in_path(request, "cascade"), request.auth.workspace_id
    given = CASCADE.read(await edge.read_body(request))
    ground, channels = edge.ground_of(request), _channels(request)
    actor = request.auth.actor
    changed = await flows.change(ground, channels, workspace_id, cascade_id, given, actor)
    return edge.answer(request, shown(changed))


@route(
    "DELETE /v1/cascades/{cascade_id}",
    Operation(
        summary="Delete a cascade",
        detail="Messages that are under way keep the steps they began with. 409 `in-use` names the campaigns "
        "that are not over and go by it; also when systems have named it within 30 days, unless "
        "`even_if_called` says that you have looked.",
        scope="setup:write",
        asks=DELETION,
        status=204,
        problems=(404, 409),
    ),
)
async def delete_cascade(request: Call) -> JsonAnswer:
    """No cascade any more."""
    cascade_id = edge.id_in_path(request, "cascade")
    query = DELETION.read_query(request.scope["query_string"])
    how = Deletion(
        cascade_uses.asked_by(request), cascade_uses.may_see(request), even_if_called=query.even_if_called
    )
    caller = request.auth
    await flows.delete(edge.ground_of(request), caller.workspace_id, cascade_id, caller.actor, how)
    return edge.nothing(request)


def shown(one: Advised) -> CascadeShown:
    """A cascade for the outside."""
    cascade = one.cascade
    return CascadeShown(
        id=ids.show("cascade", cascade.id),
        name=cascade.name,
        steps=list(cascade.steps),
        digest=steps.digest(cascade.steps),
        warnings=list(one.warnings),
        created_at=iso(cascade.created_at),
        updated_at=iso(cascade.updated_at),
    )


def _channels(request: Call) -> Channels:
    """The channels of the world: a service of the application."""
    return cast("Channels", request.scope["litestar_app"].state.channels)


HANDLERS = (list_cascades, create_cascade, get_cascade, change_cascade, delete_cascade)

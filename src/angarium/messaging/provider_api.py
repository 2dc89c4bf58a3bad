"""The JSON edge of what a line asks of its provider: our address there, who we are, its templates."""

from __future__ import annotations

import msgspec

from angarium.accounts import edge
from angarium.accounts.edge import Call, JsonAnswer, Operation, route
from angarium.core.ports import Profile
from angarium.lines.edge import line_in_path
from angarium.messaging import provider
from angarium.messaging.balances_api import line_of
from angarium.messaging.world import World


class Attached(msgspec.Struct, frozen=True):
    """Where the provider posts from now on."""

    callback_url: str


class Fetched(msgspec.Struct, frozen=True):
    """How many templates the provider told of, and how many of them it has approved."""

    templates: int
    approved: int


@route(
    "POST /v1/lines/{line_id}/attach",
    Operation(
        summary="Tell the provider where to post",
        detail="Where a provider takes the address of callbacks by its interface and not in a console of its "
        "own. `public_url` has to be set.",
        scope="setup:write",
        gives=Attached,
        problems=(404, 409, 422, 502),
        answer_example=Attached("https://angarium.example/callbacks/1f/Zm9v"),
    ),
)
async def attach(request: Call) -> JsonAnswer:
    """It posts to this line from now on."""
    line_id, world = await line_in_path(request), _world(request)
    line = line_of(world, request.auth.workspace_id, line_id)
    return edge.answer(request, Attached(await provider.attach(world, line, request.auth.actor)))


@route(
    "GET /v1/lines/{line_id}/profile",
    Operation(
        summary="What the provider says of a line's sender",
        detail="Asked while you wait: its name, state, quality and limit, in the provider's own words.",
        scope="setup:read",
        gives=Profile,
        problems=(404, 422, 502),
        answer_example=Profile("Shop", "CONNECTED", "GREEN", "TIER_1K", {}),
    ),
)
async def show_profile(request: Call) -> JsonAnswer:
    """Who we are there."""
    line_id, world = await line_in_path(request), _world(request)
    line = line_of(world, request.auth.workspace_id, line_id)
    return edge.answer(request, await provider.profile(world, line))


@route(
    "POST /v1/lines/{line_id}/templates",
    Operation(
        summary="Fetch the provider's templates",
        detail="Hears of all that the provider keeps as it stands now, as if it had posted each change; "
        "wordings that ask for one of them are approved or refused accordingly.",
        scope="templates:write",
        gives=Fetched,
        problems=(404, 422, 502),
        answer_example=Fetched(12, 11),
    ),
)
async def fetch_templates(request: Call) -> JsonAnswer:
    """As they stand now."""
    line_id, world = await line_in_path(request), _world(request)
    line = line_of(world, request.auth.workspace_id, line_id)
    told = await provider.fetch_templates(world, line, request.auth.actor)
    return edge.answer(request, Fetched(len(told), provider.approved(told)))


def _world(request: Call) -> World:
    world: World = request.scope["litestar_app"].state.messages.world
    return world


HANDLERS = (attach, show_profile, fetch_templates)

"""The JSON edge: how the servers of a database are doing."""

from __future__ import annotations

from typing import cast

from angarium.accounts import edge
from angarium.accounts.edge import Call, JsonAnswer, Operation, route
from angarium.core.fabric import Backlog
from angarium.messaging.world import World
from angarium.servers import status
from angarium.servers.rules import Whole
from angarium.servers.shown import (
    ClusterShown,
    FollowerShown,
    LaneShown,
    LineOwned,
    ServerShown,
    TurnShown,
    shown,
)

NAME, ROLES = "relay-1:8080", ("api", "worker", "console")
EXAMPLE = ClusterShown(
    at="2026-11-28T09:00:00Z",
    fabric="nats",
    revision="0055",
    least_revision="0055",
    servers=(
        ServerShown(
            name=NAME,
            number=0,
            roles=ROLES,
            version="0.1.0",
            revision="0055",
            started_at="2026-11-28T08:00:00Z",
            seen_at="2026-11-28T08:59:59Z",
            stopped_at=None,
            there=True,
            lines=1,
            waits={},
        ),
    ),
    lines=(
        LineOwned(
            id="lin_01k2m3n4p5q6r",
            name="sms",
            wanted=True,
            owner=NAME,
            epoch=1796810400000000,
            good_for_s=9.8,
            up=True,
            state="bound",
            queue={"service": LaneShown(3, 0.4)},
        ),
    ),
    turns=(TurnShown("notices", NAME, 9.8),),
    followers=(FollowerShown("activity", 0.0),),
    waits={},
    troubles=(),
    log=Backlog(entries=0, bytes=0, max_bytes=1 << 30),
)


@route(
    "GET /v1/servers",
    Operation(
        summary="Look at the servers",
        detail="All servers of the database, with their roles and versions, who owns which line of the"
        " workspace and for how long that is sure, what is due by line and class, who does what one does at a"
        " time, and what is wrong, in plain words with the remedy.",
        scope="servers:read",
        gives=ClusterShown,
        answer_example=EXAMPLE,
    ),
)
async def get_servers(request: Call) -> JsonAnswer:
    """How the servers are doing."""
    return edge.answer(request, shown(await whole_of(request)))


async def whole_of(request: Call) -> Whole:
    """All servers, and the lines of the workspace of whoever asks."""
    state = request.scope["litestar_app"].state
    world = cast("World", state.messages.world)
    ground, mine = world.ground, (request.auth.workspace_id,)
    return await ground.db.read(status.look, world.lines, mine, state.fabric_kind, ground.clock.now())


HANDLERS = (get_servers,)

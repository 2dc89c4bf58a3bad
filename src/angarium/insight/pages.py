"""The first page: what needs a person, how it goes now, what has gone through; or where to begin."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from angarium.accounts.edge import Call, Operation, Sent, route
from angarium.accounts.pages import HtmlAnswer
from angarium.insight import home as figures
from angarium.insight.needs import Need, wanted
from angarium.messaging.pages import names_in
from angarium.messaging.unknowns_api import world_of
from angarium.storage.database import Transaction


@route("GET /home", Operation(summary="The first page", scope="messages:read", page=True))
async def home(request: Call) -> Sent:
    """What somebody sees who comes in."""
    world, workspace_id = world_of(request), request.auth.workspace_id
    zone = request.user.zone
    needs = cast("Sequence[Need]", request.scope["litestar_app"].state.get("needs", ()))

    async def look(tx: Transaction) -> dict[str, Any]:
        return {
            "wanted": await wanted(tx, workspace_id, needs, request.auth.scopes),
            "lately": await figures.now(tx, world, workspace_id),
            "through": await figures.through(tx, workspace_id, world.ground.clock.now(), zone),
        }

    facts = await world.ground.db.read(look)
    through: figures.Through = facts["through"]
    return HtmlAnswer(
        "insight/home.html",
        {**facts, "names": names_in(world, workspace_id), "days": _chart(through)},
    )


def _chart(through: figures.Through) -> dict[str, Any]:
    """The days as `frontend/src/charts.js` wants them; the words come with the page."""
    return {
        "x": [int(begin.timestamp()) for begin, _ in through.days],
        "asked": [one.asked or None for _, one in through.days],
        "reached": [one.reached or None for _, one in through.days],
    }


HANDLERS = (home,)

"""The first page: what needs a person, how it goes now, what has gone through; or where to begin."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, cast

from angarium.accounts.edge import Call, Operation, Sent, route
from angarium.accounts.pages import HtmlAnswer, in_place, redirect
from angarium.core import ids
from angarium.core.values import amount_text
from angarium.insight import home as figures
from angarium.insight.needs import Need, wanted
from angarium.insight.savings import Savings, Told, beside
from angarium.messaging.pages import names_in
from angarium.messaging.unknowns_api import world_of
from angarium.storage.database import Transaction

# What the card of savings says things by.
SAYING = {
    "amount": amount_text,
    "line_id": partial(ids.show, "line"),
}


@route("GET /home", Operation(summary="The first page", scope="messages:read", page=True, alike=True))
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

    facts, kept = await world.ground.db.read(look), _savings(request)
    told, is_due = kept.at_hand(workspace_id, zone) if kept is not None else (None, False)
    through: figures.Through = facts["through"]
    return HtmlAnswer(
        "insight/home.html",
        {
            **facts,
            "names": names_in(world, workspace_id),
            "days": _chart(through),
            **_told(told, through),
            "due": is_due,
        },
    )


@route("GET /home/saved", Operation(summary="What cascades saved", scope="messages:read", page=True))
async def saved(request: Call) -> Sent:
    """A piece of the first page, which takes its time; by itself it leads there."""
    kept = _savings(request)
    if kept is None or not in_place(request):
        return redirect("/home")
    world, workspace_id, zone = world_of(request), request.auth.workspace_id, request.user.zone
    told = await kept.of(workspace_id, zone)
    through = await world.ground.db.read(figures.through, workspace_id, world.ground.clock.now(), zone)
    return HtmlAnswer("insight/saved.html", {**_told(told, through), "due": False})


def _told(told: Told | None, through: figures.Through) -> dict[str, Any]:
    """What the card of savings tells; nothing before it is counted."""
    if told is None:
        return {"told": None, **SAYING}
    today = beside(told, told.today, through.today_cost)
    return {"told": told, "today": today, "weeks": beside(told, told.weeks, through.whole_cost), **SAYING}


def _savings(request: Call) -> Savings | None:
    return cast("Savings | None", request.scope["litestar_app"].state.get("savings"))


def _chart(through: figures.Through) -> dict[str, Any]:
    """The days as `frontend/src/charts.js` wants them; the words come with the page."""
    return {
        "x": [int(begin.timestamp()) for begin, _ in through.days],
        "asked": [one.asked or None for _, one in through.days],
        "reached": [one.reached or None for _, one in through.days],
    }


HANDLERS = (home, saved)

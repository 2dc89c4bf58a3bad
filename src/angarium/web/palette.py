"""The command bar: pages by their names, and whatever the rooms find by a name, a number or an id.

A room that has things to be found gives a `Seeker` (assembly hands them over as the service `seekers`), which
looks for a few of its own; who lacks its scope does not ask it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated, cast

import msgspec

from angarium.accounts.edge import Call, Operation, Sent, ground_of, route
from angarium.accounts.flows import SELF
from angarium.accounts.pages import Hit, HtmlAnswer
from angarium.core.decoding import Shape
from angarium.storage.database import Transaction

FEW = 6  # of each kind that are shown
LEAST = 2  # characters before rooms are asked


Seeking = Callable[[Transaction, int, str, int], Awaitable[Sequence[Hit]]]  # workspace, what for, how many


class Seeker(msgspec.Struct, frozen=True):
    """Who looks for one kind of thing. Its words and its icon are those of the place `place`."""

    place: str
    scope: str
    icon: str
    seek: Seeking


class Asked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What somebody writes."""

    q: Annotated[str, msgspec.Meta(max_length=200)] = ""


ASKED = Shape(Asked)


@route("GET /search", Operation(summary="The command bar", scope=SELF, asks=ASKED, page=True))
async def search(request: Call) -> Sent:
    """What fits; a piece of a page."""
    text = ASKED.read_query(request.scope["query_string"]).q.strip()
    seekers = cast("Sequence[Seeker]", request.scope["litestar_app"].state.get("seekers", ()))
    found: list[tuple[Seeker, Sequence[Hit]]] = []
    if len(text) >= LEAST:
        found = await ground_of(request).db.read(_found, request, seekers, text)
    return HtmlAnswer("web/found.html", {"text": text, "found": found})


async def _found(
    tx: Transaction, request: Call, seekers: Sequence[Seeker], text: str
) -> list[tuple[Seeker, Sequence[Hit]]]:
    caller = request.auth
    asked = [one for one in seekers if one.scope in caller.scopes]
    found = [(one, await one.seek(tx, caller.workspace_id, text, FEW)) for one in asked]
    return [(one, hits) for one, hits in found if hits]

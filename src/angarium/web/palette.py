"""The command bar: pages by their names, and whatever the rooms find by a name, a number or an id.

Who lacks the scope of a room does not ask it (`accounts/finding.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, cast

import msgspec

from angarium.accounts.edge import Call, Operation, Sent, ground_of, route
from angarium.accounts.finding import Hit, Seeker
from angarium.accounts.flows import SELF
from angarium.accounts.pages import HtmlAnswer
from angarium.core.decoding import Shape
from angarium.storage.database import Transaction

FEW = 6  # of each kind that are shown
LEAST = 2  # characters before rooms are asked


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

"""The HTML edge of customers who have written and whom nobody knows yet."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlencode

import msgspec

from angarium.accounts import edge
from angarium.accounts.edge import Call, Operation, Sent, route
from angarium.accounts.pages import HtmlAnswer
from angarium.content import fetching
from angarium.core.clock import to_datetime
from angarium.core.decoding import Shape
from angarium.messaging import strangers
from angarium.messaging.people_pages import world_of

PAGE = 50


class StrangersQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """From where on."""

    cursor: Annotated[str, msgspec.Meta(max_length=300)] = ""


STRANGERS = Shape(StrangersQuery)


@route(
    "GET /contacts/strangers",
    Operation(summary="What came from no contact", scope="messages:read", asks=STRANGERS, page=True),
)
async def list_strangers(request: Call) -> Sent:
    """What customers wrote whom nobody knows yet, the newest first."""
    world, workspace_id = world_of(request), request.auth.workspace_id
    query = STRANGERS.read_query(request.scope["query_string"])
    place = edge.read_cursor(query.cursor)
    found, following = await world.ground.db.read(strangers.listing, world, workspace_id, place, PAGE)
    path = "/contacts/strangers"
    facts = {
        "found": found,
        "at": to_datetime,
        "anew": _new_contact,
        "own_files": fetching.url(world.public_url, ""),  # what lies elsewhere may want a key, or be anything
        "line_names": {line.id: line.name for line in world.lines.of(workspace_id)},
        "newest": path if query.cursor else "",
        "older": f"{path}?cursor={edge.cursor_after(following)}" if following else "",
    }
    return HtmlAnswer("contacts/strangers.html", facts)


def _new_contact(one: strangers.Unknown) -> str:
    """The form of a new contact, with what is known of them."""
    known = {"kind": one.kind.value, "value": one.said.sender, "name": one.said.name}
    return "/contacts/new?" + urlencode({name: text for name, text in known.items() if text})


HANDLERS = (list_strangers,)

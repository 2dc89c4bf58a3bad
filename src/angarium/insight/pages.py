"""The first page: how the workspace does, and where to begin when there is nothing yet."""

from __future__ import annotations

from angarium.accounts.edge import Call, Operation, Sent, route
from angarium.accounts.pages import HtmlAnswer


@route("GET /home", Operation(summary="The first page", scope="messages:read", page=True))
async def home(request: Call) -> Sent:
    """What somebody sees who comes in."""
    return HtmlAnswer("insight/home.html", {})


HANDLERS = (home,)

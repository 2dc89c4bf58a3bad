"""Where links that are counted lead by, and the picture that tells of an opening: open to everybody.

Whoever follows a link is led on with a 302, which nobody keeps, to an address that stands in a message of
ours and to no other. No cookie is set, and neither the address of whoever comes nor what their program calls
itself is written down. Whoever brings tokens that are none of ours is told to wait after a while.
"""

from __future__ import annotations

import tomllib
from base64 import b64decode
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import cast

from angarium.accounts import edge
from angarium.accounts.edge import Call, JsonAnswer, Operation, Sent, route
from angarium.accounts.limits import address_of
from angarium.accounts.pages import HtmlAnswer, limits_of
from angarium.messaging import links, robots, tracking
from angarium.messaging.api import Desk
from angarium.messaging.links import PIXEL
from angarium.messaging.store import links as store
from angarium.messaging.store.links import Link

PICTURE = b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")  # GIF89a, 1 × 1, transparent
IS_GIF = (b"content-type", b"image/gif")
IS_TEXT = (b"content-type", b"text/plain")
UNKEPT = ((b"cache-control", b"no-store"), (b"referrer-policy", b"no-referrer"))
UNLISTED = (b"x-robots-tag", b"noindex, nofollow")
RIGHT_TO_LEFT = {"fa", "ar"}
DEFAULT = "en"
LANGUAGES_MAX = 10  # of a header that are looked at


@route(
    "GET /l/{token}",
    Operation(
        summary="Follow a link that is counted",
        detail="Leads on to the address in the message. It is counted a little later, by whom it looks like.",
        scope=None,
        status=302,
        problems=(404, 429),
    ),
)
async def follow(request: Call) -> Sent:
    """On to where the message leads."""
    return await _lead_on(request)


@route(
    "HEAD /l/{token}",
    Operation(
        summary="Ask where a link that is counted leads",
        detail="As GET; it counts as a robot.",
        scope=None,
        status=302,
        problems=(404, 429),
    ),
)
async def look(request: Call) -> Sent:
    """The same without a body."""
    return await _lead_on(request)


@route(
    "GET /o/{token}",
    Operation(
        summary="Load the picture that tells of an opening",
        detail="`{token}.gif`, one transparent pixel.",
        scope=None,
        problems=(404, 429),
    ),
)
async def picture(request: Call) -> JsonAnswer:
    """A picture that nobody sees."""
    found = await _found(request)
    if found is None or found.url != PIXEL:
        return JsonAnswer(404, b"", (IS_TEXT, *UNKEPT))
    _count(request, found, is_picture=True)
    return JsonAnswer(200, PICTURE, (IS_GIF, *UNKEPT))


async def _lead_on(request: Call) -> Sent:
    found = await _found(request)
    if found is None or found.url == PIXEL:
        return _gone(request)
    _count(request, found, is_picture=False)
    return JsonAnswer(302, b"", (IS_TEXT, (b"location", links.location(found.url)), *UNKEPT, UNLISTED))


async def _found(request: Call) -> Link | None:
    """What a token leads to. Only those that are none of ours are counted against whoever brings them."""
    ground = edge.ground_of(request)
    link_id = tracking.names(ground).read(edge.text_in_path(request, "token"))
    found = None if link_id is None else await ground.db.read(store.by_id, link_id)
    if found is None:
        limits_of(request).bad_links.take(address_of(request.scope))
    return found


def _count(request: Call, found: Link, *, is_picture: bool) -> None:
    desk = cast("Desk", request.scope["litestar_app"].state.messages)
    method, headers = request.scope["method"], dict(request.scope["headers"])
    desk.engine.visits.add(found, robots.by_headers(method, headers, picture=is_picture))


def _gone(request: Call) -> HtmlAnswer:
    """A page for people, in the first of their languages that we have."""
    headers = dict(request.scope["headers"])
    wanted = headers.get(b"accept-language", b"").decode("latin-1").lower().split(",")[:LANGUAGES_MAX]
    spoken = (one.partition(";")[0].strip().partition("-")[0] for one in wanted)
    language = next((one for one in spoken if one in _words()), DEFAULT)
    facts = {"words": _words()[language], "locale": language, "rtl": language in RIGHT_TO_LEFT}
    return HtmlAnswer("messaging/link_gone.html", facts, status=404, headers=(UNLISTED,))


@cache
def _words() -> Mapping[str, Mapping[str, str]]:
    return tomllib.loads(files(__package__).joinpath("links.toml").read_text(encoding="utf-8"))


HANDLERS = (follow, look, picture)

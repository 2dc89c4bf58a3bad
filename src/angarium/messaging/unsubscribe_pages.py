"""The page behind the link by which a person leaves: looking at it changes nothing, pressing its button does.

Programs that look at mail follow its links, so that a GET may do nothing (RFC 8058 §3.1); what a mail program
sends when its own button is pressed is a POST, and needs no page. Both need the link and nothing else: no
session, no cookie, no login. Whoever brings links that are none of ours is told to wait after a while.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import cast

from angarium.accounts import edge
from angarium.accounts.edge import Call, Operation, route
from angarium.accounts.limits import address_of
from angarium.accounts.pages import HtmlAnswer, limits_of
from angarium.core.values import MessageClass
from angarium.messaging import optout, unsubscribe
from angarium.messaging.api import Desk
from angarium.messaging.case import wake
from angarium.messaging.unsubscribe import Left

BODY_MAX_BYTES = 4_096
AGENT_MAX = 200  # characters
RIGHT_TO_LEFT = {"fa", "ar"}
DEFAULT = "en"


@route(
    "GET /u/{token}",
    Operation(summary="The page on which a person unsubscribes", scope=None, problems=(429,)),
)
async def ask(request: Call) -> HtmlAnswer:
    """The question and the button; nothing is changed."""
    left = _left(request)
    if left is None:
        return _page("gone", DEFAULT, status=404)
    world = _desk(request).world
    leaving = await world.ground.db.read(optout.leaving, left)
    if leaving is None:
        return _page("gone", DEFAULT, status=404)
    return _page("ask", leaving.locale, service=leaving.message_class is MessageClass.SERVICE)


@route(
    "POST /u/{token}",
    Operation(
        summary="Unsubscribe",
        detail="What a mail program sends for `List-Unsubscribe-Post` (RFC 8058), and the page's button.",
        scope=None,
        problems=(400, 408, 413, 429),
    ),
)
async def leave(request: Call) -> HtmlAnswer:
    """No more of it, from this moment on; asked again it changes nothing."""
    left = _left(request)
    body = await edge.read_raw(request, BODY_MAX_BYTES)
    if left is None:
        return _page("gone", DEFAULT, status=404)
    world = _desk(request).world
    now = world.ground.clock.now()
    leaving, cases = await world.ground.db.run(optout.unsubscribe, world, left, _proof(request, body), now)
    wake(world, cases)
    if leaving is None:
        return _page("gone", DEFAULT, status=404)
    return _page("done", leaving.locale)


def _desk(request: Call) -> Desk:
    return cast("Desk", request.scope["litestar_app"].state.messages)


def _left(request: Call) -> Left | None:
    """What the link names. Only links that are none of ours are counted: those that are cannot be guessed,
    and a mail provider brings them for many people from one address."""
    found = unsubscribe.read(edge.ground_of(request).vault, edge.text_in_path(request, "token"))
    if found is None:
        limits_of(request).bad_links.take(address_of(request.scope))
    return found


def _proof(request: Call, body: bytes) -> dict[str, str]:
    headers = dict(request.scope["headers"])
    agent = headers.get(b"user-agent", b"").decode("latin-1")
    one_click = b"one-click" in body.lower()
    return {
        "ip": (request.scope["client"] or ("", 0))[0],
        "agent": "".join(letter for letter in agent if letter.isprintable())[:AGENT_MAX],
        "by": "one_click" if one_click else "page",
    }


def _page(phase: str, locale: str, *, service: bool = False, status: int = 200) -> HtmlAnswer:
    language = locale.partition("-")[0]
    language = language if language in _words() else DEFAULT
    words = dict(_words()[language])
    words["question"] = words["question_service"] if service else words["question"]
    facts = {"phase": phase, "words": words, "locale": language, "rtl": language in RIGHT_TO_LEFT}
    return HtmlAnswer("messaging/unsubscribe.html", facts, status=status)


@cache
def _words() -> Mapping[str, Mapping[str, str]]:
    return tomllib.loads(files(__package__).joinpath("unsubscribe.toml").read_text(encoding="utf-8"))


HANDLERS = (ask, leave)

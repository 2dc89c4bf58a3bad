"""What stands around every answer, whoever makes it: the headers that guard it, and the last resort.

It is the outermost layer, so that the framework's own answers have the headers too, and that an error behind
which nothing else stands (one in drawing a page, in sending, in telling of another error) is told and logged
as every other. Bytes that are no HTTP never come as far as here: see `server.py`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from angarium.storage.ground import Ground
from angarium.web.copies import HEARD
from angarium.web.counting import counted
from angarium.web.problems import unforeseen

# An answer is data, to be neither kept, nor guessed at, nor shown inside another page. What is otherwise says
# so itself: a page, that it loads its style; the style, that it may be kept.
GUARD = (
    (b"x-content-type-options", b"nosniff"),
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
)
GUARDED = frozenset([name for name, _ in GUARD])
TLS_ONLY = (b"strict-transport-security", b"max-age=31536000")  # RFC 6797 §7.2: never over plain HTTP

# What monitors ask by HEAD (RFC 9110 §9.3.2); the server around leaves the words out. Elsewhere to look may
# mean something: a link is followed, a file taken.
HEAD_TOO = frozenset({"/health/live", "/health/ready", "/health/receiving", "/metrics"})

Headers = list[tuple[bytes, bytes]]


def guarded(headers: Iterable[tuple[bytes, bytes]], scheme: str) -> Headers:
    """The headers of an answer, with those that it does not have itself."""
    own = [(name.lower(), value) for name, value in headers]
    names = {name for name, _ in own}
    own += GUARD if GUARDED.isdisjoint(names) else [one for one in GUARD if one[0] not in names]
    return [*own, TLS_ONLY] if scheme == "https" else own


def _has_heard(scope: Any) -> bool:
    """Whether a page asks that was told of a change."""
    return any(name == HEARD for name, _ in scope["headers"])


class Frame:
    """An ASGI application around another. `app` is Litestar's, which holds the ground."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer a request."""
        started = False
        if scope["type"] == "http" and scope["method"] == "HEAD" and scope["path"] in HEAD_TOO:
            scope = {**scope, "method": "GET"}

        async def framed(message: Any) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                message = {**message, "headers": guarded(message.get("headers", ()), scope["scheme"])}
            await send(message)

        answered = self._app(scope, receive, framed)
        try:
            await (counted(answered, self._app.state.copies.spend) if _has_heard(scope) else answered)
        except Exception as error:
            ground: Ground = self._app.state.ground
            answer = unforeseen(ground.chance, scope, error)
            if (
                not started
            ):  # else the connection is closed in the middle: nobody can take a half for the whole
                await answer(scope, receive, framed)

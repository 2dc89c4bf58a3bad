"""What a server answers that stands by: that it lives, that no traffic is for it, and nothing else.

A machine is told by a problem; a person by a page in their language, with what it loads, which looks again by
itself and goes on where the person wanted to be once this server is on duty.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import msgspec

from angarium.accounts import pages
from angarium.core.problems import Problem
from angarium.web.assets import ASSETS
from angarium.web.health import Health
from angarium.web.look import look_of
from angarium.web.problems import PROBLEM_JSON
from angarium.web.shell import Shell

RETRY_AFTER_S = 5
WHY = "Another server is on duty on this database. This one takes over when that one ends."
JSON = ((b"content-type", b"application/json"),)
API, STATIC = "/v1/", "/static/"

Headers = tuple[tuple[bytes, bytes], ...]


class StandingBy:
    """An ASGI application that keeps nothing but which server is on duty, as far as that is known."""

    state: Mapping[str, Any] = MappingProxyType({})  # as Litestar's; the server asks it for streams to end

    def __init__(self) -> None:
        self.on_duty = ""
        self.trouble = ""  # what keeps it from asking who that is
        self._shell = Shell()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer a request."""
        asset = ASSETS.get(scope["path"].removeprefix(STATIC)) if scope["path"].startswith(STATIC) else None
        if asset is not None:
            await asset(scope, receive, send)
            return
        status, head, body = self._answer(scope)
        headers = [*head, (b"content-length", b"%d" % len(body))]
        if status != 200:
            headers.append((b"retry-after", b"%d" % RETRY_AFTER_S))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})

    def _answer(self, scope: Mapping[str, Any]) -> tuple[int, Headers, bytes]:
        match scope["path"]:
            case "/health/live":
                return 200, JSON, msgspec.json.encode(Health("live"))
            case "/health/ready":
                checks = {"database": self.trouble} if self.trouble else {"duty": WHY}
                return 503, JSON, msgspec.json.encode(Health("not ready", checks))
        if _is_for_people(scope):
            page = self._shell.draw_alone("web/standing_by.html", {"on_duty": self.on_duty}, look_of(scope))
            # a header, so that no page that is read aloud begins anew by its own markup (WCAG 2.2, F41)
            return 503, (*pages.HEADERS, (b"refresh", b"%d" % RETRY_AFTER_S)), page.encode()
        problem = Problem("standing-by", "This server stands by", status=503, detail=WHY)
        return 503, (PROBLEM_JSON,), msgspec.json.encode(problem.document())


def _is_for_people(scope: Mapping[str, Any]) -> bool:
    """Whether a browser asks for a page."""
    accepted = dict(scope["headers"]).get(b"accept", b"")
    return b"text/html" in accepted and not scope["path"].startswith(API)

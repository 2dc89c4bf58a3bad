"""What a server answers that stands by: that it lives, that no traffic is for it, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import msgspec

from angarium.core.problems import Problem
from angarium.web.health import Health
from angarium.web.problems import PROBLEM_JSON

RETRY_AFTER_S = 5
WHY = "Another server is on duty on this database. This one takes over when that one ends."
JSON = (b"content-type", b"application/json")


class StandingBy:
    """An ASGI application that keeps nothing."""

    state: Mapping[str, Any] = MappingProxyType({})  # as Litestar's; the server asks it for streams to end

    async def __call__(self, scope: Any, _receive: Any, send: Any) -> None:
        """Answer a request."""
        match scope["path"]:
            case "/health/live":
                status, head, body = 200, JSON, msgspec.json.encode(Health("live"))
            case "/health/ready":
                status, head, body = 503, JSON, msgspec.json.encode(Health("not ready", {"duty": WHY}))
            case _:
                problem = Problem("standing-by", "This server stands by", status=503, detail=WHY)
                status, head, body = 503, PROBLEM_JSON, msgspec.json.encode(problem.document())
        headers = [head, (b"content-length", b"%d" % len(body))]
        if status != 200:
            headers.append((b"retry-after", b"%d" % RETRY_AFTER_S))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})

"""Whether the process lives, whether traffic may be sent to it, and what it has counted."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import msgspec
from prometheus_client import generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from angarium.accounts.edge import Call, JsonAnswer, Operation, answer, route
from angarium.config import ROLES

Check = Callable[[], Awaitable[str]]  # "" when all is well, else a sentence; for the eyes of anybody

CHECK_WITHIN_S = 2.0


async def nothing_wrong() -> str:
    """A check of what cannot fail."""
    return ""


class Health(msgspec.Struct, frozen=True):
    """How it is, and what it does."""

    status: str
    checks: dict[str, str] = {}
    warnings: dict[str, str] = {}
    roles: tuple[str, ...] = ()


@route(
    "GET /health/live",
    Operation(
        summary="Whether the process lives",
        scope=None,
        gives=Health,
        detail="Restart it when this does not answer. It asks nobody: not the database, not a provider.",
        answer_example=Health("live", roles=ROLES),
    ),
)
async def live(request: Call) -> JsonAnswer:
    """Always, if at all."""
    return answer(request, Health("live", roles=_roles(request)))


@route(
    "GET /health/ready",
    Operation(
        summary="Whether traffic may be sent here",
        scope=None,
        gives=Health,
        detail="503 while something that accepting needs does not work; `checks` says what. `warnings`: what "
        "somebody should look at, though messages are accepted.",
        answer_example=Health("ready", {"database": "ok"}, roles=ROLES),
        problems=(503,),
    ),
)
async def ready(request: Call) -> JsonAnswer:
    """Each check, all at once, within a bounded time."""
    checks = request.app.state.ready
    said = await asyncio.gather(*(_asked(check) for check in checks.values()))
    found = {name: words or "ok" for name, words in zip(checks, said, strict=True)}
    if any(said):
        return JsonAnswer(503, msgspec.json.encode(Health("not ready", found, roles=_roles(request))))
    noticed = {name: await _asked(check) for name, check in request.app.state.notices.items()}
    told = {name: words for name, words in noticed.items() if words}
    return answer(request, Health("ready", found, told, _roles(request)))


def _roles(request: Call) -> tuple[str, ...]:
    return tuple(request.app.state.roles)


@route(
    "GET /health/receiving",
    Operation(
        summary="Whether what providers send may be sent here",
        scope=None,
        gives=Health,
        detail="For a proxy before `/callbacks`: where the servers have a log that takes what providers send "
        "while the database is away, this is 200 though `/health/ready` is not. Else both say the same.",
        answer_example=Health("receiving", {"callbacks": "ok"}, roles=ROLES),
        problems=(503,),
    ),
)
async def receiving(request: Call) -> JsonAnswer:
    """Whether callbacks can be kept."""
    words = await _asked(request.app.state.receiving)
    if words:
        told = Health("not receiving", {"callbacks": words}, roles=_roles(request))
        return JsonAnswer(503, msgspec.json.encode(told))
    return answer(request, Health("receiving", {"callbacks": "ok"}, roles=_roles(request)))


async def _asked(check: Check) -> str:
    try:
        async with asyncio.timeout(CHECK_WITHIN_S):
            return await check()
    except TimeoutError:
        return f"no answer within {CHECK_WITHIN_S:g} s"
    except Exception as error:
        return f"failed: {type(error).__name__}"  # its text may tell of the inside


@route(
    "GET /metrics",
    Operation(summary="Counters for Prometheus", scope=None, gives=str, answer_example="# HELP …"),
)
async def metrics(request: Call) -> JsonAnswer:
    """The text format of Prometheus."""
    text = generate_latest(request.app.state.registry)
    return JsonAnswer(200, text, ((b"content-type", CONTENT_TYPE_LATEST.encode()),))


HEALTH = (live, ready, receiving, metrics)

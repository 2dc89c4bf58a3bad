"""One ASGI application of the handlers it is given: auth in front, problems behind, health beside.

It knows no room by name; assembly hands it their handlers and what these need.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from functools import lru_cache
from typing import Any

from litestar import Litestar, Request
from litestar.datastructures import State
from litestar.exceptions import HTTPException
from litestar.handlers import HTTPRouteHandler
from litestar.types import Message, Scope
from prometheus_client import CollectorRegistry

from angarium.accounts.edge import Operation
from angarium.accounts.entering import Reception
from angarium.accounts.flows import Gate
from angarium.accounts.limits import Limits
from angarium.core.problems import Problem
from angarium.storage.database import Conflict
from angarium.storage.ground import Ground
from angarium.web import live, look, palette, problems, shell
from angarium.web.assets import asset
from angarium.web.auth import authorise
from angarium.web.health import HEALTH, Check
from angarium.web.metrics import Meter
from angarium.web.openapi import document, publish
from angarium.web.shell import Shell, rooms_of

BODY_MAX_BYTES = 10_000_000  # of a batch; single things are held to less (accounts/edge.py)

OURS = (asset, look.choose, live.live, palette.search)  # handlers that belong to no room

# Litestar's types ask for its own Response; its code asks for `to_asgi_response`, which ours has.
PROBLEMS: Any = {
    Problem: shell.for_people(problems.of_problem),
    HTTPException: shell.for_people(problems.of_framework),
    Conflict: shell.for_people(problems.of_conflict),
    Exception: shell.for_people(problems.of_anything),
}


def make_app(
    handlers: Sequence[HTTPRouteHandler],
    ground: Ground,
    *,
    ready: Mapping[str, Check],
    registry: CollectorRegistry,
    body_max_bytes: int = BODY_MAX_BYTES,
    services: Mapping[str, Any] | None = None,
    limits: Limits | None = None,
    notices: Mapping[str, Check] | None = None,
) -> Litestar:
    """The application. Each handler is made by `accounts.edge.route`.

    `ready` has a function for each thing that must work before traffic is sent here: it returns "" or a
    sentence that says what is wrong; `notices` are what somebody should look at though all of it works.
    `services` are found by handlers as `request.app.state.<name>`. Without `limits` anybody may ask as often
    as they like.
    """
    routes, drawing = put_together(tuple(handlers))
    limits = limits or Limits(ground.clock)
    app = copy(routes)
    app.state = State(
        {
            "reception": Reception(ground),
            **(services or {}),
            "ground": ground,
            "limits": limits,
            "authorise": authorise(Gate(ground), limits),
            "meter": Meter(registry, ground.clock),
            "ready": ready,
            "notices": notices or {},
            "registry": registry,
            "body_max_bytes": body_max_bytes,
            "shell": drawing,
            "pulse": live.Pulse(ground),
        }
    )
    return app


@lru_cache(maxsize=8)
def put_together(handlers: tuple[HTTPRouteHandler, ...]) -> tuple[Litestar, Shell]:
    """What is the same in every application of these handlers, and costs a fifth of a second to make.

    It has no state of its own: what a request needs is found in the application that it reached.
    """
    routes = [*HEALTH, *handlers, *OURS]
    operations = operations_of(routes)
    made = Litestar(
        route_handlers=[*routes, publish(document([one for one in operations if not one[2].page]))],
        before_request=_arriving,
        before_send=[_leaving],
        exception_handlers=PROBLEMS,
        openapi_config=None,
        logging_config=None,
        debug=False,
        request_max_body_size=None,  # bodies are read by accounts.edge.read_body, which counts
    )
    return made, Shell(rooms_of(routes), [path for _, path, _ in operations])


async def _arriving(request: Request[Any, Any, Any]) -> None:
    state = request.app.state
    state.meter.arrived(request.scope)
    await state.authorise(request)


async def _leaving(message: Message, scope: Scope) -> None:
    await scope["litestar_app"].state.meter.sent(message, scope)


def operations_of(handlers: Sequence[HTTPRouteHandler]) -> list[tuple[str, str, Operation]]:
    """Method, path and operation of each handler; ValueError when one does not say who may call it."""
    found: list[tuple[str, str, Operation]] = []
    for handler in handlers:
        operation: Operation | None = handler.opt.get("operation")
        if operation is None:
            raise ValueError(f"{handler} has no operation: make it with accounts.edge.route")
        found += [(str(method), path, operation) for method in handler.http_methods for path in handler.paths]
    return found

"""One ASGI application of the handlers it is given: auth in front, problems behind, health beside.

It knows no room by name; assembly hands it their handlers and what these need.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from copy import copy
from functools import lru_cache
from typing import Any, cast

from litestar import Litestar, Request
from litestar.datastructures import State
from litestar.exceptions import HTTPException
from litestar.handlers import HTTPRouteHandler
from litestar.types import Message, Scope
from prometheus_client import CollectorRegistry

from angarium.accounts import edge
from angarium.accounts.edge import Operation, Sent
from angarium.accounts.entering import Reception
from angarium.accounts.flows import Gate
from angarium.accounts.lately import PATH_MAX, Asked, Lately
from angarium.accounts.limits import Limits
from angarium.config import ROLES
from angarium.core.problems import Problem
from angarium.storage.database import Conflict
from angarium.storage.ground import Ground
from angarium.storage.vault import NotOpened
from angarium.web import live, look, palette, problems, shell
from angarium.web.assets import asset
from angarium.web.auth import authorise
from angarium.web.copies import Copies
from angarium.web.direct import Around, Direct
from angarium.web.health import HEALTH, Check, nothing_wrong
from angarium.web.metrics import BEGAN, Meter
from angarium.web.openapi import document, publish
from angarium.web.roles import must_answer
from angarium.web.shell import Shell, rooms_of

BODY_MAX_BYTES = 10_000_000  # of a batch; single things are held to less (accounts/edge.py)

API = "/v1/"  # the addresses of which the developers' page tells
OURS = (asset, look.choose, live.live, palette.search)  # handlers that belong to no room

# Litestar's types ask for its own Response; its code asks for `to_asgi_response`, which ours has.
PROBLEMS: Any = {
    Problem: shell.for_people(problems.of_problem),
    HTTPException: shell.for_people(problems.of_framework),
    NotOpened: shell.for_people(problems.of_not_opened),
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
    receiving: Check = nothing_wrong,
    roles: Collection[str] = ROLES,
) -> Litestar:
    """The application. Each handler is made by `accounts.edge.route`.

    `ready` has a function for each thing that must work before traffic is sent here: it returns "" or a
    sentence that says what is wrong; `notices` are what somebody should look at though all of it works;
    `receiving` is the same of what providers send. Of what `roles` do not have it is told that another server
    answers it.
    `services` are found by handlers as `request.app.state.<name>`. Without `limits` anybody may ask as often
    as they like.
    """
    routes, drawing, told = put_together(tuple(handlers))
    limits = limits or Limits(ground.clock)
    app, copies = copy(routes), Copies(ground)
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
            "receiving": receiving,
            "registry": registry,
            "body_max_bytes": body_max_bytes,
            "shell": drawing,
            "copies": copies,
            "pulse": live.Pulse(ground, copies),
            "openapi": told,
            "lately": (services or {}).get("lately") or Lately(),
            "roles": roles,
        }
    )
    return app


@lru_cache(maxsize=8)
def put_together(handlers: tuple[HTTPRouteHandler, ...]) -> tuple[Litestar, Shell, dict[str, Any]]:
    """What is the same in every application of these handlers, and costs a fifth of a second to make.

    It has no state of its own: what a request needs is found in the application that it reached.
    """
    routes = [*HEALTH, *handlers, *OURS]
    operations = operations_of(routes)
    told = document([one for one in operations if not (one[2].page or one[2].shape_of)])
    made = Direct(
        route_handlers=[*routes, publish(told)],
        before_request=_arriving,
        before_send=[_leaving],
        exception_handlers=PROBLEMS,
        openapi_config=None,
        logging_config=None,
        debug=False,
        request_max_body_size=None,  # bodies are read by accounts.edge.read_body, which counts
    )
    made.take_the_short_way(handlers, Around(_arriving, _leaving, PROBLEMS))
    seen = [path for method, path, operation in operations if operation.page and method == "GET"]
    return made, Shell(rooms_of(routes), seen), told


async def _arriving(request: Request[Any, Any, Any]) -> Sent | None:
    state = request.app.state
    state.meter.arrived(request.scope)
    operation: Operation | None = request.scope["route_handler"].opt.get("operation")
    if len(state.roles) < len(ROLES):
        must_answer(request.scope, state.roles, operation)
    await state.authorise(request)
    ours = operation is not None and operation.scope is not None and request.scope["path"].startswith(API)
    edge.listing(request.scope["path"] if ours else "")
    if ours:
        edge.refuse_unasked(cast("dict[str, Any]", request.scope))
    copies: Copies = state.copies
    return await copies.answer(request) if operation is not None and operation.alike else None


async def _leaving(message: Message, scope: Scope) -> None:
    state = scope["litestar_app"].state
    await state.meter.sent(message, scope)
    if message["type"] == "http.response.start" and "auth" in scope and scope["path"].startswith(API):
        _remember(state, message["status"], cast("Mapping[str, Any]", scope))


def _remember(state: State, status: int, scope: Mapping[str, Any]) -> None:
    """A request of the API and how it ended, for the developers' page."""
    caller, ground = scope["auth"], state.ground
    asked = Asked(
        at=ground.clock.now(),
        method=scope["method"],
        path=scope["path"][:PATH_MAX],
        status=status,
        took_s=ground.clock.monotonic() - scope.get(BEGAN, 0.0),
        actor=caller.actor,
        problem=scope.get(problems.PROBLEM, ""),
    )
    state.lately.note(caller.workspace_id, asked)


def operations_of(handlers: Sequence[HTTPRouteHandler]) -> list[tuple[str, str, Operation]]:
    """Method, path and operation of each handler; ValueError when one does not say who may call it."""
    found: list[tuple[str, str, Operation]] = []
    for handler in handlers:
        operation: Operation | None = handler.opt.get("operation")
        if operation is None:
            raise ValueError(f"{handler} has no operation: make it with accounts.edge.route")
        found += [(str(method), path, operation) for method in handler.http_methods for path in handler.paths]
    return found

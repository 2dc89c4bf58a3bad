"""Routes of the API whose addresses have no variables are called without the framework between.

Litestar finds the route, makes arguments of a request, and an answer of what the handler returns. Ours take
the request and return an answer that is sent as it stands (`accounts/edge.py`), so where the address alone
tells the handler there is nothing to find or to make. What stands around every handler stands around these
too: who calls, what is counted, what a caller is told of an error. All else goes the whole way.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, cast

from litestar import Litestar, Request
from litestar.handlers import HTTPRouteHandler
from litestar.routes import BaseRoute, HTTPRoute

from angarium.accounts.edge import Operation, Sent

Asked = Request[Any, Any, Any]
Told = Callable[[Asked, Any], Sent]


class Around:
    """What stands around a handler: what is done first, which may answer itself; what hears the answer; what
    tells of an error."""

    def __init__(
        self,
        arriving: Callable[[Asked], Awaitable[Sent | None]],
        leaving: Callable[[Any, Any], Awaitable[None]],
        problems: Mapping[type[Exception], Told],
    ) -> None:
        self.arriving = arriving
        self.leaving = leaving
        self._problems = problems

    def told(self, request: Asked, error: Exception) -> Sent:
        """What a caller is told of an error; the nearest of its kinds that is known counts."""
        kind = next(one for one in type(error).__mro__ if one in self._problems)
        return self._problems[kind](request, error)


class Direct(Litestar):
    """Litestar's application, with the short way."""

    _short: dict[tuple[str, str], HTTPRouteHandler]
    _around: Around

    def __init__(self, **given: Any) -> None:
        self._mapped: list[BaseRoute] = []
        self._methods: dict[str, dict[Any, Any]] = {}
        super().__init__(**given)

    @property
    def route_handler_method_map(self) -> dict[str, dict[Any, Any]]:
        """The handlers by path and method. Litestar asks for them with every route that is added, and goes
        through all routes each time, a fifth of a second for hundreds; here through those that are new."""
        mapped = self._mapped
        for place, route in enumerate(self.routes):
            if place < len(mapped) and mapped[place] is route:
                continue
            mapped[place : place + 1] = [route]
            one = cast("HTTPRoute", route)  # we have no others
            self._methods[route.path] = {
                method: handler for handler in one.route_handlers for method in handler.http_methods
            }
        return self._methods

    def take_the_short_way(self, handlers: Iterable[HTTPRouteHandler], around: Around) -> None:
        """Call those of these handlers directly whose addresses tell them."""
        self._around = around
        self._short = {
            (str(method), path): handler
            for handler in handlers
            for method in handler.http_methods
            for path in handler.paths
            if "{" not in path and not _is_page(handler.opt["operation"])
        }

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer a request."""
        handler = self._short.get((scope.get("method", ""), scope.get("path", "")))
        if handler is None or scope.get("root_path"):
            await super().__call__(scope, receive, send)
            return
        scope |= {"app": self, "litestar_app": self, "path_params": {}}
        scope |= {"route_handler": handler, "path_template": scope["path"]}
        scope.setdefault("state", {})
        around, request = self._around, Request[Any, Any, Any](scope, receive, send)

        async def heard(message: Any) -> None:
            if message["type"] == "http.response.start":  # the rest is only sent
                await around.leaving(message, scope)
            await send(message)

        try:
            answer: Sent = await around.arriving(request) or await handler.fn(request)
        except Exception as error:
            answer = around.told(request, error)
        await answer(scope, receive, heard)


def _is_page(operation: Operation) -> bool:
    return operation.page or bool(operation.shape_of)

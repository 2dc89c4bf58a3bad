"""How many requests there were, how each ended and how long it took, by route; and the process itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.process_collector import ProcessCollector

from angarium.core.clock import Clock

BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
BEGAN = "angarium.began"  # in the ASGI scope: when the request arrived, by the monotonic clock


class Meter:
    """Counts what is answered. Labels are our own routes and methods: no caller can invent another."""

    def __init__(self, registry: CollectorRegistry, clock: Clock) -> None:
        self._clock = clock
        self._answers = Counter(
            "angarium_http_answers", "Answers sent", ["method", "route", "status"], registry=registry
        )
        self._seconds = Histogram(
            "angarium_http_seconds",
            "From the arrival of a request to its answer",
            ["method", "route"],
            registry=registry,
            buckets=BUCKETS_S,
        )
        self._known: dict[tuple[str, str, int], tuple[Callable[[], None], Callable[[float], None]]] = {}
        ProcessCollector(registry=registry)

    def arrived(self, scope: Any) -> None:
        """Remember when."""
        scope[BEGAN] = self._clock.monotonic()

    async def sent(self, message: Any, scope: Any) -> None:
        """Count an answer as it begins; for Litestar's `before_send`."""
        if message["type"] != "http.response.start":
            return
        route = scope.get("path_template", "")
        key = (scope["method"] if route else "", route, message["status"])
        count, observe = self._known.get(key) or self._meet(key)
        count()
        if BEGAN in scope:
            observe(self._clock.monotonic() - scope[BEGAN])

    def _meet(self, key: tuple[str, str, int]) -> tuple[Callable[[], None], Callable[[float], None]]:
        method, route, status = key
        count = self._answers.labels(method=method, route=route, status=status).inc
        observe = self._seconds.labels(method=method, route=route).observe
        self._known[key] = (count, observe)
        return count, observe

"""Virtual time: an event loop that never waits.

When nothing is ready, time leaps to the next timer. So an hour of a server's life is as long as what happens
in it, and the same seed sees the same instants.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from math import ceil
from typing import Any

from angarium.core.clock import MICROS
from support.still import START


class StoodStill(Exception):
    """Nothing is ready, and no timer will ever make anything ready."""


class VirtualClock:
    """The time of a virtual loop: what it says only the loop moves."""

    def __init__(self) -> None:
        self.at = START

    def now(self) -> int:
        return self.at

    def monotonic(self) -> float:
        return (self.at - START) / MICROS  # small, so that a float keeps the microsecond

    async def sleep(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        woken = loop.create_future()
        timer = loop.call_later(seconds, _wake, woken)
        try:
            await woken
        finally:
            timer.cancel()


def _wake(woken: asyncio.Future[None]) -> None:
    if not woken.done():
        woken.set_result(None)


class VirtualLoop(asyncio.SelectorEventLoop):
    """A loop on virtual time. It knows its tasks in the order in which they were made."""

    def __init__(self, clock: VirtualClock) -> None:
        super().__init__(_Leap(clock))
        self._virtual = clock
        self.tasks: dict[asyncio.Task[Any], None] = {}

    def time(self) -> float:
        return self._virtual.monotonic()

    def create_task(self, coro: Coroutine[Any, Any, Any], **given: Any) -> asyncio.Task[Any]:
        task: asyncio.Task[Any] = super().create_task(coro, **given)
        self.tasks[task] = None
        task.add_done_callback(self.tasks.pop)
        return task


class _Leap(selectors.SelectSelector):
    """Where a loop would sleep until the next timer, this moves the clock to it."""

    def __init__(self, clock: VirtualClock) -> None:
        super().__init__()
        self._clock = clock

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is None:
            raise StoodStill
        if timeout > 0:
            self._clock.at += ceil(timeout * MICROS)
        return []

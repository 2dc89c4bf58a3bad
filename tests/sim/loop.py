"""Virtual time: an event loop that never waits.

When nothing is ready, time leaps to the next timer. So an hour of a server's life is as long as what happens
in it, and the same seed sees the same instants.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from contextvars import Context, ContextVar, copy_context
from math import ceil
from typing import Any

from angarium.core.clock import MICROS
from support.still import START

OWNER: ContextVar[object] = ContextVar("owner", default=None)  # whose task or callback this is


TURNS_MAX = 400_000  # of the loop; a world has some thousands


class StoodStill(Exception):
    """Nothing is ready, and no timer will ever make anything ready."""


class RunsInCircles(Exception):
    """Something is always ready, and nothing comes of it."""


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


def owned(owner: object) -> Context:
    """A context in which whatever is begun belongs to `owner`."""
    context = copy_context()
    context.run(OWNER.set, owner)
    return context


class VirtualLoop(asyncio.SelectorEventLoop):
    """A loop on virtual time. It knows its tasks in the order in which they were made, and whose they are."""

    def __init__(self, clock: VirtualClock) -> None:
        super().__init__(_Leap(clock))
        self._virtual = clock
        self.tasks: dict[asyncio.Task[Any], object] = {}

    def time(self) -> float:
        return self._virtual.monotonic()

    def create_task(
        self, coro: Coroutine[Any, Any, Any], *, name: object = None, context: Context | None = None
    ) -> asyncio.Task[Any]:
        task = asyncio.Task(coro, loop=self, context=context)
        self.tasks[task] = OWNER.get() if context is None else context.get(OWNER)
        task.add_done_callback(self.tasks.pop)
        return task

    async def bury(self, owner: object) -> None:
        """End whatever belongs to `owner`, and what it begins upon that."""
        while own := [task for task, its in self.tasks.items() if its is owner]:
            for task in own:
                task.cancel()
            await asyncio.sleep(0)


class _Leap(selectors.SelectSelector):
    """Where a loop would sleep until the next timer, this moves the clock to it."""

    def __init__(self, clock: VirtualClock) -> None:
        super().__init__()
        self._clock = clock
        self._turns = 0

    def select(self, timeout: float | None = None) -> list[Any]:
        self._turns += 1
        if timeout is None:
            raise StoodStill
        if self._turns > TURNS_MAX:
            raise RunsInCircles
        if timeout > 0:
            self._clock.at += ceil(timeout * MICROS)
        return []


def play(clock: VirtualClock, story: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Live a story to its end on a loop of its own."""
    with asyncio.Runner(loop_factory=lambda: VirtualLoop(clock)) as runner:
        runner.run(story())

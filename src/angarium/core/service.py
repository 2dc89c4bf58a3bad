"""The contract of everything that runs: started once, stopped twice without harm, never silently dead."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol

import structlog

from angarium.core.clock import Clock
from angarium.core.problems import Problem

log = structlog.get_logger()

UNAVAILABLE = 503  # a Problem of this status is nobody's fault: what the loop stands on is away
AGAIN_S = 0.5  # after it
TOLD_EVERY_S = 60.0  # how often it is said that something is still so; twice a second would bury all the rest
RESTART_DELAY_S = 1.0
RESTART_DELAY_MAX_S = 30.0


class Service(Protocol):
    """Something with a life of its own."""

    async def start(self) -> None:
        """Returns when it is ready for work."""

    async def stop(self) -> None:
        """Returns when it has finished what it had begun; calling it again changes nothing."""


class Seldom:
    """What fails again and again is told of the first time, and then once a minute as long as it does."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._told_at: dict[str, float] = {}  # by the monotonic clock

    def now(self, what: str) -> bool:
        """Whether it is to be told now; then it has been."""
        now, told = self._clock.monotonic(), self._told_at.get(what)
        if told is not None and now - told < TOLD_EVERY_S:
            return False
        self._told_at[what] = now
        return True


class Supervisor:
    """Holds tasks strongly, restarts a loop that died, and says so: an exception is an alarm, not a line.

    asyncio keeps only weak references to tasks, so every long-lived one is held here.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._tasks: set[asyncio.Task[None]] = set()
        self.failures: dict[str, int] = {}
        self._died_at: dict[str, float] = {}  # by the monotonic clock
        self._seldom = Seldom(clock)

    def died_within(self, seconds: float) -> list[str]:
        """The loops that have died lately, by name."""
        since = self._clock.monotonic() - seconds
        return sorted(name for name, at in self._died_at.items() if at >= since)

    def run(self, name: str, loop: Callable[[], Awaitable[None]]) -> asyncio.Task[None]:
        """Run `loop` until it returns or is cancelled; if it raises, run it again after a pause."""
        task = asyncio.create_task(self._kept_alive(name, loop), name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _kept_alive(self, name: str, loop: Callable[[], Awaitable[None]]) -> None:
        delay_s = RESTART_DELAY_S
        while True:
            started = self._clock.monotonic()
            try:
                await loop()
                return
            except Exception as error:
                if isinstance(error, Problem) and error.status == UNAVAILABLE:
                    if self._seldom.now(name):
                        log.warning("a loop waits", loop=name, why=error.detail)
                    await self._clock.sleep(AGAIN_S)
                    continue
                self.failures[name] = self.failures.get(name, 0) + 1
                self._died_at[name] = self._clock.monotonic()
                log.exception(
                    "loop died; restarting", loop=name, failures=self.failures[name], delay_s=delay_s
                )
            lived_s = self._clock.monotonic() - started
            delay_s = (
                RESTART_DELAY_S if lived_s > RESTART_DELAY_MAX_S else min(delay_s * 2, RESTART_DELAY_MAX_S)
            )
            await self._clock.sleep(delay_s)

    async def stop(self) -> None:
        """Cancel what still runs and wait for it."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

"""Time that stands still until it is moved, and chance from a seed."""

from __future__ import annotations

import asyncio
import random

from angarium.core.clock import micros

START = 1_764_000_000_000_000  # 2025-11-24T16:00:00Z


class StillClock:
    """A clock that only `advance` moves; sleepers wake when it has passed their time."""

    def __init__(self, at: int = START) -> None:
        self.at = at
        self._sleepers: list[tuple[int, asyncio.Future[None]]] = []

    def now(self) -> int:
        return self.at

    def monotonic(self) -> float:
        return self.at / 1_000_000

    async def sleep(self, seconds: float) -> None:
        woken = asyncio.get_running_loop().create_future()
        self._sleepers.append((self.at + micros(seconds), woken))
        await woken

    def advance(self, seconds: float) -> None:
        """Move on, and wake who has slept long enough."""
        self.at += micros(seconds)
        for until, woken in list(self._sleepers):
            if until <= self.at and not woken.done():
                woken.set_result(None)
        self._sleepers = [(until, woken) for until, woken in self._sleepers if not woken.done()]


class SeededChance:
    """The same chances for the same seed."""

    def __init__(self, seed: int = 0) -> None:
        self._random = random.Random(seed)

    def roll(self) -> float:
        return self._random.random()

    def secret(self, size_bytes: int) -> bytes:
        return self._random.randbytes(size_bytes)

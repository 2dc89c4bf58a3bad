"""The fabric of one process: every lease is ours, a wake-up is an event in the same loop."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable

from angarium.core.clock import Clock
from angarium.core.ports import Lease, Waiter


class LocalFabric:
    """Leases, wake-ups; `epoch` is the instant of this start, so that a restart fences what ran before."""

    def __init__(self, clock: Clock) -> None:
        self._epoch = clock.now()
        self._ears: dict[str, set[LocalWaiter]] = defaultdict(set)

    def begin_after(self, epoch: int) -> None:
        """A clock that was set back between two starts must not make the second the older one."""
        self._epoch = max(self._epoch, epoch + 1)

    async def lease(self, key: str) -> Lease | None:
        return Lease(key, self._epoch)

    def held(self, lease: Lease) -> bool:
        return lease.epoch == self._epoch

    async def release(self, lease: Lease) -> None:
        """Nobody else is there to take it."""

    def wake(self, topic: str) -> None:
        for ear in self._ears.get(topic, ()):
            ear.event.set()

    def listen(self, topic: str) -> Waiter:
        ear = LocalWaiter(lambda: self._leave(topic, ear))
        self._ears[topic].add(ear)
        return ear

    def _leave(self, topic: str, ear: LocalWaiter) -> None:
        ears = self._ears.get(topic, set())
        ears.discard(ear)
        if not ears:  # there may be a topic for each of very many people
            self._ears.pop(topic, None)


class LocalWaiter:
    """One listener; remembers a wake-up that came while it was not waiting."""

    def __init__(self, leave: Callable[[], None]) -> None:
        self.event = asyncio.Event()
        self._leave = leave

    async def wait(self, timeout_s: float) -> bool:
        """True when woken; several wake-ups before one wait are one."""
        try:
            async with asyncio.timeout(timeout_s):
                await self.event.wait()
        except TimeoutError:
            return False
        self.event.clear()
        return True

    def close(self) -> None:
        """Stop listening."""
        self._leave()

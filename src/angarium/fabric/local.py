"""The fabric of one process: every lease is ours, a wake-up is an event in the same loop."""

from __future__ import annotations

import asyncio

from angarium.core.clock import Clock
from angarium.core.fabric import Hearer, Holding, Lease, Log, Waiter
from angarium.fabric.ears import Audience, Ears
from angarium.fabric.kept_log import KeptLog
from angarium.storage.database import Database


class LocalFabric:
    """Leases, wake-ups; `epoch` is the instant of this start, so that a restart fences what ran before."""

    outlives_ledger = False
    apart = leaderless = False  # there is no other way than the database

    def __init__(self, clock: Clock, database: Database) -> None:
        self._clock = clock
        self._database = database
        self._epoch = clock.now()
        self._ears = Ears()
        self._audience = Audience()
        self._taken: set[str] = set()

    async def start(self) -> int | None:
        """There is nobody to join."""
        return None

    async def stop(self) -> None:
        """There is nobody to leave."""

    def begin_after(self, epoch: int) -> None:
        """A clock that was set back between two starts must not make the second the older one."""
        self._epoch = max(self._epoch, epoch + 1)

    async def lease(self, key: str) -> Lease | None:
        self._taken.add(key)
        return Lease(key, self._epoch)

    def held(self, lease: Lease) -> bool:
        return lease.epoch == self._epoch

    def ours(self, lease: Lease) -> bool:
        return self.held(lease)

    async def gone(self) -> None:
        await _never()

    async def lost(self, lease: Lease) -> float:
        await _never()
        return 0.0

    async def release(self, lease: Lease) -> None:
        self._taken.discard(lease.key)  # nobody else is there to take it

    def holding(self) -> list[Holding]:
        return [Holding(key, self._epoch) for key in sorted(self._taken)]

    def wake(self, topic: str) -> None:
        self._ears.wake((topic,))

    def listen(self, topic: str) -> Waiter:
        return self._ears.listen(topic)

    def tell(self, topic: str, body: bytes) -> None:
        self._audience.tell(topic, body)

    def hear(self, topic: str) -> Hearer:
        return self._audience.hear(topic)

    def log(self, name: str) -> Log:
        return KeptLog(self._database, self._clock, self._ears, name)


async def _never() -> None:
    await asyncio.get_running_loop().create_future()

"""A fabric of one process whose leases can be lost, as those of a server that is cut off from the others."""

from __future__ import annotations

from angarium.core.clock import Clock
from angarium.core.fabric import Lease
from angarium.fabric import holding
from angarium.fabric.holding import Leases
from angarium.fabric.local import LocalFabric
from angarium.storage.database import Database

FOR_EVER_S = 1e6  # a lease that nothing happens to


class Losing(LocalFabric):
    """Leases are this server's until `lose`, and then nobody's for a while; whoever takes one is newer."""

    def __init__(self, clock: Clock, database: Database) -> None:
        super().__init__(clock, database)
        self._leases = Leases(clock, server=1)
        self._free_at = 0.0

    async def lease(self, key: str) -> Lease | None:
        now = self._clock.monotonic()
        if ours := self._leases.get(key):
            return ours
        if now < self._free_at:
            return None
        self._epoch += 1
        return self._leases.took(key, self._epoch, now + FOR_EVER_S)

    def lose(self, free_s: float) -> None:
        """All of them, now; another may take them so much later."""
        self._free_at = self._clock.monotonic() + free_s
        for key in self._leases.all():
            self._leases._held[key].until = self._free_at - holding.MARGIN_S
            self._leases.lose(key)

    def held(self, lease: Lease) -> bool:
        return self._leases.held(lease)

    def ours(self, lease: Lease) -> bool:
        return self._leases.ours(lease)

    async def lost(self, lease: Lease) -> float:
        return await self._leases.lost(lease)

    async def release(self, lease: Lease) -> None:
        if self._leases.get(lease.key) == lease:
            self._leases.let_go(lease.key)

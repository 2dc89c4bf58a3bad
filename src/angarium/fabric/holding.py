"""Which leases are ours: by our own monotonic clock, and until somebody is to have them who has come later.

A lease counts from before it, or its renewal, was asked for, and ends MARGIN_S before the others may take it:
so a server that is cut off, or stood still, knows by itself. It moves to whoever is preferred for it when
that one has joined later. It does not move back to one that was there and did not want it, or could not: else
it would go to and fro. Whoever is not preferred waits AFTER_S before it takes what nobody has.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping

import msgspec

from angarium.core.clock import Clock
from angarium.core.fabric import Holding, Lease
from angarium.fabric.members import preferred

TTL_S = 15.0  # longer than a fail-over of what keeps them takes to be noticed and ended
MARGIN_S = 4.0  # between the end of what is surely ours and the instant when another may take it
AFTER_S = 5.0  # how long whoever is not preferred leaves a lease to who is


class _Held(msgspec.Struct):
    """A lease of ours. `until`: when it is not surely ours any more, by the monotonic clock."""

    lease: Lease
    until: float
    given_up: bool = False  # another may have it at once
    wanted_elsewhere: bool = False
    lost: asyncio.Event = msgspec.field(default_factory=asyncio.Event)


class Leases:
    """The leases of one server."""

    def __init__(self, clock: Clock, server: int) -> None:
        self._clock = clock
        self._server = server
        self._held: dict[str, _Held] = {}
        self._left_to: dict[str, float] = {}  # since when a lease is left to whoever is preferred

    def all(self) -> dict[str, Lease]:
        """Those that have not been let go of."""
        return {key: held.lease for key, held in self._held.items()}

    def told(self) -> list[Holding]:
        """Those that are surely ours, and for how long."""
        now = self._clock.monotonic()
        return [
            Holding(key, held.lease.epoch, held.until - now)
            for key, held in self._held.items()
            if held.until > now
        ]

    def get(self, key: str) -> Lease | None:
        """The one that has not been let go of."""
        held = self._held.get(key)
        return held.lease if held is not None else None

    def may_take(self, key: str, servers: Collection[int]) -> bool:
        """Whoever is preferred takes it at once; another waits first, in case that one does not want it."""
        if preferred(key, servers) in (self._server, None):
            return True
        now = self._clock.monotonic()
        return now - self._left_to.setdefault(key, now) >= AFTER_S

    def took(self, key: str, epoch: int, asked_at: float) -> Lease:
        """It is ours, by what was asked for at this monotonic instant."""
        self._left_to.pop(key, None)
        lease = Lease(key, epoch)
        if self.get(key) == lease:  # asked for twice at once: who waits for its loss waits on
            self.renewed(key, asked_at)
        else:
            self._held[key] = _Held(lease, _sure_until(asked_at))
        return lease

    def renewed(self, key: str, asked_at: float) -> None:
        """It is ours for as long again."""
        held = self._held.get(key)
        if held is not None:
            held.until = max(held.until, _sure_until(asked_at))

    def held(self, lease: Lease) -> bool:
        """Whether it is surely ours, and nobody else is to have it."""
        return self.ours(lease) and not self._held[lease.key].wanted_elsewhere

    def ours(self, lease: Lease) -> bool:
        """Whether it is surely ours, also where another waits for it."""
        held = self._held.get(lease.key)
        return held is not None and held.lease == lease and self._clock.monotonic() < held.until

    async def lost(self, lease: Lease) -> float:
        """Return when it has been let go of; for how long it is nobody's, as one that was not renewed."""
        held = self._held.get(lease.key)
        if held is None or held.lease != lease:
            return 0.0
        await held.lost.wait()
        return 0.0 if held.given_up else max(0.0, held.until + MARGIN_S - self._clock.monotonic())

    def let_go(self, key: str) -> None:
        """It is not ours any more, and may be another's."""
        if key in self._held:
            self._held[key].given_up = True
            self.lose(key)

    def lose(self, key: str) -> None:
        """It is not ours any more, and nobody's before it would have ended by itself."""
        held = self._held.pop(key, None)
        if held is not None:
            held.lost.set()
            self._left_to[key] = self._clock.monotonic()

    def lose_ended(self) -> None:
        """Those that are not surely ours any more are not ours."""
        now = self._clock.monotonic()
        for key in [key for key, held in self._held.items() if now >= held.until]:
            self.lose(key)

    def leave_to(self, joined: Mapping[int, int]) -> None:
        """See who is there, and since when, as epochs tell it: what another is to have is left to it as soon
        as that can be."""
        for key, held in self._held.items():
            best = preferred(key, joined)
            held.wanted_elsewhere = (
                best is not None and best != self._server and joined[best] > held.lease.epoch
            )

    def leave_all(self) -> None:
        """Others are to have them all, as soon as that can be."""
        for held in self._held.values():
            held.wanted_elsewhere = True


def _sure_until(asked_at: float) -> float:
    return asked_at + TTL_S - MARGIN_S

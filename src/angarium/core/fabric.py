"""What servers say to one another: a port, with a make for one server and one for several."""

from __future__ import annotations

from typing import Protocol

import msgspec


class Lease(msgspec.Struct, frozen=True):
    """The right to send on a line; `epoch` grows with every new owner and fences the older ones."""

    key: str
    epoch: int


class Waiter(Protocol):
    """One listener's ear on a topic."""

    async def wait(self, timeout_s: float) -> bool:
        """True when woken since the last wait, False after the timeout. A wake-up may be lost: poll too."""

    def close(self) -> None:
        """Stop listening."""


class Fabric(Protocol):
    """What machines say to one another; never the only copy of anything."""

    async def start(self) -> int | None:
        """Join the others; the number that no other server has. None: that of the settings is to do."""

    async def stop(self) -> None:
        """Leave: every lease is given up."""

    async def gone(self) -> None:
        """Return when the others must believe that this server has left: it is to end."""

    def begin_after(self, epoch: int) -> None:
        """Leases from now on are newer than this one: the database remembers what a fabric may forget."""

    async def lease(self, key: str) -> Lease | None:
        """Take the lease, or None while another owner holds it, or is to have it. The one that is ours
        already, if it is."""

    def held(self, lease: Lease) -> bool:
        """Whether the lease is surely still ours, by the monotonic clock, and nobody else is to have it."""

    async def lost(self, lease: Lease) -> None:
        """Return as soon as it is not surely ours any more: whatever it allowed must end at once."""

    async def release(self, lease: Lease) -> None:
        """Give it up."""

    def wake(self, topic: str) -> None:
        """Tell whoever listens to look now."""

    def listen(self, topic: str) -> Waiter:
        """Hear wake-ups of a topic."""

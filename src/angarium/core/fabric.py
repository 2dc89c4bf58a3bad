"""What servers say to one another: a port, with a make for one server and one for several."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec

from angarium.core.problems import Problem, too_large

LOG_WINDOW_S = 120.0  # for so long an id of a log is known again
RETRY_AFTER_S = 5
ENTRY_MAX_BYTES = 512 * 1024  # of the body of one entry of a log, or of what is told


class Entry(msgspec.Struct, frozen=True):
    """Something that is to come into the ledger. `id` names it in its log: it is written once, however often
    it is appended within LOG_WINDOW_S."""

    id: str
    body: bytes


class Lease(msgspec.Struct, frozen=True):
    """The right to send on a line; `epoch` grows with every new owner and fences the older ones."""

    key: str
    epoch: int


class Holding(msgspec.Struct, frozen=True):
    """A lease that is held, and for how long it surely is; None: for as long as the server runs."""

    key: str
    epoch: int
    for_s: float | None = None


class Backlog(msgspec.Struct, frozen=True):
    """What waits in a log, and how many bytes may; None: as many as there is room for on its disk."""

    entries: int = 0
    bytes: int = 0
    max_bytes: int | None = None


class Waiter(Protocol):
    """One listener's ear on a topic."""

    async def wait(self, timeout_s: float) -> bool:
        """True when woken since the last wait, False after the timeout. A wake-up may be lost: poll too. One
        may come for nothing: look, and find nothing."""

    def wake(self) -> None:
        """Wake this one alone."""

    def close(self) -> None:
        """Stop listening."""


class Hearer(Protocol):
    """One listener to what is told on a topic."""

    async def next(self, timeout_s: float) -> bytes | None:
        """What was told, in order; None after the timeout. Of too much that waits the oldest is lost."""

    def close(self) -> None:
        """Stop listening."""


class Log(Protocol):
    """What waits for the ledger: durable, oldest first. One reads at a time (core/turns.py); all append."""

    async def append(self, entries: Sequence[Entry]) -> None:
        """Return when all are durable. Problem when that cannot be told, or there is no room: then some may
        be, and to append them again, under the same ids, does no harm."""

    async def read(self, most: int, timeout_s: float) -> Sequence[Entry]:
        """Up to so many; () after the timeout. They are handed out again, to this reader or another, until
        `done`: so what is done with them must bear to be done twice. Problem while it cannot be read."""

    async def done(self) -> None:
        """What the last `read` gave out is in the ledger."""

    async def give_back(self) -> None:
        """What the last `read` gave out is handed out again at once, to whoever reads next: it could not be
        brought into the ledger."""

    async def waiting(self) -> Backlog:
        """How much there is that is not done. Problem while it cannot be asked."""


class Fabric(Protocol):
    """What machines say to one another; never the only copy of anything that was accepted for good.

    `outlives_ledger`: whether a log takes entries while the database is away.
    """

    outlives_ledger: bool

    async def start(self) -> int | None:
        """Join the others; the number that no other server has. None: that of the settings is to do."""

    @property
    def apart(self) -> bool:
        """Whether the others are surely out of reach now, by another way than the database."""

    @property
    def leaderless(self) -> bool:
        """Whether that is because too few of the servers are there by which they meet: those who are answer,
        and decide nothing."""

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

    def ours(self, lease: Lease) -> bool:
        """Whether it is surely still ours, also where another waits for it: what was begun may be ended."""

    async def lost(self, lease: Lease) -> float:
        """Return as soon as it is not surely ours any more: nothing that it allowed may begin from then on.
        For how many seconds it is surely nobody else's either: what was begun may end within them."""

    async def release(self, lease: Lease) -> None:
        """Give it up."""

    def holding(self) -> list[Holding]:
        """The leases that are surely this server's."""

    def wake(self, topic: str) -> None:
        """Tell whoever listens to look now."""

    def listen(self, topic: str) -> Waiter:
        """Hear wake-ups of a topic."""

    def tell(self, topic: str, body: bytes) -> None:
        """Tell all who hear the topic, on every server; it may be lost, and comes once at most."""

    def hear(self, topic: str) -> Hearer:
        """Hear what is told on a topic from now on."""

    def log(self, name: str) -> Log:
        """The log of this name, by a handle of one's own."""


def fabric_away(detail: str) -> Problem:
    """What the fabric stands on does not answer: whatever was asked may have been done, or not."""
    return Problem(
        "fabric-away",
        "The servers cannot reach one another now",
        status=503,
        detail=detail,
        retry_after_s=RETRY_AFTER_S,
    )


def log_full(detail: str) -> Problem:
    """A log has no room: whoever brings something is to bring it again."""
    return Problem(
        "log-full",
        "There is no room for more that waits for the database",
        status=503,
        detail=detail,
        retry_after_s=RETRY_AFTER_S,
    )


def check_size(entries: Sequence[Entry]) -> None:
    """Problem when one of them is larger than every log takes."""
    if any(len(one.body) > ENTRY_MAX_BYTES for one in entries):
        raise too_large(ENTRY_MAX_BYTES)

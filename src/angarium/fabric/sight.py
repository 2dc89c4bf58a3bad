"""Whether a server reaches the ledger, and must make way for others who do.

Its leases stand while it is cut off from the ledger alone, and nobody could send. So it lets them go once
others have reached the ledger for a while, and it has not. While nobody reaches it everybody stays: what
providers say is still heard. It comes and goes for all within some seconds, in which nothing is to move.
"""

from __future__ import annotations

from angarium.core.clock import Clock

BLIND_S = 10.0  # asked in vain for so long
BEHIND_S = 10.0  # and others have not been, for so long since
LEAVE_S = 20.0  # for what is under way then


class Sight:
    """What one server sees."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._seen_at = clock.monotonic()
        self._behind_since: float | None = None
        self.blind = False

    def asked_in_vain(self) -> None:
        """The ledger did not answer."""
        self.blind = self._clock.monotonic() - self._seen_at >= BLIND_S

    def answered(self) -> bool:
        """The ledger did; whether we had to make way until now."""
        had_to = self.makes_way
        self.blind, self._behind_since, self._seen_at = False, None, self._clock.monotonic()
        return had_to

    def look(self, *, others_see: bool) -> None:
        """Whether another who takes leases reaches it, as they say."""
        if not (self.blind and others_see):
            self._behind_since = None
        elif self._behind_since is None:
            self._behind_since = self._clock.monotonic()

    @property
    def makes_way(self) -> bool:
        """Whether others are to have our leases."""
        return self._behind_s() >= BEHIND_S

    @property
    def overdue(self) -> bool:
        """Whether what was under way on them has had its time."""
        return self._behind_s() >= BEHIND_S + LEAVE_S

    def _behind_s(self) -> float:
        return 0.0 if self._behind_since is None else self._clock.monotonic() - self._behind_since

"""How often somebody may ask: each workspace by itself, and whoever brings keys that are not good by address.

The state is one number for each name, in memory: when all that was asked would have been asked at an even
pace (the generic cell rate algorithm, ITU-T I.371). So a noisy workspace is told to wait, and no other
notices. Each process counts for itself; where several answer requests, each grants its share.

The address is that of the connection. Only what the proxies of the setting `trusted_proxies` say of it is
believed (`web/server.py`), so that nobody gets a fresh count by writing a header.
"""

from __future__ import annotations

from ipaddress import IPv6Address, ip_address
from math import ceil
from typing import Any

from angarium.accounts.flows import Caller, Gate
from angarium.core.clock import Clock
from angarium.core.problems import Problem

NAMES_MAX = 10_000  # that are remembered at the same time; whoever has paused long enough is let go of first
IPV6_PREFIX = 64  # bits: one customer of a provider has all addresses below it (RFC 6177)
MINUTE_S = 60.0
BAD_LINKS_PER_MIN = 60  # signed links that are none of ours, from one address: they cannot be guessed anyway


class Limit:
    """So many in a window, for each name by itself, with as many at once. `most` 0: without limit."""

    def __init__(self, clock: Clock, policy: str, most: int, window_s: float) -> None:
        self._clock = clock
        self._policy = policy
        self._whole = self._most = most
        self._window_s = window_s
        self._even: dict[int | str, float] = {}  # name: when it would be done at an even pace

    def share(self, among: int) -> None:
        """Be one of so many that count for themselves: each grants its share, at least one."""
        self._most = -(-self._whole // max(1, among))

    def take(self, name: int | str) -> None:
        """Count one; a 429 Problem when it is one too many, which is then not counted."""
        if self._most:
            now = self._clock.monotonic()
            self._must_fit(self._even.get(name, 0.0), now)
            if name not in self._even and len(self._even) >= NAMES_MAX:
                self._let_go(now)
            self._even[name] = max(self._even.get(name, 0.0), now) + self._window_s / self._most

    def must_have_room(self, name: int | str) -> None:
        """A 429 Problem when another one would be too many."""
        if self._most:
            self._must_fit(self._even.get(name, 0.0), self._clock.monotonic())

    def _must_fit(self, even: float, now: float) -> None:
        step_s = self._window_s / self._most
        wait_s = max(even, now) + step_s - now - self._window_s
        if wait_s > step_s * 1e-6:  # not a rounding
            raise self._too_many(ceil(wait_s))

    def _too_many(self, wait_s: int) -> Problem:
        window = f"{self._window_s:g}"
        return Problem(
            "too-many-requests",
            "Too many requests",
            status=429,
            detail=f"At most {self._most} in {window} s ({self._policy}). Wait as long as Retry-After says.",
            retry_after_s=wait_s,
            # draft-ietf-httpapi-ratelimit-headers-10: quota, window; what remains, and until when
            headers=(
                (b"ratelimit-policy", f'"{self._policy}";q={self._most};w={window}'.encode()),
                (b"ratelimit", f'"{self._policy}";r=0;t={wait_s}'.encode()),
            ),
        )

    def _let_go(self, now: float) -> None:
        """Forget whoever has paused, and of the others the half that has asked least."""
        busy = sorted((even, str(name), name) for name, even in self._even.items() if even > now)
        self._even = {name: even for even, _, name in busy[len(busy) // 2 :]}


class Limits:
    """The limits of one process."""

    def __init__(self, clock: Clock, requests_per_s: int = 0, failed_keys_per_min: int = 0) -> None:
        self.requests = Limit(clock, "workspace", requests_per_s, 1.0)
        self.bad_links = Limit(clock, "bad-links", BAD_LINKS_PER_MIN, MINUTE_S)
        self.failed_keys = Limit(clock, "failed-keys", failed_keys_per_min, MINUTE_S)

    async def caller(self, gate: Gate, key: str, scope: Any) -> Caller:
        """Who calls with a key, from the connection of an ASGI scope; a Problem when it is not good.

        An address that has brought too many keys that were not good is not heard for a while, but for keys
        that have been good: other people may be behind it.
        """
        caller = gate.believed(key)
        if caller is not None:  # as nearly always: nobody asks from where
            return caller
        address = address_of(scope)
        if not gate.has_known(key):
            self.failed_keys.must_have_room(address)
        try:
            return await gate.caller(key)
        except Problem as problem:
            if problem.status == 401:
                self.failed_keys.take(address)
            raise


def address_of(scope: Any) -> str:
    """The address of whoever is at the other end of an ASGI scope; of IPv6 the network."""
    host = (scope.get("client") or ("", 0))[0]
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return str(host)
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(IPv6Address(int(address) >> (128 - IPV6_PREFIX) << (128 - IPV6_PREFIX)))
    return str(address)

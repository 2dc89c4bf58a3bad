"""The one door to time and chance.

Everything else takes `now` (integer microseconds, UTC) as an argument or asks the clock and the
chance it was handed, so that the whole product can be run on virtual time and from one seed.
"""

from __future__ import annotations

import secrets
import time
from datetime import UTC, date, datetime
from functools import cache, lru_cache
from typing import Protocol
from zoneinfo import ZoneInfo, available_timezones

MICROS = 1_000_000


class Clock(Protocol):
    """Time as the product sees it."""

    def now(self) -> int:
        """Wall time in microseconds since 1970, UTC."""

    def monotonic(self) -> float:
        """Seconds that never run backwards; for deadlines and lease fences, never for storage."""

    async def sleep(self, seconds: float) -> None:
        """Wait; returns no earlier than `seconds` from now."""


class Chance(Protocol):
    """Randomness as the product sees it."""

    def roll(self) -> float:
        """A number in [0, 1): jitter, sampling. Not for secrets."""

    def secret(self, size_bytes: int) -> bytes:
        """Unpredictable bytes: keys, tokens, nonces."""


class SystemClock:
    """The machine's own time."""

    def now(self) -> int:
        return time.time_ns() // 1000

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        import asyncio  # noqa: PLC0415 - who reads files in a process of its own starts a fifth sooner

        await asyncio.sleep(seconds)


class SystemChance:
    """The operating system's own randomness."""

    def roll(self) -> float:
        return secrets.randbits(53) / (1 << 53)

    def secret(self, size_bytes: int) -> bytes:
        return secrets.token_bytes(size_bytes)


def micros(seconds: float) -> int:
    """Seconds as microseconds."""
    return round(seconds * MICROS)


def to_datetime(at: int) -> datetime:
    """A stored instant as an aware datetime in UTC."""
    return datetime.fromtimestamp(at // MICROS, UTC).replace(microsecond=at % MICROS)


def from_datetime(value: datetime) -> int:
    """An aware datetime as a stored instant; a naive one is refused with ValueError."""
    if value.tzinfo is None:
        raise ValueError("a time needs its zone: add Z or an offset such as +03:30")
    whole = value.astimezone(UTC)
    return int(whole.replace(microsecond=0).timestamp()) * MICROS + whole.microsecond


def iso(at: int) -> str:
    """A stored instant as RFC 3339 text, milliseconds, Z."""
    second, micro = divmod(at, MICROS)
    return f"{_iso_second(second)}.{micro // 1000:03}Z"


@lru_cache(maxsize=1024)
def _iso_second(second: int) -> str:
    """The part that a batch of instants shares; to make it is what costs."""
    return datetime.fromtimestamp(second, UTC).isoformat()[: -len("+00:00")]


def is_zone(name: str) -> bool:
    """Whether it is an IANA time zone."""
    return name in zones()


@cache
def zones() -> frozenset[str]:
    """The IANA time zones, without what the machine's own folder adds: its local time, and zones that count
    leap seconds."""
    return frozenset(available_timezones() - {"localtime"})


def local_date(at: int, zone: str) -> date:
    """What day it is in a time zone at an instant."""
    return datetime.fromtimestamp(at // MICROS, ZoneInfo(zone)).date()

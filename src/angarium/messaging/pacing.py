"""A line's speed as a value: a token bucket that is taken from, never slept in, and how fast it fills.

It fills as fast as the line's settings say, but for two cases. A line that comes back after an outage begins
slowly and doubles, so that what has gathered does not fall upon its provider at once. A provider that asks to
slow down is given a fifth less, once for what was sent at one speed; from there the speed creeps up again. So
it comes to swing just below what the provider takes, whatever that is today.

After the congestion control of TCP (Jacobson and Karels, 1988; RFC 5681): slow start, and backing off.
"""

from __future__ import annotations

from math import exp, log2

import msgspec

from angarium.core.clock import MICROS, micros

BURST_S = 0.1  # how much of a second's speed may go at once
START_SHARE, START_MAX_PER_S = 0.05, 20.0  # of its speed, with which a line comes back
DOUBLES_IN_S = 2.0
CUT = 0.8  # what is left of a speed that was too fast
CREEP = 0.02  # share of itself by which a speed that was cut grows in a second
LEAST_PER_S = 1.0
SETTLES_S = 1.0  # until a change can be seen
UNLIMITED_PER_S = 10_000.0  # at which a line without a speed of its own is said to have all of it again
ASKED_MAX_S = 60.0  # for so long at most a line keeps still because of one answer


class Bucket(msgspec.Struct, frozen=True):
    """Speed with what is left of it. `per_s` 0 means without limit; one never taken from is full."""

    per_s: float
    tokens: float = 0.0
    at: int | None = None

    @property
    def size(self) -> float:
        """The most that can be saved up; at least one, or a slow line would never send."""
        return max(1.0, self.per_s * BURST_S)


def take(bucket: Bucket, wanted: int, now: int) -> tuple[Bucket, int]:
    """Take up to `wanted` tokens; the bucket afterwards and how many were granted.

    A clock that steps back earns nothing for the step; where it lands, earning goes on.
    """
    if bucket.per_s <= 0:
        return bucket, wanted
    tokens = bucket.size
    if bucket.at is not None:
        earned = bucket.per_s * max(0, now - bucket.at) / MICROS
        tokens = min(bucket.size, bucket.tokens + earned)
    granted = min(wanted, int(tokens))
    return Bucket(bucket.per_s, tokens - granted, now), granted


def give_back(bucket: Bucket, unused: int) -> Bucket:
    """Return tokens that were granted and not used."""
    if bucket.per_s <= 0:
        return bucket
    return Bucket(bucket.per_s, min(bucket.size, bucket.tokens + unused), bucket.at)


def next_token_at(bucket: Bucket, now: int) -> int:
    """When a token will be there."""
    if bucket.per_s <= 0 or bucket.tokens >= 1 or bucket.at is None:
        return now
    return max(now, bucket.at + micros((1 - bucket.tokens) / bucket.per_s) + 1)  # not a rounding too early


class Pace(msgspec.Struct, frozen=True):
    """How fast a line may go now: `most` a second, unless it comes back or was asked to slow down."""

    most: float  # the line's own speed; 0: without limit
    per_s: float = 0.0  # at `at`; 0: all of it
    knee: float = 0.0  # up to here it doubles, from here on it creeps up
    at: int = 0
    still_until: int = 0  # the provider asked for it
    asked: bool = False  # it is slower because the provider asked for it

    def speed(self, now: int) -> float:
        """Submissions a second; 0 is without limit."""
        grown = self._grown(now) if self.per_s else self._top()
        return self.most if grown >= self._top() else grown

    def slowed(self, now: int) -> bool:
        """Whether it goes slower than its settings say."""
        return now < self.still_until or (self.per_s > 0 and self._grown(now) < self._top())

    def _top(self) -> float:
        return self.most or UNLIMITED_PER_S

    def _grown(self, now: int) -> float:
        seconds = max(0, now - self.at) / MICROS
        doubling_s = max(0.0, DOUBLES_IN_S * log2(self.knee / self.per_s)) if self.knee else 0.0
        if seconds < doubling_s:
            return float(self.per_s * 2 ** (seconds / DOUBLES_IN_S))
        return max(self.per_s, self.knee) * exp(min(CREEP * (seconds - doubling_s), 100.0))


def come_back(pace: Pace, now: int) -> Pace:
    """The pace of a line that comes back after an outage."""
    top = pace.most or UNLIMITED_PER_S
    start = max(min(LEAST_PER_S, top), min(START_MAX_PER_S, top * START_SHARE))
    return Pace(pace.most, start, pace.speed(now) or top, now)


def slow_down(pace: Pace, taken_per_s: float, submitted_at: int, asked_s: float | None, now: int) -> Pace:
    """The pace after a provider asked to slow down, which took `taken_per_s` a moment ago.

    What was submitted within a second of the last change says nothing new: providers count by the second.
    """
    still_until = pace.still_until
    if asked_s:
        still_until = max(still_until, now + micros(min(asked_s, ASKED_MAX_S)))
    if pace.per_s and submitted_at <= pace.at + micros(SETTLES_S):
        return msgspec.structs.replace(pace, still_until=still_until)
    top = pace.most or UNLIMITED_PER_S
    too_fast = pace.speed(now) or top
    looking = not pace.slowed(now)  # nobody has looked for its speed yet: it is found from below, doubling
    if looking:
        too_fast = min(too_fast, max(taken_per_s, LEAST_PER_S))
        still_until = max(still_until, now + micros(SETTLES_S))
    speed = max(min(LEAST_PER_S, top), too_fast * CUT)
    return Pace(pace.most, speed, top if looking else speed, now, still_until, asked=True)


class Meter(msgspec.Struct, frozen=True):
    """How many were taken in this second and in the one before."""

    second: int = 0
    now: int = 0
    before: int = 0

    def per_s(self) -> float:
        """The better of the two seconds."""
        return float(max(self.now, self.before))


def counted(meter: Meter, now: int) -> Meter:
    """One more was taken."""
    second = now // MICROS
    if second == meter.second:
        return Meter(second, meter.now + 1, meter.before)
    return Meter(second, 1, meter.now if second == meter.second + 1 else 0)

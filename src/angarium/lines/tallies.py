"""How a line is doing: counts and latencies that can be added up, and what they say. Pure.

A tally holds what one server heard in a minute or an hour. Tallies are added to one another, so a window is
the sum of its minutes, whichever server heard them. Latencies are counted in buckets, each a quarter longer
than the last: a percentile is within an eighth of the truth, from half a millisecond to three days.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable

import msgspec

GROWTH = 1.25
LEAST_S = 0.0005
BUCKETS_MAX = 90  # the last holds whatever took longer
BOUNDS = [LEAST_S * GROWTH**number for number in range(BUCKETS_MAX)]
ENOUGH = 20  # outcomes, for a share to say something
MINUTE_S, HOUR_S, DAY_S = 60, 3_600, 86_400
SPANS = {"m": MINUTE_S, "h": HOUR_S}  # what one row holds
WINDOWS = {"5m": (5 * MINUTE_S, "m"), "1h": (HOUR_S, "m"), "24h": (DAY_S, "h")}

Buckets = dict[int, int]


class Tally(msgspec.Struct, omit_defaults=True):
    """What was heard of a line in a stretch of time."""

    taken: int = 0  # submissions that a working provider answered, whatever it said of the recipient
    failed: int = 0  # those that were its own fault, or that it left unanswered
    unanswered: int = 0  # of them, those that it left unanswered
    accepted: int = 0
    delivered: int = 0
    undelivered: int = 0
    accept_s: Buckets = {}  # from handing over to acceptance
    deliver_s: Buckets = {}  # from acceptance to the receipt
    error_reason: str = ""  # the last that was its own fault
    error: str = ""  # what the provider said: code and words
    error_at: int = 0

    def add(self, other: Tally) -> None:
        """Take in what another holds."""
        self.taken += other.taken
        self.failed += other.failed
        self.unanswered += other.unanswered
        self.accepted += other.accepted
        self.delivered += other.delivered
        self.undelivered += other.undelivered
        for own, theirs in ((self.accept_s, other.accept_s), (self.deliver_s, other.deliver_s)):
            for bucket, count in theirs.items():
                own[bucket] = own.get(bucket, 0) + count
        if other.error_at > self.error_at:
            self.error_reason, self.error, self.error_at = other.error_reason, other.error, other.error_at

    def success_per_mille(self) -> int | None:
        """The share that was taken; None when too little was sent to say."""
        total = self.taken + self.failed
        return None if total < ENOUGH else self.taken * 1_000 // total

    def delivery_per_mille(self) -> int | None:
        """The share of the verdicts that were good; None when there are too few."""
        total = self.delivered + self.undelivered
        return None if total < ENOUGH else self.delivered * 1_000 // total


def together(tallies: Iterable[Tally]) -> Tally:
    """The sum of tallies."""
    whole = Tally()
    for one in tallies:
        whole.add(one)
    return whole


def bucket_of(seconds: float) -> int:
    """The bucket of a latency."""
    return bisect_left(BOUNDS, seconds)


def percentile(buckets: Buckets, share: float) -> float | None:
    """The latency in seconds that this share stayed within; None when nothing was counted."""
    total = sum(buckets.values())
    if not total:
        return None
    wanted, seen = math.ceil(total * share), 0
    for bucket in sorted(buckets):
        seen += buckets[bucket]
        if seen >= wanted:
            return float(LEAST_S * GROWTH ** (bucket - 0.5))
    return None


def starts(span: str, at_s: int) -> int:
    """When the minute or hour of an instant began, in seconds."""
    return at_s - at_s % SPANS[span]

"""A line's speed as a value: a token bucket that is taken from, never slept in."""

from __future__ import annotations

import msgspec

from angarium.core.clock import MICROS, micros

BURST_S = 0.1  # how much of a second's speed may go at once


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

"""How long things took: the quantiles that are told, and nothing between them."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec


class Waits(msgspec.Struct, frozen=True):
    """How long something took, in milliseconds."""

    p50_ms: float
    p99_ms: float
    p999_ms: float
    most_ms: float


def waits(seconds: Iterable[float]) -> Waits:
    """The quantiles, of at least one. What is there before its clock has begun waited for nothing."""
    ms = sorted(max(0.0, one) * 1000 for one in seconds)

    def quantile(share: float) -> float:
        return ms[min(len(ms) - 1, int(len(ms) * share))]

    return Waits(quantile(0.5), quantile(0.99), quantile(0.999), ms[-1])

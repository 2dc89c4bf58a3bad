"""How long it took: answers to the client, and the way back after each time the server went. Pure."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from angarium.drill.books import Acked, Attempted, Broken, Taken
from angarium.drill.cast import CHANNEL_OF


class Recovery(msgspec.Struct, frozen=True):
    """Seconds from the end of a fault until the first of each was seen; None when none was."""

    fault: str
    began_s: float  # since the load began
    to_ready_s: float | None
    to_accept_s: float | None
    to_submit_s: float | None


def accept_ms(attempted: Mapping[str, Attempted], acked: Mapping[str, Acked]) -> dict[str, float]:
    """Milliseconds from the instant a message was due until it was promised; faults and batching count."""
    took = sorted((entry.at - attempted[name].at) * 1000 for name, entry in acked.items())
    if not took:
        return {}
    return {
        word: round(took[min(len(took) - 1, int(len(took) * share))], 1)
        for word, share in (("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("max", 1.0))
    }


def recoveries(broken: Sequence[Broken], acked: Sequence[Acked], taken: Sequence[Taken]) -> list[Recovery]:
    """After each fault of the server."""
    acks, submits = sorted(entry.at for entry in acked), sorted(entry.at for entry in taken)
    begin = began_at(acked)
    return [
        Recovery(
            fault=one.name,
            began_s=round(one.began_at - begin, 1),
            to_ready_s=round(one.ready_at - one.ended_at, 2) if one.ready_at else None,
            to_accept_s=_first_after(acks, one.ended_at),
            to_submit_s=_first_after(submits, one.ended_at),
        )
        for one in broken
        if one.where not in CHANNEL_OF  # operators are
    ]


def began_at(acked: Iterable[Acked]) -> float:
    """When the load began, as far as the first promise tells."""
    return min((entry.at for entry in acked), default=0.0)


def _first_after(times: Sequence[float], at: float) -> float | None:
    place = bisect_left(times, at)
    return round(times[place] - at, 2) if place < len(times) else None

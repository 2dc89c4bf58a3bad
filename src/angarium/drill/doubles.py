"""Who was told twice, and whether a fault explains it. Pure.

A submission was *in flight at a fault* when the operator took it and the server cannot be sure of the answer:
it was never given, it came after the line had given up waiting, or the link or the server broke before the
answer was surely written down. Only such a one may be sent again, and only in classes that allow it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from angarium.drill.books import Attempted, Broken, Cut, Taken
from angarium.drill.cast import ANSWER_S
from angarium.drill.load import AT_MOST_ONCE, BY_NAME

RECORDING_S = 1.0  # an answer is on the server's disk so long after it was given
FAILURES = {"expired", "undelivered", "blocked", "not_a_user", "window_closed"}  # nobody saw that copy


class Doubles(msgspec.Struct):
    """What was found."""

    by_class: dict[str, int]
    forbidden: list[str]  # in a class that allows none
    causeless: list[str]  # sent again after a copy that was in flight at no fault
    in_flight: int


def doubles(
    attempted: Mapping[str, Attempted],
    copies: Mapping[str, Sequence[Taken]],
    broken: Sequence[Broken],
    cuts: Sequence[Cut],
) -> Doubles:
    """Count them. Copies are in order of time; those on another channel are the cascade's, not doubles."""
    found = Doubles({}, [], [], 0)
    doubt = Doubt(broken, cuts)
    for name, entries in copies.items():
        if name not in attempted:
            continue
        message_class = BY_NAME[attempted[name].kind].message_class
        if message_class not in AT_MOST_ONCE:
            found.in_flight += sum(doubt.holds(entry) for entry in entries)
        for same in _by_channel(entries):
            extra = len(same) - 1
            if not extra:
                continue
            found.by_class[message_class] = found.by_class.get(message_class, 0) + extra
            if message_class in AT_MOST_ONCE:
                found.forbidden.append(name)
            elif not all(doubt.holds(entry) for entry in same[:-1]):
                found.causeless.append(name)
    return found


def _by_channel(entries: Sequence[Taken]) -> list[list[Taken]]:
    found: dict[str, list[Taken]] = {}
    for entry in entries:
        if not FAILURES & set(entry.statuses):
            found.setdefault(entry.face.partition("-")[0], []).append(entry)
    return list(found.values())


class Doubt:
    """Whether the server can know what became of a submission."""

    def __init__(self, broken: Sequence[Broken], cuts: Sequence[Cut]) -> None:
        self._server = [one for one in broken if one.where in ("server", "database")]
        self._cuts: dict[str, list[float]] = {}
        for cut in cuts:
            self._cuts.setdefault(cut.face, []).append(cut.at)

    def holds(self, entry: Taken) -> bool:
        """Whether it was in flight at a fault."""
        answered_at = entry.answered_at
        if answered_at is None or answered_at - entry.at >= ANSWER_S[entry.face] - RECORDING_S:
            return True
        if any(entry.at <= one.over_at and answered_at >= one.began_at - RECORDING_S for one in self._server):
            return True
        return any(answered_at <= at <= answered_at + RECORDING_S for at in self._cuts.get(entry.face, ()))

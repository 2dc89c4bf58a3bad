"""Who was told twice, and whether a fault explains it. Pure.

A submission was *in flight at a fault* when the operator took it and the server cannot know of the answer: it
was never given, or came after the line had given up waiting (the operator's ledger says so); the operator
hung up about then, or talked nonsense, so that the server did; or the server died with the intent in its
database and no answer to it. Only such a one may be sent again, and only in classes that allow it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from angarium.drill.books import Attempted, Broken, Cut, Taken
from angarium.drill.cast import ANSWER_S, CHANNEL_OF
from angarium.drill.load import AT_MOST_ONCE, BY_NAME

HEARD_S = 3.0  # an answer that was given so long before the link was cut has been read
GONE_S = 0.5  # so long after it, an answer may have been given to a link that was gone
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
    doubt = Doubt(broken, cuts, copies)
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
        if not any(word in FAILURES for word, _ in entry.statuses):
            found.setdefault(CHANNEL_OF[entry.face], []).append(entry)
    return list(found.values())


class Doubt:
    """Whether the server can know what became of a submission."""

    def __init__(
        self, broken: Sequence[Broken], cuts: Sequence[Cut], copies: Mapping[str, Sequence[Taken]]
    ) -> None:
        self._left = {
            (last.face, last.ref, last.at)
            for one in broken
            for left in one.open
            if (last := _last_before(copies.get(left.name, ()), left.channel, one.ended_at)) is not None
        }
        self._cuts: dict[str, list[Cut]] = {}
        for cut in cuts:
            self._cuts.setdefault(cut.face, []).append(cut)

    def holds(self, entry: Taken) -> bool:
        """Whether it was in flight at a fault."""
        answered_at = entry.answered_at
        if answered_at is None or answered_at - entry.at >= ANSWER_S[entry.face] - HEARD_S / 2:
            return True
        if (entry.face, entry.ref, entry.at) in self._left:
            return True
        return any(
            cut.session in (0, entry.session) and answered_at - GONE_S <= cut.at <= answered_at + HEARD_S
            for cut in self._cuts.get(entry.face, ())
        )


def _last_before(entries: Sequence[Taken], channel: str, at: float) -> Taken | None:
    """What an operator of a channel took last."""
    earlier = [entry for entry in entries if CHANNEL_OF[entry.face] == channel and entry.at <= at]
    return max(earlier, key=lambda entry: entry.at, default=None)

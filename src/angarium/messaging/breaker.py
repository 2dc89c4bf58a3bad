"""When a line rests: a breaker as a value, told how each submission ended.

A line that fails by its own fault, five times in a row or half of its last twenty, rests: nothing is
handed over, and what is due waits in its queue instead of failing. After the rest one submission at a time
is tried out. Three that are answered make the line well again; the first that fails sends it back to rest,
for twice as long. What was handed over before it last changed says nothing new.

After Nygard, *Release It!* (2007), "Circuit Breaker"; the single trial is his half-open state. That a rest
grows until the line has been well for a while keeps it from flapping.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

import msgspec

from angarium.core.clock import MICROS, micros
from angarium.core.ports import Accepted, Outcome, Refused
from angarium.core.values import Reason, direct

IN_A_ROW = 5  # failures
OF_LAST = 20  # outcomes that are remembered
SHARE = OF_LAST // 2  # of them failed
TRIALS = 3  # good ones in a row make it well
REST_FIRST_S, REST_MAX_S = 5.0, 60.0
CALM_S = 60.0  # well for so long, and the next rest is a short one again
JITTER = 0.2  # share of a rest that is left to chance, so that many lines do not come back at one moment

_MASK = (1 << OF_LAST) - 1
_ROW = (1 << IN_A_ROW) - 1

# Refusals that say something of the line and nothing of the message or the person.
FAULTS = frozenset({Reason.TEMPORARY, Reason.AUTH, Reason.NO_CREDIT, Reason.SENDER_INVALID})


@direct
class Sign(StrEnum):
    """What an outcome says of its line."""

    GOOD = "good"  # the provider answered as one that works
    BAD = "bad"  # the line's own fault
    NONE = "none"  # nothing: it never got so far, or was only too fast


def sign(outcome: Outcome) -> Sign:
    """What an outcome says of its line; being asked to slow down is the business of `pacing.py`."""
    match outcome:
        case Accepted():
            return Sign.GOOD
        case (
            Refused(untried=True)
            | Refused(reason=Reason.THROTTLED | Reason.CONFIG | Reason.FAULT | Reason.DEADLINE)
        ):
            return Sign.NONE
        case Refused(reason=reason):
            return Sign.BAD if reason in FAULTS else Sign.GOOD
        case _:
            return Sign.BAD


class Breaker(msgspec.Struct, frozen=True):
    """Well (`until` is None), resting (before `until`), or being tried out (after it)."""

    recent: int = 0  # the last outcomes as bits, the newest lowest; 1: bad
    until: int | None = None
    since: int = 0  # when it last changed
    rest_s: float = 0.0  # the last rest
    good: int = 0  # trials that were good, in a row
    why: str = ""  # it rests

    def rests(self, now: int) -> bool:
        """Whether nothing may be handed over."""
        return self.until is not None and now < self.until

    def room(self, under_way: Iterable[int], now: int) -> int | None:
        """How many more may be handed over; None: as many as there is room for.

        `under_way`: when that was handed over of which no outcome is known. Only trials count.
        """
        if self.until is None:
            return None
        return 0 if now < self.until or any(at > self.since for at in under_way) else 1


def heard(breaker: Breaker, outcome: Outcome, submitted_at: int, now: int, roll: float) -> Breaker:
    """The breaker after an outcome of what was handed over at `submitted_at`."""
    if isinstance(outcome, Accepted) and breaker.until is None and not breaker.recent:
        return breaker  # as nearly every one ends
    said = sign(outcome)
    if breaker.until is None:
        if said is Sign.NONE or submitted_at < breaker.since or (said is Sign.GOOD and not breaker.recent):
            return breaker
        recent = (breaker.recent << 1 | (said is Sign.BAD)) & _MASK
        if recent & _ROW == _ROW or recent.bit_count() >= SHARE:
            return _rest(breaker, outcome, now, roll)
        return msgspec.structs.replace(breaker, recent=recent)
    if submitted_at <= breaker.since:
        return breaker
    return _tried(breaker, said, outcome, now, roll)


def _tried(breaker: Breaker, said: Sign, outcome: Outcome, now: int, roll: float) -> Breaker:
    if said is Sign.BAD:
        return _rest(breaker, outcome, now, roll)
    good = breaker.good + (said is Sign.GOOD)
    if good >= TRIALS:
        return Breaker(since=now, rest_s=breaker.rest_s)
    return msgspec.structs.replace(breaker, good=good)


def _rest(breaker: Breaker, outcome: Outcome, now: int, roll: float) -> Breaker:
    """Begin to rest: twice as long as the last time, unless the line has been well for a while."""
    calm = breaker.until is None and now - breaker.since >= micros(CALM_S)
    rest_s = REST_FIRST_S if calm or not breaker.rest_s else min(2 * breaker.rest_s, REST_MAX_S)
    until = now + micros(rest_s * (1 + JITTER * roll))
    return Breaker(until=until, since=now, rest_s=rest_s, why=_words(outcome))


def _words(outcome: Outcome) -> str:
    match outcome:
        case Refused(reason=reason, code=code, detail=detail):
            return detail or code or reason.value
        case Accepted():
            return ""
        case _:
            return outcome.detail


def left_s(breaker: Breaker, now: int) -> float:
    """How much of the rest is left, in seconds."""
    return max(0.0, ((breaker.until or 0) - now) / MICROS)

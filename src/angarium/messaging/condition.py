"""The condition of one line: how much may be handed over now, and why no more. No I/O, no clock.

It asks the four that decide: the breaker (does the line rest), the pace and its bucket (how fast), the budget
(how many retries). One of them is named as the reason, the one that holds back the most.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence

import msgspec

from angarium.core.clock import MICROS, iso, micros
from angarium.core.ports import Accepted, Outcome, Refused
from angarium.core.values import Reason
from angarium.messaging import breaker, pacing, retry
from angarium.messaging.breaker import Breaker, Sign
from angarium.messaging.pacing import Bucket, Meter, Pace
from angarium.messaging.retry import Budget

LOOK_AGAIN_S = 1.0
TOGETHER, TOGETHER_S = 2, 1.0  # so many refusals for being too fast, within so long, mean the line


class Waiting(msgspec.Struct, frozen=True):
    """Why what is due on a line is not handed over, or not all of it; `until`: when that can change."""

    why: str
    until: int | None = None
    retries_only: bool = False


class Grant(msgspec.Struct, frozen=True):
    """How many submissions may go now, and how many of them may be retries; if none, when to ask again."""

    number: int
    retries: int = 0
    wait_s: float = LOOK_AGAIN_S


class Condition:
    """What a sender knows of its line's provider."""

    def __init__(self, speed_per_s: float) -> None:
        self.breaker = Breaker()
        self.pace = Pace(speed_per_s)
        self.budget = Budget()
        self._bucket = Bucket(speed_per_s)
        self._meter = Meter()
        self._too_fast: deque[int] = deque([0], TOGETHER)  # when it was asked to slow down

    def begin(self, now: int) -> None:
        """After another has sent on the line a moment ago: nothing is saved up."""
        self._bucket = Bucket(self._bucket.per_s, 0.0, now)

    def grant(self, room: int, under_way: Iterable[int], now: int) -> Grant:
        """What may be handed over, of at most `room`; `under_way`: when that was of which nothing is known.

        What of it is not used is given back by `used`.
        """
        if now < self.pace.still_until:
            return Grant(0, wait_s=_seconds(self.pace.still_until - now))
        trials = self.breaker.room(under_way, now)
        if trials == 0:
            return Grant(0, wait_s=min(LOOK_AGAIN_S, breaker.left_s(self.breaker, now) or LOOK_AGAIN_S))
        speed = self.pace.speed(now)
        if speed != self._bucket.per_s:
            self._bucket = msgspec.structs.replace(self._bucket, per_s=speed)
        wanted = room if trials is None else min(room, trials)
        self._bucket, granted = pacing.take(self._bucket, wanted, now)
        if granted == 0:
            return Grant(0, wait_s=_seconds(pacing.next_token_at(self._bucket, now) - now))
        return Grant(granted, self.budget.retries(now) if trials is None else granted)

    def used(self, grant: Grant, tries: Sequence[int], now: int) -> None:
        """What was claimed of it; of each submission how often it has been tried now."""
        self._bucket = pacing.give_back(self._bucket, grant.number - len(tries))
        retries = sum(number > 1 for number in tries)
        self.budget = retry.submitted(self.budget, len(tries) - retries, retries, now)

    def heard(self, outcome: Outcome, submitted_at: int, now: int, roll: float) -> bool:
        """How a submission ended; whether it is well since or no more."""
        before = self.breaker
        self.breaker = breaker.heard(before, outcome, submitted_at, now, roll)
        if isinstance(outcome, Accepted):
            self._meter = pacing.counted(self._meter, now)
            self.budget = retry.ended(self.budget, True, now)
        elif isinstance(outcome, Refused) and outcome.reason is Reason.THROTTLED:
            self._throttled(outcome, submitted_at, now)
        elif breaker.sign(outcome) is Sign.BAD:
            self.budget = retry.ended(self.budget, False, now)
        changed = (before.until is None) is not (self.breaker.until is None)
        if changed and self.well():
            self.came_back(now)
        return changed

    def _throttled(self, refused: Refused, submitted_at: int, now: int) -> None:
        """One alone may be about its recipient (WhatsApp's 131056), unless it says for how long to wait."""
        self._too_fast.append(now)
        if refused.retry_after_s is None and self._too_fast[0] < now - micros(TOGETHER_S):
            return
        per_s = self._meter.per_s()
        self.pace = pacing.slow_down(self.pace, per_s, submitted_at, refused.retry_after_s, now)
        self.budget = retry.ended(self.budget, False, now)

    def came_back(self, now: int) -> None:
        """The line works again after an outage: not everything at once."""
        self.pace = pacing.come_back(self.pace, now)

    def well(self) -> bool:
        """Whether it neither rests nor is being tried out."""
        return self.breaker.until is None

    def waiting(self, now: int) -> Waiting | None:
        """What holds it back, if anything does."""
        if self.breaker.until is not None:
            if self.breaker.rests(now):
                why = f"resting until {iso(self.breaker.until)}, because {self.breaker.why}"
                return Waiting(why, self.breaker.until)
            return Waiting(f"trying one at a time after a rest, because {self.breaker.why}")
        if now < self.pace.still_until:
            why = f"the provider asks to wait until {iso(self.pace.still_until)}"
            return Waiting(why, self.pace.still_until)
        if self.pace.slowed(now):
            return Waiting(self._slowly(now))
        if self.budget.retries(now) == 0:
            until = self.budget.retried_at + micros(retry.ONE_IN_S)
            return Waiting("its retries are used up until more is taken", until, retries_only=True)
        return None

    def _slowly(self, now: int) -> str:
        speed = f"{self.pace.speed(now):.3g}"
        if self.pace.most:
            speed = f"{speed} of {self.pace.most:g}"
        why = "the provider asks to slow down" if self.pace.asked else "coming back after an outage"
        return f"{why}: {speed} a second"


def _seconds(span: int) -> float:
    return min(LOOK_AGAIN_S, max(0.001, span / MICROS))

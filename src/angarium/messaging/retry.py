"""What to do with a refusal: one table for all channels, and when to try again.

Throttling is not failure: it is waited out, against the message's deadline alone. Facts behind the table:
the error tables of WhatsApp, Twilio, Kavenegar and SMPP, normalised; `docs/explanation/cascades.md`.

A line in trouble has a budget of retries: a tenth of what it submits for the first time. Without one, half of
its submissions failing would make it submit twice as much. After Google's *Site Reliability Engineering*
(2016), "Handling Overload": retries of a client are kept below 10 % of its requests.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

import msgspec

from angarium.core.clock import micros
from angarium.core.values import MessageClass, Reason, direct


@direct
class Action(StrEnum):
    """What a refusal leads to."""

    RETRY = "retry"  # the same step again, within limits; then the next step
    LINE = "line"  # another line of the same step; when there is none, the next step
    NEXT = "next"  # the next step, at once
    STOP = "stop"  # the end: this person is not to be told this


ACTIONS: dict[Reason, Action] = {
    Reason.NOT_A_USER: Action.NEXT,
    Reason.BAD_ADDRESS: Action.NEXT,
    Reason.UNREACHABLE: Action.NEXT,
    Reason.BLOCKED_BY_USER: Action.NEXT,
    Reason.OPTED_OUT: Action.STOP,
    Reason.NO_CONSENT: Action.NEXT,
    Reason.SUPPRESSED: Action.NEXT,
    Reason.OPERATOR_BLACKLIST: Action.LINE,
    Reason.WINDOW_CLOSED: Action.NEXT,
    Reason.CONTENT_REJECTED: Action.NEXT,
    Reason.TEMPLATE_INVALID: Action.NEXT,
    Reason.TOO_LONG: Action.NEXT,
    Reason.UNSUPPORTED: Action.NEXT,
    Reason.MEDIA_INVALID: Action.NEXT,
    Reason.THROTTLED: Action.RETRY,
    Reason.TEMPORARY: Action.RETRY,
    Reason.NO_CREDIT: Action.LINE,
    Reason.AUTH: Action.LINE,
    Reason.SENDER_INVALID: Action.LINE,
    Reason.CONFIG: Action.LINE,
    Reason.EXPIRED: Action.NEXT,
    Reason.REJECTED: Action.NEXT,
    Reason.UNDELIVERED: Action.NEXT,
    Reason.NO_ADDRESS: Action.NEXT,
    Reason.NO_LINE: Action.NEXT,
    Reason.NO_WORDING: Action.NEXT,
    Reason.NOT_APPROVED: Action.NEXT,
    Reason.NOT_STARTED: Action.NEXT,
    Reason.NO_RECEIPT: Action.NEXT,
    Reason.NO_ANSWER: Action.RETRY,
    Reason.HOURS: Action.NEXT,
    Reason.BUDGET: Action.NEXT,
    Reason.QUIET_HOURS: Action.NEXT,
    Reason.CAPPED: Action.NEXT,
    Reason.ANSWERED: Action.NEXT,
    Reason.FAULT: Action.NEXT,
    Reason.DEADLINE: Action.STOP,
    Reason.CANCELLED: Action.STOP,
    Reason.NOT_SENT: Action.NEXT,
    Reason.LEFT: Action.STOP,
    Reason.RESTORED: Action.STOP,
    Reason.PROMOTIONAL: Action.STOP,  # the same words would be as wrong on the next channel
    Reason.REVIEW: Action.STOP,
}

# A refusal that is the person's own "no to advertising" ends a promotional message: it may not be carried
# past the refusal to another channel or to a service line.
NO_TO_ADVERTISING = frozenset(
    {Reason.BLOCKED_BY_USER, Reason.OPTED_OUT, Reason.SUPPRESSED, Reason.OPERATOR_BLACKLIST}
)
# What the workspace's own rules said no to: a message that ends by them was refused, and did not fail.
RULED_OUT = frozenset({Reason.NO_CONSENT, Reason.SUPPRESSED, Reason.QUIET_HOURS, Reason.CAPPED})

THROTTLED_DELAYS_S = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0)  # the last one again and again
TEMPORARY_DELAYS_S = (5.0, 30.0, 120.0, 300.0)  # then give up
JITTER = 0.2  # share of the delay that is left to chance, so that a thousand do not come back at once


def action(reason: Reason, message_class: MessageClass, overrides: Mapping[str, str] | None = None) -> Action:
    """What follows a refusal or a failed receipt of this reason. A cascade step may override the table."""
    if message_class is MessageClass.PROMOTIONAL and reason in NO_TO_ADVERTISING:
        return Action.STOP
    if overrides and reason.value in overrides:
        return Action(overrides[reason.value])
    return ACTIONS[reason]


def next_try_at(
    reason: Reason, tries: int, now: int, roll: float, asked_s: float | None = None
) -> int | None:
    """When to submit again after `tries` refusals of a retryable reason; None: give up.

    `asked_s` is what the provider asked for (Retry-After); it is never undercut.
    """
    if reason is Reason.THROTTLED:
        delay_s = THROTTLED_DELAYS_S[min(tries, len(THROTTLED_DELAYS_S)) - 1]
    elif tries <= len(TEMPORARY_DELAYS_S):
        delay_s = TEMPORARY_DELAYS_S[tries - 1]
    else:
        return None
    delay_s = max(delay_s, asked_s or 0.0)
    return now + micros(delay_s * (1 + JITTER * roll))


# ── the budget of a line ─────────────────────────────────────────────────────────────────────────────

EARNED = 0.1  # of a retry, by each first submission
FLOOR = 10.0  # retries a line has to begin with
SAVED_MAX = 100.0
WELL_AFTER_S = 10.0  # of submissions taken and none failing, retries are free again
ONE_IN_S = 5.0  # when the budget is used up, one in so many seconds: it finds out whether the line is well
WITHOUT_LIMIT = 1_000_000
PUT_OFF_S = 5.0  # a retry that the budget has no room for is looked at again


class Budget(msgspec.Struct, frozen=True):
    """The retries that a line may make; of a line that is well it says nothing."""

    saved: float = FLOOR
    failed_at: int | None = None  # the last failure; None: it has been well ever since
    taken_since: int | None = None  # the first that was taken after it
    retried_at: int = 0

    def retries(self, now: int) -> int:
        """How many submissions of now may be retries."""
        if self.failed_at is None or _is_well(self, now):
            return WITHOUT_LIMIT
        if self.saved >= 1:
            return int(self.saved)
        return 1 if now - self.retried_at >= micros(ONE_IN_S) else 0


def _is_well(budget: Budget, now: int) -> bool:
    return budget.taken_since is not None and now - budget.taken_since >= micros(WELL_AFTER_S)


def submitted(budget: Budget, firsts: int, retries: int, now: int) -> Budget:
    """The budget after so many submissions; retries of a line that is well cost nothing."""
    if budget.retries(now) == WITHOUT_LIMIT:
        retries = 0
    if not retries and budget.saved >= SAVED_MAX:
        return budget
    saved = min(SAVED_MAX, max(0.0, budget.saved + EARNED * firsts - retries))
    return msgspec.structs.replace(budget, saved=saved, retried_at=now if retries else budget.retried_at)


def ended(budget: Budget, good: bool, now: int) -> Budget:
    """The budget after a submission was taken, or failed by the line's fault or for being too many."""
    if not good:
        return msgspec.structs.replace(budget, failed_at=now, taken_since=None)
    if budget.failed_at is None or budget.taken_since is not None:
        return budget
    return msgspec.structs.replace(budget, taken_since=now)

"""The lifecycle of a registration as a table, what it lacks, and what it lets a line carry. Pure.

draft → submitted → in review → approved or refused. An approval is expiring, then expired, by the clock
alone, and may be suspended and reinstated by a person. What the clock says counts at once (`state_at`,
`stands`); the row follows when somebody looks (`next_at`), so that the change is a fact as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum

import msgspec

from angarium.core.clock import iso, micros
from angarium.core.values import MessageClass

DAY_S = 86_400.0
SOME_TIME = 0  # for a choice among lines that is judged again at its moment: an approval counts at any time


class State(StrEnum):
    """What has become of a registration."""

    DRAFT = "draft"
    SUBMITTED = "submitted"
    IN_REVIEW = "in_review"
    APPROVED = "approved"
    EXPIRING = "expiring"  # approved, and ends soon
    EXPIRED = "expired"
    REFUSED = "refused"
    SUSPENDED = "suspended"


S = State

# verb: from which states, to which
TRANSITIONS: dict[str, tuple[frozenset[State], State]] = {
    "submit": (frozenset({S.DRAFT}), S.SUBMITTED),
    "withdraw": (frozenset({S.SUBMITTED, S.IN_REVIEW}), S.DRAFT),
    "review": (frozenset({S.SUBMITTED}), S.IN_REVIEW),
    "approve": (frozenset({S.IN_REVIEW}), S.APPROVED),
    "refuse": (frozenset({S.IN_REVIEW}), S.REFUSED),
    "reopen": (frozenset({S.REFUSED, S.EXPIRED}), S.DRAFT),
    "suspend": (frozenset({S.APPROVED, S.EXPIRING}), S.SUSPENDED),
    "reinstate": (frozenset({S.SUSPENDED}), S.APPROVED),
    # a line's owner says so, where nothing is demanded
    "declare": (frozenset({S.DRAFT, S.APPROVED, S.EXPIRING, S.EXPIRED, S.REFUSED}), S.APPROVED),
    "retract": (frozenset({S.APPROVED, S.EXPIRING}), S.REFUSED),
    # the clock
    "warn": (frozenset({S.APPROVED}), S.EXPIRING),
    "expire": (frozenset({S.APPROVED, S.EXPIRING, S.SUSPENDED}), S.EXPIRED),
}
ANOTHER_PERSON = frozenset({"review", "approve", "refuse"})  # never whoever submitted it
WITH_REASON = frozenset({"refuse", "suspend"})
GRANTED = frozenset({S.APPROVED, S.EXPIRING})
ONCE_GRANTED = GRANTED | {S.EXPIRED, S.SUSPENDED}
OPEN = frozenset({S.DRAFT})  # what is told and handed in can be changed


class Standing(msgspec.Struct, frozen=True, cache_hash=True):
    """What a registration comes to, without what was handed in: all that sending looks at."""

    id: int
    shown_id: str
    requirement: str
    operator: str  # "": all of them
    classes: frozenset[MessageClass]  # granted, else asked for
    state: State
    reason: str = ""
    valid_from: int | None = None
    valid_until: int | None = None
    declared: bool = False


class Signature(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who signed an undertaking. `signed_on`: the day, as YYYY-MM-DD."""

    signed_by: str
    signed_on: str


def leads_to(verb: str, state: State) -> State | None:
    """Where a verb leads from a state; None when it cannot be done there."""
    begins, ends = TRANSITIONS[verb]
    return ends if state in begins else None


def possible(state: State) -> list[str]:
    """The verbs that can be done from a state."""
    return [verb for verb, (begins, _) in TRANSITIONS.items() if state in begins]


def state_at(standing: Standing, expiring_days: int, now: int) -> State:
    """The state as the clock has it, whether or not the row has followed."""
    until = standing.valid_until
    if until is None or standing.state not in GRANTED | {S.SUSPENDED}:
        return standing.state
    if now >= until:
        return S.EXPIRED
    if standing.state is S.APPROVED and now >= warns_at(until, expiring_days):
        return S.EXPIRING
    return standing.state


def warns_at(valid_until: int, expiring_days: int) -> int:
    """When an approval begins to be expiring."""
    return valid_until - micros(expiring_days * DAY_S)


def next_at(state: State, valid_until: int | None, expiring_days: int) -> int | None:
    """When the clock changes a state next; None when it does not."""
    if valid_until is None or state not in GRANTED | {S.SUSPENDED}:
        return None
    return warns_at(valid_until, expiring_days) if state is S.APPROVED else valid_until


def stands(standing: Standing, now: int) -> bool:
    """Whether it lets anything through now."""
    if standing.state not in GRANTED or now == SOME_TIME:
        return standing.state in GRANTED
    begun = standing.valid_from is None or standing.valid_from <= now
    return begun and (standing.valid_until is None or now < standing.valid_until)


def granted(standings: Iterable[Standing], now: int) -> frozenset[MessageClass]:
    """The classes that may go now, at one operator at the least."""
    return frozenset().union(*(one.classes for one in standings if stands(one, now)))


# The most telling first: what a person would look at to have it mended.
TELLING = (S.APPROVED, S.EXPIRING, S.SUSPENDED, S.EXPIRED, S.IN_REVIEW, S.SUBMITTED, S.REFUSED, S.DRAFT)


def lacking(
    standings: Sequence[Standing], message_class: MessageClass, operator: str, now: int
) -> tuple[Standing | None, str] | None:
    """Which registration keeps a class from going, and why; None when it may go.

    `operator` is that of the number, "" when nobody knows: then a registration at any of them counts.
    """
    ours = [one for one in standings if message_class in one.classes]
    if any(stands(one, now) and _covers(one, operator) for one in ours):
        return None
    if not ours:
        return None, f"it has no registration for {message_class.value} messages"
    covering = [one for one in ours if _covers(one, operator)]
    if not covering:
        return ours[-1], f"it has no registration at the operator {operator}"
    nearest = min(reversed(covering), key=lambda one: TELLING.index(one.state))
    return nearest, f"its registration {nearest.shown_id} {_why(nearest, now)}"


def _covers(standing: Standing, operator: str) -> bool:
    return not operator or standing.operator in ("", operator)


def _why(standing: Standing, now: int) -> str:
    if standing.valid_until is not None and now >= standing.valid_until and standing.state in ONCE_GRANTED:
        return f"expired on {iso(standing.valid_until)}"
    if standing.state in GRANTED and standing.valid_from is not None:
        return f"is valid from {iso(standing.valid_from)}"
    words = {
        S.DRAFT: "is a draft that was not submitted",
        S.SUBMITTED: "is submitted, and nobody has looked at it",
        S.IN_REVIEW: "is in review",
        S.REFUSED: "was refused",
        S.SUSPENDED: "is suspended",
        S.EXPIRED: "has expired",
    }[standing.state]
    return f"{words}: {standing.reason}" if standing.reason else words


def missing(
    needed: Iterable[tuple[str, str, str]],
    told: Mapping[str, str],
    signed: Mapping[str, Signature],
    handed_in: Iterable[str],
) -> list[str]:
    """What is not there yet, by its path. `needed`: part (fields, undertakings, documents), key, title."""
    there = {"fields": {key for key, value in told.items() if value}}
    there |= {"undertakings": set(signed), "documents": set(handed_in)}
    return [f"{part}.{key}" for part, key, _ in needed if key not in there[part]]

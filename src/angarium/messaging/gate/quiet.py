"""Quiet hours: when a class is not sent, by the contact's own clock."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from functools import lru_cache

from angarium.core.clock import local_date
from angarium.core.days import yearly_in_iran
from angarium.core.values import MessageClass, Reason, Window
from angarium.core.window import closes_at, instant
from angarium.messaging.gate.documents import EVERYWHERE, Action, QuietRule
from angarium.messaging.gate.facts import Facts
from angarium.messaging.gate.verdicts import ALLOW, Defer, Refuse, Verdict

NAME = "quiet-hours"
SET_AT = "/v1/policies/quiet-hours"
SPANS_MAX = 60  # spans of quiet that follow one another without a minute between
DAY = timedelta(days=1)
NEVER = 1 << 62


def quiet_hours(facts: Facts, now: int) -> Verdict:
    """What falls into quiet hours waits, is passed over or ends, as the first rule that is in force says."""
    rules = facts.policies.quiet_hours.rules
    if not rules or facts.message_class is MessageClass.OTP:
        return ALLOW
    fitting = tuple(one for one in rules if _fits(one, facts.message_class, facts.standing.country))
    zone = facts.zone
    rule = next((one for one in fitting if quiet_until(one, zone, now) is not None), None)
    if rule is None:
        return ALLOW
    detail = f"It is quiet from {rule.from_} to {rule.until} for {facts.message_class.value} ({zone})."
    if rule.action is Action.EXPIRE:
        return Refuse(Reason.DEADLINE, detail, NAME, SET_AT)
    if rule.action is Action.SKIP:
        return Refuse(Reason.QUIET_HOURS, detail, NAME, SET_AT)
    until = _loud_again(fitting, zone, now, facts.expires_at)
    if until is None:
        return Refuse(Reason.QUIET_HOURS, f"{detail} They do not end before the deadline.", NAME, SET_AT)
    return Defer(until, Reason.QUIET_HOURS, detail, NAME, SET_AT)


def _fits(rule: QuietRule, message_class: MessageClass, country: str) -> bool:
    here = EVERYWHERE in rule.countries or country in rule.countries
    return message_class in rule.classes and here


def _loud_again(rules: tuple[QuietRule, ...], zone: str, now: int, expires_at: int) -> int | None:
    """The first instant that is in no rule's quiet; None when there is none before the deadline."""
    at = now
    for _ in range(SPANS_MAX):
        ends = [end for one in rules if (end := quiet_until(one, zone, at)) is not None]
        if not ends:
            return at if at < expires_at else None
        at = max(ends)
        if at >= expires_at:
            return None
    return None


def quiet_until(rule: QuietRule, zone: str, at: int) -> int | None:
    """When the quiet that an instant falls into ends; None when it falls into none.

    Judged by what the clock on the wall shows (`core/window.py`), so that nothing goes at a forbidden hour.
    """
    if rule.holidays and _is_holiday(rule, today := local_date(at, zone)):
        return instant(datetime.combine(today + DAY, time(0)), zone)
    ends = closes_at(_hours(rule.from_, rule.until, rule.days), zone, at)
    return NEVER if ends is None else ends if ends > at else None


def _is_holiday(rule: QuietRule, day: date) -> bool:
    return not {day.isoformat(), day.isoformat()[5:], yearly_in_iran(day)}.isdisjoint(rule.holidays)


@lru_cache(maxsize=1_000)
def _hours(from_: str, until: str, days: tuple[int, ...]) -> Window:
    return Window(from_, until, days)

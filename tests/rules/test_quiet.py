"""Quiet hours by the contact's own clock: over midnight, on some days, on holidays, where clocks jump."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from angarium.core.clock import from_datetime, micros, to_datetime
from angarium.core.problems import Problem
from angarium.core.values import MessageClass, Reason, Standing
from angarium.messaging.gate.documents import PeoplePolicies, QuietHours, QuietRule
from angarium.messaging.gate.facts import NO_LINE, Facts
from angarium.messaging.gate.quiet import quiet_hours, quiet_until
from angarium.messaging.gate.verdicts import Allow, Defer, Refuse

PROMOTIONAL, SERVICE, OTP = MessageClass.PROMOTIONAL, MessageClass.SERVICE, MessageClass.OTP
LATER = 1 << 62
NIGHT = {"from": "21:00", "until": "09:00"}


def rule(**given: Any) -> QuietRule:
    """A rule as the API takes it."""
    return msgspec.convert({**NIGHT, **given}, QuietRule)


def at(text: str) -> int:
    """An instant."""
    return from_datetime(datetime.fromisoformat(text))


WHEN: list[tuple[dict[str, Any], str, str, str | None]] = [
    # a rule, a zone, an instant, and when the quiet ends that it falls into
    (NIGHT, "Europe/Kyiv", "2025-11-24T20:59+02:00", None),
    (NIGHT, "Europe/Kyiv", "2025-11-24T21:00+02:00", "2025-11-25T09:00+02:00"),
    (NIGHT, "Europe/Kyiv", "2025-11-25T08:59+02:00", "2025-11-25T09:00+02:00"),
    (NIGHT, "Europe/Kyiv", "2025-11-25T09:00+02:00", None),
    (NIGHT, "Asia/Tehran", "2025-11-24T17:29+00:00", None),
    (NIGHT, "Asia/Tehran", "2025-11-24T17:30+00:00", "2025-11-25T09:00+03:30"),
    ({"from": "12:00", "until": "14:00"}, "UTC", "2025-11-24T12:00+00:00", "2025-11-24T14:00+00:00"),
    (
        {"from": "00:00", "until": "24:00", "days": [1]},
        "UTC",
        "2025-11-24T12:00+00:00",
        "2025-11-25T00:00+00:00",
    ),
    ({"from": "00:00", "until": "24:00", "days": [1, 2]}, "UTC", "2025-11-24T12:00Z", "2025-11-26T00:00Z"),
    # on Fridays and Saturdays alone: 5 and 6; the night of Saturday reaches into Sunday
    ({"days": [5, 6]}, "UTC", "2025-11-27T22:00+00:00", None),
    ({"days": [5, 6]}, "UTC", "2025-11-28T22:00+00:00", "2025-11-29T09:00+00:00"),
    ({"days": [5, 6]}, "UTC", "2025-11-30T08:00+00:00", "2025-11-30T09:00+00:00"),
    ({"days": [5, 6]}, "UTC", "2025-11-30T22:00+00:00", None),
    # holidays: all day, each year or in one
    ({"holidays": ["03-21"]}, "Asia/Tehran", "2026-03-21T12:00+03:30", "2026-03-22T00:00+03:30"),
    # in Iran the year begins on 20 March 2028
    ({"holidays": ["jalali-01-01"]}, "Asia/Tehran", "2028-03-20T12:00+03:30", "2028-03-21T00:00+03:30"),
    ({"holidays": ["jalali-01-01"]}, "Asia/Tehran", "2028-03-21T12:00+03:30", None),
    ({"holidays": ["2026-03-21"]}, "Asia/Tehran", "2027-03-21T12:00+03:30", None),
    # Berlin, 30 March 2025: 02:00 is followed by 03:00. An end at 02:30 is left out: it ends with the jump
    ({"until": "02:30"}, "Europe/Berlin", "2025-03-30T01:59+01:00", "2025-03-30T03:00+02:00"),
    ({"until": "02:30"}, "Europe/Berlin", "2025-03-30T03:00+02:00", None),
    # Berlin, 26 October 2025: 02:59 is followed by 02:00. An end at 02:30 comes twice
    ({"until": "02:30"}, "Europe/Berlin", "2025-10-26T02:00+02:00", "2025-10-26T02:30+02:00"),
    ({"until": "02:30"}, "Europe/Berlin", "2025-10-26T02:45+02:00", None),
    ({"until": "02:30"}, "Europe/Berlin", "2025-10-26T02:00+01:00", "2025-10-26T02:30+01:00"),
    # Samoa had no 30 December 2011
    (NIGHT, "Pacific/Apia", "2011-12-29T22:00-10:00", "2011-12-31T09:00+14:00"),
]


@pytest.mark.parametrize(("given", "zone", "instant", "ends"), WHEN)
def test_when_the_quiet_ends(given: dict[str, Any], zone: str, instant: str, ends: str | None) -> None:
    assert quiet_until(rule(**given), zone, at(instant)) == (None if ends is None else at(ends))


def facts(
    *rules: QuietRule,
    message_class: MessageClass = PROMOTIONAL,
    zone: str = "UTC",
    country: str = "",
    expires_at: int = LATER,
) -> Facts:
    """A message to somebody."""
    standing = Standing(time_zone=zone, country=country)
    policies = PeoplePolicies(quiet_hours=QuietHours(rules))
    return Facts(message_class, standing, NO_LINE, expires_at, policies=policies)


EVENING, NOON = at("2025-11-24T22:00+00:00"), at("2025-11-24T12:00+00:00")
MORNING = at("2025-11-25T09:00+00:00")


def test_what_falls_into_it_is_held_passed_over_or_ends() -> None:
    held = quiet_hours(facts(rule()), EVENING)
    assert isinstance(held, Defer)
    assert (held.until, held.reason, held.rule) == (MORNING, Reason.QUIET_HOURS, "quiet-hours")
    assert held.set_at == "/v1/policies/quiet-hours"
    for action, reason in (("skip", Reason.QUIET_HOURS), ("expire", Reason.DEADLINE)):
        refused = quiet_hours(facts(rule(action=action)), EVENING)
        assert isinstance(refused, Refuse)
        assert refused.reason is reason
        assert isinstance(quiet_hours(facts(rule(action=action)), NOON), Allow)


def test_what_would_be_held_beyond_its_deadline_is_refused() -> None:
    assert isinstance(quiet_hours(facts(rule(), expires_at=MORNING + 1), EVENING), Defer)
    refused = quiet_hours(facts(rule(), expires_at=MORNING), EVENING)
    assert isinstance(refused, Refuse)
    assert refused.reason is Reason.QUIET_HOURS


def test_it_is_for_some_classes_and_never_for_a_code() -> None:
    assert isinstance(quiet_hours(facts(rule(), message_class=SERVICE), EVENING), Allow)
    quiet_services = rule(classes=["service", "promotional"])
    assert isinstance(quiet_hours(facts(quiet_services, message_class=SERVICE), EVENING), Defer)
    assert isinstance(quiet_hours(facts(quiet_services, message_class=OTP), EVENING), Allow)


def test_it_is_for_some_countries() -> None:
    iranian = rule(countries=["IR"])
    assert isinstance(quiet_hours(facts(iranian, country="IR"), EVENING), Defer)
    assert isinstance(quiet_hours(facts(iranian, country="UA"), EVENING), Allow)
    assert isinstance(quiet_hours(facts(iranian), EVENING), Allow)


def test_spans_that_follow_one_another_are_one() -> None:
    after = rule(**{"from": "09:00", "until": "11:00"})
    held = quiet_hours(facts(rule(), after), EVENING)
    assert isinstance(held, Defer)
    assert held.until == at("2025-11-25T11:00+00:00")


def test_a_quiet_that_never_ends_refuses() -> None:
    always = rule(**{"from": "00:00", "until": "24:00"})
    assert isinstance(quiet_hours(facts(always, expires_at=NOON + micros(86_400 * 400)), NOON), Refuse)


WRONG: list[tuple[dict[str, Any], str, str]] = [
    ({"classes": ["otp"]}, "classes", "otp"),
    ({"classes": ["promotional", "otp"]}, "classes", "otp"),
    ({"from": "25:00"}, "from", "25:00"),
    ({"until": "9:00"}, "until", "9:00"),
    ({"from": "24:00"}, "from", "24:00"),
    ({"from": "09:00"}, "from", "09:00"),
    ({"countries": ["iran"]}, "countries", "iran"),
    ({"holidays": ["21 March"]}, "holidays", "21 March"),
    ({"holidays": ["13-01"]}, "holidays", "13-01"),
    ({"holidays": ["jalali-07-31"]}, "holidays", "jalali-07-31"),
    ({"holidays": ["2026-02-30"]}, "holidays", "2026-02-30"),
]


@pytest.mark.parametrize(("given", "field", "value"), WRONG)
def test_a_rule_that_cannot_be_names_its_field(given: dict[str, Any], field: str, value: str) -> None:
    with pytest.raises(Problem) as raised:
        rule(**given)
    (wrong,) = raised.value.fields
    assert (wrong.field, wrong.value) == (field, value)
    assert wrong.remedy


ZONES = (
    "Europe/Berlin",
    "Asia/Tehran",
    "America/St_Johns",
    "Australia/Lord_Howe",
    "UTC",
    "Africa/Casablanca",
)
walls = st.builds(lambda h, m: f"{h:02}:{m:02}", st.integers(0, 23), st.sampled_from((0, 15, 30, 59)))


@given(
    st.tuples(walls, walls).filter(lambda pair: pair[0] != pair[1]),
    st.sampled_from(ZONES),
    st.frozensets(st.integers(1, 7), min_size=1),
    st.integers(at("2025-01-01T00:00+00:00"), at("2026-12-31T00:00+00:00")),
)
def test_what_is_held_goes_at_no_quiet_minute(
    span: tuple[str, str], zone: str, days: frozenset[int], now: int
) -> None:
    quiet = rule(**{"from": span[0], "until": span[1], "days": sorted(days)})
    verdict = quiet_hours(facts(quiet, zone=zone), now)
    if isinstance(verdict, Defer):
        assert verdict.until > now
        assert quiet_until(quiet, zone, verdict.until) is None
        assert verdict.until - now <= micros(7 * 86_400 + 7_200)
    else:
        assert isinstance(verdict, Allow)
        assert quiet_until(quiet, zone, now) is None, to_datetime(now)

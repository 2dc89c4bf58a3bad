"""Frequency caps: what counts, in which window, and when there is room again."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from angarium.core.clock import from_datetime, micros
from angarium.core.problems import Problem
from angarium.core.values import MessageClass, Reason, Standing
from angarium.messaging.gate.caps import caps, looks_back_to
from angarium.messaging.gate.documents import Cap, Caps, PeoplePolicies
from angarium.messaging.gate.facts import NO_LINE, Facts, Touch
from angarium.messaging.gate.verdicts import Allow, Defer, Refuse

PROMOTIONAL, SERVICE, OTP = MessageClass.PROMOTIONAL, MessageClass.SERVICE, MessageClass.OTP
LATER = 1 << 62
HOUR = micros(3_600)
NOW = from_datetime(datetime.fromisoformat("2025-11-24T16:00+00:00"))


def cap(**given: Any) -> Cap:
    """A cap as the API takes it."""
    return msgspec.convert({"most": 2, "window": 24, "unit": "hours", **given}, Cap)


def touch(hours_ago: float, message_id: int, channel: str = "smpp", of: MessageClass = PROMOTIONAL) -> Touch:
    """Something the contact had."""
    return Touch(NOW - round(hours_ago * HOUR), of, channel, message_id)


def facts(
    *rules: Cap,
    had: tuple[Touch, ...] = (),
    message_class: MessageClass = PROMOTIONAL,
    zone: str = "UTC",
    home: str = "UTC",
    expires_at: int = LATER,
    channel: str = "smpp",
) -> Facts:
    """The next message to the contact."""
    line = msgspec.structs.replace(NO_LINE, channel=channel)
    standing = Standing(time_zone=zone)
    policies = PeoplePolicies(caps=Caps(rules), zone=home)
    return Facts(message_class, standing, line, expires_at, 1, message_id=99, touches=had, policies=policies)


COUNTED: list[tuple[str, dict[str, Any], tuple[Touch, ...], bool]] = [
    ("none yet", {}, (), True),
    ("one of two", {}, (touch(1, 1),), True),
    ("two of two", {}, (touch(1, 1), touch(2, 2)), False),
    ("one has left the window", {}, (touch(1, 1), touch(25, 2)), True),
    ("two steps of one message are one", {}, (touch(1, 1), touch(2, 1)), True),
    ("a step of its own does not count", {}, (touch(1, 1), touch(2, 99)), True),
    ("another class does not count", {}, (touch(1, 1), touch(2, 2, of=SERVICE)), True),
    (
        "it does when both are capped",
        {"classes": ["service", "promotional"]},
        (touch(1, 1), touch(2, 2, of=SERVICE)),
        False,
    ),
    ("every channel counts", {}, (touch(1, 1, "smtp"), touch(2, 2)), False),
    ("unless one is named", {"channels": ["smpp"]}, (touch(1, 1, "smtp"), touch(2, 2)), True),
    (
        "and another channel is not capped",
        {"channels": ["smtp"]},
        (touch(1, 1, "smtp"), touch(2, 2, "smtp")),
        True,
    ),
    ("days", {"window": 7, "unit": "days"}, (touch(100, 1), touch(160, 2)), False),
]


@pytest.mark.parametrize(
    ("given", "had", "goes"), [row[1:] for row in COUNTED], ids=[row[0] for row in COUNTED]
)
def test_what_counts(given: dict[str, Any], had: tuple[Touch, ...], goes: bool) -> None:
    assert isinstance(caps(facts(cap(**given), had=had), NOW), Allow) is goes


def test_over_it_waits_until_the_oldest_leaves_the_window() -> None:
    had = (touch(1, 1), touch(20, 2), touch(23, 3))
    held = caps(facts(cap(), had=had), NOW)
    assert isinstance(held, Defer)
    assert (held.reason, held.rule, held.set_at) == (Reason.CAPPED, "caps", "/v1/policies/caps")
    assert held.until == NOW + 4 * HOUR + 1
    assert isinstance(caps(facts(cap(), had=had), held.until), Allow)
    assert not isinstance(caps(facts(cap(), had=had), held.until - 1), Allow)


def test_or_is_refused() -> None:
    had = (touch(1, 1), touch(2, 2))
    refused = caps(facts(cap(over="refuse"), had=had), NOW)
    assert isinstance(refused, Refuse)
    assert refused.reason is Reason.CAPPED
    late = caps(facts(cap(), had=had, expires_at=NOW + HOUR), NOW)
    assert isinstance(late, Refuse)
    assert "deadline" in late.detail


def test_days_of_the_calendar_are_those_of_the_contact() -> None:
    daily = cap(window=1, unit="days", counted="calendar", most=1)
    night = from_datetime(datetime.fromisoformat("2025-11-24T23:30+03:30"))
    yesterday = from_datetime(datetime.fromisoformat("2025-11-23T23:59+03:30"))
    today = from_datetime(datetime.fromisoformat("2025-11-24T00:00+03:30"))
    for sent, goes in ((yesterday, True), (today, False)):
        had = (Touch(sent, PROMOTIONAL, "smpp", 1),)
        for where in (
            {"zone": "Asia/Tehran"},
            {"zone": "", "home": "Asia/Tehran"},
        ):
            verdict = caps(facts(daily, had=had, **where), night)
            assert isinstance(verdict, Allow) is goes
            if not goes:
                assert isinstance(verdict, Defer)
                assert verdict.until == from_datetime(datetime.fromisoformat("2025-11-25T00:00+03:30"))


def test_several_caps_hold_each_by_itself() -> None:
    hourly, weekly = cap(most=1, window=1), cap(most=3, window=7, unit="days")
    had = (touch(0.5, 1), touch(30, 2), touch(40, 3))
    held = caps(facts(hourly, weekly, had=had), NOW)
    assert isinstance(held, Defer)
    assert held.until == NOW + (7 * 24 - 40) * HOUR + 1  # when both have room


def test_never_for_a_code() -> None:
    had = (touch(1, 1, of=OTP), touch(2, 2, of=OTP))
    assert isinstance(caps(facts(cap(), had=had, message_class=OTP), NOW), Allow)


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"classes": ["otp"]}, "classes"),
    ({"counted": "calendar"}, "counted"),
    ({"window": 32, "unit": "days"}, "window"),
]


@pytest.mark.parametrize(("given", "field"), WRONG)
def test_a_cap_that_cannot_be_names_its_field(given: dict[str, Any], field: str) -> None:
    with pytest.raises(Problem) as raised:
        cap(**given)
    assert [one.field for one in raised.value.fields] == [field]


some_caps = st.lists(
    st.builds(
        lambda most, window, unit: cap(most=most, window=window, unit=unit),
        st.integers(1, 3),
        st.integers(1, 20),
        st.sampled_from(("hours", "days")),
    ),
    min_size=1,
    max_size=3,
)


@given(some_caps, st.lists(st.floats(0, 600), max_size=12))
def test_nobody_has_more_than_the_cap_in_any_window(rules: list[Cap], asked: list[float]) -> None:
    """Messages that ask at some hours and wait as they are told: what was sent keeps to every cap."""
    sent: list[Touch] = []
    waiting = sorted((NOW + round(hours * HOUR), number) for number, hours in enumerate(asked))
    for _ in range(1_000):
        if not waiting:
            break
        now, number = waiting.pop(0)
        verdict = caps(facts(*rules, had=tuple(sent)), now)
        if isinstance(verdict, Allow):
            sent.append(Touch(now, PROMOTIONAL, "smpp", number))
        else:
            assert isinstance(verdict, Defer)
            assert verdict.until > now
            waiting = sorted([*waiting, (verdict.until, number)])
    assert len(sent) == len(asked)
    for one in rules:
        span = micros(one.window * (3_600 if one.unit == "hours" else 86_400))
        for last in sent:
            assert sum(last.at - span <= other.at <= last.at for other in sent) <= one.most
    assert looks_back_to(Caps(tuple(rules)), NOW) < NOW

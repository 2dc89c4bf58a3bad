"""When a line rests, what is tried out after it, and when it is well again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from angarium.core.clock import micros
from angarium.core.ports import Accepted, Outcome, Refused, Unknown
from angarium.core.values import Reason
from angarium.messaging.breaker import (
    CALM_S,
    IN_A_ROW,
    JITTER,
    OF_LAST,
    REST_FIRST_S,
    REST_MAX_S,
    SHARE,
    TRIALS,
    Breaker,
    Sign,
    heard,
    sign,
)

NOW = micros(1_800_000_000)
TAKEN, NO_ANSWER = Accepted(("r",)), Unknown("no answer came in time")
BROKEN = Refused(Reason.TEMPORARY, "RSYSERR", "the operator says: system error")
STRANGER = Refused(Reason.BAD_ADDRESS, "RINVDSTADR")

SIGNS = [
    (TAKEN, Sign.GOOD),
    (STRANGER, Sign.GOOD),
    (Refused(Reason.CONTENT_REJECTED), Sign.GOOD),
    (NO_ANSWER, Sign.BAD),
    (BROKEN, Sign.BAD),
    (Refused(Reason.AUTH), Sign.BAD),
    (Refused(Reason.NO_CREDIT), Sign.BAD),
    (Refused(Reason.SENDER_INVALID), Sign.BAD),
    (Refused(Reason.THROTTLED), Sign.NONE),
    (Refused(Reason.CONFIG), Sign.NONE),  # the words of one message may be its cause
    (Refused(Reason.DEADLINE), Sign.NONE),
    (Refused(Reason.TEMPORARY, untried=True), Sign.NONE),
]


@pytest.mark.parametrize(("outcome", "expected"), SIGNS)
def test_whose_fault_it_is(outcome: Outcome, expected: Sign) -> None:
    assert sign(outcome) is expected


def after(outcomes: list[Outcome], breaker: Breaker | None = None, at: int = NOW) -> Breaker:
    """A breaker that heard these, one a second, each of something handed over half a second before."""
    found = breaker or Breaker()
    for number, outcome in enumerate(outcomes):
        now = at + micros(number)
        found = heard(found, outcome, now - micros(0.5), now, 0.0)
    return found


RESTS = [  # what was heard, and whether it rests
    ([BROKEN] * (IN_A_ROW - 1), False),
    ([BROKEN] * IN_A_ROW, True),
    ([NO_ANSWER] * IN_A_ROW, True),
    ([BROKEN, BROKEN, BROKEN, BROKEN, STRANGER] * 2, False),  # a person who has no phone: it works
    ([BROKEN, BROKEN, TAKEN] * 5, True),  # two thirds fail
    ([BROKEN, TAKEN] * 9, False),
    ([BROKEN, TAKEN] * SHARE, True),
    ([BROKEN] + [TAKEN] * OF_LAST + [BROKEN] * (IN_A_ROW - 1), False),
    ([Refused(Reason.THROTTLED)] * 100, False),
    ([Refused(Reason.TEMPORARY, untried=True)] * 100, False),
]


@pytest.mark.parametrize(("outcomes", "rests"), RESTS)
def test_when_it_rests(outcomes: list[Outcome], rests: bool) -> None:
    assert (after(outcomes).until is not None) is rests


def resting(roll: float = 0.0) -> Breaker:
    breaker = Breaker()
    for _ in range(IN_A_ROW):
        breaker = heard(breaker, BROKEN, NOW, NOW, roll)
    return breaker


def test_a_rest_says_until_when_and_why() -> None:
    breaker = resting()
    assert breaker.until == NOW + micros(REST_FIRST_S)
    assert breaker.why == "the operator says: system error"
    assert (breaker.rests(NOW), breaker.room((), NOW)) == (True, 0)
    assert resting(roll=1.0).until == NOW + micros(REST_FIRST_S * (1 + JITTER))


def test_after_the_rest_one_at_a_time_is_tried() -> None:
    breaker = resting()
    assert breaker.until is not None
    at = breaker.until
    for _ in range(TRIALS):
        assert breaker.room((NOW - 1, NOW), at) == 1  # what it was given before its rest does not count
        assert breaker.room((NOW, at), at) == 0
        breaker = heard(breaker, TAKEN, at, at, 0.0)
    assert breaker.room((), at) is None


def test_a_trial_that_fails_sends_it_back_for_twice_as_long() -> None:
    breaker, at = resting(), NOW
    for rest_s in (10, 20, 40, 60, 60):
        assert breaker.until is not None
        at = breaker.until
        breaker = heard(breaker, NO_ANSWER, at, at + 1, 0.0)
        assert breaker.until == at + 1 + micros(min(rest_s, REST_MAX_S))


def test_a_trial_that_says_nothing_is_followed_by_another() -> None:
    breaker = resting()
    assert breaker.until is not None
    at = breaker.until
    breaker = heard(breaker, Refused(Reason.THROTTLED), at, at, 0.0)
    assert (breaker.room((), at), breaker.good) == (1, 0)


def test_what_was_handed_over_before_the_rest_says_nothing_new() -> None:
    breaker = resting()
    for outcome in (TAKEN, NO_ANSWER):
        assert heard(breaker, outcome, NOW - 1, NOW + micros(30), 0.0) == breaker


def recovered(breaker: Breaker) -> Breaker:
    assert breaker.until is not None
    return after([TAKEN] * TRIALS, breaker, breaker.until + micros(1))


def test_one_that_breaks_down_again_at_once_rests_longer() -> None:
    breaker = recovered(resting())
    assert breaker.until is None
    soon = after([BROKEN] * IN_A_ROW, breaker, breaker.since + micros(1))
    assert soon.rest_s == 2 * REST_FIRST_S
    later = after([BROKEN] * IN_A_ROW, breaker, breaker.since + micros(CALM_S))
    assert later.rest_s == REST_FIRST_S


@given(bad=st.lists(st.booleans(), min_size=1, max_size=400))
def test_no_trial_that_fails_is_followed_by_another_at_once(bad: list[bool]) -> None:
    breaker, now = Breaker(), NOW
    for failing in bad:
        now += micros(0.05)
        if breaker.room((), now) == 0:
            continue
        tried_out = breaker.until is not None
        breaker = heard(breaker, NO_ANSWER if failing else TAKEN, now, now, 0.0)
        if tried_out and failing:
            assert breaker.until is not None
            assert breaker.until >= now + micros(REST_FIRST_S)


def test_an_outage_of_ten_minutes_costs_few_submissions() -> None:
    breaker, handed_over = Breaker(), 0
    for tenth in range(6_000):
        now = NOW + micros(tenth / 10)
        if breaker.room((), now) != 0:
            handed_over += 1
            breaker = heard(breaker, NO_ANSWER, now, now, 0.5)
    assert handed_over == IN_A_ROW + 11

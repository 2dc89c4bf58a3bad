"""What may be spent: which budgets a message meets, what is left, days and months, and what is told once."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from angarium.core.clock import iso
from angarium.core.values import MessageClass, Reason, Standing
from angarium.lines.tariffs import instant
from angarium.messaging.budgets import Purse, Stand, period_of, stand
from angarium.messaging.gate.budget import within_budgets
from angarium.messaging.gate.facts import NO_LINE, Facts
from angarium.messaging.gate.spending import BUDGETS_MAX, SET_AT, Budget, Budgets, Spending
from angarium.messaging.gate.verdicts import ALLOW, Defer, Refuse
from angarium.messaging.states import AttemptState
from angarium.messaging.store.attempts import Attempt
from angarium.messaging.store.budgets import Counter

OTP, SERVICE, PROMOTIONAL = MessageClass.OTP, MessageClass.SERVICE, MessageClass.PROMOTIONAL
NOW = instant("2026-11-28T12:00:00Z", "UTC")
TONIGHT = instant("2026-11-29T00:00:00Z", "UTC")
LATER = instant("2026-12-05T00:00:00Z", "UTC")


def budget(**given: Any) -> Budget:
    """Ten euros a day for everything, unless it is said otherwise."""
    return msgspec.convert(
        {"name": "all", "amount": "10", "currency": "EUR", "every": "day", **given}, Budget
    )


HOLDS, EXEMPT = budget(then="hold"), budget(exempt=["otp"])
ROWS = [  # about, class, budgets met: (budget, left, price), deadline, the verdict
    ("none", SERVICE, [], LATER, ALLOW),
    ("room", SERVICE, [(budget(), 100, 99)], LATER, ALLOW),
    ("just room", SERVICE, [(budget(), 100, 100)], LATER, ALLOW),
    ("no room", SERVICE, [(budget(), 100, 101)], LATER, Refuse),
    ("nothing left", SERVICE, [(budget(), 0, 1)], LATER, Refuse),
    ("less than nothing left", SERVICE, [(budget(), -5, 1)], LATER, Refuse),
    ("free though nothing is left", SERVICE, [(budget(), 0, 0)], LATER, ALLOW),
    ("one of two", SERVICE, [(budget(), 9, 1), (budget(), 0, 1)], LATER, Refuse),
    ("held", SERVICE, [(HOLDS, 0, 1)], LATER, Defer),
    ("held beyond its deadline", SERVICE, [(HOLDS, 0, 1)], TONIGHT, Refuse),
    ("exempt", OTP, [(EXEMPT, 0, 1)], LATER, ALLOW),
    ("another class is exempt", SERVICE, [(EXEMPT, 0, 1)], LATER, Refuse),
    ("a code is not exempt by itself", OTP, [(budget(), 0, 1)], LATER, Refuse),
    ("exempt from the one and not from the other", OTP, [(EXEMPT, 0, 1), (budget(), 0, 1)], LATER, Refuse),
]


@pytest.mark.parametrize(
    ("message_class", "met", "expires_at", "expected"),
    [row[1:] for row in ROWS],
    ids=[row[0] for row in ROWS],
)
def test_the_rule(
    message_class: MessageClass, met: list[tuple[Budget, int, int]], expires_at: int, expected: Any
) -> None:
    spending = tuple(Spending(one, left, price, TONIGHT) for one, left, price in met)
    facts = Facts(message_class, Standing(), NO_LINE, expires_at, budgets=spending)
    verdict = within_budgets(facts, NOW)
    if expected is ALLOW:
        assert verdict == ALLOW
        return
    assert isinstance(verdict, expected)
    assert isinstance(verdict, Refuse | Defer)
    assert (verdict.reason, verdict.rule, verdict.set_at) == (Reason.BUDGET, "budget", SET_AT)
    assert verdict.detail.startswith("The budget all has no room for ")
    if isinstance(verdict, Defer):
        assert verdict.until == TONIGHT


PERIODS = [
    ("day", "2026-11-28T12:00:00Z", "UTC", "2026-11-28", "2026-11-28T00:00:00", "2026-11-29T00:00:00"),
    (
        "day",
        "2026-11-28T21:00:00Z",
        "Asia/Tehran",
        "2026-11-29",
        "2026-11-28T20:30:00",
        "2026-11-29T20:30:00",
    ),
    ("month", "2026-12-31T23:00:00Z", "UTC", "2026-12", "2026-12-01T00:00:00", "2027-01-01T00:00:00"),
    ("month", "2027-02-01T00:00:00Z", "UTC", "2027-02", "2027-02-01T00:00:00", "2027-03-01T00:00:00"),
    # the day on which clocks go back has 25 hours
    (
        "day",
        "2026-10-25T12:00:00Z",
        "Europe/Kyiv",
        "2026-10-25",
        "2026-10-24T21:00:00",
        "2026-10-25T22:00:00",
    ),
]


@pytest.mark.parametrize(("every", "at", "zone", "name", "begins", "until"), PERIODS)
def test_days_and_months(every: str, at: str, zone: str, name: str, begins: str, until: str) -> None:
    found = period_of(every, instant(at, "UTC"), zone)
    assert (found.name, iso(found.begins)[:19], iso(found.until)[:19]) == (name, begins, until)


@given(st.integers(1_700_000_000, 1_900_000_000), st.sampled_from(["day", "month"]))
def test_an_instant_is_within_its_own_day(second: int, every: str) -> None:
    for zone in ("UTC", "Asia/Tehran", "America/New_York", "Europe/Kyiv"):
        found = period_of(every, second * 1_000_000, zone)
        assert found.begins <= second * 1_000_000 < found.until
        assert period_of(every, found.until, zone).begins == found.until


def attempt(
    message_class: MessageClass = SERVICE, price: int = 1_000_000, at: int = NOW, **given: Any
) -> Attempt:
    """An attempt that is being planned."""
    plain: dict[str, Any] = {
        name: 0 if kind in ("int", "float | None") else "" for name, kind in Attempt.__annotations__.items()
    }
    times = dict.fromkeys(
        ("submitted_at", "accepted_at", "delivered_at", "read_at", "ended_at", "billed_at", "ttl_s")
    )
    known = {
        "message_class": message_class,
        "price_micros": price,
        "currency": "EUR",
        "state": AttemptState.QUEUED,
        "planned_at": at,
    }
    return Attempt(**{**plain, **times, **known, **given})


def purse(*budgets: Budget, counters: tuple[Counter, ...] = ()) -> Purse:
    """What may be spent under these, and what they have come to."""
    return Purse(Budgets(budgets=budgets), counters, NOW)


def test_a_message_meets_the_budgets_that_count_it() -> None:
    found = purse(
        budget(),
        budget(name="month", every="month"),
        budget(name="adverts", **{"class": "promotional"}),
        budget(name="sms", line="sms"),
        budget(name="hryvnia", currency="UAH"),
    )

    def names(message_class: MessageClass, line: str, currency: str = "EUR") -> list[str]:
        return [one.budget.name for one in found.facts(message_class, line, 1, currency, NOW)]

    assert names(SERVICE, "viber") == ["all", "month"]
    assert names(PROMOTIONAL, "sms") == ["all", "month", "adverts", "sms"]
    assert names(SERVICE, "sms", "UAH") == ["hryvnia"]
    one = attempt(PROMOTIONAL)
    found.take(one, "sms")
    assert one.budgets.split() == [
        "all.EUR@2026-11-28",
        "month.EUR@2026-11",
        "adverts.EUR@2026-11-28",
        "sms.EUR@2026-11-28",
    ]


def test_what_is_taken_is_not_there_any_more() -> None:
    found = purse(budget(), counters=(Counter("all.EUR@2026-11-28", TONIGHT, 2_000_000, 3_000_000),))
    assert [one.left_micros for one in found.facts(SERVICE, "sms", 1, "EUR", NOW)] == [5_000_000]
    found.take(attempt(), "sms")
    assert [one.left_micros for one in found.facts(SERVICE, "sms", 1, "EUR", NOW)] == [4_000_000]
    assert [one.left_micros for one in found.facts(SERVICE, "sms", 1, "EUR", TONIGHT)] == [10_000_000]


def test_a_warning_comes_once_and_so_does_the_end() -> None:
    found = purse(budget(warn_at=50))
    told = []
    for _ in range(12):
        spending = found.facts(SERVICE, "sms", 1_000_000, "EUR", NOW)
        if spending[0].left_micros >= 1_000_000:
            found.take(attempt(), "sms")
        else:
            found.full(spending, NOW)
        told.append(len(found.news))
    assert told == [0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 2, 2]
    assert [per_cent for _, _, per_cent in found.news] == [50, 100]
    quiet = purse(budget(warn_at=50), counters=(Counter("all.EUR@2026-11-28", TONIGHT, 9_000_000, told=50),))
    quiet.take(attempt(), "sms")
    assert quiet.news == []


STANDS = [
    (AttemptState.QUEUED, {}, Stand(10, 0, 0)),
    (AttemptState.SUBMITTING, {}, Stand(10, 0, 0)),
    (AttemptState.ACCEPTED, {}, Stand(10, 0, 0)),
    (AttemptState.UNKNOWN, {}, Stand(10, 0, 0)),
    (AttemptState.REFUSED, {}, Stand(0, 0, 10)),
    (AttemptState.CANCELLED, {}, Stand(0, 0, 10)),
    (AttemptState.FAILED, {}, Stand(0, 0, 10)),
    (AttemptState.FAILED, {"billed_at": 1, "cost_micros": 10}, Stand(0, 10, 0)),
    (AttemptState.DELIVERED, {"billed_at": 1, "cost_micros": 7}, Stand(0, 7, 3)),
    (AttemptState.ACCEPTED, {"billed_at": 1, "cost_micros": 12}, Stand(0, 12, -2)),
    (AttemptState.READ, {"billed_at": 1, "cost_micros": 0}, Stand(0, 0, 10)),
]


@pytest.mark.parametrize(("state", "given_", "expected"), STANDS)
def test_where_the_price_of_an_attempt_is(
    state: AttemptState, given_: dict[str, Any], expected: Stand
) -> None:
    found = stand(attempt(price=10, state=state, **given_))
    assert found == expected
    assert found.reserved + found.spent + found.given_back == 10


WRONG = [
    ({"zone": "Mars"}, "is not a time zone"),
    ({"budgets": [{"name": "a", "amount": "1", "currency": "EUR"}] * 2}, "two budgets of the name"),
    ({"budgets": [{"name": "a", "amount": "-1", "currency": "EUR"}]}, "matching regex"),
    ({"budgets": [{"name": "A b", "amount": "1", "currency": "EUR"}]}, "matching regex"),
    ({"budgets": [{"name": "a", "amount": "1", "currency": "euro"}]}, "matching regex"),
    ({"budgets": [{"name": "a", "amount": "1", "currency": "EUR", "warn_at": 101}]}, "<= 100"),
    ({"budgets": [{"name": "a", "amount": "1", "currency": "EUR", "every": "year"}]}, "Invalid enum"),
    (
        {"budgets": [{"name": f"a{n}", "amount": "1", "currency": "EUR"} for n in range(BUDGETS_MAX + 1)]},
        "length",
    ),
]


@pytest.mark.parametrize(("document", "said"), WRONG)
def test_what_is_wrong_with_a_policy(document: dict[str, Any], said: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=said):
        msgspec.convert(document, Budgets)

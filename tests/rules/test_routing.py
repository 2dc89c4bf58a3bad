"""Which line a step takes, as rows: the lines, what is asked, the order with each line's reason."""

from __future__ import annotations

import math
from collections import Counter
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from angarium.core.values import MessageClass
from angarium.messaging.cascade import Step
from angarium.messaging.gate.facts import LineRules
from angarium.messaging.routing import By, Candidate, LineFacts, Routing, candidates

SERVICE, PROMOTIONAL = MessageClass.SERVICE, MessageClass.PROMOTIONAL
SMS = Step(channel="smpp")
NAMES = {1: "one", 2: "two", 3: "three"}

CONNECTED = "Connected"
AILING = "Not connected"
AGAIN = "Already tried"
TRIED = "It has been tried"
NOT_APPROVED = "is not approved."
NOT_FOR_CLASS = "is not approved for service messages."
OFF = "is switched off."


def line(
    line_id: int,
    price: int = 100,
    *,
    channel: str = "smpp",
    classes: frozenset[MessageClass] = frozenset(MessageClass),
    approved: bool = True,
    enabled: bool = True,
    healthy: bool = True,
    weight: int = 1,
    taken: int | None = None,
    elsewhere: str = "",
) -> LineFacts:
    """A line that could be used, but for what is said."""
    rules = LineRules(NAMES[line_id], classes, approved, enabled)
    return LineFacts(line_id, channel, rules, healthy, price, weight, taken, elsewhere)


ONE, TWO, TWO_AILS = line(1), line(2), line(2, healthy=False)
ONE_CHEAP, TWO_DEAR = line(1, 1), line(2, 9)
ONE_AILS = line(1, 1, healthy=False)

ROWS = [  # about, lines, avoided, excluded, what is found: (line, can be used, part of its reason)
    ("no line", [], 0, 0, []),
    ("one line", [ONE], 0, 0, [(1, True, CONNECTED)]),
    ("on another channel", [line(1, channel="smtp")], 0, 0, []),
    ("the cheaper first", [TWO_DEAR, ONE_CHEAP], 0, 0, [(1, True, CONNECTED), (2, True, CONNECTED)]),
    ("of equals the older", [TWO, ONE], 0, 0, [(1, True, CONNECTED), (2, True, CONNECTED)]),
    ("health before price", [ONE_AILS, TWO_DEAR], 0, 0, [(2, True, CONNECTED), (1, True, AILING)]),
    ("ailing, the only one", [ONE_AILS], 0, 0, [(1, True, AILING)]),
    ("avoided", [ONE_CHEAP, TWO_DEAR], 1, 0, [(2, True, CONNECTED), (1, True, AGAIN)]),
    ("avoided, the only one", [ONE], 1, 0, [(1, True, AGAIN)]),
    ("avoided before ailing", [TWO_AILS, ONE], 1, 0, [(1, True, AGAIN), (2, True, AILING)]),
    ("excluded", [ONE, TWO], 0, 1, [(2, True, CONNECTED), (1, False, TRIED)]),
    ("excluded, the only one", [ONE], 0, 1, [(1, False, TRIED)]),
    ("not approved", [line(1, approved=False), TWO], 0, 0, [(2, True, CONNECTED), (1, False, NOT_APPROVED)]),
    ("not for its class", [line(1, classes=frozenset({PROMOTIONAL}))], 0, 0, [(1, False, NOT_FOR_CLASS)]),
    ("switched off", [line(1, enabled=False)], 0, 0, [(1, False, OFF)]),
    (
        "not there",
        [line(1, elsewhere="It is for UA only."), TWO],
        0,
        0,
        [(2, True, CONNECTED), (1, False, "UA")],
    ),
]


@pytest.mark.parametrize(
    ("lines", "avoid", "exclude", "expected"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS]
)
def test_order(
    lines: list[LineFacts], avoid: int, exclude: int, expected: list[tuple[int, bool, str]]
) -> None:
    found = candidates(lines, SMS, SERVICE, {avoid}, {exclude})
    assert [(one.line_id, one.fit) for one in found] == [(line_id, fit) for line_id, fit, _ in expected]
    assert all(one.name == NAMES[one.line_id] for one in found)
    assert all(why in one.why for one, (_, _, why) in zip(found, expected, strict=True))


NAMED = [  # a step's own line is taken by its name, whatever its channel and price
    ([ONE_CHEAP, line(2, 900, channel="smtp")], [2]),
    ([ONE, line(3)], []),
]


@pytest.mark.parametrize(("lines", "expected"), NAMED)
def test_a_line_by_its_name(lines: list[LineFacts], expected: list[int]) -> None:
    assert [one.line_id for one in candidates(lines, Step(line="two"), SERVICE)] == expected


def test_the_reason_names_the_price() -> None:
    assert candidates([line(1, 38_500)], SMS, SERVICE)[0].why == "Connected; 0.0385 a message."


WAYS = [  # about, by, the order named, lines, their order, the reason of the first
    (
        "the cheapest of three",
        By.CHEAPEST,
        (),
        [line(1, 4_400), line(2, 3_100), line(3, 9_000)],
        [2, 1, 3],
        "Connected; the cheapest of 3: 0.0031 against 0.0044.",
    ),
    (
        "the cheapest with its health",
        By.CHEAPEST,
        (),
        [line(1, 3_100, taken=992), line(2, 4_400)],
        [1, 2],
        "Connected; the cheapest of 2: 0.0031 against 0.0044; 99.2 % of the last hour taken.",
    ),
    (
        "the healthiest though it is dearer",
        By.HEALTHIEST,
        (),
        [line(1, 10, taken=880), line(2, 90, taken=992)],
        [2, 1],
        "Connected; the healthiest of 2, 0.00009 a message; 99.2 % of the last hour taken.",
    ),
    (
        "of equal health in whole per cent the cheaper",
        By.HEALTHIEST,
        (),
        [line(1, 90, taken=999), line(2, 10, taken=991)],
        [2, 1],
        "Connected; the healthiest of 2, 0.00001 a message; 99.1 % of the last hour taken.",
    ),
    (
        "one of which too little is known is tried",
        By.HEALTHIEST,
        (),
        [line(1, taken=900), line(2)],
        [2, 1],
        "Connected; the healthiest of 2, 0.0001 a message.",
    ),
    (
        "in the order of the policy, others after it",
        By.FIXED,
        ("three", "one"),
        [line(1, 1), line(2, 1), line(3, 9)],
        [3, 1, 2],
        "Connected; the first of 3 in the order of the policy, 0.000009 a message.",
    ),
    (
        "health before the order of the policy",
        By.FIXED,
        ("one", "two"),
        [line(1, healthy=False), line(2)],
        [2, 1],
        "Connected; the first of 2 in the order of the policy, 0.0001 a message.",
    ),
    (
        "no weight, only when there is no other",
        By.WEIGHTED,
        (),
        [line(1, 1, weight=0), line(2, 9, weight=7)],
        [2, 1],
        "Connected; drawn by weight 7 of 7, 0.000009 a message.",
    ),
]


@pytest.mark.parametrize(
    ("by", "named", "lines", "order", "why"), [row[1:] for row in WAYS], ids=[row[0] for row in WAYS]
)
def test_what_decides(
    by: By, named: tuple[str, ...], lines: list[LineFacts], order: list[int], why: str
) -> None:
    for key in (1, 2, 3):
        found = candidates(lines, SMS, SERVICE, by=by, named=named, key=key)
        assert [one.line_id for one in found] == order
        assert found[0].why == why


def test_a_class_may_have_its_own_way() -> None:
    routing = Routing(By.WEIGHTED, {MessageClass.OTP: By.HEALTHIEST})
    assert routing.way(MessageClass.OTP) is By.HEALTHIEST
    assert routing.way(SERVICE) is By.WEIGHTED
    assert Routing().way(SERVICE) is By.CHEAPEST


@pytest.mark.parametrize("weights", [(1, 1, 1), (70, 20, 10), (1, 99, 0), (5, 3, 2)])
@pytest.mark.parts(2)
def test_weights_are_honoured(weights: tuple[int, int, int]) -> None:
    """A hundred thousand choices; each line's number within five standard deviations of a binomial."""
    lines = [line(number, weight=weight) for number, weight in enumerate(weights, start=1)]
    draws = 100_000
    drawn = Counter(
        candidates(lines, SMS, SERVICE, by=By.WEIGHTED, key=key)[0].line_id
        for key in range(10**15, 10**15 + draws)
    )
    for number, weight in enumerate(weights, start=1):
        share = weight / sum(weights)
        assert abs(drawn[number] - draws * share) <= 5 * math.sqrt(draws * share * (1 - share))


def test_when_a_line_falls_out_only_its_own_share_moves() -> None:
    lines = [line(number, weight=number) for number in (1, 2, 3)]
    for key in range(2_000):
        first = candidates(lines, SMS, SERVICE, by=By.WEIGHTED, key=key)[0].line_id
        without = [one for one in lines if one.line_id != 2]
        again = candidates(without, SMS, SERVICE, by=By.WEIGHTED, key=key)[0].line_id
        assert first in (2, again)


facts = st.builds(
    line,
    st.sampled_from([1, 2, 3]),
    st.integers(0, 5),
    channel=st.sampled_from(["smpp", "smtp"]),
    classes=st.frozensets(st.sampled_from(MessageClass)),
    approved=st.booleans(),
    enabled=st.booleans(),
    healthy=st.booleans(),
    weight=st.integers(0, 3),
    taken=st.none() | st.integers(0, 1000),
    elsewhere=st.sampled_from(["", "", "It is not for UA."]),
)
ways = st.sampled_from(By)
lists = st.lists(facts, unique_by=lambda one: one.line_id)
ids = st.frozensets(st.sampled_from([1, 2, 3]))


@given(lists, ids, ids, st.sampled_from(MessageClass), ways, st.randoms(use_true_random=False))
def test_each_line_of_the_step_has_its_place_whatever_the_order_they_come_in(
    lines: list[LineFacts],
    avoid: frozenset[int],
    exclude: frozenset[int],
    message_class: MessageClass,
    by: By,
    order: Random,
) -> None:
    named = ("two", "one")
    found = candidates(lines, SMS, message_class, avoid, exclude, by, named, key=7)
    assert {one.line_id for one in found} == {one.line_id for one in lines if one.channel == "smpp"}
    assert [one.fit for one in found] == sorted((one.fit for one in found), reverse=True)
    shuffled = candidates(
        order.sample(lines, len(lines)), SMS, message_class, avoid, exclude, by, named, key=7
    )
    assert usable(shuffled) == usable(found)
    for one in (one for one in lines if one.line_id in {c.line_id for c in usable(found)}):
        assert message_class in one.rules.classes
        assert one.rules.approved
        assert one.rules.enabled
        assert one.line_id not in exclude
        assert not one.elsewhere
    alike = [one for one in lines if one.line_id == (found[0].line_id if usable(found) else 0)]
    rivals = [
        one
        for first in alike
        for one in lines
        if one.line_id in {c.line_id for c in usable(found)}
        and (one.healthy, one.line_id in avoid) == (first.healthy, first.line_id in avoid)
    ]
    if by is By.CHEAPEST and alike:
        assert alike[0].price_micros == min(one.price_micros for one in rivals)


def usable(found: list[Candidate]) -> list[Candidate]:
    """The lines that can be used, in their order."""
    return [one for one in found if one.fit]

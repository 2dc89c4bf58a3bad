"""Which line a step takes, as rows: the lines, what is asked, the order with each line's reason."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from angarium.core.values import MessageClass
from angarium.messaging.cascade import Step
from angarium.messaging.gate.facts import LineRules
from angarium.messaging.routing import Candidate, LineFacts, candidates

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
) -> LineFacts:
    """A line that could be used, but for what is said."""
    rules = LineRules(NAMES[line_id], classes, approved, enabled)
    return LineFacts(line_id, channel, rules, healthy, price)


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


facts = st.builds(
    line,
    st.sampled_from([1, 2, 3]),
    st.integers(0, 5),
    channel=st.sampled_from(["smpp", "smtp"]),
    classes=st.frozensets(st.sampled_from(MessageClass)),
    approved=st.booleans(),
    enabled=st.booleans(),
    healthy=st.booleans(),
)
lists = st.lists(facts, unique_by=lambda one: one.line_id)
ids = st.frozensets(st.sampled_from([1, 2, 3]))


@given(lists, ids, ids, st.sampled_from(MessageClass), st.randoms(use_true_random=False))
def test_each_line_of_the_step_has_its_place_whatever_the_order_they_come_in(
    lines: list[LineFacts],
    avoid: frozenset[int],
    exclude: frozenset[int],
    message_class: MessageClass,
    order: Random,
) -> None:
    found = candidates(lines, SMS, message_class, avoid, exclude)
    assert {one.line_id for one in found} == {one.line_id for one in lines if one.channel == "smpp"}
    assert [one.fit for one in found] == sorted((one.fit for one in found), reverse=True)
    shuffled = candidates(order.sample(lines, len(lines)), SMS, message_class, avoid, exclude)
    assert usable(shuffled) == usable(found)
    for one in (one for one in lines if one.line_id in {c.line_id for c in usable(found)}):
        assert message_class in one.rules.classes
        assert one.rules.approved
        assert one.rules.enabled
        assert one.line_id not in exclude


def usable(found: list[Candidate]) -> list[Candidate]:
    """The lines that can be used, in their order."""
    return [one for one in found if one.fit]

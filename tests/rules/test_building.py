"""The builder of cascades: its form, and what a cascade comes to."""

from __future__ import annotations

import pytest

from angarium.core.values import Window
from angarium.messaging import building
from angarium.messaging.building import Cost, DraftCascade, DraftStep
from angarium.messaging.cascade import Step

STEPS = (
    Step(channel="vk_notify", success="read", wait_s=90.0),
    Step(line="sms-main", success="delivered", wait_s=7_200.0, start_within_s=120.0, on={"hours": "stop"}),
    Step(channel="smtp", success="accepted", wait_s=60.0, hours=Window("09:00", "21:00", (1, 2))),
)


def test_steps_survive_the_form() -> None:
    assert building.steps_of(building.of_steps("x", STEPS)) == STEPS


def test_the_order_of_the_form_is_that_of_the_steps() -> None:
    draft = building.read(
        [
            ("name", "n"),
            ("step", "b"),
            ("b.way", "line:sms"),
            ("b.wait", "1,5"),
            ("b.unit", "h"),
            ("b.reason", "no_line"),
            ("b.action", "stop"),
            ("step", "a"),
            ("a.way", "channel:vk_notify"),
            ("a.evil", "x"),
            ("z.way", "line:x"),
            ("step", "a"),
            ("step", "../"),
        ]
    )
    first, second = building.steps_of(draft)
    assert (first.line, first.wait_s, first.on) == ("sms", 5_400.0, {"no_line": "stop"})
    assert (second.channel, second.line) == ("vk_notify", "")


@pytest.mark.parametrize("text", ["", "x", "-1", "nan", "inf", "1e99"])
def test_what_is_no_number_is_refused_later(text: str) -> None:
    (step,) = building.steps_of(DraftCascade(steps=[DraftStep("a", "channel:smpp", wait=text)]))
    assert step.wait_s == 0.0


@pytest.mark.parametrize(
    ("what", "keys"),
    [
        ("up:b", "ba"),
        ("down:a", "ba"),
        ("up:a", "ab"),
        ("remove:a", "b"),
        ("add:channel:smpp", "abc"),
        ("remove:q", "ab"),
        ("nonsense", "ab"),
    ],
)
def test_buttons_of_the_builder(what: str, keys: str) -> None:
    draft = DraftCascade(steps=[DraftStep("a", days=[], on=[]), DraftStep("b", days=[], on=[])])
    building.pressed(draft, what)
    assert "".join(one.key for one in draft.steps) == keys


def test_an_exception_is_added_and_there_are_ten_steps_at_the_most() -> None:
    draft = DraftCascade(steps=[])
    for _ in range(12):
        building.pressed(draft, "add:channel:smpp")
    building.pressed(draft, "reason:a")
    assert len(draft.steps) == 10
    assert draft.steps[0].on == [("", "")]


def cost(micros: int, success: float | None = None, *, on_delivery: bool = False) -> Cost:
    """What a step costs in euros."""
    return Cost(micros, "EUR", on_delivery, success, known=True)


@pytest.mark.parametrize(
    ("costs", "paths", "expected"),
    [
        ([cost(10, 0.5), cost(40)], [10, 50], 30),
        ([cost(10, 0.5, on_delivery=True), cost(40)], [10, 40], 25),
        ([cost(10), cost(40)], [10, 50], None),
        ([cost(10, 0.5), Cost()], [10, None], None),
        ([cost(10, 0.5), Cost(40, "USD", known=True)], [None, None], None),
        ([cost(40, 0.9, on_delivery=True)], [40], 36),
        ([], [], None),
    ],
)
def test_what_a_cascade_comes_to(costs: list[Cost], paths: list[int | None], expected: int | None) -> None:
    found = building.total(costs)
    assert (found.paths, found.expected) == (paths, expected)


def test_sentences_stand_at_their_step() -> None:
    found = building.wrong_by_step(
        [("steps[1].wait_s", "a"), ("steps[1]", "b"), ("name", "c"), ("steps", "d")]
    )
    assert found == {1: ["a", "b"]}

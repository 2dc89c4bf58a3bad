"""What was saved: money beside money of the same currency, and of no other."""

from __future__ import annotations

import pytest

from angarium.messaging.savings import Saved, Saving, compare

E, R = 1_000_000, 50_000_000_000


@pytest.mark.parametrize(
    ("cost", "instead", "saved", "beside"),
    [
        ({"EUR": 3 * E}, {"EUR": 10 * E}, {"EUR": 7 * E}, {}),
        ({"EUR": 12 * E}, {"EUR": 10 * E}, {"EUR": -2 * E}, {}),
        ({}, {"EUR": 10 * E}, {"EUR": 10 * E}, {}),
        ({"EUR": 3 * E, "IRR": R}, {"IRR": 2 * R}, {"IRR": R}, {"EUR": 3 * E}),  # euros are no rials
        ({"EUR": 3 * E}, {"EUR": 0}, {}, {"EUR": 3 * E}),
        ({"EUR": 3 * E}, {"": 0}, {}, {"EUR": 3 * E}),
        ({"EUR": 0}, {}, {}, {}),
        ({}, {}, {}, {}),
    ],
)
def test_money_is_compared_with_money_of_its_currency(
    cost: dict[str, int], instead: dict[str, int], saved: dict[str, int], beside: dict[str, int]
) -> None:
    found = compare(cost, instead)
    assert {one.currency: one.micros for one in found.savings} == saved
    assert dict(found.beside) == beside


def test_the_share_is_of_what_it_had_cost_otherwise() -> None:
    assert Saving("EUR", 3 * E, 12 * E).share == 0.75
    assert Saving("EUR", 3 * E, 0).share == 0.0
    assert Saved() == compare({}, {})

"""Arms of a campaign: drawn by chance alone, and compared without saying more than the figures do."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import pytest

from angarium.campaigns.experiment import (
    CONTROL,
    Arm,
    Experiment,
    Tally,
    arm_of,
    compare,
    enough,
    flaws,
    interval,
)

THREE = Experiment((Arm("A", "a", 2), Arm("B", "b", 1), Arm("C", "c", 1)), control_percent=10)


def test_shares_are_kept_and_a_member_keeps_its_arm() -> None:
    drawn = Counter(arm_of(THREE, 77, contact_id) for contact_id in range(100_000))
    assert drawn[CONTROL] == pytest.approx(10_000, abs=300)
    assert [drawn[place] for place in range(3)] == pytest.approx([45_000, 22_500, 22_500], abs=600)
    assert arm_of(THREE, 77, 5) == arm_of(THREE, 77, 5)


def test_arms_of_two_campaigns_have_nothing_to_do_with_one_another() -> None:
    both = Counter(
        (arm_of(THREE, 1, contact_id), arm_of(THREE, 2, contact_id)) for contact_id in range(100_000)
    )
    assert both[0, 0] == pytest.approx(100_000 * 0.45 * 0.45, abs=700)


def test_arms_do_not_follow_the_order_of_contacts() -> None:
    """Ids that are minted in one batch differ by one."""
    first = [arm_of(THREE, 9, 125_688_191_385_600_000 + number) for number in range(2_000)]
    runs = sum(one != other for one, other in pairwise(first))
    assert runs > 1_200


@pytest.mark.parametrize(
    ("tally", "least", "most"),
    [  # Newcombe, Statistics in Medicine 17 (1998), table I: Wilson's score without correction
        (Tally(263, 81), 0.2553, 0.3662),
        (Tally(148, 15), 0.0624, 0.1605),
        (Tally(20, 0), 0.0, 0.1611),
        (Tally(29, 1), 0.0061, 0.1718),
        (Tally(0, 0), 0.0, 1.0),
    ],
)
def test_intervals_are_those_of_the_literature(tally: Tally, least: float, most: float) -> None:
    assert interval(tally) == pytest.approx((least, most), abs=5e-5)


def test_a_difference_is_shown_when_it_is_there() -> None:
    (found,) = compare({"A": Tally(10_000, 2_000), "B": Tally(10_000, 2_300)})
    assert found.shown
    assert (found.points, found.least, found.most) == (-3.0, -4.14, -1.86)


def test_chance_is_not_called_a_difference() -> None:
    (found,) = compare({"A": Tally(100, 20), "B": Tally(100, 25)})
    assert not found.shown
    assert found.least < 0 < found.most


def test_of_many_comparisons_each_must_be_surer() -> None:
    """Alone the difference of A and B is at p = 0.03; among six it is nothing."""
    pair = {"A": Tally(1_000, 200), "B": Tally(1_000, 240)}
    assert compare(pair)[0].shown
    four = pair | {"C": Tally(1_000, 220), "D": Tally(1_000, 221)}
    assert not any(one.shown for one in compare(four))


def test_arms_that_are_alike_are_found_different_in_no_more_than_one_of_twenty() -> None:
    alarms = 0
    for campaign in range(400):
        counted = Counter()
        reached = Counter()
        for contact_id in range(600):
            arm = arm_of(THREE, campaign, contact_id)
            counted[arm] += 1
            reached[arm] += arm_of(THREE, campaign + 10_000, contact_id) == 0  # who reads it: chance as well
        tallies = {arm.name: Tally(counted[place], reached[place]) for place, arm in enumerate(THREE.arms)}
        alarms += any(one.shown for one in compare(tallies))
    assert alarms <= 32  # 20 expected; 32 is three standard deviations above


def test_how_many_it_takes() -> None:
    assert enough(0.2, 5) == 1_094  # power.prop.test(p1 = 0.2, p2 = 0.25, power = 0.8)
    assert enough(0.2, 1) > 20 * enough(0.2, 5)


def test_nobody_told_is_nothing_shown() -> None:
    (found,) = compare({"A": Tally(0, 0), "B": Tally(10, 10)})
    assert not found.shown


def test_a_name_is_for_one_arm() -> None:
    twice = Experiment((Arm("A", "a"), Arm("A", "b")))
    assert [one.field for one in flaws(twice)] == ["experiment.arms[1].name"]

"""Who gets which wording of a campaign, and whether one did better than another. Pure.

Rules, so that a figure says no more than it can:

1. Chance decides, and nothing else: the arm of a member comes from its id and the campaign's, scattered. It
   is the same whenever it is asked for, in no order of contacts, and unrelated between campaigns.
2. A control group is told nothing. It is drawn first, from everybody.
3. Nothing is concluded before all is known: while messages are open, early good news of one arm is chance.
4. Each arm is shown with the interval in which its true rate lies in 95 of 100 such campaigns (Wilson, 1927).
5. Arms are compared two by two (two proportions, pooled). Many comparisons find something by chance, so each
   is held to a stricter level than the next (Holm, 1979).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from math import ceil, erfc, sqrt
from typing import Annotated, Literal

import msgspec

from angarium.core.problems import FieldProblem, shown

ARMS_MIN, ARMS_MAX = 2, 6
SCATTER, MASK = 0x9E3779B97F4A7C15, (1 << 64) - 1  # splitmix64: Steele, Lea, Flood, OOPSLA 2014
LEVEL = 0.05  # of false alarms in a campaign of arms that are alike
Z = 1.959964  # of the normal distribution, both sides of 95 %
POWER_Z = 0.841621  # of the same, one side of 80 %
CONTROL = -1  # the arm that is told nothing

Goal = Literal["delivered", "read", "clicked"]


class Arm(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One wording, and its share beside those of the others."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=40)]
    template: str
    share: Annotated[int, msgspec.Meta(ge=1, le=1_000)] = 1


class Experiment(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Several wordings, and some who are told nothing."""

    arms: Annotated[tuple[Arm, ...], msgspec.Meta(min_length=ARMS_MIN, max_length=ARMS_MAX)]
    control_percent: Annotated[float, msgspec.Meta(ge=0, le=50)] = 0.0
    goal: Goal = "read"


class Tally(msgspec.Struct, frozen=True):
    """What an arm came to: members who were told, and of these who did what was hoped for."""

    told: int
    reached: int


class Compared(msgspec.Struct, frozen=True):
    """Two arms: by how many points of a hundred the first did better, at the least and at the most."""

    first: str
    second: str
    points: float
    least: float
    most: float
    p: float
    shown: bool  # whether a difference is shown, after the correction


def flaws(experiment: Experiment) -> Iterator[FieldProblem]:
    """What is wrong with an experiment by itself."""
    names = [arm.name for arm in experiment.arms]
    for place, name in enumerate(names):
        if name in names[:place]:
            yield FieldProblem(
                f"experiment.arms[{place}].name", "comes twice", "a name for each", shown(name)
            )


def arm_of(experiment: Experiment, campaign_id: int, contact_id: int) -> int:
    """The place of a member's arm, or CONTROL."""
    roll = _mixed(contact_id ^ _mixed(campaign_id)) / (MASK + 1)
    held_back = experiment.control_percent / 100
    if roll < held_back:
        return CONTROL
    left = (roll - held_back) / (1 - held_back) * sum(arm.share for arm in experiment.arms)
    for place, arm in enumerate(experiment.arms):
        if left < arm.share:
            return place
        left -= arm.share
    return len(experiment.arms) - 1


def _mixed(value: int) -> int:
    value = (value + SCATTER) & MASK
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & MASK
    return value ^ (value >> 31)


def interval(tally: Tally) -> tuple[float, float]:
    """Between which rates the true one lies, in 95 of 100 cases; of nobody, anything."""
    if not tally.told:
        return 0.0, 1.0
    n, rate = tally.told, tally.reached / tally.told
    middle = (rate + Z * Z / (2 * n)) / (1 + Z * Z / n)
    half = Z * sqrt(rate * (1 - rate) / n + Z * Z / (4 * n * n)) / (1 + Z * Z / n)
    return max(0.0, middle - half), min(1.0, middle + half)


def compare(tallies: Mapping[str, Tally]) -> list[Compared]:
    """Every two arms, the surest difference first."""
    found = [
        _pair(first, second, tallies[first], tallies[second]) for first, second in combinations(tallies, 2)
    ]
    return _corrected(sorted(found, key=lambda one: one.p))


def _pair(first: str, second: str, one: Tally, other: Tally) -> Compared:
    if not one.told or not other.told:
        return Compared(first, second, 0.0, -100.0, 100.0, 1.0, shown=False)
    rates = one.reached / one.told, other.reached / other.told
    pooled = (one.reached + other.reached) / (one.told + other.told)
    spread = sqrt(pooled * (1 - pooled) * (1 / one.told + 1 / other.told))
    difference = rates[0] - rates[1]
    p = erfc(abs(difference) / spread / sqrt(2)) if spread else 1.0
    apart = Z * sqrt(rates[0] * (1 - rates[0]) / one.told + rates[1] * (1 - rates[1]) / other.told)
    points = [round(value * 100, 2) for value in (difference, difference - apart, difference + apart)]
    return Compared(first, second, points[0], points[1], points[2], p, shown=False)


def _corrected(found: Sequence[Compared]) -> list[Compared]:
    """Which differences are shown: from the surest on, until the first that is not."""
    kept, holds = [], True
    for place, one in enumerate(found):
        holds = holds and one.p <= LEVEL / (len(found) - place)
        kept.append(msgspec.structs.replace(one, shown=holds))
    return kept


def enough(rate: float, points: float) -> int:
    """How many must be told in each arm to see a difference of so many points in four of five campaigns; as
    R's `power.prop.test` has it."""
    difference, other = points / 100, rate + points / 100
    mean = (rate + other) / 2
    alike = Z * sqrt(2 * mean * (1 - mean))
    apart = POWER_Z * sqrt(max(0.0, rate * (1 - rate) + other * (1 - other)))
    return ceil(((alike + apart) / difference) ** 2)

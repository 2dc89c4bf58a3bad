"""A server makes way when it alone does not reach the ledger, and nobody does when all do not."""

from __future__ import annotations

import pytest

from angarium.fabric.sight import BEHIND_S, BLIND_S, LEAVE_S, Sight
from support.still import StillClock

S = BLIND_S  # of seconds without an answer
B = BEHIND_S


@pytest.mark.parametrize(
    ("told", "makes_way"),
    [
        ("the ledger answers", [(S, True, True)] * 3),
        ("it has not been asked in vain for long", [(S - 1, False, True)]),
        ("blind, and others are not yet told apart from it", [(S, False, True), (B - 1, False, True)]),
        ("nobody sees", [(S, False, False), (B, False, False), (B, False, False)]),
        (
            "others were blind too",
            [(S, False, True), (B - 1, False, False), (B - 1, False, True)],
        ),
        ("it alone", [(S, False, True), (B, False, True)]),
    ],
    ids=lambda one: one if isinstance(one, str) else "",
)
def test_who_makes_way(told: str, makes_way: list[tuple[float, bool, bool]]) -> None:
    clock = StillClock()
    sight = Sight(clock)
    for after_s, answered, others_see in makes_way:
        clock.advance(after_s)
        sight.answered() if answered else sight.asked_in_vain()
        sight.look(others_see=others_see)
    assert sight.makes_way is (told == "it alone")
    assert not sight.overdue


def test_what_is_under_way_has_its_time_and_no_more() -> None:
    clock = StillClock()
    sight = Sight(clock)
    for after_s in (BLIND_S, BEHIND_S + LEAVE_S):
        clock.advance(after_s)
        sight.asked_in_vain()
        sight.look(others_see=True)
    assert sight.overdue
    assert sight.answered()
    assert (sight.blind, sight.makes_way, sight.overdue) == (False, False, False)
    assert not sight.answered()

"""The retries of a line: free while it is well, a tenth of its first submissions while it is not."""

from __future__ import annotations

import pytest

from angarium.core.clock import micros
from angarium.messaging.retry import (
    EARNED,
    FLOOR,
    ONE_IN_S,
    SAVED_MAX,
    WELL_AFTER_S,
    WITHOUT_LIMIT,
    Budget,
    ended,
    submitted,
)

NOW = micros(1_800_000_000)


def failing(saved: float = FLOOR) -> Budget:
    return ended(Budget(saved), False, NOW)


def test_a_line_that_is_well_retries_as_it_likes() -> None:
    assert Budget().retries(NOW) == WITHOUT_LIMIT
    assert submitted(Budget(), 0, 5_000, NOW).saved == FLOOR
    assert ended(Budget(), True, NOW) == Budget()


def test_one_that_fails_has_what_is_saved() -> None:
    assert failing().retries(NOW) == FLOOR
    assert submitted(failing(), 0, 4, NOW).retries(NOW) == FLOOR - 4
    assert submitted(failing(0.0), 25, 0, NOW).retries(NOW) == int(25 * EARNED)
    assert submitted(failing(), 1_000_000, 0, NOW).saved == SAVED_MAX


def test_with_nothing_left_one_now_and_then_finds_out() -> None:
    broke = submitted(failing(), 0, int(FLOOR), NOW)
    assert broke.retries(NOW) == 0
    assert broke.retries(NOW + micros(ONE_IN_S) - 1) == 0
    assert broke.retries(NOW + micros(ONE_IN_S)) == 1


def test_it_is_well_once_submissions_have_been_taken_for_a_while() -> None:
    budget = submitted(failing(), 0, int(FLOOR), NOW)
    quiet = NOW + micros(600)
    assert budget.retries(quiet) == 1  # that nothing was heard is no good sign
    budget = ended(ended(budget, True, quiet), True, quiet + micros(WELL_AFTER_S - 1))
    assert budget.retries(quiet + micros(WELL_AFTER_S) - 1) == 1
    assert budget.retries(quiet + micros(WELL_AFTER_S)) == WITHOUT_LIMIT
    relapsed = ended(budget, False, quiet + micros(WELL_AFTER_S))
    assert relapsed.retries(quiet + micros(WELL_AFTER_S)) == 1


@pytest.mark.parametrize("share", [0.3, 0.5, 1.0])
def test_over_an_outage_no_more_than_a_tenth_is_added(share: float) -> None:
    """Ten minutes, 20 places a second; what failed wants its place again at once."""
    budget, waiting, firsts, retries = Budget(), 0, 0, 0
    for tick in range(600 * 20):
        now = NOW + micros(tick / 20)
        if waiting and budget.retries(now):
            retries, waiting, again = retries + 1, waiting - 1, 1
        else:
            firsts, again = firsts + 1, 0
        budget = submitted(budget, 1 - again, again, now)
        failed = int((tick + 1) * share) > int(tick * share)
        budget = ended(budget, not failed, now)
        waiting += failed
    assert firsts + retries <= 1.1 * firsts + FLOOR + 600 / ONE_IN_S

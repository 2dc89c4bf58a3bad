"""How a line is doing: tallies that add up, shares that say something, percentiles within an eighth."""

from __future__ import annotations

import math
from collections import Counter

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from angarium.lines import tallies
from angarium.lines.tallies import ENOUGH, Tally, bucket_of, percentile, together

seconds = st.floats(0.001, 100_000, allow_nan=False)
some_tallies = st.builds(
    Tally,
    taken=st.integers(0, 50),
    failed=st.integers(0, 50),
    unanswered=st.integers(0, 50),
    accepted=st.integers(0, 50),
    delivered=st.integers(0, 50),
    undelivered=st.integers(0, 50),
    accept_s=st.dictionaries(st.integers(0, 90), st.integers(1, 9), max_size=5),
    deliver_s=st.dictionaries(st.integers(0, 90), st.integers(1, 9), max_size=5),
    error=st.just("x"),
    error_at=st.integers(0, 100),
)


@given(st.lists(seconds, min_size=1, max_size=300), st.sampled_from([0.5, 0.95, 0.99]))
def test_a_percentile_is_within_an_eighth(heard: list[float], share: float) -> None:
    buckets = Counter(map(bucket_of, heard))
    truth = sorted(heard)[math.ceil(len(heard) * share) - 1]
    found = percentile(buckets, share)
    assert found is not None
    assert truth / 1.125 <= found <= truth * 1.125


def test_of_nothing_there_is_no_percentile() -> None:
    assert percentile({}, 0.5) is None


def test_a_bucket_for_whatever_comes() -> None:
    assert bucket_of(-1.0) == bucket_of(0.0) == bucket_of(tallies.LEAST_S) == 0
    assert bucket_of(1e12) == tallies.BUCKETS_MAX


@given(st.lists(some_tallies, max_size=6), st.integers(0, 6))
def test_it_does_not_matter_in_which_heaps_they_are_added(many: list[Tally], cut: int) -> None:
    copies = [msgspec.json.decode(msgspec.json.encode(one), type=Tally) for one in many]
    whole = together(many)
    parts = together([together(copies[:cut]), together(copies[cut:])])
    assert whole == parts
    assert whole.taken == sum(one.taken for one in many)
    assert sum(whole.accept_s.values()) == sum(sum(one.accept_s.values()) for one in many)
    assert whole.error_at == max((one.error_at for one in many), default=0)


@pytest.mark.parametrize(
    ("taken", "failed", "expected"),
    [(0, 0, None), (ENOUGH - 1, 0, None), (ENOUGH, 0, 1000), (0, ENOUGH, 0), (992, 8, 992), (1999, 1, 999)],
)
def test_a_share_is_told_when_there_is_enough_to_tell_it_of(
    taken: int, failed: int, expected: int | None
) -> None:
    assert Tally(taken=taken, failed=failed).success_per_mille() == expected
    assert Tally(delivered=taken, undelivered=failed).delivery_per_mille() == expected


def test_minutes_and_hours_begin_where_clocks_do() -> None:
    assert tallies.starts("m", 3_725) == 3_720
    assert tallies.starts("h", 3_725) == 3_600

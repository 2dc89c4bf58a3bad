"""A line's speed: never more than it may, never a stall, whatever the clock does."""

from __future__ import annotations

from itertools import pairwise

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from angarium.core.clock import MICROS, micros
from angarium.messaging.pacing import (
    ASKED_MAX_S,
    BURST_S,
    CUT,
    SETTLES_S,
    START_MAX_PER_S,
    START_SHARE,
    Bucket,
    Meter,
    Pace,
    come_back,
    counted,
    give_back,
    next_token_at,
    slow_down,
    take,
)

NOW = micros(1_800_000_000)

TAKES = [  # speed a second, [(at second, wanted, granted)]
    (0, [(0, 500, 500), (0, 500, 500)]),  # without limit
    (100, [(0, 500, 10), (0, 500, 0), (0.05, 500, 5), (0.05, 500, 0)]),  # a tenth of a second at once
    (100, [(0, 3, 3), (0, 500, 7)]),
    (100, [(0, 10, 10), (3600, 500, 10)]),  # a pause saves up no more than the burst
    (10, [(0, 500, 1), (0.099, 1, 0), (0.1, 1, 1)]),
    (1, [(0, 500, 1), (0.999, 1, 0), (1, 1, 1), (2, 1, 1), (2.5, 1, 0)]),
    (0.1, [(0, 1, 1), (9.9, 1, 0), (10, 1, 1), (3600, 5, 1)]),  # one in ten seconds
    (100, [(0, 0, 0), (0, 500, 10)]),
    (100, [(0, 10, 10), (-60, 500, 0), (-59.95, 500, 5), (0, 500, 10)]),  # the clock steps back a minute
]


@pytest.mark.parametrize(("per_s", "takes"), TAKES)
def test_takes(per_s: float, takes: list[tuple[float, int, int]]) -> None:
    bucket = Bucket(per_s)
    for second, wanted, expected in takes:
        bucket, granted = take(bucket, wanted, NOW + micros(second))
        assert granted == expected, second


def test_time_may_begin_at_nought() -> None:
    bucket, first = take(Bucket(10), 5, 0)
    _, second = take(bucket, 5, 0)
    assert (first, second) == (1, 0)


GIVING_BACK = [  # speed, granted, given back, granted then
    (100, 10, 10, 10),
    (100, 10, 4, 4),
    (1, 1, 1, 1),
    (100, 10, 500, 10),  # never more than the burst
]


@pytest.mark.parametrize(("per_s", "granted", "unused", "again"), GIVING_BACK)
def test_what_was_not_used_can_be_taken_again(per_s: float, granted: int, unused: int, again: int) -> None:
    bucket, got = take(Bucket(per_s), 500, NOW)
    assert got == granted
    assert take(give_back(bucket, unused), 500, NOW)[1] == again


NEXT_TOKENS = [  # speed, tokens left; seconds until there is one
    (10, 0.0, 0.1),
    (10, 0.5, 0.05),
    (0.1, 0.75, 2.5),
    (10, 1.0, 0),
    (100, 7.5, 0),
]


@pytest.mark.parametrize(("per_s", "tokens", "delay_s"), NEXT_TOKENS)
def test_the_next_token(per_s: float, tokens: float, delay_s: float) -> None:
    rounding = 1 if delay_s else 0  # a microsecond, so as not to look too early
    assert next_token_at(Bucket(per_s, tokens, NOW), NOW) == NOW + micros(delay_s) + rounding
    assert next_token_at(Bucket(per_s, tokens, NOW), NOW + micros(60)) == NOW + micros(60)


def test_a_new_bucket_has_tokens_now() -> None:
    assert next_token_at(Bucket(0.1), NOW) == NOW


def test_without_limit_nothing_is_counted() -> None:
    assert give_back(Bucket(0), 5) == Bucket(0)
    assert next_token_at(Bucket(0), NOW) == NOW


speeds = st.sampled_from([0.01, 0.3, 1.0, 7.5, 30.0, 100.0, 3333.3, 100_000.0])
looks = st.lists(
    st.tuples(st.integers(0, 5 * MICROS) | st.integers(0, 2_000), st.integers(0, 20_000)), max_size=40
)


@given(per_s=speeds, looks=looks)
@example(per_s=100_000.0, looks=[(1, 20_000)] * 40)
def test_never_more_than_speed_and_burst_in_any_interval(per_s: float, looks: list[tuple[int, int]]) -> None:
    bucket, now = Bucket(per_s), NOW
    granted: list[tuple[int, int]] = []
    for pause, wanted in looks:
        now += pause
        bucket, got = take(bucket, wanted, now)
        assert 0 <= got <= wanted
        granted.append((now, got))
    for first, (begin, _) in enumerate(granted):
        total = 0
        for end, got in granted[first:]:
            total += got
            assert total <= max(1, per_s * BURST_S) + per_s * (end - begin) / MICROS + 1e-6


@given(per_s=speeds, looks=looks)
def test_the_speed_is_reached(per_s: float, looks: list[tuple[int, int]]) -> None:
    """Whoever waits for each token as told gets as many as the speed says; no waiting is for nothing."""
    bucket, now = Bucket(per_s), NOW
    for pause, _ in looks:
        bucket, _ = take(bucket, 1, now + pause)
        now += pause
    begin = now
    for _ in range(20):
        now = next_token_at(bucket, now)
        bucket, got = take(bucket, 1, now)
        assert got == 1
    assert now - begin <= 20 * (micros(1 / per_s) + 1)


@given(per_s=speeds, steps=st.lists(st.integers(-3600, 3600), min_size=1, max_size=20))
def test_a_clock_that_jumps_neither_stalls_nor_floods(per_s: float, steps: list[int]) -> None:
    bucket, now = Bucket(per_s), NOW
    for step in steps:
        now += micros(step)
        bucket, got = take(bucket, 1_000_000, now)
        assert got <= max(1, per_s * BURST_S)
        assert next_token_at(bucket, now) - now <= micros(1 / per_s) + 1


# ── how fast it may go ───────────────────────────────────────────────────────────────────────────────


def speeds_of(pace: Pace, seconds: int) -> list[float]:
    """The speed at each second."""
    return [pace.speed(NOW + micros(second)) for second in range(seconds)]


@pytest.mark.parametrize("most", [0.5, 1, 30, 100, 2_000])
def test_a_line_that_comes_back_rises_to_its_speed_and_never_above(most: float) -> None:
    seen = speeds_of(come_back(Pace(most), NOW), 60)
    assert seen == sorted(seen)
    assert seen[0] <= max(min(1.0, most), START_SHARE * most)
    assert seen[-1] == most
    assert all(later <= 1.5 * sooner for sooner, later in pairwise(seen))


def test_a_line_without_a_limit_comes_back_slowly_too() -> None:
    pace = come_back(Pace(0), NOW)
    seen = speeds_of(pace, 30)
    assert seen[:2] == [START_MAX_PER_S, pytest.approx(START_MAX_PER_S * 2**0.5)]
    assert seen[-1] == 0
    assert pace.slowed(NOW)
    assert not pace.slowed(NOW + micros(30))


def test_a_pace_of_its_own_is_the_settings() -> None:
    assert (Pace(7).speed(NOW), Pace(0).speed(NOW)) == (7, 0)
    assert not Pace(7).slowed(NOW)


def test_asked_to_slow_down_it_goes_a_fifth_slower_than_what_was_taken() -> None:
    pace = slow_down(Pace(200), 50.0, NOW, None, NOW)
    assert pace.speed(NOW) == pytest.approx(CUT * 50)
    assert pace.slowed(NOW)
    later = NOW + micros(SETTLES_S) + 1
    again = slow_down(pace, 50.0, later, None, later)
    assert again.speed(later) == pytest.approx(CUT * pace.speed(later))
    assert again.speed(later + micros(1)) < 1.03 * again.speed(later)  # from now on it creeps


def test_what_was_sent_at_the_old_speed_says_nothing_of_the_new() -> None:
    pace = slow_down(Pace(200), 50.0, NOW - 1, None, NOW)
    for _ in range(100):
        assert slow_down(pace, 50.0, NOW - 1, None, NOW + micros(0.1)) == pace


def test_it_keeps_still_for_as_long_as_it_was_asked_to_and_not_for_a_day() -> None:
    assert slow_down(Pace(200), 50.0, NOW, 7.0, NOW).still_until == NOW + micros(7)
    assert slow_down(Pace(200), 50.0, NOW, 86_400.0, NOW).still_until == NOW + micros(ASKED_MAX_S)


@pytest.mark.parametrize("most", [0, 60, 200, 5_000])
@pytest.mark.parametrize("limit", [5, 50])
def test_the_speed_comes_to_what_the_provider_takes(most: float, limit: int) -> None:
    """A provider that takes so many a second: hardly any is refused, and little of it is left unused."""
    pace, bucket, meter = Pace(most), Bucket(most), Meter()
    taken, refused, this_second, second = 0, 0, 0, 0
    for tick in range(100 * 300):  # a hundredth of a second each, for five minutes
        now = NOW + micros(tick / 100)
        if tick // 100 != second:
            second, this_second = tick // 100, 0
        if second == 120:
            taken = refused = 0  # the first two minutes are for finding it
        bucket, granted = take(msgspec.structs.replace(bucket, per_s=pace.speed(now)), 20, now)
        for _ in range(granted):
            this_second += 1
            if this_second <= limit:
                taken, meter = taken + 1, counted(meter, now)
            else:
                refused += 1
                pace = slow_down(pace, meter.per_s(), now, None, now)
    assert taken >= 0.8 * limit * 180
    assert refused <= 0.1 * taken

"""Lanes and turns: the urgent first, nobody starved, nobody's neighbour pays for a flood."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from angarium.core.values import MessageClass
from angarium.messaging.lanes import FIRST, LANES, RESERVED_PERCENT, Shared, Turns, Waiting, kept, share

OTP, MONEY, SERVICE, PROMO = LANES
SHOP, BANK, CLUB = 1, 2, 3
FLOOD = 1_000_000


def lanes(shared: Shared) -> dict[MessageClass, int]:
    """How many go of each lane."""
    found: dict[MessageClass, int] = {}
    for quotas in shared.quotas.values():
        for lane, count in quotas.items():
            found[lane] = found.get(lane, 0) + count
    return found


BATCHES = [  # what waits, granted, for others than the first, what goes
    ({}, 100, 100, {}),
    ({OTP: 5}, 100, 100, {OTP: 5}),
    ({OTP: 5, PROMO: FLOOD}, 100, 100, {OTP: 5, PROMO: 95}),
    ({OTP: FLOOD, PROMO: FLOOD}, 100, 100, {OTP: 95, PROMO: 5}),  # a flood of codes leaves a share to each
    (
        {OTP: FLOOD, MONEY: FLOOD, SERVICE: FLOOD, PROMO: FLOOD},
        100,
        100,
        {OTP: 75, MONEY: 10, SERVICE: 10, PROMO: 5},
    ),
    (
        {OTP: FLOOD, MONEY: 3, PROMO: FLOOD},
        100,
        100,
        {OTP: 92, MONEY: 3, PROMO: 5},
    ),  # what is not used goes on
    ({MONEY: FLOOD, SERVICE: FLOOD, PROMO: FLOOD}, 100, 100, {MONEY: 85, SERVICE: 10, PROMO: 5}),
    ({SERVICE: 40, PROMO: FLOOD}, 100, 100, {SERVICE: 40, PROMO: 60}),
    ({PROMO: FLOOD}, 100, 90, {PROMO: 90}),  # ten places are kept for a code
    ({OTP: 20, PROMO: FLOOD}, 100, 90, {OTP: 20, PROMO: 80}),
    ({OTP: 20, PROMO: FLOOD}, 100, 0, {OTP: 20}),
    (
        {OTP: FLOOD, MONEY: FLOOD, PROMO: FLOOD},
        100,
        7,
        {OTP: 93, MONEY: 7},
    ),  # the reserved in the order of lanes
]


@pytest.mark.parametrize(("waiting", "granted", "others", "expected"), BATCHES)
def test_a_batch_is_shared_among_lanes(
    waiting: dict[MessageClass, int], granted: int, others: int, expected: dict[MessageClass, int]
) -> None:
    shared = share(Turns(), {lane: {SHOP: count} for lane, count in waiting.items()}, granted, others)
    assert lanes(shared) == expected


TURNS = [  # what waits of one lane by workspace, granted, what goes
    ({SHOP: FLOOD}, 100, {SHOP: 100}),
    ({SHOP: FLOOD, BANK: 10}, 100, {SHOP: 90, BANK: 10}),
    ({SHOP: FLOOD, BANK: FLOOD}, 100, {SHOP: 50, BANK: 50}),
    ({SHOP: FLOOD, BANK: FLOOD, CLUB: 10}, 100, {SHOP: 45, BANK: 45, CLUB: 10}),
    ({SHOP: 1, BANK: 1, CLUB: 1}, 100, {SHOP: 1, BANK: 1, CLUB: 1}),
    ({SHOP: 0, BANK: 2}, 1, {BANK: 1}),
]


@pytest.mark.parametrize(("waiting", "granted", "expected"), TURNS)
def test_a_lane_is_shared_among_workspaces(
    waiting: dict[int, int], granted: int, expected: dict[int, int]
) -> None:
    shared = share(Turns(), {SERVICE: waiting}, granted, granted)
    assert {workspace: quotas[SERVICE] for workspace, quotas in shared.quotas.items()} == expected


def served(waiting: Waiting, times: int, granted: int = 1) -> list[tuple[int, MessageClass]]:
    """Who goes, one batch after the other, when as many go on waiting."""
    turns, order = Turns(), []
    for _ in range(times):
        shared = share(turns, waiting, granted, granted)
        turns = shared.turns
        order += [
            (workspace, lane)
            for workspace, quotas in shared.quotas.items()
            for lane, n in quotas.items()
            for _ in range(n)
        ]
    return order


def test_one_at_a_time_workspaces_still_take_turns() -> None:
    order = [workspace for workspace, _ in served({PROMO: {SHOP: FLOOD, BANK: FLOOD, CLUB: FLOOD}}, 7)]
    assert order == [SHOP, BANK, CLUB, SHOP, BANK, CLUB, SHOP]


def test_a_remainder_is_not_always_the_same_workspaces() -> None:
    order = [workspace for workspace, _ in served({PROMO: {SHOP: FLOOD, BANK: FLOOD}}, 100, granted=5)]
    assert abs(order.count(SHOP) - order.count(BANK)) <= 1


def test_one_at_a_time_every_lane_still_has_its_share() -> None:
    order = [lane for _, lane in served({lane: {SHOP: FLOOD} for lane in LANES}, 1_000)]
    expected = {MONEY: 100, SERVICE: 100, PROMO: 50}
    assert all(
        0 <= count - order.count(lane) <= 2 for lane, count in expected.items()
    )  # what it has saved up
    assert order.index(PROMO) <= 22


def test_a_lane_that_was_served_has_nothing_saved_against_a_code() -> None:
    turns = Turns()
    for _ in range(50):
        turns = share(turns, {PROMO: {SHOP: FLOOD}}, 1, 1).turns
    assert lanes(share(turns, {OTP: {BANK: 1}, PROMO: {SHOP: FLOOD}}, 1, 1)) == {OTP: 1}


def test_a_lane_with_nothing_to_send_saves_nothing() -> None:
    turns = Turns()
    for _ in range(50):
        turns = share(turns, {OTP: {BANK: FLOOD}}, 1, 1).turns
    assert lanes(share(turns, {OTP: {BANK: FLOOD}, PROMO: {SHOP: FLOOD}}, 1, 1)) == {OTP: 1}


counts = st.integers(0, 600)
waitings = st.dictionaries(st.sampled_from(LANES), st.dictionaries(st.integers(1, 6), counts))


@given(st.lists(st.tuples(waitings, st.integers(0, 500), st.integers(0, 500)), min_size=1, max_size=12))
def test_nothing_is_wasted_and_nothing_invented(batches: list[tuple[Waiting, int, int]]) -> None:
    turns = Turns()
    for waiting, granted, others in batches:
        shared = share(turns, waiting, granted, others)
        turns = shared.turns
        gone = lanes(shared)
        behind = sum(sum(some.values()) for lane, some in waiting.items() if lane is not FIRST)
        first = sum(waiting.get(FIRST, {}).values())
        assert sum(gone.values()) == min(granted, first + min(others, behind))
        assert sum(count for lane, count in gone.items() if lane is not FIRST) <= others
        for workspace, quotas in shared.quotas.items():
            assert all(0 < count <= waiting[lane][workspace] for lane, count in quotas.items())


@given(st.dictionaries(st.integers(1, 9), counts, min_size=1), st.integers(1, 500))
def test_nobody_gets_more_than_another_who_still_waits(waiting: dict[int, int], granted: int) -> None:
    shared = share(Turns(), {PROMO: waiting}, granted, granted)
    got = {workspace: shared.quotas.get(workspace, {}).get(PROMO, 0) for workspace in waiting}
    for workspace, count in got.items():
        if count < waiting[workspace]:
            assert max(got.values()) <= count + 1


WINDOWS = [(1, 0), (3, 0), (4, 1), (10, 1), (19, 1), (20, 2), (2_000, 200)]


@pytest.mark.parametrize(("window", "expected"), WINDOWS)
def test_some_of_the_window_is_kept_for_codes(window: int, expected: int) -> None:
    assert kept(window, {MessageClass.OTP, MessageClass.PROMOTIONAL}) == expected
    assert kept(window, {MessageClass.PROMOTIONAL}) == 0  # no code ever comes on this line


def test_the_shares_leave_most_to_the_first_lane() -> None:
    assert RESERVED_PERCENT.keys() == set(MessageClass)
    assert sum(RESERVED_PERCENT.values()) <= 50

"""Who waits for a lock takes turns by key; whoever gives up leaves it to the next."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from angarium.core.fairness import FairLock


async def order_of(keys: Sequence[int], gone: frozenset[int] = frozenset(), *, by: int = 0) -> list[int]:
    """In which order they get it who come while it is held by a key; those in `gone` (places) give up
    meanwhile."""
    lock, got = FairLock(), list[int]()

    async def wait(place: int) -> None:
        async with lock.held(keys[place]):
            got.append(place)
            await asyncio.sleep(0)

    async with lock.held(by):
        tasks = [asyncio.create_task(wait(place)) for place in range(len(keys))]
        await asyncio.sleep(0)
        for place in gone:
            tasks[place].cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert not lock.locked()
    return got


async def test_one_of_another_waits_for_one_of_many() -> None:
    assert await order_of([1, 1, 1, 1, 2, 1, 3]) == [0, 4, 6, 1, 2, 3, 5]
    assert await order_of([1, 1, 2, 1, 3], by=1) == [2, 4, 0, 1, 3]


async def test_who_gives_up_is_passed_over() -> None:
    assert await order_of([1, 1, 2, 2], frozenset({0, 3})) == [1, 2]


async def test_who_gives_up_when_it_is_their_turn_leaves_it_to_the_next() -> None:
    lock, got = FairLock(), list[str]()

    async def wait(name: str) -> None:
        async with lock.held(1):
            got.append(name)

    async with lock.held(1):
        first, second = [asyncio.create_task(wait(name)) for name in ("first", "second")]
        await asyncio.sleep(0)
    first.cancel()  # it has been given the lock, and has not run since
    await asyncio.gather(first, second, return_exceptions=True)
    assert got == ["second"]
    assert not lock.locked()


async def test_an_error_lets_go_of_it() -> None:
    lock = FairLock()
    with pytest.raises(LookupError):
        async with lock.held(1):
            raise LookupError
    assert not lock.locked()


@given(st.lists(st.integers(0, 4), max_size=30), st.frozensets(st.integers(0, 29)))
def test_all_who_stay_get_it_once_and_nobody_twice_before_another(
    keys: list[int], gone: frozenset[int]
) -> None:
    stay = [place for place in range(len(keys)) if place not in gone]
    got = asyncio.run(order_of(keys, frozenset(one for one in gone if one < len(keys))))
    assert sorted(got) == stay
    for key in set(keys):
        assert [place for place in got if keys[place] == key] == [one for one in stay if keys[one] == key]
    for before, after in pairwise(got):
        if keys[before] == keys[after]:  # nobody else waited then
            assert {keys[place] for place in got[got.index(after) :]} == {keys[after]}

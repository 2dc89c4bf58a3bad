"""Batches: whatever is queued goes as one, each item has its own answer, and nobody waits for ever."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from angarium.core.batches import Batcher


class Work:
    """Doubles numbers, when it is let; keeps the batches it was given."""

    def __init__(self, *, at_once: bool = True) -> None:
        self.batches: list[list[int]] = []
        self.begun = asyncio.Event()
        self.go_on = asyncio.Event()
        if at_once:
            self.go_on.set()

    async def __call__(self, items: list[int]) -> Sequence[int | BaseException]:
        self.batches.append(items)
        self.begun.set()
        await self.go_on.wait()
        return [2 * item for item in items]


async def test_one_item_goes_at_once() -> None:
    work = Work()
    assert await Batcher(work, 10).put(7) == 14
    assert work.batches == [[7]]


async def test_what_comes_while_one_is_under_way_goes_as_one() -> None:
    work = Work(at_once=False)
    batcher = Batcher(work, 10)
    first = batcher.put(1)
    await work.begun.wait()
    others = [batcher.put(number) for number in (2, 3, 4)]
    assert len(batcher) == 3
    work.go_on.set()
    assert await asyncio.gather(first, *others) == [2, 4, 6, 8]
    assert work.batches == [[1], [2, 3, 4]]
    assert len(batcher) == 0


@pytest.mark.parametrize(("batch_max", "sizes"), [(1, [1] * 7), (3, [3, 3, 1]), (7, [7]), (100, [7])])
async def test_a_batch_has_its_bound_and_the_order_is_kept(batch_max: int, sizes: list[int]) -> None:
    work = Work()
    batcher = Batcher(work, batch_max)
    answers = await asyncio.gather(*[batcher.put(number) for number in range(7)])
    assert answers == [0, 2, 4, 6, 8, 10, 12]
    assert [len(batch) for batch in work.batches] == sizes
    assert [number for batch in work.batches for number in batch] == list(range(7))


async def test_a_batch_is_bounded_by_what_its_items_weigh() -> None:
    work = Work()
    batcher = Batcher(work, 10, weigh=lambda number: number)
    await asyncio.gather(*[batcher.put(number) for number in (3, 3, 4, 9, 2, 50, 1, 1)])
    assert work.batches == [[3, 3, 4], [9], [2], [50], [1, 1]]  # one that is too heavy goes alone


async def test_one_batch_at_a_time() -> None:
    under_way, most = 0, 0

    async def work(items: list[int]) -> list[int]:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0)
        under_way -= 1
        return items

    batcher = Batcher(work, 2)
    await asyncio.gather(*[batcher.put(number) for number in range(20)])
    assert most == 1


async def test_an_item_may_fail_alone() -> None:
    async def work(items: list[int]) -> list[int | BaseException]:
        return [ValueError(str(item)) if item == 2 else item for item in items]

    batcher = Batcher(work, 10)
    answers = await asyncio.gather(*[batcher.put(number) for number in (1, 2, 3)], return_exceptions=True)
    assert (answers[0], answers[2]) == (1, 3)
    assert repr(answers[1]) == "ValueError('2')"


@pytest.mark.parametrize("answers", [[], [1], [1, 2, 3]])
async def test_work_that_answers_too_little_or_too_much_fails_them_all(answers: list[int]) -> None:
    async def work(_items: list[int]) -> list[int]:
        return answers

    batcher = Batcher(work, 10)
    ended = await asyncio.gather(batcher.put(1), batcher.put(2), return_exceptions=True)
    assert [type(one) for one in ended] == [ValueError, ValueError]


async def test_after_work_that_broke_the_next_batch_goes_on() -> None:
    calls = 0

    async def work(items: list[int]) -> list[int]:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise OSError("disk full")
        return items

    batcher = Batcher(work, 2)
    ended = await asyncio.gather(*[batcher.put(number) for number in range(4)], return_exceptions=True)
    assert [str(one) for one in ended] == ["disk full", "disk full", "2", "3"]
    assert await batcher.put(5) == 5


async def test_who_has_stopped_waiting_does_not_disturb_the_others() -> None:
    work = Work(at_once=False)
    batcher = Batcher(work, 10)
    one, other = batcher.put(1), batcher.put(2)
    await work.begun.wait()
    one.cancel()
    work.go_on.set()
    assert await other == 4


async def test_drained_returns_when_all_is_done() -> None:
    work = Work(at_once=False)
    batcher = Batcher(work, 1)
    futures = [batcher.put(number) for number in range(3)]
    waiting = asyncio.create_task(batcher.drained())
    await work.begun.wait()
    assert not waiting.done()
    work.go_on.set()
    await waiting
    assert all(future.done() for future in futures)
    await batcher.drained()  # of nothing, at once


async def test_when_the_work_is_cut_off_nobody_waits_for_ever() -> None:
    async def work(_items: list[int]) -> list[int]:
        raise asyncio.CancelledError

    batcher = Batcher(work, 1)
    ended = await asyncio.gather(batcher.put(1), batcher.put(2), return_exceptions=True)
    assert [type(one) for one in ended] == [asyncio.CancelledError] * 2
    assert len(batcher) == 0


async def test_what_is_left_is_done_with_the_others_and_its_failure_is_told_to_the_loop() -> None:
    told: list[BaseException] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, about: told.append(about["exception"]))

    async def work(items: list[int]) -> list[int]:
        if 3 in items:
            raise OSError("disk full")
        return items

    batcher = Batcher(work, 2)
    batcher.leave(1)
    assert await batcher.put(2) == 2
    assert told == []
    batcher.leave(3)
    await batcher.drained()
    assert [str(one) for one in told] == ["disk full"]
    batcher.leave(4)
    await batcher.drained()
    assert len(told) == 1


@pytest.mark.parametrize("batch_max", [1, 10])
async def test_who_asks_hears_when_all_that_was_left_is_done(batch_max: int) -> None:
    done: list[int] = []

    async def work(items: list[int]) -> list[None]:
        await asyncio.sleep(0)
        done.extend(items)
        if 3 in items:
            raise ZeroDivisionError
        return [None] * len(items)

    asyncio.get_running_loop().set_exception_handler(lambda *_: None)  # one fails, and that is told of
    batcher = Batcher(work, batch_max)
    await batcher.caught_up()
    for number in (1, 2):
        batcher.leave(number)
    await asyncio.sleep(0)  # the first is under way
    batcher.leave(3)
    await batcher.caught_up()
    assert done == [1, 2, 3]
    batcher.leave(4)
    await asyncio.sleep(0)
    await batcher.caught_up()  # nothing waits behind what is under way
    assert done == [1, 2, 3, 4]

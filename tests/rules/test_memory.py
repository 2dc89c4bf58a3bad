"""What channels were given for a while: asked for once, remembered for so long, and no longer."""

from __future__ import annotations

import asyncio

import pytest

from angarium.core.memory import Lent, Memory


class Giver:
    """Lends numbers that count up, for ten seconds; while `closed` is set, a refusal of it instead."""

    def __init__(self) -> None:
        self.asked = 0
        self.closed = ""
        self.go_on = asyncio.Event()
        self.go_on.set()

    async def __call__(self) -> Lent[int | str]:
        self.asked += 1
        await self.go_on.wait()
        return Lent(self.closed) if self.closed else Lent(self.asked, 10.0)


async def test_it_is_asked_for_once_until_its_time_is_over() -> None:
    memory, giver = Memory(), Giver()
    told = [await memory.recall("a", now, giver) for now in (0.0, 9.9, 10.0, 19.9)]
    assert told == [1, 1, 2, 2]
    memory.forget("a")
    memory.forget("never heard of")
    assert await memory.recall("a", 19.9, giver) == 3
    assert await memory.recall("b", 19.9, giver) == 4


async def test_what_is_lent_for_no_time_is_given_and_asked_for_again() -> None:
    async def brief() -> Lent[int]:
        return Lent(7, -50.0)

    memory = Memory()
    assert await memory.recall("a", 0.0, brief) == 7
    assert await memory.recall("a", 0.0, Giver()) == 1


async def test_a_refusal_is_not_remembered() -> None:
    memory, giver = Memory(), Giver()
    giver.closed = "no"
    assert await memory.recall("a", 0.0, giver) == "no"
    giver.closed = ""
    assert await memory.recall("a", 0.0, giver) == 2


async def test_all_who_want_it_at_once_wait_for_one_asking() -> None:
    memory, giver = Memory(), Giver()
    giver.go_on.clear()
    first, *others = [asyncio.ensure_future(memory.recall("a", 0.0, giver)) for _ in range(50)]
    await asyncio.sleep(0)
    first.cancel()  # who asked goes away, and the others have it nevertheless
    await asyncio.wait([first])
    giver.go_on.set()
    assert await asyncio.gather(*others) == [1] * 49
    assert first.cancelled()
    assert await memory.recall("a", 1.0, giver) == 1


async def test_an_asking_that_breaks_is_over() -> None:
    async def breaks() -> Lent[int]:
        raise ZeroDivisionError

    memory = Memory()
    with pytest.raises(ZeroDivisionError):
        await memory.recall("a", 0.0, breaks)
    assert await memory.recall("a", 0.0, Giver()) == 1


async def test_what_was_given_first_makes_room() -> None:
    memory, giver = Memory(most=3), Giver()
    for key in "abca":
        await memory.recall(key, 0.0, giver)
    assert await memory.recall("d", 0.0, giver) == 4
    assert len(memory) == 3
    assert [await memory.recall(key, 0.0, giver) for key in "bcd"] == [2, 3, 4]
    assert await memory.recall("a", 0.0, giver) == 5

"""A line's sender at work, its operator and its clerk in our hand."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from angarium.core.ports import Accepted, Ears, Submission
from angarium.messaging.send import Ended
from angarium.messaging.sender import Sender
from angarium.messaging.world import topic
from support.relay import Relay


class Hand:
    """A connection whose operator answers when it is told to."""

    def __init__(self, ears: Ears, window: int) -> None:
        self._ears = ears
        self._window = window
        self.taken: list[Submission] = []
        self.under_way: list[Submission] = []
        self.moved = asyncio.Event()

    async def open(self) -> None:
        self._ears.room()

    def up(self) -> bool:
        return True

    def free(self) -> int:
        return self._window - len(self.under_way)

    def submit(self, batch: Sequence[Submission]) -> None:
        self.taken += batch
        self.under_way += batch
        self.moved.set()

    def answer(self, count: int) -> None:
        """The operator takes the oldest of what is under way."""
        for one in self.under_way[:count]:
            self._ears.outcome(one.attempt_id, Accepted((str(one.attempt_id),)))
        del self.under_way[:count]
        self._ears.room()

    async def close(self, grace_s: float) -> None:
        self.answer(len(self.under_way))

    def state(self) -> str:
        return "in hand"


class Desk:
    """A line's sender at work, its operator in our hand."""

    def __init__(self, relay: Relay, line: str) -> None:
        self.relay = relay
        self.hand: Hand | None = None
        relay.world.connect = self._connect
        self.ended: list[Ended] = []
        self.written = asyncio.Event()
        self.written.set()
        self.sender = Sender(relay.world, relay.lines[line], self._record, self._recorded, self._heard)
        self.task = asyncio.create_task(self.sender.run())

    def _connect(self, _channel: object, _tools: object, _settings: object, window: int, ears: Ears) -> Hand:
        self.hand = Hand(ears, window)
        return self.hand

    def _record(self, ended: Ended) -> None:
        self.ended.append(ended)

    async def _recorded(self) -> None:
        await self.written.wait()

    async def _heard(self, *_: object) -> None:
        raise AssertionError("nobody speaks here")

    async def a_second_later(self) -> None:
        """Once the line is connected."""
        while self.hand is None:  # noqa: ASYNC110 - a turn of the loop
            await asyncio.sleep(0)
        self.relay.clock.advance(1.0)
        self.relay.ground.fabric.wake(topic(self.sender.line.id))

    async def until_taken(self, count: int) -> list[str]:
        """Wait until the operator has been handed so many; their classes."""
        async with asyncio.timeout(20):
            while self.hand is None or len(self.hand.taken) < count:
                if self.hand is None:
                    await asyncio.sleep(0)
                    continue
                self.hand.moved.clear()
                await self.hand.moved.wait()
        return [one.message_class.value for one in self.hand.taken]

    async def stop(self) -> None:
        await self.sender.stop()
        await self.task

"""Who listens in this process: to wake-ups, of which several are one, and to what is told, which adds up."""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import Callable, Collection, Iterable
from typing import Generic, TypeVar

T = TypeVar("T")

WAITING_MAX = 1_000  # of what is told to one listener who does not come to take it


class Listeners(Generic[T]):
    """Everybody who listens, by topic."""

    def __init__(self) -> None:
        self._by_topic: dict[str, set[T]] = defaultdict(set)

    def topics(self) -> list[str]:
        """What is listened to."""
        return list(self._by_topic)

    def of(self, topic: str) -> Collection[T]:
        """Who listens to it."""
        return self._by_topic.get(topic, ())

    def add(self, topic: str, one: T) -> None:
        """One more."""
        self._by_topic[topic].add(one)

    def leave(self, topic: str, one: T) -> None:
        """One less; whoever has left may leave again."""
        there = self._by_topic.get(topic, set())
        there.discard(one)
        if not there:  # there may be a topic for each of very many people
            self._by_topic.pop(topic, None)


class Ears(Listeners["Ear"]):
    """Who is to be woken."""

    def wake(self, topics: Iterable[str]) -> None:
        """Wake whoever listens to any of these."""
        for topic in topics:
            for ear in self.of(topic):
                ear.event.set()

    def listen(self, topic: str) -> Ear:
        """One more listener, who remembers a wake-up that came while it did not wait."""
        ear = Ear(lambda: self.leave(topic, ear))
        self.add(topic, ear)
        return ear


class Ear:
    """One who is woken."""

    def __init__(self, leave: Callable[[], None]) -> None:
        self.event = asyncio.Event()
        self._leave = leave

    async def wait(self, timeout_s: float) -> bool:
        """True when woken; several wake-ups before one wait are one."""
        try:
            async with asyncio.timeout(timeout_s):
                await self.event.wait()
        except TimeoutError:
            return False
        self.event.clear()
        return True

    def wake(self) -> None:
        """Wake this one alone."""
        self.event.set()

    def close(self) -> None:
        """Stop listening."""
        self._leave()


class Audience(Listeners["Told"]):
    """Who is to be told."""

    def tell(self, topic: str, body: bytes) -> None:
        """Tell whoever hears the topic."""
        for one in self.of(topic):
            one.waiting.append(body)
            one.ear.event.set()

    def hear(self, topic: str) -> Told:
        """One more listener."""
        one = Told(lambda: self.leave(topic, one))
        self.add(topic, one)
        return one


class Told:
    """One who is told."""

    def __init__(self, leave: Callable[[], None]) -> None:
        self.waiting: deque[bytes] = deque(maxlen=WAITING_MAX)
        self.ear = Ear(leave)

    async def next(self, timeout_s: float) -> bytes | None:
        """The oldest that waits; None when none comes in time."""
        if not self.waiting:
            self.ear.event.clear()
            await self.ear.wait(timeout_s)
        return self.waiting.popleft() if self.waiting else None

    def close(self) -> None:
        """Stop listening."""
        self.ear.close()

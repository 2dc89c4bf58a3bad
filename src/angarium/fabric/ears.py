"""Wake-ups within one process: whoever listens to a topic remembers one that came while it did not wait."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable


class Ears:
    """Everybody who listens in this process, by topic."""

    def __init__(self) -> None:
        self._ears: dict[str, set[Ear]] = defaultdict(set)

    def topics(self) -> list[str]:
        """What is listened to."""
        return list(self._ears)

    def wake(self, topics: Iterable[str]) -> None:
        """Wake whoever listens to any of these."""
        for topic in topics:
            for ear in self._ears.get(topic, ()):
                ear.event.set()

    def listen(self, topic: str) -> Ear:
        """One more listener."""
        ear = Ear(lambda: self._leave(topic, ear))
        self._ears[topic].add(ear)
        return ear

    def _leave(self, topic: str, ear: Ear) -> None:
        ears = self._ears.get(topic, set())
        ears.discard(ear)
        if not ears:  # there may be a topic for each of very many people
            self._ears.pop(topic, None)


class Ear:
    """One listener."""

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

    def close(self) -> None:
        """Stop listening."""
        self._leave()

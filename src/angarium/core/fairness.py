"""One at a time, where those who wait take turns by whose they are: however much one has, the others wait for
one of it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class FairLock:
    """A lock that goes to one waiter of each key in turn; under a key the first to come goes first."""

    def __init__(self) -> None:
        self._held = False
        self._waiting: dict[int, deque[asyncio.Future[None]]] = {}  # in the order of turns

    def locked(self) -> bool:
        """Whether somebody holds it."""
        return self._held

    @asynccontextmanager
    async def held(self, key: int) -> AsyncIterator[None]:
        """Hold it within the `async with`, on behalf of a key."""
        await self._acquire(key)
        try:
            yield
        finally:
            self._release(key)

    async def _acquire(self, key: int) -> None:
        if not self._held:
            self._held = True
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(key, deque()).append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():  # it had been given to us
                self._release(key)
            raise

    def _release(self, key: int) -> None:
        if key in self._waiting:
            self._waiting[key] = self._waiting.pop(key)  # behind all others
        while self._waiting:
            turns = self._waiting[next_key := next(iter(self._waiting))]
            while turns and turns[0].cancelled():
                turns.popleft()
            given = turns.popleft() if turns else None
            if not turns:
                del self._waiting[next_key]
            if given is not None:
                given.set_result(None)
                return
        self._held = False

"""What a channel was given for a while and may use again: the token of an account, a certificate.

One for each server, in its `Tools`, and lost with it; never a name of a module, which whatever runs in the
same process would share. Only what can be asked for again belongs here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

T = TypeVar("T")

ENTRIES_MAX = 1_000


@dataclass(frozen=True)
class Lent(Generic[T]):
    """What an asking brought, and for how many seconds from its begin it is of use: a refusal for none."""

    value: T
    for_s: float = 0.0


class Memory:
    """Remembers up to `most` of them; what was given first makes room for more."""

    def __init__(self, most: int = ENTRIES_MAX) -> None:
        self._most = most
        self._kept: dict[Hashable, tuple[Any, float]] = {}  # with the moment from which it is of use no more
        self._asking: dict[Hashable, asyncio.Task[Any]] = {}

    def __len__(self) -> int:
        return len(self._kept)

    async def recall(self, key: Hashable, now: float, ask: Callable[[], Awaitable[Lent[T]]]) -> T:
        """What is remembered by this key, else what `ask` brings; `now` is by the monotonic clock.

        Whoever wants it at the same time waits for the same asking, which goes on when one of them is
        cancelled.
        """
        value, until = self._kept.get(key, (None, now))
        if now < until:
            return value  # type: ignore[no-any-return]  # kept by this key, so it is a T
        if key not in self._asking:
            self._asking[key] = asyncio.create_task(self._ask(key, now, ask))
        brought: T = await asyncio.shield(self._asking[key])
        return brought

    def forget(self, key: Hashable) -> None:
        """It is of no use any more; whoever wants it next asks."""
        self._kept.pop(key, None)

    async def _ask(self, key: Hashable, now: float, ask: Callable[[], Awaitable[Lent[T]]]) -> T:
        try:
            brought = await ask()
        finally:
            del self._asking[key]
        self.forget(key)
        if brought.for_s > 0:
            while len(self._kept) >= self._most:
                self.forget(next(iter(self._kept)))
            self._kept[key] = (brought.value, now + brought.for_s)
        return brought.value

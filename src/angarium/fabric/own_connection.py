"""One connection to PostgreSQL of a fabric's own, never in a transaction for longer than it must: a pgbouncer
in transaction mode serves it as well, and so nothing is LISTENed for (https://www.pgbouncer.org/features.html).
Its statements have no names; asyncpg asks to flush and not to sync before it binds: all of one goes one way.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeVar

import asyncpg

from angarium.storage.postgres import CONNECT_TIMEOUT_S, split_url

T = TypeVar("T")

ANSWER_S = 5.0


class OwnConnection:
    """Made when something is asked, and anew after it broke; one asks at a time."""

    def __init__(self, url: str) -> None:
        self._dsn, _ = split_url(url)
        self._connection: asyncpg.Connection | None = None
        self._one_at_a_time = asyncio.Lock()

    async def asked(self, ask: Callable[[asyncpg.Connection], Awaitable[T]]) -> T:
        """What PostgreSQL answers. It raises whatever the driver raises, or TimeoutError after ANSWER_S."""
        async with self._one_at_a_time, asyncio.timeout(ANSWER_S):
            if self._connection is None or self._connection.is_closed():
                self._connection = await asyncpg.connect(
                    self._dsn, statement_cache_size=0, timeout=CONNECT_TIMEOUT_S, command_timeout=ANSWER_S
                )
            return await ask(self._connection)

    async def hang_up(self) -> None:
        """Let go of the connection; the next question makes another."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(Exception):
                await connection.close(timeout=1)

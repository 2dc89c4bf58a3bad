"""Which of several servers on one PostgreSQL is on duty: the one that holds a name there. Others stand by.

The name is held by a transaction that is never ended, on a connection of its own, so PostgreSQL lets go of it
by itself: at once when the process dies, and in about half a minute when its machine does, or when it says
nothing more (it asks every second). A transaction, and not a session, because a pgbouncer in transaction mode
keeps its connection for it. It holds no snapshot and no row, so vacuum goes on beside it
(https://www.postgresql.org/docs/current/explicit-locking.html, "Advisory Locks").

The connection of the one on duty is called after its server (`application_name`), so those that stand by can
tell people where it is.

Whoever was on duty and was cut off from PostgreSQL does not know at once that another is. What keeps the two
from sending the same is the number of the owner of each line (messaging/store/owners.py), not this.
"""

from __future__ import annotations

import asyncio
import re
from contextlib import suppress

import asyncpg
import structlog

from angarium.core.clock import Clock
from angarium.storage.postgres import CONNECT_TIMEOUT_S, not_let_in, split_url, translated, trouble_of

log = structlog.get_logger()

NAME = (0x416E67, 1)  # two numbers: none of those that transactions hold, which are one
LOOK_S = 1.0  # how often it is looked whether the duty is still ours, or can be had
ANSWER_S = 10.0
SETTINGS = {  # for this transaction alone
    "idle_in_transaction_session_timeout": "30s",
    "transaction_timeout": "0",  # none; since PostgreSQL 17
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
}
_SET = "SELECT set_config(name, $2, true) FROM pg_settings WHERE name = $1"
SIGN = "angarium "  # before the name of a server, in what its connection is called
NAME_MAX = 63 - len(SIGN)  # bytes: PostgreSQL cuts off the rest (NAMEDATALEN)
# What is known of connections is looked up once in a transaction, unless it is let go of
# (https://www.postgresql.org/docs/current/monitoring-stats.html, "Viewing Statistics").
_LOOK = "SELECT pg_stat_clear_snapshot()"
_HOLDER = """
SELECT application_name FROM pg_stat_activity WHERE pid = (
    SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND classid = $1 AND objid = $2 AND objsubid = 2
    AND granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
)
"""
_TAKE = "SELECT pg_try_advisory_xact_lock($1, $2)"


class Duty:
    """The duty of one database. `take` it, watch that it is `kept`, and `leave`. `server` is what people know
    this server by."""

    def __init__(self, url: str, clock: Clock, server: str = "") -> None:
        self._dsn, _ = split_url(url)
        self._called = {"application_name": SIGN + cut(server)}
        self._clock = clock
        self._connection: asyncpg.Connection | None = None

    async def take(self) -> bool:
        """Whether it is ours now; False while another has it. Problem when PostgreSQL cannot be asked."""
        try:
            return await self._take()
        except Exception as error:
            raise not_let_in(error) from error

    async def holder(self) -> str:
        """The name of the server that has it; empty when it is not known, or nobody has it."""
        if self._connection is None:
            return ""
        try:
            await self._connection.execute(_LOOK)
            found = await self._connection.fetchval(_HOLDER, *NAME)
        except Exception as error:
            raise translated(error) from error
        return found.removeprefix(SIGN).strip() if found and found.startswith(SIGN) else ""

    async def lost(self) -> None:
        """Return when another server has it. It may be ours no more for a while before."""
        while True:
            await self._clock.sleep(LOOK_S)
            if await self._is_held():
                continue
            await self.leave()
            try:
                if not await self._take():
                    return
                log.info("the duty is ours again")
            except Exception as error:
                if trouble_of(error) is None:
                    raise  # else PostgreSQL is away, for everybody as far as can be known

    async def leave(self) -> None:
        """Let another have it."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(Exception):
                await connection.close(timeout=LOOK_S)

    async def _take(self) -> bool:
        if self._connection is None:
            self._connection = await asyncpg.connect(
                self._dsn,
                statement_cache_size=0,
                timeout=CONNECT_TIMEOUT_S,
                command_timeout=ANSWER_S,
            )
            try:
                await self._connection.execute("BEGIN ISOLATION LEVEL READ COMMITTED")
                for name, value in {**SETTINGS, **self._called}.items():
                    await self._connection.execute(_SET, name, value)
            except BaseException:
                await self.leave()
                raise
        try:
            if await self._connection.fetchval(_TAKE, *NAME):
                return True
        except BaseException:
            await self.leave()
            raise
        return False

    async def _is_held(self) -> bool:
        if self._connection is None:
            return False
        try:
            async with asyncio.timeout(ANSWER_S):
                await self._connection.execute("SELECT 1")
        except Exception as error:
            if trouble_of(error) is None:
                raise
            return False
        return True


def cut(name: str) -> str:
    """As much of a name as PostgreSQL keeps; what is no printable ASCII it would put a question mark for."""
    return re.sub(r"[^!-~]", "?", name)[:NAME_MAX]

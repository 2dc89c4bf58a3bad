"""How a database is made to fail, from outside of the server."""

from __future__ import annotations

import asyncio

import apsw
import asyncpg

from angarium.core.clock import Clock

BUSY_MS = 5_000
END_EVERY_S = 0.5
END_CONNECTIONS = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
)


async def lock(url: str, seconds: float, clock: Clock) -> None:
    """Keep everybody else from writing to a SQLite file."""
    held = await asyncio.to_thread(apsw.Connection, url.removeprefix("sqlite:///"))
    held.set_busy_timeout(BUSY_MS)
    await asyncio.to_thread(held.execute, "BEGIN EXCLUSIVE")
    await clock.sleep(seconds)
    held.execute("ROLLBACK")
    held.close()


async def end_connections(url: str, seconds: float, clock: Clock) -> None:
    """End every other connection to a PostgreSQL database, again and again."""
    admin = await asyncpg.connect(url)
    until = clock.monotonic() + seconds
    while clock.monotonic() < until:
        await admin.execute(END_CONNECTIONS)
        await clock.sleep(END_EVERY_S)
    await admin.close()

"""The database from outside of the server: how it is made to fail, and what a dead server left in it."""

from __future__ import annotations

import asyncio

import apsw
import asyncpg

from angarium.core.clock import Clock
from angarium.drill.books import Open
from angarium.storage.sqlite import connect

AWAY = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError)  # what asking raises then
BUSY_MS = 5_000
END_EVERY_S = 0.5
END_CONNECTIONS = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
)


OPEN_ATTEMPTS = (
    "SELECT message.reference, attempt.channel FROM attempt JOIN message "
    "ON message.workspace_id = attempt.workspace_id AND message.id = attempt.message_id "
    "WHERE attempt.state = 'submitting'"
)


async def open_attempts(url: str) -> list[Open]:
    """What a server that is dead had submitted, and written down no answer to."""
    if url.startswith("sqlite"):
        # Nothing is moved out of the write-ahead log, so that the server finds what it left.
        left = await asyncio.to_thread(connect, url.removeprefix("sqlite:///"), read_only=True)
        names = [Open(*row) for row in left.execute(OPEN_ATTEMPTS)]
        left.close()
        return names
    admin = await asyncpg.connect(url)
    names = [Open(*row) for row in await admin.fetch(OPEN_ATTEMPTS)]
    await admin.close()
    return names


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


async def create_database(url: str, name: str) -> None:
    """A new database on a server of PostgreSQL, by the URL of another one."""
    admin = await asyncpg.connect(url)
    await admin.execute(f"CREATE DATABASE {name}")
    await admin.close()


async def greet(url: str) -> None:
    """See that a server of PostgreSQL takes connections; it raises one of AWAY when it does not."""
    admin = await asyncpg.connect(url)
    await admin.close()

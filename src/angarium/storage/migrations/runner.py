"""Alembic on our connections: apsw through `dbapi.py`, asyncpg through SQLAlchemy's asyncio engine."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

import asyncpg
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, NullPool, create_engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine

from angarium.storage import migrations
from angarium.storage.migrations import dbapi
from angarium.storage.postgres import split_url

T = TypeVar("T")

# A pgbouncer in transaction mode lends connections on which others have prepared what has the same names.
NAMELESS = {"prepared_statement_name_func": lambda: "", "prepared_statement_cache_size": 0}
LOCKED = {
    "40P01",  # deadlock_detected: a server at work waits for one of our tables, and we for one of its
    "55P03",  # lock_not_available: the timeout of migrations/env.py has passed
}


async def on_connection(url: str, work: Callable[..., T], *args: Any) -> T:
    """Run `work(connection, *args)` on a connection of SQLAlchemy's, in one transaction."""
    if url.startswith("sqlite:"):
        return await asyncio.to_thread(_on_sqlite, url, work, *args)
    dsn, _ = split_url(url)
    engine = create_async_engine(
        "postgresql+asyncpg://",
        async_creator=lambda: asyncpg.connect(dsn, statement_cache_size=0),
        connect_args=NAMELESS,
        poolclass=NullPool,
    )
    async with engine.begin() as connection:
        return await connection.run_sync(work, *args)


def _on_sqlite(url: str, work: Callable[..., T], *args: Any) -> T:
    engine = create_engine(url, module=dbapi, poolclass=NullPool)
    with engine.begin() as connection:
        return work(connection, *args)


async def upgraded(url: str) -> bool:
    """Run all revisions that a database lacks; False when others hold its tables: then none was."""
    try:
        await on_connection(url, upgrade)
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) not in LOCKED:
            raise
        return False
    return True


def upgrade(connection: Connection, revision: str = "head") -> None:
    """Run the revisions up to one."""
    command.upgrade(_config(connection), revision)


def downgrade(connection: Connection, revision: str = "base") -> None:
    """Undo the revisions down to one. For developers: a server only goes forward."""
    command.downgrade(_config(connection), revision)


def write_revision(connection: Connection, number: str, message: str) -> None:
    """Write a revision with what the tables have and the database lacks."""
    command.revision(_config(connection), message, rev_id=number, autogenerate=True)


def _config(connection: Connection) -> Config:
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(migrations.FOLDER).replace("%", "%%"))
    config.set_main_option("file_template", "%%(rev)s_%%(slug)s")
    return config

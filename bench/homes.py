"""Where the server of one run lives: a copy of a seed, in a file of SQLite or in a database of PostgreSQL."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg

from angarium.core.clock import SystemClock
from angarium.drill.postgres import NAME, Postgres
from bench.processes import Worker, family, worker
from bench.simulator import Operator
from bench.stage import HTTP, Seed, Way, database_bytes, set_up, sow
from bench.traffic import MAIL

RUN = "run"  # the database of the run
OPERATORS = {HTTP: "http_operator", MAIL: "mail_operator"}  # the module that plays it; else SMPP's


@dataclass(frozen=True)
class Home:
    """One copy."""

    seed: Seed
    folder: Path
    config: Path
    url: str = ""

    async def size(self) -> int:
        """Bytes of the database, of a server that was stopped."""
        if not self.url:
            return database_bytes(self.folder)
        admin = await asyncpg.connect(self.url)
        try:
            size: int = await admin.fetchval("SELECT pg_database_size(current_database())")
            return size
        finally:
            await admin.close()

    def spent(self) -> dict[str, float]:
        """Seconds of CPU of a database that is a process of its own."""
        return {"database": family(self.seed.database_pid)} if self.url else {}


@asynccontextmanager
async def home(seed: Seed, folder: Path) -> AsyncIterator[Home]:
    """A fresh copy, which on PostgreSQL is gone afterwards."""
    if not seed.url:
        yield Home(seed, folder, set_up(seed, folder))
        return
    own, admin = (urlsplit(seed.url)._replace(path=f"/{name}").geturl() for name in (RUN, "postgres"))
    connection = await asyncpg.connect(admin)
    try:
        await connection.execute(f"CREATE DATABASE {RUN} TEMPLATE {NAME}")
        yield Home(seed, folder, set_up(seed, folder, own), own)
    finally:
        await connection.execute(f"DROP DATABASE IF EXISTS {RUN} WITH (FORCE)")
        await connection.close()


@asynccontextmanager
async def operator_of(seed: Seed) -> AsyncIterator[Worker]:
    """The simulated operator that the line of a seed leads to."""
    given = (seed.smpp_port, seed.window)
    async with worker(OPERATORS.get(seed.way.channel, "simulator"), Operator(*given)) as operator:
        await operator.hear()
        yield operator


class Seeds:
    """The seeds that scenarios begin with, each made when it is first asked for."""

    def __init__(self, folder: Path, phones: int, window: int) -> None:
        self._folder = folder
        self._phones, self._window = phones, window
        self._known: dict[Way, Seed] = {}
        self._postgres: list[Postgres] = []

    async def of(self, way: Way) -> Seed:
        """The seed of a way."""
        if way not in self._known:
            where = (
                self._folder / f"seed-{way.channel}-{way.database}-{'receipts' if way.receipts else 'quiet'}"
            )
            where.mkdir(parents=True)
            self._known[way] = await self._sow(where, way)
        return self._known[way]

    async def _sow(self, where: Path, way: Way) -> Seed:
        if way.database == "sqlite":
            return await sow(where, self._phones, self._window, way)
        postgres = Postgres(self._folder / f"{where.name}-database", SystemClock())
        await postgres.open()
        self._postgres.append(postgres)
        return await sow(where, self._phones, self._window, way, postgres.url, postgres.pid)

    async def close(self) -> None:
        """End what was started."""
        for one in self._postgres:
            await one.close()

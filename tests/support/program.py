"""The server as a process of its own, with a workspace and a key, and what it says and holds."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from angarium.accounts.flows import create_workspace
from angarium.assembly import make_ground
from angarium.config import Settings, load
from support.databases import bring_up
from support.nursery import Born, Nursery
from support.server import Client, key_for

STARTS_S = 60.0
POLL_S = 0.05
SERVING = re.compile(rb'"url":\s*"(http://[^"]+)"')


@dataclass
class Program:
    """`angarium serve`, and a client with every right in a workspace of it."""

    client: Client
    process: Born
    log: Path

    def resident(self) -> int:
        """Bytes it holds in memory."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    def said(self) -> str:
        """Its log."""
        return self.log.read_text(errors="replace")


@asynccontextmanager
async def running(folder: Path, **settings: str) -> AsyncIterator[Program]:
    """Start it on a free port with a database of its own; stop it at the end."""
    given = {
        "database": f"sqlite:///{folder / 'angarium.db'}",
        "key_file": str(folder / "angarium.key"),
        "port": "0",
        "log_format": "json",
        **settings,
    }
    environment = {f"ANGARIUM_{name.upper()}": value for name, value in given.items()}
    key, log, nursery = await _key(load(environment=environment)), folder / "serve.log", Nursery()
    await nursery.open()
    log.touch()
    process = await nursery.start(["serve"], log, folder, {**os.environ, **environment})
    try:
        url = await _url(process, log)
        async with aiohttp.ClientSession(auto_decompress=False) as session:
            yield Program(Client(session, url, key), process, log)
    finally:
        process.terminate()
        await process.wait()
        await nursery.close()


async def _key(settings: Settings) -> str:
    """A key with every right in a new workspace of a new database."""
    await bring_up(settings.database)
    ground = make_ground(settings)
    await ground.db.start()
    try:
        workspace = await create_workspace(ground, "shop")
        return await key_for(ground, workspace.id)
    finally:
        await ground.db.stop()


async def _url(process: Born, log: Path) -> str:
    """Where it listens, once it says so."""
    async with asyncio.timeout(STARTS_S):
        while not (url := _told_url(log)):
            assert process.returncode is None, "it did not start; its log is the file beside the database"
            await asyncio.sleep(POLL_S)
    return url


def _told_url(log: Path) -> str:
    found = SERVING.search(log.read_bytes())
    return found[1].decode() if found else ""

"""A server that nobody has set up, beside simulated operators, with its loops running."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from sqlalchemy import select

from angarium.assembly import House
from angarium.messaging.store.inbox import inbound
from angarium.simulators.hub import Hub, make_face
from angarium.simulators.stage import Face, Stage
from angarium.storage.bulk import Statement
from angarium.storage.database import Transaction
from support import together
from support.server import Client, whole_house

NUMBER = "+380501234567"
SEEN = ("smpp", "gms", "vk", "whatsapp", "telegram", "smtp")


@dataclass
class Fresh:
    """A server that nobody has set up, beside simulated operators, with its loops running."""

    house: House
    client: Client
    faces: dict[str, Face]
    stage: Stage


@pytest.fixture
async def fresh(tmp_path: Path) -> AsyncIterator[Fresh]:
    """The operators, the server, and nobody."""
    async with fresh_house(tmp_path) as opened:
        yield opened


@asynccontextmanager
async def fresh_house(folder: Path) -> AsyncIterator[Fresh]:
    """The same, where no fixture serves."""
    stage = Stage()
    faces = {name: make_face(name, stage, 0, {}, {}) for name in SEEN}
    hub = Hub(stage, faces)
    await hub.start()
    called = tuple(urlsplit(where).netloc for where in hub.faces().values() if where.startswith("http"))
    settings: dict[str, Any] = {"sandbox_url": hub.url(), "allow_private": called}
    async with together.database_in(folder) as url, whole_house(url, folder, **settings) as (house, client):
        loops = (house.engine, house.importer, house.campaigns)
        for loop in loops:
            await loop.start()
        yield Fresh(house, client, faces, stage)
        for loop in reversed(loops):
            await loop.stop()
    await hub.stop()


async def heard(fresh: Fresh) -> list[tuple[str, str]]:
    """What people wrote, as it is kept: who and what."""

    async def read(tx: Transaction) -> list[Any]:
        return list(await tx.rows(Statement(select(inbound.c.sender, inbound.c.text))))

    return [(row[0], row[1]) for row in await fresh.house.ground.db.read(read)]

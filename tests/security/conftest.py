"""Both databases, and everything that assembly puts together on them."""

from __future__ import annotations

import os
import zlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from angarium.assembly import House
from support.databases import database, database_url, postgres_server
from support.server import Client, whole_house
from support.turns import TODAY

__all__ = ["database", "database_url", "postgres_server"]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """On PostgreSQL they take turns, one day each half; the summary says how many rest."""
    if os.environ.get("ANGARIUM_TEST_DATABASES") == "all" or config.option.keyword:
        return
    resting = {one for one in items if "/security/" in one.nodeid and _rests(one)}
    if resting:
        config.hook.pytest_deselected(items=[*resting])
        items[:] = [one for one in items if one not in resting]


def _rests(item: pytest.Item) -> bool:
    name = item.nodeid.partition("[")[0]
    return "postgresql" in item.name and (zlib.crc32(name.encode()) + TODAY) % 2 == 1


@pytest.fixture
async def house(database_url: str, tmp_path: Path) -> AsyncIterator[tuple[House, Client]]:
    """The whole API and its pages, on a database of its own; a client without a key."""
    async with whole_house(database_url, tmp_path) as made:
        yield made

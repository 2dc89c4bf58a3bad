"""Both databases, and everything that assembly puts together on them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from angarium.assembly import House
from support.databases import database, database_url, postgres_server
from support.server import Client, whole_house
from support.turns import all_at_once, leave_out, on_the_other_database

__all__ = ["database", "database_url", "postgres_server"]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What runs on both databases takes turns, a day on each; the summary says how many rest."""
    if not all_at_once(config):
        own = [one for one in items if "/security/" in one.nodeid]
        leave_out(config, items, on_the_other_database(own))


@pytest.fixture
async def house(database_url: str, tmp_path: Path) -> AsyncIterator[tuple[House, Client]]:
    """The whole API and its pages, on a database of its own; a client without a key."""
    async with whole_house(database_url, tmp_path) as made:
        yield made

"""Both databases, for every flow."""

import pytest

from angarium.storage.database import Database
from support.browsing import browser, inside
from support.databases import database, database_url, postgres_server
from support.relay import Relay

__all__ = ["browser", "database", "database_url", "inside", "postgres_server"]


@pytest.fixture
async def relay(database: Database) -> Relay:
    """A shop on still time."""
    return await Relay(database).open()

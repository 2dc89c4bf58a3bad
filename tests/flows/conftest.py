"""Both databases, for every flow, each in its turn; on PostgreSQL a fifth of them, where nobody asks for all.

What a flow does is the same on both, and the contracts prove that the databases are. So of the flows that
say nothing of things that happen at once, those run on PostgreSQL too that a checksum of their name picks:
always the same ones. What runs on both runs on one of them a day. `ANGARIUM_TEST_DATABASES=all` runs all.
"""

import re
import zlib
from collections.abc import AsyncIterator, Iterator

import pytest

from angarium.storage.database import Database
from support import together
from support.browsing import browser, inside
from support.databases import database, database_url, postgres_server
from support.relay import Relay
from support.turns import all_at_once, leave_out, on_the_other_database

__all__ = ["browser", "database", "database_url", "inside", "postgres_server"]


AT_ONCE = re.compile(r"at_once|side_by_side|moment|parallel|together|race|twice|both|two_|many|fence|own")
ONE_IN = 5


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what need not be run on PostgreSQL, or has its turn on the other database."""
    if together.GIVEN or all_at_once(config):
        return
    flows = [one for one in items if "/flows/" in one.nodeid]
    left_out = {one for one in flows if _may_be_left_out(one)}
    leave_out(config, items, left_out | on_the_other_database([one for one in flows if one not in left_out]))


def _may_be_left_out(item: pytest.Item) -> bool:
    name = item.nodeid.partition("[")[0]
    if "postgresql" not in item.name or AT_ONCE.search(name):
        return False
    return zlib.crc32(name.encode()) % ONE_IN != 0


@pytest.fixture
async def relay(database: Database) -> Relay:
    """A shop on still time."""
    return await Relay(database).open()


@pytest.fixture(autouse=True)
def met(request: pytest.FixtureRequest) -> Iterator[None]:
    """How the server of this flow meets others: as is asked, or by turns where it runs on PostgreSQL."""
    with together.meeting_by(_kind_of(request.node), request.node):
        names = {"nobody_stays", *request.fixturenames} if together.kind() else ()
        for name in ("database_url", "nobody_stays"):  # they leave before their database is gone
            if name in names:
                request.getfixturevalue(name)
        yield


@pytest.fixture
async def nobody_stays() -> AsyncIterator[None]:
    """The servers of a test leave with it."""
    yield
    await together.end_all()


def _kind_of(item: pytest.Function) -> str:
    given = item.callspec.params if hasattr(item, "callspec") else {}
    on_postgres = given.get("database_url") == "postgresql"
    return together.flow_turn(item.nodeid) if on_postgres and not together.GIVEN else together.GIVEN

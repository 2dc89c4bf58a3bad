"""Two servers on one PostgreSQL, each alone: one has duty; when it is killed or cut off the other goes on.

The operator has nobody twice. Whom it has not is shown as unknown.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from support.cutter import Cutter
from support.databases import PostgresServer, postgres_server
from support.everybody import judged, over, told_once, written
from support.process import Shop

__all__ = ["postgres_server"]

MEMBERS = 600
HEARD_LATER = "sent"  # receipts that could not be kept come again after a while
LINE = {"classes": ["promotional"], "window": 10, "speed_per_s": 200.0}

pytestmark = pytest.mark.timeout(240)


class Beside(Shop):
    """Another server of a shop that is there: in the same folder, with the same key, at a port of its own."""

    def __init__(self, first: Shop, database: str) -> None:
        super().__init__(first.folder, database)
        self.fabric, self.smpp_port = first.fabric, first.smpp_port
        self.key = first.key

    async def _found(self) -> None:
        """It is all there."""


@asynccontextmanager
async def two(folder: Path, database: str, through: str = "") -> AsyncIterator[tuple[Shop, Shop]]:
    """A server on duty, which may see its database through something, and one that stands by."""
    async with Shop(folder, database, **LINE) as first:
        first.fabric, first.database = "local", through or database
        await first.start_operator()
        await first.start()
        async with Beside(first, database) as second:
            await second.start(ready=False)
            await second.until(lambda: stands_by(second))
            yield first, second


async def stands_by(shop: Shop) -> bool:
    """Whether it lives, and takes no traffic."""
    try:
        live = await shop.client.ask("GET", "/health/live")
    except OSError:
        return False
    ready = await shop.readiness()
    return (live.status, ready.status, list(ready.json["checks"])) == (200, 503, ["duty"])


@pytest.mark.turns(2, 1)
async def test_one_of_two_tells_everybody_and_the_other_goes_on_when_it_is_killed(
    tmp_path: Path, postgres_server: PostgresServer
) -> None:
    async with two(tmp_path, await postgres_server.empty_database()) as (first, second):
        campaign = await written(first, MEMBERS)
        heard = await asyncio.gather(
            *(server.client.ask("POST", f"{campaign}/start") for server in (second, first))
        )
        assert [one.status for one in heard] == [503, 202]
        assert heard[0].json["type"].endswith("/standing-by")
        assert "retry-after" in heard[0].headers
        await first.until(lambda: len(first.ledger()) >= MEMBERS // 4)
        await first.kill()
        assert len(first.ledger()) < MEMBERS, "all were told before it was killed"
        await second.until(second.is_ready)
        await first.start(ready=False)  # it comes back, and stands by
        await first.until(lambda: stands_by(first))
        await second.until(lambda: over(second, campaign))
        await judged(second, campaign, MEMBERS)
        assert await second.stop() == 0
        await first.until(first.is_ready)


@pytest.mark.turns(2, 0)
async def test_who_is_cut_off_while_another_takes_over_sends_nothing_more_and_ends(
    tmp_path: Path, postgres_server: PostgresServer
) -> None:
    direct = await postgres_server.empty_database()
    cutter = Cutter(direct)
    await cutter.listen()
    async with two(tmp_path, direct, cutter.url) as (first, second):
        campaign = await written(first, MEMBERS)
        assert (await first.client.ask("POST", f"{campaign}/start")).status == 202
        await first.until(lambda: len(first.ledger()) >= MEMBERS // 4)
        await cutter.go_away()
        assert len(first.ledger()) < MEMBERS, "all were told before it was cut off"
        await second.until(second.is_ready)
        await cutter.listen()
        assert await first.ends() == 1
        assert "Another server has taken over" in " ".join(first.said().split())
        await second.until(lambda: over(second, campaign, HEARD_LATER))
        await told_once(second, campaign, MEMBERS)
    await cutter.go_away()

"""Two servers through a pgbouncer in transaction mode: the whole way of messages, and a page."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from sqlalchemy import text

from angarium.accounts import flows as accounts
from angarium.assembly import make_ground
from angarium.core.problems import Problem
from angarium.simulators.behaviour import Faults, Script
from angarium.storage.bulk import Statement
from angarium.storage.database import Transaction
from angarium.storage.postgres import PostgresDatabase
from support.browsing import Browser
from support.databases import PostgresServer
from support.pgbouncer import pooled
from support.process import Shop

pytestmark = [pytest.mark.peers("pgbouncer"), pytest.mark.timeout(300)]

MANY = 40
RECEIPTS = Script(faults={"smpp": Faults(receipt_delay_s=0.05)})


class Together(Shop):
    """One of the servers of a shop."""

    @property
    def environment(self) -> dict[str, str]:
        return {**super().environment, "ANGARIUM_FABRIC": "postgres"}

    def beside(self) -> Together:
        """Another server of the same shop."""
        other = Together(self.folder, self.database)
        other.smpp_port, other.key, other._session = self.smpp_port, self.key, self._session
        other.nursery, other._sent = self.nursery, MANY
        return other


async def looked_at(shop: Shop, path: str) -> str:
    """What a page says to whoever may see it."""
    ground = make_ground(shop.settings)
    await ground.db.start()
    (workspace,) = await ground.db.read(accounts.store.workspaces)
    await ground.db.stop()
    browser = Browser(shop.client.session, shop.url)
    browser.keep(await browser.get(f"/enter?ticket={accounts.ticket(ground, workspace.id)}"))
    page = await browser.get(path)
    assert page.status == 200, page.words
    return page.words


@pytest.mark.turns(2, 0)
async def test_a_messages_whole_way_through_a_pgbouncer(
    tmp_path: Path, postgres_server: PostgresServer
) -> None:
    async with pooled(await postgres_server.empty_database()) as url, Together(tmp_path, url) as first:
        await first.start_operator(RECEIPTS)
        await first.start()
        second = first.beside()
        await second.start()
        heard = [await (first, second)[number % 2].send() for number in range(MANY)]
        assert {one.status for one in heard} == {202}
        found = await second.drained(lambda one: one["state"] == "delivered")
        assert sorted(one["id"] for one in found) == sorted(one.json["id"] for one in heard)
        assert len(first.taken()) == len(set(first.taken())) == MANY
        assert "Hello 1" in await looked_at(second, f"/messages/{heard[0].json['id']}")
        assert await second.stop() == 0, second.said()
        assert await first.stop() == 0, first.said()
        assert not any(bad in first.said() for bad in ("prepared statement", "Traceback"))


async def test_a_pgbouncer_that_loses_prepared_statements_is_told_with_its_remedy(
    tmp_path: Path, postgres_server: PostgresServer
) -> None:
    """An address without `statement_cache_size=0`: a traceback would say what asyncpg's authors advise."""

    async def asked(tx: Transaction, number: int) -> None:
        await tx.rows(Statement(text(f"SELECT {number}, {number}")))

    async def many(db: PostgresDatabase) -> None:
        for _ in range(100):
            await asyncio.gather(*(db.read(asked, number) for number in range(20)))

    async with pooled(await postgres_server.empty_database(), forgetful=True) as url:
        db = PostgresDatabase(url)
        await db.start()
        try:
            with pytest.raises(Problem) as told:
                await many(db)
        finally:
            await db.stop()
    assert told.value.slug == "database-pooled"
    assert "statement_cache_size=0" in told.value.detail

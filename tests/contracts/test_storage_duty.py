"""One server of a PostgreSQL is on duty, and which one is known from PostgreSQL alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest

from angarium.core.clock import SystemClock
from angarium.core.problems import Problem
from angarium.storage import duty
from angarium.storage.duty import Duty
from support.databases import PostgresServer
from support.running import PATIENCE_S, until


@pytest.fixture
async def url(postgres_server: PostgresServer) -> AsyncIterator[str]:
    """A database whose every connection is ended afterwards."""
    async with postgres_server.lent() as lent:
        yield lent


@pytest.fixture
async def both(url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[Duty, Duty]]:
    """Two servers that look often."""
    monkeypatch.setattr(duty, "LOOK_S", 0.01)
    first, second = Duty(url, SystemClock()), Duty(url, SystemClock())
    yield first, second
    await first.leave()
    await second.leave()


async def cut_off(url: str) -> None:
    """End every connection that is in the middle of a transaction."""
    connection = await asyncpg.connect(url)
    idle = "datname = current_database() AND state = 'idle in transaction'"
    await connection.execute(f"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE {idle}")
    await connection.close()


async def holders(url: str) -> int:
    """How many have it."""
    connection = await asyncpg.connect(url)
    count = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND classid = $1 AND granted"
    found: int = await connection.fetchval(count, duty.NAME[0])
    await connection.close()
    return found


async def test_one_has_it_until_it_leaves(both: tuple[Duty, Duty]) -> None:
    first, second = both
    assert await first.take()
    assert not await second.take()
    await first.leave()
    assert await second.take()


async def test_who_was_cut_off_has_it_again_where_no_other_came(url: str, both: tuple[Duty, Duty]) -> None:
    first, _ = both
    assert await first.take()
    losing = asyncio.create_task(first.lost())
    await cut_off(url)
    await until(lambda: holders(url))
    assert not losing.done()
    losing.cancel()


async def test_who_was_cut_off_has_lost_it_to_another_that_came_first(
    url: str, both: tuple[Duty, Duty]
) -> None:
    first, second = both
    assert await first.take()
    await cut_off(url)
    assert await second.take()
    async with asyncio.timeout(PATIENCE_S):
        await first.lost()


async def test_who_says_nothing_more_has_it_no_longer(
    both: tuple[Duty, Duty], monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = both
    monkeypatch.setitem(duty.SETTINGS, "idle_in_transaction_session_timeout", "200ms")
    assert await first.take()

    async def is_taken() -> bool:
        return await second.take()

    await until(is_taken)


async def test_those_who_stand_by_know_which_server_has_it(url: str) -> None:
    first, second, third = (Duty(url, SystemClock(), name) for name in ("mercury:8080", "зірка", "x" * 99))
    assert await first.holder() == ""  # it has asked for nothing yet
    assert await first.take()
    assert not await second.take()
    assert await second.holder() == "mercury:8080"
    await first.leave()
    assert await third.take()
    assert await second.holder() == "x" * duty.NAME_MAX  # another one, in the same transaction that asks
    await third.leave()
    assert await second.take()
    assert not await third.take()
    assert await third.holder() == "?????"
    await second.leave()
    await third.leave()


async def test_a_postgresql_that_is_away_is_said_to_be() -> None:
    with pytest.raises(Problem) as caught:
        await Duty("postgresql://nobody@127.0.0.1:1/none", SystemClock()).take()
    assert caught.value.slug == "storage-unavailable"

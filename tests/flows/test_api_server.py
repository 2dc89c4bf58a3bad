"""The server around the application: it says why it cannot bind, ends what it began, believes no stranger."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest
from prometheus_client import CollectorRegistry

from angarium.accounts.edge import Call, JsonAnswer, Operation, route
from angarium.storage.database import Database
from angarium.web.app import make_app
from angarium.web.server import Server
from support.server import ground_on

FROM_A_PROXY = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "192.0.2.1"}


@asynccontextmanager
async def running(
    database: Database, *proxies: str
) -> AsyncIterator[tuple[Server, asyncio.Event, asyncio.Event]]:
    """A server with one route that tells when it was asked and waits until it may answer."""
    asked, may_answer = asyncio.Event(), asyncio.Event()

    @route("GET /v1/slow", Operation(summary="x", scope=None))
    async def slow(request: Call) -> JsonAnswer:
        asked.set()
        await may_answer.wait()
        return JsonAnswer(200, b"{}")

    app = make_app([slow], ground_on(database), ready={}, registry=CollectorRegistry())
    server = Server(app, "127.0.0.1", 0, proxies)
    await server.start()
    try:
        yield server, asked, may_answer
    finally:
        await server.stop()


async def test_what_has_begun_is_answered(database: Database) -> None:
    async with running(database) as (server, asked, may_answer), aiohttp.ClientSession() as session:
        url = f"http://127.0.0.1:{server.port}/v1/slow"
        under_way = asyncio.create_task(session.get(url))
        await asyncio.wait_for(asked.wait(), 10)
        stopping = asyncio.create_task(server.stop())
        await until_closed(server.port)
        assert not stopping.done()
        may_answer.set()
        async with await under_way as answer:
            assert (answer.status, await answer.json()) == (200, {})
        await stopping
        await server.stop()


async def test_a_monitor_may_ask_by_head(database: Database) -> None:
    async with running(database) as (server, _, _), aiohttp.ClientSession() as session:
        root = f"http://127.0.0.1:{server.port}"
        for path in ("/health/live", "/health/ready", "/metrics"):
            async with session.get(root + path) as whole, session.head(root + path) as head:
                assert (head.status, await head.read()) == (whole.status, b"")
                assert head.headers["Content-Type"] == whole.headers["Content-Type"]
        async with session.head(f"{root}/v1/slow") as elsewhere:
            assert elsewhere.status == 405


async def until_closed(port: int) -> None:
    """Wait until nobody takes connections there."""
    for _ in range(100_000):
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            return
        writer.close()
        await writer.wait_closed()
    raise AssertionError("it still takes connections")


async def test_an_address_that_is_taken_is_named(database: Database) -> None:
    async with running(database) as (server, _, _):
        app = make_app([], ground_on(database), ready={}, registry=CollectorRegistry())
        second = Server(app, "127.0.0.1", server.port)
        with pytest.raises(OSError, match=str(server.port)):
            await second.start()
        await second.stop()


@pytest.mark.parametrize(
    ("proxies", "believed"), [(["127.0.0.1"], True), (["192.0.2.7"], False), ([], False)]
)
async def test_only_listed_proxies_are_believed(
    database: Database, proxies: list[str], believed: bool
) -> None:
    async with running(database, *proxies) as (server, _, _), aiohttp.ClientSession() as session:
        url = f"http://127.0.0.1:{server.port}/health/live"
        async with session.get(url, headers=FROM_A_PROXY) as answer:
            assert ("Strict-Transport-Security" in answer.headers) is believed

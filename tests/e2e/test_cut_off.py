"""One of two servers is cut off from PostgreSQL and not from its provider, or stands still past its leases.

It must fall silent before the other may take its lines; and the other sends what waits, each once. The
verdict is the operator's: by which connection each message came.
"""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path

import pytest

from angarium.simulators.behaviour import Faults, Script
from support.cutter import Cutter
from support.databases import PostgresServer
from support.nats_servers import NatsServer
from support.nodes import Node
from support.process import PHONE

pytestmark = [pytest.mark.timeout(300), pytest.mark.long]

MANY, FIRST, WINDOW = 40, 10, 5
# A receipt that was told to who cannot hear comes again after half a minute.
RESTS = {"sent", "delivered", "unknown"}
SLOW = Script(faults={"smpp": Faults(answer_delay_s=0.05, receipt_delay_s=0.05)})


@asynccontextmanager
async def two(folder: Path, url: str, nats: str = "") -> AsyncIterator[list[tuple[Node, Cutter]]]:
    """Two servers that share a line, each with a way of its own to the database; they meet there, or at this
    NATS."""
    ways = [Cutter(url), Cutter(url)]
    for way in ways:
        await way.listen()
    async with Node(folder, url, window=WINDOW, classes=["promotional"]) as first:
        first.fabric, first.nats = "nats" if nats else "postgres", nats
        await first.start_operator(SLOW)
        servers = [first, first.beside()]
        for server, way in zip(servers, ways, strict=True):
            server.database = way.url
            await server.start()
        yield list(zip(servers, ways, strict=True))
        for server in servers[1:]:
            if server.server is not None and server.server.returncode is None:
                await server.kill()
    for way in ways:
        await way.go_away()


async def at_work(servers: list[tuple[Node, Cutter]]) -> tuple[tuple[Node, Cutter], Node]:
    """Messages are on their way, and not the first: the server that has the line, and the other."""
    one = servers[0][0]
    await offer(servers[1][0], 0, FIRST)
    await one.drained(lambda found: found["state"] == "delivered")
    await offer(servers[1][0], FIRST)
    await one.until(lambda: len(one.taken()) > FIRST + MANY // 4)
    has = [await is_bound(server) for server, _ in servers]
    assert sorted(has) == [False, True]
    return servers[has.index(True)], servers[has.index(False)][0]


async def is_bound(node: Node) -> bool:
    """Whether the line is connected from here."""
    lines = (await node.client.ask("GET", "/v1/lines")).json["items"]
    return any("bound" in line["state"] for line in lines)


async def offer(node: Node, begin: int, number: int = MANY) -> None:
    """Messages that may be sent once at most."""
    messages = [
        {"to": {"phone": PHONE.format(n)}, "class": "promotional", "line": "sms", "text": f"No {n}"}
        for n in range(begin, begin + number)
    ]
    heard = await node.client.ask("POST", "/v1/messages/batch", {"messages": messages})
    assert heard.status == 202, heard


async def judged(node: Node, number: int) -> None:
    """Every message has been sent, or is unknown; each once, and by no two connections in turns."""
    found = await node.drained(lambda one: one["state"] in RESTS)
    states = Counter(one["state"] for one in found)
    taken = Counter(node.taken())
    assert states.total() == number
    assert max(taken.values()) == 1
    assert number - states["unknown"] <= len(taken) <= number
    assert states["unknown"] <= 2 * WINDOW
    sessions = [entry["session"] for entry in node.ledger()]
    assert sessions == sorted(sessions), sessions
    assert len(set(sessions)) > 1, "the other did not take it over"


async def goes_dark_and_comes_back(servers: list[tuple[Node, Cutter]]) -> None:
    """Who sends is cut off: the other does, and both do again when the way is there."""
    (server, way), other = await at_work(servers)
    way.go_dark()
    await judged(other, FIRST + MANY)
    assert ("bound", "bound") not in pairwise(other.came_and_went()), "two were there at once"
    way.come_back()
    await server.until(server.is_ready)
    await offer(server, FIRST + MANY)
    await judged(server, FIRST + 2 * MANY)
    assert [await one.stop() for one in (other, server)] == [0, 0], server.said()


async def test_who_is_cut_off_from_the_database_alone_falls_silent(
    tmp_path: Path, postgres_server: PostgresServer
) -> None:
    async with two(tmp_path, await postgres_server.empty_database()) as servers:
        await goes_dark_and_comes_back(servers)


async def test_who_is_cut_off_from_the_database_and_not_from_nats_leaves_its_lines_to_the_other(
    tmp_path: Path, postgres_server: PostgresServer, nats_server: NatsServer
) -> None:
    async with two(tmp_path, await postgres_server.empty_database(), nats_server.url) as servers:
        await goes_dark_and_comes_back(servers)


async def test_who_stands_still_past_its_leases_sends_nothing_under_them(
    tmp_path: Path, postgres_server: PostgresServer
) -> None:
    async with two(tmp_path, await postgres_server.empty_database()) as servers:
        (server, _), other = await at_work(servers)
        assert server.server is not None
        server.server.send_signal(signal.SIGSTOP)
        await judged(other, FIRST + MANY)
        server.server.send_signal(signal.SIGCONT)
        await server.until(server.is_ready)
        await offer(server, FIRST + MANY)
        await judged(server, FIRST + 2 * MANY)
        assert [await one.stop() for one in (other, server)] == [0, 0], server.said()

"""Several servers on one PostgreSQL, all at work, by each fabric: one goes, and another has its lines."""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from angarium.simulators.behaviour import Faults, Script
from support.databases import PostgresServer
from support.nats_servers import NatsServer
from support.process import PHONE, Shop

Place = tuple[str, str, str]  # a database, a fabric, and where NATS is

LINES = 4  # beside the one that a shop has
MANY = 60
WINDOW = 5
SLOW = Script(faults={"smpp": Faults(answer_delay_s=0.05, receipt_delay_s=0.01)})
SPEED_PER_S, SHARE_PER_S = 60, 20  # of the line over HTTP
FAST = 240
FINAL = {"delivered", "unknown"}


class Together(Shop):
    """One of the servers of a shop; they share its folder and its database."""

    @property
    def environment(self) -> dict[str, str]:
        return {
            **super().environment,
            "ANGARIUM_LINE_SHARE_PER_S": str(SHARE_PER_S),
            "ANGARIUM_ALLOW_PRIVATE": "127.0.0.0/8",
        }

    async def start_viber(self) -> None:
        """A line over HTTP, and its operator."""
        announce = self.folder / "viber.json"
        arguments = ("--faces", "viber", "--ledger-folder", str(self.folder), "--announce", str(announce))
        log, program = self.folder / "viber.log", "angarium.simulators.__main__"
        await self.nursery.start(arguments, log, self.folder, dict(os.environ), program)
        await self.until(lambda: announce.exists() and bool(announce.read_bytes().strip()))
        url = msgspec.json.decode(announce.read_bytes())["faces"]["viber"]
        line = {
            "name": "viber",
            "channel": "viber_business",
            "settings": {"base_url": f"{url}/v1/api", "api_key": "viber-demo-key", "sender": "Shop"},
            "classes": ["service"],
            "registration": "approved",
            "speed_per_s": SPEED_PER_S,
            "window": 60,
        }
        heard = await self.client.ask("POST", "/v1/lines", line)
        assert heard.status == 201, heard

    def on_viber(self) -> list[dict[str, Any]]:
        """What the operator of the line over HTTP took."""
        path = self.folder / "viber.jsonl"
        lines = path.read_bytes().split(b"\n")[:-1] if path.exists() else []
        return [one for one in map(msgspec.json.decode, lines) if "recipient" in one]

    def beside(self) -> Together:
        """Another server of the same shop."""
        other = Together(self.folder, self.database)
        other.smpp_port, other.key, other._session = self.smpp_port, self.key, self._session
        other.nursery, other.fabric, other.prefix = self.nursery, self.fabric, self.prefix
        other.nats = self.nats
        return other

    async def furnish(self) -> None:
        """More lines over the same operator."""
        for number in range(LINES):
            given = {**self._line(), "name": f"sms-{number}", "window": WINDOW}
            given["settings"] = {**given["settings"], "system_id": f"sms-{number}"}
            heard = await self.client.ask("POST", "/v1/lines", given)
            assert heard.status == 201, heard

    async def offer(self, message_class: str, begin: int) -> None:
        """A batch of messages, over whichever line."""
        messages = [
            {
                "to": {"phone": PHONE.format(number)},
                "class": message_class,
                "line": f"sms-{number % LINES}",
                "text": f"{message_class} {number}",
            }
            for number in range(begin, begin + MANY)
        ]
        heard = await self.client.ask("POST", "/v1/messages/batch", {"messages": messages})
        assert heard.status == 202, heard


@asynccontextmanager
async def two(folder: Path, place: Place) -> AsyncIterator[tuple[Together, Together]]:
    """Two servers that are ready, with lines and an operator."""
    url, fabric, nats = place
    async with Together(folder, url, window=WINDOW) as first:
        first.fabric, first.nats = fabric, nats
        await first.start_operator(SLOW, *(f"sms-{number}" for number in range(LINES)))
        await first.start()
        await first.furnish()
        second = first.beside()
        await second.start()
        try:
            yield first, second
        finally:
            if second.server is not None and second.server.returncode is None:
                await second.kill()


@pytest.fixture(params=["postgres", pytest.param("nats", marks=pytest.mark.long)])
async def place(
    request: pytest.FixtureRequest, postgres_server: PostgresServer, nats_server: NatsServer
) -> Place:
    """A database that several servers may have, by what they meet, and where."""
    return await postgres_server.empty_database(), request.param, nats_server.url


@pytest.mark.turns(2, 0)
async def test_a_server_that_is_stopped_leaves_its_lines_to_the_other(tmp_path: Path, place: Place) -> None:
    async with two(tmp_path, place) as (first, second):
        await first.offer("service", 0)
        await second.offer("service", MANY)
        await first.until(lambda: len(first.taken()) > MANY // 2)
        assert await first.stop() == 0, first.said()
        await second.until(lambda: len(set(second.taken())) == 2 * MANY)
        found = await second.drained(lambda one: one["state"] in FINAL)
        assert Counter(one["state"] for one in found) == {"delivered": 2 * MANY}
        assert set(Counter(second.taken()).values()) == {1}
        assert await second.stop() == 0, second.said()


@pytest.mark.turns(2, 1)
async def test_the_lines_of_a_server_that_was_killed_are_taken_over(tmp_path: Path, place: Place) -> None:
    async with two(tmp_path, place) as (first, second):
        await asyncio.gather(first.offer("otp", 0), second.offer("service", MANY))
        await first.until(lambda: len(first.taken()) > MANY // 2)
        await first.kill()
        await second.offer("service", 2 * MANY)
        found = await second.drained(lambda one: one["state"] in FINAL)
        taken, states = Counter(second.taken()), Counter(one["state"] for one in found)
        assert states.total() == 3 * MANY
        under_way = (LINES + 1) * WINDOW  # what the killed one had, at most
        assert states["unknown"] <= under_way
        assert len(taken) >= states["delivered"]
        twice = [text for text, copies in taken.items() if copies > 1]  # no evidence came within their hold
        assert max(taken.values()) <= 2
        assert len(twice) <= under_way, twice
        assert await second.stop() == 0, second.said()


@pytest.mark.long
async def test_a_fast_line_over_http_is_shared_out_and_never_faster_than_it_may_be(
    tmp_path: Path, postgres_server: PostgresServer, nats_server: NatsServer
) -> None:
    async with two(tmp_path, (await postgres_server.empty_database(), "nats", nats_server.url)) as (
        first,
        second,
    ):
        await first.start_viber()
        texts = [f"viber {number}" for number in range(FAST)]
        messages = [
            {"to": {"phone": PHONE.format(number)}, "class": "service", "line": "viber", "text": text}
            for number, text in enumerate(texts)
        ]

        async def taken() -> bool:  # as soon as the new line is known
            asked = {"messages": messages}
            return (await first.client.ask("POST", "/v1/messages/batch", asked)).status == 202

        await first.until(taken)
        await first.until(lambda: len(first.on_viber()) > FAST // 3)
        assert await first.stop() == 0, first.said()  # its shares are the other's now
        await second.until(lambda: len(second.on_viber()) >= FAST)
        took = second.on_viber()
        assert Counter(one["text"] for one in took) == Counter(texts)
        shares = SPEED_PER_S // SHARE_PER_S
        at_once = shares * max(1, SHARE_PER_S // 10)  # what buckets that were never taken from give
        span_s = max(one["at"] for one in took) - min(one["at"] for one in took)
        assert len(took) <= SPEED_PER_S * span_s + at_once
        assert await second.stop() == 0, second.said()

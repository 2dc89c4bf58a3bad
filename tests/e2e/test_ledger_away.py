"""PostgreSQL is stopped at once under a server that meets others by NATS, and the server is killed as well.

What operators send meanwhile is answered, and applied when both are back: by the operators' own books they
were answered everything, and nothing had to be said twice.
"""

from __future__ import annotations

import asyncio
import os
import re
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from angarium.simulators.behaviour import Faults, Script
from angarium.simulators.smsc import Smsc
from angarium.simulators.stage import Stage
from angarium.simulators.viber import API_KEY, ViberFace
from support.databases import postgres_of_its_own
from support.process import PHONE, Shop

pytestmark = pytest.mark.timeout(300)

MANY = 8
LATER = Script(faults={"*": Faults(receipt_delay_s=2.0)})


class Served(Shop):
    """A server that meets others by NATS, and that operators on this machine can reach."""

    @property
    def environment(self) -> dict[str, str]:
        given = {"PUBLIC_URL": self.url, "ALLOW_PRIVATE": "127.0.0.0/8"}
        return {**super().environment, **{f"ANGARIUM_{name}": value for name, value in given.items()}}

    async def counted(self, what: str) -> int:
        """How many of something the server has counted."""
        told = (await self.client.ask("GET", "/metrics")).body.decode()
        found = re.search(rf'^angarium_done_total{{what="{what}"}} (\d+)', told, re.MULTILINE)
        return int(found[1]) if found else 0


class Operators:
    """A message centre and Viber, in this process."""

    def __init__(self) -> None:
        self.smsc, self.viber = Smsc(Stage(LATER)), ViberFace(Stage(LATER))

    @asynccontextmanager
    async def at_work(self) -> AsyncIterator[Operators]:
        await self.smsc.start()
        await self.viber.start()
        try:
            yield self
        finally:
            await self.viber.stop()
            await self.smsc.stop()

    def have_all(self) -> bool:
        """Whether they have taken every message."""
        return all(len(one.ledger.entries) == MANY for one in (self.smsc, self.viber))

    def were_answered(self) -> bool:
        """Whether they have told what became of each message, and have nothing left to say."""
        return self.smsc.waiting() == self.viber.waiting() == 0


async def offer(served: Served) -> None:
    """As many messages to each."""
    for channel in ("smpp", "viber_business"):
        messages = [
            {"to": {"phone": PHONE.format(n)}, "class": "service", "channel": channel, "text": f"No {n}"}
            for n in range(MANY)
        ]
        heard = await served.client.ask("POST", "/v1/messages/batch", {"messages": messages})
        assert heard.status == 202, heard


async def connect(served: Served, viber: ViberFace) -> None:
    """A line to Viber beside that to the message centre."""
    settings = {"base_url": f"{viber.url()}/v1/api", "api_key": API_KEY, "sender": "Shop"}
    line: dict[str, Any] = {"name": "viber", "channel": "viber_business", "settings": settings}
    line |= {"classes": ["service"], "registration": "approved"}
    heard = await served.client.ask("POST", "/v1/lines", line)
    assert heard.status == 201, heard


@asynccontextmanager
async def shop(folder: Path, database: str, operators: Operators) -> AsyncIterator[Served]:
    """A server with lines to both."""
    made = Served(folder, database)
    made.fabric, made.smpp_port = "nats", int(operators.smsc.url().rpartition(":")[2])
    async with made:
        await made.start()
        await connect(made, operators.viber)
        yield made


@pytest.mark.turns(2, 1)
async def test_what_operators_send_while_postgresql_is_away_is_applied_after(tmp_path: Path) -> None:
    with postgres_of_its_own() as postgres:
        async with (
            Operators().at_work() as operators,
            shop(tmp_path, postgres.get_uri(), operators) as served,
        ):
            await offer(served)
            await served.until(operators.have_all)
            os.kill(postgres.get_pid(), signal.SIGQUIT)
            await operators.smsc.send_inbound(PHONE.format(1), "Shop", "Are you there?")
            await served.until(operators.were_answered)
            assert operators.smsc.mailbox("angarium").repeated == 0
            assert await served.counted("logged") > 1
            assert await health(served) == (503, 200)
            assert (await served.client.ask("POST", "/callbacks/abc/unknown", {})).status == 503
            await served.kill()
            await asyncio.to_thread(postgres.start)
            await served.start()
            found = await served.drained(lambda one: one["state"] == "delivered")
            assert len(found) == 2 * MANY
            assert operators.smsc.ledger.totals().doubled == operators.viber.ledger.totals().doubled == 0
            assert (await served.client.ask("POST", "/callbacks/abc/unknown", {})).status == 404
            assert await served.counted("drained") > 1
            assert await served.stop() == 0, served.said()


async def health(served: Served) -> tuple[int, int]:
    """Whether it is ready for requests, and for what providers send."""
    ready = await served.readiness()
    receiving = await served.client.ask("GET", "/health/receiving")
    return ready.status, receiving.status

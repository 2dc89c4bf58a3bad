"""SIGTERM in the middle of the work: nothing is begun, what was begun is heard out, nothing is in doubt."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from angarium.messaging.store.tables import attempt
from angarium.simulators.behaviour import Faults, Script
from angarium.simulators.stage import Stage
from angarium.simulators.viber import API_KEY, ViberFace
from angarium.storage.bulk import Statement
from angarium.storage.database import Transaction, open_database
from support.process import PHONE, Shop

BY_STATE = Statement(select(attempt.c.state, func.count()).group_by(attempt.c.state))
SLOW_S = 0.25  # an operator's answer: windows are full all the time
WINDOW = 20
MANY = 200
GRACE_S = 15.0  # what a service manager is told to wait for


class TwoWays(Shop):
    """A shop with a line over SMPP and one over HTTP."""

    def __init__(self, folder: Path, viber: ViberFace) -> None:
        super().__init__(folder, window=WINDOW)
        self.viber = viber

    @property
    def environment(self) -> dict[str, str]:
        return {**super().environment, "ANGARIUM_ALLOW_PRIVATE": self.viber.url().removeprefix("http://")}

    async def connect_viber(self) -> None:
        line = {
            "name": "viber",
            "channel": "viber_business",
            "settings": {"base_url": f"{self.viber.url()}/v1/api", "api_key": API_KEY, "sender": "Shop"},
            "classes": ["service", "transactional"],
            "registration": "approved",
            "window": WINDOW,
        }
        heard = await self.client.ask("POST", "/v1/lines", line)
        assert heard.status == 201, heard

    async def offer(self, channel: str) -> None:
        """A batch of messages."""
        messages = [
            {
                "to": {"phone": PHONE.format(number)},
                "class": "service",
                "channel": channel,
                "text": f"{channel} {number}",
            }
            for number in range(MANY)
        ]
        heard = await self.client.ask("POST", "/v1/messages/batch", {"messages": messages})
        assert heard.status == 202, heard

    async def attempts(self) -> Counter[str]:
        """How many attempts are in each state, by the database that the server has left."""
        database = open_database(self.database)
        await database.start()
        try:
            return await database.read(_attempts)
        finally:
            await database.stop()


async def _attempts(tx: Transaction) -> Counter[str]:
    async with tx.across_workspaces():
        return Counter(dict(await tx.rows(BY_STATE)))


@pytest.mark.turns(2, 1)
async def test_a_stop_under_load_leaves_nothing_in_doubt(tmp_path: Path) -> None:
    stage = Stage(Script(faults={"viber": Faults(answer_delay_s=SLOW_S)}))
    viber = ViberFace(stage)
    await viber.start()
    try:
        async with TwoWays(tmp_path, viber) as shop:
            slow = Faults(answer_delay_s=SLOW_S, receipt_delay_s=0.01)
            await shop.start_operator(Script(faults={"smpp": slow}))
            await shop.start()
            await shop.connect_viber()
            for channel in ("smpp", "viber_business"):
                await shop.offer(channel)
            await shop.until(
                lambda: len(shop.taken()) >= 3 * WINDOW and len(viber.ledger.entries) >= 3 * WINDOW
            )
            began = time.monotonic()
            assert await shop.stop() == 0, shop.said()
            assert time.monotonic() - began < GRACE_S
            left = await shop.attempts()
            assert left["submitting"] == left["unknown"] == 0, left
            taken = [*shop.taken(), *(entry.text for entry in viber.ledger.entries)]
            assert sum(left[state] for state in ("accepted", "delivered", "read")) == len(taken)
            assert left["queued"] == 2 * MANY - len(taken)
            assert left["queued"] > 0
            await all_sent_once(shop, viber)
    finally:
        await viber.stop()


async def all_sent_once(shop: TwoWays, viber: ViberFace) -> None:
    """Started again, it sends what is left."""
    viber._stage.script = Script()
    await shop.start()

    def texts() -> Counter[Any]:
        return Counter([*shop.taken(), *(entry.text for entry in viber.ledger.entries)])

    await shop.until(lambda: len(texts()) == 2 * MANY)
    assert set(texts().values()) == {1}
    assert await shop.stop() == 0


async def test_a_second_signal_changes_nothing(tmp_path: Path) -> None:
    async with Shop(tmp_path, window=WINDOW) as shop:
        await shop.start_operator(Script(faults={"smpp": Faults(answer_delay_s=SLOW_S)}))
        await shop.start()
        for _ in range(WINDOW):
            await shop.send()
        await shop.until(shop.taken)
        assert shop.server is not None
        stopping = asyncio.create_task(shop.stop())
        await asyncio.sleep(0.01)
        shop.server.terminate()
        assert await stopping == 0


@pytest.mark.parametrize("moment", [Shop.has_begun, Shop.is_ready])
async def test_a_stop_while_it_starts_is_as_orderly(
    tmp_path: Path, moment: Callable[[Shop], Awaitable[bool]]
) -> None:
    folder = tmp_path / "shop"
    folder.mkdir()
    async with Shop(folder) as served:
        await served.start(ready=False)
        await served.until(lambda: moment(served))
        assert await served.stop() == 0
        await served.start()  # and nothing stands in the way of the next

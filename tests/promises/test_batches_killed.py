"""kill -9 of a server that takes batches, and of the process that makes them ready: nobody is told twice."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from support.process import PHONE, Shop
from support.together import SILENT_S

BATCHES, EACH = 90, 100
UNDER_WAY = 4
KILLS = 4  # of the server; as many of the process beside it
SEED = 7


@pytest.fixture
async def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Shop]:
    """A shop with a line without a limit."""
    monkeypatch.setenv("ANGARIUM_COMPOSER", "on")
    async with Shop(tmp_path, classes=["promotional"], window=500) as made:
        yield made


@pytest.mark.sqlite  # there is no such process elsewhere
@pytest.mark.timeout(240 + KILLS * SILENT_S)
@pytest.mark.turns(4, 2)
async def test_each_message_of_a_batch_is_there_once_whoever_is_killed(shop: Shop) -> None:
    chance = random.Random(SEED)
    await shop.start_operator()
    await shop.start()
    sending = asyncio.gather(*(sent(shop, number) for number in range(UNDER_WAY)))
    beside = 0
    for kill in range(2 * KILLS):
        seen = len(shop.ledger()) + chance.randint(1, BATCHES * EACH // KILLS // 3)
        await shop.until(lambda seen=seen: len(shop.ledger()) >= seen or sending.done())
        composers = shop.composers()
        beside += len(composers)
        if kill % 2:
            await shop.kill()
            await shop.start()
        for one in composers:
            with contextlib.suppress(ProcessLookupError):  # it ends with its server
                os.kill(one, signal.SIGKILL)
    promised = {one for some in await sending for one in some}
    assert beside >= KILLS, "no messages were made ready by another process"
    assert len(promised) == BATCHES * EACH
    rest = await shop.drained(lambda one: one["state"] in ("delivered", "unknown"))
    assert {one["id"] for one in rest} == promised
    assert Counter(one["reference"] for one in rest) == Counter(str(n) for n in range(BATCHES * EACH))
    arrived = Counter(shop.taken())
    assert max(arrived.values()) == 1
    in_doubt = sum(one["state"] == "unknown" for one in rest)
    assert len(rest) - in_doubt <= len(arrived) <= len(rest)


async def sent(shop: Shop, first: int) -> list[str]:
    """Every fourth batch, each until it is answered; the ids that were promised."""
    promised: list[str] = []
    for number in range(first, BATCHES, UNDER_WAY):
        promised += [one["id"] for one in (await accepted(shop, number))["results"]]
    return promised


async def accepted(shop: Shop, number: int) -> dict[str, Any]:
    """The answer to a batch, which is sent again while there is nobody to answer."""
    messages = [
        {"to": {"phone": PHONE.format(one)}, "class": "promotional", "channel": "smpp"}
        | {"text": f"Half price for No. {one}", "reference": str(one)}
        for one in range(number * EACH, (number + 1) * EACH)
    ]
    while True:
        try:
            heard = await shop.client.ask(
                "POST", "/v1/messages/batch", {"messages": messages}, Idempotency_Key=f"batch-{number}"
            )
        except aiohttp.ClientError:
            await asyncio.sleep(0.1)
            continue
        assert heard.status == 202, heard
        assert heard.json["accepted"] == EACH
        answer: dict[str, Any] = heard.json
        return answer

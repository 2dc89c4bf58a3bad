"""kill -9 at twenty random moments of a campaign, with pauses between: the operator has nobody twice.

Whom it has not is shown as unknown, for advertising in doubt is not sent again.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from support.everybody import asked, judged, over, written
from support.process import Shop
from support.together import SILENT_S

MEMBERS = 3_000
KILLS = 20
SPEED_PER_S = 200.0  # so that all of them fall into its run
MORE = 100  # members at the most whom a server tells before it is killed
PAUSED_AT = (4, 9, 14)  # kills before which it is paused, and after which it goes on
PRESSED = 50
MANY = 12_000  # so many that several batches are made ready between two kills
FAST_KILLS = 6
SEED = 5


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[Shop]:
    """A shop with a slow line, whose server starts quickly."""
    async with Shop(tmp_path, classes=["promotional"], window=10, speed_per_s=SPEED_PER_S) as made:
        yield made


@pytest.mark.timeout(240 + KILLS * SILENT_S)
@pytest.mark.turns(2, 1)
async def test_each_member_is_told_once_whenever_it_is_killed(shop: Shop) -> None:
    chance = random.Random(SEED)
    await shop.start_operator()
    await shop.start()
    campaign = await written(shop, MEMBERS)
    pressed = await asyncio.gather(*(shop.client.ask("POST", f"{campaign}/start") for _ in range(PRESSED)))
    assert Counter(heard.status for heard in pressed) == {202: 1, 409: PRESSED - 1}
    for kill in range(KILLS):
        seen = len(shop.ledger()) + chance.randint(0, MORE)
        await shop.until(lambda seen=seen: len(shop.ledger()) >= seen)
        if kill in PAUSED_AT:
            await asked(shop, f"{campaign}/pause")
        await shop.kill()
        await shop.start()
        if kill in PAUSED_AT:
            await asked(shop, f"{campaign}/resume")
    assert len(shop.ledger()) < MEMBERS, "all were told before the last kill"
    await shop.until(lambda: over(shop, campaign))
    await judged(shop, campaign, MEMBERS)


@pytest.fixture
async def fast_shop(tmp_path: Path) -> AsyncIterator[Shop]:
    """A shop with a line without a limit, for which a process beside the server makes messages ready."""
    async with Shop(tmp_path, classes=["promotional"], window=500) as made:
        yield made


@pytest.mark.long
@pytest.mark.sqlite  # there is no such process elsewhere
@pytest.mark.timeout(240)
async def test_each_member_is_told_once_when_another_process_makes_messages_ready(
    fast_shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANGARIUM_COMPOSER", "on")
    shop, chance = fast_shop, random.Random(SEED)
    await shop.start_operator()
    await shop.start()
    campaign = await written(shop, MANY)
    assert (await shop.client.ask("POST", f"{campaign}/start")).status == 202
    beside = 0
    for _ in range(FAST_KILLS):
        seen = len(shop.ledger()) + chance.randint(1, MANY // FAST_KILLS // 2)
        await shop.until(lambda seen=seen: len(shop.ledger()) >= seen)
        beside += len(shop.composers())
        await shop.kill()
        await shop.start()
    assert beside, "messages were not made ready by another process at any kill"
    assert len(shop.ledger()) < MANY, "all were told before the last kill"
    await shop.until(lambda: over(shop, campaign))
    await judged(shop, campaign, MANY)

"""A workspace in which nothing happens costs nothing, however many there are."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from pathlib import Path
from typing import Any

from angarium.accounts.flows import create_workspace
from angarium.assembly import House
from support.server import whole_house

MANY = 60
LONGER_THAN_ANY_LOOK_S = 2.5
PATIENCE_S = 30.0
STEP_S = 0.1


async def asked_within(seconds: float, asked: Counter[str]) -> Counter[str]:
    """What the database is asked meanwhile, and how often."""
    asked.clear()
    for _ in range(round(seconds / STEP_S)):
        await asyncio.sleep(STEP_S)
    return Counter(asked)


def listen(house: House) -> Counter[str]:
    """Counts, from now on, what the database is asked."""
    asked: Counter[str] = Counter()
    for verb in ("read", "run"):
        plain = getattr(house.ground.db, verb)

        async def counted(work: Any, *args: Any, plain: Any = plain, **given: Any) -> Any:
            asked[work.__qualname__] += 1
            return await plain(work, *args, **given)

        setattr(house.ground.db, verb, counted)
    return asked


async def test_a_server_of_many_workspaces_comes_to_rest(database_url: str, tmp_path: Path) -> None:
    async with whole_house(database_url, tmp_path) as (house, _):
        for number in range(MANY):
            await create_workspace(house.ground, f"shop {number}")
        asked = listen(house)
        services = (
            house.engine,
            house.teller,
            house.importer,
            house.exporter,
            house.campaigns,
            house.twilio_door,
        )
        for service in services:
            await service.start()
        until = time.monotonic() + PATIENCE_S
        try:
            while (heard := await asked_within(LONGER_THAN_ANY_LOOK_S, asked)).total() >= MANY:
                assert time.monotonic() < until, heard
        finally:
            for service in reversed(services):
                await service.stop()
        assert heard["workspaces"] > 0  # it does look

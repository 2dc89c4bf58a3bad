"""kill -9 at twenty random moments of a campaign, with pauses between: the operator has nobody twice.

Whom it has not is shown as unknown, for advertising in doubt is not sent again.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from support.process import PHONE, Shop

MEMBERS = 3_000
KILLS = 20
SPEED_PER_S = 200.0  # so that all of them fall into its run
MORE = 100  # members at the most whom a server tells before it is killed
PAUSED_AT = (4, 9, 14)  # kills before which it is paused, and after which it goes on
PRESSED = 50
SEED = 5


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[Shop]:
    """A shop with a slow line, whose server starts quickly."""
    async with Shop(tmp_path, classes=["promotional"], window=10, speed_per_s=SPEED_PER_S) as made:
        yield made


@pytest.mark.timeout(240)
async def test_each_member_is_told_once_whenever_it_is_killed(shop: Shop) -> None:
    chance = random.Random(SEED)
    await shop.start_operator()
    await shop.start()
    campaign = await written(shop)
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
    await judged(shop, campaign)


async def written(shop: Shop) -> str:
    """The address of a campaign to everybody, which is not started yet."""
    heard = await shop.client.ask(
        "POST",
        "/v1/templates",
        {
            "name": "offer",
            "class": "promotional",
            "variants": [{"content": {"text": "{{ contact.external_id }}: half price"}}],
            "publish": True,
        },
    )
    assert heard.status == 201, heard
    for first in range(0, MEMBERS, 1_000):
        people = [
            {"external_id": f"c{n}", "addresses": [{"kind": "phone", "value": PHONE.format(n)}]}
            for n in range(first, first + 1_000)
        ]
        heard = await shop.client.ask("POST", "/v1/contacts/batch", {"contacts": people})
        assert heard.json["accepted"] == len(people), heard
    given = {"name": "Sale", "audience": {"everybody": True}, "template": "offer", "line": "sms"}
    heard = await shop.client.ask("POST", "/v1/campaigns", given)
    assert heard.status == 201, heard
    return f"/v1/campaigns/{heard.json['id']}"


async def asked(shop: Shop, path: str) -> None:
    """Ask until the server, which has just come, has taken it."""
    heard = await shop.client.ask("POST", path)
    assert heard.status == 200, heard


async def over(shop: Shop, campaign: str) -> bool:
    """Whether everybody was told, and nothing is awaited of anybody."""
    with contextlib.suppress(aiohttp.ClientError):
        report = (await shop.client.ask("GET", f"{campaign}/report")).json
        waiting = report["by_state"].keys() - {"delivered", "unknown"}
        return report["state"] == "done" and not waiting
    return False


async def judged(shop: Shop, campaign: str) -> None:
    """The operator's ledger beside the table of recipients."""
    copies = Counter(entry["recipient"].lstrip("+") for entry in shop.ledger())
    assert max(copies.values()) == 1, copies.most_common(3)
    states: dict[str, str] = {}
    cursor: str | None = ""
    while cursor is not None:
        page: dict[str, Any] = (
            await shop.client.ask("GET", f"{campaign}/recipients?limit=1000&cursor={cursor}")
        ).json
        states |= {one["address"].lstrip("+"): one["state"] for one in page["items"]}
        cursor = page["next"]
    assert len(states) == MEMBERS
    assert {phone for phone, state in states.items() if state == "delivered"} <= copies.keys()
    missing = states.keys() - copies.keys()
    assert {states[phone] for phone in missing} <= {"unknown"}
    in_doubt = Counter(states.values())["unknown"]
    assert in_doubt >= len(missing)
    found = (await shop.client.ask("GET", f"{campaign}/report")).json
    assert found["by_state"] == {"delivered": MEMBERS - in_doubt} | (
        {"unknown": in_doubt} if in_doubt else {}
    )

"""Other people's SMPP clients at our door: a thousand messages, long and short, and their receipts.

What arrived is told by the ledger of the simulated operator behind us; what was told, by the clients.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from angarium.storage.database import open_database
from peers.test_smpp_kannel import DELIVERED_TO_PHONE, NOT_DELIVERED, Shop, kannel_at
from peers.test_smpp_npm import node
from support.databases import create_schema
from support.esme import PHONE
from support.running import until
from support.smpp_door import PASSWORD, Doorway, doorway

MESSAGES = 1_000
PERSIAN = "سفارش شما ارسال شد و فردا می‌رسد. 🚚 "


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Doorway]:
    """A shop with a door, on a file."""
    path = tmp_path / "shop.db"
    database = open_database(f"sqlite:///{path}")
    await database.start()
    try:
        await create_schema(database)
        async with doorway(database) as made:
            yield made
    finally:
        await database.stop()


def text_of(number: int) -> str:
    """Every fourth is long, every eighth Persian and long."""
    if number % 8 == 0:
        return f"{number}: {PERSIAN * 4}"
    return f"{number}: Your order [1234] has left and comes tomorrow. " * (5 if number % 4 == 0 else 1)


def of_npm(number: int) -> dict[str, Any]:
    """The same as npm's smpp wants it."""
    text, plain = text_of(number), number % 8 != 0
    room = 153 if plain else 67
    fields = {
        "source_addr": "Shop",
        "source_addr_ton": 5,
        "destination_addr": PHONE.format(number),
        "dest_addr_ton": 1,
        "registered_delivery": 1,
        "data_coding": 0 if plain else 8,
    }
    if len(text) <= (160 if plain else 70):
        return {**fields, "short_message": text}
    extra = text.count("[") + text.count("]") if plain else 0
    room -= extra  # each of these signs takes two septets
    units = [text[start : start + room] for start in range(0, len(text), room)]
    return {**fields, "parts": units}


@pytest.mark.peers("node", "npm")
async def test_npm_sends_a_thousand_and_gets_its_receipts(place: Doorway, tmp_path: Path) -> None:
    await place.account(window=100)
    submissions = [of_npm(number) for number in range(MESSAGES)]
    parts = sum(len(one.get("parts", "x")) for one in submissions)
    options = tmp_path / "flood.json"
    options.write_text(
        json.dumps(
            {
                "port": place.port,
                "system_id": "client",
                "password": PASSWORD,
                "window": 100,
                "submissions": submissions,
            }
        )
    )
    async with node("flood.js", file=str(options)) as peer:
        await until(lambda: peer.of("flooded") or peer.of("error"))
        assert peer.of("error") == []
        [flooded] = peer.of("flooded")
    assert flooded["refused"] == {}
    assert len(flooded["ids"]) == parts
    assert Counter(flooded["receipts"].values()) == {"DELIVRD": parts}
    assert set(flooded["ids"].values()) == set(range(MESSAGES))
    assert sorted(place.texts()) == sorted(text_of(number) for number in range(MESSAGES))


@pytest.mark.peers("bearerbox")
@pytest.mark.xdist_group("kannel")
@pytest.mark.turns(2, 1)
async def test_kannel_sends_a_thousand_and_gets_its_receipts(place: Doorway, tmp_path: Path) -> None:
    account = await place.account(window=100)
    bound = partial(place.door.binds_of, account.id)
    async with kannel_at(tmp_path, place.port, "client", PASSWORD, bound, 100) as shop:
        for start in range(0, MESSAGES, 50):
            await _send(shop, range(start, start + 50))
        await until(lambda: len(shop.receipts) >= MESSAGES)
    assert Counter(shop.receipts) == {
        (PHONE.format(number), DELIVERED_TO_PHONE): 1 for number in range(MESSAGES)
    }
    taken = Counter((entry.recipient, entry.text) for entry in place.smsc.ledger.entries)
    assert taken == {
        (f"+{PHONE.format(number)}", text_of(number // 50 * 50)): 1 for number in range(MESSAGES)
    }


async def _send(shop: Shop, numbers: range) -> None:
    """One text to fifty people; each has a receipt of its own."""
    to = " ".join(PHONE.format(number) for number in numbers)
    await shop.send(to, text_of(numbers[0]), "%p", DELIVERED_TO_PHONE | NOT_DELIVERED)

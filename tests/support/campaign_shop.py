"""A shop that tells people something by campaigns: a house, a line, wording, people, and who works there."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from angarium.accounts.roles import Role
from angarium.assembly import House
from angarium.campaigns import flows
from angarium.campaigns.finding import NEWEST, Sought, find
from angarium.campaigns.store.campaigns import Campaign
from angarium.campaigns.wanted import CampaignInput
from angarium.storage.database import open_database
from support.databases import create_schema
from support.people import Surfer, joined, surfer_of
from support.server import Client, member, whole_house

SMS = {
    "name": "sms",
    "channel": "smpp",
    "settings": {"host": "127.0.0.1", "port": 9, "system_id": "shop", "password": "secret", "source": "Shop"},
    "classes": ["promotional"],
    "registration": "approved",
    "price": "0.04",
    "currency": "EUR",
}
TEMPLATE = {
    "name": "sale",
    "class": "promotional",
    "variants": [{"content": {"text": "{{ contact.name }}: {{ what }} half price. STOP to unsubscribe"}}],
}
PEOPLE = 8


@dataclass
class Shop:
    """A house with a line, wording and people; a marketer, an owner, and somebody who only looks."""

    house: House
    client: Client
    marketer: Surfer
    owner: Surfer
    reader: Surfer

    async def campaigns(self) -> list[Campaign]:
        """All of them, newest first."""
        found, _ = await self.house.ground.db.read(find, self.client.workspace_id, Sought(), NEWEST, 50)
        return found

    async def newest(self) -> tuple[str, CampaignInput]:
        """The state of the newest, and what it is."""
        one = (await self.campaigns())[0]
        return one.state.value, flows.wanted(one)

    async def draft(self, **more: Any) -> str:
        """A draft over the API; its address."""
        body = {
            "name": "Sale",
            "audience": {"everybody": True},
            "template": "sale",
            "variables": {"what": "tea"},
            "line": "sms",
            **more,
        }
        made = await self.client.ask("POST", "/v1/campaigns", body)
        assert made.status == 201, made.json
        return f"/campaigns/{made.json['id']}"

    async def run(self) -> None:
        """What the runner does now."""
        for _ in range(6):
            await self.house.campaigns.work()

    async def policy(self, **document: Any) -> None:
        """What is asked before a campaign starts."""
        put = await self.client.ask("PUT", "/v1/policies/campaigns", document)
        assert put.status == 200, put.json


def cookie_of(surfer: Surfer) -> str:
    """The session of somebody, as a browser is given it."""
    return next(f"{name}={value}" for name, value in surfer.cookies.items() if name.endswith("session"))


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[Shop]:
    """A shop that has told nobody anything yet."""
    url = f"sqlite:///{tmp_path}/angarium.db"
    database = open_database(url)
    await database.start()
    await create_schema(database)
    await database.stop()
    async with whole_house(url, tmp_path, public_url="http://127.0.0.1:8080") as (house, nobody):
        client = await member(nobody, house.ground, "shop")
        for path, body in (("/v1/lines", SMS), ("/v1/templates", TEMPLATE)):
            made = await client.ask("POST", path, body)
            assert made.status == 201, made.json
        for number in range(PEOPLE):
            person = {
                "external_id": f"c{number}",
                "name": f"N{number}",
                "tags": ["gold"] if number % 2 else [],
                "addresses": [{"kind": "phone", "value": f"+38050{number:07}"}],
            }
            assert (await client.ask("POST", "/v1/contacts", person)).status == 200
        await house.world.lines.reload([client.workspace_id])
        surfers = [surfer_of(client) for _ in range(3)]
        for surfer, role in zip(surfers, (Role.MARKETER, Role.OWNER, Role.READ_ONLY), strict=True):
            await joined(house, surfer, client.workspace_id, f"{role.value}@shop.example", role)
        yield Shop(house, client, *surfers)

"""A workspace at a desk: two lines, three people at browsers of their own, and a real Chromium."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser as Chromium
from playwright.async_api import Page

from angarium.accounts import session
from angarium.accounts.roles import Role
from angarium.assembly import House
from support import together
from support.people import joined, surfer_of
from support.screen import Look, chromium, screen
from support.server import LINE, Client, member, whole_house

SMS = {
    "name": "sms",
    "channel": "smpp",
    "settings": {"host": "127.0.0.1", "system_id": "s", "password": "p", "source": "Shop"},
    "classes": ["service", "otp", "transactional"],
    "registration": "approved",
    "price": "0.042",
    "currency": "EUR",
}


@dataclass
class Desk:
    """A workspace with two lines, and three people at browsers of their own: their cookies."""

    house: House
    client: Client
    opened: Chromium
    author: str
    reviewer: str
    reader: str

    def screen(self, cookie: str, look: Look | None = None) -> Any:
        """A window of somebody's."""
        return screen(self.opened, self.client.url, cookie, look)


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    """Everything on loopback."""
    async with (
        together.database_in(tmp_path) as url,
        whole_house(url, tmp_path, allow_private=["127.0.0.0/8"]) as (house, nobody),
    ):
        client = await member(nobody, house.ground, "shop")
        for line in (SMS, LINE):
            made = await client.ask("POST", "/v1/lines", line)
            assert made.status == 201, made.json
        await house.world.lines.reload([client.workspace_id])
        roles = (Role.DEVELOPER, Role.COMPLIANCE, Role.READ_ONLY)
        cookies = [await entered(house, client, role) for role in roles]
        async with chromium() as opened:
            yield Desk(house, client, opened, *cookies)


async def entered(house: House, client: Client, role: Role) -> str:
    """The cookie of somebody new who has come in."""
    surfer = surfer_of(client)
    await joined(house, surfer, client.workspace_id, f"{role.value}@shop.example", role)
    return f"{session.COOKIE}={surfer.cookies[session.COOKIE]}"


async def reach(page: Page, selector: str, key: str = "Tab") -> None:
    """Go on with the keyboard alone until this has the focus."""
    for _ in range(90):
        await page.keyboard.press(key)
        if await page.evaluate("(one) => document.activeElement.matches(one)", selector):
            return
    raise AssertionError(f"the keyboard does not reach {selector}")

"""What is typed is there again when the form was not taken: a session had ended, or the server was away."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Error, Page, expect

from angarium.accounts.roles import Role
from angarium.assembly import House
from support.databases import bring_up
from support.people import PASSWORD, joined, surfer_of
from support.screen import Look, Screen, chromium, screen
from support.server import Client, member, whole_house

pytestmark = pytest.mark.browser

NAME, BACK = "[name=name]", "آنچه نوشته بودید دوباره اینجاست"
SAVE = ".form-end .btn-primary"


@pytest.fixture
async def window(tmp_path: Path) -> AsyncIterator[tuple[Screen, str]]:
    """A window at the entrance, in Persian, and the address of the form of a contact."""
    database_url = f"sqlite:///{tmp_path}/angarium.db"
    await bring_up(database_url)
    async with whole_house(database_url, tmp_path) as (house, client), chromium() as opened:
        owner = await member(client, house.ground, "shop")
        await _people(house, client, owner.workspace_id)
        made = await owner.ask("POST", "/v1/contacts", {"external_id": "c1", "name": "Olena"})
        async with screen(opened, client.url, look=Look("fa")) as shown:
            yield shown, f"/contacts/{made.json['id']}/edit"


async def _people(house: House, client: Client, workspace_id: int) -> None:
    for email, role in (("anna@shop.example", Role.AGENT), ("olha@shop.example", Role.AGENT)):
        await joined(house, surfer_of(client), workspace_id, email, role)


async def _enter(page: Page, email: str) -> None:
    await page.fill("[name=email]", email)
    await page.fill("[name=password]", PASSWORD)
    async with page.expect_navigation():
        await page.click("form[action='/sign-in'] .btn-primary")


async def _lose_the_session(page: Page) -> None:
    """As it is when it has ended: its cookie is none any more."""
    for one in await page.context.cookies():
        if "session" in one["name"]:
            await page.context.clear_cookies(name=one["name"])


@pytest.mark.turns(2, 0)
async def test_what_was_typed_outlives_the_session_and_is_taken_once(window: tuple[Screen, str]) -> None:
    shown, form = window
    page = shown.page
    await shown.open(f"/enter?next={form}")
    await _enter(page, "anna@shop.example")
    await page.fill(NAME, "آنا، سفارش ۱۷")
    await _lose_the_session(page)
    async with page.expect_navigation():
        await page.click(SAVE)
    await page.wait_for_url("**/enter?*undone=1")
    await _enter(page, "anna@shop.example")
    await expect(page.locator(NAME)).to_have_value("آنا، سفارش ۱۷")
    await shown.says(BACK)
    assert await shown.faults() == []
    async with page.expect_navigation():
        await page.click(SAVE)
    await shown.says("آنا، سفارش ۱۷", "h1")
    await shown.open(form)
    await expect(page.locator(NAME)).to_have_value("آنا، سفارش ۱۷")
    assert BACK not in await page.inner_text("main")


@pytest.mark.turns(2, 1)
async def test_what_was_typed_outlives_a_server_that_is_away(window: tuple[Screen, str]) -> None:
    shown, form = window
    page = shown.page
    await shown.open(f"/enter?next={form}")
    await _enter(page, "anna@shop.example")
    await page.fill(NAME, "Anna")
    await page.route("**/edit", lambda route: route.abort())
    with pytest.raises(Error):
        async with page.expect_navigation():
            await page.click(SAVE)
    await page.unroute("**/edit")
    await shown.open(form)
    await expect(page.locator(NAME)).to_have_value("Anna")
    await shown.says(BACK)
    async with page.expect_navigation():
        await page.click(".notice .btn")  # it is not wanted any more
    await expect(page.locator(NAME)).to_have_value("Olena")
    await page.fill(NAME, "Typed and left")
    await shown.open("/enter")  # who comes after her at the same browser
    await _lose_the_session(page)
    await shown.open(f"/enter?next={form}")
    await _enter(page, "olha@shop.example")
    await expect(page.locator(NAME)).to_have_value("Olena")

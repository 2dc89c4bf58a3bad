"""The bell and the list of notices: opened, followed, put aside, by mouse, by keyboard, and by themselves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from playwright.async_api import Route, expect

from angarium.accounts.flows import Caller, create_workspace
from angarium.accounts.roles import Role, scopes_of
from angarium.assembly import House
from angarium.core import ids
from angarium.notices import flows
from angarium.notices.store import Wanted
from angarium.storage import facts
from angarium.storage.facts import Fact
from angarium.storage.migrate import migrate
from support.desk import reach
from support.people import Surfer, joined, surfer_of
from support.screen import Look, chromium, screen
from support.server import Client, whole_house

pytestmark = pytest.mark.browser

HOSTILE = '<img src=x onerror="boom()">'
RENEWED_WITHIN_MS = (
    45_000  # a page that is open rests for 20 s at the most (web/live.py) where the machine is busy
)


class Shop:
    """A house, its owner, and somebody who may only look."""

    def __init__(self, house: House, client: Client, workspace_id: int) -> None:
        self.house, self.client, self.workspace_id = house, client, workspace_id
        self.owner: Surfer = surfer_of(client)
        self.reader: Surfer = surfer_of(client)
        self.owner_id = 0

    async def happen(self, kind: str, subject_id: int, **body: Any) -> None:
        """Something is written into the log, and told."""
        now = self.house.ground.clock.now()
        told = Fact(self.workspace_id, kind, subject_id, now, msgspec.json.encode(body))
        await self.house.ground.db.run(facts.append, [told])
        await self.house.teller.work()

    async def fail(self, name: str, import_id: int) -> None:
        """An import fails."""
        await self.happen("contacts.imported", import_id, state="failed", name=name, reason="no such column")

    def caller(self) -> Caller:
        """The owner."""
        return Caller(self.workspace_id, 0, scopes_of(Role.OWNER), person_id=self.owner_id)

    async def unread(self) -> int:
        """How many the owner has not read."""
        return await flows.unread(self.house.ground, self.caller())


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[Shop]:
    """A server on which nothing has happened."""
    url = f"sqlite:///{tmp_path}/angarium.db"
    await migrate(url)
    async with whole_house(url, tmp_path) as (house, client):
        workspace = await create_workspace(house.ground, "shop")
        made = Shop(house, client, workspace.id)
        made.owner_id = await joined(house, made.owner, workspace.id, "olena@shop.example")
        await joined(house, made.reader, workspace.id, "reader@shop.example", Role.READ_ONLY)
        yield made


def cookie_of(surfer: Surfer) -> str:
    """The session of somebody, as a browser is given it."""
    return next(f"{name}={value}" for name, value in surfer.cookies.items() if name.endswith("session"))


@pytest.mark.turns(2, 0)
async def test_the_bell_by_mouse_and_by_keyboard(shop: Shop) -> None:
    await shop.happen("export.failed", 7, by=ids.show("person", shop.owner_id), reason="disk full")
    await shop.fail("people.csv", 8)
    await shop.fail(HOSTILE, 9)
    async with chromium() as browser:
        async with screen(browser, shop.client.url, cookie_of(shop.owner)) as window:
            page = window.page
            await window.open("/home")
            await expect(page.locator("#unread .bell-count")).to_have_text("3")
            await page.click("[data-open-bell]")
            await expect(page.locator("#bell-menu .notice-line")).to_have_count(3)
            await window.says(HOSTILE, "#bell-menu")
            assert await window.faults() == []
            await page.click("#bell-menu >> text=Your file could not be written")
            await page.wait_for_url("**/exports")
            await expect(page.locator("#unread .bell-count")).to_have_text("2")
            assert await shop.unread() == 2
            await page.click("[data-open-bell]")
            await page.click("#bell-menu [data-reads-all] button")
            await expect(page.locator("#unread .bell-count")).to_have_count(0)
            assert await shop.unread() == 0
            await page.keyboard.press("Escape")
            await expect(page.locator("#bell-menu")).to_be_hidden()
            await shop.happen("export.failed", 10, by=ids.show("person", shop.owner_id))  # shown by itself
            await expect(page.locator("#unread .bell-count")).to_have_text("1", timeout=RENEWED_WITHIN_MS)
        async with screen(browser, shop.client.url, cookie_of(shop.owner), Look("fa", "dark")) as window:
            page = window.page
            await window.open("/imports")
            assert await window.faults() == []  # before the menu lies over what is behind it
            await window.open("/imports")
            await page.keyboard.press("b")  # at once: the page may not be ready to ask yet
            await expect(page.locator("#bell-menu .notice-line").first).to_be_visible()
            await page.keyboard.press("ArrowDown")
            await page.keyboard.press("Enter")
            await page.wait_for_url("**/exports")
            await expect(page.locator("#unread .bell-count")).to_have_count(0)
            await page.keyboard.press("?")
            await expect(page.locator("#keys")).to_be_visible()
            await window.says("باز کردن اعلان‌ها", "#keys")
    assert await shop.unread() == 0


@pytest.mark.turns(2, 1)
async def test_the_list_its_filters_and_what_is_wanted(shop: Shop) -> None:
    for number in range(1, 28):
        await shop.fail(f"people-{number}.csv", number)
    await shop.happen("campaign.done", 50, name="Autumn", by="")
    async with chromium() as browser:
        async with screen(browser, shop.client.url, cookie_of(shop.owner), Look("fa", "dark", 360)) as window:
            page = window.page
            await window.open("/notices")
            assert await window.faults() == []
            await reach(page, "a[href='/notices?only=person']")
            await page.keyboard.press("Enter")
            await page.wait_for_url("**only=person")
            await expect(page.locator(".notice-row")).to_have_count(25)
            await expect(page.locator("#notices")).not_to_contain_text("Autumn")
            await page.click("a[rel=next]")
            await page.wait_for_url("**cursor=*")
            await expect(page.locator(".notice-row")).to_have_count(2)
            await page.focus("[name=kind][value=import_failed]")
            await page.keyboard.press("Space")
            await page.keyboard.press("Enter")
            await page.wait_for_url("**done=kinds")
            await expect(page.locator(".notice-row")).to_have_count(1)
            assert await flows.muted(shop.house.ground, shop.caller()) == ["import_failed"]
        async with screen(browser, shop.client.url, cookie_of(shop.reader)) as window:
            page = window.page
            await window.open("/notices")
            assert await window.faults() == []
            rows = page.locator(".notice-row")
            await expect(rows, "whoever only looks is not told of imports").to_have_count(1)
            await page.click(".notice-row button")
            await expect(page.locator(".notice-row:not(.is-unread)")).to_have_count(1)
            await page.click(".tabs a[href='/notices?only=unread']")
            await page.wait_for_url("**only=unread")
            await window.says("Nothing like this", "#notices")


async def test_without_scripts_it_is_links_and_forms(shop: Shop) -> None:
    empty = await shop.owner.get("/notices")
    assert empty.says("Nothing to tell")
    await shop.fail("people.csv", 8)
    page = await shop.owner.get("/home")
    assert "/notices" in page.values("href")
    assert page.says("Notifications: 1 unread")
    for path, status in (("/campaigns/cmp_nope", 404), ("/campaigns?nothing=1", 422)):
        nowhere = await shop.owner.get(path)
        assert (nowhere.status, nowhere.says("Notifications: 1 unread")) == (status, True), path
    listed = await shop.owner.get("/notices")
    assert listed.says("The import of people.csv has failed")
    assert listed.says("no such column")
    again = await shop.owner.do("/notices/read", until=listed.hidden("until"), next="//evil.example")
    assert (again.status, again.location) == (303, "/")
    assert await shop.unread() == 0
    assert (await shop.owner.get("/notices?kind=weather")).status == 422
    assert (await shop.owner.do("/notices/read", id="x")).status == 422
    found = await flows.page(shop.house.ground, shop.caller(), Wanted(), "", 10)
    assert [one.read for one in found] == [True]


TELL_WHEN_CHANGED = """() => new EventSource("/live?of=notice")
    .addEventListener("changed", () => setTimeout(() => console.info("changed"), 200))"""


@pytest.mark.turns(2, 1)
async def test_what_happens_while_an_answer_is_on_its_way_is_shown_after_it(shop: Shop) -> None:
    """The answer is older than that, and puts another bell in the place of the one that asked."""
    asked, go_on = asyncio.Event(), asyncio.Event()

    async def hold(route: Route) -> None:
        answer = await route.fetch()
        asked.set()
        await go_on.wait()
        await route.fulfill(response=answer)

    async with chromium() as browser, screen(browser, shop.client.url, cookie_of(shop.owner)) as window:
        page = window.page
        async with page.expect_response("**/notices/bell"):  # once it listens
            await window.open("/home")
        await page.route("**/notices/bell", hold)
        await shop.fail("one.csv", 1)
        await asyncio.wait_for(asked.wait(), RENEWED_WITHIN_MS / 1_000)
        async with page.expect_event("console", timeout=RENEWED_WITHIN_MS):
            await page.evaluate(TELL_WHEN_CHANGED)
            await shop.fail("two.csv", 2)
        go_on.set()
        await expect(page.locator("#unread .bell-count")).to_have_text("2", timeout=RENEWED_WITHIN_MS)

"""The example page of the web chat in a real browser, on a site of another origin than the server's."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web
from playwright.async_api import Route, expect

from angarium.storage.database import Database
from support.running import until
from support.screen import chromium
from support.web_chat import chat_place

EXAMPLE = Path(__file__).parents[2] / "examples" / "web-chat.html"
PLACEHOLDER = "https://angarium.example/chat/LINE/KEY"

pytestmark = pytest.mark.browser


@asynccontextmanager
async def site(chat: list[str]) -> AsyncIterator[str]:
    """A site with the example page, with whatever address of the chat stands in the list by then."""

    async def shown(_request: web.Request) -> web.Response:
        text = EXAMPLE.read_text(encoding="utf-8")
        assert PLACEHOLDER in text
        return web.Response(text=text.replace(PLACEHOLDER, chat[0]), content_type="text/html")

    app = web.Application()
    app.router.add_get("/", shown)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_visitor_writes_reads_leaves_and_comes_back(database: Database) -> None:
    chat: list[str] = []
    async with (
        site(chat) as shop_site,
        site(chat) as strange_site,
        chat_place(database, origins=shop_site) as place,
        chromium() as browser,
    ):
        chat.append(place.client.url + place.page().path)
        context = await browser.new_context()
        page = await context.new_page()
        await page.goto(shop_site)
        await page.wait_for_selector("body[data-open]")
        await page.fill("#text", "Де моє замовлення?")
        await page.click("form button")
        await expect(page.get_by_text("Де моє замовлення?")).to_be_visible()
        await until(place.heard)
        [(visitor, text, _)] = await place.heard()
        assert (visitor.startswith("visitor:"), text) == (True, "Де моє замовлення?")

        first = await place.send(visitor, "It is on its way")
        await expect(page.get_by_text("It is on its way")).to_be_visible()
        await until(lambda: place.shop.is_in(first, "read"))

        await page.close()
        await until(lambda: not place.room._waiting)
        second = await place.send(visitor, "It has come")
        await until(lambda: place.shop.is_in(second, "sent"))
        assert (await place.shop.message(second)).state.value == "sent", "nobody has seen it"

        page = await context.new_page()
        await page.goto(shop_site)
        said = ["Де моє замовлення?", "It is on its way", "It has come"]
        await expect(page.locator("#said li")).to_have_text(said)
        await until(lambda: place.shop.is_in(second, "read"))

        stranger = await context.new_page()
        await stranger.goto(strange_site)
        asked = "url => fetch(url, {method: 'POST', body: '{}'}).then(() => 'let in', () => 'kept out')"
        assert await stranger.evaluate(asked, f"{chat[0]}/session") == "kept out"
        assert await place.shop.unread() == []


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_what_is_sent_twice_is_said_once_and_what_is_not_sent_is_told(
    database: Database, tmp_path: Path
) -> None:
    chat: list[str] = []
    async with (
        site(chat) as shop_site,
        chat_place(database, tmp_path, origins=shop_site, visitor_files_mb=1) as place,
        chromium() as browser,
    ):
        chat.append(place.client.url + place.page().path)
        page = await (await browser.new_context()).new_page()
        await page.goto(shop_site)
        await page.wait_for_selector("body[data-open]")
        said, trouble = page.locator("#said li"), page.locator("#trouble")

        async def loses_the_answer(route: Route) -> None:
            await route.fetch()
            await route.abort()

        await page.route("**/messages", loses_the_answer)
        await page.fill("#text", "سفارش من کجاست؟")
        await page.evaluate("for (const _ of [1, 2]) document.getElementById('ask').requestSubmit()")
        await expect(trouble).to_contain_text("no connection")
        assert await page.input_value("#text") == "سفارش من کجاست؟"
        await page.unroute("**/messages")
        await page.press("#text", "Enter")
        await expect(page.locator("#text")).to_have_value("")
        await expect(trouble).to_have_text("")
        await expect(said).to_have_text(["سفارش من کجاست؟"])
        assert await said.evaluate("one => getComputedStyle(one).direction") == "rtl"
        assert [text for _, text, _ in await place.heard()] == ["سفارش من کجاست؟"]

        big = tmp_path / "big.pdf"
        big.write_bytes(b"%PDF-1.4" + b"0" * (1 << 20))
        await page.set_input_files("#file", big)
        await expect(trouble).to_contain_text("A file may have 1 MB at most; choose a smaller one")

        await page.evaluate("localStorage.setItem(KEPT, known.token = 'over')")
        await page.fill("#text", "And now?")
        await page.press("#text", "Enter")
        await expect(said).to_have_text(["And now?"])  # of somebody new, whose entries begin anew

        async def two_wrote() -> bool:
            return len({who for who, _, _ in await place.heard()}) == 2

        await until(two_wrote)
        assert await place.shop.unread() == []

"""A page goes on following what changes when the server, or a proxy before it, was away."""

from __future__ import annotations

import pytest
from playwright.async_api import Route, expect

from support.campaign_shop import Shop, cookie_of
from support.screen import chromium, screen

pytestmark = pytest.mark.browser

ROWS = "#list tbody tr"


async def test_a_page_that_was_refused_its_stream_follows_again(shop: Shop) -> None:
    """A browser comes back by itself where a connection broke, and not where it was answered by an error."""
    await shop.draft(name="First")
    async with chromium() as browser, screen(browser, shop.client.url, cookie_of(shop.marketer)) as window:
        page, refused = window.page, list[str]()

        async def refuse(route: Route) -> None:
            refused.append(route.request.url)
            await route.fulfill(status=502, body="Bad Gateway")

        await page.route("**/live?*", refuse, times=1)
        await window.open("/campaigns")
        await expect(page.locator(ROWS)).to_have_count(1)
        await shop.draft(name="Second")
        await expect(page.locator(ROWS)).to_have_count(2, timeout=20_000)
        await shop.draft(name="Third")
        await expect(page.locator(ROWS)).to_have_count(3, timeout=20_000)
        assert len(refused) == 1

"""What is under somebody's hand stays there until they have pressed it, however much changes meanwhile."""

from __future__ import annotations

from contextlib import suppress

import pytest
from playwright.async_api import TimeoutError as TooLate
from playwright.async_api import expect

from support.campaign_shop import Shop, cookie_of
from support.screen import chromium, screen

pytestmark = pytest.mark.browser

ROWS = "#list tbody tr"
CHANGES_WITHIN_MS = 2_000  # where nothing holds it


@pytest.mark.turns(2, 1)
async def test_a_row_that_is_pressed_while_another_comes_is_the_one_that_opens(shop: Shop) -> None:
    wanted, _ = await shop.draft(name="First"), await shop.draft(name="Second")
    async with chromium() as browser, screen(browser, shop.client.url, cookie_of(shop.marketer)) as window:
        page = window.page
        async with page.expect_response(lambda answer: "/live?" in answer.url):  # once it listens
            await window.open("/campaigns")
        place = await page.locator(f"{ROWS} a >> text=First").bounding_box()
        assert place is not None
        await page.mouse.move(place["x"] + 5, place["y"] + 5)
        await page.mouse.down()
        await shop.draft(name="Third")
        with suppress(TooLate):
            await page.locator(ROWS).nth(2).wait_for(timeout=CHANGES_WITHIN_MS)
        await expect(page.locator(ROWS)).to_have_count(2)
        await page.mouse.up()
        await page.wait_for_url(f"**{wanted}**")


@pytest.mark.turns(2, 0)
async def test_a_list_changes_once_nobody_aims_at_it(shop: Shop) -> None:
    await shop.draft(name="First")
    async with chromium() as browser, screen(browser, shop.client.url, cookie_of(shop.marketer)) as window:
        page = window.page
        async with page.expect_response(lambda answer: "/live?" in answer.url):
            await window.open("/campaigns")
        async with page.expect_request(lambda asked: "x-angarium-heard" in asked.headers) as told:
            await shop.draft(name="Before")
        assert (await told.value).headers["x-angarium-unasked"] == "yes", "nobody is there"
        await expect(page.locator(ROWS)).to_have_count(2)
        await page.hover(f"{ROWS} a >> text=First")
        await page.mouse.down()
        await shop.draft(name="Second")
        with suppress(TooLate):
            await page.locator(ROWS).nth(2).wait_for(timeout=CHANGES_WITHIN_MS)
        await expect(page.locator(ROWS)).to_have_count(2)
        await page.mouse.move(5, 5)  # it is pressed nowhere
        await page.mouse.up()
        await expect(page.locator(ROWS)).to_have_count(3)
        await page.locator(f"{ROWS} a >> text=First").focus()
        await shop.draft(name="Third")
        await expect(page.locator(ROWS)).to_have_count(4)
        await expect(page.locator(f"{ROWS} a:focus")).to_have_text("First")

"""Cascades in a real browser: built from a gallery, put in order with mouse and keys, tried on somebody."""

from __future__ import annotations

import aiohttp
import pytest
from playwright.async_api import expect

from support.browsing import Browser
from support.desk import Desk, reach
from support.screen import Look
from support.server import CASCADE, CONTACT

pytestmark = pytest.mark.browser


@pytest.mark.turns(2, 1)
async def test_a_cascade_is_built_and_tried(desk: Desk) -> None:
    await desk.client.ask("POST", "/v1/contacts", {**CONTACT, "name": "نرگس"})
    async with desk.screen(desk.author) as window:
        page = window.page
        await window.open("/cascades")
        await page.click("[data-new]")
        await page.fill("[name=name]", "viber-sms")
        await page.click("[value='add:channel:smpp']")
        await expect(page.locator(".step-card")).to_have_count(1)
        await page.click("[value='add:channel:viber_business']")
        await expect(page.locator(".step-card")).to_have_count(2)
        await page.click("#step-b [data-move=up]")
        await expect(page.locator("#sums .chain-step").first).to_contain_text("Viber")
        await page.fill("#wait-b", "2")
        await expect(page.locator("#told-b")).to_contain_text("not delivered within 2 minutes")
        await expect(page.locator("#told-a")).to_contain_text("€0.04")
        await page.fill("#f-contact", "nobody at all")
        await page.click("button:has-text('Show the way')")
        await expect(page.locator("#tried [role=alert]")).to_contain_text("there is no such contact")
        await page.fill("#f-contact", "+380441234567")
        await page.click("button:has-text('Show the way')")
        await expect(page.locator("#tried .tried > li")).to_have_count(2)
        await expect(page.locator("#tried .goes").first).to_contain_text("goes first")
        assert await window.faults() == []
        await page.click("button[value=save]")
        await page.wait_for_url("**/cascades?done=saved")
        await expect(page.locator(".chain-step").first).to_contain_text("Viber")
        assert await window.faults() == []
    (made,) = (await desk.client.ask("GET", "/v1/cascades")).json["items"]
    assert [step["channel"] for step in made["steps"]] == ["viber_business", "smpp"]
    assert made["steps"][0]["wait_s"] == 120.0


@pytest.mark.turns(2, 0)
async def test_in_persian_by_keyboard_alone(desk: Desk) -> None:
    made = await desk.client.ask("POST", "/v1/cascades", CASCADE)
    async with desk.screen(desk.author, Look("fa", "dark", 360)) as window:
        page = window.page
        await window.open(f"/cascades/{made.json['id']}")
        assert await window.faults() == []
        await reach(page, "[value='add:channel:smpp']")
        await page.keyboard.press("Enter")
        await expect(page.locator(".step-card")).to_have_count(2)
        await reach(page, "#step-b [data-move=up]", "Shift+Tab")
        await page.keyboard.press("Enter")
        await expect(page.locator("#sums .chain-step").first).to_contain_text("SMS")
        await reach(page, "button[value=save]", "Shift+Tab")
        await page.keyboard.press("Enter")
        await page.wait_for_url("**/cascades?done=saved")
        await expect(page.locator("#toasts")).to_contain_text("زنجیره ذخیره شد")
    changed = (await desk.client.ask("GET", f"/v1/cascades/{made.json['id']}")).json
    assert [step["channel"] for step in changed["steps"]] == ["smpp", "viber_business"]


@pytest.mark.turns(2, 0)
async def test_who_only_looks_may_try_and_not_change(desk: Desk) -> None:
    made = await desk.client.ask("POST", "/v1/cascades", CASCADE)
    path = f"/cascades/{made.json['id']}"
    async with aiohttp.ClientSession() as http:
        reader = Browser(http, desk.client.url, desk.reader)
        page = await reader.get(path)
        token = page.values("data-token")[0]
        assert (page.status, 'value="save"' in page.text, "data-move" in page.text) == (200, False, False)
        assert (await reader.get("/cascades/new")).status == 403
        for address in ("/cascades/new", path, f"{path}/delete"):
            assert (await reader.post(address, {"token": token, "do": "save"})).status == 403
        author = Browser(http, desk.client.url, desk.author)
        assert (await author.post(f"{path}/delete", {"token": "other"})).status == 403
        token = (await author.get(path)).values("data-token")[0]
        bad = {
            "token": token,
            "do": "save",
            "name": "<b>",
            "step": "a",
            "a.way": "line:<script>",
            "a.wait": "x",
        }
        refused = await author.post(path, bad)
        assert (refused.status, "<script>" in refused.text.partition("<main")[2]) == (422, False)
        assert "there is no such line" in refused.words
    assert (await desk.client.ask("GET", f"/v1/cascades/{made.json['id']}")).json["name"] == "quick"

"""What templates share, in a real browser: a picture is brought and chosen, a part is written and used."""

from __future__ import annotations

import base64

import pytest
from playwright.async_api import expect

from support.desk import Desk
from support.screen import Look

pytestmark = pytest.mark.browser

DOT = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


@pytest.mark.turns(2, 0)
async def test_a_picture_is_brought_chosen_and_kept_while_it_is_used(desk: Desk) -> None:
    async with desk.screen(desk.author) as window:
        page = window.page
        await window.open("/media")
        await page.set_input_files(
            "input[type=file]", {"name": "dot.png", "mimeType": "image/png", "buffer": DOT}
        )
        await expect(page.locator(".file-chosen")).to_have_text("dot.png")
        await page.click("button[type=submit]:has-text('Upload')")
        await page.wait_for_url("**/media?done=added")
        await expect(page.locator(".files img")).to_have_count(1)
        assert await window.faults() == []
        await window.open("/templates/new")
        await page.fill("[name=name]", "pictured")
        await page.fill("[name='v0.text']", "look")
        await page.click("summary:has-text('Picture or file')")
        await page.select_option("[name='v0.media']", label="dot.png")
        await page.click("button[value=save]")
        await page.wait_for_url("**/templates/tpl_*")
        await window.open("/media")
        await page.click(".files a")
        await page.wait_for_url("**/media/*")
        await expect(page.locator("main")).to_contain_text("pictured")
        await page.click("button:has-text('Delete')")
        await page.click("[data-go-on]")
        await expect(page.locator("[role=alert]")).to_contain_text("pictured")
    kept = (await desk.client.ask("GET", "/v1/media")).json["items"]
    assert [one["name"] for one in kept] == ["dot.png"]


@pytest.mark.turns(2, 1)
async def test_a_part_is_written_and_found_where_it_is_used(desk: Desk) -> None:
    async with desk.screen(desk.author, Look("fa", "dark", 360)) as window:
        page = window.page
        await window.open("/parts/new")
        await page.fill("[name=name]", "bad name")
        await page.fill("[name=source]", "<b>چای‌خانه</b>")
        await page.click("main form .btn-primary")
        await expect(page.locator("[role=alert]")).to_contain_text("name")
        await expect(page.locator("[name=source]")).to_have_value("<b>چای‌خانه</b>")
        await page.fill("[name=name]", "footer")
        await page.click("main form .btn-primary")
        await page.wait_for_url("**/parts?done=saved")
        assert await window.faults() == []
        said = {"content": {"text": 'hello {% render "footer" %}'}}
        made = await desk.client.ask("POST", "/v1/templates", {"name": "with-footer", "variants": [said]})
        assert made.status == 201, made.json
        await window.open("/parts/footer")
        await expect(page.locator("main")).to_contain_text("with-footer")
        assert await window.faults() == []
    async with desk.screen(desk.reader) as window:
        await window.open("/parts/footer")
        await expect(window.page.locator("main form")).to_have_count(0)
        assert await window.open("/parts/new") == 403

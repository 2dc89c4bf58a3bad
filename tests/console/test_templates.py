"""Templates in a real browser: written while phones show them, reviewed by somebody else, put back."""

from __future__ import annotations

import re
from typing import Any

import aiohttp
import pytest
from playwright.async_api import Page, expect

from support.browsing import Browser
from support.desk import Desk, reach
from support.screen import Look
from support.server import Client

pytestmark = pytest.mark.browser

HOSTILE = "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"
LOOKS = (Look(), Look("fa", "dark", 360))


async def ask_for_approval(client: Client) -> None:
    """Somebody else has to approve all wording."""
    put = await client.ask("PUT", "/v1/policies/approvals", {"rules": [{"approvals": 1}]})
    assert put.status == 200, put.json


@pytest.mark.turns(2, 1)
async def test_a_template_is_written_while_phones_show_it(desk: Desk) -> None:
    async with desk.screen(desk.author) as window:
        page = window.page
        await window.open("/templates")
        await page.click("main >> text=New template >> nth=0")
        await page.wait_for_url("**/templates/new")
        await expect(page.locator("#errors-0")).to_be_empty()
        await page.fill("[name=name]", "order-shipped")
        await page.fill("[name='v0.text']", "Dear {{ contact.name }}, {{ order }} is on its way — look")
        bubble = page.locator("#proof-0 .phone-bubble").first
        await expect(page.locator("#proof-sum")).to_contain_text("order")
        await expect(page.locator("#proof-0 .finding.bad b").first).to_have_text("Text")
        await page.click("button[value=fill]")
        await expect(page.locator("#f-values")).to_have_value(re.compile("4512"))
        await page.fill("[name='v0.text']", "Dear {{ contact.name }}, {{ order }} is on its way — see")
        await expect(bubble).to_contain_text("Dear Narges, 4512 is on its way — see")
        await expect(page.locator("#proof-0 .forcing kbd").first).to_have_text("—")
        await expect(page.locator("#proof-0 .meter").first).to_contain_text("€0.04")
        await expect(page.locator("#lint-0-text")).to_contain_text("em dash")
        shows = await page.locator("#lint-0-text [data-place]").first.bounding_box()
        assert shows is not None
        assert shows["height"] >= 24, "WCAG 2.2, 2.5.8"
        await page.click("#lint-0-text [data-place]")
        marked = len("Dear {{ contact.name }}, {{ order }} is on its way ")
        await page.wait_for_function("(at) => document.activeElement.selectionStart === at", arg=marked)
        await page.click("button[value=add]")
        await page.select_option("[name='v1.channel']", "viber_business")
        await page.fill("[name='v1.locale']", "fa")
        await page.click("button[value='button:1']")
        await page.fill("[name='v1.b0.label']", "پیگیری")
        await page.fill("[name='v1.b0.url']", "https://shop.example/{{ order }}")
        await page.fill("[name='v1.text']", "{{ contact.name }} عزیز")
        await expect(page.locator("[name='v1.text']")).to_have_attribute("dir", "rtl")
        await page.fill("[name='v1.text']", "سفارش {{ order }} ارسال شد")
        await expect(page.locator("#proof-1 .bubble-text")).to_have_text("سفارش 4512 ارسال شد")
        await expect(page.locator("#proof-1 .bubble-buttons")).to_have_text("پیگیری")
        await expect(page.locator("#proof-1 .bubble-text")).to_have_attribute("dir", "auto")
        await expect(page.locator("#wording-0")).to_be_hidden()
        await page.click("[data-beside]")
        await expect(page.locator("#wording-0")).to_be_visible()
        assert await window.faults() == []
        await page.click("button[value=publish]")
        await page.wait_for_url("**/templates/tpl_*")
        await expect(page.locator("h1")).to_have_text("order-shipped")
        assert await window.faults() == []
    (saved,) = (await desk.client.ask("GET", "/v1/templates")).json["items"]
    assert (saved["state"], saved["in_force"], len(saved["variants"])) == ("published", 1, 2)
    assert saved["variants"][1]["content"]["buttons"][0]["label"] == "پیگیری"
    samples = (await desk.client.ask("GET", f"/v1/templates/{saved['id']}/samples")).json["items"]
    assert samples[0]["values"]["order"] == "4512"


@pytest.mark.turns(2, 0)
async def test_in_persian_by_keyboard_alone_to_review_and_back(desk: Desk) -> None:
    await ask_for_approval(desk.client)
    async with desk.screen(desk.author, Look("fa")) as window:
        page = window.page
        await window.open("/templates")
        await page.keyboard.press("n")
        await page.wait_for_url("**/templates/new")
        await reach(page, "[name=name]")
        await page.keyboard.type("reminder")
        await reach(page, "[name='v0.text']")
        await page.keyboard.type("نوبت شما فرداست")
        await expect(page.locator("#proof-0 .bubble-text").first).to_have_text("نوبت شما فرداست")
        await reach(page, "button[value=review]")
        await page.keyboard.press("Enter")
        await page.wait_for_url("**/templates/tpl_*")
        await expect(page.locator(".page-header")).to_contain_text("در بازبینی")
        await window.open("/templates/reviews")
        await expect(page.locator("main")).to_contain_text("شخص دیگری باید تصمیم بگیرد")
    async with desk.screen(desk.reviewer, Look("fa")) as window:
        page = window.page
        await window.open("/templates/reviews")
        await reach(page, "button[value=refuse]")
        await page.keyboard.press("Enter")
        await expect(page.locator("[name=note]")).to_have_attribute("aria-invalid", "true")
        await expect(page.locator("[role=alert]").first).not_to_contain_text("note")
        await reach(page, "[name=note]")
        await page.keyboard.type("کدام روز؟")
        await reach(page, "button[value=changes]")
        await page.keyboard.press("Enter")
        await page.wait_for_url("**done=changes-requested")
        await expect(page.locator("main")).to_contain_text("کدام روز؟")
        assert await window.faults() == []
    (one,) = (await desk.client.ask("GET", "/v1/templates")).json["items"]
    assert one["state"] == "changes_requested"


@pytest.mark.turns(2, 1)
async def test_versions_are_compared_and_an_earlier_one_is_said_again(desk: Desk) -> None:
    made = await desk.client.ask("POST", "/v1/templates", worded("first words"))
    await desk.client.ask("PUT", f"/v1/templates/{made.json['id']}", worded("other words"))
    async with desk.screen(desk.author) as window:
        page, path = window.page, f"/templates/{made.json['id']}"
        await window.open(f"{path}/diff?from=1&to=2")
        await expect(page.locator("ins")).to_have_text("other")
        await expect(page.locator("del")).to_have_text("first")
        await window.open(path)
        await page.click("text=Say this again")
        await page.click("[data-go-on]")
        await page.wait_for_url("**done=rolled-back")
        await expect(page.locator(".bubble-text").first).to_have_text("first words")
    told = (await desk.client.ask("GET", path.replace("/templates", "/v1/templates"))).json
    assert (told["version"], told["in_force"]) == (3, 3)


def worded(text: str) -> dict[str, Any]:
    """A template that says this."""
    return {"name": "words", "variants": [{"content": {"text": text}}]}


@pytest.mark.turns(2, 0)
async def test_what_strangers_write_is_text_and_nothing_is_loaded(desk: Desk) -> None:
    mail = {
        "subject": HOSTILE,
        "text": HOSTILE,
        "html": f"<p onclick=x>{HOSTILE}</p><img src='http://evil.example/x.png'>",
    }
    body = {
        "name": "mail",
        "variants": [{"channel": "smtp", "content": mail}, {"content": {"text": HOSTILE}}],
    }
    made = await desk.client.ask("POST", "/v1/templates", body)
    assert made.status == 201, made.json
    path = f"/templates/{made.json['id']}"
    paths = ["/templates", path, f"{path}/edit"]
    for look in LOOKS:
        async with desk.screen(desk.author, look) as window:
            refused = kept_out(window.page)
            assert await window.open(f"{path}/mail?version=1") == 200
            assert await window.page.title() == ""
            for address in paths:
                assert await window.open(address) == 200
                assert "owned" not in await window.page.title()
                faults = [one for one in await window.faults() if not was_kept_out(one)]
                assert faults == [], (look, address)
                assert set(refused) <= {"csp"}
                window.said.clear()


def kept_out(page: Page) -> list[str]:
    """Why requests to the host of strangers fail on a page, as they do."""
    found: list[str] = []

    def hear(one: Any) -> None:
        if one.url.startswith("http://evil.example/"):
            found.append(one.failure)

    page.on("requestfailed", hear)
    return found


def was_kept_out(said: str) -> bool:
    """Whether the browser only says that it kept something of a mail from running, or from being loaded."""
    return said.startswith("asks http://evil.example/") or any(
        words in said for words in ("Blocked script execution", "Content Security Policy")
    )


async def test_the_mail_is_a_page_of_its_own_that_may_do_nothing(desk: Desk) -> None:
    made = await desk.client.ask("POST", "/v1/templates", worded("words"))
    async with aiohttp.ClientSession() as http:
        browser = Browser(http, desk.client.url, desk.author)
        page = await browser.get(f"/templates/{made.json['id']}/mail?version=1")
        assert "sandbox" in page.headers["content-security-policy"]
        assert "script-src" not in page.headers["content-security-policy"]
        assert (await browser.get(f"/templates/{made.json['id']}/mail?version=1&wording=7")).status == 404
        reader = Browser(http, desk.client.url, desk.reader)
        shown = await reader.get(f"/templates/{made.json['id']}")
        assert (shown.status, "/edit" in shown.text, "/delete" in shown.text) == (200, False, False)
        assert (await reader.get("/templates/new")).status == 403
        token = (await reader.get("/templates")).values("data-token")[0]
        for deed in ("delete", "publish", "retire", "decide", "submit"):
            refused = await reader.post(f"/templates/{made.json['id']}/{deed}", {"token": token})
            assert refused.status == 403, deed
        assert (await browser.post(f"/templates/{made.json['id']}/delete", {"token": "other"})).status == 403
    assert (await desk.client.ask("GET", "/v1/templates")).json["items"]


@pytest.mark.turns(2, 0)
async def test_what_cannot_be_saved_comes_back_as_it_was_typed(desk: Desk) -> None:
    await desk.client.ask("POST", "/v1/templates", worded("words"))
    async with desk.screen(desk.author) as window:
        page = window.page
        await window.open("/templates/new")
        await page.fill("[name=name]", "words")
        await page.fill("[name='v0.text']", "{{ open")
        await expect(page.locator("#lint-0-text")).to_contain_text("This cannot be")
        await page.click("button[value=save]")
        await expect(page.locator("[role=alert]").first).to_contain_text("variants[0]")
        await expect(page.locator("[name='v0.text']")).to_have_value("{{ open")
        await page.fill("[name='v0.text']", "whole")
        await page.click("button[value=save]")
        await expect(page.locator(".invalid-feedback")).to_contain_text("a template of this name exists")

"""Wherever somebody writes for long, what is typed is there again: after a session that ended, and after a
server that was away; with the rows that were added to what was drawn. A secret is not."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from itertools import product

import pytest
from playwright.async_api import Page, expect

from support.kept_forms import EMAIL, FORMS, Form, Writing, a_cascade, a_line, a_tariff, an_audience, enter
from support.people import PASSWORD, code_of
from support.screen import Look, screen
from support.server import SEGMENT
from support.turns import spread

pytestmark = pytest.mark.browser

Made = Callable[[Writing], Awaitable[Form]]
KEPT = ".notice.on button"


async def _shows(page: Page, form: Form) -> None:
    for name, value in form.stands.items():
        await expect(page.locator(f"[name='{name}']").first).to_have_value(value)
    for box in form.ticked:
        await expect(page.locator(box)).to_be_checked()


async def _nothing_secret(page: Page) -> None:
    assert "s3cret-marker" not in await page.evaluate(
        "() => JSON.stringify({...sessionStorage, ...localStorage})"
    )


async def _forgets(page: Page) -> None:
    """As it is when a session has ended: its cookie is none any more."""
    for one in await page.context.cookies():
        if "session" in one["name"]:
            await page.context.clear_cookies(name=one["name"])


async def _signs_in_again(page: Page, form: Form) -> None:
    """Her session ends while she writes; she is told when she saves."""
    await _forgets(page)
    async with page.expect_navigation():
        await page.click(form.save)
    await page.wait_for_url("**/enter?*undone=1")
    await enter(page)


async def _comes_again(page: Page, form: Form, url: str) -> None:
    """The server does not answer her, and later it does."""
    await page.context.route(f"{url}/**", lambda route: route.abort())
    async with page.expect_event("requestfailed", lambda asked: asked.is_navigation_request()):
        await page.click(form.save, no_wait_after=True)
    await page.context.unroute_all()
    await page.goto(url + form.path)


WAYS = (_signs_in_again, _comes_again)


@pytest.mark.parametrize(
    ("made", "lost"), spread(product(FORMS, WAYS), 5)
)  # a browser takes ten seconds for it
async def test_what_is_typed_is_there_again(
    writing: Writing, made: Made, lost: Callable[..., Awaitable[None]]
) -> None:
    form = await made(writing)
    away = lost is _comes_again
    look = Look() if away else Look("fa", "dark", 390)
    async with screen(writing.opened, writing.client.url, look=look) as shown:
        page = shown.page
        await shown.open(f"/enter?next={form.path}")
        await enter(page)
        await form.typing(page)
        await _nothing_secret(page)
        await (lost(page, form, writing.client.url) if away else lost(page, form))
        await expect(page.locator(KEPT)).to_be_visible()
        await _shows(page, form)
        shown.said = [one for one in shown.said if not re.search("ERR_FAILED|Failed to fetch", one)]
        told = await page.inner_text(".notice.on")
        assert (made is a_line) == (("Passwords" if away else "گذرواژه") in told), told
        assert await shown.faults() == []
        await shown.picture(f"kept-{made.__name__}")
        await page.click(KEPT)  # it is not wanted any more
        await expect(page.locator(KEPT)).to_have_count(0)


@pytest.mark.turns(2, 0)
async def test_who_goes_on_writing_after_her_session_ended_is_told_beside_what_she_writes(
    writing: Writing,
) -> None:
    form = await a_cascade(writing)
    async with screen(writing.opened, writing.client.url) as shown:
        page = shown.page
        await shown.open(f"/enter?next={form.path}")
        await enter(page)
        await _forgets(page)
        await page.fill("#wait-a", "7")  # what it comes to is asked for
        await shown.says("Nobody has entered here", "#toasts")
        await page.click("[value='add:channel:smpp']")  # and a part that is drawn anew
        await expect(page.locator("#toasts a")).to_have_count(1)
        await expect(page.locator("main [name=password]")).to_have_count(0)
        await expect(page.locator("#wait-a")).to_have_value("7")
        await page.click("#toasts a")
        await enter(page)
        await expect(page.locator("#wait-a")).to_have_value("7")


@pytest.mark.turns(2, 0)
async def test_what_somebody_else_has_saved_meanwhile_is_told(writing: Writing) -> None:
    form = await a_cascade(writing)
    async with screen(writing.opened, writing.client.url) as shown:
        page = shown.page
        await shown.open(f"/enter?next={form.path}")
        await enter(page)
        await form.typing(page)
        await shown.open("/")
        steps = {"name": "quickest", "steps": [{"channel": "viber_business", "wait_s": 60}]}
        put = await writing.client.ask("PUT", f"/v1{form.path}", steps)
        assert put.status == 200, put.json
        await shown.open(form.path)
        await _shows(page, form)
        await shown.says("Meanwhile somebody has saved this page", ".notice.on")
        async with page.expect_navigation():
            await page.click(form.save)
        await shown.open(form.path)  # what was taken is not kept
        await expect(page.locator(KEPT)).to_have_count(0)
        await expect(page.locator(".step-card")).to_have_count(2)


@pytest.mark.turns(2, 1)
async def test_what_has_no_place_any_more_is_told(writing: Writing) -> None:
    form = await an_audience(writing)
    made = await writing.make("segments", SEGMENT)
    async with screen(writing.opened, writing.client.url) as shown:
        page = shown.page
        await shown.open(f"/enter?next={form.path}")
        await enter(page)
        await page.fill("[name=name]", "Regulars")
        await page.check("[name=whom][value=segment]")
        await page.select_option("[name=segment]", made)
        await shown.open("/")
        assert (await writing.client.ask("DELETE", f"/v1/segments/{made}")).status < 300
        await shown.open(form.path)
        await expect(page.locator("[name=name]")).to_have_value("Regulars")
        await shown.says("but not all of it", ".notice.on")


@pytest.mark.turns(2, 0)
async def test_who_shows_a_second_factor_on_the_way_back_loses_nothing(writing: Writing) -> None:
    form = await a_tariff(writing)
    async with screen(writing.opened, writing.client.url) as shown:
        page = shown.page
        await shown.open(f"/enter?next={form.path}")
        await enter(page)
        await form.typing(page)
        secret, _ = await writing.anna.set_up_app()
        await page.context.clear_cookies()  # that of the browser that is known, too
        await shown.open(form.path)  # not even sent
        await page.wait_for_url("**/enter?*")
        await page.fill("[name=email]", EMAIL)
        await page.fill("[name=password]", PASSWORD)
        await page.click("form[action='/sign-in'] .btn-primary")
        await page.wait_for_url("**/sign-in/factor**")
        await page.fill("[name=code]", code_of(secret, 1))
        async with page.expect_navigation():
            await page.click("form[action='/sign-in/factor'] .btn-primary")
        await _shows(page, form)

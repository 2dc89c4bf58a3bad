"""The whole way, in English and in Persian: a new server, its lines, words, a cascade, people from a file, a
campaign, its report, the story of one message, and an answer from a phone."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from angarium.accounts import setup
from support.fresh import NUMBER, Fresh, heard
from support.people import PASSWORD
from support.screen import Look, Screen, chromium, screen

pytestmark = pytest.mark.browser

PATIENCE_MS = 30_000
PEOPLE = "phone;name\n" + NUMBER + ";Olena\n+380501234568;نرگس\n+380501234569;Марко\n"
TEXTS = {"en": "Dear {{ contact.name }}, tea for half", "fa": "{{ contact.name }} عزیز، چای به نیم بها"}
REPLY = "Дякую!"

Step = Callable[[Screen, Path], Awaitable[None]]


async def a_new_server_and_its_line(window: Screen, link: str) -> None:
    """The owner, the workspace, and lines to the simulated operators."""
    page = window.page
    await page.goto(link)
    for name, value in (("name", "Olena"), ("email", "olena@shop.example"), ("password", PASSWORD)):
        await page.fill(f"[name={name}]", value)
    await page.fill("[name=workspace]", "Чайхана")
    await page.select_option("[name=time_zone]", "Asia/Tehran")
    await page.click(".setup-form .btn-primary")
    await page.wait_for_url("**/setup/line")
    await page.click("form[action='/setup/line'] button")
    await page.wait_for_url("**/setup/message")


async def words(window: Screen, _folder: Path) -> None:
    """A template, shown on a phone while it is written."""
    page = window.page
    await window.open("/templates/new")
    await page.fill("[name=name]", "tea")
    await page.fill("[name='v0.text']", TEXTS[await language(page)])
    await expect(page.locator("#proof-0 .bubble-text").first).not_to_be_empty()
    await window.picture("template")
    await page.click("button[value=publish]")
    await page.wait_for_url("**/templates/tpl_*")


async def a_cascade(window: Screen, _folder: Path) -> None:
    """First Viber, then SMS."""
    page = window.page
    await window.open("/cascades/new")
    await page.fill("[name=name]", "viber-sms")
    for place, channel in enumerate(("viber_business", "smpp"), 1):
        await page.click(f"[value='add:channel:{channel}']")
        await expect(page.locator(".step-card")).to_have_count(place)
    await window.picture("cascade")
    await page.click("button[value=save]")
    await page.wait_for_url("**/cascades?done=saved")


async def people_from_a_file(window: Screen, folder: Path) -> None:
    """Three people, with columns that are guessed."""
    page, file = window.page, folder / "people.csv"
    file.write_text(PEOPLE)
    await window.open("/imports/new")
    await page.set_input_files("input[type=file]", file)
    await page.click("form[data-upload] button.btn-primary")
    await page.wait_for_url("**/imports/imp_*")
    await page.click("button[value=check]")
    await page.click("#import form[action$='/start'] button", timeout=PATIENCE_MS)
    await page.wait_for_selector("a[href='/contacts'].btn", timeout=PATIENCE_MS)


async def somebody_is_not_on_viber(window: Screen, _folder: Path) -> None:
    """Played on their phone; the cascade will find out."""
    page = window.page
    await window.open(f"/phones/{NUMBER}")
    await page.click("form:has([name=face][value=viber]) button[value=absent]")
    await page.wait_for_load_state()


async def a_campaign(window: Screen, _folder: Path) -> None:
    """Everybody, with these words, over this cascade, now; and its report when all are told."""
    page = window.page
    await window.open("/campaigns/new")
    await page.fill("[name=name]", "Spring")
    await page.check("[name=whom][value=everybody]")
    await page.click("button[value=next]")
    await page.wait_for_url("**/words")
    await page.select_option("[name=template]", "tea")
    await page.select_option("[name=way]", "cascade:viber-sms")
    await expect(page.locator("#look .phone-text").first).not_to_be_empty()
    await page.click("button[value=next]")
    await page.wait_for_url("**/schedule")
    await page.click("button[value=next]")
    await page.wait_for_url("**/check")
    await page.wait_for_selector("#go button:not([disabled])", timeout=PATIENCE_MS)
    await page.click("#go button")
    await page.click("#sure [data-go-on]")
    await page.wait_for_url("**/campaigns/cmp_*?done=started")
    await page.wait_for_selector("progress.good[value='3']", timeout=PATIENCE_MS)
    await window.picture("campaign")


async def the_story_of_one(window: Screen, _folder: Path) -> None:
    """From the campaign to a recipient, and on to the message."""
    page = window.page
    await page.click("a[href$='/recipients']")
    await page.wait_for_selector("table.recipients a[href^='/messages/']")
    await page.click("table.recipients a[href^='/messages/'] >> nth=0")
    await page.wait_for_url("**/messages/msg_*")
    await expect(page.locator(".relay > li")).to_have_count(2)
    await window.picture("message")


async def an_answer(window: Screen, _folder: Path) -> None:
    """The phone that got it writes back."""
    page = window.page
    await window.open(f"/phones/{NUMBER}")
    await page.wait_for_selector(".rung:not(.unseen)", timeout=PATIENCE_MS)
    await window.picture("phone")
    await page.fill(".rung [name=text][maxlength] >> nth=0", REPLY)
    await page.keyboard.press("Enter")
    await page.wait_for_selector(".rung.own")


async def language(page: Page) -> str:
    """Which the page is in."""
    return str(await page.get_attribute("html", "lang"))


STEPS: tuple[Step, ...] = (
    words,
    a_cascade,
    people_from_a_file,
    somebody_is_not_on_viber,
    a_campaign,
    the_story_of_one,
    an_answer,
)


@pytest.mark.parametrize("look", [Look(), Look("fa", "dark")], ids=str)
async def test_from_a_new_server_to_an_answer(fresh: Fresh, tmp_path: Path, look: Look) -> None:
    link = await setup.link(fresh.house.ground, fresh.client.url)
    async with chromium() as browser, screen(browser, fresh.client.url, look=look) as window:
        await a_new_server_and_its_line(window, link)
        assert await window.faults() == []
        for step in STEPS:
            await step(window, tmp_path)
            assert await window.faults() == [], step.__name__
    assert await heard(fresh) == [(NUMBER, REPLY)]
    (sms,) = fresh.faces["smpp"].ledger.entries
    assert sms.recipient == NUMBER

"""The whole way, in English with a mouse and in Persian by keyboard alone: a new server, its lines, words, a
cascade, people from a file, a campaign, its report, the story of one message, and an answer from a phone."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from angarium.accounts import setup
from support.fresh import NUMBER, Fresh, heard
from support.hands import Hand, Keys, Mouse
from support.people import PASSWORD
from support.running import until
from support.screen import Look, Screen, chromium, screen

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]  # a long way

PATIENCE_MS = 60_000  # for what the server does meanwhile
LOST = "the focus is lost"
PEOPLE = "phone;name\n" + NUMBER + ";Olena\n+380501234568;نرگس\n+380501234569;Марко\n"
TEXTS = {"en": "Dear {{ contact.name }}, tea for half", "fa": "{{ contact.name }} عزیز، چای به نیم بها"}
REPLY = "Дякую!"

Step = Callable[[Hand, Screen, Path], Awaitable[None]]


async def a_new_server_and_its_line(hand: Hand, window: Screen, link: str) -> None:
    """The owner, the workspace, lines to the simulated operators, and a first message on a phone."""
    page = window.page
    await page.goto(link)
    for name, value in (("name", "Olena"), ("email", "olena@shop.example"), ("password", PASSWORD)):
        await hand.write(f"[name={name}]", value)
    await hand.write("[name=workspace]", "Чайхана")
    await hand.choose("[name=time_zone]", "UTC")
    await hand.press(".setup-form .btn-primary")
    await page.wait_for_url("**/setup/line")
    await hand.press("form[action='/setup/line'] button")
    await page.wait_for_url("**/setup/message")


async def words(hand: Hand, window: Screen, _folder: Path) -> None:
    """A template, shown on a phone while it is written."""
    page = window.page
    await hand.new("/templates")
    await hand.write("[name=name]", "tea")
    await hand.write("[name='v0.text']", TEXTS[await language(page)])
    await expect(page.locator("#proof-0 .bubble-text").first).not_to_be_empty(timeout=PATIENCE_MS)
    await window.picture("template")
    await hand.press("button[value=publish]")
    await page.wait_for_url("**/templates/tpl_*")


async def a_cascade(hand: Hand, window: Screen, _folder: Path) -> None:
    """First Viber, then SMS: put in this order afterwards."""
    page = window.page
    await hand.new("/cascades")
    await hand.write("[name=name]", "viber-sms")
    for place, channel in enumerate(("smpp", "gms_viber"), 1):
        await hand.press(f"[value='add:channel:{channel}']")
        await expect(page.locator(".step-card")).to_have_count(place, timeout=PATIENCE_MS)
        await expect(page.locator(":focus"), LOST).to_have_count(1)
    await hand.press(".step-card:nth-child(2) [data-move=up]")
    first = page.locator(".step-card").first
    await expect(first).to_have_attribute("data-channel", "gms_viber", timeout=PATIENCE_MS)
    await expect(page.locator("[data-move=up]:focus"), LOST).to_have_count(1)
    await window.picture("cascade")
    await hand.press("button[value=save]")
    await page.wait_for_url("**/cascades?done=saved")


async def people_from_a_file(hand: Hand, window: Screen, folder: Path) -> None:
    """Three people, with columns that are guessed."""
    page, file = window.page, folder / "people.csv"
    file.write_text(PEOPLE)
    await hand.new("/imports")
    await hand.bring("input[type=file]", file)
    await hand.press("form[data-upload] button.btn-primary")
    await page.wait_for_url("**/imports/imp_*")
    await hand.press("button[value=check]")
    await page.wait_for_selector("#import form[action$='/start'] button", timeout=PATIENCE_MS)
    await hand.press("#import form[action$='/start'] button")
    await page.wait_for_selector("a[href='/contacts'].btn", timeout=PATIENCE_MS)


async def somebody_is_not_on_viber(hand: Hand, window: Screen, _folder: Path) -> None:
    """Played on their phone; the cascade will find out."""
    await window.open(f"/phones/{NUMBER}")
    async with window.leaves():
        await hand.press("form:has([name=face][value=gms]) button[value=absent]")
    await window.page.wait_for_selector(".played .tone.quiet")


async def a_campaign(hand: Hand, window: Screen, _folder: Path) -> None:
    """Everybody, with these words, over this cascade, now; and its report when all are told."""
    page = window.page
    await hand.new("/campaigns")
    await hand.write("[name=name]", "Spring")
    await hand.tick("[name=whom][value=everybody]")
    await hand.press("button[value=next]")
    await page.wait_for_url("**/words")
    await hand.choose("[name=template]", "tea")
    await hand.choose("[name=way]", "cascade:viber-sms")
    await expect(page.locator("#look .phone-text").first).not_to_be_empty(timeout=PATIENCE_MS)
    await hand.press("button[value=next]")
    await page.wait_for_url("**/schedule")
    await hand.press("button[value=next]")
    await page.wait_for_url("**/check")
    await page.wait_for_selector("#go button:not([disabled])", timeout=PATIENCE_MS)
    await hand.press("#go button")
    await hand.press("#sure [data-go-on]")
    await page.wait_for_url("**/campaigns/cmp_*?done=started")
    await page.wait_for_selector("progress.good[value='3']", timeout=PATIENCE_MS)
    await page.wait_for_selector("#report table.heat", timeout=PATIENCE_MS)
    await expect(page.locator("form[action$='/resend']"), "all were reached").to_have_count(0)
    assert page.url.endswith("?done=started"), "the page was left, and with it what is pressed at that moment"
    await window.picture("campaign")


async def the_story_of_one(hand: Hand, window: Screen, _folder: Path) -> None:
    """From the campaign to a recipient, and on to the message."""
    page = window.page
    await hand.press("main a[href$='/recipients']")
    await page.wait_for_selector("table.recipients a[href^='/messages/']")
    await hand.press("table.recipients a[href^='/messages/'] >> nth=0")
    await page.wait_for_url("**/messages/msg_*")
    await expect(page.locator(".relay > li")).to_have_count(2, timeout=PATIENCE_MS)
    await window.picture("message")


async def an_answer(hand: Hand, window: Screen, _folder: Path) -> None:
    """The phone that got it writes back."""
    page = window.page
    await window.open(f"/phones/{NUMBER}")
    await page.wait_for_selector(".rung:not(.unseen)", timeout=PATIENCE_MS)
    await window.picture("phone")
    await hand.write(".rung [name=text][maxlength] >> nth=0", REPLY)
    async with window.leaves():
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


@pytest.mark.parametrize(
    ("look", "kind"),
    [
        pytest.param(Look(), Mouse, id="mouse", marks=pytest.mark.turns(2, 0)),
        pytest.param(Look("fa", "dark"), Keys, id="keys", marks=pytest.mark.turns(2, 1)),
    ],
)
async def test_from_a_new_server_to_an_answer(
    fresh: Fresh, tmp_path: Path, look: Look, kind: type[Mouse | Keys]
) -> None:
    link = await setup.link(fresh.house.ground, fresh.client.url)
    async with chromium() as browser, screen(browser, fresh.client.url, look=look) as window:
        hand: Hand = kind(window.page)
        await a_new_server_and_its_line(hand, window, link)
        for step in STEPS:
            await step(hand, window, tmp_path)
            assert await window.faults() == [], step.__name__
    await until(lambda: heard(fresh))
    assert await heard(fresh) == [(NUMBER, REPLY)]
    (sms,) = fresh.faces["smpp"].ledger.entries
    assert sms.recipient == NUMBER


@pytest.mark.turns(2, 1)
async def test_dialogs_menus_and_the_command_bar_by_keyboard_alone(fresh: Fresh) -> None:
    """Each takes the focus, keeps it, and gives it back."""
    link = await setup.link(fresh.house.ground, fresh.client.url)
    async with chromium() as browser, screen(browser, fresh.client.url, look=Look("fa")) as window:
        hand, page = Keys(window.page), window.page
        await a_new_server_and_its_line(hand, window, link)
        await hand.to("[name=to]")
        await page.keyboard.press("ControlOrMeta+K")
        await expect(page.locator("#palette input")).to_be_focused()
        await page.keyboard.press("Shift+Tab")
        assert await page.evaluate("document.activeElement.closest('dialog, body').matches('dialog, body')")
        await page.keyboard.press("Escape")
        await expect(page.locator("[name=to]")).to_be_focused()
        await page.keyboard.press("ControlOrMeta+K")
        await page.keyboard.type("sandbox-sms")
        await page.wait_for_selector("#palette-found a[href^='/lines/']")
        await page.keyboard.press("Enter")
        await page.wait_for_url("**/lines/lin_*")
        await page.keyboard.press("?")
        await expect(page.locator("#keys [data-close]")).to_be_focused()
        await page.keyboard.press("Escape")
        await hand.press("form[data-sure] button >> nth=0")
        await expect(page.locator("#sure")).to_be_visible()
        for _ in range(4):
            await page.keyboard.press("Tab")
            assert await page.evaluate(
                "document.activeElement === document.body || Boolean(document.activeElement.closest('#sure'))"
            )
        await page.keyboard.press("Escape")
        await expect(page.locator("form[data-sure] button:focus"), LOST).to_have_count(1)
        await hand.press(".topbar .dropdown button >> nth=0")
        await page.keyboard.press("ArrowDown")
        await expect(page.locator(".topbar .dropdown-menu button >> nth=0")).to_be_focused()
        await page.keyboard.press("Escape")
        await expect(page.locator(".topbar .dropdown button >> nth=0")).to_be_focused()
        assert window.said == []

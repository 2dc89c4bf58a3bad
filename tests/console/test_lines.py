"""Lines in the console: connected, tried, registered, priced; by whom it may be, and read by everybody."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import expect

from angarium.accounts import store as accounts
from angarium.accounts.flows import create_workspace
from angarium.accounts.roles import Role
from angarium.assembly import House
from angarium.core import ids
from angarium.lines import flows, registration_flows, tariffs_flows
from angarium.lines.store import Line
from angarium.simulators.faces import generic_http
from support.databases import bring_up
from support.people import Surfer, joined, surfer_of
from support.screen import Look, Screen, chromium, screen
from support.server import Client, whole_house

pytestmark = pytest.mark.browser

HOSTILE = '<img src=x onerror="boom()">'
SECRET = "k-very-secret"
PDF = b"%PDF-1.7\n1 0 obj << /Type /Catalog >> endobj\n%%EOF\n"


class Shop:
    """A house, its owner, and somebody who may only look."""

    def __init__(self, house: House, client: Client, workspace_id: int) -> None:
        self.house, self.client, self.workspace_id = house, client, workspace_id
        self.owner: Surfer = surfer_of(client)
        self.partner: Surfer = surfer_of(client)
        self.reader: Surfer = surfer_of(client)

    async def line(self, name: str) -> Line:
        """A line by its name."""
        return await flows.named(self.house.ground, self.workspace_id, name)

    async def make(self, name: str, **more: str) -> str:
        """A line on Viber; its id in addresses."""
        fields = {"settings.api_key": SECRET, "settings.sender": "Shop", "classes": "service", **more}
        page = await self.owner.do("/lines/new/viber_business", name=name, declared="on", **fields)
        assert page.status == 303, page.words
        return ids.show("line", (await self.line(name)).id)


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[Shop]:
    """A server without lines."""
    url = f"sqlite:///{tmp_path}/angarium.db"
    await bring_up(url)
    async with whole_house(url, tmp_path, public_url="http://127.0.0.1:8080") as (house, client):
        workspace = await create_workspace(house.ground, "shop")
        made = Shop(house, client, workspace.id)
        await joined(house, made.owner, workspace.id, "olena@shop.example")
        await joined(house, made.partner, workspace.id, "narges@shop.example")
        await joined(house, made.reader, workspace.id, "reader@shop.example", Role.READ_ONLY)
        yield made


def cookie_of(surfer: Surfer) -> str:
    """The session of somebody, as a browser is given it."""
    return next(f"{name}={value}" for name, value in surfer.cookies.items() if name.endswith("session"))


async def connect(window: Screen, name: str) -> None:
    """Fill in the form of a line on Viber, and send it."""
    page = window.page
    await page.fill("[name=name]", name)
    await page.check("[name=classes][value=service]", force=True)
    await page.fill("[name='settings.api_key']", SECRET)
    await page.fill("[name='settings.sender']", "Shop")
    await page.click("main form[action^='/lines/'] .btn-primary")
    await page.wait_for_url("**/lines/lin_*")


@pytest.mark.turns(2, 1)
async def test_a_line_is_connected_by_mouse_and_by_keyboard(shop: Shop) -> None:
    async with chromium() as browser:
        async with screen(browser, shop.client.url, cookie_of(shop.owner)) as window:
            await window.open("/lines")
            await window.page.click("main >> text=Connect a line >> nth=0")
            await window.page.wait_for_url("**/lines/new")
            await window.page.click("a[href='/lines/new/viber_business']")
            await window.page.wait_for_url("**/viber_business")
            await connect(window, "viber-main")
            await window.says("Try it", "main")
            assert await window.faults() == []
        made = await shop.line("viber-main")
        assert made.registration == "approved"
        assert flows.opened_settings(shop.house.ground, made).api_key == SECRET
        async with screen(browser, shop.client.url, cookie_of(shop.owner), Look("fa", "dark")) as window:
            await window.open("/lines")
            await window.page.keyboard.press("n")
            await window.page.wait_for_url("**/lines/new")
            link = window.page.locator("a[href='/lines/new/viber_business']")
            await link.focus()
            await window.page.keyboard.press("Enter")
            await window.page.wait_for_url("**/viber_business")
            await window.page.focus("[name=name]")
            await window.page.keyboard.type("viber-two")
            await window.page.focus("[name=classes][value=otp]")
            await window.page.keyboard.press("Space")
            await window.page.focus("[name='settings.api_key']")
            await window.page.keyboard.type(SECRET)
            await window.page.focus("[name='settings.sender']")
            await window.page.keyboard.type("Shop")
            await window.page.keyboard.press("Enter")
            await window.page.wait_for_url("**/lines/lin_*")
            await expect(window.page.locator("html")).to_have_attribute("dir", "rtl")
        assert {one.value for one in (await shop.line("viber-two")).classes} == {"otp"}


@pytest.mark.turns(2, 1)
async def test_channels_are_found_by_the_names_that_their_providers_have_at_home(shop: Shop) -> None:
    async with chromium() as browser, screen(browser, shop.client.url, cookie_of(shop.owner)) as window:
        await window.open("/lines/new")
        shown = window.page.locator("#gallery [data-sifts]:not([hidden]) .step-icon")
        for typed, kind in (
            ("کاوه‌نگار", "kavenegar_sms"),
            ("كاوه نگار", "kavenegar_sms"),
            ("کاوهنگار", "kavenegar_sms"),
            ("ملی پیامک", "melipayamak_sms"),
            ("вконтакте", "vk_community"),
            ("турбосмс", "turbosms_sms"),
            ("电报", "telegram_bot"),
        ):
            await window.page.fill("#sift", typed)
            kinds = await shown.evaluate_all("all => all.map(one => one.dataset.channel)")
            assert kind in kinds, (typed, kinds)
            assert len(kinds) < 4, (typed, kinds)


async def test_what_is_wrong_stands_at_its_field_and_secrets_are_never_shown(shop: Shop) -> None:
    bad = {"name": "Not A Name", "settings.sender": HOSTILE, "settings.api_key": SECRET, "price": "free"}
    page = await shop.owner.do("/lines/new/viber_business", **bad)
    assert page.status == 422
    wrong = {v for n, v in zip(page.values("name"), page.values("name"), strict=False) if n}
    assert {"name", "price"} <= wrong
    assert page.says("is not a name")
    assert page.says("is not a price")
    assert page.says("at most 20")
    assert SECRET not in page.text
    assert HOSTILE not in page.text
    assert page.says("Not A Name") is False
    line_id = await shop.make("viber")
    shown = await shop.owner.get(f"/lines/{line_id}/settings")
    assert SECRET not in shown.text
    kept = await shop.owner.do(
        f"/lines/{line_id}/settings",
        **{
            "name": "viber",
            "classes": "service",
            "settings.sender": "Other",
            "enabled": "on",
            "price": "0.02",
        },
    )
    assert kept.status == 303, kept.words
    line = await shop.line("viber")
    assert flows.opened_settings(shop.house.ground, line).api_key == SECRET
    assert (line.settings["sender"], line.price_micros) == ("Other", 20_000)


async def test_a_line_is_registered_by_one_and_approved_by_another(shop: Shop) -> None:
    page = await shop.owner.do(
        "/lines/new/viber_business",
        **{
            "name": "viber",
            "classes": "service",
            "settings.api_key": SECRET,
            "settings.sender": "Shop",
            "requirement": "viber-sender",
        },
    )
    line = await shop.line("viber")
    under = f"/lines/{ids.show('line', line.id)}/registrations"
    assert page.status == 303
    assert not line.approved
    begun = await shop.owner.do(under)
    one = begun.location
    (whole,) = await registration_flows.of_line(shop.house.ground, shop.workspace_id, line.id)
    need = whole.requirement
    told = {f"fields.{ask.key}": ask.example for ask in need.fields}
    for promise in need.undertakings:
        told |= {f"undertakings.{promise.key}.signed_by": HOSTILE}
        told |= {f"undertakings.{promise.key}.signed_on": "2026-11-20"}
    assert (await shop.owner.do(one, classes="service", **told)).status == 303
    early = await shop.owner.do(f"{one}/do/submit")
    assert early.status == 422
    assert early.says("is missing")
    for ask in need.documents:
        path = f"/v1{one}/documents?document={ask.key}&name=paper.png"
        body = PDF if "pdf" in ask.media else b"\x89PNG\r\n\x1a\n" + b"\0" * 64
        token = (await shop.owner.get("/account")).hidden("token")
        cookie = "; ".join(f"{name}={value}" for name, value in shop.owner.cookies.items())
        sent = await shop.client.ask(
            "POST",
            path,
            data=body,
            Cookie=cookie,
            X_Angarium_Token=token,
            Sec_Fetch_Site="same-origin",
            Content_Type="application/octet-stream",
        )
        assert sent.status == 201, sent
    assert (await shop.owner.do(f"{one}/do/submit")).status == 303
    own = await shop.owner.do(f"{one}/decide/review")
    assert own.status == 403
    assert own.says("another person")
    assert (await shop.partner.do(f"{one}/decide/review")).status == 303
    refused = await shop.partner.do(f"{one}/decide/refuse", reason=" ")
    assert refused.status == 422
    assert (await shop.partner.do(f"{one}/decide/approve", valid_until="2099-01-01")).status == 303
    line = await shop.line("viber")
    assert line.granted(shop.house.ground.clock.now()) == {"service"}
    seen = await shop.owner.get(one)
    assert HOSTILE not in seen.text
    assert seen.says("Approved")
    assert seen.says("Narges")


async def test_patterns_and_tariffs(shop: Shop) -> None:
    line_id = await shop.make("viber")
    under = f"/lines/{line_id}/patterns"
    pattern = {"name": HOSTILE, "class": "service", "syntax": "braces", "text": "Order {0} is on its way."}
    assert (await shop.owner.do(under, state="approved", **pattern)).status == 303
    rows = "name,class,syntax,text\nbye,service,braces,Bye {0}\nbad,service,nothing,x\n"
    looked = await shop.owner.do(f"{under}/import", csv=rows)
    assert looked.status == 200
    assert looked.says("one new")
    assert looked.says("one left out")
    assert "bye" not in (await shop.owner.get(f"{under}/csv")).text
    await shop.owner.do(f"{under}/import", csv=rows, write="on")
    assert "bye,service" in (await shop.owner.get(f"{under}/csv")).text
    fits = await shop.owner.get(f"{under}?as=service&text=Order+7+is+on+its+way.")
    assert fits.says("It fits")
    assert HOSTILE not in fits.text
    near = await shop.owner.get(f"{under}?as=service&text=Parcel+7+is+on+its+way.")
    assert near.says("one word away")

    made = await shop.owner.do(
        "/lines/tariffs", name="gms", currency="eur", zone="Europe/Kyiv", counts="line"
    )
    wrong = await shop.owner.do(f"{made.location}/lists", csv="destination,price\n+38067,free\n")
    assert wrong.status == 422
    assert wrong.says("line 2: price")
    drafted = await shop.owner.do(f"{made.location}/lists", csv="destination,price\n+38067,0.031\n,0.045\n")
    cost = await shop.owner.get(f"{drafted.location}?to=%2B380671234567&parts=%DB%B2")  # ۲
    assert cost.says("€0.062")
    assert (await shop.owner.do(f"{drafted.location}/in-force")).status == 303
    tariff_id = ids.read("tariff", made.location.rpartition("/")[2])
    (in_force,) = await shop.house.ground.db.read(tariffs_flows.lists, shop.workspace_id, tariff_id)
    assert in_force.state == "in_force"


async def test_a_test_message_is_followed_and_who_may_only_look_changes_nothing(shop: Shop) -> None:
    line_id = await shop.make("viber")
    known = await shop.house.ground.db.read(accounts.workspaces)
    await shop.house.world.lines.reload([one.id for one in known])
    said = {"class": "service", "text": HOSTILE}
    wrong = await shop.owner.do(f"/lines/{line_id}/test", to="nobody", **said)
    assert wrong.status == 422
    assert HOSTILE not in wrong.text
    sent = await shop.owner.do(
        f"/lines/{line_id}/test", to="+380501234567", text="Hi", **{"class": "service"}
    )
    national = await shop.owner.do(f"/lines/{line_id}/test", to="050 123 4567", **said)
    assert national.status == 303, "a contact has it now"
    followed = await shop.owner.get(sent.location.partition("#")[0])
    assert followed.says("The whole story")
    assert followed.says("It waits")
    costs = await shop.owner.get(f"/lines/{line_id}/prices?to=%2B380501234567&class=service")
    assert costs.says("By the line's own price")
    for path in (f"/lines/{line_id}/settings", f"/lines/{line_id}/switch", f"/lines/{line_id}/delete"):
        assert (await shop.reader.do(path, name="x")).status == 403
    assert (await shop.reader.get("/lines/new")).status == 403
    shown = await shop.reader.get(f"/lines/{line_id}")
    assert shown.status == 200
    assert "/switch" not in shown.text
    assert "/test" not in shown.text
    tokenless = await shop.owner.post(f"/lines/{line_id}/switch", {})
    assert tokenless.status == 403
    assert (await shop.line("viber")).enabled


# ── rehearsed ────────────────────────────────────────────────────────────────────────────────────────

DESCRIBED = {
    f"settings.{name}": value
    for name, value in generic_http.settings("https://api.example.com").items()
    if name not in ("secret_1", "callback_secret")
}
SAMPLES = {
    "rehearsal_to": "+380501234567",
    "rehearsal_text": 'Say "hi"',
    "rehearsal_status": "400",
    "rehearsal_answer": '{"error": {"code": 107, "text": "he blocked you"}}',
    "rehearsal_callback": '{"events": [{"ref": "att_1", "status": "DELIVRD"}, {"status": "LOST", "id": 1}]}',
}


async def test_a_described_provider_is_rehearsed_and_nothing_is_secret_in_it(shop: Shop) -> None:
    path = "/lines/rehearsal/generic_http"
    page = await shop.owner.do(path, **DESCRIBED, **SAMPLES, **{"settings.secret_1": SECRET})
    assert page.status == 200
    for words in (
        "POST https://api.example.com/v1/messages?from=Shop%20%26%20Co",
        "Authorization: Bearer ••••••",
        r'"text":"Say \"hi\""',
        "the person has blocked this sender",
        "he blocked you",
        "delivered",
        "a status that is not in the table: LOST",
    ):
        assert page.says(words), words
    assert SECRET not in page.text
    wrong = await shop.owner.do(path, **{**DESCRIBED, "settings.errors": "105 = bad_adress"}, **SAMPLES)
    assert wrong.says("'bad_adress' is no reason")
    assert (await shop.owner.do("/lines/rehearsal/viber_business", **SAMPLES)).status == 404
    assert (await shop.reader.do(path, **DESCRIBED, **SAMPLES)).status == 403


@pytest.mark.turns(2, 0)
async def test_the_form_shows_what_its_settings_come_to(shop: Shop) -> None:
    async with (
        chromium() as browser,
        screen(browser, shop.client.url, cookie_of(shop.owner), Look("fa", "light")) as window,
    ):
        await window.open("/lines/new/generic_http")
        await window.page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
        await window.page.fill("[name='settings.base_url']", "https://api.example.com")
        await window.page.fill("[name='settings.body']", '{"to": "{to}", "text": "{text}"}')
        await window.page.click("#rehearse")
        await window.page.wait_for_selector("#rehearsed pre")
        await window.says('"to":"+447700900100"', "#rehearsed")
        assert await window.faults() == []

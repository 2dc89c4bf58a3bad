"""The settings in a real browser: policies, keys, people, suppressions, the audit log; in two languages."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from playwright.async_api import expect

from angarium.accounts import policies_store
from angarium.accounts import store as accounts
from angarium.accounts.roles import Role
from angarium.accounts.store import people as people_store
from angarium.assembly import House
from angarium.messaging.gate.documents import QuietRule
from support.people import Surfer, joined, surfer_of
from support.screen import Look, Screen, chromium, screen
from support.server import Client, member, whole_house

pytestmark = pytest.mark.browser

HOSTILE = "<img src=x onerror=\"document.title='owned'\"></title><h1>owned</h1>"


class Place:
    """A workspace, its owner, and somebody who only looks."""

    def __init__(self, house: House, client: Client, owner: Surfer, looker: Surfer) -> None:
        self.house, self.client, self.owner, self.looker = house, client, owner, looker
        self.workspace_id = client.workspace_id


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    """On one kind of database: what pages do with it is the API's too."""
    from angarium.storage.database import open_database
    from support.databases import create_schema

    url = f"sqlite:///{tmp_path}/angarium.db"
    database = open_database(url)
    await database.start()
    await create_schema(database)
    await database.stop()
    async with whole_house(url, tmp_path) as (house, nobody):
        client = await member(nobody, house.ground, "shop")
        owner, looker = surfer_of(client), surfer_of(client)
        await joined(house, owner, client.workspace_id, "mina@shop.example")
        await joined(house, looker, client.workspace_id, "lena@shop.example", Role.READ_ONLY)
        yield Place(house, client, owner, looker)


@asynccontextmanager
async def looking(place: Place, look: Look | None = None) -> AsyncIterator[Screen]:
    """The owner at a window."""
    cookie = f"angarium_session={place.owner.cookies['angarium_session']}"
    async with chromium() as browser, screen(browser, place.client.url, cookie, look) as window:
        yield window


@pytest.mark.turns(2, 0)
async def test_a_policy_by_mouse_and_back_again(place: Place) -> None:
    async with looking(place) as window:
        page = window.page
        await window.open("/settings/policies/quiet-hours")
        await page.click("button[name=add]")
        await page.fill("[name='rules.0.from']", "21:00")
        await page.fill("[name='rules.0.until']", "25:00")
        await page.click("button[name=save]")
        await page.wait_for_selector("#policy .notice.bad")
        await expect(page.locator("[name='rules.0.from']")).to_have_value("21:00")  # nothing typed is lost
        await window.says("is not a time of day", ".invalid-feedback")
        await page.fill("[name='rules.0.until']", "08:00")
        await page.check("[name='rules.0.classes'][value=service]")
        await page.click("button[name=save]")
        await page.wait_for_url("**?done=policy")
        rule = place.house.world.policies.of(place.workspace_id).quiet_hours.rules[0]
        assert (rule.from_, rule.until, set(rule.classes)) == ("21:00", "08:00", {"promotional", "service"})
        await page.click("button[name=drop]")
        await page.wait_for_selector(".policy-row", state="detached")
        async with window.leaves():
            await page.click("button[name=save]")
        await page.wait_for_selector(".toast.good")
        assert place.house.world.policies.of(place.workspace_id).quiet_hours.rules == ()
        await page.click("form[action$='/back'] button")  # version 1, the other one
        await page.click("#sure [data-go-on]")
        await page.wait_for_selector("text=Version 3")
        assert isinstance(place.house.world.policies.of(place.workspace_id).quiet_hours.rules[0], QuietRule)
    found = await place.house.ground.db.read(policies_store.history, place.workspace_id, "quiet-hours")
    assert [one.version for one in found] == [1, 2, 3]


@pytest.mark.turns(2, 1)
async def test_a_key_is_shown_once_and_works_until_it_is_revoked(place: Place) -> None:
    async with looking(place, Look("fa", "dark", 360)) as window:
        page = window.page
        await window.open("/settings/keys")
        await page.keyboard.press("n")  # by keyboard alone
        await page.wait_for_url("**/settings/keys/new")
        await page.focus("[name=name]")
        await page.keyboard.type("فروشگاه")
        await page.focus("[name=scopes][value='messages:read']")
        await page.keyboard.press("Space")
        await page.focus("form[action='/settings/keys'] button.btn-primary")
        await page.keyboard.press("Enter")
        await page.wait_for_selector("#secret")
        key = await page.input_value("#secret")
        assert await window.faults() == []
        caller = place.client.with_key(key)
        assert (await caller.ask("GET", "/v1/messages")).status == 200
        await window.open("/settings/keys")
        assert key not in await page.content()
        await window.says("فروشگاه", "main")
        (made,) = [
            one
            for one in await place.house.ground.db.read(accounts.keys, place.workspace_id)
            if one.name == "فروشگاه"
        ]
        assert made.scopes == {"messages:read"}
        row = page.locator("tr", has_text="فروشگاه")
        await row.locator("form[action$='/revoke'] button").click()
        await page.click("#sure [data-go-on]")
        await page.wait_for_url("**?done=revoked")
    (gone,) = [
        one
        for one in await place.house.ground.db.read(accounts.keys, place.workspace_id)
        if one.name == "فروشگاه"
    ]
    assert gone.revoked_at is not None


async def a_moment_is_chosen(place: Place, window: Screen) -> None:
    """A day and a time of it, in the same calendar, by keyboard."""
    field = {"name": "visit", "label": "Visit", "kind": "date_time"}
    assert (await place.client.ask("POST", "/v1/contact-fields", field)).status == 201
    page = window.page
    await window.open("/contacts/new")
    moment, time = page.locator("[name=field-visit]"), page.locator(".date-picker [data-time]")
    await moment.fill("۱۴۳۰/۰۹/۰۷")
    await moment.press("ArrowDown")
    await expect(time).to_have_value("۰۹:۰۰")
    assert await window.faults() == []
    await time.fill("۲۵:۰۰")
    await time.press("Enter")
    await expect(time).to_be_focused()  # there is no such time
    await time.fill("۱۷:۴۵")
    await time.press("Enter")
    await expect(moment).to_have_value("۱۴۳۰/۰۹/۰۷ ۱۷:۴۵")
    async with page.expect_request("**/contacts/new") as sent:
        await page.click("#person-form .btn-primary")
    assert "field-visit=2051-11-28T17%3A45" in ((await sent.value).post_data or "")


async def a_key_until(window: Screen, name: str, day: str) -> None:
    """A new key that expires on a day, a Tuesday: it is typed, and then the month opens at it."""
    page = window.page
    await window.open("/settings/keys/new")
    await page.fill("[name=name]", name)
    await page.check("[name=scopes][value='messages:read']")
    await page.focus("[name=expires_on]")
    await page.keyboard.type(day)
    await page.keyboard.press("ArrowDown")


@pytest.mark.turns(2, 0)
async def test_a_day_is_chosen_in_the_calendar_of_iran(place: Place) -> None:
    async with looking(place, Look("fa", "light", 1280)) as window:
        page = window.page
        await a_key_until(window, "تا نوروز", "۱۴۳۰/۰۹/۰۷")
        title = page.locator(".date-picker [data-month]")
        await expect(title).to_have_text("آذر ۱۴۳۰")
        await expect(page.locator(":focus")).to_have_attribute("aria-label", "سه‌شنبه ۷ آذر ۱۴۳۰")
        await expect(page.locator(".date-picker th")).to_have_text(["ش", "ی", "د", "س", "چ", "پ", "ج"])
        assert await window.faults() == []
        for key in ("Home", "PageDown", "Shift+PageDown", "ArrowLeft", "ArrowUp", "End", "ArrowRight"):
            await page.keyboard.press(key)
        await expect(title).to_have_text("آذر ۱۴۳۱")
        await page.keyboard.press("Escape")
        await expect(page.locator("[name=expires_on]")).to_have_value("۱۴۳۰/۰۹/۰۷")
        await page.keyboard.press("ArrowDown")  # the field has the focus again
        for key in ("End", "ArrowLeft", "Enter"):  # Friday, and the day after it
            await page.keyboard.press(key)
        await expect(page.locator("[name=expires_on]")).to_have_value("۱۴۳۰/۰۹/۱۱")
        await page.focus("form[action='/settings/keys'] button.btn-primary")
        async with page.expect_request("**/settings/keys") as sent:
            await page.keyboard.press("Enter")
        assert "expires_on=2051-12-02" in ((await sent.value).post_data or "")
        await page.wait_for_selector("#secret")
        await window.open("/settings/audit?since=1405%2F01%2F01&until=1405%2F01%2F02")
        await expect(page.locator("[name=until]")).to_have_value("۱۴۰۵/۰۱/۰۲")
        await expect(page.locator("table.rows")).to_have_count(0)  # nothing is so old
        await a_moment_is_chosen(place, window)
    form = {"name": "کهنه", "scopes": "messages:read", "typed_day": "expires_on"}  # as without a script
    wrong = await place.owner.do("/settings/keys", **form, expires_on="۱۴۳۰/۰۷/۳۱")
    assert wrong.status == 422
    assert 'value="۱۴۳۰/۰۷/۳۱"' in wrong.text
    assert (await place.owner.do("/settings/keys", **form, expires_on="۱۴۳۰/۰۹/۱۱")).status == 200
    keys = await place.house.ground.db.read(accounts.keys, place.workspace_id)
    assert len({one.expires_at for one in keys if one.expires_at is not None}) == 1


@pytest.mark.turns(2, 1)
async def test_a_day_is_written_and_chosen_as_the_language_has_it(place: Place) -> None:
    async with looking(place, Look("uk", "dark", 360)) as window:
        page = window.page
        await a_key_until(window, "До зими", "28.11.2051")
        await expect(page.locator(".date-picker [data-month]")).to_have_text("листопад 2051 р.")
        await expect(page.locator(":focus")).to_have_attribute("aria-label", "вівторок, 28 листопада 2051 р.")
        await expect(page.locator(".date-picker th").first).to_have_text("пн")
        assert await window.faults() == []
        for key in ("ArrowRight", "PageDown", "PageDown", "PageDown", "Enter"):  # February has 29 days then
            await page.keyboard.press(key)
        await expect(page.locator("[name=expires_on]")).to_have_value("29.02.2052")
        async with page.expect_request("**/settings/keys") as sent:
            await page.click("form[action='/settings/keys'] button.btn-primary")
        assert "expires_on=2052-02-29" in ((await sent.value).post_data or "")


@pytest.mark.turns(2, 1)
async def test_hours_and_holidays_in_persian_figures(place: Place) -> None:
    async with looking(place, Look("fa", "light", 1280)) as window:
        page = window.page
        await window.open("/settings/policies/quiet-hours")
        await page.click("button[name=add]")
        await page.fill("[name='rules.0.from']", "۲۱:۰۰")
        await page.fill("[name='rules.0.until']", "۸:۰۰")
        await page.fill("[name='rules.0.holidays']", "۰۱/۰۱\n۱۴۰۵/۱۳/۰۱")
        await page.click("button[name=save]")
        await page.wait_for_selector("#policy .notice.bad")  # there is no thirteenth month
        await page.fill("[name='rules.0.holidays']", "۰۱/۰۱\n۱۴۰۵/۱۲/۰۱\n03-21")
        await page.click("button[name=save]")
        await page.wait_for_url("**?done=policy")
        rule = place.house.world.policies.of(place.workspace_id).quiet_hours.rules[0]
        assert (rule.from_, rule.until) == ("21:00", "08:00")
        assert rule.holidays == ("jalali-01-01", "2027-02-20", "03-21")
        await expect(page.locator("[name='rules.0.from']")).to_have_value("۲۱:۰۰")
        await expect(page.locator("[name='rules.0.holidays']")).to_have_value("۰۱/۰۱\n۱۴۰۵/۱۲/۰۱\n03-21")
        assert await window.faults() == []


@pytest.mark.turns(2, 0)
async def test_people_are_invited_changed_and_let_go(place: Place) -> None:
    lena = await place.house.ground.db.read(people_store.by_email, "lena@shop.example")
    assert lena is not None
    async with looking(place) as window:
        page = window.page
        await window.open("/settings/people/new")
        await page.fill("[name=email]", "new@shop.example")
        await page.check("[name=role][value=agent]")
        await page.click("form[action='/settings/people'] button")
        link = await page.input_value("#secret")
        assert "/invitation?token=inv_" in link
        await window.open("/settings/people")
        await page.click("main >> text=Lena")
        await page.wait_for_url("**/settings/people/per_*")
        await page.check("[name=role][value=marketer]")
        await page.check("[name=classes][value=promotional]")
        await page.click("main button:has-text('Save')")
        await page.wait_for_url("**?done=role")
        found = await place.house.ground.db.read(people_store.membership, place.workspace_id, lena.id)
        assert found is not None
        assert (found.role, found.reach.classes) == (Role.MARKETER, {"promotional"})
        await page.click("form[action$='/let-go'] button")
        await page.click("#sure [data-go-on]")
        await page.wait_for_url("**?done=let_go")
    assert await place.house.ground.db.read(people_store.membership, place.workspace_id, lena.id) is None


@pytest.mark.turns(2, 1)
async def test_addresses_come_and_go_and_the_log_tells(place: Place, tmp_path: Path) -> None:
    file = tmp_path / "blacklist.txt"
    file.write_text("+989121234567\n+989121234568\nnobody\n")
    async with looking(place) as window:
        page = window.page
        await window.open("/settings/suppressions/new")
        await page.fill("[name=value]", "12")
        async with window.leaves():
            await page.click("form[action='/settings/suppressions'] button")
        await expect(page.locator("[name=value]")).to_have_value("12")
        await page.fill("[name=value]", "+380441234567")
        await page.fill("[name=detail]", HOSTILE)
        await page.click("form[action='/settings/suppressions'] button")
        await page.wait_for_url("**?done=added")
        await window.says(HOSTILE, "main")
        await expect(page.locator("h1")).to_have_count(1)
        await window.open("/settings/suppressions/new")
        await page.set_input_files("#import-file", file)
        await page.click("form[data-upload] button")
        await page.wait_for_selector("text=+989121234568")
        await window.open("/settings/suppressions?address=%2B380441234567")
        await window.says("+380441234567", "main")
        await expect(page.locator("main")).not_to_contain_text("+989121234567")
        await page.click("a[href$='/remove']")
        await page.wait_for_url("**/remove")
        await page.eval_on_selector("[name=because]", "field => field.removeAttribute('required')")
        await page.click("form[action$='/remove'] button")
        await page.wait_for_selector("[role=alert]:has-text('because')")  # the server insists as well
        assert await window.faults() == []
        await page.fill("[name=because]", f"They called {HOSTILE}")
        await page.click("form[action$='/remove'] button")
        await page.wait_for_url("**?done=removed")
        await window.open("/settings/audit?action=suppression.removed")
        await window.says("Mina", "main")
        await window.says("Suppression list: removed", "main")
        await page.click(".details-cell summary")
        await window.says("suppression.removed", "main")
        await window.says(f"They called {HOSTILE}", "main")
        await page.click("button:has-text('Check the chain')")
        await page.wait_for_selector("#check .notice.good")
        assert window.said == []
    told = await place.client.ask("GET", "/v1/suppressions")
    assert {one["value"] for one in told.json["items"]} == {"+989121234567", "+989121234568"}


@pytest.mark.turns(2, 1)
async def test_the_workspace_and_its_zone(place: Place) -> None:
    async with looking(place) as window:
        page = window.page
        await window.open("/settings")
        await page.fill("[name=time_zone]", "Asia/Nowhere")
        async with window.leaves():
            await page.click("form[action='/settings'] button")
        await window.says("is not a time zone", ".invalid-feedback")
        await page.fill("[name=time_zone]", "Asia/Tehran")
        await page.keyboard.press("Enter")
        await page.wait_for_url("**?done=workspace")
    kept = await place.house.ground.db.read(accounts.workspaces)
    assert [one.time_zone for one in kept] == ["Asia/Tehran"]


@pytest.mark.turns(2, 0)
async def test_developers_read_the_api_and_what_they_asked(place: Place) -> None:
    assert (await place.client.ask("GET", "/v1/messages/msg_0000000000001")).status == 404
    async with looking(place, Look("fa", "light", 360)) as window:
        page = window.page
        for path in ("/developers", "/developers/callbacks", "/developers/reference/keys"):
            assert await window.open(path) == 200
            assert await window.faults() == []
        await window.open("/developers/reference")
        await page.fill("[name=q]", "rotate")
        await expect(page.locator("#found section")).to_have_count(1)
        await page.click("#found li a")
        await page.wait_for_selector("section[id$='rotate']")
        await window.says("ANGARIUM_API_KEY", "main")
        await window.open("/developers/requests?only=problems")
        assert await window.faults() == []
        await window.says("/v1/messages/msg_0000000000001", "main")
        await window.says("not-found", "main")
    assert (await place.looker.get("/developers/requests")).status == 403


async def test_who_only_looks_gets_no_buttons_and_is_refused(place: Place) -> None:
    page = await place.looker.get("/settings/policies/caps")
    assert (page.status, 'name="save"' in page.text) == (200, False)
    assert "/settings/people" not in (await place.looker.get("/settings")).values("href")
    for path in ("/settings/people", "/settings/keys", "/settings/audit", "/settings/suppressions/new"):
        assert (await place.looker.get(path)).status == 403, path
    refused = await place.looker.do("/settings/policies/caps", save="1")
    assert refused.status == 403
    assert await place.house.ground.db.read(policies_store.history, place.workspace_id, "caps") == []

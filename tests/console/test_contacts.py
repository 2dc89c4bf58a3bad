"""Contacts, imports and segments in the console: walked in English by mouse and in Persian by keyboard."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import msgspec
import pytest
from playwright.async_api import Browser as Chromium
from playwright.async_api import expect

from angarium.accounts.roles import Role
from angarium.assembly import House
from angarium.contacts import finding, store
from angarium.contacts.audience import Audience
from angarium.contacts.finding import Sought
from angarium.contacts.imports import store as imports
from angarium.contacts.store import Contact
from angarium.core import ids
from angarium.core.ports import Raw
from angarium.messaging import receive
from angarium.protocols.web_chat import Happened
from support.databases import bring_up
from support.people import Surfer, joined, surfer_of
from support.screen import Look, Screen, chromium, screen
from support.server import TEMPLATE, Client, member, whole_house

pytestmark = pytest.mark.browser

ENDINGS = [
    ("q=4567", ["a", "b"]),
    ("q=۴۵-۶۷", ["a", "b"]),
    ("q=٤٥٦٧&tag=vip", ["a"]),
    ("q=1234567&kind=phone", ["a", "b"]),
    ("q=4567&kind=email", []),
    ("q=567000", ["d"]),  # an id, whole, before the end of a phone
    ("q=67000", ["c"]),
    ("q=567", []),
    ("q=5670", []),
]
HOSTILE = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"
CSV = (
    "id;name;phone;city\n"
    + "".join(f"c{n};Olena {n};+38095000{n:04d};Kyiv\n" for n in range(20))
    + "c99;Bad;12;x\n;Nobody;;x\n"
)


@dataclass
class Shop:
    """A workspace on a running server, and a Chromium."""

    house: House
    client: Client
    chromium: Chromium
    owner: Surfer
    reader: Surfer

    @asynccontextmanager
    async def window(self, look: Look | None = None) -> AsyncIterator[Screen]:
        """A window of the owner."""
        cookie = next(
            f"{name}={value}" for name, value in self.owner.cookies.items() if name.endswith("session")
        )
        async with screen(self.chromium, self.client.url, cookie, look) as window:
            yield window

    async def people(self) -> list[Contact]:
        """All contacts there are."""
        return await self.house.ground.db.read(store.page, self.client.workspace_id, 0, 1_000)

    async def put(self, **given: object) -> str:
        """A contact by the API; its id."""
        made = await self.client.ask("POST", "/v1/contacts", given)
        assert made.status == 200, made
        return str(made.json["id"])


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[Shop]:
    """A shop with nobody in it; files are read and written."""
    database_url = f"sqlite:///{tmp_path}/angarium.db"
    await bring_up(database_url)
    async with whole_house(database_url, tmp_path, files_folder=str(tmp_path)) as (house, client):
        owner = await member(client, house.ground, "shop")
        await house.importer.start()
        await house.exporter.start()
        people = surfer_of(client), surfer_of(client)
        await joined(house, people[0], owner.workspace_id, "olena@shop.example")
        await joined(house, people[1], owner.workspace_id, "reader@shop.example", Role.READ_ONLY)
        async with chromium() as opened:
            yield Shop(house, owner, opened, *people)
        await house.importer.stop()
        await house.exporter.stop()


@pytest.mark.turns(2, 0)
async def test_a_contact_is_made_tagged_and_asked_for_by_mouse(shop: Shop) -> None:
    async with shop.window() as window:
        page = window.page
        await window.open("/contacts")
        await page.click("a[data-new]")
        await page.wait_for_url("**/contacts/new")
        await page.fill("[name=name]", HOSTILE)
        await page.fill("[name=value-0]", "12")
        async with window.leaves():
            await page.click("#person-form .form-end button.btn-primary")
        await window.says("such as", "#value-0-says")  # said at the field, and nothing is lost
        await expect(page.locator("[name=name]")).to_have_value(HOSTILE)
        await page.fill("[name=value-0]", "+380 44 123 45 67")
        await page.fill("[name=tags]", "vip, new")
        await page.click("#person-form .form-end button.btn-primary")
        await page.wait_for_url("**/contacts/con_*")
        await window.says(HOSTILE, "h1")
        (one,) = await shop.people()
        assert (one.addresses[0].value, one.tags) == ("+380441234567", ("vip", "new"))

        await page.click("a[href$='/consents']")
        await page.wait_for_url("**/consents")
        await page.click("label:has(input[value=granted])")
        await page.fill("[name=source]", "at the counter")
        await page.click("form[action$='/consents'] button")
        await page.wait_for_url("**/consents?done=said")
        assert (await shop.people())[0].opted_in == {"promotional"}

        await window.open("/contacts?q=%2B380441234567")
        await page.check("[data-pick-all]")
        await page.fill("#bulk-tag", "kyiv")
        await page.click("[formaction='/contacts/tag']")
        await page.wait_for_url("**done=tagged**")
        assert (await shop.people())[0].tags == ("vip", "new", "kyiv")
        assert await page.title() != "owned"

        await page.check("[data-pick-all]")
        async with window.leaves():
            await page.click("[formaction='/contacts/delete']")
        await page.click("main button.btn-danger")
        await page.wait_for_url("**done=deleted**")
        assert await shop.people() == []
        assert window.said == []


@pytest.mark.turns(2, 1)
async def test_what_somebody_else_has_saved_of_a_contact_is_not_saved_over_unseen(shop: Shop) -> None:
    one = await shop.put(external_id="c7", name="Olena", fields={"order": "1"}, tags=["old"])
    async with shop.window() as ours, shop.window(Look("fa")) as theirs:
        for window in (ours, theirs):
            await window.open(f"/contacts/{one}/edit")
        await ours.page.fill("[name=field-order]", "2")
        async with ours.leaves():
            await ours.page.click(".form-end .btn-primary")
        await theirs.page.fill("[name=name]", "اولنا")
        async with theirs.leaves():
            await theirs.page.click("[name=more]")  # a row more is no look at what was saved meanwhile
        async with theirs.leaves():
            await theirs.page.click(".form-end .btn-primary")
        await theirs.says("مخاطب در این میان تغییر کرده است")
        await theirs.says("ذخیره شده: «Olena»")
        await theirs.says("ذخیره شده: «2»")
        assert await theirs.faults() == []
        [contact] = await shop.people()
        assert (contact.name, contact.fields) == ("Olena", {"order": "2"})
        assert await theirs.page.input_value("[name=name]") == "اولنا"
        await theirs.page.fill("[name=field-order]", "2")
        async with theirs.leaves():
            await theirs.page.click(".form-end .btn-primary")
        [contact] = await shop.people()
        assert (contact.name, contact.fields, contact.tags) == ("اولنا", {"order": "2"}, ("old",))


@pytest.mark.turns(2, 0)
async def test_who_writes_before_anybody_knows_them_is_read_and_becomes_a_contact(shop: Shop) -> None:
    chat = {"name": "chat", "channel": "web_chat", "classes": ["service"], "registration": "approved"}
    await shop.client.ask("POST", "/v1/lines", {**chat, "settings": {}})
    world, visitor = shop.house.world, "visitor:7f3a"
    await world.lines.reload([shop.client.workspace_id])
    async with shop.window(Look("fa", width_px=390)) as window:
        await window.open("/contacts/strangers")
        await window.says("هیچ ناشناسی چیزی ننوشته است")
        (line,) = world.lines.of(shop.client.workspace_id)
        said = Happened("message", visitor, 1, f"{visitor}/1", "سفارش من کجاست؟", "آنا")
        entry = receive.entry(world, line, Raw(msgspec.json.encode(said)))
        await receive.journal(world, [entry])
        await receive.work_through(world, [entry])
        await window.open("/contacts/strangers")
        await window.says("سفارش من کجاست؟", "#strangers")
        assert await window.faults() == []
        await window.page.click("text=ساختن مخاطب از او")
        await expect(window.page.locator("[name=value-0]")).to_have_value(visitor)
        await expect(window.page.locator("[name=kind-0]")).to_have_value("web_chat")
        async with window.leaves():
            await window.page.click(".form-end .btn-primary")
        await window.says("سفارش من کجاست؟", "#history")
        await window.open("/contacts/strangers")
        await window.says("هیچ ناشناسی چیزی ننوشته است")


@pytest.mark.turns(2, 0)
async def test_who_took_an_address_off_the_list_is_named_and_what_stays_refused_is_told(shop: Shop) -> None:
    phone = {"kind": "phone", "value": "+380501234567"}
    one = await shop.put(external_id="c1", name="Olena", addresses=[phone])
    said = {"purpose": "promotional", "state": "withdrawn", "source": "by phone"}
    assert (await shop.client.ask("POST", f"/v1/contacts/{one}/consents", said)).status < 300
    entry = {"kind": "phone", "value": phone["value"], "reason": "opt_out", "source": "by phone"}
    assert (await shop.client.ask("POST", "/v1/suppressions", entry)).status < 300
    async with shop.window() as window:
        page = window.page
        await window.open("/contacts?q=380501234567")  # as operators write it
        await page.click("main table a:has-text('Olena')")
        await page.click("text=Take off the list")
        await window.says("The contact has refused messages too")
        await expect(page.locator(".form-end, .btn-list").locator("a.btn")).to_have_attribute(
            "href", f"/contacts/{one}"
        )
        assert await window.faults() == []
        await page.fill("[name=because]", "She called")
        async with window.leaves():
            await page.click("form[action$='/remove'] button")
        await page.wait_for_url(f"**/contacts/{one}?done=taken_off")
        await window.says("The address was taken off the list", "#toasts")
        lifted = page.locator("section[aria-labelledby=h-lifted]")
        await expect(lifted).to_contain_text("She called")
        await expect(lifted).not_to_contain_text("per_")


@pytest.mark.turns(2, 1)
async def test_two_contacts_become_one_and_two_again(shop: Shop) -> None:
    one = await shop.put(external_id="C-1001", name="Olena Shevchenko", fields={"birthday": "1990-03-21"})
    other = await shop.put(external_id="D-77", name="Olena Shevchenko", fields={"birthday": "1990-03-21"})
    async with shop.window() as window:
        await window.open("/contacts/doubles")
        await window.page.click(".pair-do a")
        await window.page.wait_for_url("**/merge?*")
        await window.page.click(f"label:has(input[value={other}])")
        await window.page.click("button:has-text('Merge')")
        await window.page.wait_for_url(f"**/contacts/{other}?done=merged")
        assert [ids.show("contact", each.id) for each in await shop.people()] == [other]
        await window.page.click("form[action$='/undo'] button")
        await window.page.click("#sure [data-go-on]")
        await window.page.wait_for_url("**done=unmerged")
        assert {ids.show("contact", each.id) for each in await shop.people()} == {one, other}


@pytest.mark.turns(2, 1)
async def test_a_file_is_imported_and_taken_back(shop: Shop, tmp_path: Path) -> None:
    file = tmp_path / "people.csv"
    file.write_text(CSV)
    async with shop.window() as window:
        page = window.page
        await window.open("/imports/new")
        await page.set_input_files("input[type=file]", file)
        await page.click("form[data-upload] button.btn-primary")
        await page.wait_for_url("**/imports/imp_*")
        await page.select_option("[name=to-3]", "field")
        await page.fill("[name=name-3]", "town")
        await page.click("button[value=check]")
        await page.wait_for_selector("text=If you start it now")
        await expect(page.locator("#import .wrong-cell b")).to_have_text(["phone", "Addresses"])
        await expect(page.locator("[name=name-3]")).to_have_value("town")  # it can still be said otherwise
        await page.click("button[value=start]")
        await page.wait_for_selector("a[href='/contacts'].btn")
        assert len(await shop.people()) == 20
        assert (await shop.people())[0].fields == {"town": "Kyiv"}
        async with page.expect_download() as told:
            await page.click("a[href$='/errors']")
        await (await told.value).save_as(tmp_path / "errors.csv")
        assert b"c99,Bad,12,x,22," in await asyncio.to_thread((tmp_path / "errors.csv").read_bytes)
        await page.reload()
        await page.click("form[action$='/undo'] button")
        await page.click("#sure [data-go-on]")
        await page.wait_for_selector("text=20 contacts taken back")
        assert await shop.people() == []
        (done,) = await shop.house.ground.db.read(imports.jobs.page, shop.client.workspace_id, 1 << 62, 5)
        assert done.state == "undone"
        assert window.said == []


@pytest.mark.turns(2, 0)
async def test_a_segment_is_built_by_keyboard_in_persian(shop: Shop) -> None:
    for number in range(3):
        tags = ["vip"] if number else []
        await shop.put(external_id=f"c{number}", name=f"نرگس {number}", tags=tags)
    template = (await shop.client.ask("POST", "/v1/templates", TEMPLATE)).json["id"]
    async with shop.window(Look("fa")) as window:
        page, keys = window.page, window.page.keyboard
        await window.open("/segments")
        await keys.press("n")
        await page.wait_for_url("**/segments/new")
        await page.focus("[name='r.0:kind']")
        await page.select_option("[name='r.0:kind']", "tag")  # before it has a name
        await page.wait_for_selector("[name='r.0:tag']")
        await page.focus("[name=name]")
        await keys.type("ویژه")
        await page.focus("[name='r.0:tag']")
        await keys.type("vip")
        await page.wait_for_selector("#count .figure-value:has-text('۲')")  # while it is written
        await page.focus("button[value='group:r']")
        await keys.press("Enter")
        await page.wait_for_selector("[name='r.1:kind']")
        await expect(page.locator("[name='r.0:tag']")).to_have_value("vip")
        await page.select_option("[name='r.1.0:kind']", "address")
        await page.wait_for_selector("#count .figure-value:has-text('۰')")
        await page.focus("button[value='drop:r.1']")
        await keys.press("Enter")
        await page.wait_for_selector("#count .figure-value:has-text('۲')")
        await page.focus("button[value='add:r']")
        await keys.press("Enter")
        await page.wait_for_selector("[name='r.1:kind']")
        await page.select_option("[name='r.1:kind']", "history")
        await page.wait_for_selector("[name='r.1:template']")
        await page.select_option("[name='r.1:never']", "yes")
        await page.focus("[name='r.1:template']")
        await keys.type("ship")
        await page.wait_for_selector("#templates-r-1 option[value=shipped]", state="attached")
        await keys.type("ped")
        await page.wait_for_selector("#count .figure-value:has-text('۲')")
        await page.focus("[name=name]")
        await keys.press("Enter")
        await page.wait_for_url("**/segments/seg_*")
        made = (await shop.client.ask("GET", "/v1/segments")).json["items"]
        rules = {"all": [{"tag": "vip"}, {"history": "sent", "never": True, "template": template}]}
        assert [(one["name"], one["rules"]) for one in made] == [("ویژه", rules)]
        assert window.said == []


READERS = ("/contacts", "/contacts/fields", "/segments", "/exports", "/contacts/doubles")


@pytest.mark.turns(2, 0)
async def test_who_may_only_read_gets_no_buttons_and_is_refused(shop: Shop) -> None:
    one = await shop.put(external_id="x", name="Olena")
    for path in (*READERS, f"/contacts/{one}", f"/contacts/{one}/consents"):
        page = await shop.reader.get(path)
        assert page.status == 200, path
        forms = [
            value
            for tag, name, value in page.seen.attributes
            if name in ("action", "formaction") and tag != "x"
        ]
        assert not [
            to for to in forms if to.endswith(("/new", "/delete", "/tag", "/edit", "/fields", "/consents"))
        ], path
    for path in (
        "/contacts/new",
        "/contacts/tag",
        "/contacts/delete",
        f"/contacts/{one}/edit",
        "/segments/new",
        f"/contacts/{one}/erase",
    ):
        assert (await shop.reader.do(path, contact=one)).status == 403, path
    assert (await shop.reader.get("/imports")).status == 403
    forged = {"token": "x", "sure": "yes", "contact": one}
    assert (await shop.owner.post("/contacts/delete", forged)).status == 403
    assert [each.name for each in await shop.people()] == ["Olena"]


async def test_a_contact_is_found_by_the_end_of_a_phone(shop: Shop) -> None:
    people = {"a": "+380441234567", "b": "+989121234567", "c": "+380444567000"}
    for name, phone in people.items():
        tags = ["vip"] if name == "a" else []
        await shop.put(name=name, addresses=[{"kind": "phone", "value": phone}], tags=tags)
    await shop.put(name="d", external_id="567000")
    for query, found in ENDINGS:
        page = await shop.owner.get(f"/contacts?{quote(query, safe='=&')}")
        assert [name for name in (*people, "d") if f">{name}</" in page.text] == found, query
        assert ("last four digits" in page.words) == (not found)


async def test_those_who_are_listed_are_taken_out(shop: Shop) -> None:
    made = await shop.put(name="محمد علی\u200cپور", addresses=[{"kind": "phone", "value": "+989121234567"}])
    await shop.put(name="علی", addresses=[{"kind": "phone", "value": "+989121234568"}])
    for text in ("علیپور", "4567"):
        sought = Sought(text=text)
        asked = await shop.house.ground.db.read(finding.audience_of, shop.client.workspace_id, sought, 0)
        assert asked == Audience(contacts=(made,)), text
    for text in ("4599", "علیرضا"):
        sought = Sought(text=text)
        asked = await shop.house.ground.db.read(finding.audience_of, shop.client.workspace_id, sought, 0)
        assert asked.rules is not None, "nobody, and not everybody"


@pytest.mark.turns(2, 0)
async def test_digits_in_the_command_bar_lead_to_those_whose_phone_ends_so(shop: Shop) -> None:
    for number in ("+380441234567", "+989121234568"):
        await shop.put(external_id=number[1:], addresses=[{"kind": "phone", "value": number}])
    async with shop.window(Look(language="fa")) as window:
        page = window.page
        await window.open("/contacts")
        await page.keyboard.press("Control+k")
        await page.keyboard.type("۴۵۶۷")
        await page.click("#palette-found a[href='/contacts?q=4567']")
        await page.wait_for_url("**/contacts?q=4567")
        await expect(page.locator("main table tbody tr")).to_have_count(1)
        await page.click("main table tbody a.whole")
        await expect(page.locator("[data-copy='380441234567']")).to_be_visible()  # an id of their own
        assert await window.faults() == []

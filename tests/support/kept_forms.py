"""Forms of the console in which people write for long, and what they write into each."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, expect

from angarium.accounts.roles import Role
from support.databases import bring_up
from support.people import PASSWORD, Surfer, joined, surfer_of
from support.screen import chromium
from support.server import CASCADE, LINE, TARIFF, Client, member, whole_house

EMAIL = "anna@shop.example"
SMS = {
    "name": "sms",
    "channel": "smpp",
    "settings": {"host": "127.0.0.1", "port": 9, "system_id": "s", "password": "p", "source": "Shop"},
    "classes": ["service", "promotional"],
    "registration": "approved",
}
Typing = Callable[[Page], Awaitable[None]]


@dataclass
class Form:
    """A form: where it is, how somebody writes into it, and what stands in it then."""

    path: str
    typing: Typing
    stands: dict[str, str]
    ticked: tuple[str, ...] = ()
    save: str = ""  # of several, the button; else the first of the form


@dataclass
class Writing:
    """A server with something of everything, and a Chromium for somebody who may do all of it."""

    client: Client
    opened: Browser
    anna: Surfer
    made: dict[str, str] = field(default_factory=dict)  # ids

    async def make(self, path: str, body: object) -> str:
        """Something over the API; its id."""
        made = await self.client.ask("POST", f"/v1/{path}", body)
        assert made.status < 300, made.json
        return str(made.json["id"])


@pytest.fixture
async def writing(tmp_path: Path) -> AsyncIterator[Writing]:
    """Everything on loopback."""
    database_url = f"sqlite:///{tmp_path}/angarium.db"
    await bring_up(database_url)
    async with whole_house(database_url, tmp_path) as (house, nobody), chromium() as opened:
        client = await member(nobody, house.ground, "shop")
        one = Writing(client, opened, surfer_of(nobody))
        await joined(house, one.anna, client.workspace_id, EMAIL, Role.OWNER)
        for line in (SMS, LINE):
            one.made["line"] = await one.make("lines", line)
        await house.world.lines.reload([client.workspace_id])
        yield one


async def enter(page: Page) -> None:
    """From the entrance, as she who writes."""
    await page.fill("[name=email]", EMAIL)
    await page.fill("[name=password]", PASSWORD)
    async with page.expect_navigation():
        await page.click("form[action='/sign-in'] .btn-primary")


# ── templates ────────────────────────────────────────────────────────────────────────────────────────


async def _template(page: Page) -> None:
    await page.fill("[name=name]", "order-shipped")
    await page.fill("[name='v0.text']", "It is on its way")
    await page.click("button[value=add]")
    await page.select_option("[name='v1.channel']", "viber_business")
    await page.fill("[name='v1.locale']", "fa")
    await page.click("button[value='button:1']")
    await page.fill("[name='v1.b0.label']", "پیگیری")
    await page.fill("[name='v1.text']", "سفارش شما ارسال شد")


async def a_template(_writing: Writing) -> Form:
    """With a wording and a button that were added."""
    stands = {
        "name": "order-shipped",
        "v0.text": "It is on its way",
        "v1.channel": "viber_business",
        "v1.locale": "fa",
        "v1.b0.label": "پیگیری",
        "v1.text": "سفارش شما ارسال شد",
    }
    return Form("/templates/new", _template, stands, save="button[value=save]")


async def a_review(writing: Writing) -> Form:
    """Why some wording is sent back."""
    put = await writing.client.ask("PUT", "/v1/policies/approvals", {"rules": [{"approvals": 1}]})
    assert put.status == 200, put.json
    template = await writing.make(
        "templates", {"name": "hours", "variants": [{"content": {"text": "We close at 6"}}]}
    )
    asked = await writing.client.ask("POST", f"/v1/templates/{template}/submit", {})
    assert asked.status == 200, asked.json

    async def typing(page: Page) -> None:
        await page.fill("[name=note]", "It promises too much")

    return Form("/templates/reviews", typing, {"note": "It promises too much"}, save="[value=changes]")


# ── campaigns ────────────────────────────────────────────────────────────────────────────────────────


async def _draft(writing: Writing) -> str:
    sale = {
        "name": "sale",
        "class": "promotional",
        "variants": [{"content": {"text": "{{ what }}: half price. STOP to unsubscribe"}}],
    }
    plain = {**sale, "name": "plain", "variants": [{"content": {"text": "Half price. STOP to unsubscribe"}}]}
    for template in (sale, plain):
        await writing.make("templates", template)
    draft = {"name": "Sale", "audience": {"everybody": True}, "template": "plain", "line": "viber"}
    return "/campaigns/" + await writing.make("campaigns", draft)


async def an_audience(writing: Writing) -> Form:
    """For whom a campaign is."""
    path = await _draft(writing)

    async def typing(page: Page) -> None:
        await page.fill("[name=name]", "Spring sale")
        await page.check("[name=whom][value=tags]")
        await page.fill("[name=tags]", "gold, silver")

    stands = {"name": "Spring sale", "tags": "gold, silver"}
    return Form(f"{path}/audience", typing, stands, ("[name=whom][value=tags]",), "button[value=next]")


async def some_words(writing: Writing) -> Form:
    """What a campaign says; the field of a variable is drawn when its template is chosen."""
    path = await _draft(writing)

    async def typing(page: Page) -> None:
        await page.check("[name=kind][value=one]")
        await page.select_option("[name=template]", "sale")
        await page.select_option("[name=way]", "line:sms")
        await page.fill("[name='variable.what']", "Green tea")

    stands = {"template": "sale", "way": "line:sms", "variable.what": "Green tea"}
    return Form(f"{path}/words", typing, stands, ("[name=kind][value=one]",), "button[value=next]")


async def a_schedule(writing: Writing) -> Form:
    """When a campaign goes."""
    path = await _draft(writing)

    async def typing(page: Page) -> None:
        await page.check("[name=hours]")
        await page.fill("[name=from]", "10:30")
        await page.uncheck("[name=day][value='5']")
        await page.check("[name=pace][value=per_hour]")
        await page.fill("[name=per_hour]", "600")

    ticked = ("[name=hours]", "[name=pace][value=per_hour]", "[name=day][value='4']")
    stands = {"from": "10:30", "per_hour": "600"}
    return Form(f"{path}/schedule", typing, stands, ticked, "button[value=next]")


# ── what is built ────────────────────────────────────────────────────────────────────────────────────


async def _segment(page: Page) -> None:
    await page.fill("[name=name]", "Regulars")
    await page.click("[value='add:r']")
    await page.select_option("[name='r.1:kind']", "tag")
    await page.fill("[name='r.1:tag']", "regular")
    await page.click("[value='group:r']")
    await expect(page.locator("[name='r.2.0:kind']")).to_be_visible()


async def a_segment(_writing: Writing) -> Form:
    """With a rule and a group that were added."""
    stands = {"name": "Regulars", "r.1:kind": "tag", "r.1:tag": "regular", "r.2.0:kind": "property"}
    return Form("/segments/new", _segment, stands, save=".form-end .btn-primary")


async def a_cascade(writing: Writing) -> Form:
    """With a step more, and in another order."""
    cascade = await writing.make("cascades", CASCADE)

    async def typing(page: Page) -> None:
        await page.fill("[name=name]", "quicker")
        await page.click("[value='add:channel:smpp']")
        await page.fill("#wait-b", "7")
        await page.click("#step-b [data-move=up]")
        await expect(page.locator(".step-card").first).to_have_id("step-b")

    stands = {"name": "quicker", "b.way": "channel:smpp", "b.wait": "7", "a.way": "channel:viber_business"}
    return Form(f"/cascades/{cascade}", typing, stands, save="button[value=save]")


async def a_policy(_writing: Writing) -> Form:
    """With a budget more."""

    async def typing(page: Page) -> None:
        await page.click("button[name=add] >> nth=0")
        await page.fill("[name='budgets.0.name']", "Spring")

    return Form("/settings/policies/budgets", typing, {"budgets.0.name": "Spring"}, save="[name=save]")


# ── lines ────────────────────────────────────────────────────────────────────────────────────────────


async def a_line(_writing: Writing) -> Form:
    """A new line; its password is nothing to keep."""

    async def typing(page: Page) -> None:
        await page.fill("[name=name]", "kyivstar")
        await page.fill("[name='settings.host']", "smpp.example")
        await page.fill("[name='settings.system_id']", "shop")
        await page.fill("[name='settings.source']", "Shop")
        await page.fill("[name='settings.password']", "s3cret-marker")

    stands = {"name": "kyivstar", "settings.host": "smpp.example", "settings.password": ""}
    return Form("/lines/new/smpp", typing, stands, save=".form-end .btn-primary")


async def a_tariff(writing: Writing) -> Form:
    """Prices that come in force on a day."""
    tariff = await writing.make("tariffs", TARIFF)

    async def typing(page: Page) -> None:
        await page.fill("[name=csv]", "price\n0.02")

    return Form(
        f"/lines/tariffs/{tariff}", typing, {"csv": "price\n0.02"}, save="[action$='/lists'] .btn-primary"
    )


async def a_contact(_writing: Writing) -> Form:
    """With more addresses than are drawn."""

    async def typing(page: Page) -> None:
        await page.fill("[name=name]", "Olena")
        for row in range(4):
            if not await page.locator(f"[name=value-{row}]").count():
                async with page.expect_navigation():
                    await page.click("[name=more]")
            await page.fill(f"[name=value-{row}]", f"+38044123456{row}")

    stands = {"name": "Olena", **{f"value-{row}": f"+38044123456{row}" for row in range(4)}}
    return Form("/contacts/new", typing, stands, save=".form-end .btn-primary")


FORMS = (
    a_template,
    a_review,
    an_audience,
    some_words,
    a_schedule,
    a_segment,
    a_cascade,
    a_policy,
    a_line,
    a_tariff,
    a_contact,
)

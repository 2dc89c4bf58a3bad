"""What was said to providers, on the page of a message; and switching it on, on the page of a line."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from playwright.async_api import expect

from angarium.accounts.flows import create_workspace
from angarium.accounts.roles import Role
from angarium.assembly import House
from angarium.core import ids
from angarium.core.ports import Accepted, Exchange, Outcome, Raw, Said, Unknown
from angarium.core.values import Reason
from angarium.lines.store import Line
from angarium.messaging import claiming, receive, reconcile, send
from angarium.messaging.send import Ended
from angarium.storage.migrate import migrate
from support.people import Surfer, joined, surfer_of
from support.relay import refused
from support.screen import Look, Screen, chromium, screen
from support.server import Client, key_for, whole_house

pytestmark = pytest.mark.browser

SECRET = "k-very-secret"
HOSTILE = "<script>document.title='owned'</script><img src=x onerror=\"boom()\">\u202e</pre><h1>x</h1>"
LOOKS = (Look(), Look("fa", "dark", 360))


class Tape:
    """A request with the line's key in it, and an answer with hostile words."""

    def exchanges(self) -> list[Exchange]:
        asked = Said(
            "POST https://api.example/send-viber",
            (("Authorization", f"Basic {SECRET}"), ("Content-Type", "application/json")),
            body=msgspec.json.encode({"text": HOSTILE, "api_key": SECRET}),
        )
        answer = Said("HTTP 400", (("x-note", HOSTILE),), body=HOSTILE.encode() + b"\x00\xff" + b"y" * 20_000)
        return [Exchange("http", asked, answer, 1.0, 1.048)]


class Shop:
    """A house with one line, its owner, and people who may see less."""

    def __init__(self, house: House, client: Client, line: Line) -> None:
        self.house, self.client, self.line = house, client, line
        self.line_id = ids.show("line", line.id)
        self.owner, self.reader = surfer_of(client), surfer_of(client)

    async def end(self, outcome: Outcome, **given: str) -> str:
        """A message that ends so; the path of its page."""
        body = {"to": {"phone": "+380441234567"}, "class": "service", "text": "Hi", "line": "viber", **given}
        sent = await self.client.ask("POST", "/v1/messages", body)
        assert sent.status == 202, sent
        claimed = (await claiming.claim(self.house.world, self.line, 1, 100)).attempts
        await send.record(self.house.world, [Ended(one, outcome, 0.0, Tape()) for one in claimed])
        return f"/messages/{sent.json['id']}"

    async def hear(self, ref: str) -> None:
        """The provider reports, with hostile words."""
        body = msgspec.json.encode(
            [{"message_id": ref, "status": 1, "note": HOSTILE}, {"message_id": "other"}]
        )
        entry = receive.entry(self.house.world, self.line, Raw(body, {"x-key": SECRET}))
        await receive.journal(self.house.world, [entry])
        await receive.work_through(self.house.world, [entry])


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[Shop]:
    """A server with a line."""
    url = f"sqlite:///{tmp_path}/angarium.db"
    await migrate(url)
    async with whole_house(url, tmp_path) as (house, nobody):
        workspace = await create_workspace(house.ground, "shop")
        client = nobody.with_key(await key_for(house.ground, workspace.id), workspace.id)
        described = {
            "name": "viber",
            "channel": "viber_business",
            "settings": {"api_key": SECRET, "sender": "Shop"},
            "classes": ["service", "otp"],
            "registration": "approved",
        }
        assert (await client.ask("POST", "/v1/lines", described)).status == 201
        await house.world.lines.reload([workspace.id])
        (line,) = house.world.lines.of(workspace.id)
        await reconcile.take_over(house.world, line, 1)
        made = Shop(house, client, line)
        await joined(house, made.owner, workspace.id, "olena@shop.example")
        await joined(house, made.reader, workspace.id, "reader@shop.example", Role.READ_ONLY)
        yield made


def cookie_of(surfer: Surfer) -> str:
    """The session of somebody, as a browser is given it."""
    return next(f"{name}={value}" for name, value in surfer.cookies.items() if name.endswith("session"))


async def opened(window: Screen) -> str:
    """What is said in the blocks, once all of them are unfolded by the keyboard."""
    for at in range(await window.page.locator(".wires summary").count()):
        await window.page.locator(".wires summary").nth(at).focus()
        await window.page.keyboard.press("Enter")
    await expect(window.page.locator(".wires details:not([open])")).to_have_count(0)
    return "\n".join(await window.page.locator(".wires pre").all_inner_texts())


@pytest.mark.turns(2, 0)
async def test_the_page_of_a_message_shows_it_as_text_in_every_look(shop: Shop) -> None:
    refused_page = await shop.end(refused(Reason.CONFIG, code="400"))
    delivered = await shop.end(Accepted(("4291",)), label="line-test")
    await shop.hear("4291")
    async with chromium() as browser:
        for look in LOOKS:
            async with screen(browser, shop.client.url, cookie_of(shop.owner), look) as window:
                for path, blocks in ((refused_page, 1), (delivered, 2)):
                    await window.open(path)
                    await expect(window.page.locator(".wires details")).to_have_count(blocks)
                    words = await opened(window)
                    assert "POST https://api.example/send-viber" in words
                    assert "Authorization: Basic ••••••" in words
                    assert SECRET not in await window.page.content()
                    assert HOSTILE[:40] in words
                    assert "\u202e" not in words
                    assert "\\u202e" in words
                    assert await window.page.title() != "owned"
                    assert await window.page.locator(".wires h1").count() == 0
                    assert {
                        await one.get_attribute("dir") for one in await window.page.locator("pre").all()
                    } == {"ltr"}
                    assert await window.faults() == []


@pytest.mark.turns(2, 1)
async def test_what_is_unfolded_stays_so_when_the_page_renews_itself(shop: Shop) -> None:
    path = await shop.end(Accepted(("4292",)), label="line-test")
    async with (
        chromium() as browser,
        screen(browser, shop.client.url, cookie_of(shop.owner), Look()) as window,
    ):
        await window.open(path)
        await opened(window)
        await shop.hear("4292")
        await expect(window.page.locator(".wires details")).to_have_count(2)
        await expect(window.page.locator(".wires details[open]")).to_have_count(1)
        assert await window.faults() == []


async def test_a_code_is_never_among_it_and_what_is_not_recorded_says_how(shop: Shop) -> None:
    code = await shop.owner.get(
        await shop.end(Unknown("?"), **{"class": "otp", "text": "Your code is 493021"})
    )
    assert code.says("because it carried a code")
    assert "493021" not in code.text
    quiet = await shop.owner.get(await shop.end(Accepted(("1",))))
    assert quiet.says("Nothing was recorded")
    assert f"/lines/{shop.line_id}#recording" in quiet.text
    persian = await shop.owner.get(f"/lines/{shop.line_id}")
    assert persian.says("For an hour")


@pytest.mark.turns(2, 1)
async def test_recording_is_switched_on_and_off_by_those_who_may(shop: Shop) -> None:
    path = f"/lines/{shop.line_id}"
    for look in LOOKS:
        async with (
            chromium() as browser,
            screen(browser, shop.client.url, cookie_of(shop.owner), look) as window,
        ):
            await window.open(path)
            button = window.page.locator("#recording button").first
            await button.focus()
            await window.page.keyboard.press("Enter")
            await window.page.wait_for_url("**?done=recorded#recording")
            await expect(window.page.locator("#recording .tone.on")).to_have_count(1)
            assert await window.faults() == []
            assert shop.house.world.lines.every()[0].recorded_until > shop.house.ground.clock.now()
            await window.page.locator("#recording button").click()
            await window.page.wait_for_url("**?done=unrecorded#recording")
            assert shop.house.world.lines.every()[0].recorded_until == 0
    assert (await shop.owner.do(f"{path}/recording", hours="7")).status == 422
    assert (await shop.reader.do(f"{path}/recording", hours="1")).status == 403
    assert f"{path}/recording" not in (await shop.reader.get(path)).text
    without = await shop.client.ask(
        "POST", f"{path}/recording", data=b"hours=1", Content_Type="application/x-www-form-urlencoded"
    )
    assert without.status in (401, 403)  # no session, no token

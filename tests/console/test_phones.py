"""From a new server to a phone that rings and answers: over simulated operators, by mouse and by keyboard."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest

from angarium.accounts import setup
from angarium.accounts import store as accounts
from angarium.accounts.roles import Role
from angarium.sandbox import pages
from support.fresh import NUMBER, SEEN, Fresh, heard
from support.people import PASSWORD, Surfer, joined, surfer_of
from support.running import until
from support.screen import chromium, screen

pytestmark = pytest.mark.browser


@pytest.mark.turns(2, 1)
async def test_from_a_new_server_to_an_answer_from_a_phone(fresh: Fresh) -> None:
    link = await setup.link(fresh.house.ground, fresh.client.url)
    async with chromium() as browser, screen(browser, fresh.client.url) as window:
        page = window.page
        await window.open("/")
        await page.wait_for_url("**/setup")
        await page.goto(link)
        await page.fill("[name=name]", "Olena")
        await page.fill("[name=email]", "olena@shop.example")
        await page.fill("[name=password]", PASSWORD)
        await page.fill("[name=workspace]", "Чайхана")
        await page.select_option("[name=time_zone]", "Europe/Kyiv")
        assert await window.faults() == []
        await page.click(".setup-form .btn-primary")
        await page.wait_for_url("**/setup/line")
        assert await window.faults() == []
        await page.click("text=Use the sandbox")
        await page.wait_for_url("**/setup/message")
        assert await window.faults() == []
        await page.click("text=Send it")
        await page.wait_for_url("**/setup/phone?*")
        await page.wait_for_selector(".rung:not(.unseen)")
        await window.says("Your order is on its way", ".handset")
        assert await window.faults() == []
        # not on VK: the next one comes by Viber, and by SMS when the person is not there either
        await page.goto(f"{fresh.client.url}/phones/{NUMBER}")
        for channel in ("VK", "Viber"):
            await page.click(f"text=Not on {channel}")
            await page.wait_for_selector(f"text=On {channel} again")
        await page.goto(f"{fresh.client.url}/setup/message")
        await page.focus("[name=text]")
        await page.keyboard.press("Tab")
        await page.keyboard.press("Enter")
        await page.wait_for_url("**/setup/phone?*")
        await page.wait_for_selector(".rung[data-channel=smpp]:not(.unseen)")
        await page.goto(f"{fresh.client.url}/phones/{NUMBER}")
        await page.fill(".rung[data-channel=smpp] [name=text]", "Дякую!")
        await page.keyboard.press("Enter")
        await page.wait_for_selector(".rung.own")
        assert await window.faults() == []
    texts = fresh.faces["smpp"].ledger.entries  # on a slow machine the first came by the last step as well
    assert {one.recipient for one in texts} == {NUMBER}
    await until(lambda: heard(fresh))
    assert await heard(fresh) == [(NUMBER, "Дякую!")]
    (workspace,) = await fresh.house.ground.db.read(accounts.workspaces)
    assert (workspace.name, workspace.time_zone) == ("Чайхана", "Europe/Kyiv")
    again = await surfer_of(fresh.client).get(urlsplit(link).path)
    assert (again.status, again.location) == (303, "/enter")


async def test_whatsapp_answers_a_phone_is_off_and_nobody_plays_who_may_only_look(fresh: Fresh) -> None:
    owner, reader = surfer_of(fresh.client), surfer_of(fresh.client)
    link = await setup.link(fresh.house.ground, "")
    said = {"name": "Olena", "email": "o@shop.example", "password": PASSWORD, "workspace": "shop"}
    wrong = await owner.post("/setup", {**said, "proof": "0" * 40, "time_zone": "UTC"})
    assert (wrong.status, await fresh.house.ground.db.read(setup.is_new)) == (422, True)
    proof = link.partition("=")[2]
    assert (await owner.post("/setup", {**said, "proof": proof, "time_zone": "UTC"})).status == 303
    (workspace,) = await fresh.house.ground.db.read(accounts.workspaces)
    await joined(fresh.house, reader, workspace.id, "reader@shop.example", Role.READ_ONLY)
    assert (await owner.do("/setup/line")).status == 303
    path = f"/phones/{NUMBER}"
    await owner.do(f"{path}/play", what="power")
    assert fresh.stage.is_off(NUMBER)
    lines = {line.name: line for line in fresh.house.world.lines.of(workspace.id)}
    await until(lambda: len(fresh.house.world.connected) == len(SEEN))
    lines = {line.name: line for line in fresh.house.world.lines.of(workspace.id)}
    assert set(lines) == {
        f"sandbox-{name}" for name in ("sms", "viber", "vk", "whatsapp", "telegram", "mail")
    }
    sent = await owner.call(
        "POST",
        "/v1/messages",
        {"to": {"phone": NUMBER}, "class": "service", "text": "<b>Hi</b>", "line": "sandbox-whatsapp"},
    )
    assert sent.status == 202, sent
    ledger = fresh.faces["whatsapp"].ledger
    await until(lambda: bool(ledger.entries and ledger.entries[0].statuses))
    assert not ledger.entries[0].seen()
    await owner.do(f"{path}/play", what="power")
    await until(ledger.entries[0].seen)
    shown = await owner.get(path)
    assert "<b>Hi</b>" not in shown.text
    assert shown.says("<b>Hi</b>")
    fields = {"face": "whatsapp", "number": "0", "text": "STOP"}
    assert (await reader.do(f"{path}/answer", **fields)).status == 403
    assert (await reader.do(f"{path}/play", what="power")).status == 403
    assert "/play" not in (await reader.get(path)).text
    assert (await owner.do(f"{path}/answer", **fields)).status == 303
    await until(lambda: heard(fresh))
    assert await heard(fresh) == [(NUMBER, "STOP")]
    await _by_telegram(fresh, owner)
    assert (await owner.get("/phones/..%2f..%2fscript")).status == 404
    assert (await owner.do(f"{path}/answer", face="viber", number="0", text="x")).status == 404
    said = {"to": {"phone": NUMBER}, "class": "service", "text": "Hello", "line": "sandbox-viber"}
    assert (await owner.call("POST", "/v1/messages", said)).status == 202
    viber = fresh.faces["gms"].ledger
    await until(lambda: bool(viber.entries and viber.entries[0].seen()))
    assert (await owner.do(f"{path}/answer", face="gms", number="0", text="Дякую")).status == 303
    await until(lambda: _said(fresh, (NUMBER, "Дякую")))


async def _by_telegram(fresh: Fresh, owner: Surfer) -> None:
    """A chat whose number is that of the phone rings on it, and answers."""
    chat = NUMBER.removeprefix("+")
    person = {"external_id": "chat", "addresses": [{"kind": "telegram", "value": chat}]}
    assert (await owner.call("POST", "/v1/contacts", person)).status == 200
    told = {"to": {"external_id": "chat"}, "class": "service", "text": "Hello", "line": "sandbox-telegram"}
    assert (await owner.call("POST", "/v1/messages", told)).status == 202
    ledger = fresh.faces["telegram"].ledger
    await until(lambda: bool(ledger.entries and ledger.entries[0].seen()))
    fields = {"face": "telegram", "number": "0", "text": "Hello yourself"}
    assert (await owner.do(f"/phones/{NUMBER}/answer", **fields)).status == 303
    await until(lambda: _said(fresh, (chat, "Hello yourself")))


async def _said(fresh: Fresh, said: tuple[str, str]) -> bool:
    return said in await heard(fresh)


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("no link", [("no link", "")]),
        ("a http://b.example.", [("a ", ""), ("http://b.example", "http://b.example"), (".", "")]),
        ("javascript:alert(1)", [("javascript:alert(1)", "")]),
    ],
)
def test_pieces_of_a_text(text: str, pieces: list[tuple[str, str]]) -> None:
    assert pages.pieces_of(text) == pieces

"""What came of a campaign in the console: its report, who got what, files of them, the list it stands in."""

from __future__ import annotations

import re

import msgspec
import pytest
from playwright.async_api import expect

from angarium.campaigns.before_api import TEST_MAX
from angarium.contacts import named
from angarium.core import ids
from angarium.messaging import erasing
from angarium.web.look import LANGUAGE
from support.campaign_shop import Shop, cookie_of
from support.screen import chromium, screen

pytestmark = pytest.mark.browser


async def test_recipients_their_file_and_a_campaign_to_those_not_reached(shop: Shop) -> None:
    path = await shop.draft(name="Sale: نوروز", audience={"tags": ["gold"]})
    assert (await shop.marketer.do(f"{path}/start")).status == 303
    await shop.run()
    everybody = await shop.marketer.get(f"{path}/recipients")
    assert everybody.text.count("<tr>") == 5
    assert "Nobody here" in (await shop.marketer.get(f"{path}/recipients?state=failed")).words
    asked = await shop.marketer.do(f"{path}/export", format="csv")
    assert "The file is being written" in (await shop.marketer.get(asked.location)).words
    await shop.house.exporter.start()
    try:
        await until_written(shop, asked.location)
    finally:
        await shop.house.exporter.stop()
    fetch = next(
        href for href in (await shop.marketer.get(asked.location)).values("href") if href.endswith("/file")
    )
    file = await shop.marketer.get(fetch)
    plain, exact = 'filename="Sale_ _____.csv"', "filename*=UTF-8''Sale_%20%D9%86%D9%88%D8%B1%D9%88%D8%B2.csv"
    assert file.headers["content-disposition"] == f"attachment; {plain}; {exact}"
    assert [row.split(",")[2] for row in file.text.splitlines()[1:]] == ["N1", "N3", "N5", "N7"]
    assert f"{path}/resend" not in (await shop.marketer.get(path)).text, "nobody was not reached"
    slow = await shop.draft(name="Slow", audience={"tags": ["gold"]}, schedule={"per_hour": 60})
    for deed in ("start", "stop"):
        await shop.marketer.do(f"{slow}/{deed}")
        await shop.run()
    assert f"{slow}/resend" in (await shop.marketer.get(slow)).text, "what was queued is cancelled"
    shop.marketer.cookies[LANGUAGE] = "fa"
    marks = (await shop.marketer.get(slow)).values("value")
    assert (await shop.marketer.get(f"{slow}/recipients")).hidden("right_to_left") == "on"
    del shop.marketer.cookies[LANGUAGE]
    assert {"رونوشت", "دوباره"} <= set(marks)
    assert "who had not been told yet" in (await shop.marketer.get(slow)).words
    await shop.marketer.do(f"{slow}/resend", stopped="on")
    chosen = (await shop.newest())[1].of_campaign
    assert chosen is not None
    assert chosen.states == ("failed", "expired", "cancelled", "stopped")
    again = await shop.marketer.do(f"{path}/resend", mark="دوباره")
    assert again.location.endswith("/audience?done=copied")
    _, given = await shop.newest()
    assert given.name == "Sale: نوروز (دوباره)"
    assert given.of_campaign is not None
    assert given.of_campaign.campaign == path.rpartition("/")[2]
    kept = await shop.marketer.do(again.location.partition("?")[0], name="Sale (again)", whom="kept")
    assert kept.status == 303
    assert (await shop.newest())[1].of_campaign == given.of_campaign
    await watch_to_the_end(shop)


async def test_the_report_says_that_somebody_was_erased_since(shop: Shop) -> None:
    path = await shop.draft(name="Sale", audience={"tags": ["gold"]})
    assert (await shop.marketer.do(f"{path}/start")).status == 303
    await shop.run()
    listed = await shop.marketer.get(f"{path}/recipients")
    contact = next(href for href in listed.values("href") if href.startswith("/contacts/con_"))
    gone = ids.read("contact", contact.rpartition("/")[2])
    await erasing.erase(shop.house.world, shop.client.workspace_id, gone, "key_owner")
    said = (await shop.marketer.get(path)).words
    assert "1 person who is counted here has been erased since" in " ".join(said.split())
    assert "Clicks are not counted here" in said
    assert "No channel of these" not in said, "nothing has gone out yet"
    assert (await shop.marketer.get(f"{path}/recipients")).text.count("<tr>") == 4


async def watch_to_the_end(shop: Shop) -> None:
    """A report that follows what happens is drawn anew as a whole when it is over."""
    path = await shop.draft(audience={"tags": ["nobody"]})
    await shop.marketer.do(f"{path}/start")
    assert "hx-reselect" not in (await shop.marketer.get(path, hx_request="true")).headers
    await shop.run()
    ended = await shop.marketer.get(f"{path}?done=started", hx_request="true")
    assert ended.headers["hx-retarget"] == ended.headers["hx-reselect"] == "#report"
    assert "hx-reselect" not in (await shop.marketer.get(path)).headers


@pytest.mark.turns(2, 1)
async def test_the_report_of_one_that_is_stopped_follows_until_nobody_waits(shop: Shop) -> None:
    path = await shop.draft(audience={"tags": ["gold"]}, schedule={"per_hour": 60})
    for deed in ("start", "stop"):
        await shop.marketer.do(f"{path}/{deed}")
        stopped = await shop.marketer.get(path, hx_request="true")
        await shop.run()
    assert re.search(r'hx-trigger="live, every \d+s"', stopped.text)
    assert "hx-reselect" not in stopped.headers
    async with chromium() as browser, screen(browser, shop.client.url, cookie_of(shop.marketer)) as window:
        await window.open(path)
        await expect(window.page.locator(".legend")).to_contain_text("0 wait")
        await expect(window.page.locator(f"form[action='{path}/resend']")).to_be_visible()


async def test_a_count_that_is_not_of_now_is_asked_for_again(shop: Shop) -> None:
    """What happened since is told to nobody a second time; and what is told may be lost."""
    path = await shop.draft(audience={"tags": ["gold"]}, schedule={"per_hour": 60})
    await shop.marketer.do(f"{path}/start")
    await shop.run()
    fresh, older = await shop.marketer.get(path), await shop.marketer.get(path)
    assert 'hx-trigger="live, every 10s"' in fresh.text
    (again,) = re.findall(r'hx-trigger="live, every (\d+)s"', older.text)
    assert int(again) != 10, "it waits as if the count were of now"
    assert ", every 10s" in (await shop.marketer.get("/campaigns")).text


async def until_written(shop: Shop, where: str) -> None:
    """Look until the page offers the file."""
    for _ in range(200):
        if "Fetch the file" in (await shop.marketer.get(where)).words:
            return
    raise AssertionError("the file is not written")


async def test_a_test_goes_to_oneself(shop: Shop) -> None:
    path = await shop.draft()
    sent = await shop.marketer.do(f"{path}/test", to="+380501234567\nnot a phone")
    assert sent.status == 200
    assert any(href.startswith("/messages/msg_") for href in sent.values("href"))
    assert "not a phone is not a phone number" in " ".join(sent.words.split())
    assert "to.phone" not in sent.words
    of_a_contact = await shop.marketer.do(f"{path}/test", to="050 000 0003")
    assert "+380500000003" in of_a_contact.words
    assert any(href.startswith("/messages/msg_") for href in of_a_contact.values("href"))
    changed = await shop.client.ask("PATCH", "/v1/workspace", {"time_zone": "Asia/Tehran"})
    assert changed.status == 200, changed.json
    at_home = await shop.marketer.do(f"{path}/test", to="۰۹۱۲ ۳۴۵ ۶۷۸۹")
    assert "+989123456789" in at_home.words
    nobody = await shop.marketer.do(f"{path}/test", to="")
    assert nobody.status == 422


async def test_of_a_long_list_only_as_many_are_looked_up_as_a_test_takes(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    async def phone(_tx: object, _workspace_id: int, text: str, _zone: str) -> str:
        asked.append(text)
        return text

    monkeypatch.setattr(named, "phone", phone)
    path = await shop.draft()
    many = await shop.marketer.do(f"{path}/test", to="\n".join(f"0912345{n:04}" for n in range(5_000)))
    assert (many.status, len(asked)) == (422, TEST_MAX + 1)


async def test_a_budget_that_runs_out_is_told_before_and_afterwards(shop: Shop) -> None:
    sale = {"name": "sale", "amount": "0.1", "currency": "EUR", "every": "day"}
    assert (await shop.client.ask("PUT", "/v1/policies/budgets", {"budgets": [sale]})).status == 200
    path = await shop.draft()
    before = await shop.owner.get(f"{path}/forecast")
    assert "The budget sale has €0.10 left until" in before.words
    assert "this may cost €0.32" in before.words
    line = shop.house.world.lines.of(shop.client.workspace_id)[0]
    assert f"The line {line.name} cannot be reached" not in before.words
    shop.house.world.connected[line.id] = False
    assert f"The line {line.name} cannot be reached" in (await shop.owner.get(f"{path}/forecast")).words
    await shop.marketer.do(f"{path}/start", hash=before.hidden("hash"))
    await shop.run()
    page = await shop.owner.get(path)
    assert "a budget of the workspace is spent" in page.words
    assert f"The line {line.name} cannot be reached" in page.words
    assert "/settings/policies/budgets" in page.values("href")
    assert "€0.08 of €0.10" in (await shop.owner.get("/settings/policies/budgets")).words


async def test_the_list_is_found_by_name_and_state(shop: Shop) -> None:
    empty = await shop.marketer.get("/campaigns")
    assert "No campaigns yet" in empty.words
    await shop.draft(name="Весняний розпродаж")
    await shop.draft(name="Autumn")
    found = await shop.marketer.get("/campaigns?text=%D0%92%D0%95%D0%A1%D0%9D%D0%AF%D0%9D")
    assert "Весняний розпродаж" in found.words
    assert "Autumn" not in found.words
    assert "No campaign fits" in (await shop.marketer.get("/campaigns?state=running")).words
    assert "Autumn" in (await shop.marketer.get("/search?q=autu")).words
    kept = msgspec.json.encode({"text": "x" * 301})
    assert (await shop.marketer.get(f"/campaigns?text={kept.decode()}")).status == 422

"""The pages of what nobody knows: what they show, whom they let decide, that they ask first."""

from __future__ import annotations

import pytest

from angarium.accounts import flows
from angarium.core import ids
from angarium.core.values import ReceiptStatus
from support.browsing import Browser, Page
from support.relay import NO_ANSWER, Relay

SCOPES = frozenset({"messages:read", "messages:decide"})


async def silent(relay: Relay) -> str:
    """An offer that was handed over and never answered; its id."""
    if "news" not in relay.lines:
        await relay.line("news", "smpp", classes=("promotional", "service"))
    message = await relay.send(**{"class": "promotional"}, line="news")
    await relay.take("news", NO_ANSWER)
    await relay.wait(90.0)
    return ids.show("message", message)


async def enter(relay: Relay, browser: Browser, scopes: frozenset[str] = SCOPES) -> str:
    """Enter with a key of these scopes; the key."""
    key = await flows.create_key(relay.ground, relay.workspace_id, "desk", scopes)
    browser.keep(await browser.post("/enter", {"key": key, "next": "/unknowns"}))
    return key


async def send_form(browser: Browser, page: Page, path: str, **fields: str) -> Page:
    """A form of this page, with its hidden token."""
    return await browser.post(path, {"token": page.hidden("token"), **fields})


async def test_it_shows_what_is_known_and_what_follows(relay: Relay, inside: Browser) -> None:
    assert (await inside.get("/unknowns")).says("Nothing is unknown")
    await relay.contact(name="<b>Nargis</b>")
    message = await silent(relay)
    await relay.receipt("news", ReceiptStatus.DELIVERED, ref="a")
    page = await inside.get("/unknowns")
    for words in (
        "Nargis",
        "1 min 30 s",
        "handed over on news for step 1, Nov 24, 2025, 16:00:00",
        "no answer within 10 s",
        "Nothing follows until a person decides.",
        "To decide, enter with a key that has the scope messages:decide.",
    ):
        assert page.says(words), words
    assert "<b>Nargis" not in page.text
    assert f"/messages/{message}" in page.values("href")
    assert "checkbox" not in page.values("type")


async def test_it_is_filtered(relay: Relay, inside: Browser) -> None:
    await silent(relay)
    for query, fits in (
        ("line=news", True),
        ("line=other", False),
        ("class=promotional&line=news", True),
        ("class=otp", False),
        ("age=hour", False),
    ):
        page = await inside.get(f"/unknowns?{query}")
        assert page.says("None fits") is not fits, query
    for query in ("age=week", "class=advert", "colour=red"):
        assert (await inside.get(f"/unknowns?{query}")).status == 422


async def test_a_decision_is_asked_for_again_and_then_made_once(relay: Relay, browser: Browser) -> None:
    await enter(relay, browser)
    first, second = await silent(relay), await silent(relay)
    listed = await browser.get("/unknowns")
    picked = {f"pick.{first}": "on"}
    sure = await send_form(browser, listed, "/unknowns/sure", decision="resend", **picked)
    assert sure.says("Send it again (1)")
    assert sure.says("It cannot be undone.")
    assert await relay.state(ids.read("message", first)) == ("unknown", "no_answer", True), "not yet"
    given = {"decision": "not_sent", "all": "1", "shown": sure.hidden("shown"), "reason": "looked"}
    for _ in range(2):
        done = await send_form(browser, sure, "/unknowns/decide", **given)
        assert done.says("It did not go out (1)")
    assert await relay.state(ids.read("message", first)) == ("failed", "not_sent", True)
    assert await relay.state(ids.read("message", second)) == ("unknown", "no_answer", True)
    told = await browser.get(f"/messages/{first}")
    assert told.says("key desk found out that it had not gone out.")
    assert told.says("looked")


async def test_all_on_the_page_and_what_was_known_meanwhile(relay: Relay, browser: Browser) -> None:
    await enter(relay, browser)
    messages = [await silent(relay) for _ in range(3)]
    listed = await browser.get("/unknowns")
    attempt = (await relay.told(ids.read("message", messages[1])))["attempts"][0]["id"]
    await relay.receipt("news", ReceiptStatus.DELIVERED, client_ref=attempt)
    given = {"decision": "sent", "all": "1", "shown": listed.hidden("shown"), "reason": "r", "by": "Maryam"}
    done = await send_form(browser, listed, "/unknowns/decide", **given)
    assert done.says("It went out (2)")
    assert done.says("Nothing is to be decided The message is delivered.")


async def test_who_may_only_look_cannot_decide(relay: Relay, browser: Browser) -> None:
    await enter(relay, browser, frozenset({"messages:read"}))
    message = await silent(relay)
    page = await browser.get("/unknowns")
    given = {"decision": "sent", f"pick.{message}": "on", "reason": "r"}
    for path in ("/unknowns/sure", "/unknowns/decide"):
        refused = await send_form(browser, page, path, **given)
        assert refused.status == 403
        assert refused.says("messages:decide")
    assert await relay.state(ids.read("message", message)) == ("unknown", "no_answer", True)


async def test_a_key_that_is_revoked_takes_the_right_to_decide_along(relay: Relay, browser: Browser) -> None:
    await enter(relay, browser)
    message = await silent(relay)
    page = await browser.get("/unknowns")
    (key,) = await relay.ground.db.read(flows.store.keys, relay.workspace_id)
    await flows.revoke_key(relay.ground, relay.workspace_id, key.id)
    given = {"decision": "sent", f"pick.{message}": "on", "reason": "r"}
    assert (await send_form(browser, page, "/unknowns/decide", **given)).status in (303, 403)
    assert (await browser.get("/unknowns")).location.startswith("/enter")
    assert await relay.state(ids.read("message", message)) == ("unknown", "no_answer", True)


@pytest.mark.parametrize(
    ("change", "field"),
    [({"decision": "maybe"}, "decision"), ({"reason": " "}, "reason"), ({"all": ""}, "message")],
)
async def test_what_is_missing_is_named(
    relay: Relay, browser: Browser, change: dict[str, str], field: str
) -> None:
    await enter(relay, browser)
    await silent(relay)
    page = await browser.get("/unknowns")
    given = {"decision": "sent", "all": "1", "shown": page.hidden("shown"), "reason": "r", **change}
    answer = await send_form(browser, page, "/unknowns/decide", **given)
    assert answer.status == 422
    assert answer.says(field)

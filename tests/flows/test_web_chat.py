"""The web chat over real HTTP: who may come in, what waits for them, what is told, and what is refused."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import aiohttp
import pytest

from angarium.core.clock import MICROS
from angarium.doors.webchat import room as rooms
from angarium.doors.webchat import store
from angarium.doors.webchat.flows import Outbox
from angarium.messaging.store.owners import Fenced
from angarium.protocols.signatures import hmac_sha256
from angarium.storage.database import Database
from support.http_line import submission
from support.running import until
from support.web_chat import ELSEWHERE, SECRET, Page, Place, chat_place, events_in

USER = "user:42"


@pytest.fixture
async def place(database: Database) -> AsyncIterator[Place]:
    """A shop with a web chat."""
    async with chat_place(database) as made:
        yield made


async def reads(page: Page, after: int, enough: int) -> list[tuple[int, dict[str, Any]]]:
    """What a page hears that listens from a number on, until it has so many."""
    headers = {"Authorization": f"Bearer {page.token}", "Last-Event-ID": str(after), "Origin": page.origin}
    heard = b""
    where = f"{page.client.url}{page.path}/events"
    async with (
        asyncio.timeout(10),
        aiohttp.ClientSession() as session,
        session.get(where, headers=headers) as answer,
    ):
        assert answer.status == 200
        while len(events_in(heard)) < enough:
            heard += await answer.content.readany()
    return events_in(heard)


async def test_it_waits_for_the_visitor_and_is_delivered_when_they_say_so(place: Place) -> None:
    message = await place.send(USER, "Your order is ready")
    await until(lambda: place.shop.is_in(message, "sent"))
    page = await place.page().open("42")
    assert page.visitor == USER
    [entry] = await page.entries()
    assert (entry["from"], entry["text"], entry["read"]) == ("us", "Your order is ready", False)
    assert await place.shop.is_in(message, "sent"), "to be fetched is not to be seen"
    await page.mark(delivered=entry["number"])
    await until(lambda: place.shop.is_in(message, "delivered"))
    await page.mark(delivered=entry["number"], read=entry["number"])
    await until(lambda: place.shop.is_in(message, "read"))
    assert await place.shop.unread() == []


async def test_what_a_visitor_writes_is_heard_once_and_answered(place: Place) -> None:
    page = await place.page().open(name="Anna")
    assert page.visitor.startswith("visitor:")
    assert await page.say("Where is my order?", "a") == await page.say("Where is my order?", "a")
    await until(lambda: has(place, 1))
    await place.shop.contact(addresses=[{"kind": "web_chat", "value": page.visitor}])
    buttons = [{"label": "Yes", "kind": "reply"}, {"label": "Open", "url": "https://shop.example"}]
    described = {"variants": [{"content": {"text": "Is it 17?", "buttons": buttons}}], "text": None}
    del described["text"]
    message = await place.send(page.visitor, "", **described)
    await until(lambda: place.shop.is_in(message, "sent"))
    _, ours = await page.entries()
    assert [one["label"] for one in ours["buttons"]] == ["Yes", "Open"]
    pressed = await page.ask("POST", "messages", {"id": "b", "answers": ours["number"], "button": 0})
    assert (pressed.status, pressed.json["text"]) == (201, "Yes")
    wrong = await page.ask("POST", "messages", {"id": "c", "answers": ours["number"], "button": 1})
    assert wrong.status == 422
    await until(lambda: has(place, 2))
    assert [(who, text) for who, text, _ in await place.heard()] == [
        (page.visitor, "Where is my order?"),
        (page.visitor, "Yes"),
    ]
    assert (await place.heard())[1][2].startswith("att_"), "it answers our message"
    assert await place.shop.unread() == []


async def has(place: Place, count: int) -> bool:
    return len(await place.heard()) == count


async def test_streams_and_waits_go_on_where_a_page_was(place: Place) -> None:
    page = await place.page().open("42")
    first = await page.say("one")
    listening = asyncio.ensure_future(reads(page, 0, 2))
    waiting = asyncio.ensure_future(page.texts(f"?after={first}&wait=20"))
    await until(lambda: place.room._waiting.get(rooms.topic(place.shop.lines["chat"].id, USER)) == 2)
    await place.send(USER, "two")
    heard = await listening
    assert [one["text"] for _, one in heard] == ["one", "two"]
    assert await waiting == ["two"]
    again = await reads(page, heard[0][0], 1)
    assert [one["text"] for _, one in again] == ["two"]
    await until(lambda: not place.room._waiting)
    assert await page.texts(f"?before={heard[1][0]}") == ["one"]


async def test_two_processes_number_one_conversation(place: Place) -> None:
    line = place.shop.lines["chat"]
    keepers = [Outbox(place.shop.ground).of(line) for _ in range(4)]
    await asyncio.gather(
        *(
            keepers[n % 4](submission(address=USER, client_ref=f"att_{n}", attempt_id=n))
            for n in (*range(40), *range(10))
        )
    )
    page = await place.page().open("42")
    assert [one["number"] for one in await page.entries("?after=0&limit=100")] == list(range(1, 41))


async def test_what_nobody_comes_for_in_time_is_never_shown(place: Place) -> None:
    line = place.shop.lines["chat"]
    keep = Outbox(place.shop.ground).of(line)
    await keep(submission(address=USER, client_ref="att_late", ttl_s=60))
    await keep(submission(address=USER, client_ref="att_here", ttl_s=60))
    page = await place.page().open("42")
    late, here = await page.entries()
    await place.shop.ground.db.run(
        store.mark, line.workspace_id, line.id, ["att_here"], [], place.shop.clock.now()
    )
    later = place.shop.clock.now() + 61 * MICROS
    found = await place.shop.ground.db.read(store.expired, line.workspace_id, line.id, later)
    assert [one.ref for one in found] == ["att_late"]
    left = await place.shop.ground.db.read(store.after, line.workspace_id, line.id, USER, 0, 9, later)
    assert [one.number for one in left] == [here["number"]] != [late["number"]]


async def test_a_cascade_goes_on_when_nobody_comes_and_tells_nobody_twice(place: Place) -> None:
    """With a step that waits as short as the chat can be told, and time that runs as it does."""
    line = place.shop.lines["chat"]
    await place.shop.ground.db.run(
        store.keep,
        line.workspace_id,
        [(line.id, store.Entry(USER, 0, "att_x", False, store.Said("Late"), 1, expires_at=2))],
        1,
    )
    await place.room.tidy()
    page = await place.page().open("42")
    assert await page.entries() == []
    assert await place.shop.ground.db.read(store.by_ref, line.workspace_id, line.id, "att_x") is None
    assert await place.shop.unread() == []


# ── who may not ─────────────────────────────────────────────────────────────────────────────────────


async def test_only_pages_of_the_site_may_ask(place: Place) -> None:
    strange = place.page(origin=ELSEWHERE)
    for method, where in (("POST", "session"), ("OPTIONS", "session"), ("GET", "messages")):
        heard = await strange.ask(method, where)
        assert heard.status == 403, where
    asked = await place.page().ask("OPTIONS", "messages")
    assert (asked.status, asked.headers["access-control-allow-origin"]) == (204, "https://shop.example")
    assert "authorization" in asked.headers["access-control-allow-headers"]
    nobody = await place.page().ask("GET", "messages")
    assert (nobody.status, nobody.headers["access-control-allow-origin"]) == (401, "https://shop.example")
    assert (await place.page(origin="").open()).visitor, "an app names no origin"


async def test_nobody_is_somebody_else(place: Place) -> None:
    page = place.page()
    for given in (
        {"user": "42", "hash": hmac_sha256(SECRET, b"43")},
        {"user": "42", "hash": hmac_sha256("another secret..", b"42")},
        {"user": "42"},
        {"user": "", "hash": hmac_sha256("", b"")},
    ):
        assert (await page.ask("POST", "session", given)).status in (401, 422), given
    mine, other = await place.page().open("42"), await place.page().open()
    await mine.say("a secret of mine")
    assert await other.entries("?after=0") == []
    named, mac = other.token.split(".")
    forged = Page(mine.client, mine.path, token=f"{named}.{'B' if mac[0] == 'A' else 'A'}{mac[1:]}")
    assert (await forged.ask("GET", "messages")).status == 401
    again = await place.page().open(token=other.token)
    assert again.visitor == other.visitor
    with suppress(Fenced):  # the engine may own it already
        await place.shop.line("second", "web_chat", ("service",), settings={"identity_secret": SECRET})
    elsewhere = place.page("second", origin="")
    elsewhere.token = mine.token
    assert (await elsewhere.ask("GET", "messages")).status == 401


async def test_what_is_no_chat_is_not_there(place: Place) -> None:
    page = await place.page().open()
    line = place.shop.lines["chat"]
    for path in (f"/chat/{line.id:x}/{'0' * len(line.callback_token)}", "/chat/1/x", "/chat/zz/x"):
        assert (await Page(page.client, path).ask("POST", "session", {})).status == 404, path
    for body in (
        {"id": "1"},
        {"id": "a/b", "text": "x"},
        {"id": "1", "text": "x" * 10_001},
        [],
        {"id": "1", "text": "a\0"},
    ):
        assert (await page.ask("POST", "messages", body)).status in (400, 422), body
    assert (await page.ask("POST", "messages", {"id": "1", "text": "x" * 70_000})).status == 413
    assert (await page.ask("GET", "events", **{"Last-Event-ID": "x"})).status == 422


async def test_who_asks_too_often_waits(place: Place) -> None:
    page, other = await place.page().open(), await place.page().open()
    said = 0
    while (heard := await page.ask("POST", "messages", {"id": str(said), "text": "again"})).status == 201:
        said += 1
        assert said < 10 * rooms.SAYS_PER_MIN, "nobody is told to wait"
    assert said >= rooms.SAYS_PER_MIN  # and one more for every two seconds that it took
    assert (heard.status, "retry-after" in heard.headers) == (429, True)
    assert await other.say("I have written nothing yet")


async def test_unknown_people_may_be_shut_out(database: Database) -> None:
    async with chat_place(database, anonymous=False) as place:
        assert (await place.page().ask("POST", "session", {})).status == 401
        assert (await place.page().open("42")).visitor == USER

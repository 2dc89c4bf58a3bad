"""Telegram by a bot: its two tables, and how updates come."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest

from angarium.channels import kit
from angarium.channels.telegram_bot import CHANNEL, listen
from angarium.channels.telegram_kit import reason_of, request
from angarium.core.ports import Accepted, Allowance, Inbound, Profile, Raw, Refused, Reply, Tools, Unreadable
from angarium.core.values import Button, ButtonKind, Content, Media, MessageClass, Reason
from angarium.simulators.faces.telegram_bot import OPERATOR, TelegramFace
from angarium.simulators.stage import Stage
from support.http_line import CallbackCase, SendCase, provider, run_send_case, submission, tools, unsure

TOKEN = "110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw"
SETTINGS = {"token": TOKEN, "webhook_secret": "our-word"}
TO = "5550001"
PICTURE = "https://shop.example/a.png"


def taken(message_id: int = 5) -> dict[str, Any]:
    """Telegram's answer to a message that it took."""
    chat = {"id": 5550001, "first_name": "Anna", "type": "private"}
    return {"ok": True, "result": {"message_id": message_id, "date": 1754119029, "chat": chat, "text": "x"}}


def refusal(code: int, description: str, **parameters: int) -> dict[str, Any]:
    """Telegram's error document."""
    said = {"ok": False, "error_code": code, "description": description}
    return said | ({"parameters": parameters} if parameters else {})


BLOCKED = "Forbidden: bot was blocked by the user"
SEND_CASES = [
    SendCase(
        "a text",
        Accepted(("5550001/5",)),
        submission(address=TO),
        request={"chat_id": TO, "text": "Your order is ready"},
        answer=taken(),
    ),
    SendCase(
        "an advertisement makes no sound",
        Accepted(("5550001/5",)),
        submission(address=TO, message_class=MessageClass.PROMOTIONAL),
        request={"chat_id": TO, "text": "Your order is ready", "disable_notification": True},
        answer=taken(),
    ),
    SendCase(
        "a picture, with an address and an answer to press",
        Accepted(("5550001/5",)),
        submission(
            address=TO,
            content=Content(
                text="Look",
                image_url=PICTURE,
                buttons=(Button("Open", "https://shop.example"), Button("Later", kind=ButtonKind.REPLY)),
            ),
        ),
        request={
            "chat_id": TO,
            "photo": PICTURE,
            "caption": "Look",
            "reply_markup": {
                "inline_keyboard": [
                    [{"text": "Open", "url": "https://shop.example"}],
                    [{"text": "Later", "callback_data": "Later"}],
                ]
            },
        },
        answer=taken(),
    ),
    SendCase(
        "blocked", Refused(Reason.BLOCKED_BY_USER, "403", BLOCKED), status=403, answer=refusal(403, BLOCKED)
    ),
    SendCase(
        "too fast",
        Refused(Reason.THROTTLED, "429", "Too Many Requests: retry after 7", retry_after_s=7.0),
        status=429,
        answer=refusal(429, "Too Many Requests: retry after 7", retry_after=7),
    ),
    SendCase(
        "a token that was revoked",
        Refused(Reason.AUTH, "401", "Unauthorized"),
        status=401,
        answer=refusal(401, "Unauthorized"),
    ),
    SendCase(
        "an error nobody told us of",
        Refused(Reason.REJECTED, "400", "Bad Request: ECLIPSE"),
        status=400,
        answer=refusal(400, "Bad Request: ECLIPSE"),
    ),
    SendCase(
        "a breakdown", unsure(refusal(500, "Internal"), 500), status=500, answer=refusal(500, "Internal")
    ),
    SendCase("no message in it", unsure({"ok": True, "result": True}), answer={"ok": True, "result": True}),
]


@pytest.mark.parametrize("case", SEND_CASES, ids=str)
async def test_sending(case: SendCase) -> None:
    for asked in await run_send_case(CHANNEL, SETTINGS, case):
        assert asked.path.startswith(f"/bot{TOKEN}/send")


async def test_the_token_is_in_no_outcome() -> None:
    async with tools("127.0.0.1") as given:
        settings = kit.decode_settings(CHANNEL, {**SETTINGS, "base_url": "http://127.0.0.1:1"})
        outcome = await kit.deliver(given, CHANNEL, settings, submission(address=TO))
    assert TOKEN not in str(outcome)


def test_a_phone_is_asked_for_by_a_keyboard_without_links() -> None:
    settings = kit.decode_settings(CHANNEL, SETTINGS)
    asks, later = Button("My phone", kind=ButtonKind.CONTACT), Button("Later", kind=ButtonKind.REPLY)
    _, made = request(submission(address=TO, content=Content("?", buttons=(asks, later))))
    assert made["reply_markup"] == {
        "keyboard": [[{"text": "My phone", "request_contact": True}], [{"text": "Later"}]],
        "one_time_keyboard": True,
        "resize_keyboard": True,
    }
    beside = Content("?", buttons=(asks, Button("Open", "https://shop.example")))
    assert [one.field for one in CHANNEL.lint(settings, beside)] == ["buttons"]


@pytest.mark.parametrize(
    ("kind", "method", "name"),
    [
        ("image/png", "sendPhoto", "photo"),
        ("audio/mpeg", "sendAudio", "audio"),
        ("video/mp4", "sendVideo", "video"),
        ("application/pdf", "sendDocument", "document"),
    ],
)
def test_each_kind_of_file_has_its_method(kind: str, method: str, name: str) -> None:
    media = Media("media_1", type=kind, size_bytes=9, url="https://me.example/m/1")
    kit.decode_settings(CHANNEL, SETTINGS)
    made = request(submission(address=TO, content=Content(media=media)))
    assert made == (method, {"chat_id": TO, name: "https://me.example/m/1"})


@pytest.mark.parametrize(
    ("code", "description", "reason"),
    [
        (403, BLOCKED, Reason.BLOCKED_BY_USER),
        (403, "Forbidden: user is deactivated", Reason.BAD_ADDRESS),
        (403, "Forbidden: bot can't initiate conversation with a user", Reason.NOT_A_USER),
        (403, "Forbidden: bot was kicked from the group chat", Reason.BLOCKED_BY_USER),
        (400, "Bad Request: chat not found", Reason.BAD_ADDRESS),
        (400, "Bad Request: message is too long", Reason.TOO_LONG),
        (400, "Bad Request: BUTTON_URL_INVALID", Reason.CONTENT_REJECTED),
        (400, "Bad Request: wrong HTTP URL specified", Reason.MEDIA_INVALID),
        (400, "Bad Request: failed to get HTTP URL content", Reason.MEDIA_INVALID),
        (401, "Unauthorized", Reason.AUTH),
        (404, "Not Found", Reason.AUTH),
        (429, "Too Many Requests: retry after 5", Reason.THROTTLED),
        (418, "teapot", Reason.REJECTED),
    ],
)
def test_what_the_words_mean(code: int, description: str, reason: Reason) -> None:
    assert reason_of(code, description) is reason


# ── updates ──────────────────────────────────────────────────────────────────────────────────────────

CHAT = {"id": 5550001, "type": "private", "first_name": "Anna", "last_name": "K"}
GROUP = {"id": -100, "type": "supergroup", "title": "Friends"}
BASE = "https://api.telegram.org"


def update(**what: Any) -> Raw:
    """One update."""
    return Raw(msgspec.json.encode({"update_id": 9, **what}))


def message(chat: dict[str, Any] = CHAT, **more: Any) -> Raw:
    """A message of a person."""
    told = {"message_id": 5, "date": 1754119029, "chat": chat, "from": {"id": 5550001, "is_bot": False}}
    return update(message={**told, **more})


def heard(text: str, **more: Any) -> Inbound:
    """What comes out of it."""
    at = 1754119029_000_000
    usual = Inbound("5550001/5", TO, "110201543", text, at=at, name="Anna K")
    return msgspec.structs.replace(usual, **more)


def parked(detail: str, raw: Raw) -> Unreadable:
    """An update that was not understood."""
    return Unreadable(detail, raw.body.decode())


PRESS = update(
    callback_query={
        "id": "77",
        "from": {"id": 5550001},
        "data": "Later",
        "message": {"message_id": 4, "date": 1, "chat": CHAT},
    }
)
IN_GROUP = message(GROUP, text="hi")
LEFT = {"chat": GROUP, "date": 1, "new_chat_member": {"status": "left"}}
PHONE = {"phone_number": "380501234567", "first_name": "Anna", "user_id": 5550001}
SIZES = [{"file_id": "small"}, {"file_id": "AgACAgIAAxkBAAIB"}]


def switch(status: str) -> Raw:
    """The person stops the bot, or begins again."""
    told = {"chat": CHAT, "date": 1754119029, "new_chat_member": {"user": {"id": 1}, "status": status}}
    return update(my_chat_member=told)


CALLBACK_CASES = [
    CallbackCase("a text", message(text="Hello"), [heard("Hello")]),
    CallbackCase(
        "began by a link", message(text="/start order-17"), [heard("/start order-17", payload="order-17")]
    ),
    CallbackCase("began", message(text="/start"), [heard("/start")]),
    CallbackCase(
        "an answer to ours",
        message(text="Yes", reply_to_message={"message_id": 4, "date": 1, "chat": CHAT}),
        [heard("Yes", context_ref="5550001/4")],
    ),
    CallbackCase(
        "a picture",
        message(photo=SIZES, caption="My phone"),
        [heard("My phone", media_url=f"{BASE}/getFile?file_id=AgACAgIAAxkBAAIB")],
    ),
    CallbackCase(
        "a paper",
        message(document={"file_id": "BQAC", "file_name": "passport.pdf"}),
        [heard("[document] passport.pdf", media_url=f"{BASE}/getFile?file_id=BQAC")],
    ),
    CallbackCase("a file whose id is a trap", message(voice={"file_id": "../me?x="}), [heard("[voice]")]),
    CallbackCase(
        "a place",
        message(location={"latitude": 50.45, "longitude": 30.5}),
        [heard("[location] 50.45 30.5")],
    ),
    CallbackCase(
        "the person's own phone",
        message(contact=PHONE),
        [heard("[contact] 380501234567", payload="+380501234567")],
    ),
    CallbackCase(
        "somebody else's phone",
        message(contact={**PHONE, "user_id": 8}),
        [heard("[contact] 380501234567")],
    ),
    CallbackCase(
        "a pressed button",
        PRESS,
        [heard("Later", ref="press/77", context_ref="5550001/4", payload="Later", at=None)],
    ),
    CallbackCase("stopped", switch("kicked"), [Allowance(TO, False, "update/9", at=1754119029_000_000)]),
    CallbackCase("begun again", switch("member"), [Allowance(TO, True, "update/9", at=1754119029_000_000)]),
    CallbackCase("in a group", IN_GROUP, [parked("a message in a supergroup", IN_GROUP)]),
    CallbackCase(
        "thrown out of a group",
        update(my_chat_member=LEFT),
        [parked("a bot that is left in a supergroup", update(my_chat_member=LEFT))],
    ),
    CallbackCase(
        "what nobody asked for",
        update(poll={"id": "1"}),
        [parked("an update that nobody asked for", update(poll={"id": "1"}))],
    ),
    CallbackCase("nonsense", Raw(b"{"), [Unreadable("not an update of Telegram", "{")]),
]


@pytest.mark.parametrize("case", CALLBACK_CASES, ids=str)
def test_updates(case: CallbackCase) -> None:
    assert CHANNEL.parse(kit.decode_settings(CHANNEL, SETTINGS), case.raw) == case.events


@pytest.mark.parametrize(
    ("receive", "word", "good"),
    [
        ("webhook", "our-word", True),
        ("webhook", "another", False),
        ("webhook", "", False),
        ("polling", "our-word", False),
    ],
)
def test_only_our_word_is_believed(receive: str, word: str, good: bool) -> None:
    settings = kit.decode_settings(CHANNEL, {**SETTINGS, "receive": receive})
    assert CHANNEL.genuine(settings, Raw(b"{}", {"x-telegram-bot-api-secret-token": word})) is good
    assert not CHANNEL.genuine(settings, Raw(b"{}"))


def test_a_press_is_answered_in_the_same_breath() -> None:
    settings = kit.decode_settings(CHANNEL, SETTINGS)
    body = '{"method":"answerCallbackQuery","callback_query_id":"77"}'
    assert CHANNEL.reply(settings, PRESS) == Reply(200, body, "application/json")
    assert CHANNEL.reply(settings, message(text="Hello")) == Reply()


# ── asked for ────────────────────────────────────────────────────────────────────────────────────────


class Enough(Exception):
    """All that a test wants to hear."""


@asynccontextmanager
async def bot(**changes: Any) -> AsyncIterator[tuple[Tools, Any, TelegramFace]]:
    """A simulated Telegram, and a line's settings for it."""
    face = TelegramFace(Stage(), 0)
    await face.start()
    try:
        async with tools("127.0.0.1") as given:
            yield given, kit.decode_settings(CHANNEL, {**OPERATOR.settings(face.url()), **changes}), face
    finally:
        await face.stop()


async def test_what_is_asked_for_is_heard_once_and_a_press_is_answered() -> None:
    async with bot(receive="polling") as (given, settings, face):
        await face.send_inbound(TO, "one")
        press = await face.press(TO, f"{TO}/1", "Later")
        await face.send_inbound(TO, "two")
        texts: list[str] = []

        async def hear(raw: Raw) -> None:
            (event,) = CHANNEL.parse(settings, raw)
            assert isinstance(event, Inbound)
            texts.append(event.text)
            if event.text == "two":
                raise Enough

        with pytest.raises(Enough):
            await listen(given, settings, hear)
        assert texts == ["one", "Later", "two"]
        assert face.answered == [press]
        texts.clear()
        with pytest.raises(Enough):  # Telegram was not told: all comes again, and is known by its references
            await listen(given, settings, hear)
        assert texts == ["one", "Later", "two"]


async def test_asking_where_updates_are_posted_says_why_not() -> None:
    async with bot(receive="polling") as (given, settings, face):
        posted = msgspec.structs.replace(settings, receive="webhook")
        assert CHANNEL.attach is not None
        assert await CHANNEL.attach(given, posted, "https://me.example/callbacks/1/x") is None
        assert face._stage.webhooks["telegram"].url == "https://me.example/callbacks/1/x"
        assert isinstance(await CHANNEL.attach(given, settings, "https://me.example"), Refused)
        with pytest.raises(ConnectionError, match="webhook is active"):
            await listen(given, settings, lambda _raw: None)  # type: ignore[arg-type, return-value]


async def test_a_line_that_is_posted_to_does_not_ask() -> None:
    async with provider(200, {"ok": True}, {}) as (url, asked), tools("127.0.0.1") as given:
        settings = kit.decode_settings(CHANNEL, {**SETTINGS, "base_url": url})
        await listen(given, settings, lambda _raw: None)  # type: ignore[arg-type, return-value]
    assert asked == []


async def test_who_the_bot_is() -> None:
    async with bot() as (given, settings, _):
        assert CHANNEL.profile is not None
        told = await CHANNEL.profile(given, settings)
    assert told == Profile("Demo Shop", details={"username": "@demo_shop_bot"})

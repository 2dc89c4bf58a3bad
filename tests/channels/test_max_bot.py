"""MAX by a bot: its two tables, files that are put up first, and how updates come."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from angarium.channels import kit
from angarium.channels.max_bot import CHANNEL, listen, reason_of, request
from angarium.core.ports import (
    Accepted,
    Allowance,
    Event,
    Inbound,
    Profile,
    Raw,
    Refused,
    Tools,
    Unreadable,
)
from angarium.core.values import Button, ButtonKind, Content, Media, MessageClass, Reason
from angarium.simulators.faces.max_bot import OPERATOR, MaxFace
from angarium.simulators.stage import Stage
from support.http_line import CallbackCase, SendCase, run_send_case, submission, tools, unsure

SETTINGS = {"token": "f9LHodD0cOL", "webhook_secret": "our-word"}
TO, PICTURE = "5550001", "https://shop.example/a.png"
ANNA = {"user_id": 5550001, "first_name": "Anna", "last_name": "K", "username": None, "is_bot": False}
PDF = Media("media_1", "application/pdf", 9, "bill.pdf", url="https://me.example/m/1")
TEXT = {"text": "Your order is ready", "attachments": [], "link": None}


def taken(mid: str = "mid.0001") -> dict[str, Any]:
    """MAX's answer to a message that it took."""
    body = {"mid": mid, "seq": 110_000, "text": "x", "attachments": None}
    place = {"chat_id": 77, "chat_type": "dialog", "user_id": 5550001}
    return {"message": {"recipient": place, "timestamp": 1754119029188, "body": body}}


def refusal(code: str, message: str) -> dict[str, str]:
    """MAX's error document."""
    return {"code": code, "message": message}


SUSPENDED = "Key: error.dialog.suspended, args: [228532008,]."
SEND_CASES = [
    SendCase("a text", Accepted(("mid.0001",)), submission(address=TO), request=TEXT, answer=taken()),
    SendCase(
        "an advertisement makes no sound, with marks",
        Accepted(("mid.0001",)),
        submission(address=TO, message_class=MessageClass.PROMOTIONAL),
        {"markup": "markdown"},
        request={**TEXT, "format": "markdown", "notify": False},
        answer=taken(),
    ),
    SendCase(
        "a picture, with an address and an answer to press",
        Accepted(("mid.0001",)),
        submission(
            address=TO,
            content=Content(
                text="Look",
                image_url=PICTURE,
                buttons=(
                    Button("Open", "https://shop.example"),
                    Button("Later", kind=ButtonKind.REPLY),
                    Button("My phone", kind=ButtonKind.CONTACT),
                ),
            ),
        ),
        request={
            "text": "Look",
            "link": None,
            "attachments": [
                {"type": "image", "payload": {"url": PICTURE}},
                {
                    "type": "inline_keyboard",
                    "payload": {
                        "buttons": [
                            [{"type": "link", "text": "Open", "url": "https://shop.example"}],
                            [{"type": "callback", "text": "Later", "payload": "Later"}],
                            [{"type": "request_contact", "text": "My phone"}],
                        ]
                    },
                },
            ],
        },
        answer=taken(),
    ),
    SendCase(
        "stopped",
        Refused(Reason.BLOCKED_BY_USER, "chat.denied", SUSPENDED),
        submission(address=TO),
        status=403,
        answer=refusal("chat.denied", SUSPENDED),
    ),
    SendCase(
        "too fast",
        Refused(Reason.THROTTLED, "too.many.requests", "Slow down", 3.0),
        submission(address=TO),
        status=429,
        answer=refusal("too.many.requests", "Slow down"),
        headers={"Retry-After": "3"},
    ),
    SendCase(
        "an error nobody told us of",
        Refused(Reason.REJECTED, "proto.payload", "Eclipse"),
        submission(address=TO),
        status=400,
        answer=refusal("proto.payload", "Eclipse"),
    ),
    SendCase(
        "a breakdown",
        unsure(refusal("internal", "x"), 500),
        submission(address=TO),
        status=500,
        answer=refusal("internal", "x"),
    ),
    SendCase("no message in it", unsure({}), submission(address=TO), answer={}),
]


@pytest.mark.parametrize("case", SEND_CASES, ids=str)
async def test_sending(case: SendCase) -> None:
    for asked in await run_send_case(CHANNEL, SETTINGS, case):
        assert (asked.path, asked.headers["authorization"]) == (f"/messages?user_id={TO}", "f9LHodD0cOL")


@pytest.mark.parametrize(
    ("status", "code", "message", "reason"),
    [
        (404, "chat.not.found", "dialog.not.found", Reason.NOT_A_USER),
        (403, "chat.denied", "error.dialog.suspended", Reason.BLOCKED_BY_USER),
        (400, "proto.payload", "Unknown recipient", Reason.BAD_ADDRESS),
        (400, "proto.payload", "Missing `token` in video attachment", Reason.MEDIA_INVALID),
        (400, "attachment.not.ready", "not.processed", Reason.TEMPORARY),
        (401, "verify.token", "Invalid access_token", Reason.AUTH),
        (403, "deprecated.token", "use Authorization header", Reason.CONFIG),
        (429, "too.many.requests", "", Reason.THROTTLED),
        (418, "teapot", "", Reason.REJECTED),
    ],
)
def test_what_the_words_mean(status: int, code: str, message: str, reason: Reason) -> None:
    assert reason_of(status, code, message) is reason


def test_no_buttons_beside_a_paper() -> None:
    settings = kit.decode_settings(CHANNEL, SETTINGS)
    content = Content("x", media=PDF, buttons=(Button("Open", "https://shop.example"),))
    assert [one.field for one in CHANNEL.lint(settings, content)] == ["buttons"]
    film = msgspec.structs.replace(content, media=msgspec.structs.replace(PDF, type="video/mp4"))
    assert CHANNEL.lint(settings, film) == ()
    assert request(settings, submission(content=film), "t")["attachments"][0] == {
        "type": "video",
        "payload": {"token": "t"},
    }


# ── updates ──────────────────────────────────────────────────────────────────────────────────────────

AT = 1754119029_188_000


def update(kind: str, **what: Any) -> Raw:
    """One update."""
    return Raw(msgspec.json.encode({"update_type": kind, "timestamp": 1754119029188, **what}))


def message(text: str | None = "Hello", *, chat: str = "dialog", link: Any = None, files: Any = None) -> Raw:
    """A message of a person."""
    body = {"mid": "mid.0005", "seq": 1, "text": text, "attachments": files}
    place = {"chat_id": 77, "chat_type": chat, "user_id": 206631906}
    told = {"sender": ANNA, "recipient": place, "timestamp": 1754119029188, "body": body, "link": link}
    return update("message_created", message=told, user_locale="ru")


def heard(text: str, **more: Any) -> Inbound:
    """What comes out of it."""
    return msgspec.structs.replace(Inbound("mid.0005", TO, "", text, at=AT, name="Anna K"), **more)


def parked(detail: str, raw: Raw) -> Unreadable:
    """An update that was not understood."""
    return Unreadable(detail, raw.body.decode())


CARD = {"vcf_info": "BEGIN:VCARD\r\nVERSION:3.0\r\nTEL;TYPE=cell:79001234567\r\nFN:Anna\r\nEND:VCARD"}
PRESS = update(
    "message_callback",
    callback={"timestamp": 7, "callback_id": "cb.1", "payload": "Later", "user": ANNA},
    message={"recipient": {}, "timestamp": 1, "body": {"mid": "mid.0004", "seq": 1, "text": "x"}},
)
IN_GROUP = message(chat="chat")
RENAMED = update("chat_title_changed", chat_id=1, user=ANNA, title="x")
BEGAN = update("bot_started", chat_id=77, user=ANNA, payload="order-17")
REF = "bot_started/5550001/1754119029188"
CALLBACK_CASES = [
    CallbackCase("a text", message(), [heard("Hello")]),
    CallbackCase(
        "an answer to ours",
        message(link={"type": "reply", "message": {"mid": "mid.0004", "seq": 1, "text": ""}}),
        [heard("Hello", context_ref="mid.0004")],
    ),
    CallbackCase(
        "a picture",
        message(None, files=[{"type": "image", "payload": {"photo_id": 1, "url": PICTURE, "token": "t"}}]),
        [heard("[image]", media_url=PICTURE)],
    ),
    CallbackCase(
        "a paper",
        message("", files=[{"type": "file", "filename": "a.pdf", "size": 1, "payload": {"url": PICTURE}}]),
        [heard("[file] a.pdf", media_url=PICTURE)],
    ),
    CallbackCase(
        "a place",
        message(None, files=[{"type": "location", "latitude": 55.75, "longitude": 37.5}]),
        [heard("[location] 55.75 37.5")],
    ),
    CallbackCase(
        "the person's own phone",
        message(None, files=[{"type": "contact", "payload": {**CARD, "max_info": ANNA}}]),
        [heard("[contact] +79001234567", payload="+79001234567")],
    ),
    CallbackCase(
        "somebody else's phone",
        message(None, files=[{"type": "contact", "payload": {**CARD, "max_info": {"user_id": 8}}}]),
        [heard("[contact] +79001234567")],
    ),
    CallbackCase(
        "a pressed button",
        PRESS,
        [heard("Later", ref="press/cb.1/7", context_ref="mid.0004", payload="Later")],
    ),
    CallbackCase(
        "began by a link",
        BEGAN,
        [Allowance(TO, True, REF, at=AT), heard("[start]", ref=f"{REF}/word", payload="order-17")],
    ),
    CallbackCase(
        "stopped",
        update("bot_stopped", chat_id=77, user=ANNA),
        [Allowance(TO, False, "bot_stopped/5550001/1754119029188", at=AT)],
    ),
    CallbackCase("in a group", IN_GROUP, [parked("a message in a chat", IN_GROUP)]),
    CallbackCase(
        "what nobody asked for",
        RENAMED,
        [parked("an update 'chat_title_changed' that nobody asked for", RENAMED)],
    ),
    CallbackCase("nonsense", Raw(b"{"), [Unreadable("not an update of MAX", "{")]),
]


@pytest.mark.parametrize("case", CALLBACK_CASES, ids=str)
def test_updates(case: CallbackCase) -> None:
    assert CHANNEL.parse(kit.decode_settings(CHANNEL, SETTINGS), case.raw) == case.events


@pytest.mark.parametrize(
    ("receive", "word", "good"),
    [("webhook", "our-word", True), ("webhook", "other", False), ("polling", "our-word", False)],
)
def test_only_our_word_is_believed(receive: str, word: str, good: bool) -> None:
    settings = kit.decode_settings(CHANNEL, {**SETTINGS, "receive": receive})
    assert CHANNEL.genuine(settings, Raw(b"{}", {"x-max-bot-api-secret": word})) is good


# ── with the simulated MAX ───────────────────────────────────────────────────────────────────────────


class Enough(Exception):
    """All that a test wants to hear."""


class Quick:
    """A clock whose pauses are only counted."""

    def __init__(self) -> None:
        self.pauses: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)


@asynccontextmanager
async def bot(**changes: Any) -> AsyncIterator[tuple[Tools, Any, MaxFace]]:
    """A simulated MAX, and a line's settings for it."""
    face = MaxFace(Stage(), 0)
    await face.start()
    try:
        async with tools("127.0.0.1") as given:
            yield given, kit.decode_settings(CHANNEL, {**OPERATOR.settings(face.url()), **changes}), face
    finally:
        await face.stop()


@pytest.mark.parametrize(("kind", "token"), [("application/pdf", "file-1"), ("video/mp4", "video-1")])
async def test_a_file_is_put_up_and_waited_for(kind: str, token: str) -> None:
    async with bot() as (given, settings, face):
        clock = Quick()

        async def read(media: Media) -> bytes | None:
            return b"%PDF-1" if media.id == "media_1" else None

        handed = replace(given, read=read, clock=clock)  # type: ignore[arg-type]  # it sleeps, no more
        media = msgspec.structs.replace(PDF, type=kind)
        told = submission(address=TO, content=Content("Bill", media=media))
        outcome = await kit.deliver(handed, CHANNEL, settings, told)
        assert outcome == Accepted((face.ledger.entries[0].ref,))
        assert (face.files, clock.pauses) == ({token: b"%PDF-1"}, [1.0])
        gone = msgspec.structs.replace(told, content=Content(media=Media("media_2", kind, 1, "x.pdf")))
        refused = await kit.deliver(handed, CHANNEL, settings, gone)
    assert isinstance(refused, Refused)
    assert refused.reason is Reason.MEDIA_INVALID


async def test_what_is_asked_for_is_heard() -> None:
    async with bot(receive="polling") as (given, settings, face):
        found: list[Event] = []

        async def hear(raw: Raw) -> None:
            found.extend(CHANNEL.parse(settings, raw))
            if len(found) == 4:
                raise Enough

        listening = asyncio.ensure_future(listen(given, settings, hear))
        await face.polled.wait()
        await face.begin(TO, "order-17")
        await face.send_inbound(TO, "Hello")
        await face.leave(TO)
        with pytest.raises(Enough):
            await listening
        assert [type(one) for one in found] == [Allowance, Inbound, Inbound, Allowance]


async def test_it_points_max_at_the_line_and_knows_who_it_is() -> None:
    async with bot() as (given, settings, face):
        assert CHANNEL.attach is not None
        assert CHANNEL.profile is not None
        assert await CHANNEL.attach(given, settings, "https://me.example/callbacks/1/x") is None
        assert face._stage.webhooks["max"].secret == settings.webhook_secret
        refused = await CHANNEL.attach(given, settings, "http://me.example/callbacks/1/x")
        assert isinstance(refused, Refused)
        told = await CHANNEL.profile(given, settings)
    assert told == Profile("Demo Shop", details={"username": "@demo_shop_bot"})

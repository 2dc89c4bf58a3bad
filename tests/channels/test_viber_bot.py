"""Viber by a bot: its two tables, and what is asked of Viber beside."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from angarium.channels import kit
from angarium.channels.viber_bot import CHANNEL, ERRORS, request
from angarium.core.ports import (
    Accepted,
    Allowance,
    Inbound,
    Profile,
    Raw,
    Receipt,
    Refused,
    Reply,
    Unreadable,
)
from angarium.core.values import Button, ButtonKind, Content, Media, Reason, ReceiptStatus
from angarium.protocols.signatures import hmac_sha256
from angarium.simulators.faces.viber_bot import OPERATOR, ViberBotFace
from angarium.simulators.stage import Stage
from support.http_line import CallbackCase, SendCase, line, run_send_case, submission, tools, unsure

TOKEN = "445da6az1s345z78-dazcczb2542zv51a-e0vc5fva17480im9"
SETTINGS = {"token": TOKEN, "sender_name": "Shop"}
TO = "xy5/5y6O81+/kbWHpLhBoA=="
PICTURE = "https://shop.example/a.png"
MEDIA = "https://me.example/m/1"
TAKEN = {"status": 0, "status_message": "ok", "message_token": 4987381194038857789}
TOOK = Accepted(("4987381194038857789",))
HEAD = {"receiver": TO, "min_api_version": 1, "sender": {"name": "Shop"}}


def refusal(status: int, word: str) -> dict[str, Any]:
    """Viber's refusal, which is a 200."""
    return {"status": status, "status_message": word}


def key(label: str, kind: str, body: str) -> dict[str, Any]:
    """A button as Viber has it."""
    return {"Columns": 6, "Rows": 1, "Text": label, "ActionType": kind, "ActionBody": body}


BUTTONS = (Button("Open", "https://shop.example"), Button("Later", kind=ButtonKind.REPLY))
SEND_CASES = [
    SendCase(
        "a text",
        TOOK,
        submission(address=TO),
        request={**HEAD, "type": "text", "text": "Your order is ready"},
        answer=TAKEN,
    ),
    SendCase(
        "a picture, with an address and an answer to press",
        TOOK,
        submission(address=TO, content=Content(text="Look", image_url=PICTURE, buttons=BUTTONS)),
        request={
            **HEAD,
            "type": "picture",
            "text": "Look",
            "media": PICTURE,
            "keyboard": {
                "Type": "keyboard",
                "DefaultHeight": False,
                "Buttons": [
                    key("Open", "open-url", "https://shop.example"),
                    key("Later", "reply", "Later"),
                ],
            },
        },
        answer=TAKEN,
    ),
    SendCase(
        "not subscribed",
        Refused(Reason.BLOCKED_BY_USER, "6", "receiverNotSubscribed"),
        answer=refusal(6, "receiverNotSubscribed"),
    ),
    SendCase(
        "too fast",
        Refused(Reason.THROTTLED, "12", "tooManyRequests"),
        answer=refusal(12, "tooManyRequests"),
    ),
    SendCase(
        "an error nobody told us of",
        Refused(Reason.REJECTED, "99", "General error"),
        answer=refusal(99, "General error"),
    ),
    SendCase("no token in it", unsure(refusal(0, "ok")), answer=refusal(0, "ok")),
    SendCase("a breakdown", unsure(TAKEN, 500), status=500, answer=TAKEN),
    SendCase("another shape", unsure({"status": "5"}), answer={"status": "5"}),
]


@pytest.mark.parametrize("case", SEND_CASES, ids=str)
async def test_sending(case: SendCase) -> None:
    for asked in await run_send_case(CHANNEL, SETTINGS, case):
        assert asked.path == "/send_message"
        assert asked.headers["x-viber-auth-token"] == TOKEN


@pytest.mark.parametrize(
    ("kind", "made"),
    [
        ("image/png", {"type": "picture", "text": "", "media": MEDIA}),
        ("video/mp4", {"type": "video", "media": MEDIA, "size": 9}),
        ("application/pdf", {"type": "file", "media": MEDIA, "size": 9, "file_name": "a.pdf"}),
        ("audio/mpeg", {"type": "file", "media": MEDIA, "size": 9, "file_name": "a.pdf"}),
    ],
)
def test_each_kind_of_file_has_its_type(kind: str, made: dict[str, Any]) -> None:
    media = Media("media_1", type=kind, size_bytes=9, name="a.pdf", url=MEDIA)
    settings = kit.decode_settings(CHANNEL, SETTINGS)
    assert request(settings, submission(address=TO, content=Content(media=media))) == {**HEAD, **made}


def test_what_does_not_fit_is_named() -> None:
    paper = Media("media_1", type="application/pdf", size_bytes=9, name="a.pdf", url=MEDIA)
    for content, field in (
        (Content(text="x" * 513, image_url=PICTURE), "text"),
        (Content(text="Look", media=paper), "text"),
        (Content(), "text"),
        (Content(text="x", template="order"), "template"),
        (Content(text="x", buttons=(Button("x" * 251, "https://a.example"),)), "buttons.0.label"),
    ):
        assert field in {one.field for one in CHANNEL.lint(None, content)}, content
    assert CHANNEL.lint(None, Content(media=paper)) == ()


def test_every_documented_error_has_its_reason() -> None:
    assert ERRORS.keys() == set(range(1, 25))
    assert ERRORS[5] is Reason.NOT_A_USER
    assert {ERRORS[23], ERRORS[24]} == {Reason.NO_CREDIT}
    assert {ERRORS[7], ERRORS[8], ERRORS[9]} == {Reason.SENDER_INVALID}
    assert {ERRORS[2], ERRORS[15]} == {Reason.AUTH}


# ── events ───────────────────────────────────────────────────────────────────────────────────────────

AT = 1457764197627
ANNA = {"id": TO, "name": "Anna", "avatar": "http://avatar.example.com", "country": "UK", "api_version": 1}


def event(kind: str, **more: Any) -> Raw:
    """One event."""
    told = {"event": kind, "timestamp": AT, "message_token": 4912661846655238145, **more}
    return Raw(msgspec.json.encode(told))


def heard(text: str, **more: Any) -> Inbound:
    """What comes out of a message."""
    usual = Inbound("4912661846655238145", TO, "", text, at=AT * 1000, name="Anna")
    return msgspec.structs.replace(usual, **more)


def written(**message: Any) -> Raw:
    """A person writes."""
    return event("message", sender=ANNA, message=message)


def receipt(status: ReceiptStatus, **more: Any) -> Receipt:
    """What becomes of ours."""
    return Receipt(status, ref="4912661846655238145", address=TO, at=AT * 1000, **more)


UNHEARD = event("client_status", user=ANNA)
NOBODY = event("message", message={"type": "text", "text": "x"})
CALLBACK_CASES = [
    CallbackCase("a text", written(type="text", text="Hello", tracking_data="t"), [heard("Hello")]),
    CallbackCase(
        "a picture",
        written(type="picture", text="Mine", media="https://media.example/a.jpg"),
        [heard("Mine", media_url="https://media.example/a.jpg")],
    ),
    CallbackCase(
        "a paper",
        written(type="file", media="https://media.example/p", file_name="p.pdf", size=9),
        [heard("[file] p.pdf", media_url="https://media.example/p")],
    ),
    CallbackCase(
        "an address", written(type="url", media="https://a.example"), [heard("[url] https://a.example")]
    ),
    CallbackCase(
        "a place",
        written(type="location", location={"lat": 50.5, "lon": 30.5}),
        [heard("[location] 50.5 30.5")],
    ),
    CallbackCase(
        "a phone",
        written(type="contact", contact={"name": "Bo", "phone_number": "+380501234567"}),
        [heard("[contact] +380501234567")],
    ),
    CallbackCase("a sticker", written(type="sticker", sticker_id=46105), [heard("[sticker] 46105")]),
    CallbackCase(
        "a file whose address is a trap", written(type="video", media="file:///etc"), [heard("[video]")]
    ),
    CallbackCase(
        "opened by a link",
        event("conversation_started", type="open", context="order-17", user=ANNA, subscribed=False),
        [heard("[conversation started]", payload="order-17")],
    ),
    CallbackCase(
        "subscribed",
        event("subscribed", user=ANNA),
        [Allowance(TO, True, "4912661846655238145", at=AT * 1000)],
    ),
    CallbackCase(
        "left",
        event("unsubscribed", user_id=TO),
        [Allowance(TO, False, "4912661846655238145", at=AT * 1000)],
    ),
    CallbackCase("delivered", event("delivered", user_id=TO), [receipt(ReceiptStatus.DELIVERED)]),
    CallbackCase("seen", event("seen", user_id=TO), [receipt(ReceiptStatus.READ)]),
    CallbackCase(
        "failed",
        event("failed", user_id=TO, desc="failure description"),
        [receipt(ReceiptStatus.FAILED, reason=Reason.UNDELIVERED, code="failure description")],
    ),
    CallbackCase("an address is tried", event("webhook"), []),
    CallbackCase(
        "what nobody asked for",
        UNHEARD,
        [Unreadable("event 'client_status' is not in our table", UNHEARD.body.decode())],
    ),
    CallbackCase("nobody", NOBODY, [Unreadable("an event that names nobody", NOBODY.body.decode())]),
    CallbackCase("nonsense", Raw(b"{"), [Unreadable("not an event of Viber", "{")]),
]


@pytest.mark.parametrize("case", CALLBACK_CASES, ids=str)
def test_events(case: CallbackCase) -> None:
    assert CHANNEL.parse(kit.decode_settings(CHANNEL, SETTINGS), case.raw) == case.events


def test_only_what_our_token_signed_is_believed() -> None:
    settings = kit.decode_settings(CHANNEL, SETTINGS)
    body = event("delivered", user_id=TO).body
    for signature, good in (
        (hmac_sha256(TOKEN, body), True),
        (hmac_sha256("other", body), False),
        (hmac_sha256(TOKEN, body + b" "), False),
        ("", False),
    ):
        assert CHANNEL.genuine(settings, Raw(body, {"x-viber-content-signature": signature})) is good


# ── at the simulated Viber ───────────────────────────────────────────────────────────────────────────


async def test_the_whole_way() -> None:
    stage = Stage()
    face = ViberBotFace(stage, 0)
    settings = {name: value for name, value in OPERATOR.settings("").items() if name != "base_url"}
    async with line(stage, face, CHANNEL, settings, secret=TOKEN) as live:
        sent = await live.send("anna00", content=Content(text="Hi", buttons=BUTTONS))
        assert isinstance(sent, Accepted)
        assert isinstance(await live.send("left03"), Refused)
        await face.send_inbound("anna00", "Hello")
        await face.switch("anna00", "unsubscribed")
        await face.begin("anna00", "order-17")
        await live.heard.until(lambda: len(live.heard.events) >= 5)
        told = [
            one.status for one in live.heard.events if isinstance(one, Receipt) and (one.ref,) == sent.refs
        ]
        assert told == [ReceiptStatus.DELIVERED, ReceiptStatus.READ]
        assert [one.payload for one in live.heard.events if isinstance(one, Inbound)] == ["", "order-17"]
        assert [one.allowed for one in live.heard.events if isinstance(one, Allowance)] == [False]
        assert live.heard.forged == 0
        (entry,) = face.ledger.entries
        assert [one["url"] for one in entry.buttons] == ["https://shop.example", ""]
        given = kit.decode_settings(CHANNEL, OPERATOR.settings(face.url()))
        async with tools("127.0.0.1") as hands:
            assert CHANNEL.attach is not None
            assert CHANNEL.profile is not None
            assert await CHANNEL.attach(hands, given, live.callback_url) is None
            wrong = msgspec.structs.replace(given, token="no")
            told_no = await CHANNEL.attach(hands, wrong, live.callback_url)
            assert told_no == Refused(Reason.AUTH, "2", "invalidAuthToken")
            known = await CHANNEL.profile(hands, given)
        details = {
            "uri": "demoshop",
            "country": "UK",
            "webhook": live.callback_url,
            "subscribers_count": "35",
        }
        assert known == Profile("Demo Shop", details=details)


def test_who_opens_the_chat_is_welcomed_in_the_answer() -> None:
    opened = event("conversation_started", type="open", context="", user=ANNA, subscribed=False)
    written = event("message", sender=ANNA, message={"type": "text", "text": "Hello"})
    settings = kit.decode_settings(CHANNEL, {**SETTINGS, "welcome": "Вітаємо!"})
    body = {"sender": {"name": settings.sender_name}, "type": "text", "text": "Вітаємо!"}
    assert msgspec.json.decode(CHANNEL.reply(settings, opened).body) == body
    assert CHANNEL.reply(settings, written) == Reply()
    assert CHANNEL.reply(kit.decode_settings(CHANNEL, SETTINGS), opened) == Reply()

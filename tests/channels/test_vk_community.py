"""VK by a community: its two tables, and how events come."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from angarium.channels import kit
from angarium.channels.vk_community import CHANNEL, ERRORS, form, listen
from angarium.core.ports import (
    Accepted,
    Allowance,
    Inbound,
    Profile,
    Raw,
    Receipt,
    Refused,
    Reply,
    Unknown,
    Unreadable,
)
from angarium.core.values import Button, ButtonKind, Content, Media, Reason, ReceiptStatus
from angarium.simulators.faces.vk_community import OPERATOR, VkCommunityFace
from angarium.simulators.stage import Stage
from support.http_line import CallbackCase, SendCase, provider, run_send_case, submission, tools, unsure

SETTINGS = {"group_id": "77", "access_token": "token", "callback_secret": "our word", "confirmation": "4f1d"}
TO = "5550001"


def refusal(code: int, message: str) -> dict[str, Any]:
    """VK's error document; it comes with HTTP 200."""
    return {"error": {"error_code": code, "error_msg": message, "request_params": []}}


NO_PERMISSION = "Can't send messages for users without permission"
SEND_CASES = [
    SendCase(
        "a text",
        Accepted(("12",)),
        submission(address=TO),
        request={
            "access_token": "token",
            "v": "5.199",
            "peer_id": TO,
            "random_id": "7",
            "message": "Your order is ready",
        },
        answer={"response": 12},
    ),
    SendCase(
        "not allowed",
        Refused(Reason.NOT_A_USER, "901", NO_PERMISSION),
        submission(address=TO),
        answer=refusal(901, NO_PERMISSION),
    ),
    SendCase(
        "too fast",
        Refused(Reason.THROTTLED, "6", "Too many requests per second"),
        submission(address=TO),
        answer=refusal(6, "Too many requests per second"),
    ),
    SendCase(
        "an error of its own: it may have been taken",
        Unknown("10: Internal server error (it may have been taken before it failed)"),
        submission(address=TO),
        answer=refusal(10, "Internal server error"),
    ),
    SendCase(
        "an error nobody told us of",
        Refused(Reason.REJECTED, "4242", "Eclipse"),
        submission(address=TO),
        answer=refusal(4242, "Eclipse"),
    ),
    SendCase("nothing in it", unsure({}), submission(address=TO), answer={}),
]


@pytest.mark.parametrize("case", SEND_CASES, ids=str)
async def test_sending(case: SendCase) -> None:
    for request in await run_send_case(CHANNEL, SETTINGS, case):
        assert request.path == "/method/messages.send"


PNG, PDF = b"\x89PNG\r\n\x1a\n-picture", b"%PDF-1.7 paper"


@pytest.mark.parametrize(
    ("content", "attachment", "file"),
    [
        (Content("Look", media=Media("media_1", "image/png", 9, "a.png")), "photo-211234567_1_k", PNG),
        (Content(media=Media("media_2", "application/pdf", 9, "bill.pdf")), "doc1_1", PDF),
    ],
)
async def test_a_file_is_put_up_first(content: Content, attachment: str, file: bytes) -> None:
    async def read(media: Media) -> bytes | None:
        return {"media_1": PNG, "media_2": PDF}.get(media.id)

    face = VkCommunityFace(Stage(), 0)
    await face.start()
    try:
        async with tools("127.0.0.1") as given:
            handed = replace(given, read=read)
            settings = kit.decode_settings(CHANNEL, OPERATOR.settings(face.url()))
            outcome = await kit.deliver(handed, CHANNEL, settings, submission(address=TO, content=content))
            gone = Content(media=Media("media_3", "image/png", 9, "b.png"))
            refused = await kit.deliver(handed, CHANNEL, settings, submission(address=TO, content=gone))
    finally:
        await face.stop()
    [entry] = face.ledger.entries
    assert outcome == Accepted((entry.ref,))
    assert (entry.text, entry.details, face.files) == (content.text, {"attachment": attachment}, [file])
    assert isinstance(refused, Refused)
    assert refused.reason is Reason.MEDIA_INVALID


async def test_a_picture_that_vk_cannot_read_is_refused_before_anything_is_sent() -> None:
    answers = {"response": {"upload_url": "http://127.0.0.1:1/put"}}
    async with provider(200, answers, {}) as (url, asked), tools("127.0.0.1") as given:
        settings = kit.decode_settings(CHANNEL, {**SETTINGS, "base_url": url})
        content = Content(image_url=f"{url}/a.png")
        outcome = await kit.deliver(given, CHANNEL, settings, submission(address=TO, content=content))
    assert isinstance(outcome, Refused)
    assert outcome.reason is Reason.MEDIA_INVALID
    assert [one.path for one in asked] == ["/a.png"], "what lies there is no picture"


def test_buttons_are_an_inline_keyboard() -> None:
    buttons = (Button("Open", "https://shop.example"), Button("Yes", kind=ButtonKind.REPLY))
    given = form(
        kit.decode_settings(CHANNEL, SETTINGS), submission(address=TO, content=Content("x", buttons=buttons))
    )
    assert msgspec.json.decode(given["keyboard"]) == {
        "inline": True,
        "buttons": [
            [{"action": {"type": "open_link", "label": "Open", "link": "https://shop.example"}}],
            [{"action": {"type": "text", "label": "Yes", "payload": '{"press":"Yes"}'}}],
        ],
    }


def test_the_same_attempt_has_the_same_number_in_31_bits() -> None:
    settings = kit.decode_settings(CHANNEL, SETTINGS)
    numbers = [form(settings, submission(attempt_id=one))["random_id"] for one in (5, 5, 1 << 62 | 9)]
    assert numbers == ["5", "5", "9"]


@pytest.mark.parametrize(
    ("reason", "codes"),
    [
        (Reason.NOT_A_USER, [901, 936]),
        (Reason.BLOCKED_BY_USER, [900, 902]),
        (Reason.BAD_ADDRESS, [18, 113]),
        (Reason.THROTTLED, [6, 9, 940]),
        (Reason.TEMPORARY, [10]),
        (Reason.AUTH, [5, 7, 14]),
        (Reason.TOO_LONG, [914]),
        (Reason.CONTENT_REJECTED, [911]),
        (Reason.CONFIG, [100]),
        (Reason.MEDIA_INVALID, [22, 105, 121, 129]),
    ],
)
def test_what_the_numbers_mean(reason: Reason, codes: list[int]) -> None:
    assert {ERRORS[code] for code in codes} == {reason}


# ── events ───────────────────────────────────────────────────────────────────────────────────────────


def event(kind: str, what: dict[str, Any], **more: Any) -> Raw:
    """One event of the community."""
    told = {
        "type": kind,
        "group_id": 77,
        "event_id": "e1",
        "v": "5.199",
        "secret": "our word",
        "object": what,
    }
    return Raw(msgspec.json.encode({**told, **more}))


def message(**more: Any) -> Raw:
    """A message of a person."""
    usual = {"id": 5, "date": 1754119029, "peer_id": 5550001, "from_id": 5550001, "text": "Hello"}
    return event("message_new", {"message": {**usual, **more}, "client_info": {"keyboard": True}})


def heard(text: str, **more: Any) -> Inbound:
    """What comes out of it."""
    return msgspec.structs.replace(Inbound(f"{TO}/5", TO, "77", text, at=1754119029_000_000), **more)


def parked(detail: str, raw: Raw) -> Unreadable:
    """An event that was not understood."""
    return Unreadable(detail, raw.body.decode())


CHAT, TYPING = message(peer_id=2_000_000_001), event("message_typing_state", {"from_id": 1})
CALLBACK_CASES = [
    CallbackCase("a text", message(), [heard("Hello")]),
    CallbackCase("a button", message(text="Yes", payload='{"press":"Yes"}'), [heard("Yes", payload="Yes")]),
    CallbackCase("began by a link", message(ref="order-17"), [heard("Hello", payload="order-17")]),
    CallbackCase("an answer to ours", message(reply_message={"id": 4}), [heard("Hello", context_ref="4")]),
    CallbackCase(
        "a picture", message(text="", attachments=[{"type": "photo", "photo": {}}]), [heard("[photo]")]
    ),
    CallbackCase("allowed", event("message_allow", {"user_id": 5550001}), [Allowance(TO, True, "e1")]),
    CallbackCase("denied", event("message_deny", {"user_id": 5550001}), [Allowance(TO, False, "e1")]),
    CallbackCase(
        "read",
        event("message_read", {"from_id": 5550001, "peer_id": 5550001, "read_message_id": 12}),
        [Receipt(ReceiptStatus.READ, "12", address=TO, code="message_read")],
    ),
    CallbackCase("in a chat", CHAT, [parked("an event 'message_new' that is not heard", CHAT)]),
    CallbackCase("typing", TYPING, [parked("an event 'message_typing_state' that is not heard", TYPING)]),
    CallbackCase(
        "of another community",
        event("message_allow", {"user_id": 1}, group_id=8),
        [parked("for the community 8, not this line's", event("message_allow", {"user_id": 1}, group_id=8))],
    ),
    CallbackCase("nonsense", Raw(b"{"), [Unreadable("not an event of VK", "{")]),
]


@pytest.mark.parametrize("case", CALLBACK_CASES, ids=str)
def test_events(case: CallbackCase) -> None:
    assert CHANNEL.parse(kit.decode_settings(CHANNEL, SETTINGS), case.raw) == case.events


def test_the_confirmation_and_the_only_answer_that_counts() -> None:
    settings = kit.decode_settings(CHANNEL, SETTINGS)
    assert CHANNEL.challenge(settings, Raw(b'{"type":"confirmation","group_id":77}')) == Reply(200, "4f1d")
    assert CHANNEL.challenge(settings, Raw(b'{"type":"confirmation","group_id":8}')) == Reply(
        403, "another community"
    )
    assert CHANNEL.reply(settings, message()) == Reply(200, "ok")


@pytest.mark.parametrize(
    ("secret", "receive", "good"),
    [("our word", "callback", True), ("another", "callback", False), ("our word", "long_poll", False)],
)
def test_only_our_secret_is_believed(secret: str, receive: str, good: bool) -> None:
    settings = kit.decode_settings(CHANNEL, {**SETTINGS, "receive": receive})
    assert CHANNEL.genuine(settings, event("message_allow", {"user_id": 1}, secret=secret)) is good


class Enough(Exception):
    """All that a test wants to hear."""


async def test_what_is_asked_for_is_heard() -> None:
    face = VkCommunityFace(Stage(), 0)
    await face.start()
    try:
        async with tools("127.0.0.1") as given:
            settings = kit.decode_settings(CHANNEL, {**OPERATOR.settings(face.url()), "receive": "long_poll"})
            found: list[object] = []

            async def hear(raw: Raw) -> None:
                found.extend(CHANNEL.parse(settings, raw))
                if len(found) == 2:
                    raise Enough

            await face.switch(TO, allowed=True)  # before anybody asked: it is not told of
            listening = asyncio.ensure_future(listen(given, settings, hear))
            await face.polled.wait()
            await face.send_inbound(TO, "Hello")
            await face.switch(TO, allowed=False)
            with pytest.raises(Enough):
                await listening
            assert [type(one) for one in found] == [Inbound, Allowance]
    finally:
        await face.stop()


async def test_who_the_community_is() -> None:
    face = VkCommunityFace(Stage(), 0)
    await face.start()
    try:
        async with tools("127.0.0.1") as given:
            assert CHANNEL.profile is not None
            told = await CHANNEL.profile(given, kit.decode_settings(CHANNEL, OPERATOR.settings(face.url())))
    finally:
        await face.stop()
    assert told == Profile("Demo Shop", details={"screen_name": "demo_shop"})

"""Messenger: its two tables, and the window of a day."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from angarium.channels import kit
from angarium.channels.messenger import CHANNEL
from angarium.channels.meta_kit import kind_of
from angarium.core.clock import MICROS
from angarium.core.ports import Accepted, Inbound, Raw, Receipt, Refused, Unreadable, Watermark
from angarium.core.values import Button, ButtonKind, Content, MessageClass, Reason, ReceiptStatus
from angarium.protocols.messenger import Error, reason_of
from support.http_line import CallbackCase, SendCase, run_send_case, submission, unsure

SETTINGS = {
    "page_id": "208",
    "access_token": "token",
    "app_secret": "app-secret",
    "verify_token": "our word",
    "late": "ACCOUNT_UPDATE",
}
TO, PICTURE = "5678", "https://shop.example/a.png"
TAKEN = {"recipient_id": TO, "message_id": "m_A"}
TAGGED = {"messaging_type": "MESSAGE_TAG", "tag": "ACCOUNT_UPDATE"}
LATE = "this person has not written to this line within 24 hours"


def asked(message: dict[str, Any]) -> dict[str, Any]:
    """The whole request for the usual submission."""
    return {"recipient": {"id": TO}, "message": message, **TAGGED}


def refusal(code: int, subcode: int, message: str) -> dict[str, Any]:
    """Meta's error document."""
    return {"error": {"message": message, "type": "OAuthException", "code": code, "error_subcode": subcode}}


def answers(*labels: str) -> tuple[Button, ...]:
    """Buttons that answer."""
    return tuple(Button(label, kind=ButtonKind.REPLY) for label in labels)


OUTSIDE = "(#10) This message is sent outside of allowed window."
SEND_CASES = [
    SendCase(
        "a text",
        Accepted(("m_A",)),
        submission(address=TO),
        request=asked({"text": "Your order is ready"}),
        answer=TAKEN,
    ),
    SendCase(
        "answers to press",
        Accepted(("m_A",)),
        submission(address=TO, content=Content("Come?", buttons=answers("Yes", "No"))),
        request=asked(
            {
                "text": "Come?",
                "quick_replies": [
                    {"content_type": "text", "title": "Yes", "payload": "Yes"},
                    {"content_type": "text", "title": "No", "payload": "No"},
                ],
            }
        ),
        answer=TAKEN,
    ),
    SendCase(
        "a text with an address, a phone and an answer",
        Accepted(("m_A",)),
        submission(
            address=TO,
            content=Content(
                "Ready",
                buttons=(
                    Button("Open", "https://shop.example"),
                    Button("Call", "tel:+380501234567", ButtonKind.CALL),
                    *answers("Later"),
                ),
            ),
        ),
        request=asked(
            {
                "attachment": {
                    "type": "template",
                    "payload": {
                        "template_type": "button",
                        "text": "Ready",
                        "buttons": [
                            {"type": "web_url", "title": "Open", "url": "https://shop.example"},
                            {"type": "phone_number", "title": "Call", "payload": "+380501234567"},
                            {"type": "postback", "title": "Later", "payload": "Later"},
                        ],
                    },
                }
            }
        ),
        answer=TAKEN,
    ),
    SendCase(
        "a picture",
        Accepted(("m_A",)),
        submission(address=TO, content=Content(image_url=PICTURE)),
        request=asked({"attachment": {"type": "image", "payload": {"url": PICTURE, "is_reusable": False}}}),
        answer=TAKEN,
    ),
    SendCase(
        "an advertisement to somebody who has not written",
        Refused(Reason.WINDOW_CLOSED, detail=LATE),
        submission(address=TO, message_class=MessageClass.PROMOTIONAL),
    ),
    SendCase(
        "outside the window, as Meta has it",
        Refused(Reason.WINDOW_CLOSED, "10/2018278", OUTSIDE),
        submission(address=TO),
        status=400,
        answer=refusal(10, 2018278, OUTSIDE),
    ),
    SendCase(
        "a token that ran out",
        Refused(Reason.AUTH, "190/463", "Session has expired"),
        submission(address=TO),
        status=401,
        answer=refusal(190, 463, "Session has expired"),
    ),
    SendCase("no id", unsure({"recipient_id": TO}), submission(address=TO), answer={"recipient_id": TO}),
    SendCase(
        "a breakdown",
        unsure(refusal(2, 0, "x"), 500),
        submission(address=TO),
        status=500,
        answer=refusal(2, 0, "x"),
    ),
]


@pytest.mark.parametrize("case", SEND_CASES, ids=str)
async def test_sending(case: SendCase) -> None:
    for request in await run_send_case(CHANNEL, SETTINGS, case):
        assert request.path == "/v25.0/208/messages"
        assert request.headers["authorization"] == "Bearer token"


HOUR = 3_600
OPEN = {"messaging_type": "RESPONSE"}
AGENT = {"messaging_type": "MESSAGE_TAG", "tag": "HUMAN_AGENT"}


@pytest.mark.parametrize(
    ("late", "hours", "message_class", "goes"),
    [
        ("refuse", 23.9, "promotional", OPEN),
        ("refuse", 24, "service", None),
        ("refuse", None, "service", None),
        ("human_agent", 24, "service", AGENT),
        ("human_agent", 167.9, "service", AGENT),
        ("human_agent", 168, "service", None),
        ("human_agent", 24, "promotional", None),
        ("human_agent", 24, "otp", None),
        ("ACCOUNT_UPDATE", None, "transactional", TAGGED),
        ("ACCOUNT_UPDATE", None, "promotional", None),
    ],
)
def test_the_hour_decides_as_what_it_goes(
    late: str, hours: float | None, message_class: str, goes: dict[str, str] | None
) -> None:
    now = 1_794_000_000 * MICROS
    heard_at = None if hours is None else now - int(hours * HOUR * MICROS)
    asked_for = submission(message_class=MessageClass(message_class), heard_at=heard_at)
    assert kind_of(late, asked_for, now) == (goes or Refused(Reason.WINDOW_CLOSED, detail=LATE))


@pytest.mark.parametrize(
    ("code", "subcode", "reason"),
    [
        (10, 2018278, Reason.WINDOW_CLOSED),
        (10, 2534022, Reason.WINDOW_CLOSED),
        (10, 1893063, Reason.SENDER_INVALID),
        (10, 0, Reason.AUTH),
        (551, 1545041, Reason.BLOCKED_BY_USER),
        (190, 460, Reason.AUTH),
        (613, 0, Reason.THROTTLED),
        (4, 0, Reason.THROTTLED),
        (32, 0, Reason.THROTTLED),
        (100, 2018001, Reason.BAD_ADDRESS),
        (100, 33, Reason.CONFIG),
        (2, 0, Reason.TEMPORARY),
        (777, 0, Reason.REJECTED),
    ],
)
def test_what_the_numbers_mean(code: int, subcode: int, reason: Reason) -> None:
    assert reason_of(Error(code, subcode)) is reason


# ── webhooks: shapes as nyaruka/courier captured them ────────────────────────────────────────────────

AT = 1459991487970
AT_US = AT * 1_000


def webhook(what: dict[str, Any], page: str = "208", thing: str = "page") -> Raw:
    """One item, in Meta's envelope."""
    item = {"sender": {"id": TO}, "recipient": {"id": page}, "timestamp": AT, **what}
    return Raw(
        msgspec.json.encode({"object": thing, "entry": [{"id": page, "time": AT, "messaging": [item]}]})
    )


def heard(text: str, ref: str = "mid.1", **more: Any) -> Inbound:
    """What comes out of it."""
    return msgspec.structs.replace(Inbound(ref, TO, "208", text, at=AT_US), **more)


def parked(detail: str, what: dict[str, Any]) -> Unreadable:
    """An item that was not understood."""
    item = {"sender": {"id": TO}, "recipient": {"id": "208"}, "timestamp": AT, **what}
    return Unreadable(detail, msgspec.json.encode(item).decode())


ECHO = {"message": {"mid": "mid.1", "text": "ours", "is_echo": True}}
STRANGE = {"hologram": {"id": 1}}
CALLBACK_CASES = [
    CallbackCase("a text", webhook({"message": {"mid": "mid.1", "text": "Hi"}}), [heard("Hi")]),
    CallbackCase(
        "an answer that was pressed",
        webhook({"message": {"mid": "mid.1", "text": "Yes", "quick_reply": {"payload": "Yes"}}}),
        [heard("Yes", payload="Yes")],
    ),
    CallbackCase(
        "an answer to ours",
        webhook({"message": {"mid": "mid.1", "text": "Yes", "reply_to": {"mid": "m_A"}}}),
        [heard("Yes", context_ref="m_A")],
    ),
    CallbackCase(
        "a picture",
        webhook(
            {
                "message": {
                    "mid": "mid.1",
                    "attachments": [{"type": "image", "payload": {"url": "https://cdn.example/1.jpg"}}],
                }
            }
        ),
        [heard("[image]", media_url="https://cdn.example/1.jpg")],
    ),
    CallbackCase(
        "a button",
        webhook({"postback": {"title": "Later", "payload": "Later", "mid": "mid.2"}}),
        [heard("Later", "mid.2", payload="Later")],
    ),
    CallbackCase(
        "began by a link",
        webhook({"postback": {"title": "Get Started", "payload": "", "referral": {"ref": "order-17"}}}),
        [heard("Get Started", f"postback/{TO}/{AT}", payload="order-17")],
    ),
    CallbackCase(
        "came again by a link",
        webhook({"referral": {"ref": "order-17", "source": "SHORTLINK"}}),
        [heard("[referral]", f"referral/{TO}/{AT}", payload="order-17")],
    ),
    CallbackCase(
        "a sign",
        webhook({"reaction": {"mid": "m_A", "action": "react", "emoji": "👍"}}),
        [heard("👍", f"reaction/{TO}/{AT}", context_ref="m_A")],
    ),
    CallbackCase(
        "delivered",
        webhook({"delivery": {"mids": ["m_A", "m_B"], "watermark": AT}}),
        [
            Receipt(ReceiptStatus.DELIVERED, "m_A", address=TO, code="delivery", at=AT_US),
            Receipt(ReceiptStatus.DELIVERED, "m_B", address=TO, code="delivery", at=AT_US),
            Watermark(ReceiptStatus.DELIVERED, TO, AT_US),
        ],
    ),
    CallbackCase("read", webhook({"read": {"watermark": AT}}), [Watermark(ReceiptStatus.READ, TO, AT_US)]),
    CallbackCase("our own words", webhook(ECHO), [parked("an item that is not heard", ECHO)]),
    CallbackCase("a new thing", webhook(STRANGE), [parked("an item that is not heard", STRANGE)]),
    CallbackCase("not JSON", Raw(b"{"), [Unreadable("not a webhook of page", "{")]),
    CallbackCase(
        "nothing in it",
        Raw(b'{"object":"page","entry":[]}'),
        [Unreadable("a webhook without messages", '{"object":"page","entry":[]}')],
    ),
]


@pytest.mark.parametrize("case", CALLBACK_CASES, ids=str)
def test_webhooks(case: CallbackCase) -> None:
    assert CHANNEL.parse(kit.decode_settings(CHANNEL, SETTINGS), case.raw) == case.events


def test_what_is_for_another_page_is_parked() -> None:
    raw = webhook({"message": {"mid": "mid.1", "text": "Hi"}}, page="9")
    (event,) = CHANNEL.parse(kit.decode_settings(CHANNEL, SETTINGS), raw)
    assert isinstance(event, Unreadable)
    assert event.detail == "for '9', not this line's"


LINT = [
    (Content(text="x" * 2000), []),
    (Content(), ["is empty"]),
    (Content(text="x", image_url=PICTURE), ["stands beside a file"]),
    (Content(text="x", buttons=answers(*"1234567890abc")), []),
    (
        Content(text="x", buttons=(Button("a", "https://a.example"), *answers("b", "c", "d"))),
        ["4 buttons, at most 3 when one opens an address"],
    ),
    (Content(text="x" * 641, buttons=(Button("a", "https://a.example"),)), ["641 characters, at most 640"]),
    (Content(text="x", buttons=answers("x" * 21)), ["21 characters, at most 20"]),
    (Content(text="x", template="t"), ["templates have no names here"]),
]


@pytest.mark.parametrize(("content", "problems"), LINT)
def test_lint(content: Content, problems: list[str]) -> None:
    found = CHANNEL.lint(None, content)
    assert [each.problem for each in found] == problems
    assert all(each.remedy for each in found)

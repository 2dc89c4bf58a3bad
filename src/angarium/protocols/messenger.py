"""What Messenger and Instagram share: content as the Send API wants it, and what their webhooks say. Pure.

Sources: developers.facebook.com/docs/messenger-platform (send API, message tags, quick replies, button
template, webhook events; pages of 2026) and instagram-platform (messaging API); nyaruka/courier
handlers/meta/messenger with its captured payloads.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from angarium.core.ports import Event, Inbound, Receipt, Unreadable, Watermark
from angarium.core.values import Button, ButtonKind, Content, Reason, ReceiptStatus

WINDOW_S, AGENT_S = 86_400, 7 * 86_400  # of any message, and of what a person of the shop writes
QUICK_MAX, LABEL_MAX = 13, 20
TEMPLATE_BUTTONS_MAX, TEMPLATE_TEXT_MAX = 3, 640
PAYLOAD_MAX = 1_000
MILLIS = 1_000  # microseconds in a timestamp's unit

# ── going out ────────────────────────────────────────────────────────────────────────────────────────


def message(content: Content) -> dict[str, Any]:
    """A text, answers to press under it, a text with buttons, or a file."""
    url, kind = _file(content)
    if url:
        return {"attachment": {"type": kind, "payload": {"url": url, "is_reusable": False}}}
    if not content.buttons:
        return {"text": content.text}
    if are_answers(content.buttons):
        quick = [
            {"content_type": "text", "title": one.label, "payload": one.label[:PAYLOAD_MAX]}
            for one in content.buttons
        ]
        return {"text": content.text, "quick_replies": quick}
    buttons = [_button(one) for one in content.buttons]
    payload = {"template_type": "button", "text": content.text, "buttons": buttons}
    return {"attachment": {"type": "template", "payload": payload}}


def are_answers(buttons: Iterable[Button]) -> bool:
    """Whether all of them answer: then they stand under the text and go when one is pressed."""
    return all(one.kind is ButtonKind.REPLY for one in buttons)


def _file(content: Content) -> tuple[str, str]:
    if content.picture:
        return content.picture, "image"
    if content.media is None:
        return "", ""
    kind = content.media.kind.value
    return content.media.url, "file" if kind == "document" else kind


def _button(one: Button) -> dict[str, str]:
    if one.kind is ButtonKind.REPLY:
        return {"type": "postback", "title": one.label, "payload": one.label}
    if one.kind is ButtonKind.CALL:
        return {"type": "phone_number", "title": one.label, "payload": one.url.removeprefix("tel:")}
    return {"type": "web_url", "title": one.label, "url": one.url}


class Taken(msgspec.Struct, frozen=True):
    """The answer to a message that was taken."""

    message_id: str


class Error(msgspec.Struct, frozen=True):
    """What is wrong, by its number and the one below it."""

    code: int
    error_subcode: int = 0
    message: str = ""


class Refusal(msgspec.Struct, frozen=True):
    """The answer to a message that was refused."""

    error: Error


# By code and subcode; subcode 0 is any.
REASONS: Mapping[tuple[int, int], Reason] = {
    (10, 2018278): Reason.WINDOW_CLOSED,  # Messenger
    (10, 2534022): Reason.WINDOW_CLOSED,  # Instagram
    (10, 1893063): Reason.SENDER_INVALID,  # the Page is restricted for a while
    (551, 0): Reason.BLOCKED_BY_USER,  # "this person isn't available right now"
    (10900, 0): Reason.WINDOW_CLOSED,
    (100, 2018001): Reason.BAD_ADDRESS,  # no matching user found
    (100, 2534014): Reason.BAD_ADDRESS,  # the same on Instagram
    (100, 2018109): Reason.MEDIA_INVALID,
    (100, 2018007): Reason.MEDIA_INVALID,
    (100, 2018008): Reason.MEDIA_INVALID,
    (100, 0): Reason.CONFIG,
    (10, 0): Reason.AUTH,
    (190, 0): Reason.AUTH,
    (200, 0): Reason.AUTH,
    (230, 0): Reason.AUTH,
    (368, 0): Reason.SENDER_INVALID,
    (4, 0): Reason.THROTTLED,
    (32, 0): Reason.THROTTLED,
    (613, 0): Reason.THROTTLED,
    (80006, 0): Reason.THROTTLED,
    (1, 0): Reason.TEMPORARY,
    (2, 0): Reason.TEMPORARY,
    (1200, 0): Reason.TEMPORARY,
}


def reason_of(error: Error) -> Reason:
    """What a refusal comes to."""
    exact = REASONS.get((error.code, error.error_subcode))
    return exact or REASONS.get((error.code, 0), Reason.REJECTED)


# ── coming in ────────────────────────────────────────────────────────────────────────────────────────


class Party(msgspec.Struct, frozen=True):
    """Who, by their id on this page or account."""

    id: str = ""


class Referral(msgspec.Struct, frozen=True):
    """Whence somebody came: a link's word, an advertisement."""

    ref: str = ""
    source: str = ""


class Payload(msgspec.Struct, frozen=True):
    """What a button carries."""

    payload: str = ""


class Reply(msgspec.Struct, frozen=True):
    """Which message was answered."""

    mid: str = ""


class Attached(msgspec.Struct, frozen=True):
    """Where a file is."""

    url: str = ""


class Attachment(msgspec.Struct, frozen=True):
    """A file of a person."""

    type: str = ""
    payload: Attached = Attached()


class Message(msgspec.Struct, frozen=True):
    """What somebody sent."""

    mid: str
    text: str = ""
    is_echo: bool = False
    is_deleted: bool = False
    quick_reply: Payload = Payload()
    reply_to: Reply = Reply()
    attachments: list[Attachment] = []


class Postback(msgspec.Struct, frozen=True):
    """A button of a template that was pressed, or Get Started."""

    title: str = ""
    payload: str = ""
    mid: str = ""
    referral: Referral = Referral()


class Delivery(msgspec.Struct, frozen=True):
    """What has reached the phone."""

    watermark: int = 0
    mids: list[str] = []


class Seen(msgspec.Struct, frozen=True):
    """What has been read: all until a time, or one message (Instagram)."""

    watermark: int = 0
    mid: str = ""


class Reaction(msgspec.Struct, frozen=True):
    """A sign under a message."""

    mid: str = ""
    action: str = ""
    emoji: str = ""
    reaction: str = ""


class Item(msgspec.Struct, frozen=True):
    """One thing that happened with one person."""

    sender: Party = Party()
    timestamp: int = 0  # milliseconds
    message: Message | None = None
    postback: Postback | None = None
    referral: Referral | None = None
    optin: Referral | None = None
    delivery: Delivery | None = None
    read: Seen | None = None
    reaction: Reaction | None = None


class Entry(msgspec.Struct, frozen=True):
    """What happened on one page or account."""

    id: str = ""
    messaging: list[msgspec.Raw] = []
    standby: list[msgspec.Raw] = []


class Envelope(msgspec.Struct, frozen=True):
    """A webhook."""

    object: str
    entry: list[Entry]


def events(item: Item, recipient: str, unread: Unreadable) -> list[Event]:
    """What one item says; `unread` where it is nothing that is heard."""
    if item.delivery is not None:
        return _delivered(item, item.delivery)
    if item.read is not None:
        return _read(item, item.read)
    heard = _heard(item)
    if heard is None or not item.sender.id:
        return [unread]
    ref, text, more = heard
    at = item.timestamp * MILLIS if item.timestamp > 0 else None
    return [msgspec.structs.replace(Inbound(ref, item.sender.id, recipient, text, at=at), **more)]


Heard = tuple[str, str, dict[str, str]]  # reference, words, what else


def _heard(item: Item) -> Heard | None:
    if item.message is not None:
        return _said(item.message)
    derived = f"{item.sender.id}/{item.timestamp}"
    if item.postback is not None:
        pressed = item.postback
        carried = pressed.payload or pressed.referral.ref
        return pressed.mid or f"postback/{derived}", pressed.title or "[postback]", {"payload": carried}
    if item.reaction is not None:
        said = item.reaction.emoji or item.reaction.reaction
        text = said if item.reaction.action == "react" else "[reaction taken back]"
        return f"reaction/{derived}", text or "[reaction]", {"context_ref": item.reaction.mid}
    came = item.referral or item.optin
    if came is not None:
        return f"referral/{derived}", "[referral]", {"payload": came.ref}
    return None


def _said(message: Message) -> Heard | None:
    if message.is_echo or message.is_deleted or not message.mid:
        return None
    files = [one for one in message.attachments if one.type]
    text = message.text or " ".join(f"[{one.type}]" for one in files) or "[message]"
    more = {
        "payload": message.quick_reply.payload,
        "context_ref": message.reply_to.mid,
        "media_url": next((one.payload.url for one in files if one.payload.url.startswith("https://")), ""),
    }
    return message.mid, text, more


def _delivered(item: Item, told: Delivery) -> list[Event]:
    at = told.watermark * MILLIS if told.watermark > 0 else None
    found: list[Event] = [
        Receipt(ReceiptStatus.DELIVERED, ref=mid, address=item.sender.id, code="delivery", at=at)
        for mid in told.mids
        if mid
    ]
    if at is not None:
        found.append(Watermark(ReceiptStatus.DELIVERED, item.sender.id, at))
    return found


def _read(item: Item, told: Seen) -> list[Event]:
    if told.mid:
        at = item.timestamp * MILLIS if item.timestamp > 0 else None
        return [Receipt(ReceiptStatus.READ, ref=told.mid, address=item.sender.id, code="read", at=at)]
    return [Watermark(ReceiptStatus.READ, item.sender.id, told.watermark * MILLIS)]

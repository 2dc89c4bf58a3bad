"""Viber, by a bot: to people who have begun a chat with it.

Sources: developers.viber.com/docs/api/rest-bot-api (7.3.0) and creators.viber.com/docs/bots-api (text, name);
nyaruka/courier handlers/viber (numbers of errors, 512 characters beside a picture); infobip.com/docs/viber
(sizes of files); viberbot 1.0.12, Viber's own library (bodies of requests and callbacks, the signature).

Quirks:
- Every answer is a 200: what became of a message is the `status` in its body.
- A person is an id that belongs to this one bot, and is known once they have written or subscribed.
- Opening the chat is no subscription, and does not allow to write but for one welcome in the answer to that
  event; what stood behind the link (`viber://pa?chatURI=bot&context=word`) comes with it, as the payload.
- Buttons are a keyboard under the chat, not under the message; a pressed one comes as a text.
- A film or a paper has no words beside it.
- A delivery is told of what people write, too, and by each of their devices.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from angarium.channels import kit, lint_kit
from angarium.core.ports import (
    LINKS,
    Accepted,
    Allowance,
    Capabilities,
    Carries,
    Channel,
    Event,
    Inbound,
    Outcome,
    Profile,
    Raw,
    Receipt,
    Refused,
    Reply,
    Submission,
    Tools,
    Unknown,
)
from angarium.core.problems import FieldProblem, shown
from angarium.core.values import (
    WITHOUT_URL,
    AddressKind,
    Button,
    ButtonKind,
    Content,
    Measure,
    MediaKind,
    MessageClass,
    Reason,
    ReceiptStatus,
)
from angarium.protocols import signatures
from angarium.protocols.answers import Answer, Client, NoAnswer, NotSent

TEXT_MAX, CAPTION_MAX = 7_000, 512  # characters
BUTTONS_MAX, LABEL_MAX = 24, 250  # rows of a keyboard, characters of one
FILE_NAME_MAX = 256
MILLIS = 1_000  # microseconds in a millisecond
EVENTS = ("delivered", "seen", "failed", "subscribed", "unsubscribed", "conversation_started")  # and messages

# ── settings ─────────────────────────────────────────────────────────────────────────────────────────


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One bot."""

    token: Annotated[
        kit.Secret,
        Meta(
            title="Token",
            description="In Viber: More, Settings, Bots, Edit info, Your app key.",
            pattern=r"^[!-~]{1,200}$",
        ),
    ]
    sender_name: Annotated[
        str,
        Meta(
            title="Name of the sender",
            description="As people see it beside each message, up to 28 characters.",
            min_length=1,
            max_length=28,
        ),
    ]
    welcome: Annotated[
        str,
        Meta(
            title="Welcome",
            description="Said to whoever opens the chat, before they write or subscribe. Empty: nothing.",
            max_length=TEXT_MAX,
        ),
    ] = ""
    base_url: Annotated[
        kit.WebAddress, Meta(title="Address of the API", description="Without a slash at its end.")
    ] = "https://chatapi.viber.com/pa"


# ── words of the provider ────────────────────────────────────────────────────────────────────────────

ERRORS = {
    1: Reason.CONFIG,  # invalidUrl
    2: Reason.AUTH,  # invalidAuthToken
    3: Reason.REJECTED,  # badData
    4: Reason.REJECTED,  # missingData
    5: Reason.NOT_A_USER,  # receiverNotRegistered
    6: Reason.BLOCKED_BY_USER,  # receiverNotSubscribed: this person let the bot write once, and no more
    7: Reason.SENDER_INVALID,  # publicAccountBlocked
    8: Reason.SENDER_INVALID,  # publicAccountNotFound
    9: Reason.SENDER_INVALID,  # publicAccountSuspended
    10: Reason.CONFIG,  # webhookNotSet
    11: Reason.UNREACHABLE,  # receiverNoSuitableDevice
    12: Reason.THROTTLED,  # tooManyRequests
    13: Reason.UNSUPPORTED,  # apiVersionNotSupported
    14: Reason.UNSUPPORTED,  # incompatibleWithVersion
    15: Reason.AUTH,  # publicAccountNotAuthorized
    16: Reason.UNSUPPORTED,  # inchatReplyMessageNotAllowed
    17: Reason.UNSUPPORTED,  # publicAccountIsNotInline
    18: Reason.UNSUPPORTED,  # noPublicChat
    19: Reason.UNSUPPORTED,  # cannotSendBroadcast
    20: Reason.UNSUPPORTED,  # broadcastNotAllowed
    21: Reason.NOT_A_USER,  # unsupportedCountry: nobody there is reached by a bot
    22: Reason.UNSUPPORTED,  # paymentUnsupported
    23: Reason.NO_CREDIT,  # freeMessagesExceeded
    24: Reason.NO_CREDIT,  # noBalance
}

STATUSES = {
    "delivered": ReceiptStatus.DELIVERED,
    "seen": ReceiptStatus.READ,
    "failed": ReceiptStatus.FAILED,
}


class _Answered(msgspec.Struct, frozen=True):
    status: int
    status_message: str = ""
    message_token: int = 0


class _Account(msgspec.Struct, frozen=True):
    status: int
    name: str = ""
    id: str = ""
    uri: str = ""
    country: str = ""
    webhook: str = ""
    subscribers_count: int | None = None


# ── sending ──────────────────────────────────────────────────────────────────────────────────────────


async def send(tools: Tools, settings: Settings, submission: Submission) -> Outcome:
    """One POST to `send_message`."""
    url = f"{settings.base_url}/send_message"
    return await kit.exchange(tools, url, request(settings, submission), _headers(settings), judge)


def request(settings: Settings, submission: Submission) -> dict[str, Any]:
    """The body of a submission."""
    content = submission.content
    document: dict[str, Any] = {
        "receiver": submission.address,
        "min_api_version": 3 if any(one.kind is ButtonKind.CONTACT for one in content.buttons) else 1,
        "sender": {"name": settings.sender_name},
        **_said(content),
    }
    if content.buttons:
        keys = [_key(one) for one in content.buttons]
        document["keyboard"] = {"Type": "keyboard", "DefaultHeight": False, "Buttons": keys}
    return document


def _said(content: Content) -> dict[str, Any]:
    """The words, the picture, the film or the paper."""
    if content.picture:
        return {"type": "picture", "text": content.text, "media": content.picture}
    media = content.media
    if media is None:
        return {"type": "text", "text": content.text}
    if media.kind is MediaKind.VIDEO:
        return {"type": "video", "media": media.url, "size": media.size_bytes}
    return {"type": "file", "media": media.url, "size": media.size_bytes, "file_name": media.name or media.id}


def _key(button: Button) -> dict[str, Any]:
    kind, body = {
        ButtonKind.REPLY: ("reply", button.label),
        ButtonKind.CONTACT: ("share-phone", button.label),
    }.get(button.kind, ("open-url", button.url))
    return {"Columns": 6, "Rows": 1, "Text": button.label, "ActionType": kind, "ActionBody": body}


def _headers(settings: Settings) -> dict[str, str]:
    return {"X-Viber-Auth-Token": settings.token}


def judge(answer: Answer) -> Outcome | None:
    """The outcome in the body; None when it says nothing certain."""
    told = kit.read_json(answer.body, _Answered)
    if told is None or answer.status >= 500:
        return None
    if told.status == 0:
        return Accepted((str(told.message_token),)) if told.message_token else None
    return _refused(told)


def _refused(told: _Answered) -> Refused:
    detail = told.status_message or f"Viber refused it with {told.status}"
    return Refused(ERRORS.get(told.status, Reason.REJECTED), str(told.status), detail)


def lint(_settings: Settings, content: Content) -> tuple[FieldProblem, ...]:
    """7000 characters, 512 beside a picture, none beside another file; buttons of 250; no templates."""
    found = kit.beyond(CAPABILITIES, content)
    if content.picture and CAPTION_MAX < len(content.text) <= TEXT_MAX:
        found.append(kit.too_long("text", content.text, CAPTION_MAX))
    if content.media and not content.picture and content.text:
        remedy = "send it as a message of its own"
        found.append(FieldProblem("text", "no words beside such a file", remedy, shown(content.text)))
    found += lint_kit.wordless(content)
    if content.media and len(content.media.name) > FILE_NAME_MAX:
        found.append(kit.too_long("media", content.media.name, FILE_NAME_MAX))
    for place, one in enumerate(content.buttons):
        if not one.label:
            found.append(FieldProblem(f"buttons.{place}.label", "is empty", "say what the button does"))
        elif len(one.label) > LABEL_MAX:
            found.append(kit.too_long(f"buttons.{place}.label", one.label, LABEL_MAX))
    return (*found, *lint_kit.no_names(content))


def measure(_settings: Settings, content: Content) -> Measure:
    """One part, counted in characters; fewer fit beside a picture."""
    return kit.characters(content, CAPTION_MAX if content.picture else TEXT_MAX)


# ── receiving ────────────────────────────────────────────────────────────────────────────────────────


class _User(msgspec.Struct, frozen=True):
    id: str = ""
    name: str = ""


class _Event(msgspec.Struct, frozen=True):
    event: str
    timestamp: int | None = None  # milliseconds
    message_token: int = 0
    user_id: str = ""
    user: _User = _User()
    sender: _User = _User()
    message: dict[str, Any] = {}
    context: str = ""
    desc: str = ""

    @property
    def at(self) -> int | None:
        return None if self.timestamp is None else self.timestamp * MILLIS


def genuine(settings: Settings, raw: Raw) -> bool:
    """Whether the signature is that of our token over the bytes."""
    return signatures.genuine(raw.headers.get("x-viber-content-signature", ""), [settings.token], raw.body)


def reply(settings: Settings, raw: Raw) -> Reply:
    """Who opens the chat may be told one thing in the answer to that event, before they subscribe."""
    told = kit.read_json(raw.body, _Event)
    if told is None or told.event != "conversation_started" or not settings.welcome:
        return Reply()
    said = {"sender": {"name": settings.sender_name}, "type": "text", "text": settings.welcome}
    return Reply(200, msgspec.json.encode(said).decode(), "application/json")


def parse(_settings: Settings, raw: Raw) -> list[Event]:
    """One event; the one that Viber tries an address with says nothing."""
    told = kit.read_json(raw.body, _Event)
    if told is None:
        return [kit.unreadable("not an event of Viber", raw.body)]
    if told.event == "webhook":
        return []
    if not told.message_token:
        return [kit.unreadable("an event without message_token", raw.body)]
    if told.event in STATUSES:
        return [_receipt(told)]
    who = {"message": told.sender.id, "unsubscribed": told.user_id}.get(told.event, told.user.id)
    if not who:
        return [kit.unreadable("an event that names nobody", raw.body)]
    return [_event(told, kit.clean(who), raw)]


def _event(told: _Event, who: str, raw: Raw) -> Event:
    match told.event:
        case "message":
            return _inbound(told, who, told.sender.name, said(told.message), media_of(told.message))
        case "conversation_started":
            opened = _inbound(told, who, told.user.name, "[conversation started]", "")
            return msgspec.structs.replace(opened, payload=kit.clean(told.context))
        case "subscribed" | "unsubscribed":
            return Allowance(who, told.event == "subscribed", str(told.message_token), at=told.at)
        case _:
            return kit.unreadable(f"event {told.event!r} is not in our table", raw.body)


def _inbound(told: _Event, who: str, name: str, text: str, media_url: str) -> Inbound:
    return Inbound(
        ref=str(told.message_token),
        sender=who,
        recipient="",
        text=kit.clean(text),
        at=told.at,
        media_url=kit.clean(media_url),
        name=kit.clean(name),
    )


def _receipt(told: _Event) -> Receipt:
    status = STATUSES[told.event]
    return Receipt(
        status=status,
        ref=str(told.message_token),
        address=kit.clean(told.user_id),
        reason=Reason.UNDELIVERED if status is ReceiptStatus.FAILED else None,
        code=kit.clean(told.desc),
        at=told.at,
    )


def said(message: dict[str, Any]) -> str:
    """The words of a message, or in brackets what it is instead."""
    kind, text = kit.told(message, "type"), kit.told(message, "text")
    if text:
        return text
    beside = {
        "url": ("media",),
        "contact": ("contact", "phone_number"),
        "file": ("file_name",),
        "sticker": ("sticker_id",),
    }
    if kind == "location":
        place = [kit.told(message, "location", name) for name in ("lat", "lon")]
        return " ".join(["[location]", *filter(None, place)])
    named = kit.told(message, *beside[kind]) if kind in beside else ""
    return " ".join(filter(None, (f"[{kind or 'message'}]", named)))


def media_of(message: dict[str, Any]) -> str:
    """Where the file of a message is; "" when there is none."""
    found = kit.told(message, "media")
    named = kit.told(message, "type") in ("picture", "video", "file")
    return found if named and found.startswith(("http://", "https://")) else ""


# ── asking ───────────────────────────────────────────────────────────────────────────────────────────


async def attach(tools: Tools, settings: Settings, url: str) -> Refused | Unknown | None:
    """Have events posted to the line's address; Viber tries it before it agrees."""
    asked = {"url": url, "event_types": EVENTS, "send_name": True, "send_photo": False}
    told = f"{settings.base_url}/set_webhook"
    outcome = await kit.exchange(tools, told, asked, _headers(settings), _agreed)
    return None if isinstance(outcome, Accepted) else outcome


def _agreed(answer: Answer) -> Outcome | None:
    told = kit.read_json(answer.body, _Answered)
    if told is None:
        return None
    return Accepted() if told.status == 0 else _refused(told)


async def ask_profile(tools: Tools, settings: Settings) -> Profile | Unknown:
    """The bot as people see it, and how many have subscribed."""
    http: Client = tools.http
    url = f"{settings.base_url}/get_account_info"
    try:
        answer = await http.request("POST", url, json={}, headers=_headers(settings))
    except (NotSent, NoAnswer) as failure:
        return Unknown(str(failure))
    told = kit.read_json(answer.body, _Account)
    if told is None:
        return Unknown("Viber's answer is of another shape")
    if told.status != 0:
        refusal = kit.read_json(answer.body, _Answered)
        return Unknown(refusal.status_message if refusal else f"Viber refused it with {told.status}")
    known = {"uri": told.uri, "country": told.country, "webhook": told.webhook}
    if told.subscribers_count is not None:
        known["subscribers_count"] = str(told.subscribers_count)
    return Profile(told.name, details={name: value for name, value in known.items() if value})


MEGABYTE = 1_000_000
CAPABILITIES = Capabilities(
    receipts=frozenset({ReceiptStatus.DELIVERED, ReceiptStatus.READ, ReceiptStatus.FAILED}),
    classes=frozenset(MessageClass),
    two_way=True,
    buttons_max=BUTTONS_MAX,
    buttons=LINKS | WITHOUT_URL,
    images=True,
    media=(
        Carries(frozenset({"image/jpeg", "image/png"}), MEGABYTE),
        Carries(frozenset({"video/mp4"}), 26 * MEGABYTE),
        Carries(frozenset({"application/pdf", "audio/mpeg"}), 50 * MEGABYTE),
    ),
    text_max=TEXT_MAX,
)

CHANNEL = Channel(
    kind="viber_bot",
    title="Viber (bot)",
    known_as="Вайбер وایبر فايبر",
    address_kind=AddressKind.VIBER,
    settings=Settings,
    capabilities=CAPABILITIES,
    parse=parse,
    measure=measure,
    send=send,
    lint=lint,
    genuine=genuine,
    reply=reply,
    sender=lambda settings: settings.sender_name,
    profile=ask_profile,
    attach=attach,
)

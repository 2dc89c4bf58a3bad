"""Telegram, by a bot: to people who have begun a chat with it.

Sources: core.telegram.org/bots/api (version 10.0 of May 2026); tdlib/telegram-bot-api, Client.cpp and
Query.cpp (the words of errors); nyaruka/courier handlers/telegram (limits of files).

Quirks:
- A bot cannot begin: a person presses Start first. What stands behind the link (`t.me/bot?start=word`) comes
  as the payload of their first message, which is how a chat finds its contact.
- No receipt of any kind: what was accepted is all that is ever known. A step that waits for more waits in
  vain.
- The token stands in the address of every request.
- Updates are posted to us (`attach`), or asked for (`receive`: polling), never both: Telegram refuses (409).
- A pressed button shows a clock on the phone until it is answered; we answer it with nothing.
- Groups are not people: what is said in them is parked.
"""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from angarium.channels import kit
from angarium.core.clock import MICROS
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
)
from angarium.protocols import telegram
from angarium.protocols.http import Answer, Http

TEXT_MAX, CAPTION_MAX = 4_096, 1_024  # characters
BUTTONS_MAX = 100
DATA_MAX = telegram.DATA_MAX
POLL_S = 25  # how long Telegram holds a question open
UPDATES = ("message", "callback_query", "my_chat_member")

# ── settings ─────────────────────────────────────────────────────────────────────────────────────────


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One bot."""

    token: Annotated[
        kit.Secret,
        Meta(
            title="Token",
            description="From @BotFather, such as 110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw.",
            pattern=r"^[0-9]{1,20}:[A-Za-z0-9_-]{1,100}$",
        ),
    ]
    webhook_secret: Annotated[
        kit.Secret,
        Meta(
            title="Secret of updates",
            description="Any word of your own: A-Z, a-z, 0-9, _ and -. Telegram repeats it with each update.",
            pattern=r"^[A-Za-z0-9_-]{1,256}$",
        ),
    ]
    receive: Annotated[
        Literal["webhook", "polling"],
        Meta(
            title="How updates come",
            description="webhook: Telegram posts them, to a public address. polling: we ask; works anywhere.",
        ),
    ] = "webhook"
    silent: Annotated[
        bool, Meta(title="Without a sound", description="Promotional messages make no sound on the phone.")
    ] = True
    base_url: Annotated[
        kit.WebAddress,
        Meta(
            title="Address of the API",
            description="Without a slash at its end; of your own Bot API server, if you run one.",
        ),
    ] = "https://api.telegram.org"


# ── words of the provider ────────────────────────────────────────────────────────────────────────────

# By the error's number and the beginning of its description, in lower case.
ERRORS: tuple[tuple[int, str, Reason], ...] = (
    (403, "forbidden: bot was blocked by the user", Reason.BLOCKED_BY_USER),
    (403, "forbidden: user is deactivated", Reason.BAD_ADDRESS),
    (403, "forbidden: bot can't initiate conversation", Reason.NOT_A_USER),
    (403, "forbidden: bot can't send messages to bots", Reason.BAD_ADDRESS),
    (403, "forbidden: bot was kicked", Reason.BLOCKED_BY_USER),
    (403, "forbidden", Reason.BLOCKED_BY_USER),
    (400, "bad request: chat not found", Reason.BAD_ADDRESS),
    (400, "bad request: user not found", Reason.BAD_ADDRESS),
    (400, "bad request: peer_id_invalid", Reason.BAD_ADDRESS),
    (400, "bad request: group chat was upgraded", Reason.BAD_ADDRESS),
    (400, "bad request: message is too long", Reason.TOO_LONG),
    (400, "bad request: message caption is too long", Reason.TOO_LONG),
    (400, "bad request: message text is empty", Reason.CONTENT_REJECTED),
    (400, "bad request: button_url_invalid", Reason.CONTENT_REJECTED),
    (400, "bad request: inline keyboard button url", Reason.CONTENT_REJECTED),
    (400, "bad request: wrong http url specified", Reason.MEDIA_INVALID),
    (400, "bad request: failed to get http url content", Reason.MEDIA_INVALID),
    (400, "bad request: wrong file identifier", Reason.MEDIA_INVALID),
    (400, "bad request: wrong type of the web page content", Reason.MEDIA_INVALID),
    (400, "bad request: have no rights to send", Reason.BLOCKED_BY_USER),
    (401, "", Reason.AUTH),
    (404, "", Reason.AUTH),  # no bot has this token
    (409, "", Reason.CONFIG),
    (413, "", Reason.MEDIA_INVALID),
    (429, "", Reason.THROTTLED),
)


def reason_of(code: int, description: str) -> Reason:
    """What a refusal comes to."""
    said = description.lower()
    return next(
        (why for number, begins, why in ERRORS if number == code and said.startswith(begins)), Reason.REJECTED
    )


# ── sending ──────────────────────────────────────────────────────────────────────────────────────────

METHODS = {
    MediaKind.IMAGE: ("sendPhoto", "photo"),
    MediaKind.AUDIO: ("sendAudio", "audio"),
    MediaKind.VIDEO: ("sendVideo", "video"),
    MediaKind.DOCUMENT: ("sendDocument", "document"),
}


async def send(tools: Tools, settings: Settings, submission: Submission) -> Outcome:
    """One POST to a method of the bot."""
    method, document = request(settings, submission)
    return await kit.exchange(tools, _url(settings, method), document, {}, judge)


def request(settings: Settings, submission: Submission) -> tuple[str, dict[str, Any]]:
    """The method, and the body of a submission."""
    content = submission.content
    document: dict[str, Any] = {"chat_id": submission.address}
    if settings.silent and submission.message_class is MessageClass.PROMOTIONAL:
        document["disable_notification"] = True
    if content.buttons:
        document["reply_markup"] = _keyboard(content.buttons)
    kind, address = _file(content)
    if kind is None:
        return "sendMessage", {**document, "text": content.text}
    method, name = METHODS[kind]
    caption = {"caption": content.text} if content.text else {}
    return method, {**document, name: address, **caption}


def _file(content: Content) -> tuple[MediaKind | None, str]:
    if content.picture:
        return MediaKind.IMAGE, content.picture
    return (content.media.kind, content.media.url) if content.media else (None, "")


def _keyboard(buttons: tuple[Button, ...]) -> dict[str, Any]:
    """Buttons under the message; a phone is asked for by a keyboard in the place of the phone's own."""
    if not asks_phone(buttons):
        return {"inline_keyboard": [[_key(one)] for one in buttons]}
    asking = {"request_contact": True}
    rows = [[{"text": one.label, **(asking if one.kind is ButtonKind.CONTACT else {})}] for one in buttons]
    return {"keyboard": rows, "one_time_keyboard": True, "resize_keyboard": True}


def asks_phone(buttons: tuple[Button, ...]) -> bool:
    """Whether one of them asks for the person's phone."""
    return any(one.kind is ButtonKind.CONTACT for one in buttons)


def _key(button: Button) -> dict[str, str]:
    if button.kind is ButtonKind.REPLY:
        return {"text": button.label, "callback_data": button.label}
    return {"text": button.label, "url": button.url}


def _url(settings: Settings, method: str) -> str:
    return f"{settings.base_url}/bot{settings.token}/{method}"


def judge(answer: Answer) -> Outcome | None:
    """The outcome in the body, whatever the HTTP status; None when the body says nothing that we know."""
    told = kit.read_json(answer.body, telegram.Answered)
    if told is None or answer.status >= 500:
        return None
    if told.ok:
        sent = kit.read_json(told.result, telegram.Sent)
        return Accepted((kit.clean(f"{sent.chat.id}/{sent.message_id}"),)) if sent else None
    if not told.error_code:
        return None
    return Refused(
        reason_of(told.error_code, told.description),
        str(told.error_code),
        told.description or f"Telegram refused it with {told.error_code}",
        told.parameters.retry_after,
    )


def lint(_settings: Settings, content: Content) -> tuple[FieldProblem, ...]:
    """4096 characters, 1024 beside a file; buttons of 64 bytes; no templates by name."""
    found = kit.beyond(CAPABILITIES, content)
    beside = content.picture or content.media
    if beside and CAPTION_MAX < len(content.text) <= TEXT_MAX:
        found.append(kit.too_long("text", content.text, CAPTION_MAX))
    if not content.text and not beside:
        found.append(FieldProblem("text", "is empty", "write a text"))
    found += [
        FieldProblem(
            f"buttons.{place}.label", "is empty or too long", f"1 to {DATA_MAX} bytes", shown(one.label)
        )
        for place, one in enumerate(content.buttons)
        if not 1 <= len(one.label.encode()) <= DATA_MAX
    ]
    if asks_phone(content.buttons) and any(one.url for one in content.buttons):
        remedy = "ask for the phone in a message of its own"
        found.append(FieldProblem("buttons", "no links beside one that asks for a phone", remedy))
    if content.template:
        remedy = "write the words themselves"
        found.append(
            FieldProblem("template", "templates have no names here", remedy, shown(content.template))
        )
    return tuple(found)


def measure(_settings: Settings, content: Content) -> Measure:
    """One part, counted in characters; fewer fit beside a file."""
    return kit.characters(content, CAPTION_MAX if content.picture or content.media else TEXT_MAX)


# ── receiving ────────────────────────────────────────────────────────────────────────────────────────


def genuine(settings: Settings, raw: Raw) -> bool:
    """Whether the update comes with our word; never where we ask for updates ourselves."""
    given = raw.headers.get("x-telegram-bot-api-secret-token", "").encode(errors="replace")
    return settings.receive == "webhook" and hmac.compare_digest(given, settings.webhook_secret.encode())


def reply(_settings: Settings, raw: Raw) -> Reply:
    """A pressed button is answered in the same breath: the answer to an update may call a method."""
    update = kit.read_json(raw.body, telegram.Update)
    if update is None or update.callback_query is None:
        return Reply()
    answer = {"method": "answerCallbackQuery", "callback_query_id": update.callback_query.id}
    return Reply(200, msgspec.json.encode(answer).decode(), "application/json")


def parse(settings: Settings, raw: Raw) -> list[Event]:
    """One update: a message, a pressed button, or a chat that was stopped or begun again."""
    update = kit.read_json(raw.body, telegram.Update)
    if update is None:
        return [kit.unreadable("not an update of Telegram", raw.body)]
    if update.message is not None:
        return [_message(settings, update.message, raw)]
    if update.callback_query is not None:
        return [_pressed(settings, update.callback_query, raw)]
    if update.my_chat_member is not None:
        return [_switched(update.update_id, update.my_chat_member, raw)]
    return [kit.unreadable("an update that nobody asked for", raw.body)]


def _message(settings: Settings, told: telegram.Message, raw: Raw) -> Event:
    if told.chat.type != "private":
        return kit.unreadable(f"a message in a {told.chat.type or 'chat'}", raw.body)
    heard = kit.read_json(raw.body, dict[str, Any]) or {}
    text, payload = telegram.said(heard.get("message"))
    file_id = telegram.file_of(heard.get("message"))
    return Inbound(
        ref=kit.clean(f"{told.chat.id}/{told.message_id}"),
        sender=str(told.chat.id),
        recipient=settings.token.partition(":")[0],
        text=kit.clean(text),
        at=told.date * MICROS,
        context_ref=f"{told.chat.id}/{told.reply_to_message.message_id}" if told.reply_to_message else "",
        media_url=f"{settings.base_url}/getFile?file_id={file_id}" if file_id else "",
        payload=kit.clean(payload),
        name=kit.clean(telegram.name_of(told.chat)),
    )


def _pressed(settings: Settings, told: telegram.CallbackQuery, raw: Raw) -> Event:
    chat = told.message.chat if told.message else None
    if chat is None or chat.type != "private":
        return kit.unreadable("a button that was pressed outside a private chat", raw.body)
    assert told.message is not None
    return Inbound(
        ref=kit.clean(f"press/{told.id}"),
        sender=str(chat.id),
        recipient=settings.token.partition(":")[0],
        text=kit.clean(told.data),
        context_ref=f"{chat.id}/{told.message.message_id}",
        payload=kit.clean(told.data),
        name=kit.clean(telegram.name_of(chat)),
    )


def _switched(update_id: int, told: telegram.MemberChange, raw: Raw) -> Event:
    status = told.new_chat_member.status
    if told.chat.type != "private" or status not in ("member", "kicked"):
        return kit.unreadable(
            f"a bot that is {status or 'something'} in a {told.chat.type or 'chat'}", raw.body
        )
    return Allowance(str(told.chat.id), status == "member", f"update/{update_id}", at=told.date * MICROS)


# ── asking ───────────────────────────────────────────────────────────────────────────────────────────


async def listen(tools: Tools, settings: Settings, hear: Callable[[Raw], Awaitable[None]]) -> None:
    """Ask for updates; each is gone at Telegram once the next question names a higher number."""
    offset = 0
    while settings.receive == "polling":
        asked = {"offset": offset, "timeout": POLL_S, "allowed_updates": UPDATES}
        for piece in await _updates(tools, settings, asked):
            update = kit.read_json(piece, telegram.Update)
            if update is None:
                raise ConnectionError("Telegram's answer is of another shape")
            await hear(Raw(bytes(piece)))
            offset = update.update_id + 1
            if update.callback_query is not None:
                await _ask(
                    tools, settings, "answerCallbackQuery", {"callback_query_id": update.callback_query.id}
                )


async def _updates(tools: Tools, settings: Settings, asked: dict[str, Any]) -> list[msgspec.Raw]:
    told = await _ask(tools, settings, "getUpdates", asked, POLL_S + 10)
    if not told.ok:
        raise ConnectionError(told.description or "Telegram says nothing")
    return kit.read_json(told.result, list[msgspec.Raw]) or []


async def _ask(
    tools: Tools, settings: Settings, method: str, document: dict[str, Any], timeout_s: float = 30.0
) -> telegram.Answered:
    http: Http = tools.http
    answer = await http.request("POST", _url(settings, method), json=document, timeout_s=timeout_s)
    told = kit.read_json(answer.body, telegram.Answered)
    return told or telegram.Answered(description=f"HTTP {answer.status} that says nothing")


async def attach(tools: Tools, settings: Settings, url: str) -> Refused | Unknown | None:
    """Have updates posted to the line's address."""
    if settings.receive != "webhook":
        return Refused(
            Reason.CONFIG, detail="this line asks for updates itself; set receive to webhook first"
        )
    asked = {"url": url, "secret_token": settings.webhook_secret, "allowed_updates": UPDATES}
    outcome = await kit.exchange(tools, _url(settings, "setWebhook"), asked, {}, _agreed)
    return None if isinstance(outcome, Accepted) else outcome


def _agreed(answer: Answer) -> Outcome | None:
    told = kit.read_json(answer.body, telegram.Answered)
    return Accepted() if told is not None and told.ok else judge(answer)


async def ask_profile(tools: Tools, settings: Settings) -> Profile | Unknown:
    """The bot as people see it."""
    answer = await kit.asked(tools, _url(settings, "getMe"), {})
    if isinstance(answer, Unknown):
        return answer
    told = kit.read_json(answer.body, telegram.Answered)
    me = kit.read_json(told.result, telegram.Chat) if told else None
    if me is None:
        return Unknown("Telegram's answer is of another shape")
    return Profile(telegram.name_of(me), details={"username": f"@{me.username}"} if me.username else {})


MEGABYTE = 1_000_000
CAPABILITIES = Capabilities(
    receipts=frozenset(),
    classes=frozenset(MessageClass),
    two_way=True,
    buttons_max=BUTTONS_MAX,
    buttons=LINKS | WITHOUT_URL,
    images=True,
    media=(  # by their address: "5 MB max size for photos and 20 MB max for other types of content"
        Carries(frozenset({"image/jpeg", "image/png", "image/webp"}), 5 * MEGABYTE),
        Carries(frozenset({"audio/mpeg", "audio/mp4", "video/mp4"}), 20 * MEGABYTE),
        Carries(
            frozenset({"application/pdf", "application/zip"}), 20 * MEGABYTE
        ),  # the others by upload only
    ),
    text_max=TEXT_MAX,
)

CHANNEL = Channel(
    kind="telegram_bot",
    title="Telegram (bot)",
    address_kind=AddressKind.TELEGRAM,
    settings=Settings,
    capabilities=CAPABILITIES,
    parse=parse,
    measure=measure,
    send=send,
    lint=lint,
    genuine=genuine,
    reply=reply,
    profile=ask_profile,
    attach=attach,
    listen=listen,
)

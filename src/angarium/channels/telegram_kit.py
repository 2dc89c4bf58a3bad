"""What bots are like whose methods are Telegram's: at Telegram itself, and at Bale, which has copied them.

Sources: core.telegram.org/bots/api (version 10.0 of May 2026); tdlib/telegram-bot-api, Client.cpp and
Query.cpp (the words of errors).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol

import msgspec

from angarium.channels import kit, lint_kit
from angarium.core.clock import MICROS
from angarium.core.ports import (
    Accepted,
    Allowance,
    Capabilities,
    Event,
    Inbound,
    Outcome,
    Profile,
    Raw,
    Refused,
    Submission,
    Tools,
    Unknown,
)
from angarium.core.problems import FieldProblem, shown
from angarium.core.values import Button, ButtonKind, Content, Measure, MediaKind, Reason
from angarium.protocols import telegram
from angarium.protocols.answers import Answer, Client

TEXT_MAX, CAPTION_MAX = 4_096, 1_024  # characters
DATA_MAX = telegram.DATA_MAX
POLL_S = 25  # how long a question is held open


class Bot(Protocol):
    """The settings of a line that all of this needs."""

    @property
    def token(self) -> str:
        """Which bot it is, and that it is ours."""

    @property
    def base_url(self) -> str:
        """Where its methods are."""


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


async def send(tools: Tools, settings: Bot, submission: Submission, *, silent: bool = False) -> Outcome:
    """One POST to a method of the bot."""
    method, document = request(submission, silent=silent)
    return await kit.exchange(tools, url(settings, method), document, {}, judge)


def request(submission: Submission, *, silent: bool = False) -> tuple[str, dict[str, Any]]:
    """The method, and the body of a submission."""
    content = submission.content
    document: dict[str, Any] = {"chat_id": submission.address}
    if silent:
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


def url(settings: Bot, method: str) -> str:
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


def lint(capabilities: Capabilities, content: Content) -> tuple[FieldProblem, ...]:
    """4096 characters, 1024 beside a file; buttons of 64 bytes; no templates by name."""
    found = kit.beyond(capabilities, content)
    beside = content.picture or content.media
    if beside and CAPTION_MAX < len(content.text) <= TEXT_MAX:
        found.append(kit.too_long("text", content.text, CAPTION_MAX))
    found += lint_kit.wordless(content)
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
    return (*found, *lint_kit.no_names(content))


def measure(_settings: object, content: Content) -> Measure:
    """One part, counted in characters; fewer fit beside a file."""
    return kit.characters(content, CAPTION_MAX if content.picture or content.media else TEXT_MAX)


# ── receiving ────────────────────────────────────────────────────────────────────────────────────────


def parse(settings: Bot, raw: Raw) -> list[Event]:
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


def _message(settings: Bot, told: telegram.Message, raw: Raw) -> Event:
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


def _pressed(settings: Bot, told: telegram.CallbackQuery, raw: Raw) -> Event:
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


async def listen(
    tools: Tools, settings: Bot, hear: Callable[[Raw], Awaitable[None]], updates: Sequence[str]
) -> None:
    """Ask for updates; each is gone at Telegram once the next question names a higher number."""
    offset = 0
    while True:
        asked = {"offset": offset, "timeout": POLL_S, "allowed_updates": list(updates)}
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


async def _updates(tools: Tools, settings: Bot, asked: dict[str, Any]) -> list[msgspec.Raw]:
    told = await _ask(tools, settings, "getUpdates", asked, POLL_S + 10)
    if not told.ok:
        raise ConnectionError(told.description or "Telegram says nothing")
    return kit.read_json(told.result, list[msgspec.Raw]) or []


async def _ask(
    tools: Tools, settings: Bot, method: str, document: dict[str, Any], timeout_s: float = 30.0
) -> telegram.Answered:
    http: Client = tools.http
    answer = await http.request("POST", url(settings, method), json=document, timeout_s=timeout_s)
    told = kit.read_json(answer.body, telegram.Answered)
    return told or telegram.Answered(description=f"HTTP {answer.status} that says nothing")


async def ask_profile(tools: Tools, settings: Bot) -> Profile | Unknown:
    """The bot as people see it."""
    answer = await kit.asked(tools, url(settings, "getMe"), {})
    if isinstance(answer, Unknown):
        return answer
    told = kit.read_json(answer.body, telegram.Answered)
    me = kit.read_json(told.result, telegram.Chat) if told else None
    if me is None:
        return Unknown("Telegram's answer is of another shape")
    return Profile(telegram.name_of(me), details={"username": f"@{me.username}"} if me.username else {})

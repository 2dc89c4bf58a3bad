"""The shapes of Telegram's Bot API, as far as they are read. Pure.

Source: core.telegram.org/bots/api (version 10.0 of May 2026): Update, Message, CallbackQuery,
ChatMemberUpdated, ResponseParameters.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

DATA_MAX = 64  # bytes that a button carries
FILE_ID = re.compile(r"[A-Za-z0-9_-]{1,256}")
START = re.compile(r"/start(?:@\w+)?(?: ([A-Za-z0-9_-]{1,64}))?")
FILES = ("document", "video", "audio", "voice", "video_note", "animation", "sticker")


class Parameters(msgspec.Struct, frozen=True):
    """Why a request failed, where a machine can act on it."""

    retry_after: float | None = None  # seconds


NOTHING = msgspec.Raw(b"null")


class Answered(msgspec.Struct, frozen=True):
    """Any answer."""

    ok: bool = False
    result: msgspec.Raw = NOTHING
    error_code: int = 0
    description: str = ""
    parameters: Parameters = Parameters()


class Chat(msgspec.Struct, frozen=True):
    """Where a message is; in a private chat, who it is with. A bot when it is asked who it is."""

    id: int
    type: str = ""
    first_name: str = ""
    last_name: str = ""
    username: str = ""


class Sent(msgspec.Struct, frozen=True):
    """A message that was taken, or one that is named."""

    message_id: int
    chat: Chat


class Message(msgspec.Struct, frozen=True):
    """What somebody sent."""

    message_id: int
    chat: Chat
    date: int = 0  # seconds
    reply_to_message: Sent | None = None


class CallbackQuery(msgspec.Struct, frozen=True):
    """A button that was pressed."""

    id: str
    data: str = ""
    message: Sent | None = None


class Member(msgspec.Struct, frozen=True):
    """What the bot is in a chat: `member`, or `kicked` where the person stopped it."""

    status: str = ""


class MemberChange(msgspec.Struct, frozen=True):
    """What the bot has become in a chat."""

    chat: Chat
    new_chat_member: Member
    date: int = 0


class Update(msgspec.Struct, frozen=True):
    """One thing that happened."""

    update_id: int
    message: Message | None = None
    callback_query: CallbackQuery | None = None
    my_chat_member: MemberChange | None = None


def name_of(chat: Chat) -> str:
    """What a person calls themselves."""
    return " ".join(filter(None, (chat.first_name, chat.last_name))) or chat.username


def said(message: Any) -> tuple[str, str]:
    """The words of a message, and what they carry: behind /start, or a phone that is the person's own."""
    if not isinstance(message, dict):
        return "", ""
    for name in ("text", "caption"):
        if isinstance(message.get(name), str):
            began = START.fullmatch(message[name])
            return message[name], (began[1] or "") if began else ""
    if isinstance(message.get("contact"), dict):
        return _contact(message["contact"], message.get("from"))
    if isinstance(message.get("location"), dict):
        place = [str(message["location"].get(name, "")) for name in ("latitude", "longitude")]
        return " ".join(["[location]", *filter(None, place)]), ""
    kind = next(
        (name for name in ("photo", *FILES, "poll", "dice", "game", "story") if name in message), "message"
    )
    named = message.get(kind)
    file_name = named.get("file_name") if isinstance(named, dict) else None
    return " ".join(filter(None, (f"[{kind}]", file_name if isinstance(file_name, str) else ""))), ""


def _contact(contact: dict[str, Any], sender: Any) -> tuple[str, str]:
    phone = str(contact.get("phone_number", ""))
    own = isinstance(sender, dict) and sender.get("id") is not None and contact.get("user_id") == sender["id"]
    digits = phone.removeprefix("+")
    bare = f"+{digits}" if digits.isascii() and digits.isdigit() else ""
    return f"[contact] {phone}".strip(), bare if own else ""


def file_of(message: Any) -> str:
    """The id of the file in a message, the largest of a photo's sizes; "" when there is none."""
    if not isinstance(message, dict):
        return ""
    sizes = message.get("photo")
    found = [sizes[-1]] if isinstance(sizes, list) and sizes else [message.get(name) for name in FILES]
    ids = [str(one.get("file_id", "")) for one in found if isinstance(one, dict)]
    return next((one for one in ids if FILE_ID.fullmatch(one)), "")

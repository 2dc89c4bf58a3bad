"""The shapes of MAX's Bot API, as far as they are read. Pure.

Source: dev.max.ru/docs-api as an OpenAPI document (snapshot of 1 July 2026, version 0.0.32): Update, Message,
Callback, User, NewMessageBody, UploadEndpoint, Error.
"""

from __future__ import annotations

from typing import Any

import msgspec


class Error(msgspec.Struct, frozen=True):
    """Why a request failed."""

    code: str
    message: str = ""


class Body(msgspec.Struct, frozen=True):
    """What a message says; `mid` is its name."""

    mid: str
    text: str | None = None
    attachments: list[dict[str, Any]] | None = None


class Sent(msgspec.Struct, frozen=True):
    """A message that was taken."""

    body: Body


class Taken(msgspec.Struct, frozen=True):
    """The answer to a message."""

    message: Sent


class Place(msgspec.Struct, frozen=True):
    """Where a file is to be put; of films and sounds also its token."""

    url: str
    token: str = ""


class Token(msgspec.Struct, frozen=True):
    """What a file that was put up is called."""

    token: str


class Done(msgspec.Struct, frozen=True):
    """The answer to what has no other."""

    success: bool
    message: str = ""


class User(msgspec.Struct, frozen=True):
    """A person or a bot."""

    user_id: int
    first_name: str = ""
    last_name: str | None = None
    username: str | None = None
    is_bot: bool = False

    @property
    def name(self) -> str:
        """What they call themselves."""
        return " ".join(filter(None, (self.first_name, self.last_name))) or self.username or ""


class Recipient(msgspec.Struct, frozen=True):
    """Where a message is: in a `dialog`, a `chat` or a `channel`."""

    chat_type: str = ""


class Link(msgspec.Struct, frozen=True):
    """The message that another answers or hands on."""

    type: str = ""
    message: Body | None = None


class Message(msgspec.Struct, frozen=True):
    """What somebody sent."""

    recipient: Recipient
    sender: User | None = None
    timestamp: int = 0
    body: Body | None = None
    link: Link | None = None


class Press(msgspec.Struct, frozen=True):
    """A button that was pressed."""

    callback_id: str
    user: User
    timestamp: int = 0
    payload: str | None = None


class Update(msgspec.Struct, frozen=True):
    """One thing that happened."""

    update_type: str
    timestamp: int = 0  # milliseconds
    message: Message | None = None
    callback: Press | None = None
    user: User | None = None
    payload: str | None = None

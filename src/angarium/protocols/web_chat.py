"""The shapes of our own web chat: what stands in a visitor's conversation, and what the door hears. Pure.

Both ends are ours: the channel (`channels/web_chat.py`) hands words over and reads what was heard; the door
(`doors/webchat`) keeps them for the visitor's browser and writes down what the browser says.
"""

from __future__ import annotations

import re
from typing import Literal

import msgspec

from angarium.core.values import Content

USER, ANONYMOUS = "user:", "visitor:"  # how an address begins: of the site's user, of an unknown browser
ORIGIN = re.compile(r"https?://[a-z0-9.-]{1,253}(:[0-9]{1,5})?")  # RFC 6454 §6.2, as browsers send it
USER_ID = re.compile(r"[!-~]{1,200}")  # as a site calls one of its users


class File(msgspec.Struct, frozen=True):
    """A file beside the words, where the browser fetches it."""

    url: str
    name: str
    type: str
    size_bytes: int


class Key(msgspec.Struct, frozen=True, omit_defaults=True):
    """A button: with an address it opens that, without one it answers with its label."""

    label: str
    url: str = ""


class Words(msgspec.Struct, frozen=True, omit_defaults=True):
    """What one entry of a conversation says."""

    text: str = ""
    image_url: str = ""
    file: File | None = None
    buttons: tuple[Key, ...] = ()


class Happened(msgspec.Struct, frozen=True, omit_defaults=True):
    """Something that a visitor did, or that ran out, as it is journalled. `at` is in microseconds."""

    event: Literal["message", "marks", "expired"]
    visitor: str
    at: int
    ref: str = ""
    text: str = ""
    name: str = ""
    payload: str = ""
    context_ref: str = ""
    media_url: str = ""
    delivered: tuple[str, ...] = ()
    read: tuple[str, ...] = ()
    expired: tuple[str, ...] = ()


def words_of(content: Content) -> Words:
    """What a visitor sees of a content."""
    media = content.media
    shown = media is not None and content.picture == media.url
    file = None if media is None or shown else File(media.url, media.name, media.type, media.size_bytes)
    keys = tuple(Key(one.label, one.url) for one in content.buttons)
    return Words(content.text, content.picture, file, keys)


def origins_of(text: str) -> list[str]:
    """The origins in a setting, between commas."""
    return [one.strip().rstrip("/").lower() for one in text.split(",") if one.strip()]

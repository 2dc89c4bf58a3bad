"""The shapes of Meta's Cloud API: answers to a request, and webhooks. Only what is read of them stands here.

Source: developers.facebook.com/documentation/business-messaging/whatsapp (webhooks, status messages, errors).
"""

from __future__ import annotations

import msgspec


class Error(msgspec.Struct, frozen=True):
    """What is wrong, by its number."""

    code: int
    title: str = ""
    message: str = ""


class Refusal(msgspec.Struct, frozen=True):
    """The answer to a request that was refused."""

    error: Error


class Message(msgspec.Struct, frozen=True):
    """A message that was taken."""

    id: str


class Taken(msgspec.Struct, frozen=True):
    """The answer to a request that was taken."""

    messages: list[Message]


class Metadata(msgspec.Struct, frozen=True):
    """Which number of a business a webhook is about."""

    phone_number_id: str = ""
    display_phone_number: str = ""


class Value(msgspec.Struct, frozen=True):
    """What is told of a number."""

    metadata: Metadata = Metadata()
    statuses: list[msgspec.Raw] = []
    messages: list[msgspec.Raw] = []
    errors: list[msgspec.Raw] = []


class Change(msgspec.Struct, frozen=True):
    """One thing that is told; its value by its field."""

    field: str
    value: msgspec.Raw


class Entry(msgspec.Struct, frozen=True):
    """What is told of one business account."""

    changes: list[Change]


class Envelope(msgspec.Struct, frozen=True):
    """A webhook."""

    object: str
    entry: list[Entry]


class Pricing(msgspec.Struct, frozen=True):
    """Whether it is charged for; how much, no webhook tells."""

    billable: bool = True


class Status(msgspec.Struct, frozen=True):
    """What has become of a message of ours."""

    id: str
    status: str
    timestamp: int | str = ""
    recipient_id: str = ""
    biz_opaque_callback_data: str = ""
    errors: list[Error] = []
    pricing: Pricing | None = None

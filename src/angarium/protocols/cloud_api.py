"""The shapes of Meta's Cloud API: answers to a request, and webhooks. Only what is read of them stands here.

Source: developers.facebook.com/documentation/business-messaging/whatsapp (webhooks, status messages, errors).
"""

from __future__ import annotations

import msgspec

from angarium.core.clock import MICROS

MILLIS_FROM = 1_000_000_000_000  # some timestamps come in milliseconds


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


class Named(msgspec.Struct, frozen=True):
    """What a person calls themselves."""

    name: str = ""


class Person(msgspec.Struct, frozen=True):
    """Who wrote: a phone, or a business-scoped id where no phone is shown."""

    wa_id: str = ""
    user_id: str = ""
    profile: Named = Named()


class Preference(msgspec.Struct, frozen=True):
    """What a person wishes, of a category of messages."""

    wa_id: str = ""
    user_id: str = ""
    category: str = ""
    value: str = ""
    timestamp: int | str = ""


class Value(msgspec.Struct, frozen=True):
    """What is told of a number."""

    metadata: Metadata = Metadata()
    statuses: list[msgspec.Raw] = []
    messages: list[msgspec.Raw] = []
    contacts: list[Person] = []
    user_preferences: list[msgspec.Raw] = []
    errors: list[msgspec.Raw] = []


class Change(msgspec.Struct, frozen=True):
    """One thing that is told; its value by its field."""

    field: str
    value: msgspec.Raw


class Entry(msgspec.Struct, frozen=True):
    """What is told of one business account."""

    changes: list[Change]
    id: str = ""
    time: int | str = ""


class Envelope(msgspec.Struct, frozen=True):
    """A webhook."""

    object: str
    entry: list[Entry]


class Explained(msgspec.Struct, frozen=True):
    """Why a template was rejected, and what would help."""

    reason: str = ""
    recommendation: str = ""


class Titled(msgspec.Struct, frozen=True):
    """Why a template was locked or unlocked."""

    title: str = ""
    description: str = ""


class Template(msgspec.Struct, frozen=True):
    """What has become of a template: of its state, category or quality, by the field of the change."""

    message_template_name: str
    message_template_language: str
    message_template_id: int | str = ""
    event: str = ""
    reason: str | None = None
    message_template_category: str = ""
    other_info: Titled = Titled()
    rejection_info: Explained = Explained()
    new_quality_score: str = ""
    new_category: str = ""
    correct_category: str = ""  # that it is going to have
    category_update_timestamp: int | str = ""


FREE_TYPES = frozenset({"free_customer_service", "free_entry_point"})  # the other is "regular"


class Pricing(msgspec.Struct, frozen=True):
    """Whether it is charged for, and as what; how much, no webhook tells. `type` has taken the place of
    `billable`."""

    billable: bool | None = None
    type: str = ""
    category: str = ""
    pricing_model: str = ""

    @property
    def is_free(self) -> bool:
        """Whether it costs nothing: an answer within the window, or after an advertisement was followed."""
        return self.type in FREE_TYPES if self.type else self.billable is False


class Status(msgspec.Struct, frozen=True):
    """What has become of a message of ours."""

    id: str
    status: str
    timestamp: int | str = ""
    recipient_id: str = ""
    biz_opaque_callback_data: str = ""
    errors: list[Error] = []
    pricing: Pricing | None = None


class Number(msgspec.Struct, frozen=True):
    """A business phone number, when it is asked about."""

    verified_name: str = ""
    display_phone_number: str = ""
    quality_rating: str = ""
    messaging_limit_tier: str = ""
    name_status: str = ""
    status: str = ""


class Score(msgspec.Struct, frozen=True):
    """The quality of a template."""

    score: str = ""


class Kept(msgspec.Struct, frozen=True):
    """A template as Meta keeps it, when it is asked about."""

    name: str
    language: str
    status: str
    id: int | str = ""
    category: str = ""
    rejected_reason: str | None = None
    quality_score: Score = Score()


class Cursors(msgspec.Struct, frozen=True):
    """Where the next page begins."""

    after: str = ""


class Paging(msgspec.Struct, frozen=True):
    """Whether there is a next page."""

    cursors: Cursors = Cursors()
    next: str = ""


class TemplatePage(msgspec.Struct, frozen=True):
    """Some of the templates."""

    data: list[Kept]
    paging: Paging = Paging()


class Done(msgspec.Struct, frozen=True):
    """The answer to what was done."""

    success: bool = False


def instant(timestamp: int | str) -> int | None:
    """Seconds, or milliseconds, since 1970, as microseconds; None when it is neither."""
    text = str(timestamp)
    if not (text.isascii() and text.isdigit() and len(text) <= 13):
        return None
    number = int(text)
    return number * (1_000 if number >= MILLIS_FROM else MICROS)


# ── webhooks, taken apart ────────────────────────────────────────────────────────────────────────────

LISTS = ("statuses", "messages", "user_preferences", "errors")  # of a value: each of theirs stands alone


def pieces(body: bytes) -> list[bytes]:
    """A webhook as one for each thing that it tells; the webhook itself, where it is of another shape."""
    try:
        document = msgspec.json.decode(body)
        alone = [
            {**document, "entry": [{**entry, "changes": [{**change, "value": value}]}]}
            for entry in document["entry"]
            for change in entry["changes"]
            for value in _values(change["value"])
        ]
    except (msgspec.DecodeError, RecursionError, TypeError, KeyError, AttributeError, UnicodeDecodeError):
        return [body]
    return [msgspec.json.encode(one) for one in alone] or [body]


def _values(value: dict[str, object]) -> list[dict[str, object]]:
    shared = {name: held for name, held in value.items() if name not in LISTS}
    alone = [
        {**shared, name: [one]} for name in LISTS if isinstance(told := value.get(name), list) for one in told
    ]
    return alone or [value]

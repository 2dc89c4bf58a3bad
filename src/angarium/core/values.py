"""The words of the product as types: class, reason, status, content, price.

Every room speaks in these; `PRODUCT` vocabulary, one word one meaning.
"""

from __future__ import annotations

from enum import Enum, StrEnum
from functools import lru_cache
from typing import Any, TypeVar

import msgspec

AMOUNTS_KEPT = 4_096

E = TypeVar("E", bound=type[Enum])


def direct(enum: E) -> E:
    """An enum whose members are plain attributes, as Python has them from 3.12 on: before, to name one is to
    call a function, and the words of the product are named a hundred times a message."""
    for name, member in enum.__members__.items():
        type.__setattr__(enum, name, member)
    return enum


@direct
class MessageClass(StrEnum):
    """What a message *is*; decides who may be told, over which line, at what hour, how urgently."""

    OTP = "otp"
    TRANSACTIONAL = "transactional"
    SERVICE = "service"
    PROMOTIONAL = "promotional"


# The lower the sooner: an OTP never waits behind a campaign.
PRIORITY = {
    MessageClass.OTP: 0,
    MessageClass.TRANSACTIONAL: 1,
    MessageClass.SERVICE: 2,
    MessageClass.PROMOTIONAL: 3,
}


@direct
class Reason(StrEnum):
    """Why a channel refused, or a receipt says it failed; each adapter maps its codes to one of these.

    Granularity after Sinch's public reason codes; what the cascade does with each one is a table in
    `messaging/retry.py`, shared by all channels.
    """

    # the person or the address
    NOT_A_USER = "not_a_user"  # this person is not on this channel
    BAD_ADDRESS = "bad_address"  # no such number, mailbox or id
    UNREACHABLE = "unreachable"  # exists, but cannot be reached now: off, absent, full
    BLOCKED_BY_USER = "blocked_by_user"  # the person blocked this sender on this channel
    OPTED_OUT = "opted_out"  # the person refused this kind of message
    NO_CONSENT = "no_consent"  # the person has not agreed to this kind of message on this channel
    SUPPRESSED = "suppressed"  # the address is on a list of those who are not written to
    OPERATOR_BLACKLIST = "operator_blacklist"  # on the operator's advertising blacklist
    WINDOW_CLOSED = "window_closed"  # outside the channel's conversation window
    # the content
    CONTENT_REJECTED = "content_rejected"  # the provider's policy refused the wording
    TEMPLATE_INVALID = "template_invalid"  # not registered, paused or its parameters do not fit
    TOO_LONG = "too_long"
    UNSUPPORTED = "unsupported"  # this channel cannot carry that
    MEDIA_INVALID = "media_invalid"
    # the line
    THROTTLED = "throttled"  # the provider asks to slow down
    TEMPORARY = "temporary"  # the provider's own trouble; try again
    NO_CREDIT = "no_credit"
    AUTH = "auth"  # credentials refused
    SENDER_INVALID = "sender_invalid"  # this sender name may not be used
    CONFIG = "config"  # the line is set up wrongly, or we spoke wrongly
    # the end
    EXPIRED = "expired"  # the provider gave up at the end of its time to live
    REJECTED = "rejected"  # refused for good, no better word given
    UNDELIVERED = "undelivered"  # failed for good, no better word given
    # our own rules
    NO_ADDRESS = "no_address"  # the contact has no address of the kind this channel needs
    NO_LINE = "no_line"  # no line of this channel may carry this class now
    NO_WORDING = (
        "no_wording"  # the template has no variant for this channel and locale, or it does not render
    )
    NOT_APPROVED = "not_approved"  # somebody else has to approve such words, and has not
    DEADLINE = "deadline"  # its time ran out before it could be sent
    NOT_STARTED = "not_started"  # no line took it within the time the step allows
    NO_RECEIPT = "no_receipt"  # went out; no verdict came within the time the step waits
    NO_ANSWER = "no_answer"  # written to the provider, no answer: it may have gone out
    BUDGET = "budget"  # what may be spent has been spent, or is reserved
    HOURS = "hours"  # outside the hours in which this may be sent
    PROMOTIONAL = "promotional"  # its wording promotes, and its class may not
    REVIEW = "review"  # its wording may promote: held until a person has looked
    QUIET_HOURS = "quiet_hours"  # in the hours in which the contact is left alone
    CAPPED = "capped"  # the contact has had as many of these as the policy allows
    FAULT = "fault"  # of ours: it broke the code that was to work on it
    ANSWERED = "answered"  # not needed: an earlier try was answered after all
    CANCELLED = "cancelled"  # by a person or a system
    NOT_SENT = "not_sent"  # a person found out that it had not gone out
    LEFT = "left"  # a person left it unknown: nobody can tell
    RESTORED = "restored"  # from a backup that was put back: held until a person releases it


@direct
class ReceiptStatus(StrEnum):
    """What a provider later says of an attempt."""

    ACCEPTED = "accepted"  # on its way; nothing new
    SENT = "sent"  # handed on towards the phone
    DELIVERED = "delivered"
    READ = "read"
    FAILED = "failed"


class RegistrationStatus(StrEnum):
    """What a provider says of words that it registers; Meta's are these in capitals, or mean one."""

    PENDING = "pending"
    APPROVED = "approved"
    REJECTED = "rejected"
    PAUSED = "paused"
    DISABLED = "disabled"


@direct
class AddressKind(StrEnum):
    """The kinds of address a contact can own.

    A list and no free text, so that a kind that is misspelt is refused and not kept where nobody looks for
    it. It has more than there are channels: a new channel finds its kind here.
    """

    PHONE = "phone"
    EMAIL = "email"
    WHATSAPP = "whatsapp"
    WHATSAPP_USER = "whatsapp_user"  # business-scoped id: a person who does not show the phone
    MESSENGER = "messenger"  # page-scoped id
    INSTAGRAM = "instagram"  # Instagram-scoped id
    VIBER = "viber"  # id of a bot's subscriber
    TELEGRAM = "telegram"  # id of a chat
    VK = "vk"
    OK = "ok"
    MAX = "max"
    BALE = "bale"
    EITAA = "eitaa"
    RUBIKA = "rubika"
    SOROUSH = "soroush"
    WECHAT = "wechat"  # OpenID
    ZALO = "zalo"
    KAKAO = "kakao"
    WEB_PUSH = "web_push"  # endpoint of a browser's subscription, RFC 8030
    APP_PUSH = "app_push"  # token of a device
    WEB_CHAT = "web_chat"  # visitor of our own chat


class Address(msgspec.Struct, frozen=True, gc=False):
    """One way to reach a contact. `verified_at` is 0 while nobody has shown that it is this person's."""

    kind: AddressKind
    value: str
    operator_blacklist: bool = False
    preferred: bool = False  # to be used before the others of its kind
    verified_at: int = 0
    verified_how: str = ""  # "code", "double opt-in", "crm" …
    added_at: int = 0  # when this contact got it


class Standing(msgspec.Struct, frozen=True, gc=False):
    """What is known against telling a contact something, and where it is."""

    opted_out: frozenset[str] = frozenset()  # scopes: "promotional", "all", "promotional@smpp"
    operator_blacklist: bool = False
    time_zone: str = "UTC"  # empty where nothing tells it: then it is the workspace's
    country: str = ""  # ISO 3166, of the phone; empty when it is not known
    opted_in: frozenset[str] = frozenset()
    listed: bool = True  # whether the suppression list has anybody: asked for at the last moment


class Window(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, cache_hash=True):
    """Hours of a day: wall time, `from_` included, `until` excluded; days 1 (Monday) to 7.

    A night window (22:00 to 06:00) runs over midnight; its day is that on which it begins. When a window is
    open is told by `core/window.py`.
    """

    from_: str = msgspec.field(name="from", default="00:00")
    until: str = "24:00"
    days: tuple[int, ...] = (1, 2, 3, 4, 5, 6, 7)


class Hours(Window, frozen=True, forbid_unknown_fields=True, omit_defaults=True, cache_hash=True):
    """When a line may send some classes; `zone` "contact" is the contact's own time zone."""

    zone: str = "contact"
    classes: tuple[MessageClass, ...] = (MessageClass.PROMOTIONAL,)


class ButtonKind(StrEnum):
    """What a button does."""

    LINK = "link"  # opens a page
    CALL = "call"  # dials a number: `url` is tel:+…
    CHAT = "chat"  # opens a conversation: `url` is that of a messenger
    REPLY = "reply"  # answers with its label; it has no `url`
    CONTACT = "contact"  # hands over the person's own phone; it has no `url`


WITHOUT_URL = frozenset({ButtonKind.REPLY, ButtonKind.CONTACT})


class Button(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """Something to press under a message."""

    label: str
    url: str = ""
    kind: ButtonKind = ButtonKind.LINK


class MediaKind(StrEnum):
    """What a file is to a person."""

    IMAGE = "image"
    AUDIO = "audio"
    VIDEO = "video"
    DOCUMENT = "document"


class Media(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """A file of the workspace beside the words, by its id; all else the server fills in."""

    id: str  # media_…
    type: str = ""  # its media type, as its bytes tell
    size_bytes: int = 0
    name: str = ""
    token: str = ""  # the end of its public address
    url: str = ""  # where providers and phones fetch it: of rendered words

    @property
    def kind(self) -> MediaKind:
        """What it is to a person."""
        found = self.type.partition("/")[0]
        return MediaKind(found) if found in ("image", "audio", "video") else MediaKind.DOCUMENT


class Content(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """Rendered words for one channel: what the person will see, beside a picture or another file.

    `image_url` is a picture that lies elsewhere, `media` a file of the workspace; one of them at most.
    `template` names wording registered at the provider (WhatsApp template, VK service template) and
    `params` its variables, in order; `text` is then what the phone will show, kept for history.
    """

    text: str = ""
    subject: str = ""
    html: str = ""
    image_url: str = ""
    buttons: tuple[Button, ...] = ()
    template: str = ""
    template_language: str = ""
    params: dict[str, str] = {}
    media: Media | None = None

    @property
    def picture(self) -> str:
        """The address of the picture beside the words; empty when there is none."""
        if self.media is not None and self.media.kind is MediaKind.IMAGE:
            return self.media.url
        return self.image_url


class Measure(msgspec.Struct, frozen=True, gc=False):
    """How long a content is on its channel."""

    parts: int
    units: int
    encoding: str
    units_left: int


# Of a field that holds money, as decimal text or as micro-units: forms take and show it as money.
MONEY = {"holds": "money"}


@lru_cache(maxsize=AMOUNTS_KEPT)
def amount_text(micros: int) -> str:
    """Micro-units as a decimal number without needless zeros: 12500000 is 12.5."""
    whole, rest = divmod(abs(micros), 1_000_000)
    sign = "-" if micros < 0 else ""
    return f"{sign}{whole}.{rest:06}".rstrip("0").rstrip(".")


class Price(msgspec.Struct, frozen=True, gc=False):
    """Money in micro-units (1 EUR = 1,000,000) with its ISO 4217 currency."""

    micros: int
    currency: str


Json = dict[str, Any]

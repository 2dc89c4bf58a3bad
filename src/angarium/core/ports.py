"""The port every channel is plugged into, and the words that cross it.

A channel is one file in `channels/` that ends in `CHANNEL = Channel(…)`. It is either *request and answer*
(`send`: one HTTP call or mail per submission) or a *session* (`connect`: a bind that carries many
submissions at once and brings receipts back by itself). `messaging` knows channels only through this file.

Three outcomes, not two: Accepted, Refused, Unknown. Unknown means that bytes may have left and no answer
came; it is never blindly retried.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import Any, Literal, Protocol

import msgspec

from angarium.core.clock import Chance, Clock
from angarium.core.memory import Memory
from angarium.core.problems import FieldProblem
from angarium.core.values import (
    AddressKind,
    ButtonKind,
    Content,
    Measure,
    Media,
    MessageClass,
    Price,
    Reason,
    ReceiptStatus,
    RegistrationStatus,
)

# ── going out ────────────────────────────────────────────────────────────────────────────────────────


class Submission(msgspec.Struct, frozen=True, gc=False):
    """One attempt as a channel sees it."""

    attempt_id: int
    client_ref: str  # our name for the attempt (`att_…`); given to providers that echo it or dedupe by it
    address: str  # phones as E.164 with +
    message_class: MessageClass
    content: Content
    ttl_s: int | None  # how long the provider may keep trying; None: as long as it likes
    pattern: str = (
        ""  # what the operator calls the registered template that the text fits, on a patterned line
    )
    callback_url: str = ""  # where receipts of this line are to be posted; empty when there is no public one
    heard_at: int | None = None  # when this person last wrote to this line, of channels with a `window_s`
    pattern_values: dict[str, str] = {}  # what stands in the places of that pattern, by their names, in order


class Accepted(msgspec.Struct, frozen=True, gc=False):
    """The provider took it. One reference per part, normalised; none when it gives no references."""

    refs: tuple[str, ...] = ()
    price: Price | None = None  # what the provider says it costs


class Refused(msgspec.Struct, frozen=True, gc=False):
    """The provider certainly did not take it."""

    reason: Reason
    code: str = ""  # the provider's own word
    detail: str = ""  # a sentence a person can act on
    retry_after_s: float | None = None
    untried: bool = False  # nothing was begun: it is as if it had not been claimed


class Unknown(msgspec.Struct, frozen=True, gc=False):
    """It may have gone out: written, but no answer, or an answer that says nothing."""

    detail: str
    keyed: bool = True  # whether it carried our key, on a channel that dedupes by one; see Channel.keyed


Outcome = Accepted | Refused | Unknown

# ── what was said on the wire ────────────────────────────────────────────────────────────────────────


class Said(msgspec.Struct, frozen=True):
    """One side of an exchange, or a callback, as it went over the wire; secrets and all."""

    head: str  # its first line: `POST https://…`, `HTTP 200`, `submit_sm`
    fields: tuple[tuple[str, str], ...] = ()  # headers, or the fields of a PDU, in their order
    words: str = ""  # the text in it, where the protocol packs it up
    body: bytes = b""
    binary: bool = False  # the body is no text, and is shown in hexadecimal


class Exchange(msgspec.Struct, frozen=True):
    """What was asked of a provider about a submission, and what it answered."""

    protocol: str  # "http", "smpp", "smtp"
    asked: Said
    answered: Said | None
    asked_at: float  # by the monotonic clock, seconds
    answered_at: float | None
    trouble: str = ""  # why there is no answer


class Tape(Protocol):
    """What a connection remembers of a submission until it has ended."""

    def exchanges(self) -> Sequence[Exchange]:
        """Made only when somebody wants them; none when nothing was said."""


# ── coming in ────────────────────────────────────────────────────────────────────────────────────────


class Raw(msgspec.Struct, frozen=True):
    """What a provider said, to the byte, as it is journalled. Header names are lower case."""

    body: bytes
    headers: dict[str, str] = {}
    query: dict[str, str] = {}
    peer: str = ""  # the address it came from, for `Channel.genuine`; not journalled
    url: str = ""  # the public address it was posted to, with its query, likewise


class Charged(msgspec.Struct, frozen=True, gc=False):
    """As what a provider says that it charges for a message: perhaps another thing than was asked for."""

    words: str  # its own: "marketing, PMP"
    classes: tuple[MessageClass, ...] = ()  # ours that this is; none: that of the message


class Receipt(msgspec.Struct, frozen=True, gc=False):
    """What a provider says of an attempt. Matched by `ref`, else by `client_ref`, else by evidence."""

    status: ReceiptStatus
    ref: str = ""  # the provider's reference, normalised as in Accepted.refs
    client_ref: str = ""  # our own reference, where the provider echoes it
    address: str = ""  # the recipient, where the provider says it
    reason: Reason | None = None  # set when status is FAILED
    code: str = ""  # the provider's own word for it
    at: int | None = None  # the provider's own time, microseconds
    price: Price | None = None  # what the provider says it costs; nothing in no currency: it is not charged
    charged: Charged | None = None  # as what, where the provider tells that and not how much


class Inbound(msgspec.Struct, frozen=True):
    """What a customer sends us. With `part_total` > 1 it is one part of a longer text."""

    ref: str  # the provider's id of it, or one derived from its bytes: the same event twice has the same
    sender: str
    recipient: str
    text: str
    at: int | None = None
    context_ref: str = ""  # the message of ours it answers
    media_url: str = ""
    payload: str = ""  # what a button that was pressed carries: `text` is then its label
    name: str = ""  # what the channel calls this person
    part_ref: int = 0
    part_number: int = 1
    part_total: int = 1


class Watermark(msgspec.Struct, frozen=True, gc=False):
    """All that went to a person on this line until a time has become of this status: Messenger's way."""

    status: ReceiptStatus  # DELIVERED or READ
    address: str
    until: int  # microseconds


class Allowance(msgspec.Struct, frozen=True, gc=False):
    """A person lets this line write, or forbids it, by a switch of the channel and not by a word."""

    address: str
    allowed: bool
    ref: str  # of the event: the same event twice has the same
    promotional_only: bool = False  # it is about advertising alone
    at: int | None = None


class TemplateNews(msgspec.Struct, frozen=True):
    """What a provider says of a template that it keeps: one thing about it, at one time."""

    name: str  # by which messages ask for it
    language: str
    about: Literal[
        "status", "category", "quality", "notice"
    ]  # later news takes the place of earlier of its kind
    word: str  # the provider's own: "PAUSED", "UTILITY", "GREEN", "FLAGGED"
    status: RegistrationStatus | None = None  # set when it is about that
    reason: str = ""  # a sentence, or the provider's word for one
    category: str = ""  # where the provider says it in passing
    account: str = ""  # at the provider, within which names are unique
    external_id: str = ""
    registrar: str = ""  # who decides, as people call it: "Meta"
    at: int | None = None  # the provider's own time, microseconds


class Unreadable(msgspec.Struct, frozen=True):
    """A piece of a callback that this channel does not understand; kept and counted, never dropped."""

    detail: str
    body: str


Event = Receipt | Inbound | Watermark | Allowance | TemplateNews | Unreadable


class Inquiry(msgspec.Struct, frozen=True):
    """An attempt of which a provider is asked what became of it."""

    client_ref: str  # our name for it, for providers that know it by that
    refs: tuple[str, ...]  # the provider's, of all parts; none when it never answered
    address: str
    submitted_at: int  # microseconds


class Profile(msgspec.Struct, frozen=True):
    """What a provider says of the sender behind a line."""

    name: str = ""  # as people see it
    state: str = ""  # in the provider's own words: "CONNECTED", "PENDING_REVIEW"
    quality: str = ""  # "GREEN"
    limit: str = ""  # "TIER_1K"
    details: dict[str, str] = {}  # what else it says, by the provider's own names


class Reply(msgspec.Struct, frozen=True):
    """What to answer a provider's callback, after it is journalled and committed."""

    status: int = 200
    body: str = ""
    media_type: str = "text/plain"


# ── the channel ──────────────────────────────────────────────────────────────────────────────────────


LINKS = frozenset({ButtonKind.LINK, ButtonKind.CHAT})  # buttons that open a page
ADDRESSES = LINKS | {ButtonKind.CALL}  # those that open whatever an address names


class Carries(msgspec.Struct, frozen=True):
    """Files that a channel takes by their address: of some media types, up to a size where it has one."""

    types: frozenset[str]
    size_max_bytes: int | None = None


class Capabilities(msgspec.Struct, frozen=True):
    """What a channel can do; the cascade, the lint and the docs table are driven by it."""

    receipts: frozenset[ReceiptStatus]  # statuses it reports beyond acceptance
    classes: frozenset[MessageClass]  # what it may carry at all
    native_ttl_s: tuple[int, int] | None = None  # the provider's own time to live: least and most
    can_revoke: bool = False
    two_way: bool = False
    buttons_max: int = 0
    buttons: frozenset[ButtonKind] = LINKS  # the kinds of them
    images: bool = False  # by an address
    media: tuple[Carries, ...] = ()  # files of the workspace
    html: bool = False
    text_max: int | None = None  # characters
    registers_templates: bool = False  # wording that names a template must be approved by the provider
    priced_by: str = "message"  # "message" or "part"
    billed_on: str = "accepted"  # "accepted" or "delivered"
    window_s: int | None = (
        None  # free wording goes for so long after the person wrote: see Submission.heard_at
    )
    idempotent: bool = False  # the provider dedupes by our client_ref: a retry cannot double


def media_misfit(capabilities: Capabilities, media: Media) -> FieldProblem | None:
    """Why a channel with these capabilities cannot carry a file; None when it can."""
    for one in capabilities.media:
        if media.type not in one.types:
            continue
        if one.size_max_bytes is None or media.size_bytes <= one.size_max_bytes:
            return None
        problem = f"is {media.size_bytes} bytes, at most {one.size_max_bytes} here"
        return FieldProblem("media", problem, "upload a smaller one", media.id)
    known = ", ".join(sorted(kind for one in capabilities.media for kind in one.types))
    problem = f"is {media.type or 'of no known type'}, which cannot be sent here"
    return FieldProblem("media", problem, f"one of {known}" if known else "leave it out", media.id)


def unfit(findings: Sequence[FieldProblem]) -> Refused:
    """What a channel says of content that it cannot carry."""
    detail = "; ".join(f"{finding.field}: {finding.problem}" for finding in findings)
    return Refused(Reason.UNSUPPORTED, detail=detail)


class Ears(Protocol):
    """What a live connection tells the engine."""

    def outcome(self, attempt_id: int, outcome: Outcome, tape: Tape | None = None) -> None:
        """One submission has ended; called exactly once for each. `tape`: what was said about it."""

    async def arrived(self, raw: Raw) -> None:
        """Journal what the provider said; returns after the commit, so that it may then be answered."""

    def room(self) -> None:
        """There is room for more submissions, or the connection came or went."""

    def may_submit(self) -> bool:
        """Whether the line is ours still. Asked before the first byte of each submission leaves; what has not
        begun when it says no ends as Refused, untried."""


class Connection(Protocol):
    """A live line."""

    async def open(self) -> None:
        """Begin connecting; keeps reconnecting by itself until closed."""

    def up(self) -> bool:
        """Whether the provider can be reached, as far as is known."""

    def free(self) -> int:
        """How many more submissions it would take now; 0 while it is not connected."""

    def submit(self, batch: Sequence[Submission]) -> None:
        """Take them all; each ends in exactly one `ears.outcome`."""

    async def close(self, grace_s: float) -> None:
        """Take nothing more, wait up to `grace_s` for answers, report the rest as Unknown, leave. It may be
        asked again meanwhile: the shorter grace counts."""

    def state(self) -> str:
        """One word and a sentence for the console: "bound", "connecting: refused, retry in 10 s"."""


# What is in a file of the workspace, for providers that want it itself and not its address; None when it is
# gone.
ReadMedia = Callable[[Media], Awaitable[bytes | None]]
# Keeps a submission until the person's own program asks for it, of a channel that has no provider but us; it
# returns after the commit. The same attempt twice is kept once.
Keep = Callable[[Submission], Awaitable[None]]


@dataclass(frozen=True)
class Tools:
    """What the engine hands a channel to work with."""

    clock: Clock
    chance: Chance
    http: Any  # protocols.http.Http; typed there, so that core imports nothing
    read: ReadMedia | None = None
    keep: Keep | None = None
    memory: Memory = field(default_factory=Memory)  # of the server: what is given for a while, such as tokens


# Each takes the tools and the settings, and ends as Unknown where the provider has not said.
AskBalance = Callable[[Tools, Any], Awaitable[Price | Unknown]]  # what is left on the account
AskProfile = Callable[[Tools, Any], Awaitable[Profile | Unknown]]
AskTemplates = Callable[[Tools, Any], Awaitable[list[TemplateNews] | Unknown]]  # all, as they stand now
# Tell the provider where to post: the address of the line. None when it has agreed.
Attach = Callable[[Tools, Any, str], Awaitable[Refused | Unknown | None]]
# Whether a callback that `genuine` let through is believed, where that takes the time or the network, and the
# handshake that some providers want first. Unknown: it cannot be told now, and is to be posted again.
Admit = Callable[[Tools, Any, Raw], Awaitable[bool | Unknown]]
# Ask the provider for what has come in, again and again until cancelled, and hand over each piece; it may
# forget a piece at the provider only after that returned. It returns at once where the provider posts.
Listen = Callable[[Tools, Any, Callable[[Raw], Awaitable[None]]], Awaitable[None]]
# What became of up to `Asks.most` attempts; Unknown where the provider has not said of any. Nothing is lost
# when it is asked twice.
AskStatuses = Callable[[Tools, Any, Sequence[Inquiry]], Awaitable[list[Event] | Unknown]]
Send = Callable[[Tools, Any, Submission], Awaitable[Outcome]]
# What would be asked for a submission, and what an answer to that would come to. Pure: nothing leaves.
Rehearse = Callable[[Any, Submission, Said | None], tuple[Said, Outcome | None]]
Connect = Callable[[Tools, Any, int, Ears], Connection]  # tools, settings, window, ears


def no_findings(_settings: Any, _content: Content) -> tuple[FieldProblem, ...]:
    """A channel without limits of its own."""
    return ()


def always_genuine(_settings: Any, _raw: Raw) -> bool:
    """For channels whose callbacks are not signed: the secret path is all there is."""
    return True


def always_keyed(_settings: Any, _submission: Submission) -> bool:
    """For channels that give every submission its key, or none any."""
    return True


def one_piece(_settings: Any, raw: Raw) -> list[Raw]:
    """For channels whose callbacks cannot be taken apart."""
    return [raw]


def posted(_settings: Any, raw: Raw) -> Said:
    """A callback over HTTP as people read it."""
    query = tuple((f"?{name}", value) for name, value in raw.query.items())
    return Said("POST", (*query, *raw.headers.items()), body=raw.body)


def plain_ok(_settings: Any, _raw: Raw) -> Reply:
    """The usual answer."""
    return Reply()


def nobody(_settings: Any) -> str:
    """For channels on which the person sees no name of a sender."""
    return ""


def within_a_request(_settings: Any) -> float:
    """For channels that ask over HTTP: seconds, the time limit of `protocols/http.py`."""
    return 30.0


@dataclass(frozen=True)
class Asks:
    """How a provider is asked what became of messages, where it does not tell by itself."""

    ask: AskStatuses
    most: int = 1  # attempts in one request
    within_s: float = 2 * 86_400.0  # so long after the submission the provider knows
    taken: bool = True  # of what it took
    unanswered: bool = False  # of what it never answered, which it knows by our name
    posts: bool = False  # of what it took it tells by itself, where it has an address to post to


@dataclass(frozen=True)
class Channel:
    """One kind of transport, whole."""

    kind: str
    title: str
    address_kind: AddressKind
    settings: type[msgspec.Struct]  # its fields make the console form, the API schema and the docs
    capabilities: Capabilities
    parse: Callable[[Any, Raw], list[Event]]  # pure
    measure: Callable[[Any, Content], Measure]  # pure
    send: Send | None = None
    connect: Connect | None = None
    lint: Callable[[Any, Content], tuple[FieldProblem, ...]] = no_findings  # what it cannot carry, loudly
    genuine: Callable[[Any, Raw], bool] = always_genuine  # signature check over the raw bytes
    admit: Admit | None = None  # after it
    challenge: Callable[[Any, Raw], Reply | None] = field(default=lambda _settings, _raw: None)
    reply: Callable[[Any, Raw], Reply] = plain_ok
    pieces: Callable[[Any, Raw], list[Raw]] = one_piece  # of a callback, each of which `parse` can read
    told: Callable[[Any, Raw], Said] = posted  # one such piece, for people
    answers_within_s: Callable[[Any], float] = within_a_request  # then a submission is unknown
    sender: Callable[[Any], str] = nobody  # as the person sees it
    keyed: Callable[[Any, Submission], bool] = (
        always_keyed  # of an idempotent channel: whether this one has a key
    )
    balance: AskBalance | None = None  # where the provider has an interface for it
    profile: AskProfile | None = None
    templates: AskTemplates | None = None
    attach: Attach | None = None
    listen: Listen | None = None  # beside `send`
    asks: Asks | None = None  # beside `send`
    rehearse: Rehearse | None = None  # for people who describe a provider by settings
    also: tuple[tuple[AddressKind, str], ...] = ()  # other kinds it reaches, each with its whole pattern
    known_as: str = ""  # names by which people look for it, as they are written at home: "کاوه‌نگار"

    def __post_init__(self) -> None:
        if (self.send is None) == (self.connect is None):
            raise ValueError(f"channel {self.kind} needs exactly one of send and connect")

    @cached_property
    def kinds(self) -> tuple[AddressKind, ...]:
        """The kinds of address it reaches, the one to use first before the others."""
        return (self.address_kind, *(kind for kind, _ in self.also))

    async def believes(self, tools: Tools, settings: Any, raw: Raw) -> bool | Unknown:
        """Whether a callback is the provider's own, and of now; Unknown when that cannot be told yet."""
        if not self.genuine(settings, raw):
            return False
        return True if self.admit is None else await self.admit(tools, settings, raw)

    def kind_at(self, address: str) -> AddressKind:
        """Of which of its kinds an address is."""
        for kind, pattern in self.also:
            if re.fullmatch(pattern, address):
                return kind
        return self.address_kind


@cache  # there are as many as there are channels
def secret_fields(settings: type[msgspec.Struct]) -> frozenset[str]:
    """Names of the settings that are secrets: `Annotated[str, Meta(extra={"secret": True})]`."""
    return frozenset(
        item.encode_name
        for item in msgspec.structs.fields(settings)
        for note in getattr(item.type, "__metadata__", ())
        if isinstance(note, msgspec.Meta) and (note.extra or {}).get("secret")
    )

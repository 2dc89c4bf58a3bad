"""Web chat: to visitors of one's own site or app, through this server itself. There is no provider.

Sources: none but `protocols/web_chat.py` and the door that visitors come in by (`doors/webchat`). That a site
proves who its user is by an HMAC over the user's id is how Intercom (identity verification), Crisp and
Chatwoot (`identifier_hash`) do it, so that a site's code for one of them can be kept.

Quirks:
- What is sent waits with us until the visitor's browser asks; it is delivered when the browser says so.
- Somebody who is never seen again gets nothing: give such a step a time to wait, and another behind it.
- No codes: whoever reads the chat sits before the site already, so that a code would prove nothing.
- A file of a visitor is what its first bytes say, of the kinds that the house keeps; never a page.
- A person is `user:` and the site's own id of them, or `visitor:…` of a browser that nobody knows.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from angarium.channels import kit, lint_kit
from angarium.core.ports import (
    ADDRESSES,
    Accepted,
    Capabilities,
    Carries,
    Channel,
    Event,
    Inbound,
    Outcome,
    Raw,
    Receipt,
    Refused,
    Submission,
    Tools,
    Unknown,
)
from angarium.core.problems import FieldProblem, Problem, invalid
from angarium.core.values import (
    AddressKind,
    ButtonKind,
    Content,
    Measure,
    MessageClass,
    Reason,
    ReceiptStatus,
)
from angarium.protocols import files, web_chat
from angarium.protocols.web_chat import ORIGIN

TEXT_MAX, LABEL_MAX, BUTTONS_MAX = 10_000, 100, 10
TTL_S = (30, 2_592_000)  # half a minute to thirty days
ORIGINS_MAX = 20

# ── settings ─────────────────────────────────────────────────────────────────────────────────────────


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One site or app."""

    origins: Annotated[
        str,
        Meta(
            title="Sites",
            description="Whose pages may open the chat, with commas: https://shop.example,"
            " https://www.shop.example. Empty: no page, only programs that are no browsers.",
            max_length=2_000,
        ),
    ] = ""
    identity_secret: Annotated[
        str,
        Meta(
            title="Secret of identities",
            description="The site's server signs the ids of its users with it (HMAC-SHA256). At least 16"
            " characters; empty: nobody can say who they are.",
            max_length=200,
            extra={"secret": True},
        ),
    ] = ""
    anonymous: Annotated[
        bool, Meta(title="Unknown visitors", description="People may write of whom the site says nothing.")
    ] = True
    session_days: Annotated[
        int,
        Meta(
            title="Days of a session",
            description="How long a browser is known after it was last here.",
            ge=1,
            le=400,
        ),
    ] = 30
    history_days: Annotated[
        int,
        Meta(title="Days of history", description="How long visitors see what was said.", ge=1, le=3_650),
    ] = 365
    visitor_files_mb: Annotated[
        int,
        Meta(
            title="Files of visitors",
            description="Megabytes at most of a picture, PDF, sound or film that a visitor sends. 0: none.",
            ge=0,
            le=25,
        ),
    ] = 5

    def __post_init__(self) -> None:
        wrong = [one for one in web_chat.origins_of(self.origins) if not ORIGIN.fullmatch(one)]
        if wrong or len(web_chat.origins_of(self.origins)) > ORIGINS_MAX:
            remedy = f"at most {ORIGINS_MAX} such as https://shop.example, without a path"
            raise invalid("origins", "are not all origins", value=", ".join(wrong), remedy=remedy)
        if 0 < len(self.identity_secret) < 16:
            raise invalid("identity_secret", "is too short", remedy="16 characters or more")
        if not self.identity_secret and not self.anonymous:
            raise invalid("anonymous", "nobody could write", remedy="set a secret of identities, or allow it")


# ── sending ──────────────────────────────────────────────────────────────────────────────────────────


async def send(tools: Tools, _settings: Settings, submission: Submission) -> Outcome:
    """Keep it for the visitor; it is taken once it is committed."""
    if tools.keep is None:
        return Refused(Reason.CONFIG, detail="this server keeps nothing for visitors")
    try:
        await tools.keep(submission)
    except Problem as problem:  # the database is away: it may have been committed, and twice is once
        return Unknown(problem.detail or problem.title)
    return Accepted((submission.client_ref,))


def lint(_settings: Settings, content: Content) -> tuple[FieldProblem, ...]:
    """10,000 characters; ten buttons of 100; no templates by name."""
    found = kit.beyond(CAPABILITIES, content)
    found += lint_kit.wordless(content)
    found += lint_kit.misshapen_labels(content.buttons, LABEL_MAX)
    return (*found, *lint_kit.no_names(content))


def measure(_settings: Settings, content: Content) -> Measure:
    """One part, counted in characters."""
    return kit.characters(content, TEXT_MAX)


# ── receiving ────────────────────────────────────────────────────────────────────────────────────────


def genuine(_settings: Settings, _raw: Raw) -> bool:
    """Nobody posts to the line's callback address: visitors come by the door, which knows them."""
    return False


def parse(_settings: Settings, raw: Raw) -> list[Event]:
    """What the door wrote down."""
    told = kit.read_json(raw.body, web_chat.Happened)
    if told is None or not told.visitor:
        return [kit.unreadable("not of the web chat's door", raw.body)]
    if told.event != "message":
        return _marks(told) or [kit.unreadable("marks of nothing", raw.body)]
    if not told.ref or not (told.text or told.media_url):
        return [kit.unreadable("a message without ref or text", raw.body)]
    return [
        Inbound(
            ref=kit.clean(told.ref),
            sender=kit.clean(told.visitor),
            recipient="",
            text=kit.clean(told.text),
            at=told.at,
            context_ref=kit.clean(told.context_ref),
            media_url=kit.clean(told.media_url),
            payload=kit.clean(told.payload),
            name=kit.clean(told.name),
        )
    ]


def _marks(told: web_chat.Happened) -> list[Event]:
    found: list[Event] = []
    for status, refs in (
        (ReceiptStatus.DELIVERED, told.delivered),
        (ReceiptStatus.READ, told.read),
        (ReceiptStatus.FAILED, told.expired),
    ):
        reason = Reason.EXPIRED if status is ReceiptStatus.FAILED else None
        found += [
            Receipt(status, kit.clean(ref), address=kit.clean(told.visitor), reason=reason, at=told.at)
            for ref in refs
            if ref
        ]
    return found


CAPABILITIES = Capabilities(
    receipts=frozenset({ReceiptStatus.DELIVERED, ReceiptStatus.READ, ReceiptStatus.FAILED}),
    classes=frozenset(MessageClass) - {MessageClass.OTP},
    native_ttl_s=TTL_S,
    two_way=True,
    buttons_max=BUTTONS_MAX,
    buttons=ADDRESSES | {ButtonKind.REPLY},
    images=True,
    media=(Carries(frozenset(files.TYPES.values())),),
    text_max=TEXT_MAX,
    idempotent=True,
)

CHANNEL = Channel(
    kind="web_chat",
    title="Web chat",
    address_kind=AddressKind.WEB_CHAT,
    settings=Settings,
    capabilities=CAPABILITIES,
    parse=parse,
    measure=measure,
    send=send,
    lint=lint,
    genuine=genuine,
)

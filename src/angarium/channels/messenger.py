"""Facebook Messenger, by a Page: to people who have written to it.

Sources: developers.facebook.com/docs/messenger-platform (send API, message tags, webhook events; pages of
2026); nyaruka/courier handlers/meta/messenger (captured payloads, how the window is spoken of).

Quirks:
- The person begins. Within 24 hours of their last message anything goes; later only what a tag names. We
  know the hour from what they wrote to this line, and refuse before Meta does: who goes against it often is
  locked.
- Delivered and read come as watermarks: all that went until a time.
- A file stands alone: it has no words beside it.
- `error.code` and `error_subcode` decide together.
- No idempotency key, and no reference of ours comes back: a message whose answer was lost stays unknown.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from angarium.channels import kit, meta_kit
from angarium.core.ports import (
    ADDRESSES,
    Capabilities,
    Carries,
    Channel,
    Event,
    Outcome,
    Raw,
    Refused,
    Submission,
    Tools,
)
from angarium.core.problems import FieldProblem
from angarium.core.values import (
    AddressKind,
    ButtonKind,
    Content,
    Measure,
    MessageClass,
    ReceiptStatus,
)
from angarium.protocols import messenger

TEXT_MAX = 2_000  # characters

# ── settings ─────────────────────────────────────────────────────────────────────────────────────────


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One Page."""

    page_id: Annotated[
        str, Meta(title="Page ID", description="From the Page's About.", pattern=r"^[0-9]{1,32}$")
    ]
    access_token: Annotated[
        kit.Secret, Meta(title="Page access token", description="With pages_messaging; it does not expire.")
    ]
    app_secret: meta_kit.AppSecret
    verify_token: meta_kit.VerifyToken
    app_secret_before: meta_kit.AppSecretBefore = ""
    late: Annotated[
        Literal["refuse", "human_agent", "ACCOUNT_UPDATE", "POST_PURCHASE_UPDATE", "CONFIRMED_EVENT_UPDATE"],
        Meta(
            title="After 24 hours",
            description="refuse; human_agent: up to 7 days, if people write the service messages of this "
            "line and Meta has allowed it; or the tag that service and transactional messages fit.",
        ),
    ] = "refuse"
    base_url: Annotated[
        kit.WebAddress, Meta(title="Address of the API", description="Without a slash at its end.")
    ] = "https://graph.facebook.com"
    version: meta_kit.Version = meta_kit.VERSION


# ── sending ──────────────────────────────────────────────────────────────────────────────────────────


async def send(tools: Tools, settings: Settings, submission: Submission) -> Outcome:
    """One POST to `{page}/messages`."""
    how = meta_kit.kind_of(settings.late, submission, tools.clock.now())
    if isinstance(how, Refused):
        return how
    document = {
        "recipient": {"id": submission.address},
        "message": messenger.message(submission.content),
        **how,
    }
    url = f"{settings.base_url}/{settings.version}/{settings.page_id}/messages"
    return await kit.exchange(
        tools, url, document, {"Authorization": f"Bearer {settings.access_token}"}, meta_kit.judge_sent
    )


def lint(_settings: Settings, content: Content) -> tuple[FieldProblem, ...]:
    """2000 characters, 640 over buttons; 13 answers, or 3 buttons; a file by itself."""
    found = kit.beyond(CAPABILITIES, content)
    found += meta_kit.lint_conversation(content)
    over_buttons = bool(content.buttons) and not messenger.are_answers(content.buttons)
    if over_buttons and messenger.TEMPLATE_TEXT_MAX < len(content.text) <= TEXT_MAX:
        found.append(kit.too_long("text", content.text, messenger.TEMPLATE_TEXT_MAX))
    return tuple(found)


def measure(_settings: Settings, content: Content) -> Measure:
    """One part, counted in characters."""
    return kit.characters(content, TEXT_MAX)


# ── receiving ────────────────────────────────────────────────────────────────────────────────────────


def parse(settings: Settings, raw: Raw) -> list[Event]:
    """Every item of a batch, each on its own."""
    return meta_kit.parse_items("page", settings.page_id, raw)


MEGABYTE = 1_000_000
FILES = (  # "attachments up to 25 MB"
    Carries(frozenset({"image/jpeg", "image/png", "image/gif"}), 25 * MEGABYTE),
    Carries(frozenset({"audio/mpeg", "audio/mp4", "video/mp4"}), 25 * MEGABYTE),
    Carries(frozenset({"application/pdf"}), 25 * MEGABYTE),
)
CAPABILITIES = Capabilities(
    receipts=frozenset({ReceiptStatus.DELIVERED, ReceiptStatus.READ}),
    classes=frozenset(MessageClass),
    two_way=True,
    buttons_max=messenger.QUICK_MAX,
    buttons=ADDRESSES | {ButtonKind.REPLY},
    images=True,
    media=FILES,
    text_max=TEXT_MAX,
    window_s=messenger.AGENT_S,
)

CHANNEL = Channel(
    kind="messenger",
    title="Messenger",
    known_as="Мессенджер Месенджер مسنجر ماسنجر Фейсбук فیس‌بوک فيسبوك 脸书",
    address_kind=AddressKind.MESSENGER,
    settings=Settings,
    capabilities=CAPABILITIES,
    parse=parse,
    measure=measure,
    send=send,
    lint=lint,
    genuine=meta_kit.genuine,
    challenge=meta_kit.challenge,
)

"""Instagram messages, by a professional account: to people who have written to it.

Sources: developers.facebook.com/docs/instagram-platform (messaging API, webhooks; pages of 2026);
nyaruka/courier handlers/meta (captured payloads).

Quirks:
- As with Messenger the person begins, and 24 hours count; later only what a person of the shop writes goes,
  for 7 days (`human_agent`).
- Nothing says that a message was delivered; *seen* names one message.
- Texts are counted in bytes.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from angarium.channels import kit, meta_kit
from angarium.core.ports import (
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
from angarium.core.problems import FieldProblem, shown
from angarium.core.values import AddressKind, ButtonKind, Content, Measure, MessageClass, ReceiptStatus
from angarium.protocols import messenger

BYTES_MAX = 1_000  # of a text

# ── settings ─────────────────────────────────────────────────────────────────────────────────────────


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One professional account."""

    account_id: Annotated[
        str,
        Meta(title="Account ID", description="Of the Instagram account.", pattern=r"^[0-9]{1,32}$"),
    ]
    access_token: Annotated[
        kit.Secret,
        Meta(title="Access token", description="Of the account, or of the Page that it is linked to."),
    ]
    app_secret: meta_kit.AppSecret
    verify_token: meta_kit.VerifyToken
    app_secret_before: meta_kit.AppSecretBefore = ""
    late: Annotated[
        Literal["refuse", "human_agent"],
        Meta(
            title="After 24 hours",
            description="refuse; human_agent: up to 7 days, if people write the service messages of this "
            "line and Meta has allowed it.",
        ),
    ] = "refuse"
    base_url: Annotated[
        kit.WebAddress,
        Meta(
            title="Address of the API",
            description="https://graph.facebook.com where the account is reached by its Page.",
        ),
    ] = "https://graph.instagram.com"
    version: meta_kit.Version = meta_kit.VERSION


# ── sending ──────────────────────────────────────────────────────────────────────────────────────────


async def send(tools: Tools, settings: Settings, submission: Submission) -> Outcome:
    """One POST to `{account}/messages`."""
    how = meta_kit.kind_of(settings.late, submission, tools.clock.now())
    if isinstance(how, Refused):
        return how
    tagged = how if "tag" in how else {}
    message = messenger.message(submission.content)
    document = {"recipient": {"id": submission.address}, "message": message, **tagged}
    url = f"{settings.base_url}/{settings.version}/{settings.account_id}/messages"
    headers = {"Authorization": f"Bearer {settings.access_token}"}
    return await kit.exchange(tools, url, document, headers, meta_kit.judge_sent)


def lint(_settings: Settings, content: Content) -> tuple[FieldProblem, ...]:
    """1000 bytes; 13 answers; a file by itself."""
    found = kit.beyond(CAPABILITIES, content)
    size = len(content.text.encode())
    if len(content.text) <= BYTES_MAX < size:
        remedy = f"shorten it by {size - BYTES_MAX} bytes"
        found.append(FieldProblem("text", f"{size} bytes, at most {BYTES_MAX}", remedy, shown(content.text)))
    return (*found, *meta_kit.lint_conversation(content))


def measure(_settings: Settings, content: Content) -> Measure:
    """One part, counted in bytes."""
    size = len(content.text.encode())
    return Measure(parts=1, units=size, encoding="bytes", units_left=BYTES_MAX - size)


# ── receiving ────────────────────────────────────────────────────────────────────────────────────────


def parse(settings: Settings, raw: Raw) -> list[Event]:
    """Every item of a batch, each on its own."""
    return meta_kit.parse_items("instagram", settings.account_id, raw)


MEGABYTE = 1_000_000
CAPABILITIES = Capabilities(
    receipts=frozenset({ReceiptStatus.DELIVERED, ReceiptStatus.READ}),  # what is read has been delivered
    classes=frozenset(MessageClass),
    two_way=True,
    buttons_max=messenger.QUICK_MAX,
    buttons=frozenset({ButtonKind.REPLY}),
    images=True,
    media=(
        Carries(frozenset({"image/jpeg", "image/png", "image/gif"}), 8 * MEGABYTE),
        Carries(frozenset({"audio/mp4", "video/mp4"}), 25 * MEGABYTE),
    ),
    text_max=BYTES_MAX,
    window_s=messenger.AGENT_S,
)

CHANNEL = Channel(
    kind="instagram",
    title="Instagram",
    known_as="Инстаграм Інстаграм اینستاگرام إنستغرام",
    address_kind=AddressKind.INSTAGRAM,
    settings=Settings,
    capabilities=CAPABILITIES,
    parse=parse,
    measure=measure,
    send=send,
    lint=lint,
    genuine=meta_kit.genuine,
    challenge=meta_kit.challenge,
)

"""Viber Business Messages through TurboSMS: `message/send.json` with a `viber` part alone, one recipient.

Sources: see protocols/turbosms.py; limits as two public adapters have them (60 s to a day).

Quirks:
- With an `sms` part beside it TurboSMS falls back by itself. We do not ask for that: the cascade decides.
- `is_transactional` makes it a transactional message: a text alone (410), from a sender of one's own (415).
- No word is known for "not on Viber": such a message ends as undelivered or rejected.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from angarium.channels import kit, turbosms_kit, viber_kit
from angarium.core.ports import (
    Asks,
    Channel,
    Outcome,
    Submission,
    Tools,
)
from angarium.core.problems import FieldProblem
from angarium.core.values import AddressKind, Content, ReceiptStatus
from angarium.protocols import turbosms

# ── settings ─────────────────────────────────────────────────────────────────────────────────────────


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One Viber sender."""

    token: turbosms.Token
    sender: Annotated[
        kit.Word,
        Meta(
            title="Sender",
            description="The registered Viber sender, which is not that of SMS.",
            max_length=28,
        ),
    ]
    transactional: Annotated[
        bool,
        Meta(
            title="Own sender",
            description="Send what is not promotional as transactional. A sender that several share may not.",
        ),
    ] = True
    rich_service: viber_kit.RichService = False
    webhook_secret: turbosms.WebhookSecret = ""
    base_url: Annotated[
        kit.WebAddress, Meta(title="Address of the API", description="Without a slash at its end.")
    ] = turbosms.BASE_URL
    callback_networks: kit.CallbackNetworks = ""

    def __post_init__(self) -> None:
        kit.check_networks("callback_networks", self.callback_networks)


# ── sending ──────────────────────────────────────────────────────────────────────────────────────────


async def send(tools: Tools, settings: Settings, submission: Submission) -> Outcome:
    """One POST to `message/send.json`."""
    refused = viber_kit.too_rich(submission, settings.rich_service)
    if refused is not None:
        return refused
    document = {"recipients": [kit.digits(submission.address)], "viber": message(settings, submission)}
    headers = turbosms.headers(settings.token)
    url = f"{settings.base_url}/message/send.json"
    return await kit.exchange(tools, url, document, headers, turbosms.judge_viber)


def message(settings: Settings, submission: Submission) -> dict[str, Any]:
    """The `viber` part of a submission."""
    content = submission.content
    written: dict[str, Any] = {"sender": settings.sender, "text": content.text}
    if content.picture:
        written["image_url"] = content.picture
    for button in content.buttons:
        written |= {"caption": button.label, "action": button.url}
    if submission.ttl_s is not None:
        written["ttl"] = submission.ttl_s
    if settings.transactional and viber_kit.is_transactional(submission):
        written["is_transactional"] = 1
    return written


def lint(_settings: Settings, content: Content) -> tuple[FieldProblem, ...]:
    """What Viber takes, and no more."""
    return viber_kit.lint(CAPABILITIES, content)


CAPABILITIES = viber_kit.capabilities((60, 86_400), ReceiptStatus.SENT, ReceiptStatus.READ)

CHANNEL = Channel(
    kind="turbosms_viber",
    title="Viber (TurboSMS)",
    known_as="ТурбоСМС Вайбер وایبر فايبر",
    address_kind=AddressKind.PHONE,
    settings=Settings,
    capabilities=CAPABILITIES,
    parse=turbosms_kit.parse,
    measure=viber_kit.measure,
    send=send,
    lint=lint,
    genuine=turbosms_kit.genuine,
    sender=lambda settings: settings.sender,
    asks=Asks(turbosms_kit.ask, most=turbosms.STATES_MOST, posts=True),
)

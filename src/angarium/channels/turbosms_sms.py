"""SMS in Ukraine through TurboSMS: `message/send.json`, one recipient a request.

Sources: see protocols/turbosms.py.

Quirks:
- Everything is answered with HTTP 200; the code of the recipient counts, then that of the answer.
- `sequence_id` makes TurboSMS do a request once. What it answers to the second is not in the pages seen, so
  it is not given, and this channel is not idempotent.
- Webhooks are set in the cabinet. Their signature covers the id of the event and nothing else; the secret
  path covers the rest. They may be JSON or forms.
- The dates in webhooks are Kyiv's, without a zone; they are left aside.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from angarium.channels import kit, lint_kit, turbosms_kit
from angarium.core.ports import (
    Asks,
    Capabilities,
    Channel,
    Outcome,
    Submission,
    Tools,
)
from angarium.core.problems import FieldProblem, shown
from angarium.core.values import AddressKind, Content, Measure, MessageClass, ReceiptStatus
from angarium.protocols import turbosms

PARTS_MAX = 6  # 661 characters in Cyrillic: more than any page names, and less than is refused

# ── settings ─────────────────────────────────────────────────────────────────────────────────────────


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One sender."""

    token: turbosms.Token
    sender: Annotated[
        kit.Word, Meta(title="Sender", description="The registered name, 3 to 11 characters.", max_length=20)
    ]
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
    document = {
        "recipients": [kit.digits(submission.address)],
        "sms": {"sender": settings.sender, "text": submission.content.text},
    }
    headers = turbosms.headers(settings.token)
    url = f"{settings.base_url}/message/send.json"
    return await kit.exchange(tools, url, document, headers, turbosms.judge)


def lint(settings: Settings, content: Content) -> tuple[FieldProblem, ...]:
    """A text of a few parts; templates have no names here."""
    found = kit.beyond(CAPABILITIES, content)
    parts = measure(settings, content).parts
    if parts > PARTS_MAX:
        problem = f"{parts} parts, at most {PARTS_MAX}"
        found.append(FieldProblem("text", problem, "shorten it", shown(content.text)))
    if not content.text.strip():
        found.append(FieldProblem("text", "is empty", "write a text"))
    return (*found, *lint_kit.no_names(content, lint_kit.MATCHED))


def measure(_settings: Settings, content: Content) -> Measure:
    """Parts and units as SMS."""
    return kit.short_messages(content.text)


CAPABILITIES = Capabilities(
    receipts=frozenset({ReceiptStatus.SENT, ReceiptStatus.DELIVERED, ReceiptStatus.FAILED}),
    classes=frozenset(MessageClass),
    priced_by="part",
)

CHANNEL = Channel(
    kind="turbosms_sms",
    title="SMS (TurboSMS)",
    known_as="ТурбоСМС",
    address_kind=AddressKind.PHONE,
    settings=Settings,
    capabilities=CAPABILITIES,
    parse=turbosms_kit.parse,
    measure=measure,
    send=send,
    lint=lint,
    genuine=turbosms_kit.genuine,
    sender=lambda settings: settings.sender,
    asks=Asks(turbosms_kit.ask, most=turbosms.STATES_MOST, posts=True),
)

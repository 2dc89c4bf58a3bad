"""SMS through Bird, once MessageBird: `/v1/sms/messages` of the Bird API, one request a message.

Why this one: Bird has three. The oldest (rest.messagebird.com) tells of receipts by GET, at an address that
is set by hand for the whole account; for the second (api.bird.com, "Channels API") there is no official SDK.
The newest, this one, has one that is made from its OpenAPI, idempotency keys, a listed reason for each
failure, and webhooks signed by a public standard.

Sources: messagebird-sdk 0.106.0 (October 2026, MIT; "in development"): bird/resources/sms.py for the request,
bird/_generated.py for messages, events, errors and what each field may be, bird/_base_client.py for the
idempotency key and the regions, bird/_exceptions.py for the shape of errors, bird/resources/webhooks.py for
the signature.

Quirks:
- Webhooks are set once for the workspace, by hand; a message cannot name an address. Our own reference
  comes back in `metadata`.
- The key is told by its region: `bk_eu1_…` belongs to https://eu1.platform.bird.com.
- The time to live (`validity_period`) is a preview that other accounts are refused for naming, and so are
  pictures; neither is asked for.
- "undelivered", "failed" and "rejected" differ by how far the message came; the reason is in `error.code`.
- A code of an error of the API (`E01001`) is explained on its own page; we go by its name and its type.
"""

from __future__ import annotations

import binascii
import re
from decimal import Decimal
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from angarium.channels import kit, sms_kit
from angarium.core.ports import (
    Accepted,
    Capabilities,
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
from angarium.core.problems import FieldProblem, invalid
from angarium.core.values import AddressKind, Content, Measure, MessageClass, Price, Reason, ReceiptStatus
from angarium.protocols import signatures
from angarium.protocols.answers import Answer

PARTS_MAX = 12
REF = "ref"  # our reference in `metadata`
REGION = re.compile(r"b[km]_([a-z0-9]+)_")  # of an API key

# ── settings ─────────────────────────────────────────────────────────────────────────────────────────


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One sender of one workspace."""

    api_key: Annotated[kit.Secret, Meta(title="API key", description="Of the workspace: bk_eu1_….")]
    webhook_secret: Annotated[
        kit.Secret,
        Meta(title="Webhook secret", description="Of the webhook that posts to this line: whsec_…."),
    ]
    sender: Annotated[
        kit.Word,
        Meta(title="Sender", description="A number with its +, a short code or a name of the workspace."),
    ]
    webhook_secret_before: Annotated[
        str,
        Meta(
            title="Earlier webhook secret",
            description="The old one while you change it; empty otherwise.",
            extra={"secret": True},
        ),
    ] = ""
    smart: Annotated[
        bool,
        Meta(title="Plain punctuation", description="Let Bird put plain characters for typographic ones."),
    ] = False
    base_url: Annotated[
        str,
        Meta(
            title="Address of the API",
            description="Empty: that of the key's region. Without a slash at its end.",
            pattern=r"^(https?://[^\s?#]*[^\s?#/])?$",
        ),
    ] = ""

    def __post_init__(self) -> None:
        if not self.base_url and REGION.match(self.api_key) is None:
            raise invalid("base_url", "is required: the key tells no region", remedy="name the address")
        for name in ("webhook_secret", "webhook_secret_before"):
            try:
                signatures.standard_signature(getattr(self, name), "", "", b"")
            except (binascii.Error, ValueError):
                raise invalid(name, "is no secret of a webhook", remedy="whsec_ and base64") from None

    @property
    def api(self) -> str:
        """Where requests go."""
        region = REGION.match(self.api_key)
        return self.base_url or f"https://{region[1] if region else ''}.platform.bird.com"


# ── words of the provider ────────────────────────────────────────────────────────────────────────────

CATEGORIES = {
    MessageClass.OTP: "authentication",
    MessageClass.TRANSACTIONAL: "transactional",
    MessageClass.SERVICE: "service",
    MessageClass.PROMOTIONAL: "marketing",
}

# By the type of an event, and by the state of a message in an answer.
STATUSES: dict[str, tuple[ReceiptStatus, Reason | None]] = {
    "scheduled": (ReceiptStatus.ACCEPTED, None),
    "accepted": (ReceiptStatus.ACCEPTED, None),
    "sent": (ReceiptStatus.SENT, None),
    "delivered": (ReceiptStatus.DELIVERED, None),
    "undelivered": (ReceiptStatus.FAILED, Reason.UNDELIVERED),
    "failed": (ReceiptStatus.FAILED, Reason.UNDELIVERED),
    "rejected": (ReceiptStatus.FAILED, Reason.REJECTED),
    "canceled": (ReceiptStatus.FAILED, Reason.REJECTED),
    "expired": (ReceiptStatus.FAILED, Reason.EXPIRED),
}

ERRORS = {
    "invalid_destination": Reason.BAD_ADDRESS,
    "unreachable": Reason.UNREACHABLE,
    "blocked_by_carrier": Reason.CONTENT_REJECTED,  # "the carrier filtered the message"
    "blocked_by_fraud_protection": Reason.REJECTED,
    "blocked_by_recipient": Reason.BLOCKED_BY_USER,
    "landline_unreachable": Reason.BAD_ADDRESS,
    "content_rejected": Reason.CONTENT_REJECTED,
    "sender_unregistered": Reason.SENDER_INVALID,
    "recipient_opted_out": Reason.OPTED_OUT,
    "provider_unavailable": Reason.TEMPORARY,
    "insufficient_balance": Reason.NO_CREDIT,
}

# Refusals by their name, else by the parameter they name, else by their type.
NAMES = {
    "SMSInvalidRecipient": Reason.BAD_ADDRESS,
    "SMSSenderNotConfigured": Reason.SENDER_INVALID,
    "SMSMessagingProfileSenderBound": Reason.SENDER_INVALID,
    "SenderCategoryNotPermitted": Reason.SENDER_INVALID,
    "SMSUnsupportedFeature": Reason.UNSUPPORTED,
}
PARAMETERS = {
    "to": Reason.BAD_ADDRESS,
    "from": Reason.SENDER_INVALID,
    "text": Reason.CONTENT_REJECTED,
    "template": Reason.TEMPLATE_INVALID,
    "parameters": Reason.TEMPLATE_INVALID,
}
TYPES = {
    "auth_error": Reason.AUTH,
    "permission_error": Reason.AUTH,
    "billing_error": Reason.NO_CREDIT,
    "rate_limit_error": Reason.THROTTLED,
    "validation_error": Reason.CONFIG,
    "bad_request_error": Reason.CONFIG,
    "not_found_error": Reason.CONFIG,
    "misdirected_error": Reason.CONFIG,  # another region
    "payload_too_large_error": Reason.TOO_LONG,
}


class _Failure(msgspec.Struct, frozen=True):
    code: str
    description: str = ""


class _Message(msgspec.Struct, frozen=True):
    id: str
    status: str
    last_error: _Failure | None = None


class _Detail(msgspec.Struct, frozen=True):
    param: str = ""
    message: str = ""


class _Error(msgspec.Struct, frozen=True):
    type: str
    message: str = ""
    code: str | None = None
    name: str | None = None
    param: str | None = None
    details: list[_Detail] | None = None


class _Wrapped(msgspec.Struct, frozen=True):
    error: _Error


# ── sending ──────────────────────────────────────────────────────────────────────────────────────────


async def send(tools: Tools, settings: Settings, submission: Submission) -> Outcome:
    """One POST to `v1/sms/messages`, under our own key."""
    headers = {
        "Authorization": f"Bearer {settings.api_key}",
        "Accept": "application/json",
        "Idempotency-Key": submission.client_ref,
    }
    url = f"{settings.api}/v1/sms/messages"
    return await kit.exchange(tools, url, document(settings, submission), headers, judge)


def document(settings: Settings, submission: Submission) -> dict[str, Any]:
    """The body of a submission: a text with what it is, or a stored template."""
    content = submission.content
    written: dict[str, Any] = {
        "to": submission.address,
        "from": settings.sender,
        "metadata": {REF: submission.client_ref},
    }
    if settings.smart:
        written["options"] = {"smart_encoding": True}
    if not content.template:
        return {**written, "text": content.text, "category": CATEGORIES[submission.message_class]}
    named = "id" if content.template.startswith("smt_") else "slug"
    template: dict[str, Any] = {named: content.template}
    if content.template_language:
        template["language"] = content.template_language
    if content.params:
        template["parameters"] = content.params
    return {**written, "template": template}


def judge(answer: Answer) -> Outcome | None:
    """The outcome by the message or the error; None when the body has neither."""
    if 200 <= answer.status < 300:
        taken = kit.read_json(answer.body, _Message)
        return _judge_taken(taken) if taken is not None and taken.id else None
    told = kit.read_json(answer.body, _Wrapped)
    if answer.status == 409:
        return Unknown("an earlier try under the same key is still under way")
    if told is None or not 400 <= answer.status < 500 or answer.status == 408:
        return None
    error = told.error
    params = [error.param or "", *(detail.param for detail in error.details or [])]
    about = next((PARAMETERS[one] for one in params if one in PARAMETERS), None)
    reason = NAMES.get(error.name or "") or about
    said = [error.message, *(f"{detail.param}: {detail.message}" for detail in error.details or [])]
    code = error.name or error.code or error.type
    return Refused(reason or TYPES.get(error.type, Reason.REJECTED), code, "; ".join(said))


def _judge_taken(taken: _Message) -> Outcome:
    status, otherwise = STATUSES.get(taken.status, (ReceiptStatus.ACCEPTED, None))
    if status is not ReceiptStatus.FAILED or otherwise is None:
        return Accepted((taken.id,))
    failure = taken.last_error or _Failure(taken.status)
    return Refused(ERRORS.get(failure.code, otherwise), failure.code, failure.description or taken.status)


def lint(settings: Settings, content: Content) -> tuple[FieldProblem, ...]:
    """12 parts; no pictures."""
    found = kit.beyond(CAPABILITIES, content)
    if not content.template or content.text:
        found += sms_kit.beyond_parts(content.text, measure(settings, content), PARTS_MAX)
    return tuple(found)


def measure(settings: Settings, content: Content) -> Measure:
    """Parts and units."""
    return kit.short_messages(content.text, smart=settings.smart)


# ── receiving ────────────────────────────────────────────────────────────────────────────────────────


class _Cost(msgspec.Struct, frozen=True):
    amount: Decimal
    currency_code: str


class _Answered(msgspec.Struct, frozen=True):
    id: str = ""


class _Data(msgspec.Struct, frozen=True):
    sms_id: str
    sender: str = msgspec.field(name="from")
    to: str
    text: str | None = None
    metadata: dict[str, Any] | None = None
    cost: _Cost | None = None
    error: _Failure | None = None
    in_reply_to_message: _Answered | None = None


class _Event(msgspec.Struct, frozen=True):
    type: str
    data: _Data
    timestamp: str = ""


def genuine(settings: Settings, raw: Raw) -> bool:
    """Whether `webhook-signature` fits the body, by the secret or the one before it (Standard Webhooks)."""
    secrets = (settings.webhook_secret, settings.webhook_secret_before)
    return signatures.standard_genuine(raw.headers, secrets, raw.body)


def parse(_settings: Settings, raw: Raw) -> list[Event]:
    """One event: what became of a message, or what a person wrote."""
    told = kit.read_json(raw.body, _Event)
    channel, _, word = ("", "", "") if told is None else told.type.partition(".")
    if told is None or channel != "sms" or not told.data.sms_id:
        return [kit.unreadable("not an event about an SMS", raw.body)]
    return [_inbound(told) if word == "received" else _receipt(told, word, raw)]


def _receipt(told: _Event, word: str, raw: Raw) -> Event:
    known = STATUSES.get(word)
    if known is None:
        return kit.unreadable(f"an event of type {told.type!r}", raw.body)
    status, reason = known
    code = told.data.error.code if told.data.error is not None else ""
    cost = told.data.cost
    price = None if cost is None else kit.money(cost.amount, kit.clean(cost.currency_code))
    return Receipt(
        status=status,
        ref=kit.clean(told.data.sms_id),
        client_ref=kit.clean(kit.told(told.data.metadata, REF)),
        address=kit.clean(told.data.to),
        reason=ERRORS.get(code, reason) if reason else None,
        code=kit.clean((code if reason else "") or word),
        at=sms_kit.moment(told.timestamp),
        price=price if isinstance(price, Price) else None,
    )


def _inbound(told: _Event) -> Event:
    answered = told.data.in_reply_to_message
    return Inbound(
        ref=kit.clean(told.data.sms_id),
        sender=kit.clean(told.data.sender),
        recipient=kit.clean(told.data.to),
        text=kit.clean(told.data.text or ""),
        at=sms_kit.moment(told.timestamp),
        context_ref=kit.clean(answered.id if answered else ""),
    )


CAPABILITIES = Capabilities(
    receipts=frozenset({ReceiptStatus.SENT, ReceiptStatus.DELIVERED, ReceiptStatus.FAILED}),
    classes=frozenset(MessageClass),
    two_way=True,
    priced_by="part",
    idempotent=True,  # by the Idempotency-Key
)

CHANNEL = Channel(
    kind="messagebird_sms",
    title="SMS (Bird, once MessageBird)",
    address_kind=AddressKind.PHONE,
    settings=Settings,
    capabilities=CAPABILITIES,
    parse=parse,
    measure=measure,
    send=send,
    lint=lint,
    genuine=genuine,
    sender=lambda settings: settings.sender,
)

"""Viber Business Messages through Infobip: `/viber/2/messages`, one request a message.

Sources: infobip/infobip-api-java-client, ViberApi and its tests (31 March 2026, made of Infobip's OpenAPI:
fields of a request, answers, reports, seen reports, what people write); infobip.com/docs/viber/
business-messages, stored pages of 2026 (what each category may carry); infobip_kit.py.

Quirks:
- A message may have `smsFailover`. We do not ask for that: the cascade decides.
- Delivery and reading are told by two webhooks; both are given the address of the line. Our reference is
  the `messageId` and rides as `callbackData` too; a report that it was seen has the `messageId` alone.
  Nothing says that a `messageId` that comes twice is noticed here.
- "Not on Viber" and "blocked" have no statuses of their own in the pages seen: such a message is
  undeliverable or rejected, with an error that is told as the code.
- Russia, Belarus and Ukraine want the wording of transactional messages registered; Viber matches the text.
- Callbacks are not signed: they are believed for the secret path, and the provider's addresses if listed.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from angarium.channels import infobip_kit, kit, sms_kit, viber_kit
from angarium.core.ports import (
    Channel,
    Event,
    Inbound,
    Outcome,
    Raw,
    Receipt,
    Submission,
    Tools,
)
from angarium.core.problems import FieldProblem
from angarium.core.values import AddressKind, Content, ReceiptStatus

# ── settings ─────────────────────────────────────────────────────────────────────────────────────────


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One Viber sender of one account."""

    api_key: Annotated[
        kit.Secret, Meta(title="API key", description="From the portal, with the scope viber:message:send.")
    ]
    sender: Annotated[
        kit.Word, Meta(title="Sender", description="The registered Viber sender.", max_length=50)
    ]
    base_url: Annotated[
        kit.WebAddress,
        Meta(
            title="Address of the API",
            description="Your account's own, from the portal, without a slash at its end.",
        ),
    ] = "https://api.infobip.com"
    phones_only: Annotated[
        bool, Meta(title="Phones only", description="Deliver to the person's primary device alone.")
    ] = False
    rich_service: viber_kit.RichService = False
    callback_networks: kit.CallbackNetworks = ""

    def __post_init__(self) -> None:
        kit.check_networks("callback_networks", self.callback_networks)


# ── sending ──────────────────────────────────────────────────────────────────────────────────────────


async def send(tools: Tools, settings: Settings, submission: Submission) -> Outcome:
    """One POST to `viber/2/messages` with one message to one person."""
    refused = viber_kit.too_rich(submission, settings.rich_service)
    if refused is not None:
        return refused
    document = {"messages": [message(settings, submission)]}
    headers = infobip_kit.headers(settings.api_key)
    return await kit.exchange(
        tools, f"{settings.base_url}/viber/2/messages", document, headers, infobip_kit.judge
    )


def message(settings: Settings, submission: Submission) -> dict[str, Any]:
    """The one element of `messages`."""
    label = "TRANSACTIONAL" if viber_kit.is_transactional(submission) else "PROMOTIONAL"
    options: dict[str, Any] = {"label": label}
    if settings.phones_only:
        options["toPrimaryDeviceOnly"] = True
    if submission.ttl_s is not None:
        options["validityPeriod"] = {"amount": submission.ttl_s, "timeUnit": "SECONDS"}
    webhooks: dict[str, Any] = {"callbackData": submission.client_ref}
    if submission.callback_url:
        webhooks["delivery"] = {"url": submission.callback_url, "intermediateReport": True}
        webhooks["seen"] = {"url": submission.callback_url}
        webhooks["contentType"] = "application/json"
    return {
        "sender": settings.sender,
        "destinations": [{"to": kit.digits(submission.address), "messageId": submission.client_ref}],
        "content": words(submission.content),
        "options": options,
        "webhooks": webhooks,
    }


def words(content: Content) -> dict[str, Any]:
    """The content of a message: a text or a picture, with a button beside it."""
    written: dict[str, Any] = {"type": "TEXT", "text": content.text}
    if content.picture:
        written |= {"type": "IMAGE", "mediaUrl": content.picture}
    for button in content.buttons:
        written["button"] = {"title": button.label, "action": button.url}
    return written


def lint(_settings: Settings, content: Content) -> tuple[FieldProblem, ...]:
    """What Viber takes, and no more."""
    return viber_kit.lint(CAPABILITIES, content)


# ── receiving ────────────────────────────────────────────────────────────────────────────────────────


class _Seen(msgspec.Struct, frozen=True):
    messageId: str  # noqa: N815 - the provider's spelling
    seenAt: str  # noqa: N815 - the provider's spelling
    to: str = ""


class _Said(msgspec.Struct, frozen=True):
    type: str
    text: str = ""
    url: str = ""


class _Heard(msgspec.Struct, frozen=True):
    messageId: str  # noqa: N815 - the provider's spelling
    sender: str
    message: _Said
    to: str = ""
    receivedAt: str = ""  # noqa: N815 - the provider's spelling
    pairedMessageId: str | None = None  # noqa: N815 - the provider's spelling


def genuine(settings: Settings, raw: Raw) -> bool:
    """Whether it comes from where the provider posts, if the line says where that is."""
    return kit.listed_peer(settings.callback_networks, raw.peer)


def parse(_settings: Settings, raw: Raw) -> list[Event]:
    """Every report, and everything a person wrote, of a batch."""
    return infobip_kit.parse(raw, _event)


def _event(piece: msgspec.Raw) -> Event:
    report = kit.read_json(piece, infobip_kit.Report)
    if report is not None:
        return infobip_kit.receipt(report, piece, infobip_kit.price(report.price, 1))
    seen = kit.read_json(piece, _Seen)
    if seen is not None and seen.messageId:
        return Receipt(
            status=ReceiptStatus.READ,
            ref=kit.clean(seen.messageId),
            address=kit.clean(kit.e164(seen.to)),
            code="SEEN",
            at=sms_kit.moment(seen.seenAt),
        )
    heard = kit.read_json(piece, _Heard)
    if heard is None or not heard.messageId or not heard.sender:
        return kit.unreadable("neither a report nor a message", piece)
    return Inbound(
        ref=kit.clean(heard.messageId),
        sender=kit.clean(kit.e164(heard.sender)),
        recipient=kit.clean(heard.to),
        text=kit.clean(heard.message.text),
        at=sms_kit.moment(heard.receivedAt),
        context_ref=kit.clean(heard.pairedMessageId or ""),
        media_url=kit.clean(heard.message.url),
    )


# 30 s is Viber's own least; the most is as another partner has it: no page seen names one.
CAPABILITIES = viber_kit.capabilities((30, 259_200), ReceiptStatus.SENT, ReceiptStatus.READ, two_way=True)

CHANNEL = Channel(
    kind="infobip_viber",
    title="Viber (Infobip)",
    known_as="Вайбер وایبر فايبر Инфобип Інфобіп",
    address_kind=AddressKind.PHONE,
    settings=Settings,
    capabilities=CAPABILITIES,
    parse=parse,
    measure=viber_kit.measure,
    send=send,
    lint=lint,
    genuine=genuine,
    sender=lambda settings: settings.sender,
)

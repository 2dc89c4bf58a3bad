"""SMS through Infobip's API of the third version: `/sms/3/messages`, one request a message.

Sources: Infobip's OpenAPI 3.210 (SMS and account management, as kept by api-evangelist/infobip, August 2026)
and infobip-api-python-client 6.0, for the fields and the examples; infobip.com/docs, "Message status codes"
and "Error code reference" (2026), for statuses and errors.

Quirks:
- The answer is an acceptance: a status of the group PENDING. A refusal comes with HTTP 200 too, as a status
  of the groups UNDELIVERABLE, EXPIRED or REJECTED.
- We name the message (`messageId`), and a name that comes again is refused: REJECTED_DUPLICATE_MESSAGE_ID
  says that an earlier try was taken. For how long a name is remembered is not documented.
- DELIVERED_TO_OPERATOR is of the group DELIVERED, and is not delivered: another report may follow.
- Reports come in batches. They are not signed where a request names the address: they are believed for the
  secret path, and the provider's addresses if listed.
- India's registry (DLT) wants the ids of the sender's entity and of the template with each message.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from angarium.channels import infobip_kit, kit, sms_kit
from angarium.core.ports import (
    Capabilities,
    Channel,
    Event,
    Inbound,
    Outcome,
    Raw,
    Submission,
    Tools,
    Unknown,
)
from angarium.core.problems import FieldProblem, invalid, shown
from angarium.core.values import AddressKind, Content, Measure, MessageClass, Price, ReceiptStatus

PARTS_MAX = 25  # REJECTED_MESSAGE_TOO_LONG
INDIA = "+91"

# ── settings ─────────────────────────────────────────────────────────────────────────────────────────


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One sender of one account."""

    api_key: Annotated[
        kit.Secret, Meta(title="API key", description="From the portal, with the scope sms:message:send.")
    ]
    sender: Annotated[
        kit.Word,
        Meta(
            title="Sender",
            description="A registered name, or a number.",
            max_length=16,
        ),
    ]
    base_url: Annotated[
        kit.WebAddress,
        Meta(
            title="Address of the API",
            description="Your account's own, from the portal, without a slash at its end.",
        ),
    ] = "https://api.infobip.com"
    transliteration: Annotated[
        Literal[
            "",
            "TURKISH",
            "GREEK",
            "CYRILLIC",
            "SERBIAN_CYRILLIC",
            "BULGARIAN_CYRILLIC",
            "CENTRAL_EUROPEAN",
            "BALTIC",
            "PORTUGUESE",
            "COLOMBIAN",
            "NON_UNICODE",
            "ALL",
        ],
        Meta(
            title="Transliteration",
            description="Write this alphabet in GSM letters, so that fewer parts go out; or empty.",
        ),
    ] = ""
    india_entity_id: Annotated[
        str,
        Meta(title="India: entity id", description="Principal entity id of your DLT registration."),
    ] = ""
    india_template_id: Annotated[
        str,
        Meta(
            title="India: template id",
            description="Of the DLT content template used where a message names none.",
        ),
    ] = ""
    india_telemarketer_id: Annotated[
        str,
        Meta(title="India: telemarketer id", description="If you send for others; empty otherwise."),
    ] = ""
    callback_networks: kit.CallbackNetworks = ""

    def __post_init__(self) -> None:
        if (self.india_template_id or self.india_telemarketer_id) and not self.india_entity_id:
            raise invalid("india_entity_id", "is required with the other ids of India", remedy="set it")
        kit.check_networks("callback_networks", self.callback_networks)


class _Balance(msgspec.Struct, frozen=True):
    balance: Decimal
    currency: str


# ── sending ──────────────────────────────────────────────────────────────────────────────────────────


async def send(tools: Tools, settings: Settings, submission: Submission) -> Outcome:
    """One POST to `sms/3/messages` with one message to one person."""
    return await kit.exchange(
        tools,
        f"{settings.base_url}/sms/3/messages",
        {"messages": [message(settings, submission)]},
        infobip_kit.headers(settings.api_key),
        infobip_kit.judge,
    )


def message(settings: Settings, submission: Submission) -> dict[str, Any]:
    """The one element of `messages`."""
    content: dict[str, Any] = {"text": submission.content.text}
    if settings.transliteration:
        content["transliteration"] = settings.transliteration
    named = {"to": kit.digits(submission.address), "messageId": submission.client_ref}
    webhooks: dict[str, Any] = {"callbackData": submission.client_ref}
    if submission.callback_url:
        webhooks["delivery"] = {"url": submission.callback_url, "intermediateReport": True}
        webhooks["contentType"] = "application/json"
    written = {"sender": settings.sender, "destinations": [named], "content": content, "webhooks": webhooks}
    options = _options(settings, submission)
    return {**written, "options": options} if options else written


def _options(settings: Settings, submission: Submission) -> dict[str, Any]:
    options: dict[str, Any] = {}
    if submission.ttl_s is not None:
        options["validityPeriod"] = {"amount": submission.ttl_s, "timeUnit": "SECONDS"}
    if settings.india_entity_id and submission.address.startswith(INDIA):
        template = submission.pattern or submission.content.template or settings.india_template_id
        ids = {
            "contentTemplateId": template,
            "principalEntityId": settings.india_entity_id,
            "telemarketerId": settings.india_telemarketer_id,
        }
        options["regional"] = {"indiaDlt": {name: value for name, value in ids.items() if value}}
    return options


async def balance(tools: Tools, settings: Settings) -> Price | Unknown:
    """GET `account/1/balance`; the key needs the scope account-management:manage."""
    answer = await kit.asked(
        tools, f"{settings.base_url}/account/1/balance", infobip_kit.headers(settings.api_key)
    )
    if isinstance(answer, Unknown):
        return answer
    told = kit.read_json(answer.body, _Balance)
    return Unknown("an answer without a balance") if told is None else kit.money(told.balance, told.currency)


def lint(settings: Settings, content: Content) -> tuple[FieldProblem, ...]:
    """25 parts; a template is the id of India's registry, where the line has an entity there."""
    found = kit.beyond(CAPABILITIES, content)
    found += sms_kit.beyond_parts(content.text, measure(settings, content), PARTS_MAX)
    if content.template and not settings.india_entity_id:
        remedy = "set india_entity_id, or leave the template empty"
        found.append(FieldProblem("template", "no template ids here", remedy, shown(content.template)))
    return tuple(found)


def measure(_settings: Settings, content: Content) -> Measure:
    """Parts and units as written; with transliteration there may be fewer."""
    return kit.short_messages(content.text)


# ── receiving ────────────────────────────────────────────────────────────────────────────────────────


class _Heard(msgspec.Struct, frozen=True):
    messageId: str  # noqa: N815 - the provider's spelling
    sender: str = msgspec.field(name="from")
    to: str = ""
    text: str = ""
    receivedAt: str = ""  # noqa: N815 - the provider's spelling


def genuine(settings: Settings, raw: Raw) -> bool:
    """Whether it comes from where the provider posts, if the line says where that is."""
    return kit.listed_peer(settings.callback_networks, raw.peer)


def parse(_settings: Settings, raw: Raw) -> list[Event]:
    """Every report, and everything a person wrote, of a batch."""
    return infobip_kit.parse(raw, _event)


def _event(piece: msgspec.Raw) -> Event:
    report = kit.read_json(piece, infobip_kit.Report)
    if report is not None:
        return infobip_kit.receipt(report, piece, _cost(report))
    heard = kit.read_json(piece, _Heard)
    if heard is None or not heard.messageId or not heard.sender:
        return kit.unreadable("neither a report nor a message", piece)
    return Inbound(
        ref=kit.clean(heard.messageId),
        sender=kit.clean(kit.e164(heard.sender)),
        recipient=kit.clean(kit.e164(heard.to)),
        text=kit.clean(heard.text),
        at=sms_kit.moment(heard.receivedAt),
    )


def _cost(report: infobip_kit.Report) -> Price | None:
    """What all parts cost."""
    counted = 0 < report.messageCount <= PARTS_MAX
    return infobip_kit.price(report.price, report.messageCount) if counted else None


CAPABILITIES = Capabilities(
    receipts=frozenset({ReceiptStatus.SENT, ReceiptStatus.DELIVERED, ReceiptStatus.FAILED}),
    classes=frozenset(MessageClass),
    native_ttl_s=(60, 172_800),  # "longer than 48h is not supported"; of the least the pages say nothing
    two_way=True,
    priced_by="part",
    idempotent=True,  # by messageId
)

CHANNEL = Channel(
    kind="infobip_sms",
    title="SMS (Infobip)",
    known_as="Инфобип Інфобіп",
    address_kind=AddressKind.PHONE,
    settings=Settings,
    capabilities=CAPABILITIES,
    parse=parse,
    measure=measure,
    send=send,
    lint=lint,
    genuine=genuine,
    sender=lambda settings: settings.sender,
    balance=balance,
)

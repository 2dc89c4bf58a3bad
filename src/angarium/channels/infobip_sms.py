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
from angarium.core.problems import FieldProblem, invalid, shown
from angarium.core.values import AddressKind, Content, Measure, MessageClass, Price, Reason, ReceiptStatus
from angarium.protocols.http import Answer

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


# ── words of the provider ────────────────────────────────────────────────────────────────────────────

PENDING, DELIVERED = 1, 3  # groups of statuses: taken
DUPLICATE = 23  # the name was used before: an earlier try was taken

# Statuses by id; those of the group PENDING that are not here say nothing new.
STATUSES: dict[int, tuple[ReceiptStatus, Reason | None]] = {
    2: (ReceiptStatus.SENT, None),  # DELIVERED_TO_OPERATOR
    3: (ReceiptStatus.SENT, None),  # PENDING_WAITING_DELIVERY: the operator has it
    5: (ReceiptStatus.DELIVERED, None),
    7: (ReceiptStatus.SENT, None),  # PENDING_ENROUTE
    26: (ReceiptStatus.ACCEPTED, None),
    4: (ReceiptStatus.FAILED, Reason.REJECTED),
    9: (ReceiptStatus.FAILED, Reason.UNDELIVERED),
    31: (ReceiptStatus.FAILED, Reason.UNDELIVERED),
    15: (ReceiptStatus.FAILED, Reason.EXPIRED),
    29: (ReceiptStatus.FAILED, Reason.EXPIRED),  # EXPIRED_DLR_UNKNOWN: nobody will ever say
    6: (ReceiptStatus.FAILED, Reason.CONFIG),  # the network is not set up on the account
    8: (ReceiptStatus.FAILED, Reason.BAD_ADDRESS),
    10: (ReceiptStatus.FAILED, Reason.OPERATOR_BLACKLIST),  # REJECTED_DND
    11: (ReceiptStatus.FAILED, Reason.SENDER_INVALID),
    12: (ReceiptStatus.FAILED, Reason.NO_CREDIT),
    13: (ReceiptStatus.FAILED, Reason.SENDER_INVALID),
    14: (ReceiptStatus.FAILED, Reason.SUPPRESSED),  # on the blocklist of the operator or of the account
    17: (ReceiptStatus.FAILED, Reason.NO_CREDIT),
    18: (ReceiptStatus.FAILED, Reason.CONFIG),  # a test account
    19: (ReceiptStatus.FAILED, Reason.CONFIG),
    20: (ReceiptStatus.FAILED, Reason.REJECTED),  # too many to this person within the hour
    21: (ReceiptStatus.FAILED, Reason.TEMPORARY),
    24: (ReceiptStatus.FAILED, Reason.CONFIG),
    25: (ReceiptStatus.FAILED, Reason.TOO_LONG),
    51: (ReceiptStatus.FAILED, Reason.BAD_ADDRESS),
    52: (ReceiptStatus.FAILED, Reason.BAD_ADDRESS),
    87: (ReceiptStatus.FAILED, Reason.REJECTED),  # SIGNALS_BLOCKED: taken for fraud
    100: (ReceiptStatus.FAILED, Reason.REJECTED),
}
GROUPS = {
    "PENDING": (ReceiptStatus.ACCEPTED, None),
    "UNDELIVERABLE": (ReceiptStatus.FAILED, Reason.UNDELIVERED),
    "EXPIRED": (ReceiptStatus.FAILED, Reason.EXPIRED),
    "REJECTED": (ReceiptStatus.FAILED, Reason.REJECTED),
}

# What the network said, by id: a better word than "undelivered".
NETWORK: dict[Reason, tuple[int, ...]] = {
    Reason.BAD_ADDRESS: (1, 9, 12, 345, 351, 352, 633, 3041),
    Reason.NOT_A_USER: (11, 258, 568, 629),  # no SMS on this subscription or phone
    Reason.UNREACHABLE: (5, 6, 8, 13, 27, 31, 33, 256, 569, 581, 628, 630, 2048),
    Reason.BLOCKED_BY_USER: (560, 565, 573, 574),
    Reason.OPERATOR_BLACKLIST: (566, 4137),  # 4137: the person's preferences in India's registry
    Reason.SUPPRESSED: (604, 2049, 2050, 2052),
    Reason.NO_CONSENT: (4140,),
    Reason.CONTENT_REJECTED: (561, 603, 607, 4106, 4139, 4153),
    Reason.TOO_LONG: (355,),
    Reason.TEMPLATE_INVALID: (4111, *range(4126, 4137), 4143, 4149, 4150, 4151),
    Reason.SENDER_INVALID: (
        *(368, 375, 488, 562, 563, 564, 571, 572, 592, 594, 2053, 4099, 4202),
        *(4108, *range(4121, 4126), 4146, 4147, 4148),
    ),
    Reason.CONFIG: (323, 433, *range(4109, 4111), *range(4112, 4121), 4142, *range(4154, 4159)),
    Reason.EXPIRED: (811, 4098, 4101),
    Reason.TEMPORARY: (4107, 4141),  # the registry did not answer
    Reason.REJECTED: (608, 609, 632, 4103, 4104, 4138),
}
ERRORS = {code: reason for reason, codes in NETWORK.items() for code in codes}

# Which part of a request a violation is about.
PROPERTIES = (
    ("destinations", Reason.BAD_ADDRESS),
    ("sender", Reason.SENDER_INVALID),
    ("content", Reason.CONTENT_REJECTED),
)


class _Word(msgspec.Struct, frozen=True):
    """A status, or what the network said."""

    id: int
    name: str = ""
    groupId: int = 0  # noqa: N815 - the provider's spelling
    groupName: str = ""  # noqa: N815 - the provider's spelling
    description: str = ""


class _Taken(msgspec.Struct, frozen=True):
    messageId: str  # noqa: N815 - the provider's spelling
    status: _Word


class _Answer(msgspec.Struct, frozen=True):
    messages: list[_Taken]


class _Violation(msgspec.Struct, frozen=True):
    property: str = ""
    violation: str = ""


class _Error(msgspec.Struct, frozen=True):
    errorCode: str  # noqa: N815 - the provider's spelling
    description: str = ""
    violations: list[_Violation] = []


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
        _headers(settings),
        judge,
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


def _headers(settings: Settings) -> dict[str, str]:
    return {"Authorization": f"App {settings.api_key}", "Accept": "application/json"}


def judge(answer: Answer) -> Outcome | None:
    """The outcome by the status of the one message; None when the body says nothing we know."""
    if answer.status != 200:
        return _judge_error(answer)
    told = kit.read_json(answer.body, _Answer)
    if told is None or len(told.messages) != 1:
        return None
    (taken,) = told.messages
    status = taken.status
    if taken.messageId and (status.groupId in (PENDING, DELIVERED) or status.id == DUPLICATE):
        return Accepted((taken.messageId,))
    known = STATUSES.get(status.id) or GROUPS.get(status.groupName)
    if known is None or known[1] is None:
        return None
    # our name for it is spent: with it, a second try would be taken for this one
    reason = Reason.REJECTED if known[1] is Reason.TEMPORARY else known[1]
    return Refused(reason, str(status.id), f"{status.name}: {status.description}")


def _judge_error(answer: Answer) -> Outcome | None:
    error = kit.read_json(answer.body, _Error)
    if answer.status != 400 or error is None:
        return None
    told = [f"{one.property}: {one.violation}" for one in error.violations]
    for one in error.violations:
        for part, reason in PROPERTIES:
            if part in one.property:
                return Refused(reason, error.errorCode, "; ".join(told))
    return Refused(Reason.CONFIG, error.errorCode, "; ".join(told) or error.description)


async def balance(tools: Tools, settings: Settings) -> Price | Unknown:
    """GET `account/1/balance`; the key needs the scope account-management:manage."""
    answer = await kit.asked(tools, f"{settings.base_url}/account/1/balance", _headers(settings))
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


class _Price(msgspec.Struct, frozen=True):
    pricePerMessage: Decimal  # noqa: N815 - the provider's spelling
    currency: str


class _Report(msgspec.Struct, frozen=True):
    status: _Word
    messageId: str  # noqa: N815 - the provider's spelling
    error: _Word | None = None
    to: str = ""
    doneAt: str | None = None  # noqa: N815 - the provider's spelling
    messageCount: int = 1  # noqa: N815 - the provider's spelling
    callbackData: str | None = None  # noqa: N815 - the provider's spelling
    price: _Price | None = None


class _Heard(msgspec.Struct, frozen=True):
    messageId: str  # noqa: N815 - the provider's spelling
    sender: str = msgspec.field(name="from")
    to: str = ""
    text: str = ""
    receivedAt: str = ""  # noqa: N815 - the provider's spelling


class _Results(msgspec.Struct, frozen=True):
    results: list[msgspec.Raw]


def genuine(settings: Settings, raw: Raw) -> bool:
    """Whether it comes from where the provider posts, if the line says where that is."""
    return kit.listed_peer(settings.callback_networks, raw.peer)


def parse(_settings: Settings, raw: Raw) -> list[Event]:
    """Every report, and everything a person wrote, of a batch."""
    told = kit.read_json(raw.body, _Results)
    if told is None or not told.results:
        return [kit.unreadable("a callback without results", raw.body)]
    return [_event(piece) for piece in told.results]


def _event(piece: msgspec.Raw) -> Event:
    report = kit.read_json(piece, _Report)
    if report is not None:
        return _receipt(report, piece)
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


def _receipt(report: _Report, piece: msgspec.Raw) -> Event:
    word = report.status
    known = STATUSES.get(word.id) or GROUPS.get(word.groupName)
    if known is None or not report.messageId:
        return kit.unreadable(f"status {word.id} {word.name} is not in our table", piece)
    status, reason = known
    error = report.error
    network = ERRORS.get(error.id) if error is not None else None
    if reason in (Reason.UNDELIVERED, Reason.REJECTED, Reason.EXPIRED):
        reason = network or reason
    told = error.name if error is not None and error.id and reason else word.name
    return Receipt(
        status=status,
        ref=kit.clean(report.messageId),
        client_ref=kit.clean(report.callbackData or ""),
        address=kit.clean(kit.e164(report.to)),
        reason=reason,
        code=kit.clean(told or str(word.id)),
        at=sms_kit.moment(report.doneAt or ""),
        price=_cost(report),
    )


def _cost(report: _Report) -> Price | None:
    """What all parts cost."""
    if report.price is None or not 0 < report.messageCount <= PARTS_MAX:
        return None
    told = kit.money(report.price.pricePerMessage * report.messageCount, kit.clean(report.price.currency))
    return told if isinstance(told, Price) else None


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

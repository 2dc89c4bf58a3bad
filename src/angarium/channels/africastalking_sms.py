"""SMS through Africa's Talking: `/version1/messaging`, one form a message.

Sources: AfricasTalkingLtd/africastalking-python SMS.py and Service.py (25 August 2025), for the request;
docs.africastalking.com, "Delivery reports" and "Sms Notifications" (stored pages), for statuses and reasons
of failure; hekimapro/utils communication (May 2025), which lists the codes of an answer by number and name;
nyaruka/courier handlers/africastalking, for captured payloads.

Quirks:
- Nothing of ours comes back: no reference, no address of a callback in the request. Reports go where the
  dashboard says, and tell the id and the phone. A submission whose answer was lost is found by its phone.
- An answer is HTTP 201 whatever became of the message; the code of the one recipient counts. A sender
  that is not ours empties the list of recipients, and its message is the reason.
- 500 and 501 in an answer say that the gateway broke, not whether the message left: unknown.
- No time to live, and no idempotency key.
- Callbacks are forms and are not signed: they are believed for the secret path, and the provider's addresses
  if listed.
- That a person opted out of a name is told by a callback of its own, which has no id.
"""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation
from typing import Annotated
from urllib.parse import urlencode

import msgspec
from msgspec import Meta

from angarium.channels import kit, sms_kit
from angarium.core.ports import (
    Accepted,
    Allowance,
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
from angarium.core.problems import FieldProblem
from angarium.core.values import AddressKind, Content, Measure, MessageClass, Price, Reason, ReceiptStatus
from angarium.protocols.answers import Answer

PARTS_MAX = 10  # the pages name no bound; ten parts are more than anybody reads
AMOUNT = re.compile(r"([A-Z]{3}) ([0-9]+(?:\.[0-9]+)?)")  # "KES 0.8000"
FOREIGN_ZONE = re.compile(r"(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d)")  # a date without one: it is UTC

# ── settings ─────────────────────────────────────────────────────────────────────────────────────────


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One sender of one application."""

    username: Annotated[
        kit.Word, Meta(title="Username", description="Of the application, in small letters; or sandbox.")
    ]
    api_key: Annotated[
        kit.Secret, Meta(title="API key", description="From the application's settings, API key.")
    ]
    sender: Annotated[
        str,
        Meta(
            title="Sender",
            description="A registered name or short code. Empty: the shared one of Africa's Talking.",
            max_length=20,
        ),
    ] = ""
    enqueue: Annotated[
        bool,
        Meta(title="Queue", description="Let them take the message at once and pass it on in its turn."),
    ] = False
    base_url: Annotated[
        kit.WebAddress,
        Meta(
            title="Address of the API",
            description="https://api.sandbox.africastalking.com to try it out. Without a slash at its end.",
        ),
    ] = "https://api.africastalking.com"
    callback_networks: kit.CallbackNetworks = ""

    def __post_init__(self) -> None:
        kit.check_networks("callback_networks", self.callback_networks)


# ── words of the provider ────────────────────────────────────────────────────────────────────────────

TAKEN = frozenset({100, 101, 102})  # processed, sent, queued
UNCERTAIN = frozenset({500, 501})  # InternalServerError, GatewayError

CODES = {
    401: Reason.REJECTED,  # RiskHold
    402: Reason.SENDER_INVALID,
    403: Reason.BAD_ADDRESS,
    404: Reason.BAD_ADDRESS,  # UnsupportedNumberType
    405: Reason.NO_CREDIT,
    406: Reason.OPTED_OUT,  # UserInBlacklist
    407: Reason.CONFIG,  # CouldNotRoute
    409: Reason.OPERATOR_BLACKLIST,  # DoNotDisturbRejection
    502: Reason.REJECTED,
}

# What is said in place of recipients.
MESSAGES = {"InvalidSenderId": Reason.SENDER_INVALID}

STATUSES: dict[str, tuple[ReceiptStatus, Reason | None]] = {
    "Sent": (ReceiptStatus.ACCEPTED, None),  # "by our network"
    "Submitted": (ReceiptStatus.SENT, None),  # to the operator
    "Buffered": (ReceiptStatus.SENT, None),  # by the operator
    "Success": (ReceiptStatus.DELIVERED, None),
    "Rejected": (ReceiptStatus.FAILED, Reason.REJECTED),
    "Failed": (ReceiptStatus.FAILED, Reason.UNDELIVERED),
    "Expired": (ReceiptStatus.FAILED, Reason.EXPIRED),
    "AbsentSubscriber": (ReceiptStatus.FAILED, Reason.UNREACHABLE),
}

FAILURES = {
    "InsufficientCredit": Reason.UNREACHABLE,  # the person's own, for a premium message
    "InvalidLinkId": Reason.CONFIG,
    "UserIsInactive": Reason.UNREACHABLE,
    "UserInBlackList": Reason.OPTED_OUT,
    "UserAccountSuspended": Reason.UNREACHABLE,
    "NotNetworkSubscriber": Reason.BAD_ADDRESS,
    "NotNetworkSubcriber": Reason.BAD_ADDRESS,  # as some pages spell it
    "UserNotSubscribedToProduct": Reason.NO_CONSENT,
    "UserDoesNotExist": Reason.BAD_ADDRESS,
    "DeliveryFailure": Reason.UNDELIVERED,
    "DoNotDisturbRejection": Reason.OPERATOR_BLACKLIST,
}


class _Recipient(msgspec.Struct, frozen=True):
    statusCode: int  # noqa: N815 - the provider's spelling
    status: str = ""
    messageId: str = ""  # noqa: N815 - the provider's spelling
    cost: str = ""


class _Data(msgspec.Struct, frozen=True):
    Message: str = ""
    Recipients: list[_Recipient] = []


class _Answer(msgspec.Struct, frozen=True):
    SMSMessageData: _Data


class _User(msgspec.Struct, frozen=True):
    balance: str


class _UserData(msgspec.Struct, frozen=True):
    UserData: _User


# ── sending ──────────────────────────────────────────────────────────────────────────────────────────


async def send(tools: Tools, settings: Settings, submission: Submission) -> Outcome:
    """One POST to `messaging` for one person."""
    return await kit.exchange(
        tools,
        f"{settings.base_url}/version1/messaging",
        None,
        _headers(settings),
        judge,
        form=form(settings, submission),
    )


def form(settings: Settings, submission: Submission) -> dict[str, str]:
    """The fields of a submission."""
    written = {
        "username": settings.username,
        "to": submission.address,
        "message": submission.content.text,
        "bulkSMSMode": "1",  # we pay, not the person
    }
    if settings.sender:
        written["from"] = settings.sender
    return {**written, "enqueue": "1"} if settings.enqueue else written


def _headers(settings: Settings) -> dict[str, str]:
    return {"apiKey": settings.api_key, "Accept": "application/json"}


def judge(answer: Answer) -> Outcome | None:
    """The outcome by the code of the one recipient; None when the body says nothing we know."""
    told = kit.read_json(answer.body, _Answer)
    if not 200 <= answer.status < 300 or told is None:
        return None
    data = told.SMSMessageData
    if not data.Recipients:
        reason = MESSAGES.get(data.Message)
        return Refused(reason, data.Message, data.Message) if reason else None
    if len(data.Recipients) != 1:
        return None
    (one,) = data.Recipients
    if one.statusCode in TAKEN:
        taken = one.messageId not in ("", "None")
        return Accepted((one.messageId,), amount(one.cost)) if taken else None
    if one.statusCode in UNCERTAIN:
        return Unknown(f"{one.statusCode} {one.status}: the gateway broke, and the message may have left")
    return Refused(CODES.get(one.statusCode, Reason.REJECTED), str(one.statusCode), one.status)


def amount(text: str) -> Price | None:
    """An amount such as "KES 0.8000"; None for anything else."""
    found = AMOUNT.fullmatch(text)
    try:
        told = kit.money(Decimal(found[2]), found[1]) if found else None
    except InvalidOperation:
        return None
    return told if isinstance(told, Price) else None


async def balance(tools: Tools, settings: Settings) -> Price | Unknown:
    """GET `user`: of the application's account."""
    url = f"{settings.base_url}/version1/user?{urlencode({'username': settings.username})}"
    answer = await kit.asked(tools, url, _headers(settings))
    if isinstance(answer, Unknown):
        return answer
    told = kit.read_json(answer.body, _UserData)
    found = amount(told.UserData.balance) if told is not None else None
    return found or Unknown("an answer without a balance")


def lint(settings: Settings, content: Content) -> tuple[FieldProblem, ...]:
    """Ten parts; no pictures, buttons or templates."""
    found = kit.beyond(CAPABILITIES, content)
    found += sms_kit.beyond_parts(content.text, measure(settings, content), PARTS_MAX)
    if content.template:
        found.append(FieldProblem("template", "no templates here", "leave it empty", content.template[:80]))
    return tuple(found)


def measure(_settings: Settings, content: Content) -> Measure:
    """Parts and units."""
    return kit.short_messages(content.text)


# ── receiving ────────────────────────────────────────────────────────────────────────────────────────


def genuine(settings: Settings, raw: Raw) -> bool:
    """Whether it comes from where the provider posts, if the line says where that is."""
    return kit.listed_peer(settings.callback_networks, raw.peer)


def parse(settings: Settings, raw: Raw) -> list[Event]:
    """A report, what a person wrote, or that they opted out."""
    fields = kit.read_form(raw.body)
    if fields.get("id") and "status" in fields:
        return [_receipt(fields, raw)]
    if fields.get("id") and fields.get("from") and "text" in fields:
        return [_inbound(fields)]
    if fields.get("senderId") and fields.get("phoneNumber"):
        return [_opted_out(settings, fields, raw)]
    return [kit.unreadable("neither a report, a message nor an opt-out", raw.body)]


def _receipt(fields: dict[str, str], raw: Raw) -> Event:
    word, failure = fields["status"], fields.get("failureReason", "")
    known = STATUSES.get(word)
    if known is None:
        return kit.unreadable(f"status {word!r} is not in our table", raw.body)
    status, reason = known
    said = failure if reason and failure not in ("", "None", "null") else ""
    return Receipt(
        status=status,
        ref=kit.clean(fields["id"]),
        address=kit.clean(fields.get("phoneNumber", "")),
        reason=FAILURES.get(said, reason) if reason else None,
        code=kit.clean(said or word),
    )


def _opted_out(settings: Settings, fields: dict[str, str], raw: Raw) -> Event:
    name, phone = kit.clean(fields["senderId"]), kit.clean(fields["phoneNumber"])
    if settings.sender and name.casefold() != settings.sender.casefold():
        return kit.unreadable(f"an opt-out of {name!r}, not this line's sender", raw.body)
    return Allowance("+" + phone.strip().removeprefix("+"), allowed=False, ref=f"{name}/{phone}")


def _inbound(fields: dict[str, str]) -> Event:
    when = FOREIGN_ZONE.sub(r"\1T\2Z", fields.get("date", ""))
    return Inbound(
        ref=kit.clean(fields["id"]),
        sender=kit.clean(fields["from"]),
        recipient=kit.clean(fields.get("to", "")),
        text=kit.clean(fields["text"]),
        at=sms_kit.moment(when),
    )


CAPABILITIES = Capabilities(
    receipts=frozenset({ReceiptStatus.SENT, ReceiptStatus.DELIVERED, ReceiptStatus.FAILED}),
    classes=frozenset(MessageClass),
    two_way=True,
    priced_by="part",
)

CHANNEL = Channel(
    kind="africastalking_sms",
    title="SMS (Africa's Talking)",
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

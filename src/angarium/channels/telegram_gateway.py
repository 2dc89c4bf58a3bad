"""Telegram's Gateway: verification codes to a phone number, in Telegram's own words.

Sources: core.telegram.org/gateway/api (with the changes of 26 February 2025); skewb1k/tg-gateway-go and its
fork apifonica/tg-gateway-go, errors.go (the words of errors, which the page does not list).

Quirks:
- The code alone goes out: 4 to 8 digits. What stands around it in our text is never shown.
- It is charged when it is taken, and given back when it was not delivered within its time to live
  (`is_refunded`); without a time to live nothing is given back.
- What is left on the account is told with a charge only; there is no question that costs nothing.
- `payload` carries our reference and comes back with each report; it is no idempotency key.
- Reports are signed together with the time at which they were sent.
"""

from __future__ import annotations

import hmac
import re
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from angarium.channels import code_kit, kit
from angarium.core.clock import MICROS, SystemClock
from angarium.core.ports import (
    Accepted,
    Capabilities,
    Channel,
    Event,
    Outcome,
    Raw,
    Receipt,
    Refused,
    Submission,
    Tools,
)
from angarium.core.problems import FieldProblem
from angarium.core.values import AddressKind, Content, Measure, MessageClass, Price, Reason, ReceiptStatus
from angarium.protocols.answers import Answer
from angarium.protocols.signatures import gateway_signature

DIGITS = (4, 8)  # of a code
FLOOD = re.compile(r"FLOOD_WAIT_?([0-9]{1,6})?")
TEXT_MAX = 1_000  # characters of ours, which nobody sees
AGE_MAX_S = 86_400  # of a report: it is repeated ten times, with growing pauses
AHEAD_MAX_S = 300  # how far their clock may be ahead of ours
FREE = Price(0, "")
CLOCK = SystemClock()

# ── settings ─────────────────────────────────────────────────────────────────────────────────────────


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One account of the Gateway."""

    token: Annotated[
        kit.Secret,
        Meta(
            title="API token",
            description="From gateway.telegram.org, Account, API.",
            pattern=r"^[!-~]{1,200}$",
        ),
    ]
    sender_username: Annotated[
        str,
        Meta(
            title="Channel that sends",
            description="The name of a verified Telegram channel of the same account. Empty: Telegram's own.",
            pattern=r"^(@?[A-Za-z0-9_]{1,32})?$",
        ),
    ] = ""
    currency: Annotated[
        str,
        Meta(
            title="Currency of the account",
            description="In which costs are told: the API names an amount and no currency.",
            pattern="^[A-Z]{3}$",
        ),
    ] = "USD"
    base_url: Annotated[
        kit.WebAddress, Meta(title="Address of the API", description="Without a slash at its end.")
    ] = "https://gatewayapi.telegram.org"


# ── words of the provider ────────────────────────────────────────────────────────────────────────────

ERRORS = {
    "ACCESS_TOKEN_INVALID": Reason.AUTH,
    "ACCESS_TOKEN_REQUIRED": Reason.AUTH,
    "BALANCE_NOT_ENOUGH": Reason.NO_CREDIT,
    "CALLBACK_URL_INVALID": Reason.CONFIG,
    "CODE_INVALID": Reason.CONTENT_REJECTED,
    "CODE_LENGTH_INVALID": Reason.CONTENT_REJECTED,
    "CODE_LENGTH_REQUIRED": Reason.CONTENT_REJECTED,
    "PAYLOAD_INVALID": Reason.CONFIG,
    "PHONE_NUMBER_INVALID": Reason.BAD_ADDRESS,
    "PHONE_NUMBER_NOT_AVAILABLE": Reason.NOT_A_USER,
    "PHONE_NUMBER_NOT_FOUND": Reason.NOT_A_USER,
    "SENDER_NOT_OWNED": Reason.SENDER_INVALID,
    "SENDER_NOT_VERIFIED": Reason.SENDER_INVALID,
    "SENDER_USERNAME_INVALID": Reason.SENDER_INVALID,
    "TTL_INVALID": Reason.CONFIG,
    "UNKNOWN_METHOD": Reason.CONFIG,
}

STATUSES: dict[str, tuple[ReceiptStatus, Reason | None]] = {
    "sent": (ReceiptStatus.SENT, None),
    "delivered": (ReceiptStatus.DELIVERED, None),
    "read": (ReceiptStatus.READ, None),
    "expired": (ReceiptStatus.FAILED, Reason.EXPIRED),
    "revoked": (ReceiptStatus.FAILED, Reason.REJECTED),
}


class _Delivery(msgspec.Struct, frozen=True):
    status: str
    updated_at: int | None = None  # seconds


class _Status(msgspec.Struct, frozen=True):
    request_id: str
    phone_number: str = ""
    request_cost: float = 0.0
    is_refunded: bool = False
    delivery_status: _Delivery | None = None
    payload: str = ""


class _Answered(msgspec.Struct, frozen=True):
    ok: bool
    result: msgspec.Raw = msgspec.Raw(b"null")
    error: str = ""


# ── sending ──────────────────────────────────────────────────────────────────────────────────────────


async def send(tools: Tools, settings: Settings, submission: Submission) -> Outcome:
    """One POST to `sendVerificationMessage`."""

    def judged(answer: Answer) -> Outcome | None:
        return judge(settings, answer)

    url = f"{settings.base_url}/sendVerificationMessage"
    headers = {"Authorization": f"Bearer {settings.token}"}
    return await kit.exchange(tools, url, request(settings, submission), headers, judged)


def request(settings: Settings, submission: Submission) -> dict[str, Any]:
    """The body of a submission."""
    document: dict[str, Any] = {
        "phone_number": submission.address,
        "code": code_kit.code_of(submission.content, *DIGITS),
        "payload": submission.client_ref,
    }
    if settings.sender_username:
        document["sender_username"] = settings.sender_username.removeprefix("@")
    if submission.ttl_s is not None:
        document["ttl"] = submission.ttl_s
    if submission.callback_url:
        document["callback_url"] = submission.callback_url
    return document


def judge(settings: Settings, answer: Answer) -> Outcome | None:
    """The outcome in the body; None when it says nothing certain."""
    told = kit.read_json(answer.body, _Answered)
    if told is None or answer.status >= 500:
        return None
    if told.ok:
        status = kit.read_json(told.result, _Status)
        return None if status is None else _accepted(settings, status)
    if not told.error:
        return None
    flood = FLOOD.fullmatch(told.error)
    if flood:
        wait_s = float(flood[1]) if flood[1] else None
        return Refused(Reason.THROTTLED, told.error, "Telegram asks to slow down", wait_s)
    detail = f"Telegram refused it: {told.error}"
    return Refused(ERRORS.get(told.error, Reason.REJECTED), told.error, detail)


def _accepted(settings: Settings, status: _Status) -> Accepted | None:
    price = kit.money(status.request_cost, settings.currency)
    if not status.request_id:
        return None
    return Accepted((kit.clean(status.request_id),), price if isinstance(price, Price) else None)


def lint(_settings: Settings, content: Content) -> tuple[FieldProblem, ...]:
    """One code of 4 to 8 digits, and nothing beside it."""
    return (*kit.beyond(CAPABILITIES, content), *code_kit.missing(content, *DIGITS))


def measure(_settings: Settings, content: Content) -> Measure:
    """One part, counted in characters of our text."""
    return kit.characters(content, TEXT_MAX)


# ── receiving ────────────────────────────────────────────────────────────────────────────────────────


def genuine(settings: Settings, raw: Raw) -> bool:
    """Whether the signature is that of our token, and the report of the last day."""
    timestamp = raw.headers.get("x-request-timestamp", "")
    made = gateway_signature(settings.token, timestamp, raw.body).encode()
    given = raw.headers.get("x-request-signature", "").encode(errors="replace")
    return hmac.compare_digest(given, made) and _is_fresh(timestamp, CLOCK.now() // MICROS)


def _is_fresh(timestamp: str, now_s: int) -> bool:
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) < 12):
        return False
    return now_s - AGE_MAX_S <= int(timestamp) <= now_s + AHEAD_MAX_S


def parse(_settings: Settings, raw: Raw) -> list[Event]:
    """One report."""
    told = kit.read_json(raw.body, _Status)
    if told is None or not told.request_id:
        return [kit.unreadable("not a report of Telegram's Gateway", raw.body)]
    if told.delivery_status is None:
        return [kit.unreadable("a report without delivery_status", raw.body)]
    word = told.delivery_status.status
    if word not in STATUSES:
        return [kit.unreadable(f"status {word!r} is not in our table", raw.body)]
    status, reason = STATUSES[word]
    at = told.delivery_status.updated_at
    return [
        Receipt(
            status=status,
            ref=kit.clean(told.request_id),
            client_ref=kit.clean(told.payload),
            address=kit.clean(kit.e164(told.phone_number)),
            reason=reason,
            code=word,
            at=None if at is None else at * MICROS,
            price=FREE if told.is_refunded else None,
        )
    ]


CAPABILITIES = Capabilities(
    receipts=frozenset(
        {ReceiptStatus.SENT, ReceiptStatus.DELIVERED, ReceiptStatus.READ, ReceiptStatus.FAILED}
    ),
    classes=frozenset({MessageClass.OTP}),
    native_ttl_s=(30, 3_600),
    text_max=TEXT_MAX,
)

CHANNEL = Channel(
    kind="telegram_gateway",
    title="Telegram Gateway (codes)",
    known_as="Телеграм Телеграмм تلگرام تيليجرام 电报",
    address_kind=AddressKind.PHONE,
    settings=Settings,
    capabilities=CAPABILITIES,
    parse=parse,
    measure=measure,
    send=send,
    lint=lint,
    genuine=genuine,
    sender=lambda settings: settings.sender_username,
)

"""SMS in Iran through SMS.ir (v1): `send/bulk` from one's own line, `send/verify` by registered templates.

Sources: IPeCompany/SmsPanelV2.DotNet (the vendor's SDK, 13 April 2024: routes, shapes, HTTP statuses),
IPeCompany/SmsPanelV2.Laravel resources/lang/fa.php (the vendor's, 8 December 2024: codes of answers, states
of delivery), sms.ir/developer-web-service/rest-api (envelope, 25 characters a parameter).

Quirks:
- No idempotency key, and no field of ours comes back.
- One number a request; of a number that is refused the id is null.
- Nothing is posted: what has become of today's messages is asked for, page by page (`send/live`), and so is
  what people wrote (`receive/live`). What changed since the last look is heard.
- `cost` and `credit` count messages, not money.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from hashlib import sha256
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from angarium.channels import kit, sms_kit
from angarium.core.clock import MICROS
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
from angarium.core.problems import FieldProblem
from angarium.core.values import AddressKind, Content, Measure, MessageClass, Reason, ReceiptStatus
from angarium.protocols.answers import Answer

VALUE_MAX = 25  # characters of a template's parameter
Hear = Callable[[Raw], Awaitable[None]]
PAGE, PAGES_MAX = 100, 50  # of what is asked for; a page has 100 at the most

# ── settings ─────────────────────────────────────────────────────────────────────────────────────────


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One line of one account."""

    api_key: Annotated[kit.Secret, Meta(title="API key", description="From the panel: developers, API keys.")]
    line: Annotated[
        str,
        Meta(
            title="Line",
            description="The number that plain texts go out from, such as 30004505000027. "
            "Empty: registered templates only.",
            pattern="^[0-9]{0,18}$",
        ),
    ] = ""
    look_every_s: Annotated[
        int,
        Meta(
            title="Look every so many seconds",
            description="How often to ask for what has become of messages. 1 to 3600.",
            ge=1,
            le=3_600,
        ),
    ] = 30
    base_url: Annotated[
        kit.WebAddress, Meta(title="Address of the API", description="Without a slash at its end.")
    ] = "https://api.sms.ir/v1"


# ── words of the provider ────────────────────────────────────────────────────────────────────────────

OK = 1

ERRORS = {
    10: Reason.AUTH,
    11: Reason.AUTH,
    12: Reason.AUTH,  # the key is bound to other addresses
    13: Reason.AUTH,
    14: Reason.AUTH,  # the account is suspended
    20: Reason.THROTTLED,
    101: Reason.SENDER_INVALID,
    102: Reason.NO_CREDIT,
    103: Reason.CONTENT_REJECTED,  # an empty text
    104: Reason.BAD_ADDRESS,
    105: Reason.CONFIG,
    106: Reason.CONFIG,
    107: Reason.BAD_ADDRESS,
    108: Reason.CONTENT_REJECTED,
    109: Reason.CONFIG,
    110: Reason.CONFIG,
    111: Reason.CONFIG,
    112: Reason.CONFIG,
    113: Reason.TEMPLATE_INVALID,
}

STATES: dict[int, tuple[ReceiptStatus, Reason | None]] = {
    1: (ReceiptStatus.DELIVERED, None),
    2: (ReceiptStatus.FAILED, Reason.UNDELIVERED),
    3: (ReceiptStatus.SENT, None),
    4: (ReceiptStatus.FAILED, Reason.UNDELIVERED),  # did not reach the operator
    5: (ReceiptStatus.SENT, None),
    6: (ReceiptStatus.FAILED, Reason.UNDELIVERED),
    7: (ReceiptStatus.FAILED, Reason.OPERATOR_BLACKLIST),
}


class _Envelope(msgspec.Struct, frozen=True):
    status: int
    message: str = ""
    data: Any = None


class _Listed(msgspec.Struct, frozen=True):
    data: list[msgspec.Raw]
    status: int = OK


# ── sending ──────────────────────────────────────────────────────────────────────────────────────────


async def send(tools: Tools, settings: Settings, submission: Submission) -> Outcome:
    """One POST to `send/verify` for a registered template, else to `send/bulk` with one number."""
    template = submission.content.template or submission.pattern
    document = _verify(submission, template) if template else _bulk(settings, submission)
    if isinstance(document, Refused):
        return document
    url = f"{settings.base_url}/send/{'verify' if template else 'bulk'}"
    return await kit.exchange(tools, url, document, _headers(settings), judge)


def _bulk(settings: Settings, submission: Submission) -> dict[str, Any] | Refused:
    if not settings.line:
        detail = "this line has no number of its own: it sends registered templates only"
        return Refused(Reason.CONFIG, detail=detail)
    return {
        "lineNumber": int(settings.line),
        "messageText": submission.content.text,
        "mobiles": [mobile(submission.address)],
        "sendDateTime": None,
    }


def _verify(submission: Submission, template: str) -> dict[str, Any] | Refused:
    named = submission.content.template
    values = submission.content.params if named else submission.pattern_values
    found = _template_findings(template, values)
    if found:
        detail = "; ".join(f"{one.field}: {one.problem}" for one in found)
        return Refused(Reason.TEMPLATE_INVALID, detail=detail)
    return {
        "mobile": mobile(submission.address),
        "templateId": int(template),
        "parameters": [{"name": name, "value": value} for name, value in values.items()],
    }


def _headers(settings: Settings) -> dict[str, str]:
    return {"X-API-KEY": settings.api_key, "Accept": "application/json"}


def mobile(address: str) -> str:
    """A phone as the SDK's examples have it, 9120000000; one of another country as digits."""
    return kit.digits(address).removeprefix("98") if address.startswith("+989") else kit.digits(address)


def judge(answer: Answer) -> Outcome | None:
    """The outcome in the envelope; None when there is none, or it is the provider's own trouble."""
    envelope = kit.read_json(answer.body, _Envelope)
    if envelope is None or answer.status >= 500:
        return None
    if envelope.status == OK:
        return _taken(envelope.data) if answer.status == 200 else None
    detail = envelope.message or f"SMS.ir refused it with code {envelope.status}"
    otherwise = Reason.THROTTLED if answer.status == 429 else Reason.REJECTED
    return Refused(ERRORS.get(envelope.status, otherwise), str(envelope.status), detail)


def _taken(data: Any) -> Outcome | None:
    if not isinstance(data, dict):
        return None
    ids = data.get("messageIds", [data.get("messageId")])
    if not isinstance(ids, list) or len(ids) != 1:
        return None
    if ids[0] is None and "messageIds" in data:
        return Refused(Reason.REJECTED, "null", "SMS.ir gave the number no id: it does not send to it")
    return Accepted((str(ids[0]),)) if isinstance(ids[0], int | str) and ids[0] else None


def lint(_settings: Settings, content: Content) -> tuple[FieldProblem, ...]:
    """A text, or the number of a template with its parameters of 25 characters."""
    found = kit.beyond(CAPABILITIES, content)
    if content.template:
        found += _template_findings(content.template, content.params)
    elif not content.text.strip():
        found.append(FieldProblem("text", "is empty", "write a text or name a template"))
    return tuple(found)


def _template_findings(template: str, values: dict[str, str]) -> list[FieldProblem]:
    found = sms_kit.no_number(template)
    if not values:
        found.append(FieldProblem("params", "are missing", "a template has at least one parameter"))
    return found + [
        kit.too_long(f"params.{name}", value, VALUE_MAX)
        for name, value in values.items()
        if len(value) > VALUE_MAX
    ]


def measure(_settings: Settings, content: Content) -> Measure:
    """Parts and units as SMS."""
    return kit.short_messages(content.text)


# ── receiving ────────────────────────────────────────────────────────────────────────────────────────


class _Report(msgspec.Struct, frozen=True):
    messageId: int | str  # noqa: N815 - the provider's spelling
    deliveryState: int | None = None  # noqa: N815 - the provider's spelling
    deliveryDateTime: int | None = None  # noqa: N815 - the provider's spelling
    mobile: int | str = ""


class _Heard(msgspec.Struct, frozen=True):
    messageText: str  # noqa: N815 - the provider's spelling
    mobile: int | str
    number: int | str = ""
    receiveReturnId: int | str = ""  # noqa: N815 - the provider's spelling
    receivedDateTime: int | None = None  # noqa: N815 - the provider's spelling


async def listen(tools: Tools, settings: Settings, hear: Hear) -> None:
    """Look at today's messages and answers every so often, and hand over what has changed."""
    known: dict[str, set[bytes]] = {"send": set(), "receive": set()}
    while True:
        for kind, marks in known.items():
            known[kind] = await _look(tools, settings, kind, marks, hear)
        await tools.clock.sleep(settings.look_every_s)


async def _look(tools: Tools, settings: Settings, kind: str, known: set[bytes], hear: Hear) -> set[bytes]:
    """Hand over each page's news; what was seen, so that it is handed over once."""
    seen: set[bytes] = set()
    for number in range(1, PAGES_MAX + 1):
        url = f"{settings.base_url}/{kind}/live?pageNumber={number}&pageSize={PAGE}"
        answer = await kit.asked(tools, url, _headers(settings))
        if isinstance(answer, Unknown):
            raise ConnectionError(answer.detail)
        listed = kit.read_json(answer.body, _Listed)
        if listed is None:
            raise ConnectionError("SMS.ir answered with something else than a list")
        marks = {sha256(each).digest(): each for each in listed.data}
        news = [each for mark, each in marks.items() if mark not in known]
        if news:
            await hear(Raw(b'{"data":[' + b",".join(bytes(each) for each in news) + b"]}"))
        seen |= marks.keys()
        if len(listed.data) < PAGE:
            break
    return seen


def parse(_settings: Settings, raw: Raw) -> list[Event]:
    """Each message of a list: what has become of it, or what a person wrote."""
    listed = kit.read_json(raw.body, _Listed)
    if listed is None or not listed.data:
        return [kit.unreadable("no list of messages", raw.body)]
    return [_event(piece) for piece in listed.data]


def _event(piece: msgspec.Raw) -> Event:
    heard = kit.read_json(piece, _Heard)
    report = kit.read_json(piece, _Report)
    if report is None:
        return _inbound(heard, piece) if heard else kit.unreadable("neither a report nor an answer", piece)
    if not report.messageId:
        return kit.unreadable("a report without messageId", piece)
    if report.deliveryState is None:  # nothing is known yet
        return Receipt(ReceiptStatus.ACCEPTED, ref=kit.clean(str(report.messageId)))
    known = STATES.get(report.deliveryState)
    if known is None:
        return kit.unreadable(f"deliveryState {report.deliveryState} is not in our table", piece)
    status, reason = known
    return Receipt(
        status=status,
        ref=kit.clean(str(report.messageId)),
        address=kit.clean(_phone(report.mobile)),
        reason=reason,
        code=str(report.deliveryState),
        at=_instant(report.deliveryDateTime),
    )


def _inbound(heard: _Heard, piece: msgspec.Raw) -> Event:
    return Inbound(
        ref=kit.clean(str(heard.receiveReturnId)) or sha256(piece).hexdigest()[:32],
        sender=kit.clean(_phone(heard.mobile)),
        recipient=kit.clean(str(heard.number)),
        text=kit.clean(heard.messageText),
        at=_instant(heard.receivedDateTime),
    )


def _phone(mobile: int | str) -> str:
    bare = str(mobile)
    national = len(bare) == 10 and bare.startswith("9")
    return kit.e164(f"0{bare}" if national else bare, "98")


def _instant(seconds: int | None) -> int | None:
    return seconds * MICROS if seconds is not None and 0 < seconds < 10**10 else None


CAPABILITIES = Capabilities(
    receipts=frozenset({ReceiptStatus.SENT, ReceiptStatus.DELIVERED, ReceiptStatus.FAILED}),
    classes=frozenset(MessageClass),
    two_way=True,
    priced_by="part",
)

CHANNEL = Channel(
    kind="smsir_sms",
    title="SMS (SMS.ir)",
    known_as="اس‌ام‌اس دات آی‌آر",
    address_kind=AddressKind.PHONE,
    settings=Settings,
    capabilities=CAPABILITIES,
    parse=parse,
    measure=measure,
    send=send,
    lint=lint,
    listen=listen,
    sender=lambda settings: settings.line,
)

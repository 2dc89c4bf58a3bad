"""SMS through Sinch's XMS: `/xms/v1/{service_plan_id}/batches`, a batch of one person for each message.

Sources: sinch/sinch-sdk-python sinch/domains/sms (21 July 2026), for the fields, the events and their
signature; developers.sinch.com/docs/sms, "Delivery reports" and "Delivery report error codes" (2026);
community.sinch.com, "Common SMS HTTP Statuses and Codes Explained", for the codes of errors.

Quirks:
- The id of a batch is all there is: with one person in it, it is the id of the message.
- We ask for `per_recipient`: a report for each person and each state. Reports about whole batches, which an
  account may have asked for elsewhere, say of nobody what became of them: they are parked.
- The time to live is an instant (`expire_at`), not a number of seconds.
- A status comes in capitals or with one: "DELIVERED", "Delivered".
- Signatures are made where Sinch has set a secret for the service plan; else callbacks are believed for the
  secret path, and the provider's addresses if listed.
- A batch that was never answered for is looked for by our reference ("List Batches", of the last 14 days;
  developers.sinch.com/docs/sms/api-reference/sms/batches/listbatches.md, seen on 28 November 2026).
- `DELETED` is told of numbers that do not exist and of people who opted out alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from angarium.channels import kit, sms_kit
from angarium.core.clock import MICROS
from angarium.core.ports import (
    Accepted,
    Asks,
    Capabilities,
    Channel,
    Event,
    Inbound,
    Inquiry,
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
from angarium.protocols import signatures
from angarium.protocols.answers import Answer

TEXT_MAX = 2_000  # characters of a body
AROUND_S = 60  # how far the provider's clock may be from ours
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

# ── settings ─────────────────────────────────────────────────────────────────────────────────────────


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One sender of one service plan."""

    service_plan_id: Annotated[
        str,
        Meta(
            title="Service plan ID",
            description="From the dashboard, SMS, APIs.",
            pattern=r"^[A-Za-z0-9_-]{1,64}$",
        ),
    ]
    api_token: Annotated[kit.Secret, Meta(title="API token", description="Of the same service plan.")]
    sender: Annotated[
        kit.Word,
        Meta(title="Sender", description="A number, a short code or a name, as registered.", max_length=16),
    ]
    base_url: Annotated[
        kit.WebAddress,
        Meta(
            title="Address of the API",
            description="That of the plan's region: us, eu, br, ca or au. Without a slash at its end.",
        ),
    ] = "https://us.sms.api.sinch.com"
    webhook_secret: Annotated[
        str,
        Meta(
            title="Webhook secret",
            description="If Sinch signs the callbacks of this plan; empty otherwise.",
            extra={"secret": True},
        ),
    ] = ""
    callback_networks: kit.CallbackNetworks = ""

    def __post_init__(self) -> None:
        kit.check_networks("callback_networks", self.callback_networks)


# ── words of the provider ────────────────────────────────────────────────────────────────────────────

STATUSES: dict[str, tuple[ReceiptStatus, Reason | None]] = {
    "queued": (ReceiptStatus.ACCEPTED, None),
    "dispatched": (ReceiptStatus.SENT, None),
    "delivered": (ReceiptStatus.DELIVERED, None),
    "aborted": (ReceiptStatus.FAILED, Reason.REJECTED),
    "cancelled": (ReceiptStatus.FAILED, Reason.REJECTED),
    "rejected": (ReceiptStatus.FAILED, Reason.REJECTED),
    "failed": (ReceiptStatus.FAILED, Reason.UNDELIVERED),
    "deleted": (ReceiptStatus.FAILED, Reason.UNDELIVERED),
    "expired": (ReceiptStatus.FAILED, Reason.EXPIRED),
    "unknown": (ReceiptStatus.ACCEPTED, None),  # "no delivery receipt has been received": nothing is known
}

# Codes of reports, where they say more than the status; those under 400 are the network's own.
ERRORS = {
    402: Reason.REJECTED,  # no route
    403: Reason.TEMPORARY,
    404: Reason.TEMPORARY,
    405: Reason.CONFIG,
    406: Reason.EXPIRED,
    408: Reason.REJECTED,
    410: Reason.SENDER_INVALID,
    411: Reason.TOO_LONG,
    412: Reason.CONFIG,  # the region is not switched on
    413: Reason.AUTH,  # the account is blocked
}

# Codes of refusals, beside HTTP 400 and 403.
REFUSALS = {
    "syntax_invalid_parameter_format": Reason.BAD_ADDRESS,  # "if a MSISDN is not correctly formatted"
    "illegal_number_type": Reason.BAD_ADDRESS,
    "blocked_account": Reason.AUTH,
    "unauthorized": Reason.AUTH,
}


class _Taken(msgspec.Struct, frozen=True):
    id: str


class _Listed(msgspec.Struct, frozen=True):
    batches: list[_Taken]


class _Error(msgspec.Struct, frozen=True):
    code: str
    text: str = ""


# ── sending ──────────────────────────────────────────────────────────────────────────────────────────


async def send(tools: Tools, settings: Settings, submission: Submission) -> Outcome:
    """One POST to `batches`."""
    written = document(settings, submission, tools.clock.now())
    return await kit.exchange(tools, _batches(settings), written, _headers(settings), judge)


def _batches(settings: Settings) -> str:
    return f"{settings.base_url}/xms/v1/{settings.service_plan_id}/batches"


def _headers(settings: Settings) -> dict[str, str]:
    return {"Authorization": f"Bearer {settings.api_token}", "Accept": "application/json"}


def instant(at: int) -> str:
    """A moment as the provider writes it."""
    moment = EPOCH + timedelta(microseconds=at)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def document(settings: Settings, submission: Submission, now: int) -> dict[str, Any]:
    """The body of a submission at this instant."""
    written: dict[str, Any] = {
        "type": "mt_text",
        "to": [kit.digits(submission.address)],
        "from": kit.digits(settings.sender),
        "body": submission.content.text,
        "delivery_report": "per_recipient",
        "client_reference": submission.client_ref,
    }
    if submission.ttl_s is not None:
        written["expire_at"] = instant(now + submission.ttl_s * MICROS)
    if submission.callback_url:
        written["callback_url"] = submission.callback_url
    return written


def judge(answer: Answer) -> Outcome | None:
    """The outcome by the id of the batch or the code of the error; None when the body has neither."""
    if answer.status in (200, 201):
        taken = kit.read_json(answer.body, _Taken)
        return Accepted((taken.id,)) if taken is not None and taken.id else None
    error = kit.read_json(answer.body, _Error)
    if error is None or answer.status not in (400, 403):
        return None
    return Refused(REFUSALS.get(error.code, Reason.CONFIG), error.code, f"{error.code}: {error.text}")


def lint(_settings: Settings, content: Content) -> tuple[FieldProblem, ...]:
    """2000 characters; no pictures, buttons or templates."""
    found = kit.beyond(CAPABILITIES, content)
    if not content.text:
        found.append(FieldProblem("text", "is empty", "write a text"))
    if content.template:
        found.append(FieldProblem("template", "no templates here", "leave it empty", content.template[:80]))
    return tuple(found)


def measure(_settings: Settings, content: Content) -> Measure:
    """Parts and units."""
    return kit.short_messages(content.text)


# ── receiving ────────────────────────────────────────────────────────────────────────────────────────


class _Report(msgspec.Struct, frozen=True):
    batch_id: str
    recipient: str
    status: str
    code: int
    at: str = ""
    operator_status_at: str | None = None
    client_reference: str | None = None


class _Heard(msgspec.Struct, frozen=True):
    id: str
    sender: str = msgspec.field(name="from")
    to: str = ""
    body: msgspec.Raw = msgspec.Raw(b'""')
    received_at: str = ""


class _Media(msgspec.Struct, frozen=True):
    message: str | None = None
    media: list[dict[str, Any]] = []


REPORTS = ("recipient_delivery_report_sms", "recipient_delivery_report_mms")


def genuine(settings: Settings, raw: Raw) -> bool:
    """Whether the signature fits, where there is a secret; and whether it comes from where they post."""
    listed = kit.listed_peer(settings.callback_networks, raw.peer)
    if not settings.webhook_secret:
        return listed
    nonce, at = (raw.headers.get(f"x-sinch-webhook-signature-{name}", "") for name in ("nonce", "timestamp"))
    made = signatures.sinch_signature(settings.webhook_secret, raw.body, nonce, at)
    return listed and signatures.fits_one(raw.headers.get("x-sinch-webhook-signature", ""), [made])


def parse(_settings: Settings, raw: Raw) -> list[Event]:
    """A report about one person, or what a person wrote."""
    kind = kit.told(kit.read_json(raw.body, dict[str, Any]), "type")
    if kind in REPORTS:
        return [_receipt(raw)]
    heard = kit.read_json(raw.body, _Heard) if kind in ("mo_text", "mo_media") else None
    if heard is None or not heard.id or not heard.sender:
        return [kit.unreadable(f"a callback of type {kind!r}", raw.body)]
    return _inbound(heard, kind, raw)


def _receipt(raw: Raw) -> Event:
    report = kit.read_json(raw.body, _Report)
    known = STATUSES.get(report.status.lower()) if report is not None else None
    if report is None or known is None or not report.batch_id:
        return kit.unreadable("a report of another shape, or with a status not in our table", raw.body)
    status, reason = known
    return Receipt(
        status=status,
        ref=kit.clean(report.batch_id),
        client_ref=kit.clean(report.client_reference or ""),
        address=kit.clean(kit.e164(report.recipient)),
        reason=ERRORS.get(report.code, reason) if reason else None,
        code=str(report.code) if reason else kit.clean(report.status),
        at=sms_kit.moment(report.operator_status_at or report.at),
    )


def _inbound(heard: _Heard, kind: str, raw: Raw) -> list[Event]:
    text = kit.read_json(heard.body, str) if kind == "mo_text" else None
    media = kit.read_json(heard.body, _Media) if kind == "mo_media" else None
    if text is None and media is None:
        return [kit.unreadable("a message of another shape", raw.body)]
    files = [kit.told(one, "url") for one in media.media] if media is not None else []
    said = text if text is not None else (media.message if media is not None else None)
    return [
        Inbound(
            ref=kit.clean(heard.id + (f"/{place}" if place else "")),
            sender=kit.clean(kit.e164(heard.sender)),
            recipient=kit.clean(kit.e164(heard.to)),
            text="" if place else kit.clean(said or ""),
            at=sms_kit.moment(heard.received_at),
            media_url=kit.clean(url),
        )
        for place, url in enumerate(files or [""])
    ]


async def ask(tools: Tools, settings: Settings, inquiries: Sequence[Inquiry]) -> list[Event] | Unknown:
    """One GET of `batches` for each message that was never answered for, by our reference.

    One that is not there may be on its way yet: that says nothing.
    """
    found: list[Event] = []
    for one in inquiries:
        since = instant(one.submitted_at - AROUND_S * MICROS)
        url = kit.with_query(_batches(settings), client_reference=one.client_ref, start_date=since)
        answer = await kit.asked(tools, url, _headers(settings))
        if isinstance(answer, Unknown):
            return found or answer
        listed = kit.read_json(answer.body, _Listed)
        if listed is None:
            found.append(kit.unreadable("no list of batches", answer.body))
        else:
            found += [
                Receipt(ReceiptStatus.ACCEPTED, kit.clean(b.id), one.client_ref) for b in listed.batches
            ]
    return found


CAPABILITIES = Capabilities(
    receipts=frozenset({ReceiptStatus.SENT, ReceiptStatus.DELIVERED, ReceiptStatus.FAILED}),
    classes=frozenset(MessageClass),
    native_ttl_s=(60, 259_200),  # "default and max is 3 days"; of the least the pages say nothing
    two_way=True,
    text_max=TEXT_MAX,
    priced_by="part",
)

CHANNEL = Channel(
    kind="sinch_sms",
    title="SMS (Sinch)",
    address_kind=AddressKind.PHONE,
    settings=Settings,
    capabilities=CAPABILITIES,
    parse=parse,
    measure=measure,
    send=send,
    lint=lint,
    genuine=genuine,
    sender=lambda settings: settings.sender,
    asks=Asks(ask, taken=False, unanswered=True),
)

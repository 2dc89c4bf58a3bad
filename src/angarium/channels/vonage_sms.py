"""SMS through Vonage's Messages API: `/v1/messages`, one request a message.

Why this one and not the older SMS API: its callbacks are JSON posted to the address that a request names, and
signed over their whole body; our reference comes back in them; its time to live is in seconds. The SMS API
answers with HTTP 200 whatever happened, takes its inbound address from the account alone (GET unless it is
changed) and signs with a hash over parameters.

Sources: Vonage/vonage-python-sdk messages and jwt (January 2026), for the fields and the tokens;
developer.vonage.com/api-errors/messages (2026), for the errors; developer.vonage.com "Messages API Status
Callbacks" and "Webhooks" (2026); Nexmo/api-specification definitions/sms.yml, for the bounds of the time to
live.

Quirks:
- A request is authorised by a token that we sign with the application's private key; the key with its secret
  would do too, but callbacks come for applications only.
- The number of an error is the end of its `type`: `https://developer.vonage.com/api-errors/messages#1170`.
- No idempotency key. `client_ref` comes back with every status.
- `undeliverable` says that Vonage could not reach the network, `rejected` that somebody refused.
- The time to live is that of the SMS API, in seconds: of its own bounds the Messages API's pages say nothing.
"""

from __future__ import annotations

import re
from decimal import Decimal
from functools import lru_cache
from hashlib import sha256
from typing import Annotated, Any

import msgspec
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import RSAKey
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
)
from angarium.core.problems import FieldProblem, invalid, shown
from angarium.core.values import AddressKind, Content, Measure, MessageClass, Price, Reason, ReceiptStatus
from angarium.protocols import signatures
from angarium.protocols.answers import Answer

TEXT_MAX = 1_000  # characters
TOKEN_S = 300  # seconds for which a token is good
NUMBERED = re.compile(r"#([a-z0-9-]+)$")  # the end of an error's type
KEYS_KEPT = 64

# ── settings ─────────────────────────────────────────────────────────────────────────────────────────


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One sender of one application."""

    application_id: Annotated[
        str,
        Meta(
            title="Application ID",
            description="Of an application with the capability Messages.",
            pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$",
        ),
    ]
    private_key: Annotated[
        kit.Secret,
        Meta(title="Private key", description="The application's, in PEM, as the dashboard gave it once."),
    ]
    signature_secret: Annotated[
        kit.Secret,
        Meta(title="Signature secret", description="The account's; proves that a callback is Vonage's."),
    ]
    sender: Annotated[
        kit.Word,
        Meta(title="Sender", description="A number, or a name where the country allows one.", max_length=16),
    ]
    signature_secret_before: Annotated[
        str,
        Meta(
            title="Earlier signature secret",
            description="The old one while you change it; empty otherwise.",
            extra={"secret": True},
        ),
    ] = ""
    entity_id: Annotated[
        str,
        Meta(title="Entity id", description="Where a country wants one: India's DLT principal entity id."),
    ] = ""
    content_id: Annotated[
        str,
        Meta(title="Content id", description="Of the registered template used where a message names none."),
    ] = ""
    base_url: Annotated[
        kit.WebAddress, Meta(title="Address of the API", description="Without a slash at its end.")
    ] = "https://api.nexmo.com"

    def __post_init__(self) -> None:
        try:
            _key(self.private_key)
        except (JoseError, ValueError):
            remedy = "paste the whole file, from BEGIN to END"
            raise invalid("private_key", "is no RSA key in PEM", remedy=remedy) from None


@lru_cache(maxsize=KEYS_KEPT)
def _key(pem: str) -> RSAKey:
    return RSAKey.import_key(pem)


# ── words of the provider ────────────────────────────────────────────────────────────────────────────

STATUSES: dict[str, tuple[ReceiptStatus, Reason | None]] = {
    "submitted": (ReceiptStatus.SENT, None),
    "delivered": (ReceiptStatus.DELIVERED, None),
    "rejected": (ReceiptStatus.FAILED, Reason.REJECTED),
    "undeliverable": (ReceiptStatus.FAILED, Reason.UNDELIVERED),
}

REASONS: dict[Reason, tuple[str, ...]] = {
    # the person: 1240 wrote STOP; 1050 is on Vonage's list
    Reason.OPTED_OUT: ("1240",),
    Reason.SUPPRESSED: ("1050",),
    Reason.BAD_ADDRESS: ("1040", "1170", "1190"),
    Reason.NOT_A_USER: ("1300",),
    Reason.UNREACHABLE: ("1180", "1200", "1220", "1260", "1280", "1290"),
    Reason.WINDOW_CLOSED: ("1340",),
    # the content: 1210 a filter against spam, 1270 an age limit
    Reason.CONTENT_REJECTED: ("1210", "1270"),
    Reason.TEMPLATE_INVALID: ("1022",),
    Reason.TOO_LONG: ("1090",),
    Reason.UNSUPPORTED: ("1310",),
    Reason.MEDIA_INVALID: ("1380", "1381", "1382"),
    # the line: 1241 too many to this person
    Reason.THROTTLED: ("1000", "1241", "rate-limit", "throttled"),
    Reason.TEMPORARY: ("1100", "1230", "1331"),
    Reason.NO_CREDIT: ("1070", "low-balance"),
    Reason.AUTH: ("1060", "1370", "unauthorized", "forbidden"),
    Reason.SENDER_INVALID: ("1120",),
    # 1160 a demo account, 1250 no route to that network
    Reason.CONFIG: ("1010", "1020", "1021", "1080", "1130", "1140", "1150", "1160", "1250", "not-found"),
    Reason.EXPIRED: ("1360",),
    Reason.REJECTED: ("1320", "1350"),
    Reason.UNDELIVERED: ("1330",),
}
ERRORS = {code: reason for reason, codes in REASONS.items() for code in codes}


class _Taken(msgspec.Struct, frozen=True):
    message_uuid: str


class _Error(msgspec.Struct, frozen=True):
    """RFC 7807, with what was wrong with each parameter."""

    type: str
    title: str = ""
    detail: str = ""
    invalid_parameters: list[dict[str, Any]] = []

    @property
    def code(self) -> str:
        """The end of its type."""
        found = NUMBERED.search(self.type)
        return found[1] if found else ""


# ── sending ──────────────────────────────────────────────────────────────────────────────────────────


async def send(tools: Tools, settings: Settings, submission: Submission) -> Outcome:
    """One POST to `v1/messages`."""
    return await kit.exchange(
        tools,
        f"{settings.base_url}/v1/messages",
        document(settings, submission),
        {"Authorization": f"Bearer {token(settings, tools)}", "Accept": "application/json"},
        judge,
    )


def token(settings: Settings, tools: Tools) -> str:
    """A token for one request, signed with the application's key."""
    now_s = tools.clock.now() // MICROS
    claims = {"application_id": settings.application_id, "iat": now_s, "exp": now_s + TOKEN_S}
    claims["jti"] = tools.chance.secret(16).hex()
    return jwt.encode({"alg": "RS256"}, claims, _key(settings.private_key))


def document(settings: Settings, submission: Submission) -> dict[str, Any]:
    """The body of a submission."""
    written: dict[str, Any] = {
        "channel": "sms",
        "message_type": "text",
        "to": kit.digits(submission.address),
        "from": kit.digits(settings.sender),
        "text": submission.content.text,
        "client_ref": submission.client_ref,
    }
    content_id = submission.pattern or submission.content.template or settings.content_id
    ids = {"entity_id": settings.entity_id, "content_id": content_id}
    if any(ids.values()):
        written["sms"] = {name: value for name, value in ids.items() if value}
    if submission.ttl_s is not None:
        written["ttl"] = submission.ttl_s
    if submission.callback_url:
        written["webhook_url"] = submission.callback_url
        written["webhook_version"] = "v1"
    return written


def judge(answer: Answer) -> Outcome | None:
    """The outcome by the id of the message or the number of the error; None when the body has neither."""
    taken = kit.read_json(answer.body, _Taken)
    if answer.status in (200, 202):
        return Accepted((taken.message_uuid,)) if taken is not None and taken.message_uuid else None
    error = kit.read_json(answer.body, _Error)
    if error is None or not 400 <= answer.status < 500 or answer.status == 408:
        return None
    told = [f"{one.get('name')}: {one.get('reason')}" for one in error.invalid_parameters]
    detail = "; ".join([error.title, error.detail, *told])
    reason = ERRORS.get(error.code) or _by_status(answer.status)
    return Refused(reason, error.code or str(answer.status), detail)


def _by_status(status: int) -> Reason:
    known = {401: Reason.AUTH, 402: Reason.NO_CREDIT, 403: Reason.AUTH, 422: Reason.CONFIG}
    return Reason.THROTTLED if status == 429 else known.get(status, Reason.REJECTED)


def lint(settings: Settings, content: Content) -> tuple[FieldProblem, ...]:
    """1000 characters; a template is the id of a registered wording, where the line has an entity."""
    found = kit.beyond(CAPABILITIES, content)
    if not content.text:
        found.append(FieldProblem("text", "is empty", "write a text"))
    if content.template and not settings.entity_id:
        remedy = "set entity_id, or leave the template empty"
        found.append(FieldProblem("template", "no template ids here", remedy, shown(content.template)))
    return tuple(found)


def measure(_settings: Settings, content: Content) -> Measure:
    """Parts and units: Vonage takes GSM where the text allows it."""
    return kit.short_messages(content.text)


# ── receiving ────────────────────────────────────────────────────────────────────────────────────────


class _Usage(msgspec.Struct, frozen=True):
    price: Decimal
    currency: str


class _Status(msgspec.Struct, frozen=True):
    message_uuid: str
    status: str
    to: str = ""
    timestamp: str = ""
    client_ref: str = ""
    error: _Error | None = None
    usage: _Usage | None = None


class _Heard(msgspec.Struct, frozen=True):
    message_uuid: str
    channel: str
    message_type: str
    sender: str = msgspec.field(name="from")
    to: str = ""
    text: str = ""
    timestamp: str = ""


def genuine(settings: Settings, raw: Raw) -> bool:
    """Whether the token in `Authorization` is signed with the account's secret, and for this body."""
    scheme, _, given = raw.headers.get("authorization", "").partition(" ")
    secrets = (settings.signature_secret, settings.signature_secret_before)
    claims = signatures.jwt_claims(given.strip(), secrets) if scheme.lower() == "bearer" else None
    return claims is not None and claims.get("payload_hash") == sha256(raw.body).hexdigest()


def parse(_settings: Settings, raw: Raw) -> list[Event]:
    """A status, or what a person wrote."""
    told = kit.read_json(raw.body, _Status)
    if told is not None:
        return [_receipt(told, raw)]
    heard = kit.read_json(raw.body, _Heard)
    if heard is None or heard.channel != "sms" or heard.message_type != "text":
        return [kit.unreadable("neither a status nor a text by SMS", raw.body)]
    if not heard.message_uuid or not heard.sender:
        return [kit.unreadable("a message of nobody", raw.body)]
    return [
        Inbound(
            ref=kit.clean(heard.message_uuid),
            sender=kit.clean(kit.e164(heard.sender)),
            recipient=kit.clean(kit.e164(heard.to)),
            text=kit.clean(heard.text),
            at=sms_kit.moment(heard.timestamp),
        )
    ]


def _receipt(told: _Status, raw: Raw) -> Event:
    known = STATUSES.get(told.status)
    if known is None or not told.message_uuid:
        return kit.unreadable(f"status {told.status!r} is not in our table", raw.body)
    status, reason = known
    code = told.error.code if told.error is not None else ""
    cost = None if told.usage is None else kit.money(told.usage.price, kit.clean(told.usage.currency))
    return Receipt(
        status=status,
        ref=kit.clean(told.message_uuid),
        client_ref=kit.clean(told.client_ref),
        address=kit.clean(kit.e164(told.to)),
        reason=ERRORS.get(code, reason) if reason else None,
        code=(code if reason else "") or told.status,
        at=sms_kit.moment(told.timestamp),
        price=cost if isinstance(cost, Price) else None,
    )


CAPABILITIES = Capabilities(
    receipts=frozenset({ReceiptStatus.SENT, ReceiptStatus.DELIVERED, ReceiptStatus.FAILED}),
    classes=frozenset(MessageClass),
    native_ttl_s=(20, 604_800),
    two_way=True,
    text_max=TEXT_MAX,
    priced_by="part",
)

CHANNEL = Channel(
    kind="vonage_sms",
    title="SMS (Vonage)",
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

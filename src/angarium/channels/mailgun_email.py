"""E-mail through Mailgun: our own MIME in one form a mail, signed webhooks, and mail that a route forwards.

Sources: documentation.mailgun.com (messages.mime, webhook payloads, securing webhooks, receiving by HTTP),
Mailgun's library for Python (1.10), django-anymail (payloads as captured), threads in which people quote its
errors; read in November 2026.

Quirks:
- The signature of a webhook covers a time and a random token, and not what is said. So it is believed for a
  quarter of an hour, as Mailgun's own library does.
- Nothing says that a mail sent twice is noticed, so a lost answer is Unknown. Our reference travels as a
  variable and comes back with every event; the Message-ID is ours, and events can be asked for by it (by the
  older of its two interfaces for that, which its page calls deprecated and has no end for).
- `failed` with the severity `temporary` is tried again by Mailgun. `delivered` means that the recipient's
  server took it. Opens and clicks are counted by our own links; Mailgun's own counting is switched off.
- A wrong domain, or a wrong host for its region, is answered with 404 or 401.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Sequence
from email.utils import parsedate_to_datetime
from hashlib import sha256
from math import isfinite
from typing import Annotated, Any, Literal
from urllib.parse import parse_qsl

import msgspec
from msgspec import Meta

from angarium.channels import kit, mail_kit
from angarium.core.clock import MICROS, from_datetime, micros
from angarium.core.ports import (
    Accepted,
    Allowance,
    Asks,
    Channel,
    Event,
    Inquiry,
    Outcome,
    Profile,
    Raw,
    Receipt,
    Refused,
    Submission,
    Tools,
    Unknown,
)
from angarium.core.problems import invalid
from angarium.core.values import AddressKind, Reason, ReceiptStatus
from angarium.protocols import dsn, mime, multipart, signatures
from angarium.protocols.answers import Answer
from angarium.protocols.mime import MimeError
from angarium.protocols.multipart import Part

HOSTS = {"us": "https://api.mailgun.net", "eu": "https://api.eu.mailgun.net"}
FRESH_S = 900.0  # as in Mailgun's own library

# ── settings ─────────────────────────────────────────────────────────────────────────────────────────


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One sending domain of a Mailgun account."""

    api_key: Annotated[kit.Secret, Meta(title="API key", description="Of the account, or of the domain.")]
    domain: Annotated[
        kit.Word, Meta(title="Domain", description="As it is called at Mailgun, such as mg.example.com.")
    ]
    sender_address: Annotated[str, Meta(title="Sender", description="An address of that domain.")]
    signing_key: Annotated[
        kit.Secret, Meta(title="Signing key", description="HTTP webhook signing key, at Mailgun.")
    ]
    sender_name: Annotated[str, Meta(title="Sender name", description="What people see before it.")] = ""
    region: Annotated[Literal["us", "eu"], Meta(title="Region", description="Where the domain was made.")] = (
        "us"
    )
    tracking: Annotated[
        bool,
        Meta(title="Mailgun counts too", description="It then puts its own links in place of yours."),
    ] = False
    base_url: Annotated[
        str,
        Meta(
            title="Address of the API",
            description="Empty: Mailgun's in that region. Else a simulator's.",
            pattern=r"^(https?://[^\s?#]*[^\s?#/])?$",
        ),
    ] = ""

    def __post_init__(self) -> None:
        mail_kit.check_sender(self.sender_address, self.sender_name)
        try:
            mime.domain_name(self.domain)
        except MimeError as error:
            raise invalid("domain", "is no domain name", value=self.domain) from error

    def url(self, path: str) -> str:
        """Where something is asked."""
        return f"{self.base_url or HOSTS[self.region]}/v3/{path}"


# ── words of the provider ────────────────────────────────────────────────────────────────────────────

STATUSES = {
    400: Reason.CONFIG,
    401: Reason.AUTH,
    402: Reason.NO_CREDIT,
    403: Reason.AUTH,
    404: Reason.CONFIG,
    413: Reason.TOO_LONG,
    420: Reason.THROTTLED,
    429: Reason.THROTTLED,
}
# What its sentences have in them, before the status counts.
SENTENCES = (
    (re.compile(r"\bto'? parameter is not a valid address"), Reason.BAD_ADDRESS),
    (re.compile(r"\bfrom'? parameter is not a valid address"), Reason.SENDER_INVALID),
    (re.compile(r"limit exceeded"), Reason.THROTTLED),
    (re.compile(r"unverified"), Reason.SENDER_INVALID),
    (re.compile(r"sandbox subdomains|free accounts are for test"), Reason.CONFIG),
    (re.compile(r"disabled|activate your mailgun account|suspended"), Reason.AUTH),
    (re.compile(r"message (is )?too (large|big)|exceeds .*size"), Reason.TOO_LONG),
)
TRY_AGAIN = re.compile(r"try again after (.{10,40}?)\s*$")

# Why it failed for good, where that is not left to the recipient's server.
FAILURES = {
    "suppress-bounce": Reason.SUPPRESSED,
    "suppress-complaint": Reason.SUPPRESSED,
    "suppress-unsubscribe": Reason.SUPPRESSED,
    "old": Reason.EXPIRED,
}
NO_SUCH_MAILBOX = {"550", "551", "553"}  # RFC 5321 §4.2.2, where no enhanced code says more


class _Answer(msgspec.Struct, frozen=True):
    message: str
    id: str = ""


# ── sending ──────────────────────────────────────────────────────────────────────────────────────────


async def send(tools: Tools, settings: Settings, submission: Submission) -> Outcome:
    """One form to messages.mime."""
    message_id = _message_id(settings, submission.client_ref)
    sender = settings.sender_name, settings.sender_address
    try:
        recipient = mime.address(submission.address, "recipient")
        mail = mime.build(mail_kit.letter(submission, sender, message_id, tools.clock.now()))
    except MimeError as error:
        return mail_kit.unwritten(error)
    fields = {"to": recipient, "v:client_ref": submission.client_ref}
    if not settings.tracking:
        fields["o:tracking"] = "no"
    parts = [Part(name, value.encode()) for name, value in fields.items()]
    kind, body = multipart.write([*parts, Part("message", mail, "message.mime")])
    headers = {**_basic(settings), "Content-Type": kind}
    url = settings.url(f"{settings.domain}/messages.mime")
    outcome = await kit.exchange(tools, url, None, headers, judge, body=body)
    if isinstance(outcome, Refused) and outcome.reason is Reason.THROTTLED and outcome.retry_after_s is None:
        return msgspec.structs.replace(outcome, retry_after_s=_asked_s(outcome.detail, tools.clock.now()))
    return outcome


def _message_id(settings: Settings, client_ref: str) -> str:
    return f"{client_ref}@{settings.domain}".lower()


def _basic(settings: Settings) -> dict[str, str]:
    return {"Authorization": "Basic " + b64encode(f"api:{settings.api_key}".encode()).decode()}


def judge(answer: Answer) -> Outcome | None:
    """The outcome in the body; None when it says nothing, or it is the provider's own trouble."""
    said = kit.read_json(answer.body, _Answer)
    if said is None or answer.status >= 500:
        return None
    if answer.status == 200:
        return Accepted((_id(said.id),)) if _id(said.id) else None
    words = said.message.lower()
    by_words = next((reason for pattern, reason in SENTENCES if pattern.search(words)), None)
    reason = by_words or STATUSES.get(answer.status, Reason.REJECTED)
    return Refused(reason, str(answer.status), kit.clean(said.message[: mail_kit.DETAIL_MAX]))


def _id(text: str) -> str:
    return kit.clean(text.strip().strip("<>").lower())


def _asked_s(sentence: str, now: int) -> float | None:
    """The time that it names after "try again after", as seconds from now."""
    found = TRY_AGAIN.search(sentence)
    try:
        at = parsedate_to_datetime(found[1].replace("UTC", "+0000")) if found else None
        until = from_datetime(at) if at else None
    except (ValueError, OverflowError):
        return None
    return min(max((until - now) / MICROS, 0.0), kit.RETRY_AFTER_MAX_S) if until is not None else None


# ── receiving ────────────────────────────────────────────────────────────────────────────────────────


class _Signed(msgspec.Struct, frozen=True):
    timestamp: str
    token: str
    signature: str


class _Headers(msgspec.Struct, frozen=True):
    message_id: str = msgspec.field(name="message-id", default="")


class _Message(msgspec.Struct, frozen=True):
    headers: _Headers = _Headers()


class _Delivery(msgspec.Struct, frozen=True, rename="kebab"):
    code: int | str | None = None
    message: str | None = None
    description: str | None = None
    enhanced_code: str | None = None


class _Told(msgspec.Struct, frozen=True, rename="kebab"):
    event: str
    severity: str = ""
    reason: str | None = None
    timestamp: float = 0.0
    recipient: str = ""
    message: _Message | None = None
    delivery_status: _Delivery | None = None
    user_variables: dict[str, Any] | None = None


class _Webhook(msgspec.Struct, frozen=True, rename="kebab"):
    event_data: _Told
    signature: _Signed | None = None


class _Sealed(msgspec.Struct, frozen=True):
    signature: _Signed


def genuine(settings: Settings, raw: Raw) -> bool:
    """Whether its time and token were signed with the key of the line."""
    signed = _signed(raw)
    if signed is None:
        return False
    words = f"{signed.timestamp}{signed.token}".encode(errors="replace")
    return signatures.genuine(signed.signature, (settings.signing_key,), words)


async def admit(tools: Tools, _settings: Settings, raw: Raw) -> bool:
    """Whether it was signed lately: the signature says nothing of what it signs, and must not last."""
    signed = _signed(raw)
    if signed is None or not signed.timestamp.isascii() or not signed.timestamp.isdigit():
        return False
    return abs(tools.clock.now() - int(signed.timestamp[:12]) * MICROS) <= micros(FRESH_S)


def _signed(raw: Raw) -> _Signed | None:
    """The three words of a signature: in a webhook of their own, in a form among the others."""
    sealed = kit.read_json(raw.body, _Sealed)
    if sealed is not None:
        return sealed.signature
    form = _form(raw)
    words = [form.get(name, "") for name in ("timestamp", "token", "signature")]
    return _Signed(*words) if all(words) else None


def _form(raw: Raw) -> dict[str, str]:
    kind = raw.headers.get("content-type", "")
    if "multipart" in kind.lower():
        return dict(multipart.texts(multipart.read(kind, raw.body)))
    return kit.read_form(raw.body)


def parse(settings: Settings, raw: Raw) -> list[Event]:
    """One webhook, or one mail that a route forwarded."""
    webhook = kit.read_json(raw.body, _Webhook)
    if webhook is None:
        form = _form(raw)
        if form.get("sender") is None or "recipient" not in form:
            return [kit.unreadable("no webhook of Mailgun and no forwarded mail", raw.body)]
        return _forwarded(raw, form)
    told = webhook.event_data
    receipt = _fate(told)
    if receipt is not None:
        return [receipt]
    match told.event:
        case "opened" | "clicked":
            return []
        case "unsubscribed" if told.recipient:
            ref = kit.clean(webhook.signature.token) if webhook.signature else ""
            ref = ref[:64] or sha256(raw.body).hexdigest()
            return [Allowance(kit.clean(told.recipient), False, ref, True, _when(told.timestamp))]
        case "stored":
            return [kit.unreadable("a mail is stored at Mailgun and was not forwarded", raw.body)]
    return [kit.unreadable(f"{told.event} {told.severity} is not in our table".replace("  ", " "), raw.body)]


def _fate(told: _Told) -> Event | None:
    """What an event says of a mail that went out; None when it is about something else."""
    match told.event:
        case "accepted":
            return _receipt(told, ReceiptStatus.ACCEPTED)
        case "delivered":
            return _receipt(told, ReceiptStatus.DELIVERED)
        case "complained":
            return _receipt(told, ReceiptStatus.FAILED, Reason.OPTED_OUT, "complained")
        case "rejected":
            return _receipt(told, ReceiptStatus.FAILED, Reason.REJECTED, "rejected")
        case "failed" if told.severity == "temporary":
            return _receipt(told, ReceiptStatus.ACCEPTED, None, _code(told))
        case "failed" if told.severity == "permanent":
            return _receipt(told, ReceiptStatus.FAILED, _why(told), _code(told))
    return None


def _receipt(told: _Told, status: ReceiptStatus, reason: Reason | None = None, code: str = "") -> Event:
    ref = _id(told.message.headers.message_id) if told.message else ""
    client_ref = kit.clean(kit.told(told.user_variables or {}, "client_ref"))
    if not ref and not client_ref:
        return kit.unreadable(f"{told.event} without a message id", b"")
    return Receipt(status, ref, client_ref, kit.clean(told.recipient), reason, code, _when(told.timestamp))


def _code(told: _Told) -> str:
    """The most exact word for a failure: an enhanced code, else Mailgun's reason."""
    return _enhanced(told) or kit.clean((told.reason or "")[:40]) or "failed"


def _enhanced(told: _Told) -> str:
    about = told.delivery_status
    if about is None:
        return ""
    return dsn.enhanced_code(
        " ".join((about.enhanced_code or "", about.message or "", about.description or ""))
    )


def _why(told: _Told) -> Reason:
    if told.reason in FAILURES:
        return FAILURES[told.reason]
    if enhanced := _enhanced(told):
        return dsn.failure(enhanced, "")
    answered = str(told.delivery_status.code) if told.delivery_status else ""
    bounced = told.reason == "bounce" and answered in NO_SUCH_MAILBOX
    return Reason.BAD_ADDRESS if bounced else Reason.UNDELIVERED


def _when(timestamp: float) -> int | None:
    if not isfinite(timestamp) or not 0 < timestamp < 10**11:
        return None
    return round(timestamp * MICROS)


def _forwarded(raw: Raw, form: dict[str, str]) -> list[Event]:
    """A mail to us: as it was (to an address that ends in `mime`), or taken apart by Mailgun."""
    envelope = {"rcpt-to": form["recipient"], "mail-from": form["sender"]}
    if "body-mime" in form:
        return mail_kit.events(Raw(_octets(raw, "body-mime"), envelope))
    words = form.get("stripped-text") or form.get("body-plain", "")
    files = form.get("attachment-count", "")
    if files not in ("", "0"):
        words = f"{words}\n\n[attachments: {files[:6]}]"
    heard = mail_kit.events(Raw(_put_together(form, words), envelope))
    if files not in ("", "0"):
        heard.append(kit.unreadable(f"{files[:6]} attachments not taken over", b""))
    return heard


def _octets(raw: Raw, name: str) -> bytes:
    """A field of a form to the byte: a mail may be in any charset."""
    kind = raw.headers.get("content-type", "")
    if "multipart" in kind.lower():
        return next(part.data for part in multipart.read(kind, raw.body) if part.name == name)
    fields = parse_qsl(raw.body.decode("latin-1"), encoding="latin-1", max_num_fields=kit.FIELDS_MAX)
    return dict(reversed(fields))[name].encode("latin-1")


def _put_together(form: dict[str, str], words: str) -> bytes:
    """The mail that was taken apart, as one of plain text: so machines and answers are known as in any."""
    fields = kit.read_json(form.get("message-headers", "").encode(), list[tuple[str, str]]) or [
        (name, form[name]) for name in ("From", "To", "Subject", "Message-Id", "In-Reply-To") if name in form
    ]
    head = [
        f"{name}: {' '.join(value.split())}"
        for name, value in fields
        if not name.lower().startswith("content-") and name.isprintable() and ":" not in name
    ]
    head += ["Content-Type: text/plain; charset=utf-8", "Content-Transfer-Encoding: 8bit"]
    return "\r\n".join([*head, "", words]).encode(errors="replace")


# ── asking ───────────────────────────────────────────────────────────────────────────────────────────


class _Events(msgspec.Struct, frozen=True):
    items: list[_Told]


async def ask(tools: Tools, settings: Settings, inquiries: Sequence[Inquiry]) -> list[Event] | Unknown:
    """One GET of `events` for each mail that was never answered for, by the Message-ID that we gave it.

    Mailgun keeps events for three days at least. A mail that is not among them may be on its way into them:
    that says nothing.
    """
    found: list[Event] = []
    for one in inquiries:
        mail = {"message-id": _message_id(settings, one.client_ref), "ascending": "yes"}
        url = kit.with_query(settings.url(f"{settings.domain}/events"), **mail)
        answer = await kit.asked(tools, url, _basic(settings))
        if isinstance(answer, Unknown):
            return found or answer
        said = kit.read_json(answer.body, _Events)
        if said is None:
            found.append(kit.unreadable("no list of events", answer.body))
        else:
            found += [fate for told in said.items if (fate := _fate(told)) is not None]
    return found


class _Domain(msgspec.Struct, frozen=True):
    name: str = ""
    state: str = ""
    type: str = ""


class _DomainSaid(msgspec.Struct, frozen=True):
    domain: _Domain


async def profile(tools: Tools, settings: Settings) -> Profile | Unknown:
    """The domain, and whether it may send."""
    answer = await kit.asked(tools, settings.url(f"domains/{settings.domain}"), _basic(settings))
    if isinstance(answer, Unknown):
        return answer
    said = kit.read_json(answer.body, _DomainSaid)
    if said is None:
        return Unknown("Mailgun's answer is of another shape")
    details = {"type": said.domain.type} if said.domain.type else {}
    return Profile(name=said.domain.name, state=said.domain.state, details=details)


CHANNEL = Channel(
    kind="mailgun_email",
    title="E-mail (Mailgun)",
    address_kind=AddressKind.EMAIL,
    settings=Settings,
    capabilities=mail_kit.BY_API,
    parse=parse,
    measure=mail_kit.measure,
    send=send,
    lint=mail_kit.lint,
    genuine=genuine,
    admit=admit,
    profile=profile,
    asks=Asks(ask, within_s=3 * 86_400.0, taken=False, unanswered=True),
    sender=lambda settings: settings.sender_name or settings.sender_address,
)

"""SMS and MMS through Twilio's Programmable Messaging: `Messages.json`, one request a message.

Sources: twilio/twilio-oai spec/json/twilio_api_v2010.json (14 April 2026: fields of the request, statuses,
balance); nyaruka/courier handlers/twiml (errors.json: what the codes are called); twilio-python
request_validator.py (the signature); twilio.com/docs, stored pages of 2026: webhooks-security,
webhook-shared-keys, outbound-message-status-in-status-callbacks, webhook-request, accepted-mime-types,
errors/30036; support.twilio.com, "How to track … using the OptOutType parameter".

Quirks:
- No idempotency key. Our own reference rides in the query of the status callback, so a submission whose
  answer was lost is found again.
- The callback of the first status (`queued`, `accepted`) is never sent; it is in the answer.
- `ValidityPeriod` counts the time in Twilio's own queue only: what was handed to a carrier may come later.
- The signature covers the address as Twilio was told it, so it is checked against the public one.
- A callback is answered with an empty TwiML document: any other text would be sent to the person as an SMS.
- With Advanced Opt-Out a message that is a keyword, in any language, comes with `OptOutType`: a switch,
  besides what was written. Twilio itself refuses to send from STOP until START.
- `partially_delivered` is in the list of statuses and explained nowhere; it is parked.
"""

from __future__ import annotations

import re
from base64 import b64encode
from decimal import Decimal
from typing import Annotated

import msgspec
from msgspec import Meta

from angarium.channels import kit
from angarium.core.ports import (
    Accepted,
    Allowance,
    Capabilities,
    Carries,
    Channel,
    Event,
    Inbound,
    Outcome,
    Raw,
    Receipt,
    Refused,
    Reply,
    Submission,
    Tools,
    Unknown,
)
from angarium.core.problems import FieldProblem, invalid, shown
from angarium.core.values import AddressKind, Content, Measure, MessageClass, Price, Reason, ReceiptStatus
from angarium.protocols import signatures
from angarium.protocols.answers import Answer

TEXT_MAX = 1_600  # characters of Body
MEDIA_MAX_BYTES = 5_000_000  # of a picture; the smaller of what "5 MB" may mean
MEDIA_HEARD = 10  # files that may come with one message
REF = "ref"  # our reference in the query of the callback address
CONTENT_SID = re.compile(r"HX[0-9a-fA-F]{32}")

SWITCHES = {"STOP": False, "START": True}  # HELP is neither

# ── settings ─────────────────────────────────────────────────────────────────────────────────────────


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One sender, or one messaging service, of one account."""

    account_sid: Annotated[
        str,
        Meta(
            title="Account SID",
            description="From the console's start page: AC and 32 hexadecimal digits.",
            pattern=r"^AC[0-9a-fA-F]{32}$",
        ),
    ]
    auth_token: Annotated[
        kit.Secret,
        Meta(title="Auth token", description="The primary one: it also proves that a callback is Twilio's."),
    ]
    sender: Annotated[
        str,
        Meta(
            title="Sender",
            description="A number of yours with its +, a short code, or a name of up to 11 characters. "
            "May be empty with a messaging service.",
            max_length=64,
        ),
    ] = ""
    messaging_service_sid: Annotated[
        str,
        Meta(
            title="Messaging service SID",
            description="Lets Twilio choose among the senders of a service; with a sender, that one of them.",
            pattern=r"^(MG[0-9a-fA-F]{32})?$",
        ),
    ] = ""
    api_sid: Annotated[
        str,
        Meta(
            title="SID of an API key",
            description="To ask with an API key and not with the auth token; empty otherwise.",
            pattern=r"^(SK[0-9a-fA-F]{32})?$",
        ),
    ] = ""
    api_secret: Annotated[
        str,
        Meta(
            title="Secret of the API key",
            description="Shown once, when the key is made.",
            extra={"secret": True},
        ),
    ] = ""
    auth_token_before: Annotated[
        str,
        Meta(
            title="Earlier auth token",
            description="The old one while you change it; empty otherwise.",
            extra={"secret": True},
        ),
    ] = ""
    shared_key: Annotated[
        str,
        Meta(
            title="Secret of a shared key",
            description="If a webhook rule signs with a shared key; empty otherwise.",
            extra={"secret": True},
        ),
    ] = ""
    mms: Annotated[
        bool,
        Meta(title="MMS", description="Send pictures. The number must be able to: USA, Canada, Australia."),
    ] = False
    smart: Annotated[
        bool,
        Meta(title="Plain punctuation", description="Let Twilio put plain characters for typographic ones."),
    ] = False
    shorten_links: Annotated[
        bool,
        Meta(title="Short links", description="By Twilio, under the domain of the messaging service."),
    ] = False
    base_url: Annotated[
        kit.WebAddress, Meta(title="Address of the API", description="Without a slash at its end.")
    ] = "https://api.twilio.com"

    def __post_init__(self) -> None:
        if not (self.sender or self.messaging_service_sid):
            raise invalid("sender", "is required without messaging_service_sid", remedy="name one of them")
        if bool(self.api_sid) != bool(self.api_secret):
            raise invalid("api_secret", "goes with api_sid", remedy="give both or neither")
        if self.shorten_links and not self.messaging_service_sid:
            raise invalid("shorten_links", "needs a messaging service", remedy="set messaging_service_sid")


# ── words of the provider ────────────────────────────────────────────────────────────────────────────

STATUSES = {
    "accepted": ReceiptStatus.ACCEPTED,
    "scheduled": ReceiptStatus.ACCEPTED,
    "queued": ReceiptStatus.ACCEPTED,
    "sending": ReceiptStatus.ACCEPTED,
    "sent": ReceiptStatus.SENT,
    "delivered": ReceiptStatus.DELIVERED,
    "read": ReceiptStatus.READ,  # where a messaging service sent it over RCS
    "undelivered": ReceiptStatus.FAILED,
    "failed": ReceiptStatus.FAILED,
    "canceled": ReceiptStatus.FAILED,
}

REASONS: dict[Reason, tuple[int, ...]] = {
    # the person: 21610 wrote STOP to this sender; 30004 the network holds messages to them back
    Reason.OPTED_OUT: (21610,),
    Reason.BLOCKED_BY_USER: (30004, 63014, 63033),
    Reason.BAD_ADDRESS: (20023, 21211, 21217, 21401, 21604, 21614, 30005, 30006, 30014),
    Reason.NOT_A_USER: (63003, 63024, 63036),
    Reason.UNREACHABLE: (21214, 30003),
    Reason.WINDOW_CLOSED: (63016,),
    # the content: 21618 and 30007 are filters
    Reason.CONTENT_REJECTED: (21618, 30007, 63005, 63013, 63021, 63026),
    Reason.TEMPLATE_INVALID: (21654, 21655, 21656, 63027, 63028, 63040, 63041),
    Reason.TOO_LONG: (21605, 21617),
    Reason.MEDIA_INVALID: (21620, 21623, 30019, 63019, 63034, 63037),
    Reason.UNSUPPORTED: (21621, 21622, 30011, 30015, 30016, 63030),
    # the pace: 21611 and 30001 a queue of ours is full; 30022 of a 10DLC number, a minute
    Reason.THROTTLED: (14107, 20429, 21611, 30001, 30022, 63017, 63018),
    Reason.TEMPORARY: (30017, 30020, 30021, 63009, 63010, 63012),  # 30017 the carrier is congested
    # the account
    Reason.AUTH: (20003, 20005, 20006, 20008, 20403, 30002, 63001),
    # this sender, not there or not today: 30023 and 30027 are its daily caps
    Reason.SENDER_INVALID: (
        *(21210, 21212, 21407, 21601, 21603, 21606, 21607, 21612, 21616),
        *(21701, 21702, 21703, 21704, 21705, 21709, 21712, 21713, 21715, 21717, 21719, 21720),
        *(30018, 30023, 30024, 30025, 30026, 30027, 30032, 30034, 63002, 63007, 63038),
    ),
    # 21408 the country is not switched on; 21608 a trial account
    Reason.CONFIG: (
        *(20001, 20004, 20404, 20422, 20423, 21215, 21402, 21408, 21602, 21608, 21609, 21624, 21626, 21627),
        *(30010, 30012, 30013, 30029, 30030, 30045, 63008, 63011, 63015, 63020, 63031, 90007),
    ),
    Reason.EXPIRED: (30036,),
    Reason.REJECTED: (63032, 63035),
    Reason.UNDELIVERED: (30008, 30009, 63023),
}
ERRORS = {code: reason for reason, codes in REASONS.items() for code in codes}


class _Message(msgspec.Struct, frozen=True):
    sid: str
    status: str = ""
    error_code: int | None = None
    error_message: str | None = None


class _Error(msgspec.Struct, frozen=True):
    code: int
    message: str = ""


class _Balance(msgspec.Struct, frozen=True):
    balance: Decimal
    currency: str


# ── sending ──────────────────────────────────────────────────────────────────────────────────────────


async def send(tools: Tools, settings: Settings, submission: Submission) -> Outcome:
    """One POST to `Messages.json`."""
    return await kit.exchange(
        tools,
        f"{_account(settings)}/Messages.json",
        None,
        _headers(settings),
        judge,
        form=form(settings, submission),
    )


def form(settings: Settings, submission: Submission) -> dict[str, str]:
    """The fields of a submission."""
    written = {"To": submission.address, **_words(settings, submission.content)}
    if settings.sender:
        written["From"] = settings.sender
    if settings.messaging_service_sid:
        written["MessagingServiceSid"] = settings.messaging_service_sid
    if submission.ttl_s is not None:
        written["ValidityPeriod"] = str(submission.ttl_s)
    if submission.callback_url:
        written["StatusCallback"] = kit.with_query(submission.callback_url, **{REF: submission.client_ref})
    return written


def _words(settings: Settings, content: Content) -> dict[str, str]:
    if content.template:
        variables = msgspec.json.encode(content.params).decode()
        return {"ContentSid": content.template, **({"ContentVariables": variables} if content.params else {})}
    written = {"Body": content.text} if content.text else {}
    if content.picture:
        written["MediaUrl"] = content.picture
    if settings.smart:
        written["SmartEncoded"] = "true"
    if settings.shorten_links:
        written["ShortenUrls"] = "true"
    return written


def _account(settings: Settings) -> str:
    return f"{settings.base_url}/2010-04-01/Accounts/{settings.account_sid}"


def _headers(settings: Settings) -> dict[str, str]:
    user = settings.api_sid or settings.account_sid
    word = settings.api_secret or settings.auth_token
    return {"Authorization": f"Basic {b64encode(f'{user}:{word}'.encode()).decode()}"}


def judge(answer: Answer) -> Outcome | None:
    """The outcome by the SID of the message or the code of the error; None when the body has neither."""
    if answer.status in (200, 201):
        taken = kit.read_json(answer.body, _Message)
        if taken is None or not taken.sid:
            return None
        if STATUSES.get(taken.status) is ReceiptStatus.FAILED and taken.error_code:
            return _refused(taken.error_code, taken.error_message or "", Reason.REJECTED)
        return Accepted((taken.sid,))
    error = kit.read_json(answer.body, _Error)
    if error is None or not 400 <= answer.status < 500 or answer.status == 408:
        return None
    otherwise = {401: Reason.AUTH, 403: Reason.AUTH, 429: Reason.THROTTLED}
    return _refused(error.code, error.message, otherwise.get(answer.status, Reason.REJECTED))


def _refused(code: int, message: str, otherwise: Reason) -> Refused:
    detail = message or f"Twilio refused it with error {code}"
    return Refused(ERRORS.get(code, otherwise), str(code), detail)


async def balance(tools: Tools, settings: Settings) -> Price | Unknown:
    """GET `Balance.json`: of the account; a sub-account has none of its own."""
    answer = await kit.asked(tools, f"{_account(settings)}/Balance.json", _headers(settings))
    if isinstance(answer, Unknown):
        return answer
    told = kit.read_json(answer.body, _Balance)
    return Unknown("an answer without a balance") if told is None else kit.money(told.balance, told.currency)


def lint(settings: Settings, content: Content) -> tuple[FieldProblem, ...]:
    """1600 characters; a picture where the line sends MMS; templates by their Content SID."""
    found = kit.beyond(CAPABILITIES, content)
    beside = "media" if content.media else "image_url" if content.image_url else ""
    if beside and not settings.mms:
        remedy = "switch on mms, if its number can send pictures"
        found.append(FieldProblem(beside, "this line sends no pictures", remedy))
    if content.template:
        found += _lint_template(content, beside)
    elif not content.text and not beside:
        found.append(FieldProblem("text", "is empty", "write a text"))
    return tuple(found)


def _lint_template(content: Content, beside: str) -> list[FieldProblem]:
    found = []
    if not CONTENT_SID.fullmatch(content.template):
        remedy = "name a content template by its SID: HX and 32 hexadecimal digits"
        found.append(FieldProblem("template", "is no Content SID", remedy, shown(content.template)))
    if beside:
        found.append(FieldProblem(beside, "not beside a template", "put it into the template"))
    return found


def measure(settings: Settings, content: Content) -> Measure:
    """Parts and units as SMS; a text beside a picture goes as one MMS."""
    if content.image_url or content.media:
        return kit.characters(content, TEXT_MAX)
    return kit.short_messages(content.text, smart=settings.smart)


# ── receiving ────────────────────────────────────────────────────────────────────────────────────────

ALGORITHM = re.compile(r"algorithm=HMAC_SHA(1|256)\b")


def genuine(settings: Settings, raw: Raw) -> bool:
    """Whether `X-Twilio-Signature` was made for this line's public address, with the auth token.

    A webhook rule may sign with a shared key and another digest; a header of its own then says so.
    """
    secrets, digest = (settings.auth_token, settings.auth_token_before), "sha1"
    ruled = raw.headers.get("x-twilio-webhooks-signature-settings", "")
    if ruled:
        told = ALGORITHM.search(ruled)
        if told is None:
            return False
        secrets, digest = (settings.shared_key, ""), f"sha{told[1]}"
    given = raw.headers.get("x-twilio-signature", "")
    return signatures.twilio_genuine(given, secrets, raw.url, raw.body, digest)


def reply(_settings: Settings, _raw: Raw) -> Reply:
    """An empty TwiML document: nothing is to be sent in return."""
    return Reply(200, '<?xml version="1.0" encoding="UTF-8"?><Response/>', "text/xml")


def parse(settings: Settings, raw: Raw) -> list[Event]:
    """A status, or what a person wrote, with each file on its own."""
    fields = kit.read_form(raw.body)
    sid = fields.get("MessageSid", "")
    if not sid:
        return [kit.unreadable("a callback without MessageSid", raw.body)]
    account = fields.get("AccountSid", settings.account_sid)
    if account != settings.account_sid:
        return [kit.unreadable(f"for the account {account!r}, not this line's", raw.body)]
    if "MessageStatus" in fields:
        return [_receipt(fields, raw)]
    if ":" in fields.get("From", ":"):  # whatsapp:+…, rcs:…, messenger:…
        return [kit.unreadable("a message of another channel, or of nobody", raw.body)]
    return _inbound(fields) + _switched(fields)


def _receipt(fields: dict[str, str], raw: Raw) -> Event:
    word, code = fields["MessageStatus"], fields.get("ErrorCode", "")
    status = STATUSES.get(word)
    if status is None:
        return kit.unreadable(f"status {word!r} is not in our table", raw.body)
    failed = status is ReceiptStatus.FAILED
    known = ERRORS.get(int(code)) if code.isascii() and code.isdigit() and len(code) < 10 else None
    return Receipt(
        status=status,
        ref=kit.clean(fields["MessageSid"]),
        client_ref=kit.clean(raw.query.get(REF, "")),
        address=kit.clean(fields.get("To", "")),
        reason=(known or Reason.UNDELIVERED) if failed else None,
        code=kit.clean((failed and code) or word),
    )


def _switched(fields: dict[str, str]) -> list[Event]:
    """What Twilio understood a keyword to say, where a messaging service looks for them."""
    allowed = SWITCHES.get(fields.get("OptOutType", ""))
    if allowed is None:
        return []
    return [Allowance(kit.clean(fields["From"]), allowed, kit.clean(fields["MessageSid"]))]


def _inbound(fields: dict[str, str]) -> list[Event]:
    told = fields.get("NumMedia", "")
    files = min(int(told), MEDIA_HEARD) if told.isascii() and told.isdigit() and len(told) < 4 else 0
    return [
        Inbound(
            ref=kit.clean(fields["MessageSid"] + (f"/{place}" if place else "")),
            sender=kit.clean(fields["From"]),
            recipient=kit.clean(fields.get("To", "")),
            text="" if place else kit.clean(fields.get("Body", "")),
            media_url=kit.clean(fields.get(f"MediaUrl{place}", "")),
        )
        for place in range(max(files, 1))
    ]


CAPABILITIES = Capabilities(
    receipts=frozenset({ReceiptStatus.SENT, ReceiptStatus.DELIVERED, ReceiptStatus.FAILED}),
    classes=frozenset(MessageClass),
    native_ttl_s=(6, 36_000),  # 1 is taken; "greater than 5 is recommended"
    two_way=True,
    images=True,
    media=(Carries(frozenset({"image/jpeg", "image/png", "image/gif"}), MEDIA_MAX_BYTES),),
    text_max=TEXT_MAX,
    priced_by="part",
)

CHANNEL = Channel(
    kind="twilio_sms",
    title="SMS (Twilio)",
    address_kind=AddressKind.PHONE,
    settings=Settings,
    capabilities=CAPABILITIES,
    parse=parse,
    measure=measure,
    send=send,
    lint=lint,
    genuine=genuine,
    reply=reply,
    sender=lambda settings: settings.sender,
    balance=balance,
)

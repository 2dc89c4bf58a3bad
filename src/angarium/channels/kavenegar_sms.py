"""SMS in Iran through Kavenegar: `sms/send` over one's own line, `verify/lookup` for registered templates.

Sources: kavenegar.com/rest.html, as copied whole in FardaDev/kavenegar-for-laravel docs/api-endpoints.md
(19 November 2025: parameters, return codes, statuses); kavenegar/kavenegar-dotnet Models/Enums (2025).

Quirks:
- The key is a part of the address, so no address of this provider is ever logged or told, and the key is
  taken out of whatever the provider says.
- `localid` makes a submission idempotent: the same one again is answered with the record of the first, and
  that record may have failed meanwhile. `verify/lookup` has no such thing: see `keyed`.
- A lookup goes over shared service lines: it reaches those who have switched advertising off. `sms/send` over
  a promotional line does not: status 14, and the money comes back.
- That statuses and answers of people are posted to an address set in the console is documented; the names of
  their fields and the method are not. `messageid` and `status`, or what `sms/receive` calls its fields, are
  read of a form, of JSON or of the query.
- Callbacks are not signed: they are believed for the secret path, and the provider's addresses if listed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from angarium.channels import kit
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
from angarium.core.problems import FieldProblem, shown
from angarium.core.values import AddressKind, Content, Measure, MessageClass, Price, Reason, ReceiptStatus
from angarium.protocols.answers import Answer

TEXT_MAX = 900  # characters
TOKEN_MAX = 100  # characters
SPACES = {"token": 0, "token2": 0, "token3": 0, "token10": 5, "token20": 8}  # how many each token may have
CURRENCY = "IRR"  # the page tells costs and credit in rials

# ── settings ─────────────────────────────────────────────────────────────────────────────────────────


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One line of one account."""

    api_key: Annotated[
        str,
        Meta(
            title="API key",
            description="From the console: settings, account. Letters and digits.",
            pattern="^[A-Za-z0-9]{1,200}$",
            extra={"secret": True},
        ),
    ]
    sender: Annotated[
        str,
        Meta(
            title="Line",
            description="The number that plain texts go out from, such as 10004346. "
            "Empty: registered templates only.",
            pattern=r"^(\+?[0-9]{3,20})?$",
        ),
    ] = ""
    base_url: Annotated[
        kit.WebAddress, Meta(title="Address of the API", description="Without the key, without a slash.")
    ] = "https://api.kavenegar.com"
    callback_networks: kit.CallbackNetworks = ""

    def __post_init__(self) -> None:
        kit.check_networks("callback_networks", self.callback_networks)


# ── words of the provider ────────────────────────────────────────────────────────────────────────────

OK = 200
STATES_MOST = 500  # in one question; of the last 48 hours
NOBODY_S = "100"  # of an id that the provider does not know, or not yet

ERRORS = {
    400: Reason.CONFIG,  # a parameter is missing
    401: Reason.AUTH,  # the account is switched off
    402: Reason.REJECTED,  # "the operation did not succeed", no more is said
    403: Reason.AUTH,
    404: Reason.CONFIG,
    405: Reason.CONFIG,
    406: Reason.CONFIG,
    407: Reason.AUTH,  # our address is not on the account's list
    409: Reason.TEMPORARY,  # "cannot answer now, try later"
    411: Reason.BAD_ADDRESS,
    412: Reason.SENDER_INVALID,
    413: Reason.TOO_LONG,
    414: Reason.CONFIG,
    416: Reason.AUTH,
    417: Reason.CONFIG,
    418: Reason.NO_CREDIT,
    419: Reason.CONFIG,
    420: Reason.CONTENT_REJECTED,  # links are not allowed to this account
    422: Reason.CONTENT_REJECTED,
    424: Reason.TEMPLATE_INVALID,
    426: Reason.CONFIG,  # the plan has no lookup
    427: Reason.SENDER_INVALID,
    428: Reason.UNSUPPORTED,
    429: Reason.THROTTLED,
    431: Reason.TEMPLATE_INVALID,
    432: Reason.TEMPLATE_INVALID,
    451: Reason.THROTTLED,
    501: Reason.CONFIG,  # a trial account writes to its owner only
    607: Reason.CONFIG,
}

STATUSES: dict[str, tuple[ReceiptStatus, Reason | None]] = {
    "1": (ReceiptStatus.ACCEPTED, None),
    "2": (ReceiptStatus.ACCEPTED, None),
    "4": (ReceiptStatus.SENT, None),
    "5": (ReceiptStatus.SENT, None),
    "6": (ReceiptStatus.FAILED, Reason.UNDELIVERED),
    "10": (ReceiptStatus.DELIVERED, None),
    "11": (ReceiptStatus.FAILED, Reason.UNREACHABLE),  # "switched off or out of reach, among others"
    "13": (ReceiptStatus.FAILED, Reason.REJECTED),  # cancelled, or could not be sent
    "14": (ReceiptStatus.FAILED, Reason.OPERATOR_BLACKLIST),
}
REFUNDED = ("13", "14")
FREE = Price(0, "")


class _Return(msgspec.Struct, frozen=True):
    status: int
    message: str = ""


class _Envelope(msgspec.Struct, frozen=True):
    result: _Return = msgspec.field(name="return")
    entries: Any = None


class _Entry(msgspec.Struct, frozen=True):
    messageid: int | str
    status: int | str = ""
    statustext: str = ""
    cost: int | float = 0


# ── sending ──────────────────────────────────────────────────────────────────────────────────────────


async def send(tools: Tools, settings: Settings, submission: Submission) -> Outcome:
    """One POST to `verify/lookup` for a registered template, else to `sms/send`."""
    lookup = not keyed(settings, submission)
    wrong = _wrong(settings, submission)
    if wrong:
        return Refused(Reason.TEMPLATE_INVALID if lookup else Reason.CONFIG, detail=wrong)
    form = _lookup(submission) if lookup else _plain(settings, submission)
    url = f"{settings.base_url}/v1/{settings.api_key}/{'verify/lookup' if lookup else 'sms/send'}.json"
    outcome = await kit.exchange(tools, url, None, {}, judge, form=form)
    if isinstance(outcome, Accepted):
        return outcome
    return msgspec.structs.replace(outcome, detail=_without_key(settings, outcome.detail))


def keyed(_settings: Settings, submission: Submission) -> bool:
    """Whether it carries our key: only plain texts do."""
    return not (submission.content.template or submission.pattern)


def _plain(settings: Settings, submission: Submission) -> dict[str, str]:
    return {
        "receptor": receptor(submission.address),
        "message": submission.content.text,
        "sender": settings.sender,
        "localid": str(submission.attempt_id),
    }


def _lookup(submission: Submission) -> dict[str, str]:
    template = submission.content.template or submission.pattern
    return {"receptor": receptor(submission.address), "template": template, **_tokens(submission)}


def _tokens(submission: Submission) -> dict[str, str]:
    """The values of a template that was named, or of the pattern that a text fits."""
    return dict(submission.content.params if submission.content.template else submission.pattern_values)


def _wrong(settings: Settings, submission: Submission) -> str:
    if keyed(settings, submission):
        return (
            ""
            if settings.sender
            else "this line has no number of its own: it sends registered templates only"
        )
    return "; ".join(f"{one.field}: {one.problem}" for one in _token_findings(_tokens(submission)))


def receptor(address: str) -> str:
    """A phone as both methods take it, in Iran and abroad: 00 and the digits."""
    return "00" + kit.digits(address)


def _without_key(settings: Settings, said: str) -> str:
    return said.replace(settings.api_key, "…")


def judge(answer: Answer) -> Outcome | None:
    """The outcome in the envelope, whatever the HTTP status; None when there is none that we know."""
    envelope = kit.read_json(answer.body, _Envelope)
    if envelope is None:
        return None
    code = envelope.result.status
    if code == OK:
        return _taken(envelope.entries) if answer.status == OK else None
    if code not in ERRORS and (code >= 500 or answer.status >= 500):
        return None
    detail = envelope.result.message or f"Kavenegar refused it with code {code}"
    return Refused(ERRORS.get(code, Reason.REJECTED), str(code), detail)


def _taken(entries: Any) -> Outcome | None:
    """The record of the one message; one that was submitted before may have ended meanwhile."""
    if not isinstance(entries, list) or len(entries) != 1:
        return None
    try:
        entry = msgspec.convert(entries[0], _Entry)
    except msgspec.ValidationError:
        return None
    if not entry.messageid:
        return None
    status, reason = STATUSES.get(str(entry.status), (ReceiptStatus.ACCEPTED, None))
    if status is ReceiptStatus.FAILED and reason is not None:
        return Refused(reason, str(entry.status), entry.statustext)
    price = kit.money(entry.cost, CURRENCY)
    return Accepted((str(entry.messageid),), price if isinstance(price, Price) and entry.cost else None)


async def balance(tools: Tools, settings: Settings) -> Price | Unknown:
    """GET `account/info`: the credit that is left, in rials."""
    answer = await kit.asked(tools, f"{settings.base_url}/v1/{settings.api_key}/account/info.json", {})
    if isinstance(answer, Unknown):
        return answer
    envelope = kit.read_json(answer.body, _Envelope)
    left = envelope.entries.get("remaincredit") if envelope and isinstance(envelope.entries, dict) else None
    if not isinstance(left, int | float):
        return Unknown("an answer without entries.remaincredit")
    return kit.money(left, CURRENCY)


def lint(_settings: Settings, content: Content) -> tuple[FieldProblem, ...]:
    """900 characters; the tokens of a template within their limits."""
    found = kit.beyond(CAPABILITIES, content)
    if content.template:
        found += _token_findings(content.params)
    elif not content.text.strip():
        found.append(FieldProblem("text", "is empty", "write a text or name a template"))
    return tuple(found)


def _token_findings(params: dict[str, str]) -> list[FieldProblem]:
    found = [
        FieldProblem(f"params.{name}", "no such token", f"one of {', '.join(SPACES)}")
        for name in params
        if name not in SPACES
    ]
    if not params.get("token"):
        found.append(FieldProblem("params.token", "is required", "give the template its first value"))
    for name, value in params.items():
        most = SPACES.get(name)
        if most is not None and (
            len(value) > TOKEN_MAX or value.count(" ") > most or not _is_one_line(value)
        ):
            problem = f"at most {TOKEN_MAX} characters on one line, {most} of them spaces"
            found.append(FieldProblem(f"params.{name}", problem, "shorten it", shown(value)))
    return found


def _is_one_line(value: str) -> bool:
    return not any(character.isspace() and character != " " for character in value)


def measure(_settings: Settings, content: Content) -> Measure:
    """Parts and units as SMS."""
    return kit.short_messages(content.text)


# ── receiving ────────────────────────────────────────────────────────────────────────────────────────


def genuine(settings: Settings, raw: Raw) -> bool:
    """Whether it comes from where the provider posts, if the line says where that is."""
    return kit.listed_peer(settings.callback_networks, raw.peer)


def parse(_settings: Settings, raw: Raw) -> list[Event]:
    """A status or what a person wrote, or an array of them."""
    return [_event(fields, piece) for fields, piece in kit.fields(raw)]


def _event(fields: dict[str, str], piece: bytes) -> Event:
    ref = fields.get("messageid", "")
    if "message" in fields and "status" not in fields:
        return _inbound(fields, ref, piece)
    word = fields.get("status", "")
    known = STATUSES.get(word)
    if known is None:
        return kit.unreadable(f"status {word!r} is not in our table", piece)
    if not ref:
        return kit.unreadable("a status without messageid", piece)
    status, reason = known
    return Receipt(status, ref=ref, reason=reason, code=word, price=FREE if word in REFUNDED else None)


def _inbound(fields: dict[str, str], ref: str, piece: bytes) -> Event:
    sender = fields.get("sender") or fields.get("from") or ""
    if not ref or not sender:
        return kit.unreadable("a message without messageid or sender", piece)
    date = fields.get("date", "")
    return Inbound(
        ref=ref,
        sender=kit.e164(sender, "98"),
        recipient=fields.get("receptor") or fields.get("to") or "",
        text=fields["message"],
        at=int(date) * MICROS if date.isascii() and date.isdigit() and len(date) <= 10 else None,
    )


async def ask(tools: Tools, settings: Settings, inquiries: Sequence[Inquiry]) -> list[Event] | Unknown:
    """One POST to `sms/status` for up to 500 messages: where the provider cannot reach us."""
    url = f"{settings.base_url}/v1/{settings.api_key}/sms/status.json"
    refs = ",".join(ref for one in inquiries for ref in one.refs)
    answer = await kit.asked(tools, url, {}, form={"messageid": refs})
    if isinstance(answer, Unknown):
        return Unknown(_without_key(settings, answer.detail))
    envelope = kit.read_json(answer.body, _Envelope)
    if envelope is None or envelope.result.status != OK or not isinstance(envelope.entries, list):
        return [kit.unreadable("no list of states", answer.body)]
    states = [(kit.told(one, "messageid"), kit.told(one, "status")) for one in envelope.entries]
    return [
        _event({"messageid": ref, "status": word}, answer.body) for ref, word in states if word != NOBODY_S
    ]


CAPABILITIES = Capabilities(
    receipts=frozenset({ReceiptStatus.SENT, ReceiptStatus.DELIVERED, ReceiptStatus.FAILED}),
    classes=frozenset(MessageClass),
    two_way=True,
    text_max=TEXT_MAX,
    priced_by="part",
    idempotent=True,
)

CHANNEL = Channel(
    kind="kavenegar_sms",
    title="SMS (Kavenegar)",
    known_as="کاوه‌نگار",
    address_kind=AddressKind.PHONE,
    settings=Settings,
    capabilities=CAPABILITIES,
    parse=parse,
    measure=measure,
    send=send,
    lint=lint,
    genuine=genuine,
    keyed=keyed,
    sender=lambda settings: settings.sender,
    balance=balance,
    asks=Asks(ask, most=STATES_MOST, posts=True),
)

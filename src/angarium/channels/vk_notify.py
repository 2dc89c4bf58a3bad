"""VK and OK notifications by phone number, through Devino: registered service templates only.

Sources: docs.devino.online/en/http/vk_ok (fields of the request, limits, routes); docs.rapporto.ru
eng_http_vk (2048 characters, 5 a day for each person, 50 a second for each community);
docs.devino.online/en/http/account (the balance).

Quirks:
- One call may carry 1000 messages; we send one, so that each has an answer of its own.
- `callbackData` is an object that comes back with every status. It carries our reference and is no
  idempotency key: nothing says that a repeated submission is noticed.
- The page names the fields of a request and the word OK. The words for a refused message, the body of a
  status callback and the name of the time to live (`ttl` here; `validity` in an older version) are not
  in the pages seen; what is not in our tables is refused or parked with the provider's own word.
- Callbacks are not signed: they are believed for the secret path, and the provider's addresses if listed.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from angarium.channels import kit
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
    Unknown,
)
from angarium.core.problems import FieldProblem, invalid
from angarium.core.values import AddressKind, Content, Measure, MessageClass, Price, Reason, ReceiptStatus
from angarium.protocols.answers import Answer

TEXT_MAX = 2_048  # characters as shown
REF = "ref"  # our reference in callbackData

# ── settings ─────────────────────────────────────────────────────────────────────────────────────────


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One community at Devino."""

    api_key: Annotated[
        kit.Secret, Meta(title="API key", description="From the personal cabinet (Authorization: Key …).")
    ]
    service: Annotated[kit.Word, Meta(title="Service", description="The sender's name as VK approved it.")]
    base_url: Annotated[
        kit.WebAddress, Meta(title="Address of the API", description="Without a slash at its end.")
    ] = "https://api.devino.online"
    routes: Annotated[
        Literal["VK", "OK", "VK,OK", "OK,VK"],
        Meta(
            title="Routes",
            description="The networks to try in order, with a comma; only one is used and billed.",
        ),
    ] = "VK"
    delivery_policy: Annotated[
        Literal["any", "mobile_device_required", "verified_phone_number"],
        Meta(
            title="Whom to reach",
            description="any; only those who used the mobile app within 7 days (mobile_device_required); "
            "or only those whose number is verified (verified_phone_number).",
        ),
    ] = "any"
    text_template: Annotated[
        str,
        Meta(
            title="Template for plain texts",
            description="A registered template whose one variable is a whole text. "
            "Empty: texts without a template are refused.",
        ),
    ] = ""
    text_variable: Annotated[
        str, Meta(title="Variable for plain texts", description="The name of that variable.")
    ] = ""
    currency: Annotated[
        str,
        Meta(
            title="Currency of the account",
            description="In which the balance is kept, such as RUB: the API tells it by a number of its own.",
            pattern="^[A-Z]{3}$",
        ),
    ] = "RUB"
    callback_networks: kit.CallbackNetworks = ""

    def __post_init__(self) -> None:
        if self.text_template and not self.text_variable:
            raise invalid("text_variable", "is required with text_template", remedy="name its variable")
        kit.check_networks("callback_networks", self.callback_networks)


# ── words of the provider ────────────────────────────────────────────────────────────────────────────

OK = "OK"

# Not in the pages seen: these words are our simulator's. A word that is not here is refused by its own name.
ERRORS = {
    "INVALID_PHONE": Reason.BAD_ADDRESS,
    "INVALID_SERVICE": Reason.SENDER_INVALID,
    "INVALID_TEMPLATE_DATA": Reason.TEMPLATE_INVALID,
    "LIMIT_EXCEEDED": Reason.THROTTLED,
    "NOT_ENOUGH_CREDITS": Reason.NO_CREDIT,
    "TEMPLATE_NOT_FOUND": Reason.TEMPLATE_INVALID,
    "USER_BLOCKED": Reason.BLOCKED_BY_USER,
    "USER_NOT_FOUND": Reason.NOT_A_USER,
}

STATUSES: dict[str, tuple[ReceiptStatus, Reason | None]] = {
    "sent": (ReceiptStatus.SENT, None),
    "delivered": (ReceiptStatus.DELIVERED, None),
    "read": (ReceiptStatus.READ, None),
    "not delivered": (ReceiptStatus.FAILED, Reason.UNDELIVERED),
    "undelivered": (ReceiptStatus.FAILED, Reason.UNDELIVERED),
    "expired": (ReceiptStatus.FAILED, Reason.EXPIRED),
}


class _Result(msgspec.Struct, frozen=True):
    code: str
    messageId: int | str = ""  # noqa: N815 - the provider's spelling
    description: str = ""


class _Results(msgspec.Struct, frozen=True):
    result: list[_Result]


class _Account(msgspec.Struct, frozen=True):
    balance: Decimal


class _Company(msgspec.Struct, frozen=True):
    account: _Account


class _Billing(msgspec.Struct, frozen=True):
    result: _Company


# ── sending ──────────────────────────────────────────────────────────────────────────────────────────


async def send(tools: Tools, settings: Settings, submission: Submission) -> Outcome:
    """One POST to `vk/messages` with one message in it."""
    return await kit.exchange(
        tools,
        f"{settings.base_url}/vk/messages",
        {"messages": [message(settings, submission)]},
        {"Authorization": f"Key {settings.api_key}", "Accept": "application/json"},
        judge,
    )


def message(settings: Settings, submission: Submission) -> dict[str, Any]:
    """One element of `messages`."""
    written: dict[str, Any] = {
        "phone": kit.digits(submission.address),
        "routes": settings.routes.split(","),
        "delivery_policy": settings.delivery_policy,
        "callbackData": {REF: submission.client_ref},
        **wording(settings, submission.content),
    }
    if submission.ttl_s is not None:
        written["ttl"] = submission.ttl_s
    if submission.callback_url:
        written["status_url"] = submission.callback_url
    return written


def wording(settings: Settings, content: Content) -> dict[str, Any]:
    """The template and its variables: by Devino's number, by name, or the template for plain texts."""
    if content.template.isascii() and content.template.isdigit():
        return {"templateId": int(content.template), "tmpl_data": content.params}
    if content.template:
        return {"service": settings.service, "tmpl": content.template, "tmpl_data": content.params}
    variables = {settings.text_variable: content.text}
    return {"service": settings.service, "tmpl": settings.text_template, "tmpl_data": variables}


def judge(answer: Answer) -> Outcome | None:
    """The outcome of the one message; None when the body says nothing we know."""
    results = kit.read_json(answer.body, _Results)
    if answer.status >= 500 or results is None or len(results.result) != 1:
        return None
    (result,) = results.result
    ref = str(result.messageId)
    if result.code == OK:
        return Accepted((ref,)) if ref else None
    if ref:
        return Unknown(f"{result.code}, and yet a message id: {ref}")
    detail = result.description or f"Devino refused the message: {result.code}"
    return Refused(ERRORS.get(result.code, Reason.REJECTED), result.code, detail)


async def balance(tools: Tools, settings: Settings) -> Price | Unknown:
    """GET `billing-api/companies/current/account`: of the company, for all its services together."""
    url = f"{settings.base_url}/billing-api/companies/current/account"
    headers = {"Authorization": f"Key {settings.api_key}", "Accept": "application/json"}
    answer = await kit.asked(tools, url, headers)
    if isinstance(answer, Unknown):
        return answer
    told = kit.read_json(answer.body, _Billing)
    if told is None:
        return Unknown("an answer without result.account.balance")
    return kit.money(told.result.account.balance, settings.currency)


def lint(settings: Settings, content: Content) -> tuple[FieldProblem, ...]:
    """Wording must be a registered template; 2048 characters; pictures and buttons live in the template."""
    found = kit.beyond(CAPABILITIES, content)
    if not content.template and not settings.text_template:
        remedy = "name a registered template, or give the line a text_template"
        found.append(FieldProblem("template", "VK carries registered templates only", remedy))
    if not content.template and not content.text:
        found.append(FieldProblem("text", "is empty", "write a text or name a template"))
    return tuple(found)


def measure(_settings: Settings, content: Content) -> Measure:
    """One part, counted in characters."""
    return kit.characters(content, TEXT_MAX)


# ── receiving ────────────────────────────────────────────────────────────────────────────────────────


class _Status(msgspec.Struct, frozen=True):
    status: str
    messageId: int | str = ""  # noqa: N815 - the provider's spelling
    callbackData: dict[str, Any] | str | None = None  # noqa: N815 - the provider's spelling
    error: str = ""


def genuine(settings: Settings, raw: Raw) -> bool:
    """Whether it comes from where the provider posts, if the line says where that is."""
    return kit.listed_peer(settings.callback_networks, raw.peer)


def parse(_settings: Settings, raw: Raw) -> list[Event]:
    """A status, or an array of them."""
    return [_event(piece) for piece in kit.pieces(raw.body)]


def _event(piece: bytes) -> Event:
    told = kit.read_json(piece, _Status)
    if told is None:
        return kit.unreadable("not a status", piece)
    known = STATUSES.get(told.status.lower().replace("_", " "))
    if known is None:
        return kit.unreadable(f"status {told.status!r} is not in our table", piece)
    ref, client_ref = str(told.messageId), _client_ref(told.callbackData)
    if not ref and not client_ref:
        return kit.unreadable("a status without messageId and without callbackData", piece)
    status, reason = known
    if reason is Reason.UNDELIVERED:
        reason = ERRORS.get(told.error, reason)
    return Receipt(
        status=status,
        ref=kit.clean(ref),
        client_ref=kit.clean(client_ref),
        reason=reason,
        code=kit.clean(told.error or told.status),
    )


def _client_ref(callback_data: dict[str, Any] | str | None) -> str:
    ref = callback_data.get(REF) if isinstance(callback_data, dict) else callback_data
    return ref if isinstance(ref, str) else ""


CAPABILITIES = Capabilities(
    receipts=frozenset(
        {ReceiptStatus.SENT, ReceiptStatus.DELIVERED, ReceiptStatus.READ, ReceiptStatus.FAILED}
    ),
    classes=frozenset(MessageClass) - {MessageClass.PROMOTIONAL},  # service templates only
    native_ttl_s=(15, 86_400),
    text_max=TEXT_MAX,
    registers_templates=True,
    billed_on="delivered",
)

CHANNEL = Channel(
    kind="vk_notify",
    title="VK and OK notifications (Devino)",
    known_as="ВК ВКонтакте ОК Одноклассники Однокласники Девино Девіно",
    address_kind=AddressKind.PHONE,
    settings=Settings,
    capabilities=CAPABILITIES,
    parse=parse,
    measure=measure,
    send=send,
    lint=lint,
    genuine=genuine,
    pieces=kit.batched,
    sender=lambda settings: settings.service,
    balance=balance,
)

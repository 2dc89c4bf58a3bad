"""SMS through SMSC (smsc.ru, smsc.kz, smscentre.com): `sys/send.php`, one number a request.

Sources: smsc.ru/api/http and smscentre.com/api/http (status_messages), stored pages of 2026: parameters and
formats; the tables of errors and states as seven public adapters quote the vendor's page; the signature of
callbacks, `id:phone:status:secret`, as two public adapters check it.

Quirks:
- Everything is asked with HTTP 200; `error_code` is what counts.
- The same text to the same number within a minute is refused with code 9, as is too much at once.
- `id` is ours: up to 40 of Latin letters, digits and `.-_`, as public adapters quote the vendor's page. It
  comes back in the answer and in callbacks, and the state is asked by it: so a message that was never
  answered for is found. It does not dedupe: of two with one id the last is told, so each attempt has its own.
- A state 20 and above says that it failed; `err` beside it says why.
- Callbacks are forms, signed with md5 and sha1 if a secret is set in the cabinet. What people write is posted
  to the same address, in a form that no page seen describes: it is parked.
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from hashlib import md5, sha1
from typing import Annotated

import msgspec
from msgspec import Meta

from angarium.channels import kit, lint_kit, sms_kit
from angarium.core.clock import MICROS
from angarium.core.ports import (
    Accepted,
    Asks,
    Capabilities,
    Channel,
    Event,
    Inquiry,
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

TEXT_MAX = 1_000  # characters; longer ones are for other kinds of message
TTL_S = (60, 86_400)

# ── settings ─────────────────────────────────────────────────────────────────────────────────────────


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One sender of one account."""

    sender: Annotated[
        kit.Word,
        Meta(
            title="Sender",
            description="A registered name of up to 11 Latin characters, or a number.",
            max_length=15,
        ),
    ]
    api_key: Annotated[
        str,
        Meta(
            title="API key",
            description="From the cabinet. Or leave it empty and give login and password.",
            extra={"secret": True},
        ),
    ] = ""
    login: Annotated[str, Meta(title="Login", description="Of the account; not needed with an API key.")] = ""
    password: Annotated[
        str,
        Meta(title="Password", description="For the API; not needed with a key.", extra={"secret": True}),
    ] = ""
    currency: Annotated[
        str,
        Meta(title="Currency", description="Of the account, such as RUB or KZT.", pattern="^[A-Z]{3}$"),
    ] = "RUB"
    callback_secret: Annotated[
        str,
        Meta(
            title="Secret of callbacks",
            description="As set beside the callback address in the cabinet. Empty: callbacks are not signed.",
            extra={"secret": True},
        ),
    ] = ""
    base_url: Annotated[
        kit.WebAddress,
        Meta(
            title="Address of the API",
            description="https://smsc.ru, https://smsc.kz or https://smscentre.com, where the account is; "
            "https://www2.smsc.ru is the reserve.",
        ),
    ] = "https://smsc.ru"
    callback_networks: kit.CallbackNetworks = ""

    def __post_init__(self) -> None:
        if not self.api_key and not (self.login and self.password):
            raise invalid(
                "api_key", "is required without login and password", remedy="give one or the others"
            )
        kit.check_networks("callback_networks", self.callback_networks)


# ── words of the provider ────────────────────────────────────────────────────────────────────────────

ERRORS = {
    1: Reason.CONFIG,
    2: Reason.AUTH,
    3: Reason.NO_CREDIT,
    4: Reason.THROTTLED,  # this address is blocked for a while, after many wrong requests
    5: Reason.CONFIG,
    6: Reason.CONTENT_REJECTED,  # by its text or its sender
    7: Reason.BAD_ADDRESS,
    8: Reason.UNDELIVERED,
    9: Reason.THROTTLED,
}

NOT_FOUND = -3  # no such message

STATUSES: dict[str, tuple[ReceiptStatus, Reason | None]] = {
    "-2": (ReceiptStatus.FAILED, Reason.REJECTED),  # stopped
    "-1": (ReceiptStatus.ACCEPTED, None),
    "0": (ReceiptStatus.SENT, None),
    "1": (ReceiptStatus.DELIVERED, None),
    "2": (ReceiptStatus.READ, None),
    "3": (ReceiptStatus.FAILED, Reason.EXPIRED),
    "4": (ReceiptStatus.DELIVERED, None),  # a link in it was followed
    "20": (ReceiptStatus.FAILED, Reason.UNDELIVERED),
    "22": (ReceiptStatus.FAILED, Reason.BAD_ADDRESS),
    "23": (ReceiptStatus.FAILED, Reason.REJECTED),
    "24": (ReceiptStatus.FAILED, Reason.NO_CREDIT),
    "25": (ReceiptStatus.FAILED, Reason.UNREACHABLE),
}

WHY = {  # `err`, where it says more than the state
    "1": Reason.BAD_ADDRESS,
    "6": Reason.UNREACHABLE,
    "11": Reason.UNREACHABLE,
    "12": Reason.UNREACHABLE,
    "13": Reason.UNREACHABLE,
    "21": Reason.UNREACHABLE,
    "219": Reason.UNREACHABLE,  # a new SIM: names may not write to it for a day
    "220": Reason.UNREACHABLE,  # too much waits for this person at the operator
    "238": Reason.TEMPLATE_INVALID,
    "239": Reason.AUTH,
    "243": Reason.CONFIG,
    "244": Reason.CONTENT_REJECTED,
    "248": Reason.UNREACHABLE,
    "249": Reason.BAD_ADDRESS,
    "250": Reason.SUPPRESSED,  # by the settings of the account
    "252": Reason.REJECTED,
    "253": Reason.CONTENT_REJECTED,
    "254": Reason.SENDER_INVALID,
    "255": Reason.REJECTED,
}


class _Taken(msgspec.Struct, frozen=True):
    id: int | str
    cnt: int = 1
    cost: int | float | str = 0


class _Error(msgspec.Struct, frozen=True):
    error_code: int
    error: str = ""


class _Balance(msgspec.Struct, frozen=True):
    balance: Decimal


# ── sending ──────────────────────────────────────────────────────────────────────────────────────────


async def send(tools: Tools, settings: Settings, submission: Submission) -> Outcome:
    """One POST to `sys/send.php`."""
    form = {
        **_who(settings),
        "phones": submission.address,  # with its +, so that nobody corrects it
        "mes": submission.content.text,
        "fmt": "3",
        "charset": "utf-8",
        "cost": "2",  # tell it in the answer
        "sender": settings.sender,
        "id": submission.client_ref,
    }
    if submission.ttl_s is not None:
        form["valid"] = valid(submission.ttl_s)

    def judged(answer: Answer) -> Outcome | None:
        return judge(settings, answer)

    return await kit.exchange(tools, f"{settings.base_url}/sys/send.php", None, {}, judged, form=form)


def _who(settings: Settings) -> dict[str, str]:
    if settings.api_key:
        return {"apikey": settings.api_key}
    return {"login": settings.login, "psw": settings.password}


def valid(ttl_s: int) -> str:
    """A time to live as hours and minutes, 00:01 to 24:00."""
    minutes = -(-min(max(ttl_s, TTL_S[0]), TTL_S[1]) // 60)
    return f"{minutes // 60:02}:{minutes % 60:02}"


def judge(settings: Settings, answer: Answer) -> Outcome | None:
    """The outcome by `error_code` or `id`; None when there is neither."""
    if answer.status != 200:
        return None
    error = kit.read_json(answer.body, _Error)
    if error is not None:
        detail = error.error or f"SMSC refused it with code {error.error_code}"
        return Refused(ERRORS.get(error.error_code, Reason.REJECTED), str(error.error_code), detail)
    taken = kit.read_json(answer.body, _Taken)
    if taken is None or not taken.id:
        return None
    return Accepted((str(taken.id),), _price(taken.cost, settings.currency))


def _price(cost: float | str, currency: str) -> Price | None:
    try:
        price = kit.money(Decimal(str(cost)), currency)
    except InvalidOperation:
        return None
    return price if isinstance(price, Price) and price.micros > 0 else None


async def balance(tools: Tools, settings: Settings) -> Price | Unknown:
    """POST to `sys/balance.php`: what is left on the account."""
    form = {**_who(settings), "fmt": "3"}
    answer = await kit.asked(tools, f"{settings.base_url}/sys/balance.php", {}, form=form)
    if isinstance(answer, Unknown):
        return answer
    told = kit.read_json(answer.body, _Balance)
    return (
        Unknown("an answer without a balance") if told is None else kit.money(told.balance, settings.currency)
    )


def lint(_settings: Settings, content: Content) -> tuple[FieldProblem, ...]:
    """A text of 1000 characters; templates have no names here."""
    found = kit.beyond(CAPABILITIES, content)
    if not content.text.strip():
        found.append(FieldProblem("text", "is empty", "write a text"))
    return (*found, *lint_kit.no_names(content, lint_kit.MATCHED))


def measure(_settings: Settings, content: Content) -> Measure:
    """Parts and units as SMS."""
    return kit.short_messages(content.text)


# ── receiving ────────────────────────────────────────────────────────────────────────────────────────


def genuine(settings: Settings, raw: Raw) -> bool:
    """Whether a state is signed with the secret and comes from where the provider posts, as the line says."""
    if not kit.listed_peer(settings.callback_networks, raw.peer):
        return False
    fields = kit.read_form(raw.body)
    if not settings.callback_secret or "status" not in fields:  # anything else is parked, not believed
        return True
    given = {name: fields[name] for name in ("md5", "sha1") if fields.get(name)}
    made = signatures(fields, settings.callback_secret)
    fit = [
        hmac.compare_digest(word.lower().encode(errors="replace"), made[name].encode())
        for name, word in given.items()
    ]
    return bool(fit) and all(fit)


def signatures(fields: dict[str, str], secret: str) -> dict[str, str]:
    """Both signatures of a state: of `id:phone:status:secret`, as the provider makes them."""
    signed = ":".join([*(fields.get(name, "") for name in ("id", "phone", "status")), secret])
    written = signed.encode(errors="replace")
    return {
        "md5": md5(written, usedforsecurity=False).hexdigest(),
        "sha1": sha1(written, usedforsecurity=False).hexdigest(),
    }


def parse(_settings: Settings, raw: Raw) -> list[Event]:
    """One state."""
    fields = {name: kit.clean(text) for name, text in kit.read_form(raw.body).items()}
    word, ref, err = fields.get("status", ""), fields.get("id", ""), fields.get("err", "")
    known = STATUSES.get(word)
    if known is None:
        return [kit.unreadable(f"status {word!r} is not in our table", raw.body)]
    if not ref:
        return [kit.unreadable("a status without id", raw.body)]
    status, reason = known
    if status is ReceiptStatus.FAILED:
        reason = WHY.get(err, reason)
    stamp = fields.get("ts", "")
    return [
        Receipt(
            status=status,
            ref=ref,
            client_ref=own(ref),
            address=kit.e164(fields.get("phone", "")),
            reason=reason,
            code=f"{word}/{err}" if err not in ("", "0") else word,
            at=int(stamp) * MICROS if stamp.isascii() and stamp.isdigit() and len(stamp) == 10 else None,
        )
    ]


class _State(msgspec.Struct, frozen=True):
    status: int
    err: int = 0


async def ask(tools: Tools, settings: Settings, inquiries: Sequence[Inquiry]) -> list[Event] | Unknown:
    """One POST to `sys/status.php` for each message: where it cannot reach us, or never answered."""

    async def one(inquiry: Inquiry, ref: str) -> Event | Unknown | None:
        form = {**_who(settings), "phone": inquiry.address, "id": ref, "fmt": "3"}
        answer = await kit.asked(tools, f"{settings.base_url}/sys/status.php", {}, form=form)
        return answer if isinstance(answer, Unknown) else told(ref, answer)

    return await sms_kit.asked_of_each(one, inquiries)


def told(ref: str, answer: Answer) -> Event | Unknown | None:
    """What the answer about one message says; None of one that is not found, or not yet."""
    error = kit.read_json(answer.body, _Error)
    if error is not None:
        return Unknown(f"SMSC says {error.error_code} {error.error}")
    state = kit.read_json(answer.body, _State)
    if state is None:
        return kit.unreadable("no state", answer.body)
    if state.status == NOT_FOUND:
        return None
    known = STATUSES.get(str(state.status))
    if known is None:
        return kit.unreadable(f"status {state.status} is not in our table", answer.body)
    status, reason = known
    reason = WHY.get(str(state.err), reason) if status is ReceiptStatus.FAILED else reason
    code = f"{state.status}/{state.err}" if state.err else str(state.status)
    return Receipt(status, ref=ref, client_ref=own(ref), reason=reason, code=code)


def own(ref: str) -> str:
    """Our name in an id that we gave; "" of one that SMSC gave."""
    return "" if ref.isdigit() else ref


CAPABILITIES = Capabilities(
    receipts=frozenset({ReceiptStatus.SENT, ReceiptStatus.DELIVERED, ReceiptStatus.FAILED}),
    classes=frozenset(MessageClass),
    native_ttl_s=TTL_S,
    text_max=TEXT_MAX,
    priced_by="part",
)

CHANNEL = Channel(
    kind="smsc_ru_sms",
    title="SMS (SMSC)",
    known_as="СМСЦ СМС-центр",
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
    asks=Asks(ask, posts=True, unanswered=True),
)

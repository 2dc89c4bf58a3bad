"""SMS in Iran through Melipayamak: `SendSMS` from one's own line, `BaseServiceNumber` by templates.

Sources: Melipayamak/melipayamak-python sms/rest.py (the vendor's SDK, 16 June 2021: routes and fields),
melipayamak.com/api/sendbybasenumber2 (5 October 2024: values joined by `;`, codes -1 to -7); the codes of
RetStatus as ten public adapters have them from the vendor's page on SendSMS.

Quirks:
- `BaseServiceNumber` goes over the shared service line: one person a request, by the number of an approved
  template (`bodyId`) and its values. It reaches those on the operator's advertising blacklist.
- What went wrong stands in `RetStatus`, or in `Value` where the id of the message would stand.
- No idempotency key. Nothing is posted: what became of a message is told to who asks for it by its id
  (`GetDeliveries2`), one id a request. The vendor's own table of its answers was not seen: those here are
  as other Iranian panels publish them (opilo.com, 3 August 2015); another is no verdict, and is told.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import msgspec
from msgspec import Meta

from angarium.channels import kit, sms_kit
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
from angarium.core.problems import FieldProblem, shown
from angarium.core.values import AddressKind, Content, Measure, MessageClass, Reason, ReceiptStatus
from angarium.protocols.answers import Answer

SEPARATOR = ";"  # between the values of a template

# ── settings ─────────────────────────────────────────────────────────────────────────────────────────


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One line of one account."""

    username: Annotated[kit.Word, Meta(title="User name", description="Of the panel.")]
    password: Annotated[
        kit.Secret,
        Meta(title="Password or API key", description="The API key of the panel where it has one."),
    ]
    sender: Annotated[
        str,
        Meta(
            title="Line",
            description="The number that plain texts go out from, such as 50001234. "
            "Empty: registered templates only.",
            pattern="^[0-9]{0,20}$",
        ),
    ] = ""
    base_url: Annotated[
        kit.WebAddress, Meta(title="Address of the API", description="Without a slash at its end.")
    ] = "https://rest.payamak-panel.com/api/SendSMS"


# ── words of the provider ────────────────────────────────────────────────────────────────────────────

OK = 1
CODES_MOST = 999  # what is further from nought is the id of a message

ERRORS = {
    0: Reason.AUTH,
    2: Reason.NO_CREDIT,
    3: Reason.SENDER_INVALID,  # the day's limit of this account: another line may do
    4: Reason.SENDER_INVALID,  # the limit of its volume
    5: Reason.SENDER_INVALID,
    6: Reason.TEMPORARY,  # "the system is being updated"
    7: Reason.CONTENT_REJECTED,  # a filtered word
    9: Reason.SENDER_INVALID,  # a public line, by the API
    10: Reason.AUTH,
    11: Reason.REJECTED,  # "not sent"
    12: Reason.AUTH,  # the papers of the account are not complete
    14: Reason.CONTENT_REJECTED,  # a link
    15: Reason.CONTENT_REJECTED,  # to several, without the words of leaving
    16: Reason.BAD_ADDRESS,
    17: Reason.CONTENT_REJECTED,
    18: Reason.BAD_ADDRESS,
    35: Reason.OPERATOR_BLACKLIST,
    -1: Reason.AUTH,
    -2: Reason.CONFIG,
    -3: Reason.SENDER_INVALID,
    -4: Reason.TEMPLATE_INVALID,
    -5: Reason.TEMPLATE_INVALID,
    -6: Reason.TEMPORARY,
    -7: Reason.SENDER_INVALID,
}


STATES: dict[int, tuple[ReceiptStatus, Reason | None]] = {
    0: (ReceiptStatus.ACCEPTED, None),  # in the queue
    1: (ReceiptStatus.DELIVERED, None),
    2: (ReceiptStatus.FAILED, Reason.UNDELIVERED),
    8: (ReceiptStatus.SENT, None),  # the operator has it
    16: (ReceiptStatus.FAILED, Reason.UNDELIVERED),  # it did not reach the operator
    27: (ReceiptStatus.FAILED, Reason.OPERATOR_BLACKLIST),
    35: (ReceiptStatus.FAILED, Reason.OPERATOR_BLACKLIST),  # as in RetStatus
    100: (ReceiptStatus.ACCEPTED, None),  # nothing is known yet
}


class _Answer(msgspec.Struct, frozen=True, rename="pascal"):
    ret_status: int
    value: int | str | None = None
    str_ret_status: str | None = None


# ── sending ──────────────────────────────────────────────────────────────────────────────────────────


async def send(tools: Tools, settings: Settings, submission: Submission) -> Outcome:
    """One POST to `BaseServiceNumber` for a registered template, else to `SendSMS`."""
    template = submission.content.template or submission.pattern
    form = _patterned(submission, template) if template else _plain(settings, submission)
    if isinstance(form, Refused):
        return form
    form |= {"username": settings.username, "password": settings.password}
    url = f"{settings.base_url}/{'BaseServiceNumber' if template else 'SendSMS'}"
    return await kit.exchange(tools, url, None, {}, judge, form=form)


def _plain(settings: Settings, submission: Submission) -> dict[str, str] | Refused:
    if not settings.sender:
        detail = "this line has no number of its own: it sends registered templates only"
        return Refused(Reason.CONFIG, detail=detail)
    return {
        "to": recipient(submission.address),
        "from": settings.sender,
        "text": submission.content.text,
        "isFlash": "false",
    }


def _patterned(submission: Submission, template: str) -> dict[str, str] | Refused:
    named = submission.content.template
    values = submission.content.params if named else submission.pattern_values
    found = _template_findings(template, values)
    if found:
        detail = "; ".join(f"{one.field}: {one.problem}" for one in found)
        return Refused(Reason.TEMPLATE_INVALID, detail=detail)
    return {
        "to": recipient(submission.address),
        "bodyId": template,
        "text": SEPARATOR.join(values[name] for name in _in_order(values)),
    }


def _in_order(values: dict[str, str]) -> list[str]:
    """The names of places: {0}, {1} by their number, others as they come."""
    numbered = all(name.isascii() and name.isdigit() for name in values)
    return sorted(values, key=int) if numbered else list(values)


def recipient(address: str) -> str:
    """A phone as it is dialled in Iran, 09123456789; one of another country with 00."""
    digits = kit.digits(address)
    return "0" + digits.removeprefix("98") if address.startswith("+989") else "00" + digits


def judge(answer: Answer) -> Outcome | None:
    """The outcome by `RetStatus` and `Value`; None when the answer says neither."""
    told = kit.read_json(answer.body, _Answer)
    if told is None or answer.status != 200:
        return None
    value = str(told.value if told.value is not None else "").strip()
    number = int(value) if value.removeprefix("-").isdecimal() and len(value) < 20 else None
    if told.ret_status == OK and number is not None and number > CODES_MOST:
        return Accepted((value,))
    code = told.ret_status
    if number is not None and number in ERRORS and number != 0:
        code = number
    if code == OK:  # taken, it says, and no id
        return None
    detail = told.str_ret_status or f"Melipayamak refused it with code {code}"
    return Refused(ERRORS.get(code, Reason.REJECTED), str(code), detail)


def lint(_settings: Settings, content: Content) -> tuple[FieldProblem, ...]:
    """A text, or the number of a template with its values, which have no semicolon."""
    found = kit.beyond(CAPABILITIES, content)
    if content.template:
        found += _template_findings(content.template, content.params)
    elif not content.text.strip():
        found.append(FieldProblem("text", "is empty", "write a text or name a template"))
    return tuple(found)


def _template_findings(template: str, values: dict[str, str]) -> list[FieldProblem]:
    found = sms_kit.no_number(template)
    return found + [
        FieldProblem(f"params.{name}", "has a semicolon", "semicolons stand between values", shown(value))
        for name, value in values.items()
        if SEPARATOR in value
    ]


def measure(_settings: Settings, content: Content) -> Measure:
    """Parts and units as SMS."""
    return kit.short_messages(content.text)


# ── receiving ────────────────────────────────────────────────────────────────────────────────────────


def parse(_settings: Settings, raw: Raw) -> list[Event]:
    """Nothing is known to be posted; what comes is kept."""
    return [kit.unreadable("Melipayamak is not known to post anything", raw.body)]


async def ask(tools: Tools, settings: Settings, inquiries: Sequence[Inquiry]) -> list[Event] | Unknown:
    """One POST to `GetDeliveries2` for each message."""

    async def one(_inquiry: Inquiry, ref: str) -> Event | Unknown | None:
        form = {"username": settings.username, "password": settings.password, "recId": ref}
        answer = await kit.asked(tools, f"{settings.base_url}/GetDeliveries2", {}, form=form)
        return answer if isinstance(answer, Unknown) else told(ref, answer)

    return await sms_kit.asked_of_each(one, inquiries)


def told(ref: str, answer: Answer) -> Event | Unknown:
    """What the answer about one message says."""
    said = kit.read_json(answer.body, _Answer)
    if said is None:
        return kit.unreadable("no status", answer.body)
    if said.ret_status != OK:
        return Unknown(f"Melipayamak says {said.ret_status} {said.str_ret_status or ''}")
    value = str(said.value if said.value is not None else "").strip()
    verdict = STATES.get(int(value)) if value.isascii() and value.isdigit() and len(value) < 10 else None
    if verdict is None:
        return kit.unreadable(f"delivery {value[:20]}", answer.body)
    status, reason = verdict
    return Receipt(status, ref=ref, reason=reason, code=value)


CAPABILITIES = Capabilities(
    receipts=frozenset({ReceiptStatus.SENT, ReceiptStatus.DELIVERED, ReceiptStatus.FAILED}),
    classes=frozenset(MessageClass),
    priced_by="part",
)

CHANNEL = Channel(
    kind="melipayamak_sms",
    title="SMS (Melipayamak)",
    known_as="ملی‌پیامک",
    address_kind=AddressKind.PHONE,
    settings=Settings,
    capabilities=CAPABILITIES,
    parse=parse,
    measure=measure,
    send=send,
    lint=lint,
    sender=lambda settings: settings.sender,
    asks=Asks(ask),
)

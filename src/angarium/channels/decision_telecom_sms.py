"""SMS through Decision Telecom: `send-sms`, one request a message.

Sources: en-api.decisiontele.com/sms-api (the vendor's page, stored 2026); protocols/decision_telecom.py.

Quirks:
- It is the newer of two interfaces. That of the vendor's SDK (`/ru/js/send`) has login and password in the
  address, and is not used.
- The time to live is in minutes, 1 to 4320.
- What became of a message is told only to who asks for it by its id (`status?message_id=`), which the
  contract of channels has no hook for; no callback is documented. This channel has no receipts.
- The page names no errors. Those of the same vendor's Viber are read, which has the same key.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from angarium.channels import kit, lint_kit, sms_kit
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
from angarium.core.problems import FieldProblem
from angarium.core.values import AddressKind, Content, Measure, MessageClass, Reason, ReceiptStatus
from angarium.protocols import decision_telecom, smpp_receipt
from angarium.protocols.answers import Answer

TTL_S = (60, 259_200)

# ── settings ─────────────────────────────────────────────────────────────────────────────────────────


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One sender at Decision Telecom."""

    api_key: Annotated[
        kit.Secret, Meta(title="API key", description="The access key your account manager gives you.")
    ]
    sender: Annotated[
        kit.Word,
        Meta(title="Sender", description="The registered name, at most 11 characters.", max_length=11),
    ]
    base_url: Annotated[
        kit.WebAddress, Meta(title="Address of the API", description="Without a slash at its end.")
    ] = decision_telecom.BASE_URL


# ── words of the provider ────────────────────────────────────────────────────────────────────────────

REFUSALS = {  # what the state of a message in the answer may already be
    "UNDELIV": Reason.UNDELIVERED,
    "REJECTD": Reason.REJECTED,
    "DELETED": Reason.REJECTED,
    "EXPIRED": Reason.EXPIRED,
}


WITHIN_S = 5 * 86_400.0  # the vendor's page on Viber; of SMS nothing is said


class _Told(msgspec.Struct, frozen=True):
    status: str
    message_id: int | str = ""


class _Part(msgspec.Struct, frozen=True):
    message_id: int | str
    status: str = ""


class _Taken(msgspec.Struct, frozen=True):
    message_data: list[_Part]


# ── sending ──────────────────────────────────────────────────────────────────────────────────────────


async def send(tools: Tools, settings: Settings, submission: Submission) -> Outcome:
    """One POST to `send-sms`."""
    headers = decision_telecom.headers(settings.api_key)
    url = f"{settings.base_url}/send-sms"
    return await kit.exchange(tools, url, document(settings, submission), headers, judge)


def document(settings: Settings, submission: Submission) -> dict[str, Any]:
    """The body of a submission."""
    written: dict[str, Any] = {
        "phone": int(kit.digits(submission.address)),
        "sender": settings.sender,
        "text": submission.content.text,
    }
    if submission.ttl_s is not None:
        written["validity_period"] = -(-min(max(submission.ttl_s, TTL_S[0]), TTL_S[1]) // 60)
    return written


def judge(answer: Answer) -> Outcome | None:
    """The outcome in the body, whatever the HTTP status; None when the body says nothing we know."""
    error = kit.read_json(answer.body, decision_telecom.Error)
    if error is not None:
        return decision_telecom.judge(error)
    taken = kit.read_json(answer.body, _Taken)
    if answer.status != 200 or taken is None or not taken.message_data:
        return None
    words = [part.status for part in taken.message_data]
    if all(word in REFUSALS for word in words):
        return Refused(REFUSALS[words[0]], words[0], f"Decision Telecom took it as {words[0]}")
    refs = tuple(str(part.message_id) for part in taken.message_data if part.message_id)
    return Accepted(refs) if refs else None


def lint(_settings: Settings, content: Content) -> tuple[FieldProblem, ...]:
    """A text; templates have no names here."""
    found = kit.beyond(CAPABILITIES, content)
    if not content.text.strip():
        found.append(FieldProblem("text", "is empty", "write a text"))
    return (*found, *lint_kit.no_names(content, lint_kit.MATCHED))


def measure(_settings: Settings, content: Content) -> Measure:
    """Parts and units as SMS."""
    return kit.short_messages(content.text)


# ── receiving ────────────────────────────────────────────────────────────────────────────────────────


def parse(_settings: Settings, raw: Raw) -> list[Event]:
    """No callback is documented; what comes is kept."""
    return [kit.unreadable("Decision Telecom is not known to post anything of SMS", raw.body)]


async def ask(tools: Tools, settings: Settings, inquiries: Sequence[Inquiry]) -> list[Event] | Unknown:
    """One GET of `status` for each message."""

    async def one(_inquiry: Inquiry, ref: str) -> Event | Unknown | None:
        url = kit.with_query(f"{settings.base_url}/status", message_id=ref)
        answer = await kit.asked(tools, url, decision_telecom.headers(settings.api_key))
        return answer if isinstance(answer, Unknown) else told(ref, answer)

    return await sms_kit.asked_of_each(one, inquiries)


def told(ref: str, answer: Answer) -> Event | Unknown:
    """What the answer about one message says."""
    error = kit.read_json(answer.body, decision_telecom.Error)
    if error is not None:
        return Unknown(f"Decision Telecom says {error.name} ({error.status})")
    said = kit.read_json(answer.body, _Told)
    if said is None:
        return kit.unreadable("no status", answer.body)
    verdict = smpp_receipt.WORDS.get(said.status)
    if verdict is None:
        return kit.unreadable(f"status {said.status}", answer.body)
    status, reason = verdict
    return Receipt(status, ref=ref, reason=reason, code=said.status)


CAPABILITIES = Capabilities(
    receipts=frozenset({ReceiptStatus.SENT, ReceiptStatus.DELIVERED, ReceiptStatus.FAILED}),
    classes=frozenset(MessageClass),
    native_ttl_s=TTL_S,
    priced_by="part",
)

CHANNEL = Channel(
    kind="decision_telecom_sms",
    title="SMS (Decision Telecom)",
    known_as="Десижн Телеком Децижн Телеком",
    address_kind=AddressKind.PHONE,
    settings=Settings,
    capabilities=CAPABILITIES,
    parse=parse,
    measure=measure,
    send=send,
    lint=lint,
    sender=lambda settings: settings.sender,
    asks=Asks(ask, within_s=WITHIN_S),
)

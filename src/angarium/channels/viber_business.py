"""Viber Business Messages through Decision Telecom: by phone number, one HTTP call a message.

Sources: en-api.decisiontele.com/viber-api (the vendor's page, stored 2026);
github.com/IT-DecisionTelecom/DecisionTelecom-Python (the vendor's SDK: auth, status numbers, errors with HTTP
200); infobip.com/docs/viber/business-messages (what each category may carry).

Quirks:
- An error may come with HTTP 200 and `{"name", "message", "code", "status"}`, as the SDK's own tests show;
  `status` is what counts, because `code` 0 is both "too many requests" and "unauthorised".
- There is no "read", and no word for "not on Viber": such a person ends as undelivered within seconds.
- The body of a status callback is not documented. The shape of the status answer is read,
  `{"message_id", "status"}`; our own reference rides in the query of the callback address, so that even a
  submission whose answer was lost finds its receipt.
- Callbacks are not signed: they are believed for the secret path, and the provider's addresses if listed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from angarium.channels import kit, sms_kit, viber_kit
from angarium.core.ports import (
    Accepted,
    Asks,
    Channel,
    Event,
    Inquiry,
    Outcome,
    Raw,
    Receipt,
    Submission,
    Tools,
    Unknown,
)
from angarium.core.problems import FieldProblem
from angarium.core.values import AddressKind, Content, MessageClass, Reason, ReceiptStatus
from angarium.protocols import decision_telecom
from angarium.protocols.answers import Answer

REF = "ref"  # our reference in the query of the callback address

# ── settings ─────────────────────────────────────────────────────────────────────────────────────────


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One sender at Decision Telecom."""

    api_key: Annotated[
        kit.Secret, Meta(title="API key", description="The access key your account manager gives you.")
    ]
    sender: Annotated[
        kit.Word,
        Meta(title="Sender", description="The registered name, at most 20 characters.", max_length=20),
    ]
    base_url: Annotated[
        kit.WebAddress, Meta(title="Address of the API", description="Without a slash at its end.")
    ] = decision_telecom.BASE_URL
    rich_service: viber_kit.RichService = False
    callback_networks: kit.CallbackNetworks = ""

    def __post_init__(self) -> None:
        kit.check_networks("callback_networks", self.callback_networks)


# ── words of the provider ────────────────────────────────────────────────────────────────────────────

PROMOTIONAL, TRANSACTIONAL = 1, 2

SOURCE_TYPES = {
    MessageClass.OTP: TRANSACTIONAL,
    MessageClass.TRANSACTIONAL: TRANSACTIONAL,
    MessageClass.SERVICE: TRANSACTIONAL,
    MessageClass.PROMOTIONAL: PROMOTIONAL,
}

TEXT, TEXT_IMAGE_BUTTON, PROMOTIONAL_TEXT = 106, 108, 225  # 206 and 208 are the two-way kinds

STATUSES: dict[str, tuple[ReceiptStatus, Reason | None]] = {
    "0": (ReceiptStatus.SENT, None),
    "1": (ReceiptStatus.DELIVERED, None),
    "2": (ReceiptStatus.FAILED, Reason.UNDELIVERED),  # error
    "3": (ReceiptStatus.FAILED, Reason.REJECTED),
    "4": (ReceiptStatus.FAILED, Reason.UNDELIVERED),
    "5": (ReceiptStatus.ACCEPTED, None),  # pending
    "20": (ReceiptStatus.ACCEPTED, None),  # unknown: the provider knows nothing new
}


class _Taken(msgspec.Struct, frozen=True):
    message_id: int | str


# ── sending ──────────────────────────────────────────────────────────────────────────────────────────


async def send(tools: Tools, settings: Settings, submission: Submission) -> Outcome:
    """One POST to `send-viber`."""
    refused = viber_kit.too_rich(submission, settings.rich_service)
    if refused is not None:
        return refused
    return await kit.exchange(
        tools,
        f"{settings.base_url}/send-viber",
        document(settings, submission),
        decision_telecom.headers(settings.api_key),
        judge,
    )


def document(settings: Settings, submission: Submission) -> dict[str, Any]:
    """The body of a submission."""
    content = submission.content
    source_type = SOURCE_TYPES[submission.message_class]
    written: dict[str, Any] = {
        "source_addr": settings.sender,
        "destination_addr": kit.digits(submission.address),
        "message_type": TEXT if source_type == TRANSACTIONAL else PROMOTIONAL_TEXT,
        "text": content.text,
        "source_type": source_type,
    }
    if content.picture or content.buttons:
        written["message_type"] = TEXT_IMAGE_BUTTON
    if content.picture:
        written["image"] = content.picture
    for button in content.buttons:
        written["button_caption"] = button.label
        written["button_action"] = button.url
    if submission.ttl_s is not None:
        written["validity_period"] = submission.ttl_s
    if submission.callback_url:
        written["callback_url"] = kit.with_query(submission.callback_url, **{REF: submission.client_ref})
    return written


def judge(answer: Answer) -> Outcome | None:
    """The outcome in the body, whatever the HTTP status; None when the body says nothing we know."""
    error = kit.read_json(answer.body, decision_telecom.Error)
    if error is not None:
        return decision_telecom.judge(error)
    taken = kit.read_json(answer.body, _Taken)
    if answer.status == 200 and taken is not None and taken.message_id:
        return Accepted((str(taken.message_id),))
    return None


def lint(_settings: Settings, content: Content) -> tuple[FieldProblem, ...]:
    """What Viber takes, and no more."""
    return viber_kit.lint(CAPABILITIES, content)


# ── receiving ────────────────────────────────────────────────────────────────────────────────────────


class _Report(msgspec.Struct, frozen=True):
    status: int | str
    message_id: int | str = ""


def genuine(settings: Settings, raw: Raw) -> bool:
    """Whether it comes from where the provider posts, if the line says where that is."""
    return kit.listed_peer(settings.callback_networks, raw.peer)


def parse(_settings: Settings, raw: Raw) -> list[Event]:
    """A status report, or an array of them."""
    return [_event(piece, raw.query.get(REF, "")) for piece in kit.pieces(raw.body)]


def _event(piece: bytes, client_ref: str) -> Event:
    report = kit.read_json(piece, _Report)
    if report is None:
        return kit.unreadable("not a status report", piece)
    known = STATUSES.get(str(report.status))
    if known is None:
        return kit.unreadable(f"status {report.status} is not in our table", piece)
    if not report.message_id and not client_ref:
        return kit.unreadable("a report without message_id and without our reference", piece)
    status, reason = known
    return Receipt(
        status=status,
        ref=kit.clean(str(report.message_id)),
        client_ref=kit.clean(client_ref),
        reason=reason,
        code=str(report.status),
    )


async def ask(tools: Tools, settings: Settings, inquiries: Sequence[Inquiry]) -> list[Event] | Unknown:
    """One POST to `receive-viber` for each message: where the provider cannot reach us."""

    async def one(inquiry: Inquiry, ref: str) -> Event | Unknown | None:
        url, headers = f"{settings.base_url}/receive-viber", decision_telecom.headers(settings.api_key)
        document = {"message_id": int(ref) if ref.isascii() and ref.isdigit() else ref}
        answer = await sms_kit.posted(tools, url, document, headers)
        if isinstance(answer, Unknown):
            return answer
        error = kit.read_json(answer.body, decision_telecom.Error)
        if error is not None:
            return Unknown(f"Decision Telecom says {error.name} ({error.status})")
        return _event(answer.body, inquiry.client_ref)

    return await sms_kit.asked_of_each(one, inquiries)


# 30 s is Viber's own least (tyntec's list of its errors); the most is a day.
CAPABILITIES = viber_kit.capabilities((30, 86_400), ReceiptStatus.SENT)

CHANNEL = Channel(
    kind="viber_business",
    title="Viber (Decision Telecom)",
    known_as="Вайбер وایبر فايبر Десижн Телеком Децижн Телеком",
    address_kind=AddressKind.PHONE,
    settings=Settings,
    capabilities=CAPABILITIES,
    parse=parse,
    measure=viber_kit.measure,
    send=send,
    lint=lint,
    genuine=genuine,
    pieces=kit.batched,
    sender=lambda settings: settings.sender,
    asks=Asks(ask, within_s=5 * 86_400.0, posts=True),  # "the status is kept for five days"
)

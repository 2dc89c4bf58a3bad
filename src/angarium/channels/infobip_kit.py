"""The words of Infobip that its SMS and its Viber share: statuses, errors, answers, reports.

Sources: infobip.com/docs, "Message status codes" and "Error code reference" (2026); see
channels/infobip_sms.py and channels/infobip_viber.py.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import msgspec

from angarium.channels import kit, sms_kit
from angarium.core.ports import Accepted, Event, Outcome, Raw, Receipt, Refused
from angarium.core.values import Price, Reason, ReceiptStatus
from angarium.protocols.answers import Answer

PENDING, DELIVERED = 1, 3  # groups of statuses: taken
DUPLICATE = 23  # the name was used before: an earlier try was taken

# Statuses by id; those of the group PENDING that are not here say nothing new.
STATUSES: dict[int, tuple[ReceiptStatus, Reason | None]] = {
    2: (ReceiptStatus.SENT, None),  # DELIVERED_TO_OPERATOR
    3: (ReceiptStatus.SENT, None),  # PENDING_WAITING_DELIVERY: the operator has it
    5: (ReceiptStatus.DELIVERED, None),
    7: (ReceiptStatus.SENT, None),  # PENDING_ENROUTE
    26: (ReceiptStatus.ACCEPTED, None),
    4: (ReceiptStatus.FAILED, Reason.REJECTED),
    9: (ReceiptStatus.FAILED, Reason.UNDELIVERED),
    31: (ReceiptStatus.FAILED, Reason.UNDELIVERED),
    15: (ReceiptStatus.FAILED, Reason.EXPIRED),
    29: (ReceiptStatus.FAILED, Reason.EXPIRED),  # EXPIRED_DLR_UNKNOWN: nobody will ever say
    6: (ReceiptStatus.FAILED, Reason.CONFIG),  # the network is not set up on the account
    8: (ReceiptStatus.FAILED, Reason.BAD_ADDRESS),
    10: (ReceiptStatus.FAILED, Reason.OPERATOR_BLACKLIST),  # REJECTED_DND
    11: (ReceiptStatus.FAILED, Reason.SENDER_INVALID),
    12: (ReceiptStatus.FAILED, Reason.NO_CREDIT),
    13: (ReceiptStatus.FAILED, Reason.SENDER_INVALID),
    14: (ReceiptStatus.FAILED, Reason.SUPPRESSED),  # on the blocklist of the operator or of the account
    17: (ReceiptStatus.FAILED, Reason.NO_CREDIT),
    18: (ReceiptStatus.FAILED, Reason.CONFIG),  # a test account
    19: (ReceiptStatus.FAILED, Reason.CONFIG),
    20: (ReceiptStatus.FAILED, Reason.REJECTED),  # too many to this person within the hour
    21: (ReceiptStatus.FAILED, Reason.TEMPORARY),
    24: (ReceiptStatus.FAILED, Reason.CONFIG),
    25: (ReceiptStatus.FAILED, Reason.TOO_LONG),
    51: (ReceiptStatus.FAILED, Reason.BAD_ADDRESS),
    52: (ReceiptStatus.FAILED, Reason.BAD_ADDRESS),
    87: (ReceiptStatus.FAILED, Reason.REJECTED),  # SIGNALS_BLOCKED: taken for fraud
    100: (ReceiptStatus.FAILED, Reason.REJECTED),
}
GROUPS = {
    "PENDING": (ReceiptStatus.ACCEPTED, None),
    "UNDELIVERABLE": (ReceiptStatus.FAILED, Reason.UNDELIVERED),
    "EXPIRED": (ReceiptStatus.FAILED, Reason.EXPIRED),
    "REJECTED": (ReceiptStatus.FAILED, Reason.REJECTED),
}

# What the network said, by id: a better word than "undelivered".
NETWORK: dict[Reason, tuple[int, ...]] = {
    Reason.BAD_ADDRESS: (1, 9, 12, 345, 351, 352, 633, 3041),
    Reason.NOT_A_USER: (11, 258, 568, 629),  # no SMS on this subscription or phone
    Reason.UNREACHABLE: (5, 6, 8, 13, 27, 31, 33, 256, 569, 581, 628, 630, 2048),
    Reason.BLOCKED_BY_USER: (560, 565, 573, 574),
    Reason.OPERATOR_BLACKLIST: (566, 4137),  # 4137: the person's preferences in India's registry
    Reason.SUPPRESSED: (604, 2049, 2050, 2052),
    Reason.NO_CONSENT: (4140,),
    Reason.CONTENT_REJECTED: (561, 603, 607, 4106, 4139, 4153),
    Reason.TOO_LONG: (355,),
    Reason.TEMPLATE_INVALID: (4111, *range(4126, 4137), 4143, 4149, 4150, 4151),
    Reason.SENDER_INVALID: (
        *(368, 375, 488, 562, 563, 564, 571, 572, 592, 594, 2053, 4099, 4202),
        *(4108, *range(4121, 4126), 4146, 4147, 4148),
    ),
    Reason.CONFIG: (323, 433, *range(4109, 4111), *range(4112, 4121), 4142, *range(4154, 4159)),
    Reason.EXPIRED: (811, 4098, 4101),
    Reason.TEMPORARY: (4107, 4141),  # the registry did not answer
    Reason.REJECTED: (608, 609, 632, 4103, 4104, 4138),
}
ERRORS = {code: reason for reason, codes in NETWORK.items() for code in codes}

# Which part of a request a violation is about.
PROPERTIES = (
    ("destinations", Reason.BAD_ADDRESS),
    ("sender", Reason.SENDER_INVALID),
    ("content", Reason.CONTENT_REJECTED),
)


class _Word(msgspec.Struct, frozen=True):
    """A status, or what the network said."""

    id: int
    name: str = ""
    groupId: int = 0  # noqa: N815 - the provider's spelling
    groupName: str = ""  # noqa: N815 - the provider's spelling
    description: str = ""


class _Taken(msgspec.Struct, frozen=True):
    messageId: str  # noqa: N815 - the provider's spelling
    status: _Word


class _Told(msgspec.Struct, frozen=True):
    messages: list[_Taken]


class _Violation(msgspec.Struct, frozen=True):
    property: str = ""
    violation: str = ""


class _Error(msgspec.Struct, frozen=True):
    errorCode: str  # noqa: N815 - the provider's spelling
    description: str = ""
    violations: list[_Violation] = []


class Cost(msgspec.Struct, frozen=True):
    """Of one part."""

    pricePerMessage: Decimal  # noqa: N815 - the provider's spelling
    currency: str


class Report(msgspec.Struct, frozen=True):
    """What has become of a message."""

    status: _Word
    messageId: str  # noqa: N815 - the provider's spelling
    error: _Word | None = None
    to: str = ""
    doneAt: str | None = None  # noqa: N815 - the provider's spelling
    messageCount: int = 1  # noqa: N815 - the provider's spelling
    callbackData: str | None = None  # noqa: N815 - the provider's spelling
    price: Cost | None = None


class _Results(msgspec.Struct, frozen=True):
    results: list[msgspec.Raw]


def headers(api_key: str) -> dict[str, str]:
    """Of every request."""
    return {"Authorization": f"App {api_key}", "Accept": "application/json"}


def judge(answer: Answer) -> Outcome | None:
    """The outcome by the status of the one message; None when the body says nothing we know."""
    if answer.status != 200:
        error = kit.read_json(answer.body, _Error) if answer.status == 400 else None
        return None if error is None else _refusal(error)
    told = kit.read_json(answer.body, _Told)
    if told is None or len(told.messages) != 1:
        return None
    (taken,) = told.messages
    status = taken.status
    if taken.messageId and (status.groupId in (PENDING, DELIVERED) or status.id == DUPLICATE):
        return Accepted((taken.messageId,))
    known = STATUSES.get(status.id) or GROUPS.get(status.groupName)
    if known is None or known[1] is None:
        return None
    # our name for it is spent: with it, a second try would be taken for this one
    reason = Reason.REJECTED if known[1] is Reason.TEMPORARY else known[1]
    return Refused(reason, str(status.id), f"{status.name}: {status.description}")


def _refusal(error: _Error) -> Refused:
    """What a request that was refused as a whole comes to, by the property that is wrong."""
    told = [f"{one.property}: {one.violation}" for one in error.violations]
    for one in error.violations:
        for part, reason in PROPERTIES:
            if part in one.property:
                return Refused(reason, error.errorCode, "; ".join(told))
    return Refused(Reason.CONFIG, error.errorCode, "; ".join(told) or error.description)


def parse(raw: Raw, event: Callable[[msgspec.Raw], Event]) -> list[Event]:
    """Every piece of a batch, as the channel reads it."""
    told = kit.read_json(raw.body, _Results)
    if told is None or not told.results:
        return [kit.unreadable("a callback without results", raw.body)]
    return [event(piece) for piece in told.results]


def receipt(report: Report, piece: msgspec.Raw, price: Price | None) -> Event:
    """What has become of a message; unreadable when the word is not in our table."""
    word, error = report.status, report.error
    known = STATUSES.get(word.id) or GROUPS.get(word.groupName)
    if known is None or not report.messageId:
        return kit.unreadable(f"status {word.id} {word.name} is not in our table", piece)
    status, reason = known
    if reason in (Reason.UNDELIVERED, Reason.REJECTED, Reason.EXPIRED) and error is not None:
        reason = ERRORS.get(error.id) or reason
    told = error.name if error is not None and error.id and reason else word.name
    return Receipt(
        status=status,
        ref=kit.clean(report.messageId),
        client_ref=kit.clean(report.callbackData or ""),
        address=kit.clean(kit.e164(report.to)),
        reason=reason,
        code=kit.clean(told or str(word.id)),
        at=sms_kit.moment(report.doneAt or ""),
        price=price,
    )


def price(cost: Cost | None, parts: int) -> Price | None:
    """What so many parts cost; None when it does not say, or says no sum of money."""
    if cost is None:
        return None
    told = kit.money(cost.pricePerMessage * parts, kit.clean(cost.currency))
    return told if isinstance(told, Price) else None

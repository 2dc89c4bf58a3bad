"""Delivery receipts of SMPP in the dialects that operators speak.

Rules:
- A receipt is known by its esm_class, or by receipted_message_id: neither can come from a phone. The text
  alone is no proof, since anybody may write `id:1 stat:DELIVRD` to us.
- The parameters receipted_message_id and message_state win over the text (SMPP 3.4 §5.3.2.12, §5.3.2.35).
- An intermediate notification (esm_class 0x20) never fails a message: the operator still tries.
- UNKNOWN says that the operator does not know. It is no failure: a fallback on it would double what arrived.
- Operators differ in the names of the fields, the form of dates, the numbers in err and in
  network_error_code, and in how a receipt is marked: a line may bring its own of each.
- A word that is in no table is refused with Unread, for a person to look at; a line may bring its own words.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, tzinfo
from functools import cache

import msgspec

from angarium.core.clock import from_datetime
from angarium.core.values import Reason, ReceiptStatus
from angarium.protocols.smpp_numbers import ESM_INTERMEDIATE, ESM_RECEIPT, ESM_TYPE_MASK, Tlv
from angarium.protocols.smpp_pdu import Message, tlv, tlv_number

Verdict = tuple[ReceiptStatus, Reason | None]

_ACCEPTED: Verdict = (ReceiptStatus.ACCEPTED, None)
_SENT: Verdict = (ReceiptStatus.SENT, None)
_DELIVERED: Verdict = (ReceiptStatus.DELIVERED, None)
_EXPIRED: Verdict = (ReceiptStatus.FAILED, Reason.EXPIRED)
_UNDELIVERED: Verdict = (ReceiptStatus.FAILED, Reason.UNDELIVERED)
_REJECTED: Verdict = (ReceiptStatus.FAILED, Reason.REJECTED)
_BLACKLISTED: Verdict = (ReceiptStatus.FAILED, Reason.OPERATOR_BLACKLIST)

# `stat:` of the text, first by the standard (appendix B), then by what operators add.
WORDS: dict[str, Verdict] = {
    "ACCEPTD": _ACCEPTED,
    "DELETED": _UNDELIVERED,
    "DELIVRD": _DELIVERED,
    "ENROUTE": _SENT,
    "EXPIRED": _EXPIRED,
    "REJECTD": _REJECTED,
    "UNDELIV": _UNDELIVERED,
    "UNKNOWN": _ACCEPTED,
    # the same, not cut to seven letters
    "ACCEPTED": _ACCEPTED,
    "DELIVERED": _DELIVERED,
    "REJECTED": _REJECTED,
    "UNDELIVERABLE": _UNDELIVERED,
    # docs.smsportal.com/docs/delivery-statuses
    "BLIST": _BLACKLISTED,
    "CANCELLED": _UNDELIVERED,
    "NOROUTE": _UNDELIVERED,
    "STAGED": _ACCEPTED,
    "SUBMITD": _SENT,
    # smscentral.com.au/sms-api/smpp/receive-dlrs
    "BUFFRED": _SENT,
    "FAILED": _UNDELIVERED,
    "NOCRED": (ReceiptStatus.FAILED, Reason.NO_CREDIT),
    "SYSERR": (ReceiptStatus.FAILED, Reason.TEMPORARY),
    # wiki.pswin.com/Delivery-Report-Status.ashx
    "BARRED": _UNDELIVERED,
    # SMPP 5.0 §4.7.15 as melroselabs.scrollhelp.site/ssg/delivery-receipts-dlrs writes them
    "SCHEDLD": _ACCEPTED,
    "SKIPPED": _UNDELIVERED,
}
# message_state (SMPP 3.4 §5.2.28; 0 and 9 are of SMPP 5.0 §4.7.15), and the word it stands for.
STATES = {
    0: "SCHEDLD",
    1: "ENROUTE",
    2: "DELIVRD",
    3: "EXPIRED",
    4: "DELETED",
    5: "UNDELIV",
    6: "ACCEPTD",
    7: "UNKNOWN",
    8: "REJECTD",
    9: "SKIPPED",
}
# network_error_code of network type 3, GSM (SMPP 3.4 §5.3.2.31): MAP errors (3GPP TS 29.002 §17.6.6) that
# say why a phone was not reached. `err:` of the text is the operator's own and needs a table of the line.
NETWORK_GSM = 3
MAP_ERRORS = {
    1: Reason.BAD_ADDRESS,  # unknownSubscriber
    5: Reason.BAD_ADDRESS,  # unidentifiedSubscriber
    6: Reason.UNREACHABLE,  # absentSubscriberSM
    27: Reason.UNREACHABLE,  # absentSubscriber
    31: Reason.UNREACHABLE,  # subscriberBusyForMT-SMS
    32: Reason.UNREACHABLE,  # sm-DeliveryFailure: the phone's memory is full
    34: Reason.TEMPORARY,  # systemFailure
}

TEXT_SHOWN_MAX = 200
_FIELD = re.compile(
    r"(?:^|(?<=[\s;,]))(id|sub|dlvrd|submit[ _]?date|done[ _]?date|stat|err|text)\s*:", re.IGNORECASE
)
_UNUSED = frozenset({"sub", "dlvrd", "submitdate"})  # what they say is not asked for
# As appendix B of SMPP 3.4 has it, which most operators send: read in one go. A word is ASCII without blanks
# and ;,: as ranges of codes, for to ask of each character what kind it is takes twice as long.
_USUAL = re.compile(
    "id:(W) sub:W dlvrd:W submit date:W done date:(W) stat:(W) err:(W)(?: [Tt]ext:.*)?".replace(
        "W", r"[!-+\-./0-9<-~]+"
    ),
    re.DOTALL,
)
_DECIMAL = re.compile("[0-9]+")
_HEXADECIMAL = re.compile("[0-9a-f]+")


class Unread(Exception):
    """A receipt that cannot be understood; the message says what about it."""


class Dialect(msgspec.Struct, frozen=True):
    """What a line says about its operator's receipts."""

    words: Mapping[str, Verdict] = {}  # upper case; before the table
    errors: Mapping[str, Reason] = {}  # by `err:`, in upper case and without leading zeros
    network: Mapping[int, Reason] = {}  # by network_error_code; none: those of a GSM network
    names: Mapping[str, str] = {}  # the operator's names of fields, lower case: {"msgid": "id"}
    dates: tuple[str, ...] = ()  # forms of dates as strptime has them, before the usual ones
    marks: frozenset[int] = frozenset()  # values of esm_class that mark receipts, beside the standard's
    zone: tzinfo | None = None  # of the dates in the text; None: they are not used
    unmarked: bool = False  # receipts come without esm_class, and are known by their text alone


class Report(msgspec.Struct, frozen=True):
    """What a receipt says."""

    message_id: str  # as the operator wrote it; "" when it names none
    status: ReceiptStatus
    reason: Reason | None
    code: str  # the operator's words: "UNDELIV", "UNDELIV/27"
    at: int | None  # microseconds


def is_receipt(message: Message, dialect: Dialect) -> bool:
    """Whether a deliver_sm or data_sm is a receipt; else a person wrote it."""
    if message.esm_class & ESM_TYPE_MASK in (ESM_RECEIPT, ESM_INTERMEDIATE):
        return True
    if tlv(message.tlvs, Tlv.RECEIPTED_MESSAGE_ID) is not None or message.esm_class in dialect.marks:
        return True
    return dialect.unmarked and {"id", "stat"} <= set(fields(text_of(message), dialect.names))


def read_receipt(message: Message, dialect: Dialect) -> Report:
    """What it says. Raises Unread."""
    text = text_of(message)
    found = fields(text, dialect.names)
    word = _word(message, found, text)
    verdict = dialect.words.get(word) or WORDS.get(word)
    if verdict is None:
        raise Unread(f"no meaning is known for stat:{word}")
    status, reason = verdict
    error = found.get("err", "").upper().lstrip("0")
    if status is ReceiptStatus.FAILED:
        reason = _closer(message, dialect, dialect.errors.get(error), reason)
        if message.esm_class & ESM_TYPE_MASK == ESM_INTERMEDIATE:
            status, reason = ReceiptStatus.ACCEPTED, None
    return Report(
        message_id=_message_id(message, found),
        status=status,
        reason=reason,
        code=f"{word}/{error}" if error else word,
        at=instant(found.get("donedate", ""), dialect.zone, dialect.dates),
    )


def text_of(message: Message) -> str:
    """The text of a receipt; NULs go, whether they end it or make it UCS-2."""
    text = message.short_message or tlv(message.tlvs, Tlv.MESSAGE_PAYLOAD) or b""
    return text.replace(b"\0", b"").decode("latin-1")


def fields(text: str, names: Mapping[str, str] | None = None) -> dict[str, str]:
    """`id:1 stat:DELIVRD …` as a dictionary, of the fields that are used; what follows `text:` is a person's
    and is not looked at.

    `names`: what the operator calls a field, to what the standard calls it.
    """
    if names:
        return _sought(text, _pattern(tuple(sorted(names))), names)
    usual = _USUAL.fullmatch(text)
    if usual is not None:
        message_id, done, stat, err = usual.groups()
        return {"id": message_id, "donedate": done, "stat": stat, "err": err}
    return _sought(text)


@cache  # there are as many as there are profiles with names of their own
def _pattern(names: tuple[str, ...]) -> re.Pattern[str]:
    own = "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))
    return re.compile(_FIELD.pattern.replace("(id|", f"({own}|id|"), re.IGNORECASE)


def _sought(
    text: str, pattern: re.Pattern[str] = _FIELD, names: Mapping[str, str] | None = None
) -> dict[str, str]:
    """The same of a text in another order, with blanks or signs between, or without some of them."""
    found: dict[str, str] = {}
    marks = list(pattern.finditer(text))
    for index, mark in enumerate(marks):
        said = (names or {}).get(mark[1].lower(), mark[1].lower())
        name = said.replace(" ", "").replace("_", "")
        if name == "text":
            break
        if name in _UNUSED:
            continue
        end = marks[index + 1].start() if index + 1 < len(marks) else len(text)
        found.setdefault(name, text[mark.end() : end].strip(" \t\r\n;,"))
    return found


def normal_id(message_id: str) -> str:
    """An id as it is compared: case, blanks and leading zeros differ between a response and its receipt."""
    return message_id.strip().lower().lstrip("0") or ("0" if message_id.strip() else "")


def response_ref(message_id: str, id_base: str) -> str:
    """The reference of a message from the id in its response; `id_base` as in `receipt_ref`."""
    if id_base == "same":
        return normal_id(message_id)
    return _based(message_id, 16 if id_base == "hex_to_dec" else 10)


def receipt_ref(message_id: str, id_base: str) -> str:
    """The same reference from the id in its receipt.

    `id_base` is "same", "hex_to_dec" (the response gives it in hexadecimal, the receipt in decimal) or
    "dec_to_hex". An id that is no number of its base is compared as it stands.
    """
    if id_base == "same":
        return normal_id(message_id)
    return _based(message_id, 10 if id_base == "hex_to_dec" else 16)


def instant(text: str, zone: tzinfo | None, forms: tuple[str, ...] = ()) -> int | None:
    """A receipt's date in microseconds; None without a zone, and for what is no date. `forms` come first.

    YYMMDDhhmm is the standard's (appendix B); YYMMDDhhmmss, YYYYMMDDhhmm and YYYYMMDDhhmmss are met too. Of
    twelve digits the first reading that is a date holds: since 2013 there is only one.
    """
    if zone is None:
        return None
    usual = _PATTERNS.get(len(text), ()) if _DECIMAL.fullmatch(text) else ()
    for pattern in (*forms, *usual):
        try:
            return from_datetime(datetime.strptime(text, pattern).replace(tzinfo=zone))
        except ValueError:
            continue
    return None


_PATTERNS = {10: ("%y%m%d%H%M",), 12: ("%y%m%d%H%M%S", "%Y%m%d%H%M"), 14: ("%Y%m%d%H%M%S",)}


def _word(message: Message, found: dict[str, str], text: str) -> str:
    state = tlv_number(message.tlvs, Tlv.MESSAGE_STATE) if message.tlvs else None
    if state is not None:
        if state not in STATES:
            raise Unread(f"no meaning is known for message_state {state}")
        return STATES[state]
    if not found.get("stat"):
        raise Unread(f"a receipt that says no state: {text[:TEXT_SHOWN_MAX]!r}")
    return found["stat"].split()[0].upper()


def _closer(
    message: Message, dialect: Dialect, by_line: Reason | None, reason: Reason | None
) -> Reason | None:
    """The reason as exactly as it is known: by the line's own table, then by the network's error."""
    network_error = tlv(message.tlvs, Tlv.NETWORK_ERROR_CODE)
    if by_line is not None or not network_error:
        return by_line or reason
    number = int.from_bytes(network_error[1:], "big")
    if dialect.network:
        return dialect.network.get(number, reason)
    if reason is not Reason.UNDELIVERED or network_error[0] != NETWORK_GSM:
        return reason
    return MAP_ERRORS.get(number, reason)


def _message_id(message: Message, found: dict[str, str]) -> str:
    receipted = tlv(message.tlvs, Tlv.RECEIPTED_MESSAGE_ID) if message.tlvs else None
    if receipted:
        return receipted.split(b"\0")[0].decode("latin-1").strip()
    words = found.get("id", "").split()
    return words[0] if words else ""


def _based(message_id: str, base: int) -> str:
    plain = normal_id(message_id)
    digits = _DECIMAL if base == 10 else _HEXADECIMAL
    if not digits.fullmatch(plain):
        return plain
    return str(int(plain, base))

"""What a client is told of its messages, and what customers sent, as deliver_sm. Pure.

A final word is told once for each submission, and once more when it turns out better: delivered after all.
While anything is still tried there is no final word. A text that went out and of which no verdict came in
time is UNKNOWN: neither delivered nor failed is known of it.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from angarium.core.clock import to_datetime
from angarium.core.values import Reason
from angarium.doors.smpp.reading import NATIONAL, STYLES
from angarium.messaging.states import MessageState
from angarium.protocols.gsm import TooLong
from angarium.protocols.smpp_fields import NUMBER_MAX, absolute_time, sender_kind
from angarium.protocols.smpp_numbers import (
    ESM_INTERMEDIATE,
    ESM_RECEIPT,
    RECEIPT_ALWAYS,
    RECEIPT_INTERMEDIATE,
    RECEIPT_MASK,
    RECEIPT_NEVER,
    RECEIPT_ON_FAILURE,
    RECEIPT_ON_SUCCESS,
    TON_INTERNATIONAL,
    Tlv,
)
from angarium.protocols.smpp_pdu import Message, QueryResp, encode_message
from angarium.protocols.smpp_receipt import MAP_ERRORS, NETWORK_GSM, STATES
from angarium.protocols.smpp_text import Alphabet, Way, cut, short_messages

NUMBER_OF = {word: number for number, word in STATES.items()}  # message_state (SMPP 3.4 §5.2.28)
DELIVERED, ENROUTE, UNKNOWN = "DELIVRD", "ENROUTE", "UNKNOWN"
# Our states that end a message, as the words of SMPP 3.4, appendix B.
WORDS = {
    MessageState.DELIVERED: DELIVERED,
    MessageState.READ: DELIVERED,
    MessageState.FAILED: "UNDELIV",
    MessageState.REFUSED: "REJECTD",
    MessageState.EXPIRED: "EXPIRED",
    MessageState.CANCELLED: "DELETED",
    MessageState.SENT: UNKNOWN,  # went out; no verdict came, or none is to be had
    MessageState.UNKNOWN: UNKNOWN,
}
TIME_RAN_OUT = {Reason.EXPIRED, Reason.DEADLINE, Reason.NOT_STARTED}
# `err:` of a receipt; the standard leaves its meaning to whoever writes it. They stand in the documentation.
ERRORS = {
    Reason.BAD_ADDRESS: 1,
    Reason.NOT_A_USER: 2,
    Reason.UNREACHABLE: 3,
    Reason.BLOCKED_BY_USER: 4,
    Reason.OPTED_OUT: 5,
    Reason.NO_CONSENT: 6,
    Reason.SUPPRESSED: 7,
    Reason.OPERATOR_BLACKLIST: 8,
    Reason.CONTENT_REJECTED: 9,
    Reason.TEMPLATE_INVALID: 10,
    Reason.TOO_LONG: 11,
    Reason.SENDER_INVALID: 12,
    Reason.NO_LINE: 13,
    Reason.NO_CREDIT: 14,
    Reason.BUDGET: 15,
    Reason.CAPPED: 16,
    Reason.PROMOTIONAL: 17,
    Reason.EXPIRED: 18,
    Reason.DEADLINE: 19,
    Reason.NOT_STARTED: 20,
    Reason.NO_RECEIPT: 21,
    Reason.NO_ANSWER: 22,
    Reason.UNDELIVERED: 23,
    Reason.REJECTED: 24,
    Reason.CANCELLED: 25,
}
ERROR_OTHER = 99
MAP_OF = {reason: code for code, reason in reversed(MAP_ERRORS.items())}
TEXT_REFERENCE_BITS = 8


class Standing(msgspec.Struct, frozen=True, gc=False):
    """A message as a client is told of it."""

    state: MessageState
    reason: str
    finished: bool
    waits: bool = True  # something will be decided by itself
    address: str = ""  # the number it went to, E.164; empty once its person was erased


class Told(msgspec.Struct, frozen=True, gc=False):
    """One word of a receipt."""

    word: str
    error: int = 0
    intermediate: bool = False


def word_of(standing: Standing) -> str:
    """The word of SMPP for what is known of a message."""
    good = standing.state in (MessageState.DELIVERED, MessageState.READ)
    in_doubt = standing.state is MessageState.UNKNOWN and not standing.waits
    if not (standing.finished or good or in_doubt):
        return ENROUTE
    if standing.state is MessageState.FAILED and standing.reason in TIME_RAN_OUT:
        return "EXPIRED"
    return WORDS.get(standing.state, ENROUTE)


def error_of(word: str, reason: str) -> int:
    """The number behind `err:`."""
    if word in (DELIVERED, ENROUTE):
        return 0
    return ERRORS.get(Reason(reason), ERROR_OTHER) if reason else 0


def news(standing: Standing, told: str, asked: int) -> Told | None:
    """What a submission is to be told now, after what it was told before; None when it is nothing new."""
    word = word_of(standing)
    if told in (word, DELIVERED) or (word == ENROUTE and told):
        return None
    if word == UNKNOWN and told not in ("", ENROUTE):
        return None
    error = error_of(word, standing.reason)
    if word == ENROUTE:
        wanted = asked & RECEIPT_INTERMEDIATE and standing.state is MessageState.SENT
        return Told(word, error, intermediate=True) if wanted else None
    return Told(word, error) if is_wanted(word, asked) else None


def is_wanted(word: str, asked: int) -> bool:
    """Whether registered_delivery asks for this final word."""
    match asked & RECEIPT_MASK:
        case kind if kind == RECEIPT_NEVER:
            return False
        case kind if kind == RECEIPT_ALWAYS:
            return True
        case kind if kind == RECEIPT_ON_FAILURE:
            return word != DELIVERED
        case kind if kind == RECEIPT_ON_SUCCESS:
            return word == DELIVERED
    return False


# ── as deliver_sm ────────────────────────────────────────────────────────────────────────────────────


class Submission(msgspec.Struct, frozen=True, gc=False):
    """What is kept of a submit_sm to answer for it."""

    id: int
    account_id: int
    message_id: int  # 0 while its text waits for other parts
    source: str
    source_ton: int
    source_npi: int
    dest_ton: int
    dest_npi: int
    style: int
    asked: int
    told: str
    submitted_at: int


def shown(submission_id: int) -> str:
    """The message_id of SMPP: decimal digits, as most clients expect."""
    return str(submission_id)


def read_shown(message_id: str) -> int:
    """The id behind one; 0 for what cannot be one of ours."""
    digits = message_id.strip()
    found = int(digits) if digits.isascii() and digits.isdigit() and len(digits) <= 19 else 0
    return found if found < 1 << 63 else 0


def receipt(one: Submission, told: Told, address: str, at: int) -> bytes:
    """A receipt as the standard shows it (SMPP 3.4 appendix B), and with the parameters that say it better.

    The text of the message is not repeated: a receipt may be about a code.
    """
    message_id, delivered = shown(one.id), int(told.word == DELIVERED)
    text = (
        f"id:{message_id} sub:001 dlvrd:{delivered:03} submit date:{_date(one.submitted_at)} "
        f"done date:{_date(at)} stat:{told.word} err:{told.error:03} text:"
    )
    tlvs = [
        (int(Tlv.RECEIPTED_MESSAGE_ID), message_id.encode() + b"\0"),
        (int(Tlv.MESSAGE_STATE), bytes((NUMBER_OF[told.word],))),
    ]
    code = _network_code(told.error)
    if code is not None:
        tlvs.append((int(Tlv.NETWORK_ERROR_CODE), bytes((NETWORK_GSM, 0, code))))
    number, ton = _as_written(address, one)
    return encode_message(
        Message(
            source_ton=ton,
            source_npi=one.dest_npi,
            source=number,
            dest_ton=one.source_ton,
            dest_npi=one.source_npi,
            dest=one.source,
            esm_class=ESM_INTERMEDIATE if told.intermediate else ESM_RECEIPT,
            short_message=text.encode(),
            tlvs=tuple(tlvs),
        )
    )


def query_answer(one: Submission, standing: Standing | None, at: int | None) -> QueryResp:
    """What a query_sm is answered. `at`: when it came to its end."""
    word = word_of(standing) if standing else "ACCEPTD"
    final = absolute_time(at) if at is not None and word != ENROUTE else ""
    error = error_of(word, standing.reason) if standing else 0
    return QueryResp(shown(one.id), final, NUMBER_OF[word], error)


def _date(at: int) -> str:
    return f"{to_datetime(at):%y%m%d%H%M}"


def _network_code(error: int) -> int | None:
    reason = next((reason for reason, number in ERRORS.items() if number == error), None)
    return MAP_OF.get(reason) if reason is not None else None


def _as_written(address: str, one: Submission) -> tuple[str, int]:
    """The number as the client wrote it; one that had no country code has it now."""
    digits = address.removeprefix("+")
    ton = TON_INTERNATIONAL if one.style == NATIONAL else one.dest_ton
    return (STYLES[one.style] + digits)[:NUMBER_MAX] if digits else "", ton


# ── what customers send ──────────────────────────────────────────────────────────────────────────────


def inbound(
    sender: str, recipient: str, text: str, reference: int, alphabet: Alphabet, way: Way
) -> Sequence[bytes]:
    """A message of a customer as one deliver_sm, or as many as it takes."""
    source, dest = _address(sender), _address(recipient)
    (source_ton, source_npi), (dest_ton, dest_npi) = sender_kind(sender), sender_kind(recipient)
    like = Message(
        source_ton=source_ton,
        source_npi=source_npi,
        source=source,
        dest_ton=dest_ton,
        dest_npi=dest_npi,
        dest=dest,
    )
    try:
        pieces = cut(text, alphabet, TEXT_REFERENCE_BITS, False)
    except TooLong:
        pieces = cut(text[:10_000], alphabet, TEXT_REFERENCE_BITS, False)
    messages = short_messages(
        like, pieces, way=way, reference=reference & 0xFF, reference_bits=TEXT_REFERENCE_BITS
    )
    return [encode_message(one) for one in messages]


def _address(address: str) -> str:
    known = address.removeprefix("+")
    return known.encode("latin-1", "replace").decode("latin-1").replace("\0", "")[:NUMBER_MAX]

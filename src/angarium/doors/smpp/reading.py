"""A submit_sm or data_sm as a message of ours: whom it is for, what it says, when and until when. Pure.

What cannot be taken is refused with the status that a client knows; nothing is dropped in silence. Of a text
in parts the octets are kept until all are there, because a letter may be cut in two by the end of a part.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

from angarium.contacts.flows import Recipient
from angarium.contacts.phones import BadPhone, normalise
from angarium.content.rules import NOT_IN_TEXT
from angarium.core.clock import MICROS, to_datetime
from angarium.core.problems import Problem
from angarium.doors.routes import Route, route_of
from angarium.doors.smpp.rules import AccountSettings
from angarium.messaging.accept import DEADLINE_MAX_S, MessageInput
from angarium.protocols.smpp_fields import read_time
from angarium.protocols.smpp_numbers import TON_NATIONAL, Status, Tlv
from angarium.protocols.smpp_pdu import Message, PduError, tlv
from angarium.protocols.smpp_text import TextError, decode_text, read_octets

PARTS_MAX = 40  # of one text: 40 parts of GSM are 6,120 characters
# How a number was written: what stood before the country code; or without one.
STYLES = ("", "+", "00", "")
PLAIN, PLUS, ZEROS, NATIONAL = range(4)
FORM_FEED, LINE_FEED = "\f", "\n"
# What our flow finds wrong with a message, in the words of SMPP; whatever else is ours to mend.
STATUS_OF = {
    "to": Status.RINVDSTADR,
    "to.phone": Status.RINVDSTADR,
    "text": Status.RINVMSGLEN,
    "send_at": Status.RINVSCHED,
    "deadline_s": Status.RINVEXPIRY,
}


class Submit(msgspec.Struct, frozen=True, gc=False):
    """One submit_sm that can be taken: a whole text, or a part of one."""

    source: str
    source_ton: int
    source_npi: int
    dest: str  # E.164 with its plus
    dest_ton: int
    dest_npi: int
    style: int  # how its number was written: a place in STYLES
    asked: int  # registered_delivery
    route: Route
    send_at: int | None
    expires_at: int | None
    coding: int
    data: bytes
    reference: int = 0
    number: int = 1
    total: int = 1


def read(message: Message, settings: AccountSettings, now: int) -> Submit:
    """What a client asks for. PduError has the status to answer."""
    route = route_of(settings.routes, message.source)
    if route is None:
        raise PduError(Status.RINVSRCADR, f"the account may not send as {message.source!r}")
    if message.short_message and tlv(message.tlvs, Tlv.MESSAGE_PAYLOAD):
        raise PduError(Status.ROPTPARNOTALLWD, "both short_message and message_payload")
    try:
        octets = read_octets(message)
    except TextError as error:
        raise PduError(Status.RINVESMCLASS, str(error)) from None
    if octets.total > PARTS_MAX:
        raise PduError(Status.RINVMSGLEN, f"a text of {octets.total} parts, not up to {PARTS_MAX}")
    dest, style = _phone(message, settings.region)
    send_at = _instant(message.schedule, now, Status.RINVSCHED)
    expires_at = _instant(message.validity, now, Status.RINVEXPIRY)
    if expires_at is not None and expires_at <= (send_at or now):
        raise PduError(Status.RINVEXPIRY, f"{message.validity} has passed")
    found = Submit(
        source=message.source,
        source_ton=message.source_ton,
        source_npi=message.source_npi,
        dest=dest,
        dest_ton=message.dest_ton,
        dest_npi=message.dest_npi,
        style=style,
        asked=message.registered_delivery,
        route=route,
        send_at=send_at,
        expires_at=expires_at,
        coding=message.data_coding,
        data=octets.data,
        reference=octets.reference,
        number=octets.number,
        total=octets.total,
    )
    if found.total == 1:
        text_of([found], settings)  # whether it can be read, before it is taken
    else:
        _decoded(found.data, found.coding, settings)
    return found


def text_of(parts: Sequence[Submit], settings: AccountSettings) -> str:
    """The text of all its parts, in their order. PduError when there is none, or none that can be read."""
    ordered = sorted(parts, key=lambda one: one.number)
    text = _decoded(b"".join(one.data for one in ordered), ordered[0].coding, settings)
    text = NOT_IN_TEXT.sub("", text.replace(FORM_FEED, LINE_FEED))
    if not text.strip():
        raise PduError(Status.RINVMSGLEN, "a message without words")
    return text


def as_input(first: Submit, text: str, reference: str, now: int) -> MessageInput:
    """The message that our flow is asked to accept."""
    begins = max(first.send_at or now, now)
    deadline_s = None
    if first.expires_at is not None:
        deadline_s = min(max(1.0, (first.expires_at - begins) / MICROS), DEADLINE_MAX_S)
    send_at: datetime | None = None if first.send_at is None else to_datetime(first.send_at)
    route = first.route
    return MessageInput(
        to=Recipient(phone=first.dest),
        message_class=route.message_class,
        text=text,
        cascade=route.cascade,
        channel=route.channel,
        line=route.line,
        label=route.label,
        reference=reference,
        send_at=send_at,
        deadline_s=deadline_s,
    )


def status_of(problem: Problem) -> Status:
    """The status that says most of what our flow found wrong."""
    if problem.slug != "invalid":
        return Status.RSUBMITFAIL
    return next(
        (STATUS_OF[one.field] for one in problem.fields if one.field in STATUS_OF), Status.RSUBMITFAIL
    )


def _decoded(data: bytes, coding: int, settings: AccountSettings) -> str:
    try:
        return decode_text(data, coding, settings.alphabet)
    except TextError as error:
        raise PduError(Status.RINVDCS, str(error)) from None


def _instant(text: str, now: int, status: Status) -> int | None:
    try:
        return read_time(text, now)
    except ValueError as error:
        raise PduError(status, str(error)) from None


def _phone(message: Message, region: str) -> tuple[str, int]:
    """Whom it is for as E.164, and how the number was written.

    The type of number alone decides nothing: Kannel says of every number that it is national. It tells which
    reading is tried first where there are two.
    """
    written = message.dest
    style = next((place for place in (PLUS, ZEROS) if written.startswith(STYLES[place])), PLAIN)
    digits = written[len(STYLES[style]) :]
    if not (digits.isascii() and digits.isdigit()):
        raise PduError(Status.RINVDSTADR, "the recipient is no number")
    national = message.dest_ton == TON_NATIONAL or digits.startswith("0")
    readings: list[tuple[str, str | None, int]] = [(f"+{digits}", None, style)]
    if region and style == PLAIN:
        readings.insert(0 if national else 1, (digits, region, NATIONAL))
    for text, of, kept in readings:
        try:
            found = normalise(text, of)
        except BadPhone:
            continue
        return found, PLAIN if found == f"+{digits}" and kept == NATIONAL else kept
    raise PduError(Status.RINVDSTADR, "the recipient is no number in use")

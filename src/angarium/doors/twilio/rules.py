"""Accounts of the Twilio door, and the names and words of Twilio's API for what is ours. Pure.

Sources, read 2026-11: twilio.com/docs/messaging/api/message-resource (properties, statuses),
twilio.com/docs/api/errors (codes), and the SDK twilio-python, which the tests run.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

import msgspec

from angarium.contacts.phones import regions
from angarium.core.problems import FieldProblem, shown
from angarium.core.values import Reason
from angarium.doors.routes import Route, Way, wrong_routes, wrong_way
from angarium.messaging.states import MessageState

API_VERSION = "2010-04-01"
NAME_MAX, URL_MAX = 100, 2_000  # characters
SERVICES_MAX, LINES_MAX = 50, 50
ACCOUNT_SID = re.compile(r"AC([0-9a-f]{16})([0-9a-f]{16})", re.IGNORECASE)
MESSAGE_SID = re.compile(r"(?:SM|MM)([0-9a-f]{16})([0-9a-f]{16})", re.IGNORECASE)
SERVICE_SID = re.compile(r"MG[0-9a-f]{32}", re.IGNORECASE)
TOKEN_BYTES = 16


class Service(Way, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """What messages of a messaging service are, and which way they go."""

    sid: str  # as the client has it: MG…


class AccountSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What an account may do, and where its client is told of it."""

    routes: tuple[Route, ...] = ()  # by `From`; the first that fits counts
    services: tuple[Service, ...] = ()  # by `MessagingServiceSid`
    status_callback: str = ""  # for messages that name none
    inbound_url: str = ""  # where it is told what customers write
    inbound_lines: tuple[str, ...] = ()  # on these lines
    region: str = ""  # ISO 3166: numbers without a country code are of this country


class TwilioAccountInput(AccountSettings, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """An account as a person or a system describes it."""

    name: str
    key: str = (
        ""  # the API key that it acts as; empty: one is made for a new account, and that of another stays
    )
    enabled: bool = True


def check(given: TwilioAccountInput) -> tuple[FieldProblem, ...]:
    """What is wrong with a description, each with its remedy."""
    return tuple(_wrong(given))


def _wrong(given: TwilioAccountInput) -> Iterator[FieldProblem]:
    if not 1 <= len(given.name.strip()) <= NAME_MAX:
        yield FieldProblem("name", "is empty or too long", f"1 to {NAME_MAX} characters", shown(given.name))
    yield from wrong_routes(given.routes, least=0)
    if not given.routes and not given.services:
        yield FieldProblem("routes", "are none, nor are services", "name at least one of either")
    if len(given.services) > SERVICES_MAX:
        yield FieldProblem("services", "are too many", f"at most {SERVICES_MAX}", str(len(given.services)))
    for place, one in enumerate(given.services[:SERVICES_MAX]):
        yield from wrong_way(one, f"services[{place}]")
        if not SERVICE_SID.fullmatch(one.sid):
            yield FieldProblem(f"services[{place}].sid", "is no sid", "MG and 32 hex digits", shown(one.sid))
    for field in ("status_callback", "inbound_url"):
        if getattr(given, field) and not is_url(getattr(given, field)):
            yield FieldProblem(field, "is no address", "http:// or https://", shown(getattr(given, field)))
    if given.inbound_lines and not given.inbound_url:
        yield FieldProblem("inbound_url", "is missing", "where its messages are posted to")
    if len(given.inbound_lines) > LINES_MAX:
        many = str(len(given.inbound_lines))
        yield FieldProblem("inbound_lines", "are too many", f"at most {LINES_MAX}", many)
    if given.region and given.region not in regions():
        yield FieldProblem(
            "region", "is no country", "two letters of ISO 3166, such as IR", shown(given.region)
        )


def is_url(text: str) -> bool:
    """Whether something can be posted there."""
    try:
        parts = urlsplit(text)
        return len(text) <= URL_MAX and parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        return False


# ── names ────────────────────────────────────────────────────────────────────────────────────────────


def account_sid(workspace_id: int, account_id: int) -> str:
    """The SID of an account. It has the workspace in it, so that even its look-up stays inside one."""
    return f"AC{workspace_id:016x}{account_id:016x}"


def read_account_sid(text: str) -> tuple[int, int] | None:
    """Workspace and account behind a SID; None for what is none of ours."""
    found = ACCOUNT_SID.fullmatch(text)
    return _ids(found) if found else None


def message_sid(account_id: int, message_id: int) -> str:
    """The SID of a message of an account, or of one to it."""
    return f"SM{account_id:016x}{message_id:016x}"


def read_message_sid(text: str) -> tuple[int, int] | None:
    """Account and message behind a SID; None for what is none of ours."""
    found = MESSAGE_SID.fullmatch(text)
    return _ids(found) if found else None


def media_sid(name: str) -> str:
    """The SID of the one file of a message, by that of the message."""
    return f"ME{name[2:]}"


def _ids(found: re.Match[str]) -> tuple[int, int] | None:
    first, second = int(found[1], 16), int(found[2], 16)
    return (first, second) if max(first, second) < 1 << 63 else None


# ── words ────────────────────────────────────────────────────────────────────────────────────────────

STATUSES = {
    MessageState.SCHEDULED: "scheduled",
    MessageState.QUEUED: "queued",
    MessageState.UNKNOWN: "sent",  # it may have gone out
    MessageState.SENT: "sent",
    MessageState.DELIVERED: "delivered",
    MessageState.READ: "read",
    MessageState.FAILED: "failed",
    MessageState.REFUSED: "failed",
    MessageState.EXPIRED: "failed",
    MessageState.CANCELLED: "canceled",
}
BAD = ("failed", "undelivered")
# Why a message failed, in Twilio's numbers; whatever else is 30008.
CODES = {
    Reason.BAD_ADDRESS: 30005,
    Reason.NOT_A_USER: 30005,
    Reason.UNREACHABLE: 30003,
    Reason.OPERATOR_BLACKLIST: 30004,
    Reason.BLOCKED_BY_USER: 21610,
    Reason.OPTED_OUT: 21610,
    Reason.NO_CONSENT: 21610,
    Reason.SUPPRESSED: 21610,
    Reason.CONTENT_REJECTED: 30007,
    Reason.TEMPLATE_INVALID: 30007,
    Reason.PROMOTIONAL: 30007,
    Reason.BUDGET: 30010,
    Reason.EXPIRED: 30036,
    Reason.DEADLINE: 30036,
    Reason.NOT_STARTED: 30036,
}
UNSUBSCRIBED, NO_PICTURES, UNKNOWN_ERROR = 21610, 21621, 30008
SAID = {
    21610: "Attempt to send to unsubscribed recipient",
    21621: "The 'From' number has not been enabled for picture messaging",
    30003: "Unreachable destination handset",
    30004: "Message blocked",
    30005: "Unknown destination handset",
    30007: "Message filtered",
    30008: "Unknown error",
    30010: "Message price exceeds max price",
    30036: "Validity Period Expired",
}


def status_of(state: MessageState, *, submitting: bool, was_taken: bool) -> str:
    """Twilio's word for how a message stands."""
    if state is MessageState.QUEUED and submitting:
        return "sending"
    if state is MessageState.FAILED and was_taken:
        return "undelivered"
    return STATUSES[state]


def code_of(status: str, reason: str) -> int | None:
    """Twilio's number for why it failed; None when it did not."""
    if status not in BAD:
        return None
    return CODES.get(Reason(reason), UNKNOWN_ERROR) if reason else UNKNOWN_ERROR

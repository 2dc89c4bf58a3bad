"""What a client asks for by a form, read into what our flows take; and errors as Twilio writes them. Pure."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from urllib.parse import parse_qsl

import msgspec

from angarium.contacts.flows import Recipient
from angarium.contacts.phones import BadPhone, normalise
from angarium.content.rules import NOT_IN_TEXT
from angarium.core.clock import from_datetime, to_datetime
from angarium.core.problems import Problem
from angarium.doors.routes import Way, route_of
from angarium.doors.twilio.rules import AccountSettings, is_url
from angarium.messaging.accept import MessageInput

FIELDS_MAX = 100  # of a form
BODY_MAX = 1_600  # characters
VALIDITY_MAX_S = 36_000
SOONEST, LATEST = timedelta(0), timedelta(days=35)  # of SendAt; Twilio wants five minutes at least
PAGE_SIZE, PAGE_SIZE_MAX = 50, 1_000
FROM_MAX = 64  # characters
# What is asked for by these would not be done: better to say so than to leave it out.
UNDONE = ("ContentSid", "PersistentAction")
MEDIA_MAX = 1  # files with a message; Twilio takes ten


class Refusal(Exception):
    """An error of Twilio's: its code, its words, its status."""

    def __init__(self, code: int, message: str, status: int = 400) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status


class Wanted(msgspec.Struct, frozen=True):
    """A message as a client asks for it."""

    asked: MessageInput
    sender: str  # `From`, as it was written
    service_sid: str
    status_callback: str


class Search(msgspec.Struct, frozen=True):
    """Which messages to list, newest first."""

    to: str = ""  # E.164
    sender: str = ""
    since: int = 0
    until: int = 1 << 62
    page: int = 0
    page_size: int = PAGE_SIZE
    before: int = 0  # the token of the page; 0: the first


def form_of(body: bytes) -> dict[str, list[str]]:
    """The fields of a form, each with all its values."""
    try:
        pairs = parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=FIELDS_MAX)
    except ValueError:  # UnicodeDecodeError among them
        raise Refusal(20001, "The request is no form in UTF-8, or has too many fields") from None
    found: dict[str, list[str]] = {}
    for name, value in pairs:
        if "\0" in value:
            raise Refusal(20001, f"The parameter {name[:40]} holds the character U+0000")
        found.setdefault(name, []).append(value)
    return found


def read_message(form: dict[str, list[str]], settings: AccountSettings, now: int) -> Wanted:
    """A message that can be asked for. Raises Refusal."""
    given = {name: values[-1].strip() for name, values in form.items()}
    for name in UNDONE:
        if given.get(name):
            raise Refusal(20422, f"Invalid Parameter: {name} is not taken by this server")
    if not given.get("To"):
        raise Refusal(21604, "A 'To' phone number is required.")
    sender, service_sid = given.get("From", ""), given.get("MessagingServiceSid", "")
    way = _way(sender, service_sid, settings)
    body = NOT_IN_TEXT.sub("", form.get("Body", [""])[-1])
    picture = _picture(form.get("MediaUrl", []))
    if not body.strip() and not picture:
        raise Refusal(21602, "Message body is required.")
    if len(body) > BODY_MAX:
        raise Refusal(21617, f"The concatenated message body exceeds the {BODY_MAX} character limit")
    callback = given.get("StatusCallback", "")
    if callback and not is_url(callback):
        raise Refusal(21609, f"Invalid StatusCallback URL: {callback[:200]}")
    asked = MessageInput(
        to=Recipient(phone=phone(given["To"], settings.region, 21211, "To")),
        message_class=way.message_class,
        text=body,
        image_url=picture,
        cascade=way.cascade,
        channel=way.channel,
        line=way.line,
        label=way.label,
        send_at=_send_at(given, now),
        deadline_s=_validity_s(given),
    )
    return Wanted(asked, sender, service_sid, callback or settings.status_callback)


def _picture(given: list[str]) -> str:
    """The one file to be sent with a message; codes as twilio.com/docs/api/errors has them."""
    urls = [url.strip() for url in given if url.strip()]
    if len(urls) > MEDIA_MAX:
        raise Refusal(21623, f"Number of media files exceeds allowed limit: {MEDIA_MAX} here")
    if urls and not is_url(urls[0]):
        raise Refusal(21620, f"Invalid media URL(s): {urls[0][:200]}")
    return urls[0] if urls else ""


def _way(sender: str, service_sid: str, settings: AccountSettings) -> Way:
    if service_sid:
        service = next((one for one in settings.services if one.sid.lower() == service_sid.lower()), None)
        if service is None:
            raise Refusal(21701, "The Messaging Service does not exist")
        return service
    if not sender:
        raise Refusal(21603, "A 'From' phone number is required.")
    route = route_of(settings.routes, sender) if len(sender) <= FROM_MAX else None
    if route is None:
        raise Refusal(21606, f"The 'From' phone number provided ({sender[:FROM_MAX]}) is not valid here")
    return route


def phone(text: str, region: str, code: int, name: str) -> str:
    """A number as E.164. Raises Refusal."""
    try:
        return normalise(text, region or None)
    except BadPhone:
        raise Refusal(code, f"The '{name}' number {text[:40]} is not a valid phone number.") from None


def _validity_s(given: dict[str, str]) -> float | None:
    text = given.get("ValidityPeriod", "")
    if not text:
        return None
    seconds = int(text) if text.isascii() and text.isdigit() and len(text) < 9 else 0
    if not 1 <= seconds <= VALIDITY_MAX_S:
        raise Refusal(20422, f"Invalid Parameter: ValidityPeriod is 1 to {VALIDITY_MAX_S}")
    return float(seconds)


def _send_at(given: dict[str, str], now: int) -> datetime | None:
    text = given.get("SendAt", "")
    if not text:
        if given.get("ScheduleType"):
            raise Refusal(35111, "SendAt parameter missing")
        return None
    try:
        at = msgspec.convert(text, type=datetime)
    except msgspec.ValidationError:
        raise Refusal(35115, "SendAt is no time in ISO 8601") from None
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    if not SOONEST < at - to_datetime(now) <= LATEST:
        raise Refusal(35115, "SendAt is in the past, or more than 35 days ahead")
    return at


# ── lists ────────────────────────────────────────────────────────────────────────────────────────────


def read_search(query: bytes, settings: AccountSettings) -> Search:
    """Which messages a client wants to see. Raises Refusal."""
    given = {name: values[-1].strip() for name, values in form_of(query).items()}
    since, until = _days(given)
    return Search(
        to=phone(given["To"], settings.region, 21211, "To") if given.get("To") else "",
        sender=given.get("From", ""),
        since=since,
        until=until,
        page=_number(given, "Page", 0, 0, 1 << 31),
        page_size=_number(given, "PageSize", PAGE_SIZE, 1, PAGE_SIZE_MAX),
        before=_token(given.get("PageToken", "")),
    )


def _days(given: dict[str, str]) -> tuple[int, int]:
    """The time between which messages were sent; a day alone is the whole of it."""
    since, until = 0, 1 << 62
    if given.get("DateSent"):
        first, last = _span(given["DateSent"])
        since, until = max(since, first), min(until, last)
    if given.get("DateSent>"):
        since = max(since, _span(given["DateSent>"])[0])
    if given.get("DateSent<"):
        until = min(until, _span(given["DateSent<"])[1])
    return since, until


def _span(text: str) -> tuple[int, int]:
    try:
        if len(text) <= len("2026-11-28"):
            day = date.fromisoformat(text)
            begins = datetime(day.year, day.month, day.day, tzinfo=UTC)
            return from_datetime(begins), from_datetime(begins + timedelta(days=1))
        at = msgspec.convert(text, type=datetime)
        at = at if at.tzinfo else at.replace(tzinfo=UTC)
        return from_datetime(at), from_datetime(at) + 1
    except (ValueError, OverflowError):  # msgspec.ValidationError among them
        raise Refusal(20001, f"DateSent {text[:40]} is no date") from None


def _number(given: dict[str, str], name: str, usual: int, least: int, most: int) -> int:
    text = given.get(name, "")
    if not text:
        return usual
    if not (text.isascii() and text.isdigit() and len(text) < 12 and int(text) >= least):
        raise Refusal(20001, f"{name} {text[:40]} is no number")
    return min(int(text), most)


def token_of(last_id: int) -> str:
    """The token of the page behind a message."""
    return f"PASM{last_id:032x}"


def _token(text: str) -> int:
    if not text:
        return 0
    try:
        found = int(text.removeprefix("PASM"), 16)
    except ValueError:
        found = 0
    if not 0 < found < 1 << 63:
        raise Refusal(20001, "PageToken is none of ours")
    return found


# ── what our flows find wrong ────────────────────────────────────────────────────────────────────────

CODE_OF_FIELD = {
    "to": (21211, "The 'To' number is not a valid phone number."),
    "to.phone": (21211, "The 'To' number is not a valid phone number."),
    "text": (21617, "The message body cannot be sent as it is"),
    "send_at": (35115, "SendAt cannot be kept"),
    "deadline_s": (20422, "Invalid Parameter: ValidityPeriod"),
}
CODE_OF_STATUS = {
    401: (20003, "Authenticate"),
    403: (20003, "Permission Denied"),
    404: (20404, "The requested resource was not found"),
    429: (20429, "Too Many Requests"),
    503: (20503, "Service unavailable"),
}


def refusal_of(problem: Problem) -> Refusal:
    """A problem of ours in Twilio's words."""
    if problem.slug == "invalid":
        for one in problem.fields:
            if one.field in CODE_OF_FIELD:
                return Refusal(*CODE_OF_FIELD[one.field])
        return Refusal(21606, f"The message cannot be sent from here: {problem.detail[:300]}")
    if problem.status in CODE_OF_STATUS:
        code, message = CODE_OF_STATUS[problem.status]
        return Refusal(code, message, problem.status)
    return Refusal(20001, problem.detail[:300] or problem.title, problem.status)

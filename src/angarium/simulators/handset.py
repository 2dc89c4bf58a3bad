"""The page of phones: what people see of every message that reached a simulated operator.

A phone is everything that came to one number or address, over any channel. The pages are read only, make no
request to anywhere else, run no inline script, and show what they are given as text; the HTML of a mail is
shown in a sandboxed frame under a policy of its own.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parseaddr
from itertools import islice
from operator import itemgetter
from pathlib import Path
from urllib.parse import quote, urlencode, urlsplit

from aiohttp import web
from jinja2 import Environment, PackageLoader
from markupsafe import Markup, escape

from angarium.simulators.behaviour import BY_LAST_DIGITS, Behaviour
from angarium.simulators.ledger import Entry, Ledger
from angarium.simulators.people import People, phone_key

PAGE = 24  # phones on a page of the gallery
GLANCE = 2  # bubbles on a small phone
STATIC = Path(__file__).parent / "pages" / "static"
TITLES = {
    "smpp": "SMS",
    "smpp-hex": "SMS",
    "viber": "Viber",
    "gms": "Viber",
    "vk": "VK",
    "whatsapp": "WhatsApp",
    "telegram": "Telegram",
    "smtp": "Mail",
}
FAILED = {  # the words of ledgers, for people
    "blocked": "blocked by the person",
    "expired": "expired on the way",
    "not_a_user": "not on this channel",
    "rejected": "rejected",
    "undelivered": "not delivered",
    "window_closed": "outside the window",
}
HABITS = {  # of the people behind numbers that end in certain digits
    Behaviour.READ: "reads what comes",
    Behaviour.DELIVERED: "gets what comes",
    Behaviour.NOT_A_USER: "is not a user",
    Behaviour.BLOCKED: "has blocked the sender",
    Behaviour.EXPIRED: "cannot be reached in time",
    Behaviour.LATE: "gets everything late",
    Behaviour.SILENT: "is never heard of",
    Behaviour.THROTTLED: "is reached at the third try",
    Behaviour.LOST_ANSWER: "is reached, but the answer is lost",
    Behaviour.DOUBLED: "is reached; receipts come twice",
    Behaviour.TEMPLATE_PAUSED: "meets a paused template",
    Behaviour.WINDOW_CLOSED: "is outside the window",
    Behaviour.UNDELIVERED: "cannot be delivered to",
}
LINK = re.compile(r"https?://[^\s<>\"]+[^\s<>\".,;:!?)\]،؛؟。，]")
BUTTON_SCHEMES = ("https://", "http://", "mailto:", "tel:")


@dataclass
class Phone:
    """One number or address and what came to it, oldest first."""

    key: str
    messages: list[Message] = field(default_factory=list)
    faces: set[str] = field(default_factory=set)
    rtl: bool = False

    def habit(self) -> str:
        """What its last digits mean: `…02 is not a user`."""
        digits = self.key.partition("@")[0][-2:]
        behaviour = BY_LAST_DIGITS.get(digits)
        return f"…{digits} {HABITS[behaviour]}" if behaviour else ""


@dataclass(frozen=True)
class Message:
    """A message with its place in its ledger."""

    entry: Entry
    number: int


@dataclass(frozen=True)
class Wanted:
    """What the gallery is asked for."""

    words: str = ""
    face: str = ""
    rtl: bool = False
    page: int = 1

    def matches(self, phone: Phone) -> bool:
        """Whether a phone is wanted. Digits are compared as digits, in whatever script they were typed."""
        if (self.face and self.face not in phone.faces) or (self.rtl and not phone.rtl):
            return False
        words = self.words.casefold()
        number = "".join(str(unicodedata.digit(c)) for c in words if unicodedata.digit(c, None) is not None)
        if (
            not words
            or words in phone.key
            or (number and number in phone.key and not re.search(r"[^\W\d]", words))
        ):
            return True
        return any(
            words in message.entry.text.casefold() or words in message.entry.subject.casefold()
            for message in phone.messages
        )

    def query(self, **changes: object) -> str:
        """The query of this view with some of it changed: `?q=…&face=viber`."""
        asked = {"q": self.words, "face": self.face, "rtl": "1" if self.rtl else "", "page": "", **changes}
        kept = {name: value for name, value in asked.items() if value}
        return "?" + urlencode(kept) if kept else "?"


class Gallery:
    """All phones, the one that last got something first; it follows the ledgers as they grow."""

    def __init__(self, ledgers: Mapping[str, Ledger]) -> None:
        self._ledgers = ledgers
        self._read = dict.fromkeys(ledgers, 0)
        self._phones: dict[str, Phone] = {}  # in the order of their last message
        self.messages = 0

    def phones(self) -> Iterator[Phone]:
        """Every phone, the last one rung first."""
        self._follow()
        return iter(reversed(self._phones.values()))

    def phone(self, key: str) -> Phone | None:
        """One phone, however its number is written."""
        self._follow()
        return self._phones.get(phone_key(key))

    def __len__(self) -> int:
        return len(self._phones)

    def _follow(self) -> None:
        new: list[tuple[float, Message]] = []
        for face, ledger in self._ledgers.items():
            start = self._read[face]
            added = ledger.entries[start:]
            new += [(entry.at, Message(entry, start + place)) for place, entry in enumerate(added)]
            self._read[face] = start + len(added)
        for _, message in sorted(new, key=itemgetter(0)):
            self._ring(message)

    def _ring(self, message: Message) -> None:
        entry = message.entry
        key = phone_key(entry.recipient)
        phone = self._phones.pop(key, None) or Phone(key)
        self._phones[key] = phone  # at the end: the latest
        phone.messages.append(message)
        phone.faces.add(entry.face)
        phone.rtl = phone.rtl or reads_from_the_right(entry.subject or entry.text)
        self.messages += 1


def reads_from_the_right(text: str) -> bool:
    """Whether a text is right-to-left, as `dir="auto"` decides: by its first strong letter (UAX #9, P2)."""
    for character in text:
        direction = unicodedata.bidirectional(character)
        if direction in ("L", "R", "AL"):
            return direction != "L"
    return False


# ── what a program is told ───────────────────────────────────────────────────────────────────────────


def told(phone: Phone, people: People, last: int | None = None) -> dict[str, object]:
    """A phone for the pages of others: what came to it, what its person said, how they are played."""
    messages = phone.messages if last is None else phone.messages[-last:]
    return {
        "key": phone.key,
        "faces": sorted(phone.faces),
        "habit": phone.habit(),
        "count": len(phone.messages),
        "person": people.of(phone.key),
        "messages": [_told(message) for message in messages],
        "said": people.said_by(phone.key) if last is None else [],
    }


def _told(message: Message) -> dict[str, object]:
    entry = message.entry
    state, _ = state_of(entry)
    return {
        "number": message.number,
        "face": entry.face,
        "ref": entry.ref,
        "sender": parseaddr(entry.sender)[0] or entry.sender if entry.face == "smtp" else entry.sender,
        "subject": entry.subject,
        "text": entry.text,
        "has_html": bool(entry.html),
        "image_url": entry.image_url,
        "buttons": entry.buttons,
        "at": entry.at,
        "state": state,
        "statuses": entry.statuses,
        "seen": entry.seen(),
        "system_id": entry.details.get("system_id", ""),
        "answers_to": entry.details.get("envelope_from", "") or entry.sender,
    }


# ── what a page shows ────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Bubble:
    """A message as it is drawn."""

    id: str
    face: str
    channel: str
    sender: str
    subject: str
    text: Markup
    picture: str  # its name
    picture_url: str  # empty when it may not be loaded
    buttons: tuple[tuple[str, str], ...]  # label, URL or nothing
    mail_url: str
    time: str
    taken: str
    day: str
    state: str  # "accepted", "delivered", "read" or "failed"
    state_words: str
    shown: bool  # whether a real phone would show it
    history: tuple[tuple[str, str], ...]  # what was reported, and when
    ref: str
    timeline_url: str


class Painter:
    """Turns messages into bubbles."""

    def __init__(self, timeline_url: str) -> None:
        self._timeline_url = timeline_url
        parts = urlsplit(timeline_url)
        self.origin = f"{parts.scheme}://{parts.netloc}" if parts.netloc else ""

    def bubbles(self, messages: Iterable[Message]) -> list[Bubble]:
        """Each message as it is drawn now."""
        today = datetime.now(UTC).astimezone()
        return [self._bubble(message.entry, message.number, today) for message in messages]

    def _bubble(self, entry: Entry, number: int, today: datetime) -> Bubble:
        at = _local(entry.at)
        state, words = state_of(entry)
        picture = urlsplit(entry.image_url)
        loadable = bool(self.origin) and entry.image_url.startswith(self.origin + "/")
        return Bubble(
            id=f"{entry.face}-{number}",
            face=entry.face,
            channel=TITLES.get(entry.face, entry.face),
            sender=parseaddr(entry.sender)[0] or entry.sender if entry.face == "smtp" else entry.sender,
            subject=entry.subject,
            text=linked(entry.text),
            picture=picture.path.rpartition("/")[2] or picture.netloc,
            picture_url=entry.image_url if loadable else "",
            buttons=tuple(_button(button) for button in entry.buttons),
            mail_url=f"/mail/{entry.face}/{number}" if entry.html else "",
            time=f"{at:%H:%M}",
            taken=f"{at:%H:%M:%S}",
            day=_day(at, today),
            state=state,
            state_words=words,
            shown=entry.seen(),
            history=tuple(
                (FAILED.get(word, word), f"{_local(when):%H:%M:%S}") for word, when in entry.statuses
            ),
            ref=entry.ref,
            timeline_url=self._timeline(entry),
        )

    def _timeline(self, entry: Entry) -> str:
        ref, recipient = quote(entry.ref, safe=""), quote(entry.recipient, safe="")
        return self._timeline_url.replace("{ref}", ref).replace("{recipient}", recipient)


def state_of(entry: Entry) -> tuple[str, str]:
    """The state of a message and the words for it."""
    words = [word for word, _ in entry.statuses]
    for state in ("read", "delivered"):
        if state in words:
            return state, state
    failed = next((word for word in reversed(words) if word in FAILED), "")
    return ("failed", FAILED[failed]) if failed else ("accepted", "accepted, not delivered yet")


def linked(text: str) -> Markup:
    """The text with its web addresses as links; everything else is escaped."""
    pieces, end = [], 0
    for found in LINK.finditer(text):
        url = escape(found.group())
        pieces += [escape(text[end : found.start()]), Markup('<a href="{0}">{0}</a>').format(url)]
        end = found.end()
    return Markup("").join([*pieces, escape(text[end:])])


def _button(button: Mapping[str, str]) -> tuple[str, str]:
    url = button.get("url", "")
    return button.get("label", "") or url, url if url.lower().startswith(BUTTON_SCHEMES) else ""


def _local(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC).astimezone()


def _day(at: datetime, today: datetime) -> str:
    if at.date() == today.date():
        return "Today"
    if at.date() == (today - timedelta(days=1)).date():
        return "Yesterday"
    return f"{at.day} {at:%B %Y}"


# ── the pages ────────────────────────────────────────────────────────────────────────────────────────


class Handset:
    """The pages, as routes of the admin server."""

    def __init__(self, ledgers: Mapping[str, Ledger], timeline_url: str = "") -> None:
        self._ledgers = ledgers
        self.gallery = Gallery(ledgers)
        self._painter = Painter(timeline_url)
        self._pages = Environment(
            loader=PackageLoader("angarium.simulators", "pages/templates"),
            autoescape=True,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        images = f"'self' {self._painter.origin}".strip()
        self._policy = (
            f"default-src 'none'; img-src {images}; style-src 'self'; script-src 'self'; connect-src 'self'; "
            "frame-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
        )
        self._mail_policy = (
            f"default-src 'none'; img-src data: {images}; style-src 'unsafe-inline'; base-uri 'none'; "
            "form-action 'none'; frame-ancestors 'self'; sandbox allow-popups"
        )

    def routes(self) -> list[web.AbstractRouteDef]:
        """What the admin server serves for people."""
        return [
            web.get("/", self._phones),
            web.get("/phones/{recipient}", self._phone),
            web.get("/mail/{face}/{number}", self._mail),
            web.static("/static", STATIC),
        ]

    async def _phones(self, request: web.Request) -> web.Response:
        wanted = _wanted(request.query)
        found = [phone for phone in self.gallery.phones() if wanted.matches(phone)]
        start = (wanted.page - 1) * PAGE
        cards = [(phone, self._card(phone)) for phone in islice(found, start, start + PAGE)]
        return self._page(
            request,
            "phones",
            wanted=wanted,
            cards=cards,
            found=len(found),
            phones=len(self.gallery),
            messages=self.gallery.messages,
            faces=[(face, TITLES.get(face, face)) for face in self._ledgers],
            pages=max(1, -(-len(found) // PAGE)),
        )

    async def _phone(self, request: web.Request) -> web.Response:
        recipient = request.match_info["recipient"]
        phone = self.gallery.phone(recipient) or Phone(phone_key(recipient))
        return self._page(request, "phone", phone=phone, bubbles=self._painter.bubbles(phone.messages))

    async def _mail(self, request: web.Request) -> web.Response:
        """The HTML of a mail, for its frame."""
        ledger, number = self._ledgers.get(request.match_info["face"]), request.match_info["number"]
        if (
            ledger is None
            or not number.isascii()
            or not number.isdigit()
            or int(number) >= len(ledger.entries)
        ):
            raise web.HTTPNotFound
        return self._answer(ledger.entries[int(number)].html, self._mail_policy)

    def _card(self, phone: Phone) -> Sequence[Bubble]:
        return self._painter.bubbles(phone.messages[-GLANCE:])

    def _page(self, request: web.Request, name: str, **facts: object) -> web.Response:
        """A whole page; or the part of it that changes, when it has changed since it was last fetched."""
        live = {name: value for name, value in request.query.items() if name != "live"}
        facts |= {
            "live_url": request.rel_url.raw_path + "?" + urlencode({**live, "live": "1"}),
            "quote": quote,
        }
        if "live" not in request.query:
            return self._answer(self._pages.get_template(f"{name}.html").render(facts), self._policy)
        part = self._pages.get_template(f"{name}_live.html").render(facts)
        tag = f'"{hashlib.blake2b(part.encode(), digest_size=12).hexdigest()}"'
        if request.headers.get("If-None-Match") == tag:
            return web.Response(status=304, headers={"ETag": tag})
        answer = self._answer(part, self._policy)
        answer.headers["ETag"] = tag
        return answer

    def _answer(self, text: str, policy: str) -> web.Response:
        headers = {
            "Content-Security-Policy": policy,
            "Cache-Control": "no-store",
            "Referrer-Policy": "no-referrer",
            "X-Content-Type-Options": "nosniff",
        }
        return web.Response(text=text, content_type="text/html", headers=headers)


def _wanted(query: Mapping[str, str]) -> Wanted:
    page = query.get("page", "")
    number = int(page) if page.isascii() and page.isdigit() and len(page) < 10 else 1
    return Wanted(query.get("q", "").strip(), query.get("face", ""), query.get("rtl") == "1", max(number, 1))

"""What a browser carries once it has entered, and how its forms prove where they come from. Pure.

A cookie holds the token of a person's session (`sessions.py`), or a sealed ticket (`flows.ticket`): HttpOnly,
SameSite=Lax, and over TLS Secure with the prefix `__Host-`, so that no other host of the domain can set it
(RFC 6265bis §4.1.3.2). A form is believed when the browser says that it comes from our own pages, and when it
brings the token of its session.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from datetime import UTC, tzinfo
from enum import StrEnum
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from angarium.accounts.reach import WHOLE, Reach

COOKIE = "angarium_session"
DEVICE = "angarium_device"  # which accounts have been entered with this browser
DEVICE_S = 400 * 86_400  # the most that browsers keep (RFC 6265bis §5.5)
ENTRANCE, EXIT = "/enter", "/leave"
LOOKING = frozenset({"messages:read"})  # what somebody may do who looks through a browser
PAGES = LOOKING | {"messages:decide", "servers:read"}  # what pages need of a key that is shown at the door
# A path on this host and nothing else: no second slash, no backslash, which browsers take for one, and no
# character that they drop on the way, such as a tab or a line's end (WHATWG URL, §4.4).
LOCAL = re.compile(r"/(?!/)[!-\[\]-~]{0,2000}")
OURS = {"same-origin", "none"}  # Sec-Fetch-Site: one of our pages, or the person by hand


class Stage(StrEnum):
    """How far somebody has come who signs in."""

    FACTOR = "factor"  # a second factor is to be shown
    ENROL = "enrol"  # a second factor is demanded, and there is none yet
    IN = "in"


class Viewer(msgspec.Struct, frozen=True):
    """Who is looking at a page."""

    workspace_id: int
    workspace: str  # its name
    form_token: str
    scopes: frozenset[str] = LOOKING
    key_id: int = 0  # of the key by which it was entered; 0 for a link
    reach: Reach = WHOLE
    person_id: int = 0  # of somebody who has signed in; 0 for a key and for a link
    person: str = ""  # what they are called
    session_id: int = 0
    time_zone: str = "UTC"  # of the workspace
    language: str = ""  # that the person has chosen
    fresh_at: int = 0

    @property
    def zone(self) -> tzinfo:
        """Where the workspace is; UTC, if this machine does not know its zone."""
        try:
            return ZoneInfo(self.time_zone)
        except (ZoneInfoNotFoundError, ValueError):
            return UTC


def cookie_name(scheme: str, name: str = COOKIE) -> str:
    """The cookie's name on http or https."""
    return f"__Host-{name}" if scheme == "https" else name


def cookie(scheme: str, ticket: str, lasts_s: int, name: str = COOKIE) -> tuple[bytes, bytes]:
    """The header that gives a browser its session; with an empty ticket and no time it takes it away."""
    secure = "; Secure" if scheme == "https" else ""
    named = f"{cookie_name(scheme, name)}={ticket}"
    value = f"{named}; Path=/; Max-Age={max(0, lasts_s)}; HttpOnly; SameSite=Lax{secure}"
    return b"set-cookie", value.encode("ascii")


def form_token(ticket: str) -> str:
    """The token of a session's forms: made of the ticket, which no page of others can read."""
    return hashlib.sha256(b"angarium form " + ticket.encode()).hexdigest()


def is_token(viewer: Viewer, given: str) -> bool:
    """Whether a form brings the token of this session."""
    return hmac.compare_digest(viewer.form_token.encode(), given.encode())


def comes_from_us(headers: Mapping[bytes, bytes]) -> bool:
    """Whether a form was sent by one of our own pages.

    Sec-Fetch-Site tells, and no page can forge it; browsers leave it out on plain http beyond this machine
    (Fetch Metadata, §2), where Origin has to do. Who sends neither is no browser of today, and is refused.
    """
    site = headers.get(b"sec-fetch-site")
    if site is not None:
        return site.decode("latin-1") in OURS
    where = headers.get(b"origin", b"").partition(b"://")[2]  # nothing when it is "null"
    return where != b"" and where == headers.get(b"host")


def local_path(text: str) -> str:
    """Where to go on: the text if it is a path on this host, else the front page."""
    return text if LOCAL.fullmatch(text) else "/"


# What a browser calls itself holds the names of others: the first that fits is what it is (RFC 9110 §10.1.5).
BROWSERS = (
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("YaBrowser", "Yandex"),
    ("SamsungBrowser", "Samsung Internet"),
    ("Firefox/", "Firefox"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
)
SYSTEMS = (
    ("Android", "Android"),
    ("iPhone", "iOS"),
    ("iPad", "iPadOS"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("Linux", "Linux"),
)


def device_name(agent: str) -> str:
    """A browser as people know it: "Firefox · Windows"; what is none we know, as it calls itself."""
    named = [next((name for sign, name in known if sign in agent), "") for known in (BROWSERS, SYSTEMS)]
    return " · ".join(filter(None, named)) if named[0] else agent

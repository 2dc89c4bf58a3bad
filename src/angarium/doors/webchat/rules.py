"""Who a visitor is, whose pages may ask, and what they may say. Pure.

A session is a token that the browser keeps: line, end and address, and a keyed hash over these. Nothing is
stored for it. The hash covers the line's secret of identities too, so that a new secret ends all sessions.
"""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from typing import Annotated, Any

import msgspec

from angarium.content.store.media import Kept
from angarium.core import ids
from angarium.core.clock import MICROS, iso
from angarium.core.problems import Problem, invalid
from angarium.core.values import Json
from angarium.doors.webchat.store import Entry
from angarium.protocols import signatures, web_chat
from angarium.protocols.web_chat import ANONYMOUS, USER, USER_ID

KIND = "web_chat"  # of the channel
PURPOSE = "web chat session"
MAC_BYTES, SECRET_BYTES = 16, 16
TOKEN_MAX = 600  # characters
DAY_S = 86_400
TEXT_MAX, NAME_MAX = 10_000, 100  # characters of a visitor
CAPTION_MAX = 1_000  # characters beside a file
FILES_SHARE = 0.5  # of what a workspace may keep of files: strangers leave the rest to the house
PAGE_MAX = 100  # entries in one answer
WAIT_MAX_S = 25

Hash = Callable[[bytes, str], bytes]  # that of the vault
Ref = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_-]{1,64}$")]


class Opening(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who opens the chat: `user` and `hash`, as the site's server made it; the token of before; or nobody."""

    token: Annotated[str, msgspec.Meta(max_length=TOKEN_MAX)] = ""
    user: Annotated[str, msgspec.Meta(max_length=200)] = ""
    hash: Annotated[str, msgspec.Meta(max_length=128)] = ""
    name: Annotated[str, msgspec.Meta(max_length=NAME_MAX)] = ""


class Saying(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a visitor writes. `id` is the browser's own: said twice with it is said once. `button` is the
    place of one under the entry that is answered."""

    id: Ref
    text: Annotated[str, msgspec.Meta(max_length=TEXT_MAX)] = ""
    answers: int = 0  # the number of an entry
    button: Annotated[int, msgspec.Meta(ge=0, le=99)] | None = None


class Sending(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file that a visitor sends: it is the body, and this stands in the query. `id` as in `Saying`."""

    id: Ref
    file_name: Annotated[str, msgspec.Meta(max_length=300)] = ""
    text: Annotated[str, msgspec.Meta(max_length=CAPTION_MAX)] = ""


class Marking(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Up to which entry all has come to the browser, and up to which all was read."""

    delivered: Annotated[int, msgspec.Meta(ge=0)] = 0
    read: Annotated[int, msgspec.Meta(ge=0)] = 0


class Looking(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which entries: those after a number, waiting for some if asked; or the last ones before one."""

    after: Annotated[int, msgspec.Meta(ge=0)] | None = None
    before: Annotated[int, msgspec.Meta(ge=1)] | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=PAGE_MAX)] = 50
    wait: Annotated[int, msgspec.Meta(ge=0, le=WAIT_MAX_S)] = 0


class Visitor(msgspec.Struct, frozen=True):
    """Who asks."""

    address: str
    name: str = ""


# ── sessions ─────────────────────────────────────────────────────────────────────────────────────────


def token(hashed: Hash, line_id: int, secret: str, visitor: Visitor, until_s: int) -> str:
    """The session of a visitor."""
    named = msgspec.json.encode([line_id, until_s, visitor.address, visitor.name])
    return f"{_packed(named)}.{_packed(_mac(hashed, named, secret))}"


def read_token(hashed: Hash, line_id: int, secret: str, text: str, now: int) -> Visitor | None:
    """Whose session it is; None when it is none of this line's, or is over."""
    named, mac = (_unpacked(part) for part in (text[:TOKEN_MAX] + ".").split(".")[:2])
    if not named or not hmac.compare_digest(mac, _mac(hashed, named, secret)):
        return None
    line, until_s, address, name = msgspec.json.decode(named, type=tuple[int, int, str, str])
    return Visitor(address, name) if line == line_id and until_s * MICROS > now else None


def _mac(hashed: Hash, named: bytes, secret: str) -> bytes:
    return hashed(named + b"\n" + secret.encode(), PURPOSE)[:MAC_BYTES]


def _packed(octets: bytes) -> str:
    return urlsafe_b64encode(octets).decode().rstrip("=")


def _unpacked(text: str) -> bytes:
    try:
        return urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
    except ValueError:
        return b""


def opened(settings: Any, given: Opening, before: Visitor | None, fresh: bytes) -> Visitor:
    """Who opens the chat; a Problem when the site does not vouch for them, or they may not be unknown."""
    if given.user or given.hash:
        secret = (settings.identity_secret,)
        if not USER_ID.fullmatch(given.user):
            raise invalid("user", "is no id", value=given.user, remedy="1 to 200 visible ASCII characters")
        if not signatures.genuine(given.hash.lower(), secret, given.user.encode()):
            raise no_session("The hash is not that of this user.")
        return Visitor(USER + given.user, given.name)
    if before is not None and (settings.anonymous or not before.address.startswith(ANONYMOUS)):
        return msgspec.structs.replace(before, name=given.name or before.name)
    if not settings.anonymous:
        raise no_session("The site has to say who this is: user and hash.")
    return Visitor(ANONYMOUS + fresh.hex(), given.name)


def no_session(detail: str) -> Problem:
    """Nobody whom we know; the browser opens the chat anew."""
    return Problem("no-session", "There is no such session", status=401, detail=detail)


# ── pages ────────────────────────────────────────────────────────────────────────────────────────────


def allowed(origins: list[str], origin: str) -> bool:
    """Whether a page of this origin may ask. What is no browser names none."""
    return not origin or origin.lower() in origins


def cors(origin: str) -> tuple[tuple[bytes, bytes], ...]:
    """The headers by which a browser lets the page have the answer (fetch.spec.whatwg.org, CORS protocol)."""
    if not origin:
        return ()
    return (
        (b"access-control-allow-origin", origin.encode("latin-1", "replace")),
        (b"access-control-expose-headers", b"retry-after"),
        (b"vary", b"origin"),
    )


PREFLIGHT = (
    (b"access-control-allow-methods", b"GET, POST"),
    (b"access-control-allow-headers", b"authorization, content-type, last-event-id"),
    (b"access-control-max-age", b"600"),
)

# ── files ────────────────────────────────────────────────────────────────────────────────────────────


def brought_by(line_id: int) -> str:
    """Who brings the files of a line's visitors."""
    return ids.show("line", line_id)


def no_files(most_mb: int) -> None:
    """A Problem on a line whose visitors send none."""
    if not most_mb:
        detail = "Visitors of this line send no files: visitor_files_mb is 0."
        raise Problem("no-files", "No files are taken here", status=403, detail=detail)


def entry_of(kept: Kept, url: str, text: str) -> web_chat.Words:
    """A file as it stands in the conversation: a picture is shown, anything else is a link."""
    if kept.type.startswith("image/"):
        return web_chat.Words(text, url)
    return web_chat.Words(text, file=web_chat.File(url, kept.name, kept.type, kept.size_bytes))


def named(kept: Kept, text: str) -> str:
    """What an agent reads: the words beside the file, else what it is."""
    return text.strip() or f"[{kept.type.partition('/')[0]}] {kept.name}"


# ── entries ──────────────────────────────────────────────────────────────────────────────────────────


def shown(entry: Entry) -> Json:
    """An entry as the browser is told it."""
    found = {
        "number": entry.number,
        "from": "visitor" if entry.own else "us",
        **msgspec.to_builtins(entry.words),
        "at": iso(entry.at),
    }
    return found if entry.own else {**found, "read": bool(entry.read_at)}


def event(entry: Entry) -> bytes:
    """An entry in a stream (HTML, "Server-sent events"); its id is where the browser goes on."""
    return b"id: %d\nevent: message\ndata: %s\n\n" % (entry.number, msgspec.json.encode(shown(entry)))


def answered(given: Saying, entry: Entry | None) -> tuple[str, str, str]:
    """Text, payload and reference of what is said, with the entry that it answers."""
    if given.answers and entry is None:
        raise invalid("answers", "there is no such entry", value=given.answers)
    context = entry.ref if entry is not None and not entry.own else ""
    if given.button is None:
        text = given.text.strip()
        if not text:
            raise invalid("text", "is empty", remedy="a few words, or the place of a button")
        return text, "", context
    keys = entry.words.buttons if entry is not None else ()
    if given.button >= len(keys) or keys[given.button].url:
        raise invalid("button", "there is no such button to press", value=given.button)
    return keys[given.button].label, keys[given.button].label, context


def message(visitor: Visitor, given: Saying, said: tuple[str, str, str], at: int) -> web_chat.Happened:
    """What is journalled of something that a visitor wrote."""
    text, payload, context = said
    ref = f"{visitor.address}/{given.id}"
    return web_chat.Happened("message", visitor.address, at, ref, text, visitor.name, payload, context)

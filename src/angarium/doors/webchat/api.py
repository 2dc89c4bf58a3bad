"""The routes of visitors, below a line's own address: open, look, listen, write, mark."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, cast

import msgspec

from angarium.accounts import edge
from angarium.accounts.edge import Call, JsonAnswer, Operation, Sent, route
from angarium.accounts.limits import address_of
from angarium.core.decoding import Shape
from angarium.core.problems import Problem, invalid, not_found
from angarium.doors.webchat import flows, rules
from angarium.doors.webchat.room import WebChatRoom
from angarium.doors.webchat.rules import Looking, Marking, Opening, Saying, Sending, Visitor
from angarium.lines.store import Line
from angarium.protocols.web_chat import origins_of

VISITORS = "visitors"
BODY_MAX_BYTES, MEGABYTE = 65_536, 1_048_576
PLACE = "/chat/{line}/{key}"
OPENING, SAYING, MARKING = Shape(Opening, secret=("token", "hash")), Shape(Saying), Shape(Marking)
LOOKING, SENDING = Shape(Looking), Shape(Sending)
STREAM = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),  # nginx, "proxy_buffering"
)

Handler = Callable[[Call, Line, tuple[tuple[bytes, bytes], ...]], Awaitable[Sent]]


def spoken(where: str, summary: str) -> Callable[[Handler], Any]:
    """A route of visitors: only pages of the line's sites may ask, and they are let read what went wrong."""

    def made(handler: Handler) -> Any:
        async def answered(request: Call) -> Sent:
            line = _line(request)
            origin = _origin(request, line)
            headers = rules.cors(origin)
            try:
                _room(request).from_address.take(address_of(request.scope))
                return await handler(request, line, headers)
            except Problem as problem:
                return _refused(problem, headers)

        return route(where, Operation(summary=summary, scope=None, shape_of=VISITORS))(answered)

    return made


def _room(request: Call) -> WebChatRoom:
    return cast("WebChatRoom", request.scope["litestar_app"].state.web_chat)


def _line(request: Call) -> Line:
    """The line of an address; whoever does not know its key learns nothing."""
    number, key = edge.text_in_path(request, "line"), edge.text_in_path(request, "key")
    try:
        found = _room(request).world.lines.get(int(number, 16)) if len(number) <= 16 else None
    except ValueError:
        found = None
    there = found is not None and found.channel == rules.KIND and found.enabled
    expected = found.callback_token if found is not None and there else "no such line"
    if not hmac.compare_digest(key.encode(), expected.encode()) or found is None or not there:
        raise not_found("chat", f"/chat/{number}/…")
    return found


def _origin(request: Call, line: Line) -> str:
    """The page that asks; a Problem when it is of another site."""
    origin = dict(request.scope["headers"]).get(b"origin", b"").decode("latin-1")
    sites = origins_of(_room(request).world.settings(line).origins)
    if not rules.allowed(sites, origin):
        detail = "Pages of this site may not open the chat: its origin is not among those of the line."
        raise Problem("strange-origin", "The site is not known here", status=403, detail=detail)
    return origin


def _refused(problem: Problem, headers: tuple[tuple[bytes, bytes], ...]) -> JsonAnswer:
    more: list[tuple[bytes, bytes]] = [(b"content-type", b"application/problem+json"), *problem.headers]
    if problem.retry_after_s is not None:
        more.append((b"retry-after", b"%d" % problem.retry_after_s))
    if problem.status == 401:
        more.append((b"www-authenticate", b'Bearer realm="chat"'))
    return JsonAnswer(problem.status, msgspec.json.encode(problem.document()), [*headers, *more])


def _visitor(request: Call, line: Line) -> Visitor:
    """Whose session it is; a Problem when it is nobody's, or asks too often."""
    room = _room(request)
    given = dict(request.scope["headers"]).get(b"authorization", b"").decode("latin-1")
    kind, _, token = given.partition(" ")
    secret, now = room.world.settings(line).identity_secret, room.ground.clock.now()
    found = rules.read_token(room.ground.vault.keyed_hash, line.id, secret, token.strip(), now)
    if kind.lower() != "bearer" or found is None:
        raise rules.no_session("Open the chat anew with POST …/session.")
    room.asks.take(f"{line.id}/{found.address}")
    return found


def _answer(status: int, value: object, headers: tuple[tuple[bytes, bytes], ...]) -> JsonAnswer:
    kind = (b"content-type", b"application/json")
    return JsonAnswer(status, msgspec.json.encode(value), [*headers, kind, (b"cache-control", b"no-store")])


async def _body(request: Call) -> bytes:
    return await edge.read_raw(request, BODY_MAX_BYTES)


# ── routes ───────────────────────────────────────────────────────────────────────────────────────────


@spoken(f"POST {PLACE}/session", "Open the chat")
async def open_session(request: Call, line: Line, headers: tuple[tuple[bytes, bytes], ...]) -> Sent:
    """A session for a visitor."""
    room = _room(request)
    room.opens.take(address_of(request.scope))
    return _answer(201, await flows.enter(room, line, OPENING.read(await _body(request) or b"{}")), headers)


@spoken(f"GET {PLACE}/messages", "Look at the conversation")
async def look(request: Call, line: Line, headers: tuple[tuple[bytes, bytes], ...]) -> Sent:
    """Some entries of the visitor's own."""
    visitor = _visitor(request, line)
    given = LOOKING.read_query(request.scope["query_string"])
    return _answer(200, await flows.look(_room(request), line, visitor, given), headers)


@spoken(f"POST {PLACE}/messages", "Write")
async def say(request: Call, line: Line, headers: tuple[tuple[bytes, bytes], ...]) -> Sent:
    """A visitor writes, or presses a button."""
    visitor, room = _visitor(request, line), _room(request)
    room.says.take(f"{line.id}/{visitor.address}")
    return _answer(201, await flows.say(room, line, visitor, SAYING.read(await _body(request))), headers)


@spoken(f"POST {PLACE}/files", "Send a file")
async def send_file(request: Call, line: Line, headers: tuple[tuple[bytes, bytes], ...]) -> Sent:
    """A visitor sends a file: a picture, a PDF, a sound or a film, as its first bytes tell."""
    visitor, room = _visitor(request, line), _room(request)
    room.media_of(line)
    given = SENDING.read_query(request.scope["query_string"])
    room.says.take(f"{line.id}/{visitor.address}")
    room.files.take(f"{line.id}/{visitor.address}")
    room.files_from_address.take(address_of(request.scope))
    pieces = edge.pieces(request, room.world.settings(line).visitor_files_mb * MEGABYTE)
    return _answer(201, await flows.send_file(room, line, visitor, given, pieces), headers)


@spoken(f"POST {PLACE}/marks", "Mark what has come and was read")
async def mark(request: Call, line: Line, headers: tuple[tuple[bytes, bytes], ...]) -> Sent:
    """A browser has come so far."""
    visitor, room = _visitor(request, line), _room(request)
    await flows.mark(room, line, visitor, MARKING.read(await _body(request)))
    return JsonAnswer(204, b"", headers)


@spoken(f"GET {PLACE}/events", "Listen")
async def listen(request: Call, line: Line, headers: tuple[tuple[bytes, bytes], ...]) -> Sent:
    """Entries as they come, as server-sent events; `Last-Event-ID` is where to go on."""
    visitor = _visitor(request, line)
    given = dict(request.scope["headers"]).get(b"last-event-id", b"0").strip() or b"0"
    if not given.isdigit() or len(given) > 18:
        raise invalid("Last-Event-ID", "is no number of an entry", value=given.decode("latin-1"))
    room = _room(request)
    room.must_have_room(line, visitor.address)
    return Telling(room.stream(line, visitor.address, int(given)), headers)


def _asked_before(where: str) -> Any:
    """What a browser asks first, of a page elsewhere: whether it may (CORS preflight)."""

    async def answered(_request: Call, _line: Line, headers: tuple[tuple[bytes, bytes], ...]) -> Sent:
        return JsonAnswer(204, b"", (*headers, *rules.PREFLIGHT))

    return spoken(f"OPTIONS {PLACE}/{where}", "May a page ask")(answered)


class Telling:
    """An answer that goes on until the browser, or the server, has had enough."""

    def __init__(self, events: AsyncIterator[bytes], headers: tuple[tuple[bytes, bytes], ...]) -> None:
        self._events = events
        self._headers = headers

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Send what comes."""
        telling = asyncio.create_task(self._tell(send))
        gone = asyncio.create_task(self._until_gone(receive))
        try:
            await asyncio.wait((telling, gone), return_when=asyncio.FIRST_COMPLETED)
        finally:
            telling.cancel()
            gone.cancel()
            await asyncio.gather(telling, gone, return_exceptions=True)

    async def _tell(self, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [*self._headers, *STREAM]})
        async for event in self._events:
            await send({"type": "http.response.body", "body": event, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    async def _until_gone(self, receive: Any) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    def to_asgi_response(self, **_asked: object) -> Telling:
        """What Litestar asks of an answer that is an ASGI application."""
        return self


HANDLERS = (  # OPTIONS first: Litestar answers it by itself for a path that has no such handler yet
    *(_asked_before(where) for where in ("session", "messages", "files", "marks", "events")),
    open_session,
    look,
    say,
    send_file,
    mark,
    listen,
)

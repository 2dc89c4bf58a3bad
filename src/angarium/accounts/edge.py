"""The edge of every room: what a route says of itself, who calls it, what was sent, what is answered.

It stands in this room because it is the lowest one that knows who calls. A room's `api.py` is handlers in
this form:

    @route("POST /v1/lines", Operation(summary="Create a line", scope="setup:write", takes=LINE, …))
    async def create_line(request: Call) -> JsonAnswer:
        body = await read_body(request)
        given = LINE.read(body)
        …

Who may call is decided before the handler runs (`web/auth.py`), from the operation's scope; the OpenAPI
document (`web/openapi.py`) is made of the operations alone, so a route cannot be there without being told of.
"""

from __future__ import annotations

import asyncio
import os
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping, Sequence
from collections.abc import Set as AbstractSet
from contextvars import ContextVar
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any, Generic, Protocol, TypeVar, cast

import msgspec
from litestar import Request
from litestar import route as litestar_route
from litestar.datastructures import State

from angarium.accounts.flows import Caller
from angarium.accounts.reach import Reach
from angarium.core import ids
from angarium.core.clock import from_datetime
from angarium.core.decoding import Items, Shape
from angarium.core.problems import Problem, file_too_large, invalid, not_found, too_large
from angarium.protocols import files
from angarium.storage import idempotency
from angarium.storage.database import Conflict, Transaction
from angarium.storage.ground import Ground

T = TypeVar("T")

Call = Request[Any, Caller, State]  # `.auth` is the caller
LinesKnown = Callable[[int], Awaitable[AbstractSet[int]]]  # the lines that a workspace has, or may use

BODY_MAX_BYTES = 262_144  # of a request that is about one thing
BODY_WITHIN_S = 30.0  # a client that is slower than this holds a place that others need
BODY_READ = "angarium.body"  # in the scope of a request whose body was read before anybody asked: all of it
BLOCK_BYTES = 262_144  # of a file that is sent
KEY = re.compile(
    r'"?([!#-~]{1,255})"?'
)  # the header of draft-ietf-httpapi-idempotency-key-header, bare or quoted
LIST_MAX = 1_000
CURSOR = "the `next` of the page before, as it was"
_list: ContextVar[str] = ContextVar("list", default="")  # the address of the list that is asked for
NAME_IN_PATH = re.compile(r"\{(\w+)(?::str)?\}")

JSON = b"application/json"
REPLAYED = ((b"idempotent-replayed", b"true"),)
_encode = msgspec.json.Encoder().encode


# ── what a route says of itself ──────────────────────────────────────────────────────────────────────


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """A route as the guard and the OpenAPI document know it."""

    summary: str
    scope: str | None  # None: anybody may call it; SELF: whoever calls
    takes: Shape[Any] | Items[Any] | None = None  # the body
    asks: Shape[Any] | None = None  # the query
    gives: Any = None  # the type of the answer; None: no body
    status: int = 200
    detail: str = ""
    example: Any = None  # a body that is good
    answer_example: Any = None
    once: bool = False  # an Idempotency-Key is heeded
    problems: tuple[int, ...] = ()  # statuses beside those that any such route may give
    gives_also: tuple[int, ...] = ()  # other statuses under which it answers what it gives, and no problem
    body_max_bytes: int | None = BODY_MAX_BYTES  # None: the server's own limit, for batches
    careful: bool = False  # somebody who has signed in must have proved lately that it is they
    page: bool = False  # HTML for people: they bring a session and no key, and OpenAPI does not tell of it
    alike: bool = False  # of a page: all who have the same scopes and reach see the same (`web/copies.py`)
    shape_of: str = ""  # whose API this is, if not ours for systems: OpenAPI does not tell of it either


class Sent(Protocol):
    """An answer: an ASGI application, sent as it stands."""

    async def __call__(self, scope: Any, receive: Any, send: Any, /) -> None:
        """Send it."""


def route(where: str, operation: Operation) -> Callable[[Callable[..., Awaitable[Sent]]], Any]:
    """A handler of Litestar's for "GET /v1/lines/{line_id}"."""
    method, path = where.split()
    return cast(
        "Callable[[Callable[..., Awaitable[Sent]]], Any]",
        litestar_route(
            NAME_IN_PATH.sub(r"{\1:str}", path),
            http_method=cast("Any", method),
            status_code=200,  # that of the answer counts; for a 204 Litestar would want a handler without one
            opt={"operation": operation},
        ),
    )


def operation_of(request: Request[Any, Any, Any]) -> Operation:
    """What the route of a request says of itself."""
    return cast("Operation", request.scope["route_handler"].opt["operation"])


def ground_of(request: Request[Any, Any, Any]) -> Ground:
    """What the application stands on."""
    return cast("Ground", request.scope["litestar_app"].state.ground)


# ── what was sent ────────────────────────────────────────────────────────────────────────────────────


async def read_body(request: Call) -> bytes:
    """The body of a request, within its bounds: JSON by its type, not compressed, no larger than allowed."""
    most = operation_of(request).body_max_bytes or request.scope["litestar_app"].state.body_max_bytes
    body = await read_raw(request, most)
    if body:  # many a client names a type for a body that it does not send
        headers = dict(request.scope["headers"])
        kind = headers.get(b"content-type", JSON).partition(b";")[0].strip().lower()
        if kind != JSON:
            raise _unsupported("Content-Type", kind, "application/json")
        coding = headers.get(b"content-encoding", b"identity").lower()
        if coding != b"identity":
            raise _unsupported("Content-Encoding", coding, "identity: send it as it is")
    return body


async def read_raw(request: Call, most_bytes: int) -> bytes:
    """A body of any kind, as providers post theirs, up to a limit."""
    length = dict(request.scope["headers"]).get(b"content-length", b"0")
    if length.isdigit() and int(length) > most_bytes:
        raise too_large(most_bytes)
    read: bytes | None = cast("dict[str, Any]", request.scope).get(BODY_READ)
    if read is not None:
        return read
    try:
        async with asyncio.timeout(BODY_WITHIN_S):
            return await _whole(request, most_bytes)
    except TimeoutError:
        raise _too_slow() from None


async def _whole(request: Call, most_bytes: int) -> bytes:
    """The chunks of a body in one. The length was announced by the sender, so what comes is counted too."""
    chunks: list[bytes] = []
    size = 0
    while True:
        chunk, more = await _chunk(request)
        chunks.append(chunk)
        size += len(chunk)
        if size > most_bytes:
            raise too_large(most_bytes)
        if not more:
            return chunks[0] if len(chunks) == 1 else b"".join(chunks)


async def _chunk(request: Call) -> tuple[bytes, bool]:
    """What comes next of a body, and whether more follows."""
    message = cast("MutableMapping[str, Any]", await request.receive())
    if message["type"] == "http.disconnect":
        raise Problem("caller-gone", "The caller has gone", status=400, detail="The body ended early.")
    return message.get("body", b""), message.get("more_body", False)


async def pieces(request: Call, most_bytes: int) -> AsyncIterator[bytes]:
    """A large body as it comes, such as a file, up to a limit; each piece has its own time to arrive."""
    length = dict(request.scope["headers"]).get(b"content-length", b"0")
    if length.isdigit() and int(length) > most_bytes:
        raise file_too_large(most_bytes)
    more, size = True, 0
    while more:
        try:
            async with asyncio.timeout(BODY_WITHIN_S):
                chunk, more = await _chunk(request)
        except TimeoutError:
            raise _too_slow() from None
        size += len(chunk)
        if size > most_bytes:
            raise file_too_large(most_bytes)
        if chunk:
            yield chunk


def _too_slow() -> Problem:
    detail = f"It did not come within {BODY_WITHIN_S:g} seconds."
    return Problem("body-too-slow", "The body did not arrive", status=408, detail=detail)


def _unsupported(header: str, value: bytes, remedy: str) -> Problem:
    return Problem(
        "media-type-unsupported",
        "This kind of body is not understood",
        status=415,
        detail=f"{header} {value.decode('latin-1')[:80]!r} is not supported; expected {remedy}.",
    )


def text_in_path(request: Call, name: str) -> str:
    """What stands at `{name}` in an address."""
    return str(request.scope["path_params"][name])


def id_in_path(request: Call, noun: str) -> int:
    """The id at `{line_id}` in an address, for a line; what cannot be one names nothing."""
    text = text_in_path(request, f"{noun}_id")
    try:
        return ids.read(noun, text)
    except ValueError:
        raise not_found(noun.replace("_", " "), text) from None


def refuse_unasked(scope: MutableMapping[str, Any]) -> None:
    """A Problem when a name stands in the query of an address that asks for none: whoever narrows a list by a
    name that nobody heeds gets all of it, and takes it for less."""
    operation: Operation = scope["route_handler"].opt["operation"]
    if scope["query_string"] and operation.asks is None:
        NOTHING.read_query(scope["query_string"])


async def require_lines(request: Call, reach: Reach) -> None:
    """A Problem when a reach names a line that the caller's workspace has not."""
    known: LinesKnown | None = request.scope["litestar_app"].state.get("lines_known")
    if reach.lines and known is not None:
        strange = reach.lines - await known(request.auth.workspace_id)
        if strange:
            value = ids.show("line", min(strange))
            raise invalid("lines", "there is no such line", value=value, remedy="GET /v1/lines lists them")


# ── what is answered ─────────────────────────────────────────────────────────────────────────────────


class JsonAnswer:
    """A status and JSON, ready to be sent; an ASGI application, because it is sent as it stands."""

    __slots__ = ("body", "headers", "status")

    def __init__(self, status: int, body: bytes, headers: Sequence[tuple[bytes, bytes]] = ()) -> None:
        self.status = status
        self.body = body
        self.headers = headers

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Send it."""
        headers = list(self.headers)
        if self.status != 204:
            headers.append((b"content-length", b"%d" % len(self.body)))
            if not self.headers or b"content-type" not in dict(self.headers):
                headers.append((b"content-type", JSON))
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": self.body})

    def to_asgi_response(self, **_asked: object) -> JsonAnswer:
        """What Litestar asks of the answer to an exception."""
        return self


class Streamed:
    """A long text that is written as it is made, to be kept under a name."""

    def __init__(self, pieces: AsyncIterator[str], media_type: str, name: str) -> None:
        self._pieces = pieces
        self._media_type = media_type
        self._named = files.disposition("attachment", name)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Send it, piece by piece."""
        headers = [
            (b"content-type", self._media_type.encode()),
            (b"content-disposition", self._named),
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        async for piece in self._pieces:
            await send({"type": "http.response.body", "body": piece.encode(), "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    def to_asgi_response(self, **_asked: object) -> Streamed:
        """What Litestar asks of an answer that is an ASGI application."""
        return self


class Kept:
    """A file of the server's as it lies, to be kept under a name."""

    def __init__(self, path: Path, media_type: str, name: str) -> None:
        self._path = path
        self._media_type = media_type
        self._named = files.disposition("attachment", name)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Send it, block by block."""
        with self._path.open("rb") as file:
            headers = [
                (b"content-type", self._media_type.encode()),
                (b"content-length", b"%d" % os.fstat(file.fileno()).st_size),
                (b"content-disposition", self._named),
            ]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            while block := await asyncio.to_thread(file.read, BLOCK_BYTES):
                await send({"type": "http.response.body", "body": block, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    def to_asgi_response(self, **_asked: object) -> Kept:
        """What Litestar asks of an answer that is an ASGI application."""
        return self


def answer(request: Call, value: object) -> JsonAnswer:
    """A struct as the answer that the route promises."""
    return JsonAnswer(operation_of(request).status, _encode(value))


def word(words: type[StrEnum], field: str, text: str) -> str:
    """A word of a query, or empty; a Problem when it is none of ours: "there are none" would be no answer."""
    if text and text not in set(words):
        raise invalid(field, "is not one", value=text, remedy="one of " + ", ".join(words))
    return text


def instant(field: str, given: datetime | None) -> int | None:
    """A time that was sent, as it is stored."""
    try:
        return None if given is None else from_datetime(given)
    except (ValueError, OverflowError) as error:  # a year 1 that its zone takes below it
        raise invalid(field, str(error), value=given.isoformat() if given else "") from None


def nothing(request: Call) -> JsonAnswer:
    """An answer without a body."""
    return JsonAnswer(operation_of(request).status, b"")


# ── lists ────────────────────────────────────────────────────────────────────────────────────────────


class Page(msgspec.Struct, Generic[T], frozen=True):
    """A piece of a list. `next` is the cursor of the following piece; null on the last."""

    items: list[T]
    next: str | None = None


class PageQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which piece of a list."""

    cursor: str = ""
    limit: Annotated[int, msgspec.Meta(ge=1, le=LIST_MAX)] = 100


class NoQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Of an address that asks for nothing."""


PAGE, NOTHING = Shape(PageQuery), Shape(NoQuery)


def piece(items: Sequence[T], query: PageQuery, id_of: Callable[[T], int]) -> tuple[list[T], str | None]:
    """A piece of a list that is short enough to be at hand whole, in the order of its ids, and the cursor."""
    after = read_cursor(query.cursor)
    rest = [item for item in items if id_of(item) > after]
    return cut(rest[: query.limit + 1], query, id_of)


def cut(found: list[T], query: PageQuery, id_of: Callable[[T], int]) -> tuple[list[T], str | None]:
    """A piece of which one more than wanted was looked for, and the cursor if that one is there."""
    if len(found) <= query.limit:
        return found, None
    return found[: query.limit], cursor_after(id_of(found[query.limit - 1]))


def listing(path: str) -> None:
    """From here on, in this task, cursors are those of the list at this address; empty: of no list alone."""
    _list.set(path)


def cursor_after(last_id: int) -> str:
    """The cursor of what follows an id: where, then of which list.

    The list stands behind the padding, where base64 has ended for whoever does not look for it: so the
    version before this one goes on from such a cursor, and this one from those of before, which name none.
    """
    where, mark = urlsafe_b64encode(last_id.to_bytes(8, "big")).decode(), _mark()
    return where + mark if mark else where.rstrip("=")


def read_cursor(text: str) -> int:
    """The id after which a cursor begins; 0 for none. A Problem when it is one of another list."""
    if not text:
        return 0
    where, _, mark = text.partition("=")
    try:
        place = urlsafe_b64decode(where + "=" * (-len(where) % 4))
    except ValueError:
        place = b""
    if len(place) != 8 or place[0] > 127:
        raise invalid("cursor", "is not a cursor", value=text, remedy=CURSOR)
    if mark and _list.get() and mark != _mark():
        raise invalid("cursor", "is of another list", value=text, remedy=CURSOR)
    return int.from_bytes(place, "big")


def _mark() -> str:
    """What a cursor says of its list."""
    path = _list.get()
    return urlsafe_b64encode(sha256(path.encode()).digest()[:3]).decode() if path else ""


# ── once ─────────────────────────────────────────────────────────────────────────────────────────────


def idempotency_key(request: Call) -> str:
    """The key of a request; empty when it has none."""
    given = dict(request.scope["headers"]).get(b"idempotency-key")
    if given is None:
        return ""
    match = KEY.fullmatch(given.decode("latin-1"))
    if match is None:
        raise invalid(
            "Idempotency-Key",
            "is not a key",
            value=given.decode("latin-1"),
            remedy="1 to 255 visible ASCII characters, such as a UUID",
        )
    return match[1]


def fingerprint(request: Call, body: bytes) -> bytes:
    """What makes two requests the same: method, address and body, to the byte.

    It is kept beside the key, and a body may hold a code: hence no plain hash.
    """
    said = f"{request.scope['method']} {request.scope['path']}\n".encode()
    return ground_of(request).vault.keyed_hash(said + body, "idempotency")


async def once(
    request: Call,
    body: bytes,
    work: Callable[[Transaction], Awaitable[object]],
    *,
    taken: Problem | None = None,
    sealed: bool = False,
) -> JsonAnswer:
    """Do a work in one transaction, once for each Idempotency-Key; what it returns is the answer's body.

    `taken` is what a Conflict means. Without it the work is done again: whoever wrote the same thing between
    our look and our write is seen now. `sealed` keeps the answer encrypted, because it shows a secret.
    """
    key = idempotency_key(request)
    run = _without_key(request, work) if not key else _with_key(request, key, body, work, sealed=sealed)
    try:
        return await run()
    except Conflict:
        if taken is not None:
            raise taken from None
        return await run()


def _without_key(
    request: Call, work: Callable[[Transaction], Awaitable[object]]
) -> Callable[[], Awaitable[JsonAnswer]]:
    async def run() -> JsonAnswer:
        return answer(request, await ground_of(request).db.run(work))

    return run


def _with_key(
    request: Call, key: str, body: bytes, work: Callable[[Transaction], Awaitable[object]], *, sealed: bool
) -> Callable[[], Awaitable[JsonAnswer]]:
    ground, workspace_id = ground_of(request), request.auth.workspace_id
    status, body_hash = operation_of(request).status, fingerprint(request, body)
    cell = idempotency.answer_cell(workspace_id, key)

    async def kept(tx: Transaction) -> tuple[int, bytes]:
        response = _encode(await work(tx))
        return status, ground.vault.seal(response, cell).encode() if sealed else response

    async def run() -> JsonAnswer:
        now = ground.clock.now()
        found, again = await ground.db.run(idempotency.once, workspace_id, key, body_hash, now, kept)
        response = ground.vault.open(found.response.decode(), cell) if sealed else found.response
        return JsonAnswer(found.status, response, REPLAYED if again else ())

    return run

"""The JSON edge of messages: send, preview, cancel, look, report; and the callbacks of providers."""

from __future__ import annotations

import hmac
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Annotated, Any, cast
from urllib.parse import parse_qsl

import msgspec
import structlog

from angarium.accounts import edge
from angarium.accounts.edge import Call, JsonAnswer, Operation, route
from angarium.accounts.reach import require_class
from angarium.core import ids
from angarium.core.batches import Batcher
from angarium.core.clock import from_datetime
from angarium.core.decoding import Shape
from angarium.core.ports import Raw, Reply, Unknown
from angarium.core.problems import Problem, invalid, not_found
from angarium.core.values import MessageClass
from angarium.lines.store import Line
from angarium.messaging import accept, cancel, poison, preview, report, savings, story
from angarium.messaging.accept import MessageInput, Order
from angarium.messaging.answering import Answer
from angarium.messaging.batch import BATCH, MESSAGE, Beside, Composer, Unread
from angarium.messaging.files import attached
from angarium.messaging.states import MessageState
from angarium.messaging.store.messages import EVER, Filter
from angarium.messaging.waiting import For
from angarium.messaging.workers import Engine
from angarium.messaging.world import World
from angarium.storage import instance
from angarium.storage.database import Transaction, Trouble, unavailable

log = structlog.get_logger()

NEWEST = (1 << 63) - 1
CALLBACK_MAX_BYTES = 1_048_576
ACCEPT_MAX = 500  # messages accepted in one transaction: a code waits behind no more of a campaign
DOOR_MAX = 20_000  # messages that wait to be accepted; above it callers are told to come back
LINE_ID = re.compile(r"[0-9a-f]{1,16}")

Document = dict[str, Any]


class ListQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which messages to list, newest first."""

    state: str = ""
    message_class: str = msgspec.field(name="class", default="")
    label: str = ""
    reference: str = ""
    contact: str = ""
    waiting: str = ""
    created_from: str = ""
    created_until: str = ""
    cursor: str = ""
    limit: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 100


class LabelQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which messages to sum up."""

    label: Annotated[str, msgspec.Meta(min_length=1)]


class InsteadQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which messages to price anew, and by which channel."""

    label: Annotated[str, msgspec.Meta(min_length=1)]
    channel: Annotated[str, msgspec.Meta(min_length=1)]


LIST, LABEL, INSTEAD = Shape(ListQuery), Shape(LabelQuery), Shape(InsteadQuery)

EXAMPLE = {
    "to": {"phone": "+989121234567"},
    "class": "service",
    "template": "order-shipped",
    "variables": {"link": "https://shop.example/t/7000045"},
    "cascade": "vk-viber-sms",
    "label": "order-shipped",
}
ACCEPTED_EXAMPLE = {
    "id": "msg_05a581yz00002",
    "state": "queued",
    "reason": "",
    "class": "service",
    "contact": "con_05a581yyw0000",
    "reference": "",
    "created_at": "2026-11-23T08:42:47.618Z",
    "expires_at": "2026-11-25T08:42:47.618Z",
}


class Desk:
    """What the routes of messages work with; `request.app.state.messages`."""

    def __init__(self, world: World, engine: Engine, composer: Composer | None = None) -> None:
        self.world = world
        self.engine = engine
        self._beside = None if composer is None else Beside(world, composer)
        self.door: Batcher[Order, Answer] = Batcher(
            self._accept, ACCEPT_MAX, lambda order: len(order.messages)
        )

        self._offered = 0  # messages that wait at the door

    async def offer(self, order: Order) -> Answer:
        """Accept an order with those that come at the same time; 503 when too much waits already."""
        with self._room_for(len(order.messages)):
            return await self.door.put(order)

    async def offer_unread(self, order: Unread) -> Answer | None:
        """Accept a batch that is made ready beside the server; None where it has to be read here."""
        if self._beside is None:
            return None
        with self._room_for(order.size):
            answer = await self._beside.accept(order)
        if isinstance(answer, Problem):
            raise answer
        return answer

    @contextmanager
    def _room_for(self, messages: int) -> Iterator[None]:
        if self._offered >= DOOR_MAX:
            raise unavailable(Trouble.CROWDED, f"{self._offered} messages")
        self._offered += messages
        try:
            yield
        finally:
            self._offered -= messages

    async def _accept(self, orders: list[Order]) -> list[Answer | BaseException]:
        try:
            return list(await accept.accept(self.world, orders))
        except Exception as error:
            if len(orders) == 1 or poison.is_away(error):
                raise
            log.exception("accepting broke", requests=len(orders))
        return [answer for order in orders for answer in await self._alone(order)]

    async def _alone(self, order: Order) -> list[Answer | BaseException]:
        """One that breaks is answered with its error; what came at the same time is none the worse."""
        try:
            return list(await accept.accept(self.world, [order]))
        except Exception as error:
            return [error]


def _desk(request: Call) -> Desk:
    return cast("Desk", request.scope["litestar_app"].state.messages)


# ── sending ──────────────────────────────────────────────────────────────────────────────────────────


@route(
    "POST /v1/messages",
    Operation(
        summary="Send a message",
        detail="Accepted once it is durable. What the rules forbid to this person is accepted as `refused`.",
        scope="messages:write",
        takes=MESSAGE,
        gives=Document,
        status=202,
        once=True,
        example=EXAMPLE,
        answer_example=ACCEPTED_EXAMPLE,
    ),
)
async def send_message(request: Call) -> JsonAnswer:
    """Accept one message."""
    body = await edge.read_body(request)
    return await _ordered(request, body, (MESSAGE.read(body),), batch=False)


@route(
    "POST /v1/messages/batch",
    Operation(
        summary="Send up to 1,000 messages",
        detail="Each is judged by itself: `results` has an id or a problem for every item, in order.",
        scope="messages:write",
        takes=BATCH,
        gives=Document,
        status=202,
        once=True,
        example={"messages": [EXAMPLE]},
        answer_example={"accepted": 1, "rejected": 0, "results": [{"index": 0, **ACCEPTED_EXAMPLE}]},
        body_max_bytes=None,
        gives_also=(422,),  # when every item was refused
    ),
)
async def send_batch(request: Call) -> JsonAnswer:
    """Accept many messages."""
    body = await edge.read_body(request)
    if request.auth.reach.is_whole:
        key = edge.idempotency_key(request)
        unread = Unread(request.auth.workspace_id, body, key, edge.fingerprint(request, body) if key else b"")
        answer = await _desk(request).offer_unread(unread)
        if answer is not None:
            return JsonAnswer(answer.status, answer.body)
    return await _ordered(request, body, tuple(BATCH.read(body)), batch=True)


async def _ordered(
    request: Call, body: bytes, messages: tuple[MessageInput | Problem, ...], *, batch: bool
) -> JsonAnswer:
    key, world = edge.idempotency_key(request), _desk(request).world
    order = Order(
        workspace_id=request.auth.workspace_id,
        messages=await attached(world.ground, request.auth.workspace_id, messages),
        batch=batch,
        key=key,
        body_hash=edge.fingerprint(request, body) if key else b"",
        reach=request.auth.reach,
    )
    answer = await _desk(request).offer(order)
    return JsonAnswer(answer.status, answer.body)


@route(
    "POST /v1/messages/preview",
    Operation(
        summary="Show what would happen to a message",
        detail="Steps, words, parts, price, and what the rules forbid. Nothing is stored, nothing is sent.",
        scope="messages:read",
        takes=MESSAGE,
        gives=Document,
        once=True,
        example=EXAMPLE,
    ),
)
async def preview_message(request: Call) -> JsonAnswer:
    """Preview one message."""
    body = await edge.read_body(request)
    world = _desk(request).world
    (asked,) = await attached(world.ground, request.auth.workspace_id, [MESSAGE.read(body)])
    if isinstance(asked, Problem):
        raise asked

    async def work(tx: Transaction) -> Document:
        caller, now = request.auth, world.ground.clock.now()
        (shown,) = await preview.preview(tx, world, caller.workspace_id, [asked], now, caller.reach)
        if isinstance(shown, Problem):
            raise shown
        return shown

    return await edge.once(request, body, work)


@route(
    "POST /v1/messages/{message_id}/cancel",
    Operation(
        summary="Cancel a message",
        detail="Nothing more is tried. What has gone out cannot be called back.",
        scope="messages:write",
        gives=Document,
        once=True,
        problems=(404, 409),
    ),
)
async def cancel_message(request: Call) -> JsonAnswer:
    """Cancel one message."""
    body = await edge.read_body(request)
    world, found = _desk(request).world, edge.id_in_path(request, "message")

    async def work(tx: Transaction) -> Document:
        now = world.ground.clock.now()
        case = await cancel.cancel(tx, world, request.auth.workspace_id, found, now)
        require_class(request.auth.reach, case.message.message_class)
        return story.outline(case.message)

    return await edge.once(request, body, work)


# ── looking ──────────────────────────────────────────────────────────────────────────────────────────


@route(
    "GET /v1/messages/{message_id}",
    Operation(
        summary="Look at a message",
        detail="Its attempts, receipts and price, the timeline that says why, and what it waits for.",
        scope="messages:read",
        gives=Document,
        problems=(404,),
    ),
)
async def get_message(request: Call) -> JsonAnswer:
    """One message whole."""
    world, found = _desk(request).world, edge.id_in_path(request, "message")
    told = await world.ground.db.read(story.tell, world, request.auth.workspace_id, found)
    return edge.answer(request, told)


@route(
    "GET /v1/messages",
    Operation(summary="List messages, newest first", scope="messages:read", asks=LIST, gives=Document),
)
async def list_messages(request: Call) -> JsonAnswer:
    """The messages that fit."""
    query = LIST.read_query(request.scope["query_string"])
    before = edge.read_cursor(query.cursor) or NEWEST
    world = _desk(request).world
    listed = await world.ground.db.read(
        story.listing,
        world,
        request.auth.workspace_id,
        _filter(query),
        before,
        query.limit,
        waited_for(query.waiting),
    )
    cursor = edge.cursor_after(listed.following) if listed.following else None
    return edge.answer(request, {"items": listed.messages, "next": cursor})


def waited_for(text: str) -> For | None:
    """What a list asks for that is to wait for something; a Problem when it is none of ours."""
    if not text:
        return None
    try:
        return For(text)
    except ValueError:
        raise invalid("waiting", "is not one", value=text, remedy="one of " + ", ".join(For)) from None


def _filter(query: ListQuery) -> Filter:
    contact_id = 0
    if query.contact:
        try:
            contact_id = ids.read("contact", query.contact)
        except ValueError as error:
            raise invalid("contact", str(error), value=query.contact) from None
    return Filter(
        state=edge.word(MessageState, "state", query.state),
        message_class=edge.word(MessageClass, "class", query.message_class),
        label=query.label,
        reference=query.reference,
        contact_id=contact_id,
        created_from=_instant("created_from", query.created_from, 0),
        created_until=_instant("created_until", query.created_until, EVER),
    )


def _instant(field: str, text: str, default: int) -> int:
    if not text:
        return default
    try:
        return from_datetime(msgspec.convert(text, type=datetime))
    except (msgspec.ValidationError, ValueError, OverflowError):
        raise invalid(field, "is not a time", value=text, remedy="such as 2026-11-23T08:30:00Z") from None


@route(
    "GET /v1/messages/report",
    Operation(
        summary="Sum up the messages of a label",
        detail="By state and reason, by line, and what they cost.",
        scope="messages:read",
        asks=LABEL,
        gives=Document,
    ),
)
async def report_messages(request: Call) -> JsonAnswer:
    """Where the messages of a label stand."""
    world, query = _desk(request).world, LABEL.read_query(request.scope["query_string"])
    found = await world.ground.db.read(report.report, world, request.auth.workspace_id, query.label)
    return edge.answer(request, found)


@route(
    "GET /v1/messages/report/instead",
    Operation(
        summary="What it had cost by one channel alone",
        scope="messages:read",
        asks=INSTEAD,
        gives=Document,
    ),
)
async def report_instead(request: Call) -> JsonAnswer:
    """The same messages, priced by one channel."""
    world, query = _desk(request).world, INSTEAD.read_query(request.scope["query_string"])
    found = await savings.instead(world, request.auth.workspace_id, query.label, query.channel)
    return edge.answer(request, found)


@route(
    "GET /v1/messages/export",
    Operation(
        summary="Export the messages of a label as CSV",
        detail="Who got it, by which channel, when, at what price. UTF-8, RFC 4180.",
        scope="messages:read",
        asks=LABEL,
    ),
)
async def export_messages(request: Call) -> edge.Streamed:
    """A row for each message."""
    world, query = _desk(request).world, LABEL.read_query(request.scope["query_string"])
    rows = report.export(world, request.auth.workspace_id, query.label)
    return edge.Streamed(rows, "text/csv; charset=utf-8", f"{query.label}.csv")


# ── callbacks of providers ───────────────────────────────────────────────────────────────────────────


@route(
    "POST /callbacks/{line}/{token}",
    Operation(summary="A provider's callback", scope=None, problems=(400, 401, 404, 408, 413, 503)),
)
async def heard(request: Call) -> JsonAnswer:
    """Keep what a provider says, then answer it."""
    desk = _desk(request)
    found = await _line_of(desk, request)
    channel, settings = desk.world.channels[found.channel], desk.world.settings(found)
    raw = await _raw(desk, found, request)
    believed = await channel.believes(desk.world.tools, settings, raw)
    if isinstance(believed, Unknown):
        detail = f"{believed.detail}. Post it again."
        raise Problem("not-told-yet", "Whether it is genuine cannot be told yet", status=503, detail=detail)
    if not believed:
        detail = "It has not the signature that its line expects, or comes from an address not listed there."
        raise Problem("not-genuine", "The callback is not genuine", status=401, detail=detail)
    await desk.engine.heard(found, raw)
    return _reply(channel.reply(settings, raw))


@route(
    "GET /callbacks/{line}/{token}",
    Operation(
        summary="A provider asks whether we are it", scope=None, problems=(400, 403, 404, 408, 413, 503)
    ),
)
async def challenged(request: Call) -> JsonAnswer:
    """Answer a provider's challenge."""
    desk = _desk(request)
    found = await _line_of(desk, request)
    channel, settings = desk.world.channels[found.channel], desk.world.settings(found)
    reply = channel.challenge(settings, await _raw(desk, found, request))
    if reply is None:
        raise Problem("not-genuine", "There is nothing to confirm here", status=404)
    return _reply(reply)


async def _line_of(desk: Desk, request: Call) -> Line:
    """The line of a callback address; whoever does not know the token learns nothing. What is not at hand
    while the database is away may be there all the same: a Problem by which a provider comes again."""
    line, token = edge.text_in_path(request, "line"), edge.text_in_path(request, "token")
    found = desk.world.lines.get(int(line, 16)) if LINE_ID.fullmatch(line) else None
    expected = found.callback_token if found else "no such line"
    if not hmac.compare_digest(token.encode(), expected.encode()) or found is None:
        await desk.world.ground.db.read(instance.known)
        raise not_found("callback", f"/callbacks/{line}/…")
    return found


async def _raw(desk: Desk, line: Line, request: Call) -> Raw:
    scope = request.scope
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    query = dict(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True))
    peer = scope["client"][0] if scope["client"] else ""
    url = desk.world.callback_url(line)  # as the provider was told it, whatever a proxy made of it
    if url and scope["query_string"]:
        url += "?" + scope["query_string"].decode("latin-1")
    return Raw(await edge.read_raw(request, CALLBACK_MAX_BYTES), headers, query, peer, url)


def _reply(reply: Reply) -> JsonAnswer:
    kind = (b"content-type", reply.media_type.encode())
    return JsonAnswer(reply.status, reply.body.encode(), (kind,))


HANDLERS = (
    send_message,
    send_batch,
    preview_message,
    cancel_message,
    report_messages,
    report_instead,
    export_messages,
    get_message,
    list_messages,
    heard,
    challenged,
)

"""The Messages resource in Twilio's own shape: form in, JSON out, errors as Twilio's."""

from __future__ import annotations

import binascii
from base64 import b64decode
from collections.abc import Awaitable, Callable
from typing import Any, cast
from urllib.parse import parse_qsl

import msgspec

from angarium.accounts import edge
from angarium.accounts.edge import Call, JsonAnswer, Operation, Sent, route
from angarium.accounts.flows import require
from angarium.accounts.limits import Limits, address_of
from angarium.contacts import store as contacts
from angarium.core.ids import earliest
from angarium.core.problems import Problem
from angarium.core.values import AddressKind
from angarium.doors.twilio import asking, rules, showing, store
from angarium.doors.twilio.asking import Refusal, Search
from angarium.doors.twilio.desk import Asked, TwilioDesk
from angarium.doors.twilio.flows import Known, not_good
from angarium.doors.twilio.rules import API_VERSION, NO_PICTURES, UNSUBSCRIBED
from angarium.doors.twilio.showing import Document
from angarium.doors.twilio.store import Came
from angarium.messaging import cancel
from angarium.messaging.case import Case, load, wake, write
from angarium.messaging.world import World
from angarium.storage.behalf import on_behalf_of
from angarium.storage.database import Transaction

TWILIO = "Twilio"
BODY_MAX_BYTES = 65_536
MORE_INFO = "https://www.twilio.com/docs/errors/{code}"
NEWEST = (1 << 63) - 1
MESSAGES = f"/{API_VERSION}/Accounts/{{account}}/Messages.json"
MESSAGE = f"/{API_VERSION}/Accounts/{{account}}/Messages/{{name}}"
MEDIA, FILE = f"{MESSAGE}/Media.json", f"{MESSAGE}/Media/{{media}}"

Handler = Callable[[Call, Known], Awaitable[Sent]]


def spoken(where: str, scope: str, summary: str) -> Callable[[Handler], Any]:
    """A route of Twilio's shape: who calls is known by SID and token, and errors are Twilio's."""

    def made(handler: Handler) -> Any:
        async def answered(request: Call) -> Sent:
            try:
                return await handler(request, await _known(request, scope))
            except Refusal as refusal:
                return _refused(refusal)
            except Problem as problem:
                return _refused(asking.refusal_of(problem), problem.retry_after_s)

        return route(where, Operation(summary=summary, scope=None, shape_of=TWILIO))(answered)

    return made


def _desk(request: Call) -> TwilioDesk:
    return cast("TwilioDesk", request.scope["litestar_app"].state.twilio)


async def _known(request: Call, scope: str) -> Known:
    """Which account calls; a Problem when it is none, may not, or asks too often."""
    limits: Limits = request.scope["litestar_app"].state.limits
    address = address_of(request.scope)
    sid, token = _credentials(request)
    limits.failed_keys.must_have_room(address)
    try:
        known = await _desk(request).gate.known(sid, token)
        if edge.text_in_path(request, "account").lower() != sid.lower():
            raise not_good()
    except Problem as problem:
        if problem.status == 401:
            limits.failed_keys.take(address)
        raise
    limits.requests.take(known.account.workspace_id)
    require(known.caller, scope)
    on_behalf_of(known.account.workspace_id)
    return known


def _credentials(request: Call) -> tuple[str, str]:
    """SID and token of the header (RFC 7617)."""
    given = dict(request.scope["headers"]).get(b"authorization", b"")
    kind, _, encoded = given.partition(b" ")
    if kind.lower() != b"basic":
        raise not_good()
    try:
        sid, colon, token = b64decode(encoded.strip(), validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        raise not_good() from None
    if not colon:
        raise not_good()
    return sid, token


def _refused(refusal: Refusal, retry_after_s: int | None = None) -> JsonAnswer:
    body = {
        "code": refusal.code,
        "message": refusal.message,
        "more_info": MORE_INFO.format(code=refusal.code),
        "status": refusal.status,
    }
    headers = [] if retry_after_s is None else [(b"retry-after", b"%d" % retry_after_s)]
    if refusal.status == 401:
        headers.append((b"www-authenticate", b'Basic realm="Twilio API"'))
    return JsonAnswer(refusal.status, msgspec.json.encode(body), headers)


def _answer(document: Document, status: int = 200) -> JsonAnswer:
    return JsonAnswer(status, msgspec.json.encode(document))


# ── sending ──────────────────────────────────────────────────────────────────────────────────────────


@spoken(f"POST {MESSAGES}", "messages:write", "Send a message")
async def create_message(request: Call, known: Known) -> Sent:
    """Accept one message. A person who has said no is told of as Twilio does: by an error, at once."""
    desk = _desk(request)
    form = asking.form_of(await edge.read_raw(request, BODY_MAX_BYTES))
    wanted = asking.read_message(form, known.account.settings, desk.world.ground.clock.now())
    if wanted.asked.image_url and not _carries_pictures(desk.world, known, wanted):
        raise Refusal(NO_PICTURES, rules.SAID[NO_PICTURES])
    made = await desk.offer(Asked(known, wanted))
    if made.standing.code == UNSUBSCRIBED:
        raise Refusal(UNSUBSCRIBED, rules.SAID[UNSUBSCRIBED])
    return _answer(showing.shown(desk.world, known.account, made.came, made.standing), 201)


def _carries_pictures(world: World, known: Known, wanted: asking.Wanted) -> bool:
    """Whether the one channel or line that a message goes by takes pictures; a cascade sees to it itself."""
    lines = {line.name: line.channel for line in world.lines.of(known.account.workspace_id)}
    channel = world.channels.get(wanted.asked.channel or lines.get(wanted.asked.line, ""))
    return channel is None or channel.capabilities.images


@spoken(f"POST {MESSAGE}", "messages:write", "Cancel a message, or take its words away")
async def change_message(request: Call, known: Known) -> Sent:
    """`Status=canceled` cancels it; an empty `Body` takes the words away of one that has ended."""
    world = _desk(request).world
    form = asking.form_of(await edge.read_raw(request, BODY_MAX_BYTES))
    came = await _came(request, known)
    status, body = form.get("Status", [""])[-1], form.get("Body", [None])[-1]
    if status:
        if status != "canceled":
            raise Refusal(20422, "Invalid Parameter: Status can be set to canceled alone")
        await _cancel(world, known, came)
    if body is not None:
        if body:
            raise Refusal(20422, "Invalid Parameter: Body can be set to nothing alone")
        await world.ground.db.run(_redact, world, known, came.message_id)
    return _answer(await world.ground.db.read(_look, world, known, came))


async def _cancel(world: World, known: Known, came: Came) -> None:
    workspace_id, now = known.account.workspace_id, world.ground.clock.now()
    try:
        case = await world.ground.db.run(cancel.cancel, world, workspace_id, came.message_id, now)
    except Problem as problem:
        if problem.status == 409:
            raise Refusal(30409, "This message cannot be canceled") from None
        raise
    wake(world, [case])


async def _redact(tx: Transaction, world: World, known: Known, message_id: int) -> None:
    """Take the words of a message away that nothing more is done with."""
    cases = await load(tx, world, known.account.workspace_id, [message_id])
    case: Case | None = cases.get(message_id)
    if case is None or case.message.finished_at is None:
        raise Refusal(20009, "Cannot delete this resource before it is complete")
    case.message.words = b""
    for attempt in case.attempts:
        case.attempt(attempt.id).content = b""
    await write(tx, world, [case])


@spoken(f"DELETE {MESSAGE}", "messages:write", "Delete a message")
async def delete_message(request: Call, known: Known) -> Sent:
    """Its words go, and it is not shown here any more; that it was sent stays in the history."""
    world, came = _desk(request).world, await _came(request, known)
    await world.ground.db.run(_delete, world, known, came.message_id)
    return JsonAnswer(204, b"")


async def _delete(tx: Transaction, world: World, known: Known, message_id: int) -> None:
    await _redact(tx, world, known, message_id)
    await store.forget(tx, known.account.workspace_id, known.account.id, message_id)


# ── looking ──────────────────────────────────────────────────────────────────────────────────────────


@spoken(f"GET {MESSAGE}", "messages:read", "Look at a message")
async def get_message(request: Call, known: Known) -> Sent:
    """One message of the account, or one to it."""
    world, message_id = _desk(request).world, _message_id(request, known)
    db, workspace_id = world.ground.db, known.account.workspace_id
    came = await db.read(store.came, workspace_id, known.account.id, message_id)
    if came is not None:
        return _answer(await db.read(_look, world, known, came))
    said = await db.read(_heard, world, known, message_id)
    if said is None:
        raise _not_found(request)
    return _answer(showing.shown_inbound(known.account, message_id, said))


async def _heard(tx: Transaction, world: World, known: Known, inbound_id: int) -> store.Said | None:
    """What a customer sent on a line whose messages are told to the account."""
    account = known.account
    lines = {
        line.id
        for line in world.lines.of(account.workspace_id)
        if line.name in account.settings.inbound_lines
    }
    return await store.said_on(tx, account.workspace_id, inbound_id, lines)


async def _look(tx: Transaction, world: World, known: Known, came: Came) -> Document:
    found = await showing.standings(tx, known.account.workspace_id, [came.message_id])
    return showing.shown(world, known.account, came, found[came.message_id])


@spoken(f"GET {MEDIA}", "messages:read", "List the files of a message")
async def list_media(request: Call, known: Known) -> Sent:
    """The one file of a message of the account, or of one to it; none where there is none."""
    message_id = _message_id(request, known)
    name = rules.message_sid(known.account.id, message_id)
    return _answer(showing.listed_media(known.account, name, await _file(request, known, message_id)))


@spoken(f"GET {FILE}", "messages:read", "Look at a file of a message")
async def get_media(request: Call, known: Known) -> Sent:
    """What it is; without `.json` in its name, it itself: where it lies."""
    message_id = _message_id(request, known)
    name, asked = rules.message_sid(known.account.id, message_id), edge.text_in_path(request, "media")
    file = await _file(request, known, message_id)
    if file is None or asked.removesuffix(".json").upper() != rules.media_sid(name).upper():
        raise _not_found(request)
    if asked.endswith(".json"):
        return _answer(showing.shown_media(known.account, name, file))
    return JsonAnswer(307, b"", [(b"location", file.url.encode())])


async def _file(request: Call, known: Known, message_id: int) -> showing.File | None:
    """The file that goes with a message, or came with one; Refusal when there is no such message."""
    world, account = _desk(request).world, known.account
    db = world.ground.db
    if await db.read(store.came, account.workspace_id, account.id, message_id) is not None:
        return await db.read(_sent_file, world, known, message_id)
    said = await db.read(_heard, world, known, message_id)
    if said is None:
        raise _not_found(request)
    return showing.File(said.media_url, said.received_at) if said.media_url else None


async def _sent_file(tx: Transaction, world: World, known: Known, message_id: int) -> showing.File | None:
    found = await showing.standings(tx, known.account.workspace_id, [message_id])
    message = found[message_id].message
    url = showing.picture_of(world, message)
    return showing.File(url, message.created_at) if url else None


@spoken(f"GET {MESSAGES}", "messages:read", "List messages")
async def list_messages(request: Call, known: Known) -> Sent:
    """The newest of the account that fit."""
    world, query = _desk(request).world, request.scope["query_string"]
    wanted = asking.read_search(query, known.account.settings)
    found = await world.ground.db.read(_search, world, known, wanted)
    given = dict(parse_qsl(query.decode("latin-1"), keep_blank_values=True))
    return _answer(showing.listed(known.account, found, given, wanted))


async def _search(tx: Transaction, world: World, known: Known, wanted: Search) -> list[Document]:
    account = known.account
    contact_ids: list[int] = []
    if wanted.to:
        owners = await contacts.ids_by_address(tx, account.workspace_id, AddressKind.PHONE, [wanted.to])
        contact_ids = list(owners.values())
    least = earliest(wanted.since) if wanted.since else 0
    newest = min(NEWEST, earliest(wanted.until)) if wanted.until < 1 << 62 else NEWEST
    before = min(newest, wanted.before or NEWEST)
    came = await store.page(tx, account.workspace_id, account.id, wanted, max(0, least), before, contact_ids)
    found = await showing.standings(tx, account.workspace_id, [one.message_id for one in came])
    return [showing.shown(world, account, one, found[one.message_id]) for one in came]


def _message_id(request: Call, known: Known) -> int:
    name = edge.text_in_path(request, "name").removesuffix(".json")
    found = rules.read_message_sid(name)
    if found is None or found[0] != known.account.id:
        raise _not_found(request)
    return found[1]


async def _came(request: Call, known: Known) -> Came:
    message_id = _message_id(request, known)
    db = _desk(request).world.ground.db
    came = await db.read(store.came, known.account.workspace_id, known.account.id, message_id)
    if came is None:
        raise _not_found(request)
    return came


def _not_found(request: Call) -> Refusal:
    return Refusal(20404, f"The requested resource {request.scope['path'][:200]} was not found", 404)


HANDLERS = (
    create_message,
    list_messages,
    get_message,
    change_message,
    delete_message,
    list_media,
    get_media,
)

"""The JSON edge of lines, of lending them, and of the channels they are on. Secrets never come out."""

from __future__ import annotations

from typing import cast

import msgspec

from angarium.accounts import edge
from angarium.accounts.edge import Call, JsonAnswer, Operation, Page, route
from angarium.accounts.reach import require_classes, require_every_line, require_line
from angarium.channels import load
from angarium.core import ids
from angarium.core.clock import iso
from angarium.core.decoding import Shape
from angarium.core.ports import Capabilities, Channel, secret_fields
from angarium.core.values import Hours, Json, MessageClass, amount_text
from angarium.lines import flows
from angarium.lines.edge import within_reach
from angarium.lines.rules import LineInput
from angarium.lines.store import Guest, Lent, Line, Loan
from angarium.storage.database import Transaction

LINE = Shape(LineInput, secret=("settings",))


class LineShown(msgspec.Struct, frozen=True, kw_only=True):
    """A line. Its secrets are masked; a mask that is sent back keeps what is there."""

    id: str
    name: str
    channel: str
    settings: Json
    classes: list[MessageClass]
    requirement: str  # what kind of line it is: `GET /v1/registration-requirements`
    registration: str  # the state of its registrations in one word
    approved: list[MessageClass]  # of its classes, those that may go now
    patterned: list[MessageClass]  # classes whose text must fit an approved pattern
    enabled: bool
    speed_per_s: float
    window: int
    hours: Hours | None
    price: str
    price_per: str
    currency: str
    tariff: str
    weight: int
    only_to: list[str]
    never_to: list[str]
    state: str  # how its connection is, or why it has none
    callback_path: str  # where its provider posts receipts; whoever knows it can post there
    recorded_until: str | None  # all that is said on it is kept until then; null: only what goes wrong
    version: int
    created_at: str
    updated_at: str


class GuestShown(msgspec.Struct, frozen=True, kw_only=True):
    """A workspace that a line is lent to."""

    workspace: str
    state: Loan  # offered: it has not taken it
    updated_at: str


class LentShown(msgspec.Struct, frozen=True, kw_only=True):
    """A line of another workspace, as those know it who may send on it: nothing of how it is connected."""

    id: str
    name: str  # what a step or a message calls it
    owner: str
    channel: str
    classes: list[MessageClass]
    hours: Hours | None
    price: str
    price_per: str
    currency: str
    state: Loan  # offered: nothing goes on it until it is taken
    sends: bool  # it is enabled and approved


class ChannelShown(msgspec.Struct, frozen=True, kw_only=True):
    """A kind of transport: what it can do, and what a line on it needs to be told."""

    kind: str
    title: str
    address_kind: str
    capabilities: Capabilities
    settings: Json  # JSON Schema; a property that is a secret has `"writeOnly": true`


EXAMPLE = {
    "name": "viber-main",
    "channel": "viber_business",
    "settings": {"api_key": "…", "sender": "Shop"},
    "classes": ["transactional", "service"],
    "registration": "approved",
    "speed_per_s": 50.0,
    "price": "0.0385",
    "price_per": "message",
    "currency": "EUR",
}
SHOWN_EXAMPLE = LineShown(
    id="lin_05a58xarj0000",
    name="viber-main",
    channel="viber_business",
    settings={"api_key": flows.MASK, "sender": "Shop"},
    classes=[MessageClass.SERVICE, MessageClass.TRANSACTIONAL],
    requirement="viber-sender",
    registration="approved",
    approved=[MessageClass.SERVICE, MessageClass.TRANSACTIONAL],
    patterned=[],
    enabled=True,
    speed_per_s=50.0,
    window=10,
    hours=None,
    price="0.0385",
    price_per="message",
    currency="EUR",
    tariff="gms-2026",
    weight=1,
    only_to=["UA"],
    never_to=[],
    state="ready: 0 of 10 under way",
    callback_path="/callbacks/2a8e9dd5d00000/0f1e2d3c4b5a69788796a5b4c3d2e1f0",
    recorded_until=None,
    version=1,
    created_at="2026-11-23T08:30:00.000Z",
    updated_at="2026-11-23T08:30:00.000Z",
)
LENT_EXAMPLE = LentShown(
    id="lin_05a58xarj0000",
    name="holding/viber-main",
    owner="holding",
    channel="viber_business",
    classes=[MessageClass.SERVICE, MessageClass.TRANSACTIONAL],
    hours=None,
    price="0.0385",
    price_per="message",
    currency="EUR",
    state=Loan.TAKEN,
    sends=True,
)
GUEST_EXAMPLE = GuestShown(
    workspace="ws_05a58xarj0001", state=Loan.OFFERED, updated_at="2026-11-23T08:30:00.000Z"
)


@route(
    "GET /v1/lines",
    Operation(
        summary="List the lines",
        scope="setup:read",
        asks=edge.PAGE,
        gives=Page[LineShown],
        answer_example=Page([SHOWN_EXAMPLE]),
    ),
)
async def list_lines(request: Call) -> JsonAnswer:
    """Every line, oldest first."""
    query = edge.PAGE.read_query(request.scope["query_string"])
    found = await flows.everything(edge.ground_of(request), request.auth.workspace_id)
    lines, following = edge.piece(found, query, lambda line: line.id)
    states = _states(request)
    now = edge.ground_of(request).clock.now()
    return edge.answer(request, Page([shown(line, states, now) for line in lines], following))


@route(
    "POST /v1/lines",
    Operation(
        summary="Create a line",
        detail="`GET /v1/channels` tells the settings of each channel. A line sends the classes that its"
        " registrations allow. Where its kind demands no documents, `registration: approved` declares it"
        " approved, in your name.",
        scope="setup:write",
        takes=LINE,
        gives=LineShown,
        status=201,
        once=True,
        example=EXAMPLE,
        answer_example=SHOWN_EXAMPLE,
    ),
)
async def create_line(request: Call) -> JsonAnswer:
    """A new line."""
    body = await edge.read_body(request)
    given, ground = LINE.read(body), edge.ground_of(request)
    workspace_id, actor = request.auth.workspace_id, request.auth.actor
    require_every_line(request.auth.reach, "making a line")
    require_classes(request.auth.reach, given.classes)

    async def work(tx: Transaction) -> LineShown:
        made = await flows.new_line(tx, ground, workspace_id, given, actor)
        return shown(made, {}, ground.clock.now())

    answer = await edge.once(request, body, work, taken=flows.taken(given.name))
    ground.fabric.wake(flows.TOPIC)
    return answer


@route(
    "GET /v1/lines/{line_id}",
    Operation(
        summary="Look at a line",
        scope="setup:read",
        gives=LineShown,
        problems=(404,),
        answer_example=SHOWN_EXAMPLE,
    ),
)
async def get_line(request: Call) -> JsonAnswer:
    """One line."""
    line_id = edge.id_in_path(request, "line")
    line = await flows.get(edge.ground_of(request), request.auth.workspace_id, line_id)
    return edge.answer(request, shown(line, _states(request), edge.ground_of(request).clock.now()))


@route(
    "PUT /v1/lines/{line_id}",
    Operation(
        summary="Change a line",
        detail="The whole line as it is to be; what is left out takes its default. Secrets that are left out,"
        " or sent as they are shown, stay. So do channel, kind and registrations.",
        scope="setup:write",
        takes=LINE,
        gives=LineShown,
        problems=(404,),
        example=EXAMPLE,
        answer_example=SHOWN_EXAMPLE,
    ),
)
async def change_line(request: Call) -> JsonAnswer:
    """The line as it is described now."""
    line_id = edge.id_in_path(request, "line")
    given, caller = LINE.read(await edge.read_body(request)), request.auth
    await within_reach(request, line_id)
    require_classes(caller.reach, given.classes)
    line = await flows.change(edge.ground_of(request), caller.workspace_id, line_id, given, caller.actor)
    return edge.answer(request, shown(line, _states(request), edge.ground_of(request).clock.now()))


@route(
    "DELETE /v1/lines/{line_id}",
    Operation(
        summary="Delete a line",
        detail="What was sent on it stays in the history.",
        scope="setup:write",
        status=204,
        problems=(404,),
    ),
)
async def delete_line(request: Call) -> JsonAnswer:
    """No line any more."""
    line_id = edge.id_in_path(request, "line")
    await within_reach(request, line_id)
    await flows.delete(edge.ground_of(request), request.auth.workspace_id, line_id, request.auth.actor)
    return edge.nothing(request)


@route(
    "GET /v1/lines/{line_id}/guests",
    Operation(
        summary="List whom a line is lent to",
        scope="setup:read",
        gives=Page[GuestShown],
        problems=(404,),
        answer_example=Page([GUEST_EXAMPLE]),
    ),
)
async def list_guests(request: Call) -> JsonAnswer:
    """Every workspace that the line is offered to or that has taken it."""
    line_id = edge.id_in_path(request, "line")
    found = await flows.guests_of(edge.ground_of(request), request.auth.workspace_id, line_id)
    return edge.answer(request, Page([shown_guest(guest) for guest in found]))


@route(
    "PUT /v1/lines/{line_id}/guests/{workspace_id}",
    Operation(
        summary="Lend a line to another workspace",
        detail="The workspace has to take it before anything of it goes on the line. It never sees the line's"
        " settings. The id of a workspace is the middle part of each of its API keys, after `ws_`.",
        scope="setup:write",
        gives=GuestShown,
        problems=(404, 422),
        answer_example=GUEST_EXAMPLE,
    ),
)
async def lend_line(request: Call) -> JsonAnswer:
    """The line is offered."""
    line_id, guest_id = edge.id_in_path(request, "line"), edge.id_in_path(request, "workspace")
    ground, caller = edge.ground_of(request), request.auth
    await within_reach(request, line_id)
    guest = await flows.lend(ground, caller.workspace_id, line_id, guest_id, caller.actor)
    return edge.answer(request, shown_guest(guest))


@route(
    "DELETE /v1/lines/{line_id}/guests/{workspace_id}",
    Operation(
        summary="Take a line back",
        detail="Nothing new of the guest goes on it; what waits for it goes on to its next step. Receipts"
        " of what has gone out still reach the guest.",
        scope="setup:write",
        status=204,
        problems=(404,),
    ),
)
async def take_line_back(request: Call) -> JsonAnswer:
    """The line is lent no more."""
    line_id, guest_id = edge.id_in_path(request, "line"), edge.id_in_path(request, "workspace")
    ground, caller = edge.ground_of(request), request.auth
    await within_reach(request, line_id)
    await flows.take_back(ground, caller.workspace_id, line_id, guest_id, caller.actor)
    return edge.nothing(request)


@route(
    "GET /v1/lent-lines",
    Operation(
        summary="List the lines that others lend",
        scope="setup:read",
        gives=Page[LentShown],
        answer_example=Page([LENT_EXAMPLE]),
    ),
)
async def list_lent(request: Call) -> JsonAnswer:
    """Every line of another workspace that is offered or taken."""
    found = await flows.lent_to(edge.ground_of(request), request.auth.workspace_id)
    return edge.answer(request, Page([shown_lent(one) for one in found]))


@route(
    "PUT /v1/lent-lines/{line_id}",
    Operation(
        summary="Take a line that another workspace offers",
        detail="From now on messages may go over it, and whoever owns it sees them at the provider.",
        scope="setup:write",
        gives=LentShown,
        problems=(404,),
        answer_example=LENT_EXAMPLE,
    ),
)
async def take_lent(request: Call) -> JsonAnswer:
    """The line can be used."""
    line_id = edge.id_in_path(request, "line")
    caller = request.auth
    require_line(caller.reach, line_id)
    lent = await flows.take(edge.ground_of(request), caller.workspace_id, line_id, caller.actor)
    return edge.answer(request, shown_lent(lent))


@route(
    "DELETE /v1/lent-lines/{line_id}",
    Operation(
        summary="Give a line back, or refuse it",
        scope="setup:write",
        status=204,
        problems=(404,),
    ),
)
async def give_lent_back(request: Call) -> JsonAnswer:
    """The line is used no more."""
    line_id = edge.id_in_path(request, "line")
    require_line(request.auth.reach, line_id)
    await flows.give_back(edge.ground_of(request), request.auth.workspace_id, line_id, request.auth.actor)
    return edge.nothing(request)


@route(
    "GET /v1/channels",
    Operation(
        summary="List the channels",
        detail="Each kind of transport this server speaks: what it can do, and the settings of a line on it.",
        scope="setup:read",
        gives=Page[ChannelShown],
    ),
)
async def list_channels(request: Call) -> JsonAnswer:
    """Every channel."""
    return edge.answer(request, Page([shown_channel(channel) for channel in load().values()]))


def shown(line: Line, states: dict[int, str], now: int) -> LineShown:
    """A line for the outside. `states`: how connections are, by line."""
    return LineShown(
        id=ids.show("line", line.id),
        name=line.name,
        channel=line.channel,
        settings=flows.shown_settings(line),
        classes=sorted(line.classes),
        requirement=line.requirement,
        registration=line.registration,
        approved=sorted(line.granted(now)),
        patterned=sorted(line.patterned),
        enabled=line.enabled,
        speed_per_s=line.speed_per_s,
        window=line.window_max,
        hours=line.hours,
        price=amount_text(line.price_micros),
        price_per=line.price_per,
        currency=line.currency,
        tariff=line.tariff,
        weight=line.weight,
        only_to=list(line.only_to),
        never_to=list(line.never_to),
        state=_state(line, states),
        callback_path=line.callback_path,
        recorded_until=iso(line.recorded_until) if line.recorded_until > now else None,
        version=line.version,
        created_at=iso(line.created_at),
        updated_at=iso(line.updated_at),
    )


def shown_guest(guest: Guest) -> GuestShown:
    """Whom a line is lent to, for the outside."""
    return GuestShown(
        workspace=ids.show("workspace", guest.workspace_id),
        state=guest.state,
        updated_at=iso(guest.updated_at),
    )


def shown_lent(lent: Lent) -> LentShown:
    """A line of another workspace, for the outside."""
    line = lent.line
    return LentShown(
        id=ids.show("line", line.id),
        name=lent.name,
        owner=lent.owner,
        channel=line.channel,
        classes=sorted(line.classes),
        hours=line.hours,
        price=amount_text(line.price_micros),
        price_per=line.price_per,
        currency=line.currency,
        state=lent.state,
        sends=line.enabled and line.approved,
    )


def shown_channel(channel: Channel) -> ChannelShown:
    """A channel for the outside."""
    return ChannelShown(
        kind=channel.kind,
        title=channel.title,
        address_kind=channel.address_kind.value,
        capabilities=channel.capabilities,
        settings=_schema(channel),
    )


def _states(request: Call) -> dict[int, str]:
    """How the connections of this machine are, if it has any: a service of the application."""
    states = request.scope["litestar_app"].state.get("line_states")
    return cast("dict[int, str]", states()) if states else {}


def _state(line: Line, states: dict[int, str]) -> str:
    if not line.enabled:
        return "off: it is not enabled"
    if not line.approved:
        return f"off: its registration is {line.registration}"
    return states.get(line.id, "not connected on this machine")


def _schema(channel: Channel) -> Json:
    """The settings of a channel as a JSON Schema of their own, secrets marked."""
    parts: dict[str, Json] = msgspec.json.schema(channel.settings)["$defs"]
    schema = parts.pop(channel.settings.__name__)
    for name in secret_fields(channel.settings):
        schema["properties"][name]["writeOnly"] = True
    return schema | ({"$defs": parts} if parts else {})


HANDLERS = (
    list_lines,
    create_line,
    get_line,
    change_line,
    delete_line,
    list_guests,
    lend_line,
    take_line_back,
    list_lent,
    take_lent,
    give_lent_back,
    list_channels,
)

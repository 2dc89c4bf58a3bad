"""The HTML edge of lines as they do: the list, the page of one line, its test message, what it costs."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, cast
from urllib.parse import urlencode

import msgspec

from angarium.accounts import edge
from angarium.accounts import flows as accounts
from angarium.accounts.edge import Call, Operation, Sent, route
from angarium.accounts.pages import HtmlAnswer, form_of, problem_told, redirect, wrong_of
from angarium.accounts.reach import require_line
from angarium.contacts import named
from angarium.contacts.flows import AddressGiven, Recipient
from angarium.contacts.rules import BadAddress, clean_address
from angarium.core import ids
from angarium.core.decoding import Shape
from angarium.core.ports import Profile
from angarium.core.problems import Problem, invalid
from angarium.core.values import AddressKind, Content, MessageClass, amount_text
from angarium.lines import flows as line_flows
from angarium.lines import store as line_store
from angarium.lines import tariffs_store
from angarium.lines.edge import within_reach
from angarium.lines.store import Line
from angarium.lines.tallies import Tally
from angarium.messaging import balances, balances_api, exchanges, health, health_api, pricing, provider, story
from angarium.messaging.accept import MessageInput, Order
from angarium.messaging.api import Desk
from angarium.messaging.balances import Watched
from angarium.messaging.pages import names_in
from angarium.messaging.recording import HOURS, LINE_TEST
from angarium.messaging.states import MessageState
from angarium.messaging.store import balances as balance_store
from angarium.messaging.store.balances import Balance
from angarium.messaging.timeline import MESSAGE_TONES, timeline
from angarium.messaging.world import World
from angarium.storage.database import Transaction

Document = dict[str, Any]
TEXT_MAX = 1_600

Text = Annotated[str, msgspec.Meta(max_length=300)]


class LineQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What has just been done; and the test message that is followed, by its id."""

    done: Text = ""
    test: Text = ""


class CostQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A message that is to be priced."""

    to: Text = ""
    message_class: Text = msgspec.field(name="class", default="")
    text: Annotated[str, msgspec.Meta(max_length=TEXT_MAX)] = ""


class Standing(msgspec.Struct, frozen=True):
    """How a line is: a word for it, whether that is good, and what the connection says."""

    word: str  # of `line_state` among the words of pages
    tone: str
    detail: str = ""
    until: int | None = None


class Row(msgspec.Struct, frozen=True):
    """One line in the list."""

    line: Line
    id: str
    standing: Standing
    hour: Tally
    balance: Balance | None
    price: str


LINE, COST = Shape(LineQuery), Shape(CostQuery)


def _world(request: Call) -> World:
    return _desk(request).world


def _desk(request: Call) -> Desk:
    return cast("Desk", request.scope["litestar_app"].state.messages)


# ── the list ─────────────────────────────────────────────────────────────────────────────────────────


@route("GET /lines", Operation(summary="Lines", scope="setup:read", asks=LINE, page=True, alike=True))
async def list_lines(request: Call) -> Sent:
    """Every line of the workspace, and those that others lend it."""
    query = LINE.read_query(request.scope["query_string"])
    world, workspace_id = _world(request), request.auth.workspace_id
    rows = await world.ground.db.read(_rows, world, workspace_id)
    lent = await line_flows.lent_to(world.ground, workspace_id)
    facts = {
        "rows": rows,
        "lent": [{"id": ids.show("line", one.line.id), "lent": one} for one in lent],
        "titles": {kind: channel.title for kind, channel in world.channels.items()},
        "done": query.done,
    }
    return HtmlAnswer("messaging/lines.html", facts)


async def _rows(tx: Transaction, world: World, workspace_id: int) -> list[Row]:
    lines = await line_store.all_of(tx, workspace_id)
    now = world.ground.clock.now()
    heard = await health.windows(tx, workspace_id, [line.id for line in lines], now, ("1h",))
    left = await balance_store.all_of(tx, workspace_id)
    return [
        Row(
            line,
            ids.show("line", line.id),
            standing(world, line, now),
            heard[line.id]["1h"],
            left.get(line.id),
            amount_text(line.price_micros),
        )
        for line in sorted(lines, key=lambda one: one.name)
    ]


def standing(world: World, line: Line, now: int) -> Standing:
    """How a line is now, as this machine knows it; the first thing that keeps it from working."""
    if not line.enabled:
        return Standing("off", "quiet")
    if not line.granted(now):
        return Standing("not_approved", "doubt")
    connected, waiting = world.is_up(line.id), world.why_waiting(line.id)
    if connected is None and waiting is None:
        return Standing("elsewhere", "quiet")
    if connected and waiting is None:
        return Standing("works", "good")
    detail, until = (waiting.why, waiting.until) if waiting else ("", None)
    if until is not None:
        return Standing("rests", "doubt", detail, until)
    return Standing("slow", "doubt", detail) if connected else Standing("connecting", "bad", detail)


# ── one line ─────────────────────────────────────────────────────────────────────────────────────────


@route("GET /lines/{line_id}", Operation(summary="A line", scope="setup:read", asks=LINE, page=True))
async def show_line(request: Call) -> Sent:
    """How it does, what it says of itself, and a message to try it."""
    return await _page(request, await _line(request), {}, None)


async def _page(
    request: Call,
    line: Line,
    typed: dict[str, str],
    problem: Problem | None,
    profile: Profile | None = None,
) -> HtmlAnswer:
    asked = request.scope["method"] == "GET"
    query = LINE.read_query(request.scope["query_string"]) if asked else LineQuery()
    world, now = _world(request), _world(request).ground.clock.now()
    left = await balances.known(world, line, balances.EVERY_S)
    told = await world.ground.db.read(health_api.look, world, line, left)
    channel = world.channels.get(line.channel)
    facts = {
        "line": line,
        "line_id": ids.show("line", line.id),
        "title": channel.title if channel else line.channel,
        "address_kind": channel.address_kind.value if channel else AddressKind.PHONE.value,
        "standing": standing(world, line, now),
        "granted": sorted(line.granted(now)),
        "health": told,
        "balance": left,
        "able": provider.able(world, line),
        "profile": profile,
        "low_below": _low_below(left),
        "callback_url": world.callback_url(line),
        "callback_path": line.callback_path,
        "price": amount_text(line.price_micros),
        "recorded_until": line.recorded_until if line.recorded_until > now else 0,
        "recording_hours": HOURS,
        "test": await _followed(request, query.test) if "messages:read" in request.auth.scopes else None,
        "typed": typed,
        "problem": problem_told(problem),
        "wrong": wrong_of(problem),
        "done": query.done,
        "at": datetime.fromisoformat,
    }
    return HtmlAnswer("messaging/line.html", facts, status=problem.status if problem else 200)


def _low_below(left: Balance | None) -> str:
    if left is None or left.low_below_micros is None:
        return ""
    return amount_text(left.low_below_micros)


async def _line(request: Call) -> Line:
    line_id = edge.id_in_path(request, "line")
    return await line_flows.get(_world(request).ground, request.auth.workspace_id, line_id)


# ── a message to try it ──────────────────────────────────────────────────────────────────────────────


@route("POST /lines/{line_id}/test", Operation(summary="Try a line", scope="messages:write", page=True))
async def try_line(request: Call) -> Sent:
    """One message over this line alone; the page follows it to its end."""
    line, form, caller = await _line(request), form_of(request), request.auth
    require_line(caller.reach, line.id)
    world, desk, to = _world(request), _desk(request), form.get("to", "")
    if _kind(world, line) is AddressKind.PHONE:
        to = await world.ground.db.read(_phone, caller.workspace_id, to)
    try:
        message = MessageInput(
            to=Recipient(address=_address(world, line, to)),
            message_class=_class(form.get("class", "")),
            text=_text(form.get("text", "")),
            line=line.name,
            label=LINE_TEST,
            track=False,
        )
        answer = await desk.offer(Order(caller.workspace_id, (message,), batch=False, reach=caller.reach))
    except Problem as problem:
        return await _page(request, line, form, problem)
    made = msgspec.json.decode(answer.body)["id"]
    return redirect(f"/lines/{ids.show('line', line.id)}?test={made}#test")


def _address(world: World, line: Line, text: str) -> AddressGiven:
    kind = _kind(world, line)
    try:
        return AddressGiven(kind, clean_address(kind, text.strip()))
    except BadAddress as error:
        raise invalid("to", error.problem, value=text, remedy=error.remedy) from None


def _kind(world: World, line: Line) -> AddressKind:
    channel = world.channels.get(line.channel)
    return channel.address_kind if channel else AddressKind.PHONE


async def _phone(tx: Transaction, workspace_id: int, text: str) -> str:
    zone = (await accounts.workspace(tx, workspace_id)).time_zone
    return await named.phone(tx, workspace_id, text, zone)


def _class(text: str) -> MessageClass:
    if text not in list(MessageClass):
        raise invalid("class", "is not a class", value=text, remedy="one of " + ", ".join(MessageClass))
    return MessageClass(text)


def _text(text: str) -> str:
    if not text.strip():
        raise invalid("text", "is empty", remedy="write a few words")
    if len(text) > TEXT_MAX:
        raise invalid("text", "is too long", value=len(text), remedy=f"at most {TEXT_MAX} characters")
    return text.strip()


async def _followed(request: Call, text: str) -> Document | None:
    """The test message that an address names, and what has become of it; None when it names none."""
    try:
        message_id = ids.read("message", text)
    except ValueError:
        return None
    world, workspace_id = _world(request), request.auth.workspace_id
    try:
        told = await world.ground.db.read(story.tell, world, workspace_id, message_id)
    except Problem:
        return None
    read = timeline(told, names_in(world, workspace_id))
    return {
        "id": text,
        "state": told["state"],
        "tone": MESSAGE_TONES[MessageState(told["state"])],
        "finished": told["finished"],
        "verdict": read.verdict,
        "events": read.events,
        "reason": told.get("reason", ""),
        "created_at": datetime.fromisoformat(told["created_at"]),
    }


# ── its account ──────────────────────────────────────────────────────────────────────────────────────


@route("POST /lines/{line_id}/balance", Operation(summary="Watch a balance", scope="setup:write", page=True))
async def watch_balance(request: Call) -> Sent:
    """From now on it is low below this amount."""
    line, form = await _line(request), form_of(request)
    await within_reach(request, line.id)
    world = _world(request)
    try:
        low = balances_api.amount_of(form.get("low_below", "").strip())
    except Problem as problem:
        return await _page(request, line, form, problem)
    before = await world.ground.db.read(balance_store.of, line.workspace_id, line.id)
    wanted = Watched(before.every_s if before else balances.EVERY_S, low)
    now = world.ground.clock.now()
    await world.ground.db.run(balances.watch, line, wanted, request.auth.actor, now)
    return redirect(f"/lines/{ids.show('line', line.id)}?done=watched")


# ── at the provider ──────────────────────────────────────────────────────────────────────────────────


@route(
    "POST /lines/{line_id}/provider/attach",
    Operation(summary="Tell the provider where to post", scope="setup:write", page=True),
)
async def attach(request: Call) -> Sent:
    """It posts here from now on; the page says so, or why not."""
    line = await _line(request)
    await within_reach(request, line.id)
    try:
        await provider.attach(_world(request), line, request.auth.actor)
    except Problem as problem:
        return await _page(request, line, {"asked": "attach"}, problem)
    return redirect(f"/lines/{ids.show('line', line.id)}?done=attached#provider")


@route(
    "POST /lines/{line_id}/provider/profile",
    Operation(summary="Ask who we are at the provider", scope="setup:read", page=True),
)
async def ask_profile(request: Call) -> Sent:
    """The line's page, with what the provider says just now."""
    line = await _line(request)
    await within_reach(request, line.id)
    try:
        told = await provider.profile(_world(request), line)
    except Problem as problem:
        return await _page(request, line, {"asked": "profile"}, problem)
    return await _page(request, line, {}, None, told)


@route(
    "POST /lines/{line_id}/provider/templates",
    Operation(summary="Fetch the provider's templates", scope="templates:write", page=True),
)
async def fetch_templates(request: Call) -> Sent:
    """Hear of each as it stands now."""
    line = await _line(request)
    await within_reach(request, line.id)
    try:
        await provider.fetch_templates(_world(request), line, request.auth.actor)
    except Problem as problem:
        return await _page(request, line, {"asked": "templates"}, problem)
    return redirect(f"/lines/{ids.show('line', line.id)}?done=fetched#provider")


# ── what is said on it ───────────────────────────────────────────────────────────────────────────────


@route("POST /lines/{line_id}/recording", Operation(summary="Record a line", scope="setup:write", page=True))
async def record_line(request: Call) -> Sent:
    """All that is said on it is recorded for some hours, or no more."""
    line, form = await _line(request), form_of(request)
    await within_reach(request, line.id)
    hours = form.get("hours", "")
    try:
        await exchanges.record(
            _world(request), line, int(hours) if hours.isdecimal() else -1, request.auth.actor
        )
    except Problem as problem:
        return await _page(request, line, form, problem)
    done = "recorded" if hours != "0" else "unrecorded"
    return redirect(f"/lines/{ids.show('line', line.id)}?done={done}#recording")


# ── what it costs ────────────────────────────────────────────────────────────────────────────────────


@route(
    "GET /lines/{line_id}/prices",
    Operation(summary="What a line costs", scope="setup:read", asks=COST, page=True),
)
async def prices(request: Call) -> Sent:
    """Its price, its tariff, and what a message would cost."""
    query = COST.read_query(request.scope["query_string"])
    line, world = await _line(request), _world(request)
    now = world.ground.clock.now()
    tariff = await world.ground.db.read(_tariff_id, line) if line.tariff else None
    facts: Document = {
        "line": line,
        "line_id": ids.show("line", line.id),
        "price": amount_text(line.price_micros),
        "tariff_id": tariff,
        "classes": sorted(line.classes) or list(MessageClass),
        "query": query,
        "quote": None,
        "problem": None,
        "wrong": {},
        "report": "/v1/costs?" + urlencode({"by": "line,destination"}),
    }
    try:
        if query.to:
            facts["quote"] = _quoted(world, line, query, now)
    except Problem as problem:
        facts |= {"problem": problem_told(problem), "wrong": wrong_of(problem)}
    return HtmlAnswer("messaging/line_prices.html", facts)


async def _tariff_id(tx: Transaction, line: Line) -> str:
    found = await tariffs_store.by_name(tx, line.workspace_id, line.tariff)
    return ids.show("tariff", found.id) if found else ""


def _quoted(world: World, line: Line, query: CostQuery, now: int) -> Document:
    address = _address(world, line, query.to)
    message_class = _class(query.message_class or MessageClass.SERVICE)
    channel = world.channels[line.channel]
    measure = channel.measure(world.settings(line), Content(text=query.text or "…"))
    quote = pricing.quote(world, line, message_class, address.value, measure.parts, now)
    return {
        "amount": amount_text(quote.micros),
        "currency": quote.currency,
        "parts": measure.parts,
        "encoding": measure.encoding,
        "to": address.value,
        "row": quote.row,
    }


HANDLERS = (
    list_lines,
    show_line,
    try_line,
    watch_balance,
    record_line,
    attach,
    ask_profile,
    fetch_templates,
    prices,
)

"""The HTML edge of cascades: the list, the builder with its prices, and what would become of one person."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, cast

import msgspec

from angarium.accounts import edge
from angarium.accounts.edge import Call, Operation, Sent, ground_of, id_in_path, route
from angarium.accounts.pages import Hit, HtmlAnswer, problem_told, redirect
from angarium.contacts.flows import Recipient
from angarium.content import editing
from angarium.content.store import samples
from angarium.content.store import versions as wordings
from angarium.core import ids
from angarium.core.called import by_family, names_of
from angarium.core.decoding import Shape
from angarium.core.problems import Problem, invalid
from angarium.core.values import Json, MessageClass, Reason, ReceiptStatus, amount_text
from angarium.lines.store import Line
from angarium.lines.tallies import ENOUGH
from angarium.messaging import building, cascade_uses, cascades, health, preview, steps
from angarium.messaging.accept import MessageInput
from angarium.messaging.api import Desk
from angarium.messaging.building import Cost, DraftCascade
from angarium.messaging.cascade import Step
from angarium.messaging.cascades import Advised, CascadeInput, Deletion
from angarium.messaging.pricing import quote
from angarium.messaging.retry import ACTIONS, Action
from angarium.messaging.store import cascades as store
from angarium.messaging.surroundings import meant
from angarium.messaging.way import lines_of
from angarium.messaging.world import World
from angarium.storage.database import Conflict, Transaction

WRITE = "setup:write"
PAGE = 50  # cascades on a page
OVERRIDABLE = [one.value for one in Reason if ACTIONS[one] is not Action.STOP]
NOTHING = "…"  # said in a dry run where no words were chosen


class ListQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which piece of the list."""

    cursor: Annotated[str, msgspec.Meta(max_length=100)] = ""
    done: Annotated[str, msgspec.Meta(max_length=100)] = ""


class Shown(msgspec.Struct, frozen=True):
    """A step as the pages tell of it."""

    key: str
    channel: str  # its kind; empty when its line is not known
    name: str  # of the channel or of the line
    line: bool
    success: str
    wait_s: float
    on: dict[str, str]
    hours: Any
    cost: Cost
    path: int | None
    warnings: list[str]
    wrong: list[str]
    successes: list[str]  # that its channel can report


LIST = Shape(ListQuery)


def _world(request: Call) -> World:
    return cast("Desk", request.scope["litestar_app"].state.messages).world


def _names(world: World, workspace_id: int) -> dict[str, str]:
    """What channels are called here."""
    return names_of(world.channels, {line.channel for line in world.lines.of(workspace_id)})


# ── the list ─────────────────────────────────────────────────────────────────────────────────────────


@route("GET /cascades", Operation(summary="Cascades", scope="setup:read", asks=LIST, page=True))
async def list_cascades(request: Call) -> Sent:
    """Every cascade, oldest first: its channels in order."""
    query, world = LIST.read_query(request.scope["query_string"]), _world(request)
    found = await cascades.everything(world.ground, world.channels, request.auth.workspace_id)
    after = edge.read_cursor(query.cursor)
    rest = [one for one in found if one.cascade.id > after]
    rows = [(one, shown_steps(world, request, one.cascade.steps, one)[0]) for one in rest[:PAGE]]
    facts = {
        "rows": [
            {
                "id": ids.show("cascade", one.cascade.id),
                "cascade": one.cascade,
                "steps": shown,
                "warned": len(one.warnings),
            }
            for one, shown in rows
        ],
        "newest": "/cascades" if query.cursor else "",
        "older": _after(rest[PAGE - 1]) if len(rest) > PAGE else "",
        "channels": _names(world, request.auth.workspace_id),
        "done": query.done,
    }
    return HtmlAnswer("messaging/cascades.html", facts)


def _after(one: Advised) -> str:
    return f"/cascades?cursor={edge.cursor_after(one.cascade.id)}"


# ── what a step is ───────────────────────────────────────────────────────────────────────────────────


def shown_steps(
    world: World,
    request: Call,
    found: Sequence[Step],
    advised: Advised | None = None,
    *,
    keys: Sequence[str] = building.KEYS,
    rates: dict[int, float] | None = None,
    message_class: MessageClass = MessageClass.SERVICE,
    wrong: dict[int, list[str]] | None = None,
) -> tuple[list[Shown], building.Sum]:
    """Steps with their prices, and what the whole comes to."""
    workspace_id = request.auth.workspace_id
    kinds = {line.name: line.channel for line in world.lines.of(workspace_id)}
    costs = [_cost(world, workspace_id, one, message_class, rates or {}) for one in found]
    whole = building.total(costs)
    problems = advised.warnings if advised else steps.warnings(found, world.channels, kinds)
    warned = building.wrong_by_step([(one.field, f"{one.problem}: {one.remedy}") for one in problems])
    return [
        Shown(
            key=keys[place],
            channel=steps.kind_of(one, kinds),
            name=one.line or one.channel,
            line=bool(one.line),
            success=one.success,
            wait_s=one.wait_s,
            on=one.on,
            hours=one.hours,
            cost=costs[place],
            path=whole.paths[place],
            warnings=warned.get(place, []),
            wrong=(wrong or {}).get(place, []),
            successes=_successes(world, steps.kind_of(one, kinds)),
        )
        for place, one in enumerate(found)
    ], whole


def _successes(world: World, kind: str) -> list[str]:
    """What counts as success on a channel: what it reports."""
    channel = world.channels.get(kind)
    reported = channel.capabilities.receipts if channel else frozenset(ReceiptStatus)
    return [word for word, wanted in steps.REPORTED_BY.items() if not wanted or wanted & reported]


def _cost(
    world: World, workspace_id: int, step: Step, message_class: MessageClass, rates: dict[int, float]
) -> Cost:
    """One part to anybody on the line that carries the class, the cheapest of several."""
    now = world.ground.clock.now()
    priced: list[tuple[int, Line, str]] = []
    for line in lines_of(world, workspace_id, step):
        if line.enabled and line.approved and message_class in line.classes:
            found = quote(world, line, message_class, "", 1, now)
            priced.append((found.micros, line, found.currency))
    if not priced:
        return Cost()
    micros, line, currency = min(priced, key=lambda one: one[0])
    billed = world.channels[line.channel].capabilities.billed_on
    return Cost(micros, currency, billed == "delivered", rates.get(line.id), known=True)


async def _rates(tx: Transaction, world: World, workspace_id: int) -> dict[int, float]:
    """The share of what was accepted that was delivered in the last day, by line, where enough was sent."""
    now = world.ground.clock.now()
    line_ids = [line.id for line in world.lines.of(workspace_id)]
    found = await health.windows(tx, workspace_id, line_ids, now, ("24h",))
    tallies = {line_id: one["24h"] for line_id, one in found.items()}
    return {
        line_id: min(one.delivered / one.accepted, 1.0)
        for line_id, one in tallies.items()
        if one.accepted >= ENOUGH
    }


# ── the builder ──────────────────────────────────────────────────────────────────────────────────────


@route("GET /cascades/new", Operation(summary="A new cascade", scope=WRITE, page=True))
async def new_cascade(request: Call) -> Sent:
    """A builder without a step."""
    return await _builder(request, DraftCascade(steps=[]))


@route("GET /cascades/{cascade_id}", Operation(summary="A cascade", scope="setup:read", page=True))
async def show_cascade(request: Call) -> Sent:
    """The builder with its steps; who may not change them tries them all the same."""
    found = await _found(request)
    draft = building.of_steps(found.cascade.name, found.cascade.steps)
    return await _builder(request, draft, found)


async def _found(request: Call) -> Advised:
    world, cascade_id = _world(request), id_in_path(request, "cascade")
    return await cascades.get(world.ground, world.channels, request.auth.workspace_id, cascade_id)


async def _builder(
    request: Call, draft: DraftCascade, found: Advised | None = None, problem: Problem | None = None
) -> HtmlAnswer:
    """The form with a draft, and what was wrong with saving it."""
    world, workspace_id = _world(request), request.auth.workspace_id
    rates, templates = await world.ground.db.read(_around, world, workspace_id)
    asked = cascade_uses.asked_by(request) if cascade_uses.may_see(request) else ()
    used = None
    if found is not None:
        now = world.ground.clock.now()
        used = await world.ground.db.read(cascade_uses.of, workspace_id, found.cascade, asked, now)
    lines = [line for line in world.lines.of(workspace_id) if line.enabled]
    kinds = {line.channel for line in lines}
    facts = {
        **_drawn(request, draft, rates, problem),
        "draft": draft,
        "cascade_id": ids.show("cascade", found.cascade.id) if found else "",
        "updated_at": found.cascade.updated_at if found else 0,
        "used": used,
        "problem": problem_told(problem),
        "wrong": {one.field: f"{one.problem}. {one.remedy}" for one in problem.fields} if problem else {},
        "at_hand": [kind for kind in world.channels if kind in kinds],
        "others": by_family([one for kind, one in world.channels.items() if kind not in kinds]),
        "lines": [(line.name, line.channel) for line in lines],
        "templates": templates,
        "classes": [one.value for one in MessageClass],
        "reasons": OVERRIDABLE,
        "actions": [one.value for one in Action],
        "may_write": WRITE in request.auth.scopes,
        "full": len(draft.steps) >= steps.STEPS_MAX,
    }
    return HtmlAnswer("messaging/cascade.html", facts, status=422 if problem else 200)


def _drawn(
    request: Call, draft: DraftCascade, rates: dict[int, float], problem: Problem | None = None
) -> dict[str, Any]:
    """What is told of a draft while it changes."""
    world = _world(request)
    kinds = {line.name: line.channel for line in world.lines.of(request.auth.workspace_id)}
    settled, found = steps.settle(building.steps_of(draft), world.channels, kinds)
    fields = problem.fields if problem else found
    wrong = building.wrong_by_step([(one.field, f"{one.problem}: {one.remedy}") for one in fields])
    shown, whole = shown_steps(
        world,
        request,
        settled,
        keys=[one.key for one in draft.steps],
        rates=rates,
        message_class=_class(draft),
        wrong=dict(wrong),
    )
    amounts = [None if one is None else amount_text(one) for one in whole.paths]
    return {
        "shown": shown,
        "sum": whole,
        "amounts": amounts,
        "expected": None if whole.expected is None else amount_text(whole.expected),
        "price_of": lambda cost: amount_text(cost.micros),
        "channels": _names(world, request.auth.workspace_id),
    }


def _class(draft: DraftCascade) -> MessageClass:
    known = draft.message_class in set(MessageClass)
    return MessageClass(draft.message_class) if known else MessageClass.SERVICE


async def _around(tx: Transaction, world: World, workspace_id: int) -> tuple[dict[int, float], list[str]]:
    names = sorted(one.name for one in await wordings.all_of(tx, workspace_id))
    return await _rates(tx, world, workspace_id), names


# ── while it is built ────────────────────────────────────────────────────────────────────────────────


def _fields(request: Call) -> list[tuple[str, str]]:
    return cast("dict[str, list[tuple[str, str]]]", request.scope)["fields"]


@route("POST /cascades/estimate", Operation(summary="What a cascade comes to", scope="setup:read", page=True))
async def estimate(request: Call) -> Sent:
    """The pieces of the builder that tell of what is built."""
    draft, world = building.read(_fields(request)), _world(request)
    rates = await world.ground.db.read(_rates, world, request.auth.workspace_id)
    return HtmlAnswer("messaging/cascade_told.html", {**_drawn(request, draft, rates), "draft": draft})


@route("POST /cascades/dry-run", Operation(summary="Try a cascade", scope="messages:read", page=True))
async def dry_run(request: Call) -> Sent:
    """Which way a message to one contact would take, and why; nothing is sent."""
    draft, world = building.read(_fields(request)), _world(request)
    names = _names(world, request.auth.workspace_id)
    facts: dict[str, Any] = {"tried": None, "problem": None, "channels": names}
    try:
        facts["tried"] = await world.ground.db.read(_tried, request, world, draft)
    except Problem as problem:
        facts["problem"] = problem_told(problem)
    return HtmlAnswer("messaging/cascade_tried.html", facts)


async def _tried(tx: Transaction, request: Call, world: World, draft: DraftCascade) -> dict[str, Any]:
    workspace_id = request.auth.workspace_id
    text = draft.contact.strip()
    contact_id = await meant(tx, workspace_id, text) if text else None
    if contact_id is None:
        remedy = "the id, the phone, the address or your own id of a contact"
        raise invalid("contact", "there is no such contact", value=text, remedy=remedy)
    asked = MessageInput(
        to=Recipient(contact=ids.show("contact", contact_id)),
        message_class=None if draft.template else _class(draft),
        template=draft.template,
        text="" if draft.template else draft.text.strip() or NOTHING,
        variables=await _values(tx, workspace_id, draft.template) if draft.template else {},
        steps=building.steps_of(draft),
    )
    now = world.ground.clock.now()
    (found,) = await preview.preview(tx, world, workspace_id, [asked], now, request.auth.reach)
    if isinstance(found, Problem):
        raise found
    return found


async def _values(tx: Transaction, workspace_id: int, name: str) -> Json:
    """What a template is tried with, beside the contact: its test data, else an example for each name."""
    for one in await wordings.all_of(tx, workspace_id):
        if one.name == name:
            saved = await samples.of_template(tx, workspace_id, one.id)
            newest = (await wordings.versions(tx, workspace_id, one.id))[-1]
            there = saved[0].values if saved else editing.examples(newest.variants)
            return {key: value for key, value in there.items() if key != "contact"}
    return {}


# ── saving ───────────────────────────────────────────────────────────────────────────────────────────


@route("POST /cascades/new", Operation(summary="Make a cascade", scope=WRITE, page=True))
async def make_cascade(request: Call) -> Sent:
    """Whatever button of the builder was pressed."""
    return await _pressed(request, None)


@route("POST /cascades/{cascade_id}", Operation(summary="Save a cascade", scope=WRITE, page=True))
async def save_cascade(request: Call) -> Sent:
    """The same of one that is there; its steps become another version."""
    return await _pressed(request, await _found(request))


async def _pressed(request: Call, found: Advised | None) -> Sent:
    draft = building.read(_fields(request))
    what = dict(_fields(request)).get("do", "")
    if what != "save":
        building.pressed(draft, what)
        return await _builder(request, draft, found)
    try:
        await _save(request, draft, found)
    except Problem as problem:
        return await _builder(request, draft, found, problem)
    return redirect("/cascades?done=saved")


async def _save(request: Call, draft: DraftCascade, found: Advised | None) -> None:
    world, caller = _world(request), request.auth
    ground, given = world.ground, CascadeInput(draft.name.strip(), building.steps_of(draft))
    if found is not None:
        cascade_id = found.cascade.id
        await cascades.change(ground, world.channels, caller.workspace_id, cascade_id, given, caller.actor)
        return
    try:
        await ground.db.run(
            cascades.new_cascade, ground, world.channels, caller.workspace_id, given, caller.actor
        )
    except Conflict:
        raise cascades.taken(given.name) from None


@route("POST /cascades/{cascade_id}/delete", Operation(summary="Delete a cascade", scope=WRITE, page=True))
async def delete_cascade(request: Call) -> Sent:
    """Messages under way keep the steps they began with."""
    cascade_id, caller = id_in_path(request, "cascade"), request.auth
    how = Deletion(
        cascade_uses.asked_by(request),
        cascade_uses.may_see(request),
        even_if_called="even_if_called" in dict(_fields(request)),
    )
    await cascades.delete(ground_of(request), caller.workspace_id, cascade_id, caller.actor, how)
    return redirect("/cascades?done=deleted")


# ── the command bar ──────────────────────────────────────────────────────────────────────────────────


async def seek(tx: Transaction, workspace_id: int, text: str, few: int) -> list[Hit]:
    """Cascades by a piece of their name, or by their id."""
    wanted = text.casefold()
    return [
        Hit(
            f"/cascades/{ids.show('cascade', one.id)}",
            one.name,
            " → ".join(s.line or s.channel for s in one.steps),
        )
        for one in await store.all_of(tx, workspace_id)
        if wanted in one.name or wanted == ids.show("cascade", one.id)
    ][:few]


def _way(step: Step) -> str:
    return step.line or step.channel


HANDLERS = (
    list_cascades,
    new_cascade,
    show_cascade,
    estimate,
    dry_run,
    make_cascade,
    save_cascade,
    delete_cascade,
)

"""The HTML edge of segments: the list, one with its members, and the builder that counts while one builds."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Annotated, Any, cast
from urllib.parse import parse_qsl

import msgspec

from angarium.accounts import actors, edge
from angarium.accounts.edge import Call, Operation, Sent, ground_of, route
from angarium.accounts.pages import HtmlAnswer, form_of, problem_told, redirect
from angarium.contacts import fields
from angarium.contacts.activity import Event
from angarium.contacts.audience import Settled, count
from angarium.contacts.consent import PURPOSES
from angarium.contacts.fields import FieldDefinition
from angarium.contacts.segments import drafting, flows, store
from angarium.contacts.segments.drafting import Node
from angarium.contacts.segments.flows import SegmentInput
from angarium.contacts.segments.rules import OPERATORS, Property
from angarium.contacts.segments.store import Segment
from angarium.contacts.store import index
from angarium.core import ids
from angarium.core.called import names_of
from angarium.core.decoding import Shape
from angarium.core.ports import Channel
from angarium.core.problems import Problem
from angarium.core.values import AddressKind, MessageClass
from angarium.storage.database import Conflict, Transaction

# Ids, as they are shown, and names of what a room above makes of a segment.
Uses = Callable[[Transaction, int, int], Awaitable[Sequence[tuple[str, str]]]]
Named = Callable[[Transaction, int], Awaitable[Mapping[str, str]]]  # names of things by their ids, as shown
SUGGESTED = 20  # templates at once
Text = Annotated[str, msgspec.Meta(max_length=300)]


class SegmentsQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What has just been done."""

    done: Text = ""


QUERY = Shape(SegmentsQuery)


@route("GET /segments", Operation(summary="Segments", scope="contacts:read", asks=QUERY, page=True))
async def list_segments(request: Call) -> Sent:
    """All of them; each asks for its count when it is seen."""
    there = await flows.everything(ground_of(request), request.auth.workspace_id)
    facts = {
        "every": sorted(there, key=lambda one: one.name.casefold()),
        "used_by": {one.id: flows.users_of(one.id, there) for one in there},
        "done": QUERY.read_query(request.scope["query_string"]).done,
        "shown_id": partial(ids.show, "segment"),
    }
    return HtmlAnswer("contacts/segments.html", facts)


@route("GET /segments/{segment_id}/count", Operation(summary="A count", scope="contacts:read", page=True))
async def count_members(request: Call) -> Sent:
    """How many are in it now; a piece of a page."""
    one, ground = await _found(request), ground_of(request)
    settled = Settled(ground.clock.now(), one.id, one.version)
    found = await ground.db.read(count, request.auth.workspace_id, settled)
    return HtmlAnswer("contacts/segment_count.html", {"count": found})


@route(
    "GET /segments/{segment_id}", Operation(summary="A segment", scope="contacts:read", asks=QUERY, page=True)
)
async def show_segment(request: Call) -> Sent:
    """Its rules, how many meet them, who they are, and where it is used."""
    one, ground, workspace_id = await _found(request), ground_of(request), request.auth.workspace_id
    there = await flows.everything(ground, workspace_id)
    root = drafting.tree_of(one.rules)
    around = await ground.db.read(_around, request, one.id)
    meant = drafting.meant(root, around["defined"], around["template_names"])
    counted = await flows.count(ground, workspace_id, meant)
    facts = {
        **around,
        "one": one,
        "id": ids.show("segment", one.id),
        "root": root,
        "counts": dict(counted.each),
        "counted": counted,
        "users": flows.users_of(one.id, there),
        "campaigns": await _campaigns(request, one.id),
        "names": {ids.show("segment", each.id): each.name for each in there},
        "doers": await ground.db.read(actors.names, workspace_id),
        "done": QUERY.read_query(request.scope["query_string"]).done,
        "shown_id": partial(ids.show, "contact"),
        "shown_segment": partial(ids.show, "segment"),
    }
    return HtmlAnswer("contacts/segment.html", facts)


async def _campaigns(request: Call, segment_id: int) -> Sequence[tuple[str, str]]:
    """The campaigns that name a segment, for whoever may see them: a room above knows them."""
    uses = cast("Uses | None", request.scope["litestar_app"].state.get("segment_uses"))
    if uses is None or "messages:read" not in request.auth.scopes:
        return ()
    return await ground_of(request).db.read(uses, request.auth.workspace_id, segment_id)


async def _found(request: Call) -> Segment:
    segment_id = edge.id_in_path(request, "segment")
    return await flows.get(ground_of(request), request.auth.workspace_id, segment_id)


# ── the builder ──────────────────────────────────────────────────────────────────────────────────────


@route("GET /segments/new", Operation(summary="A new segment", scope="contacts:write", page=True))
async def new_segment(request: Call) -> Sent:
    """One rule to begin with."""
    root = Node(path=drafting.ROOT, kind="all", nodes=[drafting.fresh()])
    return await _builder(request, drafting.done(root, ""), "", None)


@route("POST /segments/draft", Operation(summary="Build a segment", scope="contacts:read", page=True))
async def draft_segment(request: Call) -> Sent:
    """The builder after a button, or after something was written; with its count. Nothing is kept."""
    form = form_of(request)
    root = drafting.done(drafting.read(form), form.get("do", ""))
    one = await _named(request, form.get("segment", ""))
    return await _builder(request, root, form.get("name", ""), one)


async def _named(request: Call, text: str) -> Segment | None:
    """The segment that is being changed; none when it is a new one."""
    if not text:
        return None
    try:
        return await flows.get(ground_of(request), request.auth.workspace_id, ids.read("segment", text))
    except ValueError:
        return None


@route("POST /segments/new", Operation(summary="Save a segment", scope="contacts:write", page=True))
async def create_segment(request: Call) -> Sent:
    """A segment more; or the builder with what is wrong."""
    form, ground, caller = form_of(request), ground_of(request), request.auth
    root = drafting.read(form)
    given = await _given(request, form, root)

    async def work(tx: Transaction) -> Segment:
        return await flows.create(tx, ground, caller.workspace_id, given, caller.actor)

    try:
        made = await ground.db.run(work)
    except Conflict:
        return await _builder(request, root, given.name, None, flows.taken(given.name))
    except Problem as problem:
        return await _builder(request, root, given.name, None, problem)
    return redirect(f"/segments/{ids.show('segment', made.id)}?done=created")


@route(
    "GET /segments/{segment_id}/edit", Operation(summary="Edit a segment", scope="contacts:write", page=True)
)
async def edit_segment(request: Call) -> Sent:
    """The builder with its rules."""
    one = await _found(request)
    return await _builder(request, drafting.tree_of(one.rules), one.name, one)


@route(
    "POST /segments/{segment_id}/edit",
    Operation(summary="Change a segment", scope="contacts:write", page=True),
)
async def change_segment(request: Call) -> Sent:
    """Other rules are a new version."""
    form, ground, caller, one = form_of(request), ground_of(request), request.auth, await _found(request)
    root = drafting.read(form)
    given = await _given(request, form, root)
    try:
        await flows.change(ground, caller.workspace_id, one.id, given, caller.actor)
    except Problem as problem:
        return await _builder(request, root, given.name, one, problem)
    return redirect(f"/segments/{ids.show('segment', one.id)}?done=changed")


async def _given(request: Call, form: Mapping[str, str], root: Node) -> SegmentInput:
    workspace_id = request.auth.workspace_id

    async def look(tx: Transaction) -> tuple[dict[str, FieldDefinition], Mapping[str, str]]:
        return await fields.definitions(tx, workspace_id), await _templates(tx, request)

    defined, templates = await ground_of(request).db.read(look)
    return SegmentInput(form.get("name", "").strip(), drafting.meant(root, defined, templates))


async def _templates(tx: Transaction, request: Call) -> Mapping[str, str]:
    """The templates that rules about messages name, for whoever may see them: another room knows them."""
    named = cast("Named | None", request.scope["litestar_app"].state.get("template_names"))
    if named is None or "setup:read" not in request.auth.scopes:
        return {}
    return await named(tx, request.auth.workspace_id)


@route(
    "GET /segments/templates",
    Operation(summary="Templates by a piece of their name", scope="contacts:read", page=True),
)
async def suggest_templates(request: Call) -> Sent:
    """What a field of the builder may be meant to name; it sends itself under whichever name it has."""
    query = parse_qsl(request.scope["query_string"].decode("latin-1"))
    text = next((value for name, value in query if name.endswith(":template")), "").strip().casefold()
    known = await ground_of(request).db.read(_templates, request)
    fitting = sorted(name for name in known.values() if text in name.casefold())
    return HtmlAnswer("contacts/template_options.html", {"fitting": fitting[:SUGGESTED]})


@route(
    "POST /segments/{segment_id}/delete", Operation(summary="No segment", scope="contacts:write", page=True)
)
async def delete_segment(request: Call) -> Sent:
    """No segment any more, unless another one names it."""
    segment_id = edge.id_in_path(request, "segment")
    await flows.delete(ground_of(request), request.auth.workspace_id, segment_id, request.auth.actor)
    return redirect("/segments?done=deleted")


async def _builder(
    request: Call, root: Node, name: str, one: Segment | None, problem: Problem | None = None
) -> Sent:
    ground, workspace_id = ground_of(request), request.auth.workspace_id
    around = await ground.db.read(_around, request, one.id if one else 0)
    rules = drafting.meant(root, around["defined"], around["template_names"])
    counted, unready = None, problem
    try:
        counted = await flows.count(ground, workspace_id, rules)
    except Problem as found:
        unready = problem or found
    facts = {
        **around,
        "one": one,
        "id": ids.show("segment", one.id) if one else "",
        "name": name,
        "root": root,
        "counted": counted,
        "counts": dict(counted.each) if counted else {},
        "told": _by_place(root, unready, saving=problem is not None) if unready else {},
        "problem": problem_told(problem),
        "name_wrong": next((each.problem for each in problem.fields if each.field == "name"), "")
        if problem
        else "",
        "shown_id": partial(ids.show, "contact"),
    }
    return HtmlAnswer("contacts/segment_form.html", facts, status=422 if problem else 200)


def _by_place(root: Node, problem: Problem, *, saving: bool) -> dict[str, str]:
    """What is wrong with each node, by its path: that of the innermost node whose place the problem is in.

    Of what nobody has written yet it is told when it is to be saved.
    """
    nodes = sorted(drafting.walk(root), key=lambda node: -len(node.place))
    told: dict[str, str] = {}
    for each in problem.fields:
        if not (saving or each.value):
            continue
        node = next((one for one in nodes if each.field.startswith(one.place)), root)
        told.setdefault(node.path, f"{each.problem}: {each.remedy}" if each.remedy else each.problem)
    return told


async def _around(tx: Transaction, request: Call, own_id: int) -> dict[str, Any]:
    """The catalogue that rules are built of."""
    workspace_id = request.auth.workspace_id
    there = await store.all_of(tx, workspace_id)
    defined = await fields.definitions(tx, workspace_id)
    had = await index.places(tx, workspace_id)
    channels = cast("Mapping[str, Channel]", request.scope["litestar_app"].state.get("channels", {}))
    usable = [one for one in there if one.id != own_id and not flows.named_in(one.rules)]
    return {
        "defined": defined,
        "field_names": _labelled(defined, had),
        "template_names": await _templates(tx, request),
        "properties": [one.value for one in Property],
        "address_kinds": [kind.value for kind in AddressKind],
        "purposes": PURPOSES,
        "classes": [one.value for one in MessageClass],
        "events": [one.value for one in Event],
        "channels": sorted(names_of(channels).items(), key=lambda one: one[1]),
        "segments": [(ids.show("segment", one.id), one.name) for one in usable],
        "leaves": drafting.LEAVES,
        "branches": drafting.BRANCHES,
        "kind_of": lambda node: drafting.kind_of(node, defined),
        "operators_of": drafting.operators_of,
        "takes": {operator.value: meaning.takes for operator, meaning in OPERATORS.items()},
    }


def _labelled(defined: Mapping[str, FieldDefinition], had: Mapping[str, int]) -> list[tuple[str, str]]:
    """The fields that are defined or that anybody has had, with what people call them."""
    labels = {name: one.label or name for name, one in defined.items()}
    return sorted({**{name: name for name in had}, **labels}.items(), key=lambda one: one[1].casefold())


HANDLERS = (
    suggest_templates,
    list_segments,
    new_segment,
    draft_segment,
    create_segment,
    show_segment,
    count_members,
    edit_segment,
    change_segment,
    delete_segment,
)

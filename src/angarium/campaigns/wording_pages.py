"""The HTML edge of what a draft says and by which way: what there is to choose from, how it would look."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

import msgspec

from angarium.accounts import edge
from angarium.accounts.edge import Call, Operation, Sent, route
from angarium.accounts.pages import HtmlAnswer
from angarium.campaigns import draft_form, flows, people
from angarium.campaigns.api import world_of
from angarium.campaigns.pages import Document, campaign_of, pairs_in
from angarium.campaigns.store import campaigns as store
from angarium.campaigns.wanted import CLASSES, CampaignInput, lacks
from angarium.contacts.imports import store as imports
from angarium.content import proof
from angarium.content.lint.subject import Sample
from angarium.content.preview import Row, Wanted
from angarium.content.rules import Variant, variables
from angarium.content.store import versions
from angarium.content.surroundings import Look, Person
from angarium.core import ids
from angarium.core.called import names_of
from angarium.core.problems import Problem
from angarium.core.values import Json
from angarium.messaging import wording
from angarium.messaging.cascade import Step
from angarium.messaging.store import cascades
from angarium.messaging.wording import Taken
from angarium.messaging.world import World
from angarium.storage.database import Transaction

OWN = ("contact", "unsubscribe_url")  # what each message brings itself
CODES_ARE_NONE = {one.value for one in CLASSES}


class Hop(msgspec.Struct, frozen=True):
    """A step of a way as it is shown."""

    channel: str
    title: str
    line: str
    success: str
    wait_s: float


class Needed(msgspec.Struct, frozen=True):
    """A variable of the words, and whether the file brings it."""

    name: str
    from_file: bool


class Shown(msgspec.Struct, frozen=True):
    """A template as it would be said by each channel of the way."""

    name: str
    message_class: str
    rows: Sequence[Row]


def channel_names(world: World, workspace_id: int) -> dict[str, str]:
    """What channels are called here."""
    return names_of(world.channels, {line.channel for line in world.lines.of(workspace_id)})


def look_of(request: Call) -> Look:
    """What knows what wording stands in."""
    return cast("Look", request.scope["litestar_app"].state.surroundings)


# ── what there is ────────────────────────────────────────────────────────────────────────────────────


async def choices(request: Call) -> Document:
    """Templates with words in force, and the ways to send."""
    world, workspace_id = world_of(request), request.auth.workspace_id
    now = world.ground.clock.now()
    return await world.ground.db.read(_choices, world, workspace_id, now)


async def _choices(tx: Transaction, world: World, workspace_id: int, now: int) -> Document:
    named = {one.name for one in await versions.all_of(tx, workspace_id)}
    there = await wording.taken(tx, world, workspace_id, named, now)
    called = channel_names(world, workspace_id)
    lines = [line for line in world.lines.of(workspace_id) if line.enabled and line.approved]
    kinds = sorted({line.channel for line in lines})
    return {
        "templates": [
            (one.name, one.message_class.value)
            for one in sorted(there.values(), key=lambda one: one.name)
            if one.version_id and one.message_class.value in CODES_ARE_NONE
        ],
        "cascades": [
            (one.name, [called[hop.channel] for hop in hops_of(world, workspace_id, one.steps)])
            for one in await cascades.all_of(tx, workspace_id)
        ],
        "channels": [(kind, called[kind]) for kind in kinds],
        "lines": [(line.name, called[line.channel]) for line in lines],
    }


def hops_of(world: World, workspace_id: int, steps: Sequence[Step]) -> list[Hop]:
    """The steps of a way; one whose line is gone is left out."""
    of_line = {line.name: line.channel for line in world.lines.of(workspace_id)}
    called = channel_names(world, workspace_id)
    found = []
    for step in steps:
        kind = step.channel or of_line.get(step.line, "")
        if kind in called:
            found.append(Hop(kind, called[kind], step.line, step.success, step.wait_s))
    return found


async def way_of(tx: Transaction, world: World, workspace_id: int, given: CampaignInput) -> list[Hop]:
    """By which steps a draft would go; none while nothing is chosen, or what is chosen is gone."""
    if given.cascade:
        there = await cascades.by_names(tx, workspace_id, {given.cascade})
        return hops_of(world, workspace_id, there[given.cascade].steps if there else ())
    if given.channel or given.line:
        return hops_of(world, workspace_id, (Step(channel=given.channel, line=given.line),))
    return []


# ── how it would look ────────────────────────────────────────────────────────────────────────────────


@route(
    "GET /campaigns/{campaign_id}/words/look",
    Operation(summary="How a draft would look", scope="messages:write", page=True),
)
async def look(request: Call) -> Sent:
    """What a form says, as phones would show it; a piece of its page."""
    one, pairs = await campaign_of(request), pairs_in(request)

    def fields(name: str) -> Sequence[str]:
        return [value for field, value in pairs if field == name]

    facts = await looked(request, flows.wanted(one), dict(pairs), draft_form.arms_typed(fields))
    return HtmlAnswer("campaigns/look.html", {**facts, "piece": True})


async def looked(
    request: Call, before: CampaignInput, form: Mapping[str, str], arms: Sequence[Mapping[str, str]]
) -> Document:
    """What a form says, for the piece of a page that shows it."""
    named = [arm["template"] for arm in arms] if form.get("kind") == "several" else [form.get("template", "")]
    way, _, name = form.get("way", "").partition(":")
    chosen = {each: name if each == way else "" for each in ("cascade", "channel", "line")}
    given = msgspec.structs.replace(before, **chosen)
    typed = draft_form.variables_in(before.variables, form)
    found = await edge.ground_of(request).db.run(_looked, request, given, [n for n in named if n], typed)
    called = channel_names(world_of(request), request.auth.workspace_id)
    return {**found, "typed": form, "called": called, "piece": False}


async def _looked(
    tx: Transaction, request: Call, given: CampaignInput, named: Sequence[str], typed: Json
) -> Document:
    world, workspace_id = world_of(request), request.auth.workspace_id
    now = world.ground.clock.now()
    hops = await way_of(tx, world, workspace_id, given)
    there = await wording.taken(tx, world, workspace_id, set(named), now)
    person, own = await _somebody(tx, request, given, now)
    from_file = await brought(tx, workspace_id, given)
    values = {**typed, **own, **({"contact": person.values} if person else {})}
    sample = Sample("", person.locale if person else "", values)
    order = [hop.channel for hop in hops]
    channels = frozenset(order)

    def rows(one: Taken) -> Sequence[Row]:
        wanted = Wanted(
            one.message_class,
            one.words.variants,
            one.words.default_locale,
            [sample],
            channels,
            person.addresses if person else {},
        )
        found = proof.rows(look_of(request), workspace_id, wanted) if channels else []
        return sorted(found, key=lambda row: order.index(row.channel))

    known = [there[name] for name in dict.fromkeys(named) if name in there and there[name].version_id]
    return {
        "hops": hops,
        "shown": [Shown(one.name, one.message_class.value, rows(one)) for one in known],
        "needed": [Needed(name, name in from_file) for name in _needed(known)],
        "nobody": person is None,
    }


def _needed(known: Sequence[Taken]) -> list[str]:
    """The variables that the words ask for, but for what each message brings itself."""
    names: set[str] = set()
    for one in known:
        variants: Sequence[Variant] = one.words.variants
        for variant in variants:
            names |= variables(variant.content)
    return sorted(name for name in names if name.partition(".")[0] not in OWN)


async def _somebody(
    tx: Transaction, request: Call, given: CampaignInput, now: int
) -> tuple[Person | None, Json]:
    """The first of those for whom it is, with variables of their own, for whoever may see contacts."""
    if "contacts:read" not in request.auth.scopes or any(one.field == "audience" for one in lacks(given)):
        return None, {}
    workspace_id = request.auth.workspace_id
    try:
        settled = await people.settle(tx, workspace_id, given.whom, now)
    except Problem:  # its segment was deleted: the first page says so
        return None, {}
    found = await people.window(tx, workspace_id, settled, 0)
    if not found.ids:
        return None, {}
    own = people.person(found.ids[0], found.variables.get(found.ids[0], "")).variables
    return await look_of(request).contact(tx, workspace_id, found.ids[0]), own


async def brought(tx: Transaction, workspace_id: int, given: CampaignInput) -> frozenset[str]:
    """The variables that the file brings for each of its people; who was not reached keeps them."""
    if given.of_campaign is not None:
        one = await store.by_id(tx, workspace_id, ids.read("campaign", given.of_campaign.campaign))
        return frozenset(people.columns_of(one.frozen) if one else ())
    if given.of_import is None:
        return frozenset()
    found = await imports.jobs.get(tx, workspace_id, ids.read("import", given.of_import.file))
    columns = found.mapping.columns if found else ()
    return frozenset(column.name for column in columns if column.to == "variable")


HANDLERS = (look,)

"""The HTML edge of one contact: who it is, all that has passed, what it agreed to, how it is reached, and its
end.

It stands here and not beside contacts because a profile tells of messages, and a withdrawal stops some.
"""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import Annotated, Any, cast

import msgspec

from angarium.accounts import actors, edge
from angarium.accounts.edge import Call, Operation, Sent, route
from angarium.accounts.pages import HtmlAnswer, form_of, problem_told, redirect, wrong_of
from angarium.contacts import fields, membership, merge_flows, suppression_list
from angarium.contacts import flows as contact_flows
from angarium.contacts.consent import CLASSES, PURPOSES, Choices, Scope, State, read_scope, said
from angarium.contacts.consent_ledger import Said
from angarium.contacts.store import Contact, consents, merges
from angarium.content import fetching
from angarium.core import ids
from angarium.core.decoding import Shape
from angarium.core.problems import FieldProblem, Problem, all_invalid
from angarium.core.values import MessageClass
from angarium.messaging import consenting, dossier, erasing, reachability_api
from angarium.messaging.api import Desk
from angarium.messaging.case import Case, wake
from angarium.messaging.consents_api import PROOF_MAX, WORD_MAX
from angarium.messaging.history import Passed, history
from angarium.messaging.pages import campaigns_among, names_in
from angarium.messaging.world import World
from angarium.storage.database import Transaction

PAGE = 30  # of the history
ENTRIES = 50  # of the ledger on a page
LIFTED_SHOWN = 20  # entries of the suppression list that were taken off
DOUBLES = 3  # that are suggested beside a profile
NEWEST = (1 << 63) - 1
ERASE_WORD = "erase"
Text = Annotated[str, msgspec.Meta(max_length=300)]


class ProfileQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which piece of what lies behind, and what has just been done."""

    cursor: Text = ""
    done: Text = ""


PROFILE = Shape(ProfileQuery)


def world_of(request: Call) -> World:
    """What the engine knows."""
    return cast("Desk", request.scope["litestar_app"].state.messages).world


async def person_in(request: Call) -> tuple[Contact, dict[str, Any]]:
    """The contact in the address, and what every page of one shows."""
    contact_id, query = edge.id_in_path(request, "contact"), PROFILE.read_query(request.scope["query_string"])
    found = await contact_flows.get(world_of(request).ground, request.auth.workspace_id, contact_id)
    shown_id = ids.show("contact", found.id)
    return found, {"contact": found, "id": shown_id, "done": query.done, "was_merged": found.id != contact_id}


# ── who, and what has passed ─────────────────────────────────────────────────────────────────────────


@route(
    "GET /contacts/{contact_id}",
    Operation(summary="A contact", scope="contacts:read", asks=PROFILE, page=True),
)
async def show_contact(request: Call) -> Sent:
    """One contact: who it is, and its history over every line."""
    found, facts = await person_in(request)
    world, workspace_id = world_of(request), request.auth.workspace_id
    query = PROFILE.read_query(request.scope["query_string"])
    place, names = edge.read_cursor(query.cursor), names_in(world, workspace_id)
    passed: list[Passed] = []
    following = 0
    if "messages:read" in request.auth.scopes:
        passed, following = await world.ground.db.read(
            history, world, names, workspace_id, found, place, PAGE
        )
    facts |= await world.ground.db.read(_around, world, workspace_id, found)
    path = f"/contacts/{facts['id']}"
    facts |= {
        "passed": passed,
        "campaigns": await campaigns_among(request, {one.label for one in passed}),
        "own_files": fetching.url(world.public_url, ""),  # what lies elsewhere may want a key, or be anything
        "newest": path if query.cursor else "",
        "older": f"{path}?cursor={edge.cursor_after(following)}" if following else "",
        "shown_segment": partial(ids.show, "segment"),
        "shown_id": partial(ids.show, "contact"),
        "shown_merge": partial(ids.show, "merge"),
    }
    return HtmlAnswer("contacts/person.html", facts)


async def _around(tx: Transaction, world: World, workspace_id: int, one: Contact) -> dict[str, Any]:
    """What is known of a contact beside itself and its history."""
    now, places = world.ground.clock.now(), [(each.kind, each.value) for each in one.addresses]
    defined = await fields.definitions(tx, workspace_id)
    listed = await suppression_list.entries_of(tx, world.ground.vault, workspace_id, places)
    joined = await merges.page(tx, workspace_id, one.id, 0, ENTRIES)
    own = {one.id, *(each.merged_id for each in joined if each.survivor_id == one.id and not each.undone_at)}
    doubles = await merge_flows.doubles_of(tx, workspace_id, one)
    return {
        "standing": (await membership.standings(tx, workspace_id, [one], now))[one.id],
        "suppressed": {
            value: [each for each in entries if not each.expires_at or each.expires_at > now]
            for (_, value), entries in listed.items()
        },
        "lifted": (await suppression_list.lifted(tx, workspace_id, own))[:LIFTED_SHOWN],
        "doers": await actors.names(tx, workspace_id),
        "shown_suppression": partial(ids.show, "suppression"),
        "values": [(defined.get(name), name, value) for name, value in one.fields.items()],
        "merges": [each for each in joined if not each.undone_at and each.survivor_id == one.id],
        "doubles": doubles[:DOUBLES],
        "line_names": {line.id: line.name for line in world.lines.of(workspace_id)},
    }


# ── what it agreed to ────────────────────────────────────────────────────────────────────────────────


@route(
    "GET /contacts/{contact_id}/consents",
    Operation(summary="What a contact agreed to", scope="contacts:read", asks=PROFILE, page=True),
)
async def show_consents(request: Call) -> Sent:
    """By class and channel, and the ledger with its proof."""
    return await _consents_page(request)


async def _consents_page(request: Call, problem: Problem | None = None) -> Sent:
    one, facts = await person_in(request)
    world, workspace_id = world_of(request), request.auth.workspace_id
    query, names = PROFILE.read_query(request.scope["query_string"]), names_in(world, workspace_id)
    place = edge.read_cursor(query.cursor) or NEWEST
    entries = await world.ground.db.read(consents.newest, workspace_id, one.id, place, ENTRIES + 1)
    kinds = sorted({line.channel for line in world.lines.of(workspace_id)} | _channels(one))
    choices, path = Choices(one.opted_out, one.opted_in), f"/contacts/{facts['id']}/consents"
    more = len(entries) > ENTRIES
    facts |= {
        "table": [(name, [_state(choices, name, kind) for kind in ("", *kinds)]) for name in CLASSES],
        "channels": [(kind, names.channel(kind)) for kind in kinds],
        "names": names,
        "doers": await world.ground.db.read(actors.names, workspace_id),
        "entries": entries[:ENTRIES],
        "purposes": PURPOSES,
        "newest": path if query.cursor else "",
        "older": f"{path}?cursor={edge.cursor_after(entries[ENTRIES - 1].id)}" if more else "",
        "problem": problem_told(problem),
        "wrong": wrong_of(problem),
        "typed": form_of(request) if problem else {},
    }
    return HtmlAnswer("contacts/consents.html", facts, status=422 if problem else 200)


def _channels(one: Contact) -> set[str]:
    """The channels of which anything was said."""
    return {read_scope(text).channel for text in one.opted_out | one.opted_in} - {""}


def _state(choices: Choices, name: str, channel: str) -> str:
    found = said(choices, MessageClass(name), channel)
    return found.value if found else ""


@route(
    "POST /contacts/{contact_id}/consents",
    Operation(summary="Write down what a contact said", scope="contacts:write", page=True),
)
async def record_consent(request: Call) -> Sent:
    """One entry more; what waits and is withdrawn is stopped at once."""
    one, facts = await person_in(request)
    world, caller, form = world_of(request), request.auth, form_of(request)
    stopped: list[Case] = []

    async def work(tx: Transaction) -> None:
        stopped.clear()
        _, cases = await consenting.record(tx, world, caller.workspace_id, _said(form, one.id), caller.actor)
        stopped.extend(cases)

    try:
        await world.ground.db.run(work)
    except Problem as problem:
        return await _consents_page(request, problem)
    wake(world, stopped)
    return redirect(f"/contacts/{facts['id']}/consents?done=said")


def _said(form: dict[str, str], contact_id: int) -> Said:
    """What the form says; a Problem names everything that is wrong with it."""
    purpose, channel, state = (form.get(name, "") for name in ("purpose", "channel", "state"))
    source, wording, proof = (form.get(name, "").strip() for name in ("source", "wording", "proof"))
    wrong = []
    if purpose not in PURPOSES:
        wrong.append(FieldProblem("purpose", "is not one", "one of " + ", ".join(PURPOSES), purpose))
    if state not in (State.GRANTED, State.WITHDRAWN):
        wrong.append(FieldProblem("state", "is missing", "granted or withdrawn", state))
    for name, text, least, most in (
        ("source", source, 1, WORD_MAX),
        ("wording", wording, 0, WORD_MAX),
        ("proof", proof, 0, PROOF_MAX),
    ):
        if not least <= len(text) <= most:
            wrong.append(
                FieldProblem(name, "is missing or too long", f"{least} to {most} characters", text[:80])
            )
    try:
        scope = read_scope(str(Scope(purpose, channel))) if not wrong else Scope("all")
    except ValueError:
        wrong.append(FieldProblem("channel", "is not one", "choose one of the list", channel[:80]))
    if wrong:
        raise all_invalid("What was said is not valid", tuple(wrong))
    told = {"note": proof} if proof else {}
    return Said(
        contact_id=contact_id, scope=scope, state=State(state), source=source, wording=wording, proof=told
    )


# ── how it is reached ────────────────────────────────────────────────────────────────────────────────


@route(
    "GET /contacts/{contact_id}/reachability",
    Operation(summary="How a contact is reached", scope="contacts:read", asks=PROFILE, page=True),
)
async def show_reachability(request: Call) -> Sent:
    """What cascades remember of it."""
    one, facts = await person_in(request)
    world, workspace_id = world_of(request), request.auth.workspace_id
    known = await reachability_api.remembered(world.ground, workspace_id, one.id)
    lines = {ids.show("line", line.id): line.name for line in world.lines.of(workspace_id)}
    facts |= {
        "known": known,
        "names": names_in(world, workspace_id),
        "line_names": lines,
        "at": datetime.fromisoformat,
    }
    return HtmlAnswer("contacts/reachability.html", facts)


@route(
    "POST /contacts/{contact_id}/reachability",
    Operation(summary="Forget how a contact was reached", scope="contacts:write", page=True),
)
async def forget_reachability(request: Call) -> Sent:
    """Every step is tried again."""
    one, facts = await person_in(request)
    ground, caller = world_of(request).ground, request.auth
    await ground.db.run(
        reachability_api.forget, caller.workspace_id, one.id, caller.actor, ground.clock.now()
    )
    return redirect(f"/contacts/{facts['id']}/reachability?done=forgotten")


# ── all that is known, and that it goes ──────────────────────────────────────────────────────────────


@route(
    "GET /contacts/{contact_id}/export",
    Operation(summary="Everything that is kept of a person", scope="contacts:erase", page=True),
)
async def export_person(request: Call) -> Sent:
    """The dossier, as a file."""
    world, workspace_id = world_of(request), request.auth.workspace_id
    one = await dossier.of_contact(world, workspace_id, edge.id_in_path(request, "contact"))
    name = f"{ids.show('contact', one.contact.id)}.json"
    return edge.Streamed(dossier.dossier(world, workspace_id, one), "application/json", name)


@route(
    "GET /contacts/{contact_id}/erase",
    Operation(summary="Erase a person", scope="contacts:erase", asks=PROFILE, page=True),
)
async def preview_erasure(request: Call) -> Sent:
    """What would go, and a word to be typed."""
    return await _erasure_page(request)


async def _erasure_page(request: Call, *, wrong: bool = False) -> Sent:
    one, facts = await person_in(request)
    found = await world_of(request).ground.db.read(erasing.preview, request.auth.workspace_id, one.id)
    facts |= {
        "gone": found.gone,
        "stays": found.messages_that_stay_counted,
        "wrong": wrong,
        "word": ERASE_WORD,
    }
    return HtmlAnswer("contacts/erase.html", facts, status=422 if wrong else 200)


@route(
    "POST /contacts/{contact_id}/erase",
    Operation(summary="Erase it for good", scope="contacts:erase", page=True),
)
async def erase_person(request: Call) -> Sent:
    """Nobody any more, if the word was typed."""
    if form_of(request).get("word", "").strip().lower() != ERASE_WORD:
        return await _erasure_page(request, wrong=True)
    one, _ = await person_in(request)
    done = await erasing.erase(world_of(request), request.auth.workspace_id, one.id, request.auth.actor)
    return HtmlAnswer("contacts/erased.html", {"gone": done.gone, "stays": done.messages_that_stay_counted})


HANDLERS = (
    show_contact,
    show_consents,
    record_consent,
    show_reachability,
    forget_reachability,
    export_person,
    preview_erasure,
    erase_person,
)

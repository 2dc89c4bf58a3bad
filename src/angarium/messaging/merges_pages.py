"""The HTML edge of merges: who may be one person, two side by side, and undo."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import msgspec

from angarium.accounts import edge
from angarium.accounts.edge import Call, Operation, Sent, ground_of, route
from angarium.accounts.pages import HtmlAnswer, form_of, problem_told, redirect
from angarium.contacts import fields, finding, merging
from angarium.contacts import flows as contact_flows
from angarium.contacts import merge_flows as flows
from angarium.contacts.likeness import likeness
from angarium.contacts.store import Contact
from angarium.core import ids
from angarium.core.decoding import Shape
from angarium.core.problems import Problem, invalid
from angarium.messaging.store.belongings import BELONGINGS
from angarium.storage.database import Transaction

LOOKED_AT = 40  # contacts for a page of suggestions: a tenth of a second, most of it numbers a slip away
WHY_MAX = 200
Text = Annotated[str, msgspec.Meta(max_length=300)]


class DoublesQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """From where on, and what has just been done."""

    cursor: Text = ""
    done: Text = ""


class PairQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """With whom; what somebody typed, or an id."""

    other: Text = msgspec.field(name="with", default="")


DOUBLES, PAIR = Shape(DoublesQuery), Shape(PairQuery)


@route(
    "GET /contacts/doubles",
    Operation(summary="Contacts that may be one person", scope="contacts:read", asks=DOUBLES, page=True),
)
async def list_doubles(request: Call) -> Sent:
    """Pairs among the next contacts, the likeliest first."""
    query = DOUBLES.read_query(request.scope["query_string"])
    after, ground = edge.read_cursor(query.cursor), ground_of(request)
    found, last = await ground.db.read(flows.suggestions, request.auth.workspace_id, after, LOOKED_AT)
    facts = {
        "pairs": found,
        "done": query.done,
        "newest": "/contacts/doubles" if query.cursor else "",
        "older": f"/contacts/doubles?cursor={edge.cursor_after(last)}" if last else "",
        "looked_at": LOOKED_AT,
        "shown_id": partial(ids.show, "contact"),
    }
    return HtmlAnswer("contacts/doubles.html", facts)


@route(
    "GET /contacts/{contact_id}/merge",
    Operation(summary="Two contacts side by side", scope="contacts:read", asks=PAIR, page=True),
)
async def compare(request: Call) -> Sent:
    """What each is, and what they would be; without a second one, whom to choose."""
    return await _pair_page(request, PAIR.read_query(request.scope["query_string"]).other.strip())


async def _pair_page(request: Call, named: str, problem: Problem | None = None) -> Sent:
    ground, workspace_id = ground_of(request), request.auth.workspace_id
    one = await contact_flows.get(ground, workspace_id, edge.id_in_path(request, "contact"))
    other = await ground.db.read(_other, workspace_id, named, one.id) if named else None
    doubles = await ground.db.read(flows.doubles_of, workspace_id, one)
    defined = await ground.db.read(fields.definitions, workspace_id)
    names = sorted({*one.fields, *(other.fields if other else ())})
    facts = {
        "one": one,
        "other": other,
        "with_text": named,
        "likeness": likeness(flows.traits(one), flows.traits(other)) if other else None,
        "made": merging.joined(one, other, ground.clock.now()) if other else None,
        "names": [(name, defined.get(name)) for name in names],
        "doubles": doubles,
        "shown_id": partial(ids.show, "contact"),
        "problem": problem_told(problem),
    }
    return HtmlAnswer("contacts/merge.html", facts, status=422 if problem else 200)


async def _other(tx: Transaction, workspace_id: int, named: str, own_id: int) -> Contact | None:
    """Whom somebody means, if it is one contact and another one."""
    found = await finding.seek(tx, workspace_id, named, 2)
    others = [each for each in found if each.id != own_id]
    return others[0] if len(others) == 1 else None


@route("POST /contacts/{contact_id}/merge", Operation(summary="Merge", scope="contacts:write", page=True))
async def merge(request: Call) -> Sent:
    """One contact; the other one's id leads to it."""
    ground, caller, form = ground_of(request), request.auth, form_of(request)
    one_id, other_id = edge.id_in_path(request, "contact"), _id_in(form, "other")
    survivor_id, merged_id = (
        (other_id, one_id) if form.get("survivor") == form["other"] else (one_id, other_id)
    )
    why = form.get("why", "").strip()[:WHY_MAX]

    async def work(tx: Transaction) -> None:
        belongings = list(BELONGINGS.values())
        await flows.merge(
            tx, ground, caller.workspace_id, survivor_id, merged_id, belongings, caller.actor, why
        )

    try:
        await ground.db.run(work)
    except Problem as problem:
        return await _pair_page(request, form["other"], problem)
    return redirect(f"/contacts/{ids.show('contact', survivor_id)}?done=merged")


@route(
    "POST /contacts/merges/{merge_id}/undo",
    Operation(summary="Undo a merge", scope="contacts:write", page=True),
)
async def undo(request: Call) -> Sent:
    """Two contacts again."""
    ground, caller, merge_id = ground_of(request), request.auth, edge.id_in_path(request, "merge")

    async def work(tx: Transaction) -> int:
        undone = await flows.undo(tx, ground, caller.workspace_id, merge_id, BELONGINGS, caller.actor)
        return undone.merge.survivor_id

    survivor_id = await ground.db.run(work)
    return redirect(f"/contacts/{ids.show('contact', survivor_id)}?done=unmerged")


@route("POST /contacts/doubles/apart", Operation(summary="Two people", scope="contacts:write", page=True))
async def say_apart(request: Call) -> Sent:
    """They are suggested no more."""
    ground, caller, form = ground_of(request), request.auth, form_of(request)
    one_id, other_id = _id_in(form, "one"), _id_in(form, "other")
    await ground.db.run(flows.say_apart, ground, caller.workspace_id, one_id, other_id, caller.actor)
    return redirect("/contacts/doubles?done=apart")


def _id_in(form: dict[str, str], field: str) -> int:
    try:
        return ids.read("contact", form.get(field, ""))
    except ValueError as error:
        raise invalid(field, str(error), value=form.get(field, ""), remedy="the id of a contact") from None


HANDLERS = (list_doubles, compare, merge, undo, say_apart)

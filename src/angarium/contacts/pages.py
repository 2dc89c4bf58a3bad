"""The HTML edge of contacts: the list, what is done to many, and the form of one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Annotated, Any
from urllib.parse import urlencode

import msgspec

from angarium.accounts import edge
from angarium.accounts.edge import Call, Operation, Sent, ground_of, route
from angarium.accounts.pages import HtmlAnswer, fields_of, form_of, problem_told, redirect, wrong_of
from angarium.contacts import finding, flows, many, membership
from angarium.contacts.audience import Audience
from angarium.contacts.draft import AddressRow, Draft, differing, draft_from, draft_of, mark_of, meant
from angarium.contacts.exports import flows as exports
from angarium.contacts.exports.api import exports_of
from angarium.contacts.fields import FieldDefinition, FieldKind, definitions
from angarium.contacts.finding import Sought
from angarium.contacts.membership import Standing
from angarium.contacts.rules import ContactInput
from angarium.contacts.segments import store as segments
from angarium.contacts.store import Contact
from angarium.contacts.store import by_ids as contacts_by_ids
from angarium.core import ids
from angarium.core.clock import zones
from angarium.core.decoding import Shape
from angarium.core.problems import Problem, all_invalid, not_found
from angarium.core.values import AddressKind
from angarium.storage.database import Transaction
from angarium.storage.ground import Ground

PAGE = 50
FILTERS = ("q", "tag", "segment", "kind", "field", "value")
BLANK_ROWS = 1  # of addresses, below those that are there
Text = Annotated[str, msgspec.Meta(max_length=300)]


class ListQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which contacts, and what has just been done."""

    q: Text = ""
    tag: Text = ""
    segment: Text = ""
    kind: Text = ""
    field: Text = ""
    value: Text = ""
    cursor: Text = ""
    done: Text = ""
    count: int = 0


class FormQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a new contact begins with."""

    name: Text = ""
    phone: Text = ""
    email: Text = ""
    kind: Text = ""  # of an address of any kind
    value: Text = ""


LIST, FORM = Shape(ListQuery), Shape(FormQuery)


# ── the list ─────────────────────────────────────────────────────────────────────────────────────────


@route("GET /contacts", Operation(summary="Contacts", scope="contacts:read", asks=LIST, page=True))
async def list_contacts(request: Call) -> Sent:
    """Those who fit, the newest first."""
    query = LIST.read_query(request.scope["query_string"])
    ground, workspace_id = ground_of(request), request.auth.workspace_id
    now, wrong = ground.clock.now(), None
    try:
        found = await ground.db.read(_listed, workspace_id, query, now)
    except Problem as problem:
        if problem.status >= 500:
            raise
        found, wrong = Listed([], {}, 0), problem_told(problem)
    around = await ground.db.read(_around, workspace_id)
    asked = {name: text for name, text in _asked(query).items() if text}
    older = {**asked, "cursor": edge.cursor_after(found.following)} if found.following else None
    facts = {
        "query": query,
        "asked": asked,
        "filtered": bool(asked),
        "contacts": found.contacts,
        "standings": found.standings,
        "newest": _address(asked) if query.cursor else "",
        "older": _address(older) if older else "",
        "kinds": [kind.value for kind in AddressKind],
        "wrong": wrong,
        "shown_id": partial(ids.show, "contact"),
        "shown_segment": partial(ids.show, "segment"),
        **around,
    }
    return HtmlAnswer("contacts/contacts.html", facts, status=422 if wrong else 200)


class Listed(msgspec.Struct, frozen=True):
    """A page of the list."""

    contacts: list[Contact]
    standings: dict[int, Standing]
    following: int


async def _listed(tx: Transaction, workspace_id: int, query: ListQuery, now: int) -> Listed:
    place = edge.read_cursor(query.cursor)
    found = await finding.find(tx, workspace_id, sought_in(_asked(query)), place, PAGE, now)
    standings = await membership.standings(tx, workspace_id, found.contacts, now)
    return Listed(found.contacts, standings, found.following)


async def _around(tx: Transaction, workspace_id: int) -> dict[str, Any]:
    """What can be filtered by."""
    there = await segments.all_of(tx, workspace_id)
    defined = await definitions(tx, workspace_id)
    return {
        "segments": [(ids.show("segment", one.id), one.name) for one in there],
        "fields": [(one.name, one.label or one.name) for one in defined.values()],
    }


def _asked(query: ListQuery) -> dict[str, str]:
    return {name: getattr(query, name).strip() for name in FILTERS}


def sought_in(asked: Mapping[str, str]) -> Sought:
    """What the fields of the filter mean; a kind that is none means any."""
    kind = asked.get("kind", "")
    return Sought(
        text=asked.get("q", ""),
        tag=asked.get("tag", ""),
        segment=asked.get("segment", ""),
        kind=AddressKind(kind) if kind in set(AddressKind) else None,
        field=asked.get("field", ""),
        value=asked.get("value", ""),
    )


def _address(asked: Mapping[str, str | int]) -> str:
    return "/contacts" + (f"?{urlencode(asked)}" if asked else "")


# ── many ─────────────────────────────────────────────────────────────────────────────────────────────


@route("POST /contacts/export", Operation(summary="Export contacts", scope="contacts:read", page=True))
async def export_contacts(request: Call) -> Sent:
    """Those who are ticked, or all who fit the filter; the file is made beside the server."""
    form, caller, room = form_of(request), request.auth, exports_of(request)
    picked = _picked(request)
    if picked:
        audience = Audience(contacts=tuple(ids.show("contact", one) for one in picked))
    else:
        sought, now = sought_in(_filter_in(form)), room.ground.clock.now()
        audience = await room.ground.db.read(finding.audience_of, caller.workspace_id, sought, now)
    wanted = exports.Wanted(format="xlsx" if form.get("format") == "xlsx" else "csv", audience=audience)
    await exports.begin(
        room, caller.workspace_id, await exports.ask(room, caller.workspace_id, caller.actor, wanted)
    )
    return redirect("/exports?done=asked")


@route("POST /contacts/tag", Operation(summary="Tag contacts", scope="contacts:write", page=True))
async def tag_contacts(request: Call) -> Sent:
    """Those who are ticked have the tag."""
    form, caller, ground = form_of(request), request.auth, ground_of(request)
    count = await ground.db.run(
        many.tag, ground, caller.workspace_id, _picked(request), form.get("tag", ""), caller.actor
    )
    return redirect(_back(form, "tagged", count))


@route("POST /contacts/delete", Operation(summary="Delete contacts", scope="contacts:write", page=True))
async def delete_contacts(request: Call) -> Sent:
    """Asked first, by a page that names them; with `sure`, done."""
    form, caller, ground = form_of(request), request.auth, ground_of(request)
    picked = _picked(request)
    if form.get("sure") != "yes":
        there = await ground.db.read(contacts_by_ids, caller.workspace_id, picked)
        facts = {
            "contacts": list(there.values()),
            "shown_id": partial(ids.show, "contact"),
            "asked": _filter_in(form),
        }
        return HtmlAnswer("contacts/delete.html", facts)
    count = await ground.db.run(many.delete, ground, caller.workspace_id, picked, caller.actor)
    return redirect(_back(form, "deleted", count))


def _picked(request: Call) -> list[int]:
    """The contacts that are ticked; what is no id is not one."""
    found = []
    for text in fields_of(request, "contact")[: many.AT_ONCE_MAX + 1]:
        try:
            found.append(ids.read("contact", text))
        except ValueError:
            raise not_found("contact", text[:80]) from None
    return found


def _back(form: Mapping[str, str], done: str, count: int) -> str:
    """To the list as it was filtered, with what has been done."""
    return _address({**_filter_in(form), "done": done, "count": count})


def _filter_in(form: Mapping[str, str]) -> dict[str, str]:
    """The filter of the list in which contacts were ticked."""
    return {name: form[f"f-{name}"][:300] for name in FILTERS if form.get(f"f-{name}")}


# ── one ──────────────────────────────────────────────────────────────────────────────────────────────


@route("GET /contacts/new", Operation(summary="A new contact", scope="contacts:write", asks=FORM, page=True))
async def new_contact(request: Call) -> Sent:
    """An empty form."""
    query = FORM.read_query(request.scope["query_string"])
    named = (("phone", query.phone), ("email", query.email), (query.kind, query.value))
    given = [AddressRow(kind, value) for kind, value in named if value]
    draft = Draft(name=query.name, addresses=tuple(given))
    return await _form_page(request, draft, None)


@route("POST /contacts/new", Operation(summary="Create a contact", scope="contacts:write", page=True))
async def create_contact(request: Call) -> Sent:
    """The contact; or the form again with what is wrong."""
    return await _saved(request, None)


@route(
    "GET /contacts/{contact_id}/edit", Operation(summary="Edit a contact", scope="contacts:write", page=True)
)
async def edit_contact(request: Call) -> Sent:
    """The form, as the contact is."""
    before = await _before(request)
    defined = await ground_of(request).db.read(definitions, request.auth.workspace_id)
    return await _form_page(request, draft_of(before, defined), before)


@route(
    "POST /contacts/{contact_id}/edit",
    Operation(summary="Change a contact", scope="contacts:write", page=True),
)
async def change_contact(request: Call) -> Sent:
    """The contact as it is described now; or the form again with what is wrong."""
    return await _saved(request, await _before(request))


@route(
    "POST /contacts/{contact_id}/delete",
    Operation(summary="Delete a contact", scope="contacts:write", page=True),
)
async def delete_contact(request: Call) -> Sent:
    """No contact any more."""
    contact_id, caller = edge.id_in_path(request, "contact"), request.auth
    await flows.delete(ground_of(request), caller.workspace_id, contact_id, caller.actor)
    return redirect("/contacts?done=deleted&count=1")


async def _before(request: Call) -> Contact:
    contact_id = edge.id_in_path(request, "contact")
    return await flows.get(ground_of(request), request.auth.workspace_id, contact_id)


async def _saved(request: Call, before: Contact | None) -> Sent:
    form, caller, ground = form_of(request), request.auth, ground_of(request)
    draft = draft_from(form)
    if "more" in form:
        return await _form_page(request, draft, before, more=form["more"] == "1")
    defined = await ground.db.read(definitions, caller.workspace_id)
    if before is not None and (changed := _changed_meanwhile(form, draft, before, defined)):
        return await _form_page(request, draft, before, changed, anew=True)
    given = meant(draft, before, defined)
    own_id = before.id if before else 0
    theirs = await ground.db.read(many.owners, caller.workspace_id, given, own_id)
    if theirs and "take" not in form:
        problem = all_invalid("The contact is not valid", tuple(wrong for wrong, _ in theirs))
        return await _form_page(request, draft, before, problem, [owner for _, owner in theirs])
    try:
        written = await _written(ground, caller.workspace_id, given, before, caller.actor)
    except Problem as problem:
        return await _form_page(request, draft, before, problem)
    return redirect(f"/contacts/{ids.show('contact', written.id)}?done={'changed' if before else 'created'}")


def _changed_meanwhile(
    form: Mapping[str, str], draft: Draft, before: Contact, defined: Mapping[str, FieldDefinition]
) -> Problem | None:
    """What to say when a contact is not any more what it was when its form was drawn. The form has all of it,
    so that it would undo what somebody else, or a system, has saved."""
    saved = draft_of(before, defined)
    if form.get("seen", "") in ("", mark_of(before.id, saved)):
        return None
    wrong = differing(draft, saved)
    title = "The contact has been changed meanwhile: save again to put what stands here in its place"
    return Problem("version-conflict", title, status=409, fields=wrong) if wrong else None


async def _written(
    ground: Ground, workspace_id: int, given: ContactInput, before: Contact | None, actor: str
) -> Contact:
    if before is not None:
        return await flows.change(ground, workspace_id, before.id, given, actor)
    (made,) = await ground.db.run(flows.put, ground, workspace_id, [given], actor)
    if isinstance(made, Problem):
        raise made
    return made


async def _form_page(
    request: Call,
    draft: Draft,
    before: Contact | None,
    problem: Problem | None = None,
    owners: Sequence[Contact] = (),
    *,
    more: bool = False,
    anew: bool = False,
) -> Sent:
    """`anew`: what is saved now is what the form knows of from here on."""
    defined = await ground_of(request).db.read(definitions, request.auth.workspace_id)
    seen = "" if anew or request.scope["method"] != "POST" else form_of(request).get("seen", "")
    known = draft.values.keys() - defined.keys()
    facts = {
        "draft": draft,
        "contact": before,
        "contact_id": ids.show("contact", before.id) if before else "",
        "seen": seen or (mark_of(before.id, draft_of(before, defined)) if before else ""),
        "rows": [*draft.addresses, *[AddressRow()] * (BLANK_ROWS + more)],
        "kinds": [kind.value for kind in AddressKind],
        "defined": list(defined.values()),
        "others": [FieldDefinition(name, FieldKind.TEXT) for name in sorted(known)],
        "options": {one.name: [(each, each) for each in one.choices] for one in defined.values()},
        "zones": sorted(name for name in zones() if "/" in name),
        "problem": problem_told(problem),
        "wrong": wrong_of(problem),
        "owners": {ids.show("contact", one.id): one.name for one in owners},
    }
    wrong = 409 if anew else 422
    return HtmlAnswer("contacts/form.html", facts, status=wrong if problem else 200)


HANDLERS = (
    list_contacts,
    export_contacts,
    tag_contacts,
    delete_contacts,
    new_contact,
    create_contact,
    edit_contact,
    change_contact,
    delete_contact,
)

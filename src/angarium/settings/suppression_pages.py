"""The HTML edge of the suppression list: look through it, look an address up, put one on, take one off."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import msgspec

from angarium.accounts.actors import names
from angarium.accounts.edge import (
    Call,
    Operation,
    Sent,
    cursor_after,
    ground_of,
    id_in_path,
    read_cursor,
    route,
)
from angarium.accounts.pages import HtmlAnswer, form_of, redirect
from angarium.contacts import store as contacts
from angarium.contacts import suppression_list
from angarium.contacts.rules import BadAddress, clean_address
from angarium.contacts.store import Contact
from angarium.contacts.store import suppressions as store
from angarium.contacts.store.suppressions import Entry, Filter
from angarium.contacts.suppression import WANTS_A_WORD, Why
from angarium.contacts.suppression_list import New, check_words
from angarium.core import ids
from angarium.core.decoding import Shape
from angarium.core.problems import Problem, all_invalid, invalid
from angarium.core.values import AddressKind
from angarium.messaging import suppressions
from angarium.messaging.case import wake
from angarium.settings.forms import Word, form_facts, lines_of, world_of
from angarium.settings.who import WORDS
from angarium.storage.database import Transaction

LIST = "/settings/suppressions"
PAGE_ROWS = 50
# What we note by itself, to be asked for.
SOURCES = (
    "api",
    "channel_switch",
    "complaint",
    "contact",
    "contact_deleted",
    "import",
    "receipt",
    "stop_word",
    "unsubscribe_link",
)


class ListQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which entries: by what they are, or those of one address."""

    reason: Word = ""
    kind: Word = ""
    source: Word = ""
    address: Word = ""
    cursor: Word = ""
    done: Word = ""


class BackQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The contact to whose page it leads back; left out: the list."""

    back: Word = ""


QUERY, BACK = Shape(ListQuery), Shape(BackQuery)


@route(
    "GET /settings/suppressions",
    Operation(summary="Suppression list", scope="contacts:read", asks=QUERY, page=True),
)
async def list_suppressions(request: Call) -> Sent:
    """The addresses that are not written to."""
    query = QUERY.read_query(request.scope["query_string"])
    ground, workspace_id = ground_of(request), request.auth.workspace_id
    after = read_cursor(query.cursor)
    wanted = Filter(_word(Why, query.reason), _word(AddressKind, query.kind), query.source.strip())
    hashes = _hashes(request, query.address)

    async def look(tx: Transaction) -> tuple[list[Entry], dict[str, str]]:
        found = (
            await store.entries_of(tx, workspace_id, hashes)
            if query.address.strip()
            else await store.page(tx, workspace_id, wanted, after, PAGE_ROWS + 1)
        )
        return list(found), await names(tx, workspace_id)

    found, known = await ground.db.read(look)
    more = cursor_after(found[PAGE_ROWS - 1].id) if len(found) > PAGE_ROWS else ""
    line_names = {one["id"]: one["name"] for one in lines_of(request)}
    facts = {
        "entries": [_shown(one, known, line_names) for one in found[:PAGE_ROWS]],
        "asked": query,
        "filtered": any((query.reason, query.kind, query.source, query.address)),
        "more": more,
        "reasons": [one.value for one in Why],
        "kinds": [one.value for one in AddressKind],
        "sources": SOURCES,
        "done": query.done,
    }
    return HtmlAnswer("settings/suppressions.html", facts)


def _word(words: Any, text: str) -> str:
    """A word of a filter; none when it is none of ours."""
    return text if text in {one.value for one in words} else ""


def _hashes(request: Call, text: str) -> list[str]:
    """How an address would be kept, as whatever kind it can be."""
    vault, workspace_id = ground_of(request).vault, request.auth.workspace_id
    found = []
    for kind in AddressKind:
        try:
            place = (kind, clean_address(kind, text.strip()))
        except BadAddress:
            continue
        found.append(suppression_list.address_hash(vault, workspace_id, place))
    return found


def _shown(one: Entry, known: dict[str, str], line_names: dict[str, str]) -> dict[str, Any]:
    line = ids.show("line", one.line_id) if one.line_id else ""
    return {
        "id": ids.show("suppression", one.id),
        "kind": one.kind.value,
        "value": one.value,
        "reason": one.why.value,
        "line": line_names.get(line, line),
        "source": one.source,
        "detail": one.detail,
        "who": known.get(one.actor, one.actor),
        "by_words": WORDS.get(one.actor, ""),
        "created_at": one.created_at,
        "expires_at": one.expires_at,
    }


@route(
    "GET /settings/suppressions/new",
    Operation(summary="Put an address on the suppression list", scope="contacts:write", page=True),
)
async def new_suppression(request: Call) -> Sent:
    """A form for one address, and one for a file of many."""
    return _form(request, {}, None)


def _form(request: Call, typed: dict[str, str], problem: Problem | None) -> HtmlAnswer:
    facts = {
        **form_facts(typed, problem),
        "lines": lines_of(request),
        "reasons": [one.value for one in Why],
        "kinds": [one.value for one in AddressKind],
    }
    return HtmlAnswer("settings/suppression_new.html", facts, status=problem.status if problem else 200)


@route(
    "POST /settings/suppressions",
    Operation(summary="An address is not to be written to", scope="contacts:write", page=True),
)
async def put_suppression(request: Call) -> Sent:
    """On the list; what waits for it is stopped at once."""
    form, world, caller = form_of(request), world_of(request), request.auth
    try:
        new = _new(request, form)
    except Problem as problem:
        return _form(request, form, problem)
    now = world.ground.clock.now()
    _, stopped = await world.ground.db.run(
        suppressions.put, world, caller.workspace_id, new, caller.actor, now
    )
    wake(world, stopped)
    return redirect(f"{LIST}?done=added")


def _new(request: Call, form: dict[str, str]) -> New:
    source, detail = form.get("source", "").strip() or "console", form.get("detail", "").strip()
    wrong = check_words(source, detail)
    if wrong:
        raise all_invalid("The suppression is not valid", tuple(wrong))
    try:
        kind, why = AddressKind(form.get("kind", "")), Why(form.get("reason", ""))
    except ValueError:
        remedy = "choose one of the list"
        raise invalid("reason", "is not one of the allowed values", remedy=remedy) from None
    try:
        value = clean_address(kind, form.get("value", "")[:400])
    except BadAddress as bad:
        raise all_invalid("The address is not valid", (bad.at("value"),)) from None
    line_id = 0
    if form.get("line"):
        known = {one["id"] for one in lines_of(request)}
        if form["line"] not in known:
            raise invalid(
                "line", "there is no such line", value=form["line"], remedy="choose one of the list"
            )
        line_id = ids.read("line", form["line"])
    return New(kind=kind, value=value, why=why, source=source, line_id=line_id, detail=detail)


@route(
    "GET /settings/suppressions/{suppression_id}/remove",
    Operation(summary="Why an address is taken off the list", scope="contacts:write", asks=BACK, page=True),
)
async def removing(request: Call) -> Sent:
    """What the entry says, and a form for why it goes."""
    return await _removal(request, {"back": BACK.read_query(request.scope["query_string"]).back}, None)


async def _removal(request: Call, typed: dict[str, str], problem: Problem | None) -> HtmlAnswer:
    entry_id, workspace_id = id_in_path(request, "suppression"), request.auth.workspace_id

    async def look(tx: Transaction) -> tuple[Entry, dict[str, str], Contact | None]:
        entry = await suppressions.existing(tx, workspace_id, entry_id)
        return entry, await names(tx, workspace_id), await _who_refused(tx, workspace_id, entry)

    entry, known, refused = await ground_of(request).db.read(look)
    line_names = {one["id"]: one["name"] for one in lines_of(request)}
    facts = {
        **form_facts(typed, problem),
        "one": _shown(entry, known, line_names),
        "wanted": entry.why in WANTS_A_WORD,
        "most": suppression_list.BECAUSE_MAX,
        "refused": refused,
        "shown_id": partial(ids.show, "contact"),
        "of_contact": _contact(typed),
        "led_from": _led_from(typed),
    }
    return HtmlAnswer("settings/suppression_remove.html", facts, status=problem.status if problem else 200)


async def _who_refused(tx: Transaction, workspace_id: int, entry: Entry) -> Contact | None:
    """The contact of the address, if it has refused something: that stays when the address is taken off."""
    owners = await contacts.ids_by_addresses(tx, workspace_id, [(entry.kind, entry.value)])
    known = await contacts.by_ids(tx, workspace_id, owners.values())
    return next((one for one in known.values() if one.opted_out), None)


@route(
    "POST /settings/suppressions/{suppression_id}/remove",
    Operation(summary="Take an address off the suppression list", scope="contacts:write", page=True),
)
async def remove_suppression(request: Call) -> Sent:
    """It may be written to again; what was stopped stays so."""
    entry_id, world, caller = id_in_path(request, "suppression"), world_of(request), request.auth
    form = form_of(request)
    because = " ".join(form.get("because", "").split())
    try:
        await world.ground.db.run(
            suppressions.remove, world, caller.workspace_id, entry_id, caller.actor, because
        )
    except Problem as problem:
        if problem.status != 422:
            raise
        return await _removal(request, form, problem)
    return redirect(f"{_led_from(form)}?done={'taken_off' if _contact(form) else 'removed'}")


def _contact(form: Mapping[str, str]) -> str:
    """The contact on whose page somebody began; empty when it was the list."""
    try:
        return ids.show("contact", ids.read("contact", form.get("back", "")))
    except ValueError:
        return ""


def _led_from(form: Mapping[str, str]) -> str:
    """The page that leads to the form, and to which it leads back."""
    contact = _contact(form)
    return f"/contacts/{contact}" if contact else LIST


HANDLERS = (list_suppressions, new_suppression, put_suppression, removing, remove_suppression)

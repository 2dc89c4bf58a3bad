"""The HTML edge of exports: ask for one, fetch it, delete it."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any

import msgspec

from angarium.accounts import edge
from angarium.accounts.edge import Call, Operation, Sent, route
from angarium.accounts.pages import HtmlAnswer, form_of, problem_told, redirect
from angarium.contacts.audience import Audience
from angarium.contacts.exports import flows, store
from angarium.contacts.exports.api import exports_of, file_of
from angarium.contacts.exports.flows import Order, Wanted
from angarium.contacts.exports.store import Export
from angarium.contacts.exports.writer import ENCODINGS
from angarium.contacts.imports.sniffing import DELIMITERS
from angarium.contacts.segments import store as segments
from angarium.core import ids
from angarium.core.decoding import Shape
from angarium.core.problems import Problem

PAGE = 30
NEWEST = (1 << 63) - 1
TONES = {flows.RUNNING: "on", flows.DONE: "good", flows.FAILED: "bad", flows.EXPIRED: "quiet"}
TAB = "tab"  # what a form cannot send as it is
Text = Annotated[str, msgspec.Meta(max_length=300)]


class ExportsQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which piece, what has just been done, and of which segment a new one is to be."""

    cursor: Text = ""
    done: Text = ""
    segment: Text = ""


QUERY = Shape(ExportsQuery)


@route("GET /exports", Operation(summary="Exports", scope="contacts:read", asks=QUERY, page=True))
async def list_exports(request: Call) -> Sent:
    """The newest first; and the form of a new one."""
    return await _page(request)


async def _page(request: Call, problem: Problem | None = None) -> Sent:
    query, room = QUERY.read_query(request.scope["query_string"]), exports_of(request)
    workspace_id, before = request.auth.workspace_id, edge.read_cursor(query.cursor) or NEWEST
    found = await room.ground.db.read(store.jobs.page, workspace_id, before, PAGE + 1)
    there = await room.ground.db.read(segments.all_of, workspace_id)
    names = {ids.show("segment", one.id): one.name for one in there}
    facts: dict[str, Any] = {
        "exports": [(one, _told(one)) for one in found[:PAGE]],
        "running": any(one.state == flows.RUNNING for one in found),
        "tones": TONES,
        "done": query.done,
        "segment": query.segment,
        "segments": list(names.items()),
        "names": names,
        "encodings": ENCODINGS,
        "delimiters": [sign for sign in DELIMITERS if sign != "\t"],
        "newest": "/exports" if query.cursor else "",
        "older": f"/exports?cursor={edge.cursor_after(found[PAGE - 1].id)}" if len(found) > PAGE else "",
        "shown_id": partial(ids.show, "export"),
        "problem": problem_told(problem),
    }
    return HtmlAnswer("contacts/exports.html", facts, status=422 if problem else 200)


def _told(one: Export) -> Order:
    return msgspec.json.decode(one.wanted, type=Order)


@route("POST /exports", Operation(summary="Ask for an export", scope="contacts:read", page=True))
async def ask(request: Call) -> Sent:
    """It is written beside the server."""
    form, room, caller = form_of(request), exports_of(request), request.auth
    segment = form.get("segment", "")
    wanted = Wanted(
        format="xlsx" if form.get("format") == "xlsx" else "csv",
        audience=Audience(segment=segment) if segment else Audience(everybody=True),
        encoding=form.get("encoding", "") or "utf-8-sig",
        right_to_left=bool(form.get("right_to_left")),
        delimiter="\t" if form.get("delimiter") == TAB else form.get("delimiter", "") or ",",
    )
    try:
        await flows.begin(
            room, caller.workspace_id, await flows.ask(room, caller.workspace_id, caller.actor, wanted)
        )
    except Problem as problem:
        return await _page(request, problem)
    return redirect("/exports?done=asked")


@route(
    "GET /exports/{export_id}/file",
    Operation(summary="The file of an export", scope="contacts:read", page=True),
)
async def fetch(request: Call) -> Sent:
    """A file to be kept."""
    return await file_of(request)


@route(
    "POST /exports/{export_id}/delete",
    Operation(summary="Delete an export", scope="contacts:read", page=True),
)
async def delete(request: Call) -> Sent:
    """No export any more."""
    await flows.delete(exports_of(request), request.auth.workspace_id, edge.id_in_path(request, "export"))
    return redirect("/exports?done=deleted")


HANDLERS = (list_exports, ask, fetch, delete)

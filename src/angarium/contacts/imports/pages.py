"""The HTML edge of imports: send a file, say what it is, check, start, follow, take back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from collections.abc import Mapping as Mapping_
from functools import partial
from typing import Annotated, Any, cast

import msgspec

from angarium.accounts import edge
from angarium.accounts.edge import Call, Operation, Sent, Streamed, route
from angarium.accounts.pages import HtmlAnswer, form_of, problem_told, redirect, wrong_of
from angarium.contacts import fields
from angarium.contacts.consent import PURPOSES
from angarium.contacts.imports import flows, form, store
from angarium.contacts.imports.api import imports_of, progress
from angarium.contacts.imports.mapping import Mapping
from angarium.contacts.imports.rows import BETWEEN
from angarium.contacts.imports.sniffing import DELIMITERS, ENCODINGS
from angarium.contacts.imports.store import Import
from angarium.contacts.phones import regions
from angarium.core import ids
from angarium.core.called import names_of
from angarium.core.decoding import Shape
from angarium.core.ports import Channel
from angarium.core.problems import Problem
from angarium.core.values import AddressKind

PAGE = 30
ERRORS = 10  # rows in error that are shown
NEWEST = (1 << 63) - 1
SAMPLE = 3  # rows in each encoding that it may be in
Text = Annotated[str, msgspec.Meta(max_length=300)]
TONES = {
    flows.UPLOADED: "doubt",
    "checking": "on",
    flows.CHECKED: "doubt",
    "running": "on",
    flows.PAUSED: "doubt",
    flows.DONE: "good",
    flows.CANCELLED: "quiet",
    flows.FAILED: "bad",
    flows.UNDOING: "on",
    flows.UNDONE: "quiet",
    flows.EXPIRED: "quiet",
}


class ImportsQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which piece, and what has just been done."""

    cursor: Text = ""
    done: Text = ""


QUERY = Shape(ImportsQuery)


@route("GET /imports", Operation(summary="Imports", scope="contacts:write", asks=QUERY, page=True))
async def list_imports(request: Call) -> Sent:
    """The newest first."""
    query, room = QUERY.read_query(request.scope["query_string"]), imports_of(request)
    before = edge.read_cursor(query.cursor) or NEWEST
    found = await room.ground.db.read(store.jobs.page, request.auth.workspace_id, before, PAGE + 1)
    facts = {
        "imports": [(one, progress(one)) for one in found[:PAGE]],
        "tones": TONES,
        "done": query.done,
        "newest": "/imports" if query.cursor else "",
        "older": f"/imports?cursor={edge.cursor_after(found[PAGE - 1].id)}" if len(found) > PAGE else "",
        "shown_id": partial(ids.show, "import"),
    }
    return HtmlAnswer("contacts/imports.html", facts)


@route("GET /imports/new", Operation(summary="A new import", scope="contacts:write", page=True))
async def new_import(request: Call) -> Sent:
    """Choose a file."""
    return HtmlAnswer("contacts/import_new.html", {"most_bytes": imports_of(request).shelf.most_bytes})


@route(
    "GET /imports/{import_id}", Operation(summary="An import", scope="contacts:write", asks=QUERY, page=True)
)
async def show_import(request: Call) -> Sent:
    """What is to be said of it, or how far it has come."""
    return await _page(request)


async def _page(request: Call, said: Mapping | None = None, problem: Problem | None = None) -> Sent:
    import_id, room, workspace_id = (
        edge.id_in_path(request, "import"),
        imports_of(request),
        request.auth.workspace_id,
    )
    one = await flows.get(room, workspace_id, import_id)
    mapping = said or one.mapping
    errors = await room.ground.db.read(store.errors, workspace_id, import_id, 0, ERRORS) if one.failed else []
    defined = await room.ground.db.read(fields.definitions, workspace_id)
    look = one.seen.look
    channels = cast("Mapping_[str, Channel]", request.scope["litestar_app"].state.get("channels", {}))
    facts: dict[str, Any] = {
        "one": one,
        "id": ids.show("import", one.id),
        "seen": look,
        "mapping": mapping,
        "progress": progress(one),
        "tone_of": TONES[one.state],
        "rows": form.rows(look, mapping),
        "targets": form.targets(),
        "plain": form.PLAIN,
        "orders": form.ORDERS,
        "defined": list(defined.values()),
        "errors": errors,
        "cells_of": partial(_cells, one),
        "open": one.state in (flows.UPLOADED, flows.CHECKED),
        "busy": one.state in flows.BUSY,
        "encodings_shown": [(name, name) for name in ENCODINGS],
        "samples": [(each.encoding, each.rows[: SAMPLE + 1]) for each in one.seen.encodings],
        "delimiters": DELIMITERS,
        "regions": sorted(regions()),
        "purposes": PURPOSES,
        "channels": sorted(names_of(channels).items(), key=lambda one: one[1]),
        "names": ["external_id", *(kind.value for kind in AddressKind if kind.value in _mapped(mapping))],
        "field_kinds": [kind.value for kind in fields.FieldKind],
        "problem": problem_told(problem),
        "wrong": wrong_of(problem),
    }
    return HtmlAnswer("contacts/import.html", facts, status=422 if problem else 200)


def _mapped(mapping: Mapping) -> set[str]:
    """The kinds of address that columns are said to be."""
    return {one.kind for one in mapping.columns if one.to == "address"} | {"phone", "email"}


def _cells(one: Import, error: store.Error) -> list[str]:
    """The cells of a row in error, as many as there are heads."""
    cells = error.raw.split(BETWEEN)
    return cells[: max(1, len(one.seen.look.heads))]


@route(
    "POST /imports/{import_id}/mapping",
    Operation(summary="Say what a file is", scope="contacts:write", page=True),
)
async def say(request: Call) -> Sent:
    """Read otherwise, keep what was said, and check or start when that was asked."""
    import_id, room, caller = edge.id_in_path(request, "import"), imports_of(request), request.auth
    sent = form_of(request)
    one = await flows.get(room, caller.workspace_id, import_id)
    defined = await room.ground.db.read(fields.definitions, caller.workspace_id)
    do = sent.get("do", "keep")
    again = do == "read"
    mapping = (
        form.read_otherwise(sent, one.seen.look, one.mapping)
        if again
        else form.said_in(sent, one.seen.look, one.mapping, defined)
    )
    try:
        await flows.say(room, caller.workspace_id, import_id, mapping)
        if do == "check":
            await flows.check(room, caller.workspace_id, import_id)
        if do == "start":
            await flows.start(room, caller.workspace_id, caller.actor, import_id)
    except Problem as problem:
        return await _page(request, one.mapping if again else mapping, problem)
    return _back(request)


def _back(request: Call) -> Sent:
    return redirect(f"/imports/{edge.text_in_path(request, 'import_id')}")


Deed = Callable[[flows.Imports, int, str, int], Awaitable[object]]


async def _do(request: Call, deed: Deed) -> Sent:
    """One of the deeds that are a button; a Problem stands above the import."""
    caller = request.auth
    try:
        await deed(imports_of(request), caller.workspace_id, caller.actor, edge.id_in_path(request, "import"))
    except Problem as problem:
        if problem.status == 404:
            raise
        return await _page(request, problem=problem)
    return _back(request)


@route("POST /imports/{import_id}/start", Operation(summary="Go on", scope="contacts:write", page=True))
async def start(request: Call) -> Sent:
    """From where it was paused."""
    return await _do(request, flows.start)


@route("POST /imports/{import_id}/pause", Operation(summary="Pause", scope="contacts:write", page=True))
async def pause(request: Call) -> Sent:
    """After the batch that is being written."""

    async def deed(room: flows.Imports, workspace_id: int, _actor: str, import_id: int) -> object:
        return await flows.pause(room, workspace_id, import_id)

    return await _do(request, deed)


@route("POST /imports/{import_id}/cancel", Operation(summary="Cancel", scope="contacts:write", page=True))
async def cancel(request: Call) -> Sent:
    """Nothing more is written."""
    return await _do(request, flows.cancel)


@route("POST /imports/{import_id}/undo", Operation(summary="Take it back", scope="contacts:write", page=True))
async def undo(request: Call) -> Sent:
    """Those whom it has brought go, unless somebody has changed them."""
    return await _do(request, flows.undo)


@route("POST /imports/{import_id}/delete", Operation(summary="Forget it", scope="contacts:write", page=True))
async def delete(request: Call) -> Sent:
    """No import any more; its contacts stay."""
    try:
        await flows.delete(imports_of(request), request.auth.workspace_id, edge.id_in_path(request, "import"))
    except Problem as problem:
        if problem.status == 404:
            raise
        return await _page(request, problem=problem)
    return redirect("/imports?done=deleted")


@route(
    "GET /imports/{import_id}/errors", Operation(summary="Rows in error", scope="contacts:write", page=True)
)
async def errors_file(request: Call) -> Sent:
    """As a file, to be mended and imported."""
    import_id = edge.id_in_path(request, "import")
    found = await flows.errors(imports_of(request), request.auth.workspace_id, import_id)
    return Streamed(found, "text/csv; charset=utf-8", f"errors-{ids.show('import', import_id)}.csv")


HANDLERS = (list_imports, new_import, show_import, say, start, pause, cancel, undo, delete, errors_file)

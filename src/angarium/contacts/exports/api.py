"""The JSON edge of exports: ask for a file of contacts, look, fetch it, delete it."""

from __future__ import annotations

from typing import Any, cast

import msgspec

from angarium.accounts import edge
from angarium.accounts.edge import Call, JsonAnswer, Kept, Operation, Page, route
from angarium.contacts.audience import Audience
from angarium.contacts.exports import flows, store
from angarium.contacts.exports.flows import Exports, Order, Wanted
from angarium.contacts.exports.store import Export
from angarium.core import ids
from angarium.core.clock import iso
from angarium.core.decoding import Shape
from angarium.protocols import files
from angarium.storage.database import Transaction

WANTED = Shape(Wanted)
NEWEST = (1 << 63) - 1
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
MEDIA = {"csv": "text/csv", "xlsx": XLSX}


class ExportShown(msgspec.Struct, frozen=True, kw_only=True):
    """An export. Its file can be fetched while it is `done`, which is for a day."""

    id: str
    state: str
    reason: str
    wanted: Any
    columns: list[str]
    rows: int
    sheets: int
    size_bytes: int
    by: str
    created_at: str
    updated_at: str


EXAMPLE = Wanted(
    format="xlsx",
    columns=("external_id", "name", "phone", "tags", "field:city"),
    audience=Audience(segment="seg_05a58xarj0000"),
)
SHOWN_EXAMPLE = ExportShown(
    id="exp_05a58xarj0000",
    state="done",
    reason="",
    wanted=msgspec.to_builtins(EXAMPLE),
    columns=list(EXAMPLE.columns),
    rows=9_500,
    sheets=1,
    size_bytes=402_113,
    by="key_05a58xarj0000",
    created_at="2026-11-28T08:30:00.000Z",
    updated_at="2026-11-28T08:30:01.000Z",
)


def exports_of(request: Call) -> Exports:
    """What exports need."""
    return cast("Exports", request.scope["litestar_app"].state.exports)


@route(
    "POST /v1/exports",
    Operation(
        summary="Ask for a file of contacts",
        detail="All, or the audience of a segment, of rules, of tags or of ids; as CSV in an encoding, or as "
        "XLSX. Without columns: all that an import takes. What is exported can be imported.",
        scope="contacts:read",
        takes=WANTED,
        gives=ExportShown,
        once=True,
        status=202,
        problems=(409,),
        example=EXAMPLE,
        answer_example=SHOWN_EXAMPLE,
    ),
)
async def ask_for_export(request: Call) -> JsonAnswer:
    """The export, being written."""
    body = await edge.read_body(request)
    exports, caller = exports_of(request), request.auth
    one = await flows.ask(exports, caller.workspace_id, caller.actor, WANTED.read(body))
    return await begun(request, body, one)


async def begun(request: Call, body: bytes, one: Export) -> JsonAnswer:
    """Write down an export that was asked for, once, and have it written."""
    exports, caller = exports_of(request), request.auth

    async def work(tx: Transaction) -> ExportShown:
        await store.insert(tx, caller.workspace_id, one)
        await flows.note(tx, caller.workspace_id, one, one.created_at)
        return shown(one)

    answer = await edge.once(request, body, work)
    exports.ground.fabric.wake(flows.TOPIC)
    return answer


@route(
    "GET /v1/exports",
    Operation(
        summary="List exports, the newest first",
        scope="contacts:read",
        asks=edge.PAGE,
        gives=Page[ExportShown],
        answer_example=Page([SHOWN_EXAMPLE]),
    ),
)
async def list_exports(request: Call) -> JsonAnswer:
    """In the order in which they were asked for, from the end."""
    query = edge.PAGE.read_query(request.scope["query_string"])
    before = edge.read_cursor(query.cursor) or NEWEST
    db = exports_of(request).ground.db
    found = await db.read(store.jobs.page, request.auth.workspace_id, before, query.limit + 1)
    piece, following = edge.cut(found, query, lambda one: one.id)
    return edge.answer(request, Page([shown(one) for one in piece], following))


@route(
    "GET /v1/exports/{export_id}",
    Operation(
        summary="Look at an export",
        scope="contacts:read",
        gives=ExportShown,
        problems=(404,),
        answer_example=SHOWN_EXAMPLE,
    ),
)
async def get_export(request: Call) -> JsonAnswer:
    """One export."""
    export_id = edge.id_in_path(request, "export")
    return edge.answer(
        request, shown(await flows.get(exports_of(request), request.auth.workspace_id, export_id))
    )


@route(
    "GET /v1/exports/{export_id}/file",
    Operation(
        summary="Fetch the file of an export",
        scope="contacts:read",
        gives=str,
        problems=(404, 409),
    ),
)
async def get_export_file(request: Call) -> Kept:
    """A file to be kept."""
    return await file_of(request)


async def file_of(request: Call) -> Kept:
    """The file of the export in the address."""
    exports = exports_of(request)
    export_id = edge.id_in_path(request, "export")
    one = await flows.fetched(exports, request.auth.workspace_id, export_id)
    wanted = msgspec.json.decode(one.wanted, type=Order)
    media = MEDIA[wanted.format]
    if wanted.format == "csv":
        media = f"{media}; charset={wanted.encoding.removesuffix('-sig')}"
    name = f"{wanted.source or 'contacts'}-{ids.show('export', one.id)}.{wanted.format}"
    if wanted.name:
        name = files.name_of(wanted.name, wanted.format)
    return Kept(exports.shelf.path(one.id), media, name)


@route(
    "DELETE /v1/exports/{export_id}",
    Operation(
        summary="Delete an export and its file",
        scope="contacts:read",
        status=204,
        problems=(404,),
    ),
)
async def delete_export(request: Call) -> JsonAnswer:
    """No export any more."""
    export_id = edge.id_in_path(request, "export")
    await flows.delete(exports_of(request), request.auth.workspace_id, export_id)
    return edge.nothing(request)


def shown(one: Export) -> ExportShown:
    """An export for the outside."""
    return ExportShown(
        id=ids.show("export", one.id),
        state=one.state,
        reason=one.reason,
        wanted={name: value for name, value in msgspec.json.decode(one.wanted).items() if name != "settled"},
        columns=list(one.columns),
        rows=one.rows,
        sheets=one.sheets,
        size_bytes=one.size_bytes,
        by=one.actor,
        created_at=iso(one.created_at),
        updated_at=iso(one.updated_at),
    )


HANDLERS = (ask_for_export, list_exports, get_export, get_export_file, delete_export)

"""The JSON edge of imports: send a file, see how it reads, say what it is, check, start, follow, undo."""

from __future__ import annotations

from typing import Annotated, cast

import msgspec
from msgspec import Meta

from angarium.accounts import edge
from angarium.accounts.edge import Call, JsonAnswer, Operation, Page, Streamed, route
from angarium.contacts.imports import flows
from angarium.contacts.imports.flows import Imports
from angarium.contacts.imports.looking import Sample
from angarium.contacts.imports.mapping import Column, Mapping
from angarium.contacts.imports.sniffing import ROWS_SHOWN, Dialect
from angarium.contacts.imports.store import Import, insert, jobs, lists
from angarium.contacts.imports.writing import CHECKING, RUNNING
from angarium.core import ids
from angarium.core.clock import MICROS, iso
from angarium.core.decoding import Shape
from angarium.core.values import Json
from angarium.storage.database import Transaction

MAPPING = Shape(Mapping)
NEWEST = (1 << 63) - 1


class UploadQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is said of a file that is sent."""

    file_name: Annotated[str, Meta(min_length=1, max_length=flows.NAME_MAX)] = "contacts.csv"
    country: Annotated[str, Meta(pattern="^([A-Z]{2})?$")] = ""  # where its phones without a country code are


UPLOAD = Shape(UploadQuery)


class Progress(msgspec.Struct, frozen=True):
    """How far it has come. Rows are rows of the file that hold anything."""

    rows_done: int  # rows of the file, its head and empty ones too
    rows_total: int  # of a text file an estimate
    percent: float
    created: int
    changed: int
    skipped: int
    failed: int
    undone: int
    rows_per_s: float
    seconds_left: int | None


class ImportShown(msgspec.Struct, frozen=True, kw_only=True):
    """An import with what was sniffed of its file, what was said of it, and how far it has come."""

    id: str
    state: str
    reason: str
    name: str
    size_bytes: int
    sha256: str
    by: str
    format: str
    encodings: list[Sample]  # how the first rows read in each encoding that it may be in
    encoding_is_certain: bool
    dialect: Dialect
    above: int  # rows of the file over its table
    header: bool
    sheets: list[str]
    heads: list[str]
    rows: list[list[str]]  # the first ones, as they read under the mapping
    guess: list[Column]
    mapping: Mapping
    progress: Progress
    created_at: str
    updated_at: str


COLUMNS = (
    Column(column="ID", to="external_id"),
    Column(column="Ім'я", to="name"),
    Column(column="Телефон", to="address", kind="phone"),
    Column(column="Місто", to="field", kind="text", name="city"),
)
EXAMPLE = Mapping(columns=COLUMNS, country="UA", duplicates="update", empty="keep")
SHOWN_EXAMPLE = ImportShown(
    id="imp_05a58xarj0000",
    state="uploaded",
    reason="",
    name="customers.csv",
    size_bytes=1_048_576,
    sha256="9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    by="key_05a58xarj0000",
    format="text",
    encodings=[Sample("cp1251", 0.97, (("ID", "Ім'я"), ("7", "Олена")))],
    encoding_is_certain=True,
    dialect=Dialect(";"),
    above=0,
    header=True,
    sheets=[],
    heads=["ID", "Ім'я", "Телефон", "Місто"],
    rows=[["7", "Олена", "0441234567", "Київ"]],
    guess=list(COLUMNS),
    mapping=EXAMPLE,
    progress=Progress(0, 9_500, 0.0, 0, 0, 0, 0, 0, 0.0, None),
    created_at="2026-11-28T08:30:00.000Z",
    updated_at="2026-11-28T08:30:00.000Z",
)  # fmt: skip
DONE_EXAMPLE = msgspec.structs.replace(
    SHOWN_EXAMPLE,
    state="running",
    progress=Progress(5_000, 9_500, 52.6, 4_990, 6, 0, 3, 0, 21_000.0, 1),
)


def imports_of(request: Call) -> Imports:
    """What imports need."""
    return cast("Imports", request.scope["litestar_app"].state.imports)


@route(
    "POST /v1/imports",
    Operation(
        summary="Send a file of contacts",
        detail="The body is the file as it is: CSV, TSV, XLSX, XLS, XLSB or ODS. Nothing is written yet: the "
        "answer says how it reads and what its columns may be.",
        scope="contacts:write",
        asks=UPLOAD,
        gives=ImportShown,
        once=True,
        status=201,
        problems=(400, 408, 409, 413),
        answer_example=SHOWN_EXAMPLE,
    ),
)
async def send_file(request: Call) -> JsonAnswer:
    """A file on our shelf, looked at. With an Idempotency-Key the same file is taken once."""
    query = UPLOAD.read_query(request.scope["query_string"])
    imports, caller = imports_of(request), request.auth
    pieces = edge.pieces(request, imports.shelf.most_bytes)
    made = await flows.bring(
        imports, caller.workspace_id, caller.actor, query.file_name, pieces, query.country
    )
    kept = False

    async def work(tx: Transaction) -> ImportShown:
        nonlocal kept
        await insert(tx, caller.workspace_id, made)
        kept = True
        return shown(made)

    try:
        return await edge.once(request, f"{made.sha256} {query}".encode(), work)
    finally:
        if not kept:
            imports.shelf.remove(made.id)


@route(
    "GET /v1/imports",
    Operation(
        summary="List imports, the newest first",
        scope="contacts:read",
        asks=edge.PAGE,
        gives=Page[ImportShown],
        answer_example=Page([DONE_EXAMPLE]),
    ),
)
async def list_imports(request: Call) -> JsonAnswer:
    """In the order in which they were sent, from the end."""
    query = edge.PAGE.read_query(request.scope["query_string"])
    before = edge.read_cursor(query.cursor) or NEWEST
    db = imports_of(request).ground.db
    found = await db.read(jobs.page, request.auth.workspace_id, before, query.limit + 1)
    piece, following = edge.cut(found, query, lambda one: one.id)
    return edge.answer(request, Page([shown(one) for one in piece], following))


@route(
    "GET /v1/imports/{import_id}",
    Operation(
        summary="Look at an import",
        detail="How the file reads, what its columns may be, what was said of it, and how far it has come.",
        scope="contacts:read",
        gives=ImportShown,
        problems=(404,),
        answer_example=DONE_EXAMPLE,
    ),
)
async def get_import(request: Call) -> JsonAnswer:
    """One import."""
    import_id = edge.id_in_path(request, "import")
    return edge.answer(
        request, shown(await flows.get(imports_of(request), request.auth.workspace_id, import_id))
    )


@route(
    "PUT /v1/imports/{import_id}/mapping",
    Operation(
        summary="Say what a file is",
        detail="How it is to be read, where each column goes, and what happens to doubles. Without columns "
        "the guesses are taken. It can be said again until the import is started.",
        scope="contacts:write",
        takes=MAPPING,
        gives=ImportShown,
        problems=(404, 409),
        example=EXAMPLE,
        answer_example=SHOWN_EXAMPLE,
    ),
)
async def map_columns(request: Call) -> JsonAnswer:
    """The import as it is said to be read now."""
    import_id = edge.id_in_path(request, "import")
    said = MAPPING.read(await edge.read_body(request))
    done = await flows.say(imports_of(request), request.auth.workspace_id, import_id, said)
    return edge.answer(request, shown(done))


@route(
    "POST /v1/imports/{import_id}/check",
    Operation(
        summary="Check every row of a file",
        detail="Nothing is written. Afterwards `progress` says what would be created, changed, skipped and "
        "refused, and `…/errors` which rows, and why.",
        scope="contacts:write",
        gives=ImportShown,
        status=202,
        problems=(404, 409, 422),
        answer_example=DONE_EXAMPLE,
    ),
)
async def check_import(request: Call) -> JsonAnswer:
    """The import, being checked."""
    import_id = edge.id_in_path(request, "import")
    done = await flows.check(imports_of(request), request.auth.workspace_id, import_id)
    return edge.answer(request, shown(done))


@route(
    "POST /v1/imports/{import_id}/start",
    Operation(
        summary="Start an import, or go on with it",
        detail="Rows are written in batches. A server that is stopped in between goes on with the next row.",
        scope="contacts:write",
        gives=ImportShown,
        status=202,
        problems=(404, 409, 422),
        answer_example=DONE_EXAMPLE,
    ),
)
async def start_import(request: Call) -> JsonAnswer:
    """The import, running."""
    import_id = edge.id_in_path(request, "import")
    caller = request.auth
    done = await flows.start(imports_of(request), caller.workspace_id, caller.actor, import_id)
    return edge.answer(request, shown(done))


@route(
    "POST /v1/imports/{import_id}/pause",
    Operation(
        summary="Pause an import",
        detail="`start` goes on with it. A check that is paused is over.",
        scope="contacts:write",
        gives=ImportShown,
        problems=(404, 409),
        answer_example=SHOWN_EXAMPLE,
    ),
)
async def pause_import(request: Call) -> JsonAnswer:
    """The import, paused."""
    import_id = edge.id_in_path(request, "import")
    done = await flows.pause(imports_of(request), request.auth.workspace_id, import_id)
    return edge.answer(request, shown(done))


@route(
    "POST /v1/imports/{import_id}/cancel",
    Operation(
        summary="Cancel an import",
        detail="Its file is removed. What was written stays, until it is undone.",
        scope="contacts:write",
        gives=ImportShown,
        problems=(404, 409),
        answer_example=SHOWN_EXAMPLE,
    ),
)
async def cancel_import(request: Call) -> JsonAnswer:
    """The import, cancelled."""
    import_id = edge.id_in_path(request, "import")
    caller = request.auth
    done = await flows.cancel(imports_of(request), caller.workspace_id, caller.actor, import_id)
    return edge.answer(request, shown(done))


@route(
    "POST /v1/imports/{import_id}/undo",
    Operation(
        summary="Take an import back",
        detail="Within 30 days. Contacts that it has brought and that nobody has changed since are deleted; "
        "those that were there before stay as they are now. Its list goes, if it has kept one: 409 `in-use` "
        "while a campaign needs it.",
        scope="contacts:write",
        gives=ImportShown,
        status=202,
        problems=(404, 409),
        answer_example=DONE_EXAMPLE,
    ),
)
async def undo_import(request: Call) -> JsonAnswer:
    """The import, being undone."""
    import_id = edge.id_in_path(request, "import")
    caller = request.auth
    done = await flows.undo(imports_of(request), caller.workspace_id, caller.actor, import_id)
    return edge.answer(request, shown(done))


@route(
    "DELETE /v1/imports/{import_id}",
    Operation(
        summary="Forget an import",
        detail="With its file, its list and its rows in error. Its contacts stay. 409 `in-use` while a "
        "campaign needs its list.",
        scope="contacts:write",
        status=204,
        problems=(404, 409),
    ),
)
async def delete_import(request: Call) -> JsonAnswer:
    """No import any more."""
    import_id = edge.id_in_path(request, "import")
    await flows.delete(imports_of(request), request.auth.workspace_id, import_id)
    return edge.nothing(request)


@route(
    "GET /v1/imports/{import_id}/errors",
    Operation(
        summary="The rows that were not taken",
        detail="As CSV with the columns of the file, and what is wrong with each row beside it. Mend the "
        "cells and import the file: the columns that begin with `angarium_` are not looked at.",
        scope="contacts:write",
        gives=str,
        problems=(404,),
    ),
)
async def get_errors(request: Call) -> Streamed:
    """A file to be kept."""
    import_id = edge.id_in_path(request, "import")
    found = await flows.errors(imports_of(request), request.auth.workspace_id, import_id)
    return Streamed(found, "text/csv; charset=utf-8", f"errors-{ids.show('import', import_id)}.csv")


class MemberShown(msgspec.Struct, frozen=True):
    """Whom a row meant, and the variables of that row."""

    contact: str
    variables: Json


@route(
    "GET /v1/imports/{import_id}/members",
    Operation(
        summary="The list that an import has kept",
        detail="Whom its rows meant, in the order of their ids, each with the variables of the last row that "
        "named them; also those who have been deleted since. There is one when a column is a `variable`, or "
        "the mapping says `list`.",
        scope="contacts:read",
        asks=edge.PAGE,
        gives=Page[MemberShown],
        problems=(404,),
        answer_example=Page([MemberShown("con_05a58xarj0000", {"amount": "1200"})]),
    ),
)
async def list_members(request: Call) -> JsonAnswer:
    """A page of it."""
    import_id, imports = edge.id_in_path(request, "import"), imports_of(request)
    query, workspace_id = edge.PAGE.read_query(request.scope["query_string"]), request.auth.workspace_id
    after = edge.read_cursor(query.cursor) or 0
    await flows.get(imports, workspace_id, import_id)
    found = await imports.ground.db.read(lists.page, workspace_id, import_id, after, query.limit + 1)
    piece, following = edge.cut(found, query, lambda one: one.contact_id)
    told = [MemberShown(ids.show("contact", one.contact_id), lists.variables(one.variables)) for one in piece]
    return edge.answer(request, Page(told, following))


def shown(one: Import) -> ImportShown:
    """An import for the outside."""
    look = one.seen.look
    return ImportShown(
        id=ids.show("import", one.id),
        state=one.state,
        reason=one.reason,
        name=one.name,
        size_bytes=one.size_bytes,
        sha256=one.sha256,
        by=one.actor,
        format=look.format,
        encodings=list(one.seen.encodings),
        encoding_is_certain=look.encoding_is_certain,
        dialect=look.dialect,
        above=look.above,
        header=look.header,
        sheets=list(look.sheets),
        heads=list(look.heads),
        rows=[list(row) for row in look.examples[:ROWS_SHOWN]],
        guess=list(one.seen.guess.columns),
        mapping=one.mapping,
        progress=progress(one),
        created_at=iso(one.created_at),
        updated_at=iso(one.updated_at),
    )


def progress(one: Import) -> Progress:
    """How far it has come, and how long it will take at this pace."""
    total = max(one.rows_total, one.rows_done)
    share = one.rows_done / total if total else 0.0
    if one.bytes_done and one.seen.look.format == "text":
        share = one.bytes_done / max(1, one.size_bytes)
        total = max(one.rows_done, round(one.rows_done / share))
    seconds = (one.updated_at - one.began_at) / MICROS if one.began_at else 0.0
    per_s = (one.rows_done - one.began_rows) / seconds if seconds > 0 else 0.0
    running = one.state in (RUNNING, CHECKING)
    left = round((total - one.rows_done) / per_s) if running and per_s else None
    counts = (one.created, one.changed, one.skipped, one.failed, one.undone)
    return Progress(one.rows_done, total, round(100 * share, 1), *counts, round(per_s, 1), left)


HANDLERS = (
    send_file,
    list_imports,
    get_import,
    map_columns,
    check_import,
    start_import,
    pause_import,
    cancel_import,
    undo_import,
    delete_import,
    get_errors,
    list_members,
)

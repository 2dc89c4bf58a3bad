"""The JSON edge of patterns: one by one, many at once, and a text tried against them."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from angarium.accounts import edge
from angarium.accounts.edge import Call, JsonAnswer, Operation, Page, route
from angarium.core import ids
from angarium.core.clock import iso
from angarium.core.decoding import Items, Shape
from angarium.core.problems import Problem
from angarium.core.values import Json, MessageClass
from angarium.lines import patterns_flows as flows
from angarium.lines.edge import line_in_path
from angarium.lines.patterns_flows import AT_ONCE_MAX, IMPORT_MAX_BYTES, Imported, PatternInput, Tried
from angarium.lines.patterns_near import Piece
from angarium.lines.patterns_rules import Limit, Pattern, Syntax
from angarium.lines.rules import TOPIC
from angarium.lines.store.patterns import PatternState, Registered
from angarium.storage.database import Conflict, Transaction

UNDER = "/v1/lines/{line_id}/patterns"
ONE = UNDER + "/{pattern_id}"
CSV = b"text/csv"


class PatternShown(msgspec.Struct, frozen=True, kw_only=True):
    """A template that an operator registered for a line."""

    id: str
    line: str
    name: str
    class_: MessageClass = msgspec.field(name="class")
    syntax: str
    text: str
    limits: dict[str, Limit]
    external_id: str
    state: PatternState
    reason: str
    changed_by: str
    version: int
    created_at: str
    updated_at: str


class PatternNamed(msgspec.Struct, frozen=True):
    """A pattern in short."""

    id: str
    name: str
    external_id: str
    text: str


class TriedShown(msgspec.Struct, frozen=True, kw_only=True):
    """What a text comes to."""

    fits: PatternNamed | None
    nearest: PatternNamed | None  # when it fits none
    edits: int  # words to put in, take out or exchange for the nearest
    difference: str
    pieces: list[Piece]


class TextInput(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A text as the person would read it."""

    class_: MessageClass = msgspec.field(name="class")
    text: Annotated[str, msgspec.Meta(max_length=10_000)]


class PatternsQuery(edge.PageQuery, frozen=True, forbid_unknown_fields=True):
    """Which patterns."""

    state: Literal["", "draft", "submitted", "approved", "refused", "expired"] = ""
    class_: Literal["", "otp", "transactional", "service", "promotional"] = msgspec.field(
        name="class", default=""
    )


class ImportQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whether anything is written."""

    dry_run: bool = False


PATTERN, TEXT = Shape(PatternInput), Shape(TextInput)
QUERY, IMPORT = Shape(PatternsQuery), Shape(ImportQuery)
MANY = Items("patterns", PATTERN, AT_ONCE_MAX)
EXAMPLE: Json = {
    "name": "shipped",
    "class": "service",
    "syntax": "braces",
    "text": "Dear {0}, your order {1} is on its way.",
    "limits": {"1": {"kind": "digits", "chars": 10}},
    "external_id": "48151",
    "state": "submitted",
}
SHOWN_EXAMPLE = PatternShown(
    id="pat_05a58xarj0004",
    line="lin_05a58xarj0000",
    name="shipped",
    class_=MessageClass.SERVICE,
    syntax="braces",
    text="Dear {0}, your order {1} is on its way.",
    limits=msgspec.convert(EXAMPLE["limits"], dict[str, Limit]),
    external_id="48151",
    state=PatternState.SUBMITTED,
    reason="",
    changed_by="key_05a58xarj0003",
    version=1,
    created_at="2026-11-23T08:30:00.000Z",
    updated_at="2026-11-23T08:30:00.000Z",
)
COUNTS = "Approving a pattern, and changing one that is approved, needs the scope `lines:decide` as well."


@route(
    "GET /v1/pattern-syntaxes",
    Operation(
        summary="List how operators write the places of a pattern",
        scope="setup:read",
        gives=Page[Syntax],
        answer_example=Page(list(flows.syntaxes().values())[:1]),
    ),
)
async def list_syntaxes(request: Call) -> JsonAnswer:
    """Every syntax, with what may stand in its places."""
    return edge.answer(request, Page(list(flows.syntaxes().values())))


@route(
    f"GET {UNDER}",
    Operation(
        summary="List the patterns of a line",
        scope="setup:read",
        asks=QUERY,
        gives=Page[PatternShown],
        problems=(404,),
        answer_example=Page([SHOWN_EXAMPLE]),
    ),
)
async def list_patterns(request: Call) -> JsonAnswer:
    """Oldest first."""
    line_id = await line_in_path(request)
    query = QUERY.read_query(request.scope["query_string"])
    found = await flows.of_line(
        edge.ground_of(request), request.auth.workspace_id, line_id, query.state, query.class_
    )
    some, following = edge.piece(found, query, lambda one: one.id)
    return edge.answer(request, Page([shown(one) for one in some], following))


@route(
    f"POST {UNDER}",
    Operation(
        summary="Add a pattern",
        detail=COUNTS,
        scope="setup:write",
        takes=PATTERN,
        gives=PatternShown,
        status=201,
        once=True,
        problems=(404,),
        example=EXAMPLE,
        answer_example=SHOWN_EXAMPLE,
    ),
)
async def create_pattern(request: Call) -> JsonAnswer:
    """A new pattern."""
    line_id = await line_in_path(request)
    body = await edge.read_body(request)
    given, ground, caller = PATTERN.read(body), edge.ground_of(request), request.auth

    async def work(tx: Transaction) -> PatternShown:
        return shown(
            await flows.create(tx, ground, caller.workspace_id, line_id, given, caller.actor, caller.scopes)
        )

    answer = await edge.once(request, body, work, taken=flows.taken(given.name))
    ground.fabric.wake(TOPIC)
    return answer


@route(
    f"POST {UNDER}/import",
    Operation(
        summary="Add or change many patterns at once",
        detail=f"JSON, or `text/csv` with a heading of the same names; at most {AT_ONCE_MAX}. A name that is"
        " there is changed. A row that is wrong is told with its number and left out; the others are written."
        " With `dry_run=true` nothing is. " + COUNTS,
        scope="setup:write",
        takes=MANY,
        asks=IMPORT,
        gives=Imported,
        problems=(404,),
        body_max_bytes=IMPORT_MAX_BYTES,
        example={"patterns": [EXAMPLE]},
        answer_example=Imported(1, 0, 0, [], dry_run=False),
    ),
)
async def import_patterns(request: Call) -> JsonAnswer:
    """What came of it."""
    line_id, caller = await line_in_path(request), request.auth
    query = IMPORT.read_query(request.scope["query_string"])
    kind = dict(request.scope["headers"]).get(b"content-type", b"").partition(b";")[0].strip().lower()
    rows: list[PatternInput | Problem]
    if kind == CSV:
        rows = flows.read_csv(await edge.read_raw(request, IMPORT_MAX_BYTES), PATTERN.read)
    else:
        rows = MANY.read(await edge.read_body(request))
    done = await flows.bring_in(
        edge.ground_of(request),
        caller.workspace_id,
        line_id,
        rows,
        caller.actor,
        caller.scopes,
        dry_run=query.dry_run,
    )
    return edge.answer(request, done)


@route(
    f"POST {UNDER}/match",
    Operation(
        summary="Try a text against the patterns of a line",
        detail="Which approved pattern it fits, else the nearest one and what is different.",
        scope="setup:read",
        takes=TEXT,
        gives=TriedShown,
        problems=(404,),
        example={"class": "service", "text": "Dear Olena, your parcel 42 is on its way."},
        answer_example=TriedShown(
            fits=None,
            nearest=PatternNamed("pat_05a58xarj0004", "shipped", "48151", str(EXAMPLE["text"])),
            edits=1,
            difference="“parcel” stands where “order” is registered",
            pieces=[Piece("changed", "order", "parcel")],
        ),
    ),
)
async def match_pattern(request: Call) -> JsonAnswer:
    """Nothing is sent."""
    line_id = await line_in_path(request)
    given = TEXT.read(await edge.read_body(request))
    found = await flows.tried(
        edge.ground_of(request), request.auth.workspace_id, line_id, given.class_, given.text
    )
    return edge.answer(request, shown_tried(found))


@route(
    f"GET {ONE}",
    Operation(
        summary="Look at a pattern",
        scope="setup:read",
        gives=PatternShown,
        problems=(404,),
        answer_example=SHOWN_EXAMPLE,
    ),
)
async def get_pattern(request: Call) -> JsonAnswer:
    """One pattern."""
    found = await flows.get(edge.ground_of(request), request.auth.workspace_id, *await _ids(request))
    return edge.answer(request, shown(found))


@route(
    f"PUT {ONE}",
    Operation(
        summary="Change a pattern",
        detail="What is queued is judged by it before it leaves. " + COUNTS,
        scope="setup:write",
        takes=PATTERN,
        gives=PatternShown,
        problems=(404,),
        example=EXAMPLE,
        answer_example=SHOWN_EXAMPLE,
    ),
)
async def change_pattern(request: Call) -> JsonAnswer:
    """The pattern as it is now."""
    given, caller = PATTERN.read(await edge.read_body(request)), request.auth
    try:
        changed = await flows.change(
            edge.ground_of(request),
            caller.workspace_id,
            *await _ids(request),
            given,
            caller.actor,
            caller.scopes,
        )
    except Conflict:
        raise flows.taken(given.name) from None
    return edge.answer(request, shown(changed))


@route(
    f"DELETE {ONE}",
    Operation(
        summary="Delete a pattern",
        detail="What fits no other goes no more.",
        scope="setup:write",
        status=204,
        problems=(404,),
    ),
)
async def delete_pattern(request: Call) -> JsonAnswer:
    """It is gone."""
    caller = request.auth
    await flows.delete(edge.ground_of(request), caller.workspace_id, *await _ids(request), caller.actor)
    return edge.nothing(request)


async def _ids(request: Call) -> tuple[int, int]:
    pattern_id = edge.id_in_path(request, "pattern")
    return await line_in_path(request), pattern_id


def shown(one: Registered) -> PatternShown:
    """A pattern for the outside."""
    return PatternShown(
        id=ids.show("pattern", one.id),
        line=ids.show("line", one.line_id),
        name=one.name,
        class_=one.message_class,
        syntax=one.syntax,
        text=one.text,
        limits=one.limits,
        external_id=one.external_id,
        state=one.state,
        reason=one.reason,
        changed_by=one.changed_by,
        version=one.version,
        created_at=iso(one.created_at),
        updated_at=iso(one.updated_at),
    )


def shown_tried(found: Tried) -> TriedShown:
    """What a text comes to, for the outside."""
    near = found.near
    return TriedShown(
        fits=_named(found.fits) if found.fits else None,
        nearest=_named(near.pattern) if near else None,
        edits=near.edits if near else 0,
        difference=near.told() if near else "",
        pieces=list(near.pieces) if near else [],
    )


def _named(pattern: Pattern) -> PatternNamed:
    return PatternNamed(ids.show("pattern", pattern.id), pattern.name, pattern.external_id, pattern.text)


HANDLERS = (
    list_syntaxes,
    list_patterns,
    create_pattern,
    import_patterns,
    match_pattern,
    get_pattern,
    change_pattern,
    delete_pattern,
)

"""The JSON edge of the suppression list: list, look up, put on, take off, import and export."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, MutableMapping
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Literal, TypeVar, cast

import msgspec
from msgspec import Meta

from angarium.accounts import edge
from angarium.accounts.edge import Call, JsonAnswer, Operation, Page, route
from angarium.contacts import suppression_list
from angarium.contacts.rules import BadAddress, clean_address
from angarium.contacts.store import suppressions as store
from angarium.contacts.store.suppressions import Entry, Filter
from angarium.contacts.suppression import STOPS, Why
from angarium.contacts.suppression_list import New, Place, check_words
from angarium.core import ids
from angarium.core.clock import iso
from angarium.core.decoding import Shape
from angarium.core.problems import Problem, all_invalid, invalid, not_found, too_large
from angarium.core.values import AddressKind
from angarium.messaging import suppressions
from angarium.messaging.api import Desk
from angarium.messaging.case import Case, wake
from angarium.messaging.consents_api import line
from angarium.messaging.suppressions import Listing
from angarium.messaging.world import World
from angarium.storage.database import Transaction

NO_LINE = 1  # an id that none has
W = TypeVar("W", bound=StrEnum)

LIST_MAX_BYTES = 200_000_000  # of one import: ten million numbers
LINE_MAX_BYTES = 1_000
PIECE_WITHIN_S = 60.0  # a client that sends nothing for so long has gone
CHECK_MAX = 1_000
EXPORT_PAGE = 1_000
COLUMNS = ("id", "kind", "value", "reason", "line", "source", "detail", "by", "created_at", "expires_at")


class SuppressionInput(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """An address that is not to be written to."""

    kind: AddressKind
    value: str
    reason: Why
    source: str = "api"
    line: str = ""
    detail: str = ""
    expires_at: datetime | None = None


class SuppressionShown(msgspec.Struct, frozen=True, kw_only=True):
    """An entry of the list; without its address once the person has been erased."""

    id: str
    kind: str
    value: str
    reason: str
    stops: list[str]
    line: str | None
    source: str
    detail: str
    by: str
    created_at: str
    expires_at: str | None


class SuppressionQuery(edge.PageQuery, frozen=True, forbid_unknown_fields=True):
    """Which entries; empty means any. `line` is the name of a line, or `all`
    for those that hold on every one."""

    reason: str = ""
    kind: str = ""
    source: str = ""
    line: str = ""


class AddressAsked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An address that is looked up."""

    kind: AddressKind
    value: str


class CheckInput(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Addresses that are looked up."""

    addresses: Annotated[tuple[AddressAsked, ...], Meta(min_length=1, max_length=CHECK_MAX)]


class Checked(msgspec.Struct, frozen=True):
    """What is known against writing to an address."""

    kind: str
    value: str
    suppressed: list[SuppressionShown]


class CheckShown(msgspec.Struct, frozen=True):
    """What is known, address by address, in order."""

    results: list[Checked]


class ImportQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a list is of. `replace`: what a list of this source named before, and this one does not, goes."""

    reason: str = Why.OPERATOR_BLACKLIST.value
    source: Annotated[str, Meta(min_length=1)] = "import"
    kind: str = AddressKind.PHONE.value
    mode: Literal["add", "replace"] = "add"
    line: str = ""


class WrongLine(msgspec.Struct, frozen=True):
    """A line that is no address."""

    line: int
    value: str
    problem: str


class ImportShown(msgspec.Struct, frozen=True):
    """What became of a list; of the lines that were refused the first hundred."""

    taken: int
    removed: int
    refused: int
    wrong: list[WrongLine]


class RemovalQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why an entry goes; must be said of `opt_out`, `complaint` and `regulator`."""

    because: str = ""


GIVEN, QUERY, CHECK, IMPORT, REMOVAL = (
    Shape(SuppressionInput),
    Shape(SuppressionQuery),
    Shape(CheckInput),
    Shape(ImportQuery),
    Shape(RemovalQuery),
)
EXAMPLE = SuppressionInput(
    kind=AddressKind.PHONE, value="+989121234567", reason=Why.REGULATOR, source="register 2026-11"
)
SHOWN_EXAMPLE = SuppressionShown(
    id="sup_05a58xarj0000",
    kind="phone",
    value="+989121234567",
    reason="regulator",
    stops=["promotional"],
    line=None,
    source="register 2026-11",
    detail="",
    by="key_05a58xarj0000",
    created_at="2026-11-23T08:30:00.000Z",
    expires_at=None,
)
CHECK_EXAMPLE = CheckInput((AddressAsked(AddressKind.PHONE, "+989121234567"),))


@route(
    "GET /v1/suppressions",
    Operation(
        summary="List the addresses that are not written to",
        scope="contacts:read",
        asks=QUERY,
        gives=Page[SuppressionShown],
        answer_example=Page([SHOWN_EXAMPLE]),
    ),
)
async def list_suppressions(request: Call) -> JsonAnswer:
    """In the order in which they came."""
    query = QUERY.read_query(request.scope["query_string"])
    ground, workspace_id = edge.ground_of(request), request.auth.workspace_id
    after, wanted = edge.read_cursor(query.cursor), _filter(_world(request), workspace_id, query)
    page = await ground.db.read(store.page, workspace_id, wanted, after, query.limit + 1)
    found, following = edge.cut(page, query, lambda one: one.id)
    return edge.answer(request, Page([shown(one) for one in found], following))


def _filter(world: World, workspace_id: int, query: SuppressionQuery) -> Filter:
    line_id = (
        None if not query.line else 0 if query.line == "all" else _named(world, workspace_id, query.line)
    )
    reason = _one_of(Why, "reason", query.reason) if query.reason else ""
    kind = _one_of(AddressKind, "kind", query.kind) if query.kind else ""
    return Filter(str(reason), str(kind), query.source, line_id)


def _one_of(words: type[W], field: str, text: str) -> W:
    """A word of a query; a Problem when it is none of ours."""
    try:
        return words(text)
    except ValueError:
        raise invalid(field, "is not one", value=text, remedy="one of " + ", ".join(words)) from None


@route(
    "POST /v1/suppressions",
    Operation(
        summary="Put an address on the suppression list",
        detail="What waits for it and may not go for this reason is stopped at once. Of an address that is"
        " there for the same reason on the same line, what is said of it is written over.",
        scope="contacts:write",
        takes=GIVEN,
        gives=SuppressionShown,
        once=True,
        problems=(404,),
        example=EXAMPLE,
        answer_example=SHOWN_EXAMPLE,
    ),
)
async def put_suppression(request: Call) -> JsonAnswer:
    """One address."""
    body = await edge.read_body(request)
    world, caller = _world(request), request.auth
    new = _new(world, caller.workspace_id, GIVEN.read(body))
    stopped: list[Case] = []

    async def work(tx: Transaction) -> SuppressionShown:
        now = world.ground.clock.now()
        entry, cases = await suppressions.put(tx, world, caller.workspace_id, new, caller.actor, now)
        stopped[:] = cases
        return shown(entry)

    answer = await edge.once(request, body, work)
    wake(world, stopped)
    return answer


def _new(world: World, workspace_id: int, given: SuppressionInput) -> New:
    wrong = check_words(given.source, given.detail)
    if wrong:
        raise all_invalid("The suppression is not valid", tuple(wrong))
    return New(
        kind=given.kind,
        value=_clean(given.kind, given.value, "value"),
        why=given.reason,
        source=given.source,
        line_id=_line(world, workspace_id, given.line),
        detail=given.detail,
        expires_at=edge.instant("expires_at", given.expires_at) or 0,
    )


def _clean(kind: AddressKind, value: str, field: str) -> str:
    try:
        return clean_address(kind, value)
    except BadAddress as bad:
        raise all_invalid("The address is not valid", (bad.at(field),)) from None


def _line(world: World, workspace_id: int, text: str) -> int:
    """A line of the workspace by its name; 0 for every line."""
    found = _named(world, workspace_id, text)
    if found == NO_LINE:
        raise not_found("line", text, remedy="the name of a line; none for all of them")
    return found


def _named(world: World, workspace_id: int, text: str) -> int:
    lines = {line.name: line.id for line in world.lines.of(workspace_id)}
    return lines.get(text, NO_LINE) if text else 0


@route(
    "GET /v1/suppressions/{suppression_id}",
    Operation(
        summary="Look at an entry of the suppression list",
        scope="contacts:read",
        gives=SuppressionShown,
        problems=(404,),
        answer_example=SHOWN_EXAMPLE,
    ),
)
async def get_suppression(request: Call) -> JsonAnswer:
    """One entry."""
    entry_id = edge.id_in_path(request, "suppression")
    found = await edge.ground_of(request).db.read(store.by_id, request.auth.workspace_id, entry_id)
    if found is None:
        raise not_found("suppression", ids.show("suppression", entry_id))
    return edge.answer(request, shown(found))


@route(
    "DELETE /v1/suppressions/{suppression_id}",
    Operation(
        summary="Take an entry off the suppression list",
        detail="What was stopped stays so. `because` says in a few words why; of an opt-out, a complaint and "
        "a regulator's entry it must be said. It is kept in the audit log, and with the contacts that have "
        "the address.",
        scope="contacts:write",
        asks=REMOVAL,
        status=204,
        problems=(404,),
    ),
)
async def remove_suppression(request: Call) -> JsonAnswer:
    """No entry any more."""
    entry_id, world, caller = edge.id_in_path(request, "suppression"), _world(request), request.auth
    because = REMOVAL.read_query(request.scope["query_string"]).because.strip()
    await world.ground.db.run(
        suppressions.remove, world, caller.workspace_id, entry_id, caller.actor, because
    )
    return edge.nothing(request)


@route(
    "POST /v1/suppressions/check",
    Operation(
        summary="Look up to 1,000 addresses up in the suppression list",
        scope="contacts:read",
        takes=CHECK,
        gives=CheckShown,
        once=True,
        example=CHECK_EXAMPLE,
        answer_example=CheckShown([Checked("phone", "+989121234567", [SHOWN_EXAMPLE])]),
    ),
)
async def check_suppressions(request: Call) -> JsonAnswer:
    """What is known of each, in order."""
    body = await edge.read_body(request)
    asked = CHECK.read(body).addresses
    ground, workspace_id = edge.ground_of(request), request.auth.workspace_id
    places: list[Place] = [
        (one.kind, _clean(one.kind, one.value, f"addresses[{at}].value")) for at, one in enumerate(asked)
    ]
    hashes = [suppression_list.address_hash(ground.vault, workspace_id, place) for place in places]

    async def work(tx: Transaction) -> CheckShown:
        found: dict[str, list[SuppressionShown]] = {}
        for entry in await store.entries_of(tx, workspace_id, hashes):
            found.setdefault(entry.hash, []).append(shown(entry))
        return CheckShown(
            [
                Checked(kind.value, value, found.get(hashed, []))
                for (kind, value), hashed in zip(places, hashes, strict=True)
            ]
        )

    return await edge.once(request, body, work)


@route(
    "POST /v1/suppressions/import",
    Operation(
        summary="Import a list of addresses that are not written to",
        detail="The body is text, one address a line; of a line with columns the first counts. It is taken as"
        " it comes, a million numbers and more; sent again it changes nothing.",
        scope="contacts:write",
        asks=IMPORT,
        gives=ImportShown,
        problems=(400, 408, 413),
        answer_example=ImportShown(999_998, 12, 2, [WrongLine(7, "n/a", "is not a phone number")]),
    ),
)
async def import_suppressions(request: Call) -> JsonAnswer:
    """A list of many."""
    query = IMPORT.read_query(request.scope["query_string"])
    wrong = check_words(query.source)
    if wrong:
        raise all_invalid("The list is not valid", tuple(wrong))
    world, caller = _world(request), request.auth
    listing = Listing(
        why=_one_of(Why, "reason", query.reason),
        kind=_one_of(AddressKind, "kind", query.kind),
        source=query.source,
        line_id=_line(world, caller.workspace_id, query.line),
        replace=query.mode == "replace",
    )
    done = await suppressions.take_in(world, caller.workspace_id, listing, _lines(request), caller.actor)
    told = [WrongLine(one.line, one.value, one.problem) for one in done.wrong]
    return edge.answer(request, ImportShown(done.taken, done.removed, done.refused, told))


async def _lines(request: Call) -> AsyncIterator[list[tuple[int, str]]]:
    """The numbered lines of a body, in pieces as they arrive."""
    rest, number, size, more = b"", 0, 0, True
    while more:
        message = await _next(request)
        chunk, more = message.get("body", b""), message.get("more_body", False)
        size += len(chunk)
        if size > LIST_MAX_BYTES:
            raise too_large(LIST_MAX_BYTES)
        *whole, rest = (rest + chunk).split(b"\n") if more else [*(rest + chunk).split(b"\n"), b""]
        if len(rest) > LINE_MAX_BYTES:
            told = f"Line {number + len(whole) + 1} has over {LINE_MAX_BYTES} bytes: one address a line."
            raise Problem("bad-request", "The list cannot be read", status=400, detail=told)
        if whole:
            yield [
                (at, text[:LINE_MAX_BYTES].decode("utf-8", errors="replace"))
                for at, text in enumerate(whole, number + 1)
            ]
            number += len(whole)


async def _next(request: Call) -> MutableMapping[str, Any]:
    try:
        async with asyncio.timeout(PIECE_WITHIN_S):
            message = cast("MutableMapping[str, Any]", await request.receive())
    except TimeoutError:
        detail = (
            f"Nothing came for {PIECE_WITHIN_S:g} seconds. What came before is kept: send all of it again."
        )
        raise Problem("body-too-slow", "The body did not arrive", status=408, detail=detail) from None
    if message["type"] == "http.disconnect":
        raise Problem("caller-gone", "The caller has gone", status=400, detail="The body ended early.")
    return message


@route(
    "GET /v1/suppressions/export",
    Operation(
        summary="Export the suppression list as CSV",
        detail="UTF-8, RFC 4180.",
        scope="contacts:read",
        asks=QUERY,
    ),
)
async def export_suppressions(request: Call) -> edge.Streamed:
    """A row for each entry."""
    query = QUERY.read_query(request.scope["query_string"])
    ground, workspace_id = edge.ground_of(request), request.auth.workspace_id
    wanted = _filter(_world(request), workspace_id, query)

    async def rows() -> AsyncIterator[str]:
        yield line(COLUMNS)
        after = 0
        while page := await ground.db.read(store.page, workspace_id, wanted, after, EXPORT_PAGE):
            yield "".join(line(_row(one)) for one in page)
            after = page[-1].id

    return edge.Streamed(rows(), "text/csv; charset=utf-8", "suppressions.csv")


def _row(one: Entry) -> list[str]:
    told: dict[str, Any] = msgspec.to_builtins(shown(one))
    return [told[name] or "" for name in COLUMNS]


def _world(request: Call) -> World:
    return cast("Desk", request.scope["litestar_app"].state.messages).world


def shown(one: Entry) -> SuppressionShown:
    """An entry for the outside."""
    return SuppressionShown(
        id=ids.show("suppression", one.id),
        kind=one.kind.value,
        value=one.value,
        reason=one.why.value,
        stops=sorted(STOPS[one.why]),
        line=ids.show("line", one.line_id) if one.line_id else None,
        source=one.source,
        detail=one.detail,
        by=one.actor,
        created_at=iso(one.created_at),
        expires_at=iso(one.expires_at) if one.expires_at else None,
    )


HANDLERS = (
    list_suppressions,
    put_suppression,
    check_suppressions,
    import_suppressions,
    export_suppressions,
    get_suppression,
    remove_suppression,
)

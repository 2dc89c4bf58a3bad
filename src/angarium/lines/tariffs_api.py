"""The JSON edge of tariffs and of their price lists."""

from __future__ import annotations

from collections.abc import AsyncIterator

import msgspec

from angarium.accounts import edge
from angarium.accounts.edge import Call, JsonAnswer, Operation, Page, Streamed, route
from angarium.core import ids
from angarium.core.clock import iso
from angarium.core.decoding import Shape
from angarium.lines import tariffs_csv, tariffs_flows
from angarium.lines.tariffs import Changed, Row
from angarium.lines.tariffs_flows import ListInput, Looked, TariffInput
from angarium.lines.tariffs_store import PriceList, Tariff
from angarium.storage.database import Transaction

TARIFF = Shape(TariffInput)
LIST = Shape(ListInput)
BODY_MAX_BYTES = 4_194_304  # a list of 20,000 prices
CHANGES_SHOWN = 200


class TariffShown(msgspec.Struct, frozen=True, kw_only=True):
    """A tariff. Lines name it by `name`; its price lists say what holds from when to when."""

    id: str
    name: str
    currency: str
    zone: str
    counts: str
    created_at: str
    updated_at: str


class ListShown(msgspec.Struct, frozen=True, kw_only=True):
    """A price list. A `draft` holds for nobody; `in_force` it holds from `valid_from` on."""

    id: str
    state: str
    valid_from: str | None  # null: from when it is put in force
    valid_until: str | None
    rows: int
    by: str
    created_at: str
    updated_at: str


class ChangeShown(msgspec.Struct, frozen=True, kw_only=True):
    """A price before and after; null where it is not in that list."""

    before: Row | None
    after: Row | None


class ListLooked(ListShown, frozen=True, kw_only=True):
    """A price list with what it changes of the one that holds when it begins: how many, and the first 200."""

    added: int
    removed: int
    changed: int
    changes: list[ChangeShown]


EXAMPLE = {"name": "gms-2026", "currency": "EUR", "zone": "Europe/Kyiv", "counts": "line"}
SHOWN_EXAMPLE = TariffShown(
    id="trf_05a58xarj0000",
    name="gms-2026",
    currency="EUR",
    zone="Europe/Kyiv",
    counts="line",
    created_at="2026-11-23T08:30:00.000Z",
    updated_at="2026-11-23T08:30:00.000Z",
)
LIST_EXAMPLE = {
    "valid_from": "2027-01-01T00:00",
    "csv": "destination;volume_from;price\n+38067;0;0,031\n+38067;100000;0,028\n;0;0,045\n",
}
LIST_SHOWN_EXAMPLE = ListShown(
    id="prl_05a58xarj0001",
    state="draft",
    valid_from="2026-12-31T22:00:00.000Z",
    valid_until=None,
    rows=3,
    by="key_05a58xarj0002",
    created_at="2026-11-23T08:31:00.000Z",
    updated_at="2026-11-23T08:31:00.000Z",
)
LOOKED_EXAMPLE = ListLooked(
    **msgspec.structs.asdict(LIST_SHOWN_EXAMPLE),
    added=1,
    removed=0,
    changed=0,
    changes=[ChangeShown(before=None, after=Row("0.0310", "+38067"))],
)


@route(
    "GET /v1/tariffs",
    Operation(
        summary="List the tariffs",
        scope="setup:read",
        asks=edge.PAGE,
        gives=Page[TariffShown],
        answer_example=Page([SHOWN_EXAMPLE]),
    ),
)
async def list_tariffs(request: Call) -> JsonAnswer:
    """Every tariff, oldest first."""
    query = edge.PAGE.read_query(request.scope["query_string"])
    ground = edge.ground_of(request)
    found = await ground.db.read(tariffs_flows.everything, request.auth.workspace_id)
    piece, following = edge.piece(found, query, lambda one: one.id)
    return edge.answer(request, Page([shown(one) for one in piece], following))


@route(
    "POST /v1/tariffs",
    Operation(
        summary="Create a tariff",
        detail="It says nothing yet: put a price list in force. What none names costs what the line says.",
        scope="setup:write",
        takes=TARIFF,
        gives=TariffShown,
        status=201,
        once=True,
        example=EXAMPLE,
        answer_example=SHOWN_EXAMPLE,
    ),
)
async def create_tariff(request: Call) -> JsonAnswer:
    """A new tariff."""
    body = await edge.read_body(request)
    given, ground, caller = TARIFF.read(body), edge.ground_of(request), request.auth

    async def work(tx: Transaction) -> TariffShown:
        return shown(await tariffs_flows.new_tariff(tx, ground, caller.workspace_id, given, caller.actor))

    answer = await edge.once(request, body, work, taken=tariffs_flows.taken(given.name))
    ground.fabric.wake(tariffs_flows.TOPIC)
    return answer


@route(
    "GET /v1/tariffs/{tariff_id}",
    Operation(
        summary="Look at a tariff",
        scope="setup:read",
        gives=TariffShown,
        problems=(404,),
        answer_example=SHOWN_EXAMPLE,
    ),
)
async def get_tariff(request: Call) -> JsonAnswer:
    """One tariff."""
    tariff_id, ground = edge.id_in_path(request, "tariff"), edge.ground_of(request)
    found = await ground.db.read(tariffs_flows.get, request.auth.workspace_id, tariff_id)
    return edge.answer(request, shown(found))


@route(
    "PUT /v1/tariffs/{tariff_id}",
    Operation(
        summary="Rename a tariff",
        detail="Lines that name it go on naming it. Its currency, its zone and what it counts stay.",
        scope="setup:write",
        takes=TARIFF,
        gives=TariffShown,
        problems=(404,),
        example=EXAMPLE,
        answer_example=SHOWN_EXAMPLE,
    ),
)
async def change_tariff(request: Call) -> JsonAnswer:
    """The tariff as it is called now."""
    tariff_id = edge.id_in_path(request, "tariff")
    given = TARIFF.read(await edge.read_body(request))
    changed = await tariffs_flows.change(
        edge.ground_of(request), request.auth.workspace_id, tariff_id, given, request.auth.actor
    )
    return edge.answer(request, shown(changed))


@route(
    "DELETE /v1/tariffs/{tariff_id}",
    Operation(
        summary="Delete a tariff",
        detail="No line may name it. What was billed by it stays as it is.",
        scope="setup:write",
        status=204,
        problems=(404, 409),
    ),
)
async def delete_tariff(request: Call) -> JsonAnswer:
    """No tariff any more."""
    tariff_id = edge.id_in_path(request, "tariff")
    await tariffs_flows.remove(
        edge.ground_of(request), request.auth.workspace_id, tariff_id, request.auth.actor
    )
    return edge.nothing(request)


@route(
    "GET /v1/tariffs/{tariff_id}/price-lists",
    Operation(
        summary="List the price lists of a tariff",
        scope="setup:read",
        asks=edge.PAGE,
        gives=Page[ListShown],
        problems=(404,),
        answer_example=Page([LIST_SHOWN_EXAMPLE]),
    ),
)
async def list_price_lists(request: Call) -> JsonAnswer:
    """Every price list, oldest first."""
    query = edge.PAGE.read_query(request.scope["query_string"])
    tariff_id, ground = edge.id_in_path(request, "tariff"), edge.ground_of(request)
    found = await ground.db.read(tariffs_flows.lists, request.auth.workspace_id, tariff_id)
    piece, following = edge.piece(found, query, lambda one: one.id)
    return edge.answer(request, Page([shown_list(one) for one in piece], following))


@route(
    "POST /v1/tariffs/{tariff_id}/price-lists",
    Operation(
        summary="Draft a price list",
        detail="As `rows`, or as a CSV file in `csv` whose first line names the columns. It is checked as a"
        " whole, and the answer says what it changes. Nothing costs anything else before it is put in force.",
        scope="setup:write",
        takes=LIST,
        gives=ListLooked,
        status=201,
        once=True,
        problems=(404,),
        body_max_bytes=BODY_MAX_BYTES,
        example=LIST_EXAMPLE,
        answer_example=LOOKED_EXAMPLE,
    ),
)
async def draft_price_list(request: Call) -> JsonAnswer:
    """A draft, and what it changes."""
    body = await edge.read_body(request)
    tariff_id, ground = edge.id_in_path(request, "tariff"), edge.ground_of(request)
    given, caller = LIST.read(body), request.auth

    async def work(tx: Transaction) -> ListLooked:
        looked = await tariffs_flows.new_list(
            tx, ground, caller.workspace_id, tariff_id, given, request.auth.actor
        )
        return looked_at(looked)

    return await edge.once(request, body, work)


@route(
    "GET /v1/tariffs/{tariff_id}/price-lists/{price_list_id}",
    Operation(
        summary="Look at a price list",
        detail="What it changes of the list that holds when it begins. Its rows: the CSV of it.",
        scope="setup:read",
        gives=ListLooked,
        problems=(404,),
        answer_example=LOOKED_EXAMPLE,
    ),
)
async def get_price_list(request: Call) -> JsonAnswer:
    """One price list."""
    return edge.answer(request, looked_at(await _look(request)))


@route(
    "GET /v1/tariffs/{tariff_id}/price-lists/{price_list_id}/csv",
    Operation(
        summary="Download the rows of a price list",
        detail="A CSV file that can be changed and sent back as a draft.",
        scope="setup:read",
        problems=(404,),
    ),
)
async def download_price_list(request: Call) -> Streamed:
    """The rows as a file."""
    looked = await _look(request)
    name = f"{looked.tariff.name}-{ids.show('price_list', looked.price_list.id)}.csv"
    return Streamed(_pieces(looked.rows), "text/csv; charset=utf-8", name)


async def _pieces(rows: tuple[Row, ...]) -> AsyncIterator[str]:
    yield tariffs_csv.write(rows)


async def _look(request: Call) -> Looked:
    ground = edge.ground_of(request)
    tariff_id, list_id = edge.id_in_path(request, "tariff"), edge.id_in_path(request, "price_list")
    return await ground.db.read(
        tariffs_flows.look, request.auth.workspace_id, tariff_id, list_id, ground.clock.now()
    )


@route(
    "PUT /v1/tariffs/{tariff_id}/price-lists/{price_list_id}/in-force",
    Operation(
        summary="Put a price list in force",
        detail="From its `valid_from` on, or from now on. A message is billed by the list that holds then.",
        scope="setup:write",
        gives=ListShown,
        problems=(404, 409),
        answer_example=LIST_SHOWN_EXAMPLE,
    ),
)
async def put_in_force(request: Call) -> JsonAnswer:
    """The list holds, or will."""
    tariff_id, list_id = edge.id_in_path(request, "tariff"), edge.id_in_path(request, "price_list")
    done = await tariffs_flows.put_in_force(
        edge.ground_of(request), request.auth.workspace_id, tariff_id, list_id, request.auth.actor
    )
    return edge.answer(request, shown_list(done))


@route(
    "DELETE /v1/tariffs/{tariff_id}/price-lists/{price_list_id}",
    Operation(
        summary="Delete a draft, or withdraw a price list that has not begun",
        scope="setup:write",
        status=204,
        problems=(404, 409),
    ),
)
async def withdraw_price_list(request: Call) -> JsonAnswer:
    """The list will not hold."""
    tariff_id, list_id = edge.id_in_path(request, "tariff"), edge.id_in_path(request, "price_list")
    await tariffs_flows.withdraw(
        edge.ground_of(request), request.auth.workspace_id, tariff_id, list_id, request.auth.actor
    )
    return edge.nothing(request)


def shown(one: Tariff) -> TariffShown:
    """A tariff for the outside."""
    return TariffShown(
        id=ids.show("tariff", one.id),
        name=one.name,
        currency=one.currency,
        zone=one.zone,
        counts=one.counts,
        created_at=iso(one.created_at),
        updated_at=iso(one.updated_at),
    )


def shown_list(one: PriceList) -> ListShown:
    """A price list for the outside."""
    return ListShown(
        id=ids.show("price_list", one.id),
        state=one.state.value,
        valid_from=iso(one.valid_from) if one.valid_from else None,
        valid_until=None if one.valid_until is None else iso(one.valid_until),
        rows=one.row_count,
        by=one.by,
        created_at=iso(one.created_at),
        updated_at=iso(one.updated_at),
    )


def looked_at(looked: Looked) -> ListLooked:
    """A price list with what it changes, for the outside."""
    changes = looked.changes
    return ListLooked(
        **msgspec.structs.asdict(shown_list(looked.price_list)),
        added=sum(one.before is None for one in changes),
        removed=sum(one.after is None for one in changes),
        changed=sum(one.before is not None and one.after is not None for one in changes),
        changes=[_change(one) for one in changes[:CHANGES_SHOWN]],
    )


def _change(one: Changed) -> ChangeShown:
    return ChangeShown(before=one.before, after=one.after)


HANDLERS = (
    list_tariffs,
    create_tariff,
    get_tariff,
    change_tariff,
    delete_tariff,
    list_price_lists,
    draft_price_list,
    get_price_list,
    download_price_list,
    put_in_force,
    withdraw_price_list,
)

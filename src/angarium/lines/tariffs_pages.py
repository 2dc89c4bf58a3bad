"""The HTML edge of tariffs: all of them, one with its lists, one list with what it changes and costs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any
from urllib.parse import parse_qsl, urlencode

import msgspec

from angarium.accounts import edge
from angarium.accounts.edge import Call, Operation, Sent, ground_of, route
from angarium.accounts.pages import HtmlAnswer, form_of, problem_told, redirect, wrong_of
from angarium.core import ids
from angarium.core.decoding import Shape
from angarium.core.numerals import number_of
from angarium.core.problems import Problem, invalid
from angarium.core.values import MessageClass, amount_text
from angarium.lines import store, tariffs
from angarium.lines import tariffs_flows as flows
from angarium.lines.pages import DONE
from angarium.lines.tariffs import Sold
from angarium.lines.tariffs_flows import ListInput, Looked, TariffInput
from angarium.lines.tariffs_store import ListState, PriceList, Tariff
from angarium.storage.database import Conflict, Transaction

ALL = "/lines/tariffs"
ONE = ALL + "/{tariff_id}"
LIST = ONE + "/lists/{price_list_id}"
ROWS_SHOWN = 500
CHANGES_SHOWN = 200
PARTS_MAX = 255
NUMBERS = {"parts", "volume"}  # of what is asked about a list
TARIFF = Shape(TariffInput)
Text = Annotated[str, msgspec.Meta(max_length=300)]


class CostQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A message that is to be priced by a list, after so many units of the month."""

    to: Text = ""
    message_class: Text = msgspec.field(name="class", default="")
    parts: Annotated[int, msgspec.Meta(ge=1, le=PARTS_MAX)] = 1
    volume: Annotated[int, msgspec.Meta(ge=0, le=tariffs.VOLUME_MAX)] = 0
    done: Text = ""


COST = Shape(CostQuery)


# ── all of them ──────────────────────────────────────────────────────────────────────────────────────


@route(f"GET {ALL}", Operation(summary="Tariffs", scope="setup:read", asks=DONE, page=True))
async def list_tariffs(request: Call) -> Sent:
    """The price lists of operators, by the tariffs that lines name."""
    return await _all(request, {}, None)


async def _all(request: Call, typed: Mapping[str, str], problem: Problem | None) -> HtmlAnswer:
    rows = await ground_of(request).db.read(_rows, request.auth.workspace_id, ground_of(request).clock.now())
    facts = {
        "rows": rows,
        "typed": typed,
        "problem": problem_told(problem),
        "wrong": wrong_of(problem),
        "done": DONE.read_query(request.scope["query_string"]).done if problem is None else "",
    }
    return HtmlAnswer("lines/tariffs.html", facts, status=problem.status if problem else 200)


async def _rows(tx: Transaction, workspace_id: int, now: int) -> list[dict[str, Any]]:
    found = await flows.everything(tx, workspace_id)
    used = await store.all_of(tx, workspace_id)
    return [
        {
            "id": ids.show("tariff", one.id),
            "one": one,
            "holds": flows.at(await flows.lists(tx, workspace_id, one.id), now),
            "lines": sorted(line.name for line in used if line.tariff == one.name),
        }
        for one in found
    ]


@route(f"POST {ALL}", Operation(summary="Create a tariff", scope="setup:write", page=True))
async def create(request: Call) -> Sent:
    """A new tariff, which says nothing yet."""
    ground, caller, form = ground_of(request), request.auth, form_of(request)

    async def work(tx: Transaction) -> Tariff:
        return await flows.new_tariff(tx, ground, caller.workspace_id, given, caller.actor)

    try:
        given = TARIFF.read(msgspec.json.encode(_given(form)))
        made = await ground.db.run(work)
    except Conflict:
        return await _all(request, form, flows.taken(form.get("name", "")))
    except Problem as problem:
        return await _all(request, form, problem)
    ground.fabric.wake(flows.TOPIC)
    return redirect(f"{ALL}/{ids.show('tariff', made.id)}")


def _given(form: Mapping[str, str]) -> dict[str, str]:
    return {
        "name": form.get("name", "").strip(),
        "currency": form.get("currency", "").strip().upper(),
        "zone": form.get("zone", "").strip() or "UTC",
        "counts": form.get("counts", "") or "line",
    }


# ── one ──────────────────────────────────────────────────────────────────────────────────────────────


@route(f"GET {ONE}", Operation(summary="A tariff", scope="setup:read", asks=DONE, page=True))
async def show_tariff(request: Call) -> Sent:
    """Its price lists, and a form for another."""
    return await _tariff(request, {}, None)


async def _tariff(request: Call, typed: Mapping[str, str], problem: Problem | None) -> HtmlAnswer:
    tariff_id, ground = edge.id_in_path(request, "tariff"), ground_of(request)
    found, lists = await ground.db.read(_with_lists, request.auth.workspace_id, tariff_id)
    now = ground.clock.now()
    holds = flows.at(lists, now)
    facts = {
        "id": ids.show("tariff", found.id),
        "one": found,
        "lists": [
            {"id": ids.show("price_list", each.id), "each": each, "word": _word(each, holds, now)}
            for each in reversed(lists)
        ],
        "typed": typed,
        "problem": problem_told(problem),
        "wrong": wrong_of(problem),
        "done": DONE.read_query(request.scope["query_string"]).done if problem is None else "",
    }
    return HtmlAnswer("lines/tariff.html", facts, status=problem.status if problem else 200)


async def _with_lists(tx: Transaction, workspace_id: int, tariff_id: int) -> tuple[Tariff, list[PriceList]]:
    return await flows.get(tx, workspace_id, tariff_id), await flows.lists(tx, workspace_id, tariff_id)


def _word(one: PriceList, holds: PriceList | None, now: int) -> str:
    """What has become of a list, in one word of `price_list_state`."""
    if one.state is not ListState.IN_FORCE:
        return one.state.value
    if holds is not None and one.id == holds.id:
        return "holds"
    return "to_come" if one.valid_from > now else "past"


@route(f"POST {ONE}", Operation(summary="Rename a tariff", scope="setup:write", page=True))
async def rename(request: Call) -> Sent:
    """Lines that name it go on naming it."""
    tariff_id, ground, caller = edge.id_in_path(request, "tariff"), ground_of(request), request.auth
    before = await ground.db.read(flows.get, caller.workspace_id, tariff_id)
    name = form_of(request).get("name", "").strip()
    given = TariffInput(name=name, currency=before.currency, zone=before.zone, counts=before.counts)
    try:
        await flows.change(ground, caller.workspace_id, tariff_id, given, caller.actor)
    except Problem as problem:
        return await _tariff(request, form_of(request), problem)
    return redirect(f"{_path(tariff_id)}?done=renamed")


@route(f"POST {ONE}/delete", Operation(summary="Delete a tariff", scope="setup:write", page=True))
async def delete(request: Call) -> Sent:
    """It is gone, if no line names it."""
    tariff_id, caller = edge.id_in_path(request, "tariff"), request.auth
    try:
        await flows.remove(ground_of(request), caller.workspace_id, tariff_id, caller.actor)
    except Problem as problem:
        if problem.status != 409:
            raise
        return await _tariff(request, {}, problem)
    return redirect(f"{ALL}?done=tariff_deleted")


@route(f"POST {ONE}/lists", Operation(summary="Draft a price list", scope="setup:write", page=True))
async def draft(request: Call) -> Sent:
    """A list is read and checked as a whole; nothing costs anything else before it is in force."""
    tariff_id, ground, caller = edge.id_in_path(request, "tariff"), ground_of(request), request.auth
    form = form_of(request)
    given = ListInput(
        csv=form.get("csv", ""),
        valid_from=form.get("valid_from", "").strip(),
        valid_until=form.get("valid_until", "").strip(),
    )

    async def work(tx: Transaction) -> Looked:
        return await flows.new_list(tx, ground, caller.workspace_id, tariff_id, given, caller.actor)

    try:
        if not given.csv.strip():
            raise invalid("csv", "is empty", remedy="choose a file, or paste its lines")
        made = await ground.db.run(work)
    except Problem as problem:
        return await _tariff(request, form, problem)
    return redirect(f"{_path(tariff_id)}/lists/{ids.show('price_list', made.price_list.id)}")


# ── one list ─────────────────────────────────────────────────────────────────────────────────────────


@route(f"GET {LIST}", Operation(summary="A price list", scope="setup:read", asks=COST, page=True))
async def show_list(request: Call) -> Sent:
    """Its rows, what it changes, and what a message costs by it."""
    query = COST.read_query(_numbers_kept(request.scope["query_string"]))
    tariff_id, list_id = edge.id_in_path(request, "tariff"), edge.id_in_path(request, "price_list")
    ground = ground_of(request)
    now = ground.clock.now()
    looked = await ground.db.read(flows.look, request.auth.workspace_id, tariff_id, list_id, now)
    lists = await ground.db.read(flows.lists, request.auth.workspace_id, tariff_id)
    one, changes = looked.price_list, looked.changes
    facts = {
        "id": ids.show("tariff", tariff_id),
        "list_id": ids.show("price_list", list_id),
        "one": looked.tariff,
        "each": one,
        "word": _word(one, flows.at(lists, now), now),
        "begun": one.state is ListState.IN_FORCE and one.valid_from <= now,
        "rows": looked.rows[:ROWS_SHOWN],
        "added": sum(each.before is None for each in changes),
        "removed": sum(each.after is None for each in changes),
        "changed": sum(each.before is not None and each.after is not None for each in changes),
        "changes": changes[:CHANGES_SHOWN],
        "classes": list(MessageClass),
        "query": query,
        "quote": _quoted(looked, query) if query.to.strip() else None,
    }
    return HtmlAnswer("lines/price_list.html", facts)


def _numbers_kept(query: bytes) -> bytes:
    """What is asked by the address, its numbers in our digits, however they were typed."""
    given = parse_qsl(query.decode("latin-1"), keep_blank_values=True)
    return urlencode([(name, number_of(text) if name in NUMBERS else text) for name, text in given]).encode()


def _quoted(looked: Looked, query: CostQuery) -> dict[str, Any]:
    """What a message costs by a list, whether or not that is in force."""
    address = "+" + "".join(c for c in query.to if c.isdecimal())
    named = query.message_class
    message_class = MessageClass(named) if named in list(MessageClass) else MessageClass.SERVICE
    sold = Sold(message_class, address, query.parts, query.volume)
    found = tariffs.price(tariffs.compile_rows(looked.rows), sold)
    return {"amount": amount_text(found.micros) if found else "", "row": found.row if found else None}


@route(f"POST {LIST}/in-force", Operation(summary="Put in force", scope="setup:write", page=True))
async def put_in_force(request: Call) -> Sent:
    """From its beginning on, or from now."""
    tariff_id, list_id = edge.id_in_path(request, "tariff"), edge.id_in_path(request, "price_list")
    await flows.put_in_force(
        ground_of(request), request.auth.workspace_id, tariff_id, list_id, request.auth.actor
    )
    return redirect(f"{_path(tariff_id)}?done=in_force")


@route(f"POST {LIST}/withdraw", Operation(summary="Withdraw a list", scope="setup:write", page=True))
async def withdraw(request: Call) -> Sent:
    """A draft is gone; what has not begun is taken back."""
    tariff_id, list_id = edge.id_in_path(request, "tariff"), edge.id_in_path(request, "price_list")
    caller = request.auth
    await flows.withdraw(ground_of(request), caller.workspace_id, tariff_id, list_id, caller.actor)
    return redirect(f"{_path(tariff_id)}?done=list_withdrawn")


def _path(tariff_id: int) -> str:
    return f"{ALL}/{ids.show('tariff', tariff_id)}"


HANDLERS = (
    list_tariffs,
    create,
    show_tariff,
    rename,
    delete,
    draft,
    show_list,
    put_in_force,
    withdraw,
)

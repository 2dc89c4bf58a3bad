"""The JSON edge of what messages have cost."""

from __future__ import annotations

import re

import msgspec

from angarium.accounts import edge
from angarium.accounts.edge import Call, JsonAnswer, Operation, Streamed, route
from angarium.core import ids
from angarium.core.decoding import Shape
from angarium.core.problems import invalid
from angarium.core.values import MessageClass
from angarium.messaging import costs
from angarium.messaging.costs import BY, Costs, CostShown
from angarium.messaging.store.costs import Wanted
from angarium.messaging.world import World

NO_LINE = -1
MONTH = re.compile(r"[0-9]{4}-(0[1-9]|1[0-2])")


class CostsQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which costs."""

    month_from: str = ""  # 2026-11
    month_until: str = ""  # included
    line: str = ""  # its name, or its id
    message_class: str = msgspec.field(name="class", default="")
    channel: str = ""


class SumsQuery(CostsQuery, frozen=True, forbid_unknown_fields=True):
    """Which costs, and what they are summed up by."""

    by: str = ",".join(BY)  # some of month, line, channel, class, destination


QUERY, SUMS = Shape(CostsQuery), Shape(SumsQuery)
EXAMPLE = Costs(
    items=[
        CostShown(
            month="2026-11",
            line="sms",
            channel="smpp",
            message_class="service",
            destination="+38067",
            messages=1200,
            parts=1854,
            cost="57.474",
            currency="EUR",
        )
    ],
    totals=[CostShown(messages=1200, parts=1854, cost="57.474", currency="EUR")],
)


@route(
    "GET /v1/costs",
    Operation(
        summary="Sum up what messages have cost",
        detail="As it was billed: by the price list that held, the parts as they were, the tier of the month."
        " `destination` is that of the row of the price list that decided, else the country of the number.",
        scope="messages:read",
        asks=SUMS,
        gives=Costs,
        answer_example=EXAMPLE,
    ),
)
async def sum_up_costs(request: Call) -> JsonAnswer:
    """What was billed."""
    query, world = SUMS.read_query(request.scope["query_string"]), _world(request)
    by = tuple(word for word in query.by.split(",") if word)
    unknown = [word for word in by if word not in BY]
    if unknown:
        raise invalid("by", "is not understood", value=query.by, remedy="some of " + ", ".join(BY))
    found = await world.ground.db.read(
        costs.costs, world, request.auth.workspace_id, _wanted(request, query), by
    )
    return edge.answer(request, found)


@route(
    "GET /v1/costs/export",
    Operation(
        summary="Export what messages have cost",
        detail="A CSV file with a row for each month, line, class and destination, to be held against the"
        " invoice of the provider.",
        scope="messages:read",
        asks=QUERY,
    ),
)
async def export_costs(request: Call) -> Streamed:
    """The sums as a file."""
    query = QUERY.read_query(request.scope["query_string"])
    pieces = costs.export(_world(request), request.auth.workspace_id, _wanted(request, query))
    return Streamed(pieces, "text/csv; charset=utf-8", "costs.csv")


def _wanted(request: Call, query: CostsQuery) -> Wanted:
    for name in ("month_from", "month_until"):
        value = getattr(query, name)
        if value and not MONTH.fullmatch(value):
            raise invalid(name, "is not a month", value=value, remedy="such as 2026-11")
    return Wanted(
        query.month_from,
        query.month_until or "9999-12",
        _line_id(request, query.line) if query.line else 0,
        edge.word(MessageClass, "class", query.message_class),
        query.channel,
    )


def _line_id(request: Call, text: str) -> int:
    """The line of this name, or of this id though it has gone; what names none has cost nothing."""
    for line in _world(request).lines.of(request.auth.workspace_id):
        if line.name == text:
            return line.id
    try:
        return ids.read("line", text)
    except ValueError:
        return NO_LINE


def _world(request: Call) -> World:
    world: World = request.scope["litestar_app"].state.messages.world
    return world


HANDLERS = (sum_up_costs, export_costs)

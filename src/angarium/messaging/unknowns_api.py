"""The JSON edge of messages of which nobody knows whether they went out: list them, and decide."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, cast

import msgspec

from angarium.accounts import edge
from angarium.accounts import store as accounts
from angarium.accounts.edge import Call, JsonAnswer, Operation, route
from angarium.core import ids
from angarium.core.clock import micros
from angarium.core.decoding import Shape
from angarium.core.problems import invalid
from angarium.core.values import MessageClass
from angarium.messaging import unknowns
from angarium.messaging.api import Desk
from angarium.messaging.case import Case, wake
from angarium.messaging.store.unknowns import Wanted
from angarium.messaging.unknowns import Order, Ruled, Ruling
from angarium.messaging.world import World
from angarium.storage.database import Transaction

ORDERS_MAX = 1_000

Document = dict[str, Any]
Reason = Annotated[str, msgspec.Meta(min_length=1, max_length=500)]
Name = Annotated[str, msgspec.Meta(max_length=100)]


class ListQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which of them to list, oldest first."""

    line: str = ""
    message_class: str = msgspec.field(name="class", default="")
    age_min_s: Annotated[float, msgspec.Meta(ge=0, le=1e9)] = 0.0
    cursor: str = ""
    limit: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 100


class DecisionInput(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a person says of one message; `attempt` is the one they looked at, if it is to be no other."""

    decision: Ruling
    reason: Reason
    by: Name = ""
    attempt: str = ""


class DecisionsInput(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The same of many."""

    decision: Ruling
    reason: Reason
    messages: Annotated[list[str], msgspec.Meta(min_length=1, max_length=ORDERS_MAX)]
    by: Name = ""


LIST, DECISION, DECISIONS = Shape(ListQuery), Shape(DecisionInput), Shape(DecisionsInput)
EXAMPLE = {
    "decision": "not_sent",
    "reason": "The operator's log has nothing for this number that hour.",
    "by": "Maryam",
}


def world_of(request: Call) -> World:
    """What the routes work with."""
    return cast("Desk", request.scope["litestar_app"].state.messages).world


@route(
    "GET /v1/unknowns",
    Operation(
        summary="List messages of which nobody knows whether they went out",
        detail="Oldest first; each with its age, what is known of it, and what will be done and when.",
        scope="messages:read",
        asks=LIST,
        gives=Document,
    ),
)
async def list_unknowns(request: Call) -> JsonAnswer:
    """Those that fit."""
    query = LIST.read_query(request.scope["query_string"])
    world, workspace_id = world_of(request), request.auth.workspace_id
    wanted = wanted_by(world, workspace_id, query.line, query.message_class, query.age_min_s)
    after = edge.read_cursor(query.cursor)
    items, following = await world.ground.db.read(
        unknowns.listing, world, workspace_id, wanted, after, query.limit
    )
    cursor = edge.cursor_after(following) if following else None
    return edge.answer(request, {"items": items, "next": cursor})


def wanted_by(world: World, workspace_id: int, line: str, message_class: str, age_min_s: float) -> Wanted:
    """A filter as it is asked for; a line that is not there has nothing."""
    if message_class and message_class not in set(MessageClass):
        raise invalid("class", "is not a class", value=message_class, remedy=", ".join(MessageClass))
    found = next((one.id for one in world.lines.of(workspace_id) if one.name == line), -1)
    until = world.ground.clock.now() - micros(age_min_s)
    return Wanted(found if line else 0, message_class, until)


@route(
    "GET /v1/unknowns/summary",
    Operation(
        summary="Count messages of which nobody knows whether they went out",
        detail="By line and class; and the receipts that fit nothing, and for how many days they are kept.",
        scope="messages:read",
        gives=Document,
    ),
)
async def sum_up_unknowns(request: Call) -> JsonAnswer:
    """How many there are."""
    world = world_of(request)
    found = await world.ground.db.read(unknowns.summary, world, request.auth.workspace_id)
    return edge.answer(request, found)


@route(
    "GET /v1/unknowns/{message_id}",
    Operation(
        summary="Look at a message of which nobody knows whether it went out",
        detail="404 when it is known by now.",
        scope="messages:read",
        gives=Document,
        problems=(404,),
    ),
)
async def get_unknown(request: Call) -> JsonAnswer:
    """One of them."""
    world, found = world_of(request), edge.id_in_path(request, "message")
    told = await world.ground.db.read(unknowns.tell, world, request.auth.workspace_id, found)
    return edge.answer(request, told)


@route(
    "POST /v1/unknowns/{message_id}/decide",
    Operation(
        summary="Decide what becomes of a message of which nobody knows whether it went out",
        detail="409 with what is known now, when it is not unknown any more. The same decision twice is one.",
        scope="messages:decide",
        takes=DECISION,
        gives=Document,
        once=True,
        problems=(404, 409),
        example=EXAMPLE,
    ),
)
async def decide_one(request: Call) -> JsonAnswer:
    """Decide for one."""
    body = await edge.read_body(request)
    given, message_id = DECISION.read(body), edge.id_in_path(request, "message")
    attempt_id = _attempt_id(given.attempt)
    world = world_of(request)
    changed: list[Case] = []

    async def work(tx: Transaction) -> Document:
        changed.clear()
        by = await who(tx, request, given.by)
        order = Order(message_id, given.decision, given.reason, by, attempt_id)
        (ruled,), cases = await decide(tx, world, request, [order])
        if ruled.problem is not None:
            raise ruled.problem
        changed.extend(cases)
        return _document(ruled)

    answer = await edge.once(request, body, work)
    wake(world, changed)
    return answer


def _attempt_id(text: str) -> int:
    try:
        return ids.read("attempt", text) if text else 0
    except ValueError as error:
        raise invalid("attempt", str(error), value=text) from None


@route(
    "POST /v1/unknowns/decide",
    Operation(
        summary="Decide for up to 1,000 messages of which nobody knows whether they went out",
        detail="Each by itself: `results` has the message as it is now, or a problem, for every id in order.",
        scope="messages:decide",
        takes=DECISIONS,
        gives=Document,
        once=True,
        example=EXAMPLE | {"messages": ["msg_05a581yz00002"]},
    ),
)
async def decide_many(request: Call) -> JsonAnswer:
    """Decide for many."""
    body = await edge.read_body(request)
    given, world = DECISIONS.read(body), world_of(request)
    changed: list[Case] = []

    async def work(tx: Transaction) -> Document:
        changed.clear()
        by = await who(tx, request, given.by)
        orders = [Order(_message_id(text), given.decision, given.reason, by) for text in given.messages]
        ruled, cases = await decide(tx, world, request, orders)
        changed.extend(cases)
        return {
            "decided": sum(one.problem is None for one in ruled),
            "refused": sum(one.problem is not None for one in ruled),
            "results": [{"index": index, **_document(one)} for index, one in enumerate(ruled)],
        }

    answer = await edge.once(request, body, work)
    wake(world, changed)
    return answer


def _message_id(text: str) -> int:
    """An id; one that is none of a message, 0, is nobody's."""
    try:
        return ids.read("message", text)
    except ValueError:
        return 0


async def decide(
    tx: Transaction, world: World, request: Call, orders: Sequence[Order]
) -> tuple[list[Ruled], list[Case]]:
    """Carry out rulings in the caller's workspace."""
    now = world.ground.clock.now()
    return await unknowns.decide(tx, world, request.auth.workspace_id, orders, now, request.auth.reach)


async def who(tx: Transaction, request: Call, by: str) -> str:
    """Who decides: the name that was given, and the key that it came with."""
    keys = await accounts.keys(tx, request.auth.workspace_id)
    name = next((key.name for key in keys if key.id == request.auth.key_id), "")
    with_key = f"key {name}" if name else "the console"
    return f"{by} ({with_key})" if by else with_key


def _document(ruled: Ruled) -> Document:
    if ruled.problem is not None:
        return {"id": ids.show("message", ruled.message_id), "problem": ruled.problem.document()}
    return {**(ruled.outline or {}), "again": ruled.again}


HANDLERS = (list_unknowns, sum_up_unknowns, get_unknown, decide_one, decide_many)

"""The JSON edge of wording that is held: list it, let it go, turn it down."""

from __future__ import annotations

from typing import Annotated, Any, Literal, cast

import msgspec

from angarium.accounts import edge
from angarium.accounts.edge import Call, JsonAnswer, Operation, route
from angarium.core import ids
from angarium.core.decoding import Shape
from angarium.core.problems import invalid
from angarium.messaging import review
from angarium.messaging.api import Desk
from angarium.messaging.case import wake
from angarium.messaging.review import Reviewed
from angarium.storage.database import Transaction

AT_ONCE = 1_000

Document = dict[str, Any]


class ReviewInput(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What somebody found who looked at the wording of messages."""

    ruling: Literal["goes", "turned_down"]
    messages: Annotated[list[str], msgspec.Meta(min_length=1, max_length=AT_ONCE)]


REVIEW = Shape(ReviewInput)
EXAMPLE = {"ruling": "goes", "messages": ["msg_05a581yz00002"]}


@route(
    "GET /v1/reviews",
    Operation(
        summary="List messages whose wording a person has to look at",
        detail="Oldest first, each with its words and what speaks against them; until their deadline.",
        scope="messages:read",
        asks=edge.PAGE,
        gives=Document,
        answer_example={
            "items": [
                {
                    "id": "msg_05a581yz00002",
                    "class": "service",
                    "contact": "con_05a581yyw0000",
                    "label": "",
                    "texts": ["Your order 7 is packed. A coupon and a gift wait for you, enjoy!"],
                    "why": "A service message may not promote, and this may: “coupon”, “gift”, “enjoy”. "
                    "A person has to look.",
                    "created_at": "2026-11-23T08:42:47.618Z",
                    "expires_at": "2026-11-25T08:42:47.618Z",
                }
            ],
            "next": None,
        },
    ),
)
async def list_reviews(request: Call) -> JsonAnswer:
    """What is held."""
    query, world = edge.PAGE.read_query(request.scope["query_string"]), _desk(request).world
    after = edge.read_cursor(query.cursor)
    items, following = await world.ground.db.read(
        review.listing, world, request.auth.workspace_id, after, query.limit
    )
    cursor = edge.cursor_after(following) if following else None
    return edge.answer(request, {"items": items, "next": cursor})


@route(
    "POST /v1/reviews",
    Operation(
        summary="Say of up to 1,000 messages whether their wording may go",
        detail="`goes`: as what they are called. `turned_down`: they end as refused. Those that nobody has "
        "to look at are told in `not_held`, and are left as they are.",
        scope="templates:decide",
        takes=REVIEW,
        gives=Document,
        once=True,
        example=EXAMPLE,
        answer_example={"reviewed": 1, "not_held": []},
    ),
)
async def review_many(request: Call) -> JsonAnswer:
    """Decide for many."""
    body = await edge.read_body(request)
    given, world, caller = REVIEW.read(body), _desk(request).world, request.auth
    wanted = [_message_id(index, text) for index, text in enumerate(given.messages)]
    found: list[Reviewed] = []

    async def work(tx: Transaction) -> Document:
        found.clear()
        now = world.ground.clock.now()
        reviewed = await review.decide(
            tx, world, caller.workspace_id, wanted, given.ruling, caller.actor, now
        )
        found.append(reviewed)
        others = [ids.show("message", one) for one in reviewed.others]
        return {"reviewed": len(reviewed.cases), "not_held": others}

    answer = await edge.once(request, body, work)
    for reviewed in found:
        wake(world, reviewed.cases)
    return answer


def _message_id(index: int, text: str) -> int:
    try:
        return ids.read("message", text)
    except ValueError as error:
        raise invalid(f"messages[{index}]", str(error), value=text) from None


def _desk(request: Call) -> Desk:
    return cast("Desk", request.scope["litestar_app"].state.messages)


HANDLERS = (list_reviews, review_many)

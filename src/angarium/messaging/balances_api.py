"""The JSON edge of balances: how the account of a line is watched."""

from __future__ import annotations

from typing import Annotated

import msgspec

from angarium.accounts import edge
from angarium.accounts.edge import Call, JsonAnswer, Operation, route
from angarium.core import ids
from angarium.core.clock import iso
from angarium.core.decoding import Shape
from angarium.core.problems import invalid, not_found
from angarium.core.values import amount_text
from angarium.lines.edge import line_in_path
from angarium.lines.rules import price_micros
from angarium.lines.store import Line
from angarium.messaging import balances
from angarium.messaging.balances import Watched
from angarium.messaging.store.balances import Balance
from angarium.messaging.world import World


class BalanceInput(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How often the provider is asked (seconds), and below which amount the balance is low (empty: never)."""

    every_s: Annotated[int, msgspec.Meta(ge=60, le=86_400)] = balances.EVERY_S
    low_below: str = ""


class BalanceShown(msgspec.Struct, frozen=True, kw_only=True):
    """What is left on the account of a line, and when the provider said so."""

    amount: str | None  # null: it has not said anything yet
    currency: str
    at: str | None
    trouble: str  # why it said nothing when it was asked last; empty when it did
    low: bool
    low_below: str  # empty: nobody has said
    every_s: int


BALANCE = Shape(BalanceInput)
EXAMPLE = BalanceShown(
    amount="812.5",
    currency="RUB",
    at="2026-11-28T08:30:00.000Z",
    trouble="",
    low=True,
    low_below="1000",
    every_s=900,
)


@route(
    "PUT /v1/lines/{line_id}/balance",
    Operation(
        summary="Watch the balance of a line",
        detail="Where its provider tells one. When it falls below `low_below`, the fact `line.balance_low` "
        "is written, once until it has recovered (`line.balance_enough`). The health shows what is left.",
        scope="setup:write",
        takes=BALANCE,
        gives=BalanceShown,
        problems=(404,),
        example=BalanceInput(low_below="1000"),
        answer_example=EXAMPLE,
    ),
)
async def watch_balance(request: Call) -> JsonAnswer:
    """How it is watched from now on."""
    line_id = await line_in_path(request)
    given = BALANCE.read(await edge.read_body(request))
    world: World = request.scope["litestar_app"].state.messages.world
    line = line_of(world, request.auth.workspace_id, line_id)
    if not balances.tells(world, line):
        title = world.channels[line.channel].title if line.channel in world.channels else line.channel
        raise invalid("line_id", f"{title} tells no balance", value=line.name, remedy="see docs/channels")
    wanted = Watched(given.every_s, amount_of(given.low_below))
    now = world.ground.clock.now()
    done = await world.ground.db.run(balances.watch, line, wanted, request.auth.actor, now)
    return edge.answer(request, shown(done))


def amount_of(text: str) -> int | None:
    """An amount as micro-units; None when nothing was said. A Problem when it is none."""
    found = price_micros(text) if text else None
    if text and found is None:
        raise invalid("low_below", "is not an amount", value=text, remedy='such as "1000" or "99.5"')
    return found


def line_of(world: World, workspace_id: int, line_id: int) -> Line:
    """A line of a workspace, as it is at hand; a Problem when it has none such."""
    line = world.lines.get(line_id)
    if line is None or line.workspace_id != workspace_id:
        raise not_found("line", ids.show("line", line_id))
    return line


def shown(one: Balance) -> BalanceShown:
    """A balance for the outside."""
    return BalanceShown(
        amount=None if one.micros is None else amount_text(one.micros),
        currency=one.currency,
        at=None if one.told_at is None else iso(one.told_at),
        trouble=one.trouble,
        low=one.low,
        low_below="" if one.low_below_micros is None else amount_text(one.low_below_micros),
        every_s=one.every_s,
    )


HANDLERS = (watch_balance,)

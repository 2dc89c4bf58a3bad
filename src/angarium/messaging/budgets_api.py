"""The JSON edge of budgets: what they have come to. They are written as a policy."""

from __future__ import annotations

import msgspec

from angarium.accounts import edge
from angarium.accounts.edge import Call, JsonAnswer, Operation, Page, route
from angarium.core.clock import iso
from angarium.core.values import amount_text
from angarium.messaging import budgets
from angarium.messaging.budgets import Standing
from angarium.messaging.world import World


class BudgetShown(msgspec.Struct, frozen=True, kw_only=True):
    """A budget in its present day or month: reserved + spent + given back = all that was planned."""

    name: str
    amount: str
    currency: str
    every: str
    message_class: str = msgspec.field(name="class", default="")  # empty: any
    line: str
    reserved: str  # planned, and not billed yet
    spent: str  # billed
    given_back: str  # planned, and not billed after all, or for less
    left: str
    warn_at: int
    then: str
    exempt: list[str]
    period: str
    begins_at: str
    ends_at: str


EXAMPLE = BudgetShown(
    name="promotional-month",
    amount="500",
    currency="EUR",
    every="month",
    message_class="promotional",
    line="",
    reserved="12.4",
    spent="310.25",
    given_back="1.55",
    left="177.35",
    warn_at=80,
    then="hold",
    exempt=[],
    period="2026-11",
    begins_at="2026-10-31T22:00:00.000Z",
    ends_at="2026-11-30T22:00:00.000Z",
)


@route(
    "GET /v1/budgets",
    Operation(
        summary="List the budgets and what they have come to",
        detail="Of this day or month, by the policy `budgets`. What is reserved counts as if it were spent.",
        scope="policies:read",
        gives=Page[BudgetShown],
        answer_example=Page([EXAMPLE]),
    ),
)
async def list_budgets(request: Call) -> JsonAnswer:
    """Every budget."""
    world: World = request.scope["litestar_app"].state.messages.world
    found = await world.ground.db.read(
        budgets.standings, world, request.auth.workspace_id, world.ground.clock.now()
    )
    return edge.answer(request, Page([shown(one) for one in found]))


def shown(one: Standing) -> BudgetShown:
    """A budget for the outside."""
    budget, counter = one.budget, one.counter
    return BudgetShown(
        name=budget.name,
        amount=budget.amount,
        currency=budget.currency,
        every=budget.every,
        message_class=budget.message_class.value if budget.message_class else "",
        line=budget.line,
        reserved=amount_text(counter.reserved),
        spent=amount_text(counter.spent),
        given_back=signed(counter.given_back),
        left=amount_text(max(0, budget.micros - counter.reserved - counter.spent)),
        warn_at=budget.warn_at,
        then=budget.then,
        exempt=sorted(budget.exempt),
        period=one.period.name,
        begins_at=iso(one.period.begins),
        ends_at=iso(one.period.until),
    )


def signed(micros: int) -> str:
    """Money that may be less than nothing: what was billed can be more than what was planned."""
    return amount_text(micros) if micros >= 0 else f"-{amount_text(-micros)}"


HANDLERS = (list_budgets,)

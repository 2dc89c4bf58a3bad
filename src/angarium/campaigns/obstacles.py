"""What stands in a campaign's way without keeping it from being started.

Lines that cannot be reached, budgets that have no room for all of it: whoever starts or watches it is told.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from angarium.campaigns.wanted import Frozen
from angarium.core import ids
from angarium.core.clock import iso
from angarium.core.values import MessageClass, amount_text
from angarium.lines.store import Line
from angarium.messaging import budgets
from angarium.messaging.cascade import Step
from angarium.messaging.world import World
from angarium.storage.database import Transaction

Place = tuple[str, str]  # the name of a line, and a currency
ByLine = Mapping[Place, int]  # micro-units


class LineAway(msgspec.Struct, frozen=True):
    """A step, from 1, none of whose lines can be reached; one of them, and why."""

    step: int
    id: str
    line: str
    why: str


class BudgetShort(msgspec.Struct, frozen=True):
    """A budget with less left in its day or month than what it counts of the campaign may cost."""

    budget: str
    left: str
    need: str
    currency: str
    until: str
    then: str


def lines_away(world: World, workspace_id: int, kept: Frozen, now: int) -> list[LineAway]:
    """Steps that wait for a line to come back. What nobody knows of a line is not held against it."""
    found = []
    for number, step in enumerate(world.versions.steps[kept.cascade_version_id], start=1):
        lines = [
            one
            for one in world.lines.of(workspace_id)
            if _serves(one, step) and kept.message_class in one.granted(now)
        ]
        if lines and all(world.is_up(one.id) is False for one in lines):
            first, waiting = lines[0], world.why_waiting(lines[0].id)
            why = waiting.why if waiting else ""
            found.append(LineAway(number, ids.show("line", first.id), first.name, why))
    return found


def _serves(line: Line, step: Step) -> bool:
    return line.enabled and (line.name == step.line if step.line else line.channel == step.channel)


async def budgets_short(
    tx: Transaction, world: World, workspace_id: int, message_class: MessageClass, cost: ByLine, at: int
) -> list[BudgetShort]:
    """Budgets that would be spent before all is sent, in the day or month of an instant."""
    found = []
    for one in await budgets.standings(tx, world, workspace_id, at):
        budget = one.budget
        need = sum(
            micros
            for (line, currency), micros in cost.items()
            if budgets.counts(budget, message_class, line, currency)
        )
        left = max(0, budget.micros - one.counter.reserved - one.counter.spent)
        if need > left and message_class not in budget.exempt:
            told = (budget.name, amount_text(left), amount_text(need), budget.currency)
            found.append(BudgetShort(*told, iso(one.period.until), budget.then))
    return found

"""Whether the budgets that a message meets have room for it.

They are asked when a step is planned. What was reserved then may go: at the last moment nobody asks again.
"""

from __future__ import annotations

from angarium.core.clock import iso
from angarium.core.values import Reason, amount_text
from angarium.messaging.gate.facts import Facts
from angarium.messaging.gate.spending import SET_AT, Spending
from angarium.messaging.gate.verdicts import ALLOW, Defer, Refuse, Verdict


def within_budgets(facts: Facts, _now: int) -> Verdict:
    """No message is planned that a budget has no room for, but of a class that the budget exempts."""
    for one in facts.budgets:
        if one.price_micros > one.left_micros and facts.message_class not in one.budget.exempt:
            return _beyond(one, facts.expires_at)
    return ALLOW


def _beyond(one: Spending, expires_at: int) -> Refuse | Defer:
    budget = one.budget
    room = f"The budget {budget.name} has no room for {amount_text(one.price_micros)}"
    whole = f"{budget.amount} {budget.currency}"
    left = f"{amount_text(max(0, one.left_micros))} of {whole}"
    if budget.then == "refuse" or one.until >= expires_at:
        return Refuse(Reason.BUDGET, f"{room}: {left} is left this {budget.every}.", "budget", SET_AT)
    return Defer(
        one.until, Reason.BUDGET, f"{room}: {left} is left until {iso(one.until)}.", "budget", SET_AT
    )


RULES = (("budget", within_budgets),)

"""Whether this line may carry a message of this class at all."""

from __future__ import annotations

from angarium.core.values import Reason
from angarium.messaging.gate.facts import Facts
from angarium.messaging.gate.verdicts import ALLOW, Allow, Refuse


def switched_on(facts: Facts, _now: int) -> Allow | Refuse:
    """A line can be switched off by hand."""
    line = facts.line
    if line.enabled:
        return ALLOW
    return Refuse(Reason.NO_LINE, f"The line {line.name} is switched off.", "line-enabled", line.set_at)


def registered(facts: Facts, _now: int) -> Allow | Refuse:
    """Nothing leaves on a line whose registration is not approved."""
    line = facts.line
    if line.approved:
        return ALLOW
    return Refuse(Reason.NO_LINE, f"The line {line.name} is not approved.", "registration", line.set_at)


def carries(facts: Facts, _now: int) -> Allow | Refuse:
    """A line is approved for some classes, and no other goes on it."""
    line = facts.line
    if facts.message_class in line.classes:
        return ALLOW
    detail = f"The line {line.name} is not approved for {facts.message_class.value} messages."
    return Refuse(Reason.NO_LINE, detail, "line-classes", line.set_at)


RULES = (("line-enabled", switched_on), ("registration", registered), ("line-classes", carries))

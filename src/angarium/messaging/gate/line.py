"""Whether this line may carry a message of this class at all."""

from __future__ import annotations

from functools import lru_cache

from angarium.core.values import MessageClass, Reason
from angarium.lines.registration_rules import Standing, lacking
from angarium.messaging.gate.facts import Facts, LineRules
from angarium.messaging.gate.verdicts import ALLOW, Allow, Refuse

KEPT = 256  # answers


def switched_on(facts: Facts, _now: int) -> Allow | Refuse:
    """A line can be switched off by hand."""
    line = facts.line
    if line.enabled:
        return ALLOW
    return Refuse(Reason.NO_LINE, f"The line {line.name} is switched off.", "line-enabled", line.set_at)


def carries(facts: Facts, _now: int) -> Allow | Refuse:
    """A line is for some classes, and no other goes on it."""
    line = facts.line
    if facts.message_class in line.classes:
        return ALLOW
    detail = f"The line {line.name} is not approved for {facts.message_class.value} messages."
    return Refuse(Reason.NO_LINE, detail, "line-classes", line.set_at)


def registered(facts: Facts, now: int) -> Allow | Refuse:
    """Nothing leaves on a line that is not approved for its class, at the number's operator, now."""
    line = facts.line
    at = f"{line.set_at}/registrations"
    if line.registrations is None:
        if line.approved:
            return ALLOW
        return Refuse(Reason.NO_LINE, f"The line {line.name} is not approved.", "registration", at)
    lack = _lacking(line, facts.message_class, facts.operator, now)
    if lack is None:
        return ALLOW
    which, why = lack
    detail = f"The line {line.name} is not approved for {facts.message_class.value} messages: {why}."
    return Refuse(Reason.NO_LINE, detail, "registration", f"{at}/{which.shown_id}" if which else at)


@lru_cache(maxsize=KEPT)  # a batch asks the same for everybody
def _lacking(
    line: LineRules, message_class: MessageClass, operator: str, now: int
) -> tuple[Standing | None, str] | None:
    return lacking(line.registrations or (), message_class, operator, now)


RULES = (("line-enabled", switched_on), ("line-classes", carries), ("registration", registered))

"""Whether the text fits a template that the operator has approved, on a line where it must."""

from __future__ import annotations

from angarium.core.values import MessageClass, Reason
from angarium.messaging.gate.facts import Facts
from angarium.messaging.gate.verdicts import ALLOW, Allow, Refuse

OTHERWISE = "what stands in a place is too long, too short, or of another kind"
CODE_MASK = "••••••"  # instead of words that may be a code


def pattern(facts: Facts, _now: int) -> Allow | Refuse:
    """On a patterned line only a text goes that fits an approved pattern; the nearest one is told."""
    index = facts.patterns
    if index is None or index.match(facts.text) is not None:
        return ALLOW
    line = facts.line
    near = index.nearest(facts.text)
    if near is None:
        said = f"The line {line.name} has no approved pattern for {facts.message_class.value} messages."
    else:
        mask = CODE_MASK if facts.message_class is MessageClass.OTP else ""
        said = f"The text fits no approved pattern of the line {line.name}."
        said = f"{said} The nearest is {near.pattern.name}: {near.told(mask) or OTHERWISE}."
    return Refuse(Reason.TEMPLATE_INVALID, said, "pattern", f"{line.set_at}/patterns")

"""When a line sends, and when it opens again."""

from __future__ import annotations

from angarium.core.values import Reason
from angarium.core.window import next_open
from angarium.messaging.gate.facts import Facts
from angarium.messaging.gate.verdicts import ALLOW, Defer, Refuse, Verdict


def line_hours(facts: Facts, now: int) -> Verdict:
    """A line sends some classes in its hours only, in its own zone or in the contact's."""
    line, hours = facts.line, facts.line.hours
    if hours is None or facts.message_class not in hours.classes:
        return ALLOW
    zone = facts.standing.time_zone if hours.zone == "contact" else hours.zone
    opens_at = next_open(hours, zone, now)
    if opens_at == now:
        return ALLOW
    if opens_at is None or opens_at >= facts.expires_at:
        detail = f"The hours of the line {line.name} do not open again before the deadline."
        return Refuse(Reason.HOURS, detail, "line-hours", line.set_at)
    detail = f"The line {line.name} sends from {hours.from_} to {hours.until} ({zone})."
    return Defer(opens_at, Reason.HOURS, detail, "line-hours", line.set_at)

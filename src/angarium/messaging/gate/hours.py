"""When a line sends, and when a step of a cascade goes; and when they open again."""

from __future__ import annotations

from angarium.core.values import Reason, Window
from angarium.core.window import next_open
from angarium.messaging.gate.facts import Facts
from angarium.messaging.gate.verdicts import ALLOW, Defer, Refuse, Verdict

WEEK = (1, 2, 3, 4, 5, 6, 7)


def line_hours(facts: Facts, now: int) -> Verdict:
    """A line sends some classes in its hours only, in its own zone or in the contact's."""
    line, hours = facts.line, facts.line.hours
    if hours is None or facts.message_class not in hours.classes:
        return ALLOW
    zone = facts.zone if hours.zone == "contact" else hours.zone
    return _within(hours, zone, f"The line {line.name} sends", ("line-hours", line.set_at), facts, now)


def step_hours(facts: Facts, now: int) -> Verdict:
    """A step that has hours is submitted in them only, by the contact's own clock."""
    if facts.hours is None:
        return ALLOW
    rule = "step-hours", f"steps[{facts.step}].hours"
    return _within(facts.hours, facts.zone, f"Step {facts.step + 1} goes", rule, facts, now)


def _within(hours: Window, zone: str, who: str, rule: tuple[str, str], facts: Facts, now: int) -> Verdict:
    opens_at = next_open(hours, zone, now)
    if opens_at == now:
        return ALLOW
    span = f"{hours.from_} to {hours.until}"
    if len({*hours.days}) != len(WEEK):
        span = f"{span} on days {', '.join(map(str, hours.days))}"
    detail = f"{who} from {span} ({zone})."
    if opens_at is None or opens_at >= facts.expires_at:
        return Refuse(Reason.HOURS, f"{detail} It does not open again before the deadline.", *rule)
    return Defer(opens_at, Reason.HOURS, detail, *rule)

"""When a line sends, and when it opens again."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from angarium.core.clock import from_datetime, to_datetime
from angarium.core.values import Hours, Reason
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


def next_open(hours: Hours, zone: str, now: int) -> int | None:
    """`now` when the hours are open, else the instant they open next; None when they never do.

    Where clocks jump it may be late, never early: an opening that the jump leaves out is taken as much later
    as the jump is long, and one that comes twice is looked at both times (PEP 495).
    """
    place = ZoneInfo(zone)
    if _is_open(hours, place, now):
        return now
    openings = _openings(hours, place, now)
    return next((at for at in openings if at > now and _is_open(hours, place, at)), None)


def _is_open(hours: Hours, place: ZoneInfo, at: int) -> bool:
    local = to_datetime(at).astimezone(place)
    opens, closes, minute = _minutes(hours.from_), _minutes(hours.until), local.hour * 60 + local.minute
    today = local.isoweekday()
    if opens < closes:
        return today in hours.days and opens <= minute < closes
    yesterday = today - 1 or 7
    return (today in hours.days and minute >= opens) or (yesterday in hours.days and minute < closes)


def _openings(hours: Hours, place: ZoneInfo, now: int) -> Iterator[int]:
    """When the clocks show the opening time, from today for two weeks."""
    opens, today = _minutes(hours.from_), to_datetime(now).astimezone(place).date()
    for ahead in range(15):
        for fold in (0, 1):
            wall = time(opens // 60, opens % 60, fold=fold)
            yield from_datetime(datetime.combine(today + timedelta(days=ahead), wall, place))


def _minutes(wall: str) -> int:
    hours, _, minutes = wall.partition(":")
    return int(hours) * 60 + int(minutes)

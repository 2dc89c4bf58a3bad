"""Whether a message may go: `judge(…) -> Allow | Defer | Refuse`. Pure; asked at every step, and again at the
last moment before the bytes leave.

A promotional text stops at an opt-out and at the operators' advertising blacklist, on every channel and
every line: there is no way round by a service line. Service, transactional and otp messages reach blacklisted
numbers, on lines approved for their class. An opt-out of everything stops all but otp and transactional,
which the person asked for by acting.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

import msgspec

from angarium.core.clock import from_datetime, to_datetime
from angarium.core.values import Hours, MessageClass, Reason, Standing

# Classes that an "opt out of everything" does not stop: the person asked for them by acting.
ASKED_FOR = frozenset({MessageClass.OTP, MessageClass.TRANSACTIONAL})


class LineRules(msgspec.Struct, frozen=True, cache_hash=True):
    """What is known of the line."""

    name: str
    classes: frozenset[MessageClass]
    approved: bool
    enabled: bool = True
    hours: Hours | None = None


class Allow(msgspec.Struct, frozen=True):
    """It may go now."""


class Defer(msgspec.Struct, frozen=True):
    """It may go, but not before `until`."""

    until: int
    reason: Reason
    detail: str


class Refuse(msgspec.Struct, frozen=True):
    """It may not go."""

    reason: Reason
    detail: str


Judgement = Allow | Defer | Refuse


def judge_person(message_class: MessageClass, standing: Standing) -> Allow | Refuse:
    """Whether this person may be told a message of this class at all."""
    if message_class.value in standing.opted_out:
        return Refuse(Reason.OPTED_OUT, f"The contact opted out of {message_class.value} messages.")
    if "all" in standing.opted_out and message_class not in ASKED_FOR:
        return Refuse(Reason.OPTED_OUT, "The contact opted out of all messages.")
    if message_class is MessageClass.PROMOTIONAL and standing.operator_blacklist:
        return Refuse(Reason.OPERATOR_BLACKLIST, "The number is on the operator's advertising blacklist.")
    return Allow()


def judge_line(message_class: MessageClass, line: LineRules) -> Allow | Refuse:
    """Whether this line may carry a message of this class at all."""
    if not line.enabled:
        return Refuse(Reason.NO_LINE, f"The line {line.name} is switched off.")
    if not line.approved:
        return Refuse(Reason.NO_LINE, f"The line {line.name} is not approved.")
    if message_class not in line.classes:
        return Refuse(
            Reason.NO_LINE, f"The line {line.name} is not approved for {message_class.value} messages."
        )
    return Allow()


def judge(
    message_class: MessageClass, standing: Standing, line: LineRules, expires_at: int, now: int
) -> Judgement:
    """Whether a message may leave on this line now."""
    if now >= expires_at:
        return Refuse(Reason.DEADLINE, "Its deadline passed before it could be sent.")
    for judgement in (judge_person(message_class, standing), judge_line(message_class, line)):
        if isinstance(judgement, Refuse):
            return judgement
    return _judge_hours(message_class, standing, line, expires_at, now)


def _judge_hours(
    message_class: MessageClass, standing: Standing, line: LineRules, expires_at: int, now: int
) -> Judgement:
    hours = line.hours
    if hours is None or message_class not in hours.classes:
        return Allow()
    zone = standing.time_zone if hours.zone == "contact" else hours.zone
    opens_at = next_open(hours, zone, now)
    if opens_at == now:
        return Allow()
    if opens_at is None or opens_at >= expires_at:
        return Refuse(
            Reason.HOURS, f"The hours of the line {line.name} do not open again before the deadline."
        )
    return Defer(
        opens_at, Reason.HOURS, f"The line {line.name} sends from {hours.from_} to {hours.until} ({zone})."
    )


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

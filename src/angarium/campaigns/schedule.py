"""When members of a campaign are told: from a moment on, in hours of the day, at a pace, until a deadline.

Two questions, answered apart. *From when on may this member be told?* `due_at`: by the clock on the member's
own wall. *How many may go now?* `allowed`: as many an hour as were asked for, whoever they are. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import MINYEAR, UTC, datetime
from functools import lru_cache

import msgspec

from angarium.core import window as windows
from angarium.core.clock import MICROS, from_datetime, is_zone, iso, micros
from angarium.core.problems import FieldProblem, shown
from angarium.core.values import Window

HOUR = 3_600 * MICROS
PER_HOUR_MAX = 100_000_000
SPREAD_MIN_S, SPREAD_MAX_S = 60.0, 31 * 86_400.0
AHEAD_MAX_S = 366 * 86_400.0
PAST_MAX_S = 300.0  # a moment ago is now
FOREVER = 1 << 62
WALL_MAX = 30  # characters of a wall time
EAST, WEST = 14 * HOUR, 12 * HOUR  # the clocks that are furthest ahead of UTC, and behind it
ZONES_KEPT = 4_096  # beginnings of schedules by zone


class Schedule(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True, cache_hash=True
):
    """When a campaign goes; without anything in it: now, at once, to everybody."""

    at: datetime | None = None  # from when on, for all at one moment
    local_at: str = ""  # from when on, by each member's own clock: 2027-03-28T10:00
    window: Window | None = None  # hours in which members are told, by their own clocks
    per_hour: int | None = None  # so many members an hour
    spread_s: float | None = None  # or all of them over so many seconds
    until: datetime | None = None  # nobody is begun at or after it


# ── what is wrong with one ───────────────────────────────────────────────────────────────────────────


def flaws(schedule: Schedule, now: int) -> list[FieldProblem]:
    """Everything that cannot be meant, each with its field, its value and its remedy."""
    at, until, wall = _instant(schedule.at), _instant(schedule.until), _wall(schedule.local_at)
    return [
        *_check_instant("at", schedule.at, now),
        *_check_wall(schedule, wall, now),
        *_check_instant("until", schedule.until, now),
        *([] if schedule.window is None else windows.wrong(schedule.window, "window")),
        *_check_pace(schedule),
        *_check_together(schedule, at, wall, until, now),
    ]


def _instant(given: datetime | None) -> int | None:
    """A moment as an instant; None of one without its zone."""
    if given is None or given.tzinfo is None:
        return None
    try:
        return from_datetime(given)
    except OverflowError:  # at the ends of the calendar, and in another year by UTC
        return 0 if given.year == MINYEAR else FOREVER


def _wall(text: str) -> datetime | None:
    """A wall time as it is written; None when it is none, or has an offset."""
    try:
        wall = datetime.fromisoformat(text) if "T" in text and len(text) <= WALL_MAX else None
    except ValueError:
        return None
    return wall if wall is not None and wall.tzinfo is None else None


def _shown_by_utc(wall: datetime) -> int:
    return from_datetime(wall.replace(tzinfo=UTC))


def _check_instant(field: str, given: datetime | None, now: int) -> Iterator[FieldProblem]:
    if given is None:
        return
    value, at = given.isoformat(), _instant(given)
    if given.tzinfo is None:
        remedy = "add Z or an offset such as +03:30"
        if field == "at":
            remedy += "; a time by each member's own clock is local_at"
        yield FieldProblem(field, "has no time zone", remedy, value)
    elif at is not None and at > now + micros(AHEAD_MAX_S):
        yield FieldProblem(field, "is too far ahead", "at most a year from now", value)
    elif at is not None and at <= now - (micros(PAST_MAX_S) if field == "at" else 0):
        yield FieldProblem(field, "has passed", f"later than {iso(now)}, or leave it out", value)


def _check_wall(schedule: Schedule, wall: datetime | None, now: int) -> Iterator[FieldProblem]:
    text = schedule.local_at
    if not text:
        return
    if schedule.at is not None:
        remedy = "at for one moment for all, or local_at for each member's own clock"
        yield FieldProblem("local_at", "stands beside at", remedy, shown(text))
    elif wall is None:
        remedy = "a time without an offset, such as 2027-03-28T10:00; a time with one is at"
        yield FieldProblem("local_at", "is not a time by each member's own clock", remedy, shown(text))
    elif _shown_by_utc(wall) < now - WEST - micros(PAST_MAX_S):
        yield FieldProblem("local_at", "has passed on every clock", f"later than {iso(now)}", shown(text))
    elif _shown_by_utc(wall) > now + micros(AHEAD_MAX_S):
        yield FieldProblem("local_at", "is too far ahead", "at most a year from now", shown(text))


def _check_pace(schedule: Schedule) -> Iterator[FieldProblem]:
    per_hour, spread_s = schedule.per_hour, schedule.spread_s
    if per_hour is not None and spread_s is not None:
        remedy = "one of per_hour and spread_s"
        yield FieldProblem("spread_s", "stands beside per_hour", remedy, f"{spread_s:g}")
    if per_hour is not None and not 1 <= per_hour <= PER_HOUR_MAX:
        yield FieldProblem("per_hour", "is out of range", f"1 to {PER_HOUR_MAX}", str(per_hour))
    if spread_s is not None and not SPREAD_MIN_S <= spread_s <= SPREAD_MAX_S:
        remedy = f"{SPREAD_MIN_S:.0f} to {SPREAD_MAX_S:.0f} seconds"
        yield FieldProblem("spread_s", "is out of range", remedy, f"{spread_s:g}")


def _check_together(
    schedule: Schedule, at: int | None, wall: datetime | None, until: int | None, now: int
) -> Iterator[FieldProblem]:
    """Where each is right by itself, and both together leave nobody to be told."""
    if until is None or until <= now or schedule.until is None:
        return
    value = schedule.until.isoformat()
    shows = None if wall is None or at is not None else _shown_by_utc(wall)
    begins = max(now, at or 0, 0 if shows is None else shows - EAST)
    if until <= begins:
        before = "at" if shows is None else "local_at, also where clocks are furthest ahead"
        yield FieldProblem("until", f"does not come after {before}", f"later than {iso(begins)}", value)
        return
    spread_s = schedule.spread_s or 0.0
    if 0.0 < spread_s <= SPREAD_MAX_S and begins + micros(spread_s) > until:
        remedy = f"at most {(until - begins) // MICROS} seconds, or a later until"
        yield FieldProblem("spread_s", "goes on after until", remedy, f"{spread_s:g}")
    window = schedule.window
    if window is None or windows.wrong(window, "window"):
        return
    earliest = begins - WEST  # of the wall times that any clock shows while the campaign goes
    opens = windows.next_open(window, "UTC", earliest if shows is None else max(shows, earliest))
    if opens is None or opens >= until + EAST:
        hours = f"{window.from_} to {window.until}"
        yield FieldProblem("window", "never opens before until", "a later until, or other hours", hours)


# ── from when on somebody may be told ────────────────────────────────────────────────────────────────


def due_at(schedule: Schedule, zone: str, begun_at: int, otherwise: str = "UTC") -> int:
    """From when on a member in a time zone may be told, in microseconds UTC; `schedule` has no flaws.

    Not before the campaign has begun, nor before its time; then when the window is open. A zone that is none
    is `otherwise`, the workspace's. Of a wall time that comes twice the first, of one that is left out the
    first instant after the jump.
    """
    known = zone if is_zone(zone) else otherwise
    begins = max(begun_at, _begins(schedule, known))
    if schedule.window is None:
        return begins
    opens = windows.next_open(schedule.window, known, begins)
    assert opens is not None, "a window without a day is a flaw"
    return opens


@lru_cache(maxsize=ZONES_KEPT)
def _begins(schedule: Schedule, zone: str) -> int:
    wall = _wall(schedule.local_at)
    return windows.instant(wall, zone) if wall is not None else _instant(schedule.at) or 0


# ── how many may go now ──────────────────────────────────────────────────────────────────────────────


class Pace(msgspec.Struct, frozen=True):
    """So many an hour, evenly: one slot after another, none of them for two members.

    After the virtual scheduling of GCRA (ITU-T I.371, annex A): all that has to be kept is one instant, that
    of the next slot. Slots that nobody took are gone, so nothing is made up for after a pause.
    """

    per_hour: int


def per_hour_of(spread_s: float, members: int) -> int:
    """The pace at which so many members are told in so many seconds."""
    per_hour = -(-members * HOUR // max(1, micros(spread_s)))
    return max(1, min(PER_HOUR_MAX, per_hour))


def allowed(pace: Pace, next_at: int, now: int, burst_s: float) -> tuple[int, int]:
    """How many may go now, and when there will be more once these have gone, which is later than `now`.

    `next_at` is the next slot, 0 of a pace that nobody has gone at. Slots of the next `burst_s` seconds may
    go at once: whoever comes back later than that loses some.
    """
    before = now + micros(burst_s)
    first = max(next_at, now)
    count = max(0, _slot(pace, before)[0] - _slot(pace, first)[0])
    count += _after(pace, first, count) <= before
    return count, _after(pace, first, count) - micros(burst_s)


def taken(pace: Pace, next_at: int, now: int, count: int) -> int:
    """The next slot, once so many have gone."""
    return _after(pace, max(next_at, now), count)


def _slot(pace: Pace, at: int) -> tuple[int, int]:
    """An instant as the number of its slot since 1970, and how long after its beginning it is.

    An hour is seldom a multiple of its slots: some are a microsecond longer than others. Numbered so, slots
    that follow one another add up to an hour exactly, from wherever they are counted, and the instant of the
    next one is all that is ever kept. See `_after`.
    """
    number = at * pace.per_hour // HOUR
    return number, at - _begin(pace, number)


def _begin(pace: Pace, number: int) -> int:
    return -(-number * HOUR // pace.per_hour)


def _after(pace: Pace, at: int, count: int) -> int:
    """The slot that comes `count` after the one at an instant, as long after its beginning."""
    number, late = _slot(pace, at)
    if late >= HOUR // pace.per_hour:  # not every slot is as long: the next one's beginning is as good
        number, late = number + 1, 0
    return _begin(pace, number + count) + late


# ── what the run asks ────────────────────────────────────────────────────────────────────────────────


def asks_for_zone(schedule: Schedule) -> bool:
    """Whether it matters where a member is."""
    return bool(schedule.local_at) or schedule.window is not None


def earliest(schedule: Schedule) -> int:
    """Before this instant nobody is told, wherever they are; 0 when it may begin at once."""
    wall = _wall(schedule.local_at)
    return _shown_by_utc(wall) - EAST if wall is not None else _instant(schedule.at) or 0


def ends_at(schedule: Schedule) -> int | None:
    """From this instant on nobody is begun."""
    return _instant(schedule.until)


def pace_of(schedule: Schedule, members: int) -> Pace | None:
    """How many an hour, of so many members; None: as fast as the lines go."""
    if schedule.per_hour is not None:
        return Pace(schedule.per_hour)
    return None if schedule.spread_s is None else Pace(per_hour_of(schedule.spread_s, members))

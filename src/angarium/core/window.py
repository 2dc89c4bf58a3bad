"""Hours of a day on the timeline: when they are open in a time zone, open next, and close. Pure, and exact.

A window is a set of wall times, so it is open whenever the clock on the wall says so. Between two jumps of a
zone's clocks its offset from UTC does not change: there wall times and instants differ by a constant, and the
spans in which a window is open are found by subtraction. What a jump leaves out is never open, what it brings
twice is open twice; an opening within what is left out is the first instant after it.

The spans of a window in a zone are worked out for four weeks at once and kept: a million people who live in
twenty zones cost twenty of them.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import count
from zoneinfo import ZoneInfo

from angarium.core.clock import MICROS, from_datetime
from angarium.core.problems import FieldProblem, shown
from angarium.core.values import Window

WALL = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]|24:00")
ALWAYS = Window()
SECOND, MINUTE = timedelta(seconds=1), 60 * MICROS
HOUR = 60 * MINUTE
DAY = 24 * HOUR
PERIOD = 28 * DAY  # for which spans are worked out at once
OPENS_WITHIN = 3  # periods: one day of the week, of which clocks leave out the hours, is back in two weeks
CLOSES_WITHIN = 14  # periods: what is open for longer is always open
OFFSET_MAX = 26 * HOUR  # between a wall time read as UTC and its instant; no zone is as far
KEPT = 2_048  # periods of windows in zones: a few kilobytes each
EPOCH_WEEKDAY = 3  # 1970-01-01 was a Thursday; Monday is 0


def wrong(window: Window, field: str) -> list[FieldProblem]:
    """What is wrong with a window, each with its remedy; `field` is where it stands."""
    found = []
    for name, wall, last in (("from", window.from_, "23:59"), ("until", window.until, "24:00")):
        if not WALL.fullmatch(wall) or wall > last:
            remedy = f"HH:MM, from 00:00 to {last}"
            found.append(FieldProblem(f"{field}.{name}", "is not a time of day", remedy, shown(wall)))
    if not 1 <= len(window.days) <= 7 or any(not 1 <= day <= 7 for day in window.days):
        days = " ".join(map(str, window.days))
        remedy = "1 (Monday) to 7 (Sunday)"
        found.append(FieldProblem(f"{field}.days", "are not days", remedy, shown(days)))
    return found


def both(one: Window, other: Window) -> Window | None:
    """The hours that are in both windows; None when there are none, or when no one window has them.

    Of two that differ neither may run over midnight.
    """
    if ALWAYS in (one, other):
        return other if one == ALWAYS else one
    days = tuple(day for day in one.days if day in other.days)
    from_, until = max(one.from_, other.from_), min(one.until, other.until)
    alike = (one.from_, one.until) == (other.from_, other.until)
    over_midnight = one.until <= one.from_ or other.until <= other.from_
    fits = alike or (from_ < until and not over_midnight)
    return Window(from_, until, days) if days and fits else None


def is_open(window: Window, zone: str, at: int) -> bool:
    """Whether the clocks of a zone show an hour of the window."""
    return bool(bisect_right(_edges(window, zone, at // PERIOD), at) % 2)


def next_open(window: Window, zone: str, at: int) -> int | None:
    """`at` when the window is open, else the instant it opens next; None when it never does."""
    first = at // PERIOD
    for period in range(first, first + OPENS_WITHIN):
        edges = _edges(window, zone, period)
        place = bisect_right(edges, at)
        if place % 2:
            return at
        if place < len(edges):
            return edges[place]
    return None


def closes_at(window: Window, zone: str, at: int) -> int | None:
    """`at` when the window is closed, else the instant it closes next; None when it never does."""
    first = at // PERIOD
    for period in range(first, first + CLOSES_WITHIN):
        edges = _edges(window, zone, period)
        at = max(at, period * PERIOD)
        place = bisect_right(edges, at)
        if place % 2 == 0:
            return at
        if edges[place] < (period + 1) * PERIOD:
            return edges[place]
    return None


def instant(wall: datetime, zone: str) -> int:
    """When the clocks of a zone show a wall time (naive): of two such instants the first.

    Of one that a jump leaves out, the first instant after the jump.
    """
    shows = from_datetime(wall.replace(tzinfo=UTC))
    for period in count((shows - OFFSET_MAX) // PERIOD):
        for begins, ends, offset in _stretches(zone, period):
            if shows < ends + offset:
                return max(begins, shows - offset)
    raise AssertionError  # some stretch shows it


@lru_cache(maxsize=KEPT)
def _edges(window: Window, zone: str, period: int) -> tuple[int, ...]:
    """When the window opens, closes, opens … within a period. Open across its bounds, it is cut there."""
    edges: list[int] = []
    for begins, ends, offset in _stretches(zone, period):
        for opens, closes in _on_the_wall(window, begins + offset, ends + offset):
            span = max(begins, opens - offset), min(ends, closes - offset)
            if edges and edges[-1] == span[0]:
                edges[-1] = span[1]
            else:
                edges += span
    return tuple(edges)


def _on_the_wall(window: Window, since: int, until: int) -> Iterator[tuple[int, int]]:
    """The spans of wall time that a window covers, those that touch this one: microseconds, read as UTC."""
    opens, closes = _minutes(window.from_) * MINUTE, _minutes(window.until) * MINUTE
    closes += DAY if closes <= opens else 0
    for day in range(since // DAY - 1, until // DAY + 1):
        midnight = day * DAY
        covers = midnight + closes > since and midnight + opens < until
        if covers and (day + EPOCH_WEEKDAY) % 7 + 1 in window.days:
            yield midnight + opens, midnight + closes


@lru_cache(maxsize=KEPT)
def _stretches(zone: str, period: int) -> tuple[tuple[int, int, int], ...]:
    """A period cut where the clocks of a zone jump: begin, end and offset from UTC, in microseconds.

    The zone is asked once a day, and where the answer changes the jump is looked for to the second: clocks do
    not jump there and back in a day.
    """
    place = ZoneInfo(zone)
    found = [[period * PERIOD, 0, _offset(place, period * PERIOD)]]
    for day in range(period * PERIOD, (period + 1) * PERIOD, DAY):
        after = _offset(place, day + DAY)
        if after != found[-1][2]:
            jump = _jump(place, day, day + DAY)
            found[-1][1] = jump
            found.append([jump, 0, after])
    found[-1][1] = (period + 1) * PERIOD
    return tuple((begins, ends, offset) for begins, ends, offset in found if begins < ends)


def _jump(place: ZoneInfo, before: int, after: int) -> int:
    """The first instant with the later of two offsets."""
    old = _offset(place, before)
    while after - before > MICROS:
        middle = (before + after) // 2 // MICROS * MICROS
        before, after = (middle, after) if _offset(place, middle) == old else (before, middle)
    return after


def _offset(place: ZoneInfo, at: int) -> int:
    local = datetime.fromtimestamp(at // MICROS, place)
    return round((local.utcoffset() or timedelta()) / SECOND) * MICROS


def _minutes(wall: str) -> int:
    hours, _, minutes = wall.partition(":")
    return int(hours) * 60 + int(minutes)

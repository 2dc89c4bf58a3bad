"""When members of a campaign are told: by every clock there is, also where clocks jump; and at which pace."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from angarium.campaigns.schedule import (
    PER_HOUR_MAX,
    Pace,
    Schedule,
    allowed,
    due_at,
    flaws,
    per_hour_of,
    taken,
)
from angarium.core.clock import MICROS, from_datetime, iso, to_datetime
from angarium.core.decoding import Shape
from angarium.core.problems import Problem
from angarium.core.values import Window
from angarium.core.window import both, closes_at, is_open, next_open
from angarium.core.window import instant as shown_at

MINUTE, HOUR = 60 * MICROS, 3_600 * MICROS
SCHEDULE = Shape(Schedule)
TEN_TO_EIGHT = {"from": "10:00", "until": "20:00"}


def at(text: str) -> int:
    """An instant."""
    return from_datetime(datetime.fromisoformat(text))


def schedule(**given: Any) -> Schedule:
    """A schedule as the API takes it."""
    return SCHEDULE.read(msgspec.json.encode(given))


# ── from when on somebody may be told ────────────────────────────────────────────────────────────────

# What is asked for, where the member is, when the campaign began, from when on the member may be told. A
# window is hours, and days if not all. Instants are written as the clocks of the place show them.
DUE = """
asked for                        | zone                | begun                     | told from
# at once, or from one moment on for all
now                              | Europe/Kyiv         | 2025-11-24T23:17+02:00    | 2025-11-24T23:17+02:00
at 2025-11-25T09:30+03:30        | Europe/Kyiv         | 2025-11-24T23:17+02:00    | 2025-11-25T08:00+02:00
at 2025-11-25T09:30+03:30        | Europe/Kyiv         | 2025-11-25T08:01+02:00    | 2025-11-25T08:01+02:00
# by the member's own clock
local 2025-11-25T10:00           | Asia/Tehran         | 2025-11-24T00:00+00:00    | 2025-11-25T10:00+03:30
local 2025-11-25T10:00           | Asia/Kathmandu      | 2025-11-24T00:00+00:00    | 2025-11-25T10:00+05:45
local 2025-11-25T10:00           | Pacific/Kiritimati  | 2025-11-24T00:00+00:00    | 2025-11-25T10:00+14:00
local 2025-11-25T10:00           | Pacific/Kiritimati  | 2025-11-25T09:00+00:00    | 2025-11-25T09:00+00:00
local 2025-11-25T10:00:30        | America/New_York    | 2025-11-24T00:00+00:00    | 2025-11-25T10:00:30-05:00
# a place nobody knows is where the workspace is: in Tehran here
local 2025-11-25T10:00           |                     | 2025-11-24T00:00+00:00    | 2025-11-25T10:00+03:30
local 2025-11-25T10:00           | Mars/Olympus        | 2025-11-24T00:00+00:00    | 2025-11-25T10:00+03:30
# a wall time that clocks leave out: the first instant after the jump
local 2025-03-30T03:00           | Europe/Kyiv         | 2025-03-01T00:00+00:00    | 2025-03-30T04:00+03:00
local 2025-03-30T03:59           | Europe/Kyiv         | 2025-03-01T00:00+00:00    | 2025-03-30T04:00+03:00
local 2025-03-09T02:30           | America/New_York    | 2025-03-01T00:00+00:00    | 2025-03-09T03:00-04:00
local 2025-04-25T00:30           | Africa/Cairo        | 2025-03-01T00:00+00:00    | 2025-04-25T01:00+03:00
local 2025-10-05T02:15           | Australia/Lord_Howe | 2025-03-01T00:00+00:00    | 2025-10-05T02:30+11:00
local 2025-09-07T00:00           | America/Santiago    | 2025-03-01T00:00+00:00    | 2025-09-07T01:00-03:00
local 2025-04-06T02:59           | Africa/Casablanca   | 2025-03-01T00:00+00:00    | 2025-04-06T03:00+01:00
local 2025-04-12T02:30           | Asia/Gaza           | 2025-03-01T00:00+00:00    | 2025-04-12T03:00+03:00
local 2011-12-30T10:00           | Pacific/Apia        | 2011-12-01T00:00+00:00    | 2011-12-31T00:00+14:00
# one that comes twice: the first
local 2025-10-26T03:30           | Europe/Kyiv         | 2025-10-01T00:00+00:00    | 2025-10-26T03:30+03:00
local 2025-11-02T01:30           | America/New_York    | 2025-10-01T00:00+00:00    | 2025-11-02T01:30-04:00
local 2025-10-30T23:30           | Africa/Cairo        | 2025-10-01T00:00+00:00    | 2025-10-30T23:30+03:00
local 2025-04-06T01:45           | Australia/Lord_Howe | 2025-03-01T00:00+00:00    | 2025-04-06T01:45+11:00
local 2025-04-05T23:15           | America/Santiago    | 2025-03-01T00:00+00:00    | 2025-04-05T23:15-03:00
local 2025-02-23T02:30           | Africa/Casablanca   | 2025-02-01T00:00+00:00    | 2025-02-23T02:30+01:00
local 2025-10-25T01:30           | Asia/Gaza           | 2025-10-01T00:00+00:00    | 2025-10-25T01:30+03:00
# hours
10:00-20:00                      | Europe/Kyiv         | 2025-11-24T09:59+02:00    | 2025-11-24T10:00+02:00
10:00-20:00                      | Europe/Kyiv         | 2025-11-24T10:00+02:00    | 2025-11-24T10:00+02:00
10:00-20:00                      | Europe/Kyiv         | 2025-11-24T19:59:59+02:00 | 2025-11-24T19:59:59+02:00
10:00-20:00                      | Europe/Kyiv         | 2025-11-24T20:00+02:00    | 2025-11-25T10:00+02:00
10:00-20:00 12345                | Europe/Kyiv         | 2025-11-28T20:00+02:00    | 2025-12-01T10:00+02:00
10:00-20:00 6                    | Pacific/Kiritimati  | 2025-11-24T00:00+00:00    | 2025-11-29T10:00+14:00
22:00-06:00                      | Asia/Tehran         | 2025-11-24T21:00+03:30    | 2025-11-24T22:00+03:30
22:00-06:00 1                    | Asia/Tehran         | 2025-11-25T05:59+03:30    | 2025-11-25T05:59+03:30
22:00-06:00 1                    | Asia/Tehran         | 2025-11-25T06:00+03:30    | 2025-12-01T22:00+03:30
local 2025-11-25T21:00 10:00-20:00 | Asia/Tehran         | 2025-11-24T00:00+00:00    | 2025-11-26T10:00+03:30
at 2025-11-25T00:00Z 10:00-20:00 | Asia/Tehran         | 2025-11-24T00:00+00:00    | 2025-11-25T10:00+03:30
# hours whose beginning clocks leave out, or bring twice
10:00-20:00                      | Europe/Kyiv         | 2025-03-29T21:00+02:00    | 2025-03-30T10:00+03:00
10:00-20:00                      | Europe/Kyiv         | 2025-10-25T21:00+03:00    | 2025-10-26T10:00+02:00
03:30-20:00                      | Europe/Kyiv         | 2025-03-30T02:00+02:00    | 2025-03-30T04:00+03:00
03:30-05:00                      | Europe/Kyiv         | 2025-10-26T02:00+03:00    | 2025-10-26T03:30+03:00
03:30-05:00                      | Europe/Kyiv         | 2025-10-26T03:00+02:00    | 2025-10-26T03:30+02:00
00:30-06:00                      | Africa/Cairo        | 2025-04-24T23:00+02:00    | 2025-04-25T01:00+03:00
22:30-23:30                      | Africa/Cairo        | 2025-10-30T23:30+03:00    | 2025-10-30T23:00+02:00
02:15-05:00                      | Australia/Lord_Howe | 2025-10-05T01:00+10:30    | 2025-10-05T02:30+11:00
23:30-23:45                      | America/Santiago    | 2025-04-05T23:45-03:00    | 2025-04-05T23:30-04:00
# hours that clocks leave out altogether: those of the next day
02:10-02:50                      | America/New_York    | 2025-03-09T01:00-05:00    | 2025-03-10T02:10-04:00
02:10-02:50 7                    | America/New_York    | 2025-03-08T12:00-05:00    | 2025-03-16T02:10-04:00
10:00-20:00                      | Pacific/Apia        | 2011-12-29T20:00-10:00    | 2011-12-31T10:00+14:00
"""


def rows(table: str) -> list[list[str]]:
    """The cells of a table, without its head and its remarks."""
    lines = [line for line in table.strip().splitlines()[1:] if not line.startswith("#")]
    return [[cell.strip() for cell in line.split("|")] for line in lines]


def asked(text: str) -> Schedule:
    """What a row asks for."""
    words = text.split()
    given: dict[str, Any] = {}
    if words[0] in ("at", "local"):
        moment = words[1] if words[0] == "local" else iso(at(words[1]))
        given["at" if words[0] == "at" else "local_at"] = moment
        words = words[2:]
    if words and words[0] != "now":
        given["window"] = dict(zip(("from", "until"), words[0].split("-"), strict=True))
        if len(words) > 1:
            given["window"]["days"] = [int(day) for day in words[1]]
    return schedule(**given)


@pytest.mark.parametrize(("text", "zone", "begun", "told"), rows(DUE))
def test_from_when_on_somebody_is_told(text: str, zone: str, begun: str, told: str) -> None:
    assert iso(due_at(asked(text), zone, at(begun), "Asia/Tehran")) == iso(at(told))


# ── the window, against a walk over the minutes ──────────────────────────────────────────────────────

JUMPS = {  # a zone, and days within which its clocks jump
    "Europe/Kyiv": ("2025-03-30", "2025-10-26"),
    "America/New_York": ("2025-03-09", "2025-11-02"),
    "Asia/Tehran": ("2022-03-22", "2022-09-21"),
    "Africa/Cairo": ("2025-04-25", "2025-10-31"),
    "Australia/Lord_Howe": ("2025-04-06", "2025-10-05"),
    "America/Santiago": ("2025-04-06", "2025-09-07"),
    "Africa/Casablanca": ("2025-02-23", "2025-04-06"),
    "Asia/Gaza": ("2025-04-12", "2025-10-25"),
    "America/Havana": ("2025-03-09", "2025-11-02"),
    "Pacific/Apia": ("2011-12-30",),
}
SPANS = (("10:00", "20:00"), ("00:30", "01:40"), ("02:20", "02:50"), ("23:15", "02:35"))


def shows(window: Window, zone: ZoneInfo, instant: int) -> bool:
    """By definition: the clock on the wall shows an hour of the day, or of the night begun before."""
    local = to_datetime(instant).astimezone(zone).replace(tzinfo=None)
    for day in (local.date(), local.date() - timedelta(days=1)):
        opens, closes = on(day, window.from_), on(day, window.until)
        closes += timedelta(days=closes <= opens)
        if day.isoweekday() in window.days and opens <= local < closes:
            return True
    return False


def on(day: date, wall: str) -> datetime:
    """A time of day, which may be 24:00."""
    return datetime.combine(day, time()) + timedelta(hours=int(wall[:2]), minutes=int(wall[3:]))


@pytest.mark.parametrize(("zone", "day"), [(zone, day) for zone, days in JUMPS.items() for day in days])
@pytest.mark.parts(2)
def test_a_walk_over_the_minutes_beside_a_jump_agrees(zone: str, day: str) -> None:
    noon, place = at(f"{day}T12:00+00:00"), ZoneInfo(zone)
    minutes = range(noon - 40 * HOUR, noon + 20 * HOUR, MINUTE)
    for window in (Window(*span) for span in SPANS):
        opens = closes = None  # of the last minute nothing is known
        for minute in reversed(minutes):
            is_it = shows(window, place, minute)
            opens, closes = (minute, closes) if is_it else (opens, minute)
            assert is_open(window, zone, minute) == is_it, (window, iso(minute))
            assert opens is None or next_open(window, zone, minute) == opens, (window, iso(minute))
            assert closes is None or closes_at(window, zone, minute) == closes, (window, iso(minute))


walls = st.integers(0, 287).map(lambda five: f"{five // 12:02}:{five % 12 * 5:02}")
windows = st.builds(
    Window,
    from_=walls,
    until=walls | st.just("24:00"),
    days=st.sets(st.integers(1, 7), min_size=1).map(lambda days: tuple(sorted(days))),
)
zones = st.sampled_from(sorted(JUMPS))
moments = st.integers(at("2021-01-01T00:00+00:00"), at("2027-12-31T00:00+00:00"))


@given(windows | st.none(), zones, moments, st.none() | moments, st.booleans())
def test_nobody_is_told_too_early_or_at_a_closed_hour(
    window: Window | None, zone: str, begun: int, begins: int | None, locally: bool
) -> None:
    said = None if begins is None else to_datetime(begins)
    one = Schedule(
        at=None if locally else said,
        local_at=said.strftime("%Y-%m-%dT%H:%M") if said is not None and locally else "",
        window=window,
    )
    due = due_at(one, zone, begun)
    earliest = max(begun, due_at(msgspec.structs.replace(one, window=None), zone, begun))
    assert due >= earliest
    if window is None:
        return
    assert shows(window, ZoneInfo(zone), due)
    assert due - earliest <= 15 * 24 * HOUR
    if not shows(window, ZoneInfo(zone), earliest):  # the minute before it was closed still
        assert not shows(window, ZoneInfo(zone), due - 1)
        assert closes_at(window, zone, earliest) == earliest
    closing = closes_at(window, zone, due)
    assert closing is None or (closing > due and not shows(window, ZoneInfo(zone), closing))


@given(windows, windows | st.just(Window()), zones, moments)
def test_hours_that_are_in_both_windows(one: Window, other: Window, zone: str, moment: int) -> None:
    common = both(one, other)
    opens_in_both = is_open(one, zone, moment) and is_open(other, zone, moment)
    if common is not None:
        assert is_open(common, zone, moment) == opens_in_both
    else:
        assert not opens_in_both or one.until <= one.from_ or other.until <= other.from_


@given(zones, moments)
def test_a_wall_time_is_the_first_instant_that_shows_it_or_a_later_one(zone: str, moment: int) -> None:
    wall = to_datetime(moment).astimezone(ZoneInfo(zone)).replace(tzinfo=None)
    found = shown_at(wall, zone)
    assert to_datetime(found).astimezone(ZoneInfo(zone)).replace(tzinfo=None) == wall
    assert found <= moment  # the second of two is not the one


def test_what_is_always_open_never_closes_and_what_has_no_day_never_opens() -> None:
    now = at("2025-11-24T12:00+00:00")
    for window in (Window(), Window("10:00", "10:00"), Window("00:00", "00:00")):
        assert closes_at(window, "Europe/Kyiv", now) is None
    assert next_open(Window(days=()), "Europe/Kyiv", now) is None
    assert closes_at(Window(days=()), "Europe/Kyiv", now) == now


# ── what cannot be meant ─────────────────────────────────────────────────────────────────────────────

NOW = at("2026-11-23T12:00+00:00")
WRONG: list[tuple[dict[str, Any], list[tuple[str, str]]]] = [
    # what is asked for, and the fields that are wrong with their values
    ({}, []),
    ({"at": "2026-11-24T10:00:00+03:30", "until": "2026-11-24T10:00:01+03:30"}, []),
    ({"at": "2026-11-23T11:56:00Z"}, []),  # a moment ago
    ({"local_at": "2026-11-24T10:00", "window": TEN_TO_EIGHT, "per_hour": 1}, []),
    ({"local_at": "2026-11-23T02:00"}, []),  # ahead still where clocks are furthest behind
    ({"spread_s": 86_400, "until": "2026-11-24T12:00:00Z"}, []),
    # a time without its zone, and one by the member's clock with one
    ({"at": "2026-11-24T10:00:00"}, [("at", "2026-11-24T10:00:00")]),
    ({"until": "2026-11-24T10:00:00"}, [("until", "2026-11-24T10:00:00")]),
    ({"local_at": "2026-11-24T10:00+03:30"}, [("local_at", "2026-11-24T10:00+03:30")]),
    ({"local_at": "2026-11-24T10:00Z"}, [("local_at", "2026-11-24T10:00Z")]),
    ({"local_at": "tomorrow"}, [("local_at", "tomorrow")]),
    ({"local_at": "2026-11-24"}, [("local_at", "2026-11-24")]),
    ({"local_at": "2026-02-30T10:00"}, [("local_at", "2026-02-30T10:00")]),
    # the past and the far future
    ({"at": "2026-11-23T11:54:00Z"}, [("at", "2026-11-23T11:54:00+00:00")]),
    ({"at": "2025-11-24T10:00:00Z"}, [("at", "2025-11-24T10:00:00+00:00")]),
    ({"at": "2027-11-25T10:00:00Z"}, [("at", "2027-11-25T10:00:00+00:00")]),
    ({"at": "0001-01-01T00:00:00+14:00"}, [("at", "0001-01-01T00:00:00+14:00")]),
    ({"at": "9999-12-31T23:59:59-14:00"}, [("at", "9999-12-31T23:59:59-14:00")]),
    ({"local_at": "2026-11-22T23:00"}, [("local_at", "2026-11-22T23:00")]),
    ({"local_at": "2027-11-25T10:00"}, [("local_at", "2027-11-25T10:00")]),
    ({"until": "2026-11-23T12:00:00Z"}, [("until", "2026-11-23T12:00:00+00:00")]),
    ({"until": "2027-11-25T10:00:00Z"}, [("until", "2027-11-25T10:00:00+00:00")]),
    # two that cannot both be
    (
        {"at": "2026-11-24T10:00:00Z", "local_at": "2026-11-24T10:00"},
        [("local_at", "2026-11-24T10:00")],
    ),
    ({"per_hour": 100, "spread_s": 3_600}, [("spread_s", "3600")]),
    (
        {"at": "2026-11-24T10:00:00Z", "until": "2026-11-24T10:00:00Z"},
        [("until", "2026-11-24T10:00:00+00:00")],
    ),
    (  # ten o'clock comes first at 20:00Z of the day before
        {"local_at": "2026-11-24T10:00", "until": "2026-11-23T20:00:00Z"},
        [("until", "2026-11-23T20:00:00+00:00")],
    ),
    ({"local_at": "2026-11-24T10:00", "until": "2026-11-23T20:00:01Z"}, []),
    ({"spread_s": 86_401, "until": "2026-11-24T12:00:00Z"}, [("spread_s", "86401")]),
    # how fast
    ({"per_hour": 0}, [("per_hour", "0")]),
    ({"per_hour": 100_000_001}, [("per_hour", "100000001")]),
    ({"spread_s": 59}, [("spread_s", "59")]),
    ({"spread_s": 3_000_000}, [("spread_s", "3e+06")]),
    # hours
    ({"window": {"from": "25:00"}}, [("window.from", "25:00")]),
    ({"window": {"until": "9:00"}}, [("window.until", "9:00")]),
    ({"window": {"days": []}}, [("window.days", "")]),
    ({"window": {"days": [0, 8]}}, [("window.days", "0 8")]),
    # hours that no clock on earth shows before the deadline: 12:00Z on a Monday is Monday everywhere but in
    # the far east, where Tuesday has begun
    ({"window": {"days": [3]}, "until": "2026-11-23T18:00:00Z"}, [("window", "00:00 to 24:00")]),
    ({"window": {"days": [2]}, "until": "2026-11-23T18:00:00Z"}, []),
    (
        {
            "local_at": "2026-11-24T20:00",
            "window": {**TEN_TO_EIGHT, "days": [2]},
            "until": "2026-11-26T00:00:00Z",
        },
        [("window", "10:00 to 20:00")],
    ),
    # all that is wrong is told at once
    (
        {
            "at": "2026-11-24T10:00:00",
            "per_hour": 0,
            "window": {"from": "x"},
            "until": "2026-11-20T00:00:00Z",
        },
        [
            ("at", "2026-11-24T10:00:00"),
            ("until", "2026-11-20T00:00:00+00:00"),
            ("window.from", "x"),
            ("per_hour", "0"),
        ],
    ),
]


@pytest.mark.parametrize(("given", "expected"), WRONG)
def test_what_cannot_be_meant_names_field_value_and_remedy(
    given: dict[str, Any], expected: list[tuple[str, str]]
) -> None:
    found = flaws(schedule(**given), NOW)
    assert [(one.field, one.value) for one in found] == expected
    assert all(one.problem and one.remedy for one in found)


def test_an_unknown_word_is_refused() -> None:
    with pytest.raises(Problem) as raised:
        schedule(window={"from": "10:00", "zone": "Asia/Tehran"})
    assert raised.value.fields[0].field == "window.zone"


paces = st.integers(1, PER_HOUR_MAX) | st.sampled_from([1, 7, 3_600, 59_999_999, 70_000_000, PER_HOUR_MAX])
soon = st.datetimes(datetime.fromisoformat("2026-11-20"), datetime.fromisoformat("2027-12-01"))
whenever = st.datetimes(timezones=st.none() | st.timezones()) | soon.map(lambda one: one.replace(tzinfo=UTC))


@given(
    st.none() | whenever,
    st.just("")
    | st.text(max_size=40)
    | soon.map(datetime.isoformat)
    | st.datetimes().map(datetime.isoformat),
    st.none() | windows,
    st.none() | st.integers() | paces,
    st.none() | st.floats(allow_nan=False) | st.floats(60.0, 86_400.0),
    st.none() | whenever,
)
def test_whatever_is_asked_for_is_told_what_is_wrong_or_has_a_beginning(
    begins: datetime | None,
    local: str,
    window: Window | None,
    per_hour: int | None,
    spread: float | None,
    until: datetime | None,
) -> None:
    one = Schedule(at=begins, local_at=local, window=window, per_hour=per_hour, spread_s=spread, until=until)
    if not flaws(one, NOW):
        assert due_at(one, "Asia/Tehran", NOW) >= NOW


# ── the pace ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("spread_s", "members", "per_hour"),
    [
        (3_600.0, 1_000_000, 1_000_000),
        (28_800.0, 1_000_000, 125_000),
        (28_800.0, 1_000_001, 125_001),  # so that the last one is not late
        (86_400.0, 1, 1),
        (86_400.0, 0, 1),
        (60.0, 1_000_000_000, PER_HOUR_MAX),
    ],
)
def test_the_pace_at_which_all_are_told_in_time(spread_s: float, members: int, per_hour: int) -> None:
    assert per_hour_of(spread_s, members) == per_hour


def test_one_an_hour() -> None:
    pace = Pace(1)
    assert allowed(pace, 0, NOW, 0.0) == (1, NOW + HOUR)
    next_at = taken(pace, 0, NOW, 1)
    assert allowed(pace, next_at, NOW + HOUR - 1, 0.0) == (0, NOW + HOUR)
    assert allowed(pace, next_at, NOW + HOUR, 0.0) == (1, NOW + 2 * HOUR)
    assert allowed(pace, next_at, NOW + 100 * HOUR, 0.0) == (1, NOW + 101 * HOUR)  # nothing is made up for


@given(paces, st.integers(0, 1 << 51), st.lists(st.integers(1, 1_000), max_size=20), st.integers(0, 10**9))
@example(7, 514_285_714, [1, 1, 1], 0)  # the last microsecond of a slot that is longer than others
def test_slots_add_up_to_an_hour_exactly_however_they_are_taken(
    per_hour: int, now: int, takes: list[int], more: int
) -> None:
    pace = Pace(per_hour)
    apart = first = taken(pace, now, now, 0)
    assert first - now in (0, 1)
    for count in takes:
        apart = taken(pace, apart, now, count)
    assert apart == taken(pace, first, now, sum(takes))  # in one piece or in many
    hours = 1 + more // per_hour
    spent = taken(pace, apart, now, hours * per_hour) - apart
    assert spent == hours * HOUR


@given(
    paces,
    st.sampled_from([0.0, 0.1, 1.0, 5.0]),
    st.lists(st.integers(0, 20 * MINUTE) | st.integers(0, 2 * MICROS), min_size=1, max_size=60),
    st.data(),
)
def test_no_hour_has_more_than_was_asked_for(
    per_hour: int, burst_s: float, pauses: list[int], data: st.DataObject
) -> None:
    """Whoever comes when: busy, late, after a pause, taking all or a part of what may go."""
    pace, now, next_at = Pace(per_hour), NOW, 0
    gone: list[tuple[int, int]] = []
    for pause in pauses:
        count, more_at = allowed(pace, next_at, now, burst_s)
        assert count >= 0
        assert more_at > now
        taking = data.draw(st.integers(0, count)) if count < 5 else count
        next_at = taken(pace, next_at, now, taking) if taking else next_at
        gone.append((now, taking))
        now += pause
    burst = 1 + int(burst_s * per_hour / 3_600) + 1  # those of the burst, its first one, and a rounding
    for begins, _ in gone:
        assert sum(count for when, count in gone if begins <= when < begins + HOUR) <= per_hour + burst


@given(paces, st.sampled_from([0.5, 1.0, 5.0]), st.lists(st.floats(0.0, 0.9), min_size=5, max_size=30))
def test_whoever_comes_no_later_than_the_burst_loses_nothing(
    per_hour: int, burst_s: float, late: list[float]
) -> None:
    pace, now, next_at, gone = Pace(per_hour), NOW, 0, 0
    for share in late:
        count, more_at = allowed(pace, next_at, now, burst_s)
        assert count >= 1  # it is as it was told: there are more
        next_at = taken(pace, next_at, now, count)
        gone += count
        now = more_at + int(share * burst_s * MICROS)
    # what has gone is what fits between the first slot and the last one that was let go
    assert taken(pace, NOW, NOW, gone) == next_at

"""May it go: class against opt-out and blacklist, the line, the hours in every zone, the deadline."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from itertools import product
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from angarium.core.clock import from_datetime, iso, micros, to_datetime
from angarium.core.values import Hours, MessageClass, Reason, Standing, Window
from angarium.core.window import next_open
from angarium.messaging.gate.facts import NO_LINE, Facts, LineRules
from angarium.messaging.gate.judge import judge, judge_line, judge_person
from angarium.messaging.gate.verdicts import Allow, Defer, Refuse

OTP, TRANSACTIONAL, SERVICE, PROMOTIONAL = MessageClass
LATER = 1 << 62


def instant(text: str) -> int:
    """An instant as ISO text with its offset, without the seconds."""
    return from_datetime(datetime.fromisoformat(text))


# ── the person ───────────────────────────────────────────────────────────────────────────────────────

# Against each class, what stops it: an opt-out of that class, of all, of another; the operators' blacklist.
PERSON = """
class         | none | this | all | another | blacklisted
otp           | go   | stop | go  | go      | go
transactional | go   | stop | go  | go      | go
service       | go   | stop | stop | go     | go
promotional   | go   | stop | stop | go     | blacklist
"""
VERDICTS = {"go": None, "stop": Reason.OPTED_OUT, "blacklist": Reason.OPERATOR_BLACKLIST}


def person_cells() -> list[tuple[str, str, str]]:
    """Class, what is known against it, the verdict."""
    head, *rows = [[cell.strip() for cell in line.split("|")] for line in PERSON.strip().splitlines()]
    return [(row[0], known, cell) for row in rows for known, cell in zip(head[1:], row[1:], strict=True)]


@pytest.mark.parametrize(("message_class", "known", "verdict"), person_cells())
def test_who_may_be_told(message_class: str, known: str, verdict: str) -> None:
    opted_out = {"this": {message_class}, "all": {"all"}, "another": set(MessageClass) - {message_class}}
    standing = Standing(frozenset(opted_out.get(known, ())), operator_blacklist=known == "blacklisted")
    judged = judge_person(Facts(MessageClass(message_class), standing, NO_LINE, LATER), 0)
    assert (judged.reason if isinstance(judged, Refuse) else None) is VERDICTS[verdict]


@given(
    st.sampled_from(MessageClass),
    st.frozensets(st.sampled_from(["all", *MessageClass])),
    st.booleans(),
)
def test_more_known_against_it_never_lets_more_through(
    message_class: MessageClass, opted_out: frozenset[str], blacklisted: bool
) -> None:
    def goes(known: frozenset[str]) -> bool:
        facts = Facts(message_class, Standing(known, blacklisted), NO_LINE, LATER)
        return isinstance(judge_person(facts, 0), Allow)

    if goes(opted_out):
        assert all(goes(opted_out - {word}) for word in opted_out)


# ── the line ─────────────────────────────────────────────────────────────────────────────────────────

LINES = [  # classes it is approved for, approved, enabled; the classes that may go
    (set(MessageClass), True, True, set(MessageClass)),
    ({SERVICE, OTP}, True, True, {SERVICE, OTP}),
    ({PROMOTIONAL}, True, True, {PROMOTIONAL}),
    (set(), True, True, set()),
    (set(MessageClass), False, True, set()),
    (set(MessageClass), True, False, set()),
]


@pytest.mark.parametrize(("classes", "approved", "enabled", "may"), LINES)
def test_what_a_line_may_carry(
    classes: set[MessageClass], approved: bool, enabled: bool, may: set[MessageClass]
) -> None:
    line = LineRules("shop", frozenset(classes), approved, enabled)
    judged = {c: judge_line(c, line) for c in MessageClass}
    assert {c for c, verdict in judged.items() if isinstance(verdict, Allow)} == may
    refusals = [verdict for verdict in judged.values() if isinstance(verdict, Refuse)]
    assert all(refused.reason is Reason.NO_LINE and "shop" in refused.detail for refused in refusals)


# ── all together ─────────────────────────────────────────────────────────────────────────────────────

NINE_TO_NINE = Hours("09:00", "21:00", zone="contact")
TEHRAN = Standing(time_zone="Asia/Tehran")
NO_ADS = Standing(frozenset({"promotional"}), time_zone="Asia/Tehran")
DAY = instant("2026-11-23T12:00+03:30")
NIGHT = instant("2026-11-23T23:00+03:30")
MORNING = instant("2026-11-24T09:00+03:30")


def shop(*classes: MessageClass, hours: Hours | None = None) -> LineRules:
    """An approved line."""
    return LineRules("shop", frozenset(classes), approved=True, hours=hours)


JUDGEMENTS = [  # class, person, line, deadline, now; None, an instant to wait for, or the reason of a refusal
    (PROMOTIONAL, TEHRAN, shop(PROMOTIONAL, hours=NINE_TO_NINE), LATER, DAY, None),
    (PROMOTIONAL, TEHRAN, shop(PROMOTIONAL, hours=NINE_TO_NINE), LATER, NIGHT, MORNING),
    (PROMOTIONAL, TEHRAN, shop(PROMOTIONAL), LATER, NIGHT, None),
    (
        SERVICE,
        TEHRAN,
        shop(SERVICE, hours=NINE_TO_NINE),
        LATER,
        NIGHT,
        None,
    ),  # the hours are not for its class
    (PROMOTIONAL, TEHRAN, shop(PROMOTIONAL, hours=NINE_TO_NINE), MORNING + 1, NIGHT, MORNING),
    (PROMOTIONAL, TEHRAN, shop(PROMOTIONAL, hours=NINE_TO_NINE), MORNING, NIGHT, Reason.HOURS),
    (PROMOTIONAL, TEHRAN, shop(PROMOTIONAL, hours=NINE_TO_NINE), DAY, DAY, Reason.DEADLINE),
    (PROMOTIONAL, TEHRAN, shop(PROMOTIONAL, hours=NINE_TO_NINE), DAY + 1, DAY, None),
    (PROMOTIONAL, NO_ADS, shop(PROMOTIONAL, hours=NINE_TO_NINE), LATER, NIGHT, Reason.OPTED_OUT),
    (PROMOTIONAL, NO_ADS, shop(SERVICE), LATER, DAY, Reason.OPTED_OUT),  # the person before the line
    (PROMOTIONAL, TEHRAN, shop(SERVICE), LATER, DAY, Reason.NO_LINE),  # no way round by a service line
    (SERVICE, NO_ADS, shop(SERVICE), LATER, DAY, None),
    (OTP, NO_ADS, shop(OTP), DAY, DAY, Reason.DEADLINE),
    (PROMOTIONAL, NO_ADS, shop(PROMOTIONAL), DAY, DAY, Reason.DEADLINE),  # the deadline before all else
]


@pytest.mark.parametrize(("message_class", "person", "line", "expires_at", "now", "expected"), JUDGEMENTS)
def test_judgements(
    message_class: MessageClass,
    person: Standing,
    line: LineRules,
    expires_at: int,
    now: int,
    expected: int | Reason | None,
) -> None:
    match judge(Facts(message_class, person, line, expires_at), now):
        case Allow():
            assert expected is None
        case Defer(until=until, reason=reason, detail=detail):
            assert (until, reason) == (expected, Reason.HOURS)
            assert "09:00 to 21:00 (Asia/Tehran)" in detail
        case Refuse(reason=reason, detail=detail):
            assert reason is expected
            assert detail


# ── hours ────────────────────────────────────────────────────────────────────────────────────────────

WEEKDAYS, SUNDAY = (1, 2, 3, 4, 5), (7,)

# from, until, days, zone, now in that zone, open again in that zone. 2026-11-23 is a Monday.
HOURS = [
    ("09:00", "21:00", (), "UTC", "2026-11-23T08:59:59+00:00", "2026-11-23T09:00+00:00"),
    ("09:00", "21:00", (), "UTC", "2026-11-23T09:00+00:00", "now"),
    ("09:00", "21:00", (), "UTC", "2026-11-23T20:59:59.999999+00:00", "now"),
    ("09:00", "21:00", (), "UTC", "2026-11-23T21:00+00:00", "2026-11-24T09:00+00:00"),
    ("09:00", "21:00", (), "Asia/Tehran", "2026-11-23T05:29+00:00", "2026-11-23T05:30+00:00"),
    ("09:00", "21:00", (), "Asia/Kathmandu", "2026-11-23T03:14+00:00", "2026-11-23T03:15+00:00"),
    ("09:00", "21:00", (), "Pacific/Kiritimati", "2026-11-22T19:00+00:00", "now"),
    # a night window belongs to the day on which it begins
    ("22:00", "06:00", (), "UTC", "2026-11-23T21:59+00:00", "2026-11-23T22:00+00:00"),
    ("22:00", "06:00", (), "UTC", "2026-11-23T23:59+00:00", "now"),
    ("22:00", "06:00", (), "UTC", "2026-11-24T05:59+00:00", "now"),
    ("22:00", "06:00", (), "UTC", "2026-11-24T06:00+00:00", "2026-11-24T22:00+00:00"),
    ("22:00", "06:00", WEEKDAYS, "UTC", "2026-11-28T05:00+00:00", "now"),  # Saturday: still Friday's night
    ("22:00", "06:00", WEEKDAYS, "UTC", "2026-11-28T06:00+00:00", "2026-11-30T22:00+00:00"),
    ("22:00", "06:00", SUNDAY, "UTC", "2026-11-23T05:00+00:00", "now"),  # Monday: still Sunday's night
    ("22:00", "06:00", (1,), "UTC", "2026-11-23T05:00+00:00", "2026-11-23T22:00+00:00"),
    # days
    ("09:00", "18:00", WEEKDAYS, "UTC", "2026-11-27T18:00+00:00", "2026-11-30T09:00+00:00"),
    ("09:00", "18:00", (1,), "UTC", "2026-11-23T18:00+00:00", "2026-11-30T09:00+00:00"),
    ("09:00", "18:00", (6, 7, 1, 2, 3), "Asia/Tehran", "2026-11-26T12:00+03:30", "2026-11-28T09:00+03:30"),
    # the whole day
    ("00:00", "24:00", (), "UTC", "2026-11-23T00:00+00:00", "now"),
    ("00:00", "24:00", WEEKDAYS, "UTC", "2026-11-27T23:59:59+00:00", "now"),
    ("00:00", "24:00", WEEKDAYS, "UTC", "2026-11-28T00:00+00:00", "2026-11-30T00:00+00:00"),
    ("08:00", "08:00", (1,), "UTC", "2026-11-24T07:59+00:00", "now"),  # a day and a night
    ("08:00", "08:00", (1,), "UTC", "2026-11-24T08:00+00:00", "2026-11-30T08:00+00:00"),
    ("22:00", "00:00", (1,), "UTC", "2026-11-23T23:59+00:00", "now"),
    ("22:00", "00:00", (1,), "UTC", "2026-11-24T00:00+00:00", "2026-11-30T22:00+00:00"),
    ("18:00", "24:00", (1,), "UTC", "2026-11-24T00:00+00:00", "2026-11-30T18:00+00:00"),
]
# Clocks go forward (a gap) and back (an hour comes twice). Instants are written with the offset in force.
JUMPS = [
    # New York, 2026-03-08: 02:00 EST is 03:00 EDT
    ("09:00", "21:00", (), "America/New_York", "2026-03-08T05:00-05:00", "2026-03-08T09:00-04:00"),
    ("02:30", "05:00", (), "America/New_York", "2026-03-08T01:59-05:00", "2026-03-08T03:00-04:00"),
    ("02:30", "05:00", (), "America/New_York", "2026-03-08T03:00-04:00", "now"),
    ("00:00", "02:30", (), "America/New_York", "2026-03-08T01:59-05:00", "now"),
    ("00:00", "02:30", (), "America/New_York", "2026-03-08T03:00-04:00", "2026-03-09T00:00-04:00"),
    ("02:10", "02:50", (), "America/New_York", "2026-03-08T01:00-05:00", "2026-03-09T02:10-04:00"),
    ("02:10", "02:50", SUNDAY, "America/New_York", "2026-03-07T12:00-05:00", "2026-03-15T02:10-04:00"),
    ("22:00", "06:00", (), "America/New_York", "2026-03-08T05:59-04:00", "now"),
    # New York, 2026-11-01: 01:00 to 02:00 comes twice
    ("01:30", "05:00", (), "America/New_York", "2026-11-01T01:00-04:00", "2026-11-01T01:30-04:00"),
    ("01:30", "05:00", (), "America/New_York", "2026-11-01T01:10-05:00", "2026-11-01T01:30-05:00"),
    ("00:00", "01:30", (), "America/New_York", "2026-11-01T01:29-04:00", "now"),
    ("00:00", "01:30", (), "America/New_York", "2026-11-01T01:29-05:00", "now"),
    ("00:00", "01:30", (), "America/New_York", "2026-11-01T01:30-05:00", "2026-11-02T00:00-05:00"),
    ("22:00", "06:00", (), "America/New_York", "2026-11-01T01:30-05:00", "now"),
    # Tehran had summer time until 2022; its gap was at midnight: 2022-03-22 00:00 was 01:00
    ("00:00", "24:00", (), "Asia/Tehran", "2022-03-22T01:00+04:30", "now"),
    ("09:00", "24:00", (), "Asia/Tehran", "2022-03-21T23:59+03:30", "now"),
    ("00:30", "06:00", (), "Asia/Tehran", "2022-03-21T23:59+03:30", "2022-03-22T01:00+04:30"),
    ("22:00", "00:30", (), "Asia/Tehran", "2022-03-22T01:00+04:30", "2022-03-22T22:00+04:30"),
    ("09:00", "21:00", (), "Asia/Tehran", "2026-03-22T00:00+03:30", "2026-03-22T09:00+03:30"),
    # Lord Howe jumps by half an hour: 2026-10-04 02:00 is 02:30, 2026-04-05 01:30 to 02:00 comes twice
    ("02:15", "05:00", (), "Australia/Lord_Howe", "2026-10-04T01:59+10:30", "2026-10-04T02:30+11:00"),
    ("09:00", "21:00", (), "Australia/Lord_Howe", "2026-10-04T03:00+11:00", "2026-10-04T09:00+11:00"),
    ("01:45", "05:00", (), "Australia/Lord_Howe", "2026-04-05T01:30+10:30", "2026-04-05T01:45+10:30"),
    # Havana goes back at 01:00 to midnight: the whole day has no hole
    ("00:00", "24:00", (), "America/Havana", "2026-11-01T00:30-05:00", "now"),
    # Samoa left out 2011-12-30 altogether
    ("09:00", "21:00", (), "Pacific/Apia", "2011-12-29T22:00-10:00", "2011-12-31T09:00+14:00"),
]


@pytest.mark.parametrize(("opens", "closes", "days", "zone", "now", "expected"), HOURS + JUMPS)
def test_hours(opens: str, closes: str, days: tuple[int, ...], zone: str, now: str, expected: str) -> None:
    hours = Hours(opens, closes, days or (1, 2, 3, 4, 5, 6, 7))
    found = next_open(hours, zone, instant(now))
    assert found is not None
    assert iso(found) == iso(instant(now if expected == "now" else expected))


def test_hours_without_a_day_never_open() -> None:
    assert next_open(Hours(days=()), "UTC", DAY) is None


@pytest.mark.parametrize(("zone", "open_then"), [("contact", False), ("America/New_York", True)])
def test_the_zone_is_that_of_the_contact_or_of_the_line(zone: str, open_then: bool) -> None:
    line = shop(PROMOTIONAL, hours=Hours("09:00", "21:00", zone=zone))  # 23:00 in Tehran, 14:30 in New York
    judged = judge(Facts(PROMOTIONAL, TEHRAN, line, LATER), NIGHT)
    assert isinstance(judged, Allow) is open_then


# ── the hours of a step ──────────────────────────────────────────────────────────────────────────────

TEN_TO_SIX = Window("10:00", "18:00")
STEPS = [  # the step's hours, class, zone of the person, now, deadline; None, until when it waits, a reason
    (None, PROMOTIONAL, "Asia/Tehran", "2026-11-23T23:00+03:30", "2026-11-30T00:00+03:30", None),
    (TEN_TO_SIX, PROMOTIONAL, "Asia/Tehran", "2026-11-23T10:00+03:30", "2026-11-30T00:00+03:30", None),
    (TEN_TO_SIX, PROMOTIONAL, "Asia/Tehran", "2026-11-23T17:59+03:30", "2026-11-30T00:00+03:30", None),
    (
        TEN_TO_SIX,
        PROMOTIONAL,
        "Asia/Tehran",
        "2026-11-23T18:00+03:30",
        "2026-11-30T00:00+03:30",
        "2026-11-24T10:00+03:30",
    ),
    # the same instant elsewhere: it is half past nine in the morning in New York, and 23:30 in Tokyo
    (
        TEN_TO_SIX,
        PROMOTIONAL,
        "America/New_York",
        "2026-11-23T18:00+03:30",
        "2026-11-30T00:00+03:30",
        "2026-11-23T10:00-05:00",
    ),
    (
        TEN_TO_SIX,
        PROMOTIONAL,
        "Asia/Tokyo",
        "2026-11-23T18:00+03:30",
        "2026-11-30T00:00+03:30",
        "2026-11-24T10:00+09:00",
    ),
    # every class: who wrote the step meant it
    (TEN_TO_SIX, OTP, "UTC", "2026-11-23T18:00+00:00", "2026-11-23T18:10+00:00", Reason.HOURS),
    (TEN_TO_SIX, SERVICE, "UTC", "2026-11-23T18:00+00:00", "2026-11-24T10:00+00:00", Reason.HOURS),
    (
        TEN_TO_SIX,
        SERVICE,
        "UTC",
        "2026-11-23T18:00+00:00",
        "2026-11-24T10:01+00:00",
        "2026-11-24T10:00+00:00",
    ),
    (
        Window("10:00", "18:00", (1,)),
        SERVICE,
        "UTC",
        "2026-11-23T18:00+00:00",
        "2026-11-29T00:00+00:00",
        Reason.HOURS,
    ),
    # clocks jump: Kyiv leaves out three to four, and has it twice
    (
        Window("03:30", "05:00"),
        SERVICE,
        "Europe/Kyiv",
        "2026-03-29T02:59+02:00",
        "2026-03-30T00:00+03:00",
        "2026-03-29T04:00+03:00",
    ),
    (
        Window("03:00", "03:30"),
        SERVICE,
        "Europe/Kyiv",
        "2026-10-25T03:30+03:00",
        "2026-10-26T00:00+02:00",
        "2026-10-25T03:00+02:00",
    ),
]


@pytest.mark.parametrize(("hours", "message_class", "zone", "now", "deadline", "expected"), STEPS)
def test_a_step_goes_in_its_hours_where_the_person_is(
    hours: Window | None,
    message_class: MessageClass,
    zone: str,
    now: str,
    deadline: str,
    expected: str | Reason | None,
) -> None:
    line, person = shop(*MessageClass), Standing(time_zone=zone)
    found = judge(Facts(message_class, person, line, instant(deadline), step=2, hours=hours), instant(now))
    if expected is None:
        assert isinstance(found, Allow)
        return
    assert isinstance(found, Defer | Refuse)
    assert (found.rule, found.set_at, found.reason) == ("step-hours", "steps[2].hours", Reason.HOURS)
    assert f"Step 3 goes from {hours.from_ if hours else ''}" in found.detail
    assert isinstance(found, Refuse) is isinstance(expected, Reason)
    assert isinstance(found, Refuse) or iso(found.until) == iso(instant(str(expected)))


# ── hours, whatever they are ─────────────────────────────────────────────────────────────────────

ZONES = sorted(available_timezones() - {"localtime"})
JUMPING = ("Asia/Tehran", "America/New_York", "Australia/Lord_Howe", "America/Havana", "Europe/Kyiv", "UTC")
walls = st.integers(0, 1439).map(lambda minute: f"{minute // 60:02}:{minute % 60:02}")
windows = st.builds(
    Hours,
    from_=walls,
    until=walls | st.just("24:00"),
    days=st.sets(st.integers(1, 7), min_size=1).map(lambda days: tuple(sorted(days))),
)
moments = st.integers(instant("2021-01-01T00:00+00:00"), instant("2027-12-31T00:00+00:00"))
DAY_S, HALF_HOUR_S = 86_400, 1800


def is_open(hours: Hours, zone: str, at: int) -> bool:
    """The definition, minute by minute: a window of the local day, or what is left of the night before."""
    local = to_datetime(at).astimezone(ZoneInfo(zone)).replace(tzinfo=None)
    for day in (local.date(), local.date() - timedelta(days=1)):
        opens, closes = wall_time(day, hours.from_), wall_time(day, hours.until)
        closes += timedelta(days=closes <= opens)
        if day.isoweekday() in hours.days and opens <= local < closes:
            return True
    return False


def wall_time(day: date, wall: str) -> datetime:
    """A time of day, which may be 24:00."""
    return datetime.combine(day, time()) + timedelta(hours=int(wall[:2]), minutes=int(wall[3:]))


@given(windows, st.sampled_from(JUMPING), moments)
def test_now_when_open_else_later_and_really_open(hours: Hours, zone: str, now: int) -> None:
    found = next_open(hours, zone, now)
    if is_open(hours, zone, now):
        assert found == now
    else:
        assert found is None or (found > now and is_open(hours, zone, found))


@given(windows, st.sampled_from(JUMPING), moments)
def test_no_opening_is_missed(hours: Hours, zone: str, now: int) -> None:
    """A window that a jump swallows comes again a week later."""
    found = next_open(hours, zone, now)
    assert found is not None
    assert found - now <= micros(15 * DAY_S)
    assert not any(is_open(hours, zone, at) for at in range(now, found, micros(HALF_HOUR_S)))


@pytest.mark.parametrize(
    ("hours", "month"),
    list(product([Hours("09:00", "21:00"), Hours("22:00", "06:00", (5,)), Hours("02:10", "02:50")], [3, 11])),
)
def test_every_zone_there_is(hours: Hours, month: int) -> None:
    now = from_datetime(datetime(2026, month, 8, 4, 30, tzinfo=ZoneInfo("UTC")))
    for zone in ZONES:
        found = next_open(hours, zone, now)
        assert found is not None, zone
        assert found >= now, zone
        assert is_open(hours, zone, found), zone

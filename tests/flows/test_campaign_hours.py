"""A campaign in hours of the day reaches each contact inside of them, by the contact's own clock, also where
clocks jump while it goes and where a slow line outlasts the hours."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from angarium.core.clock import from_datetime, to_datetime
from angarium.storage.database import Database
from support.marketer import Marketer
from support.relay import Relay
from support.still import StillClock
from support.turns import by_turns

ZONES = (
    "America/Los_Angeles",
    "America/New_York",
    "America/Santiago",
    "Europe/London",
    "Europe/Kyiv",
    "Africa/Cairo",
    "Asia/Tehran",
    "Asia/Kolkata",
    "Asia/Shanghai",
    "Australia/Lord_Howe",
    "Pacific/Auckland",
    "Pacific/Kiritimati",
)
EACH = 20  # members in each zone
HOURS = (9, 11)  # from, until
LINE_PER_HOUR = 1  # what the line hands over in an hour: less than the hours of any zone ask for
JUMPS = {  # from before the first clock jumps until after the last: New York, then Santiago; Tonga has none
    "spring": (datetime(2027, 3, 12, 12, tzinfo=UTC), date(2027, 4, 5)),
    "autumn": (datetime(2027, 10, 29, 12, tzinfo=UTC), date(2027, 11, 8)),
}
DAYS = 50

pytestmark = pytest.mark.timeout(480)  # each hour is many transactions, and PostgreSQL is asked for each


@pytest.mark.parametrize("season", by_turns(JUMPS))
async def test_everybody_is_told_once_within_the_hours(database: Database, season: str) -> None:
    clock = StillClock(from_datetime(JUMPS[season][0]))
    relay = await Relay(database, clock=clock).open()
    marketer = await Marketer(relay).open(people=0)
    zone_of = {}
    for place, zone in enumerate(ZONES * EACH):
        phone = f"+38050{place:07}"
        zone_of[phone] = ZoneInfo(zone)
        given = {"external_id": f"c{place}", "name": zone, "time_zone": zone}
        await relay.contact(**given, addresses=[{"kind": "phone", "value": phone}])
    window = {"from": f"{HOURS[0]:02}:00", "until": f"{HOURS[1]:02}:00", "days": [1, 2, 3, 4, 5]}
    campaign_id = await marketer.begin(schedule={"window": window, "per_hour": 2}, deadline_s=7 * 86_400)
    told: dict[str, datetime] = {}
    ends_at = clock.now() + DAYS * 86_400_000_000
    while clock.now() < ends_at:
        await marketer.run(campaign_id)
        for attempt in await relay.claim("sms", limit=LINE_PER_HOUR):
            local = to_datetime(clock.now()).astimezone(zone_of[attempt.address])
            assert attempt.address not in told
            assert HOURS[0] <= local.hour < HOURS[1], (attempt.address, local)
            assert local.isoweekday() <= 5, (attempt.address, local)
            told[attempt.address] = local
            await relay.answer(attempt, relay.accepted())
        clock.advance(3_600)
        await relay.wait(0)
    assert told.keys() == zone_of.keys()
    days = {local.date() for local in told.values()}
    assert min(days) <= JUMPS[season][0].date() + timedelta(days=1)
    assert max(days) > JUMPS[season][1]  # it went on over all of them
    assert await marketer.counts(campaign_id) == ("done", len(zone_of), len(zone_of), 0)

"""What cascades saved, today and in four weeks: what was spent, beside what SMS alone had cost.

What was saved is counted day by day from messages of that day (`messaging/savings.py`, as campaigns count
it). That takes seconds, so it is shown for a while before it is counted anew; it says of when it is. What was
spent is what the rest of the first page says of the same days, and SMS alone had cost both together (what SMS
could not have brought would have gone as it went): so the three figures always fit.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta, tzinfo
from decimal import Decimal

import msgspec

from angarium.core.clock import MICROS
from angarium.insight import home
from angarium.messaging import savings
from angarium.messaging.savings import SMS, Estimate, Saved, Yardstick
from angarium.messaging.store import traffic as store
from angarium.messaging.world import World

OF_A_DAY, OF_TODAY = 60, 240  # messages that are priced one by one
SHOWN_S = 60.0  # a count is shown at least so long
TIMES = 50  # and so many times as long as it took: looking never takes more than a fiftieth of a core
KEPT_MAX = 1_000  # workspaces at hand


class Told(msgspec.Struct, frozen=True):
    """What was saved, in micro-units of the currency of what it was compared with, and of when it is."""

    yard: Yardstick
    today: int
    weeks: int
    messages: int  # that went out in these weeks
    estimated: bool
    counted_at: int


class Kept(msgspec.Struct, frozen=True):
    """A count, and until when it is shown."""

    told: Told
    until: float  # by the monotonic clock


class Savings:
    """Counts of workspaces, each kept for a while."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._kept: dict[tuple[int, str], Kept] = {}

    def at_hand(self, workspace_id: int, zone: tzinfo) -> tuple[Told | None, bool]:
        """The last count, and whether it is time for another."""
        kept = self._kept.get((workspace_id, str(zone)))
        if kept is None:
            return None, True
        return kept.told, self._world.ground.clock.monotonic() >= kept.until

    async def of(self, workspace_id: int, zone: tzinfo) -> Told:
        """That one, or a new count."""
        known, is_due = self.at_hand(workspace_id, zone)
        if known is not None and not is_due:
            return known
        clock = self._world.ground.clock
        began = clock.monotonic()
        told = await count(self._world, workspace_id, zone)
        now = clock.monotonic()
        if len(self._kept) >= KEPT_MAX:
            self._kept.clear()
        until = now + max(SHOWN_S, TIMES * (now - began))
        self._kept[workspace_id, str(zone)] = Kept(told, until)
        return told


async def count(world: World, workspace_id: int, zone: tzinfo) -> Told:
    """What was saved, from messages of each day."""
    now = world.ground.clock.now()
    begins = home.days_until(now, zone)
    sums = await world.ground.db.read(store.since, workspace_id, home.slot_of(begins[0]))
    yard = savings.yardstick(world, workspace_id, SMS)
    each = [
        await _of_day(
            world, workspace_id, begin, one.asked, yard, OF_TODAY if begin == begins[-1] else OF_A_DAY
        )
        for begin, one in home.by_day(sums, begins)
    ]
    return Told(
        yard,
        each[-1].saved,
        sum(one.saved for one in each),
        sum(one.messages for one in each),
        any(one.estimated for one in each),
        now,
    )


def beside(told: Told, saved: int, spent: Mapping[str, str]) -> Saved:
    """What was saved beside what the first page says was `spent` on the same days, by currency."""
    cost = {currency: int(Decimal(amount) * MICROS) for currency, amount in spent.items()}
    currency = told.yard.currency
    instead = {currency: cost.get(currency, 0) + saved} if told.yard.priced else {}
    return savings.compare(cost, instead)


async def _of_day(
    world: World, workspace_id: int, begin: datetime, asked: int, yard: Yardstick, most: int
) -> Estimate:
    """Of the messages that were asked for on one day of the clocks there, which may have 23 hours or 25."""
    if not yard.priced or not asked:
        return Estimate()
    first, following = (int(at.timestamp()) * MICROS for at in (begin, begin + timedelta(days=1)))
    return await savings.of_span(world, workspace_id, first, following, asked, yard, most)

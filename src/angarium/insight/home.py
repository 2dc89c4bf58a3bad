"""What the first page tells: how it goes now, what has gone through today and in four weeks, what it cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, tzinfo

import msgspec

from angarium.core.clock import MICROS, to_datetime
from angarium.core.values import amount_text
from angarium.lines.store import Line
from angarium.lines.tallies import WINDOWS, Tally
from angarium.messaging import health
from angarium.messaging.store import queue
from angarium.messaging.store import traffic as store
from angarium.messaging.traffic import SLOT, Key, Traffic, by
from angarium.messaging.world import World
from angarium.storage.database import Transaction

DAYS = 28
QUEUE_MAX = 10_000  # of each line and class that are counted


class LineNow(msgspec.Struct, frozen=True):
    """A line as the first page shows it."""

    line: Line
    connected: bool | None
    waits: str
    per_s: float  # in the last five minutes
    success: float | None  # of the last hour, 0 to 1; None: too little was sent to say


class Now(msgspec.Struct, frozen=True):
    """How it goes."""

    per_s: float
    due: dict[str, int]  # by class; what waits for its turn
    lines: list[LineNow]


class Through(msgspec.Struct, frozen=True):
    """What has gone through. Money by currency, in decimal text."""

    today: Traffic
    today_cost: dict[str, str]
    whole: Traffic
    whole_cost: dict[str, str]
    days: list[tuple[datetime, Traffic]]  # each with its midnight, the oldest first
    channels: list[tuple[str, Traffic, dict[str, str]]]
    classes: list[tuple[str, Traffic, dict[str, str]]]
    today_by: dict[str, Traffic]  # of today alone, by channel and by class: no two of these share a name


async def now(tx: Transaction, world: World, workspace_id: int) -> Now:
    """How the lines of a workspace do."""
    at = world.ground.clock.now()
    lines = [line for line in world.lines.of(workspace_id) if line.enabled]
    ids = [line.id for line in lines]
    windows = await health.windows(tx, workspace_id, ids, at, ("5m", "1h"))
    due: dict[str, int] = {}
    for line in lines:
        for lane, counts in (await queue.waiting(tx, [workspace_id], line.id, at, QUEUE_MAX)).items():
            due[lane.value] = due.get(lane.value, 0) + sum(counts.values())
    shown = [_line_now(world, line, windows[line.id]) for line in lines]
    return Now(sum(one.per_s for one in shown), due, shown)


def _line_now(world: World, line: Line, windows: Mapping[str, Tally]) -> LineNow:
    waiting = world.why_waiting(line.id)
    five, hour = windows["5m"], windows["1h"]
    share = hour.success_per_mille()
    return LineNow(
        line,
        world.is_up(line.id),
        waiting.why if waiting else "",
        (five.taken + five.failed) / WINDOWS["5m"][0],
        None if share is None else share / 1_000,
    )


async def through(tx: Transaction, workspace_id: int, at: int, zone: tzinfo) -> Through:
    """What has gone through in four weeks of days in this zone."""
    begins = days_until(at, zone)
    sums = await store.since(tx, workspace_id, slot_of(begins[0]))
    today = {key: one for key, one in sums.items() if key.slot >= slot_of(begins[-1])}
    return Through(
        together(today),
        cost_of(today),
        together(sums),
        cost_of(sums),
        by_day(sums, begins),
        _parts(sums, "channel"),
        _parts(sums, "message_class"),
        {name: one for part in ("channel", "message_class") for name, one, _ in _parts(today, part)},
    )


def days_until(at: int, zone: tzinfo) -> list[datetime]:
    """The midnights with which the days begin that are told of; today's is the last."""
    midnight = to_datetime(at).astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0)
    return [midnight - timedelta(days=back) for back in range(DAYS - 1, -1, -1)]


def slot_of(at: datetime) -> int:
    """The half hour of a time."""
    return int(at.timestamp()) * MICROS // SLOT


def together(sums: Mapping[Key, Traffic]) -> Traffic:
    """All of it."""
    whole = Traffic()
    for one in sums.values():
        whole.add(one)
    return whole


def cost_of(sums: Mapping[Key, Traffic]) -> dict[str, str]:
    """What was billed, by currency."""
    spent = by({key: one for key, one in sums.items() if key.currency}, "currency")
    return {str(currency): amount_text(one.cost_micros) for currency, one in sorted(spent.items(), key=str)}


def by_day(sums: Mapping[Key, Traffic], begins: Sequence[datetime]) -> list[tuple[datetime, Traffic]]:
    """What has gone through on each day."""
    days = [Traffic() for _ in begins]
    firsts = [slot_of(begin) for begin in begins]
    for key, one in sums.items():
        day = sum(first <= key.slot for first in firsts) - 1
        if day >= 0:
            days[day].add(one)
    return list(zip(begins, days, strict=True))


def _parts(sums: Mapping[Key, Traffic], name: str) -> list[tuple[str, Traffic, dict[str, str]]]:
    """By channel or class, the busiest first; what is said of no channel is left out of the channels."""
    groups: dict[str, dict[Key, Traffic]] = {}
    for key, one in sums.items():
        if value := getattr(key, name):
            groups.setdefault(value, {})[key] = one
    found = [(value, together(group), cost_of(group)) for value, group in groups.items()]
    return sorted(found, key=lambda one: -(one[1].asked + one[1].sent))

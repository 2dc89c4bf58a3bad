"""Hours of a step, on virtual time: people in twelve zones, a line that is slow, and clocks that jump.

The real engine runs for three days with all of its loops. What counts is the provider's ledger: when it was
handed what, for whom.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from functools import cache
from unittest.mock import patch
from zoneinfo import ZoneInfo

import pytest

from angarium.core import turns
from angarium.core.clock import MICROS, from_datetime, to_datetime
from angarium.core.ports import Accepted, Connection, Ears, Submission
from angarium.messaging import case, chronicle, condition, planner, sender, workers
from angarium.messaging.workers import Engine
from angarium.storage.revise import load_tables
from angarium.storage.sqlite import SqliteDatabase
from sim.loop import VirtualClock, play
from sim.memory import Memory
from support.databases import create_schema
from support.relay import Relay
from support.turns import by_turns

ZONES = (
    "Pacific/Auckland",
    "Asia/Tokyo",
    "Asia/Kathmandu",
    "Asia/Tehran",
    "Asia/Gaza",
    "Europe/Kyiv",
    "Africa/Cairo",
    "Europe/Berlin",
    "Europe/London",
    "Atlantic/Azores",
    "America/New_York",
    "Pacific/Marquesas",
)
EACH = 8  # people in a zone
SPEED_PER_S = 5 / 3_600  # so in two hours and a half not all go who live in the same hours
OPENS, CLOSES = "02:15", "04:45"  # where the clocks of Europe jump: at one, two, three or four
HOURS = {"from": OPENS, "until": CLOSES}
DAYS = 3
POLL_S = 300.0
# Europe's clocks jump in the second night of each; in the first one those of Gaza do.
BEGINS = ("2026-03-27T12:00+00:00", "2026-10-23T12:00+00:00")


class Calendar(VirtualClock):
    """Virtual time from an instant on."""

    def __init__(self, begins: int) -> None:
        super().__init__()
        self.at = self._begins = begins

    def monotonic(self) -> float:
        return (self.at - self._begins) / MICROS


class Handset(Connection):
    """A provider that takes everything, and writes down when."""

    def __init__(self, clock: VirtualClock, ears: Ears) -> None:
        self.ledger: list[tuple[int, str]] = []
        self._clock, self._ears = clock, ears

    async def open(self) -> None:
        self._ears.room()

    def up(self) -> bool:
        return True

    def free(self) -> int:
        return 10

    def submit(self, batch: Sequence[Submission]) -> None:
        for one in batch:
            self.ledger.append((self._clock.now(), one.address))
            outcome = Accepted((f"r{len(self.ledger)}",))
            asyncio.get_running_loop().call_later(0.2, self._ears.outcome, one.attempt_id, outcome)

    async def close(self, grace_s: float) -> None:
        await self._clock.sleep(1.0)

    def state(self) -> str:
        return "up"


@cache
def empty() -> Memory:
    """A database without anything."""

    async def made() -> Memory:
        database = SqliteDatabase("")
        await database.start()
        load_tables()
        await create_schema(database)
        memory = Memory(database._connections[0])
        await database.stop()
        return memory

    return asyncio.run(made())


def live(
    begins: str, hours: dict[str, str] | None
) -> tuple[dict[str, str], list[tuple[int, str]], list[str]]:
    """Three days of a shop: who lives where, the provider's ledger, and what became of the messages."""
    clock = Calendar(from_datetime(datetime.fromisoformat(begins)))
    database, where, states = empty(), dict[str, str](), list[str]()
    handsets: list[Handset] = []

    async def story() -> None:
        await database.start()
        relay = await Relay(database, clock=clock).open()
        await relay.line("sms", "smpp", ("promotional",), speed_per_s=SPEED_PER_S)

        def connect(*given: object) -> Connection:
            handsets.append(Handset(clock, given[-1]))  # type: ignore[arg-type]
            return handsets[-1]

        async def workspaces() -> list[int]:
            return [relay.workspace_id]

        relay.world.connect = connect
        step = {"channel": "smpp", "success": "accepted"} | ({"hours": hours} if hours else {})
        asked = []
        for number in range(EACH * len(ZONES)):
            zone, phone = ZONES[number % len(ZONES)], f"+3805012345{number:02}"
            where[phone] = zone
            await relay.contact(addresses=[{"kind": "phone", "value": phone}], time_zone=zone)
            terms = {"class": "promotional", "text": "Hello", "deadline_s": DAYS * 86_400}
            asked.append(await relay.send(to={"phone": phone}, steps=[step], **terms))
        engine = Engine(relay.world, workspaces)
        await engine.start()
        await clock.sleep(DAYS * 86_400 + 60)
        await engine.stop()
        states.extend([(await relay.state(one))[0] for one in asked])
        await database.stop()

    with (
        patch.object(sender, "POLL_S", POLL_S),
        patch.object(turns, "LOOK_S", POLL_S),
        patch.object(chronicle, "POLL_S", POLL_S),
        patch.object(condition, "LOOK_AGAIN_S", POLL_S),
        patch.multiple(workers, LINES_POLL_S=POLL_S, HEALTH_S=POLL_S),
        patch.multiple(planner, LOOKS_EVERY_S=POLL_S, SLEEP_S=POLL_S),
        patch.object(case, "LOOKS_EVERY_S", POLL_S),
    ):
        play(clock, story)
    return where, [entry for handset in handsets for entry in handset.ledger], states


def shown(at: int, zone: str) -> str:
    """The clock on somebody's wall."""
    return to_datetime(at).astimezone(ZoneInfo(zone)).strftime("%H:%M:%S")


@pytest.mark.parametrize("begins", by_turns(BEGINS))
def test_each_submission_is_inside_of_the_hours_where_the_person_is(begins: str) -> None:
    where, ledger, states = live(begins, HOURS)
    assert [entry for entry in ledger if not OPENS <= shown(entry[0], where[entry[1]]) < CLOSES] == []
    assert max(Counter(phone for _, phone in ledger).values()) == 1
    assert Counter(states) == {"sent": len(where)}  # nobody is passed over
    nights = {
        (where[phone], to_datetime(at).astimezone(ZoneInfo(where[phone])).date()) for at, phone in ledger
    }
    several = [zone for zone, times in Counter(zone for zone, _ in nights).items() if times > 1]
    assert len(several) >= 5  # the line was too slow for one night: what was left over went in the next

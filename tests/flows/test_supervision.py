"""A fault of ours in any loop is an alarm, and the work goes on."""

from __future__ import annotations

import asyncio
import gc
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from structlog.testing import capture_logs

from angarium.core.clock import SystemClock
from angarium.core.fabric import Backlog, Log
from angarium.core.service import Supervisor
from angarium.fabric.kept_log import KeptLog
from angarium.fabric.local import LocalFabric
from angarium.messaging import poison, reconcile
from angarium.messaging.incoming import Incoming
from angarium.messaging.planner import Planner
from angarium.messaging.sender import Sender
from angarium.messaging.workers import Engine
from angarium.messaging.world import planner_topic
from angarium.protocols.smpp_link import BindLink
from angarium.simulators.smsc import Smsc
from angarium.simulators.stage import Stage
from angarium.storage.database import Database, Trouble, unavailable
from support.relay import Relay
from support.running import a_smsc, running, until

SPEED = 20.0  # a loop that died is started again after a second


class Planted(Exception):
    """What a fault of ours raises."""


def plant(monkeypatch: pytest.MonkeyPatch, where: Any, name: str, times: int = 2) -> list[int]:
    """Make a coroutine function raise so many times; as many entries when it has."""
    real, left = getattr(where, name), [1] * times
    raised: list[int] = []

    async def broken(*facts: Any, **named: Any) -> Any:
        if left:
            raised.append(left.pop())
            raise Planted
        return await real(*facts, **named)

    monkeypatch.setattr(where, name, broken)
    return raised


LOOPS = [  # where it breaks, and the loop that dies of it
    (Sender, "_send_some", "line sms"),
    (Planner, "_until_next", "planner"),
    (Engine, "_refresh", "lines"),
    (reconcile, "tidy", "tidy"),
]


@pytest.mark.parametrize(("where", "name", "loop"), LOOPS, ids=[loop for _, _, loop in LOOPS])
async def test_a_loop_that_dies_is_started_again_and_told_of(
    database: Database, monkeypatch: pytest.MonkeyPatch, where: Any, name: str, loop: str
) -> None:
    async with a_smsc(Smsc(Stage())) as smsc, running(database, SPEED) as shop:
        await shop.sms_line(smsc)
        await shop.engine.start()
        raised = plant(monkeypatch, where, name)
        for topic in ("lines", planner_topic(shop.workspace_id)):
            shop.ground.fabric.wake(topic)
        monkeypatch.setattr("angarium.messaging.workers.TIDY_S", 1.0)
        if loop == "tidy":  # it sleeps for a minute between two rounds
            await shop.after(60)
        await until(lambda: len(raised) == 2)
        gc.collect()  # of a task that nobody holds asyncio has no more than a weak reference
        await shop.batch(5)
        await until(lambda: len(smsc.ledger.entries) == 5)
        await until(lambda: sum(shop.engine.failures.values()) == 2)
        [died] = shop.engine.failures
        assert died.startswith(loop)
        assert "loops died" in await shop.engine.warnings()
        assert [entry["loop"] for entry in shop.logs if entry["event"] == "loop died; restarting"] == [
            died
        ] * 2


async def test_a_link_that_breaks_connects_again(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    raised = plant(monkeypatch, BindLink, "_live")
    async with a_smsc(Smsc(Stage())) as smsc, running(database, SPEED) as shop:
        await shop.sms_line(smsc)
        await shop.engine.start()
        await shop.batch(5)
        await until(lambda: len(smsc.ledger.entries) == 5)
        assert len(raised) == 2


async def test_what_was_under_way_when_its_loop_died_is_recorded(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_smsc(Smsc(Stage()), answer_delay_s=0.2) as smsc, running(database, SPEED) as shop:
        await shop.sms_line(smsc)
        await shop.engine.start()
        await shop.batch(5)
        await until(lambda: len(smsc.ledger.entries) == 5)
        plant(monkeypatch, Sender, "_send_some")
        shop.ground.fabric.wake(f"line/{shop.lines['sms'].id}")

        async def settled() -> bool:
            return (await shop.report()) == {"delivered": 5}

        await until(settled)
        assert shop.sender("sms")._under_way == {}


async def test_the_engine_stops_though_a_loop_waits_to_be_started_again(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_smsc(Smsc(Stage())) as smsc, running(database) as shop:
        await shop.sms_line(smsc)
        await shop.engine.start()
        raised = plant(monkeypatch, Sender, "_send_some", times=100)
        await until(lambda: raised)
        async with asyncio.timeout(30):
            await shop.engine.stop()


async def test_a_line_that_is_changed_while_the_engine_stops_is_heard_out_by_both(database: Database) -> None:
    async with a_smsc(Smsc(Stage())) as smsc, running(database, SPEED) as shop:
        await shop.sms_line(smsc)
        await shop.engine.start()
        ((line_id, sender),) = shop.engine._senders.items()
        await until(lambda: sender.works() is True)
        changed = asyncio.create_task(shop.engine._dismiss(line_id))
        await asyncio.gather(shop.engine.stop(), changed)
        assert sender.works() is None
        await shop.engine._employ([shop.workspace_id])
        assert not shop.engine._senders


class Hours(SystemClock):
    """A clock on which a sleep is over at once, and has lasted."""

    at = 0.0

    def monotonic(self) -> float:
        return self.at

    async def sleep(self, seconds: float) -> None:
        self.at += seconds
        await asyncio.sleep(0)


async def test_a_loop_says_once_a_minute_that_it_waits_for_the_database() -> None:
    clock = Hours()
    supervisor = Supervisor(clock)

    async def loop() -> None:
        if clock.at < 600:
            raise unavailable(Trouble.AWAY)

    with capture_logs() as said:
        await supervisor.run("exports", loop)
    assert [one["event"] for one in said] == ["a loop waits"] * 10
    assert not supervisor.failures


async def test_who_has_something_to_write_says_once_a_minute_that_the_database_cannot_take_it() -> None:
    clock, written, lost = Hours(), list[int](), list[int]()

    async def write(some: Sequence[int]) -> None:
        if clock.at < 600:
            raise unavailable(Trouble.FULL)
        written.extend(some)

    async def give_up(one: int, _why: str) -> None:
        lost.append(one)

    with capture_logs() as said:
        await poison.apart(clock, [1, 2], write, give_up, "record")
    assert [one["event"] for one in said] == ["the database cannot take it; trying again"] * 10
    assert (written, lost) == ([1, 2], [])


class Unheard(LocalFabric):
    """Its log says for ten minutes, by a clock of hours, that nothing can be asked of it."""

    outlives_ledger = True

    def log(self, name: str) -> Log:
        return UnheardLog(self._database, self._clock, self._ears, name)


class UnheardLog(KeptLog):
    """That log."""

    async def waiting(self) -> Backlog:
        if self._clock.monotonic() < 600:
            raise unavailable(Trouble.AWAY)
        return await super().waiting()


async def nobody() -> list[int]:
    return []


async def test_how_much_is_in_the_log_is_missed_once_a_minute(relay: Relay) -> None:
    clock = Hours()
    ground = replace(relay.ground, clock=clock, fabric=Unheard(clock, relay.ground.db))
    taken_up = asyncio.get_running_loop().create_future
    kept = Incoming(replace(relay.world, ground=ground), nobody, lambda _entry: taken_up(), Counter())
    with capture_logs() as said:
        measuring = asyncio.create_task(kept.measure())
        await until(lambda: kept.backlog is not None)
        measuring.cancel()
    assert [one["event"] for one in said] == ["nobody can tell how much is in the log"] * 10

"""A server loses a line with submissions on their way: it submits nothing more, and hears the answers out.

The message centre is a real one, over loopback. What it wrote into its ledger is judged as a drill judges it.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from angarium.core.clock import MICROS, SystemClock
from angarium.core.ports import Refused
from angarium.drill import load
from angarium.drill.books import Written, written_by
from angarium.drill.lines import served_by_two
from angarium.fabric import holding, nats
from angarium.fabric.nats import NatsFabric
from angarium.fabric.place import Nats
from angarium.messaging import claiming, send, sender
from angarium.messaging.workers import Engine
from angarium.simulators.smsc import Smsc
from angarium.simulators.stage import Stage
from angarium.storage.database import Database, open_database
from support.databases import PostgresServer
from support.losing import Losing
from support.nats_servers import new_prefix, servers
from support.relay import Relay
from support.running import Running, a_smsc, running, until
from support.sending import Desk

MANY, LATER = 40, 5
FREE_S = 6.0  # nobody's, as after a lease that was not renewed
LONG = {"receipt_delay_s": 60.0}  # no receipt comes to tell what an answer would have


@pytest.fixture
async def smsc(tmp_path: Path) -> AsyncIterator[Smsc]:
    """It answers after a second."""
    async with a_smsc(Smsc(Stage(ledger_folder=tmp_path)), answer_delay_s=1.0, **LONG) as one:
        yield one
    one.ledger.close()


@asynccontextmanager
async def a_shop(database: Database, smsc: Smsc, fabric: Any = None) -> AsyncIterator[Running]:
    """Its line is bound."""
    async with running(database) as shop:
        object.__setattr__(shop.ground, "fabric", fabric or Losing(shop.clock, database))
        shop.engine = Engine(shop.world, shop._workspaces)
        await shop.sms_line(smsc, window=2 * MANY)
        await shop.engine.start()
        await until(lambda: shop.line_state("sms") == "bound")
        yield shop


def written(folder: Path) -> Written:
    """What the message centre wrote."""
    return written_by(folder / "smpp.jsonl", "smpp", load.name_in)


def judged(folder: Path, *, later: int) -> None:
    """The older owner submitted what was on its way when it lost the line, the next one what came later; and
    the one had left when the other came."""
    told = written(folder)
    assert Counter(one.session for one in told.taken) == {1: MANY, 2: later}
    older, newer = told.sessions
    assert older.unbound_at is not None
    assert older.unbound_at < newer.bound_at
    assert served_by_two(told.taken, told.sessions) == []


async def are(shop: Running, **states: int) -> bool:
    """Whether so many messages are in each state."""
    return await shop.report() == states


async def test_what_is_on_its_way_is_heard_out_and_nothing_more_leaves(
    database: Database, smsc: Smsc, tmp_path: Path
) -> None:
    async with a_shop(database, smsc) as shop:
        await shop.batch(MANY)
        await until(lambda: len(smsc.ledger.entries) == MANY)
        shop.ground.fabric.lose(FREE_S)
        await shop.batch(LATER, text="afterwards")
        await until(lambda: are(shop, sent=MANY + LATER))  # who has the line next goes on
    assert set(Counter((one.recipient, one.text) for one in smsc.ledger.entries).values()) == {1}
    judged(tmp_path, later=LATER)


async def test_an_operator_that_does_not_answer_is_left_in_time_and_its_messages_are_unknown(
    database: Database,
) -> None:
    async with a_smsc(Smsc(Stage()), answer_delay_s=60.0, **LONG) as slow, a_shop(database, slow) as shop:
        await shop.batch(3)
        await until(lambda: len(slow.ledger.entries) == 3)
        shop.ground.fabric.lose(FREE_S)
        await until(lambda: not slow.binds)
        assert shop.clock.monotonic() < shop.ground.fabric._free_at
        await until(lambda: are(shop, unknown=3))
        await until(lambda: shop.line_state("sms") == "bound")
        assert len(slow.ledger.entries) == 3, "a service message waits a minute for evidence"


async def test_who_learns_late_of_the_loss_leaves_at_once(database: Database, tmp_path: Path) -> None:
    """As a server that was stopped: another may be there."""
    folder = Stage(ledger_folder=tmp_path)
    async with a_smsc(Smsc(folder), answer_delay_s=60.0, **LONG) as slow, a_shop(database, slow) as shop:
        await shop.batch(3)
        await until(lambda: len(slow.ledger.entries) == 3)
        lost_at = shop.clock.now() / MICROS
        shop.ground.fabric.lose(0.0)
        await until(lambda: are(shop, unknown=3))
        left_at = written(tmp_path).sessions[0].unbound_at
        assert left_at is not None
        assert left_at - lost_at < sender.CLOSE_GRACE_S / 2, "it waited for answers"
    slow.ledger.close()


async def test_what_was_being_claimed_is_as_if_nobody_had(
    relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    fabric = Losing(relay.clock, relay.ground.db)
    object.__setattr__(relay.ground, "fabric", fabric)
    await relay.line("sms", "smpp")
    desk = Desk(relay, "sms")
    real = claiming.claim

    async def claim(*facts: Any) -> Any:
        claimed = await real(*facts)
        if claimed:
            fabric.lose(FREE_S)
        return claimed

    monkeypatch.setattr(claiming, "claim", claim)
    message = await relay.send(channel="smpp")
    await desk.a_second_later()
    await until(lambda: desk.ended)
    [ended] = desk.ended
    assert isinstance(ended.outcome, Refused)
    assert desk.hand is not None
    assert desk.hand.taken == []
    await send.record(relay.world, desk.ended)
    assert await relay.attempts(message) == [("sms", "queued")]
    assert (await relay.told(message))["attempts"][0]["tries"] == 0
    desk.sender._stopping = True
    relay.clock.advance(1.0)
    await desk.task


async def test_a_line_that_is_being_closed_is_left_sooner_when_it_is_lost(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sender, "CLOSE_GRACE_S", 30.0)
    async with a_smsc(Smsc(Stage()), answer_delay_s=60.0, **LONG) as slow, a_shop(database, slow) as shop:
        await shop.batch(3)
        await until(lambda: len(slow.ledger.entries) == 3)
        stopping = asyncio.create_task(shop.sender("sms").stop())
        await asyncio.wait((stopping,), timeout=0.2)
        shop.ground.fabric.lose(FREE_S)
        async with asyncio.timeout(FREE_S):
            await stopping
        assert not slow.binds


@pytest.mark.turns(2, 0)
async def test_nats_that_has_lost_everything_costs_no_answer(
    postgres_server: PostgresServer, smsc: Smsc, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module, name, value in (
        (holding, "TTL_S", 5.0),
        (holding, "MARGIN_S", 3.0),
        (nats, "RENEW_S", 0.2),
        (sender, "LEAVE_S", 0.5),
    ):
        monkeypatch.setattr(module, name, value)
    async with postgres_server.lent() as url:
        database = open_database(url)
        await database.start()
        with servers(["alone"]) as [one]:
            fabric = NatsFabric(Nats((one.url,), new_prefix()), url, SystemClock(), 7, "a server")
            await fabric.start()
            async with a_shop(database, smsc, fabric) as shop:
                await shop.batch(MANY)
                await until(lambda: len(smsc.ledger.entries) == MANY)
                one.kill(wipe=True)
                one.start()
                await until(lambda: are(shop, sent=MANY))
                await until(lambda: len(written(tmp_path).sessions) == 2)  # it has noticed, and is back
                await shop.send(channel="smpp")
                await until(lambda: are(shop, sent=MANY + 1))
            await fabric.stop()
        await database.stop()
    assert set(Counter((one.recipient, one.text) for one in smsc.ledger.entries).values()) == {1}
    judged(tmp_path, later=1)

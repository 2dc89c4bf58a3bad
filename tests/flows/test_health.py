"""How lines are doing: heard, written, read by another server and after a restart, and told over the API."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from angarium.assembly import House
from angarium.core.clock import micros
from angarium.core.ports import Accepted, Outcome
from angarium.core.values import Reason, ReceiptStatus
from angarium.lines.tallies import Tally
from angarium.messaging import health, receive
from angarium.messaging.health import Ear
from angarium.messaging.store import health as store
from angarium.simulators.smsc import Smsc
from angarium.simulators.stage import Stage
from angarium.storage.database import Database
from support.relay import NO_ANSWER, Relay, refused
from support.running import a_smsc, running, until
from support.server import LINE, Client, member, whole_house


async def write(relay: Relay, ear: Ear, writer: int) -> int:
    """Write what an ear has heard; how many rows that was."""
    heard = ear.take(relay.clock.now())
    await relay.ground.db.run(store.save, writer, heard)
    return len(heard)


async def seen(relay: Relay, line: str) -> dict[str, Tally]:
    """How a line was, by window."""
    line_id = relay.lines[line].id
    found = await relay.ground.db.read(health.windows, relay.workspace_id, [line_id], relay.clock.now())
    return found[line_id]


def hear(relay: Relay, ear: Ear, line: str, outcome: Outcome, times: int = 1, took_s: float = 0.1) -> None:
    """The same outcome a number of times."""
    for _ in range(times):
        ear.outcome(relay.lines[line], outcome, took_s, relay.clock.now())


async def test_two_servers_add_up_and_a_restart_forgets_nothing(relay: Relay) -> None:
    await relay.line("sms", "smpp")
    one, two = Ear(), Ear()
    hear(relay, one, "sms", Accepted(), 30)
    hear(relay, two, "sms", refused(Reason.NO_CREDIT, code="402", detail="used up"), 10)
    for number, ear in ((1, one), (2, two)):
        assert await write(relay, ear, number) == 2  # a minute and an hour
    hear(relay, one, "sms", Accepted(), 10)
    await write(relay, one, 1)
    again = Ear()  # the first server was started anew
    relay.clock.advance(1.0)
    hear(relay, again, "sms", NO_ANSWER, 10)
    await write(relay, again, 3)
    for tally in (await seen(relay, "sms")).values():
        assert (tally.taken, tally.failed, tally.unanswered, tally.accepted) == (40, 20, 10, 40)
        assert tally.success_per_mille() == 666
        assert tally.error_reason == "no_answer"
    shares = await relay.ground.db.read(
        health.taken, relay.workspace_id, [relay.lines["sms"].id], relay.clock.now()
    )
    assert shares == {relay.lines["sms"].id: 666}


async def test_windows_end(relay: Relay) -> None:
    await relay.line("sms", "smpp")
    ear = Ear()
    counts = []
    for wait_s in (0.0, 360.0, 3_600.0, 86_400.0):
        relay.clock.advance(wait_s)
        hear(relay, ear, "sms", Accepted(), 25)
        await write(relay, ear, 1)
        counts.append([tally.taken for tally in (await seen(relay, "sms")).values()])
    assert counts == [[25, 25, 25], [25, 50, 50], [25, 25, 75], [25, 25, 25]]
    await relay.ground.db.run(health.forget, relay.workspace_id, relay.clock.now() + micros(200_000.0))
    assert [tally.taken for tally in (await seen(relay, "sms")).values()] == [0, 0, 0]


async def test_what_could_not_be_written_is_written_the_next_time(relay: Relay) -> None:
    await relay.line("sms", "smpp")
    ear = Ear()
    hear(relay, ear, "sms", Accepted(), 25)
    ear.put_back(ear.take(relay.clock.now()))
    relay.clock.advance(600.0)
    assert await write(relay, ear, 1) == 2
    assert (await seen(relay, "sms"))["1h"].taken == 25
    assert await write(relay, ear, 1) == 0


async def test_what_is_said_of_a_person_is_no_failure_of_the_line(relay: Relay) -> None:
    await relay.line("sms", "smpp")
    ear = Ear()
    hear(relay, ear, "sms", refused(Reason.BAD_ADDRESS), 3)
    hear(relay, ear, "sms", refused(Reason.THROTTLED), 3)
    await write(relay, ear, 1)
    tally = (await seen(relay, "sms"))["5m"]
    assert (tally.taken, tally.failed, tally.accepted) == (3, 0, 0)


async def test_verdicts_are_heard_once_they_are_committed(relay: Relay) -> None:
    await relay.line("sms", "smpp")
    await relay.send(channel="smpp")
    await relay.send(channel="smpp")
    first, second = await relay.claim("sms")
    await relay.answer(first, Accepted(("a",)))
    await relay.answer(second, Accepted(("b",)))
    relay.clock.advance(4.0)
    good, bad = ReceiptStatus.DELIVERED, ReceiptStatus.FAILED
    for status, ref in ((good, "a"), (bad, "b"), (good, "a")):
        cases = await relay.receipt("sms", status, ref)
        receive.hear(relay.world, cases, relay.clock.now())
        relay.clock.advance(1.0)
    await write(relay, relay.world.ear, 1)
    tally = (await seen(relay, "sms"))["5m"]
    assert (tally.delivered, tally.undelivered) == (1, 1)
    assert list(tally.deliver_s.values()) == [1]


async def test_a_server_hears_its_lines_and_writes_it_down(database: Database) -> None:
    async with a_smsc(Smsc(Stage())) as smsc, running(database, speed=20.0) as shop:
        await shop.sms_line(smsc)
        await shop.batch(40)
        await shop.engine.start()
        await until(lambda: _delivered(shop, 40))
        tally = (await seen(shop, "sms"))["1h"]
        assert (tally.taken, tally.accepted, tally.delivered, tally.failed) == (40, 40, 40, 0)
        assert sum(tally.accept_s.values()) == sum(tally.deliver_s.values()) == 40
        await until(lambda: shop.line_state("sms").endswith("; 100 % of the last hour taken"))


async def _delivered(shop: Any, number: int) -> bool:
    return (await seen(shop, "sms"))["1h"].delivered == number


@pytest.fixture
async def shop(database_url: str, tmp_path: Path) -> AsyncIterator[tuple[House, Client]]:
    """A whole server without its loops, and a client with every right."""
    async with whole_house(database_url, tmp_path) as (house, nobody):
        yield house, await member(nobody, house.ground, "shop")


async def test_over_the_api(shop: tuple[House, Client]) -> None:
    house, client = shop
    made = (await client.ask("POST", "/v1/lines", LINE)).json
    await house.world.lines.reload([client.workspace_id])
    path = f"/v1/lines/{made['id']}/health"
    empty = (await client.ask("GET", path)).json
    assert (empty["connected"], empty["last_error"], empty["balance"]) == (None, None, None)
    assert {window["success"] for window in empty["windows"].values()} == {None}
    assert set(empty["queue"].values()) == {0}
    [line] = house.world.lines.of(client.workspace_id)
    now, ear = house.ground.clock.now(), house.world.ear
    for _ in range(99):
        ear.outcome(line, Accepted(), 0.1, now)
    ear.outcome(line, refused(Reason.AUTH, code="14", detail="bad password"), 0.1, now)
    await house.ground.db.run(store.save, 1, ear.take(now))
    found = (await client.ask("GET", path)).json
    window = found["windows"]["5m"]
    assert (window["taken"], window["failed"], window["success"]) == (99, 1, 99.0)
    assert 0.088 <= window["accept"]["median_s"] <= 0.113
    assert found["last_error"]["reason"] == "auth"
    assert found["last_error"]["detail"] == "14: bad password"
    assert "credentials" in found["last_error"]["remedy"]

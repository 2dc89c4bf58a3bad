"""A message that comes alone costs no transaction that it does not need."""

from __future__ import annotations

import pytest

from angarium.contacts.store import consents
from angarium.core.clock import micros
from angarium.messaging import claiming
from angarium.messaging.case import wake_planner_for
from angarium.messaging.planner import Lookout, Planner
from angarium.messaging.world import planner_topic
from support.relay import Relay

SOON = {"channel": "smpp", "deadline_s": 2}


async def woken(relay: Relay, **given: object) -> bool:
    """Whether the planner is told of a message."""
    waiter = relay.ground.fabric.listen(planner_topic(relay.workspace_id))
    await relay.send(**given)
    return await waiter.wait(0.001)


async def test_the_planner_is_woken_for_what_is_due_before_it_looks(relay: Relay) -> None:
    await relay.line("sms", "smpp")
    relay.world.looks_at[relay.workspace_id] = relay.clock.now() + micros(3)
    assert await woken(relay, **SOON)
    assert not await woken(relay, channel="smpp", deadline_s=60)


async def test_who_is_at_work_or_elsewhere_is_woken_for_what_is_due_at_once(
    relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is due later it is told of by who looks for all, before it is due."""
    woken: list[str] = []
    monkeypatch.setattr(relay.ground.fabric, "wake", woken.append)
    assert relay.workspace_id not in relay.world.looks_at
    now = relay.clock.now()
    wake_planner_for(relay.world, {relay.workspace_id: now + micros(60), relay.workspace_id + 1: now})
    assert woken == [planner_topic(relay.workspace_id + 1)]
    wake_planner_for(relay.world, {relay.workspace_id: now + micros(0.5)})
    assert woken[1:] == [planner_topic(relay.workspace_id)]


async def test_a_claim_tells_what_is_left_for_later(relay: Relay) -> None:
    await relay.line("sms", "smpp")
    await relay.send(channel="smpp")
    line = relay.lines["sms"]
    full = await claiming.claim(relay.world, line, 1, 1)
    assert (len(full.attempts), full.left) == (1, None)  # there may be more: nobody is about to wait
    await relay.send(channel="smpp")
    rest = await claiming.claim(relay.world, line, 1, 2)
    assert (len(rest.attempts), rest.left) == (1, {})


async def test_who_looks_for_all_wakes_those_that_would_sleep_over_it(relay: Relay) -> None:
    """What another program wrote, or a wake-up that was lost, is seen within a second."""
    woken: list[str] = []

    class Sleeper(Planner):
        def look(self) -> None:
            woken.append("woken")

    lookout = Lookout(relay.world, {relay.workspace_id: Sleeper(relay.world, relay.workspace_id)})
    looks_at = relay.world.looks_at
    await relay.line("sms", "smpp")
    await relay.send(channel="smpp", deadline_s=30)
    await lookout.look()
    assert not woken  # it is at work
    looks_at[relay.workspace_id] = relay.clock.now() + micros(60)
    await lookout.look()
    assert not woken
    relay.clock.advance(29.5)
    await lookout.look()
    assert len(woken) == 1
    looks_at[relay.workspace_id] = relay.clock.now() + micros(0.4)
    await lookout.look()
    assert len(woken) == 1  # it looks by itself in time
    relay.clock.advance(1.0)
    await lookout.look()
    assert len(woken) == 2  # but it did not: the clock was set forward
    looks_at[relay.workspace_id] = relay.clock.now() + micros(0.4)
    await relay.ground.db.run(consents.ask_to_look, relay.workspace_id, [1])
    await lookout.look()
    assert len(woken) == 3

"""A message that comes alone costs no transaction that it does not need."""

from __future__ import annotations

from angarium.core.clock import micros
from angarium.messaging import send
from angarium.messaging.world import PLANNER_TOPIC
from support.relay import Relay

SOON = {"channel": "smpp", "deadline_s": 2}


async def woken(relay: Relay, **given: object) -> bool:
    """Whether the planner is told of a message."""
    waiter = relay.ground.fabric.listen(PLANNER_TOPIC)
    await relay.send(**given)
    return await waiter.wait(0.001)


async def test_the_planner_is_woken_for_what_is_due_before_it_looks(relay: Relay) -> None:
    await relay.line("sms", "smpp")
    relay.world.looks_at[relay.workspace_id] = relay.clock.now() + micros(3)
    assert await woken(relay, **SOON)
    assert not await woken(relay, channel="smpp", deadline_s=60)


async def test_the_planner_is_woken_while_it_is_at_work_or_elsewhere(relay: Relay) -> None:
    await relay.line("sms", "smpp")
    assert relay.workspace_id not in relay.world.looks_at
    assert await woken(relay, channel="smpp", deadline_s=60)


async def test_a_claim_tells_what_is_left_for_later(relay: Relay) -> None:
    await relay.line("sms", "smpp")
    await relay.send(channel="smpp")
    line = relay.lines["sms"]
    full = await send.claim(relay.world, line, 1, 1)
    assert (len(full.attempts), full.left) == (1, None)  # there may be more: nobody is about to wait
    await relay.send(channel="smpp")
    rest = await send.claim(relay.world, line, 1, 2)
    assert (len(rest.attempts), rest.left) == (1, {})

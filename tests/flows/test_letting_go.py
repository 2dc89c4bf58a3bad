"""A line goes from one server to another: what was claimed is heard out, and written down, before it does."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from angarium.core.fabric import Lease
from angarium.core.ports import Accepted
from angarium.messaging import sender
from angarium.messaging.store.attempts import Attempt
from support.relay import Relay
from support.running import until
from support.sending import Desk

WINDOW = 10


async def at_work(relay: Relay) -> Desk:
    """A line with three messages on their way."""
    await relay.line("sms", "smpp", window=WINDOW)
    for _ in range(3):
        await relay.send(channel="smpp")
    desk = Desk(relay, "sms")
    await desk.until_taken(3)
    return desk


async def test_a_line_is_kept_until_what_was_answered_is_written_down(relay: Relay) -> None:
    desk = await at_work(relay)
    desk.written.clear()
    stopping = asyncio.create_task(desk.stop())
    await until(lambda: len(desk.ended) == 3)
    await asyncio.wait((stopping,), timeout=0.05)
    assert [one.key for one in relay.ground.fabric.holding()] == [f"line/{relay.lines['sms'].id}"]
    desk.written.set()
    await stopping
    assert relay.ground.fabric.holding() == []


async def test_it_is_not_kept_for_ever(relay: Relay, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sender, "WRITE_GRACE_S", 0.01)
    desk = await at_work(relay)
    desk.written.clear()
    await desk.stop()
    assert relay.ground.fabric.holding() == []


async def test_what_was_claimed_when_another_asks_for_the_line_goes_out(
    relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else whoever takes it over would find an intent, and nobody who knows that it was never tried."""
    desk = await at_work(relay)
    wanted = asyncio.Event()

    def held(lease: Lease) -> bool:
        return not wanted.is_set()

    claim = desk.sender._claim

    async def claimed(*given: Any) -> tuple[list[Attempt], Any]:
        found, left = await claim(*given)
        if found:
            wanted.set()
        return found, left

    monkeypatch.setattr(desk.sender, "_claim", claimed)
    monkeypatch.setattr(relay.ground.fabric, "ours", relay.ground.fabric.held)
    monkeypatch.setattr(relay.ground.fabric, "held", held)
    desk.sender._drained = False  # else it is claimed with being written
    await relay.send(channel="smpp")
    relay.clock.advance(1.0)
    desk.sender.room()
    await until(lambda: len(desk.ended) == 4)
    assert all(isinstance(one.outcome, Accepted) for one in desk.ended)
    await desk.stop()

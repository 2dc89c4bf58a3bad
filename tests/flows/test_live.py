"""What changes is told to the pages that show it: at once after a rest, and in turns while it goes on."""

from __future__ import annotations

import asyncio

import pytest

from angarium.storage import facts
from angarium.storage.facts import Fact
from angarium.web import live
from angarium.web.live import Pulse
from support.relay import Relay


async def heard(stream: object) -> str:
    """The next thing that is told."""
    async with asyncio.timeout(20):
        return (await anext(stream)).decode()  # type: ignore[call-overload]


async def test_a_page_is_told_of_what_it_shows(relay: Relay, monkeypatch: pytest.MonkeyPatch) -> None:
    pulse = Pulse(relay.ground)
    messages = pulse.listen(relay.workspace_id, frozenset({"message", "campaign"}))
    everything = pulse.listen(relay.workspace_id)
    templates = pulse.listen(relay.workspace_id, frozenset({"template"}))
    streams = [ear.events() for ear in (messages, everything, templates)]
    assert [await heard(one) for one in streams] == [": listening\n\n"] * 3
    for ear in (messages, everything, templates):
        ear.hear({"message", "line"})
    assert await heard(streams[0]) == "event: changed\ndata: message\n\n"
    assert await heard(streams[1]) == "event: changed\ndata: line message\n\n"
    monkeypatch.setattr(live, "HEARTBEAT_S", 0.0)
    assert await heard(streams[2]) == ": still here\n\n"
    await pulse.stop()
    with pytest.raises(StopAsyncIteration):
        await heard(streams[2])


async def test_pages_that_show_the_same_take_turns(relay: Relay, monkeypatch: pytest.MonkeyPatch) -> None:
    """So many listen that their pauses would last for ever; what they hear meanwhile is told together."""
    pulse = Pulse(relay.ground)
    monkeypatch.setattr(relay.ground.chance, "roll", lambda: 0.5)
    ears = [pulse.listen(relay.workspace_id, frozenset({"message"})) for _ in range(20)]
    pulse.listen(relay.workspace_id, frozenset({"template"}))
    assert pulse.pause_s({"message"}) == 20 / live.PAGES_PER_S
    assert pulse.pause_s({"template"}) == 1 / live.PAGES_PER_S
    stream = ears[0].events()
    await heard(stream)
    ears[0].hear({"message"})
    assert "message" in await heard(stream)
    following = asyncio.create_task(heard(stream))
    ears[0].hear({"message"})
    done, _ = await asyncio.wait([following], timeout=0)
    assert not done
    ears[0].end()
    with pytest.raises(StopAsyncIteration):
        await following
    await pulse.stop()


async def test_facts_wake_whoever_listens(relay: Relay) -> None:
    pulse = Pulse(relay.ground)
    stream = pulse.listen(relay.workspace_id, frozenset({"message"})).events()
    await heard(stream)
    await asyncio.sleep(0)
    told = asyncio.create_task(heard(stream))

    async def append(tx: object) -> None:
        await facts.append(tx, [Fact(relay.workspace_id, "message.queued", 1, relay.clock.now(), b"{}")])  # type: ignore[arg-type]

    async with asyncio.timeout(20):
        while not told.done():
            await relay.ground.db.run(append)
            relay.clock.advance(live.LOOKS_EVERY_S)
            await asyncio.sleep(0)
    assert told.result() == "event: changed\ndata: message\n\n"
    await pulse.stop()

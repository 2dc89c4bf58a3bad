"""What changes is told to the pages that show it: at once after a rest, and in turns while it goes on."""

from __future__ import annotations

import asyncio

import pytest

from angarium.storage import facts
from angarium.storage.database import Transaction
from angarium.storage.facts import Fact
from angarium.storage.ground import Ground
from angarium.web import crier as crying
from angarium.web import live
from angarium.web.crier import Crier
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


async def write(ground: Ground, workspace_id: int, *kinds: str) -> None:
    """Commit facts."""

    async def append(tx: Transaction) -> None:
        await facts.append(tx, [Fact(workspace_id, kind, 1, ground.clock.now(), b"{}") for kind in kinds])

    await ground.db.run(append)


async def test_what_is_committed_is_told_at_once_and_the_look_finds_nothing_more(relay: Relay) -> None:
    """The clock stands, so nobody looks into the log again: it was told."""
    pulse, crier = Pulse(relay.ground), Crier(relay.ground)
    await crier.start()
    ear = pulse.listen(relay.workspace_id, frozenset({"message"}))
    stream = ear.events()
    await heard(stream)
    seen: dict[int, facts.Position] = {}
    await pulse._tell(relay.workspace_id, seen)  # from here on
    await write(relay.ground, relay.workspace_id, "message.queued", "message.sent", "line.changed")
    assert await heard(stream) == "event: changed\ndata: message\n\n"
    await pulse._tell(relay.workspace_id, seen)
    assert not ear._heard, "the look tells again what was told"
    await crier.stop()
    await write(relay.ground, relay.workspace_id, "message.delivered")
    await pulse._tell(relay.workspace_id, seen)
    assert ear._heard == {"message"}, "what was not told is not found by the look"
    await pulse.stop()


async def test_what_fails_is_told_to_nobody(relay: Relay) -> None:
    told: list[object] = []
    relay.ground.db.on_news = told.append

    async def append_and_fail(tx: Transaction) -> None:
        await facts.append(tx, [Fact(relay.workspace_id, "message.queued", 1, 0, b"{}")])
        raise LookupError

    with pytest.raises(LookupError):
        await relay.ground.db.run(append_and_fail)
    assert told == []
    await write(relay.ground, relay.workspace_id, "message.queued", "message.sent")
    assert told == [{(relay.workspace_id, "message"): 2}]


def test_what_cannot_be_read_is_no_news() -> None:
    assert crying.heard(b'{"1": {"message": 2}}') == {1: {"message": 2}}
    assert crying.heard(b"[]") == {}
    assert crying.heard(b'{"1": 2}') == {}


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

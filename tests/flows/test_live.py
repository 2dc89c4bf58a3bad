"""What changes is told to the pages that show it: at once after a rest, and in turns while it goes on."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from angarium.storage import facts
from angarium.storage.database import Transaction
from angarium.storage.facts import Fact
from angarium.storage.ground import Ground
from angarium.web import crier as crying
from angarium.web import live
from angarium.web.copies import Copies
from angarium.web.crier import Crier
from angarium.web.live import Ear, Pulse, rest_s
from support.relay import Relay


async def heard(stream: object) -> str:
    """The next thing that is told."""
    async with asyncio.timeout(20):
        return (await anext(stream)).decode()  # type: ignore[call-overload]


async def test_a_page_is_told_of_what_it_shows(relay: Relay, monkeypatch: pytest.MonkeyPatch) -> None:
    pulse = Pulse(relay.ground, Copies(relay.ground))
    messages = pulse.listen(relay.workspace_id, frozenset({"message", "campaign"}))
    everything = pulse.listen(relay.workspace_id)
    templates = pulse.listen(relay.workspace_id, frozenset({"template"}))
    streams = [ear.events() for ear in (messages, everything, templates)]
    assert [await heard(one) for one in streams] == [": listening\n\n"] * 3
    for ear in (messages, everything, templates):
        ear.hear({"message", "line"}, "here.7")
    assert await heard(streams[0]) == "event: changed\nid: here.7\ndata: message\n\n"
    assert await heard(streams[1]) == "event: changed\nid: here.7\ndata: line message\n\n"
    monkeypatch.setattr(live, "HEARTBEAT_S", 0.0)
    assert await heard(streams[2]) == ": still here\n\n"
    await pulse.stop()
    with pytest.raises(StopAsyncIteration):
        await heard(streams[2])


@pytest.mark.parametrize(
    ("spent_s", "used_s", "waited_s", "lasts"),
    [
        (0.0, 1.0, 0.0, live.REST_MIN_S),
        (0.04, 0.0, 0.0, live.REST_MIN_S),  # nothing else to do: 40 ms of each second are not felt
        (0.04, 1.0, 0.0, 4.0),
        (0.04, 1.6, 0.0, 2.5),  # threads beside the loop
        (0.004, 0.1, 0.9, 4.0),  # it gets a tenth of what it wants
        (0.3, 0.0, 0.0, 3.0),
        (5.0, 1.0, 0.0, live.REST_MAX_S),
        (0.1, 0.0, 1.0, live.REST_MAX_S),
    ],
)
def test_a_rest_lasts_as_long_as_pages_cost(
    spent_s: float, used_s: float, waited_s: float, lasts: float
) -> None:
    assert rest_s(spent_s, 1.0, used_s, waited_s) == pytest.approx(lasts)


def test_where_the_system_does_not_tell_nobody_waits(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(live, "WAITS", tmp_path / "schedstat")
    assert live._waited_s() == 0.0
    live.WAITS.write_text("7 2500000000 9\n")
    assert live._waited_s() == 2.5


async def test_pages_rest_together_and_are_told_of_all_that_came_meanwhile(relay: Relay) -> None:
    pulse = Pulse(relay.ground, Copies(relay.ground))
    streams = [pulse.listen(relay.workspace_id, frozenset({"message", "line"})).events() for _ in range(2)]
    assert [await heard(one) for one in streams] == [": listening\n\n"] * 2
    pulse._say(relay.workspace_id, {"message"})
    first = [await heard(one) for one in streams]
    assert first[0] == first[1]
    assert first[0].endswith("data: message\n\n")
    pulse._say(relay.workspace_id, {"line"})
    pulse._say(relay.workspace_id, {"message"})
    following = [asyncio.create_task(heard(one)) for one in streams]
    done, _ = await asyncio.wait(following, timeout=0)
    assert not done, "nobody rests"
    async with asyncio.timeout(20):
        while not all(one.done() for one in following):
            relay.clock.advance(live.REST_MIN_S)
            await asyncio.sleep(0)
    assert {one.result().partition("data: ")[2] for one in following} == {"line message\n\n"}
    await pulse.stop()


async def write(ground: Ground, workspace_id: int, *kinds: str) -> None:
    """Commit facts."""

    async def append(tx: Transaction) -> None:
        await facts.append(tx, [Fact(workspace_id, kind, 1, ground.clock.now(), b"{}") for kind in kinds])

    await ground.db.run(append)


async def listening(relay: Relay) -> tuple[Pulse, Crier, Ear]:
    """Who tells of messages, and one page that hears of them."""
    pulse, crier = Pulse(relay.ground, Copies(relay.ground)), Crier(relay.ground)
    await crier.start()
    return pulse, crier, pulse.listen(relay.workspace_id, frozenset({"message"}))


async def test_what_is_committed_is_told_at_once_and_the_look_finds_nothing_more(relay: Relay) -> None:
    """The clock stands, so nobody looks into the log again: it was told."""
    pulse, crier, ear = await listening(relay)
    stream = ear.events()
    await heard(stream)
    seen: dict[int, facts.Position] = {}
    await pulse._tell(relay.workspace_id, seen)  # from here on
    await write(relay.ground, relay.workspace_id, "message.queued", "message.sent", "line.changed")
    assert (await heard(stream)).endswith("data: message\n\n")
    await pulse._tell(relay.workspace_id, seen)
    assert not pulse._due, "the look tells again what was told"
    await crier.stop()
    await write(relay.ground, relay.workspace_id, "message.delivered")
    await pulse._tell(relay.workspace_id, seen)
    assert pulse._due == {relay.workspace_id: {"message"}}, "what was not told is not found by the look"
    await pulse.stop()


async def test_what_was_told_to_those_who_left_hides_nothing_from_who_comes_next(relay: Relay) -> None:
    pulse, crier, ear = await listening(relay)
    stream = ear.events()
    await heard(stream)
    await write(relay.ground, relay.workspace_id, *["message.queued"] * 100)
    assert (await heard(stream)).endswith("data: message\n\n")
    await crier.stop()  # what is told may be lost from now on
    ear.close()
    async with asyncio.timeout(20):
        while pulse._tasks:
            relay.clock.advance(live.LOOKS_EVERY_S)
            await asyncio.sleep(0)
    stream = pulse.listen(relay.workspace_id, frozenset({"message"})).events()
    await heard(stream)
    told = asyncio.create_task(heard(stream))
    for _ in range(20):
        await write(relay.ground, relay.workspace_id, "message.delivered")
        relay.clock.advance(live.LOOKS_EVERY_S)
        await asyncio.sleep(0)
    assert told.done(), "it was taken for what had been told before"
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
    pulse = Pulse(relay.ground, Copies(relay.ground))
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
    assert told.result().endswith("data: message\n\n")
    await pulse.stop()

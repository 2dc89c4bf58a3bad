"""What may go at once is claimed in the transaction that writes it down, and by nobody else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import pytest

from angarium.accounts import flows as accounts
from angarium.core.problems import Problem
from angarium.lines import flows as lines
from angarium.messaging import claiming, halts, sender
from angarium.messaging.offers import Offer
from angarium.messaging.send import record
from angarium.messaging.world import topic
from angarium.storage.database import Trouble, unavailable
from support.relay import NO_ANSWER, Relay
from support.sending import Desk

WINDOW = 4


@asynccontextmanager
async def sending(relay: Relay, **given: Any) -> AsyncIterator[Desk]:
    """A line with its sender at work, which has seen that nothing waits."""
    await relay.line("sms", "smpp", **{"window": WINDOW, **given})
    desk = Desk(relay, "sms")
    await has_looked(desk)
    yield desk
    await desk.stop()


async def has_looked(desk: Desk) -> None:
    """Wait until the sender knows its queue to be empty."""
    async with asyncio.timeout(20):
        while not desk.sender._drained:
            desk.relay.clock.advance(0.2)
            desk.relay.ground.fabric.wake(topic(desk.sender.line.id))
            await asyncio.sleep(0.01)


def alone(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """From now on senders find nothing by themselves; how often they looked."""
    looked: list[int] = []

    async def claim(*facts: Any) -> Any:
        looked.append(facts[3])
        return claiming.Claimed(facts[0].turns.get(facts[1].id, claiming.Turns()), left={})

    monkeypatch.setattr(claiming, "claim", claim)
    return looked


async def is_quiet(looked: list[int]) -> None:
    """Wait until the sender has had its last wake-up, which another server may bring late."""
    heard = True
    while heard:
        looked.clear()
        await asyncio.sleep(0.2)
        heard = bool(looked)


def handed(desk: Desk) -> list[str]:
    """The texts that the operator was handed."""
    assert desk.hand is not None
    return [one.content.text for one in desk.hand.taken]


async def test_what_may_go_at_once_needs_no_claim_of_its_own(
    relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sender, "POLL_S", 60.0)
    async with sending(relay) as desk:
        looked = alone(monkeypatch)
        await is_quiet(looked)
        message = await relay.send(channel="smpp", text="one")
        assert handed(desk) == ["one"]
        assert await relay.attempts(message) == [("sms", "submitting")]
        assert (await relay.told(message))["attempts"][0]["tries"] == 1
        assert desk.hand is not None
        desk.hand.answer(1)
        await record(relay.world, desk.ended)
        assert await relay.attempts(message) == [("sms", "accepted")]
        await asyncio.sleep(0.05)
        assert looked == []  # nothing waits, so nobody looks for it


async def test_beyond_the_places_of_the_line_it_is_queued_and_goes_in_order(
    relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sender, "POLL_S", 60.0)  # the answers are to wake it
    async with sending(relay) as desk:
        asked = [{"to": {"phone": "+380501234567"}, "class": "service", "channel": "smpp"} for _ in range(6)]
        answer = await relay.order(*[{**one, "text": str(n)} for n, one in enumerate(asked)], batch=True)
        assert answer["accepted"] == len(asked)
        assert handed(desk) == ["0", "1"]  # half of what was free
        await desk.until_taken(3)
        assert handed(desk) == ["0", "1", "2"]  # one place of four is kept for codes
        assert desk.hand is not None
        await asyncio.sleep(0.1)  # its sender has looked, and found no place but that for codes
        desk.hand.answer(3)
        await desk.until_taken(6)
        assert handed(desk) == [str(n) for n in range(6)]


async def test_nobody_overtakes_what_waits(relay: Relay, monkeypatch: pytest.MonkeyPatch) -> None:
    async with sending(relay) as desk:
        looked = alone(monkeypatch)
        assert desk.hand is not None
        free = desk.hand.free
        monkeypatch.setattr(desk.hand, "free", lambda: 0)
        first = await relay.send(channel="smpp", text="first")
        monkeypatch.setattr(desk.hand, "free", free)
        second = await relay.send(channel="smpp", text="second")
        assert handed(desk) == []
        assert await relay.attempts(first) == await relay.attempts(second) == [("sms", "queued")]
        async with asyncio.timeout(20):
            while not looked:  # noqa: ASYNC110 - its sender is woken
                await asyncio.sleep(0.01)


async def test_a_code_takes_the_place_that_is_kept_for_it(relay: Relay) -> None:
    async with sending(relay) as desk:
        for n in range(WINDOW):
            await relay.send(channel="smpp", text=f"news {n}")
        await relay.send(channel="smpp", text="1234", **{"class": "otp"})
        await desk.until_taken(WINDOW)
        assert handed(desk) == ["news 0", "news 1", "news 2", "1234"]


async def test_no_faster_than_the_line_may(relay: Relay) -> None:
    async with sending(relay, speed_per_s=20, window=100) as desk:
        for n in range(40):
            await relay.send(channel="smpp", text=str(n))
        await asyncio.sleep(0.05)
        burst = len(handed(desk))
        assert 1 <= burst <= 5
        relay.clock.advance(1)
        relay.ground.fabric.wake(topic(desk.sender.line.id))
        await desk.until_taken(burst + 2)
        await asyncio.sleep(0.05)
        assert handed(desk) == [str(n) for n in range(burst + 2)]


async def test_what_is_paused_is_kept_back(relay: Relay) -> None:
    async with sending(relay) as desk:
        now = relay.clock.now()
        await relay.ground.db.run(halts.halt, relay.workspace_id, "sale", now)
        kept = await relay.send(channel="smpp", text="paused", label="sale")
        await relay.send(channel="smpp", text="goes")
        await desk.until_taken(1)
        assert handed(desk) == ["goes"]
        assert await relay.attempts(kept) == [("sms", "queued")]
        await relay.ground.db.run(halts.go_on, relay.world, relay.workspace_id, "sale", now)
        halts.wake(relay.world, relay.workspace_id)
        await desk.until_taken(2)


async def test_what_another_server_has_taken_over_is_left_to_it(
    relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with sending(relay) as desk:
        assert desk.sender._lease is not None
        epoch = desk.sender._lease.epoch + 1
        claim = claiming.claim
        alone(monkeypatch)
        await asyncio.sleep(0.1)  # the last look of its sender is over
        await relay.restart("sms", epoch=epoch)
        message = await relay.send(channel="smpp", text="theirs")
        assert (handed(desk), await relay.attempts(message)) == ([], [("sms", "queued")])
        (attempt,) = (await claim(relay.world, relay.lines["sms"], epoch, 1)).attempts
        assert attempt.message_id == message


async def test_an_answer_to_commit_that_was_lost_is_looked_for_and_nothing_goes_twice(
    relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    relay.clock.sleep = _at_once  # type: ignore[method-assign]
    async with sending(relay) as desk:
        await relay.send(channel="smpp", text="before")
        with unheard(relay, monkeypatch), pytest.raises(Problem):
            await relay.send(channel="smpp", text="in doubt")
        assert handed(desk) == ["before"]
        await desk.until_taken(2)
        await relay.send(channel="smpp", text="after")
        await desk.until_taken(3)
        assert handed(desk) == ["before", "in doubt", "after"]
        assert desk.sender._unsure == []


async def test_a_claim_that_breaks_leaves_what_is_written_in_the_queue(
    relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with sending(relay) as desk:

        async def allowed(*_: Any) -> Any:
            raise ValueError("a rule breaks")

        alone(monkeypatch)
        monkeypatch.setattr(claiming, "allowed", allowed)
        message = await relay.send(channel="smpp", text="once")
        assert (handed(desk), await relay.attempts(message)) == ([], [("sms", "queued")])
        assert desk.sender._offered == set()
        monkeypatch.undo()
        relay.ground.fabric.wake(topic(desk.sender.line.id))
        await desk.until_taken(1)
        assert handed(desk) == ["once"]


async def test_a_line_that_is_closed_waits_for_what_is_being_written_for_it(relay: Relay) -> None:
    async with sending(relay) as desk:
        offer = desk.sender.offer(1)
        assert offer is not None
        stopping = asyncio.create_task(desk.sender.stop())
        await asyncio.sleep(0.05)
        assert not stopping.done()
        assert desk.sender.offer(1) is None  # it offers nothing more
        desk.sender.leave(offer, unsure=False)
        await asyncio.wait_for(stopping, 10)


async def test_who_stops_waiting_loses_nothing_that_was_claimed(
    relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the loop of campaigns does when the server stops, in the middle of a transaction."""
    async with sending(relay) as desk:
        alone(monkeypatch)
        begun, real = asyncio.Event(), relay.ground.db.run

        async def run(*facts: Any, **named: Any) -> Any:
            begun.set()
            await asyncio.sleep(0.05)
            return await real(*facts, **named)

        monkeypatch.setattr(relay.ground.db, "run", run)
        asking = asyncio.create_task(relay.send(channel="smpp", text="goes"))
        await begun.wait()
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        await asyncio.wait_for(desk.sender.stop(), 10)
        assert handed(desk) == ["goes"]
        assert desk.sender._offered == set()


async def test_what_was_claimed_for_a_lease_that_is_gone_is_given_back(
    relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with sending(relay) as desk:
        offer = desk.sender.offer(WINDOW)
        assert offer is not None
        claim = claiming.claim
        alone(monkeypatch)
        desk.sender._drained = False  # it offers nothing more, so what comes is queued
        await relay.send(channel="smpp", text="claimed")
        (attempt,) = (await claim(relay.world, offer.line, offer.epoch, 1)).attempts
        earlier = Offer(offer.line, offer.epoch - 1, offer.at, offer.grant, offer.others)
        desk.sender._offered = {earlier}
        desk.sender.take(earlier, [attempt])
        assert handed(desk) == []
        assert [(one.attempt.id, one.outcome) for one in desk.ended] == [(attempt.id, sender.LOST)]


async def test_no_more_is_offered_than_there_is_room_for(relay: Relay) -> None:
    async with sending(relay) as desk:
        offers = [offer for offer in (desk.sender.offer(9) for _ in range(4)) if offer is not None]
        assert [offer.grant.number for offer in offers] == [2, 1, 1]
        assert len({offer.at for offer in offers}) == 3
        for offer in offers:
            desk.sender.leave(offer, unsure=False)
        assert desk.sender._free(desk.hand) == WINDOW  # type: ignore[arg-type]


async def test_a_code_goes_while_a_transaction_waits_for_another(relay: Relay) -> None:
    """As on PostgreSQL, where who writes to people that are being imported waits for their rows."""
    async with sending(relay) as desk:
        waits = desk.sender.offer(1_000)
        assert waits is not None
        await relay.send(channel="smpp", text="1234", **{"class": "otp"})
        await desk.until_taken(1)
        assert handed(desk) == ["1234"]
        desk.sender.leave(waits, unsure=False)


async def test_a_line_in_trouble_offers_nothing(relay: Relay) -> None:
    async with sending(relay) as desk:
        now = relay.clock.now()
        for _ in range(60):
            desk.sender.condition.heard(NO_ANSWER, now, now, 0.5)
        assert not desk.sender.condition.well()
        assert desk.sender.offer(1) is None


async def test_of_a_line_that_is_lent_nothing_is_claimed_past_those_who_share_it(
    relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    relay.workspace_id = (await accounts.create_workspace(relay.ground, "holding")).id
    async with sending(relay) as desk:
        guest = (await accounts.create_workspace(relay.ground, "club")).id
        await lines.lend(relay.ground, relay.workspace_id, relay.lines["sms"].id, guest)
        await lines.take(relay.ground, guest, relay.lines["sms"].id)
        await relay.world.lines.reload([relay.workspace_id, guest])
        asked: list[int] = []
        monkeypatch.setattr(desk.sender, "offer", asked.append)
        await relay.send(channel="smpp", text="in turn")
        assert asked == []
        await desk.until_taken(1)


@contextmanager
def unheard(relay: Relay, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What is committed meanwhile is so, and the answer to each COMMIT is lost."""
    real = relay.ground.db.run

    async def run(work: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        await real(work, *args, **kwargs)
        raise unavailable(Trouble.UNSURE, "the link was lost")

    monkeypatch.setattr(relay.ground.db, "run", run)
    try:
        yield
    finally:
        monkeypatch.setattr(relay.ground.db, "run", real)


async def _at_once(_: float) -> None:
    """A clock on which nobody waits."""

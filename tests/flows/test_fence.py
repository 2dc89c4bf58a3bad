"""A server that was stopped and goes on sends nothing on a line that another has taken over meanwhile."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import msgspec
import pytest

from angarium.core.ports import Accepted, Channel, Outcome
from angarium.core.values import Reason
from angarium.fabric.local import LocalFabric
from angarium.messaging.shares import Share
from angarium.messaging.store import owners
from angarium.messaging.store.owners import Fenced
from support.relay import NO_ANSWER, SENDS, Relay, refused
from support.still import StillClock


async def an_order(relay: Relay) -> None:
    await relay.line("sms", "smpp", SENDS)
    await relay.contact()
    await relay.order({"to": {"phone": "+380501234567"}, "class": "service", "text": "hi", "channel": "smpp"})


async def test_the_older_server_claims_nothing(relay: Relay) -> None:
    await an_order(relay)
    await relay.restart("sms", epoch=2)
    with pytest.raises(Fenced, match="the number of this server is 1"):
        await relay.claim("sms", epoch=1)
    assert len(await relay.claim("sms", epoch=2)) == 1


async def test_the_older_server_does_not_take_it_back(relay: Relay) -> None:
    await an_order(relay)
    await relay.restart("sms", epoch=2)
    await relay.claim("sms", epoch=2)
    with pytest.raises(Fenced, match="started later"):
        await relay.restart("sms", epoch=1)
    assert await relay.restart("sms", epoch=2) == 0  # what the newer one has under way is left to it


async def test_a_claim_and_a_take_over_at_once_leave_nobody_behind(relay: Relay) -> None:
    """Whoever comes first: an intent of the older server is found by the newer one."""
    await an_order(relay)
    claimed, found = await asyncio.gather(
        relay.claim("sms", epoch=1), relay.restart("sms", epoch=2), return_exceptions=True
    )
    if isinstance(claimed, Fenced):
        assert (found, len(await relay.claim("sms", epoch=2))) == (0, 1)
    else:
        assert not isinstance(claimed, BaseException)
        assert (len(claimed), found) == (1, 1)


async def test_a_start_is_newer_than_every_earlier_one(relay: Relay) -> None:
    """Also where the clock was set back in between."""
    await an_order(relay)
    await relay.restart("sms", epoch=10**17)
    fabric = LocalFabric(StillClock(), relay.ground.db)
    fabric.begin_after(await relay.ground.db.read(owners.newest))
    lease = await fabric.lease("line/1")
    assert lease is not None
    assert lease.epoch == 10**17 + 1
    assert fabric.held(lease)


# ── what an older owner says late ────────────────────────────────────────────────────────────────────

UNTRIED = refused(Reason.TEMPORARY, untried=True)


@pytest.mark.parametrize("outcome", [NO_ANSWER, UNTRIED])
async def test_what_says_nothing_leaves_what_the_newer_one_has_settled(
    relay: Relay, outcome: Outcome
) -> None:
    await an_order(relay)
    [attempt] = await relay.claim("sms", epoch=1)
    await relay.restart("sms", epoch=2)
    message = attempt.message_id
    before = await relay.told(message)
    await relay.answer(attempt, outcome)
    assert await relay.told(message) == before
    assert await relay.attempts(message) == [("sms", "unknown")]


async def test_a_late_answer_is_evidence_for_the_newer_one(relay: Relay) -> None:
    await an_order(relay)
    [attempt] = await relay.claim("sms", epoch=1)
    await relay.restart("sms", epoch=2)
    await relay.answer(attempt, Accepted(("late",)))
    await relay.wait(600.0)
    assert await relay.attempts(attempt.message_id) == [("sms", "accepted")]
    assert await relay.claim("sms", epoch=2) == []


async def test_what_the_newer_one_has_under_way_is_ended_by_it_alone(relay: Relay) -> None:
    """A provider with keys: the same attempt, tried by both."""
    relay.world.channels = keyed_channels(relay)
    await relay.line("vk", "vk_notify", SENDS)
    message = await relay.send(channel="vk_notify")
    [older] = await relay.claim("vk", epoch=1)
    await relay.restart("vk", epoch=2)
    for outcome in (UNTRIED, refused(Reason.REJECTED), NO_ANSWER):
        await relay.answer(older, outcome)
        assert await relay.attempts(message) == [("vk", "queued")], outcome
    relay.clock.advance(10.0)
    [newer] = await relay.claim("vk", epoch=2)
    assert newer.id == older.id
    for outcome in (UNTRIED, refused(Reason.REJECTED), NO_ANSWER):
        await relay.answer(older, outcome)
        assert await relay.attempts(message) == [("vk", "submitting")], outcome
    await relay.answer(older, Accepted(("one",)))  # it was taken, whoever says so
    assert await relay.attempts(message) == [("vk", "accepted")]
    await relay.answer(newer, Accepted(("one",)))
    assert await relay.attempts(message) == [("vk", "accepted")]


def keyed_channels(relay: Relay) -> dict[str, Channel]:
    """All, of which one dedupes by our reference."""
    channel = relay.world.channels["vk_notify"]
    capabilities = msgspec.structs.replace(channel.capabilities, idempotent=True)
    return {**relay.world.channels, "vk_notify": replace(channel, capabilities=capabilities)}


# ── shares ───────────────────────────────────────────────────────────────────────────────────────────


async def test_shares_of_a_line_take_from_one_queue_and_own_what_they_took(relay: Relay) -> None:
    relay.world.share_per_s = 10.0
    await relay.line("viber", "viber_business", SENDS, speed_per_s=20)
    await relay.contact()
    for number in range(3):
        order = {"to": {"phone": "+380501234567"}, "class": "service", "text": f"{number}", "line": "viber"}
        await relay.order(order)
    first, second = Share(0, 2), Share(1, 2)
    await relay.restart("viber", epoch=2, share=first)
    await relay.restart("viber", epoch=3, share=second)
    assert len(await relay.claim("viber", 1, epoch=2, share=first)) == 1
    assert len(await relay.claim("viber", 1, epoch=3, share=second)) == 1
    with pytest.raises(Fenced):
        await relay.claim("viber", 1, epoch=2, share=second)
    assert await relay.restart("viber", epoch=4, share=first) == 1  # and not what the second has under way
    assert len(await relay.claim("viber", 9, epoch=3, share=second)) == 1


async def test_whoever_knows_another_number_of_shares_claims_nothing(relay: Relay) -> None:
    relay.world.share_per_s = 10.0
    await relay.line("viber", "viber_business", SENDS, speed_per_s=20)
    await relay.contact()
    await relay.order({"to": {"phone": "+380501234567"}, "class": "service", "text": "hi", "line": "viber"})
    await relay.restart("viber", epoch=2, share=Share(1, 2))
    await relay.change_line("viber", classes=SENDS, speed_per_s=30)
    assert await relay.claim("viber", epoch=2, share=Share(1, 2)) == []
    await relay.restart("viber", epoch=3, share=Share(2, 3))
    assert len(await relay.claim("viber", epoch=3, share=Share(2, 3))) == 1
    await relay.change_line("viber", classes=SENDS, speed_per_s=5)
    await relay.restart("viber", epoch=4)
    with pytest.raises(Fenced):  # of three shares one is left, and it is the whole
        await relay.claim("viber", epoch=3, share=Share(2, 3))

"""Receipts that come early, twice, without a home; and what a crash leaves behind."""

from __future__ import annotations

import asyncio

from angarium.core import ids
from angarium.core.ports import Accepted
from angarium.core.values import Reason, ReceiptStatus
from angarium.messaging.store import inbox
from support.relay import NO_ANSWER, Relay


async def parked(relay: Relay) -> int:
    return await relay.ground.db.read(inbox.parked_count, relay.workspace_id)


async def test_a_receipt_before_the_answer_waits_for_it(relay: Relay) -> None:
    await relay.line("sms", "smpp")
    message = await relay.send(channel="smpp")
    (attempt,) = await relay.claim("sms")
    await relay.receipt("sms", ReceiptStatus.DELIVERED, ref="early")
    assert await parked(relay) == 1
    await relay.answer(attempt, Accepted(("early",)))
    assert await relay.state(message) == ("delivered", "", True)
    assert await parked(relay) == 0
    assert [event["event"] for event in (await relay.told(message))["timeline"]] == [
        "accepted",
        "sent",
        "delivered",
    ]


async def test_an_answer_and_its_receipt_side_by_side_meet(relay: Relay) -> None:
    await relay.line("sms", "smpp")
    messages = [await relay.send(channel="smpp") for _ in range(20)]
    for attempt in await relay.claim("sms"):
        ref = f"ref-{attempt.id}"
        await asyncio.gather(
            relay.answer(attempt, Accepted((ref,))),
            relay.receipt("sms", ReceiptStatus.DELIVERED, ref=ref),
        )
    assert [(await relay.state(message))[0] for message in messages] == ["delivered"] * 20
    assert await parked(relay) == 0


async def test_a_receipt_of_nobody_is_kept(relay: Relay) -> None:
    await relay.line("sms", "smpp")
    await relay.receipt("sms", ReceiptStatus.DELIVERED, ref="nobody")
    await relay.receipt("sms", ReceiptStatus.DELIVERED, ref="nobody")
    assert await parked(relay) == 1


async def test_the_same_twice_and_the_contrary_change_nothing(relay: Relay) -> None:
    await relay.line("sms", "smpp")
    message = await relay.send(channel="smpp")
    await relay.take("sms")
    ref = relay.last_ref()
    for status in (ReceiptStatus.DELIVERED, ReceiptStatus.DELIVERED, ReceiptStatus.SENT):
        await relay.receipt("sms", status, ref=ref)
    await relay.receipt("sms", ReceiptStatus.FAILED, ref=ref, reason=Reason.EXPIRED)
    told = await relay.told(message)
    assert told["state"] == "delivered"
    events = [event["event"] for event in told["timeline"]]
    assert events == ["accepted", "sent", "delivered", "failed"]  # what contradicts is kept to be seen
    assert told["timeline"][-1]["contradicts"] == "delivered"


async def test_good_news_lifts_a_failure(relay: Relay) -> None:
    await relay.line("sms", "smpp")
    message = await relay.send(channel="smpp")
    await relay.take("sms")
    ref = relay.last_ref()
    await relay.receipt("sms", ReceiptStatus.FAILED, ref=ref, reason=Reason.UNREACHABLE)
    assert await relay.state(message) == ("failed", "unreachable", True)
    await relay.receipt("sms", ReceiptStatus.DELIVERED, ref=ref)
    assert await relay.state(message) == ("delivered", "", True)


async def test_the_same_reference_on_two_lines_is_two_messages(relay: Relay) -> None:
    await relay.line("sms-a", "smpp")
    await relay.line("sms-b", "smpp")
    first, second = await relay.send(line="sms-a"), await relay.send(line="sms-b")
    await relay.take("sms-a", Accepted(("1",)))
    await relay.take("sms-b", Accepted(("1",)))
    await relay.receipt("sms-b", ReceiptStatus.DELIVERED, ref="1")
    assert (await relay.state(first))[0] == "sent"
    assert (await relay.state(second))[0] == "delivered"


async def test_a_crash_between_intent_and_answer_is_unknown_and_evidence_resolves_it(relay: Relay) -> None:
    await relay.line("sms", "smpp", classes=("promotional",))
    message = await relay.send(channel="smpp", **{"class": "promotional"})
    await relay.claim("sms", epoch=1)
    assert await relay.restart("sms", epoch=2) == 1
    assert (await relay.state(message))[0] == "unknown"
    await relay.receipt("sms", ReceiptStatus.DELIVERED, ref="lost", address="+380501234567")
    assert await relay.state(message) == ("delivered", "", True)
    assert "inferred" in (await relay.told(message))["timeline"][-1]["evidence"]


async def test_evidence_that_came_before_the_restart_counts(relay: Relay) -> None:
    await relay.line("sms", "smpp")
    message = await relay.send(channel="smpp")
    await relay.claim("sms", epoch=1)
    await relay.receipt("sms", ReceiptStatus.DELIVERED, ref="lost", address="+380501234567")
    assert await parked(relay) == 1
    await relay.restart("sms", epoch=2)
    assert await relay.state(message) == ("delivered", "", True)
    assert await parked(relay) == 0


async def test_evidence_that_fits_two_resolves_neither(relay: Relay) -> None:
    await relay.line("sms", "smpp")
    first, second = await relay.send(channel="smpp"), await relay.send(channel="smpp")
    for attempt in await relay.claim("sms"):
        await relay.answer(attempt, NO_ANSWER)
    await relay.receipt("sms", ReceiptStatus.DELIVERED, ref="one", address="+380501234567")
    assert {(await relay.state(first))[0], (await relay.state(second))[0]} == {"unknown"}
    assert await parked(relay) == 1


async def test_a_text_of_two_parts_is_delivered_when_both_are_evidenced(relay: Relay) -> None:
    await relay.line("sms", "smpp")
    message = await relay.send(channel="smpp", text="x" * 170)
    await relay.take("sms", NO_ANSWER)
    for half, state in (("one", "unknown"), ("one", "unknown"), ("other", "delivered")):
        await relay.receipt("sms", ReceiptStatus.DELIVERED, ref=half, address="+380501234567")
        assert (await relay.state(message))[0] == state


async def test_a_late_answer_to_one_of_two_parts_says_nothing_of_the_other(relay: Relay) -> None:
    await relay.line("sms", "smpp")
    message = await relay.send(channel="smpp", text="x" * 170)
    attempt = await relay.take("sms", NO_ANSWER)
    own = ids.show("attempt", attempt.id)
    for status, half, state in (
        (ReceiptStatus.ACCEPTED, "one", "unknown"),
        (ReceiptStatus.DELIVERED, "one", "unknown"),
        (ReceiptStatus.ACCEPTED, "other", "sent"),
        (ReceiptStatus.DELIVERED, "other", "delivered"),
    ):
        await relay.receipt("sms", status, ref=half, client_ref=own)
        assert (await relay.state(message))[0] == state, (status, half)


async def test_the_missing_part_of_a_text_may_be_what_a_receipt_is_about(relay: Relay) -> None:
    await relay.line("sms", "smpp")
    await relay.send(channel="smpp", text="x" * 170)
    await relay.take("sms", NO_ANSWER)
    await relay.receipt("sms", ReceiptStatus.FAILED, ref="one", address="+380501234567")
    other = await relay.send(channel="smpp")
    await relay.take("sms", NO_ANSWER)
    await relay.receipt("sms", ReceiptStatus.FAILED, ref="other", address="+380501234567")
    assert (await relay.state(other))[0] == "unknown"
    assert await parked(relay) == 1


async def test_an_intent_of_the_present_owner_is_left_alone(relay: Relay) -> None:
    await relay.line("sms", "smpp")
    await relay.send(channel="smpp")
    await relay.restart("sms", epoch=2)
    await relay.claim("sms", epoch=2)
    assert await relay.restart("sms", epoch=2) == 0


async def test_a_late_answer_is_evidence(relay: Relay) -> None:
    await relay.line("sms", "smpp")
    message = await relay.send(channel="smpp")
    attempt = await relay.take("sms", NO_ANSWER)
    await relay.answer(attempt, Accepted(("after all",)))
    assert (await relay.state(message))[0] == "sent"
    await relay.receipt("sms", ReceiptStatus.DELIVERED, ref="after all")
    assert await relay.state(message) == ("delivered", "", True)

"""An answer that comes when its submission had been given up: what was queued in its place is taken back."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from angarium.core import ids
from angarium.core.ports import Outcome, Raw, Unknown
from angarium.core.values import Reason, ReceiptStatus
from angarium.messaging import cancel, receive, send
from angarium.simulators.behaviour import Faults, Script
from angarium.simulators.smsc import Smsc
from angarium.simulators.stage import Stage
from angarium.storage.database import Transaction
from support.relay import NO_ANSWER, Relay, refused
from support.smpp_line import a_line, until

HOLD_S = 60.0  # of a service message, `cascade.HOLD_S`
ANSWERS: list[tuple[dict[str, Any], str]] = [
    ({"status": ReceiptStatus.ACCEPTED, "ref": "late"}, "sent"),
    ({"status": ReceiptStatus.SENT, "ref": "late"}, "sent"),
    ({"status": ReceiptStatus.DELIVERED, "ref": "late"}, "delivered"),
]


async def unanswered(relay: Relay, line: str = "sms-a", **given: Any) -> tuple[int, str]:
    """A message whose submission was not answered and was given up: its id, and our name for the attempt."""
    message = await relay.send(**given)
    attempt = await relay.take(line, NO_ANSWER)
    await relay.wait(HOLD_S)
    return message, ids.show("attempt", attempt.id)


# ── taken back ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("answer", "state"), ANSWERS)
async def test_a_late_answer_takes_back_the_second_try(
    relay: Relay, answer: dict[str, Any], state: str
) -> None:
    await relay.line("sms-a", "smpp")
    await relay.line("sms-b", "smpp", price="0.02")
    message, client_ref = await unanswered(relay, channel="smpp")
    assert await relay.attempts(message) == [("sms-a", "unknown"), ("sms-b", "queued")]
    await relay.receipt("sms-a", client_ref=client_ref, **answer)
    told = await relay.told(message)
    assert (told["state"], told["finished"]) == (state, state == "delivered")
    assert told["attempts"][1]["state"] == "cancelled"
    assert await relay.claim("sms-b") == []


async def test_it_is_said_why_and_the_message_goes_on_with_the_first(relay: Relay) -> None:
    await relay.line("sms-a", "smpp")
    await relay.line("sms-b", "smpp", price="0.02")
    message, client_ref = await unanswered(relay, channel="smpp")
    await relay.receipt("sms-a", ReceiptStatus.ACCEPTED, ref="late", client_ref=client_ref)
    told = await relay.told(message)
    assert told["attempts"][1]["reason"] == "answered"
    assert [one["do"] for one in told["timeline"][-1]["decisions"]] == ["take_back", "wait"]
    assert told["timeline"][-1]["decisions"][0]["why"] == "step 1 is accepted after all"
    await relay.receipt("sms-a", ReceiptStatus.DELIVERED, ref="late")
    assert await relay.state(message) == ("delivered", "", True)


async def test_the_next_step_is_taken_back_too(relay: Relay) -> None:
    await relay.line("sms-a", "smpp")
    await relay.line("viber", "viber_business")
    first = {"channel": "smpp", "on": {"no_answer": "next"}}
    message, client_ref = await unanswered(relay, steps=[first, {"channel": "viber_business"}])
    assert await relay.attempts(message) == [("sms-a", "unknown"), ("viber", "queued")]
    await relay.receipt("sms-a", ReceiptStatus.ACCEPTED, ref="late", client_ref=client_ref)
    assert await relay.claim("viber") == []
    await relay.receipt("sms-a", ReceiptStatus.FAILED, ref="late", reason=Reason.UNDELIVERED)
    assert (await relay.attempts(message))[-1] == ("viber", "queued"), "what was taken has failed: the next"


async def test_what_is_on_its_way_is_not_taken_back_and_no_third_follows(relay: Relay) -> None:
    await relay.line("sms-a", "smpp")
    message, client_ref = await unanswered(relay, channel="smpp")
    (second,) = await relay.claim("sms-a")
    await relay.receipt("sms-a", ReceiptStatus.ACCEPTED, ref="late", client_ref=client_ref)
    assert await relay.attempts(message) == [("sms-a", "accepted"), ("sms-a", "submitting")]
    await relay.answer(second, NO_ANSWER)
    await relay.wait(HOLD_S)
    await relay.wait(600.0)
    assert await relay.attempts(message) == [("sms-a", "accepted"), ("sms-a", "unknown")]
    assert await relay.state(message) == ("sent", "no_receipt", True)


async def test_a_claim_and_late_answers_at_once_end_every_message_one_way(relay: Relay) -> None:
    """Forty second tries, claimed while the answers to the first come: each is submitted or taken back."""
    await relay.line("sms-a", "smpp")
    await relay.line("sms-b", "smpp", price="0.02")
    answer = await relay.order(
        *[
            {"to": {"phone": f"+3805012345{n}"}, "class": "service", "text": "Hi", "channel": "smpp"}
            for n in range(10, 50)
        ],
        batch=True,
    )
    first = await relay.claim("sms-a")
    await send.record(relay.world, [send.Ended(attempt, NO_ANSWER, 0.0) for attempt in first])
    await relay.wait(HOLD_S)
    late = [
        relay.receipt(
            "sms-a", ReceiptStatus.ACCEPTED, ref=f"late{n}", client_ref=ids.show("attempt", attempt.id)
        )
        for n, attempt in enumerate(first)
    ]
    claims = [relay.claim("sms-b", limit=10) for _ in range(2)]
    *batches, _ = await asyncio.gather(claims[0], claims[1], asyncio.gather(*late))
    claimed = {attempt.message_id for batch in batches for attempt in batch}
    ends = {}
    for result in answer["results"]:
        ends[ids.read("message", result["id"])] = await relay.attempts(ids.read("message", result["id"]))
    taken_back = {message for message, attempts in ends.items() if attempts[1] == ("sms-b", "cancelled")}
    assert {m for m, attempts in ends.items() if attempts[1] == ("sms-b", "submitting")} == claimed
    assert len(claimed) + len(taken_back) == 40
    assert not claimed & taken_back
    assert 1 <= len(claimed) <= 20
    assert all(attempts[0] == ("sms-a", "accepted") for attempts in ends.values())
    assert await relay.claim("sms-b") == []


async def test_an_answer_that_is_late_over_smpp_leaves_one_copy_at_the_operator(relay: Relay) -> None:
    """A real bind to a message centre that answers when our patience has ended."""
    faults = Faults(answer_delay_s=0.4, receipt_delay_s=30.0)
    smsc = Smsc(Stage(Script(faults={"smpp": faults})))
    await smsc.start()
    line = await relay.line("sms-a", "smpp")
    await relay.line("sms-b", "smpp", price="0.02")
    message = await relay.send(channel="smpp")
    port = int(smsc.url().rpartition(":")[2])
    async with a_line(port, response_timeout_s=0.1) as live:
        await until(live.connection.free)
        (attempt,) = await relay.claim("sms-a")
        live.connection.submit([send.submission(relay.world, line, attempt, relay.clock.now())])
        outcome = await live.outcome(attempt.id)
        assert isinstance(outcome, Unknown)
        await relay.answer(attempt, outcome)
        await relay.wait(HOLD_S)
        assert await relay.attempts(message) == [("sms-a", "unknown"), ("sms-b", "queued")]
        await until(lambda: live.heard.raws)
        await heard(relay, "sms-a", *live.heard.raws)
    await smsc.stop()
    assert await relay.attempts(message) == [("sms-a", "accepted"), ("sms-b", "cancelled")]
    assert await relay.claim("sms-b") == []
    assert len(smsc.ledger.entries) == 1


async def heard(relay: Relay, line: str, *raws: Raw) -> None:
    """What came over a connection, journalled and worked through as the engine does."""
    entries = [receive.entry(relay.world, relay.lines[line], raw) for raw in raws]
    await receive.journal(relay.world, entries)
    await receive.work_through(relay.world, entries)


# ── tried again under its key ────────────────────────────────────────────────────────────────────────


async def keyed(relay: Relay, **given: Any) -> int:
    """A message on a line whose provider dedupes by our reference; its id."""
    channel = relay.world.channels["vk_notify"]
    capabilities = msgspec.structs.replace(channel.capabilities, idempotent=True)
    channels = {**relay.world.channels, "vk_notify": replace(channel, capabilities=capabilities)}
    relay.world.channels = channels
    await relay.line("vk", "vk_notify")
    return await relay.send(channel="vk_notify", **given)


async def tries(relay: Relay, *outcomes: Outcome) -> None:
    """The one attempt, submitted and ended so, again and again under its key."""
    for outcome in outcomes:
        relay.clock.advance(400.0)
        await relay.take("vk", outcome)


@pytest.mark.parametrize(
    "outcomes",
    [
        (NO_ANSWER,) * 5,
        (NO_ANSWER, *[refused(Reason.TEMPORARY)] * 4),
        (NO_ANSWER, refused(Reason.THROTTLED), refused(Reason.AUTH)),
        (refused(Reason.TEMPORARY), NO_ANSWER, refused(Reason.REJECTED)),
    ],
)
async def test_a_submission_whose_tries_are_used_up_stays_unknown(
    relay: Relay, outcomes: tuple[Outcome, ...]
) -> None:
    message = await keyed(relay)
    await tries(relay, *outcomes)
    assert await relay.attempts(message) == [("vk", "unknown")]
    await relay.wait(HOLD_S)
    assert await relay.state(message) == ("unknown", "no_answer", True)
    assert await relay.attempts(message) == [("vk", "unknown")], "no second attempt under another key"


async def test_what_carried_no_key_is_not_tried_again(relay: Relay) -> None:
    message = await keyed(relay)
    await tries(relay, msgspec.structs.replace(NO_ANSWER, keyed=False))
    assert await relay.attempts(message) == [("vk", "unknown")]


async def test_it_is_said_to_be_unknown_while_it_is_tried_again(relay: Relay) -> None:
    message = await keyed(relay)
    await tries(relay, NO_ANSWER)
    assert await relay.state(message) == ("unknown", "", False)
    assert await relay.attempts(message) == [("vk", "queued")]
    await tries(relay, refused(Reason.TEMPORARY))
    relay.clock.advance(400.0)
    await relay.take("vk")
    assert await relay.state(message) == ("sent", "", False)


async def test_tries_that_were_all_refused_are_refused(relay: Relay) -> None:
    message = await keyed(relay)
    await tries(relay, *[refused(Reason.TEMPORARY)] * 5)
    assert await relay.attempts(message) == [("vk", "refused")]
    assert await relay.state(message) == ("failed", "temporary", True)


async def test_cancelled_or_too_late_between_two_tries_it_is_unknown(relay: Relay) -> None:
    message = await keyed(relay)
    await tries(relay, NO_ANSWER)
    await relay.ground.db.run(_cancel, relay, message)
    assert await relay.state(message) == ("unknown", "cancelled", True)
    assert await relay.attempts(message) == [("vk", "unknown")]


async def _cancel(tx: Transaction, relay: Relay, message: int) -> None:
    await cancel.cancel(tx, relay.world, relay.workspace_id, message, relay.clock.now())


async def test_the_deadline_between_two_tries_leaves_it_unknown(relay: Relay) -> None:
    message = await keyed(relay, deadline_s=600.0)
    await tries(relay, NO_ANSWER)
    await relay.wait(600.0)
    assert await relay.state(message) == ("unknown", "no_answer", True)
    assert await relay.attempts(message) == [("vk", "unknown")]


async def test_an_opt_out_between_two_tries_leaves_it_unknown(relay: Relay) -> None:
    await relay.contact()
    message = await keyed(relay)
    await tries(relay, NO_ANSWER)
    await relay.contact(opted_out=["all"])
    relay.clock.advance(400.0)
    assert await relay.claim("vk") == []
    assert await relay.attempts(message) == [("vk", "unknown")]
    await relay.wait(HOLD_S)
    assert await relay.state(message) == ("unknown", "no_answer", True)


async def test_after_a_crash_it_is_tried_again_under_its_key(relay: Relay) -> None:
    message = await keyed(relay)
    (attempt,) = await relay.claim("vk", epoch=1)
    assert await relay.restart("vk", epoch=2) == 1
    assert await relay.attempts(message) == [("vk", "queued")]
    relay.clock.advance(10.0)
    (again,) = await relay.claim("vk", epoch=2)
    assert again.id == attempt.id


@pytest.mark.parametrize(("deadline_s", "settled"), [(600.0, "queued"), (4.0, "unknown")])
async def test_no_answer_to_a_server_that_stood_still_says_nothing_of_what_another_settled(
    relay: Relay, deadline_s: float, settled: str
) -> None:
    message = await keyed(relay, deadline_s=deadline_s)
    (attempt,) = await relay.claim("vk", epoch=1)
    assert await relay.restart("vk", epoch=2) == 1
    assert await relay.attempts(message) == [("vk", settled)]
    await relay.answer(attempt, NO_ANSWER)  # of the first
    told = await relay.told(message)
    assert told["state"] == "unknown"
    assert [(one["state"], one["reason"]) for one in told["attempts"]] == [(settled, "no_answer")]

"""The same things heard in any order, late or twice, end the same; what fits nothing is kept and counted."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from angarium.core import ids
from angarium.core.ports import Accepted, Raw
from angarium.core.values import Reason, ReceiptStatus
from angarium.messaging import receive, reconcile, send
from angarium.messaging.meters import EngineCollector
from angarium.messaging.send import Ended
from angarium.messaging.states import MessageState, may_become
from angarium.messaging.store import inbox
from angarium.messaging.store.attempts import Attempt
from angarium.messaging.workers import Engine
from angarium.messaging.world import World
from angarium.storage.sqlite import SqliteDatabase
from support.databases import create_schema
from support.relay import NO_ANSWER, Relay

ADDRESS = "+380501234567"
DAY_S = 86_400.0

# What is heard of one submission: its answer, no answer in time, its answer after that, and receipts.
ANSWER, SILENCE, LATE_ANSWER = "answer", "silence", "late answer"
SENT, DELIVERED, READ, FAILED = "sent", "delivered", "read", "failed"


async def hear(relay: Relay, attempt: Attempt, what: str, ref: str) -> None:
    """One thing that is heard of a submission whose provider calls it `ref`."""
    match what:
        case "answer":
            await relay.answer(attempt, Accepted((ref,)))
        case "silence":
            await relay.answer(attempt, NO_ANSWER)
        case "late answer":
            client_ref = ids.show("attempt", attempt.id)
            await relay.receipt("viber", ReceiptStatus.ACCEPTED, ref=ref, client_ref=client_ref)
        case _:
            reason = Reason.UNREACHABLE if what == FAILED else None
            await relay.receipt("viber", ReceiptStatus(what), ref=ref, reason=reason)


async def ended(relay: Relay, heard: Sequence[str], number: int) -> tuple[object, ...]:
    """What a message comes to of which these are heard in this order; it never goes back on the way."""
    message = await relay.send(line="viber")
    (attempt,) = await relay.claim("viber")
    before = MessageState.QUEUED
    for what in heard:
        await hear(relay, attempt, what, f"ref{number}")
        state = MessageState((await relay.state(message))[0])
        assert may_become(before, state), f"{before} became {state} in {heard}"
        before = state
    told = await relay.told(message)
    (tried,) = told["attempts"]
    return told["state"], told["reason"], told["finished"], tried["state"], told["cost"]["amount"]


async def left_over(relay: Relay) -> int:
    """How many receipts have found nothing."""
    return await relay.ground.db.read(inbox.parked_count, relay.workspace_id)


SETS = [
    ((ANSWER, SENT, DELIVERED, DELIVERED), ("delivered", "", True, "delivered", "0.01")),
    ((ANSWER, DELIVERED, READ, DELIVERED), ("read", "", True, "read", "0.01")),
    ((ANSWER, DELIVERED, FAILED, SENT), ("delivered", "", True, "delivered", "0.01")),
    ((ANSWER, SENT, FAILED, FAILED), ("failed", "unreachable", True, "failed", "0")),
    ((SILENCE, LATE_ANSWER, DELIVERED, SENT), ("delivered", "", True, "delivered", "0.01")),
    ((SILENCE, LATE_ANSWER, FAILED, READ), ("read", "", True, "read", "0.01")),
]


@pytest.mark.parametrize(("heard", "end"), SETS)
async def test_every_order_ends_the_same(
    relay: Relay, heard: tuple[str, ...], end: tuple[object, ...]
) -> None:
    await relay.line("viber", "viber_business")
    for number, order in enumerate(sorted(set(permutations(heard)))):
        assert await ended(relay, order, number) == end, order
    assert await left_over(relay) == 0


RANKS = {SENT: 0, DELIVERED: 1, READ: 2}
receipts = st.lists(st.sampled_from([SENT, DELIVERED, READ, FAILED]), min_size=1, max_size=6)
answers = st.sampled_from([(ANSWER,), (SILENCE, LATE_ANSWER)])


@settings(max_examples=40, deadline=None)
@given(answer=answers, heard=receipts, shuffle=st.randoms(use_true_random=False))
@pytest.mark.turns(2, 0)
def test_any_receipts_in_any_order_end_as_the_best_of_them(
    answer: tuple[str, ...], heard: list[str], shuffle: Any
) -> None:
    order = [*answer, *heard]
    shuffle.shuffle(order)
    state, _, finished, tried, _ = asyncio.run(alone(order))
    good = [what for what in heard if what != FAILED]
    best = max(good, key=RANKS.__getitem__, default="")
    expected = FAILED if FAILED in heard and best in ("", SENT) else best
    assert state == expected, order
    assert tried == ("accepted" if expected == SENT else expected)
    assert finished is (expected != SENT)


async def alone(order: Sequence[str]) -> tuple[object, ...]:
    """The same on a database of its own."""
    database = SqliteDatabase("")
    await database.start()
    try:
        await create_schema(database)
        relay = await Relay(database).open()
        await relay.line("viber", "viber_business")
        found = await ended(relay, order, 0)
        assert await left_over(relay) == 0, order
        return found
    finally:
        await database.stop()


# ── what fits nothing ────────────────────────────────────────────────────────────────────────────────


def engine_of(relay: Relay) -> Engine:
    """An engine that was not started."""

    async def workspaces() -> list[int]:
        return [relay.workspace_id]

    return Engine(relay.world, workspaces)


def measured(relay: Relay, tidied: reconcile.Tidied) -> Callable[[str], dict[tuple[str, ...], float]]:
    """What Prometheus is told after a tidying: the values of a family by their labels."""
    engine = engine_of(relay)
    engine.tidied[relay.workspace_id] = tidied
    families = {family.name: family for family in EngineCollector(relay.world, engine).collect()}
    return lambda name: {tuple(one.labels.values()): one.value for one in families[name].samples}


async def test_what_fits_nothing_is_kept_for_its_days_and_counted(relay: Relay) -> None:
    await relay.line("sms", "smpp")
    await relay.receipt("sms", ReceiptStatus.DELIVERED, ref="nobody")
    relay.clock.advance(6 * DAY_S)
    await relay.receipt("sms", ReceiptStatus.DELIVERED, ref="nobody else")
    tidied = await reconcile.tidy(relay.world, relay.workspace_id)
    assert (tidied.parked, tidied.forgotten) == (2, 0)
    told = measured(relay, tidied)
    assert told("angarium_parked_receipts") == {(): 2}
    assert told("angarium_summed_up_behind_seconds") == {(): 0}
    relay.clock.advance(1.01 * DAY_S)
    tidied = await reconcile.tidy(relay.world, relay.workspace_id)
    assert (tidied.parked, tidied.forgotten) == (1, 1)
    assert await left_over(relay) == 1


async def test_a_receipt_that_comes_days_before_its_answer_is_still_matched(relay: Relay) -> None:
    await relay.line("sms", "smpp")
    message = await relay.send(line="sms")
    (attempt,) = await relay.claim("sms")
    await relay.receipt("sms", ReceiptStatus.DELIVERED, ref="early")
    relay.clock.advance(6 * DAY_S)
    await reconcile.tidy(relay.world, relay.workspace_id)
    await relay.answer(attempt, Accepted(("early",)))
    assert (await relay.state(message))[0] == "delivered"


async def test_what_was_heard_before_a_receipt_is_recorded_before_it_is_looked_at(
    relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else nearly every receipt of a busy line would be parked for some milliseconds, and taken out again."""
    await relay.line("sms", "smpp")
    message = await relay.send(line="sms")
    (attempt,) = await relay.claim("sms")
    record, may_record, looked_at = send.record, asyncio.Event(), []

    async def slow(world: World, ended: list[Ended]) -> None:
        await may_record.wait()
        await record(world, ended)

    async def work_through(_world: World, entries: list[inbox.Entry]) -> None:
        looked_at.append((await relay.state(message))[0])

    monkeypatch.setattr(send, "record", slow)
    monkeypatch.setattr(receive, "work_through", work_through)
    engine = engine_of(relay)
    engine.recorder.leave(Ended(attempt, Accepted(("ours",)), 0.0))
    heard = engine.applier.put(receive.entry(relay.world, relay.lines["sms"], Raw(b"")))
    await asyncio.wait([heard], timeout=0.05)
    assert looked_at == []
    may_record.set()
    await heard
    assert looked_at == ["sent"]


async def test_what_nobody_knows_is_measured(relay: Relay) -> None:
    await relay.line("sms", "smpp")
    await relay.send(line="sms")
    await relay.take("sms", NO_ANSWER)
    tidied = await reconcile.tidy(relay.world, relay.workspace_id)
    assert measured(relay, tidied)("angarium_unknown_messages") == {("sms", "service"): 1}


async def test_a_receipt_that_could_be_about_two_is_matched_when_one_is_left(relay: Relay) -> None:
    await relay.line("sms", "smpp", classes=("promotional",))
    messages = [await relay.send(**{"class": "promotional"}, line="sms") for _ in range(2)]
    first, second = await relay.claim("sms")
    await relay.answer(first, NO_ANSWER)
    await relay.answer(second, NO_ANSWER)
    await relay.receipt("sms", ReceiptStatus.DELIVERED, ref="whose", address=ADDRESS)
    await reconcile.tidy(relay.world, relay.workspace_id)
    assert [(await relay.state(one))[0] for one in messages] == ["unknown", "unknown"]
    late = ids.show("attempt", second.id)
    await relay.receipt("sms", ReceiptStatus.ACCEPTED, ref="other", client_ref=late)
    await reconcile.tidy(relay.world, relay.workspace_id)
    assert [(await relay.state(one))[0] for one in messages] == ["delivered", "sent"]
    assert "inferred" in (await relay.told(messages[0]))["timeline"][-1]["evidence"]
    assert await left_over(relay) == 0


async def test_a_receipt_waits_for_what_went_on_its_way_a_second_time(relay: Relay) -> None:
    """Its earlier try was never answered, and something is parked there: the tidying looks at it too."""
    await relay.line("sms", "smpp")
    await relay.receipt("sms", ReceiptStatus.DELIVERED, ref="nobody", address=ADDRESS)
    relay.clock.advance(1)
    again = await relay.send(steps=[{"channel": "smpp", "wait_s": 60}])
    await relay.take("sms", NO_ANSWER)
    await relay.line("sms2", "smpp", classes=("service", "promotional"))
    silent = await relay.send(line="sms2", **{"class": "promotional"})
    await relay.take("sms2", NO_ANSWER)
    await relay.wait(120)
    (second,) = await relay.claim("sms2")
    await relay.receipt("sms2", ReceiptStatus.DELIVERED, ref="whose", address=ADDRESS)
    await reconcile.tidy(relay.world, relay.workspace_id)
    assert (await relay.state(silent))[0] == "unknown"
    await relay.answer(second, Accepted(("whose",)))
    assert [(await relay.state(one))[0] for one in (silent, again)] == ["unknown", "delivered"]

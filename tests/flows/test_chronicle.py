"""What happens to messages is counted for segments, once, from the log of facts, and can be counted anew."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from angarium.contacts import flows as contact_flows
from angarium.contacts import merge_flows, reindex
from angarium.contacts.activity import Event, Happened, Topic
from angarium.contacts.store import activity
from angarium.core import ids
from angarium.core.clock import MICROS
from angarium.core.ports import Inbound
from angarium.core.values import MessageClass, Reason, ReceiptStatus
from angarium.messaging import chronicle, inbound, reconcile
from angarium.messaging.chronicle import POLL_S, Chronicler, rest_s
from angarium.messaging.store.belongings import BELONGINGS
from angarium.storage.bulk import Statement
from angarium.storage.database import Row, Transaction
from angarium.storage.facts import END
from support.relay import Relay, refused
from support.server import everything_in

Counts = dict[tuple[str, str, str, str], int]  # event, class, label, channel
BATCH = 3  # facts: so few that what belongs together is read apart


async def followed(relay: Relay, limit: int = BATCH) -> None:
    """Everything that is new is told."""
    while (await relay.ground.db.run(chronicle.follow, relay.workspace_id, limit)).facts:
        pass


async def counts(relay: Relay, contact_id: int) -> Counts:
    """What is known of a contact."""
    found = await relay.ground.db.read(activity.of_contact, relay.workspace_id, contact_id)
    return {
        (one.event.value, one.topic.message_class or "", one.topic.label, one.channel): one.tally.times
        for one in found
    }


async def reply(relay: Relay, line: str, ref: str, sender: str = "+380501234567") -> None:
    """The customer answers."""
    heard = Inbound(ref=ref, sender=sender, recipient="Shop", text="ok")
    now = relay.clock.now()
    await relay.ground.db.run(inbound.hear, relay.world, relay.lines[line], heard, now)


async def a_day(relay: Relay, **given: Any) -> int:
    """A message that is read, one that goes nowhere, one that falls back, and an answer; whose they are."""
    await relay.line("viber", "viber_business")
    await relay.line("sms", "smpp")
    person = await relay.contact(**given)
    await relay.template("shipped", "on its way")
    await relay.send(template="shipped", text="", label="autumn", line="viber")
    await relay.take("viber")
    await relay.receipt("viber", ReceiptStatus.DELIVERED)
    await relay.receipt("viber", ReceiptStatus.DELIVERED)
    await relay.receipt("viber", ReceiptStatus.READ)
    await relay.send(line="viber")
    await relay.take("viber", refused(Reason.NOT_A_USER))
    steps = [{"line": "viber", "wait_s": 60}, {"line": "sms"}]
    await relay.send(steps=steps, **{"class": "transactional"})
    await relay.take("viber")
    await relay.wait(61)
    await relay.take("sms")
    await relay.receipt("sms", ReceiptStatus.READ)  # nobody said before that it was delivered
    await reply(relay, "sms", "in-1")
    return person.id


DAY: Counts = {
    ("sent", "service", "", "viber_business"): 1,
    ("delivered", "service", "", "viber_business"): 1,
    ("read", "service", "", "viber_business"): 1,
    ("sent", "service", "autumn", "viber_business"): 1,
    ("delivered", "service", "autumn", "viber_business"): 1,
    ("read", "service", "autumn", "viber_business"): 1,
    ("sent", "transactional", "", "viber_business"): 1,
    ("sent", "transactional", "", "smpp"): 1,
    ("delivered", "transactional", "", "smpp"): 1,
    ("read", "transactional", "", "smpp"): 1,
    ("replied", "transactional", "", "smpp"): 1,
}


async def test_each_thing_counts_once(relay: Relay) -> None:
    contact_id = await a_day(relay)
    await followed(relay)
    assert await counts(relay, contact_id) == DAY
    await followed(relay, 1_000)
    assert await counts(relay, contact_id) == DAY
    topics = await relay.ground.db.read(activity.topics, relay.workspace_id)
    assert [(one.label, bool(one.template_id)) for one in topics] == [("autumn", True)]


async def test_what_somebody_wrote_before_they_were_a_contact_counts_once_they_are(relay: Relay) -> None:
    await relay.line("sms", "smpp")
    await reply(relay, "sms", "in-1")
    wrote_at = relay.clock.now()
    await followed(relay)
    relay.clock.advance(3_600)
    anna = await relay.contact(external_id="a", addresses=[{"kind": "phone", "value": "+380501234567"}])
    expected = {("replied", "", "", "smpp"): 1}
    for _ in range(2):
        await reconcile.tidy(relay.world, relay.workspace_id)
        await followed(relay)
        assert await counts(relay, anna.id) == expected
    (told,) = await relay.ground.db.read(activity.of_contact, relay.workspace_id, anna.id)
    assert told.tally.last_at == wrote_at // MICROS * MICROS
    await relay.ground.db.run(chronicle.recount, relay.workspace_id, anna.id, END)
    assert await counts(relay, anna.id) == expected
    other = await relay.contact(external_id="b", addresses=[{"kind": "phone", "value": "+380507654321"}])
    both = (relay.workspace_id, other.id, anna.id)
    await relay.ground.db.run(merge_flows.merge, relay.ground, *both, [*BELONGINGS.values()], "key_agent", "")
    await followed(relay)
    assert await counts(relay, other.id) == expected


async def test_it_can_be_counted_anew(relay: Relay) -> None:
    await a_day(relay)
    await followed(relay)
    before = await everything_in(relay.ground.db)
    now = relay.clock.now()
    await relay.ground.db.run(reindex.begin, relay.workspace_id, "key_test", now)
    gone = await everything_in(relay.ground.db)
    assert not gone["contact_activity"]
    assert not gone["contact_mention"]

    async def workspaces() -> list[int]:
        return [relay.workspace_id]

    loop = Chronicler(relay.ground, workspaces, lambda: 0)
    while await loop.turn(relay.workspace_id):
        pass
    after = await everything_in(relay.ground.db)
    for table in ("contact_index", "contact_activity", "contact_mention", "activity_topic"):
        assert after[table] == before[table]


async def test_what_is_told_of_somebody_who_was_deleted_is_not_kept(relay: Relay) -> None:
    contact_id = await a_day(relay)
    await contact_flows.delete(relay.ground, relay.workspace_id, contact_id)
    await followed(relay)
    rows = await everything_in(relay.ground.db)
    assert not rows["contact_activity"]
    assert not rows["contact_mention"]


async def test_who_is_deleted_while_it_is_counted_leaves_nothing(relay: Relay) -> None:
    """On PostgreSQL somebody else may delete a contact between what is read of it and what is written."""
    gone = await relay.contact(external_id="c-1")
    stays = await relay.contact(external_id="c-2", addresses=[{"kind": "phone", "value": "+380501234599"}])
    people, topic = [gone.id, stays.id], Topic(MessageClass.SERVICE, "autumn")

    async def read(tx: Transaction) -> list[Row]:
        return await tx.rows(activity._kept, workspace_id=relay.workspace_id, contact_ids=people)

    earlier = await relay.ground.db.read(read)
    assert len(earlier) == 2
    await contact_flows.delete(relay.ground, relay.workspace_id, gone.id)

    class Late:
        """A transaction that has read before the other was committed."""

        def __init__(self, tx: Transaction) -> None:
            self._tx = tx

        def __getattr__(self, name: str) -> Any:
            return getattr(self._tx, name)

        async def rows(self, statement: Statement, **values: Any) -> list[Row]:
            return earlier if statement is activity._kept else await self._tx.rows(statement, **values)

    async def tell(tx: Transaction) -> None:
        happened = [Happened(Event.SENT, one, topic, "smpp", relay.clock.now()) for one in people]
        late: Any = Late(tx)
        await activity.tell(late, relay.workspace_id, happened)

    await relay.ground.db.run(tell)
    assert await counts(relay, gone.id) == {}
    assert await counts(relay, stays.id) == {
        ("sent", "service", "", "smpp"): 1,
        ("sent", "service", "autumn", "smpp"): 1,
    }


async def test_the_loop_tells_what_is_new_and_rests_while_others_work(relay: Relay) -> None:
    contact_id = await a_day(relay)
    under_way = iter(range(100))
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        relay.clock.at += 1

    relay.clock.sleep = sleep  # type: ignore[method-assign]

    async def workspaces() -> list[int]:
        return [relay.workspace_id]

    loop = Chronicler(relay.ground, workspaces, lambda: next(under_way))
    assert await loop.turn(relay.workspace_id) > 0
    assert len(slept) == 1
    assert await counts(relay, contact_id) == DAY
    assert await loop.turn(relay.workspace_id) == 0
    await reply(relay, "sms", "in-2")
    assert await loop.turn(relay.workspace_id) == 1
    told = await relay.ground.db.read(activity.of_contact, relay.workspace_id, contact_id)
    assert [one.tally.times for one in told if one.event is Event.REPLIED] == [2]


@pytest.mark.parametrize(
    ("behind_s", "rests_s"), [(0.0, 1.5), (300.0, 1.5), (301.0, 0.45), (1_800.0, 0.45), (90_000.0, 0.1)]
)
def test_who_is_far_behind_rests_less(behind_s: float, rests_s: float) -> None:
    assert rest_s(0.05, behind_s) == pytest.approx(rests_s)
    assert rest_s(60.0, behind_s) == POLL_S


async def test_the_loop_knows_how_far_it_is_behind(relay: Relay) -> None:
    """Where messages are under way all day, what happened this morning is told all the same."""
    await a_day(relay)
    relay.clock.advance(7_200)
    slept, under_way, seconds = list[float](), iter(range(100)), iter([1.0, 1.1, 1.2, 1.3])

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    async def workspaces() -> list[int]:
        return [relay.workspace_id]

    loop = Chronicler(relay.ground, workspaces, lambda: next(under_way))
    relay.clock.sleep, relay.clock.monotonic = sleep, lambda: next(seconds)  # type: ignore[method-assign]
    assert loop.behind_s == 0.0
    told = await loop.turn(relay.workspace_id)
    assert told > 0
    assert slept == [pytest.approx(0.2)]
    assert (loop.told, loop.behind_s) == (told, pytest.approx(7_200, abs=1))
    assert await loop.turn(relay.workspace_id) == 0
    assert (loop.told, loop.behind_s) == (told, 0.0)


async def test_of_a_workspace_that_is_gone_nobody_is_behind(relay: Relay) -> None:
    await a_day(relay)
    relay.clock.advance(7_200)
    rests, there = 0, [relay.workspace_id]

    async def workspaces() -> list[int]:
        return list(there)

    async def sleep(_: float) -> None:
        nonlocal rests
        rests += 1
        if rests == 1:
            assert loop.behind_s > 7_000  # it has told what there was, and rests
            there.clear()
        else:
            assert loop.behind_s == 0.0
            raise asyncio.CancelledError

    loop = Chronicler(relay.ground, workspaces, iter(range(100)).__next__)
    relay.clock.sleep = sleep  # type: ignore[method-assign]
    with pytest.raises(asyncio.CancelledError):
        await loop.run()
    assert rests == 2


async def test_what_two_have_had_is_one_history_and_two_again(relay: Relay) -> None:
    stays = await a_day(relay)
    other = await relay.contact(external_id="c-2", addresses=[{"kind": "phone", "value": "+380501234599"}])
    await relay.send(to={"contact": ids.show("contact", other.id)}, line="sms", label="autumn")
    await relay.take("sms")
    await reply(relay, "sms", "in-2", "+380501234599")
    await followed(relay)
    own: Counts = {
        (happened, "service", label, "smpp"): 1
        for happened in ("sent", "replied")
        for label in ("", "autumn")
    }
    assert await counts(relay, other.id) == own

    async def merged(tx: Transaction) -> int:
        both = (relay.workspace_id, stays, other.id)
        done, _ = await merge_flows.merge(tx, relay.ground, *both, [*BELONGINGS.values()], "key_test", "")
        return done.id

    merge_id = await relay.ground.db.run(merged)
    await followed(relay)
    assert await counts(relay, stays) == DAY | own
    assert await counts(relay, other.id) == {}

    async def parted(tx: Transaction) -> None:
        await merge_flows.undo(tx, relay.ground, relay.workspace_id, merge_id, BELONGINGS, "key_test")

    await relay.ground.db.run(parted)
    await followed(relay)
    assert await counts(relay, stays) == DAY
    assert await counts(relay, other.id) == own

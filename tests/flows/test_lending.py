"""A line that is lent: two workspaces on one line, and neither sees what is the other's."""

from __future__ import annotations

import msgspec
import pytest
from sqlalchemy import func, select

from angarium.accounts import flows as accounts
from angarium.core import ids
from angarium.core.ports import Accepted, Inbound, Raw, Receipt, Unknown
from angarium.core.problems import Problem
from angarium.core.values import ReceiptStatus
from angarium.lines import flows as lines
from angarium.lines.store import line_guest
from angarium.messaging import plan, receive
from angarium.messaging.case import wake
from angarium.messaging.receive import Read
from angarium.messaging.store.attempts import Attempt
from angarium.storage import facts
from angarium.storage.bulk import Statement
from angarium.storage.database import Transaction
from angarium.storage.facts import START
from support.relay import Relay

EVERYTHING = ("otp", "transactional", "service", "promotional")
LENT = "holding/sms"
NUMBER, STRANGER = "+380501234567", "+380509999999"
DELIVERED = ReceiptStatus.DELIVERED


class Guest(Relay):
    """Another workspace of the same server."""

    def __init__(self, owner: Relay) -> None:
        self.__dict__ |= owner.__dict__ | {"lines": {}, "workspace_id": 0}


async def reload(*relays: Relay) -> None:
    await relays[0].world.lines.reload([relay.workspace_id for relay in relays])


@pytest.fixture
async def both(relay: Relay) -> tuple[Relay, Guest]:
    """An owner with a line that a guest has taken."""
    relay.workspace_id = (await accounts.create_workspace(relay.ground, "holding")).id
    line = await relay.line("sms", "smpp", EVERYTHING)
    guest = Guest(relay)
    guest.workspace_id = (await accounts.create_workspace(relay.ground, "club")).id
    await lines.lend(relay.ground, relay.workspace_id, line.id, guest.workspace_id)
    await lines.take(relay.ground, guest.workspace_id, line.id)
    await reload(relay, guest)
    return relay, guest


async def hear(relay: Relay, *events: Receipt | Inbound) -> None:
    """The provider of the line says something."""
    line = relay.lines["sms"]
    entry = receive.entry(relay.world, line, Raw(b""))
    await receive.journal(relay.world, [entry])
    told = [Read(entry, line, list(events))]
    work = receive._apply
    wake(
        relay.world, await relay.ground.db.run(work, relay.world, relay.workspace_id, told, relay.clock.now())
    )


async def heard(relay: Relay) -> list[tuple[str, str]]:
    """The messages of customers in a workspace: line and text, from its facts and rows."""
    found, _ = await relay.ground.db.read(facts.after, relay.workspace_id, START, 100)
    return [
        (msgspec.json.decode(fact.body)["line"], fact.kind)
        for fact in found
        if fact.kind == "inbound.received"
    ]


# ── who may ──────────────────────────────────────────────────────────────────────────────────────────


async def test_an_offer_is_no_line_until_it_is_taken(relay: Relay) -> None:
    """Else whoever lends a cheap line would read the codes of whoever did not look."""
    line = await relay.line("sms", "smpp", EVERYTHING)
    guest = Guest(relay)
    guest.workspace_id = (await accounts.create_workspace(relay.ground, "club")).id
    await lines.lend(relay.ground, relay.workspace_id, line.id, guest.workspace_id)
    await reload(relay, guest)
    assert relay.world.lines.of(guest.workspace_id) == []
    message = {"to": {"phone": NUMBER}, "class": "otp", "text": "1234", "channel": "smpp"}
    assert isinstance(await guest.order(message), Problem)
    await lines.take(relay.ground, guest.workspace_id, line.id)
    await reload(relay, guest)
    assert (await guest.order(message))["state"] == "queued"


async def test_a_line_is_lent_by_its_owner_alone(both: tuple[Relay, Guest]) -> None:
    owner, guest = both
    line_id = owner.lines["sms"].id
    third = (await accounts.create_workspace(owner.ground, "third")).id
    for workspace_id in (guest.workspace_id, third):
        with pytest.raises(Problem, match="line"):
            await lines.lend(owner.ground, workspace_id, line_id, third)
        with pytest.raises(Problem):
            await lines.take_back(owner.ground, workspace_id, line_id, guest.workspace_id)
    with pytest.raises(Problem, match="line"):
        await lines.take(owner.ground, third, line_id)  # nobody has offered it
    with pytest.raises(Problem):
        await lines.lend(owner.ground, owner.workspace_id, line_id, owner.workspace_id)


async def test_a_guest_knows_the_line_by_a_name_that_none_of_its_own_can_have(
    both: tuple[Relay, Guest],
) -> None:
    owner, guest = both
    await guest.line("sms", "smpp", EVERYTHING, price="9")
    await reload(owner, guest)
    await guest.send(line="sms")
    await guest.send(line=LENT)
    await guest.send(channel="smpp")  # the cheaper one
    assert [attempt.workspace_id for attempt in await owner.claim("sms")] == [guest.workspace_id] * 2
    assert len(await guest.claim("sms")) == 1
    own = await owner.send(line="sms")
    assert await owner.attempts(own) == [("sms", "queued")]


# ── fairness ─────────────────────────────────────────────────────────────────────────────────────────


async def test_owner_and_guest_take_turns_and_a_code_of_either_passes(both: tuple[Relay, Guest]) -> None:
    owner, guest = both
    for _ in range(12):
        await guest.send(channel="smpp", **{"class": "promotional"})
    for _ in range(3):
        await owner.send(channel="smpp", **{"class": "promotional"})
    await guest.send(channel="smpp", **{"class": "otp"})
    await owner.send(channel="smpp", **{"class": "otp"})
    claimed = await owner.claim("sms", limit=8)
    assert [one.message_class.value for one in claimed] == ["otp"] * 2 + ["promotional"] * 6
    whose = [one.workspace_id for one in claimed]
    assert whose.count(owner.workspace_id) == whose.count(guest.workspace_id) == 4
    assert len(await owner.claim("sms", limit=100)) == 9  # what is left, the owner having nothing more


# ── outcomes, receipts, restarts ─────────────────────────────────────────────────────────────────────


async def claim_of(owner: Relay) -> dict[int, Attempt]:
    """One attempt of each, claimed; by workspace."""
    return {one.workspace_id: one for one in await owner.claim("sms")}


async def test_each_receipt_reaches_whoever_sent_the_message(both: tuple[Relay, Guest]) -> None:
    owner, guest = both
    messages = {relay.workspace_id: (relay, await relay.send(channel="smpp")) for relay in both}
    for workspace_id, attempt in (await claim_of(owner)).items():
        await owner.answer(attempt, Accepted((f"ref-{workspace_id}",)))
    for workspace_id, (relay, message) in messages.items():
        assert (await relay.state(message))[0] == "sent"
        await hear(owner, Receipt(DELIVERED, ref=f"ref-{workspace_id}"))
        assert (await relay.state(message))[0] == "delivered"
    told = await guest.told(messages[guest.workspace_id][1])
    assert {one["line"] for one in told["attempts"]} == {LENT}


async def test_a_receipt_that_comes_before_the_answer_finds_the_guest(both: tuple[Relay, Guest]) -> None:
    owner, guest = both
    message = await guest.send(channel="smpp")
    (attempt,) = await owner.claim("sms")
    await hear(owner, Receipt(DELIVERED, ref="early"))
    await owner.answer(attempt, Accepted(("early",)))
    assert (await guest.state(message))[0] == "delivered"


async def test_a_receipt_by_our_own_reference_finds_the_guest_on_this_line_only(
    both: tuple[Relay, Guest],
) -> None:
    owner, guest = both
    message = await guest.send(channel="smpp")
    (attempt,) = await owner.claim("sms")
    await guest.line("own", "smpp", EVERYTHING)
    await reload(owner, guest)
    await guest.send(line="own")
    (elsewhere,) = await guest.claim("own")
    for one in (attempt, elsewhere):
        await hear(owner, Receipt(DELIVERED, client_ref=ids.show("attempt", one.id)))
    assert (await guest.state(message))[0] == "delivered"
    rows = await guest.told(elsewhere.message_id)
    assert rows["state"] == "queued"  # an owner can say nothing of what a guest sends by other lines


async def test_evidence_counts_the_unanswered_of_all_who_send_on_the_line(both: tuple[Relay, Guest]) -> None:
    owner, guest = both
    messages = [await owner.send(channel="smpp"), await guest.send(channel="smpp")]
    for attempt in (await claim_of(owner)).values():
        await owner.answer(attempt, Unknown("no answer"))
    await hear(owner, Receipt(DELIVERED, ref="x1", address=NUMBER))
    states = [(await owner.state(messages[0]))[0], (await guest.state(messages[1]))[0]]
    assert "delivered" not in states  # it may be about either


async def test_evidence_finds_the_guest_when_only_its_message_is_unanswered(
    both: tuple[Relay, Guest],
) -> None:
    owner, guest = both
    message = await guest.send(channel="smpp")
    (attempt,) = await owner.claim("sms")
    await owner.answer(attempt, Unknown("no answer"))
    await hear(owner, Receipt(DELIVERED, ref="x1", address=NUMBER))
    assert (await guest.state(message))[0] == "delivered"


async def test_who_takes_the_line_over_settles_the_intents_of_all(both: tuple[Relay, Guest]) -> None:
    owner, _ = both
    messages = [(relay, await relay.send(channel="smpp")) for relay in both]
    await owner.claim("sms")
    assert await owner.restart("sms", epoch=2) == 2
    for relay, message in messages:
        assert (await relay.told(message))["attempts"][0]["state"] == "unknown"


async def test_a_reference_that_comes_again_is_that_of_the_newest_attempt(both: tuple[Relay, Guest]) -> None:
    owner, guest = both
    old = await owner.send(channel="smpp")
    await owner.take("sms", Accepted(("again",)))
    owner.clock.advance(1)
    new = await guest.send(channel="smpp")
    await owner.take("sms", Accepted(("again",)))
    await hear(owner, Receipt(DELIVERED, ref="again"))
    assert ((await owner.state(old))[0], (await guest.state(new))[0]) == ("sent", "delivered")


# ── an end ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("by", ["owner", "guest"])
async def test_after_the_end_nothing_new_goes_and_what_went_is_still_heard_of(
    both: tuple[Relay, Guest], by: str
) -> None:
    owner, guest = both
    line_id = owner.lines["sms"].id
    gone = await guest.send(channel="smpp")
    await owner.take("sms", Accepted(("gone",)))
    waits = await guest.send(steps=[{"line": LENT, "wait_s": 60}])
    if by == "owner":
        await lines.take_back(owner.ground, owner.workspace_id, line_id, guest.workspace_id)
    else:
        await lines.give_back(owner.ground, guest.workspace_id, line_id)
    await reload(owner, guest)
    assert await owner.claim("sms") == []
    await hear(owner, Receipt(DELIVERED, ref="gone"))
    assert (await guest.state(gone))[0] == "delivered"
    assert {one["line"] for one in (await guest.told(gone))["attempts"]} == {LENT}
    owner.clock.advance(7 * 86_400)
    await owner.ground.db.run(plan.due, owner.world, guest.workspace_id, owner.clock.now(), 100)
    assert (await guest.state(waits))[2]  # it has ended: no line took it
    with pytest.raises(Problem):
        await lines.take_back(owner.ground, owner.workspace_id, line_id, guest.workspace_id)


# ── customers answer ─────────────────────────────────────────────────────────────────────────────────


async def test_a_customer_answers_whoever_wrote_last(both: tuple[Relay, Guest]) -> None:
    owner, guest = both

    def said(ref: str, **given: str) -> Inbound:
        return Inbound(**{"ref": ref, "sender": NUMBER, "recipient": "Shop", "text": "yes", **given})

    await hear(owner, said("i1"))
    assert (len(await heard(owner)), len(await heard(guest))) == (1, 0)  # nobody wrote: the line's owner
    await owner.send(channel="smpp")
    await owner.take("sms", Accepted(("of-owner",)))
    owner.clock.advance(1)
    await guest.send(channel="smpp")
    await owner.take("sms", Accepted(("of-guest",)))
    await hear(owner, said("i2"))
    assert await heard(guest) == [(LENT, "inbound.received")]
    await hear(owner, said("i3", context_ref="of-owner"))  # the channel says which message it answers
    await hear(owner, said("i4", sender=STRANGER))
    assert (len(await heard(owner)), len(await heard(guest))) == (3, 1)
    owner.clock.advance(1)
    await owner.send(channel="smpp")
    await owner.take("sms", Accepted(("newer",)))
    await hear(owner, said("i2"))  # the provider says it again, and another one wrote last by now
    assert (len(await heard(owner)), len(await heard(guest))) == (3, 1)


# ── told to both ─────────────────────────────────────────────────────────────────────────────────────


async def test_both_workspaces_can_look_up_what_was_lent(both: tuple[Relay, Guest]) -> None:
    owner, guest = both
    await lines.take_back(owner.ground, owner.workspace_id, owner.lines["sms"].id, guest.workspace_id)
    for relay in both:
        found, _ = await relay.ground.db.read(facts.after, relay.workspace_id, START, 100)
        kinds = [fact.kind for fact in found if fact.kind.startswith("line.loan")]
        assert kinds == ["line.loan_offered", "line.loan_taken", "line.loan_ended"]


async def test_a_line_that_is_deleted_is_lent_to_nobody(both: tuple[Relay, Guest]) -> None:
    owner, guest = both
    await lines.delete(owner.ground, owner.workspace_id, owner.lines["sms"].id)
    assert await lines.lent_to(owner.ground, guest.workspace_id) == []
    assert await owner.ground.db.read(_loans) == 0


async def _loans(tx: Transaction) -> int:
    row = await tx.row(Statement(select(func.count()).select_from(line_guest)))
    return row[0] if row else 0

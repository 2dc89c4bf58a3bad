"""What nobody heard the end of: settled on every line, however much there is, and never left for ever."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from angarium.core.ports import Raw, Submission, Unknown
from angarium.fabric import holding
from angarium.lines import flows as lines
from angarium.messaging import claiming, receive, reconcile, send
from angarium.messaging.sender import Sender
from angarium.messaging.store import inbox
from angarium.storage.database import Trouble, unavailable
from support.relay import Relay
from support.smpp_line import delivered
from support.still import StillClock


async def offer(relay: Relay, count: int, **given: Any) -> list[int]:
    """So many messages to as many people; their ids, by the order in which they were asked for."""
    return [
        await relay.send(to={"phone": f"+3805012{number:05}"}, channel="smpp", **given)
        for number in range(count)
    ]


async def states(relay: Relay, messages: list[int]) -> set[str]:
    return {(await relay.state(message))[0] for message in messages}


async def test_a_page_of_orphans_is_followed_by_the_next(
    relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconcile, "ORPHANS_MAX", 7)
    await relay.line("sms", "smpp")
    messages = await offer(relay, 20)
    assert len(await relay.claim("sms", epoch=1)) == 20
    assert await relay.restart("sms", epoch=2) == 20
    assert await states(relay, messages) == {"unknown"}
    assert await relay.restart("sms", epoch=3) == 0


async def test_one_that_cannot_be_settled_does_not_hold_up_the_rest(
    relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconcile, "ORPHANS_MAX", 4)
    monkeypatch.setattr("angarium.messaging.poison.AGAIN_S", 0.0)
    relay.clock.sleep = _at_once  # type: ignore[method-assign]
    await relay.line("sms", "smpp")
    messages = await offer(relay, 10)
    poison = (await relay.claim("sms", epoch=1))[1]
    real = send.settle

    def settle(world: Any, case: Any, attempt: Any, *rest: Any) -> None:
        if attempt.id == poison.id:
            raise ZeroDivisionError
        real(world, case, attempt, *rest)

    monkeypatch.setattr(send, "settle", settle)
    assert await relay.restart("sms", epoch=2) == 10
    told = await relay.told(poison.message_id)
    assert told["attempts"][0]["state"] == "unknown"
    assert "ZeroDivisionError" in told["attempts"][0]["detail"]
    await relay.wait(0)
    assert await states(relay, messages) == {"unknown"}


async def _at_once(_seconds: float) -> None:
    """Time that is not waited for."""


async def test_a_line_that_is_switched_off_leaves_nothing_open(relay: Relay) -> None:
    await relay.line("sms", "smpp")
    await relay.line("viber", "viber_business")
    messages = await offer(relay, 3)
    await relay.claim("sms", epoch=1)
    await relay.change_line("sms", enabled=False)
    assert await reconcile.rescue(relay.world, relay.workspace_id, ()) == 3
    assert await states(relay, messages) == {"unknown"}
    assert await reconcile.rescue(relay.world, relay.workspace_id, ()) == 0


async def test_nor_does_one_that_is_deleted(relay: Relay) -> None:
    line = await relay.line("sms", "smpp")
    [message] = await offer(relay, 1)
    [attempt] = await relay.claim("sms", epoch=1)
    await lines.delete(relay.ground, relay.workspace_id, line.id)
    await relay.world.lines.reload([relay.workspace_id])
    assert await reconcile.rescue(relay.world, relay.workspace_id, ()) == 1
    assert (await relay.state(message))[0] == "unknown"
    assert attempt.line_id == line.id


# ── what a server journalled, and did not live to work through ───────────────────────────────────────


async def a_code_and_its_receipt(relay: Relay) -> tuple[int, int]:
    """A code whose receipt was acknowledged by a server that is killed now: its message and the callback."""
    line = await relay.line("sms", "smpp", ("otp",))
    [message] = await offer(relay, 1, deadline_s=300, **{"class": "otp"})
    [attempt] = await relay.claim("sms", epoch=1)
    receipt = delivered(b"id:77 stat:DELIVRD err:000", source=attempt.address.lstrip("+"), esm_class=4)
    entry = receive.entry(relay.world, line, Raw(receipt, {"bind": "1"}))
    await receive.journal(relay.world, [entry])
    return message, entry.id


async def test_a_receipt_that_was_acknowledged_and_not_read_is_evidence_for_whoever_takes_the_line(
    relay: Relay,
) -> None:
    """The operator does not say it again, so nothing else keeps the code from going out twice."""
    message, _ = await a_code_and_its_receipt(relay)
    relay.clock.advance(holding.TTL_S - holding.MARGIN_S)  # no other server has the line before
    assert await relay.restart("sms", epoch=2) == 1
    await relay.wait(60)
    assert await relay.attempts(message) == [("sms", "delivered")]
    assert (await relay.state(message))[0] == "delivered"


async def test_a_receipt_that_came_just_now_is_left_to_the_server_that_has_it(relay: Relay) -> None:
    message, entry_id = await a_code_and_its_receipt(relay)
    relay.clock.advance(1)
    assert await relay.restart("sms", epoch=2) == 1
    assert (await relay.state(message))[0] == "unknown"
    assert await waiting(relay) == [entry_id]


async def test_what_a_server_that_is_gone_has_journalled_is_taken_up_by_another(relay: Relay) -> None:
    """Steps wait for what it says: it does not lie until everything is tidied."""
    message, entry_id = await a_code_and_its_receipt(relay)
    assert await relay.restart("sms", epoch=2) == 1
    node = relay.ground.ids.node
    take_up = partial(reconcile.take_up_from_the_gone, relay.world, relay.workspace_id)
    relay.clock.advance(reconcile.GONE_BEHIND_S - 1)
    assert await take_up({node + 1}) == 0  # too new to be left behind
    relay.clock.advance(2)
    assert await take_up({node, node + 1}) == 0  # its server is there
    assert await waiting(relay) == [entry_id]
    assert await take_up({node + 1}) == 1
    assert await waiting(relay) == []
    assert (await relay.state(message))[0] == "delivered"


async def waiting(relay: Relay) -> list[int]:
    """What is journalled and not worked through."""
    found = await relay.ground.db.read(inbox.new_journal, relay.workspace_id, (1 << 63) - 1, 10)
    return [entry.id for entry in found]


async def test_who_starts_does_not_work_through_what_others_journal_meanwhile(
    relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While many receipts come there would be no end of it, and it would not be ready for as long."""
    await a_code_and_its_receipt(relay)
    line, real, came = relay.world.lines.every()[0], receive.work_through, list[int]()

    async def work_through(world: Any, callbacks: Any) -> None:
        entry = receive.entry(world, line, Raw(b"", {"bind": "1"}))
        await receive.journal(world, [entry])
        came.append(entry.id)
        assert len(came) < 5, "it goes on for ever"
        await real(world, callbacks)

    monkeypatch.setattr(receive, "work_through", work_through)
    relay.clock.advance(1)
    assert await reconcile.work_through_journal(relay.world, relay.workspace_id) == 1
    assert await waiting(relay) == came


# ── a line of ours ───────────────────────────────────────────────────────────────────────────────────


async def under_way(relay: Relay) -> tuple[int, int]:
    """A line that is ours, and a message that was claimed on it under our lease; their ids."""
    line = await relay.line("sms", "smpp")
    [message] = await offer(relay, 1)
    lease = await relay.ground.fabric.lease(f"line/{line.id}")
    assert lease is not None
    await relay.restart("sms", epoch=lease.epoch)
    await relay.claim("sms", epoch=lease.epoch)
    return line.id, message


async def test_what_a_line_of_ours_has_under_way_is_left_to_it_until_it_is_forgotten(relay: Relay) -> None:
    line_id, message = await under_way(relay)
    assert await reconcile.rescue(relay.world, relay.workspace_id, (line_id,)) == 0
    relay.clock.advance(reconcile.FORGOTTEN_S + 1)
    assert await reconcile.rescue(relay.world, relay.workspace_id, (line_id,)) == 1
    assert (await relay.state(message))[0] == "unknown"


async def test_what_was_claimed_under_the_lease_that_we_have_was_not_left_behind(relay: Relay) -> None:
    _, message = await under_way(relay)
    assert await reconcile.rescue(relay.world, relay.workspace_id, ()) == 0
    assert (await relay.state(message))[0] != "unknown"


# ── a sender and its claims ──────────────────────────────────────────────────────────────────────────


class Hand:
    """A connection that keeps what it is given."""

    def __init__(self) -> None:
        self.taken: list[Submission] = []

    def up(self) -> bool:
        return True

    def free(self) -> int:
        return 10

    def submit(self, batch: list[Submission]) -> None:
        self.taken += batch

    def state(self) -> str:
        return "bound"


async def a_sender(relay: Relay) -> tuple[Sender, Hand, Any]:
    """A sender on its line, its connection, and its lease."""
    ended: list[Any] = []
    sender = Sender(relay.world, relay.lines["sms"], ended.append, _heard, _heard)
    hand = Hand()
    sender._connection = hand  # type: ignore[assignment]
    lease = await relay.ground.fabric.lease(f"line/{relay.lines['sms'].id}")
    assert lease is not None
    await relay.restart("sms", epoch=lease.epoch)
    sender.ended = ended  # type: ignore[attr-defined]
    return sender, hand, lease


async def _heard(*_: Any) -> None:
    """Nothing comes in."""


async def test_a_claim_that_was_committed_and_not_heard_of_is_handed_over(
    relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The link to the database is lost with the answer to COMMIT: the intents are there, nobody has them."""
    await relay.line("sms", "smpp")
    relay.clock.sleep = _at_once  # type: ignore[method-assign]
    [message] = await offer(relay, 1)
    sender, hand, lease = await a_sender(relay)
    real, lost = claiming.claim, [True]

    async def claim(*facts: Any) -> Any:
        claimed = await real(*facts)
        if lost.pop() if lost else False:
            raise unavailable(Trouble.UNSURE, "the link was lost")
        return claimed

    monkeypatch.setattr(claiming, "claim", claim)
    await sender._send_some(lease, hand)  # type: ignore[arg-type]
    assert (await relay.attempts(message), hand.taken) == ([("sms", "submitting")], [])
    await sender._send_some(lease, hand)  # type: ignore[arg-type]
    assert (await relay.attempts(message), len(hand.taken)) == ([("sms", "submitting")], 1)
    assert (await relay.told(message))["attempts"][0]["tries"] == 1


async def test_a_code_that_expires_while_its_claim_is_committed_is_not_handed_over(
    relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    await relay.line("sms", "smpp")
    clock = relay.clock
    assert isinstance(clock, StillClock)
    old = await relay.send(channel="smpp", deadline_s=5, **{"class": "otp"})
    fresh = await relay.send(channel="smpp", deadline_s=60, **{"class": "otp"})
    sender, hand, lease = await a_sender(relay)
    real = claiming.claim

    async def slow(*facts: Any) -> Any:
        claimed = await real(*facts)
        clock.advance(5)
        return claimed

    monkeypatch.setattr(claiming, "claim", slow)
    await sender._send_some(lease, hand)  # type: ignore[arg-type]
    assert len(hand.taken) == 1
    await send.record(relay.world, sender.ended)  # type: ignore[attr-defined]
    assert await relay.state(old) == ("expired", "deadline", True)
    assert (await relay.state(fresh))[0] == "queued"
    assert "expired before it was handed over" in str((await relay.told(old))["timeline"])


async def test_what_a_connection_forgets_ends_as_unknown(relay: Relay) -> None:
    await relay.line("sms", "smpp")
    [message] = await offer(relay, 1)
    sender, hand, lease = await a_sender(relay)
    await sender._send_some(lease, hand)  # type: ignore[arg-type]
    hand.close = _heard  # type: ignore[attr-defined]
    await sender._close()
    [ended] = sender.ended  # type: ignore[attr-defined]
    assert isinstance(ended.outcome, Unknown)
    await send.record(relay.world, [ended])
    assert (await relay.state(message))[0] == "unknown"


async def test_a_code_that_waited_too_long_says_so(relay: Relay) -> None:
    """A line that was away for five minutes: what has expired is not claimed, and what is fresh goes."""
    await relay.line("sms", "smpp")
    old = await relay.send(channel="smpp", deadline_s=60, **{"class": "otp"})
    relay.clock.advance(300)
    fresh = await relay.send(channel="smpp", deadline_s=60, **{"class": "otp"})
    claimed = await relay.claim("sms")
    assert [attempt.message_id for attempt in claimed] == [fresh]
    assert await relay.state(old) == ("expired", "deadline", True)

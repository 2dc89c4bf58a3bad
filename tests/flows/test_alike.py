"""What is planned at once for many who are alike is what would be planned for each."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from functools import partial
from typing import Any

import pytest

from angarium.contacts.flows import Recipient
from angarium.core.clock import from_datetime
from angarium.core.ports import Accepted, Event, Outcome, Raw, Receipt, Refused, Unknown
from angarium.core.problems import Problem
from angarium.core.values import Reason, ReceiptStatus
from angarium.messaging import accept, alike, course, plan, receive, send
from angarium.messaging.accept import MessageInput
from angarium.messaging.alike import Alike
from angarium.messaging.case import Case
from angarium.messaging.receive import Read
from angarium.messaging.send import Ended
from angarium.messaging.store import attempts as store
from angarium.storage import together
from angarium.storage.bulk import BulkUpdate
from angarium.storage.database import Transaction
from angarium.storage.sqlite_lanes import SqliteTransaction
from angarium.storage.together import TOGETHER_MIN
from support.relay import Relay

PEOPLE: dict[str, dict[str, Any]] = {
    "plain": {},
    "alike": {},
    "of another network": {"addresses": [{"kind": "phone", "value": "+380509000000"}]},
    "long": {"name": "Імʼя " * 30},
    "elsewhere": {"addresses": [{"kind": "phone", "value": "+989121234567"}]},
    "beside": {"addresses": [{"kind": "phone", "value": "+989121234568"}]},
    "listed": {"addresses": [{"kind": "phone", "value": "+380501111111", "operator_blacklist": True}]},
    "unwilling": {"opted_out": ["promotional"]},
    "by mail": {"addresses": [{"kind": "email", "value": "a@example.com"}]},
    "with two": {
        "addresses": [
            {"kind": "phone", "value": "+380502222222"},
            {"kind": "phone", "value": "+380503333333", "preferred": True},
        ]
    },
    "abroad": {"time_zone": "Asia/Tehran", "locale": "fa"},
    "a seller": {"name": "Half price, 50 % off"},
}
BOTH = ("promotional", "service")


async def _nothing(_relay: Relay) -> None:
    """The plainest shop."""


async def _lines_by_place(relay: Relay) -> None:
    await relay.line("iran", "smpp", BOTH, price="0.001", only_to=["Iran"])
    await relay.line("dear", "smpp", BOTH, price="0.5")


async def _a_tariff(relay: Relay) -> None:
    await relay.tariff("gms", [{"price": "0.05"}, {"price": "0.002", "destination": "+380509"}])
    await relay.line("priced", "smpp", BOTH, tariff="gms")


async def _quiet_hours(relay: Relay) -> None:
    rules = [{"from": "00:00", "until": "23:00", "classes": ["promotional"], "countries": ["UA"]}]
    await relay.policy("quiet-hours", rules=rules)


async def _lots(relay: Relay) -> None:
    await relay.line("other", "smpp", BOTH)
    await relay.policy("routing", by="weighted")


async def _a_budget(relay: Relay) -> None:
    few = {"name": "few", "amount": "0.03", "currency": "EUR"}
    await relay.policy("budgets", budgets=[few])


async def _counted_links(relay: Relay) -> None:
    await relay.policy("links", base_url="https://go.shop.example")


async def _a_cap(relay: Relay) -> None:
    await relay.policy("caps", rules=[{"most": 1, "window": 1}])
    await relay.send(to={"external_id": "alike"}, **{"class": "promotional", "channel": "smpp"})
    await relay.take("sms")


# what the shop has, and whether somebody's plan is taken over by others
SHOPS: dict[str, tuple[Callable[[Relay], Awaitable[None]], bool]] = {
    "nothing": (_nothing, True),
    "lines by place": (_lines_by_place, True),
    "a tariff": (_a_tariff, True),
    "quiet hours": (_quiet_hours, True),
    "counted links": (_counted_links, True),
    "a cap": (_a_cap, True),
    "lots": (_lots, False),
    "a budget": (_a_budget, False),
}


@pytest.mark.parametrize("shop", SHOPS)
@pytest.mark.parametrize("message_class", ["promotional", "service"])
async def test_a_batch_is_planned_as_each_of_it(
    relay: Relay, shop: str, message_class: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await relay.line("sms", "smpp", BOTH, price="0.01")
    for number, (name, given) in enumerate(PEOPLE.items()):
        phone = [{"kind": "phone", "value": f"+38050{number:07}"}]
        described = {"name": name, "addresses": phone, **given}
        await relay.contact(external_id=name, **described)
    furnish, taken_over = SHOPS[shop]
    await furnish(relay)
    await relay.template("note", "{{ contact.name }}: https://shop.example/7", message_class)
    alone: list[Case] = []
    drive = plan.drive
    monkeypatch.setattr(alike.plan, "drive", lambda w, case, now: (alone.append(case), drive(w, case, now)))

    together = await _planned(relay, list(PEOPLE))
    assert (len(alone) < len(PEOPLE)) is taken_over
    monkeypatch.setattr(Alike, "plan", lambda self, case: drive(self._world, case, self._now))
    assert together == await _planned(relay, list(PEOPLE))


async def _planned(relay: Relay, people: Sequence[str]) -> list[object]:
    """What each would be told, down to the ids: those of the first time are minted again."""
    relay.ground.ids._last_ms = relay.ground.ids._sequence = 0
    asked = [MessageInput(to=Recipient(external_id=name), template="note", channel="smpp") for name in people]
    now = relay.clock.now()

    async def work(tx: Transaction) -> list[Case | Problem]:
        own = (tx, relay.world, relay.workspace_id)
        return await accept.prepare(*own, asked, now, partial(course.version, *own, now, {}))

    made = await relay.ground.db.run(work)
    cases = [one for one in made if isinstance(one, Case)]
    assert len(cases) == len(people)
    return [(case.message, case.attempts, case.created, case.decisions) for case in cases]


# class, deadline in seconds and cascade of a message, how its submission ends, and what is heard 40 s later
ANSWERED: list[tuple[str, float, str, Outcome, ReceiptStatus | None]] = [
    ("promotional", 3_600.0, "once", Accepted(("a",)), ReceiptStatus.DELIVERED),
    ("promotional", 3_600.0, "once", Accepted(("b",)), ReceiptStatus.DELIVERED),
    ("promotional", 3_600.0, "once", Accepted(("c",)), ReceiptStatus.SENT),
    ("promotional", 3_600.0, "patient", Accepted(("d",)), ReceiptStatus.DELIVERED),
    ("service", 30.0, "twice", Accepted(("e",)), ReceiptStatus.FAILED),
    ("service", 3_600.0, "twice", Accepted(("f",)), ReceiptStatus.FAILED),
    ("otp", 3_600.0, "once", Accepted(("g",)), ReceiptStatus.DELIVERED),
    ("otp", 3_600.0, "once", Accepted(("h",)), ReceiptStatus.DELIVERED),
    ("service", 3_600.0, "once", Refused(Reason.BAD_ADDRESS), None),
    ("service", 3_600.0, "once", Refused(Reason.BAD_ADDRESS), None),
    ("service", 3_600.0, "once", Refused(Reason.REJECTED), None),
    ("service", 3_600.0, "once", Unknown("silence"), None),
    ("service", 3_600.0, "once", Unknown("silence"), None),
]


async def test_a_batch_of_answers_is_followed_as_each_of_it(
    relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    await relay.line("sms", "smpp", ("promotional", "service", "otp"))
    for name, waits_s in (("once", [60.0]), ("patient", [600.0]), ("twice", [60.0, 60.0])):
        await relay.cascade(name, [{"line": "sms", "wait_s": wait_s} for wait_s in waits_s])
    asked = 0
    decide = plan.decide

    def counted(*given: Any) -> Any:
        nonlocal asked
        asked += 1
        return decide(*given)

    monkeypatch.setattr(plan, "decide", counted)
    together = await _followed(relay)
    asked_together, asked = asked, 0
    monkeypatch.setattr(plan, "_stand", lambda _case: None)
    assert together == await _followed(relay)
    assert asked_together < asked


async def test_what_comes_to_the_same_is_written_as_each_of_it(
    relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    await relay.line("sms", "smpp", ("promotional", "service", "otp"), price="0.01")
    for name, waits_s in (("once", [60.0]), ("patient", [600.0]), ("twice", [60.0, 60.0])):
        await relay.cascade(name, [{"line": "sms", "wait_s": wait_s} for wait_s in waits_s])
    one_by_one = await _followed(relay)
    monkeypatch.setattr(together, "TOGETHER_MIN", 1)
    assert one_by_one == await _followed(relay)


async def test_answers_and_receipts_that_say_the_same_are_not_written_row_by_row(
    relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    await relay.line("sms", "smpp", ("service",), price="0.01")
    for number in range(TOGETHER_MIN):
        told = {"to": {"phone": f"+3805098{number:05}"}, "class": "service", "channel": "smpp"}
        await relay.send(**told, text=f"Number {number}")
    attempts = await relay.claim("sms")
    written: list[str] = []
    update = SqliteTransaction.update

    async def counted(self: SqliteTransaction, bulk: BulkUpdate, rows: Sequence[tuple[Any, ...]]) -> int:
        written.extend([bulk.text("sqlite").split()[1]] * len(rows))
        return await update(self, bulk, rows)

    monkeypatch.setattr(SqliteTransaction, "update", counted)
    ended = [Ended(one, Accepted((str(one.id),)), 0.0) for one in attempts]
    await send.record(relay.world, ended)
    entry = receive.entry(relay.world, relay.lines["sms"], Raw(b""))
    receipts: list[Event] = [Receipt(ReceiptStatus.DELIVERED, ref=str(one.id)) for one in attempts]
    read = [Read(entry, relay.lines["sms"], receipts)]
    now = relay.clock.now()
    await relay.ground.db.run(receive._apply, relay.world, relay.workspace_id, read, now)
    assert set(written) <= {"journal"}
    kept = await relay.ground.db.read(
        store.of_messages, relay.workspace_id, [one.message_id for one in attempts]
    )
    assert [(one.state, one.cost_micros) for one in kept] == [("delivered", 10_000)] * TOGETHER_MIN


async def _followed(relay: Relay) -> list[Any]:
    """What becomes of each message when all are answered at once, and then heard of at once."""
    at, began = {}, relay.clock.now()
    for number, (message_class, deadline_s, cascade, *_) in enumerate(ANSWERED):
        asked = {"to": {"phone": f"+3805099{number:05}"}, "class": message_class, "cascade": cascade}
        at[await relay.send(**asked, text=f"Number {number}", deadline_s=deadline_s)] = number
    attempts = sorted(await relay.claim("sms"), key=lambda one: at[one.message_id])
    await send.record(relay.world, [Ended(one, ANSWERED[at[one.message_id]][3], 0.0) for one in attempts])
    relay.clock.advance(40)
    entry = receive.entry(relay.world, relay.lines["sms"], Raw(b""))
    await receive.journal(relay.world, [entry])
    heard = [(end.refs[0], status) for *_, end, status in ANSWERED if status and isinstance(end, Accepted)]
    receipts: list[Event] = [Receipt(status, ref=ref) for ref, status in heard]
    read = [Read(entry, relay.lines["sms"], receipts)]
    now = relay.clock.now()
    await relay.ground.db.run(receive._apply, relay.world, relay.workspace_id, read, now)
    found, kept = [], await relay.ground.db.read(store.of_messages, relay.workspace_id, list(at))
    for message_id in at:
        own = [one for one in kept if one.message_id == message_id]
        words = [(bool(one.content), one.state, one.reason, one.tries, one.cost_micros) for one in own]
        told = await relay.told(message_id)
        decisions = [one for event in told["timeline"] for one in event.get("decisions", ())]
        for one in decisions:
            if "until" in one:
                one["until"] = from_datetime(datetime.fromisoformat(one["until"])) - began
        found.append((told["state"], told["reason"], told["finished"], words, decisions))
    await relay.claim("sms")  # what is queued again is out of the way of the next
    return found

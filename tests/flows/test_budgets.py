"""Budgets: reserved when planned, spent when billed, given back when not; never above, side by side too."""

from __future__ import annotations

import asyncio
from collections import Counter
from random import Random
from typing import Any

import msgspec
from sqlalchemy import bindparam, select

from angarium.core import ids
from angarium.core.ports import Accepted
from angarium.core.problems import Problem
from angarium.core.values import Price, Reason, ReceiptStatus
from angarium.lines.rules import price_micros
from angarium.messaging import budgets, cancel, plan, preview, send, unknowns
from angarium.messaging.accept import MessageInput
from angarium.messaging.budgets import Standing, stand
from angarium.messaging.send import Ended
from angarium.messaging.store import attempts as attempt_store
from angarium.messaging.store.attempts import Attempt
from angarium.messaging.store.tables import attempt
from angarium.messaging.unknowns import Ruling
from angarium.storage import facts
from angarium.storage.bulk import Statement
from angarium.storage.database import Transaction
from angarium.storage.facts import Fact
from support.relay import NO_ANSWER, Relay, refused

_attempts = Statement(
    select(*attempt.columns).where(attempt.c.workspace_id == bindparam("workspace_id")).order_by(attempt.c.id)
)
DAY = {"name": "day", "amount": "0.05", "currency": "EUR", "every": "day"}


async def state_of(relay: Relay) -> dict[str, tuple[int, int, int]]:
    """Reserved, spent and given back of each budget, in micro-units; as kept is as the attempts have it."""
    kept: list[Standing] = await relay.ground.db.read(
        budgets.standings, relay.world, relay.workspace_id, relay.clock.now()
    )
    own: Counter[tuple[str, str]] = Counter()
    for one in await relay.ground.db.read(every_attempt, relay.workspace_id):
        where = stand(one)
        for counter in one.budgets.split():
            own[counter, "reserved"] += where.reserved
            own[counter, "spent"] += where.spent
            own[counter, "given_back"] += where.given_back
            own[counter, "planned"] += one.price_micros
    found = {}
    for one_ in kept:
        counter = one_.counter
        name = counter.counter
        there = (counter.reserved, counter.spent, counter.given_back)
        assert there == tuple(own[name, word] for word in ("reserved", "spent", "given_back"))
        assert sum(there) == own[name, "planned"]
        found[one_.budget.name] = there
    return found


async def every_attempt(tx: Transaction, workspace_id: int) -> list[Attempt]:
    """All attempts of a workspace."""
    return [attempt_store.read(row) for row in await tx.rows(_attempts, workspace_id=workspace_id)]


async def told(relay: Relay) -> list[str]:
    """The facts about budgets, in their order."""
    found: list[Fact] = await relay.ground.db.read(facts.of_subject, relay.workspace_id, relay.workspace_id)
    return [one.kind for one in found if one.kind.startswith("budget.")]


async def test_reserved_then_spent(relay: Relay) -> None:
    await relay.line("sms", "smpp", price="0.02")
    await relay.policy("budgets", budgets=[DAY])
    await relay.send(channel="smpp")
    assert await state_of(relay) == {"day": (20_000, 0, 0)}
    await relay.take("sms")
    assert await state_of(relay) == {"day": (0, 20_000, 0)}


async def test_what_is_not_taken_is_given_back(relay: Relay) -> None:
    await relay.line("sms", "smpp", price="0.02")
    await relay.policy("budgets", budgets=[DAY])
    await relay.send(channel="smpp")
    await relay.take("sms", refused(Reason.BAD_ADDRESS))
    assert await state_of(relay) == {"day": (0, 0, 20_000)}
    message_id = await relay.send(channel="smpp")
    case = await relay.ground.db.run(
        cancel.cancel, relay.world, relay.workspace_id, message_id, relay.clock.now()
    )
    assert case.message.state == "cancelled"
    assert await state_of(relay) == {"day": (0, 0, 40_000)}


async def test_beyond_it_nothing_is_planned_and_the_rule_is_named(relay: Relay) -> None:
    await relay.line("sms", "smpp", price="0.02")
    await relay.policy("budgets", budgets=[DAY])
    sent = [await relay.send(channel="smpp") for _ in range(3)]
    assert [await relay.state(one) for one in sent][2] == ("failed", "budget", True)
    [event] = (await relay.told(sent[2]))["timeline"]
    [skip] = [one for one in event["decisions"] if one["do"] == "skip"]
    assert (skip["rule"], skip["set_at"]) == ("budget", "/v1/policies/budgets")
    assert "0.01 of 0.05 EUR is left this day" in skip["detail"]
    assert await state_of(relay) == {"day": (40_000, 0, 0)}
    assert await told(relay) == ["budget.warning", "budget.spent"]
    await relay.send(channel="smpp")
    assert await told(relay) == ["budget.warning", "budget.spent"]


async def test_a_cheaper_step_goes_where_the_dear_one_may_not(relay: Relay) -> None:
    await relay.line("sms", "smpp", price="0.09")
    await relay.line("vk", "vk_notify", price="0.01")
    await relay.policy("budgets", budgets=[DAY])
    message_id = await relay.send(channel="", steps=[{"channel": "smpp"}, {"channel": "vk_notify"}])
    assert await relay.attempts(message_id) == [("vk", "queued")]


async def test_it_is_held_until_tomorrow_and_counts_there(relay: Relay) -> None:
    await relay.line("sms", "smpp", price="0.03")
    await relay.policy("budgets", zone="Asia/Tehran", budgets=[{**DAY, "then": "hold"}])
    sent = [await relay.send(channel="smpp") for _ in range(3)]
    assert [(await relay.state(one))[0] for one in sent] == ["queued", "scheduled", "scheduled"]
    due = [(await relay.told(one))["attempts"][0]["planned_at"] for one in sent[1:]]
    assert len(set(due)) == 2  # the day after tomorrow there is room for the third
    assert all(at.endswith("T20:30:00.000Z") for at in due)
    assert await state_of(relay) == {"day": (30_000, 0, 0)}
    await relay.take("sms")
    relay.clock.advance(86_400.0)
    assert await state_of(relay) == {"day": (30_000, 0, 0)}
    await relay.take("sms")
    assert await state_of(relay) == {"day": (0, 30_000, 0)}


async def test_a_code_goes_on_only_when_the_policy_says_so(relay: Relay) -> None:
    await relay.line("sms", "smpp", price="0.05")
    await relay.policy("budgets", budgets=[DAY])
    await relay.send(channel="smpp")
    code = {"channel": "smpp", "class": "otp", "text": "4321"}
    assert (await relay.state(await relay.send(**code)))[:2] == ("failed", "budget")
    await relay.policy("budgets", budgets=[{**DAY, "exempt": ["otp"]}])
    assert (await relay.state(await relay.send(**code)))[0] == "queued"
    assert await state_of(relay) == {"day": (100_000, 0, 0)}  # it counts all the same


async def test_by_class_line_and_currency(relay: Relay) -> None:
    await relay.line("sms", "smpp", ("service", "promotional"), price="0.02")
    await relay.line("rub", "smpp", ("service",), price="5", currency="RUB")
    limits = [
        {**DAY, "name": "adverts", "class": "promotional"},
        {**DAY, "name": "sms", "line": "sms", "amount": "0.1"},
    ]
    await relay.policy("budgets", budgets=limits)
    for _ in range(2):
        await relay.send(line="sms")
        await relay.send(line="sms", **{"class": "promotional"})
    await relay.send(line="rub")
    assert await state_of(relay) == {"adverts": (40_000, 0, 0), "sms": (80_000, 0, 0)}
    refused_ = await relay.send(line="sms", **{"class": "promotional"})
    assert (await relay.state(refused_))[1] == "budget"
    assert (await relay.state(await relay.send(line="sms")))[0] == "queued"


async def test_the_provider_s_price_moves_what_was_spent(relay: Relay) -> None:
    await relay.line("sms", "smpp", price="0.02")
    await relay.policy("budgets", budgets=[DAY])
    await relay.send(channel="smpp")
    await relay.take("sms", Accepted(("a",), Price(15_000, "EUR")))
    assert await state_of(relay) == {"day": (0, 15_000, 5_000)}
    await relay.receipt("sms", ReceiptStatus.DELIVERED, "a", price=Price(0, ""))
    assert await state_of(relay) == {"day": (0, 0, 20_000)}


async def test_of_what_nobody_knows_it_stays_reserved(relay: Relay) -> None:
    await relay.line("sms", "smpp", ("promotional",), price="0.02")
    await relay.policy("budgets", budgets=[{**DAY, "amount": "1"}])
    message_id = await relay.send(channel="smpp", **{"class": "promotional"})
    await relay.take("sms", NO_ANSWER)
    await relay.wait(120.0)
    assert await state_of(relay) == {"day": (20_000, 0, 0)}
    order = unknowns.Order(message_id, Ruling.NOT_SENT, "asked them", "key_test")
    await relay.ground.db.run(unknowns.decide, relay.world, relay.workspace_id, [order], relay.clock.now())
    assert await state_of(relay) == {"day": (0, 0, 20_000)}


async def test_what_a_policy_has_become_does_not_matter_to_what_was_reserved(relay: Relay) -> None:
    await relay.line("sms", "smpp", price="0.02")
    await relay.policy("budgets", budgets=[DAY])
    await relay.send(channel="smpp")
    await relay.policy("budgets")
    await relay.send(channel="smpp")  # counted by none
    for one in await relay.claim("sms"):
        await relay.answer(one, Accepted((str(one.id),)))
    await relay.policy("budgets", budgets=[DAY])
    assert await state_of(relay) == {"day": (0, 20_000, 0)}


async def test_a_preview_says_so_and_takes_nothing(relay: Relay) -> None:
    await relay.line("sms", "smpp", price="0.03")
    await relay.policy("budgets", budgets=[DAY])
    await relay.send(channel="smpp")
    asked = relay_message()
    for _ in range(2):
        [found] = await relay.ground.db.read(
            preview.preview, relay.world, relay.workspace_id, [asked], relay.clock.now()
        )
        assert isinstance(found, dict)
        [step] = found["steps"]
        assert (step["goes"], step["rule"], step["set_at"]) == (False, "budget", "/v1/policies/budgets")
        [check] = [one for one in step["checks"] if one["rule"] == "budget"]
        assert check["verdict"] == "refuse"
    assert await state_of(relay) == {"day": (30_000, 0, 0)}
    assert await told(relay) == []


async def test_what_breaks_every_decision_gives_back_what_was_reserved(relay: Relay) -> None:
    await relay.line("sms", "smpp", price="0.02")
    await relay.policy("budgets", budgets=[DAY])
    message_id = await relay.send(channel="smpp")
    await relay.ground.db.run(plan.give_up, relay.workspace_id, message_id, "it broke", relay.clock.now())
    assert await state_of(relay) == {"day": (0, 0, 20_000)}
    await relay.send(channel="smpp")
    [one] = await relay.claim("sms")
    await send.set_aside(relay.world, Ended(one, refused(Reason.BAD_ADDRESS), 0.0), "it broke")
    assert await state_of(relay) == {"day": (0, 0, 40_000)}


async def test_fifty_side_by_side_never_go_above_it(relay: Relay) -> None:
    await relay.line("sms", "smpp", price="0.03")
    await relay.policy(
        "budgets", budgets=[{**DAY, "amount": "0.5"}, {**DAY, "name": "half", "amount": "0.25"}]
    )
    described = [
        {"to": {"phone": f"+3805012345{n:02}"}, "class": "service", "text": "Hello", "channel": "smpp"}
        for n in range(50)
    ]
    answers = await asyncio.gather(*(relay.order(one) for one in described))
    assert not any(isinstance(one, Problem) for one in answers)
    states = Counter([(await relay.state(ids.read("message", one["id"])))[:2] for one in answers])
    assert states == {("queued", ""): 8, ("failed", "budget"): 42}
    assert await state_of(relay) == {"day": (240_000, 0, 0), "half": (240_000, 0, 0)}
    assert await told(relay) == ["budget.warning", "budget.spent"]
    claimed = await relay.claim("sms")
    await asyncio.gather(*(relay.answer(one, Accepted((str(one.id),))) for one in claimed))
    assert await state_of(relay) == {"day": (0, 240_000, 0), "half": (0, 240_000, 0)}


async def test_reserved_and_spent_and_given_back_are_what_was_planned_whatever_happens(relay: Relay) -> None:
    """Promise 23: a story by dice, looked at after every step (`state_of` compares with the attempts)."""
    chance = Random(23)
    await relay.tariff("gms", [{"price": "0.01"}, {"price": "0.004", "volume_from": 20}])
    await relay.line("sms", "smpp", tariff="gms")
    await relay.line("vk", "vk_notify", price="0.003")
    await relay.policy(
        "budgets", budgets=[{**DAY, "amount": "0.4"}, {**DAY, "name": "month", "every": "month"}]
    )
    refs: list[tuple[str, str]] = []
    for number in range(60):
        steps = [{"channel": "vk_notify", "wait_s": 60}, {"channel": "smpp"}]
        text = "ж" * chance.choice([10, 100, 200])
        await relay.send(channel="", steps=chance.sample(steps, chance.randint(1, 2)), text=text)
        for line in ("sms", "vk"):
            for one in await relay.claim(line, limit=chance.randint(1, 3)):
                refs += await answered(relay, one, line, f"ref{number}", chance)
        if refs and chance.random() < 0.5:
            line, ref = refs.pop(chance.randrange(len(refs)))
            status = chance.choice([ReceiptStatus.DELIVERED, ReceiptStatus.FAILED])
            await relay.receipt(line, status, ref)
        await relay.wait(chance.choice([1.0, 61.0]))
        await state_of(relay)
    final = await state_of(relay)
    assert all(part >= 0 for parts in final.values() for part in parts)
    assert final["day"][1] > 0 < final["day"][2]
    spent = sum(one.cost_micros for one in await relay.ground.db.read(every_attempt, relay.workspace_id))
    messages = [
        await relay.told(message_id)
        for message_id in {
            one.message_id for one in await relay.ground.db.read(every_attempt, relay.workspace_id)
        }
    ]
    assert sum(price_micros(one["cost"]["amount"]) or 0 for one in messages) == spent


async def answered(relay: Relay, one: Attempt, line: str, ref: str, chance: Random) -> list[tuple[str, str]]:
    """The provider takes it, or not, or says nothing; the reference that it gave."""
    outcome = chance.choice(["taken", "taken", "refused", "silent", "throttled"])
    if outcome == "taken":
        await relay.answer(one, Accepted((f"{ref}-{one.id}",)))
        return [(line, f"{ref}-{one.id}")]
    said = {
        "refused": refused(Reason.BAD_ADDRESS),
        "throttled": refused(Reason.THROTTLED),
        "silent": NO_ANSWER,
    }
    await relay.answer(one, said[outcome])
    return []


def relay_message(**given: Any) -> Any:
    """A message to somebody in Ukraine."""
    return msgspec.convert(
        {"to": {"phone": "+380501234567"}, "class": "service", "text": "Hello", "channel": "smpp", **given},
        MessageInput,
    )

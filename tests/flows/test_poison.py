"""A message that breaks our own code fails alone, with a reason, after three tries; its neighbours go on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from angarium.channels import smpp
from angarium.core.ports import Raw
from angarium.messaging import answering, claiming, plan, receive, send
from angarium.messaging.accept import Order
from angarium.messaging.answering import Answer
from angarium.messaging.api import Desk
from angarium.messaging.case import Case
from angarium.messaging.poison import TRIES
from angarium.simulators.smsc import Smsc
from angarium.simulators.stage import Stage
from angarium.storage.database import Database
from support.running import Running, a_smsc, phone, running, until

POISON = "poison"
NEIGHBOURS = 20


class Planted(Exception):
    """What a fault of ours raises."""


def plant(monkeypatch: pytest.MonkeyPatch, where: Any, name: str, poisoned: Callable[..., bool]) -> list[int]:
    """Make a function raise for what is poisoned; how often it did."""
    tries: list[int] = []
    real = getattr(where, name)

    def broken(*facts: Any, **named: Any) -> Any:
        if poisoned(*facts):
            tries.append(1)
            raise Planted
        return real(*facts, **named)

    monkeypatch.setattr(where, name, broken)
    return tries


def is_poison(made: list[Case]) -> bool:
    """Whether the first of some messages is the one that breaks what it meets."""
    return made[0].variants[0].content.text == POISON


async def all_sent(shop: Running, smsc: Smsc, *, poison_too: bool = False) -> int:
    """Send a poisoned message among its neighbours; wait until these are delivered. The id of the poison."""
    await shop.sms_line(smsc, window=10)
    await shop.engine.start()
    [poison] = await shop.batch(1, text=POISON)
    await shop.batch(NEIGHBOURS)
    expected = NEIGHBOURS + poison_too
    await until(lambda: len(smsc.ledger.entries) == expected)

    async def delivered() -> bool:
        return (await shop.report()).get("delivered", 0) >= NEIGHBOURS

    await until(delivered)
    return poison


async def ended(shop: Running, message: int, *expected: object) -> None:
    """Wait until a message is in this state for this reason."""

    async def seen() -> bool:
        return await shop.state(message) == expected

    await until(seen)


async def test_a_decision_that_breaks(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a line that never comes up: at the deadline of all of them one cannot be decided upon."""
    async with running(database, 20.0) as shop:
        await shop.line("sms", "smpp")
        [poison] = await shop.batch(1, deadline_s=5.5)
        expires_at = (await shop.message(poison)).expires_at
        neighbours = await shop.batch(NEIGHBOURS, deadline_s=6.0)
        tries = plant(monkeypatch, plan, "decide", lambda run, _now: run.expires_at == expires_at)
        await shop.engine.start()
        await ended(shop, neighbours[-1], "expired", "deadline", True)
        await ended(shop, poison, "failed", "fault", True)
        assert "Planted" in str((await shop.told(poison))["timeline"][-1])
        assert len(tries) <= TRIES


async def test_words_that_do_not_open(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    tries = plant(
        monkeypatch, send, "open_content", lambda _world, attempt: POISON.encode() in attempt.content
    )
    async with a_smsc(Smsc(Stage())) as smsc, running(database) as shop:
        poison = await all_sent(shop, smsc)
        await ended(shop, poison, "failed", "fault", True)
        assert len(tries) == 1


async def test_a_text_that_breaks_the_encoder(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    tries = plant(monkeypatch, smpp.Composer, "compose", lambda _, one, _number: one.content.text == POISON)
    async with a_smsc(Smsc(Stage())) as smsc, running(database) as shop:
        poison = await all_sent(shop, smsc)
        await ended(shop, poison, "failed", "fault", True)
        assert len(tries) == 1


async def test_rules_that_break_at_the_claim(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    async with a_smsc(Smsc(Stage())) as smsc, running(database) as shop:
        await shop.sms_line(smsc, window=10)
        [poison] = await shop.batch(1, text=POISON, deadline_s=777)
        expires_at = (await shop.message(poison)).expires_at
        tries = plant(monkeypatch, claiming.Judge, "judge", lambda _, facts: facts.expires_at == expires_at)
        await shop.batch(NEIGHBOURS)
        await shop.engine.start()
        await until(lambda: len(smsc.ledger.entries) == NEIGHBOURS)
        await ended(shop, poison, "failed", "fault", True)
        assert len(tries) == 1


async def test_an_outcome_that_breaks_its_record(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was taken, and is not forgotten: the attempt says so, and its receipt finds it."""
    tries = plant(
        monkeypatch, send, "settle", lambda _w, _case, attempt, *_: POISON.encode() in attempt.content
    )
    async with a_smsc(Smsc(Stage())) as smsc, running(database) as shop:
        poison = await all_sent(shop, smsc, poison_too=True)
        await ended(shop, poison, "delivered", "", True)
        assert len(tries) <= TRIES


async def test_a_receipt_that_breaks_what_it_changes(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_smsc(Smsc(Stage()), receipt_delay_s=0.5) as smsc, running(database) as shop:
        address = phone(0)
        tries = plant(
            monkeypatch,
            receive,
            "_apply_word",
            lambda _world, _case, word, *_: word.receipt.address == address,
        )
        await shop.sms_line(smsc, window=10)
        await shop.engine.start()
        messages = await shop.batch(NEIGHBOURS)

        async def delivered() -> bool:
            return (await shop.report()) == {"delivered": NEIGHBOURS - 1, "sent": 1}

        await until(delivered)

        async def given_up() -> bool:
            return len(await shop.unread()) == 1

        await until(given_up)
        assert (await shop.state(messages[0]))[0] == "sent"
        assert len(tries) <= TRIES + 1  # once more without its neighbours of the same piece


async def test_a_callback_that_breaks_does_not_keep_the_server_from_starting(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_smsc(Smsc(Stage())) as smsc, running(database) as shop:
        await shop.sms_line(smsc)
        entries = [
            receive.entry(shop.world, shop.lines["sms"], raw) for raw in (Raw(b"1"), Raw(b"2"), Raw(b"3"))
        ]
        await receive.journal(shop.world, entries)
        plant(monkeypatch, receive, "_not_understood", lambda read: read.entry.id == entries[1].id)
        await shop.engine.start()
        assert "Planted" in dict(await shop.unread())[entries[1].id]


async def test_a_request_that_breaks_is_answered_alone(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_smsc(Smsc(Stage())) as smsc, running(database) as shop:
        await shop.sms_line(smsc)
        await shop.world.lines.reload([shop.workspace_id])
        plant(monkeypatch, answering, "answer", is_poison)
        desk = Desk(shop.world, shop.engine)
        offered = [
            desk.offer(Order(shop.workspace_id, (shop.asked(text),), batch=False))
            for text in ("one", POISON, "two")
        ]
        one, poisoned, two = await asyncio.gather(*offered, return_exceptions=True)
        assert isinstance(one, Answer)
        assert isinstance(two, Answer)
        assert isinstance(poisoned, Planted)


async def test_the_log_says_which_it_was(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch, send, "open_content", lambda _world, attempt: POISON.encode() in attempt.content)
    async with a_smsc(Smsc(Stage())) as smsc, running(database) as shop:
        await all_sent(shop, smsc)
        [entry] = [entry for entry in shop.logs if entry["log_level"] == "error"]
        assert entry["event"] == "could not prepare a submission"
        assert "attempt" in entry

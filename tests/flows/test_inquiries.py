"""Providers that do not tell what became of messages are asked, ever more seldom, until they say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from angarium import channels
from angarium.core.ports import Asks, Event, Inquiry, Receipt, Unknown, Unreadable
from angarium.core.values import Reason, ReceiptStatus
from angarium.messaging.inquiries import SILENT_S, Inquirer
from angarium.simulators.faces import operators
from angarium.simulators.stage import Stage
from angarium.storage.database import Database
from support.relay import Relay
from support.running import running, until

NO_ANSWER = Unknown("no answer")
HOUR_S, DAY_S = 3_600.0, 86_400.0
DELIVERED, FAILED = ReceiptStatus.DELIVERED, ReceiptStatus.FAILED


class Provider:
    """We play it: `says` is what it answers of each attempt, by reference or by our name."""

    def __init__(self, **how: Any) -> None:
        self.says: dict[str, Event] = {}
        self.asked: list[list[Inquiry]] = []
        self.silent = False
        self.asks = Asks(self._ask, **{"most": 2, **how})

    async def _ask(self, _tools: Any, _settings: Any, inquiries: Sequence[Inquiry]) -> list[Event] | Unknown:
        self.asked.append(list(inquiries))
        if self.silent:
            return Unknown("HTTP 502")
        names = [name for one in inquiries for name in (*one.refs, one.client_ref)]
        return [self.says[name] for name in names if name in self.says]


async def shop_with(relay: Relay, provider: Provider) -> Inquirer:
    """A line to a provider that has to be asked, and who asks on it."""
    kind = replace(channels.load()["melipayamak_sms"], asks=provider.asks)
    relay.world.channels = {**relay.world.channels, "melipayamak_sms": kind}
    settings = {"username": "u", "password": "p", "sender": "50001234"}
    await relay.line("sms", "melipayamak_sms", settings=settings)
    return Inquirer(relay.world, relay.lines["sms"], provider.asks)


async def state(relay: Relay, message: int) -> str:
    return (await relay.state(message))[0]


async def test_many_are_asked_about_in_lots_and_no_more_after_the_verdict(relay: Relay) -> None:
    provider = Provider()
    inquirer = await shop_with(relay, provider)
    messages = [await relay.send(line="sms") for _ in range(3)]
    for attempt in await relay.claim("sms"):
        await relay.answer(attempt, relay.accepted())
    assert await inquirer.work() == 0  # it is too soon
    relay.clock.advance(12)
    provider.says = {
        "ref1": Receipt(DELIVERED, ref="ref1"),
        "ref2": Receipt(FAILED, ref="ref2", reason=Reason.UNDELIVERED),
    }
    assert await inquirer.work() == 3
    assert [len(lot) for lot in provider.asked] == [2, 1]
    assert sorted(one.refs for lot in provider.asked for one in lot) == [("ref1",), ("ref2",), ("ref3",)]
    assert [await state(relay, one) for one in messages] == ["delivered", "failed", "sent"]
    relay.clock.advance(40)
    assert await inquirer.work() == 1  # of the third alone
    assert [one.refs for one in provider.asked[-1]] == [("ref3",)]


async def test_a_server_that_takes_over_goes_on_asking_and_ends_when_the_provider_forgets(
    relay: Relay,
) -> None:
    provider = Provider(within_s=DAY_S)
    await shop_with(relay, provider)
    message = await relay.send(line="sms")
    await relay.take("sms")
    begun, asked_at = relay.clock.now(), []
    for _ in range(600):
        relay.clock.advance(240)
        fresh = Inquirer(relay.world, relay.lines["sms"], provider.asks)  # it remembers nothing
        before = len(provider.asked)
        await fresh.work()
        asked_at += [(relay.clock.now() - begun) / 1e6] * (len(provider.asked) - before)
    pauses = [later - sooner for sooner, later in pairwise(asked_at)]
    assert pauses[-1] >= 6 * HOUR_S  # after 10 s, 30 s, two and ten minutes, an hour
    assert asked_at[-1] <= DAY_S
    assert 6 <= len(asked_at) <= 9
    assert await state(relay, message) == "sent"


async def test_a_provider_that_is_silent_is_asked_again_soon_and_the_turn_is_not_lost(relay: Relay) -> None:
    provider = Provider()
    inquirer = await shop_with(relay, provider)
    message = await relay.send(line="sms")
    await relay.take("sms")
    provider.silent = True
    for _ in range(3):
        relay.clock.advance(SILENT_S)
        assert await inquirer.work() == 1
    provider.silent, provider.says = False, {"ref1": Receipt(DELIVERED, ref="ref1")}
    relay.clock.advance(SILENT_S)
    await inquirer.work()
    assert await state(relay, message) == "delivered"


async def test_what_was_never_answered_is_asked_about_by_our_own_reference(relay: Relay) -> None:
    provider = Provider(taken=False, unanswered=True)
    inquirer = await shop_with(relay, provider)
    unknown, taken = await relay.send(line="sms"), await relay.send(line="sms")
    first, second = await relay.claim("sms")
    await relay.answer(first, NO_ANSWER)
    await relay.answer(second, relay.accepted())
    relay.clock.advance(12)
    (client_ref,) = {one.client_ref for one in await names(provider, inquirer)}
    provider.says = {client_ref: Receipt(ReceiptStatus.ACCEPTED, ref="theirs", client_ref=client_ref)}
    relay.clock.advance(40)
    await inquirer.work()
    assert [await state(relay, one) for one in (unknown, taken)] == ["sent", "sent"]
    await relay.receipt("sms", DELIVERED, ref="theirs")  # its reference is known from now on
    assert await state(relay, unknown) == "delivered"


async def names(provider: Provider, inquirer: Inquirer) -> list[Inquiry]:
    """About whom it is asked now."""
    await inquirer.work()
    return provider.asked[-1]


async def test_who_posts_by_itself_is_asked_only_where_it_cannot_reach_us(relay: Relay) -> None:
    provider = Provider(posts=True)
    inquirer = await shop_with(relay, provider)
    relay.world.public_url = "https://shop.example"
    await relay.send(line="sms")
    await relay.take("sms")
    relay.clock.advance(60)
    assert await inquirer.work() == 0
    relay.world.public_url = ""
    await relay.send(line="sms")
    await relay.take("sms")
    relay.clock.advance(60)
    assert await inquirer.work() == 1


async def test_of_what_was_never_answered_it_is_asked_everywhere(relay: Relay) -> None:
    provider = Provider(posts=True, unanswered=True)
    inquirer = await shop_with(relay, provider)
    relay.world.public_url = "https://shop.example"
    message = await relay.send(line="sms")
    await relay.take("sms", NO_ANSWER)
    [[inquiry]] = await asked_after(relay, inquirer, provider)
    assert inquiry.refs == ()
    provider.says = {inquiry.client_ref: Receipt(ReceiptStatus.ACCEPTED, "a", inquiry.client_ref)}
    await asked_after(relay, inquirer, provider)
    assert await state(relay, message) == "sent"


async def asked_after(relay: Relay, inquirer: Inquirer, provider: Provider) -> list[list[Inquiry]]:
    """What is asked a minute later."""
    provider.asked.clear()
    relay.clock.advance(60)
    await inquirer.work()
    return provider.asked


async def test_a_status_that_is_not_understood_ends_nothing(relay: Relay) -> None:
    provider = Provider()
    inquirer = await shop_with(relay, provider)
    message = await relay.send(line="sms")
    await relay.take("sms")
    provider.says = {"ref1": Unreadable("delivery 999", "{}")}
    relay.clock.advance(12)
    assert await inquirer.work() == 1
    assert await state(relay, message) == "sent"


ASKED = [kind for kind, one in channels.load().items() if one.asks and one.asks.taken]


@pytest.mark.parametrize("kind", ASKED)
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_over_sockets_the_verdict_is_asked_for(database: Database, kind: str) -> None:
    operator, stage = operators()[kind], Stage()
    face = operator.make(stage, 0)
    await face.start()
    try:
        async with running(database, speed=30) as shop:  # without a public address: nothing can be posted
            await shop.line("line", kind, settings=operator.settings(face.url()))
            await shop.engine.start()
            unreached = f"{operator.recipient[:-2]}12"
            reached, missed = [
                await shop.send(to={"phone": one}, channel=kind) for one in (operator.recipient, unreached)
            ]
            await until(lambda: shop.is_in(reached, "delivered"))
            await until(lambda: shop.is_in(missed, "failed"))
    finally:
        await face.stop()


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_over_sockets_what_was_never_answered_is_found_by_our_reference(database: Database) -> None:
    operator, stage, kind = operators()["sinch_sms"], Stage(), "sinch_sms"
    face = operator.make(stage, 0)
    await face.start()
    try:
        async with running(database, speed=30) as shop:
            settings = operator.settings(face.url())
            await shop.line("line", kind, ("promotional",), settings=settings)  # where none can be told
            await shop.engine.start()
            lost = f"{operator.recipient[:-2]}08"  # taken, and the answer lost
            message = await shop.send(to={"phone": lost}, channel=kind, **{"class": "promotional"})
            await until(lambda: shop.is_in(message, "sent"))
            [entry] = face.ledger.entries
            assert entry.recipient == lost
    finally:
        await face.stop()

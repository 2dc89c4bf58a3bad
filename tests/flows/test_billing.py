"""What attempts cost once they are billed: by tier, session, parts as they were, and the list that holds."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import msgspec
import pytest

from angarium.core.clock import iso, micros
from angarium.core.ports import Accepted, Charged
from angarium.core.values import MessageClass, Price, Reason, ReceiptStatus
from angarium.lines import tariffs_store
from angarium.lines.rules import price_micros
from angarium.messaging import costs, preview, send
from angarium.messaging.accept import MessageInput
from angarium.messaging.costs import BY
from angarium.messaging.send import Ended
from angarium.messaging.store.costs import Wanted
from angarium.storage.database import Transaction
from support.relay import NO_ANSWER, Relay, refused

UA = "+380501234567"


async def cost_of(relay: Relay, message_id: int) -> tuple[str, str]:
    """What a message has cost, and its attempts together, which is the same."""
    told = await relay.told(message_id)
    own = sum(price_micros(one["cost"]["amount"]) or 0 for one in told["attempts"])
    assert own == price_micros(told["cost"]["amount"])
    return told["cost"]["amount"], told["cost"]["currency"]


async def summed(relay: Relay, by: tuple[str, ...] = BY) -> list[tuple[Any, ...]]:
    """The costs as they are summed up."""
    found = await relay.ground.db.read(costs.costs, relay.world, relay.workspace_id, Wanted(), by)
    return [(one.destination, one.messages, one.parts, one.cost, one.currency) for one in found.items]


async def told_bills(relay: Relay, message_id: int) -> list[dict[str, Any]]:
    """The bills in the timeline of a message."""
    events = (await relay.told(message_id))["timeline"]
    return [bill for event in events for bill in event.get("billed", [])]


async def test_the_line_itself_is_the_simplest_tariff(relay: Relay) -> None:
    await relay.line("sms", "smpp", price="0.0125", price_per="part")
    message_id = await relay.send(channel="smpp", text="ж" * 100)
    assert await cost_of(relay, message_id) == ("0", "")
    await relay.take("sms")
    assert await cost_of(relay, message_id) == ("0.025", "EUR")
    assert await summed(relay) == [("UA", 1, 2, "0.025", "EUR")]
    bill = {"step": 1, "amount": "0.025", "currency": "EUR", "by": "the line's own price"}
    assert await told_bills(relay, message_id) == [bill]


async def test_a_line_that_costs_nothing_is_not_summed_up(relay: Relay) -> None:
    await relay.line("sms", "smpp", price="0")
    await relay.send(channel="smpp")
    await relay.take("sms")
    assert await summed(relay) == []


async def test_the_row_that_decided_is_told_before_and_after(relay: Relay) -> None:
    rows = [{"price": "0.05"}, {"price": "0.031", "destination": "+38050", "class": "service"}]
    await relay.tariff("gms", rows)
    await relay.line("sms", "smpp", tariff="gms")
    message_id = await relay.send(channel="smpp")
    [event] = (await relay.told(message_id))["timeline"]
    by = "+38050 service 0.031 a part"
    [sent] = [one for one in event["decisions"] if one["do"] == "send"]
    assert sent["price"] == {"amount": "0.031", "currency": "EUR", "by": by}
    await relay.take("sms")
    assert [(one["amount"], one["by"]) for one in await told_bills(relay, message_id)] == [("0.031", by)]
    assert await summed(relay) == [("+38050", 1, 1, "0.031", "EUR")]


async def test_what_no_row_names_costs_what_the_line_says(relay: Relay) -> None:
    await relay.tariff("mci", [{"price": "0.7", "destination": "IR"}])
    await relay.line("sms", "smpp", tariff="mci", price="0.09")
    message_id = await relay.send(channel="smpp")
    await relay.take("sms")
    assert await cost_of(relay, message_id) == ("0.09", "EUR")


async def test_the_tier_is_the_one_the_month_had_come_to(relay: Relay) -> None:
    rows = [{"price": "1"}, {"price": "0.5", "volume_from": 3}, {"price": "0.25", "volume_from": 5}]
    await relay.tariff("volume", rows, zone="Asia/Tehran")
    await relay.line("sms", "smpp", tariff="volume")
    sent = [await relay.send(channel="smpp") for _ in range(4)]
    for attempt in await relay.claim("sms"):
        await relay.answer(attempt, Accepted((str(attempt.id),)))
    assert [(await cost_of(relay, one))[0] for one in sent] == ["1", "1", "1", "0.5"]
    sent = [await relay.send(channel="smpp") for _ in range(3)]
    claimed = await relay.claim("sms")
    await send.record(relay.world, [Ended(one, Accepted((str(one.id),)), 0.0) for one in claimed])
    assert Counter([(await cost_of(relay, one))[0] for one in sent]) == {"0.5": 1, "0.25": 2}
    relay.clock.advance(40 * 86_400.0)
    message_id = await relay.send(channel="smpp")
    await relay.take("sms")
    assert await cost_of(relay, message_id) == ("1", "EUR")  # a new month


async def test_a_message_of_many_parts_counts_its_parts(relay: Relay) -> None:
    await relay.tariff("volume", [{"price": "1"}, {"price": "0.5", "volume_from": 3}])
    await relay.line("sms", "smpp", tariff="volume")
    first, second = [await relay.send(channel="smpp", text="ж" * 100) for _ in range(2)]
    third = await relay.send(channel="smpp")
    claimed = {one.message_id: one for one in await relay.claim("sms")}
    for message_id in (first, second, third):
        await relay.answer(claimed[message_id], Accepted((f"ref{message_id}",)))
    costs_ = [(await cost_of(relay, one))[0] for one in (first, second, third)]
    assert costs_ == ["2", "2", "0.5"]  # the second began below the threshold


async def test_the_month_is_of_the_tariff_or_of_each_line(relay: Relay) -> None:
    rows = [{"price": "1"}, {"price": "0.5", "volume_from": 1}]
    for counts, expected in (("tariff", "0.5"), ("line", "1")):
        await relay.tariff(counts, rows, counts=counts)
        for place in ("first", "second"):
            await relay.line(f"{counts}-{place}", "smpp", tariff=counts)
        await relay.send(line=f"{counts}-first")
        await relay.take(f"{counts}-first")
        message_id = await relay.send(line=f"{counts}-second")
        await relay.take(f"{counts}-second")
        assert await cost_of(relay, message_id) == (expected, "EUR")


async def test_within_a_session_nothing_more_is_billed(relay: Relay) -> None:
    rows = [{"price": "0.1", "unit": "session", "session_h": 24}, {"price": "9", "destination": "+98"}]
    await relay.tariff("sessions", rows)
    await relay.line("sms", "smpp", tariff="sessions")
    sent = [await relay.send(channel="smpp") for _ in range(3)]
    claimed = await relay.claim("sms")
    await send.record(relay.world, [Ended(one, Accepted((str(one.id),)), 0.0) for one in claimed])
    assert Counter([(await cost_of(relay, one))[0] for one in sent]) == {"0.1": 1, "0": 2}
    relay.clock.advance(23 * 3_600.0)
    sent = [await relay.send(channel="smpp"), await relay.send(channel="smpp", to={"phone": "+380671234567"})]
    for attempt in await relay.claim("sms"):
        await relay.answer(attempt, Accepted((str(attempt.id),)))
    assert [(await cost_of(relay, one))[0] for one in sent] == ["0", "0.1"]  # another person, another session
    relay.clock.advance(3_601.0)
    message_id = await relay.send(channel="smpp")
    await relay.take("sms")
    assert await cost_of(relay, message_id) == ("0.1", "EUR")
    assert sum(one[1] for one in await summed(relay)) == 6
    told = await relay.ground.db.read(
        tariffs_store.volumes, relay.workspace_id, sorted({iso(relay.clock.now())[:7]})
    )
    assert list(told.values()) == [3]  # sessions, and not messages


async def test_a_new_list_holds_from_its_instant_and_bills_what_is_accepted_then(relay: Relay) -> None:
    tariff = await relay.tariff("gms", [{"price": "1"}])
    await relay.line("sms", "smpp", tariff="gms")
    later = iso(relay.clock.now() + micros(3_600.0))
    await relay.prices(tariff, [{"price": "2"}], valid_from=later)
    before = await relay.send(channel="smpp")
    await relay.take("sms")
    queued = await relay.send(channel="smpp")
    relay.clock.advance(3_601.0)
    await relay.take("sms")
    assert [await cost_of(relay, one) for one in (before, queued)] == [("1", "EUR"), ("2", "EUR")]


async def test_a_list_ends_and_the_one_before_holds_again(relay: Relay) -> None:
    tariff = await relay.tariff("gms", [{"price": "2"}])
    await relay.line("sms", "smpp", tariff="gms")
    until = iso(relay.clock.now() + micros(3_600.0))
    await relay.prices(tariff, [{"price": "1"}], valid_until=until)
    costs_ = []
    for _ in range(2):
        message_id = await relay.send(channel="smpp")
        await relay.take("sms")
        costs_.append((await cost_of(relay, message_id))[0])
        relay.clock.advance(3_601.0)
        await relay.world.lines.reload([relay.workspace_id])
    assert costs_ == ["1", "2"]


async def test_the_parts_are_those_that_went_out(relay: Relay) -> None:
    await relay.tariff("gms", [{"price": "1"}])
    await relay.line("sms", "smpp", tariff="gms")
    await relay.line("plain", "smpp", price="0.5", price_per="part")
    for line, expected in (("sms", "3"), ("plain", "1.5")):
        message_id = await relay.send(line=line, text="ж" * 100)
        await relay.take(line, Accepted((f"{line}a", f"{line}b", f"{line}c")))
        assert await cost_of(relay, message_id) == (expected, "EUR")
        [attempt] = (await relay.told(message_id))["attempts"]
        assert attempt["parts"] == 3


async def test_a_channel_that_bills_on_delivery_bills_once_then(relay: Relay) -> None:
    await relay.tariff("viber", [{"price": "0", "destination": "IR"}, {"price": "0.03", "unit": "message"}])
    await relay.line("viber", "viber_business", tariff="viber")
    message_id = await relay.send(channel="viber_business")
    await relay.take("viber")
    assert await cost_of(relay, message_id) == ("0", "")
    for status in (ReceiptStatus.DELIVERED, ReceiptStatus.READ, ReceiptStatus.DELIVERED):
        await relay.receipt("viber", status)
    assert await cost_of(relay, message_id) == ("0.03", "EUR")
    assert [(one[1], one[3]) for one in await summed(relay)] == [(1, "0.03")]


async def test_a_free_message_is_billed_once_too(relay: Relay) -> None:
    await relay.tariff("free", [{"price": "0"}, {"price": "1", "volume_from": 2}])
    await relay.line("sms", "smpp", tariff="free")
    await relay.send(channel="smpp")
    await relay.take("sms")
    for _ in range(3):
        await relay.receipt("sms", ReceiptStatus.DELIVERED)
    message_id = await relay.send(channel="smpp")
    await relay.take("sms")
    assert await cost_of(relay, message_id) == ("0", "EUR")  # the month has come to one, not to four
    assert [(one[1], one[2]) for one in await summed(relay)] == [(2, 2)]


async def test_what_the_provider_tells_corrects_what_we_reckoned(relay: Relay) -> None:
    await relay.line("sms", "smpp", price="0.05")
    message_id = await relay.send(channel="smpp")
    await relay.take("sms", Accepted(("a",), Price(41_000, "EUR")))
    assert await cost_of(relay, message_id) == ("0.041", "EUR")
    await relay.receipt("sms", ReceiptStatus.DELIVERED, "a", price=Price(0, ""))
    assert await cost_of(relay, message_id) == ("0", "EUR")
    await relay.receipt("sms", ReceiptStatus.DELIVERED, "a", price=Price(7, "USD"))
    assert await cost_of(relay, message_id) == ("0", "EUR")  # no money of ours
    assert await summed(relay) == [("UA", 1, 1, "0", "EUR")]


@pytest.mark.parametrize(
    ("classes", "cost"),
    [
        ((MessageClass.PROMOTIONAL,), "0.1"),
        ((MessageClass.SERVICE, MessageClass.TRANSACTIONAL), "0.02"),
        ((), "0.02"),
    ],
)
async def test_it_costs_as_what_the_provider_charges_for(
    relay: Relay, classes: tuple[MessageClass, ...], cost: str
) -> None:
    await relay.tariff(
        "meta", [{"price": "0.02", "class": "service"}, {"price": "0.1", "class": "promotional"}]
    )
    await relay.line("viber", "viber_business", tariff="meta")  # billed on delivery, as WhatsApp is
    message_id = await relay.send(channel="viber_business")
    await relay.take("viber")
    charged = Charged("marketing, PMP", classes)
    for status in (ReceiptStatus.SENT, ReceiptStatus.DELIVERED, ReceiptStatus.READ):
        await relay.receipt("viber", status, relay.last_ref(), charged=charged)
    assert await cost_of(relay, message_id) == (cost, "EUR")
    [bill] = await told_bills(relay, message_id)
    assert (bill["amount"], bill["charged"]) == (cost, "marketing, PMP")
    assert [(one[1], one[3]) for one in await summed(relay)] == [(1, cost)]


async def test_nothing_is_billed_that_was_not_taken(relay: Relay) -> None:
    await relay.tariff("gms", [{"price": "1"}])
    await relay.line("sms", "smpp", tariff="gms")
    for outcome in (refused(Reason.BAD_ADDRESS), NO_ANSWER):
        message_id = await relay.send(channel="smpp")
        await relay.take("sms", outcome)
        assert await cost_of(relay, message_id) == ("0", "")
    assert await summed(relay) == []


async def test_a_fallback_is_billed_beside_what_failed_after_it_was_taken(relay: Relay) -> None:
    await relay.line("sms", "smpp", price="0.05")
    await relay.line("vk", "vk_notify", price="0.01")
    message_id = await relay.send(channel="", steps=[{"channel": "vk_notify"}, {"channel": "smpp"}])
    await relay.take("vk")
    await relay.receipt("vk", ReceiptStatus.DELIVERED)
    vk = relay.world.channels["vk_notify"].capabilities.billed_on
    assert (await cost_of(relay, message_id))[0] == "0.01", vk


async def test_the_preview_tells_each_step_the_least_and_the_most(relay: Relay) -> None:
    await relay.tariff("gms", [{"price": "0.04", "destination": "UA"}])
    await relay.line("sms", "smpp", tariff="gms")
    await relay.line("viber", "viber_business", price="0.03")
    await relay.line("vk", "vk_notify", price="7", currency="RUB")
    asked = relay_message(
        steps=[{"channel": "viber_business"}, {"channel": "smpp"}, {"channel": "vk_notify"}]
    )
    [found] = await relay.ground.db.read(
        preview.preview, relay.world, relay.workspace_id, [asked], relay.clock.now()
    )
    assert isinstance(found, dict)
    assert [step["price"]["by"] for step in found["steps"]] == [
        "the line's own price",
        "UA 0.04 a part",
        "the line's own price",
    ]
    assert found["cost"] == {
        "least": "0.03",
        "most": "0.07",
        "currency": "EUR",
        "others": [{"most": "7", "currency": "RUB"}],
    }


async def test_a_preview_knows_of_an_open_session(relay: Relay) -> None:
    await relay.tariff("sessions", [{"price": "0.1", "unit": "session"}])
    await relay.line("sms", "smpp", tariff="sessions")
    await relay.contact()
    await relay.send(channel="smpp")
    for expected in ("0.1", "0"):
        [found] = await relay.ground.db.read(
            preview.preview,
            relay.world,
            relay.workspace_id,
            [relay_message(channel="smpp")],
            relay.clock.now(),
        )
        assert isinstance(found, dict)
        assert found["steps"][0]["price"]["amount"] == expected
        if expected != "0":
            await relay.take("sms")


async def test_side_by_side_every_unit_of_the_month_is_counted_once(relay: Relay) -> None:
    rows = [{"price": "1"}, {"price": "0.1", "volume_from": 25}]
    await relay.tariff("volume", rows, counts="tariff")
    for name in ("one", "two"):
        await relay.line(name, "smpp", tariff="volume")
        for _ in range(25):
            await relay.send(line=name)
    claimed = [*await relay.claim("one"), *await relay.claim("two")]
    assert len(claimed) == 50
    await asyncio.gather(*(relay.answer(one, Accepted((str(one.id),))) for one in claimed))
    assert sum(price_micros(one[3]) or 0 for one in await summed(relay)) == 25_000_000 + 25 * 100_000

    async def volumes(tx: Transaction) -> list[int]:
        month = iso(relay.clock.now())[:7]
        return list((await tariffs_store.volumes(tx, relay.workspace_id, [month])).values())

    assert await relay.ground.db.read(volumes) == [50]


def relay_message(**given: Any) -> Any:
    """A message to somebody in Ukraine."""
    return msgspec.convert({"to": {"phone": UA}, "class": "service", "text": "Hello", **given}, MessageInput)

"""All that went to a person until a time has been read: which attempts that is about, and which not."""

from __future__ import annotations

from angarium.core.values import ReceiptStatus
from support.relay import NO_ANSWER, Relay

DELIVERED, READ = ReceiptStatus.DELIVERED, ReceiptStatus.READ


async def test_a_watermark_is_about_what_went_before_it_on_its_line_to_its_person(relay: Relay) -> None:
    await relay.line("viber", "viber_business")
    await relay.line("sms", "smpp")
    first = await relay.send(line="viber", to={"phone": "+380501234567"})
    await relay.take("viber")
    relay.clock.advance(10)
    mark = relay.clock.now()
    relay.clock.advance(10)
    later = await relay.send(line="viber")
    await relay.take("viber")
    elsewhere = await relay.send(line="sms")
    await relay.take("sms")
    other = await relay.send(line="viber", to={"phone": "+380501234568"})
    await relay.take("viber")

    await relay.watermark("viber", DELIVERED, mark)
    states = [(await relay.state(one))[0] for one in (first, later, elsewhere, other)]
    assert states == ["delivered", "sent", "sent", "sent"]
    await relay.watermark("viber", READ, relay.clock.now())
    states = [(await relay.state(one))[0] for one in (first, later, elsewhere, other)]
    assert states == ["read", "read", "sent", "sent"]


async def test_the_same_watermark_again_and_an_older_one_change_nothing(relay: Relay) -> None:
    await relay.line("viber", "viber_business")
    message = await relay.send(line="viber")
    await relay.take("viber")
    relay.clock.advance(1)
    now = relay.clock.now()
    await relay.watermark("viber", READ, now)
    told = (await relay.told(message))["timeline"]
    await relay.watermark("viber", READ, now)
    await relay.watermark("viber", DELIVERED, now)
    assert (await relay.told(message))["timeline"] == told


async def test_what_may_not_have_gone_out_is_not_read(relay: Relay) -> None:
    await relay.line("viber", "viber_business")
    message = await relay.send(line="viber")
    await relay.take("viber", NO_ANSWER)
    await relay.watermark("viber", READ, relay.clock.now() + 1)
    assert (await relay.state(message))[0] == "unknown"


async def test_a_stranger_s_watermark_is_about_nothing(relay: Relay) -> None:
    await relay.line("viber", "viber_business")
    assert await relay.watermark("viber", READ, relay.clock.now(), address="+380509999999") == []

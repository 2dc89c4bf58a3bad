"""Caps and quiet hours at work; and that two lines at once do not both take the last place."""

from __future__ import annotations

import asyncio
from typing import Any

from angarium.core.values import Reason
from support.relay import Relay, refused

BOTH = ("promotional", "service")
PROMO: dict[str, Any] = {"class": "promotional", "deadline_s": 7 * 86_400.0}
DAILY = {"most": 2, "window": 24, "unit": "hours"}


async def test_what_is_over_a_cap_waits_for_room(relay: Relay) -> None:
    await relay.line("sms", "smpp", classes=BOTH)
    await relay.policy("caps", rules=[DAILY])
    sent = [await relay.send(channel="smpp", **PROMO) for _ in range(4)]
    service = await relay.send(channel="smpp")
    first = await relay.claim("sms")
    assert [one.message_class for one in first] == ["service", "promotional", "promotional"]
    assert service in {one.message_id for one in first}
    waiting = [one for one in sent if one not in {attempt.message_id for attempt in first}]
    told = (await relay.told(waiting[0]))["timeline"][-1]
    assert (told["event"], told["reason"]) == ("stopped", "capped")
    relay.clock.advance(23.9 * 3_600)
    assert await relay.claim("sms") == []
    relay.clock.advance(0.2 * 3_600)
    assert {one.message_id for one in await relay.claim("sms")} == set(waiting)


async def test_what_was_refused_gives_its_place_back(relay: Relay) -> None:
    await relay.line("sms", "smpp", classes=BOTH)
    await relay.policy("caps", rules=[{**DAILY, "most": 1, "over": "refuse"}])
    await relay.send(channel="smpp", **PROMO)
    await relay.take("sms", refused(Reason.CONTENT_REJECTED))
    second = await relay.send(channel="smpp", **PROMO)
    await relay.take("sms")
    third = await relay.send(channel="smpp", **PROMO)
    assert (await relay.state(second))[0] == "sent"
    assert await relay.state(third) == ("refused", "capped", True)


async def test_a_fallback_is_the_same_message(relay: Relay) -> None:
    await relay.line("viber", "viber_business", classes=BOTH)
    await relay.line("sms", "smpp", classes=BOTH)
    await relay.policy("caps", rules=[{**DAILY, "most": 1}])
    steps = [{"channel": "viber_business", "wait_s": 30}, {"channel": "smpp"}]
    message = await relay.send(steps=steps, **PROMO)
    await relay.take("viber")
    await relay.wait(30)
    await relay.take("sms")
    assert await relay.attempts(message) == [("viber", "accepted"), ("sms", "accepted")]


async def test_two_lines_at_once_do_not_both_take_the_last_place(relay: Relay) -> None:
    names = [f"sms{number}" for number in range(4)]
    for name in names:
        await relay.line(name, "smpp", classes=BOTH)
    await relay.policy("caps", rules=[{**DAILY, "most": 2}])
    for _ in range(3):
        for name in names:
            await relay.send(line=name, **PROMO)
    claimed = await asyncio.gather(*(relay.claim(name) for name in names))
    assert sum(len(some) for some in claimed) == 2


async def test_quiet_hours_hold_skip_and_expire(relay: Relay) -> None:
    """It is 18:00 in Kyiv."""
    await relay.line("viber", "viber_business", classes=BOTH)
    await relay.line("sms", "smpp", classes=BOTH)
    await relay.policy("quiet-hours", rules=[{"from": "17:00", "until": "20:00", "countries": ["UA"]}])
    held = await relay.send(channel="smpp", **PROMO)
    assert (await relay.state(held))[0] == "scheduled"
    assert "quiet" in (await relay.told(held))["timeline"][0]["decisions"][0]["held"]
    assert await relay.claim("sms") == []
    await relay.policy("quiet-hours", rules=[{"from": "17:00", "until": "20:00", "action": "skip"}])
    skipped = await relay.send(channel="smpp", **PROMO)
    assert await relay.state(skipped) == ("refused", "quiet_hours", True)
    await relay.policy("quiet-hours", rules=[{"from": "17:00", "until": "20:00", "action": "expire"}])
    expired = await relay.send(channel="smpp", **PROMO)
    assert await relay.state(expired) == ("expired", "deadline", True)
    await relay.policy("quiet-hours")
    relay.clock.advance(2 * 3_600)
    assert {one.message_id for one in await relay.claim("sms")} == {held}


async def test_quiet_hours_that_are_written_while_it_waits_hold_it_at_the_last_moment(relay: Relay) -> None:
    await relay.line("sms", "smpp", classes=BOTH)
    message = await relay.send(channel="smpp", **PROMO)
    await relay.policy("quiet-hours", rules=[{"from": "17:00", "until": "20:00"}])
    assert await relay.claim("sms") == []
    assert (await relay.state(message))[0] == "scheduled"
    relay.clock.advance(2 * 3_600)
    assert len(await relay.claim("sms")) == 1

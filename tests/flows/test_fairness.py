"""On one line: a code passes a campaign, a campaign still moves, and a full window has a place for a code."""

from __future__ import annotations

from collections.abc import Sequence

from angarium.core.values import MessageClass
from support.relay import Relay
from support.sending import Desk

EVERYTHING = ("otp", "transactional", "service", "promotional")
WINDOW = 10


async def queue(relay: Relay, message_class: str, count: int) -> None:
    """Messages that are due on the line."""
    one = {"to": {"phone": "+380501234567"}, "text": "Hello", "channel": "smpp", "class": message_class}
    answer = await relay.order(*[one] * count, batch=True)
    assert answer["accepted"] == count


def classes(attempts: Sequence[object]) -> list[str]:
    """What they are, in order."""
    return [one.message_class.value for one in attempts]  # type: ignore[attr-defined]


async def test_a_claim_takes_codes_first_and_leaves_every_lane_its_share(relay: Relay) -> None:
    await relay.line("sms", "smpp", EVERYTHING)
    for message_class in ("promotional", "service", "transactional", "otp"):
        await queue(relay, message_class, 40)
    found = classes(await relay.claim("sms", limit=40))
    assert found == ["otp"] * 30 + ["transactional"] * 4 + ["service"] * 4 + ["promotional"] * 2


async def test_what_falls_due_later_stands_in_nobodys_way(relay: Relay) -> None:
    night = {"from": "23:00", "until": "23:30", "zone": "UTC"}
    await relay.line("sms", "smpp", EVERYTHING, hours=night)
    await queue(relay, "promotional", 30)  # held until the evening
    await queue(relay, "service", 3)
    assert classes(await relay.claim("sms", limit=20)) == ["service"] * 3


async def test_a_window_full_of_a_campaign_has_a_place_for_a_code(relay: Relay) -> None:
    await relay.line("sms", "smpp", EVERYTHING, window=WINDOW)
    await queue(relay, "promotional", 30)
    desk = Desk(relay, "sms")
    assert await desk.until_taken(WINDOW - 1) == ["promotional"] * (WINDOW - 1)
    await queue(relay, "otp", 2)
    assert (await desk.until_taken(WINDOW))[WINDOW - 1 :] == ["otp"]  # nothing was answered yet
    assert desk.hand is not None
    desk.hand.answer(1)
    assert (await desk.until_taken(WINDOW + 1))[WINDOW:] == ["otp"]  # the first place that is free is its own
    await desk.stop()


async def test_a_campaign_waits_for_gathered_places_and_then_goes_on(relay: Relay) -> None:
    await relay.line("sms", "smpp", EVERYTHING, window=WINDOW)
    await queue(relay, "promotional", 14)
    desk = Desk(relay, "sms")
    await desk.until_taken(WINDOW - 1)
    assert desk.hand is not None
    desk.hand.answer(1)  # one place is no batch
    desk.hand.answer(2)
    assert len(await desk.until_taken(WINDOW + 2)) == WINDOW + 2
    await desk.stop()


async def test_a_line_without_codes_uses_its_whole_window(relay: Relay) -> None:
    await relay.line("sms", "smpp", ("service", "promotional"), window=WINDOW)
    await queue(relay, "promotional", 14)
    desk = Desk(relay, "sms")
    assert len(await desk.until_taken(WINDOW)) == WINDOW
    await desk.stop()


async def test_a_slow_line_gives_its_next_token_to_a_code(relay: Relay) -> None:
    await relay.line("sms", "smpp", EVERYTHING, window=WINDOW, speed_per_s=1.0)
    await queue(relay, "promotional", 5)
    desk = Desk(relay, "sms")
    await desk.a_second_later()  # another has had the line, so nothing is saved up
    assert await desk.until_taken(1) == ["promotional"]
    await queue(relay, "otp", 1)
    await desk.a_second_later()
    assert await desk.until_taken(2) == ["promotional", MessageClass.OTP.value]
    await desk.stop()

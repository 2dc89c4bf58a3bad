"""Wording that promotes goes as promotional or not at all; what may promote waits for a person."""

from __future__ import annotations

import msgspec
import pytest

from angarium.core.values import Reason
from angarium.messaging import policies, preview, review
from angarium.messaging.accept import MessageInput
from support.relay import Relay

SALE = "Only today: 30% off everything! Use code SPRING30 at checkout."
DOUBTFUL = "Your order 7 is packed. A coupon and a gift wait for you, enjoy!"
PLAIN = "Your order 7 is ready for pick up. Please bring your passport."


async def control(relay: Relay, **given: object) -> None:
    """Put a policy in force."""
    document = msgspec.convert(given, policies.ContentControl)
    await policies.change(
        relay.ground, relay.world.policies, relay.workspace_id, "content-control", document, "key_x"
    )


async def rule(relay: Relay, ruling: str, *messages: int) -> review.Reviewed:
    """Say what a person found."""
    now = relay.clock.now()
    return await relay.ground.db.run(
        review.decide, relay.world, relay.workspace_id, messages, ruling, "key_reviewer", now
    )


@pytest.mark.parametrize("message_class", ["service", "transactional", "otp"])
async def test_an_offer_under_another_name_is_refused(relay: Relay, message_class: str) -> None:
    await relay.line("sms", "smpp")
    message = await relay.send(channel="smpp", text=SALE, **{"class": message_class})
    assert await relay.state(message) == ("refused", "promotional", True)
    assert await relay.claim("sms") == []
    skip = (await relay.told(message))["timeline"][0]["decisions"][0]
    assert (skip["rule"], skip["set_at"]) == ("wording", "/v1/policies/content-control")
    assert "30% off" in skip["detail"]


async def test_the_same_offer_goes_as_what_it_is(relay: Relay) -> None:
    await relay.line("ads", "smpp", classes=("promotional",))
    await relay.send(channel="smpp", text=SALE, **{"class": "promotional"})
    assert len(await relay.claim("ads")) == 1


async def test_it_is_not_carried_on_to_another_channel(relay: Relay) -> None:
    await relay.line("viber", "viber_business")
    await relay.line("sms", "smpp")
    message = await relay.send(steps=[{"channel": "viber_business"}, {"channel": "smpp"}], text=SALE)
    assert await relay.attempts(message) == []
    assert (await relay.state(message))[0] == "refused"


async def test_what_may_promote_waits_and_goes_when_a_person_says_so(relay: Relay) -> None:
    await relay.line("sms", "smpp")
    held = await relay.send(channel="smpp", text=DOUBTFUL)
    plain = await relay.send(channel="smpp", text=PLAIN)
    assert [one.message_id for one in await relay.claim("sms")] == [plain]
    assert (await relay.state(held))[1:] == ("review", False)
    (listed,), _ = await relay.ground.db.read(review.listing, relay.world, relay.workspace_id, 0, 10)
    assert listed["texts"] == [DOUBTFUL]
    assert "coupon" in listed["why"]
    assert (await relay.told(held))["waiting"]["for"] == "review"
    assert len((await rule(relay, "goes", held, plain)).cases) == 1
    assert [one.message_id for one in await relay.claim("sms")] == [held]
    events = [event["event"] for event in (await relay.told(held))["timeline"]]
    assert events == ["accepted", "reviewed"]


async def test_what_is_turned_down_ends(relay: Relay) -> None:
    await relay.line("sms", "smpp")
    held = await relay.send(channel="smpp", text=DOUBTFUL)
    await rule(relay, "turned_down", held)
    assert await relay.state(held) == ("refused", "promotional", True)
    assert await rule(relay, "goes", held) == review.Reviewed([], [held])
    assert await relay.claim("sms") == []


async def test_nobody_looks_in_time_and_it_expires(relay: Relay) -> None:
    await relay.line("sms", "smpp")
    held = await relay.send(channel="smpp", text=DOUBTFUL, deadline_s=60)
    await relay.wait(60)
    assert (await relay.state(held))[0] == "expired"
    assert await relay.claim("sms") == []


async def test_a_code_is_never_held(relay: Relay) -> None:
    await relay.line("sms", "smpp")
    await relay.send(channel="smpp", text=DOUBTFUL, **{"class": "otp"})
    assert len(await relay.claim("sms")) == 1


async def test_the_policy_decides(relay: Relay) -> None:
    await relay.line("sms", "smpp")
    await control(relay, certain="hold", likely="allow")
    assert (await relay.state(await relay.send(channel="smpp", text=SALE)))[1] == Reason.REVIEW
    assert (await relay.state(await relay.send(channel="smpp", text=DOUBTFUL)))[0] == "queued"
    await control(relay, also=("pick up", "passport"))
    assert (await relay.state(await relay.send(channel="smpp", text=PLAIN)))[0] == "refused"
    await control(relay, never=("coupon", "gift", "treat"))
    assert (await relay.state(await relay.send(channel="smpp", text=DOUBTFUL)))[0] == "queued"


async def test_preview_says_it_beforehand(relay: Relay) -> None:
    await relay.line("sms", "smpp")
    asked = [
        msgspec.convert(
            {"to": {"phone": "+380501234567"}, "class": "service", "channel": "smpp", "text": text},
            MessageInput,
        )
        for text in (SALE, DOUBTFUL, PLAIN)
    ]
    shown = await relay.ground.db.read(
        preview.preview, relay.world, relay.workspace_id, asked, relay.clock.now()
    )
    verdicts = [
        next(check["verdict"] for check in one["steps"][0]["checks"] if check["rule"] == "wording")
        for one in shown
    ]
    assert verdicts == ["refuse", "review", "allow"]

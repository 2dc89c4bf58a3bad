"""A message goes along its cascade: what the providers say, what follows, and what is written down."""

from __future__ import annotations

from angarium.core.ports import Accepted
from angarium.core.values import Reason, ReceiptStatus
from support.relay import NO_ANSWER, Relay, refused

VK_VIBER_SMS = [
    {"channel": "vk_notify", "success": "read", "wait_s": 60},
    {"channel": "viber_business", "success": "delivered", "wait_s": 60},
    {"channel": "smpp", "success": "delivered", "wait_s": 60},
]


async def three_lines(relay: Relay) -> None:
    await relay.line("vk", "vk_notify", price="0.01")
    await relay.line("viber", "viber_business", price="0.02")
    await relay.line("sms", "smpp", price="0.04", price_per="part")


async def test_one_step_delivered(relay: Relay) -> None:
    await relay.line("sms", "smpp", price="0.04", price_per="part")
    message = await relay.send(channel="smpp")
    assert await relay.state(message) == ("queued", "", False)
    await relay.take("sms")
    assert await relay.state(message) == ("sent", "", False)
    await relay.receipt("sms", ReceiptStatus.DELIVERED)
    told = await relay.told(message)
    assert (told["state"], told["finished"]) == ("delivered", True)
    assert told["cost"] == {"amount": "0.04", "currency": "EUR"}
    assert [event["event"] for event in told["timeline"]] == ["accepted", "sent", "delivered"]
    assert told["timeline"][-1]["decisions"][-1]["why"] == "step 1 is delivered"


async def test_not_a_user_goes_on_at_once(relay: Relay) -> None:
    await three_lines(relay)
    message = await relay.send(steps=VK_VIBER_SMS)
    await relay.take("vk", refused(Reason.NOT_A_USER))
    assert await relay.attempts(message) == [("vk", "refused"), ("viber", "queued")]


async def test_silence_goes_on_when_the_step_s_time_is_over_and_not_before(relay: Relay) -> None:
    await three_lines(relay)
    message = await relay.send(steps=VK_VIBER_SMS)
    relay.clock.advance(1_000)  # a line that was away: the step's clock has not begun
    await relay.take("vk")
    assert await relay.wait(59) == 0
    assert await relay.wait(1) == 1
    assert await relay.attempts(message) == [("vk", "accepted"), ("viber", "queued")]


async def test_delivered_is_not_read(relay: Relay) -> None:
    await three_lines(relay)
    message = await relay.send(steps=VK_VIBER_SMS)
    await relay.take("vk")
    await relay.receipt("vk", ReceiptStatus.DELIVERED)
    assert await relay.state(message) == ("delivered", "", False)
    await relay.wait(60)
    assert await relay.attempts(message) == [("vk", "delivered"), ("viber", "queued")]


async def test_success_before_the_fallback_left_takes_it_back(relay: Relay) -> None:
    await three_lines(relay)
    message = await relay.send(steps=VK_VIBER_SMS)
    await relay.take("vk")
    await relay.wait(60)
    await relay.receipt("vk", ReceiptStatus.READ)
    assert await relay.claim("viber") == []
    assert await relay.attempts(message) == [("vk", "read"), ("viber", "cancelled")]
    assert await relay.state(message) == ("read", "", True)


async def test_success_after_the_fallback_left_is_late_and_ends_it(relay: Relay) -> None:
    await three_lines(relay)
    message = await relay.send(steps=VK_VIBER_SMS)
    await relay.take("vk")
    vk_ref = relay.last_ref()
    await relay.wait(60)
    await relay.take("viber")
    await relay.receipt("vk", ReceiptStatus.READ, ref=vk_ref)
    told = await relay.told(message)
    assert (told["state"], told["finished"]) == ("read", True)
    assert [attempt["late"] for attempt in told["attempts"]] == [True, False]
    await relay.wait(1_000)
    assert len(await relay.attempts(message)) == 2  # no SMS on top


async def test_nothing_reaches(relay: Relay) -> None:
    await three_lines(relay)
    message = await relay.send(steps=VK_VIBER_SMS)
    await relay.take("vk", refused(Reason.NOT_A_USER))
    await relay.take("viber", refused(Reason.BLOCKED_BY_USER))
    await relay.take("sms")
    await relay.receipt("sms", ReceiptStatus.FAILED, reason=Reason.BAD_ADDRESS, ref=relay.last_ref())
    assert await relay.state(message) == ("failed", "bad_address", True)


async def test_the_last_step_without_a_receipt_ends_as_sent(relay: Relay) -> None:
    await relay.line("sms", "smpp")
    message = await relay.send(steps=[{"channel": "smpp", "wait_s": 60}])
    await relay.take("sms")
    await relay.wait(60)
    assert await relay.state(message) == ("sent", "no_receipt", True)
    await relay.receipt("sms", ReceiptStatus.DELIVERED)
    assert await relay.state(message) == ("delivered", "", True)


async def test_no_vk_line_and_no_wording_are_passed_over_with_their_reason(relay: Relay) -> None:
    await relay.line("sms", "smpp")
    message = await relay.send(steps=VK_VIBER_SMS[::2])
    told = await relay.told(message)
    skipped = told["timeline"][0]["decisions"][0]
    assert (skipped["do"], skipped["reason"]) == ("skip", "no_line")
    assert await relay.attempts(message) == [("sms", "queued")]


async def test_throttling_is_waited_out_and_is_no_failure(relay: Relay) -> None:
    await three_lines(relay)
    message = await relay.send(steps=VK_VIBER_SMS)
    for _ in range(9):
        await relay.take("vk", refused(Reason.THROTTLED, retry_after_s=2.0))
        assert await relay.claim("vk") == []  # not before it was asked for
        relay.clock.advance(80)
    await relay.take("vk")
    assert await relay.attempts(message) == [("vk", "accepted")]


async def test_a_step_may_say_otherwise(relay: Relay) -> None:
    await three_lines(relay)
    impatient = {**VK_VIBER_SMS[0], "on": {"throttled": "next", "not_a_user": "stop"}}
    message = await relay.send(steps=[impatient, *VK_VIBER_SMS[1:]])
    await relay.take("vk", refused(Reason.THROTTLED))
    assert await relay.attempts(message) == [("vk", "refused"), ("viber", "queued")]
    other = await relay.send(steps=[impatient, *VK_VIBER_SMS[1:]])
    await relay.take("vk", refused(Reason.NOT_A_USER))
    assert (await relay.state(other))[1:] == ("not_a_user", True)


async def test_another_line_of_the_same_channel_when_a_line_is_broken(relay: Relay) -> None:
    await relay.line("sms-a", "smpp", price="0.01")
    await relay.line("sms-b", "smpp", price="0.02")
    message = await relay.send(channel="smpp")
    await relay.take("sms-a", refused(Reason.AUTH))
    assert await relay.attempts(message) == [("sms-a", "refused"), ("sms-b", "queued")]
    await relay.take("sms-b", refused(Reason.NO_CREDIT))
    assert await relay.state(message) == ("failed", "no_credit", True)


async def test_parts_are_delivered_when_all_are(relay: Relay) -> None:
    await relay.line("sms", "smpp", price="0.04", price_per="part")
    message = await relay.send(channel="smpp", text="Довге повідомлення " * 8)
    attempt = await relay.take("sms", Accepted(("p1", "p2", "p3")))
    assert attempt.parts == 3
    for ref in ("p1", "p3", "p3"):
        await relay.receipt("sms", ReceiptStatus.DELIVERED, ref=ref)
        assert (await relay.state(message))[0] == "sent"
    await relay.receipt("sms", ReceiptStatus.DELIVERED, ref="p2")
    assert (await relay.state(message))[0] == "delivered"
    assert (await relay.told(message))["cost"]["amount"] == "0.12"


async def test_a_failed_part_fails_the_whole(relay: Relay) -> None:
    await relay.line("sms", "smpp")
    message = await relay.send(channel="smpp", text="Довге повідомлення " * 8)
    await relay.take("sms", Accepted(("p1", "p2", "p3")))
    await relay.receipt("sms", ReceiptStatus.DELIVERED, ref="p1")
    await relay.receipt("sms", ReceiptStatus.FAILED, ref="p2", reason=Reason.UNREACHABLE)
    await relay.receipt("sms", ReceiptStatus.DELIVERED, ref="p3")
    assert await relay.state(message) == ("failed", "unreachable", True)


async def test_deadline_before_any_line_took_it(relay: Relay) -> None:
    await relay.line("sms", "smpp")
    message = await relay.send(channel="smpp", deadline_s=30)
    await relay.wait(30)
    assert await relay.state(message) == ("expired", "deadline", True)
    assert await relay.claim("sms") == []


async def test_start_within_moves_on_when_a_line_is_away(relay: Relay) -> None:
    await three_lines(relay)
    steps = [{**VK_VIBER_SMS[0], "start_within_s": 20}, VK_VIBER_SMS[2]]
    message = await relay.send(steps=steps)
    await relay.wait(20)
    assert await relay.attempts(message) == [("vk", "cancelled"), ("sms", "queued")]


async def test_an_otp_goes_before_a_campaign(relay: Relay) -> None:
    await relay.line("sms", "smpp", classes=("otp", "promotional"))
    for number in range(5):
        await relay.send(to={"phone": f"+3805012345{number:02}"}, channel="smpp", **{"class": "promotional"})
    relay.clock.advance(1)
    await relay.send(to={"phone": "+380671234567"}, channel="smpp", **{"class": "otp"})
    claimed = await relay.claim("sms", limit=2)
    assert [attempt.message_class for attempt in claimed] == ["otp", "promotional"]


async def test_an_unanswered_promotional_message_is_never_sent_again(relay: Relay) -> None:
    await relay.line("sms", "smpp", classes=("promotional",))
    message = await relay.send(channel="smpp", **{"class": "promotional"})
    await relay.take("sms", NO_ANSWER)
    assert await relay.state(message) == ("unknown", "", False)
    await relay.wait(100_000)
    assert await relay.state(message) == ("unknown", "no_answer", True)
    assert await relay.attempts(message) == [("sms", "unknown")]


async def test_an_unanswered_otp_is_sent_once_more_over_another_line(relay: Relay) -> None:
    await relay.line("sms-a", "smpp", price="0.01", classes=("otp",))
    await relay.line("sms-b", "smpp", price="0.02", classes=("otp",))
    message = await relay.send(channel="smpp", text="Code 4711", **{"class": "otp"})
    await relay.take("sms-a", NO_ANSWER)
    await relay.wait(8)
    await relay.take("sms-b", NO_ANSWER)
    await relay.wait(1_000)
    assert await relay.attempts(message) == [("sms-a", "unknown"), ("sms-b", "unknown")]
    assert await relay.state(message) == ("unknown", "no_answer", True)


async def test_a_receipt_with_our_own_reference_resolves_the_unanswered(relay: Relay) -> None:
    from angarium.core import ids

    await three_lines(relay)
    message = await relay.send(steps=VK_VIBER_SMS)
    attempt = await relay.take("vk", NO_ANSWER)
    own = ids.show("attempt", attempt.id)
    await relay.receipt("vk", ReceiptStatus.READ, client_ref=own)
    assert await relay.state(message) == ("read", "", True)

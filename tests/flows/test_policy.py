"""What may not go does not go: at acceptance, at every step, and at the last moment."""

from __future__ import annotations

import msgspec

from angarium.core import ids
from angarium.core.values import Reason
from angarium.messaging import preview
from angarium.messaging.accept import MessageInput
from support.relay import Relay, refused

PROMO = {"class": "promotional"}
PHONE = "+380501234567"


async def test_blacklist_and_opt_out_refuse_a_promotional_message_and_say_so(relay: Relay) -> None:
    await relay.line("sms", "smpp", classes=("promotional", "service"))
    shielded = {"kind": "phone", "value": "+380501111111", "operator_blacklist": True}
    await relay.contact(external_id="shielded", addresses=[shielded])
    await relay.contact(external_id="out", opted_out=["promotional"])
    for who, reason in (("shielded", "operator_blacklist"), ("out", "opted_out")):
        message = await relay.send(to={"external_id": who}, channel="smpp", **PROMO)
        assert await relay.state(message) == ("refused", reason, True)
        service = await relay.send(to={"external_id": who}, channel="smpp")
        assert (await relay.state(service))[0] == "queued"
    assert [attempt.message_class for attempt in await relay.claim("sms")] == ["service", "service"]


async def test_no_way_round_a_refusal_by_another_line_or_channel(relay: Relay) -> None:
    await relay.line("viber", "viber_business", classes=("promotional", "service"))
    await relay.line("sms", "smpp", classes=("promotional", "service"))
    message = await relay.send(steps=[{"channel": "viber_business"}, {"channel": "smpp"}], **PROMO)
    await relay.take("viber", refused(Reason.BLOCKED_BY_USER))
    assert await relay.attempts(message) == [("viber", "refused")]
    assert await relay.state(message) == ("refused", "blocked_by_user", True)


async def test_an_opt_out_that_came_while_it_was_queued_stops_it(relay: Relay) -> None:
    await relay.line("sms", "smpp", classes=("promotional",))
    await relay.contact(external_id="c1")
    message = await relay.send(to={"external_id": "c1"}, channel="smpp", **PROMO)
    await relay.contact(external_id="c1", opted_out=["promotional"])
    assert await relay.claim("sms") == []
    assert (await relay.state(message))[1:] == ("opted_out", True)
    assert await relay.attempts(message) == [("sms", "refused")]


async def test_an_opt_out_between_two_steps_ends_it(relay: Relay) -> None:
    await relay.line("viber", "viber_business", classes=("promotional",))
    await relay.line("sms", "smpp", classes=("promotional",))
    await relay.contact(external_id="c1")
    steps = [{"channel": "viber_business", "wait_s": 30}, {"channel": "smpp"}]
    message = await relay.send(to={"external_id": "c1"}, steps=steps, **PROMO)
    await relay.take("viber")
    await relay.contact(external_id="c1", opted_out=["all"])
    await relay.wait(30)
    assert await relay.attempts(message) == [("viber", "accepted")]
    assert (await relay.state(message))[2]


async def test_a_line_that_lost_its_approval_sends_nothing(relay: Relay) -> None:
    await relay.line("sms", "smpp")
    message = await relay.send(channel="smpp")
    await relay.change_line("sms", registration="refused")
    assert await relay.claim("sms") == []
    assert await relay.state(message) == ("failed", "no_line", True)


async def test_an_expired_message_is_not_handed_over(relay: Relay) -> None:
    await relay.line("sms", "smpp")
    message = await relay.send(channel="smpp", deadline_s=10)
    relay.clock.advance(10)
    assert await relay.claim("sms") == []
    assert await relay.state(message) == ("expired", "deadline", True)


async def test_hours_hold_a_promotional_message_until_they_open(relay: Relay) -> None:
    hours = {"from": "09:00", "until": "21:00", "zone": "Europe/Kyiv"}
    await relay.line("sms", "smpp", classes=("promotional", "service"), hours=hours)
    relay.clock.advance(5 * 3600)  # 23:00 in Kyiv
    message = await relay.send(channel="smpp", **PROMO)
    assert (await relay.state(message))[0] == "scheduled"
    assert "21:00" in (await relay.told(message))["timeline"][0]["decisions"][0]["held"]
    await relay.send(channel="smpp")
    assert [a.message_class for a in await relay.claim("sms")] == ["service"]
    relay.clock.advance(10 * 3600)
    assert [a.message_class for a in await relay.claim("sms")] == ["promotional"]


async def test_hours_of_a_step_hold_it_when_it_is_planned_and_when_it_is_claimed(relay: Relay) -> None:
    await relay.line("sms", "smpp", classes=("promotional",))
    by_day = {"channel": "smpp", "hours": {"from": "10:00", "until": "20:00"}}
    early = await relay.send(steps=[by_day], **PROMO)  # it is 18:00 in Kyiv
    relay.clock.advance(2 * 3600)
    late = await relay.send(steps=[by_day], to={"phone": "+380501111111"}, **PROMO)
    assert (await relay.state(late))[0] == "scheduled"
    decision = (await relay.told(late))["timeline"][0]["decisions"][0]
    assert "from 10:00 to 20:00 (Europe/Kyiv)" in decision["held"]
    assert decision["due"] == "2025-11-25T08:00:00.000Z"
    assert await relay.claim("sms") == []  # the first one waited too long for the line
    assert (await relay.state(early))[0] == "scheduled"
    relay.clock.advance(14 * 3600 - 1)
    assert await relay.claim("sms") == []
    relay.clock.advance(1)
    assert {attempt.message_id for attempt in await relay.claim("sms")} == {early, late}


async def test_hours_of_a_step_are_those_of_where_the_person_is_now(relay: Relay) -> None:
    await relay.line("sms", "smpp", classes=("promotional",))
    await relay.contact(external_id="c1", time_zone="Europe/Kyiv")
    by_day = {"channel": "smpp", "hours": {"from": "10:00", "until": "20:00"}}
    message = await relay.send(to={"external_id": "c1"}, steps=[by_day], **PROMO)
    await relay.contact(external_id="c1", time_zone="Asia/Tokyo")
    assert await relay.claim("sms") == []
    assert (await relay.state(message))[0] == "scheduled"


async def test_a_step_whose_hours_do_not_open_in_time_is_passed_over(relay: Relay) -> None:
    await relay.line("viber", "viber_business")
    await relay.line("sms", "smpp")
    steps = [{"channel": "viber_business", "hours": {"from": "08:00", "until": "18:00"}}, {"channel": "smpp"}]
    message = await relay.send(steps=steps, deadline_s=3600)
    assert await relay.attempts(message) == [("sms", "queued")]
    skip = (await relay.told(message))["timeline"][0]["decisions"][0]
    assert (skip["do"], skip["reason"], skip["rule"]) == ("skip", "hours", "step-hours")
    assert skip["set_at"] == "steps[0].hours"


async def test_what_may_go_is_found_behind_a_queue_whose_hours_have_closed(relay: Relay) -> None:
    await relay.line("sms", "smpp", classes=("promotional",))
    by_day = [{"channel": "smpp", "hours": {"from": "10:00", "until": "18:01"}}]
    evening = [
        {"to": {"phone": f"+3805011111{number:02}"}, "text": "Hello", "steps": by_day, **PROMO}
        for number in range(90)
    ]
    await relay.order(*evening, batch=True)
    relay.clock.advance(60)
    going = {await relay.send(channel="smpp", **PROMO) for _ in range(3)}
    claims = [await relay.claim("sms", limit=1) for _ in range(4)]
    assert [len(claim) for claim in claims] == [
        1,
        1,
        1,
        0,
    ]  # no more than it asked for, and none of them later
    assert {attempt.message_id for claim in claims for attempt in claim} == going
    assert {attempt.tries for claim in claims for attempt in claim} == {1}


async def test_what_waits_for_its_hours_was_not_submitted(relay: Relay) -> None:
    await relay.line("sms", "smpp", classes=("promotional",))
    by_day = {"channel": "smpp", "hours": {"from": "10:00", "until": "18:01"}}
    message = await relay.send(steps=[by_day], **PROMO)
    relay.clock.advance(60)
    assert await relay.claim("sms") == []
    (attempt,) = (await relay.told(message))["attempts"]
    assert (attempt["state"], attempt["submitted_at"]) == ("queued", None)


async def test_a_preview_tells_the_hours_of_each_step(relay: Relay) -> None:
    await relay.line("sms", "smpp")
    steps = [{"line": "sms", "hours": {"from": "08:00", "until": "18:00"}}, {"line": "sms"}]
    asked = {
        "to": {"phone": PHONE},
        "class": "service",
        "text": "Hello",
        "steps": steps,
        "deadline_s": 86_400,
    }
    given, now = [msgspec.convert(asked, MessageInput)], relay.clock.now()
    (told,) = await relay.ground.db.read(preview.preview, relay.world, relay.workspace_id, given, now)
    assert isinstance(told, dict)
    first, second = (
        next(check for check in step["checks"] if check["rule"] == "step-hours") for step in told["steps"]
    )
    assert (first["verdict"], first["until"]) == ("hold", "2025-11-25T06:00:00.000Z")
    assert first["set_at"] == "steps[0].hours"
    assert second["verdict"] == "allow"


async def test_send_at_is_not_early(relay: Relay) -> None:
    await relay.line("sms", "smpp")
    from angarium.core.clock import iso, micros

    message = await relay.send(channel="smpp", send_at=iso(relay.clock.now() + micros(3600)))
    assert (await relay.state(message))[0] == "scheduled"
    assert await relay.wait(3599) == 0
    assert await relay.wait(1) == 1
    assert (await relay.state(message))[0] == "queued"


async def test_the_text_of_a_code_is_never_kept_in_clear(relay: Relay) -> None:
    await relay.line("sms", "smpp", classes=("otp",))
    message = await relay.send(channel="smpp", text="Your code is 471100", **{"class": "otp"})
    from angarium.messaging.case import open_content
    from angarium.messaging.store import attempts, messages

    async def at_rest() -> tuple[bytes, bytes]:
        (row,) = await relay.ground.db.read(messages.by_ids, relay.workspace_id, [message])
        (tried,) = await relay.ground.db.read(attempts.of_messages, relay.workspace_id, [message])
        return row.words, tried.content

    words, content = await at_rest()
    assert b"471100" not in words + content
    (claimed,) = await relay.claim("sms")
    assert open_content(relay.world, claimed).text == "Your code is 471100"
    from angarium.core.ports import Accepted
    from angarium.core.values import ReceiptStatus

    await relay.answer(claimed, Accepted(("r",)))
    await relay.receipt("sms", ReceiptStatus.DELIVERED, ref="r")
    assert await at_rest() == (b"", b"")
    assert "471100" not in str(await relay.told(message))


async def test_a_contact_without_the_address_is_failed_with_the_reason(relay: Relay) -> None:
    await relay.line("sms", "smpp")
    await relay.contact(external_id="mail", addresses=[{"kind": "email", "value": "a@example.com"}])
    message = await relay.send(to={"external_id": "mail"}, channel="smpp")
    assert await relay.state(message) == ("failed", "no_address", True)


async def test_a_deleted_contact_is_not_written_to(relay: Relay) -> None:
    from angarium.contacts import flows as contacts

    await relay.line("viber", "viber_business")
    await relay.line("sms", "smpp")
    contact = await relay.contact(external_id="c1")
    steps = [{"channel": "viber_business", "wait_s": 30}, {"channel": "smpp"}]
    message = await relay.send(to={"contact": ids.show("contact", contact.id)}, steps=steps)
    await relay.take("viber", refused(Reason.NOT_A_USER))
    assert await relay.attempts(message) == [("viber", "refused"), ("sms", "queued")]
    await contacts.delete(relay.ground, relay.workspace_id, contact.id)
    await relay.take("sms", refused(Reason.TEMPORARY))
    assert PHONE  # the attempt was planned while the contact was there

"""STOP, START and HELP on a line: what is written down, what is stopped at once, and what is lifted again."""

from __future__ import annotations

from typing import Any

import pytest

from angarium.contacts.store import consents, suppressions
from angarium.contacts.store.consents import Filter
from angarium.core.values import Reason
from support.relay import NO_ANSWER, Relay, refused

PHONE, OTHER = "+380501234567", "+380507654321"
BOTH = ("promotional", "service")
PROMO: dict[str, Any] = {"class": "promotional"}


async def ledger(relay: Relay) -> list[tuple[str, str, str]]:
    """Scope, state and source of every entry."""
    found = await relay.ground.db.read(consents.page, relay.workspace_id, Filter(), 0, 100)
    return [(str(one.scope), one.state.value, one.source) for one in found]


async def listed(relay: Relay) -> list[tuple[str, str, str, bool]]:
    """Reason, address, source, and whether it is for one line, of every suppressed address."""
    found = await relay.ground.db.read(suppressions.page, relay.workspace_id, suppressions.Filter(), 0, 100)
    return [(one.why.value, one.value, one.source, bool(one.line_id)) for one in found]


async def test_stop_takes_back_what_is_queued_and_leaves_the_service_message(relay: Relay) -> None:
    await relay.line("sms", "smpp", classes=BOTH)
    await relay.contact(external_id="c1")
    promotional = await relay.send(channel="smpp", **PROMO)
    service = await relay.send(channel="smpp")
    await relay.hear("sms", "Стоп!")
    assert await relay.state(promotional) == ("refused", "opted_out", True)
    assert await relay.attempts(promotional) == [("sms", "refused")]
    assert (await relay.state(service))[0] == "queued"
    assert [one.message_class for one in await relay.claim("sms")] == ["service"]
    assert await ledger(relay) == [("promotional", "withdrawn", "stop_word")]
    assert await listed(relay) == [("opt_out", PHONE, "stop_word", False)]
    story = (await relay.told(promotional))["timeline"]
    assert story[-1]["event"] == "stopped"
    assert (story[-1]["rule"], story[-1]["reason"]) == ("opt-out", "opted_out")
    later = await relay.send(channel="smpp", **PROMO)
    assert await relay.state(later) == ("refused", "opted_out", True)


async def test_the_proof_is_the_text_and_who_wrote_it(relay: Relay) -> None:
    await relay.line("sms", "smpp")
    contact = await relay.contact(external_id="c1")
    await relay.hear("sms", "لغو۱۱")
    (entry,) = await relay.ground.db.read(consents.page, relay.workspace_id, Filter(), 0, 100)
    assert entry.contact_id == contact.id
    assert entry.proof["text"] == "لغو۱۱"
    assert entry.proof["address"] == PHONE
    assert entry.proof["inbound"] == entry.actor
    assert entry.actor.startswith("inb_")


async def test_a_text_that_only_contains_the_word_stops_nothing(relay: Relay) -> None:
    await relay.line("sms", "smpp", classes=BOTH)
    await relay.contact(external_id="c1")
    message = await relay.send(channel="smpp", **PROMO)
    await relay.hear("sms", "please don't stop the delivery")
    assert (await relay.state(message))[0] == "queued"
    assert await ledger(relay) == []
    assert await listed(relay) == []


async def test_stop_ends_what_is_scheduled_and_what_waits_for_its_next_step(relay: Relay) -> None:
    from angarium.core.clock import iso, micros

    await relay.line("viber", "viber_business", classes=BOTH)
    await relay.line("sms", "smpp", classes=BOTH)
    await relay.contact(external_id="c1")
    scheduled = await relay.send(channel="smpp", send_at=iso(relay.clock.now() + micros(3600)), **PROMO)
    steps = [{"channel": "viber_business", "wait_s": 600}, {"channel": "smpp"}]
    waiting = await relay.send(steps=steps, **PROMO)
    await relay.take("viber")
    assert (await relay.state(waiting))[0] == "sent"
    await relay.hear("sms", "STOP")
    assert await relay.state(scheduled) == ("refused", "opted_out", True)
    assert await relay.state(waiting) == ("sent", "opted_out", True)
    await relay.wait(3600)
    assert await relay.attempts(waiting) == [("viber", "accepted")]
    assert await relay.attempts(scheduled) == []


async def test_what_is_on_its_way_stays_so_and_nothing_follows_it(relay: Relay) -> None:
    await relay.line("viber", "viber_business", classes=BOTH)
    await relay.line("sms", "smpp", classes=BOTH)
    await relay.contact(external_id="c1")
    message = await relay.send(steps=[{"channel": "viber_business"}, {"channel": "smpp"}], **PROMO)
    (claimed,) = await relay.claim("viber")
    await relay.hear("sms", "STOP")
    assert await relay.attempts(message) == [("viber", "submitting")]
    await relay.answer(claimed, refused(Reason.NOT_A_USER))
    assert await relay.attempts(message) == [("viber", "refused")]
    assert (await relay.state(message))[1:] == ("opted_out", True)


async def test_what_may_have_gone_out_under_its_key_is_unknown(relay: Relay) -> None:
    await relay.line("viber", "viber_business", classes=BOTH)
    await relay.line("sms", "smpp", classes=BOTH)
    await relay.contact(external_id="c1")
    message = await relay.send(channel="viber_business", **PROMO)
    (claimed,) = await relay.claim("viber")
    await relay.answer(claimed, NO_ANSWER)
    await relay.hear("sms", "STOP")
    assert await relay.attempts(message) == [("viber", "unknown")]


async def test_a_stranger_who_says_stop_is_not_written_to_when_they_become_a_contact(relay: Relay) -> None:
    await relay.line("sms", "smpp", classes=BOTH)
    await relay.hear("sms", "退订", sender=OTHER)
    assert await ledger(relay) == []
    assert await listed(relay) == [("opt_out", OTHER, "stop_word", False)]
    message = await relay.send(to={"phone": OTHER}, channel="smpp", **PROMO)
    assert await relay.state(message) == ("refused", "opted_out", True)
    service = await relay.send(to={"phone": OTHER}, channel="smpp")
    assert (await relay.state(service))[0] == "queued"


async def test_an_address_that_moves_keeps_its_no(relay: Relay) -> None:
    await relay.line("sms", "smpp", classes=BOTH)
    await relay.contact(external_id="c1")
    await relay.hear("sms", "stop")
    await relay.contact(external_id="c2")  # claims the number
    message = await relay.send(to={"external_id": "c2"}, channel="smpp", **PROMO)
    assert await relay.state(message) == ("refused", "opted_out", True)


async def test_a_contact_that_is_deleted_and_comes_again_keeps_its_no(relay: Relay) -> None:
    from angarium.contacts import flows as contacts

    await relay.line("sms", "smpp", classes=BOTH)
    contact = await relay.contact(external_id="c1", opted_out=["all"])
    await contacts.delete(relay.ground, relay.workspace_id, contact.id)
    assert await listed(relay) == [("opt_out", "", "contact_deleted", False)]
    await relay.contact(external_id="c1")
    message = await relay.send(to={"external_id": "c1"}, channel="smpp", **PROMO)
    assert await relay.state(message) == ("refused", "opted_out", True)


async def test_start_lifts_what_stop_set(relay: Relay) -> None:
    await relay.line("sms", "smpp", classes=BOTH)
    await relay.contact(external_id="c1")
    await relay.hear("sms", "STOP")
    await relay.hear("sms", "stop")  # said twice, written once
    await relay.hear("sms", "СТАРТ")
    assert [row[1:] for row in await ledger(relay)] == [("withdrawn", "stop_word"), ("granted", "start_word")]
    assert await listed(relay) == []
    message = await relay.send(channel="smpp", **PROMO)
    assert (await relay.state(message))[0] == "queued"
    assert len(await relay.claim("sms")) == 1


async def test_start_lifts_nothing_that_was_said_otherwise(relay: Relay) -> None:
    await relay.line("sms", "smpp", classes=BOTH)
    await relay.contact(external_id="c1", opted_out=["promotional"])
    await relay.hear("sms", "stop")
    await relay.hear("sms", "start")
    message = await relay.send(channel="smpp", **PROMO)
    assert await relay.state(message) == ("refused", "opted_out", True)


async def test_a_contact_written_again_without_its_refusals_keeps_them(relay: Relay) -> None:
    await relay.line("sms", "smpp", classes=BOTH)
    await relay.contact(external_id="c1")
    await relay.hear("sms", "stop")
    again = await relay.contact(external_id="c1", name="Anna")
    assert again.opted_out == {"promotional"}
    lifted = await relay.contact(external_id="c1", opted_out=[])
    assert lifted.opted_out == set()
    assert await ledger(relay) == [
        ("promotional", "withdrawn", "stop_word"),
        ("promotional", "lifted", "api"),
    ]


async def test_a_no_that_is_written_with_the_contact_is_looked_at_soon(relay: Relay) -> None:
    await relay.line("sms", "smpp", classes=BOTH)
    await relay.contact(external_id="c1")
    message = await relay.send(channel="smpp", **PROMO)
    await relay.contact(external_id="c1", opted_out=["promotional"])
    assert (await relay.state(message))[0] == "queued"
    await relay.wait(0)
    assert await relay.state(message) == ("refused", "opted_out", True)
    assert await ledger(relay) == [("promotional", "withdrawn", "api")]


@pytest.mark.parametrize(
    ("scope", "other_channel", "other_line"),
    [("all", "refused", "refused"), ("channel", "queued", "refused"), ("line", "queued", "queued")],
)
async def test_how_widely_stop_is_meant(
    relay: Relay, scope: str, other_channel: str, other_line: str
) -> None:
    await relay.line("sms", "smpp", classes=BOTH)
    await relay.line("sms2", "smpp", classes=BOTH)
    await relay.line("viber", "viber_business", classes=BOTH)
    await relay.contact(external_id="c1")
    await relay.policy("consent", stop={"scope": scope})
    here = await relay.send(line="sms", **PROMO)
    there = await relay.send(line="sms2", **PROMO)
    viber = await relay.send(line="viber", **PROMO)
    await relay.hear("sms", "STOP")
    states = [(await relay.state(one))[0] for one in (here, there, viber)]
    assert states == ["refused", other_line, other_channel]
    sent = [len(await relay.claim(line)) for line in ("sms", "sms2", "viber")]
    assert sent == [0, int(other_line == "queued"), int(other_channel == "queued")]
    await relay.hear("sms", "START")
    again = await relay.send(line="sms", **PROMO)
    assert (await relay.state(again))[0] == "queued"


async def test_stop_may_mean_notices_too(relay: Relay) -> None:
    await relay.line("sms", "smpp", classes=("promotional", "service", "otp"))
    await relay.contact(external_id="c1")
    await relay.policy("consent", stop={"purposes": ["all"], "words": {"stop": ["11"]}})
    service = await relay.send(channel="smpp")
    code = await relay.send(channel="smpp", **{"class": "otp"})
    await relay.hear("sms", "۱۱")
    assert await relay.state(service) == ("refused", "opted_out", True)
    assert (await relay.state(code))[0] == "queued"


async def test_what_is_answered_is_in_the_language_of_the_word_and_once(relay: Relay) -> None:
    await relay.line("sms", "smpp", classes=BOTH)
    await relay.contact(external_id="c1")
    replies = {
        "stop_replies": {"uk": "Більше не надсилатимемо.", "": "You will get no more."},
        "help_replies": {"": "This is the shop. STOP to stop."},
    }
    await relay.policy("consent", stop=replies)
    for text in ("відписатися", "стоп", "help", "start"):
        await relay.hear("sms", text)
    from angarium.messaging.case import open_content

    said = [open_content(relay.world, one).text for one in await relay.claim("sms")]
    assert said == ["Більше не надсилатимемо.", "This is the shop. STOP to stop."]


async def test_the_same_text_twice_is_heard_once(relay: Relay) -> None:
    from angarium.core.ports import Inbound

    await relay.line("sms", "smpp", classes=BOTH)
    await relay.contact(external_id="c1")
    said = Inbound("ref-1", PHONE, "Shop", "STOP")
    await relay._heard("sms", said)
    await relay.hear("sms", "START")
    await relay._heard("sms", said)  # the operator brings it once more
    message = await relay.send(channel="smpp", **PROMO)
    assert (await relay.state(message))[0] == "queued"


async def test_parts_of_a_stop_are_put_together_first(relay: Relay) -> None:
    await relay.line("sms", "smpp", classes=BOTH)
    await relay.contact(external_id="c1")
    message = await relay.send(channel="smpp", **PROMO)
    await relay.hear("sms", "unsub", part_ref=5, part_number=1, part_total=2)
    assert (await relay.state(message))[0] == "queued"
    await relay.hear("sms", "scribe", part_ref=5, part_number=2, part_total=2)
    assert (await relay.state(message))[0] == "refused"


# ── what providers say of addresses ──────────────────────────────────────────────────────────────────


async def test_a_number_that_the_operator_blacklists_gets_no_more_advertising(relay: Relay) -> None:
    await relay.line("promo", "smpp", classes=("promotional",))
    await relay.line("notices", "smpp", classes=("service",))
    await relay.contact(external_id="c1")
    await relay.send(line="promo", **PROMO)
    await relay.take("promo", refused(Reason.OPERATOR_BLACKLIST, code="1042"))
    assert await listed(relay) == [("operator_blacklist", PHONE, "receipt", False)]
    again = await relay.send(line="promo", **PROMO)
    assert await relay.state(again) == ("refused", "operator_blacklist", True)
    await relay.send(line="notices")
    assert len(await relay.claim("notices")) == 1
    relay.clock.advance(181 * 86_400.0)  # whoever took themselves off the list is asked for again
    later = await relay.send(line="promo", **PROMO)
    assert (await relay.state(later))[0] == "queued"


async def test_a_mailbox_that_does_not_exist_is_not_written_to_again(relay: Relay) -> None:
    from angarium.core.values import ReceiptStatus

    await relay.line("mail", "smtp", classes=("promotional", "service", "otp"))
    to = {"email": "Anna@example.com"}
    words = {"text": "", "variants": [{"content": {"subject": "Hello", "text": "Hello"}}]}
    await relay.contact(external_id="c1", addresses=[{"kind": "email", "value": "Anna@example.com"}])
    first = await relay.send(to=to, channel="smtp", **words)
    waiting = await relay.send(to=to, channel="smtp", **words)
    for attempt in await relay.claim("mail", limit=1):
        from angarium.core.ports import Accepted

        await relay.answer(attempt, Accepted(("<1@x>",)))
    await relay.receipt("mail", ReceiptStatus.FAILED, ref="<1@x>", reason=Reason.BAD_ADDRESS, code="5.1.1")
    assert await listed(relay) == [("hard_bounce", "Anna@example.com", "receipt", False)]
    await relay.wait(0)
    assert await relay.state(waiting) == ("failed", "bad_address", True)
    assert (await relay.state(first))[0] == "failed"
    small = await relay.send(to={"email": "anna@example.com"}, channel="smtp", **words)
    assert (await relay.state(small))[1] == "bad_address"
    code = await relay.send(to=to, channel="smtp", **words, **{"class": "otp"})
    assert (await relay.state(code))[0] == "queued"


async def test_a_complaint_stops_advertising_and_not_the_order(relay: Relay) -> None:
    from angarium.core.ports import Accepted
    from angarium.core.values import ReceiptStatus

    await relay.line("mail", "smtp", classes=BOTH)
    to = {"email": "anna@example.com"}
    words = {"text": "", "variants": [{"content": {"subject": "Hello", "text": "Hello"}}]}
    await relay.send(to=to, channel="smtp", **words, **PROMO)
    await relay.take("mail", Accepted(("<1@x>",)))
    await relay.receipt("mail", ReceiptStatus.FAILED, ref="<1@x>", reason=Reason.OPTED_OUT, code="abuse")
    assert [row[0] for row in await listed(relay)] == ["complaint"]
    promotional = await relay.send(to=to, channel="smtp", **words, **PROMO)
    assert await relay.state(promotional) == ("refused", "suppressed", True)
    service = await relay.send(to=to, channel="smtp", **words)
    assert (await relay.state(service))[0] == "queued"

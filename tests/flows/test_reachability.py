"""A cascade's memory: learnt behind the messages, kept by address, forgotten when it should be."""

from __future__ import annotations

from typing import Any

import msgspec

from angarium.campaigns.report import Reports
from angarium.contacts import flows as contact_flows
from angarium.contacts import merge_flows
from angarium.contacts.reachability import Known, Tried
from angarium.contacts.store import reachability
from angarium.core import ids
from angarium.core.clock import iso, micros
from angarium.core.ports import Accepted
from angarium.core.values import Reason, ReceiptStatus
from angarium.messaging import chronicle, erasing, remembering
from angarium.messaging.accept import MessageInput
from angarium.messaging.cascade import Step
from angarium.messaging.cascades import CascadeInput, new_cascade
from angarium.messaging.preview import preview
from angarium.messaging.reachability_api import HANDLERS
from angarium.messaging.report import report
from angarium.messaging.store.belongings import BELONGINGS
from angarium.messaging.store.tried import Found, Place
from angarium.storage.database import Transaction
from support.marketer import PEOPLE, Marketer
from support.relay import Relay, refused
from support.server import everything_in, key_for, member, serving

PHONE = "+380501234567"
OTHER = {"kind": "phone", "value": "+380501234599"}
STEPS = [{"line": "viber", "wait_s": 60}, {"line": "sms"}]
DAY_S = 86_400.0


async def shop(relay: Relay, **given: Any) -> int:
    """Two lines and a contact; its id."""
    await relay.line("viber", "viber_business")
    await relay.line("sms", "smpp")
    contact_id = (await relay.contact(**given)).id
    relay.clock.advance(1)
    return contact_id


async def followed(relay: Relay) -> None:
    """Everything that is new is told."""
    while (await relay.ground.db.run(chronicle.follow, relay.workspace_id, 1_000)).facts:
        pass


async def known(relay: Relay, *contact_ids: int) -> dict[str, Known]:
    """What is remembered, by channel."""
    await followed(relay)
    found = await relay.ground.db.read(reachability.of_contacts, relay.workspace_id, contact_ids)
    return {one.channel: one for one in found if not one.says_nothing}


async def not_on_viber(relay: Relay) -> int:
    """A message that Viber does not take, and that is delivered as a text; when Viber said so."""
    await relay.send(steps=STEPS)
    await relay.take("viber", refused(Reason.NOT_A_USER))
    at: int = relay.clock.now()
    await relay.take("sms")
    await relay.receipt("sms", ReceiptStatus.DELIVERED)
    return at


async def test_what_ended_and_what_was_heard_is_remembered_once(relay: Relay) -> None:
    contact_id = await shop(relay)
    at = await not_on_viber(relay)
    found = await known(relay, contact_id)
    assert found["viber_business"].not_a_user_at == at
    assert found["viber_business"].address == PHONE
    assert (found["smpp"].last_delivered_at, sum(found["smpp"].hours)) == (at, 1)
    before = (await everything_in(relay.ground.db))["reachability"]
    await not_on_viber(relay)
    assert await known(relay, contact_id) == found
    assert (await everything_in(relay.ground.db))["reachability"] == before


async def test_a_receipt_that_does_not_come_is_silence_and_one_that_comes_late_ends_it(relay: Relay) -> None:
    contact_id = await shop(relay)
    for silent in (1, 2):
        await relay.send(steps=STEPS)
        await relay.take("viber")
        late = relay.last_ref()
        await relay.wait(61)
        assert (await known(relay, contact_id)).get("viber_business", Known(0, "", "")).unheard == silent - 1
        await relay.take("sms")
        await relay.receipt("sms", ReceiptStatus.DELIVERED)
        assert (await known(relay, contact_id))["viber_business"].unheard == silent
    await relay.receipt("viber", ReceiptStatus.DELIVERED, late)
    assert (await known(relay, contact_id))["viber_business"].unheard == 0


async def test_a_provider_without_a_better_word_than_undelivered(relay: Relay) -> None:
    contact_id = await shop(relay)
    for _ in range(2):
        await relay.send(line="viber")
        await relay.take("viber")
        await relay.receipt("viber", ReceiptStatus.FAILED, relay.last_ref(), reason=Reason.UNDELIVERED)
    assert (await known(relay, contact_id))["viber_business"].unheard == 2


async def test_who_writes_to_us_is_there(relay: Relay) -> None:
    contact_id = await shop(relay)
    await relay.send(line="viber")
    await relay.take("viber", refused(Reason.BLOCKED_BY_USER))
    await not_on_viber(relay)
    assert (await known(relay, contact_id))["viber_business"].not_a_user
    relay.clock.advance(1)
    await relay.hear("viber", "hello")
    found = (await known(relay, contact_id))["viber_business"]
    assert (found.not_a_user, found.blocked, found.last_read_at) == (False, (), relay.clock.now())


async def test_nobody_waited_for_a_step_that_is_content_when_it_is_taken(relay: Relay) -> None:
    contact_id = await shop(relay)
    await relay.send(steps=[{"line": "sms", "success": "accepted"}])
    await relay.take("sms")
    assert await known(relay, contact_id) == {}


async def test_another_number_inherits_nothing_nor_does_its_next_owner(relay: Relay) -> None:
    contact_id = await shop(relay, external_id="c-1")
    await not_on_viber(relay)
    assert await known(relay, contact_id)
    await relay.contact(external_id="c-1", name="Anna")  # written again, with the same number
    assert await known(relay, contact_id)
    await relay.contact(external_id="c-1", addresses=[OTHER])
    rows = await everything_in(relay.ground.db)
    assert not rows["reachability"]
    next_owner = await relay.contact(external_id="c-2")
    assert await known(relay, contact_id, next_owner.id) == {}
    relay.clock.advance(1)
    await relay.contact(external_id="c-1")  # and back: what was before says nothing any more
    await relay.receipt("sms", ReceiptStatus.READ)  # nor what is heard of it late
    assert await known(relay, contact_id) == {}


async def test_a_number_that_goes_over_to_somebody_else_leaves_nothing_behind(relay: Relay) -> None:
    contact_id = await shop(relay, external_id="c-1")
    await not_on_viber(relay)
    assert await known(relay, contact_id)
    other = await relay.contact(external_id="c-2")
    assert await known(relay, contact_id, other.id) == {}


async def test_what_changes_at_the_moment_of_writing_is_looked_at_again(relay: Relay) -> None:
    contact_id = await shop(relay)
    place = Place(contact_id, "smpp", PHONE)
    lost = Tried(1, 7, Reason.NOT_A_USER, ended_at=relay.clock.now())
    left, gone = place._replace(address="+380501234599"), place._replace(contact_id=contact_id + 1)
    people = [contact_id, contact_id + 1]
    found = Found({one: [lost] for one in (place, left, gone)}, dict.fromkeys(people, "UTC"))

    new = remembering._learnt(found, {}, found.tried)

    async def still_so() -> list[Place]:
        return list(await relay.ground.db.run(remembering._still_so, relay.workspace_id, found, {}, new))

    assert await still_so() == [place]
    await relay.ground.db.run(reachability.save, relay.workspace_id, [new[place]])
    await relay.ground.db.run(reachability.forget_so_far, relay.workspace_id, contact_id, relay.clock.now())
    assert await still_so() == []


async def test_what_is_remembered_of_two_is_one_memory_and_two_again(relay: Relay) -> None:
    stays = await shop(relay, external_id="c-1")
    await not_on_viber(relay)
    other = await relay.contact(external_id="c-2", addresses=[OTHER])
    relay.clock.advance(1)
    await relay.send(to={"contact": ids.show("contact", other.id)}, line="sms")
    await relay.take("sms")
    await relay.receipt("sms", ReceiptStatus.DELIVERED)
    before = await known(relay, stays), await known(relay, other.id)

    async def merged(tx: Transaction) -> int:
        both = (relay.workspace_id, stays, other.id)
        done, _ = await merge_flows.merge(tx, relay.ground, *both, [*BELONGINGS.values()], "key_test", "")
        return done.id

    async def parted(tx: Transaction) -> None:
        await merge_flows.undo(tx, relay.ground, relay.workspace_id, merge_id, BELONGINGS, "key_test")

    async def whose() -> set[tuple[int, str, str]]:
        await followed(relay)
        found = await relay.ground.db.read(reachability.of_contacts, relay.workspace_id, [stays, other.id])
        return {(one.contact_id, one.channel, one.address) for one in found if not one.says_nothing}

    merge_id = await relay.ground.db.run(merged)
    ours = {(stays, "viber_business", PHONE), (stays, "smpp", PHONE)}
    assert await whose() == ours | {(stays, "smpp", OTHER["value"])}
    await relay.ground.db.run(parted)
    assert (await known(relay, stays), await known(relay, other.id)) == before
    now = relay.clock.now()
    await relay.ground.db.run(reachability.forget_so_far, relay.workspace_id, other.id, now)
    merge_id = await relay.ground.db.run(merged)
    assert await whose() == ours  # what was forgotten of one of them stays forgotten
    await relay.receipt("sms", ReceiptStatus.READ)
    assert await whose() == ours


async def test_it_is_forgotten_for_good_but_for_what_comes_later(relay: Relay) -> None:
    contact_id = await shop(relay)
    await not_on_viber(relay)
    assert await known(relay, contact_id)
    now = relay.clock.now()
    await relay.ground.db.run(reachability.forget_so_far, relay.workspace_id, contact_id, now)
    assert await known(relay, contact_id) == {}
    await relay.receipt("sms", ReceiptStatus.READ)  # of the same message: its refusal is not learnt again
    assert "viber_business" not in await known(relay, contact_id)
    relay.clock.advance(1)
    await not_on_viber(relay)
    assert "viber_business" in await known(relay, contact_id)


async def test_a_person_sees_it_and_has_it_forgotten(relay: Relay) -> None:
    contact_id = await shop(relay, time_zone="Asia/Tehran")
    await not_on_viber(relay)
    await followed(relay)
    path = f"/v1/contacts/{ids.show('contact', contact_id)}/reachability"
    async with serving(relay.ground, HANDLERS) as nobody:
        stranger = await member(nobody, relay.ground, "other")
        ours = nobody.with_key(await key_for(relay.ground, relay.workspace_id))
        told = (await ours.ask("GET", path)).json
        assert (told["time_zone"], told["usual_hour"]) == ("Asia/Tehran", None)
        text, viber = told["channels"]
        assert (text["channel"], viber["channel"]) == ("smpp", "viber_business")
        assert (viber["address"], text["not_a_user_at"]) == (PHONE, None)
        assert viber["not_a_user_at"] == text["last_delivered_at"] == iso(relay.clock.now())
        assert viber["skipped_until"] is None
        await relay.policy("reachability", enabled=True, not_a_user_days=2)
        _, viber = (await ours.ask("GET", path)).json["channels"]
        assert viber["skipped_until"] == iso(relay.clock.now() + micros(2 * DAY_S))
        for method in ("GET", "DELETE"):
            assert (await stranger.ask(method, path)).status == 404
        assert (await ours.ask("DELETE", path)).status == 204
        assert (await ours.ask("GET", path)).json["channels"] == []


async def test_nothing_is_left_of_who_is_erased_or_deleted(relay: Relay) -> None:
    erased = await shop(relay, external_id="c-1")
    await not_on_viber(relay)
    await followed(relay)
    await erasing.erase(relay.world, relay.workspace_id, erased, "key_test")
    assert not (await everything_in(relay.ground.db))["reachability"]
    deleted = await relay.contact(external_id="c-3")
    relay.clock.advance(1)
    await not_on_viber(relay)
    await contact_flows.delete(relay.ground, relay.workspace_id, deleted.id)
    await followed(relay)  # what is told of them later is not kept
    assert not (await everything_in(relay.ground.db))["reachability"]


# ── steps that are in vain ───────────────────────────────────────────────────────────────────────────


async def lines_of(relay: Relay, message_id: int) -> list[str]:
    """The lines on which a message was tried."""
    return [line for line, _ in await relay.attempts(message_id)]


def skips_of(told: dict[str, Any]) -> list[dict[str, Any]]:
    """What was passed over."""
    return [one for event in told["timeline"] for one in event.get("decisions", ()) if one["do"] == "skip"]


async def test_a_step_in_vain_is_skipped_and_the_timeline_says_why(relay: Relay) -> None:
    await shop(relay)
    heard = await not_on_viber(relay)
    await followed(relay)
    message_id = await relay.send(steps=STEPS)  # no policy: as ever
    assert await lines_of(relay, message_id) == ["viber"]
    await relay.take("viber", refused(Reason.NOT_A_USER))
    await relay.take("sms")
    await relay.policy("reachability", enabled=True)
    message_id = await relay.send(steps=STEPS)
    assert await lines_of(relay, message_id) == ["sms"]
    (skip,) = skips_of(await relay.told(message_id))
    assert skip == {
        "do": "skip",
        "step": 1,
        "why": "first step",
        "reason": "not_a_user",
        "detail": f"Not a user of Viber (Decision Telecom), heard on {iso(heard)[:10]}.",
        "rule": "reachability",
        "set_at": "/v1/policies/reachability",
        "channel": "viber_business",
        "heard": iso(heard),
    }
    later = await relay.send(steps=STEPS, send_at=iso(relay.clock.now() + 3_600_000_000))
    await relay.wait(3_600)  # planned by another road
    assert await lines_of(relay, later) == ["sms"]


async def test_the_last_step_left_is_never_skipped(relay: Relay) -> None:
    await shop(relay)
    await not_on_viber(relay)
    await followed(relay)
    await relay.policy("reachability", enabled=True)
    alone = await relay.send(line="viber")
    assert await lines_of(relay, alone) == ["viber"]
    last = await relay.send(steps=[STEPS[1], STEPS[0]])
    await relay.claim("viber")
    await relay.take("sms", refused(Reason.BAD_ADDRESS))
    assert await lines_of(relay, last) == ["sms", "viber"]
    assert skips_of(await relay.told(last)) == []
    await relay.claim("viber")
    await relay.line("mail", "smtp")  # nobody has an address there
    after_all = await relay.send(steps=[STEPS[0], {"line": "mail"}])
    told = await relay.told(after_all)
    assert await lines_of(relay, after_all) == ["viber"]
    assert [(one["step"], one["reason"]) for one in skips_of(told)] == [(1, "not_a_user"), (2, "no_address")]
    await relay.take("viber", refused(Reason.NOT_A_USER))
    assert await relay.state(after_all) == ("failed", "not_a_user", True)
    failed = await relay.send(steps=STEPS)
    await relay.take("sms", refused(Reason.BAD_ADDRESS))
    assert await lines_of(relay, failed) == ["viber", "sms"]  # in the order of the steps
    await relay.take("viber")
    await relay.receipt("viber", ReceiptStatus.DELIVERED)
    assert await relay.state(failed) == ("delivered", "", True)


async def test_what_is_delivered_makes_up_for_what_was_heard_before(relay: Relay) -> None:
    await shop(relay)
    await not_on_viber(relay)
    await relay.policy("reachability", enabled=True)
    await relay.send(line="viber")
    await relay.take("viber")
    relay.clock.advance(1)
    await relay.receipt("viber", ReceiptStatus.DELIVERED)
    await followed(relay)
    assert await lines_of(relay, await relay.send(steps=STEPS)) == ["viber"]


async def test_who_is_silent_is_left_alone_for_some_days(relay: Relay) -> None:
    contact_id = await shop(relay)
    await relay.policy("reachability", enabled=True, silent_after=2, silent_days=3)
    for _ in range(2):
        message_id = await relay.send(steps=STEPS)
        assert await lines_of(relay, message_id) == ["viber"]
        await relay.take("viber")
        await relay.wait(61)
        await relay.take("sms")
        await relay.receipt("sms", ReceiptStatus.DELIVERED)
        await followed(relay)
    message_id = await relay.send(steps=STEPS)
    assert await lines_of(relay, message_id) == ["sms"]
    assert [one["reason"] for one in skips_of(await relay.told(message_id))] == ["no_receipt"]
    assert (await known(relay, contact_id))["viber_business"].unheard == 2
    relay.clock.advance(3 * DAY_S)
    assert await lines_of(relay, await relay.send(steps=STEPS)) == ["viber"]


async def test_of_two_lines_only_the_one_that_was_blocked_is_left_out(relay: Relay) -> None:
    await shop(relay)
    await relay.send(steps=STEPS)
    await relay.take("viber", refused(Reason.BLOCKED_BY_USER))
    await followed(relay)
    await relay.line("second", "viber_business")
    await relay.policy("reachability", enabled=True)
    on_channel = [{"channel": "viber_business"}, {"line": "sms"}]
    assert await lines_of(relay, await relay.send(steps=on_channel)) == ["second"]
    assert await lines_of(relay, await relay.send(steps=STEPS)) == ["sms"]


async def test_the_preview_foretells_it_and_nothing_is_asked_where_there_is_one_step(relay: Relay) -> None:
    await shop(relay)
    await not_on_viber(relay)
    await followed(relay)
    await relay.policy("reachability", enabled=True)
    asked = {"to": {"phone": PHONE}, "class": "service", "text": "Hello", "steps": STEPS}
    given = [msgspec.convert(asked, MessageInput)]
    now = relay.clock.now()
    (shown,) = await relay.ground.db.read(preview, relay.world, relay.workspace_id, given, now)
    assert isinstance(shown, dict)
    first, second = shown["steps"]
    assert (first["goes"], first["rule"], second["goes"]) == (False, "reachability", True)
    assert {check["rule"]: check["verdict"] for check in first["checks"]}["reachability"] == "refuse"
    assert {check["rule"]: check["verdict"] for check in second["checks"]}["reachability"] == "allow"


async def test_the_report_says_what_was_spared(relay: Relay) -> None:
    await shop(relay)
    text_first = [{"line": "sms", "wait_s": 30}, {"line": "viber"}]
    await not_on_viber(relay)
    await followed(relay)
    await relay.policy("reachability", enabled=True)
    await relay.line("mail", "smtp")
    for _ in range(3):
        await relay.send(steps=STEPS, label="autumn")
    await relay.claim("sms")
    nowhere_else = [STEPS[0], {"line": "mail"}]
    await relay.send(steps=nowhere_else, label="autumn")  # tried after all: nothing was spared
    await relay.take("viber")
    relay.clock.advance(1)
    await relay.receipt("viber", ReceiptStatus.DELIVERED)
    await relay.send(line="sms")
    await relay.take("sms", refused(Reason.NOT_A_USER))
    await followed(relay)
    await relay.send(steps=text_first, label="winter")

    async def spared(label: str) -> Any:
        return (await relay.ground.db.read(report, relay.world, relay.workspace_id, label))["spared"]

    common = {"reasons": {"not_a_user": 3}, "steps": 3}
    # On Viber only what is delivered costs, so that nothing is saved but the time.
    assert await spared("autumn") == {**common, "wait_s_at_most": 180.0, "cost_at_most": []}
    assert await spared("winter") == {
        "steps": 1,
        "reasons": {"not_a_user": 1},
        "wait_s_at_most": 30.0,
        "cost_at_most": [{"amount": "0.01", "currency": "EUR"}],
    }
    nothing: dict[str, Any] = {"steps": 0, "reasons": {}, "wait_s_at_most": 0.0, "cost_at_most": []}
    assert await spared("nothing") == nothing


async def test_the_next_campaign_skips_what_the_first_one_learnt_in_vain(relay: Relay) -> None:
    marketer = await Marketer(relay).open()
    await relay.line("viber", "viber_business", classes=("promotional",))
    given = CascadeInput("viber-first", (Step(line="viber", wait_s=60), Step(line="sms")))
    await relay.ground.db.run(new_cascade, relay.ground, relay.world.channels, relay.workspace_id, given)
    relay.clock.advance(1)
    await relay.policy("reachability", enabled=True)
    tried: list[int] = []
    texted: list[int] = []
    for name in ("first", "second"):
        campaign_id = await marketer.begin(name=name, line="", cascade="viber-first")
        await marketer.run(campaign_id)
        attempts = await relay.claim("viber")
        for attempt in attempts:
            there = int(attempt.address[-2:]) % 3 == 0
            outcome = Accepted((attempt.address + name,)) if there else refused(Reason.NOT_A_USER)
            await relay.answer(attempt, outcome)
        tried.append(len(attempts))
        texted.append(len(await marketer.sent()))
        await followed(relay)
        relay.clock.advance(1)
    assert (tried, texted) == ([PEOPLE, PEOPLE // 3], [PEOPLE - PEOPLE // 3] * 2)
    told = await Reports(relay.world).of(relay.workspace_id, campaign_id)
    assert told["spared"]["reasons"] == {"not_a_user": PEOPLE - PEOPLE // 3}

"""A campaign tells its members once each: written, started, launched; paused, stopped, merged, late."""

from __future__ import annotations

import asyncio
from zoneinfo import ZoneInfo

import pytest

from angarium.campaigns import flows, launch, people, report
from angarium.campaigns.runner import CampaignRunner
from angarium.campaigns.store import members as member_store
from angarium.contacts import flows as contacts
from angarium.contacts import merge_flows
from angarium.core.clock import to_datetime
from angarium.core.ports import Accepted
from angarium.core.problems import Problem
from angarium.core.values import Reason, ReceiptStatus
from angarium.messaging import erasing
from angarium.messaging.store.belongings import BELONGINGS
from angarium.storage.database import Database
from support.marketer import PEOPLE, Marketer
from support.relay import Relay, refused


@pytest.fixture
async def marketer(relay: Relay) -> Marketer:
    """With a line, a template and people."""
    return await Marketer(relay).open()


async def test_each_member_is_told_once(marketer: Marketer) -> None:
    campaign_id = await marketer.begin()
    assert await marketer.run(campaign_id) is None
    assert await marketer.counts(campaign_id) == ("done", PEOPLE, PEOPLE, 0)
    assert await marketer.sent() == [f"+38050{number:07}" for number in range(PEOPLE)]
    assert await marketer.sent() == []


async def test_the_words_are_those_of_the_template_when_it_started(marketer: Marketer) -> None:
    campaign_id = await marketer.begin(audience={"tags": ["gold"]})
    await marketer.relay.template("other", "Other words", "promotional")
    await marketer.run(campaign_id)
    attempts = await marketer.relay.claim("sms")
    assert len(attempts) == PEOPLE // 2
    assert b"Hello N1, all half price!" in {a.address: a.content for a in attempts}["+380500000001"]


async def test_whom_the_rules_refuse_is_left_out_with_the_reason_and_has_no_message(
    marketer: Marketer,
) -> None:
    await marketer.relay.contact(external_id="c3", opted_out=["promotional"])
    await marketer.relay.contact(external_id="mail", addresses=[{"kind": "email", "value": "a@example.com"}])
    campaign_id = await marketer.begin()
    await marketer.run(campaign_id)
    assert await marketer.counts(campaign_id) == ("done", PEOPLE + 1, PEOPLE - 1, 2)
    assert await marketer.reasons(campaign_id) == {"opted_out": 1, "no_address": 1}
    assert "+380500000003" not in await marketer.sent()


async def test_of_fifty_who_press_start_at_once_one_starts_it(marketer: Marketer) -> None:
    campaign_id = await marketer.write()
    pressed = await asyncio.gather(*(marketer.start(campaign_id) for _ in range(50)), return_exceptions=True)
    refused = [one for one in pressed if isinstance(one, Problem)]
    assert [one.status for one in refused] == [409] * 49
    assert "started by key_marketer" in refused[0].detail
    await marketer.run(campaign_id)
    assert len(await marketer.sent()) == PEOPLE


async def test_two_runners_tell_nobody_twice(marketer: Marketer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch, "BATCH", 2)
    campaign_id = await marketer.begin()
    other = CampaignRunner(marketer.relay.world, marketer._workspaces)
    for _ in range(20):
        await asyncio.gather(
            *(one.move_on(marketer.relay.workspace_id, campaign_id) for one in (marketer.runner, other))
        )
    assert await marketer.counts(campaign_id) == ("done", PEOPLE, PEOPLE, 0)
    assert len(await marketer.sent()) == PEOPLE


async def test_a_pause_holds_what_is_queued_and_lets_it_go_again(
    marketer: Marketer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launch, "BATCH", 5)
    campaign_id = await marketer.begin()
    await marketer.run(campaign_id, turns=3)
    assert (await marketer.look(campaign_id)).told > 0
    await marketer.do(flows.pause, campaign_id)
    assert await marketer.sent() == []
    assert await marketer.run(campaign_id) is None
    marketer.relay.clock.advance(3_600)
    assert await marketer.sent() == []
    await marketer.resume(campaign_id)
    await marketer.run(campaign_id)
    assert await marketer.counts(campaign_id) == ("done", PEOPLE, PEOPLE, 0)
    assert len(await marketer.sent()) == PEOPLE


async def test_a_pause_is_no_part_of_how_fast_it_goes(
    marketer: Marketer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launch, "BATCH", 5)
    campaign_id = await marketer.begin()
    await marketer.run(campaign_id, turns=3)
    await marketer.do(flows.pause, campaign_id)
    before = (await marketer.look(campaign_id)).told
    marketer.relay.clock.advance(40)
    await marketer.resume(campaign_id)
    marketer.relay.clock.advance(2)
    await marketer.run(campaign_id, turns=2)
    told = (await marketer.look(campaign_id)).told - before
    assert before
    assert told
    world, workspace_id, now = marketer.relay.world, marketer.relay.workspace_id, marketer.relay.clock.now()
    found = await marketer.db.read(report.count, world, workspace_id, campaign_id, now)
    assert found["pace"]["per_s"] == told / 2


async def test_a_stop_cancels_what_is_queued_and_leaves_out_who_waits(
    marketer: Marketer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launch, "BATCH", 5)
    campaign_id = await marketer.begin()
    await marketer.run(campaign_id, turns=3)
    told = (await marketer.look(campaign_id)).told
    assert 0 < told < PEOPLE
    await marketer.do(flows.stop, campaign_id)
    assert await marketer.sent() == []
    assert await marketer.run(campaign_id) is None
    assert await marketer.counts(campaign_id) == ("stopped", PEOPLE, told, PEOPLE - told)
    assert await marketer.sent() == []
    assert not (await marketer.look(campaign_id)).under_way
    with pytest.raises(Problem):
        await marketer.resume(campaign_id)
    again = await marketer.begin(
        audience=None, of_campaign={"campaign": flows.label(campaign_id), "states": ["stopped"]}
    )
    one, workspace_id = await marketer.look(again), marketer.relay.workspace_id
    meant = flows.frozen(one).people
    assert await marketer.db.read(people.count, workspace_id, meant) == PEOPLE - told
    await marketer.run(again)
    assert len(await marketer.sent()) == PEOPLE - told


async def test_two_members_that_became_one_contact_are_told_once(marketer: Marketer) -> None:
    world, workspace_id = marketer.relay.world, marketer.relay.workspace_id
    campaign_id = await marketer.begin(audience={"tags": ["gold"]})
    await marketer.run(campaign_id, turns=1)
    one, two = await marketer.db.read(member_store.page, workspace_id, campaign_id, 0, 2)
    both = (workspace_id, one.contact_id, two.contact_id)
    belongings = [*BELONGINGS.values()]
    await marketer.db.run(merge_flows.merge, world.ground, *both, belongings, "key_agent", "")
    await marketer.run(campaign_id)
    assert await marketer.reasons(campaign_id) == {"merged": 1}
    assert len(await marketer.sent()) == PEOPLE // 2 - 1


@pytest.mark.parametrize("late", [False, True])
async def test_nobody_waits_for_a_member_who_was_erased(marketer: Marketer, late: bool) -> None:
    clock, world, workspace_id = marketer.relay.clock, marketer.relay.world, marketer.relay.workspace_id
    until = to_datetime(clock.now() + 60_000_000).isoformat()
    campaign_id = await marketer.begin(schedule={"until": until})
    await marketer.run(campaign_id, turns=1)
    (first, *_) = await marketer.db.read(member_store.page, workspace_id, campaign_id, 0, 1)
    await erasing.erase(world, workspace_id, first.contact_id, "key_agent")
    clock.advance(120 if late else 1)
    await marketer.run(campaign_id)
    await marketer.run(campaign_id)
    told, left_out = (0, PEOPLE - 1) if late else (PEOPLE - 1, 0)
    assert await marketer.counts(campaign_id) == ("done", PEOPLE - 1, told, left_out)


async def test_a_stop_ends_though_somebody_who_waited_was_erased(marketer: Marketer) -> None:
    world, workspace_id = marketer.relay.world, marketer.relay.workspace_id
    campaign_id = await marketer.begin()
    await marketer.run(campaign_id, turns=1)
    await marketer.run(campaign_id, turns=1)
    (first, *_) = await marketer.db.read(member_store.page, workspace_id, campaign_id, 0, 1)
    await erasing.erase(world, workspace_id, first.contact_id, "key_agent")
    await marketer.do(flows.stop, campaign_id)
    assert await marketer.run(campaign_id) is None
    assert not (await marketer.look(campaign_id)).under_way
    assert await marketer.counts(campaign_id) == ("stopped", PEOPLE - 1, 0, PEOPLE - 1)


async def test_it_waits_for_its_hour_and_goes_at_its_pace(marketer: Marketer) -> None:
    clock = marketer.relay.clock
    at = to_datetime(clock.now() + 3_600_000_000).isoformat()
    campaign_id = await marketer.begin(schedule={"at": at, "per_hour": 60})
    next_at = await marketer.run(campaign_id)
    assert next_at is not None
    assert await marketer.counts(campaign_id) == ("scheduled", 0, 0, 0)
    clock.advance((next_at - clock.now()) / 1e6)
    next_at = await marketer.run(campaign_id)
    assert await marketer.counts(campaign_id) == ("running", PEOPLE, 0, 0)
    clock.advance(120)
    for minute in range(PEOPLE):
        next_at = await marketer.run(campaign_id)
        assert (await marketer.look(campaign_id)).told == minute + 1
        clock.advance(60)
    assert await marketer.counts(campaign_id) == ("done", PEOPLE, PEOPLE, 0)


async def test_whose_window_has_closed_meanwhile_waits_for_the_next_one(marketer: Marketer) -> None:
    clock = marketer.relay.clock
    await marketer.relay.contact(
        external_id="c1",
        time_zone="Asia/Tokyo",
        tags=["gold"],
        addresses=[{"kind": "phone", "value": "+380500000001"}],
    )
    window = {"from": "10:00", "until": "11:00"}
    campaign_id = await marketer.begin(schedule={"window": window}, audience={"tags": ["gold"]})
    zones = {1: "Asia/Tokyo"} | dict.fromkeys(range(3, PEOPLE, 2), "Europe/Kyiv")
    await marketer.run(campaign_id)
    await marketer.do(flows.pause, campaign_id)
    clock.advance(90_000)  # over everybody's window
    await marketer.resume(campaign_id)
    for _ in range(48):
        await marketer.run(campaign_id)
        for attempt in await marketer.relay.claim("sms"):
            local = to_datetime(clock.now()).astimezone(ZoneInfo(zones.pop(int(attempt.address[-2:]))))
            assert local.hour == 10, attempt.address
        clock.advance(1_800)
    assert zones == {}


async def test_its_window_holds_for_what_is_queued_and_for_every_step(marketer: Marketer) -> None:
    relay = marketer.relay  # it is 18:00 in Kyiv
    await relay.line("viber", "viber_business", classes=("promotional",))
    own = {"from": "17:00", "until": "23:00"}
    await relay.cascade(
        "relay", [{"channel": "viber_business", "wait_s": 7_200}, {"line": "sms", "hours": own}]
    )
    window = {"from": "10:00", "until": "20:00"}
    campaign_id = await marketer.begin(schedule={"window": window}, line="", cascade="relay")
    await marketer.run(campaign_id)
    taken = await relay.claim("viber", limit=PEOPLE - 1)
    for number, attempt in enumerate(taken):
        await relay.answer(attempt, Accepted((f"v{number}",)))
    await relay.wait(7_200)  # 20:00: one is queued still, the others come to their second step
    assert await relay.claim("viber") == await relay.claim("sms") == []
    await relay.wait(14 * 3_600)
    assert len(await relay.claim("viber")) == 1
    assert await relay.claim("sms") == []  # 10:00, and the step begins at 17:00
    await relay.wait(7 * 3_600)
    assert len(await relay.claim("sms")) == PEOPLE - 1


async def test_a_window_that_does_not_fit_the_hours_of_a_step_is_refused(marketer: Marketer) -> None:
    night = {"from": "20:00", "until": "06:00"}
    await marketer.relay.cascade("night", [{"line": "sms", "hours": night}])
    window = {"from": "10:00", "until": "20:00"}
    with pytest.raises(Problem) as raised:
        await marketer.begin(schedule={"window": window}, line="", cascade="night")
    assert [(one.field, one.value) for one in raised.value.fields] == [("schedule.window", "20:00 to 06:00")]


async def test_who_waits_at_its_end_is_left_out(marketer: Marketer) -> None:
    clock = marketer.relay.clock
    until = to_datetime(clock.now() + 150_000_000).isoformat()
    campaign_id = await marketer.begin(schedule={"until": until, "per_hour": 60})
    for _ in range(4):
        await marketer.run(campaign_id)
        clock.advance(60)
    await marketer.run(campaign_id)
    assert await marketer.counts(campaign_id) == ("done", PEOPLE, 3, PEOPLE - 3)
    assert await marketer.reasons(campaign_id) == {"deadline": PEOPLE - 3}


async def test_no_more_is_launched_than_the_lines_are_about_to_take(
    marketer: Marketer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launch, "AHEAD", 5)
    campaign_id = await marketer.begin()
    await marketer.run(campaign_id)
    assert (await marketer.look(campaign_id)).told == 5
    assert len(await marketer.sent()) == 5
    await marketer.run(campaign_id)
    assert (await marketer.look(campaign_id)).told == 10


async def test_what_is_wrong_is_named_when_it_is_written_and_when_it_starts(marketer: Marketer) -> None:
    with pytest.raises(Problem) as caught:
        await marketer.write(name="", template="", line="", schedule={"per_hour": 0})
    assert [one.field for one in caught.value.fields] == ["name", "template", "cascade", "schedule.per_hour"]
    campaign_id = await marketer.write(template="nothing", line="other")
    with pytest.raises(Problem) as caught:
        await marketer.start(campaign_id)
    assert [one.field for one in caught.value.fields] == ["template", "line"]
    assert (await marketer.look(campaign_id)).state.value == "draft"


async def test_a_campaign_of_another_workspace_is_not_there(marketer: Marketer, database: Database) -> None:
    campaign_id = await marketer.write()
    with pytest.raises(Problem) as caught:
        await database.run(
            flows.start, marketer.relay.world, marketer.relay.workspace_id + 1, campaign_id, marketer.deed()
        )
    assert caught.value.status == 404


async def test_it_pauses_when_its_messages_fail(marketer: Marketer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch, "AHEAD", 6)
    limits = {"failed_percent": 40, "known": 20}
    for number in range(PEOPLE, 60):
        phone = {"kind": "phone", "value": f"+38050{number:07}"}
        await marketer.relay.contact(external_id=f"c{number}", addresses=[phone])
    campaign_id = await marketer.begin(pause_when=limits)
    failed = 0
    while (await marketer.look(campaign_id)).state.value in ("building", "running"):
        await marketer.run(campaign_id, turns=5)
        for place, attempt in enumerate(await marketer.relay.claim("sms")):
            if place % 2:
                await marketer.relay.answer(attempt, marketer.relay.accepted())
                await marketer.relay.receipt("sms", ReceiptStatus.DELIVERED)
            else:
                await marketer.relay.answer(attempt, refused(Reason.BAD_ADDRESS))
                failed += 1
        marketer.relay.clock.advance(3)
    one = await marketer.look(campaign_id)
    assert (one.state.value, one.reason) == ("paused", "failing")
    assert one.told < 60
    assert failed >= 8
    await marketer.resume(campaign_id)
    marketer.relay.clock.advance(3)
    await marketer.run(campaign_id, turns=5)
    assert (await marketer.look(campaign_id)).told > one.told  # what was before is not held against it


async def test_it_pauses_when_people_leave(marketer: Marketer) -> None:
    for number in range(PEOPLE, 40):
        phone = {"kind": "phone", "value": f"+38050{number:07}"}
        await marketer.relay.contact(external_id=f"c{number}", addresses=[phone])
    campaign_id = await marketer.begin(
        pause_when={"left_percent": 5, "known": 20}, schedule={"per_hour": 3_600}
    )
    for _ in range(120):
        marketer.relay.clock.advance(1)
        await marketer.run(campaign_id, turns=5)
        for attempt in await marketer.relay.claim("sms"):
            await marketer.relay.answer(attempt, marketer.relay.accepted())
            if attempt.address.endswith(("5", "7")):
                await marketer.relay.hear("sms", "STOP", sender=attempt.address)
    one = await marketer.look(campaign_id)
    assert (one.state.value, one.reason) == ("paused", "leaving")
    assert 20 <= one.told < 40


async def test_nobody_is_left_out_for_money(marketer: Marketer) -> None:
    budget = {"name": "sale", "amount": "0.05", "currency": "EUR", "every": "month"}
    await marketer.relay.policy("budgets", budgets=[budget])
    campaign_id = await marketer.begin()
    await marketer.run(campaign_id)
    one = await marketer.look(campaign_id)
    assert (one.state.value, one.reason, one.told, one.left_out) == ("paused", "budget", 5, 0)
    await marketer.relay.policy("budgets", budgets=[{**budget, "amount": "1"}])
    await marketer.resume(campaign_id)
    await marketer.run(campaign_id)
    assert await marketer.counts(campaign_id) == ("done", PEOPLE, PEOPLE, 0)
    assert len(await marketer.sent()) == PEOPLE


async def test_no_message_of_others_counts_as_one_of_a_campaign(marketer: Marketer) -> None:
    campaign_id = await marketer.begin()
    message = {"to": {"phone": "+380501234567"}, "class": "promotional", "text": "Hello", "line": "sms"}
    answer = await marketer.relay.order(message | {"label": flows.label(campaign_id)})
    assert isinstance(answer, Problem)
    assert [one.field for one in answer.fields] == ["label"]


async def test_who_left_or_went_while_others_were_told_is_not_told(
    marketer: Marketer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launch, "BATCH", 4)
    workspace_id = marketer.relay.workspace_id
    campaign_id = await marketer.begin()
    while (await marketer.look(campaign_id)).told < 2 * launch.BATCH:
        await marketer.runner.move_on(workspace_id, campaign_id)
    members = await marketer.db.read(member_store.page, workspace_id, campaign_id, 0, PEOPLE)
    waiting = [n for n, one in enumerate(members) if not one.message_id]
    left, gone = waiting[:2]
    phone = {"kind": "phone", "value": f"+38050{left:07}"}
    await marketer.relay.contact(external_id=f"c{left}", opted_out=["promotional"], addresses=[phone])
    await contacts.delete(marketer.relay.ground, workspace_id, members[gone].contact_id)
    await marketer.run(campaign_id)
    assert await marketer.reasons(campaign_id) == {"opted_out": 1, "gone": 1}
    everybody = {f"+38050{number:07}" for number in range(PEOPLE)}
    assert set(await marketer.sent()) == everybody - {f"+38050{left:07}", f"+38050{gone:07}"}

"""Before a campaign starts: what it would come to, who approves it, and the number that is typed."""

from __future__ import annotations

from typing import Any

import pytest

from angarium.campaigns import flows, forecast, report
from angarium.campaigns.flows import Deed
from angarium.core.problems import Problem
from angarium.messaging.surroundings import Outlook
from support.marketer import PEOPLE, Marketer
from support.relay import Relay


@pytest.fixture
async def marketer(relay: Relay) -> Marketer:
    """With a line, a template and people."""
    return await Marketer(relay).open()


async def foretold(marketer: Marketer, campaign_id: int) -> dict[str, Any]:
    world = marketer.relay.world
    return await forecast.forecast(world, Outlook(world), marketer.relay.workspace_id, campaign_id)


async def test_a_forecast_is_what_then_comes_true(marketer: Marketer) -> None:
    relay = marketer.relay
    await relay.line("viber", "viber_business", classes=("promotional",), price="0.05")
    await relay.cascade("both", [{"channel": "viber_business"}, {"line": "sms"}])
    await relay.contact(external_id="c1", opted_out=["promotional"])
    campaign_id = await marketer.write(cascade="both", line="")
    told = await foretold(marketer, campaign_id)
    assert (told["members"], told["goes"], told["left_out"]) == (PEOPLE, PEOPLE - 1, {"opted_out": 1})
    assert [(one["begin"], one["able"]) for one in told["steps"]] == [
        (PEOPLE - 1, PEOPLE - 1),
        (0, PEOPLE - 1),
    ]
    assert told["cost"]["least"][0]["amount"] == "0.55"
    assert told["cost"]["most"][0]["amount"] == "0.66"
    assert told["messages"][0]["content"]["text"] == "Hello N0, all half price!"
    assert not told["estimated"]
    assert "unsubscribe-missing" in {one["kind"] for one in told["findings"]}
    assert await relay.claim("viber") == []
    await marketer.start(campaign_id)
    await marketer.run(campaign_id)
    assert await marketer.counts(campaign_id) == ("done", PEOPLE, told["goes"], 1)
    assert len(await relay.claim("viber")) == told["steps"][0]["begin"]
    found = await marketer.db.read(report.count, relay.world, relay.workspace_id, campaign_id, 0)
    assert (found["forecast"]["goes"], found["forecast"]["cost"]) == (told["goes"], told["cost"])


async def test_a_forecast_warns_of_the_languages_of_those_whom_it_is_for(marketer: Marketer) -> None:
    relay = marketer.relay
    for name, locale, tags in (("نرگس", "fa-IR", ["silver"]), ("Олена", "uk", [])):
        await relay.contact(external_id=locale, name=name, locale=locale, tags=tags)
    told = await foretold(marketer, await marketer.write(audience={"tags": ["silver"]}))
    assert {one["locale"] for one in told["findings"] if one["kind"] == "locale-missing"} == {"fa-IR"}


async def test_a_forecast_counts_the_languages_of_those_it_has_looked_at(
    marketer: Marketer, monkeypatch: pytest.MonkeyPatch
) -> None:
    relay = marketer.relay
    for number in range(4):
        tags = ["silver"] if number else []
        await relay.contact(external_id=f"f{number}", name="نرگس", locale="fa", tags=tags)

    async def said() -> list[str]:
        told = await foretold(marketer, await marketer.write(audience={"tags": ["silver"]}))
        found = [one["problem"] for one in told["findings"] if one["kind"] == "locale-missing"]
        return [text.partition(" would ")[0] for text in found]

    assert await said() == ["3 contacts with the locale fa"]
    monkeypatch.setattr(forecast, "SAMPLE", 2)
    assert await said() == [
        "2 of 2 contacts looked at, with the locale fa",
        "contacts with the locale uk-UA (none among 2 looked at)",
    ]


async def test_a_forecast_shows_every_wording_of_several(marketer: Marketer) -> None:
    await marketer.relay.template("other", "{{ contact.name }}: {{ what }}?", "promotional")
    arms = [{"name": "loud", "template": "sale"}, {"name": "calm", "template": "other"}]
    told = await foretold(marketer, await marketer.write(template="", experiment={"arms": arms}))
    shown = {(one["variant"], one["content"]["text"][-1]) for one in told["messages"]}
    assert (shown, len(told["messages"])) == ({("loud", "!"), ("calm", "?")}, 6)


async def test_a_forecast_names_what_is_in_the_way(marketer: Marketer) -> None:
    campaign_id = await marketer.write(template="nothing")
    with pytest.raises(Problem) as caught:
        await foretold(marketer, campaign_id)
    assert [one.field for one in caught.value.fields] == ["template"]


async def test_a_forecast_names_budgets_that_have_no_room_for_all(marketer: Marketer) -> None:
    (need,) = (await foretold(marketer, await marketer.write()))["cost"]["most"]
    currency = need["currency"]
    everything = {"name": "everything", "amount": need["amount"], "currency": currency, "every": "month"}
    other = {"name": "elsewhere", "amount": "0.01", "currency": currency, "line": "viber"}
    exempt = {"name": "adverts", "amount": "0.01", "currency": currency, "exempt": ["promotional"]}
    await marketer.relay.policy("budgets", budgets=[everything, other, exempt])
    assert (await foretold(marketer, await marketer.write()))["budgets_short"] == []
    await marketer.relay.policy("budgets", budgets=[everything | {"amount": "0.05"}, other, exempt])
    (short,) = (await foretold(marketer, await marketer.write()))["budgets_short"]
    found = (short.budget, short.left, short.need, short.then)
    assert found == ("everything", "0.05", need["amount"], "refuse")


async def test_a_forecast_names_lines_that_cannot_be_reached(marketer: Marketer) -> None:
    relay = marketer.relay
    await relay.line("spare", "smpp", classes=("promotional",))
    relay.world.connected[relay.lines["sms"].id] = False
    by_line = await foretold(marketer, await marketer.write())
    assert [(one.step, one.line) for one in by_line["lines_away"]] == [(1, "sms")]
    by_channel = await marketer.write(line="", channel="smpp")
    assert (await foretold(marketer, by_channel))["lines_away"] == []
    relay.world.connected[relay.lines["spare"].id] = False
    assert len((await foretold(marketer, by_channel))["lines_away"]) == 1


async def test_a_sample_stands_for_many(marketer: Marketer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forecast, "SAMPLE", 4)
    campaign_id = await marketer.write()
    told = await foretold(marketer, campaign_id)
    assert (told["members"], told["sample"], told["estimated"], told["goes"]) == (PEOPLE, 4, True, PEOPLE)
    assert told == await foretold(marketer, campaign_id)
    given = flows.wanted(await marketer.look(campaign_id))
    await marketer.db.run(flows.change, marketer.relay.workspace_id, campaign_id, given, marketer.deed())
    assert (await marketer.look(campaign_id)).forecast == ""  # it was of other words


async def test_somebody_else_approves_it(marketer: Marketer) -> None:
    await marketer.relay.policy("campaigns", approve=["promotional"])
    world, workspace_id, db = marketer.relay.world, marketer.relay.workspace_id, marketer.db
    campaign_id = await marketer.write()
    with pytest.raises(Problem) as caught:
        await marketer.start(campaign_id)
    assert caught.value.slug == "campaign-unapproved"
    officer, editor = marketer.deed("per_officer"), marketer.deed("key_editor")
    given = flows.wanted(await marketer.look(campaign_id))
    await db.run(flows.change, workspace_id, campaign_id, given, editor)
    await db.run(flows.submit, world, workspace_id, campaign_id, marketer.deed())
    with pytest.raises(Problem):
        await db.run(flows.change, workspace_id, campaign_id, given, editor)
    for own in (marketer.deed(), editor):
        with pytest.raises(Problem) as caught:
            await db.run(flows.approve, world, workspace_id, campaign_id, own)
        assert caught.value.status == 403
    await db.run(flows.refuse, workspace_id, campaign_id, "The offer is over.", officer)
    assert (await marketer.look(campaign_id)).reason == "The offer is over."
    await db.run(flows.submit, world, workspace_id, campaign_id, marketer.deed())
    await db.run(flows.approve, world, workspace_id, campaign_id, officer)
    await marketer.run(campaign_id)
    one = await marketer.look(campaign_id)
    assert (one.state.value, one.started_by, one.reason) == ("done", "per_officer", "")


@pytest.mark.parametrize(
    "policy", [{"confirm_members": PEOPLE - 1}, {"confirm_cost": {"EUR": 100_000}}], ids=["size", "cost"]
)
async def test_the_number_is_typed_above_a_size_or_a_cost(marketer: Marketer, policy: dict[str, Any]) -> None:
    await marketer.relay.policy("campaigns", **policy)
    campaign_id = await marketer.write()
    for typed in (None, PEOPLE + 5):
        with pytest.raises(Problem) as caught:
            await started(marketer, campaign_id, typed)
        assert caught.value.slug == "confirmation-needed"
        assert f"`confirm`: {PEOPLE}" in caught.value.detail
    assert (await started(marketer, campaign_id, PEOPLE)).state.value == "building"


async def test_below_them_nothing_is_asked_for(marketer: Marketer) -> None:
    await marketer.relay.policy("campaigns", confirm_members=PEOPLE, confirm_cost={"EUR": 10**9})
    assert (await started(marketer, await marketer.write(), None)).state.value == "building"


async def started(marketer: Marketer, campaign_id: int, typed: int | None) -> Any:
    deed = Deed("key_marketer", marketer.relay.clock.now(), confirmed=typed)
    world, workspace_id = marketer.relay.world, marketer.relay.workspace_id
    return await marketer.db.run(flows.start, world, workspace_id, campaign_id, deed)


@pytest.mark.parametrize(
    ("way", "said", "remedy"),
    [
        ({"channel": "viber_business"}, "There is no such line yet.", "create the line first"),
        ({"line": "codes"}, "is not approved for promotional", "have a line approved for this class"),
    ],
    ids=["no line", "of another class"],
)
async def test_that_no_line_may_tell_anybody_is_said_with_its_remedy(
    marketer: Marketer, way: dict[str, str], said: str, remedy: str
) -> None:
    await marketer.relay.line("codes", "smpp", classes=("otp",))
    campaign_id = await marketer.write(**{"line": "", **way})
    with pytest.raises(Problem) as refused:
        await marketer.start(campaign_id)
    (field,) = refused.value.fields
    assert said in field.problem
    assert (field.field, field.remedy, field.value) == ("steps[0]", remedy, *way.values())

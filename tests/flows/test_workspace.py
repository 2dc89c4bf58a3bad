"""The time zone of a workspace: set by somebody who may, and where its days and hours are counted."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from angarium.accounts import flows
from angarium.campaigns import report
from angarium.content import flows as templates
from angarium.content import review
from angarium.content.flows import Deed, TemplateInput
from angarium.content.rules import Variant
from angarium.core.clock import to_datetime
from angarium.core.values import Content, MessageClass, ReceiptStatus
from angarium.messaging import budgets
from angarium.storage.database import Transaction
from support.marketer import Marketer
from support.relay import Relay
from support.server import key_for, member, whole_house

DAY = {"name": "day", "amount": "5", "currency": "EUR", "every": "day"}
MAIL = [{"kind": "email", "value": "a@b.cc"}]


async def test_it_is_looked_at_and_changed_by_whoever_may(database_url: str, tmp_path: Path) -> None:
    async with whole_house(database_url, tmp_path) as (house, nobody):
        owner = await member(nobody, house.ground, "shop")
        shown = (await owner.ask("GET", "/v1/workspace")).json
        assert (shown["name"], shown["currency"], shown["time_zone"]) == ("shop", "EUR", "UTC")
        looks = owner.with_key(await key_for(house.ground, owner.workspace_id, "setup:read"))
        assert (await looks.ask("GET", "/v1/workspace")).status == 200
        assert (await looks.ask("PATCH", "/v1/workspace", {"time_zone": "Asia/Tehran"})).status == 403
        for wrong in ("Tehran", "localtime", "../UTC", ""):
            refused = await owner.ask("PATCH", "/v1/workspace", {"time_zone": wrong})
            assert (refused.status, list(refused.fields)) == (422, ["time_zone"])
        for _ in range(2):
            changed = await owner.ask("PATCH", "/v1/workspace", {"time_zone": "Asia/Tehran"})
            assert (changed.status, changed.json["time_zone"]) == (200, "Asia/Tehran")
        assert (await owner.ask("PATCH", "/v1/workspace", {})).json["time_zone"] == "Asia/Tehran"
        log = (await owner.ask("GET", "/v1/audit?limit=1000")).json["items"]
        assert [one["action"] for one in log].count("workspace.changed") == 1
        other = await member(nobody, house.ground, "another")
        assert (await other.ask("GET", "/v1/workspace")).json["time_zone"] == "UTC"


async def live_in(relay: Relay, zone: str) -> None:
    """From now on, as the loop reads it."""
    await flows.change_workspace(relay.ground, relay.workspace_id, zone, "key_test")
    await relay.world.policies.reload([relay.workspace_id])


async def test_the_day_of_a_budget_is_the_workspaces_unless_it_names_its_own(relay: Relay) -> None:
    await live_in(relay, "Asia/Tokyo")
    for own, zone in (("", "Asia/Tokyo"), ("Asia/Tehran", "Asia/Tehran")):
        await relay.policy("budgets", zone=own, budgets=[DAY])
        now = relay.clock.now()
        (found,) = await relay.ground.db.read(budgets.standings, relay.world, relay.workspace_id, now)
        begins = to_datetime(found.period.begins).astimezone(ZoneInfo(zone))
        assert (begins.hour, begins.minute) == (0, 0)
        assert found.period.name == begins.date().isoformat()
        purse = await relay.ground.db.run(budgets.purse, relay.world, relay.workspace_id, now)
        assert purse is not None
        (met,) = purse.facts(MessageClass.SERVICE, "", 1, "EUR", now)
        assert met.until == found.period.until


async def mail(relay: Relay) -> None:
    """A template for mail."""
    words = (Variant(Content(text="Hello", subject="Hello")),)

    async def work(tx: Transaction) -> None:
        deed = Deed("key_of_the_shop", relay.clock.now())
        given = TemplateInput("mail", words, MessageClass.PROMOTIONAL)
        made = await templates.create(tx, relay.ground, relay.workspace_id, given, deed)
        await review.publish(tx, relay.ground, made, None, review.Term(), deed)

    await relay.ground.db.run(work)


async def test_a_campaign_tells_people_of_nowhere_by_the_workspaces_clocks(relay: Relay) -> None:
    await live_in(relay, "Asia/Tokyo")  # it is past one in the night there
    marketer = await Marketer(relay).open(people=0)
    await relay.line("mail", "smtp", classes=("promotional",))
    await relay.contact(external_id="nowhere", addresses=MAIL)
    await relay.contact(external_id="c1", addresses=[{"kind": "email", "value": "c@d.ee"}], time_zone="UTC")
    await mail(relay)
    window = {"from": "09:00", "until": "10:00"}
    campaign_id = await marketer.begin(
        template="mail", variables={}, line="mail", schedule={"window": window}
    )
    told: dict[str, int] = {}
    for _ in range(48):
        await marketer.run(campaign_id)
        for attempt in await relay.claim("mail"):
            zone = {"a@b.cc": "Asia/Tokyo", "c@d.ee": "UTC"}[attempt.address]
            told[attempt.address] = to_datetime(relay.clock.now()).astimezone(ZoneInfo(zone)).hour
            await relay.answer(attempt, relay.accepted())
            await relay.receipt("mail", ReceiptStatus.DELIVERED)
        relay.clock.advance(1_800)
    assert told == {"a@b.cc": 9, "c@d.ee": 9}
    now = relay.clock.now()
    found = await marketer.db.read(report.count, relay.world, relay.workspace_id, campaign_id, now)
    hours = [datetime.fromisoformat(one["hour"]) for one in found["hours"]]
    assert {one.utcoffset() for one in hours} == {datetime.now(ZoneInfo("Asia/Tokyo")).utcoffset()}
    assert sorted(one.hour for one in hours) == [9, 18]

"""Where a cascade is used: campaigns that go by it, systems that name it; what keeps it from going."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from angarium.accounts.rules import SCOPES
from angarium.assembly import House
from angarium.campaigns.states import OVER, CampaignState
from angarium.campaigns.store import campaigns
from angarium.core import ids
from support.people import Surfer, joined, surfer_of
from support.server import CASCADE, LINE, TEMPLATE, Client, key_for, member, whole_house

NAMES = ("quick", "quick_1")  # as LIKE sees it, the second one fits other names too


class Shop:
    """A workspace with two cascades."""

    def __init__(self, house: House, client: Client, owner: Surfer, cascades: dict[str, str]) -> None:
        self.house, self.client, self.owner, self.cascades = house, client, owner, cascades

    async def uses(self, name: str) -> Any:
        """Where a cascade is used."""
        return (await self.client.ask("GET", f"/v1/cascades/{self.cascades[name]}/uses")).json

    async def campaign(self, name: str, cascade: str) -> str:
        """A draft that goes by a cascade; its id."""
        body = {"name": name, "audience": {"everybody": True}, "template": "shipped", "cascade": cascade}
        return str((await self.client.ask("POST", "/v1/campaigns", body)).json["id"])

    async def put_in(self, campaign: str, state: CampaignState) -> None:
        """A campaign that has come so far."""
        workspace_id = self.client.workspace_id

        async def work(tx: Any) -> None:
            one = await campaigns.hold(tx, workspace_id, ids.read("campaign", campaign))
            assert one is not None
            one.state, one.cleared = state, True
            await campaigns.save(tx, one)

        await self.house.ground.db.run(work)

    async def send(self, cascade: str, **more: Any) -> None:
        """A message of a system that names a cascade."""
        body = {"to": {"phone": "+380441234568"}, "class": "service", "text": "hello", "cascade": cascade}
        assert (await self.client.ask("POST", "/v1/messages", body | more)).status == 202


@pytest.fixture
async def shop(database_url: str, tmp_path: Path) -> AsyncIterator[Shop]:
    """One of them, and another workspace that has the same."""
    async with whole_house(database_url, tmp_path) as (house, nobody):
        mine, other = [await member(nobody, house.ground, name) for name in ("shop", "bank")]
        owner = surfer_of(nobody)
        await joined(house, owner, mine.workspace_id, "olena@shop.example")
        made: dict[str, str] = {}
        for one in (other, mine):
            for path, body in (("lines", LINE), ("templates", TEMPLATE)):
                assert (await one.ask("POST", f"/v1/{path}", body)).status == 201
            for name in NAMES:
                answer = await one.ask("POST", "/v1/cascades", {**CASCADE, "name": name})
                made[name] = answer.json["id"]
        await house.world.lines.reload([mine.workspace_id, other.workspace_id])
        stranger = Shop(house, other, owner, made)
        await stranger.campaign("Of the bank", "quick")
        await stranger.send("quick")
        yield Shop(house, mine, owner, made)


async def test_a_cascade_that_nothing_uses_is_deleted(shop: Shop) -> None:
    assert await shop.uses("quick") == {"used_by": [], "called": {"count": 0, "last_at": None}}
    path = f"/cascades/{shop.cascades['quick']}"
    assert (await shop.owner.get(path)).says("Nothing uses it")
    assert (await shop.client.ask("DELETE", f"/v1{path}")).status == 204
    assert (await shop.client.ask("DELETE", f"/v1{path}")).status == 404
    assert (await shop.client.ask("GET", f"/v1{path}/uses")).status == 404


async def test_a_campaign_that_is_not_over_holds_its_cascade(shop: Shop) -> None:
    winter = await shop.campaign("Winter", "quick")
    await shop.campaign("Autumn", "quick_1")
    path = f"/cascades/{shop.cascades['quick']}"
    for state in sorted(CampaignState, key=lambda one: one in OVER):
        await shop.put_in(winter, state)
        told = {"kind": "campaign", "id": winter, "name": "Winter", "state": state.value}
        assert (await shop.uses("quick"))["used_by"] == [told | {"holds": state not in OVER}]
        if state not in OVER:
            refused = await shop.client.ask("DELETE", f"/v1{path}?even_if_called=true")
            assert (refused.status, refused.json["type"].rpartition("/")[2]) == (409, "in-use")
            assert f"Winter ({state.value})" in refused.json["detail"]
            assert "Autumn" not in refused.json["detail"]
    page = await shop.owner.get(path)
    assert f"/campaigns/{winter}" in page.values("href")
    assert f"{path}/delete" in page.values("action")
    await shop.put_in(winter, CampaignState.PAUSED)
    assert f"{path}/delete" not in (await shop.owner.get(path)).values("action")
    by_hand = await shop.owner.do(f"{path}/delete", even_if_called="yes")
    assert (by_hand.status, by_hand.says("Winter")) == (409, True)
    await shop.put_in(winter, CampaignState.DONE)
    assert (await shop.client.ask("DELETE", f"/v1{path}")).status == 204


async def test_who_may_not_see_campaigns_is_told_how_many(shop: Shop) -> None:
    winter = await shop.campaign("Winter", "quick")
    workspace_id = shop.client.workspace_id
    scopes = SCOPES.keys() - {"messages:read"}
    blind = shop.client.with_key(await key_for(shop.house.ground, workspace_id, *scopes), workspace_id)
    path = f"/v1/cascades/{shop.cascades['quick']}"
    assert (await blind.ask("GET", f"{path}/uses")).json["used_by"] == []
    refused = await blind.ask("DELETE", path)
    assert refused.status == 409
    assert "may not see use it: 1" in refused.json["detail"]
    assert "Winter" not in refused.json["detail"]
    assert (await shop.client.ask("DELETE", f"/v1/campaigns/{winter}")).status == 204
    assert (await blind.ask("DELETE", path)).status == 204


async def test_what_systems_named_is_deleted_by_whoever_has_looked(shop: Shop) -> None:
    await shop.send("quick")
    await shop.send("quick")
    await shop.send("quick_1")
    called = (await shop.uses("quick"))["called"]
    assert (called["count"], bool(called["last_at"])) == (2, True)
    path = f"/cascades/{shop.cascades['quick']}"
    changed = {"name": "quick", "steps": [{"channel": "viber_business", "wait_s": 77}]}
    assert (await shop.client.ask("PUT", f"/v1{path}", changed)).status == 200
    assert (await shop.uses("quick"))["called"]["count"] == 2  # of an older version
    page = await shop.owner.get(path)
    assert page.says("2 of the newest messages")
    assert any("refused" in words for words in page.values("data-sure"))
    assert (await shop.client.ask("DELETE", f"/v1{path}")).status == 409
    assert (await shop.owner.do(f"{path}/delete")).status == 409
    assert (await shop.owner.do(f"{path}/delete", even_if_called="yes")).status == 303
    assert (await shop.client.ask("GET", f"/v1{path}")).status == 404

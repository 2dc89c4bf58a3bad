"""The pages of segments: where one is used; templates of what was sent, chosen by their names."""

from __future__ import annotations

from pathlib import Path

from angarium.accounts.roles import Role
from support.people import joined, surfer_of
from support.server import CASCADE, LINE, TEMPLATE, member, whole_house


async def test_a_segment_tells_where_it_is_used(database_url: str, tmp_path: Path) -> None:
    async with whole_house(database_url, tmp_path) as (house, nobody):
        mine = await member(nobody, house.ground, "shop")
        owner = surfer_of(nobody)
        await joined(house, owner, mine.workspace_id, "olena@shop.example")
        for path, body in (("lines", LINE), ("templates", TEMPLATE), ("cascades", CASCADE)):
            assert (await mine.ask("POST", f"/v1/{path}", body)).status == 201
        made = [
            await mine.ask("POST", "/v1/segments", {"name": name, "rules": {"tag": name}})
            for name in ("a", "b")
        ]
        used, unused = (one.json["id"] for one in made)
        users = {"name": "those of a", "rules": {"all": [{"segment": used}]}}
        assert (await mine.ask("POST", "/v1/segments", users)).status == 201
        sale = {"name": "Winter", "audience": {"segment": used}, "template": "shipped", "cascade": "quick"}
        campaign = (await mine.ask("POST", "/v1/campaigns", sale)).json["id"]
        page = await owner.get(f"/segments/{used}")
        assert page.says("those of a")
        assert f"/campaigns/{campaign}" in page.values("href")
        assert "/campaigns/cmp" not in (await owner.get(f"/segments/{unused}")).text
        refused = await owner.do(f"/segments/{used}/delete")
        assert (refused.status, refused.says("those of a")) == (409, True)


async def test_a_rule_about_messages_names_a_template(database_url: str, tmp_path: Path) -> None:
    async with whole_house(database_url, tmp_path) as (house, nobody):
        mine, other = [await member(nobody, house.ground, name) for name in ("shop", "bank")]
        owner = surfer_of(nobody)
        await joined(house, owner, mine.workspace_id, "olena@shop.example", Role.MARKETER)
        ids = [
            (await one.ask("POST", "/v1/templates", {**TEMPLATE, "name": name})).json["id"]
            for one, name in ((mine, "order-shipped"), (mine, "order-paid"), (other, "order-of-others"))
        ]
        found = (await owner.get("/segments/templates?r.0%3Atemplate=ORDER")).values("value")
        assert found == ["order-paid", "order-shipped"]
        assert (await owner.get("/segments/templates?r.0%3Atemplate=ship")).values("value") == found[1:]
        assert (await owner.get("/segments/templates?q=x&%00=%FF")).values("value") == found
        rule = {
            "r:kind": "all",
            "r.0:kind": "history",
            "r.0:history": "read",
            "r.0:template": "order-shipped",
        }
        saved = await owner.do("/segments/new", name="Readers", **rule)
        assert saved.status == 303
        (made,) = (await mine.ask("GET", "/v1/segments")).json["items"]
        assert made["rules"] == {"all": [{"history": "read", "template": ids[0]}]}
        page = await owner.get(f"/segments/{made['id']}")
        assert page.says("order-shipped")
        assert f"/templates/{ids[0]}" in page.values("href")
        assert "order-shipped" in (await owner.get(f"/segments/{made['id']}/edit")).values("value")
        wrong = await owner.do(
            "/segments/new", name="Of others", **{**rule, "r.0:template": "order-of-others"}
        )
        assert (wrong.status, wrong.says("is not the id of a template")) == (422, True)
        assert "order-of-others" in wrong.values("value")

"""The page of a segment tells where it is used: in other segments, and in campaigns."""

from __future__ import annotations

from pathlib import Path

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

"""The pages of clients of other shapes: an account by a form, its secret once, away again."""

from __future__ import annotations

import re
from pathlib import Path

import aiohttp

from angarium.accounts.roles import Role
from support.people import joined, surfer_of
from support.server import LINE, member, whole_house

PAGE = "/developers/clients"
ACCOUNT = re.compile(rf"{PAGE}/(?:smpp|twilio)/([a-z]+_[a-z0-9]+)/delete")


async def test_accounts_of_both_doors_by_their_forms(database_url: str, tmp_path: Path) -> None:
    async with whole_house(database_url, tmp_path) as (house, nobody):
        mine = await member(nobody, house.ground, "shop")
        owner, looker = surfer_of(nobody), surfer_of(nobody)
        await joined(house, owner, mine.workspace_id, "olena@shop.example")
        await joined(house, looker, mine.workspace_id, "lena@shop.example", Role.READ_ONLY)
        assert (await mine.ask("POST", "/v1/lines", LINE)).status == 201
        await house.world.lines.reload([mine.workspace_id])  # nobody watches them here
        await owner.prove()
        form = {"name": "billing", "class": "service", "way": "line:viber"}

        wrong = await owner.do(f"{PAGE}/smpp", **form, window="0", networks="home")
        assert (wrong.status, wrong.values("value").count("billing")) == (422, 1)
        assert wrong.says("such as 192.0.2.7 or 192.0.2.0/24")
        made = await owner.do(f"{PAGE}/smpp", **form, window="10")
        system_id, password = made.values("data-copy")
        assert (made.status, system_id[:3]) == (200, "ang")
        of_twilio = await owner.do(f"{PAGE}/twilio", **form, service_sid="MG" + "a" * 32)
        sid, token = of_twilio.values("data-copy")
        listed = await owner.get(PAGE)
        assert listed.says(system_id)
        assert listed.says(sid)
        assert password not in listed.text
        assert token not in listed.text
        messages = f"{nobody.url}/2010-04-01/Accounts/{sid}/Messages.json"
        knock = {"Authorization": aiohttp.encode_basic_auth(sid, token)}
        async with nobody.session.get(messages, headers=knock) as answer:
            assert answer.status == 200

        seen = await looker.get(PAGE)
        assert (seen.status, ACCOUNT.findall(seen.text)) == (200, [])
        assert f"{PAGE}/smpp/new" not in seen.values("href")
        ways = dict(zip(("smpp", "twilio"), ACCOUNT.findall(listed.text), strict=True))
        for door, account in ways.items():
            assert (await looker.do(f"{PAGE}/{door}/{account}/delete")).status == 403
            assert (await owner.do(f"{PAGE}/{door}/{account}/delete")).status == 303
        assert ACCOUNT.findall((await owner.get(PAGE)).text) == []

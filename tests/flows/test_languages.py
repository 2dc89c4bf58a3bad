"""The language that somebody chooses: theirs in every browser, and nobody's else to choose."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from support.people import PASSWORD, Surfer, joined, surfer_of
from support.server import member, whole_house

EMAIL, OTHER = "olena@shop.example", "quite another long one"


@pytest.fixture
async def owner(database_url: str, tmp_path: Path) -> AsyncIterator[Surfer]:
    """Somebody who is in."""
    async with whole_house(database_url, tmp_path) as (house, nobody):
        client = await member(nobody, house.ground, "shop")
        surfer = surfer_of(client)
        await joined(house, surfer, client.workspace_id, EMAIL)
        yield surfer


def another(surfer: Surfer) -> Surfer:
    """Another browser, at the same server."""
    return Surfer(surfer.session, surfer.url)


async def test_a_language_follows_its_person_to_another_browser(owner: Surfer) -> None:
    before = another(owner)
    await before.follow(await before.sign_in(EMAIL))
    assert (await before.get("/messages")).values("lang")[0] == "en"
    chosen = await owner.post("/look", {"language": "fa", "next": "/messages"})
    assert (chosen.status, chosen.location) == (303, "/messages")
    assert (await before.get("/messages")).values("lang")[0] == "fa"  # also where they are in already
    await owner.do("/account/password", old=PASSWORD, password=OTHER)  # what saves a person leaves it
    elsewhere = another(owner)
    elsewhere.cookies["angarium_language"] = "ru"  # of whoever sat here before
    await elsewhere.follow(await elsewhere.sign_in(EMAIL, OTHER))
    assert (await elsewhere.get("/messages")).values("lang")[0] == "fa"
    await elsewhere.do("/leave")
    assert (await elsewhere.get("/enter")).values("lang")[0] == "ru"
    for strange in ("xx", "", "../en"):
        await owner.post("/look", {"language": strange, "next": "/messages"})
    assert (await owner.get("/messages")).values("lang")[0] == "fa"


async def test_a_language_is_not_chosen_from_elsewhere(owner: Surfer) -> None:
    forged = await owner.post("/look", {"language": "fa", "next": "/messages"}, Sec_Fetch_Site="cross-site")
    assert forged.status == 403
    assert (await owner.get("/messages")).values("lang")[0] == "en"

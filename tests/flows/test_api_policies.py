"""Policies over the API: what goes without saying, a version in force at once, its past, what is wrong."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from angarium.assembly import House
from angarium.messaging.policies import KINDS
from support.server import Client, key_for, member, whole_house


@pytest.fixture
async def shop(database_url: str, tmp_path: Path) -> AsyncIterator[tuple[House, Client]]:
    """A whole server without its loops, and a client with every right."""
    async with whole_house(database_url, tmp_path) as (house, nobody):
        yield house, await member(nobody, house.ground, "shop")


async def test_every_kind_has_what_goes_without_saying(shop: tuple[House, Client]) -> None:
    _, client = shop
    listed = (await client.ask("GET", "/v1/policies")).json["items"]
    assert {one["kind"] for one in listed} == set(KINDS)
    assert {one["version"] for one in listed} == {0}


async def test_a_new_version_is_in_force_at_once(shop: tuple[House, Client]) -> None:
    house, client = shop
    for version, word in enumerate(("allow", "hold"), start=1):
        written = await client.ask("PUT", "/v1/policies/content-control", {"certain": word})
        assert (written.status, written.json["version"]) == (200, version)
        assert house.world.policies.of(client.workspace_id).content_control.certain == word
    past = (await client.ask("GET", "/v1/policies/content-control/versions")).json["items"]
    assert [one["document"]["certain"] for one in past] == ["allow", "hold"]
    assert all(one["changed_by"].startswith("key_") for one in past)


async def test_it_is_the_business_of_one_workspace(shop: tuple[House, Client]) -> None:
    house, client = shop
    other = await member(client, house.ground, "other")
    await client.ask("PUT", "/v1/policies/content-control", {"certain": "hold"})
    assert (await other.ask("GET", "/v1/policies/content-control")).json["version"] == 0


async def test_what_is_wrong_is_named(shop: tuple[House, Client]) -> None:
    house, client = shop
    odd = await client.ask("PUT", "/v1/policies/content-control", {"sertain": "block"})
    assert (odd.status, odd.json["errors"][0]["field"]) == (422, "sertain")
    assert (await client.ask("GET", "/v1/policies/weather")).status == 404
    reader = client.with_key(await key_for(house.ground, client.workspace_id, "policies:read"))
    assert (await reader.ask("PUT", "/v1/policies/content-control", {})).status == 403

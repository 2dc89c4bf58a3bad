"""Which requests a server answers that has some of the roles only."""

from __future__ import annotations

from itertools import combinations

import pytest

from angarium.accounts import pages
from angarium.config import ROLES
from angarium.messaging import api
from support.relay import Relay
from support.server import serving

SOME = [roles for count in range(1, 4) for roles in combinations(ROLES, count)]


@pytest.mark.parametrize("roles", SOME, ids=",".join)
async def test_it_answers_what_its_roles_are_for(relay: Relay, roles: tuple[str, ...]) -> None:
    async with serving(relay.ground, [*api.HANDLERS, *pages.HANDLERS], roles=roles) as client:
        told = {path: await client.ask("GET", path) for path in ("/enter", "/v1/messages", "/health/live")}
        assert told["/enter"].status == (200 if "console" in roles else 421)
        assert told["/v1/messages"].status == (401 if "api" in roles else 421)
        assert told["/health/live"].json["roles"] == list(roles)
        assert (await client.ask("OPTIONS", "/v1/messages")).status == (204 if "api" in roles else 421)
        ours = await client.ask("GET", "/v1/messages", Cookie="angarium=none")
        assert ours.status == (401 if {"api", "console"} & set(roles) else 421)
        with_a_key = await client.with_key("ang_1").ask("GET", "/v1/messages", Cookie="angarium=none")
        assert with_a_key.status == (401 if "api" in roles else 421)


async def test_who_is_refused_is_told_where_to_go(relay: Relay) -> None:
    async with serving(relay.ground, [*api.HANDLERS, *pages.HANDLERS], roles=("worker",)) as client:
        told = await client.ask("GET", "/v1/messages")
        assert told.json["title"] == "Another server answers this"
        assert "at a server with the role api" in told.json["detail"]
        page = await client.ask("GET", "/enter", Accept="text/html")
        assert b"with the role console" in page.body

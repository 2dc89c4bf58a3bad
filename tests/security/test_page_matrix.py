"""Every page there is: who may open it, which forms it believes, and that looking changes nothing.

The pages are found from the routes themselves and what a role may do from its declared table, so that a new
page is examined as soon as it is there, and one that asks for too little is found.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from angarium.accounts.edge import Operation
from angarium.accounts.flows import SELF
from angarium.accounts.roles import Role, scopes_of
from angarium.accounts.rules import SCOPES
from angarium.assembly import HANDLERS, House
from angarium.storage.database import open_database
from angarium.web.app import OURS, operations_of
from support.databases import create_schema
from support.neighbours import PLACE
from support.people import Surfer, joined, surfer_of
from support.server import Client, everything_in, member, whole_house

NOT_HELD = {"session", "person"}  # when somebody was last seen is written down as they look
NOT_ASKED = {"/live"}  # an answer without an end
ELSEWHERE = (
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "", "Origin": "http://evil.example"},
    {"Sec-Fetch-Site": "", "Origin": "null"},
    {"Sec-Fetch-Site": ""},
)
NOBODYS = "x"  # in the place of an id: nothing is called that


def pages() -> list[tuple[str, str, Operation]]:
    """Method, address and operation of every page."""
    told = operations_of([*HANDLERS, *OURS])
    return [(m, PLACE.sub(NOBODYS, p), one) for m, p, one in told if one.page and p not in NOT_ASKED]


LOOKED_AT = [(path, one) for method, path, one in pages() if method == "GET"]
FORMS = [(method, path, one) for method, path, one in pages() if method != "GET"]
CLOSED = [(method, path, one) for method, path, one in pages() if one.scope is not None]


class Place:
    """A workspace and its owner, who is in."""

    def __init__(self, house: House, client: Client, owner: Surfer) -> None:
        self.house, self.client, self.owner = house, client, owner

    async def rows(self) -> dict[str, Any]:
        """Everything that is kept, but for when somebody was last seen."""
        kept = await everything_in(self.house.ground.db)
        return {name: rows for name, rows in kept.items() if name not in NOT_HELD}


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    """On one kind of database: nothing here comes as far as a query of its own."""
    url = f"sqlite:///{tmp_path}/angarium.db"
    database = open_database(url)
    await database.start()
    await create_schema(database)
    await database.stop()
    async with whole_house(url, tmp_path) as (house, nobody):
        client = await member(nobody, house.ground, "shop")
        owner = surfer_of(client)
        await joined(house, owner, client.workspace_id, "mina@shop.example")
        yield Place(house, client, owner)


def test_pages_say_who_may_open_them() -> None:
    """By a scope that there is; what is open to everybody is the way in, and what belongs to no workspace."""
    assert {one.scope for _, _, one in CLOSED} <= {*SCOPES, SELF}
    beginnings = ("/enter", "/invitation", "/look", "/reset", "/setup", "/sign-in", "/static/")
    assert [
        p for _, p, one in pages() if one.scope is None and p != "/" and not p.startswith(beginnings)
    ] == []


async def test_whoever_has_not_entered_or_has_left_is_shown_the_door(place: Place) -> None:
    gone = surfer_of(place.client)
    gone.cookies = dict(place.owner.cookies)
    assert (await gone.do("/leave")).status == 303
    gone.cookies = dict(place.owner.cookies)  # the session of whoever has left, kept by somebody
    found = []
    for surfer in (surfer_of(place.client), gone):
        for method, path, _ in CLOSED:
            page = await surfer.ask(method, path, {}, {"Sec-Fetch-Site": "same-origin"})
            if page.status != 303 or not page.location.startswith("/enter"):
                found.append((method, path, page.status))
    assert found == []


@pytest.mark.turns(2, 0)
async def test_a_form_from_elsewhere_or_without_its_token_does_nothing(place: Place) -> None:
    token = (await place.owner.get("/account")).hidden("token")
    before, found = await place.rows(), []
    for method, path, one in FORMS:
        for headers in ELSEWHERE:
            page = await place.owner.ask(method, path, {"token": token}, headers)
            found += [(path, headers, page.status)] if page.status != 403 else []
        for wrong in ({}, {"token": ""}, {"token": token[::-1]}) if one.scope else ():
            page = await place.owner.ask(method, path, wrong, {"Sec-Fetch-Site": "same-origin"})
            found += [(path, wrong, page.status)] if page.status != 403 else []
    assert found == []
    assert await place.rows() == before


@pytest.mark.turns(2, 0)
async def test_looking_changes_nothing(place: Place) -> None:
    before = await place.rows()
    for path, _ in LOOKED_AT:
        page = await place.owner.get(path)
        assert page.status < 500, (path, page.words)
    assert await place.rows() == before


@pytest.mark.parametrize("role", Role)
@pytest.mark.parts(2)
async def test_a_role_opens_what_its_table_says(place: Place, role: Role) -> None:
    surfer = surfer_of(place.client)
    await joined(place.house, surfer, place.client.workspace_id, f"{role.value}@shop.example", role)
    token = (await surfer.get("/account")).hidden("token")
    may, found = scopes_of(role), []
    for method, path, one in CLOSED:
        allowed = one.scope == SELF or one.scope in may
        if allowed and method != "GET":  # what a form does that may be sent is for the tests of its room
            continue
        fields = None if method == "GET" else {"token": token}
        page = await surfer.ask(method, path, fields, {"Sec-Fetch-Site": "same-origin"})
        refused = page.status == 403 and "scope-missing" in page.text
        if allowed is (page.status == 403) or (not allowed and page.status != 403):
            found.append((method, path, one.scope, page.status, refused))
    assert found == []

"""People over the API: invited, given roles, let go; who may do what to whom; sessions that call it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from angarium.accounts import people as flows
from angarium.accounts.reach import WHOLE
from angarium.accounts.roles import ROLES, Role
from angarium.accounts.store import people as store
from angarium.assembly import House
from angarium.core import ids
from support.people import PASSWORD, Surfer, code_of, joined, surfer_of, token_in
from support.server import KEY, LINE, Client, Heard, member, operations, whole_house


class Place:
    """A workspace with an owner who is in."""

    def __init__(self, house: House, client: Client, owner: Surfer, owner_id: int) -> None:
        self.house, self.client, self.owner = house, client, owner
        self.owner_id = ids.show("person", owner_id)
        self.workspace_id = client.workspace_id

    async def with_role(self, role: Role) -> tuple[Surfer, str]:
        """Somebody else who is in, and their id."""
        surfer = surfer_of(self.client)
        email = f"{role.value}-{len(await self.house.ground.db.read(store.everybody))}@shop.example"
        return surfer, ids.show("person", await joined(self.house, surfer, self.workspace_id, email, role))


@pytest.fixture
async def place(database_url: str, tmp_path: Path) -> AsyncIterator[Place]:
    """The workspace."""
    async with whole_house(database_url, tmp_path) as (house, nobody):
        client = await member(nobody, house.ground, "shop")
        owner = surfer_of(client)
        owner_id = await joined(house, owner, client.workspace_id, "olena@shop.example")
        yield Place(house, client, owner, owner_id)


def slug(answer: Heard) -> str:
    """Which problem it was."""
    return str(answer.json["type"]).rpartition("/")[2]


# ── inviting ─────────────────────────────────────────────────────────────────────────────────────────


async def test_somebody_is_invited_joins_and_goes(place: Place) -> None:
    line = (await place.client.ask("POST", "/v1/lines", LINE)).json["id"]
    asked = {"email": "Igor@Shop.example", "role": "marketer", "classes": ["promotional"], "lines": [line]}
    made = await place.client.ask("POST", "/v1/invitations", asked, Idempotency_Key="one")
    assert (made.status, made.json["email"]) == (201, "igor@shop.example")
    again = await place.client.ask("POST", "/v1/invitations", asked, Idempotency_Key="one")
    assert again.json == made.json
    listed = (await place.client.ask("GET", "/v1/invitations")).json["items"]
    assert [one["id"] for one in listed] == [made.json["id"]]
    assert "link" not in listed[0]

    igor = surfer_of(place.client)
    fields = {"link": token_in(made.json["link"]), "name": "Igor", "password": PASSWORD}
    assert (await igor.post("/invitation", fields)).status == 303
    assert (await place.client.ask("GET", "/v1/invitations")).json["items"] == []
    _, shown = (await place.client.ask("GET", "/v1/people")).json["items"]
    assert shown | {"joined_at": "", "id": ""} == {
        "id": "",
        "email": "igor@shop.example",
        "name": "Igor",
        "role": "marketer",
        "classes": ["promotional"],
        "lines": [line],
        "second_factor": False,
        "disabled": False,
        "joined_at": "",
        "invited_by": shown["invited_by"],
    }
    assert shown["invited_by"].startswith("key_")
    path = f"/v1/people/{shown['id']}"
    assert (await place.client.ask("GET", path)).json == shown
    sessions = (await place.client.ask("GET", f"{path}/sessions")).json["items"]
    assert [(one["method"], one["factors"]) for one in sessions] == [("password", 1)]
    assert (await igor.get("/account")).status == 200
    assert (await place.client.ask("DELETE", path)).status == 204
    assert (await igor.get("/account")).status == 303  # at once
    for method in ("GET", "DELETE"):
        assert (await place.client.ask(method, path)).status == 404
    assert (await igor.sign_in("igor@shop.example")).location == "/account"
    assert "You belong to no workspace" in (await igor.get("/account")).words
    assert (await igor.get("/messages")).status == 403


async def test_an_invitation_is_taken_back(place: Place) -> None:
    asked = {"email": "igor@shop.example", "role": "agent"}
    made = (await place.client.ask("POST", "/v1/invitations", asked)).json
    assert (await place.client.ask("DELETE", f"/v1/invitations/{made['id']}")).status == 204
    assert (await place.client.ask("DELETE", f"/v1/invitations/{made['id']}")).status == 404
    fields = {"link": token_in(made["link"]), "name": "Igor", "password": PASSWORD}
    assert (await surfer_of(place.client).post("/invitation", fields)).status == 410


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"email": "igor"}, "email"),
    ({"email": "olena@shop.example"}, "email"),
    ({"email": "x" * 400}, "email"),
    ({"role": "king"}, "role"),
    ({"classes": []}, "classes"),
    ({"lines": [ids.show("line", 7)]}, "lines"),
    ({"workspace": "other"}, "workspace"),
]


async def test_what_is_wrong_is_named(place: Place) -> None:
    for different, field in WRONG:
        asked = {"email": "igor@shop.example", "role": "agent"} | different
        answer = await place.client.ask("POST", "/v1/invitations", asked)
        assert (answer.status, list(answer.fields)) == (422, [field]), (different, answer)


# ── who may do what to whom ──────────────────────────────────────────────────────────────────────────


async def test_only_owners_touch_owners(place: Place) -> None:
    admin, admin_id = await place.with_role(Role.ADMIN)
    for method, path, body in (
        ("PUT", f"/v1/people/{place.owner_id}", {"role": "agent"}),
        ("DELETE", f"/v1/people/{place.owner_id}", None),
        ("POST", f"/v1/people/{place.owner_id}/reset", None),
        ("DELETE", f"/v1/people/{place.owner_id}/second-factor", None),
        ("DELETE", f"/v1/people/{place.owner_id}/sessions", None),
        ("PUT", f"/v1/people/{admin_id}", {"role": "owner"}),
        ("POST", "/v1/invitations", {"email": "igor@shop.example", "role": "owner"}),
    ):
        for answer in (await admin.call(method, path, body), await place.client.ask(method, path, body)):
            assert (answer.status, slug(answer)) == (403, "owners-only"), (method, path, answer)
    assert (await place.owner.call("PUT", f"/v1/people/{admin_id}", {"role": "owner"})).status == 200
    assert (await admin.call("DELETE", f"/v1/people/{place.owner_id}")).status == 204


async def test_the_last_owner_stays(place: Place) -> None:
    for method, body in (("PUT", {"role": "admin"}), ("DELETE", None)):
        answer = await place.owner.call(method, f"/v1/people/{place.owner_id}", body)
        assert (answer.status, slug(answer)) == (409, "last-owner")
    assert (await place.owner.call("PUT", f"/v1/people/{place.owner_id}", {"role": "owner"})).status == 200
    _, other_id = await place.with_role(Role.OWNER)
    answer = await place.owner.call("PUT", f"/v1/people/{place.owner_id}", {"role": "agent"})
    assert (answer.status, answer.json["role"]) == (200, "agent")
    assert (await place.owner.call("GET", "/v1/people")).status == 403  # it counts at once
    assert other_id


async def test_nobody_gives_more_than_they_have(place: Place) -> None:
    key = await place.client.ask("POST", "/v1/keys", KEY | {"scopes": ["people:write", "people:read"]})
    narrow = place.client.with_key(key.json["key"])
    answer = await narrow.ask("POST", "/v1/invitations", {"email": "igor@shop.example", "role": "developer"})
    assert (answer.status, slug(answer)) == (403, "out-of-reach")


ROUTES_OF = {role: ROLES[role].scopes | {"self"} for role in Role}


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)  # the table is in the code
@pytest.mark.parametrize("role", Role)
async def test_each_role_may_what_its_row_says(place: Place, role: Role) -> None:
    """Every route of the API, called by somebody in each role: refused for want of a scope, or not."""
    surfer, _ = await place.with_role(role)
    tried = 0
    token = (await surfer.get("/account")).hidden("token")
    cookie = f"angarium_session={surfer.cookies['angarium_session']}"
    usual = {"Cookie": cookie, "Sec-Fetch-Site": "same-origin", "X-Angarium-Token": token}
    caller = Client(surfer.session, surfer.url, usual=usual)
    for method, path, told in await operations(place.client):
        wanted = [scope for one in told["security"] for scope in one["key"]]
        if not wanted or method == "DELETE":
            continue
        answer = await caller.ask(method, path.replace("{", "").replace("}", ""))
        refused = answer.status == 403 and slug(answer) == "scope-missing"
        assert refused is (wanted[0] not in ROUTES_OF[role]), (role, method, path, answer)
        tried += 1
    assert tried > 40


# ── links and second factors by an admin ─────────────────────────────────────────────────────────────


async def test_an_admin_hands_a_link_on(place: Place) -> None:
    igor, igor_id = await place.with_role(Role.AGENT)
    made = await place.owner.call("POST", f"/v1/people/{igor_id}/reset")
    assert made.status == 201, made
    fields = {"link": token_in(made.json["link"]), "password": "quite another long one"}
    assert (await surfer_of(place.client).post("/reset/new", fields)).status == 303
    assert (await igor.get("/account")).status == 303


async def test_what_lets_in_elsewhere_is_not_for_one_workspace(place: Place) -> None:
    """An admin here must not be able to walk into another workspace as one of its members."""
    _, igor_id = await place.with_role(Role.AGENT)
    club = await member(place.client.with_key(""), place.house.ground, "club")
    person = await place.house.ground.db.read(store.by_id, ids.read("person", igor_id))
    assert person is not None
    ground = place.house.ground
    _, token = await ground.db.run(
        flows.invite, ground, club.workspace_id, person.email, Role.OWNER, WHOLE, "cli"
    )
    surfer = surfer_of(place.client)
    assert (await surfer.post("/invitation", {"link": token, "password": PASSWORD})).status == 303
    for method, path in (("POST", "reset"), ("DELETE", "second-factor")):
        answer = await place.owner.call(method, f"/v1/people/{igor_id}/{path}")
        assert (answer.status, slug(answer)) == (409, "belongs-elsewhere")
    assert (await place.owner.call("DELETE", f"/v1/people/{igor_id}/sessions")).status == 204
    assert (await surfer.get("/account")).status == 200  # that one looks at the club
    assert (await place.owner.call("GET", f"/v1/people/{igor_id}/sessions")).json["items"] == []


async def test_lost_factors_are_taken_away(place: Place) -> None:
    igor, igor_id = await place.with_role(Role.AGENT)
    secret, _ = await igor.set_up_app()
    path = f"/v1/people/{igor_id}"
    assert (await place.client.ask("GET", path)).json["second_factor"] is True
    assert (await place.owner.call("DELETE", f"{path}/second-factor")).status == 204
    assert (await igor.get("/account")).status == 303
    email = (await place.client.ask("GET", path)).json["email"]
    assert (await igor.sign_in(email)).location == "/account"
    assert (await igor.post("/sign-in/factor", {"code": code_of(secret, 1)})).status == 303  # nothing waits


# ── a session calls ──────────────────────────────────────────────────────────────────────────────────


async def test_a_session_calls_the_api_from_our_own_pages_alone(place: Place) -> None:
    page = await place.owner.get("/account")
    cookie = f"angarium_session={place.owner.cookies['angarium_session']}"
    good = {"Cookie": cookie, "Sec-Fetch-Site": "same-origin", "X-Angarium-Token": page.hidden("token")}
    asked = {"email": "igor@shop.example", "role": "agent"}
    for different, status in (
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "", "Origin": "http://evil.example"}, 403),
        ({"X-Angarium-Token": ""}, 403),
        ({"X-Angarium-Token": "0" * 64}, 403),
        ({"Cookie": ""}, 401),
        ({"Cookie": "angarium_session=ses_" + "0" * 64}, 401),
        ({}, 201),
    ):
        headers = {name: value for name, value in (good | different).items() if value}
        client = Client(place.owner.session, place.owner.url, usual=headers)
        answer = await client.ask("POST", "/v1/invitations", asked)
        assert answer.status == status, (different, answer)
    ticket_cookie = {"Cookie": "angarium_session=" + _ticket(place), "Sec-Fetch-Site": "same-origin"}
    answer = await Client(place.owner.session, place.owner.url, usual=ticket_cookie).ask("GET", "/v1/people")
    assert answer.status == 401  # a link looks at pages and calls nothing


def _ticket(place: Place) -> str:
    from angarium.accounts.flows import ticket

    return ticket(place.house.ground, place.workspace_id)


async def test_who_is_calling(place: Place) -> None:
    me = (await place.owner.call("GET", "/v1/me")).json
    assert (me["actor"], me["classes"], me["lines"]) == (place.owner_id, None, None)
    assert (await place.client.ask("GET", "/v1/me")).json["actor"].startswith("key_")
    shown = (await place.client.ask("GET", "/v1/roles")).json["items"]
    assert {one["role"]: set(one["scopes"]) for one in shown} == {
        role.value: set(ROLES[role].scopes) for role in Role
    }
    made = (await place.owner.call("POST", "/v1/keys", KEY)).json
    assert made["created_by"] == place.owner_id
    told = (await place.client.ask("GET", "/v1/audit?limit=1")).json["items"][0]
    assert (told["actor"], told["action"]) == (place.owner_id, "key.created")


async def test_a_link_or_a_key_has_no_account(place: Place) -> None:
    surfer = surfer_of(place.client)
    surfer.cookies["angarium_session"] = _ticket(place)
    page = await surfer.get("/account")
    assert (page.status, "for people who have signed in" in page.words) == (403, True)

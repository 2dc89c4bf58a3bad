"""Getting in: passwords, what strangers learn, second factors, links; and what ends a session."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from argon2 import PasswordHasher

from angarium.accounts import entering, people
from angarium.accounts.reach import Reach
from angarium.accounts.roles import Role
from angarium.accounts.store import people as store
from angarium.accounts.store import sessions as session_store
from angarium.assembly import House
from angarium.core import ids
from angarium.core.values import MessageClass
from support.people import PASSWORD, Surfer, code_of, codes_on, invited, joined, secret_on, surfer_of
from support.server import Client, everything_in, member, whole_house

EMAIL = "olena@shop.example"
OTHER = "quite another long one"


class Place:
    """A workspace with an owner who is in."""

    def __init__(self, house: House, client: Client, owner: Surfer, owner_id: int) -> None:
        self.house, self.client, self.owner, self.owner_id = house, client, owner, owner_id
        self.workspace_id = client.workspace_id

    def stranger(self) -> Surfer:
        """Somebody who has never been here."""
        return surfer_of(self.client)

    def later(self, seconds: float) -> None:
        """Let time pass."""
        self.house.ground.clock.passed += seconds  # type: ignore[attr-defined]

    async def policy(self, **document: Any) -> None:
        """How people enter from now on."""
        answer = await self.client.ask("PUT", "/v1/policies/sign-in", document)
        assert answer.status == 200, answer

    async def noted(self, action: str) -> list[dict[str, Any]]:
        """What the audit log tells of a deed, the oldest first."""
        answer = await self.client.ask("GET", f"/v1/audit?action={action}")
        return list(reversed(answer.json["items"]))


class Later:
    """The system's clock, and what the test adds to it."""

    def __init__(self, clock: Any) -> None:
        self._clock, self.passed = clock, 0.0

    def now(self) -> int:
        """Wall time."""
        return int(self._clock.now() + self.passed * 1_000_000)

    def monotonic(self) -> float:
        """Seconds that never run backwards."""
        return float(self._clock.monotonic() + self.passed)

    async def sleep(self, seconds: float) -> None:
        """As the system's."""
        await self._clock.sleep(seconds)


@pytest.fixture
async def place(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Place]:
    """The workspace, on a clock that the test moves."""
    from angarium import assembly

    system = assembly.SystemClock
    monkeypatch.setattr(assembly, "SystemClock", lambda: Later(system()))
    async with whole_house(database_url, tmp_path) as (house, nobody):
        client = await member(nobody, house.ground, "shop")
        owner = surfer_of(client)
        yield Place(house, client, owner, await joined(house, owner, client.workspace_id, EMAIL))


# ── with a password ──────────────────────────────────────────────────────────────────────────────────


async def test_in_and_out_again(place: Place) -> None:
    surfer = place.stranger()
    page = await surfer.sign_in(f"  {EMAIL.upper()} ", next="/messages")
    assert (page.status, page.location) == (303, "/messages")
    session, device = page.cookies
    assert session.startswith("angarium_session=ses_")
    assert session.endswith("; HttpOnly; SameSite=Lax")
    assert device.startswith("angarium_device=v1.")
    assert "Olena" in (await surfer.get("/messages")).words
    kept = dict(surfer.cookies)
    left = await surfer.do("/leave")
    assert (left.status, left.location) == (303, "/enter")
    surfer.cookies = kept  # an old cookie is good no more: the session has ended, and was not only forgotten
    assert (await surfer.get("/messages")).status == 303
    began = await place.noted("session.began")
    assert began[-1]["details"] | {"address": ""} == {"method": "password", "factors": 1, "address": ""}
    assert began[-1]["actor"] == ids.show("person", place.owner_id)


async def test_nothing_secret_is_kept_in_clear(place: Place) -> None:
    secret, codes = await place.owner.set_up_app()
    token = await place.house.ground.db.run(
        people.reset_link, place.house.ground, (await place.house.ground.db.read(store.everybody))[0]
    )
    rows = repr(await everything_in(place.house.ground.db))
    cookie = place.owner.cookies["angarium_session"]
    for kept in (PASSWORD, secret, codes[0], codes[0].replace("-", ""), cookie, token):
        assert kept not in rows
    assert "$argon2id$v=19$m=19456,t=2,p=1$" in rows


async def test_a_stranger_learns_nothing(place: Place) -> None:
    surfer = place.stranger()
    pages = [
        await surfer.sign_in(email, password)
        for email, password in (
            (EMAIL, "not the right one"),
            ("nobody@shop.example", PASSWORD),
            (EMAIL, ""),
            ("", ""),
            ("ключ" * 90, "x" * 5_000),
        )
    ]
    assert {(page.status, tuple(page.cookies)) for page in pages} == {(403, ())}
    words = {page.words.replace(EMAIL, "") for page in pages}
    assert len(words) == 1
    assert "do not let you in" in words.pop()
    asked = [await surfer.post("/reset", {"email": email}) for email in (EMAIL, "nobody@shop.example")]
    assert asked[0].words == asked[1].words
    assert asked[0].status == asked[1].status == 200


async def test_a_hash_is_compared_for_nobody_too(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Time tells nothing: as much is computed where there is no such person, no password, or no entry."""
    compared = []
    verify = PasswordHasher.verify
    monkeypatch.setattr(
        PasswordHasher, "verify", lambda self, kept, given: compared.append(kept) or verify(self, kept, given)
    )
    for email in (EMAIL, "nobody@shop.example"):
        await place.stranger().sign_in(email, "not the right one")
    ground = place.house.ground
    await ground.db.run(people.set_disabled, ground, place.owner_id, disabled=True)
    assert (await place.stranger().sign_in(EMAIL)).status == 403
    parameters = {kept.rpartition("$")[0].rpartition("$")[0] for kept in compared}
    assert (len(compared), parameters) == (3, {"$argon2id$v=19$m=19456,t=2,p=1"})


async def test_strangers_cannot_lock_a_person_out(place: Place) -> None:
    attacker = place.stranger()
    for _ in range(entering.TRIES):
        assert (await attacker.sign_in(EMAIL, "a guess of mine")).status == 403
    refused = await attacker.sign_in(EMAIL, PASSWORD)  # the right one, too late
    assert (refused.status, int(refused.headers["retry-after"]) > 0) == (429, True)
    for _ in range(entering.TRIES):  # and so for somebody who is not there
        assert (await attacker.sign_in("nobody@shop.example", "a guess of mine")).status == 403
    assert (await attacker.sign_in("nobody@shop.example", PASSWORD)).status == 429
    await place.owner.do("/leave")
    assert (await place.owner.sign_in(EMAIL)).status == 303  # their browser is known
    place.later(entering.WINDOW_S)
    assert (await place.stranger().sign_in(EMAIL)).status == 303


async def test_a_known_browser_has_its_own_tries(place: Place) -> None:
    await place.owner.do("/leave")
    stolen = place.owner.another()
    stolen.cookies["angarium_device"] = place.owner.cookies["angarium_device"]
    for _ in range(entering.TRIES):
        assert (await stolen.sign_in(EMAIL, "a guess of mine")).status == 403
    assert (await stolen.sign_in(EMAIL)).status == 429
    assert (await place.stranger().sign_in(EMAIL)).status == 303


async def test_a_hash_with_old_parameters_is_made_anew(place: Place) -> None:
    ground = place.house.ground
    weak = PasswordHasher(time_cost=1, memory_cost=8_192, parallelism=1).hash(PASSWORD)
    person = await ground.db.read(store.by_id, place.owner_id)
    assert person is not None

    async def weaken(tx: Any) -> None:
        from msgspec.structs import replace

        await store.save(tx, replace(person, password_hash=weak))

    await ground.db.run(weaken)
    assert (await place.stranger().sign_in(EMAIL)).status == 303
    person = await ground.db.read(store.by_id, place.owner_id)
    assert person is not None
    assert str(person.password_hash).startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert (await place.stranger().sign_in(EMAIL)).status == 303


async def test_another_password_ends_the_other_sessions(place: Place) -> None:
    other = place.stranger()
    await other.sign_in(EMAIL)
    for old, new, words in (
        ("not this", OTHER, "is not yours"),
        (PASSWORD, "short", "too short"),
        (PASSWORD, "passwordpassword", "first that are tried"),
    ):
        page = await place.owner.do("/account/password", old=old, password=new)
        assert page.status == 422
        assert words in page.words
    before = place.owner.cookies["angarium_session"]
    assert (await place.owner.do("/account/password", old=PASSWORD, password=OTHER)).status == 303
    assert place.owner.cookies["angarium_session"] != before
    assert (await place.owner.get("/account")).status == 200
    assert (await other.get("/account")).status == 303
    assert (await place.stranger().sign_in(EMAIL, PASSWORD)).status == 403
    assert (await place.stranger().sign_in(EMAIL, OTHER)).status == 303
    assert len(await place.noted("person.password_changed")) == 1


# ── a second factor ──────────────────────────────────────────────────────────────────────────────────


async def test_a_code_is_wanted_and_counts_once(place: Place) -> None:
    secret, _ = await place.owner.set_up_app()
    surfer = place.stranger()
    page = await surfer.sign_in(EMAIL, next="/messages?state=sent")
    assert (page.status, page.location) == (303, "/sign-in/factor?next=/messages%3Fstate%3Dsent")
    assert "angarium_device" not in surfer.cookies
    for path in ("/messages", "/account"):  # halfway is not in
        assert (await surfer.get(path)).location.startswith("/enter")
    assert (await surfer.call_before_in("/v1/me")).status == 401
    wrong = await surfer.post("/sign-in/factor", {"code": place.owner.shown_code})
    assert (wrong.status, wrong.cookies) == (401, [])
    first = surfer.cookies["angarium_session"]
    good = code_of(secret, later=1)
    page = await surfer.post("/sign-in/factor", {"code": f" {good[:3]} {good[3:]} ", "next": "/messages"})
    assert (page.status, page.location) == (303, "/messages")
    assert surfer.cookies["angarium_session"] != first
    assert (await surfer.get("/messages")).status == 200
    again = place.stranger()
    await again.sign_in(EMAIL)
    assert (await again.post("/sign-in/factor", {"code": good})).status == 401
    assert (await place.noted("session.began"))[-1]["details"]["factors"] == 2


async def test_codes_cannot_be_guessed(place: Place) -> None:
    secret, _ = await place.owner.set_up_app()
    place.later(entering.WINDOW_S)
    surfer = place.stranger()
    await surfer.sign_in(EMAIL)
    for _ in range(entering.CODES):
        assert (await surfer.post("/sign-in/factor", {"code": "000000"})).status == 401
    assert (await surfer.post("/sign-in/factor", {"code": code_of(secret, later=1)})).status == 429


async def test_a_recovery_code_lets_in_once(place: Place) -> None:
    _, codes = await place.owner.set_up_app()
    for code, status in ((codes[3].upper(), 303), (codes[3], 401), (codes[4].replace("-", " "), 303)):
        surfer = place.stranger()
        await surfer.sign_in(EMAIL)
        assert (await surfer.post("/sign-in/factor", {"code": code})).status == status
    assert "8 recovery codes left" in (await place.owner.get("/account")).words
    fresh = codes_on(await place.owner.do("/account/codes"))
    assert not set(fresh) & set(codes)
    surfer = place.stranger()
    await surfer.sign_in(EMAIL)
    assert (await surfer.post("/sign-in/factor", {"code": codes[5]})).status == 401


async def test_an_app_counts_once_a_code_was_shown(place: Place) -> None:
    page = await place.owner.do("/account/app")
    wrong = await place.owner.do("/account/app", code="000000")
    assert (wrong.status, secret_on(wrong)) == (401, secret_on(page))
    assert (await place.stranger().sign_in(EMAIL)).location == "/account"  # nothing is wanted yet
    other = place.stranger()
    await other.sign_in(EMAIL)
    assert (await place.owner.do("/account/app", code=code_of(secret_on(page)))).status == 200
    assert (await other.get("/account")).status == 303  # sessions without the factor end
    assert (await place.owner.do("/account/app/off")).status == 303
    assert (await place.stranger().sign_in(EMAIL)).location == "/account"


async def test_a_workspace_demands_a_second_factor(place: Place) -> None:
    await place.policy(second_factor="everybody")
    surfer = place.stranger()
    page = await surfer.sign_in(EMAIL, next="/messages")
    assert page.location == "/sign-in/enrol?next=/messages"
    assert (await surfer.get("/messages")).location.startswith("/enter")
    asked = await surfer.post("/sign-in/enrol", {"next": "/messages"})
    wrong = await surfer.post("/sign-in/enrol", {"code": "000000", "next": "/messages"})
    assert (wrong.status, secret_on(wrong)) == (401, secret_on(asked))
    done = await surfer.post("/sign-in/enrol", {"code": code_of(secret_on(asked)), "next": "/messages"})
    codes_on(done)
    assert (await surfer.get("/messages")).status == 200
    kept = await surfer.do("/account/app/off")
    assert (kept.status, "demands a second factor" in kept.words) == (409, True)
    await place.policy(second_factor="privileged")
    agent = place.stranger()
    await joined(place.house, agent, place.workspace_id, "agent@shop.example", Role.AGENT)
    assert (await agent.get("/account")).status == 200


# ── how long ─────────────────────────────────────────────────────────────────────────────────────────


async def test_a_session_ends_by_itself(place: Place) -> None:
    await place.policy(idle_minutes=30, session_hours=2)
    surfer = place.stranger()
    assert re.search(r"Max-Age=71\d\d|Max-Age=7200", (await surfer.sign_in(EMAIL)).cookies[0])
    for _ in range(4):
        place.later(29 * 60)
        assert (await surfer.get("/account")).status == 200
    place.later(5 * 60)
    assert (await surfer.get("/account")).status == 303  # after two hours, though it was used
    await surfer.sign_in(EMAIL)
    place.later(30 * 60)
    assert (await surfer.get("/account")).status == 303  # idle
    await surfer.sign_in(EMAIL)
    for _ in range(2):
        place.later(20 * 60)
        seen = await surfer.get("/account", x_angarium_unasked="yes")
    assert seen.status == 303, "a page followed what happens, and nobody was there"
    await place.stranger().sign_in(EMAIL)
    ground = place.house.ground
    left = await ground.db.read(session_store.of_person, place.owner_id)
    assert len(left) == 2  # those that ended are gone; the first was begun before the policy


async def test_sessions_are_listed_and_ended(place: Place) -> None:
    phone, pad = place.stranger(), place.stranger()
    phone.usual = {"User-Agent": "A phone <b>of mine</b>"}
    await phone.sign_in(EMAIL)
    await pad.sign_in(EMAIL)
    page = await place.owner.get("/account")
    assert "A phone <b>of mine</b>" in page.words
    assert "this one" in page.words
    (of_phone,) = [
        one
        for one in await place.house.ground.db.read(session_store.of_person, place.owner_id)
        if one.device.startswith("A phone")
    ]
    shown = ids.show("session", of_phone.id)
    assert (await place.owner.do("/account/sessions/end", session=shown)).status == 303
    assert (await place.owner.do("/account/sessions/end", session=shown)).status == 404
    assert [(await one.get("/account")).status for one in (phone, pad)] == [303, 200]
    assert (await place.owner.do("/account/sessions/end", all="1")).status == 303
    assert [(await one.get("/account")).status for one in (pad, place.owner)] == [303, 200]


async def test_somebody_elses_session_is_not_there(place: Place) -> None:
    other = place.stranger()
    other_id = await joined(place.house, other, place.workspace_id, "igor@shop.example", Role.ADMIN)
    (theirs,) = await place.house.ground.db.read(session_store.of_person, other_id)
    answer = await place.owner.do("/account/sessions/end", session=ids.show("session", theirs.id))
    assert answer.status == 404
    assert (await other.get("/account")).status == 200


# ── proof ────────────────────────────────────────────────────────────────────────────────────────────


async def test_what_cannot_be_taken_back_needs_a_proof(place: Place) -> None:
    key = {"name": "k", "scopes": ["messages:read"]}
    assert (await place.owner.call("POST", "/v1/keys", key)).status == 201  # signed in just now
    place.later(601)
    refused = await place.owner.call("POST", "/v1/keys", key)
    assert (refused.status, refused.json["type"].rpartition("/")[2]) == (403, "proof-wanted")
    page = await place.owner.do("/account/app")
    assert (page.status, page.location) == (303, "/account/proof?next=%2Faccount")
    page = await place.owner.get("/account/passkey")
    assert page.location == "/account/proof?next=%2Faccount%2Fpasskey"
    token, form = (await place.owner.get("/account")).hidden("token"), f"{place.owner.url}/settings/keys/new"
    page = await place.owner.post("/settings/keys", {"token": token}, Referer=form)
    assert page.location == "/account/proof?next=%2Fsettings%2Fkeys%2Fnew"  # where it was filled
    page = await place.owner.post(
        "/settings/keys", {"token": token}, Referer="https://evil.example//evil.example/"
    )
    assert page.location == "/account/proof?next=%2F"
    before = place.owner.cookies["angarium_session"]
    wrong = await place.owner.do("/account/proof", password="not the right one", next="/messages")
    assert (wrong.status, wrong.cookies) == (401, [])
    right = await place.owner.do("/account/proof", password=PASSWORD, next="/messages")
    assert (right.status, right.location) == (303, "/messages")
    assert place.owner.cookies["angarium_session"] != before
    assert (await place.owner.call("POST", "/v1/keys", key)).status == 201


async def test_with_an_app_the_proof_is_a_code(place: Place) -> None:
    secret, _ = await place.owner.set_up_app()
    place.later(601)
    assert (await place.owner.do("/account/proof", password=PASSWORD)).status == 401
    at = place.house.ground.clock.now() / 1_000_000
    assert (await place.owner.do("/account/proof", code=code_of(secret, at=at))).status == 303
    assert (await place.owner.do("/account/codes")).status == 200


# ── links ────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_link_sets_a_password_once(place: Place) -> None:
    ground = place.house.ground
    person = await ground.db.read(store.by_id, place.owner_id)
    assert person is not None
    old = await ground.db.run(people.reset_link, ground, person)
    token = await ground.db.run(people.reset_link, ground, person)
    surfer = place.stranger()
    assert (await surfer.get(f"/reset/new?token={old}")).status == 410  # a newer one was made
    assert EMAIL in (await surfer.get(f"/reset/new?token={token}")).text
    weak = await surfer.post("/reset/new", {"link": token, "password": "olena@shop.example1"})
    assert (weak.status, "first that are tried" in weak.words) == (422, True)
    assert (await surfer.post("/reset/new", {"link": token, "password": OTHER})).status == 303
    assert (await surfer.post("/reset/new", {"link": token, "password": OTHER})).status == 410
    assert (await surfer.get(f"/reset/new?token={token}")).status == 410
    assert (await place.owner.get("/account")).status == 303  # every session has ended
    assert (await surfer.sign_in(EMAIL, OTHER)).status == 303


async def test_a_link_runs_out(place: Place) -> None:
    ground = place.house.ground
    person = await ground.db.read(store.by_id, place.owner_id)
    assert person is not None
    token = await ground.db.run(people.reset_link, ground, person)
    place.later(people.RESET_S)
    for bad in (token, token[:-1] + "x", "", "rst_", "inv_x", "x" * 1_900):
        assert (await place.stranger().get(f"/reset/new?token={bad}")).status == 410
    assert (await place.stranger().get(f"/reset/new?token={'x' * 2_100}")).status == 422


async def test_an_invitation_makes_a_person_once(place: Place) -> None:
    reach = Reach(frozenset({MessageClass.PROMOTIONAL}))
    token = await invited(place.house, place.workspace_id, "igor@shop.example", Role.MARKETER, reach)
    surfer = place.stranger()
    page = await surfer.get(f"/invitation?token={token}")
    assert "To the workspace shop, as marketer." in page.words
    weak = {"link": token, "name": "Igor", "password": "igor@shop.example2"}
    assert (await surfer.post("/invitation", weak)).status == 422
    good = {"link": token, "name": "Igor", "password": OTHER}
    assert (await surfer.post("/invitation", good)).location == "/"
    assert (await place.stranger().post("/invitation", good)).status == 410
    me = (await surfer.call("GET", "/v1/me")).json
    assert (me["classes"], me["workspace"]) == (["promotional"], ids.show("workspace", place.workspace_id))
    assert "setup:write" not in me["scopes"]
    assert [one["action"] for one in (await place.client.ask("GET", "/v1/audit?limit=3")).json["items"]] == [
        "session.began",
        "person.joined",
        "person.invited",
    ]


async def test_an_invitation_runs_out_and_is_replaced(place: Place) -> None:
    first = await invited(place.house, place.workspace_id, "igor@shop.example")
    token = await invited(place.house, place.workspace_id, "igor@shop.example", Role.AGENT)
    fields = {"name": "Igor", "password": OTHER}
    assert (await place.stranger().post("/invitation", fields | {"link": first})).status == 410
    place.later(people.INVITED_S)
    assert (await place.stranger().get(f"/invitation?token={token}")).status == 410
    assert (await place.stranger().post("/invitation", fields | {"link": token})).status == 410


# ── many workspaces ──────────────────────────────────────────────────────────────────────────────────


async def test_one_person_in_two_workspaces(place: Place) -> None:
    club = await member(place.client.with_key(""), place.house.ground, "club")
    token = await invited(place.house, club.workspace_id, EMAIL, Role.READ_ONLY)
    surfer = place.stranger()
    assert "You are known here already" in (await surfer.get(f"/invitation?token={token}")).words
    wrong = await surfer.post("/invitation", {"link": token, "password": "not the right one"})
    assert (wrong.status, wrong.cookies) == (422, [])
    assert (await surfer.post("/invitation", {"link": token, "password": PASSWORD})).status == 303
    page = await surfer.get("/account")
    assert "club read-only here" in page.words
    assert (await surfer.call("GET", "/v1/me")).json["workspace"] == ids.show("workspace", club.workspace_id)
    assert (await surfer.call("GET", "/v1/people")).status == 403  # read-only
    before = surfer.cookies["angarium_session"]
    moved = await surfer.do("/account/place", workspace=ids.show("workspace", place.workspace_id))
    assert (moved.status, surfer.cookies["angarium_session"] != before) == (303, True)
    assert (await surfer.call("GET", "/v1/people")).status == 200  # owner
    nowhere = await surfer.do("/account/place", workspace=ids.show("workspace", 77))
    assert nowhere.status == 404
    assert (await surfer.do("/account/password", old=PASSWORD, password=OTHER)).status == 303
    for one in (place.client, club):  # both are told what somebody did to their account
        noted = (await one.ask("GET", "/v1/audit?limit=1")).json["items"]
        assert [deed["action"] for deed in noted] == ["person.password_changed"]


async def test_the_stricter_workspace_asks_on_the_way(place: Place) -> None:
    club = await member(place.client.with_key(""), place.house.ground, "club")
    await club.ask("PUT", "/v1/policies/sign-in", {"second_factor": "everybody"})
    token = await invited(place.house, club.workspace_id, EMAIL, Role.AGENT)
    surfer = place.stranger()
    await surfer.sign_in(EMAIL)
    page = await place.stranger().post("/invitation", {"link": token, "password": PASSWORD})
    assert page.location.startswith("/sign-in/enrol")
    page = await surfer.do("/account/place", workspace=ids.show("workspace", club.workspace_id))
    assert page.location.startswith("/sign-in/enrol")
    assert (await surfer.get("/messages")).location.startswith("/enter")

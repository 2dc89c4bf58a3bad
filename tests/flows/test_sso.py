"""Signing in by a provider on loopback: its keys, its bad tokens; who comes in as what, and where."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest

from angarium.accounts.oidc import AGAIN_S
from angarium.accounts.roles import Role
from angarium.accounts.store import people as store
from angarium.assembly import House, application, assemble
from angarium.config import Settings
from angarium.core import ids
from angarium.simulators.oidc import CLIENT_ID, CLIENT_SECRET, FORGED, SPOILED, OidcFace
from angarium.web.server import Server
from support.browsing import Page
from support.people import PASSWORD, Surfer, invited, joined, surfer_of
from support.server import Client, everything_in, member
from support.together import settings_on

PROVIDER: dict[str, Any] = {
    "name": "Company",
    "client_id": CLIENT_ID,
    "client_secret": CLIENT_SECRET,
    "domains": ["company.example"],
    "default_role": "read-only",
    "claim": "groups",
    "roles": {"admins": "admin", "marketing": "marketer"},
}


class Place:
    """A workspace that a provider vouches for."""

    def __init__(self, house: House, client: Client, face: OidcFace, shown: dict[str, Any]) -> None:
        self.house, self.client, self.face, self.shown = house, client, face, shown
        self.path = shown["sign_in_path"]

    def surfer(self) -> Surfer:
        """Somebody at a browser."""
        return surfer_of(self.client)

    async def there(self, surfer: Surfer, path: str = "") -> str:
        """To the provider, who sends the browser back: the address it is sent to."""
        page = await surfer.get(f"{path or self.path}?next=/account")
        assert page.status == 303, page.words
        return await self.at_the_provider(surfer, page.location)

    async def at_the_provider(self, surfer: Surfer, link: str) -> str:
        """Where the provider sends the browser back to, on this server."""
        async with surfer.session.get(link, allow_redirects=False) as answer:
            assert answer.status == 302, await answer.text()
            back = urlsplit(answer.headers["location"])
        return f"{back.path}?{back.query}"

    async def sign_in(self, surfer: Surfer) -> Page:
        """There and back."""
        return await surfer.get(await self.there(surfer))

    async def role(self, surfer: Surfer) -> set[str]:
        """What somebody may do now."""
        return set((await surfer.call("GET", "/v1/me")).json["scopes"])


@pytest.fixture
async def place(database_url: str, tmp_path: Path) -> AsyncIterator[Place]:
    """The workspace and its provider, each on loopback."""
    face = OidcFace()
    await face.start()
    provider = urlsplit(face.issuer).netloc
    settings = Settings(
        database=database_url,
        key_file=str(tmp_path / "k"),
        public_url="http://angarium.test",
        allow_private=(provider,),
        **settings_on(database_url),
    )
    house = assemble(settings)
    await house.open()
    server = Server(application(house), "127.0.0.1", 0)
    await server.start()
    try:
        async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
            nobody = Client(session, f"http://127.0.0.1:{server.port}")
            client = await member(nobody, house.ground, "shop")
            body = PROVIDER | {"issuer": face.issuer}
            made = await client.ask("POST", "/v1/identity-providers", body)
            assert made.status == 201, made
            yield Place(house, client, face, made.json)
    finally:
        await server.stop()
        await house.close()
        await face.stop()


# ── there and back ───────────────────────────────────────────────────────────────────────────────────


async def test_a_newcomer_comes_in(place: Place) -> None:
    surfer = place.surfer()
    assert "Sign in with Company" in (await surfer.get("/enter")).words
    page = await place.sign_in(surfer)
    assert (page.status, page.location) == (303, "/account")
    assert "angarium_journey" not in surfer.cookies
    assert "igor@company.example" in (await surfer.get("/account")).words
    assert await place.role(surfer) == {"messages:read", "contacts:read", "setup:read", "policies:read"}
    first = (await surfer.call("GET", "/v1/me")).json["actor"]
    again = place.surfer()
    await place.sign_in(again)
    assert (await again.call("GET", "/v1/me")).json["actor"] == first
    listed = (await place.client.ask("GET", "/v1/people")).json["items"]
    assert [(one["email"], one["role"]) for one in listed] == [("igor@company.example", "read-only")]
    told = (await place.client.ask("GET", "/v1/audit?action=session.began")).json["items"]
    assert told[0]["details"]["method"] == f"oidc:{place.shown['id']}"
    assert CLIENT_SECRET not in repr(await everything_in(place.house.ground.db))
    assert [path for _, path in place.face.asked].count("/jwks") == 1  # kept


@pytest.mark.parametrize("spoiled", [*SPOILED, *FORGED])
async def test_a_bad_token_lets_nobody_in(place: Place, spoiled: str) -> None:
    before = await everything_in(place.house.ground.db)
    surfer = place.surfer()
    place.face.spoil = spoiled
    page = await place.sign_in(surfer)
    assert (page.status, "The provider did not let you in" in page.words) == (403, True), page.words
    assert not any(cookie.startswith("angarium_session=ses_") for cookie in page.cookies)
    assert await everything_in(place.house.ground.db) == before
    place.face.spoil = ""
    assert (await place.sign_in(surfer)).status == 303


async def test_a_browser_that_was_not_sent_is_not_taken_back(place: Place) -> None:
    surfer, other = place.surfer(), place.surfer()
    back = await place.there(surfer)
    assert (await other.get(back)).status == 400  # another browser: its owner would be in as somebody else
    await place.there(other)
    assert (await other.get(back)).status == 400  # with a journey of its own
    for broken in (back.replace("state=", "state=0"), back.replace("code=", "kode="), "/sign-in/callback"):
        again = place.surfer()
        again.cookies = dict(surfer.cookies)
        assert (await again.get(broken)).status == 400, broken
    kept = dict(surfer.cookies)
    assert (await surfer.get(back)).status == 303
    surfer.cookies = kept
    page = await surfer.get(back)  # the same code again: the provider refuses it
    assert (page.status, "The provider did not let you in" in page.words) == (403, True)


async def test_the_verifier_of_this_browser_is_wanted(place: Place) -> None:
    """A code that was stolen on its way is of no use: PKCE."""
    thief, victim = place.surfer(), place.surfer()
    stolen = await place.there(victim)
    code = stolen.partition("code=")[2].partition("&")[0]
    own = await place.there(thief)
    state = own.partition("state=")[2].partition("&")[0]
    page = await thief.get(f"/sign-in/callback?code={code}&state={state}")
    assert (page.status, "The provider did not let you in" in page.words) == (403, True)


async def test_keys_change(place: Place) -> None:
    assert (await place.sign_in(place.surfer())).status == 303
    place.face.rotate("EC")
    monotonic = place.house.ground.clock.monotonic
    place.house.ground.clock.monotonic = lambda: monotonic() + AGAIN_S + 1  # type: ignore[method-assign]
    assert (await place.sign_in(place.surfer())).status == 303
    assert [path for _, path in place.face.asked].count("/jwks") == 2


async def test_a_document_of_another_issuer_is_not_believed(place: Place) -> None:
    place.face.discovery = {"issuer": "https://evil.example"}
    page = await place.surfer().get(place.path)
    assert page.status == 502
    place.face.discovery = {"jwks_uri": "http://169.254.169.254/keys"}  # the guarded client goes nowhere else
    surfer = place.surfer()
    page = await place.sign_in(surfer)
    assert (page.status, "The provider did not let you in" in page.words) == (403, True)


async def test_a_provider_inside_the_network_is_not_asked(place: Place) -> None:
    body = PROVIDER | {"issuer": "http://10.0.0.1"}
    made = (await place.client.ask("POST", "/v1/identity-providers", body)).json
    assert (await place.surfer().get(made["sign_in_path"])).status == 502


# ── who comes in as what ─────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "who",
    [
        {"email_verified": False},
        {"email_verified": "true"},
        {"email": "igor@elsewhere.example"},
        {"email": "igor@company.example.evil.example"},
        {"email": ""},
        {"email": "igor@x@company.example"},
    ],
)
async def test_who_is_not_let_in(place: Place, who: dict[str, Any]) -> None:
    before = await everything_in(place.house.ground.db)
    place.face.who |= who
    page = await place.sign_in(place.surfer())
    assert (page.status, "You are not let in" in page.words) == (403, True), page.words
    assert await everything_in(place.house.ground.db) == before


async def test_an_address_is_not_enough_to_come_in_as_somebody(place: Place) -> None:
    """Whoever runs a provider could else come in as the owner."""
    owner = place.surfer()
    await joined(place.house, owner, place.client.workspace_id, "igor@company.example")
    page = await place.sign_in(place.surfer())
    assert (page.status, "somebody here has this address" in page.words) == (403, True)
    token = (await owner.get("/account")).hidden("token")
    shown = place.path.removeprefix("/sign-in/with")
    sent = await owner.post(f"/account/connect{shown}", {"token": token})
    assert sent.status == 303, sent.words
    assert (await owner.get(await place.at_the_provider(owner, sent.location))).location == "/account"
    by_provider = place.surfer()
    assert (await place.sign_in(by_provider)).status == 303
    assert (await by_provider.call("GET", "/v1/people")).status == 200  # the owner
    other = place.surfer()
    await joined(place.house, other, place.client.workspace_id, "olena@company.example")
    token = (await other.get("/account")).hidden("token")
    sent = await other.post(f"/account/connect{shown}", {"token": token})
    taken = await other.get(await place.at_the_provider(other, sent.location))
    assert (taken.status, "somebody else" in taken.words) == (409, True)


async def test_an_invitation_is_taken_by_provider(place: Place) -> None:
    workspace_id = place.client.workspace_id
    place.face.who |= {"email": "Olena@Elsewhere.example"}
    await invited(place.house, workspace_id, "olena@elsewhere.example", Role.MARKETER)
    surfer = place.surfer()
    assert (await place.sign_in(surfer)).status == 303
    assert "templates:write" in await place.role(surfer)
    assert (await place.client.ask("GET", "/v1/invitations")).json["items"] == []


async def test_a_claim_says_the_role(place: Place) -> None:
    surfer = place.surfer()
    for groups, scope, has in (
        (["x", "marketing"], "templates:write", True),
        ("admins", "people:write", True),
        (["marketing", "admins"], "people:write", True),  # in the order of the mapping
        ([], "people:write", True),  # nothing is said: it stays
        (["marketing"], "people:write", False),
    ):
        place.face.who["groups"] = groups
        assert (await place.sign_in(surfer)).status == 303
        assert (scope in await place.role(surfer)) is has, groups
    told = (await place.client.ask("GET", "/v1/audit?action=person.changed")).json["items"]
    assert told[0]["actor"] == place.shown["id"]
    assert told[0]["details"] == {"role": ["admin", "marketer"]}


async def test_an_owner_stays_one(place: Place) -> None:
    surfer = place.surfer()
    await place.sign_in(surfer)
    person = await place.house.ground.db.read(store.by_email, "igor@company.example")
    assert person is not None
    await place.house.ground.db.run(
        store.save_member,
        store.Member(place.client.workspace_id, person.id, Role.OWNER, store.Reach(), 0, ""),
    )
    place.face.who["groups"] = ["marketing"]
    await place.sign_in(surfer)
    assert "people:write" in await place.role(surfer)


async def test_whom_a_provider_vouches_for_sees_its_workspace_alone(place: Place) -> None:
    """Whoever runs a provider for one workspace must not walk into another as one of its members."""
    await place.sign_in(place.surfer())
    club = await member(place.client.with_key(""), place.house.ground, "club")
    person = await place.house.ground.db.read(store.by_email, "igor@company.example")
    assert person is not None
    await place.house.ground.db.run(
        store.add_member,
        store.Member(club.workspace_id, person.id, Role.OWNER, store.Reach(), 0, "cli"),
    )
    surfer = place.surfer()
    await place.sign_in(surfer)
    assert "club" not in (await surfer.get("/account")).words
    moved = await surfer.do("/account/place", workspace=ids.show("workspace", club.workspace_id))
    assert moved.status == 404
    assert (await surfer.call("GET", "/v1/me")).json["workspace"] == ids.show(
        "workspace", place.client.workspace_id
    )


async def test_only_the_provider_lets_in(place: Place) -> None:
    owner = place.surfer()
    await joined(place.house, owner, place.client.workspace_id, "olena@shop.example")
    await place.client.ask("PUT", "/v1/policies/sign-in", {"passwords": False})
    page = await place.surfer().sign_in("olena@shop.example", PASSWORD)
    assert (page.status, "lets nobody in with a password" in page.words) == (403, True)
    assert (await place.surfer().sign_in("olena@shop.example", "not the right one")).status == 403
    assert (await place.sign_in(place.surfer())).status == 303


# ── over the API ─────────────────────────────────────────────────────────────────────────────────────


async def test_a_provider_is_changed_and_taken_away(place: Place) -> None:
    path = f"/v1/identity-providers/{place.shown['id']}"
    assert place.shown["client_secret"] == "••••••"
    assert (await place.client.ask("GET", path)).json == place.shown
    body = PROVIDER | {"issuer": place.face.issuer, "client_secret": "••••••", "name": "Firm"}
    changed = await place.client.ask("PUT", path, body)
    assert (changed.status, changed.json["name"]) == (200, "Firm")
    assert (await place.sign_in(place.surfer())).status == 303  # the secret stayed
    await place.client.ask("PUT", path, body | {"client_secret": "another"})
    told = (await place.client.ask("GET", "/v1/audit?action=provider.changed")).json["items"]
    assert [one["details"] for one in told] == [{"secrets": ["client_secret"]}, {"name": ["Company", "Firm"]}]
    page = await place.sign_in(place.surfer())
    assert "The provider did not let you in" in page.words
    await place.client.ask("PUT", path, body | {"enabled": False})
    assert (await place.surfer().get(place.path)).status == 404
    assert "Firm" not in (await place.surfer().get("/enter")).words
    assert (await place.client.ask("DELETE", path)).status == 204
    for method in ("GET", "DELETE"):
        assert (await place.client.ask(method, path)).status == 404


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"issuer": "ftp://x"}, "issuer"),
    ({"issuer": "https://x.example/?a=b"}, "issuer"),
    ({"default_role": "owner"}, "roles"),
    ({"roles": {"x": "owner"}}, "roles"),
    ({"roles": {}}, "roles"),
    ({"domains": []}, "domains"),
    ({"domains": ["*"]}, "domains[0]"),
    ({"default_role": "king"}, "default_role"),
]


async def test_what_is_wrong_is_named(place: Place) -> None:
    for different, field in WRONG:
        body = PROVIDER | {"issuer": "https://login.example"} | different
        answer = await place.client.ask("POST", "/v1/identity-providers", body)
        assert (answer.status, list(answer.fields)) == (422, [field]), (different, answer)

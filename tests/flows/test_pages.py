"""The pages over real HTTP: who may enter, which forms are believed, and what is shown to whom."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from html import unescape
from pathlib import Path
from urllib.parse import quote, unquote

import msgspec
import pytest

from angarium.accounts import flows
from angarium.accounts.edge import Call, Operation, Sent, route
from angarium.core import ids
from angarium.storage.database import open_database
from angarium.storage.vault import Vault
from support import together
from support.browsing import HANDLERS, Browser, browsing, story
from support.relay import Relay

TWELVE_HOURS_S = 12 * 3600
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; font-src 'self'; "
    "connect-src 'self'; frame-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
ELSEWHERE = [
    "//evil.example",
    "https://evil.example",
    "/\\evil.example",
    "/\t/evil.example",
    "javascript:alert(1)",
    "/x\r\nSet-Cookie: owned=1",
]
PAGES = [
    ("GET", "/messages"),
    ("GET", "/messages/msg_0000000000001"),
    ("GET", "/find?ref=a"),
    ("GET", "/unknowns"),
    ("POST", "/unknowns/sure"),
    ("POST", "/unknowns/decide"),
    ("POST", "/leave"),
    ("GET", "/account"),
    ("POST", "/account/password"),
    ("POST", "/account/app"),
    ("POST", "/account/app/off"),
    ("POST", "/account/codes"),
    ("GET", "/account/passkey"),
    ("POST", "/account/passkey"),
    ("POST", "/account/passkey/drop"),
    ("POST", "/account/sessions/end"),
    ("POST", "/account/place"),
    ("POST", "/account/connect/ws_0000000000001/idp_0000000000001"),
    ("GET", "/account/proof"),
    ("POST", "/account/proof"),
]


@pytest.fixture
async def relay(tmp_path: Path) -> AsyncIterator[Relay]:
    """On one kind of database: the door asks it for nothing but keys and names."""
    async with together.database_in(tmp_path) as url:
        database = open_database(url)
        await database.start()
        yield await Relay(database).open()
        await database.stop()


def ticket(relay: Relay) -> str:
    """A good ticket."""
    return flows.ticket(relay.ground, relay.workspace_id)


# ── the door ─────────────────────────────────────────────────────────────────────────────────────────


def bad_tickets(relay: Relay) -> dict[str, str]:
    """Tickets by which nobody may enter."""
    good, sealed = ticket(relay), msgspec.json.encode(flows.issue(relay.ground, relay.workspace_id))
    other = Vault([b"another key of thirty-two bytes."], relay.ground.chance)
    late = flows.Ticket(relay.workspace_id, relay.clock.now())
    return {
        "garbage": "garbage",
        "changed": good[:-4] + ("AAAA" if not good.endswith("AAAA") else "BBBB"),
        "cut short": good[:40],
        "sealed for another purpose": relay.ground.vault.seal(sealed, "line/1/settings/password"),
        "sealed by somebody else": other.seal(sealed, "ticket"),
        "run out": flows.seal_ticket(relay.ground, late),
        "no ticket inside": relay.ground.vault.seal(b'{"workspace": 1}', "ticket"),
    }


BAD_TICKETS = [
    "garbage",
    "changed",
    "cut short",
    "sealed for another purpose",
    "sealed by somebody else",
    "run out",
    "no ticket inside",
]


@pytest.mark.parametrize(("method", "path"), PAGES)
async def test_who_has_not_entered_is_shown_the_door(browser: Browser, method: str, path: str) -> None:
    page = await browser.ask(method, path, {}, {"Sec-Fetch-Site": "same-origin"})
    assert page.status == 303
    way, _, where = page.location.partition("?next=")
    assert way == "/enter"
    if method == "GET" or path == "/leave":
        assert unquote(where) == (path if method == "GET" else "")
        return
    assert unquote(where) == "/&undone=1"  # somebody was in when they began to write
    page = await browser.ask(
        method, path, {}, {"Sec-Fetch-Site": "same-origin", "Referer": f"{browser.url}/messages"}
    )
    door = await browser.get(page.location)
    assert (door.hidden("next"), door.says("what you sent was not done")) == ("/messages", True)


async def test_no_page_is_left_out_of_these_tests() -> None:
    closed = {(m, p) for m, p, scope in routes() if scope is not None}
    assert closed == {
        (
            m,
            p.partition("?")[0]
            .replace("msg_0000000000001", "{message_id:str}")
            .replace("ws_0000000000001", "{workspace_id:str}")
            .replace("idp_0000000000001", "{identity_provider_id:str}"),
        )
        for m, p in PAGES
    }
    others = {(m, p) for m, p, scope in routes() if scope is None}
    assert {(m, p) for m, p in others if not p.startswith(("/sign-in", "/reset", "/invitation"))} == {
        ("GET", "/"),
        ("GET", "/enter"),
        ("POST", "/enter"),
    }


def routes() -> list[tuple[str, str, str | None]]:
    """Method, path and scope of each page."""
    return [
        (method, path, handler.opt["operation"].scope)
        for handler in HANDLERS
        for method in handler.http_methods
        for path in handler.paths
    ]


async def test_the_front_page_leads_home_or_to_the_set_up_while_nobody_is_here(
    relay: Relay, browser: Browser
) -> None:
    page = await browser.get("/")
    assert (page.status, page.location) == (303, "/setup")
    page = await (await browser.enter(relay)).get("/")
    assert (page.status, page.location) == (303, "/home")


async def test_a_good_ticket_lets_in_and_leads_on(relay: Relay, browser: Browser) -> None:
    given = ticket(relay)
    page = await browser.get(f"/enter?ticket={given}&next=%2Ffind%3Fref%3Da%2Bb")
    assert (page.status, page.location) == (303, "/find?ref=a+b")
    (cookie,) = page.cookies
    value, *attributes = cookie.split("; ")
    assert attributes == ["Path=/", f"Max-Age={TWELVE_HOURS_S}", "HttpOnly", "SameSite=Lax"]
    assert value.startswith("angarium_session=v1.")
    assert given not in cookie  # the text of a link has been seen by others
    browser.keep(page)
    assert (await browser.get("/messages")).status == 200


async def test_over_tls_the_cookie_is_of_this_host_alone(relay: Relay) -> None:
    async with browsing(relay, trusted_proxies=["127.0.0.1"]) as browser:
        browser.usual = {"X-Forwarded-Proto": "https"}
        page = await browser.get(f"/enter?ticket={ticket(relay)}")
        (cookie,) = page.cookies
        assert cookie.startswith("__Host-angarium_session=v1.")
        assert cookie.endswith("; HttpOnly; SameSite=Lax; Secure")
        assert "Domain" not in cookie
        assert "; Path=/;" in cookie
        assert page.headers["strict-transport-security"] == "max-age=31536000"
        browser.keep(page)
        assert (await browser.get("/messages")).headers["strict-transport-security"] == "max-age=31536000"
        browser.usual = {}
        assert (await browser.get("/messages")).status == 303  # the cookie of https is none of http's


@pytest.mark.parametrize("kind", BAD_TICKETS)
async def test_a_bad_ticket_lets_nobody_in(relay: Relay, browser: Browser, kind: str) -> None:
    bad = bad_tickets(relay)[kind]
    page = await browser.get(f"/enter?ticket={quote(bad)}&next=/messages")
    assert (page.status, page.cookies) == (403, [])
    assert "This link has run out, or it is not one of ours." in page.words
    assert page.hidden("next") == "/messages"
    assert bad not in page.text
    browser.cookie = f"angarium_session={bad}"
    assert (await browser.get("/messages")).status == 303


async def test_a_session_ends_when_its_ticket_does(relay: Relay, browser: Browser) -> None:
    given = ticket(relay)
    relay.clock.advance(TWELVE_HOURS_S - 60)
    page = await browser.get(f"/enter?ticket={given}")
    assert "Max-Age=60;" in page.cookies[0]  # to enter again wins no time
    browser.keep(page)
    relay.clock.advance(59)
    assert (await browser.get("/messages")).status == 200
    relay.clock.advance(1)
    assert (await browser.get("/messages")).status == 303


async def test_a_ticket_to_a_workspace_that_is_gone_lets_nobody_in(relay: Relay, browser: Browser) -> None:
    browser.cookie = f"angarium_session={flows.ticket(relay.ground, relay.workspace_id + 1)}"
    assert (await browser.get("/messages")).status == 303


@pytest.mark.parametrize("elsewhere", ELSEWHERE)
async def test_nobody_is_led_elsewhere(relay: Relay, browser: Browser, elsewhere: str) -> None:
    by_ticket = await browser.get(f"/enter?ticket={ticket(relay)}&next={quote(elsewhere, safe='')}")
    key = await flows.create_key(relay.ground, relay.workspace_id, "k", frozenset({"messages:read"}))
    by_key = await browser.post("/enter", {"key": key, "next": elsewhere})
    for page in (by_ticket, by_key):
        assert (page.status, page.location) == (303, "/")
        assert len(page.cookies) == 1
    form = await browser.get(f"/enter?next={quote(elsewhere, safe='')}")
    assert form.hidden("next") == "/"
    by_language = await browser.post("/look", {"language": "fa", "next": elsewhere})
    assert (by_language.status, by_language.location) == (303, "/")


@pytest.mark.parametrize("path", ["/messages?state=sent&label=a", "/enter?next=/messages", "/nothing"])
async def test_a_language_is_chosen_where_one_is(inside: Browser, path: str) -> None:
    page = await inside.get(path)
    (menu,) = re.findall(r'<form[^>]* action="/look".*?</form>', page.text, re.DOTALL)
    there = unescape(re.findall(r'name="next" value="([^"]*)"', menu)[0])
    assert there == path
    chosen = await inside.post("/look", {"language": "fa", "next": there})  # no Referer comes with it
    assert (chosen.status, chosen.location) == (303, path)
    inside.cookie += f"; {chosen.cookies[0].partition(';')[0]}"
    assert (await inside.get(path)).values("lang")[0] == "fa"


async def test_after_a_form_the_language_is_chosen_where_it_can_be_looked_at(inside: Browser) -> None:
    refused = await inside.post("/unknowns/decide", {})  # there is nothing to be got at this address
    assert refused.status == 403
    assert 'name="next" value="/"' in refused.text
    wrong = await inside.post("/enter", {"key": "none"})
    assert 'name="next" value="/enter"' in wrong.text


# ── with a key ───────────────────────────────────────────────────────────────────────────────────────


async def test_a_key_lets_in_and_leads_on(relay: Relay, browser: Browser) -> None:
    key = await flows.create_key(relay.ground, relay.workspace_id, "k", frozenset({"messages:read"}))
    page = await browser.post("/enter", {"key": f" {key}\n", "next": "/messages?state=sent"})
    assert (page.status, page.location) == (303, "/messages?state=sent")
    assert key not in page.cookies[0]
    browser.keep(page)
    assert (await browser.get("/messages")).status == 200


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("none", "Paste an API key."),
        ("long", "Paste an API key."),
        ("garbage", "This key is not good"),
        ("mistyped", "This key is not good"),
        ("revoked", "This key is not good"),
        ("narrow", "This key may not read messages."),
    ],
)
async def test_which_keys_let_nobody_in(relay: Relay, browser: Browser, kind: str, words: str) -> None:
    key = await bad_key(relay, kind)
    page = await browser.post("/enter", {"key": key, "next": "/messages"})
    assert (page.status, page.cookies) == (403, [])
    assert words in page.words
    assert not key or key not in page.text
    assert page.hidden("next") == "/messages"


async def bad_key(relay: Relay, kind: str) -> str:
    """A key that is bad in a certain way."""
    scopes = frozenset({"messages:write"} if kind == "narrow" else {"messages:read"})
    good = await flows.create_key(relay.ground, relay.workspace_id, "k", scopes)
    if kind == "revoked":
        (kept,) = await relay.ground.db.read(flows.store.keys, relay.workspace_id)
        await flows.revoke_key(relay.ground, relay.workspace_id, kept.id)
    made = {"none": "", "long": good + "0" * 600, "garbage": "ключ", "mistyped": good[:-1] + "x"}
    return made.get(kind, good)


# ── forms ────────────────────────────────────────────────────────────────────────────────────────────

FORMS = [path for method, path, _ in routes() if method == "POST"]


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
        {"Sec_Fetch_Site": "", "Origin": "http://evil.example"},
        {"Sec_Fetch_Site": "", "Origin": "null"},
        {"Sec_Fetch_Site": ""},
    ],
)
async def test_a_form_of_somebody_else_does_nothing(
    relay: Relay, inside: Browser, headers: dict[str, str]
) -> None:
    token = (await inside.get("/messages")).hidden("token")
    key = await flows.create_key(relay.ground, relay.workspace_id, "k", frozenset({"messages:read"}))
    for path in FORMS:
        page = await inside.post(path, {"token": token, "key": key}, **headers)
        assert (page.status, page.cookies) == (403, []), path
        assert "This form was not sent from here" in page.words, path


async def test_a_form_brings_the_token_of_its_session(relay: Relay, inside: Browser) -> None:
    other = await Browser(inside.session, inside.url).enter(relay)
    strange = (await other.get("/messages")).hidden("token")
    own = (await inside.get("/messages")).hidden("token")
    for fields in ({}, {"token": ""}, {"token": strange}, {"token": own.upper()}):
        page = await inside.post("/leave", fields)
        assert (page.status, page.cookies) == (403, [])
    assert (await inside.post("/leave", {"token": own}, Sec_Fetch_Site="", Origin=inside.url)).status == 303


async def test_who_leaves_is_out(inside: Browser) -> None:
    assert "Leave" in (await inside.get("/messages")).words
    page = await inside.post("/leave", {"token": (await inside.get("/messages")).hidden("token")})
    assert (page.status, page.location) == (303, "/enter")
    assert page.cookies == ["angarium_session=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax"]
    inside.keep(page)
    assert (await inside.get("/messages")).status == 303


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"key=a", "application/json", 415),
        (b"key=a", "", 415),
        (b"key=\xff", "application/x-www-form-urlencoded", 400),
        (b"key=%00", "application/x-www-form-urlencoded", 400),
        (b"&".join(b"a%d=1" % n for n in range(5_100)), "application/x-www-form-urlencoded", 400),
        (b"key=" + b"a" * 1_000_000, "application/x-www-form-urlencoded", 413),
    ],
)
async def test_a_form_that_is_none(browser: Browser, body: bytes, kind: str, status: int) -> None:
    headers = {"Sec-Fetch-Site": "same-origin", "Content-Type": kind or "application/octet-stream"}
    page = await browser.ask("POST", "/enter", body, headers)
    assert page.status == status
    assert page.headers["content-type"] == "text/html; charset=utf-8"


async def test_looking_changes_nothing(inside: Browser) -> None:
    assert (await inside.get("/leave")).status == 405
    assert (await inside.get("/messages")).status == 200


# ── what every page is ───────────────────────────────────────────────────────────────────────────────


async def test_every_page_keeps_its_policy(relay: Relay, inside: Browser) -> None:
    message = ids.show("message", await story(relay))
    paths = ["/messages", f"/messages/{message}", "/messages/msg_x", "/find?ref=none", "/nothing", "/enter"]
    for page in [await inside.get(path) for path in paths]:
        assert page.headers["content-security-policy"] == POLICY
        assert page.headers["x-content-type-options"] == "nosniff"
        assert page.headers["cache-control"] == "no-store"
        assert page.headers["referrer-policy"] == "same-origin"
        assert page.headers["content-type"] == "text/html; charset=utf-8"
        assert not {"style", "iframe", "object"} & {tag for tag, _ in page.seen.tags}
        assert [names for tag, names in page.seen.tags if tag == "script" and "src" not in names] == []
        assert not [name for _, name, _ in page.seen.attributes if name.startswith("on") or name == "style"]
        leads = page.values("href") + page.values("src") + page.values("action")
        assert [link for link in leads if not link.startswith(("/", "#")) or link.startswith("//")] == []


async def test_the_style_is_kept_by_browsers_until_it_changes(inside: Browser) -> None:
    page = await inside.get("/messages")
    (style,) = [link for link in page.values("href") if link.startswith("/static/app-style.css?v=")]
    answer = await inside.get(style)
    assert answer.status == 200
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert answer.headers["content-type"] == "text/css; charset=utf-8"
    assert re.findall(r"url\([\"']?https?:", answer.text) == []
    assert "@import" not in answer.text
    for name in ("nothing.css", "..%2Fshell.py", "%2E%2E%2Fshell.py", "words.en.toml"):
        assert (await inside.get(f"/static/{name}")).status == 404


async def test_errors_are_pages_for_people_and_json_for_programs(browser: Browser) -> None:
    assert "There is nothing at this address" in (await browser.get("/nothing")).words
    program = await browser.ask("GET", "/nothing", None, {"Accept": "application/json"})
    assert program.headers["content-type"] == "application/problem+json"
    assert (await browser.ask("GET", "/openapi.json", None, {})).text.count("/enter") == 0


@route("GET /boom", Operation(summary="Broken", scope=None, page=True))
async def boom(request: Call) -> Sent:
    """A page that fails."""
    raise RuntimeError("the inside of it")


async def test_a_page_that_fails_tells_a_number_and_nothing_else(relay: Relay) -> None:
    boom.fn.__module__ = "angarium.messaging.pages"  # a page belongs to a room
    async with browsing(relay, boom) as browser:
        page = await browser.get("/boom")
    assert page.status == 500
    assert "Something went wrong on our side" in page.words
    assert "inside" not in page.text
    assert "RuntimeError" not in page.text

"""The pages in a real Chromium: hostile words stay words, forms of others do nothing, and all can be read."""

from __future__ import annotations

import asyncio
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import quote

import msgspec
import pytest
from aiohttp import web
from markupsafe import Markup

from angarium.accounts import flows
from angarium.accounts.edge import Call, Operation, Sent, route
from angarium.accounts.pages import HtmlAnswer
from angarium.core import ids
from angarium.core.ports import Outcome, Unknown
from angarium.core.values import Reason
from angarium.storage.database import open_database
from support import together
from support.browsing import Browser, Seen, browsing
from support.relay import Relay, refused

pytestmark = pytest.mark.browser

LOADS_WITHIN_S = 60.0
OPTIONS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--no-first-run",
    "--disable-component-update",
    "--disable-sync",
    "--enable-logging=stderr",  # what a page's console says
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
)
DARK = "--blink-settings=preferredColorScheme=0"
HOSTILE = (
    "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"
    '"><svg onload="document.title=\'owned\'"></svg></title></textarea><h1>owned</h1>'
    '<img src="http://evil.example/pixel.png"><link rel="stylesheet" href="http://evil.example/x.css">'
)
HOSTILE_REFUSAL = refused(Reason.REJECTED, code=HOSTILE, detail=HOSTILE)


class Shown(msgspec.Struct, frozen=True):
    """A page as Chromium made it, what its console said, and every address that was asked for."""

    dom: Seen
    console: str
    asked: str

    @property
    def title(self) -> str:
        """What stands in the window's bar."""
        return "".join(self.dom.pieces).strip().partition("\n")[0]


async def chromium(folder: Path, url: str, *options: str) -> Shown:
    """Open an address in a browser of its own, and wait until it has loaded."""
    log = folder / "net.json"
    profile = (f"--user-data-dir={folder / 'profile'}", f"--log-net-log={log}")
    process = await asyncio.create_subprocess_exec(
        "chromium", *OPTIONS, *profile, *options, "--dump-dom", url, stdout=PIPE, stderr=PIPE
    )
    try:
        dom, console = await asyncio.wait_for(process.communicate(), LOADS_WITHIN_S)
    except TimeoutError:
        process.kill()
        raise
    said = [line for line in console.decode(errors="replace").splitlines() if ":CONSOLE" in line]
    return Shown(Seen(dom.decode()), "\n".join(said), log.read_text(errors="replace"))


@pytest.fixture
async def relay(tmp_path: Path) -> AsyncIterator[Relay]:
    """A shop on still time."""
    async with together.database_in(tmp_path) as url:
        database = open_database(url)
        await database.start()
        yield await Relay(database).open()
        await together.end_all()
        await database.stop()


@pytest.fixture
async def browser(relay: Relay) -> AsyncIterator[Browser]:
    """The pages on loopback."""
    async with browsing(relay, unescaped) as opened:
        yield opened


def link(relay: Relay, browser: Browser, path: str) -> str:
    """A link as the simulated phones have them."""
    ticket = flows.ticket(relay.ground, relay.workspace_id)
    return f"{browser.url}/enter?ticket={quote(ticket)}&next={quote(path, safe='')}"


def page_of(message_id: int) -> str:
    """The address of a message's page."""
    return f"/messages/{ids.show('message', message_id)}"


# ── nothing in a message can act ─────────────────────────────────────────────────────────────────────


async def hostile(relay: Relay, outcome: Outcome = HOSTILE_REFUSAL) -> int:
    """A message that has hostile words wherever somebody else may put some."""
    await relay.line("l", "viber_business")
    await relay.contact(name=HOSTILE[:200], external_id="x")
    message_id = await relay.send(
        to={"external_id": "x"}, text=HOSTILE, line="l", label=HOSTILE[:64], reference=HOSTILE[:128]
    )
    await relay.take("l", outcome)
    return message_id


async def test_a_link_leads_in_and_hostile_words_stay_words(
    relay: Relay, browser: Browser, tmp_path: Path
) -> None:
    shown = await chromium(tmp_path, link(relay, browser, page_of(await hostile(relay))))
    words = "".join(shown.dom.pieces)
    assert "The provider refused it for good" in words
    assert words.count(HOSTILE) >= 5  # text, two codes, two details
    assert shown.title.startswith("<script>")
    assert [tag for tag, _ in shown.dom.tags].count("h1") == 1
    assert "evil.example" not in shown.asked
    assert "/static/app-style.css" in shown.asked
    assert shown.console == ""  # the policy had nothing to refuse


async def test_hostile_words_among_the_unknown_stay_words(
    relay: Relay, browser: Browser, tmp_path: Path
) -> None:
    await hostile(relay, Unknown(HOSTILE))
    shown = await chromium(tmp_path, link(relay, browser, "/unknowns"))
    words = "".join(shown.dom.pieces)
    assert words.count(HOSTILE) >= 1
    assert [tag for tag, _ in shown.dom.tags].count("h1") == 1
    assert "evil.example" not in shown.asked
    assert shown.console == ""


@route("GET /unescaped", Operation(summary="A mistake of ours", scope=None, page=True))
async def unescaped(request: Call) -> Sent:
    """A page on which somebody forgot to escape."""
    problem = {
        "title": "A mistake",
        "slug": "mistake",
        "status": 400,
        "detail": Markup(HOSTILE),
        "errors": [],
    }
    return HtmlAnswer("web/problem.html", {"problem": problem, "failure": ""})


unescaped.fn.__module__ = "angarium.messaging.pages"  # a page belongs to a room


async def test_the_policy_holds_where_escaping_was_forgotten(browser: Browser, tmp_path: Path) -> None:
    shown = await chromium(tmp_path, f"{browser.url}/unescaped")
    assert [tag for tag, _ in shown.dom.tags].count("script") == 3  # beside our two, and does nothing
    assert shown.title == "A mistake · Angarium"
    assert "Content Security Policy" in shown.console
    assert '"evil.example"' not in shown.asked


# ── forms of others ──────────────────────────────────────────────────────────────────────────────────


@asynccontextmanager
async def serving(*routes: web.RouteDef) -> AsyncIterator[int]:
    """A site of somebody else's, on a port of this machine."""
    app = web.Application()
    app.add_routes(routes)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])  # the same site, and another one
@pytest.mark.parts(2)
async def test_another_site_cannot_send_our_forms(
    relay: Relay, browser: Browser, tmp_path: Path, host: str
) -> None:
    key = await flows.create_key(relay.ground, relay.workspace_id, "k", frozenset({"messages:read"}))
    form = (
        f'<form method="post" action="{browser.url}/enter"><input name="key" value="{key}"></form>'
        "<script>document.forms[0].submit()</script>"
    )

    async def attack(_request: web.Request) -> web.Response:
        return web.Response(text=form, content_type="text/html")

    async with serving(web.get("/", attack)) as port:
        shown = await chromium(tmp_path, f"http://{host}:{port}/", "--virtual-time-budget=5000")
    assert "This form was not sent from here" in "".join(shown.dom.pieces)

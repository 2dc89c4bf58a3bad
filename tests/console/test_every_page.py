"""Every page there is, full of what strangers wrote: read by axe-core, in all widths, directions and themes.

The pages come from the routes themselves, so that a new one is looked at as soon as it is there; one that
cannot be opened is named in `NOT_PAGES`, or this fails. One run loads each page once, in a language of its
turn, and looks at it narrow and in a width of its turn; a third of them are read by axe-core there, in a
theme of their turn, and the others on the next two days. `ANGARIUM_TEST_LOOKS=all` loads each in all
languages and widths, and has all of them read in all widths and themes; `ANGARIUM_TEST_DAY=n` repeats a day.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page

from angarium.accounts import setup
from angarium.assembly import HANDLERS, PHONES
from angarium.web.app import OURS, operations_of
from angarium.web.look import LANGUAGE, THEME
from support import hostile
from support.fresh import fresh_house
from support.full_house import FullHouse, furnish
from support.neighbours import PLACE
from support.screen import AXE as AXE_FILE
from support.screen import GRAVE, chromium
from support.turns import TODAY

pytestmark = pytest.mark.browser

WIDTHS_PX = (360, 768, 1280, 2560)
THEMES = ("light", "dark")
LANGUAGES = ("en", "fa", "uk", "ar", "zh", "fa", "ru", "ar")  # in turn from left and from right
LOOKS = list(product(THEMES, WIDTHS_PX, LANGUAGES))
STEP, STEP_A_DAY = 37, 11  # neither divides the number of looks, so that all of them have their turn
READ_EVERY = 5  # days, by axe-core and by Tab: of all that is done with a page these take longest
AXE = AXE_FILE.read_text()
EXAMINE = Path(hostile.__file__).parent / "examine.js"
EVERYTHING = os.environ.get("ANGARIUM_TEST_LOOKS") == "all"
TALL_PX = 3_000  # so that what lies over something is seen to

NOT_PAGES = {  # what has no page of its own to look at, and why
    "/live": "an answer without an end",
    "/static/{name:str}": "a file",
    "/settings/audit/export": "a file",
    "/contacts/{contact_id:str}/export": "a file",
    "/imports/{import_id:str}/errors": "a file",
    "/exports/{export_id:str}/file": "a file",
    "/lines/{line_id:str}/patterns/csv": "a file",
    "/sign-in/with/{workspace_id:str}/{identity_provider_id:str}": "leads to another host",
}
PIECES = {  # which pages put in themselves: only what strangers wrote is looked for
    "/settings/audit/check",
    "/templates/{template_id:str}/mail",
    "/campaigns/count",
    "/campaigns/{campaign_id:str}/words/look",
    "/campaigns/{campaign_id:str}/forecast",
    "/campaigns/{campaign_id:str}/instead",
    "/segments/templates",
    "/segments/{segment_id:str}/count",
    "/search",
    "/notices/bell",
    "/notices/newest",
}
ASKED = {  # what a page has to be told, beside its address
    "/contacts/{contact_id:str}/merge": "with={twin_0}",
    "/templates/{template_id:str}/diff": "from=1&to=2",
    "/templates/{template_id:str}/mail": "version=2",
    "/find": "ref={ref}",
    "/search": "q=owned",
    "/campaigns/count": "whom=everybody",
    "/setup/phone": "message={message}",
    "/sign-in/callback": "error=denied",
}
ALSO = (  # pages that look otherwise for other things, or when there is nothing
    "/messages/{message}",
    "/messages/{message_doubtful}",
    "/messages/{message_taken}",
    "/messages/{message_waiting}",
    "/messages?label=none",
    "/unknowns?class=otp",
    "/contacts?tag=none",
    "/contacts/{asker}",
    "/campaigns?state=paused",
    "/lines/new/viber_business",
    "/lines/new/smtp",
    "/settings/policies/content-control",
    "/phones/+380671112233",
    "/developers/requests?only=problems",
)
VISITORS = ("/enter", "/reset", "/reset/new", "/invitation", "/sign-in/passkey", "/sign-in/callback")
SOON_OVER = ("/sign-in/factor", "/sign-in/enrol")  # sessions of ten minutes: looked at first


def routes() -> list[str]:
    """The paths of all that a browser may open."""
    told = operations_of([*HANDLERS, *PHONES, *OURS])
    return sorted({path for method, path, one in told if one.page and method == "GET"} - NOT_PAGES.keys())


def test_what_cannot_be_looked_at_is_known() -> None:
    told = operations_of([*HANDLERS, *PHONES, *OURS])
    assert NOT_PAGES.keys() | PIECES | ASKED.keys() <= {path for _, path, one in told if one.page}
    assert len(routes()) > 90
    assert sorted(look_of(place, 0) for place in range(len(LOOKS))) == sorted(LOOKS)
    assert {look_of(3, day) for day in range(len(LOOKS))} == set(LOOKS)


def look_of(place: int, day: int) -> tuple[str, int, str]:
    """In which theme, width and language the page at this place is read on this day."""
    return LOOKS[(place * STEP + day * STEP_A_DAY) % len(LOOKS)]


@dataclass
class Walk:
    """Somebody who goes from page to page, and notes what is wrong and whose words stand there."""

    browser: Browser
    url: str
    found: list[str] = field(default_factory=list)
    shown: set[str] = field(default_factory=set)
    heard: list[str] = field(default_factory=list)
    windows: dict[str, Page] = field(default_factory=dict)  # by the cookie of whoever is in

    async def window(self, cookie: str, language: str) -> Page:
        """A window of whoever this cookie is given to, in a language."""
        if cookie not in self.windows:
            context = await self.browser.new_context(reduced_motion="reduce")
            await context.add_init_script(path=EXAMINE)
            page = self.windows[cookie] = await context.new_page()
            page.on("console", lambda one: self._hear(one.type, one.text))
            page.on("pageerror", lambda one: self.heard.append(str(one)))
            page.on("dialog", lambda one: self.heard.append(f"a dialog: {one.message}"))
            page.on("request", lambda one: self._ask(one.url))
        given = [(LANGUAGE, language), (THEME, "light"), tuple(cookie.split("=", 1))]
        cookies = [{"name": one[0], "value": one[1], "url": self.url} for one in given if len(one) == 2]
        await self.windows[cookie].context.add_cookies(cookies)
        return self.windows[cookie]

    def _hear(self, kind: str, text: str) -> None:
        if kind in {"error", "warning"} and "status of 4" not in text:
            self.heard.append(text)

    def _ask(self, url: str) -> None:
        if not url.startswith((self.url, "data:", "blob:")):
            self.heard.append(f"asks {url}")

    async def see(self, address: str, cookie: str, place: int, *, whole: bool) -> None:
        """One page, in the looks whose turn it is; of a piece only what strangers wrote is looked for."""
        theme, width, language = look_of(place, TODAY // READ_EVERY)
        if not EVERYTHING:
            reads = [(theme, width)] if (place + TODAY) % READ_EVERY == 0 else []
            await self._load(address, cookie, language, whole, reads, {WIDTHS_PX[0], width})
            return
        for each in dict.fromkeys(LANGUAGES):
            reads = list(product(THEMES, WIDTHS_PX)) if each in ("en", "fa") else [(theme, width)]
            await self._load(address, cookie, each, whole, reads, set(WIDTHS_PX))

    async def _load(
        self,
        address: str,
        cookie: str,
        language: str,
        whole: bool,
        reads: list[tuple[str, int]],
        widths: set[int],
    ) -> None:
        page = await self.window(cookie, language)
        self.heard.clear()
        await page.set_viewport_size({"width": WIDTHS_PX[0], "height": TALL_PX})
        answer = await page.goto(self.url + address, wait_until="load")
        assert answer is not None
        good = answer.status < 400 or address.startswith("/sign-in/callback")
        wrong = [] if good else [f"answers {answer.status}"]
        said = await page.evaluate("examine.strangers()")
        self.shown |= set(said["seen"])
        wrong += said["wrong"]
        for width in sorted(widths) if whole else ():
            await page.set_viewport_size({"width": width, "height": TALL_PX})
            wrong += [f"{width}: {one}" for one in await page.evaluate("examine.layout()")]
        if whole and reads:
            wrong += await page.evaluate("examine.focus()")
            await page.evaluate(AXE)
            wrong += [one for theme, width in reads for one in await self._read(page, theme, width)]
        self.found += [f"{address} in {language}: {one}" for one in [*wrong, *self.heard]]

    async def _read(self, page: Page, theme: str, width: int) -> list[str]:
        """What axe-core finds in one theme and width."""
        await page.set_viewport_size({"width": width, "height": 900})
        await page.evaluate("(theme) => { document.documentElement.dataset.bsTheme = theme; }", theme)
        return [f"{theme} {width}: {one}" for one in await page.evaluate(GRAVE)]


def to_see(full: FullHouse) -> Iterator[tuple[str, str, str]]:
    """Route, address and cookie of every page but the one of a server that nobody has set up."""
    paths = [path for path in routes() if path != "/setup"]
    for path in sorted(paths, key=lambda path: path not in SOON_OVER):
        address = PLACE.sub(lambda match: full.has[match[1]], path)
        drafts = ("audience", "words", "schedule", "check", "draft", "look", "forecast")
        if path.startswith("/campaigns/{") and not path.endswith(drafts):
            address = address.replace(full.has["campaign_id"], full.has["started_id"])
        asked = ASKED.get(path, f"token={full.tokens[path]}" if path in full.tokens else "")
        address += f"?{asked.format(**full.has)}" if asked else ""
        cookie = "" if path in VISITORS else full.cookies.get(path, full.cookie)
        yield path, address, cookie
    for address in ALSO:
        yield address, address.format(**full.has), full.cookie


@pytest.mark.timeout(7200 if EVERYTHING else 900)  # on a machine that others use as well
async def test_every_page(tmp_path: Path) -> None:
    async with fresh_house(tmp_path) as fresh, chromium() as browser:
        walk = Walk(browser, fresh.client.url)
        link = await setup.link(fresh.house.ground, "")
        await walk.see(link, "", 0, whole=True)
        full = await furnish(fresh)
        for place, (path, address, cookie) in enumerate(to_see(full), 1):
            await walk.see(address, cookie, place, whole=path not in PIECES)
    assert walk.found == [], f"ANGARIUM_TEST_DAY={TODAY} shows it again"
    assert hostile.names - walk.shown == set(), "texts of strangers that no page showed"

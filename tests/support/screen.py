"""The console in a real Chromium, driven by Playwright: signed in, in a language, a theme and a width.

A `Screen` notes whatever a page complains of on its console, and every address of others that it asks for; it
examines a page as it stands: axe-core (WCAG 2.2 A and AA among its rules) and what is wider than the window.

What comes of a click or a key comes later, and on a busy machine much later. So nothing is read right after
an act: `expect` looks again until it is so, `says` does for words, `leaves` waits for the page that follows.
"""

from __future__ import annotations

import asyncio
import atexit
import re
import shutil
import threading
from collections.abc import AsyncIterator
from concurrent.futures import Future
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, Error, Page, async_playwright, expect
from playwright.sync_api import sync_playwright

from angarium.processes import free_port
from angarium.web.look import LANGUAGE, THEME

expect.set_options(timeout=20_000)  # a machine may be busy

OPTIONS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--no-first-run",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
)
BROWSERS = ("chromium-headless-shell", "chromium")  # the first draws no window, which is a tenth of the CPU
PICTURES = Path(__file__).parents[2] / ".pictures"  # git does not keep it
AXE = Path(__file__).parents[1] / "peers/node_modules/axe-core/axe.min.js"
# What stands in frames is no page of ours: a mail may not run anything, so cannot answer axe either.
GRAVE = """async () => {
  const grave = (one) => ["serious", "critical"].includes(one.impact);
  const usual = (one) => one.enabled && !one.tags.some((tag) => ["experimental", "deprecated"].includes(tag));
  const rules = axe._audit.rules.filter((one) => grave(one) && (usual(one) || one.id === "target-size"));
  const runOnly = {type: "rule", values: rules.map((one) => one.id)};
  const why = (node) => (node.any[0] ?? node.none[0] ?? node.all[0])?.message ?? "";
  const told = (node) => `${node.target.join(" ")} ${why(node)}`;
  const found = await axe.run(document, {runOnly, resultTypes: ["violations"], iframes: false});
  return found.violations.filter(grave)
    .map(({id, nodes}) => `${id}: ${nodes.slice(0, 3).map(told).join(", ")}`);
}"""
# What may be wider than the window scrolls by itself: tables, tabs, code.
WIDE = """() => {
  const width = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth <= width) return [];
  return [...document.querySelectorAll("body *")]
    .filter((one) => one.getBoundingClientRect().right > width + 1 || one.getBoundingClientRect().left < -1)
    .filter((one) => !one.closest(".table-responsive, .tabs, pre, [data-scrolls]"))
    .slice(0, 4).map((one) => `${one.tagName}.${one.getAttribute("class")}`);
}"""

SEEN_MS, SEEN_MAX = 2_000, 4_000  # how long a page is waited for that failed, and how much of it is told

ID = re.compile(r"[a-z]{2,4}_[0-9a-z]{13}")  # as addresses have them (`core/ids.py`)
GOOD: set[tuple[str, str]] = set()  # looks and kinds of pages in which axe-core found nothing


@dataclass
class Look:
    """How pages are looked at."""

    language: str = "en"
    theme: str = "light"
    width_px: int = 1280

    def __str__(self) -> str:
        return f"{self.language}-{self.theme}-{self.width_px}"


@dataclass
class Screen:
    """One window."""

    page: Page
    url: str
    look: Look = field(default_factory=Look)
    said: list[str] = field(default_factory=list)  # by the console, errors and warnings
    strange: list[str] = field(default_factory=list)  # addresses of others

    async def open(self, path: str) -> int:
        """Go to a page; its status."""
        answer = await self.page.goto(self.url + path, wait_until="load")
        assert answer is not None
        return answer.status

    async def faults(self) -> list[str]:
        """What is wrong with the page as it stands; nothing when it is good."""
        wide = [f"wider than the window: {one}" for one in await self.page.evaluate(WIDE)]
        grave = await self._grave()
        return [*self.said, *(f"asks {one}" for one in self.strange), *wide, *grave]

    async def _grave(self) -> list[str]:
        """What axe-core finds. A page that was good in this look is not examined again by this process: that
        takes a second of CPU each time."""
        kind = (str(self.look), ID.sub("id", self.page.url.partition("?")[0].removeprefix(self.url)))
        if kind in GOOD:
            return []
        await self.page.evaluate(AXE.read_text())
        found = [str(one) for one in await self.page.evaluate(GRAVE)]
        if not found:
            GOOD.add(kind)
        return found

    async def picture(self, name: str) -> None:
        """Keep what is seen, as `PICTURES` says; CI keeps them for whoever wants to look."""
        PICTURES.mkdir(exist_ok=True)
        await self.page.screenshot(path=PICTURES / f"{name}.{self.look}.png", full_page=True)

    async def says(self, words: str, where: str = "body") -> None:
        """Wait until this stands on the page, or in the first of what is meant by a selector."""
        told = self.page.locator(where).first
        await expect(told).to_contain_text(words, use_inner_text=True)

    @asynccontextmanager
    async def leaves(self) -> AsyncIterator[None]:
        """What is done in here leads to another page, maybe at the same address: it has loaded afterwards."""
        async with self.page.expect_navigation():
            yield


def browser_there() -> str | None:
    """The machine's own Chromium; None where it has none."""
    return next(filter(None, map(shutil.which, BROWSERS)), None)


@cache
def _chromium() -> str:
    """Start the machine's own Chromium, without a window, and say where it listens.

    One serves all tests of this process, each in windows of its own: starting takes a second of CPU.
    """
    port = free_port()
    began, ends = Future[None](), threading.Event()

    def keep() -> None:
        with sync_playwright() as playwright:
            listens = f"--remote-debugging-port={port}"
            try:
                browser = playwright.chromium.launch(
                    executable_path=browser_there(), args=[*OPTIONS, listens]
                )
            except BaseException as error:
                began.set_exception(error)
                return
            began.set_result(None)
            ends.wait()
            browser.close()

    thread = threading.Thread(target=keep, name="chromium", daemon=True)
    thread.start()
    began.result()
    atexit.register(thread.join)
    atexit.register(ends.set)
    return f"http://127.0.0.1:{port}"


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """The Chromium of this process, for windows of one's own."""
    where = await asyncio.to_thread(_chromium)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.connect_over_cdp(where)
        yield browser
        await browser.close()  # the windows that were opened here


@asynccontextmanager
async def screen(
    browser: Browser, url: str, cookie: str = "", look: Look | None = None
) -> AsyncIterator[Screen]:
    """A window of its own. `cookie` is `name=value`, as the server gave it."""
    look = look or Look()
    context = await browser.new_context(
        viewport={"width": look.width_px, "height": 900},
        reduced_motion="reduce",  # nothing is on its way when it is looked at
    )
    given = {LANGUAGE: look.language, THEME: look.theme}
    if cookie:
        name, _, value = cookie.partition("=")
        given[name] = value
    await context.add_cookies([{"name": name, "value": value, "url": url} for name, value in given.items()])
    window = Screen(await context.new_page(), url, look)

    def hear(message: Any) -> None:
        if message.type in {"error", "warning"} and "status of 4" not in message.text:
            window.said.append(message.text)

    window.page.on("console", hear)
    window.page.on("pageerror", lambda error: window.said.append(str(error)))
    window.page.on("request", lambda asked: _note(window, asked.url))
    try:
        yield window
    except Exception as error:
        error.add_note(await _seen(window.page))
        raise
    finally:
        await context.close()


async def _seen(page: Page) -> str:
    """Where a test failed, as somebody would have seen it there."""
    try:
        words = await page.inner_text("body", timeout=SEEN_MS)
    except Error as error:
        words = str(error)
    return f"The page {page.url} said:\n{words[:SEEN_MAX]}"


def _note(window: Screen, url: str) -> None:
    if not url.startswith((window.url, "data:", "blob:")):
        window.strange.append(url)

"""A browser without a window: it keeps a cookie, follows nothing by itself, says where forms come from."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cached_property
from html.parser import HTMLParser
from typing import Any

import aiohttp
import pytest
from prometheus_client import CollectorRegistry

from angarium.accounts import account_pages, entry_pages, flows, pages, sso_pages
from angarium.core.ports import Accepted
from angarium.core.values import Reason, ReceiptStatus
from angarium.messaging import pages as message_pages
from angarium.messaging import unknowns_pages
from angarium.messaging.api import Desk
from angarium.web.app import make_app
from angarium.web.server import Server
from support.relay import Relay, refused

HANDLERS = (
    *pages.HANDLERS,
    *entry_pages.HANDLERS,
    *account_pages.HANDLERS,
    *sso_pages.HANDLERS,
    *message_pages.HANDLERS,
    *unknowns_pages.HANDLERS,
)


class Seen(HTMLParser):
    """What a browser makes of a page: its elements, its attributes, its text."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, tuple[str, ...]]] = []
        self.attributes: list[tuple[str, str, str]] = []  # tag, name, value
        self.pieces: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, tuple(sorted(name for name, _ in attrs))))
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_data(self, data: str) -> None:
        self.pieces.append(data)


@dataclass
class Page:
    """What came back."""

    status: int
    text: str
    headers: dict[str, str]
    cookies: list[str]

    @cached_property
    def seen(self) -> Seen:
        """The page as elements."""
        return Seen(self.text)

    @property
    def words(self) -> str:
        """All text on it, in one line."""
        return re.sub(r"\s+", " ", "".join(self.seen.pieces)).strip()

    def says(self, words: str) -> bool:
        """Whether these words stand on it, one after the other; the space between elements is no matter."""
        return words.replace(" ", "") in self.words.replace(" ", "")

    @property
    def location(self) -> str:
        """Where it leads on."""
        return self.headers["location"]

    def values(self, name: str) -> list[str]:
        """The values of an attribute, in order."""
        return [value for _, found, value in self.seen.attributes if found == name]

    def hidden(self, name: str) -> str:
        """The value of a form's hidden field, on the page itself rather than in its frame."""
        field = re.compile(rf'<input type="hidden" name="{name}" value="([^"]*)">')
        found = field.search(self.text.partition("<main")[2]) or field.search(self.text)
        assert found, f"no hidden field {name}"
        return found[1]


@dataclass
class Browser:
    """Somebody at a browser."""

    session: aiohttp.ClientSession
    url: str
    cookie: str = ""
    usual: dict[str, str] = field(default_factory=dict)  # headers of every request

    async def get(self, path: str, **headers: str) -> Page:
        """Open an address."""
        return await self.ask("GET", path, None, {"Sec-Fetch-Site": "none", **_named(headers)})

    async def post(self, path: str, fields: dict[str, str], **headers: str) -> Page:
        """Send a form from one of our own pages, unless a header says otherwise."""
        return await self.ask("POST", path, fields, {"Sec-Fetch-Site": "same-origin", **_named(headers)})

    async def ask(self, method: str, path: str, fields: Any, headers: dict[str, str]) -> Page:
        """One request, as it is told; a header that is empty is not sent."""
        sent = {name: value for name, value in {**self.usual, **headers}.items() if value}
        sent.setdefault("Accept", "text/html,application/xhtml+xml,*/*;q=0.8")
        if self.cookie:
            sent["Cookie"] = self.cookie
        async with self.session.request(
            method, self.url + path, data=fields, headers=sent, allow_redirects=False
        ) as answer:
            names = {name.lower(): value for name, value in answer.headers.items()}
            return Page(answer.status, await answer.text(), names, answer.headers.getall("Set-Cookie", []))

    async def enter(self, relay: Relay) -> Browser:
        """With a ticket to the relay's workspace; itself."""
        page = await self.get(f"/enter?ticket={flows.ticket(relay.ground, relay.workspace_id)}")
        self.keep(page)
        return self

    def keep(self, page: Page) -> None:
        """Take the cookie that a page gives."""
        self.cookie = page.cookies[0].partition(";")[0]


def _named(headers: dict[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}


@asynccontextmanager
async def browsing(
    relay: Relay,
    *more: Any,
    trusted_proxies: Sequence[str] = (),
    handlers: Sequence[Any] = HANDLERS,
    services: Mapping[str, Any] | None = None,
) -> AsyncIterator[Browser]:
    """The pages on loopback, and a browser that has not entered."""
    app = make_app(
        [*handlers, *more],
        relay.ground,
        ready={},
        registry=CollectorRegistry(),
        services={"messages": Desk(relay.world, None), **(services or {})},  # type: ignore[arg-type]  nothing is sent from here
    )
    server = Server(app, "127.0.0.1", 0, trusted_proxies)
    await server.start()
    try:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=20)) as session:
            yield Browser(session, f"http://127.0.0.1:{server.port}")
    finally:
        await server.stop()


@pytest.fixture
async def browser(relay: Relay) -> AsyncIterator[Browser]:
    """Somebody who has not entered."""
    async with browsing(relay) as opened:
        yield opened


@pytest.fixture
async def inside(relay: Relay, browser: Browser) -> Browser:
    """Somebody who has entered the relay's workspace."""
    return await browser.enter(relay)


# ── a message with a story ───────────────────────────────────────────────────────────────────────────

STEPS = [
    {"channel": "vk_notify", "success": "read", "wait_s": 15},
    {"channel": "viber_business", "success": "delivered", "wait_s": 300},
    {"channel": "smpp", "success": "delivered", "wait_s": 600},
]
PERSIAN = "نرگس عزیز، سفارش ۷۰۰۰۰۴۵ شما ارسال شد."


async def lines(relay: Relay) -> None:
    """The relay's three lines."""
    if "vk" not in relay.lines:
        for name, channel in (("vk", "vk_notify"), ("viber", "viber_business"), ("sms", "smpp")):
            await relay.line(name, channel)


async def story(relay: Relay) -> int:
    """Not on VK, not in time on Viber, delivered by SMS; and then Viber's receipt comes late."""
    await lines(relay)
    await relay.contact(name="نرگس محمدی", external_id="7")
    message_id = await relay.send(text=PERSIAN, steps=STEPS, label="order-shipped", reference="R-1")
    relay.clock.advance(0.25)
    await relay.take("vk", refused(Reason.NOT_A_USER, code="1005", detail="No such user."))
    relay.clock.advance(1)
    await relay.take("viber", Accepted(("viber+1&a=b",)))
    await relay.wait(300)
    await relay.take("sms", Accepted(("7c1e0a",)))
    relay.clock.advance(7)
    await relay.receipt("sms", ReceiptStatus.DELIVERED, ref="7c1e0a")
    relay.clock.advance(60)
    await relay.receipt("viber", ReceiptStatus.DELIVERED, ref="viber+1&a=b")
    return message_id

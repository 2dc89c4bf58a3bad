"""Everybody can read every page: both themes, both directions, narrow and wide (WCAG 2.2 AA by axe-core)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from angarium.accounts import flows, session
from angarium.core import ids
from angarium.core.values import Reason
from angarium.storage.database import open_database
from support.browsing import browsing, story
from support.databases import create_schema
from support.relay import NO_ANSWER, Relay, refused
from support.screen import Look, chromium, screen

pytestmark = pytest.mark.browser

LOOKS = (Look(width_px=320), Look(), Look("fa", "dark"), Look("fa", "dark", 360), Look(width_px=2560))


@pytest.fixture
async def relay(tmp_path: Path) -> AsyncIterator[Relay]:
    """A shop on still time."""
    database = open_database(f"sqlite:///{tmp_path}/angarium.db")
    await database.start()
    await create_schema(database)
    yield await Relay(database).open()
    await database.stop()


async def pages_to_read(relay: Relay) -> list[str]:
    """The addresses of all kinds of pages about messages, with all kinds of states on them."""
    delivered = await story(relay)
    unknown = await relay.send(line="sms", label="one-long-label-without-any-space-in-it-" + "x" * 20)
    await relay.take("sms", NO_ANSWER)
    failed = await relay.send(line="sms", text="x" * 300)
    (attempt,) = await relay.claim("sms")
    await relay.answer(attempt, refused(Reason.AUTH, code="0x0000000E", detail="y" * 120))
    waiting = await relay.send(line="viber")
    await relay.take("viber")
    shown = (delivered, unknown, failed, waiting)
    messages = [f"/messages/{ids.show('message', message_id)}" for message_id in shown]
    lists = ["/messages", "/messages?label=none", "/messages?state=none", "/unknowns", "/unknowns?class=otp"]
    return [*messages, *lists, "/enter?ticket=bad", "/reset", "/sign-in/passkey"]


async def test_pages_of_messages(relay: Relay) -> None:
    paths = await pages_to_read(relay)
    key = await flows.create_key(relay.ground, relay.workspace_id, "k", session.PAGES)
    found: list[str] = []
    async with browsing(relay) as browser, chromium() as opened:
        browser.keep(await browser.post("/enter", {"key": key, "next": "/"}))
        for look in LOOKS:
            async with screen(opened, browser.url, browser.cookie, look) as window:
                for path in paths:
                    assert await window.open(path) < 500, path
                    found += [f"{look} {path}: {fault}" for fault in await window.faults()]
                    window.said.clear()
    assert found == []

"""The first page: where to begin; then what needs a person, and what has gone through, as facts tell it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC
from pathlib import Path

import pytest

from angarium.insight import home, pages
from angarium.insight.savings import SHOWN_S, Savings
from angarium.messaging import chronicle
from angarium.storage.database import open_database
from support.browsing import HANDLERS, Browser, browsing, story
from support.databases import create_schema
from support.relay import Relay
from support.screen import chromium, screen


@pytest.fixture
async def relay(tmp_path: Path) -> AsyncIterator[Relay]:
    """A shop on still time."""
    database = open_database(f"sqlite:///{tmp_path}/angarium.db")
    await database.start()
    await create_schema(database)
    yield await Relay(database).open()
    await database.stop()


@pytest.fixture
async def inside(relay: Relay) -> AsyncIterator[Browser]:
    """Somebody who has entered."""
    async with browsing(relay, *pages.HANDLERS, handlers=HANDLERS) as browser:
        yield await browser.enter(relay)


async def chronicled(relay: Relay) -> None:
    """All facts have been read."""
    while (await relay.ground.db.run(chronicle.follow, relay.workspace_id, 1_000)).facts:
        pass


async def test_an_empty_workspace_is_told_where_to_begin(inside: Browser) -> None:
    page = await inside.get("/home")
    assert page.says("Send the first message")


async def test_what_has_gone_through(relay: Relay, inside: Browser) -> None:
    await story(relay)
    await chronicled(relay)
    found = await relay.ground.db.read(home.through, relay.workspace_id, relay.clock.now(), UTC)
    assert (found.whole.asked, found.whole.reached, found.today.asked) == (1, 1, 1)
    assert {name: (one.sent, one.delivered) for name, one, _ in found.channels} == {
        "smpp": (1, 1),
        "viber_business": (1, 1),  # late
    }
    told = await relay.told(await newest(relay))
    assert found.whole_cost == {"EUR": told["cost"]["amount"]}
    page = await inside.get("/home")
    for words in ("Asked for today 1", "Reached 100%", "SMS 1 1 100%", "service 0 1 1 100% 0"):
        assert page.says(words), words


# The page is exchanged as when something has changed; what was drawn before is marked.
LIVE = """document.querySelector(".chart canvas").dataset.drawn = "before";
document.querySelector("#home").dispatchEvent(new Event("live"))"""


@pytest.mark.browser
@pytest.mark.turns(2, 0)
async def test_what_cascades_saved_comes_after_the_page(relay: Relay) -> None:
    await story(relay)
    await chronicled(relay)
    services = {"savings": Savings(relay.world)}
    async with browsing(relay, *pages.HANDLERS, handlers=HANDLERS, services=services) as browser:
        inside = await browser.enter(relay)
        assert (await inside.get("/home/saved")).location == "/home"
        async with chromium() as opened, screen(opened, inside.url, inside.cookie) as window:
            await window.open("/home")
            await window.page.wait_for_selector("#saved .figure-value")
            await window.says("by SMS alone it would have been €0.01", "#saved")
            await window.says("price set for the lines", "#saved")
            assert await window.faults() == []
            await window.page.wait_for_selector(".chart canvas")
            await window.page.evaluate(LIVE)
            await window.page.wait_for_selector(".chart canvas:not([data-drawn])")
        again = await inside.get("/home")  # it is at hand
        assert again.says("What cascades saved Today")
        await relay.change_line("sms", price="0")
        await relay.world.lines.reload([relay.workspace_id])
        relay.clock.advance(SHOWN_S)
        piece = await inside.get("/home/saved", HX_Request="true")
        assert piece.says("No tariff is known")
        assert piece.values("href") == ["/lines"]  # prices are for whoever may see the set-up


async def newest(relay: Relay) -> int:
    """The message that was asked for last."""
    from angarium.messaging.api import NEWEST
    from angarium.messaging.store.messages import Filter, page

    found = await relay.ground.db.read(page, relay.workspace_id, Filter(), NEWEST, 1)
    return found[0].id

"""What is seen of a server that stands by: a page in one's own language, problems for machines."""

from __future__ import annotations

from collections.abc import AsyncIterator

import aiohttp
import pytest

from angarium.web.languages import LANGUAGES, Language
from angarium.web.look import LANGUAGE
from angarium.web.server import Server
from angarium.web.standing_by import StandingBy
from support.browsing import Browser, Page

HOSTILE = "<script>alert(1)</script>"


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    """At a server that stands by, beside one whose name means harm."""
    told = StandingBy()
    told.on_duty = HOSTILE
    server = Server(told, "127.0.0.1", 0)
    await server.start()
    try:
        async with aiohttp.ClientSession() as session:
            yield Browser(session, f"http://127.0.0.1:{server.port}")
    finally:
        await server.stop()


async def look(browser: Browser, language: Language) -> Page:
    """At some page of it."""
    browser.cookie = f"{LANGUAGE}={language.code}"
    return await browser.get("/campaigns?state=paused")


async def test_a_person_sees_a_page_in_their_language_that_looks_again(browser: Browser) -> None:
    seen = [await look(browser, one) for one in LANGUAGES.values()]
    assert {(page.status, page.headers["refresh"], page.headers["retry-after"]) for page in seen} == {
        (503, "5", "5")
    }
    assert [page.values("dir")[0] for page in seen] == [one.direction for one in LANGUAGES.values()]
    assert len({page.words.partition("Angarium")[2] for page in seen}) == len(LANGUAGES)
    for page in seen:
        assert HOSTILE in page.words
        assert HOSTILE not in page.text
        assert not [tag for tag, names in page.seen.tags if "style" in names or tag == "style"]


async def test_the_page_loads_what_it_needs_from_here(browser: Browser) -> None:
    page = await look(browser, LANGUAGES["en"])
    wanted = [value for value in (*page.values("href"), *page.values("src")) if value.startswith("/static/")]
    assert len(wanted) >= 3
    assert {(await browser.get(address)).status for address in wanted} == {200}


@pytest.mark.parametrize(
    ("method", "path", "accept", "status", "kind"),
    [
        ("GET", "/health/live", "text/html", 200, "application/json"),
        ("GET", "/health/ready", "text/html", 503, "application/json"),
        ("GET", "/v1/messages", "text/html", 503, "application/problem+json"),
        ("POST", "/v1/messages", "application/json", 503, "application/problem+json"),
        ("GET", "/static/none.css", "text/css", 503, "application/problem+json"),
        ("POST", "/segments/new", "text/html", 503, "text/html; charset=utf-8"),
        ("HEAD", "/", "text/html", 503, "text/html; charset=utf-8"),
    ],
)
async def test_a_machine_is_told_by_a_problem(
    browser: Browser, method: str, path: str, accept: str, status: int, kind: str
) -> None:
    page = await browser.ask(method, path, None, {"Accept": accept})
    assert (page.status, page.headers["content-type"]) == (status, kind)


async def test_who_cannot_ask_for_the_duty_does_not_say_that_another_has_it() -> None:
    told = StandingBy()
    told.trouble = "database away"
    server = Server(told, "127.0.0.1", 0)
    await server.start()
    try:
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"http://127.0.0.1:{server.port}/health/ready") as answer,
        ):
            assert (answer.status, (await answer.json())["checks"]) == (503, {"database": "database away"})
    finally:
        await server.stop()

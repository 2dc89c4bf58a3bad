"""Who sees the same gets what was drawn once after a change, with a token of their own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from angarium.accounts.edge import Call, Operation, Sent, route
from angarium.accounts.pages import HtmlAnswer
from angarium.core.problems import Problem
from angarium.storage.ground import Ground
from angarium.web import app, copies, counting
from angarium.web.copies import Copies
from angarium.web.counting import counted
from support.browsing import Browser, Page, browsing
from support.relay import Relay

ROW = {"message": {"id": "msg_1", "class": "otp", "state": "unknown"}, "name": "x", "age": timedelta(0)}
drawn: list[str] = []  # by whom


async def form(request: Call) -> Sent:
    """A page with a form, which holds the token of a session."""
    if request.scope["query_string"] == b"fails":
        raise Problem("not-found", "There is none", status=404)
    drawn.append(request.user.form_token)
    return HtmlAnswer("messaging/unknowns_sure.html", {"ruling": "not_sent", "rows": [ROW]})


form.__module__ = "angarium.messaging.pages"  # whose templates it has
ALIKE = route("GET /alike", Operation(summary="A form", scope="messages:read", page=True, alike=True))(form)


class Two:
    """Two who have entered the same workspace, each with a session of their own."""

    def __init__(self, relay: Relay, copies: Copies, one: Browser, other: Browser) -> None:
        self.relay, self.copies, self.one, self.other = relay, copies, one, other
        self.number = copies.outdate(relay.workspace_id)

    async def ask(self, browser: Browser, **headers: str) -> Page:
        """The page, as it asks for itself anew."""
        usual = {"HX_Request": "true", "X_Angarium_Heard": self.number}
        return await browser.get("/alike", **{**usual, **headers})

    def changed(self) -> None:
        """Something has, and the pause is over."""
        self.number = self.copies.outdate(self.relay.workspace_id)
        self.relay.clock.advance(2.0)


@pytest.fixture
async def two(relay: Relay, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Two]:
    made: list[Copies] = []

    def make(ground: Ground) -> Copies:
        made.append(Copies(ground))
        return made[-1]

    monkeypatch.setattr(app, "Copies", make)
    drawn.clear()
    async with browsing(relay, ALIKE) as browser:
        other = Browser(browser.session, browser.url)
        yield Two(relay, made[0], await browser.enter(relay), await other.enter(relay))


async def test_it_is_drawn_once_and_each_gets_their_own_token(two: Two) -> None:
    pages = await asyncio.gather(two.ask(two.one), two.ask(two.other), two.ask(two.one))
    assert [page.status for page in pages] == [200] * 3
    assert len(drawn) == 1
    own, others, again = [page.hidden("token") for page in pages]
    assert own == again != others
    assert drawn[0] in (own, others)
    assert pages[0].text.replace(own, others) == pages[1].text
    assert pages[0].headers["content-security-policy"]
    assert "<nav" not in pages[0].text, "what is around a page is not wanted again"


async def test_after_another_change_it_is_drawn_again(two: Two) -> None:
    await two.ask(two.one)
    two.changed()
    await two.ask(two.other)
    assert len(drawn) == 2


@pytest.mark.parametrize(
    "headers",
    [
        {"Accept_Language": "fa"},
        {"X_Angarium_Heard": ""},
        {"X_Angarium_Heard": "of-another-server.1"},
        {"HX_Request": ""},
        {"Cookie": ""},
    ],
    ids="".join,
)
async def test_who_sees_something_else_gets_no_copy(two: Two, headers: dict[str, str]) -> None:
    await two.ask(two.one)
    two.relay.clock.advance(2.0)  # the pause
    if "Cookie" in headers:
        two.other.cookie = ""
    page = await two.ask(two.other, **headers)
    if "Cookie" in headers:
        assert (page.status, len(drawn)) == (401, 1)
    else:
        assert (page.status, len(drawn)) == (200, 2)
        assert page.hidden("token") == drawn[1] or "Accept_Language" in headers


async def test_what_fails_is_told_to_each_and_tried_again(two: Two, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copies, "PAUSE", 0.0)  # one may come after what the other was told of
    heard = {"HX_Request": "true", "X_Angarium_Heard": two.number}
    pages = await asyncio.gather(*(one.get("/alike?fails", **heard) for one in (two.one, two.other)))
    assert [page.status for page in pages] == [404, 404]
    assert (await two.one.get("/alike?fails", **heard)).status == 404


async def test_what_a_piece_of_work_costs_is_counted_where_it_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    spent: list[float] = []
    used, gate = [0.0], asyncio.Event()
    monkeypatch.setattr(counting.time, "thread_time", lambda: used[0])

    async def work() -> str:
        used[0] += 1
        await gate.wait()
        used[0] += 2
        return "done"

    async def others() -> None:
        used[0] += 10
        gate.set()

    done, _ = await asyncio.gather(counted(work(), spent.append), others())
    assert (done, spent) == ("done", [1, 2])
    waiting = asyncio.ensure_future(counted(asyncio.Event().wait(), spent.append))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting

"""Every answer is guarded by its headers, and none tells of the inside: on all routes, pages and mistakes."""

from __future__ import annotations

import asyncio
import re
import traceback
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from litestar.datastructures import State
from prometheus_client import CollectorRegistry

from angarium.accounts import edge, flows
from angarium.accounts.edge import Call, JsonAnswer, Operation, Sent, Streamed, route
from angarium.accounts.pages import HtmlAnswer
from angarium.assembly import HANDLERS, House, application
from angarium.storage.database import Database
from angarium.web.app import make_app, operations_of
from angarium.web.assets import asset_url
from angarium.web.server import Server
from support.server import Client, ground_on, member, operations
from support.turns import by_turns

PLACE = re.compile(r"\{(\w+)(?::str)?\}")
YEAR_S = 31_536_000
MARKER = "marker-5e1d of the inside"
TELLTALE = (MARKER, "Traceback", "angarium/", "site-packages", "RuntimeError", "litestar", "uvicorn", "jinja")
KEEP_OUT = re.compile(r"(python|uvicorn|litestar|httptools|angarium/\d)", re.IGNORECASE)


def assert_guarded(headers: dict[str, str], *, https: bool, page: bool, what: str) -> None:
    """What every answer carries (OWASP ASVS 5.0, 3.4.1 to 3.4.6, 13.4.6)."""
    assert headers["x-content-type-options"] == "nosniff", what
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy, what
    assert "frame-ancestors 'none'" in policy, what
    assert "unsafe" not in policy, what
    assert headers["referrer-policy"] == ("same-origin" if page else "no-referrer"), what
    assert "server" not in headers, what
    assert "x-powered-by" not in headers, what
    assert not KEEP_OUT.search(" ".join(headers.values())), what
    if https:
        age = re.fullmatch(r"max-age=(\d+)", headers["strict-transport-security"])
        assert age, what
        assert int(age[1]) >= YEAR_S, what
    else:
        assert "strict-transport-security" not in headers, what  # RFC 6797 §7.2


@asynccontextmanager
async def behind_a_proxy(app: Any) -> AsyncIterator[Client]:
    """An application that believes what this machine says of the connection."""
    server = Server(app, "127.0.0.1", 0, ["127.0.0.1"])
    await server.start()
    try:
        async with aiohttp.ClientSession(auto_decompress=False) as session:
            yield Client(session, f"http://127.0.0.1:{server.port}")
    finally:
        await server.stop()


async def addresses(client: Client, of_others: int = 1) -> list[tuple[str, str]]:
    """Method and address of all there is, and of much that is not: one of so many where no method fits."""
    found = [(method, PLACE.sub("x", path)) for method, path, _ in await operations(client)]
    pages = [(method, PLACE.sub("x", path)) for method, path, one in operations_of(HANDLERS) if one.page]
    others = [("OPTIONS", path) for _, path in [*found, *pages]] + [("PURGE", path) for _, path in found]
    style = [("GET", asset_url("app-style.css")), ("GET", "/static/none"), ("GET", "/openapi.json")]
    nowhere = [
        ("GET", "/none"),
        ("POST", "/v1/none"),
        ("GET", "/..%2f..%2fetc%2fpasswd"),
        ("HEAD", "/v1/lines"),
    ]
    return [*found, *pages, *others[::of_others], *style, *nowhere]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)  # no header comes out of a database
@pytest.mark.parametrize("https", by_turns([False, True]), ids=["http", "https"])
async def test_every_answer_is_guarded(house: tuple[House, Client], https: bool) -> None:
    made, _ = house
    async with behind_a_proxy(application(made)) as nobody:
        mine = await member(nobody, made.ground, "mine")
        ticket = flows.ticket(made.ground, mine.workspace_id)
        cookie = f"__Host-angarium_session={ticket}" if https else f"angarium_session={ticket}"
        forwarded = {"X-Forwarded-Proto": "https"} if https else {}
        callers = [nobody.with_key(""), mine.with_key(mine.key), nobody.with_key("")]
        usual = [forwarded, forwarded, forwarded | {"Cookie": cookie, "Accept": "text/html"}]
        seen = 0
        for client, headers in zip(callers, usual, strict=True):
            client.usual = headers
            for method, address in await addresses(client, 1 if client is callers[0] else 10):
                answer = await client.ask(method, address)
                html = answer.headers.get("content-type", "").startswith("text/html")
                what = f"{method} {address} {answer.status}"
                assert_guarded(answer.headers, https=https, page=html, what=what)
                assert answer.status < 500 or address == "/health/ready", what
                kept = answer.headers["cache-control"]
                assert kept == "no-store" or (address.startswith("/static/") and "immutable" in kept), what
                seen += 1
    assert seen > 300


# ── what is no HTTP ──────────────────────────────────────────────────────────────────────────────────

NOT_HTTP = [
    b"\r\n\r\n\0\0\0\0",
    b"GARBAGE\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # the beginning of TLS
    b"GET / HTTP/9.9\r\nHost: x\r\n\r\n",
    b"GET /\xff\xfe HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost : x\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
]


async def test_what_is_no_http_is_told_so_and_no_more(house: tuple[House, Client]) -> None:
    _, nobody = house
    answered = 0
    for said in NOT_HTTP:
        status, headers, body = await raw(nobody, said)
        assert status is None or status < 500, said
        if status is not None:
            assert_guarded(headers, https=False, page=False, what=repr(said))
            assert not any(word in body for word in TELLTALE), body
            answered += status == 400
    assert answered >= 7
    assert (await nobody.ask("GET", "/health/live")).status == 200


async def raw(client: Client, said: bytes) -> tuple[int | None, dict[str, str], str]:
    """Say some bytes and hang up; what is answered, None when nothing is."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(client.url.rpartition(":")[2]))
    writer.write(said)
    writer.write_eof()
    async with asyncio.timeout(10):
        answer = (await reader.read()).decode("latin-1")
    writer.close()
    head, _, body = answer.partition("\r\n\r\n")
    if not head:
        return None, {}, ""
    first, *lines = head.split("\r\n")
    return int(first.split()[1]), {k.lower(): v for k, _, v in (one.partition(": ") for one in lines)}, body


# ── what nobody foresaw ──────────────────────────────────────────────────────────────────────────────


class Odd:
    """An answer that fails when it is sent: at once, or with what it sends."""

    def __init__(self, *headers: tuple[bytes, bytes]) -> None:
        self._headers = headers

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Fail."""
        if not self._headers:
            raise RuntimeError(MARKER)
        await send({"type": "http.response.start", "status": 200, "headers": self._headers})

    def to_asgi_response(self, **_asked: object) -> Odd:
        """What Litestar asks of an answer."""
        return self


async def pieces() -> AsyncIterator[str]:
    """A stream that breaks."""
    yield "first"
    raise RuntimeError(MARKER)


def raising() -> Any:
    """Fail in a handler."""
    raise RuntimeError(MARKER)


FAILURES: dict[str, Callable[[], Any]] = {
    "handler": raising,
    "page": lambda: HtmlAnswer("web/no-such-page.html", {"marker": MARKER}),
    "answer": Odd,
    "header": lambda: Odd((b"x", b"a\r\nb: c")),
    "unencodable": lambda: JsonAnswer(200, MARKER),  # type: ignore[arg-type]  text where bytes belong
    "stream": lambda: Streamed(pieces(), "text/csv", "x.csv"),
}


@route("GET /v1/fail/{how}", Operation(summary="x", scope=None))
async def fail(request: Call) -> Sent:
    """Fail as the address says."""
    return FAILURES[edge.text_in_path(request, "how")]()


@route("GET /failing", Operation(summary="x", scope=None, page=True))
async def failing_page(request: Call) -> Sent:
    """Fail where people look."""
    raise RuntimeError(MARKER)


@pytest.fixture
async def failing(database: Database) -> AsyncIterator[Client]:
    """An application that fails in many ways."""
    failing_page.fn.__module__ = "angarium.web.look"  # a page belongs to a room
    app = make_app([fail, failing_page], ground_on(database), ready={}, registry=CollectorRegistry())
    async with behind_a_proxy(app) as client:
        yield client


@pytest.mark.parametrize("how", ["handler", "page", "answer"])
async def test_what_nobody_foresaw_tells_a_number_and_the_log_the_rest(
    failing: Client, how: str, capfd: pytest.CaptureFixture[str]
) -> None:
    answer = await failing.ask("GET", f"/v1/fail/{how}")
    assert answer.status == 500
    assert answer.json["type"].endswith("/unexpected")
    assert_guarded(answer.headers, https=False, page=False, what=how)
    assert not any(word in answer.body.decode() for word in TELLTALE), answer.body
    number = answer.json["instance"].rpartition(":")[2]
    logged = "".join(capfd.readouterr())
    assert re.fullmatch("[0-9a-f]{16}", number)
    assert number in logged
    assert "Traceback" in logged


async def test_a_page_that_fails_is_a_page(failing: Client, capfd: pytest.CaptureFixture[str]) -> None:
    answer = await failing.ask("GET", "/failing", Accept="text/html")
    assert (answer.status, answer.headers["content-type"]) == (500, "text/html; charset=utf-8")
    assert not any(word in answer.body.decode() for word in TELLTALE), answer.body
    (number,) = re.findall("[0-9a-f]{16}(?![0-9a-f])", re.sub(r"\?v=\w+", "", answer.body.decode()))
    assert number in "".join(capfd.readouterr())


@pytest.mark.parametrize("how", ["stream", "header", "unencodable"])
async def test_an_answer_that_breaks_is_cut_off(
    failing: Client, how: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(aiohttp.ClientError):
        await failing.ask("GET", f"/v1/fail/{how}")
    logged = "".join(capfd.readouterr())
    assert "a request failed" in logged
    assert "Traceback" in logged


class Outside:
    """An application in which everything fails, also the telling of it."""

    def __init__(self, database: Database) -> None:
        self.state = State({"ground": ground_on(database)})

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Fail."""
        raise RuntimeError(MARKER)


async def test_behind_everything_stands_a_last_resort(
    database: Database, capfd: pytest.CaptureFixture[str]
) -> None:
    async with behind_a_proxy(Outside(database)) as client:
        answer = await client.ask("GET", "/v1/lines", X_Forwarded_Proto="https")
    assert answer.status == 500
    assert_guarded(answer.headers, https=True, page=False, what="outside")
    assert not any(word in answer.body.decode() for word in TELLTALE), answer.body
    assert answer.json["instance"].rpartition(":")[2] in "".join(capfd.readouterr())


def test_the_telltales_are_what_a_traceback_tells() -> None:
    try:
        raising()
    except RuntimeError as error:
        told = "".join(traceback.format_exception(error))
    assert [word for word in TELLTALE[:2] if word not in told] == []

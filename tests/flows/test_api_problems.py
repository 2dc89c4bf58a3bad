"""Whatever goes wrong is a problem document with a status that fits, and tells nothing of the inside."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
from litestar import Litestar
from prometheus_client import CollectorRegistry

from angarium.accounts import edge
from angarium.accounts.edge import Call, JsonAnswer, Operation, route
from angarium.config import ROLES
from angarium.core.decoding import Shape
from angarium.core.problems import Problem
from angarium.storage.database import Conflict, Database, Trouble, unavailable
from angarium.storage.ground import Ground
from angarium.web.app import make_app
from angarium.web.direct import Direct
from support.server import Client, ground_on, member, serving

BODY_MAX_BYTES = 300_000
MARKER = "marker-7f3a"
FORM = "application/x-www-form-urlencoded"


class Thing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str


THING = Shape(Thing)


async def _fail(request: Call) -> JsonAnswer:
    """Fail in the way that the body names."""
    name = THING.read(await edge.read_body(request)).name
    failures: dict[str, BaseException] = {
        "unforeseen": RuntimeError(MARKER),
        "conflict": Conflict("line_name"),
        "database": unavailable(Trouble.FULL),
        "pace": Problem("pace", "Too fast", status=429, detail="Slow down.", retry_after_s=7),
        "recursion": RecursionError(MARKER),
    }
    if name in failures:
        raise failures[name]
    return edge.answer(request, Thing(name))


small = route(
    "POST /v1/things", Operation(summary="x", scope="setup:write", takes=THING, gives=Thing, status=201)
)(_fail)
large = route(
    "POST /v1/batches",
    Operation(summary="x", scope="setup:write", takes=THING, gives=Thing, body_max_bytes=None),
)(_fail)


@pytest.fixture
async def served(database: Database) -> AsyncIterator[tuple[Ground, Client]]:
    """Two routes that fail when they are asked to; a client with every right."""
    ground = ground_on(database)
    async with serving(ground, [small, large], body_max_bytes=BODY_MAX_BYTES) as nobody:
        yield ground, await member(nobody, ground, "mine")


CASES: list[tuple[str, str, dict[str, Any], int, str]] = [
    # method, path, what is sent, status, slug
    ("GET", "/", {}, 404, "route-not-found"),
    ("GET", "/v1", {}, 404, "route-not-found"),
    ("GET", "/v1/thing", {}, 404, "route-not-found"),
    ("POST", "/v1/things/1", {"body": {}}, 404, "route-not-found"),
    ("GET", "/v1/things/../../etc/passwd", {}, 404, "route-not-found"),
    ("GET", "/v1/things", {}, 405, "method-not-allowed"),
    ("DELETE", "/v1/things", {}, 405, "method-not-allowed"),
    ("PURGE", "/v1/things", {}, 405, "method-not-allowed"),
    ("POST", "/v1/things", {"data": b"name=x", "Content_Type": FORM}, 415, "media-type-unsupported"),
    ("POST", "/v1/things", {"data": b"{}", "Content_Type": "text/plain"}, 415, "media-type-unsupported"),
    ("POST", "/v1/things", {"data": b"{}", "Content_Encoding": "gzip"}, 415, "media-type-unsupported"),
    ("POST", "/v1/things", {"data": b"", "Content_Type": "text/plain"}, 400, "malformed"),
    ("POST", "/v1/things", {"data": b"{"}, 400, "malformed"),
    ("POST", "/v1/things", {"data": b"\xff"}, 400, "malformed"),
    ("POST", "/v1/things", {"body": {"name": 1}}, 422, "invalid"),
    ("POST", "/v1/things", {"body": {"name": "x" * 262_144}}, 413, "body-too-large"),
    ("POST", "/v1/batches", {"body": {"name": "x" * BODY_MAX_BYTES}}, 413, "body-too-large"),
    ("POST", "/v1/things", {"body": {"name": "conflict"}}, 409, "conflict"),
    ("POST", "/v1/things", {"body": {"name": "database"}}, 503, "storage-unavailable"),
    ("POST", "/v1/things", {"body": {"name": "pace"}}, 429, "pace"),
    ("POST", "/v1/things", {"body": {"name": "unforeseen"}}, 500, "unexpected"),
    ("POST", "/v1/things", {"body": {"name": "recursion"}}, 500, "unexpected"),
]  # fmt: skip


async def test_each_failure_is_a_problem(served: tuple[Ground, Client]) -> None:
    _, mine = served
    for method, path, sent, status, slug in CASES:
        answer = await mine.ask(method, path, **sent)
        assert (answer.status, answer.headers["content-type"]) == (status, "application/problem+json"), path
        assert answer.json["type"].rpartition("/")[2] == slug, (method, path)
        assert answer.json["status"] == status
        assert answer.json["title"]
        assert answer.json["detail"]
        assert MARKER not in answer.body.decode()
        assert_guarded(answer.headers)


async def test_the_short_way_to_a_handler_says_what_the_long_one_says(
    served: tuple[Ground, Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, mine = served
    cases = [*CASES, ("POST", "/v1/things", {"body": {"name": "good"}}, 201, "")]

    async def said() -> list[object]:
        found = []
        for method, path, sent, *_ in cases:
            answer = await mine.ask(method, path, **sent)
            headers = {name: value for name, value in answer.headers.items() if name != "date"}
            found.append((answer.status, headers, answer.json | {"instance": ""}))
        return found

    short = await said()
    monkeypatch.setattr(Direct, "__call__", Litestar.__call__)
    assert short == await said()


async def test_a_route_without_variables_is_called_without_the_framework(
    served: tuple[Ground, Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, mine = served
    long = 0
    through = Litestar.__call__

    async def counted(self: Litestar, *given: Any) -> None:
        nonlocal long
        long += 1
        await through(self, *given)

    monkeypatch.setattr(Litestar, "__call__", counted)
    assert (await mine.ask("POST", "/v1/things", {"name": "good"})).status == 201
    assert (long, (await mine.ask("GET", "/v1/things")).status) == (0, 405)
    assert long == 1


def assert_guarded(headers: dict[str, str]) -> None:
    """What every answer carries."""
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"
    assert headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert headers["referrer-policy"] == "no-referrer"
    assert "server" not in headers
    assert "strict-transport-security" not in headers  # RFC 6797: never over plain HTTP


async def test_the_headers_that_a_status_wants(served: tuple[Ground, Client]) -> None:
    _, mine = served
    assert (await mine.ask("GET", "/v1/things")).headers["allow"].split(", ") == ["POST", "OPTIONS"]
    assert (await mine.ask("POST", "/v1/things", {"name": "pace"})).headers["retry-after"] == "7"
    assert (await mine.ask("POST", "/v1/things", {"name": "database"})).headers["retry-after"] == "5"
    told = await mine.ask("OPTIONS", "/v1/things")
    assert (told.status, told.headers["allow"]) == (204, "OPTIONS, POST")


async def test_what_nobody_foresaw_is_logged_under_a_number(
    served: tuple[Ground, Client], capsys: pytest.CaptureFixture[str]
) -> None:
    _, mine = served
    answer = await mine.ask("POST", "/v1/things", {"name": "unforeseen"})
    number = answer.json["instance"].removeprefix("urn:angarium:failure:")
    logged = capsys.readouterr().out
    assert len(number) == 16
    assert number in logged
    assert f"RuntimeError: {MARKER}" in logged
    assert mine.key not in logged


async def test_a_body_that_comes_in_pieces_is_counted(served: tuple[Ground, Client]) -> None:
    _, mine = served

    async def pieces(count: int) -> AsyncIterator[bytes]:
        yield b'{"name":"'
        for _ in range(count):
            yield b"x" * 1_000
        yield b'"}'

    good = await mine.ask("POST", "/v1/things", data=pieces(200))
    assert (good.status, len(good.json["name"])) == (201, 200_000)
    assert (await mine.ask("POST", "/v1/things", data=pieces(300))).status == 413
    assert (await mine.ask("POST", "/v1/batches", data=pieces(290))).status == 200
    assert (await mine.ask("POST", "/v1/batches", data=pieces(310))).status == 413


async def test_a_body_that_does_not_come(
    served: tuple[Ground, Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, mine = served
    monkeypatch.setattr(edge, "BODY_WITHIN_S", 0.05)
    reader, writer = await asyncio.open_connection("127.0.0.1", int(mine.url.rpartition(":")[2]))
    writer.write(
        b"POST /v1/things HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n"
        b"Authorization: Bearer " + mine.key.encode() + b"\r\n\r\n{"
    )
    said = await asyncio.wait_for(reader.read(), 10)  # until the server hangs up
    head, _, body = said.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 408 ")
    assert json.loads(body)["type"].endswith("/body-too-slow")
    writer.close()
    await writer.wait_closed()


# ── health and metrics ───────────────────────────────────────────────────────────────────────────────


async def test_alive_is_not_ready(database: Database) -> None:
    said = {"database": ""}

    async def database_is() -> str:
        return said["database"]

    async def breaks() -> str:
        raise OSError(MARKER)

    async with serving(ground_on(database), [], ready={"database": database_is}) as nobody:
        ready = await nobody.ask("GET", "/health/ready")
        told = {"status": "ready", "checks": {"database": "ok"}, "warnings": {}, "roles": list(ROLES)}
        assert (ready.status, ready.json) == (200, told)
        said["database"] = "it is read-only"
        ready = await nobody.ask("GET", "/health/ready")
        assert (ready.status, ready.json["checks"]) == (503, {"database": "it is read-only"})
        assert (await nobody.ask("GET", "/health/live")).json["status"] == "live"
    async with serving(ground_on(database), [], ready={"other": breaks}) as nobody:
        ready = await nobody.ask("GET", "/health/ready")
        assert (ready.status, ready.json["checks"]) == (503, {"other": "failed: OSError"})


async def test_a_check_that_hangs_is_not_waited_for(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    from angarium.web import health

    monkeypatch.setattr(health, "CHECK_WITHIN_S", 0.05)

    async def hangs() -> str:
        await asyncio.Event().wait()
        return ""

    async with serving(ground_on(database), [], ready={"fabric": hangs}) as nobody:
        assert (await nobody.ask("GET", "/health/ready")).json["checks"] == {
            "fabric": "no answer within 0.05 s"
        }


async def test_what_is_counted(served: tuple[Ground, Client]) -> None:
    _, mine = served
    await mine.ask("POST", "/v1/things", {"name": "x"})
    await mine.ask("POST", "/v1/things", {"name": 1})
    await mine.ask("GET", f"/{MARKER}")
    await mine.ask("PURGE", "/v1/things")
    text = (await mine.ask("GET", "/metrics")).body.decode()
    assert 'angarium_http_answers_total{method="POST",route="/v1/things",status="201"} 1.0' in text
    assert 'angarium_http_answers_total{method="POST",route="/v1/things",status="422"} 1.0' in text
    assert 'angarium_http_answers_total{method="",route="",status="404"} 1.0' in text
    assert 'angarium_http_seconds_count{method="POST",route="/v1/things"} 2.0' in text
    assert "process_cpu_seconds_total" in text
    assert MARKER not in text
    assert "PURGE" not in text  # no caller makes a label of his own


async def test_a_route_that_does_not_say_who_may_call_it_is_refused(database: Database) -> None:
    from litestar import get

    @get("/v1/open")
    async def forgotten() -> None:
        return None

    with pytest.raises(ValueError, match="has no operation"):
        make_app([forgotten], ground_on(database), ready={}, registry=CollectorRegistry())

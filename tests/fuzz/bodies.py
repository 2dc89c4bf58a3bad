"""What callers send to the API, and what HTTP servers answer us: JSON bodies, queries, raw HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec

from angarium.assembly import HANDLERS
from angarium.core.problems import Problem
from angarium.protocols.answers import NoAnswer, NotSent
from angarium.protocols.http import Http
from angarium.web.app import operations_of
from fuzz.harness import Target, Try, simple
from fuzz.mutations import either, lines, octets, tree

OPERATIONS = [operation for _, _, operation in operations_of(HANDLERS)]
TAKES = [operation for operation in OPERATIONS if operation.takes and operation.example is not None]
ASKS = [operation.asks for operation in OPERATIONS if operation.asks]
WORDS = [
    *(
        b"\\u0000",
        b"\\ud800",
        b"1e9999",
        b"-1e9999",
        b"9" * 500,
        b'"class"',
        b'"to"',
        b'"settings"',
        b"[[[[",
        b"}}",
    ),
    *(
        b"promotional",
        b"+989121234567",
        b"2026-11-23T08:30:00Z",
        b"0001-01-01T00:00:00+23:59",
        b"{{ x",
        b"\xff",
    ),
]


def try_body(data: bytes) -> None:
    """A body is read by every shape, or refused with a problem that can be written down."""
    for operation in TAKES:
        assert operation.takes is not None
        try:
            operation.takes.read(data)
        except Problem as problem:
            _told(problem)


def try_query(data: bytes) -> None:
    """So is a query."""
    for shape in ASKS:
        try:
            shape.read_query(data)
        except Problem as problem:
            _told(problem)


def _told(problem: Problem) -> None:
    assert problem.status in (400, 413, 422), problem
    written = msgspec.json.encode(problem.document())
    assert len(written) < 20_000, "the problem is larger than what it is about"


@contextmanager
def http_answers() -> Iterator[Try]:
    """A real client on a real socket: whatever a server says is an Answer or NoAnswer."""
    with asyncio.Runner() as runner:
        said: list[bytes] = [b""]

        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(said[0])
            writer.close()

        async def start() -> tuple[asyncio.Server, Http]:
            http = Http(["127.0.0.1"])
            await http.start()
            return await asyncio.start_server(talk, "127.0.0.1", 0), http

        server, http = runner.run(start())
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"

        async def ask() -> None:
            try:
                answer = await http.request("GET", url, timeout_s=5, answer_max_bytes=4_000)
            except (NoAnswer, NotSent):
                return
            assert len(answer.body) <= 4_000

        def attempt(data: bytes) -> None:
            said[0] = data
            runner.run(ask())

        yield attempt
        runner.run(http.stop())
        server.close()


ANSWERS = [
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
    b"HTTP/1.1 429 Slow\r\nRetry-After: 5\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 22\r\n\r\n"
    + bytes.fromhex("1f8b0800000000000003abae050043bfa6a302000000"),
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/\r\n\r\n",
    b"HTTP/1.0 200 OK\r\n\r\nuntil the end",
]
HTTP_WORDS = [
    *(
        b"Content-Length: -1",
        b"Content-Length: 99999999999999999999",
        b"Transfer-Encoding: chunked",
        b"\r\n\r\n",
    ),
    *(
        b"Content-Encoding: deflate",
        b"Content-Encoding: br",
        b"ffffffffffffffff\r\n",
        b"HTTP/9.9 ",
        b"Set-Cookie: a=b",
    ),
    *(b"Connection: upgrade", b"Upgrade: websocket", b"\0", b"X: " + b"y" * 9_000),
]

TARGETS = [
    Target(
        "bodies",
        simple(try_body),
        [msgspec.json.encode(operation.example) for operation in TAKES],
        WORDS,
        either(tree, tree, octets),
        (50_000, 3_000),
        in_tests=150,
    ),
    Target(
        "queries",
        simple(try_query),
        [
            b"limit=5&cursor=AAAAAAAAAAE&phone=%2B380441234567",
            b"label=a&channel=smpp",
            b"state=sent&class=otp",
        ],
        [
            b"limit",
            b"&",
            b"=",
            b"%00",
            b"%FF",
            b"a=1&" * 60,
            b"cursor",
            b"label",
            b"created_from",
            b"9" * 5_000,
        ],
        in_tests=250,
    ),
    Target("http", http_answers, ANSWERS, HTTP_WORDS, either(lines, octets), (50_000, 200), in_tests=250),
]

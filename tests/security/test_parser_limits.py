"""S36: what is too large, too deep or without end is refused, and what the process holds stays as it was.

The server is a process of its own, whose memory is looked at before and after.
"""

from __future__ import annotations

import asyncio
import gzip
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from io import BytesIO
from pathlib import Path
from typing import Any

import msgspec
import pytest

from angarium.channels import mail_kit
from angarium.core.ports import Raw, Unreadable
from angarium.protocols import dsn
from angarium.protocols.answers import NoAnswer
from angarium.protocols.dsn import MimeError
from angarium.protocols.smpp_numbers import Command
from angarium.protocols.smpp_pdu import Bind, BindResp, Message, Splitter, encode, pack
from fuzz.watch import Watch, alarmed
from support.program import Program, running
from support.server import LINE, MESSAGE, Client, Heard
from support.tcp_server import Server, client, serving

GROWTH_MAX_BYTES = 32 << 20
WARM_STORMS = 3  # measured: 97 MiB before, then 153, 190, 205, 220, 220, 230, 230 after each
PATIENCE_S = 60.0
POLL_S = 0.05


@asynccontextmanager
async def watched(folder: Path, **settings: str) -> AsyncIterator[Program]:
    """A server that holds no more at the end than it did once it was warm."""
    async with running(folder, **settings) as program:
        await _warm(program.client)
        before = program.resident()
        yield program
        assert (await program.client.ask("GET", "/health/ready")).status == 200
        grown = program.resident() - before
        assert grown < GROWTH_MAX_BYTES, f"it grew by {grown / 2**20:.1f} MiB"
        assert "a request failed" not in program.said()


async def _warm(caller: Client) -> None:
    for _ in range(10):
        await caller.ask("POST", "/v1/messages", {"to": {"phone": "+380441234567"}})
        await caller.ask("POST", "/v1/contacts/batch", data=b"{" + b" " * 900_000)


# ── bodies ───────────────────────────────────────────────────────────────────────────────────────────


def _message(**changes: Any) -> bytes:
    return msgspec.json.encode({**MESSAGE, **changes})


def _raw(name: bytes, value: bytes) -> bytes:
    return _message().removesuffix(b"}") + b',"%s":%s}' % (name, value)


DEFLATED = zlib.compress(bytes(1 << 25), 1)  # 146 KB: shorter than a body may be
BOMB = gzip.compress(DEFLATED * 40, 1)
BODIES = [  # name, body, headers, statuses that refuse it
    ("deep arrays", b"[" * 200_000, {}, (400,)),
    ("deep objects", b'{"a":' * 40_000, {}, (400,)),
    ("deep variables", _raw(b"variables", b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}"), {}, (400, 422)),
    ("a number beyond any", _raw(b"deadline_s", b"1e9999"), {}, (400, 422)),
    ("below any", _raw(b"deadline_s", b"-1e9999"), {}, (400, 422)),
    ("a number of 100,000 digits", _raw(b"deadline_s", b"9" * 100_000), {}, (400, 422)),
    ("among variables", _raw(b"variables", b'{"a":' + b"9" * 100_000 + b"}"), {}, (202, 400, 422)),
    ("not a number", _raw(b"deadline_s", b"NaN"), {}, (400,)),
    ("a text of 250,000", _message(text="x" * 250_000), {}, (422,)),
    ("a name of 250,000", _raw(b"x" * 250_000, b"1"), {}, (422,)),
    ("60,000 names", b"{" + b",".join(b'"%d":1' % n for n in range(20_000)) + b"}", {}, (422,)),
    ("half a pair", _raw(b"reference", b'"\\ud800"'), {}, (400, 422)),
    ("not UTF-8", _raw(b"reference", b'"\xff\xfe"'), {}, (400,)),
    ("NUL", _raw(b"reference", b'"\\u0000"'), {}, (422,)),
    ("300 KiB", b" " * 300_000, {}, (413,)),
    ("gzip", BOMB, {"Content_Encoding": "gzip"}, (415,)),
    ("gzip of gzip", gzip.compress(BOMB, 1), {"Content_Encoding": "gzip, gzip"}, (415,)),
    ("deflate", DEFLATED, {"Content_Encoding": "deflate"}, (415,)),
    ("XML", b"<!DOCTYPE a [<!ENTITY b 'c'>]>", {"Content_Type": "application/xml"}, (415,)),
]


@pytest.mark.turns(2, 0)
async def test_hostile_bodies_are_refused_and_nothing_of_them_stays(tmp_path: Path) -> None:
    async with watched(tmp_path) as program:
        for _ in range(3):
            for name, body, headers, statuses in BODIES:
                heard = await program.client.ask("POST", "/v1/messages", data=body, **headers)
                assert heard.status in statuses, (name, heard)
                assert len(heard.body) < 10_000, name
        for _ in range(10):  # 11 MB each; the setting's own limit is 10 MiB
            heard = await program.client.ask("POST", "/v1/messages/batch", data=BytesIO(b"[" * 11_000_000))
            assert heard.status == 413
        async with asyncio.timeout(PATIENCE_S):
            async with program.client.session.post(
                f"{program.client.url}/v1/messages",
                data=_endless(),
                headers={"Authorization": f"Bearer {program.client.key}"},
            ) as answer:  # in chunks, of a length nobody told
                assert answer.status == 413
        # RFC 8259 §4 leaves open which of two counts; what matters is that all readers take the same one.
        twice = b'{"name": "first", "scopes": ["messages:write"], "name": "second"}'
        made = await program.client.ask("POST", "/v1/keys", data=twice)
        assert made.json["name"] == "second"


async def _endless() -> AsyncIterator[bytes]:
    for _ in range(1_000):
        yield b" " * 10_000


# ── heads ────────────────────────────────────────────────────────────────────────────────────────────


HEADS = {  # how a request begins, and what never ends it
    "an address": (b"GET /", b"a" * 100_000),
    "a query": (b"GET /v1/contacts?", b"a=b&" * 25_000),
    "a header": (b"GET / HTTP/1.1\r\nX: ", b"y" * 100_000),
    "headers": (b"GET / HTTP/1.1\r\n", b"X-Thing: yes\r\n" * 8_000),
    "a name": (b"GET / HTTP/1.1\r\n", b"x" * 100_000),
    "blank lines": (b"", b"\r\n" * 50_000),
    "a method": (b"", b"GET" * 33_000),
    "a chunk's length": (b"POST /v1/keys HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", b"f" * 100_000),
}


async def test_a_head_without_end_is_cut_off(tmp_path: Path) -> None:
    async with watched(tmp_path) as program:
        host, _, port = program.client.url.removeprefix("http://").partition(":")
        for name, (begin, more) in HEADS.items():
            reader, writer = await asyncio.open_connection(host, int(port))
            async with asyncio.timeout(PATIENCE_S):
                assert await _sent(writer, begin, more) < 20_000_000, name
                said = await _rest(reader)
            writer.close()
            assert said.partition(b"\r\n")[0].split()[1:2] in ([b"400"], [b"431"], []), (name, said[:200])


async def _sent(writer: asyncio.StreamWriter, begin: bytes, more: bytes) -> int:
    """Bytes that could be written until the server hung up; 100 MB are on offer."""
    sent = 0
    with suppress(ConnectionError):
        writer.write(begin)
        for _ in range(1_000):
            writer.write(more)
            await writer.drain()
            sent += len(more)
    return sent


async def _rest(reader: asyncio.StreamReader) -> bytes:
    """What was answered, if the reset left anything of it."""
    try:
        return await reader.read()
    except ConnectionError:
        return b""


async def test_who_says_nothing_is_hung_up_on(monkeypatch: pytest.MonkeyPatch, house: Any) -> None:
    monkeypatch.setattr("angarium.web.server.HEAD_WITHIN_S", 0.05)
    host, _, port = house[1].url.removeprefix("http://").partition(":")
    whole = b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n"
    for begun in (
        b"",
        b"GET /health/li",
        b"GET / HTTP/1.1\r\nHost: x\r\n",
        b"\r\n",
        whole + b"GE",
    ):
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(begun)
        async with asyncio.timeout(PATIENCE_S):
            said = await reader.read()  # to its end: the server hung up
        assert said.startswith(b"HTTP/1.1 200") is begun.startswith(whole)
        writer.close()


# ── callbacks ────────────────────────────────────────────────────────────────────────────────────────

STATUS = b'{"message_id":%d,"status":1}'
CALLBACKS = [
    ("deep", b"[" * 500_000, 200),
    ("deep objects", b'{"message_id":' * 50_000, 200),
    ("wide", b"[" + b",".join([b"1"] * 400_000) + b"]", 200),
    ("many at once", b"[" + b",".join(STATUS % n for n in range(20_000)) + b"]", 200),
    ("long", b'{"message_id":"' + b"x" * 900_000 + b'","status":1}', 200),
    ("a number", b'{"message_id":' + b"9" * 900_000 + b',"status":1}', 200),
    ("beyond any", b'{"message_id":1e9999,"status":1}', 200),
    ("gzip", BOMB, 200),
    ("more than a MiB", b" " * 1_100_000, 413),
]


@pytest.mark.turns(2, 1)
async def test_hostile_callbacks_are_kept_or_refused_and_nothing_of_them_stays(tmp_path: Path) -> None:
    async with running(tmp_path) as program:
        line = (await program.client.ask("POST", "/v1/lines", LINE)).json
        stranger = program.client.with_key("")
        path = line["callback_path"]
        await _until(lambda: stranger.ask("POST", path, data=b"{}"), lambda heard: heard.status == 200)
        for _ in range(WARM_STORMS):
            await _storm(program, stranger, path)
        before = program.resident()  # what these have needed, the next find there
        for _ in range(2):
            await _storm(program, stranger, path)
        grown = program.resident() - before
        assert grown < GROWTH_MAX_BYTES, f"it grew by {grown / 2**20:.1f} MiB"


async def _storm(program: Program, stranger: Client, path: str) -> None:
    for name, body, status in CALLBACKS:
        heard = await stranger.ask("POST", path, data=BytesIO(body), Content_Encoding="gzip")
        assert heard.status == status, (name, heard)
    await _worked_through(program)


async def _worked_through(program: Program) -> None:
    """Wait until no callback is waiting."""

    def done(heard: Heard) -> bool:
        waiting = [row for row in heard.body.decode().splitlines() if row.startswith("angarium_waiting")]
        assert waiting, heard.body[:2_000]
        return all(row.endswith(" 0.0") for row in waiting)

    await _until(lambda: program.client.ask("GET", "/metrics"), done)


async def _until(look: Callable[[], Awaitable[Any]], good: Callable[[Any], bool]) -> Any:
    async with asyncio.timeout(PATIENCE_S):
        while not good(found := await look()):  # noqa: ASYNC110 - another process does it
            await asyncio.sleep(POLL_S)
    return found


# ── what providers answer ────────────────────────────────────────────────────────────────────────────


async def _bomb(server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await server.heard(reader)
    packed = gzip.compress(bytes(1 << 28))  # 256 MiB in 260 KB
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(packed)}\r\n\r\n"
    writer.write(head.encode() + packed)


async def _endless_answer(server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await server.heard(reader)
    writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
    for _ in range(1_000):
        writer.write(bytes(100_000))
        await writer.drain()


async def _endless_head(server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await server.heard(reader)
    writer.write(b"HTTP/1.1 200 OK\r\n")
    for _ in range(1_000):
        writer.write(b"X-Thing: yes\r\n" * 8_000)
        await writer.drain()


@pytest.mark.parametrize("talk", [_bomb, _endless_answer, _endless_head], ids=["bomb", "body", "head"])
async def test_an_answer_without_end_is_no_answer(talk: Any) -> None:
    async with serving(talk) as provider, client("127.0.0.1") as http:
        with pytest.raises(NoAnswer):
            await http.request("POST", f"http://127.0.0.1:{provider.port}/", json={}, timeout_s=PATIENCE_S)


# ── mail ─────────────────────────────────────────────────────────────────────────────────────────────


def _nested(depth: int) -> bytes:
    opens = [b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(depth)]
    return b"From: a@b.example\r\n" + b"".join(opens) + b"\r\nend\r\n"


MAILS = {
    "50 deep": _nested(50),
    "10,000 deep": _nested(10_000),
    "messages in messages": b"Content-Type: message/rfc822\r\n\r\n" * 10_000,
    "100,000 headers": b"X: y\r\n" * 100_000 + b"\r\nbody",
    "one header of 5 MB": b"Subject: " + b"x" * 5_000_000 + b"\r\n\r\nbody",
    "folded 20,000 times": b"Subject: x\r\n" + b" y\r\n" * 20_000 + b"\r\nbody",
    "encoded words": b"Subject: " + b"=?utf-8?B?eA==?= " * 3_000 + b"\r\n\r\nbody",
    "parameters": b"Content-Type: text/plain" + b"; a*0*=utf-8''x" * 3_000 + b"\r\n\r\nbody",
    "5,000 parts": b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n\r\nx\r\n" * 5_000,
    "900,000 parts": b"Content-Type: multipart/mixed; boundary=b\n\n" + b"--b\n\n" * 900_000,
    "no end of a boundary": b"Content-Type: multipart/mixed; boundary="
    + b"-" * 60_000
    + b"\r\n\r\n"
    + b"-" * 60_000,
    "10 MB": b"From: a@b.example\r\n\r\n" + b"x" * 10_000_000,
    "base64": b"Content-Transfer-Encoding: base64\r\n\r\n" + b"=" * 1_000_000,
    "HTML": b"Content-Type: text/html\r\n\r\n" + b"<div><!--" * 100_000,
    "no line ends": b"x" * 3_000_000,
}
STEPS_MAX = 3_000_000  # lines of Python, whatever the mail: some seconds of a slow machine


@pytest.mark.parametrize("name", MAILS)
def test_a_hostile_mail_is_read_or_refused_within_bounds(name: str) -> None:
    watch = Watch()
    with alarmed(), watch.over(STEPS_MAX):
        events = mail_kit.events(Raw(MAILS[name]))
        with suppress(MimeError):
            dsn.read(MAILS[name], "b+att_1@x.example", "<>")
    assert all(len(event.body) <= 4_000 for event in events if isinstance(event, Unreadable))


# ── SMPP ─────────────────────────────────────────────────────────────────────────────────────────────

BOUND = pack(Command.BIND_TRANSCEIVER_RESP, 1, encode(Command.BIND_TRANSCEIVER_RESP, BindResp("smsc")))
DELIVER = pack(
    Command.DELIVER_SM, 1, encode(Command.DELIVER_SM, Message(source="1", dest="2", short_message=b"Hi"))
)
PDUS = {
    "2 GiB": (0x7FFFFFFF).to_bytes(4, "big") + DELIVER[4:],
    "4 GiB": b"\xff\xff\xff\xff" + DELIVER[4:],
    "15 octets": b"\0\0\0\x0f" + DELIVER[4:],
    "no octets": bytes(16),
    "garbage": bytes(range(256)) * 4,
    "HTTP": b"HTTP/1.1 200 OK\r\n\r\n",
}


@pytest.mark.turns(2, 1)
async def test_operators_that_speak_no_smpp_are_hung_up_on(tmp_path: Path) -> None:
    """Each sends nonsense 100,000 times over to a line of a running server, which says what was wrong."""
    async with watched(tmp_path) as program:
        for number, nonsense in enumerate(PDUS.values()):
            async with operator(nonsense) as (port, hung_up):
                path = await _bound(program, f"line-{number}", port)
                await asyncio.wait_for(hung_up.wait(), PATIENCE_S)
                await _until(lambda: program.client.ask("GET", path), lambda it: "octets" in it.json["state"])  # noqa: B023


async def _bound(program: Program, name: str, port: int) -> str:
    """The address of a new line to an operator on this machine."""
    settings = {"host": "127.0.0.1", "port": port, "system_id": "a", "password": "b", "source": "Shop"}
    line = {**LINE, "name": name, "channel": "smpp", "settings": {**settings, "reconnect_s": 60}}
    made = await program.client.ask("POST", "/v1/lines", line)
    assert made.status == 201, made.body
    return f"/v1/lines/{made.json['id']}"


@asynccontextmanager
async def operator(nonsense: bytes) -> AsyncIterator[tuple[int, asyncio.Event]]:
    """A message centre that takes a bind, then says nonsense; its port, and whether it was hung up on."""
    hung_up = asyncio.Event()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            length = int.from_bytes(await reader.readexactly(4), "big")
            await reader.readexactly(length - 4)
            writer.write(BOUND)
            await _sent(writer, b"", nonsense * 1_000)
            await reader.read()
        writer.close()
        hung_up.set()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1], hung_up


def test_a_stream_in_single_octets_is_the_same_stream() -> None:
    whole, single = Splitter(), Splitter()
    stream = (BOUND + DELIVER + pack(Command.BIND_TRANSCEIVER, 2, encode(2, Bind("a", "b")))) * 20
    frames = [frame for octet in stream for frame in single.feed(bytes([octet]))]
    assert frames == list(whole.feed(stream))
    assert single.pending == 0

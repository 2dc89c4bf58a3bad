"""The guarded HTTP client against real servers on loopback, honest and hostile."""

from __future__ import annotations

import asyncio
import gzip
import socket
import ssl
import zlib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from angarium.protocols.answers import Answer, NoAnswer, NotSent
from angarium.protocols.http import Http
from support.tcp_server import Server, Talk, answering, client, serving


async def closes_after_reading(
    server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    await server.heard(reader)
    writer.close()


# ── asking ───────────────────────────────────────────────────────────────────────────────────────────


async def test_an_answer_has_its_status_headers_and_body() -> None:
    talk = answering(b'{"ok":1}', "201 Created", "X-Thing: yes", "Content-Type: application/json")
    async with serving(talk) as server, client("127.0.0.1") as http:
        answer = await http.request("POST", f"http://127.0.0.1:{server.port}/a?b=c", json={"x": "й"})
    assert answer.status == 201
    assert answer.body == b'{"ok":1}'
    assert answer.headers["x-thing"] == "yes"
    (request,) = server.requests
    assert request.startswith(b"POST /a?b=c HTTP/1.1\r\n")
    assert b"\r\nContent-Type: application/json\r\n" in request
    assert request.endswith('\r\n\r\n{"x":"й"}'.encode())


@pytest.mark.parametrize(
    ("arguments", "media_type", "body"),
    [
        ({"json": [1]}, b"application/json", b"[1]"),
        ({"form": {"a": "1 2", "б": "&"}}, b"application/x-www-form-urlencoded", b"a=1+2&%D0%B1=%26"),
        ({"body": b"\x00\xff"}, b"application/octet-stream", b"\x00\xff"),
        ({"body": b"<a/>", "headers": {"Content-Type": "text/xml"}}, b"text/xml", b"<a/>"),
    ],
)
async def test_the_body_goes_as_it_was_asked(
    arguments: dict[str, object], media_type: bytes, body: bytes
) -> None:
    async with serving(answering(b"")) as server, client("127.0.0.1") as http:
        await http.request("POST", f"http://127.0.0.1:{server.port}/", **arguments)
    head, _, sent = server.requests[0].partition(b"\r\n\r\n")
    assert b"Content-Type: " + media_type in head
    assert sent == body


async def test_a_connection_is_kept_and_used_again() -> None:
    async with serving(answering(b"ok")) as server, client("127.0.0.1") as http:
        for _ in range(3):
            await http.request("POST", f"http://127.0.0.1:{server.port}/", json=1)
    assert (server.connections, len(server.requests)) == (1, 3)


async def test_no_cookie_of_one_line_reaches_another() -> None:
    talk = answering(b"", "200 OK", "Set-Cookie: a=b")
    async with serving(talk) as server, client("127.0.0.1", "::1") as http:
        for _ in range(2):  # by name: aiohttp itself keeps no cookies of bare addresses
            await http.request("POST", f"http://localhost:{server.port}/")
    assert not any(b"Cookie" in request for request in server.requests)


async def test_the_environments_proxy_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(answering(b"ok")) as server, client("127.0.0.1") as http:
        monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
        monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
        answer = await http.request("GET", f"http://127.0.0.1:{server.port}/")
    assert answer.body == b"ok"


async def test_a_redirect_is_an_answer_and_is_not_followed() -> None:
    talk = answering(b"", "302 Found", "Location: http://169.254.169.254/latest/meta-data/")
    async with serving(talk) as server, client("127.0.0.1") as http:
        answer = await http.request("POST", f"http://127.0.0.1:{server.port}/", json=1)
    assert (answer.status, len(server.requests)) == (302, 1)


async def test_a_client_that_is_not_started_or_stopped_sends_nothing() -> None:
    http = Http(["127.0.0.1"])
    with pytest.raises(NotSent):
        await http.request("GET", "http://127.0.0.1:1/")
    await http.start()
    await http.stop()
    await http.stop()
    with pytest.raises(NotSent):
        await http.request("GET", "http://127.0.0.1:1/")


# ── once only ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("method", ["POST", "GET", "PUT", "DELETE"])
async def test_a_server_that_reads_and_closes_sees_one_request(method: str) -> None:
    async with serving(closes_after_reading) as server, client("127.0.0.1") as http:
        with pytest.raises(NoAnswer):
            await http.request(method, f"http://127.0.0.1:{server.port}/", json=1)
    assert len(server.requests) == 1


@pytest.mark.parametrize("method", ["POST", "GET", "PUT", "DELETE"])
async def test_a_kept_connection_that_dies_is_not_asked_twice(method: str) -> None:
    async def answers_once_then_closes(
        server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        await server.heard(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        await server.heard(reader)

    async with serving(answers_once_then_closes) as server, client("127.0.0.1") as http:
        url = f"http://127.0.0.1:{server.port}/"
        await http.request(method, url)
        with pytest.raises(NoAnswer):
            await http.request(method, url)
    assert (server.connections, len(server.requests)) == (1, 2)


# ── certainly not sent ───────────────────────────────────────────────────────────────────────────────


async def test_a_closed_port_is_not_sent() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: nobody else gets it, nobody answers
        port = taken.getsockname()[1]
        async with client("127.0.0.1") as http:
            with pytest.raises(NotSent) as failure:
                await http.request("POST", f"http://127.0.0.1:{port}/secret?token=t", json=1)
    assert not failure.value.forbidden
    assert "secret" not in str(failure.value)


async def test_a_name_without_an_address_is_not_sent() -> None:
    async with client() as http:
        with pytest.raises(NotSent) as failure:
            await http.request("POST", "http://nowhere.invalid/", json=1)
    assert "nowhere.invalid" in str(failure.value)


async def test_a_server_that_accepts_nothing_is_not_sent() -> None:
    async with client("127.0.0.1") as http:
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            listener.listen(0)
            address = listener.getsockname()
            fillers = []
            for _ in range(3):  # fill the queue of connections that nobody accepts
                filler = socket.socket()
                filler.setblocking(False)
                filler.connect_ex(address)
                fillers.append(filler)
            with pytest.raises(NotSent, match="no connection in time"):
                await http.request("POST", f"http://127.0.0.1:{address[1]}/", json=1, timeout_s=0.2)
            for filler in fillers:
                filler.close()


async def test_a_full_pool_is_not_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("angarium.protocols.http.CONNECTIONS_MAX", 1)

    async def holds(server: Server, reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await server.heard(reader)
        await reader.read()

    async with serving(holds) as server, client("127.0.0.1") as http:
        url = f"http://127.0.0.1:{server.port}/"
        first = asyncio.create_task(http.request("POST", url, json=1, timeout_s=5))
        await server.heard_one.wait()
        with pytest.raises(NotSent):
            await http.request("POST", url, json=2, timeout_s=0.1)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
    assert len(server.requests) == 1


def certificate(folder: Path, names: list[str], until: datetime) -> ssl.SSLContext:
    """A server's TLS with a certificate that nobody signed but itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(until - timedelta(days=9))
        .not_valid_after(until)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(each) for each in names]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = folder / "server.pem"
    pem.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + made.public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    return context


@pytest.mark.parametrize(
    ("names", "days_left"),
    [(["localhost"], 1), (["localhost"], -1), (["other.example"], 1)],
    ids=["unknown authority", "expired", "another host"],
)
async def test_a_certificate_that_does_not_fit_gets_no_byte_of_the_request(
    tmp_path: Path, names: list[str], days_left: int
) -> None:
    tls = certificate(tmp_path, names, datetime.now(UTC) + timedelta(days=days_left))
    async with serving(answering(b"ok"), tls) as server, client("127.0.0.1", "::1") as http:
        with pytest.raises(NotSent, match=r"(?i)certificate"):
            await http.request("POST", f"https://127.0.0.1:{server.port}/", json={"text": "secret"})
    assert server.requests == []


async def test_tls_to_a_server_without_it_is_not_sent() -> None:
    async with serving(answering(b"ok")) as server, client("127.0.0.1") as http:
        with pytest.raises(NotSent):
            await http.request("POST", f"https://127.0.0.1:{server.port}/", json=1, timeout_s=0.5)
    assert server.requests == []


@pytest.mark.parametrize("value", ["a\r\nX-Injected: 1", "a\nb", "a\x00b"])
async def test_a_header_cannot_carry_another(value: str) -> None:
    async with serving(answering(b"")) as server, client("127.0.0.1") as http:
        with pytest.raises(NotSent) as failure:
            await http.request("POST", f"http://127.0.0.1:{server.port}/", headers={"X-Key": value})
    assert failure.value.forbidden
    assert server.connections == 0


@pytest.mark.parametrize("arguments", [{"json": {"text": "\ud800"}}, {"form": {"text": "\udfff"}}])
async def test_half_a_surrogate_pair_is_not_sent(arguments: dict[str, dict[str, str]]) -> None:
    async with serving(answering(b"")) as server, client("127.0.0.1") as http:
        with pytest.raises(NotSent, match="surrogate"):
            await http.request("POST", f"http://127.0.0.1:{server.port}/", **arguments)
    assert server.connections == 0


# ── may have gone out ────────────────────────────────────────────────────────────────────────────────


def saying(*pieces: bytes, then_hold: bool = False) -> Talk:
    async def talk(server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await server.heard(reader)
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
        if then_hold:
            await reader.read()

    return talk


async def drips_for_ever(server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await server.heard(reader)
    writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
    while not reader.at_eof():
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(0.01)


def packed(body: bytes, coding: str) -> bytes:
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: {coding}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


OK_HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n"
BOMB = gzip.compress(bytes(50_000_000), 1)

NO_ANSWERS: dict[str, Talk] = {
    "silence": saying(then_hold=True),
    "half a head": saying(b"HTTP/1.1 200 OK\r\nCont", then_hold=True),
    "half a body": saying(OK_HEAD + b"12345", then_hold=True),
    "a body cut short": saying(OK_HEAD + b"12345"),
    "dripping": drips_for_ever,
    "not HTTP": saying(b"220 mail.example ESMTP\r\n"),
    "endless head": saying(b"HTTP/1.1 200 OK\r\n" + b"X-Y: " + b"z" * 100_000 + b"\r\n\r\n"),
    "many headers": saying(b"HTTP/1.1 200 OK\r\n" + b"X-Y: z\r\n" * 100_000 + b"\r\n"),
    "too large": saying(b"HTTP/1.1 200 OK\r\nContent-Length: 2000000\r\n\r\n" + bytes(2_000_000)),
    "gzip bomb": saying(packed(BOMB, "gzip")),
    "zlib bomb": saying(packed(zlib.compress(bytes(50_000_000), 1), "deflate")),
    "broken gzip": saying(packed(b"not gzip at all", "gzip")),
    "gzip cut short": saying(packed(gzip.compress(b"x" * 1000)[:-4], "gzip")),
    "packing not asked for": saying(packed(b"\x01\x02", "br")),
    "bad chunk": saying(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"),
}


@pytest.mark.parametrize("talk", NO_ANSWERS.values(), ids=NO_ANSWERS.keys())
async def test_an_answer_that_cannot_be_read_is_no_answer(talk: Talk) -> None:
    async with serving(talk) as server, client("127.0.0.1") as http:
        url = f"http://127.0.0.1:{server.port}/hidden?token=t"
        with pytest.raises(NoAnswer) as failure:
            await http.request("POST", url, json=1, timeout_s=0.5)
    assert len(server.requests) == 1
    assert str(failure.value).startswith(f"127.0.0.1:{server.port}: ")
    assert "hidden" not in str(failure.value)


@pytest.mark.parametrize(
    ("body", "coding"),
    [
        (gzip.compress(b"plain", mtime=0), "gzip"),
        (gzip.compress(b"plain", mtime=0), "X-GZIP"),
        (zlib.compress(b"plain"), "deflate"),
        (b"plain", "identity"),
    ],
)
async def test_an_honestly_packed_answer_is_unpacked(body: bytes, coding: str) -> None:
    async with serving(saying(packed(body, coding))) as server, client("127.0.0.1") as http:
        answer = await http.request("POST", f"http://127.0.0.1:{server.port}/", json=1)
    assert answer == Answer(200, answer.headers, b"plain")


async def test_the_size_of_an_answer_is_exactly_bounded() -> None:
    async with serving(answering(b"x" * 100)) as server, client("127.0.0.1") as http:
        url = f"http://127.0.0.1:{server.port}/"
        assert len((await http.request("GET", url, answer_max_bytes=100)).body) == 100
        with pytest.raises(NoAnswer, match="larger than 99 bytes"):
            await http.request("GET", url, answer_max_bytes=99)

"""Mail servers for tests: one that says what it is told at each command, a certificate made on the spot."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import cast

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

HANG_UP = "hang up"
SILENCE = "silence"
USUAL = {
    "greeting": "220 mx.example ESMTP",
    "EHLO": "250-mx.example\r\n250 DSN",
    "DATA": "354 go on",
    "QUIT": "221 bye",
}


@dataclass
class ScriptedServer:
    """Answers each command with the next of its answers, the last one again and again; else what is usual.

    `dot` is the command that ends the mail. An answer may be HANG_UP or SILENCE.
    """

    answers: dict[str, list[str]] = field(default_factory=dict)
    port: int = 0
    links: int = 0
    said: list[str] = field(default_factory=list)  # command lines, as they came
    mails: list[bytes] = field(default_factory=list)  # as they came over the wire, without the final dot
    serving: set[asyncio.Task[None]] = field(default_factory=set)

    def count(self, command: str) -> int:
        """How often a command came."""
        return sum(line.upper().startswith(command) for line in self.said)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One link."""
        self.links += 1
        self.serving.add(cast("asyncio.Task[None]", asyncio.current_task()))
        with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            await self._talk(reader, writer)
        writer.close()
        with suppress(ConnectionError, asyncio.CancelledError):
            await writer.wait_closed()

    async def stop(self) -> None:
        """End every link."""
        for task in self.serving:
            task.cancel()
        await asyncio.gather(*self.serving)

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        alive = await self._answer("greeting", writer)
        while alive:
            line = (await reader.readuntil(b"\r\n")).decode().strip()
            self.said.append(line)
            command = line.partition(" ")[0].upper()
            answer = self._next(command)
            alive = await self._say(answer, writer)
            if command == "DATA" and answer.startswith("354"):
                self.mails.append((await reader.readuntil(b"\r\n.\r\n")).removesuffix(b".\r\n"))
                alive = await self._answer("dot", writer)
            alive = alive and command != "QUIT"

    async def _answer(self, command: str, writer: asyncio.StreamWriter) -> bool:
        return await self._say(self._next(command), writer)

    def _next(self, command: str) -> str:
        answers = self.answers.get(command, [USUAL.get(command, "250 ok")])
        return answers.pop(0) if len(answers) > 1 else answers[0]

    async def _say(self, answer: str, writer: asyncio.StreamWriter) -> bool:
        if answer == HANG_UP:
            return False
        if answer != SILENCE:
            writer.write(answer.encode() + b"\r\n")
            await writer.drain()
        return True


@asynccontextmanager
async def scripted(**answers: str | list[str]) -> AsyncIterator[ScriptedServer]:
    """A scripted server on loopback."""
    told = {name: [answer] if isinstance(answer, str) else list(answer) for name, answer in answers.items()}
    peer = ScriptedServer(told)
    server = await asyncio.start_server(peer.serve, "127.0.0.1", 0)
    peer.port = server.sockets[0].getsockname()[1]
    try:
        yield peer
    finally:
        server.close()
        await peer.stop()


async def until(seen: Callable[[], object], patience_s: float = 40.0) -> None:
    """Look again and again until it is so; TimeoutError when it does not come."""
    async with asyncio.timeout(patience_s):
        while not seen():  # noqa: ASYNC110 - what is waited for happens in a library that tells nobody
            await asyncio.sleep(0.005)


@cache
def certificate() -> bytes:
    """A self-signed certificate for localhost and its key, as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    plain = serialization.NoEncryption()
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    return pem + made.public_bytes(serialization.Encoding.PEM)


def server_tls() -> ssl.SSLContext:
    """A server's context with that certificate."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "both.pem"
        path.write_bytes(certificate())
        context.load_cert_chain(path)
    return context

"""A TCP relay in front of PostgreSQL that can go away, and can lose the answer to one COMMIT."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from urllib.parse import parse_qs, urlsplit

COMMIT = b"COMMIT\0"  # as asyncpg sends it: a simple query


class Cutter:
    """Stands at a port of its own. Whoever connects is connected to the server behind it."""

    def __init__(self, url: str) -> None:
        self.behind = url
        self._parts = urlsplit(url)
        self._writers: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None
        self._marker = b""
        self.port = 0
        self.cuts = 0

    @property
    def url(self) -> str:
        """The database behind the relay."""
        user = self._parts.username or "postgres"
        return f"postgresql://{user}@127.0.0.1:{self.port}{self._parts.path}?sslmode=disable"

    async def listen(self) -> None:
        """Be there; at the same port as before."""
        self._server = await asyncio.start_server(self._relay, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def go_away(self) -> None:
        """Refuse everybody, and let nobody stay."""
        if self._server is not None:
            self._server.close()
        for writer in list(self._writers):
            writer.transport.abort()

    def lose_the_answer_to(self, marker: bytes) -> None:
        """The next COMMIT of whoever has sent this reaches the server, and its answer reaches nobody."""
        self._marker = marker

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            behind, to_behind = await self._connect()
        except OSError:
            writer.transport.abort()
            return
        self._writers |= {writer, to_behind}
        back = asyncio.create_task(_copy(behind, writer))
        await self._forward(reader, to_behind, behind, back, writer)
        for one in (writer, to_behind):
            one.transport.abort()
        self._writers -= {writer, to_behind}
        back.cancel()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        socket = parse_qs(self._parts.query).get("host", [""])[0]
        if socket.startswith("/"):
            return await asyncio.open_unix_connection(f"{socket}/.s.PGSQL.{self._parts.port or 5432}")
        return await asyncio.open_connection(self._parts.hostname, self._parts.port or 5432)

    async def _forward(
        self,
        reader: asyncio.StreamReader,
        to_behind: asyncio.StreamWriter,
        behind: asyncio.StreamReader,
        back: asyncio.Task[None],
        writer: asyncio.StreamWriter,
    ) -> None:
        marked = False
        with suppress(OSError):
            while data := await reader.read(1 << 16):
                marked = marked or bool(self._marker and self._marker in data)
                if marked and COMMIT in data:
                    self._marker = b""
                    self.cuts += 1
                    back.cancel()
                    writer.transport.abort()
                    to_behind.write(data)
                    await behind.read(1 << 16)  # committed: nobody is told
                    return
                to_behind.write(data)
                await to_behind.drain()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
    writer.close()

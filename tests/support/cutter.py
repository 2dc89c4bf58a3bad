"""A TCP relay in front of PostgreSQL that can go away, fall silent, and lose one COMMIT or its answer."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from urllib.parse import parse_qs, urlsplit

COMMIT = b"COMMIT\0"  # as asyncpg sends it: the end of a simple query
MARK = b"INSERT INTO commit_mark"  # what goes with the COMMIT of a change
CUTS = ("before", "after", "late")  # the COMMIT reached nobody; its answer did; it is held up on its way


class Cutter:
    """Stands at a port of its own. Whoever connects is connected to the server behind it."""

    def __init__(self, url: str) -> None:
        self.behind = url
        self._parts = urlsplit(url)
        self._writers: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None
        self._marker = b""
        self._cut = ""
        self._dark = asyncio.Event()
        self._dark.set()
        self.let_through = asyncio.Event()  # what is held up
        self.late = b""  # what was answered to it
        self.goes_away = False  # with the cut
        self.port = 0
        self.cuts = 0

    @property
    def url(self) -> str:
        """The database behind the relay."""
        user = self._parts.username or "postgres"
        return f"postgresql://{user}@127.0.0.1:{self.port}{self._parts.path}?sslmode=disable"

    @property
    def spoken_url(self) -> str:
        """The same for who says every statement in full each time, so that they are markers."""
        return f"{self.url}&statement_cache_size=0"

    async def listen(self) -> None:
        """Be there, if it is not; at the same port as before."""
        if self._server is not None and self._server.is_serving():
            return
        self._server = await asyncio.start_server(self._relay, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def go_away(self) -> None:
        """Refuse everybody, and let nobody stay."""
        self._dark.set()
        if self._server is not None:
            self._server.close()
        for writer in list(self._writers):
            writer.transport.abort()

    @property
    def was_cut(self) -> bool:
        """Whether the cut that was asked for has been made."""
        return not self._marker

    def go_dark(self) -> None:
        """Pass nothing on, either way, and end nothing: as a cable that was pulled."""
        self._dark.clear()

    def come_back(self) -> None:
        """Pass on again, first what was held up."""
        self._dark.set()

    def cut(self, marker: bytes, when: str) -> None:
        """Cut off whoever sends this and changes something, once, at its COMMIT; `when` is one of CUTS."""
        self._marker, self._cut = marker, when

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        both = [writer]
        try:
            behind, to_behind = await self._connect()
            both.append(to_behind)
            if writer.transport.is_closing():  # it went away meanwhile
                return
            self._writers.add(to_behind)
            back = asyncio.create_task(self._copy(behind, writer))
            await self._forward(reader, to_behind, behind, back, writer)
            back.cancel()
        except OSError:
            return
        finally:
            for one in both:
                one.transport.abort()
            self._writers.difference_update(both)

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
        marked: tuple[bytes, str] | None = None  # the cut that it has earned
        with suppress(OSError, asyncio.CancelledError):  # it may end while nothing is passed on
            while data := await reader.read(1 << 16):
                await self._dark.wait()
                if self._marker and self._marker in data:
                    marked = (self._marker, self._cut)
                if COMMIT in data and (MARK not in data or marked != (self._marker, self._cut)):
                    marked = None  # it has changed nothing, or another has been cut
                if marked and COMMIT in data:
                    self._marker = b""
                    self.cuts += 1
                    back.cancel()
                    await asyncio.gather(back, return_exceptions=True)
                    await self._lose(self._cut, data, behind, to_behind, writer)
                    return
                to_behind.write(data)
                await to_behind.drain()

    async def _lose(
        self,
        cut: str,
        commit: bytes,
        behind: asyncio.StreamReader,
        to_behind: asyncio.StreamWriter,
        writer: asyncio.StreamWriter,
    ) -> None:
        """Cut off who sent this COMMIT: once it is done if it is its answer that is lost, else before."""
        if cut != "after":
            await self._end(writer, to_behind)
        if cut == "late":
            await self.let_through.wait()
        if cut != "before":
            to_behind.write(commit)
            self.late = await behind.read(1 << 16)  # committed: nobody is told
        if cut == "after":
            await self._end(writer, to_behind)

    async def _end(self, writer: asyncio.StreamWriter, to_behind: asyncio.StreamWriter) -> None:
        """Cut off this client; all, where it is to be away. What is on its way to the server arrives."""
        if not self.goes_away:
            writer.transport.abort()
            return
        self._writers.discard(to_behind)
        await self.go_away()

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(1 << 16):
                await self._dark.wait()
                writer.write(data)
                await writer.drain()
        writer.close()  # but not who waits for the answer to a COMMIT that is about to be lost

"""The process that takes connections (`angarium.porter`), as the server sees it: begun with it, answered, and
begun again when it died.

Short requests come many in a frame and are answered by the same application as all others; a connection that
asks something else comes with what was read from it, and is the server's from then on.
"""

from __future__ import annotations

import asyncio
import socket
import sys
from asyncio.subprocess import Process
from collections.abc import Awaitable, Callable
from contextlib import suppress
from http import HTTPStatus
from typing import Any, cast
from urllib.parse import unquote

import msgspec
import structlog

from angarium.accounts.edge import BODY_READ
from angarium.core.clock import Clock
from angarium.core.frames import frame, frames
from angarium.core.service import Supervisor
from angarium.web import briefs
from angarium.web.briefs import Answer, Asked, Header

log = structlog.get_logger()

MODULE = "angarium.porter"
LEAVES_WITHIN_S = 10.0  # when it is asked to

STATUS_LINES = {one.value: f"HTTP/1.1 {one.value} {one.phrase}\r\n".encode() for one in HTTPStatus}

Application = Callable[[Any, Any, Any], Awaitable[None]]
Take = Callable[[socket.socket, bytes], Awaitable[None]]  # a connection, and what came on it

_encoder = msgspec.msgpack.Encoder()
_asked = msgspec.msgpack.Decoder(list[Asked])


class PorterProcess:
    """Runs it beside the server. `take` takes a connection over; `headers` are those of every answer."""

    def __init__(
        self,
        listening: socket.socket,
        app: Application,
        take: Take,
        headers: Callable[[], list[Header]],
        clock: Clock,
    ) -> None:
        self._listening = listening
        self._here: tuple[str, int] = listening.getsockname()[:2]
        self._app = app
        self._take = take
        self._headers = headers
        self._supervisor = Supervisor(clock)
        self._process: Process | None = None
        self._desk: Desk | None = None
        self._stopping = False

    async def start(self) -> None:
        """Begin it, and again whenever it ends."""
        self._supervisor.run("porter", self._attend)

    async def stop(self) -> None:
        """Have it take nothing more and answer what was asked; what it does not in time is not answered."""
        process, self._stopping = self._process, True
        self._listening.close()
        if process is not None and self._desk is not None:
            self._desk.dismiss()
            with suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), LEAVES_WITHIN_S)
        await self._supervisor.stop()

    async def _attend(self) -> None:
        if self._stopping:
            return
        ours, theirs = socket.socketpair()
        handed, handing = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        handed.setblocking(False)
        loop = asyncio.get_running_loop()
        desk = Desk(self._app, self._here, self._headers)
        await loop.create_unix_connection(lambda: desk, sock=ours)
        loop.add_reader(handed, Hall(handed, self._take).read)
        try:
            with theirs, handing:
                process = await _begin(self._listening, theirs, handing)
            self._process, self._desk = process, desk
            status = await process.wait()
        finally:
            loop.remove_reader(handed)
            handed.close()
            desk.close()
            _end(self._process)
        if not self._stopping:
            raise OSError(f"the porter ended with status {status}")


def _end(process: Process | None) -> None:
    if process is not None and process.returncode is None:
        with suppress(ProcessLookupError):
            process.kill()


async def _begin(*sockets: socket.socket) -> Process:
    numbers = [one.fileno() for one in sockets]
    # -P: what lies in the folder that we run in is not imported; a crash below Python is in our log
    command = (sys.executable, "-P", "-X", "faulthandler", "-m", MODULE, *map(str, numbers))
    return await asyncio.create_subprocess_exec(*command, pass_fds=numbers)


class Desk(asyncio.Protocol):
    """Where short requests are answered."""

    def __init__(self, app: Application, here: tuple[str, int], headers: Callable[[], list[Header]]) -> None:
        self._app = app
        self._here = here
        self._headers = headers
        self._loop = asyncio.get_running_loop()
        self._buffer = bytearray()
        self._answers: list[Answer] = []
        self._working: set[asyncio.Task[None]] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast("asyncio.Transport", transport)

    def dismiss(self) -> None:
        """Have no more asked, and what was asked answered."""
        self._write(briefs.LEAVE)

    def close(self) -> None:
        """Answer nobody any more."""
        self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """Answer each by itself."""
        self._buffer += data
        for body in frames(self._buffer):
            for asked in _asked.decode(body):
                task = self._loop.create_task(self._answer(asked))
                self._working.add(task)
                task.add_done_callback(self._working.discard)

    async def _answer(self, asked: Asked) -> None:
        sheet = Sheet(asked, self._headers())
        try:
            await self._app(self._scope(asked), sheet.receive, sheet.send)
        finally:  # whatever is raised: whoever asked is not left waiting
            if not self._answers:
                self._loop.call_soon(self._flush)
            self._answers.append(sheet.answer())

    def _scope(self, asked: Asked) -> dict[str, Any]:
        path, _, query = asked.brief.target.partition(b"?")
        said = path.decode("ascii")
        return {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "server": self._here,
            "client": asked.client,
            "scheme": "http",
            "method": "POST",
            "root_path": "",
            "path": unquote(said) if "%" in said else said,
            "raw_path": path,
            "query_string": query,
            "headers": asked.brief.headers,
            "state": {},
            BODY_READ: asked.brief.body,
        }

    def _flush(self) -> None:
        answers, self._answers = self._answers, []
        self._write(answers)

    def _write(self, answers: list[Answer]) -> None:
        if not self._transport.is_closing():
            self._transport.write(frame(_encoder.encode(answers)))


class Sheet:
    """One short request as the application reads it, and its answer as that writes it."""

    def __init__(self, asked: Asked, headers: list[Header]) -> None:
        self._asked = asked
        self._headers = headers
        self._read = False
        self._written: list[bytes] = []
        self._closes = True  # until it is whole: nobody can take a half for the whole

    async def receive(self) -> dict[str, Any]:
        """The body, which is whole; whoever reads on hears that there is nobody."""
        if self._read:
            return {"type": "http.disconnect"}
        self._read = True
        return {"type": "http.request", "body": self._asked.brief.body, "more_body": False}

    async def send(self, message: dict[str, Any]) -> None:
        """A piece of the answer."""
        if message["type"] == "http.response.start":
            self._written.append(STATUS_LINES[message["status"]])
            for name, value in (*self._headers, *message["headers"]):
                self._written += (name, b": ", value, b"\r\n")
            self._written.append(b"\r\n")
        else:
            self._written.append(message.get("body", b""))
            self._closes = message.get("more_body", False)

    def answer(self) -> Answer:
        """All of it."""
        return Answer(self._asked.number, b"".join(self._written), self._closes)


class Hall:
    """Where connections come that the server reads itself."""

    def __init__(self, handed: socket.socket, take: Take) -> None:
        self._handed = handed
        self._take = take
        self._connection: socket.socket | None = None
        self._came = bytearray()
        self._taking: set[asyncio.Task[None]] = set()

    def read(self) -> None:
        """Take over whoever has come."""
        with suppress(BlockingIOError):
            while True:
                packet, descriptors, _, _ = socket.recv_fds(self._handed, 1 + briefs.PACKET_MAX_BYTES, 1)
                if not packet:
                    return
                if descriptors:
                    self._begin(socket.socket(fileno=descriptors[0]))
                self._came += packet[1:]
                if packet[:1] == briefs.LAST:
                    self._take_over()

    def _begin(self, connection: socket.socket) -> None:
        """One comes. If another is here yet, its rest was lost: nothing of it is taken for this one's."""
        if self._connection is not None:
            self._connection.close()
            self._came.clear()
        self._connection = connection

    def _take_over(self) -> None:
        connection, self._connection = self._connection, None
        came, self._came = bytes(self._came), bytearray()
        if connection is None:  # this process may have no more descriptors: whoever it was is hung up on
            log.warning("a connection could not be taken over", why="it came without its descriptor")
            return
        connection.setblocking(False)
        task = asyncio.get_running_loop().create_task(self._welcome(connection, came))
        self._taking.add(task)
        task.add_done_callback(self._taking.discard)

    async def _welcome(self, connection: socket.socket, came: bytes) -> None:
        try:
            await self._take(connection, came)
        except OSError:  # whoever it was has gone meanwhile
            connection.close()

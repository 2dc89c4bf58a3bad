"""uvicorn inside our own loop, as a service: bound when `start` returns, quiet when `stop` does.

Signals are the command's business, so `uvicorn.Server.serve`, which takes them, is not used, but its parts.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

import msgspec
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from angarium.core.clock import SystemClock
from angarium.web.briefs import BACKLOG, HEAD_WITHIN_S, KEEP_ALIVE_S
from angarium.web.frame import Frame, guarded
from angarium.web.porter import PorterProcess
from angarium.web.problems import PROBLEM_JSON, framework_problem

GRACE_S = 10  # for requests under way when the process is asked to stop
HEAD_MAX_BYTES = 65_536  # address and headers of a request; what one read brings beyond it is still taken


class Protocol(HttpToolsProtocol):
    """HTTP by httptools; heads are bounded, and what is no HTTP is answered as every other mistake.

    httptools gathers a head for as long as it comes, whoever sends it.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.came_before = b""
        self._in_head = True
        self._head_bytes = 0
        self._heads = 0  # read to their end
        self._patience: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Wait for the first head, not for ever; read what came on it before it was ours."""
        super().connection_made(transport)
        self._wait_for_head()
        if self.came_before:
            self.data_received(self.came_before)

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing more to wait for."""
        self._wait_no_more()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on; hang up on a head without end."""
        heads, in_head = self._heads, self._in_head
        super().data_received(data)
        if not (in_head and self._in_head and heads == self._heads):
            self._head_bytes = 0
            return
        if self._patience is None:
            self._wait_for_head()
        self._head_bytes += len(data)
        if self._head_bytes > HEAD_MAX_BYTES and not self.transport.is_closing():
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)

    def on_message_begin(self) -> None:
        """A head begins."""
        super().on_message_begin()
        self._wait_for_head()

    def on_headers_complete(self) -> None:
        """A head is whole; its body has limits of its own (`accounts/edge.py`)."""
        self._in_head = False
        self._heads += 1
        self._wait_no_more()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """What comes now is another head."""
        super().on_message_complete()
        self._in_head = True

    def send_400_response(self, msg: str) -> None:
        """Say that it cannot be read, and hang up."""
        self._refuse(HTTPStatus.BAD_REQUEST)

    def _wait_for_head(self) -> None:
        self._wait_no_more()
        self._patience = self.loop.call_later(HEAD_WITHIN_S, self.transport.close)

    def _wait_no_more(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _refuse(self, status: HTTPStatus) -> None:
        body = msgspec.json.encode(framework_problem(status).document())
        length, close = (b"content-length", b"%d" % len(body)), (b"connection", b"close")
        headers = guarded([PROBLEM_JSON, length, close], self.scheme or "http")
        first = f"HTTP/1.1 {status.value} {status.phrase}".encode()
        lines = [first, *(name + b": " + value for name, value in headers), b"", body]
        self.transport.write(b"\r\n".join(lines))
        self.transport.close()


class Server:
    """The application on an address. Port 0 takes a free one; `port` tells which.

    `trusted_proxies`: addresses whose X-Forwarded-For and X-Forwarded-Proto are believed; nobody else's are.
    With a `porter`, a process beside this one takes connections (decision 0046).
    """

    def __init__(
        self, app: Any, host: str, port: int, trusted_proxies: Sequence[str] = (), *, porter: bool = False
    ) -> None:
        self._address = (host, port)
        self._app = app
        config = uvicorn.Config(
            Frame(app),
            lifespan="off",
            http=Protocol,
            ws="none",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=bool(trusted_proxies),
            forwarded_allow_ips=list(trusted_proxies),
            backlog=BACKLOG,
            timeout_keep_alive=KEEP_ALIVE_S,
            timeout_graceful_shutdown=GRACE_S,
        )
        config.load()
        self._server = uvicorn.Server(config)
        self._server.lifespan = config.lifespan_class(config)
        self._running: asyncio.Task[None] | None = None
        self._with_porter = porter
        self._porter: PorterProcess | None = None
        self.port = port

    async def start(self) -> None:
        """Bind and serve; OSError when the address cannot be had."""
        bound = _bound(self._address)
        self.port = bound.getsockname()[1]
        await self._server.startup(sockets=[] if self._with_porter else [bound])
        self._running = asyncio.create_task(self._server.main_loop(), name="web")
        if self._with_porter:
            bound.listen(BACKLOG)
            app = self._server.config.loaded_app
            self._porter = PorterProcess(bound, app, self._take, self._headers, SystemClock())
            await self._porter.start()

    def _headers(self) -> list[tuple[bytes, bytes]]:
        return self._server.server_state.default_headers

    async def _take(self, connection: socket.socket, came: bytes) -> None:
        """A connection that was opened elsewhere, and what was read from it."""

        def made() -> Protocol:
            protocol = Protocol(self._server.config, self._server.server_state, {})
            protocol.came_before = came
            return protocol

        await asyncio.get_running_loop().connect_accepted_socket(made, connection)

    async def stop(self) -> None:
        """Take nothing more, answer what is under way, leave; calling it again changes nothing."""
        running, self._running = self._running, None
        if running is None:
            return
        if self._porter is not None:
            await self._porter.stop()
        running.cancel()  # it only keeps the Date header, and would look up once in a tenth of a second
        await asyncio.gather(running, return_exceptions=True)
        pulse = self._app.state.get("pulse")  # whose streams would never end by themselves
        if pulse is not None:
            await pulse.stop()
        await self._server.shutdown()


def _bound(address: tuple[str, int]) -> socket.socket:
    """A socket at an address. Its protocol is named, because asyncio switches Nagle's delay off only where it
    reads TCP; the delay is 40 ms for each answer."""
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    made = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(address)
    except OSError as error:
        made.close()
        raise OSError(error.errno, error.strerror, f"{address[0]}:{address[1]}") from None
    return made

"""uvicorn inside our own loop, as a service: bound when `start` returns, quiet when `stop` does.

Signals are the command's business, so `uvicorn.Server.serve`, which takes them, is not used, but its parts.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from typing import Any

import msgspec
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from angarium.web.frame import Frame, guarded
from angarium.web.problems import PROBLEM_JSON, framework_problem

GRACE_S = 10  # for requests under way when the process is asked to stop
KEEP_ALIVE_S = 65  # longer than the 60 s after which common proxies let an idle connection go
BACKLOG = 2_048


class Protocol(HttpToolsProtocol):
    """HTTP by httptools; what is none is answered as every other mistake."""

    def send_400_response(self, msg: str) -> None:
        """Say that it cannot be read, and hang up."""
        body = msgspec.json.encode(framework_problem(400).document())
        length, close = (b"content-length", b"%d" % len(body)), (b"connection", b"close")
        headers = guarded([PROBLEM_JSON, length, close], self.scheme or "http")
        lines = [b"HTTP/1.1 400 Bad Request", *(name + b": " + value for name, value in headers), b"", body]
        self.transport.write(b"\r\n".join(lines))
        self.transport.close()


class Server:
    """The application on an address. Port 0 takes a free one; `port` tells which.

    `trusted_proxies`: addresses whose X-Forwarded-For and X-Forwarded-Proto are believed; nobody else's are.
    """

    def __init__(self, app: Any, host: str, port: int, trusted_proxies: Sequence[str] = ()) -> None:
        self._address = (host, port)
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
        self.port = port

    async def start(self) -> None:
        """Bind and serve; OSError when the address cannot be had."""
        bound = _bound(self._address)
        self.port = bound.getsockname()[1]
        await self._server.startup(sockets=[bound])
        self._running = asyncio.create_task(self._server.main_loop(), name="web")

    async def stop(self) -> None:
        """Take nothing more, answer what is under way, leave; calling it again changes nothing."""
        running, self._running = self._running, None
        if running is None:
            return
        running.cancel()  # it only keeps the Date header, and would look up once in a tenth of a second
        await asyncio.gather(running, return_exceptions=True)
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

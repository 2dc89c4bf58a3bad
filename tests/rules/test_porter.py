"""A porter and the server's desk in one process, over real sockets: who does not read is not read from."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from angarium.porter import Handing, Porter, Visitor
from angarium.web import briefs
from angarium.web.porter import Desk, Hall
from support.running import until

ONE = b"POST /v1/messages HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}"
LONG = b"x" * 20_000
WHOLE = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(LONG) + LONG
SMALL_BYTES = 4_096  # of a socket's buffers
MANY = 2_000


class Answering:
    """An application that says much, and counts how often it was asked."""

    def __init__(self) -> None:
        self.asked = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.asked += 1
        head = [(b"content-length", b"%d" % len(LONG))]
        await send({"type": "http.response.start", "status": 200, "headers": head})
        await send({"type": "http.response.body", "body": LONG})


@asynccontextmanager
async def at_the_door(app: Answering) -> AsyncIterator[int]:
    """The port on which it takes connections, whose buffers are small."""
    loop = asyncio.get_running_loop()
    ours, theirs = socket.socketpair()
    handed, handing = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    handing.setblocking(False)
    porter, desk = Porter(handing), Desk(app, ("127.0.0.1", 80), list)
    transport, _ = await loop.create_unix_connection(lambda: porter, sock=theirs)
    await loop.create_unix_connection(lambda: desk, sock=ours)
    listening = socket.create_server(("127.0.0.1", 0))
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SMALL_BYTES)
    server = await loop.create_server(lambda: Visitor(porter), sock=listening)
    yield listening.getsockname()[1]
    server.close()
    await until(lambda: not porter.open)  # whose clients have gone
    desk.close()
    transport.close()
    handed.close()
    handing.close()
    await until(porter.gone.is_set)


async def test_who_does_not_read_answers_is_asked_nothing_more_of() -> None:
    """Else what is answered to one who only writes would fill the memory; no key is needed for that."""
    app = Answering()
    async with at_the_door(app) as port:
        client = socket.socket()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BYTES)
        client.connect(("127.0.0.1", port))
        client.setblocking(False)
        reader, writer = await asyncio.open_connection(sock=client, limit=SMALL_BYTES)
        reader._transport.pause_reading()  # type: ignore[attr-defined]  whoever never looks
        writer.write(ONE * MANY)
        await until(lambda: app.asked > 0)
        seen = -1
        while seen != app.asked:
            seen = app.asked
            await asyncio.sleep(0.2)
        assert seen < MANY // 10, "all of it was answered into nowhere"
        reader._transport.resume_reading()  # type: ignore[attr-defined]
        got = 0
        while got < MANY * len(WHOLE):
            got += len(await reader.read(1 << 20))
        assert app.asked == MANY  # who reads again is answered all
        writer.close()
        await writer.wait_closed()


async def test_a_connection_without_its_descriptor_keeps_nobody_from_coming() -> None:
    taken: list[bytes] = []

    async def take(connection: socket.socket, came: bytes) -> None:
        taken.append(came)
        connection.close()

    handed, handing = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    handed.setblocking(False)
    hall, loop = Hall(handed, take), asyncio.get_running_loop()
    loop.add_reader(handed, hall.read)
    handing.send(briefs.LAST + b"lost")
    with socket.socket() as one:
        socket.send_fds(handing, [briefs.MORE + b"he"], [one.fileno()])
        handing.send(briefs.LAST + b"llo")
    await until(lambda: taken == [b"hello"])
    loop.remove_reader(handed)
    handed.close()
    handing.close()


async def test_of_a_connection_that_came_in_part_nothing_is_taken_for_anothers() -> None:
    handed, handing = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    handed.setblocking(False)
    taken: list[tuple[int, bytes]] = []

    async def take(connection: socket.socket, came: bytes) -> None:
        taken.append((connection.getsockname()[1], came))
        connection.close()

    with socket.create_server(("127.0.0.1", 0)) as half, socket.create_server(("127.0.0.1", 0)) as whole:
        hall = Hall(handed, take)
        socket.send_fds(handing, [briefs.MORE + b"GET /mine"], [half.fileno()])
        socket.send_fds(handing, [briefs.LAST + b"GET /theirs"], [whole.fileno()])
        hall.read()
        await until(lambda: taken)
        assert taken == [(whole.getsockname()[1], b"GET /theirs")]
    handed.close()
    handing.close()


async def test_a_connection_that_cannot_be_handed_over_is_closed_and_stops_no_other() -> None:
    handed, handing = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    handed.close()  # so that nothing can be: as root no limit of the system's is met
    handing.setblocking(False)
    desk, ends = Handing(handing), [socket.socketpair() for _ in range(3)]
    for mine, theirs in ends:
        desk.give(theirs.detach(), b"x" * 200_000)
        assert mine.recv(1) == b""
        mine.close()
    handing.close()

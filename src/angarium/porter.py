"""`python -m angarium.porter`: takes connections beside a server, and reads short requests for it.

Three descriptors are given: the socket that listens, one for frames of requests and answers, and one over
which a connection goes to the server with all that came on it, because it asked something else. It has no
secrets and opens nothing. It ends with the server, or when the server says so and all that was asked is
answered; signals are the server's to hear.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections import deque
from typing import cast

import msgspec
import uvloop

from angarium.core.frames import frame, frames
from angarium.web import briefs
from angarium.web.briefs import Answer, Asked, Brief, Found

LOOK_S = 1.0
PATIENCE_S = 3.0  # with a request that is not whole; then it is the server's
UNREAD_MAX_BYTES = 2 * (briefs.HEAD_MAX_BYTES + briefs.BODY_MAX_BYTES)  # of one connection, while it waits

_encoder = msgspec.msgpack.Encoder()
_answers = msgspec.msgpack.Decoder(list[Answer])


class Porter(asyncio.Protocol):
    """The server at the other end: what it is asked, and what it answers, many in a frame."""

    def __init__(self, handing: socket.socket) -> None:
        self.handing = Handing(handing)
        self.open: set[Visitor] = set()
        self.gone = asyncio.Event()
        self.listener: asyncio.Server | None = None
        self.leaving = False  # it takes nothing more
        self._loop = asyncio.get_running_loop()
        self._asking: list[Asked] = []
        self._waiting: dict[int, Visitor] = {}
        self._number = 0
        self._buffer = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._server = cast("asyncio.Transport", transport)  # uvloop's is no subclass

    def connection_lost(self, exc: Exception | None) -> None:
        """There is no server any more."""
        self.gone.set()

    def ask(self, visitor: Visitor, client: tuple[str, int], brief: Brief) -> None:
        """Ask something; with all else that is asked in this turn of the loop."""
        self._number += 1
        self._waiting[self._number] = visitor
        if not self._asking:
            self._loop.call_soon(self._flush)
        self._asking.append(Asked(self._number, client, brief))

    def data_received(self, data: bytes) -> None:
        """Hand answers to those who asked; a frame without any says that it is time to go."""
        self._buffer += data
        for body in frames(self._buffer):
            answers = _answers.decode(body)
            if answers == briefs.LEAVE:
                self._leave()
            for answer in answers:
                self._waiting.pop(answer.number).answered(answer)
        if self.leaving and not self._waiting:
            self.gone.set()

    def look_around(self) -> None:
        """See to those who are idle or slow, now and again."""
        now = self._loop.time()
        for visitor in list(self.open):
            visitor.look(now)
        self._loop.call_later(LOOK_S, self.look_around)

    def _leave(self) -> None:
        self.leaving = True
        if self.listener is not None:
            self.listener.close()
        for visitor in list(self.open):
            visitor.go_when_idle()

    def _flush(self) -> None:
        asking, self._asking = self._asking, []
        self._server.write(frame(_encoder.encode(asking)))


class Handing:
    """Gives connections to the server, each with what came on it, in packets (`briefs.packets`)."""

    def __init__(self, way: socket.socket) -> None:
        self._way = way
        self._waiting: deque[tuple[bytes, int | None]] = deque()

    def give(self, descriptor: int, came: bytes) -> None:
        """Give one; the descriptor is ours, and closed once it is there."""
        idle = not self._waiting
        first, *others = briefs.packets(came)
        self._waiting.append((first, descriptor))
        self._waiting.extend((packet, None) for packet in others)
        if idle:
            self._send()

    def _send(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting:
            packet, descriptor = self._waiting[0]
            try:
                socket.send_fds(self._way, [packet], [] if descriptor is None else [descriptor])
            except BlockingIOError:
                loop.add_writer(self._way, self._send)
                return
            except OSError:  # the system has too many under way: it is hung up on, the others still go
                self._drop()
                continue
            self._waiting.popleft()
            if descriptor is not None:
                os.close(descriptor)
        loop.remove_writer(self._way)

    def _drop(self) -> None:
        """Forget the connection that is first, with all that came on it."""
        _, descriptor = self._waiting.popleft()
        if descriptor is not None:
            os.close(descriptor)
        while self._waiting and self._waiting[0][1] is None:
            self._waiting.popleft()


class Visitor(asyncio.Protocol):
    """A connection: one short request after the other, until it asks something else."""

    def __init__(self, porter: Porter) -> None:
        self._porter = porter
        self._loop = asyncio.get_running_loop()
        self._buffer = bytearray()
        self._waits = False  # for an answer
        self._reads = True  # what is answered; who does not is asked nothing more of
        self._says_no_more = False
        self._idle_max_s = briefs.HEAD_WITHIN_S  # until it has asked something
        self._since = 0.0  # when it began to be idle, or to speak

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Listen."""
        self._transport = cast("asyncio.Transport", transport)
        name = transport.get_extra_info("peername")
        if name is None:  # it has gone again already
            self._transport.abort()
            return
        self._client: tuple[str, int] = name[:2]
        self._since = self._loop.time()
        self._porter.open.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it; an answer that still comes is nobody's."""
        self._porter.open.discard(self)

    def data_received(self, data: bytes) -> None:
        """Read on."""
        if not self._buffer:
            self._since = self._loop.time()
        self._buffer += data
        if self._reads and not self._waits:
            self._read()
        elif len(self._buffer) > UNREAD_MAX_BYTES:
            self._transport.pause_reading()

    def pause_writing(self) -> None:
        """Answers pile up: nothing more is read before they are taken."""
        self._reads = False

    def resume_writing(self) -> None:
        """They are taken."""
        self._reads = True
        if not self._waits:
            self._go_on()

    def eof_received(self) -> bool:
        """Who says that nothing more comes may still wait for an answer."""
        self._says_no_more = True
        return self._waits

    def answered(self, answer: Answer) -> None:
        """Tell it, and read what came meanwhile."""
        self._waits = False
        if self._transport.is_closing():
            return
        self._transport.write(answer.said)
        if answer.closes or self._porter.leaving or (self._says_no_more and not self._buffer):
            self._transport.close()
            return
        self._since, self._idle_max_s = self._loop.time(), briefs.KEEP_ALIVE_S
        self._go_on()

    def go_when_idle(self) -> None:
        """Hang up, unless an answer is awaited; then after it."""
        if not self._waits:
            self._transport.close()

    def look(self, now: float) -> None:
        """Hang up on who is idle for long, and leave to the server who does not come to an end."""
        if self._waits or self._transport.is_closing():
            return
        if self._buffer and self._reads and now - self._since > PATIENCE_S:
            self._hand_over()
        elif now - self._since > self._idle_max_s:
            self._transport.abort()  # `close` would wait for who takes no answers

    def _go_on(self) -> None:
        if self._buffer and self._reads and not self._transport.is_closing():
            self._transport.resume_reading()
            self._read()

    def _read(self) -> None:
        found = briefs.read(self._buffer)
        if isinstance(found, Brief):
            self._waits = True
            self._porter.ask(self, self._client, found)
        elif found is Found.NONE:
            self._hand_over()

    def _hand_over(self) -> None:
        self._transport.pause_reading()
        copied = os.dup(self._transport.get_extra_info("socket").fileno())
        self._porter.handing.give(copied, bytes(self._buffer))
        self._porter.open.discard(self)
        self._transport.abort()  # of ours alone: the connection lives on in its copy


async def run(listening: int, asking: int, handing: int) -> None:
    """Take connections until the server is gone, or says that it is enough."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):  # which a terminal sends to all of a group
        loop.add_signal_handler(number, lambda: None)
    way = socket.socket(fileno=handing)
    way.setblocking(False)
    porter = Porter(way)
    await loop.create_unix_connection(lambda: porter, sock=socket.socket(fileno=asking))
    listener = socket.socket(fileno=listening)
    porter.listener = await loop.create_server(lambda: Visitor(porter), sock=listener, backlog=briefs.BACKLOG)
    porter.look_around()
    await porter.gone.wait()


if __name__ == "__main__":
    uvloop.run(run(*map(int, sys.argv[1:4])))

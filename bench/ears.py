"""Whoever is called about each receipt by gateways that keep none: counts the calls, says yes to each."""

from __future__ import annotations

import asyncio
import re
from typing import cast

import msgspec
import uvloop

from bench.http1 import message_end
from bench.talk import questions, say, told

ABOUT = re.compile(rb"[?&]n=(\d+)")
SAID = b"ACK/Jasmin"  # what Jasmin wants to hear; Kannel does not read it
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n%b" % (len(SAID), SAID)


class Ears(msgspec.Struct, frozen=True):
    """How many messages there are to be told of."""

    messages: int


class Heard(msgspec.Struct):
    """What was told."""

    messages: int = 0
    doubled: int = 0
    unclear: int = 0  # calls that name no message of the load


class Book:
    """Which messages were told of."""

    def __init__(self, messages: int) -> None:
        self._told = bytearray(messages)
        self.heard = Heard()

    def write(self, request: bytes | bytearray) -> None:
        """One call."""
        found = ABOUT.search(request)
        number = int(found[1]) if found else -1
        if not 0 <= number < len(self._told):
            self.heard.unclear += 1
        elif self._told[number]:
            self.heard.doubled += 1
        else:
            self._told[number] = 1
            self.heard.messages += 1


class Connection(asyncio.Protocol):
    """One caller."""

    def __init__(self, book: Book) -> None:
        self._book = book
        self._buffer = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ready."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass

    def data_received(self, data: bytes) -> None:
        """Every call that is whole."""
        self._buffer += data
        calls = 0
        while end := message_end(self._buffer):
            self._book.write(self._buffer[: self._buffer.find(b"\r\n")])
            del self._buffer[:end]
            calls += 1
        self._transport.write(ANSWER * calls)


async def main() -> None:
    """Listen until the leader has no more questions."""
    book = Book(told(Ears).messages)
    server = await asyncio.get_running_loop().create_server(lambda: Connection(book), "127.0.0.1", 0)
    say({"port": server.sockets[0].getsockname()[1]})
    async for _ in questions():
        say(book.heard)
    server.close()


if __name__ == "__main__":
    uvloop.run(main())

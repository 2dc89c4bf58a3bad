"""A server that accepts everything and does nothing: how fast the client can be."""

from __future__ import annotations

import asyncio
from typing import cast

import msgspec
import uvloop

from bench.http1 import message_end
from bench.talk import questions, say, told
from bench.traffic import To

RECEIPT = (
    b'"id":"msg_05a581yz00002","state":"queued","reason":"","class":"service","contact":"con_05a581yyw0000",'
    b'"reference":"","created_at":"2026-11-23T08:42:47.618Z","expires_at":"2026-11-25T08:42:47.618Z"}'
)


class Shape(msgspec.Struct, frozen=True):
    """What the answers look like."""

    batch: int  # messages in one request; 0: a single one
    to: To = "angarium"  # whose answers they are


SHORT = {  # of gateways that say no more
    "kannel": b"HTTP/1.1 202 Accepted\r\nContent-Length: 24\r\n\r\n0: Accepted for delivery",
    "jasmin": b'HTTP/1.1 200 OK\r\nContent-Length: 46\r\n\r\nSuccess "2b5c7c8e-6a5d-4c0f-9d0e-3a1f5b7c9d11"',
}


def answer(shape: Shape) -> bytes:
    """An answer as long as the server's own."""
    if shape.to != "angarium":
        return SHORT[shape.to]
    body = b"{" + RECEIPT
    if shape.batch:
        results = b",".join(b'{"index":%d,' % i + RECEIPT for i in range(shape.batch))
        body = b'{"accepted":%d,"rejected":0,"results":[%s]}' % (shape.batch, results)
    head = b"HTTP/1.1 202 Accepted\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(
        body
    )
    return head + body


class Connection(asyncio.Protocol):
    """Reads requests, answers each with the same bytes."""

    def __init__(self, said: bytes) -> None:
        self._said = said
        self._heard = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ready."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass

    def data_received(self, data: bytes) -> None:
        """Answer every request that is whole."""
        self._heard += data
        while end := message_end(self._heard):
            del self._heard[:end]
            self._transport.write(self._said)


async def main() -> None:
    """Listen until the leader has no more questions."""
    said = answer(told(Shape))
    server = await asyncio.get_running_loop().create_server(lambda: Connection(said), "127.0.0.1", 0)
    say({"port": server.sockets[0].getsockname()[1]})
    async for _ in questions():
        say({})
    server.close()


if __name__ == "__main__":
    uvloop.run(main())

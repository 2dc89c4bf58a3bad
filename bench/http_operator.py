"""A provider that takes a message by one HTTP request and posts its receipt: bytes, a ledger, no framework.

It stands for what a `generic_http` line is connected to (`bench.stage.http_line`): a JSON request, an id in
the answer, and a callback for each message once its receipt is due.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter, deque
from typing import cast
from urllib.parse import urlsplit

import msgspec
import uvloop

from bench.http1 import message_end
from bench.simulator import RECEIPT_DELAY_S, Count, Operator, Seen
from bench.talk import questions, say, told
from bench.traffic import number_of

CALLERS = 32  # callbacks under way at once
TURN_S = 0.005  # receipts that are due within it go together


class Taken(msgspec.Struct):
    """What it is asked to send."""

    to: str
    text: str
    callback: str = ""


class Provider:
    """The ledger, and what is still to be told."""

    def __init__(self) -> None:
        self._copies: Counter[tuple[str, str]] = Counter()
        self._arrived: list[tuple[int, float]] = []
        self._due: deque[tuple[float, int, str]] = deque()
        self._waiting: deque[tuple[int, str]] = deque()
        self._idle: list[Caller] = []
        self._callers = 0
        self._coming: set[asyncio.Future[None]] = set()
        self.delivered = 0

    def take(self, body: bytes | bytearray) -> bytes:
        """A message; the answer."""
        one = msgspec.json.decode(body, type=Taken)
        loop = asyncio.get_running_loop()
        number = len(self._arrived) + 1
        self._copies[one.to, one.text] += 1
        self._arrived.append((number_of(one.text), time.time()))
        if not self._due:
            loop.call_later(RECEIPT_DELAY_S, self._turn)
        self._due.append((loop.time() + RECEIPT_DELAY_S, number, one.callback))
        return b'{"id":"%d"}' % number

    def count(self) -> Count:
        """The ledger's sums."""
        return Count(len(self._arrived), len(self._arrived) - len(self._copies), self.delivered)

    def seen(self) -> Seen:
        """When each message arrived."""
        return Seen(len(self._arrived), self._arrived)

    # ── telling ──────────────────────────────────────────────────────────────────────────────────────

    def free(self, caller: Caller) -> None:
        """A caller has nothing to say."""
        self._idle.append(caller)
        self._hand_out()

    def gone(self, caller: Caller, receipt: tuple[int, str] | None) -> None:
        """A caller was hung up on; what it was saying is said again."""
        self._callers -= 1
        if caller in self._idle:
            self._idle.remove(caller)
        if receipt is not None:
            self._waiting.append(receipt)
        self._hand_out()

    def _turn(self) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time() + TURN_S
        while self._due and self._due[0][0] <= now:
            _, number, url = self._due.popleft()
            self._waiting.append((number, url))
        if self._due:
            loop.call_later(max(TURN_S, self._due[0][0] - loop.time()), self._turn)
        self._hand_out()

    def _hand_out(self) -> None:
        while self._waiting and self._idle:
            self._idle.pop().say(self._waiting.popleft())
        while self._callers < min(CALLERS, len(self._waiting)):
            self._callers += 1
            coming = asyncio.ensure_future(self._call(self._waiting[0][1]))
            self._coming.add(coming)
            coming.add_done_callback(self._coming.discard)

    async def _call(self, url: str) -> None:
        port = urlsplit(url).port
        await asyncio.get_running_loop().create_connection(lambda: Caller(self), "127.0.0.1", port)


class Caller(asyncio.Protocol):
    """A connection by which receipts are told, one at a time."""

    def __init__(self, provider: Provider) -> None:
        self._provider = provider
        self._answer = bytearray()
        self._receipt: tuple[int, str] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ready."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass
        self._provider.free(self)

    def say(self, receipt: tuple[int, str]) -> None:
        """Post one receipt."""
        self._receipt = receipt
        body = b'{"id":"%d","status":"DELIVRD"}' % receipt[0]
        head = (
            f"POST {urlsplit(receipt[1]).path} HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n"
        )
        self._transport.write(head.encode() + b"Content-Length: %d\r\n\r\n" % len(body) + body)

    def data_received(self, data: bytes) -> None:
        """What it is answered; whoever does not take a receipt is told it again on another connection."""
        self._answer += data
        if not message_end(self._answer):
            return
        if self._answer[9:10] != b"2":
            self._transport.close()
            return
        self._provider.delivered += 1
        self._answer.clear()
        self._receipt = None
        self._provider.free(self)

    def connection_lost(self, _error: Exception | None) -> None:
        """Its word is somebody else's now."""
        self._provider.gone(self, self._receipt)


class Desk(asyncio.Protocol):
    """A connection by which messages come."""

    def __init__(self, provider: Provider) -> None:
        self._provider = provider
        self._heard = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ready."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass

    def data_received(self, data: bytes) -> None:
        """Take every message that is whole."""
        self._heard += data
        said = bytearray()
        while end := message_end(self._heard):
            answer = self._provider.take(self._heard[self._heard.find(b"\r\n\r\n") + 4 : end])
            del self._heard[:end]
            said += b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (
                len(answer),
                answer,
            )
        self._transport.write(said)


async def main() -> None:
    """Play until the leader has no more questions."""
    provider = Provider()
    given = told(Operator)
    server = await asyncio.get_running_loop().create_server(lambda: Desk(provider), "127.0.0.1", given.port)
    say({"port": server.sockets[0].getsockname()[1]})
    async for question in questions():
        say(provider.seen() if question == "arrivals" else provider.count())
    server.close()


if __name__ == "__main__":
    uvloop.run(main())

"""A client that costs next to nothing: prepared bytes over kept connections, answers counted and timed."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Iterator
from typing import cast

import msgspec
import uvloop

from bench.http1 import message_end
from bench.talk import questions, say, told
from bench.traffic import ACCEPTED_AS, Load, requests

ACCEPTED = re.compile(rb'\r\n\r\n\{"accepted":(\d+)')
NOT_SENT = re.compile(rb'"reason":"[a-z]|"problem":')  # refused, held, or not even accepted


class Sent(msgspec.Struct):
    """What became of a load."""

    began_at: float  # by the machine's monotonic clock, which all processes share
    answered_at: float
    requests: int
    accepted: int
    refused: list[str]  # the first lines of answers that did not accept, and messages that will not be sent
    latency_p50_ms: float
    latency_p99_ms: float


class Drive:
    """One load: what is left to send, and what was answered."""

    def __init__(self, load: Load) -> None:
        self.load = load
        self.requests = requests(load)
        self.expected = ACCEPTED_AS[load.to]
        self.left: Iterator[bytes] = iter(self.requests)
        self.accepted = 0
        self.refused: list[str] = []
        self.latencies_s: list[float] = []
        self.done = asyncio.Event()

    async def run(self) -> Sent:
        """Send it all; returns with the last answer."""
        began_at = time.monotonic()
        loop = asyncio.get_running_loop()
        for _ in range(min(self.load.connections, len(self.requests))):
            await loop.create_connection(lambda: Connection(self), "127.0.0.1", self.load.port)
        await self.done.wait()
        return self.sent(began_at)

    def sent(self, began_at: float) -> Sent:
        """What became of it."""
        answered_at, latencies = time.monotonic(), sorted(self.latencies_s)
        return Sent(
            began_at,
            answered_at,
            len(latencies),
            self.accepted,
            self.refused,
            latencies[len(latencies) // 2] * 1000,
            latencies[len(latencies) * 99 // 100] * 1000,
        )

    def answered(self, request: bytes, answer: bytearray, seconds: float) -> None:
        """Count one answer."""
        self.latencies_s.append(seconds)
        if NOT_SENT.search(answer):
            self.refused += not_sent(request, answer)
        if answer[9:12] != self.expected:
            self.refused.append(answer.partition(b"\r\n")[0].decode())
        elif self.load.batch:
            found = ACCEPTED.search(answer)
            self.accepted += int(found[1]) if found else 0
        else:
            self.accepted += 1
        if len(self.latencies_s) == len(self.requests):
            self.done.set()

    def gone(self, error: Exception | None) -> None:
        """A connection went before its answer came."""
        self.refused.append(f"connection lost: {error}")
        self.done.set()


class Connection(asyncio.Protocol):
    """One request after the other."""

    def __init__(self, drive: Drive) -> None:
        self._drive = drive
        self._answer = bytearray()
        self._waiting = False
        self._request = b""
        self._sent_at = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass
        self._next()

    def data_received(self, data: bytes) -> None:
        """An answer, or some of it."""
        self._answer += data
        if message_end(self._answer):
            self._drive.answered(self._request, self._answer, time.monotonic() - self._sent_at)
            self._answer.clear()
            self._next()

    def connection_lost(self, error: Exception | None) -> None:
        """It may go when nothing is under way."""
        if self._waiting:
            self._drive.gone(error)

    def _next(self) -> None:
        request = next(self._drive.left, None)
        self._waiting = request is not None
        if request is None:
            self._transport.close()
            return
        self._request, self._sent_at = request, time.monotonic()
        self._transport.write(request)


def not_sent(request: bytes, answer: bytes | bytearray) -> list[str]:
    """The messages of a request that were not taken on to be sent at once, each with why."""
    asked, told_ = (msgspec.json.decode(one.partition(b"\r\n\r\n")[2]) for one in (request, answer))
    pairs = zip(asked.get("messages", [asked]), told_.get("results", [told_]), strict=True)
    return [
        f"{said.get('state', 'rejected')} ({said.get('reason') or said['problem']['detail']}): {one['text']}"
        for one, said in pairs
        if said.get("reason") or "problem" in said
    ]


async def main() -> None:
    """Prepare, wait for the word, send."""
    drive = Drive(told(Load))
    say({"ready": len(drive.requests)})
    async for _ in questions():
        say(await drive.run())


if __name__ == "__main__":
    uvloop.run(main())

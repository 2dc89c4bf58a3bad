"""Requests at fixed times over kept connections, whatever becomes of those before them: an open model.

A request that finds no connection free waits for one, and its clock has been running since the moment it was
meant for. So a gateway that stands still for a moment is charged with everybody who came meanwhile.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from typing import cast

import msgspec
import uvloop

from bench.codes import Asked
from bench.http1 import message_end
from bench.talk import questions, say, told
from bench.traffic import Load, requests

BEGIN_AFTER_S = 0.1


class Pace(msgspec.Struct, frozen=True):
    """A load, and how fast it comes."""

    load: Load
    per_s: float


class Course:
    """What is left to ask, who may ask it, and what was answered."""

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._requests = requests(pace.load)
        self._meant_at: list[float] = []
        self._begun = 0
        self._waiting: deque[int] = deque()
        self._idle: deque[Connection] = deque()
        self._asked: list[Asked] = []
        self._over: asyncio.Future[list[Asked]] = asyncio.get_running_loop().create_future()

    def __len__(self) -> int:
        return len(self._requests)

    async def run(self) -> list[Asked]:
        """Ask everything at its time; returns with the last answer."""
        loop = asyncio.get_running_loop()
        for _ in range(self._pace.load.connections):
            await loop.create_connection(lambda: Connection(self), "127.0.0.1", self._pace.load.port)
        first_at = time.time() + BEGIN_AFTER_S
        self._meant_at = [first_at + number / self._pace.per_s for number in range(len(self._requests))]
        loop.call_later(BEGIN_AFTER_S, self._turn)
        return await self._over

    def free(self, connection: Connection) -> None:
        """A connection has nothing to do."""
        self._idle.append(connection)
        self._hand_out()

    def answered(self, number: int, status: int) -> None:
        """Write down an answer."""
        self._asked.append(Asked(number, self._meant_at[number], time.time(), status))
        if len(self._asked) == len(self._requests):
            self._over.set_result(self._asked)

    def gone(self, error: Exception | None) -> None:
        """A connection went before its answer came."""
        if not self._over.done():
            self._over.set_exception(error or ConnectionResetError("the gateway hung up"))

    def _turn(self) -> None:
        """Everything whose time has come."""
        now = time.time()
        while self._begun < len(self._meant_at) and self._meant_at[self._begun] <= now:
            self._waiting.append(self._begun)
            self._begun += 1
        self._hand_out()
        if self._begun < len(self._meant_at):
            asyncio.get_running_loop().call_later(self._meant_at[self._begun] - now, self._turn)

    def _hand_out(self) -> None:
        while self._waiting and self._idle:
            number = self._waiting.popleft()
            self._idle.popleft().ask(number, self._requests[number])


class Connection(asyncio.Protocol):
    """One request at a time."""

    def __init__(self, course: Course) -> None:
        self._course = course
        self._answer = bytearray()
        self._number = -1

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ready."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass
        self._course.free(self)

    def ask(self, number: int, request: bytes) -> None:
        """Send a request."""
        self._number = number
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        """An answer, or some of it."""
        self._answer += data
        if message_end(self._answer):
            self._course.answered(self._number, int(self._answer[9:12]))
            self._answer.clear()
            self._number = -1
            self._course.free(self)

    def connection_lost(self, error: Exception | None) -> None:
        """It may go when nothing is under way."""
        if self._number >= 0:
            self._course.gone(error)


async def main() -> None:
    """Prepare, wait for the word, ask."""
    course = Course(told(Pace))
    say({"ready": len(course)})
    async for _ in questions():
        say(await course.run())


if __name__ == "__main__":
    uvloop.run(main())

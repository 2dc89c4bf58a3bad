"""`python -m angarium.drill.client GIVEN`: asks for messages at a steady pace, whatever the server does.

An open model: each message has the instant at which it is asked for, and its answer is timed from then, so
that a server that stands still cannot hide it. Every message is written into the client's ledger before it is
asked for, and again with the answer. A request is repeated under its own Idempotency-Key until it is
answered.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import IO, Any

import aiohttp
import msgspec
import uvloop

from angarium.client import Api, ApiError
from angarium.core.clock import MICROS, Clock, SystemClock
from angarium.drill import load
from angarium.drill.books import Acked, Attempted, Refused
from angarium.drill.dice import Dice
from angarium.drill.load import Document, Kind

TICK_S = 0.01
GATHER_S = 0.25  # how long a batch waits for more of its kind
BATCH_MAX = 250
AGAIN_S = 0.25
AGAIN = {409, 425, 429, 500, 502, 503, 504}  # not an answer to the message: ask again under the same key


class Given(msgspec.Struct, frozen=True):
    """What a client is handed."""

    urls: tuple[str, ...]  # of servers that are alike: who is not answered by one asks the next
    keys: dict[str, str]  # of each workspace
    ledger: str
    seed: int
    rate: float
    seconds: float


class Book:
    """The client's ledger: JSON lines, each written before anything follows from it."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self._file: IO[bytes] = path.open("ab", buffering=0)
        self._clock = clock

    def write(self, *entries: Attempted | Acked | Refused) -> None:
        """Append."""
        self._file.write(b"".join(msgspec.json.encode(entry) + b"\n" for entry in entries))

    def now(self) -> float:
        """The time of an entry, seconds since 1970."""
        return self._clock.now() / MICROS


class Client:
    """Everybody who sends."""

    def __init__(self, given: Given, clock: Clock) -> None:
        self._given = given
        self._clock = clock
        self._dice = Dice(given.seed)
        self._book = Book(Path(given.ledger), clock)
        self._apis = {
            workspace: [Api(url, key, clock) for url in given.urls] for workspace, key in given.keys.items()
        }
        self._turn = 0
        self._gathering: dict[str, list[tuple[Document, float]]] = {}
        self._asking: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Ask for everything; returns with the last answer."""
        for api in self._everywhere():
            await api.__aenter__()
        began, began_at, number = self._clock.monotonic(), self._book.now(), 0
        total = round(self._given.rate * self._given.seconds)
        while number < total:
            passed_s = self._clock.monotonic() - began
            while number < total and number <= passed_s * self._given.rate:
                self._offer(number, began_at + number / self._given.rate)
                number += 1
            await self._clock.sleep(TICK_S)
        for kind in list(self._gathering):
            self._post_batch(kind)
        while self._asking:
            await asyncio.wait(self._asking)
        for api in self._everywhere():
            await api.__aexit__()

    def _everywhere(self) -> list[Api]:
        return [api for apis in self._apis.values() for api in apis]

    def _offer(self, number: int, intended_at: float) -> None:
        kind = load.kind_of(self._dice, number)
        body = load.message(self._dice, number, kind)
        self._book.write(Attempted(body["reference"], kind.name, intended_at))
        if not kind.batched:
            self._run(self._ask(kind, "/v1/messages", body, body["reference"], [(body, intended_at)]))
            return
        gathered = self._gathering.setdefault(kind.name, [])
        gathered.append((body, intended_at))
        if len(gathered) == 1:
            asyncio.get_running_loop().call_later(GATHER_S, self._post_batch, kind.name)
        elif len(gathered) == BATCH_MAX:
            self._post_batch(kind.name)

    def _post_batch(self, name: str) -> None:
        batch = self._gathering.pop(name, None)
        if not batch:  # it was full before its time
            return
        body = {"messages": [message for message, _ in batch]}
        key = f"{name}-{batch[0][0]['reference']}"
        self._run(self._ask(load.BY_NAME[name], "/v1/messages/batch", body, key, batch))

    def _run(self, asking: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(asking)
        self._asking.add(task)
        task.add_done_callback(self._asking.discard)

    async def _ask(
        self, kind: Kind, path: str, body: Document, key: str, batch: list[tuple[Document, float]]
    ) -> None:
        apis, tries = self._apis[kind.workspace], 0
        self._turn += 1
        begin = self._turn
        while True:
            tries += 1
            try:
                answer = await apis[(begin + tries) % len(apis)].call("POST", path, body, key)
                break
            except ApiError as error:
                if error.status not in AGAIN:
                    answer = {"problem": str(error)}
                    break
            except (TimeoutError, aiohttp.ClientError, OSError, msgspec.DecodeError):
                pass
            await self._clock.sleep(AGAIN_S)
        self._answered(answer, batch, tries)

    def _answered(self, answer: Document, batch: list[tuple[Document, float]], tries: int) -> None:
        now = self._book.now()
        results = answer.get("results") or [answer] * len(batch)
        entries: list[Acked | Refused] = []
        for (body, _), result in zip(batch, results, strict=True):
            if "id" in result:
                entries.append(Acked(body["reference"], result["id"], now, tries))
            else:
                entries.append(Refused(body["reference"], str(result["problem"]), now))
        self._book.write(*entries)


def main() -> None:
    """Run until everything was answered."""
    given = msgspec.json.decode(sys.argv[1], type=Given)
    uvloop.run(Client(given, SystemClock()).run())


if __name__ == "__main__":
    main()

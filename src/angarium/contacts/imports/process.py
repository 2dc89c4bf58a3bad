"""The worker as the server sees it: begun with a job, read frame by frame, ended when it is not wanted."""

from __future__ import annotations

import asyncio
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from typing import Self, TypeVar

import msgspec

from angarium.contacts.imports.blocks import LENGTH_BYTES, Reserved
from angarium.contacts.imports.looking import Seen
from angarium.contacts.imports.tables import Unreadable
from angarium.contacts.imports.worker import FRAME_MAX_BYTES, NO_ROOM, Batch, Frame, Job, Refusal
from angarium.storage.database import Trouble, unavailable

MODULE = "angarium.contacts.imports.worker"
AHEAD_BYTES = 1 << 20  # what is read before it is asked for
LOOK_WITHIN_S = 120.0

Piece = Batch | Reserved
T = TypeVar("T")

_decoder = msgspec.msgpack.Decoder(Frame)


class Worker:
    """A process that reads one file."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._process: Process | None = None

    async def __aenter__(self) -> Self:
        # -P: what lies in the folder that we run in is not imported
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-P", "-m", MODULE, stdin=PIPE, stdout=PIPE, stderr=DEVNULL, limit=AHEAD_BYTES,
            env=environment(),
        )  # fmt: skip
        assert self._process.stdin is not None
        self._process.stdin.write(msgspec.json.encode(self._job) + b"\n")
        return self

    async def __aexit__(self, *_: object) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()

    async def frames(self) -> AsyncIterator[Frame]:
        """What it finds, to the end; Unreadable when the file is no table, or it died over it.

        A Problem when there was no room for a block.
        """
        assert self._process is not None
        assert self._process.stdout is not None
        while True:
            try:
                length = int.from_bytes(await self._process.stdout.readexactly(LENGTH_BYTES), "big")
                if length > FRAME_MAX_BYTES:
                    raise Unreadable("has rows that are too large", "save it as CSV")
                body = await self._process.stdout.readexactly(length)
            except asyncio.IncompleteReadError:
                if await self._process.wait() == NO_ROOM:
                    raise unavailable(Trouble.FULL) from None
                raise Unreadable(
                    "cannot be read: it takes too much", "save it as CSV, or cut it in two"
                ) from None
            frame = _decoder.decode(body)
            if isinstance(frame, Refusal):
                raise Unreadable(frame.problem, frame.remedy)
            yield frame
            if not isinstance(frame, Batch | Reserved):
                return


class Ahead:
    """What a worker finds, read while what came before is written: as many batches at once as have come."""

    def __init__(self, worker: Worker, most: int) -> None:
        self._worker = worker
        self._most = most
        self._come: asyncio.Queue[Piece | Exception | None] = asyncio.Queue(most)
        self._held: list[Piece | Exception | None] = []  # the last is what there is at the end
        self._reading: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._reading = asyncio.create_task(self._read())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.wait([self._reading])

    async def some(self) -> tuple[list[Reserved], list[Batch]]:
        """What is next, until it is `done`: one of these, and nothing at the end. Raises as `frames`."""
        if not self._held:
            self._held.append(await self._come.get())
        while len(self._held) < self._most and not self._come.empty():
            self._held.append(self._come.get_nowait())
        if isinstance(self._held[0], Exception):
            raise self._held[0]
        return _first(Reserved, self._held), _first(Batch, self._held)

    def done(self, count: int) -> None:
        """So many of them need not come again."""
        del self._held[:count]

    async def _read(self) -> None:
        end: Exception | None = None
        try:
            async for frame in self._worker.frames():
                if isinstance(frame, Batch | Reserved):
                    await self._come.put(frame)
        except Exception as error:  # told to whoever waits for the next batch
            end = error
        await self._come.put(end)


def _first(kind: type[T], held: Sequence[object]) -> list[T]:
    """Those of a kind with which it begins."""
    found: list[T] = []
    for one in held:
        if not isinstance(one, kind):
            break
        found.append(one)
    return found


async def looked_at(job: Job) -> Seen:
    """A first look at a file, in a process of its own; Unreadable when it is no table."""
    try:
        async with asyncio.timeout(LOOK_WITHIN_S), Worker(job) as worker:
            async for frame in worker.frames():
                if hasattr(frame, "seen"):
                    seen: Seen = frame.seen
                    return seen
    except TimeoutError:
        raise Unreadable("takes too long to look at", "save it as CSV, or cut it in two") from None
    raise Unreadable("shows nothing", "save it again")


def environment() -> dict[str, str]:
    """What the worker may know: where Python finds our code, and nothing of the server's settings."""
    kept = ("PATH", "PYTHONPATH", "VIRTUAL_ENV", "LANG", "LC_ALL", "HOME", "TZ")
    return {name: os.environ[name] for name in kept if name in os.environ}

"""The process that makes messages ready, as the server sees it: asked one thing at a time, of one workspace
after another, begun when it is needed, and ended when it has not been for a while.

A question and its answer are each a frame of MessagePack with its length before it; before its first answer
comes an empty frame, when it is ready.
"""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import PIPE, Process
from contextlib import suppress
from typing import TypeVar

import msgspec
import structlog

from angarium.core.clock import Clock
from angarium.core.fairness import FairLock
from angarium.core.frames import LENGTH_BYTES, frame
from angarium.core.service import Supervisor
from angarium.messaging.batch import Batch, Offered
from angarium.messaging.composing import Asked, Composed

log = structlog.get_logger()

AHEAD_BYTES = 1 << 22
IDLE_S = 60.0  # without a question, then it ends
ANSWER_WITHIN_S = 5.0  # some twenty times what it takes; meanwhile somebody waits for an answer of ours
BEGIN_WITHIN_S = 30.0
AGAIN_S = 5.0  # how long it is left alone when it did not begin
NOBODYS = 0  # what is done for no workspace

T = TypeVar("T")

_encoder = msgspec.msgpack.Encoder()
FOUND = msgspec.msgpack.Decoder(Composed | None)
BATCH_FOUND = msgspec.msgpack.Decoder(Batch | None)


class ComposerProcess:
    """Runs `python -m MODULE`, which is told what it stands on by a line on its stdin."""

    def __init__(self, module: str, told: bytes, clock: Clock) -> None:
        self._module = module
        self._told = told
        self._clock = clock
        self._process: Process | None = None  # once it is ready
        self._one_at_a_time = FairLock()
        self._asked_at = 0.0
        self._not_before = 0.0  # by the monotonic clock, as the one before
        self._supervisor = Supervisor(clock)
        self._watched = False

    @property
    def is_up(self) -> bool:
        """Whether it answers at once."""
        return self._process is not None and self._process.returncode is None

    def begin(self) -> None:
        """Have it begin meanwhile, where it is not up."""
        idle = not self.is_up and not self._one_at_a_time.locked()
        if idle and self._clock.monotonic() >= self._not_before:
            self._supervisor.run("composer begins", self._begin_once)

    async def compose(self, asked: Asked) -> Composed | None:
        """What was asked for; None where only the server itself can say. Raises OSError when it is gone."""
        return await self._answer(asked, FOUND)

    async def batch(self, offered: Offered) -> Batch | None:
        """The same, of a request for many messages."""
        return await self._answer(offered, BATCH_FOUND)

    async def stop(self) -> None:
        """End it; it begins again when it is asked for something."""
        self._watched = False
        await self._supervisor.stop()
        async with self._one_at_a_time.held(NOBODYS):
            await self._end()

    async def end_if_idle(self) -> None:
        """End it when it was not asked for a while."""
        async with self._one_at_a_time.held(NOBODYS):
            if self._clock.monotonic() - self._asked_at >= IDLE_S:
                await self._end()

    async def _answer(self, question: Asked | Offered, answers: msgspec.msgpack.Decoder[T]) -> T:
        async with self._one_at_a_time.held(question.workspace_id):
            self._asked_at = self._clock.monotonic()
            try:
                if not self.is_up:
                    await self._begin()
                assert self._process is not None
                async with asyncio.timeout(ANSWER_WITHIN_S):
                    return answers.decode(await _ask(self._process, _encoder.encode(question)))
            except BaseException as error:  # also when nobody waits any more: its answer would be next
                await self._end()
                if isinstance(error, TimeoutError | EOFError):
                    raise OSError("it ended, or did not answer") from error
                raise

    async def _begin_once(self) -> None:
        async with self._one_at_a_time.held(NOBODYS):
            if self.is_up:
                return
            self._asked_at = self._clock.monotonic()
            try:
                await self._begin()
            except (OSError, EOFError, TimeoutError) as error:
                await self._end()
                self._not_before = self._clock.monotonic() + AGAIN_S
                log.warning("the composer did not begin", why=repr(error))

    async def _begin(self) -> None:
        await self._end()
        # -P: what lies in the folder that we run in is not imported; a crash below Python is in our log
        self._process = process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-X", "faulthandler", "-m", self._module),
            stdin=PIPE,
            stdout=PIPE,
            limit=AHEAD_BYTES,
        )
        assert process.stdout is not None
        assert process.stdin is not None
        process.stdin.write(self._told + b"\n")
        async with asyncio.timeout(BEGIN_WITHIN_S):
            await process.stdout.readexactly(LENGTH_BYTES)  # it is ready
        if not self._watched:
            self._watched = True
            self._supervisor.run("composer", self._end_when_idle)

    async def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            with suppress(ProcessLookupError):
                process.kill()  # it only reads
            await process.wait()

    async def _end_when_idle(self) -> None:
        while True:
            await self._clock.sleep(IDLE_S)
            await self.end_if_idle()


async def _ask(process: Process, question: bytes) -> bytes:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(frame(question))
    await process.stdin.drain()
    length = int.from_bytes(await process.stdout.readexactly(LENGTH_BYTES), "big")
    return await process.stdout.readexactly(length)

"""The process that makes messages ready, as the server sees it: asked one thing at a time, begun when it is
needed, and ended when it has not been for a while.

A question and its answer are each a frame of MessagePack with its length before it.
"""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import PIPE, Process
from contextlib import suppress

import msgspec

from angarium.core.clock import Clock
from angarium.core.frames import LENGTH_BYTES, frame
from angarium.core.service import Supervisor
from angarium.messaging.composing import Asked, Composed

AHEAD_BYTES = 1 << 22
IDLE_S = 60.0  # without a question, then it ends
ANSWER_WITHIN_S = 30.0

_encoder = msgspec.msgpack.Encoder()
FOUND = msgspec.msgpack.Decoder(Composed | None)


class ComposerProcess:
    """Runs `python -m MODULE`, which is told what it stands on by a line on its stdin."""

    def __init__(self, module: str, told: bytes, clock: Clock) -> None:
        self._module = module
        self._told = told
        self._clock = clock
        self._process: Process | None = None
        self._one_at_a_time = asyncio.Lock()
        self._asked_at = 0.0
        self._supervisor = Supervisor(clock)
        self._watched = False

    async def compose(self, asked: Asked) -> Composed | None:
        """What was asked for; None where only the server itself can say. Raises OSError when it is gone."""
        async with self._one_at_a_time:
            self._asked_at = self._clock.monotonic()
            process = self._process or await self._begin()
            try:
                async with asyncio.timeout(ANSWER_WITHIN_S):
                    return await _ask(process, asked)
            except BaseException as error:  # also when nobody waits any more: its answer would be next
                await self._end()
                if isinstance(error, TimeoutError | EOFError):
                    raise OSError("it ended, or did not answer") from error
                raise

    async def stop(self) -> None:
        """End it; it begins again when it is asked for something."""
        self._watched = False
        await self._supervisor.stop()
        async with self._one_at_a_time:
            await self._end()

    async def end_if_idle(self) -> None:
        """End it when it was not asked for a while."""
        async with self._one_at_a_time:
            if self._clock.monotonic() - self._asked_at >= IDLE_S:
                await self._end()

    async def _begin(self) -> Process:
        # -P: what lies in the folder that we run in is not imported
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", self._module), stdin=PIPE, stdout=PIPE, limit=AHEAD_BYTES
        )
        assert self._process.stdin is not None
        self._process.stdin.write(self._told + b"\n")
        if not self._watched:
            self._watched = True
            self._supervisor.run("composer", self._end_when_idle)
        return self._process

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


async def _ask(process: Process, asked: Asked) -> Composed | None:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(frame(_encoder.encode(asked)))
    await process.stdin.drain()
    length = int.from_bytes(await process.stdout.readexactly(LENGTH_BYTES), "big")
    found: Composed | None = FOUND.decode(await process.stdout.readexactly(length))
    return found

"""A way that can go dark: TCP from a port of ours to another place, over which suddenly nothing comes.

As when a cable is pulled: connections stay open, new ones are made and hear nothing, and nobody is told. When
the light is on again, what waited goes on its way, as TCP's retransmissions would.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from typing import Any

from angarium.processes import free_port

Place = str | tuple[str, int]  # a socket's path, or an address
PIECE_BYTES = 65_536


class Relay:
    """One way. `places` are tried in their order, from another one each time."""

    def __init__(self, *places: Place, port: int = 0, host: str = "127.0.0.1") -> None:
        self.host = host
        self.port = port or free_port()
        self._places: Sequence[Place] = places
        self._light = asyncio.Event()
        self._light.set()
        self._server: asyncio.Server | None = None
        self._running: set[asyncio.Task[None]] = set()
        self._turn = 0

    async def open(self) -> None:
        """Listen."""
        self._server = await asyncio.start_server(self._accepted, self.host, self.port)

    async def close(self) -> None:
        """Close everything."""
        if self._server is not None:
            self._server.close()
        for task in list(self._running):
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    def go_dark(self) -> None:
        """From now on nothing passes, either way."""
        self._light.clear()

    def light_up(self) -> None:
        """What waited passes, and everything that comes."""
        self._light.set()

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._run(self._lead(reader, writer))

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _lead(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._light.wait()
        there = await self._reached()
        if there is None:
            writer.transport.abort()
            return

        def done() -> None:  # both ends, once one is
            writer.transport.abort()
            there[1].transport.abort()

        self._run(self._carry(reader, there[1], done))
        self._run(self._carry(there[0], writer, done))

    async def _reached(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        self._turn += 1
        for offset in range(len(self._places)):
            place = self._places[(self._turn + offset) % len(self._places)]
            with suppress(OSError):
                if isinstance(place, str):
                    return await asyncio.open_unix_connection(place)
                return await asyncio.open_connection(*place)
        return None

    async def _carry(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, done: Callable[[], None]
    ) -> None:
        try:
            while piece := await reader.read(PIECE_BYTES):
                await self._light.wait()
                writer.write(piece)
                await writer.drain()
            await self._light.wait()
            with suppress(OSError, RuntimeError):
                writer.write_eof()
        except OSError:
            done()
        except asyncio.CancelledError:
            done()
            raise

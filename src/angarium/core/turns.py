"""What is to run on one server at a time: it runs while this one has its lease."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

from angarium.core.clock import Clock
from angarium.core.fabric import Fabric, Lease
from angarium.core.service import Service, Supervisor

LOOK_S = 1.0  # how often it is looked whether the turn is ours, or still is


async def alone(fabric: Fabric, clock: Clock, key: str, loop: Callable[[], Awaitable[None]]) -> None:
    """Run `loop` whenever it is this server's turn, until cancelled; what it raises ends the turn."""
    while True:
        lease = await fabric.lease(key)
        if lease is None:
            await clock.sleep(LOOK_S)
            continue
        try:
            await _while_held(fabric, clock, lease, loop)
        finally:
            await fabric.release(lease)


async def _while_held(
    fabric: Fabric, clock: Clock, lease: Lease, loop: Callable[[], Awaitable[None]]
) -> None:
    work, held = asyncio.ensure_future(loop()), asyncio.ensure_future(_until_unheld(fabric, clock, lease))
    try:
        await asyncio.wait((work, held), return_when=asyncio.FIRST_COMPLETED)
        if work.done():
            work.result()
    finally:
        for task in (work, held):
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


async def _until_unheld(fabric: Fabric, clock: Clock, lease: Lease) -> None:
    while fabric.held(lease):
        await clock.sleep(LOOK_S)


class InTurn:
    """A service that runs on one server at a time. It is a service itself."""

    def __init__(self, fabric: Fabric, clock: Clock, name: str, service: Service) -> None:
        self._fabric = fabric
        self._clock = clock
        self._name = name
        self._service = service
        self._supervisor = Supervisor(clock)

    async def start(self) -> None:
        """Run it as soon as it is this server's turn."""
        self._supervisor.run(f"turn {self._name}", self._take_turns)

    async def stop(self) -> None:
        """End it, and leave the turn to another."""
        await self._supervisor.stop()

    async def _take_turns(self) -> None:
        await alone(self._fabric, self._clock, f"turn/{self._name}", self._run)

    async def _run(self) -> None:
        await self._service.start()
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            await self._service.stop()

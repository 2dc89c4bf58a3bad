"""What removes files by itself: those that were deleted long enough ago, and those that belong to no row."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from angarium.content.media import flows
from angarium.content.media.flows import MediaRoom
from angarium.core.clock import micros
from angarium.core.service import Supervisor

EVERY_S = 3_600.0  # no upload takes as long: what is older and has no row never gets one


class Tidier:
    """Keeps the shelf of media tidy. A service: start and stop it."""

    def __init__(self, room: MediaRoom, workspaces: Callable[[], Awaitable[list[int]]]) -> None:
        self._room = room
        self._workspaces = workspaces
        self._supervisor = Supervisor(room.ground.clock)

    async def start(self) -> None:
        """Tidy once in a while."""
        self._supervisor.run("media", self._watch)

    async def stop(self) -> None:
        """Stop at once; nothing is half done."""
        await self._supervisor.stop()

    async def _watch(self) -> None:
        while True:
            await self.work()
            await self._room.ground.clock.sleep(EVERY_S)

    async def work(self) -> int:
        """Tidy now; how many files went."""
        ground = self._room.ground
        now, wanted = ground.clock.now(), set[int]()
        for workspace_id in await self._workspaces():
            wanted.update(await ground.db.run(flows.tidy, workspace_id, now))
        return await asyncio.to_thread(self._room.shelf.sweep, wanted, now - micros(EVERY_S))

"""A composer that reads the same database in this process: what its process does, without the process."""

from __future__ import annotations

from dataclasses import replace

import msgspec

from angarium.campaigns.composer import FOUND
from angarium.messaging import composing
from angarium.messaging.composing import Asked, Composed, GivenIds
from angarium.messaging.world import World


class Reader:
    """Composes on a world of its own."""

    def __init__(self, world: World) -> None:
        self._world = replace(world)
        self._ground = world.ground
        self.composed = 0  # batches

    async def compose(self, asked: Asked) -> Composed | None:
        """Through the wire's format, as it comes from a process."""
        self._world.ground = replace(self._ground, ids=GivenIds(self._ground.clock, asked.ids))
        found = await self._ground.db.read(composing.compose, self._world, asked)
        read = FOUND.decode(msgspec.msgpack.encode(found))
        self.composed += read is not None
        return read

    async def stop(self) -> None:
        """Nothing to end."""


class Broken:
    """A composer that is gone."""

    async def compose(self, asked: Asked) -> Composed | None:
        """It cannot."""
        raise OSError("it ended")

    async def stop(self) -> None:
        """Nothing to end."""

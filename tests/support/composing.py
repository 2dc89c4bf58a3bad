"""A composer that reads the same database in this process: what its process does, without the process."""

from __future__ import annotations

from dataclasses import replace

import msgspec

from angarium.messaging import batch, composing
from angarium.messaging.batch import Batch, Offered
from angarium.messaging.composer import BATCH_FOUND, FOUND
from angarium.messaging.composing import Asked, Composed
from angarium.messaging.world import World


class Reader:
    """Composes on a world of its own."""

    def __init__(self, world: World) -> None:
        self._world = replace(world)
        self._ground = world.ground
        self.composed = 0  # batches
        self.is_up = True

    def begin(self) -> None:
        """From now on it answers at once."""
        self.is_up = True

    async def compose(self, asked: Asked) -> Composed | None:
        """Through the wire's format, as it comes from a process."""
        await composing.look_anew(self._world, asked)
        found = await self._ground.db.read(composing.compose, self._world, asked)
        read = FOUND.decode(msgspec.msgpack.encode(found))
        self.composed += read is not None
        return read

    async def batch(self, offered: Offered) -> Batch | None:
        """The same."""
        await composing.look_anew(self._world, offered)
        found = await self._ground.db.read(batch.compose, self._world, offered)
        read = BATCH_FOUND.decode(msgspec.msgpack.encode(found))
        self.composed += read is not None
        return read

    async def stop(self) -> None:
        """Nothing to end."""


class Broken:
    """A composer that is gone."""

    is_up = True

    def begin(self) -> None:
        """It cannot."""

    async def batch(self, offered: Offered) -> Batch | None:
        """It cannot."""
        raise OSError("it ended")

    async def compose(self, asked: Asked) -> Composed | None:
        """It cannot."""
        raise OSError("it ended")

    async def stop(self) -> None:
        """Nothing to end."""

"""Numbers of servers, which are part of the ids that they mint: given out by the ledger, where the ids go.

Whoever cannot reach the ledger can write no id there. So a number is free again when the ledger has not seen
its server for GONE_S, and a server that finds its number given away is to end. A fabric that forgets
everything, as one without its disks does, changes nothing in that.
"""

from __future__ import annotations

import asyncio

from angarium.core.clock import micros
from angarium.core.problems import Problem
from angarium.fabric import store
from angarium.fabric.members import NODE_MAX
from angarium.fabric.own_connection import OwnConnection

GONE_S = 60.0  # a server that was not seen for so long has left
CROWDED = f"{NODE_MAX + 1} servers are there already; each has a number of its own in the ids that it mints."


class Number:
    """The number of one server."""

    def __init__(self, ledger: OwnConnection, server: int, name: str) -> None:
        self._ledger = ledger
        self._server = server
        self._name = name
        self._node: int | None = None
        self._gone = asyncio.Event()
        self.takes_leases = False  # until it has asked for one

    async def take(self) -> int:
        """One that no other server has. Problem when all are taken."""
        gone = micros(GONE_S)
        node = await self._ledger.asked(lambda one: store.join(one, self._server, self._name, gone))
        if node is None:
            raise Problem("too-many-servers", "There are too many servers", detail=CROWDED)
        self._node = node
        return node

    async def keep(self) -> None:
        """Be seen: it stays ours, also if the ledger was away for so long that we were forgotten, unless
        another has it now."""
        node = self._node
        assert node is not None
        takes = self.takes_leases
        if not await self._ledger.asked(
            lambda one: store.see(one, self._server, self._name, node, takes=takes)
        ):
            self._gone.set()

    async def leave(self) -> None:
        """Let another have it."""
        await self._ledger.asked(lambda one: store.leave(one, self._server))

    async def gone(self) -> None:
        """Return when it has been given away."""
        await self._gone.wait()

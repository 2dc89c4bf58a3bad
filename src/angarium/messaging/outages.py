"""When a line has stopped working for so long that people should know, and when it works again.

A line that rests for a moment, or is connected anew, is nothing to tell. One that cannot be counted on for
two minutes has stopped (`line.stopped`); once it can be counted on again, that is told too (`line.works`).
What was told last stands in the log of facts, so that a server that takes the line over goes on from there.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from angarium.core import ids
from angarium.core.clock import micros
from angarium.messaging.world import World
from angarium.storage import facts
from angarium.storage.database import Transaction
from angarium.storage.facts import Fact, Position

STILL_S = 120.0
STOPPED, WORKS, OFF = "line.stopped", "line.works", "line.switched_off"
END = Position(1 << 62, 1 << 62)


class Standing(msgspec.Struct, frozen=True):
    """How a line of this machine stands: since when it is away, and whether that was told."""

    away_since: int | None = None
    told: bool = False


class Heard(msgspec.Struct, frozen=True):
    """What its sender says of a line. `works` is None while another machine has it."""

    works: bool | None
    trouble: str = ""


def judge(before: Standing, works: bool, now: int) -> tuple[Standing, str]:
    """How it stands now, and the fact that is to be told; empty: none."""
    if works:
        return Standing(), WORKS if before.told else ""
    since = now if before.away_since is None else before.away_since
    if before.told or now - since < micros(STILL_S):
        return Standing(since, before.told), ""
    return Standing(since, True), STOPPED


class Outages:
    """Remembers how the lines of this machine stand, and tells when one has stopped."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._standing: dict[int, Standing] = {}
        self._told_to: dict[int, list[int]] = {}  # which workspaces, of each line

    async def look(self, heard: Mapping[int, Heard]) -> None:
        """Judge all lines of this machine."""
        now = self._world.ground.clock.now()
        for line_id in self._standing.keys() - heard.keys():
            before = self._standing.pop(line_id)
            if before.told:  # nobody waits for it any more
                await self._tell(line_id, OFF, "", now)
        for line_id, one in heard.items():
            if one.works is None:
                self._standing.pop(line_id, None)
                continue
            before = self._standing.get(line_id) or Standing(told=await self._was_told(line_id))
            after, kind = judge(before, one.works, now)
            if kind:
                await self._tell(line_id, kind, one.trouble, now)
            self._standing[line_id] = after

    async def _was_told(self, line_id: int) -> bool:
        line = self._world.lines.get(line_id)
        if line is None:
            return False
        kinds = (STOPPED, WORKS, OFF)
        told = await self._world.ground.db.read(facts.earlier, line.workspace_id, [line_id], kinds, END)
        return bool(told) and max(told, key=lambda one: one.seq).kind == STOPPED

    async def _tell(self, line_id: int, kind: str, trouble: str, now: int) -> None:
        """A fact for each workspace that sends on it; why it stands still is its owner's to know."""
        world = self._world
        told = []
        for workspace_id in world.lines.senders(line_id) or self._told_to.get(line_id, []):
            line = world.lines.seen(workspace_id, line_id)  # none: it was deleted
            is_owner = line is not None and workspace_id == line.workspace_id
            why = trouble if kind == STOPPED and is_owner else ""
            body = {"line": ids.show("line", line_id), "name": line.name if line else "", "why": why}
            told.append(Fact(workspace_id, kind, line_id, now, msgspec.json.encode(body)))
        self._told_to[line_id] = [one.workspace_id for one in told]

        async def work(tx: Transaction) -> None:
            await facts.append(tx, told)

        await world.ground.db.run(work)

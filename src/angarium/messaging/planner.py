"""When something is due: a planner for each workspace, and one who looks for all of them.

A planner sleeps until what it knows of is due, or it is woken. A wake-up may be lost, or what is due may have
been written by another program; so once a second it is asked of all workspaces together in which something is
due. Nobody else looks by the clock: a thousand workspaces that sleep cost what one costs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import structlog

from angarium.core.clock import MICROS, micros
from angarium.core.fabric import Waiter
from angarium.messaging import plan, poison, withdrawal
from angarium.messaging.case import Case, wake
from angarium.messaging.sender import BATCH_MAX
from angarium.messaging.store import due
from angarium.messaging.store import messages as message_store
from angarium.messaging.world import LOOKS_EVERY_S, World, planner_topic
from angarium.storage.database import Transaction

log = structlog.get_logger()

SLEEP_S = 60.0  # it looks by itself all the same
SHORTEST_S = 0.005


class Lookout:
    """Looks for all workspaces at once in which something is due, and wakes their planners."""

    def __init__(self, world: World, planners: Mapping[int, Planner]) -> None:
        self._world = world
        self._planners = planners

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self.look()
            await self._world.ground.clock.sleep(LOOKS_EVERY_S)

    async def look(self) -> None:
        """Wake those that would sleep over it, or do, because the clock was set forward while they slept."""
        ground, now = self._world.ground, self._world.ground.clock.now()
        until = now + micros(LOOKS_EVERY_S)
        found = await ground.db.read(due.workspaces, list(self._planners), until)
        for workspace_id, due_at in found.items():
            looks_at = self._world.looks_at.get(workspace_id)
            if looks_at is not None and (due_at < looks_at or looks_at < now):
                self._planners[workspace_id].look()


class Planner:
    """Decides for the messages of one workspace whose time has come."""

    def __init__(self, world: World, workspace_id: int) -> None:
        self._world = world
        self._workspace_id = workspace_id
        self._waiter: Waiter | None = None

    def look(self) -> None:
        """Do not sleep on: something is due."""
        if self._waiter is not None:
            self._waiter.wake()

    async def run(self) -> None:
        """Until cancelled."""
        self._waiter = waiter = self._world.ground.fabric.listen(planner_topic(self._workspace_id))
        try:
            while True:
                if await self._decide() < BATCH_MAX:
                    await self._rest(waiter, await self._until_next())
        finally:
            waiter.close()

    async def _rest(self, waiter: Waiter, seconds: float) -> None:
        """Wait. Whoever plans something for later than this ends need not wake it."""
        looks_at = self._world.looks_at
        looks_at[self._workspace_id] = self._world.ground.clock.now() + micros(seconds)
        try:
            await waiter.wait(seconds)
        finally:
            del looks_at[self._workspace_id]

    async def _decide(self) -> int:
        """Decide for what is due; how many there were."""
        ground, now = self._world.ground, self._world.ground.clock.now()
        try:
            return self._woken(await ground.db.run(_work, self._world, self._workspace_id, now))
        except Exception as error:
            if poison.is_away(error):
                raise
            log.exception("decisions broke", workspace=self._workspace_id)
        broken = await ground.db.run(message_store.due, self._workspace_id, now, BATCH_MAX)
        for one in broken:
            await poison.apart(ground.clock, [one], self._decide_for, self._give_up, "decide", tried=1)
        return len(broken)

    async def _decide_for(self, message_ids: Sequence[int]) -> None:
        ground, now = self._world.ground, self._world.ground.clock.now()
        self._woken(await ground.db.run(plan.decide_for, self._world, self._workspace_id, message_ids, now))

    async def _give_up(self, message_id: int, why: str) -> None:
        ground, now = self._world.ground, self._world.ground.clock.now()
        await ground.db.run(plan.give_up, self._workspace_id, message_id, why, now)

    def _woken(self, cases: Sequence[Case]) -> int:
        wake(self._world, cases)
        return len(cases)

    async def _until_next(self) -> float:
        ground = self._world.ground
        due_at = await ground.db.read(message_store.next_due, self._workspace_id)
        if due_at is None:
            return SLEEP_S
        return min(SLEEP_S, max(SHORTEST_S, (due_at - ground.clock.now()) / MICROS))


async def _work(tx: Transaction, world: World, workspace_id: int, now: int) -> list[Case]:
    """Stop what contacts have said no to, then decide for what is due."""
    stopped = await withdrawal.look(tx, world, workspace_id, now)
    return stopped + await plan.due(tx, world, workspace_id, now, BATCH_MAX)

"""What tells by itself: reads on in the log of each workspace; looks once a minute at what is counted."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from angarium.core.service import Supervisor
from angarium.messaging.world import World
from angarium.notices import flows
from angarium.storage import facts

POLL_S = 2.0
LOOK_EVERY_S = 60.0
TIDY_EVERY_S = 3_600.0


class Teller:
    """Tells the people of every workspace. A service: start and stop it."""

    def __init__(self, world: World, workspaces: Callable[[], Awaitable[list[int]]]) -> None:
        self._world = world
        self._ground = world.ground
        self._workspaces = workspaces
        self._supervisor = Supervisor(world.ground.clock)
        self._look_at = 0.0  # by the monotonic clock
        self._tidy_at = 0.0

    async def start(self) -> None:
        """Go on where the last one was."""
        self._supervisor.run("notices", self._watch)

    async def stop(self) -> None:
        """Stop at once; what is half done was not done."""
        await self._supervisor.stop()

    async def _watch(self) -> None:
        while True:
            await self.work()
            await self._ground.clock.sleep(POLL_S)

    async def work(self) -> None:
        """Tell all that is new."""
        ground, seconds = self._ground, self._ground.clock.monotonic()
        looks, tidies = seconds >= self._look_at, seconds >= self._tidy_at
        there = await self._workspaces()
        for workspace_id in await ground.db.read(facts.with_news, there, flows.READER, seldom=True):
            while await self._follow(workspace_id):
                pass
        for workspace_id in there if looks else ():
            await ground.db.run(flows.look, self._world, workspace_id, ground.clock.now())
        for workspace_id in there if tidies else ():
            await ground.db.run(flows.tidy, workspace_id, ground.clock.now())
        self._look_at = seconds + LOOK_EVERY_S if looks else self._look_at
        self._tidy_at = seconds + TIDY_EVERY_S if tidies else self._tidy_at

    async def _follow(self, workspace_id: int) -> int:
        """Tell some of what is new, or find that nothing is."""
        ground, now = self._ground, self._ground.clock.now()
        return await ground.db.run(flows.follow, self._world, workspace_id, flows.BATCH_MAX, now)

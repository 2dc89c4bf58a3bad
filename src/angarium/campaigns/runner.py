"""What runs by itself: builds and launches the campaigns of this machine, and clears up behind one that was
stopped.

Nothing here decides. Each turn is one transaction that holds the campaign's row, so that two of these loops,
here or on two machines, take turns and do nothing twice.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

import structlog

from angarium.campaigns import build, flows, launch, letting_go, stopping, watching
from angarium.campaigns.ahead import Ahead, Composer
from angarium.campaigns.flows import TOPIC
from angarium.campaigns.launch import Launched, Ready
from angarium.campaigns.states import CampaignState
from angarium.campaigns.store import campaigns as store
from angarium.core.clock import MICROS
from angarium.core.service import Supervisor
from angarium.core.turns import alone
from angarium.messaging import straight
from angarium.messaging.composing import Outdated
from angarium.messaging.world import World, planner_topic

log = structlog.get_logger()

TIDY_S = 60.0
POLL_S = 2.0  # a wake-up may be lost, or come from another machine
TURN = 8  # batches of one campaign before the next has its turn
LOOK_EVERY_S = 2.0  # at how a campaign goes
SHORTEST_S = 0.005


class CampaignRunner:
    """Moves campaigns on. A service: start and stop it."""

    def __init__(
        self,
        world: World,
        workspaces: Callable[[], Awaitable[list[int]]],
        composer: Composer | None = None,
    ) -> None:
        self._world = world
        self._ahead = None if composer is None else Ahead(world, composer)
        self._ground = world.ground
        self._workspaces = workspaces
        self._supervisor = Supervisor(world.ground.clock)
        self._look_at: dict[int, float] = {}  # when each campaign is looked at next

    async def start(self) -> None:
        """Go on with what was under way."""
        self._supervisor.run("campaigns", self._watch)
        turn = partial(alone, self._ground.fabric, self._ground.clock, "turn/past-campaigns", self._let_go)
        self._supervisor.run("past campaigns", turn)

    async def stop(self) -> None:
        """Begin nothing more; what is under way goes on at the next start."""
        await self._supervisor.stop()
        if self._ahead is not None:
            await self._ahead.stop()

    async def _watch(self) -> None:
        waiter = self._ground.fabric.listen(TOPIC)
        try:
            while True:
                next_at = await self.work()
                until = (next_at - self._ground.clock.now()) / MICROS if next_at is not None else POLL_S
                if until > 0:
                    await waiter.wait(max(SHORTEST_S, min(POLL_S, until)))
        finally:
            waiter.close()

    async def _let_go(self) -> None:
        while True:
            for workspace_id in await self._workspaces():
                await letting_go.let_go(self._world, workspace_id)
            await self._ground.clock.sleep(TIDY_S)

    async def work(self) -> int | None:
        """Give each campaign its turn; when there is something to do again, None: not by itself."""
        soonest: int | None = None
        read = self._ground.db.read
        for workspace_id in await read(store.with_some_under_way, await self._workspaces()):
            for campaign_id in await read(store.under_way, workspace_id):
                next_at = await self._turn(workspace_id, campaign_id)
                if next_at is not None:
                    soonest = next_at if soonest is None else min(soonest, next_at)
        return soonest

    async def _turn(self, workspace_id: int, campaign_id: int) -> int | None:
        lease = await self._ground.fabric.lease(f"campaign/{campaign_id}")
        if lease is None:
            return None
        try:
            next_at: int | None = None
            for _ in range(TURN):
                next_at = await self.move_on(workspace_id, campaign_id)
                if next_at is None or next_at > self._ground.clock.now():
                    break
            return next_at
        finally:
            await self._ground.fabric.release(lease)

    async def _launch(self, workspace_id: int, campaign_id: int, now: int) -> int | None:
        """Tell the next members."""
        ready = await self._ahead.ready(workspace_id, campaign_id) if self._ahead else None
        try:
            launched = await self._tell(workspace_id, campaign_id, now, ready)
        except Outdated:
            launched = await self._tell(workspace_id, campaign_id, now, None)
        if self._ahead and launched.told:
            self._ahead.done(campaign_id)
        if launched.went:
            self._ground.fabric.wake(planner_topic(workspace_id))
        return launched.next_at

    async def _is_paused(self, workspace_id: int, campaign_id: int) -> bool:
        """Look now and then whether it goes as badly as its limits say."""
        seconds = self._ground.clock.monotonic()
        if seconds < self._look_at.get(campaign_id, 0.0):
            return False
        self._look_at[campaign_id] = seconds + LOOK_EVERY_S
        now = self._ground.clock.now()
        why = await self._ground.db.run(watching.look, workspace_id, campaign_id, now)
        if why:
            log.warning("a campaign is paused", campaign=campaign_id, why=why)
        return bool(why)

    async def move_on(self, workspace_id: int, campaign_id: int) -> int | None:
        """One step of one campaign; when the next one is due, None: when somebody does something."""
        db, now = self._ground.db, self._ground.clock.now()
        one = await db.read(store.by_id, workspace_id, campaign_id)
        match one.state if one else None:
            case CampaignState.SCHEDULED if one and one.begins_at > now:
                return one.begins_at
            case CampaignState.SCHEDULED:
                await db.run(flows.begin, workspace_id, campaign_id, now)
                return now
            case CampaignState.BUILDING:
                await db.run(build.some, workspace_id, campaign_id, now)
                return now
            case CampaignState.RUNNING if await self._is_paused(workspace_id, campaign_id):
                return None
            case CampaignState.RUNNING:
                return await self._launch(workspace_id, campaign_id, now)
            case CampaignState.STOPPED:
                cases = await db.run(stopping.some, self._world, workspace_id, campaign_id, now)
                return None if cases is None else now
            case _:
                return None

    async def _tell(self, workspace_id: int, campaign_id: int, now: int, ready: Ready | None) -> Launched:
        world = self._world
        asked = (workspace_id, campaign_id, now, ready)
        return await straight.run(world, workspace_id, launch.BATCH, launch.some, world, *asked)

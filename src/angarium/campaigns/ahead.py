"""What is made ready ahead for the next members of campaigns, by a process beside the server.

While one batch is written down the next is made ready. Whatever fails there is no failure of the campaign:
its members are told as they are without.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import Protocol

import msgspec
import structlog

from angarium.campaigns import launch
from angarium.campaigns.launch import Peeked, Ready
from angarium.core.clock import micros
from angarium.messaging import composing
from angarium.messaging.composing import IDS_EACH, Asked, Composed
from angarium.messaging.world import World

log = structlog.get_logger()

FRESH_S = 2.0  # how long what is ready may wait for room on the lines; then it is made anew
AGAIN_S = 5.0  # how long a campaign is left alone of which nothing could be made ready


class Composer(Protocol):
    """Makes messages ready where nothing is written."""

    async def compose(self, asked: Asked) -> Composed | None:
        """What was asked for; None where only the server itself can say. Raises OSError when it is gone."""

    async def stop(self) -> None:
        """End; it begins again when it is asked for something."""


class _Queue(msgspec.Struct):
    """Of one campaign."""

    ready: Ready | None = None  # the next batch
    following: asyncio.Task[Ready | None] | None = None  # and that behind it
    not_before: float = 0.0  # by the monotonic clock


class Ahead:
    """The next batches of the campaigns that run."""

    def __init__(self, world: World, composer: Composer) -> None:
        self._world = world
        self._clock = world.ground.clock
        self._composer = composer
        self._queues: dict[int, _Queue] = {}

    async def ready(self, workspace_id: int, campaign_id: int) -> Ready | None:
        """The next members with what is ready for them, until it is `done`; None where nothing is."""
        queue = self._queues.setdefault(campaign_id, _Queue())
        if queue.ready is None and queue.following is not None:
            following, queue.following = queue.following, None
            queue.ready = await following
        if queue.ready is not None and queue.ready.at < self._clock.now() - micros(FRESH_S):
            await self._forget(queue)
        if queue.ready is None and self._clock.monotonic() >= queue.not_before:
            queue.ready = await self._make(workspace_id, campaign_id, ())
            if queue.ready is None:
                queue.not_before = self._clock.monotonic() + AGAIN_S
        if queue.ready is not None and queue.following is None:
            told = {member.contact_id for member in queue.ready.members}
            queue.following = asyncio.create_task(self._make(workspace_id, campaign_id, told))
        return queue.ready

    def done(self, campaign_id: int) -> None:
        """What was ready is written, or is not so any more."""
        self._queues[campaign_id].ready = None

    async def stop(self) -> None:
        """Make nothing more ready."""
        for queue in self._queues.values():
            await self._forget(queue)
        self._queues.clear()
        await self._composer.stop()

    async def _forget(self, queue: _Queue) -> None:
        queue.ready = None
        if queue.following is not None:
            queue.following.cancel()
            await asyncio.wait([queue.following])
            queue.following = None

    async def _make(self, workspace_id: int, campaign_id: int, without: Collection[int]) -> Ready | None:
        ground, now = self._world.ground, self._clock.now()
        try:
            found = await ground.db.read(launch.peek, self._world, workspace_id, campaign_id, now, without)
            if found is None:
                return None
            composed = await self._composer.compose(self._asked(workspace_id, found, now))
        except Exception as error:
            log.warning("nothing is made ready for a campaign", campaign=campaign_id, why=repr(error))
            return None
        return None if composed is None else Ready(found.members, composed, now)

    def _asked(self, workspace_id: int, found: Peeked, now: int) -> Asked:
        world, people = self._world, launch.persons(found.members)
        return Asked(
            workspace_id,
            found.telling,
            people,
            world.ground.ids.mint_many(IDS_EACH * len(people)),
            now,
            composing.connected(world, workspace_id),
            world.taken,
        )

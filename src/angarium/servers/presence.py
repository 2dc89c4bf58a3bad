"""A server among others: says how it is and what its lines are doing, and hears the same of the others.

What is heard goes where it is asked for without a query: the lines of others into the world of the heart
(`World.elsewhere`), how many answer requests to whoever shares a limit among them. A change is told at once
by a wake-up; that a server is there, every few seconds. One that is alone says it seldom, and hears nobody.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import structlog

from angarium.core.clock import micros
from angarium.core.problems import Problem
from angarium.core.service import Supervisor
from angarium.messaging.condition import Waiting
from angarium.messaging.workers import ALARM_S, Engine
from angarium.messaging.world import Elsewhere, World
from angarium.servers import store
from angarium.servers.rules import ALONE, FORGOTTEN_S, LineSaid, Said, Server, lines_said, lost_by, warning
from angarium.storage.migrate import Standing, must_know, revisions, standing

log = structlog.get_logger()

TOPIC = "servers"  # woken when one of them says something else than before
BEAT_S, ALONE_BEAT_S = 2, 20
LOOK_S = 0.25  # how often it is looked whether a line has changed
WORDS_MAX = 300  # of what is said of a line

Learn = Callable[[Sequence[Server]], None]


class Presence:
    """This server among the others. A service: start and stop it."""

    def __init__(self, world: World, engine: Engine, fabric: str, name: str, roles: tuple[str, ...]) -> None:
        self._world = world
        self._engine = engine
        self._alone, self._fabric = fabric == ALONE, fabric
        self._name = name
        self._roles = roles
        self._supervisor = Supervisor(world.ground.clock)
        self._me: Server | None = None
        self._said = Said()
        self._beat_at = 0.0
        self._too_old: asyncio.Future[Problem] | None = None
        self.turns: tuple[str, ...] = ()  # what this server does when it is its turn
        self.answering = 0  # other servers that answer requests
        self.learners: list[Learn] = []  # who wants to know who is there

    async def start(self) -> None:
        """Be there. What the others say is known when it returns."""
        from angarium import __version__  # noqa: PLC0415  its number is set beside the rooms

        ground = self._world.ground
        node, beat_s = ground.ids.node, ALONE_BEAT_S if self._alone else BEAT_S
        known = (__version__, revisions()[-1], ground.clock.now(), beat_s, ground.clock.now())
        self._me = Server(ground.ids.mint(), self._name, node, self._roles, *known)
        await ground.db.run(store.forget, micros(FORGOTTEN_S), ground.clock.now())
        await self._speak()
        await self._listen()
        self._supervisor.run("presence", self._go_on)

    async def stop(self) -> None:
        """Be there no more; the others hear of it, if the database does."""
        await self._supervisor.stop()
        me, self._me = self._me, None
        if me is None:
            return
        ground = self._world.ground
        try:
            await ground.db.run(store.stop, me.id, ground.clock.now())
        except Problem as problem:
            log.warning("that this server stops could not be written down", why=problem.detail)
        ground.fabric.wake(TOPIC)

    @property
    def id(self) -> int:
        """The number of this run; 0 while it is not there."""
        return self._me.id if self._me else 0

    async def warnings(self) -> str:
        """What keeps this server from working with the others: "" when nothing."""
        fabric = self._world.ground.fabric
        return warning(apart=fabric.apart, leaderless=fabric.leaderless)

    async def outdated(self) -> None:
        """Raise a Problem when the database has become too new for this version: it is to end."""
        if self._too_old is None:
            self._too_old = asyncio.get_running_loop().create_future()
        raise await asyncio.shield(self._too_old)

    def _look_at_the_database(self, found: Standing) -> None:
        try:
            must_know(found)
        except Problem as problem:
            if self._too_old is not None and not self._too_old.done():
                self._too_old.set_result(problem)

    async def _go_on(self) -> None:
        ground = self._world.ground
        waiter = ground.fabric.listen(TOPIC)
        try:
            while True:
                woken = await waiter.wait(ALONE_BEAT_S if self._alone else LOOK_S)
                spoke = await self._speak_if_need_be()
                if (woken or spoke) and not self._alone:
                    await self._listen()
        finally:
            waiter.close()

    async def _speak_if_need_be(self) -> bool:
        said = self._of_now()
        before = self._said
        changed = _news(said) != _news(before)
        if not changed and self._world.ground.clock.monotonic() < self._beat_at:
            return False
        await self._speak()
        if changed:
            self._world.ground.fabric.wake(TOPIC)
        return True

    async def _speak(self) -> None:
        ground, me = self._world.ground, self._me
        assert me is not None
        said = self._of_now()
        if not await ground.db.run(store.say, me.id, said):
            await ground.db.run(store.join, me)
            await ground.db.run(store.say, me.id, said)
        self._said, self._beat_at = said, ground.clock.monotonic() + me.beat_s

    def _of_now(self) -> Said:
        ground, engine = self._world.ground, self._engine
        now, holds = ground.clock.now(), tuple(ground.fabric.holding())
        return Said(
            at=now,
            holds=holds,
            lost=lost_by(self._said, holds, now),
            lines={
                line_id: _line_said(one.works(), one.state(), one.waiting())
                for line_id, one in engine.owned().items()
            },
            turns=self.turns,
            died=tuple(engine.died_within(ALARM_S)),
            waits={name: count for name, count in engine.backlogs().items() if count},
            log=engine.incoming.backlog,
            apart=ground.fabric.apart,
            leaderless=ground.fabric.leaderless,
            fabric=self._fabric,
        )

    async def _listen(self) -> None:
        ground = self._world.ground
        found, now = await ground.db.read(store.every, ground.clock.now())
        there = [one for one in found if one.is_there(now)]
        others = [one for one in there if self._me is None or one.id != self._me.id]
        self._look_at_the_database(await ground.db.read(standing))
        self._world.elsewhere = {
            line_id: Elsewhere(
                said.up, Waiting(said.why, said.until, said.retries_only) if said.why else None
            )
            for line_id, said in lines_said(others, now).items()
        }
        self._engine.know_servers(frozenset(one.node for one in there) | {self._world.ground.ids.node})
        self.answering = sum(bool({"api", "console"} & set(one.roles)) for one in others)
        for learn in self.learners:
            learn(there)


def _news(said: Said) -> tuple[object, ...]:
    """What the others are to hear at once."""
    return said.lines, said.died, said.apart, said.leaderless


def _line_said(works: bool | None, state: str, waiting: Waiting | None) -> LineSaid:
    if waiting is None:
        return LineSaid(bool(works), state[:WORDS_MAX])
    return LineSaid(
        bool(works), state[:WORDS_MAX], waiting.why[:WORDS_MAX], waiting.until, waiting.retries_only
    )

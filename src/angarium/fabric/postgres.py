"""The fabric of a few servers on one PostgreSQL: rows that are looked at ten times a second, nothing more.

Every instant is that of the database's clock, so servers whose clocks differ agree on when a lease ends.
Whether one is surely ours is told by our own monotonic clock alone (holding.py).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import TypeVar

import asyncpg
import structlog

from angarium.core.clock import Clock, micros
from angarium.core.fabric import Hearer, Holding, Lease, Log, Waiter
from angarium.fabric import holding, store
from angarium.fabric.ears import WAITING_MAX, Audience, Ears
from angarium.fabric.holding import Leases
from angarium.fabric.kept_log import KeptLog
from angarium.fabric.members import Member
from angarium.fabric.numbers import Number
from angarium.fabric.own_connection import OwnConnection
from angarium.storage.database import Database
from angarium.storage.postgres import translated, trouble_of

log = structlog.get_logger()

T = TypeVar("T")

TICK_S = 0.1  # how late a wake-up from another server can be
RENEW_S = 2.0
SILENT_S = 3_600.0  # a topic that was not rung for so long is let go of: some are one visitor's


class PostgresFabric:
    """Leases, wake-ups and members on one database; `name` is what people know this server by."""

    outlives_ledger = False
    apart = leaderless = False  # there is no other way than the database

    def __init__(self, url: str, database: Database, clock: Clock, server: int, name: str) -> None:
        self._database = database
        self._clock = clock
        self._server = server
        self._connection = OwnConnection(url)
        self._number = Number(self._connection, server, name)
        self._holding = Leases(clock, server)
        self._ears = Ears()
        self._audience = Audience()
        self._to_tell: deque[tuple[str, bytes]] = deque(maxlen=WAITING_MAX)
        self._heard_up_to: int | None = None  # None while nobody listens here
        self._after = 0  # epochs begin behind it
        self._rung: dict[str, int] = {}
        self._to_ring: set[str] = set()
        self._tasks: list[asyncio.Task[None]] = []
        self.members: tuple[Member, ...] = ()

    # ── coming and going ─────────────────────────────────────────────────────────────────────────────

    async def start(self) -> int | None:
        """Join the others. Problem when PostgreSQL cannot be asked, or all numbers are taken."""
        try:
            node = await self._number.take()
            await self._meet()
        except Exception as error:
            raise translated(error) from error
        self._tasks = [asyncio.create_task(one()) for one in (self._tick, self._watch)]
        return node

    async def stop(self) -> None:
        """Leave: every lease is given up, as far as PostgreSQL can be told."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []
        names = list(self._holding.all())
        for name in names:
            self._holding.let_go(name)
        try:
            await self._asked(lambda one: store.release(one, self._server, names))
            await self._number.leave()
        except Exception as error:
            log.warning("the others could not be told that this server leaves", why=str(error))
        await self._connection.hang_up()

    async def gone(self) -> None:
        await self._number.gone()

    # ── leases ───────────────────────────────────────────────────────────────────────────────────────

    def begin_after(self, epoch: int) -> None:
        self._after = max(self._after, epoch + 1)

    async def lease(self, key: str) -> Lease | None:
        if not self._number.takes_leases:
            await self._come()
        ours = self._holding.get(key)
        if ours is not None:
            return ours if self._holding.held(ours) else None
        if not self._holding.may_take(key, [one.server for one in self.members]):
            return None
        asked_at, ttl = self._clock.monotonic(), micros(holding.TTL_S)
        try:
            epoch = await self._asked(lambda one: store.take(one, key, self._server, self._after, ttl))
        except Exception as error:
            if trouble_of(error) is None:
                raise
            return None
        return None if epoch is None else self._holding.took(key, epoch, asked_at)

    async def _come(self) -> None:
        """Be one of those to whom leases are left: this server can take them now."""
        self._number.takes_leases = True
        try:
            await self._meet()
        except Exception as error:
            if trouble_of(error) is None:
                raise  # else it comes with the next renewal

    def held(self, lease: Lease) -> bool:
        return self._holding.held(lease)

    def ours(self, lease: Lease) -> bool:
        return self._holding.ours(lease)

    def holding(self) -> list[Holding]:
        return self._holding.told()

    async def lost(self, lease: Lease) -> float:
        return await self._holding.lost(lease)

    async def release(self, lease: Lease) -> None:
        if self._holding.get(lease.key) != lease:
            return
        self._holding.let_go(lease.key)
        try:
            await self._asked(lambda one: store.release(one, self._server, [lease.key]))
        except Exception as error:
            if trouble_of(error) is None:
                raise  # else it ends by itself

    # ── wake-ups ─────────────────────────────────────────────────────────────────────────────────────

    def wake(self, topic: str) -> None:
        self._ears.wake((topic,))
        self._to_ring.add(topic)

    def listen(self, topic: str) -> Waiter:
        return self._ears.listen(topic)

    def tell(self, topic: str, body: bytes) -> None:
        self._audience.tell(topic, body)
        self._to_tell.append((topic, body))

    def hear(self, topic: str) -> Hearer:
        return self._audience.hear(topic)

    def log(self, name: str) -> Log:
        return KeptLog(self._database, self._clock, self._ears, name)

    # ── what goes on ─────────────────────────────────────────────────────────────────────────────────

    async def _tick(self) -> None:
        """Ring and hear, and renew now and then, for ever."""
        renewed_at = self._clock.monotonic()
        while True:
            await self._clock.sleep(TICK_S)
            try:
                if self._clock.monotonic() - renewed_at >= RENEW_S:
                    renewed_at = self._clock.monotonic()
                    await self._renew()
                    await self._meet()
                await self._ring()
                await self._tell()
            except Exception as error:
                if trouble_of(error) is None:
                    log.exception("the fabric broke")
                await self._connection.hang_up()

    async def _renew(self) -> None:
        asked_at, leases = self._clock.monotonic(), self._holding.all()
        if not leases:
            return
        names, ttl = list(leases), micros(holding.TTL_S)
        epochs = await self._asked(lambda one: store.renew(one, self._server, names, ttl))
        for name, lease in leases.items():
            if self._holding.get(name) != lease:
                continue
            if epochs.get(name) == lease.epoch:
                self._holding.renewed(name, asked_at)
            else:
                self._holding.let_go(name)

    async def _meet(self) -> None:
        """Be seen, and see who is there; what another is to have is left to it as soon as that can be."""
        ttl = micros(holding.TTL_S)
        await self._number.keep()
        await self._asked(lambda one: store.fall_silent(one, micros(SILENT_S), ttl))
        self.members = await self._asked(lambda one: store.members(one, ttl))
        self._holding.leave_to({one.server: one.joined_at for one in self.members})

    async def _ring(self) -> None:
        ringing, self._to_ring = sorted(self._to_ring), set()
        if ringing:
            await self._asked(lambda one: store.ring(one, ringing))
        topics = self._ears.topics()
        now = await self._asked(lambda one: store.rung(one, topics)) if topics else {}
        self._ears.wake(name for name, count in now.items() if self._rung.get(name) != count)
        self._rung = now

    async def _tell(self) -> None:
        """Tell the others what was told here, and here what they have told."""
        telling = list(self._to_tell)
        self._to_tell.clear()
        if telling:
            await self._asked(lambda one: store.tell(one, self._server, telling))
        topics, after = self._audience.topics(), self._heard_up_to
        if not topics or after is None:
            self._heard_up_to = await self._asked(store.newest_told) if topics else None
            return
        self._heard_up_to, told = await self._asked(lambda one: store.told(one, self._server, topics, after))
        for topic, body in told:
            self._audience.tell(topic, body)

    async def _watch(self) -> None:
        """Tell of what is lost, also while PostgreSQL does not answer."""
        while True:
            await self._clock.sleep(TICK_S)
            self._holding.lose_ended()

    async def _asked(self, ask: Callable[[asyncpg.Connection], Awaitable[T]]) -> T:
        return await self._connection.asked(ask)

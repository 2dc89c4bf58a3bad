"""The fabric of a few servers on one PostgreSQL: rows that are looked at ten times a second, nothing more.

Every instant is that of the database's clock, so servers whose clocks differ agree on when a lease ends.
Whether one is surely ours is told by our own monotonic clock alone: it counts from before the renewal was
asked for, and ends MARGIN_S before the others may take it. So a server that is cut off, or stood still, knows
by itself.

A lease moves to whoever is preferred for it when that one has joined later. It does not move back to one that
was there and did not want it, or could not: else it would go to and fro.

One connection of its own, never in a transaction for longer than a statement: a pgbouncer in transaction mode
serves it as well, and so nothing is LISTENed for (https://www.pgbouncer.org/features.html). Its statements
have no names; asyncpg asks to flush and not to sync before it binds, so all of one goes one way.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeVar

import asyncpg
import msgspec
import structlog

from angarium.core.clock import Clock, micros
from angarium.core.fabric import Hearer, Holding, Lease, Log, Waiter
from angarium.core.problems import Problem
from angarium.fabric import store
from angarium.fabric.ears import WAITING_MAX, Audience, Ears
from angarium.fabric.kept_log import KeptLog
from angarium.fabric.members import NODE_MAX, Member, preferred
from angarium.storage.database import Database
from angarium.storage.postgres import CONNECT_TIMEOUT_S, split_url, translated, trouble_of

log = structlog.get_logger()

T = TypeVar("T")

TICK_S = 0.1  # how late a wake-up from another server can be
RENEW_S = 2.0
TTL_S = 15.0  # longer than a fail-over of the database takes to be noticed and ended
MARGIN_S = 4.0  # between the end of what is surely ours and the instant when another may take it
AFTER_S = 5.0  # how long whoever is not preferred leaves a lease to who is
SILENT_S = 3_600.0  # a topic that was not rung for so long is let go of: some are one visitor's
GONE_S = 60.0  # a server that was not seen for so long has left
ANSWER_S = 5.0
CROWDED = f"{NODE_MAX + 1} servers are there already; each has a number of its own in the ids that it mints."


class _Held(msgspec.Struct):
    """A lease of ours. `until`: when it is not surely ours any more, by the monotonic clock."""

    lease: Lease
    until: float
    wanted_elsewhere: bool = False
    lost: asyncio.Event = msgspec.field(default_factory=asyncio.Event)


class PostgresFabric:
    """Leases, wake-ups and members on one database; `name` is what people know this server by."""

    outlives_ledger = False

    def __init__(self, url: str, database: Database, clock: Clock, server: int, name: str) -> None:
        self._dsn, _ = split_url(url)
        self._database = database
        self._clock = clock
        self._server = server
        self._name = name
        self._ears = Ears()
        self._audience = Audience()
        self._to_tell: deque[tuple[str, bytes]] = deque(maxlen=WAITING_MAX)
        self._heard_up_to: int | None = None  # None while nobody listens here
        self._held: dict[str, _Held] = {}
        self._left_to: dict[str, float] = {}  # since when a lease is left to whoever is preferred
        self._after = 0  # epochs begin behind it
        self._rung: dict[str, int] = {}
        self._to_ring: set[str] = set()
        self._connection: asyncpg.Connection | None = None
        self._one_at_a_time = asyncio.Lock()
        self._tasks: list[asyncio.Task[None]] = []
        self._gone: asyncio.Future[None] | None = None
        self.members: tuple[Member, ...] = ()

    # ── coming and going ─────────────────────────────────────────────────────────────────────────────

    async def start(self) -> int | None:
        """Join the others. Problem when PostgreSQL cannot be asked, or all numbers are taken."""
        try:
            gone = micros(GONE_S)
            node = await self._asked(lambda one: store.join(one, self._server, self._name, gone))
            await self._meet()
        except Exception as error:
            raise translated(error) from error
        if node is None:
            raise Problem("too-many-servers", "There are too many servers", detail=CROWDED)
        self._gone = asyncio.get_running_loop().create_future()
        self._tasks = [asyncio.create_task(one()) for one in (self._tick, self._watch)]
        return node

    async def stop(self) -> None:
        """Leave: every lease is given up, as far as PostgreSQL can be told."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []
        names = list(self._held)
        for name in names:
            self._let_go(name)
        try:
            await self._asked(lambda one: store.release(one, self._server, names))
            await self._asked(lambda one: store.leave(one, self._server))
        except Exception as error:
            log.warning("the others could not be told that this server leaves", why=str(error))
        await self._hang_up()

    async def gone(self) -> None:
        assert self._gone is not None
        await asyncio.shield(self._gone)

    # ── leases ───────────────────────────────────────────────────────────────────────────────────────

    def begin_after(self, epoch: int) -> None:
        self._after = max(self._after, epoch + 1)

    async def lease(self, key: str) -> Lease | None:
        held = self._held.get(key)
        if held is not None:
            return held.lease if self.held(held.lease) else None
        if not self._may_take(key):
            return None
        asked_at = self._clock.monotonic()
        try:
            epoch = await self._asked(
                lambda one: store.take(one, key, self._server, self._after, micros(TTL_S))
            )
        except Exception as error:
            if trouble_of(error) is None:
                raise
            return None
        if epoch is None:
            return None
        self._left_to.pop(key, None)
        lease, until = Lease(key, epoch), _sure_until(asked_at)
        held = self._held.get(key)
        if (
            held is not None and held.lease == lease
        ):  # asked for twice at once: who waits for its loss waits on
            held.until = max(held.until, until)
        else:
            self._held[key] = _Held(lease, until)
        return lease

    def _may_take(self, key: str) -> bool:
        """Whoever is preferred takes it at once; another waits first, in case that one does not want it."""
        if preferred(key, [one.server for one in self.members]) in (self._server, None):
            return True
        now = self._clock.monotonic()
        return now - self._left_to.setdefault(key, now) >= AFTER_S

    def held(self, lease: Lease) -> bool:
        held = self._held.get(lease.key)
        if held is None or held.lease != lease or held.wanted_elsewhere:
            return False
        return self._clock.monotonic() < held.until

    def holding(self) -> list[Holding]:
        now = self._clock.monotonic()
        return [
            Holding(key, one.lease.epoch, one.until - now)
            for key, one in self._held.items()
            if one.until > now
        ]

    async def lost(self, lease: Lease) -> None:
        held = self._held.get(lease.key)
        if held is not None and held.lease == lease:
            await held.lost.wait()

    async def release(self, lease: Lease) -> None:
        held = self._held.get(lease.key)
        if held is None or held.lease != lease:
            return
        self._let_go(lease.key)
        try:
            await self._asked(lambda one: store.release(one, self._server, [lease.key]))
        except Exception as error:
            if trouble_of(error) is None:
                raise  # else it ends by itself

    def _let_go(self, name: str) -> None:
        self._held.pop(name).lost.set()
        self._left_to[name] = self._clock.monotonic()

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
                await self._hang_up()

    async def _renew(self) -> None:
        asked_at, names = self._clock.monotonic(), list(self._held)
        if not names:
            return
        epochs = await self._asked(lambda one: store.renew(one, self._server, names, micros(TTL_S)))
        for name in names:
            held = self._held.get(name)
            if held is None:
                continue
            if epochs.get(name) == held.lease.epoch:
                held.until = _sure_until(asked_at)
            else:
                self._let_go(name)

    async def _meet(self) -> None:
        """Be seen, and see who is there; what another is to have is left to it as soon as that can be."""
        seen = await self._asked(lambda one: store.see(one, self._server))
        if not seen and self._gone is not None and not self._gone.done():
            self._gone.set_result(None)
        await self._asked(lambda one: store.fall_silent(one, micros(SILENT_S), micros(TTL_S)))
        self.members = await self._asked(lambda one: store.members(one, micros(TTL_S)))
        joined = {one.server: one.joined_at for one in self.members}
        for name, held in self._held.items():
            best = preferred(name, joined)
            better = best is not None and best != self._server
            held.wanted_elsewhere = better and joined[best or 0] > held.lease.epoch

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
            now = self._clock.monotonic()
            for name in [name for name, held in self._held.items() if now >= held.until]:
                self._let_go(name)

    # ── PostgreSQL ───────────────────────────────────────────────────────────────────────────────────

    async def _asked(self, ask: Callable[[asyncpg.Connection], Awaitable[T]]) -> T:
        async with self._one_at_a_time, asyncio.timeout(ANSWER_S):
            if self._connection is None or self._connection.is_closed():
                self._connection = await asyncpg.connect(
                    self._dsn, statement_cache_size=0, timeout=CONNECT_TIMEOUT_S, command_timeout=ANSWER_S
                )
            return await ask(self._connection)

    async def _hang_up(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(Exception):
                await connection.close(timeout=1)


def _sure_until(asked_at: float) -> float:
    return asked_at + TTL_S - MARGIN_S

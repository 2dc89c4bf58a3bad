"""One line's loop: take the lease, connect, claim what is due, hand it over, pass on how it ended.

Nothing here decides anything. The loop waits for a wake-up (or, because one may be lost, for a short while)
and calls a flow. Outcomes go to the engine, which writes them in batches.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import structlog

from angarium.core.clock import MICROS
from angarium.core.ports import Connection, Lease, Outcome, Raw, Refused, Submission
from angarium.core.problems import Problem
from angarium.core.values import MessageClass
from angarium.lines.store import Line
from angarium.messaging import pacing, reconcile, send
from angarium.messaging.lanes import FIRST, LANES, kept
from angarium.messaging.pacing import Bucket
from angarium.messaging.send import Ended
from angarium.messaging.store import attempts as attempt_store
from angarium.messaging.store.attempts import Attempt
from angarium.messaging.world import World, topic

log = structlog.get_logger()

BATCH_MAX = 500  # attempts claimed, outcomes recorded, callbacks applied in one transaction
POLL_S = 1.0  # how long a lost wake-up can go unnoticed
AGAIN_S = 0.5  # after the database could not take it
CLOSE_GRACE_S = 10.0  # for answers that are still under way when a line is closed


class Sender:
    """Sends on one line. It is the ears of the line's connection."""

    def __init__(
        self,
        world: World,
        line: Line,
        record: Callable[[Ended], object],
        heard: Callable[[Line, Raw], Awaitable[None]],
    ) -> None:
        self.line = line
        self._world = world
        self._record = record
        self._heard = heard
        self._under_way: dict[int, Attempt] = {}
        self._bucket = Bucket(line.speed_per_s)
        self._kept = kept(line.window_max, line.classes)
        self._full = False  # there was no place at all when it looked last
        self._connection: Connection | None = None
        self._stopping = False
        self._ended = asyncio.Event()

    def state(self) -> str:
        """How it is connected."""
        return self._connection.state() if self._connection else "starting"

    # ── the loop ─────────────────────────────────────────────────────────────────────────────────────

    async def run(self) -> None:
        """Take the lease, clear up after an earlier owner, connect, and send what is due until stopped."""
        world, line = self._world, self.line
        self._ended.clear()
        waiter = world.ground.fabric.listen(topic(line.id))
        try:
            lease = await self._take_lease()
            if lease is None:
                return
            await reconcile.take_over(world, line, lease.epoch)
            channel, settings = world.channels[line.channel], world.settings(line)
            connection = world.connect(channel, world.tools, settings, line.window_max, self)
            self._connection = connection
            await connection.open()
            while not self._stopping:
                await waiter.wait(await self._send_some(lease, connection))
        finally:
            waiter.close()
            await self._close()
            self._ended.set()

    async def stop(self) -> None:
        """Claim nothing more; wait for answers that are under way, up to a grace."""
        self._stopping = True
        self._world.ground.fabric.wake(topic(self.line.id))
        await self._ended.wait()

    async def _close(self) -> None:
        self._world.connected.pop(self.line.id, None)
        if self._connection is not None:
            connection, self._connection = self._connection, None
            await connection.close(CLOSE_GRACE_S)

    async def _take_lease(self) -> Lease | None:
        while not self._stopping:
            lease = await self._world.ground.fabric.lease(f"line/{self.line.id}")
            if lease is not None:
                return lease
            await self._world.ground.clock.sleep(POLL_S)
        return None

    async def _send_some(self, lease: Lease, connection: Connection) -> float:
        """Claim and hand over what is due and fits; how long to wait before looking again, in seconds."""
        clock = self._world.ground.clock
        while not self._stopping and self._world.ground.fabric.held(lease):
            free = connection.free()
            self._full = free <= 0
            if self._full:
                return POLL_S
            self._bucket, granted = pacing.take(self._bucket, min(free, BATCH_MAX), clock.now())
            if granted == 0:
                return max(0.001, (pacing.next_token_at(self._bucket, clock.now()) - clock.now()) / MICROS)
            others = min(granted, max(0, free - self._kept))
            claimed = await self._claim(lease, granted, others)
            self._bucket = pacing.give_back(self._bucket, granted - len(claimed))
            self._hand_over(connection, claimed)
            if len(claimed) < granted:
                behind = sum(one.message_class is not FIRST for one in claimed)
                return await self._until_next_due(LANES if behind < others else (FIRST,))
        return POLL_S

    async def _claim(self, lease: Lease, limit: int, others: int) -> list[Attempt]:
        try:
            return await send.claim(self._world, self.line, lease.epoch, limit, others)
        except Problem as problem:
            log.warning("cannot claim", line=self.line.name, problem=problem.detail)
            await self._world.ground.clock.sleep(AGAIN_S)
            return []

    def _hand_over(self, connection: Connection, claimed: list[Attempt]) -> None:
        now = self._world.ground.clock.now()
        batch: list[Submission] = []
        for attempt in claimed:
            self._under_way[attempt.id] = attempt
            try:
                batch.append(send.submission(self._world, self.line, attempt, now))
            except Exception as error:  # words that do not open: this one fails, the others go
                log.exception("could not prepare a submission", attempt=attempt.id)
                detail = f"{type(error).__name__}: {error}"
                self.outcome(attempt.id, Refused(send.NOT_PREPARED, detail=detail))
        if batch:
            connection.submit(batch)

    async def _until_next_due(self, lanes: Sequence[MessageClass]) -> float:
        """How long until something is due in these lanes; what waits in others waits for room."""
        line, now = self.line, self._world.ground.clock.now()
        read = self._world.ground.db.read
        try:
            due_at = await read(attempt_store.next_due, [line.workspace_id], line.id, lanes)
        except Problem:  # the database is away; the line need not go with it
            return AGAIN_S
        if due_at is None:
            return POLL_S
        return min(POLL_S, max(0.001, (due_at - now) / MICROS))

    # ── the ears ─────────────────────────────────────────────────────────────────────────────────────

    def outcome(self, attempt_id: int, outcome: Outcome) -> None:
        """One submission has ended."""
        attempt = self._under_way.pop(attempt_id)
        roll = self._world.ground.chance.roll() if isinstance(outcome, Refused) else 0.0
        self._record(Ended(attempt, outcome, roll))

    async def arrived(self, raw: Raw) -> None:
        """Journal what the provider said; returns after the commit."""
        await self._heard(self.line, raw)

    def room(self) -> None:
        """There is room, or the connection came or went.

        Few free places are left to gather, but for the first one after there was none: a code may wait.
        """
        if self._connection is None:
            return
        free = self._connection.free()
        self._world.connected[self.line.id] = free > 0 or bool(self._under_way)
        gathered = (free - self._kept) * 4 >= self.line.window_max
        if gathered or (self._full and free > 0) or not self._under_way:
            self._world.ground.fabric.wake(topic(self.line.id))

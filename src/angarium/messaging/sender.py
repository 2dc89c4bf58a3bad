"""One line's loop: take the lease, connect, claim what is due, hand it over, pass on how it ended.

Nothing here decides anything. The loop waits for a wake-up (or, because one may be lost, for a short while)
and calls a flow. Outcomes go to the engine, which writes them in batches.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from math import inf

import structlog

from angarium.core.clock import MICROS
from angarium.core.fabric import Lease, Waiter
from angarium.core.ports import Accepted, Connection, Outcome, Raw, Refused, Submission, Tape, Unknown
from angarium.core.problems import Problem
from angarium.core.service import Seldom
from angarium.core.values import MessageClass, Reason
from angarium.lines.store import Line
from angarium.messaging import claiming, poison, reconcile, send
from angarium.messaging.condition import Condition, Grant, Waiting
from angarium.messaging.inquiries import Inquirer
from angarium.messaging.lanes import FIRST, LANES, kept
from angarium.messaging.offers import Offer
from angarium.messaging.send import Ended
from angarium.messaging.shares import WHOLE, Share
from angarium.messaging.store import owners, queue
from angarium.messaging.store.attempts import Attempt
from angarium.messaging.world import World, topic

log = structlog.get_logger()

Left = Mapping[MessageClass, int] | None  # when the oldest that is left is due, by lane; None: nobody looked

BATCH_MAX = 300  # attempts claimed, outcomes recorded, callbacks applied in one transaction
POLL_S = 1.0  # how long a lost wake-up can go unnoticed
AGAIN_S = 0.5  # after the database could not take it
BREATH_S = 0.001
OFFERED_OF = 2  # of what is free one in so many, at most: a transaction that has to wait for another keeps it
PAUSE_S = 0.02  # when all that was due was put off
CLOSE_GRACE_S = 10.0  # for answers that are still under way when a line is closed
LEAVE_S = 2.0  # to take leave of a provider, which is to be over when another may have the line
WRITE_GRACE_S = 10.0  # and then for what they said to be written down

ENDED = Refused(Reason.CANCELLED, detail="Its message ended before it was handed over.")
LOST = Refused(Reason.TEMPORARY, detail="The line was lost before it was handed over.", untried=True)
EXPIRED = Refused(Reason.DEADLINE, detail="It expired before it was handed over.")


class Sender:
    """Sends on one line. It is the ears of the line's connection."""

    def __init__(
        self,
        world: World,
        line: Line,
        record: Callable[[Ended], object],
        recorded: Callable[[], Awaitable[None]],
        heard: Callable[[Line, Raw], Awaitable[None]],
        share: Share = WHOLE,
    ) -> None:
        self.line = line
        self._share = share
        self._window = share.window(line.window_max)
        self._world = world
        self._record = record
        self._recorded = recorded
        self._heard = heard
        self._under_way: dict[int, Attempt] = {}
        self._condition = Condition(share.speed(line.speed_per_s))
        self._was_up = False
        self._away = False  # it was connected, and is not
        self._kept = kept(self._window, line.classes)
        self._claimed_at = 0  # the instant of the last claim; no two have the same
        self._unsure: list[int] = []  # the instants of claims that failed, and may have been committed
        self._drained = False  # a claim left room: nothing is known to wait
        self._offered: set[Offer] = set()  # which have not ended
        self._offers_ended = asyncio.Event()
        self._wrote: Mapping[int, int] = {}  # contact -> when it last wrote here, of those claimed last
        self._full = False  # there was no place at all when it looked last
        self._connection: Connection | None = None
        self._closing: Connection | None = None  # what was the connection, while its answers are heard
        self._lease: Lease | None = None
        self._close_by = inf  # when the connection is to be closed, by the monotonic clock: the lease is lost
        self._asking: asyncio.Task[None] | None = None  # what became of messages
        self._seldom = Seldom(world.ground.clock)
        self._stopping = False
        self._ended = asyncio.Event()

    def state(self) -> str:
        """How the line is, in one sentence: it cannot be reached, or is held back, or how it is connected."""
        waiting = self.waiting()
        return waiting.why if waiting else self._connection.state() if self._connection else "closed"

    def waiting(self) -> Waiting | None:
        """Why what is due on the line is not handed over, or not all of it; None when nothing holds it."""
        if self._connection is None:
            return Waiting("starting")
        if not self._connection.up():
            return Waiting(self._connection.state())
        return self._condition.waiting(self._world.ground.clock.now())

    def works(self) -> bool | None:
        """Whether the line is connected and well; None while it is not this machine's."""
        if self._connection is None:
            return None
        return self._connection.up() and self._condition.well()

    def trouble(self) -> str:
        """Why the line cannot be counted on; empty while it can."""
        if self._connection is None or self.works():
            return ""
        return self._condition.breaker.why if self._connection.up() else self._connection.state()

    @property
    def condition(self) -> Condition:
        """What is known of the line's provider."""
        return self._condition

    # ── the loop ─────────────────────────────────────────────────────────────────────────────────────

    async def run(self) -> None:
        """Own the line as often as it can be had, until stopped."""
        world, line = self._world, self.line
        self._ended.clear()
        waiter = world.ground.fabric.listen(topic(line.id))
        try:
            while lease := await self._take_lease():
                self._lease, self._close_by = lease, inf
                guard = asyncio.create_task(self._fall_silent(lease))
                try:
                    await self._own(lease, waiter)
                finally:
                    await self._withdraw()
                    await self._close()
                    guard.cancel()
                    await self._write_down()
                    await world.ground.fabric.release(lease)
        finally:
            waiter.close()
            self._ended.set()

    async def _own(self, lease: Lease, waiter: Waiter) -> None:
        """Clear up after an earlier owner, connect, and send what is due until stopped or another owns it."""
        world, line = self._world, self.line
        earlier = await world.ground.db.read(owners.owner, line.workspace_id, line.id, self._share.number)
        await reconcile.take_over(world, line, lease.epoch, self._share)
        if earlier not in (0, lease.epoch):
            self._condition.begin(world.ground.clock.now())
        if not world.ground.fabric.held(lease):
            return  # that took long
        channel, settings = world.channels[line.channel], world.settings(line)
        connection = world.connect(channel, world.tools_for(line), settings, self._window, self)
        self._connection = connection
        world.waiting[line.id] = self.waiting
        if self._share.of == 1 and channel.capabilities.window_s is None:  # else it takes more to hand over
            world.takers[line.id] = self
        await connection.open()
        if channel.asks is not None and self._share.number == 0:
            self._asking = asyncio.create_task(Inquirer(world, line, channel.asks).run())
        while not self._stopping and world.ground.fabric.held(lease):
            await waiter.wait(await self._send_some(lease, connection))

    async def _fall_silent(self, lease: Lease) -> None:
        """Leave the provider when the lease is lost, whatever else is waited for: another may come.

        What was submitted is heard out, but for no longer than nobody else can have the line. Nothing is
        submitted meanwhile (`may_submit`).
        """
        free_s = await self._world.ground.fabric.lost(lease)
        self._close_by = self._world.ground.clock.monotonic() + free_s - LEAVE_S
        told = {"line": self.line.name, "under_way": len(self._under_way)}
        log.warning("the lease of a line is lost", hears_for_s=round(self._grace_s(), 1), **told)
        connection = self._connection or self._closing
        if connection is not None:
            await connection.close(self._grace_s())

    def _grace_s(self) -> float:
        """How long answers may be waited for when the line is closed now."""
        return min(CLOSE_GRACE_S, max(0.0, self._close_by - self._world.ground.clock.monotonic()))

    async def stop(self) -> None:
        """Claim nothing more; wait for answers that are under way, up to a grace."""
        self._stopping = True
        self._world.ground.fabric.wake(topic(self.line.id))
        await self._ended.wait()

    async def _close(self) -> None:
        if self._world.waiting.get(self.line.id) == self.waiting:  # and not that of another share
            self._world.connected.pop(self.line.id, None)
            self._world.waiting.pop(self.line.id, None)
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.gather(self._asking, return_exceptions=True)
            self._asking = None
        if self._connection is not None:
            self._closing, self._connection = self._connection, None
            await self._closing.close(self._grace_s())
            self._closing = None
        for attempt_id in list(self._under_way):  # the connection broke, and did not say what became of it
            self.outcome(attempt_id, Unknown("the line stopped before the answer came"))

    async def _write_down(self) -> None:
        """Wait for the ledger before the line is let go, or taken again: to whoever takes it, an intent
        without an outcome is in doubt."""
        with suppress(TimeoutError):
            async with asyncio.timeout(WRITE_GRACE_S):
                await self._recorded()

    async def _take_lease(self) -> Lease | None:
        while not self._stopping:
            lease = await self._world.ground.fabric.lease(self._share.key(self.line.id))
            if lease is not None:
                return lease
            await self._world.ground.clock.sleep(POLL_S)
        return None

    async def _send_some(self, lease: Lease, connection: Connection) -> float:
        """Claim and hand over what is due and fits; how long to wait before looking again, in seconds."""
        clock = self._world.ground.clock
        while not self._stopping and self._world.ground.fabric.held(lease):
            free = self._free(connection)
            self._full = free <= 0
            if self._full:
                return POLL_S
            under_way = (attempt.submitted_at or 0 for attempt in self._under_way.values())
            grant = self._condition.grant(min(free, BATCH_MAX), under_way, clock.now())
            if grant.number == 0:
                return grant.wait_s
            others = min(grant.number, max(0, free - self._kept))
            claimed, left = await self._claim(lease, grant, others)
            behind = sum(one.message_class is not FIRST for one in claimed)
            lanes = LANES if behind < others else (FIRST,)
            self._drained = lanes is LANES and _nothing_is_due(left, clock.now())
            self._condition.used(grant, [attempt.tries for attempt in claimed], clock.now())
            if not self._world.ground.fabric.ours(lease):
                self._give_back(claimed)
                break
            self._hand_over(connection, claimed)
            if len(claimed) < grant.number:
                return await self._until_next_due(left, lanes, BREATH_S if claimed else PAUSE_S)
        return POLL_S

    async def _claim(self, lease: Lease, grant: Grant, others: int) -> tuple[list[Attempt], Left]:
        """What may be handed over; and what is left, where the claim has looked."""
        limit, retries, at = grant.number, grant.retries, self._instant()
        left: Left = None
        instants = list(self._unsure)
        try:
            if instants:
                claimed = await claiming.claimed_at(self._world, self.line, lease.epoch, instants)
            else:
                found = await claiming.claim(
                    self._world, self.line, lease.epoch, limit, others, retries, at, self._share
                )
                claimed, left = found.attempts, found.left
            self._wrote = await send.last_heard(self._world, self.line, claimed)
            del self._unsure[: len(instants)]
            return claimed, left
        except Problem as problem:
            if not instants:
                self._unsure.append(at)
            if self._seldom.now("claim"):
                log.warning("cannot claim", line=self.line.name, problem=problem.detail)
            await self._world.ground.clock.sleep(AGAIN_S)
            return [], None

    # ── what others claim, with what they write ──────────────────────────────────────────────────────

    def offer(self, most: int) -> Offer | None:
        """Places for at most so many, where nothing is known to wait."""
        lease, connection, ground = self._lease, self._connection, self._world.ground
        if lease is None or connection is None or self._stopping or self._unsure or not self._drained:
            return None
        if not (connection.up() and self._condition.well() and ground.fabric.held(lease)):
            return None
        free = self._free(connection)
        now = ground.clock.now()
        fair = max(1, free // OFFERED_OF)
        grant = self._condition.grant(min(fair, most), (), now) if free > 0 else Grant(0)
        if grant.number == 0:
            return None
        others = min(grant.number, max(0, free - self._kept))
        offer = Offer(self.line, lease.epoch, self._instant(), grant, others)
        self._offered.add(offer)
        return offer

    def take(self, offer: Offer, claimed: Sequence[Attempt]) -> None:
        """After the commit: hand over what was claimed of it."""
        connection, lease = self._connection, self._lease
        is_ours = lease is not None and lease.epoch == offer.epoch and self.may_submit()
        if claimed and connection is not None and is_ours:
            self._hand_over(connection, claimed)
        else:
            self._give_back(claimed)
        self._end(offer, [attempt.tries for attempt in claimed])

    def leave(self, offer: Offer, *, unsure: bool) -> None:
        """Nothing was claimed of it; or nobody knows, as when the answer to a COMMIT is lost."""
        if unsure:
            self._unsure.append(offer.at)
        self._end(offer, [])

    def _end(self, offer: Offer, tries: Sequence[int]) -> None:
        self._offered.discard(offer)
        self._condition.used(offer.grant, tries, self._world.ground.clock.now())
        if not self._offered:
            self._offers_ended.set()
        if self._full or self._unsure:  # there is something for which there was no place, or to look for
            self._world.ground.fabric.wake(topic(self.line.id))

    def _free(self, connection: Connection) -> int:
        """Places that are neither taken nor offered."""
        return connection.free() - sum(offer.grant.number for offer in self._offered)

    async def _withdraw(self) -> None:
        """Offer nothing more, and wait for what is written by an offer: it may be claimed for us."""
        if self._world.takers.get(self.line.id) is self:
            del self._world.takers[self.line.id]
        with suppress(TimeoutError):
            async with asyncio.timeout(WRITE_GRACE_S):
                while self._offered:
                    self._offers_ended.clear()
                    await self._offers_ended.wait()

    def _instant(self) -> int:
        """The instant of a claim: after any other of this sender, though the clock stands or is set back.

        So what one claim left in doubt is never mistaken for what another took, and handed over.
        """
        self._claimed_at = max(self._world.ground.clock.now(), self._claimed_at + 1)
        return self._claimed_at

    def _hand_over(self, connection: Connection, claimed: Sequence[Attempt]) -> None:
        """Hand over what may still go: the commit of the claim can have taken long."""
        now = self._world.ground.clock.now()
        batch: list[Submission] = []
        for attempt in claimed:
            self._under_way[attempt.id] = attempt
            prepared = self._prepared(attempt, now)
            if isinstance(prepared, Refused):
                self.outcome(attempt.id, prepared)
            else:
                batch.append(prepared)
        if batch:
            connection.submit(batch)

    def _give_back(self, claimed: Sequence[Attempt]) -> None:
        """The line was lost while they were claimed. If it stood still for so long that another has settled
        them since, that stands."""
        for attempt in claimed:
            self._under_way[attempt.id] = attempt
            self.outcome(attempt.id, LOST)

    def _prepared(self, attempt: Attempt, now: int) -> Submission | Refused:
        if now >= attempt.expires_at:
            return EXPIRED
        if not attempt.content:  # a code, forgotten because its message has ended since the claim
            return ENDED
        try:
            return send.submission(self._world, self.line, attempt, now, self._wrote.get(attempt.contact_id))
        except Exception as error:  # words that do not open: this one fails, the others go
            log.exception("could not prepare a submission", attempt=attempt.id)
            return Refused(send.NOT_PREPARED, detail=poison.words(error))

    async def _until_next_due(self, left: Left, lanes: Sequence[MessageClass], at_least_s: float) -> float:
        """How long until something is due in these lanes; what waits in others waits for room."""
        line, now = self.line, self._world.ground.clock.now()
        if left is None:
            read, senders = self._world.ground.db.read, self._world.lines.senders(line.id)
            try:
                left = await read(queue.oldest_due, senders, line.id)
            except Problem:  # the database is away; the line need not go with it
                return AGAIN_S
        due_at = min((at for lane, at in left.items() if lane in lanes), default=None)
        if due_at is None:
            return POLL_S
        return min(POLL_S, max(at_least_s, (due_at - now) / MICROS))

    # ── the ears ─────────────────────────────────────────────────────────────────────────────────────

    def outcome(self, attempt_id: int, outcome: Outcome, tape: Tape | None = None) -> None:
        """One submission has ended."""
        attempt = self._under_way.pop(attempt_id)
        roll = 0.0 if isinstance(outcome, Accepted) else self._world.ground.chance.roll()
        self._learn(attempt, outcome, roll)
        self._record(Ended(attempt, outcome, roll, tape))

    def _learn(self, attempt: Attempt, outcome: Outcome, roll: float) -> None:
        """What the outcome says of the line; a change of heart is told."""
        now = self._world.ground.clock.now()
        changed = self._condition.heard(outcome, attempt.submitted_at or 0, now, roll)
        took_s = (now - (attempt.submitted_at or now)) / MICROS
        self._world.ear.outcome(self.line, outcome, took_s, now)
        if changed:
            self._show()
            log.warning("a line changed", line=self.line.name, state=self.state())

    def may_submit(self) -> bool:
        """Whether the line is ours still, also where another waits for it: what was claimed may go."""
        return self._lease is not None and self._world.ground.fabric.ours(self._lease)

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
        self._show()
        if self._drained and not self._full:
            return  # nothing is known to wait, and of what comes somebody tells
        gathered = (free - self._kept) * 4 >= self._window
        if gathered or (self._full and free > 0) or not self._under_way:
            self._world.ground.fabric.wake(topic(self.line.id))

    def _show(self) -> None:
        """Tell the routing whether the line can be counted on; one that was away comes back slowly."""
        if self._connection is None:  # it is being closed; what ends now is recorded all the same
            return
        up = self._connection.up()
        if up and self._away:
            self._condition.came_back(self._world.ground.clock.now())
        self._away = not up and (self._away or self._was_up)
        self._was_up = up
        self._world.connected[self.line.id] = up and self._condition.well()


def _nothing_is_due(left: Left, now: int) -> bool:
    """Whether a claim has looked at what it left, and nothing of that may go now."""
    return left is not None and all(due_at > now for due_at in left.values())

"""The fabric of many servers: NATS, with the ledger giving out the numbers of servers.

Leases are keys of a bucket (nats_keys.py), logs are streams (nats_log.py), wake-ups and what is told are core
subjects, which whoever does not listen misses. While NATS is away leases run out, by our own monotonic clock,
and everything else goes on; when it is back, or has come back without anything that it kept, what is missing
is made by whoever finds it missing, and leases are taken again.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from weakref import WeakValueDictionary

import structlog
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from angarium.core.clock import Clock
from angarium.core.fabric import ENTRY_MAX_BYTES, Hearer, Holding, Lease, Log, Waiter, fabric_away
from angarium.core.problems import Problem
from angarium.fabric import holding
from angarium.fabric.ears import WAITING_MAX, Audience, Ears
from angarium.fabric.holding import Leases
from angarium.fabric.members import Member, takes_leases
from angarium.fabric.nats_keys import Keys, Owner, token
from angarium.fabric.nats_link import Link, Refused, leave
from angarium.fabric.nats_log import NatsLog
from angarium.fabric.numbers import Number
from angarium.fabric.own_connection import OwnConnection
from angarium.fabric.place import Nats
from angarium.fabric.sight import Sight
from angarium.storage.postgres import translated, trouble_of

log = structlog.get_logger()

RENEW_S = 3.0
TICK_S = 0.1  # how late it can be noticed that a lease has run out
SEEN_S = 2.0  # how often the ledger sees this server
AT_ONCE = 100  # renewals under way
BEGIN_S = 15.0  # a cluster of NATS that has just begun has no leader yet


class NatsFabric:
    """One server's part in it; `name` is what people know it by."""

    outlives_ledger = True

    def __init__(self, place: Nats, ledger: str, clock: Clock, server: int, name: str) -> None:
        self._link = Link(place)
        self._prefix = place.prefix
        self._clock = clock
        self._server = server
        self._name = name
        self._ledger = OwnConnection(ledger)
        self._number = Number(self._ledger, server, name)
        self._holding = Leases(clock, server)
        self._keys: Keys | None = None
        self._owners: dict[str, tuple[Owner, float]] = {}  # who was found to have a lease, and when
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._after = 0
        self._settled = False
        self._beaten_at = clock.monotonic()
        self._too_low = False
        self._leaderless = False
        self._sight = Sight(clock)
        self._ears = Ears()
        self._audience = Audience()
        self._to_wake: set[str] = set()
        self._to_tell: deque[tuple[str, bytes]] = deque(maxlen=WAITING_MAX)
        self._stirred = asyncio.Event()
        self._heard: dict[str, Subscription] = {}
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def members(self) -> tuple[Member, ...]:
        """Who is there."""
        return self._keys.members if self._keys is not None else ()

    @property
    def apart(self) -> bool:
        """Whether no NATS can be reached, or none has done what is asked for so long that leases have ended:
        where most of its servers are away the others let us in, and have no leader."""
        sure_s = holding.TTL_S - holding.MARGIN_S
        return not self._link.up or self._clock.monotonic() - self._beaten_at >= sure_s

    @property
    def leaderless(self) -> bool:
        """Whether we are apart because NATS has no leader."""
        return self.apart and self._leaderless

    # ── coming and going ─────────────────────────────────────────────────────────────────────────────

    async def start(self) -> int | None:
        """Join the others. Problem when NATS or PostgreSQL cannot be asked, or all numbers are taken."""
        await self._link.open(self._name)
        try:
            node = await self._number.take()
        except Exception as error:
            await self._link.close()
            raise translated(error) from error
        self._keys = Keys(self._link, self._prefix, self._clock, Member(self._server, self._name, node, 0, 0))
        try:
            await self._begin(self._keys)
        except Problem:
            await self._link.close()
            raise
        loops = (self._beat, self._watch, self._say, self._be_seen, self._find_out_why)
        self._tasks = [asyncio.create_task(self._kept_up(one)) for one in loops]
        return node

    async def _begin(self, keys: Keys) -> None:
        """Come into the bucket; again, while the servers of NATS are not ready for it."""
        until = self._clock.monotonic() + BEGIN_S
        while True:
            try:
                await keys.settle(self._after, first=True)
                await keys.be_seen()
                await keys.look()
                await self._link.hear(self._subject("freed", "*"), self._freed)
                self._settled, self._beaten_at = True, self._clock.monotonic()
                return
            except (Problem, Refused) as error:
                if self._clock.monotonic() >= until:
                    raise fabric_away(f"The bucket of leases: {_in_words(error)}") from error
            await self._clock.sleep(TICK_S)

    async def stop(self) -> None:
        """Leave: every lease is given up, as far as the others can be told."""
        while running := [task for task in self._tasks if not task.done()]:
            for task in running:
                task.cancel()
            await asyncio.wait(running, timeout=TICK_S)  # nats-py may lose it (python/cpython#86296)
        self._tasks = []
        leases = list(self._holding.all().values())
        for lease in leases:
            self._holding.let_go(lease.key)
        try:
            await asyncio.gather(*(self._give_up(lease.key) for lease in leases))
            if self._keys is not None:
                await self._keys.leave()
            await self._number.leave()
        except Exception as error:
            log.warning("the others could not be told that this server leaves", why=str(error))
        await self._link.close()
        await self._ledger.hang_up()

    async def gone(self) -> None:
        await self._number.gone()

    # ── leases ───────────────────────────────────────────────────────────────────────────────────────

    def begin_after(self, epoch: int) -> None:
        self._after = max(self._after, epoch + 1)

    async def lease(self, key: str) -> Lease | None:
        async with self._turns.setdefault(key, asyncio.Lock()):
            ours, keys = self._holding.get(key), self._keys
            if ours is not None:
                return ours if self._holding.held(ours) else None
            if keys is None or not keys.open or self._sight.makes_way or self._is_anothers(key):
                return None
            try:
                if not keys.takes_leases:
                    await self._come(keys)
                if not self._holding.may_take(key, [one.server for one in self.members]):
                    return None
                return await self._take(keys, key)
            except (Problem, Refused):
                return None

    async def _come(self, keys: Keys) -> None:
        """Be one of those to whom leases are left: this server can take them now. What does not come about
        here does with the next beat."""
        keys.takes_leases = True
        await keys.be_seen(blind=self._sight.blind)
        await keys.look()

    async def _take(self, keys: Keys, key: str) -> Lease | None:
        asked_at = self._clock.monotonic()
        found = await keys.take(key)
        if isinstance(found, Owner):
            self._owners[key] = found, self._clock.monotonic()
            return None
        if found is None:
            return None
        if found < self._after:  # this NATS knows less than the database: another base is to be found
            await keys.release(key)
            self._too_low = True
            return None
        return self._holding.took(key, found, asked_at)

    def _is_anothers(self, key: str) -> bool:
        """Whether one who is there was found to have it a moment ago, and has not said that it is free: there
        may be a thousand lines, and each is looked at by each server every second."""
        owner, at = self._owners.get(key, (None, 0.0))
        if owner is None:
            return False
        if self._clock.monotonic() - at < holding.TTL_S and any(
            one.server == owner.server for one in self.members
        ):
            return True
        del self._owners[key]
        return False

    def held(self, lease: Lease) -> bool:
        return self._holding.held(lease)

    def ours(self, lease: Lease) -> bool:
        return self._holding.ours(lease)

    def holding(self) -> list[Holding]:
        return self._holding.told()

    async def lost(self, lease: Lease) -> float:
        return await self._holding.lost(lease)

    async def release(self, lease: Lease) -> None:
        async with self._turns.setdefault(lease.key, asyncio.Lock()):
            if self._holding.get(lease.key) != lease:
                return
            self._holding.let_go(lease.key)
            with suppress(Problem, Refused):  # else it ends by itself
                await self._give_up(lease.key)

    async def _give_up(self, key: str) -> None:
        if self._keys is not None:
            await self._keys.release(key)
            await self._link.say(self._subject("freed", key), key.encode())

    async def _freed(self, said: Msg) -> None:
        self._owners.pop(said.data.decode(), None)

    # ── wake-ups, what is told, logs ─────────────────────────────────────────────────────────────────

    def wake(self, topic: str) -> None:
        self._ears.wake((topic,))
        self._to_wake.add(topic)
        self._stirred.set()

    def listen(self, topic: str) -> Waiter:
        self._stirred.set()
        return self._ears.listen(topic)

    def tell(self, topic: str, body: bytes) -> None:
        self._audience.tell(topic, body)
        if len(body) <= ENTRY_MAX_BYTES:
            self._to_tell.append((topic, body))
            self._stirred.set()

    def hear(self, topic: str) -> Hearer:
        self._stirred.set()
        return self._audience.hear(topic)

    def log(self, name: str) -> Log:
        return NatsLog(self._link, self._clock, self._prefix, name)

    # ── what goes on ─────────────────────────────────────────────────────────────────────────────────

    async def _kept_up(self, loop: Callable[[], Awaitable[None]]) -> None:
        """Run it for ever, whatever happens to it. What keeps it from its work is said once until it does it:
        it is tried ten times a second, and an outage of a night would fill the disk with one sentence."""
        said: set[str] = set()
        while True:
            try:
                await loop()
                if said:
                    log.info("NATS does what is asked again")
                said.clear()
            except (Problem, Refused) as error:
                why = _in_words(error)
                if why not in said:
                    said.add(why)
                    log.warning("NATS does not do what is asked", why=why)
            except Exception as error:
                if trouble_of(error) is None:
                    log.exception("the fabric broke")
                await self._ledger.hang_up()
            await self._clock.sleep(TICK_S)

    async def _beat(self) -> None:
        """Renew what is ours, be seen, see who is there; in another bucket than before nothing is ours."""
        keys = self._keys
        assert keys is not None
        begun_at = self._clock.monotonic()
        if self._too_low or not self._settled:
            self._too_low = False
            self._settle_anew(keys, await keys.settle(self._after, first=False))
        self._settled = False  # until all of it has been done
        await self._renew(keys)
        await keys.be_seen(blind=self._sight.blind)
        await keys.look()
        self._settled, self._beaten_at = True, self._clock.monotonic()
        self._holding.leave_to({one.server: one.joined_at for one in keys.members})
        self._make_way(keys)
        await self._clock.sleep(max(0.0, RENEW_S - (self._clock.monotonic() - begun_at)))

    def _make_way(self, keys: Keys) -> None:
        """Leave our leases to others where they reach the ledger and we do not. What is under way ends first,
        or else they run out, as those of a server that is gone."""
        others = [one for one in keys.members if one.server != self._server and takes_leases(one.server)]
        self._sight.look(others_see=not all(one.blind for one in others))
        if self._sight.makes_way:
            self._holding.leave_all()
        if self._sight.overdue:
            for key in self._holding.all():
                self._holding.lose(key)

    def _settle_anew(self, keys: Keys, anew: bool) -> None:
        if anew:
            log.warning("this NATS has forgotten who owns what: leases are taken again")
            keys.come_anew()
            self._owners.clear()
            for key in self._holding.all():
                self._holding.lose(key)

    async def _renew(self, keys: Keys) -> None:
        room = asyncio.Semaphore(AT_ONCE)
        renewed = (self._renew_one(keys, lease, room) for lease in self._holding.all().values())
        for error in await asyncio.gather(*renewed, return_exceptions=True):
            if isinstance(error, BaseException):
                raise error

    async def _renew_one(self, keys: Keys, lease: Lease, room: asyncio.Semaphore) -> None:
        async with room, self._turns.setdefault(lease.key, asyncio.Lock()):
            if self._holding.get(lease.key) != lease:
                return
            asked_at = self._clock.monotonic()
            if await keys.renew(lease.key, lease.epoch):
                self._holding.renewed(lease.key, asked_at)
            else:
                self._holding.let_go(lease.key)

    async def _watch(self) -> None:
        """Tell of what is lost, also while NATS does not answer."""
        self._holding.lose_ended()

    async def _find_out_why(self) -> None:
        """Whether NATS has a leader, asked once leases have ended for want of an answer: not before, for what
        renews them is not to wait for it."""
        if not (self.apart and self._link.up):
            self._leaderless = False
            return
        self._leaderless = not await self._link.has_leader()
        await self._clock.sleep(RENEW_S)

    async def _be_seen(self) -> None:
        await self._clock.sleep(SEEN_S)
        try:
            await self._number.keep()
        except Exception:
            self._sight.asked_in_vain()
            raise
        if self._sight.answered() and self._keys is not None:
            self._keys.come_anew()  # so that what we are preferred for comes back

    async def _say(self) -> None:
        """Say what is to be said, and hear what somebody here listens to."""
        await self._stirred.wait()
        self._stirred.clear()
        await self._hear()
        while self._to_wake:
            await self._link.say(self._subject("wake", self._to_wake.pop()))
        while self._to_tell:
            topic, body = self._to_tell.popleft()
            await self._link.say(self._subject("tell", topic), body)

    async def _hear(self) -> None:
        wanted = {self._subject("wake", topic): partial(self._rung, topic) for topic in self._ears.topics()}
        wanted |= {
            self._subject("tell", topic): partial(self._told, topic) for topic in self._audience.topics()
        }
        new = wanted.keys() - self._heard.keys()
        for subject in new:
            self._heard[subject] = await self._link.hear(subject, wanted[subject])
        for subject in self._heard.keys() - wanted.keys():
            await leave(self._heard.pop(subject))
        if new:  # what was rung before they could hear it is looked for once
            await self._link.heard()
            self._ears.wake(one for one in self._ears.topics() if self._subject("wake", one) in new)

    async def _rung(self, topic: str, _: Msg) -> None:
        self._ears.wake((topic,))

    async def _told(self, topic: str, said: Msg) -> None:
        self._audience.tell(topic, said.data)

    def _subject(self, what: str, topic: str) -> str:
        return f"{self._prefix}.{what}.{topic if topic == '*' else token(topic)}"


def _in_words(error: Problem | Refused) -> str:
    """What is wrong, for who reads the log: that it is the fabric's is said by where it stands."""
    return error.detail if isinstance(error, Problem) else str(error)

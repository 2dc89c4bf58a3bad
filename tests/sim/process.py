"""One life of the server: the real engine with its real loops, and the ground that shakes under it.

It falls at the n-th moment: each time that it waits for the database, before and after, and each time that
bytes are about to leave. Then its tasks are gone and nothing is flushed. It may also be stopped for a while,
as by SIGSTOP, and go on as if nothing had been. Moments have kinds, such as "after _record": the n-th of a
kind can be meant as well as the n-th of all.
"""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Protocol, TypeVar

import msgspec

from angarium import channels
from angarium.accounts import store as accounts
from angarium.core.fabric import Hearer, Lease, Log, Waiter
from angarium.core.ids import IdMint
from angarium.core.ports import Channel, Connection, Ears, Receipt, Tools
from angarium.core.problems import Problem
from angarium.fabric import ears
from angarium.fabric.kept_log import KeptLog
from angarium.lines.at_hand import Lines
from angarium.lines.store import Line
from angarium.messaging.claiming import Claimed
from angarium.messaging.straight import Straight
from angarium.messaging.workers import Engine
from angarium.messaging.world import World
from angarium.storage.database import Trouble, unavailable
from angarium.storage.ground import Ground
from angarium.storage.vault import Vault
from sim.loop import VirtualClock, owned
from support.still import SeededChance

T = TypeVar("T")

LEASE_S = 15.0
RENEWED_S = 5.0
KEYED = "viber_business"  # the channel whose provider knows keys, here


class Fallen(Exception):
    """The process went away before it answered."""


# Moments that are worth a fall of their own: most of the others are those of a server with nothing to do.
SOME = "after a claim of some"
TELLING = (
    "before _claim",
    SOME,
    "write",
    "before _record",
    "after _record",
    "before write_journal",
    "after write_journal",
    "before _apply",
    "after _take_over",
    "after _accept",
    "after due",
)


@dataclass
class At:
    """The n-th moment, of any kind or of one; never when n is 0."""

    n: int = 0
    kind: str = ""

    def reached(self, kind: str) -> bool:
        """Count a moment."""
        if not self.n or self.kind not in ("", kind):
            return False
        self.n -= 1
        return self.n == 0


@dataclass(frozen=True)
class Faults:
    """What is wrong with the world of one seed."""

    troubled: bool = False  # the database refuses now and then, or commits and cannot say so
    deaf: float = 0.0  # share of the wake-ups that are lost; as many again come twice
    outages: bool = False  # providers take nothing for a while
    lossy: bool = False  # every other answer is lost
    pair: bool = False  # two servers, of which one is stopped past its lease now and then
    often: float = 1.0  # how many times as often as in other worlds the database refuses

    @classmethod
    def drawn(cls, chance: random.Random) -> Faults:
        """Each fault has its seeds, and some seeds have none."""
        return cls(
            troubled=chance.random() < 0.25,
            deaf=0.5 if chance.random() < 0.15 else 0.0,
            outages=chance.random() < 0.15,
            lossy=chance.random() < 0.2,
            pair=chance.random() < 0.2,
        )


class Surroundings(Protocol):
    """What a process stands on."""

    clock: VirtualClock
    chance: random.Random
    faults: Faults
    leases: Leases
    calm: bool  # nothing more goes wrong by itself

    def note(self, what: str) -> None:
        """One line of the trace."""

    def next_node(self) -> int:
        """The number of a new server."""

    def connection(self, process: Process, line: Line, ears: Ears, window: int) -> Connection:
        """A connection to the provider of a line."""

    async def commit(self, work: Callable[..., Awaitable[T]], args: Any, kwargs: Any) -> T:
        """A transaction on the database that outlives all processes, looked at before it is committed."""

    async def read(self, work: Callable[..., Awaitable[T]], args: Any, kwargs: Any) -> T:
        """The same for one that only reads."""


class Process:
    """One life of the server."""

    def __init__(self, around: Surroundings, falls_at: At, troubled: bool = False) -> None:
        self.alive = True
        self.gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.falls_at = falls_at
        self.stops_at, self.stops_for_s = At(), 0.0
        self._around = around
        self._troubled = troubled
        self._resumed: asyncio.Future[None] | None = None
        self._context = owned(self)
        chance = around.chance
        self.fabric = SharedFabric(around, self)
        ground = Ground(
            db=ProcessDatabase(around, self),
            clock=around.clock,
            chance=SeededChance(chance.getrandbits(32)),
            ids=IdMint(around.clock, around.next_node()),
            vault=Vault([SeededChance(0).secret(32)], SeededChance(chance.getrandbits(32))),
            fabric=self.fabric,
        )
        self.world = World(
            ground=ground,
            channels=_channels(),
            lines=Lines(ground),
            tools=Tools(ground.clock, ground.chance, None),
            connect=self._connect,
        )
        self.engine = Engine(self.world, self._workspaces)

    async def _workspaces(self) -> list[int]:
        return [workspace.id for workspace in await self.world.ground.db.read(accounts.workspaces)]

    def _connect(
        self, _channel: Channel, _tools: Tools, _settings: Any, window: int, ears: Ears
    ) -> Connection:
        line: Line = ears.line  # type: ignore[attr-defined]
        return self._around.connection(self, line, ears, window)

    async def start(self) -> None:
        """The engine, and what keeps its leases."""
        asyncio.create_task(self.fabric.keep())  # noqa: RUF006  the loop holds it
        await self.engine.start()

    async def call(self, work: Coroutine[Any, Any, T]) -> T:
        """Let the process do something; Fallen when it falls before it is done."""
        if not self.alive:
            work.close()
            raise Fallen
        task = asyncio.get_running_loop().create_task(work, context=self._context.copy())
        await asyncio.wait([task, self.gone], return_when=asyncio.FIRST_COMPLETED)
        if not task.done() or task.cancelled():
            raise Fallen
        return task.result()

    # ── its moments ──────────────────────────────────────────────────────────────────────────────────

    async def moment(self, kind: str) -> None:
        """A point at which the process waits; it may be its last."""
        self._count(kind)
        await self.gate()
        if self._around.chance.random() < 0.3:
            await self._around.clock.sleep(self._around.chance.choice((0.0005, 0.003, 0.04)))
            await self.gate()

    def step(self) -> bool:
        """Bytes are about to leave; False when it falls before they do."""
        self._count("write")
        return self.alive

    def _count(self, kind: str) -> None:
        if self.falls_at.reached(kind):
            self.fall()
        elif not self.still and self.stops_at.reached(kind):
            self.pause()
            asyncio.get_running_loop().call_later(self.stops_for_s, self.resume)

    async def gate(self) -> None:
        """Go on when it does: later when it stands still, never when it is gone."""
        while self._resumed is not None and self.alive:
            await asyncio.wait([self._resumed])
        if not self.alive:
            await asyncio.get_running_loop().create_future()

    def run(self, work: Callable[[], None]) -> None:
        """Do something in the process, later when it stands still, never when it is gone."""
        if self._resumed is not None:
            self._resumed.add_done_callback(lambda _: self.run(work))
        elif self.alive:
            self._context.copy().run(work)

    def trouble(self, share: float) -> None:
        """The database may refuse, as a full disk or a lost server does."""
        if (
            self._troubled
            and not self._around.calm
            and self._around.chance.random() < share * self._around.faults.often
        ):
            raise unavailable(Trouble.LOCKED)

    # ── its ends ─────────────────────────────────────────────────────────────────────────────────────

    def fall(self) -> None:
        """Gone, as after kill -9."""
        if self.alive:
            self.alive = False
            self._around.note("a process falls")
            self.gone.set_result(None)
            self.resume()

    @property
    def still(self) -> bool:
        """Whether it is stopped for a while."""
        return self._resumed is not None

    def pause(self) -> None:
        """As by SIGSTOP."""
        self._around.note("a process is stopped")
        self._resumed = asyncio.get_running_loop().create_future()

    def resume(self) -> None:
        """As by SIGCONT."""
        resumed, self._resumed = self._resumed, None
        if resumed is not None:
            self._around.note("a process goes on")
            resumed.set_result(None)


@cache
def _channels() -> dict[str, Channel]:
    """The real ones, with callbacks that are receipts as they are, and one that knows keys."""
    return {kind: _readable(kind, channel) for kind, channel in channels.load().items()}


def _readable(kind: str, channel: Channel) -> Channel:
    capabilities = msgspec.structs.replace(channel.capabilities, idempotent=kind == KEYED)
    return replace(
        channel,
        capabilities=capabilities,
        balance=None,  # nobody is asked over the network here
        asks=None,
        parse=lambda _settings, raw: [msgspec.json.decode(raw.body, type=Receipt)],
    )


class ProcessDatabase:
    """The database as one process reaches it: slower than at once, sometimes refusing, always watched."""

    dialect = "sqlite"
    on_news = None

    def __init__(self, around: Surroundings, process: Process) -> None:
        self._around = around
        self._process = process

    async def start(self) -> None:
        """It is open."""

    async def stop(self) -> None:
        """It stays open."""

    async def tell_planner(self) -> None:
        """It knows."""

    async def run(self, work: Callable[..., Awaitable[T]], /, *args: Any, **kwargs: Any) -> T:
        await self._process.moment(f"before {work.__name__}")
        self._process.trouble(0.01)
        result = await self._around.commit(work, args, kwargs)
        await self._process.moment(SOME if _claimed(result) else f"after {work.__name__}")
        self._process.trouble(0.02)  # committed, but the answer was lost
        return result

    async def read(self, work: Callable[..., Awaitable[T]], /, *args: Any, **kwargs: Any) -> T:
        await self._process.moment("read")
        self._process.trouble(0.01)
        return await self._around.read(work, args, kwargs)


def _claimed(result: Any) -> bool:
    """Whether something was claimed, by its sender or with what was written."""
    if isinstance(result, Claimed):
        return bool(result.attempts)
    with_it = result[1] if isinstance(result, tuple) and isinstance(result[-1], Straight) else None
    return with_it is not None and any(with_it.claimed.values())


# ── the fabric ───────────────────────────────────────────────────────────────────────────────────────


class Leases:
    """Who may send on what, until when; outlives the processes."""

    def __init__(self, clock: VirtualClock) -> None:
        self.clock = clock
        self.newest = clock.now()
        self.held: dict[str, tuple[Lease, float]] = {}
        self.ears: dict[str, dict[Ear, None]] = defaultdict(dict)
        self.audience = ears.Audience()

    def take(self, key: str) -> Lease | None:
        """A new lease, when nobody has one."""
        if key in self.held and self.held[key][1] > self.clock.monotonic():
            return None
        self.newest += 1
        lease = Lease(key, self.newest)
        self.held[key] = lease, self.clock.monotonic() + LEASE_S
        return lease

    def renew(self, lease: Lease) -> float | None:
        """Until when it is held now; None when another has it."""
        if self.lost(lease):
            return None
        self.held[lease.key] = lease, self.clock.monotonic() + LEASE_S
        return self.held[lease.key][1]

    def lost(self, lease: Lease) -> bool:
        """Whether it is no longer the one that is written."""
        return lease.key not in self.held or self.held[lease.key][0] != lease


class SharedFabric:
    """Leases that end unless they are renewed, and wake-ups that may be lost or come twice."""

    outlives_ledger = False

    def __init__(self, around: Surroundings, process: Process) -> None:
        self._around = around
        self._process = process
        self._until: dict[str, tuple[Lease, float]] = {}

    def begin_after(self, epoch: int) -> None:
        self._around.leases.newest = max(self._around.leases.newest, epoch)

    @property
    def owns(self) -> bool:
        """Whether this server owns a line; a turn is none."""
        return any(key.startswith("line/") for key in self._until)

    async def lease(self, key: str) -> Lease | None:
        await self._process.moment("lease")
        if key in self._until and self.held(self._until[key][0]):
            return self._until[key][0]
        lease = self._around.leases.take(key)
        if lease is not None:
            self._until[key] = lease, self._around.clock.monotonic() + LEASE_S
        return lease

    def held(self, lease: Lease) -> bool:
        mine, until = self._until.get(lease.key, (None, 0.0))
        return mine == lease and self._around.clock.monotonic() < until

    def ours(self, lease: Lease) -> bool:
        return self.held(lease)

    async def start(self) -> int | None:
        """The others know of it."""
        return None

    async def gone(self) -> None:
        await asyncio.get_running_loop().create_future()

    async def stop(self) -> None:
        """What it held ends by itself."""

    async def lost(self, lease: Lease) -> float:
        while self._until.get(lease.key, (None, 0.0))[0] == lease and self.held(lease):
            await self._around.clock.sleep(RENEWED_S)
            await self._process.gate()  # one that stands still learns it when it goes on
        return 0.0  # another may have it at once

    async def release(self, lease: Lease) -> None:
        await self._process.moment("lease")
        self._until.pop(lease.key, None)
        if not self._around.leases.lost(lease):
            del self._around.leases.held[lease.key]

    async def keep(self) -> None:
        """Renew what is held, for ever."""
        while True:
            await self._around.clock.sleep(RENEWED_S)
            await self._process.moment("lease")
            for key, (lease, _) in list(self._until.items()):
                until = self._around.leases.renew(lease) if self.held(lease) else None
                if until is None:
                    del self._until[key]
                else:
                    self._until[key] = lease, until

    def wake(self, topic: str) -> None:
        chance, share = self._around.chance, self._around.faults.deaf
        for ear in list(self._around.leases.ears[topic]):
            roll = chance.random() if share else 1.0
            if roll >= share:
                ear.hear()
            if share and roll > 1.0 - share / 2:
                asyncio.get_running_loop().call_later(chance.uniform(0.0, 2.0), ear.hear)

    def listen(self, topic: str) -> Waiter:
        ear = Ear(self._process, self._around.leases.ears[topic])
        self._around.leases.ears[topic][ear] = None
        return ear

    def tell(self, topic: str, body: bytes) -> None:
        self._around.leases.audience.tell(topic, body)

    def hear(self, topic: str) -> Hearer:
        return self._around.leases.audience.hear(topic)

    def log(self, name: str) -> Log:
        ground = self._process.world.ground
        return KeptLog(ground.db, ground.clock, ears.Ears(), name)


class Ear:
    """One listener in one process."""

    def __init__(self, process: Process, ears: dict[Ear, None]) -> None:
        self._process = process
        self._ears = ears
        self._event = asyncio.Event()

    def hear(self) -> None:
        """A wake-up arrives."""
        self._process.run(self._event.set)

    def wake(self) -> None:
        """Wake this one alone."""
        self._event.set()

    async def wait(self, timeout_s: float) -> bool:
        """True when woken; several wake-ups before one wait are one."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._event.wait()
        except TimeoutError:
            return False
        self._event.clear()
        return True

    def close(self) -> None:
        """Stop listening."""
        self._ears.pop(self, None)


def is_out(error: Exception) -> bool:
    """Whether the shop should ask again: the server or its database was away."""
    return isinstance(error, Fallen) or (isinstance(error, Problem) and error.status == 503)

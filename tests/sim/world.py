"""A shop, its providers, and our process on virtual time: everything that happens comes from one seed.

The process is the real engine with its real loops on a real database in memory. It may fall at any moment at
which it waits for the database: then its tasks are gone, nothing is flushed, and another one starts on what
was committed.
What asks (the shop) and what answers (the providers) lives on.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, replace
from functools import cache
from hashlib import blake2b
from typing import Any, TypeVar
from unittest.mock import patch

import apsw
import msgspec
from structlog.testing import capture_logs

from angarium import channels
from angarium.accounts import store as accounts
from angarium.contacts import flows as contacts
from angarium.contacts.rules import ContactInput
from angarium.contacts.store import Contact
from angarium.core import ids
from angarium.core.ids import IdMint
from angarium.core.ports import Channel, Connection, Ears, Receipt, Submission, Tools
from angarium.core.problems import Problem
from angarium.fabric.local import LocalFabric
from angarium.lines.flows import Lines
from angarium.lines.store import Line
from angarium.messaging import accept, cancel, sender, workers
from angarium.messaging.accept import MessageInput, Order
from angarium.messaging.workers import Engine
from angarium.messaging.world import World
from angarium.storage.database import Transaction, Trouble, unavailable
from angarium.storage.ground import Ground
from angarium.storage.sqlite import SqliteDatabase, connect
from angarium.storage.vault import Vault
from sim.checker import Checker
from sim.loop import VirtualClock, VirtualLoop
from sim.provider import Link, Provider
from support.databases import create_schema
from support.relay import Relay
from support.still import START, SeededChance

T = TypeVar("T")

PEOPLE = 5
SCRIPT_S = 60.0  # how long the shop asks for something
QUIET_S = 60.0  # after the last message has ended, for receipts that are still on their way
END_S = 900.0  # by then every message has ended: the longest deadline, its hold and every outage are over
POLL_S = (
    10.0  # looking where nothing happens is what costs here; and a wake-up that is missing is seen sooner
)
LINES: tuple[tuple[str, str, tuple[str, ...], dict[str, Any]], ...] = (
    ("sms", "smpp", ("otp", "transactional", "service"), {"speed_per_s": 5, "window": 3, "price": "0.04"}),
    ("sms2", "smpp", ("transactional", "service"), {"window": 10, "price": "0.05"}),
    ("news", "smpp", ("promotional",), {"speed_per_s": 2, "price": "0.02"}),
    ("viber", "viber_business", ("service", "promotional"), {"price": "0.02"}),
    ("vk", "vk_notify", ("service", "transactional"), {"price": "0.01"}),
)
WAYS: tuple[tuple[str, ...], ...] = (
    ("smpp",),
    ("viber_business", "smpp"),
    ("vk_notify", "viber_business", "smpp"),
)


class Fallen(Exception):
    """The process went away before it answered."""


@dataclass(frozen=True)
class Shop:
    """What is there before anything happens."""

    image: apsw.Connection
    workspace_id: int
    people: tuple[Contact, ...]


@cache
def shop() -> Shop:
    """Made once; each world begins with a copy of its database."""
    return asyncio.run(_open_shop())


async def _open_shop() -> Shop:
    database = SqliteDatabase("")
    await database.start()
    await create_schema(database)
    relay = await Relay(database).open()
    for name, channel, classes, given in LINES:
        await relay.line(name, channel, classes, **given)
    people = [
        await relay.contact(addresses=[{"kind": "phone", "value": _phone(number)}])
        for number in range(PEOPLE)
    ]
    image = connect("")
    with image.backup("main", database._connections[0], "main") as backup:
        backup.step()
    await database.stop()
    return Shop(image, relay.workspace_id, tuple(people))


def _phone(number: int) -> str:
    return f"+38050123456{number}"


# ── our process ──────────────────────────────────────────────────────────────────────────────────────


class Process:
    """One life of the server. It falls when it has waited for the database `falls_at` times; never when 0."""

    def __init__(self, sim: Simulation, falls_at: int, troubled: bool) -> None:
        self.alive = True
        self.gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._sim = sim
        self._moments = 0
        self._falls_at = falls_at
        self._troubled = troubled
        ground = Ground(
            db=ProcessDatabase(sim, self),
            clock=sim.clock,
            chance=SeededChance(sim.chance.getrandbits(32)),
            ids=IdMint(sim.clock),
            vault=Vault([SeededChance(0).secret(32)], SeededChance(sim.chance.getrandbits(32))),
            fabric=LocalFabric(sim.clock),
        )
        self.world = World(
            ground=ground,
            channels={kind: _readable(channel) for kind, channel in channels.load().items()},
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
        return Watched(self._sim, self._sim.providers[line.name], ears, window, lambda: self.alive)

    async def call(self, work: Coroutine[Any, Any, T]) -> T:
        """Let the process do something; Fallen when it falls before it is done."""
        if not self.alive:
            work.close()
            raise Fallen
        task = asyncio.create_task(work)
        await asyncio.wait([task, self.gone], return_when=asyncio.FIRST_COMPLETED)
        if not task.done() or task.cancelled():
            raise Fallen
        return task.result()

    async def moment(self) -> None:
        """A point at which the process waits; it may be its last."""
        self._moments += 1
        if self._moments == self._falls_at:
            self.fall()
        if not self.alive:
            await asyncio.get_running_loop().create_future()
        if self._sim.chance.random() < 0.3:
            await self._sim.clock.sleep(self._sim.chance.choice((0.0005, 0.003, 0.04)))

    def trouble(self) -> None:
        """The database may refuse, as a full disk or a lost server does."""
        if self._troubled and self._sim.chance.random() < 0.01:
            raise unavailable(Trouble.LOCKED)

    def fall(self) -> None:
        """Gone, as after kill -9."""
        if self.alive:
            self.alive = False
            self._sim.note("the process falls")
            self.gone.set_result(None)


def _readable(channel: Channel) -> Channel:
    """A channel whose callbacks are receipts as they are."""
    return replace(channel, parse=lambda _settings, raw: [msgspec.json.decode(raw.body, type=Receipt)])


class Watched(Link):
    """A connection on which every submission is looked at."""

    def __init__(
        self, sim: Simulation, provider: Provider, ears: Ears, window: int, alive: Callable[[], bool]
    ) -> None:
        super().__init__(provider, sim.clock, ears, window, alive)
        self._sim = sim

    def submit(self, batch: Sequence[Submission]) -> None:
        for one in batch:
            self._sim.checker.submitted(one, self._sim.attempted, self._provider.ledger)
            super().submit([one])


class ProcessDatabase:
    """The database as one process reaches it: slower than at once, sometimes refusing, always watched."""

    dialect = "sqlite"

    def __init__(self, sim: Simulation, process: Process) -> None:
        self._sim = sim
        self._process = process

    async def start(self) -> None:
        """It is open."""

    async def stop(self) -> None:
        """It stays open."""

    async def run(self, work: Callable[..., Awaitable[T]], /, *args: Any, **kwargs: Any) -> T:
        await self._process.moment()
        self._process.trouble()
        result = await self._sim.database.run(self._look, work, args, kwargs)
        await self._process.moment()
        return result

    async def read(self, work: Callable[..., Awaitable[T]], /, *args: Any, **kwargs: Any) -> T:
        await self._process.moment()
        self._process.trouble()
        return await self._sim.database.read(work, *args, **kwargs)

    async def _look(self, tx: Transaction, work: Callable[..., Awaitable[T]], args: Any, kwargs: Any) -> T:
        result = await work(tx, *args, **kwargs)
        self._sim.checker.look()
        return result


# ── what happens ─────────────────────────────────────────────────────────────────────────────────────


class Simulation:
    """One world from one seed."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.chance = random.Random(f"world {seed}")
        self.clock = VirtualClock()
        self.trace: list[str] = []
        self.database = SqliteDatabase("")
        self.process: Process | None = None
        self.attempted: dict[str, str] = {}  # reference -> text
        self.acked: dict[str, int] = {}  # reference -> message id
        self.checker: Checker
        self.troubled = self.chance.random() < 0.3
        self._shop = shop()
        self._outside: set[asyncio.Task[Any]] = set()
        self.providers = {
            name: Provider(
                name,
                channels.load()[kind].capabilities.receipts,
                echoes=kind != "smpp",
                part_chars=160 if kind == "smpp" else None,
                chance=random.Random(f"{name} {seed}"),
                clock=self.clock,
                note=self.note,
            )
            for name, kind, _, _ in LINES
        }

    def note(self, what: str) -> None:
        """One line of the trace."""
        self.trace.append(f"{(self.clock.at - START) / 1_000_000:10.4f} {what}")

    def digest(self) -> str:
        """The whole trace as one word."""
        return blake2b("\n".join(self.trace).encode(), digest_size=8).hexdigest()

    def play(self) -> list[str]:
        """Live it to its end; what was wrong, nothing when all is well."""
        with (
            capture_logs() as logs,
            patch.multiple(workers, POLL_S=POLL_S, LINES_POLL_S=POLL_S),
            patch.object(sender, "POLL_S", POLL_S),
            asyncio.Runner(loop_factory=lambda: VirtualLoop(self.clock)) as runner,
        ):
            runner.run(self._play())
        for entry in logs:
            if entry["log_level"] == "error" and not (
                self.troubled and entry["event"] == "loop died; restarting"
            ):
                self.checker.blame(f"the log says: {entry['event']} ({entry.get('loop', entry.get('what'))})")
        return self.checker.wrong

    async def _play(self) -> None:
        me = asyncio.current_task()
        assert me is not None
        self._outside.add(me)
        await self.database.start()
        memory = self.database._connections[0]
        with memory.backup("main", self._shop.image, "main") as backup:
            backup.step()
        self.checker = Checker(memory, self.clock, self.note)
        lives = self._aside(self._lives())
        asked = [self._aside(self._at(self.chance.uniform(0.0, SCRIPT_S), act)) for act in self._script()]
        await asyncio.wait(asked)
        for task in [*asked]:
            task.result()
        await lives
        await self._drain()
        ledger = [copy for provider in self.providers.values() for copy in provider.ledger]
        self.checker.verdict(set(self.attempted), set(self.acked), ledger)
        assert self.process is not None
        self.process.fall()
        await self._bury(self.process)
        await self.database.stop()

    def _aside(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Something that goes on whatever becomes of the process."""
        task = asyncio.create_task(work)
        self._outside.add(task)
        return task

    async def _at(self, seconds: float, act: Callable[[Process], Coroutine[Any, Any, None]]) -> None:
        """Do it then, and again until a process has done it."""
        await self.clock.sleep(seconds)
        while True:
            try:
                if self.process is not None:
                    await self.process.call(act(self.process))
                    return
            except Fallen:
                pass
            except Problem as problem:
                if problem.status != 503:
                    return
            await self.clock.sleep(1.5)

    async def _drain(self) -> None:
        for provider in self.providers.values():
            provider.calm = True
        until = self.clock.monotonic() + END_S
        while self.clock.monotonic() < until and not self.checker.wrong:
            if all(message.finished_at is not None for message in self.checker.messages.values()):
                break
            await self.clock.sleep(5.0)
        await self.clock.sleep(QUIET_S)

    # ── lives and deaths ─────────────────────────────────────────────────────────────────────────────

    async def _lives(self) -> None:
        for _ in range(self.chance.choice((0, 1, 1, 2, 4))):
            gracefully = self.chance.random() < 0.25
            process = Process(self, 0 if gracefully else self.chance.randint(1, 120), self.troubled)
            if await self._begin(process):
                await self._end(process, gracefully)
            process.fall()
            await self._bury(process)
            await self.clock.sleep(self.chance.choice((0.5, 5.0, 30.0)))
        process = Process(self, 0, troubled=False)
        await self._begin(process)

    async def _begin(self, process: Process) -> bool:
        self.note("a process begins")
        try:
            await process.call(process.engine.start())
        except (Fallen, Problem):
            return False
        self.process = process
        return True

    async def _end(self, process: Process, gracefully: bool) -> None:
        if not gracefully:
            await process.gone
            self.process = None
            return
        await self.clock.sleep(self.chance.uniform(0.0, 40.0))
        self.process = None
        self.note("the process is asked to stop")
        await process.call(process.engine.stop())

    async def _bury(self, process: Process) -> None:
        """Its tasks are gone with it, nothing flushed."""
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        while inside := [task for task in loop.tasks if task not in self._outside]:
            for task in inside:
                task.cancel()
            await asyncio.wait(inside)
        self._outside = {task for task in self._outside if not task.done()}

    # ── what the shop does ───────────────────────────────────────────────────────────────────────────

    def _script(self) -> list[Callable[[Process], Coroutine[Any, Any, None]]]:
        orders = [self._order(f"order{number}") for number in range(self.chance.randint(3, 9))]
        cancels = [self._cancel for _ in range(self.chance.choice((0, 1, 3)))]
        opt_outs = [self._opt_out for _ in range(self.chance.choice((0, 0, 1, 2)))]
        return [*orders, *cancels, *opt_outs]

    def _order(self, key: str) -> Callable[[Process], Coroutine[Any, Any, None]]:
        """A request with its key; it is repeated as it was until it is answered."""
        asked = tuple(self._message(f"{key}.{place}") for place in range(self.chance.choice((1, 1, 2, 4))))
        order = Order(self._shop.workspace_id, asked, True, key, key.encode())

        async def act(process: Process) -> None:
            self.attempted |= {one.reference: one.text for one in asked}
            answer = (await accept.accept(process.world, [order]))[0]
            if isinstance(answer, Problem):
                raise answer
            results = msgspec.json.decode(answer.body)["results"]
            for one, result in zip(asked, results, strict=True):
                message_id = ids.read("message", result["id"])
                if self.acked.setdefault(one.reference, message_id) != message_id:
                    self.checker.blame(f"{one.reference} was answered with two ids")
            self.note(f"{key} accepted")

        return act

    def _message(self, reference: str) -> MessageInput:
        chance = self.chance
        message_class = chance.choice(("otp", "transactional", "service", "service", "promotional"))
        way = ("smpp",) if message_class == "otp" else chance.choice(WAYS)
        described: dict[str, Any] = {
            "to": {"phone": _phone(chance.randrange(PEOPLE))},
            "class": message_class,
            "text": reference if chance.random() < 0.8 else f"{reference} {'.' * 160}",
            "reference": reference,
            "deadline_s": chance.choice((5.0, 20.0, 90.0, 300.0)),
            "steps": [self._step(channel) for channel in way],
        }
        if chance.random() < 0.1:
            described["send_at"] = "2025-11-24T16:00:30Z"
        return msgspec.convert(described, MessageInput)

    def _step(self, channel: str) -> dict[str, Any]:
        chance = self.chance
        step: dict[str, Any] = {"channel": channel, "wait_s": chance.choice((3.0, 15.0, 60.0))}
        if chance.random() < 0.3:
            step["success"] = "accepted"
        elif channel == "vk_notify" and chance.random() < 0.5:
            step["success"] = "read"
        if chance.random() < 0.2:
            step["start_within_s"] = chance.choice((1.0, 10.0))
        return step

    async def _cancel(self, process: Process) -> None:
        if not self.acked:
            return
        reference = self.chance.choice(sorted(self.acked))
        world = process.world
        self.note(f"cancel {reference}")
        await world.ground.db.run(
            cancel.cancel, world, self._shop.workspace_id, self.acked[reference], world.ground.clock.now()
        )

    async def _opt_out(self, process: Process) -> None:
        number = self.chance.randrange(PEOPLE)
        person = self._shop.people[number]
        self.note(f"person {number} opts out")
        described = {
            "addresses": [{"kind": "phone", "value": _phone(number)}],
            "opted_out": [self.chance.choice(("promotional", "service"))],
        }
        await contacts.change(
            process.world.ground,
            self._shop.workspace_id,
            person.id,
            msgspec.convert(described, ContactInput),
        )

"""A shop, its providers, and our processes on virtual time: everything that happens comes from one seed.

What asks (the shop) and what answers (the providers) lives on whatever becomes of the processes; so does the
database, in memory, of which each process sees what was committed.
"""

from __future__ import annotations

import asyncio
import gc
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import cache
from hashlib import blake2b
from typing import Any, TypeVar
from unittest.mock import patch

from structlog.testing import capture_logs

from angarium import channels
from angarium.contacts.store import Contact
from angarium.core import turns
from angarium.core.ports import Connection, Ears, Submission
from angarium.core.problems import Problem
from angarium.lines.store import Line
from angarium.messaging import case, chronicle, planner, sender, workers
from angarium.storage.database import Transaction
from angarium.storage.revise import load_tables
from angarium.storage.sqlite import SqliteDatabase
from sim.checker import Checker, Rule, Wrong
from sim.loop import VirtualClock, VirtualLoop, play
from sim.memory import Memory
from sim.process import KEYED, SOME, TELLING, At, Fallen, Faults, Leases, Process
from sim.provider import Kind, Link, Provider
from sim.script import PEOPLE, Act, Script, phone
from sim.verdict import Verdict
from support.databases import create_schema
from support.relay import Relay
from support.still import START

T = TypeVar("T")

SCRIPT_S = 60.0  # how long the shop asks for something
QUIET_S = 60.0  # after the last message has ended, for receipts that are still on their way
LEFT_S = 130.0  # a callback that a fallen server had journalled is taken up by another within this time
END_S = 900.0  # by then every message has ended: the longest deadline, its hold and every outage are over
# Looking where nothing happens is what costs here. Where wake-ups are lost it is what remains.
POLL_S, DEAF_POLL_S = 60.0, 8.0
FOLLOW_S, TURN_S = 15.0, 5.0  # the same for the log of facts, and for whose turn it is
GRACE_S = 3.0  # a decision may come so much later than a poll
LINES: tuple[tuple[str, str, tuple[str, ...], dict[str, Any]], ...] = (
    ("sms", "smpp", ("otp", "transactional", "service"), {"speed_per_s": 5, "window": 3, "price": "0.04"}),
    ("sms2", "smpp", ("otp", "transactional", "service"), {"window": 10, "price": "0.05"}),
    ("news", "smpp", ("promotional",), {"speed_per_s": 2, "price": "0.02"}),
    ("viber", "viber_business", ("service", "promotional"), {"price": "0.02"}),
    ("vk", "vk_notify", ("service", "transactional"), {"price": "0.01"}),
)
SMS_CHARS = 160
STOPS = ("before _claim", SOME, SOME, "before _record", "after write_journal", "after _accept")
# What may stand in the log as an error where the database refuses or another server takes over.
EXCUSED = ("loop died; restarting",)


@dataclass(frozen=True)
class Shop:
    """What is there before anything happens."""

    database: Memory
    workspace_id: int
    people: tuple[Contact, ...]


@cache
def shop() -> Shop:
    """Made once; each world begins with its database as it was."""
    return asyncio.run(_open_shop())


async def _open_shop() -> Shop:
    database = SqliteDatabase("")
    await database.start()
    load_tables()
    await create_schema(database)
    relay = await Relay(database).open()
    for name, channel, classes, given in LINES:
        await relay.line(name, channel, classes, **given)
    people = [
        await relay.contact(addresses=[{"kind": "phone", "value": phone(number)}]) for number in range(PEOPLE)
    ]
    memory = Memory(database._connections[0])
    await database.stop()
    return Shop(memory, relay.workspace_id, tuple(people))


@cache
def _kind(channel: str) -> Kind:
    sms = channel == "smpp"
    return Kind(
        channels.load()[channel].capabilities.receipts,
        echoes=not sms,
        part_chars=SMS_CHARS if sms else None,
        keyed=channel == KEYED,
        answers_late=sms,
    )


class Simulation:
    """One world from one seed. With `falls_at` the first process falls at that moment, and that is all.

    With `faults` these are what is wrong with it, whatever the seed would have drawn.
    """

    def __init__(self, seed: int, falls_at: int | None = None, faults: Faults | None = None) -> None:
        self.seed = seed
        self.chance = random.Random(f"world {seed}")
        self.faults = Faults.drawn(self.chance) if falls_at is None else Faults()
        self.faults = faults or self.faults
        self.clock = VirtualClock()
        self.trace: list[str] = []
        self.leases = Leases(self.clock)
        self.processes: list[Process] = []  # that run
        self.fallen = False  # whether one fell by `falls_at`
        self.script = Script(self.chance, self.clock, self.note, short=falls_at is not None)
        self.checker: Checker
        self.calm = False
        self._falls_at = falls_at
        self._nodes = 0
        self._shop = shop()
        self._database = self._shop.database
        self.providers = {
            name: Provider(
                name,
                _kind(kind),
                random.Random(f"{name} {seed}"),
                self.clock,
                self.note,
                0.5 if self.faults.lossy else 0.13,
            )
            for name, kind, _, _ in LINES
        }

    def note(self, what: str) -> None:
        """One line of the trace."""
        self.trace.append(f"{(self.clock.at - START) / 1_000_000:10.4f} {what}")

    def next_node(self) -> int:
        """The number of a new server: no two that run at once have the same."""
        self._nodes += 1
        return self._nodes

    def digest(self) -> str:
        """The whole trace as one word."""
        return blake2b("\n".join(self.trace).encode(), digest_size=8).hexdigest()

    # ── what the processes stand on ──────────────────────────────────────────────────────────────────

    async def commit(self, work: Callable[..., Awaitable[T]], args: Any, kwargs: Any) -> T:
        """A transaction, looked at before it is committed."""
        return await self._database.run(self._look, work, args, kwargs)

    async def _look(self, tx: Transaction, work: Callable[..., Awaitable[T]], args: Any, kwargs: Any) -> T:
        result = await work(tx, *args, **kwargs)
        self.checker.look()
        return result

    async def read(self, work: Callable[..., Awaitable[T]], args: Any, kwargs: Any) -> T:
        """A transaction that only reads."""
        return await self._database.read(work, *args, **kwargs)

    def connection(self, process: Process, line: Line, ears: Ears, window: int) -> Connection:
        """A connection on which every submission is looked at."""
        return Watched(self, self.providers[line.name], ears, window, process)

    # ── a life ───────────────────────────────────────────────────────────────────────────────────────

    def play(self) -> list[Wrong]:
        """Live it to its end; what was wrong, nothing when all is well."""
        poll_s = DEAF_POLL_S if self.faults.deaf else POLL_S
        with (
            capture_logs() as logs,
            patch.object(sender, "POLL_S", poll_s),
            patch.object(workers, "LINES_POLL_S", 60.0),
            patch.object(planner, "LOOKS_EVERY_S", poll_s),
            patch.object(case, "LOOKS_EVERY_S", poll_s),
            patch.object(chronicle, "POLL_S", FOLLOW_S),
            patch.object(turns, "LOOK_S", TURN_S),
        ):
            gc.disable()  # its pauses cost a tenth; the cycles of one world are few
            try:
                play(self.clock, self._play)
            finally:
                gc.enable()
        excused = EXCUSED if self.faults.troubled or self.faults.pair else ()
        for entry in logs:
            if entry["log_level"] == "error" and entry["event"] not in excused:
                what = f"{entry['event']} ({entry.get('loop', entry.get('what'))})"
                self.checker.blame(Rule.LOG, what)
        return self.checker.wrong

    async def _play(self) -> None:
        await self._database.start()
        memory = self._database.connection
        late_s = GRACE_S + (DEAF_POLL_S if self.faults.deaf else POLL_S)
        self.checker = Checker(memory, self.clock, self.note, late_s)
        self._foretell()
        lives = asyncio.create_task(self._lives_of_two() if self.faults.pair else self._lives())
        acts = self.script.acts(self._shop.workspace_id, self._shop.people, self.checker)
        asked = [asyncio.create_task(self._at(self.chance.uniform(0.0, SCRIPT_S), act)) for act in acts]
        await asyncio.wait(asked)
        for task in asked:
            task.result()
        await lives
        await self._drain()
        ledger = [copy for provider in self.providers.values() for copy in provider.ledger]
        Verdict(self.checker, memory, ledger).judge(set(self.script.attempted), set(self.script.acked))
        for process in list(self.processes):
            await self._bury(process)
        await self._database.stop()

    def _foretell(self) -> None:
        """What will be wrong with the providers."""
        loop, chance = asyncio.get_running_loop(), self.chance
        for name in sorted(self.providers):
            if self.faults.outages and chance.random() < 0.5:
                begins = chance.uniform(0.0, SCRIPT_S)
                self.providers[name].out = begins, begins + chance.choice((10.0, 60.0, 200.0))
            if chance.random() < 0.1:
                loop.call_later(chance.uniform(5.0, SCRIPT_S), self.providers[name].say_of_nobody)

    async def _at(self, seconds: float, act: Act) -> None:
        """Do it then, and again until a process has done it."""
        await self.clock.sleep(seconds)
        while True:
            ready = [process for process in self.processes if process.alive and not process.still]
            try:
                if ready:
                    process = self.chance.choice(ready)
                    await process.call(act(process))
                    return
            except Fallen:
                pass
            except Problem as problem:
                if problem.status != 503:
                    return
            await self.clock.sleep(1.5)

    async def _drain(self) -> None:
        self.calm = True
        for provider in self.providers.values():
            provider.calm = True
        until = self.clock.monotonic() + END_S
        while self.clock.monotonic() < until and not self.checker.wrong:
            if all(message.finished_at is not None for message in self.checker.messages.values()):
                break
            await self.clock.sleep(5.0)
        await self.clock.sleep(QUIET_S)
        if self._database.left_behind():  # another server takes it up
            await self.clock.sleep(LEFT_S)

    # ── lives and deaths ─────────────────────────────────────────────────────────────────────────────

    async def _lives(self) -> None:
        """One server after another; a new one owns the lines at once."""
        if self._falls_at is not None:
            await self._life(At(self._falls_at), rest_s=0.5)
        else:
            for _ in range(self.chance.choice((0, 1, 1, 2, 4))):
                gracefully = self.chance.random() < 0.25
                falls_at = At() if gracefully else self._moment()
                await self._life(falls_at, self.chance.choice((0.5, 5.0, 30.0)))
        while not await self._begin(Process(self, At(), self.faults.troubled)):
            await self.clock.sleep(1.0)

    def _moment(self) -> At:
        """Any moment, or one of a telling kind."""
        if self.chance.random() < 0.5:
            return At(self.chance.randint(1, self.chance.choice((20, 60, 150, 400))))
        return At(self.chance.randint(1, 6), self.chance.choice(TELLING))

    async def _life(self, falls_at: At, rest_s: float) -> None:
        gracefully = not falls_at.n
        process = Process(self, falls_at, self.faults.troubled)
        if await self._begin(process):
            await (self._end_gracefully(process) if gracefully else self._end(process))
        self.fallen = not process.alive
        await self._bury(process)
        self.leases.held.clear()
        await self.clock.sleep(rest_s)

    async def _begin(self, process: Process) -> bool:
        self.note("a process begins")
        try:
            await process.call(process.start())
        except (Fallen, Problem):
            return False
        self.processes.append(process)
        self.checker.up_since = None if self.faults.troubled or self.faults.pair else self.clock.monotonic()
        return True

    async def _end(self, process: Process) -> None:
        """Until it falls, or nothing more happens that it could fall at."""
        await asyncio.wait([process.gone], timeout=2 * SCRIPT_S)

    async def _end_gracefully(self, process: Process) -> None:
        await self.clock.sleep(self.chance.uniform(0.0, 40.0))
        self._leave(process)
        self.note("a process is asked to stop")
        if self.chance.random() < 0.5:
            process.falls_at = At(self.chance.randint(1, 20))
        try:
            await process.call(process.engine.stop())
        except Fallen:
            return
        self.note("a process has stopped")

    def _leave(self, process: Process) -> None:
        self.checker.up_since = None
        if process in self.processes:
            self.processes.remove(process)

    async def _bury(self, process: Process) -> None:
        """Its tasks are gone with it, nothing flushed."""
        self._leave(process)
        process.fall()
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        await loop.bury(process)

    async def _lives_of_two(self) -> None:
        """Two servers on one database; now and then one is stopped, mostly past its leases, or falls."""
        for _ in range(2):
            await self._begin(Process(self, At()))
        for _ in range(self.chance.choice((1, 2, 2, 3))):
            await self.clock.sleep(self.chance.uniform(0.0, 15.0))
            process = self.chance.choice([one for one in self.processes if one.fabric.owns] or self.processes)
            if self.chance.random() < 0.3:
                process.falls_at = self._moment()
                await asyncio.wait([process.gone], timeout=SCRIPT_S)
                await self._bury(process)
                if len(self.processes) == 0 or self.chance.random() < 0.5:
                    await self._begin(Process(self, At()))
            else:
                process.stops_at = At(1, self.chance.choice(STOPS))
                process.stops_for_s = self.chance.choice((4.0, 8.0, 16.0, 20.0, 40.0))


class Watched(Link):
    """A connection on which every submission is looked at."""

    def __init__(
        self, sim: Simulation, provider: Provider, ears: Ears, window: int, process: Process
    ) -> None:
        super().__init__(provider, sim.clock, ears, window, process)
        self._sim = sim

    def write(self, submission: Submission) -> None:
        self._sim.checker.submitted(submission, self._sim.script.attempted, self._provider.ledger)
        super().write(submission)

"""Break it: each fault of `schedule.py` as it is done to the running processes, and undone."""

from __future__ import annotations

import resource
import signal
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import IO

import msgspec

from angarium.core.clock import MICROS
from angarium.core.problems import Problem
from angarium.drill import store
from angarium.drill.books import Broken
from angarium.drill.cast import ANSWER_S
from angarium.drill.cluster_faults import OF_A_CLUSTER
from angarium.drill.schedule import GAP_S, Injection
from angarium.drill.stage import Stage
from angarium.simulators.behaviour import Behaviour, Faults, Script

PAGE_BYTES = 4096
LOOK_EVERY_S = 0.5

Say = Callable[[str], None]
Doing = Callable[[Stage, Injection], Awaitable[Broken]]  # breaks it, waits, mends it


class Nemesis:
    """Injects what is planned, and writes down what it did and when."""

    def __init__(self, stage: Stage, say: Say) -> None:
        self._stage = stage
        self._say = say
        self._record: IO[bytes] = (stage.folder / "faults.jsonl").open("ab", buffering=0)
        self.broken: list[Broken] = []

    async def work_through(self, injections: list[Injection]) -> None:
        """One after the other, each at its time from now; later when the one before took long to get over."""
        clock = self._stage.clock
        began = clock.monotonic()
        earliest, end = began, began + self._stage.options.seconds
        for injection in injections:
            at = max(began + injection.at_s, earliest)
            if at >= end:
                self._say(f"left out: {injection}")
                continue
            await clock.sleep(max(0.0, at - clock.monotonic()))
            self._say(f"now: {injection}")
            doing = OF_THE_SERVER.get(injection.name) or OF_A_CLUSTER.get(injection.name, operator)
            self._note(await doing(self._stage, injection))
            earliest = clock.monotonic() + GAP_S[0]

    async def watch(self) -> None:
        """Start every server again that ends unasked, as whoever watches over it would; until cancelled."""
        servers = self._stage.servers
        while True:
            await self._stage.clock.sleep(LOOK_EVERY_S)
            for name in servers.names:
                if name not in servers.down and self._stage.processes.running(name).returncode is not None:
                    await self._again(name)

    async def _again(self, name: str) -> None:
        stage = self._stage
        status, ended_at = stage.processes.running(name).returncode, now(stage)
        self._say(f"     {name} ended with status {status}; starting it again")
        with suppress(*store.AWAY):  # a database that is away may be why
            left = tuple(await store.open_attempts(stage.database))
            self._note(Broken("ended", name, ended_at, ended_at, 0.0, status, left))
        with suppress(Problem):  # the next look finds it
            await stage.servers.again(name)

    def _note(self, broken: Broken) -> None:
        self.broken.append(broken)
        self._record.write(msgspec.json.encode(broken) + b"\n")


def now(stage: Stage) -> float:
    """Seconds since 1970, as in every ledger."""
    return stage.clock.now() / MICROS


# ── the server ───────────────────────────────────────────────────────────────────────────────────────


async def kill(stage: Stage, injection: Injection) -> Broken:
    """kill -9."""
    began_at = now(stage)
    await stage.servers.kill(injection.where)
    return await _started_again(stage, injection, began_at)


async def stop(stage: Stage, injection: Injection) -> Broken:
    """SIGTERM, with the status it ends with."""
    began_at = now(stage)
    status = await stage.servers.stop(injection.where)
    return await _started_again(stage, injection, began_at, status)


async def _started_again(
    stage: Stage, injection: Injection, began_at: float, status: int | None = None
) -> Broken:
    await stage.clock.sleep(injection.lasts_s)
    left = tuple(await store.open_attempts(stage.database))
    ended_at = now(stage)
    await stage.servers.again(injection.where)
    return Broken(injection.name, injection.where, began_at, ended_at, now(stage), status, left)


async def pause(stage: Stage, injection: Injection) -> Broken:
    """SIGSTOP and SIGCONT."""
    server, began_at = stage.processes.running(injection.where), now(stage)
    server.send_signal(signal.SIGSTOP)
    await stage.clock.sleep(injection.lasts_s)
    server.send_signal(signal.SIGCONT)
    return Broken(injection.name, injection.where, began_at, now(stage))


async def disk_full(stage: Stage, injection: Injection) -> Broken:
    """No file of the server can grow beyond a page, its log neither."""
    pid, began_at = stage.processes.running(injection.where).pid, now(stage)
    before = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (PAGE_BYTES, before[1]))
    await stage.clock.sleep(injection.lasts_s)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, before)
    return Broken(injection.name, injection.where, began_at, now(stage))


async def database(stage: Stage, injection: Injection) -> Broken:
    """The database cannot."""
    began_at = now(stage)
    trouble = store.lock if stage.database.startswith("sqlite") else store.end_connections
    await trouble(stage.database, injection.lasts_s, stage.clock)
    return Broken(injection.name, injection.where, began_at, now(stage))


# ── the operators ────────────────────────────────────────────────────────────────────────────────────


async def operator(stage: Stage, injection: Injection) -> Broken:
    """An operator misbehaves for a while."""
    face, began_at = injection.where, now(stage)
    script = Script(
        faults={face: misbehaviour(injection.name, face)},
        otherwise={face: Behaviour.DOUBLED} if injection.name == "mixed_receipts" else {},
    )
    await stage.tell_operators("/script", script)
    await stage.clock.sleep(injection.lasts_s)
    await stage.tell_operators("/script", Script())
    return Broken(injection.name, face, began_at, now(stage))


def misbehaviour(name: str, face: str) -> Faults:
    """What the script of the operators calls it."""
    return {
        "outage": Faults(away=True),
        "cuts": Faults(answer_delay_s=1.5, drop_every=40),
        "lost_answers": Faults(silent_share=0.2),
        "late_answers": Faults(late_share=0.2, late_s=ANSWER_S[face] + 2.0),
        "slow_answers": Faults(answer_delay_s=2.0),
        "early_receipts": Faults(reorder_share=1.0),
        "mixed_receipts": Faults(double_share=1.0),
        "stray_receipts": Faults(stray_share=0.5),
        "throttling": Faults(throttle_per_s=5.0),
        "garbage": Faults(garbage_share=0.1),
        "errors": Faults(error_share=1 / 3),
        "slow_bodies": Faults(slow_body_s=3.0),
    }[name]


OF_THE_SERVER: dict[str, Doing] = {
    "kill": kill,
    "stop": stop,
    "pause": pause,
    "disk_full": disk_full,
    "database": database,
}

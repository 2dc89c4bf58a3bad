"""Processes that a command starts beside itself: the server, simulated operators, clients.

Each writes its output to `<name>.log` in one folder. Used by the demo, the drill and the bench.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from asyncio.subprocess import Process
from collections.abc import Awaitable, Callable, Iterator, Sequence
from functools import lru_cache
from itertools import count
from pathlib import Path

import aiohttp
import msgspec

from angarium.config import Settings
from angarium.core.clock import Clock
from angarium.core.problems import Problem

PORTS = range(20_000, 32_000)  # below `net.ipv4.ip_local_port_range`, which begins at 32768
APART = 7_919  # how far processes that follow one another begin
READY_S = 30.0
LOOK_EVERY_S = 0.05
STOP_S = 20.0


class Announced(msgspec.Struct, frozen=True):
    """Where the simulated operators listen."""

    admin: str
    faces: dict[str, str]


class Processes:
    """What runs in one folder, by name; each is ready within `ready_s`, or it is a problem."""

    def __init__(self, folder: Path, clock: Clock, ready_s: float = READY_S) -> None:
        self.folder = folder
        self._clock = clock
        self._ready_s = ready_s
        self._running: dict[str, Process] = {}

    async def start(self, name: str, module: str, *arguments: str) -> Process:
        """Run a Python module under a name that is free."""
        return await self.execute(name, sys.executable, "-m", module, *arguments)

    async def execute(self, name: str, *command: str) -> Process:
        """Run a program under a name that is free."""
        with (self.folder / f"{name}.log").open("ab") as log:
            # A session of its own: Ctrl-C in the terminal reaches the command, which stops them in order.
            process = await asyncio.create_subprocess_exec(
                *command,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
            )
        self._running[name] = process
        return process

    def running(self, name: str) -> Process:
        """The process of that name."""
        return self._running[name]

    async def until(self, name: str, ready: Callable[[], Awaitable[bool]]) -> None:
        """Wait until a process is ready; a Problem with its last words when it ends or takes too long."""
        deadline = self._clock.monotonic() + self._ready_s
        while not await ready():
            if self._running[name].returncode is not None:
                raise self._problem(name, f"ended with status {self._running[name].returncode}")
            if self._clock.monotonic() > deadline:
                raise self._problem(name, f"was not ready within {self._ready_s:g} s")
            await self._clock.sleep(LOOK_EVERY_S)

    async def stop(self, name: str) -> int | None:
        """SIGTERM, and SIGKILL to who does not heed it.

        Its exit status; None when there is no such process.
        """
        process = self._running.pop(name, None)
        if process is None:
            return None
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        return await ended(process, STOP_S)

    async def kill(self, name: str) -> None:
        """SIGKILL; returns when it is gone, and its name free."""
        process = self._running.pop(name)
        if process.returncode is None:
            process.kill()
        await ended(process, STOP_S)

    async def stop_all(self) -> None:
        """Stop them all, the last started first."""
        for name in reversed(list(self._running)):
            await self.stop(name)

    def _problem(self, name: str, what: str) -> Problem:
        last = (self.folder / f"{name}.log").read_text(errors="replace")[-2_000:]
        return Problem("process", f"The {name} {what}", detail=last)


async def ended(process: Process, within_s: float) -> int:
    """The exit status of a process, which is killed when it takes longer."""
    try:
        return await asyncio.wait_for(process.wait(), within_s)
    except TimeoutError:
        process.kill()
        return await process.wait()


# ── the two that everybody starts ────────────────────────────────────────────────────────────────────


async def start_server(
    processes: Processes, config: Path, url: str, name: str = "server", before: Sequence[str] = ()
) -> Process:
    """`angarium serve`, after another command if one is named; returns when it is ready."""
    command = (*before, sys.executable, "-m", "angarium", "--config", str(config), "serve")
    server = await processes.execute(name, *command)
    async with aiohttp.ClientSession(trust_env=False) as session:
        await processes.until(name, lambda: _is_ready(session, f"{url}/health/ready"))
    return server


async def _is_ready(session: aiohttp.ClientSession, url: str) -> bool:
    try:
        async with session.get(url) as answer:
            return answer.status == 200
    except aiohttp.ClientError:
        return False


async def start_operators(processes: Processes, faces: Sequence[str], *arguments: str) -> Announced:
    """The simulated operators, with their ledgers in the folder; returns when all listen."""
    announce, ledgers = processes.folder / "operators.json", processes.folder / "ledgers"
    await processes.start(
        *("operators", "angarium.simulators", "--faces", ",".join(faces)),
        *("--announce", str(announce), "--ledger-folder", str(ledgers), *arguments),
    )

    async def announced() -> bool:
        return announce.exists()

    await processes.until("operators", announced)
    return msgspec.json.decode(announce.read_bytes(), type=Announced)


def write_config(settings: Settings, file: Path) -> None:
    """Settings that are not the defaults as a TOML file, which can be used by hand as well."""
    defaults = msgspec.structs.asdict(Settings())
    given = {
        name: value for name, value in msgspec.structs.asdict(settings).items() if value != defaults[name]
    }
    file.write_text(
        "".join(f"{name} = {msgspec.json.encode(value).decode()}\n" for name, value in given.items())
    )


def is_free(port: int) -> bool:
    """Whether a port of this machine can be listened on."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def free_port() -> int:
    """A port that nobody listens on now.

    Between asking and listening somebody else could take it. So it is one that the system gives to nobody by
    itself, and each process goes through them from another one on.
    """
    return next(port for port in _ports_of(os.getpid()) if is_free(port))


@lru_cache(maxsize=1)  # a process that was forked begins anew
def _ports_of(process: int) -> Iterator[int]:
    first = process * APART % len(PORTS)
    return (PORTS[(first + number) % len(PORTS)] for number in count())

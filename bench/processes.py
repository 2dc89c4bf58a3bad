"""The other processes of the bench: started, asked, measured by what the kernel counts of them."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec

TICKS_PER_S = os.sysconf("SC_CLK_TCK")
ANSWER_WITHIN_S = 300.0
STOP_WITHIN_S = 30.0
LOOK_EVERY_S = 1.0
LINE_MAX_BYTES = 1 << 24


class Usage(msgspec.Struct, frozen=True):
    """What a process has used so far."""

    cpu_s: float  # all threads, user and system
    rss_bytes: int
    peak_bytes: int


def usage(pid: int) -> Usage:
    """What the kernel counts of a process (proc(5): /proc/pid/stat, /proc/pid/status)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return Usage(
        cpu_s=(int(fields[11]) + int(fields[12])) / TICKS_PER_S,
        rss_bytes=_kib(status["VmRSS"]) * 1024,
        peak_bytes=_kib(status["VmHWM"]) * 1024,
    )


def family(pid: int) -> float:
    """Seconds of CPU that a process and its children have used, also those that have ended."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return _seconds(pid, 15) + sum(_seconds(int(child), 13) for child in children)


def peak_of_family(pid: int) -> int:
    """The most memory that a process and the children that it has now have each had, added; in bytes."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return sum(usage(int(one)).peak_bytes for one in (pid, *children))


def shared_of_family(pid: int) -> int:
    """What a process and its children hold now, in bytes; of a page that n processes have, an nth (PSS)."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return sum(_pss(one) for one in (str(pid), *children))


def _pss(pid: str) -> int:
    with suppress(FileNotFoundError, ProcessLookupError):  # it has just ended
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return _kib(line.split(":", 1)[1]) * 1024
    return 0


class Most:
    """The most of what is looked at again and again."""

    def __init__(self) -> None:
        self.value = 0


@asynccontextmanager
async def most_shared(pid: int) -> AsyncIterator[Most]:
    """Look every second at what a process and its children hold together: their own peaks are no sum, for
    they are not at the same moment and count twice what both have."""
    most = Most()

    async def look() -> None:
        while True:
            most.value = max(most.value, shared_of_family(pid))
            await asyncio.sleep(LOOK_EVERY_S)

    looking = asyncio.create_task(look())
    try:
        yield most
    finally:
        looking.cancel()


def _seconds(pid: int, end: int) -> float:
    """By /proc/pid/stat, which one that has just ended has, too; up to 15 with those it has waited for."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:end])) / TICKS_PER_S


def _kib(text: str) -> int:
    return int(text.split(maxsplit=1)[0])


class Worker:
    """A process of the bench that answers lines."""

    def __init__(self, module: str, process: Process) -> None:
        self._module = module
        self._process = process

    @property
    def pid(self) -> int:
        """Its number."""
        return self._process.pid

    async def ask(self, question: str) -> Any:
        """One question, one answer."""
        assert self._process.stdin is not None
        self._process.stdin.write(question.encode() + b"\n")
        return await self.hear()

    async def hear(self) -> Any:
        """What it says next."""
        assert self._process.stdout is not None
        async with asyncio.timeout(ANSWER_WITHIN_S):
            line = await self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"bench.{self._module} ended with status {await self._process.wait()}")
        return msgspec.json.decode(line)

    async def stop(self) -> None:
        """Close its pipe, which ends it."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        await _ended(self._process)


@asynccontextmanager
async def worker(module: str, given: msgspec.Struct) -> AsyncIterator[Worker]:
    """A process of a module of the bench, handed a struct."""
    command = (sys.executable, "-m", f"bench.{module}", msgspec.json.encode(given).decode())
    process = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE, limit=LINE_MAX_BYTES)
    one = Worker(module, process)
    try:
        yield one
    finally:
        await one.stop()


@asynccontextmanager
async def server(config: Path, log: Path) -> AsyncIterator[Process]:
    """The product itself: `angarium serve`."""
    command = (sys.executable, "-m", "angarium", "--config", str(config), "serve")
    with log.open("ab") as sink:
        process = await asyncio.create_subprocess_exec(*command, stdout=sink, stderr=sink)
    try:
        yield process
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        await _ended(process)


async def _ended(process: Process) -> None:
    try:
        async with asyncio.timeout(STOP_WITHIN_S):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()

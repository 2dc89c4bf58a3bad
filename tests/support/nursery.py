"""A process that has imported the server and forks it on request: a start that takes a tenth of a second.

Run as a program it reads `{"log": path, "cwd": path, "environment": {…}}`, one on each line, answers each
with `[pid]`, and says `[pid, status]` when that server has ended. It ends with its input.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import select
import signal
import sys
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import msgspec

T = TypeVar("T")

PR_SET_PTRACER, ANYBODY = 0x59616D61, ctypes.c_ulong(-1)  # prctl(2): strace may attach though it is no parent


class Born:
    """A server of the nursery, with as much of the face of `asyncio.subprocess.Process` as is needed."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    @property
    def returncode(self) -> int | None:
        """Its exit status, negative for the signal that killed it; None while it runs."""
        return self.ended.result() if self.ended.done() else None

    async def wait(self) -> int:
        """Its exit status, when it has ended."""
        return await asyncio.shield(self.ended)

    def send_signal(self, number: int) -> None:
        """Send it a signal."""
        if not self.ended.done():
            os.kill(self.pid, number)

    def kill(self) -> None:
        """kill -9."""
        self.send_signal(signal.SIGKILL)


class Nursery:
    """The test's end of it."""

    def __init__(self) -> None:
        self._process: asyncio.subprocess.Process | None = None
        self._cots: asyncio.Queue[Born] = asyncio.Queue()
        self._born: dict[int, Born] = {}
        self._listening: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Start it."""
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, __file__), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
        )
        self._listening = asyncio.create_task(self._listen(self._process.stdout))

    async def close(self) -> None:
        """End it, and what it started."""
        for born in self._born.values():
            born.kill()
            await born.wait()
        if self._process is not None and self._listening is not None:
            _pipe(self._process.stdin).close()
            await self._process.wait()
            await self._listening

    async def start(self, log: Path, folder: Path, environment: dict[str, str]) -> Born:
        """A new server."""
        assert self._process is not None, "open it first"
        asked = {"log": str(log), "cwd": str(folder), "environment": environment}
        _pipe(self._process.stdin).write(msgspec.json.encode(asked) + b"\n")
        return await self._cots.get()

    async def _listen(self, said: asyncio.StreamReader | None) -> None:
        async for line in _pipe(said):
            pid, *status = msgspec.json.decode(line, type=list[int])
            if status:
                self._born[pid].ended.set_result(status[0])
            else:
                self._born[pid] = Born(pid)
                self._cots.put_nowait(self._born[pid])


def _pipe(end: T | None) -> T:
    assert end is not None
    return end


def main() -> None:
    """The nursery's own end."""
    from angarium import assembly, cli, logs  # noqa: F401 - what takes the time is to import them

    asked = open(0, "rb", buffering=0)  # noqa: SIM115 - unbuffered, because select looks at it
    said, woken = os.pipe()
    os.set_blocking(woken, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(woken)
    while True:
        readable, _, _ = select.select([asked.fileno(), said], [], [])
        if said in readable:
            os.read(said, 4_096)
            _tell_who_ended()
        if asked.fileno() in readable:
            line = asked.readline()
            if not line:
                return
            _say([_fork(msgspec.json.decode(line))])


def _tell_who_ended() -> None:
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        _say([pid, os.waitstatus_to_exitcode(status)])


def _say(words: list[int]) -> None:
    os.write(1, msgspec.json.encode(words) + b"\n")


def _fork(wanted: dict[str, Any]) -> int:
    return os.fork() or _be_a_server(wanted)


def _be_a_server(wanted: dict[str, Any]) -> NoReturn:
    from angarium.cli import main as command

    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    ctypes.CDLL(None).prctl(PR_SET_PTRACER, ANYBODY, 0, 0, 0)
    log = os.open(wanted["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for number in (1, 2):
        os.dup2(log, number)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.setsid()
    os.chdir(wanted["cwd"])
    os.environ.update(wanted["environment"])
    sys.argv = ["angarium", "serve"]
    command(prog_name="angarium")
    os._exit(0)


if __name__ == "__main__":
    main()

"""A process that has imported the program and forks it on request: a start that takes a tenth of a second.

There is one for each process of the test run, behind a door: a Unix socket at which each test has a line of
its own. It reads `{"program": module, "arguments": […], "log": path, "cwd": path, "environment": {…}}`, one
on each line, answers each with `[pid]`, and says `[pid, status]` when that program has ended. It ends with
its input.
"""

from __future__ import annotations

import asyncio
import atexit
import ctypes
import gc
import importlib
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NoReturn

import msgspec

PATIENCE_S = 90.0
PR_SET_PTRACER, ANYBODY = 0x59616D61, ctypes.c_ulong(-1)  # prctl(2): strace may attach though it is no parent


class Born:
    """A program of the nursery, with as much of the face of `asyncio.subprocess.Process` as is needed."""

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

    def terminate(self) -> None:
        """SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """kill -9."""
        self.send_signal(signal.SIGKILL)


class Nursery:
    """The test's end of it."""

    def __init__(self) -> None:
        self._asking: asyncio.StreamWriter | None = None
        self._cots: asyncio.Queue[Born] = asyncio.Queue()
        self._born: dict[int, Born] = {}
        self._listening: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Go in."""
        heard, self._asking = await asyncio.open_unix_connection(door())
        self._listening = asyncio.create_task(self._listen(heard))

    async def close(self) -> None:
        """End what was started, and leave."""
        for born in self._born.values():
            born.kill()
            await born.wait()
        if self._asking is not None and self._listening is not None:
            self._asking.close()
            await self._asking.wait_closed()
            await self._listening

    async def start(
        self,
        arguments: Sequence[str],
        log: Path,
        folder: Path,
        environment: dict[str, str],
        program: str = "angarium.cli",
    ) -> Born:
        """`main` of the module `program`, in a new process that writes what it says to the end of the log."""
        assert self._asking is not None, "open it first"
        asked = {"program": program, "arguments": arguments, "log": str(log), "cwd": str(folder)}
        self._asking.write(msgspec.json.encode({**asked, "environment": environment}) + b"\n")
        return await self._cots.get()

    async def _listen(self, heard: asyncio.StreamReader) -> None:
        async for line in heard:
            pid, *status = msgspec.json.decode(line, type=list[int])
            if status:
                self._born[pid].ended.set_result(status[0])
            else:
                self._born[pid] = Born(pid)
                self._cots.put_nowait(self._born[pid])


async def typed(arguments: Sequence[str], folder: Path, environment: dict[str, str]) -> tuple[int, str]:
    """The status of `angarium …`, and all it printed."""
    nursery = Nursery()
    await nursery.open()
    try:
        with tempfile.NamedTemporaryFile() as printed:
            born = await nursery.start(arguments, Path(printed.name), folder, environment)
            status = await asyncio.wait_for(born.wait(), PATIENCE_S)
            return status, printed.read().decode()
    finally:
        await nursery.close()


@cache
def door() -> str:
    """Where the nursery of this process is; it is started when somebody asks."""
    place = str(Path(tempfile.mkdtemp(prefix="nursery-")) / "door")
    process = subprocess.Popen(
        [sys.executable, __file__, place], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
    )
    atexit.register(_shut, process, Path(place))
    assert process.stdout is not None
    assert process.stdout.readline() == b"open\n"
    return place


def _shut(process: subprocess.Popen[bytes], place: Path) -> None:
    process.communicate()  # closes its input
    place.unlink()
    place.parent.rmdir()


# ── the nursery's own end ────────────────────────────────────────────────────────────────────────────


class _House:
    """What it has to look at: its input, its door, who came in, and whether a child has ended."""

    def __init__(self, place: str) -> None:
        self.entrance = socket.socket(socket.AF_UNIX)
        self.entrance.bind(place)
        self.entrance.listen()
        self.visitors: dict[int, tuple[socket.socket, bytes]] = {}  # and what each has begun to ask
        self.children: dict[int, socket.socket] = {}  # whose each is
        self.woken, alarm = os.pipe()
        os.set_blocking(alarm, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(alarm)

    def live(self) -> None:
        """Until the input ends."""
        while True:
            readable, _, _ = select.select([0, self.woken, self.entrance, *self.visitors], [], [])
            if 0 in readable:
                return
            if self.woken in readable:
                os.read(self.woken, 4_096)
                self._tell_who_ended()
            if self.entrance in readable:
                visitor, _ = self.entrance.accept()
                self.visitors[visitor.fileno()] = visitor, b""
            for number in readable:
                if number in self.visitors:
                    self._hear(number)

    def _hear(self, number: int) -> None:
        visitor, begun = self.visitors[number]
        said = visitor.recv(65_536)
        *asked, begun = (begun + said).split(b"\n")
        self.visitors[number] = visitor, begun
        for line in asked:
            pid = os.fork() or self._be_born(msgspec.json.decode(line))
            self.children[pid] = visitor
            _say(visitor, [pid])
        if not said:
            del self.visitors[number]
            visitor.close()

    def _tell_who_ended(self) -> None:
        while self.children:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            _say(self.children.pop(pid), [pid, os.waitstatus_to_exitcode(status)])

    def _be_born(self, wanted: dict[str, Any]) -> NoReturn:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        self.entrance.close()
        for visitor, _ in self.visitors.values():
            visitor.close()
        ctypes.CDLL(None).prctl(PR_SET_PTRACER, ANYBODY, 0, 0, 0)
        log = os.open(wanted["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        for number in (1, 2):
            os.dup2(log, number)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.setsid()
        os.chdir(wanted["cwd"])
        os.environ.clear()
        os.environ.update(wanted["environment"])
        sys.argv = ["angarium", *wanted["arguments"]]
        _leave(_status_of(importlib.import_module(wanted["program"]).main))


def _status_of(command: Callable[..., object]) -> int:
    """Its exit status, as the interpreter would have it."""
    try:
        command()
    except SystemExit as end:
        if not isinstance(end.code, str):
            return end.code or 0
        sys.stderr.write(f"{end.code}\n")
        return 1
    return 0


def _leave(status: int) -> NoReturn:
    """End as a program does: wait for its threads, do what is to be done at the end, say what is left to say.

    But do not take apart what it shares with its nursery: to copy that only for this takes half a second.
    """
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def _say(visitor: socket.socket, words: list[int]) -> None:
    visitor.sendall(msgspec.json.encode(words) + b"\n")


def main(place: str) -> None:
    """Import what takes the time, and live. Not the commands: they look at the environment as they come."""
    import rich.progress  # noqa: F401
    import uvloop  # noqa: F401

    from angarium import assembly, channels, keeping, logs  # noqa: F401
    from angarium.simulators import hub  # noqa: F401
    from angarium.storage.migrations import runner  # noqa: F401
    from angarium.web.app import put_together

    channels.load()
    put_together(tuple(assembly.HANDLERS))
    gc.collect()
    gc.freeze()  # who is born need not look through what was there before
    house = _House(place)
    os.write(1, b"open\n")
    house.live()


if __name__ == "__main__":
    main(sys.argv[1])

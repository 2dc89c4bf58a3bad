"""strace(1) as a saboteur: system calls of a running process that fail, or kill it."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Self

LOOK_EVERY_S = 0.02


class Strace:
    """Makes system calls of a process go wrong from now on: an async context manager.

    `calls` fail or kill as `inject` says, counted by each thread from the moment it attached.
    """

    def __init__(self, pid: int, calls: str, inject: str) -> None:
        found = shutil.which("strace")
        assert found is not None
        traced = ("-e", f"trace={calls}", "-e", f"inject={calls}:{inject}", "-e", "signal=none")
        self._command = (found, "-f", "-qqq", *traced, "-o", "/dev/null", "-p", str(pid))
        self._pid = pid
        self._process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(*self._command)
        while not self._is_attached() and not self._is_dead():
            assert self._process.returncode is None or self._is_dead(), "strace cannot attach"
            await asyncio.sleep(LOOK_EVERY_S)
        return self

    async def __aexit__(self, *_: object) -> None:
        """Let go. A strace that is asked to while its tracee dies waits for ever, so it is not asked."""
        assert self._process is not None
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()

    def _is_attached(self) -> bool:
        return not any("TracerPid:\t0\n" in text for text in self._threads())

    def _is_dead(self) -> bool:
        """What it does by itself is counted too: it may be killed before anybody asks it for anything."""
        return all("State:\tZ" in text or "State:\tX" in text for text in self._threads())

    def _threads(self) -> Iterator[str]:
        """The status of each thread that has not ended while we look."""
        for path in Path(f"/proc/{self._pid}/task").glob("*/status"):
            with suppress(FileNotFoundError, ProcessLookupError):
                yield path.read_text()

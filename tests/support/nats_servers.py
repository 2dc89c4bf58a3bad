"""Servers of NATS for tests: real, on loopback; killed, and back again, with their disks or without.

`nats_server` is one for the whole run of a process; each test takes a prefix of its own on it.
"""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import pytest

from angarium.processes import free_port
from support.memory import quick_folder

START_S = 20.0
_prefixes = count(1)


class NatsServer:
    """One server, by itself or in a cluster; `more` is written into its configuration."""

    def __init__(self, folder: Path, name: str = "alone", more: str = "jetstream") -> None:
        self.folder = folder
        self.name = name
        self.port = free_port()
        self._more = more
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where it is."""
        return f"nats://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Run it, and return when it answers."""
        self.folder.mkdir(parents=True, exist_ok=True)
        stream = (
            f'jetstream {{ store_dir: "{self.folder}/data", sync_interval: always, max_file_store: 1TB }}'
        )
        settings = self._more.replace("jetstream", stream)
        file = self.folder / "nats.conf"
        file.write_text(f'server_name: {self.name}\nlisten: "127.0.0.1:{self.port}"\n{settings}\n')
        beside = Path(sys.executable).with_name("nats-server")  # it need not be in PATH
        program = str(beside) if beside.exists() else "nats-server"
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen([program, "-c", str(file)], stdout=log, stderr=log)
        until = time.monotonic() + START_S
        while not self._answers():
            assert time.monotonic() < until, (self.folder / "log").read_text()

    def kill(self, *, wipe: bool = False) -> None:
        """End it as a loss of power would; without its disk if so asked."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
        if wipe:
            shutil.rmtree(self.folder / "data", ignore_errors=True)

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as there:
                return there.recv(4).startswith(b"INFO")
        except OSError:
            return False


@contextmanager
def servers(names: Sequence[str], more: str = "jetstream") -> Iterator[list[NatsServer]]:
    """Servers that run: one alone, or a cluster of several."""
    folder = Path(tempfile.mkdtemp(prefix="angarium-nats-", dir=quick_folder()))
    routes = {name: free_port() for name in names}
    made = []
    for name in names:
        others = ", ".join(f'"nats://127.0.0.1:{port}"' for one, port in routes.items() if one != name)
        listen = f'cluster {{ name: trial, listen: "127.0.0.1:{routes[name]}", routes: [{others}] }}'
        made.append(NatsServer(folder / name, name, f"{more}\n{listen}" if len(names) > 1 else more))
    try:
        for one in made:
            one.start()
        yield made
    finally:
        for one in made:
            one.kill()
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def nats_server() -> Iterator[NatsServer]:
    """The server of this process of the test run."""
    with servers(["alone"]) as [one]:
        yield one


def new_prefix() -> str:
    """One that nobody else has on that server."""
    return f"test{next(_prefixes)}"

"""The processes of the demo: the simulated operators and the server."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import sys
from asyncio.subprocess import Process
from pathlib import Path
from urllib.parse import quote

import aiohttp
import msgspec

from angarium.accounts import flows as accounts
from angarium.accounts.rules import SCOPES
from angarium.assembly import make_ground
from angarium.config import Settings
from angarium.core.clock import Clock
from angarium.core.problems import Problem
from angarium.storage.migrate import migrate

FACES = ("smpp", "viber", "vk")
READY_S = 30.0
LOOK_EVERY_S = 0.05
STOP_S = 20.0


class Announced(msgspec.Struct, frozen=True):
    """Where the simulated operators listen."""

    admin: str
    faces: dict[str, str]


class Stage:
    """Folder, ports and processes of one demo."""

    def __init__(self, folder: Path, port: int, clock: Clock) -> None:
        self.folder = folder.resolve()
        self.port = port if port and is_free(port) else free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.config = self.folder / "angarium.toml"
        self.operators = Announced("", {})
        self.key = ""
        self._clock = clock
        self._processes: dict[str, Process] = {}

    async def set_up(self, script: Path) -> None:
        """A clean folder, a workspace with a key, the operators, the server."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        self.key, ticket = await self._open_books()
        await self._start_operators(script, ticket)
        self._write_config()
        await self.start_server()

    async def start_server(self) -> None:
        """Start the server and wait until it is ready."""
        command = (sys.executable, "-m", "angarium", "--config", str(self.config), "serve")
        self._processes["server"] = server = await self._start("server", command)
        (self.folder / "server.pid").write_text(f"{server.pid}\n")  # to kill it, and see what happens
        async with asyncio.timeout(READY_S), aiohttp.ClientSession(trust_env=False) as session:
            while not await _is_ready(session, f"{self.url}/health/ready"):
                self._must_live("server", server)
                await self._clock.sleep(LOOK_EVERY_S)

    async def strike(self) -> None:
        """Stop every process that is still there, the server first."""
        for name in ("server", "operators"):
            process = self._processes.pop(name, None)
            if process is not None and process.returncode is None:
                process.send_signal(signal.SIGTERM)
                try:
                    await asyncio.wait_for(process.wait(), STOP_S)
                except TimeoutError:
                    process.kill()

    async def _open_books(self) -> tuple[str, str]:
        """A workspace; its key for the API, and a ticket that lets a browser see its messages."""
        settings = self._settings()
        await migrate(settings.database)
        ground = make_ground(settings)
        await ground.db.start()
        try:
            workspace = await accounts.create_workspace(ground, "chaykhana")
            key = await accounts.create_key(ground, workspace.id, "demo", frozenset(SCOPES))
            return key, accounts.ticket(ground, workspace.id)
        finally:
            await ground.db.stop()

    async def _start_operators(self, script: Path, ticket: str) -> None:
        announce = self.folder / "operators.json"
        timeline = f"{self.url}/enter?ticket={quote(ticket)}&next=%2Ffind%3Fref%3D{{ref}}"
        command = (
            *(sys.executable, "-m", "angarium.simulators", "--faces", ",".join(FACES)),
            *("--ledger-folder", str(self.folder / "ledgers"), "--script", str(script)),
            *("--announce", str(announce), "--timeline-url", timeline),
        )
        self._processes["operators"] = operators = await self._start("operators", command)
        async with asyncio.timeout(READY_S):
            while not announce.exists() or not announce.read_bytes().strip():
                self._must_live("operators", operators)
                await self._clock.sleep(LOOK_EVERY_S)
        self.operators = msgspec.json.decode(announce.read_bytes(), type=Announced)

    async def _start(self, name: str, command: tuple[str, ...]) -> Process:
        with self._log(name).open("ab") as log:
            # A session of its own: Ctrl-C in the terminal reaches the demo, which stops them in order.
            return await asyncio.create_subprocess_exec(
                *command,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
            )

    def _log(self, name: str) -> Path:
        return self.folder / f"{name}.log"

    def _must_live(self, name: str, process: Process) -> None:
        if process.returncode is not None:
            last = self._log(name).read_text(errors="replace")[-2_000:]
            raise Problem("demo", f"The {name} ended with status {process.returncode}", detail=last)

    def _settings(self) -> Settings:
        called = [url.partition("://")[2] for name, url in self.operators.faces.items() if name != "smpp"]
        return Settings(
            database=f"sqlite:///{self.folder / 'angarium.db'}",
            port=self.port,
            public_url=self.url,
            key_file=str(self.folder / "angarium.key"),
            allow_private=tuple(called),
        )

    def _write_config(self) -> None:
        """Settings as a TOML file, so that `angarium serve` can be started on this folder by hand."""
        settings = msgspec.structs.asdict(self._settings())
        told = ("database", "port", "public_url", "key_file", "allow_private")
        lines = [f"{name} = {msgspec.json.encode(settings[name]).decode()}" for name in told]
        self.config.write_text("\n".join(lines) + "\n")


async def _is_ready(session: aiohttp.ClientSession, url: str) -> bool:
    try:
        async with session.get(url) as answer:
            return answer.status == 200
    except aiohttp.ClientError:
        return False


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
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port

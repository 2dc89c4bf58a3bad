"""The real server as a process, in a folder of the test's own, with a shop and a simulated operator.

The verdict comes from the operator's ledger: what it took, by its own hand.
"""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import socket
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Self

import aiohttp
import msgspec

from angarium.accounts import flows as accounts
from angarium.accounts.rules import SCOPES
from angarium.assembly import make_ground
from angarium.config import Settings
from angarium.lines import flows as lines
from angarium.lines.rules import LineInput
from angarium.processes import free_port
from angarium.simulators.behaviour import Script
from angarium.storage.opening import mark_file
from support import together
from support.databases import bring_up
from support.nats_servers import new_prefix
from support.nursery import PATIENCE_S, Born, Nursery, typed
from support.server import Client, Heard

PHONE = "+38050{:05}77"  # of these last digits the simulated operators know no mischief
BIRTH_S, BIRTHS_MAX = 30.0, 3
ACCOUNT = ("angarium", "secret")


class Shop:
    """A folder with a database, a workspace with a key, an SMPP line, and what runs on it."""

    def __init__(self, folder: Path, database: str = "", **line: Any) -> None:
        self.folder = folder
        self.database = database or f"sqlite:///{folder}/angarium.db"
        self.file = Path(self.database.removeprefix("sqlite:///"))
        self.port = free_port()
        self.smpp_port = free_port()  # of the operator
        self.door_port = 0  # on which the server lets SMPP clients in; 0: it does not
        self.url = f"http://127.0.0.1:{self.port}"
        self.key = ""
        self.server: Process | Born | None = None
        self.nursery = Nursery()
        self.fabric, self.prefix = "", new_prefix()  # how it meets others, and where
        self.nats = ""
        self._named = bool(database)
        self._line_given = line
        self._session: aiohttp.ClientSession | None = None
        self._sent = 0

    async def __aenter__(self) -> Self:
        await self._found()
        await self.nursery.open()
        self._session = aiohttp.ClientSession(trust_env=False)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()
        await self.nursery.close()
        if self.server is not None and self.server.returncode is None:  # under a tracer
            self.server.kill()
            await self.server.wait()

    # ── what runs ────────────────────────────────────────────────────────────────────────────────────

    @property
    def settings(self) -> Settings:
        """As the server has them."""
        return Settings(database=self.database, port=self.port, key_file=str(self.folder / "angarium.key"))

    @property
    def environment(self) -> dict[str, str]:
        """The same as variables, for any command."""
        given = {"DATABASE": self.database, "PORT": str(self.port), "KEY_FILE": self.settings.key_file}
        # A process less for each server: test_porter.py, and whole programs, have it.
        given |= {"SMPP_PORT": str(self.door_port), "PORTER": "off"}
        given = {f"ANGARIUM_{name}": value for name, value in given.items()}
        kind = self.fabric or ("" if self.database.startswith("sqlite:") else together.kind())
        return {**os.environ, **given, **together.environment(kind, self.prefix, self.nats)}

    async def start(self, *before: str, ready: bool = True) -> Process | Born:
        """Start the server, under another command if one is named, and wait until it is ready."""
        log = self.folder / "server.log"
        if before:
            self.server = await self._execute(log, (*before, sys.executable, "-m", "angarium", "serve"))
        else:
            self.server = await self.nursery.start(["serve"], log, self.folder, self.environment)
        if ready:
            await self.until(self.is_ready)
            await self.until(self._is_open)
        return self.server

    async def _execute(self, log: Path, command: Sequence[str]) -> Process:
        with log.open("ab") as out:
            return await asyncio.create_subprocess_exec(
                *command, stdout=out, stderr=out, env=self.environment
            )

    async def command(self, *arguments: str, **environment: str) -> tuple[int, str]:
        """Run `angarium …` beside the server; its status, and all it printed, without its line breaks."""
        status, printed = await typed(arguments, self.folder, {**self.environment, **environment})
        return status, " ".join(printed.split())

    async def stop(self) -> int:
        """SIGTERM; the exit status."""
        assert self.server is not None
        self.server.send_signal(signal.SIGTERM)
        return await asyncio.wait_for(self.server.wait(), PATIENCE_S)

    async def stop_traced(self) -> None:
        """SIGTERM to the server that runs under a tracer, which ends with it."""
        assert self.server is not None
        os.kill(self.traced_pid(), signal.SIGTERM)
        await asyncio.wait_for(self.server.wait(), PATIENCE_S)

    def traced_pid(self) -> int:
        """The process behind the tracer."""
        assert self.server is not None
        tracer = self.server.pid
        return int(Path(f"/proc/{tracer}/task/{tracer}/children").read_text().split()[0])

    async def kill(self) -> None:
        """kill -9."""
        assert self.server is not None
        self.server.kill()
        await self.server.wait()

    async def ends(self) -> int:
        """Wait until the server has ended by itself; the exit status."""
        assert self.server is not None
        return await asyncio.wait_for(self.server.wait(), PATIENCE_S)

    async def start_operator(self, script: Script | None = None, *more: str) -> None:
        """A simulated operator in a process of its own, which outlives the server; `more`: who may bind
        beside us, with the same password."""
        behaviour = self.folder / "script.json"
        behaviour.write_bytes(msgspec.json.encode(script or Script()))
        announce = self.folder / "operators.json"
        arguments = (
            *("--faces", "smpp", "--ports", f"smpp={self.smpp_port}", "--ledger-folder", str(self.folder)),
            *("--announce", str(announce), "--script", str(behaviour)),
            *("--accounts", ",".join(f"{name}={ACCOUNT[1]}" for name in (ACCOUNT[0], *more))),
        )
        log, program = self.folder / "operator.log", "angarium.simulators.__main__"
        for _ in range(BIRTHS_MAX):
            born = await self.nursery.start(arguments, log, self.folder, dict(os.environ), program)
            with suppress(TimeoutError):
                async with asyncio.timeout(BIRTH_S):
                    await self.until(lambda: announce.exists() and bool(announce.read_bytes().strip()))
                    return
            born.kill()  # one in a thousand stands still at its birth; why is not known
            await born.wait()
        raise AssertionError("no operator was born")

    def limit_file_size(self, size_bytes: int) -> None:
        """No file of the server's may grow beyond this; as a full disk, for this process alone."""
        assert self.server is not None
        unlimited = resource.RLIM_INFINITY
        resource.prlimit(
            self.server.pid, resource.RLIMIT_FSIZE, (size_bytes if size_bytes >= 0 else unlimited, unlimited)
        )

    def rss_kib(self) -> int:
        """How much memory the server holds."""
        assert self.server is not None
        status = Path(f"/proc/{self.server.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0])

    # ── what is asked ────────────────────────────────────────────────────────────────────────────────

    @property
    def client(self) -> Client:
        """Somebody with every right in the shop's workspace."""
        assert self._session is not None
        return Client(self._session, self.url, self.key)

    async def send(self, key: str = "", **given: Any) -> Heard:
        """Offer one message; each to another phone, with an Idempotency-Key of its own."""
        self._sent += 1
        body = {"to": {"phone": PHONE.format(self._sent)}, "class": "service", "channel": "smpp"}
        body |= {"text": f"Hello {self._sent}", **given}
        return await self.client.ask("POST", "/v1/messages", body, Idempotency_Key=key or f"key-{self._sent}")

    async def message(self, message_id: str) -> dict[str, Any]:
        """A message as the API tells it."""
        heard = await self.client.ask("GET", f"/v1/messages/{message_id}")
        assert heard.status == 200, heard
        found: dict[str, Any] = heard.json
        return found

    async def messages(self) -> list[dict[str, Any]]:
        """All of them, the newest first."""
        found: list[dict[str, Any]] = []
        cursor = ""
        while True:
            heard = await self.client.ask("GET", f"/v1/messages?limit=1000&cursor={cursor}")
            assert heard.status == 200, heard
            found += heard.json["items"]
            cursor = heard.json["next"]
            if not cursor:
                return found

    async def drained(self, rests: Callable[[dict[str, Any]], bool]) -> list[dict[str, Any]]:
        """Wait until every message rests; all of them."""
        found: list[dict[str, Any]] = []

        async def all_rest() -> bool:
            found[:] = await self.messages()
            return all(rests(one) for one in found)

        await self.until(all_rest)
        return found

    async def readiness(self) -> Heard:
        """GET /health/ready."""
        return await self.client.ask("GET", "/health/ready")

    async def has_begun(self) -> bool:
        """Whether it has looked at its database, for the first time."""
        return mark_file(self.settings.key_file).exists()

    async def is_ready(self) -> bool:
        """Whether it answers, and is; AssertionError when the server has ended."""
        assert self.server is not None
        assert self.server.returncode is None, self.said()
        try:
            return (await self.readiness()).status == 200
        except aiohttp.ClientConnectionError:
            return False

    def _is_open(self) -> bool:
        """Whether it lets SMPP clients in, where it is to: a moment after it is ready."""
        with socket.socket() as probe:
            return not self.door_port or probe.connect_ex(("127.0.0.1", self.door_port)) == 0

    def beside(self, module: bytes) -> list[int]:
        """The processes that the server has begun, by the module they run."""
        assert self.server is not None
        tasks = Path(f"/proc/{self.server.pid}/task").glob("*/children")
        found = []
        for one in [number for task in tasks for number in task.read_text().split()]:
            with suppress(FileNotFoundError, ProcessLookupError):  # it has just ended
                if module in Path(f"/proc/{one}/cmdline").read_bytes():
                    found.append(int(one))
        return found

    def composers(self) -> list[int]:
        """The processes that make messages ready beside the server."""
        return self.beside(b"angarium.composer")

    def ledger(self) -> list[dict[str, Any]]:
        """What the operator took."""
        return [entry for entry in self._written() if "recipient" in entry]

    def came_and_went(self) -> list[str]:
        """Who was bound at the operator, in order: "bound", "unbound"."""
        return [word for entry in self._written() for word in ("bound", "unbound") if word in entry]

    def _written(self) -> list[dict[str, Any]]:
        path = self.folder / "smpp.jsonl"
        lines_ = path.read_bytes().split(b"\n")[:-1] if path.exists() else []
        return [msgspec.json.decode(line) for line in lines_]

    def taken(self) -> list[str]:
        """The texts that the operator took, in order."""
        return [entry["text"] for entry in self.ledger()]

    def said(self) -> str:
        """The server's log."""
        return (self.folder / "server.log").read_text(errors="replace")

    async def until(self, seen: Callable[[], Any]) -> None:
        """Look again until it is so; what has been said when it does not come, or nobody is there to ask."""
        try:
            async with asyncio.timeout(PATIENCE_S):
                while not await _value(seen()):  # noqa: ASYNC110 - it happens in another process
                    await asyncio.sleep(0.06)
        except TimeoutError:
            raise AssertionError(f"it did not come\n{self._lately()}") from None
        except aiohttp.ClientConnectionError as error:
            error.add_note(self._lately())
            raise

    def _lately(self) -> str:
        log = self.said() if (self.folder / "server.log").exists() else ""
        return f"the server's status: {self.server and self.server.returncode}\n{log[-4_000:]}"

    # ── what it has ──────────────────────────────────────────────────────────────────────────────────

    async def _found(self) -> None:
        if together.kind() and not self._named:
            self.database = await together.postgres().empty_database()
        await bring_up(self.database)
        ground = make_ground(self.settings)
        await ground.db.start()
        try:
            workspace = await accounts.create_workspace(ground, "shop")
            self.key = await accounts.create_key(ground, workspace.id, "test", frozenset(SCOPES))
            await lines.create(ground, workspace.id, msgspec.convert(self._line(), LineInput))
        finally:
            await ground.db.stop()

    def _line(self) -> dict[str, Any]:
        system_id, password = ACCOUNT
        place = {"host": "127.0.0.1", "port": self.smpp_port, "reconnect_s": 0.1}
        return {
            "name": "sms",
            "channel": "smpp",
            "settings": {**place, "system_id": system_id, "password": password, "source": "Shop"},
            "classes": ["otp", "transactional", "service"],
            "registration": "approved",
            **self._line_given,
        }


@asynccontextmanager
async def shop(
    folder: Path, database: str = "", *, operator: bool = False, **line: Any
) -> AsyncIterator[Shop]:
    """A shop whose server is ready; with an operator if one is wanted."""
    async with Shop(folder, database, **line) as made:
        if operator:
            await made.start_operator()
        await made.start()
        yield made


async def _value(found: Any) -> Any:
    return await found if asyncio.iscoroutine(found) else found

"""The processes of a drill and what stands before it begins: workspaces, keys, lines."""

from __future__ import annotations

from asyncio.subprocess import Process
from collections.abc import Mapping

import aiohttp
import msgspec

from angarium.accounts import flows as accounts
from angarium.accounts.rules import SCOPES
from angarium.assembly import make_ground
from angarium.client import Api
from angarium.config import Settings
from angarium.core.clock import Clock
from angarium.core.problems import Problem
from angarium.drill import cast, client
from angarium.drill.cast import WORKSPACES
from angarium.drill.cluster import Cluster
from angarium.drill.options import Options
from angarium.drill.servers import Alone
from angarium.processes import Announced, Processes, free_port, start_operators
from angarium.storage.migrate import migrate

READY_S = 180.0  # a machine may be busy: that is no reason to fail
CLIENT_LEDGER = "client.jsonl"
FACES = ("smpp", "smpp-hex", "viber", "vk", "whatsapp", "smtp")


class Stage:
    """Folder, ports and processes of one drill."""

    def __init__(self, options: Options, clock: Clock) -> None:
        self.folder = options.folder.resolve()
        self.options = options
        self.bounce_port = free_port()
        self.client_ledger = self.folder / CLIENT_LEDGER
        self.operators = Announced("", {})
        self.keys: dict[str, str] = {}
        self.clock = clock
        self.processes = Processes(self.folder, clock, READY_S)
        self.servers: Alone | Cluster
        if options.fabric:
            self.servers = Cluster(self.processes, clock, options.fabric, apart=options.namespaces)
        else:
            sqlite = options.database == "sqlite"
            file = f"sqlite:///{self.folder / 'angarium.db'}"
            self.servers = Alone(self.processes, file if sqlite else options.database)

    @property
    def database(self) -> str:
        """Where everything is kept."""
        return self.servers.database

    async def set_up(self) -> None:
        """Workspaces with keys, the operators, the server, and a line for each operator."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if self.client_ledger.exists():
            raise Problem("drill", f"{self.folder} holds another drill", detail="Name a new folder.")
        await self.servers.open()
        self.keys = await self._open_books()
        may_bind = ",".join(f"{name}={password}" for name, password in cast.ACCOUNTS.items())
        self.operators = await start_operators(self.processes, FACES, "--accounts", may_bind)
        seen = await self.servers.seen(self.operators.faces, self.bounce_port)
        await self.servers.start(self._settings(seen.faces))
        for workspace in WORKSPACES:
            async with Api(self.servers.url, self.keys[workspace], self.clock) as api:
                for line in cast.lines(workspace, seen.faces, seen.bounces):
                    made = await api.call("POST", "/v1/lines", line)
                    await self._connect_webhook(line["channel"], made["callback_path"])

    async def start_client(self) -> Process:
        """Begin to ask for messages."""
        given = client.Given(
            urls=self.servers.urls,
            keys=self.keys,
            ledger=str(self.client_ledger),
            seed=self.options.seed,
            rate=self.options.rate,
            seconds=self.options.seconds,
        )
        return await self.processes.start(
            "client", "angarium.drill.client", msgspec.json.encode(given).decode()
        )

    async def tell_operators(self, path: str, body: object) -> None:
        """PUT something to the operators' admin address."""
        headers = {"Content-Type": "application/json"}
        async with (
            aiohttp.ClientSession(trust_env=False, raise_for_status=True) as session,
            session.put(self.operators.admin + path, data=msgspec.json.encode(body), headers=headers),
        ):
            pass

    async def operators_wait(self) -> int:
        """How much is still to happen at the operators, or to be taken from them."""
        async with (
            aiohttp.ClientSession(trust_env=False, raise_for_status=True) as session,
            session.get(self.operators.admin + "/ledger") as answer,
        ):
            totals = msgspec.json.decode(await answer.read())
        return sum(face["waiting"] for face in totals.values())

    async def strike(self) -> None:
        """Stop everything."""
        self.servers.down.update(self.servers.names)
        await self.processes.stop_all()
        await self.servers.close()

    async def _open_books(self) -> dict[str, str]:
        settings = self._settings({})
        await migrate(settings.database)
        ground = make_ground(settings)
        await ground.db.start()
        try:
            keys = {}
            for name in WORKSPACES:
                workspace = await accounts.create_workspace(ground, name)
                keys[name] = await accounts.create_key(ground, workspace.id, "drill", frozenset(SCOPES))
            return keys
        finally:
            await ground.db.stop()

    async def _connect_webhook(self, channel: str, callback_path: str) -> None:
        """Where the operators that are told once, and not with each message, post what became of it."""
        if channel == "whatsapp_cloud":
            webhook = {"url": self.servers.url + callback_path, "secret": cast.WHATSAPP_SECRET}
            await self.tell_operators("/webhooks/whatsapp", webhook)
        elif channel == "smtp":
            await self.tell_operators("/webhooks/smtp", {"url": f"smtp://127.0.0.1:{self.bounce_port}"})

    def _settings(self, faces: Mapping[str, str]) -> Settings:
        called = [url.partition("://")[2] for url in faces.values() if url.startswith("http")]
        return Settings(
            database=self.database,
            public_url=self.servers.url,
            key_file=str(self.folder / "angarium.key"),
            allow_private=tuple(called),
        )

"""The processes of the demo: the simulated operators and the server."""

from __future__ import annotations

import shutil
from pathlib import Path
from urllib.parse import quote

from angarium.accounts import flows as accounts
from angarium.accounts import setup
from angarium.accounts.rules import SCOPES
from angarium.assembly import make_ground
from angarium.config import Settings
from angarium.core.clock import Clock
from angarium.processes import (
    Announced,
    Processes,
    free_port,
    is_free,
    start_operators,
    start_server,
    write_config,
)
from angarium.storage.migrate import migrate

FACES = ("smpp", "viber", "vk")
FRESH_FACES = ("smpp", "gms", "vk", "whatsapp", "telegram", "smtp")  # people answer on all but VK


class Stage:
    """Folder, ports and processes of one demo."""

    def __init__(self, folder: Path, port: int, clock: Clock, *, empty: bool = False) -> None:
        self._empty = empty
        self.folder = folder.resolve()
        self.port = port if port and is_free(port) else free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.config = self.folder / "angarium.toml"
        self.operators = Announced("", {})
        self.key = ""
        self.first_link = ""  # by which a new server is set up
        self._processes = Processes(self.folder, clock)

    async def set_up(self, script: Path) -> None:
        """A clean folder, a workspace with a key, the operators, the server."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        if self._empty:
            self.operators = await start_operators(self._processes, FRESH_FACES, "--script", str(script))
        else:
            self.key, ticket = await self._open_books()
            timeline = f"{self.url}/enter?ticket={quote(ticket)}&next=%2Ffind%3Fref%3D{{ref}}"
            self.operators = await start_operators(
                self._processes, FACES, "--script", str(script), "--timeline-url", timeline
            )
        write_config(self._settings(), self.config)
        server = await start_server(self._processes, self.config, self.url)
        (self.folder / "server.pid").write_text(f"{server.pid}\n")  # to kill it, and see what happens
        if self._empty:
            self.first_link = await self._link()

    async def strike(self) -> None:
        """Stop every process that is still there, the server first."""
        await self._processes.stop_all()

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

    async def _link(self) -> str:
        ground = make_ground(self._settings())
        await ground.db.start()
        try:
            return await setup.link(ground, self.url)
        finally:
            await ground.db.stop()

    def _settings(self) -> Settings:
        called = [
            url.partition("://")[2]
            for name, url in self.operators.faces.items()
            if name not in ("smpp", "smtp")
        ]
        return Settings(
            database=f"sqlite:///{self.folder / 'angarium.db'}",
            port=self.port,
            public_url=self.url,
            key_file=str(self.folder / "angarium.key"),
            allow_private=tuple(called),
            sandbox_url=self.operators.admin,
        )

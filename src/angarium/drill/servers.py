"""The server that is drilled: one that does everything, by itself."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec

from angarium.config import Settings
from angarium.processes import Processes, free_port, start_server, write_config

NAME = "server"


class Seen(msgspec.Struct, frozen=True):
    """The operators as servers find them, and where these are to listen for mail that bounces."""

    faces: dict[str, str]
    bounces: str


class Alone:
    """One server on one database. `down` names those that are not to run now."""

    names: tuple[str, ...] = (NAME,)

    def __init__(self, processes: Processes, database: str) -> None:
        self._processes = processes
        self._port = free_port()
        self.database = database
        self.url = f"http://127.0.0.1:{self._port}"
        self.down: set[str] = set(self.names)

    @property
    def urls(self) -> tuple[str, ...]:
        """Where clients may ask."""
        return (self.url,)

    async def open(self) -> None:
        """There is nothing to be made ready before it."""

    async def seen(self, faces: Mapping[str, str], bounce_port: int) -> Seen:
        """The operators, as the server finds them; and where it is to listen for what bounces."""
        return Seen(dict(faces), f"127.0.0.1:{bounce_port}")

    async def start(self, settings: Settings) -> None:
        """Start it with these settings; returns when it is ready."""
        write_config(msgspec.structs.replace(settings, port=self._port), self._config)
        await self.again(NAME)

    async def again(self, name: str) -> None:
        """Start it again; returns when it is ready."""
        self.down.discard(name)
        await start_server(self._processes, self._config, self.url)

    async def kill(self, name: str) -> None:
        """kill -9; it stays away until it is started again."""
        self.down.add(name)
        await self._processes.kill(name)

    async def stop(self, name: str) -> int | None:
        """SIGTERM, with the status it ends with; it stays away until it is started again."""
        self.down.add(name)
        return await self._processes.stop(name)

    async def close(self) -> None:
        """There is nothing to be put away after it."""

    @property
    def _config(self) -> Path:
        return self._processes.folder / "angarium.toml"

"""Servers that work together, as on machines of their own: two for requests and pages, three that send.

Each reaches PostgreSQL and each NATS by ways of its own, so that one can be cut off from any of them and not
from its providers. In front is a way to whichever of the first two is there, as a proxy would be.
"""

from __future__ import annotations

import asyncio

import msgspec

from angarium.config import Role, Settings
from angarium.core.clock import Clock
from angarium.drill.nats import NAMES as NATS
from angarium.drill.nats import PASSWORD, USER, Nats
from angarium.drill.postgres import Postgres
from angarium.drill.relay import Relay
from angarium.drill.schedule import APIS, WORKERS
from angarium.processes import Processes, free_port, start_server, write_config

ROLES: dict[str, tuple[Role, ...]] = {
    **dict.fromkeys(APIS, ("api", "console")),
    **dict.fromkeys(WORKERS, ("worker",)),
}


class Node:
    """One server, and its ways to what it needs."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.to_database: Relay
        self.to_nats: tuple[Relay, ...] = ()


class Cluster:
    """All of it. `down` names those that are not to run now."""

    names: tuple[str, ...] = (*APIS, *WORKERS)

    def __init__(self, processes: Processes, clock: Clock, fabric: str) -> None:
        self._processes = processes
        self.fabric = fabric
        self.postgres = Postgres(processes.folder / "postgres", clock)
        self.nats = Nats(processes) if fabric == "nats" else None
        self.nodes = {name: Node(name) for name in self.names}
        self._front = Relay(*(("127.0.0.1", self.nodes[name].port) for name in APIS))
        self.down: set[str] = set(self.names)

    @property
    def database(self) -> str:
        """Where the drill itself looks."""
        return self.postgres.url

    @property
    def url(self) -> str:
        """Where providers post, and whoever knows one address only."""
        return f"http://127.0.0.1:{self._front.port}"

    @property
    def urls(self) -> tuple[str, ...]:
        """Where clients may ask."""
        return tuple(self.nodes[name].url for name in APIS)

    async def open(self) -> None:
        """PostgreSQL, NATS, and the ways there."""
        await self.postgres.open()
        if self.nats is not None:
            await self.nats.open()
        for node in self.nodes.values():
            node.to_database = Relay(self.postgres.socket)
            if self.nats is not None:
                node.to_nats = tuple(Relay(("127.0.0.1", self.nats.ports[name])) for name in NATS)
            for relay in (node.to_database, *node.to_nats):
                await relay.open()
        await self._front.open()

    async def start(self, settings: Settings) -> None:
        """Start every server, the first before the others, for it makes the tables; wait until all are."""
        for name in self.names:
            write_config(self._own(settings, name), self._processes.folder / f"{name}.toml")
        first, *others = self.names
        await self.again(first)
        await asyncio.gather(*(self.again(name) for name in others))

    async def again(self, name: str) -> None:
        """Start one; returns when it is ready."""
        self.down.discard(name)
        config = self._processes.folder / f"{name}.toml"
        await start_server(self._processes, config, self.nodes[name].url, name)

    async def kill(self, name: str) -> None:
        """kill -9; it stays away until it is started again."""
        self.down.add(name)
        await self._processes.kill(name)

    async def stop(self, name: str) -> int | None:
        """SIGTERM, with the status it ends with; it stays away until it is started again."""
        self.down.add(name)
        return await self._processes.stop(name)

    async def close(self) -> None:
        """Put away what is no process of ours."""
        for node in self.nodes.values():
            for relay in (*filter(None, [getattr(node, "to_database", None)]), *node.to_nats):
                await relay.close()
        await self._front.close()
        await self.postgres.close()

    def _own(self, settings: Settings, name: str) -> Settings:
        node = self.nodes[name]
        nats = {
            "nats_servers": tuple(f"nats://127.0.0.1:{relay.port}" for relay in node.to_nats),
            "nats_user": USER,
            "nats_password": PASSWORD,
        }
        return msgspec.structs.replace(
            settings,
            database=self.postgres.url_by(node.to_database.port),
            fabric=self.fabric,
            port=node.port,
            roles=ROLES[name],
            **(nats if self.nats is not None else {}),
        )

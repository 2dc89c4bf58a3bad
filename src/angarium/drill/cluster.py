"""Servers that work together, as on machines of their own: two for requests and pages, three that send.

Each reaches PostgreSQL and each NATS by ways of its own, so that one can be cut off from any of them and not
from its providers: by relays that go dark, or, where each is a machine, by cables that are pulled. In front
is a way to whichever of the first two is there, as a proxy would be.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from urllib.parse import urlsplit, urlunsplit

import msgspec

from angarium.config import Role, Settings
from angarium.core.clock import Clock
from angarium.core.problems import Problem
from angarium.drill import machines
from angarium.drill.machines import Machine
from angarium.drill.nats import NAMES as NATS
from angarium.drill.nats import PASSWORD, USER, Nats
from angarium.drill.postgres import Postgres
from angarium.drill.relay import Relay
from angarium.drill.schedule import APIS, WORKERS
from angarium.drill.servers import Seen
from angarium.processes import Processes, free_port, start_server, write_config

HERE = "127.0.0.1"
ROLES: dict[str, tuple[Role, ...]] = {
    **dict.fromkeys(APIS, ("api", "console")),
    **dict.fromkeys(WORKERS, ("worker",)),
}


class Node:
    """One server, its ways to what it needs, and its machine, if it has one of its own."""

    def __init__(self, name: str, machine: Machine | None) -> None:
        self.name = name
        self.machine = machine
        self.host = machine.host if machine else HERE
        self.port = free_port()
        self.url = f"http://{self.host}:{self.port}"
        self.to_database: Relay
        self.to_nats: tuple[Relay, ...] = ()

    @property
    def ways(self) -> tuple[Relay, ...]:
        """Those that are there."""
        return (*filter(None, [getattr(self, "to_database", None)]), *self.to_nats)

    async def open(self, postgres: str, nats: Sequence[int]) -> None:
        """Have ways to the socket of PostgreSQL, and to ports of NATS."""
        if self.machine is not None:
            await self.machine.make()
        self.to_database = Relay(postgres, host=self._here("database"))
        self.to_nats = tuple(Relay((HERE, port), host=self._here("nats")) for port in nats)
        for way in self.ways:
            await way.open()

    async def cut_off(self, what: str) -> None:
        """From now on it hears nothing of the database, or of NATS, and its providers as ever."""
        if self.machine is not None:
            await self.machine.pull(what)
            return
        for way in self._to(what):
            way.go_dark()

    async def reconnect(self, what: str) -> None:
        """It hears of it again."""
        if self.machine is not None:
            await self.machine.plug_in(what)
            return
        for way in self._to(what):
            way.light_up()

    async def close(self) -> None:
        """Have them no more."""
        for way in self.ways:
            await way.close()
        if self.machine is not None:
            with suppress(Problem):  # it may not have come to be
                await self.machine.unmake()

    def _to(self, what: str) -> tuple[Relay, ...]:
        return (self.to_database,) if what == "database" else self.to_nats

    def _here(self, way: str) -> str:
        return self.machine.here(way) if self.machine else HERE


class Cluster:
    """All of it. `down` names those that are not to run now; `apart`: each is a machine of its own."""

    names: tuple[str, ...] = (*APIS, *WORKERS)

    def __init__(self, processes: Processes, clock: Clock, fabric: str, *, apart: bool = False) -> None:
        self._processes = processes
        self.fabric = fabric
        self._apart = apart
        self.postgres = Postgres(processes.folder / "postgres", clock)
        self.nats = Nats(processes) if fabric == "nats" else None
        numbered = enumerate(self.names)
        self.nodes = {name: Node(name, Machine(number) if apart else None) for number, name in numbered}
        self._front = Relay(*((self.nodes[name].host, self.nodes[name].port) for name in APIS))
        self._others: list[Relay] = []  # from machines to providers, and back
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
        if self._apart:
            await machines.begin()
        for node in self.nodes.values():
            await node.open(
                self.postgres.socket, [self.nats.ports[name] for name in NATS] if self.nats else []
            )
        await self._front.open()

    async def seen(self, faces: Mapping[str, str], bounce_port: int) -> Seen:
        """The operators, as the servers find them; and where these are to listen for what bounces."""
        if not self._apart:
            return Seen(dict(faces), f"{HERE}:{bounce_port}")
        led = {name: urlsplit(url) for name, url in faces.items()}
        ways = {name: Relay((HERE, url.port or 0), host=machines.PROVIDERS) for name, url in led.items()}
        back = Relay(*((self.nodes[name].host, bounce_port) for name in WORKERS), port=bounce_port)
        self._others = [*ways.values(), back]
        for way in self._others:
            await way.open()
        return Seen(
            {
                name: urlunsplit(url._replace(netloc=f"{ways[name].host}:{ways[name].port}"))
                for name, url in led.items()
            },
            f"0.0.0.0:{bounce_port}",
        )

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
        node = self.nodes[name]
        before = node.machine.command if node.machine else ()
        await start_server(self._processes, config, node.url, name, before)

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
            await node.close()
        for way in (self._front, *self._others):
            await way.close()
        if self._apart:
            await machines.end()
        await self.postgres.close()

    def _own(self, settings: Settings, name: str) -> Settings:
        node = self.nodes[name]
        nats = {
            "nats_servers": tuple(f"nats://{relay.host}:{relay.port}" for relay in node.to_nats),
            "nats_user": USER,
            "nats_password": PASSWORD,
        }
        return msgspec.structs.replace(
            settings,
            database=self.postgres.url_by(node.to_database),
            fabric=self.fabric,
            host=node.host,
            port=node.port,
            roles=ROLES[name],
            **(nats if self.nats is not None else {}),
        )

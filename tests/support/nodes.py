"""Servers of one shop that share its database and its folder, each with roles of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from angarium.config import ROLES
from support.process import Shop


class Node(Shop):
    """One of them."""

    roles: tuple[str, ...] = ROLES

    @property
    def environment(self) -> dict[str, str]:
        """As any server's, in a fabric of several."""
        given = {} if self.fabric else {"ANGARIUM_FABRIC": "postgres"}
        return {**super().environment, **given, "ANGARIUM_ROLES": ",".join(self.roles)}

    def beside(self, *roles: str) -> Node:
        """Another server of the same shop, with these roles."""
        other = Node(self.folder, self.database)
        other.smpp_port, other.key, other._session = self.smpp_port, self.key, self._session
        other.nursery, other.roles = self.nursery, roles or ROLES
        other.fabric, other.prefix, other.nats = self.fabric, self.prefix, self.nats
        return other


@asynccontextmanager
async def nodes(folder: Path, url: str, *roles: tuple[str, ...]) -> AsyncIterator[list[Node]]:
    """Servers with these roles, all ready, and an operator."""
    async with Node(folder, url) as first:
        first.roles = roles[0] or ROLES
        there = [first, *(first.beside(*one) for one in roles[1:])]
        await first.start_operator()
        try:
            for node in there:
                await node.start()
            yield there
        finally:
            for node in there[1:]:
                if node.server is not None and node.server.returncode is None:
                    await node.kill()

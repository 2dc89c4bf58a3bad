"""Which server is to have a lease: a decision that every one of them comes to by itself. Pure.

Rendezvous hashing (Thaler and Ravishankar, "Using Name-Based Mappings to Increase Hit Rates", 1998): each
server has a weight for each key, and the heaviest is preferred. When a server comes or goes, only what it is
preferred for moves; of the rest nothing does.

A server comes when it asks for a lease, not when it starts: between the two it reads what it needs to send,
for seconds where the machine is busy, and what the others left to it meanwhile would be nobody's.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from hashlib import blake2b

import msgspec

NODE_MAX = 255  # core/ids.py: eight bits of an id


class Member(msgspec.Struct, frozen=True):
    """One server that is there. Instants are those of the database's clock."""

    server: int  # of this run of it
    name: str
    node: int  # its number in the ids that it mints
    joined_at: int  # 0: it has asked for no lease yet
    seen_at: int
    blind: bool = False  # it does not reach the ledger


def takes_leases(server: int) -> bool:
    """Whether a server takes leases at all: whoever only answers has a number below zero."""
    return server >= 0


def preferred(key: str, servers: Iterable[int]) -> int | None:
    """The server that is to have a lease; None when there is none, or none that takes any."""
    return max(filter(takes_leases, servers), key=lambda server: (_weight(key, server), server), default=None)


def _weight(key: str, server: int) -> bytes:
    return blake2b(key.encode(), key=server.to_bytes(8, "big"), digest_size=8).digest()


def free_node(taken: Collection[int]) -> int | None:
    """The least number that no server has; None when all are taken."""
    return next((number for number in range(NODE_MAX + 1) if number not in taken), None)

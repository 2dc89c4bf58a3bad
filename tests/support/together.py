"""How servers of tests meet others: not at all, unless ANGARIUM_TEST_TOGETHER says otherwise.

`ANGARIUM_TEST_TOGETHER=postgres` or `=nats` runs every flow, and every server that is a process, on
PostgreSQL with that fabric. It is for a run by hand: what is different there has tests of its own.
"""

from __future__ import annotations

import atexit
import os
from contextlib import ExitStack
from functools import cache

from angarium.core.clock import Clock, SystemClock
from angarium.core.fabric import Fabric
from angarium.core.ids import IdMint
from angarium.fabric.local import LocalFabric
from angarium.fabric.nats import NatsFabric
from angarium.fabric.place import Nats
from angarium.fabric.postgres import PostgresFabric
from angarium.storage.database import Database
from support.databases import PostgresServer, postgres_of_its_own
from support.nats_servers import new_prefix, servers

TOGETHER = os.environ.get("ANGARIUM_TEST_TOGETHER", "")
_ids = IdMint(SystemClock())
_at_exit = ExitStack()
atexit.register(_at_exit.close)
_begun: list[Fabric] = []


def fabric_on(database: Database, clock: Clock) -> Fabric:
    """The fabric of a server of a test on this database; `begin` it before it is to own anything."""
    if database.dialect == "sqlite" or not TOGETHER:
        return LocalFabric(clock, database)
    url: str = database._dsn  # type: ignore[attr-defined]
    if TOGETHER == "postgres":
        return PostgresFabric(url, database, SystemClock(), _ids.mint(), "test")
    return NatsFabric(Nats((nats_url(),), new_prefix()), url, SystemClock(), _ids.mint(), "test")


async def begin(fabric: Fabric) -> None:
    """Join the others, of whom there are none; `end_all` when the test is over."""
    if not isinstance(fabric, LocalFabric):
        await fabric.start()
        _begun.append(fabric)


async def end_all() -> None:
    """Every fabric that a test has begun leaves."""
    while _begun:
        await _begun.pop().stop()


@cache
def nats_url() -> str:
    """A server of NATS for this process of the test run."""
    [one] = _at_exit.enter_context(servers(["alone"]))
    return one.url


@cache
def postgres() -> PostgresServer:
    """A PostgreSQL for processes of servers that named no database."""
    given = os.environ.get("ANGARIUM_TEST_POSTGRES")
    return PostgresServer(given or _at_exit.enter_context(postgres_of_its_own()).get_uri())


def environment(kind: str, prefix: str, nats: str = "") -> dict[str, str]:
    """What a server is told, so that it meets others by this fabric; at this NATS, if one is named."""
    if kind == "nats":
        return {
            "ANGARIUM_FABRIC": "nats",
            "ANGARIUM_NATS_SERVERS": nats or nats_url(),
            "ANGARIUM_NATS_PREFIX": prefix,
        }
    return {"ANGARIUM_FABRIC": kind} if kind else {}

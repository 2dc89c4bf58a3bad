"""How servers of tests meet others: not at all, unless it is a test's turn, or all are to.

`ANGARIUM_TEST_TOGETHER=postgres` or `=nats` has every flow, and every server that is a process, run on
PostgreSQL with that fabric. In an ordinary run a flow that runs on PostgreSQL anyhow has a fabric of the
day's, so that all have their turn.
"""

from __future__ import annotations

import atexit
import os
import zlib
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from angarium.core.clock import Clock, SystemClock
from angarium.core.fabric import Fabric
from angarium.core.ids import IdMint
from angarium.fabric import holding
from angarium.fabric.local import LocalFabric
from angarium.fabric.nats import NatsFabric
from angarium.fabric.place import Nats
from angarium.fabric.postgres import PostgresFabric
from angarium.storage.database import Database
from support.databases import PostgresServer, bring_up, postgres_of_its_own
from support.nats_servers import new_prefix, servers
from support.turns import TODAY

GIVEN = os.environ.get("ANGARIUM_TEST_TOGETHER", "")
KINDS = ("postgres", "nats")

SILENT_S = holding.TTL_S + holding.AFTER_S if GIVEN else 0.0  # of lines whose server was killed

_kinds = [GIVEN]
_ids = IdMint(SystemClock())
_at_exit = ExitStack()
atexit.register(_at_exit.close)
_begun: list[Fabric] = []


def kind() -> str:
    """The fabric that servers of this test are to have; "" where they are alone."""
    return _kinds[-1]


@contextmanager
def meeting_by(kind: str, item: pytest.Item) -> Iterator[None]:
    """Have servers meet by this fabric while a test runs; its failure tells how to see it again."""
    if kind != GIVEN:
        item.add_report_section("setup", "together", f"by {kind}; ANGARIUM_TEST_DAY={TODAY} shows it again")
    _kinds.append(kind)
    yield
    _kinds.pop()


def flow_turn(name: str, today: int = TODAY) -> str:
    """Which fabric a flow has on PostgreSQL today; on every third day none."""
    return ("", *KINDS)[(zlib.crc32(name.encode()) + today) % 3]


def fabric_on(database: Database, clock: Clock) -> Fabric:
    """The fabric of a server of a test on this database; `begin` it before it is to own anything."""
    if database.dialect == "sqlite" or not kind():
        return LocalFabric(clock, database)
    url: str = database._dsn  # type: ignore[attr-defined]
    if kind() == "postgres":
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


async def nothing_in(folder: Path) -> str:
    """Where a database is to come to be: a file in this folder, or one of PostgreSQL without tables."""
    return await postgres().empty_database() if kind() else f"sqlite:///{folder}/angarium.db"


@asynccontextmanager
async def database_in(folder: Path) -> AsyncIterator[str]:
    """A database with the schema, for what names none: a file in this folder, or one of PostgreSQL."""
    if kind():
        async with postgres().lent() as url:
            yield url
        return
    url = f"sqlite:///{folder}/angarium.db"
    await bring_up(url)
    yield url


def settings_on(database_url: str) -> dict[str, Any]:
    """What a server in this process is told, so that it meets others."""
    if not kind() or database_url.startswith("sqlite:"):
        return {}
    told: dict[str, Any] = {"fabric": kind()}
    if kind() == "nats":
        told |= {"nats_servers": (nats_url(),), "nats_prefix": new_prefix()}
    return told


def environment(kind: str, prefix: str, nats: str = "") -> dict[str, str]:
    """What a server is told, so that it meets others by this fabric; at this NATS, if one is named."""
    if kind == "nats":
        return {
            "ANGARIUM_FABRIC": "nats",
            "ANGARIUM_NATS_SERVERS": nats or nats_url(),
            "ANGARIUM_NATS_PREFIX": prefix,
        }
    return {"ANGARIUM_FABRIC": kind} if kind else {}

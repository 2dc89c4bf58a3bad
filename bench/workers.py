"""One, two and three servers that send, on PostgreSQL: how many messages, and which share the database takes.

Beside them, in the same run, one server that does everything on SQLite. Everything runs on this machine, the
client and the operator too: on two cores more servers do not make it faster. What they cost is what counts,
and what they would give on machines of their own follows from it (docs/explanation/sizing.md).
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import click
import msgspec

from angarium.accounts import flows as accounts
from angarium.accounts.rules import SCOPES
from angarium.assembly import make_ground
from angarium.config import Role, Settings
from angarium.core.clock import SystemClock
from angarium.drill.nats import NAMES as NATS
from angarium.drill.nats import PASSWORD, USER, Nats
from angarium.drill.postgres import NAME, Postgres
from angarium.lines import flows as lines
from angarium.processes import Processes, free_port, start_server, write_config
from angarium.storage.migrate import migrate
from angarium.storage.opening import mark_file
from bench import scenarios
from bench.client import Sent
from bench.http1 import ask
from bench.processes import family, usage, worker
from bench.scenarios import SCENARIOS, agreed, taken
from bench.simulator import Operator
from bench.stage import Seed, count_rows, settle, sms_line
from bench.traffic import LABEL, Load

MOST = 3
LINES = 12  # so many that each server has its share of them
BATCHES = SCENARIOS[0]
UP = re.compile(rb"^angarium_line_up\{[^}]*\} 1\.0$", re.MULTILINE)
KEY = "angarium.key"
LOOK_EVERY_S = 0.05
READY_S = 180.0
PATIENCE_S = 600.0


class Made(msgspec.Struct, frozen=True):
    """What one run came to. CPU is in microseconds a message."""

    workers: int  # 0: one server that does everything, on SQLite
    messages: int
    seconds: float
    per_s: float
    cpu_us: dict[str, float]  # by who
    server_cpu_us: float  # of everything that is ours to run: servers, database, NATS
    database_share: float  # of that
    database_bytes: float  # a message


class Place(msgspec.Struct, frozen=True):
    """A database that every run begins with a copy of, and what is known of it."""

    folder: Path
    key: str
    smpp_port: int
    window: int
    phones: int


async def measure(
    seed: Seed,
    folder: Path,
    messages: int,
    phones: int,
    window: int,
    runs: int,
    fabric: str,
    most: int = MOST,
) -> list[Made]:
    """The embedded server and one to `most` that send, in turn; as often as there are runs."""
    found = []
    where = folder / "workers"
    where.mkdir()
    processes = Processes(where, SystemClock(), READY_S)
    postgres = Postgres(where / "postgres", SystemClock())
    nats = Nats(processes) if fabric == "nats" else None
    try:
        await postgres.open()
        if nats is not None:
            await nats.open()
        place = await _sow(where, postgres, phones, window)
        for number in range(runs):
            found.append(await _embedded(seed, folder / f"embedded-{number}", messages, phones, window))
            for count in range(1, most + 1):
                made = await _together(place, processes, postgres, nats, count, messages)
                click.echo(f"  {count} that send: {made.per_s:,.0f}/s", err=True)
                found.append(made)
    finally:
        await processes.stop_all()
        await postgres.close()
    return found


async def _embedded(seed: Seed, folder: Path, messages: int, phones: int, window: int) -> Made:
    run = await scenarios.run(seed, folder, BATCHES, messages, phones, window)
    click.echo(f"  embedded: {run.per_s:,.0f}/s", err=True)
    return Made(
        workers=0,
        messages=messages,
        seconds=run.seconds,
        per_s=run.per_s,
        cpu_us=run.cpu_us,
        server_cpu_us=run.cpu_us["server"],
        database_share=0.0,
        database_bytes=run.database_bytes,
    )


# ── servers that work together ───────────────────────────────────────────────────────────────────────


async def _sow(folder: Path, postgres: Postgres, phones: int, window: int) -> Place:
    """A workspace with a key, its contacts, and a line for each account at the operator."""
    settings = _settings(folder, postgres.url, free_port(), ("worker",), "local", None)
    await migrate(postgres.url)
    smpp_port = free_port()
    ground = make_ground(settings)
    await ground.db.start()
    try:
        workspace = await accounts.create_workspace(ground, "bench")
        key = await accounts.create_key(ground, workspace.id, "bench", frozenset(SCOPES))
        for number in range(LINES):
            await lines.create(ground, workspace.id, sms_line(smpp_port, window // LINES, number))
        await settle(ground, workspace.id, phones)
    finally:
        await ground.db.stop()
    await count_rows(postgres.url)
    return Place(folder, key, smpp_port, window, phones)


async def _together(
    place: Place, processes: Processes, postgres: Postgres, nats: Nats | None, count: int, messages: int
) -> Made:
    async with (
        _copy(postgres) as url,
        worker("simulator", Operator(place.smpp_port, place.window, LINES)) as operator,
        _servers(place, processes, url, nats, count) as ports,
    ):
        await operator.hear()
        await _lines_are_up(ports)
        load = Load(
            ports["api"], place.key, messages, BATCHES.batch, BATCHES.connections, place.phones, LINES
        )
        size_before = await _size(url)
        async with worker("client", load) as client:
            await client.hear()
            pids = {"operator": operator.pid, "client": client.pid}
            before = _spent(processes, postgres, nats, list(ports), pids)
            counted = await _counters(ports)
            counting = asyncio.create_task(count_rows(url, messages // 20))
            sent = taken(messages, msgspec.convert(await client.ask("go"), Sent))
            await counting
            ledger = await scenarios.until_reported(operator, messages)
            await _until_applied(ports, counted.get("done outcomes", 0.0) + messages)
            ended_at = time.monotonic()
            after = _spent(processes, postgres, nats, list(ports), pids)
        _, body = await ask(ports["api"], f"/v1/messages/report?label={LABEL}", place.key)
        agreed(messages, sent, ledger, msgspec.json.decode(body))
        seconds = ended_at - sent.began_at
        size = await _size(url) - size_before
    cpu_us = {name: (after[name] - before[name]) * 1_000_000 / messages for name in after}
    ours = sum(cpu for name, cpu in cpu_us.items() if name not in pids)
    return Made(
        workers=count,
        messages=messages,
        seconds=seconds,
        per_s=messages / seconds,
        cpu_us=cpu_us,
        server_cpu_us=ours,
        database_share=cpu_us["database"] / ours,
        database_bytes=size / messages,
    )


@asynccontextmanager
async def _copy(postgres: Postgres) -> AsyncIterator[str]:
    """A database like the first, for one run."""
    admin = await asyncpg.connect(postgres.url_of("postgres"))
    try:
        await admin.execute(f"CREATE DATABASE run TEMPLATE {NAME}")
        yield postgres.url_of("run")
    finally:
        await admin.execute("DROP DATABASE IF EXISTS run WITH (FORCE)")
        await admin.close()


@asynccontextmanager
async def _servers(
    place: Place, processes: Processes, url: str, nats: Nats | None, count: int
) -> AsyncIterator[dict[str, int]]:
    """One for requests, and so many that send; the port of each."""
    mark_file(str(place.folder / KEY)).unlink(missing_ok=True)  # each run has a database of its own
    ports = {"api": free_port(), **{f"worker-{number}": free_port() for number in range(1, count + 1)}}
    fabric, prefix = "nats" if nats is not None else "postgres", f"run{ports['api']}"
    try:
        for name, port in ports.items():
            roles: tuple[Role, ...] = ("api", "console") if name == "api" else ("worker",)
            config = place.folder / f"{name}.toml"
            write_config(_settings(place.folder, url, port, roles, fabric, nats, prefix), config)
            await start_server(processes, config, f"http://127.0.0.1:{port}", name)
        yield ports
    finally:
        for name in reversed(ports):
            await processes.stop(name)


def _settings(
    folder: Path,
    url: str,
    port: int,
    roles: tuple[Role, ...],
    fabric: Any,
    nats: Nats | None,
    prefix: str = "angarium",
) -> Settings:
    given = Settings(
        database=url,
        port=port,
        key_file=str(folder / KEY),
        log_level="warning",
        requests_per_s=0,
        fabric=fabric,
        roles=roles,
    )
    if nats is None:
        return given
    servers = tuple(f"nats://127.0.0.1:{nats.ports[name]}" for name in NATS)
    return msgspec.structs.replace(
        given, nats_servers=servers, nats_prefix=prefix, nats_user=USER, nats_password=PASSWORD
    )


# ── looking ──────────────────────────────────────────────────────────────────────────────────────────


def _spent(
    processes: Processes, postgres: Postgres, nats: Nats | None, names: Sequence[str], pids: Mapping[str, int]
) -> dict[str, float]:
    """Seconds of CPU so far, by who."""
    found = {name: family(pid) for name, pid in pids.items()}
    found["api"] = family(processes.running("api").pid)
    sending = [processes.running(name).pid for name in names if name != "api"]
    found["workers"] = sum(family(pid) for pid in sending)
    found["database"] = family(postgres.pid)
    if nats is not None:
        found["nats"] = sum(usage(processes.running(name).pid).cpu_s for name in NATS)
    return found


async def _counters(ports: Mapping[str, int]) -> dict[str, float]:
    """What all of them count together."""
    found: dict[str, float] = {}
    for port in ports.values():
        for name, value in (await scenarios.counters(port)).items():
            found[name] = found.get(name, 0.0) + value
    return found


async def _lines_are_up(ports: Mapping[str, int]) -> None:
    async def up() -> bool:
        answers = [(await ask(port, "/metrics"))[1] for name, port in ports.items() if name != "api"]
        return sum(len(UP.findall(text)) for text in answers) == LINES

    await _until(up)


async def _until_applied(ports: Mapping[str, int], outcomes: float) -> None:
    async def applied() -> bool:
        return scenarios.all_applied(await _counters(ports), outcomes)

    await _until(applied)


async def _until(holds: Any) -> None:
    clock = SystemClock()
    deadline = clock.monotonic() + PATIENCE_S
    while not await holds():
        if clock.monotonic() > deadline:
            raise TimeoutError("the servers were not waited for any longer")
        await clock.sleep(LOOK_EVERY_S)


async def _size(url: str) -> int:
    admin = await asyncpg.connect(url)
    try:
        size: int = await admin.fetchval("SELECT pg_database_size(current_database())")
        return size
    finally:
        await admin.close()

"""One run: a server, an operator and a client, each a process; what went in, what came out, what it cost."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import msgspec

from bench.client import Sent
from bench.homes import Home, home, operator_of
from bench.http1 import ask
from bench.processes import Worker, family, peak_of_family, server, usage, worker
from bench.simulator import Count
from bench.stage import HTTP, SMPP, SMPP_ON_SQLITE, Seed, Way, forget_database, invitation, set_up
from bench.traffic import LABEL, MAIL, Load
from bench.viewers import Viewers

LOOK_EVERY_S = 0.05  # while it runs
LOOK_SELDOM_S = 0.5  # when looking must not cost what is measured
SUMMED_UP = "summed_up_facts"
LOOK_CLOSELY_S = 0.005  # when the last receipts are being recorded
PATIENCE_S = 600.0
IDLE_AFTER_S = 1.0
MIB = 1 << 20
METRIC = re.compile(rb'^(angarium_\w+)(?:\{what="(\w+)"\})? ([0-9.e+]+)$', re.MULTILINE)


class Scenario(msgspec.Struct, frozen=True):
    """A load with its name."""

    name: str
    about: str
    batch: int
    connections: int
    new_phones: bool = False
    viewers: int = 0  # consoles that show the list of messages meanwhile
    way: Way = SMPP_ON_SQLITE


BY_MAIL = Way(channel=MAIL, receipts=False)
QUIET, OVER_HTTP, ON_POSTGRES = Way(receipts=False), Way(channel=HTTP), Way(database="postgresql")
SCENARIOS = (
    Scenario("batches", "500 messages a request, 4 requests under way", 500, 4),
    Scenario("batches-new", "the same, each to a phone that nobody knows yet", 500, 4, new_phones=True),
    Scenario("batches-watched", "the first, while 20 consoles follow it", 500, 4, viewers=20),
    Scenario("single", "a request for each message, 64 under way", 0, 64),
    Scenario("batches-quiet", "batches, no receipts are asked for", 500, 4, way=QUIET),
    Scenario("single-quiet", "single requests, no receipts are asked for", 0, 64, way=QUIET),
    Scenario("batches-http", "batches, to a provider with an HTTP interface", 500, 4, way=OVER_HTTP),
    Scenario("batches-mail", "batches, of mails, of which nothing is reported", 500, 4, way=BY_MAIL),
    Scenario("batches-postgres", "batches, on PostgreSQL", 500, 4, way=ON_POSTGRES),
    Scenario("single-postgres", "single requests, on PostgreSQL", 0, 64, way=ON_POSTGRES),
)


class Run(msgspec.Struct, frozen=True):
    """What one run came to."""

    messages: int
    seconds: float  # from the first request until the last receipt was recorded
    per_s: float
    accepted_s: float  # from the first request to the last answer
    latency_p50_ms: float  # of a request
    latency_p99_ms: float
    cpu_us: dict[str, float]  # per message, by process
    sums_cpu_us: float  # of the server, per message, to sum up afterwards what happened
    cores_used: float
    operator_busy: float  # share of a core
    client_busy: float
    server_rss_mib: float  # at the most
    database_bytes: float  # per message
    counters: dict[str, float]  # of the server, from its /metrics
    ledgers: dict[str, int]
    pages: int  # that consoles asked for meanwhile
    page_p50_ms: float


class Mismatch(Exception):
    """The ledgers do not agree: what was measured is not what was meant."""


async def run(seed: Seed, folder: Path, scenario: Scenario, messages: int, phones: int, window: int) -> Run:
    """One run, from a fresh copy of the seed."""
    link = ""
    async with home(seed, folder) as where:
        size_before = await where.size()
        if scenario.viewers:
            link = await invitation(seed, folder)
        load = Load(
            seed.server_port,
            seed.key,
            messages,
            scenario.batch,
            scenario.connections,
            0 if scenario.new_phones else phones,
            channel=seed.way.channel,
        )
        found = await _driven(where, load, scenario.viewers, link)
        grown = await where.size() - size_before
    return msgspec.structs.replace(found, database_bytes=grown / messages)


async def _driven(where: Home, load: Load, viewers: int, link: str) -> Run:
    """Server, operator and client, from the first request to the last receipt that was recorded."""
    seed, messages = where.seed, load.messages
    async with (
        operator_of(seed) as operator,
        server(where.config, where.folder / "server.log") as product,
        AsyncExitStack() as others,
    ):
        await until_ready(seed.server_port)
        if seed.way.channel == SMPP:
            await line_is_up(seed.server_port)
        lookers = None
        if viewers:
            given = Viewers(seed.server_port, link, viewers)
            lookers = await others.enter_async_context(worker("viewers", given))
            await lookers.hear()
        async with worker("client", load) as client:
            await client.hear()
            pids = {"server": product.pid, "operator": operator.pid, "client": client.pid}
            before, counted = spent_by(pids) | where.spent(), await counters(seed.server_port)
            sent = taken(messages, msgspec.convert(await client.ask("go"), Sent))
            await (until_reported if seed.way.receipts else until_received)(operator, messages)
            outcomes = counted.get("done outcomes", 0.0) + messages
            metrics = await until_applied(seed.server_port, outcomes)
            ended_at, after = time.monotonic(), spent_by(pids) | where.spent()
            peak = peak_of_family(product.pid)
            looked = await lookers.ask("looked") if lookers else {"pages": 0, "page_p50_ms": 0.0}
            summed = await until_summed_up(seed.server_port, messages * (3 if seed.way.receipts else 2))
            sums_cpu_s = family(product.pid) - after["server"]
        ledger = await until_reported(operator, messages)
        report = await report_of(seed)
    spent = {name: after[name] - before[name] for name in after}
    seconds = ended_at - sent.began_at
    return Run(
        messages=messages,
        seconds=seconds,
        per_s=messages / seconds,
        accepted_s=sent.answered_at - sent.began_at,
        latency_p50_ms=sent.latency_p50_ms,
        latency_p99_ms=sent.latency_p99_ms,
        cpu_us={name: cpu_s * 1_000_000 / messages for name, cpu_s in spent.items()},
        sums_cpu_us=sums_cpu_s * _all_of_the_rest(metrics, summed) * 1_000_000 / messages,
        cores_used=sum(spent.values()) / seconds,
        operator_busy=spent["operator"] / seconds,
        client_busy=spent["client"] / seconds,
        server_rss_mib=peak / MIB,
        database_bytes=0.0,
        counters={name: value - counted.get(name, 0.0) for name, value in metrics.items()},
        ledgers=agreed(messages, sent, ledger, report, receipts=seed.way.receipts),
        **looked,
    )


def taken(messages: int, sent: Sent) -> Sent:
    """What was sent; Mismatch where the operator would be waited for in vain, because some was not taken."""
    if sent.refused or sent.accepted != messages:
        raise Mismatch(f"of {messages} {sent.accepted} were accepted, not sent are {sent.refused[:3]}")
    return sent


def agreed(
    messages: int, sent: Sent, ledger: Count, report: dict[str, Any], *, receipts: bool = True
) -> dict[str, int]:
    """The books side by side; Mismatch unless everybody says that everything was delivered once.

    Without receipts nobody tells us that it was.
    """
    ledgers = {
        "accepted by the API": sent.accepted,
        "received by the operator": ledger.received,
        "reported delivered by the operator": ledger.delivered,
        "delivered in our report": report["by_state"].get("delivered", 0),
        "in our report": report["total"],
    }
    if not receipts:
        del ledgers["delivered in our report"]
    wrong = {what: count for what, count in ledgers.items() if count != messages}
    if wrong or ledger.doubled or sent.refused:
        raise Mismatch(f"of {messages}: {wrong}, doubled {ledger.doubled}, refused {sent.refused[:3]}")
    return ledgers


# ── waiting ──────────────────────────────────────────────────────────────────────────────────────────


async def until_ready(port: int) -> float:
    """Wait for /health/ready; when it was."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                status, _ = await ask(port, "/health/ready")
            except OSError:
                status = 0
            if status == 200:
                return time.monotonic()
            await asyncio.sleep(LOOK_CLOSELY_S)


async def line_is_up(port: int) -> None:
    """Wait until the line is connected."""
    await _until(port, lambda metrics: metrics.get("line_up") == 1.0, LOOK_EVERY_S)


async def until_applied(port: int, outcomes: float) -> dict[str, float]:
    """Wait until so many outcomes and all receipts are written down; what the server counts then."""
    return await _until(port, lambda metrics: all_applied(metrics, outcomes), LOOK_CLOSELY_S)


async def until_reported(operator: Worker, messages: int) -> Count:
    """Wait until every receipt was sent and answered."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            found = msgspec.convert(await operator.ask(str(messages)), Count)
            if found.delivered >= messages:
                return found
            await asyncio.sleep(LOOK_EVERY_S if found.received < messages else LOOK_CLOSELY_S)


async def until_received(operator: Worker, messages: int) -> Count:
    """Wait until so many have reached the operator."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            found = msgspec.convert(await operator.ask(str(messages)), Count)
            if found.received >= messages:
                return found
            await asyncio.sleep(LOOK_CLOSELY_S)


async def _until(port: int, holds: Any, look_every_s: float) -> dict[str, float]:
    async with asyncio.timeout(PATIENCE_S):
        while True:
            metrics = await counters(port)
            if holds(metrics):
                return metrics
            await asyncio.sleep(look_every_s)


def all_applied(metrics: dict[str, float], outcomes: float) -> bool:
    """Every receipt was answered, so all are journalled: done when as many were worked through.

    A receipt that came before the outcome of its submission was written down waits for it.
    """
    applied = metrics.get("done callbacks", 0.0) == metrics.get("done journal", 0.0)
    return applied and metrics.get("done outcomes", 0.0) >= outcomes


async def until_summed_up(port: int, facts: int) -> dict[str, float]:
    """Wait until so many facts and all others are summed up; what the server counts then."""
    return await _until(
        port,
        lambda metrics: metrics[SUMMED_UP] >= facts and not metrics["summed_up_behind_seconds"],
        LOOK_SELDOM_S,
    )


def _all_of_the_rest(at_the_end: dict[str, float], summed: dict[str, float]) -> float:
    """How many times what is summed up after the last receipt all of it is: some was summed up before."""
    return summed[SUMMED_UP] / max(1.0, summed[SUMMED_UP] - at_the_end[SUMMED_UP])


# ── looking ──────────────────────────────────────────────────────────────────────────────────────────


def spent_by(pids: Mapping[str, int]) -> dict[str, float]:
    """Seconds of CPU so far, by who; of a server with the processes beside it."""
    return {name: family(pid) for name, pid in pids.items()}


async def counters(port: int) -> dict[str, float]:
    """What the server counts: {"done callbacks": 120.0, …}."""
    _, text = await ask(port, "/metrics")
    found = {}
    for name, what, value in METRIC.findall(text):
        plain = name.decode().removeprefix("angarium_").removesuffix("_total")
        found[f"{plain} {what.decode()}".strip()] = float(value)
    up = re.search(rb"^angarium_line_up\{[^}]*\} ([0-9.]+)$", text, re.MULTILINE)
    return found | ({"line_up": float(up[1])} if up else {})


async def report_of(seed: Seed) -> dict[str, Any]:
    """What we say became of the messages."""
    status, body = await ask(seed.server_port, f"/v1/messages/report?label={LABEL}", seed.key)
    if status != 200:
        raise Mismatch(f"the report could not be had: {status} {body[:200]!r}")
    return dict(msgspec.json.decode(body))


# ── starting ─────────────────────────────────────────────────────────────────────────────────────────


class Start(msgspec.Struct, frozen=True):
    """What one start came to."""

    ready_s: float  # from the start of the process to /health/ready
    first_ready_s: float  # the same with no database yet
    idle_rss_mib: float


async def start(seed: Seed, folder: Path) -> Start:
    """Start on a database that is there, look at the memory when it idles; start on none."""
    config = set_up(seed, folder)
    began_at = time.monotonic()
    async with server(config, folder / "server.log") as product:
        ready_s = await until_ready(seed.server_port) - began_at
        await asyncio.sleep(IDLE_AFTER_S)
        idle = usage(product.pid).rss_bytes / MIB
    forget_database(folder)
    began_at = time.monotonic()
    async with server(config, folder / "server.log"):
        first_ready_s = await until_ready(seed.server_port) - began_at
    return Start(ready_s, first_ready_s, idle)

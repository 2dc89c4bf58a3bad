"""One run of one gateway: the same operator, the same client, and its book beside the operator's."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from pathlib import Path
from statistics import median
from typing import Any

import msgspec

from angarium.processes import free_port
from bench import latency
from bench.client import Sent
from bench.ears import Ears
from bench.gateway import Gateway, ours, until_over
from bench.latency import CONNECTIONS, Latency
from bench.peers import jasmin, kannel
from bench.peers.kannel import Kannel
from bench.processes import Worker, peak_of_family, worker
from bench.scenarios import MIB, Mismatch, spent_by, taken, until_received
from bench.simulator import Operator
from bench.stage import Seed
from bench.traffic import Load, To

OURS, BATCH, BATCHES_AT_ONCE, SINGLES_AT_ONCE = "angarium", 500, 4, 64


class Contender(msgspec.Struct, frozen=True):
    """A gateway in one way of being used."""

    name: str
    about: str
    to: To
    batch: int  # messages in a request; 0: each in a request of its own
    share: float  # of the messages of a run
    kannel: Kannel | None = None


class Place(msgspec.Struct, frozen=True):
    """Where runs happen, and what is alike in all."""

    folder: Path
    seeds: dict[bool, Seed]  # ours, with and without receipts
    phones: int
    window: int


class Made(msgspec.Struct, frozen=True):
    """What one run came to."""

    gateway: str
    receipts: bool
    messages: int
    seconds: float  # from the first request to the last receipt
    per_s: float
    accepted_s: float  # from the first request to the last answer
    latency_p50_ms: float  # of a request
    latency_p99_ms: float
    cpu_us: dict[str, float]  # a message, by process
    gateway_cpu_us: float  # of all that are the gateway's
    memory_mib: float  # the same, at the most of each
    operator_busy: float  # share of a core that the simulated operator used
    client_busy: float  # the same of the client, and of whoever is called about receipts
    load: float  # of the machine, when it began
    ledgers: dict[str, int]


def contenders(kannels: Sequence[Kannel], *, jasmin_too: bool) -> list[Contender]:
    """Everybody who runs."""
    about = "SQLite, WAL, synchronous=FULL; every message and receipt recorded"
    found = [
        Contender("angarium, batches of 500", about, "angarium", BATCH, 1.0),
        Contender("angarium, single requests", about, "angarium", 0, 0.25),
    ]
    found += [Contender(one.name, kannel.about(one), "kannel", 0, 0.25, one) for one in kannels]
    if jasmin_too:
        found.append(Contender(jasmin.NAME, jasmin.ABOUT, "jasmin", 0, 0.05))
    return found


def running(
    who: Contender, place: Place, folder: Path, operator: Worker, port: int, *, receipts: bool
) -> AbstractAsyncContextManager[Gateway]:
    """Whoever it is, started afresh."""
    if who.kannel is not None:
        return kannel.running(who.kannel, folder, operator, port, place.window)
    if who.to == "jasmin":
        return jasmin.running(folder, operator, port)
    return ours(place.seeds[receipts], folder, who.name)


async def run(who: Contender, place: Place, name: str, messages: int, *, receipts: bool) -> Made:
    """One run, as fast as it goes."""
    port = place.seeds[receipts].smpp_port if who.to == OURS else free_port()
    async with AsyncExitStack() as stack:
        operator = await stack.enter_async_context(worker("simulator", Operator(port, place.window)))
        await operator.hear()
        about = running(who, place, place.folder / name, operator, port, receipts=receipts)
        gateway = await stack.enter_async_context(about)
        helpers, ears = {"operator": operator.pid}, None
        load = load_for(who, gateway, place, messages)
        if receipts and who.to != OURS:
            ears = await stack.enter_async_context(worker("ears", Ears(messages)))
            helpers["ears"] = ears.pid
            load = msgspec.structs.replace(load, receipts=(await ears.hear())["port"])
        client = await stack.enter_async_context(worker("client", load))
        await client.hear()
        pids = {**gateway.pids, **helpers, "client": client.pid}
        return await _driven(who, gateway, pids, operator, ears, client, messages, receipts=receipts)


async def _driven(
    who: Contender,
    gateway: Gateway,
    pids: dict[str, int],
    operator: Worker,
    ears: Worker | None,
    client: Worker,
    messages: int,
    *,
    receipts: bool,
) -> Made:
    load_before, before = os.getloadavg()[0], spent_by(pids)
    sent = taken(messages, msgspec.convert(await client.ask("go"), Sent))
    book: dict[str, int] = {}
    if receipts:
        book = await until_over(operator, ears, messages)
    else:
        await until_received(operator, messages)
    book |= await gateway.settled(messages)
    ended_at, after = time.monotonic(), spent_by(pids)
    peak = sum(peak_of_family(pid) for pid in gateway.pids.values())
    if not receipts:
        book |= await until_over(operator, None, messages)
    books = {"accepted": sent.accepted, **book}
    if set(books.values()) != {messages}:
        raise Mismatch(f"{who.name}, of {messages}: {books}")
    seconds = ended_at - sent.began_at
    spent = {name: after[name] - before[name] for name in pids}
    return Made(
        gateway=who.name,
        receipts=receipts,
        messages=messages,
        seconds=seconds,
        per_s=messages / seconds,
        accepted_s=sent.answered_at - sent.began_at,
        latency_p50_ms=sent.latency_p50_ms,
        latency_p99_ms=sent.latency_p99_ms,
        cpu_us={name: cpu_s * 1e6 / messages for name, cpu_s in spent.items()},
        gateway_cpu_us=sum(spent[name] for name in gateway.pids) * 1e6 / messages,
        memory_mib=peak / MIB,
        operator_busy=spent["operator"] / seconds,
        client_busy=(spent["client"] + spent.get("ears", 0.0)) / seconds,
        load=load_before,
        ledgers=books,
    )


def load_for(who: Contender, gateway: Gateway, place: Place, messages: int) -> Load:
    """What the client sends."""
    connections = BATCHES_AT_ONCE if who.batch else SINGLES_AT_ONCE
    return Load(gateway.port, gateway.key, messages, who.batch, connections, place.phones, to=who.to)


async def paced(
    who: Contender, place: Place, name: str, per_s: float, share: float, seconds: float, *, receipts: bool
) -> Latency:
    """One course of requests at fixed times."""
    port = place.seeds[receipts].smpp_port if who.to == OURS else free_port()
    messages = max(1, int(per_s * seconds))
    async with worker("simulator", Operator(port, place.window)) as operator:
        await operator.hear()
        about = running(who, place, place.folder / name, operator, port, receipts=receipts)
        async with about as gateway:
            load = msgspec.structs.replace(
                load_for(who, gateway, place, messages), connections=CONNECTIONS, batch=0
            )
            return await latency.offered(gateway, operator, load, per_s, share, receipts=receipts)


def middle(runs: Sequence[Made]) -> dict[str, Any]:
    """Every figure's median."""
    found: dict[str, Any] = {"gateway": runs[0].gateway, "receipts": runs[0].receipts}
    for name in Made.__struct_fields__:
        values = [getattr(one, name) for one in runs]
        if isinstance(values[0], dict):
            found[name] = {key: median(value[key] for value in values) for key in values[0]}
        elif name not in found:
            found[name] = median(values)
    return found

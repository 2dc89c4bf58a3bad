"""How long single requests take to the operator's ledger when they come at fixed times."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from statistics import median

import click
import msgspec

from bench.codes import Asked
from bench.ears import Ears
from bench.gateway import Gateway, ours, until_over
from bench.paced import Pace
from bench.processes import Worker, family, worker
from bench.quantiles import Waits, waits
from bench.scenarios import Mismatch, Run
from bench.simulator import Operator, Seen
from bench.stage import Seed
from bench.traffic import ACCEPTED_AS, Load

PER_S = 200.0
SHARE = 0.8  # of the most that was measured
CONNECTIONS = 256  # so many requests may be under way


class Latency(msgspec.Struct, frozen=True):
    """What one course of requests came to."""

    gateway: str
    receipts: bool
    per_s: float  # as they were offered
    share: float  # of the most that this gateway took in the same run; 0: it is a fixed speed
    requests: int
    asked: Waits  # from the moment a request was meant for to the operator's ledger
    accepted: Waits  # from its answer
    answered: Waits  # from the moment it was meant for to its answer
    cores_used: float  # by the gateway alone
    load: float  # of the machine, when it began


async def offered(
    gateway: Gateway, operator: Worker, load: Load, per_s: float, share: float, *, receipts: bool = True
) -> Latency:
    """One course; Mismatch unless every request was accepted and reached the operator once."""
    async with AsyncExitStack() as others:
        ears = None
        if receipts and load.to != "angarium":
            ears = await others.enter_async_context(worker("ears", Ears(load.messages)))
            load = msgspec.structs.replace(load, receipts=(await ears.hear())["port"])
        client = await others.enter_async_context(worker("paced", Pace(load, per_s)))
        await client.hear()
        load_before, spent = os.getloadavg()[0], seconds_of(gateway)
        asked = msgspec.convert(await client.ask("go"), list[Asked])
        used = seconds_of(gateway) - spent
        await until_over(operator, ears, load.messages)
        await gateway.settled(load.messages)
        seen = msgspec.convert(await operator.ask("arrivals"), Seen)
    return judged(gateway.name, load, asked, seen, per_s, share, used, load_before, receipts=receipts)


def judged(
    name: str,
    load: Load,
    asked: Sequence[Asked],
    seen: Seen,
    per_s: float,
    share: float,
    used_s: float,
    load_before: float,
    *,
    receipts: bool,
) -> Latency:
    """The figures; Mismatch unless every request was accepted and is in the ledger once."""
    at = dict(seen.codes)
    expected = int(ACCEPTED_AS[load.to])
    refused = [one.status for one in asked if one.status != expected]
    missing = [one.number for one in asked if one.number not in at]
    if refused or missing or len(asked) != load.messages or len(seen.codes) != load.messages:
        found = f"{len(asked)} answered, {len(seen.codes)} in the ledger"
        raise Mismatch(f"{name}, of {load.messages}: {found}, refused {refused[:3]}, missing {missing[:3]}")
    took_s = max(one.answered_at for one in asked) - min(one.meant_at for one in asked)
    return Latency(
        gateway=name,
        receipts=receipts,
        per_s=per_s,
        share=share,
        requests=load.messages,
        asked=waits(at[one.number] - one.meant_at for one in asked),
        accepted=waits(at[one.number] - one.answered_at for one in asked),
        answered=waits(one.answered_at - one.meant_at for one in asked),
        cores_used=used_s / took_s,
        load=load_before,
    )


def seconds_of(gateway: Gateway) -> float:
    """The CPU that its processes have used."""
    return sum(family(pid) for pid in gateway.pids.values())


def courses(most_per_s: float) -> tuple[tuple[float, float], ...]:
    """How fast requests are offered, and which share of the most that is."""
    return ((PER_S, 0.0), (most_per_s * SHARE, SHARE))


# ── ours alone ───────────────────────────────────────────────────────────────────────────────────────


async def measure(
    seed: Seed, folder: Path, most_per_s: float, seconds: float, phones: int, runs: int
) -> list[Latency]:
    """At the fixed speed, and at a share of the most; the medians of the runs."""
    found = []
    for per_s, share in courses(most_per_s):
        click.echo(f"latency: {per_s:,.0f} requests a second for {seconds:g} s, {runs} runs", err=True)
        some = []
        for number in range(runs):
            where = folder / f"latency-{share:g}-{number}"
            some.append(await one_of_ours(seed, where, per_s, share, seconds, phones))
            told = some[-1].asked
            click.echo(f"  p50 {told.p50_ms:.1f}, p99 {told.p99_ms:.1f} ms", err=True)
        found.append(middle(some))
    return found


async def one_of_ours(
    seed: Seed,
    folder: Path,
    per_s: float,
    share: float,
    seconds: float,
    phones: int,
    *,
    receipts: bool = True,
) -> Latency:
    """One course, on a fresh copy of the seed."""
    load = Load(seed.server_port, seed.key, max(1, int(per_s * seconds)), 0, CONNECTIONS, phones)
    async with worker("simulator", Operator(seed.smpp_port, seed.window)) as operator:
        await operator.hear()
        async with ours(seed, folder, "angarium") as gateway:
            return await offered(gateway, operator, load, per_s, share, receipts=receipts)


def middle(some: Sequence[Latency]) -> Latency:
    """Every figure's median."""
    names = ("asked", "accepted", "answered")
    found = {name: _middle_of([getattr(one, name) for one in some]) for name in names}
    return msgspec.structs.replace(
        some[0],
        cores_used=median(one.cores_used for one in some),
        load=max(one.load for one in some),
        **found,
    )


def _middle_of(some: Sequence[Waits]) -> Waits:
    fields = Waits.__struct_fields__
    return Waits(*(median(getattr(one, name) for one in some) for name in fields))


def most_of(runs: Sequence[Run]) -> float:
    """How many messages a second it takes, by the runs of single requests."""
    return median(one.per_s for one in runs)

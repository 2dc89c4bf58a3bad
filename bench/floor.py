"""The floor: what a message costs at the least, to hold the whole path against.

A client of SMPP without a database, and the rows of the same messages written by the driver alone, in as
many commits as there were requests. Each in a process of its own; their CPU is added.
"""

from __future__ import annotations

from pathlib import Path
from statistics import median
from typing import Any

import click
import msgspec

from bench import scenarios
from bench.flood import Flood, Flooded
from bench.processes import worker
from bench.rows import Rows, Wrote
from bench.scenarios import SCENARIOS
from bench.simulator import Operator
from bench.stage import DATABASE, Seed, set_up

BATCHES = SCENARIOS[0]


class Floor(msgspec.Struct, frozen=True):
    """One run; CPU in microseconds a message."""

    messages: int
    whole_us: float  # our server
    smpp_us: float  # the bare loop
    rows_us: float  # the bare inserts
    floor_us: float
    ratio: float
    rows: float  # a message
    rows_of: dict[str, float]  # the same, by table


async def measure(
    seed: Seed, folder: Path, messages: int, phones: int, window: int, runs: int
) -> dict[str, Any]:
    """The whole path and the floor in turn, as often as there are runs."""
    found = []
    for number in range(runs):
        found.append(await run(seed, folder / f"floor-{number}", messages, phones, window))
        one = found[-1]
        click.echo(f"  whole {one.whole_us:.0f}, floor {one.floor_us:.0f} µs, {one.ratio:.1f}", err=True)
    names = [name for name in Floor.__struct_fields__ if name != "rows_of"]
    middle: dict[str, Any] = {name: median(getattr(one, name) for one in found) for name in names}
    return {"runs": found, "median": middle | {"rows_of": found[0].rows_of}}


async def run(seed: Seed, folder: Path, messages: int, phones: int, window: int) -> Floor:
    """One of each."""
    whole = await scenarios.run(seed, folder, BATCHES, messages, phones, window)
    bare = await _bare(messages, window)
    target = folder.with_name(f"{folder.name}-rows")
    set_up(seed, target)
    commits = -(-messages // BATCHES.batch)
    given = Rows(*(str(one / DATABASE) for one in (folder, seed.folder, target)), commits)
    async with worker("rows", given) as writer:
        await writer.hear()
        wrote = msgspec.convert(await writer.ask("go"), Wrote)
    smpp_us, rows_us = bare.cpu_s * 1e6 / messages, wrote.cpu_s * 1e6 / messages
    return Floor(
        messages=messages,
        whole_us=whole.cpu_us["server"],
        smpp_us=smpp_us,
        rows_us=rows_us,
        floor_us=smpp_us + rows_us,
        ratio=whole.cpu_us["server"] / (smpp_us + rows_us),
        rows=sum(wrote.rows.values()) / messages,
        rows_of={name: count / messages for name, count in wrote.rows.items()},
    )


async def _bare(messages: int, window: int) -> Flooded:
    async with worker("simulator", Operator(0, window)) as operator:
        port = (await operator.hear())["port"]
        async with worker("flood", Flood(port, messages, window, bare=True)) as client:
            await client.hear()
            return msgspec.convert(await client.ask("go"), Flooded)

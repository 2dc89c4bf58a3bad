"""Codes on a line that another workspace has filled with a campaign: how long they take to the operator."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import Any

import click
import msgspec

from bench.codes import Asked, Codes
from bench.processes import server, worker
from bench.quantiles import Waits, waits
from bench.scenarios import LOOK_EVERY_S, Mismatch, line_is_up, until_ready
from bench.simulator import Operator, Seen
from bench.stage import Campaign, Seed, change_speed, queue_campaign, set_up, sow_lent

SPEEDS_PER_S = (100.0, 0.0)  # 0: without limit
CODES_PER_S = 50.0
UNDER_WAY_S = 2.0  # the campaign has been going for so long when the first code comes
ARRIVE_WITHIN_S = 120.0


class Run(msgspec.Struct, frozen=True):
    """What one run came to."""

    speed_per_s: float
    queued: int  # of the campaign, before
    left: int  # of it, when the last code had arrived
    codes: int
    asked: Waits  # from the moment the request was meant to be sent
    accepted: Waits  # from the answer to the request


async def measure(folder: Path, codes: int, campaign: int, phones: int, window: int) -> list[Run]:
    """Idle and loaded, on a line with a speed and on one without."""
    idle = folder / "fairness-idle"
    idle.mkdir()
    seed = await sow_lent(idle, phones, window)
    click.echo(f"fairness: queueing {campaign:,} messages of a campaign", err=True)
    loaded = msgspec.structs.replace(seed, folder=folder / "fairness-loaded")
    shutil.copytree(seed.folder, loaded.folder)
    await queue_campaign(loaded, Campaign(campaign, phones))
    found = []
    for speed in SPEEDS_PER_S:
        for kind, queued in ((seed, 0), (loaded, campaign)):
            found.append(await run(kind, folder / "fairness", speed, queued, codes, phones, window))
            click.echo(f"  {found[-1].accepted.p99_ms:,.0f} ms p99", err=True)
    return found


async def run(
    seed: Seed, folder: Path, speed_per_s: float, queued: int, codes: int, phones: int, window: int
) -> Run:
    """One run, from a fresh copy of the seed."""
    config = set_up(seed, folder)
    await change_speed(seed, folder, speed_per_s)
    async with (
        worker("simulator", Operator(seed.smpp_port, window)) as operator,
        server(config, folder / "server.log"),
    ):
        await operator.hear()
        await until_ready(seed.server_port)
        await line_is_up(seed.server_port)
        await asyncio.sleep(UNDER_WAY_S)
        async with worker("codes", Codes(seed.server_port, seed.key, codes, CODES_PER_S, phones)) as client:
            await client.hear()
            asked = msgspec.convert(await client.ask("go"), list[Asked])
        seen = await arrived(operator, codes)
    return judged(asked, seen, speed_per_s, queued)


async def arrived(operator: Any, codes: int) -> Seen:
    """What the operator has, once it has as many codes."""
    async with asyncio.timeout(ARRIVE_WITHIN_S):
        while True:
            seen = msgspec.convert(await operator.ask("codes"), Seen)
            if len(seen.codes) >= codes:
                return seen
            await asyncio.sleep(LOOK_EVERY_S)


def judged(asked: list[Asked], seen: Seen, speed_per_s: float, queued: int) -> Run:
    """The figures; Mismatch unless every code was accepted and reached the operator once."""
    at = dict(seen.codes)
    refused = [one.status for one in asked if one.status != 202]
    missing = [one.number for one in asked if one.number not in at]
    if refused or missing or len(at) != len(seen.codes):
        doubled = len(seen.codes) - len(at)
        raise Mismatch(f"codes refused {refused[:3]}, missing {missing[:3]}, doubled {doubled}")
    return Run(
        speed_per_s=speed_per_s,
        queued=queued,
        left=queued - (seen.received - len(at)),
        codes=len(asked),
        asked=waits([at[one.number] - one.meant_at for one in asked]),
        accepted=waits([at[one.number] - one.answered_at for one in asked]),
    )

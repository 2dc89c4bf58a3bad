"""A campaign: how fast its members are written down and told, and how it is looked at."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from statistics import median
from typing import Any

import aiohttp
import click
import msgspec

from angarium.accounts import flows as accounts
from angarium.content import flows as templates
from angarium.content import review
from angarium.content.flows import Deed, TemplateInput
from angarium.content.rules import Variant
from angarium.core.values import Content, MessageClass
from angarium.lines import flows as lines
from angarium.storage.database import Transaction
from angarium.storage.ground import Ground
from bench.processes import family, most_shared, peak_of_family, server, usage, worker
from bench.scenarios import MIB, PATIENCE_S, Mismatch, line_is_up, until_applied, until_ready, until_reported
from bench.simulator import Operator
from bench.stage import LINE, Seed, ground_of, set_up, sms_line, sow

LOOK_EVERY_S = 0.1
TEMPLATE = "offer"
TEXT = "{{ contact.name }}, everything for half until Sunday. See it: https://shop.example/o/7"
PAGES = 20  # of the table of recipients, from its beginning, middle and end


class CampaignRun(msgspec.Struct, frozen=True):
    """What one campaign came to."""

    members: int
    build_per_s: float
    sent_per_s: float  # from the first member who was told to the last receipt that was written down
    server_cpu_us: float  # a member, told
    build_cpu_us: float  # a member, written down
    operator_cpu_us: float
    composer_cpu_us: float  # a member, told: the process that makes messages ready beside the server
    server_peak_mib: float  # with that process: the peak of each, added, with what both have counted twice
    shared_peak_mib: float  # of both at once, by PSS
    report_ms: float  # the first count of everything
    page_ms: float  # of 100 recipients, median
    page_most_ms: float
    filtered_ms: float  # those that failed, of whom there are none: the longest way to look


async def measure(folder: Path, members: int, window: int, runs: int) -> dict[str, Any]:
    """So many campaigns, each on a copy of the same database."""
    (folder / "campaign-seed").mkdir(parents=True)
    seed = await sow(folder / "campaign-seed", members, window)
    async with ground_of(seed, seed.folder) as ground:
        await _furnish(ground, seed)
    done = []
    for number in range(runs):
        click.echo(f"campaign: {members:,} members, run {number + 1}", err=True)
        done.append(await run(seed, folder / f"campaign-{number}", members))
        click.echo(f"  {done[-1].sent_per_s:,.0f}/s", err=True)
    middle = {name: median(getattr(one, name) for one in done) for name in CampaignRun.__struct_fields__}
    return {"runs": done, "median": middle}


async def _furnish(ground: Ground, seed: Seed) -> None:
    """A line for advertising, and a template in force."""
    workspace = await accounts.workspace_named(ground, "bench")
    line = await lines.named(ground, workspace.id, LINE)
    given = msgspec.structs.replace(
        sms_line(seed.smpp_port, seed.window), classes=(MessageClass.PROMOTIONAL,)
    )
    await lines.change(ground, workspace.id, line.id, given)
    wording = TemplateInput(TEMPLATE, (Variant(Content(text=TEXT)),), MessageClass.PROMOTIONAL)

    async def work(tx: Transaction) -> None:
        deed = Deed("bench", ground.clock.now())
        made = await templates.create(tx, ground, workspace.id, wording, deed)
        await review.publish(tx, ground, made, None, review.Term(), deed)

    await ground.db.run(work)


async def run(seed: Seed, folder: Path, members: int) -> CampaignRun:
    """One campaign to its end."""
    config = set_up(seed, folder)
    async with (
        worker("simulator", Operator(seed.smpp_port, seed.window)) as operator,
        server(config, folder / "server.log") as product,
        most_shared(product.pid) as most,
    ):
        await operator.hear()
        await until_ready(seed.server_port)
        await line_is_up(seed.server_port)
        campaign = await _write(seed)
        before, began_at = usage(product.pid), time.monotonic()
        await _told(seed, f"{campaign}/start", "POST")
        await _until(seed, campaign, lambda one: one["state"] in ("running", "done"))
        built, built_at, books = usage(product.pid), time.monotonic(), usage(operator.pid)
        all_built = family(product.pid)
        ledger = await until_reported(operator, members)
        await until_applied(seed.server_port, members)
        after, ended_at, books_after = usage(product.pid), time.monotonic(), usage(operator.pid)
        beside_s = family(product.pid) - all_built - (after.cpu_s - built.cpu_s)
        looked = await _look(seed, campaign, members)
        peak = peak_of_family(product.pid)
    if ledger.received != members or ledger.doubled or looked["delivered"] != members:
        raise Mismatch(f"of {members}: {ledger}, {looked}")
    del looked["delivered"]
    return CampaignRun(
        members=members,
        build_per_s=members / (built_at - began_at),
        sent_per_s=members / (ended_at - built_at),
        server_cpu_us=(after.cpu_s - built.cpu_s) * 1e6 / members,
        build_cpu_us=(built.cpu_s - before.cpu_s) * 1e6 / members,
        operator_cpu_us=(books_after.cpu_s - books.cpu_s) * 1e6 / members,
        composer_cpu_us=beside_s * 1e6 / members,
        server_peak_mib=peak / MIB,
        shared_peak_mib=most.value / MIB,
        **looked,
    )


async def _write(seed: Seed) -> str:
    given = {"name": "Bench", "audience": {"everybody": True}, "template": TEMPLATE, "line": LINE}
    made = await _told(seed, "/v1/campaigns", "POST", given)
    return f"/v1/campaigns/{made['id']}"


async def _look(seed: Seed, campaign: str, members: int) -> dict[str, float]:
    """The report and the pages of recipients, as a person sees them."""
    began = time.monotonic()
    report = await _told(seed, f"{campaign}/report")
    report_ms = (time.monotonic() - began) * 1e3
    pages, cursor = [], ""
    for _ in range(min(PAGES, members // 100)):
        began = time.monotonic()
        page = await _told(seed, f"{campaign}/recipients?limit=100&cursor={cursor}")
        pages.append((time.monotonic() - began) * 1e3)
        cursor = page["next"] or ""
    began = time.monotonic()
    await _told(seed, f"{campaign}/recipients?state=failed")
    return {
        "report_ms": report_ms,
        "page_ms": median(pages),
        "page_most_ms": max(pages),
        "filtered_ms": (time.monotonic() - began) * 1e3,
        "delivered": report["by_state"].get("delivered", 0),
    }


async def _until(seed: Seed, campaign: str, holds: Any) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while True:
            if holds(await _told(seed, campaign)):
                return
            await asyncio.sleep(LOOK_EVERY_S)


async def _told(seed: Seed, path: str, method: str = "GET", body: Any = None) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {seed.key}"}
    url = f"http://127.0.0.1:{seed.server_port}{path}"
    patience = aiohttp.ClientTimeout(total=PATIENCE_S)
    async with (
        aiohttp.ClientSession(headers=headers, timeout=patience) as shop,
        shop.request(method, url, json=body) as answer,
    ):
        heard = await answer.read()
    if answer.status >= 300:
        raise Mismatch(f"{method} {path}: {answer.status} {heard[:300]!r}")
    return dict(msgspec.json.decode(heard))

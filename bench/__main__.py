"""`python -m bench`: runs the scenarios, prints tables, writes a JSON file and a page with plots."""

from __future__ import annotations

import asyncio
import signal
import sys
import tempfile
from pathlib import Path
from typing import Any

import click
import msgspec

from bench import aged, ceilings, console, contacts, fairness, floor, latency, scenarios, segments, workers
from bench import campaign as campaign_of
from bench import wording as wording_of
from bench.homes import Seeds
from bench.kept import RESULTS, keep
from bench.report import conditions, medians, print_all
from bench.scenarios import SCENARIOS, Mismatch, Scenario
from bench.stage import SMPP_ON_SQLITE, Seed

MORE = (
    *("floor", "latency", "history"),
    *("fairness", "startup", "contacts", "segments", "wording", "campaign", "console", "workers"),
)
NAMES = (*(scenario.name for scenario in SCENARIOS), *MORE)
SINGLE = next(one for one in SCENARIOS if one.name == "single")


class Wanted(msgspec.Struct, frozen=True):
    """How much is measured of what."""

    names: tuple[str, ...]
    messages: int
    runs: int
    phones: int
    window: int
    campaign: int
    rows: int
    history: int
    members: int
    seconds: float
    fabric: str


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--scenario", "names", multiple=True, type=click.Choice(NAMES), help="Only these. Default: all."
)
@click.option("--messages", default=60_000, show_default=True, help="In each run; of single ones a quarter.")
@click.option("--runs", default=3, show_default=True, help="Of which the median is told.")
@click.option("--phones", default=10_000, show_default=True, help="Contacts that are there before.")
@click.option("--window", default=2_000, show_default=True, help="Submissions without an answer on the line.")
@click.option(
    "--campaign", default=200_000, show_default=True, help="Queued by another workspace, before codes come."
)
@click.option(
    "--contacts",
    "rows",
    default=1_000_000,
    show_default=True,
    help="Rows of the file of contacts; whom segments count.",
)
@click.option(
    "--history", default=5_000_000, show_default=True, help="Messages behind the batches, or the console."
)
@click.option("--members", default=1_000_000, show_default=True, help="Of the campaign.")
@click.option("--seconds", default=30.0, show_default=True, help="Of single requests at fixed times.")
@click.option(
    "--fabric",
    type=click.Choice(["nats", "postgres"]),
    default="postgres",
    show_default=True,
    help="Of workers.",
)
@click.option(
    "--json",
    "json_path",
    type=click.Path(path_type=Path),
    default=RESULTS / "bench.json",
    show_default=True,
    help="Write everything to this file, and a page with plots beside it.",
)
@click.option("--folder", type=click.Path(path_type=Path), help="Keep databases and logs in this folder.")
def main(json_path: Path, folder: Path | None, **given: Any) -> None:
    """Measure accept → SMPP → response → receipt → record, in processes of their own. Linux only."""
    wanted = Wanted(**{**given, "names": given["names"] or NAMES})
    with tempfile.TemporaryDirectory(prefix="angarium-bench-") as temporary:
        where = folder or Path(temporary)
        (where / "console").mkdir(parents=True)
        try:
            found = asyncio.run(measure(where, wanted))
        except Mismatch as mismatch:
            click.echo(f"The ledgers do not agree: {mismatch}", err=True)
            sys.exit(1)
        except asyncio.CancelledError:
            click.echo("stopped", err=True)
            sys.exit(1)
    print_all(found)
    for file in keep(found, json_path):
        click.echo(f"written: {file}")


async def measure(folder: Path, wanted: Wanted) -> dict[str, Any]:
    """Everything that was asked for. Who stops it has its servers and databases stopped as well."""
    own = asyncio.current_task()
    assert own is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, own.cancel)
    given = conditions(wanted.messages, wanted.runs, wanted.phones, wanted.window)
    found: dict[str, Any] = {"conditions": given, "ceilings": {}, "scenarios": {}}
    seeds = Seeds(folder, wanted.phones, wanted.window)
    try:
        for scenario in (one for one in SCENARIOS if one.name in wanted.names):
            await _one(seeds, folder, scenario, wanted, found)
        if found["scenarios"]:
            found["ceilings"]["operator"] = await ceilings.of_operator(wanted.messages, wanted.window)
        await _paths(seeds, folder, wanted, found)
        await _others(await seeds.of(SMPP_ON_SQLITE), folder, wanted, found)
    finally:
        await seeds.close()
    return found


async def _one(seeds: Seeds, folder: Path, scenario: Scenario, wanted: Wanted, found: dict[str, Any]) -> None:
    """A scenario, and how fast its client can be."""
    share = wanted.messages if scenario.batch else max(1, wanted.messages // 4)
    click.echo(f"{scenario.name}: {share:,} messages, {wanted.runs} runs", err=True)
    client = await ceilings.of_client(scenario.batch, scenario.connections, share, wanted.phones)
    found["ceilings"][f"client, {scenario.name}"] = client
    seed = await seeds.of(scenario.way)
    found["scenarios"][scenario.name] = await repeated(seed, folder, scenario, share, wanted)


async def _paths(seeds: Seeds, folder: Path, wanted: Wanted, found: dict[str, Any]) -> None:
    """What else the path of a message is asked: its floor, how long it takes, what a history does to it."""
    seed = await seeds.of(SMPP_ON_SQLITE)
    shape = (wanted.messages, wanted.phones, wanted.window, wanted.runs)
    if "floor" in wanted.names:
        click.echo(f"floor: {wanted.messages:,} messages, {wanted.runs} runs", err=True)
        found["floor"] = await floor.measure(seed, folder, *shape)
    if "latency" in wanted.names:
        known = found["scenarios"].get("single")
        if known is None:
            known = await repeated(seed, folder, SINGLE, max(1, wanted.messages // 4), wanted)
        most = known["median"]["per_s"]
        found["latency"] = await latency.measure(
            seed, folder, most, wanted.seconds, wanted.phones, wanted.runs
        )
    if "history" in wanted.names:
        found["history"] = await aged.measure(seed, folder, wanted.history, *shape)


async def _others(seed: Seed, folder: Path, wanted: Wanted, found: dict[str, Any]) -> None:
    """What is no path of a message from a client."""
    names, runs, phones, window = wanted.names, wanted.runs, wanted.phones, wanted.window
    if "fairness" in names:
        codes = max(1, wanted.messages // 60)
        found["fairness"] = await fairness.measure(folder, codes, wanted.campaign, phones, window)
    if "wording" in names:
        found["wording"] = wording_of.measure()
    if "contacts" in names:
        found["contacts"] = await contacts.measure(folder / "contacts", wanted.rows, runs)
    if "segments" in names:
        found["segments"] = await segments.measure(folder, wanted.rows, runs)
    if "campaign" in names:
        found["campaign"] = await campaign_of.measure(folder, wanted.members, window, runs)
    if "workers" in names:
        click.echo(f"workers: {wanted.messages:,} messages, {runs} runs, {wanted.fabric}", err=True)
        found["workers"] = await workers.measure(
            seed, folder, wanted.messages, phones, window, runs, wanted.fabric
        )
    if "console" in names:
        found["console"] = await console.measure(folder / "console", wanted.rows, wanted.history)
    if "startup" in names:
        click.echo(f"startup: {runs} runs", err=True)
        starts = [await scenarios.start(seed, folder / f"startup-{i}") for i in range(runs)]
        found["startup"] = {"runs": starts, "median": medians(starts)}


async def repeated(
    seed: Seed, folder: Path, scenario: Scenario, messages: int, wanted: Wanted
) -> dict[str, Any]:
    """The runs of one scenario, and their median."""
    done = []
    for i in range(wanted.runs):
        where = folder / f"{scenario.name}-{i}"
        done.append(await scenarios.run(seed, where, scenario, messages, wanted.phones, wanted.window))
        click.echo(f"  {done[-1].per_s:,.0f}/s", err=True)
    return {"about": scenario.about, "runs": done, "median": medians(done)}


if __name__ == "__main__":
    main()

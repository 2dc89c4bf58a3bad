"""`python -m bench`: runs the scenarios, prints a table, writes a JSON file."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path
from typing import Any

import click
import msgspec

from bench import campaign as campaign_of
from bench import ceilings, console, contacts, fairness, scenarios, segments, wording, workers
from bench.report import conditions, medians, print_all
from bench.scenarios import SCENARIOS, Mismatch, Scenario
from bench.stage import Seed, sow

MORE = ("fairness", "startup", "contacts", "segments", "wording", "campaign", "console", "workers")
NAMES = (*(scenario.name for scenario in SCENARIOS), *MORE)


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
@click.option("--history", default=5_000_000, show_default=True, help="Messages behind the console's pages.")
@click.option("--members", default=1_000_000, show_default=True, help="Of the campaign.")
@click.option(
    "--fabric",
    type=click.Choice(["nats", "postgres"]),
    default="postgres",
    show_default=True,
    help="Of workers.",
)
@click.option("--json", "json_path", type=click.Path(path_type=Path), help="Write everything to this file.")
@click.option("--folder", type=click.Path(path_type=Path), help="Keep databases and logs in this folder.")
def main(
    names: tuple[str, ...],
    messages: int,
    runs: int,
    phones: int,
    window: int,
    campaign: int,
    rows: int,
    history: int,
    members: int,
    fabric: str,
    json_path: Path | None,
    folder: Path | None,
) -> None:
    """Measure accept → SMPP → response → receipt → record, in processes of their own. Linux only."""
    chosen = names or NAMES
    with tempfile.TemporaryDirectory(prefix="angarium-bench-") as temporary:
        where = folder or Path(temporary)
        (where / "seed").mkdir(parents=True)
        (where / "console").mkdir()
        try:
            found = asyncio.run(
                measure(
                    where, chosen, messages, runs, phones, window, campaign, rows, history, members, fabric
                )
            )
        except Mismatch as mismatch:
            click.echo(f"The ledgers do not agree: {mismatch}", err=True)
            sys.exit(1)
    if json_path is not None:
        json_path.write_bytes(msgspec.json.format(msgspec.json.encode(found)) + b"\n")
    print_all(found)


async def measure(
    folder: Path,
    names: tuple[str, ...],
    messages: int,
    runs: int,
    phones: int,
    window: int,
    campaign: int,
    rows: int,
    history: int,
    members: int,
    fabric: str,
) -> dict[str, Any]:
    """Everything that was asked for."""
    seed = await sow(folder / "seed", phones, window)
    found: dict[str, Any] = {
        "conditions": conditions(messages, runs, phones, window),
        "ceilings": {},
        "scenarios": {},
    }
    for scenario in (one for one in SCENARIOS if one.name in names):
        share = messages if scenario.batch else max(1, messages // 4)
        click.echo(f"{scenario.name}: {share:,} messages, {runs} runs", err=True)
        found["ceilings"][f"client, {scenario.name}"] = await ceilings.of_client(scenario, share, phones)
        found["scenarios"][scenario.name] = await repeated(
            seed, folder, scenario, share, runs, phones, window
        )
    if found["scenarios"]:
        found["ceilings"]["operator"] = await ceilings.of_operator(messages, window)
    if "fairness" in names:
        codes = max(1, messages // 60)
        found["fairness"] = await fairness.measure(folder, codes, campaign, phones, window)
    if "wording" in names:
        found["wording"] = wording.measure()
    if "contacts" in names:
        found["contacts"] = await contacts.measure(folder / "contacts", rows, runs)
    if "segments" in names:
        found["segments"] = await segments.measure(folder, rows, runs)
    if "campaign" in names:
        found["campaign"] = await campaign_of.measure(folder, members, window, runs)
    if "workers" in names:
        click.echo(f"workers: {messages:,} messages, {runs} runs, {fabric}", err=True)
        found["workers"] = await workers.measure(seed, folder, messages, phones, window, runs, fabric)
    if "console" in names:
        found["console"] = await console.measure(folder / "console", rows, history)
    if "startup" in names:
        click.echo(f"startup: {runs} runs", err=True)
        starts = [await scenarios.start(seed, folder / f"startup-{i}") for i in range(runs)]
        found["startup"] = {"runs": starts, "median": medians(starts)}
    return found


async def repeated(
    seed: Seed, folder: Path, scenario: Scenario, messages: int, runs: int, phones: int, window: int
) -> dict[str, Any]:
    """The runs of one scenario, and their median."""
    done = []
    for i in range(runs):
        where = folder / f"{scenario.name}-{i}"
        done.append(await scenarios.run(seed, where, scenario, messages, phones, window))
        click.echo(f"  {done[-1].per_s:,.0f}/s", err=True)
    return {"about": scenario.about, "runs": done, "median": medians(done)}


if __name__ == "__main__":
    main()

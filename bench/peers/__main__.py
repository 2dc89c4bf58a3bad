"""`python -m bench.peers`: ours and other gateways in one run, a table, a JSON file and a page with plots."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from angarium.core.problems import Problem
from bench import ceilings
from bench.kept import RESULTS, keep
from bench.latency import Latency, courses
from bench.latency import middle as middle_of_courses
from bench.peers import debian, jasmin, kannel
from bench.peers.contest import (
    BATCHES_AT_ONCE,
    SINGLES_AT_ONCE,
    Contender,
    Place,
    contenders,
    middle,
    paced,
    run,
)
from bench.report import conditions
from bench.report_paths import beside_table, contest_table, latency_table
from bench.scenarios import Mismatch
from bench.stage import Way, sow

FEW = 20  # messages of a rehearsal
REHEARSAL_S = 120.0  # its programs started, and all receipts told
BOTH = {"on": (True,), "off": (False,), "both": (True, False)}


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--messages",
    default=60_000,
    show_default=True,
    help="In batches; of single ones a quarter, of Jasmin less.",
)
@click.option("--runs", default=3, show_default=True, help="Of which the median is told.")
@click.option("--phones", default=10_000, show_default=True, help="Recipients, used in turn.")
@click.option("--window", default=1_000, show_default=True, help="Submissions without an answer, of each.")
@click.option("--receipts", type=click.Choice(list(BOTH)), default="both", show_default=True)
@click.option(
    "--seconds", default=30.0, show_default=True, help="Of single requests at fixed times; 0: none."
)
@click.option("--only", multiple=True, help="Gateways whose names begin so. Default: all.")
@click.option("--without-jasmin", is_flag=True, help="Do not install it, do not run it.")
@click.option("--folder", type=click.Path(path_type=Path), help="Keep stores and logs in this folder.")
@click.option(
    "--json",
    "json_path",
    type=click.Path(path_type=Path),
    default=RESULTS / "peers.json",
    show_default=True,
    help="Write everything to this file, and a page with plots beside it.",
)
def main(json_path: Path, folder: Path | None, only: tuple[str, ...], **given: Any) -> None:
    """Measure Angarium, Kannel and Jasmin against one simulated operator, with one client. Debian only."""
    try:
        debian.need(kannel.PROGRAMS)
        missing = "not wanted" if given.pop("without_jasmin") else prepared()
    except debian.Missing as why:
        click.echo(f"Kannel cannot be run here: {why}", err=True)
        sys.exit(1)
    with tempfile.TemporaryDirectory(prefix="angarium-peers-") as temporary:
        where = folder or Path(temporary)
        try:
            found = asyncio.run(measure(where, only, missing, **given))
        except Mismatch as mismatch:
            click.echo(f"The ledgers do not agree: {mismatch}", err=True)
            sys.exit(1)
    tell(found)
    for file in keep(found, json_path):
        click.echo(f"written: {file}")


def prepared() -> str:
    """Jasmin is installed; else why it cannot be."""
    try:
        debian.need(jasmin.PROGRAMS)
        jasmin.install()
    except debian.Missing as why:
        click.echo(f"Jasmin cannot be run here, and is left out: {why}", err=True)
        return str(why)
    return ""


async def measure(
    folder: Path,
    only: Sequence[str],
    missing: str,
    *,
    messages: int,
    runs: int,
    phones: int,
    window: int,
    receipts: str,
    seconds: float,
) -> dict[str, Any]:
    """Everybody in turn, as often as there are runs."""
    seeds = {}
    for asked in BOTH[receipts]:
        where = folder / f"seed-{asked}"
        where.mkdir(parents=True)
        seeds[asked] = await sow(where, phones, window, Way(receipts=asked))
    place = Place(folder, seeds, phones, window)
    missing = missing or await rehearsed(place, BOTH[receipts][0])
    everybody = contenders(kannel.KANNELS, jasmin_too=not missing)
    who = [one for one in everybody if not only or one.name.startswith(tuple(only))]
    given = conditions(messages, runs, phones, window) | {"kannel": kannel.version()}
    given |= {"jasmin": jasmin.VERSION if not missing else f"left out: {missing}"}
    found: dict[str, Any] = {"conditions": given, "contest": [], "latency": []}
    found["ceilings"] = await alone(who, messages, phones, window)
    for asked in BOTH[receipts]:
        found["contest"] += await contest(who, place, messages, runs, receipts=asked)
    if seconds:
        for asked in BOTH[receipts]:
            found["latency"] += await latencies(who, place, found["contest"], runs, seconds, receipts=asked)
    return found


async def rehearsed(place: Place, receipts: bool) -> str:
    """Jasmin has carried a few messages; else what kept it from that, and it is left out."""
    (one,) = (one for one in contenders((), jasmin_too=True) if one.to == "jasmin")
    try:
        async with asyncio.timeout(REHEARSAL_S):
            await run(one, place, "rehearsal", FEW, receipts=receipts)
    except (Problem, Mismatch, OSError, TimeoutError, RuntimeError) as why:
        click.echo(f"Jasmin does not run here, and is left out: {why}", err=True)
        return f"{type(why).__name__} {why} {getattr(why, 'detail', '')}".strip()
    return ""


async def alone(who: Sequence[Contender], messages: int, phones: int, window: int) -> dict[str, float]:
    """How fast the operator and the client can be, of each way of asking."""
    found = {"operator": await ceilings.of_operator(messages, window)}
    for to, batch in sorted({(one.to, one.batch) for one in who}):
        connections = BATCHES_AT_ONCE if batch else SINGLES_AT_ONCE
        share = messages if batch else messages // 4
        name = f"client, {to}, {f'batches of {batch}' if batch else 'single requests'}"
        found[name] = await ceilings.of_client(batch, connections, max(1, share), phones, to)
    return found


async def contest(
    who: Sequence[Contender], place: Place, messages: int, runs: int, *, receipts: bool
) -> list[dict[str, Any]]:
    """As fast as each goes; one run of each before the second of any, so that the hour counts for all."""
    made: dict[str, list[Any]] = {one.name: [] for one in who if takes_part(one, receipts=receipts)}
    for number in range(runs):
        for one in (one for one in who if one.name in made):
            name = f"run-{number}-{receipts:d}-{len(made[one.name])}-{who.index(one)}"
            share = max(1, int(messages * one.share))
            made[one.name].append(await run(one, place, name, share, receipts=receipts))
            told = f"{made[one.name][-1].per_s:,.0f}/s"
            click.echo(f"{one.name}, receipts {'on' if receipts else 'off'}: {told}", err=True)
    abouts = {one.name: one.about for one in who}
    return [{"about": abouts[name], "runs": some, "median": middle(some)} for name, some in made.items()]


async def latencies(
    who: Sequence[Contender],
    place: Place,
    contested: Sequence[dict[str, Any]],
    runs: int,
    seconds: float,
    *,
    receipts: bool,
) -> list[Latency]:
    """Single requests at fixed times: at one speed for all, and at a share of the most that each took."""
    most = {
        one["median"]["gateway"]: one["median"]["per_s"]
        for one in contested
        if one["median"]["receipts"] is receipts
    }
    found = []
    for one in (one for one in who if not one.batch and one.name in most):
        for per_s, share in courses(most[one.name]):
            if share or per_s < most[one.name]:  # offered more than it takes, it falls behind for ever
                some = []
                for number in range(runs):
                    name = f"paced-{number}-{receipts:d}-{share:g}-{who.index(one)}"
                    some.append(await paced(one, place, name, per_s, share, seconds, receipts=receipts))
                found.append(middle_of_courses(some))
                told = found[-1].asked
                click.echo(f"{one.name}, {per_s:,.0f}/s: {told.p50_ms:.1f}, {told.p99_ms:.1f} ms", err=True)
    return found


def takes_part(one: Contender, *, receipts: bool) -> bool:
    """Where receipts are kept is of no matter when there are none."""
    return receipts or one.kannel is None or one.kannel.receipts == "internal"


def tell(found: dict[str, Any]) -> None:
    """Conditions, how each was set up, the tables, the ceilings."""
    out = Console(highlight=False)
    out.print(", ".join(f"{name} {value}" for name, value in found["conditions"].items()))
    for name, about in {one["median"]["gateway"]: one["about"] for one in found["contest"]}.items():
        out.print(f"{name}: {about}")
    for receipts in (True, False):
        if any(one["median"]["receipts"] is receipts for one in found["contest"]):
            out.print(contest_table(found["contest"], receipts=receipts))
            out.print(beside_table(found["contest"], receipts=receipts))
    if found["latency"]:
        out.print(latency_table(found["latency"]))
    for name, per_s in found["ceilings"].items():
        out.print(f"{name} alone: {per_s:,.0f} messages a second")


if __name__ == "__main__":
    main()

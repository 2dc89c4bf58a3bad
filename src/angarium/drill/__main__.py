"""`make cluster`: servers, NATS, PostgreSQL and simulated operators on this machine, to use or to break."""

from __future__ import annotations

import asyncio
import shutil
import signal
import sys
import tempfile
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from angarium.core.clock import SystemClock
from angarium.drill import command
from angarium.drill.cluster import ROLES, Cluster
from angarium.drill.options import Options
from angarium.drill.stage import Stage
from angarium.terminal import run


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--drill", "seconds", type=float, help="Break it for so many seconds, judge, and end.")
@click.option("--rate", type=float, default=100.0, show_default=True, help="Messages a second.")
@click.option("--seed", type=int, default=1, show_default=True, help="Decides load and faults.")
@click.option("--faults", default="all", show_default=True, help="all, none, or names with commas.")
@click.option("--fabric", type=click.Choice(["nats", "postgres"]), default="nats", show_default=True)
@click.option("--namespaces", is_flag=True, help="A network namespace for each server; needs root.")
@click.option("--drain", "drain_s", type=float, default=240.0, show_default=True)
@click.option("--keep", type=click.Path(path_type=Path), help="Leave everything in this folder.")
@click.option("--json", "as_json", is_flag=True, help="Print the verdict as JSON, and nothing else.")
def main(
    seconds: float | None,
    rate: float,
    seed: int,
    faults: str,
    fabric: str,
    namespaces: bool,
    drain_s: float,
    keep: Path | None,
    as_json: bool,
) -> None:
    """Run two servers for requests and pages, three that send, NATS and PostgreSQL until Ctrl-C."""
    out = Console(quiet=as_json)
    if seconds is None:
        folder = keep or Path(tempfile.mkdtemp(prefix="angarium-cluster-"))
        options = Options(folder=folder, fabric=fabric, namespaces=namespaces)
        run(stay(options, out, leave=keep is not None))
        return
    given = {"rate": rate, "seed": seed, "drain_s": drain_s, "namespaces": namespaces}
    asked = command.drill(seconds, faults, keep, out=out, as_json=as_json, fabric=fabric, **given)
    sys.exit(run(asked))


async def stay(options: Options, out: Console, *, leave: bool) -> None:
    """Start everything, say where it is, and stop it on SIGINT or SIGTERM, which are heard from the first
    moment. `leave` the folder."""
    stage = Stage(options, SystemClock())
    asked = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, asked.set)
    begun, ended = asyncio.ensure_future(_begin(stage, out)), asyncio.ensure_future(asked.wait())
    try:
        await asyncio.wait((begun, ended), return_when=asyncio.FIRST_COMPLETED)
        if begun.done():
            await begun
            await ended
    finally:
        for one in (begun, ended):
            one.cancel()
        await asyncio.gather(begun, ended, return_exceptions=True)
        out.print("It ends.")
        await stage.strike()
        if not leave:
            shutil.rmtree(options.folder)


async def _begin(stage: Stage, out: Console) -> None:
    out.print("PostgreSQL, NATS, operators, and five servers: half a minute.")
    await stage.set_up()
    out.print(where(stage), highlight=False)
    out.print("Ctrl-C ends it.")


def where(stage: Stage) -> Table:
    """The addresses."""
    servers = stage.servers
    assert isinstance(servers, Cluster)
    table = Table(box=None, show_header=False)
    table.add_row("requests and pages", f"{servers.url}, which leads to either of two")
    for name, node in servers.nodes.items():
        table.add_row(name, f"{node.url}  {', '.join(ROLES[name])}")
    table.add_row("PostgreSQL", servers.database)
    if servers.nats is not None:
        for name, port in servers.nats.ports.items():
            table.add_row(name, f"nats://127.0.0.1:{port}  http://127.0.0.1:{servers.nats.watched[name]}")
    table.add_row("simulated operators", stage.operators.admin)
    for workspace, key in stage.keys.items():
        table.add_row(f"key of {workspace}", key)
    config = stage.folder / f"{next(iter(servers.names))}.toml"
    table.add_row("first owner", f"angarium --config {config} setup-link --url {servers.url}")
    table.add_row("logs", str(stage.folder))
    return table


if __name__ == "__main__":
    main()

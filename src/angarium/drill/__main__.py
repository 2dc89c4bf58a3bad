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
@click.option("--drain", "drain_s", type=float, default=240.0, show_default=True)
@click.option("--keep", type=click.Path(path_type=Path), help="Leave everything in this folder.")
@click.option("--json", "as_json", is_flag=True, help="Print the verdict as JSON, and nothing else.")
def main(
    seconds: float | None,
    rate: float,
    seed: int,
    faults: str,
    fabric: str,
    drain_s: float,
    keep: Path | None,
    as_json: bool,
) -> None:
    """Run two servers for requests and pages, three that send, NATS and PostgreSQL until Ctrl-C."""
    out = Console(quiet=as_json)
    if seconds is None:
        run(stay(fabric, keep, out))
        return
    asked = command.drill(
        seconds, faults, keep, out=out, as_json=as_json, fabric=fabric, rate=rate, seed=seed, drain_s=drain_s
    )
    sys.exit(run(asked))


async def stay(fabric: str, keep: Path | None, out: Console) -> None:
    """Start everything, say where it is, and stop it on SIGINT or SIGTERM."""
    folder = keep or Path(tempfile.mkdtemp(prefix="angarium-cluster-"))
    stage = Stage(Options(folder=folder, fabric=fabric), SystemClock())
    asked = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, asked.set)
    try:
        out.print("PostgreSQL, NATS, operators, and five servers: half a minute.")
        await stage.set_up()
        out.print(where(stage), highlight=False)
        out.print("Ctrl-C ends it.")
        await asked.wait()
    finally:
        await stage.strike()
        if keep is None:
            shutil.rmtree(folder)


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

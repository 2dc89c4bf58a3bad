"""The command line: serve, migrate, doctor, backup, lines, demo, and what asking.py and governing.py bring.

Every command imports what it needs when it runs, so that `angarium --help` answers at once.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.markup import escape

from angarium import __version__, asking, cluster, filing, governing
from angarium.core.problems import Problem
from angarium.terminal import give_up, moment, out, run, settings_of, table, with_ground

if TYPE_CHECKING:
    from angarium.storage.ground import Ground

STRANGERS = 0o007  # who is neither the owner of a file nor of its group: what is written is about people
MARKS = {"good": "[green]✓[/]", "advice": "[yellow]·[/]", "bad": "[red]✗[/]"}


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="angarium")
@click.option(
    "--config",
    type=click.Path(dir_okay=False, path_type=Path),
    help="TOML file with settings; default angarium.toml. ANGARIUM_… in the environment wins.",
)
@click.pass_context
def main(context: click.Context, config: Path | None) -> None:
    """Angarium: a self-hosted customer-communications server."""
    os.umask(os.umask(STRANGERS) | STRANGERS)  # to set it is the only way to ask for it
    context.obj = config


# ── serve, migrate, doctor ───────────────────────────────────────────────────────────────────────────


@main.command()
@click.option("--roles", help="What this server does: api, worker, console, with commas. [default: all]")
@click.pass_context
def serve(context: click.Context, roles: str | None) -> None:
    """Run the server: API, callbacks, senders and planner in one process. Migrates the database first."""
    import faulthandler

    from angarium import logs
    from angarium.assembly import make_vault
    from angarium.config import listed
    from angarium.serving import serve as run_server

    settings = settings_of(context, **({"roles": listed(roles)} if roles is not None else {}))
    import uvloop

    try:
        logs.set_up(settings.log_level, settings.log_format, make_vault(settings).keyed_hash)
        faulthandler.enable()  # a crash below Python says where it was: files and functions, and no values
        uvloop.run(run_server(settings))
    except Problem as problem:
        give_up(problem)
    except OSError as error:  # the address is taken, or the key file cannot be read: its text names which
        give_up(Problem("start", "The server cannot start", detail=str(error)))


@main.command()
@click.option("--check", is_flag=True, help="Only say what is pending; status 1 when something is.")
@click.pass_context
def migrate(context: click.Context, check: bool) -> None:
    """Bring the database to the schema of this version."""
    from angarium.assembly import bring_up
    from angarium.storage.migrate import newer

    settings = settings_of(context)
    lacking = run(bring_up(settings, check=check))
    word, told = "pending" if check else "applied", "The database is up to date."
    if lacking:
        told = f"{word}: {', '.join(lacking)}"
    elif ahead := run(newer(settings.database)):
        told = f"The database is of a newer version ({ahead}), on which this one may run."
    out.print(told, highlight=False, soft_wrap=True)
    if check and lacking:
        sys.exit(1)


@main.command()
@click.pass_context
def doctor(context: click.Context) -> None:
    """Look at settings, database, keys and lines, and say what to do. Status 1 when something is wrong."""
    from angarium.doctor import examine

    settings = settings_of(context)

    async def look() -> int:
        bad = 0
        async for finding in examine(settings):
            bad += finding.level == "bad"
            out.print(f"{MARKS[finding.level]} {escape(finding.what)}", highlight=False, soft_wrap=True)
            if finding.remedy:
                out.print(f"  [dim]{escape(finding.remedy)}[/]", highlight=False, soft_wrap=True)
        return bad

    if run(look()):
        sys.exit(1)


# ── backup, restore, held ────────────────────────────────────────────────────────────────────────────


@main.command()
@click.argument("target", type=click.Path())
@click.option("--keep", type=click.IntRange(1), help="In a folder: delete all but so many, the newest.")
@click.pass_context
def backup(context: click.Context, target: str, keep: int | None) -> None:
    """Write a backup to a file, or into a folder, while the server runs; and look through it.

    What ends in / is a folder, and so is everything with --keep; it is made where there is none.
    """
    from angarium.core.clock import iso
    from angarium.keeping import back_up

    folder = keep is not None or target.endswith("/")
    made = run(back_up(settings_of(context), Path(target), keep or 0, folder=folder))
    found = "" if made.messages is None else f", {made.messages} messages, looked through"
    found += f", {made.files} files beside it" if made.files else ""
    out.print(
        f"{made.file}: {iso(made.at)}{found}, {made.size_bytes} bytes.", highlight=False, soft_wrap=True
    )


@main.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path), required=False)
@click.option("--replace", is_flag=True, help="Put the database that is there aside.")
@click.option("--in-place", is_flag=True, help="It was put back by other means: only hold what it shows.")
@click.pass_context
def restore(context: click.Context, file: Path | None, replace: bool, in_place: bool) -> None:
    """Make a backup the database. What it shows as under way is held: see `angarium held`."""
    from angarium.core.clock import iso
    from angarium.keeping import hold_in_place, put_back

    if (file is None) is not in_place:
        raise click.UsageError("Name a FILE, or say --in-place.")
    settings = settings_of(context)
    done = run(put_back(settings, file, replace=replace) if file else hold_in_place(settings))
    for path in done.aside:
        out.print(f"Put aside: {path}", highlight=False, soft_wrap=True)
    out.print(f"Restored to {iso(done.at)}; {done.held} messages are held.", highlight=False, soft_wrap=True)
    if done.misfit:
        told = f"[red]✗[/] No server starts on it: {escape(done.misfit)}"
        out.print(told, highlight=False, soft_wrap=True)
    if done.held:
        out.print("They may have gone out since then. See them, and decide: angarium held", highlight=False)
    if done.campaigns:
        told = f"{done.campaigns} campaigns are paused: whom they have told since then is not known any more."
        out.print(told, highlight=False, soft_wrap=True)


@main.command()
@click.argument("url")
@click.pass_context
def move(context: click.Context, url: str) -> None:
    """Copy everything from SQLite to an empty database of PostgreSQL, postgresql://user@host/name, and put
    the file aside. No server may run meanwhile."""
    from angarium import keeping

    def tell(table: str, rows: int) -> None:
        out.print(f"{table}: {rows:,}", highlight=False)

    moved = run(keeping.move(settings_of(context), url, tell))
    for path in moved.aside:
        out.print(f"Put aside: {path}", highlight=False, soft_wrap=True)
    out.print(f"Moved: {moved.rows:,} rows. Name it in the setting `database`, and start.", highlight=False)


@main.command()
@click.pass_context
def shrink(context: click.Context) -> None:
    """Give free room in the file of SQLite back to the disk. No server may run meanwhile, and there must be
    twice as much room beside it as it will take."""
    from angarium.keeping import shrink

    before, after = run(shrink(settings_of(context)))
    out.print(f"{before:,} bytes before, {after:,} now.", highlight=False)


@main.group(invoke_without_command=True)
@click.pass_context
def held(context: click.Context) -> None:
    """Messages of a backup that was put back: what is held, and to release or cancel it."""
    from angarium.keeping import shares

    if context.invoked_subcommand is not None:
        return
    rows = table("workspace", "class", "state", "messages", "accepted from", "until")
    found = run(shares(settings_of(context)))
    for share in found:
        what = share.what
        times = moment(what.oldest_at), moment(what.newest_at)
        rows.add_row(share.workspace, what.message_class, what.state, str(what.messages), *times)
    out.print(rows if found else "Nothing is held.")


@held.command("release")
@click.option("--workspace", default="", help="Only of this workspace.")
@click.option("--younger-than", "minutes", type=float, help="Only what was accepted in the last MINUTES.")
@click.pass_context
def release_held(context: click.Context, workspace: str, minutes: float | None) -> None:
    """Let it go out, decided anew: within its deadline, and by the rules of its class."""
    from angarium.core.clock import SystemClock, micros
    from angarium.keeping import decide
    from angarium.messaging.store.messages import EVER

    from_ = 0 if minutes is None else SystemClock().now() - micros(minutes * 60)
    done = run(decide(settings_of(context), workspace, release=True, from_=from_, until=EVER))
    out.print(f"Released: {done}.")


@held.command("cancel")
@click.option("--workspace", default="", help="Only of this workspace.")
@click.option("--older-than", "minutes", type=float, help="Only what was accepted before the last MINUTES.")
@click.pass_context
def cancel_held(context: click.Context, workspace: str, minutes: float | None) -> None:
    """End it, so that it never goes out."""
    from angarium.core.clock import SystemClock, micros
    from angarium.keeping import decide
    from angarium.messaging.store.messages import EVER

    until = EVER if minutes is None else SystemClock().now() - micros(minutes * 60)
    done = run(decide(settings_of(context), workspace, release=False, from_=0, until=until))
    out.print(f"Cancelled: {done}.")


# ── lines ────────────────────────────────────────────────────────────────────────────────────────────


@main.group()
def lines() -> None:
    """Lines that one workspace lends to another."""


@lines.command("lend")
@click.argument("line")
@click.option("--workspace", required=True, help="Name of the workspace that owns the line.")
@click.option("--to", "guest", required=True, help="Name of the workspace that is to send on it, too.")
@click.pass_context
def lend_line(context: click.Context, line: str, workspace: str, guest: str) -> None:
    """Lend a line of one workspace to another, on behalf of both: the other need not take it."""
    from angarium.lines import flows
    from angarium.lines.store import Lent

    async def lend(ground: Ground) -> Lent:
        owner_id, line_id, guest_id = await _loan(ground, line, workspace, guest)
        await flows.lend(ground, owner_id, line_id, guest_id)
        return await flows.take(ground, guest_id, line_id)

    lent = run(with_ground(settings_of(context), lend))
    out.print(f"{guest} sends on it as [bold]{escape(lent.name)}[/].", highlight=False)


@lines.command("take-back")
@click.argument("line")
@click.option("--workspace", required=True, help="Name of the workspace that owns the line.")
@click.option("--from", "guest", required=True, help="Name of the workspace that is to send on it no more.")
@click.pass_context
def take_line_back(context: click.Context, line: str, workspace: str, guest: str) -> None:
    """Lend a line no more; receipts of what has gone out still reach whoever sent it."""
    from angarium.lines import flows

    async def take_back(ground: Ground) -> None:
        await flows.take_back(ground, *await _loan(ground, line, workspace, guest))

    run(with_ground(settings_of(context), take_back))
    out.print(f"{guest} sends on it no more.", highlight=False)


async def _loan(ground: Ground, line: str, workspace: str, guest: str) -> tuple[int, int, int]:
    """The ids behind the names: owner, line, guest."""
    from angarium.accounts import flows as accounts
    from angarium.lines import flows

    owner = await accounts.workspace_named(ground, workspace)
    lent = await flows.named(ground, owner.id, line)
    return owner.id, lent.id, (await accounts.workspace_named(ground, guest)).id


for command in (*asking.COMMANDS, *governing.COMMANDS, *filing.COMMANDS, *cluster.COMMANDS):
    main.add_command(command)


# ── demo ─────────────────────────────────────────────────────────────────────────────────────────────


@main.command()
@click.option("--exit", "leave", is_flag=True, help="End after the report instead of keeping the phones up.")
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write the report to this file.")
@click.option("--csv", "csv_file", type=click.Path(path_type=Path), help="Write who got what, and how.")
@click.option("--folder", type=click.Path(path_type=Path), default=Path(".demo"), show_default=True)
@click.option("--contacts", type=click.Path(exists=True, path_type=Path), help="Another list of customers.")
@click.option("--port", type=int, default=8080, show_default=True, help="Port of the server; 0 takes any.")
@click.option("--patience", type=float, default=1.0, help="Stretches or shortens the waits of the cascades.")
@click.option(
    "--empty", is_flag=True, help="A new server beside simulated operators: set it up in a browser."
)
def demo(**options: Any) -> None:
    """Two messages to 2,500 customers over simulated operators: start here."""
    from angarium.demo import Options
    from angarium.demo import run as play

    run(play(Options(**options)))


# ── drill ────────────────────────────────────────────────────────────────────────────────────────────


@main.command()
@click.option("--minutes", type=float, help="How long the load lasts.")
@click.option("--seconds", type=float, help="The same in seconds.  [default: 60]")
@click.option("--rate", type=float, default=50.0, show_default=True, help="Messages a second.")
@click.option("--seed", type=int, default=1, show_default=True, help="Decides load and faults.")
@click.option("--faults", default="all", show_default=True, help="all, none, or names with commas.")
@click.option(
    "--database", default="sqlite", show_default=True, help="sqlite, or URL of an empty PostgreSQL."
)
@click.option(
    "--drain", "drain_s", type=float, default=240.0, show_default=True, help="Seconds to wait after the load."
)
@click.option(
    "--keep", type=click.Path(path_type=Path), help="Leave ledgers, database and logs in this folder."
)
@click.option(
    "--judge", type=click.Path(exists=True, path_type=Path), help="Only judge what --keep left here."
)
@click.option("--json", "as_json", is_flag=True, help="Print the verdict as JSON, and nothing else.")
def drill(
    minutes: float | None,
    seconds: float | None,
    faults: str,
    keep: Path | None,
    judge: Path | None,
    as_json: bool,
    **given: Any,
) -> None:
    """Break a server of its own on purpose, and compare what was promised with what operators got.

    Status 1 when a message was lost, came unasked, or was doubled where it must not be.
    """
    from angarium.drill import command

    out = Console(quiet=as_json)
    if judge is not None:
        sys.exit(run(command.judge(judge, out=out, as_json=as_json)))
    lasts_s = minutes * 60 if minutes else seconds or 60.0
    sys.exit(run(command.drill(lasts_s, faults, keep, out=out, as_json=as_json, **given)))

"""Commands about all servers of a database: how they are doing. They need no server that runs."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import click
from rich.markup import escape

from angarium.terminal import out, run, settings_of, table

if TYPE_CHECKING:
    from angarium.config import Settings
    from angarium.servers.shown import ClusterShown, TurnShown


@click.group()
def cluster() -> None:
    """The servers of a database, and their lines."""


@cluster.command("status")
@click.option("--json", "as_json", is_flag=True, help="As GET /v1/servers tells it, of all workspaces.")
@click.pass_context
def status(context: click.Context, as_json: bool) -> None:
    """Who is there and does what, who owns which line, what is late, and what is wrong."""
    import msgspec

    found: ClusterShown = run(_look(settings_of(context)))
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(found), indent=2))
        return
    _print_servers(found)
    _print_lines(found)
    _print_rest(found)


async def _look(settings: Settings) -> ClusterShown:
    """What the ledger tells. The database is not migrated: an upgrade may be under way."""
    from angarium.accounts import store as accounts
    from angarium.assembly import make_ground
    from angarium.core.problems import Problem
    from angarium.lines.at_hand import Lines
    from angarium.servers import status as look
    from angarium.servers.shown import shown
    from angarium.storage.migrate import has_table

    ground = make_ground(settings)
    await ground.db.start()
    try:
        if not await ground.db.read(has_table, "server"):
            raise Problem("start", "No server has said anything yet", detail="Start one: angarium serve.")
        workspace_ids = [one.id for one in await ground.db.read(accounts.workspaces)]
        lines = Lines(ground)
        await lines.reload(workspace_ids)
        now = ground.clock.now()
        return shown(await ground.db.read(look.look, lines, workspace_ids, settings.fabric, now))
    finally:
        await ground.db.stop()


def _print_servers(found: ClusterShown) -> None:
    rows = table("server", "number", "roles", "version", "started", "seen", "lines")
    for one in found.servers:
        seen = "stopped " if one.stopped_at else ""
        seen += _ago(one.stopped_at or one.seen_at, found.at)
        mark = "green" if one.there else "dim" if one.stopped_at else "red"
        version = f"{one.version} ({one.revision})"
        started = _ago(one.started_at, found.at)
        row = (str(one.number), " ".join(one.roles), version, started, f"[{mark}]{seen}[/]")
        rows.add_row(escape(one.name), *row, str(one.lines))
    out.print(rows)


def _ago(then: str, now: str) -> str:
    """How long before an instant another was, by ISO 8601, so that it fits into a narrow terminal."""
    seconds = (datetime.fromisoformat(now) - datetime.fromisoformat(then)).total_seconds()
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds // size:.0f} {unit} ago"
    return f"{max(0.0, seconds):.0f} s ago"


def _print_lines(found: ClusterShown) -> None:
    rows = table("line", "owner", "epoch", "good for", "how it is", "due", "oldest")
    for one in found.lines:
        sure = "while it runs" if one.good_for_s is None else f"{one.good_for_s} s"
        good = sure if one.owner else ""
        due = ", ".join(f"{lane.due} {name}" for name, lane in one.queue.items())
        oldest = max((lane.oldest_s for lane in one.queue.values()), default=None)
        owner = escape(one.owner) if one.owner else "[red]nobody[/]" if one.wanted else "[dim]off[/]"
        rows.add_row(
            escape(one.name),
            owner,
            str(one.epoch or ""),
            good,
            escape(one.state),
            due,
            "" if oldest is None else f"{oldest} s",
        )
    out.print(rows)


def _nobody(turn: TurnShown) -> str:
    return "being taken" if turn.being_taken else "nobody"


def _print_rest(found: ClusterShown) -> None:
    turns = ", ".join(f"{one.name}: {one.owner or _nobody(one)}" for one in found.turns)
    behind = ", ".join(f"{one.name} {one.behind_s} s" for one in found.followers)
    waits = ", ".join(f"{name} {count}" for name, count in found.waits.items())
    out.print(f"One at a time   {turns or '—'}", highlight=False, soft_wrap=True)
    out.print(f"Behind          {behind}", highlight=False, soft_wrap=True)
    out.print(f"To be written   {waits or '—'}", highlight=False, soft_wrap=True)
    if found.log is not None:
        most = f" of {found.log.max_bytes:,}" if found.log.max_bytes else ""
        told = f"{found.log.entries:,} pieces, {found.log.bytes:,}{most} bytes"
        out.print(f"In the log      {told}", highlight=False, soft_wrap=True)
    out.print(f"Database        {found.revision}; works with {found.least_revision or '?'} or newer")
    for one in found.troubles:
        told = f"[red]✗[/] {escape(one.words)}. [dim]{escape(one.remedy)}[/]"
        out.print(told, highlight=False, soft_wrap=True)
    if not found.troubles:
        out.print("[green]✓[/] All is well.")


COMMANDS = (cluster,)

"""Commands that bring contacts in by file and take them out: import, export."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from angarium.asking import asked, of_a_server
from angarium.terminal import err, out, table

if TYPE_CHECKING:
    from angarium.client import Api

Document = dict[str, Any]

LOOK_EVERY_S = 0.25
BUSY = frozenset({"checking", "running", "undoing"})
PLAIN = frozenset(
    {"external_id", "name", "locale", "time_zone", "tags", "opted_out", "operator_blacklist", "ignore"}
)
SEPARATORS = {"tab": "\t"}


def _target(text: str) -> Document:
    """Where a column goes, as it is written on a command line: phone, field:city, opt_out:promotional."""
    to, *more = text.split(":")
    if to in ("field", "variable"):
        return {"to": to, "name": more[0] if more else "", "kind": more[1] if len(more) > 1 else ""}
    if to == "opt_out":
        return {"to": "opt_out", "message_class": more[0] if more else "promotional"}
    return {"to": to} if to in PLAIN else {"to": "address", "kind": to}


@click.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--map",
    "maps",
    multiple=True,
    metavar="COLUMN=WHERE",
    help="A column by its head or number, and where it goes: external_id, name, phone, email, tags, "
    "field:NAME, field:NAME:KIND, variable:NAME, opt_out:CLASS, ignore … The others go where they seem to "
    "belong.",
)
@click.option("--country", default="", help="Where phones without a country code are: IR, UA, …")
@click.option("--encoding", default="", help="How the text is written, where it is not certain.")
@click.option("--delimiter", default="", help="What stands between cells: , ; | or tab.")
@click.option("--sheet", default="", help="The sheet of a workbook; else the first.")
@click.option(
    "--duplicates", type=click.Choice(("update", "skip", "fail")), default="update", show_default=True
)
@click.option("--taken", type=click.Choice(("fail", "move", "leave")), default="fail", show_default=True,
              help="What becomes of an address that belongs to somebody else.")  # fmt: skip
@click.option("--empty", type=click.Choice(("keep", "clear")), default="keep", show_default=True)
@click.option("--tag", "tags", multiple=True, help="A tag for every contact of the file.")
@click.option("--list", "listed", is_flag=True, help="Keep the list of whom the rows mean, for a campaign.")
@click.option("--check", is_flag=True, help="Check every row and write nothing.")
@click.option(
    "--errors", type=click.Path(path_type=Path), help="Where rows in error go; else beside the file."
)
@click.option("--json", "as_json", is_flag=True, help="As the API answers.")
@of_a_server
def import_(
    url: str, key: str, file: Path, check: bool, errors: Path | None, as_json: bool, **said: Any
) -> None:
    """Import contacts from CSV, TSV or a workbook. Status 1 when rows were not taken."""
    asked(url, key, partial(_import, file=file, check=check, errors=errors, as_json=as_json, said=said))


async def _import(
    api: Api, file: Path, said: Document, *, check: bool, errors: Path | None, as_json: bool
) -> None:
    from urllib.parse import urlencode

    query = urlencode({"file_name": file.name[:200], "country": said["country"]})
    with _bar("sending") as bar:
        task = bar.add_task(file.name, total=file.stat().st_size)  # noqa: ASYNC240  nothing else runs here
        one = await api.send_file(f"/v1/imports?{query}", file, lambda size: bar.advance(task, size))
    path = f"/v1/imports/{one['id']}"
    one = await api.call("PUT", f"{path}/mapping", _mapping(one, said))
    if not as_json:
        _show_columns(one)
    one = await api.call("POST", f"{path}/{'check' if check else 'start'}")
    one = await _follow(api, path)
    failed = one["progress"]["failed"]
    if failed:
        errors = errors or file.with_name(f"{file.stem}-errors.csv")
        await api.fetch_file(f"{path}/errors", errors)
    if as_json:
        out.print_json(data=one)
    else:
        _show_end(one, errors)
    if failed or one["state"] not in ("done", "checked"):
        sys.exit(1)


def _mapping(one: Document, said: Document) -> Document:
    """The mapping of the command line, over what was guessed."""
    given = dict(pair.rpartition("=")[::2] for pair in said["maps"])
    columns = []
    for place, column in enumerate(one["guess"], start=1):
        name = str(column["column"])
        target = given.pop(name, None) or given.pop(str(place), None)
        columns.append({"column": column["column"], **_target(target)} if target else column)
    for name, target in given.items():  # those that are not there: the server says so, with what is
        columns.append({"column": name, **_target(target)})
    mapping: Document = {
        name: said[name] for name in ("country", "encoding", "sheet", "duplicates", "taken", "empty")
    }
    mapping["delimiter"] = SEPARATORS.get(said["delimiter"], said["delimiter"])
    mapping["plus"] = bool(one["mapping"].get("plus"))
    reads_otherwise = bool(said["sheet"] or said["delimiter"])
    return mapping | {
        "columns": [] if reads_otherwise and not said["maps"] else columns,
        "add_tags": list(said["tags"]),
        "list": said["listed"],
    }


def _show_columns(one: Document) -> None:
    rows = table("column", "goes to", "first row")
    first = one["rows"][0] if one["rows"] else []
    for place, column in enumerate(one["mapping"].get("columns", ())):
        words = [column.get(name, "") for name in ("to", "kind", "name", "message_class")]
        cell = first[place] if place < len(first) else ""
        rows.add_row(escape(str(column["column"])), " ".join(word for word in words if word), escape(cell))
    out.print(rows)


async def _follow(api: Api, path: str) -> Document:
    """Show how far it has come, to its end."""
    with _bar("rows") as bar:
        task = bar.add_task("", total=100.0)
        while True:
            one = await api.surely("GET", path)
            progress = one["progress"]
            told = f"{one['state']} {progress['rows_done']:,} of {progress['rows_total']:,}"
            told += f", {progress['rows_per_s']:,.0f}/s"
            bar.update(task, completed=progress["percent"], description=told)
            if one["state"] not in BUSY:
                return one
            await api.rest(LOOK_EVERY_S)


def _bar(what: str) -> Progress:
    words = TextColumn("{task.description}")
    return Progress(TextColumn(what), BarColumn(), words, TimeRemainingColumn(), console=err, transient=True)


def _show_end(one: Document, errors: Path | None) -> None:
    progress = one["progress"]
    counts = ", ".join(f"{progress[name]:,} {name}" for name in ("created", "changed", "skipped", "failed"))
    out.print(f"[bold]{one['state']}[/] {escape(one['reason'])} {counts}".replace("  ", " "), highlight=False)
    if progress["failed"]:
        out.print(
            f"The rows that were not taken are in {escape(str(errors))}: mend them and import it.",
            soft_wrap=True,
        )
    if one["state"] == "done":
        out.print(f"{one['id']} can be undone within 30 days.", highlight=False)


@click.command("export")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--column", "columns", multiple=True, help="external_id, phone, field:city …; else all.")
@click.option("--tag", "tags", multiple=True, help="Only contacts with this tag, or with one of several.")
@click.option("--segment", default="", help="Only members of this segment: its id, seg_….")
@click.option("--encoding", default="utf-8-sig", show_default=True, help="Of a text file.")
@click.option("--delimiter", default=",", show_default=True, help="What stands between cells: , ; | or tab.")
@of_a_server
def export(url: str, key: str, file: Path, **said: Any) -> None:
    """Write contacts into a file: .csv, or .xlsx."""
    asked(url, key, partial(_export, file=file, said=said))


async def _export(api: Api, file: Path, said: Document) -> None:
    wanted = {"columns": list(said["columns"]), **_audience(said)}
    more = {"encoding": said["encoding"], "delimiter": SEPARATORS.get(said["delimiter"], said["delimiter"])}
    kind = "xlsx" if file.suffix.lower() == ".xlsx" else "csv"
    one = await api.call("POST", "/v1/exports", {"format": kind, **wanted, **more})
    path = f"/v1/exports/{one['id']}"
    with _bar("writing") as bar:
        task = bar.add_task("", total=None)
        while one["state"] == "running":
            await api.rest(LOOK_EVERY_S)
            one = await api.surely("GET", path)
            bar.update(task, description=f"{one['rows']:,} contacts")
    if one["state"] != "done":
        err.print(f"[red]{one['state']}[/] {escape(one['reason'])}", highlight=False)
        sys.exit(1)
    await api.fetch_file(f"{path}/file", file)
    await api.call("DELETE", path)
    out.print(f"{one['rows']:,} contacts in {escape(str(file))}", highlight=False)


def _audience(said: Document) -> Document:
    told = {"tags": list(said["tags"]), "segment": said["segment"]}
    told = {name: value for name, value in told.items() if value}
    return {"audience": told} if told else {}


COMMANDS = (import_, export)

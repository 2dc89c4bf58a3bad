"""What was found: medians, the conditions they hold under, and tables for people."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Callable, Sequence
from statistics import median
from typing import Any

import apsw
import msgspec
from rich.console import Console
from rich.table import Table

from angarium import __version__
from bench.report_paths import floor_table, history_table, latency_table
from bench.wording import Measured

ROWS = (  # of the table: what is shown, where it is found, how it is written
    ("messages a second, first request to last receipt recorded", "per_s", ",.0f"),
    ("seconds", "seconds", ".2f"),
    ("seconds until all were accepted", "accepted_s", ".2f"),
    ("request, p50 ms", "latency_p50_ms", ".1f"),
    ("request, p99 ms", "latency_p99_ms", ".1f"),
    ("server, µs of CPU a message", "cpu_us.server", ".0f"),
    ("server, µs of CPU a message, to sum it up afterwards", "sums_cpu_us", ".0f"),
    ("database, µs of CPU a message", "cpu_us.database", ".0f"),
    ("operator, µs of CPU a message", "cpu_us.operator", ".0f"),
    ("client, µs of CPU a message", "cpu_us.client", ".0f"),
    ("cores used by all", "cores_used", ".2f"),
    ("operator busy, of a core", "operator_busy", ".0%"),
    ("client busy, of a core", "client_busy", ".0%"),
    ("server, peak MiB", "server_rss_mib", ".0f"),
    ("bytes of database a message", "database_bytes", ".0f"),
    ("pages that consoles asked for", "pages", ",.0f"),
    ("such a page, p50 ms", "page_p50_ms", ".0f"),
)
START_ROWS = (
    ("ready after, s", "ready_s", ".2f"),
    ("ready after, with no database yet, s", "first_ready_s", ".2f"),
    ("idle, MiB", "idle_rss_mib", ".0f"),
)


FILE_ROWS = (
    ("rows", "rows", ",.0f"),
    ("import, rows a second", "import_per_s", ",.0f"),
    ("server, µs of CPU a row", "server_cpu_us", ".0f"),
    ("reader, µs of CPU a row", "worker_cpu_us", ".0f"),
    ("server grows by, MiB", "server_growth_mib", ".0f"),
    ("reader, peak MiB", "worker_mib", ".0f"),
    ("a message is accepted in, idle, ms", "message_idle_ms", ".1f"),
    ("the same during the import, p50 ms", "message_p50_ms", ".1f"),
    ("the same during the import, p99 ms", "message_p99_ms", ".1f"),
    ("export CSV, contacts a second", "csv_per_s", ",.0f"),
    ("export XLSX, contacts a second", "xlsx_per_s", ",.0f"),
    ("server grows by, exporting, MiB", "export_growth_mib", ".0f"),
    ("writer, peak MiB", "writer_mib", ".0f"),
    ("bytes of SQLite a contact", "database_bytes", ",.0f"),
)


CAMPAIGN_ROWS = (
    ("members", "members", ",.0f"),
    ("members written down a second", "build_per_s", ",.0f"),
    ("members told a second, to the last receipt recorded", "sent_per_s", ",.0f"),
    ("server, µs of CPU a member, to write it down", "build_cpu_us", ".1f"),
    ("server, µs of CPU a member, to tell it", "server_cpu_us", ".0f"),
    ("operator, µs of CPU a member", "operator_cpu_us", ".0f"),
    ("the process beside it, the same", "composer_cpu_us", ".0f"),
    ("server with that process, peak MiB, each by itself (RSS)", "server_peak_mib", ".0f"),
    ("the same at one moment, what is shared once (PSS)", "shared_peak_mib", ".0f"),
    ("the report, ms", "report_ms", ",.0f"),
    ("a page of 100 recipients, median ms", "page_ms", ".0f"),
    ("the slowest of them, ms", "page_most_ms", ".0f"),
    ("a page of those that failed, of whom there are none, ms", "filtered_ms", ".0f"),
)
QUANTILES = ("p50_ms", "p99_ms", "p999_ms")


def conditions(messages: int, runs: int, phones: int, window: int) -> dict[str, Any]:
    """What the figures hold for, and nothing else."""
    return {
        "angarium": __version__,
        "cores": os.cpu_count(),
        "processor": _processor(),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "sqlite": apsw.sqlite_lib_version(),
        "synchronous": "FULL",
        "load_before": round(os.getloadavg()[0], 2),
        "messages": messages,
        "runs": runs,
        "phones": phones,
        "window": window,
    }


def _processor() -> str:
    with open("/proc/cpuinfo") as file:  # noqa: PTH123  a file of the kernel's
        return next((line.partition(":")[2].strip() for line in file if line.startswith("model name")), "")


def medians(runs: Sequence[msgspec.Struct]) -> dict[str, Any]:
    """The median of every figure by itself."""
    return _median([msgspec.to_builtins(run) for run in runs])


def _median(documents: Sequence[dict[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in documents[0].items():
        values = [document.get(name, 0) for document in documents]
        found[name] = _median(values) if isinstance(value, dict) else median(values)
    return found


WIDE = 160  # columns of a table that goes to a file


def print_all(found: dict[str, Any]) -> None:
    """The conditions, the scenarios side by side, the ceilings, and a table for each of the others."""
    out = Console(highlight=False, width=None if sys.stdout.isatty() else WIDE)
    out.print(", ".join(f"{name} {value}" for name, value in found["conditions"].items()))
    if found["scenarios"]:
        out.print(_table(ROWS, {name: one["median"] for name, one in found["scenarios"].items()}))
        _print_counters(out, found["scenarios"])
        for who, per_s in found["ceilings"].items():
            out.print(f"{who} alone: {per_s:,.0f} messages a second")
    for name, draw in TABLES.items():
        if name in found:
            out.print(draw(found[name]))
    for one in found.get("segments", ()):
        out.print(_segments_table(one))


def _workers_table(runs: Sequence[Any]) -> Table:
    """A row for each number of servers that send: medians, and what a message costs beside one alone."""
    table = Table("servers", title="on PostgreSQL, beside one on SQLite; µs of CPU a message")
    who = ("server", "api", "workers", "database", "nats", "operator", "client")
    for column in ("messages a second", *who, "ours", "of it the database", "beside embedded", "bytes"):
        table.add_column(column, justify="right")
    alone = median(one.server_cpu_us for one in runs if not one.workers)
    for count in sorted({one.workers for one in runs}):
        some = [one for one in runs if one.workers == count]
        cpu = [_told(median(one.cpu_us.get(name, 0.0) for one in some)) for name in who]
        ours = median(one.server_cpu_us for one in some)
        table.add_row(
            f"1 for requests, {count} that send" if count else "embedded",
            f"{median(one.per_s for one in some):,.0f}",
            *cpu,
            f"{ours:.0f}",
            f"{median(one.database_share for one in some):.0%}" if count else "",
            f"{ours / alone:.2f}",
            f"{median(one.database_bytes for one in some):,.0f}",
        )
    return table


def _told(cpu_us: float) -> str:
    return f"{cpu_us:.0f}" if cpu_us else ""


def _console_table(found: Any) -> Table:
    """A row for each page."""
    table = Table(
        "page", title=f"{found.contacts:,} contacts, {found.messages:,} messages, load {found.load:.1f}"
    )
    for column in ("status", "median ms", "of CPU", "at most", "kB"):
        table.add_column(column, justify="right")
    for one in found.pages:
        times = (f"{each:.0f}" for each in (one.median_ms, one.cpu_ms, one.worst_ms))
        table.add_row(one.path, str(one.status), *times, f"{one.kilobytes:.0f}")
    return table


def _wording_table(measured: Measured) -> Table:
    """A row for each part of the labelled texts."""
    table = Table("texts", title=f"advertising found by its words, {measured.us_a_text:.0f} µs of CPU a text")
    for column in ("how many", "precision", "recall"):
        table.add_column(column, justify="right")
    for part, one in measured.scores.items():
        table.add_row(part, f"{one.texts:,}", f"{one.precision:.3f}", f"{one.recall:.3f}")
    return table


def _segments_table(found: Any) -> Table:
    """A row for each segment: who is in it, and what counting them takes."""
    crowd = found.crowd
    told = (
        f"{crowd.contacts:,} contacts, {crowd.happened:,} things that happened to them, on {found.database}"
    )
    written = f"a contact written at {crowd.contacts_per_s:,.0f}/s, of which segments {crowd.index_us:.1f} µs"
    through = f"a member gone through in {found.piece_us:.1f} µs, {found.piece_cpu_us:.1f} of CPU"
    happened = f"a thing that happened told in {crowd.tell_us:.1f} µs"
    table = Table("segment", title=f"{told}; {written}; {happened}; {through}; load {found.load:.1f}")
    for name in ("contacts in it", "CPU, ms", "median, ms", "worst, ms"):
        table.add_column(name, justify="right")
    for one in (*found.segments, found.live):
        figures = (one.cpu_ms, one.median_ms, one.worst_ms)
        table.add_row(one.name, f"{one.count:,}", *(f"{figure:,.0f}" for figure in figures))
    return table


def _codes_table(runs: Sequence[Any]) -> Table:
    """A row for each run: how long codes took to the operator, in ms."""
    table = Table("line", "queued by another", "codes", "left", title="codes: ms to the operator's ledger")
    for since in ("request", "accepted"):
        for quantile in ("p50", "p99", "p99.9"):
            table.add_column(f"from {since}, {quantile}", justify="right")
    for run in runs:
        line = f"{run.speed_per_s:g}/s" if run.speed_per_s else "no limit"
        times = [getattr(waits, name) for waits in (run.asked, run.accepted) for name in QUANTILES]
        told = (f"{run.queued:,}", f"{run.codes:,}", f"{run.left:,}", *(f"{ms:,.0f}" for ms in times))
        table.add_row(line, *told)
    return table


def _table(rows: Sequence[tuple[str, str, str]], columns: dict[str, dict[str, Any]]) -> Table:
    table = Table("median", *columns)
    for title, path, form in rows:
        figures = [_at(column, path) for column in columns.values()]
        if any(figure is not None for figure in figures):
            table.add_row(title, *("" if figure is None else format(figure, form) for figure in figures))
    return table


def _at(document: dict[str, Any], path: str) -> float | None:
    """A figure; None where there is no such thing, as of a database that is no process."""
    value: Any = document
    for name in path.split("."):
        value = value.get(name)
    return None if value is None else float(value)


def _print_counters(out: Console, measured: dict[str, Any]) -> None:
    for name, one in measured.items():
        counters = one["median"]["counters"]
        told = ", ".join(f"{what} {value:,.0f}" for what, value in counters.items() if value)
        out.print(f"{name}: {told}")


def _files_table(found: dict[str, Any]) -> Table:
    return _table(FILE_ROWS, {name: one["median"] for name, one in found.items()})


TABLES: dict[str, Callable[[Any], Table]] = {
    "latency": latency_table,
    "floor": lambda found: floor_table(found["median"]),
    "history": history_table,
    "fairness": _codes_table,
    "wording": _wording_table,
    "contacts": _files_table,
    "campaign": lambda found: _table(CAMPAIGN_ROWS, {"campaign": found["median"]}),
    "console": _console_table,
    "workers": _workers_table,
    "startup": lambda found: _table(START_ROWS, {"startup": found["median"]}),
}

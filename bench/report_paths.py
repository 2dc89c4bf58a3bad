"""Tables for people of what the path of a message takes: latency, the floor, a history, other gateways."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.table import Table

FLOOR_ROWS = (
    ("the whole path, server", "whole_us"),
    ("SMPP alone: made, answered, its receipt read and matched", "smpp_us"),
    ("rows alone: the same rows, tables and indexes, as many commits", "rows_us"),
    ("the floor: both", "floor_us"),
)
CONTEST_ROWS = (
    ("messages", "messages", ",.0f"),
    ("messages a second, first request to last receipt", "per_s", ",.0f"),
    ("messages a second accepted", "accepted_per_s", ",.0f"),
    ("request, p50 ms", "latency_p50_ms", ".1f"),
    ("request, p99 ms", "latency_p99_ms", ".1f"),
    ("gateway, µs of CPU a message", "gateway_cpu_us", ",.0f"),
    ("gateway, peak MiB", "memory_mib", ",.0f"),
    ("operator busy, of a core", "operator_busy", ".0%"),
    ("client busy, of a core", "client_busy", ".0%"),
    ("load when it began", "load", ".1f"),
)
QUANTILES = ("p50_ms", "p99_ms", "p999_ms")


def latency_table(courses: Sequence[Any]) -> Table:
    """A row for each course of single requests."""
    table = Table(
        "gateway", "receipts", "offered", "requests", title="ms to the operator's ledger, single requests"
    )
    for since in ("request", "answer"):
        for quantile in ("p50", "p99", "p99.9"):
            table.add_column(f"from {since}, {quantile}", justify="right")
    for column in ("answered, p99", "cores", "load"):
        table.add_column(column, justify="right")
    for one in courses:
        times = [getattr(part, name) for part in (one.asked, one.accepted) for name in QUANTILES]
        table.add_row(
            one.gateway,
            "yes" if one.receipts else "no",
            f"{one.per_s:,.0f}/s" + (f", {one.share:.0%} of the most" if one.share else ""),
            f"{one.requests:,}",
            *(f"{ms:,.1f}" for ms in times),
            f"{one.answered.p99_ms:,.1f}",
            f"{one.cores_used:.2f}",
            f"{one.load:.1f}",
        )
    return table


def floor_table(middle: Mapping[str, Any]) -> Table:
    """The whole path, the floor and what is between them."""
    told = f"µs of CPU a message, {middle['messages']:,} of them; {middle['rows']:.1f} rows a message"
    table = Table("median", title=told)
    table.add_column("", justify="right")
    for title, name in FLOOR_ROWS:
        table.add_row(title, f"{middle[name]:.1f}")
    table.add_row("the whole path, of the floor", f"{middle['ratio']:.2f}")
    return table


def history_table(found: Any) -> Table:
    """The pages, and before them what a history does to the speed."""
    made = f"{found.messages:,} messages to {found.people:,} people, {found.database_bytes / 1e9:.1f} GB"
    speed = f"empty {found.empty_per_s:,.0f}/s, with them {found.aged_per_s:,.0f}/s, {found.share:.0%}"
    table = Table("page", title=f"{made}, made in {found.seconds:,.0f} s: {speed}")
    for column in ("status", "median ms", "at most"):
        table.add_column(column, justify="right")
    for one in found.pages:
        table.add_row(one.path, str(one.status), f"{one.median_ms:.0f}", f"{one.most_ms:.0f}")
    return table


def contest_table(contest: Sequence[Mapping[str, Any]], *, receipts: bool) -> Table:
    """The gateways side by side."""
    some = [one["median"] for one in contest if one["median"]["receipts"] is receipts]
    word = "receipts recorded, or called about" if receipts else "no receipts"
    table = Table("median", title=f"{word}; every run's ledgers are equal to what was sent")
    for one in some:
        table.add_column(one["gateway"], justify="right")
    for title, name, form in CONTEST_ROWS:
        figures = (one[name] for one in [one | _rate(one) for one in some])
        table.add_row(title, *(format(figure, form) for figure in figures))
    processes = sorted({name for one in some for name in one["cpu_us"]})
    for name in processes:
        figures = (one["cpu_us"].get(name) for one in some)
        table.add_row(
            f"  {name}, µs of CPU a message", *("" if one is None else f"{one:,.0f}" for one in figures)
        )
    return table


def _rate(one: Mapping[str, Any]) -> dict[str, float]:
    return {"accepted_per_s": one["messages"] / one["accepted_s"]}


def beside_table(contest: Sequence[Mapping[str, Any]], *, receipts: bool) -> Table:
    """Ours over each of the others: how many times as many messages, and which part of the CPU."""
    some = [one["median"] for one in contest if one["median"]["receipts"] is receipts]
    ours = [one for one in some if one["gateway"].startswith("angarium")]
    table = Table("beside", title="ours: times the messages a second; part of the CPU a message")
    for one in ours:
        table.add_column(one["gateway"], justify="right")
    for other in (one for one in some if one not in ours):
        cells = (
            f"{one['per_s'] / other['per_s']:.1f} ×; {one['gateway_cpu_us'] / other['gateway_cpu_us']:.2f}"
            for one in ours
        )
        table.add_row(other["gateway"], *cells)
    return table

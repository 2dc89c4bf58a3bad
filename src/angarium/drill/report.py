"""The verdict in words."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from rich.console import Console
from rich.table import Table

from angarium.drill.verdict import Verdict


def show(console: Console, verdict: Verdict) -> None:
    """Print it: what is wrong first, then what was counted."""
    found = msgspec.structs.asdict(verdict)
    table = Table(box=None, show_header=False, highlight=False)
    for word, count in verdict.wrong.items():
        named = f"  {', '.join(found[word])}" if count else ""
        table.add_row(word.replace("_", " "), f"{'[red]' if count else ''}{count}{named}")
    table.add_section()
    table.add_row("attempted, promised", f"{verdict.attempted}, {verdict.acked}")
    table.add_row("taken by operators", str(verdict.taken))
    for word in ("states", "not_reached", "doubled", "unknown", "waiting"):
        table.add_row(word.replace("_", " "), _counts(found[word]))
    table.add_row("in flight at faults", f"{verdict.in_flight_at_faults} that may double")
    table.add_row("accepted within", ", ".join(f"{word} {ms:g} ms" for word, ms in verdict.accept_ms.items()))
    table.add_row("all ended after", f"{verdict.drain_s:g} s")
    for one in verdict.recoveries:
        steps = (
            ("ready", one.to_ready_s),
            ("first accept", one.to_accept_s),
            ("first submit", one.to_submit_s),
        )
        told = ", ".join(f"{word} after {seconds:g} s" for word, seconds in steps if seconds is not None)
        table.add_row(f"{one.fault} at {one.began_s:g} s", told)
    console.print(table)
    if verdict.returns:
        console.print(_returns(verdict))
    console.print("[green]passed[/]" if verdict.passed else "[red]failed[/]")


def _returns(verdict: Verdict) -> Table:
    """How long lines were silent, by the operators' ledgers: until the first submission after a fault."""
    table = Table(box=None, highlight=False, title="Lines silent over a fault", title_justify="left")
    for word in ("fault", "times", "lines that felt it", "median", "worst"):
        table.add_column(word, justify="left" if word == "fault" else "right")
    for fault, one in verdict.returns.items():
        times = ("–" if seconds is None else f"{seconds:.1f} s" for seconds in (one.median_s, one.worst_s))
        table.add_row(fault.replace("_", " "), str(one.faults), str(one.lines), *times)
    return table


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {word}" for word, count in counts.items()) or "none"

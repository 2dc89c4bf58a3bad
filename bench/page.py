"""The page of a result: conditions, plots, a table of all that has a median; it needs no other host."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any

from bench.plots import bars, quantiles

HEAD = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Bench</title>
<style>
:root { color-scheme: light dark }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem }
table { border-collapse: collapse; margin: 1rem 0; display: block; overflow-x: auto }
td, th { padding: .2rem .7rem; border-bottom: 1px solid #8884; text-align: right; white-space: nowrap }
td:first-child, th:first-child { text-align: left }
svg { max-width: 100%; height: auto; margin: 1rem 0 }
</style>
"""
WORDS = {"p50_ms": "p50", "p99_ms": "p99", "p999_ms": "p99.9"}


def page(found: Mapping[str, Any]) -> str:
    """All of it."""
    parts = [HEAD, "<h1>Bench</h1>", _table("Conditions", ["", ""], _pairs(found["conditions"]))]
    parts += [drawing for _, drawing in plots(found)]
    parts += tables(found)
    return "\n".join(parts) + "\n</html>\n"


def plots(found: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Each plot that the result has something for, with a name."""
    if found.get("scenarios"):
        some = {name: one["median"] for name, one in found["scenarios"].items()}
        yield "speed", bars("Messages a second", [(name, one["per_s"]) for name, one in some.items()])
        rows = [(name, one["cpu_us"]["server"]) for name, one in some.items()]
        yield "cpu", bars("Server, µs of CPU a message", rows)
    if found.get("contest"):
        yield from _of_contest(found["contest"])
    if found.get("latency"):
        yield from _of_latency(found["latency"])
    if found.get("history"):
        one = found["history"]
        rows = [("empty", one["empty_per_s"]), (f"{one['messages']:,} behind it", one["aged_per_s"])]
        yield "history", bars("Messages a second, by what is behind", rows)
        rows = [(one["path"], one["median_ms"]) for one in one["pages"]]
        yield "history-pages", bars("Pages with a history behind them, ms", rows)
    if found.get("floor"):
        one = found["floor"]["median"]
        words = {"whole_us": "the whole path", "smpp_us": "SMPP alone", "rows_us": "rows alone"}
        rows = [(word, one[name]) for name, word in words.items()]
        yield "floor", bars("µs of CPU a message", rows)


def _of_contest(contest: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    for receipts, word in ((True, "with receipts"), (False, "without receipts")):
        some = [one["median"] for one in contest if one["median"]["receipts"] is receipts]
        if some:
            rows = [(one["gateway"], one["per_s"]) for one in some]
            yield f"speed, {word}", bars(f"Messages a second, {word}", rows)
            rows = [(one["gateway"], one["gateway_cpu_us"]) for one in some]
            yield f"cpu, {word}", bars(f"µs of CPU a message, {word}", rows)


def _of_latency(courses: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    for receipts, word in ((True, "with receipts"), (False, "without receipts")):
        rows = [
            (
                f"{one['gateway']}, {one['per_s']:,.0f}/s",
                {told: one["asked"][name] for name, told in WORDS.items()},
            )
            for one in courses
            if one["receipts"] is receipts
        ]
        if rows:
            yield f"latency, {word}", quantiles(f"From the request to the operator, {word}", rows)


def tables(found: Mapping[str, Any]) -> Iterator[str]:
    """Every median, and what the ceilings are."""
    for name, one in found.get("scenarios", {}).items():
        yield _table(f"{name}: {one['about']}", ["median", ""], _pairs(one["median"]))
    for one in found.get("contest", ()):
        word = "with receipts" if one["median"]["receipts"] else "without receipts"
        title = f"{one['median']['gateway']}, {word} ({one['about']})"
        yield _table(title, ["median", ""], _pairs(one["median"]))
    for one in found.get("latency", ()):
        yield _table(f"{one['gateway']}, {one['per_s']:,.0f} a second", ["", ""], _pairs(one))
    for name in ("floor", "campaign", "startup"):
        if found.get(name):
            yield _table(name, ["median", ""], _pairs(found[name]["median"]))
    if found.get("history"):
        kept = {key: value for key, value in found["history"].items() if not isinstance(value, list)}
        yield _table("history", ["", ""], _pairs(kept))
    if found.get("ceilings"):
        yield _table("Alone, messages a second", ["", ""], _pairs(found["ceilings"]))


def _pairs(document: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, str]]:
    """Each figure with its path."""
    for name, value in document.items():
        if isinstance(value, Mapping):
            yield from _pairs(value, f"{before}{name}.")
        else:
            yield f"{before}{name}", written(value)


def written(value: Any) -> str:
    """A figure as a person reads it."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    return f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:,.2f}"


def _table(title: str, heads: Sequence[str], rows: Iterator[tuple[str, str]]) -> str:
    head = "".join(f"<th>{escape(one)}</th>" for one in heads)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<h2>{escape(title)}</h2>\n<table><tr>{head}</tr>{body}</table>"

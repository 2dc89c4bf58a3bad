"""Plots as SVG, made of nothing but text: bars, and quantiles on a logarithmic axis.

They carry their own style, follow a dark background, and stand by themselves as files.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from html import escape

WIDTH, LEFT, RIGHT = 760, 270, 90  # of the whole, of the names, of the figures
ROW, HEAD, FOOT = 26, 44, 30
COLOURS = ("#2f6fab", "#c0602b", "#4c8c4a", "#8a5aa8")
STYLE = (
    "text{font:13px system-ui,sans-serif;fill:#222}.title{font-weight:600;font-size:15px}"
    ".thin{stroke:#bbb;stroke-width:1}.small{font-size:11px}"
    "@media(prefers-color-scheme:dark){text{fill:#ddd}.thin{stroke:#555}}"
)


def bars(title: str, rows: Sequence[tuple[str, float]], form: str = ",.0f") -> str:
    """A bar for each figure, from nothing to the largest."""
    most = max((value for _, value in rows), default=0.0) or 1.0
    wide = WIDTH - LEFT - RIGHT
    body = []
    for number, (name, value) in enumerate(rows):
        y = HEAD + number * ROW
        length = wide * value / most
        body.append(_name(name, y))
        body.append(f'<rect x="{LEFT}" y="{y + 4}" width="{length:.1f}" height="16" fill="{COLOURS[0]}"/>')
        body.append(f'<text x="{LEFT + length + 6:.1f}" y="{y + 17}">{format(value, form)}</text>')
    return _drawing(title, HEAD + len(rows) * ROW + 10, body)


def quantiles(title: str, rows: Sequence[tuple[str, Mapping[str, float]]], unit: str = "ms") -> str:
    """A row of dots for each thing that took time, on one logarithmic axis."""
    values = [max(value, 0.1) for _, some in rows for value in some.values()] or [1.0]
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values) * 1.01))
    wide = WIDTH - LEFT - RIGHT

    def across(value: float) -> float:
        return LEFT + wide * (math.log10(max(value, 0.1)) - low) / max(1, high - low)

    end = HEAD + len(rows) * ROW
    body = list(_axis(low, high, end, unit, across))
    for number, (name, some) in enumerate(rows):
        y = HEAD + number * ROW
        body.append(_name(name, y))
        for (word, value), colour in zip(some.items(), COLOURS, strict=False):
            told = f"{word} {value:,.1f} {unit}"
            at = f'cx="{across(value):.1f}" cy="{y + 12}" r="5" fill="{colour}"'
            body.append(f"<circle {at}><title>{escape(told)}</title></circle>")
    names = next((list(some) for _, some in rows), [])
    return _drawing(title, end + FOOT, [*body, *_legend(names)])


def _axis(low: int, high: int, end: int, unit: str, across: object) -> Iterator[str]:
    assert callable(across)
    for power in range(low, high + 1):
        x = across(10.0**power)
        yield f'<line class="thin" x1="{x:.1f}" y1="{HEAD}" x2="{x:.1f}" y2="{end}"/>'
        at = f'x="{x:.1f}" y="{end + 16}" text-anchor="middle"'
        yield f'<text class="small" {at}>{10.0**power:g} {unit}</text>'


def _legend(names: Sequence[str]) -> Iterator[str]:
    for number, (name, colour) in enumerate(zip(names, COLOURS, strict=False)):
        x = WIDTH - RIGHT - 70 * (len(names) - number)
        yield f'<circle cx="{x}" cy="32" r="5" fill="{colour}"/>'
        yield f'<text class="small" x="{x + 9}" y="36">{escape(name)}</text>'


def _name(name: str, y: int) -> str:
    return f'<text x="{LEFT - 8}" y="{y + 17}" text-anchor="end">{escape(name)}</text>'


def _drawing(title: str, height: int, body: Sequence[str]) -> str:
    head = f'<text class="title" x="8" y="20">{escape(title)}</text>'
    size = f'viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-label="{escape(title)}">'
        f"<style>{STYLE}</style>{head}{''.join(body)}</svg>"
    )

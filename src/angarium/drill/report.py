"""The verdict in words."""

from __future__ import annotations

import msgspec
from rich.console import Console

from angarium.drill.verdict import Verdict


def show(console: Console, verdict: Verdict) -> None:
    """Print it."""
    for name, value in msgspec.structs.asdict(verdict).items():
        console.print(f"{name:24} {value}", highlight=False)

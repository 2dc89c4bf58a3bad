"""What the command line asks for."""

from __future__ import annotations

from pathlib import Path

import msgspec


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """One drill."""

    seconds: float = 60.0  # of load; draining comes after it
    rate: float = 50.0  # messages a second
    seed: int = 1
    faults: tuple[str, ...] = ()  # names, as in `schedule.FAULTS`
    database: str = "sqlite"  # or a URL of PostgreSQL, whose database is empty
    fabric: str = ""  # postgres or nats: a cluster of its own on a PostgreSQL of its own; "": one server
    namespaces: bool = False  # each server of a cluster as on a machine of its own: machines.py
    drain_s: float = 240.0  # how long messages may take to end after the load
    folder: Path

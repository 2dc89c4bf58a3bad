"""What is on disk: every byte that a database has written, whether it still belongs to a row or not."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from pathlib import Path

from angarium.storage.database import Database
from support.databases import folder_of

SHORT = 6  # bytes: what is sought must be rarer than chance


async def at_rest(database: Database, url: str, sought: Iterable[bytes]) -> list[str]:
    """Where some bytes stand in the files of a database: tables, indexes and what is written ahead.

    PostgreSQL keeps pages in memory until a checkpoint; all that was committed stands in `pg_wal` meanwhile.
    """
    folder = Path(url.partition(":///")[2]).parent
    if database.dialect == "postgresql":
        folder = await folder_of(url)
    return await in_files(folder, sought)


async def in_files(folder: Path, sought: Iterable[bytes]) -> list[str]:
    """Where some bytes stand in the files below a folder, but for the key of the vault."""
    return await asyncio.to_thread(_look, folder, tuple(sought))


def _look(folder: Path, sought: Sequence[bytes]) -> list[str]:
    assert all(len(one) >= SHORT for one in sought)
    found = []
    for path in sorted(folder.rglob("*")):
        try:
            held = path.read_bytes() if path.is_file() and path.suffix != ".key" else b""
        except FileNotFoundError:  # a database lets go of files as it likes
            continue
        found += [f"{path}: {one!r}" for one in sought if one in held]
    return found

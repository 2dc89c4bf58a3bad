"""What is on disk: every byte that a database has written, whether it still belongs to a row or not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from sqlalchemy import text

from angarium.storage.bulk import Statement
from angarium.storage.database import Database, Transaction

SHORT = 6  # bytes: what is sought must be rarer than chance


async def at_rest(database: Database, url: str, sought: Sequence[bytes]) -> list[str]:
    """Where some bytes stand in the files of a database: tables, indexes and what is written ahead.

    PostgreSQL keeps pages in memory until a checkpoint; all that was committed stands in `pg_wal` meanwhile.
    """
    assert all(len(one) >= SHORT for one in sought)
    folder = Path(url.partition(":///")[2]).parent
    if database.dialect == "postgresql":
        folder = Path(await database.read(_data_folder))
    return [f"{path}: {one!r}" for path in files_of(folder) for one in sought if one in path.read_bytes()]


def files_of(folder: Path) -> Iterator[Path]:
    """Every file below a folder that is there when it is looked at, but for the key of the vault."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.suffix != ".key":
            yield path


async def _data_folder(tx: Transaction) -> str:
    row = await tx.row(Statement(text("SELECT current_setting('data_directory')")))
    assert row is not None
    return str(row[0])

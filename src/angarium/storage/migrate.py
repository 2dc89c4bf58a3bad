"""Brings a database to the schema of this version.

A revision is a file `versions/NNNN_words.py`; they form one line. Whether one is pending is asked through our
own driver, so that a server that has nothing to migrate starts without loading Alembic.

To write a revision: change the tables, run `python -m angarium.storage.revise "add the column x"`, read
what it made, and correct it.
"""

from __future__ import annotations

import re

from sqlalchemy import text

from angarium.storage import migrations
from angarium.storage.bulk import Statement
from angarium.storage.database import Transaction, open_database

VERSION_FILE = re.compile(r"(\d{4})_\w+\.py")

_has_table = Statement(
    text("SELECT 1 FROM sqlite_master WHERE name = :name"),
    postgresql=text("SELECT 1 WHERE to_regclass(:name) IS NOT NULL"),
)
_version = Statement(text("SELECT version_num FROM alembic_version"))


def revisions() -> list[str]:
    """Every revision of this version, the oldest first."""
    found = (VERSION_FILE.fullmatch(path.name) for path in (migrations.FOLDER / "versions").iterdir())
    return sorted(match[1] for match in found if match)


async def pending(url: str) -> list[str]:
    """The revisions a database lacks; RuntimeError when it has one that this version does not know."""
    database = open_database(url)
    await database.start()
    try:
        current = await database.read(_current)
    finally:
        await database.stop()
    known = revisions()
    if current is not None and current not in known:
        raise RuntimeError(
            f"the database is at revision {current}, which this version does not know: upgrade it"
        )
    return [revision for revision in known if current is None or revision > current]


async def migrate(url: str) -> list[str]:
    """Bring a database up to date, in one transaction; returns the revisions it lacked."""
    lacking = await pending(url)
    if lacking:
        from angarium.storage.migrations.runner import on_connection, upgrade  # noqa: PLC0415  loads Alembic

        await on_connection(url, upgrade)
    return lacking


async def has_table(tx: Transaction, name: str) -> bool:
    """Whether there is such a table yet."""
    return await tx.row(_has_table, name=name) is not None


async def _current(tx: Transaction) -> str | None:
    if not await has_table(tx, "alembic_version"):
        return None
    row = await tx.row(_version)
    return None if row is None else row[0]

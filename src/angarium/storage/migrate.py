"""Brings a database to the schema of this version.

A revision is a file `versions/NNNN_words.py`; they form one line. Whether one is pending is asked through our
own driver, so that a server that has nothing to migrate starts without loading Alembic.

To write a revision: change the tables, run `python -m angarium.storage.revise "add the column x"`, read
what it made, and correct it.
"""

from __future__ import annotations

import re

import msgspec
import structlog
from sqlalchemy import Column, Table, text

from angarium.core.clock import SystemClock
from angarium.core.problems import Problem
from angarium.storage import migrations
from angarium.storage.bulk import Statement
from angarium.storage.database import Transaction, open_database
from angarium.storage.schema import Words, metadata

log = structlog.get_logger()

LOCKED_TRIES, LOCKED_AGAIN_S = 30, 1.0
VERSION_FILE = re.compile(r"(\d{4})_\w+\.py")

_has_table = Statement(
    text("SELECT 1 FROM sqlite_master WHERE name = :name"),
    postgresql=text("SELECT 1 WHERE to_regclass(:name) IS NOT NULL"),
)
_version = Statement(text("SELECT version_num FROM alembic_version"))
_least = Statement(text("SELECT max(least) FROM migration"))


# Written by `migrations/env.py`; a revision that an older version cannot live with says so (`least`).
migration = Table(
    "migration",
    metadata,
    Column("revision", Words, primary_key=True),
    Column("least", Words, nullable=False),  # the newest revision that a version must know to run here
    sqlite_with_rowid=False,
)


class Standing(msgspec.Struct, frozen=True):
    """The newest revision of a database, and the one that a version must know at least to run on it."""

    revision: str
    least: str


def revisions() -> list[str]:
    """Every revision of this version, the oldest first."""
    found = (VERSION_FILE.fullmatch(path.name) for path in (migrations.FOLDER / "versions").iterdir())
    return sorted(match[1] for match in found if match)


async def pending(url: str) -> list[str]:
    """The revisions a database lacks. A Problem when it has some that this version does not know, and cannot
    live with; it can with those that only add, so that an older version and a newer one run side by side."""
    found = await standing_of(url)
    if found.revision:  # whoever writes the first one knows none
        must_know(found)
    return [revision for revision in revisions() if revision > found.revision]


async def standing_of(url: str) -> Standing:
    """How new a database is that nobody has opened."""
    database = open_database(url)
    await database.start()
    try:
        return await database.read(standing)
    finally:
        await database.stop()


async def newer(url: str) -> str:
    """The revision of a database that is newer than this version, and on which it may run; else ""."""
    found = await standing_of(url)
    return found.revision if found.revision > revisions()[-1] else ""


async def migrate(url: str) -> list[str]:
    """Bring a database up to date, in one transaction; returns the revisions it lacked."""
    lacking = await pending(url)
    if lacking:
        from angarium.storage.migrations.runner import upgraded  # noqa: PLC0415  loads Alembic

        for _ in range(LOCKED_TRIES):
            if await upgraded(url):
                return lacking
            log.warning("a migration waits for what others are doing", revisions=lacking)
            await SystemClock().sleep(LOCKED_AGAIN_S)
        detail = "Something holds its tables for long: look into pg_stat_activity, then start again."
        raise Problem("storage-unavailable", "The database could not be migrated", status=503, detail=detail)
    return lacking


def lives_with(found: Standing) -> bool:
    """Whether a database that is newer than this version says that this version can use it all the same."""
    newest = revisions()[-1]
    return found.revision > newest and "" < found.least <= newest


def must_know(found: Standing) -> None:
    """A Problem when a database cannot be used by this version."""
    newest = revisions()[-1]
    if found.revision > newest and not lives_with(found):
        detail = f"It is at revision {found.revision}, and this version knows {newest}: install a newer one."
        raise Problem("database-newer", "The database is too new for this version", detail=detail)


async def has_table(tx: Transaction, name: str) -> bool:
    """Whether there is such a table yet."""
    return await tx.row(_has_table, name=name) is not None


async def standing(tx: Transaction) -> Standing:
    """How new a database is; "" where that is not known."""
    row = await tx.row(_version) if await has_table(tx, "alembic_version") else None
    least = await tx.row(_least) if row and await has_table(tx, "migration") else None
    return Standing(row[0] if row else "", (least[0] if least else "") or "")

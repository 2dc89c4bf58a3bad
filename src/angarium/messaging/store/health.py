"""How lines are doing: a small row for each minute and hour of a line, and each server that heard."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec
from sqlalchemy import Column, PrimaryKeyConstraint, Table, bindparam, delete, select

from angarium.lines.tallies import Tally
from angarium.storage.bulk import BulkInsert, Statement, among
from angarium.storage.database import Transaction
from angarium.storage.schema import Id, Instant, Words, metadata

line_health = Table(
    "line_health",
    metadata,
    Column("workspace_id", Id, nullable=False),  # the owner of the line
    Column("line_id", Id, nullable=False),
    Column("span", Words, nullable=False),  # m: a minute, h: an hour
    Column("begins", Instant, nullable=False),
    Column("writer", Id, nullable=False),  # the run of a server
    Column("body", Words, nullable=False),
    PrimaryKeyConstraint("workspace_id", "line_id", "span", "begins", "writer"),
    sqlite_with_rowid=False,
)


class Heard(msgspec.Struct, frozen=True):
    """What one server heard of a line in one minute or hour, from `begins` (microseconds) on."""

    workspace_id: int
    line_id: int
    span: str
    begins: int
    tally: Tally


_save = BulkInsert(
    line_health,
    ("workspace_id", "line_id", "span", "begins", "writer", "body"),
    conflict=("workspace_id", "line_id", "span", "begins", "writer"),
    update=("body",),
)
_since = Statement(
    select(line_health.c.line_id, line_health.c.body).where(
        line_health.c.workspace_id == bindparam("workspace_id"),
        among(line_health.c.line_id, "line_ids"),
        line_health.c.span == bindparam("span"),
        line_health.c.begins > bindparam("since"),
    )
)
_forget = Statement(
    delete(line_health).where(
        line_health.c.workspace_id == bindparam("workspace_id"),
        line_health.c.span == bindparam("span"),
        line_health.c.begins < bindparam("before"),
    )
)


async def save(tx: Transaction, writer: int, heard: Iterable[Heard]) -> None:
    """Write what this server has heard so far; its own rows are written over."""
    rows = [
        (one.workspace_id, one.line_id, one.span, one.begins, writer, msgspec.json.encode(one.tally).decode())
        for one in heard
    ]
    await tx.insert(_save, rows)


async def since(
    tx: Transaction, workspace_id: int, line_ids: Sequence[int], span: str, at: int
) -> list[tuple[int, Tally]]:
    """What was heard of these lines since an instant, in minutes or hours that began after it."""
    rows = await tx.rows(_since, workspace_id=workspace_id, line_ids=list(line_ids), span=span, since=at)
    return [(row[0], msgspec.json.decode(row[1], type=Tally)) for row in rows]


async def forget(tx: Transaction, workspace_id: int, span: str, before: int) -> None:
    """Delete what is older than any window."""
    await tx.execute(_forget, workspace_id=workspace_id, span=span, before=before)

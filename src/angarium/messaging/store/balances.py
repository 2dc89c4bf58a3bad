"""What providers say is left on the accounts of lines: a row for each that was asked or is watched."""

from __future__ import annotations

import msgspec
from sqlalchemy import Column, PrimaryKeyConstraint, Table, bindparam, select, update

from angarium.storage.bulk import BulkInsert, Statement
from angarium.storage.database import Row, Transaction
from angarium.storage.schema import Count, Id, Instant, Micros, Words, metadata

line_balance = Table(
    "line_balance",
    metadata,
    Column("workspace_id", Id, nullable=False),  # the owner of the line
    Column("line_id", Id, nullable=False),
    Column("every_s", Count, nullable=False),  # how often the provider is asked
    Column("low_below_micros", Micros),  # below it the balance is low; nothing: never
    Column("micros", Micros),
    Column("currency", Words, nullable=False),
    Column("told_at", Instant),  # when the provider said so
    Column("asked_at", Instant, nullable=False),
    Column("trouble", Words, nullable=False),  # why it said nothing when it was asked last
    Column("low", Count, nullable=False),
    PrimaryKeyConstraint("workspace_id", "line_id"),
    sqlite_with_rowid=False,
)


class Balance(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of the account of a line, and how it is watched."""

    every_s: int
    low_below_micros: int | None = None
    micros: int | None = None
    currency: str = ""
    told_at: int | None = None
    asked_at: int = 0
    trouble: str = ""
    low: bool = False


COLUMNS = Balance.__struct_fields__
_line = line_balance.c
_this = (_line.workspace_id == bindparam("workspace_id"), _line.line_id == bindparam("line_id"))

_begin = BulkInsert(line_balance, ("workspace_id", "line_id", *COLUMNS), conflict="nothing")
_save = BulkInsert(
    line_balance,
    ("workspace_id", "line_id", *COLUMNS),
    conflict=("workspace_id", "line_id"),
    update=COLUMNS,
)
_of = Statement(select(*(_line[name] for name in COLUMNS)).where(*_this))
_all = Statement(
    select(_line.line_id, *(_line[name] for name in COLUMNS)).where(
        _line.workspace_id == bindparam("workspace_id")
    )
)
_hold = Statement(select(*(_line[name] for name in COLUMNS)).where(*_this).with_for_update())
_claim = Statement(
    update(line_balance)
    .where(*_this, _line.asked_at <= bindparam("before"))
    .values(asked_at=bindparam("now"))
)


async def of(tx: Transaction, workspace_id: int, line_id: int) -> Balance | None:
    """What is known of the account of a line."""
    row = await tx.row(_of, workspace_id=workspace_id, line_id=line_id)
    return None if row is None else _read(row)


async def all_of(tx: Transaction, workspace_id: int) -> dict[int, Balance]:
    """What is known of the accounts of all lines of a workspace, by line."""
    return {row[0]: _read(row[1:]) for row in await tx.rows(_all, workspace_id=workspace_id)}


async def held(tx: Transaction, workspace_id: int, line_id: int) -> Balance:
    """The same of one that was begun: nobody else changes it until the end of the transaction."""
    row = await tx.row(_hold, workspace_id=workspace_id, line_id=line_id)
    assert row is not None, "begin it first"
    return _read(row)


async def begin(tx: Transaction, workspace_id: int, line_id: int, one: Balance) -> None:
    """Write a first row; what is there already stays."""
    await tx.insert(_begin, [_row(workspace_id, line_id, one)])


async def save(tx: Transaction, workspace_id: int, line_id: int, one: Balance) -> None:
    """Write what is known; what was known before is written over."""
    await tx.insert(_save, [_row(workspace_id, line_id, one)])


async def claim(tx: Transaction, workspace_id: int, line_id: int, before: int, now: int) -> bool:
    """Whether it is we who ask now: only one server does, and not again before its time."""
    return await tx.execute(_claim, workspace_id=workspace_id, line_id=line_id, before=before, now=now) > 0


def _row(workspace_id: int, line_id: int, one: Balance) -> tuple[object, ...]:
    values = msgspec.structs.asdict(one) | {"low": int(one.low)}
    return (workspace_id, line_id, *(values[name] for name in COLUMNS))


def _read(row: Row) -> Balance:
    found = dict(zip(COLUMNS, row, strict=True))
    return Balance(**found | {"low": bool(found["low"])})

"""The tables of tariffs, of their price lists, and of what the month and open sessions have come to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum

import msgspec
from sqlalchemy import Column, Index, PrimaryKeyConstraint, Table, bindparam, delete, select, update

from angarium.core import kept
from angarium.lines.store import line
from angarium.lines.tariffs import Row
from angarium.storage.bulk import BulkInsert, Statement, among
from angarium.storage.database import Row as DatabaseRow
from angarium.storage.database import Transaction
from angarium.storage.schema import Count, Id, Instant, Words, metadata

tariff = Table(
    "tariff",
    metadata,
    Column("workspace_id", Id, nullable=False),
    Column("id", Id, nullable=False),
    Column("name", Words, nullable=False),
    Column("currency", Words, nullable=False),
    Column("zone", Words, nullable=False),
    Column("counts", Words, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    PrimaryKeyConstraint("workspace_id", "id"),
    Index("tariff_name", "workspace_id", "name", unique=True),
    sqlite_with_rowid=False,
)

# A price list never changes once it is in force: what was billed by it stays explained.
price_list = Table(
    "price_list",
    metadata,
    Column("workspace_id", Id, nullable=False),
    Column("id", Id, nullable=False),
    Column("tariff_id", Id, nullable=False),
    Column("state", Words, nullable=False),
    Column("valid_from", Instant, nullable=False),
    Column("valid_until", Instant),
    Column("rows", Words, nullable=False),
    Column("row_count", Count, nullable=False),
    Column("by", Words, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    PrimaryKeyConstraint("workspace_id", "id"),
    Index("price_list_tariff", "workspace_id", "tariff_id", "id"),
    sqlite_with_rowid=False,
)

# Units billed in a calendar month, by a line or by a tariff of many; the owner's workspace leads.
tariff_volume = Table(
    "tariff_volume",
    metadata,
    Column("workspace_id", Id, nullable=False),
    Column("counted_id", Id, nullable=False),  # a line or a tariff
    Column("month", Words, nullable=False),
    Column("units", Id, nullable=False),
    PrimaryKeyConstraint("workspace_id", "counted_id", "month"),
    sqlite_with_rowid=False,
)

# Sessions that are paid for: until then no message to the address on the line costs anything more.
tariff_session = Table(
    "tariff_session",
    metadata,
    Column("workspace_id", Id, nullable=False),
    Column("line_id", Id, nullable=False),
    Column("class", Words, nullable=False),  # of the row; empty: any
    Column("address", Words, nullable=False),
    Column("until", Instant, nullable=False),
    PrimaryKeyConstraint("workspace_id", "line_id", "class", "address"),
    Index("tariff_session_until", "workspace_id", "until"),
    sqlite_with_rowid=False,
)


class ListState(StrEnum):
    """What has become of a price list."""

    DRAFT = "draft"  # looked at, and not in force
    IN_FORCE = "in_force"  # from `valid_from` on
    WITHDRAWN = "withdrawn"  # taken back before it began


class Tariff(msgspec.Struct, frozen=True):
    """What lines cost. `counts`: the month's volume is that of each `line`, or of the `tariff` as a whole."""

    id: int
    name: str
    currency: str
    zone: str
    counts: str
    created_at: int
    updated_at: int


class PriceList(msgspec.Struct, frozen=True):
    """Prices of a tariff from an instant on; `by`: who put it there. Its rows are read when wanted."""

    id: int
    tariff_id: int
    state: ListState
    valid_from: int
    valid_until: int | None
    row_count: int
    by: str
    created_at: int
    updated_at: int


Counted = tuple[int, str]  # a line or a tariff, and a month
Session = tuple[int, str, str]  # a line, the class of the row, an address

_columns = [tariff.c[name] for name in Tariff.__struct_fields__]
_here = tariff.c.workspace_id == bindparam("workspace_id")
_list_columns = [price_list.c[name] for name in PriceList.__struct_fields__]
_list_here = price_list.c.workspace_id == bindparam("workspace_id")
_save = BulkInsert(
    tariff,
    ("workspace_id", *Tariff.__struct_fields__),
    conflict=("workspace_id", "id"),
    update=("name", "currency", "zone", "counts", "updated_at"),
)
_all = Statement(select(*_columns).where(_here).order_by(tariff.c.id))
_one = Statement(select(*_columns).where(_here, tariff.c.id == bindparam("tariff_id")))
_held = Statement(select(*_columns).where(_here, tariff.c.id == bindparam("tariff_id")).with_for_update())
_named = Statement(select(*_columns).where(_here, tariff.c.name == bindparam("name")))
_drop = Statement(delete(tariff).where(_here, tariff.c.id == bindparam("tariff_id")))
_drop_lists = Statement(
    delete(price_list).where(_list_here, price_list.c.tariff_id == bindparam("tariff_id"))
)
_users = Statement(
    select(line.c.name)
    .where(line.c.workspace_id == bindparam("workspace_id"), line.c.tariff == bindparam("name"))
    .order_by(line.c.id)
)
_rename_in_lines = Statement(
    update(line)
    .where(line.c.workspace_id == bindparam("workspace_id"), line.c.tariff == bindparam("before"))
    .values(tariff=bindparam("after"))
)
_save_list = BulkInsert(price_list, ("workspace_id", *PriceList.__struct_fields__, "rows"))
_set_list = Statement(
    update(price_list)
    .where(_list_here, price_list.c.id == bindparam("list_id"))
    .values(
        state=bindparam("new_state"),
        valid_from=bindparam("begins"),
        by=bindparam("who"),
        updated_at=bindparam("now"),
    )
)
_lists = Statement(
    select(*_list_columns)
    .where(_list_here, price_list.c.tariff_id == bindparam("tariff_id"))
    .order_by(price_list.c.id)
)
_one_list = Statement(
    select(*_list_columns).where(
        _list_here, price_list.c.tariff_id == bindparam("tariff_id"), price_list.c.id == bindparam("list_id")
    )
)
_drop_list = Statement(delete(price_list).where(_list_here, price_list.c.id == bindparam("list_id")))
_in_force = Statement(
    select(*_list_columns).where(_list_here, price_list.c.state == "in_force").order_by(price_list.c.id)
)
_rows = Statement(
    select(price_list.c.id, price_list.c.rows).where(_list_here, among(price_list.c.id, "list_ids"))
)
_count = BulkInsert(
    tariff_volume,
    ("workspace_id", "counted_id", "month", "units"),
    conflict=("workspace_id", "counted_id", "month"),
    add=("units",),
    returning=("counted_id", "month", "units"),
)
_volumes = Statement(
    select(tariff_volume.c.counted_id, tariff_volume.c.month, tariff_volume.c.units).where(
        tariff_volume.c.workspace_id == bindparam("workspace_id"),
        among(tariff_volume.c.month, "months"),
    )
)
_begin_sessions = BulkInsert(
    tariff_session, ("workspace_id", "line_id", "class", "address", "until"), conflict="nothing"
)
_sessions_here = (
    tariff_session.c.workspace_id == bindparam("workspace_id"),
    among(tariff_session.c.line_id, "line_ids"),
    among(tariff_session.c.address, "addresses"),
)
_session_columns = [tariff_session.c[name] for name in ("line_id", "class", "address", "until")]
_held_sessions = Statement(
    select(*_session_columns)
    .where(*_sessions_here)
    .order_by(tariff_session.c.line_id, tariff_session.c["class"], tariff_session.c.address)
    .with_for_update()
)
_seen_sessions = Statement(select(*_session_columns).where(*_sessions_here))
_keep_sessions = BulkInsert(
    tariff_session,
    ("workspace_id", "line_id", "class", "address", "until"),
    conflict=("workspace_id", "line_id", "class", "address"),
    update=("until",),
)
_forget_sessions = Statement(
    delete(tariff_session).where(
        tariff_session.c.workspace_id == bindparam("workspace_id"),
        tariff_session.c.until < bindparam("before"),
    )
)


async def save(tx: Transaction, workspace_id: int, one: Tariff) -> None:
    """Write a new tariff or what it is now; Conflict when the name is taken."""
    await tx.insert(_save, [(workspace_id, *msgspec.structs.astuple(one))])


async def all_of(tx: Transaction, workspace_id: int) -> list[Tariff]:
    """The tariffs of a workspace, oldest first."""
    return [Tariff(*row) for row in await tx.rows(_all, workspace_id=workspace_id)]


async def by_id(tx: Transaction, workspace_id: int, tariff_id: int, *, hold: bool = False) -> Tariff | None:
    """One tariff; with `hold` its row is held to the end of the transaction."""
    row = await tx.row(_held if hold else _one, workspace_id=workspace_id, tariff_id=tariff_id)
    return None if row is None else Tariff(*row)


async def by_name(tx: Transaction, workspace_id: int, name: str) -> Tariff | None:
    """One tariff."""
    row = await tx.row(_named, workspace_id=workspace_id, name=name)
    return None if row is None else Tariff(*row)


async def remove(tx: Transaction, workspace_id: int, tariff_id: int) -> None:
    """Delete a tariff with its price lists; what was billed by it stays as it is."""
    await tx.execute(_drop_lists, workspace_id=workspace_id, tariff_id=tariff_id)
    await tx.execute(_drop, workspace_id=workspace_id, tariff_id=tariff_id)


async def users(tx: Transaction, workspace_id: int, name: str) -> list[str]:
    """The names of the lines that name a tariff."""
    return [row[0] for row in await tx.rows(_users, workspace_id=workspace_id, name=name)]


async def rename_in_lines(tx: Transaction, workspace_id: int, before: str, after: str) -> None:
    """Let lines name a tariff as it is called now; nothing else of them changes."""
    await tx.execute(_rename_in_lines, workspace_id=workspace_id, before=before, after=after)


# ── price lists ──────────────────────────────────────────────────────────────────────────────────────


async def add_list(tx: Transaction, workspace_id: int, one: PriceList, rows: Sequence[Row]) -> None:
    """Write a new price list."""
    text = msgspec.json.encode(rows).decode()
    await tx.insert(_save_list, [(workspace_id, *_list_values(one), text)])


def _list_values(one: PriceList) -> tuple[object, ...]:
    values = msgspec.structs.astuple(one)
    return (*values[:2], one.state.value, *values[3:])


async def set_list(
    tx: Transaction, workspace_id: int, list_id: int, state: ListState, valid_from: int, by: str, now: int
) -> None:
    """Write what has become of a price list."""
    values = {"new_state": state.value, "begins": valid_from, "who": by, "now": now}
    await tx.execute(_set_list, workspace_id=workspace_id, list_id=list_id, **values)


async def lists(tx: Transaction, workspace_id: int, tariff_id: int) -> list[PriceList]:
    """The price lists of a tariff, oldest first."""
    rows = await tx.rows(_lists, workspace_id=workspace_id, tariff_id=tariff_id)
    return [_read_list(row) for row in rows]


async def one_list(tx: Transaction, workspace_id: int, tariff_id: int, list_id: int) -> PriceList | None:
    """One price list of a tariff."""
    row = await tx.row(_one_list, workspace_id=workspace_id, tariff_id=tariff_id, list_id=list_id)
    return None if row is None else _read_list(row)


async def drop_list(tx: Transaction, workspace_id: int, list_id: int) -> None:
    """Delete a draft."""
    await tx.execute(_drop_list, workspace_id=workspace_id, list_id=list_id)


async def in_force(tx: Transaction, workspace_id: int) -> list[PriceList]:
    """Every price list of a workspace that is in force or will be, oldest first."""
    return [_read_list(row) for row in await tx.rows(_in_force, workspace_id=workspace_id)]


async def rows_of(tx: Transaction, workspace_id: int, list_ids: Sequence[int]) -> dict[int, tuple[Row, ...]]:
    """The rows of price lists, by list."""
    if not list_ids:
        return {}
    found = await tx.rows(_rows, workspace_id=workspace_id, list_ids=list(list_ids))
    return {row[0]: kept.read(row[1], tuple[Row, ...]) for row in found}


def _read_list(row: DatabaseRow) -> PriceList:
    return PriceList(row[0], row[1], ListState(row[2]), *row[3:])


# ── what the month and sessions have come to ─────────────────────────────────────────────────────────


async def count(tx: Transaction, workspace_id: int, units: Mapping[Counted, int]) -> dict[Counted, int]:
    """Add units to the month; what each had come to before. Whoever counts the same waits for the commit."""
    rows = [(workspace_id, *counted, more) for counted, more in sorted(units.items())]
    after = await tx.insert(_count, rows)
    return {(row[0], row[1]): row[2] - units[row[0], row[1]] for row in after}


async def volumes(tx: Transaction, workspace_id: int, months: Sequence[str]) -> dict[Counted, int]:
    """What the lines and tariffs of a workspace have come to in these months."""
    rows = await tx.rows(_volumes, workspace_id=workspace_id, months=list(months))
    return {(row[0], row[1]): row[2] for row in rows}


async def hold_sessions(tx: Transaction, workspace_id: int, wanted: Sequence[Session]) -> dict[Session, int]:
    """Until when sessions are paid for, 0 for a new one; their rows held to the end of the transaction."""
    await tx.insert(_begin_sessions, [(workspace_id, *one, 0) for one in sorted(set(wanted))])
    return await _sessions(tx, _held_sessions, workspace_id, wanted)


async def sessions(tx: Transaction, workspace_id: int, wanted: Sequence[Session]) -> dict[Session, int]:
    """Until when sessions are paid for, only to be looked at."""
    return await _sessions(tx, _seen_sessions, workspace_id, wanted)


async def _sessions(
    tx: Transaction, statement: Statement, workspace_id: int, wanted: Sequence[Session]
) -> dict[Session, int]:
    given = {
        "line_ids": sorted({one[0] for one in wanted}),
        "addresses": sorted({one[2] for one in wanted}),
    }
    rows = await tx.rows(statement, workspace_id=workspace_id, **given)
    return {(row[0], row[1], row[2]): row[3] for row in rows}


async def keep_sessions(tx: Transaction, workspace_id: int, until: Mapping[Session, int]) -> None:
    """Write until when sessions are paid for."""
    await tx.insert(_keep_sessions, [(workspace_id, *one, at) for one, at in sorted(until.items())])


async def forget_sessions(tx: Transaction, workspace_id: int, before: int) -> int:
    """Delete sessions that ended before an instant; how many there were."""
    return await tx.execute(_forget_sessions, workspace_id=workspace_id, before=before)

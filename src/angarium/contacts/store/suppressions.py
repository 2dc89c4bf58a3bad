"""The suppression list: an address, as a keyed hash and as far as it may be known in clear, and why.

It is looked up by the hash alone, so that an entry outlives the person whose address it is about.

Entries that are alike but for the address (reason, kind, source and line) are a group, and stand together in
an index. A list has few groups, however long it is: a filter picks some of them, and reads only these.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from heapq import merge
from itertools import islice
from typing import Any

import msgspec
from sqlalchemy import (
    Column,
    Index,
    PrimaryKeyConstraint,
    Table,
    and_,
    bindparam,
    delete,
    func,
    or_,
    select,
    update,
)

from angarium.contacts.store import ids_by_address, look_again
from angarium.contacts.store.tables import address
from angarium.contacts.suppression import Suppressed, Why
from angarium.core.values import AddressKind
from angarium.storage.bulk import BulkInsert, Statement, among
from angarium.storage.database import Row, Transaction
from angarium.storage.schema import Id, Instant, Words, metadata

suppression = Table(
    "suppression",
    metadata,
    Column("workspace_id", Id, nullable=False),
    Column("hash", Words, nullable=False),
    Column("line_id", Id, nullable=False),  # 0: every line
    Column("reason", Words, nullable=False),
    Column("id", Id, nullable=False),
    Column("kind", Words, nullable=False),
    Column("value", Words, nullable=False),  # empty once the person has been erased
    Column("source", Words, nullable=False),
    Column("detail", Words, nullable=False),
    Column("actor", Words, nullable=False),
    Column("batch", Id, nullable=False),  # the import that named it last; 0 for none
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),  # 0: never
    PrimaryKeyConstraint("workspace_id", "hash", "line_id", "reason"),
    Index("suppression_id", "workspace_id", "id", unique=True),
    Index("suppression_group", "workspace_id", "reason", "kind", "source", "line_id", "id"),
    sqlite_with_rowid=False,
)


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One row: an address that is not written to. `value` is empty once the person has been erased."""

    hash: str
    why: Why
    id: int
    kind: AddressKind
    value: str
    line_id: int = 0
    source: str
    detail: str = ""
    actor: str = ""
    batch: int = 0
    created_at: int
    expires_at: int = 0


class Filter(msgspec.Struct, frozen=True):
    """Which entries; empty means any. `line_id` None: of all."""

    reason: str = ""
    kind: str = ""
    source: str = ""
    line_id: int | None = None

    def fits(self, group: Row) -> bool:
        """Whether it takes a group: reason, kind, source and line."""
        asked = (self.reason or None, self.kind or None, self.source or None, self.line_id)
        return all(one is None or one == other for one, other in zip(asked, group, strict=True))


COLUMNS = (
    "workspace_id",
    "hash",
    "line_id",
    "reason",
    "id",
    "kind",
    "value",
    "source",
    "detail",
    "actor",
    "batch",
    "created_at",
    "expires_at",
)
KEY = ("workspace_id", "hash", "line_id", "reason")
GROUP = ("reason", "kind", "source", "line_id")
GROUPS_MAX = 500  # a list of more is read by its ids alone, from one end to the other
_columns = [suppression.c[name] for name in COLUMNS[1:]]
_here = suppression.c.workspace_id == bindparam("workspace_id")
_put = BulkInsert(suppression, COLUMNS, conflict=KEY, update=COLUMNS[6:11] + COLUMNS[12:])
_add = BulkInsert(suppression, COLUMNS, conflict="nothing", returning=("hash",))
_of_hashes = Statement(
    select(suppression.c.hash, suppression.c.reason, suppression.c.line_id, suppression.c.expires_at).where(
        _here, among(suppression.c.hash, "hashes")
    )
)
_entries_of = Statement(select(*_columns).where(_here, among(suppression.c.hash, "hashes")))
_any = Statement(select(suppression.c.hash).where(_here).limit(1))
_by_id = Statement(select(*_columns).where(_here, suppression.c.id == bindparam("id")))
_remove = Statement(delete(suppression).where(_here, among(suppression.c.id, "ids")))
_forget = Statement(
    update(suppression).where(_here, among(suppression.c.hash, "hashes")).values(value="", detail="")
)
_left_behind = Statement(
    select(suppression.c.id, suppression.c.kind, suppression.c.value)
    .where(
        _here,
        suppression.c.reason == bindparam("reason"),
        suppression.c.line_id == bindparam("line_id"),
        suppression.c.source == bindparam("source"),
        suppression.c.batch != bindparam("batch"),
    )
    .limit(bindparam("limit"))
)


def _matches(name: str) -> Any:
    return or_(bindparam(name) == "", suppression.c[name] == bindparam(name))


_page = Statement(
    select(*_columns)
    .where(
        and_(
            _here,
            suppression.c.id > bindparam("after"),
            *map(_matches, ("reason", "kind", "source")),
            or_(bindparam("line_id", type_=Id) < 0, suppression.c.line_id == bindparam("line_id", type_=Id)),
        )
    )
    .order_by(suppression.c.id)
    .limit(bindparam("limit"))
)


def _groups() -> Any:
    """Each group, found from the one before it: as many steps as there are groups, and few seeks a step."""
    first, before, following = (suppression.alias(name) for name in ("first", "before", "following"))

    def lowest(one: Any, *wanted: Any) -> Any:
        return (
            select(one.c.id)
            .where(one.c.workspace_id == bindparam("workspace_id"), *wanted)
            .order_by(*(one.c[name] for name in (*GROUP, "id")))
            .limit(1)
            .scalar_subquery()
        )

    # One column further, the ones before it the same: the last of them first. (A comparison of whole rows
    # would do, but SQLite goes by its first column alone where the other row is not constant.)
    ways = [
        lowest(
            following,
            *(following.c[name] == before.c[name] for name in GROUP[:place]),
            following.c[GROUP[place]] > before.c[GROUP[place]],
        ).correlate(before)
        for place in reversed(range(len(GROUP)))
    ]
    step = select(lowest(first).label("id")).cte("step", recursive=True)
    step = step.union_all(
        select(func.coalesce(*ways)).where(
            before.c.workspace_id == bindparam("workspace_id"), before.c.id == step.c.id
        )
    )
    its = and_(_here, suppression.c.id == step.c.id)
    return (  # an outer join, so that SQLite does not begin with the whole list
        select(*(suppression.c[name] for name in GROUP))
        .select_from(step.outerjoin(suppression, its))
        .where(step.c.id.is_not(None))
        .limit(bindparam("limit"))
    )


_all_groups = Statement(_groups())
_of_group = Statement(
    select(*_columns)
    .where(
        _here,
        *(suppression.c[name] == bindparam(name) for name in GROUP),
        suppression.c.id > bindparam("after"),
    )
    .order_by(suppression.c.id)
    .limit(bindparam("limit"))
)
_flag = Statement(
    update(address)
    .where(
        address.c.workspace_id == bindparam("workspace_id"),
        address.c.kind == bindparam("kind"),
        among(address.c.value, "values"),
    )
    .values(operator_blacklist=bindparam("flag"))
)


async def put(tx: Transaction, workspace_id: int, entries: Sequence[Entry]) -> None:
    """Write entries; one that is there is written over, and keeps its id and the time it was made."""
    await tx.insert(_put, [_row(workspace_id, one) for one in entries])


async def add(tx: Transaction, workspace_id: int, entries: Sequence[Entry]) -> set[str]:
    """Write entries that are not there yet; the hashes of those that were not."""
    return {row[0] for row in await tx.insert(_add, [_row(workspace_id, one) for one in entries])}


async def of_hashes(
    tx: Transaction, workspace_id: int, hashes: Iterable[str]
) -> dict[str, tuple[Suppressed, ...]]:
    """What is known against writing to addresses, by their hashes."""
    found: dict[str, tuple[Suppressed, ...]] = {}
    wanted = list(set(hashes))
    if not wanted:
        return found
    for row in await tx.rows(_of_hashes, workspace_id=workspace_id, hashes=wanted):
        found[row[0]] = (*found.get(row[0], ()), Suppressed(Why(row[1]), row[2], row[3]))
    return found


async def entries_of(tx: Transaction, workspace_id: int, hashes: Iterable[str]) -> list[Entry]:
    """The entries of addresses, whole."""
    rows = await tx.rows(_entries_of, workspace_id=workspace_id, hashes=list(set(hashes)))
    return [_read(row) for row in rows]


async def are_there_any(tx: Transaction, workspace_id: int) -> bool:
    """Whether a workspace has a list at all."""
    return await tx.row(_any, workspace_id=workspace_id) is not None


async def by_id(tx: Transaction, workspace_id: int, entry_id: int) -> Entry | None:
    """One entry."""
    row = await tx.row(_by_id, workspace_id=workspace_id, id=entry_id)
    return None if row is None else _read(row)


async def page(tx: Transaction, workspace_id: int, wanted: Filter, after: int, limit: int) -> list[Entry]:
    """Entries that fit, in the order of their ids."""
    if wanted != Filter():
        groups = await tx.rows(_all_groups, workspace_id=workspace_id, limit=GROUPS_MAX + 1)
        if len(groups) <= GROUPS_MAX:
            chosen = [group for group in groups if wanted.fits(group)]
            return await _of_groups(tx, workspace_id, chosen, after, limit)
    rows = await tx.rows(
        _page,
        workspace_id=workspace_id,
        after=after,
        limit=limit,
        reason=wanted.reason,
        kind=wanted.kind,
        source=wanted.source,
        line_id=-1 if wanted.line_id is None else wanted.line_id,
    )
    return [_read(row) for row in rows]


async def _of_groups(
    tx: Transaction, workspace_id: int, groups: Iterable[Row], after: int, limit: int
) -> list[Entry]:
    each = []
    for group in groups:
        alike = dict(zip(GROUP, group, strict=True))
        rows = await tx.rows(_of_group, workspace_id=workspace_id, after=after, limit=limit, **alike)
        each.append([_read(row) for row in rows])
    return list(islice(merge(*each, key=lambda one: one.id), limit))


async def remove(tx: Transaction, workspace_id: int, ids: Sequence[int]) -> int:
    """Take entries off the list; how many there were."""
    return await tx.execute(_remove, workspace_id=workspace_id, ids=list(ids))


async def left_behind(
    tx: Transaction, workspace_id: int, why: Why, line_id: int, source: str, batch: int, limit: int
) -> list[tuple[int, AddressKind, str]]:
    """Entries of a list that its newest import did not name: id, kind and value."""
    rows = await tx.rows(
        _left_behind,
        workspace_id=workspace_id,
        reason=why.value,
        line_id=line_id,
        source=source,
        batch=batch,
        limit=limit,
    )
    return [(row[0], AddressKind(row[1]), row[2]) for row in rows]


async def forget_values(tx: Transaction, workspace_id: int, hashes: Iterable[str]) -> None:
    """Keep only the hashes of addresses, when their person is erased."""
    await tx.execute(_forget, workspace_id=workspace_id, hashes=list(set(hashes)))


async def flag(
    tx: Transaction, workspace_id: int, kind: AddressKind, values: Sequence[str], *, listed: bool
) -> None:
    """Write what the list says of the operators' blacklist onto the addresses that contacts have."""
    await tx.execute(_flag, workspace_id=workspace_id, kind=kind.value, values=list(values), flag=int(listed))
    owners = await ids_by_address(tx, workspace_id, kind, values)
    await look_again(tx, workspace_id, set(owners.values()))


def _row(workspace_id: int, one: Entry) -> tuple[Any, ...]:
    return (
        workspace_id,
        one.hash,
        one.line_id,
        one.why.value,
        one.id,
        one.kind.value,
        one.value,
        one.source,
        one.detail,
        one.actor,
        one.batch,
        one.created_at,
        one.expires_at,
    )


def _read(row: Row) -> Entry:
    return Entry(
        hash=row[0],
        line_id=row[1],
        why=Why(row[2]),
        id=row[3],
        kind=AddressKind(row[4]),
        value=row[5],
        source=row[6],
        detail=row[7],
        actor=row[8],
        batch=row[9],
        created_at=row[10],
        expires_at=row[11],
    )

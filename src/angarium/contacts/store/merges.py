"""The journal of merges, which is also how an old id and an old name lead to the contact that stayed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from sqlalchemy import Column, Index, PrimaryKeyConstraint, Table, bindparam, or_, select, text

from angarium.contacts.store import Contact, by_ids
from angarium.contacts.store import standings as standings_of
from angarium.contacts.store.tables import contact
from angarium.core.values import Standing
from angarium.storage.bulk import BulkInsert, BulkUpdate, Statement, among
from angarium.storage.database import Row, Transaction
from angarium.storage.schema import Id, Instant, Words, metadata

contact_merge = Table(
    "contact_merge",
    metadata,
    Column("workspace_id", Id, nullable=False),
    Column("id", Id, nullable=False),
    Column("survivor_id", Id, nullable=False),
    Column("merged_id", Id, nullable=False),
    Column("old_external_id", Words, nullable=False),  # of the merged one, when the other keeps its own
    Column("before", Words, nullable=False),  # both contacts and what they became, whole
    Column("moved", Words, nullable=False),  # table -> ids of the rows that went over
    Column("why", Words, nullable=False),
    Column("merged_at", Instant, nullable=False),
    Column("merged_by", Words, nullable=False),
    Column("undone_at", Instant, nullable=False),  # 0: it stands
    Column("undone_by", Words, nullable=False),
    PrimaryKeyConstraint("workspace_id", "id"),
    Index("contact_merge_survivor", "workspace_id", "survivor_id", "id"),
    sqlite_with_rowid=False,
)
STANDS, OLD_NAME = text("undone_at = 0"), text("undone_at = 0 AND old_external_id <> ''")
Index(
    "contact_merge_merged",
    contact_merge.c.workspace_id,
    contact_merge.c.merged_id,
    unique=True,
    sqlite_where=STANDS,
    postgresql_where=STANDS,
)
Index(
    "contact_merge_old_name",
    contact_merge.c.workspace_id,
    contact_merge.c.old_external_id,
    unique=True,
    sqlite_where=OLD_NAME,
    postgresql_where=OLD_NAME,
)

# Pairs of which a person has said that they are two people.
contact_apart = Table(
    "contact_apart",
    metadata,
    Column("workspace_id", Id, nullable=False),
    Column("low_id", Id, nullable=False),
    Column("high_id", Id, nullable=False),
    Column("said_at", Instant, nullable=False),
    Column("said_by", Words, nullable=False),
    PrimaryKeyConstraint("workspace_id", "low_id", "high_id"),
    Index("contact_apart_high", "workspace_id", "high_id"),
    sqlite_with_rowid=False,
)


class Whole(msgspec.Struct, frozen=True):
    """Both contacts before a merge, and the one that it made."""

    survivor: Contact
    merged: Contact
    made: Contact


class Merge(msgspec.Struct, frozen=True):
    """One merge as it is kept."""

    id: int
    survivor_id: int
    merged_id: int
    old_external_id: str
    before: Whole
    moved: dict[str, list[int]]
    why: str
    merged_at: int
    merged_by: str
    undone_at: int = 0
    undone_by: str = ""


COLUMNS = ("workspace_id", *Merge.__struct_fields__)
CHAIN_MAX = 64  # merges one after the other that an old id is followed through
_columns = [contact_merge.c[name] for name in Merge.__struct_fields__]
_here = contact_merge.c.workspace_id == bindparam("workspace_id")
_insert = BulkInsert(contact_merge, COLUMNS)
_undo = BulkUpdate(
    contact_merge,
    match=("workspace_id", "id"),
    set=("undone_at", "undone_by"),
    where=contact_merge.c.undone_at == 0,
)
_by_id = Statement(select(*_columns).where(_here, contact_merge.c.id == bindparam("id")))
_page = Statement(
    select(*_columns)
    .where(_here, contact_merge.c.id > bindparam("after"))
    .order_by(contact_merge.c.id)
    .limit(bindparam("limit"))
)
_of_contact = Statement(
    select(*_columns)
    .where(
        _here,
        contact_merge.c.id > bindparam("after"),
        or_(
            contact_merge.c.survivor_id == bindparam("contact_id"),
            contact_merge.c.merged_id == bindparam("contact_id"),
        ),
    )
    .order_by(contact_merge.c.id)
    .limit(bindparam("limit"))
)
_survivors = Statement(
    select(contact_merge.c.merged_id, contact_merge.c.survivor_id).where(
        _here, among(contact_merge.c.merged_id, "ids"), contact_merge.c.undone_at == 0
    )
)
_old_names = Statement(
    select(contact_merge.c.old_external_id, contact_merge.c.survivor_id).where(
        _here,
        among(contact_merge.c.old_external_id, "names"),
        contact_merge.c.undone_at == 0,
        contact_merge.c.old_external_id != "",
    )
)
_standing_over = Statement(
    select(contact_merge.c.id).where(
        _here, contact_merge.c.merged_id == bindparam("contact_id"), contact_merge.c.undone_at == 0
    )
)
_hold = Statement(
    select(contact.c.id)
    .where(contact.c.workspace_id == bindparam("workspace_id"), among(contact.c.id, "ids"))
    .order_by(contact.c.id)
    .with_for_update()
)
_part = BulkInsert(contact_apart, tuple(contact_apart.columns.keys()), conflict="nothing")
_apart = Statement(
    select(contact_apart.c.low_id, contact_apart.c.high_id).where(
        contact_apart.c.workspace_id == bindparam("workspace_id"), among(contact_apart.c.low_id, "ids")
    )
)


async def insert(tx: Transaction, workspace_id: int, one: Merge) -> None:
    """Write a merge into the journal; a Conflict when the merged one is merged already."""
    moved, before = msgspec.json.encode(one.moved).decode(), msgspec.json.encode(one.before).decode()
    ids = (workspace_id, one.id, one.survivor_id, one.merged_id, one.old_external_id)
    told = (one.why, one.merged_at, one.merged_by, one.undone_at, one.undone_by)
    await tx.insert(_insert, [(*ids, before, moved, *told)])


async def undo(tx: Transaction, workspace_id: int, merge_id: int, now: int, actor: str) -> bool:
    """Note that a merge stands no more; False when it did not."""
    return await tx.update(_undo, [(workspace_id, merge_id, now, actor)]) > 0


async def get(tx: Transaction, workspace_id: int, merge_id: int) -> Merge | None:
    """One merge."""
    row = await tx.row(_by_id, workspace_id=workspace_id, id=merge_id)
    return None if row is None else _read(row)


async def page(tx: Transaction, workspace_id: int, contact_id: int, after: int, limit: int) -> list[Merge]:
    """Merges in the order in which they were made; those of one contact when it is not 0."""
    if contact_id:
        rows = await tx.rows(
            _of_contact, workspace_id=workspace_id, contact_id=contact_id, after=after, limit=limit
        )
    else:
        rows = await tx.rows(_page, workspace_id=workspace_id, after=after, limit=limit)
    return [_read(row) for row in rows]


async def survivors(tx: Transaction, workspace_id: int, ids: Iterable[int]) -> dict[int, int]:
    """Of contacts that were merged, the ones that stayed, over as many merges as it takes."""
    found: dict[int, int] = {}
    going = {one: one for one in ids}
    for _ in range(CHAIN_MAX):
        rows = await tx.rows(_survivors, workspace_id=workspace_id, ids=sorted(set(going.values())))
        over = {row[0]: row[1] for row in rows}
        going = {old: over[at] for old, at in going.items() if at in over}
        if not going:
            break
        found |= going
    return found


async def old_names(tx: Transaction, workspace_id: int, names: Iterable[str]) -> dict[str, int]:
    """The contacts that stayed, by external_ids of contacts that were merged into them."""
    wanted = sorted(names)
    if not wanted:
        return {}
    rows = await tx.rows(_old_names, workspace_id=workspace_id, names=wanted)
    at: dict[str, int] = {row[0]: row[1] for row in rows}
    over = await survivors(tx, workspace_id, set(at.values())) if at else {}
    return {name: over.get(contact_id, contact_id) for name, contact_id in at.items()}


async def found(tx: Transaction, workspace_id: int, ids: Iterable[int]) -> dict[int, Contact]:
    """The contacts of these ids that exist; under the id of one that was merged, the one that stayed."""
    wanted = set(ids)
    there = await by_ids(tx, workspace_id, wanted)
    if len(there) == len(wanted):
        return there
    over = await survivors(tx, workspace_id, wanted - there.keys())
    stayed = await by_ids(tx, workspace_id, set(over.values()))
    return there | {old: stayed[new] for old, new in over.items() if new in stayed}


async def standings(tx: Transaction, workspace_id: int, ids: Iterable[int]) -> dict[int, Standing]:
    """What is known against telling these contacts something; of one that was merged, against the other."""
    wanted = set(ids)
    known = await standings_of(tx, workspace_id, wanted)
    if len(known) == len(wanted):
        return known
    over = await survivors(tx, workspace_id, wanted - known.keys())
    stayed = await standings_of(tx, workspace_id, set(over.values())) if over else {}
    return known | {old: stayed[new] for old, new in over.items() if new in stayed}


async def merged_over(tx: Transaction, workspace_id: int, contact_id: int) -> int:
    """The merge that stands and took this contact into another; 0 when there is none."""
    row = await tx.row(_standing_over, workspace_id=workspace_id, contact_id=contact_id)
    return row[0] if row else 0


async def hold(tx: Transaction, workspace_id: int, ids: Sequence[int]) -> None:
    """Hold the rows of contacts to the end of the transaction."""
    await tx.rows(_hold, workspace_id=workspace_id, ids=sorted(ids))


async def say_apart(
    tx: Transaction, workspace_id: int, one_id: int, other_id: int, now: int, actor: str
) -> None:
    """Note that two contacts are two people."""
    low, high = sorted((one_id, other_id))
    await tx.insert(_part, [(workspace_id, low, high, now, actor)])


async def apart(tx: Transaction, workspace_id: int, ids: Iterable[int]) -> set[tuple[int, int]]:
    """Pairs, lower id first, that are two people, as far as the lower one is among these."""
    rows = await tx.rows(_apart, workspace_id=workspace_id, ids=sorted(set(ids)))
    return {(row[0], row[1]) for row in rows}


def _read(row: Row) -> Merge:
    values: list[Any] = list(row)
    values[4] = msgspec.json.decode(values[4], type=Whole)
    values[5] = msgspec.json.decode(values[5], type=dict[str, list[int]])
    return Merge(*values)

"""The external ids of contacts: whose each is.

They have a table of their own beside the cells of contacts, so that those of a file's newcomers can come
before them and in order, as addresses do: in an index of contacts each goes to a page of its own. One whose
contact is not there is nobody's: who looks for it finds nobody, and whoever is given it has it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from itertools import repeat

from sqlalchemy import (
    Column,
    PrimaryKeyConstraint,
    Table,
    bindparam,
    column,
    delete,
    exists,
    select,
    table,
)

from angarium.storage.bulk import BulkInsert, Statement, among
from angarium.storage.database import Transaction
from angarium.storage.schema import Id, Words, metadata

external_id = Table(
    "external_id",
    metadata,
    Column("workspace_id", Id, nullable=False),
    Column("value", Words, nullable=False),
    Column("contact_id", Id, nullable=False),
    PrimaryKeyConstraint("workspace_id", "value"),
    sqlite_with_rowid=False,
)

# Of the room's own store, which reads this module.
_contact = table("contact", column("workspace_id", Id), column("id", Id), column("external_id", Words))
_here = external_id.c.workspace_id == bindparam("workspace_id")
_these = (_here, among(external_id.c.value, "names"))
_is_somebodys = exists().where(
    _contact.c.workspace_id == bindparam("workspace_id"), _contact.c.id == external_id.c.contact_id
)
_between = (external_id.c.contact_id >= bindparam("first"), external_id.c.contact_id <= bindparam("last"))
_cells = select(external_id.c.value, external_id.c.contact_id)
_somebodys = Statement(_cells.where(*_these, _is_somebodys))
_all = Statement(_cells.where(*_these).with_for_update())
_not_come = Statement(select(external_id.c.value).where(_here, *_between, ~_is_somebodys))
_insert = BulkInsert(external_id, ("workspace_id", "value", "contact_id"))
_reserve = BulkInsert(external_id, ("workspace_id", "value", "contact_id"), conflict="nothing")
_free = Statement(delete(external_id).where(*_these, ~_is_somebodys))
_let_go = Statement(delete(external_id).where(*_these, *_between, ~_is_somebodys))
_drop = Statement(delete(external_id).where(*_these, among(external_id.c.contact_id, "ids")))
_of = Statement(
    select(_contact.c.id, _contact.c.external_id).where(
        _contact.c.workspace_id == bindparam("workspace_id"),
        among(_contact.c.id, "ids"),
        _contact.c.external_id.is_not(None),
    )
)


async def somebodys(tx: Transaction, workspace_id: int, names: Collection[str]) -> dict[str, int]:
    """Whose these are, as far as they are somebody's."""
    rows = await tx.rows(_somebodys, workspace_id=workspace_id, names=list(names))
    return {row[0]: row[1] for row in rows}


async def give(tx: Transaction, workspace_id: int, named: Sequence[tuple[str, int]]) -> None:
    """Give each to a contact; Conflict when one is somebody's."""
    names = [name for name, _ in named]
    if not names:
        return
    # Who is about to write the contact for whom one was reserved holds it: it is looked again after them.
    if await tx.rows(_all, workspace_id=workspace_id, names=names):
        await tx.execute(_free, workspace_id=workspace_id, names=names)
    await tx.insert(_insert, [(workspace_id, *one) for one in sorted(named)])


async def change(tx: Transaction, workspace_id: int, named: Mapping[int, str | None]) -> None:
    """Give contacts, whose rows are yet to be written, these instead of what they have, None for none;
    Conflict when one is somebody else's."""
    had = {row[0]: row[1] for row in await tx.rows(_of, workspace_id=workspace_id, ids=list(named))}
    other = [contact_id for contact_id, name in named.items() if name != had.get(contact_id)]
    ids = [contact_id for contact_id in other if contact_id in had]
    if ids:
        await tx.execute(_drop, workspace_id=workspace_id, names=[had[one] for one in ids], ids=ids)
    await give(tx, workspace_id, [(name, contact_id) for contact_id in other if (name := named[contact_id])])


# ── of newcomers ─────────────────────────────────────────────────────────────────────────────────────


async def reserve(tx: Transaction, workspace_id: int, names: Sequence[str], owners: Sequence[int]) -> None:
    """Reserve external ids for contacts who are to come, in their order; those that are there stay."""
    await tx.insert(_reserve, list(zip(repeat(workspace_id), names, owners, strict=False)))


async def owners(tx: Transaction, workspace_id: int, names: Collection[str]) -> dict[str, int]:
    """Whose these are or are to be; they are held to the end of the transaction."""
    rows = await tx.rows(_all, workspace_id=workspace_id, names=list(names))
    return {row[0]: row[1] for row in rows}


async def not_come(tx: Transaction, workspace_id: int, first: int, last: int) -> list[str]:
    """Those reserved for contacts between two ids who are not there: all of them, for it goes through the
    workspace."""
    rows = await tx.rows(_not_come, workspace_id=workspace_id, first=first, last=last)
    return [row[0] for row in rows]


async def let_go(tx: Transaction, workspace_id: int, first: int, last: int, names: Sequence[str]) -> None:
    """Give back those of these that are reserved for contacts between two ids who are not there."""
    if names:
        await tx.execute(_let_go, workspace_id=workspace_id, first=first, last=last, names=names)

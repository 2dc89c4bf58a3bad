"""Newcomers into the tables: rows that were made elsewhere, with ids and the time put to them.

Their addresses and external ids are there before them. One whose contact is not there is nobody's: who
looks for it finds none, whoever is given it has it, and the newcomer is then looked at as somebody who may
be known.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import repeat
from typing import NamedTuple

from sqlalchemy import bindparam, delete, exists, select

from angarium.contacts.newcomers import NONE, Cells, Newcomers
from angarium.contacts.store import ADDRESS_COLUMNS, index, insert_contacts
from angarium.contacts.store.tables import address, contact
from angarium.storage.bulk import BulkInsert, Statement, among
from angarium.storage.database import Transaction


class Range(NamedTuple):
    """Ids of a block of newcomers, from the first to the last."""

    first: int
    last: int


_between = (
    address.c.workspace_id == bindparam("workspace_id"),
    address.c.contact_id >= bindparam("first"),
    address.c.contact_id <= bindparam("last"),
)
_reserve = BulkInsert(address, ADDRESS_COLUMNS, conflict="nothing")
_reserved = Statement(select(address.c.contact_id).where(*_between).with_for_update())
_nobodys = Statement(
    select(address.c.contact_id)
    .where(
        *_between,
        ~exists().where(
            contact.c.workspace_id == bindparam("workspace_id"), contact.c.id == address.c.contact_id
        ),
    )
    .order_by(address.c.contact_id)
    .limit(bindparam("limit"))
)
_drop = Statement(
    delete(address).where(
        address.c.workspace_id == bindparam("workspace_id"), among(address.c.contact_id, "contact_ids")
    )
)


async def reserve(
    tx: Transaction,
    workspace_id: int,
    kind: str,
    values: Cells,
    owners: Sequence[int],
    places: Cells,
    now: int,
) -> None:
    """Write addresses of a kind for contacts who are to come, in the order of their index.

    Those that anybody has stay as they are.
    """
    here, zero, when = repeat(workspace_id), repeat(0), repeat(now)
    unverified = (zero, repeat(""))
    rows = zip(here, repeat(kind), values, owners, zero, zero, *unverified, places, when, strict=False)
    await tx.insert(_reserve, list(rows))


async def reserved(tx: Transaction, workspace_id: int, those: Range) -> list[int]:
    """For whom addresses are reserved still, once for each; they are held to the end of the transaction."""
    rows = await tx.rows(_reserved, workspace_id=workspace_id, first=those.first, last=those.last)
    return [row[0] for row in rows]


async def let_go(tx: Transaction, workspace_id: int, contact_ids: Iterable[int]) -> None:
    """Give back what is reserved for newcomers who do not come."""
    await tx.execute(_drop, workspace_id=workspace_id, contact_ids=list(contact_ids))


async def not_come(tx: Transaction, workspace_id: int, those: Range, limit: int) -> list[int]:
    """Those of a block for whom something is reserved, and who are not there."""
    rows = await tx.rows(_nobodys, workspace_id=workspace_id, first=those.first, last=those.last, limit=limit)
    return [row[0] for row in rows]


async def welcome(
    tx: Transaction, workspace_id: int, contact_ids: Sequence[int], new: Newcomers, now: int
) -> None:
    """Write newcomers under the ids for which their addresses and external ids are reserved."""
    here, when, none = repeat(workspace_id), repeat(now), repeat(NONE)
    contacts = zip(here, contact_ids, *new.contacts, none, none, when, when, strict=False)
    await tx.insert(insert_contacts, list(contacts))
    await index.welcome(tx, workspace_id, contact_ids, new, now)

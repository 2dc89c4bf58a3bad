"""The memory of cascades: one row for each address of a contact on each channel on which it was tried.

A row goes when its address is no longer the contact's: whoever gets the number next inherits nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

import msgspec
from sqlalchemy import (
    Column,
    PrimaryKeyConstraint,
    Table,
    bindparam,
    column,
    delete,
    or_,
    select,
    table,
    update,
)

from angarium.contacts.reachability import Block, Known
from angarium.core.values import Address
from angarium.storage.bulk import BulkInsert, Statement, among
from angarium.storage.database import Row, Transaction
from angarium.storage.schema import Blob, Count, Id, Instant, Words, metadata

reachability = Table(
    "reachability",
    metadata,
    Column("workspace_id", Id, nullable=False),
    Column("contact_id", Id, nullable=False),
    Column("channel", Words, nullable=False),
    Column("address", Words, nullable=False),
    Column("not_a_user_at", Instant, nullable=False),
    Column("blocked", Words, nullable=False),  # [[line, instant]], the latest first; empty for none
    Column("last_delivered_at", Instant, nullable=False),
    Column("last_read_at", Instant, nullable=False),
    Column("unheard", Count, nullable=False),
    Column("silent_at", Instant, nullable=False),
    Column("last_id", Id, nullable=False),
    Column("hours", Blob, nullable=False),
    Column("forgotten_at", Instant, nullable=False),
    PrimaryKeyConstraint("workspace_id", "contact_id", "channel", "address"),
    sqlite_with_rowid=False,
)

KEY = ("workspace_id", "contact_id", "channel", "address")
COLUMNS = tuple(reachability.columns.keys())
_columns = [reachability.c[name] for name in COLUMNS[1:]]
_here = reachability.c.workspace_id == bindparam("workspace_id")
_of_these = among(reachability.c.contact_id, "contact_ids")
_address = table("address", column("workspace_id"), column("contact_id"), column("value"))

_save = BulkInsert(reachability, COLUMNS, conflict=KEY, update=COLUMNS[4:])
_of_contacts = Statement(select(*_columns).where(_here, _of_these))
_against = Statement(
    select(*_columns).where(
        _here,
        _of_these,
        or_(
            reachability.c.not_a_user_at > reachability.c.last_delivered_at,
            reachability.c.unheard > 0,
            reachability.c.blocked != "",
        ),
    )
)
_forget = Statement(delete(reachability).where(_here, _of_these))
_forget_so_far = Statement(
    update(reachability)
    .where(_here, _of_these)
    .values(
        not_a_user_at=0,
        blocked="",
        last_delivered_at=0,
        last_read_at=0,
        unheard=0,
        silent_at=0,
        hours=b"",
        forgotten_at=bindparam("now"),
    )
)
_hand_over = Statement(
    update(reachability)
    .where(
        _here,
        reachability.c.contact_id == bindparam("from_id"),
        among(reachability.c.address, "addresses"),
    )
    .values(contact_id=bindparam("to_id"))
)
_forget_strangers = Statement(
    delete(reachability).where(
        _here,
        _of_these,
        ~select(_address.c.value)
        .where(
            _address.c.workspace_id == bindparam("workspace_id"),
            _address.c.contact_id == reachability.c.contact_id,
            _address.c.value == reachability.c.address,
        )
        .exists(),
    )
)


async def of_contacts(tx: Transaction, workspace_id: int, contact_ids: Collection[int]) -> list[Known]:
    """Everything that is remembered of contacts, in no order."""
    rows = await tx.rows(_of_contacts, workspace_id=workspace_id, contact_ids=sorted(contact_ids))
    return [_read(row) for row in rows]


async def against(
    tx: Transaction, workspace_id: int, contact_ids: Collection[int]
) -> dict[int, tuple[Known, ...]]:
    """Of contacts of which something speaks against a channel, what that is; mostly there are few."""
    found: dict[int, tuple[Known, ...]] = {}
    for row in await tx.rows(_against, workspace_id=workspace_id, contact_ids=sorted(contact_ids)):
        found[row[0]] = (*found.get(row[0], ()), _read(row))
    return found


async def save(tx: Transaction, workspace_id: int, memories: Sequence[Known]) -> None:
    """Write what is remembered."""
    await tx.insert(_save, [_row(workspace_id, one) for one in memories])


async def forget(tx: Transaction, workspace_id: int, contact_ids: Iterable[int]) -> None:
    """Forget contacts, who are deleted."""
    await tx.execute(_forget, workspace_id=workspace_id, contact_ids=sorted(contact_ids))


async def forget_so_far(tx: Transaction, workspace_id: int, contact_id: int, now: int) -> int:
    """Forget what is remembered of a contact, and that for good: it is not learnt again from what was before.
    How many rows there were."""
    return await tx.execute(_forget_so_far, workspace_id=workspace_id, contact_ids=[contact_id], now=now)


async def hand_over(
    tx: Transaction, workspace_id: int, from_id: int, to_id: int, addresses: Iterable[Address]
) -> None:
    """What is remembered of these addresses goes with them to another contact, who is the same person."""
    asked = {"workspace_id": workspace_id, "from_id": from_id, "to_id": to_id}
    await tx.execute(_hand_over, **asked, addresses=sorted({one.value for one in addresses}))


async def forget_strangers(tx: Transaction, workspace_id: int, contact_ids: Iterable[int]) -> None:
    """Forget of contacts what was at addresses that are not theirs any more."""
    await tx.execute(_forget_strangers, workspace_id=workspace_id, contact_ids=sorted(contact_ids))


def _row(workspace_id: int, one: Known) -> tuple[Any, ...]:
    return (
        workspace_id,
        one.contact_id,
        one.channel,
        one.address,
        one.not_a_user_at,
        msgspec.json.encode(one.blocked).decode() if one.blocked else "",
        one.last_delivered_at,
        one.last_read_at,
        one.unheard,
        one.silent_at,
        one.last_id,
        one.hours,
        one.forgotten_at,
    )


def _read(row: Row) -> Known:
    values: list[Any] = list(row)
    values[4] = msgspec.json.decode(values[4], type=tuple[Block, ...]) if values[4] else ()
    return Known(*values)

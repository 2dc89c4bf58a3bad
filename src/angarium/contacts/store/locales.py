"""What languages the contacts read."""

from __future__ import annotations

from sqlalchemy import bindparam, func, select

from angarium.contacts.store.tables import contact
from angarium.storage.bulk import Statement
from angarium.storage.database import Transaction

NEWEST = 10_000  # contacts that are looked at: a million would take too long for a look at some wording

_newest = (
    select(contact.c.locale)
    .where(contact.c.workspace_id == bindparam("workspace_id"))
    .order_by(contact.c.id.desc())
    .limit(NEWEST)
    .subquery()
)
_counted = Statement(
    select(_newest.c.locale, func.count())
    .group_by(_newest.c.locale)
    .order_by(func.count().desc(), _newest.c.locale)
)


async def newest(tx: Transaction, workspace_id: int) -> tuple[list[tuple[str, int]], int]:
    """The locales of the newest contacts with how many have each, the commonest first; and how many contacts
    were looked at, if there may be others: 0 when these are all."""
    rows = await tx.rows(_counted, workspace_id=workspace_id)
    looked_at = sum(row[1] for row in rows)
    return [(row[0], row[1]) for row in rows if row[0]], looked_at if looked_at == NEWEST else 0

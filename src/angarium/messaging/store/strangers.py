"""What came from addresses that were no contact's when it came."""

from __future__ import annotations

from collections.abc import Collection

import msgspec
from sqlalchemy import bindparam, select

from angarium.messaging.store.tables import inbound
from angarium.storage.bulk import BulkUpdate, Statement, among
from angarium.storage.database import Transaction

# Along the index of contacts, whose first entries are those of nobody.
_newest = (
    select(
        inbound.c.id,
        inbound.c.line_id,
        inbound.c.sender,
        inbound.c.text,
        inbound.c.media_url,
        inbound.c.received_at,
        inbound.c.name,
    )
    .where(
        inbound.c.workspace_id == bindparam("workspace_id"),
        inbound.c.contact_id.is_(None),
        inbound.c.id < bindparam("before"),
    )
    .order_by(inbound.c.id.desc())
    .limit(bindparam("limit"))
)
_some = _newest.subquery()
_newest_of_nobody = Statement(_newest)
_from_senders = Statement(select(_some).where(among(_some.c.sender, "senders")).order_by(_some.c.id.desc()))
_recognise = BulkUpdate(inbound, match=("workspace_id", "id"), set=("contact_id",))


class Unclaimed(msgspec.Struct, frozen=True):
    """A message from a customer whom nobody knew."""

    id: int
    line_id: int
    sender: str
    text: str
    media_url: str
    received_at: int
    name: str  # as the channel has it


async def newest(tx: Transaction, workspace_id: int, before: int, limit: int) -> list[Unclaimed]:
    """The newest below an id."""
    rows = await tx.rows(_newest_of_nobody, workspace_id=workspace_id, before=before, limit=limit)
    return [Unclaimed(*row) for row in rows]


async def from_senders(
    tx: Transaction, workspace_id: int, senders: Collection[str], before: int, limit: int
) -> list[Unclaimed]:
    """Those of these senders among so many of the newest below an id."""
    if not senders:
        return []
    asked = {"senders": sorted(senders), "before": before, "limit": limit}
    return [Unclaimed(*row) for row in await tx.rows(_from_senders, workspace_id=workspace_id, **asked)]


async def recognise(tx: Transaction, workspace_id: int, whose: Collection[tuple[int, int]]) -> None:
    """Write down whose messages they are: pairs of a message and a contact."""
    await tx.update(_recognise, [(workspace_id, one, contact_id) for one, contact_id in whose])

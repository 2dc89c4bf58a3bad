"""Messages whose wording a person has to look at: found by an index that holds nothing else."""

from __future__ import annotations

from sqlalchemy import and_, bindparam, literal_column, select

from angarium.messaging.store.tables import message
from angarium.storage.bulk import Statement
from angarium.storage.database import Transaction

# The word stands in the statement, so that the partial index is found.
is_held = and_(message.c.reason == literal_column("'review'"), message.c.finished_at.is_(None))
_held = Statement(
    select(message.c.id)
    .where(message.c.workspace_id == bindparam("workspace_id"), is_held, message.c.id > bindparam("after"))
    .order_by(message.c.id)
    .limit(bindparam("limit"))
)


async def held(tx: Transaction, workspace_id: int, after: int, limit: int) -> list[int]:
    """Their ids, oldest first, above one."""
    return [row[0] for row in await tx.rows(_held, workspace_id=workspace_id, after=after, limit=limit)]

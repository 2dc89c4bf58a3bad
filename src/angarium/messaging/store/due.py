"""In which workspaces something is due: one question for all of them, however many sleep."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import BigInteger, bindparam, exists, func, literal, or_, select

from angarium.accounts.store import workspace
from angarium.contacts.store.consents import withdrawal
from angarium.messaging.store.tables import message
from angarium.storage.bulk import Statement, among
from angarium.storage.database import Transaction

_theirs = message.c.workspace_id == workspace.c.workspace_id
_said_no = withdrawal.c.workspace_id == workspace.c.workspace_id
_by_then = message.c.decide_at <= bindparam("until", type_=BigInteger())
_first_due = (
    select(func.min(message.c.decide_at))
    .where(_theirs, message.c.decide_at.is_not(None))
    .correlate(workspace)
    .scalar_subquery()
)
_no = exists(select(literal(1)).where(_said_no)).correlate(workspace)
_due = exists(select(literal(1)).where(_theirs, _by_then)).correlate(workspace)
_workspaces = Statement(
    select(workspace.c.workspace_id, _no, _first_due).where(
        among(workspace.c.workspace_id, "workspace_ids"), or_(_no, _due)
    )
)


async def workspaces(tx: Transaction, workspace_ids: Sequence[int], until: int) -> dict[int, int]:
    """Those of these workspaces in which a message wants a decision by then, and when the first does; 0 where
    somebody has said no, of which nobody has thought yet."""
    rows = await tx.rows(_workspaces, workspace_ids=list(workspace_ids), until=until)
    return {workspace_id: 0 if no or due_at is None else due_at for workspace_id, no, due_at in rows}

"""What goes with a message that is let go of.

`GOES` names every table with rows that hang on a message or an attempt; one that is named neither there nor
in `STAYS` fails a test, so none can be forgotten.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import TableClause, bindparam, column, delete, select, table

from angarium.messaging.store import attempts, messages
from angarium.messaging.store.exchanges import exchange
from angarium.messaging.store.tables import attempt, inbound, inquiry, message, part
from angarium.storage import facts
from angarium.storage.bulk import Statement, among
from angarium.storage.database import Transaction
from angarium.storage.schema import Id

# Of the rooms above, which are not imported.
twilio_message = table("twilio_message", column("workspace_id", Id), column("message_id", Id))
smpp_submission = table("smpp_submission", column("workspace_id", Id), column("message_id", Id))

GOES: dict[str, tuple[TableClause, str]] = {
    "part": (part, "attempt_id"),
    "inquiry": (inquiry, "attempt_id"),
    "exchange": (exchange, "attempt_id"),
    "attempt": (attempt, "message_id"),
    "twilio_message": (twilio_message, "message_id"),
    "smpp_submission": (smpp_submission, "message_id"),
    "message": (message, "id"),
}
STAYS = frozenset(
    (
        "campaign_member",  # goes with its campaign, which is let go of as a whole
        "link",  # leads somewhere for as long as the policy `links` says
        "link_visit",  # is counted by label
    )
)


def _drop(of: TableClause, key: str) -> Statement:
    here = of.c.workspace_id == bindparam("workspace_id")
    return Statement(delete(of).where(here, among(of.c[key], "ids")))


_drops = {name: _drop(*where) for name, where in GOES.items()}
_attempts = Statement(
    select(attempt.c.id).where(
        attempt.c.workspace_id == bindparam("workspace_id"), among(attempt.c.message_id, "ids")
    )
)
_old_inbound = Statement(
    select(inbound.c.id)
    .where(inbound.c.workspace_id == bindparam("workspace_id"), inbound.c.id < bindparam("before"))
    .order_by(inbound.c.id)
    .limit(bindparam("limit"))
)
_drop_inbound = _drop(inbound, "id")


async def drop(tx: Transaction, workspace_id: int, message_ids: Sequence[int], *, counted: bool) -> None:
    """Let messages go, with all that hangs on them; `counted`: into what reports by label tell of."""
    if counted:
        await messages.sum_up(tx, workspace_id, message_ids)
        await attempts.sum_up(tx, workspace_id, message_ids)
    tried = [row[0] for row in await tx.rows(_attempts, workspace_id=workspace_id, ids=list(message_ids))]
    for name, (_, key) in GOES.items():
        gone = tried if key == "attempt_id" else list(message_ids)
        await tx.execute(_drops[name], workspace_id=workspace_id, ids=gone)
    await facts.drop(tx, workspace_id, message_ids)


async def drop_inbound(tx: Transaction, workspace_id: int, before: int, limit: int) -> int:
    """Let go of what customers sent before an id, with what is told of it; how many."""
    asked = {"workspace_id": workspace_id, "before": before, "limit": limit}
    old = [row[0] for row in await tx.rows(_old_inbound, **asked)]
    if old:
        await tx.execute(_drop_inbound, workspace_id=workspace_id, ids=old)
        await facts.drop(tx, workspace_id, old)
    return len(old)

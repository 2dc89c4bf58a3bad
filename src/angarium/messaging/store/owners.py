"""Who owns a line: the number of the newest server that took it over, the fence against older ones.

A lease says who may send; but a server that was stopped for a while (SIGSTOP, a suspended machine) still
believes in it when it goes on. So whoever takes a line over writes a number, higher than every earlier one,
and a claim needs the number of its server to be the one that is written
(https://martin.kleppmann.com/2016/02/08/how-to-do-distributed-locking.html, "fencing token").
"""

from __future__ import annotations

from sqlalchemy import bindparam, func, select, update

from angarium.lines.store import line
from angarium.messaging.store.tables import line_owner
from angarium.storage.bulk import BulkInsert, Statement
from angarium.storage.database import Transaction


class Fenced(Exception):
    """Another server took the line over."""


_this_line = (
    line_owner.c.workspace_id == bindparam("workspace_id"),
    line_owner.c.line_id == bindparam("line_id"),
)
_begin = BulkInsert(line_owner, ("workspace_id", "line_id", "epoch"), conflict="nothing")
_take = Statement(
    update(line_owner)
    .where(*_this_line, line_owner.c.epoch <= bindparam("mine"))
    .values(epoch=bindparam("mine"))
)
_rules = (
    select(line.c.rules_version)
    .where(line.c.workspace_id == bindparam("workspace_id"), line.c.id == bindparam("line_id"))
    .scalar_subquery()
)
# Shared: on PostgreSQL a take-over waits for a claim that looked before it, and finds what that claimed.
_epoch = Statement(select(line_owner.c.epoch, _rules).where(*_this_line).with_for_update(read=True))
_newest = Statement(select(func.max(line_owner.c.epoch)))


async def take(tx: Transaction, workspace_id: int, line_id: int, epoch: int) -> None:
    """Own a line; Fenced when a newer server does."""
    await tx.insert(_begin, [(workspace_id, line_id, 0)])
    if not await tx.execute(_take, workspace_id=workspace_id, line_id=line_id, mine=epoch):
        raise Fenced(f"A server that started later owns the line; the number of this one is {epoch}")


async def must_own(tx: Transaction, workspace_id: int, line_id: int, epoch: int) -> int | None:
    """Fenced unless the line was last taken over under this epoch.

    Which change of the line's rules is the newest; None when the line is gone.
    """
    row = await tx.row(_epoch, workspace_id=workspace_id, line_id=line_id)
    if row is None or row[0] != epoch:
        raise Fenced(f"The line was taken over; the number of this server is {epoch}")
    rules_version: int | None = row[1]
    return rules_version


async def newest(tx: Transaction) -> int:
    """The highest number of any line, in every workspace: a server that starts takes a higher one. Or 0."""
    row = await tx.row(_newest)
    return row[0] or 0 if row else 0

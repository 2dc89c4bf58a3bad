"""Who owns a line: the number of the newest server that took it over, the fence against older ones.

A lease says who may send; but a server that was stopped for a while (SIGSTOP, a suspended machine) still
believes in it when it goes on. So whoever takes a line over writes a number, higher than every earlier one,
and a claim needs the number of its server to be the one that is written
(https://martin.kleppmann.com/2016/02/08/how-to-do-distributed-locking.html, "fencing token").
"""

from __future__ import annotations

import msgspec
from sqlalchemy import bindparam, delete, func, select, update

from angarium.lines.store import line
from angarium.messaging.store.tables import line_owner
from angarium.storage.bulk import BulkInsert, Statement
from angarium.storage.database import Transaction


class Fenced(Exception):
    """Another server took the line over."""


class Newest(msgspec.Struct, frozen=True):
    """What a line is now, whatever is known of it: which change of its rules is the newest, its speed and its
    window."""

    rules_version: int
    speed_per_s: float
    window: int


_this_line = (
    line_owner.c.workspace_id == bindparam("workspace_id"),
    line_owner.c.line_id == bindparam("line_id"),
    line_owner.c.share == bindparam("share"),
)
_begin = BulkInsert(line_owner, ("workspace_id", "line_id", "share", "epoch"), conflict="nothing")
_take = Statement(
    update(line_owner)
    .where(*_this_line, line_owner.c.epoch <= bindparam("mine"))
    .values(epoch=bindparam("mine"))
)
_rules, _speed, _window = (
    select(column)
    .where(line.c.workspace_id == bindparam("workspace_id"), line.c.id == bindparam("line_id"))
    .scalar_subquery()
    for column in (line.c.rules_version, line.c.speed_per_s, line.c.window_max)
)
# Shared: on PostgreSQL a take-over waits for a claim that looked before it, and finds what that claimed.
_epoch = Statement(
    select(line_owner.c.epoch, _rules, _speed, _window).where(*_this_line).with_for_update(read=True)
)
_owned = Statement(select(line_owner.c.epoch).where(*_this_line))
_fewer = Statement(delete(line_owner).where(*_this_line[:2], line_owner.c.share >= bindparam("shares")))
_newest = Statement(select(func.max(line_owner.c.epoch)))


async def take(
    tx: Transaction, workspace_id: int, line_id: int, epoch: int, share: int = 0, shares: int | None = None
) -> None:
    """Own a line, or a share of it; Fenced when a newer server does. `shares`: how many there are now, if
    that is to be written: the owners of others own nothing any more."""
    await tx.insert(_begin, [(workspace_id, line_id, share, 0)])
    this = {"workspace_id": workspace_id, "line_id": line_id}
    if not await tx.execute(_take, **this, share=share, mine=epoch):
        raise Fenced(f"A server that started later owns the line; the number of this one is {epoch}")
    if shares is not None:
        await tx.execute(_fewer, **this, shares=shares)


async def owner(tx: Transaction, workspace_id: int, line_id: int, share: int) -> int:
    """The number of whoever took it over last; 0 when nobody has."""
    row = await tx.row(_owned, workspace_id=workspace_id, line_id=line_id, share=share)
    return row[0] if row else 0


async def must_own(
    tx: Transaction, workspace_id: int, line_id: int, epoch: int, share: int = 0
) -> Newest | None:
    """Fenced unless the line, or the share, was last taken over under this epoch. What the line is now; None
    when it is gone."""
    row = await tx.row(_epoch, workspace_id=workspace_id, line_id=line_id, share=share)
    if row is None or row[0] != epoch:
        raise Fenced(f"The line was taken over; the number of this server is {epoch}")
    return None if row[1] is None else Newest(*row[1:])


async def newest(tx: Transaction) -> int:
    """The highest number of any line, in every workspace: a server that starts takes a higher one. Or 0."""
    row = await tx.row(_newest)
    return row[0] or 0 if row else 0

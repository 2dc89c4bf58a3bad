"""What somebody has asked to be done with many contacts: a row each, with a state and when it was touched."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

from sqlalchemy import Column, Table, bindparam, func, select

from angarium.storage.bulk import Statement, among
from angarium.storage.database import Row, Transaction

T = TypeVar("T")


class Jobs(Generic[T]):
    """How the jobs of one table are found, which has `workspace_id`, `id`, `state` and `updated_at`.

    `read` makes a job of a row of the columns that are `shown`.
    """

    def __init__(self, table: Table, shown: Sequence[Column[Any]], read: Callable[[Row], T]) -> None:
        here = table.c.workspace_id == bindparam("workspace_id")
        in_states = (here, among(table.c.state, "states"))
        oldest = select(table.c.id).order_by(table.c.id).limit(bindparam("limit"))
        newest = select(*shown).order_by(table.c.id.desc()).limit(bindparam("limit"))
        self._read = read
        self._get = Statement(select(*shown).where(here, table.c.id == bindparam("id")))
        self._page = Statement(newest.where(here, table.c.id < bindparam("before")))
        self._count = Statement(select(func.count()).select_from(table).where(*in_states))
        self._in_states = Statement(oldest.where(*in_states))
        theirs = (among(table.c.workspace_id, "workspace_ids"), among(table.c.state, "states"))
        self._anywhere = Statement(
            select(table.c.workspace_id).where(*theirs).distinct().order_by(table.c.workspace_id)
        )
        self._old = Statement(oldest.where(*in_states, table.c.updated_at < bindparam("before")))

    async def get(self, tx: Transaction, workspace_id: int, job_id: int) -> T | None:
        """One job; None when there is none."""
        row = await tx.row(self._get, workspace_id=workspace_id, id=job_id)
        return None if row is None else self._read(row)

    async def page(self, tx: Transaction, workspace_id: int, before: int, limit: int) -> list[T]:
        """Jobs, the newest first, older than one of them."""
        rows = await tx.rows(self._page, workspace_id=workspace_id, before=before, limit=limit)
        return [self._read(row) for row in rows]

    async def count(self, tx: Transaction, workspace_id: int, states: Sequence[str]) -> int:
        """How many are in these states."""
        row = await tx.row(self._count, workspace_id=workspace_id, states=list(states))
        return 0 if row is None else int(row[0])

    async def in_states(
        self, tx: Transaction, workspace_id: int, states: Sequence[str], limit: int
    ) -> list[int]:
        """The oldest in these states."""
        rows = await tx.rows(self._in_states, workspace_id=workspace_id, states=list(states), limit=limit)
        return [row[0] for row in rows]

    async def anywhere(
        self, tx: Transaction, workspace_ids: Sequence[int], states: Sequence[str]
    ) -> list[int]:
        """Those of these workspaces that have any in these states."""
        asked = {"workspace_ids": list(workspace_ids), "states": list(states)}
        return [row[0] for row in await tx.rows(self._anywhere, **asked)]

    async def untouched_since(
        self, tx: Transaction, workspace_id: int, states: Sequence[str], before: int, limit: int
    ) -> list[int]:
        """Those in these states that nothing has changed since an instant."""
        asked = {"states": list(states), "before": before, "limit": limit}
        return [row[0] for row in await tx.rows(self._old, workspace_id=workspace_id, **asked)]

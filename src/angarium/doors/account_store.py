"""The accounts of a door, in a table of its own: its clients' names, secrets and settings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Generic, TypeVar

import msgspec
from sqlalchemy import Table, bindparam, delete, select

from angarium.core import kept
from angarium.storage.bulk import BulkInsert, BulkUpdate, Statement, among
from angarium.storage.database import Row, Transaction

T = TypeVar("T", bound=msgspec.Struct)
KEY = ("workspace_id", "id")


class Accounts(Generic[T]):
    """How those of one table are found and changed, whose columns are the fields of `kind` in their order.

    `settings` is the type of the field of this name, kept as JSON. `letters` is the table of what is still to
    be told to accounts, which goes with them.
    """

    def __init__(self, table: Table, letters: Table, kind: type[T], settings: type[msgspec.Struct]) -> None:
        columns = tuple(table.columns.keys())
        here = table.c.workspace_id == bindparam("workspace_id")
        theirs = letters.c.workspace_id == bindparam("workspace_id")
        shown = select(*table.columns)
        this = table.c.id == bindparam("account_id")
        self._kind = kind
        self._settings = settings
        self._columns = columns
        self._of = Statement(
            shown.where(among(table.c.workspace_id, "workspace_ids")).order_by(table.c.id),
        )
        self._get = Statement(shown.where(here, this))
        self._add = BulkInsert(table, columns)
        changes = tuple(name for name in columns if name not in (*KEY, "created_at"))
        self._change = BulkUpdate(table, match=KEY, set=changes)
        self._drop = Statement(delete(table).where(here, this))
        to_it = letters.c.account_id == bindparam("account_id")
        self._drop_letters = Statement(delete(letters).where(theirs, to_it))

    async def all(self, tx: Transaction, workspace_id: int) -> list[T]:
        """Those of a workspace, the oldest first."""
        return await self.of(tx, [workspace_id])

    async def of(self, tx: Transaction, workspace_ids: Sequence[int]) -> list[T]:
        """Those of these workspaces, the oldest first."""
        return [self._read(row) for row in await tx.rows(self._of, workspace_ids=list(workspace_ids))]

    async def get(self, tx: Transaction, workspace_id: int, account_id: int) -> T | None:
        """One of them; None when there is none."""
        row = await tx.row(self._get, workspace_id=workspace_id, account_id=account_id)
        return None if row is None else self._read(row)

    async def add(self, tx: Transaction, new: T) -> None:
        """Write one; Conflict when what must be its own is taken."""
        await tx.insert(self._add, [tuple(self._written(new).values())])

    async def change(self, tx: Transaction, changed: T) -> None:
        """Write it as it is now; Conflict when what must be its own is taken."""
        row = self._written(changed)
        del row["created_at"]
        await tx.update(self._change, [tuple(row.values())])

    async def drop(self, tx: Transaction, workspace_id: int, account_id: int) -> bool:
        """Delete one, with the letters that nobody will fetch; False when there is none."""
        await tx.execute(self._drop_letters, workspace_id=workspace_id, account_id=account_id)
        return await tx.execute(self._drop, workspace_id=workspace_id, account_id=account_id) > 0

    def _written(self, one: T) -> dict[str, object]:
        row = msgspec.structs.asdict(one)
        settings = msgspec.json.encode(row["settings"]).decode()
        return {**row, "settings": settings, "enabled": int(row["enabled"])}

    def _read(self, row: Row) -> T:
        found = dict(zip(self._columns, row, strict=True))
        settings = kept.read(found["settings"], self._settings)
        return self._kind(**{**found, "settings": settings, "enabled": bool(found["enabled"])})

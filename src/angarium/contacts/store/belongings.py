"""What belongs to a contact in the tables of any room, as far as it goes over to another one.

A room says which of its tables have rows of a contact; the rooms above hand all of them down to the merge.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Table, bindparam, select

from angarium.storage.bulk import BulkUpdate, Statement, among
from angarium.storage.database import Transaction

AT_ONCE = 5_000  # rows in one statement


class Belonging:
    """Rows of a table that have an `id` and name a contact."""

    def __init__(self, table: Table, column: str = "contact_id") -> None:
        self.name = table.name
        here = table.c.workspace_id == bindparam("workspace_id")
        owner = table.c[column]
        self._of_contact = Statement(
            select(table.c.id).where(here, owner == bindparam("contact_id")).order_by(table.c.id)
        )
        self._still = Statement(
            select(table.c.id)
            .where(here, among(table.c.id, "ids"), owner == bindparam("contact_id"))
            .order_by(table.c.id)
        )
        self._give = BulkUpdate(table, match=("workspace_id", "id"), set=(column,))

    async def of_contact(self, tx: Transaction, workspace_id: int, contact_id: int) -> list[int]:
        """The ids of a contact's rows."""
        rows = await tx.rows(self._of_contact, workspace_id=workspace_id, contact_id=contact_id)
        return [row[0] for row in rows]

    async def give(
        self, tx: Transaction, workspace_id: int, rows: Sequence[int], to_id: int, only_of: int = 0
    ) -> None:
        """Give rows to a contact; those alone that are still of `only_of`, when it is not 0."""
        for start in range(0, len(rows), AT_ONCE):
            some = list(rows[start : start + AT_ONCE])
            if only_of:
                asked = {"workspace_id": workspace_id, "ids": some, "contact_id": only_of}
                some = [row[0] for row in await tx.rows(self._still, **asked)]
            await tx.update(self._give, [(workspace_id, one, to_id) for one in some])

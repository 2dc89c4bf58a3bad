"""Secrets sealed anew with the newest key, in batches, while others read and write.

What is not sealed with the newest key is found by its first characters, so a run that was cut off goes on
where it was, and an empty answer is the proof that an older key is needed no more.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import LargeBinary, Table, bindparam, func, literal, select

from angarium.storage.bulk import BulkUpdate, Statement
from angarium.storage.database import Transaction
from angarium.storage.vault import VERSION, Vault

AT_ONCE = 500


class Cells:
    """A column of sealed secrets: `cell` names the only place where that of a row opens."""

    def __init__(
        self, table: Table, key: str, column: str, cell: Callable[[int, Any], str], at_once: int = AT_ONCE
    ) -> None:
        self._at_once = at_once  # fewer where a secret is large
        sealed, self.cell = table.c[column], cell
        self.place = (table.name, column)
        kind = sealed.type
        self._is_blob = isinstance(kind, LargeBinary)
        mark = f"{VERSION}."
        begins = func.substr(sealed, 1, len(mark), type_=kind) == literal(self._kept(mark), kind)
        newest = func.substr(sealed, 1, bindparam("length"), type_=kind)
        self._stale = Statement(
            select(table.c[key], sealed)
            .where(
                table.c.workspace_id == bindparam("workspace_id"),
                begins,
                newest != bindparam("newest", type_=kind),
            )
            .order_by(table.c[key])
            .limit(bindparam("limit"))
            .with_for_update()
        )
        self._write = BulkUpdate(table, match=("workspace_id", key), set=(column,))

    async def stale(self, tx: Transaction, vault: Vault, workspace_id: int, limit: int) -> list[Any]:
        """Rows whose secret is sealed with an older key: key and secret."""
        newest = vault.newest
        return await tx.rows(
            self._stale,
            workspace_id=workspace_id,
            newest=self._kept(newest),
            length=len(newest),
            limit=limit,
        )

    async def seal_anew(self, tx: Transaction, vault: Vault, workspace_id: int) -> int:
        """Seal a batch of them with the newest key; how many. NotOpened when the older key is gone."""
        found = await self.stale(tx, vault, workspace_id, self._at_once)
        anew = []
        for key, sealed in found:
            words = sealed.decode() if self._is_blob else sealed
            again = vault.sealed_anew(words, self.cell(workspace_id, key))
            anew.append((workspace_id, key, self._kept(again)))
        await tx.update(self._write, anew)
        return len(anew)

    def _kept(self, words: str) -> bytes | str:
        return words.encode() if self._is_blob else words

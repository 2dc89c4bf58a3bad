"""For which newcomers an import has reserved addresses: one block at a time.

It is written with the first of them, so that whatever stops the import, what is reserved for people who then
did not come is found and given back.
"""

from __future__ import annotations

from sqlalchemy import bindparam, select, update

from angarium.contacts.imports.store import contact_import
from angarium.contacts.store.newcomers import Range
from angarium.storage.bulk import Statement
from angarium.storage.database import Transaction

_here = contact_import.c.workspace_id == bindparam("workspace_id")
_this = (_here, contact_import.c.id == bindparam("import_id"))
_begin = Statement(
    update(contact_import)
    .where(
        *_this, contact_import.c.state == bindparam("state"), contact_import.c.rows_done == bindparam("row")
    )
    .values(reserved_first=bindparam("first"), reserved_last=bindparam("last"))
)
_end = Statement(update(contact_import).where(*_this).values(reserved_first=None, reserved_last=None))
_left = Statement(
    select(
        contact_import.c.id,
        contact_import.c.state,
        contact_import.c.reserved_first,
        contact_import.c.reserved_last,
    )
    .where(_here, contact_import.c.reserved_first.is_not(None))
    .order_by(contact_import.c.id)
)


async def begin(
    tx: Transaction, workspace_id: int, import_id: int, state: str, row: int, those: Range
) -> bool:
    """Begin a block after a row; False when the import is not there, or not in the state."""
    asked = {"workspace_id": workspace_id, "import_id": import_id, "state": state, "row": row}
    return await tx.execute(_begin, **asked, first=those.first, last=those.last) > 0


async def end(tx: Transaction, workspace_id: int, import_id: int) -> None:
    """Nothing is reserved any more for who is not there."""
    await tx.execute(_end, workspace_id=workspace_id, import_id=import_id)


async def left(tx: Transaction, workspace_id: int) -> list[tuple[int, str, Range]]:
    """Imports with a block that has not been ended: their ids, their states, and for whom."""
    rows = await tx.rows(_left, workspace_id=workspace_id)
    return [(row[0], row[1], Range(row[2], row[3])) for row in rows]

"""The list that an import may keep: whom each row meant, and the variables of that row.

It is written in the transaction of its batch, and it is no list of contacts: who is deleted stays on it, so
that whoever tells them finds that they are gone. It goes with its import, or 30 days after its end, unless
somebody needs it still.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
from sqlalchemy import bindparam, delete, exists, func, or_, select

from angarium.contacts.imports.mapping import Mapping as FileMapping
from angarium.contacts.imports.store import contact_import, import_contact, import_error, import_member
from angarium.core import kept
from angarium.core.values import Json
from angarium.storage.bulk import BulkInsert, Statement, among
from angarium.storage.database import Transaction


class Listed(msgspec.Struct, frozen=True, gc=False):
    """Somebody on a list. `variables` is JSON, empty when the row had none."""

    contact_id: int
    variables: str


_here = (
    import_member.c.workspace_id == bindparam("workspace_id"),
    import_member.c.import_id == bindparam("import_id"),
)
_keep = BulkInsert(
    import_member,
    ("workspace_id", "import_id", "contact_id", "variables"),
    conflict=("workspace_id", "import_id", "contact_id"),
    update=("variables",),
)
_page = Statement(
    select(import_member.c.contact_id, import_member.c.variables)
    .where(*_here, import_member.c.contact_id > bindparam("after"))
    .order_by(import_member.c.contact_id)
    .limit(bindparam("limit"))
)
_count = Statement(select(func.count()).select_from(import_member).where(*_here))
_forget = Statement(delete(import_member).where(*_here))
_has_rows = or_(
    *(
        exists().where(
            rows.c.workspace_id == contact_import.c.workspace_id, rows.c.import_id == contact_import.c.id
        )
        for rows in (import_error, import_contact, import_member)
    )
)
_to_forget = Statement(
    select(contact_import.c.id)
    .where(
        contact_import.c.workspace_id == bindparam("workspace_id"),
        among(contact_import.c.state, "states"),
        contact_import.c.updated_at < bindparam("before"),
        _has_rows,
    )
    .order_by(contact_import.c.id)
    .limit(bindparam("limit"))
)
_held = Statement(
    select(contact_import.c.state, contact_import.c.mapping)
    .where(contact_import.c.workspace_id == bindparam("workspace_id"), contact_import.c.id == bindparam("id"))
    .with_for_update()
)


async def keep(tx: Transaction, workspace_id: int, import_id: int, rows: Mapping[int, str]) -> None:
    """Put contacts on the list, each with the variables of its row; who is on it has the new ones."""
    await tx.insert(_keep, [(workspace_id, import_id, *one) for one in rows.items()])


async def page(tx: Transaction, workspace_id: int, import_id: int, after: int, limit: int) -> list[Listed]:
    """Those on a list, in the order of their ids, above one."""
    asked = {"workspace_id": workspace_id, "import_id": import_id, "after": after, "limit": limit}
    return [Listed(*row) for row in await tx.rows(_page, **asked)]


async def count(tx: Transaction, workspace_id: int, import_id: int) -> int:
    """How many are on a list."""
    row = await tx.row(_count, workspace_id=workspace_id, import_id=import_id)
    return int(row[0]) if row else 0


async def forget(tx: Transaction, workspace_id: int, import_id: int) -> None:
    """Let a list go."""
    await tx.execute(_forget, workspace_id=workspace_id, import_id=import_id)


async def hold(tx: Transaction, workspace_id: int, import_id: int) -> tuple[str, FileMapping] | None:
    """The state of an import and its mapping, its row held: of who names its list and who lets it go, one
    comes first. None when there is no such import."""
    row = await tx.row(_held, workspace_id=workspace_id, id=import_id)
    return None if row is None else (row[0], kept.read(row[1], FileMapping))


def variables(kept: str) -> Json:
    """Variables as they are kept: JSON, or empty for none."""
    return msgspec.json.decode(kept) if kept else {}


async def to_forget(
    tx: Transaction, workspace_id: int, states: Sequence[str], before: int, limit: int
) -> list[int]:
    """Imports in these states that nothing has changed since an instant, and that keep rows still: those in
    error, whom they brought, or a list."""
    asked = {"workspace_id": workspace_id, "states": list(states), "before": before, "limit": limit}
    return [row[0] for row in await tx.rows(_to_forget, **asked)]

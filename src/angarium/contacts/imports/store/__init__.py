"""Tables of imports: what each is and how far it has come, its rows in error, whom it brought and meant.

How far an import has come stands in the transaction that writes its batch, and a batch is written only by
whoever finds it where the batch begins. So however often a batch is tried, it is written once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import Column, Index, PrimaryKeyConstraint, Table, bindparam, delete, func, select, update

from angarium.contacts.imports.looking import Seen
from angarium.contacts.imports.mapping import Mapping
from angarium.contacts.imports.rows import CellProblem
from angarium.contacts.store.jobs import Jobs
from angarium.core import kept
from angarium.storage.bulk import BulkInsert, BulkUpdate, Statement, among
from angarium.storage.database import Row, Transaction
from angarium.storage.schema import Id, Instant, Words, metadata

contact_import = Table(
    "contact_import",
    metadata,
    Column("workspace_id", Id, nullable=False),
    Column("id", Id, nullable=False),
    Column("state", Words, nullable=False),
    Column("reason", Words, nullable=False),
    Column("name", Words, nullable=False),
    Column("size_bytes", Id, nullable=False),
    Column("sha256", Words, nullable=False),
    Column("seen", Words, nullable=False),
    Column("mapping", Words, nullable=False),
    Column("actor", Words, nullable=False),
    Column("rows_done", Id, nullable=False),
    Column("bytes_done", Id, nullable=False),
    Column("rows_total", Id, nullable=False),
    Column("created", Id, nullable=False),
    Column("changed", Id, nullable=False),
    Column("skipped", Id, nullable=False),
    Column("failed", Id, nullable=False),
    Column("undone", Id, nullable=False),
    Column("began_at", Instant, nullable=False),
    Column("began_rows", Id, nullable=False),
    Column("reserved_first", Id),  # store/blocks.py
    Column("reserved_last", Id),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    PrimaryKeyConstraint("workspace_id", "id"),
    Index("contact_import_state", "workspace_id", "state", "id"),
    sqlite_with_rowid=False,
)

import_error = Table(
    "import_error",
    metadata,
    Column("workspace_id", Id, nullable=False),
    Column("import_id", Id, nullable=False),
    Column("row_number", Id, nullable=False),
    Column("problems", Words, nullable=False),
    Column("raw", Words, nullable=False),
    PrimaryKeyConstraint("workspace_id", "import_id", "row_number"),
    sqlite_with_rowid=False,
)

import_contact = Table(
    "import_contact",
    metadata,
    Column("workspace_id", Id, nullable=False),
    Column("import_id", Id, nullable=False),
    Column("contact_id", Id, nullable=False),
    Column("written_at", Instant, nullable=False),
    PrimaryKeyConstraint("workspace_id", "import_id", "contact_id"),
    sqlite_with_rowid=False,
)


import_member = Table(
    "import_member",
    metadata,
    Column("workspace_id", Id, nullable=False),
    Column("import_id", Id, nullable=False),
    Column("contact_id", Id, nullable=False),
    Column("variables", Words, nullable=False),  # JSON; empty: none
    PrimaryKeyConstraint("workspace_id", "import_id", "contact_id"),
    sqlite_with_rowid=False,
)


class Import(msgspec.Struct, frozen=True, kw_only=True):
    """An import as it stands."""

    id: int
    state: str
    reason: str = ""
    name: str
    size_bytes: int
    sha256: str
    seen: Seen
    mapping: Mapping
    actor: str
    rows_done: int = 0  # rows of the file that are through, whatever became of them
    bytes_done: int = 0
    rows_total: int = 0  # 0: not known
    created: int = 0
    changed: int = 0
    skipped: int = 0
    failed: int = 0
    undone: int = 0
    began_at: int = 0  # when this run began, and at which row
    began_rows: int = 0
    created_at: int
    updated_at: int


class Step(msgspec.Struct, frozen=True):
    """How a batch moves an import on."""

    from_row: int
    until_row: int
    bytes_done: int
    rows_total: int
    created: int
    changed: int
    skipped: int
    failed: int


class Error(msgspec.Struct, frozen=True):
    """A row that was not taken."""

    row: int
    problems: tuple[CellProblem, ...]
    raw: str


COLUMNS = ("workspace_id", *Import.__struct_fields__)
_shown = [contact_import.c[name] for name in Import.__struct_fields__]
_here = contact_import.c.workspace_id == bindparam("workspace_id")
_this = (_here, contact_import.c.id == bindparam("id"))
_errors_here = (
    import_error.c.workspace_id == bindparam("workspace_id"),
    import_error.c.import_id == bindparam("import_id"),
)
_contacts_here = (
    import_contact.c.workspace_id == bindparam("workspace_id"),
    import_contact.c.import_id == bindparam("import_id"),
)

_insert = BulkInsert(contact_import, COLUMNS)
_insert_errors = BulkInsert(import_error, ("workspace_id", "import_id", "row_number", "problems", "raw"))
_insert_contacts = BulkInsert(import_contact, ("workspace_id", "import_id", "contact_id", "written_at"))
_same_file = Statement(
    select(func.max(contact_import.c.id)).where(
        _here, contact_import.c.sha256 == bindparam("sha256"), contact_import.c.state == bindparam("state")
    )
)
_set_mapping = Statement(
    update(contact_import)
    .where(*_this, among(contact_import.c.state, "states"))
    .values(
        mapping=bindparam("mapping"),
        seen=bindparam("seen"),
        state=bindparam("state"),
        updated_at=bindparam("now"),
    )
)
_move = Statement(
    update(contact_import)
    .where(*_this, among(contact_import.c.state, "states"))
    .values(state=bindparam("state"), reason=bindparam("reason"), updated_at=bindparam("now"))
)
_begin = Statement(
    update(contact_import)
    .where(*_this, among(contact_import.c.state, "states"))
    .values(
        state=bindparam("state"),
        reason="",
        rows_done=0,
        bytes_done=0,
        created=0,
        changed=0,
        skipped=0,
        failed=0,
        began_at=bindparam("now"),
        began_rows=0,
        updated_at=bindparam("now"),
    )
)
_resume = Statement(
    update(contact_import)
    .where(*_this, among(contact_import.c.state, "states"))
    .values(
        state=bindparam("state"),
        reason="",
        began_at=bindparam("now"),
        began_rows=contact_import.c.rows_done,
        updated_at=bindparam("now"),
    )
)
_step = Statement(
    update(contact_import)
    .where(
        *_this,
        contact_import.c.state == bindparam("state"),
        contact_import.c.rows_done == bindparam("from_row"),
    )
    .values(
        rows_done=bindparam("until_row"),
        bytes_done=bindparam("bytes_done"),
        rows_total=bindparam("rows_total"),
        created=contact_import.c.created + bindparam("created"),
        changed=contact_import.c.changed + bindparam("changed"),
        skipped=contact_import.c.skipped + bindparam("skipped"),
        failed=contact_import.c.failed + bindparam("failed"),
        updated_at=bindparam("now"),
    )
)
_count_undone = Statement(
    update(contact_import)
    .where(*_this, contact_import.c.state == bindparam("state"))
    .values(undone=contact_import.c.undone + bindparam("undone"), updated_at=bindparam("now"))
)
_errors = Statement(
    select(import_error.c.row_number, import_error.c.problems, import_error.c.raw)
    .where(*_errors_here, import_error.c.row_number > bindparam("after"))
    .order_by(import_error.c.row_number)
    .limit(bindparam("limit"))
)
_contacts = Statement(
    select(import_contact.c.contact_id, import_contact.c.written_at)
    .where(*_contacts_here, import_contact.c.contact_id > bindparam("after"))
    .order_by(import_contact.c.contact_id)
    .limit(bindparam("limit"))
)
_touch_contacts = BulkUpdate(
    import_contact, match=("workspace_id", "import_id", "contact_id"), set=("written_at",)
)
_drop_errors = Statement(delete(import_error).where(*_errors_here))
_drop_contacts = Statement(delete(import_contact).where(*_contacts_here))
_drop_some_contacts = Statement(
    delete(import_contact).where(*_contacts_here, among(import_contact.c.contact_id, "contact_ids"))
)
_drop = Statement(delete(contact_import).where(*_this))


async def insert(tx: Transaction, workspace_id: int, one: Import) -> None:
    """Write a new import."""
    values = [_kept(getattr(one, name)) for name in Import.__struct_fields__]
    await tx.insert(_insert, [(workspace_id, *values)])


async def same_file(tx: Transaction, workspace_id: int, sha256: str, state: str) -> int:
    """The newest import of a file with this digest that is in a state; 0 for none."""
    row = await tx.row(_same_file, workspace_id=workspace_id, sha256=sha256, state=state)
    return 0 if row is None or row[0] is None else int(row[0])


async def set_mapping(
    tx: Transaction,
    workspace_id: int,
    import_id: int,
    mapping: Mapping,
    seen: Seen,
    states: Sequence[str],
    state: str,
    now: int,
) -> bool:
    """Keep what was said of the file; False when the import is in none of the states."""
    changed = await tx.execute(
        _set_mapping,
        workspace_id=workspace_id,
        id=import_id,
        mapping=_kept(mapping),
        seen=_kept(seen),
        states=list(states),
        state=state,
        now=now,
    )
    return changed > 0


async def move(
    tx: Transaction,
    workspace_id: int,
    import_id: int,
    states: Sequence[str],
    state: str,
    now: int,
    reason: str = "",
) -> bool:
    """From one of the states into another; False when it is in none of them."""
    changed = await tx.execute(
        _move,
        workspace_id=workspace_id,
        id=import_id,
        states=list(states),
        state=state,
        reason=reason,
        now=now,
    )
    return changed > 0


async def begin(
    tx: Transaction, workspace_id: int, import_id: int, states: Sequence[str], state: str, now: int
) -> bool:
    """Begin at the first row, with nothing counted and no errors; False when it is in none of the states."""
    changed = await tx.execute(
        _begin, workspace_id=workspace_id, id=import_id, states=list(states), state=state, now=now
    )
    await tx.execute(_drop_errors, workspace_id=workspace_id, import_id=import_id)
    return changed > 0


async def resume(
    tx: Transaction, workspace_id: int, import_id: int, states: Sequence[str], state: str, now: int
) -> bool:
    """Go on where it is; False when it is in none of the states."""
    changed = await tx.execute(
        _resume, workspace_id=workspace_id, id=import_id, states=list(states), state=state, now=now
    )
    return changed > 0


async def step(tx: Transaction, workspace_id: int, import_id: int, state: str, done: Step, now: int) -> bool:
    """Move an import on by a batch; False when it is not where the batch begins, or not in the state."""
    values = {name: getattr(done, name) for name in Step.__struct_fields__}
    changed = await tx.execute(_step, workspace_id=workspace_id, id=import_id, state=state, now=now, **values)
    return changed > 0


async def add_errors(tx: Transaction, workspace_id: int, import_id: int, errors: Sequence[Error]) -> None:
    """Keep rows that were not taken."""
    await tx.insert(
        _insert_errors, [(workspace_id, import_id, one.row, _kept(one.problems), one.raw) for one in errors]
    )


async def errors(tx: Transaction, workspace_id: int, import_id: int, after: int, limit: int) -> list[Error]:
    """Rows that were not taken, in the order of the file."""
    rows = await tx.rows(_errors, workspace_id=workspace_id, import_id=import_id, after=after, limit=limit)
    return [Error(row[0], msgspec.json.decode(row[1], type=tuple[CellProblem, ...]), row[2]) for row in rows]


async def add_contacts(
    tx: Transaction, workspace_id: int, import_id: int, contact_ids: Sequence[int], now: int
) -> None:
    """Remember whom an import has brought."""
    await tx.insert(_insert_contacts, [(workspace_id, import_id, one, now) for one in contact_ids])


async def touch_contacts(
    tx: Transaction, workspace_id: int, import_id: int, contact_ids: Sequence[int], now: int
) -> None:
    """Remember when an import has last written those of them that it has brought itself."""
    await tx.update(_touch_contacts, [(workspace_id, import_id, one, now) for one in contact_ids])


async def contacts(
    tx: Transaction, workspace_id: int, import_id: int, after: int, limit: int
) -> list[tuple[int, int]]:
    """Whom an import has brought, in the order of ids, and when."""
    rows = await tx.rows(_contacts, workspace_id=workspace_id, import_id=import_id, after=after, limit=limit)
    return [(row[0], row[1]) for row in rows]


async def forget_contacts(
    tx: Transaction, workspace_id: int, import_id: int, contact_ids: Sequence[int]
) -> None:
    """Forget that an import has brought these."""
    await tx.execute(
        _drop_some_contacts, workspace_id=workspace_id, import_id=import_id, contact_ids=list(contact_ids)
    )


async def count_undone(
    tx: Transaction, workspace_id: int, import_id: int, state: str, undone: int, now: int
) -> bool:
    """Count contacts that were taken back; False when it is not being undone any more."""
    changed = await tx.execute(
        _count_undone, workspace_id=workspace_id, id=import_id, state=state, undone=undone, now=now
    )
    return changed > 0


async def forget_rows(tx: Transaction, workspace_id: int, import_id: int) -> None:
    """Forget which rows were in error, and whom an import has brought."""
    await tx.execute(_drop_errors, workspace_id=workspace_id, import_id=import_id)
    await tx.execute(_drop_contacts, workspace_id=workspace_id, import_id=import_id)


async def remove(tx: Transaction, workspace_id: int, import_id: int) -> None:
    """Delete an import with its errors; its contacts stay."""
    await forget_rows(tx, workspace_id, import_id)
    await tx.execute(_drop, workspace_id=workspace_id, id=import_id)


def _kept(value: Any) -> Any:
    return value if isinstance(value, int | str) else msgspec.json.encode(value).decode()


def _read(row: Row) -> Import:
    values = dict(zip(Import.__struct_fields__, row, strict=True))
    values["seen"] = kept.read(row[Import.__struct_fields__.index("seen")], Seen)
    values["mapping"] = kept.read(row[Import.__struct_fields__.index("mapping")], Mapping)
    return Import(**values)


jobs = Jobs(contact_import, _shown, _read)

"""Registrations of lines and the files that were handed in for them; one function per query.

The bytes of a file are sealed before they get here. Lists never read them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import Column, Index, PrimaryKeyConstraint, Table, bindparam, delete, func, select

from angarium.core import ids, kept
from angarium.core.values import MessageClass
from angarium.lines.registration_rules import Signature, Standing, State
from angarium.storage.bulk import BulkInsert, Statement
from angarium.storage.database import Row, Transaction
from angarium.storage.schema import Blob, Count, Id, Instant, Words, metadata

registration = Table(
    "registration",
    metadata,
    Column("workspace_id", Id, nullable=False),
    Column("id", Id, nullable=False),
    Column("line_id", Id, nullable=False),
    Column("requirement", Words, nullable=False),
    Column("operator", Words, nullable=False),
    Column("classes", Words, nullable=False),
    Column("granted", Words, nullable=False),
    Column("state", Words, nullable=False),
    Column("reason", Words, nullable=False),
    Column("valid_from", Instant),
    Column("valid_until", Instant),
    Column("declared", Count, nullable=False),
    Column("fields", Words, nullable=False),
    Column("undertakings", Words, nullable=False),
    Column("external_id", Words, nullable=False),
    Column("submitted_by", Words, nullable=False),
    Column("next_at", Instant),  # when the clock changes its state
    Column("version", Count, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    PrimaryKeyConstraint("workspace_id", "id"),
    Index("registration_line", "workspace_id", "line_id", "id"),
    sqlite_with_rowid=False,
)
Index(
    "registration_due",
    registration.c.workspace_id,
    registration.c.next_at,
    sqlite_where=registration.c.next_at.is_not(None),
    postgresql_where=registration.c.next_at.is_not(None),
)

registration_document = Table(
    "registration_document",
    metadata,
    Column("workspace_id", Id, nullable=False),
    Column("id", Id, nullable=False),
    Column("registration_id", Id, nullable=False),
    Column("need", Words, nullable=False),  # which of the documents that are asked for
    Column("name", Words, nullable=False),
    Column("media", Words, nullable=False),
    Column("size_bytes", Count, nullable=False),
    Column("sha256", Words, nullable=False),
    Column("given_by", Words, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("body", Blob, nullable=False),  # sealed
    PrimaryKeyConstraint("workspace_id", "id"),
    Index("registration_document_of", "workspace_id", "registration_id", "id"),
    sqlite_with_rowid=False,
)

COLUMNS = tuple(registration.columns.keys())


class Registration(msgspec.Struct, frozen=True):
    """One registration of a line, whole."""

    workspace_id: int
    id: int
    line_id: int
    requirement: str
    operator: str
    classes: frozenset[MessageClass]  # asked for
    granted: frozenset[MessageClass]
    state: State
    reason: str
    valid_from: int | None
    valid_until: int | None
    declared: bool  # by the owner of the line, without documents
    fields: dict[str, str]
    undertakings: dict[str, Signature]
    external_id: str  # what the operator calls it
    submitted_by: str  # who acts, as text
    next_at: int | None
    version: int
    created_at: int
    updated_at: int

    def standing(self) -> Standing:
        """What sending looks at."""
        return Standing(
            self.id,
            ids.show("registration", self.id),
            self.requirement,
            self.operator,
            self.granted or self.classes,
            self.state,
            self.reason,
            self.valid_from,
            self.valid_until,
            self.declared,
        )


class Document(msgspec.Struct, frozen=True):
    """A file that was handed in, without its bytes."""

    id: int
    registration_id: int
    need: str
    name: str
    media: str
    size_bytes: int
    sha256: str
    given_by: str
    created_at: int


_columns = list(registration.columns)
_here = registration.c.workspace_id == bindparam("workspace_id")
_this = (_here, registration.c.id == bindparam("id"))
_document_columns = [registration_document.c[name] for name in Document.__struct_fields__]
_documents_here = registration_document.c.workspace_id == bindparam("workspace_id")
_this_document = (_documents_here, registration_document.c.id == bindparam("id"))
_save = BulkInsert(
    registration,
    COLUMNS,
    conflict=("workspace_id", "id"),
    update=tuple(name for name in COLUMNS if name not in ("workspace_id", "id", "created_at")),
)
_all = Statement(select(*_columns).where(_here).order_by(registration.c.id))
_of_line = Statement(
    select(*_columns).where(_here, registration.c.line_id == bindparam("line_id")).order_by(registration.c.id)
)
_held = Statement(select(*_columns).where(*_this).with_for_update())
_one = Statement(select(*_columns).where(*_this))
_due = Statement(
    select(*_columns)
    .where(_here, registration.c.next_at <= bindparam("now"))
    .order_by(registration.c.next_at)
    .limit(bindparam("limit"))
    .with_for_update()
)
_drop = Statement(delete(registration).where(*_this))
_drop_of_line = Statement(delete(registration).where(_here, registration.c.line_id == bindparam("line_id")))
_of_the_line = select(registration.c.id).where(_here, registration.c.line_id == bindparam("line_id"))
_drop_documents_of_line = Statement(
    delete(registration_document).where(
        _documents_here, registration_document.c.registration_id.in_(_of_the_line)
    )
)
_drop_documents = Statement(
    delete(registration_document).where(
        _documents_here, registration_document.c.registration_id == bindparam("registration_id")
    )
)
_add_document = BulkInsert(registration_document, tuple(registration_document.columns.keys()))
_documents = Statement(
    select(*_document_columns)
    .where(_documents_here, registration_document.c.registration_id == bindparam("registration_id"))
    .order_by(registration_document.c.id)
)
_count_documents = Statement(
    select(func.count())
    .select_from(registration_document)
    .where(_documents_here, registration_document.c.registration_id == bindparam("registration_id"))
)
_document = Statement(select(*_document_columns, registration_document.c.body).where(*_this_document))
_drop_document = Statement(delete(registration_document).where(*_this_document))


async def save(tx: Transaction, one: Registration) -> None:
    """Write a new registration, or what it is now."""
    await tx.insert(_save, [_row(one)])


async def all_of(tx: Transaction, workspace_id: int) -> list[Registration]:
    """Those of all lines of a workspace, oldest first."""
    return [_read(row) for row in await tx.rows(_all, workspace_id=workspace_id)]


async def of_line(tx: Transaction, workspace_id: int, line_id: int) -> list[Registration]:
    """Those of one line, oldest first."""
    return [_read(row) for row in await tx.rows(_of_line, workspace_id=workspace_id, line_id=line_id)]


async def by_id(tx: Transaction, workspace_id: int, registration_id: int) -> Registration | None:
    """One of them."""
    row = await tx.row(_one, workspace_id=workspace_id, id=registration_id)
    return None if row is None else _read(row)


async def hold(tx: Transaction, workspace_id: int, registration_id: int) -> Registration | None:
    """One of them, its row held until the end of the transaction."""
    row = await tx.row(_held, workspace_id=workspace_id, id=registration_id)
    return None if row is None else _read(row)


async def due(tx: Transaction, workspace_id: int, now: int, limit: int) -> list[Registration]:
    """Those whose state the clock has changed, held."""
    return [_read(row) for row in await tx.rows(_due, workspace_id=workspace_id, now=now, limit=limit)]


async def remove(tx: Transaction, workspace_id: int, registration_id: int) -> None:
    """Delete one, and its files."""
    await tx.execute(_drop_documents, workspace_id=workspace_id, registration_id=registration_id)
    await tx.execute(_drop, workspace_id=workspace_id, id=registration_id)


async def remove_of_line(tx: Transaction, workspace_id: int, line_id: int) -> None:
    """Delete those of a line, and their files."""
    await tx.execute(_drop_documents_of_line, workspace_id=workspace_id, line_id=line_id)
    await tx.execute(_drop_of_line, workspace_id=workspace_id, line_id=line_id)


async def add_document(tx: Transaction, workspace_id: int, one: Document, sealed: bytes) -> None:
    """Keep a file."""
    await tx.insert(_add_document, [(workspace_id, *msgspec.structs.astuple(one), sealed)])


async def documents(tx: Transaction, workspace_id: int, registration_id: int) -> list[Document]:
    """The files of a registration, oldest first."""
    rows = await tx.rows(_documents, workspace_id=workspace_id, registration_id=registration_id)
    return [Document(*row) for row in rows]


async def count_documents(tx: Transaction, workspace_id: int, registration_id: int) -> int:
    """How many there are."""
    row = await tx.row(_count_documents, workspace_id=workspace_id, registration_id=registration_id)
    return row[0] if row else 0


async def document(tx: Transaction, workspace_id: int, document_id: int) -> tuple[Document, bytes] | None:
    """One file and its sealed bytes."""
    row = await tx.row(_document, workspace_id=workspace_id, id=document_id)
    return None if row is None else (Document(*row[:-1]), row[-1])


async def remove_document(tx: Transaction, workspace_id: int, document_id: int) -> None:
    """Delete one file."""
    await tx.execute(_drop_document, workspace_id=workspace_id, id=document_id)


def _row(one: Registration) -> tuple[Any, ...]:
    values: dict[str, Any] = {name: getattr(one, name) for name in COLUMNS}
    for name in ("classes", "granted"):
        values[name] = " ".join(sorted(values[name]))
    for name in ("fields", "undertakings"):
        values[name] = msgspec.json.encode(values[name]).decode()
    return tuple(
        {**values, "state": one.state.value, "declared": int(one.declared)}[name] for name in COLUMNS
    )


def _read(row: Row) -> Registration:
    values: dict[str, Any] = dict(zip(COLUMNS, row, strict=True))
    for name in ("classes", "granted"):
        values[name] = read_classes(values[name])
    values["fields"] = msgspec.json.decode(values["fields"])
    values["undertakings"] = kept.read(values["undertakings"], dict[str, Signature])
    return Registration(**{**values, "state": State(values["state"]), "declared": bool(values["declared"])})


def read_classes(text: str) -> frozenset[MessageClass]:
    """Classes as a column keeps them."""
    return frozenset(MessageClass(word) for word in text.split())


def by_line(found: Sequence[Registration]) -> dict[int, tuple[Standing, ...]]:
    """What each line's registrations come to, by line."""
    lines: dict[int, list[Standing]] = {}
    for one in found:
        lines.setdefault(one.line_id, []).append(one.standing())
    return {line_id: tuple(standings) for line_id, standings in lines.items()}

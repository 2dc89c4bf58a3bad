"""What came in: the journal of raw callbacks, parked receipts, and messages from customers."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from sqlalchemy import bindparam, delete, func, select, update

from angarium.core.ports import Inbound, Raw, Receipt
from angarium.messaging.store.tables import inbound, inbound_part, journal, parked_receipt
from angarium.storage.bulk import BulkInsert, BulkUpdate, Statement, among
from angarium.storage.database import Row, Transaction

ANY_LINE = 0


class Entry(msgspec.Struct, frozen=True):
    """One callback, as it came."""

    workspace_id: int
    id: int
    line_id: int
    raw: Raw
    received_at: int


class Parked(msgspec.Struct, frozen=True):
    """A receipt that fits no attempt yet."""

    line_id: int
    receipt: Receipt
    received_at: int
    entry_id: int = 0  # the callback that said it; 0: not known

    @property
    def key(self) -> str:
        """The name it is kept under; our own reference when the provider gave none."""
        return self.receipt.ref or self.receipt.client_ref


class _Said(Receipt, frozen=True, gc=False, omit_defaults=True):
    """A receipt as it is parked: with the callback that said it."""

    entry_id: int = 0


def _said(one: Parked) -> _Said:
    return _Said(**msgspec.structs.asdict(one.receipt), entry_id=one.entry_id)


class Heard(msgspec.Struct, frozen=True):
    """A message from a customer, whole."""

    id: int
    line_id: int
    inbound: Inbound
    contact_id: int | None
    parts_missing: int
    received_at: int


_journal_columns = (
    "workspace_id",
    "id",
    "line_id",
    "body",
    "headers",
    "query",
    "state",
    "error",
    "received_at",
)
_insert_journal = BulkInsert(journal, _journal_columns)
_insert_journal_once = BulkInsert(journal, _journal_columns, conflict="nothing", returning=("id",))
_close_journal = BulkUpdate(journal, match=("workspace_id", "id"), set=("state", "error"))
_forget_bodies = Statement(
    update(journal)
    .where(journal.c.workspace_id == bindparam("workspace_id"), among(journal.c.id, "ids"))
    .values(body=b"")
)
KEPT = (  # what `as_entry` reads
    journal.c.workspace_id,
    journal.c.id,
    journal.c.line_id,
    journal.c.body,
    journal.c.headers,
    journal.c.query,
    journal.c.received_at,
)
_journal_by_ids = Statement(
    select(*KEPT)
    .where(journal.c.workspace_id == bindparam("workspace_id"), among(journal.c.id, "ids"))
    .order_by(journal.c.id)
)
_new = (
    select(*KEPT)
    .where(
        journal.c.workspace_id == bindparam("workspace_id"),
        journal.c.state == "new",
        journal.c.id < bindparam("before_id"),
    )
    .order_by(journal.c.id)
    .limit(bindparam("limit"))
)
_new_journal = Statement(_new)
_new_journal_of_line = Statement(_new.where(journal.c.line_id == bindparam("line_id")))
_worked_through = (
    select(journal.c.id)
    .where(
        journal.c.workspace_id == bindparam("workspace_id"),
        journal.c.state == "done",
        journal.c.id < bindparam("before_id"),
    )
    .order_by(journal.c.id)
    .limit(bindparam("limit"))
    .cte("worked_through")
)
_forget_journal = Statement(
    delete(journal).where(
        journal.c.workspace_id == bindparam("workspace_id"), journal.c.id.in_(select(_worked_through.c.id))
    )
)
_park = BulkInsert(
    parked_receipt,
    ("workspace_id", "line_id", "ref", "status", "address", "body", "received_at"),
    conflict="nothing",
)
_parked_here = parked_receipt.c.workspace_id == bindparam("workspace_id")
_parked_by_refs = Statement(
    select(parked_receipt.c.line_id, parked_receipt.c.body, parked_receipt.c.received_at)
    .where(
        _parked_here, parked_receipt.c.line_id == bindparam("line_id"), among(parked_receipt.c.ref, "refs")
    )
    .order_by(parked_receipt.c.received_at, parked_receipt.c.ref, parked_receipt.c.status)
)
_parked_for = Statement(
    select(parked_receipt.c.line_id, parked_receipt.c.body, parked_receipt.c.received_at)
    .where(
        _parked_here,
        parked_receipt.c.line_id == bindparam("line_id"),
        among(parked_receipt.c.address, "addresses"),
        parked_receipt.c.received_at >= bindparam("since"),
    )
    .order_by(parked_receipt.c.received_at, parked_receipt.c.ref, parked_receipt.c.status)
)
_unpark = Statement(
    delete(parked_receipt).where(
        _parked_here, parked_receipt.c.line_id == bindparam("line_id"), among(parked_receipt.c.ref, "refs")
    )
)
_parked_so_far = Statement(select(func.count(), func.min(parked_receipt.c.received_at)).where(_parked_here))
_forget_parked = Statement(
    delete(parked_receipt).where(_parked_here, parked_receipt.c.received_at < bindparam("before"))
)
_insert_inbound = BulkInsert(
    inbound,
    (
        "workspace_id",
        "id",
        "line_id",
        "ref",
        "sender",
        "recipient",
        "text",
        "media_url",
        "context_ref",
        "payload",
        "name",
        "contact_id",
        "parts_missing",
        "received_at",
    ),
    conflict="nothing",
    returning=("id",),
)
_inbound_of_contact = Statement(
    select(
        inbound.c.id,
        inbound.c.line_id,
        inbound.c.sender,
        inbound.c.text,
        inbound.c.media_url,
        inbound.c.received_at,
    )
    .where(
        inbound.c.workspace_id == bindparam("workspace_id"),
        inbound.c.contact_id == bindparam("contact_id"),
        inbound.c.id < bindparam("before"),
    )
    .order_by(inbound.c.id.desc())
    .limit(bindparam("limit"))
)
_last_heard = Statement(
    select(inbound.c.contact_id, func.max(inbound.c.received_at))
    .where(
        inbound.c.workspace_id == bindparam("workspace_id"),
        among(inbound.c.contact_id, "contact_ids"),
        inbound.c.line_id == bindparam("line_id"),
        inbound.c.id >= bindparam("since_id"),
    )
    .group_by(inbound.c.contact_id)
)
_known_inbound = Statement(
    select(inbound.c.id)
    .where(
        among(inbound.c.workspace_id, "workspace_ids"),
        inbound.c.line_id == bindparam("line_id"),
        inbound.c.ref == bindparam("ref"),
    )
    .limit(1)
)
_part_columns = (
    "workspace_id",
    "line_id",
    "sender",
    "recipient",
    "part_ref",
    "total",
    "number",
    "ref",
    "text",
    "received_at",
)
_insert_inbound_parts = BulkInsert(inbound_part, _part_columns, conflict="nothing")
_part_here = inbound_part.c.workspace_id == bindparam("workspace_id")
_same_text = (
    _part_here,
    inbound_part.c.line_id == bindparam("line_id"),
    inbound_part.c.sender == bindparam("sender"),
    inbound_part.c.recipient == bindparam("recipient"),
    inbound_part.c.part_ref == bindparam("part_ref"),
    inbound_part.c.total == bindparam("total"),
)
_parts_of_text = Statement(
    select(inbound_part.c.number, inbound_part.c.ref, inbound_part.c.text, inbound_part.c.received_at)
    .where(*_same_text)
    .order_by(inbound_part.c.number)
)
_drop_parts = Statement(delete(inbound_part).where(*_same_text))
_stale_texts = Statement(
    select(
        inbound_part.c.line_id,
        inbound_part.c.sender,
        inbound_part.c.recipient,
        inbound_part.c.part_ref,
        inbound_part.c.total,
    )
    .where(_part_here)
    .group_by(
        inbound_part.c.line_id,
        inbound_part.c.sender,
        inbound_part.c.recipient,
        inbound_part.c.part_ref,
        inbound_part.c.total,
    )
    .having(func.max(inbound_part.c.received_at) < bindparam("before"))
)


async def write_journal(tx: Transaction, entries: Sequence[Entry]) -> None:
    """Journal callbacks; only after this is committed may a provider be answered."""
    await tx.insert(_insert_journal, [_journal_row(one) for one in entries])


async def write_journal_once(tx: Transaction, entries: Sequence[Entry]) -> list[Entry]:
    """Journal callbacks that may be there already; those that were not."""
    new = {row[0] for row in await tx.insert(_insert_journal_once, [_journal_row(one) for one in entries])}
    return [one for one in entries if one.id in new]


def _journal_row(one: Entry) -> tuple[int | str | bytes, ...]:
    headers = msgspec.json.encode(one.raw.headers).decode()
    query = msgspec.json.encode(one.raw.query).decode()
    kept = (one.raw.body, headers, query, "new", "", one.received_at)
    return (one.workspace_id, one.id, one.line_id, *kept)


async def new_journal(
    tx: Transaction, workspace_id: int, before_id: int, limit: int, line_id: int = ANY_LINE
) -> list[Entry]:
    """Callbacks older than an id that were journalled and not yet worked through, oldest first; of one line,
    if it is named."""
    statement, given = _new_journal, {"workspace_id": workspace_id, "before_id": before_id, "limit": limit}
    if line_id != ANY_LINE:
        statement, given = _new_journal_of_line, given | {"line_id": line_id}
    return [as_entry(row) for row in await tx.rows(statement, **given)]


def as_entry(row: Row) -> Entry:
    """A row of the journal, without its state, as a callback."""
    raw = Raw(row[3], msgspec.json.decode(row[4]), msgspec.json.decode(row[5]))
    return Entry(row[0], row[1], row[2], raw, row[6])


async def by_ids(tx: Transaction, workspace_id: int, entry_ids: Sequence[int]) -> list[Entry]:
    """Some callbacks, as they are kept, those that are still there."""
    rows = await tx.rows(_journal_by_ids, workspace_id=workspace_id, ids=list(entry_ids))
    return [as_entry(row) for row in rows]


class Closed(msgspec.Struct, frozen=True):
    """A callback that was worked through: what was not understood of it, and whether it tells of a code."""

    id: int
    error: str
    about_code: bool


async def close_journal(tx: Transaction, workspace_id: int, closed: Sequence[Closed]) -> None:
    """Mark callbacks as worked through; of those that tell of a code the bytes are not kept."""
    rows = [(workspace_id, one.id, "failed" if one.error else "done", one.error) for one in closed]
    await tx.update(_close_journal, rows)
    forgotten = [one.id for one in closed if one.about_code]
    if forgotten:
        await tx.execute(_forget_bodies, workspace_id=workspace_id, ids=forgotten)


async def forget_journal(tx: Transaction, workspace_id: int, before_id: int, limit: int) -> int:
    """Drop callbacks that were understood and worked through, older than an id; how many."""
    return await tx.execute(_forget_journal, workspace_id=workspace_id, before_id=before_id, limit=limit)


async def park(tx: Transaction, workspace_id: int, receipts: Sequence[Parked]) -> None:
    """Keep receipts that fit no attempt yet; the same one twice is kept once."""
    await tx.insert(
        _park,
        [
            (
                workspace_id,
                p.line_id,
                p.key,
                p.receipt.status.value,
                p.receipt.address,
                msgspec.json.encode(_said(p)).decode(),
                p.received_at,
            )
            for p in receipts
        ],
    )


async def parked_by_refs(
    tx: Transaction, workspace_id: int, line_id: int, refs: Sequence[str]
) -> list[Parked]:
    """Parked receipts of these references, in the order they came."""
    rows = await tx.rows(_parked_by_refs, workspace_id=workspace_id, line_id=line_id, refs=list(refs))
    return [_parked(row[0], row[1], row[2]) for row in rows]


async def parked_for(
    tx: Transaction, workspace_id: int, line_id: int, addresses: Sequence[str], since: int
) -> list[Parked]:
    """Parked receipts for these recipients since a time, in the order they came."""
    rows = await tx.rows(
        _parked_for, workspace_id=workspace_id, line_id=line_id, addresses=list(addresses), since=since
    )
    return [_parked(row[0], row[1], row[2]) for row in rows]


async def unpark(tx: Transaction, workspace_id: int, line_id: int, refs: Sequence[str]) -> None:
    """Let go of parked receipts that have been matched."""
    await tx.execute(_unpark, workspace_id=workspace_id, line_id=line_id, refs=list(refs))


class Parking(msgspec.Struct, frozen=True):
    """How many receipts fit no attempt, and since when the oldest waits."""

    count: int = 0
    since: int | None = None


async def parked_so_far(tx: Transaction, workspace_id: int) -> Parking:
    """The receipts that fit no attempt."""
    row = await tx.row(_parked_so_far, workspace_id=workspace_id)
    return Parking(*row) if row else Parking()


async def parked_count(tx: Transaction, workspace_id: int) -> int:
    """How many receipts fit no attempt."""
    return (await parked_so_far(tx, workspace_id)).count


async def forget_parked(tx: Transaction, workspace_id: int, before: int) -> int:
    """Drop receipts that nobody asked for in all their time."""
    return await tx.execute(_forget_parked, workspace_id=workspace_id, before=before)


class Said(msgspec.Struct, frozen=True):
    """A message from a customer, as lists show it."""

    id: int
    line_id: int
    sender: str
    text: str
    media_url: str
    received_at: int


async def of_contact(
    tx: Transaction, workspace_id: int, contact_id: int, before: int, limit: int
) -> list[Said]:
    """What a customer sent, the newest first, below an id."""
    asked = {"contact_id": contact_id, "before": before, "limit": limit}
    return [Said(*row) for row in await tx.rows(_inbound_of_contact, workspace_id=workspace_id, **asked)]


async def is_known(tx: Transaction, workspace_ids: Sequence[int], line_id: int, ref: str) -> bool:
    """Whether any of these workspaces has this message from a customer."""
    row = await tx.row(_known_inbound, workspace_ids=list(workspace_ids), line_id=line_id, ref=ref)
    return row is not None


async def insert_inbound(tx: Transaction, workspace_id: int, heard: Sequence[Heard]) -> set[int]:
    """Write messages from customers; the ids of those that were new."""
    rows = [
        (
            workspace_id,
            h.id,
            h.line_id,
            h.inbound.ref,
            h.inbound.sender,
            h.inbound.recipient,
            h.inbound.text,
            h.inbound.media_url,
            h.inbound.context_ref,
            h.inbound.payload,
            h.inbound.name,
            h.contact_id,
            h.parts_missing,
            h.received_at,
        )
        for h in heard
    ]
    return {row[0] for row in await tx.insert(_insert_inbound, rows)}


async def last_heard(
    tx: Transaction, workspace_id: int, line_id: int, contact_ids: Sequence[int], since_id: int
) -> dict[int, int]:
    """When these contacts wrote last to a line, of those who did since an id was minted."""
    rows = await tx.rows(
        _last_heard,
        workspace_id=workspace_id,
        line_id=line_id,
        contact_ids=list(contact_ids),
        since_id=since_id,
    )
    return {row[0]: row[1] for row in rows}


class Text(msgspec.Struct, frozen=True):
    """What names a longer text from a customer, over its parts."""

    line_id: int
    sender: str
    recipient: str
    part_ref: int
    total: int


async def insert_inbound_part(
    tx: Transaction, workspace_id: int, line_id: int, part: Inbound, now: int
) -> None:
    """Keep a part of a longer text."""
    row = (
        workspace_id,
        line_id,
        part.sender,
        part.recipient,
        part.part_ref,
        part.part_total,
        part.part_number,
        part.ref,
        part.text,
        now,
    )
    await tx.insert(_insert_inbound_parts, [row])


async def parts_of_text(tx: Transaction, workspace_id: int, text: Text) -> list[tuple[int, str, str, int]]:
    """The parts that are there: (number, ref, text, received at)."""
    rows = await tx.rows(_parts_of_text, workspace_id=workspace_id, **msgspec.structs.asdict(text))
    return [(row[0], row[1], row[2], row[3]) for row in rows]


async def drop_parts(tx: Transaction, workspace_id: int, text: Text) -> None:
    """Let go of the parts of a text."""
    await tx.execute(_drop_parts, workspace_id=workspace_id, **msgspec.structs.asdict(text))


async def stale_texts(tx: Transaction, workspace_id: int, before: int) -> list[Text]:
    """Texts whose last part came before a time."""
    return [Text(*row) for row in await tx.rows(_stale_texts, workspace_id=workspace_id, before=before)]


def _parked(line_id: int, body: str, received_at: int) -> Parked:
    entry_id = msgspec.json.decode(body, type=_Said).entry_id
    return Parked(line_id, msgspec.json.decode(body, type=Receipt), received_at, entry_id)

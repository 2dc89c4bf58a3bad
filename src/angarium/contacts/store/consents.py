"""The ledger of consents, to which rows are only ever added, and whose queued messages want looking at."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

import msgspec
from sqlalchemy import (
    Column,
    Index,
    PrimaryKeyConstraint,
    Table,
    and_,
    bindparam,
    delete,
    or_,
    select,
)

from angarium.contacts.consent import LEAVING, Choices, Scope, State
from angarium.contacts.store import index
from angarium.contacts.store.tables import contact
from angarium.core.ids import earliest
from angarium.storage.bulk import BulkInsert, BulkUpdate, Statement, among
from angarium.storage.database import Row, Transaction
from angarium.storage.schema import Id, Instant, Words, metadata

consent = Table(
    "consent",
    metadata,
    Column("workspace_id", Id, nullable=False),
    Column("id", Id, nullable=False),
    Column("contact_id", Id, nullable=False),
    Column("purpose", Words, nullable=False),
    Column("channel", Words, nullable=False),
    Column("state", Words, nullable=False),
    Column("source", Words, nullable=False),
    Column("wording", Words, nullable=False),
    Column("proof", Words, nullable=False),
    Column("actor", Words, nullable=False),
    Column("given_at", Instant, nullable=False),
    Column("recorded_at", Instant, nullable=False),
    PrimaryKeyConstraint("workspace_id", "id"),
    Index("consent_contact", "workspace_id", "contact_id", "id"),
    sqlite_with_rowid=False,
)

# Contacts that withdrew something in a transaction that could not look at their messages: a room below
# `messaging` wrote it. The planner takes them from here.
withdrawal = Table(
    "withdrawal",
    metadata,
    Column("workspace_id", Id, nullable=False),
    Column("contact_id", Id, nullable=False),
    PrimaryKeyConstraint("workspace_id", "contact_id"),
    sqlite_with_rowid=False,
)


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the ledger: what was said, how it is known, and who wrote it down."""

    id: int
    contact_id: int
    scope: Scope
    state: State
    source: str  # api, stop_word, unsubscribe_link …
    wording: str = ""  # version of the words that were agreed to
    proof: dict[str, str] = {}  # text, ip, message, url …
    actor: str = ""
    given_at: int
    recorded_at: int


_withdrawn_since = Statement(
    select(consent.c.contact_id)
    .where(
        consent.c.workspace_id == bindparam("workspace_id"),
        consent.c.id >= bindparam("from_id"),
        consent.c.state == State.WITHDRAWN.value,
        consent.c.source.in_(LEAVING),
    )
    .order_by(consent.c.id)
    .limit(bindparam("limit"))
)


async def withdrawn_since(tx: Transaction, workspace_id: int, since: int, limit: int) -> list[int]:
    """Contacts who said STOP, left by the link, or turned a channel off since an instant."""
    asked = {"workspace_id": workspace_id, "from_id": earliest(since), "limit": limit}
    return sorted({row[0] for row in await tx.rows(_withdrawn_since, **asked)})


class Filter(msgspec.Struct, frozen=True):
    """Which entries; empty means any."""

    contact_id: int = 0
    purpose: str = ""
    channel: str = ""
    state: str = ""


COLUMNS = tuple(consent.columns.keys())
_columns = [consent.c[name] for name in COLUMNS[1:]]
_here = consent.c.workspace_id == bindparam("workspace_id")
_insert = BulkInsert(consent, COLUMNS)


def _matches(name: str) -> Any:
    return or_(bindparam(name) == "", consent.c[name] == bindparam(name))


_fits = and_(_here, consent.c.id > bindparam("after"), *map(_matches, ("purpose", "channel", "state")))
_page = Statement(select(*_columns).where(_fits).order_by(consent.c.id).limit(bindparam("limit")))
_page_of_contact = Statement(
    select(*_columns)
    .where(_fits, consent.c.contact_id == bindparam("contact_id"))
    .order_by(consent.c.id)
    .limit(bindparam("limit"))
)
_choices = Statement(
    select(contact.c.id, contact.c.opted_out, contact.c.opted_in)
    .where(contact.c.workspace_id == bindparam("workspace_id"), among(contact.c.id, "ids"))
    .order_by(contact.c.id)
    .with_for_update()
)
_choose = BulkUpdate(contact, match=("workspace_id", "id"), set=("opted_out", "opted_in"))
_touch = BulkUpdate(contact, match=("workspace_id", "id"), set=("updated_at",))
_latest = Statement(
    select(*_columns)
    .where(_here, consent.c.contact_id == bindparam("contact_id"), consent.c.state == "withdrawn")
    .order_by(consent.c.id.desc())
    .limit(bindparam("limit"))
)
_newest_of_contact = Statement(
    select(*_columns)
    .where(_here, consent.c.contact_id == bindparam("contact_id"), consent.c.id < bindparam("before"))
    .order_by(consent.c.id.desc())
    .limit(bindparam("limit"))
)
_ask = BulkInsert(withdrawal, ("workspace_id", "contact_id"), conflict="nothing")
_asked = Statement(
    select(withdrawal.c.contact_id)
    .where(withdrawal.c.workspace_id == bindparam("workspace_id"))
    .order_by(withdrawal.c.contact_id)
    .limit(bindparam("limit"))
    .with_for_update(skip_locked=True)
)
_done = Statement(
    delete(withdrawal).where(
        withdrawal.c.workspace_id == bindparam("workspace_id"), among(withdrawal.c.contact_id, "contact_ids")
    )
)


async def append(tx: Transaction, workspace_id: int, entries: Sequence[Entry]) -> None:
    """Write entries; nothing changes or removes one."""
    await tx.insert(_insert, [_row(workspace_id, one) for one in entries])


async def hold_choices(tx: Transaction, workspace_id: int, contact_ids: Iterable[int]) -> dict[int, Choices]:
    """What counts now for contacts that exist, their rows held to the end of the transaction."""
    rows = await tx.rows(_choices, workspace_id=workspace_id, ids=sorted(set(contact_ids)))
    return {row[0]: Choices(_scopes(row[1]), _scopes(row[2])) for row in rows}


async def choose(tx: Transaction, workspace_id: int, chosen: dict[int, Choices]) -> None:
    """Write what counts now."""
    rows = [
        (workspace_id, contact_id, scopes_text(one.withdrawn), scopes_text(one.granted))
        for contact_id, one in sorted(chosen.items())
    ]
    await tx.update(_choose, rows)
    await index.choose(tx, workspace_id, chosen)


async def touch(tx: Transaction, workspace_id: int, contact_ids: Iterable[int], now: int) -> None:
    """Note that contacts have changed."""
    await tx.update(_touch, [(workspace_id, contact_id, now) for contact_id in sorted(contact_ids)])


async def page(tx: Transaction, workspace_id: int, wanted: Filter, after: int, limit: int) -> list[Entry]:
    """Entries that fit, in the order in which they were written."""
    values = {"purpose": wanted.purpose, "channel": wanted.channel, "state": wanted.state}
    place = {"workspace_id": workspace_id, "after": after, "limit": limit}
    if wanted.contact_id:
        rows = await tx.rows(_page_of_contact, contact_id=wanted.contact_id, **values, **place)
    else:
        rows = await tx.rows(_page, **values, **place)
    return [_read(row) for row in rows]


async def latest_withdrawals(tx: Transaction, workspace_id: int, contact_id: int, limit: int) -> list[Entry]:
    """What a contact withdrew last, the newest first."""
    rows = await tx.rows(_latest, workspace_id=workspace_id, contact_id=contact_id, limit=limit)
    return [_read(row) for row in rows]


async def newest(tx: Transaction, workspace_id: int, contact_id: int, before: int, limit: int) -> list[Entry]:
    """What a contact said, the newest first, below an id."""
    asked = {"contact_id": contact_id, "before": before, "limit": limit}
    return [_read(row) for row in await tx.rows(_newest_of_contact, workspace_id=workspace_id, **asked)]


async def ask_to_look(tx: Transaction, workspace_id: int, contact_ids: Collection[int]) -> None:
    """Have the messages of contacts looked at soon."""
    await tx.insert(_ask, [(workspace_id, contact_id) for contact_id in sorted(set(contact_ids))])


async def to_look_at(tx: Transaction, workspace_id: int, limit: int) -> list[int]:
    """Contacts whose messages want looking at; taken off the list."""
    rows = await tx.rows(_asked, workspace_id=workspace_id, limit=limit)
    found = [row[0] for row in rows]
    if found:
        await tx.execute(_done, workspace_id=workspace_id, contact_ids=found)
    return found


def scopes_text(scopes: Iterable[str]) -> str:
    """Scopes as a column keeps them."""
    return msgspec.json.encode(sorted(scopes)).decode()


def _scopes(text: str) -> frozenset[str]:
    return frozenset() if text == "[]" else frozenset(msgspec.json.decode(text))


def _row(workspace_id: int, one: Entry) -> tuple[Any, ...]:
    return (
        workspace_id,
        one.id,
        one.contact_id,
        one.scope.purpose,
        one.scope.channel,
        one.state.value,
        one.source,
        one.wording,
        msgspec.json.encode(one.proof).decode(),
        one.actor,
        one.given_at,
        one.recorded_at,
    )


def _read(row: Row) -> Entry:
    return Entry(
        id=row[0],
        contact_id=row[1],
        scope=Scope(row[2], row[3]),
        state=State(row[4]),
        source=row[5],
        wording=row[6],
        proof=msgspec.json.decode(row[7], type=dict[str, str]),
        actor=row[8],
        given_at=row[9],
        recorded_at=row[10],
    )

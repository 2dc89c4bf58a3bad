"""Accounts of the Twilio door, the messages that came through it, and what is still to be told of them."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import msgspec
from sqlalchemy import Column, Index, PrimaryKeyConstraint, Table, bindparam, delete, or_, select

from angarium.doors.account_store import Accounts
from angarium.doors.twilio.asking import Search
from angarium.doors.twilio.rules import AccountSettings
from angarium.messaging.store.tables import inbound, message
from angarium.storage.bulk import BulkInsert, BulkUpdate, Statement, among
from angarium.storage.database import Transaction
from angarium.storage.schema import Count, Id, Instant, Words, metadata

twilio_account = Table(
    "twilio_account",
    metadata,
    Column("workspace_id", Id, nullable=False),
    Column("id", Id, nullable=False),
    Column("name", Words, nullable=False),
    Column("key_id", Id, nullable=False),
    Column("token", Words, nullable=False),  # sealed, and not only hashed: callbacks are signed with it
    Column("settings", Words, nullable=False),
    Column("enabled", Count, nullable=False),
    Column("version", Count, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    PrimaryKeyConstraint("workspace_id", "id"),
    sqlite_with_rowid=False,
)

twilio_message = Table(
    "twilio_message",
    metadata,
    Column("workspace_id", Id, nullable=False),
    Column("account_id", Id, nullable=False),
    Column("message_id", Id, nullable=False),
    Column("sender", Words, nullable=False),
    Column("service_sid", Words, nullable=False),
    Column("status_callback", Words, nullable=False),
    Column("told", Words, nullable=False),
    PrimaryKeyConstraint("workspace_id", "account_id", "message_id"),
    Index("twilio_message_message", "workspace_id", "message_id"),
    sqlite_with_rowid=False,
)

twilio_letter = Table(
    "twilio_letter",
    metadata,
    Column("workspace_id", Id, nullable=False),
    Column("account_id", Id, nullable=False),
    Column("id", Id, nullable=False),
    Column("subject_id", Id, nullable=False),  # a message; what a customer sent, where `status` is "received"
    Column("status", Words, nullable=False),
    Column("code", Count, nullable=False),
    Column("at", Instant, nullable=False),
    Column("due_at", Instant, nullable=False),
    Column("tries", Count, nullable=False),
    PrimaryKeyConstraint("workspace_id", "account_id", "id"),
    sqlite_with_rowid=False,
)


class Account(msgspec.Struct, frozen=True):
    """An account as it is kept: its token sealed."""

    workspace_id: int
    id: int
    name: str
    key_id: int
    token: str
    settings: AccountSettings
    enabled: bool
    version: int
    created_at: int
    updated_at: int


class Came(msgspec.Struct, frozen=True, gc=False):
    """What is kept of a message beside the message itself: how it was asked for, and what was told of it."""

    account_id: int
    message_id: int
    sender: str
    service_sid: str
    status_callback: str
    told: str


class Letter(msgspec.Struct, frozen=True, gc=False):
    """Something that a client is to be told."""

    account_id: int
    id: int
    subject_id: int
    status: str
    code: int
    at: int
    due_at: int
    tries: int


class Said(msgspec.Struct, frozen=True, gc=False):
    """What a customer sent."""

    sender: str
    recipient: str
    text: str
    received_at: int
    media_url: str = ""


accounts = Accounts(twilio_account, twilio_letter, Account, AccountSettings)

# ── messages ─────────────────────────────────────────────────────────────────────────────────────────

_CAME = ("workspace_id", *Came.__struct_fields__)
_came = [twilio_message.c[name] for name in Came.__struct_fields__]
_here = twilio_message.c.workspace_id == bindparam("workspace_id")
_of_account = (_here, twilio_message.c.account_id == bindparam("account_id"))
_keep = BulkInsert(twilio_message, _CAME)
_one = Statement(select(*_came).where(*_of_account, twilio_message.c.message_id == bindparam("message_id")))
_of_messages = Statement(select(*_came).where(_here, among(twilio_message.c.message_id, "message_ids")))
_tell = BulkUpdate(twilio_message, match=("workspace_id", "account_id", "message_id"), set=("told",))
_forget = Statement(
    delete(twilio_message).where(*_of_account, twilio_message.c.message_id == bindparam("message_id"))
)
_found = (
    select(*_came)
    .where(
        *_of_account,
        twilio_message.c.message_id < bindparam("before"),
        twilio_message.c.message_id >= bindparam("least"),
        or_(bindparam("sender") == "", twilio_message.c.sender == bindparam("sender")),
    )
    .order_by(twilio_message.c.message_id.desc())
    .limit(bindparam("limit"))
)
_page = Statement(_found)
_page_to = Statement(
    _found.join(message, message.c.id == twilio_message.c.message_id).where(
        message.c.workspace_id == bindparam("workspace_id"),
        message.c.to_address == bindparam("to_address"),
        among(message.c.contact_id, "contact_ids"),
    )
)


async def keep(tx: Transaction, workspace_id: int, came: Sequence[Came]) -> None:
    """Keep how messages were asked for."""
    await tx.insert(_keep, [(workspace_id, *msgspec.structs.astuple(one)) for one in came])


async def came(tx: Transaction, workspace_id: int, account_id: int, message_id: int) -> Came | None:
    """A message of an account."""
    row = await tx.row(_one, workspace_id=workspace_id, account_id=account_id, message_id=message_id)
    return None if row is None else Came(*row)


async def of_messages(tx: Transaction, workspace_id: int, message_ids: Collection[int]) -> list[Came]:
    """Those of these messages that came through the door."""
    rows = await tx.rows(_of_messages, workspace_id=workspace_id, message_ids=list(message_ids))
    return [Came(*row) for row in rows]


async def tell(tx: Transaction, workspace_id: int, told: Sequence[Came]) -> None:
    """Note the last status that was told."""
    await tx.update(_tell, [(workspace_id, one.account_id, one.message_id, one.told) for one in told])


async def forget(tx: Transaction, workspace_id: int, account_id: int, message_id: int) -> None:
    """Let the door know nothing more of a message."""
    await tx.execute(_forget, workspace_id=workspace_id, account_id=account_id, message_id=message_id)


async def page(
    tx: Transaction,
    workspace_id: int,
    account_id: int,
    wanted: Search,
    least: int,
    before: int,
    contact_ids: Collection[int],
) -> list[Came]:
    """The newest that fit, between two ids, and one more than the page has room for."""
    asked = {
        "workspace_id": workspace_id,
        "account_id": account_id,
        "sender": wanted.sender,
        "least": least,
        "before": before,
        "limit": wanted.page_size + 1,
    }
    if wanted.to:
        to = {"to_address": f"phone:{wanted.to}", "contact_ids": list(contact_ids)}
        return [Came(*row) for row in await tx.rows(_page_to, **asked, **to)]
    return [Came(*row) for row in await tx.rows(_page, **asked)]


# ── letters ──────────────────────────────────────────────────────────────────────────────────────────

_LETTER = ("workspace_id", *Letter.__struct_fields__)
_mine = (
    twilio_letter.c.workspace_id == bindparam("workspace_id"),
    twilio_letter.c.account_id == bindparam("account_id"),
)
_add_letters = BulkInsert(twilio_letter, _LETTER)
_due = Statement(
    select(*[twilio_letter.c[name] for name in Letter.__struct_fields__])
    .where(*_mine, twilio_letter.c.due_at <= bindparam("now"))
    .order_by(twilio_letter.c.id)
    .limit(bindparam("limit"))
)
_later = BulkUpdate(twilio_letter, match=("workspace_id", "account_id", "id"), set=("due_at", "tries"))
_done = Statement(delete(twilio_letter).where(*_mine, among(twilio_letter.c.id, "ids")))
_SAID = tuple(inbound.c[name] for name in Said.__struct_fields__)
_said = Statement(
    select(inbound.c.id, *_SAID).where(
        inbound.c.workspace_id == bindparam("workspace_id"), among(inbound.c.id, "ids")
    )
)

_said_on = Statement(
    select(*_SAID).where(
        inbound.c.workspace_id == bindparam("workspace_id"),
        inbound.c.id == bindparam("inbound_id"),
        among(inbound.c.line_id, "lines"),
    )
)


async def add_letters(tx: Transaction, workspace_id: int, letters: Sequence[Letter]) -> None:
    """Keep letters until they are delivered."""
    await tx.insert(_add_letters, [(workspace_id, *msgspec.structs.astuple(one)) for one in letters])


async def due(tx: Transaction, workspace_id: int, account_id: int, now: int, limit: int) -> list[Letter]:
    """Letters whose time has come, the oldest first."""
    asked = {"account_id": account_id, "now": now, "limit": limit}
    return [Letter(*row) for row in await tx.rows(_due, workspace_id=workspace_id, **asked)]


async def later(tx: Transaction, workspace_id: int, letters: Sequence[Letter]) -> None:
    """Try these again at their time."""
    await tx.update(
        _later, [(workspace_id, one.account_id, one.id, one.due_at, one.tries) for one in letters]
    )


async def done(tx: Transaction, workspace_id: int, account_id: int, ids: Sequence[int]) -> None:
    """Letters were taken, or given up."""
    await tx.execute(_done, workspace_id=workspace_id, account_id=account_id, ids=list(ids))


async def said(tx: Transaction, workspace_id: int, ids: Collection[int]) -> dict[int, Said]:
    """What customers sent, by id."""
    rows = await tx.rows(_said, workspace_id=workspace_id, ids=list(ids))
    return {row[0]: Said(*row[1:]) for row in rows}


async def said_on(tx: Transaction, workspace_id: int, inbound_id: int, lines: Collection[int]) -> Said | None:
    """What a customer sent, if it was on one of these lines."""
    asked = {"inbound_id": inbound_id, "lines": list(lines)}
    row = await tx.row(_said_on, workspace_id=workspace_id, **asked)
    return None if row is None else Said(*row)

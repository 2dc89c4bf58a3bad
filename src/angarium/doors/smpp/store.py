"""Accounts of the SMPP door, what they have submitted, and the letters that wait to be delivered to them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

import msgspec
from sqlalchemy import (
    Column,
    Index,
    PrimaryKeyConstraint,
    Table,
    bindparam,
    delete,
    func,
    select,
    text,
    update,
)

from angarium.doors.account_store import Accounts
from angarium.doors.smpp.receipts import Standing, Submission
from angarium.doors.smpp.rules import AccountSettings
from angarium.messaging.states import MessageState
from angarium.messaging.store.tables import inbound, message
from angarium.storage.bulk import BulkInsert, BulkUpdate, Statement, among
from angarium.storage.database import Transaction
from angarium.storage.schema import Count, Id, Instant, Words, metadata

smpp_account = Table(
    "smpp_account",
    metadata,
    Column("workspace_id", Id, nullable=False),
    Column("id", Id, nullable=False),
    Column("name", Words, nullable=False),
    Column("system_id", Words, nullable=False),
    Column("password_hash", Words, nullable=False),
    Column("settings", Words, nullable=False),
    Column("enabled", Count, nullable=False),
    Column("version", Count, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    PrimaryKeyConstraint("workspace_id", "id"),
    Index("smpp_account_system_id", "system_id", unique=True),  # a bind names no workspace
    sqlite_with_rowid=False,
)

# One row for each submit_sm that was answered with an id. `held` is the part of a text, sealed, until all of
# it is there; `text_key` is what its parts have in common, hashed, and `text_id` the first of them.
smpp_submission = Table(
    "smpp_submission",
    metadata,
    Column("workspace_id", Id, nullable=False),
    Column("id", Id, nullable=False),
    Column("account_id", Id, nullable=False),
    Column("message_id", Id, nullable=False),
    Column("source", Words, nullable=False),
    Column("source_ton", Count, nullable=False),
    Column("source_npi", Count, nullable=False),
    Column("dest_ton", Count, nullable=False),
    Column("dest_npi", Count, nullable=False),
    Column("style", Count, nullable=False),
    Column("asked", Count, nullable=False),
    Column("told", Words, nullable=False),
    Column("submitted_at", Instant, nullable=False),
    Column("text_key", Words, nullable=False),
    Column("text_id", Id, nullable=False),
    Column("number", Count, nullable=False),
    Column("total", Count, nullable=False),
    Column("digest", Words, nullable=False),
    Column("held", Words, nullable=False),
    PrimaryKeyConstraint("workspace_id", "id"),
    Index("smpp_submission_message", "workspace_id", "message_id"),
    sqlite_with_rowid=False,
)
Index(
    "smpp_submission_text",
    smpp_submission.c.workspace_id,
    smpp_submission.c.text_key,
    smpp_submission.c.id,
    sqlite_where=text("total > 1"),
    postgresql_where=text("total > 1"),
)
Index(
    "smpp_submission_held",
    smpp_submission.c.workspace_id,
    smpp_submission.c.submitted_at,
    sqlite_where=text("held <> ''"),
    postgresql_where=text("held <> ''"),
)

smpp_letter = Table(
    "smpp_letter",
    metadata,
    Column("workspace_id", Id, nullable=False),
    Column("account_id", Id, nullable=False),
    Column("id", Id, nullable=False),
    Column("subject_id", Id, nullable=False),  # a submission; what a customer sent, where `word` is empty
    Column("word", Words, nullable=False),
    Column("error", Count, nullable=False),
    Column("intermediate", Count, nullable=False),
    Column("at", Instant, nullable=False),
    PrimaryKeyConstraint("workspace_id", "account_id", "id"),
    sqlite_with_rowid=False,
)


class Account(msgspec.Struct, frozen=True):
    """An account as it is kept: its password as a hash."""

    workspace_id: int
    id: int
    name: str
    system_id: str
    password_hash: str
    settings: AccountSettings
    enabled: bool
    version: int
    created_at: int
    updated_at: int


class Part(msgspec.Struct, frozen=True, gc=False):
    """A submission of a text in parts."""

    id: int
    text_key: str
    text_id: int
    number: int
    total: int
    digest: str
    held: str
    message_id: int
    told: str


class Letter(msgspec.Struct, frozen=True, gc=False):
    """Something that is to be told to an account: a word about a submission, or what a customer sent."""

    account_id: int
    id: int
    subject_id: int
    word: str
    error: int
    intermediate: bool
    at: int


class Said(msgspec.Struct, frozen=True, gc=False):
    """What a customer sent."""

    sender: str
    recipient: str
    text: str


accounts = Accounts(smpp_account, smpp_letter, Account, AccountSettings)

# ── submissions ──────────────────────────────────────────────────────────────────────────────────────

_KEPT = Submission.__struct_fields__
_here = smpp_submission.c.workspace_id == bindparam("workspace_id")
_kept = [smpp_submission.c[name] for name in _KEPT]
_parts = [smpp_submission.c[name] for name in Part.__struct_fields__]
_add_submissions = BulkInsert(
    smpp_submission,
    ("workspace_id", *_KEPT, "text_key", "text_id", "number", "total", "digest", "held"),
)
_submissions = Statement(select(*_kept).where(_here, among(smpp_submission.c.id, "ids")))
_of_messages = Statement(select(*_kept).where(_here, among(smpp_submission.c.message_id, "message_ids")))
_tell = BulkUpdate(smpp_submission, match=("workspace_id", "id"), set=("told",))
_of_texts = Statement(
    select(*_parts)
    .where(
        _here,
        smpp_submission.c.total > 1,
        among(smpp_submission.c.text_key, "keys"),
        smpp_submission.c.submitted_at >= bindparam("since"),
    )
    .order_by(smpp_submission.c.id)
)
_whole = BulkUpdate(smpp_submission, match=("workspace_id", "id"), set=("message_id", "held"))
_waiting = Statement(
    select(smpp_submission.c.id)
    .where(
        _here,
        smpp_submission.c.held != "",
        smpp_submission.c.told == "",
        smpp_submission.c.submitted_at < bindparam("before"),
    )
    .order_by(smpp_submission.c.id)
    .limit(bindparam("limit"))
)
_forget_held = Statement(
    update(smpp_submission)
    .where(_here, smpp_submission.c.held != "", smpp_submission.c.submitted_at < bindparam("before"))
    .values(held="")
)
_held = Statement(
    select(smpp_submission.c.id, smpp_submission.c.held).where(_here, among(smpp_submission.c.id, "ids"))
)
_standing = Statement(
    select(
        message.c.id,
        message.c.state,
        message.c.reason,
        message.c.finished_at,
        message.c.decide_at,
        message.c.to_address,
    ).where(message.c.workspace_id == bindparam("workspace_id"), among(message.c.id, "message_ids"))
)
STATES = {one.value: one for one in MessageState}


class New(msgspec.Struct, frozen=True, gc=False):
    """A submission to be kept, and what there is of its text."""

    kept: Submission
    text_key: str = ""
    text_id: int = 0
    number: int = 1
    total: int = 1
    digest: str = ""
    held: str = ""


async def add(tx: Transaction, workspace_id: int, new: Iterable[New]) -> None:
    """Keep submissions; after the commit their clients may be answered."""
    rows = [
        (
            workspace_id,
            *msgspec.structs.astuple(one.kept),
            one.text_key,
            one.text_id or one.kept.id,
            one.number,
            one.total,
            one.digest,
            one.held,
        )
        for one in new
    ]
    await tx.insert(_add_submissions, rows)


async def submissions(tx: Transaction, workspace_id: int, ids: Collection[int]) -> dict[int, Submission]:
    """Those with these ids."""
    rows = await tx.rows(_submissions, workspace_id=workspace_id, ids=list(ids))
    return {row[0]: Submission(*row) for row in rows}


async def of_messages(tx: Transaction, workspace_id: int, message_ids: Collection[int]) -> list[Submission]:
    """Those that became these messages."""
    rows = await tx.rows(_of_messages, workspace_id=workspace_id, message_ids=list(message_ids))
    return [Submission(*row) for row in rows]


async def tell(tx: Transaction, workspace_id: int, told: Iterable[tuple[int, str]]) -> None:
    """Note the last word that was told of submissions."""
    await tx.update(_tell, [(workspace_id, one, word) for one, word in told])


async def of_texts(
    tx: Transaction, workspace_id: int, keys: Collection[str], since: int
) -> dict[str, list[Part]]:
    """The parts that came since a time of the texts of these keys, in the order in which they came."""
    found: dict[str, list[Part]] = {}
    for row in await tx.rows(_of_texts, workspace_id=workspace_id, keys=list(keys), since=since):
        part = Part(*row)
        found.setdefault(part.text_key, []).append(part)
    return found


async def became(tx: Transaction, workspace_id: int, ids: Iterable[tuple[int, int]]) -> None:
    """Parts (by id) became messages (by id): their octets are needed no more."""
    await tx.update(_whole, [(workspace_id, one, message_id, "") for one, message_id in ids])


async def waiting(tx: Transaction, workspace_id: int, before: int, limit: int) -> list[int]:
    """Ids of parts that came before a time and wait for others still."""
    rows = await tx.rows(_waiting, workspace_id=workspace_id, before=before, limit=limit)
    return [row[0] for row in rows]


async def held_of(tx: Transaction, workspace_id: int, ids: Collection[int]) -> dict[int, str]:
    """What is still held of parts, sealed."""
    rows = await tx.rows(_held, workspace_id=workspace_id, ids=list(ids))
    return {row[0]: row[1] for row in rows if row[1]}


async def forget_held(tx: Transaction, workspace_id: int, before: int) -> int:
    """Forget the octets of parts that came before a time; how many there were."""
    return await tx.execute(_forget_held, workspace_id=workspace_id, before=before)


async def standings(
    tx: Transaction, workspace_id: int, message_ids: Collection[int]
) -> dict[int, tuple[Standing, int | None]]:
    """How messages stand, and when they ended."""
    rows = await tx.rows(_standing, workspace_id=workspace_id, message_ids=list(message_ids))
    return {
        row[0]: (
            Standing(
                STATES[row[1]], row[2], row[3] is not None, row[4] is not None, row[5].removeprefix("phone:")
            ),
            row[3],
        )
        for row in rows
    }


# ── letters ──────────────────────────────────────────────────────────────────────────────────────────

_LETTER = ("workspace_id", *Letter.__struct_fields__)
_letters_here = (
    smpp_letter.c.workspace_id == bindparam("workspace_id"),
    smpp_letter.c.account_id == bindparam("account_id"),
)
_add_letters = BulkInsert(smpp_letter, _LETTER)
_letters = Statement(
    select(*[smpp_letter.c[name] for name in Letter.__struct_fields__])
    .where(*_letters_here, smpp_letter.c.id > bindparam("after"))
    .order_by(smpp_letter.c.id)
    .limit(bindparam("limit"))
)
_delivered = Statement(delete(smpp_letter).where(*_letters_here, among(smpp_letter.c.id, "ids")))
_count = Statement(
    select(smpp_letter.c.account_id, func.count())
    .where(smpp_letter.c.workspace_id == bindparam("workspace_id"))
    .group_by(smpp_letter.c.account_id)
)
_forget_letters = Statement(
    delete(smpp_letter).where(
        smpp_letter.c.workspace_id == bindparam("workspace_id"), smpp_letter.c.at < bindparam("before")
    )
)
_said = Statement(
    select(inbound.c.id, inbound.c.sender, inbound.c.recipient, inbound.c.text).where(
        inbound.c.workspace_id == bindparam("workspace_id"), among(inbound.c.id, "ids")
    )
)


async def add_letters(tx: Transaction, workspace_id: int, letters: Sequence[Letter]) -> None:
    """Keep letters until they are delivered."""
    rows = [
        (
            workspace_id,
            one.account_id,
            one.id,
            one.subject_id,
            one.word,
            one.error,
            int(one.intermediate),
            one.at,
        )
        for one in letters
    ]
    await tx.insert(_add_letters, rows)


async def letters(
    tx: Transaction, workspace_id: int, account_id: int, after: int, limit: int
) -> list[Letter]:
    """The next letters of an account behind an id, the oldest first."""
    asked = {"account_id": account_id, "after": after, "limit": limit}
    rows = await tx.rows(_letters, workspace_id=workspace_id, **asked)
    return [Letter(row[0], row[1], row[2], row[3], row[4], bool(row[5]), row[6]) for row in rows]


async def delivered(tx: Transaction, workspace_id: int, account_id: int, ids: Sequence[int]) -> None:
    """Letters were taken: they are not told again."""
    await tx.execute(_delivered, workspace_id=workspace_id, account_id=account_id, ids=list(ids))


async def letters_waiting(tx: Transaction, workspace_id: int) -> dict[int, int]:
    """How many letters wait, by account."""
    return {row[0]: row[1] for row in await tx.rows(_count, workspace_id=workspace_id)}


async def forget_letters(tx: Transaction, workspace_id: int, before: int) -> int:
    """Drop letters that nobody has fetched since a time; how many."""
    return await tx.execute(_forget_letters, workspace_id=workspace_id, before=before)


async def said(tx: Transaction, workspace_id: int, ids: Collection[int]) -> dict[int, Said]:
    """What customers sent, by id."""
    rows = await tx.rows(_said, workspace_id=workspace_id, ids=list(ids))
    return {row[0]: Said(*row[1:]) for row in rows}

"""Idempotency keys: a request that comes twice is done once and answered twice.

A key is claimed in the transaction that does the work and filled with the answer before its end, so that
the two are committed together or not at all. On PostgreSQL a claim waits for the transaction that has claimed
the same key and then finds its answer; on SQLite there is one writer. The header is that of
draft-ietf-httpapi-idempotency-key-header.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence

import msgspec
from sqlalchemy import Column, Index, Table, bindparam, delete, select

from angarium.core.problems import Problem
from angarium.storage.bulk import BulkInsert, BulkUpdate, Statement, among
from angarium.storage.database import Row, Transaction
from angarium.storage.schema import Blob, Count, Id, Instant, Words, metadata

idempotency = Table(
    "idempotency",
    metadata,
    Column("workspace_id", Id, primary_key=True),
    Column("key", Words, primary_key=True),
    Column("body_hash", Blob, nullable=False),
    Column("status", Count),  # empty until it is filled
    Column("response", Blob),
    Column("created_at", Instant, nullable=False),
    Index("idempotency_age", "workspace_id", "created_at"),
    sqlite_with_rowid=False,
)


def answer_cell(workspace_id: int, key: str) -> str:
    """Where an answer opens that was sealed because it shows a secret."""
    return f"idempotency/{workspace_id}/{key}"


class New(msgspec.Struct, frozen=True):
    """Nobody has done it: do it, then fill the key."""


class Replay(msgspec.Struct, frozen=True):
    """It was done, and answered like this."""

    status: int
    response: bytes


class Twin(msgspec.Struct, frozen=True):
    """The same as an earlier request of this batch, which is new: it gets that one's answer."""

    of: int  # index in the batch


class Mismatch(msgspec.Struct, frozen=True):
    """The key was used for another body."""


Claim = New | Replay | Twin | Mismatch

_here = idempotency.c.workspace_id == bindparam("workspace_id")
_claim = BulkInsert(
    idempotency,
    ("workspace_id", "key", "body_hash", "created_at"),
    conflict="nothing",
    returning=("key",),
)
_known = Statement(
    select(idempotency.c.key, idempotency.c.body_hash, idempotency.c.status, idempotency.c.response).where(
        _here, among(idempotency.c.key, "keys")
    )
)
_fill = BulkUpdate(idempotency, match=("workspace_id", "key"), set=("status", "response"))
_old = (
    select(idempotency.c.key)
    .where(_here, idempotency.c.created_at < bindparam("before"))
    .order_by(idempotency.c.created_at)
    .limit(bindparam("limit"))
    .with_for_update(skip_locked=True)
    .cte("old")
)
_after = Statement(
    select(idempotency.c.key, idempotency.c.response)
    .where(_here, idempotency.c.key > bindparam("after"), idempotency.c.response.is_not(None))
    .order_by(idempotency.c.key)
    .limit(bindparam("limit"))
)
_release = Statement(
    delete(idempotency).where(_here, among(idempotency.c.key, "keys"), idempotency.c.status.is_(None))
)
_drop = Statement(delete(idempotency).where(_here, among(idempotency.c.key, "keys")))
_purge = Statement(delete(idempotency).where(_here, idempotency.c.key.in_(select(_old.c.key))))


async def claim(
    tx: Transaction, workspace_id: int, asked: Sequence[tuple[str, bytes]], now: int
) -> list[Claim]:
    """Claim keys, each with the hash of its request's body; one answer for each, in order."""
    first = {key: index for index, (key, _) in reversed(list(enumerate(asked)))}
    # Sorted, so that two batches with the same keys wait for each other in one direction only.
    rows = [(workspace_id, key, asked[index][1], now) for key, index in sorted(first.items())]
    won = {row[0] for row in await tx.insert(_claim, rows)}
    lost = [key for key in first if key not in won]
    known = (
        {row[0]: row for row in await tx.rows(_known, workspace_id=workspace_id, keys=lost)} if lost else {}
    )
    return [_judge(asked, index, first, known) for index in range(len(asked))]


async def fill(tx: Transaction, workspace_id: int, answers: Sequence[tuple[str, int, bytes]]) -> None:
    """Store the answers of claimed keys: (key, status, response)."""
    await tx.update(_fill, [(workspace_id, key, status, response) for key, status, response in answers])


async def release(tx: Transaction, workspace_id: int, keys: Sequence[str]) -> None:
    """Give claimed keys back: their requests came to nothing. Keys that are filled stay."""
    await tx.execute(_release, workspace_id=workspace_id, keys=list(keys))


async def once(
    tx: Transaction,
    workspace_id: int,
    key: str,
    body_hash: bytes,
    now: int,
    work: Callable[[Transaction], Awaitable[tuple[int, bytes]]],
) -> tuple[Replay, bool]:
    """Do a work and keep its answer under a key, or find the answer of the one before it.

    Returns the answer, and whether it is an old one. Problem `idempotency-mismatch` when the key was used for
    another body; whatever the work raises undoes the claim, so a request that was wrong burns no key.
    """
    (found,) = await claim(tx, workspace_id, [(key, body_hash)], now)
    if isinstance(found, Replay):
        return found, True
    if isinstance(found, Mismatch):
        raise mismatch()
    status, response = await work(tx)
    await fill(tx, workspace_id, [(key, status, response)])
    return Replay(status, response), False


def mismatch() -> Problem:
    """The key was used for another body."""
    return Problem(
        "idempotency-mismatch",
        "This Idempotency-Key was used for another request",
        detail="Use a new key for a new request; repeat a request with exactly the same body.",
    )


async def answers_after(
    tx: Transaction, workspace_id: int, after: str, limit: int
) -> list[tuple[str, bytes]]:
    """Keys behind one, each with the answer that is kept under it."""
    rows = await tx.rows(_after, workspace_id=workspace_id, after=after, limit=limit)
    return [(row[0], row[1]) for row in rows]


async def drop(tx: Transaction, workspace_id: int, keys: Sequence[str]) -> int:
    """Forget keys; how many."""
    return await tx.execute(_drop, workspace_id=workspace_id, keys=list(keys))


async def answer_anew(
    tx: Transaction, workspace_id: int, keys: Sequence[str], status: int, response: bytes
) -> int:
    """Put another answer under keys that are filled; how many."""
    return await tx.update(_fill, [(workspace_id, key, status, response) for key in keys])


async def purge(tx: Transaction, workspace_id: int, before: int, limit: int) -> int:
    """Forget up to `limit` keys claimed before an instant; returns how many."""
    return await tx.execute(_purge, workspace_id=workspace_id, before=before, limit=limit)


def _judge(
    asked: Sequence[tuple[str, bytes]], index: int, first: Mapping[str, int], known: Mapping[str, Row]
) -> Claim:
    key, body_hash = asked[index]
    first_index = first[key]
    row = known.get(key)
    expected = row[1] if row is not None else asked[first_index][1]
    if expected != body_hash:
        return Mismatch()
    if row is not None and row[2] is not None:
        return Replay(row[2], row[3])
    return New() if index == first_index else Twin(first_index)

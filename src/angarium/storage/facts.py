"""The log of facts: what has happened, written by the transaction that made it happen, read by cursor.

A room that reacts to another reads this log with a cursor of its own. A reader goes through it in the order
of commits. Rules:

1. On SQLite there is one writer, so the order of `seq` is the order of commits, and `tx` is 0.
2. PostgreSQL gives `seq` out before the commit, so a fact may become visible after one with a larger `seq`.
   Each fact therefore carries its transaction's number, and a reader stops before the oldest transaction
   that is still open: behind that line nothing can appear any more. A transaction that stays open holds
   every reader up, and none loses a fact.
3. A dump that is restored into a new cluster meets transaction numbers that begin again. The restored facts
   are then moved below zero, in their order, before anything is appended: see `renumber_after_restore`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import msgspec
from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    Table,
    bindparam,
    delete,
    func,
    literal_column,
    select,
    text,
    tuple_,
    update,
)

from angarium.storage import facts_common
from angarium.storage.bulk import BulkInsert, BulkUpdate, Statement, among
from angarium.storage.database import Row, Transaction
from angarium.storage.facts_common import NOTHING, text_of
from angarium.storage.schema import Id, Instant, Serial, Words, metadata

# What is told of single messages and people comes by the million. All other facts have an index of their own,
# so that whoever reads those need not pass by the many.
MANY = ("message", "inbound", "consent", "contact", "suppression")
SELDOM = " AND ".join(f"substr(kind, 1, {len(noun) + 1}) <> '{noun}.'" for noun in MANY)

fact = Table(
    "fact",
    metadata,
    Column("seq", Serial, primary_key=True, autoincrement=True),
    Column("tx", Id, nullable=False),
    Column("workspace_id", Id, nullable=False),
    Column("kind", Words, nullable=False),
    Column("subject_id", Id, nullable=False),
    Column("at", Instant, nullable=False),
    Column("body", Words, nullable=False),  # what is its own
    Column("common_id", Id, nullable=False, server_default="0"),  # what others say in the same words
    Index("fact_order", "workspace_id", "tx", "seq"),
    Index("fact_subject", "workspace_id", "subject_id", "seq"),
    Index(
        "fact_seldom",
        "workspace_id",
        "tx",
        "seq",
        sqlite_where=text(SELDOM),
        postgresql_where=text(SELDOM),
    ),
    sqlite_autoincrement=True,  # a cursor must never meet a number twice, also when the newest rows are gone
)

fact_cursor = Table(
    "fact_cursor",
    metadata,
    Column("workspace_id", Id, primary_key=True),
    Column("reader", Words, primary_key=True),
    Column("tx", Id, nullable=False),
    Column("seq", Id, nullable=False),
    sqlite_with_rowid=False,
)


class Fact(msgspec.Struct, frozen=True, gc=False):
    """Something that has happened. `subject_id` is what its timeline hangs on: a message, a contact."""

    workspace_id: int
    kind: str  # "message.delivered"
    subject_id: int
    at: int
    own: str | bytes  # JSON, an object; text when it comes back
    common: str | bytes = ""  # the same of what others say too; it shares no name with `own`
    seq: int = 0  # given by the log

    @property
    def body(self) -> str:
        """All that it says, as one JSON object."""
        return facts_common.joined(text_of(self.own), text_of(self.common))


class Position(msgspec.Struct, frozen=True):
    """How far a reader has come."""

    tx: int
    seq: int


Reading = Callable[[Transaction, int, Position, int], Awaitable[tuple[list[Fact], Position]]]

RENUMBERING = 0x66616374  # "fact": the advisory lock of whoever renumbers
SUBJECTS_AT_ONCE = 2_000  # subjects in one statement
START, END = Position(-(2**63), 0), Position(2**63 - 1, 0)

_columns = [fact.c[name] for name in ("workspace_id", "kind", "subject_id", "at", "body", "common_id", "seq")]
_here = fact.c.workspace_id == bindparam("workspace_id")
_oldest_open = literal_column("pg_snapshot_xmin(pg_current_snapshot())::text::bigint", BigInteger())
_this_transaction = literal_column("pg_current_xact_id()::text::bigint", BigInteger())

_append = BulkInsert(fact, ("tx", "workspace_id", "kind", "subject_id", "at", "body", "common_id"))
_number = Statement(select(literal_column("0")), postgresql=select(_this_transaction))


def _following(columns: Sequence[Any], *conditions: Any) -> Statement:
    """Facts behind a position. SQLite would look for (tx, seq) by `tx` alone, for `seq` is its rowid
    (`whereRangeVectorLen` in wherecode.c compares numbers of columns): 2.7 s for ten of 30,000,000 facts."""
    facts = select(*columns).where(_here, *conditions)
    in_order = facts.order_by(fact.c.tx, fact.c.seq).limit(bindparam("limit"))
    tx, seq = bindparam("tx", type_=BigInteger()), bindparam("seq", type_=BigInteger())
    later = tuple_(fact.c.tx, fact.c.seq) > tuple_(tx, seq)
    return Statement(
        in_order.where(fact.c.tx == 0, tx <= 0, fact.c.seq > seq),
        postgresql=in_order.where(later, fact.c.tx < _oldest_open),
    )


_after = _following([fact.c.tx, *_columns])
_seldom_after = _following([fact.c.tx, *_columns], text(SELDOM))
_kinds_after = _following([fact.c.tx, fact.c.seq, fact.c.kind])


def _cursors_and_news(*conditions: Any) -> Statement:
    """Cursors of a reader, and whether there is more behind each. A question for each row, for PostgreSQL
    might read all facts to answer them together."""
    theirs: Any = select(literal_column("1")).where(
        fact.c.workspace_id == fact_cursor.c.workspace_id, *conditions
    )
    in_order = theirs.order_by(fact.c.tx, fact.c.seq).limit(1).correlate(fact_cursor)
    behind = tuple_(fact.c.tx, fact.c.seq) > tuple_(fact_cursor.c.tx, fact_cursor.c.seq)

    def asked(news: Any) -> Any:
        return select(fact_cursor.c.workspace_id, news.scalar_subquery()).where(
            among(fact_cursor.c.workspace_id, "workspace_ids"), fact_cursor.c.reader == bindparam("reader")
        )

    return Statement(
        asked(in_order.where(fact.c.tx == 0, fact.c.seq > fact_cursor.c.seq)),
        postgresql=asked(in_order.where(behind, fact.c.tx < _oldest_open)),
    )


_news_of = _cursors_and_news()
_seldom_news_of = _cursors_and_news(text(SELDOM))
_end = select(fact.c.tx, fact.c.seq).where(_here)
_end_of = Statement(
    _end.order_by(fact.c.tx.desc(), fact.c.seq.desc()).limit(1),
    postgresql=_end.where(fact.c.tx < _oldest_open).order_by(fact.c.tx.desc(), fact.c.seq.desc()).limit(1),
)
_of_subject = Statement(
    select(*_columns)
    .where(_here, fact.c.subject_id == bindparam("subject_id"))
    .order_by(fact.c.seq)
    .limit(bindparam("limit"))
)
_of_subjects = Statement(  # held: nobody else lets go of them, who would be counted twice
    select(*_columns)
    .where(_here, among(fact.c.subject_id, "subject_ids"))
    .order_by(fact.c.seq)
    .with_for_update()
)
_drop = Statement(
    delete(fact).where(_here, among(fact.c.subject_id, "subject_ids")).returning(fact.c.common_id)
)
_farthest_behind = Statement(
    select(fact_cursor.c.tx, fact_cursor.c.seq)
    .where(fact_cursor.c.workspace_id == bindparam("workspace_id"))
    .order_by(fact_cursor.c.tx, fact_cursor.c.seq)
    .limit(1)
)
_rewrite = BulkUpdate(fact, match=("workspace_id", "seq"), set=("body", "common_id"))
_position = Statement(
    select(fact_cursor.c.tx, fact_cursor.c.seq)
    .where(
        fact_cursor.c.workspace_id == bindparam("workspace_id"), fact_cursor.c.reader == bindparam("reader")
    )
    .with_for_update()
)
_known_positions = Statement(
    select(fact_cursor.c.workspace_id, fact_cursor.c.tx, fact_cursor.c.seq).where(
        among(fact_cursor.c.workspace_id, "workspace_ids"), fact_cursor.c.reader == bindparam("reader")
    )
)
# By their subjects: `tx` that is not the column's own is looked for in no index, as PostgreSQL would in a log
# of some ten thousand facts, and read them all.
_earlier = Statement(
    select(*_columns).where(
        _here,
        among(fact.c.subject_id, "subject_ids"),
        among(fact.c.kind, "kinds"),
        tuple_(fact.c.tx + 0, fact.c.seq) <= tuple_(bindparam("tx"), bindparam("seq")),
    )
)
_begin = BulkInsert(fact_cursor, ("workspace_id", "reader", "tx", "seq"), conflict="nothing")
_save = BulkInsert(
    fact_cursor,
    ("workspace_id", "reader", "tx", "seq"),
    conflict=("workspace_id", "reader"),
    update=("tx", "seq"),
)
_one_at_a_time = Statement(
    select(literal_column("0")),
    postgresql=select(func.pg_advisory_xact_lock(literal_column(str(RENUMBERING)))),
)
_newest = Statement(select(fact.c.tx).order_by(fact.c.seq.desc()).limit(1))
_highest = Statement(select(func.max(fact.c.tx)))
_farthest = Statement(select(func.max(fact_cursor.c.tx)))
_move_facts = Statement(update(fact).values(tx=fact.c.tx - bindparam("by")))
_move_cursors = Statement(update(fact_cursor).values(tx=fact_cursor.c.tx - bindparam("by")))


def noun(kind: str) -> str:
    """What a kind of facts is about: "message" of "message.delivered"."""
    return kind.partition(".")[0]


async def append(tx: Transaction, facts: Sequence[Fact]) -> None:
    """Write facts into the log; they are there when the transaction is."""
    if not facts:
        return
    number = await _value(tx, _number)
    for (workspace_id, kind), count in Counter([(one.workspace_id, one.kind) for one in facts]).items():
        about = (workspace_id, noun(kind))
        tx.news[about] = tx.news.get(about, 0) + count
    kept = await facts_common.keep(tx, [(one.workspace_id, one.common) for one in facts if one.common])
    rows = []
    for one in facts:
        common_id = kept.get((one.workspace_id, one.common), NOTHING)
        body = text_of(one.own) if common_id else one.body
        rows.append((number, one.workspace_id, one.kind, one.subject_id, one.at, body, common_id))
    await tx.insert(_append, rows)


async def after(
    tx: Transaction, workspace_id: int, position: Position, limit: int
) -> tuple[list[Fact], Position]:
    """The next facts in the order of commits, and the position behind the last of them."""
    return await _read(tx, _after, workspace_id, position, limit)


async def seldom_after(
    tx: Transaction, workspace_id: int, position: Position, limit: int
) -> tuple[list[Fact], Position]:
    """The same, of facts that are not about single messages and people (`MANY`)."""
    return await _read(tx, _seldom_after, workspace_id, position, limit)


async def _read(
    tx: Transaction, statement: Statement, workspace_id: int, position: Position, limit: int
) -> tuple[list[Fact], Position]:
    rows = await tx.rows(statement, workspace_id=workspace_id, tx=position.tx, seq=position.seq, limit=limit)
    if not rows:
        return [], position
    return await _facts(tx, workspace_id, [row[1:] for row in rows]), Position(rows[-1][0], rows[-1][7])


async def _facts(tx: Transaction, workspace_id: int, rows: Sequence[Row]) -> list[Fact]:
    """Facts of rows of `_columns`; one whose words have gone has gone with them, between two statements."""
    said = await facts_common.of_ids(tx, workspace_id, {row[5] for row in rows})
    return [
        Fact(workspace_id, kind, subject_id, at, own, said[common_id], seq)
        for _, kind, subject_id, at, own, common_id, seq in rows
        if common_id in said
    ]


async def end_of(tx: Transaction, workspace_id: int) -> Position:
    """The position behind the newest fact of a workspace."""
    return _as_position(await tx.row(_end_of, workspace_id=workspace_id))


async def nouns_after(
    tx: Transaction, workspace_id: int, position: Position, limit: int
) -> tuple[Counter[str], Position]:
    """How many facts of which noun are new, and where to look on. Of more than `limit` the others are passed
    over."""
    rows = await tx.rows(
        _kinds_after, workspace_id=workspace_id, tx=position.tx, seq=position.seq, limit=limit
    )
    nouns = Counter([noun(row[2]) for row in rows])
    if len(rows) == limit:
        return nouns, await end_of(tx, workspace_id)
    return nouns, Position(rows[-1][0], rows[-1][1]) if rows else position


async def position_of(tx: Transaction, workspace_id: int, reader: str) -> Position:
    """Where a reader is, START when it is new; held to the end of the transaction, so no two read at once."""
    row = await tx.row(_position, workspace_id=workspace_id, reader=reader)
    if row is None:
        await tx.insert(_begin, [(workspace_id, reader, START.tx, START.seq)])
        row = await tx.row(_position, workspace_id=workspace_id, reader=reader)
    return _as_position(row)


async def known_position(tx: Transaction, workspace_id: int, reader: str) -> Position | None:
    """Where a reader is, only to be looked at; None when it has never read."""
    return (await known_positions(tx, [workspace_id], reader)).get(workspace_id)


async def known_positions(tx: Transaction, workspace_ids: Sequence[int], reader: str) -> dict[int, Position]:
    """The same in several workspaces; of those where it has read."""
    rows = await tx.rows(_known_positions, workspace_ids=list(workspace_ids), reader=reader)
    return {row[0]: Position(row[1], row[2]) for row in rows}


async def begin_at_end(tx: Transaction, workspace_id: int, reader: str) -> None:
    """Have a reader read from now on: of what happened before it hears nothing."""
    await position_of(tx, workspace_id, reader)
    await save_position(tx, workspace_id, reader, await end_of(tx, workspace_id))


async def with_news(
    tx: Transaction, workspace_ids: Sequence[int], reader: str, *, seldom: bool = False
) -> list[int]:
    """Those of these workspaces in which there are facts that a reader has not read, or it has never read
    any; nothing is held. `seldom`: as in `seldom_after`."""
    statement = _seldom_news_of if seldom else _news_of
    rows = await tx.rows(statement, workspace_ids=list(workspace_ids), reader=reader)
    known = {workspace_id: news is not None for workspace_id, news in rows}
    return [workspace_id for workspace_id in workspace_ids if known.get(workspace_id, True)]


async def has_news(tx: Transaction, workspace_id: int, reader: str) -> bool:
    """Whether there are facts that a reader has not read; nothing is held."""
    position = await known_position(tx, workspace_id, reader)
    found, _ = await after(tx, workspace_id, position or START, 1)
    return bool(found)


async def earlier(
    tx: Transaction, workspace_id: int, subject_ids: Sequence[int], kinds: Sequence[str], until: Position
) -> list[Fact]:
    """Facts of some kinds about some things, up to a position, in no order."""
    asked = {"workspace_id": workspace_id, "subject_ids": subject_ids, "kinds": kinds}
    return await _facts(tx, workspace_id, await tx.rows(_earlier, **asked, tx=until.tx, seq=until.seq))


async def save_position(tx: Transaction, workspace_id: int, reader: str, position: Position) -> None:
    """Remember how far a reader has come."""
    await tx.insert(_save, [(workspace_id, reader, position.tx, position.seq)])


async def of_subject(tx: Transaction, workspace_id: int, subject_id: int, limit: int = 1_000) -> list[Fact]:
    """The timeline of one thing, the oldest first."""
    rows = await tx.rows(_of_subject, workspace_id=workspace_id, subject_id=subject_id, limit=limit)
    return await _facts(tx, workspace_id, rows)


async def reduce(tx: Transaction, workspace_id: int, subject_ids: Sequence[int], kept: frozenset[str]) -> int:
    """Take everything out of the bodies of these subjects' facts but the values under these names; how many
    facts said more. What happened and when stays."""
    count = 0
    for start in range(0, len(subject_ids), SUBJECTS_AT_ONCE):
        some = list(subject_ids[start : start + SUBJECTS_AT_ONCE])
        rows = await tx.rows(_of_subjects, workspace_id=workspace_id, subject_ids=some)
        held = {row[6]: row[5] for row in rows}
        told = await _facts(tx, workspace_id, rows)
        changed = {one.seq: less for one in told if (less := _less(one.body, kept)) != one.body}
        await tx.update(_rewrite, [(workspace_id, seq, less, NOTHING) for seq, less in changed.items()])
        await facts_common.let_go(tx, workspace_id, [held[seq] for seq in changed])
        count += len(changed)
    return count


async def drop(tx: Transaction, workspace_id: int, subject_ids: Sequence[int]) -> int:
    """Let go of all facts of these subjects; how many."""
    gone = await tx.rows(_drop, workspace_id=workspace_id, subject_ids=list(subject_ids))
    await facts_common.let_go(tx, workspace_id, [row[0] for row in gone])
    return len(gone)


async def unread_since(tx: Transaction, workspace_id: int) -> int | None:
    """When the oldest fact happened that some reader has not come to; None when all have read everything."""
    row = await tx.row(_farthest_behind, workspace_id=workspace_id)
    if row is None:
        return None
    found, _ = await after(tx, workspace_id, _as_position(row), 1)
    return found[0].at if found else None


def _less(body: str, kept: frozenset[str]) -> str:
    said = msgspec.json.decode(body)
    left = {name: value for name, value in said.items() if name in kept} if isinstance(said, dict) else {}
    return body if left == said else msgspec.json.encode(left).decode()


async def renumber_after_restore(tx: Transaction) -> int:
    """Make room for transaction numbers that begin again; returns how many facts it moved, mostly 0.

    To be run when a server starts, before it appends. It looks at the newest fact and the cursors; only in a
    cluster younger than the one the dump came from does it write every fact once.
    """
    await tx.row(_one_at_a_time)
    number, farthest = await _value(tx, _number), await _value(tx, _farthest)
    if max(farthest, await _value(tx, _newest)) <= number:
        return 0
    by = 1 + max(farthest, await _value(tx, _highest))
    await tx.execute(_move_cursors, by=by)
    return await tx.execute(_move_facts, by=by)


async def _value(tx: Transaction, statement: Statement) -> int:
    row = await tx.row(statement)
    return 0 if row is None or row[0] is None else int(row[0])


def _as_position(row: Row | None) -> Position:
    return START if row is None else Position(row[0], row[1])

"""What each server says of itself: a row for each run of one, in the ledger, whatever the fabric is.

When it was seen last is told by the database's clock where that has one, so that it does not matter whose
clock is wrong; and how wrong it is can be told.
"""

from __future__ import annotations

import msgspec
from sqlalchemy import (
    BigInteger,
    Column,
    PrimaryKeyConstraint,
    Table,
    bindparam,
    literal_column,
    select,
    update,
)
from sqlalchemy import delete as delete_from

from angarium.servers.rules import Said, Server
from angarium.storage.bulk import BulkInsert, Statement
from angarium.storage.database import Row, Transaction
from angarium.storage.schema import Count, Id, Instant, Words, metadata

# It is about servers, not about workspaces, so no workspace leads its key.
server = Table(
    "server",
    metadata,
    Column("id", Id, nullable=False, autoincrement=False),  # of this run of it
    Column("name", Words, nullable=False),
    Column("node", Count, nullable=False),  # its number in the ids that it mints
    Column("roles", Words, nullable=False),  # with spaces between
    Column("version", Words, nullable=False),
    Column("revision", Words, nullable=False),  # the newest migration that it knows
    Column("started_at", Instant, nullable=False),
    Column("beat_s", Count, nullable=False),  # how often it is to be seen
    Column("seen_at", Instant, nullable=False),
    Column("stopped_at", Instant),
    Column("said", Words, nullable=False),  # the rest, as JSON
    PrimaryKeyConstraint("id"),
    sqlite_with_rowid=False,
)

_clock = literal_column("(extract(epoch FROM clock_timestamp()) * 1000000)::bigint", BigInteger())
_given = bindparam("now", type_=BigInteger())
_this = server.c.id == bindparam("server_id")
_columns = [column for column in server.columns if column is not server.c.said]
_join = BulkInsert(
    server,
    ("id", "name", "node", "roles", "version", "revision", "started_at", "beat_s", "seen_at", "said"),
)
_say = update(server).where(_this)
_said = Statement(
    _say.values(seen_at=_given, said=bindparam("said")),
    postgresql=_say.values(seen_at=_clock, said=bindparam("said")),
)
_stop = Statement(
    _say.values(seen_at=_given, stopped_at=_given), postgresql=_say.values(seen_at=_clock, stopped_at=_clock)
)
_order = (server.c.name, server.c.started_at)
_all = Statement(
    select(*_columns, server.c.said, _given).order_by(*_order),
    postgresql=select(*_columns, server.c.said, _clock).order_by(*_order),
)
_forget = Statement(
    delete_from(server).where(server.c.seen_at < _given - bindparam("age")),
    postgresql=delete_from(server).where(server.c.seen_at < _clock - bindparam("age")),
)

_decoder = msgspec.json.Decoder(Said)  # what a newer version says beyond it is passed over


async def join(tx: Transaction, one: Server) -> None:
    """Be one of them."""
    roles = " ".join(one.roles)
    row = (one.id, one.name, one.node, roles, one.version, one.revision, one.started_at, one.beat_s)
    await tx.insert(_join, [(*row, one.started_at, msgspec.json.encode(one.said).decode())])


async def say(tx: Transaction, server_id: int, said: Said) -> bool:
    """Be seen, and say how it goes; False when the row is gone."""
    body = msgspec.json.encode(said).decode()
    return bool(await tx.execute(_said, server_id=server_id, said=body, **_now(tx, said.at)))


async def stop(tx: Transaction, server_id: int, now: int) -> None:
    """Have stopped."""
    await tx.execute(_stop, server_id=server_id, **_now(tx, now))


async def every(tx: Transaction, now: int) -> tuple[list[Server], int]:
    """All that are there or were lately, by their names; and what time it is there."""
    rows = await tx.rows(_all, **_now(tx, now))
    return [_read(row) for row in rows], rows[0][-1] if rows else now


async def forget(tx: Transaction, age: int, now: int) -> int:
    """Forget those that were not seen for so many microseconds; how many."""
    return await tx.execute(_forget, age=age, **_now(tx, now))


def _now(tx: Transaction, now: int) -> dict[str, int]:
    return {"now": now} if tx.dialect == "sqlite" else {}


def _read(row: Row) -> Server:
    *known, said, _ = row
    id_, name, node, roles, version, revision, started_at, beat_s, seen_at, stopped_at = known
    return Server(
        id_,
        name,
        node,
        tuple(roles.split()),
        version,
        revision,
        started_at,
        beat_s,
        seen_at,
        stopped_at,
        _decoder.decode(said),
    )

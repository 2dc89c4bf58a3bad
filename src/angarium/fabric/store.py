"""What servers on one database tell one another there: who is there, who has which lease, what was rung.

Every instant is that of the database's clock. The tables are PostgreSQL's alone to use, so each function
takes a connection of its driver; on SQLite they stay empty.
"""

from __future__ import annotations

from collections.abc import Sequence

import asyncpg
from sqlalchemy import Column, Index, PrimaryKeyConstraint, Table

from angarium.fabric.members import Member, free_node
from angarium.storage.postgres import WHOLE_SINCE
from angarium.storage.schema import Blob, Count, Id, Instant, Serial, Words, metadata

# They are about servers, not about workspaces, so no workspace leads their keys.
fabric_member = Table(
    "fabric_member",
    metadata,
    Column("server", Id, nullable=False, autoincrement=False),
    Column("name", Words, nullable=False),
    Column("node", Count, nullable=False),
    Column("joined_at", Instant, nullable=False),
    Column("seen_at", Instant, nullable=False),
    PrimaryKeyConstraint("server"),
    Index("fabric_member_node", "node", unique=True),
    sqlite_with_rowid=False,
)

fabric_lease = Table(
    "fabric_lease",
    metadata,
    Column("name", Words, nullable=False),
    Column("server", Id, nullable=False),
    Column("epoch", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
    PrimaryKeyConstraint("name"),
    sqlite_with_rowid=False,
)

fabric_topic = Table(
    "fabric_topic",
    metadata,
    Column("name", Words, nullable=False),
    Column("rung", Id, nullable=False),  # how often
    Column("rung_at", Instant, nullable=False),
    PrimaryKeyConstraint("name"),
    sqlite_with_rowid=False,
)

fabric_told = Table(
    "fabric_told",
    metadata,
    Column("number", Serial, primary_key=True, autoincrement=True),
    Column("topic", Words, nullable=False),
    Column("server", Id, nullable=False),  # which has told it
    Column("body", Blob, nullable=False),
    Column("told_at", Instant, nullable=False),
    sqlite_autoincrement=True,
)

JOINING = (0x416E67, 2)  # the name that is held by who takes a number
TELLING = (0x416E67, 3)  # by who tells: so numbers are committed in their order
TURN_S = 3  # for so long a turn is waited for, and whoever has it may stand still
NOW = "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint"

# ── who is there ─────────────────────────────────────────────────────────────────────────────────────

_forget = f"DELETE FROM fabric_member WHERE seen_at <= {NOW} - $1::bigint"  # noqa: S608  our own names
_nodes = "SELECT node FROM fabric_member"
_join = f"INSERT INTO fabric_member VALUES ($1, $2, $3, 0, {NOW})"  # noqa: S608  our own names
_leave = "DELETE FROM fabric_member WHERE server = $1"
_see = (
    f"UPDATE fabric_member SET seen_at = {NOW}, joined_at = CASE WHEN joined_at = 0 AND $2 THEN {NOW} "  # noqa: S608  our own names
    "ELSE joined_at END WHERE server = $1"
)
_come_back = (
    f"INSERT INTO fabric_member VALUES ($1, $2, $3, CASE WHEN $4 THEN {NOW} ELSE 0 END, {NOW}) "  # noqa: S608  our own names
    "ON CONFLICT DO NOTHING"
)
_members = (
    "SELECT server, name, node, joined_at, seen_at FROM fabric_member "  # noqa: S608  our own names
    f"WHERE seen_at > {NOW} - $1::bigint AND joined_at > 0 ORDER BY server"
)


async def join(connection: asyncpg.Connection, server: int, name: str, gone: int) -> int | None:
    """Be one of them, by a number that no other has; None when all are taken. Who was not seen for `gone`
    microseconds has left."""
    async with connection.transaction():
        await _wait_for_turn(connection, JOINING)
        await connection.execute(_forget, gone)
        node = free_node({row["node"] for row in await connection.fetch(_nodes)})
        if node is not None:
            await connection.execute(_join, server, name, node)
    return node


async def _wait_for_turn(connection: asyncpg.Connection, turn: tuple[int, int]) -> None:
    """Be the only one until the transaction ends. Who stands still in it is cut off, for a server that hangs,
    or cannot be reached, would have it for hours; in the midst of a statement only by PostgreSQL 17."""
    limits = {"lock_timeout": TURN_S, "idle_in_transaction_session_timeout": TURN_S}
    if connection.get_server_version().major >= WHOLE_SINCE:
        limits["transaction_timeout"] = 2 * TURN_S
    settings = "; ".join(f"SET LOCAL {name} = '{seconds}s'" for name, seconds in limits.items())
    await connection.execute(f"{settings}; SELECT pg_advisory_xact_lock({turn[0]}, {turn[1]})")


async def leave(connection: asyncpg.Connection, server: int) -> None:
    """Be one of them no more."""
    await connection.execute(_leave, server)


async def see(connection: asyncpg.Connection, server: int, name: str, node: int, *, takes: bool) -> bool:
    """Be seen, and have joined if it `takes` leases; False when the others had forgotten it, and one of them
    has its number."""
    if await connection.execute(_see, server, takes) != "UPDATE 0":
        return True
    return bool(await connection.execute(_come_back, server, name, node, takes) != "INSERT 0 0")


async def members(connection: asyncpg.Connection, within: int) -> tuple[Member, ...]:
    """Those who have joined, and were seen within so many microseconds."""
    return tuple([Member(*row.values()) for row in await connection.fetch(_members, within)])


# ── leases ───────────────────────────────────────────────────────────────────────────────────────────

_take = f"""
INSERT INTO fabric_lease AS mine (name, server, epoch, expires_at)
VALUES ($1, $2, greatest($3::bigint, {NOW}), {NOW} + $4::bigint)
ON CONFLICT (name) DO UPDATE SET server = excluded.server, expires_at = excluded.expires_at,
    epoch = CASE WHEN mine.server = excluded.server THEN mine.epoch
        ELSE greatest(mine.epoch + 1, excluded.epoch) END
WHERE mine.server = excluded.server OR mine.expires_at < {NOW}
RETURNING epoch
"""  # noqa: S608  our own names
_renew = f"""
UPDATE fabric_lease SET expires_at = {NOW} + $3::bigint WHERE server = $1 AND name = ANY($2::text[])
RETURNING name, epoch
"""  # noqa: S608  our own names
_release = (
    f"UPDATE fabric_lease SET expires_at = {NOW} - 1 "  # noqa: S608  our own names
    "WHERE server = $1 AND name = ANY($2::text[])"
)


async def take(connection: asyncpg.Connection, name: str, server: int, after: int, ttl: int) -> int | None:
    """The epoch of a lease that is the server's now, for `ttl` microseconds, at least `after`; None while
    another's has not ended."""
    epoch: int | None = await connection.fetchval(_take, name, server, after, ttl)
    return epoch


async def renew(
    connection: asyncpg.Connection, server: int, names: Sequence[str], ttl: int
) -> dict[str, int]:
    """The epochs of those that are the server's still, and are for so long again."""
    return {row["name"]: row["epoch"] for row in await connection.fetch(_renew, server, names, ttl)}


async def release(connection: asyncpg.Connection, server: int, names: Sequence[str]) -> None:
    """Let others have them; their epochs are remembered."""
    await connection.execute(_release, server, names)


# ── wake-ups ─────────────────────────────────────────────────────────────────────────────────────────

_ring = f"""
INSERT INTO fabric_topic AS mine (name, rung, rung_at)
SELECT name, 1, {NOW} FROM unnest($1::text[]) AS name ORDER BY name
ON CONFLICT (name) DO UPDATE SET rung = mine.rung + 1, rung_at = excluded.rung_at
"""  # noqa: S608  our own names
_rung = "SELECT name, rung FROM fabric_topic WHERE name = ANY($1::text[])"
_fall_silent = f"DELETE FROM fabric_topic WHERE rung_at < {NOW} - $1::bigint"  # noqa: S608  our own names
_forget_leases = f"DELETE FROM fabric_lease WHERE expires_at < {NOW} - $1::bigint"  # noqa: S608  our own names


async def ring(connection: asyncpg.Connection, topics: Sequence[str]) -> None:
    """Count one ring more of each."""
    await connection.execute(_ring, topics)


async def rung(connection: asyncpg.Connection, topics: Sequence[str]) -> dict[str, int]:
    """How often each was rung, of those that were."""
    return {row["name"]: row["rung"] for row in await connection.fetch(_rung, topics)}


async def fall_silent(connection: asyncpg.Connection, older_than: int, told_before: int) -> None:
    """Let go of what was not rung, or held, for so many microseconds: some are one visitor's or import's; and
    of what was told longer ago than the others are."""
    await connection.execute(_fall_silent, older_than)
    await connection.execute(_forget_leases, older_than)
    await connection.execute(_forget_told, told_before)


# ── what is told ─────────────────────────────────────────────────────────────────────────────────────

_tell = f"""
INSERT INTO fabric_told (topic, server, body, told_at)
SELECT topic, $1, body, {NOW} FROM unnest($2::text[], $3::bytea[]) WITH ORDINALITY AS t (topic, body, place)
ORDER BY place
"""  # noqa: S608  our own names
_newest = "SELECT coalesce(max(number), 0) FROM fabric_told"
_told = """
SELECT number, topic, body, server FROM fabric_told WHERE number > $1 ORDER BY number
"""
_forget_told = f"DELETE FROM fabric_told WHERE told_at < {NOW} - $1::bigint"  # noqa: S608  our own names


async def tell(connection: asyncpg.Connection, server: int, telling: Sequence[tuple[str, bytes]]) -> None:
    """Tell the other servers, in this order."""
    async with connection.transaction():
        await _wait_for_turn(connection, TELLING)
        topics, bodies = zip(*telling, strict=True)
        await connection.execute(_tell, server, topics, bodies)


async def newest_told(connection: asyncpg.Connection) -> int:
    """The number of what was told last, or 0."""
    number: int = await connection.fetchval(_newest)
    return number


async def told(
    connection: asyncpg.Connection, server: int, topics: Sequence[str], after: int
) -> tuple[int, list[tuple[str, bytes]]]:
    """What other servers have told on these topics since a number; and the number to go on from."""
    rows = await connection.fetch(_told, after)
    heard = [
        (row["topic"], row["body"]) for row in rows if row["server"] != server and row["topic"] in topics
    ]
    return (rows[-1]["number"] if rows else after), heard

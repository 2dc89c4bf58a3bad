"""Table of the sessions of people, one function per query. A session looks at one workspace."""

from __future__ import annotations

import msgspec
from sqlalchemy import Column, Index, Table, bindparam, delete, insert, select, update

from angarium.storage.bulk import Statement
from angarium.storage.database import Transaction
from angarium.storage.schema import Blob, Count, Id, Instant, Words, metadata

session = Table(
    "session",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=False),
    Column("token_hash", Blob, nullable=False),
    Column("person_id", Id, nullable=False),
    Column("place_id", Id, nullable=False),  # the workspace looked at; 0 for none
    Column("stage", Words, nullable=False),
    Column("method", Words, nullable=False),
    Column("factors", Count, nullable=False),
    Column("device", Words, nullable=False),
    Column("address", Words, nullable=False),
    Column("challenge", Blob),  # of a passkey, asked for and not answered
    Column("created_at", Instant, nullable=False),
    Column("seen_at", Instant, nullable=False),
    Column("fresh_at", Instant, nullable=False),  # when a factor was last shown
    Column("idle_micros", Id, nullable=False),
    Column("ends_at", Instant, nullable=False),
    Index("session_token", "token_hash", unique=True),
    Index("session_person", "person_id"),
    sqlite_with_rowid=False,
)


class Session(msgspec.Struct, frozen=True):
    """A browser in which somebody has signed in, or is about to."""

    id: int
    person_id: int
    place_id: int
    stage: str  # see accounts/session.py: Stage
    method: str  # password, passkey, or oidc and the id of the provider
    factors: int  # how many were shown
    device: str
    address: str
    challenge: bytes | None
    created_at: int
    seen_at: int
    fresh_at: int
    idle_micros: int
    ends_at: int


_columns = [session.c[name] for name in Session.__struct_fields__]
_one = session.c.id == bindparam("session_id")
_his = session.c.person_id == bindparam("person_id")

_add = Statement(insert(session))
_by_token = Statement(select(*_columns).where(session.c.token_hash == bindparam("token_hash")))
_of_person = Statement(select(*_columns).where(_his).order_by(session.c.id))
_save = Statement(
    update(session)
    .where(_one)
    .values(
        place_id=bindparam("place_id"),
        stage=bindparam("stage"),
        factors=bindparam("factors"),
        challenge=bindparam("challenge"),
        fresh_at=bindparam("fresh_at"),
        idle_micros=bindparam("idle_micros"),
        ends_at=bindparam("ends_at"),
    )
)
_rotate = Statement(update(session).where(_one).values(token_hash=bindparam("token_hash")))
_seen = Statement(update(session).where(_one).values(seen_at=bindparam("now"), address=bindparam("address")))
_challenge = Statement(update(session).where(_one).values(challenge=bindparam("challenge")))
_drop = Statement(delete(session).where(_his, _one))
_drop_others = Statement(delete(session).where(_his, session.c.id != bindparam("session_id")))
_drop_in = Statement(delete(session).where(_his, session.c.place_id == bindparam("place_id")))
_drop_ended = Statement(
    delete(session).where(
        _his,
        (session.c.ends_at <= bindparam("now"))
        | (session.c.seen_at + session.c.idle_micros <= bindparam("now")),
    )
)


async def add(tx: Transaction, new: Session, token_hash: bytes) -> None:
    """Write a session."""
    await tx.execute(_add, token_hash=token_hash, **msgspec.structs.asdict(new))


async def by_token(tx: Transaction, token_hash: bytes) -> Session | None:
    """The session with this token."""
    row = await tx.row(_by_token, token_hash=token_hash)
    return None if row is None else Session(*row)


async def of_person(tx: Transaction, person_id: int) -> list[Session]:
    """The sessions of a person."""
    return [Session(*row) for row in await tx.rows(_of_person, person_id=person_id)]


async def save(tx: Transaction, changed: Session) -> None:
    """Write what changes of a session while it lasts."""
    names = ("place_id", "stage", "factors", "challenge", "fresh_at", "idle_micros", "ends_at")
    values = {name: getattr(changed, name) for name in names}
    await tx.execute(_save, session_id=changed.id, **values)


async def rotate(tx: Transaction, session_id: int, token_hash: bytes) -> None:
    """Give a session another token; the one before is good no more."""
    await tx.execute(_rotate, session_id=session_id, token_hash=token_hash)


async def seen(tx: Transaction, session_id: int, address: str, now: int) -> None:
    """Write down that it was used."""
    await tx.execute(_seen, session_id=session_id, address=address, now=now)


async def drop(tx: Transaction, person_id: int, session_id: int) -> bool:
    """End a session of a person; False when there is none."""
    return await tx.execute(_drop, person_id=person_id, session_id=session_id) > 0


async def drop_others(tx: Transaction, person_id: int, session_id: int) -> int:
    """End all sessions of a person but one; 0 for all. How many."""
    return await tx.execute(_drop_others, person_id=person_id, session_id=session_id)


async def drop_in(tx: Transaction, person_id: int, workspace_id: int) -> int:
    """End the sessions in which a person looks at a workspace; how many."""
    return await tx.execute(_drop_in, person_id=person_id, place_id=workspace_id)


async def drop_ended(tx: Transaction, person_id: int, now: int) -> int:
    """Let go of the sessions of a person whose time is up; how many."""
    return await tx.execute(_drop_ended, person_id=person_id, now=now)

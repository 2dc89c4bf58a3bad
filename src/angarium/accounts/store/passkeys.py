"""Table of passkeys, one function per query."""

from __future__ import annotations

import msgspec
from sqlalchemy import Column, Index, Table, bindparam, delete, insert, select, update

from angarium.storage.bulk import Statement
from angarium.storage.database import Transaction
from angarium.storage.schema import Blob, Id, Instant, Words, metadata

passkey = Table(
    "passkey",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=False),
    Column("person_id", Id, nullable=False),
    Column("credential_id", Blob, nullable=False),
    Column("public_key", Blob, nullable=False),
    Column("sign_count", Id, nullable=False),
    Column("challenged_at", Instant, nullable=False),  # when the last challenge it has answered was made
    Column("name", Words, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("last_used_at", Instant),
    Index("passkey_credential", "credential_id", unique=True),
    Index("passkey_person", "person_id"),
    sqlite_with_rowid=False,
)


class Passkey(msgspec.Struct, frozen=True):
    """A key that an authenticator holds; we have its public half."""

    id: int
    person_id: int
    credential_id: bytes
    public_key: bytes
    sign_count: int
    challenged_at: int
    name: str
    created_at: int
    last_used_at: int | None = None


_columns = [passkey.c[name] for name in Passkey.__struct_fields__]
_add = Statement(insert(passkey))
_by_credential = Statement(select(*_columns).where(passkey.c.credential_id == bindparam("credential_id")))
_of_person = Statement(
    select(*_columns).where(passkey.c.person_id == bindparam("person_id")).order_by(passkey.c.id)
)
_use = Statement(
    update(passkey)
    .where(passkey.c.id == bindparam("passkey_id"), passkey.c.challenged_at < bindparam("challenged_at"))
    .values(
        challenged_at=bindparam("challenged_at"),
        sign_count=bindparam("sign_count"),
        last_used_at=bindparam("now"),
    )
)
_drop = Statement(
    delete(passkey).where(
        passkey.c.person_id == bindparam("person_id"), passkey.c.id == bindparam("passkey_id")
    )
)


async def add(tx: Transaction, new: Passkey) -> None:
    """Write a passkey; Conflict when its credential is somebody's already."""
    await tx.execute(_add, **msgspec.structs.asdict(new))


async def by_credential(tx: Transaction, credential_id: bytes) -> Passkey | None:
    """The passkey of a credential."""
    row = await tx.row(_by_credential, credential_id=credential_id)
    return None if row is None else Passkey(*row)


async def of_person(tx: Transaction, person_id: int) -> list[Passkey]:
    """The passkeys of a person."""
    return [Passkey(*row) for row in await tx.rows(_of_person, person_id=person_id)]


async def use(tx: Transaction, passkey_id: int, challenged_at: int, sign_count: int, now: int) -> bool:
    """Count an answer; False when one to this challenge, or to a later one, was counted before."""
    return (
        await tx.execute(
            _use, passkey_id=passkey_id, challenged_at=challenged_at, sign_count=sign_count, now=now
        )
        > 0
    )


async def drop(tx: Transaction, person_id: int, passkey_id: int) -> bool:
    """Take a passkey away; False when there is none."""
    return await tx.execute(_drop, person_id=person_id, passkey_id=passkey_id) > 0

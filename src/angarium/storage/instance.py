"""Which database this is: one row that tells it from every other, and from a copy of itself.

`touch` writes into that row: the smallest change that shows that the database can keep one.
"""

from __future__ import annotations

import msgspec
from sqlalchemy import Column, Table, bindparam, func, select, update

from angarium.core.clock import Chance
from angarium.storage.bulk import BulkInsert, Statement
from angarium.storage.database import Transaction
from angarium.storage.schema import Count, Instant, Words, metadata
from angarium.storage.vault import Vault

ID_BYTES = 16

instance = Table(
    "instance",
    metadata,
    Column("number", Count, primary_key=True, autoincrement=False),  # 1: there is one row
    Column("id", Words, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("touched_at", Instant, nullable=False),
    Column("copied_at", Instant),  # of a backup: the instant that it shows
    Column("restored_at", Instant),  # when that backup was made the database again
    Column("seal", Words),  # opens with the right key only, and holds a hash that only the right file makes
)


class Instance(msgspec.Struct, frozen=True):
    """A database's row about itself."""

    id: str
    created_at: int
    touched_at: int
    copied_at: int | None
    restored_at: int | None
    seal: str | None

    @property
    def cell(self) -> str:
        """Where the seal opens."""
        return f"instance/{self.id}/seal"


_columns = [instance.c[name] for name in Instance.__struct_fields__]
_make = BulkInsert(instance, ("number", "id", "created_at", "touched_at"), conflict="nothing")
_known = Statement(select(*_columns))
_sealed = Statement(update(instance).values(seal=bindparam("seal")))
_restored = Statement(
    update(instance).values(
        copied_at=func.coalesce(instance.c.copied_at, instance.c.touched_at), restored_at=bindparam("now")
    )
)
_touch = Statement(update(instance).values(touched_at=bindparam("now")))


async def known(tx: Transaction) -> Instance | None:
    """What the database says of itself; None when it is new."""
    row = await tx.row(_known)
    return None if row is None else Instance(*row)


async def introduce(tx: Transaction, chance: Chance, now: int) -> Instance:
    """What the database says of itself; a new one is given its id."""
    await tx.insert(_make, [(1, chance.secret(ID_BYTES).hex(), now, now)])
    found = await known(tx)
    assert found is not None
    return found


async def restored(tx: Transaction, now: int) -> int:
    """Note that this is a backup that was put back; the instant that it shows."""
    await tx.execute(_restored, now=now)
    found = await known(tx)
    return 0 if found is None else found.copied_at or found.touched_at


async def keep_seal(tx: Transaction, seal: str) -> None:
    """Write what opens with the right key only."""
    await tx.execute(_sealed, seal=seal)


async def seal_anew(tx: Transaction, vault: Vault) -> int:
    """Seal the seal with the newest key; 1 if it was another."""
    found = await known(tx)
    if found is None or found.seal is None or vault.is_newest(found.seal):
        return 0
    await keep_seal(tx, vault.sealed_anew(found.seal, found.cell))
    return 1


async def touch(tx: Transaction, now: int) -> None:
    """Write something, so that whoever asks whether the database can write knows it."""
    await tx.execute(_touch, now=now)

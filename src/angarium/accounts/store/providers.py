"""Tables of identity providers, and of whom they vouch for; one function per query."""

from __future__ import annotations

import msgspec
from sqlalchemy import (
    Column,
    Index,
    PrimaryKeyConstraint,
    Table,
    bindparam,
    delete,
    insert,
    select,
)

from angarium.accounts.roles import Role
from angarium.storage.bulk import Statement
from angarium.storage.database import Row, Transaction
from angarium.storage.schema import Count, Id, Instant, Words, metadata

identity_provider = Table(
    "identity_provider",
    metadata,
    Column("workspace_id", Id, nullable=False),
    Column("id", Id, nullable=False),
    Column("name", Words, nullable=False),
    Column("issuer", Words, nullable=False),
    Column("client_id", Words, nullable=False),
    Column("client_secret", Words, nullable=False),  # sealed
    Column("domains", Words, nullable=False),  # JSON
    Column("default_role", Words, nullable=False),
    Column("claim", Words, nullable=False),
    Column("roles", Words, nullable=False),  # JSON
    Column("enabled", Count, nullable=False),
    Column("created_at", Instant, nullable=False),
    PrimaryKeyConstraint("workspace_id", "id"),
    sqlite_with_rowid=False,
)

identity = Table(
    "identity",
    metadata,
    Column("issuer", Words, nullable=False),
    Column("subject", Words, nullable=False),
    Column("person_id", Id, nullable=False),
    Column("created_at", Instant, nullable=False),
    PrimaryKeyConstraint("issuer", "subject"),
    Index("identity_person", "person_id"),
    sqlite_with_rowid=False,
)


class Provider(msgspec.Struct, frozen=True):
    """Who vouches for the people of a workspace."""

    workspace_id: int
    id: int
    name: str
    issuer: str
    client_id: str
    client_secret: str  # sealed
    domains: tuple[str, ...]  # of whose addresses newcomers are let in
    default_role: Role | None  # of newcomers; None: only who is invited
    claim: str  # that says which role; empty: none does
    roles: dict[str, Role]
    enabled: bool
    created_at: int


_columns = [identity_provider.c[name] for name in Provider.__struct_fields__]
_here = identity_provider.c.workspace_id == bindparam("workspace_id")
_one = identity_provider.c.id == bindparam("provider_id")
_add = Statement(insert(identity_provider))
_of = Statement(select(*_columns).where(_here).order_by(identity_provider.c.id))
_by_id = Statement(select(*_columns).where(_here, _one))
_drop = Statement(delete(identity_provider).where(_here, _one))
_at_the_door = Statement(
    select(identity_provider.c.workspace_id, identity_provider.c.id, identity_provider.c.name)
    .where(identity_provider.c.enabled == 1)
    .order_by(identity_provider.c.name)
    .limit(50)
)
_identity = Statement(
    select(identity.c.person_id).where(
        identity.c.issuer == bindparam("issuer"), identity.c.subject == bindparam("subject")
    )
)
_add_identity = Statement(insert(identity))


async def save(tx: Transaction, one: Provider) -> None:
    """Write a provider as it is now."""
    await tx.execute(_drop, workspace_id=one.workspace_id, provider_id=one.id)
    values = msgspec.structs.asdict(one) | {
        "domains": msgspec.json.encode(one.domains).decode(),
        "default_role": one.default_role.value if one.default_role else "",
        "roles": msgspec.json.encode(one.roles).decode(),
        "enabled": int(one.enabled),
    }
    await tx.execute(_add, **values)


async def of(tx: Transaction, workspace_id: int) -> list[Provider]:
    """The providers of a workspace."""
    return [_read(row) for row in await tx.rows(_of, workspace_id=workspace_id)]


async def by_id(tx: Transaction, workspace_id: int, provider_id: int) -> Provider | None:
    """One of them."""
    row = await tx.row(_by_id, workspace_id=workspace_id, provider_id=provider_id)
    return None if row is None else _read(row)


async def drop(tx: Transaction, workspace_id: int, provider_id: int) -> bool:
    """Take one away; False when there is none."""
    return await tx.execute(_drop, workspace_id=workspace_id, provider_id=provider_id) > 0


async def at_the_door(tx: Transaction) -> list[tuple[int, int, str]]:
    """Workspace, id and name of all that let people in: whoever stands at the door is nobody's yet."""
    return [(row[0], row[1], row[2]) for row in await tx.rows(_at_the_door)]


async def person_of(tx: Transaction, issuer: str, subject: str) -> int | None:
    """Whom a provider means by a subject."""
    row = await tx.row(_identity, issuer=issuer, subject=subject)
    return None if row is None else int(row[0])


async def add_identity(tx: Transaction, issuer: str, subject: str, person_id: int, now: int) -> None:
    """Remember whom a provider means; Conflict when it is somebody already."""
    await tx.execute(_add_identity, issuer=issuer, subject=subject, person_id=person_id, created_at=now)


def _read(row: Row) -> Provider:
    return Provider(
        workspace_id=row[0],
        id=row[1],
        name=row[2],
        issuer=row[3],
        client_id=row[4],
        client_secret=row[5],
        domains=msgspec.json.decode(row[6], type=tuple[str, ...]),
        default_role=Role(row[7]) if row[7] else None,
        claim=row[8],
        roles=msgspec.json.decode(row[9], type=dict[str, Role]),
        enabled=bool(row[10]),
        created_at=row[11],
    )

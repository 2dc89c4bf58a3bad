"""Tables of people, what they sign in with, and what they are in each workspace; one function per query.

A person belongs to no workspace and can be a member of several, so the tables of a person's own lead with the
person; what somebody is in a workspace leads with the workspace.
"""

from __future__ import annotations

import msgspec
from sqlalchemy import (
    Column,
    Index,
    PrimaryKeyConstraint,
    Table,
    bindparam,
    delete,
    func,
    insert,
    or_,
    select,
    update,
)

from angarium.accounts.reach import Reach, read, written
from angarium.accounts.roles import Role
from angarium.storage.bulk import Statement
from angarium.storage.database import Row, Transaction
from angarium.storage.schema import Blob, Id, Instant, Words, metadata

person = Table(
    "person",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=False),
    Column("email", Words, nullable=False),
    Column("name", Words, nullable=False),
    Column("password_hash", Words),
    Column("password_at", Instant),
    Column("totp", Words),  # the secret, sealed
    Column("totp_asked", Words),  # one that is not confirmed yet, sealed
    Column("totp_step", Id, nullable=False),  # of the last code that was used
    Column("created_at", Instant, nullable=False),
    Column("disabled_at", Instant),
    Column("language", Words, nullable=False),  # of the pages; none chosen: empty
    Index("person_email", "email", unique=True),
    sqlite_with_rowid=False,
)

recovery_code = Table(
    "recovery_code",
    metadata,
    Column("person_id", Id, nullable=False),
    Column("hash", Blob, nullable=False),
    PrimaryKeyConstraint("person_id", "hash"),
    sqlite_with_rowid=False,
)

reset_link = Table(
    "reset_link",
    metadata,
    Column("token_hash", Blob, nullable=False),
    Column("person_id", Id, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("ends_at", Instant, nullable=False),
    PrimaryKeyConstraint("token_hash"),
    Index("reset_link_person", "person_id"),
    sqlite_with_rowid=False,
)

member = Table(
    "member",
    metadata,
    Column("workspace_id", Id, nullable=False),
    Column("person_id", Id, nullable=False),
    Column("role", Words, nullable=False),
    Column("reach", Words, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("created_by", Words, nullable=False),
    PrimaryKeyConstraint("workspace_id", "person_id"),
    Index("member_person", "person_id"),
    sqlite_with_rowid=False,
)

invitation = Table(
    "invitation",
    metadata,
    Column("workspace_id", Id, nullable=False),
    Column("id", Id, nullable=False),
    Column("token_hash", Blob, nullable=False),
    Column("email", Words, nullable=False),
    Column("role", Words, nullable=False),
    Column("reach", Words, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("created_by", Words, nullable=False),
    Column("ends_at", Instant, nullable=False),
    PrimaryKeyConstraint("workspace_id", "id"),
    Index("invitation_token", "workspace_id", "token_hash", unique=True),
    sqlite_with_rowid=False,
)


class Person(msgspec.Struct, frozen=True):
    """Somebody who signs in."""

    id: int
    email: str
    name: str
    password_hash: str | None
    password_at: int | None
    totp: str | None
    totp_asked: str | None
    totp_step: int
    created_at: int
    disabled_at: int | None
    language: str = ""


class Member(msgspec.Struct, frozen=True):
    """What somebody is in a workspace."""

    workspace_id: int
    person_id: int
    role: Role
    reach: Reach
    created_at: int
    created_by: str


class Invitation(msgspec.Struct, frozen=True):
    """A place in a workspace that waits for somebody."""

    workspace_id: int
    id: int
    email: str
    role: Role
    reach: Reach
    created_at: int
    created_by: str
    ends_at: int


_person_columns = [person.c[name] for name in Person.__struct_fields__]
_add_person = Statement(insert(person))
_person_by_id = Statement(select(*_person_columns).where(person.c.id == bindparam("person_id")))
_person_by_email = Statement(select(*_person_columns).where(person.c.email == bindparam("email")))
_save_person = Statement(
    update(person)
    .where(person.c.id == bindparam("person_id"))
    .values(
        email=bindparam("email"),
        name=bindparam("name"),
        password_hash=bindparam("password_hash"),
        password_at=bindparam("password_at"),
        totp=bindparam("totp"),
        totp_asked=bindparam("totp_asked"),
        disabled_at=bindparam("disabled_at"),
    )
)
_speaks = Statement(
    update(person).where(person.c.id == bindparam("person_id")).values(language=bindparam("language"))
)
_use_step = Statement(
    update(person)
    .where(person.c.id == bindparam("person_id"), person.c.totp_step < bindparam("step"))
    .values(totp_step=bindparam("step"))
)
_anybody = Statement(select(person.c.id).limit(1))
_everybody = Statement(select(*_person_columns).order_by(person.c.id))
_with_app = Statement(
    select(*_person_columns)
    .where(or_(person.c.totp.is_not(None), person.c.totp_asked.is_not(None)))
    .order_by(person.c.id)
    .with_for_update()
)

_add_code = Statement(insert(recovery_code))
_use_code = Statement(
    delete(recovery_code).where(
        recovery_code.c.person_id == bindparam("person_id"), recovery_code.c.hash == bindparam("hash")
    )
)
_drop_codes = Statement(delete(recovery_code).where(recovery_code.c.person_id == bindparam("person_id")))
_count_codes = Statement(select(func.count()).where(recovery_code.c.person_id == bindparam("person_id")))

_add_link = Statement(insert(reset_link))
_link = Statement(
    select(reset_link.c.person_id, reset_link.c.ends_at).where(
        reset_link.c.token_hash == bindparam("token_hash")
    )
)
_drop_links = Statement(delete(reset_link).where(reset_link.c.person_id == bindparam("person_id")))

_member_columns = [member.c[name] for name in Member.__struct_fields__]
_member_here = member.c.workspace_id == bindparam("workspace_id")
_add_member = Statement(insert(member))
_members = Statement(select(*_member_columns).where(_member_here).order_by(member.c.person_id))
_members_held = Statement(
    select(*_member_columns).where(_member_here).order_by(member.c.person_id).with_for_update()
)
_member = Statement(
    select(*_member_columns).where(_member_here, member.c.person_id == bindparam("person_id"))
)
_places = Statement(
    select(*_member_columns)
    .where(member.c.person_id == bindparam("person_id"))
    .order_by(member.c.workspace_id)
)
_save_member = Statement(
    update(member)
    .where(_member_here, member.c.person_id == bindparam("person_id"))
    .values(role=bindparam("role"), reach=bindparam("reach"))
)
_drop_member = Statement(delete(member).where(_member_here, member.c.person_id == bindparam("person_id")))
_people_of = Statement(
    select(*_person_columns)
    .join(member, member.c.person_id == person.c.id)
    .where(_member_here)
    .order_by(person.c.id)
)

_invitation_columns = [invitation.c[name] for name in Invitation.__struct_fields__]
_invitation_here = invitation.c.workspace_id == bindparam("workspace_id")
_add_invitation = Statement(insert(invitation))
_invitations = Statement(select(*_invitation_columns).where(_invitation_here).order_by(invitation.c.id))
_invitation_by_token = Statement(
    select(*_invitation_columns).where(_invitation_here, invitation.c.token_hash == bindparam("token_hash"))
)
_drop_invitation = Statement(
    delete(invitation).where(_invitation_here, invitation.c.id == bindparam("invitation_id"))
)


# ── people ───────────────────────────────────────────────────────────────────────────────────────────


async def add_person(tx: Transaction, new: Person) -> None:
    """Write a person; Conflict when the e-mail address has one."""
    await tx.execute(_add_person, **msgspec.structs.asdict(new))


async def by_id(tx: Transaction, person_id: int) -> Person | None:
    """One person."""
    row = await tx.row(_person_by_id, person_id=person_id)
    return None if row is None else Person(*row)


async def by_email(tx: Transaction, email: str) -> Person | None:
    """The person with this address."""
    row = await tx.row(_person_by_email, email=email)
    return None if row is None else Person(*row)


async def has_anybody(tx: Transaction) -> bool:
    """Whether there is a person at all."""
    return await tx.row(_anybody) is not None


async def everybody(tx: Transaction) -> list[Person]:
    """Every person of this server."""
    return [Person(*row) for row in await tx.rows(_everybody)]


async def with_app(tx: Transaction) -> list[Person]:
    """Those who have codes of an app, or asked for them; held until the end of the transaction."""
    return [Person(*row) for row in await tx.rows(_with_app)]


async def save(tx: Transaction, changed: Person) -> None:
    """Write a person as they are now, but for the code that was used last and their language."""
    values = msgspec.structs.asdict(changed)
    del values["created_at"], values["totp_step"], values["language"]
    await tx.execute(_save_person, person_id=values.pop("id"), **values)


async def speaks(tx: Transaction, person_id: int, language: str) -> None:
    """Keep the language of somebody's pages; pages that save a person meanwhile leave it alone."""
    await tx.execute(_speaks, person_id=person_id, language=language)


async def use_step(tx: Transaction, person_id: int, step: int) -> bool:
    """Count a one-time code as used; False when it, or a later one, was used before."""
    return await tx.execute(_use_step, person_id=person_id, step=step) > 0


async def set_codes(tx: Transaction, person_id: int, hashes: list[bytes]) -> None:
    """Put new recovery codes in the place of all that there are."""
    await tx.execute(_drop_codes, person_id=person_id)
    for one in hashes:
        await tx.execute(_add_code, person_id=person_id, hash=one)


async def use_code(tx: Transaction, person_id: int, hashed: bytes) -> bool:
    """Use a recovery code up; False when there is none such."""
    return await tx.execute(_use_code, person_id=person_id, hash=hashed) > 0


async def codes_left(tx: Transaction, person_id: int) -> int:
    """How many recovery codes there are."""
    row = await tx.row(_count_codes, person_id=person_id)
    assert row is not None
    return int(row[0])


async def add_link(tx: Transaction, token_hash: bytes, person_id: int, now: int, ends_at: int) -> None:
    """Keep a link by which a password is set."""
    values = {"token_hash": token_hash, "person_id": person_id, "created_at": now, "ends_at": ends_at}
    await tx.execute(_add_link, **values)


async def link(tx: Transaction, token_hash: bytes) -> tuple[int, int] | None:
    """Whom a link is of, and when it ends."""
    row = await tx.row(_link, token_hash=token_hash)
    return None if row is None else (row[0], row[1])


async def drop_links(tx: Transaction, person_id: int) -> None:
    """No link of a person is good any more."""
    await tx.execute(_drop_links, person_id=person_id)


# ── members ──────────────────────────────────────────────────────────────────────────────────────────


async def add_member(tx: Transaction, new: Member) -> None:
    """Write what somebody is in a workspace; Conflict when they are something there."""
    await tx.execute(_add_member, **_kept(new))


async def members(tx: Transaction, workspace_id: int, *, held: bool = False) -> list[Member]:
    """The members of a workspace; `held` to the end of the transaction."""
    rows = await tx.rows(_members_held if held else _members, workspace_id=workspace_id)
    return [_member_of(row) for row in rows]


async def membership(tx: Transaction, workspace_id: int, person_id: int) -> Member | None:
    """What somebody is in a workspace."""
    row = await tx.row(_member, workspace_id=workspace_id, person_id=person_id)
    return None if row is None else _member_of(row)


async def places(tx: Transaction, person_id: int) -> list[Member]:
    """What somebody is, in every workspace."""
    async with tx.across_workspaces():
        return [_member_of(row) for row in await tx.rows(_places, person_id=person_id)]


async def people_of(tx: Transaction, workspace_id: int) -> list[Person]:
    """The people of a workspace."""
    return [Person(*row) for row in await tx.rows(_people_of, workspace_id=workspace_id)]


async def save_member(tx: Transaction, changed: Member) -> None:
    """Write what somebody is now."""
    await tx.execute(
        _save_member,
        workspace_id=changed.workspace_id,
        person_id=changed.person_id,
        role=changed.role.value,
        reach=written(changed.reach),
    )


async def drop_member(tx: Transaction, workspace_id: int, person_id: int) -> bool:
    """Somebody is nothing in a workspace any more; False when they were nothing."""
    return await tx.execute(_drop_member, workspace_id=workspace_id, person_id=person_id) > 0


def _kept(one: Member | Invitation) -> dict[str, object]:
    values = msgspec.structs.asdict(one)
    return values | {"role": one.role.value, "reach": written(one.reach)}


def _member_of(row: Row) -> Member:
    return Member(row[0], row[1], Role(row[2]), read(row[3]), row[4], row[5])


# ── invitations ──────────────────────────────────────────────────────────────────────────────────────


async def add_invitation(tx: Transaction, new: Invitation, token_hash: bytes) -> None:
    """Write an invitation."""
    await tx.execute(_add_invitation, token_hash=token_hash, **_kept(new))


async def invitations(tx: Transaction, workspace_id: int) -> list[Invitation]:
    """The invitations of a workspace that nobody has accepted."""
    return [_invitation_of(row) for row in await tx.rows(_invitations, workspace_id=workspace_id)]


async def invitation_by_token(tx: Transaction, workspace_id: int, token_hash: bytes) -> Invitation | None:
    """The invitation with this token."""
    row = await tx.row(_invitation_by_token, workspace_id=workspace_id, token_hash=token_hash)
    return None if row is None else _invitation_of(row)


async def drop_invitation(tx: Transaction, workspace_id: int, invitation_id: int) -> bool:
    """Take an invitation away; False when there is none: of two who accept it at once one is too late."""
    return await tx.execute(_drop_invitation, workspace_id=workspace_id, invitation_id=invitation_id) > 0


def _invitation_of(row: Row) -> Invitation:
    return Invitation(row[0], row[1], row[2], Role(row[3]), read(row[4]), row[5], row[6], row[7])

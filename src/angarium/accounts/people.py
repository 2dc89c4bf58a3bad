"""People of workspaces: invited, given a role, let go; and the links by which passwords are set.

Rules that hold whoever asks, in the transaction that holds the members of the workspace:

1. A workspace keeps an owner: the last one can neither be let go nor take a lesser role.
2. Only owners touch owners (`roles.may_give`), and nobody gives more than they have themselves.
3. A link that sets a password is given to an admin only for somebody who belongs to this workspace alone:
   else an admin here could walk into other workspaces as that person.
"""

from __future__ import annotations

import hashlib
import re

import msgspec

from angarium.accounts import audit, factors, roles
from angarium.accounts import store as accounts
from angarium.accounts.flows import Caller
from angarium.accounts.reach import Reach, out_of_reach
from angarium.accounts.roles import Role
from angarium.accounts.store import passkeys as passkey_store
from angarium.accounts.store import people as store
from angarium.accounts.store import sessions as session_store
from angarium.accounts.store.people import Invitation, Member, Person
from angarium.core import ids
from angarium.core.clock import micros
from angarium.core.problems import Problem, invalid, not_found
from angarium.storage.database import Transaction
from angarium.storage.ground import Ground

INVITED_S = 7 * 86_400.0
RESET_S = 3_600.0
TOKEN_BYTES = 32
NAME_MAX = 100
INVITATION, RESET = "inv", "rst"
EMAIL = re.compile(r"[^@\s\x00-\x1f]{1,64}@[^@\s\x00-\x1f]{1,255}")


class Somebody(msgspec.Struct, frozen=True):
    """A person, and what they are here."""

    person: Person
    member: Member
    places: int  # workspaces they belong to


def address_of(email: str) -> str:
    """An e-mail address as people are found by it."""
    return email.strip().casefold()


async def note_everywhere(tx: Transaction, person: Person, action: str, now: int) -> None:
    """Note what somebody did to their own account in every workspace they belong to, in one order."""
    who = ids.show("person", person.id)
    async with tx.across_workspaces():
        for place in await store.places(tx, person.id):
            await audit.note(tx, place.workspace_id, who, action, who, {}, now)


def hash_of(token: str) -> bytes:
    """What is kept of the token of a link."""
    return hashlib.sha256(token.encode()).digest()


# ── inviting ─────────────────────────────────────────────────────────────────────────────────────────


async def invite(
    tx: Transaction, ground: Ground, workspace_id: int, email: str, role: Role, reach: Reach, actor: str
) -> tuple[Invitation, str]:
    """A place for somebody who is not here yet, and the token of the link by which they take it."""
    name, now = address_of(email), ground.clock.now()
    if not EMAIL.fullmatch(name):
        raise invalid("email", "is not an e-mail address", value=email, remedy="such as olena@shop.example")
    person = await store.by_email(tx, name)
    if person is not None and await store.membership(tx, workspace_id, person.id):
        raise invalid("email", "belongs to somebody who is here already", value=email)
    for one in await store.invitations(tx, workspace_id):
        if one.email == name:  # a new link in the place of the old one
            await store.drop_invitation(tx, workspace_id, one.id)
    new = Invitation(workspace_id, ground.ids.mint(), name, role, reach, now, actor, now + micros(INVITED_S))
    token = f"{INVITATION}_{ids.show('workspace', workspace_id)}_{ground.chance.secret(TOKEN_BYTES).hex()}"
    await store.add_invitation(tx, new, hash_of(token))
    subject = ids.show("invitation", new.id)
    told: dict[str, object] = {"email": name, "role": role}
    if not reach.is_whole:
        told |= {"reach": reach}
    await audit.note(tx, workspace_id, actor, "person.invited", subject, told, now)
    return new, token


async def invitation_of(tx: Transaction, token: str, now: int) -> Invitation | None:
    """The invitation of a link, if it is good still."""
    kind, _, rest = token.partition("_")
    workspace, _, _ = rest.rpartition("_")
    try:
        workspace_id = ids.read("workspace", workspace)
    except ValueError:
        return None
    found = await store.invitation_by_token(tx, workspace_id, hash_of(token))
    return found if kind == INVITATION and found is not None and now < found.ends_at else None


async def withdraw(tx: Transaction, workspace_id: int, invitation_id: int, actor: str, now: int) -> None:
    """Take an invitation back; a Problem when there is none."""
    subject = ids.show("invitation", invitation_id)
    if not await store.drop_invitation(tx, workspace_id, invitation_id):
        raise not_found("invitation", subject)
    await audit.note(tx, workspace_id, actor, "invitation.withdrawn", subject, {}, now)


async def accept(tx: Transaction, ground: Ground, token: str, person: Person) -> Member:
    """Take the place of an invitation; a Problem when the link is used, late or somebody else's."""
    now = ground.clock.now()
    found = await invitation_of(tx, token, now)
    if found is None or found.email != person.email:
        raise link_not_good()
    if not await store.drop_invitation(tx, found.workspace_id, found.id):
        raise link_not_good()
    new = Member(found.workspace_id, person.id, found.role, found.reach, now, found.created_by)
    await store.add_member(tx, new)
    who, told = ids.show("person", person.id), {"invitation": ids.show("invitation", found.id)}
    await audit.note(tx, found.workspace_id, who, "person.joined", who, told, now)
    return new


def new_person(ground: Ground, email: str, name: str, hashed: str | None) -> Person:
    """Somebody who is not written yet."""
    now = ground.clock.now()
    return Person(
        id=ground.ids.mint(),
        email=address_of(email),
        name=name.strip()[:NAME_MAX],
        password_hash=hashed,
        password_at=now if hashed else None,
        totp=None,
        totp_asked=None,
        totp_step=0,
        created_at=now,
        disabled_at=None,
    )


# ── those who are here ───────────────────────────────────────────────────────────────────────────────


async def here(tx: Transaction, workspace_id: int) -> list[Somebody]:
    """The people of a workspace."""
    found = {one.person_id: one for one in await store.members(tx, workspace_id)}
    people = await store.people_of(tx, workspace_id)
    return [
        Somebody(one, found[one.id], len(await store.places(tx, one.id))) for one in people if one.id in found
    ]


async def somebody(tx: Transaction, workspace_id: int, person_id: int) -> Somebody:
    """One person of a workspace; a Problem when there is none."""
    member = await store.membership(tx, workspace_id, person_id)
    person = await store.by_id(tx, person_id)
    if member is None or person is None:
        raise not_found("person", ids.show("person", person_id))
    return Somebody(person, member, len(await store.places(tx, person_id)))


async def own_role(tx: Transaction, caller: Caller) -> Role:
    """As what somebody acts: a person in their role; a key that may change people as an admin."""
    if not caller.person_id:
        return Role.ADMIN
    member = await store.membership(tx, caller.workspace_id, caller.person_id)
    return member.role if member else Role.READ_ONLY


async def require_may_give(tx: Transaction, caller: Caller, *given: Role, reach: Reach | None = None) -> None:
    """A 403 Problem unless the caller may give, or take away, these roles as far as this."""
    own = await own_role(tx, caller)
    for role in given:
        if not roles.may_give(own, role):
            raise Problem(
                "owners-only",
                "Only owners do that",
                status=403,
                detail="Nobody but an owner makes, changes or lets go of an owner.",
            )
        if roles.scopes_of(role) - caller.scopes and role not in (Role.OWNER, Role.ADMIN):
            raise out_of_reach(f"the role {role.value}, which may more")
    if reach is not None and not caller.reach.holds(reach):
        raise out_of_reach("what is to be given")


async def change(
    tx: Transaction, caller: Caller, person_id: int, role: Role, reach: Reach, now: int
) -> Somebody:
    """Somebody with another role, or the same one narrowed otherwise; it counts from their next request."""
    workspace_id = caller.workspace_id
    held = await store.members(tx, workspace_id, held=True)
    before = await somebody(tx, workspace_id, person_id)
    await require_may_give(tx, caller, before.member.role, role, reach=reach)
    if role is not Role.OWNER:
        _keep_an_owner(held, person_id)
    changed = msgspec.structs.replace(before.member, role=role, reach=reach)
    await store.save_member(tx, changed)
    told = audit.changed(
        {"role": before.member.role, "reach": before.member.reach}, {"role": role, "reach": reach}
    )
    who = ids.show("person", person_id)
    await audit.note(tx, workspace_id, caller.actor, "person.changed", who, told, now)
    return msgspec.structs.replace(before, member=changed)


async def let_go(tx: Transaction, caller: Caller, person_id: int, now: int) -> None:
    """Somebody is here no more; the sessions in which they look at this workspace end."""
    workspace_id = caller.workspace_id
    held = await store.members(tx, workspace_id, held=True)
    before = await somebody(tx, workspace_id, person_id)
    if caller.person_id != person_id:
        await require_may_give(tx, caller, before.member.role)
    _keep_an_owner(held, person_id)
    await store.drop_member(tx, workspace_id, person_id)
    await session_store.drop_in(tx, person_id, workspace_id)
    who, told = ids.show("person", person_id), {"role": before.member.role}
    await audit.note(tx, workspace_id, caller.actor, "person.left", who, told, now)


def _keep_an_owner(held: list[Member], person_id: int) -> None:
    owners = [one.person_id for one in held if one.role is Role.OWNER]
    if owners == [person_id]:
        raise Problem(
            "last-owner",
            "A workspace keeps an owner",
            status=409,
            detail="This is the last one. Make somebody else an owner first.",
        )


# ── links that set a password ────────────────────────────────────────────────────────────────────────


async def reset_link(tx: Transaction, ground: Ground, person: Person) -> str:
    """The token of a link that sets a password, once, within the hour."""
    now, token = ground.clock.now(), f"{RESET}_{ground.chance.secret(TOKEN_BYTES).hex()}"
    await store.drop_links(tx, person.id)
    await store.add_link(tx, hash_of(token), person.id, now, now + micros(RESET_S))
    return token


async def reset_for(tx: Transaction, ground: Ground, caller: Caller, person_id: int) -> tuple[Person, str]:
    """The same, for an admin to hand on; a Problem for whom that is not theirs to do."""
    found = await somebody(tx, caller.workspace_id, person_id)
    await require_may_give(tx, caller, found.member.role)
    if found.places > 1:
        raise _belongs_elsewhere("They ask for a link themselves, where they sign in.")
    token = await reset_link(tx, ground, found.person)
    who = ids.show("person", person_id)
    now = ground.clock.now()
    await audit.note(tx, caller.workspace_id, caller.actor, "person.reset_asked", who, {}, now)
    return found.person, token


async def drop_factors(tx: Transaction, caller: Caller, person_id: int, now: int) -> None:
    """Take away what somebody has lost; a Problem for whom that is not the caller's to do."""
    found = await somebody(tx, caller.workspace_id, person_id)
    await require_may_give(tx, caller, found.member.role)
    if found.places > 1:
        raise _belongs_elsewhere("Whoever runs this server can do it: angarium people reset.")
    await without_factors(tx, found.person)
    await session_store.drop_others(tx, person_id, 0)
    who = ids.show("person", person_id)
    await audit.note(tx, caller.workspace_id, caller.actor, "person.factors_taken_away", who, {}, now)


async def without_factors(tx: Transaction, person: Person) -> None:
    """No second factor any more."""
    await factors.take_away(tx, person)
    for one in await passkey_store.of_person(tx, person.id):
        await passkey_store.drop(tx, person.id, one.id)


async def end_sessions(tx: Transaction, caller: Caller, person_id: int, now: int) -> None:
    """End the sessions in which somebody looks at the caller's workspace."""
    found = await somebody(tx, caller.workspace_id, person_id)
    await require_may_give(tx, caller, found.member.role)
    ended = await session_store.drop_in(tx, person_id, caller.workspace_id)
    who, told = ids.show("person", person_id), {"sessions": ended}
    await audit.note(tx, caller.workspace_id, caller.actor, "session.ended", who, told, now)


async def of_reset(tx: Transaction, token: str, now: int) -> Person | None:
    """Whom a link sets the password of, if it is good still."""
    found = await store.link(tx, hash_of(token))
    if found is None or now >= found[1] or not token.startswith(f"{RESET}_"):
        return None
    person = await store.by_id(tx, found[0])
    return None if person is None or person.disabled_at is not None else person


async def reset(tx: Transaction, ground: Ground, token: str, hashed: str) -> Person:
    """Set a password by a link: it is used up, and every session ends; a Problem when it is not good."""
    now = ground.clock.now()
    person = await of_reset(tx, token, now)
    if person is None:
        raise link_not_good()
    changed = msgspec.structs.replace(person, password_hash=hashed, password_at=now)
    await store.save(tx, changed)
    await store.drop_links(tx, person.id)
    await session_store.drop_others(tx, person.id, 0)
    await note_everywhere(tx, person, "person.password_reset", now)
    return changed


def _belongs_elsewhere(remedy: str) -> Problem:
    return Problem(
        "belongs-elsewhere",
        "This person belongs to other workspaces too",
        status=409,
        detail=f"What lets somebody in there too is not for one workspace to give. {remedy}",
    )


def link_not_good() -> Problem:
    """The link is no one of ours, is used, or its time is up."""
    return Problem(
        "link-not-good",
        "This link is not good",
        status=410,
        detail="It was used, has run out, or is not one of ours. Ask for a new one.",
    )


# ── from the server's own machine ────────────────────────────────────────────────────────────────────


async def known(ground: Ground, email: str) -> Person:
    """The person with an address; a Problem when there is none."""
    found = await ground.db.read(store.by_email, address_of(email))
    if found is None:
        raise not_found("person", email, remedy="angarium people list")
    return found


async def reset_from_here(tx: Transaction, ground: Ground, person: Person) -> str:
    """The token of a link that sets a password, for whoever runs the server to hand on."""
    token, who = await reset_link(tx, ground, person), ids.show("person", person.id)
    for place in await store.places(tx, person.id):
        now = ground.clock.now()
        await audit.note(tx, place.workspace_id, audit.CLI, "person.reset_asked", who, {}, now)
    return token


async def set_disabled(tx: Transaction, ground: Ground, person_id: int, *, disabled: bool) -> Person:
    """Keep somebody out of every workspace, or let them in again."""
    now, person = ground.clock.now(), await store.by_id(tx, person_id)
    assert person is not None
    changed = msgspec.structs.replace(person, disabled_at=now if disabled else None)
    await store.save(tx, changed)
    if disabled:
        await session_store.drop_others(tx, person_id, 0)
        await store.drop_links(tx, person_id)
    action = "person.disabled" if disabled else "person.enabled"
    for place in await store.places(tx, person_id):
        who = ids.show("person", person_id)
        await audit.note(tx, place.workspace_id, audit.CLI, action, who, {}, now)
    return changed


async def workspace_name(tx: Transaction, workspace_id: int) -> str:
    """What a workspace is called."""
    return next((one.name for one in await accounts.workspaces(tx) if one.id == workspace_id), "")

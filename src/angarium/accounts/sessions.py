"""Sessions of people: begun, found by their token, moved to another workspace, ended.

A token is 256 random bits in a cookie, kept as SHA-256. It is another one after each step of signing in and
after each proof that the person is still there. A session ends by itself when nothing was asked for a
while, and in any case after a day (OWASP ASVS 5.0, 7.3.1 and 7.3.2); both are a workspace's to set.
"""

from __future__ import annotations

import hashlib
from typing import Annotated, Literal

import msgspec

from angarium.accounts import policies_store
from angarium.accounts import store as accounts
from angarium.accounts.roles import Role
from angarium.accounts.session import Stage
from angarium.accounts.store import Workspace, people, providers
from angarium.accounts.store import sessions as store
from angarium.accounts.store.people import Member, Person
from angarium.accounts.store.sessions import Session
from angarium.core import ids
from angarium.core.clock import micros
from angarium.core.problems import Problem
from angarium.storage.database import Transaction
from angarium.storage.ground import Ground

PREFIX = "ses_"
BY_PROVIDER = "oidc:"  # the method of sessions that a provider vouches for, before its id
TOKEN_BYTES = 32
TOKEN_CHARACTERS = len(PREFIX) + 2 * TOKEN_BYTES
SEEN_NOTED_S = 60.0  # how exactly it is known when a session was last used
DEVICE_MAX = 200  # characters
PRIVILEGED = frozenset({Role.OWNER, Role.ADMIN, Role.COMPLIANCE, Role.OPERATOR, Role.DEVELOPER})


class SignIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """How people enter a workspace: the policy `sign-in`."""

    second_factor: Literal["optional", "privileged", "everybody"] = "optional"  # who must have one
    passwords: bool = True  # false: only by a provider of the workspace
    idle_minutes: Annotated[int, msgspec.Meta(ge=1, le=10_080)] = 240
    session_hours: Annotated[int, msgspec.Meta(ge=1, le=720)] = 24
    letters_line: Annotated[str, msgspec.Meta(max_length=100)] = ""  # over which links are sent to people

    def wants_second(self, role: Role) -> bool:
        """Whether somebody of this role must show a second factor."""
        return self.second_factor == "everybody" or (
            self.second_factor == "privileged" and role in PRIVILEGED
        )


KIND = "sign-in"


class Signed(msgspec.Struct, frozen=True):
    """A session, whose it is, and what they are in the workspace they look at."""

    session: Session
    person: Person
    member: Member | None
    workspace: Workspace | None  # that which they look at


async def rules_of(tx: Transaction, workspace_id: int) -> SignIn:
    """The policy of a workspace."""
    for one in await policies_store.in_force(tx, [workspace_id]):
        if one.kind == KIND:
            return msgspec.json.decode(one.body, type=SignIn)
    return SignIn()


def hash_of(token: str) -> bytes:
    """What is kept of a token."""
    return hashlib.sha256(token.encode()).digest()


def new_token(ground: Ground) -> str:
    """A token that nobody can guess."""
    return PREFIX + ground.chance.secret(TOKEN_BYTES).hex()


async def begin(
    tx: Transaction, ground: Ground, person: Person, started: Session, now: int
) -> tuple[Session, str]:
    """Write a new session, and let go of those of the person whose time is up."""
    await store.drop_ended(tx, person.id, now)
    token = new_token(ground)
    await store.add(tx, started, hash_of(token))
    return started, token


def made(
    ground: Ground, person: Person, stage: Stage, method: str, factors: int, device: str, address: str
) -> Session:
    """A session that is not written yet, in no workspace; it has ten minutes until it is somewhere."""
    now = ground.clock.now()
    return Session(
        id=ground.ids.mint(),
        person_id=person.id,
        place_id=0,
        stage=stage.value,
        method=method,
        factors=factors,
        device=device[:DEVICE_MAX],
        address=address,
        challenge=None,
        created_at=now,
        seen_at=now,
        fresh_at=now,
        idle_micros=micros(600.0),
        ends_at=now + micros(600.0),
    )


def placed(session: Session, place: Member | None, rules: SignIn, *, has_second: bool, now: int) -> Session:
    """A session that moves into a workspace, or stops before it: at its second factor, or at having none."""
    wanted = has_second or (place is not None and rules.wants_second(place.role))
    stage = Stage.IN
    if wanted and session.factors < 2:
        stage = Stage.FACTOR if has_second else Stage.ENROL
    lasts = session.created_at + micros(rules.session_hours * 3600.0)
    return msgspec.structs.replace(
        session,
        place_id=place.workspace_id if place else 0,
        stage=stage.value,
        idle_micros=micros(rules.idle_minutes * 60.0),
        ends_at=lasts if stage is Stage.IN else now + micros(600.0),
    )


async def find(ground: Ground, token: str, address: str, *, somebody: bool = True) -> Signed | None:
    """The session of a token, if its time is not up and its person may still enter. `somebody`: a person
    asks, and not a page by itself, so that it is used."""
    if len(token) != TOKEN_CHARACTERS or not token.startswith(PREFIX):
        return None
    now = ground.clock.now()
    signed = await ground.db.read(_find, hash_of(token))
    if signed is None or has_ended(signed.session, now) or signed.person.disabled_at is not None:
        return None
    due = now - signed.session.seen_at >= micros(SEEN_NOTED_S) or signed.session.address != address
    if somebody and due:
        try:
            await ground.db.run(store.seen, signed.session.id, address, now)
        except Problem:
            return signed  # who only looks is not sent away because nothing can be written
    return signed


async def _find(tx: Transaction, token_hash: bytes) -> Signed | None:
    session = await store.by_token(tx, token_hash)
    if session is not None and session.method.startswith(BY_PROVIDER):
        provider_id = ids.read("identity_provider", session.method.removeprefix(BY_PROVIDER))
        provider = await providers.by_id(tx, session.place_id, provider_id)
        if provider is None or not provider.enabled:
            return None
    person = None if session is None else await people.by_id(tx, session.person_id)
    if session is None or person is None:
        return None
    member = await people.membership(tx, session.place_id, person.id) if session.place_id else None
    known = {one.id: one for one in await accounts.workspaces(tx)} if member else {}
    return Signed(session, person, member, known.get(session.place_id))


def has_ended(session: Session, now: int) -> bool:
    """Whether its time is up."""
    return now >= session.ends_at or now >= session.seen_at + session.idle_micros


async def renew(tx: Transaction, ground: Ground, session: Session) -> str:
    """Write a session as it is now, under a new token."""
    token = new_token(ground)
    await store.save(tx, session)
    await store.rotate(tx, session.id, hash_of(token))
    return token

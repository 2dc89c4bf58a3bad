"""Signing in by a provider of a workspace: the way there and back, and who comes in as what.

Somebody is known by issuer and subject, never by their address alone: an address that belongs to somebody
here already is not enough to come in as them. They sign in first and connect the provider in their account.
A session that a provider vouches for looks at the workspace of that provider and at no other
(`entering.may_enter`).
"""

from __future__ import annotations

import hmac
from typing import Any

import msgspec

from angarium.accounts import audit, people
from angarium.accounts.entering import Entered, Reception, Visit
from angarium.accounts.oidc import Client, Providers, Vouched
from angarium.accounts.reach import WHOLE
from angarium.accounts.roles import Role
from angarium.accounts.sessions import BY_PROVIDER
from angarium.accounts.store import people as person_store
from angarium.accounts.store import providers as store
from angarium.accounts.store.people import Member, Person
from angarium.accounts.store.providers import Provider
from angarium.core import ids
from angarium.core.clock import micros
from angarium.core.problems import Problem, not_found
from angarium.storage.database import Transaction
from angarium.storage.ground import Ground
from angarium.storage.vault import NotOpened

CELL = "sign-in/by-provider"
LASTS_S = 600.0
BYTES = 32
CALLBACK = "/sign-in/callback"


class Journey(msgspec.Struct, frozen=True):
    """What a browser keeps on its way to a provider and back, sealed."""

    workspace_id: int
    provider_id: int
    state: str
    nonce: str
    verifier: str
    next: str
    at: int
    person_id: int = 0  # of somebody who connects the provider; 0 for somebody who signs in


def secret_cell(workspace_id: int, provider_id: int) -> str:
    """The only place where a client's secret opens."""
    return f"{workspace_id}/identity_provider/{provider_id}/client_secret"


class Desk:
    """Sends browsers to providers and takes them back."""

    def __init__(self, reception: Reception, providers: Providers, public_url: str) -> None:
        self.reception = reception
        self.ground: Ground = reception.ground
        self._providers = providers
        self._redirect_uri = f"{public_url.rstrip('/')}{CALLBACK}" if public_url else ""

    async def depart(
        self, workspace_id: int, provider_id: int, onward: str, person_id: int = 0
    ) -> tuple[str, str]:
        """Where the browser goes, and what it keeps."""
        provider = await self._provider(workspace_id, provider_id)
        state, nonce, verifier = (self.ground.chance.secret(BYTES).hex() for _ in range(3))
        journey = Journey(
            workspace_id,
            provider_id,
            state,
            nonce,
            verifier,
            next=onward,
            at=self.ground.clock.now(),
            person_id=person_id,
        )
        link = await self._providers.link(
            self._client(provider), journey.state, journey.nonce, journey.verifier
        )
        return link, self.ground.vault.seal(msgspec.json.encode(journey), CELL)

    async def arrive(self, kept: str, state: str, code: str) -> tuple[Journey, Provider, Vouched]:
        """Who comes back; a Problem when it is not the browser that was sent, or the provider says no."""
        journey = self._opened(kept)
        if journey is None or not hmac.compare_digest(journey.state.encode(), state.encode()) or not code:
            raise Problem(
                "journey-not-known",
                "This browser was not sent to the provider from here",
                status=400,
                detail="Or it took longer than ten minutes. Go back to the door and try again.",
            )
        provider = await self._provider(journey.workspace_id, journey.provider_id)
        client = self._client(provider)
        vouched = await self._providers.vouched(client, code, journey.nonce, journey.verifier)
        return journey, provider, vouched

    def _opened(self, kept: str) -> Journey | None:
        try:
            found = msgspec.json.decode(self.ground.vault.open(kept, CELL), type=Journey)
        except (NotOpened, msgspec.DecodeError):
            return None
        return found if 0 <= self.ground.clock.now() - found.at <= micros(LASTS_S) else None

    async def _provider(self, workspace_id: int, provider_id: int) -> Provider:
        found = await self.ground.db.read(store.by_id, workspace_id, provider_id)
        if found is None or not found.enabled:
            raise not_found("identity provider", ids.show("identity_provider", provider_id))
        return found

    def _client(self, provider: Provider) -> Client:
        if not self._redirect_uri:
            raise Problem(
                "public-url-wanted",
                "Providers cannot send anybody back here",
                status=409,
                detail="Whoever runs this server has not set public_url.",
            )
        cell = secret_cell(provider.workspace_id, provider.id)
        secret = self.ground.vault.open(provider.client_secret, cell).decode()
        return Client(provider.issuer, provider.client_id, secret, self._redirect_uri)

    # ── who comes in as what ─────────────────────────────────────────────────────────────────────────

    async def let_in(self, provider: Provider, vouched: Vouched, visit: Visit) -> Entered:
        """A session of whoever the provider vouches for; a 403 Problem when it may let nobody in."""
        return await self.ground.db.run(self._let_in, provider, vouched, visit)

    async def _let_in(self, tx: Transaction, provider: Provider, vouched: Vouched, visit: Visit) -> Entered:
        person_id = await store.person_of(tx, vouched.issuer, vouched.subject)
        if person_id is None:
            person = await self._newcomer(tx, provider, vouched)
        else:
            person = await self._known(tx, provider, vouched, person_id)
        method = BY_PROVIDER + ids.show("identity_provider", provider.id)
        return await self.reception.begin(tx, person, method, 1, visit, provider.workspace_id)

    async def _known(self, tx: Transaction, provider: Provider, vouched: Vouched, person_id: int) -> Person:
        person = await person_store.by_id(tx, person_id)
        member = await person_store.membership(tx, provider.workspace_id, person_id)
        if person is None:
            raise not_let_in("whom it means is not here any more")
        if member is None:
            await self._join(tx, provider, vouched, person)
        else:
            await self._in_role(tx, provider, vouched, member)
        return person

    async def _newcomer(self, tx: Transaction, provider: Provider, vouched: Vouched) -> Person:
        email = people.address_of(vouched.email)
        if not vouched.email_verified or not people.EMAIL.fullmatch(email):
            raise not_let_in("it does not say that your address is yours")
        if await person_store.by_email(tx, email) is not None:
            raise not_let_in(
                "somebody here has this address; sign in as before, and connect the provider in your account"
            )
        person = people.new_person(self.ground, email, vouched.name, None)
        await person_store.add_person(tx, person)
        await self._join(tx, provider, vouched, person)
        await store.add_identity(tx, vouched.issuer, vouched.subject, person.id, person.created_at)
        return person

    async def _join(self, tx: Transaction, provider: Provider, vouched: Vouched, person: Person) -> None:
        """A place for somebody: that of an invitation, or the one that newcomers of their domain get."""
        now, workspace_id = self.ground.clock.now(), provider.workspace_id
        role, reach, by = role_of(provider, vouched), WHOLE, ids.show("identity_provider", provider.id)
        invited = [
            one
            for one in await person_store.invitations(tx, workspace_id)
            if one.email == person.email and now < one.ends_at
        ]
        if invited:
            role, reach, by = invited[0].role, invited[0].reach, invited[0].created_by
            await person_store.drop_invitation(tx, workspace_id, invited[0].id)
        elif role is None or person.email.rpartition("@")[2] not in provider.domains:
            raise not_let_in("you are not invited, and newcomers of your domain are not let in")
        assert role is not None
        await person_store.add_member(tx, Member(workspace_id, person.id, role, reach, now, by))
        who, told = ids.show("person", person.id), {"role": role, "by": by}
        await audit.note(tx, workspace_id, who, "person.joined", who, told, now)

    async def _in_role(self, tx: Transaction, provider: Provider, vouched: Vouched, member: Member) -> None:
        """Somebody in the role that the provider says; owners are made and unmade by owners alone."""
        role = mapped(provider, vouched.claims)
        if role is None or role is member.role or member.role is Role.OWNER:
            return
        await person_store.save_member(tx, msgspec.structs.replace(member, role=role))
        who, told = ids.show("person", member.person_id), {"role": [member.role, role]}
        by = ids.show("identity_provider", provider.id)
        now = self.ground.clock.now()
        await audit.note(tx, provider.workspace_id, by, "person.changed", who, told, now)

    async def connect(self, provider: Provider, vouched: Vouched, person: Person) -> None:
        """From now on the provider lets somebody in; Conflict when it means somebody else by this."""
        await self.ground.db.run(self._connect, provider, vouched, person)

    async def _connect(self, tx: Transaction, provider: Provider, vouched: Vouched, person: Person) -> None:
        now = self.ground.clock.now()
        await store.add_identity(tx, vouched.issuer, vouched.subject, person.id, now)
        who, told = ids.show("person", person.id), {"issuer": vouched.issuer}
        await audit.note(tx, provider.workspace_id, who, "person.provider_connected", who, told, now)


def mapped(provider: Provider, claims: dict[str, Any]) -> Role | None:
    """The role that a claim says: of the values that are mapped, the first in the order of the mapping."""
    said = claims.get(provider.claim) if provider.claim else None
    values = set(map(str, said if isinstance(said, list) else [said]))
    return next((role for value, role in provider.roles.items() if value in values), None)


def role_of(provider: Provider, vouched: Vouched) -> Role | None:
    """The role of a newcomer."""
    return mapped(provider, vouched.claims) or provider.default_role


def not_let_in(why: str) -> Problem:
    """The provider is believed, and it is not enough."""
    return Problem("not-invited", "You are not let in here", status=403, detail=f"You are not let in: {why}.")

"""Setting up a new server: its first person, who owns the first workspace. Possible while there is nobody.

Whoever runs the server proves it by a token that is made of the key file and of the database's own name: the
server prints it, every server of one database prints the same, and it is worth nothing once somebody is here.
"""

from __future__ import annotations

import hmac
from typing import Annotated

import msgspec

from angarium.accounts import audit, flows, passwords, people
from angarium.accounts import store as accounts
from angarium.accounts.entering import Entered, Reception, Visit
from angarium.accounts.reach import WHOLE
from angarium.accounts.roles import Role
from angarium.accounts.store import people as store
from angarium.core.problems import Problem, invalid
from angarium.storage import instance
from angarium.storage.database import Transaction
from angarium.storage.ground import Ground

TOKEN_CHARACTERS = 40
WORKSPACE_MAX = 64


class FirstInput(msgspec.Struct, frozen=True, kw_only=True):
    """What the first person says."""

    token: str = ""
    name: Annotated[str, msgspec.Meta(max_length=people.NAME_MAX)] = ""
    email: Annotated[str, msgspec.Meta(max_length=320)] = ""
    password: str = ""
    workspace: str = ""
    time_zone: str = "UTC"


async def is_new(tx: Transaction) -> bool:
    """Whether there is nobody yet."""
    return not await store.has_anybody(tx)


async def token(ground: Ground) -> str:
    """What proves that somebody runs this server."""
    found = await ground.db.read(instance.known)
    said = str(found.id if found else "").encode()
    return ground.vault.keyed_hash(said, "set-up").hex()[:TOKEN_CHARACTERS]


async def link(ground: Ground, where: str) -> str:
    """The address that the first person opens, at a server that is reached there."""
    return f"{where}/setup?token={await token(ground)}"


async def proved(ground: Ground, given: str) -> bool:
    """Whether a token is this server's."""
    return hmac.compare_digest((await token(ground)).encode(), given.strip().encode())


async def begin(ground: Ground, reception: Reception, given: FirstInput, visit: Visit) -> Entered:
    """The first person is in, as the owner of a workspace; a Problem when that cannot be.

    A workspace of this name that is there already gets its owner: the command line may have made it.
    """
    await require_new(ground)
    if not await proved(ground, given.token):
        remedy = "the address that the server printed when it started; angarium setup-link prints it again"
        raise invalid("token", "is not that of this server", remedy=remedy)
    plain = passwords.check(given.password, "password", given.email, given.name)
    if not given.name.strip():
        raise invalid("name", "is empty", remedy="how you are called")
    email = people.address_of(given.email)
    if not people.EMAIL.fullmatch(email):
        remedy = "such as olena@shop.example"
        raise invalid("email", "is not an e-mail address", value=given.email, remedy=remedy)
    hashed = await reception.passwords.hashed(plain)
    workspace = await _workspace(ground, given)
    invited, link = await ground.db.run(_invited, ground, workspace.id, email)
    return await reception.newcomer(link, invited, given.name, hashed, visit)


async def require_new(ground: Ground) -> None:
    """A Problem when somebody is here."""
    if not await ground.db.read(is_new):
        raise Problem(
            "set-up-already",
            "This server is set up",
            status=409,
            detail="Somebody is here already. Sign in, or ask them for an invitation.",
        )


async def _workspace(ground: Ground, given: FirstInput) -> accounts.Workspace:
    name = given.workspace.strip()
    if not 1 <= len(name) <= WORKSPACE_MAX or not name.isprintable():
        raise invalid("workspace", "is not a name", value=name, remedy=f"1 to {WORKSPACE_MAX} characters")
    known = {one.name: one for one in await ground.db.read(accounts.workspaces)}
    found = known.get(name) or await flows.create_workspace(ground, name)
    return await flows.change_workspace(ground, found.id, given.time_zone, audit.CLI)


async def _invited(
    tx: Transaction, ground: Ground, workspace_id: int, email: str
) -> tuple[store.Invitation, str]:
    if not await is_new(tx):
        raise Problem("set-up-already", "This server is set up", status=409, detail="Somebody was quicker.")
    return await people.invite(tx, ground, workspace_id, email, Role.OWNER, WHOLE, audit.CLI)

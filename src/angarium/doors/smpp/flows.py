"""Make, change and delete the accounts of the SMPP door. A password is told once, when it is made."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from angarium.accounts import audit
from angarium.accounts.passwords import Passwords, is_common
from angarium.core import ids
from angarium.core.problems import FieldProblem, Problem, all_invalid, invalid, not_found
from angarium.doors.routes import no_line, unknown_names
from angarium.doors.smpp import following, rules, store
from angarium.doors.smpp.rules import AccountSettings, SmppAccountInput
from angarium.doors.smpp.store import Account
from angarium.messaging.store import cascades
from angarium.messaging.world import World
from angarium.storage import facts
from angarium.storage.database import Transaction
from angarium.storage.ground import Ground

SIGNS = "abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"  # none that looks like another
PASSWORD_SIGNS = 8  # SMPP 3.4 §4.1.1 has room for no more
SYSTEM_ID_SIGNS = 8


class Prepared(msgspec.Struct, frozen=True):
    """What is to be written, and the password that was made for it; empty when none was."""

    given: SmppAccountInput
    password_hash: str  # empty: as it is
    made: str


async def prepare(
    world: World, passwords: Passwords, workspace_id: int, given: SmppAccountInput, *, new: bool
) -> Prepared:
    """A description that is good, with its password hashed. A Problem names all that is wrong."""
    named = {one.cascade for one in given.routes} - {""}
    known = await world.ground.db.read(cascades.by_names, workspace_id, named)
    lines = {line.name for line in world.lines.of(workspace_id)}
    ways = [(f"routes[{place}]", one) for place, one in enumerate(given.routes)]
    wrong = [*rules.check(given), *unknown_names(ways, lines, world.channels, known)]
    wrong += [
        no_line(f"inbound_lines[{place}]", one)
        for place, one in enumerate(given.inbound_lines)
        if one not in lines
    ]
    if given.password and is_common(given.password, given.system_id):
        wrong.append(FieldProblem("password", "is one of the first that are tried", "choose another one"))
    if wrong:
        raise all_invalid("The account is not valid", tuple(wrong))
    if new and not given.system_id:
        given = msgspec.structs.replace(given, system_id="ang" + _signs(world.ground, SYSTEM_ID_SIGNS))
    made = _signs(world.ground, PASSWORD_SIGNS) if new and not given.password else ""
    secret = made or given.password
    return Prepared(given, await passwords.hashed(secret) if secret else "", made)


def _signs(ground: Ground, count: int) -> str:
    """Signs that nobody can guess; each is one of 57, taken from 256 without leaning to any."""
    found = ""
    while len(found) < count:
        fair = len(SIGNS) * (256 // len(SIGNS))
        found += "".join(SIGNS[byte % len(SIGNS)] for byte in ground.chance.secret(2 * count) if byte < fair)
    return found[:count]


async def create(
    tx: Transaction, ground: Ground, workspace_id: int, prepared: Prepared, actor: str
) -> Account:
    """A new account, within a transaction. Its Conflict means `taken`."""
    if not await store.accounts.all(tx, workspace_id):
        await facts.begin_at_end(tx, workspace_id, following.READER)
    now, given = ground.clock.now(), prepared.given
    new = Account(
        workspace_id=workspace_id,
        id=ground.ids.mint(),
        name=given.name,
        system_id=given.system_id,
        password_hash=prepared.password_hash,
        settings=settings_of(given),
        enabled=given.enabled,
        version=1,
        created_at=now,
        updated_at=now,
    )
    await store.accounts.add(tx, new)
    await _note(tx, new, actor, "smpp_account.created", _told(new))
    return new


async def change(
    tx: Transaction, ground: Ground, workspace_id: int, account_id: int, prepared: Prepared, actor: str
) -> Account:
    """An account as it is described now; who is bound has to bind again. Its Conflict means `taken`."""
    before = await one(tx, workspace_id, account_id)
    given = prepared.given
    after = msgspec.structs.replace(
        before,
        name=given.name,
        system_id=given.system_id or before.system_id,
        password_hash=prepared.password_hash or before.password_hash,
        settings=settings_of(given),
        enabled=given.enabled,
        version=before.version + 1,
        updated_at=ground.clock.now(),
    )
    await store.accounts.change(tx, after)
    different = audit.changed(_told(before), _told(after))
    if prepared.password_hash:
        different |= {"secrets": ["password"]}
    await _note(tx, after, actor, "smpp_account.changed", different)
    return after


async def delete(ground: Ground, workspace_id: int, account_id: int, actor: str) -> None:
    """No account any more: what it has sent goes its way, and nobody is told of it."""
    await ground.db.run(_delete, workspace_id, account_id, actor, ground.clock.now())


async def _delete(tx: Transaction, workspace_id: int, account_id: int, actor: str, now: int) -> None:
    gone = await one(tx, workspace_id, account_id)
    await store.accounts.drop(tx, workspace_id, account_id)
    told = {"name": gone.name, "system_id": gone.system_id}
    subject = ids.show("smpp_account", account_id)
    await audit.note(tx, workspace_id, actor, "smpp_account.deleted", subject, told, now)


async def one(tx: Transaction, workspace_id: int, account_id: int) -> Account:
    """An account; a Problem when there is none."""
    found = await store.accounts.get(tx, workspace_id, account_id)
    if found is None:
        raise not_found("SMPP account", ids.show("smpp_account", account_id))
    return found


def settings_of(given: SmppAccountInput) -> AccountSettings:
    """Of a description what is kept together."""
    names = AccountSettings.__struct_fields__
    return AccountSettings(**{name: getattr(given, name) for name in names})


def taken(system_id: str) -> Problem:
    """Another account of this server has this system_id: a bind names nothing else."""
    remedy = "choose another one, or leave it out"
    return invalid("system_id", "is taken on this server", value=system_id, remedy=remedy)


def _told(account: Account) -> dict[str, object]:
    """An account as the audit log tells of it."""
    told: dict[str, object] = msgspec.to_builtins(account.settings)
    return {"name": account.name, "system_id": account.system_id, "enabled": account.enabled, **told}


async def _note(
    tx: Transaction, account: Account, actor: str, action: str, details: Mapping[str, object]
) -> None:
    subject = ids.show("smpp_account", account.id)
    await audit.note(tx, account.workspace_id, actor, action, subject, details, account.updated_at)

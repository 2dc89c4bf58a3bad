"""Make, change and delete accounts of the Twilio door; find out which one calls."""

from __future__ import annotations

import hmac
from collections.abc import Mapping

import msgspec

from angarium.accounts import audit
from angarium.accounts import flows as accounts
from angarium.accounts import rules as keys
from angarium.accounts import store as account_store
from angarium.accounts.flows import Caller
from angarium.core import ids
from angarium.core.clock import micros
from angarium.core.problems import FieldProblem, Problem, all_invalid, not_found, shown
from angarium.doors.routes import Way, no_line, unknown_names
from angarium.doors.twilio import following, rules, store
from angarium.doors.twilio.rules import TOKEN_BYTES, AccountSettings, TwilioAccountInput
from angarium.doors.twilio.store import Account
from angarium.messaging.store import cascades
from angarium.messaging.world import World
from angarium.storage import facts
from angarium.storage.database import Transaction
from angarium.storage.ground import Ground

SCOPES = frozenset({"messages:write", "messages:read"})  # of a key that is made for an account
BELIEVED_S = 1.0  # how long an account is believed without looking again: as for keys


def cell(workspace_id: int, account_id: int) -> str:
    """Where the token of an account opens."""
    return f"{workspace_id}/twilio_account/{account_id}/token"


def opened(ground: Ground, account: Account) -> str:
    """The token of an account."""
    return ground.vault.open(account.token, cell(account.workspace_id, account.id)).decode()


def new_token(ground: Ground) -> str:
    """A token that nobody can guess, in Twilio's form."""
    return ground.chance.secret(TOKEN_BYTES).hex()


async def check(tx: Transaction, world: World, workspace_id: int, given: TwilioAccountInput) -> None:
    """A Problem that names all that is wrong with a description."""
    ways: list[tuple[str, Way]] = [(f"routes[{place}]", one) for place, one in enumerate(given.routes)]
    ways += [(f"services[{place}]", one) for place, one in enumerate(given.services)]
    known = await cascades.by_names(tx, workspace_id, {one.cascade for _, one in ways} - {""})
    lines = {line.name for line in world.lines.of(workspace_id)}
    wrong = [*rules.check(given), *unknown_names(ways, lines, world.channels, known)]
    wrong += [
        no_line(f"inbound_lines[{place}]", one)
        for place, one in enumerate(given.inbound_lines)
        if one not in lines
    ]
    if given.key and await _key(tx, workspace_id, given.key, world.ground.clock.now()) is None:
        wrong.append(FieldProblem("key", "no such live key", "GET /v1/keys lists them", shown(given.key)))
    if wrong:
        raise all_invalid("The account is not valid", tuple(wrong))


async def _key(tx: Transaction, workspace_id: int, text: str, now: int) -> account_store.ApiKey | None:
    try:
        found = await account_store.key_by_id(tx, workspace_id, ids.read("api_key", text))
    except ValueError:
        return None
    return found if found is not None and _lives(found, now) else None


def _lives(key: account_store.ApiKey, now: int) -> bool:
    return key.revoked_at is None and (key.expires_at is None or key.expires_at > now)


async def create(
    tx: Transaction, world: World, caller: Caller, given: TwilioAccountInput, token: str
) -> Account:
    """A new account, within a transaction."""
    ground, workspace_id = world.ground, caller.workspace_id
    await check(tx, world, workspace_id, given)
    if not await store.accounts.all(tx, workspace_id):
        await facts.begin_at_end(tx, workspace_id, following.READER)
    key_id = ids.read("api_key", given.key) if given.key else await _new_key(tx, ground, caller, given.name)
    now, account_id = ground.clock.now(), ground.ids.mint()
    new = Account(
        workspace_id=workspace_id,
        id=account_id,
        name=given.name,
        key_id=key_id,
        token=ground.vault.seal(token.encode(), cell(workspace_id, account_id)),
        settings=settings_of(given),
        enabled=given.enabled,
        version=1,
        created_at=now,
        updated_at=now,
    )
    await store.accounts.add(tx, new)
    await _note(tx, new, caller.actor, "twilio_account.created", _told(new))
    return new


async def _new_key(tx: Transaction, ground: Ground, caller: Caller, name: str) -> int:
    """A key to act as; nobody sees its secret, for nobody needs it."""
    accounts.check_gift(caller, SCOPES, caller.reach)
    made, secret = accounts.new_key(
        ground,
        caller.workspace_id,
        f"Twilio: {name}"[: keys.NAME_MAX],
        SCOPES,
        None,
        caller.reach,
        caller.actor,
    )
    await accounts.keep_key(tx, caller.workspace_id, made, secret)
    return made.id


async def change(
    tx: Transaction, world: World, caller: Caller, account_id: int, given: TwilioAccountInput
) -> Account:
    """An account as it is described now."""
    before = await one(tx, caller.workspace_id, account_id)
    await check(tx, world, caller.workspace_id, given)
    after = msgspec.structs.replace(
        before,
        name=given.name,
        key_id=ids.read("api_key", given.key) if given.key else before.key_id,
        settings=settings_of(given),
        enabled=given.enabled,
        version=before.version + 1,
        updated_at=world.ground.clock.now(),
    )
    await store.accounts.change(tx, after)
    await _note(tx, after, caller.actor, "twilio_account.changed", audit.changed(_told(before), _told(after)))
    return after


async def renew(tx: Transaction, ground: Ground, caller: Caller, account_id: int, token: str) -> Account:
    """An account with another token; the one before is good no more."""
    before = await one(tx, caller.workspace_id, account_id)
    after = msgspec.structs.replace(
        before,
        token=ground.vault.seal(token.encode(), cell(before.workspace_id, before.id)),
        version=before.version + 1,
        updated_at=ground.clock.now(),
    )
    await store.accounts.change(tx, after)
    await _note(tx, after, caller.actor, "twilio_account.changed", {"secrets": ["token"]})
    return after


async def delete(tx: Transaction, ground: Ground, caller: Caller, account_id: int) -> None:
    """No account any more: what it has sent goes its way, and nobody is told of it."""
    gone = await one(tx, caller.workspace_id, account_id)
    await store.accounts.drop(tx, caller.workspace_id, account_id)
    gone = msgspec.structs.replace(gone, updated_at=ground.clock.now())
    await _note(tx, gone, caller.actor, "twilio_account.deleted", {"name": gone.name})


async def one(tx: Transaction, workspace_id: int, account_id: int) -> Account:
    """An account; a Problem when there is none."""
    found = await store.accounts.get(tx, workspace_id, account_id)
    if found is None:
        raise not_found("Twilio account", ids.show("twilio_account", account_id))
    return found


def settings_of(given: TwilioAccountInput) -> AccountSettings:
    """Of a description what is kept together."""
    return AccountSettings(**{name: getattr(given, name) for name in AccountSettings.__struct_fields__})


def _told(account: Account) -> dict[str, object]:
    """An account as the audit log tells of it."""
    told: dict[str, object] = msgspec.to_builtins(account.settings)
    key = ids.show("api_key", account.key_id)
    return {"name": account.name, "key": key, "enabled": account.enabled, **told}


async def _note(
    tx: Transaction, account: Account, actor: str, action: str, details: Mapping[str, object]
) -> None:
    subject = ids.show("twilio_account", account.id)
    await audit.note(tx, account.workspace_id, actor, action, subject, details, account.updated_at)


# ── who calls ────────────────────────────────────────────────────────────────────────────────────────


class Known(msgspec.Struct, frozen=True):
    """An account that has shown its token, and the key that it acts as."""

    account: Account
    caller: Caller


class Gate:
    """Finds out which account calls; believes a good answer for a moment."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._believed: dict[bytes, tuple[int, Known]] = {}

    async def known(self, sid: str, token: str) -> Known:
        """The account with this SID and token; a 401 Problem when they are not good."""
        now, hashed = self._ground.clock.now(), keys.digest(f"{sid}:{token}")
        until, found = self._believed.get(hashed, (0, None))
        if found is not None and now < until:
            return found
        found = await self._look_up(sid, token, now)
        if len(self._believed) > 10_000:
            self._believed.clear()
        self._believed[hashed] = (now + micros(BELIEVED_S), found)
        return found

    async def _look_up(self, sid: str, token: str, now: int) -> Known:
        named = rules.read_account_sid(sid)
        if named is None:
            raise not_good()
        account, key = await self._ground.db.read(_account_and_key, *named)
        if account is None or key is None or not account.enabled or not _lives(key, now):
            raise not_good()
        if not hmac.compare_digest(opened(self._ground, account).encode(), token.encode()):
            raise not_good()
        caller = Caller(account.workspace_id, key.id, keys.with_implied(key.scopes), key.reach)
        return Known(account, caller)


async def _account_and_key(
    tx: Transaction, workspace_id: int, account_id: int
) -> tuple[Account | None, account_store.ApiKey | None]:
    found = await store.accounts.get(tx, workspace_id, account_id)
    key = await account_store.key_by_id(tx, workspace_id, found.key_id) if found else None
    return found, key


def not_good() -> Problem:
    """SID or token are wrong; which of them is not told."""
    return Problem("key-not-good", "The account is not good", status=401, detail="Authenticate")

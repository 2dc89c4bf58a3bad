"""Make workspaces and keys; find out who is calling."""

from __future__ import annotations

import msgspec

from angarium.accounts import audit, rules, session, store
from angarium.accounts.reach import WHOLE, Reach, out_of_reach
from angarium.core import ids
from angarium.core.clock import is_zone, iso, micros
from angarium.core.problems import Problem, all_invalid, invalid, not_found
from angarium.storage import facts
from angarium.storage.database import Conflict, Transaction
from angarium.storage.facts import Fact
from angarium.storage.ground import Ground
from angarium.storage.vault import NotOpened

# How long a key is believed without looking again: a revoked key fails within this time on every process.
BELIEVED_S = 1.0
# How exactly it is known when a key was last used. That shows whether an old key can be revoked, and is not
# worth a write for each request.
USE_NOTED_S = 300.0


CHANGED = (
    "lines"  # the topic of what is read again when it was changed: lines, policies, and where a workspace is
)
SELF = "self"  # in the place of a scope: for whoever calls, whatever they may do
FRESH_S = 600.0


class Caller(msgspec.Struct, frozen=True):
    """Who is calling: a workspace, what may be done in it, and how far that goes."""

    workspace_id: int
    key_id: int
    scopes: frozenset[str]
    reach: Reach = WHOLE
    person_id: int = 0  # of whoever has signed in; 0 for a key and for a link
    session_id: int = 0
    fresh_at: int = 0  # when the person last proved to be who they are

    @property
    def actor(self) -> str:
        """Who acts, as it is kept beside a deed: `per_…`, `key_…`, or a link."""
        if self.person_id:
            return ids.show("person", self.person_id)
        return ids.show("api_key", self.key_id) if self.key_id else audit.LINK


async def create_workspace(ground: Ground, name: str, currency: str = "EUR") -> store.Workspace:
    """A new, empty workspace; a Problem when the name is taken."""
    new = store.Workspace(ground.ids.mint(), name, currency, ground.clock.now())
    try:
        await ground.db.run(_add_workspace, new)
    except Conflict:
        raise invalid(
            "name", "a workspace of this name exists", value=name, remedy="choose another name"
        ) from None
    return new


async def _add_workspace(tx: Transaction, new: store.Workspace) -> None:
    await store.add_workspace(tx, new)
    details = {"name": new.name, "currency": new.currency}
    subject = ids.show("workspace", new.id)
    await audit.note(tx, new.id, audit.CLI, "workspace.created", subject, details, new.created_at)


async def workspace(tx: Transaction, workspace_id: int) -> store.Workspace:
    """The workspace of this id, which is there: somebody has a key to it."""
    found = await store.workspace_of(tx, workspace_id)
    assert found is not None
    return found


async def change_workspace(
    ground: Ground, workspace_id: int, time_zone: str | None, actor: str
) -> store.Workspace:
    """The workspace with another time zone; None leaves it. A Problem when it is none."""
    if time_zone is not None and not is_zone(time_zone):
        raise invalid("time_zone", "is not a time zone", value=time_zone, remedy="such as Asia/Tehran, UTC")
    changed = await ground.db.run(_move, workspace_id, time_zone, actor, ground.clock.now())
    ground.fabric.wake(CHANGED)
    return changed


async def _move(
    tx: Transaction, workspace_id: int, time_zone: str | None, actor: str, now: int
) -> store.Workspace:
    before = await workspace(tx, workspace_id)
    if time_zone in (None, before.time_zone):
        return before
    after = msgspec.structs.replace(before, time_zone=time_zone)
    await store.move(tx, workspace_id, after.time_zone)
    details: dict[str, object] = {"time_zone": after.time_zone, "before": before.time_zone}
    body = msgspec.json.encode({**details, "actor": actor})
    await facts.append(tx, [Fact(workspace_id, "workspace.changed", workspace_id, now, body)])
    subject = ids.show("workspace", workspace_id)
    await audit.note(tx, workspace_id, actor, "workspace.changed", subject, details, now)
    return after


async def workspace_named(ground: Ground, name: str) -> store.Workspace:
    """The workspace of this name; a Problem when there is none."""
    for found in await ground.db.read(store.workspaces):
        if found.name == name:
            return found
    raise not_found("workspace", name, remedy="angarium keys workspaces lists them")


async def create_key(
    ground: Ground,
    workspace_id: int,
    name: str,
    scopes: frozenset[str],
    expires_at: int | None = None,
    reach: Reach = WHOLE,
) -> str:
    """A new key; the only time that its secret is seen."""
    new, key = new_key(ground, workspace_id, name, scopes, expires_at, reach)
    await ground.db.run(keep_key, workspace_id, new, key)
    return key


def new_key(
    ground: Ground,
    workspace_id: int,
    name: str,
    scopes: frozenset[str],
    expires_at: int | None = None,
    reach: Reach = WHOLE,
    actor: str = audit.CLI,
) -> tuple[store.ApiKey, str]:
    """A key that is not kept yet, and its secret; a Problem when it would be of no use."""
    wrong = rules.check_key(name, scopes, expires_at, ground.clock.now())
    if wrong:
        raise all_invalid("The key is not valid", wrong)
    key = rules.compose(workspace_id, ground.chance.secret(rules.SECRET_BYTES))
    now = ground.clock.now()
    made = store.ApiKey(ground.ids.mint(), name, scopes, now, expires_at, None, None, reach, actor)
    return made, key


async def keep_key(tx: Transaction, workspace_id: int, new: store.ApiKey, key: str) -> None:
    """Write a new key, its secret as a hash."""
    await store.add_key(tx, workspace_id, new, rules.digest(key))
    until = None if new.expires_at is None else iso(new.expires_at)
    details: dict[str, object] = {"name": new.name, "scopes": sorted(new.scopes), "expires_at": until}
    if not new.reach.is_whole:
        details |= {"reach": new.reach}
    subject = ids.show("api_key", new.id)
    await audit.note(tx, workspace_id, new.created_by, "key.created", subject, details, new.created_at)


async def rotate_key(
    tx: Transaction, ground: Ground, caller: Caller, key_id: int, overlap_s: float
) -> tuple[store.ApiKey, str]:
    """A key in the place of another, within a transaction; both are good for a while."""
    now, old = ground.clock.now(), await store.key_by_id(tx, caller.workspace_id, key_id)
    if old is None or old.revoked_at is not None or (old.expires_at is not None and old.expires_at <= now):
        raise not_found("api key", ids.show("api_key", key_id), remedy="GET /v1/keys lists the live ones")
    check_gift(caller, old.scopes, old.reach)
    new, key = new_key(
        ground, caller.workspace_id, old.name, old.scopes, old.expires_at, old.reach, caller.actor
    )
    await keep_key(tx, caller.workspace_id, new, key)
    ends = now + micros(overlap_s)
    await store.expire(tx, caller.workspace_id, key_id, ends)
    details = {"by": ids.show("api_key", new.id), "ends_at": iso(ends)}
    subject = ids.show("api_key", key_id)
    await audit.note(tx, caller.workspace_id, caller.actor, "key.replaced", subject, details, now)
    return new, key


async def revoke_key(ground: Ground, workspace_id: int, key_id: int, actor: str = audit.CLI) -> bool:
    """Revoke a key; False when there is no such live key."""
    return await ground.db.run(_revoke_key, workspace_id, key_id, actor, ground.clock.now())


async def _revoke_key(tx: Transaction, workspace_id: int, key_id: int, actor: str, now: int) -> bool:
    if not await store.revoke(tx, workspace_id, key_id, now):
        return False
    await audit.note(tx, workspace_id, actor, "key.revoked", ids.show("api_key", key_id), {}, now)
    return True


class Gate:
    """Finds out who calls; believes a good answer for a moment, so that a busy client costs no query each."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._believed: dict[bytes, tuple[int, Caller]] = {}

    def now(self) -> int:
        """What time it is."""
        return self._ground.clock.now()

    def believed(self, key: str) -> Caller | None:
        """The caller with a key that was good a moment ago."""
        until, caller = self._believed.get(rules.digest(key), (0, None))
        return caller if self._ground.clock.now() < until else None

    def has_known(self, key: str) -> bool:
        """Whether a key was good at some time, and this process still knows."""
        return rules.digest(key) in self._believed

    async def caller(self, key: str) -> Caller:
        """The caller with this key; a 401 Problem when the key is not good."""
        now = self._ground.clock.now()
        hashed = rules.digest(key)
        until, caller = self._believed.get(hashed, (0, None))
        if caller is not None and now < until:
            return caller
        caller = await self._look_up(key, hashed, now)
        if len(self._believed) > 10_000:
            self._believed.clear()
        self._believed[hashed] = (now + micros(BELIEVED_S), caller)
        return caller

    async def _look_up(self, key: str, hashed: bytes, now: int) -> Caller:
        try:
            workspace_id = rules.workspace_of(key)
        except ValueError:
            raise not_good() from None
        found = await self._ground.db.read(store.key_by_hash, workspace_id, hashed)
        if found is None or found.revoked_at is not None:
            raise not_good()
        if found.expires_at is not None and found.expires_at <= now:
            raise not_good()
        await self._note_use(workspace_id, found, now)
        return Caller(workspace_id, found.id, rules.with_implied(found.scopes), found.reach)

    async def _note_use(self, workspace_id: int, found: store.ApiKey, now: int) -> None:
        if found.last_used_at is not None and now - found.last_used_at < micros(USE_NOTED_S):
            return
        try:
            await self._ground.db.run(store.note_use, workspace_id, found.id, now)
        except Problem:
            return  # who only reads is not refused because nothing can be written


def not_good() -> Problem:
    """The key is missing or cannot be believed; it is not told which, nor whether it ever was good."""
    return Problem(
        "key-not-good",
        "The API key is not good",
        status=401,
        detail="It is missing, mistyped, expired or revoked. Send it as `Authorization: Bearer ang_…`.",
    )


def refuse_key_in_address(address: str) -> None:
    """A 400 Problem when a key stands in an address, which every proxy on the way writes into its log."""
    if rules.holds_key(address):
        raise Problem(
            "key-in-address",
            "An API key stands in the address",
            status=400,
            detail="Addresses are kept in logs, so this key has to be taken for leaked: revoke it and make "
            "another, to be sent as `Authorization: Bearer ang_…`. In an address a key is never looked at.",
        )


def require(caller: Caller, scope: str) -> None:
    """A 403 Problem unless the caller's key, or role, has this scope."""
    if scope not in caller.scopes and scope != SELF:
        whose = "role" if caller.person_id else "key"
        remedy = "Ask for another role." if caller.person_id else "Make a key that has it."
        raise Problem(
            "scope-missing",
            f"This {whose} may not do that",
            status=403,
            detail=f"It needs the scope {scope} ({rules.SCOPES[scope]}). {remedy}",
        )


def require_fresh(caller: Caller, now: int) -> None:
    """A 403 Problem when somebody has not proved for a while that it is still they."""
    if caller.session_id and now - caller.fresh_at > micros(FRESH_S):
        raise Problem(
            "proof-wanted",
            "Prove first that it is you",
            status=403,
            detail="What cannot be taken back needs a proof of the last ten minutes: /account/proof.",
        )


def require_person(caller: Caller) -> None:
    """A 403 Problem for whoever is no person: a key, or a link."""
    if not caller.person_id:
        raise Problem(
            "people-only",
            "This is for people who have signed in",
            status=403,
            detail="A key, or a link, has no account of its own. Sign in.",
        )


def check_gift(caller: Caller, scopes: frozenset[str], reach: Reach = WHOLE) -> None:
    """A 403 Problem when a caller would give a new key more than it has itself."""
    if not caller.reach.holds(reach):
        raise out_of_reach("what is to be given")
    more = scopes - caller.scopes
    if more & rules.SCOPES.keys():
        raise Problem(
            "scope-missing",
            "A key can give no scope that it has not",
            status=403,
            detail=f"This key has not {', '.join(sorted(more))}.",
        )


# ── tickets ──────────────────────────────────────────────────────────────────────────────────────────

TICKET_S = 12 * 3600.0


class Ticket(msgspec.Struct, frozen=True):
    """The right of a browser to one workspace for a while: to look, and more if a key with more was shown."""

    workspace_id: int
    until: int
    scopes: frozenset[str] = session.LOOKING
    key_id: int = 0


def ticket(ground: Ground, workspace_id: int) -> str:
    """A sealed ticket: who brings it may look at the workspace, and do nothing else, until it runs out."""
    return seal_ticket(ground, issue(ground, workspace_id))


def issue(
    ground: Ground, workspace_id: int, scopes: frozenset[str] = session.LOOKING, key_id: int = 0
) -> Ticket:
    """A new ticket. A browser is given no more of a key's scopes than its pages need."""
    return Ticket(workspace_id, ground.clock.now() + micros(TICKET_S), scopes & session.PAGES, key_id)


async def reach_of(ground: Ground, issued: Ticket) -> Reach | None:
    """How far a ticket goes: as far as the key it was given for, None when that is not live any more.

    One that only looks needs no key.
    """
    if not issued.scopes - session.LOOKING:
        return WHOLE
    now, key = ground.clock.now(), await ground.db.read(store.key_by_id, issued.workspace_id, issued.key_id)
    if key is None or key.revoked_at is not None or (key.expires_at is not None and key.expires_at <= now):
        return None
    return key.reach


def seal_ticket(ground: Ground, issued: Ticket) -> str:
    """A ticket as text. No two texts of one ticket are alike, and all of them run out with it."""
    return ground.vault.seal(msgspec.json.encode(issued), "ticket")


def read_ticket(ground: Ground, text: str) -> Ticket | None:
    """The ticket behind its text; None when it is not ours or has run out."""
    try:
        found = msgspec.json.decode(ground.vault.open(text, "ticket"), type=Ticket)
    except (NotOpened, msgspec.DecodeError):
        return None
    return found if ground.clock.now() < found.until else None

"""Create, change, delete and lend lines; keep the lines in force at hand.

Secrets are sealed one by one, bound to their line and name; a form or an API answer shows them as a mask, and
a mask that comes back keeps what is there.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Concatenate, ParamSpec

import msgspec

from angarium.accounts import audit
from angarium.channels import load
from angarium.channels.kit import decode_settings
from angarium.core import ids
from angarium.core.ports import Channel, secret_fields
from angarium.core.problems import Problem, all_invalid, invalid, not_found
from angarium.core.values import Json
from angarium.lines import registration_flows, requirements, rules, store, tariffs_flows
from angarium.lines.rules import LineInput
from angarium.lines.store import Guest, Lent, Line, Loan
from angarium.storage import facts
from angarium.storage.database import Conflict, Transaction
from angarium.storage.facts import Fact
from angarium.storage.ground import Ground
from angarium.storage.vault import Vault

P = ParamSpec("P")

MASK = "••••••"
TOPIC = rules.TOPIC
CALLBACK_TOKEN_BYTES = 16


def channel_of(kind: str) -> Channel:
    """The channel of this kind; a Problem that lists the kinds when there is none."""
    channels = load()
    if kind not in channels:
        raise invalid(
            "channel", "there is no such channel", value=kind, remedy="one of " + ", ".join(channels)
        )
    return channels[kind]


async def create(ground: Ground, workspace_id: int, given: LineInput, actor: str = audit.CLI) -> Line:
    """A new line."""
    return await _committed(ground, given.name, new_line, ground, workspace_id, given, actor)


async def new_line(
    tx: Transaction, ground: Ground, workspace_id: int, given: LineInput, actor: str = audit.CLI
) -> Line:
    """A new line within a transaction. Its Conflict means `taken`; TOPIC is to be woken after the commit."""
    await tariffs_flows.check_named(tx, workspace_id, given.tariff, given.currency)
    new = await _kept(tx, ground, _made(ground, workspace_id, given, None), given, actor)
    await _note(tx, new, actor, "line.created", _told(new))
    return new


async def change(
    ground: Ground, workspace_id: int, line_id: int, given: LineInput, actor: str = audit.CLI
) -> Line:
    """A line as it is described now; its channel stays, and so do its registrations."""
    return await _committed(ground, given.name, _changed_line, ground, workspace_id, line_id, given, actor)


async def _changed_line(
    tx: Transaction, ground: Ground, workspace_id: int, line_id: int, given: LineInput, actor: str
) -> Line:
    before = await store.by_id(tx, workspace_id, line_id)
    if before is None:
        raise not_found("line", ids.show("line", line_id))
    if given.channel != before.channel:
        raise invalid("channel", "cannot be changed", value=given.channel, remedy="create another line")
    await tariffs_flows.check_named(tx, workspace_id, given.tariff, given.currency)
    changed = _made(ground, workspace_id, given, before)
    registration_flows.check_kind(before, changed.requirement)
    changed = await _kept(tx, ground, changed, given, actor)
    different = audit.changed(_told(before), _told(changed))
    secrets = _secrets_changed(ground, before, changed)
    await _note(tx, changed, actor, "line.changed", different | ({"secrets": secrets} if secrets else {}))
    return changed


async def _kept(tx: Transaction, ground: Ground, made: Line, given: LineInput, actor: str) -> Line:
    """Write a line, and what its owner declares of its registration; the line as it is now."""
    await store.save(tx, made)
    standing = await store.by_id(tx, made.workspace_id, made.id)
    assert standing is not None
    if not await registration_flows.declare(tx, ground, standing, given.registration, actor):
        return standing
    declared = await store.by_id(tx, made.workspace_id, made.id)
    assert declared is not None
    return declared


def _told(line: Line) -> dict[str, object]:
    """A line as the audit log tells of it."""
    told = msgspec.structs.asdict(line) | {
        "settings": shown_settings(line),
        "classes": sorted(line.classes),
        "patterned": sorted(line.patterned),
        "registration": line.registration,
    }
    unsaid = {"workspace_id", "id", "callback_token", "version", "created_at", "updated_at"}
    unsaid |= {"rules_version", "patterns_version", "recorded_until", "registrations"}
    return {name: value for name, value in told.items() if name not in unsaid}


def _secrets_changed(ground: Ground, before: Line, after: Line) -> list[str]:
    """The names of the secrets that are others now."""
    secrets = secret_fields(channel_of(after.channel).settings)
    old, new = _opened(ground, before, secrets), _opened(ground, after, secrets)
    return sorted(name for name in secrets if old.get(name) != new.get(name))


async def _note(tx: Transaction, line: Line, actor: str, action: str, details: Mapping[str, object]) -> None:
    subject = ids.show("line", line.id)
    await audit.note(tx, line.workspace_id, actor, action, subject, details, line.updated_at)


async def _committed(
    ground: Ground,
    name: str,
    work: Callable[Concatenate[Transaction, P], Awaitable[Line]],
    *args: P.args,
    **kwargs: P.kwargs,
) -> Line:
    try:
        line = await ground.db.run(work, *args, **kwargs)
    except Conflict:
        raise taken(name) from None
    ground.fabric.wake(TOPIC)
    return line


def taken(name: str) -> Problem:
    """Another line has this name."""
    return invalid("name", "a line of this name exists", value=name, remedy="choose another name")


async def get(ground: Ground, workspace_id: int, line_id: int) -> Line:
    """One line; a Problem when there is none."""
    found = await ground.db.read(store.by_id, workspace_id, line_id)
    if found is None:
        raise not_found("line", ids.show("line", line_id))
    return found


async def named(ground: Ground, workspace_id: int, name: str) -> Line:
    """The line of this name; a Problem when there is none."""
    found = await ground.db.read(store.by_name, workspace_id, name)
    if found is None:
        raise not_found("line", name)
    return found


async def everything(ground: Ground, workspace_id: int) -> list[Line]:
    """All lines of a workspace."""
    return await ground.db.read(store.all_of, workspace_id)


async def delete(ground: Ground, workspace_id: int, line_id: int, actor: str = audit.CLI) -> None:
    """Delete a line; what was sent on it stays in the history."""
    await ground.db.run(_delete, workspace_id, line_id, actor, ground.clock.now())
    ground.fabric.wake(TOPIC)


async def _delete(tx: Transaction, workspace_id: int, line_id: int, actor: str, now: int) -> None:
    line = await store.by_id(tx, workspace_id, line_id)
    if line is None or not await store.remove(tx, workspace_id, line_id):
        raise not_found("line", ids.show("line", line_id))
    subject, told = ids.show("line", line_id), {"name": line.name, "channel": line.channel}
    await audit.note(tx, workspace_id, actor, "line.deleted", subject, told, now)


def opened_settings(ground: Ground, line: Line) -> Any:
    """The settings of a line for its channel, secrets opened."""
    channel = channel_of(line.channel)
    return decode_settings(channel, _opened(ground, line, secret_fields(channel.settings)))


def secrets_of(line: Line, settings: Any) -> list[str]:
    """The values of what must not be seen of a line: its secret settings, and the token of its callbacks."""
    names = secret_fields(channel_of(line.channel).settings)
    fields = [field.name for field in msgspec.structs.fields(settings) if field.encode_name in names]
    return [line.callback_token, *(str(getattr(settings, name)) for name in fields)]


def shown_settings(line: Line) -> Json:
    """The settings of a line for people: secrets masked."""
    secrets = secret_fields(channel_of(line.channel).settings)
    return {name: MASK if name in secrets and value else value for name, value in line.settings.items()}


def _made(ground: Ground, workspace_id: int, given: LineInput, before: Line | None) -> Line:
    channel = channel_of(given.channel)
    need = requirements.for_line(given.requirement or (before.requirement if before else ""), channel.kind)
    wrong = rules.check(given, channel)
    secrets = secret_fields(channel.settings)
    kept = _opened(ground, before, secrets) if before else {}
    plain = {
        name: kept.get(name, "") if name in secrets and value == MASK else value
        for name, value in {**{n: v for n, v in kept.items() if n in secrets}, **given.settings}.items()
    }
    try:
        decode_settings(channel, plain)
    except Problem as problem:
        under = tuple(msgspec.structs.replace(f, field=f"settings.{f.field}") for f in problem.fields)
        wrong = (*wrong, *under)
    if wrong:
        raise all_invalid("The line is not valid", wrong)
    return _line(ground, workspace_id, given, need.key, plain, before)


def _line(
    ground: Ground, workspace_id: int, given: LineInput, requirement: str, plain: Json, before: Line | None
) -> Line:
    now = ground.clock.now()
    line_id = before.id if before else ground.ids.mint()
    micros = rules.price_micros(given.price)
    assert micros is not None
    return Line(
        workspace_id=workspace_id,
        id=line_id,
        name=given.name,
        channel=given.channel,
        settings=_sealed(
            ground, workspace_id, line_id, plain, secret_fields(channel_of(given.channel).settings)
        ),
        classes=frozenset(given.classes),
        requirement=requirement,
        patterned=frozenset(given.patterned),
        enabled=given.enabled,
        speed_per_s=given.speed_per_s,
        window_max=given.window,
        hours=given.hours,
        price_micros=micros,
        price_per=given.price_per,
        currency=given.currency,
        tariff=given.tariff,
        weight=given.weight,
        only_to=tuple(one.strip() for one in given.only_to),
        never_to=tuple(one.strip() for one in given.never_to),
        callback_token=before.callback_token if before else ground.chance.secret(CALLBACK_TOKEN_BYTES).hex(),
        version=before.version + 1 if before else 1,
        rules_version=before.rules_version if before else 0,
        patterns_version=before.patterns_version if before else 0,
        created_at=before.created_at if before else now,
        updated_at=now,
    )


def _sealed(
    ground: Ground, workspace_id: int, line_id: int, plain: Mapping[str, object], secrets: frozenset[str]
) -> Json:
    return {
        name: ground.vault.seal(str(value).encode(), _cell(workspace_id, line_id, name))
        if name in secrets and value
        else value
        for name, value in plain.items()
    }


def _opened(ground: Ground, line: Line, secrets: frozenset[str]) -> Json:
    return {
        name: ground.vault.open(value, _cell(line.workspace_id, line.id, name)).decode()
        if name in secrets and value
        else value
        for name, value in line.settings.items()
    }


def is_newest(vault: Vault, line: Line) -> bool:
    """Whether all its secrets are sealed with the newest key."""
    secrets = secret_fields(channel_of(line.channel).settings)
    return all(vault.is_newest(value) for name, value in line.settings.items() if name in secrets and value)


async def seal_anew(tx: Transaction, vault: Vault, workspace_id: int) -> int:
    """Seal the secrets of all lines with the newest key; how many lines had others."""
    changed = 0
    for line in await store.hold_all(tx, workspace_id):
        secrets = secret_fields(channel_of(line.channel).settings)
        anew = {
            name: vault.sealed_anew(value, _cell(workspace_id, line.id, name))
            if name in secrets and value
            else value
            for name, value in line.settings.items()
        }
        if anew != line.settings:
            await store.save(tx, msgspec.structs.replace(line, settings=anew))
            changed += 1
    return changed


def _cell(workspace_id: int, line_id: int, name: str) -> str:
    return f"{workspace_id}/line/{line_id}/settings/{name}"


# ── lending ──────────────────────────────────────────────────────────────────────────────────────────


async def lend(
    ground: Ground, workspace_id: int, line_id: int, guest_id: int, actor: str = audit.CLI
) -> Guest:
    """Offer a line to another workspace, which has to take it; one that is taken already stays so.

    Whether there is such a workspace is not told: it would be told of every workspace.
    """
    guest = await ground.db.run(_lend, workspace_id, line_id, guest_id, actor, ground.clock.now())
    ground.fabric.wake(TOPIC)
    return guest


async def _lend(
    tx: Transaction, workspace_id: int, line_id: int, guest_id: int, actor: str, now: int
) -> Guest:
    lent = await store.by_id(tx, workspace_id, line_id)
    if lent is None:
        raise not_found("line", ids.show("line", line_id))
    if guest_id == workspace_id:
        value = ids.show("workspace", guest_id)
        raise invalid("workspace_id", "is the owner", value=value, remedy="the id of another workspace")
    before = await _guest(tx, workspace_id, line_id, guest_id)
    if before is not None and before.state is not Loan.ENDED:
        return before
    return await _written(tx, workspace_id, Guest(line_id, guest_id, Loan.OFFERED, now), workspace_id, actor)


async def take_back(
    ground: Ground, workspace_id: int, line_id: int, guest_id: int, actor: str = audit.CLI
) -> None:
    """Lend a line no more: nothing new of the guest goes on it. What is under way is still heard of."""
    await _end(ground, workspace_id, line_id, guest_id, workspace_id, actor)


async def guests_of(ground: Ground, workspace_id: int, line_id: int) -> list[Guest]:
    """Whom a line is lent to; a Problem when there is no such line."""
    await get(ground, workspace_id, line_id)
    found = await ground.db.read(store.guests, workspace_id)
    return [one for one in found if one.line_id == line_id and one.state is not Loan.ENDED]


async def lent_to(ground: Ground, workspace_id: int) -> list[Lent]:
    """The lines of others that a workspace may use or take."""
    return await ground.db.read(store.lent_to, workspace_id)


async def take(ground: Ground, workspace_id: int, line_id: int, actor: str = audit.CLI) -> Lent:
    """Use a line that another workspace offers; only now does anything of ours go on it."""
    taken_ = await ground.db.run(_take, workspace_id, line_id, actor, ground.clock.now())
    ground.fabric.wake(TOPIC)
    return taken_


async def _take(tx: Transaction, workspace_id: int, line_id: int, actor: str, now: int) -> Lent:
    lent = await _offered(tx, workspace_id, line_id)
    if lent.state is not Loan.TAKEN:
        taken_ = Guest(line_id, workspace_id, Loan.TAKEN, now)
        await _written(tx, lent.line.workspace_id, taken_, workspace_id, actor)
    return msgspec.structs.replace(lent, state=Loan.TAKEN)


async def give_back(ground: Ground, workspace_id: int, line_id: int, actor: str = audit.CLI) -> None:
    """Use the line of another workspace no more, or refuse it."""
    lent = await ground.db.read(_offered, workspace_id, line_id)
    await _end(ground, lent.line.workspace_id, line_id, workspace_id, workspace_id, actor)


async def _offered(tx: Transaction, workspace_id: int, line_id: int) -> Lent:
    for one in await store.lent_to(tx, workspace_id):
        if one.line.id == line_id:
            return one
    raise not_found("line", ids.show("line", line_id))


async def _end(
    ground: Ground, owner_id: int, line_id: int, guest_id: int, deciding_id: int, actor: str
) -> None:
    await ground.db.run(_ended, owner_id, line_id, guest_id, deciding_id, actor, ground.clock.now())
    ground.fabric.wake(TOPIC)


async def _ended(
    tx: Transaction, owner_id: int, line_id: int, guest_id: int, deciding_id: int, actor: str, now: int
) -> None:
    async with tx.across_workspaces():
        before = await _guest(tx, owner_id, line_id, guest_id)
        if before is None or before.state is Loan.ENDED:
            raise not_found("guest", ids.show("workspace", guest_id))
        if before.state is Loan.OFFERED:  # nothing of it can come any more
            await store.forget_guest(tx, owner_id, line_id, guest_id)
        else:
            await store.save_guest(tx, owner_id, Guest(line_id, guest_id, Loan.ENDED, now))
        await _tell(tx, owner_id, Guest(line_id, guest_id, Loan.ENDED, now), deciding_id, actor)


async def _guest(tx: Transaction, owner_id: int, line_id: int, guest_id: int) -> Guest | None:
    for one in await store.guests(tx, owner_id):
        if (one.line_id, one.workspace_id) == (line_id, guest_id):
            return one
    return None


async def _written(tx: Transaction, owner_id: int, guest: Guest, deciding_id: int, actor: str) -> Guest:
    """Write how a line is lent, and tell both workspaces."""
    async with tx.across_workspaces():
        await store.save_guest(tx, owner_id, guest)
        await _tell(tx, owner_id, guest, deciding_id, actor)
    return guest


async def _tell(tx: Transaction, owner_id: int, guest: Guest, deciding_id: int, actor: str) -> None:
    """Both workspaces have the fact; in the log of the one that decided stands who did."""
    body = {"owner": ids.show("workspace", owner_id), "guest": ids.show("workspace", guest.workspace_id)}
    kind = f"line.loan_{guest.state.value}"
    told = [
        Fact(workspace_id, kind, guest.line_id, guest.updated_at, msgspec.json.encode({**body, "to": to}))
        for workspace_id, to in ((owner_id, "owner"), (guest.workspace_id, "guest"))
    ]
    await facts.append(tx, told)
    subject = ids.show("line", guest.line_id)
    await audit.note(tx, deciding_id, actor, kind, subject, body, guest.updated_at)

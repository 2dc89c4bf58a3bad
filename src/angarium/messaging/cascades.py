"""Create, change and delete the cascades that are kept under a name. Each change of steps is a version."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import msgspec

from angarium.accounts import audit
from angarium.core import ids
from angarium.core.ports import Channel
from angarium.core.problems import FieldProblem, Problem, all_invalid, invalid, not_found, shown
from angarium.lines import store as lines
from angarium.messaging import cascade_uses, steps
from angarium.messaging.cascade import Step
from angarium.messaging.cascade_uses import Users
from angarium.messaging.store import cascades as store
from angarium.messaging.store.cascades import Cascade
from angarium.storage.database import Conflict, Transaction
from angarium.storage.ground import Ground

NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}")

Channels = Mapping[str, Channel]


class CascadeInput(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A cascade as a person or a system describes it."""

    name: str
    steps: tuple[Step, ...]


class Advised(msgspec.Struct, frozen=True):
    """A cascade, and what its author should know of it."""

    cascade: Cascade
    warnings: tuple[FieldProblem, ...]


async def new_cascade(
    tx: Transaction,
    ground: Ground,
    channels: Channels,
    workspace_id: int,
    given: CascadeInput,
    actor: str = audit.CLI,
) -> Advised:
    """A new cascade within a transaction; its Conflict means `taken`."""
    now = ground.clock.now()
    nothing = Cascade(ground.ids.mint(), "", 0, (), now, now)
    made = await _write(tx, ground, channels, workspace_id, given, nothing)
    subject = ids.show("cascade", made.cascade.id)
    await audit.note(tx, workspace_id, actor, "cascade.created", subject, _told(made.cascade), now)
    return made


def _told(cascade: Cascade) -> dict[str, object]:
    """A cascade as the audit log tells of it."""
    return {"name": cascade.name, "steps": cascade.steps}


async def change(
    ground: Ground,
    channels: Channels,
    workspace_id: int,
    cascade_id: int,
    given: CascadeInput,
    actor: str = audit.CLI,
) -> Advised:
    """A cascade as it is described now; messages under way keep the steps they began with."""
    try:
        return await ground.db.run(_changed, ground, channels, workspace_id, cascade_id, given, actor)
    except Conflict:
        raise taken(given.name) from None


async def _changed(
    tx: Transaction,
    ground: Ground,
    channels: Channels,
    workspace_id: int,
    cascade_id: int,
    given: CascadeInput,
    actor: str,
) -> Advised:
    before = await store.by_id(tx, workspace_id, cascade_id)
    if before is None:
        raise _no_such(cascade_id)
    made = await _write(tx, ground, channels, workspace_id, given, before)
    subject, different = ids.show("cascade", cascade_id), audit.changed(_told(before), _told(made.cascade))
    await audit.note(tx, workspace_id, actor, "cascade.changed", subject, different, made.cascade.updated_at)
    return made


async def _write(
    tx: Transaction,
    ground: Ground,
    channels: Channels,
    workspace_id: int,
    given: CascadeInput,
    before: Cascade,
) -> Advised:
    """Check the steps against the lines that are there, and write them as the cascade's version."""
    channel_of_line = await _channel_of_line(tx, workspace_id)
    settled, wrong = steps.settle(given.steps, channels, channel_of_line)
    wrong = (*_check_name(given.name), *wrong)
    if wrong:
        raise all_invalid("The cascade is not valid", wrong)
    now, digest = ground.clock.now(), steps.digest(settled)
    version_id = await store.version_id(tx, workspace_id, before.id, digest, settled, ground.ids.mint(), now)
    written = Cascade(before.id, given.name, version_id, settled, before.created_at, now)
    await store.save(tx, workspace_id, written)
    return Advised(written, steps.warnings(settled, channels, channel_of_line))


async def get(ground: Ground, channels: Channels, workspace_id: int, cascade_id: int) -> Advised:
    """One cascade; a Problem when there is none."""
    for one in await ground.db.read(_advised, channels, workspace_id):
        if one.cascade.id == cascade_id:
            return one
    raise _no_such(cascade_id)


async def everything(ground: Ground, channels: Channels, workspace_id: int) -> list[Advised]:
    """All cascades of a workspace, oldest first."""
    return await ground.db.read(_advised, channels, workspace_id)


class Deletion(msgspec.Struct, frozen=True):
    """Whose uses are asked for before a cascade is deleted, whether they may be told, and whether it goes
    though systems have named it lately."""

    asked: Sequence[Users] = ()
    may_see: bool = True
    even_if_called: bool = False


LOOKED = Deletion(even_if_called=True)  # by whoever deletes without asking


async def delete(
    ground: Ground, workspace_id: int, cascade_id: int, actor: str = audit.CLI, how: Deletion = LOOKED
) -> None:
    """Delete a cascade that nothing needs; messages under way keep the steps they began with."""
    await ground.db.run(_delete, workspace_id, cascade_id, actor, how, ground.clock.now())


async def existing(tx: Transaction, workspace_id: int, cascade_id: int) -> Cascade:
    """One cascade, within a transaction; a Problem when there is none."""
    found = await store.by_id(tx, workspace_id, cascade_id)
    if found is None:
        raise _no_such(cascade_id)
    return found


async def _delete(
    tx: Transaction, workspace_id: int, cascade_id: int, actor: str, how: Deletion, now: int
) -> None:
    before = await existing(tx, workspace_id, cascade_id)
    used = await cascade_uses.of(tx, workspace_id, before, how.asked, now)
    cascade_uses.refuse_deletion(used, may_see=how.may_see, even_if_called=how.even_if_called)
    if not await store.remove(tx, workspace_id, cascade_id):
        raise _no_such(cascade_id)
    subject, details = ids.show("cascade", cascade_id), {"name": before.name}
    await audit.note(tx, workspace_id, actor, "cascade.deleted", subject, details, now)


def taken(name: str) -> Problem:
    """Another cascade has this name."""
    return invalid("name", "a cascade of this name exists", value=name, remedy="choose another name")


async def _advised(tx: Transaction, channels: Channels, workspace_id: int) -> list[Advised]:
    channel_of_line = await _channel_of_line(tx, workspace_id)
    found = await store.all_of(tx, workspace_id)
    return [Advised(one, steps.warnings(one.steps, channels, channel_of_line)) for one in found]


async def _channel_of_line(tx: Transaction, workspace_id: int) -> dict[str, str]:
    return {name: line.channel for name, line in (await lines.names_known(tx, workspace_id)).items()}


def _check_name(name: str) -> tuple[FieldProblem, ...]:
    if NAME.fullmatch(name):
        return ()
    remedy = "lower-case letters, digits, dot, dash, underscore; at most 64"
    return (FieldProblem("name", "is not a name", remedy, shown(name)),)


def _no_such(cascade_id: int) -> Problem:
    return not_found("cascade", ids.show("cascade", cascade_id))

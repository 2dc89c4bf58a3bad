"""Which version of a template a message takes: the one in force at the instant at which it is accepted."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from angarium.content import lifecycle
from angarium.content.store import versions
from angarium.content.store.versions import Worded
from angarium.core.problems import FieldProblem, shown
from angarium.core.values import MessageClass
from angarium.messaging.world import World
from angarium.storage.database import Transaction


class Taken(msgspec.Struct, frozen=True):
    """A template as a message takes it; without a version, nothing of it is in force."""

    name: str
    message_class: MessageClass
    version_id: int = 0
    words: Worded = Worded(())


async def taken(
    tx: Transaction, world: World, workspace_id: int, names: set[str], now: int
) -> dict[str, Taken]:
    """Templates by their names, each with the version that is in force; a name that none has is not there."""
    found: dict[str, Taken] = {}
    for name, published in (await versions.published(tx, workspace_id, names)).items():
        running = lifecycle.in_force([one.term for one in published if one.term], now)
        version_id = next((one.version_id for one in published if one.term is running), 0)
        found[name] = Taken(name, published[0].message_class, version_id if running else 0)
    wanted = {one.version_id for one in found.values()}
    await world.versions.load(tx, workspace_id, set(), wanted)
    return {
        name: msgspec.structs.replace(one, words=world.versions.words[one.version_id])
        if one.version_id
        else one
        for name, one in found.items()
    }


def misfit(
    name: str, message_class: MessageClass | None, templates: Mapping[str, Taken]
) -> FieldProblem | None:
    """What is wrong with the class and the template that a message names; None when they fit."""
    if not name:
        if message_class is None:
            remedy = "one of " + ", ".join(MessageClass) + "; or name a template, which has one"
            return FieldProblem("class", "is missing", remedy)
        return None
    found = templates.get(name)
    if found is None:
        return FieldProblem("template", "no such template", "create it first", shown(name))
    if message_class not in (None, found.message_class):
        problem = f"the template {name} is for {found.message_class.value} messages"
        remedy = f"leave the class out, or say {found.message_class.value}"
        return FieldProblem("class", problem, remedy, shown(message_class.value if message_class else ""))
    if not found.version_id:
        remedy = "publish a version of it: its `next` says what is missing"
        return FieldProblem("template", "no version of it is in force", remedy, shown(name))
    return None

"""The steps that a message goes by: those of a cascade, or the one step on a channel or a line."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

import msgspec

from angarium.core.problems import FieldProblem, shown
from angarium.core.values import MessageClass
from angarium.messaging import steps
from angarium.messaging.cascade import Step
from angarium.messaging.gate.judge import judge_line
from angarium.messaging.gate.verdicts import Refuse
from angarium.messaging.store import cascades
from angarium.messaging.store.cascades import INLINE, Cascade
from angarium.messaging.way import line_rules, lines_of
from angarium.messaging.world import World
from angarium.storage.database import Transaction

Inline = dict[tuple[int, str], int]  # (workspace, digest of steps) -> version id
Numbering = Callable[[tuple[Step, ...]], Awaitable[int]]  # the version of steps of a message's own

NONE_YET = "There is no such line yet."


class Course(msgspec.Struct):
    """The steps of messages that name the same cascade, channel or line; and what is wrong with them."""

    steps: tuple[Step, ...]
    wrong: list[FieldProblem]
    version_id: int = 0  # once it is known


def named(
    world: World,
    way: tuple[str, str, str],
    known: Mapping[str, Cascade],
    channel_of_line: Mapping[str, str],
) -> Course:
    """The steps behind the name of a cascade, a channel or a line, of which one is given."""
    cascade, channel, line = way
    if cascade:
        found = known.get(cascade)
        if found is None:
            wrong = FieldProblem("cascade", "no such cascade", "create it first", shown(cascade))
            return Course((), [wrong])
        world.versions.steps.setdefault(found.version_id, found.steps)
        return Course(found.steps, [], found.version_id)
    if not channel and not line:
        return Course((), [])
    alone = (Step(channel=channel, line=line),)
    settled, flaws = steps.settle(alone, world.channels, channel_of_line)
    told = [msgspec.structs.replace(one, field=one.field.removeprefix("steps[0].")) for one in flaws]
    return Course(settled, told)


async def version(
    tx: Transaction, world: World, workspace_id: int, now: int, learned: Inline, ways: tuple[Step, ...]
) -> int:
    """The version of inline steps; written when they are new, and put into `learned`."""
    digest = steps.digest(ways)
    key = (workspace_id, digest)
    known = world.versions.inline.get(key) or learned.get(key)
    if known is None:
        new_id = world.ground.ids.mint()
        known = await cascades.version_id(tx, workspace_id, INLINE, digest, ways, new_id, now)
        learned[key] = known
    world.versions.steps.setdefault(known, ways)
    return known


class NotNumbered(Exception):
    """Steps that no message has had yet; where nothing is written they get no version."""


async def known_version(tx: Transaction, world: World, workspace_id: int, ways: tuple[Step, ...]) -> int:
    """The version of inline steps, where nothing is written; raises NotNumbered when they are new."""
    digest = steps.digest(ways)
    key = (workspace_id, digest)
    known = world.versions.inline.get(key)
    if known is None:
        known = await cascades.known_version(tx, workspace_id, INLINE, digest)
        if known is None:
            raise NotNumbered
        world.versions.inline[key] = known
    world.versions.steps.setdefault(known, ways)
    return known


def unfit(world: World, workspace_id: int, step: Step, message_class: MessageClass) -> str:
    """Why no line of a step may carry a class; empty when one may."""
    lines = lines_of(world, workspace_id, step)
    verdicts = [judge_line(message_class, line_rules(line)) for line in lines]
    refused = [verdict.detail for verdict in verdicts if isinstance(verdict, Refuse)]
    why = " ".join(refused) or NONE_YET
    return why if len(refused) == len(lines) else ""


def remedy_for(why: str) -> str:
    """What is to be done of it, whoever asks for a message or a campaign."""
    return "create the line first" if why == NONE_YET else "have a line approved for this class"

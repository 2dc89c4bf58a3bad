"""Halt what goes out under a label, let it go on, or end it: how a campaign is paused and stopped.

A halt holds from its commit on: it is asked for in the transaction that claims, so of the claim of a line and
the halt one comes first. What was claimed before is on its way; of the rest nothing is handed over, neither
of what is queued nor of what would follow it, until the label goes on. Deadlines go on running.
"""

from __future__ import annotations

from collections.abc import Sequence

from angarium.messaging import cancel
from angarium.messaging.case import Case, load, write
from angarium.messaging.states import PAUSED
from angarium.messaging.store import halts as store
from angarium.messaging.store import queue
from angarium.messaging.store.attempts import Attempt
from angarium.messaging.world import World, topic
from angarium.storage.database import Transaction

AT_ONCE = 500  # messages that are ended in one transaction


async def halt(tx: Transaction, workspace_id: int, label: str, now: int) -> None:
    """Nothing more of this label goes out."""
    await store.add(tx, workspace_id, label, now)


async def lift(tx: Transaction, workspace_id: int, label: str) -> None:
    """A label of which nothing is left need not be halted."""
    await store.remove(tx, workspace_id, label)


async def go_on(tx: Transaction, world: World, workspace_id: int, label: str, now: int) -> None:
    """It goes out again, what was kept back at once; after the commit `wake` the lines."""
    await store.remove(tx, workspace_id, label)
    line_ids = [line.id for line in world.lines.every() if workspace_id in world.lines.everybody(line.id)]
    if line_ids:
        await store.let_go(tx, workspace_id, label, line_ids, now)


def wake(world: World, workspace_id: int) -> None:
    """After `go_on` was committed: tell the lines."""
    for line in world.lines.of(workspace_id):
        world.ground.fabric.wake(topic(line.id))


async def keep_back(tx: Transaction, workspace_id: int, found: list[Attempt]) -> list[Attempt]:
    """Of attempts that are being claimed, those that may go: the label of none of them is halted."""
    halted = await store.halted(tx, workspace_id) if found else frozenset()
    if not halted:
        return found
    labels = await store.labels(tx, workspace_id, {attempt.message_id for attempt in found})
    kept = [attempt for attempt in found if labels.get(attempt.message_id) in halted]
    # at their deadline a claim refuses them
    await queue.put_back(tx, [(attempt, attempt.expires_at, PAUSED) for attempt in kept])
    held = {attempt.id for attempt in kept}
    return [attempt for attempt in found if attempt.id not in held]


async def end(
    tx: Transaction, world: World, workspace_id: int, label: str, after: int, now: int
) -> Sequence[Case]:
    """End what has not ended of a label, so many above an id; their cases."""
    found = await store.running(tx, workspace_id, label, after, AT_ONCE)
    cases = list((await load(tx, world, workspace_id, found)).values())
    for case in cases:
        if case.message.finished_at is None:
            cancel.end(case, now)
    await write(tx, world, cases)
    return cases

"""A backup that was put back would send again what it shows as waiting: that is held until a person decides.

Whatever the backup shows as under way may have gone out after it was made, been answered, or been cancelled.
So every message that had not ended is held: nothing new goes out of it, receipts are still heard, and its
deadline ends it. What is accepted afterwards is sent as usual.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from angarium.messaging import cancel
from angarium.messaging.case import Case, load, write
from angarium.messaging.states import AttemptState
from angarium.messaging.store import held as store
from angarium.messaging.store.messages import EVER
from angarium.messaging.world import World, planner_topic, topic
from angarium.storage.database import Transaction

AT_ONCE = 500  # messages in one transaction

Decide = Callable[[Case, int], None]


async def release(world: World, workspace_id: int, created_from: int = 0, created_until: int = EVER) -> int:
    """Let what is held and was made in this time go its way, decided anew; how many."""
    return await _each(world, workspace_id, created_from, created_until, _let_go)


async def give_up(world: World, workspace_id: int, created_from: int = 0, created_until: int = EVER) -> int:
    """Cancel what is held and was made in this time; how many."""
    return await _each(world, workspace_id, created_from, created_until, _cancel)


async def _each(
    world: World, workspace_id: int, created_from: int, created_until: int, decide: Decide
) -> int:
    total = after = 0
    run: Callable[..., Awaitable[list[Case]]] = world.ground.db.run
    while True:
        cases = await run(_some, world, workspace_id, created_from, created_until, after, decide)
        if not cases:
            return total
        for line_id in {attempt.line_id for case in cases for attempt in case.changed.values()}:
            world.ground.fabric.wake(topic(line_id))
        world.ground.fabric.wake(planner_topic(workspace_id))
        total, after = total + len(cases), max(case.message.id for case in cases)


async def _some(
    tx: Transaction,
    world: World,
    workspace_id: int,
    created_from: int,
    created_until: int,
    after: int,
    decide: Decide,
) -> list[Case]:
    ids = await store.page(tx, workspace_id, created_from, created_until, after, AT_ONCE)
    cases = list((await load(tx, world, workspace_id, ids)).values())
    now = world.ground.clock.now()
    for case in cases:
        decide(case, now)
    await write(tx, world, cases)
    return cases


def _let_go(case: Case, now: int) -> None:
    case.message.reason, case.message.decide_at = "", now
    for attempt in case.attempts:
        if attempt.state is AttemptState.QUEUED:
            case.attempt(attempt.id).due_at = now
    case.record("released", now)


def _cancel(case: Case, now: int) -> None:
    case.message.reason = ""
    cancel.end(case, now)

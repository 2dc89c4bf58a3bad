"""What has had its time is let go of, as fast as it comes in.

A provider that posts a hundred callbacks a second makes six thousand rows a minute, and a tidying comes
once a minute: one batch of it would be left behind for ever. So each kind of row goes in batches until none
is left that is due. Between two batches the database belongs to those who send, at least for as long as a
rest; and what a tidying cannot finish, the next one takes up.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from angarium.core import ids
from angarium.core.clock import micros
from angarium.messaging import exchanges
from angarium.messaging.store import inbox, links
from angarium.messaging.world import World
from angarium.storage import idempotency
from angarium.storage.database import Transaction

JOURNAL_DAYS = 7  # raw callbacks that were understood; the others stay until somebody has looked at them
IDEMPOTENCY_HOURS = 48
BATCH_MAX = 1_000  # rows in one transaction
REST_S = 0.02  # between two batches
BATCHES_MAX = 500  # in one tidying: eight thousand rows a second, more than anything brings in
DAY_S, HOUR_S = 86_400.0, 3_600.0

LetGo = Callable[[Transaction, World, int, int], Awaitable[int]]  # of one batch: how many rows


async def _callbacks(tx: Transaction, _world: World, workspace_id: int, now: int) -> int:
    before_id = ids.earliest(now - micros(JOURNAL_DAYS * DAY_S))
    return await inbox.forget_journal(tx, workspace_id, before_id, BATCH_MAX)


async def _exchanges(tx: Transaction, _world: World, workspace_id: int, now: int) -> int:
    return await exchanges.forget(tx, workspace_id, now, BATCH_MAX)


async def _keys(tx: Transaction, _world: World, workspace_id: int, now: int) -> int:
    return await idempotency.purge(tx, workspace_id, now - micros(IDEMPOTENCY_HOURS * HOUR_S), BATCH_MAX)


async def _links(tx: Transaction, world: World, workspace_id: int, now: int) -> int:
    """Links that have had their time lead nowhere, and addresses that none leads to are let go of."""
    kept = micros(world.policies.of(workspace_id).links.keep_days * DAY_S)
    return await links.forget(tx, workspace_id, now - kept, BATCH_MAX)


KINDS: tuple[LetGo, ...] = (_callbacks, _exchanges, _keys, _links)


async def let_go(world: World, workspace_id: int) -> int:
    """Let go of all that has had its time in a workspace; how many rows."""
    return sum([await _all_of(world, workspace_id, kind) for kind in KINDS])


async def _all_of(world: World, workspace_id: int, kind: LetGo) -> int:
    ground, total = world.ground, 0
    for _ in range(BATCHES_MAX):
        gone = await ground.db.run(kind, world, workspace_id, ground.clock.now())
        total += gone
        if gone < BATCH_MAX:
            break
        await ground.clock.sleep(REST_S)
    return total

"""What has had its time is let go of, as fast as it comes in.

A provider that posts a hundred callbacks a second makes six thousand rows a minute, and a tidying comes
once a minute: one batch of it would be left behind for ever. So each kind of row goes in batches until none
is left that is due. Between two batches the database belongs to those who send, at least for as long as a
rest; and what a tidying cannot finish, the next one takes up. How long all of it is kept is the workspace's
to say (`retention.py`). What facts tell goes only when all who read them have read it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import structlog

from angarium.core import ids
from angarium.core.clock import iso, micros
from angarium.messaging import exchanges
from angarium.messaging.retention import before
from angarium.messaging.store import inbox, links, past
from angarium.messaging.store import messages as message_store
from angarium.messaging.world import World
from angarium.storage import facts, idempotency
from angarium.storage.database import Transaction

log = structlog.get_logger()

IDEMPOTENCY_HOURS = 48
BATCH_MAX = 1_000  # rows in one transaction
MESSAGES_MAX = 200  # the same: with each go some ten rows
REST_S = 0.02  # between two batches
BATCHES_MAX = 500  # in one tidying: eight thousand rows a second, more than anything brings in
DAY_S, HOUR_S = 86_400.0, 3_600.0

LetGo = Callable[[Transaction, World, int, int], Awaitable[int]]  # of one batch: how many rows


async def _callbacks(tx: Transaction, world: World, workspace_id: int, now: int) -> int:
    before_id = ids.earliest(before(world.policies.of(workspace_id).retention.callbacks_days, now))
    return await inbox.forget_journal(tx, workspace_id, before_id, BATCH_MAX)


async def _exchanges(tx: Transaction, world: World, workspace_id: int, now: int) -> int:
    kept = world.policies.of(workspace_id).retention.exchanges_days
    return await exchanges.forget(tx, workspace_id, before(kept, now), BATCH_MAX)


async def _keys(tx: Transaction, _world: World, workspace_id: int, now: int) -> int:
    return await idempotency.purge(tx, workspace_id, now - micros(IDEMPOTENCY_HOURS * HOUR_S), BATCH_MAX)


async def _links(tx: Transaction, world: World, workspace_id: int, now: int) -> int:
    """Links that have had their time lead nowhere, and addresses that none leads to are let go of."""
    kept = micros(world.policies.of(workspace_id).links.keep_days * DAY_S)
    return await links.forget(tx, workspace_id, now - kept, BATCH_MAX)


async def _inbound(tx: Transaction, world: World, workspace_id: int, now: int) -> int:
    days = world.policies.of(workspace_id).retention.inbound_days
    if days is None or not await may_go(tx, workspace_id, before(days, now)):
        return 0
    return await past.drop_inbound(tx, workspace_id, ids.earliest(before(days, now)), BATCH_MAX)


KINDS: tuple[LetGo, ...] = (_callbacks, _exchanges, _keys, _links, _inbound)


async def let_go(world: World, workspace_id: int) -> int:
    """Let go of all that has had its time in a workspace; how many rows."""
    gone = sum([await _all_of(world, workspace_id, kind) for kind in KINDS])
    return gone + await _messages(world, workspace_id)


async def _all_of(world: World, workspace_id: int, kind: LetGo) -> int:
    ground, total = world.ground, 0
    for _ in range(BATCHES_MAX):
        gone = await ground.db.run(kind, world, workspace_id, ground.clock.now())
        total += gone
        if gone < BATCH_MAX:
            break
        await ground.clock.sleep(REST_S)
    return total


async def _messages(world: World, workspace_id: int) -> int:
    """Messages that have ended go; those of campaigns with their campaign, as a whole."""
    ground, total, after = world.ground, 0, 0
    days = world.policies.of(workspace_id).retention.messages_days
    for _ in range(BATCHES_MAX if days else 0):
        until = before(days or 0, ground.clock.now())
        gone = await ground.db.run(_some_messages, workspace_id, after, until)
        total += len(gone)
        if len(gone) < MESSAGES_MAX:
            break
        after = gone[-1]  # what must stay is looked at once in a tidying
        await ground.clock.sleep(REST_S)
    return total


async def _some_messages(tx: Transaction, workspace_id: int, after: int, until: int) -> list[int]:
    if not await may_go(tx, workspace_id, until):
        return []
    found = await message_store.past(tx, workspace_id, after, ids.earliest(until), MESSAGES_MAX)
    if found:
        await past.drop(tx, workspace_id, found, counted=True)
    return found


async def may_go(tx: Transaction, workspace_id: int, until: int) -> bool:
    """Whether all who follow facts have come to what happened at an instant."""
    since = await facts.unread_since(tx, workspace_id)
    if since is None or since >= until:
        return True
    log.warning("nothing is let go of: somebody has not read the facts yet", since=iso(since))
    return False

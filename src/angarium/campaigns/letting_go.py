"""Campaigns that were over long ago: members and messages go, the report stays as it was.

How long they are kept is the policy `retention` of the workspace (`messaging/retention.py`), counted from the
end of the campaign. They go as a whole, after the report was written down: arms of an experiment, hours and
what was spared are then told as they were. What waits for a person stays.
"""

from __future__ import annotations

import msgspec

from angarium.campaigns import flows
from angarium.campaigns.report import count
from angarium.campaigns.store import outcomes
from angarium.messaging.forgetting import BATCHES_MAX, MESSAGES_MAX, REST_S, may_go
from angarium.messaging.retention import before
from angarium.messaging.store import messages, past
from angarium.messaging.world import World
from angarium.storage.database import Transaction

MEMBERS_MAX = 1_000  # in one transaction


async def let_go(world: World, workspace_id: int) -> None:
    """Let go of what has had its time, as much as one tidying may."""
    ground, days = world.ground, world.policies.of(workspace_id).retention.messages_days
    for _ in range(BATCHES_MAX if days else 0):
        now = ground.clock.now()
        if not await ground.db.run(some, world, workspace_id, before(days or 0, now), now):
            break
        await ground.clock.sleep(REST_S)


async def some(tx: Transaction, world: World, workspace_id: int, until: int, now: int) -> bool:
    """The next step with the next campaign; False when there is none."""
    found = await outcomes.due(tx, workspace_id, until)
    if found is None or not await may_go(tx, workspace_id, until):
        return False
    campaign_id, is_kept = found
    if not is_kept:
        report = msgspec.json.encode(await count(tx, world, workspace_id, campaign_id, now)).decode()
        await outcomes.keep(tx, workspace_id, campaign_id, report, now)
    elif ids := await messages.past_of(tx, workspace_id, flows.label(campaign_id), MESSAGES_MAX):
        await past.drop(tx, workspace_id, ids, counted=False)
    elif not await outcomes.drop_members(tx, workspace_id, campaign_id, MEMBERS_MAX):
        await outcomes.clear(tx, workspace_id, campaign_id)
    return True

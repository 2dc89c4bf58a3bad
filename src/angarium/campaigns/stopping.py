"""Clear up behind a campaign that was stopped: who waits is left out, what has not gone out is cancelled."""

from __future__ import annotations

from collections.abc import Sequence

from angarium.campaigns import flows
from angarium.campaigns.people import STOPPED
from angarium.campaigns.states import CampaignState
from angarium.campaigns.store import campaigns as store
from angarium.campaigns.store import members as member_store
from angarium.messaging import halts
from angarium.messaging.case import Case
from angarium.messaging.world import World
from angarium.storage.database import Transaction

BATCH = 5_000  # members in one transaction


async def some(
    tx: Transaction, world: World, workspace_id: int, campaign_id: int, now: int
) -> Sequence[Case] | None:
    """The next of them; None when nothing is left."""
    one = await store.hold(tx, workspace_id, campaign_id)
    if one is None or one.state is not CampaignState.STOPPED:
        return None
    if one.waiting:
        left_out = await member_store.leave_out(tx, workspace_id, one.id, STOPPED, BATCH)
        one.left_out += left_out
        if not left_out:
            one.nobody_waits()
        await store.save(tx, one)
        return []
    label = flows.label(one.id)
    cases = await halts.end(tx, world, workspace_id, label, one.after_id, now)
    if cases:
        one.after_id = max(case.message.id for case in cases)
    else:
        await halts.lift(tx, workspace_id, label)
        one.cleared = True
    await store.save(tx, one)
    return cases or None

"""Pause campaigns by themselves: one that runs where its limits say so, all of a backup that was put back."""

from __future__ import annotations

from angarium.campaigns import flows
from angarium.campaigns.flows import Deed
from angarium.campaigns.states import UNDER_WAY, CampaignState
from angarium.campaigns.store import campaigns as store
from angarium.campaigns.store import members as member_store
from angarium.campaigns.store.campaigns import Campaign
from angarium.campaigns.watch import RESTORED, PauseWhen, Seen, verdict
from angarium.contacts.store import consents
from angarium.messaging.store import messages as message_store
from angarium.storage.database import Transaction

NEWEST = 2_000  # messages that are looked at
LEAVERS_MAX = 10_000  # people who left since it began
WENT, FAILED = frozenset({"delivered", "read"}), frozenset({"failed", "refused", "expired"})


async def look(tx: Transaction, workspace_id: int, campaign_id: int, now: int) -> str:
    """Pause it if its limits say so; why, or empty."""
    one = await store.by_id(tx, workspace_id, campaign_id)
    if one is None or one.state is not CampaignState.RUNNING:
        return ""
    limits = flows.wanted(one).pause_when
    why = verdict(limits, await _seen(tx, one, limits))
    if why:
        await flows.pause(tx, workspace_id, campaign_id, Deed("", now), why)
    return why


async def pause_restored(tx: Transaction, workspace_id: int, now: int) -> int:
    """Pause those of a workspace that would go on by themselves; how many.

    A backup shows them as they were then, and whom they have told since nobody knows any more; also of one
    whose hour had not come. A person who knows better lets it go on, or stops it.
    """
    ids = await store.under_way(tx, workspace_id)
    found = [one for one in await store.these(tx, workspace_id, ids) if one.state in UNDER_WAY]
    for one in found:
        await flows.pause(tx, workspace_id, one.id, Deed("", now), RESTORED)
    return len(found)


async def _seen(tx: Transaction, one: Campaign, limits: PauseWhen) -> Seen:
    went = failed = left = 0
    since = max(one.started_at or 0, one.resumed_at)
    if limits.failed_percent is not None:
        label = flows.label(one.id)
        for state, count in await message_store.newest_states(tx, one.workspace_id, label, since, NEWEST):
            went += count if state in WENT else 0
            failed += count if state in FAILED else 0
    if limits.left_percent is not None and one.told >= limits.known:
        leavers = await consents.withdrawn_since(tx, one.workspace_id, since, LEAVERS_MAX)
        left = await member_store.told_among(tx, one.workspace_id, one.id, leavers)
    return Seen(went, failed, one.told, left)

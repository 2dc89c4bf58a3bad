"""Build a campaign: its audience is frozen as members, a batch in each transaction, in the order of ids.

The place that was reached stands in the same transaction as the members before it. A server that is killed
goes on there, and a contact that is created or deleted meanwhile makes nobody a member twice.
"""

from __future__ import annotations

import msgspec

from angarium.accounts import flows as accounts
from angarium.campaigns import flows, people, schedule
from angarium.campaigns.experiment import CONTROL, Experiment, arm_of
from angarium.campaigns.flows import Deed
from angarium.campaigns.people import Window
from angarium.campaigns.states import CampaignState, MemberState
from angarium.campaigns.store import campaigns as store
from angarium.campaigns.store import members as member_store
from angarium.campaigns.store.campaigns import Campaign
from angarium.campaigns.store.members import Member
from angarium.contacts.store import members as contact_members
from angarium.storage.database import Transaction

CONTROL_GROUP = "control"  # why a member is told nothing
UNASKED = "UTC"  # where all clocks are alike


async def some(tx: Transaction, workspace_id: int, campaign_id: int, now: int) -> bool:
    """Write down the next members; False when the campaign is not being built any more."""
    one = await store.hold(tx, workspace_id, campaign_id)
    if one is None or one.state is not CampaignState.BUILDING:
        return False
    found = await people.window(tx, workspace_id, flows.frozen(one).people, one.after_id)
    new = await _members(tx, one, found, now)
    one.members += await member_store.insert(tx, workspace_id, one.id, new)
    one.left_out += sum(member.state == MemberState.LEFT_OUT for member in new)
    one.after_id = found.after
    if found.done:
        one.built_at, one.after_id, one.updated_at = now, 0, now
        one.state = CampaignState.RUNNING
        await flows.note(tx, one, "built", Deed("", now))
    await store.save(tx, one)
    return one.state is CampaignState.BUILDING


async def _members(tx: Transaction, one: Campaign, found: Window, now: int) -> list[Member]:
    given = flows.wanted(one).schedule
    begun_at, zones, home = one.started_at or now, dict[int, str](), UNASKED
    if schedule.asks_for_zone(given):
        zones = await contact_members.time_zones(tx, one.workspace_id, found.ids)
        home = (await accounts.workspace(tx, one.workspace_id)).time_zone
    due_at = {zone: schedule.due_at(given, zone, begun_at, home) for zone in {UNASKED, *zones.values()}}
    experiment = flows.wanted(one).experiment
    own, state = found.variables, MemberState.WAITING.value
    members = [
        Member(contact_id, state, "", due_at[zones.get(contact_id, UNASKED)], own.get(contact_id, ""))
        for contact_id in found.ids
    ]
    return members if experiment is None else [_in_arm(experiment, one.id, member) for member in members]


def _in_arm(experiment: Experiment, campaign_id: int, member: Member) -> Member:
    arm = arm_of(experiment, campaign_id, member.contact_id)
    if arm == CONTROL:
        return msgspec.structs.replace(member, state=MemberState.LEFT_OUT.value, reason=CONTROL_GROUP)
    return msgspec.structs.replace(member, variant=arm)

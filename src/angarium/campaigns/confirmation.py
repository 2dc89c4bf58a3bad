"""Whoever starts a large campaign, or a dear one, types how many people it goes to; and nobody starts what is
no longer what they have read."""

from __future__ import annotations

import hashlib

import msgspec

from angarium.campaigns import people
from angarium.campaigns.store.campaigns import Campaign
from angarium.campaigns.wanted import CampaignInput, Frozen, telling_of
from angarium.core.problems import Problem
from angarium.core.values import amount_text
from angarium.messaging import telling
from angarium.messaging.cascade import Send
from angarium.messaging.case import Case
from angarium.messaging.way import Way, find_way
from angarium.messaging.world import World
from angarium.storage.database import Transaction

TOLERANCE = 100  # the audience may have grown or shrunk by a hundredth since it was looked at
HASH_LENGTH = 32
PRICED = 200  # members by whose prices the most is estimated


def hash_of(one: Campaign, kept: Frozen) -> str:
    """Of what somebody reads before a campaign starts: what was asked for, and the versions of its words and
    of its way. Another one is another campaign, also when only a template was published meanwhile."""
    words = (one.version, kept.template_version_id, *kept.arms, kept.cascade_version_id)
    return hashlib.sha256(msgspec.json.encode(words)).hexdigest()[:HASH_LENGTH]


async def needed(
    tx: Transaction,
    world: World,
    workspace_id: int,
    given: CampaignInput,
    kept: Frozen,
    typed: int | None,
    now: int,
) -> Problem | None:
    """The Problem that asks for it; None when nothing is asked for, or the right number was typed."""
    policy = world.policies.of(workspace_id).campaigns
    if policy.confirm_members is None and not policy.confirm_cost:
        return None
    members = await people.count(tx, workspace_id, kept.people)
    if typed is not None and abs(typed - members) * TOLERANCE <= members:
        return None
    why = ""
    if policy.confirm_members is not None and members > policy.confirm_members:
        why = f"more than {policy.confirm_members:,}"
    elif policy.confirm_cost:
        most = await _most(tx, world, workspace_id, given, kept, members, now)
        for currency, limit in policy.confirm_cost.items():
            if most.get(currency, 0) > limit:
                why = f"up to {amount_text(most[currency])} {currency}, which is above {amount_text(limit)}"
    if not why:
        return None
    detail = f"It goes to {members:,} people ({why}). Send `confirm`: {members} to start it."
    if typed is not None:
        detail = f"{typed:,} was typed. {detail}"
    return Problem("confirmation-needed", "Say how many people it goes to", status=409, detail=detail)


async def _most(
    tx: Transaction,
    world: World,
    workspace_id: int,
    given: CampaignInput,
    kept: Frozen,
    members: int,
    now: int,
) -> dict[str, int]:
    """What it may cost at the most, by currency, from the prices of the first members."""
    what = telling_of(given, kept)
    found = await people.window(tx, workspace_id, kept.people, 0)
    priced = [people.person(one, found.variables.get(one, "")) for one in found.ids[:PRICED]]
    most: dict[str, int] = {}
    for case in await telling.consider(tx, world, workspace_id, what, priced, now, within_budgets=False):
        if not isinstance(case, Case):
            continue
        case.attempts.clear()
        for index in range(len(case.steps)):
            way = find_way(world, case, Send(index, "forecast"), now)
            if isinstance(way, Way):
                most[way.quote.currency] = most.get(way.quote.currency, 0) + way.quote.micros
    return {currency: micros * members // max(1, len(priced)) for currency, micros in most.items()}

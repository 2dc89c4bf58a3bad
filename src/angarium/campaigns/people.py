"""Whom a campaign is for: an audience of contacts, or those of another campaign who were not reached."""

from __future__ import annotations

from typing import Literal

import msgspec

from angarium.campaigns.store import campaigns as store
from angarium.campaigns.store import recipients
from angarium.contacts import audience
from angarium.contacts.audience import Audience, Settled, Window
from angarium.core import ids
from angarium.core.problems import FieldProblem, all_invalid, shown
from angarium.storage.database import Transaction

WINDOW = 5_000  # members or contacts that are looked at in one transaction

Outcome = Literal["failed", "expired", "refused", "cancelled", "unknown", "sent", "delivered", "read"]
NOT_REACHED: tuple[Outcome, ...] = ("failed", "expired", "cancelled")


class OfCampaign(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Members of another campaign by what became of their messages. Without a word: those not reached.

    `unknown` may have got it, and `sent` probably has: they are meant only when they are named.
    """

    campaign: str
    states: tuple[Outcome, ...] = NOT_REACHED


class SettledMembers(msgspec.Struct, frozen=True, tag="members"):
    """The same, as a run keeps it."""

    campaign_id: int
    states: tuple[str, ...]


class SettledAudience(msgspec.Struct, frozen=True, tag="audience"):
    """An audience, as a run keeps it."""

    audience: Settled


People = SettledAudience | SettledMembers


async def settle(
    tx: Transaction, workspace_id: int, given: Audience | None, of: OfCampaign | None, now: int
) -> People:
    """Whom a campaign is for, settled; a Problem when it cannot be."""
    if of is None:
        return SettledAudience(await audience.settle(tx, workspace_id, given or Audience(), now))
    try:
        campaign_id = ids.read("campaign", of.campaign)
    except ValueError:
        campaign_id = 0
    if await store.by_id(tx, workspace_id, campaign_id) is None:
        remedy = "GET /v1/campaigns lists them"
        wrong = FieldProblem("of_campaign.campaign", "no such campaign", remedy, shown(of.campaign))
        raise all_invalid("The campaign is not valid", (wrong,))
    return SettledMembers(campaign_id, of.states)


async def window(tx: Transaction, workspace_id: int, people: People, after: int) -> Window:
    """The next of them, among so many contacts or members above an id."""
    if isinstance(people, SettledAudience):
        return await audience.window(tx, workspace_id, people.audience, after, WINDOW)
    seen = await recipients.glances(tx, workspace_id, people.campaign_id, after, WINDOW)
    found = [one.contact_id for one in seen if one.state in people.states]
    return Window(found, seen[-1].contact_id if seen else after, len(seen) < WINDOW)


async def count(tx: Transaction, workspace_id: int, people: People) -> int:
    """How many they are now."""
    if isinstance(people, SettledAudience):
        return await audience.count(tx, workspace_id, people.audience)
    by_arm = await recipients.by_arm(tx, workspace_id, people.campaign_id)
    return sum(number for _, state, number in by_arm if state in people.states)

"""Somebody who writes campaigns and lets them run, on still time."""

from __future__ import annotations

from typing import Any

import msgspec

from angarium.campaigns import flows
from angarium.campaigns.flows import Deed
from angarium.campaigns.runner import CampaignRunner
from angarium.campaigns.store import campaigns as store
from angarium.campaigns.store import members as member_store
from angarium.campaigns.store.campaigns import Campaign
from angarium.campaigns.wanted import CampaignInput
from support.relay import Relay

PEOPLE = 12


class Marketer:
    """Somebody with a relay, who writes campaigns and lets them run."""

    def __init__(self, relay: Relay) -> None:
        self.relay = relay
        self.db = relay.ground.db
        self.runner = CampaignRunner(relay.world, self._workspaces)

    async def _workspaces(self) -> list[int]:
        return [self.relay.workspace_id]

    async def open(self, people: int = PEOPLE) -> Marketer:
        """A line for advertising, a template, and people."""
        await self.relay.line("sms", "smpp", classes=("promotional",))
        await self.relay.template("sale", "Hello {{ contact.name }}, {{ what }}!", "promotional")
        for number in range(people):
            await self.relay.contact(
                external_id=f"c{number}",
                name=f"N{number}",
                tags=["gold"] if number % 2 else [],
                addresses=[{"kind": "phone", "value": f"+38050{number:07}"}],
            )
        return self

    def deed(self, actor: str = "key_marketer") -> Deed:
        """Done now."""
        return Deed(actor, self.relay.clock.now())

    async def write(self, **given: Any) -> int:
        """A draft."""
        described = {
            "name": "Sale",
            "audience": {"everybody": True},
            "template": "sale",
            "variables": {"what": "all half price"},
            "line": "sms",
            **given,
        }
        asked = msgspec.convert(described, CampaignInput)
        one = await self.db.run(flows.create, self.relay.world, self.relay.workspace_id, asked, self.deed())
        return one.id

    async def start(self, campaign_id: int) -> Campaign:
        """Press start."""
        return await self.db.run(
            flows.start, self.relay.world, self.relay.workspace_id, campaign_id, self.deed()
        )

    async def begin(self, **given: Any) -> int:
        """Write it and start it."""
        campaign_id = await self.write(**given)
        await self.start(campaign_id)
        return campaign_id

    async def do(self, verb: Any, campaign_id: int) -> Campaign:
        """Pause or stop."""
        return await self.db.run(verb, self.relay.workspace_id, campaign_id, self.deed())

    async def resume(self, campaign_id: int) -> Campaign:
        """Let it go on."""
        deed = self.deed()
        return await self.db.run(flows.resume, self.relay.world, self.relay.workspace_id, campaign_id, deed)

    async def run(self, campaign_id: int, turns: int = 100) -> int | None:
        """What the runner does now; when there is more to do."""
        next_at: int | None = None
        for _ in range(turns):
            next_at = await self.runner.move_on(self.relay.workspace_id, campaign_id)
            if next_at is None or next_at > self.relay.clock.now():
                return next_at
        return next_at

    async def look(self, campaign_id: int) -> Campaign:
        """How far it has come."""
        found = await self.db.read(store.by_id, self.relay.workspace_id, campaign_id)
        assert found is not None
        return found

    async def counts(self, campaign_id: int) -> tuple[str, int, int, int]:
        """State, members, told, left out."""
        one = await self.look(campaign_id)
        return one.state.value, one.members, one.told, one.left_out

    async def reasons(self, campaign_id: int) -> dict[str, int]:
        """Why members were left out."""
        found = await self.db.read(member_store.reasons, self.relay.workspace_id, campaign_id)
        return {reason: count for state, reason, count in found if state == "left_out"}

    async def sent(self) -> list[str]:
        """The phones to which something is handed over now."""
        return sorted(attempt.address for attempt in await self.relay.claim("sms"))

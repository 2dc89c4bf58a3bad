"""What a campaign has come to: members, states, steps, hours, cost, and how long it will still take.

It is counted from the rows of messages and attempts, not from counters of our own, so that it cannot drift
from them. That takes seconds for a million, so a count is shown for a while before the next one is made; it
says of when it is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from angarium.accounts import flows as accounts
from angarium.campaigns import flows, schedule
from angarium.campaigns.experiment import Arm, Tally, compare, interval
from angarium.campaigns.states import OVER, CampaignState, MemberState
from angarium.campaigns.store import campaigns as store
from angarium.campaigns.store import members as member_store
from angarium.campaigns.store import outcomes
from angarium.campaigns.store import recipients as recipient_store
from angarium.campaigns.store.campaigns import Campaign
from angarium.core.clock import MICROS, iso, micros, to_datetime
from angarium.core.values import ReceiptStatus, amount_text
from angarium.messaging import report as messages
from angarium.messaging import savings, tracking
from angarium.messaging.store import attempts as attempt_store
from angarium.messaging.store import messages as message_store
from angarium.messaging.store.attempts import StepTotals
from angarium.messaging.world import World
from angarium.storage.database import Transaction

Document = dict[str, Any]

MINUTE_S = 60.0
SHOWN_S = 1.0  # a count is shown at least so long
TIMES = 20  # and so many times as long as it took: looking never takes more than a twentieth of a core
KEPT_MAX = 200  # counts at hand
OUTLINES_MAX = 5_000
REACHED = ("delivered", "read")
UNKNOWN_THEN = {"erased": None, "counted": None}  # what reports did not say yet when some were kept


class Kept(msgspec.Struct, frozen=True):
    """A count, and until when it is shown."""

    document: Document
    until: float  # by the monotonic clock
    updated_at: int


class Shown(msgspec.Struct, frozen=True):
    """A count, and how long it is shown yet, if it was made before it was asked for; 0: it is of now."""

    document: Document
    older_for_s: float


class Outline(msgspec.Struct, frozen=True):
    """What a campaign has come to, as a list has it. `cost` is pairs of an amount and its currency."""

    told: int
    reached: int
    cost: tuple[tuple[str, str], ...]


class KeptOutline(msgspec.Struct, frozen=True):
    """The same, and until when it is shown."""

    outline: Outline
    until: float


class Reports:
    """Counts of campaigns, each kept for a while."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._kept: dict[tuple[int, int], Kept] = {}
        self._outlined: dict[tuple[int, int], KeptOutline] = {}

    async def of(self, workspace_id: int, campaign_id: int) -> Document:
        """The report of a campaign; a Problem when there is none."""
        return (await self.shown(workspace_id, campaign_id)).document

    async def shown(self, workspace_id: int, campaign_id: int) -> Shown:
        """The same, and of when it is."""
        db, clock = self._world.ground.db, self._world.ground.clock
        one = await db.read(flows.existing, workspace_id, campaign_id)
        kept = self._kept.get((workspace_id, campaign_id))
        began = clock.monotonic()
        if kept is not None and began < kept.until and kept.updated_at == one.updated_at:
            return Shown(kept.document, kept.until - began)
        counted = await db.read(_counted, self._world, workspace_id, campaign_id, clock.now())
        took_s = clock.monotonic() - began
        until = clock.monotonic() + max(SHOWN_S, TIMES * took_s)
        if len(self._kept) >= KEPT_MAX:
            self._kept.clear()
        self._kept[workspace_id, campaign_id] = Kept(counted, until, one.updated_at)
        return Shown(counted, 0.0)

    async def outlines(
        self, workspace_id: int, campaigns: Sequence[Campaign], most: float
    ) -> dict[int, Outline]:
        """What some campaigns have come to, in short; of those not at hand only as many are counted as have
        `most` messages together."""
        found: dict[int, Outline] = {}
        for one in campaigns:
            kept = self._outlined.get((workspace_id, one.id))
            if kept is None or self._world.ground.clock.monotonic() >= kept.until:
                most -= one.told
                if not one.told or most < 0:
                    continue
                kept = await self._outline(workspace_id, one)
            found[one.id] = kept.outline
        return found

    async def _outline(self, workspace_id: int, one: Campaign) -> KeptOutline:
        clock = self._world.ground.clock
        began = clock.monotonic()
        outline = await self._world.ground.db.read(_outlined, workspace_id, one.id)
        now = clock.monotonic()
        if len(self._outlined) >= OUTLINES_MAX:
            self._outlined.clear()
        kept = KeptOutline(outline, now + max(SHOWN_S, TIMES * (now - began)))
        self._outlined[workspace_id, one.id] = kept
        return kept

    async def instead(self, workspace_id: int, campaign_id: int) -> Document:
        """What it had cost by SMS alone, from a sample."""
        label = flows.label(campaign_id)
        return await savings.instead(self._world, workspace_id, label, savings.SMS, sample=True)


async def _outlined(tx: Transaction, workspace_id: int, campaign_id: int) -> Outline:
    kept = (await outcomes.reports(tx, workspace_id, [campaign_id])).get(campaign_id)
    if kept is not None:
        report = msgspec.json.decode(kept)
        cost = tuple((one["amount"], one["currency"]) for one in report["cost"])
        return Outline(sum(report["by_state"].values()), report["reached"], cost)
    shares = await message_store.summary(tx, workspace_id, flows.label(campaign_id))
    costs: Counter[str] = Counter()
    for share in shares:
        costs[share.currency] += share.cost_micros
    return Outline(
        sum(share.total for share in shares),
        sum(share.total for share in shares if share.state in REACHED),
        tuple((amount_text(micros), currency) for currency, micros in costs.items() if micros),
    )


async def _counted(tx: Transaction, world: World, workspace_id: int, campaign_id: int, now: int) -> Document:
    """A report: that which was kept when the campaign's messages were let go of, else counted now."""
    kept = (await outcomes.reports(tx, workspace_id, [campaign_id])).get(campaign_id)
    if kept is not None:
        document: Document = msgspec.json.decode(kept)
        return UNKNOWN_THEN | document
    return await count(tx, world, workspace_id, campaign_id, now)


async def count(tx: Transaction, world: World, workspace_id: int, campaign_id: int, now: int) -> Document:
    """A report of a campaign that is there, on one snapshot."""
    one = await store.by_id(tx, workspace_id, campaign_id)
    assert one is not None
    label = flows.label(campaign_id)
    steps, quarters = await attempt_store.course(tx, workspace_id, label)
    summed = await messages.summed(tx, world, workspace_id, label, steps)
    zone = (await accounts.workspace(tx, workspace_id)).time_zone
    shares = await member_store.reasons(tx, workspace_id, campaign_id)
    left_out = {reason: number for state, reason, number in shares if state == MemberState.LEFT_OUT}
    by_state = summed["by_state"]
    counted = await _whether_counted(tx, world, one, summed, steps)
    return {
        "id": label,
        "as_of": iso(now),
        "state": one.state.value,
        "members": {
            "total": one.members,
            "told": one.told,
            "left_out": one.left_out,
            "waiting": one.waiting,
        },
        "left_out": left_out,
        "erased": one.members - sum(number for _, _, number in shares),  # their rows went, the counts stay
        "by_state": by_state,
        "reasons": summed["reasons"],
        "opened": summed["opened"],
        "clicked": summed["clicked"],
        "counted": counted,
        "reached": sum(by_state.get(state, 0) for state in REACHED),
        "open": summed["total"] - summed["finished"],
        "unknown": by_state.get("unknown", 0),
        "cost": summed["cost"],
        "spared": summed["spared"],
        "forecast": msgspec.json.decode(one.forecast) if one.forecast else None,
        "steps": [
            {
                "step": totals.step + 1,
                **messages.totals_shown(world, workspace_id, totals),
                "tells_read": _tells_read(world, totals),
            }
            for totals in steps
        ],
        "hours": by_hour(quarters, zone),
        "time_zone": zone,
        "pace": await _pace(tx, one, now),
        "experiment": await _experiment(tx, one, summed["total"] - summed["finished"], counted),
    }


async def _whether_counted(
    tx: Transaction, world: World, one: Campaign, summed: Document, steps: Sequence[StepTotals]
) -> dict[str, bool]:
    """Of which figures a nought is one: what no channel tells and nothing counts is not known, and is not
    none."""
    made = await tracking.counted(tx, world, one.workspace_id, summed["label"])
    return {
        "read": any(_tells_read(world, totals) for totals in steps),
        "opened": made.opened or summed["opened"] > 0,
        "clicked": made.clicked or summed["clicked"] > 0,
    }


def _tells_read(world: World, totals: StepTotals) -> bool:
    channel = world.channels.get(totals.channel)
    tells = channel is not None and ReceiptStatus.READ in channel.capabilities.receipts
    return tells or totals.read > 0


def by_hour(quarters: Mapping[int, tuple[int, int]], zone: str) -> list[Document]:
    """What was delivered and read in each hour of a zone's clocks, from its quarters. Of an hour that comes
    twice both are told apart by their offset from UTC."""
    place, found = ZoneInfo(zone), dict[str, list[int]]()
    for quarter, counts in quarters.items():
        hour = to_datetime(quarter).astimezone(place).replace(minute=0)
        shown = hour.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        summed = found.setdefault(shown, [0, 0])
        summed[:] = [one + more for one, more in zip(summed, counts, strict=True)]
    return [{"hour": hour, "delivered": sums[0], "read": sums[1]} for hour, sums in found.items()]


async def _experiment(
    tx: Transaction, one: Campaign, open_: int, counted: Mapping[str, bool]
) -> Document | None:
    """How the arms did beside one another; nothing is concluded while messages are open, nor of what is not
    counted."""
    asked = flows.wanted(one).experiment
    if asked is None:
        return None
    hoped_for = ("read",) if asked.goal == "read" else REACHED
    told: Counter[int] = Counter()
    reached: Counter[int] = Counter()
    for arm, state, number in await recipient_store.by_arm(tx, one.workspace_id, one.id):
        told[arm] += number
        reached[arm] += number if state in hoped_for else 0
    if asked.goal == "clicked":
        label = flows.label(one.id)
        reached = Counter(await recipient_store.clicked_by_arm(tx, one.workspace_id, one.id, label))
    tallies = {arm.name: Tally(told[place], reached[place]) for place, arm in enumerate(asked.arms)}
    is_known = counted.get(asked.goal, True)
    is_over = one.state in OVER and not open_ and is_known
    return {
        "goal": asked.goal,
        "arms": [_arm_shown(arm, tallies[arm.name], is_known) for arm in asked.arms],
        "conclusive": is_over,
        "comparisons": [msgspec.to_builtins(found) for found in compare(tallies)] if is_over else [],
    }


def _arm_shown(arm: Arm, tally: Tally, is_known: bool) -> Document:
    least, most = interval(tally)
    return {
        "name": arm.name,
        "template": arm.template,
        "told": tally.told,
        "reached": tally.reached,
        "rate": round(tally.reached / tally.told, 4) if tally.told and is_known else None,
        "rate_least": round(least, 4) if is_known else None,
        "rate_most": round(most, 4) if is_known else None,
    }


async def _pace(tx: Transaction, one: Campaign, now: int) -> Document:
    """How fast it goes, and when the last member would be told at that."""
    began_at = max(now - micros(MINUTE_S), one.built_at or now, one.resumed_at)
    made = await message_store.made_since(tx, one.workspace_id, flows.label(one.id), began_at)
    per_s = made * MICROS / max(1, now - began_at)
    given = flows.wanted(one).schedule
    limit = schedule.pace_of(given, one.members)
    expected = limit.per_hour / 3_600 if limit else per_s
    goes = one.state is CampaignState.RUNNING and expected > 0 and one.waiting > 0
    return {
        "per_s": round(per_s, 1),
        "told_by": iso(now + round(one.waiting / expected * MICROS)) if goes else None,
        "ends_at": iso(one.ended_at) if one.ended_at is not None else None,
    }

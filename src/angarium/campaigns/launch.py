"""Launch members: those who may be told now each get a message, in one transaction with their rows.

So each is told once, whoever is killed, and however many servers launch: the member's row and its message
are there together or not at all. No more is launched than the lines are about to take, so that a pause or a
stop finds little that is queued.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

import msgspec

from angarium.accounts import flows as accounts
from angarium.campaigns import flows, people, schedule
from angarium.campaigns.build import UNASKED
from angarium.campaigns.flows import Deed
from angarium.campaigns.states import CampaignState, MemberState
from angarium.campaigns.store import campaigns as store
from angarium.campaigns.store import members as member_store
from angarium.campaigns.store.campaigns import Campaign
from angarium.campaigns.store.members import Change, Member
from angarium.campaigns.wanted import CampaignInput, Frozen, telling_of
from angarium.contacts.store import members as contact_members
from angarium.core.clock import micros
from angarium.core.values import PRIORITY, Reason
from angarium.lines.store import Line
from angarium.messaging import composing, telling
from angarium.messaging.composing import Composed
from angarium.messaging.store import queue
from angarium.messaging.straight import Straight
from angarium.messaging.telling import Answer, Gone, NotTold, Person, Telling, Told
from angarium.messaging.way import lines_of
from angarium.messaging.world import World
from angarium.storage.database import Transaction

BATCH = 300  # members in one transaction: a code waits behind no more of them
AHEAD = 2_000  # messages that may wait on the lines of a campaign
AHEAD_S = 5.0  # and no more than they take in this time, where their speed is limited
AHEAD_MIN = 20
LOOK_AGAIN_S = 0.05  # when the lines have enough
BURST_S = 1.0  # how much of its pace a campaign may catch up at once
MERGED, GONE, DEADLINE = "merged", "gone", "deadline"


class Launched(msgspec.Struct):
    """What was done. `next_at`: when there is something to do again; None: nothing by itself."""

    went: bool  # somebody was told something: their planner has what to wait for
    next_at: int | None
    told: bool = True  # False: what is ready waits until there is room for all of it


class Peeked(msgspec.Struct, frozen=True):
    """The next members, and what they are told."""

    members: list[Member]
    telling: Telling


class Ready(msgspec.Struct, frozen=True):
    """The next members, and what was made ready for them at an instant."""

    members: list[Member]
    composed: Composed
    at: int


def _by_arm(members: Sequence[Member]) -> dict[int, list[Member]]:
    arms: dict[int, list[Member]] = {}
    for member in members:
        arms.setdefault(member.variant, []).append(member)
    return arms


async def some(
    tx: Transaction,
    straight: Straight,
    world: World,
    workspace_id: int,
    campaign_id: int,
    now: int,
    ready: Ready | None = None,
) -> Launched:
    """Tell the next members, or those for whom all is ready; Outdated when it is not so any more."""
    one = await store.hold(tx, workspace_id, campaign_id)
    if one is None or one.state is not CampaignState.RUNNING:
        return Launched(False, None)
    given, kept = flows.wanted(one), flows.frozen(one)
    until = schedule.ends_at(given.schedule)
    if until is not None and now >= until:
        return await _too_late(tx, one, now)
    pace = schedule.pace_of(given.schedule, one.members)
    count, more_at = schedule.allowed(pace, one.paced_at, now, BURST_S) if pace else (BATCH, now)
    room = await _room(tx, world, one, kept, now)
    limit = min(count, room, BATCH)
    if ready is not None and limit < len(ready.members):
        return Launched(False, max(more_at, now + micros(LOOK_AGAIN_S)), told=False)
    due = await _due(tx, one, now, limit) if ready is None else ready.members
    open_ = await _within_window(tx, one, given, due, now)
    went = False
    for arm, of_arm in _by_arm(open_).items():
        what = telling_of(given, kept, arm, flows.label(one.id), until)
        went |= await _tell(tx, straight, world, one, of_arm, what, now, ready)
    if pace:
        one.paced_at = schedule.taken(pace, one.paced_at, now, len(open_))
    if limit > 0 and not due and await member_store.next_due(tx, workspace_id, one.id) is None:
        one.nobody_waits()
    if await _is_done(tx, one, now):
        return Launched(went, None)
    if len(open_) < len(due):
        return Launched(went, now)  # others may be in theirs
    if len(due) < limit:
        return Launched(went, await member_store.next_due(tx, workspace_id, one.id))
    if room <= len(due):
        return Launched(went, max(more_at, now + micros(LOOK_AGAIN_S)))
    return Launched(went, more_at)


async def _due(tx: Transaction, one: Campaign, now: int, limit: int) -> list[Member]:
    return await member_store.due(tx, one.workspace_id, one.id, now, limit) if limit > 0 else []


async def peek(
    tx: Transaction, world: World, workspace_id: int, campaign_id: int, now: int, without: Collection[int]
) -> Peeked | None:
    """The next whole batch of members, without these, and what they are told; None where they are not all
    told the same as fast as it goes: then nothing is made ready for them."""
    one = await store.by_id(tx, workspace_id, campaign_id)
    if one is None or one.state is not CampaignState.RUNNING:
        return None
    given, kept = flows.wanted(one), flows.frozen(one)
    until = schedule.ends_at(given.schedule)
    held_back = given.schedule.window or schedule.pace_of(given.schedule, one.members)
    if held_back or given.experiment or (until is not None and now >= until):
        return None
    if _ahead(await _speeds(tx, world, one, kept)) < AHEAD:
        return None
    due = await _due(tx, one, now, BATCH + len(without))
    members = [member for member in due if member.contact_id not in without][:BATCH]
    if len(members) < BATCH:
        return None
    return Peeked(members, telling_of(given, kept, 0, flows.label(one.id), until))


async def _speeds(tx: Transaction, world: World, one: Campaign, kept: Frozen) -> list[float]:
    lines = await _lines(tx, world, one, kept)
    return [line.speed_per_s for line in lines.values()]


async def _lines(tx: Transaction, world: World, one: Campaign, kept: Frozen) -> dict[int, Line]:
    """The lines of the campaign, by id."""
    await world.versions.load(tx, one.workspace_id, {kept.cascade_version_id}, set())
    steps = world.versions.steps[kept.cascade_version_id]
    return {line.id: line for step in steps for line in lines_of(world, one.workspace_id, step)}


async def _room(tx: Transaction, world: World, one: Campaign, kept: Frozen, now: int) -> int:
    """How many more messages the lines of the campaign may be given."""
    lines = await _lines(tx, world, one, kept)
    ahead = _ahead([line.speed_per_s for line in lines.values()])
    lane = PRIORITY[kept.message_class]
    return ahead - await queue.due_in_lane(tx, one.workspace_id, sorted(lines), lane, now, ahead)


def _ahead(speeds: Sequence[float]) -> int:
    """How many messages may wait on lines of these speeds; 0 is without limit."""
    if not all(speeds):
        return AHEAD
    return min(AHEAD, max(AHEAD_MIN, round(sum(speeds) * AHEAD_S)))


async def _within_window(
    tx: Transaction, one: Campaign, given: CampaignInput, due: Sequence[Member], now: int
) -> Sequence[Member]:
    """Those whose window is open; it may have closed since they were due, and then they wait for the next."""
    if given.schedule.window is None or not due:
        return due
    zones = await contact_members.time_zones(tx, one.workspace_id, [member.contact_id for member in due])
    home = (await accounts.workspace(tx, one.workspace_id)).time_zone
    opens = {zone: schedule.due_at(given.schedule, zone, now, home) for zone in {UNASKED, *zones.values()}}
    at = {member.contact_id: opens[zones.get(member.contact_id, UNASKED)] for member in due}
    closed = [(contact_id, opens_at) for contact_id, opens_at in at.items() if opens_at > now]
    await member_store.put_off(tx, one.workspace_id, one.id, closed)
    return [member for member in due if at[member.contact_id] <= now]


async def _tell(
    tx: Transaction,
    straight: Straight,
    world: World,
    one: Campaign,
    due: Sequence[Member],
    what: Telling,
    now: int,
    ready: Ready | None,
) -> bool:
    """Whether any of them was told something."""
    if ready is None:
        answers = await telling.tell(tx, straight, world, one.workspace_id, what, persons(due), now)
    else:
        contact_ids = [member.contact_id for member in due]
        answers = await composing.write(tx, straight, one.workspace_id, contact_ids, ready.composed, now)
    changes = [
        change
        for member, answer in zip(due, answers, strict=True)
        if (change := _change(member, answer)).reason != Reason.BUDGET
    ]
    if len(changes) < len(due):  # nobody is left out for money: somebody decides
        one.state, one.reason, one.updated_at = CampaignState.PAUSED, Reason.BUDGET.value, now
        await flows.note(tx, one, "paused", Deed("", now))
    if await member_store.change(tx, one.workspace_id, one.id, changes) < len(changes):
        raise composing.Outdated
    told = sum(change.message_id != 0 for change in changes)
    one.told += told
    one.left_out += len(changes) - told
    await _take_in(tx, one, due, answers, now)
    return told > 0


def persons(members: Iterable[Member]) -> list[Person]:
    """Members as those who are told something."""
    return [people.person(member.contact_id, member.variables) for member in members]


def _change(member: Member, answer: Answer) -> Change:
    match answer:
        case Told(message_id):
            return Change(member.contact_id, MemberState.TOLD.value, message_id=message_id)
        case NotTold(reason, detail):
            return Change(member.contact_id, MemberState.LEFT_OUT.value, reason, detail)
        case Gone(merged_into):
            reason = MERGED if merged_into else GONE
            return Change(member.contact_id, MemberState.LEFT_OUT.value, reason)


async def _take_in(
    tx: Transaction, one: Campaign, due: Sequence[Member], answers: Sequence[Answer], now: int
) -> None:
    """Whoever a member has become part of is a member in its place, unless it is one already."""
    heirs = {
        answer.merged_into: msgspec.structs.replace(member, contact_id=answer.merged_into, due_at=now)
        for member, answer in zip(due, answers, strict=True)
        if isinstance(answer, Gone) and answer.merged_into
    }
    if heirs:
        one.members += await member_store.insert(tx, one.workspace_id, one.id, list(heirs.values()))


async def _too_late(tx: Transaction, one: Campaign, now: int) -> Launched:
    """Its time is over: whoever still waits is left out."""
    late = await member_store.leave_out(tx, one.workspace_id, one.id, DEADLINE, BATCH * 10)
    one.left_out += late
    if not late:
        one.nobody_waits()
    return Launched(False, None if await _is_done(tx, one, now) else now)


async def _is_done(tx: Transaction, one: Campaign, now: int) -> bool:
    """Write down how far it has come, and whether nothing more is to be done by itself."""
    if not one.waiting:
        one.state, one.ended_at, one.updated_at = CampaignState.DONE, now, now
        await flows.note(tx, one, "done", Deed("", now))
    await store.save(tx, one)
    return one.state is not CampaignState.RUNNING

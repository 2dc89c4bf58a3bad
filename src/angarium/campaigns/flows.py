"""What people do with a campaign: write it, start it, pause it, let it go on, stop it.

Every deed holds the campaign's row and looks at its state there: of fifty who press "start" one starts it.
"""

from __future__ import annotations

import msgspec

from angarium.accounts import audit
from angarium.accounts.reach import WHOLE, Reach
from angarium.campaigns import confirmation, people, schedule
from angarium.campaigns.people import OfCampaign, Outcome
from angarium.campaigns.states import EDITABLE, OVER, CampaignState, may_become
from angarium.campaigns.store import campaigns as store
from angarium.campaigns.store.campaigns import Campaign
from angarium.campaigns.wanted import CLASSES, NAME_MAX, CampaignInput, Frozen, flaws, lacks, templates_of
from angarium.core import ids
from angarium.core.clock import micros
from angarium.core.problems import FieldProblem, Problem, all_invalid, not_found
from angarium.core.values import MessageClass
from angarium.messaging import course, halts, steps, tracking, wording
from angarium.messaging.accept import DEADLINE_S
from angarium.messaging.bounds import beyond
from angarium.messaging.cascade import Step
from angarium.messaging.cascade_uses import User
from angarium.messaging.store import cascades
from angarium.messaging.wording import Taken
from angarium.messaging.world import World
from angarium.storage import facts
from angarium.storage.database import Transaction
from angarium.storage.facts import Fact

TOPIC = "campaigns"  # woken when one may have something to do
BUILD_AHEAD_S = 120.0  # members are written down so long before the first of them is due
S = CampaignState

USES_MAX = 20  # campaigns that are told where a segment or a cascade is used
NEEDING_MAX = 200  # those that need a cascade


class Deed(msgspec.Struct, frozen=True):
    """Who does it, and when."""

    actor: str
    now: int
    reach: Reach = WHOLE
    confirmed: int | None = None  # how many members whoever starts it has typed
    seen: str = ""  # the hash of the forecast that whoever starts it has read; empty: it is not said


def label(campaign_id: int) -> str:
    """What its messages are called by."""
    return ids.show("campaign", campaign_id)


def wanted(one: Campaign) -> CampaignInput:
    """What was asked for."""
    return msgspec.json.decode(one.wanted, type=CampaignInput)


def frozen(one: Campaign) -> Frozen:
    """What its run keeps; of one that has been started."""
    return msgspec.json.decode(one.frozen, type=Frozen)


# ── write ────────────────────────────────────────────────────────────────────────────────────────────


async def create(
    tx: Transaction,
    world: World,
    workspace_id: int,
    given: CampaignInput,
    deed: Deed,
    *,
    unfinished: bool = False,
) -> Campaign:
    """A new draft; a Problem names everything that is wrong with it. `unfinished`: what is not said yet is
    not wrong."""
    await _must_be_right(tx, workspace_id, given, deed.now, unfinished=unfinished)
    one = Campaign(
        workspace_id=workspace_id,
        id=world.ground.ids.mint(),
        name=given.name,
        state=S.DRAFT,
        wanted=msgspec.json.encode(given).decode(),
        written_by=deed.actor,
        created_by=deed.actor,
        created_at=deed.now,
        updated_at=deed.now,
    )
    await store.insert(tx, one)
    await note(tx, one, "created", deed)
    return one


async def change(
    tx: Transaction,
    workspace_id: int,
    campaign_id: int,
    given: CampaignInput,
    deed: Deed,
    *,
    unfinished: bool = False,
    based_on: int | None = None,
) -> Campaign:
    """A draft as it is described now. What has been started is not changed: a copy of it is. `based_on`: the
    version that was changed, of which nobody has made another meanwhile."""
    one = await held(tx, workspace_id, campaign_id)
    if one.state not in EDITABLE:
        raise _wrong_state(one, "changed", "Make a copy of it, and change that.")
    if based_on not in (None, one.version):
        detail = f"Somebody has saved version {one.version} meanwhile. Look at it, then change that one."
        raise Problem("version-conflict", "It is not the newest version", status=409, detail=detail)
    await _must_be_right(tx, workspace_id, given, deed.now, unfinished=unfinished)
    one.name, one.wanted = given.name, msgspec.json.encode(given).decode()
    one.version += 1
    one.forecast = ""
    _wrote(one, deed)
    await store.save(tx, one)
    await note(tx, one, "changed", deed)
    return one


async def copy(
    tx: Transaction, world: World, workspace_id: int, campaign_id: int, deed: Deed, mark: str = "copy"
) -> Campaign:
    """A new draft like another campaign; its `mark` stands behind the name."""
    given = wanted(await existing(tx, workspace_id, campaign_id))
    like_it = msgspec.structs.replace(given, name=_marked(given.name, mark))
    return await create(tx, world, workspace_id, like_it, deed, unfinished=any(lacks(given)))


async def resend(
    tx: Transaction,
    world: World,
    workspace_id: int,
    campaign_id: int,
    states: tuple[Outcome, ...],
    deed: Deed,
    mark: str = "again",
) -> Campaign:
    """A new draft for those of a campaign whom it did not reach; its `mark` stands behind the name."""
    one = await existing(tx, workspace_id, campaign_id)
    of = OfCampaign(label(campaign_id), states)
    schedule_ = msgspec.structs.replace(wanted(one).schedule, at=None, local_at="", until=None)
    given = msgspec.structs.replace(
        wanted(one),
        name=_marked(one.name, mark),
        audience=None,
        of_campaign=of,
        of_import=None,
        schedule=schedule_,
    )
    return await create(tx, world, workspace_id, given, deed)


def _marked(name: str, mark: str) -> str:
    end = f" ({mark})"
    return name if name.endswith(end) else name[: NAME_MAX - len(end)] + end


async def delete(tx: Transaction, workspace_id: int, campaign_id: int, deed: Deed) -> None:
    """Delete a draft. What has told anybody stays, because its messages do."""
    one = await held(tx, workspace_id, campaign_id)
    if not await store.remove(tx, workspace_id, campaign_id):
        raise _wrong_state(one, "deleted", "Only a draft is deleted; what has been started stays.")
    await note(tx, one, "deleted", deed)


async def existing(tx: Transaction, workspace_id: int, campaign_id: int) -> Campaign:
    """One campaign, to be looked at; a Problem when there is none."""
    found = await store.by_id(tx, workspace_id, campaign_id)
    if found is None:
        raise not_found("campaign", ids.show("campaign", campaign_id))
    return found


async def held(tx: Transaction, workspace_id: int, campaign_id: int) -> Campaign:
    """One campaign with its row held; a Problem when there is none."""
    found = await store.hold(tx, workspace_id, campaign_id)
    if found is None:
        raise not_found("campaign", ids.show("campaign", campaign_id))
    return found


async def _must_be_right(
    tx: Transaction, workspace_id: int, given: CampaignInput, now: int, *, unfinished: bool
) -> None:
    missing = list(lacks(given))
    wrong = [*flaws(given), *([] if unfinished else missing), *_flaws_of_schedule(given, now)]
    if wrong:
        raise all_invalid("The campaign is not valid", tuple(wrong))
    if all(one.field != "audience" for one in missing):
        await people.settle(tx, workspace_id, given.whom, now)


def _flaws_of_schedule(given: CampaignInput, now: int) -> list[FieldProblem]:
    found = schedule.flaws(given.schedule, now)
    return [msgspec.structs.replace(one, field=f"schedule.{one.field}") for one in found]


async def needing_list(tx: Transaction, workspace_id: int, import_id: int) -> list[str]:
    """Ids, as they are shown, of campaigns that need the list of an import: until their members are written
    down, with the variables of each."""
    named = ids.show("import", import_id)
    found = await store.unbuilt(tx, workspace_id, named)
    return [label(one.id) for one in found if (of := wanted(one).of_import) and of.file == named]


async def to_segment(tx: Transaction, workspace_id: int, segment_id: int) -> list[tuple[str, str]]:
    """The newest campaigns to a segment, or that leave one out: id, as it is shown, and name."""
    found = await store.saying(tx, workspace_id, ids.show("segment", segment_id), USES_MAX)
    return [(label(one.id), one.name) for one in found]


async def by_cascade(tx: Transaction, workspace_id: int, cascade: str) -> list[User]:
    """The newest campaigns that go by a cascade, and those that are not over, which need it; one that is over
    keeps the steps that it went by."""
    word = f'"cascade":{msgspec.json.encode(cascade).decode()}'
    needing = await store.saying(tx, workspace_id, word, NEEDING_MAX, is_open=True)
    newest = await store.saying(tx, workspace_id, word, USES_MAX)
    found = {one.id: one for one in [*needing, *newest] if wanted(one).cascade == cascade}
    return [
        User(
            kind="campaign",
            id=label(one.id),
            name=one.name,
            path=f"/campaigns/{label(one.id)}",
            state=one.state.value,
            holds=one.state not in OVER,
        )
        for _, one in sorted(found.items(), reverse=True)
    ]


# ── start ────────────────────────────────────────────────────────────────────────────────────────────


async def start(tx: Transaction, world: World, workspace_id: int, campaign_id: int, deed: Deed) -> Campaign:
    """Start a draft: what it says is settled now, its members are written down when its hour comes.

    Where the policy asks for somebody else's approval, that starts it: see `approve`.
    """
    one = await held(tx, workspace_id, campaign_id)
    if one.state is not S.DRAFT:
        raise _wrong_state(one, "started")
    return await _start(tx, world, one, deed, approved=False)


async def _start(tx: Transaction, world: World, one: Campaign, deed: Deed, *, approved: bool) -> Campaign:
    workspace_id, given = one.workspace_id, wanted(one)
    kept = await freeze(tx, world, workspace_id, given, deed.now)
    taken = world.versions.steps[kept.cascade_version_id]
    if out_of_reach := beyond(deed.reach, kept.message_class, taken, world.lines.of(workspace_id)):
        raise out_of_reach
    if deed.seen and deed.seen != confirmation.hash_of(one, kept):
        detail = "It has been changed since then. Look at it again before you decide."
        raise Problem("version-conflict", "These are not the words that were read", status=409, detail=detail)
    policy = world.policies.of(workspace_id).campaigns
    if kept.message_class in policy.approve and not approved:
        raise _unapproved(one, kept.message_class)
    if needs := await confirmation.needed(tx, world, workspace_id, given, kept, deed.confirmed, deed.now):
        raise needs
    one.frozen = msgspec.json.encode(kept).decode()
    one.begins_at = max(deed.now, schedule.earliest(given.schedule) - micros(BUILD_AHEAD_S))
    one.started_at, one.started_by, one.reason = deed.now, deed.actor, ""
    _move(one, S.SCHEDULED if one.begins_at > deed.now else S.BUILDING, deed.now)
    await store.save(tx, one)
    await note(tx, one, "started", deed)
    return one


def _unapproved(one: Campaign, message_class: MessageClass) -> Problem:
    detail = (
        f"The policy `campaigns` asks for the approval of somebody else for {message_class.value} messages: "
        f"POST /v1/campaigns/{ids.show('campaign', one.id)}/submit."
    )
    return Problem("campaign-unapproved", "The campaign is not approved", status=409, detail=detail)


# ── approve ──────────────────────────────────────────────────────────────────────────────────────────


async def submit(tx: Transaction, world: World, workspace_id: int, campaign_id: int, deed: Deed) -> Campaign:
    """Ask for approval; it is not changed until somebody has decided. A Problem when it could not start."""
    one = await held(tx, workspace_id, campaign_id)
    if one.state is not S.DRAFT:
        raise _wrong_state(one, "sent to review")
    await freeze(tx, world, workspace_id, wanted(one), deed.now)
    _wrote(one, deed)
    one.reason = ""
    _move(one, S.IN_REVIEW, deed.now)
    await store.save(tx, one)
    await note(tx, one, "submitted", deed)
    return one


async def approve(tx: Transaction, world: World, workspace_id: int, campaign_id: int, deed: Deed) -> Campaign:
    """Approve what somebody else has written: it starts."""
    one = await held(tx, workspace_id, campaign_id)
    if one.state is not S.IN_REVIEW:
        raise _wrong_state(one, "approved")
    if deed.actor in one.written_by.split():
        detail = "Whoever wrote it, changed it or asked for its review does not approve it."
        raise Problem("own-words", "Somebody else has to decide", status=403, detail=detail)
    await note(tx, one, "approved", deed)
    return await _start(tx, world, one, deed, approved=True)


async def refuse(tx: Transaction, workspace_id: int, campaign_id: int, why: str, deed: Deed) -> Campaign:
    """Send it back with a reason: it is a draft again. Its author takes it back in the same way."""
    one = await held(tx, workspace_id, campaign_id)
    if one.state is not S.IN_REVIEW:
        raise _wrong_state(one, "sent back")
    one.reason = why
    _move(one, S.DRAFT, deed.now)
    await store.save(tx, one)
    await note(tx, one, "refused", deed)
    return one


async def begin(tx: Transaction, workspace_id: int, campaign_id: int, now: int) -> None:
    """Its hour has come: its members are written down from now on."""
    one = await store.hold(tx, workspace_id, campaign_id)
    if one is not None and one.state is S.SCHEDULED and one.begins_at <= now:
        _move(one, S.BUILDING, now)
        await store.save(tx, one)


async def freeze(tx: Transaction, world: World, workspace_id: int, given: CampaignInput, now: int) -> Frozen:
    """What a campaign that starts now keeps; a Problem names everything that is in its way."""
    if missing := tuple(lacks(given)):
        raise all_invalid("The campaign cannot start", missing)
    wrong = _flaws_of_schedule(given, now)
    settled = await people.settle(tx, workspace_id, given.whom, now)
    words, misfits = await _words(tx, world, workspace_id, given, now)
    wrong += misfits
    channel_of_line = {line.name: line.channel for line in world.lines.of(workspace_id)}
    known = await cascades.by_names(tx, workspace_id, {given.cascade} - {""})
    way = course.named(world, (given.cascade, given.channel, given.line), known, channel_of_line)
    wrong += way.wrong
    if given.schedule.window is not None:  # it holds at every step, however late one comes
        way.steps, strange = steps.within(way.steps, given.schedule.window, "schedule.window")
        way.version_id, wrong = 0, [*wrong, *strange]
    wrong += tracking.unmet(world, workspace_id, given.track)
    if words and way.steps:
        wrong += _unfit(world, workspace_id, way.steps, words[0].message_class)
    if wrong:
        raise all_invalid("The campaign cannot start", tuple(wrong))
    message_class = words[0].message_class
    return Frozen(
        settled,
        message_class,
        words[0].version_id,
        way.version_id or await course.version(tx, world, workspace_id, now, {}, way.steps),
        DEADLINE_S[message_class] if given.deadline_s is None else given.deadline_s,
        tuple(one.version_id for one in words) if given.experiment else (),
    )


async def _words(
    tx: Transaction, world: World, workspace_id: int, given: CampaignInput, now: int
) -> tuple[list[Taken], list[FieldProblem]]:
    """The wording of each arm as it is in force, and what is wrong with it."""
    named = templates_of(given)
    there = await wording.taken(tx, world, workspace_id, set(named.values()), now)
    words = [there[name] for name in named.values() if name in there]
    wrong = []
    for field, name in named.items():
        misfit = wording.misfit(name, words[0].message_class if words else None, there)
        if misfit is not None:
            wrong.append(msgspec.structs.replace(misfit, field=field))
    return words, wrong


def _unfit(
    world: World, workspace_id: int, taken: tuple[Step, ...], message_class: MessageClass
) -> list[FieldProblem]:
    """Why nobody could be told: no line of any step may carry the class."""
    if message_class not in CLASSES:
        remedy = "a template of the class " + " or ".join(CLASSES)
        return [FieldProblem("template", f"is of the class {message_class.value}", remedy)]
    unfit = [course.unfit(world, workspace_id, step, message_class) for step in taken]
    if not all(unfit):
        return []
    return [
        FieldProblem(f"steps[{place}]", why, course.remedy_for(why), step.line or step.channel)
        for place, (step, why) in enumerate(zip(taken, unfit, strict=True))
    ]


# ── while it runs ────────────────────────────────────────────────────────────────────────────────────


async def pause(
    tx: Transaction, workspace_id: int, campaign_id: int, deed: Deed, reason: str = ""
) -> Campaign:
    """Tell nobody more, until it goes on; what is queued waits, what has been handed over is on its way."""
    one = await held(tx, workspace_id, campaign_id)
    if not may_become(one.state, S.PAUSED):
        raise _wrong_state(one, "paused")
    one.reason = reason
    _move(one, S.PAUSED, deed.now)
    await halts.halt(tx, workspace_id, label(one.id), deed.now)
    await store.save(tx, one)
    await note(tx, one, "paused", deed)
    return one


async def resume(tx: Transaction, world: World, workspace_id: int, campaign_id: int, deed: Deed) -> Campaign:
    """Let it go on where it was; after the commit the lines are woken (`halts.wake`)."""
    one = await held(tx, workspace_id, campaign_id)
    if one.state is not S.PAUSED:
        raise _wrong_state(one, "resumed")
    one.reason, one.resumed_at = "", deed.now
    before = S.BUILDING if one.begins_at <= deed.now else S.SCHEDULED
    _move(one, S.RUNNING if one.built_at is not None else before, deed.now)
    await halts.go_on(tx, world, workspace_id, label(one.id), deed.now)
    await store.save(tx, one)
    await note(tx, one, "resumed", deed)
    return one


async def stop(tx: Transaction, workspace_id: int, campaign_id: int, deed: Deed) -> Campaign:
    """End it for good: who waits is left out, and what has not gone out is cancelled, in the background."""
    one = await held(tx, workspace_id, campaign_id)
    if not may_become(one.state, S.STOPPED):
        raise _wrong_state(one, "stopped")
    one.reason, one.after_id, one.ended_at = "", 0, deed.now
    _move(one, S.STOPPED, deed.now)
    await halts.halt(tx, workspace_id, label(one.id), deed.now)
    await store.save(tx, one)
    await note(tx, one, "stopped", deed)
    return one


def _wrote(one: Campaign, deed: Deed) -> None:
    """Remember who wrote it."""
    one.written_by = " ".join(dict.fromkeys([*one.written_by.split(), deed.actor]))
    one.updated_at = deed.now


def _move(one: Campaign, following: CampaignState, now: int) -> None:
    assert may_become(one.state, following), (one.state, following)
    one.state, one.updated_at = following, now


def _wrong_state(one: Campaign, deed: str, remedy: str = "") -> Problem:
    state = one.state.value.replace("_", " ")
    told = f"It is {state}, started by {one.started_by}" if one.started_by else f"It is {state}"
    return Problem(
        "campaign-state",
        f"The campaign cannot be {deed} now",
        status=409,
        detail=f"{told}. {remedy}".strip(),
    )


async def note(tx: Transaction, one: Campaign, verb: str, deed: Deed) -> None:
    """Write down what was done, for the audit when a person or a key did it, and as a fact."""
    details = {"name": one.name, "version": one.version, "state": one.state.value}
    if one.reason:
        details["reason"] = one.reason
    subject, action = ids.show("campaign", one.id), f"campaign.{verb}"
    if deed.actor:
        await audit.note(tx, one.workspace_id, deed.actor, action, subject, details, deed.now)
    is_author = deed.actor in one.written_by.split()
    body = msgspec.json.encode({"by": deed.actor, "by_author": is_author, **details})
    await facts.append(tx, [Fact(one.workspace_id, action, one.id, deed.now, body)])

"""Claim what is due on a line: write down the intent to submit it, which is committed before any byte leaves.

The rules are asked once more in that transaction: an opt-out that came while a message was queued stops it
here. The machine that wrote an intent and died leaves it behind as evidence (`reconcile.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import attrgetter

import msgspec
import structlog

from angarium.contacts.store import merges as contacts
from angarium.core.clock import micros
from angarium.core.ports import Channel
from angarium.core.values import MessageClass, Reason, Standing
from angarium.lines.store import Line
from angarium.messaging import halts, permission, plan, poison, retry
from angarium.messaging.case import Case, load, open_content, wake, write
from angarium.messaging.gate.approval import NO_WORDS, Wording
from angarium.messaging.gate.facts import NOBODY, Facts, LineRules
from angarium.messaging.gate.judge import Judge
from angarium.messaging.gate.verdicts import Defer, Refuse, Verdict
from angarium.messaging.lanes import FIRST, Turns, share
from angarium.messaging.permission import Permissions
from angarium.messaging.shares import WHOLE, Share
from angarium.messaging.states import AttemptState
from angarium.messaging.store import messages as message_store
from angarium.messaging.store import owners, queue
from angarium.messaging.store.attempts import Attempt
from angarium.messaging.way import line_rules, operator_of, read_hours, wording_facts
from angarium.messaging.world import World
from angarium.storage.database import Transaction

log = structlog.get_logger()

LOOKS = 100  # attempts that are looked at where the rules stopped all that stood first
BY_URGENCY = attrgetter("priority", "due_at", "id")
PUT_OFF = "Waits for its turn: the line is in trouble, and its retries are used up until more is taken."


class Wanted(msgspec.Struct, frozen=True):
    """How many attempts a line may be handed, of lanes other than the first, and retries; how many are looked
    at for them; when they are submitted, where it is not now; and for which share of the line."""

    limit: int
    others: int
    retries: int
    looks: int
    at: int | None = None
    share: Share = WHOLE


class Claimed(msgspec.Struct):
    """What was claimed: attempts that may go, cases that the rules stopped, and whose turn is next."""

    turns: Turns
    attempts: list[Attempt] = []
    settled: list[Case] = []
    stale: bool = False  # nothing: what decides about the line's messages was changed since it was read
    left: Mapping[MessageClass, int] | None = None  # when the oldest left is due, by lane; None: not known


async def claim(
    world: World,
    line: Line,
    epoch: int,
    limit: int,
    others: int | None = None,
    retries: int = retry.WITHOUT_LIMIT,
    at: int | None = None,
    share: Share = WHOLE,
) -> Claimed:
    """Up to `limit` due attempts of a line, shared out by `lanes.share`, the most urgent first.

    Lanes other than the first get at most `others`; no more than `retries` have been submitted before. The
    intent to submit them is durable now, and tells the instant `at`, or now. Fenced when another server has
    taken the line over.

    Where the rules stopped all that stood first, it looks further: often a whole queue waits for its hours,
    and what may go stands behind it.
    """
    wanted = Wanted(limit, limit if others is None else min(others, limit), retries, limit, at, share)
    claimed = await _some(world, line, epoch, wanted)
    if claimed.settled and not claimed.attempts:
        further = msgspec.structs.replace(wanted, looks=max(LOOKS, limit))
        claimed = await _some(world, line, epoch, further)
    claimed.attempts.sort(key=BY_URGENCY)
    return claimed


async def _some(world: World, line: Line, epoch: int, wanted: Wanted) -> Claimed:
    """One claim, with the lines and policies as they are."""
    now, turns = world.ground.clock.now(), world.turns.get(line.id, Turns())
    claimed = await world.ground.db.run(_claim, world, line, epoch, now, turns, wanted)
    if claimed.stale:
        await world.lines.again()
        claimed = await world.ground.db.run(_claim, world, line, epoch, now, turns, wanted)
    world.turns[line.id] = claimed.turns
    wake(world, claimed.settled)
    return claimed


async def claimed_at(world: World, line: Line, epoch: int, instants: Sequence[int]) -> list[Attempt]:
    """What this server claimed on a line at these instants and has not recorded.

    When the answer to a COMMIT is lost, the claim may be there all the same, and nobody would know of it.
    """
    senders = world.lines.senders(line.id)
    return await world.ground.db.read(queue.claimed_at, senders, line.id, epoch, instants)


async def _claim(
    tx: Transaction, world: World, line: Line, epoch: int, now: int, turns: Turns, wanted: Wanted
) -> Claimed:
    newest = await owners.must_own(tx, line.workspace_id, line.id, epoch, wanted.share.number)
    known = world.lines.get(line.id)
    if known is None or newest is None or known.rules_version != newest.rules_version:
        return Claimed(turns, stale=True)
    if wanted.share.of != world.shares(line, newest.speed_per_s, newest.window):
        return Claimed(turns)  # it is shared out otherwise now: other senders are about to come
    waiting = await queue.waiting(tx, world.lines.senders(line.id), line.id, now, wanted.looks)
    further = wanted.looks > wanted.limit
    others = wanted.looks if further and wanted.others else wanted.others
    shared = share(turns, waiting, wanted.looks, others)
    claimed, retries = Claimed(shared.turns), wanted.retries
    for workspace_id, quotas in shared.quotas.items():
        found = await queue.claim(tx, workspace_id, line.id, epoch, now, quotas, wanted.at or now)
        found = await halts.keep_back(tx, workspace_id, found)
        found = await _put_off(tx, found, retries, now)
        retries -= sum(attempt.tries > 1 for attempt in found)
        good, settled = await allowed(tx, world, line, workspace_id, found, now)
        claimed.attempts += good
        claimed.settled += settled
    await _keep(tx, claimed, wanted)
    if len(claimed.attempts) < wanted.limit:  # its sender is about to wait, and asks for how long
        claimed.left = await queue.oldest_due(tx, world.lines.senders(line.id), line.id)
    return claimed


async def _keep(tx: Transaction, claimed: Claimed, wanted: Wanted) -> None:
    """Of what may go, keep what there is room for; the rest is as it was before anybody looked at it."""
    if wanted.looks == wanted.limit:
        return
    kept: list[Attempt] = []
    back: list[Attempt] = []
    others = wanted.others
    for attempt in sorted(claimed.attempts, key=BY_URGENCY):
        behind = attempt.message_class is not FIRST
        fits = len(kept) < wanted.limit and (others > 0 or not behind)
        (kept if fits else back).append(attempt)
        others -= fits and behind
    await queue.put_back(tx, [(one, one.due_at, one.detail) for one in back])
    claimed.attempts = kept


async def allowed(
    tx: Transaction, world: World, line: Line, workspace_id: int, found: Sequence[Attempt], now: int
) -> tuple[list[Attempt], list[Case]]:
    """Ask the rules once more: what may go, and the cases of what may not."""
    standings = await contacts.standings(tx, workspace_id, {attempt.contact_id for attempt in found})
    known = await permission.of_attempts(tx, world, workspace_id, found, standings, now)
    seen = world.lines.seen(workspace_id, line.id) or line
    rules = line_rules(seen)
    words = await _words(tx, world, line, workspace_id, found)
    channel = world.channels[line.channel]
    judge = Judge(now)
    good, stopped = [], {}
    for attempt in found:
        # a contact that is gone: its message was planned before
        standing = standings.get(attempt.contact_id, NOBODY)
        said = words.get(attempt.message_id, NO_WORDS)
        verdict = _verdict(world, seen, rules, attempt, standing, known, channel, said, judge)
        if isinstance(verdict, Refuse | Defer):
            stopped[attempt.id] = (attempt, verdict)
        else:
            good.append(attempt)
            known.count(attempt, now)
    return good, await _stop(tx, world, workspace_id, stopped, now) if stopped else []


async def _words(
    tx: Transaction, world: World, line: Line, workspace_id: int, found: Sequence[Attempt]
) -> dict[int, Wording]:
    """What the gate has to know of their words, by message; looked for where a policy asks, or a recall."""
    policies = world.policies.of(workspace_id)
    if not policies.approvals.rules and not policies.recalled:
        return {}
    versions = await message_store.template_versions(tx, workspace_id, {one.message_id for one in found})
    return {
        one.message_id: wording_facts(
            world, workspace_id, one.message_class, line.channel, versions.get(one.message_id, 0)
        )
        for one in found
    }


def _verdict(
    world: World,
    line: Line,
    rules: LineRules,
    attempt: Attempt,
    standing: Standing,
    known: Permissions,
    channel: Channel,
    words: Wording,
    judge: Judge,
) -> Verdict:
    """What the rules say; of an attempt that breaks them, that it may not go."""
    try:
        patterns = world.lines.patterns(line, attempt.message_class)
        facts = Facts(
            attempt.message_class,
            standing,
            rules,
            attempt.expires_at,
            attempt.contact_id,
            operator_of(line, attempt.address),
            "" if patterns is None else open_content(world, attempt).text,
            patterns,
            wording=words,
            message_id=attempt.message_id,
            suppressed=known.against(channel.kind_at(attempt.address), attempt.address),
            touches=known.had(attempt.contact_id),
            policies=known.policies,
            step=attempt.step,
            hours=read_hours(attempt.hours),
        )
        return judge.judge(facts)
    except Exception as error:
        log.exception("the rules broke on an attempt", attempt=attempt.id)
        return Refuse(Reason.FAULT, poison.words(error))


async def _put_off(tx: Transaction, found: list[Attempt], retries: int, now: int) -> list[Attempt]:
    """Put back what has been submitted before, beyond so many; what is left may go."""
    again = [attempt for attempt in found if attempt.tries > 1][retries:]
    if not again:
        return found
    until = now + micros(retry.PUT_OFF_S)
    await queue.put_back(tx, [(attempt, until, PUT_OFF) for attempt in again])
    late = {attempt.id for attempt in again}
    return [attempt for attempt in found if attempt.id not in late]


async def _stop(
    tx: Transaction,
    world: World,
    workspace_id: int,
    stopped: dict[int, tuple[Attempt, Refuse | Defer]],
    now: int,
) -> list[Case]:
    """Take back claims that the rules no longer allow, before anything was handed over."""
    cases = await load(tx, world, workspace_id, {attempt.message_id for attempt, _ in stopped.values()})
    for attempt, verdict in stopped.values():
        case = cases[attempt.message_id]
        held = case.attempt(attempt.id)
        if isinstance(verdict, Defer):
            held.state, held.due_at = AttemptState.QUEUED, verdict.until
            held.tries -= 1  # nothing was handed over
        elif held.reason == Reason.NO_ANSWER:  # tried before under its key: it may have gone out
            held.state, held.ended_at = AttemptState.UNKNOWN, now
        else:
            held.state, held.reason, held.ended_at = AttemptState.REFUSED, verdict.reason.value, now
            held.detail = verdict.detail
        case.record("stopped", now, step=attempt.step + 1, reason=verdict.reason.value, detail=verdict.detail)
    await plan.advance(tx, world, list(cases.values()), now)
    await write(tx, world, list(cases.values()))
    await queue.not_submitted(tx, workspace_id, [attempt for attempt, _ in stopped.values()])
    return list(cases.values())

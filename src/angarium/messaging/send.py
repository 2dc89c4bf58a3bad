"""Claim what is due on a line and hand it to the channel; record how it ended.

The intent is committed before any byte leaves, and the rules are asked once more in that transaction: an
opt-out that came while a message was queued stops it here. The machine that wrote an intent and died leaves
it behind as evidence (`reconcile.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import attrgetter

import msgspec
import structlog

from angarium.contacts.store import merges as contacts
from angarium.core import ids
from angarium.core.clock import MICROS, micros
from angarium.core.ports import Accepted, Channel, Outcome, Refused, Submission, Tape, Unknown
from angarium.core.values import Json, MessageClass, Reason, Standing
from angarium.lines.patterns_rules import values
from angarium.lines.store import Line
from angarium.messaging import (
    bounces,
    budgets,
    evidence,
    exchanges,
    halts,
    inquiries,
    permission,
    plan,
    poison,
    receive,
    retry,
)
from angarium.messaging.case import Case, discreet, load, muted, open_content, wake, write
from angarium.messaging.gate.approval import NO_WORDS, Wording
from angarium.messaging.gate.facts import NOBODY, Facts, LineRules
from angarium.messaging.gate.judge import Judge
from angarium.messaging.gate.verdicts import Defer, Refuse, Verdict
from angarium.messaging.lanes import FIRST, Turns, share
from angarium.messaging.permission import Permissions
from angarium.messaging.retry import Action, action, next_try_at
from angarium.messaging.shares import WHOLE, Share
from angarium.messaging.states import AttemptState, attempt_may_become
from angarium.messaging.store import attempts as attempt_store
from angarium.messaging.store import inbox, leftovers, owners, queue
from angarium.messaging.store import messages as message_store
from angarium.messaging.store.attempts import Attempt, Part
from angarium.messaging.way import line_rules, operator_of, read_hours, wording_facts
from angarium.messaging.world import World
from angarium.storage.database import Transaction

log = structlog.get_logger()

NOT_PREPARED = Reason.FAULT  # why an attempt failed whose words could not be opened
LOOKS = 100  # attempts that are looked at where the rules stopped all that stood first
BY_URGENCY = attrgetter("priority", "due_at", "id")
PUT_OFF = "Waits for its turn: the line is in trouble, and its retries are used up until more is taken."


class Ended(msgspec.Struct, frozen=True, gc=False):
    """How one submission ended. `roll` is the chance that its retry is jittered with."""

    attempt: Attempt
    outcome: Outcome
    roll: float
    tape: Tape | None = None  # what was said about it


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


# ── claiming ─────────────────────────────────────────────────────────────────────────────────────────


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


async def claimed_since(world: World, line: Line, epoch: int, since: int) -> list[Attempt]:
    """What this server claimed on a line since an instant and has not recorded.

    When the answer to a COMMIT is lost, the claim may be there all the same, and nobody would know of it.
    """
    senders = world.lines.senders(line.id)
    return await world.ground.db.read(queue.claimed_since, senders, line.id, epoch, since)


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
        good, settled = await _judge(tx, world, line, workspace_id, found, now)
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


async def _judge(
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


async def last_heard(world: World, line: Line, claimed: Sequence[Attempt]) -> Mapping[int, int]:
    """When the people of claimed attempts last wrote to the line, where its channel's window asks for it."""
    window_s = world.channels[line.channel].capabilities.window_s
    if window_s is None:
        return {}
    since = ids.earliest(world.ground.clock.now() - micros(window_s))
    found: dict[int, int] = {}
    for workspace_id in {attempt.workspace_id for attempt in claimed}:
        people = {one.contact_id for one in claimed if one.workspace_id == workspace_id}
        found |= await world.ground.db.read(inbox.last_heard, workspace_id, line.id, sorted(people), since)
    return found


def submission(
    world: World, line: Line, attempt: Attempt, now: int, heard_at: int | None = None
) -> Submission:
    """A claimed attempt as its channel sees it."""
    left_s = max(1, (attempt.expires_at - now) // MICROS)
    content = open_content(world, attempt)
    patterns = world.lines.patterns(line, attempt.message_class)
    fitting = None if patterns is None else patterns.match(content.text)
    return Submission(
        attempt_id=attempt.id,
        client_ref=ids.show("attempt", attempt.id),
        address=attempt.address,
        message_class=attempt.message_class,
        content=content,
        pattern=fitting.external_id if fitting else "",
        pattern_values=values(fitting, content.text) if fitting else {},
        ttl_s=None if attempt.ttl_s is None else int(min(attempt.ttl_s, max(left_s, 1))),
        callback_url=world.callback_url(line),
        heard_at=heard_at,
    )


# ── recording ────────────────────────────────────────────────────────────────────────────────────────


async def record(world: World, ended: Sequence[Ended]) -> None:
    """Write down how submissions ended and what follows, in one transaction per workspace."""
    now = world.ground.clock.now()
    for workspace_id in sorted({one.attempt.workspace_id for one in ended}):
        ours = [one for one in ended if one.attempt.workspace_id == workspace_id]
        cases = await world.ground.db.run(_record, world, workspace_id, ours, now)
        receive.hear(world, cases, now)
        wake(world, cases)


async def set_aside(world: World, one: Ended, why: str) -> None:
    """Write down the end of a submission of which nothing else could be; its message is decided on anew."""
    now = world.ground.clock.now()
    await world.ground.db.run(_set_aside, one, why, now)
    await world.ground.db.run(_catch_up, world, one, now)


async def _catch_up(tx: Transaction, world: World, one: Ended, now: int) -> None:
    """What was heard of it before its references were known."""
    workspace_id = one.attempt.workspace_id
    await receive.hold_lines(tx, {one.attempt.line_id})
    cases = await load(tx, world, workspace_id, {one.attempt.message_id})
    words = await receive.parked_words(tx, world, workspace_id, cases, _parts(one.attempt, one.outcome, {}))
    await receive.apply_words(tx, world, workspace_id, words, now)


async def _set_aside(tx: Transaction, one: Ended, why: str, now: int) -> None:
    attempt = one.attempt
    before = budgets.stand(attempt)
    attempt.detail, attempt.ended_at = why, now
    match one.outcome:
        case Accepted():
            attempt.state, attempt.accepted_at = AttemptState.ACCEPTED, now
        case Refused(reason=reason):
            attempt.state, attempt.reason = AttemptState.REFUSED, reason.value
        case _:
            attempt.state, attempt.reason = AttemptState.UNKNOWN, Reason.NO_ANSWER.value
    await attempt_store.insert_parts(tx, attempt.workspace_id, _parts(attempt, one.outcome, {}))
    await leftovers.end_attempt(tx, attempt, now)
    await budgets.move(tx, attempt.workspace_id, [(before, attempt)])


async def _record(
    tx: Transaction, world: World, workspace_id: int, told: Sequence[Ended], now: int
) -> list[Case]:
    await receive.hold_lines(tx, {one.attempt.line_id for one in told})
    cases = await load(tx, world, workspace_id, {one.attempt.message_id for one in told})
    now_is = {one.attempt.id: cases[one.attempt.message_id].attempt(one.attempt.id) for one in told}
    ended = [one for one in told if evidence.counts(one.outcome, one.attempt, now_is[one.attempt.id])]
    parts: list[Part] = []
    held = [now_is[one.attempt.id] for one in ended]
    evidenced = await _evidenced(tx, workspace_id, held)
    for one, attempt in zip(ended, held, strict=True):
        case = cases[attempt.message_id]
        outcome = muted(one.outcome) if case.erased else discreet(world, one.attempt, one.outcome)
        settle(world, case, attempt, outcome, one.roll, now)
        parts += _parts(attempt, outcome, evidenced)
    await attempt_store.insert_parts(tx, workspace_id, parts)
    await inquiries.begin(tx, world, workspace_id, [(one.attempt, one.outcome) for one in ended], now)
    said = bounces.refusals(
        (one.attempt, one.outcome) for one in ended if not cases[one.attempt.message_id].erased
    )
    await bounces.note(tx, world, workspace_id, said, now)
    words = await receive.parked_words(tx, world, workspace_id, cases, parts)
    words += await receive.evidence_words(tx, world, workspace_id, held, now)
    await receive.tell(tx, world, workspace_id, cases, words, now)
    await plan.advance(tx, world, list(cases.values()), now)
    await write(tx, world, list(cases.values()))
    endings = ((one.attempt, one.outcome, one.tape) for one in ended)
    await exchanges.keep(tx, world, endings, cases, now)
    return list(cases.values())


def settle(world: World, case: Case, attempt: Attempt, outcome: Outcome, roll: float, now: int) -> None:
    """What an outcome makes of its attempt, and its event. An outcome that comes late is still evidence."""
    capabilities = world.channels[attempt.channel].capabilities
    match outcome:
        case Accepted(refs, told):
            planned, attempt.parts = attempt.parts, len(refs) if len(refs) > 1 else attempt.parts
            attempt.accepted_at = attempt.accepted_at or now
            _become(attempt, AttemptState.ACCEPTED)
            attempt.reason = attempt.code = attempt.detail = ""
            case.bill(attempt, capabilities.billed_on, "accepted", now, parts=planned)
            case.correct(attempt, told)
        case Refused():
            _settle_refusal(case, attempt, outcome, roll, now)
        case Unknown(detail, keyed) if capabilities.idempotent and keyed:
            attempt.reason = Reason.NO_ANSWER.value
            _settle_refusal(case, attempt, Refused(Reason.TEMPORARY, detail=detail), roll, now)
        case Unknown(detail):
            if _become(attempt, AttemptState.UNKNOWN):
                attempt.reason, attempt.detail, attempt.ended_at = Reason.NO_ANSWER.value, detail, now
    _note(world, case, attempt, outcome, now)


def _settle_refusal(case: Case, attempt: Attempt, refused: Refused, roll: float, now: int) -> None:
    # a submission that was tried again under its key: one of its earlier tries may have been taken
    in_doubt = attempt.state is AttemptState.SUBMITTING and attempt.reason == Reason.NO_ANSWER
    attempt.reason = Reason.NO_ANSWER.value if in_doubt else refused.reason.value
    attempt.code, attempt.detail = refused.code, refused.detail
    overrides = case.steps[attempt.step].on
    goes_on = case.message.finished_at is None  # it may have been cancelled while it was on its way
    if goes_on and refused.untried and _become(attempt, AttemptState.QUEUED):
        attempt.tries, attempt.due_at = attempt.tries - 1, now
        return
    if goes_on and action(refused.reason, attempt.message_class, overrides) is Action.RETRY:
        again_at = next_try_at(refused.reason, attempt.tries, now, roll, refused.retry_after_s)
        if again_at is not None and again_at < attempt.expires_at and _become(attempt, AttemptState.QUEUED):
            attempt.due_at = again_at
            return
    if _become(attempt, AttemptState.UNKNOWN if in_doubt else AttemptState.REFUSED):
        attempt.ended_at = now


def _become(attempt: Attempt, state: AttemptState) -> bool:
    allowed = attempt_may_become(attempt.state, state)
    if allowed:
        attempt.state = state
    return allowed


async def _evidenced(
    tx: Transaction, workspace_id: int, held: Sequence[Attempt]
) -> dict[tuple[int, str], AttemptState]:
    """What was heard of parts before the answer that names them, which came after the doubt."""
    late = [one.id for one in held if one.state is not AttemptState.SUBMITTING]
    known = await attempt_store.parts_of(tx, workspace_id, late) if late else {}
    return {(part.attempt_id, part.ref): part.state for parts in known.values() for part in parts}


def _parts(
    attempt: Attempt, outcome: Outcome, evidenced: Mapping[tuple[int, str], AttemptState]
) -> list[Part]:
    if not isinstance(outcome, Accepted):
        return []
    total, heard = len(outcome.refs), AttemptState.ACCEPTED
    return [
        Part(attempt.line_id, ref, attempt.id, number, total, evidenced.get((attempt.id, ref), heard))
        for number, ref in enumerate(outcome.refs, start=1)
    ]


def _note(world: World, case: Case, attempt: Attempt, outcome: Outcome, now: int) -> None:
    """One event for one outcome."""
    line = world.lines.seen(attempt.workspace_id, attempt.line_id)
    said: Json = {"step": attempt.step + 1, "channel": attempt.channel, "line": line.name if line else ""}
    own: Json = {}
    match outcome:
        case Accepted(refs):
            word = "sent"
            own["refs"], said["parts"] = refs, attempt.parts
        case Refused(reason, code, detail):
            word = "postponed" if attempt.state is AttemptState.QUEUED else "not_taken"
            said["reason"], said["code"], said["detail"] = reason.value, code, detail
        case _:
            word = "unanswered"
            said["detail"] = outcome.detail
    case.hear(word, now, said, own)

"""What a claimed attempt is to its channel; record how its submission ended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
import structlog

from angarium.core import ids
from angarium.core.clock import MICROS, micros
from angarium.core.ports import Accepted, Outcome, Refused, Submission, Tape, Unknown
from angarium.core.values import Json, Reason
from angarium.lines.patterns_rules import values
from angarium.lines.store import Line
from angarium.messaging import (
    bounces,
    budgets,
    evidence,
    exchanges,
    inquiries,
    plan,
    receive,
)
from angarium.messaging.case import Case, discreet, load, muted, open_content, wake, write
from angarium.messaging.retry import Action, action, next_try_at
from angarium.messaging.states import AttemptState, attempt_may_become
from angarium.messaging.store import attempts as attempt_store
from angarium.messaging.store import inbox, leftovers
from angarium.messaging.store.attempts import Attempt, Part
from angarium.messaging.world import World
from angarium.storage.database import Transaction

log = structlog.get_logger()

NOT_PREPARED = Reason.FAULT  # why an attempt failed whose words could not be opened


class Ended(msgspec.Struct, frozen=True, gc=False):
    """How one submission ended. `roll` is the chance that its retry is jittered with."""

    attempt: Attempt
    outcome: Outcome
    roll: float
    tape: Tape | None = None  # what was said about it


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

"""A no that comes while messages wait: what it stops is stopped in the transaction that writes it down.

The rows of the messages and of their attempts are held first. So of the claim of a line and the no, one comes
first: what was claimed before is on its way, and nothing is claimed afterwards.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from angarium.contacts.store import consents
from angarium.core.values import Reason
from angarium.messaging import plan
from angarium.messaging.cascade import Finish, best_state
from angarium.messaging.case import Case, load, write
from angarium.messaging.gate.judge import judge_person
from angarium.messaging.gate.verdicts import Refuse
from angarium.messaging.states import OPEN_ATTEMPT, AttemptState, MessageState
from angarium.messaging.store import messages as message_store
from angarium.messaging.store.attempts import Attempt
from angarium.messaging.way import lines_of, person_facts
from angarium.messaging.world import World
from angarium.storage.database import Transaction

CONTACTS_AT_ONCE = 500  # of those that a room below wrote down


async def stop(
    tx: Transaction, world: World, workspace_id: int, contact_ids: Iterable[int], now: int
) -> list[Case]:
    """Stop what these contacts may not be told any more, of all that has not ended; the cases it changed.

    To be called after what they said is written, in its transaction. Whoever calls it wakes the lines
    (`case.wake`) after the commit: a message may go on by its next step.
    """
    running = await message_store.running_of(tx, workspace_id, contact_ids)
    if not running:
        return []
    cases = list((await load(tx, world, workspace_id, running)).values())
    cases = [case for case in cases if case.message.finished_at is None]
    await plan.furnish(tx, world, cases, now)
    touched = [case for case in cases if case.contact is not None and _stop(world, case, now)]
    await plan.advance(tx, world, touched, now)
    await write(tx, world, touched)
    return touched


async def look(tx: Transaction, world: World, workspace_id: int, now: int) -> list[Case]:
    """Stop what contacts may not be told any more whose no was written by a room below."""
    contact_ids = await consents.to_look_at(tx, workspace_id, CONTACTS_AT_ONCE)
    return await stop(tx, world, workspace_id, contact_ids, now) if contact_ids else []


def _stop(world: World, case: Case, now: int) -> bool:
    """Stop the attempt that is queued, or the whole message, as far as the rules say no; whether they did."""
    queued = [attempt for attempt in case.attempts if attempt.state is AttemptState.QUEUED]
    refused = [(attempt, verdict) for attempt in queued if (verdict := _verdict(world, case, attempt, now))]
    for attempt, verdict in refused:
        _take_back(case.attempt(attempt.id), verdict, now)
        case.record("stopped", now, step=attempt.step + 1, **_told(verdict))
    if refused or queued or any(attempt.state in OPEN_ATTEMPT for attempt in case.attempts):
        return bool(refused)
    return _end(world, case, now)


def _verdict(world: World, case: Case, attempt: Attempt, now: int) -> Refuse | None:
    """Why an attempt that waits may not go to this person any more."""
    facts = person_facts(world, case, attempt.channel, [])
    kind = world.channels[attempt.channel].kind_at(attempt.address)
    line = msgspec.structs.replace(facts.line, line_id=attempt.line_id)
    suppressed = case.permissions.against(kind, attempt.address)
    verdict = judge_person(msgspec.structs.replace(facts, line=line, suppressed=suppressed), now)
    return verdict if isinstance(verdict, Refuse) else None


def _take_back(held: Attempt, verdict: Refuse, now: int) -> None:
    held.ended_at = now
    if held.reason == Reason.NO_ANSWER:  # tried before under its key: it may have gone out
        held.state = AttemptState.UNKNOWN
    else:
        held.state, held.reason, held.detail = AttemptState.REFUSED, verdict.reason.value, verdict.detail


def _end(world: World, case: Case, now: int) -> bool:
    """End a message of which no step that is left may go: one that is scheduled, or waits for a receipt."""
    begun = max((attempt.step for attempt in case.attempts), default=-1)
    left = range(begun + 1, len(case.steps))
    verdicts = []
    for step in left:
        named = case.steps[step]
        lines = lines_of(world, case.message.workspace_id, named)
        verdicts.append(judge_person(person_facts(world, case, named.channel, lines), now))
    refusals = [verdict for verdict in verdicts if isinstance(verdict, Refuse)]
    if not left or len(refusals) < len(verdicts):
        return False
    first = refusals[0]
    case.record("stopped", now, step=begun + 2, **_told(first))
    best = best_state(case.run())
    state = MessageState.REFUSED if best is MessageState.QUEUED else best
    plan.finish(case, Finish(state, first.reason, "nothing that is left may go to this person"), now)
    return True


def _told(verdict: Refuse) -> dict[str, str]:
    return {
        "reason": verdict.reason.value,
        "detail": verdict.detail,
        "rule": verdict.rule,
        "set_at": verdict.set_at,
    }

"""Plan what comes next for messages: ask the cascade, find the way of its step, write down why.

Everything is decided on cases in memory; `case.load` and `case.write` stand around it in one transaction.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from angarium.contacts.store import merges as contacts
from angarium.core.clock import iso
from angarium.core.values import PRIORITY, Json, MessageClass, Reason
from angarium.messaging import budgets, permission, tracking, unsubscribe
from angarium.messaging.cascade import (
    Decision,
    Finish,
    Run,
    Send,
    Skip,
    TakeBack,
    WaitUntil,
    best_state,
    decide,
)
from angarium.messaging.case import Case, load, open_wording, seal_content, write
from angarium.messaging.gate.verdicts import Hold, InVain, Refuse
from angarium.messaging.pricing import price_shown
from angarium.messaging.states import AttemptState, MessageState, may_become
from angarium.messaging.store import leftovers
from angarium.messaging.store import messages as message_store
from angarium.messaging.store.attempts import Attempt
from angarium.messaging.store.messages import Message
from angarium.messaging.way import Way, find_way, native_ttl_s, write_hours
from angarium.messaging.world import World
from angarium.storage import facts
from angarium.storage.database import Transaction
from angarium.storage.facts import Fact


async def due(tx: Transaction, world: World, workspace_id: int, now: int, limit: int) -> list[Case]:
    """Decide for messages whose time has come; the cases that were decided."""
    return await decide_for(
        tx, world, workspace_id, await message_store.due(tx, workspace_id, now, limit), now
    )


async def decide_for(
    tx: Transaction, world: World, workspace_id: int, ids: Sequence[int], now: int
) -> list[Case]:
    """Decide for these messages; their cases."""
    cases = list((await load(tx, world, workspace_id, ids)).values())
    for case in cases:
        case.record("decided", now)
    await advance(tx, world, cases, now)
    await write(tx, world, cases)
    return cases


async def give_up(tx: Transaction, workspace_id: int, message_id: int, why: str, now: int) -> None:
    """End a message that breaks every decision about it; its story says so."""
    ran, taken_back = await leftovers.end_message(tx, workspace_id, message_id, Reason.FAULT.value, now)
    await budgets.move(
        tx, workspace_id, [(budgets.Stand(one.price_micros), one) for one in taken_back if one.budgets]
    )
    if ran:
        ended = {"do": "finish", "state": MessageState.FAILED.value, "reason": Reason.FAULT.value, "why": why}
        body = msgspec.json.encode(
            {"state": MessageState.FAILED.value, "finished": True, "decisions": [ended]}
        )
        await facts.append(tx, [Fact(workspace_id, "message.decided", message_id, now, body)])


async def advance(tx: Transaction, world: World, cases: Sequence[Case], now: int) -> None:
    """Decide what follows for each, as far as it can be decided now.

    Where there is only to wait, or the end, whoever stands as another one does is not asked again.
    """
    ended = [case for case in cases if case.message.finished_at is not None]
    asked: list[tuple[Case, Run, Decision]] = []
    settled: dict[tuple[object, ...], Case] = {}
    followers: list[tuple[Case, Case]] = []
    for case in cases:
        if case.message.finished_at is not None:
            continue
        stand = _stand(case)
        if stand in settled:
            followers.append((case, settled[stand]))
            continue
        run, decision = _ask(case, now)
        asked.append((case, run, decision))
        if stand is not None and isinstance(decision, WaitUntil | Finish):
            settled[stand] = case
    to_plan = [case for case, _, decision in asked if isinstance(decision, Send) and case.contact is None]
    await furnish(tx, world, to_plan, now)
    await open_purse(tx, world, to_plan, cases, now)
    for case, run, decision in asked:
        _follow(world, case, run, decision, now)
    for case, first in followers:
        _take_over(case, first)
    for case in ended:
        _lift(case)


def drive(world: World, case: Case, now: int) -> None:
    """Decide for a message that runs until there is something to wait for, or the end."""
    _follow(world, case, *_ask(case, now), now)


def _ask(case: Case, now: int) -> tuple[Run, Decision]:
    """What is to be done. Of a message that is held nothing new goes out; its deadline ends it still."""
    run = case.run()
    decision = decide(run, now)
    if case.message.held and isinstance(decision, Send):
        return run, WaitUntil(case.message.expires_at, f"held: {message_store.HELD[case.message.reason]}")
    return run, decision


def _stand(case: Case) -> tuple[object, ...] | None:
    """What is decided by for a message with one attempt that is out; None for any other, and for a code,
    whose text is forgotten."""
    message = case.message
    if len(case.attempts) != 1 or message.skips or message.message_class is MessageClass.OTP:
        return None
    (one,) = case.attempts
    if one.state is AttemptState.QUEUED or one.state is AttemptState.CANCELLED:
        return None
    return (
        id(case.steps),
        message.message_class,
        message.state,
        message.reason,
        message.expires_at,
        one.step,
        one.state,
        one.reason,
        one.line_id,
        one.planned_at,
        one.accepted_at,
        one.ended_at,
    )


def _take_over(case: Case, first: Case) -> None:
    """Decide as it was decided for the first of those that stand so."""
    message, decided = case.message, first.message
    message.state, message.reason = decided.state, decided.reason
    message.decide_at, message.finished_at = decided.decide_at, decided.finished_at
    case.decisions.append(first.decisions[-1])


def _follow(world: World, case: Case, run: Run, decision: Decision, now: int) -> None:
    while isinstance(decision, Send | TakeBack):
        if isinstance(decision, TakeBack):
            _take_back(world, case, decision, now)
        else:
            _cancel_queued(case, Reason.NOT_STARTED, now)
            plan_step(world, case, decision, now)
        run, decision = _ask(case, now)
    if isinstance(decision, WaitUntil):
        _wait(case, run, decision, now)
    else:
        finish(case, decision, now)


async def furnish(tx: Transaction, world: World, cases: Sequence[Case], now: int) -> None:
    """Fetch the contacts and the wording of messages that are about to be planned, and what is permitted."""
    if not cases:
        return
    workspace_id = cases[0].message.workspace_id
    found = await contacts.found(tx, workspace_id, {case.message.contact_id for case in cases})
    await world.versions.load(tx, workspace_id, set(), {case.message.template_version_id for case in cases})
    relayed = {case.message.contact_id for case in cases if len(case.steps) > 1}
    several = {one.id for contact_id, one in found.items() if contact_id in relayed}
    known = await permission.of_contacts(tx, world, workspace_id, found.values(), now, several)
    for case in cases:
        case.permissions = known
        case.contact = found.get(case.message.contact_id)
        case.wording = open_wording(world, case.message)
        case.unsubscribe_url = unsubscribe.url(world, case.message)
        words = world.versions.words.get(case.message.template_version_id)
        case.variants = words.variants if words else case.wording.variants
        case.default_locale = words.default_locale if words else ""
        case.tracking = tracking.of(world, case.message, case.wording.track)
    await tracking.known(tx, cases)


async def open_purse(
    tx: Transaction, world: World, to_plan: Sequence[Case], cases: Sequence[Case], now: int
) -> None:
    """Let messages that are about to be planned know what may be spent; one purse for a whole transaction."""
    if not to_plan:
        return
    known = next((case.purse for case in cases if case.purse is not None), None)
    found = known or await budgets.purse(tx, world, to_plan[0].message.workspace_id, now)
    for case in to_plan:
        case.purse = found


def _wait(case: Case, run: Run, decision: WaitUntil, now: int) -> None:
    message = case.message
    message.decide_at = decision.at
    state = best_state(run)
    if state is MessageState.QUEUED and any(
        attempt.state is AttemptState.QUEUED and attempt.due_at > now and not attempt.tries
        for attempt in case.attempts
    ):
        state = MessageState.SCHEDULED
    _set_state(message, state)
    if message.message_class is MessageClass.OTP:
        _forget_at_expiry(case, now)
    case.decisions.append({"do": "wait", "until": iso(decision.at), "why": decision.why})


def _forget_at_expiry(case: Case, now: int) -> None:
    """A code that may not be sent any more is forgotten, though a receipt is still waited for."""
    message = case.message
    if now >= message.expires_at:
        _forget(case)
    elif message.decide_at is not None:
        message.decide_at = min(message.decide_at, message.expires_at)


def finish(case: Case, decision: Finish, now: int) -> None:
    """End a message: nothing more is tried, and the text of a code is forgotten."""
    message = case.message
    reason = decision.reason
    _cancel_queued(case, reason or Reason.CANCELLED, now)
    _set_state(message, decision.state)
    message.reason = reason.value if reason else ""
    message.decide_at = None
    message.finished_at = now
    if message.message_class is MessageClass.OTP:
        _forget(case)
    case.decisions.append(
        {"do": "finish", "state": message.state.value, "reason": message.reason, "why": decision.why}
    )


def _forget(case: Case) -> None:
    """The text of a code is not kept once its message has ended, or may not be sent any more."""
    case.message.words = b""
    for attempt in case.attempts:
        if attempt.content:
            case.attempt(attempt.id).content = b""


def _lift(case: Case) -> None:
    """News after the end: only good news changes anything."""
    state = best_state(case.run())
    is_news = state is not case.message.state and state is not MessageState.UNKNOWN
    if is_news and may_become(case.message.state, state):
        case.message.state = state
        case.message.reason = ""


def _set_state(message: Message, state: MessageState) -> None:
    if may_become(message.state, state):
        message.state = state


def _cancel_queued(case: Case, reason: Reason, now: int) -> None:
    for attempt in case.attempts:
        if attempt.state is AttemptState.QUEUED:
            changed = case.attempt(attempt.id)
            changed.ended_at = now
            if changed.reason == Reason.NO_ANSWER:  # tried before under its key: it may have gone out
                changed.state = AttemptState.UNKNOWN
            else:
                changed.state, changed.reason = AttemptState.CANCELLED, reason.value


def _take_back(world: World, case: Case, decision: TakeBack, now: int) -> None:
    """Of the claim of a line and this, one comes first: both hold the attempt's row."""
    for attempt in case.attempts:
        if attempt.state is AttemptState.QUEUED:
            line = world.lines.seen(attempt.workspace_id, attempt.line_id)
            note: Json = {"step": attempt.step + 1, "line": line.name if line else "", "why": decision.why}
            case.decisions.append({"do": "take_back", **note})
    _cancel_queued(case, Reason.ANSWERED, now)


def plan_step(world: World, case: Case, send: Send, now: int) -> None:
    """Add an attempt for the step, or a skip that says why there is none."""
    if send.regardless:
        kept = (skip for skip in case.message.skips if skip.step != send.step or not skip.remembered)
        case.message.skips = tuple(kept)
    found = find_way(world, case, send, now)
    note: Json = {"step": send.step + 1, "why": send.why}
    if isinstance(found, Hold):
        case.message.reason = found.reason.value
        told = {"reason": found.reason.value, "detail": found.detail}
        case.decisions.append({"do": "hold", **note, **told, "rule": found.rule, "set_at": found.set_at})
        return
    if isinstance(found, Refuse):
        _pass_over(case, send, found, note)
        return
    attempt = _attempt(world, case, send, found, now)
    if case.purse is not None:
        case.purse.take(attempt, found.line.name)
    case.attempts.append(attempt)
    case.created.append(attempt)
    note |= {"channel": attempt.channel, "line": found.line.name, "lines": found.order.told}
    if found.quote.row is not None:
        note["price"] = price_shown(found.quote)
    if found.due_at > now:
        note |= {"due": iso(found.due_at), "held": found.held}
    case.decisions.append({"do": "send", **note})


def _pass_over(case: Case, send: Send, refusal: Refuse, note: Json) -> None:
    said: Json = {"reason": refusal.reason.value, "detail": refusal.detail}
    if refusal.rule:
        said |= {"rule": refusal.rule, "set_at": refusal.set_at}
    skip = Skip(send.step, refusal.reason)
    if isinstance(refusal, InVain):
        said |= {"channel": refusal.channel, "heard": iso(refusal.heard_at)}
        skip = Skip(send.step, refusal.reason, True, refusal.spared_micros, refusal.currency)
    case.message.skips = (*case.message.skips, skip)
    case.decisions.append({"do": "skip", **note, **said})


def _attempt(world: World, case: Case, send: Send, way: Way, now: int) -> Attempt:
    message, step, line = case.message, case.steps[send.step], way.line
    attempt_id = world.ground.ids.mint()
    last = send.step == len(case.steps) - 1
    return Attempt(
        workspace_id=message.workspace_id,
        id=attempt_id,
        message_id=message.id,
        contact_id=message.contact_id,
        step=send.step,
        number=1 + sum(attempt.step == send.step for attempt in case.attempts),
        line_id=line.id,
        channel=line.channel,
        message_class=message.message_class,
        priority=PRIORITY[message.message_class],
        address=way.address,
        content=seal_content(world, message, attempt_id, way.content),
        parts=way.parts,
        price_micros=way.quote.micros,
        cost_micros=0,
        currency=way.quote.currency,
        state=AttemptState.QUEUED,
        reason="",
        code="",
        detail="",
        late=0,
        tries=_tries_before(case, send.step, line.id),
        epoch=0,
        ttl_s=native_ttl_s(world.channels[line.channel], step, message.expires_at, way.due_at, last),
        due_at=way.due_at,
        expires_at=message.expires_at,
        planned_at=way.due_at,
        hours=write_hours(step.hours),
    )


def _tries_before(case: Case, step: int, line_id: int) -> int:
    """How often a line has submitted this step already: once more is a retry, which its budget counts."""
    return sum(one.tries for one in case.attempts if one.step == step and one.line_id == line_id)

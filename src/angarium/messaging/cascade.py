"""What a cascade does next: `decide(run, now) -> Send | WaitUntil | Finish`. Pure.

Rules, in the order in which they are asked:
1. A step that reached its own success ends the run. Success is judged per step: `read` on Viber, `delivered`
   on SMS.
2. While an attempt is open (queued or on its way) nothing else is begun. A queued one is waited for until the
   message's deadline, or until the time the step allows for starting has passed.
3. The step's clock starts when the channel *accepted*, not when we queued: a throttled or broken line uses up
   the outer deadline alone.
4. Silence past the step's time moves on to the next step; so does a refusal of the kinds that say "not here".
   A refusal of the kinds that say "not this person" ends the run (`retry.py`).
5. Unknown is held for evidence first. Then the class decides: an OTP, a transactional or a service message is
   sent once more (another line preferred), then moves on; a promotional one ends as unknown, and a person
   decides.
6. With no step left, the best that is known is the result.

Semantics after the cascades of 8x8 (success and time per step), Rapporto and the former Vonage Dispatch; the
reasons are in docs/explanation/cascades.md.
"""

from __future__ import annotations

import msgspec

from angarium.core.clock import micros
from angarium.core.values import MessageClass, Reason
from angarium.messaging.retry import Action, action
from angarium.messaging.states import ATTEMPT_SUCCESS, OPEN_ATTEMPT, AttemptState, MessageState

# How long an unanswered submission is held for evidence: a late answer, or a receipt that fits.
HOLD_S = {
    MessageClass.OTP: 8.0,
    MessageClass.TRANSACTIONAL: 60.0,
    MessageClass.SERVICE: 60.0,
    MessageClass.PROMOTIONAL: 90.0,
}
# How often a step may be submitted again after an unanswered submission.
RESENDS = {
    MessageClass.OTP: 1,
    MessageClass.TRANSACTIONAL: 1,
    MessageClass.SERVICE: 1,
    MessageClass.PROMOTIONAL: 0,
}


class Step(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """One step: a channel or one line, what counts as success, and how long to wait for it."""

    channel: str = ""
    line: str = ""  # name of a line; overrides channel
    success: str = ""  # accepted, delivered or read; empty until `steps.settle` has chosen
    wait_s: float = 300.0  # from acceptance to success
    start_within_s: float | None = None  # from planning to acceptance; None: until the deadline
    on: dict[str, str] = {}  # reason -> retry, line, next or stop; overrides the common table


class Try(msgspec.Struct, frozen=True):
    """One attempt, as far as the decision needs it."""

    step: int
    state: AttemptState
    planned_at: int
    line_id: int = 0
    reason: Reason | None = None
    accepted_at: int | None = None
    ended_at: int | None = None  # when it was refused, failed or became unknown


class Skip(msgspec.Struct, frozen=True):
    """A step (or one line of it) that the rules passed over before anything was sent."""

    step: int
    reason: Reason


class Run(msgspec.Struct, frozen=True):
    """One message's way through its cascade so far. Tries are in the order they were made."""

    message_class: MessageClass
    steps: tuple[Step, ...]
    expires_at: int
    tries: tuple[Try, ...] = ()
    skips: tuple[Skip, ...] = ()


class Send(msgspec.Struct, frozen=True):
    """Plan an attempt of this step; lines in `avoid` only when there is no other."""

    step: int
    why: str
    avoid: frozenset[int] = frozenset()
    exclude: frozenset[int] = frozenset()  # lines that may not be used again for this step


class WaitUntil(msgspec.Struct, frozen=True):
    """Nothing to do before `at`, unless something is heard."""

    at: int
    why: str


class Finish(msgspec.Struct, frozen=True):
    """The run has ended."""

    state: MessageState
    reason: Reason | None
    why: str


Decision = Send | WaitUntil | Finish

MESSAGE_STATE_OF = {
    AttemptState.ACCEPTED: MessageState.SENT,
    AttemptState.DELIVERED: MessageState.DELIVERED,
    AttemptState.READ: MessageState.READ,
    AttemptState.UNKNOWN: MessageState.UNKNOWN,
}


def decide(run: Run, now: int) -> Decision:
    """What to do next with this run."""
    succeeded = [t for t in run.tries if succeeds(t.state, run.steps[t.step].success)]
    if succeeded:
        best = max(succeeded, key=lambda t: ATTEMPT_SUCCESS[t.state])
        return Finish(MESSAGE_STATE_OF[best.state], None, f"step {best.step + 1} is {best.state.value}")
    open_try = next((t for t in run.tries if t.state in OPEN_ATTEMPT), None)
    if open_try is not None:
        return _while_open(run, open_try, now)
    if run.skips and action(run.skips[-1].reason, run.message_class) is Action.STOP:
        return _end(run, f"the rules end it: {run.skips[-1].reason.value}")
    if not run.tries:
        return _go_on(run, -1, now, "first step")
    return _after(run, run.tries[-1], now)


def succeeds(state: AttemptState, success: str) -> bool:
    """Whether an attempt in `state` is what its step asked for."""
    return ATTEMPT_SUCCESS.get(state, 0) >= ATTEMPT_SUCCESS[AttemptState(success)]


def best_state(run: Run) -> MessageState:
    """The best that is known of the message, whether or not its run has ended."""
    states = {t.state for t in run.tries}
    for state in (AttemptState.READ, AttemptState.DELIVERED, AttemptState.ACCEPTED, AttemptState.UNKNOWN):
        if state in states:
            return MESSAGE_STATE_OF[state]
    return MessageState.QUEUED


def _while_open(run: Run, open_try: Try, now: int) -> Decision:
    step = run.steps[open_try.step]
    if open_try.state is AttemptState.SUBMITTING:
        return WaitUntil(
            max(run.expires_at, now + micros(HOLD_S[run.message_class])), "on its way to the provider"
        )
    if now >= run.expires_at:
        return _end(run, "its deadline passed before a line took it", Reason.DEADLINE)
    if step.start_within_s is None:
        return WaitUntil(run.expires_at, "queued on its line")
    start_by = open_try.planned_at + micros(step.start_within_s)
    if now < start_by:
        return WaitUntil(min(start_by, run.expires_at), "queued on its line")
    return _go_on(run, open_try.step, now, f"no line took it within {step.start_within_s:g} s")


def _after(run: Run, last: Try, now: int) -> Decision:
    step = run.steps[last.step]
    if last.state in (AttemptState.ACCEPTED, AttemptState.DELIVERED):
        until = (last.accepted_at or last.planned_at) + micros(step.wait_s)
        if now < until:
            return WaitUntil(until, f"waiting for {step.success}")
        return _go_on(run, last.step, now, f"not {step.success} within {step.wait_s:g} s")
    if last.state is AttemptState.UNKNOWN:
        return _after_unknown(run, last, now)
    reason = last.reason or Reason.REJECTED
    match action(reason, run.message_class, step.on):
        case Action.STOP:
            return _end(run, f"{reason.value} ends it", reason)
        case Action.LINE:
            return _another_line(run, last, reason, now)
        case _:
            return _go_on(run, last.step, now, f"step {last.step + 1} {last.state.value}: {reason.value}")


def _after_unknown(run: Run, last: Try, now: int) -> Decision:
    held_until = (last.ended_at or last.planned_at) + micros(HOLD_S[run.message_class])
    if now < held_until:
        return WaitUntil(held_until, "no answer from the provider; waiting for evidence")
    unknowns = sum(t.step == last.step and t.state is AttemptState.UNKNOWN for t in run.tries)
    if run.message_class is MessageClass.PROMOTIONAL:
        return _end(run, "no answer and no evidence; a person decides", Reason.NO_ANSWER)
    if unknowns <= RESENDS[run.message_class] and now < run.expires_at:
        return Send(last.step, "no answer and no evidence; once more", avoid=frozenset({last.line_id}))
    return _go_on(run, last.step, now, "no answer again")


def _another_line(run: Run, last: Try, reason: Reason, now: int) -> Decision:
    """Another line of the same step, if it has any; the planner skips the step when it has none."""
    if now >= run.expires_at:
        return _end(run, "its deadline passed", Reason.DEADLINE)
    if any(skip.step == last.step for skip in run.skips):
        return _go_on(run, last.step, now, f"step {last.step + 1}: {reason.value}, and no other line")
    used = frozenset(t.line_id for t in run.tries if t.step == last.step)
    return Send(last.step, f"{reason.value} on its line; another line", exclude=used)


def _go_on(run: Run, step: int, now: int, why: str) -> Decision:
    """The next step that was not passed over, or the end."""
    passed = {skip.step for skip in run.skips}
    following = next((i for i in range(step + 1, len(run.steps)) if i not in passed), None)
    if following is None:
        return _end(run, why)
    if now >= run.expires_at:
        return _end(run, f"{why}; its deadline passed", Reason.DEADLINE)
    return Send(following, why)


def _end(run: Run, why: str, reason: Reason | None = None) -> Finish:
    """The best that is known, once nothing more is to be tried."""
    best = best_state(run)
    if best is MessageState.UNKNOWN:
        return Finish(best, Reason.NO_ANSWER, why)
    if best is not MessageState.QUEUED:
        return Finish(best, Reason.NO_RECEIPT, why)
    if reason is Reason.DEADLINE:
        return Finish(MessageState.EXPIRED, reason, why)
    last = next((t for t in reversed(run.tries) if t.state not in OPEN_ATTEMPT), None)
    if last is not None:
        return Finish(MessageState.FAILED, reason or last.reason or Reason.REJECTED, why)
    if run.skips:
        return Finish(_of_skips(run), reason or run.skips[-1].reason, why)
    return Finish(MessageState.FAILED, reason or Reason.NOT_STARTED, why)


def _of_skips(run: Run) -> MessageState:
    """Refused when a rule said no to this person; failed when there was merely no way."""
    stopped = any(action(s.reason, run.message_class) is Action.STOP for s in run.skips)
    return MessageState.REFUSED if stopped else MessageState.FAILED

"""What a cascade does next: `decide(run, now) -> Send | TakeBack | WaitUntil | Finish`. Pure.

Rules, in the order in which they are asked:
1. A step that reached its own success ends the run. Success is judged per step: `read` on Viber, `delivered`
   on SMS.
2. While an attempt is open (queued or on its way) nothing else is begun. A queued one is waited for until the
   message's deadline, or until the time the step allows for starting has passed.
3. The step's clock starts when the channel *accepted*, not when we queued: a throttled or broken line uses up
   the outer deadline alone.
4. Every other reason to leave a step leads where the table in `retry.py` says, unless the step says
   otherwise: to another line, to the next step, or to the end. Silence past the step's time is such a reason,
   and so is what made the rules pass over a step.
5. Unknown is held for evidence first. Then the class decides: an OTP, a transactional or a service message is
   sent once more (another line preferred), then moves on; a promotional one ends as unknown, and a person
   decides.
6. A try that is heard to have been taken after all is waited for like any other, and what is queued in its
   place is taken back. It stands for its step from then on, so that nothing is sent again beside it.
7. With no step left, one that was passed over for what is remembered is tried after all, if nothing went out
   that anybody knows of or doubts. Else the best that is known is the result. Nothing is begun at or after
   the deadline.

Semantics after the cascades of 8x8 (success and time per step), Rapporto and the former Vonage Dispatch; the
reasons are in docs/explanation/cascades.md.
"""

from __future__ import annotations

import msgspec

from angarium.core.clock import micros
from angarium.core.values import MessageClass, Reason, Window
from angarium.messaging.retry import RULED_OUT, Action, action
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
    on: dict[str, str] = {}  # reason -> retry, line, next or stop; overrides the common table, `retry.py`
    hours: Window | None = None  # in which it is submitted, by the contact's own clock; None: at any hour


class Try(msgspec.Struct, frozen=True, gc=False):
    """One attempt, as far as the decision needs it."""

    step: int
    state: AttemptState
    planned_at: int
    line_id: int = 0
    reason: Reason | None = None
    accepted_at: int | None = None
    ended_at: int | None = None  # when it was refused, failed or became unknown


class Skip(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A step (or one line of it) that the rules passed over before anything was sent.

    `remembered`: it was known to be in vain; what it would have cost at the most is in `spared_micros`.
    """

    step: int
    reason: Reason
    remembered: bool = False
    spared_micros: int = 0
    currency: str = ""


class Run(msgspec.Struct, frozen=True, gc=False):
    """One message's way through its cascade so far. Tries are in the order they were made; none of them was
    taken back."""

    message_class: MessageClass
    steps: tuple[Step, ...]
    expires_at: int
    tries: tuple[Try, ...] = ()
    skips: tuple[Skip, ...] = ()


class Send(msgspec.Struct, frozen=True, gc=False):
    """Plan an attempt of this step; lines in `avoid` only when there is no other."""

    step: int
    why: str
    avoid: frozenset[int] = frozenset()
    exclude: frozenset[int] = frozenset()  # lines that may not be used again for this step
    regardless: bool = False  # of what is remembered against it


class TakeBack(msgspec.Struct, frozen=True):
    """Do not submit the attempt that is queued: an earlier one was taken after all."""

    why: str


class WaitUntil(msgspec.Struct, frozen=True, gc=False):
    """Nothing to do before `at`, unless something is heard."""

    at: int
    why: str


class Finish(msgspec.Struct, frozen=True, gc=False):
    """The run has ended."""

    state: MessageState
    reason: Reason | None
    why: str


Decision = Send | TakeBack | WaitUntil | Finish

MESSAGE_STATE_OF = {
    AttemptState.ACCEPTED: MessageState.SENT,
    AttemptState.DELIVERED: MessageState.DELIVERED,
    AttemptState.READ: MessageState.READ,
    AttemptState.UNKNOWN: MessageState.UNKNOWN,
}
TAKEN = (AttemptState.ACCEPTED, AttemptState.DELIVERED)  # and not yet what the step may want
RANK_WANTED = {state.value: rank for state, rank in ATTEMPT_SUCCESS.items()}  # by a step's `success`


def decide(run: Run, now: int) -> Decision:
    """What to do next with this run."""
    for one in run.tries:
        if succeeds(one.state, run.steps[one.step].success):
            return Finish(best_state(run), None, f"step {one.step + 1} is {one.state.value}")
    hoped_for = _hoped_for(run, now)
    for one in run.tries:
        if one.state in OPEN_ATTEMPT:
            return _while_open(run, one, hoped_for, now)
    skip = run.skips[-1] if run.skips else None
    if skip is not None and _action(run, skip.step, skip.reason) is Action.STOP:
        return _end(run, f"the rules end it: {skip.reason.value}", skip.reason)
    if hoped_for is not None:
        return WaitUntil(_wait_ends(run, hoped_for), f"waiting for {run.steps[hoped_for.step].success}")
    if run.tries:
        return _after(run, _standing_for_its_step(run), now)
    if skip is not None:
        return _go_on(
            run, skip.step, now, f"step {skip.step + 1} passed over: {skip.reason.value}", skip.reason
        )
    return _go_on(run, -1, now, "first step", Reason.NOT_STARTED)


def succeeds(state: AttemptState, success: str) -> bool:
    """Whether an attempt in `state` is what its step asked for."""
    return ATTEMPT_SUCCESS.get(state, 0) >= RANK_WANTED[success]


def best_state(run: Run) -> MessageState:
    """The best that is known of the message, whether or not its run has ended."""
    states = {AttemptState.UNKNOWN if _in_doubt(t) else t.state for t in run.tries}
    for state in (AttemptState.READ, AttemptState.DELIVERED, AttemptState.ACCEPTED, AttemptState.UNKNOWN):
        if state in states:
            return MESSAGE_STATE_OF[state]
    return MessageState.QUEUED


def _in_doubt(one: Try) -> bool:
    """Whether it is tried again under its key: an earlier try may have gone out."""
    return one.state in OPEN_ATTEMPT and one.reason is Reason.NO_ANSWER


def _copy_may_be_out(run: Run) -> bool:
    """Whether nobody knows of some try that it has gone out, whatever is known of the others."""
    return any(one.state is AttemptState.UNKNOWN or _in_doubt(one) for one in run.tries)


def _hoped_for(run: Run, now: int) -> Try | None:
    """The try that was taken and has its time still: of several the one that is waited for longest."""
    taken = [t for t in run.tries if t.state in TAKEN and now < _wait_ends(run, t)]
    return max(taken, key=lambda t: _wait_ends(run, t), default=None)


def _wait_ends(run: Run, one: Try) -> int:
    return (one.accepted_at or one.planned_at) + micros(run.steps[one.step].wait_s)


def _while_open(run: Run, open_try: Try, hoped_for: Try | None, now: int) -> Decision:
    step = run.steps[open_try.step]
    if open_try.state is AttemptState.SUBMITTING:
        answer_by = now + micros(HOLD_S[run.message_class])
        return WaitUntil(max(run.expires_at, answer_by), "on its way to the provider")
    if hoped_for is not None:
        return TakeBack(f"step {hoped_for.step + 1} is {hoped_for.state.value} after all")
    if now >= run.expires_at:
        return _end(run, "its deadline passed before a line took it", Reason.DEADLINE)
    if step.start_within_s is None or _in_doubt(open_try):  # it may have started long ago
        return WaitUntil(run.expires_at, "queued on its line")
    start_by = open_try.planned_at + micros(step.start_within_s)
    if now < start_by:
        return WaitUntil(min(start_by, run.expires_at), "queued on its line")
    return _leave(run, open_try, now, f"no line took it within {step.start_within_s:g} s", Reason.NOT_STARTED)


def _standing_for_its_step(run: Run) -> Try:
    """The last try, or an earlier one of its step of which it was heard since that it had been taken."""
    last = run.tries[-1]
    late = [
        t
        for t in run.tries
        if t.step == last.step and t.state in TAKEN and (t.accepted_at or 0) >= last.planned_at
    ]
    return late[-1] if late else last


def _after(run: Run, last: Try, now: int) -> Decision:
    if last.state is AttemptState.UNKNOWN:
        return _after_unknown(run, last, now)
    if last.state in TAKEN:
        step = run.steps[last.step]
        return _leave(run, last, now, f"not {step.success} within {step.wait_s:g} s", Reason.NO_RECEIPT)
    reason = last.reason or Reason.REJECTED
    return _leave(run, last, now, f"step {last.step + 1} {last.state.value}: {reason.value}", reason)


def _after_unknown(run: Run, last: Try, now: int) -> Decision:
    held_until = (last.ended_at or last.planned_at) + micros(HOLD_S[run.message_class])
    if now < held_until:
        return WaitUntil(held_until, "no answer from the provider; waiting for evidence")
    if run.message_class is MessageClass.PROMOTIONAL:
        return _end(run, "no answer and no evidence; a person decides", Reason.NO_ANSWER)
    wanted = _action(run, last.step, Reason.NO_ANSWER) is Action.RETRY and not _passed_over(run, last.step)
    unknowns = sum(t.step == last.step and t.state is AttemptState.UNKNOWN for t in run.tries)
    if wanted and unknowns <= RESENDS[run.message_class]:
        again = Send(last.step, "no answer and no evidence; once more", avoid=frozenset({last.line_id}))
        return _in_time(run, again, now)
    return _leave(run, last, now, "no answer and no evidence", Reason.NO_ANSWER)


def _leave(run: Run, last: Try, now: int, why: str, reason: Reason) -> Decision:
    """Where a reason leads once its retries are used up.

    Advertising of which a copy may be out goes nowhere by itself, though a person had it sent again.
    """
    if run.message_class is MessageClass.PROMOTIONAL and _copy_may_be_out(run):
        return _end(run, why, reason)
    match _action(run, last.step, reason):
        case Action.STOP:
            return _end(run, f"{why}; that ends it", reason)
        case Action.LINE if not _passed_over(run, last.step):
            used = frozenset(t.line_id for t in run.tries if t.step == last.step)
            return _in_time(run, Send(last.step, f"{why}; another line", exclude=used), now)
        case _:
            return _go_on(run, last.step, now, why, reason)


def _action(run: Run, step: int, reason: Reason) -> Action:
    return action(reason, run.message_class, run.steps[step].on)


def _passed_over(run: Run, step: int) -> bool:
    """Whether no way was found for a step, or no other line of it."""
    return any(skip.step == step for skip in run.skips)


def _go_on(run: Run, step: int, now: int, why: str, reason: Reason) -> Decision:
    """The next step that was not passed over, or the end."""
    following = next((i for i in range(step + 1, len(run.steps)) if _is_left(run, i)), None)
    if following is not None:
        return _in_time(run, Send(following, why), now)
    recalled = next((skip.step for skip in run.skips if skip.remembered), None)
    if recalled is None or best_state(run) is not MessageState.QUEUED:
        return _end(run, why, reason)
    return _in_time(run, Send(recalled, f"{why}; nothing else is left", regardless=True), now)


def _is_left(run: Run, step: int) -> bool:
    return not _passed_over(run, step) and not any(t.step == step for t in run.tries)


def _in_time(run: Run, send: Send, now: int) -> Send | Finish:
    if now < run.expires_at:
        return send
    return _end(run, f"{send.why}, but its deadline has passed", Reason.DEADLINE)


def _end(run: Run, why: str, reason: Reason) -> Finish:
    """The best that is known, once nothing more is to be tried."""
    best = best_state(run)
    match best:
        case MessageState.DELIVERED:
            return Finish(best, None, why)
        case MessageState.SENT:
            return Finish(best, Reason.NO_RECEIPT, why)
        case MessageState.UNKNOWN:
            return Finish(best, Reason.NO_ANSWER, why)
        case _:
            return Finish(_without_success(run, reason), reason, why)


def _without_success(run: Run, reason: Reason) -> MessageState:
    """Expired and refused say that nobody took it; once taken it can only have failed."""
    if any(t.state is AttemptState.FAILED for t in run.tries):
        return MessageState.FAILED
    if reason is Reason.DEADLINE:
        return MessageState.EXPIRED
    no_to_this_person = reason in RULED_OUT or action(reason, run.message_class) is Action.STOP
    return MessageState.REFUSED if no_to_this_person else MessageState.FAILED
